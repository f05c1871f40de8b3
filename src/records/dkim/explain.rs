//! What each tag of a key record means, for the marks under it.

use super::{GOOD_RSA_BITS, Key, KeyProblem, KeyProblemKind, KeyType, MIN_RSA_BITS, PublicKey};
use crate::finding::Severity;
use crate::records::TagList;
use crate::report::Mark;

/// A mark for every tag, in order, and for every problem that underlines something else than a tag.
pub fn marks(key: &Key, problems: &[KeyProblem]) -> Vec<Mark> {
    let list = TagList::parse(&key.text);
    let mut marks = Vec::new();
    for tag in &list.tags {
        let (note, severity) = match tag.name {
            "v" => version(tag.value),
            "k" => match &key.key_type {
                KeyType::Rsa => ("an RSA key".to_owned(), Severity::Ok),
                KeyType::Ed25519 => ("an Ed25519 key (RFC 8463)".to_owned(), Severity::Ok),
                KeyType::Other(_) => ("an algorithm that nobody knows".to_owned(), Severity::Error),
            },
            "p" => public(key, problems),
            "h" => hashes(key),
            "s" => match key.is_for_mail() {
                true => ("for mail".to_owned(), Severity::Ok),
                false => ("not for mail: for other services only".to_owned(), Severity::Info),
            },
            "t" => flags(key),
            "n" => ("a note for people; nobody acts on it".to_owned(), Severity::Ok),
            "g" => ("left from RFC 4871; ignored since RFC 6376".to_owned(), Severity::Info),
            _ => ("a tag that nobody knows: ignored".to_owned(), Severity::Info),
        };
        marks.push(Mark { span: tag.span(), note, severity });
    }
    for problem in problems {
        let note = match problem.kind {
            KeyProblemKind::NotATag => "not name=value: verifiers that keep to the RFC drop the whole key",
            KeyProblemKind::DuplicateTag => "stands twice, which makes the whole key invalid (RFC 6376 §3.2)",
            KeyProblemKind::Quotes => "a literal quotation mark, pasted from a zone file",
            KeyProblemKind::OtherVersion
            | KeyProblemKind::VersionNotFirst
            | KeyProblemKind::NoPublicKey
            | KeyProblemKind::UnknownType
            | KeyProblemKind::NotBase64
            | KeyProblemKind::BadKey(_)
            | KeyProblemKind::NotAscii => continue,
        };
        marks.push(Mark { span: problem.span, note: note.into(), severity: Severity::Error });
    }
    marks
}

fn version(value: &str) -> (String, Severity) {
    match value {
        "DKIM1" => ("a DKIM key; it must stand first".into(), Severity::Ok),
        _ => ("not DKIM1: verifiers must drop the record".into(), Severity::Error),
    }
}

fn public(key: &Key, problems: &[KeyProblem]) -> (String, Severity) {
    match &key.public {
        PublicKey::Rsa { bits, bare, .. } => {
            let form = if *bare { " (as bare RSAPublicKey, which verifiers accept)" } else { "" };
            let severity = match bits {
                bits if *bits < MIN_RSA_BITS => Severity::Error,
                bits if *bits < GOOD_RSA_BITS => Severity::Warning,
                _ => Severity::Ok,
            };
            (format!("the public key, RSA with {bits} bits{form}"), severity)
        }
        PublicKey::Ed25519(_) => ("the public key, Ed25519, as strong as RSA with 3072 bits".into(), Severity::Ok),
        PublicKey::Revoked => ("empty: the key is withdrawn, signatures by it fail".into(), Severity::Info),
        PublicKey::Unusable => {
            let reason = problems
                .iter()
                .find(|problem| matches!(problem.kind, KeyProblemKind::NotBase64 | KeyProblemKind::BadKey(_)))
                .map_or("cannot be used".to_owned(), |problem| {
                    problem.kind.reason().trim_start_matches("p= ").to_owned()
                });
            (reason, Severity::Error)
        }
    }
}

fn hashes(key: &Key) -> (String, Severity) {
    match (key.allows_hash("sha256"), key.hashes.is_empty()) {
        (_, true) => ("every hash is allowed".into(), Severity::Ok),
        (true, false) => (format!("signatures with {} only", key.hashes.join(", ")), Severity::Ok),
        (false, false) => ("does not allow SHA-256, the only hash that verifiers accept".into(), Severity::Error),
    }
}

fn flags(key: &Key) -> (String, Severity) {
    match (key.testing, key.strict) {
        (true, true) => ("testing; and i= must be the domain itself".into(), Severity::Warning),
        (true, false) => {
            ("testing: verifiers must not treat signed mail better than unsigned".into(), Severity::Warning)
        }
        (false, true) => ("strict: i= must be the domain itself, not a subdomain".into(), Severity::Ok),
        (false, false) => ("no flag that anybody knows".into(), Severity::Ok),
    }
}

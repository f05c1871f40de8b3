//! Every signature judged: its body hash and its header signature, both, always, and told apart; then one word for it by
//! the table in [`super`].

use serde::Serialize;
use time::OffsetDateTime;

use crate::check::{Absence, Dns, Kind, Look, Outcome, Seen, Wait, all};
use crate::message::Message;
use crate::message::canonical::{BodyHash, Hash};
use crate::message::dkim::crypto::{self, Math};
use crate::message::dkim::{Algorithm, Cover, Signature};
use crate::records::dkim::{Key, KeyProblem, KeyType, MIN_RSA_BITS, PublicKey};
use crate::report::LookupId;

/// RFC 8601's words for a signature (§2.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are RFC 8601's own; the table in the room's docs explains them")]
pub enum Verdict {
    Pass,
    Fail,
    Neutral,
    Policy,
    TempError,
    PermError,
}

impl Verdict {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Neutral => "neutral",
            Verdict::Policy => "policy",
            Verdict::TempError => "temperror",
            Verdict::PermError => "permerror",
        }
    }
}

/// What the body hash came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyCheck {
    /// The body is the one that was signed.
    Match(BodyHash),
    /// It is not.
    Mismatch(BodyHash),
    /// `l=` counts more bytes than the body has.
    TooShort(BodyHash),
    /// It could not be computed; the reason.
    Unchecked(&'static str),
}

impl BodyCheck {
    /// The contract's word.
    pub fn word(&self) -> &'static str {
        match self {
            BodyCheck::Match(_) => "match",
            BodyCheck::Mismatch(_) | BodyCheck::TooShort(_) => "mismatch",
            BodyCheck::Unchecked(_) => "unchecked",
        }
    }

    /// The hash that was computed.
    pub fn hash(&self) -> Option<&BodyHash> {
        match self {
            BodyCheck::Match(hash) | BodyCheck::Mismatch(hash) | BodyCheck::TooShort(hash) => Some(hash),
            BodyCheck::Unchecked(_) => None,
        }
    }
}

/// What the header signature came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderCheck {
    /// The signature is one by the published key over these fields.
    Valid,
    /// It is not.
    Invalid,
    /// It could not be computed; the reason.
    Unchecked(String),
}

impl HeaderCheck {
    /// The contract's word.
    pub fn word(&self) -> &'static str {
        match self {
            HeaderCheck::Valid => "valid",
            HeaderCheck::Invalid => "invalid",
            HeaderCheck::Unchecked(_) => "unchecked",
        }
    }
}

/// What was found where the key should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLook {
    /// The signature names no place.
    NoName,
    /// Nothing is published there.
    Absent(LookupId, Absence),
    /// We could not look.
    Unknown(LookupId, Outcome),
    /// TXT records.
    Found(LookupId, Vec<FoundKey>),
}

/// One TXT record where a key should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The record, read.
    pub key: Key,
    /// What is wrong in it.
    pub problems: Vec<KeyProblem>,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Why this signature cannot use it; `None` when it can.
    pub refused: Option<String>,
    /// What the signature came to with it.
    pub math: Math,
}

/// One signature, judged.
#[derive(Clone, Debug)]
pub struct Judged<'m> {
    /// Its number, from 1 at the topmost.
    pub number: usize,
    /// The signature.
    pub signature: &'m Signature,
    /// The fields that it covers.
    pub cover: Cover,
    /// Its word.
    pub verdict: Verdict,
    /// Why, in a few words.
    pub reason: String,
    /// The body hash.
    pub body: BodyCheck,
    /// The header signature.
    pub header: HeaderCheck,
    /// The key.
    pub key: KeyLook,
}

impl Judged<'_> {
    /// Whether it may still pass for somebody who sees more: the key could not be looked at, the body was not pasted, or
    /// the header has more fields than we read.
    pub fn is_open(&self) -> bool {
        match self.verdict {
            Verdict::TempError => true,
            Verdict::Neutral => self.signature.worst_problem().is_none(),
            Verdict::Pass | Verdict::Fail | Verdict::Policy | Verdict::PermError => false,
        }
    }

    /// The record that was used, or the first one.
    pub fn found_key(&self) -> Option<&FoundKey> {
        match &self.key {
            KeyLook::Found(_, keys) => keys.iter().find(|key| key.math == Math::Valid).or_else(|| keys.first()),
            KeyLook::NoName | KeyLook::Absent(..) | KeyLook::Unknown(..) => None,
        }
    }

    /// The lookup that showed the key, or that there is none.
    pub fn lookup(&self) -> Option<LookupId> {
        match &self.key {
            KeyLook::NoName => None,
            KeyLook::Absent(id, _) | KeyLook::Unknown(id, _) | KeyLook::Found(id, _) => Some(*id),
        }
    }

    /// Bytes of the body that stand after what `l=` covers.
    pub fn uncovered_tail(&self) -> u64 {
        self.body.hash().map_or(0, |hash| hash.total - hash.covered)
    }
}

/// Judges every signature that the message has (up to [`super::MAX_SIGNATURES`]).
pub fn judge_all<'m>(message: &'m Message, seen: &Seen<'_>) -> Result<Vec<Judged<'m>>, Wait> {
    let received = message.received_at().unwrap_or_else(|| seen.now());
    all(message.signatures().iter().enumerate(), |(at, signature)| {
        judge(message, signature, message.signature_hash(at), seen, received)
            .map(|judged| Judged { number: at + 1, ..judged })
    })
}

/// Judges one signature: one round, its key.
pub(in crate::message) fn judge<'m>(
    message: &'m Message,
    signature: &'m Signature,
    hash: Option<&BodyHash>,
    seen: &Seen<'_>,
    received: OffsetDateTime,
) -> Result<Judged<'m>, Wait> {
    let answer = ask_key(signature, seen)?;
    let cover = Cover::of(message, signature);
    let input = cover.input(message, signature);
    let key = look_at_key(signature, answer, &input);
    let body = body_check(signature, hash);
    let header = header_check(signature, &key);
    let (verdict, reason) = if message.skipped_fields() > 0 {
        (Verdict::Neutral, "the header has more fields than we read".to_owned())
    } else {
        word(signature, Some(&body), &header, &key, received)
    };
    Ok(Judged { number: 1, signature, cover, verdict, reason, body, header, key })
}

/// Judges a seal: a signature over header fields alone, whose bytes are given.
pub(in crate::message) fn judge_seal(
    signature: &Signature,
    input: impl FnOnce() -> Vec<u8>,
    seen: &Seen<'_>,
    received: OffsetDateTime,
) -> Result<(Verdict, String, HeaderCheck, KeyLook), Wait> {
    let answer = ask_key(signature, seen)?;
    let key = look_at_key(signature, answer, &input());
    let header = header_check(signature, &key);
    let (verdict, reason) = word(signature, None, &header, &key, received);
    Ok((verdict, reason, header, key))
}

fn ask_key<'s>(signature: &Signature, seen: &Seen<'s>) -> Result<Option<Dns<'s>>, Wait> {
    signature.key_name.as_ref().map(|name| seen.dns(name, Kind::Txt)).transpose()
}

fn look_at_key(signature: &Signature, answer: Option<Dns<'_>>, input: &[u8]) -> KeyLook {
    let Some(dns) = answer else { return KeyLook::NoName };
    match dns.look() {
        Look::Absent(absence) => KeyLook::Absent(dns.id, absence),
        Look::Unknown(outcome) => KeyLook::Unknown(dns.id, outcome.clone()),
        Look::Found(records) => {
            let texts = records.iter().zip(dns.texts()).take(super::MAX_KEYS);
            KeyLook::Found(dns.id, texts.map(|(record, text)| try_key(signature, &text, record.ttl, input)).collect())
        }
    }
}

fn try_key(signature: &Signature, text: &[u8], ttl: u32, input: &[u8]) -> FoundKey {
    let (key, problems) = Key::parse(text);
    let refused = refusal(signature, &key, &problems);
    // A key that must not be used for this signature is still tried: "it would verify" is worth knowing.
    let fits = matches!(
        (&signature.algorithm, &key.public),
        (Algorithm::Rsa(_), PublicKey::Rsa { .. }) | (Algorithm::Ed25519, PublicKey::Ed25519(_))
    );
    let math = if fits && !signature.value.is_empty() {
        crypto::verify(&key.public, signature.algorithm.hash(), input, &signature.value)
    } else {
        Math::NotComputed("the key does not fit the signature")
    };
    FoundKey { key, problems, ttl, refused, math }
}

/// Why a signature cannot use a key (RFC 6376 §6.1.2): each is a `permerror`.
fn refusal(signature: &Signature, key: &Key, problems: &[KeyProblem]) -> Option<String> {
    if key.is_revoked() {
        return Some("the key was revoked (p= is empty)".into());
    }
    if let Some(problem) = problems.iter().find(|problem| problem.kind.is_fatal()) {
        return Some(format!("the key cannot be used: {}", problem.kind.reason()));
    }
    let wanted = match signature.algorithm {
        Algorithm::Rsa(_) => KeyType::Rsa,
        Algorithm::Ed25519 => KeyType::Ed25519,
        Algorithm::Unknown(_) => return None,
    };
    if key.key_type != wanted {
        return Some(format!(
            "the key is for {}, the signature is {}",
            key.key_type.as_str(),
            signature.algorithm.as_str()
        ));
    }
    let hash = signature.algorithm.hash().as_str();
    if !key.allows_hash(hash) {
        return Some(format!("the key's h= does not allow {hash}"));
    }
    if !key.is_for_mail() {
        return Some("the key's s= does not allow mail".into());
    }
    if key.strict && signature.identity_domain() != signature.domain {
        return Some("the key's t=s wants the domain of i= to be d= itself".into());
    }
    None
}

fn body_check(signature: &Signature, hash: Option<&BodyHash>) -> BodyCheck {
    let Some(hash) = hash else { return BodyCheck::Unchecked("the body was not pasted") };
    if signature.body_hash.is_empty() {
        return BodyCheck::Unchecked("the signature has no body hash");
    }
    if signature.length.is_some_and(|length| length > hash.total) {
        return BodyCheck::TooShort(hash.clone());
    }
    if hash.digest == signature.body_hash { BodyCheck::Match(hash.clone()) } else { BodyCheck::Mismatch(hash.clone()) }
}

fn header_check(signature: &Signature, key: &KeyLook) -> HeaderCheck {
    if signature.value.is_empty() {
        return HeaderCheck::Unchecked("the signature cannot be read".into());
    }
    match key {
        KeyLook::NoName => HeaderCheck::Unchecked("the signature names no key".into()),
        KeyLook::Absent(..) => HeaderCheck::Unchecked("there is no key".into()),
        KeyLook::Unknown(_, outcome) => HeaderCheck::Unchecked(format!("we could not look at the key: {outcome}")),
        KeyLook::Found(_, keys) if keys.iter().any(|key| key.math == Math::Valid) => HeaderCheck::Valid,
        KeyLook::Found(_, keys) if keys.iter().any(|key| key.math == Math::Invalid) => HeaderCheck::Invalid,
        KeyLook::Found(_, keys) => {
            let why = keys.iter().find_map(|found| match (&found.refused, found.math) {
                (Some(refused), _) => Some(refused.clone()),
                (None, Math::NotComputed(why)) => Some(why.to_owned()),
                (None, Math::Valid | Math::Invalid) => None,
            });
            HeaderCheck::Unchecked(why.unwrap_or_else(|| "there is no key".into()))
        }
    }
}

/// The one table of outcomes, in the order in which they decide (see [`super`]); a seal has no body.
fn word(
    signature: &Signature,
    body: Option<&BodyCheck>,
    header: &HeaderCheck,
    key: &KeyLook,
    received: OffsetDateTime,
) -> (Verdict, String) {
    if let Some(problem) = signature.worst_problem() {
        let verdict = if problem.kind.is_permerror() { Verdict::PermError } else { Verdict::Neutral };
        return (verdict, problem.kind.reason());
    }
    match body {
        Some(BodyCheck::TooShort(_)) => return (Verdict::PermError, "l= counts more bytes than the body has".into()),
        Some(BodyCheck::Mismatch(_)) => return (Verdict::Fail, "body changed".into()),
        Some(BodyCheck::Match(_) | BodyCheck::Unchecked(_)) | None => {}
    }
    let keys = match key {
        KeyLook::NoName => return (Verdict::PermError, "the signature names no key".into()),
        KeyLook::Absent(..) => return (Verdict::PermError, "no key".into()),
        KeyLook::Unknown(_, outcome) => return (Verdict::TempError, format!("key not looked at: {outcome}")),
        KeyLook::Found(_, keys) => keys,
    };
    let usable: Vec<_> = keys.iter().filter(|found| found.refused.is_none()).collect();
    if let (true, Some(first)) = (usable.is_empty(), keys.first()) {
        return (Verdict::PermError, first.refused.clone().unwrap_or_else(|| "no key".into()));
    }
    let Some(valid) = usable.iter().find(|found| found.math == Math::Valid) else {
        return match usable.iter().find_map(|found| match found.math {
            Math::NotComputed(why) => Some(why),
            Math::Valid | Math::Invalid => None,
        }) {
            Some(why) if *header != HeaderCheck::Invalid => (Verdict::PermError, why.to_owned()),
            _ => (Verdict::Fail, "header signature does not verify".into()),
        };
    };
    // What must not be believed stays so, whatever the body turns out to be.
    let unseen = match body {
        Some(BodyCheck::Unchecked(why)) => Some(*why),
        Some(BodyCheck::Match(_) | BodyCheck::Mismatch(_) | BodyCheck::TooShort(_)) | None => None,
    };
    let verifies = if unseen.is_some() { "the header verifies" } else { "verifies" };
    if signature.algorithm.hash() == Hash::Sha1 {
        return (Verdict::Policy, format!("{verifies}, but rsa-sha1 must not be believed"));
    }
    if let PublicKey::Rsa { bits, .. } = valid.key.public
        && bits < MIN_RSA_BITS
    {
        return (Verdict::Policy, format!("{verifies}, but the key has only {bits} bits"));
    }
    if signature.expires.is_some_and(|expires| received.unix_timestamp() > expires) {
        return (Verdict::Policy, format!("{verifies}, but it had expired when the message was received"));
    }
    match unseen {
        Some(why) => (Verdict::Neutral, why.to_owned()),
        None => (Verdict::Pass, String::new()),
    }
}

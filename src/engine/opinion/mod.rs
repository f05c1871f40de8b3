//! A second opinion on a message's DKIM, ARC, SPF and DMARC: mail-auth 0.13.3 judges the same bytes with the same answers
//! after we have, and where it comes to another verdict the section says so and why. Where both agree, nothing is said.
//!
//! It sends nothing to anybody: every question it has is answered from the job's evidence, and what is not there as "not
//! looked at", which ends in no opinion. DKIM and ARC, which read TXT alone, get the keys as a cache; so do SPF and
//! DMARC while TXT is all that they ask for; otherwise they ask a [`forwarder`] on loopback, because a cache cannot say "no
//! such address". Of DKIM and ARC only *verified*, *not verified*
//! and *no chain* are compared, not the words for a failure: it stops at the first one and calls `neutral` what RFC 8601
//! calls `fail`.

mod forwarder;
mod known;
mod sent;

use std::sync::Arc;

use futures::FutureExt;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::arc::ArcError;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::DkimError;
use mail_auth::{AuthenticatedMessage, DkimResult, Error, MessageAuthenticator, Parameters};
use serde_json::Value;

use self::known::Known;
use crate::check::Evidence;
use crate::finding::Finding;
use crate::message::Message;
use crate::message::canonical::Canon;
use crate::message::dkim::Signature;
use crate::report::Section;

/// Messages beyond this get no second opinion: it is worth less than the wait.
const MAX_BYTES: usize = 5 * 1024 * 1024;
/// Who gives it.
const WHO: &str = "A second implementation (mail-auth 0.13.3)";

/// Where mail-auth comes to another verdict than ours, by the section that it belongs to. It computes (hashes, signatures),
/// so it runs off the async workers.
pub(super) fn differing(message: &Message, evidence: &Evidence, sections: &[Section]) -> Vec<(&'static str, Finding)> {
    if message.text().len() > MAX_BYTES {
        return Vec::new();
    }
    let mut found = signed(message, evidence, sections);
    found.extend(sent::differing(message, evidence, sections));
    found
}

/// The part on DKIM and ARC.
fn signed(message: &Message, evidence: &Evidence, sections: &[Section]) -> Vec<(&'static str, Finding)> {
    let text = message.text();
    // Of headers alone it would say that the body is not the one that was signed, and past our bounds ours is no verdict.
    let is_whole = message.body().is_some() && message.unread_signatures() == 0 && message.skipped_fields() == 0;
    let fact = |id: &str, key: &str| sections.iter().find(|one| one.id == id).and_then(|one| one.facts.get(key));
    let (dkim, arc) = (fact("dkim", "signatures").and_then(Value::as_array), fact("arc", "result"));
    let has_any = !message.signatures().is_empty() || !message.arc_sets().sets.is_empty();
    if !is_whole || !has_any {
        return Vec::new();
    }
    let (Some(asked), Some(authenticator)) = (AuthenticatedMessage::parse(text), nobody()) else { return Vec::new() };
    let keys = Known::read::<DomainKey>(evidence);
    let mut found = Vec::new();
    if let Some(ours) = dkim {
        let outputs = authenticator.verify_dkim(Parameters::new(&asked).with_txt_cache(&keys)).now_or_never();
        // First those that it cannot read, then the others, each in the order of the header.
        let unread = asked.errors.iter().filter(|one| matches!(one.header, Error::Dkim(_))).map(|one| one.value);
        let places = unread.chain(asked.dkim_headers.iter().map(|one| one.value));
        for (output, value) in outputs.iter().flatten().zip(places) {
            let at = value.as_ptr().addr().saturating_sub(text.as_ptr().addr());
            let number = message.signatures().iter().position(|signature| {
                let field = message.field(signature.field).map(|field| field.field.whole);
                field.is_some_and(|whole| (whole.start..whole.end).contains(&at))
            });
            let Some(number) = number else { continue };
            let (Some(signature), Some(ours)) = (message.signatures().get(number), ours.get(number)) else { continue };
            let key = the_key(sections, number + 1);
            let ours = Ours { word: word(&ours["result"]), reason: word(&ours["reason"]), key };
            let what = format!("signature #{}", number + 1);
            found.extend(
                difference(message, Some(signature), &what, &ours, output.result())
                    .map(|text| ("dkim", Finding::info("dkim.second-opinion", text).with_reference("RFC 6376 §6.1"))),
            );
        }
    }
    if let Some(result) = arc {
        let output = authenticator.verify_arc(Parameters::new(&asked).with_txt_cache(&keys)).now_or_never();
        let newest = message.arc_sets().sets.last().and_then(|set| set.message_signature.as_ref());
        let ours = Ours { word: word(result), reason: fact("arc", "reason").map_or("", word), key: None };
        let text = output.and_then(|output| difference(message, newest, "the ARC chain", &ours, output.result()));
        found.extend(
            text.map(|text| ("arc", Finding::info("arc.second-opinion", text).with_reference("RFC 8617 §5.2"))),
        );
    }
    found
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Our verdict, as the section's facts have it.
struct Ours<'a> {
    word: &'a str,
    reason: &'a str,
    /// What the key record has that the two read differently.
    key: Option<&'static str>,
}

/// What a section tells of a signature's key that explains another verdict.
fn the_key(sections: &[Section], number: usize) -> Option<&'static str> {
    let start = format!("Signature #{number}: ");
    let findings = sections.iter().filter(|section| section.id == "dkim").flat_map(|section| &section.findings);
    findings.filter(|finding| finding.text.starts_with(&start)).find_map(|finding| match finding.id {
        "dkim.several-keys" => Some("several keys stand at the selector: we try each, the other takes one"),
        "dkim.quotes" => Some("the other cannot read a key record with quotation marks in its text"),
        _ => None,
    })
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Verified,
    NotVerified,
    Nothing,
}

impl Ours<'_> {
    fn side(&self) -> Option<Side> {
        match self.word {
            "pass" => Some(Side::Verified),
            "none" => Some(Side::Nothing),
            "temperror" | "" => None,
            _ => Some(Side::NotVerified),
        }
    }
}

fn side(theirs: &DkimResult) -> Option<Side> {
    match theirs {
        DkimResult::Pass => Some(Side::Verified),
        DkimResult::None => Some(Side::Nothing),
        DkimResult::TempError(_) => None,
        DkimResult::Neutral(_) | DkimResult::Fail(_) | DkimResult::PermError(_) => Some(Side::NotVerified),
    }
}

/// The difference in words; `None` when there is none, or when one of the two could not look.
fn difference(
    message: &Message,
    signature: Option<&Signature>,
    what: &str,
    ours: &Ours<'_>,
    theirs: &DkimResult,
) -> Option<String> {
    let (here, there) = (ours.side()?, side(theirs)?);
    if here == there {
        return None;
    }
    let reason = if ours.reason.is_empty() { String::new() } else { format!(" ({})", ours.reason) };
    let word = ours.word;
    Some(match signature.and_then(|signature| ours.key.or_else(|| explained(message, signature, ours, theirs))) {
        Some(why) => format!("{WHO} says of {what}: {theirs}. We say {word}{reason}, because {why}."),
        None => format!(
            "{WHO} says of {what}: {theirs}. We say {word}{reason}. None of the differences that we know between the two explains it, so one of them is wrong: do not rest a decision on this verdict alone."
        ),
    })
}

/// Why the two differ, for the differences that are known.
fn explained(message: &Message, signature: &Signature, ours: &Ours<'_>, theirs: &DkimResult) -> Option<&'static str> {
    match theirs {
        DkimResult::Pass if ours.word == "policy" && signature.algorithm.as_str() == "rsa-sha1" => {
            Some("RFC 8301 §3.1 forbids rsa-sha1; the other still lets it pass")
        }
        DkimResult::Pass if ours.word == "policy" && signature.expires.is_some() => {
            Some("it had expired at the moment that we judge for; the other always judges for today")
        }
        DkimResult::Pass if ours.reason.ends_with("v= is not the first tag") => {
            Some("v= must come first where it stands (RFC 6376 §3.6.1); the other reads past it")
        }
        DkimResult::Pass if ours.reason.starts_with("the key's ") => {
            Some("the other reads what the key's h= and s= allow and does not act on it (RFC 6376 §3.6.1)")
        }
        DkimResult::Neutral(Error::Dkim(DkimError::SignatureLength) | Error::Arc(ArcError::SignatureLength))
            if signature.length.is_some() =>
        {
            Some(
                "the other refuses every signature with l= unseen; we judge what it covers, and tell what can be added behind it",
            )
        }
        DkimResult::Neutral(
            Error::Dkim(DkimError::FailedBodyHashMatch) | Error::Arc(ArcError::FailedBodyHashMatch),
        ) if signature.body_canon == Canon::Relaxed && ends_in_white_lines(message.body().unwrap_or_default()) => Some(
            "the body ends in lines of white space alone, which RFC 6376 §3.4.4 leaves out; the other keeps them, and so hashes another body",
        ),
        DkimResult::Neutral(
            Error::Dkim(DkimError::FailedBodyHashMatch) | Error::Arc(ArcError::FailedBodyHashMatch),
        ) if signature.length == Some(0) => {
            Some("with l=0 nothing of the body is hashed (RFC 6376 §3.7); the other hashes the whole body then")
        }
        DkimResult::Neutral(Error::Dkim(DkimError::SignatureExpired) | Error::Arc(ArcError::SignatureExpired))
            if signature.expires.is_some() =>
        {
            Some("it had not expired when the message was received; the other judges as if it came today")
        }
        _ => None,
    }
}

/// Whether, after the last line with something on it, a line has white space on it.
fn ends_in_white_lines(body: &[u8]) -> bool {
    let is_white = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let tail = match body.iter().rposition(|byte| !is_white(byte)) {
        // White space at the end of that last line is no line of its own.
        Some(last) => {
            let rest = body.get(last..).unwrap_or_default();
            rest.iter().position(|byte| *byte == b'\n').and_then(|end| rest.get(end..)).unwrap_or_default()
        }
        None => body,
    };
    tail.iter().any(|byte| matches!(byte, b' ' | b'\t'))
}

/// An authenticator that has nobody to ask. It gets a TLS configuration because it would fail without one on a machine
/// that has no certificates.
fn nobody() -> Option<MessageAuthenticator> {
    let config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
    let mut builder =
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_tls_config(tls()?);
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    builder.build().ok().map(MessageAuthenticator)
}

fn tls() -> Option<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Some(config)
}

#[cfg(test)]
mod tests {
    use mail_auth::DnsError;

    use super::*;

    #[test]
    fn white_lines_are_lines_of_white_space_alone_at_the_end() {
        for (body, is) in [
            (&b"hello\r\n \r\n\t\r\n"[..], true),
            (b" \r\n", true),
            (b"hello\r\n\r\n \r\n\r\n", true),
            (b"hello \t\r\n", false),
            (b"hello\r\n\r\n\r\n", false),
            (b"a\r\n \r\nb\r\n", false),
            (b"hello ", false),
            (b"", false),
        ] {
            assert_eq!(ends_in_white_lines(body), is, "{body:?}");
        }
    }

    #[test]
    fn only_verdicts_are_compared_and_no_answer_is_no_opinion() {
        let body_hash = DkimResult::Neutral(Error::Dkim(DkimError::FailedBodyHashMatch));
        let unseen = DkimResult::TempError(Error::Dns(DnsError::Resolver("x".into())));
        let message = Message::parse(Arc::from(&b"From: a@b.example\r\n\r\nx\r\n"[..]), Default::default()).unwrap();
        let say = |word, theirs| {
            let ours = Ours { word, reason: "", key: None };
            difference(&message, None, "signature #1", &ours, theirs)
        };
        assert_eq!(say("fail", &body_hash), None, "another word for the same");
        assert_eq!(say("pass", &unseen), None);
        assert_eq!(say("temperror", &DkimResult::Pass), None);
        assert_eq!(say("none", &DkimResult::None), None);
        let text = say("pass", &body_hash).unwrap();
        assert!(text.contains("one of them is wrong"), "{text}");
    }
}

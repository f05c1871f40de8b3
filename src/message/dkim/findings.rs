//! What there is to say about signatures, in sentences.

use time::OffsetDateTime;

use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::canonical::Hash;
use crate::message::dkim::{BodyCheck, FoundKey, HeaderCheck, Judged, KeyLook, Math, Verdict};
use crate::records::dkim::{GOOD_RSA_BITS, KeyProblemKind, MIN_RSA_BITS, PublicKey};
use crate::report::Section;

/// Fields that a person reads or that change what is shown; one of them unsigned can be changed on the way.
const SHOWN: &[&str] =
    &["from", "subject", "to", "cc", "date", "reply-to", "content-type", "content-transfer-encoding"];
/// How far a clock may be ahead before it is worth a word, in seconds.
const SKEW: i64 = 300;

/// A time as a person reads it.
pub(super) fn when(at: i64) -> String {
    OffsetDateTime::from_unix_timestamp(at)
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| format!("{at} seconds after 1970"))
}

/// A message without signatures.
pub(super) fn none(message: &Message, section: &mut Section) {
    section.findings.push(Finding::info(
        "dkim.no-signature",
        "No DKIM-Signature stands in the header: nothing proves that the named domain sent these words. Headers that a paste lost would look the same.",
    ));
    dkim2(message, section);
}

fn dkim2(message: &Message, section: &mut Section) {
    let count = message.named("dkim2-signature").count();
    if count > 0 {
        section.findings.push(
            Finding::info(
                "dkim.dkim2",
                format!("{count} DKIM2 signatures are there. DKIM2 is a draft (draft-ietf-dkim-dkim2-spec) and still changes: they are shown in the header and not judged."),
            ),
        );
    }
}

/// What is said once for all of them.
pub(super) fn all(message: &Message, judged: &[Judged<'_>], section: &mut Section) {
    dkim2(message, section);
    if message.unread_signatures() > 0 {
        section.findings.push(Finding::warning(
            "dkim.too-many-signatures",
            format!(
                "The message has {} signatures; the first {} are judged. Real mail has a handful; whoever adds hundreds wants verifiers to give up.",
                message.unread_signatures() + judged.len(),
                judged.len()
            ),
        ));
    }
    let bodies_fail = judged.iter().filter(|one| matches!(one.body, BodyCheck::Mismatch(_))).count();
    let headers_hold = judged.iter().filter(|one| one.header == HeaderCheck::Valid).count();
    if judged.len() > 1 && bodies_fail == judged.len() && headers_hold > 0 {
        section.findings.push(
            Finding::info(
                "dkim.stored-body-changed",
                "Every signature fails on the body while headers hold: the body was changed once, after all had signed. Outlook and Exchange rewrite stored messages so; a list's footer or a gateway's link rewriting looks the same.",
            )
            .with_fix("Compare with what the receiving server claimed at the time (Claimed)."),
        );
    }
}

/// What there is to say about one signature.
pub(super) fn of(message: &Message, one: &Judged<'_>, now: OffsetDateTime, section: &mut Section) {
    let mut say = |finding: Finding| section.findings.push(finding.with_evidence(one.lookup()));
    if let Some(finding) = outcome(message, one) {
        say(finding);
    }
    let n = one.number;
    strength(one, &mut say);
    coverage(message, one, &mut say);
    times(message, one, now, &mut say);
    if let KeyLook::Found(_, keys) = &one.key
        && keys.len() > 1
    {
        say(Finding::warning(
            "dkim.several-keys",
            format!("Signature #{n}: {} TXT records stand at the selector. Which one counts is undefined; each was tried here, other verifiers may take another one.", keys.len()),
        )
        .with_reference("RFC 6376 §3.6.2.2"));
    }
    let quoted = |found: &FoundKey| found.problems.iter().any(|problem| problem.kind == KeyProblemKind::Quotes);
    if one.found_key().is_some_and(quoted) {
        say(Finding::warning(
            "dkim.quotes",
            format!("Signature #{n}: the key record has quotation marks in its text, as if a zone line had been pasted into a form. It is read here; some verifiers cannot read it."),
        )
        .with_fix("Whoever signs: enter the key without quotation marks.")
        .with_reference("RFC 6376 §3.6.1"));
    }
    if one.found_key().is_some_and(|found| found.key.testing) {
        say(Finding::info(
            "dkim.testing",
            format!("Signature #{n}: the key says t=y, the owner is testing. Receivers must not treat a failure worse than no signature."),
        )
        .with_reference("RFC 6376 §3.6.1"));
    }
}

/// Why a signature is not a pass.
fn outcome(message: &Message, one: &Judged<'_>) -> Option<Finding> {
    let n = one.number;
    let domain = one.signature.domain.as_ref().map_or("an unnamed domain", |name| name.as_str());
    let lossy = if message.is_lossy() { " The paste was repaired, which can be the whole reason." } else { "" };
    Some(match one.verdict {
        Verdict::Pass => return None,
        Verdict::Fail if matches!(one.body, BodyCheck::Mismatch(_)) => Finding::error(
            "dkim.body-changed",
            format!("Signature #{n} of {domain} fails: the body is not the one that was signed.{lossy}"),
        )
        .with_reference("RFC 6376 §6.1.3"),
        Verdict::Fail => Finding::error(
            "dkim.header-changed",
            format!("Signature #{n} of {domain} fails: the signed headers do not fit the signature and the published key. A signed header was changed, the key was replaced since, or {domain} never signed this.{lossy}"),
        )
        .with_reference("RFC 6376 §6.1.3"),
        Verdict::PermError => match &one.key {
            KeyLook::Absent(..) if one.signature.problems.is_empty() => Finding::error(
                "dkim.no-key",
                format!("Signature #{n}: no key at {}. It was withdrawn since (keys rotate), or {domain} never published it: the signature proves nothing today.", place(one)),
            )
            .with_reference("RFC 6376 §6.1.2"),
            KeyLook::Found(_, keys) if one.signature.problems.is_empty() && keys.iter().any(|found| found.key.is_revoked()) => {
                Finding::error("dkim.revoked-key", format!("Signature #{n}: the key at {} was revoked (p= is empty). {domain} does not stand by it any more.", place(one)))
                    .with_reference("RFC 6376 §3.6.1")
            }
            _ => Finding::error("dkim.permerror", format!("Signature #{n} of {domain} cannot be used: {}.", one.reason))
                .with_reference("RFC 6376 §6.1"),
        },
        Verdict::TempError => Finding::warning(
            "dkim.key-unknown",
            format!("Signature #{n}: we could not look at the key at {}: {}. Whether the signature holds is not known.", place(one), one.reason.trim_start_matches("key not looked at: ")),
        )
        .with_fix(crate::finding::ASK_AGAIN),
        Verdict::Neutral if matches!(one.body, BodyCheck::Unchecked(_)) && one.signature.problems.is_empty() => Finding::info(
            "dkim.body-not-pasted",
            format!("Signature #{n}: the header signature is valid; the body was not pasted, so the body that it covers cannot be checked."),
        ),
        Verdict::Neutral => Finding::warning("dkim.unusable", format!("Signature #{n} of {domain} is ignored: {}.", one.reason))
            .with_reference("RFC 8601 §2.7.1"),
        Verdict::Policy => Finding::warning(
            "dkim.not-accepted",
            format!("Signature #{n} of {domain}: {}. Receivers are right to ignore it.", one.reason),
        )
        .with_reference("RFC 8301 §3"),
    })
}

fn place(one: &Judged<'_>) -> String {
    one.signature.key_name.as_ref().map_or_else(|| "no name".to_owned(), ToString::to_string)
}

/// Algorithm and key length.
fn strength(one: &Judged<'_>, say: &mut impl FnMut(Finding)) {
    let n = one.number;
    if one.signature.algorithm.hash() == Hash::Sha1 {
        say(Finding::warning("dkim.sha1", format!("Signature #{n} uses SHA-1, for which collisions are made at will. Its mathematics are shown, and prove nothing."))
            .with_reference("RFC 8301 §3.1"));
    }
    let Some(PublicKey::Rsa { bits, .. }) = one.found_key().map(|found| &found.key.public) else { return };
    if *bits < MIN_RSA_BITS {
        say(Finding::error(
            "dkim.weak-key",
            format!(
                "Signature #{n}: the key has {bits} bits; a laptop breaks it, so anybody can have made this signature."
            ),
        )
        .with_reference("RFC 8301 §3.2"));
    } else if *bits < GOOD_RSA_BITS {
        say(Finding::info(
            "dkim.short-key",
            format!("Signature #{n}: the key has {bits} bits. It is accepted; signers should use {GOOD_RSA_BITS}."),
        )
        .with_reference("RFC 8301 §3.2"));
    }
}

/// What a signature leaves open.
fn coverage(message: &Message, one: &Judged<'_>, say: &mut impl FnMut(Finding)) {
    let n = one.number;
    let tail = one.uncovered_tail();
    if one.signature.length.is_some() && tail > 0 {
        let covered = match one.body.hash().map_or(0, |hash| hash.covered) {
            0 => format!("Signature #{n} covers nothing of the body (l=0); all {tail} bytes of it"),
            some => {
                format!("Signature #{n} covers only the first {some} bytes of the body (l=); the last {tail} bytes")
            }
        };
        say(Finding::error(
            "dkim.uncovered-tail",
            format!("{covered} can be anybody's. A pass says nothing about them."),
        )
        .with_reference("RFC 6376 §8.2"));
    } else if one.signature.length.is_some() {
        say(Finding::warning(
            "dkim.length-tag",
            format!("Signature #{n} has l=: bytes can be added to the body without breaking it."),
        )
        .with_reference("RFC 6376 §8.2"));
    }
    let mut added = Vec::new();
    let mut open = Vec::new();
    for name in SHOWN {
        let there = message.named(name).count();
        let taken = one.signature.mentions(name);
        if there > taken && taken > 0 {
            added.push(*name);
        } else if there > 0 && taken == 0 {
            open.push(*name);
        }
    }
    if !added.is_empty() {
        say(Finding::error(
            "dkim.added-header",
            format!("Signature #{n} covers fewer fields than there are of: {}. The ones above the signed ones may have been added after signing, and programs may show those.", added.join(", ")),
        )
        .with_reference("RFC 6376 §8.15"));
    }
    if !open.is_empty() && one.verdict == Verdict::Pass {
        say(Finding::info(
            "dkim.unsigned-header",
            format!(
                "Signature #{n} leaves open what a person reads: {}. They can be changed without breaking it.",
                open.join(", ")
            ),
        )
        .with_reference("RFC 6376 §5.4.1"));
    }
    let from = message.named("from").count();
    if one.verdict == Verdict::Pass && one.signature.mentions("from") == from {
        say(Finding::new(
            "dkim.from-not-oversigned",
            Severity::Info,
            format!("Signature #{n} does not forbid a second From (h= names it as often as it stands there); signers name it once more."),
        )
        .with_reference("RFC 6376 §8.15"));
    }
}

fn times(message: &Message, one: &Judged<'_>, now: OffsetDateTime, say: &mut impl FnMut(Finding)) {
    let n = one.number;
    let received = message.received_at();
    if let Some(expires) = one.signature.expires {
        let (then, now) = (received.map(OffsetDateTime::unix_timestamp), now.unix_timestamp());
        if then.is_some_and(|then| then <= expires) && now > expires {
            say(Finding::info(
                "dkim.expired-since",
                format!("Signature #{n} expired at {}, after the message was received; it counts as of its receipt. A copy sent again today would not pass.", when(expires)),
            )
            .with_reference("RFC 6376 §3.5"));
        }
        if then.is_none() && now > expires {
            say(Finding::info(
                "dkim.receipt-unknown",
                format!(
                    "Signature #{n} expired at {}. No Received field says when the message arrived, so it is judged as of now.",
                    when(expires)
                ),
            ));
        }
    }
    if let Some(signed) = one.signature.timestamp {
        let reference = received.unwrap_or(now).unix_timestamp();
        let than = if received.is_some() { "than the message was received" } else { "than now" };
        if signed > reference + SKEW {
            say(Finding::warning(
                "dkim.signed-in-future",
                format!("Signature #{n} says that it was made at {}, later {than}: a clock is wrong, or the date is made up.", when(signed)),
            )
            .with_reference("RFC 6376 §3.5"));
        }
    }
}

/// What was found where the key should be.
pub(super) fn key_words(one: &Judged<'_>) -> String {
    match &one.key {
        KeyLook::NoName => "nowhere to look".into(),
        KeyLook::Absent(id, _) => format!("nothing, lookup #{}", id.0),
        KeyLook::Unknown(id, outcome) => format!("could not look: {outcome}, lookup #{}", id.0),
        KeyLook::Found(id, _) => match one.found_key() {
            Some(found) => {
                let what = match &found.key.public {
                    PublicKey::Rsa { bits, .. } => format!("RSA {bits}"),
                    PublicKey::Ed25519(_) => "Ed25519".to_owned(),
                    PublicKey::Revoked => "revoked".to_owned(),
                    PublicKey::Unusable => "no usable key".to_owned(),
                };
                let refused = found.refused.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
                format!("{what}, lookup #{}, TTL {}{refused}", id.0, found.ttl)
            }
            None => "nothing".into(),
        },
    }
}

/// What a signature proves and what it does not, for somebody who has to decide.
pub(super) fn proves(message: &Message, one: &Judged<'_>) -> Vec<String> {
    let domain = one.signature.domain.as_ref().map_or("the named domain".to_owned(), ToString::to_string);
    let mut text = vec![match (&one.header, &one.body) {
        (HeaderCheck::Valid, BodyCheck::Match(hash)) if hash.covered == hash.total => {
            format!(
                "{domain} signed these headers and this whole body, and nobody changed them since. It says nothing about whether {domain} is honest."
            )
        }
        (HeaderCheck::Valid, BodyCheck::Match(hash)) => format!(
            "{domain} signed these headers and the first {} bytes of the body; what follows can have been added by anybody.",
            hash.covered
        ),
        (HeaderCheck::Valid, BodyCheck::Mismatch(_) | BodyCheck::TooShort(_)) => format!(
            "{domain} once signed these headers; this body was not. A replayed header over a new body looks like this; so does a gateway that rewrote links, a list's footer, or a program that stored the body anew."
        ),
        (HeaderCheck::Valid, BodyCheck::Unchecked(_)) => {
            format!(
                "{domain} signed these headers. Whether the body belongs to them cannot be said: it was not pasted."
            )
        }
        (HeaderCheck::Invalid, BodyCheck::Match(_)) => format!(
            "The body is the one that the signature names, but the headers do not fit it and the key that {domain} publishes: a signed header was changed on the way, the key was replaced since, or somebody wrote {domain}'s name over a hash of their own."
        ),
        (HeaderCheck::Invalid, _) => format!("Nothing: neither headers nor body fit the key that {domain} publishes."),
        (HeaderCheck::Unchecked(why), BodyCheck::Match(_)) => format!(
            "The body fits the hash that stands in the signature, which anybody can write. Whether {domain} signed cannot be said: {why}."
        ),
        (HeaderCheck::Unchecked(why), _) => format!("Nothing: {why}."),
    }];
    if one.header == HeaderCheck::Valid && one.verdict == Verdict::Policy {
        text.push(
            "The mathematics hold, and are too weak to be believed or too old to be used: see the findings.".into(),
        );
    }
    if one.found_key().is_some_and(|found| found.refused.is_some() && found.math == Math::Valid) {
        text.push(format!("The mathematics hold, but {domain}'s own key record forbids this use of it."));
    }
    if message.is_lossy() && one.verdict == Verdict::Fail {
        text.push("The paste was repaired; open the message's file itself before you blame anybody.".into());
    }
    text
}

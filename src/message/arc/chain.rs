//! Chain validation (RFC 8617 §5.2).

use time::OffsetDateTime;

use crate::check::{Seen, Wait, all};
use crate::message::Message;
use crate::message::arc::sets::{Cv, Set};
use crate::message::canonical::{BodyHash, Canon, canonical_field};
use crate::message::dkim::{self, HeaderCheck, Judged, KeyLook, Verdict, own_field};

/// What the chain came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArcResult {
    /// No ARC field.
    None,
    /// Every seal holds, and the newest message signature.
    Pass,
    /// Something does not.
    Fail,
    /// A key could not be looked at, so we do not know. RFC 8617 has no word for it; RFC 8601's stands here.
    TempError,
}

impl ArcResult {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            ArcResult::None => "none",
            ArcResult::Pass => "pass",
            ArcResult::Fail => "fail",
            ArcResult::TempError => "temperror",
        }
    }
}

/// A chain, judged.
#[derive(Debug)]
pub struct Chain<'m> {
    /// The result.
    pub result: ArcResult,
    /// Why, in words that can follow the result.
    pub reason: String,
    /// Every set, the first instance first.
    pub links: Vec<Link<'m>>,
}

/// One set, judged.
#[derive(Debug)]
pub struct Link<'m> {
    /// The set.
    pub set: &'m Set,
    /// Its message signature; that of an older set may fail, because later handlers change messages.
    pub message_signature: Option<Judged<'m>>,
    /// Its seal.
    pub seal: Option<SealOutcome>,
}

/// What a seal came to.
#[derive(Clone, Debug)]
pub struct SealOutcome {
    /// The word.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Its mathematics.
    pub header: HeaderCheck,
    /// Its key.
    pub key: KeyLook,
}

/// Validates the chain of a message: one round, all keys.
pub fn evaluate<'m>(message: &'m Message, seen: &Seen<'_>) -> Result<Chain<'m>, Wait> {
    let sets = message.arc_sets();
    if sets.is_empty() {
        return Ok(Chain { result: ArcResult::None, reason: String::new(), links: Vec::new() });
    }
    let received = message.received_at().unwrap_or_else(|| seen.now());
    let links = all(&sets.sets, |set| {
        let (signature, seal) = (
            set.message_signature
                .as_ref()
                .map(|signature| dkim::judge(message, signature, hash(message, set), seen, received))
                .transpose(),
            judge_seal(message, set, seen, received),
        );
        Ok(Link { set, message_signature: signature?, seal: seal? })
    })?;
    let (result, reason) = judge(message, &links);
    Ok(Chain { result, reason, links })
}

fn hash<'m>(message: &'m Message, set: &Set) -> Option<&'m BodyHash> {
    message.arc_hash(set.instance)
}

fn judge_seal(
    message: &Message,
    set: &Set,
    seen: &Seen<'_>,
    received: OffsetDateTime,
) -> Result<Option<SealOutcome>, Wait> {
    let Some(seal) = &set.seal else { return Ok(None) };
    let (verdict, reason, header, key) =
        dkim::judge_seal(&seal.signature, || seal_input(message, set.instance), seen, received)?;
    Ok(Some(SealOutcome { verdict, reason, header, key }))
}

/// What a seal signs: all sets up to its own, each as results, message signature, seal, in relaxed form; its own seal
/// without the value of `b=` and without a final CRLF (RFC 8617 §5.1.1).
fn seal_input(message: &Message, instance: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for set in message.arc_sets().sets.iter().filter(|set| set.instance <= instance) {
        let seal = set.seal.as_ref().map(|seal| seal.signature.field);
        let signature = set.message_signature.as_ref().map(|signature| signature.field);
        for index in [set.results, signature, seal].into_iter().flatten() {
            let Some(field) = message.field(index) else { continue };
            if set.instance == instance && Some(index) == seal {
                own_field(Canon::Relaxed, field.whole(), &mut out);
            } else {
                canonical_field(Canon::Relaxed, field.whole(), &mut out);
            }
        }
    }
    out
}

fn judge(message: &Message, links: &[Link<'_>]) -> (ArcResult, String) {
    if message.skipped_fields() > 0 {
        // A field that was not read may be the one that a set lacks, or one that a signature covers.
        return (ArcResult::TempError, "the header has more fields than we read".into());
    }
    let newest = links.last();
    if let Some(seal) = newest.and_then(|link| link.set.seal.as_ref())
        && seal.cv == Some(Cv::Fail)
    {
        return (ArcResult::Fail, "the newest sealer says that the chain was broken when it came (cv=fail)".into());
    }
    if let Some(flaw) = message.arc_sets().flaws.first() {
        return (ArcResult::Fail, flaw.reason());
    }
    let mut open = None;
    if let Some((instance, one)) = newest.and_then(|link| Some((link.set.instance, link.message_signature.as_ref()?))) {
        match one.verdict {
            Verdict::Pass => {}
            Verdict::TempError => {
                open = Some(format!("the key of message signature {instance} could not be looked at"))
            }
            // Headers alone: the seals can still be judged, and the chain is not known to hold.
            Verdict::Neutral if message.body().is_none() && one.header == HeaderCheck::Valid => {
                open = Some("the body was not pasted, so the newest message signature cannot be checked".into());
            }
            Verdict::Fail | Verdict::Neutral | Verdict::Policy | Verdict::PermError => {
                return (
                    ArcResult::Fail,
                    format!(
                        "the newest message signature (instance {instance}) is {}: {}",
                        one.verdict.word(),
                        one.reason
                    ),
                );
            }
        }
    }
    for link in links.iter().rev() {
        let Some(seal) = &link.seal else { continue };
        match seal.verdict {
            Verdict::Pass => {}
            Verdict::TempError => {
                open = open.or(Some(format!("the key of seal {} could not be looked at", link.set.instance)));
            }
            Verdict::Fail | Verdict::Neutral | Verdict::Policy | Verdict::PermError => {
                return (
                    ArcResult::Fail,
                    format!("seal {} is {}: {}", link.set.instance, seal.verdict.word(), seal.reason),
                );
            }
        }
    }
    match open {
        Some(why) => (ArcResult::TempError, why),
        None => (ArcResult::Pass, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::world::World;
    use crate::message::MAX_FIELDS;

    #[test]
    fn a_header_that_was_not_read_to_its_end_breaks_no_chain() {
        let tags = "a=rsa-sha256; d=b.c; s=k; b=YQ==";
        let seal = format!("From: a@b.c\r\nARC-Seal: i=1; cv=none; {tags}\r\n");
        let rest = "ARC-Authentication-Results: i=1; mx.b.c; none\r\n\r\nx\r\n";
        let of = |text: String| {
            let message = Message::parse(text.into_bytes().into(), crate::job::Envelope::default()).unwrap();
            let world = World::parse("k._domainkey.b.c TXT \"p=\"").unwrap();
            world.ask(OffsetDateTime::UNIX_EPOCH, |seen| evaluate(&message, seen).map(|chain| chain.result)).0
        };
        assert_eq!(of(format!("{seal}{rest}")), ArcResult::Fail);
        assert_eq!(of(format!("{seal}{}{rest}", "X: y\r\n".repeat(MAX_FIELDS))), ArcResult::TempError);
    }
}

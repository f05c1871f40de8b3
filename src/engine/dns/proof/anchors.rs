//! Where trust begins: DNSKEYs that are believed without a parent (RFC 4033 §2, RFC 4035 §4.4). The root's own are built in.

use std::time::{SystemTime, UNIX_EPOCH};

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_proto::dnssec::{TrustAnchors, Verifier};
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, LowerName, RData, Record, RecordType};

use super::to_hickory;
use crate::name::Name;

/// The trusted keys with the zones that they are of.
pub(crate) struct Anchors {
    zones: Vec<Name>,
    keys: TrustAnchors,
}

impl Anchors {
    /// Reads DNSKEY records in master-file text, or the lines of BIND's `trust-anchors` (`static-key`, `initial-key`). No
    /// text at all means the root's own keys.
    pub(crate) fn read(texts: &[String]) -> Result<Anchors, String> {
        let lines: Vec<String> = texts.iter().flat_map(|text| text.lines()).filter_map(line).collect();
        if lines.is_empty() {
            return if texts.iter().all(|text| text.trim().is_empty()) {
                Ok(Anchors { zones: vec![Name::root()], keys: TrustAnchors::default() })
            } else {
                Err("no DNSKEY in it".to_owned())
            };
        }
        let mut zones = Vec::new();
        for line in &lines {
            let owner = line.split_whitespace().next().unwrap_or_default();
            let bare = owner.strip_suffix('.').unwrap_or(owner);
            let zone = if bare.is_empty() { Ok(Name::root()) } else { Name::from_text(bare) };
            zones.push(zone.map_err(|why| format!("{owner}: {why}"))?);
        }
        let keys = (lines.join("\n") + "\n").parse::<TrustAnchors>().map_err(|why| why.to_string())?;
        Ok(Anchors { zones, keys })
    }

    /// The nearest trusted zone at or above a name.
    pub(super) fn above(&self, name: &Name) -> Option<&Name> {
        self.zones.iter().filter(|zone| name.is_at_or_below(zone)).max_by_key(|zone| zone.label_count())
    }

    /// All keys of a trusted zone, once one that is trusted has signed them: a validator below need not know which of them
    /// was. `None` where the message is no such proof, as from a resolver that leaves out signatures.
    pub(super) fn primed(&self, zone: &Name, message: &Message) -> Option<TrustAnchors> {
        let owner = to_hickory(zone)?;
        let lower = LowerName::new(&owner);
        let of = |record: &&Record| record.name == owner && record.record_type() == RecordType::DNSKEY;
        let set: Vec<Record> = message.answers.iter().filter(of).cloned().collect();
        let keys: Vec<&DNSKEY> = set
            .iter()
            .filter_map(|record| match &record.data {
                RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
                _ => None,
            })
            .collect();
        let trusted = |key: &&&DNSKEY| !key.revoke() && self.keys.contains_with_name(key.public_key(), &lower);
        let signed = keys.iter().filter(trusted).any(|key| {
            signatures(&message.answers, RecordType::DNSKEY)
                .filter(|sig| sig.input().signer_name == owner && holds_at(sig, now()) == Holds::Now)
                .any(|sig| key.verify_rrsig(&owner, DNSClass::IN, sig, set.iter()).is_ok())
        });
        if !signed {
            return None;
        }
        let mut anchors = self.keys.clone();
        for key in keys.iter().filter(|key| key.zone_key() && !key.revoke()) {
            anchors.insert_with_name(key.public_key(), lower.clone());
        }
        Some(anchors)
    }
}

/// One line as a DNSKEY record; `None` for what is no key.
fn line(text: &str) -> Option<String> {
    let text = text.split(';').next().unwrap_or_default().trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [zone, "static-key" | "initial-key", flags, protocol, algorithm, ..] => {
            let key: String = text.split('"').nth(1)?.split_whitespace().collect();
            let zone = zone.trim_matches('"');
            Some(format!("{zone} IN DNSKEY {flags} {protocol} {algorithm} {key}"))
        }
        words if words.contains(&"DNSKEY") => Some(text.to_owned()),
        _ => None,
    }
}

/// The signatures over a type.
pub(super) fn signatures(records: &[Record], kind: RecordType) -> impl Iterator<Item = &RRSIG> {
    records.iter().filter_map(move |record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(sig)) if sig.input().type_covered == kind => Some(sig),
        _ => None,
    })
}

/// Where a time stands in a signature's own (RFC 4034 §3.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Before it, by the signature's beginning.
    NotYet(u32),
    /// Within it.
    Now,
    /// After it, by the signature's end.
    NoMore(u32),
}

pub(super) fn holds_at(sig: &RRSIG, now: u32) -> Holds {
    let (from, to) = (sig.input().sig_inception.get(), sig.input().sig_expiration.get());
    // Serial numbers: a distance of less than half the circle is "later" (RFC 1982).
    let later = |a: u32, b: u32| a.wrapping_sub(b).cast_signed() > 0;
    match () {
        () if later(from, now) => Holds::NotYet(from),
        () if later(now, to) => Holds::NoMore(to),
        () => Holds::Now,
    }
}

/// Signatures are judged by the machine's clock, whatever the job's: these answers come from today.
pub(super) fn now() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(seconds & u64::from(u32::MAX)).unwrap_or_default()
}

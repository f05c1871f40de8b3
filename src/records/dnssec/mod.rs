//! DNSSEC: is the domain's zone signed, does the DS at its parent mean one of its keys, and who says that the signatures
//! hold (RFC 4033, RFC 4034, RFC 4035).
//!
//! We call a zone secure, or bogus, only when its SOA was validated here, from the trust anchor down. Where that cannot be
//! done, a resolver's AD bit is a claim over a path that is seldom protected, and is called one. Signatures themselves are
//! the engine's business.

mod judge;
mod keys;

pub use keys::{Dnskey, Ds};

use serde_json::{Value, json};

use crate::check::{Check, Data, Dns, Dnssec as Security, Kind, Look, Memo, Outcome, Seen, Wait, all};
use crate::name::Name;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::{Domain, form};
use crate::report::{Block, Cell, Row, Section, State, Table};

/// The check of DNSSEC.
pub struct Dnssec;

/// What was asked at a name that may be the top of a zone.
struct Zone<'a> {
    name: Name,
    soa: Dns<'a>,
    ds: Dns<'a>,
    dnskey: Dns<'a>,
    /// The SOA again, validated: the whole chain stands behind it.
    proof: Dns<'a>,
}

impl<'a> Zone<'a> {
    /// Asks at the domain and at every name above it up to its registrable domain; the zone is the first with a SOA.
    fn find(domain: &Domain, seen: &Seen<'a>) -> Result<Option<Zone<'a>>, Wait> {
        let top = domain.zone().label_count();
        let count = domain.name.label_count();
        let names = (top..=count).rev().map(|labels| domain.name.suffix(labels));
        let asked = all(names, |name| {
            let (soa, ds, dnskey) =
                (seen.dns(&name, Kind::Soa), seen.dns(&name, Kind::Ds), seen.dns(&name, Kind::Dnskey));
            let proof = seen.validated(&name, Kind::Soa);
            Ok(Zone { soa: soa?, ds: ds?, dnskey: dnskey?, proof: proof?, name })
        })?;
        let mut last = None;
        for zone in asked {
            if zone.soa.aliases.is_empty() && matches!(zone.soa.look(), Look::Found(_)) {
                return Ok(Some(zone));
            }
            last = Some(zone);
        }
        Ok(last)
    }

    fn ds(&self) -> Vec<Ds> {
        let read = |data: &Data| match data {
            Data::Ds { key_tag, algorithm, digest_type, digest } => {
                Some(Ds { key_tag: *key_tag, algorithm: *algorithm, digest_type: *digest_type, digest: digest.clone() })
            }
            _ => None,
        };
        self.ds.records.iter().filter_map(|record| read(&record.data)).collect()
    }

    fn keys(&self) -> Vec<Dnskey> {
        let read = |data: &Data| match data {
            Data::Dnskey { flags, protocol, algorithm, key } => {
                Some(Dnskey { flags: *flags, protocol: *protocol, algorithm: *algorithm, key: key.clone() })
            }
            _ => None,
        };
        self.dnskey.records.iter().filter_map(|record| read(&record.data)).collect()
    }

    /// The key that each DS means; `None` in the place of one that means none, or that we cannot compute.
    fn pairs(&self) -> Vec<(Ds, Meaning)> {
        let keys = self.keys();
        self.ds()
            .into_iter()
            .map(|ds| {
                let meant = keys.iter().map(|key| ds.means(&self.name, key));
                let meaning =
                    match meant.fold((false, false), |(yes, odd), m| (yes || m == Some(true), odd || m.is_none())) {
                        (true, _) => Meaning::Key,
                        (false, true) => Meaning::NotComputed,
                        (false, false) => Meaning::NoKey,
                    };
                (ds, meaning)
            })
            .collect()
    }

    fn standing(&self) -> Standing {
        let bogus = self.proof.dnssec == Security::Bogus;
        match (self.ds.look(), self.dnskey.look()) {
            (Look::Found(_), Look::Absent(_)) => Standing::NoKeys,
            (Look::Found(_), Look::Found(_)) if self.pairs().iter().all(|(_, m)| *m == Meaning::NoKey) => {
                Standing::Mismatch
            }
            _ if bogus => Standing::Bogus(self.proof.outcome.to_string()),
            (Look::Unknown(why), _) => Standing::Unknown(why.clone()),
            (Look::Absent(_), Look::Found(_)) => Standing::Island,
            (Look::Absent(_), Look::Absent(_) | Look::Unknown(_)) => Standing::Unsigned,
            (Look::Found(_), Look::Unknown(Outcome::ServerFailure)) => Standing::ProbablyBogus,
            (Look::Found(_), Look::Unknown(why)) => Standing::Unknown(why.clone()),
            (Look::Found(_), Look::Found(_)) => Standing::Signed(self.proof.dnssec_or_claim(&self.soa)),
        }
    }
}

/// What a DS record means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// A key of the zone.
    Key,
    /// None of its keys.
    NoKey,
    /// Its digest is of a type that we do not compute.
    NotComputed,
}

/// How the zone stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// No DS, no DNSKEY.
    Unsigned,
    /// DNSKEY without DS: signed for nobody.
    Island,
    /// DS and a DNSKEY that it means, and what is said of the signatures.
    Signed(Security),
    /// DS that means no key: nobody who validates can resolve the domain.
    Mismatch,
    /// DS without any DNSKEY.
    NoKeys,
    /// Validated here, and the signatures do not hold: why.
    Bogus(String),
    /// DS is there and the resolver fails on the keys, as a validating one does when signatures do not hold.
    ProbablyBogus,
    /// We could not look.
    Unknown(Outcome),
}

impl Check<Domain> for Dnssec {
    fn id(&self) -> &'static str {
        "dnssec"
    }

    fn title(&self) -> &'static str {
        "DNSSEC"
    }

    fn about(&self) -> &'static str {
        "DNSSEC: DS at the parent, the zone's keys, whether they fit, and who says that the signatures hold"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let (existence, zone) = (exists(domain, seen), Zone::find(domain, seen));
        let (existence, zone) = (existence?, zone?);
        if let Existence::NoSuchName { whole_zone: true, .. } = existence {
            return Ok(absent_with_its_name(self.id(), self.title()));
        }
        let Some(zone) = zone else { return Ok(absent_with_its_name(self.id(), self.title())) };
        Ok(self.section(domain, &zone))
    }
}

impl Dnssec {
    fn section(&self, domain: &Domain, zone: &Zone<'_>) -> Section {
        let standing = zone.standing();
        let mut section = match &standing {
            Standing::Unknown(why) => Section::could_not_look(
                (self.id(), self.title()),
                "dnssec.could-not-look",
                &format!("whether {} is signed", zone.name),
                why,
                [zone.ds.id, zone.dnskey.id, zone.proof.id],
            ),
            _ => Section::new(self.id(), self.title()),
        };
        let (word, by) = judge::word(&standing, zone.proof.dnssec);
        section.fact("zone", &zone.name);
        section.fact("state", word);
        section.fact("validated_by", by);
        section.fact("ds", zone.pairs().iter().map(|(ds, meaning)| ds_fact(ds, *meaning)).collect::<Vec<_>>());
        section.fact("dnskey", zone.keys().iter().map(key_fact).collect::<Vec<_>>());
        if let Standing::Unknown(_) = standing {
            return section;
        }
        section.headline = judge::headline(&standing).into();
        if !zone.keys().is_empty() {
            section.blocks.push(Block::Table(table(zone)));
        }
        for (record, (ds, meaning)) in zone.ds.records.iter().zip(zone.pairs()).take(form::MOST_SHOWN) {
            let marks = judge::marks(&ds, meaning);
            section.blocks.push(form::record(domain, &zone.name, record, zone.ds.id, marks));
        }
        if standing == Standing::Unsigned {
            section.state = State::Absent;
        }
        judge::standing(zone, &standing, &mut section);
        judge::algorithms(zone, &mut section);
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text: judge::how_to() });
        section.settle()
    }
}

fn ds_fact(ds: &Ds, meaning: Meaning) -> Value {
    json!({
        "key_tag": ds.key_tag,
        "algorithm": ds.algorithm,
        "digest_type": ds.digest_type,
        "digest": form::hex(&ds.digest),
        "matches": match meaning {
            Meaning::Key => Some(true),
            Meaning::NoKey => Some(false),
            Meaning::NotComputed => None,
        },
    })
}

fn key_fact(key: &Dnskey) -> Value {
    json!({ "key_tag": key.key_tag(), "algorithm": key.algorithm, "flags": key.flags, "bits": key.rsa_bits() })
}

fn table(zone: &Zone<'_>) -> Table {
    let pairs = zone.pairs();
    let columns = ["key", "use", "algorithm", "DS at the parent"].map(String::from).to_vec();
    let rows = zone
        .keys()
        .iter()
        .map(|key| {
            let has_ds = pairs.iter().any(|(ds, _)| ds.means(&zone.name, key) == Some(true));
            let kind = if key.flags & 1 == 1 { "entry point (KSK)" } else { "zone (ZSK)" };
            let cells = [
                key.key_tag().to_string(),
                kind.to_owned(),
                keys::algorithm(key.algorithm),
                if has_ds { "yes".to_owned() } else { String::new() },
            ];
            Row { cells: cells.into_iter().map(Cell::from).collect(), section: None }
        })
        .collect();
    Table { columns, rows }
}

#[cfg(test)]
mod tests;

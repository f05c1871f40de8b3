//! DANE for mail: TLSA at `_25._tcp` of each MX host (RFC 7672), and whether DNSSEC makes it count.
//!
//! A TLSA record binds only when it, the addresses and the MX are secure. We say "secure" only for what was validated here,
//! records and their absence alike; a resolver's word for it (the AD bit) is called a claim. Whether the host's certificate matches is for the SMTP room.

mod judge;
mod tlsa;

pub use tlsa::{Tlsa, Unusable};

use serde_json::{Value, json};

use crate::check::{Check, Dns, Dnssec, Kind, Look, Memo, Outcome, Record, Seen, Wait, all};
use crate::name::Name;
use crate::records::address::{Addresses, absent_with_its_name};
use crate::records::mx::{MxSet, mx_names};
use crate::records::{Domain, form};
use crate::report::{Block, Cell, Link, LookupId, Row, Section, State, Table};

/// How many hosts are looked at; as many as in the MX section.
const MAX_HOSTS: usize = 20;

/// The check of TLSA for SMTP.
pub struct Dane;

/// One mail host with its TLSA records.
pub struct Host<'a> {
    /// Its name.
    pub name: Name,
    /// The name that the TLSA records stand below: the host, or what its CNAME leads to.
    pub base: Name,
    addresses: Addresses<'a>,
    /// The TLSA records as they were answered.
    pub tlsa: Dns<'a>,
    /// The TLSA records, or that there are none, validated; then the addresses where there are TLSA records.
    pub proofs: Vec<Dns<'a>>,
    /// The least of what DNSSEC says of the TLSA records and of the addresses: an insecure address ends DANE
    /// (RFC 7672 §2.2.2).
    pub security: Dnssec,
}

/// The MX records, and what DNSSEC says of them.
struct Exchangers<'a> {
    set: &'a MxSet,
    security: Dnssec,
    proof: Dns<'a>,
}

/// What DANE is for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// No TLSA record, surely.
    None,
    /// TLSA records, secure, one of them usable: senders that know DANE hold the host to it.
    Binding,
    /// Secure, and none usable: TLS is a must, whoever answers (RFC 7672 §2.2).
    AllUnusable,
    /// TLSA records in an unsigned zone: nobody uses them.
    Insecure,
    /// TLSA records whose security could not be validated: why.
    NotValidated(String),
    /// Signatures do not hold: senders skip the host. Why they do not.
    Bogus(String),
    /// We could not look.
    Unknown(Outcome),
}

impl<'a> Host<'a> {
    /// Asks for the records of a host and port, and for all that DNSSEC says of them.
    pub fn ask(name: &Name, port: u16, seen: &Seen<'a>) -> Result<Host<'a>, Wait> {
        let (addresses, own) = (Addresses::ask(name, seen), records_below(name, port, seen));
        let (addresses, own) = (addresses?, own?);
        let target = crate::records::mx::alias_target(addresses.aliases());
        // A CNAME'd host has its TLSA at the target, and only then at its own name (RFC 7672 §2.2.2).
        let there = target.map(|target| records_below(target, port, seen));
        let of_addresses = if target.is_some() || found(own.0) {
            let families = [(addresses.v4, Kind::A), (addresses.v6, Kind::Aaaa)];
            let families = families.into_iter().filter(|(plain, _)| !plain.answer.records.is_empty());
            all(families, |(plain, kind)| Ok((plain, seen.validated(name, kind)?)))
        } else {
            Ok(Vec::new())
        };
        let (base, (tlsa, proof)) = match (target, there.transpose()?) {
            (Some(target), Some(there)) if !matches!(there.0.look(), Look::Absent(_)) => (target.clone(), there),
            _ => (name.clone(), own),
        };
        let of_addresses = of_addresses?;
        let states = of_addresses.iter().map(|(plain, proof)| proof.dnssec_or_claim(plain));
        let security = states.fold(proof.dnssec_or_claim(tlsa.answer), least);
        let proofs = std::iter::once(proof).chain(of_addresses.into_iter().map(|(_, proof)| proof)).collect();
        Ok(Host { name: name.clone(), base, addresses, tlsa, proofs, security })
    }

    fn records(&self) -> Vec<(&'a Record, Tlsa)> {
        self.tlsa.answer.records.iter().filter_map(|record| Some((record, Tlsa::of(&record.data)?))).collect()
    }

    fn standing(&self) -> Standing {
        // A bogus "there is none" is as bad as a bogus record: senders skip the host either way (RFC 7672 §2.1.1).
        if let Some(proof) = self.proofs.iter().find(|proof| proof.dnssec == Dnssec::Bogus) {
            return Standing::Bogus(proof.outcome.to_string());
        }
        match self.tlsa.look() {
            Look::Unknown(outcome) => Standing::Unknown(outcome.clone()),
            Look::Absent(_) => Standing::None,
            Look::Found(_) => match self.security {
                Dnssec::Secure if self.records().iter().any(|(_, tlsa)| tlsa.unusable().is_none()) => Standing::Binding,
                Dnssec::Secure => Standing::AllUnusable,
                Dnssec::Insecure => Standing::Insecure,
                Dnssec::Claimed | Dnssec::Unknown | Dnssec::Bogus => {
                    let failed = self.proofs.iter().find(|proof| proof.dnssec == Dnssec::Unknown);
                    Standing::NotValidated(failed.map(|proof| proof.outcome.to_string()).unwrap_or_default())
                }
            },
        }
    }

    fn lookups(&self) -> Vec<LookupId> {
        let proofs = self.proofs.iter().map(|proof| proof.id);
        std::iter::once(self.tlsa.id).chain(self.addresses.lookups()).chain(proofs).collect()
    }
}

/// Asks for the TLSA records of a host's port, plain and validated.
fn records_below<'a>(base: &Name, port: u16, seen: &Seen<'a>) -> Result<(Dns<'a>, Dns<'a>), Wait> {
    let owner = base.below(&format!("_{port}._tcp")).unwrap_or_else(|_| base.clone());
    let (plain, proof) = (seen.dns(&owner, Kind::Tlsa), seen.validated(&owner, Kind::Tlsa));
    Ok((plain?, proof?))
}

fn found(dns: Dns<'_>) -> bool {
    matches!(dns.answer.look(), Look::Found(_))
}

/// The weaker of two states.
fn least(a: Dnssec, b: Dnssec) -> Dnssec {
    let rank = |state| match state {
        Dnssec::Bogus => 0,
        Dnssec::Insecure => 1,
        Dnssec::Unknown => 2,
        Dnssec::Claimed => 3,
        Dnssec::Secure => 4,
    };
    if rank(a) <= rank(b) { a } else { b }
}

impl Check<Domain> for Dane {
    fn id(&self) -> &'static str {
        "dane"
    }

    fn title(&self) -> &'static str {
        "DANE"
    }

    fn about(&self) -> &'static str {
        "TLSA of every MX host at _25._tcp: is it usable, and does DNSSEC make it count"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let (set, mx) = (mx_names(domain, seen), seen.dns(&domain.name, Kind::Mx));
        let proof = seen.validated(&domain.name, Kind::Mx);
        let (set, mx) = (set?, mx?);
        if let Some(why) = &set.unknown {
            let proof = proof?;
            if proof.dnssec == Dnssec::Bogus {
                let mut section = Section::new(self.id(), self.title());
                section.headline = "bogus".into();
                section.fact("hosts", Value::Null);
                let mx = Exchangers { set: &set, security: proof.dnssec, proof };
                judge::exchangers(&mx, &mut section);
                return Ok(section.settle());
            }
            let mut section = Section::could_not_look(
                (self.id(), self.title()),
                "dane.could-not-look",
                "the MX hosts, whose TLSA records these would be",
                why,
                [set.lookup],
            );
            section.fact("hosts", Value::Null);
            return Ok(section);
        }
        let hosts = all(set.hosts.iter().take(MAX_HOSTS), |host| Host::ask(&host.name, 25, seen));
        let (hosts, proof) = (hosts?, proof?);
        if hosts.is_empty() {
            let mut section = absent_with_its_name(self.id(), self.title());
            if set.null_mx {
                section.headline = "null MX".into();
            }
            section.fact("hosts", json!([]));
            return Ok(section);
        }
        let mx = Exchangers { set: &set, security: proof.dnssec_or_claim(mx.answer), proof };
        Ok(self.section(domain, &mx, &hosts))
    }
}

impl Dane {
    fn section(&self, domain: &Domain, mx: &Exchangers<'_>, hosts: &[Host<'_>]) -> Section {
        let mut section = Section::new(self.id(), self.title());
        section.fact("hosts", hosts.iter().map(fact).collect::<Vec<_>>());
        let standings: Vec<Standing> = hosts.iter().map(Host::standing).collect();
        let published = hosts.iter().filter(|host| !host.tlsa.records.is_empty()).count();
        section.headline = match published {
            0 => "none".into(),
            _ => format!("{published} of {}", hosts.len()),
        };
        section.blocks.push(Block::Table(table(hosts, &standings)));
        for host in hosts {
            for (record, tlsa) in host.records().into_iter().take(form::MOST_SHOWN) {
                let at = host.base.below("_25._tcp").unwrap_or_else(|_| host.base.clone());
                let number = section.blocks.iter().filter(|block| matches!(block, Block::Record(_))).count();
                section.blocks.push(form::record(domain, &at, record, host.tlsa.id, judge::marks(&tlsa)));
                judge::record(host, &tlsa, number, &mut section);
            }
        }
        if standings.iter().all(|standing| *standing == Standing::None) && mx.security != Dnssec::Bogus {
            section.state = State::Absent;
        } else if published == 0 && standings.iter().any(|standing| matches!(standing, Standing::Unknown(_))) {
            section.state = State::Unknown;
            section.headline = "could not look".into();
        }
        judge::hosts(mx, hosts, &standings, &mut section);
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text: judge::how_to() });
        section.settle()
    }
}

fn fact(host: &Host<'_>) -> Value {
    json!({
        "name": host.name,
        "tlsa_base": host.base,
        "dnssec": host.security.word(),
        "state": word(&host.standing()),
        "tlsa": host.records().iter().map(|(_, tlsa)| json!({
            "usage": tlsa.usage,
            "selector": tlsa.selector,
            "matching": tlsa.matching,
            "data": form::hex(&tlsa.data),
            "usable": tlsa.unusable().is_none(),
        })).collect::<Vec<_>>(),
    })
}

/// The standing as scripts read it.
fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::None => "none",
        Standing::Binding => "binding",
        Standing::AllUnusable => "unusable",
        Standing::Insecure => "insecure",
        Standing::NotValidated(_) => "not-validated",
        Standing::Bogus(_) => "bogus",
        Standing::Unknown(_) => "unknown",
    }
}

fn table(hosts: &[Host<'_>], standings: &[Standing]) -> Table {
    let columns = ["host", "TLSA", "DNSSEC", "for senders that know DANE"].map(String::from).to_vec();
    let rows = hosts
        .iter()
        .zip(standings)
        .map(|(host, standing)| {
            let (words, severity) = judge::standing_words(standing);
            let dnssec = match host.security {
                Dnssec::Claimed => "the resolver says secure",
                other => other.word(),
            };
            Row {
                cells: vec![
                    Cell::from(host.name.to_string()).linked(Link::Smtp(host.name.to_string())),
                    Cell::from(form::count(host.records().len(), "record")),
                    Cell::from(dnssec),
                    Cell::from(words).judged(severity),
                ],
                section: None,
            }
        })
        .collect();
    Table { columns, rows }
}

#[cfg(test)]
mod tests;

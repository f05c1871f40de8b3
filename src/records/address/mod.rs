//! Addresses: where the domain itself and its `www` stand, through which CNAMEs (RFC 1034 §3.6.2, RFC 2181 §10.1). It also
//! says, once for the whole report, that a name does not exist.
//!
//! A CNAME stands for an address. It cannot stand for an MX target (RFC 5321 §5.1), nor beside other records, so never at
//! a zone's apex. Whether a web server answers is not looked at.

mod judge;
mod lookup;

pub use lookup::{Addresses, Existence, absent_with_its_name, exists};

use serde_json::json;

use crate::check::{Check, Data, Dns, Kind, Look, Memo, Record, Seen, Wait, all};
use crate::finding::Finding;
use crate::name::Name;
use crate::records::{Domain, form};
use crate::report::{Block, Section, State};

/// After how many CNAMEs we stop following one by one; resolvers stop at about as many.
const MAX_ALIASES: usize = 8;

/// The check of A, AAAA and CNAME.
pub struct Address;

impl Check<Domain> for Address {
    fn id(&self) -> &'static str {
        "address"
    }

    fn title(&self) -> &'static str {
        "Address"
    }

    fn about(&self) -> &'static str {
        "A, AAAA and CNAME of the domain and of its www: does the name exist, where does it lead"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let www = domain.name.below("www").ok().filter(|_| domain.name.labels().first() != Some(&"www"));
        let existence = exists(domain, seen);
        let own = Place::ask(&domain.name, seen);
        let www = www.map(|www| Place::ask(&www, seen)).transpose();
        let beside = all([Kind::Mx, Kind::Ns, Kind::Soa, Kind::Txt], |kind| Ok((kind, seen.dns(&domain.name, kind)?)));
        let (existence, own, www, beside) = (existence?, own?, www?, beside?);

        let mut section = Section::new(self.id(), self.title());
        match existence {
            Existence::NoSuchName { whole_zone, lookups } => {
                section.state = State::Absent;
                section.headline = "no such name".into();
                section.fact("exists", false);
                section.findings.push(judge::no_such_name(domain, whole_zone).with_evidence(lookups));
                return Ok(section);
            }
            Existence::Unknown(why) if own.chain.is_empty() && own.addresses.all().is_empty() => {
                let lookups = own.addresses.lookups();
                let mut section = Section::could_not_look(
                    (self.id(), self.title()),
                    "address.could-not-look",
                    "the addresses",
                    why,
                    lookups,
                );
                section.fact("exists", serde_json::Value::Null);
                return Ok(section);
            }
            Existence::Denied { lookups } => {
                section.fact("exists", true);
                section.findings.push(judge::denied(domain, &beside).with_evidence(lookups));
            }
            Existence::Unknown(_) | Existence::Exists => section.fact("exists", true),
        }
        own.show(domain, &mut section);
        section.fact("addresses", own.addresses.all());
        section.fact("aliases", own.targets());
        section.headline = own.headline();
        judge::own(domain, &own, &beside, &mut section);
        if let Some(www) = &www {
            www.show(domain, &mut section);
            section.fact("www", json!({ "addresses": www.addresses.all(), "aliases": www.targets() }));
            judge::www(www, &mut section);
        }
        if own.addresses.all().is_empty() && own.chain.is_empty() {
            match own.addresses.unknown() {
                Some(_) => section.state = State::Unknown,
                None => section.state = State::Absent,
            }
        }
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text: judge::how_to() });
        Ok(section.settle())
    }
}

/// One name with its addresses and the CNAMEs that lead there.
struct Place<'a> {
    name: Name,
    addresses: Addresses<'a>,
    /// The CNAME records from the name on, followed one by one where no resolver could.
    chain: Vec<Record>,
    /// Whether the chain comes back to a name that it has passed.
    is_loop: bool,
    lookups: Vec<crate::report::LookupId>,
}

impl<'a> Place<'a> {
    fn ask(name: &Name, seen: &Seen<'a>) -> Result<Place<'a>, Wait> {
        let (addresses, cname) = (Addresses::ask(name, seen), seen.dns(name, Kind::Cname));
        let (addresses, cname) = (addresses?, cname?);
        let mut place = Place {
            name: name.clone(),
            addresses,
            chain: addresses.aliases().to_vec(),
            is_loop: false,
            lookups: addresses.lookups().to_vec(),
        };
        if place.chain.is_empty() && addresses.all().is_empty() {
            place.follow(cname, seen)?;
        }
        place.is_loop = place.cuts_loop();
        Ok(place)
    }

    /// Follows CNAMEs by themselves: resolvers answer SERVFAIL for a loop, and only the CNAMEs show it.
    fn follow(&mut self, mut cname: Dns<'a>, seen: &Seen<'a>) -> Result<(), Wait> {
        for _ in 0..MAX_ALIASES {
            self.lookups.push(cname.id);
            let Look::Found([record, ..]) = cname.answer.look() else { break };
            let Data::Cname(target) = &record.data else { break };
            self.chain.push(record.clone());
            if self.cuts_loop() {
                break;
            }
            cname = seen.dns(target, Kind::Cname)?;
        }
        Ok(())
    }

    /// Whether the chain is a loop; it is then cut after its first round.
    fn cuts_loop(&mut self) -> bool {
        let mut passed = vec![self.name.clone()];
        for at in 0..self.chain.len() {
            let Some(Record { data: Data::Cname(target), .. }) = self.chain.get(at) else { continue };
            if passed.contains(target) {
                self.chain.truncate(at + 1);
                return true;
            }
            passed.push(target.clone());
        }
        false
    }

    fn targets(&self) -> Vec<&Name> {
        self.chain
            .iter()
            .filter_map(|record| match &record.data {
                Data::Cname(target) => Some(target),
                _ => None,
            })
            .collect()
    }

    /// Where the chain ends.
    fn end(&self) -> &Name {
        self.targets().last().copied().unwrap_or(&self.name)
    }

    fn headline(&self) -> String {
        if self.is_loop {
            return "CNAME loop".into();
        }
        let of = |dns: &Dns<'_>, kind: &str| {
            Some(dns.addresses().count()).filter(|count| *count > 0).map(|count| format!("{count} {kind}"))
        };
        let parts: Vec<String> =
            [of(&self.addresses.v4, "A"), of(&self.addresses.v6, "AAAA")].into_iter().flatten().collect();
        match parts.is_empty() {
            true if self.addresses.unknown().is_some() => "could not look".into(),
            true => "none".into(),
            false => parts.join(", "),
        }
    }

    /// Every record of the place as a form has it.
    fn show(&self, domain: &Domain, section: &mut Section) {
        let own = [self.addresses.v4, self.addresses.v6];
        let lookup = self.addresses.v4.id;
        for record in &self.chain {
            let note = judge::alias_note(record);
            section.blocks.push(form::record(domain, &record.owner, record, lookup, note));
        }
        // What a CNAME to the domain itself leads to stands there already.
        let own = own.into_iter().filter(|_| self.name == domain.name || *self.end() != domain.name);
        for dns in own {
            for record in dns.answer.records.iter().take(form::MOST_SHOWN) {
                let marks = judge::address_marks(&self.name, record);
                section.blocks.push(form::record(domain, self.end(), record, dns.id, marks));
            }
            if let Some(more) = dns.answer.records.len().checked_sub(form::MOST_SHOWN).filter(|more| *more > 0) {
                section.findings.push(
                    Finding::info("address.many", format!("{} has {more} more addresses than are shown.", self.name))
                        .with_evidence([dns.id]),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;

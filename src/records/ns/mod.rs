//! NS and SOA: who answers for the domain's zone (RFC 1034 §4.2, RFC 1912, RFC 2182). Everything else that this program
//! shows comes from these servers.
//!
//! It looks by the resolver; whether each server answers by itself is asked for with `R` (the authoritative servers).

mod judge;

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::check::{Check, Data, Dns, Kind, Look, Memo, Seen, Wait, all};
use crate::name::Name;
use crate::records::address::{Addresses, Existence, absent_with_its_name, exists};
use crate::records::{Domain, form};
use crate::report::{Block, Cell, Fact, Link, Row, Section, State, Table};

/// How many servers are looked at; the root has 13.
const MAX_SERVERS: usize = 16;

/// The check of NS and SOA.
pub struct Ns;

/// One name server.
pub(super) struct Server<'a> {
    pub name: Name,
    pub addresses: Addresses<'a>,
}

/// The zone that holds the domain.
pub(super) struct Zone<'a> {
    pub name: Name,
    pub ns: Dns<'a>,
    pub soa: Dns<'a>,
}

impl<'a> Zone<'a> {
    /// The domain's zone is the first name at or above it with NS; all names up to the registrable one are asked at once.
    pub(super) fn find(domain: &Domain, seen: &Seen<'a>) -> Result<Vec<Zone<'a>>, Wait> {
        let (top, count) = (domain.zone().label_count(), domain.name.label_count());
        all((top..=count).rev().map(|labels| domain.name.suffix(labels)), |name| {
            let (ns, soa) = (seen.dns(&name, Kind::Ns), seen.dns(&name, Kind::Soa));
            Ok(Zone { ns: ns?, soa: soa?, name })
        })
    }

    /// The first servers in the order of their names, with their addresses.
    pub(super) fn servers(&self, most: usize, seen: &Seen<'a>) -> Result<Vec<Server<'a>>, Wait> {
        let mut names: Vec<Name> = self.ns.targets().cloned().collect();
        names.sort();
        names.dedup();
        names.truncate(most);
        all(names, |name| Ok(Server { addresses: Addresses::ask(&name, seen)?, name }))
    }

    pub(super) fn has_ns(&self) -> bool {
        self.ns.aliases.is_empty() && matches!(self.ns.look(), Look::Found(_))
    }
}

impl Check<Domain> for Ns {
    fn id(&self) -> &'static str {
        "ns"
    }

    fn title(&self) -> &'static str {
        "Name servers"
    }

    fn about(&self) -> &'static str {
        "NS and SOA of the domain's zone: how many servers, their addresses, the times of the zone"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let (existence, zones) = (exists(domain, seen), Zone::find(domain, seen));
        let (existence, zones) = (existence?, zones?);
        if let Existence::NoSuchName { whole_zone: true, .. } = existence {
            return Ok(absent_with_its_name(self.id(), self.title()));
        }
        let mut own = None;
        for zone in &zones {
            if zone.has_ns() {
                own = Some(zone);
                break;
            }
            if let Look::Unknown(why) = zone.ns.look() {
                let what = format!("the name servers of {}", zone.name);
                let mut section =
                    Section::could_not_look((self.id(), self.title()), "ns.could-not-look", &what, why, [zone.ns.id]);
                section.fact("hosts", Value::Null);
                return Ok(section);
            }
        }
        let Some(zone) = own else {
            let mut section = Section::new(self.id(), self.title());
            section.state = State::Absent;
            section.headline = "none".into();
            section.fact("hosts", json!([]));
            judge::none(domain, &zones.iter().map(|zone| zone.ns.id).collect::<Vec<_>>(), &mut section);
            return Ok(section.settle());
        };
        let servers = zone.servers(MAX_SERVERS, seen)?;
        Ok(self.section(domain, zone, &servers))
    }
}

impl Ns {
    fn section(&self, domain: &Domain, zone: &Zone<'_>, servers: &[Server<'_>]) -> Section {
        let mut section = Section::new(self.id(), self.title());
        section.headline = form::count(servers.len(), "server");
        section.fact("zone", &zone.name);
        let host = |server: &Server<'_>| json!({ "name": server.name, "addresses": server.addresses.all() });
        section.fact("hosts", servers.iter().map(host).collect::<Vec<_>>());
        section.fact("soa", soa_fact(zone));
        for record in zone.ns.records.iter().take(form::MOST_SHOWN) {
            section.blocks.push(form::record(domain, &zone.name, record, zone.ns.id, Vec::new()));
        }
        section.blocks.push(Block::Table(table(servers)));
        if let Some(Data::Soa { mname, rname, serial, refresh, retry, expire, minimum }) =
            zone.soa.records.first().map(|record| &record.data)
        {
            section.blocks.push(Block::Facts(vec![
                Fact::new("zone", Cell::from(zone.name.to_string()).linked(Link::Domain(zone.name.clone()))),
                Fact::new("primary server", mname.to_string()),
                Fact::new("contact", judge::mailbox(rname)),
                Fact::new("serial", serial.to_string()),
                Fact::new("refresh, retry, expire", format!("{refresh} s, {retry} s, {expire} s")),
                Fact::new("absence is kept", format!("{minimum} s at most")),
            ]));
        }
        judge::servers(zone, servers, &mut section);
        judge::soa(zone, &mut section);
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text: judge::how_to() });
        section.settle()
    }
}

fn soa_fact(zone: &Zone<'_>) -> Value {
    match zone.soa.records.first().map(|record| &record.data) {
        Some(Data::Soa { mname, rname, serial, refresh, retry, expire, minimum }) => json!({
            "mname": mname, "rname": rname, "serial": serial, "refresh": refresh, "retry": retry,
            "expire": expire, "minimum": minimum,
        }),
        _ => Value::Null,
    }
}

fn table(servers: &[Server<'_>]) -> Table {
    let rows = servers
        .iter()
        .map(|server| {
            let addresses: Vec<String> = server.addresses.all().iter().map(IpAddr::to_string).collect();
            let words = match (addresses.is_empty(), server.addresses.unknown()) {
                (true, Some(why)) => format!("could not look: {why}"),
                (true, None) => "no address".into(),
                (false, _) => addresses.join(", "),
            };
            let above = Domain::new(server.name.clone()).zone();
            Row {
                cells: vec![Cell::from(server.name.to_string()).linked(Link::Domain(above)), Cell::from(words)],
                section: None,
            }
        })
        .collect();
    Table { columns: ["server", "addresses"].map(String::from).to_vec(), rows }
}

#[cfg(test)]
mod tests;

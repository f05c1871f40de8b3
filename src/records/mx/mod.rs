//! MX: where a domain's mail goes (RFC 5321 §5.1, RFC 7505). Each host with its addresses, their reverse names, and
//! whether a sender can reach it; the record itself as a provider's form has it.
//!
//! It connects to nothing: what a host answers is for the SMTP room.

mod hosts;
mod judge;
mod names;

pub use hosts::alias_target;
pub use names::{MxHost, MxSet, mx_names};

use serde_json::{Value, json};

use crate::check::{Check, Dns, Kind, Look, Memo, Seen, Wait};
use crate::finding::Finding;
use crate::name::Name;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::{Domain, form, providers};
use crate::report::{Block, Cell, Fact, Link, Row, Section, State, Table};

use hosts::Host;

/// The check of MX.
pub struct Mx;

impl Check<Domain> for Mx {
    fn id(&self) -> &'static str {
        "mx"
    }

    fn title(&self) -> &'static str {
        "MX"
    }

    fn about(&self) -> &'static str {
        "MX: the hosts that take the domain's mail, their addresses and reverse names, null MX"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let (answer, existence) = (seen.dns(&domain.name, Kind::Mx), exists(domain, seen));
        let answer = answer?;
        let set = MxSet::read(&domain.name, &answer);
        if let Some(why) = &set.unknown {
            let mut section = Section::could_not_look(
                (self.id(), self.title()),
                "mx.could-not-look",
                "the MX records",
                why,
                [answer.id],
            );
            section.fact("hosts", Value::Null);
            section.fact("null_mx", Value::Null);
            return Ok(section);
        }
        if answer.is_no_such_name()
            && let Existence::NoSuchName { .. } = existence?
        {
            let mut section = absent_with_its_name(self.id(), self.title());
            section.fact("hosts", json!([]));
            section.fact("null_mx", false);
            return Ok(section);
        }
        let hosts = Host::all(&set, seen)?;
        Ok(self.section(domain, &answer, &set, &hosts))
    }
}

impl Mx {
    fn section(&self, domain: &Domain, answer: &Dns<'_>, set: &MxSet, hosts: &[Host<'_>]) -> Section {
        let mut section = Section::new(self.id(), self.title());
        let provider = set.hosts.first().and_then(|host| providers::by_mx(&host.name));
        section.fact("hosts", hosts.iter().map(|host| host_fact(host)).collect::<Vec<_>>());
        section.fact("null_mx", set.null_mx);
        section.fact("implicit", set.implicit);
        section.fact("provider", provider.map(|provider| provider.name.as_str()));
        section.headline = match set.hosts.len() {
            _ if set.null_mx => "null MX".into(),
            _ if set.implicit => "no MX".into(),
            _ if answer.is_no_such_name() => "denied".into(),
            count => form::count(count, "host"),
        };
        let mut records = Vec::new();
        if let Look::Found(found) = answer.look() {
            records = found.to_vec();
            records.sort_by_key(judge::preference);
        }
        for record in records.iter().take(form::MOST_SHOWN) {
            let marks = judge::marks(record, set);
            section.blocks.push(form::record(domain, &domain.name, record, answer.id, marks));
        }
        if let Some(provider) = provider {
            section.blocks.push(Block::Facts(vec![Fact::new("provider", provider.name.as_str())]));
        }
        if !hosts.is_empty() && !set.implicit {
            section.blocks.push(Block::Table(table(hosts)));
        }
        judge::record_set(domain, answer, set, hosts, &mut section);
        judge::each_host(domain, set, hosts, &mut section);
        if set.hosts.len() > hosts.len() {
            section.findings.push(
                Finding::info(
                    "mx.many-hosts",
                    format!("There are {} hosts; the first {} were looked at.", set.hosts.len(), hosts.len()),
                )
                .with_evidence([answer.id]),
            );
        }
        if set.implicit || answer.is_no_such_name() {
            section.state = State::Absent;
        }
        let text = judge::how_to(provider.map(|provider| provider.name.as_str()));
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text });
        section.settle()
    }
}

fn host_fact(host: &Host<'_>) -> Value {
    json!({
        "preference": host.host.preference,
        "name": host.host.name,
        "addresses": host.addresses.all(),
        "reverse": host.reverse.iter().map(|reverse| json!({
            "address": reverse.address,
            "names": reverse.names,
            "confirmed": matches!(reverse.outcome, crate::records::ptr::ReverseOutcome::Confirmed(_)),
        })).collect::<Vec<_>>(),
    })
}

/// One row an address: the host opens the SMTP pane, the domain that it lies in opens the domain pane.
fn table(hosts: &[Host<'_>]) -> Table {
    let mut table = Table {
        columns: ["pref", "host", "of", "address", "reverse name"].map(String::from).to_vec(),
        rows: Vec::new(),
    };
    for host in hosts {
        let name = &host.host.name;
        let above: Name = Domain::new(name.clone()).zone();
        let lead = [
            Cell::from(host.host.preference.to_string()),
            Cell::from(name.to_string()).linked(Link::Smtp(name.to_string())).judged(host.severity()),
            Cell::from(above.to_string()).linked(Link::Domain(above)),
        ];
        let mut rows: Vec<[Cell; 2]> = host
            .addresses
            .all()
            .iter()
            .map(|address| {
                let reverse = host.reverse.iter().find(|reverse| reverse.address == *address);
                [Cell::from(address.to_string()), Cell::from(reverse.map(|r| r.words()).unwrap_or_default())]
            })
            .collect();
        if rows.is_empty() {
            rows.push([Cell::from(host.no_address_words()).judged(host.severity()), Cell::default()]);
        }
        for (at, [address, reverse]) in rows.into_iter().enumerate() {
            let mut cells = if at == 0 { lead.to_vec() } else { vec![Cell::default(); lead.len()] };
            cells.extend([address, reverse]);
            table.rows.push(Row { cells, section: None });
        }
    }
    table
}

#[cfg(test)]
mod tests;

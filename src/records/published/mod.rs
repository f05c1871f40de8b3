//! What is published, asked of the zone's own name servers one by one, beside what the resolver still keeps (RFC 1034
//! §4.3.1; RFC 2181 §5 on what may differ; RFC 1912 §2.8 on lame servers). It answers "I have just changed it: why is the old
//! record still shown, and for how long?".
//!
//! It asks much, and asks others than the resolver, so it runs only where somebody wants it ([`crate::records::ON_REQUEST`]).
//! The parent's list of servers is not compared, and every server is asked at one address only.

mod compare;
mod judge;
mod together;

use std::net::IpAddr;

use serde_json::json;

use crate::check::{Check, Dns, Kind, Look, Memo, Seen, Wait, all};
use crate::finding::Severity;
use crate::name::Name;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::ns::{self, Zone};
use crate::records::{Domain, dkim, form};
use crate::report::{Block, Cell, Fact, Row, Section, Table};

pub(in crate::records) use together::{JUDGED_IS_OLD, together};

use compare::{Line, Standing, Value, Verdict};

/// How many name servers are asked; most zones have two to four.
const MAX_SERVERS: usize = 6;
/// How many DKIM selectors are compared.
const MAX_SELECTORS: usize = 8;

/// The check of what is published against what the resolver keeps.
pub struct Published;

/// One record set that is compared.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    /// What it is, for a person: `SPF`, `DKIM google`.
    label: String,
    name: Name,
    kind: Kind,
}

/// One name server with what it was asked.
struct Server<'a> {
    name: Name,
    /// The one address that is asked: IPv4 where there is one.
    address: Option<IpAddr>,
    standing: Standing,
    /// Its answers, in the order of the questions; empty when it has no address.
    answers: Vec<Dns<'a>>,
    soa: Option<Dns<'a>>,
}

impl Check<Domain> for Published {
    fn id(&self) -> &'static str {
        "published"
    }

    fn title(&self) -> &'static str {
        "Published"
    }

    fn about(&self) -> &'static str {
        "on request: what each of the zone's own name servers publishes, and what your resolver still keeps, for how long"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let (existence, zones, keys) = (exists(domain, seen), Zone::find(domain, seen), dkim::found_at(domain, seen));
        // The selectors only lengthen the list of questions; everything else need not wait for them.
        let known: Vec<Question> = questions(domain, &[]);
        let kept = all(&known, |question| seen.dns(&question.name, question.kind));
        let (existence, zones) = (existence?, zones?);
        if let Existence::NoSuchName { whole_zone: true, .. } = existence {
            return Ok(absent_with_its_name(self.id(), self.title()));
        }
        let zone = match own_zone(&zones) {
            Ok(Some(zone)) => zone,
            Ok(None) => return Ok(judge::no_servers(domain, zones.iter().map(|zone| zone.ns.id))),
            Err(zone) => return Ok(judge::no_ns(zone)),
        };
        let hosts = zone.servers(MAX_SERVERS, seen)?;
        let early = all(&hosts, |host| Server::ask(host, zone, &known, seen));
        let (keys, kept) = (keys?, kept?);
        drop((early?, kept));
        let questions = questions(domain, &keys);
        let kept = all(&questions, |question| seen.dns(&question.name, question.kind));
        let servers = all(&hosts, |host| Server::ask(host, zone, &questions, seen));
        Ok(self.section(zone, &questions, &kept?, &servers?))
    }
}

/// The zone that the domain lies in, none, or the one that could not be looked at.
fn own_zone<'z, 'a>(zones: &'z [Zone<'a>]) -> Result<Option<&'z Zone<'a>>, &'z Zone<'a>> {
    for zone in zones {
        if zone.has_ns() {
            return Ok(Some(zone));
        }
        if let Look::Unknown(_) = zone.ns.look() {
            return Err(zone);
        }
    }
    Ok(None)
}

/// The record sets that matter for mail; a name that DNS cannot carry is left out.
fn questions(domain: &Domain, keys: &[(String, Name)]) -> Vec<Question> {
    let own = &domain.name;
    let at = |label: &str, name: Option<Name>, kind| name.map(|name| Question { label: label.into(), name, kind });
    let below = |prefix: &str| own.below(prefix).ok();
    let mut all: Vec<Question> = [
        at("A", Some(own.clone()), Kind::A),
        at("MX", Some(own.clone()), Kind::Mx),
        at("SPF", Some(own.clone()), Kind::Txt),
        at("DMARC", below("_dmarc"), Kind::Txt),
        at("MTA-STS", below("_mta-sts"), Kind::Txt),
        at("TLS-RPT", below("_smtp._tls"), Kind::Txt),
    ]
    .into_iter()
    .flatten()
    .collect();
    let keys = keys.iter().filter(|(selector, _)| selector != "*").take(MAX_SELECTORS);
    all.extend(keys.map(|(selector, name)| Question {
        label: format!("DKIM {selector}"),
        name: name.clone(),
        kind: Kind::Txt,
    }));
    all
}

impl<'a> Server<'a> {
    fn ask(
        host: &ns::Server<'a>,
        zone: &Zone<'_>,
        questions: &[Question],
        seen: &Seen<'a>,
    ) -> Result<Server<'a>, Wait> {
        let name = host.name.clone();
        let Some(address) = host.addresses.all().first().copied() else {
            let standing = match host.addresses.unknown() {
                Some(why) => Standing::Silent(format!("its address could not be looked up: {why}")),
                None => Standing::Silent("it has no address".into()),
            };
            return Ok(Server { name, address: None, standing, answers: Vec::new(), soa: None });
        };
        let soa = seen.dns_at(address, &zone.name, Kind::Soa);
        let answers = all(questions, |question| seen.dns_at(address, &question.name, question.kind));
        let (soa, answers) = (soa?, answers?);
        Ok(Server { name, address: Some(address), standing: Standing::of(&soa), answers, soa: Some(soa) })
    }

    fn speaks(&self) -> bool {
        matches!(self.standing, Standing::Speaks { .. })
    }
}

impl Published {
    fn section(&self, zone: &Zone<'_>, questions: &[Question], kept: &[Dns<'_>], servers: &[Server<'_>]) -> Section {
        if !servers.iter().any(Server::speaks) {
            return judge::nobody_speaks(zone, servers);
        }
        let lines: Vec<Line> = questions
            .iter()
            .zip(kept)
            .enumerate()
            .map(|(at, (question, kept))| {
                let speaking = servers.iter().filter(|server| server.speaks());
                let heard = speaking.filter_map(|server| Some((&server.name, server.answers.get(at)?)));
                Line::compare(question, kept, &heard.collect::<Vec<_>>())
            })
            .collect();
        let mut section = Section::new(self.id(), self.title());
        section.headline = headline(&lines, servers);
        section.fact("zone", &zone.name);
        section.fact("servers", servers.iter().map(server_fact).collect::<Vec<_>>());
        section.fact("records", lines.iter().map(line_fact).collect::<Vec<_>>());
        section.blocks.push(Block::Table(records_table(&lines)));
        for line in lines.iter().filter(|line| line.verdict.differs()) {
            section.blocks.push(Block::Facts(beside(line)));
        }
        section.blocks.push(Block::Table(servers_table(servers, serial(&zone.soa))));
        judge::lines(&lines, &mut section);
        judge::servers(zone, servers, &lines, &mut section);
        section.blocks.push(Block::Prose { title: "How to read it".into(), text: judge::how_to(servers.len(), zone) });
        section.settle()
    }
}

fn serial(soa: &Dns<'_>) -> Option<u32> {
    compare::serial(soa.answer)
}

fn headline(lines: &[Line], servers: &[Server<'_>]) -> String {
    let count = |wanted: fn(&Verdict) -> bool| lines.iter().filter(|line| wanted(&line.verdict)).count();
    let behind = count(|verdict| matches!(verdict, Verdict::Behind(_) | Verdict::Own));
    let torn = count(|verdict| matches!(verdict, Verdict::Torn));
    let silent = servers.iter().filter(|server| !server.speaks()).count();
    match (torn, behind, silent) {
        (1.., ..) => format!("{torn} torn"),
        (0, 1.., _) => format!("{behind} behind"),
        (0, 0, 1..) => format!("{silent} not heard"),
        (0, 0, 0) => "in step".into(),
    }
}

fn server_fact(server: &Server<'_>) -> serde_json::Value {
    let (state, serial, reason) = match &server.standing {
        Standing::Speaks { serial } => ("authoritative", *serial, None),
        Standing::Lame(why) => ("lame", None, Some(why)),
        Standing::Silent(why) => ("no-answer", None, Some(why)),
    };
    json!({ "name": server.name, "address": server.address, "state": state, "serial": serial, "reason": reason })
}

fn line_fact(line: &Line) -> serde_json::Value {
    let published: Vec<_> = line.published.iter().map(|(value, _)| value.as_list()).collect();
    json!({
        "record": line.question.label, "name": line.question.name, "type": line.question.kind.as_str(),
        "state": line.verdict.word(), "published": published,
        "resolver": line.kept.as_ref().map(Value::as_list),
        "kept_for_s": match line.verdict { Verdict::Behind(left) => Some(left), _ => None },
    })
}

fn records_table(lines: &[Line]) -> Table {
    let rows = lines
        .iter()
        .map(|line| {
            let cells = vec![
                Cell::from(line.question.label.as_str()),
                Cell::from(line.verdict.in_words()).judged(judge::severity(line)),
                Cell::from(format!("{} {}", line.question.name, line.question.kind)),
            ];
            Row { cells, section: None }
        })
        .collect();
    Table { columns: ["record", "at your resolver", "asked"].map(String::from).to_vec(), rows }
}

/// The old and the new, one under the other.
fn beside(line: &Line) -> Vec<Fact> {
    let mut facts = vec![Fact::new("record", format!("{} {}", line.question.name, line.question.kind))];
    for (value, servers) in &line.published {
        let label = if line.published.len() > 1 { format!("at {}", form::list(servers)) } else { "published".into() };
        facts.push(Fact::new(label, line.shown(value)));
    }
    if let Some(kept) = &line.kept {
        facts.push(Fact::new("your resolver", Cell::from(line.shown(kept)).judged(judge::severity(line))));
    }
    facts
}

fn servers_table(servers: &[Server<'_>], kept: Option<u32>) -> Table {
    let newest = servers.iter().filter_map(|server| server.standing.serial()).max();
    let mut rows: Vec<Row> = servers
        .iter()
        .map(|server| {
            let (serial, words, severity) = match &server.standing {
                Standing::Speaks { serial } if *serial == newest => {
                    (*serial, "speaks for the zone".into(), Severity::Ok)
                }
                Standing::Speaks { serial } => {
                    (*serial, "speaks for the zone, another version".into(), Severity::Warning)
                }
                Standing::Lame(why) => (None, format!("lame: {why}"), Severity::Warning),
                Standing::Silent(why) => (None, format!("not heard: {why}"), Severity::Warning),
            };
            let address = server.address.map(|address| address.to_string()).unwrap_or_default();
            let serial = serial.map(|serial| serial.to_string()).unwrap_or_default();
            let cells = vec![Cell::from(server.name.to_string()), address.into(), serial.into()];
            Row { cells: cells.into_iter().chain([Cell::from(words).judged(severity)]).collect(), section: None }
        })
        .collect();
    if let Some(serial) = kept {
        let cells = ["your resolver".into(), String::new(), serial.to_string(), "what it keeps of the SOA".into()];
        rows.push(Row { cells: cells.into_iter().map(|text| Cell::from(text).dimmed()).collect(), section: None });
    }
    Table { columns: ["server", "address", "serial", "state"].map(String::from).to_vec(), rows }
}

#[cfg(test)]
mod tests;

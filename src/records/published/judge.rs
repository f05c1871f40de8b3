//! What it means that servers and resolver differ, and what to do: mostly to wait, and to know for how long.

use std::collections::BTreeSet;

use super::Server;
use super::compare::{Line, Standing, Value, Verdict, for_how_long};
use crate::check::{Kind, Look};
use crate::finding::{Finding, Severity};
use crate::name::Name;
use crate::records::ns::Zone;
use crate::records::{Domain, form};
use crate::report::{LookupId, Section, State};

const ID: (&str, &str) = ("published", "Published");

/// Who could be asked is not known.
pub(super) fn no_ns(zone: &Zone<'_>) -> Section {
    let why = match zone.ns.look() {
        Look::Unknown(why) => why.to_string(),
        Look::Found(_) | Look::Absent(_) => "no name server is known".into(),
    };
    let what = format!("the name servers of {}", zone.name);
    Section::could_not_look(ID, "published.could-not-look", &what, why, [zone.ns.id])
}

/// No name at or above the domain has NS.
pub(super) fn no_servers(domain: &Domain, lookups: impl Iterator<Item = LookupId>) -> Section {
    let mut section = Section::new(ID.0, ID.1);
    section.state = State::Unknown;
    section.headline = "nobody to ask".into();
    let text =
        format!("No NS record is answered for {} or its zone, so there is no server to ask directly.", domain.name);
    section.findings.push(Finding::warning("published.no-servers", text).with_evidence(lookups));
    section
}

/// No server speaks for the zone: nothing can be compared.
pub(super) fn nobody_speaks(zone: &Zone<'_>, servers: &[Server<'_>]) -> Section {
    let said = servers.iter().map(|server| {
        let why = match &server.standing {
            Standing::Lame(why) | Standing::Silent(why) => why.as_str(),
            Standing::Speaks { .. } => "it speaks for the zone",
        };
        match server.address {
            Some(address) => format!("{} ({address}): {why}", server.name),
            None => format!("{}: {why}", server.name),
        }
    });
    let mut section = Section::new(ID.0, ID.1);
    section.state = State::Unknown;
    section.headline = "could not look".into();
    section.fact("zone", &zone.name);
    section.fact("servers", servers.iter().map(super::server_fact).collect::<Vec<_>>());
    let text = format!(
        "None of the {} of {} gave an answer of its own, so what is published is not known. {}.",
        form::count(servers.len(), "name server"),
        zone.name,
        said.collect::<Vec<_>>().join("; ")
    );
    let captured = !servers.is_empty()
        && servers
            .iter()
            .all(|server| server.soa.is_some_and(|soa| !soa.authoritative && matches!(soa.look(), Look::Found(_))));
    let fix = if captured {
        "All of them answer from a cache: this network probably captures DNS questions and answers them itself. Try from another network."
    } else {
        "Many networks let only their own resolver ask the Internet: try from another network, or ask again (r)."
    };
    section.findings.push(
        Finding::warning("published.could-not-look", text)
            .with_fix(fix)
            .with_evidence(servers.iter().filter_map(|server| server.soa.map(|soa| soa.id))),
    );
    section
}

/// How bad it is that a record set stands as it does.
pub(super) fn severity(line: &Line) -> Severity {
    // Addresses are often dealt out in turn, or by where one asks from.
    let dealt = matches!(line.question.kind, Kind::A | Kind::Aaaa);
    match line.verdict {
        Verdict::Same | Verdict::Elsewhere => Severity::Ok,
        Verdict::Behind(_) | Verdict::Unknown => Severity::Info,
        Verdict::Own | Verdict::Torn => {
            if dealt {
                Severity::Info
            } else {
                Severity::Warning
            }
        }
    }
}

/// Judges the record sets.
pub(super) fn lines(lines: &[Line], section: &mut Section) {
    for line in lines {
        let what = format!("{} ({} {})", line.question.label, line.question.name, line.question.kind);
        let news = line.published.first().map(|(value, _)| value);
        let (new, old) = (
            news.map(|value| line.shown(value)).unwrap_or_default(),
            line.kept.as_ref().map(|value| line.shown(value)).unwrap_or_default(),
        );
        let found = match line.verdict {
            Verdict::Same | Verdict::Elsewhere => continue,
            Verdict::Behind(left) => Finding::new(
                "published.resolver-behind",
                severity(line),
                format!(
                    "{what}: {}; your resolver keeps the old answer for {}. Published: {new}. Kept: {old}. The section that reads it judges what is kept.",
                    if news == Some(&Value::Nothing) { "removed" } else { "published" },
                    for_how_long(left)
                ),
            )
            .with_fix("Nothing in the zone: wait, or ask other name servers (R, --dns). Other people's resolvers may keep the old answer as long."),
            Verdict::Own => Finding::new(
                "published.resolver-differs",
                severity(line),
                format!(
                    "{what}: your resolver gives another answer than the zone's servers, and says nothing of keeping it. Published: {new}. Your resolver: {old}."
                ),
            )
            .with_fix("It may have a version of its own (split horizon, a filter). Ask other name servers (R, --dns) to see what the world sees."),
            Verdict::Torn => Finding::new(
                "published.servers-disagree",
                severity(line),
                format!("{what}: the zone's servers disagree, so it is chance which answer a receiver gets: {}.", versions(line)),
            )
            .with_fix(if severity(line) == Severity::Warning {
                "Wait until the zone has been copied to all servers; if it stays so, one of them no longer gets it: see the serials."
            } else {
                "Nothing, where a load balancer deals out addresses."
            }),
            Verdict::Unknown => Finding::new(
                "published.record-could-not-look",
                severity(line),
                format!("{what} could not be compared: {}.", if line.kept.is_none() { "the resolver gave no usable answer" } else { "no server gave a usable answer" }),
            )
            .with_fix("Ask again (r)."),
        };
        let reference = match line.verdict {
            Verdict::Torn => "RFC 2182 §2",
            _ => "RFC 1035 §3.2.1",
        };
        section.findings.push(found.with_reference(reference).with_evidence(line.lookups.iter().copied()));
    }
}

fn versions(line: &Line) -> String {
    let version = |(value, servers): &(Value, Vec<Name>)| format!("{} at {}", line.shown(value), form::list(servers));
    line.published.iter().map(version).collect::<Vec<_>>().join("; ")
}

/// Judges the servers.
pub(super) fn servers(zone: &Zone<'_>, servers: &[Server<'_>], lines: &[Line], section: &mut Section) {
    for server in servers {
        let evidence = server.soa.map(|soa| soa.id);
        match &server.standing {
            Standing::Speaks { .. } => {}
            Standing::Lame(why) => section.findings.push(
                Finding::warning(
                    "published.lame",
                    format!("{} is listed for {} and does not serve it: {why}. Whoever asks there loses time, or fails.", server.name, zone.name),
                )
                .with_fix("Set the zone up on it, or take it off the NS records, here and at the registrar.")
                .with_reference("RFC 1912 §2.8")
                .with_evidence(evidence),
            ),
            Standing::Silent(why) => section.findings.push(
                Finding::warning("published.no-answer", format!("{} could not be heard: {why}. What it publishes is not known.", server.name))
                    .with_fix("Ask again (r). If the others answer and this one never does, it is down, or not reachable from here.")
                    .with_evidence(evidence),
            ),
        }
    }
    let serials: BTreeSet<u32> = servers.iter().filter_map(|server| server.standing.serial()).collect();
    if serials.len() > 1 {
        let torn = lines.iter().any(|line| line.verdict == Verdict::Torn && severity(line) == Severity::Warning);
        let said =
            servers.iter().filter_map(|server| Some(format!("{} at {}", server.standing.serial()?, server.name)));
        let text = format!(
            "The servers of {} hold different versions of the zone: serial {}.{}",
            zone.name,
            form::list(said),
            if torn { "" } else { " The records of mail are the same at all of them." }
        );
        let severity = if torn { Severity::Warning } else { Severity::Info };
        section.findings.push(
            Finding::new("published.serials-differ", severity, text)
                .with_fix("After a change that is normal for minutes. If it stays so, the transfer between the servers fails.")
                .with_reference("RFC 1912 §2.2")
                .with_evidence(servers.iter().filter_map(|server| server.soa.map(|soa| soa.id))),
        );
    }
}

/// How far this looked.
pub(super) fn how_to(asked: usize, zone: &Zone<'_>) -> Vec<String> {
    let all = zone.ns.targets().collect::<BTreeSet<_>>().len();
    vec![
        format!(
            "Asked directly, without recursion and one by one: {asked} of the {} of {}, each at one address. They publish; a resolver keeps what it once heard until its TTL has run out, and nobody can make it forget.",
            form::count(all, "server"),
            zone.name
        ),
        "Before a change that must be seen soon, lower the TTL of the record and wait until the old TTL is over."
            .into(),
    ]
}

//! The section `transport`: what a sending server would conclude about each MX host, and what it would report.
//!
//! Three senders are asked: one that checks nothing, one that honours MTA-STS (RFC 8461), one that honours DANE (RFC 7672).
//! Where DANE applies it decides, and MTA-STS never overrides its failure (RFC 8461 §2). The report's words are those of
//! TLS-RPT (RFC 8460 §4.3).

mod judge;
mod policy;
mod suggest;

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::{Finding, Severity};
use crate::name::Name;
use crate::report::{Block, Cell, Fact, Row, Section, State, Table, VerdictLine};
use crate::smtp::dane::Dane;
use crate::smtp::lines::without_talks;
use crate::smtp::session::{Exchange, Session, Verb};
use crate::smtp::target::{Talk, Talks, Target};
pub(in crate::smtp) use judge::judge_dane;
use judge::{Delivery, Judged};
pub use policy::Sts;

/// What senders conclude.
pub struct Transport;

/// The questions of the verdict, one a sender, in the order of the first facts of the section.
const SENDERS: [&str; 3] = ["PLAIN SENDER", "WITH MTA-STS", "WITH DANE"];

impl Check<Target> for Transport {
    fn id(&self) -> &'static str {
        "transport"
    }

    fn title(&self) -> &'static str {
        "Delivery"
    }

    fn about(&self) -> &'static str {
        "Whether a sender that checks nothing, one with MTA-STS and one with DANE would deliver, and what it would report."
    }

    fn step(&self, target: &Target, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        // Dialogues, TLSA and the policy are asked side by side; the dialogues take longest.
        let talks = target.talks(seen);
        let sts = policy::ask(target.domain(), seen);
        let tlsa = target.tlsa(seen);
        let (talks, sts, tlsa) = match talks? {
            Talks::With(talks) => (talks, sts?, tlsa?),
            other => return Ok(without_talks((self.id(), self.title()), target, &other)),
        };
        let judged: Vec<Judged<'_>> = talks
            .iter()
            .map(|talk| {
                let tlsa = tlsa.iter().find(|tlsa| tlsa.name.to_string() == talk.host);
                judge::host(talk, target, &sts, tlsa)
            })
            .collect();
        let mut section = Section::new(self.id(), self.title());
        section.headline = headline(&judged);
        let senders = senders(&judged, &sts);
        // The findings are those of TLS and of the dialogue; what they come to is bad news here all the same.
        section.state = if is_unknown(&judged) {
            State::Unknown
        } else {
            senders.iter().map(|fact| fact.value.severity).max().unwrap_or(Severity::Ok).into()
        };
        section.above.push(Block::Facts(senders));
        section.above.push(Block::Table(table(&judged)));
        section.fact("hosts", judged.iter().map(Judged::facts).collect::<Vec<_>>());
        section.fact("mta_sts", json!({ "state": sts.word(), "mode": sts.mode() }));
        section.findings.extend(sts.finding());
        section.findings.extend(judged.iter().flat_map(Judged::findings));
        section.suggestions = suggest::suggestions(target, &sts, &judged, seen.now());
        Ok(section)
    }
}

/// The three verdict lines, read off the section's first facts.
pub fn verdict(section: &Section) -> Vec<VerdictLine> {
    let Some(Block::Facts(facts)) = section.above.first() else {
        return section
            .findings
            .first()
            .map(|finding| VerdictLine {
                question: "DELIVERED?",
                answer: finding.text.clone(),
                severity: finding.severity,
                section: Some("transport"),
            })
            .into_iter()
            .collect();
    };
    SENDERS
        .into_iter()
        .zip(facts)
        .map(|(question, fact)| VerdictLine {
            question,
            answer: fact.value.text.clone(),
            severity: fact.value.severity,
            section: Some("transport"),
        })
        .collect()
}

/// The hosts side by side: the section's table.
pub fn summary(section: &Section) -> Option<Table> {
    section.above.iter().find_map(|block| match block {
        Block::Table(table) => Some(table.clone()),
        _ => None,
    })
}

fn is_unknown(judged: &[Judged<'_>]) -> bool {
    !judged.is_empty() && judged.iter().all(|host| matches!(host.plain, Delivery::Unknown(_)))
}

fn headline(judged: &[Judged<'_>]) -> String {
    if is_unknown(judged) {
        return "not known".into();
    }
    let good = judged.iter().filter(|host| host.plain == Delivery::Encrypted).count();
    format!("{good}/{} encrypted", judged.len())
}

/// One line a sender: would the domain get its mail?
fn senders(judged: &[Judged<'_>], sts: &Sts) -> Vec<Fact> {
    let label = |index: usize| SENDERS.get(index).copied().unwrap_or_default();
    let plain = best(judged, |host| Some(host.plain.clone()));
    let with_sts = match sts {
        Sts::None => Cell::from("the domain has no MTA-STS policy: as the plain sender"),
        Sts::NoDomain => Cell::from("not looked at: policies belong to a domain, and this is a host alone"),
        Sts::Unknown(why) => Cell::from(format!("could not look for the policy: {why}")).judged(Severity::Warning),
        Sts::Broken(_, why) => {
            Cell::from(format!("no usable policy ({why}): as the plain sender")).judged(Severity::Warning)
        }
        Sts::Policy(..) => best(judged, |host| Some(host.sts.clone())),
    };
    let dane_applies = judged.iter().any(|host| host.dane.applies());
    let with_dane = if dane_applies {
        best(judged, |host| Some(host.with_dane()))
    } else {
        Cell::from(match judged.iter().find(|host| matches!(host.dane, Dane::Insecure | Dane::NotValidated)) {
            Some(host) if host.dane == Dane::NotValidated => {
                "whether the TLSA records count could not be validated here: held to them, or as the plain sender"
            }
            Some(_) => "TLSA records in a zone that is not signed do not count: as the plain sender",
            None => "no TLSA records: as the plain sender",
        })
    };
    vec![
        Fact { label: label(0).into(), value: plain },
        Fact { label: label(1).into(), value: with_sts },
        Fact { label: label(2).into(), value: with_dane },
    ]
}

/// A sender tries the hosts in order and delivers to the first that it accepts.
fn best<'a>(judged: &[Judged<'a>], outcome: impl Fn(&Judged<'a>) -> Option<Delivery>) -> Cell {
    let outcomes: Vec<(String, Delivery)> =
        judged.iter().filter_map(|host| Some((host.talk.host.clone(), outcome(host)?))).collect();
    let skipped: Vec<String> = outcomes
        .iter()
        .filter_map(|(host, delivery)| match delivery {
            Delivery::Skipped(why) => Some(format!("NO to {host}: {why}")),
            _ => None,
        })
        .collect();
    let aside = if skipped.is_empty() { String::new() } else { format!("; {}", skipped.join("; ")) };
    let side = if skipped.is_empty() { Severity::Ok } else { Severity::Warning };
    if let Some((host, delivery)) = outcomes.iter().find(|(_, delivery)| delivery.delivers()) {
        let how = match delivery {
            Delivery::Clear(why) if judged.iter().all(|host| host.talk.is_lmtp()) => {
                return Cell::from(format!("yes, in clear text, to {host}: {why}")).judged(Severity::Info);
            }
            Delivery::Clear(why) => {
                return Cell::from(format!("yes, IN CLEAR TEXT, to {host}: {why}{aside}")).judged(Severity::Error);
            }
            _ => "yes, encrypted",
        };
        return Cell::from(format!("{how}, to {host}{aside}")).judged(side);
    }
    // One host needs no name: the reason comes first, where a narrow window still shows it.
    let alone = outcomes.len() == 1;
    let named = |host: &str, why: &str| if alone { why.to_owned() } else { format!("{host}: {why}") };
    if let Some((host, Delivery::Deferred(why))) = outcomes.iter().find(|(_, d)| matches!(d, Delivery::Deferred(_))) {
        return Cell::from(format!("deferred: {}{aside}", named(host, why))).judged(Severity::Warning);
    }
    match outcomes.first() {
        Some((host, Delivery::Skipped(why) | Delivery::Refused(why))) => {
            Cell::from(format!("NO: {}{}", named(host, why), more(outcomes.len() - 1))).judged(Severity::Error)
        }
        Some((host, Delivery::Unknown(why))) => {
            Cell::from(format!("not known: {}", named(host, why))).judged(Severity::Warning)
        }
        Some(_) | None => Cell::from("not known yet"),
    }
}

fn more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" (and {count} more)") }
}

fn table(judged: &[Judged<'_>]) -> Table {
    let columns = ["HOST", "CONNECT", "BANNER", "EHLO", "TLS", "PKIX", "MTA-STS", "DANE", "A SENDER REPORTS"]
        .map(str::to_owned)
        .to_vec();
    let rows = judged.iter().map(|host| row(host)).collect();
    Table { columns, rows }
}

fn row(host: &Judged<'_>) -> Row {
    let ms = |took: Option<std::time::Duration>| {
        Cell::from(took.map(|took| format!("{:.1}", took.as_secs_f64() * 1000.0)).unwrap_or_else(|| "-".into()))
    };
    let session = host.talk.said.map(|(_, transcript)| Session::read(transcript)).unwrap_or_default();
    let took = |verb| session.last(verb).and_then(Exchange::took);
    let greeting = session.exchanges.iter().find(|exchange| exchange.verb.is_greeting()).and_then(Exchange::took);
    let name = match host.talk.preference {
        Some(preference) => format!("{preference} {}", host.talk.host),
        None => host.talk.host.clone(),
    };
    let link = crate::report::Link::Smtp(format!("{}:{}", host.talk.host, host.talk.port));
    Row {
        cells: vec![
            Cell::from(name).linked(link),
            ms(session.connect),
            ms(took(Verb::Banner)),
            ms(greeting),
            ms(session.handshake),
            host.pkix_cell(),
            host.sts_cell(),
            host.dane_cell(),
            Cell::from(host.report.clone()),
        ],
        section: Some("transport"),
    }
}

/// A finding that speaks of one host.
fn about(talk: &Talk<'_>, finding: Finding) -> Finding {
    finding.with_evidence(talk.said.map(|(id, _)| id))
}

/// The host's name as DNS carries it, for policies.
fn host_name(talk: &Talk<'_>) -> Option<Name> {
    Name::from_text(&talk.host).ok()
}

#[cfg(test)]
mod tests;

//! The way of the message: the `Received` chain as a timeline, with delays, TLS, reverse names, and the border below which
//! everything could have been written by the sender (RFC 5321 §4.4).
//!
//! Hops are counted from 1 at the topmost field, as `--hop` counts. Clocks differ, so a hop that seems to arrive before it
//! left is told as clock skew and never as a delay.

use std::net::IpAddr;

use serde_json::json;
use time::OffsetDateTime;

use crate::check::{Check, Memo, Seen, Wait, all};
use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::envelope::MAX_HOPS;
use crate::message::received::{Received, date};
use crate::name::Name;
use crate::records::ptr::{Reverse, ReverseOutcome, fcrdns};
use crate::records::reserved::is_on_the_internet;
use crate::report::{Block, Cell, Fact, Link, Row, Section, Table};

/// How many addresses are asked for their names; real chains have some five, a forged one has as many as it likes.
const MAX_REVERSED: usize = 12;
/// Servers cut loops at 30 to 100 hops; from here on a chain is worth a word.
const MANY: usize = 30;
/// From here on a delay is worth a word: greylisting and retries begin at some minutes.
const SLOW_S: i64 = 300;
/// Clocks that differ by less than this are in step.
const SKEW_S: i64 = 2;
/// How far the Date field may be from the first hop before it is told: mail waits in outboxes, and laptops sleep.
const FAR_S: i64 = 2 * 86_400;
/// How wide the longest bar is.
const BAR: i64 = 12;

/// The check.
pub struct Hops;

impl Check<Message> for Hops {
    fn id(&self) -> &'static str {
        "hops"
    }

    fn title(&self) -> &'static str {
        "Hops"
    }

    fn about(&self) -> &'static str {
        "the way of the message, hop by hop: delays, TLS, reverse names, and where trust ends"
    }

    fn step(&self, message: &Message, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let reversed = all(addresses(message), |ip| fcrdns(ip, seen))?;
        let mut section = Section::new(self.id(), self.title());
        let hops = message.hops();
        section.headline = hops.len().to_string();
        let delays = delays(hops);
        section.fact("hops", facts(message, &delays, &reversed));
        section.fact("total_delay_s", delays.iter().flatten().filter(|delay| **delay > 0).sum::<i64>());
        section.fact(
            "border",
            message.border().map(|border| json!({"hop": border.hop, "why": border.why, "chosen": border.chosen})),
        );
        section.blocks.push(Block::Facts(border(message, &delays, &reversed)));
        if !hops.is_empty() {
            section.blocks.push(Block::Table(table(message, &delays, &reversed)));
        }
        chain(message, &delays, &mut section);
        crossing(message, &reversed, &mut section);
        Ok(section.settle())
    }
}

/// The public addresses of the chain, those of trusted hops first.
fn addresses(message: &Message) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let told = message.known().client_ip.as_ref().map(|told| told.value);
    for ip in told.into_iter().chain(message.hops().iter().filter_map(|(_, hop)| hop.client_ip)) {
        if is_on_the_internet(ip) && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found.truncate(MAX_REVERSED);
    found
}

/// How long each hop took since the one before it in time, which is the next below that has a date.
fn delays(hops: &[(usize, Received)]) -> Vec<Option<i64>> {
    let at = |index: usize| hops.get(index).and_then(|(_, hop)| hop.at);
    let before = |index: usize| (index + 1..hops.len()).find_map(at);
    (0..hops.len()).map(|index| Some((at(index)? - before(index)?).whole_seconds())).collect()
}

/// Whether a hop was encrypted, by its own word; `None` when it does not say.
fn tls(hop: &Received) -> Option<bool> {
    if hop.tls.is_some() {
        return Some(true);
    }
    // RFC 3848, RFC 6531: the S says so.
    match hop.with.as_deref()?.to_ascii_uppercase().as_str() {
        "ESMTPS" | "ESMTPSA" | "SMTPS" | "LMTPS" | "LMTPSA" | "UTF8SMTPS" | "UTF8SMTPSA" | "UTF8LMTPS" | "HTTPS"
        | "HTTP/2" => Some(true),
        "SMTP" | "ESMTP" | "ESMTPA" | "UTF8SMTP" | "UTF8SMTPA" | "ASMTP" => Some(false),
        _ => None,
    }
}

fn facts(message: &Message, delays: &[Option<i64>], reversed: &[Reverse]) -> Vec<serde_json::Value> {
    let border = message.border().map_or(0, |border| border.hop);
    let fact = |(index, ((_, hop), delay)): (usize, (&(usize, Received), &Option<i64>))| {
        let reverse = hop.client_ip.and_then(|ip| reversed.iter().find(|found| found.address == ip));
        json!({
            "n": index + 1,
            "from": hop.helo,
            "client_ip": hop.client_ip,
            "reverse_name": hop.reverse_name,
            "ptr": reverse.and_then(Reverse::name),
            "fcrdns": reverse.map(|found| match &found.outcome {
                ReverseOutcome::Confirmed(_) => "pass",
                ReverseOutcome::Mismatch | ReverseOutcome::NoPtr => "fail",
                ReverseOutcome::Unknown(_) => "unknown",
            }),
            "by": hop.by,
            "with": hop.with,
            "tls": tls(hop),
            "tls_version": hop.tls,
            "for": hop.recipient,
            "at": hop.at.map(stamp),
            "delay_s": delay,
            "trusted": index < border,
        })
    };
    message.hops().iter().zip(delays).enumerate().map(fact).collect()
}

fn border(message: &Message, delays: &[Option<i64>], reversed: &[Reverse]) -> Vec<Fact> {
    let Some(border) = message.border() else {
        if let Some(heard) = &message.envelope().heard {
            let ip = heard.client.ip().to_canonical();
            let name = match reversed.iter().find(|found| found.address == ip) {
                Some(found) => found.words(),
                None => "an address without a public name".to_owned(),
            };
            let words = "mxray's listener, which took the message: every hop here was written by the sender's side";
            return vec![
                Fact::new("border", words),
                Fact::new("  client", format!("{ip} ({name}), HELO {}", heard.helo)),
                Fact::new("  TLS", heard.tls.as_deref().unwrap_or("none: it came in the clear")),
            ];
        }
        return vec![Fact::new("hops", "none: the message was never handed over, or its header was taken off")];
    };
    let total: i64 = delays.iter().flatten().filter(|delay| **delay > 0).sum();
    let mut facts = vec![
        Fact::new("border", format!("hop {}: {}", border.hop, border.why)),
        Fact::new("  move it", "b, or --hop N: SPF, DMARC and what is trusted follow"),
    ];
    let below = message.hops().len().saturating_sub(border.hop);
    let said = match below {
        0 => "none below the border".to_owned(),
        1 => format!("hop {}: the sender could have written it", border.hop + 1),
        _ => format!("hops {}-{}: the sender could have written them", border.hop + 1, message.hops().len()),
    };
    facts.push(Fact::new("not trusted", said));
    facts.push(Fact::new("under way", format!("{} by the hops' own clocks", span(total))));
    facts
}

fn table(message: &Message, delays: &[Option<i64>], reversed: &[Reverse]) -> Table {
    let columns = ["hop", "from", "address", "by", "with", "at (UTC)", "took"].map(str::to_owned).to_vec();
    let longest = delays.iter().flatten().copied().max().unwrap_or(0);
    let border = message.border().map_or(0, |border| border.hop);
    let mut day = None;
    let rows = message.hops().iter().zip(delays).enumerate().map(|(index, ((_, hop), delay))| {
        let address = match hop.client_ip {
            Some(ip) => {
                let reverse = reversed.iter().find(|found| found.address == ip);
                Cell::from(match reverse {
                    Some(found) => format!("{ip} {}", found.words()),
                    None => ip.to_string(),
                })
            }
            None => Cell::from("-"),
        };
        let with = match (&hop.with, tls(hop)) {
            (Some(with), Some(true)) => Cell::from(format!("{with}, TLS {}", hop.tls.as_deref().unwrap_or(""))),
            (Some(with), Some(false)) => Cell::from(format!("{with}, no TLS")).judged(Severity::Info),
            (Some(with), None) => Cell::from(with.clone()),
            (None, Some(_)) => Cell::from(format!("TLS {}", hop.tls.as_deref().unwrap_or(""))),
            (None, None) => Cell::from("-"),
        };
        let took = match delay {
            None => Cell::from(if hop.at.is_some() { "" } else { "no date" }),
            Some(delay) if *delay < -SKEW_S => {
                Cell::from(format!("clock skew {}", span(-delay))).judged(Severity::Info)
            }
            Some(delay) => {
                let severity = if *delay >= SLOW_S { Severity::Info } else { Severity::Ok };
                Cell::from(format!("{:<8} {}", span((*delay).max(0)), bar(*delay, longest))).judged(severity)
            }
        };
        let at = hop.at.map_or_else(String::new, |at| {
            let text = stamp(at);
            let (date, clock) = text.split_once('T').unwrap_or((&text, ""));
            let shown = if day.as_deref() == Some(date) { clock.to_owned() } else { format!("{date} {clock}") };
            day = Some(date.to_owned());
            shown.trim_end_matches('Z').to_owned()
        });
        let number = if index + 1 == border { format!("{} border", index + 1) } else { (index + 1).to_string() };
        let cells =
            vec![number.into(), host(hop.helo.as_deref()), address, host(hop.by.as_deref()), with, at.into(), took];
        let cells = cells.into_iter().map(|cell| if index >= border { cell.dimmed() } else { cell }).collect();
        Row { cells, section: None }
    });
    Table { columns, rows: rows.collect() }
}

fn host(name: Option<&str>) -> Cell {
    let Some(name) = name else { return Cell::from("-") };
    let is_name = name.parse::<IpAddr>().is_err() && name.contains('.');
    match Name::from_text(name).ok().filter(|_| is_name) {
        Some(found) => Cell::from(name).linked(Link::Domain(found)),
        None => Cell::from(name),
    }
}

/// A bar as long as its part of the longest; what took time at all has one sign at least.
fn bar(delay: i64, longest: i64) -> String {
    if delay <= 0 || longest <= 0 {
        return String::new();
    }
    let length = (delay.saturating_mul(BAR) / longest).clamp(1, BAR);
    "#".repeat(usize::try_from(length).unwrap_or(1))
}

/// Seconds for a person.
fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// RFC 3339 in UTC.
fn stamp(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// What the chain as a whole tells.
fn chain(message: &Message, delays: &[Option<i64>], section: &mut Section) {
    let hops = message.hops();
    let count = message.named("received").count();
    if hops.is_empty() {
        section.findings.push(Finding::info(
            "hops.none",
            "There is no Received field: this is a draft, a copy from a Sent folder, or its header was taken off. Where it came from cannot be told.",
        ));
    }
    if let Some(chosen) = message.envelope().hop.filter(|chosen| *chosen > hops.len()) {
        let there = match hops.len() {
            0 => "there is none".to_owned(),
            1 => "there is 1".to_owned(),
            many => format!("there are {many}"),
        };
        section.findings.push(
            Finding::warning(
                "hops.no-such-hop",
                format!("Hop {chosen} was named as the border, and {there}: the border is ours to guess again."),
            )
            .with_fix("Count the Received fields from 1 at the top (b, --hop)."),
        );
    }
    if count > MAX_HOPS {
        section.findings.push(Finding::warning(
            "hops.too-many",
            format!(
                "There are {count} Received fields; the topmost {MAX_HOPS} are read. No honest message has so many."
            ),
        ));
    } else if count > MANY {
        section.findings.push(
            Finding::warning(
                "hops.many",
                format!("The message took {count} hops: it ran in a circle, or hops are made up."),
            )
            .with_reference("RFC 5321 §6.3"),
        );
    }
    let place =
        |index: usize| message.field(hops.get(index).map_or(0, |(field, _)| *field)).map(|field| field.field.value);
    for (index, delay) in delays.iter().enumerate() {
        let by = hops.get(index).and_then(|(_, hop)| hop.by.as_deref()).unwrap_or("a server without a name");
        let finding = match delay {
            Some(delay) if *delay < -SKEW_S => Finding::info(
                "hops.clock-skew",
                format!(
                    "Hop {} ({by}) says that it took the message {} before the hop below sent it. That is clock skew, not a delay; a forged hop looks the same.",
                    index + 1,
                    span(-delay)
                ),
            ),
            Some(delay) if *delay >= SLOW_S => Finding::info(
                "hops.slow",
                format!(
                    "Between hop {} and hop {} ({by}) the message waited for {}: a queue, greylisting, or a scanner.",
                    index + 2,
                    index + 1,
                    span(*delay)
                ),
            ),
            Some(_) | None => continue,
        };
        section.findings.push(match place(index) {
            Some(span) => finding.with_span(span),
            None => finding,
        });
    }
    let written = message.named("date").next().and_then(|field| date(&format!("; {}", field.unfolded())));
    let first = hops.iter().rev().find_map(|(_, hop)| hop.at);
    if let (Some(written), Some(first)) = (written, first) {
        let apart = (first - written).whole_seconds();
        if apart.abs() > FAR_S {
            let side = if apart > 0 { "before" } else { "after" };
            section.findings.push(
                Finding::info(
                    "hops.date-far",
                    format!(
                        "The Date field says {}, which is {} {side} the first hop took the message. Date is the sender's own word.",
                        stamp(written),
                        span(apart.abs())
                    ),
                )
                .with_reference("RFC 5322 §3.6.1"),
            );
        }
    }
}

/// What the hop across the border tells.
fn crossing(message: &Message, reversed: &[Reverse], section: &mut Section) {
    let hop = message.border().and_then(|border| Some(&message.hops().get(border.hop - 1)?.1));
    let (by, in_the_clear) = match (hop, &message.envelope().heard) {
        (Some(hop), _) => {
            let in_the_clear = tls(hop) == Some(false) && hop.client_ip.is_some_and(is_on_the_internet);
            (hop.by.as_deref().unwrap_or("the border"), in_the_clear)
        }
        (None, Some(heard)) => ("mxray's listener", heard.tls.is_none() && is_on_the_internet(heard.client.ip())),
        (None, None) => return,
    };
    if in_the_clear {
        section.findings.push(
            Finding::info(
                "hops.no-tls",
                format!("{by} took the message without TLS: it could be read and changed on the way there."),
            )
            .with_reference("RFC 3848"),
        );
    }
    let ip = message.known().client_ip.as_ref().map(|told| told.value);
    let Some(reverse) = ip.and_then(|ip| reversed.iter().find(|found| found.address == ip)) else { return };
    let finding = match &reverse.outcome {
        ReverseOutcome::Confirmed(_) if reverse.looks_dynamic() => Finding::info(
            "hops.dynamic-address",
            format!(
                "{} handed the message over; its name {} looks like a home line's. Mail servers seldom stand there.",
                reverse.address,
                reverse.words()
            ),
        ),
        ReverseOutcome::Confirmed(_) => return,
        ReverseOutcome::Mismatch => Finding::warning(
            "hops.reverse-mismatch",
            format!(
                "{} handed the message over; it calls itself {}, and that name does not point back. Large receivers refuse such servers.",
                reverse.address,
                reverse.name().map(Name::to_string).unwrap_or_default()
            ),
        ),
        ReverseOutcome::NoPtr => Finding::warning(
            "hops.no-ptr",
            format!(
                "{} handed the message over and has no reverse name. Large receivers refuse such servers.",
                reverse.address
            ),
        ),
        ReverseOutcome::Unknown(outcome) => Finding::info(
            "hops.reverse-unknown",
            format!("We could not look at the reverse name of {}: {outcome}.", reverse.address),
        ),
    };
    let mut finding = finding.with_reference("RFC 8601 §2.7.3").with_evidence(reverse.lookups.iter().copied());
    if let Some(field) = message.border().and_then(|border| message.field(border.field)) {
        finding = finding.with_span(field.field.value);
    }
    section.findings.push(finding);
}

#[cfg(test)]
mod tests;

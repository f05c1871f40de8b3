//! The section `transcript`: every dialogue line by line, each explained, with the time of each stage.

use std::time::Duration;

use serde_json::{Value, json};

use crate::check::{Check, ConnectFault, Memo, Outcome, Seen, Transcript, TranscriptEntry, TranscriptEvent, Wait};
use crate::finding::{Finding, Severity};
use crate::report::{Block, Cell, Row, Section, State, Table};
use crate::smtp::annotate::{SLOW, annotate};
use crate::smtp::capability;
use crate::smtp::session::{Exchange, Session, Verb};
use crate::smtp::target::{Talk, Talks, Target};
use crate::untrusted::lossless;

/// The dialogue, line by line.
pub struct Lines;

impl Check<Target> for Lines {
    fn id(&self) -> &'static str {
        "transcript"
    }

    fn title(&self) -> &'static str {
        "Dialogue"
    }

    fn about(&self) -> &'static str {
        "What the two servers say, line by line, each explained, with the time of each stage."
    }

    fn step(&self, target: &Target, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let talks = match target.talks(seen)? {
            Talks::With(talks) => talks,
            other => return Ok(without_talks((self.id(), self.title()), target, &other)),
        };
        let mut section = Section::new(self.id(), self.title());
        section.fact("hosts", talks.iter().map(facts).collect::<Vec<_>>());
        for talk in &talks {
            section.blocks.push(Block::Table(dialogue_table(talk)));
            section.findings.extend(findings(talk));
        }
        blocked_port(&talks, &mut section);
        section.headline = match talks.len() {
            1 => "1 host".into(),
            n => format!("{n} dialogues"),
        };
        Ok(section)
    }
}

/// The section when nobody is there to speak with.
pub(crate) fn without_talks((id, title): (&'static str, &'static str), target: &Target, talks: &Talks<'_>) -> Section {
    let mut section = Section::new(id, title);
    let name = &target.text;
    match talks {
        Talks::With(_) => {}
        Talks::NullMx(lookup) => {
            section.state = State::Absent;
            section.headline = "null MX".into();
            section.findings.push(
                Finding::info(
                    "smtp.null-mx",
                    format!("{name} says that it takes no mail (null MX), so there is nobody to speak with."),
                )
                .with_reference("RFC 7505 §3")
                .with_evidence([*lookup]),
            );
        }
        Talks::NoSuchDomain(lookup) => {
            section.state = State::Absent;
            section.headline = "no domain".into();
            section.findings.push(
                Finding::error(
                    "smtp.no-such-domain",
                    format!("{name} does not exist in DNS, so no mail can be sent to it."),
                )
                .with_evidence([*lookup]),
            );
        }
        Talks::Unknown(lookup, why) => {
            return Section::could_not_look((id, title), "smtp.could-not-look", "the MX records", why, [*lookup]);
        }
    }
    section
}

/// The words, who said them, and the sign of TLS, for one entry: what stands in columns 2 and 3.
pub fn line_of(entry: &TranscriptEntry) -> (&'static str, String) {
    let secure = |plain, inside| if entry.tls { inside } else { plain };
    match &entry.event {
        TranscriptEvent::Connected { local, peer } => {
            let peer = peer.map(|peer| peer.to_string()).unwrap_or_else(|| "the server".into());
            let from = local.map(|local| format!(" from {}", local.ip())).unwrap_or_default();
            ("*", format!("connected to {peer}{from}"))
        }
        TranscriptEvent::NotConnected(_, why) => ("*", format!("no connection: {why}")),
        TranscriptEvent::Sent { line, .. } => (secure("C", "C="), lossless(line).into_owned()),
        TranscriptEvent::SentMessage { bytes } => (secure("C", "C="), format!("(the message, {bytes} bytes)")),
        TranscriptEvent::Received { line, .. } => (secure("S", "S="), lossless(line).into_owned()),
        TranscriptEvent::TlsStarted(tls) => {
            let group = tls.group.as_deref().map(|group| format!(" {group}")).unwrap_or_default();
            let sni = tls.sni.as_deref().map(|sni| format!(", SNI {sni}")).unwrap_or_default();
            ("TLS", format!("{} {}{group}{sni}", tls.version, tls.cipher))
        }
        TranscriptEvent::TlsFailed(why) => ("TLS", format!("handshake failed: {why}")),
        TranscriptEvent::Silence(waited) => ("*", format!("silence for {:.1} s", waited.as_secs_f64())),
        TranscriptEvent::EarlyTalk(bytes) => ("*", format!("early: {}", lossless(bytes))),
        TranscriptEvent::Closed { by_server: true, reset: true } => ("*", "the server reset the connection".into()),
        TranscriptEvent::Closed { by_server: true, reset: false } => ("*", "the server closed".into()),
        TranscriptEvent::Closed { by_server: false, .. } => ("*", "closed".into()),
        TranscriptEvent::GaveUp(why) => ("*", format!("stopped: {why}")),
    }
}

/// Whole milliseconds, as they stand in the first column.
fn millis(at: Duration) -> f64 {
    (at.as_secs_f64() * 10_000.0).round() / 10.0
}

fn facts(talk: &Talk<'_>) -> Value {
    let (lines, stages) = match talk.said {
        Some((_, transcript)) => (lines(transcript, &talk.host), stages(&Session::read(transcript))),
        None => (Vec::new(), json!({})),
    };
    json!({
        "name": talk.host,
        "preference": talk.preference,
        "address": talk.dialogue.as_ref().map(|dialogue| dialogue.address.to_string()),
        "no_address": talk.no_address.as_ref().map(Outcome::word),
        "lines": lines,
        "stages": stages,
    })
}

fn lines(transcript: &Transcript, host: &str) -> Vec<Value> {
    let notes = annotate(transcript, host);
    let entries = transcript.entries.iter().zip(notes);
    entries
        .map(|(entry, note)| {
            let (from, text) = line_of(entry);
            let from = match from.as_bytes().first() {
                Some(b'C') => "client",
                Some(b'S') => "server",
                _ => "note",
            };
            json!({ "at_ms": millis(entry.at), "from": from, "tls": entry.tls, "text": text, "explain": note.text })
        })
        .collect()
}

/// How long each stage took, in milliseconds; a stage that was not reached is left out.
fn stages(session: &Session<'_>) -> Value {
    let mut stages = serde_json::Map::new();
    let took = |verb| session.last(verb).and_then(Exchange::took);
    for (key, length) in [
        ("connect_ms", session.connect),
        ("banner_ms", took(Verb::Banner)),
        ("ehlo_ms", session.exchanges.iter().find(|exchange| exchange.verb.is_greeting()).and_then(Exchange::took)),
        ("starttls_ms", took(Verb::StartTls)),
        ("handshake_ms", session.handshake),
        ("mail_ms", took(Verb::Mail)),
        ("rcpt_ms", took(Verb::Rcpt)),
        ("data_ms", took(Verb::Message)),
        ("quit_ms", took(Verb::Quit)),
    ] {
        if let Some(length) = length {
            stages.insert(key.to_owned(), json!(millis(length)));
        }
    }
    Value::Object(stages)
}

fn dialogue_table(talk: &Talk<'_>) -> Table {
    let title = match (&talk.dialogue, talk.preference) {
        (Some(dialogue), Some(preference)) => format!("{preference} {} {}", talk.host, dialogue.address),
        (Some(_), None) => talk.host.clone(),
        (None, _) => format!("{}: no address", talk.host),
    };
    let columns = vec!["ms".into(), String::new(), title, "what it means".into()];
    let Some((_, transcript)) = talk.said else { return Table { columns, rows: Vec::new() } };
    let notes = annotate(transcript, &talk.host);
    let rows = transcript
        .entries
        .iter()
        .zip(notes)
        .map(|(entry, note)| {
            let (who, text) = line_of(entry);
            let at = format!("{:.0}", entry.at.as_secs_f64() * 1000.0);
            let cells = vec![
                Cell::from(at).dimmed(),
                Cell::from(who),
                Cell::from(text),
                Cell::from(note.text).judged(note.severity),
            ];
            Row { cells, section: None }
        })
        .collect();
    Table { columns, rows }
}

fn findings(talk: &Talk<'_>) -> Vec<Finding> {
    let host = &talk.host;
    let mut findings = Vec::new();
    if let Some(why) = &talk.no_address {
        let absent = matches!(why, Outcome::NoData | Outcome::NoSuchName);
        findings.push(if absent {
            Finding::error("smtp.no-address", format!("{host} has no address, so nobody can deliver to it."))
        } else {
            Finding::warning("smtp.address-unknown", format!("We could not look for the address of {host}: {why}."))
        });
    }
    let Some((lookup, transcript)) = talk.said else {
        return findings.into_iter().map(|finding| finding.with_evidence(talk.lookups.clone())).collect();
    };
    let session = Session::read(transcript);
    if let Some((fault, why)) = session.not_connected {
        findings.push(match fault {
            ConnectFault::Unreachable => Finding::info(
                "smtp.unreachable",
                format!("There is no route from here to {host} ({why}); this says nothing about the server."),
            ),
            ConnectFault::Refused => {
                Finding::error("smtp.refused", format!("{host} refuses connections on port {}.", talk.port))
            }
            ConnectFault::TimedOut | ConnectFault::Other => {
                Finding::error("smtp.no-connection", format!("No connection to {host}: {why}."))
            }
        });
    }
    findings.extend(told(&session, host));
    let broken = session.exchanges.iter().flat_map(|exchange| &exchange.reply.lines).find_map(|line| line.problem);
    if let Some(problem) = broken {
        findings.push(
            Finding::warning(
                "smtp.malformed-reply",
                format!("A line from {host} {}; a strict client gives up there.", problem.words()),
            )
            .with_reference("RFC 5321 §4.2"),
        );
    }
    if session.exchanges.iter().any(|exchange| exchange.bare_lf) {
        findings.push(
            Finding::warning(
                "smtp.bare-lf",
                format!("{host} ends lines with a bare LF; the same looseness lets mail be smuggled."),
            )
            .with_reference("RFC 5321 §2.3.8"),
        );
    }
    if transcript.entries.iter().any(|entry| matches!(entry.event, TranscriptEvent::EarlyTalk(_))) {
        findings.push(
            Finding::warning("smtp.early-talk", format!("{host} sent bytes before it was its turn; after STARTTLS they are dropped, since anybody could have put them there."))
                .with_reference("RFC 3207 §4.2"),
        );
    }
    findings.into_iter().map(|finding| finding.with_evidence([lookup])).collect()
}

/// What the replies themselves tell: refusals, delays, offers.
fn told(session: &Session<'_>, host: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for exchange in &session.exchanges {
        let (code, words) = (exchange.reply.code().unwrap_or_default(), exchange.reply.text());
        match exchange.verb {
            Verb::Banner if exchange.reply.is_permanent() => findings.push(
                Finding::error("smtp.banner-refused", format!("{host} greets with {code}: no mail from here. It says: {words}"))
                    .with_fix("The server, or a filter before it, refuses this client's address. Ask its postmaster, or try from your mail server.")
                    .with_reference("RFC 5321 §3.1"),
            ),
            _ if code == 421 => findings.push(Finding::warning(
                "smtp.closing",
                format!("{host} closes with 421: busy, or tired of this client. A sender tries again later. It says: {words}"),
            )),
            Verb::Rcpt if exchange.reply.is_transient() && words.to_ascii_lowercase().contains("grey") => findings.push(
                Finding::info("smtp.greylisted", format!("{host} greylists: it asks a first-time sender to come again. A mail server does, a one-off test does not.")),
            ),
            Verb::Mail | Verb::Rcpt | Verb::Message if exchange.reply.is_permanent() => findings.push(Finding::error(
                "smtp.command-refused",
                format!("{host} refuses {:?} with {code}: {}", exchange.verb, crate::smtp::codes::explain(&exchange.reply).unwrap_or(&words)),
            )),
            _ => {}
        }
        if exchange.took().is_some_and(|took| took > SLOW) {
            let seconds = exchange.took().unwrap_or_default().as_secs_f64();
            findings.push(Finding::info(
                "smtp.slow",
                format!("{host} took {seconds:.1} s for one reply: a tarpit, or a slow check of its own."),
            ));
        }
    }
    if session.silent {
        findings.push(
            Finding::warning(
                "smtp.silent",
                format!("{host} fell silent; we stopped waiting. A sender waits up to 5 minutes."),
            )
            .with_reference("RFC 5321 §4.5.3.2"),
        );
    }
    if session.hung_up {
        findings.push(
            Finding::warning("smtp.hung-up", format!("{host} closed the connection without a 221."))
                .with_reference("RFC 5321 §3.8"),
        );
    }
    if session.gave_up {
        findings.push(Finding::warning(
            "smtp.gave-up",
            format!("{host} sent more than mxray reads; what came until then is shown."),
        ));
    }
    let clear_login =
        session.capabilities(false).into_iter().find(|line| capability::explain(line, false).1 == Severity::Warning);
    if let Some(line) = clear_login {
        findings.push(
            Finding::warning(
                "smtp.auth-in-clear",
                format!("{host} offers \"{line}\" before TLS: a password could be sent in the clear."),
            )
            .with_fix("Offer AUTH only inside TLS.")
            .with_reference("RFC 4954 §4"),
        );
    }
    findings
}

/// When no host of several answers on port 25, the fault is more likely here than there (cases.md 136).
fn blocked_port(talks: &[Talk<'_>], section: &mut Section) {
    let tried: Vec<_> =
        talks.iter().filter_map(|talk| talk.said).filter(|(_, transcript)| transcript.finished).collect();
    let all_timed_out = tried
        .iter()
        .all(|(_, transcript)| matches!(Session::read(transcript).not_connected, Some((ConnectFault::TimedOut, _))));
    let port_25 = talks.iter().all(|talk| talk.port == 25);
    if port_25 && all_timed_out && !tried.is_empty() {
        section.state = State::Unknown;
        section.findings.push(
            Finding::warning(
                "smtp.port-blocked",
                "Port 25 seems blocked from here: no host answers on it. Many networks block it; this says nothing about the servers.",
            )
            .with_fix("Try from a mail server or another network, or look at port 587 or 465 (HOST:587).")
            .with_evidence(tried.iter().map(|(id, _)| *id)),
        );
        section.findings.retain(|finding| finding.id != "smtp.no-connection");
    }
}

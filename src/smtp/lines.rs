//! The section `transcript`: every dialogue line by line, each explained, with the time of each stage.

use std::time::Duration;

use serde_json::{Value, json};

use crate::check::{Check, Memo, Outcome, Seen, Transcript, TranscriptEntry, TranscriptEvent, Wait};
use crate::finding::Finding;
use crate::report::{Block, Cell, Fact, Row, Section, State, Table};
use crate::smtp::annotate::{Note, annotate};
use crate::smtp::capability;
use crate::smtp::session::{Exchange, Session, Verb};
use crate::smtp::source::{self, Source};
use crate::smtp::target::{Talk, Talks, Target};
use crate::smtp::told::{blocked_port, findings};
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
        let sources = source::ask(&talks, seen)?;
        section.blocks.extend(sources.iter().map(|source| Block::Facts(vec![source.fact()])));
        section.fact("sources", &sources);
        for talk in &talks {
            section.blocks.push(Block::Table(dialogue_table(talk, &sources)));
            section.blocks.extend(changed_by_tls(talk));
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
        TranscriptEvent::SentMessage { bytes } => (secure("C", "C="), message_line(*bytes)),
        TranscriptEvent::Received { line, .. } => (secure("S", "S="), lossless(line).into_owned()),
        TranscriptEvent::TlsStarted(tls) => {
            let group = tls.group.as_deref().map(|group| format!(" {group}")).unwrap_or_default();
            let sni = tls.sni.as_deref().map(|sni| format!(", SNI {sni}")).unwrap_or_default();
            ("TLS", format!("{} {}{group}{sni}", tls.version, tls.cipher))
        }
        TranscriptEvent::TlsFailed(_, why) => ("TLS", format!("handshake failed: {why}")),
        TranscriptEvent::TlsBroken(why) => ("TLS", format!("broken: {why}")),
        TranscriptEvent::Silence(waited) => ("*", format!("silence for {:.1} s", waited.as_secs_f64())),
        TranscriptEvent::EarlyTalk(bytes) => ("*", format!("early: {}", lossless(bytes))),
        TranscriptEvent::Closed { by_server: true, reset: true } => ("*", "the server reset the connection".into()),
        TranscriptEvent::Closed { by_server: true, reset: false } => ("*", "the server closed".into()),
        TranscriptEvent::Closed { by_server: false, .. } => ("*", "closed".into()),
        TranscriptEvent::GaveUp(why) => ("*", format!("stopped: {why}")),
        TranscriptEvent::Withheld(what) => ("*", what.clone()),
    }
}

/// What stands for a message that was sent: a dialogue that is kept does not keep it.
fn message_line(bytes: usize) -> String {
    format!("(the message, {bytes} bytes)")
}

/// The size of a message in the words of [`message_line`]; `None`: these are others.
pub(crate) fn message_bytes(words: &str) -> Option<usize> {
    words.strip_prefix("(the message, ")?.strip_suffix(" bytes)")?.parse().ok()
}

/// [`line_of`], with the name of our own address where it is known.
pub fn line_from(entry: &TranscriptEntry, sources: &[Source]) -> (&'static str, String) {
    let (who, mut text) = line_of(entry);
    if let Some(source) = source_of(entry, sources) {
        text = format!("{text} {}", source.short());
    }
    (who, text)
}

/// What an entry means, with what the server makes of our own address where that is known.
pub fn note_from(entry: &TranscriptEntry, note: Note, sources: &[Source]) -> Note {
    match source_of(entry, sources).map(Source::sentence) {
        Some((text, severity)) => Note { text, severity },
        None => note,
    }
}

fn source_of<'a>(entry: &TranscriptEntry, sources: &'a [Source]) -> Option<&'a Source> {
    match &entry.event {
        TranscriptEvent::Connected { local: Some(local), .. } => {
            sources.iter().find(|source| source.address == local.ip())
        }
        _ => None,
    }
}

/// Milliseconds to a tenth.
pub(crate) fn millis(at: Duration) -> f64 {
    (at.as_secs_f64() * 10_000.0).round() / 10.0
}

/// What the server offers inside TLS and not before it, and the reverse.
fn changed_by_tls(talk: &Talk<'_>) -> Option<Block> {
    let (_, transcript) = talk.said?;
    let changes = capability::changes(&Session::read(transcript));
    if changes.is_empty() {
        return None;
    }
    Some(Block::Facts(changes.into_iter().map(|change| Fact::new("with TLS", change)).collect()))
}

fn facts(talk: &Talk<'_>) -> Value {
    let (lines, stages) = match talk.said {
        Some((_, transcript)) => (lines(transcript, &talk.host), stages(&Session::read(transcript))),
        None => (Vec::new(), json!({})),
    };
    let changes = talk.said.map(|(_, transcript)| capability::changes(&Session::read(transcript))).unwrap_or_default();
    json!({
        "name": talk.host,
        "preference": talk.preference,
        "address": address(talk),
        "no_address": talk.no_address.as_ref().map(Outcome::word),
        "lines": lines,
        "changed_by_tls": changes,
        "stages": stages,
    })
}

/// Where the host is: as DNS says, or where the connection went if it was sent elsewhere (`--connect-to`).
fn address(talk: &Talk<'_>) -> Option<String> {
    let dns = talk.dialogue.as_ref().map(|dialogue| dialogue.address).filter(|address| !address.ip().is_unspecified());
    let went = talk.said.and_then(|(_, transcript)| {
        transcript.entries.iter().find_map(|entry| match &entry.event {
            TranscriptEvent::Connected { peer, .. } => *peer,
            _ => None,
        })
    });
    dns.or(went).map(|address| address.to_string())
}

/// The lines of a dialogue as the contract has them.
pub(crate) fn lines(transcript: &Transcript, host: &str) -> Vec<Value> {
    let notes = annotate(transcript, host);
    transcript.entries.iter().zip(notes).map(|(entry, note)| line(entry, line_of(entry), &note.text)).collect()
}

/// One line as the contract has it.
pub(crate) fn line(entry: &TranscriptEntry, (who, text): (&str, String), explain: &str) -> Value {
    json!({ "at_ms": millis(entry.at), "from": from(who), "tls": entry.tls, "text": text, "explain": explain })
}

/// The speaker's sign as the contract's word.
pub(crate) fn from(who: &str) -> &'static str {
    match who.as_bytes().first() {
        Some(b'C') => "client",
        Some(b'S') => "server",
        _ => "note",
    }
}

/// How long each stage took, in milliseconds; a stage that was not reached is left out.
pub(crate) fn stages(session: &Session<'_>) -> Value {
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

fn dialogue_table(talk: &Talk<'_>, sources: &[Source]) -> Table {
    let title = match (&talk.dialogue, talk.preference) {
        (Some(_), Some(preference)) => {
            let address = address(talk).map(|address| format!(" {address}")).unwrap_or_default();
            format!("{preference} {}{address}", talk.host)
        }
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
            let ((who, text), note) = (line_from(entry, sources), note_from(entry, note, sources));
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

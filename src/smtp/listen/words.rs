//! A session of the listener in words: the same explanations as for a dialogue that mxray holds itself, seen from the
//! server's side, and each remark beside the line that showed it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::OUR_NAME;
use crate::check::{Remark, TranscriptEntry, TranscriptEvent, Visit};
use crate::finding::Severity;
use crate::smtp::annotate::{Note, annotate};
use crate::smtp::export::saved;
use crate::smtp::lines;
use crate::smtp::session::Session;
use crate::untrusted::visible;

/// The sign of who spoke and the words of an entry.
pub fn line_of(entry: &TranscriptEntry) -> (&'static str, String) {
    match &entry.event {
        TranscriptEvent::Connected { local: Some(client), peer } => {
            let here = peer.map(|here| format!(" to {here}")).unwrap_or_default();
            ("*", format!("{client} connected{here}"))
        }
        TranscriptEvent::Closed { by_server: false, reset: true } => ("*", "the client reset the connection".into()),
        TranscriptEvent::Closed { by_server: false, reset: false } => ("*", "the client closed".into()),
        TranscriptEvent::Closed { by_server: true, .. } => ("*", "mxray closed".into()),
        _ => lines::line_of(entry),
    }
}

/// One note an entry.
pub fn notes(visit: &Visit) -> Vec<Note> {
    let transcript = &visit.transcript;
    let mut notes = annotate(transcript, "");
    for (entry, note) in transcript.entries.iter().zip(&mut notes) {
        let (severity, text) = match &entry.event {
            TranscriptEvent::Connected { .. } => {
                (Severity::Ok, "a client is there; it waits for the banner".to_owned())
            }
            TranscriptEvent::TlsStarted(_) => (
                Severity::Ok,
                "encrypted with mxray's self-signed certificate: this client does not check, or trusts it".to_owned(),
            ),
            TranscriptEvent::TlsFailed(_, why) => (Severity::Warning, why.clone()),
            TranscriptEvent::Silence(waited) => {
                (Severity::Warning, format!("the client said nothing for {:.0} s", waited.as_secs_f64()))
            }
            TranscriptEvent::EarlyTalk(_) => (Severity::Ok, String::new()),
            TranscriptEvent::Closed { by_server: false, .. } => (Severity::Ok, "the client ended it".to_owned()),
            TranscriptEvent::Closed { by_server: true, .. } => (Severity::Ok, String::new()),
            _ => continue,
        };
        *note = Note { text, severity };
    }
    let mut remarked = usize::MAX;
    for Remark { entry, finding } in &visit.remarks {
        let Some(note) = notes.get_mut(*entry) else { continue };
        // What the line means in general gives way to what is strange about it, unless it is bad news itself.
        let before = match note.severity {
            _ if remarked == *entry => format!("{} ", note.text),
            Severity::Warning | Severity::Error if !note.text.is_empty() => format!("{}. ", note.text),
            _ => String::new(),
        };
        let fix = finding.fix.as_deref().map(|fix| format!(" {fix}")).unwrap_or_default();
        note.text = format!("{before}{}{fix}", finding.text);
        note.severity = note.severity.max(finding.severity);
        remarked = *entry;
    }
    notes
}

/// A session to keep or to hand on, as text.
pub fn text(visit: &Visit) -> String {
    let mut out = text_head(visit);
    for (entry, note) in visit.transcript.entries.iter().zip(notes(visit)) {
        out.push_str(&text_line(entry, &note));
    }
    out
}

/// The first line of [`text`].
pub fn text_head(visit: &Visit) -> String {
    format!("# session {} of {} with mxray's listener\n", visit.number, visit.client)
}

/// An entry as [`text`] has it.
pub fn text_line(entry: &TranscriptEntry, note: &Note) -> String {
    let (who, words) = line_of(entry);
    let at = entry.at.as_secs_f64() * 1000.0;
    format!("{at:>7.1} | {who:<3} | {}  | {}\n", visible(&words), visible(&note.text))
}

/// The same as JSON, in the shape of a saved dialogue, so that it is read again like one (`crate::smtp::import`).
pub fn json(visit: &Visit) -> String {
    let entries = visit.transcript.entries.iter().zip(notes(visit));
    let said: Vec<Value> = entries.map(|(entry, note)| lines::line(entry, line_of(entry), &note.text)).collect();
    saved(vec![json!({
        "name": OUR_NAME,
        "client": visit.client.to_string(),
        "session": visit.number,
        "lines": said,
        "stages": lines::stages(&Session::read(&visit.transcript)),
    })])
}

/// The same as Markdown.
pub fn markdown(visit: &Visit) -> String {
    let cell = |text: &str| visible(text).replace('|', "\\|").replace('`', "'");
    let mut out = format!(
        "### session {} of {} with mxray's listener\n\n| ms | | line | what it means |\n|---:|---|---|---|\n",
        visit.number, visit.client
    );
    for (entry, note) in visit.transcript.entries.iter().zip(notes(visit)) {
        let (who, words) = line_of(entry);
        let at = entry.at.as_secs_f64() * 1000.0;
        let _ = writeln!(out, "| {at:.1} | {who} | `{}` | {} |", cell(&words), cell(&note.text));
    }
    out
}

//! A session of the listener in words: the same explanations as for a dialogue that mxray holds itself, seen from the
//! server's side, and each remark beside the line that showed it.

use crate::check::{TranscriptEntry, TranscriptEvent, Visit};
use crate::finding::Severity;
use crate::smtp::annotate::{Note, annotate};
use crate::smtp::lines;

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
            TranscriptEvent::TlsFailed(why) => (Severity::Warning, why.clone()),
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
    for remark in &visit.remarks {
        let Some(note) = notes.get_mut(remark.entry) else { continue };
        let fix = remark.finding.fix.as_deref().map(|fix| format!(" {fix}")).unwrap_or_default();
        let before = if note.severity > Severity::Info { format!("{} ", note.text) } else { String::new() };
        note.text = format!("{before}{}{fix}", remark.finding.text);
        note.severity = note.severity.max(remark.finding.severity);
    }
    notes
}

//! The dialogue as rows: a heading and the lines of each host, every line with what it means, laid out once when a
//! transcript has grown. Wide windows have the explanation beside the line; in all of them the chosen line stands whole,
//! explained, at the foot.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::check::{Transcript, TranscriptEntry, TranscriptEvent};
use crate::finding::Severity;
use crate::report::LookupId;
use crate::smtp::annotate::{Note, annotate};
use crate::smtp::lines::{line_from, note_from};
use crate::smtp::source::Source;
use crate::tui::document::Piece;
use crate::tui::document::wrap::{columns, cut, cut_to_words, fit, wrap};
use crate::tui::inquiry::Inquiry;
use crate::tui::theme::{Look, Theme};
use crate::untrusted::visible;

/// From this width on, explanations stand beside the lines.
pub(super) const WIDE: usize = 96;
/// The columns before the words: time, who.
pub(super) const MARGIN: usize = 14;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The heading of a dialogue.
    Host(LookupId),
    /// An entry of one.
    Line(LookupId, usize),
}

impl Place {
    pub(super) fn lookup(self) -> LookupId {
        match self {
            Place::Host(id) | Place::Line(id, _) => id,
        }
    }
}

/// All rows, and what each line means.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) places: Vec<Place>,
    notes: HashMap<LookupId, (usize, Vec<Note>)>,
    /// Our own addresses, once their names were looked for.
    sources: Vec<Source>,
    job: Option<u64>,
}

impl Rows {
    /// Lays out what has grown since.
    pub(super) fn sync(&mut self, inquiry: &Inquiry) {
        if self.job != Some(inquiry.id.0) {
            *self = Rows { job: Some(inquiry.id.0), ..Rows::default() };
        }
        let sources = inquiry.section("transcript").map(Source::all_of).unwrap_or_default();
        if self.sources != sources {
            self.sources = sources;
            self.notes.clear();
        }
        let mut grown = false;
        for (id, transcript) in &inquiry.dialogues {
            let known = self.notes.get(id).map(|(count, _)| *count);
            if known != Some(transcript.entries.len()) {
                let notes = transcript.entries.iter().zip(annotate(transcript, host(inquiry, *id)));
                let notes = notes.map(|(entry, note)| note_from(entry, note, &self.sources)).collect();
                self.notes.insert(*id, (transcript.entries.len(), notes));
                grown = true;
            }
        }
        if grown {
            let lines = |(id, transcript): (&LookupId, &Arc<Transcript>)| {
                let id = *id;
                std::iter::once(Place::Host(id)).chain((0..transcript.entries.len()).map(move |at| Place::Line(id, at)))
            };
            self.places = inquiry.dialogues.iter().flat_map(lines).collect();
        }
    }

    fn note(&self, id: LookupId, at: usize) -> Option<&Note> {
        self.notes.get(&id)?.1.get(at)
    }

    /// One row for a window of `width` columns.
    pub(super) fn row(&self, inquiry: &Inquiry, place: Place, width: usize, theme: Theme) -> Vec<Piece> {
        let (id, at) = match place {
            Place::Host(id) => return heading(inquiry, id, theme),
            Place::Line(id, at) => (id, at),
        };
        let Some(transcript) = inquiry.dialogues.get(&id) else { return Vec::new() };
        let Some(entry) = transcript.entries.get(at) else { return Vec::new() };
        let (who, text) = line_from(entry, &self.sources);
        let text = visible(&text).into_owned();
        let slow = gap(transcript, at) >= Duration::from_secs(1);
        let mut row = vec![
            Piece::new(format!("{:>7.0} ", entry.at.as_secs_f64() * 1000.0), if slow { Look::Warn } else { Look::Dim }),
            Piece::new(format!("{who:<4}  "), who_look(who)),
        ];
        let look = words_look(&entry.event);
        let note = self.note(id, at);
        if width < WIDE {
            let weight = weight(entry, note);
            let mark = if weight > Severity::Info { theme.severity_glyph(weight) } else { "" };
            let room = width.saturating_sub(MARGIN + columns(mark) + 2);
            row.push(Piece::new(fit(&cut(&text, room), room + 1), look));
            row.push(Piece::new(mark, weight.into()));
            return row;
        }
        let left = ((width - MARGIN) * 9 / 20).max(36);
        row.push(Piece::new(fit(&cut(&text, left.saturating_sub(2)), left), look));
        if let Some(note) = note {
            let look = if note.severity > Severity::Info { note.severity.into() } else { Look::Dim };
            row.push(Piece::new(cut_to_words(&visible(&note.text), width - MARGIN - left), look));
        }
        row
    }

    /// Whether a line has more to it than a note: a refusal, a broken rule, silence.
    pub(super) fn is_remarkable(&self, inquiry: &Inquiry, place: Place) -> bool {
        let Place::Line(id, at) = place else { return false };
        let entry = inquiry.dialogues.get(&id).and_then(|transcript| transcript.entries.get(at));
        entry.is_some_and(|entry| weight(entry, self.note(id, at)) > Severity::Info)
    }

    /// The chosen line as far as there is room: where and when, its words, what it means; with `raw`, its bytes.
    pub(super) fn foot(&self, inquiry: &Inquiry, place: Place, room: Room, raw: bool) -> Vec<Vec<Piece>> {
        let Place::Line(id, at) = place else {
            return wrap(vec![Piece::new(" one dialogue; its lines are below", Look::Dim)], room.width, 1);
        };
        let Some(transcript) = inquiry.dialogues.get(&id) else { return Vec::new() };
        let Some(entry) = transcript.entries.get(at) else { return Vec::new() };
        let (_, text) = line_from(entry, &self.sources);
        let since = gap(transcript, at).as_secs_f64() * 1000.0;
        let channel = if entry.tls { "inside TLS" } else { "in the clear" };
        let when =
            format!(" {:.1} ms, {since:.1} after the line before, {channel}   ", entry.at.as_secs_f64() * 1000.0);
        let words = match bytes(entry).filter(|_| raw) {
            Some(bytes) => Piece::new(hex(bytes), Look::Plain),
            None => Piece::new(visible(&text), Look::Strong),
        };
        let note = self.note(id, at).filter(|note| !note.text.is_empty()).map(|note| {
            let look = if note.severity > Severity::Info { note.severity.into() } else { Look::Plain };
            Piece::new(format!(" {}", visible(&note.text)), look)
        });
        room.share(vec![Piece::new(when, Look::Dim), words], note)
    }
}

/// The room for the chosen line.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) width: usize,
    pub(super) rows: usize,
}

impl Room {
    /// The line, and below it what it means: a line without end leaves half of the room, and neither ends unmarked.
    pub(super) fn share(self, line: Vec<Piece>, notes: impl IntoIterator<Item = Piece>) -> Vec<Vec<Piece>> {
        let below: Vec<Vec<Piece>> = notes.into_iter().flat_map(|note| wrap(vec![note], self.width, 1)).collect();
        let mut rows = self.clip(wrap(line, self.width, 1), self.rows - below.len().min(self.rows / 2));
        let left = self.rows.saturating_sub(rows.len());
        rows.extend(self.clip(below, left));
        rows
    }

    fn clip(self, mut rows: Vec<Vec<Piece>>, most: usize) -> Vec<Vec<Piece>> {
        if rows.len() > most {
            rows.truncate(most);
            if let Some(last) = rows.last_mut().and_then(|row| row.last_mut()) {
                let keep = columns(&last.text).saturating_sub(2);
                // Half a word tells nothing, but a word as long as the row is all there is.
                let words = last.text.trim_end().rsplit_once(' ').map(|(words, _)| words.to_owned());
                last.text = match words.filter(|words| !words.trim().is_empty() && columns(words) <= keep) {
                    Some(words) => format!("{words} …"),
                    None => cut(&last.text, keep + 1),
                };
            }
        }
        rows
    }
}

/// The bytes that stood on the wire, where an entry has any.
pub(super) fn bytes(entry: &TranscriptEntry) -> Option<&[u8]> {
    match &entry.event {
        TranscriptEvent::Sent { line, .. }
        | TranscriptEvent::Received { line, .. }
        | TranscriptEvent::EarlyTalk(line) => Some(line),
        _ => None,
    }
}

/// Whether an entry has bytes to show.
pub(super) fn has_bytes(entry: &TranscriptEntry) -> bool {
    bytes(entry).is_some()
}

/// As many bytes as any foot has room for; more would be made for every frame and never seen.
const MAX_HEX: usize = 1024;

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let shown = bytes.get(..MAX_HEX).unwrap_or(bytes);
    shown.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// How bad a line is: what is to be said of it, and what its own code says.
fn weight(entry: &TranscriptEntry, note: Option<&Note>) -> Severity {
    let said = note.map_or(Severity::Ok, |note| note.severity);
    match words_look(&entry.event) {
        Look::Error => said.max(Severity::Error),
        Look::Warn => said.max(Severity::Warning),
        _ => said,
    }
}

/// The host of a dialogue, by its lookup.
pub(super) fn host(inquiry: &Inquiry, id: LookupId) -> &str {
    inquiry.lookups.get(&id).map_or(inquiry.title.as_str(), |lookup| lookup.name.as_str())
}

/// The port of a dialogue: the end of where it connected.
pub(super) fn port(inquiry: &Inquiry, id: LookupId) -> u16 {
    let via = inquiry.lookups.get(&id).map_or("", |lookup| lookup.via.as_str());
    via.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(25)
}

fn heading(inquiry: &Inquiry, id: LookupId, theme: Theme) -> Vec<Piece> {
    let talking = inquiry.dialogues.get(&id).is_some_and(|transcript| !transcript.finished);
    let via = inquiry.lookups.get(&id).map_or("", |lookup| lookup.via.as_str());
    // A connection that is sent elsewhere has no address here; where it went stands in its first line.
    let nowhere = via.rsplit(' ').next().and_then(|address| address.parse::<SocketAddr>().ok());
    let via = match nowhere.filter(|address| address.ip().is_unspecified()) {
        Some(address) => format!("port {}", address.port()),
        None => via.to_owned(),
    };
    let stage = if talking { format!("  {} talking", theme.running_glyph()) } else { String::new() };
    vec![
        Piece::new(format!(" {}", host(inquiry, id)), Look::Heading),
        Piece::new(format!("  {via}  lookup #{}", id.0), Look::Dim),
        Piece::new(stage, Look::Running),
    ]
}

pub(super) fn gap(transcript: &Transcript, at: usize) -> Duration {
    let time = |at: usize| transcript.entries.get(at).map_or(Duration::ZERO, |entry| entry.at);
    let before = at.checked_sub(1).map_or(Duration::ZERO, time);
    time(at).saturating_sub(before)
}

pub(super) fn who_look(who: &str) -> Look {
    match who.as_bytes().first() {
        Some(b'C') => Look::Note,
        Some(b'S') => Look::Strong,
        _ => Look::Dim,
    }
}

pub(super) fn words_look(event: &TranscriptEvent) -> Look {
    match event {
        TranscriptEvent::Received { line, .. } => match line.first() {
            Some(b'4') => Look::Warn,
            Some(b'5') => Look::Error,
            _ => Look::Strong,
        },
        TranscriptEvent::TlsStarted(session) if session.pkix.is_err() => Look::Warn,
        TranscriptEvent::TlsStarted(_) => Look::Ok,
        TranscriptEvent::NotConnected(..) | TranscriptEvent::TlsFailed(..) | TranscriptEvent::TlsBroken(_) => {
            Look::Error
        }
        TranscriptEvent::Silence(_)
        | TranscriptEvent::EarlyTalk(_)
        | TranscriptEvent::GaveUp(_)
        | TranscriptEvent::Withheld(_) => Look::Warn,
        TranscriptEvent::Sent { .. } | TranscriptEvent::SentMessage { .. } => Look::Plain,
        TranscriptEvent::Connected { .. } | TranscriptEvent::Closed { .. } => Look::Dim,
    }
}

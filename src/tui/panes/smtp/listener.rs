//! The SMTP pane while mxray is the server: where it listens, every session as a row, one of them opened line by line.
//!
//! ```text
//!  LISTENING  127.0.0.1:2525   reply: accept                where, and how it answers
//!  2 sessions, 1 message; nothing is delivered or relayed
//! ------------------------------------------------------
//!    #1  192.0.2.7:40000  HELO mx.example  TLS 1.3  1 message
//!     33 C=  MAIL FROM:<a@example>      the envelope's …    the opened session; wide windows explain beside it
//! ------------------------------------------------------
//!  33.2 ms, 0.4 after the line before …                     the chosen line, whole
//! ```

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::{MARGIN, Room, WIDE, bytes, gap, hex, who_look, words_look};
use super::window;
use crate::check::{Captured, TranscriptEntry, Visit};
use crate::finding::Severity;
use crate::smtp::annotate::Note;
use crate::smtp::export::Form;
use crate::smtp::listen::words::{self, line_of, notes};
use crate::tui::action::{Action, PaneId};
use crate::tui::document::Piece;
use crate::tui::document::wrap::{columns, cut, cut_to_words, fit, wrap};
use crate::tui::effect::Effect;
use crate::tui::inquiry::size;
use crate::tui::listening::{Listening, Stage};
use crate::tui::state::Shared;
use crate::tui::theme::{Look, Theme};
use crate::tui::viewer::{pieces, rule};
use crate::untrusted::visible;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A session.
    Visit(u64),
    /// An entry of the opened one.
    Line(u64, usize),
}

/// What the listener's face remembers.
#[derive(Default)]
pub(super) struct Listener {
    places: Vec<Place>,
    notes: Vec<Note>,
    /// The opened session when the person chose it; `None`: the newest.
    chosen: Option<u64>,
    /// The chosen row; `None` follows the newest.
    cursor: Option<Place>,
    /// The first row that is shown.
    top: usize,
    raw: bool,
    laid_out: Option<(u64, Option<u64>)>,
}

/// Where the parts lie.
struct Parts {
    head: Rect,
    lines: Rect,
    foot: Rect,
}

impl Listener {
    /// Lays out what has changed since.
    pub(super) fn sync(&mut self, listening: &Listening) {
        let open = self.open(listening).map(|visit| visit.number);
        if self.laid_out == Some((listening.version, open)) {
            return;
        }
        self.laid_out = Some((listening.version, open));
        self.places.clear();
        self.notes.clear();
        for (number, visit) in &listening.visits {
            self.places.push(Place::Visit(*number));
            if open == Some(*number) {
                self.notes = notes(visit);
                let lines = 0..visit.transcript.entries.len();
                self.places.extend(lines.map(|at| Place::Line(*number, at)));
            }
        }
    }

    /// The session whose lines are shown.
    fn open<'a>(&self, listening: &'a Listening) -> Option<&'a Arc<Visit>> {
        let chosen = self.chosen.and_then(|number| listening.visits.get(&number));
        chosen.or_else(|| listening.visits.values().next_back())
    }

    fn at(&self) -> usize {
        let last = self.places.len().saturating_sub(1);
        self.cursor.and_then(|place| self.places.iter().position(|one| *one == place)).unwrap_or(last)
    }

    fn go(&mut self, at: usize, listening: &Listening) {
        let last = self.places.len().saturating_sub(1);
        self.raw = false;
        // Whoever looks at a session does not want it to close when the next client comes.
        self.chosen = self.open(listening).map(|visit| visit.number);
        self.cursor = self.places.get(at.min(last)).copied();
        if at >= last {
            (self.cursor, self.chosen) = (None, None);
            self.laid_out = None;
        }
    }

    /// Goes to a row with what led to it, and what came of it.
    fn show(&mut self, at: usize, window: usize, listening: &Listening) {
        self.top = at.saturating_sub(window / 2);
        self.go(at, listening);
    }

    /// The message of the row under the cursor, or (for `m`) the newest of the opened session, then of all.
    pub(super) fn captured(&self, action: &Action, listening: &Listening) -> Option<Arc<Captured>> {
        let place = self.places.get(self.at()).copied();
        let under = place.and_then(|place| match place {
            Place::Line(number, at) => {
                let visit = listening.visits.get(&number)?;
                visit.messages.iter().find(|message| message.entry == at).cloned()
            }
            Place::Visit(_) => None,
        });
        if matches!(action, Action::Enter) {
            return under;
        }
        let of_place = || {
            let (Place::Visit(number) | Place::Line(number, _)) = place?;
            listening.visits.get(&number)?.messages.last().cloned()
        };
        let newest = || listening.visits.values().rev().find_map(|visit| visit.messages.last().cloned());
        under.or_else(of_place).or_else(newest)
    }

    /// Does what an action means here; `None`: it means nothing here.
    pub(super) fn update(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Option<Vec<Effect>> {
        let listening = shared.listening.as_ref()?;
        let (lines, len, at) = (parts(area).lines, self.places.len(), self.at());
        let shown = usize::from(lines.height);
        let page = shown.saturating_sub(1).max(1);
        match action {
            Action::Up => self.go(at.saturating_sub(1), listening),
            Action::Down => self.go(at + 1, listening),
            Action::PageUp => {
                self.top = self.first(lines.height).saturating_sub(page);
                self.go(at.saturating_sub(page), listening);
            }
            Action::PageDown | Action::Fold => {
                self.top = (self.first(lines.height) + page).min(len.saturating_sub(shown));
                self.go(at + page, listening);
            }
            Action::Top => self.go(0, listening),
            Action::Bottom => self.go(usize::MAX, listening),
            Action::Wheel(by) => {
                let (top, chosen) = window::wheel(*by, (self.first(lines.height), at), len, shown);
                self.go(chosen, listening);
                self.top = top;
            }
            Action::Click(_, row) if (lines.top()..lines.bottom()).contains(row) => {
                let at = self.first(lines.height) + usize::from(row - lines.y);
                if at < len {
                    self.go(at, listening);
                }
            }
            Action::Click(..) => {}
            Action::NextFinding => match self.next(at, 1, listening) {
                Some(at) => self.show(at, shown, listening),
                None => shared.tell("no other message and nothing else that is strange"),
            },
            Action::PreviousFinding => match self.next(at, -1, listening) {
                Some(at) => self.show(at, shown, listening),
                None => shared.tell("no other message and nothing else that is strange"),
            },
            Action::Enter => match self.places.get(at).copied() {
                Some(Place::Visit(number)) => {
                    (self.chosen, self.cursor) = (Some(number), Some(Place::Visit(number)));
                    self.raw = false;
                }
                Some(Place::Line(..)) => self.raw = !self.raw,
                None => {}
            },
            Action::CopyValue => return Some(self.copy_line(listening)),
            _ => return None,
        }
        Some(Vec::new())
    }

    /// The next row, down or up and round the end, that has a message or a remark.
    fn next(&self, from: usize, by: isize, listening: &Listening) -> Option<usize> {
        let rows = self.places.len();
        let mut at = from;
        for _ in 1..rows {
            at = if by > 0 { (at + 1) % rows } else { at.checked_sub(1).unwrap_or(rows - 1) };
            let worth = match *self.places.get(at)? {
                Place::Visit(number) => listening.visits.get(&number).is_some_and(|visit| {
                    self.open(listening).map(|open| open.number) != Some(number)
                        && (!visit.messages.is_empty() || !visit.remarks.is_empty())
                }),
                Place::Line(number, entry) => listening.visits.get(&number).is_some_and(|visit| {
                    visit.messages.iter().any(|message| message.entry == entry)
                        || visit.remarks.iter().any(|remark| remark.entry == entry)
                }),
            };
            if worth {
                return Some(at);
            }
        }
        None
    }

    /// Whether Enter does something with the row under the cursor: it opens a session or a message, or shows bytes.
    pub(super) fn opens(&self, listening: &Listening) -> bool {
        match self.places.get(self.at()) {
            Some(Place::Visit(number)) => self.open(listening).map(|open| open.number) != Some(*number),
            Some(Place::Line(..)) => {
                let has_bytes = self.entry(listening).is_some_and(|entry| bytes(entry).is_some());
                has_bytes || self.captured(&Action::Enter, listening).is_some()
            }
            None => false,
        }
    }

    /// The entry under the cursor.
    pub(super) fn entry<'a>(&self, listening: &'a Listening) -> Option<&'a TranscriptEntry> {
        let Some(Place::Line(number, at)) = self.places.get(self.at()).copied() else { return None };
        listening.visits.get(&number)?.transcript.entries.get(at)
    }

    fn copy_line(&self, listening: &Listening) -> Vec<Effect> {
        let Some(entry) = self.entry(listening) else { return Vec::new() };
        vec![Effect::Copy { what: "the line".into(), text: visible(&line_of(entry).1).into_owned() }]
    }

    /// The opened session in one form.
    pub(super) fn copy_as(&self, form: Form, listening: &Listening) -> Vec<Effect> {
        let Some(visit) = self.open(listening) else { return Vec::new() };
        let (what, text) = match form {
            Form::Markdown => ("the session as Markdown", words::markdown(visit)),
            Form::Json => ("the session as JSON", words::json(visit)),
            // Who sent it decides what it says: there is no command of ours that repeats it, and the menu has none.
            Form::Text | Form::Swaks => ("the session", words::text(visit)),
        };
        vec![Effect::Copy { what: what.to_owned(), text }]
    }

    /// The first row that is shown in a window of `rows`.
    fn first(&self, rows: u16) -> usize {
        window::first(self.top, self.at(), self.places.len(), usize::from(rows))
    }

    /// Settles which rows are shown.
    pub(super) fn scroll(&mut self, area: Rect) {
        self.top = self.first(parts(area).lines.height);
    }

    pub(super) fn view(&self, shared: &Shared, listening: &Listening, area: Rect, buffer: &mut Buffer) {
        let (theme, parts) = (shared.theme, parts(area));
        for (y, row) in (parts.head.top()..parts.head.bottom()).zip(head(listening, theme, area)) {
            pieces(buffer, theme, (area.x, y), area.width, &row);
        }
        rule(buffer, theme, area.x, parts.lines.y.saturating_sub(1), area.width);
        let width = usize::from(area.width).saturating_sub(2);
        if self.places.is_empty() {
            let rows = wrap(empty(listening, to_send(shared).is_some()), width, 1);
            for (y, row) in (parts.lines.top()..parts.lines.bottom()).zip(rows) {
                pieces(buffer, theme, (area.x, y), area.width, &row);
            }
        }
        let chosen = self.at();
        let rows = self.places.iter().enumerate().skip(self.first(parts.lines.height));
        for (y, (at, place)) in (parts.lines.top()..parts.lines.bottom()).zip(rows) {
            let mark = if at == chosen { ">" } else { " " };
            let mut row = vec![Piece::new(format!("{mark} "), Look::Strong)];
            row.extend(self.row(listening, *place, width, theme));
            pieces(buffer, theme, (area.x, y), area.width, &row);
            if at == chosen {
                buffer.set_style(Rect { y, height: 1, ..parts.lines }, theme.cursor());
            }
        }
        if parts.foot.height > 0 {
            rule(buffer, theme, area.x, parts.foot.y.saturating_sub(1), area.width);
            let room = Room { width, rows: usize::from(parts.foot.height) };
            let foot = self.places.get(chosen).map(|place| self.foot(listening, *place, room)).unwrap_or_default();
            for (y, row) in (parts.foot.top()..parts.foot.bottom()).zip(foot) {
                pieces(buffer, theme, (area.x, y), area.width, &row);
            }
        }
    }

    fn row(&self, listening: &Listening, place: Place, width: usize, theme: Theme) -> Vec<Piece> {
        let (Place::Visit(number) | Place::Line(number, _)) = place;
        let Some(visit) = listening.visits.get(&number) else { return Vec::new() };
        let Place::Line(_, at) = place else { return heading(visit, width, theme) };
        let Some(entry) = visit.transcript.entries.get(at) else { return Vec::new() };
        let (who, text) = line_of(entry);
        let text = visible(&text).into_owned();
        let slow = gap(&visit.transcript, at) >= Duration::from_secs(1);
        let mut row = vec![
            Piece::new(format!("{:>7.0} ", entry.at.as_secs_f64() * 1000.0), if slow { Look::Warn } else { Look::Dim }),
            Piece::new(format!("{who:<4}  "), who_look(who)),
        ];
        let look = words_look(&entry.event);
        let note = self.notes.get(at);
        let severity = note.map_or(Severity::Ok, |note| note.severity);
        let message = visit.messages.iter().find(|message| message.entry == at);
        if width < WIDE {
            let mark = match message {
                Some(_) => "Enter opens",
                None if severity > Severity::Info => theme.severity_glyph(severity),
                None => "",
            };
            let room = width.saturating_sub(MARGIN + columns(mark) + 2);
            row.push(Piece::new(fit(&cut(&text, room), room + 1), look));
            row.push(Piece::new(mark, if severity > Severity::Info { severity.into() } else { Look::Note }));
            return row;
        }
        let left = ((width - MARGIN) * 9 / 20).max(36);
        row.push(Piece::new(fit(&cut(&text, left.saturating_sub(2)), left), look));
        let mut room = width - MARGIN - left;
        if message.is_some() {
            row.push(Piece::new("Enter opens it  ", Look::Note));
            room = room.saturating_sub(16);
        }
        if let Some(note) = note {
            let look = if severity > Severity::Info { severity.into() } else { Look::Dim };
            row.push(Piece::new(cut_to_words(&visible(&note.text), room), look));
        }
        row
    }

    /// The chosen row, whole.
    fn foot(&self, listening: &Listening, place: Place, room: Room) -> Vec<Vec<Piece>> {
        let (Place::Visit(number) | Place::Line(number, _)) = place;
        let Some(visit) = listening.visits.get(&number) else { return Vec::new() };
        let Place::Line(_, at) = place else {
            let text = format!(" session {number} of {}; Enter shows its lines", visit.client);
            return wrap(vec![Piece::new(text, Look::Dim)], room.width, 1);
        };
        let Some(entry) = visit.transcript.entries.get(at) else { return Vec::new() };
        let (_, text) = line_of(entry);
        let since = gap(&visit.transcript, at).as_secs_f64() * 1000.0;
        let channel = if entry.tls { "inside TLS" } else { "in the clear" };
        let at_ms = entry.at.as_secs_f64() * 1000.0;
        let when = format!(" #{number}  {at_ms:.1} ms, {since:.1} after the line before, {channel}   ");
        let words = match bytes(entry).filter(|_| self.raw) {
            Some(bytes) => Piece::new(hex(bytes), Look::Plain),
            None => Piece::new(visible(&text), Look::Strong),
        };
        let message = visit.messages.iter().find(|message| message.entry == at).map(|message| {
            let envelope = &message.envelope;
            let to: Vec<String> = envelope.rcpt_to.iter().map(|to| format!("<{to}>")).collect();
            let text = format!(
                " message {}, {}: from <{}> to {}; Enter opens it with this envelope",
                message.number,
                size(message.raw.len()),
                envelope.mail_from,
                to.join(", ")
            );
            Piece::new(visible(&text), Look::Note)
        });
        let note = self.notes.get(at).filter(|note| !note.text.is_empty()).map(|note| {
            let look = if note.severity > Severity::Info { note.severity.into() } else { Look::Plain };
            Piece::new(format!(" {}", visible(&note.text)), look)
        });
        room.share(vec![Piece::new(when, Look::Dim), words], message.into_iter().chain(note))
    }
}

fn parts(area: Rect) -> Parts {
    let small = area.height < 14;
    let (head_rows, foot_rows) = if small { (1, 0) } else { (2, 4) };
    let head = Rect { height: head_rows, ..area };
    let foot = Rect { y: area.bottom().saturating_sub(foot_rows), height: foot_rows, ..area };
    let top = head.bottom() + 1;
    let bottom = foot.y.saturating_sub(u16::from(foot_rows > 0));
    Parts { head, lines: Rect { y: top, height: bottom.saturating_sub(top), ..area }, foot }
}

fn head(listening: &Listening, theme: Theme, area: Rect) -> Vec<Vec<Piece>> {
    let plan = &listening.plan;
    let (word, look, place) = match &listening.stage {
        Stage::Starting => ("STARTING", Look::Running, plan.address.to_string()),
        Stage::On(address) => ("LISTENING", Look::Ok, address.to_string()),
        Stage::Failed(_) => ("FAILED", Look::Error, plan.address.to_string()),
        Stage::Stopped => ("STOPPED", Look::Dim, plan.address.to_string()),
    };
    let mut first = vec![
        Piece::new(format!(" {} {word}  ", theme.running_glyph()), look),
        Piece::new(place, Look::Strong),
        Piece::new(format!("   reply: {}", visible(&plan.scenario.words())), Look::Plain),
    ];
    if !listening.is_on() {
        first.first_mut().into_iter().for_each(|piece| piece.text = format!(" {word}  "));
    }
    if plan.is_public() && listening.is_on() {
        first.insert(2, Piece::new("  others can reach it", Look::Warn));
    }
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let sessions = listening.visits.len() + usize::try_from(listening.dropped).unwrap_or(usize::MAX);
    let mut counts = format!(" {}, {}", plural(sessions, "session"), plural(listening.messages, "message"));
    if listening.turned_away > 0 {
        counts.push_str(&format!(", {} turned away", listening.turned_away));
    }
    if listening.dropped > 0 {
        counts.push_str(&format!(", the oldest {} dropped", listening.dropped));
    }
    counts.push_str(if area.width < 70 {
        "; nothing delivered"
    } else {
        "; kept in memory, nothing is delivered or relayed"
    });
    vec![first, vec![Piece::new(counts, Look::Dim)]]
}

/// What stands in place of sessions.
fn empty(listening: &Listening, can_send: bool) -> Vec<Piece> {
    match &listening.stage {
        Stage::Starting => vec![Piece::new(" a moment ...", Look::Dim)],
        Stage::Failed(why) => vec![Piece::new(format!(" {}", visible(why)), Look::Error)],
        Stage::Stopped => vec![Piece::new(" nobody came; l listens again", Look::Dim)],
        Stage::On(address) => {
            let text = format!(
                " Nobody is there yet. Point a sender at {address}, for example: swaks --server {} --port {} --to you@example.org",
                address.ip(),
                address.port()
            );
            let own = if can_send { ". Or m: mxray sends it the message of pane 2, or one of the demo's." } else { "" };
            vec![Piece::new(text, Look::Plain), Piece::new(own, Look::Plain)]
        }
    }
}

/// A message that could be sent to the listener for a try: the one of the message pane, or one of the demo's.
pub(super) fn to_send(shared: &Shared) -> Option<Arc<[u8]>> {
    let offers = shared.offers.iter().filter(|offer| offer.pane == PaneId::Message);
    shared.whole_message().cloned().or_else(|| offers.filter_map(|offer| offer.content.clone()).next())
}

fn heading(visit: &Visit, width: usize, theme: Theme) -> Vec<Piece> {
    let mut row = vec![Piece::new(format!("#{} {}", visit.number, visit.client), Look::Heading)];
    let worst = visit.worst();
    if worst > Severity::Info {
        row.push(Piece::new(format!("  {} {}", theme.severity_glyph(worst), worst.word()), worst.into()));
    }
    let messages = match visit.messages.len() {
        0 => String::new(),
        1 => "  1 message".to_owned(),
        more => format!("  {more} messages"),
    };
    row.push(Piece::new(messages, Look::Note));
    if let Some(bytes) = visit.receiving {
        row.push(Piece::new(
            format!("  receiving, {}", size(usize::try_from(bytes).unwrap_or(usize::MAX))),
            Look::Running,
        ));
    } else if !visit.transcript.finished {
        row.push(Piece::new(format!("  {} talking", theme.running_glyph()), Look::Running));
    }
    let tls = visit.tls.as_deref().map_or_else(String::new, |tls| format!("  {tls}"));
    let helo = visit.helo.as_deref().map_or_else(String::new, |helo| format!("  {}", visible(helo)));
    let from = visit
        .messages
        .last()
        .map_or_else(String::new, |message| format!("  <{}>", visible(&message.envelope.mail_from)));
    let used: usize = row.iter().map(|piece| columns(&piece.text)).sum();
    row.push(Piece::new(cut(&format!("{tls}{helo}{from}"), width.saturating_sub(used)), Look::Dim));
    row
}

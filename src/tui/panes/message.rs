//! The message pane: a raw email, pasted or opened, laid open and verified again. Nothing is asked before the strip has
//! said where the questions go, because whoever owns a zone sees who asks: a new message is looked at offline first.

use std::net::IpAddr;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, report_enabled};
use crate::job::{Envelope, Progress, Refusal, Task};
use crate::report::Link;
use crate::tui::action::{Action, PaneId};
use crate::tui::document::Piece;
use crate::tui::document::wrap::{columns, cut};
use crate::tui::effect::Effect;
use crate::tui::inquiry::{Inquiry, size};
use crate::tui::state::{EngineStage, PASTE, Purpose, Shared, UNSAVED};
use crate::tui::theme::Look;
use crate::tui::viewer::{Viewer, pieces};
use crate::tui::widgets::original::Original;
use crate::tui::widgets::{refused, start};

/// The message pane.
pub struct MessagePane {
    viewer: Viewer,
    message: Option<Message>,
    /// Whether the person has let a message ask; the next one then asks at once.
    consent: bool,
    outer: Vec<Place>,
    /// What was here before the message that is being read, for Esc.
    before: Option<Before>,
    /// The message as it came, when that is what is shown.
    original: Option<Original>,
}

/// A message with its report and where the cursor stands in it.
type Place = (Message, Option<Inquiry>, Viewer);

/// What was in the pane before a reading began.
struct Before {
    message: Option<Message>,
    inquiry: Option<Inquiry>,
    viewer: Viewer,
    outer: Vec<Place>,
}

#[derive(Clone)]
struct Message {
    raw: Arc<[u8]>,
    source: String,
    envelope: Envelope,
    offline: bool,
    asked: bool,
}

impl Default for MessagePane {
    fn default() -> MessagePane {
        MessagePane {
            viewer: Viewer::new(PaneId::Message),
            message: None,
            consent: false,
            outer: Vec::new(),
            before: None,
            original: None,
        }
    }
}

impl MessagePane {
    fn load(&mut self, raw: Arc<[u8]>, source: &str, envelope: Envelope, shared: &mut Shared) -> Vec<Effect> {
        let asked = self.consent;
        self.message = Some(Message { raw, source: source.to_owned(), envelope, offline: false, asked });
        self.viewer = Viewer::new(PaneId::Message);
        self.original = None;
        self.run(false, shared)
    }

    /// Takes a new message in; what was here comes back if the person does not wait for it.
    fn take(&mut self, raw: Arc<[u8]>, source: &str, envelope: Envelope, shared: &mut Shared) -> Vec<Effect> {
        let before = Before {
            message: self.message.clone(),
            inquiry: shared.inquiry(PaneId::Message).cloned(),
            viewer: self.viewer.clone(),
            outer: std::mem::take(&mut self.outer),
        };
        // Over one that is still being read, what was there before that one counts.
        if self.before.is_none() || !(reading(shared) || refusal(shared).is_some()) {
            self.before = Some(before);
        }
        self.load(raw, source, envelope, shared)
    }

    /// Stops the reading of a message, or leaves what is none: everything is as it was before.
    fn stop_reading(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let running = shared.inquiry(PaneId::Message).filter(|now| now.is_running());
        let effects = running.map(|now| Effect::Cancel(now.id)).into_iter().collect();
        let was_refused = refusal(shared).is_some();
        if !self.outer.is_empty() && self.before.is_none() {
            // One inside another: out again.
            self.leave(shared);
            shared.tell(if was_refused {
                "this is the message around it"
            } else {
                "stopped; this is the message around it"
            });
            return effects;
        }
        let Some(Before { message, mut inquiry, viewer, outer }) = self.before.take() else {
            shared.stop(PaneId::Message);
            shared.tell("stopped; r reads it again");
            return effects;
        };
        if let Some(inquiry) = &mut inquiry {
            inquiry.stop();
        }
        (self.message, self.viewer, self.outer) = (message, viewer, outer);
        shared.place(PaneId::Message, inquiry);
        let first = self.outer.first().map(|(message, ..)| message).or(self.message.as_ref());
        shared.unsaved = first.filter(|message| message.source == PASTE).map(|_| UNSAVED);
        shared.message = first.map(|message| message.raw.clone());
        shared.tell(match (&self.message, was_refused) {
            (Some(_), true) => "this is the message that was here before",
            (Some(_), false) => "stopped; this is the message that was here before",
            (None, true) => "paste or open a message",
            (None, false) => "stopped; paste or open another",
        });
        effects
    }

    fn toggle_original(&mut self) {
        let message = self.message.as_ref();
        self.original = match self.original {
            None => message.map(|message| Original::of(&message.raw)),
            Some(_) => None,
        };
    }

    fn run(&mut self, fresh: bool, shared: &mut Shared) -> Vec<Effect> {
        let Some(message) = &self.message else {
            shared.tell("no message yet: paste one, or open a file (o)");
            return Vec::new();
        };
        let mut job = shared.job(Task::Message { raw: message.raw.clone(), envelope: message.envelope.clone() });
        job.offline = message.offline || !message.asked;
        job.fresh = fresh;
        let raw = message.raw.clone();
        let (effects, before) = shared.start(PaneId::Message, job);
        // The same message asked again, or judged with another border: what is known stays in sight meanwhile.
        let same = |before: &Inquiry| matches!(&before.task, Task::Message { raw: old, .. } if Arc::ptr_eq(old, &raw));
        if let (Some(before), Some(now)) = (before.filter(same), shared.inquiry_mut(PaneId::Message)) {
            now.follows(&before);
        }
        effects
    }

    fn ask(&mut self, shared: &mut Shared) -> Vec<Effect> {
        if let Some(message) = &mut self.message {
            message.offline = false;
            message.asked = true;
            self.consent = true;
        }
        self.run(false, shared)
    }

    fn toggle_offline(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let Some(message) = &mut self.message else { return self.run(false, shared) };
        message.offline = !message.offline;
        if message.offline {
            self.consent = false;
        } else {
            message.asked = true;
        }
        self.run(false, shared)
    }

    fn inner(&mut self, span: crate::finding::Span, shared: &mut Shared) -> Vec<Effect> {
        let Some(message) = &self.message else { return Vec::new() };
        let Some(raw) = span.of(&message.raw) else {
            shared.warn("the message inside lies outside of what was pasted");
            return Vec::new();
        };
        let source = format!("inside {}", message.source);
        let raw: Arc<[u8]> = Arc::from(raw);
        self.before = None;
        let outer = (message.clone(), shared.place(PaneId::Message, None), self.viewer.clone());
        self.outer.push(outer);
        self.load(raw, &source, Envelope::default(), shared)
    }

    fn leave(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let Some((message, inquiry, viewer)) = self.outer.pop() else {
            shared.tell("nothing further back");
            return Vec::new();
        };
        self.message = Some(message);
        self.viewer = viewer;
        self.original = None;
        let now = shared.place(PaneId::Message, inquiry);
        now.filter(Inquiry::is_running).map(|now| Effect::Cancel(now.id)).into_iter().collect()
    }

    fn set_border(&mut self, text: &str, shared: &mut Shared) -> Vec<Effect> {
        let hop = text.trim();
        let parsed = if hop.is_empty() { Some(None) } else { hop.parse().ok().filter(|hop| *hop > 0).map(Some) };
        match (parsed, &mut self.message) {
            (Some(hop), Some(message)) => {
                message.envelope.hop = hop;
                self.run(false, shared)
            }
            _ => {
                shared.warn(format!("{hop}: not the number of a Received line (1 is the topmost)"));
                Vec::new()
            }
        }
    }

    fn set_envelope(&mut self, text: &str, shared: &mut Shared) -> Vec<Effect> {
        let Some(message) = &mut self.message else { return Vec::new() };
        match envelope(text, message.envelope.hop) {
            Ok(envelope) => {
                let heard = message.envelope.heard.take();
                message.envelope = Envelope { heard, ..envelope };
                self.run(false, shared)
            }
            Err(why) => {
                shared.warn(why);
                Vec::new()
            }
        }
    }

    fn strip(&self, shared: &Shared, width: u16) -> Vec<Piece> {
        let Some(message) = &self.message else { return Vec::new() };
        let whom = match &shared.engine {
            EngineStage::Ready => shared.resolver.as_str(),
            EngineStage::Starting => "the resolver that is being set up",
            EngineStage::Failed(_) => "nobody: there is no resolver",
        };
        let mut row = vec![Piece::new(format!(" {}, {}  ", message.source, size(message.raw.len())), Look::Plain)];
        if refusal(shared).is_some() {
            // Nothing in it could be asked of anybody.
            return row;
        }
        if let Some(inquiry) = shared.inquiry(PaneId::Message)
            && let Some(progress) = inquiry.progress.filter(|_| inquiry.is_running())
        {
            let way_out = if inquiry.is_being_read() { "  (Esc: stop)" } else { "  (Ctrl-X: stop)" };
            row.push(Piece::new(said(progress), Look::Running));
            row.push(Piece::new(way_out, Look::Dim));
            return row;
        }
        if message.offline {
            row.push(Piece::new("OFFLINE", Look::Warn));
            row.push(Piece::new("  nothing is asked; verdicts say what they would need (x: go online)", Look::Dim));
        } else if message.asked {
            row.push(Piece::new(format!("questions go to {whom}"), Look::Note));
            row.push(Piece::new("  (x: offline)", Look::Dim));
        } else {
            row.push(Piece::new("NOTHING ASKED YET", Look::Warn));
            row.push(Piece::new(format!("  a: ask {whom}"), Look::Plain));
            row.push(Piece::new("   x: stay offline", Look::Dim));
        }
        if let Some(count) = repairs(shared) {
            // What may be asked of whom matters more: the repairs stand where there is room for them.
            let taken: usize = row.iter().map(|piece| columns(&piece.text)).sum();
            let word = if count == 1 { "repair" } else { "repairs" };
            let forms =
                [format!("{count} {word} (u: original)  "), format!("{count} {word} (u)  "), "(u)  ".to_owned()];
            if let Some(fits) = forms.into_iter().find(|text| taken + columns(text) <= usize::from(width)) {
                row.insert(1, Piece::new(fits, Look::Plain));
            }
        }
        row
    }
}

/// Whether the message of the pane is still being read.
fn reading(shared: &Shared) -> bool {
    shared.inquiry(PaneId::Message).is_some_and(Inquiry::is_being_read)
}

/// `MIME, 40 %`.
fn said(Progress { doing, done, of }: Progress) -> String {
    format!("{doing}, {} %", done.saturating_mul(100).checked_div(of).unwrap_or(100).min(100))
}

/// Why what is in the pane is no message.
fn refusal(shared: &Shared) -> Option<&Refusal> {
    shared.inquiry(PaneId::Message)?.refusal()
}

/// What there is no message for.
fn needs_message(action: &Action) -> bool {
    matches!(
        action,
        Action::Ask
            | Action::Offline
            | Action::AskAgain
            | Action::Border
            | Action::Envelope
            | Action::CycleSource
            | Action::Original
            | Action::CopyValue
            | Action::CopyName
            | Action::CopyForms
            | Action::CopyZone
            | Action::NextFinding
            | Action::PreviousFinding
            | Action::Search
            | Action::Fold
    )
}

/// How many repairs there were, once that is known; `None` when there was nothing to repair.
fn repairs(shared: &Shared) -> Option<usize> {
    let headers = shared.inquiry(PaneId::Message)?.section("headers")?;
    let count = headers.findings.iter().filter(|finding| finding.id.starts_with("message.repaired.")).count();
    (count > 0).then_some(count)
}

/// Reads `IP HELO MAILFROM`, each may be left out from the right, `-` means "as the headers say".
fn envelope(text: &str, hop: Option<usize>) -> Result<Envelope, String> {
    let mut words = text.split_whitespace().map(|word| if word == "-" { None } else { Some(word) });
    let client_ip = match words.next().flatten() {
        None => None,
        Some(ip) => Some(ip.parse::<IpAddr>().map_err(|_| format!("{ip}: not an address"))?),
    };
    let helo = words.next().flatten().map(str::to_owned);
    let mail_from = words.next().flatten().map(|from| from.trim_matches(['<', '>']).to_owned());
    if words.next().is_some() {
        return Err("three words at most: the client's address, HELO, MAIL FROM".into());
    }
    Ok(Envelope { client_ip, helo, mail_from, hop, heard: None })
}

fn below_strip(area: Rect) -> Rect {
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

impl Pane for MessagePane {
    fn id(&self) -> PaneId {
        PaneId::Message
    }

    fn update(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Vec<Effect> {
        match action {
            Action::Load(raw, source) => return self.take(raw.clone(), source, Envelope::default(), shared),
            Action::Back if self.original.is_some() => {
                self.original = None;
                return Vec::new();
            }
            Action::Back if reading(shared) || refusal(shared).is_some() => return self.stop_reading(shared),
            other if refusal(shared).is_some() && needs_message(other) => {
                shared.tell("that needs a message: paste one, p takes the clipboard's text, o opens a file");
                return Vec::new();
            }
            Action::Original => {
                self.toggle_original();
                return Vec::new();
            }
            other if self.original.as_mut().is_some_and(|shown| shown.update(other, below_strip(area))) => {
                return Vec::new();
            }
            Action::LoadCaptured(captured) => {
                // Its envelope was seen and is not guessed.
                let envelope = Envelope { heard: Some(captured.envelope.clone()), ..Envelope::default() };
                let source = format!("session {}, message {}", captured.envelope.visit, captured.number);
                return self.take(captured.raw.clone(), &source, envelope, shared);
            }
            Action::Ask => return self.ask(shared),
            Action::Offline => return self.toggle_offline(shared),
            Action::AskAgain => return self.run(true, shared),
            Action::Follow(Link::Message(span)) => return self.inner(*span, shared),
            Action::HistoryBack => return self.leave(shared),
            Action::Border => {
                shared.ask(
                    Purpose::Border,
                    "border hop",
                    "number of the Received line that your server wrote; empty: guess",
                );
                return Vec::new();
            }
            Action::Answered(Purpose::Border, text) => return self.set_border(text, shared),
            Action::Envelope => {
                let heard = self.message.as_ref().is_some_and(|message| message.envelope.heard.is_some());
                let known = if heard { "what the listener saw" } else { "what the headers say" };
                shared.ask(Purpose::Envelope, "envelope", format!("IP HELO MAILFROM, - for {known}"));
                return Vec::new();
            }
            Action::Answered(Purpose::Envelope, text) => return self.set_envelope(text, shared),
            Action::CycleSource => {
                self.viewer.next_source(shared, below_strip(area));
                return Vec::new();
            }
            _ => {}
        }
        self.viewer.update(action, shared, below_strip(area)).unwrap_or_default()
    }

    fn sync(&mut self, shared: &Shared, area: Rect) {
        if self.before.is_some() && !reading(shared) && refusal(shared).is_none() {
            // It is read: there is no way back any more, and nothing is kept for one.
            self.before = None;
        }
        self.viewer.sync(shared, below_strip(area));
    }

    fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        if self.message.is_none() {
            return start::message(shared, area, buffer);
        }
        let mut row = self.strip(shared, area.width);
        if area.width < 70
            && let Some(first) = row.first_mut()
        {
            // What may be asked of whom matters more than where the message came from.
            first.text = format!(" {}  ", cut(first.text.trim(), 12));
        }
        // A key that the footer names too is named whole or not at all.
        let wide: usize = row.iter().map(|piece| columns(&piece.text)).sum();
        if wide > usize::from(area.width) && row.last().is_some_and(|last| last.look == Look::Dim) {
            row.pop();
        }
        pieces(buffer, shared.theme, (area.x, area.y), area.width, &row);
        if let Some(refusal) = refusal(shared) {
            let earlier = self.before.as_ref().is_some_and(|before| before.message.is_some());
            refused::view(refusal, earlier || !self.outer.is_empty(), shared, below_strip(area), buffer);
            return;
        }
        match &self.original {
            Some(original) => original.view(shared, below_strip(area), buffer),
            None => self.viewer.view(shared, below_strip(area), buffer),
        }
    }

    fn enabled(&self, action: &Action, shared: &Shared) -> bool {
        let some = self.message.is_some();
        if let Some(refusal) = refusal(shared) {
            return match action {
                Action::Enter => refusal.domain.is_some(),
                Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::Top | Action::Bottom => false,
                Action::Left | Action::Right | Action::ScrollLeft | Action::ScrollRight => false,
                Action::HistoryBack => !self.outer.is_empty(),
                Action::HistoryForward => false,
                Action::Save => shared.long_copy.is_some(),
                Action::Stop => false,
                other => !needs_message(other),
            };
        }
        match action {
            Action::Ask => self.message.as_ref().is_some_and(|message| !message.asked || message.offline),
            Action::Offline => self.message.as_ref().is_some_and(|message| !message.offline),
            Action::Border | Action::Envelope | Action::CycleSource => some,
            // Where nothing was repaired, the report shows it as it came.
            Action::Original => some && (self.original.is_some() || repairs(shared).is_some()),
            Action::HistoryBack => !self.outer.is_empty(),
            Action::HistoryForward => false,
            other => report_enabled(other, PaneId::Message, shared) && self.viewer.enabled(other, shared),
        }
    }

    fn hint(&self, shared: &Shared) -> Option<String> {
        if refusal(shared).is_some() { None } else { self.viewer.hint(shared) }
    }

    fn single_link(&self, shared: &Shared) -> Option<Link> {
        match refusal(shared) {
            Some(refusal) => refusal.domain.clone().map(Link::Domain),
            None => self.viewer.single_link(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_read_word_by_word() {
        assert_eq!(
            envelope("192.0.2.1 mx.example <ann@example.org>", Some(2)),
            Ok(Envelope {
                client_ip: Some("192.0.2.1".parse().unwrap()),
                helo: Some("mx.example".into()),
                mail_from: Some("ann@example.org".into()),
                hop: Some(2),
                heard: None,
            })
        );
        assert_eq!(envelope("- mx.example", None).map(|said| said.helo), Ok(Some("mx.example".into())));
        assert_eq!(envelope("", None), Ok(Envelope::default()));
        assert_eq!(envelope("- - <>", None).map(|said| said.mail_from), Ok(Some(String::new())));
        assert!(envelope("host", None).is_err());
    }
}

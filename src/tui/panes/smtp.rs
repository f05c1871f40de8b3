//! The SMTP pane: what two mail servers say to each other, as it is said, and what a sender would conclude. The dialogue is
//! at the right of the report while `v` says so; the newest line is kept in sight until somebody scrolls.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, report_enabled};
use crate::check::{Transcript, TranscriptEntry, TranscriptEvent};
use crate::job::{SmtpPlan, Task};
use crate::report::Link;
use crate::tui::action::{Action, PaneId};
use crate::tui::document::Piece;
use crate::tui::effect::Effect;
use crate::tui::inquiry::{Inquiry, size};
use crate::tui::state::Shared;
use crate::tui::theme::Look;
use crate::tui::viewer::{Viewer, pieces};
use crate::tui::widgets::start;
use crate::untrusted::visible_bytes;

/// The SMTP pane.
pub struct SmtpPane {
    viewer: Viewer,
    face: Face,
    /// The first row of the dialogue that is shown; `None` follows the newest.
    top: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Face {
    Dialogue,
    Report,
}

impl Default for SmtpPane {
    fn default() -> SmtpPane {
        SmtpPane { viewer: Viewer::new(PaneId::Smtp), face: Face::Dialogue, top: None }
    }
}

impl SmtpPane {
    fn talk_to(&mut self, target: String, fresh: bool, shared: &mut Shared) -> Vec<Effect> {
        self.viewer = Viewer::new(PaneId::Smtp);
        self.face = Face::Dialogue;
        self.top = None;
        let mut job = shared.job(Task::Smtp { target, plan: SmtpPlan::default() });
        job.fresh = fresh;
        shared.start(PaneId::Smtp, job).0
    }

    fn shows_dialogue(&self, shared: &Shared) -> bool {
        self.face == Face::Dialogue
            && shared.inquiry(PaneId::Smtp).is_some_and(|now| !now.dialogues.is_empty() || now.is_running())
    }

    fn scroll(&mut self, by: isize, shared: &Shared, area: Rect) {
        let Some(inquiry) = shared.inquiry(PaneId::Smtp) else { return };
        let rows = usize::from(area.height);
        let last = height(inquiry).saturating_sub(rows);
        let top = self.top.unwrap_or(last).saturating_add_signed(by);
        self.top = (top < last).then_some(top);
    }
}

impl Pane for SmtpPane {
    fn id(&self) -> PaneId {
        PaneId::Smtp
    }

    fn update(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Vec<Effect> {
        let page = isize::try_from(area.height.saturating_sub(1)).unwrap_or(1);
        match action {
            Action::Follow(Link::Smtp(target)) => return self.talk_to(target.clone(), false, shared),
            Action::AskAgain => match shared.inquiry(PaneId::Smtp).map(|now| now.task.clone()) {
                Some(Task::Smtp { target, .. }) => return self.talk_to(target, true, shared),
                _ => shared.tell("nobody to talk to again: type host:port first (:)"),
            },
            Action::CycleSource => {
                self.face = if self.face == Face::Dialogue { Face::Report } else { Face::Dialogue };
            }
            Action::Up if self.shows_dialogue(shared) => self.scroll(-1, shared, area),
            Action::Down if self.shows_dialogue(shared) => self.scroll(1, shared, area),
            Action::PageUp if self.shows_dialogue(shared) => self.scroll(-page, shared, area),
            Action::PageDown | Action::Fold if self.shows_dialogue(shared) => self.scroll(page, shared, area),
            Action::Top if self.shows_dialogue(shared) => self.top = Some(0),
            Action::Bottom if self.shows_dialogue(shared) => self.top = None,
            Action::Wheel(by) if self.shows_dialogue(shared) => {
                self.scroll(isize::try_from(*by).unwrap_or(0), shared, area);
            }
            Action::Enter | Action::Right if self.shows_dialogue(shared) => self.face = Face::Report,
            other => return self.viewer.update(other, shared, area).unwrap_or_default(),
        }
        Vec::new()
    }

    fn sync(&mut self, shared: &Shared, area: Rect) {
        self.viewer.sync(shared, area);
    }

    fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let Some(inquiry) = shared.inquiry(PaneId::Smtp) else { return start::smtp(shared, area, buffer) };
        if !self.shows_dialogue(shared) {
            return self.viewer.view(shared, area, buffer);
        }
        let total = height(inquiry);
        let rows = usize::from(area.height);
        let top = self.top.unwrap_or(total.saturating_sub(rows)).min(total.saturating_sub(1));
        if total == 0 {
            let text = format!(" {} looking for the servers of {}", shared.theme.running_glyph(), inquiry.title);
            pieces(buffer, shared.theme, (area.x, area.y), area.width, &[Piece::new(text, Look::Running)]);
        }
        for (nth, y) in (area.top()..area.bottom()).enumerate() {
            let Some(row) = row(inquiry, top + nth) else { break };
            pieces(buffer, shared.theme, (area.x, y), area.width, &row);
        }
    }

    fn enabled(&self, action: &Action, shared: &Shared) -> bool {
        match action {
            Action::HistoryBack | Action::HistoryForward => false,
            Action::CycleSource => shared.inquiry(PaneId::Smtp).is_some(),
            other => report_enabled(other, PaneId::Smtp, shared),
        }
    }

    fn hint(&self, shared: &Shared) -> Option<String> {
        if self.shows_dialogue(shared) {
            return None;
        }
        self.viewer.hint(shared)
    }

    fn single_link(&self) -> Option<Link> {
        if self.face == Face::Report { self.viewer.single_link() } else { None }
    }
}

/// A heading and its lines for every dialogue.
fn height(inquiry: &Inquiry) -> usize {
    inquiry.dialogues.values().map(|transcript| transcript.entries.len() + 1).sum()
}

fn row(inquiry: &Inquiry, wanted: usize) -> Option<Vec<Piece>> {
    let mut top = 0;
    for (id, transcript) in &inquiry.dialogues {
        let height = transcript.entries.len() + 1;
        if wanted < top + height {
            let inside = wanted - top;
            return match inside.checked_sub(1) {
                None => {
                    let host = inquiry.lookups.get(id).map_or(inquiry.title.as_str(), |lookup| lookup.name.as_str());
                    let stage = if transcript.finished { "" } else { "  talking" };
                    Some(vec![
                        Piece::new(format!(" {host}"), Look::Heading),
                        Piece::new(format!("  lookup #{}{stage}", id.0), Look::Dim),
                    ])
                }
                Some(at) => transcript.entries.get(at).map(|entry| line(transcript, at, entry)),
            };
        }
        top += height;
    }
    None
}

/// `   3 ms  S=  250 …`: time, who, `=` inside TLS, the words.
fn line(transcript: &Transcript, at: usize, entry: &TranscriptEntry) -> Vec<Piece> {
    let before = at.checked_sub(1).and_then(|at| transcript.entries.get(at)).map_or(Duration::ZERO, |entry| entry.at);
    let gap = entry.at.saturating_sub(before);
    let slow = gap >= Duration::from_secs(1);
    let (who, text, look) = match &entry.event {
        TranscriptEvent::Sent { line, masked } => {
            let hidden = if *masked { "   (secret hidden)" } else { "" };
            ("C", format!("{}{hidden}", visible_bytes(line)), Look::Plain)
        }
        TranscriptEvent::Received { line, .. } => {
            let look = match line.first() {
                Some(b'4') => Look::Warn,
                Some(b'5') => Look::Error,
                _ => Look::Strong,
            };
            ("S", visible_bytes(line), look)
        }
        TranscriptEvent::Connected { peer, .. } => {
            ("*", peer.map_or_else(|| "connected".to_owned(), |peer| format!("connected to {peer}")), Look::Note)
        }
        TranscriptEvent::NotConnected(_, why) => ("*", format!("no connection: {why}"), Look::Error),
        TranscriptEvent::SentMessage { bytes } => ("C", format!("(the message, {})", size(*bytes)), Look::Plain),
        TranscriptEvent::TlsStarted(session) => {
            let trust = if session.pkix.is_ok() { "certificate holds" } else { "CERTIFICATE DOES NOT HOLD" };
            let look = if session.pkix.is_ok() { Look::Ok } else { Look::Error };
            ("*", format!("{} {}   {trust} for {}", session.version, session.cipher, session.checked_name), look)
        }
        TranscriptEvent::TlsFailed(why) => ("*", format!("TLS failed: {why}"), Look::Error),
        TranscriptEvent::Silence(waited) => ("*", format!("silence for {:.1} s", waited.as_secs_f64()), Look::Warn),
        TranscriptEvent::EarlyTalk(bytes) => ("S", format!("(too early) {}", visible_bytes(bytes)), Look::Warn),
        TranscriptEvent::Closed { by_server, reset } => {
            let who = if *by_server { "the server" } else { "we" };
            ("*", format!("{who} closed the connection{}", if *reset { " with a reset" } else { "" }), Look::Dim)
        }
        TranscriptEvent::GaveUp(why) => ("*", format!("we stopped: {why}"), Look::Warn),
    };
    vec![
        Piece::new(format!("{:>7.0} ms ", entry.at.as_secs_f64() * 1000.0), if slow { Look::Warn } else { Look::Dim }),
        Piece::new(format!("{who}{} ", if entry.tls { "=" } else { " " }), Look::Dim),
        Piece::new(text, look),
    ]
}

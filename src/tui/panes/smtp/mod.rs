//! The SMTP pane: what two mail servers say to each other, as it is said, and what a sender would conclude.
//!
//! ```text
//!  PLAIN SENDER   yes, encrypted, to mail.example          the verdict, so far
//!  HOST           CONNECT … PKIX   MTA-STS  DANE            the hosts side by side
//! ------------------------------------------------------
//!     10 S   220 mail.example ESMTP    ready; names …       the dialogue; wide windows explain beside it
//! ------------------------------------------------------
//!  10.2 ms, 3.1 after the line before …                     the chosen line, whole
//! ```
//! `v` turns to the report with certificates and findings and back; `i` puts the person's hands on the line; `l` turns the
//! sides round: [`listener`].

mod copy;
pub mod how;
mod listener;
mod listening;
mod rows;
mod send;
mod table;
mod window;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::Input;

use super::{Pane, report_enabled};
use crate::check::{Captured, Transcript, TranscriptEvent};
use crate::job::{Family, SmtpPlan, Task};
use crate::report::{Link, LookupId};
use crate::smtp::listen::DEFAULT_ADDRESS;
use crate::smtp::probe::Move;
use crate::smtp::session::{Session, Verb};
use crate::smtp::typed;
use crate::tui::action::{Action, PaneId};
use crate::tui::document::Piece;
use crate::tui::document::wrap::columns;
use crate::tui::effect::Effect;
use crate::tui::inquiry::Inquiry;
use crate::tui::state::{Purpose, Shared};
use crate::tui::theme::Look;
use crate::tui::viewer::{Viewer, pieces, rule};
use crate::tui::widgets::start;
use listener::Listener;
use rows::{Place, Room, Rows, has_bytes, host, port};

/// What stands on the line while it is empty.
pub const LINE_HINT: &str = "a line of SMTP, or paste several; Tab completes, Up repeats, Esc leaves the line";
/// The same while the server waits for a message.
pub const MESSAGE_HINT: &str = "the message; a dot ends it. Or Esc, then c: your editor, m: that of pane 2";

/// The SMTP pane.
pub struct SmtpPane {
    viewer: Viewer,
    face: Face,
    rows: Rows,
    /// The chosen row; `None` follows the newest. It stays on its line when another dialogue grows above it.
    cursor: Option<Place>,
    /// The first row that is shown.
    top: usize,
    /// Whether the foot shows the chosen line's bytes.
    raw: bool,
    listener: Listener,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Face {
    Dialogue,
    Report,
    Listener,
}

/// Where the parts of the dialogue lie.
struct Parts {
    verdict: Rect,
    table: Rect,
    lines: Rect,
    foot: Rect,
}

impl Default for SmtpPane {
    fn default() -> SmtpPane {
        SmtpPane {
            viewer: Viewer::new(PaneId::Smtp),
            face: Face::Dialogue,
            rows: Rows::default(),
            cursor: None,
            top: 0,
            raw: false,
            listener: Listener::default(),
        }
    }
}

impl SmtpPane {
    fn talk_to(&mut self, target: String, plan: SmtpPlan, fresh: bool, shared: &mut Shared) -> Vec<Effect> {
        self.begin(Task::Smtp { target, plan }, fresh, shared)
    }

    fn begin(&mut self, task: Task, fresh: bool, shared: &mut Shared) -> Vec<Effect> {
        *self = SmtpPane { listener: std::mem::take(&mut self.listener), ..SmtpPane::default() };
        let mut job = shared.job(task);
        job.fresh = fresh;
        shared.start(PaneId::Smtp, job).0
    }

    fn shows_dialogue(&self, shared: &Shared) -> bool {
        let inquiry = shared.inquiry(PaneId::Smtp);
        self.face == Face::Dialogue && inquiry.is_some_and(has_dialogue)
    }

    fn chosen(&self) -> usize {
        let last = self.rows.places.len().saturating_sub(1);
        self.cursor.and_then(|place| self.rows.places.iter().position(|one| *one == place)).unwrap_or(last)
    }

    /// Chooses a row; the last one follows the newest.
    fn choose(&mut self, at: usize) {
        self.raw = false;
        let last = self.rows.places.len().saturating_sub(1);
        self.cursor = self.rows.places.get(at).copied().filter(|_| at < last);
    }

    fn step(&mut self, by: isize) {
        self.choose(self.chosen().saturating_add_signed(by));
    }

    /// The first row that is shown in a window of `rows`.
    fn first(&self, rows: u16) -> usize {
        window::first(self.top, self.chosen(), self.rows.places.len(), usize::from(rows))
    }

    /// The next line, down or up and round the end, that has more to it than a note.
    fn next_remark(&mut self, by: isize, window: usize, shared: &mut Shared) {
        let Some(inquiry) = shared.inquiry(PaneId::Smtp) else { return };
        let rows = self.rows.places.len();
        let mut at = self.chosen();
        for _ in 1..rows {
            at = if by > 0 { (at + 1) % rows } else { at.checked_sub(1).unwrap_or(rows - 1) };
            if self.rows.places.get(at).is_some_and(|place| self.rows.is_remarkable(inquiry, *place)) {
                // With what led to it, and what came of it.
                self.top = at.saturating_sub(window / 2);
                return self.choose(at);
            }
        }
        shared.tell("no other line here has anything to say against it");
    }

    /// The dialogue that the cursor stands in, or the only one.
    fn current(&self, shared: &Shared) -> Option<(LookupId, Arc<Transcript>)> {
        let inquiry = shared.inquiry(PaneId::Smtp)?;
        let chosen = self.rows.places.get(self.chosen()).map(|place| place.lookup());
        let (id, transcript) = match chosen {
            Some(id) => inquiry.dialogues.get_key_value(&id)?,
            None => inquiry.dialogues.iter().next_back()?,
        };
        Some((*id, transcript.clone()))
    }

    fn hands_on(&mut self, shared: &mut Shared) -> Vec<Effect> {
        if open_by_hand(shared).is_some() {
            ask_for_line(shared);
            return Vec::new();
        }
        let target = match (self.current(shared), shared.inquiry(PaneId::Smtp)) {
            (Some((id, _)), Some(inquiry)) if !host(inquiry, id).is_empty() => {
                let host = host(inquiry, id);
                let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                format!("{bracketed}:{}", port(inquiry, id))
            }
            _ => {
                shared.tell("nobody to talk to yet: type a domain or host:port first (:)");
                return Vec::new();
            }
        };
        // One dialogue alone: the address family of the one that is looked at, and all else as it was asked.
        let family = self.current(shared).and_then(|(_, transcript)| family(&transcript));
        let before = match shared.inquiry(PaneId::Smtp).map(|inquiry| &inquiry.task) {
            Some(Task::Smtp { plan, .. }) => plan.clone(),
            _ => SmtpPlan::default(),
        };
        let says_lhlo = |transcript: &Transcript| {
            Session::read(transcript).exchanges.iter().any(|exchange| exchange.verb == Verb::Lhlo)
        };
        let lmtp = before.lmtp || self.current(shared).is_some_and(|(_, transcript)| says_lhlo(&transcript));
        // Where to stop means nothing by hand, and again something afterwards.
        let SmtpPlan { ehlo, tls, stop_after, .. } = before;
        let family = family.or(before.family);
        let plan = SmtpPlan { ehlo, tls, lmtp, family, stop_after, hands_on: true, ..SmtpPlan::default() };
        let effects = self.talk_to(target, plan, true, shared);
        ask_for_line(shared);
        effects
    }

    fn say(&mut self, what: Move, shared: &mut Shared) -> Vec<Effect> {
        let Some(id) = open_by_hand(shared).map(|inquiry| inquiry.id) else {
            shared.warn("the dialogue has ended; i begins another");
            return Vec::new();
        };
        self.cursor = None;
        vec![Effect::Say(id, what)]
    }

    fn ask_envelope(&self, shared: &mut Shared) {
        if shared.inquiry(PaneId::Smtp).is_none() {
            return shared.tell("nobody to talk to yet: type a domain or host:port first (:)");
        }
        let hint = "from@example.org to@example.com …   (<> is the null sender; no message is sent)";
        shared.ask(Purpose::Envelope, "MAIL FROM and RCPT TO", hint);
    }

    fn set_envelope(&mut self, text: &str, shared: &mut Shared) -> Vec<Effect> {
        let Some(Task::Smtp { target, mut plan }) = shared.inquiry(PaneId::Smtp).map(|now| now.task.clone()) else {
            return Vec::new();
        };
        let bare = |word: &str| word.trim_matches(['<', '>', ',']).to_owned();
        let mut words = text.split_whitespace();
        plan.mail_from = words.next().map(bare);
        plan.rcpt_to = words.map(bare).collect();
        plan.hands_on = false;
        self.talk_to(target, plan, true, shared)
    }

    fn parts(&self, inquiry: &Inquiry, area: Rect) -> Parts {
        let small = area.height < 16;
        let verdict_rows = match (inquiry.verdict.is_empty(), area.height) {
            (true, _) => 0,
            (false, ..10) => 1,
            (false, _) => 3,
        };
        let hosts = inquiry.summary.as_ref().map_or(0, |table| table.rows.len());
        let table_rows = if small || hosts == 0 { 0 } else { u16::try_from(hosts.min(4) + 1).unwrap_or(5) };
        let foot_rows = if small { 0 } else { 4 };
        let verdict = Rect { height: verdict_rows, ..area };
        let table = Rect { y: verdict.bottom(), height: table_rows, ..area };
        let top = table.bottom() + u16::from(verdict_rows + table_rows > 0);
        let foot = Rect { y: area.bottom().saturating_sub(foot_rows), height: foot_rows, ..area };
        let bottom = foot.y.saturating_sub(u16::from(foot_rows > 0));
        Parts { verdict, table, lines: Rect { y: top, height: bottom.saturating_sub(top), ..area }, foot }
    }

    fn dialogue(&self, shared: &Shared, inquiry: &Inquiry, area: Rect, buffer: &mut Buffer) {
        let parts = self.parts(inquiry, area);
        match parts.verdict.height {
            1 => worst(inquiry, shared, parts.verdict, buffer),
            _ => self.viewer.verdict(shared.theme, inquiry, parts.verdict, buffer),
        }
        if let Some(summary) = &inquiry.summary {
            table::view(summary, shared.theme, parts.table, buffer);
        }
        if parts.lines.y > area.y {
            rule(buffer, shared.theme, area.x, parts.lines.y - 1, area.width);
        }
        if self.rows.places.is_empty() {
            let text = format!(" {} looking for the servers of {}", shared.theme.running_glyph(), inquiry.title);
            let place = (parts.lines.x, parts.lines.y);
            pieces(buffer, shared.theme, place, area.width, &[Piece::new(text, Look::Running)]);
        }
        let (chosen, top) = (self.chosen(), self.first(parts.lines.height));
        let width = usize::from(area.width).saturating_sub(2);
        let places = self.rows.places.iter().enumerate().skip(top);
        for (y, (at, place)) in (parts.lines.top()..parts.lines.bottom()).zip(places) {
            let mark = if at == chosen { ">" } else { " " };
            let mut row = vec![Piece::new(format!("{mark} "), Look::Strong)];
            row.extend(self.rows.row(inquiry, *place, width, shared.theme));
            pieces(buffer, shared.theme, (area.x, y), area.width, &row);
            if at == chosen {
                buffer.set_style(Rect { y, height: 1, ..parts.lines }, shared.theme.cursor());
            }
        }
        if parts.foot.height > 0 {
            rule(buffer, shared.theme, area.x, parts.foot.y - 1, area.width);
        }
        let room = Room { width, rows: usize::from(parts.foot.height) };
        let foot = self.rows.places.get(chosen).map(|place| self.rows.foot(inquiry, *place, room, self.raw));
        for (y, row) in (parts.foot.top()..parts.foot.bottom()).zip(foot.unwrap_or_default()) {
            pieces(buffer, shared.theme, (area.x, y), area.width, &row);
        }
    }

    fn in_dialogue(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Option<Vec<Effect>> {
        let lines = shared.inquiry(PaneId::Smtp).map(|inquiry| self.parts(inquiry, area).lines).unwrap_or_default();
        let page = isize::try_from(lines.height.saturating_sub(1).max(1)).unwrap_or(1);
        let len = self.rows.places.len();
        let shown = usize::from(lines.height);
        match action {
            Action::Up => self.step(-1),
            Action::Down => self.step(1),
            Action::PageUp | Action::PageDown | Action::Fold => {
                let by = if *action == Action::PageUp { -page } else { page };
                self.top = self.first(lines.height).saturating_add_signed(by).min(len.saturating_sub(shown));
                self.step(by);
            }
            Action::Top => self.choose(0),
            Action::Bottom => self.choose(usize::MAX),
            Action::Wheel(by) => {
                let (top, chosen) = window::wheel(*by, (self.first(lines.height), self.chosen()), len, shown);
                self.choose(chosen);
                self.top = top;
            }
            Action::NextFinding => self.next_remark(1, shown, shared),
            Action::PreviousFinding => self.next_remark(-1, shown, shared),
            Action::Enter => self.raw = !self.raw,
            Action::Click(_, row) if (lines.top()..lines.bottom()).contains(row) => {
                let at = self.first(lines.height) + usize::from(row - lines.y);
                if at < len {
                    self.choose(at);
                }
            }
            Action::CopyValue => return Some(self.copy_line(shared)),
            Action::CopyForms => self.forms(shared),
            Action::Right => self.face = Face::Report,
            _ => return None,
        }
        Some(Vec::new())
    }
}

/// Where only one line fits, the worst news has it.
fn worst(inquiry: &Inquiry, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    // The first of the worst: the order of the senders is the order of their number.
    let Some(line) = inquiry.verdict.iter().rev().max_by_key(|line| line.severity) else { return };
    let row = [
        Piece::new(format!(" {} ", shared.theme.severity_glyph(line.severity)), line.severity.into()),
        Piece::new(&line.answer, line.severity.into()),
    ];
    pieces(buffer, shared.theme, (area.x, area.y), area.width, &row);
}

/// The job whose dialogue the person holds, while it runs.
fn open_by_hand(shared: &Shared) -> Option<&Inquiry> {
    let inquiry = shared.inquiry(PaneId::Smtp)?;
    let by_hand = matches!(&inquiry.task, Task::Smtp { plan, .. } if plan.hands_on);
    (by_hand && inquiry.is_running()).then_some(inquiry)
}

fn ask_for_line(shared: &mut Shared) {
    shared.ask(Purpose::Say, "C", LINE_HINT);
}

impl Pane for SmtpPane {
    fn id(&self) -> PaneId {
        PaneId::Smtp
    }

    fn update(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Vec<Effect> {
        let whole = area;
        let area = how::below(shared, area);
        match action {
            Action::Follow(Link::Smtp(target)) => {
                return self.talk_to(target.clone(), SmtpPlan::default(), false, shared);
            }
            Action::Read(text) => return self.begin(Task::Dialogue { text: text.clone() }, false, shared),
            Action::AskAgain if self.face == Face::Listener => {}
            Action::AskAgain => match shared.inquiry(PaneId::Smtp).map(|now| now.task.clone()) {
                Some(task @ Task::Smtp { .. }) => return self.begin(task, true, shared),
                _ => shared.tell("nobody to talk to again: type host:port first (:)"),
            },
            Action::Listen => return self.listen(shared),
            Action::ListenAs(word) => {
                shared.ask(Purpose::Listen, "listen on", "ADDR:PORT and the replies, separated by ;");
                if let Some(line) = &mut shared.line {
                    line.input = Input::new(format!("{DEFAULT_ADDRESS} {word}"));
                }
            }
            Action::Answered(Purpose::Listen, text) => return self.start_listening(text, shared),
            Action::Back | Action::CycleSource if self.face == Face::Listener => self.face = Face::Dialogue,
            Action::CopyForms if self.face == Face::Listener => listening::forms(shared),
            Action::CopyDialogue(form) if self.face == Face::Listener => {
                return shared.listening.as_ref().map(|now| self.listener.copy_as(*form, now)).unwrap_or_default();
            }
            Action::SendMessage if self.face == Face::Listener => return self.send_to_itself(shared),
            other if self.shows_listener(shared) => {
                if let Some(listening) = &shared.listening {
                    self.listener.sync(listening);
                }
                return self.listener.update(other, shared, whole).unwrap_or_default();
            }
            Action::HandsOn => return self.hands_on(shared),
            Action::HowToTalk => self.how_to_talk(shared),
            Action::TalkLike(change) => return self.talk_like(change, shared),
            Action::AskEhlo => self.ask_ehlo(shared),
            Action::SendMessage => send::offer_pane_message(shared),
            Action::Compose => return send::compose(shared),
            Action::Composed(id, message) => send::composed(*id, message.clone(), shared),
            Action::SendPasted(message) => send::offer_pasted(message.clone(), shared),
            Action::Script(script) => return self.say(Move::Script(script.clone()), shared),
            Action::Envelope => self.ask_envelope(shared),
            Action::Answered(Purpose::Say, text) => return self.say(Move::Send(text.clone().into_bytes()), shared),
            Action::Answered(Purpose::Envelope, text) => return self.set_envelope(text, shared),
            Action::CopyDialogue(form) => return self.copy_as(*form, shared),
            Action::CycleSource => {
                self.face = if self.face == Face::Dialogue { Face::Report } else { Face::Dialogue };
            }
            Action::Certificates => {
                self.face = Face::Report;
                return self.viewer.update(&Action::Follow(Link::Section("tls")), shared, area).unwrap_or_default();
            }
            Action::Back if self.face == Face::Report && !self.viewer.is_deep() => self.face = Face::Dialogue,
            other => {
                if self.shows_dialogue(shared)
                    && let Some(effects) = self.in_dialogue(other, shared, area)
                {
                    return effects;
                }
                return self.viewer.update(other, shared, area).unwrap_or_default();
            }
        }
        Vec::new()
    }

    fn sync(&mut self, shared: &Shared, area: Rect) {
        if let Some(listening) = &shared.listening {
            self.listener.sync(listening);
            self.listener.scroll(area);
        }
        if let Some(inquiry) = shared.inquiry(PaneId::Smtp) {
            self.rows.sync(inquiry);
            let lines = self.parts(inquiry, how::below(shared, area)).lines;
            self.top = self.first(lines.height);
        }
        self.viewer.sync(shared, how::below(shared, area));
    }

    fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        if let Some(listening) = shared.listening.as_ref().filter(|_| self.face == Face::Listener) {
            return self.listener.view(shared, listening, area, buffer);
        }
        let Some(inquiry) = shared.inquiry(PaneId::Smtp) else { return start::smtp(shared, area, buffer) };
        let area = how::view(shared, area, buffer);
        if self.shows_dialogue(shared) {
            self.dialogue(shared, inquiry, area, buffer);
        } else {
            self.viewer.view(shared, area, buffer);
        }
    }

    fn enabled(&self, action: &Action, shared: &Shared) -> bool {
        if self.shows_listener(shared) {
            return self.enabled_listening(action, shared);
        }
        match action {
            Action::HistoryBack | Action::HistoryForward => false,
            Action::CycleSource => shared.inquiry(PaneId::Smtp).is_some_and(has_dialogue),
            Action::Envelope | Action::HowToTalk | Action::AskAgain => how::is_possible(shared),
            Action::HandsOn => how::is_possible(shared) && self.current(shared).is_some(),
            Action::Certificates => shared.inquiry(PaneId::Smtp).is_some_and(|inquiry| {
                let shown = self.face == Face::Report && self.viewer.section_id(inquiry) == Some("tls");
                !shown && inquiry.order().iter().any(|entry| entry.id == "tls")
            }),
            Action::SendMessage | Action::Compose => {
                by_hand(shared).is_some_and(|transcript| typed::awaits_message(&transcript))
            }
            // A line of a dialogue has no host name.
            Action::CopyName if self.shows_dialogue(shared) => false,
            Action::NextFinding | Action::PreviousFinding if self.shows_dialogue(shared) => {
                self.remarks(shared).is_some_and(|(before, after)| before + after > 0)
            }
            Action::Enter if self.shows_dialogue(shared) => self.entry(shared).is_some_and(|entry| has_bytes(&entry)),
            Action::CopyValue if self.shows_dialogue(shared) => self.entry(shared).is_some(),
            other if self.shows_dialogue(shared) => report_enabled(other, PaneId::Smtp, shared),
            other => report_enabled(other, PaneId::Smtp, shared) && self.viewer.enabled(other, shared),
        }
    }

    fn hint(&self, shared: &Shared) -> Option<String> {
        if self.shows_listener(shared) {
            return self.listener_hint(shared);
        }
        if !self.shows_dialogue(shared) {
            return self.viewer.hint(shared);
        }
        // While the line is open its own words say what the keys do, and letters are typed.
        if shared.line.is_some() {
            return None;
        }
        let by_hand = open_by_hand(shared).is_some();
        let waits = self.current(shared).is_some_and(|(_, transcript)| typed::awaits_message(&transcript));
        match (by_hand, waits) {
            (true, true) => Some("it waits for the message: c your editor, m the message of pane 2, i by hand".into()),
            (true, false) => Some("your hands are on this dialogue: i opens the line".into()),
            (false, _) => self.remarks(shared).and_then(|(before, after)| remarks_hint(before, after)),
        }
    }

    fn captured(&self, action: &Action, shared: &Shared) -> Option<Arc<Captured>> {
        let listening = shared.listening.as_ref().filter(|_| self.face == Face::Listener)?;
        self.listener.captured(action, listening)
    }

    fn shows_listener(&self, shared: &Shared) -> bool {
        self.face == Face::Listener && shared.listening.is_some()
    }

    fn single_link(&self, _shared: &Shared) -> Option<Link> {
        if self.face == Face::Report { self.viewer.single_link() } else { None }
    }
}

/// Whether there are lines to show, or will be.
fn has_dialogue(inquiry: &Inquiry) -> bool {
    !inquiry.dialogues.is_empty() || inquiry.is_running()
}

/// Says that lines out of sight deserve a look.
fn remarks_hint(before: usize, after: usize) -> Option<String> {
    let lines = |count: usize| if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
    match (before, after) {
        (0, 0) => None,
        (before, 0) => Some(format!("{} above worth a look: Shift-Tab goes there", lines(before))),
        (0, after) => Some(format!("{} below worth a look: Tab goes there", lines(after))),
        (before, after) => Some(format!("{} worth a look: Tab goes from one to the next", lines(before + after))),
    }
}

/// The family of the address that a dialogue reached.
fn family(transcript: &Transcript) -> Option<Family> {
    transcript.entries.iter().find_map(|entry| match &entry.event {
        TranscriptEvent::Connected { peer: Some(peer), .. } => {
            Some(if peer.is_ipv4() { Family::V4 } else { Family::V6 })
        }
        _ => None,
    })
}

/// What Tab and the line itself need of the dialogue that the person holds.
pub fn by_hand(shared: &Shared) -> Option<Arc<Transcript>> {
    open_by_hand(shared)?.dialogues.values().next_back().cloned()
}

/// How wide a table's column must be for all of its cells.
fn widest<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    cells.map(columns).max().unwrap_or(0)
}

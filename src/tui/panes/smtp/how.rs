//! How to talk: when TLS starts, where to stop, which addresses, SMTP or LMTP, the name in EHLO. One menu shows what is in
//! force; a choice talks again with it. What is not as usual stands above everything the pane shows, so that a dialogue that
//! was stopped early is not taken for a server that offers nothing.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::host;
use super::{SmtpPane, ask_for_line};
use crate::check::{Stage, TlsMode, TranscriptEvent};
use crate::job::{Family, SmtpPlan, Task};
use crate::smtp::session::{Session, Verb};
use crate::smtp::{Place, Target, typed};
use crate::tui::action::{Action, PaneId};
use crate::tui::document::Piece;
use crate::tui::document::wrap::cut_to_words;
use crate::tui::effect::Effect;
use crate::tui::state::{Choice, Menu, Overlay, Purpose, Shared};
use crate::tui::theme::{Look, Theme};
use crate::tui::viewer::pieces;
use crate::untrusted::visible;

/// One change of how to talk.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// When TLS starts.
    Tls(TlsMode),
    /// Where to say QUIT; `Stage::Data` leaves nothing out.
    StopAfter(Stage),
    /// Which addresses.
    Family(Option<Family>),
    /// LMTP or SMTP.
    Protocol(Protocol),
    /// The name in EHLO; `None`: mxray's own.
    Ehlo(Option<String>),
    /// Everything as usual.
    Usual,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// The longest name that is given in EHLO (RFC 5321 §4.5.3.1.2).
const LONGEST_NAME: usize = 255;

/// Reads what was typed as the name for EHLO; nothing is mxray's own. It need not be a good one: how a server takes a bad
/// name is worth a look. But it is one word, so that it cannot become another command.
pub fn ehlo_name(text: &str) -> Result<Option<String>, String> {
    match text.trim() {
        "" => Ok(None),
        name if name.len() > LONGEST_NAME => Err(format!("a name in EHLO has at most {LONGEST_NAME} characters")),
        name if name.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(name.to_owned())),
        _ => Err("one word of ASCII: a host name, or an address in brackets such as [192.0.2.1]".into()),
    }
}

/// What of a plan is not as usual, the most misleading first. By hand the person's own lines decide most of it.
fn unusual(plan: &SmtpPlan) -> Vec<String> {
    let mut said = Vec::new();
    let by_hand = plan.hands_on;
    match plan.stop_after {
        _ if by_hand => {}
        Stage::Connect | Stage::Banner => said.push("stops after the banner, EHLO not said".into()),
        Stage::Ehlo => said.push("stops after EHLO, TLS not tried".into()),
        Stage::StartTls | Stage::Auth => said.push("stops after STARTTLS".into()),
        Stage::MailFrom => said.push("stops after MAIL FROM".into()),
        Stage::RcptTo | Stage::Data | Stage::Quit => {}
    }
    match plan.tls {
        TlsMode::Auto => {}
        TlsMode::Implicit => said.push("TLS from the first byte".into()),
        TlsMode::Never if !by_hand => said.push("never starts TLS".into()),
        TlsMode::Require if !by_hand => said.push("QUIT where TLS does not start".into()),
        TlsMode::Never | TlsMode::Require => {}
    }
    match plan.family {
        // By hand it is the address that was looked at.
        _ if by_hand => {}
        None => {}
        Some(Family::V4) => said.push("IPv4 alone".into()),
        Some(Family::V6) => said.push("IPv6 alone".into()),
    }
    if plan.lmtp {
        said.push("LMTP".into());
    }
    said.extend(plan.ehlo.as_ref().map(|name| format!("EHLO {name}")));
    said
}

/// The plan of the pane's job, when it has one.
fn plan(shared: &Shared) -> Option<(&str, &SmtpPlan)> {
    match &shared.inquiry(PaneId::Smtp)?.task {
        Task::Smtp { target, plan } => Some((target, plan)),
        Task::Domain { .. } | Task::Spf { .. } | Task::Dmarc { .. } | Task::Message { .. } | Task::Dialogue { .. } => {
            None
        }
    }
}

/// The name that Tab puts into EHLO by hand.
pub fn name_by_hand(shared: &Shared) -> &str {
    plan(shared).and_then(|(_, plan)| plan.ehlo.as_deref()).unwrap_or(typed::OUR_NAME)
}

/// Whether there is a server to talk to in another way.
pub(super) fn is_possible(shared: &Shared) -> bool {
    plan(shared).is_some()
}

/// The row that says what is not as usual; none when all is.
pub(super) fn row(shared: &Shared, width: usize, theme: Theme) -> Option<Vec<Piece>> {
    let said = plan(shared).map(|(_, plan)| unusual(plan)).filter(|said| !said.is_empty())?;
    let glyph = theme.severity_glyph(crate::finding::Severity::Warning);
    let text = format!(" {glyph} Chosen (h): {}", visible(&said.join("; ")));
    Some(vec![Piece::new(cut_to_words(&text, width), Look::Warn)])
}

/// Draws that row and returns what is left of the area.
pub(super) fn view(shared: &Shared, area: Rect, buffer: &mut Buffer) -> Rect {
    if let Some(row) = row(shared, usize::from(area.width), shared.theme) {
        pieces(buffer, shared.theme, (area.x, area.y), area.width, &row);
    }
    below(shared, area)
}

/// The area below that row.
pub(super) fn below(shared: &Shared, area: Rect) -> Rect {
    let taken = u16::from(plan(shared).is_some_and(|(_, plan)| !unusual(plan).is_empty())).min(area.height);
    Rect { y: area.y + taken, height: area.height - taken, ..area }
}

impl SmtpPane {
    /// Opens the menu, what is in force marked.
    pub(super) fn how_to_talk(&self, shared: &mut Shared) {
        let Some((target, plan)) = plan(shared) else {
            return shared.tell("nobody to talk to yet: type a domain or host:port first (:)");
        };
        let mut items = items(&in_force(target, plan), self.said_name(shared), port_of(target, plan));
        if !unusual(plan).is_empty() {
            items.push(("all as usual".into(), Choice::Act(Action::TalkLike(Change::Usual))));
        }
        shared.overlay =
            Some(Overlay::Menu(Menu { title: "how to talk (* now); it talks again".into(), items, selected: 0 }));
    }

    /// The name that stood in the greeting.
    fn said_name(&self, shared: &Shared) -> Option<String> {
        let (_, transcript) = self.current(shared)?;
        let session = Session::read(&transcript);
        let line = session.exchanges.iter().find_map(|exchange| {
            matches!(exchange.verb, Verb::Ehlo | Verb::Helo | Verb::Lhlo)
                .then(|| transcript.entries.get(exchange.entry))
                .flatten()
        })?;
        match &line.event {
            TranscriptEvent::Sent { line, .. } => {
                String::from_utf8_lossy(line).split_ascii_whitespace().nth(1).map(str::to_owned)
            }
            _ => None,
        }
    }

    /// Asks for the name in EHLO.
    pub(super) fn ask_ehlo(&self, shared: &mut Shared) {
        if plan(shared).is_some() {
            shared.ask(Purpose::Ehlo, "EHLO as", "a host name or [address]; nothing is mxray's own");
        }
    }

    /// Talks again with one thing changed.
    pub(super) fn talk_like(&mut self, change: &Change, shared: &mut Shared) -> Vec<Effect> {
        let Some((target, before)) = plan(shared) else { return Vec::new() };
        let (target, before) = (target.to_owned(), before.clone());
        let mut plan = in_force(&target, &before);
        // The scheme in front of a target has been read into the plan, and would read itself into it again.
        let read = Target::parse(&target, before).map(|read| read.place);
        let schemeless = |place: &Place| match place {
            Place::Domain(name) => name.to_string(),
            Place::Host(name, port) => format!("{name}:{port}"),
            Place::Address(address) => address.to_string(),
        };
        let mut target = match &read {
            Ok(place) if target.contains("://") => schemeless(place),
            Ok(_) | Err(_) => target,
        };
        match change {
            Change::Tls(mode) => plan.tls = *mode,
            Change::StopAfter(stage) => plan.stop_after = *stage,
            Change::Family(family) => plan.family = *family,
            Change::Protocol(protocol) => plan.lmtp = *protocol == Protocol::Lmtp,
            Change::Ehlo(name) => plan.ehlo.clone_from(name),
            Change::Usual => {
                let SmtpPlan { mail_from, rcpt_to, hands_on, .. } = plan;
                plan = SmtpPlan { mail_from, rcpt_to, hands_on, ..SmtpPlan::default() };
            }
        }
        // Neither submission nor LMTP is what a domain's MX is for: another port means the host that is looked at.
        let other_port = match change {
            Change::Tls(TlsMode::Implicit) => Some(465),
            Change::Protocol(Protocol::Lmtp) => Some(24),
            Change::Tls(_) | Change::StopAfter(_) | Change::Family(_) | Change::Protocol(_) | Change::Ehlo(_) => None,
            Change::Usual => None,
        };
        if let (Some(port), Ok(Place::Domain(_))) = (other_port, &read) {
            let (Some((id, _)), Some(inquiry)) = (self.current(shared), shared.inquiry(PaneId::Smtp)) else {
                shared.tell("no mail server of it is known yet: name one, host:port (:)");
                return Vec::new();
            };
            target = format!("{}:{port}", host(inquiry, id));
        }
        // A message is confirmed for one dialogue, not for the next.
        plan.data = None;
        let by_hand = plan.hands_on;
        let effects = self.talk_to(target, plan, true, shared);
        if by_hand {
            ask_for_line(shared);
        }
        effects
    }
}

/// The plan with what the target itself says of it (`lmtp://`, port 465).
fn in_force(target: &str, plan: &SmtpPlan) -> SmtpPlan {
    let mut read = Target::parse(target, plan.clone()).map_or_else(|_| plan.clone(), |read| read.plan);
    read.lmtp |= port_of(target, plan) == Some(24);
    read
}

fn port_of(target: &str, plan: &SmtpPlan) -> Option<u16> {
    match Target::parse(target, plan.clone()).ok()?.place {
        Place::Domain(_) => None,
        Place::Host(_, port) => Some(port),
        Place::Address(address) => Some(address.port()),
    }
}

/// The choices, what is in force marked with a star.
fn items(plan: &SmtpPlan, said: Option<String>, port: Option<u16>) -> Vec<(String, Choice)> {
    let mut items = Vec::new();
    let mut add = |topic: &str, words: &str, is_now: bool, change: Change| {
        let star = if is_now { '*' } else { ' ' };
        items.push((format!("{topic:<10} {star} {words}"), Choice::Act(Action::TalkLike(change))));
    };
    let by_hand = plan.hands_on;
    let auto = match (by_hand, port) {
        (_, Some(465)) => "as the port says: from the first byte",
        (true, _) => "when you say STARTTLS",
        (false, _) => "where STARTTLS is offered",
    };
    let as_port_says = by_hand && plan.tls != TlsMode::Implicit;
    add("TLS", auto, plan.tls == TlsMode::Auto || as_port_says, Change::Tls(TlsMode::Auto));
    if !by_hand {
        let require = "STARTTLS or QUIT: nothing in the clear";
        add("TLS", require, plan.tls == TlsMode::Require, Change::Tls(TlsMode::Require));
        add("TLS", "never", plan.tls == TlsMode::Never, Change::Tls(TlsMode::Never));
    }
    let implicit = if port.is_none() { "from the first byte, on port 465" } else { "from the first byte" };
    add("TLS", implicit, plan.tls == TlsMode::Implicit, Change::Tls(TlsMode::Implicit));
    if !by_hand {
        let last = if plan.mail_from.is_some() { "at the end, before DATA" } else { "at the end" };
        let mut stages = vec![
            (Stage::Data, last),
            (Stage::Banner, "after the banner"),
            (Stage::Ehlo, "after EHLO"),
            (Stage::Auth, "after STARTTLS and the EHLO inside"),
        ];
        if plan.mail_from.is_some() {
            stages.push((Stage::MailFrom, "after MAIL FROM"));
        }
        for (stage, words) in stages {
            add("QUIT", words, plan.stop_after == stage, Change::StopAfter(stage));
        }
    }
    for (family, words) in [(None, "IPv4 and IPv6"), (Some(Family::V4), "IPv4"), (Some(Family::V6), "IPv6")] {
        add("addresses", words, plan.family == family, Change::Family(family));
    }
    let lmtp = if port.is_none() { "LMTP, on port 24" } else { "LMTP" };
    // Port 24 is LMTP's own, whatever was asked for.
    if port != Some(24) {
        add("protocol", "SMTP", !plan.lmtp, Change::Protocol(Protocol::Smtp));
    }
    add("protocol", lmtp, plan.lmtp, Change::Protocol(Protocol::Lmtp));
    let name = match (&plan.ehlo, said) {
        _ if by_hand => format!("Tab writes EHLO {} ...", plan.ehlo.as_deref().unwrap_or(typed::OUR_NAME)),
        (Some(name), _) => format!("* {name} ..."),
        (None, Some(name)) => format!("* {name}, mxray's own ..."),
        (None, None) => "* mxray's own ...".to_owned(),
    };
    items.push((format!("{:<10} {}", "EHLO name", visible(&name)), Choice::Act(Action::AskEhlo)));
    items
}

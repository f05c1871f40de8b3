//! What happens next: `update(&mut State, Event) -> Vec<Effect>`. Neither async nor with a clock. The focused input has the
//! key first, then what lies over the panes, then the keymap; no key of a paste is ever a command.

mod by_hand;
#[cfg(test)]
mod by_hand_tests;
mod keys;
mod line;
#[cfg(test)]
mod message_tests;
mod over;
#[cfg(test)]
mod smtp_scroll_tests;
#[cfg(test)]
mod smtp_tests;
#[cfg(test)]
mod tests;

use crate::check::{Captured, ListenerNews};
use crate::finding::Severity;
use crate::job::{JobEvent, JobId};
use crate::report::{Link, VerdictLine};
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::event::{Delivery, Event, MAX_PASTE, NoText};
use crate::tui::inquiry::{Inquiry, Stage, size};
use crate::tui::state::{EngineStage, Overlay, Purpose, Shared, State};
use crate::tui::view::pane_area;
use keys::{burst, load, paste, point, press};
use line::open_line;

pub use line::{go, start};

/// Takes one event in and says what is to be done outside.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Key(key) => press(state, key),
        Event::Keys { already, keys } => burst(state, already, &keys),
        Event::Paste(text) => paste(state, text),
        Event::Mouse(mouse) => point(state, mouse),
        Event::Resize(width, height) => {
            (state.shared.width, state.shared.height) = (width, height);
            Vec::new()
        }
        Event::Job(id, event) => tell(&mut state.shared, id, event),
        Event::Listener(news) => {
            heard(state, news);
            Vec::new()
        }
        Event::Ready(label) => {
            state.shared.engine = EngineStage::Ready;
            state.shared.resolver = label;
            Vec::new()
        }
        Event::NoEngine(why) => {
            for inquiry in state.shared.inquiries.iter_mut().flatten().filter(|inquiry| inquiry.is_running()) {
                inquiry.take(JobEvent::Failed(why.clone()));
            }
            state.shared.warn(format!("no question can be asked: {why}"));
            state.shared.engine = EngineStage::Failed(why);
            Vec::new()
        }
        Event::Copied(what, delivery) => {
            copied(&mut state.shared, &what, delivery);
            Vec::new()
        }
        Event::NoClipboard { what, text } => vec![Effect::CopyByTerminal { what, text }],
        Event::FromClipboard(Ok(text)) => {
            state.shared.notice = None;
            paste(state, text)
        }
        Event::FromClipboard(Err(why)) => {
            state.shared.warn(no_text(&why));
            Vec::new()
        }
        Event::Opened(path, Ok(bytes)) => {
            let source = path.rsplit('/').next().unwrap_or(&path).to_owned();
            load(state, bytes, source)
        }
        Event::Opened(path, Err(why)) => {
            state.shared.warn(format!("{path}: {why}"));
            Vec::new()
        }
        Event::Saved(path, Ok(())) => {
            state.shared.tell(format!("saved: {path}"));
            Vec::new()
        }
        Event::Saved(path, Err(why)) => {
            state.shared.warn(format!("not saved: {path}: {why}"));
            Vec::new()
        }
        Event::Edited(id, Ok(bytes)) => dispatch(state, PaneId::Smtp, &Action::Composed(id, bytes)),
        Event::Edited(_, Err(why)) => {
            state.shared.warn(why);
            Vec::new()
        }
        Event::Broke(what) => {
            state.shared.warn(format!("something in mxray broke: {what}"));
            Vec::new()
        }
    }
}

/// Lays out what has changed; once after every batch of events, before the frame.
pub fn settle(state: &mut State) {
    let area = pane_area(state.shared.width, state.shared.height);
    if let Some(pane) = state.panes.get_mut(state.active.index()) {
        pane.sync(&state.shared, area);
    }
}

fn tell(shared: &mut Shared, id: JobId, event: JobEvent) -> Vec<Effect> {
    if let Some(what_if) = shared.what_if.as_mut().filter(|what_if| what_if.asking == Some(id)) {
        if let Some(supposed) = what_if.take(event) {
            shared.place(PaneId::Domain, Some(supposed));
        }
        return Vec::new();
    }
    // A late answer of a job that is nobody's any more is dropped.
    if let Some(inquiry) = shared.inquiries.iter_mut().flatten().find(|inquiry| inquiry.id == id)
        && inquiry.is_running()
    {
        let ended = matches!(event, JobEvent::Finished(..));
        let refused = matches!(event, JobEvent::Refused(_));
        let grown = match &event {
            JobEvent::Dialogue(_, transcript) => Some(transcript.clone()),
            _ => None,
        };
        inquiry.take(event);
        if let Some(transcript) = grown {
            by_hand::grown(shared, &transcript);
            return Vec::new();
        }
        if refused {
            // What is no message is no loss.
            shared.unsaved = None;
        }
        if ended {
            for (domain, selector) in signed_by(inquiry) {
                shared.remember_selector(&domain, &selector);
            }
            seen_by_smtp(shared);
        }
    }
    Vec::new()
}

/// What the dialogues with a domain's mail servers showed stands in the domain's verdict too, whichever came first.
fn seen_by_smtp(shared: &mut Shared) {
    const QUESTION: &str = "SEEN BY SMTP";
    let Some(dialogues) = shared.inquiry(PaneId::Smtp).filter(|now| !now.is_running()) else { return };
    let Some(worst) = dialogues.verdict.iter().rev().max_by_key(|line| line.severity) else { return };
    let line =
        VerdictLine { question: QUESTION, answer: worst.answer.clone(), severity: worst.severity, section: Some("mx") };
    let title = dialogues.title.clone();
    let domain = shared.inquiries.get_mut(PaneId::Domain.index()).and_then(Option::as_mut);
    let Some(domain) = domain.filter(|domain| domain.title == title && !domain.is_running()) else { return };
    domain.verdict.retain(|line| line.question != QUESTION);
    // Bad news stands before what to do first; good news closes the list.
    let at = if line.severity >= Severity::Warning { domain.verdict.len().min(2) } else { domain.verdict.len() };
    domain.verdict.insert(at, line);
    domain.version += 1;
}

/// Domains and selectors of a message's signatures, by the facts that the contract names.
fn signed_by(inquiry: &Inquiry) -> Vec<(String, String)> {
    let signatures = inquiry.section("dkim").and_then(|section| section.facts.get("signatures")?.as_array());
    let text = |one: &serde_json::Value, key: &str| one.get(key)?.as_str().map(str::to_owned);
    signatures
        .into_iter()
        .flatten()
        .filter_map(|one| Some((text(one, "domain")?, text(one, "selector")?)))
        .take(64)
        .collect()
}

fn copied(shared: &mut Shared, what: &str, delivery: Delivery) {
    match delivery {
        Delivery::Clipboard => shared.tell(format!("copied: {what}")),
        Delivery::Terminal { through } => {
            let through = through.map_or_else(String::new, |name| format!(" through {name}"));
            shared.tell(format!("sent to the terminal by OSC 52{through} (it cannot confirm): {what}"));
        }
        Delivery::TooLong(bytes) => {
            shared.warn(format!(
                "NOT copied: {what} has {}, more than terminals take; S saves it to a file",
                size(bytes)
            ));
            return;
        }
        Delivery::Failed(why) => {
            shared.warn(format!("NOT copied: {what}: {why}; S saves it to a file"));
            return;
        }
    }
    shared.long_copy = None;
}

/// Why the clipboard gave nothing, and what to do instead.
fn no_text(why: &NoText) -> String {
    match why {
        NoText::NoClipboard => "no clipboard can be reached from here: paste with the terminal's own key (Ctrl-Shift-V, Cmd-V, Shift-Insert), or open a file (o)".into(),
        NoText::NoText => "the clipboard holds no text: copy the message's source first".into(),
        NoText::TooLong(bytes) => format!(
            "NOT pasted: the clipboard holds {}, more than the {} MiB that are taken from there; save it as a file and open that (o)",
            size(*bytes),
            MAX_PASTE >> 20
        ),
        NoText::Failed(why) => format!("the clipboard did not answer: {why}; paste with the terminal's own key, or open a file (o)"),
    }
}

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Show(pane) => {
            state.active = pane;
            Vec::new()
        }
        Action::OpenLine => {
            open_line(&mut state.shared);
            Vec::new()
        }
        Action::Help => {
            state.shared.overlay = Some(Overlay::Help(0));
            Vec::new()
        }
        Action::Quit => quit(state),
        Action::Redraw => vec![Effect::Redraw],
        Action::Suspend => vec![Effect::Suspend],
        Action::Servers => {
            match line::known_servers(&state.shared) {
                Some(menu) => state.shared.overlay = Some(Overlay::Menu(menu)),
                None => return act(state, Action::TypeServers),
            }
            Vec::new()
        }
        Action::TypeServers => {
            state.shared.ask(
                Purpose::Servers,
                "name servers",
                "system, IP[:PORT], tls://IP#NAME, https://HOST/path, or authoritative: what is published",
            );
            Vec::new()
        }
        Action::OpenFile => {
            state.shared.ask(Purpose::File, "open file", "path of a message (.eml)");
            Vec::new()
        }
        Action::PasteClipboard => {
            state.shared.tell("reading the clipboard ...");
            vec![Effect::ReadClipboard]
        }
        Action::Save if state.active == PaneId::Domain && state.shared.what_if.is_some() => {
            state.shared.warn("this is not published, and no report of it is saved; Esc goes back to what is");
            Vec::new()
        }
        Action::Save if captured(state, &Action::Save).is_some() => {
            state.shared.ask(Purpose::Save, "save to", "the captured message, as it came");
            Vec::new()
        }
        Action::Save => {
            let what = match (&state.shared.long_copy, state.shared.inquiry(state.active).and_then(|now| now.report()))
            {
                (Some((what, _)), _) => what.clone(),
                (None, Some(_)) => "the report as JSON".to_owned(),
                (None, None) => {
                    state.shared.tell("nothing to save yet");
                    return Vec::new();
                }
            };
            state.shared.ask(Purpose::Save, "save to", what);
            Vec::new()
        }
        Action::Stop => stop(state),
        // On a start screen they choose among what is offered.
        Action::Up | Action::Down | Action::Enter
            if !shows_listener(state)
                && state.shared.inquiry(state.active).is_none()
                && state.shared.offered(state.active).next().is_some() =>
        {
            open_line(&mut state.shared);
            if action == Action::Down { line::recall(state, false) } else { Vec::new() }
        }
        Action::Enter | Action::SendMessage if captured(state, &action).is_some() => match captured(state, &action) {
            Some(captured) => open_captured(state, &captured),
            None => Vec::new(),
        },
        Action::Enter => {
            let link = state.panes.get(state.active.index()).and_then(|pane| pane.single_link(&state.shared));
            match link {
                Some(link @ (Link::Domain(_) | Link::Smtp(_) | Link::Message(_))) => follow(state, link),
                Some(Link::Section(_)) | None => dispatch(state, state.active, &Action::Enter),
            }
        }
        other => dispatch(state, state.active, &other),
    }
}

fn shows_listener(state: &State) -> bool {
    state.panes.get(state.active.index()).is_some_and(|pane| pane.shows_listener(&state.shared))
}

/// The captured message that an action of the pane in front would open.
fn captured(state: &State, action: &Action) -> Option<std::sync::Arc<Captured>> {
    state.panes.get(state.active.index())?.captured(action, &state.shared)
}

fn open_captured(state: &mut State, captured: &std::sync::Arc<Captured>) -> Vec<Effect> {
    state.shared.message = Some(captured.raw.clone());
    dispatch(state, PaneId::Message, &Action::LoadCaptured(captured.clone()))
}

/// Takes in what the listener tells; who looks elsewhere is told of a message.
fn heard(state: &mut State, news: ListenerNews) {
    let elsewhere = state.active != PaneId::Smtp || !shows_listener(state);
    let Some(listening) = &mut state.shared.listening else { return };
    let Some(message) = listening.take(news) else { return };
    if elsewhere {
        let from = crate::untrusted::visible(&message.envelope.mail_from).into_owned();
        state.shared.tell(format!("the listener took a message from <{from}>; 3 and l show it"));
    }
}

fn follow(state: &mut State, link: Link) -> Vec<Effect> {
    let pane = match &link {
        Link::Domain(_) => PaneId::Domain,
        Link::Smtp(_) => PaneId::Smtp,
        Link::Message(_) => PaneId::Message,
        Link::Section(_) => state.active,
    };
    dispatch(state, pane, &Action::Follow(link))
}

fn stop(state: &mut State) -> Vec<Effect> {
    let slot = state.shared.inquiries.get_mut(state.active.index()).and_then(Option::as_mut);
    match slot.filter(|inquiry| inquiry.is_running()) {
        None => {
            state.shared.tell("nothing is under way");
            Vec::new()
        }
        Some(inquiry) => {
            inquiry.stage = Stage::Stopped;
            inquiry.version += 1;
            let id = inquiry.id;
            state.shared.tell("stopped; r asks again");
            vec![Effect::Cancel(id)]
        }
    }
}

fn quit(state: &mut State) -> Vec<Effect> {
    let captured = state.shared.listening.as_ref().is_some_and(|listening| listening.messages > 0);
    match state.shared.unsaved.or(captured.then_some("what the listener captured")) {
        None => vec![Effect::Quit],
        Some(what) => {
            state.shared.line = None;
            state.shared.overlay = Some(Overlay::ConfirmQuit(what));
            Vec::new()
        }
    }
}

/// Shows a pane and lets it act.
fn dispatch(state: &mut State, pane: PaneId, action: &Action) -> Vec<Effect> {
    state.active = pane;
    let area = pane_area(state.shared.width, state.shared.height);
    let Some(shown) = state.panes.get_mut(pane.index()) else { return Vec::new() };
    shown.sync(&state.shared, area);
    let mut effects = shown.update(action, &mut state.shared, area);
    for effect in &mut effects {
        if let Effect::Copy { what, text } = effect {
            what.push_str(&format!(", {}", size(text.len())));
            state.shared.long_copy = Some((what.clone(), text.clone()));
        }
    }
    effects
}

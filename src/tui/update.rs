//! What happens next: `update(&mut State, Event) -> Vec<Effect>`. Neither async nor with a clock. The focused input has the
//! key first, then what lies over the panes, then the keymap; no key of a paste is ever a command.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use tui_input::InputRequest;

use crate::config::Upstream;
use crate::job::{JobEvent, JobId};
use crate::report::Link;
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::event::{Delivery, Event};
use crate::tui::inquiry::{Stage, size};
use crate::tui::keymap;
use crate::tui::state::{Choice, EngineStage, Menu, Overlay, Purpose, Shared, State};
use crate::tui::target::{self, Target};
use crate::tui::view::pane_area;
use crate::tui::viewer::Wanted;
use crate::tui::widgets::{header, overlay};

/// Fewer keys at once are a person who types ahead, or a key that repeats.
const BURST: usize = 6;
/// A paste of one line up to here goes onto the line; anything longer or with several lines is a message.
const LINE_MAX: usize = 1000;

/// Takes one event in and says what is to be done outside.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Key(key) => press(state, key),
        Event::Keys(keys) => burst(state, &keys),
        Event::Paste(text) => paste(state, text),
        Event::Mouse(mouse) => point(state, mouse),
        Event::Resize(width, height) => {
            (state.shared.width, state.shared.height) = (width, height);
            Vec::new()
        }
        Event::Job(id, event) => tell(&mut state.shared, id, event),
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
    // A late answer of a job that is nobody's any more is dropped.
    if let Some(inquiry) = shared.inquiries.iter_mut().flatten().find(|inquiry| inquiry.id == id)
        && inquiry.is_running()
    {
        inquiry.take(event);
    }
    Vec::new()
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

// ---- keys

fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if state.shared.width < crate::tui::view::SMALLEST.0 && key.code == KeyCode::Char('q') {
        return vec![Effect::Quit];
    }
    if state.shared.line.is_some() {
        return type_key(state, key);
    }
    if state.shared.overlay.is_some() {
        return answer_overlay(state, key);
    }
    state.shared.notice = None;
    match keymap::resolve(state.active, &key) {
        Some(action) => act(state, action),
        None => Vec::new(),
    }
}

/// Keys that came at once. On the line they are typed; elsewhere more than a few different ones are no commands.
fn burst(state: &mut State, keys: &[KeyEvent]) -> Vec<Effect> {
    let text = as_text(keys);
    let lines = text.trim_end_matches(['\r', '\n']).contains(['\r', '\n']);
    let first = keys.first();
    let repeats = keys.iter().all(|key| Some(key) == first);
    let all_named = text.trim_matches(['\r', '\n', '\t']).is_empty();
    let opens_line = text.starts_with(':') && !lines;
    let typed =
        if state.shared.line.is_some() { !lines } else { keys.len() < BURST || repeats || opens_line || all_named };
    if let Some(Overlay::Unbracketed(held)) = &mut state.shared.overlay {
        held.push_str(&text);
        return Vec::new();
    }
    if typed {
        return keys.iter().flat_map(|key| press(state, *key)).collect();
    }
    if looks_like_message(&text) {
        state.shared.line = None;
        return paste(state, text);
    }
    state.shared.line = None;
    state.shared.overlay = Some(Overlay::Unbracketed(text));
    Vec::new()
}

fn as_text(keys: &[KeyEvent]) -> String {
    keys.iter()
        .filter_map(|key| match key.code {
            KeyCode::Char('j') if key.modifiers.contains(KeyModifiers::CONTROL) => Some('\n'),
            KeyCode::Char(c) => Some(c),
            KeyCode::Enter => Some('\r'),
            KeyCode::Tab => Some('\t'),
            _ => None,
        })
        .collect()
}

/// Whether one of the first lines is a header field.
fn looks_like_message(text: &str) -> bool {
    text.split(['\r', '\n']).map(str::trim_start).filter(|line| !line.is_empty()).take(5).any(|line| {
        line.split_once(':').is_some_and(|(name, _)| {
            name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    }) && text.contains(['\r', '\n'])
}

fn paste(state: &mut State, text: String) -> Vec<Effect> {
    let line = text.trim();
    let one_line = line.len() <= LINE_MAX && !line.contains(['\r', '\n']);
    if one_line {
        if line.is_empty() {
            return Vec::new();
        }
        if state.shared.line.is_none() {
            open_line(&mut state.shared);
        }
        if let Some(open) = &mut state.shared.line {
            for c in line.chars() {
                open.input.handle(InputRequest::InsertChar(c));
            }
        }
        return Vec::new();
    }
    state.shared.line = None;
    state.shared.overlay = None;
    let bytes: Arc<[u8]> = Arc::from(text.into_bytes());
    load(state, bytes, "paste".to_owned())
}

fn load(state: &mut State, bytes: Arc<[u8]>, source: String) -> Vec<Effect> {
    state.shared.unsaved = (source == "paste").then_some("the pasted message");
    state.shared.message = Some(bytes.clone());
    dispatch(state, PaneId::Message, &Action::Load(bytes, source))
}

fn type_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let Some(line) = &mut state.shared.line else { return Vec::new() };
    let request = match key.code {
        KeyCode::Esc => {
            state.shared.line = None;
            return Vec::new();
        }
        KeyCode::Char('c') if ctrl => return quit(state),
        KeyCode::Enter => return submit(state),
        KeyCode::Up => return recall(&mut state.shared, true),
        KeyCode::Down => return recall(&mut state.shared, false),
        KeyCode::Left if ctrl => InputRequest::GoToPrevWord,
        KeyCode::Right if ctrl => InputRequest::GoToNextWord,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Char('a') if ctrl => InputRequest::GoToStart,
        KeyCode::Char('e') if ctrl => InputRequest::GoToEnd,
        KeyCode::Char('u') if ctrl => InputRequest::DeleteFromStart,
        KeyCode::Char('k') if ctrl => InputRequest::DeleteTillEnd,
        KeyCode::Char('w') if ctrl => InputRequest::DeletePrevWord,
        KeyCode::Char('h') if ctrl => InputRequest::DeletePrevChar,
        KeyCode::Char(c) if !ctrl && !c.is_control() => InputRequest::InsertChar(c),
        _ => return Vec::new(),
    };
    line.error = None;
    line.input.handle(request);
    Vec::new()
}

/// Earlier lines, and what the demo world offers.
fn recall(shared: &mut Shared, back: bool) -> Vec<Effect> {
    let Some(line) = shared.line.as_mut().filter(|line| line.purpose == Purpose::Go) else { return Vec::new() };
    let offers = shared.offers.iter().rev().map(|(target, _)| target);
    let known: Vec<&String> = offers.chain(&shared.typed).collect();
    let next = match (line.recall, back) {
        (None, true) => Some(0),
        // With nothing typed before, Down is the first offer of the list on the screen.
        (None, false) if shared.typed.is_empty() => known.len().checked_sub(1),
        (None, false) => None,
        (Some(at), up) if up == shared.typed.is_empty() && shared.typed.is_empty() => {
            Some((at + 1).min(known.len().saturating_sub(1)))
        }
        (Some(at), true) => Some((at + 1).min(known.len().saturating_sub(1))),
        (Some(at), false) => at.checked_sub(1),
    };
    line.recall = next.filter(|at| *at < known.len());
    let text = line.recall.and_then(|at| known.iter().rev().nth(at)).map(|text| (*text).clone()).unwrap_or_default();
    line.input = tui_input::Input::new(text);
    Vec::new()
}

fn open_line(shared: &mut Shared) {
    shared.ask(Purpose::Go, ":", "a domain, URL, address, host:port, or message file");
}

/// Opens the line: at the start, and by `:`.
pub fn start(state: &mut State) {
    open_line(&mut state.shared);
}

/// Goes to what was typed on the command line.
pub fn go(state: &mut State, text: &str) -> Vec<Effect> {
    match target::parse(text) {
        Ok(target) => {
            state.shared.line = None;
            if state.shared.typed.last().map(String::as_str) != Some(text) {
                state.shared.typed.push(text.to_owned());
            }
            match target {
                Target::Domain(name) => {
                    let link =
                        if state.active == PaneId::Smtp { Link::Smtp(name.to_string()) } else { Link::Domain(name) };
                    follow(state, link)
                }
                Target::Smtp(host) => follow(state, Link::Smtp(host)),
                Target::File(path) => vec![Effect::Open(path)],
            }
        }
        Err(why) => {
            if state.shared.line.is_none() {
                open_line(&mut state.shared);
            }
            if let Some(line) = &mut state.shared.line {
                line.error = Some(why);
            }
            Vec::new()
        }
    }
}

fn submit(state: &mut State) -> Vec<Effect> {
    let Some(line) = &state.shared.line else { return Vec::new() };
    let text = line.input.value().trim().to_owned();
    match line.purpose.clone() {
        Purpose::Go => go(state, &text),
        Purpose::Servers => servers(state, &text),
        Purpose::File => {
            state.shared.line = None;
            if text.is_empty() { Vec::new() } else { vec![Effect::Open(text)] }
        }
        Purpose::Save => {
            state.shared.line = None;
            save(state, &text)
        }
        Purpose::Blank(_) if text.is_empty() => {
            if let Some(line) = &mut state.shared.line {
                line.error = Some("it cannot be empty".into());
            }
            Vec::new()
        }
        purpose @ (Purpose::Selector | Purpose::Search | Purpose::Border | Purpose::Envelope | Purpose::Blank(_)) => {
            state.shared.line = None;
            dispatch(state, state.active, &Action::Answered(purpose, text))
        }
    }
}

fn servers(state: &mut State, text: &str) -> Vec<Effect> {
    let specs = text.split([',', ' ']).filter(|spec| !spec.is_empty() && *spec != "system");
    let parsed: Result<Vec<Upstream>, String> = specs.map(Upstream::parse).collect();
    match parsed {
        Ok(upstreams) if text.is_empty() => {
            state.shared.line = None;
            drop(upstreams);
            Vec::new()
        }
        Ok(upstreams) => {
            state.shared.line = None;
            let mut effects = vec![Effect::Switch(upstreams)];
            effects.extend(dispatch(state, state.active, &Action::AskAgain));
            effects
        }
        Err(why) => {
            if let Some(line) = &mut state.shared.line {
                line.error = Some(why);
            }
            Vec::new()
        }
    }
}

fn save(state: &mut State, path: &str) -> Vec<Effect> {
    if path.is_empty() {
        return Vec::new();
    }
    if let Some((_, text)) = &state.shared.long_copy {
        return vec![Effect::Save { path: path.to_owned(), text: text.clone() }];
    }
    let Some(report) = state.shared.inquiry(state.active).and_then(|inquiry| inquiry.report()) else {
        return Vec::new();
    };
    let text = serde_json::to_string_pretty(report.as_ref()).unwrap_or_default();
    vec![Effect::Save { path: path.to_owned(), text }]
}

// ---- what lies over the panes

fn answer_overlay(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let area = pane_area(state.shared.width, state.shared.height);
    let most = overlay::help_scroll(state, area);
    match &mut state.shared.overlay {
        None => {}
        Some(Overlay::Help(top)) => match key.code {
            KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => *top = (*top + 1).min(most),
            KeyCode::PageUp => *top = top.saturating_sub(area.height),
            KeyCode::PageDown | KeyCode::Char(' ') => *top = (*top + area.height).min(most),
            KeyCode::Home | KeyCode::Char('g') => *top = 0,
            KeyCode::End | KeyCode::Char('G') => *top = most,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return quit(state),
            KeyCode::Esc | KeyCode::Char('?' | 'q') | KeyCode::Enter => state.shared.overlay = None,
            _ => {}
        },
        Some(Overlay::Menu(menu)) => match key.code {
            KeyCode::Up | KeyCode::Char('k') => menu.selected = menu.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => {
                menu.selected = (menu.selected + 1).min(menu.items.len().saturating_sub(1))
            }
            KeyCode::Esc | KeyCode::Char('q') => state.shared.overlay = None,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return quit(state),
            KeyCode::Enter => return choose(state),
            _ => {}
        },
        Some(Overlay::ConfirmQuit(_)) => match key.code {
            KeyCode::Char('q' | 'y' | 'c') => return vec![Effect::Quit],
            KeyCode::Esc | KeyCode::Char('n') => state.shared.overlay = None,
            _ => {}
        },
        Some(Overlay::Unbracketed(text)) => match key.code {
            KeyCode::Enter => {
                let text = std::mem::take(text);
                state.shared.overlay = None;
                return paste(state, text);
            }
            KeyCode::Esc => {
                state.shared.overlay = None;
                state.shared.tell("dropped; nothing of it was run");
            }
            _ => {}
        },
    }
    Vec::new()
}

fn choose(state: &mut State) -> Vec<Effect> {
    let Some(Overlay::Menu(Menu { mut items, selected, .. })) = state.shared.overlay.take() else { return Vec::new() };
    if selected >= items.len() {
        return Vec::new();
    }
    match items.swap_remove(selected).1 {
        Choice::Act(Action::Follow(link)) => follow(state, link),
        Choice::Act(action) => act(state, action),
        Choice::Copy(wanted) => copy(state, wanted),
    }
}

fn copy(state: &mut State, wanted: Wanted) -> Vec<Effect> {
    dispatch(state, state.active, &Action::Copy(wanted))
}

// ---- actions

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
        Action::Servers => {
            state.shared.ask(
                Purpose::Servers,
                "name servers",
                "IP[:PORT], tls://IP#NAME, https://HOST/path, or system",
            );
            Vec::new()
        }
        Action::OpenFile => {
            state.shared.ask(Purpose::File, "open file", "path of a message (.eml)");
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
        Action::Enter => {
            let link = state.panes.get(state.active.index()).and_then(|pane| pane.single_link());
            match link {
                Some(link @ (Link::Domain(_) | Link::Smtp(_) | Link::Message(_))) => follow(state, link),
                Some(Link::Section(_)) | None => dispatch(state, state.active, &Action::Enter),
            }
        }
        other => dispatch(state, state.active, &other),
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
    match state.shared.unsaved {
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

fn point(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    let by = match mouse.kind {
        MouseEventKind::ScrollUp => -3,
        MouseEventKind::ScrollDown => 3,
        MouseEventKind::Down(MouseButton::Left) => 0,
        _ => return Vec::new(),
    };
    if let Some(Overlay::Help(top)) = &mut state.shared.overlay {
        let moved = if by < 0 { top.saturating_sub(3) } else { *top + u16::from(by > 0) * 3 };
        let area = pane_area(state.shared.width, state.shared.height);
        let most = overlay::help_scroll(state, area);
        state.shared.overlay = Some(Overlay::Help(moved.min(most)));
        return Vec::new();
    }
    if state.shared.overlay.is_some() {
        return Vec::new();
    }
    if by != 0 {
        return dispatch(state, state.active, &Action::Wheel(by));
    }
    match mouse.row {
        0 => header::pane_at(state.shared.width, mouse.column)
            .map_or_else(Vec::new, |pane| act(state, Action::Show(pane))),
        1 => {
            if state.shared.line.is_none() {
                open_line(&mut state.shared);
            }
            Vec::new()
        }
        row => dispatch(state, state.active, &Action::Click(mouse.column, row)),
    }
}

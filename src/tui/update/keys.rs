//! Keys, bursts, pastes and the mouse: what the person's hand does.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use tui_input::InputRequest;

use super::line::{edited, open_line, type_key};
use super::over::answer_overlay;
use super::{act, by_hand, dispatch};
use crate::name::Name;
use crate::report::Link;
use crate::report::since::Saved;
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::keymap;
use crate::tui::state::{Overlay, PASTE, Purpose, State, UNSAVED};
use crate::tui::view::pane_area;
use crate::tui::widgets::{header, overlay};

/// Fewer keys at once are a person who types ahead, or a key that repeats.
const BURST: usize = 6;
/// A written dialogue is at most so long; longer texts are messages.
const LONGEST_DIALOGUE: usize = 256 * 1024;
/// A saved report is at most so long: ten times the longest, and read within a frame.
const LONGEST_REPORT: usize = 1024 * 1024;
/// A paste of one line up to here goes onto the line; anything longer or with several lines is a message, or, while the
/// line is a dialogue's, lines to say.
const LINE_MAX: usize = 1000;
/// The same for a line of SMTP: AUTH has the longest (RFC 4954 §4).
const SAID_MAX: usize = 12_288;

pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let mut effects = one(state, key);
    effects.extend(edited(state));
    effects
}

fn one(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if state.shared.width < crate::tui::view::SMALLEST.0 && key.code == KeyCode::Char('q') {
        return vec![Effect::Quit];
    }
    let action = keymap::resolve(state.active, &key);
    // The shell's key means the shell, whatever is open here.
    if action == Some(Action::Suspend) {
        return act(state, Action::Suspend);
    }
    state.shared.open_paste = false;
    if state.shared.overlay.as_ref().is_some_and(Overlay::is_over_line) {
        return answer_overlay(state, key);
    }
    if state.shared.line.is_some() {
        return type_key(state, key);
    }
    if state.shared.overlay.is_some() {
        return answer_overlay(state, key);
    }
    state.shared.notice = None;
    action.map(|action| act(state, action)).unwrap_or_default()
}

/// Keys that came at once. On the line they are typed; elsewhere more than a few different ones are no commands.
/// The key just before them may have been acted on already; it belongs to the text of a paste all the same.
pub(super) fn burst(state: &mut State, already: Option<KeyEvent>, keys: &[KeyEvent]) -> Vec<Effect> {
    let by_hand = state.shared.line.as_ref().is_some_and(|line| line.purpose == Purpose::Say);
    // By hand an Enter has ended its line: what follows it closely is the next one.
    let already = already.filter(|key| !by_hand || key.code != KeyCode::Enter);
    let text = as_text(already.as_slice()) + &as_text(keys);
    // The rest of a paste that came in pieces.
    if let Some(begun) = state.shared.message.clone().filter(|_| state.shared.open_paste) {
        let whole = [begun.as_ref(), as_text(keys).as_bytes()].concat();
        return load(state, Arc::from(whole), PASTE.to_owned());
    }
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
        let mut effects: Vec<Effect> = keys.iter().flat_map(|key| one(state, *key)).collect();
        effects.extend(edited(state));
        return effects;
    }
    // The rest of it must not answer the question that a paste into a dialogue asks.
    if by_hand {
        if let Some(line) = state.shared.line.as_mut().filter(|_| already.is_some()) {
            line.input.handle(InputRequest::DeletePrevChar);
        }
        state.shared.overlay = Some(Overlay::Unbracketed(text));
        return Vec::new();
    }
    if looks_like_message(&text) {
        state.shared.line = None;
        let effects = paste(state, text);
        state.shared.open_paste = true;
        return effects;
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

pub(super) fn paste(state: &mut State, text: String) -> Vec<Effect> {
    if let Some(effects) = by_hand::paste(state, &text) {
        return effects;
    }
    let line = text.trim();
    let says = state.shared.line.as_ref().is_some_and(|line| line.purpose == Purpose::Say);
    let most = if says { SAID_MAX } else { LINE_MAX };
    let one_line = line.len() <= most && !line.contains(['\r', '\n']);
    if one_line {
        if line.is_empty() {
            state.shared.warn("nothing was pasted: the text is empty");
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
        return edited(state);
    }
    state.shared.line = None;
    state.shared.overlay = None;
    let bytes: Arc<[u8]> = Arc::from(text.into_bytes());
    load(state, bytes, PASTE.to_owned())
}

/// A paste or a file that is a written dialogue, and no message, goes to the SMTP pane.
fn as_dialogue(bytes: &[u8]) -> Option<Arc<str>> {
    let start = std::str::from_utf8(bytes.get(..bytes.len().min(LONGEST_DIALOGUE))?).ok()?;
    // A terminal pastes line ends as CR.
    let first = start.split(['\r', '\n']).map(str::trim_start).find(|line| !line.is_empty())?;
    let begins = crate::smtp::import::begins(first)
        || first.split('|').nth(1).is_some_and(|who| matches!(who.trim(), "*" | "S" | "C" | "S=" | "C="));
    (begins && bytes.len() <= LONGEST_DIALOGUE && crate::smtp::written::Written::parse(start).is_ok())
        .then(|| Arc::from(start))
}

/// A report on a domain that was saved as JSON: the domain is looked at again, and what has changed since is shown.
fn as_report(bytes: &[u8]) -> Option<(Saved, Name)> {
    let begins = bytes.len() <= LONGEST_REPORT && bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let saved = begins.then(|| Saved::read(bytes).ok())??;
    let name = saved.name()?;
    Some((saved, name))
}

pub(super) fn load(state: &mut State, bytes: Arc<[u8]>, source: String) -> Vec<Effect> {
    if let Some(text) = as_dialogue(&bytes) {
        return dispatch(state, PaneId::Smtp, &Action::Read(text));
    }
    if let Some((saved, name)) = as_report(&bytes) {
        let effects = dispatch(state, PaneId::Domain, &Action::Follow(Link::Domain(name)));
        if let Some(inquiry) = state.shared.inquiry_mut(PaneId::Domain) {
            inquiry.since = Some(Arc::new(saved));
        }
        return effects;
    }
    state.shared.unsaved = (source == PASTE).then_some(UNSAVED);
    state.shared.message = Some(bytes.clone());
    dispatch(state, PaneId::Message, &Action::Load(bytes, source))
}

pub(super) fn point(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
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

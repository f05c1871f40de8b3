//! What lies over the panes has the keys first.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::keys::paste;
use super::line::switch;
use super::{act, by_hand, dispatch, follow, quit};
use crate::smtp::script::Pace;
use crate::tui::action::Action;
use crate::tui::effect::Effect;
use crate::tui::state::{Choice, Menu, Overlay, State};
use crate::tui::view::pane_area;
use crate::tui::viewer::Wanted;
use crate::tui::widgets::overlay;

pub(super) fn answer_overlay(state: &mut State, key: KeyEvent) -> Vec<Effect> {
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
        Some(Overlay::ConfirmSend { effect, .. }) => match key.code {
            KeyCode::Char('y') => {
                let effect = (**effect).clone();
                state.shared.overlay = None;
                state.shared.composed = None;
                return vec![effect];
            }
            KeyCode::Esc | KeyCode::Char('n' | 'q') => {
                state.shared.overlay = None;
                state.shared.tell("not sent");
            }
            _ => {}
        },
        Some(Overlay::Several { .. }) => match key.code {
            KeyCode::Enter => return by_hand::say(state, Pace::Polite),
            KeyCode::Char('r') => return by_hand::say(state, Pace::Replies),
            KeyCode::Char('a') => return by_hand::say(state, Pace::AtOnce),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return quit(state),
            KeyCode::Esc | KeyCode::Char('n' | 'q') => {
                state.shared.overlay = None;
                state.shared.tell("nothing of it was said");
            }
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
        Choice::Switch(upstreams, label) => switch(state, upstreams, label),
    }
}

fn copy(state: &mut State, wanted: Wanted) -> Vec<Effect> {
    dispatch(state, state.active, &Action::Copy(wanted))
}

//! The last rows: what has just happened, and the keys that do something now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::document::Piece;
use crate::tui::document::wrap::columns;
use crate::tui::keymap::{BINDINGS, Binding, works_in};
use crate::tui::state::{Overlay, Purpose, State};
use crate::tui::theme::Look;
use crate::tui::viewer::pieces;

/// Draws the row above the footer: what has just happened, else what can be done with what is under the cursor.
pub fn notice(state: &State, area: Rect, buffer: &mut Buffer) {
    let theme = state.shared.theme;
    if let Some(error) = state.shared.line.as_ref().and_then(|line| line.error.as_ref()) {
        let row = [
            Piece::new(format!(" {} ", theme.state_glyph(crate::report::State::Error)), Look::Error),
            Piece::new(error, Look::Error),
        ];
        pieces(buffer, theme, (area.x, area.y), area.width, &row);
        return;
    }
    if let Some(notice) = &state.shared.notice {
        let (sign, look) = if notice.bad { (" ! ", Look::Warn) } else { (" ", Look::Plain) };
        let row = [Piece::new(sign, look), Piece::new(&notice.text, look)];
        pieces(buffer, theme, (area.x, area.y), area.width, &row);
        return;
    }
    let hint = state.panes.get(state.active.index()).and_then(|pane| pane.hint(&state.shared));
    if let Some(hint) = hint {
        pieces(
            buffer,
            theme,
            (area.x, area.y),
            area.width,
            &[Piece::new(" ", Look::Plain), Piece::new(hint, Look::Dim)],
        );
    }
}

/// Draws the keys.
pub fn view(state: &State, area: Rect, buffer: &mut Buffer) {
    let keys = keys(state);
    // Help and quit are always there; the others as far as they fit.
    let last: Vec<(String, String)> = vec![("?".into(), "help".into()), ("q".into(), "quit".into())];
    let mut row = vec![Piece::new(" ", Look::Plain)];
    let plain = matches!((&state.shared.line, &state.shared.overlay), (None, None));
    let reserved: usize = if plain { last.iter().map(|(key, word)| columns(key) + columns(word) + 3).sum() } else { 0 };
    let mut room = usize::from(area.width).saturating_sub(reserved + 1);
    for (key, word) in &keys {
        let need = columns(key) + columns(word) + 3;
        if need > room {
            continue;
        }
        room -= need;
        push(&mut row, key, word);
    }
    if plain {
        for (key, word) in &last {
            push(&mut row, key, word);
        }
    }
    pieces(buffer, state.shared.theme, (area.x, area.y), area.width, &row);
}

fn push(row: &mut Vec<Piece>, key: &str, word: &str) {
    row.push(Piece::new(key, Look::Strong));
    row.push(Piece::new(format!(" {word}  "), Look::Dim));
}

fn keys(state: &State) -> Vec<(String, String)> {
    let say =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(key, word)| ((*key).to_owned(), (*word).to_owned())).collect();
    let over_line = state.shared.overlay.as_ref().is_some_and(Overlay::is_over_line);
    if let Some(line) = state.shared.line.as_ref().filter(|_| !over_line) {
        return match line.purpose {
            Purpose::Say => {
                say(&[("Enter", "say it"), ("Tab", "complete"), ("Up", "earlier"), ("Esc", "leave the line")])
            }
            Purpose::Go => {
                let mut keys = vec![("Enter", "go")];
                if state.shared.offered(state.active).next().is_some() {
                    keys.push(("Down", "examples"));
                }
                if !state.shared.typed.is_empty() {
                    keys.push(("Up", "earlier"));
                }
                keys.push(("Esc", "close, then letters are commands"));
                say(&keys)
            }
            Purpose::WhatIf => {
                say(&[("Enter", "ask for new names"), ("Up Down", "scroll"), ("Esc", "back to what is published")])
            }
            Purpose::Selector
            | Purpose::Servers
            | Purpose::Search
            | Purpose::File
            | Purpose::Border
            | Purpose::Envelope
            | Purpose::Blank(_)
            | Purpose::Listen
            | Purpose::Ehlo
            | Purpose::Save => say(&[("Enter", "take it"), ("Esc", "leave it")]),
        };
    }
    match &state.shared.overlay {
        Some(Overlay::Help(_)) => say(&[("Up Down", "scroll"), ("Esc", "close")]),
        Some(Overlay::Menu(_)) => say(&[("Up Down", "choose"), ("Enter", "take it"), ("Esc", "close")]),
        Some(Overlay::ConfirmQuit(_)) => say(&[("q", "quit and lose it"), ("Esc", "stay")]),
        Some(Overlay::ConfirmSend { .. }) => say(&[("y", "send it"), ("Esc", "do not")]),
        Some(Overlay::Several { .. }) => {
            say(&[("Enter", "say them"), ("r", "one by one"), ("a", "all at once"), ("Esc", "say nothing")])
        }
        Some(Overlay::Unbracketed(_)) => say(&[("Enter", "take it as a paste"), ("Esc", "drop it")]),
        None => state
            .panes
            .get(state.active.index())
            .map(|pane| {
                BINDINGS
                    .iter()
                    .filter(|binding| !binding.short.is_empty() && works_in(binding, state.active))
                    .filter(|binding| !matches!(binding.label, "?" | "q"))
                    .filter(|binding| pane.enabled(&(binding.action)(), &state.shared))
                    .map(|binding: &Binding| (binding.label.to_owned(), binding.short.to_owned()))
                    .collect()
            })
            .unwrap_or_default(),
    }
}

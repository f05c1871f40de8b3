//! What lies over the panes: the keys, a choice, a question that must be answered first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::document::Piece;
use crate::tui::document::wrap::{columns, fit, wrap};
use crate::tui::inquiry::size;
use crate::tui::keymap::{BINDINGS, pane_word, works_in};
use crate::tui::state::{Menu, Overlay, Purpose, State};
use crate::tui::theme::Look;
use crate::tui::viewer::pieces;
use crate::tui::widgets::line::is_long;

/// Draws what lies over the pane's area, if anything does.
pub fn view(state: &State, area: Rect, buffer: &mut Buffer) {
    match &state.shared.overlay {
        None => {
            let asked = state.shared.line.as_ref().filter(|line| matches!(line.purpose, Purpose::Blank(_)));
            if let Some(line) = asked.filter(|line| is_long(&line.label, area.width)) {
                note(state, area, "what only you know", &line.label, buffer);
            }
        }
        Some(Overlay::Help(top)) => {
            paper(state, area, &help(state, usize::from(area.width)), usize::from(*top), buffer)
        }
        Some(Overlay::Menu(menu)) => choice(state, area, menu, buffer),
        Some(Overlay::ConfirmQuit(what)) => {
            let text = format!("{what} would be lost. Press q again to quit, Esc to stay.");
            note(state, area, "quit?", &text, buffer);
        }
        Some(Overlay::ConfirmSend { text, .. }) => note(state, area, "send this message?", text, buffer),
        Some(Overlay::Several { text, script }) => {
            let lines = if script.len() == 1 { "1 line".to_owned() } else { format!("{} lines", script.len()) };
            note(state, area, &format!("say {lines}?"), text, buffer);
        }
        Some(Overlay::Unbracketed(text)) => {
            let text = format!(
                "{} arrived faster than a person types, without the marks of a paste, so nothing of it was run as a command. \
                 Enter takes it as a pasted text, Esc drops it.",
                size(text.len())
            );
            note(state, area, "a paste?", &text, buffer);
        }
    }
}

/// The rows of the help: generated from the keymap, for the pane that is shown; what does nothing now is dim.
pub fn help(state: &State, width: usize) -> Vec<Vec<Piece>> {
    let mut rows = Vec::new();
    let text = format!("Keys in the {} pane", pane_word(state.active));
    rows.push(vec![Piece::new(text, Look::Heading), Piece::new("   dim: nothing to do now", Look::Dim)]);
    let pane = state.panes.get(state.active.index());
    for binding in BINDINGS.iter().filter(|binding| works_in(binding, state.active)) {
        let enabled = pane.is_some_and(|pane| pane.enabled(&(binding.action)(), &state.shared));
        let (key, words) = if enabled { (Look::Strong, Look::Plain) } else { (Look::Dim, Look::Dim) };
        let row = vec![Piece::new(format!("{} ", fit(binding.label, 9)), key), Piece::new(binding.help, words)];
        rows.extend(wrap(row, width.saturating_sub(2), 10));
    }
    for (title, lines) in TOPICS {
        rows.push(Vec::new());
        rows.push(vec![Piece::new(*title, Look::Heading)]);
        for line in *lines {
            rows.extend(wrap(vec![Piece::new(*line, Look::Plain)], width.saturating_sub(2), 2));
        }
    }
    rows
}

/// How many rows the help can be scrolled.
pub fn help_scroll(state: &State, area: Rect) -> u16 {
    let rows = help(state, usize::from(area.width)).len();
    u16::try_from(rows.saturating_sub(usize::from(area.height))).unwrap_or(0)
}

const TOPICS: &[(&str, &[&str])] = &[
    (
        "The line (:)",
        &[
            "A domain, a URL, an address, host:port or a message file; Enter goes there, Esc closes it.",
            "Up: what was typed before. Down: the examples of the demo world, where it runs.",
        ],
    ),
    (
        "States",
        &[
            "ok: published, nothing to say against it. note, WARN, ERROR: published, with findings.",
            "none: surely not published. unseen: we could not look (refused, timed out, a failing server): it may well be there.",
            "asking: its questions are under way. failed: the job itself could not be done.",
        ],
    ),
    (
        "The raw source of a message",
        &[
            "Gmail: open it, the three dots, \"Show original\", \"Copy to clipboard\"; then p here, or paste.",
            "Outlook on the web: the three dots, View, \"View message source\". Outlook for Windows: save as .eml, or File, Properties, \"Internet headers\" (headers alone).",
            "Apple Mail: View, Message, Raw Source. Thunderbird: More, View Source (Ctrl-U).",
            "An .eml file keeps every byte; a paste may lose bytes that are not UTF-8, and then says so.",
        ],
    ),
];

fn paper(state: &State, area: Rect, rows: &[Vec<Piece>], top: usize, buffer: &mut Buffer) {
    clear(area, buffer);
    for (y, row) in (area.top()..area.bottom()).zip(rows.iter().skip(top)) {
        pieces(buffer, state.shared.theme, (area.x + 1, y), area.width.saturating_sub(1), row);
    }
    if rows.len() > top + usize::from(area.height) {
        let sign = if state.shared.theme.ascii { "v more" } else { "↓ more" };
        let at = area.right().saturating_sub(7);
        pieces(buffer, state.shared.theme, (at, area.bottom().saturating_sub(1)), 7, &[Piece::new(sign, Look::Strong)]);
    }
}

fn note(state: &State, area: Rect, title: &str, text: &str, buffer: &mut Buffer) {
    let width = area.width.saturating_sub(4).min(70);
    let warned = |line: &str| if line.starts_with("! ") { Look::Warn } else { Look::Plain };
    let paragraphs = text.split('\n').map(|line| wrap(vec![Piece::new(line, warned(line))], usize::from(width), 0));
    let rows: Vec<Vec<Piece>> = paragraphs.flatten().collect();
    let inner = framed(state, area, title, width, u16::try_from(rows.len()).unwrap_or(u16::MAX), buffer);
    for (y, row) in (inner.top()..inner.bottom()).zip(&rows) {
        pieces(buffer, state.shared.theme, (inner.x, y), inner.width, row);
    }
}

fn choice(state: &State, area: Rect, menu: &Menu, buffer: &mut Buffer) {
    let widest = menu.items.iter().map(|(text, _)| columns(text)).max().unwrap_or(0) + 4;
    let width = u16::try_from(widest).unwrap_or(u16::MAX).clamp(20, area.width.saturating_sub(4).max(20));
    let inner = framed(state, area, &menu.title, width, u16::try_from(menu.items.len()).unwrap_or(u16::MAX), buffer);
    let top = (menu.selected + 1).saturating_sub(usize::from(inner.height));
    let theme = state.shared.theme;
    if menu.items.len() > top + usize::from(inner.height) {
        let sign = if theme.ascii { " v more " } else { " ↓ more " };
        let place = (inner.right().saturating_sub(9), inner.bottom());
        pieces(buffer, theme, place, 9, &[Piece::new(sign, Look::Strong)]);
    }
    for (y, (nth, (text, _))) in (inner.top()..inner.bottom()).zip(menu.items.iter().enumerate().skip(top)) {
        let chosen = nth == menu.selected;
        let sign = if chosen { "> " } else { "  " };
        pieces(
            buffer,
            state.shared.theme,
            (inner.x, y),
            inner.width,
            &[Piece::new(format!("{sign}{text}"), Look::Plain)],
        );
        if chosen {
            buffer.set_style(Rect { y, height: 1, ..inner }, state.shared.theme.cursor());
        }
    }
}

/// A frame in the middle; returns its inside.
fn framed(state: &State, area: Rect, title: &str, width: u16, height: u16, buffer: &mut Buffer) -> Rect {
    let width = (width + 4).min(area.width);
    let height = (height + 2).min(area.height);
    let outer = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    clear(outer, buffer);
    let theme = state.shared.theme;
    let (corner, wall) = if theme.ascii { (["+", "+", "+", "+"], "|") } else { (["┌", "┐", "└", "┘"], "│") };
    let line = theme.rule().repeat(usize::from(width.saturating_sub(2)));
    let style = theme.style(Look::Dim);
    for (y, [left, right]) in
        [(outer.top(), [corner[0], corner[1]]), (outer.bottom().saturating_sub(1), [corner[2], corner[3]])]
    {
        buffer.set_stringn(outer.x, y, format!("{left}{line}{right}"), usize::from(width), style);
    }
    for y in outer.top() + 1..outer.bottom().saturating_sub(1) {
        buffer.set_string(outer.x, y, wall, style);
        buffer.set_string(outer.right().saturating_sub(1), y, wall, style);
    }
    let heading = format!(" {title} ");
    pieces(buffer, theme, (outer.x + 2, outer.y), width.saturating_sub(4), &[Piece::new(heading, Look::Heading)]);
    Rect { x: outer.x + 2, y: outer.y + 1, width: width.saturating_sub(4), height: height.saturating_sub(2) }
}

fn clear(area: Rect, buffer: &mut Buffer) {
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
}

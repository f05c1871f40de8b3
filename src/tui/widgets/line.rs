//! The second row: what is looked at, or the question that is open on it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::tui::action::PaneId;
use crate::tui::document::Piece;
use crate::tui::document::wrap::{columns, cut_to_words};
use crate::tui::inquiry::Stage;
use crate::tui::state::{Line, Purpose, Shared};
use crate::tui::theme::Look;
use crate::tui::viewer::pieces;
use crate::untrusted::visible;

/// Draws the row; returns where the terminal's cursor belongs while a question is open.
pub fn view(shared: &Shared, active: PaneId, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    match &shared.line {
        Some(line) => question(shared, line, area, buffer),
        None => {
            title(shared, active, area, buffer);
            None
        }
    }
}

/// Whether a question would leave too little of the row for its answer; it then stands over the pane.
pub fn is_long(label: &str, width: u16) -> bool {
    columns(label) * 2 > usize::from(width)
}

fn question(shared: &Shared, line: &Line, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let theme = shared.theme;
    let label = match line.purpose {
        Purpose::Go => " : ".to_owned(),
        Purpose::Blank(key) if is_long(&line.label, area.width) => format!(" {}: ", key.replace('_', " ")),
        _ => format!(" {}: ", line.label),
    };
    let x = pieces(buffer, theme, (area.x, area.y), area.width, &[Piece::new(label, Look::Strong)]);
    let room = area.right().saturating_sub(x + 1);
    if room == 0 {
        return None;
    }
    let covered = covered(line);
    let typed = covered.as_str();
    let value = visible(typed).into_owned();
    let before = columns(&visible(&typed.chars().take(line.input.cursor()).collect::<String>()));
    let skip = before.saturating_sub(usize::from(room).saturating_sub(1));
    let mut shown = String::new();
    let mut column = 0;
    for c in value.chars() {
        let width = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if column >= skip {
            shown.push(c);
        }
        column += width;
    }
    // What lies to the left is not lost.
    if skip > 0 {
        let rest = shown.chars().skip(1).collect::<String>();
        shown = format!("…{rest}");
    }
    let end = pieces(buffer, theme, (x, area.y), room, &[Piece { text: shown, look: Look::Strong }]);
    // What is wrong stands above the keys, where there is room for it whatever was typed.
    let at = end.saturating_add(1);
    if value.is_empty() && at < area.right() {
        let hint = cut_to_words(&line.hint, usize::from(area.right() - at));
        pieces(buffer, theme, (at, area.y), area.right() - at, &[Piece::new(hint, Look::Dim)]);
    }
    let cursor = x + u16::try_from(before - skip).unwrap_or(0);
    Some(Position { x: cursor.min(area.right().saturating_sub(1)), y: area.y })
}

/// What stands on the line as it may be shown: a secret is stars from its first letter on, the one behind `AUTH PLAIN` too.
fn covered(line: &Line) -> String {
    let typed = line.input.value();
    let open = match (line.hidden, &line.purpose) {
        (true, _) => 0,
        (false, Purpose::Say) => crate::smtp::mask::shown(typed),
        (false, _) => return typed.to_owned(),
    };
    typed.chars().enumerate().map(|(at, c)| if at < open { c } else { '*' }).collect()
}

fn title(shared: &Shared, active: PaneId, area: Rect, buffer: &mut Buffer) {
    let theme = shared.theme;
    let Some(inquiry) = shared.inquiry(active) else {
        pieces(
            buffer,
            theme,
            (area.x, area.y),
            area.width,
            &[Piece::new(" :  go to a domain, host:port or file", Look::Dim)],
        );
        return;
    };
    let row = [Piece::new(" ", Look::Plain), Piece::new(&inquiry.title, Look::Strong)];
    let end = pieces(buffer, theme, (area.x, area.y), area.width, &row);
    let supposed = shared.what_if.as_ref().filter(|_| active == PaneId::Domain);
    let note = match &inquiry.stage {
        _ if supposed.is_some() => "WHAT IF: not published (w: edit, Esc: back)".to_owned(),
        Stage::Running => match inquiry.shown_since() {
            Some(at) => format!(
                "{} asking again; shown: {:02}:{:02}:{:02}",
                theme.running_glyph(),
                at.hour(),
                at.minute(),
                at.second()
            ),
            None => format!("{} asking", theme.running_glyph()),
        },
        Stage::Stopped => "stopped".to_owned(),
        Stage::Refused(_) => String::new(),
        Stage::Failed(_) => "failed".to_owned(),
        Stage::Finished(report) => {
            format!("as of {:02}:{:02}:{:02} UTC", report.at.hour(), report.at.minute(), report.at.second())
        }
    };
    let at = area.right().saturating_sub(u16::try_from(columns(&note)).unwrap_or(0) + 1);
    if at > end + 1 {
        let look = if supposed.is_some() { Look::Warn } else { Look::Dim };
        pieces(buffer, theme, (at, area.y), area.right() - at, &[Piece::new(note, look)]);
    }
}

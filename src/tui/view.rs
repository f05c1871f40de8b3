//! Drawing: a pure function of the state.
//!
//! ```text
//!  mxray | 1 Domain | 2 Message …              whom we ask | what was asked     header
//!  : monsec.io                                                                   line
//! ----------------------------------------------------------------------------
//!  the pane
//! ----------------------------------------------------------------------------
//!  what has just happened                                                        notice
//!  y copy value  n copy name …                                                   keys
//! ```

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::tui::document::Piece;
use crate::tui::document::wrap::wrap;
use crate::tui::state::State;
use crate::tui::theme::Look;
use crate::tui::viewer::{pieces, rule};
use crate::tui::widgets::{footer, header, line, overlay};

/// The smallest window that is worth drawing in.
pub const SMALLEST: (u16, u16) = (30, 8);

/// Draws everything.
pub fn view(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    if let Some(cursor) = draw(state, area, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
}

/// Draws everything into a buffer; returns where the terminal's cursor belongs.
pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        too_small(state, area, buffer);
        return None;
    }
    let pane = pane_area(area.width, area.height);
    let row = |y: u16| Rect { x: area.x, y, width: area.width, height: 1 };
    header::view(&state.shared, state.active, row(area.y), buffer);
    let cursor = line::view(&state.shared, state.active, row(area.y + 1), buffer);
    if has_rules(area.height) {
        rule(buffer, state.shared.theme, area.x, 2, area.width);
        rule(buffer, state.shared.theme, area.x, pane.bottom(), area.width);
    }
    if let Some(shown) = state.panes.get(state.active.index()) {
        shown.view(&state.shared, pane, buffer);
    }
    footer::notice(state, row(area.bottom() - 2), buffer);
    footer::view(state, row(area.bottom() - 1), buffer);
    overlay::view(state, pane, buffer);
    cursor
}

/// Where the pane lies in a window of this size.
pub fn pane_area(width: u16, height: u16) -> Rect {
    let (top, bottom) = if has_rules(height) { (3, 3) } else { (2, 2) };
    Rect { x: 0, y: top, width, height: height.saturating_sub(top + bottom) }
}

fn has_rules(height: u16) -> bool {
    height >= 14
}

/// The worst news still fits into a few words.
fn too_small(state: &State, area: Rect, buffer: &mut Buffer) {
    let worst = state
        .shared
        .inquiry(state.active)
        .and_then(|inquiry| inquiry.verdict.iter().max_by_key(|line| line.severity))
        .map(|line| format!(" {} {}", line.question, line.answer))
        .unwrap_or_default();
    let text = format!("mxray: needs {}x{}, q quits.{worst}", SMALLEST.0, SMALLEST.1);
    let rows = wrap(vec![Piece::new(text, Look::Plain)], usize::from(area.width.max(1)), 0);
    for (y, row) in (area.top()..area.bottom()).zip(rows) {
        pieces(buffer, state.shared.theme, (area.x, y), area.width, &row);
    }
}

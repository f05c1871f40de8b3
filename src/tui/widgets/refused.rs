//! What the message pane shows of something that is no message: what it seems to be, what to do, which keys lead on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::job::Refusal;
use crate::report::State;
use crate::tui::document::Piece;
use crate::tui::document::wrap::wrap;
use crate::tui::state::Shared;
use crate::tui::theme::Look;
use crate::tui::viewer::pieces;

/// Lines are no wider than this: they are sentences.
const WIDEST: usize = 96;

/// Draws the page; `earlier` says that Esc leads back to a message.
pub fn view(refusal: &Refusal, earlier: bool, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(4)).min(WIDEST);
    let glyph = shared.theme.state_glyph(State::Absent);
    let what = vec![Piece::new(format!("{glyph} NO MESSAGE  "), Look::Warn), Piece::new(&refusal.what, Look::Strong)];
    let mut rows = wrap(what, width, 2);
    rows.push(Vec::new());
    rows.extend(wrap(vec![Piece::new(&refusal.advice, Look::Plain)], width, 0));
    rows.push(Vec::new());
    if let Some(domain) = &refusal.domain {
        rows.push(vec![Piece::new("Enter ", Look::Strong), Piece::new(format!("looks at {domain}"), Look::Plain)]);
    }
    let next = [
        Piece::new("p ", Look::Strong),
        Piece::new("takes the clipboard's text, ", Look::Plain),
        Piece::new("o ", Look::Strong),
        Piece::new("opens a file, ", Look::Plain),
        Piece::new("? ", Look::Strong),
        Piece::new("says how each mail program shows the source", Look::Plain),
    ];
    rows.extend(wrap(next.to_vec(), width, 0));
    if earlier {
        rows.push(vec![
            Piece::new("Esc ", Look::Strong),
            Piece::new("goes back to the message that was here before", Look::Plain),
        ]);
    }
    let top = area.y + u16::from(area.height >= 12);
    for (y, row) in (top..area.bottom()).zip(&rows) {
        pieces(buffer, shared.theme, (area.x + 2, y), area.width.saturating_sub(3), row);
    }
}

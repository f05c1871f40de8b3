//! What a pane shows before anything was asked: what it is for, and what to type or paste.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::document::Piece;
use crate::tui::document::wrap::wrap;
use crate::tui::state::{EngineStage, Shared};
use crate::tui::theme::Look;
use crate::tui::viewer::pieces;

/// The domain pane's.
pub fn domain(shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let mut rows = vec![
        vec![],
        vec![Piece::new("An X-ray for mail.", Look::Strong)],
        vec![],
        vec![Piece::new(
            "Type a domain and press Enter: what it publishes, what is wrong, what would be better.",
            Look::Plain,
        )],
        vec![Piece::new("Paste a whole message, anywhere: it is laid open and verified again.", Look::Plain)],
        vec![Piece::new("Type host:25 to watch an SMTP dialogue; a path opens a message file.", Look::Plain)],
        vec![],
    ];
    if !shared.offers.is_empty() {
        rows.push(vec![Piece::new("In the demo world (no network needed), for example:", Look::Plain)]);
        for (target, about) in &shared.offers {
            rows.push(vec![Piece::new(format!("  {target:<24} "), Look::Strong), Piece::new(about, Look::Dim)]);
        }
        rows.push(vec![Piece::new("  Up and Down put them on the line.", Look::Dim)]);
        rows.push(vec![]);
    }
    engine(shared, &mut rows);
    draw(shared, area, buffer, rows);
}

/// The message pane's.
pub fn message(shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let mut rows = vec![
        vec![],
        vec![Piece::new("Paste a whole message, headers and body.", Look::Strong)],
        vec![],
        vec![Piece::new(
            "Or p: the clipboard's text as it is; o, or drop a path here: a file. ? says how to get the source out of your mail program.",
            Look::Plain,
        )],
        vec![Piece::new(
            "Nothing is asked before you have seen where the questions go: whoever owns a zone sees who looks.",
            Look::Plain,
        )],
        vec![],
    ];
    engine(shared, &mut rows);
    draw(shared, area, buffer, rows);
}

/// The SMTP pane's.
pub fn smtp(shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let mut rows = vec![
        vec![],
        vec![Piece::new("Watch a mail server talk.", Look::Strong)],
        vec![],
        vec![Piece::new(
            "Type smtp DOMAIN for all its MX hosts, host:port or an address for one server (:).",
            Look::Plain,
        )],
        vec![Piece::new(
            "mxray greets, asks for TLS, looks at the certificate, and says QUIT. No mail is sent.",
            Look::Plain,
        )],
        vec![],
    ];
    engine(shared, &mut rows);
    draw(shared, area, buffer, rows);
}

fn engine(shared: &Shared, rows: &mut Vec<Vec<Piece>>) {
    match &shared.engine {
        EngineStage::Starting => {
            rows.push(vec![Piece::new("The look-up engine is starting; you can type already.", Look::Running)])
        }
        EngineStage::Ready => rows.push(vec![
            Piece::new("Questions go to ", Look::Dim),
            Piece::new(&shared.resolver, Look::Plain),
            Piece::new(" (R: others).", Look::Dim),
        ]),
        EngineStage::Failed(why) => {
            rows.push(vec![Piece::new("No question can be asked: ", Look::Error), Piece::new(why, Look::Plain)]);
        }
    }
}

fn draw(shared: &Shared, area: Rect, buffer: &mut Buffer, rows: Vec<Vec<Piece>>) {
    let width = usize::from(area.width.saturating_sub(4)).min(96);
    // An offer's words stay in their column.
    let hang = |row: &[Piece]| {
        if row.first().is_some_and(|first| first.text.starts_with("  ") && row.len() > 1) { 27 } else { 0 }
    };
    let flowing = rows.into_iter().flat_map(|row| {
        let hang = hang(&row);
        if row.is_empty() { vec![row] } else { wrap(row, width, hang) }
    });
    for (y, row) in (area.top()..area.bottom()).zip(flowing) {
        pieces(buffer, shared.theme, (area.x + 2, y), area.width.saturating_sub(3), &row);
    }
}

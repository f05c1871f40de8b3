//! The first row: the panes with their keys, whom the engine asks, what the job has asked so far.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::tui::action::PaneId;
use crate::tui::document::Piece;
use crate::tui::document::wrap::columns;
use crate::tui::inquiry::{Inquiry, Stage};
use crate::tui::keymap::pane_word;
use crate::tui::state::{EngineStage, Shared};
use crate::tui::theme::Look;
use crate::tui::viewer::pieces;
use crate::untrusted::visible;

/// Draws the header.
pub fn view(shared: &Shared, active: PaneId, area: Rect, buffer: &mut Buffer) {
    let theme = shared.theme;
    let mut x = area.x;
    if area.width >= 60 {
        x = pieces(buffer, theme, (x, area.y), area.width, &[Piece::new(" mxray ", Look::Strong)]);
    }
    for (nth, pane) in PaneId::ALL.into_iter().enumerate() {
        let text = format!(" {} {} ", nth + 1, pane_word(pane));
        let from = x;
        x = pieces(buffer, theme, (x, area.y), area.right().saturating_sub(x), &[Piece::new(text, Look::Plain)]);
        if pane == active {
            let style = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
            buffer.set_style(Rect { x: from, y: area.y, width: x - from, height: 1 }, style);
        }
    }
    let room = usize::from(area.right().saturating_sub(x + 2));
    let right = [full(shared, active), brief(shared, active)].into_iter().find(|text| columns(text) <= room);
    if let Some(text) = right {
        let at = area.right().saturating_sub(u16::try_from(columns(&text)).unwrap_or(0) + 1);
        let look = if matches!(shared.engine, EngineStage::Failed(_)) { Look::Error } else { Look::Dim };
        pieces(buffer, theme, (at, area.y), area.right().saturating_sub(at), &[Piece::new(text, look)]);
    }
}

/// Which pane is under a column of the header.
pub fn pane_at(width: u16, column: u16) -> Option<PaneId> {
    let mut x = if width >= 60 { 7 } else { 0 };
    for (nth, pane) in PaneId::ALL.into_iter().enumerate() {
        let next = x + columns(&format!(" {} {} ", nth + 1, pane_word(pane)));
        if (x..next).contains(&usize::from(column)) {
            return Some(pane);
        }
        x = next;
    }
    None
}

fn inquiry(shared: &Shared, active: PaneId) -> Option<&Inquiry> {
    shared.inquiry(active).or_else(|| shared.inquiries.iter().flatten().next())
}

fn full(shared: &Shared, active: PaneId) -> String {
    let whom = match &shared.engine {
        EngineStage::Starting => "starting".to_owned(),
        EngineStage::Ready => visible(&shared.resolver).into_owned(),
        EngineStage::Failed(_) => "NO RESOLVER".to_owned(),
    };
    let asked = brief(shared, active);
    if asked.is_empty() { whom } else { format!("{whom}  {asked}") }
}

/// `1 lookup`, `34 lookups`.
pub fn lookups(count: usize) -> String {
    if count == 1 { "1 lookup".to_owned() } else { format!("{count} lookups") }
}

fn brief(shared: &Shared, active: PaneId) -> String {
    let Some(inquiry) = inquiry(shared, active) else { return String::new() };
    let (all, open) = inquiry.lookup_counts();
    match &inquiry.stage {
        Stage::Running => format!("{}, {open} under way", lookups(all)),
        Stage::Finished(report) => format!("{}, {:.0} ms", lookups(all), report.elapsed_ms),
        // The page says what it is.
        Stage::Refused(_) => String::new(),
        Stage::Failed(_) => "failed".into(),
        Stage::Stopped => "stopped".into(),
    }
}

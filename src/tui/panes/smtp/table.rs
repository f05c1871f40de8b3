//! The hosts side by side: the report's summary, cut to what fits. Narrow windows keep the host and the verdicts and drop
//! the times.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::widest;
use crate::finding::Severity;
use crate::report::Table;
use crate::tui::document::Piece;
use crate::tui::document::wrap::{columns, cut, fit};
use crate::tui::theme::{Look, Theme};
use crate::tui::viewer::pieces;
use crate::untrusted::visible;

/// Columns with times, dropped first when there is no room.
const TIMES: std::ops::Range<usize> = 1..5;
/// The longest host name that is shown whole.
const MAX_HOST: usize = 34;

/// Draws head and rows.
pub(super) fn view(table: &Table, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    // The gap behind the last column may hang over the edge.
    let width = usize::from(area.width);
    let widths = widths(table, width);
    let head = table.columns.iter().zip(&widths).filter(|(_, width)| **width > 0);
    let head: Vec<Piece> = std::iter::once(Piece::new(" ", Look::Dim))
        .chain(head.map(|(name, width)| Piece::new(format!("{}  ", fit(short(name, *width), *width)), Look::Dim)))
        .collect();
    pieces(buffer, theme, (area.x, area.y), area.width, &head);
    let shown = usize::from(area.height - 1);
    for (nth, row) in table.rows.iter().take(shown).enumerate() {
        let y = area.y + 1 + u16::try_from(nth).unwrap_or(0);
        let mut line = vec![Piece::new(" ", Look::Plain)];
        for (cell, width) in row.cells.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            let look = if cell.severity == Severity::Ok { Look::Plain } else { cell.severity.into() };
            line.push(Piece::new(fit(&cut(&visible(&cell.text), *width), *width), look));
            line.push(Piece::new("  ", Look::Plain));
        }
        if nth + 1 == shown && table.rows.len() > shown {
            line.push(Piece::new(format!("and {} more", table.rows.len() - shown), Look::Dim));
        }
        pieces(buffer, theme, (area.x, y), area.width, &line);
    }
}

/// A column's head as there is room for it: the last word of one that does not fit.
fn short(name: &str, width: usize) -> &str {
    if columns(name) <= width { name } else { name.rsplit(' ').next().unwrap_or(name) }
}

/// The width of each column; 0 is left out.
fn widths(table: &Table, room: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = (0..table.columns.len())
        .map(|at| {
            let head = table.columns.get(at).map_or(0, |name| columns(name));
            let cells = table.rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| cell.text.as_str());
            widest(cells).max(head).min(if at == 0 { MAX_HOST } else { 24 })
        })
        .collect();
    let total = |widths: &[usize]| widths.iter().filter(|width| **width > 0).map(|width| width + 2).sum::<usize>();
    if total(&widths) > room {
        for width in widths.get_mut(TIMES).unwrap_or_default() {
            *width = 0;
        }
    }
    // A head that is longer than its cells is shortened before a name is.
    let over = total(&widths).saturating_sub(room);
    if let (Some(name), Some(width)) = (table.columns.last(), widths.last_mut()) {
        let cells = table.rows.iter().filter_map(|row| row.cells.last()).map(|cell| cell.text.as_str());
        let least = widest(cells).max(columns(short(name, 0)));
        *width = (*width).min(least.max(width.saturating_sub(over)));
    }
    // What is still too wide is taken from the host's name, then from the right.
    let over = total(&widths).saturating_sub(room);
    if let Some(host) = widths.first_mut() {
        *host = host.saturating_sub(over).max(12);
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cell, Row};

    #[test]
    fn narrow_windows_keep_the_verdicts_and_drop_the_times() {
        let names = ["HOST", "CONNECT", "BANNER", "EHLO", "TLS", "PKIX", "MTA-STS", "DANE", "A SENDER REPORTS"];
        let cells = [
            "10 mail.example.test",
            "0.3",
            "1.1",
            "0.4",
            "6.2",
            "ok to 2027-01-02",
            "covered",
            "3 1 1 ok",
            "(success)",
        ];
        let row = Row { cells: cells.map(Cell::from).to_vec(), section: None };
        let table = Table { columns: names.map(str::to_owned).to_vec(), rows: vec![row] };
        assert!(widths(&table, 118).iter().all(|width| *width > 0));
        let narrow = widths(&table, 78);
        assert_eq!(narrow[1..5], [0, 0, 0, 0]);
        assert!(narrow[5] > 0 && narrow[8] > 0);
    }

    #[test]
    fn a_long_head_gives_way_before_a_hosts_name_is_cut() {
        let names = ["HOST", "CONNECT", "BANNER", "EHLO", "TLS", "PKIX", "MTA-STS", "DANE", "A SENDER REPORTS"];
        let host = "10 mx.good.servers.example";
        let cells = [host, "0.3", "1.1", "0.4", "6.2", "ok to 2046-01-01", "covered", "3 1 1 ok", "success"];
        let row = Row { cells: cells.map(Cell::from).to_vec(), section: None };
        let table = Table { columns: names.map(str::to_owned).to_vec(), rows: vec![row] };
        assert_eq!(widths(&table, 78)[0], host.len());
        assert_eq!(widths(&table, 78).iter().filter(|width| **width > 0).map(|width| width + 2).sum::<usize>(), 78);
    }
}

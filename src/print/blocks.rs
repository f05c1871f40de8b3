//! The blocks of a section as lines of text.

use unicode_width::UnicodeWidthStr;

use super::page::{Page, Tone, cut, padded};
use crate::finding::Severity;
use crate::report::{Cell, Fact, Mark, RecordBlock, Table, TreeNode};
use crate::untrusted::{visible, visible_record};

/// Files longer than this are not printed whole: the screen scrolls, a report does not.
const MOST_SOURCE_LINES: usize = 24;
/// Columns that the last column of a table keeps before the others give way.
const LAST_COLUMN: usize = 32;
/// Columns of a file's line beside its explanation.
const SOURCE_LINE: usize = 40;
/// Columns of a term beside its explanation.
const TERM: usize = 30;

/// A published record: its place, its content, and with `explained` what each part means.
pub fn record(page: &mut Page, indent: &str, record: &RecordBlock, explained: bool) {
    let mut place = format!("{}  {}", record.rr_type, record.host);
    if let Some(ttl) = record.ttl {
        place.push_str(&format!("  TTL {ttl}"));
    }
    if let Some(lookup) = record.lookup {
        place.push_str(&format!("  #{}", lookup.0));
    }
    page.line(&[(Tone::Plain, indent), (Tone::Dim, &place)]);
    let priority = record.priority.map_or_else(String::new, |priority| format!("{priority} "));
    for line in record.text.split('\n') {
        page.wrapped(
            &[(Tone::Plain, indent), (Tone::Plain, "  "), (Tone::Plain, &priority)],
            Tone::Plain,
            &visible_record(line),
        );
    }
    if !explained {
        return;
    }
    let widest = TERM.min(widest_term(record));
    for mark in &record.marks {
        let term = mark.span.of_str(&record.text).unwrap_or_default().trim();
        let head = padded(&cut(&visible_record(term), TERM), widest);
        let tone = mark.severity.into();
        page.wrapped(
            &[(Tone::Plain, indent), (Tone::Plain, "    "), (tone, &head), (Tone::Plain, "  ")],
            Tone::Dim,
            &mark.note,
        );
    }
}

fn widest_term(record: &RecordBlock) -> usize {
    let terms = record.marks.iter().filter_map(|mark| mark.span.of_str(&record.text));
    terms.map(|term| visible_record(term.trim()).width()).max().unwrap_or(0)
}

/// Labels and values in two columns.
pub fn facts(page: &mut Page, indent: &str, facts: &[Fact]) {
    let widest = facts.iter().map(|fact| visible(&fact.label).width()).max().unwrap_or(0);
    for fact in facts {
        let label = padded(&fact.label, widest);
        page.wrapped(
            &[(Tone::Plain, indent), (Tone::Dim, &label), (Tone::Plain, "  ")],
            tone(&fact.value),
            &fact.value.text,
        );
    }
}

/// A tree, what stands at the right aligned at the edge.
pub fn tree(page: &mut Page, indent: &str, nodes: &[TreeNode]) {
    let mut rows = Vec::new();
    flatten(nodes, 0, &mut rows);
    let widest = rows.iter().map(|(depth, node)| depth * 2 + visible(&node.text.text).width()).max().unwrap_or(0);
    let most_right = page.width() / 2;
    let right = rows.iter().map(|(_, node)| visible(&node.right).width()).max().unwrap_or(0).min(most_right);
    let room = page.width().saturating_sub(indent.len() + right + 2).max(20);
    let column = widest.min(room);
    for (depth, node) in rows {
        let left = format!("{}{}", "  ".repeat(depth), visible(&node.text.text));
        let left = padded(&cut(&left, column), column);
        page.line(&[
            (Tone::Plain, indent),
            (tone(&node.text), left.as_str()),
            (Tone::Dim, if node.right.is_empty() { "" } else { "  " }),
            (Tone::Dim, &cut(&node.right, most_right)),
        ]);
    }
}

fn flatten<'a>(nodes: &'a [TreeNode], depth: usize, rows: &mut Vec<(usize, &'a TreeNode)>) {
    for node in nodes {
        rows.push((depth, node));
        flatten(&node.children, depth + 1, rows);
    }
}

/// Columns as wide as their cells; when the line is too short the last column wraps, then the widest others give way.
pub fn table(page: &mut Page, indent: &str, table: &Table) {
    let mut widths: Vec<usize> = table.columns.iter().map(|heading| heading.width()).collect();
    for row in &table.rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(visible(&cell.text).width());
        }
    }
    let room = page.width().saturating_sub(indent.len() + 2 * widths.len().saturating_sub(1));
    let last = widths.pop().unwrap_or(0).min(LAST_COLUMN);
    while widths.iter().sum::<usize>() + last > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > 8 => *widest -= 1,
            _ => break,
        }
    }
    let headings: Vec<Cell> = table.columns.iter().map(|heading| Cell::from(heading.as_str()).dimmed()).collect();
    let rows = std::iter::once(&headings).chain(table.rows.iter().map(|row| &row.cells));
    for cells in rows {
        let mut pieces: Vec<(Tone, String)> = vec![(Tone::Plain, indent.to_owned())];
        for (cell, &width) in cells.iter().zip(&widths) {
            pieces.push((tone(cell), padded(&cut(&cell.text, width), width) + "  "));
        }
        let pieces: Vec<(Tone, &str)> = pieces.iter().map(|(tone, text)| (*tone, text.as_str())).collect();
        match cells.get(widths.len()) {
            Some(end) => page.wrapped(&pieces, tone(end), &end.text),
            None => page.line(&pieces),
        }
    }
}

/// A file as it was read, up to a screenful, each line with what it means beside it.
pub fn source(page: &mut Page, indent: &str, title: &str, (text, marks): (&str, &[Mark])) {
    page.line(&[(Tone::Plain, indent), (Tone::Dim, title)]);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let shown = lines.iter().take(MOST_SOURCE_LINES);
    let widest = shown.clone().map(|line| visible(line.trim_end_matches(['\r', '\n'])).width()).max().unwrap_or(0);
    let mut start = 0;
    for line in shown {
        let end = start + line.len();
        let here: Vec<&Mark> =
            marks.iter().filter(|mark| (start..end).contains(&mark.span.start) && !mark.note.is_empty()).collect();
        let bare = line.trim_end_matches(['\r', '\n']);
        if here.is_empty() {
            let bare = cut(bare, page.width().saturating_sub(indent.len() + 2));
            page.line(&[(Tone::Plain, indent), (Tone::Plain, "  "), (Tone::Plain, &bare)]);
        } else {
            let width = widest.min(SOURCE_LINE);
            let severity = here.iter().map(|mark| mark.severity).max().unwrap_or(Severity::Ok);
            let head = padded(&cut(bare, width), width);
            let notes: Vec<&str> = here.iter().map(|mark| mark.note.as_str()).collect();
            page.wrapped(
                &[(Tone::Plain, indent), (Tone::Plain, "  "), (severity.into(), &head), (Tone::Plain, "  ")],
                Tone::Dim,
                &notes.join("; "),
            );
        }
        start = end;
    }
    if lines.len() > MOST_SOURCE_LINES {
        let more = format!("  and {} more lines", lines.len() - MOST_SOURCE_LINES);
        page.line(&[(Tone::Plain, indent), (Tone::Dim, &more)]);
    }
}

fn tone(cell: &Cell) -> Tone {
    if cell.dim { Tone::Dim } else { cell.severity.into() }
}

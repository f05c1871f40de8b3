//! The blocks of a section as rows: records with their spans explained, facts, trees that fold, tables, prose.

use super::source::LineIndex;
use super::wrap::{columns, cut, fit};
use super::{Builder, Piece, Target};
use crate::finding::{Finding, Severity};
use crate::report::{Block, Cell, Fact, Link, Mark, RecordBlock, Section, Table, TreeNode};
use crate::tui::theme::Look;
use crate::untrusted::{visible, visible_record};

/// Trees with more nodes than this open two levels only.
const OPEN_NODES: usize = 60;
/// A column is not held wide for the sake of a longer word: it breaks.
const WORD_COLUMNS: usize = 34;
/// A record's content is explained part by part; a part longer than this is cut in the explanation (it stands above).
const PART_COLUMNS: usize = 30;
/// Narrower than this, a column of its own for the parts of a record would cut the parts and starve their explanations.
const PARTS_ASIDE: usize = 56;
/// Labels of facts have at least so much room; longer ones push their values aside.
const LABEL_COLUMNS: usize = 16;

impl Builder<'_> {
    pub(super) fn block(&mut self, section: &Section, at: usize, block: &Block) {
        match block {
            Block::Record(record) => {
                let nth = section.blocks.iter().take(at).filter(|block| matches!(block, Block::Record(_))).count();
                self.record(record, &spans_of(&section.findings, nth));
            }
            Block::Facts(facts) => self.facts(facts),
            Block::Tree(nodes) => {
                self.blank();
                let open = nodes.iter().map(count).sum::<usize>() <= OPEN_NODES;
                for (nth, node) in nodes.iter().enumerate() {
                    self.node(node, &format!("{at}/{nth}"), &mut Vec::new(), open, nth + 1 == nodes.len());
                }
            }
            Block::Table(table) => {
                self.blank();
                self.table(table);
            }
            Block::Prose { title, text } => {
                self.heading(title, "");
                for paragraph in text {
                    self.flow(vec![Piece::new("  ", Look::Plain), Piece::new(paragraph, Look::Plain)], 2);
                }
            }
            Block::Source { title, text, marks } => {
                let marked = marks.iter().filter(|mark| mark.severity > Severity::Ok).count();
                let note = match marked {
                    0 => String::new(),
                    1 => "1 mark".to_owned(),
                    many => format!("{many} marks"),
                };
                self.heading(title, &format!("{} bytes  {note}", text.len()));
                let index = self.layout.lines.get(&at).cloned().unwrap_or_else(|| LineIndex::new(text));
                self.source(at, index);
            }
        }
    }

    fn record(&mut self, record: &RecordBlock, spans: &[(usize, usize, Severity)]) {
        self.blank();
        self.begin(Target::Record {
            value: record.text.clone(),
            host: record.host.clone(),
            name: record.name.clone(),
            rr_type: record.rr_type.clone(),
            ttl: record.ttl,
            lookup: record.lookup,
        });
        let mut head =
            vec![Piece::new(format!("{:<5} ", record.rr_type), Look::Strong), Piece::new(&record.host, Look::Strong)];
        if record.host == "@" {
            head.push(Piece::new(format!(" ({})", record.name), Look::Dim));
        }
        // Each of these stays in one row.
        let together = |text: String| format!("   {}", text.replace(' ', "\u{a0}"));
        if let Some(priority) = record.priority {
            head.push(Piece::new(together(format!("priority {priority}")), Look::Plain));
        }
        if let Some(ttl) = record.ttl {
            head.push(Piece::new(together(format!("TTL {}", duration(ttl))), Look::Dim));
        }
        if let Some(lookup) = record.lookup {
            head.push(Piece::new(together(format!("lookup #{}", lookup.0)), Look::Dim));
        }
        self.flow(head, 6);
        for line in painted(record, spans) {
            self.flow(line, 2);
        }
        let explained: Vec<&Mark> = record.marks.iter().filter(|mark| !mark.note.is_empty()).collect();
        let part =
            |mark: &Mark| cut(&visible_record(mark.span.of_str(&record.text).unwrap_or("").trim()), PART_COLUMNS);
        let widest = explained.iter().map(|mark| columns(&part(mark))).max().unwrap_or(0);
        let aside = self.width() >= PARTS_ASIDE;
        let column = widest.min(self.width() / 3).max(4);
        for mark in explained {
            let part = if aside { fit(&part(mark), column) } else { part(mark) };
            let mut pieces = vec![Piece::new(format!("    {part}  "), Look::Dim)];
            if mark.severity > Severity::Ok {
                pieces.push(Piece::new(format!("{} ", self.severity_word(mark.severity)), mark.severity.into()));
            }
            pieces.push(Piece::new(&mark.note, Look::Plain));
            self.flow(pieces, if aside { column + 6 } else { 6 });
        }
        self.end();
    }

    fn facts(&mut self, facts: &[Fact]) {
        self.blank();
        let widest = facts.iter().map(|fact| columns(&fact.label)).max().unwrap_or(0);
        let widest = widest.min((self.width() / 3).max(LABEL_COLUMNS)).max(4);
        for fact in facts {
            self.begin_line(&fact.value.text, links_of([&fact.value]));
            let label = visible(&fact.label);
            let label = if columns(&label) > widest { label.into_owned() } else { fit(&label, widest) };
            let label = Piece::new(format!("{label}  "), Look::Dim);
            let mut pieces = vec![label];
            pieces.extend(self.cell(&fact.value));
            self.flow(pieces, widest + 2);
            self.end();
        }
    }

    fn begin_line(&mut self, text: &str, links: Vec<(String, Link)>) {
        self.begin(Target::Line { text: text.to_owned(), links });
    }

    fn node(&mut self, node: &TreeNode, key: &str, walls: &mut Vec<bool>, open: bool, last: bool) {
        let ascii = self.layout.theme.ascii;
        let mut lead = String::new();
        for wall in walls.iter() {
            lead.push_str(match (wall, ascii) {
                (true, false) => "│ ",
                (true, true) => "| ",
                (false, _) => "  ",
            });
        }
        let by_default = open || walls.len() < 2;
        let is_open = by_default != self.layout.toggled.contains(key);
        let sign = match (node.children.is_empty(), is_open, ascii) {
            (true, _, false) if last => "└ ",
            (true, _, false) => "├ ",
            (true, _, true) => "- ",
            (false, true, false) => "▾ ",
            (false, true, true) => "v ",
            (false, false, false) => "▸ ",
            (false, false, true) => "> ",
        };
        let links = links_of([&node.text]);
        if node.children.is_empty() {
            self.begin(Target::Leaf { key: key.to_owned(), text: node.text.text.clone(), links });
        } else {
            self.begin(Target::Fold { key: key.to_owned(), text: node.text.text.clone(), links });
        }
        let mut pieces = vec![Piece::new(&lead, Look::Dim), Piece::new(sign, Look::Dim)];
        pieces.extend(self.cell(&node.text));
        if !node.children.is_empty() && !is_open {
            pieces.push(Piece::new(format!("  (+{})", count(node) - 1), Look::Dim));
        }
        let right = visible(&node.right).into_owned();
        let used: usize = pieces.iter().map(|piece| columns(&piece.text)).sum();
        let room = self.width().saturating_sub(used + columns(&right));
        if right.is_empty() || room < 2 {
            self.flow(pieces, columns(&lead) + 4);
        } else {
            pieces.push(Piece::new(" ".repeat(room), Look::Plain));
            pieces.push(Piece::new(&right, Look::Dim));
            self.row(pieces);
        }
        // What does not fit beside it stands whole at the right of a row of its own.
        if !right.is_empty() && room < 2 {
            let wall = match (last, ascii) {
                (true, _) => "  ",
                (false, false) => "│ ",
                (false, true) => "| ",
            };
            let gap = self.width().saturating_sub(columns(&lead) + 2 + columns(&right));
            let lead = format!("{lead}{wall}");
            self.flow(
                vec![
                    Piece::new(lead, Look::Dim),
                    Piece::new(" ".repeat(gap), Look::Plain),
                    Piece::new(right, Look::Dim),
                ],
                4,
            );
        }
        self.end();
        if is_open {
            walls.push(!last);
            for (nth, child) in node.children.iter().enumerate() {
                let last = nth + 1 == node.children.len();
                self.node(child, &format!("{key}/{nth}"), walls, open, last);
            }
            walls.pop();
        }
    }

    /// A table; columns share the width by need. Where the words of a table do not fit side by side, each row flows, the first
    /// two cells as they are, the others with their column's title.
    pub(super) fn table(&mut self, table: &Table) {
        let width = self.width();
        let count = table.columns.len();
        let mut widths: Vec<usize> = table.columns.iter().map(|title| columns(title)).collect();
        for row in &table.rows {
            for (cell, widest) in row.cells.iter().zip(widths.iter_mut()) {
                *widest = (*widest).max(columns(&visible(&cell.text)) + judged_columns(cell));
            }
        }
        let gaps = count.saturating_sub(1) * 2;
        if widths.iter().sum::<usize>() + gaps > width {
            let least: Vec<usize> = (0..count)
                .map(|column| {
                    let cells = table.rows.iter().filter_map(|row| row.cells.get(column));
                    let words = cells.map(|cell| longest_word(&visible(&cell.text)) + judged_columns(cell));
                    let title = table.columns.get(column).map_or(0, |title| longest_word(title));
                    words.max().unwrap_or(0).max(title).min(WORD_COLUMNS)
                })
                .collect();
            if least.iter().sum::<usize>() + gaps > width {
                return self.table_as_list(table);
            }
            share(&mut widths, &least, width - gaps);
        }
        let heads = table
            .columns
            .iter()
            .zip(&widths)
            .map(|(title, width)| super::wrap::wrap(vec![Piece::new(visible(title), Look::Dim)], *width, 0));
        self.side_by_side(heads.collect(), &widths);
        for row in &table.rows {
            self.begin_row(row);
            let cells: Vec<Vec<Vec<Piece>>> = row
                .cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| super::wrap::wrap(self.cell(cell), *width, 0))
                .collect();
            self.side_by_side(cells, &widths);
            self.end();
        }
    }

    /// Wrapped cells beside each other, as tall as the tallest.
    fn side_by_side(&mut self, cells: Vec<Vec<Vec<Piece>>>, widths: &[usize]) {
        let tall = cells.iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..tall {
            let mut pieces = Vec::new();
            for (cell, width) in cells.iter().zip(widths) {
                let part = cell.get(line).cloned().unwrap_or_default();
                let used: usize = part.iter().map(|piece| columns(&piece.text)).sum();
                pieces.extend(part);
                pieces.push(Piece::new(" ".repeat(width.saturating_sub(used) + 2), Look::Plain));
            }
            pieces.pop();
            self.row(pieces);
        }
    }

    fn table_as_list(&mut self, table: &Table) {
        for row in &table.rows {
            self.begin_row(row);
            let mut pieces = Vec::new();
            for (nth, (title, cell)) in table.columns.iter().zip(&row.cells).enumerate() {
                // Where every cell is named one by one, what is not there needs no name.
                if matches!(cell.text.as_str(), "" | "-") {
                    continue;
                }
                // A number alone says nothing.
                let is_number = cell.text.parse::<f64>().is_ok();
                if (nth > 1 || nth == 1 && is_number) && !title.is_empty() {
                    // The title stays with the first word of its cell.
                    let title = in_a_sentence(&visible(title)).replace(' ', "\u{a0}");
                    pieces.push(Piece::new(format!("{title}:\u{a0}"), Look::Dim));
                }
                pieces.extend(self.cell(cell).into_iter().map(|mut piece| {
                    if columns(&piece.text) <= SHORT_CELL {
                        piece.text = piece.text.replace(' ', "\u{a0}");
                    }
                    piece
                }));
                pieces.push(Piece::new("   ", Look::Plain));
            }
            self.flow(pieces, 4);
            self.end();
        }
    }

    fn begin_row(&mut self, row: &crate::report::Row) {
        let mut links = links_of(&row.cells);
        if let Some(section) = row.section {
            links.insert(0, (format!("section {section}"), Link::Section(section)));
        }
        let text: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
        self.begin_line(&text.join("  "), links);
    }

    fn cell(&self, cell: &Cell) -> Vec<Piece> {
        let look = match (cell.dim, cell.severity, &cell.link) {
            (true, ..) => Look::Dim,
            (false, Severity::Ok, Some(_)) => Look::Link,
            (false, Severity::Ok, None) => Look::Plain,
            (false, severity, _) => severity.into(),
        };
        let mut pieces = Vec::new();
        if cell.severity >= Severity::Warning {
            pieces.push(Piece::new(format!("{} ", self.layout.theme.severity_glyph(cell.severity)), look));
        }
        pieces.push(Piece::new(&cell.text, look));
        pieces
    }

    pub(super) fn severity_word(&self, severity: Severity) -> String {
        format!("{} {}", self.layout.theme.severity_glyph(severity), severity.word())
    }
}

/// A cell up to this long is not broken over rows.
const SHORT_CELL: usize = 20;

/// A column's title inside a sentence: acronyms keep their capitals.
fn in_a_sentence(title: &str) -> String {
    // Of a title that is all capitals, one short word may be an acronym; several are none.
    if !title.chars().any(char::is_lowercase) && (title.contains(' ') || title.chars().count() > 7) {
        return title.to_lowercase();
    }
    let small = |word: &str| {
        let acronym = word.chars().filter(|c| c.is_uppercase()).count() > 1;
        if acronym { word.to_owned() } else { word.to_lowercase() }
    };
    title.split(' ').map(small).collect::<Vec<_>>().join(" ")
}

fn judged_columns(cell: &Cell) -> usize {
    if cell.severity >= Severity::Warning { 2 } else { 0 }
}

fn longest_word(text: &str) -> usize {
    text.split([' ', ';', ',']).map(|word| columns(word) + 1).max().unwrap_or(0)
}

/// Takes from the widest until all fit: from those whose words still fit, then, when there is no other way, from words.
fn share(widths: &mut [usize], least: &[usize], room: usize) {
    for floor in [true, false] {
        while widths.iter().sum::<usize>() > room {
            let Some(widest) =
                widths.iter_mut().zip(least).filter_map(|(width, least)| spare(width, *least, floor)).max()
            else {
                break;
            };
            *widest -= 1;
        }
    }
}

fn spare(width: &mut usize, least: usize, floor: bool) -> Option<&mut usize> {
    let keep = if floor { least.max(4) } else { 4 };
    (*width > keep).then_some(width)
}

fn count(node: &TreeNode) -> usize {
    1 + node.children.iter().map(count).sum::<usize>()
}

/// Where Enter could go from these cells.
fn links_of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Vec<(String, Link)> {
    cells.into_iter().filter_map(|cell| cell.link.clone().map(|link| (cell.text.clone(), link))).collect()
}

/// The spans that findings have in the section's record numbered `nth`.
fn spans_of(findings: &[Finding], nth: usize) -> Vec<(usize, usize, Severity)> {
    findings
        .iter()
        .filter(|finding| finding.record == nth && finding.severity > Severity::Ok)
        .filter_map(|finding| finding.span.map(|span| (span.start, span.end, finding.severity)))
        .collect()
}

/// The content line by line (a policy file has several), every explained part underlined, findings in their colour.
fn painted(record: &RecordBlock, spans: &[(usize, usize, Severity)]) -> Vec<Vec<Piece>> {
    let text = record.text.as_str();
    let mut cuts: Vec<usize> = vec![0, text.len()];
    cuts.extend(record.marks.iter().flat_map(|mark| [mark.span.start, mark.span.end]));
    cuts.extend(spans.iter().flat_map(|(start, end, _)| [*start, *end]));
    cuts.retain(|cut| text.is_char_boundary(*cut));
    cuts.sort_unstable();
    cuts.dedup();
    let mut lines = vec![vec![Piece::new("  ", Look::Plain)]];
    for pair in cuts.windows(2) {
        let &[start, end] = pair else { continue };
        let Some(part) = text.get(start..end) else { continue };
        let covers = |from: usize, to: usize| from <= start && end <= to;
        let found = spans.iter().filter(|(from, to, _)| covers(*from, *to)).map(|(.., severity)| *severity);
        let marked =
            record.marks.iter().filter(|mark| covers(mark.span.start, mark.span.end)).map(|mark| mark.severity);
        let look = match found.chain(marked).max() {
            None => Look::Plain,
            Some(severity) => Look::Marked(severity),
        };
        for (nth, line) in part.split('\n').enumerate() {
            if nth > 0 {
                lines.push(vec![Piece::new("  ", Look::Plain)]);
            }
            let line = line.strip_suffix('\r').unwrap_or(line);
            if let Some(last) = lines.last_mut().filter(|_| !line.is_empty()) {
                last.push(Piece::new(visible_record(line), look));
            }
        }
    }
    while lines.len() > 1 && lines.last().is_some_and(|line| line.len() == 1) {
        lines.pop();
    }
    lines
}

/// Seconds as people say them, the number itself kept.
pub(super) fn duration(seconds: u32) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{seconds} ({} min)", seconds / 60),
        7200..=172_799 => format!("{seconds} ({} h)", seconds / 3600),
        _ => format!("{seconds} ({} days)", seconds / 86400),
    }
}

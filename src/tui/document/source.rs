//! Raw text line by line without laying it out: only the visible part of a visible line is ever touched.

use std::borrow::Cow;
use std::sync::Arc;

use crate::finding::Severity;
use crate::report::Mark;
use crate::tui::document::{Piece, wrap::columns};
use crate::tui::theme::Look;
use crate::untrusted::visible;

/// Columns between tab stops.
const TAB: usize = 4;

/// Where each line of a text begins; cloning it shares the list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineIndex {
    starts: Arc<[u32]>,
    end: u32,
}

impl LineIndex {
    /// Finds the lines of `text`; past 4 GiB nothing is shown.
    pub fn new(text: &str) -> LineIndex {
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let mut starts = if text.is_empty() { Vec::new() } else { vec![0] };
        for (at, _) in text.match_indices('\n') {
            match u32::try_from(at + 1) {
                Ok(start) if start < end => starts.push(start),
                _ => break,
            }
        }
        LineIndex { starts: starts.into(), end }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Offsets of the line numbered `line`, its line end included.
    pub fn span(&self, line: usize) -> Option<(usize, usize)> {
        let start = *self.starts.get(line)?;
        let end = self.starts.get(line + 1).copied().unwrap_or(self.end);
        Some((start as usize, end as usize))
    }

    /// The line that holds the byte at `offset`.
    pub fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start as usize <= offset).saturating_sub(1)
    }

    /// The columns from `skip` on of one line, at most `width` of them, marks shown; marks must be sorted by their start.
    pub fn pieces(&self, text: &str, marks: &[Mark], line: usize, skip: usize, width: usize) -> Vec<Piece> {
        let Some((start, end)) = self.span(line) else { return Vec::new() };
        let raw = text.get(start..end).unwrap_or("");
        let raw = raw.strip_suffix('\n').map_or(raw, |cut| cut.strip_suffix('\r').unwrap_or(cut));
        let marks = overlapping(marks, start, start + raw.len());
        let mut out: Vec<Piece> = Vec::new();
        let mut column = 0;
        for (at, c) in raw.char_indices() {
            if column >= skip + width {
                break;
            }
            let mut buffer = [0; 4];
            // A tab is common in headers and harmless: an arrow and blanks up to the next stop show it as what it is.
            let shown = match c {
                '\t' => Cow::Owned(format!("→{}", " ".repeat(TAB - 1 - column % TAB))),
                c => visible(c.encode_utf8(&mut buffer)),
            };
            let from = column;
            column += columns(&shown);
            if from < skip || column > skip + width {
                continue;
            }
            let offset = start + at;
            let look = marks
                .iter()
                .filter(|mark| mark.span.start <= offset && offset < mark.span.end)
                .map(|mark| mark.severity)
                .max()
                .map_or(Look::Plain, Look::Marked);
            match out.last_mut() {
                Some(last) if last.look == look => last.text.push_str(&shown),
                _ => out.push(Piece { text: shown.into_owned(), look }),
            }
        }
        out
    }

    /// The worst note on a line, for the row below the cursor.
    pub fn note<'a>(&self, marks: &'a [Mark], line: usize) -> Option<&'a Mark> {
        let (start, end) = self.span(line)?;
        overlapping(marks, start, end).into_iter().filter(|mark| !mark.note.is_empty()).max_by_key(|mark| mark.severity)
    }
}

/// The marks that touch `start..end`. Marks may nest, so all that begin before `end` are looked at, newest last; a message
/// has few thousand of them at most.
fn overlapping(marks: &[Mark], start: usize, end: usize) -> Vec<&Mark> {
    let before = marks.partition_point(|mark| mark.span.start < end);
    marks.get(..before).unwrap_or(&[]).iter().filter(|mark| mark.span.end > start).collect()
}

/// The worst severity among marks, for a heading.
pub fn worst(marks: &[Mark]) -> Severity {
    marks.iter().map(|mark| mark.severity).max().unwrap_or(Severity::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Span;

    #[test]
    fn only_the_visible_part_of_a_line_is_cut_out() {
        let text = "Subject: hi\r\n\r\nbody \u{1b}[31m\n";
        let index = LineIndex::new(text);
        assert_eq!(index.len(), 3);
        let row = |line, skip, width| -> String {
            index.pieces(text, &[], line, skip, width).into_iter().map(|piece| piece.text).collect()
        };
        assert_eq!(row(0, 0, 80), "Subject: hi");
        assert_eq!(row(0, 9, 80), "hi");
        assert_eq!(row(1, 0, 80), "");
        assert_eq!(row(2, 0, 80), "body ␛[31m");
        assert_eq!(row(2, 0, 6), "body ␛");
        assert_eq!(row(3, 0, 6), "");
    }

    #[test]
    fn marks_are_drawn_where_they_stand() {
        let text = "one\ntwo\n";
        let mark = Mark { span: Span::new(4, 6), note: "here".into(), severity: Severity::Error };
        let index = LineIndex::new(text);
        let pieces = index.pieces(text, std::slice::from_ref(&mark), 1, 0, 80);
        assert_eq!(
            pieces.first().map(|piece| (piece.text.as_str(), piece.look)),
            Some(("tw", Look::Marked(Severity::Error)))
        );
        assert_eq!(index.note(std::slice::from_ref(&mark), 1).map(|mark| mark.note.as_str()), Some("here"));
        assert_eq!(index.note(std::slice::from_ref(&mark), 0), None);
        assert_eq!((index.line_of(0), index.line_of(4), index.line_of(99)), (0, 1, 1));
    }
}

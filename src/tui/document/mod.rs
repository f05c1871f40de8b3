//! A section laid out as rows for one width: what the right side shows and the cursor walks. Laid out once when a section,
//! the width or a fold changes; drawing then touches only the visible rows, so that a 25 MB message costs no more than a
//! short one.

mod blocks;
mod overview;
mod section;
pub mod source;
pub mod wrap;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

pub use overview::{overview, table, worst};
pub use section::{evidence, section};

use crate::report::{Link, LookupId};
use crate::tui::theme::{Look, Theme};
use crate::untrusted::visible;
use source::LineIndex;

/// A piece of text with its meaning; the text is visible already ([`crate::untrusted`]).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Piece {
    /// The text, without anything that a terminal would obey.
    pub text: String,
    /// What it means.
    pub look: Look,
}

impl Piece {
    /// A piece; what a terminal would obey or hide in `text` becomes visible here.
    pub fn new(text: impl AsRef<str>, look: Look) -> Piece {
        Piece { text: visible(text.as_ref()).into_owned(), look }
    }
}

/// One row of the screen.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Row {
    /// What stands in it.
    pub pieces: Vec<Piece>,
    /// What it belongs to, in [`Document::targets`].
    pub target: Option<usize>,
}

impl Row {
    /// The text of the row, for searching and for tests.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// Something that the cursor can stand on.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A finding of a section.
    Finding {
        /// The section's id.
        section: &'static str,
        /// Which of its findings.
        index: usize,
    },
    /// A suggestion of a section.
    Suggestion {
        /// The section's id.
        section: &'static str,
        /// Which of its suggestions.
        index: usize,
    },
    /// A published record: value, name.
    Record {
        /// The content.
        value: String,
        /// The host as a form has it.
        host: String,
        /// The owner name.
        name: String,
        /// The record's type.
        rr_type: String,
        /// The TTL.
        ttl: Option<u32>,
        /// The lookup that showed it.
        lookup: Option<LookupId>,
    },
    /// A line with names to follow; also what is copied from it.
    Line {
        /// The text that is copied.
        text: String,
        /// Where Enter goes.
        links: Vec<(String, Link)>,
    },
    /// A tree node with nothing below it.
    Leaf {
        /// Its place in the section.
        key: String,
        /// The text that is copied.
        text: String,
        /// Where Enter goes.
        links: Vec<(String, Link)>,
    },
    /// A tree node that opens and closes.
    Fold {
        /// Its place in the section.
        key: String,
        /// The text that is copied.
        text: String,
        /// Where Enter goes; folding is then on Space.
        links: Vec<(String, Link)>,
    },
}

/// Rows, some of them made only when they are drawn.
#[derive(Clone, Debug, Default)]
pub struct Document {
    chunks: Vec<Chunk>,
    height: usize,
    /// What the cursor can stand on.
    pub targets: Vec<Target>,
}

#[derive(Clone, Debug)]
enum Chunk {
    Rows(Vec<Row>),
    Source { block: usize, index: LineIndex },
}

impl Chunk {
    fn height(&self) -> usize {
        match self {
            Chunk::Rows(rows) => rows.len(),
            Chunk::Source { index, .. } => index.len(),
        }
    }
}

/// What a row number leads to.
pub enum At<'a> {
    /// A row that is laid out.
    Row(&'a Row),
    /// A line of a source block: the block and the line in it.
    Source {
        /// Which block of the section.
        block: usize,
        /// Its lines.
        index: &'a LineIndex,
        /// The line.
        line: usize,
    },
}

impl Document {
    /// How many rows there are.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The row numbered `y`.
    pub fn at(&self, y: usize) -> Option<At<'_>> {
        let mut top = 0;
        for chunk in &self.chunks {
            let height = chunk.height();
            if y < top + height {
                let inside = y - top;
                return match chunk {
                    Chunk::Rows(rows) => rows.get(inside).map(At::Row),
                    Chunk::Source { block, index } => Some(At::Source { block: *block, index, line: inside }),
                };
            }
            top += height;
        }
        None
    }

    /// What the row numbered `y` belongs to.
    pub fn target_at(&self, y: usize) -> Option<&Target> {
        match self.at(y)? {
            At::Row(row) => self.targets.get(row.target?),
            At::Source { .. } => None,
        }
    }

    /// The first row of the target that `wanted` accepts, searching down from below `after` and then from the top, or up.
    pub fn find_target(&self, after: usize, forward: bool, wanted: impl Fn(&Target) -> bool) -> Option<usize> {
        let firsts = self.target_rows().into_iter().filter(|(_, target)| wanted(target)).map(|(y, _)| y);
        let rows: Vec<usize> = firsts.collect();
        if forward {
            rows.iter().find(|y| **y > after).copied()
        } else {
            rows.iter().rev().find(|y| **y < after).copied()
        }
    }

    /// Every target with its first row, from the top.
    pub fn target_rows(&self) -> Vec<(usize, &Target)> {
        let mut found = Vec::new();
        let mut last = None;
        let mut top = 0;
        for chunk in &self.chunks {
            if let Chunk::Rows(rows) = chunk {
                for (offset, row) in rows.iter().enumerate() {
                    if row.target.is_some() && row.target != last {
                        found.extend(
                            row.target.and_then(|at| self.targets.get(at)).map(|target| (top + offset, target)),
                        );
                    }
                    last = row.target;
                }
            }
            top += chunk.height();
        }
        found
    }

    /// All rows that are laid out, as text; for searching and for tests.
    pub fn texts(&self) -> Vec<(usize, String)> {
        let mut out = Vec::new();
        let mut top = 0;
        for chunk in &self.chunks {
            if let Chunk::Rows(rows) = chunk {
                out.extend(rows.iter().enumerate().map(|(offset, row)| (top + offset, row.text())));
            }
            top += chunk.height();
        }
        out
    }

    /// The row where the source block numbered `nth` (from 0, in order) begins.
    pub fn source_row(&self, nth: usize) -> Option<usize> {
        let mut top = 0;
        let mut seen = 0;
        for chunk in &self.chunks {
            if matches!(chunk, Chunk::Source { .. }) {
                if seen == nth {
                    return Some(top);
                }
                seen += 1;
            }
            top += chunk.height();
        }
        None
    }
}

/// What the layout needs to know besides the section.
pub struct Layout<'a> {
    /// Columns that a row may have.
    pub width: usize,
    /// For the signs.
    pub theme: Theme,
    /// Tree nodes that the person has opened or closed against their default.
    pub toggled: &'a HashSet<String>,
    /// What the person has said about blanks, by key.
    pub blanks: &'a BTreeMap<&'static str, String>,
    /// The lines of the section's source blocks, by block: finding them in a large message takes longer than a frame, so
    /// it is done once.
    pub lines: &'a BTreeMap<usize, LineIndex>,
}

/// A document under construction.
pub(super) struct Builder<'a> {
    layout: &'a Layout<'a>,
    document: Document,
    rows: Vec<Row>,
    current: Option<usize>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(layout: &'a Layout<'a>) -> Builder<'a> {
        Builder { layout, document: Document::default(), rows: Vec::new(), current: None }
    }

    fn width(&self) -> usize {
        self.layout.width.max(8)
    }

    /// Everything until the next call belongs to `target`.
    fn begin(&mut self, target: Target) {
        self.document.targets.push(target);
        self.current = Some(self.document.targets.len() - 1);
    }

    fn end(&mut self) {
        self.current = None;
    }

    fn row(&mut self, pieces: Vec<Piece>) {
        self.rows.push(Row { pieces, target: self.current });
    }

    fn blank(&mut self) {
        if self.rows.last().is_some_and(|row| !row.pieces.is_empty()) {
            self.rows.push(Row::default());
        }
    }

    /// Pieces flowing over as many rows as they need; later rows begin at column `hang`.
    fn flow(&mut self, pieces: Vec<Piece>, hang: usize) {
        for pieces in wrap::wrap(pieces, self.width(), hang) {
            self.row(pieces);
        }
    }

    fn heading(&mut self, text: &str, note: &str) {
        self.blank();
        // An address in capitals is another address.
        let text = if text.contains("://") { text.to_owned() } else { text.to_uppercase() };
        let mut pieces = vec![Piece::new(text, Look::Heading)];
        if !note.is_empty() {
            pieces.push(Piece::new(format!("   {note}"), Look::Dim));
        }
        self.flow(pieces, 2);
    }

    fn source(&mut self, block: usize, index: LineIndex) {
        self.flush();
        self.document.height += index.len();
        self.document.chunks.push(Chunk::Source { block, index });
    }

    fn flush(&mut self) {
        if !self.rows.is_empty() {
            let rows = std::mem::take(&mut self.rows);
            self.document.height += rows.len();
            self.document.chunks.push(Chunk::Rows(rows));
        }
    }

    fn finish(mut self) -> Document {
        while self.rows.last().is_some_and(|row| row.pieces.is_empty()) {
            self.rows.pop();
        }
        self.flush();
        self.document
    }
}

/// `{key}` in `text` replaced by what the person has said.
pub fn fill(text: &str, blanks: &BTreeMap<&'static str, String>) -> String {
    let mut out = Cow::Borrowed(text);
    for (key, value) in blanks {
        let hole = format!("{{{key}}}");
        if out.contains(&hole) {
            out = Cow::Owned(out.replace(&hole, value));
        }
    }
    out.into_owned()
}

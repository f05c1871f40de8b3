//! Drawing a report: verdict lines, the list of sections, the details. Only visible rows are touched.
//!
//! ```text
//!  SPOOFED?  hard: …                      verdict: one row a line, in words, worst news first in each
//! ------------------------+------------
//! > ✗ ERROR MTA-STS testing| details     narrow windows show one side at a time
//! ```

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::{Focus, NARROW, Viewer};
use crate::finding::Severity;
use crate::report::{Block, State, VerdictLine};
use crate::tui::document::worst;
use crate::tui::document::wrap::{columns, cut, cut_to_words, fit, wrap};
use crate::tui::document::{At, Piece};
use crate::tui::inquiry::{Expected, Inquiry, Stage, Standing};
use crate::tui::state::Shared;
use crate::tui::theme::{Look, Theme};
use crate::untrusted::visible;

/// Where the parts of a report lie.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub verdict: Rect,
    pub summary: Rect,
    pub list: Rect,
    pub wall: Rect,
    pub details: Rect,
}

/// How many rows the verdict has: always the same, so that nothing moves when it comes.
const VERDICT_ROWS: u16 = 3;

/// What stands before an answer while the job runs.
const SO_FAR: &str = "so far: ";

/// The summary stands above the sections only where the sections keep so many rows.
const LEAST_BODY: u16 = 15;

/// Cuts a pane's area into its parts.
pub(super) fn split(area: Rect, width: u16, focus: Focus, summary_rows: u16) -> Parts {
    let verdict_rows = if area.height < 6 { 1 } else { VERDICT_ROWS };
    let rule = u16::from(area.height >= 9);
    let verdict = Rect { height: verdict_rows.min(area.height), ..area };
    let below = area.y + verdict.height + rule;
    let summary_rows = if below + summary_rows + LEAST_BODY <= area.bottom() { summary_rows } else { 0 };
    let summary = Rect { y: below, height: summary_rows, ..area };
    let top = if summary_rows > 0 { below + summary_rows + 1 } else { below };
    let body = Rect { y: top, height: area.bottom().saturating_sub(top), ..area };
    if width < NARROW {
        let (list, details) = match focus {
            Focus::List => (body, Rect { width: body.width, height: 0, ..body }),
            Focus::Details => (Rect { height: 0, ..body }, body),
        };
        return Parts { verdict, summary, list, wall: Rect::default(), details };
    }
    let list_width = match width {
        0..=89 => 35,
        90..=119 => 36,
        _ => 40,
    };
    let list = Rect { width: list_width, ..body };
    let wall = Rect { x: body.x + list_width, width: 1, ..body };
    let details = Rect { x: wall.x + 2, width: body.width.saturating_sub(list_width + 2), ..body };
    Parts { verdict, summary, list, wall, details }
}

/// Writes pieces from `x` on, at most `width` columns; returns where they end.
pub fn pieces(buffer: &mut Buffer, theme: Theme, (x, y): (u16, u16), width: u16, row: &[Piece]) -> u16 {
    let end = x.saturating_add(width);
    let mut at = x;
    for piece in row {
        if at >= end {
            break;
        }
        let text = if theme.ascii { in_ascii(&piece.text) } else { Cow::Borrowed(piece.text.as_str()) };
        // It kept words together; whoever selects with the mouse wants a plain blank.
        let text = if text.contains('\u{a0}') { Cow::Owned(text.replace('\u{a0}', " ")) } else { text };
        (at, _) = buffer.set_stringn(at, y, text, usize::from(end - at), theme.style(piece.look));
    }
    at
}

/// For a terminal that knows no UTF-8: what is not ASCII is written as Rust and Python write it.
fn in_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '…' => out.push('~'),
            '→' | '↓' | '↑' => out.push('>'),
            '\u{a0}' => out.push(' '),
            c if c.is_ascii() => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

/// A line across.
pub fn rule(buffer: &mut Buffer, theme: Theme, x: u16, y: u16, width: u16) {
    let line = theme.rule().repeat(usize::from(width));
    buffer.set_stringn(x, y, line, usize::from(width), theme.style(Look::Dim));
}

impl Viewer {
    /// Draws the report into the pane's area.
    pub fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let Some(inquiry) = shared.inquiry(self.pane) else { return };
        let parts = self.parts(area, shared.width, self.focus);
        self.verdict(shared.theme, inquiry, parts.verdict, buffer);
        if parts.verdict.bottom() < parts.list.y.max(parts.details.y) {
            rule(buffer, shared.theme, area.x, parts.verdict.bottom(), area.width);
        }
        if let Some(summary) = self.summary.as_ref().filter(|_| parts.summary.height > 0) {
            for (nth, y) in (parts.summary.top()..parts.summary.bottom()).enumerate() {
                if let Some(At::Row(row)) = summary.at(nth) {
                    pieces(buffer, shared.theme, (area.x + 1, y), area.width.saturating_sub(2), &row.pieces);
                }
            }
            rule(buffer, shared.theme, area.x, parts.summary.bottom(), area.width);
        }
        self.list(shared.theme, inquiry, parts.list, buffer);
        for y in parts.wall.top()..parts.wall.bottom() {
            buffer.set_string(parts.wall.x, y, shared.theme.wall(), shared.theme.style(Look::Dim));
        }
        self.details(shared.theme, inquiry, parts.details, buffer);
    }

    /// The lines above the sections.
    pub fn verdict(&self, theme: Theme, inquiry: &Inquiry, area: Rect, buffer: &mut Buffer) {
        let so_far = inquiry.is_running();
        if let Stage::Failed(reason) = &inquiry.stage {
            let row = [
                Piece::new(format!(" {} failed  ", theme.state_glyph(State::Error)), Look::Error),
                Piece::new(reason, Look::Plain),
            ];
            let rows = wrap(row.to_vec(), usize::from(area.width), 3);
            for (y, row) in (area.top()..area.bottom()).zip(&rows) {
                pieces(buffer, theme, (area.x, y), area.width, row);
            }
            return;
        }
        let narrow = area.width < NARROW;
        let widest = inquiry.verdict.iter().map(|line| columns(line.question)).max().unwrap_or(0);
        // Narrow windows have it in the row above ("asking").
        let so_far = if so_far && !narrow { SO_FAR } else { "" };
        let width = usize::from(area.width);
        let word = |line: &VerdictLine| match line.severity {
            Severity::Error | Severity::Warning => format!("{} ", theme.severity_glyph(line.severity)),
            Severity::Ok | Severity::Info => String::new(),
        };
        let shown = inquiry.verdict.len().min(usize::from(area.height));
        let questions: Vec<&str> = inquiry.verdict.iter().take(shown).map(|line| line.question).collect();
        let question = |nth: usize| {
            let own = questions.get(nth).copied().unwrap_or_default();
            let before = nth.checked_sub(1).and_then(|before| questions.get(before));
            if before == Some(&own) { "" } else { own }
        };
        let behind = |line: &VerdictLine, taken: usize| {
            let room = width.saturating_sub(taken + columns(so_far) + columns(&word(line)));
            cut_to_words(&visible(&line.answer), room)
        };
        let alone = |question: &str| if question.is_empty() { 1 } else { columns(question) + 2 };
        // Where a column of questions would cost words, each answer stands right behind its own.
        let aligned = inquiry
            .verdict
            .iter()
            .take(shown)
            .enumerate()
            .all(|(nth, line)| behind(line, widest + 3) == behind(line, alone(question(nth))));
        // Rows that no line needs are for answers that are longer than theirs.
        let mut spare = usize::from(area.height) - shown;
        let mut y = area.top();
        for (nth, line) in inquiry.verdict.iter().take(shown).enumerate() {
            let question = match (aligned, question(nth)) {
                (true, question) => format!(" {}  ", fit(question, widest)),
                (false, "") => " ".to_owned(),
                (false, question) => format!(" {question} "),
            };
            let taken = columns(&question);
            let answer = behind(line, taken);
            let answer_look: Look = line.severity.into();
            let row = |answer: String| {
                vec![
                    Piece::new(question, Look::Dim),
                    Piece::new(so_far, Look::Running),
                    Piece::new(word(line), answer_look),
                    Piece::new(answer, answer_look),
                ]
            };
            let whole = visible(&line.answer);
            let rows = if spare > 0 && answer != whole {
                let mut rows = wrap(row(whole.into_owned()), width, taken.min(width / 2));
                rows.truncate(1 + spare);
                rows
            } else {
                vec![row(answer)]
            };
            spare -= rows.len() - 1;
            for row in rows {
                pieces(buffer, theme, (area.x, y), area.width, &row);
                y += 1;
            }
        }
        if inquiry.verdict.is_empty() {
            let text = match inquiry.stage {
                Stage::Running => format!(" {} asking; nothing can be said yet", theme.running_glyph()),
                Stage::Stopped => " stopped before anything could be said (r: ask again)".to_owned(),
                Stage::Finished(_) | Stage::Refused(_) | Stage::Failed(_) => String::new(),
            };
            pieces(buffer, theme, (area.x, area.y), area.width, &[Piece::new(text, Look::Running)]);
        }
    }

    fn list(&self, theme: Theme, inquiry: &Inquiry, area: Rect, buffer: &mut Buffer) {
        let pages = inquiry.order().len() + 1;
        let top = self.list_top(inquiry, area.height);
        let roomy = area.width >= ROOMY;
        let titles = inquiry.order().iter().map(|entry| columns(listed(entry, roomy))).max().unwrap_or(0);
        let title_width = titles.clamp(7, LONGEST_TITLE);
        for (y, page) in (area.top()..area.bottom()).zip(top..pages) {
            let chosen = page == self.selected;
            let mut row = vec![Piece::new(if chosen { ">" } else { " " }, Look::Strong)];
            match page.checked_sub(1).and_then(|at| inquiry.order().get(at)) {
                None => {
                    let note = match worst(inquiry.sections()).len() {
                        0 => String::new(),
                        1 => "1 finding".to_owned(),
                        many => format!("{many} findings"),
                    };
                    row.push(Piece::new(fit(" Overview", 11 + title_width), Look::Strong));
                    row.push(Piece::new(note, Look::Dim));
                }
                Some(entry) => {
                    let (glyph, word, look) = inquiry.standing(entry.id).show(theme);
                    let headline = match inquiry.standing(entry.id) {
                        // "unseen" beside it says the same.
                        Standing::Here(State::Unknown) => "",
                        Standing::Here(_) => inquiry
                            .section(entry.id)
                            .map(|section| section.headline.as_str())
                            .filter(|headline| *headline != word)
                            .unwrap_or(""),
                        Standing::Running | Standing::Failed | Standing::Skipped => "",
                    };
                    row.push(Piece::new(format!(" {glyph} {} ", fit(word, 6)), look));
                    row.push(Piece::new(format!("{} ", fit(listed(entry, roomy), title_width)), Look::Plain));
                    let room = usize::from(area.width).saturating_sub(title_width + 11);
                    row.push(Piece::new(cut(&visible(headline), room), Look::Dim));
                }
            }
            pieces(buffer, theme, (area.x, y), area.width, &row);
            if chosen {
                let style = if self.focus == Focus::List { theme.cursor() } else { BOLD };
                buffer.set_style(Rect { x: area.x, y, width: area.width, height: 1 }, style);
            }
        }
    }

    fn details(&self, theme: Theme, inquiry: &Inquiry, area: Rect, buffer: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        let text = area.width.saturating_sub(2);
        if self.document.height() == 0 {
            let id = self.section_id(inquiry).unwrap_or("");
            let (glyph, word, look) = inquiry.standing(id).show(theme);
            let why = match inquiry.standing(id) {
                Standing::Running => format!("{glyph} {word}: its questions are under way (4 shows them)"),
                Standing::Failed => format!("{glyph} {word}: the job could not be done; r asks again"),
                Standing::Skipped => format!("{glyph} {word}: stopped, or not asked for"),
                Standing::Here(_) => String::new(),
            };
            pieces(buffer, theme, (area.x + 1, area.y), text, &[Piece::new(why, look)]);
            return;
        }
        let section = self.section_id(inquiry).and_then(|id| inquiry.section(id));
        for (nth, y) in (area.top()..area.bottom()).enumerate() {
            let line = self.top + nth;
            let at_cursor = self.focus == Focus::Details && line == self.cursor;
            match self.document.at(line) {
                None => break,
                Some(At::Row(row)) => {
                    pieces(buffer, theme, (area.x + 1, y), text, &row.pieces);
                }
                Some(At::Source { block, index, line }) => {
                    if let Some(Block::Source { text: raw, marks, .. }) =
                        section.and_then(|section| section.blocks.get(block))
                    {
                        let row = index.pieces(raw, marks, line, self.skip, usize::from(text));
                        pieces(buffer, theme, (area.x + 1, y), text, &row);
                    }
                }
            }
            if at_cursor {
                buffer.set_string(area.x, y, ">", theme.style(Look::Strong));
                buffer.set_style(Rect { x: area.x, y, width: area.width, height: 1 }, theme.cursor());
            }
        }
        self.more(theme, area, buffer);
    }

    /// How much there is above and below, at the right edge.
    fn more(&self, theme: Theme, area: Rect, buffer: &mut Buffer) {
        let rows = usize::from(area.height);
        let below = self.document.height().saturating_sub(self.top + rows);
        let (up, down) = if theme.ascii { ("^", "v") } else { ("↑", "↓") };
        let right = area.right().saturating_sub(1);
        if self.top > 0 {
            buffer.set_string(right, area.top(), up, theme.style(Look::Strong));
        }
        if below > 0 {
            buffer.set_string(right, area.bottom().saturating_sub(1), down, theme.style(Look::Strong));
        }
    }
}

/// Lists from this width on have room for the long titles.
const ROOMY: u16 = 40;

/// No title is longer.
const LONGEST_TITLE: usize = 12;

/// A section's title as the list has room for it.
fn listed(entry: &Expected, roomy: bool) -> &'static str {
    match entry.id {
        "ns" if !roomy => "NS",
        _ => entry.title,
    }
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

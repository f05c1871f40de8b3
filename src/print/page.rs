//! Lines of a text report: colour where it is wanted, wrapping at the width, foreign text made visible. Whatever is put
//! on a [`Page`] goes through [`crate::untrusted`] here, so no caller can forget it.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::finding::Severity;
use crate::report::State;
use crate::untrusted::visible;

/// Below this width lines are no longer wrapped narrower: a word a line reads worse than the terminal's own wrapping.
const LEAST_WIDTH: usize = 40;
/// Above this width sentences are hard to follow from line to line.
const MOST_WIDTH: usize = 110;

/// What a piece of text means; the colour follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    Plain,
    /// A heading.
    Strong,
    /// Beside the point.
    Dim,
    /// All is well.
    Good,
    /// Good to know.
    Note,
    /// Should be better.
    Warn,
    /// Broken.
    Bad,
}

impl Tone {
    /// The select graphic rendition of the tone: the sixteen colours, so that the person's own palette decides.
    fn sgr(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Note => "36",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
        }
    }
}

impl From<Severity> for Tone {
    fn from(severity: Severity) -> Tone {
        match severity {
            Severity::Ok => Tone::Plain,
            Severity::Info => Tone::Note,
            Severity::Warning => Tone::Warn,
            Severity::Error => Tone::Bad,
        }
    }
}

impl From<State> for Tone {
    fn from(state: State) -> Tone {
        match state {
            State::Ok => Tone::Good,
            State::Info => Tone::Note,
            State::Warning | State::Unknown => Tone::Warn,
            State::Error => Tone::Bad,
            State::Absent => Tone::Dim,
        }
    }
}

/// A text that grows line by line.
pub struct Page {
    out: String,
    width: usize,
    color: bool,
}

impl Page {
    /// An empty page for lines of `width` columns.
    pub fn new(width: usize, color: bool) -> Page {
        Page { out: String::new(), width: width.clamp(LEAST_WIDTH, MOST_WIDTH), color }
    }

    /// The columns of a line.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.out
    }

    /// An empty line.
    pub fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// One line of pieces, never wrapped: what a person copies, and what is short.
    pub fn line(&mut self, pieces: &[(Tone, &str)]) {
        for (tone, text) in pieces {
            self.put(*tone, &visible(text));
        }
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
    }

    /// `head` followed by `text`, wrapped so that every further line starts under the text's first.
    pub fn wrapped(&mut self, head: &[(Tone, &str)], tone: Tone, text: &str) {
        let mut indent = 0;
        for (tone, piece) in head {
            let piece = visible(piece);
            indent += piece.width();
            self.put(*tone, &piece);
        }
        let text = visible(text);
        let room = self.width.saturating_sub(indent).max(LEAST_WIDTH / 2);
        for (number, line) in wrap(&text, room).iter().enumerate() {
            if number > 0 {
                self.out.push_str(&" ".repeat(indent));
            }
            self.put(tone, line);
            self.out.truncate(self.out.trim_end_matches(' ').len());
            self.out.push('\n');
        }
    }

    fn put(&mut self, tone: Tone, text: &str) {
        let blank = text.chars().all(|c| c == ' ');
        if self.color && tone != Tone::Plain && !blank {
            self.out.push_str("\u{1b}[");
            self.out.push_str(tone.sgr());
            self.out.push('m');
            self.out.push_str(text);
            self.out.push_str("\u{1b}[0m");
        } else {
            self.out.push_str(text);
        }
    }
}

/// `text` filled up with blanks to `width` columns.
pub fn padded(text: &str, width: usize) -> String {
    let text = visible(text);
    let blanks = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(blanks))
}

/// `text` cut to `width` columns, an ellipsis where something was cut off.
pub fn cut(text: &str, width: usize) -> String {
    let text = visible(text);
    if text.width() <= width {
        return text.into_owned();
    }
    let mut out = String::new();
    let mut columns = 1;
    for c in text.chars() {
        columns += c.width().unwrap_or(0);
        if columns > width {
            break;
        }
        out.push(c);
    }
    out + "…"
}

/// Breaks at blanks; a word wider than the line is broken where the line ends. At least one line comes back.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut column = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wide = word.width();
        if column > 0 && column + 1 + wide > width {
            lines.push(String::new());
            column = 0;
        }
        let Some(mut line) = lines.pop() else { break };
        if column > 0 {
            line.push(' ');
            column += 1;
        }
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if column + columns > width && column > 0 {
                lines.push(std::mem::take(&mut line));
                column = 0;
            }
            line.push(c);
            column += columns;
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_break_at_blanks_and_long_words_at_the_edge() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
    }

    #[test]
    fn further_lines_start_under_the_first() {
        let mut page = Page::new(40, false);
        page.wrapped(&[(Tone::Bad, "ERROR  ")], Tone::Plain, "the policy lists no MX of the domain any more");
        assert_eq!(page.into_text(), "ERROR  the policy lists no MX of the\n       domain any more\n");
    }

    #[test]
    fn foreign_text_never_reaches_the_terminal_raw() {
        let mut page = Page::new(80, false);
        page.line(&[(Tone::Plain, "a\u{1b}[31m\u{202e}\nb")]);
        assert_eq!(page.into_text(), "a␛[31m⟨RLO⟩␊b\n");
    }

    #[test]
    fn cutting_says_that_something_is_gone() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}

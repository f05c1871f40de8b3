//! Breaking pieces of text over rows: after a blank, a comma or a semicolon where there is one, anywhere where there is not.
//! Widths are terminal columns, not bytes or characters.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::Piece;
use crate::tui::theme::Look;

/// The columns that a text takes.
pub fn columns(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { UnicodeWidthStr::width(text) }
}

/// `text` cut to `width` columns, with an ellipsis where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let columns = columns(grapheme);
        if used + columns + 1 > width {
            break;
        }
        used += columns;
        out.push_str(grapheme);
    }
    out.push('…');
    out
}

/// `text` cut to `width` columns behind a whole word, and behind a whole clause where that keeps half of it: half a word tells
/// a hurried reader nothing.
pub fn cut_to_words(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let hard = cut(text, width.saturating_sub(1));
    let kept = hard.trim_end_matches('…');
    // A word that ends exactly here is whole.
    let whole = text.get(kept.len()..).is_some_and(|rest| rest.starts_with([' ', ':', ';', ',']));
    let words = if whole { kept } else { kept.rsplit_once(' ').map_or("", |(words, _)| words) };
    let clause = [": ", "; ", ", "].into_iter().filter_map(|end| words.rfind(end)).max();
    let clause = clause.and_then(|end| words.get(..end)).filter(|clause| columns(clause) * 2 >= width);
    let kept = clause.unwrap_or(words).trim_end_matches([' ', ',', ';', ':']);
    // Words longer than half the row are cut after all.
    if columns(kept) * 2 < width { cut(text, width) } else { format!("{kept} …") }
}

/// `text` cut or filled with blanks to exactly `width` columns.
pub fn fit(text: &str, width: usize) -> String {
    let mut out = cut(text, width);
    let used = columns(&out);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    out
}

/// The pieces over as many rows as they need, each at most `width` columns; all rows but the first begin with `hang` blanks.
pub fn wrap(pieces: Vec<Piece>, width: usize, hang: usize) -> Vec<Vec<Piece>> {
    let hang = if hang * 2 > width { 2.min(width / 4) } else { hang };
    let mut rows = Rows { width: width.max(1), hang, done: Vec::new(), row: Vec::new(), used: 0, begun: false };
    // What stands together without a place to break between is one word, even where its looks differ.
    let mut word: Vec<(&str, Look)> = Vec::new();
    for piece in &pieces {
        for part in words(&piece.text) {
            word.push((part, piece.look));
            if part.ends_with([' ', ';', ',']) {
                rows.word(&word);
                word.clear();
            }
        }
    }
    rows.word(&word);
    rows.finish()
}

/// Cuts behind every run of blanks, and behind `,` and `;`, keeping all characters.
fn words(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .scan(false, |blank, (at, c)| {
                let stop = *blank && c != ' ';
                *blank = c == ' ' || c == ';' || c == ',';
                Some((at, stop))
            })
            .find_map(|(at, stop)| stop.then_some(at))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        out.push(word);
        rest = after;
    }
    out
}

struct Rows {
    width: usize,
    hang: usize,
    done: Vec<Vec<Piece>>,
    row: Vec<Piece>,
    used: usize,
    /// Whether the row holds more than its hanging blanks.
    begun: bool,
}

impl Rows {
    fn word(&mut self, word: &[(&str, Look)]) {
        let Some((last, before)) = word.split_last() else { return };
        let whole = before.iter().map(|(part, _)| columns(part)).sum::<usize>();
        let ink = whole + columns(last.0.trim_end_matches(' '));
        if self.begun && self.used + ink > self.width && self.hang + ink <= self.width {
            self.next();
        }
        if self.used + ink <= self.width {
            for (part, look) in before {
                self.push(part, *look);
            }
            // Blanks at the end of a row fall off.
            let fits = self.used + columns(last.0) <= self.width;
            self.push(if fits { last.0 } else { last.0.trim_end_matches(' ') }, last.1);
            return;
        }
        for (part, look) in word {
            for grapheme in part.graphemes(true) {
                if self.used + columns(grapheme) > self.width && self.begun {
                    self.next();
                }
                self.push(grapheme, *look);
            }
        }
    }

    fn push(&mut self, text: &str, look: Look) {
        if text.is_empty() {
            return;
        }
        self.used += columns(text);
        self.begun = true;
        match self.row.last_mut() {
            Some(last) if last.look == look => last.text.push_str(text),
            _ => self.row.push(Piece { text: text.to_owned(), look }),
        }
    }

    fn next(&mut self) {
        self.done.push(std::mem::take(&mut self.row));
        self.used = self.hang;
        self.begun = false;
        if self.hang > 0 {
            self.row.push(Piece { text: " ".repeat(self.hang), look: Look::Plain });
        }
    }

    fn finish(mut self) -> Vec<Vec<Piece>> {
        if self.begun || self.done.is_empty() {
            self.done.push(self.row);
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_cut_behind_a_whole_clause_or_word() {
        let policy = "MTA-STS policy does not list your MX smtp.google.example: \"enforce\" would stop mail";
        for (text, width, cut) in [
            ("short enough", 12, "short enough"),
            (policy, 67, "MTA-STS policy does not list your MX smtp.google.example …"),
            (policy, 58, "MTA-STS policy does not list your MX smtp.google.example …"),
            (policy, 57, "MTA-STS policy does not list your MX …"),
            ("mail.a-very-long-host-name.example is gone", 20, "mail.a-very-long-ho…"),
        ] {
            assert_eq!(cut_to_words(text, width), cut, "{width}");
            assert!(columns(&cut_to_words(text, width)) <= width);
        }
    }
    use proptest::prelude::*;

    fn texts(rows: Vec<Vec<Piece>>) -> Vec<String> {
        rows.into_iter().map(|row| row.into_iter().map(|piece| piece.text).collect()).collect()
    }

    #[test]
    fn rows_break_at_blanks_and_hang() {
        let rows = wrap(vec![Piece::new("mail that fails is still delivered", Look::Plain)], 14, 2);
        assert_eq!(texts(rows), ["mail that ", "  fails is ", "  still ", "  delivered"]);
    }

    #[test]
    fn a_word_longer_than_the_row_breaks_anywhere() {
        assert_eq!(texts(wrap(vec![Piece::new("abcdefghij", Look::Plain)], 4, 0)), ["abcd", "efgh", "ij"]);
        assert_eq!(texts(wrap(vec![Piece::new("p=AAAA;k=rsa", Look::Plain)], 8, 0)), ["p=AAAA;", "k=rsa"]);
    }

    #[test]
    fn wide_characters_count_two_columns() {
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(fit("日本", 6), "日本  ");
        assert_eq!(cut("plain", 5), "plain");
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_asked_and_no_ink_is_lost(text in ".{0,80}", width in 4usize..40, hang in 0usize..6) {
            let piece = Piece::new(&text, Look::Plain);
            let ink: String = piece.text.chars().filter(|c| *c != ' ').collect();
            let rows = texts(wrap(vec![piece], width, hang));
            prop_assert!(rows.iter().all(|row| columns(row) <= width));
            let kept: String = rows.concat().chars().filter(|c| *c != ' ').collect();
            prop_assert_eq!(kept, ink);
        }
    }
}

//! A message as it came, before any repair: every line with the line end that it really has. Only its beginning, because
//! that is where copies differ, and because a key must stay a key at any size.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::Action;
use crate::tui::document::Piece;
use crate::tui::document::source::LineIndex;
use crate::tui::inquiry::size;
use crate::tui::state::Shared;
use crate::tui::theme::Look;
use crate::tui::viewer::pieces;
use crate::untrusted::lossless;

/// How many bytes are shown.
const SHOWN_BYTES: usize = 256 * 1024;

/// The beginning of a message as it came, and where it is scrolled to.
#[derive(Clone, Debug)]
pub struct Original {
    text: String,
    lines: LineIndex,
    title: String,
    top: usize,
    skip: usize,
}

impl Original {
    /// Of these bytes.
    pub fn of(raw: &[u8]) -> Original {
        let shown = raw.get(..SHOWN_BYTES).unwrap_or(raw);
        let text = with_ends(shown);
        let part = if shown.len() < raw.len() {
            format!("the first {} of {}", size(shown.len()), size(raw.len()))
        } else {
            size(raw.len())
        };
        let title = format!("As it came, before any repair ({part})");
        Original { lines: LineIndex::new(&text), text, title, top: 0, skip: 0 }
    }

    /// Scrolls; false when the action is not for it.
    pub fn update(&mut self, action: &Action, area: Rect) -> bool {
        let rows = rows(area);
        let last = self.lines.len().saturating_sub(rows);
        self.top = match action {
            Action::Up => self.top.saturating_sub(1),
            Action::Down => self.top + 1,
            Action::PageUp => self.top.saturating_sub(rows),
            Action::PageDown | Action::Fold => self.top + rows,
            Action::Top => 0,
            Action::Bottom => last,
            Action::Wheel(by) => self.top.saturating_add_signed(isize::try_from(*by).unwrap_or(0)),
            Action::ScrollLeft | Action::Left => {
                self.skip = self.skip.saturating_sub(16);
                self.top
            }
            Action::ScrollRight | Action::Right => {
                self.skip += 16;
                self.top
            }
            _ => return false,
        }
        .min(last);
        true
    }

    /// Draws it.
    pub fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let heading = [
            Piece::new(format!(" {}", self.title), Look::Heading),
            Piece::new("   u or Esc: back to the report", Look::Dim),
        ];
        pieces(buffer, shared.theme, (area.x, area.y), area.width, &heading);
        let width = usize::from(area.width.saturating_sub(2));
        for (y, line) in (area.y + 1..area.bottom()).zip(self.top..) {
            let row = self.lines.pieces(&self.text, &[], line, self.skip, width);
            pieces(buffer, shared.theme, (area.x + 1, y), area.width.saturating_sub(1), &row);
        }
    }
}

fn rows(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(1)).max(1)
}

/// The text with its line ends as signs, cut after each of them.
fn with_ends(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len() + raw.len() / 16);
    let mut rest = raw;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        let (line, end) = rest.split_at(at);
        out.push_str(&lossless(line));
        let (sign, length) = match end {
            [b'\r', b'\n', ..] => ("␍␊\n", 2),
            [b'\r', ..] => ("␍\n", 1),
            _ => ("␊\n", 1),
        };
        out.push_str(sign);
        rest = end.get(length..).unwrap_or_default();
    }
    out.push_str(&lossless(rest));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_is_shown_as_what_it_is() {
        assert_eq!(with_ends(b"a\r\nb\nc\rd\xff\r\r\n"), "a␍␊\nb␊\nc␍\nd\\xff␍\n␍␊\n");
        assert_eq!(with_ends(b""), "");
    }

    #[test]
    fn it_scrolls_within_its_lines() {
        let mut original = Original::of(&b"x\n".repeat(100));
        let area = Rect::new(0, 0, 80, 11);
        for (action, top) in [
            (Action::Up, 0),
            (Action::Down, 1),
            (Action::PageDown, 11),
            (Action::Bottom, 90),
            (Action::Down, 90),
            (Action::Wheel(-3), 87),
            (Action::Top, 0),
        ] {
            assert!(original.update(&action, area));
            assert_eq!(original.top, top, "{action:?}");
        }
        assert!(!original.update(&Action::CopyValue, area));
    }

    #[test]
    fn a_large_message_is_shown_in_part_and_says_so() {
        let original = Original::of(&vec![b'x'; 30_000_000]);
        assert_eq!(original.title, "As it came, before any repair (the first 262 KB of 30 MB)");
        assert_eq!(original.text.len(), SHOWN_BYTES);
    }
}

//! Line ends, byte order marks and blank lines at the top.

use super::edits::{Rewrite, Undo};
use super::{Mended, RepairKind, head};
use crate::message::lines::is_wsp;

/// Takes a UTF-8 byte order mark away, or makes UTF-8 of UTF-16 that has one.
pub(super) fn byte_order_mark(text: &[u8]) -> Option<Mended> {
    if let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf") {
        return Some(without_start(text, text.len() - rest.len(), RepairKind::ByteOrderMark, 1));
    }
    let (unit, big_endian): (fn([u8; 2]) -> u16, bool) = match text.get(..2)? {
        b"\xff\xfe" => (u16::from_le_bytes, false),
        b"\xfe\xff" => (u16::from_be_bytes, true),
        _ => return None,
    };
    let units = text.get(2..)?.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
    let utf8: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    let undo = Undo::of_utf16(text, &utf8, big_endian);
    Some(Mended::new(utf8.into_bytes(), undo, RepairKind::Utf16, 1))
}

fn without_start(text: &[u8], length: usize, kind: RepairKind, count: usize) -> Mended {
    let (start, rest) = text.split_at_checked(length).unwrap_or((text, b""));
    let mut out = Rewrite::of(text);
    out.drop(start);
    out.keep(rest);
    Mended::by(out, kind, count)
}

/// Leaves out blank lines before the first header: with one there, everything below would be body.
pub(super) fn leading_blank_lines(text: &[u8]) -> Option<Mended> {
    let mut from = 0;
    let mut count = 0;
    for (at, byte) in head(text).iter().enumerate() {
        match byte {
            b'\n' | b'\r' => {
                from = at + 1;
                count += usize::from(*byte == b'\n' || text.get(at + 1) != Some(&b'\n'));
            }
            byte if is_wsp(*byte) => {}
            _ => break,
        }
    }
    // A text that is blank to its end is for its caller to refuse.
    if count == 0 || from >= text.len() {
        return None;
    }
    let rest = text.get(from..)?;
    // A body alone after one blank line is a message without headers (RFC 5322 wants some; the suites have such).
    crate::message::lines::field_name(first_line(rest))?;
    Some(without_start(text, from, RepairKind::LeadingBlankLines, count))
}

fn first_line(text: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'\r', b'\n', text).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Makes every line end CRLF. CR alone is a line end when the text has no LF at all (a terminal's paste), or when the
/// header has such (mixed); inside the body of a text with other line ends it is a byte like any other.
pub(super) fn crlf(text: &[u8]) -> Option<Mended> {
    let seen = Seen::count(text);
    let bare_cr_ends_lines = seen.bare_cr > 0 && (seen.lf() == 0 || has_bare_cr_in_header(text));
    let wrong = seen.bare_lf + if bare_cr_ends_lines { seen.bare_cr } else { 0 };
    if wrong == 0 {
        return None;
    }
    let kind = if seen.crlf > 0 || (seen.bare_lf > 0 && bare_cr_ends_lines) {
        RepairKind::MixedLineEnds
    } else if seen.bare_lf > 0 {
        RepairKind::LineFeeds
    } else {
        RepairKind::CarriageReturns
    };
    Some(match kind {
        RepairKind::LineFeeds => Mended::new(all(text, wrong, b'\n'), Undo::LineEnds(b'\n'), kind, wrong),
        RepairKind::CarriageReturns => Mended::new(all(text, wrong, b'\r'), Undo::LineEnds(b'\r'), kind, wrong),
        _ => Mended::by(mixed(text, wrong, bare_cr_ends_lines), kind, wrong),
    })
}

/// Makes CRLF of every byte that is `end`.
fn all(text: &[u8], count: usize, end: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + count);
    let mut from = 0;
    for at in memchr::memchr_iter(end, text) {
        out.extend_from_slice(text.get(from..at).unwrap_or_default());
        out.extend_from_slice(b"\r\n");
        from = at + 1;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out
}

fn mixed(text: &[u8], wrong: usize, bare_cr_ends_lines: bool) -> Rewrite<'_> {
    let mut out = Rewrite::with_room(text, wrong);
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        let (line, end) = rest.split_at(at);
        out.keep(line);
        let (end, after) = match end {
            [b'\r', b'\n', ..] => end.split_at(2),
            _ => end.split_at(1),
        };
        match end {
            b"\r\n" => out.keep(end),
            b"\r" if !bare_cr_ends_lines => out.keep(end),
            b"\r" => {
                out.keep(end);
                out.put(b"\n");
            }
            _ => {
                out.put(b"\r");
                out.keep(end);
            }
        }
        rest = after;
    }
    out.keep(rest);
    out
}

fn has_bare_cr_in_header(text: &[u8]) -> bool {
    let head = head(text);
    let end = memchr::memmem::find(head, b"\n\r\n").or_else(|| memchr::memmem::find(head, b"\n\n"));
    Seen::count(head.get(..end.map_or(head.len(), |lf| lf + 1)).unwrap_or(head)).bare_cr > 0
}

/// How many line ends of each kind a text has.
#[derive(Default)]
struct Seen {
    crlf: usize,
    bare_lf: usize,
    bare_cr: usize,
}

impl Seen {
    fn count(text: &[u8]) -> Seen {
        let mut seen = Seen::default();
        let mut pairs = 0;
        let mut lf = 0;
        let mut cr = 0;
        // Bytes are counted in blocks of at most 255, so that the compiler can count in vectors of bytes.
        for block in text.chunks(255) {
            let (mut lfs, mut crs) = (0_u8, 0_u8);
            for byte in block {
                lfs += u8::from(*byte == b'\n');
                crs += u8::from(*byte == b'\r');
            }
            lf += usize::from(lfs);
            cr += usize::from(crs);
        }
        if lf > 0 && cr > 0 {
            let next = text.get(1..).unwrap_or_default();
            for (block, after) in text.chunks(255).zip(next.chunks(255)) {
                let mut count = 0_u8;
                for (a, b) in block.iter().zip(after) {
                    count += u8::from(*a == b'\r') & u8::from(*b == b'\n');
                }
                pairs += usize::from(count);
            }
        }
        seen.crlf = pairs;
        seen.bare_lf = lf - pairs;
        seen.bare_cr = cr - pairs;
        seen
    }

    fn lf(&self) -> usize {
        self.crlf + self.bare_lf
    }
}

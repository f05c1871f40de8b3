//! A message's text cut into header fields and body (RFC 5322 §2.1, §2.2). The text has CRLF line ends by then (see
//! [`super::repair`]); nothing is copied and no line of the body is looked at.
//!
//! Hostile input is bounded: what lies past a bound is left out and said so, never silently.

use crate::finding::Span;
use crate::message::field::Field;
use crate::message::lines::{field_name, is_folded, lines};

/// How many header fields are read. Real messages have some dozens; lists and gateways bring a few to some hundreds. Past
/// it no signature is judged: which instance of a field it covers is counted from the bottom (RFC 6376 §5.4.2).
pub const MAX_FIELDS: usize = 20_000;
/// How many bytes of one field are read; past it the field is still hashed whole, but nothing reads its value.
pub const MAX_FIELD_BYTES: usize = 256 * 1024;

/// The cut: fields, and where the body starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// The header fields, the topmost first.
    pub fields: Vec<Field>,
    /// Where the body starts, after the blank line; `None` when the text ends in the header.
    pub body: Option<usize>,
    /// How many fields stand past [`MAX_FIELDS`].
    pub skipped: usize,
    /// How many fields are longer than [`MAX_FIELD_BYTES`].
    pub long: usize,
}

/// Cuts a text with CRLF line ends.
pub(super) fn cut(text: &[u8]) -> Cut {
    let mut cut = Cut::default();
    let mut open: Option<Field> = None;
    for line in lines(text) {
        if line.bytes.is_empty() {
            cut.body = Some(line.next);
            break;
        }
        let content_end = line.start + line.bytes.len();
        if is_folded(line.bytes) {
            if let Some(field) = &mut open {
                field.value.end = content_end;
                field.whole.end = line.next;
            }
            continue;
        }
        let Some((name, colon)) = field_name(line.bytes) else {
            // A line that is no field ends the header even without a blank line; repair has said so before.
            cut.body = Some(line.start);
            break;
        };
        cut.close(open.take());
        open = Some(Field {
            name: Span::new(line.start, line.start + name),
            value: Span::new(line.start + colon + 1, content_end),
            whole: Span::new(line.start, line.next),
        });
    }
    cut.close(open);
    cut
}

impl Cut {
    fn close(&mut self, field: Option<Field>) {
        let Some(field) = field else { return };
        if field.whole.end - field.whole.start > MAX_FIELD_BYTES {
            self.long += 1;
        }
        if self.fields.len() < MAX_FIELDS {
            self.fields.push(field);
        } else {
            self.skipped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &[u8]) -> Vec<(&[u8], &[u8])> {
        cut(text).fields.iter().map(|f| (f.name.of(text).unwrap(), f.value.of(text).unwrap())).collect()
    }

    #[test]
    fn folded_values_and_odd_names_keep_their_bytes() {
        let text = b"From: a@b.c\r\nSubject : x\r\n\ty\r\nEmpty:\r\nBytes:\xff\x00\r\n\r\nbody: no field\r\n";
        assert_eq!(
            values(text),
            [(&b"From"[..], &b" a@b.c"[..]), (b"Subject", b" x\r\n\ty"), (b"Empty", b""), (b"Bytes", b"\xff\x00"),]
        );
        let body = cut(text).body.unwrap();
        assert_eq!(&text[body..], b"body: no field\r\n");
    }

    #[test]
    fn headers_without_a_blank_line_have_no_body() {
        assert_eq!(cut(b"From: a@b.c\r\nTo: d@e.f\r\n").body, None);
        assert_eq!(cut(b"From: a@b.c\r\n\r\n").body, Some(15));
        assert_eq!(cut(b"").body, None);
        assert_eq!(cut(b"\r\nbody").body, Some(2));
    }

    #[test]
    fn a_header_bomb_is_counted_and_not_kept() {
        let text = b"X: y\r\n".repeat(MAX_FIELDS + 10);
        let cut = cut(&text);
        assert_eq!((cut.fields.len(), cut.skipped, cut.body), (MAX_FIELDS, 10, None));
    }

    #[test]
    fn the_last_field_may_lack_its_line_end() {
        assert_eq!(values(b"A: b\r\n c"), [(&b"A"[..], &b" b\r\n c"[..])]);
    }
}

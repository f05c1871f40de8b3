//! What a signature covers, drawn on the message: signed, unsigned, covered by `l=`, added after.

use crate::finding::{Severity, Span};
use crate::message::Message;
use crate::message::canonical::{Canon, canonical_body};
use crate::message::dkim::{BodyCheck, Judged};
use crate::report::{Block, Mark};
use crate::untrusted;

/// How many bytes of header are drawn.
const HEADER_BYTES: usize = 64 * 1024;
/// How many bytes of body are drawn.
const BODY_BYTES: usize = 8 * 1024;

/// The signature's own field, with its problems underlined.
pub(super) fn field(message: &Message, one: &Judged<'_>) -> Block {
    let name = message.field(one.signature.field).map(|field| field.name_text().into_owned()).unwrap_or_default();
    let marks = one.signature.problems.iter().filter_map(|problem| {
        let severity = if problem.kind.is_permerror() { Severity::Error } else { Severity::Warning };
        problem.span.map(|span| Mark { span, note: problem.kind.reason(), severity })
    });
    Block::Source { title: format!("{name} #{}", one.number), text: one.signature.text.clone(), marks: marks.collect() }
}

/// The message with a mark on each part that says whether the signature covers it.
pub(super) fn covered(message: &Message, one: &Judged<'_>) -> Block {
    let mut text = String::new();
    let mut marks = Vec::new();
    let mut covered: Vec<usize> = one.cover.fields.iter().flatten().copied().collect();
    covered.sort_unstable();
    let mut mark = |text: &mut String, bytes: &[u8], note: &str, severity| {
        let start = text.len();
        text.push_str(&untrusted::lossless(bytes));
        marks.push(Mark { span: Span::new(start, text.len()), note: note.to_owned(), severity });
    };
    for field in message.fields() {
        if text.len() + field.whole().len() > HEADER_BYTES {
            mark(&mut text, b"...\r\n", "the header goes on; it is not drawn further", Severity::Info);
            break;
        }
        let name = field.name().to_ascii_lowercase();
        let (note, severity) = if field.index == one.signature.field {
            ("the signature itself", Severity::Ok)
        } else if covered.binary_search(&field.index).is_ok() {
            ("signed", Severity::Ok)
        } else if one.signature.signed.iter().any(|signed| signed.as_bytes() == name) {
            ("another one of this name is signed; this one was added after", Severity::Error)
        } else if field.index < one.signature.field {
            ("not signed; it stands above the signature, so it was added after or left out", Severity::Info)
        } else {
            ("not signed", Severity::Warning)
        };
        mark(&mut text, field.whole(), note, severity);
    }
    if let Some(body) = message.body() {
        text.push_str("\r\n");
        let (note, severity) = match &one.body {
            BodyCheck::Match(_) => ("signed", Severity::Ok),
            BodyCheck::Mismatch(_) | BodyCheck::TooShort(_) => ("not the body that was signed", Severity::Error),
            BodyCheck::Unchecked(_) => ("not checked", Severity::Info),
        };
        let shown = body.get(..BODY_BYTES).unwrap_or(body);
        let cut = one.body.hash().filter(|hash| hash.covered < hash.total);
        let end = cut.map(|hash| covered_end(one.signature.body_canon, shown, hash.covered));
        match end.and_then(|at| shown.split_at_checked(at)).filter(|(_, after)| !after.is_empty()) {
            Some((before, after)) => {
                mark(&mut text, before, note, severity);
                mark(&mut text, after, "not covered: l= ends before it", Severity::Error);
            }
            None if one.uncovered_tail() > 0 => {
                mark(&mut text, shown, "signed up to where l= ends; the rest is not covered", Severity::Warning);
            }
            None => mark(&mut text, shown, note, severity),
        }
        if shown.len() < body.len() {
            mark(&mut text, b"\r\n...", "the body goes on; it is hashed whole and not drawn further", Severity::Info);
        }
    }
    let title = format!("The message as signature #{} covers it (underlined: not covered)", one.number);
    Block::Source { title, text, marks }
}

/// Where the bytes that `l=` covers end in the body as it stands: `l=` counts canonical bytes.
fn covered_end(canon: Canon, body: &[u8], covered: u64) -> usize {
    let length = |end: usize| {
        let before = body.get(..end).unwrap_or_default();
        let mut length = 0_u64;
        canonical_body(canon, before, &mut |bytes| length += bytes.len() as u64);
        // A last line that breaks off is given the line end that its text does not have yet.
        if before.ends_with(b"\n") { length } else { length.saturating_sub(2) }
    };
    let (mut low, mut high) = (0, body.len());
    while low < high {
        let middle = (low + high).div_ceil(2);
        if length(middle) <= covered { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_l_is_found_in_the_body_as_it_stands() {
        let split = |canon, body: &str, covered| {
            let (before, after) = body.split_at(covered_end(canon, body.as_bytes(), covered));
            (before.to_owned(), after.to_owned())
        };
        let two = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(split(Canon::Simple, "hello\r\nworld\r\n", 7), two("hello\r\n", "world\r\n"));
        assert_eq!(split(Canon::Relaxed, "a   b \r\nworld\r\n", 5), two("a   b \r\n", "world\r\n"));
        assert_eq!(split(Canon::Relaxed, "a   b\r\nworld\r\n", 7), two("a   b\r\nwo", "rld\r\n"));
        assert_eq!(split(Canon::Simple, "x\r\n", 0), two("", "x\r\n"));
        assert_eq!(split(Canon::Relaxed, "x\r\n", 99), two("x\r\n", ""));
    }
}

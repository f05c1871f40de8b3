//! Mailbox files (mboxo, mboxrd): messages between lines that start with `From `.
//!
//! Which of the two escapings a mailbox has cannot be told; one `>` is taken from `>From `, `>>From ` and so on, as
//! mboxrd wants it. Only the first message becomes the subject; [`mbox_messages`] finds all, for a person to pick one.

use super::edits::Rewrite;
use super::{Mended, RepairKind};
use crate::finding::Span;
use crate::message::lines::{field_name, lines};

/// Where the messages of a mailbox stand, without their separator lines; empty when it is no mailbox. A separator is a
/// line `From …` at the top or after a blank line, with a header line after it.
pub fn mbox_messages(text: &[u8]) -> Vec<Span> {
    found(text).into_iter().map(|(_, message)| message).collect()
}

/// The same with the separator line of each, so that a span opened by itself is a mailbox too and is repaired like one;
/// the blank line before the next separator is left out.
pub fn mbox_entries(text: &[u8]) -> Vec<Span> {
    let messages = found(text);
    let last = messages.len().saturating_sub(1);
    let whole = |(at, (separator, message)): (usize, (usize, Span))| {
        let bytes = message.of(text).unwrap_or_default();
        let blank = [&b"\r\n"[..], b"\n"].into_iter().find(|end| bytes.ends_with(end)).map_or(0, <[u8]>::len);
        Span::new(separator, if at == last { message.end } else { message.end - blank })
    };
    messages.into_iter().enumerate().map(whole).collect()
}

/// Each message with the start of its separator line.
fn found(text: &[u8]) -> Vec<(usize, Span)> {
    if !text.starts_with(b"From ") {
        return Vec::new();
    }
    let mut messages: Vec<(usize, Span)> = Vec::new();
    let mut start: Option<(usize, usize)> = None;
    let mut blank = true;
    // Only lines that start with "From " are looked at closely; the rest is skipped at memory speed.
    for line in lines(text) {
        let separates = blank && line.bytes.starts_with(b"From ") && is_header(text, line.next);
        if separates {
            if let Some((separator, start)) = start {
                messages.push((separator, Span::new(start, line.start)));
            }
            start = Some((line.start, line.next));
        }
        blank = line.bytes.is_empty();
    }
    messages.extend(start.map(|(separator, start)| (separator, Span::new(start, text.len()))));
    messages
}

fn is_header(text: &[u8], at: usize) -> bool {
    let next = text.get(at..).and_then(|rest| lines(rest).next());
    next.is_some_and(|line| field_name(line.bytes).is_some() || line.bytes.starts_with(b">From "))
}

/// Takes the first message out of a mailbox.
pub(super) fn separator(text: &[u8]) -> Option<Mended> {
    let messages = mbox_messages(text);
    let span = messages.first()?;
    let mut first = span.of(text)?;
    // The blank line before the next separator belongs to the mailbox, not to the message.
    if messages.len() > 1 && first.ends_with(b"\r\n\r\n") {
        first = first.get(..first.len() - 2)?;
    }
    let mut out = Rewrite::of(text);
    out.drop(text.get(..span.start)?);
    for line in lines(first) {
        let whole = first.get(line.start..line.next).unwrap_or_default();
        let quotes = whole.iter().take_while(|byte| **byte == b'>').count();
        let unquoted = whole.get(quotes..).is_some_and(|rest| quotes > 0 && rest.starts_with(b"From "));
        let (mark, line) = whole.split_at_checked(usize::from(unquoted))?;
        out.drop(mark);
        out.keep(line);
    }
    out.drop(text.get(span.start + first.len()..)?);
    Some(Mended::by(out, RepairKind::Mbox, messages.len()))
}

//! What gets lost in a header: the blank of a folded line, plain quotes, the blank line below it.

use super::edits::Rewrite;
use super::{Mended, RepairKind, head};
use crate::message::lines::{field_name, is_folded, lines};

/// Field names that nobody writes in a body by chance: they show that the header goes on.
const KNOWN: &[&str] = &[
    "received",
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "return-path",
    "reply-to",
    "sender",
    "delivered-to",
    "dkim-signature",
    "authentication-results",
    "received-spf",
    "arc-seal",
    "arc-message-signature",
    "arc-authentication-results",
    "list-id",
    "list-unsubscribe",
    "references",
    "in-reply-to",
    "x-received",
    "x-mailer",
];

/// Fields that machines read and in which typographic quotes and blanks have no place.
const STRICT: &[&str] = &[
    "content-type",
    "content-disposition",
    "content-transfer-encoding",
    "dkim-signature",
    "arc-seal",
    "arc-message-signature",
    "arc-authentication-results",
    "authentication-results",
    "received",
    "received-spf",
    "message-id",
    "return-path",
];

/// Names that Gmail's and Outlook's pages show and that no message has.
const WEBMAIL: &[&str] = &["mailed-by", "signed-by", "created at", "created on", "sent", "security", "message id"];

fn is_known(line: &[u8]) -> bool {
    field_name(line).is_some_and(|(length, _)| {
        line.get(..length).is_some_and(|name| {
            KNOWN.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
                || name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case(b"X-"))
        })
    })
}

/// Joins header lines that lost the blank of folding: lines that are no fields, with a known field further down before
/// the header's end.
pub(super) fn refolded(text: &[u8]) -> Option<Mended> {
    let header: Vec<_> = lines(head(text)).take_while(|line| !line.bytes.is_empty()).collect();
    field_name(header.first()?.bytes)?;
    let last_known = header.iter().rposition(|line| is_known(line.bytes))?;
    let broken: Vec<usize> = header
        .iter()
        .take(last_known)
        .filter(|line| field_name(line.bytes).is_none() && !is_folded(line.bytes))
        .map(|line| line.start)
        .collect();
    // More lost lines than fields: that is prose which quotes a header, not a header.
    if broken.is_empty() || broken.len() > header.len() * 3 / 4 {
        return None;
    }
    let mut out = Rewrite::with_room(text, broken.len());
    let mut from = 0;
    for at in &broken {
        out.keep(text.get(from..*at)?);
        out.put(b" ");
        from = *at;
    }
    out.keep(text.get(from..)?);
    Some(Mended::by(out, RepairKind::Refolded, broken.len()))
}

/// Makes typographic quotes and no-break blanks plain in the fields that machines read.
pub(super) fn smart_quotes(text: &[u8]) -> Option<Mended> {
    let end = super::super::parse::cut(head(text)).body.unwrap_or_else(|| head(text).len());
    let header = text.get(..end)?;
    if header.is_ascii() {
        return None;
    }
    let mut out = Rewrite::of(text);
    let mut count = 0;
    let mut strict = false;
    for line in lines(header) {
        let whole = header.get(line.start..line.next).unwrap_or_default();
        if !is_folded(line.bytes) {
            strict = field_name(line.bytes)
                .and_then(|(length, _)| line.bytes.get(..length))
                .is_some_and(|name| STRICT.iter().any(|field| field.as_bytes().eq_ignore_ascii_case(name)));
        }
        if !strict || whole.is_ascii() {
            out.keep(whole);
            continue;
        }
        for chunk in whole.utf8_chunks() {
            for c in chunk.valid().chars() {
                let mut bytes = [0; 4];
                let bytes = c.encode_utf8(&mut bytes).as_bytes();
                let plain = match c {
                    '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{00ab}' | '\u{00bb}' => Some(b'"'),
                    '\u{2018}' | '\u{2019}' => Some(b'\''),
                    '\u{00a0}' | '\u{202f}' | '\u{2009}' => Some(b' '),
                    _ => None,
                };
                match plain {
                    Some(byte) => {
                        count += 1;
                        out.drop(bytes);
                        out.put(&[byte]);
                    }
                    None => out.keep(bytes),
                }
            }
            out.keep(chunk.invalid());
        }
    }
    if count == 0 {
        return None;
    }
    out.keep(text.get(end..)?);
    Some(Mended::by(out, RepairKind::SmartQuotes, count))
}

/// Puts the blank line back before the first line that can be no header.
pub(super) fn lost_blank_line(text: &[u8]) -> Option<Mended> {
    let mut fields = 0;
    for line in lines(text) {
        if line.bytes.is_empty() {
            return None;
        }
        if is_folded(line.bytes) {
            continue;
        }
        if field_name(line.bytes).is_some() {
            fields += 1;
            continue;
        }
        if fields == 0 {
            return None;
        }
        let mut out = Rewrite::with_room(text, 2);
        out.keep(text.get(..line.start)?);
        out.put(b"\r\n");
        out.keep(text.get(line.start..)?);
        return Some(Mended::by(out, RepairKind::LostBlankLine, 1));
    }
    None
}

/// Whether this is what a webmail page shows of a message: its own names, and none of the fields that every message
/// gets on its way.
pub(super) fn is_webmail_list(text: &[u8]) -> bool {
    let mut webmail = false;
    for line in lines(head(text)).take(40).take_while(|line| !line.bytes.is_empty()) {
        let name = line.bytes.split(|byte| *byte == b':').next().unwrap_or_default();
        let name = name.trim_ascii();
        if [&b"received"[..], b"message-id", b"mime-version"].iter().any(|real| real.eq_ignore_ascii_case(name)) {
            return false;
        }
        webmail |= WEBMAIL.iter().any(|page| page.as_bytes().eq_ignore_ascii_case(name));
    }
    webmail
}

//! Copies of a whole message: as HTML, in base64 or quoted-printable, quoted, indented, double-spaced.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::edits::{Rewrite, Undo};
use super::{Mended, RepairKind, head};
use crate::message::lines::{field_name, is_folded, is_wsp, lines};

/// How many lines at the top decide.
const LOOK: usize = 60;

/// Takes a message out of an HTML page (a "view source" page that was saved or copied with its markup).
pub(super) fn html(text: &[u8]) -> Option<Mended> {
    let start = text.trim_ascii_start();
    let tag = start.get(..16).unwrap_or(start).to_ascii_lowercase();
    if ![&b"<!doctype html"[..], b"<html", b"<pre", b"<body", b"<div", b"<code"]
        .iter()
        .any(|open| tag.starts_with(open))
    {
        return None;
    }
    let (from, to) = match (memchr::memmem::find(start, b"<pre"), memchr::memmem::rfind(start, b"</pre")) {
        (Some(from), Some(to)) if from < to => (from, to),
        _ => (0, start.len()),
    };
    let mut out = Rewrite::of(text);
    out.drop(text.get(..text.len() - start.len() + from)?);
    let mut rest = start.get(from..to)?;
    while let Some(at) = memchr::memchr2(b'<', b'&', rest) {
        keep_after_blanks(&mut out, rest.get(..at)?);
        let special = rest.get(at..)?;
        rest = if special.starts_with(b"<") {
            let end = memchr::memchr(b'>', special).map_or(special.len(), |end| end + 1);
            let tag = special.get(..end)?;
            out.drop(tag);
            // Pages that show source without <pre> end its lines with <br>.
            let ends_line = [&b"<br"[..], b"</div", b"</p"].iter().any(|end| starts_like(tag, end)) && !out.is_empty();
            out.put(if ends_line { b"\n" } else { b"" });
            special.get(end..)?
        } else {
            match entity(special) {
                Some((decoded, length)) => {
                    out.drop(special.get(..length)?);
                    let blank = decoded.is_ascii_whitespace() && out.is_empty();
                    let mut bytes = [0; 4];
                    out.put(if blank { b"" } else { decoded.encode_utf8(&mut bytes).as_bytes() });
                    special.get(length..)?
                }
                None => {
                    out.keep(b"&");
                    special.get(1..)?
                }
            }
        };
    }
    keep_after_blanks(&mut out, rest);
    out.drop(start.get(to..)?);
    let mended = Mended::by(out, RepairKind::Html, 1);
    field_name(lines(&mended.text).next()?.bytes)?;
    Some(mended)
}

/// Keeps bytes, but no white space before the first of them.
fn keep_after_blanks(out: &mut Rewrite<'_>, bytes: &[u8]) {
    let kept = if out.is_empty() { bytes.trim_ascii_start() } else { bytes };
    let (blank, kept) = bytes.split_at(bytes.len() - kept.len());
    out.drop(blank);
    out.keep(kept);
}

fn starts_like(text: &[u8], lower: &[u8]) -> bool {
    text.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

/// The character of an entity at the start of `text`, and how long it is; `None` for an unknown one.
fn entity(text: &[u8]) -> Option<(char, usize)> {
    let end = text.iter().take(12).position(|byte| *byte == b';')?;
    let name = text.get(1..end)?;
    let number =
        |digits: &[u8], radix| std::str::from_utf8(digits).ok().and_then(|d| u32::from_str_radix(d, radix).ok());
    let code = match name {
        b"lt" => u32::from('<'),
        b"gt" => u32::from('>'),
        b"amp" => u32::from('&'),
        b"quot" => u32::from('"'),
        b"apos" => u32::from('\''),
        b"nbsp" => u32::from(' '),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    };
    Some((char::from_u32(code)?, name.len() + 2))
}

/// Decodes a text that is base64 from its first byte to its last and holds a header.
pub(super) fn base64(text: &[u8]) -> Option<Mended> {
    let is_code =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') || byte.is_ascii_whitespace();
    if text.len() < 64 || !head(text).iter().all(is_code) || !text.iter().all(is_code) {
        return None;
    }
    let packed: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = STANDARD.decode(packed).ok()?;
    let first = lines(&decoded).next()?;
    (field_name(first.bytes).is_some() || first.bytes.starts_with(b"From ")).then_some(())?;
    let undo = Undo::of_base64(text, &decoded);
    Some(Mended::new(decoded, undo, RepairKind::Base64, 1))
}

/// Decodes a text that is quoted-printable from its header on: `=3D` where a signature or a MIME parameter has `=`.
pub(super) fn quoted_printable(text: &[u8]) -> Option<Mended> {
    let header: Vec<_> = lines(head(text)).take_while(|line| !line.bytes.is_empty()).collect();
    let has = |tags: &[&[u8]]| {
        header.iter().any(|line| tags.iter().any(|tag| memchr::memmem::find(line.bytes, tag).is_some()))
    };
    // `=3D` alone stands in many a subject as part of an encoded word; behind these names it stands for `=`.
    let escaped = has(&[b" v=3D1", b" a=3Drsa", b" bh=3D", b"boundary=3D", b"charset=3D", b" d=3D"]);
    let plain =
        has(&[b" v=1", b" bh=", b"boundary=\"", b"charset=\"", b"charset=u", b"charset=i"]) && !has(&[b" bh=3D"]);
    if !escaped || plain || header.first().and_then(|line| field_name(line.bytes)).is_none() {
        return None;
    }
    let mut out = Rewrite::of(text);
    let mut count = 0;
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let (plain, escape) = rest.split_at(at);
        out.keep(plain);
        let after = escape.get(1..)?;
        let hex = after
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        rest = if after.starts_with(b"\r\n") || hex.is_some() {
            count += 1;
            out.drop(escape.get(..3)?);
            out.put(hex.as_slice());
            escape.get(3..)?
        } else {
            out.keep(b"=");
            after
        };
    }
    out.keep(rest);
    Some(Mended::by(out, RepairKind::QuotedPrintable, count))
}

/// Takes one quote mark from every line when the header's lines all have one.
pub(super) fn quoted(text: &[u8]) -> Option<Mended> {
    let top: Vec<_> = lines(head(text)).take(LOOK).filter(|line| !line.bytes.is_empty()).collect();
    let is_quoted = |line: &[u8]| line.starts_with(b">");
    let first = top.first()?.bytes;
    field_name(unquoted(first))?;
    if first.starts_with(b">From ") || !is_quoted(first) || !top.iter().all(|line| is_quoted(line.bytes)) {
        return None;
    }
    let mut out = Rewrite::of(text);
    let mut count = 0;
    for line in lines(text) {
        let plain = unquoted(line.bytes);
        let marks = line.bytes.len() - plain.len();
        count += usize::from(marks > 0);
        out.drop(line.bytes.get(..marks)?);
        out.keep(text.get(line.start + marks..line.next)?);
    }
    Some(Mended::by(out, RepairKind::Quoted, count))
}

fn unquoted(line: &[u8]) -> &[u8] {
    line.strip_prefix(b">").map_or(line, |rest| rest.strip_prefix(b" ").unwrap_or(rest))
}

/// Takes the indentation that all header lines share from every line.
pub(super) fn indented(text: &[u8]) -> Option<Mended> {
    let top: Vec<_> = lines(head(text)).take(LOOK).take_while(|line| !line.bytes.is_empty()).collect();
    let depth = |line: &[u8]| line.iter().take_while(|byte| is_wsp(**byte)).count();
    let shared = top.iter().map(|line| depth(line.bytes)).min().filter(|shared| *shared > 0)?;
    field_name(top.first()?.bytes.get(shared..)?)?;
    let mut out = Rewrite::of(text);
    let mut count = 0;
    for line in lines(text) {
        let away = depth(line.bytes).min(shared);
        count += usize::from(away > 0);
        out.drop(line.bytes.get(..away)?);
        out.keep(text.get(line.start + away..line.next)?);
    }
    Some(Mended::by(out, RepairKind::Indented, count))
}

/// Takes every second line away when all of those are blank and fields stand on both sides of the first ones.
pub(super) fn double_spaced(text: &[u8]) -> Option<Mended> {
    let top: Vec<_> = lines(head(text)).take(LOOK).collect();
    let fields = top.iter().step_by(2).filter(|line| field_name(line.bytes).is_some()).count();
    let starts_with_fields =
        top.iter().step_by(2).take(4).all(|line| field_name(line.bytes).is_some() || is_folded(line.bytes));
    let alternates = top.iter().skip(1).step_by(2).all(|line| line.bytes.is_empty());
    if fields < 4 || !starts_with_fields || !alternates {
        return None;
    }
    let mut out = Rewrite::of(text);
    let mut count = 0;
    for (number, line) in lines(text).enumerate() {
        let whole = text.get(line.start..line.next)?;
        if number % 2 == 1 && line.bytes.is_empty() {
            count += 1;
            out.drop(whole);
        } else {
            out.keep(whole);
        }
    }
    Some(Mended::by(out, RepairKind::DoubleSpaced, count))
}

//! Copies of a whole message: as HTML, in base64 or quoted-printable, quoted, indented, double-spaced.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Repair, RepairKind, head};
use crate::message::lines::{field_name, is_folded, is_wsp, lines};

/// How many lines at the top decide.
const LOOK: usize = 60;

/// Takes a message out of an HTML page (a "view source" page that was saved or copied with its markup).
pub(super) fn html(text: &[u8]) -> Option<(Vec<u8>, Repair)> {
    let start = text.trim_ascii_start();
    let tag = start.get(..16).unwrap_or(start).to_ascii_lowercase();
    if ![&b"<!doctype html"[..], b"<html", b"<pre", b"<body", b"<div", b"<code"]
        .iter()
        .any(|open| tag.starts_with(open))
    {
        return None;
    }
    let source = match (memchr::memmem::find(start, b"<pre"), memchr::memmem::rfind(start, b"</pre")) {
        (Some(from), Some(to)) if from < to => start.get(from..to)?,
        _ => start,
    };
    let mut out = Vec::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = memchr::memchr2(b'<', b'&', rest) {
        out.extend_from_slice(rest.get(..at)?);
        let special = rest.get(at..)?;
        rest = if special.starts_with(b"<") {
            let end = memchr::memchr(b'>', special).map_or(special.len(), |end| end + 1);
            let tag = special.get(..end)?.to_ascii_lowercase();
            // Pages that show source without <pre> end its lines with <br>.
            if tag.starts_with(b"<br") || tag.starts_with(b"</div") || tag.starts_with(b"</p") {
                out.push(b'\n');
            }
            special.get(end..)?
        } else {
            let (decoded, length) = entity(special);
            out.extend_from_slice(&decoded);
            special.get(length..)?
        };
    }
    out.extend_from_slice(rest);
    let mended = out.trim_ascii_start().to_vec();
    field_name(lines(&mended).next()?.bytes)?;
    Some((mended, Repair { kind: RepairKind::Html, count: 1 }))
}

/// The bytes of an entity at the start of `text`, and how long it is; an unknown one stays as it is.
fn entity(text: &[u8]) -> (Vec<u8>, usize) {
    let end = text.iter().take(12).position(|byte| *byte == b';');
    let Some(name) = end.and_then(|end| text.get(1..end)) else { return (b"&".to_vec(), 1) };
    let number =
        |digits: &[u8], radix| std::str::from_utf8(digits).ok().and_then(|d| u32::from_str_radix(d, radix).ok());
    let code = match name {
        b"lt" => Some(u32::from('<')),
        b"gt" => Some(u32::from('>')),
        b"amp" => Some(u32::from('&')),
        b"quot" => Some(u32::from('"')),
        b"apos" => Some(u32::from('\'')),
        b"nbsp" => Some(u32::from(' ')),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => None,
    };
    match code.and_then(char::from_u32) {
        Some(c) => (c.encode_utf8(&mut [0; 4]).as_bytes().to_vec(), name.len() + 2),
        None => (b"&".to_vec(), 1),
    }
}

/// Decodes a text that is base64 from its first byte to its last and holds a header.
pub(super) fn base64(text: &[u8]) -> Option<(Vec<u8>, Repair)> {
    let is_code =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') || byte.is_ascii_whitespace();
    if text.len() < 64 || !head(text).iter().all(is_code) || !text.iter().all(is_code) {
        return None;
    }
    let packed: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = STANDARD.decode(packed).ok()?;
    let first = lines(&decoded).next()?;
    (field_name(first.bytes).is_some() || first.bytes.starts_with(b"From ")).then_some(())?;
    Some((decoded, Repair { kind: RepairKind::Base64, count: 1 }))
}

/// Decodes a text that is quoted-printable from its header on: `=3D` where a signature or a MIME parameter has `=`.
pub(super) fn quoted_printable(text: &[u8]) -> Option<(Vec<u8>, Repair)> {
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
    let mut out = Vec::with_capacity(text.len());
    let mut count = 0;
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        out.extend_from_slice(rest.get(..at)?);
        let after = rest.get(at + 1..)?;
        let hex = after
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        rest = if let Some(soft) = after.strip_prefix(b"\r\n") {
            count += 1;
            soft
        } else if let Some(byte) = hex {
            count += 1;
            out.push(byte);
            after.get(2..)?
        } else {
            out.push(b'=');
            after
        };
    }
    out.extend_from_slice(rest);
    Some((out, Repair { kind: RepairKind::QuotedPrintable, count }))
}

/// Takes one quote mark from every line when the header's lines all have one.
pub(super) fn quoted(text: &[u8]) -> Option<(Vec<u8>, Repair)> {
    let top: Vec<_> = lines(head(text)).take(LOOK).filter(|line| !line.bytes.is_empty()).collect();
    let is_quoted = |line: &[u8]| line.starts_with(b">");
    let first = top.first()?.bytes;
    field_name(unquoted(first))?;
    if first.starts_with(b">From ") || !is_quoted(first) || !top.iter().all(|line| is_quoted(line.bytes)) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut count = 0;
    for line in lines(text) {
        if is_quoted(line.bytes) {
            count += 1;
            out.extend_from_slice(unquoted(line.bytes));
        } else {
            out.extend_from_slice(line.bytes);
        }
        out.extend_from_slice(text.get(line.start + line.bytes.len()..line.next)?);
    }
    Some((out, Repair { kind: RepairKind::Quoted, count }))
}

fn unquoted(line: &[u8]) -> &[u8] {
    let rest = line.strip_prefix(b">").unwrap_or(line);
    rest.strip_prefix(b" ").unwrap_or(rest)
}

/// Takes the indentation that all header lines share from every line.
pub(super) fn indented(text: &[u8]) -> Option<(Vec<u8>, Repair)> {
    let top: Vec<_> = lines(head(text)).take(LOOK).take_while(|line| !line.bytes.is_empty()).collect();
    let depth = |line: &[u8]| line.iter().take_while(|byte| is_wsp(**byte)).count();
    let shared = top.iter().map(|line| depth(line.bytes)).min().filter(|shared| *shared > 0)?;
    field_name(top.first()?.bytes.get(shared..)?)?;
    let mut out = Vec::with_capacity(text.len());
    let mut count = 0;
    for line in lines(text) {
        let away = depth(line.bytes).min(shared);
        count += usize::from(away > 0);
        out.extend_from_slice(text.get(line.start + away..line.next)?);
    }
    Some((out, Repair { kind: RepairKind::Indented, count }))
}

/// Takes every second line away when all of those are blank and fields stand on both sides of the first ones.
pub(super) fn double_spaced(text: &[u8]) -> Option<(Vec<u8>, Repair)> {
    let top: Vec<_> = lines(head(text)).take(LOOK).collect();
    let fields = top.iter().step_by(2).filter(|line| field_name(line.bytes).is_some()).count();
    let starts_with_fields =
        top.iter().step_by(2).take(4).all(|line| field_name(line.bytes).is_some() || is_folded(line.bytes));
    let alternates = top.iter().skip(1).step_by(2).all(|line| line.bytes.is_empty());
    if fields < 4 || !starts_with_fields || !alternates {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut count = 0;
    for (number, line) in lines(text).enumerate() {
        if number % 2 == 1 && line.bytes.is_empty() {
            count += 1;
        } else {
            out.extend_from_slice(text.get(line.start..line.next)?);
        }
    }
    Some((out, Repair { kind: RepairKind::DoubleSpaced, count }))
}

//! Ways in which bodies are changed on their way, undone one by one, and the hash of what comes out compared with the one
//! that was signed.
//!
//! Lines added at the end cost one pass for all of them: the canonical form of a body that lost its last lines is the
//! beginning of the whole one's, and a hash can be read at every line end as it runs.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::finding::Span;
use crate::message::Message;
use crate::message::canonical::{Wanted, body_hashes, canonical_body};
use crate::message::dkim::Signature;
use crate::message::mime::{Encoding, Part, Tree};

/// How many lines at the end are taken off, at most.
const MAX_BOTTOM: usize = 400;
/// How many lines at the top are taken off, at most: banners are short.
pub(super) const MAX_TOP: usize = 30;

/// One way in which a body may have been changed, undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// Nothing but lines at the top or the end.
    Nothing,
    /// The bytes as they came, line ends included.
    LineEnds,
    /// White space at line ends taken away.
    TrailingSpace,
    /// `--` that ends a letter was `-- ` (RFC 3676 §4.3).
    SignatureMark,
    /// `>From ` at a line's start was `From ` (mbox).
    FromMangled,
    /// `From ` at a line's start was `>From `.
    FromUnmangled,
    /// `..` at a line's start was `.` (SMTP's transparency undone too seldom).
    DotsDoubled,
    /// `.` at a line's start was `..` (undone twice).
    DotsLost,
    /// Quoted-printable and base64 parts were 8bit.
    Encoded,
    /// 8bit text was quoted-printable.
    QuotedPrintable,
    /// 8bit text was base64.
    Base64,
    /// Lines broken at SMTP's limit were one.
    BrokenLines,
    /// The whole message was put into a multipart, and this part of it is what was signed.
    Wrapped(usize),
    /// A part was added.
    PartAdded(usize),
}

/// Every way, the most likely first.
pub(super) const UNDOS: &[Undo] = &[
    Undo::Nothing,
    Undo::LineEnds,
    Undo::TrailingSpace,
    Undo::SignatureMark,
    Undo::FromMangled,
    Undo::FromUnmangled,
    Undo::DotsDoubled,
    Undo::DotsLost,
    Undo::Encoded,
    Undo::QuotedPrintable,
    Undo::Base64,
    Undo::BrokenLines,
    Undo::Wrapped(0),
    Undo::Wrapped(1),
    Undo::PartAdded(0),
    Undo::PartAdded(1),
    Undo::PartAdded(2),
    Undo::PartAdded(3),
];

impl Undo {
    /// Whether the body is written anew, longer than it is, beside the one that stands.
    pub(super) fn is_encoding(self) -> bool {
        matches!(self, Undo::Encoded | Undo::QuotedPrintable | Undo::Base64)
    }

    /// In words that follow "the hash matches if ".
    pub(super) fn words(self) -> Option<String> {
        Some(match self {
            Undo::Nothing => return None,
            Undo::LineEnds => "the line ends are left as they came".into(),
            Undo::TrailingSpace => "white space at line ends is removed".into(),
            Undo::SignatureMark => "the line \"--\" above a signature gets its blank back".into(),
            Undo::FromMangled => "lines that begin with \">From \" lose the \">\" that a mailbox file added".into(),
            Undo::FromUnmangled => "lines that begin with \"From \" get a \">\" back".into(),
            Undo::DotsDoubled => "lines that begin with two dots lose one, which a transport added".into(),
            Undo::DotsLost => "lines that begin with a dot get the second one back that a transport took".into(),
            Undo::Encoded => "encoded parts (quoted-printable, base64) are turned back into 8bit text".into(),
            Undo::QuotedPrintable => "the text is turned back into quoted-printable".into(),
            Undo::Base64 => "the text is turned back into base64".into(),
            Undo::BrokenLines => "lines that were broken at the limit of SMTP are joined".into(),
            Undo::Wrapped(at) => format!("only part {} is kept: the message was wrapped into a multipart", at + 1),
            Undo::PartAdded(at) => format!("part {} is removed", at + 1),
        })
    }

    /// The body with this undone; `None` when that would change nothing.
    pub(super) fn apply(self, message: &Message, tree: &Tree) -> Option<Vec<u8>> {
        let body = message.body()?;
        let start = message.body_start()?;
        let undone = match self {
            Undo::Nothing => return Some(body.to_vec()),
            Undo::LineEnds => raw_body(&message.original())?.to_vec(),
            Undo::TrailingSpace => by_line(body, |line| (b"", crate::message::lines::trim_end(line))),
            Undo::SignatureMark => {
                by_line(body, |line| (if line == b"--" { b"-- " } else { b"" }, if line == b"--" { b"" } else { line }))
            }
            Undo::FromMangled => by_line(body, |line| {
                (b"", line.strip_prefix(b">").filter(|rest| rest.starts_with(b"From ")).unwrap_or(line))
            }),
            Undo::FromUnmangled => by_line(body, |line| prefixed(line, b"From ", b">")),
            Undo::DotsDoubled => by_line(body, |line| {
                (b"", line.strip_prefix(b".").filter(|rest| rest.starts_with(b".")).unwrap_or(line))
            }),
            Undo::DotsLost => by_line(body, |line| prefixed(line, b".", b".")),
            Undo::Encoded => replaced(message, tree, |part, bytes| {
                let is_encoded = matches!(part.encoding, Encoding::Base64 | Encoding::QuotedPrintable);
                (is_encoded && part.kind.starts_with("text/")).then(|| {
                    let mut out = Vec::new();
                    part.encoding.decode(bytes, &mut |bytes| out.extend_from_slice(bytes));
                    with_crlf(&out)
                })
            })?,
            Undo::QuotedPrintable => {
                replaced(message, tree, |part, bytes| is_plain_text(part).then(|| quoted_printable(bytes)))?
            }
            Undo::Base64 => replaced(message, tree, |part, bytes| is_plain_text(part).then(|| base64_lines(bytes)))?,
            Undo::BrokenLines => joined(body),
            Undo::Wrapped(at) => {
                let part = tree.root.children.get(at)?;
                let mut bytes = part.body.of(message.text())?.to_vec();
                bytes.extend_from_slice(b"\r\n");
                bytes
            }
            Undo::PartAdded(at) => {
                let part = tree.root.children.get(at)?;
                let next = tree.root.children.get(at + 1);
                let previous = at.checked_sub(1).and_then(|at| tree.root.children.get(at));
                // From the delimiter before the part to the one after it.
                let boundary = message.text().get(start..part.body.start)?;
                let line = memchr::memmem::rfind(boundary, b"\r\n--").map_or(0, |at| at + 2);
                let from = line.max(previous.map_or(0, |previous| previous.body.end - start));
                let after =
                    message.text().get(part.body.end..next.map_or(message.text().len(), |next| next.body.start))?;
                let to = part.body.end - start + memchr::memmem::find(after, b"--").unwrap_or(after.len());
                [body.get(..from)?, body.get(to..)?].concat()
            }
        };
        (undone != body).then_some(undone)
    }
}

/// The body of the bytes as they came.
fn raw_body(raw: &[u8]) -> Option<&[u8]> {
    let crlf = memchr::memmem::find(raw, b"\r\n\r\n").map(|at| at + 4);
    let lf = memchr::memmem::find(raw, b"\n\n").map(|at| at + 2);
    let start = match (crlf, lf) {
        (Some(a), Some(b)) => a.min(b),
        (a, b) => a.or(b)?,
    };
    raw.get(start..)
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

/// Each line as a prefix and the rest that stays of it.
fn by_line(body: &[u8], undo: impl Fn(&[u8]) -> (&'static [u8], &[u8])) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in lines(body) {
        let (prefix, rest) = undo(line);
        out.extend_from_slice(prefix);
        out.extend_from_slice(rest);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn prefixed<'a>(line: &'a [u8], start: &[u8], prefix: &'static [u8]) -> (&'static [u8], &'a [u8]) {
    (if line.starts_with(start) { prefix } else { b"" }, line)
}

/// Sendmail breaks after `!` and begins the next line with a blank; others only break.
fn joined(body: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(body.len());
    let mut length = 0;
    for line in lines(body) {
        if length >= 980 {
            out.truncate(out.len().saturating_sub(2));
            let rest = if out.ends_with(b"!") {
                out.pop();
                line.strip_prefix(b" ").unwrap_or(line)
            } else {
                line
            };
            out.extend_from_slice(rest);
        } else {
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b"\r\n");
        length = line.len();
    }
    out
}

fn is_plain_text(part: &Part) -> bool {
    part.kind.starts_with("text/") && part.encoding == Encoding::Identity
}

/// The body with the bodies of some leaves replaced; `None` when none is.
fn replaced(message: &Message, tree: &Tree, with: impl Fn(&Part, &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (text, start) = (message.text(), message.body_start()?);
    let mut out = Vec::new();
    let (mut at, mut any) = (start, false);
    for part in tree.parts().into_iter().filter(|part| part.children.is_empty()) {
        let Some(new) = part.body.of(text).and_then(|bytes| with(part, bytes)) else { continue };
        out.extend_from_slice(text.get(at..part.body.start)?);
        out.extend_from_slice(&new);
        at = part.body.end;
        any = true;
    }
    out.extend_from_slice(text.get(at..)?);
    any.then_some(out)
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let ends = bytes.ends_with(b"\n");
    let mut out = by_line(bytes, |line| (b"", line));
    if !ends {
        out.truncate(out.len().saturating_sub(2));
    }
    out
}

/// RFC 2045 §6.7 as most programs write it: soft breaks at 76, nothing encoded that need not be.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() * 2);
    let ends = body.ends_with(b"\n");
    let mut all = lines(body).peekable();
    while let Some(line) = all.next() {
        let mut column = 0;
        for (at, byte) in line.iter().enumerate() {
            let is_last = at + 1 == line.len();
            let plain = matches!(byte, 33..=60 | 62..=126) || (matches!(byte, b' ' | b'\t') && !is_last);
            let length = if plain { 1 } else { 3 };
            let room = if is_last { 76 } else { 75 };
            if column + length > room {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            column += length;
            if plain {
                out.push(*byte);
            } else {
                out.push(b'=');
                out.extend([byte >> 4, byte & 15].map(|half| half + if half < 10 { b'0' } else { b'A' - 10 }));
            }
        }
        if ends || all.peek().is_some() {
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

fn base64_lines(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().div_ceil(57) * 78);
    // 57 bytes make a line of 76 characters; line by line, no second copy of a large body is needed.
    for line in body.chunks(57) {
        out.extend_from_slice(BASE64_STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// What makes the hash match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// How many lines at the top were taken off.
    pub top: usize,
    /// How many lines at the end were taken off.
    pub bottom: usize,
    /// What was taken off, in the body that was tried.
    pub removed: Vec<Span>,
}

/// Tries a body without its first `top` lines, and without any number of its last lines up to [`MAX_BOTTOM`].
pub(super) fn try_body(signature: &Signature, body: &[u8], top: usize) -> Option<Match> {
    let start = match top {
        0 => 0,
        top => memchr::memchr_iter(b'\n', body).nth(top - 1)? + 1,
    };
    let rest = body.get(start..)?;
    // Where the last lines of the canonical form end; canonical lines are the body's lines, one by one. Those before them
    // are counted and not kept: a body may have millions.
    let mut ends: VecDeque<u64> = VecDeque::with_capacity(MAX_BOTTOM + 2);
    let (mut total, mut count) = (0_u64, 0);
    canonical_body(signature.body_canon, rest, &mut |bytes| {
        for at in memchr::memchr_iter(b'\n', bytes) {
            if ends.len() > MAX_BOTTOM {
                ends.pop_front();
            }
            ends.push_back(total + at as u64 + 1);
            count += 1;
        }
        total += bytes.len() as u64;
    });
    let hash = signature.algorithm.hash();
    let wanted = |length| Wanted { canon: signature.body_canon, hash, length };
    if signature.length.is_some() {
        // `l=` leaves out the end by itself.
        let found = body_hashes(rest, &[wanted(signature.length)]);
        let is_it = found.first().is_some_and(|hash| hash.digest == signature.body_hash);
        return is_it.then(|| Match { top, bottom: 0, removed: spans(start, None) });
    }
    let length_of = |line: usize| {
        ends.get(line).map(|end| end - line.checked_sub(1).and_then(|above| ends.get(above)).unwrap_or(&0))
    };
    let (first, before) = (ends.len().saturating_sub(MAX_BOTTOM), count - ends.len());
    // A body that ends in blank lines is the same as without them, so only others are ends.
    let kept: Vec<usize> =
        (first..ends.len()).filter(|line| length_of(*line).is_some_and(|length| length > 2)).collect();
    let all: Vec<Wanted> = kept.iter().map(|line| wanted(ends.get(*line).copied())).collect();
    let at = body_hashes(rest, &all).iter().position(|hash| hash.digest == signature.body_hash);
    if let Some(line) = at.and_then(|at| kept.get(at)) {
        let last = *kept.last()?;
        let cut = memchr::memchr_iter(b'\n', rest).nth(before + *line).map(|at| start + at + 1);
        let bottom = last - line;
        let cut = cut.filter(|_| bottom > 0);
        return Some(Match { top, bottom, removed: spans(start, cut.map(|cut| Span::new(cut, body.len()))) });
    }
    // Everything was added.
    let empty = body_hashes(b"", &[wanted(None)]);
    let is_empty =
        top == 0 && count <= MAX_BOTTOM && empty.first().is_some_and(|hash| hash.digest == signature.body_hash);
    is_empty.then(|| Match { top: 0, bottom: count, removed: vec![Span::new(0, body.len())] })
}

/// Whether a body is the one that was signed.
pub(super) fn holds_body(signature: &Signature, body: &[u8]) -> bool {
    let wanted = Wanted { canon: signature.body_canon, hash: signature.algorithm.hash(), length: signature.length };
    body_hashes(body, &[wanted]).first().is_some_and(|hash| hash.digest == signature.body_hash)
}

fn spans(start: usize, end: Option<Span>) -> Vec<Span> {
    let top = (start > 0).then(|| Span::new(0, start));
    top.into_iter().chain(end).collect()
}

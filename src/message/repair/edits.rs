//! How the original is got back from the repaired text. Each step of a repair leaves an [`Undo`]; undone from the last to the
//! first they give the bytes as they came, to the byte.
//!
//! What a step changes everywhere alike (every line end, base64, UTF-16) is kept as a rule; anything else as [`Pieces`], some
//! bytes a change. Where that would take more room than the text it came from, the text itself is kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What undoes one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::message) enum Undo {
    /// Every line end was this one byte.
    LineEnds(u8),
    /// The text was UTF-16 with a byte order mark, the more significant byte first or not.
    Utf16 {
        /// Whether the more significant byte came first.
        big_endian: bool,
    },
    /// The text was in base64, in lines of so many characters.
    Base64(Base64Lines),
    /// Parts of the text were taken out, put in or replaced.
    Pieces(Pieces),
}

/// The lines of a base64 text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::message) struct Base64Lines {
    /// Characters a line.
    width: usize,
    /// What ends a line.
    end: Vec<u8>,
    /// What stands after the last line.
    last: Vec<u8>,
}

/// Changes in the order of the text, each as three numbers and bytes: how much of the repaired text stays, how much of it was
/// put in by the step, how much the step had taken out, and what that was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::message) struct Pieces(Vec<u8>);

impl Undo {
    /// The text before the step, from the one after it.
    pub fn apply(&self, text: &[u8]) -> Vec<u8> {
        match self {
            Undo::LineEnds(end) => {
                let mut out = Vec::with_capacity(text.len());
                let mut from = 0;
                for at in memchr::memmem::find_iter(text, b"\r\n") {
                    out.extend_from_slice(text.get(from..at).unwrap_or_default());
                    out.push(*end);
                    from = at + 2;
                }
                out.extend_from_slice(text.get(from..).unwrap_or_default());
                out
            }
            Undo::Utf16 { big_endian } => utf16(&String::from_utf8_lossy(text), *big_endian),
            Undo::Base64(lines) => lines.encode(text),
            Undo::Pieces(pieces) => pieces.apply(text),
        }
    }

    /// About how many bytes it takes.
    #[cfg(test)]
    pub fn size(&self) -> usize {
        match self {
            Undo::LineEnds(_) | Undo::Utf16 { .. } => 0,
            Undo::Base64(lines) => lines.end.len() + lines.last.len(),
            Undo::Pieces(pieces) => pieces.0.len(),
        }
    }

    /// What gives back the whole of `before`, whatever came of it.
    fn whole(before: &[u8], after: &[u8]) -> Undo {
        let mut pieces = Pieces::default();
        pieces.push(0, after.len(), before);
        Undo::Pieces(pieces)
    }

    /// The rule for a text that was UTF-16; the text itself when it was not well formed.
    pub fn of_utf16(before: &[u8], after: &str, big_endian: bool) -> Undo {
        if utf16(after, big_endian) == before {
            Undo::Utf16 { big_endian }
        } else {
            Undo::whole(before, after.as_bytes())
        }
    }

    /// The rule for a text that was base64; the text itself when its lines are not all alike.
    pub fn of_base64(before: &[u8], after: &[u8]) -> Undo {
        let is_code = |byte: &u8| !byte.is_ascii_whitespace();
        let width = before.iter().take_while(|byte| is_code(byte)).count();
        let after_first = before.get(width..).unwrap_or_default();
        let end = after_first.iter().take_while(|byte| !is_code(byte)).count();
        let code = before.iter().rposition(is_code).map_or(0, |last| last + 1);
        let lines = Base64Lines {
            width: width.max(1),
            end: after_first.get(..end).unwrap_or_default().to_vec(),
            last: before.get(code..).unwrap_or_default().to_vec(),
        };
        if lines.encode(after) == before { Undo::Base64(lines) } else { Undo::whole(before, after) }
    }
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    let bytes = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
    let mut out = Vec::with_capacity(text.len() * 2 + 2);
    out.extend_from_slice(&bytes(0xfeff));
    out.extend(text.encode_utf16().flat_map(bytes));
    out
}

impl Base64Lines {
    fn encode(&self, text: &[u8]) -> Vec<u8> {
        let code = STANDARD.encode(text).into_bytes();
        let lines = code.len().div_ceil(self.width);
        let mut out = Vec::with_capacity(code.len() + lines * self.end.len() + self.last.len());
        for (number, line) in code.chunks(self.width).enumerate() {
            if number > 0 {
                out.extend_from_slice(&self.end);
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(&self.last);
        out
    }
}

impl Pieces {
    fn push(&mut self, keep: usize, put_in: usize, taken_out: &[u8]) {
        for number in [keep, put_in, taken_out.len()] {
            let mut rest = number;
            while rest >= 0x80 {
                self.0.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            self.0.push(rest as u8);
        }
        self.0.extend_from_slice(taken_out);
    }

    fn apply(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let (mut pieces, mut at) = (self.0.as_slice(), 0);
        while let (Some(keep), Some(put_in), Some(length)) =
            (number(&mut pieces), number(&mut pieces), number(&mut pieces))
        {
            out.extend_from_slice(text.get(at..at + keep).unwrap_or_default());
            at += keep + put_in;
            let (taken_out, rest) = pieces.split_at_checked(length).unwrap_or_default();
            out.extend_from_slice(taken_out);
            pieces = rest;
        }
        out.extend_from_slice(text.get(at..).unwrap_or_default());
        out
    }
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A text on its way from one step's input to its output: what stays, goes and comes is said in order, and both the new text
/// and what undoes it are there at the end.
pub(super) struct Rewrite<'a> {
    before: &'a [u8],
    out: Vec<u8>,
    pieces: Pieces,
    /// Whether the pieces are longer than the text that they would give back: then they are given up.
    too_many: bool,
    keep: usize,
    put_in: usize,
    taken_out: Vec<u8>,
}

impl<'a> Rewrite<'a> {
    /// A new text that is not longer than `before`.
    pub fn of(before: &'a [u8]) -> Rewrite<'a> {
        Rewrite::with_room(before, 0)
    }

    /// A new text that may be longer by so many bytes.
    pub fn with_room(before: &'a [u8], more: usize) -> Rewrite<'a> {
        Rewrite {
            before,
            out: Vec::with_capacity(before.len() + more),
            pieces: Pieces::default(),
            too_many: false,
            keep: 0,
            put_in: 0,
            taken_out: Vec::new(),
        }
    }

    /// Whether nothing stands in the new text yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// These bytes of the old text stay.
    pub fn keep(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.put_in > 0 || !self.taken_out.is_empty() {
            self.close();
        }
        self.keep += bytes.len();
        self.out.extend_from_slice(bytes);
    }

    /// These bytes of the old text go.
    pub fn drop(&mut self, bytes: &[u8]) {
        if !self.too_many {
            self.taken_out.extend_from_slice(bytes);
        }
    }

    /// These bytes come.
    pub fn put(&mut self, bytes: &[u8]) {
        self.put_in += bytes.len();
        self.out.extend_from_slice(bytes);
    }

    fn close(&mut self) {
        if !self.too_many {
            self.pieces.push(self.keep, self.put_in, &self.taken_out);
            self.too_many = self.pieces.0.len() > self.before.len();
            if self.too_many {
                self.pieces = Pieces::default();
            }
        }
        self.taken_out.clear();
        (self.keep, self.put_in) = (0, 0);
    }

    /// The new text, and what undoes it.
    pub fn end(mut self) -> (Vec<u8>, Undo) {
        self.close();
        let undo = if self.too_many { Undo::whole(self.before, &self.out) } else { Undo::Pieces(self.pieces) };
        (self.out, undo)
    }
}

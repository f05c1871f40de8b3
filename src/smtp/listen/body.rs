//! A message through DATA, byte by byte (RFC 5321 §4.1.1.4, §4.5.2): only CR LF, dot, CR LF ends it; dots are unstuffed;
//! bare CR and bare LF stay as they are and are counted. Dots between line ends of which one is bare are what SMTP
//! smuggling is made of: some servers take them for the end and read the rest as the next message.

/// A message that is coming in.
#[derive(Debug)]
pub(super) struct Body {
    kept: Vec<u8>,
    most: u64,
    state: State,
    line: u64,
    /// What was seen on the way.
    pub seen: Irregular,
    /// Bytes on the wire, dots and the final dot included.
    pub wire: u64,
    /// Bytes of the message, kept or not.
    pub size: u64,
    /// Whether the final dot has come.
    pub ended: bool,
}

/// What a conforming client does not send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Irregular {
    pub bare_lf: u64,
    pub bare_cr: u64,
    pub nul: u64,
    pub eight_bit: bool,
    pub long_lines: u64,
    /// The first sequence that other servers may take for the end.
    pub smuggling: Option<Smuggling>,
}

/// A dot between line ends of which one is bare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Smuggling {
    pub before: End,
    pub after: End,
    /// Offset in the message just after it.
    pub at: u64,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    CrLf,
    Lf,
    Cr,
}

impl End {
    pub(super) fn sign(self) -> &'static str {
        match self {
            End::CrLf => "<CR><LF>",
            End::Lf => "<LF>",
            End::Cr => "<CR>",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Inside a line.
    Text,
    /// After a CR inside a line; it is not kept yet.
    Cr,
    /// At the beginning of a line, after such an end.
    Begin(End),
    /// After a dot at the beginning of a line.
    Dot(End),
    /// After such a dot and a CR, which is not kept yet.
    DotCr(End),
}

/// Lines longer than this, without their end, break RFC 5322 §2.1.1.
const LONGEST_LINE: u64 = 998;

impl Body {
    /// A message of which at most so many bytes are kept.
    pub(super) fn new(most: u64) -> Body {
        Body {
            kept: Vec::new(),
            most,
            state: State::Begin(End::CrLf),
            line: 0,
            seen: Irregular::default(),
            wire: 0,
            size: 0,
            ended: false,
        }
    }

    /// Takes bytes up to the final dot; how many were taken.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !self.ended && !rest.is_empty() {
            // Most bytes are text inside a line: all of them at once.
            if let State::Text = self.state {
                let run = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                let (text, after) = rest.split_at(run);
                self.keep(text);
                self.line += text.len() as u64;
                rest = after;
            }
            if let Some((byte, after)) = rest.split_first() {
                self.step(*byte);
                rest = after;
            }
        }
        let taken = bytes.len() - rest.len();
        self.wire += taken as u64;
        taken
    }

    /// Takes bytes that are framed by their number: nothing in them ends anything.
    pub(super) fn take_as_is(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            match (self.state, byte) {
                (State::Cr, b'\n') => self.end_line(End::CrLf),
                (State::Cr, _) => {
                    self.seen.bare_cr += 1;
                    self.end_line(End::Cr);
                    continue;
                }
                (_, b'\r') => self.state = State::Cr,
                (_, b'\n') => {
                    self.seen.bare_lf += 1;
                    self.end_line(End::Lf);
                }
                _ => {
                    self.line += 1;
                    self.state = State::Text;
                }
            }
            rest = after;
        }
        self.keep(bytes);
        self.wire += bytes.len() as u64;
    }

    fn step(&mut self, byte: u8) {
        match (self.state, byte) {
            (State::Text, b'\r') => self.state = State::Cr,
            (State::Text | State::Begin(_), b'\n') => self.bare_lf(),
            (State::Text, _) => self.text(byte),
            (State::Cr, b'\n') => self.line_end(),
            (State::Cr, _) => self.bare_cr(byte),
            (State::Begin(end), b'.') => {
                if end != End::CrLf {
                    self.keep(b".");
                }
                self.line += 1;
                self.state = State::Dot(end);
            }
            (State::Begin(_), b'\r') => self.state = State::Cr,
            (State::Begin(_), _) => self.text(byte),
            (State::Dot(end), b'\r') => self.state = State::DotCr(end),
            (State::Dot(end), b'\n') => {
                self.bare_lf();
                self.smuggled(end, End::Lf);
            }
            (State::Dot(_), _) => self.text(byte),
            (State::DotCr(End::CrLf), b'\n') => self.ended = true,
            (State::DotCr(end), b'\n') => {
                self.line_end();
                self.smuggled(end, End::CrLf);
            }
            (State::DotCr(end), _) => {
                self.keep(b"\r");
                self.smuggled(end, End::Cr);
                self.seen.bare_cr += 1;
                self.end_line(End::Cr);
                self.step(byte);
            }
        }
    }

    fn text(&mut self, byte: u8) {
        self.keep(&[byte]);
        self.line += 1;
        self.state = State::Text;
    }

    fn bare_lf(&mut self) {
        self.keep(b"\n");
        self.seen.bare_lf += 1;
        self.end_line(End::Lf);
    }

    /// The CR that waited was bare; `byte` comes after it.
    fn bare_cr(&mut self, byte: u8) {
        self.keep(b"\r");
        self.seen.bare_cr += 1;
        self.end_line(End::Cr);
        self.step(byte);
    }

    fn line_end(&mut self) {
        self.keep(b"\r\n");
        self.end_line(End::CrLf);
    }

    fn end_line(&mut self, end: End) {
        self.seen.long_lines += u64::from(self.line > LONGEST_LINE);
        self.line = 0;
        self.state = State::Begin(end);
    }

    fn smuggled(&mut self, before: End, after: End) {
        self.seen.smuggling.get_or_insert(Smuggling { before, after, at: self.size });
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.seen.nul += memchr::memchr_iter(0, bytes).count() as u64;
        self.seen.eight_bit |= !bytes.is_ascii();
        if self.is_too_large() {
            // What cannot be taken is not worth its memory.
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(bytes);
        }
    }

    /// Whether it has grown past what is taken.
    pub(super) fn is_too_large(&self) -> bool {
        self.size > self.most
    }

    /// Bytes in memory.
    pub(super) fn held(&self) -> u64 {
        self.kept.capacity() as u64
    }

    /// Gives up what was kept.
    pub(super) fn drop_it(&mut self) {
        self.most = 0;
        self.kept = Vec::new();
    }

    /// The message.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::dot::stuffed;
    use proptest::prelude::*;

    fn read(wire: &[u8], chunk: usize) -> (Vec<u8>, Irregular, usize) {
        let mut body = Body::new(1 << 20);
        let mut taken = 0;
        for piece in wire.chunks(chunk) {
            taken += body.take(piece);
        }
        assert_eq!(body.wire, taken as u64);
        let (seen, ended) = (body.seen.clone(), body.ended);
        assert!(ended || taken == wire.len());
        (body.into_bytes(), seen, if ended { taken } else { 0 })
    }

    #[test]
    fn the_message_ends_at_its_final_dot_and_dots_are_unstuffed() {
        let wire = b"a\r\n..b\r\n...\r\n.c\r\n.\r\nQUIT\r\n";
        let (message, seen, taken) = read(wire, 1);
        assert_eq!(message, b"a\r\n.b\r\n..\r\nc\r\n");
        assert_eq!(taken, wire.len() - 6);
        assert_eq!(seen, Irregular::default());
        assert_eq!(read(b".\r\n", 1).0, b"");
    }

    #[test]
    fn only_cr_lf_dot_cr_lf_ends_it_and_every_other_dot_is_named() {
        for (inside, before, after) in [
            (&b"x\n.\nMAIL"[..], End::Lf, End::Lf),
            (b"x\n.\r\nMAIL", End::Lf, End::CrLf),
            (b"x\r\n.\nMAIL", End::CrLf, End::Lf),
            (b"x\r\n.\rMAIL", End::CrLf, End::Cr),
            (b"x\r.\rMAIL", End::Cr, End::Cr),
            (b"x\r.\r\nMAIL", End::Cr, End::CrLf),
            (b"x\n.\rMAIL", End::Lf, End::Cr),
        ] {
            let wire = [inside, b"\r\n.\r\n"].concat();
            for chunk in [1, 2, 3, 100] {
                let (message, seen, taken) = read(&wire, chunk);
                assert_eq!(taken, wire.len(), "{}", inside.escape_ascii());
                let found = seen.smuggling.unwrap();
                assert_eq!((found.before, found.after), (before, after), "{}", inside.escape_ascii());
                assert!(message[usize::try_from(found.at).unwrap()..].starts_with(b"MAIL"));
            }
        }
    }

    #[test]
    fn what_is_too_large_is_read_to_its_end_and_not_kept() {
        let mut body = Body::new(10);
        body.take(b"0123456789\r\n");
        assert!(body.is_too_large() && body.held() == 0 && !body.ended);
        body.take(b".\r\n");
        assert!(body.ended && body.size == 12);
    }

    proptest! {
        #[test]
        fn what_was_stuffed_comes_out_again_however_it_is_cut(text in "([a.\\x00é]{0,6}\r\n){0,8}", chunk in 1_usize..9) {
            let wire = stuffed(text.as_bytes());
            let (message, seen, taken) = read(&wire, chunk);
            prop_assert_eq!(taken, wire.len());
            prop_assert_eq!(message, text.as_bytes());
            prop_assert!(seen.smuggling.is_none() && seen.bare_lf + seen.bare_cr == 0);
        }

        #[test]
        fn cuts_change_nothing(wire in prop::collection::vec(prop::sample::select(b"\r\n.a".to_vec()), 0..40), chunk in 1_usize..9) {
            prop_assert_eq!(read(&wire, chunk), read(&wire, 1000));
        }
    }
}

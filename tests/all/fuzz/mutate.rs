//! Changes of seeds: bytes and bits, pieces cut, doubled, repeated and moved, two seeds in one, and words that parsers know.

/// The largest input; a loop that is quadratic shows itself by then, and the many small ones stay fast.
const MOST_BYTES: usize = 64 * 1024;

/// Bytes and words at which parsers turn.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\r",
    b" ",
    b"\t",
    b"\r\n ",
    b"\"",
    b"\\",
    b"(",
    b")",
    b"<",
    b">",
    b"@",
    b":",
    b";",
    b"=",
    b",",
    b".",
    b"..",
    b"/",
    b"//",
    b"%",
    b"%{",
    b"%{i}",
    b"%{l1r-}",
    b"}",
    b"[",
    b"]",
    b"[IPv6:",
    b"!",
    b"-",
    b"+",
    b"~",
    b"?",
    b"*",
    b"--",
    b"\xff",
    b"\x80",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xef\xbf\xbd",
    b"\xe2\x80\xae",
    b"\xe2\x80\x8b",
    b"\xf0\x9f\x93\xa7",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x1b[31m",
    b"\x1b]52;c;AAAA\x07",
    b"\x1b[201~",
    b"\xc2\x9b",
    b"\x7f",
    b"0",
    b"1",
    b"-1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999",
    b"1e999",
    b"xn--",
    b"xn--a",
    b"=?utf-8?q?=00?=",
    b"=?utf-8?b?AA=",
    b"=?x?",
    b"?=",
    b"=0D=0A",
    b"=\r\n",
    b"AA==",
    b"====",
    b"From ",
    b">From ",
    b"From:",
    b"Date: ",
    b"Received: ",
    b"v=spf1 ",
    b"v=DMARC1;",
    b"v=DKIM1;",
    b"v=STSv1;",
    b"v=TLSRPTv1;",
    b"v=BIMI1;",
    b"include:",
    b"redirect=",
    b"exp=",
    b"exists:",
    b"ip4:",
    b"ip6:",
    b"all",
    b"ptr",
    b"p=",
    b"rua=mailto:",
    b"!10m",
    b"b=",
    b"bh=",
    b"h=",
    b"l=",
    b"l=0",
    b"t=",
    b"x=",
    b"i=",
    b"i=1;",
    b"cv=",
    b"c=relaxed/",
    b"c=simple/simple",
    b"a=rsa-sha1",
    b"a=ed25519-sha256",
    b"DKIM-Signature: ",
    b"ARC-Seal: ",
    b"ARC-Message-Signature: ",
    b"ARC-Authentication-Results: i=1; ",
    b"Authentication-Results: ",
    b"Received-SPF: ",
    b"mode: ",
    b"mx: ",
    b"max_age: ",
    b"250",
    b"250-",
    b"250 ",
    b"220 ",
    b"334 ",
    b"354",
    b"421 ",
    b"454 4.7.0 ",
    b"550 5.7.26 ",
    b"5.7.1",
    b"9.9.9",
    b"EHLO ",
    b"STARTTLS",
    b"AUTH LOGIN",
    b"AUTH PLAIN ",
    b"MAIL FROM:<",
    b"RCPT TO:<",
    b"DATA",
    b"SIZE ",
    b"Content-Type: multipart/mixed; boundary=",
    b"Content-Transfer-Encoding: base64",
    b"boundary=\"\"",
    b"charset=",
    b"<html>",
    b"&lt;",
    b"&#x110000;",
    b"&#0;",
    b"\\\"",
    b"\x30\x80",
    b"\x30\x84\xff\xff\xff\xff",
];

/// A source of changes; the same seed gives the same ones.
pub struct Mutator(u64);

impl Mutator {
    pub fn new(seed: u64) -> Mutator {
        // SplitMix64: any seed is good, nought too.
        Mutator(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when that is 0.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.next() % end as u64).unwrap() }
    }

    fn pick<'a>(&mut self, of: &'a [Vec<u8>]) -> &'a [u8] {
        &of[self.below(of.len())]
    }

    /// A range of at most `most` bytes.
    fn range(&mut self, length: usize, most: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let size = self.below(most.min(length - start) + 1);
        start..start + size
    }

    /// One of the seeds, changed once or some times.
    pub fn change(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.pick(seeds).to_vec();
        for _ in 0..=self.below(8) {
            self.step(&mut bytes, seeds);
        }
        bytes.truncate(MOST_BYTES);
        bytes
    }

    fn step(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let length = bytes.len();
        match self.below(12) {
            0 if length > 0 => {
                let at = self.below(length);
                bytes[at] ^= 1 << self.below(8);
            }
            1 if length > 0 => {
                let at = self.below(length);
                bytes[at] = u8::try_from(self.below(256)).unwrap();
            }
            2 => {
                let cut = self.range(length, 1 + length / 4);
                bytes.drain(cut);
            }
            3 => {
                let (from, at) = (self.range(length, 64), self.below(length + 1));
                let piece = bytes[from].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                // Much of the same: what counts, nests or remembers shows itself here.
                let (from, at) = (self.range(length, 40), self.below(length + 1));
                let times = 1 << self.below(12);
                let piece = bytes[from].repeat(times);
                bytes.splice(at..at, piece.into_iter().take(MOST_BYTES));
            }
            5 => {
                let other = self.pick(seeds);
                let (from, to) = (self.range(other.len(), other.len()), self.range(length, length));
                bytes.splice(to, other[from].to_vec());
            }
            6 => bytes.truncate(self.below(length + 1)),
            7 => {
                let ends: &[u8] = [&b"\n"[..], b"\r", b"\r\n", b""][self.below(4)];
                let text = std::mem::take(bytes);
                *bytes = text.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(ends);
            }
            8 if length > 1 => {
                let lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                let (one, two) = (self.below(lines.len()), self.below(lines.len()));
                let mut lines = lines;
                lines.swap(one, two);
                *bytes = lines.concat();
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                let over = if self.below(2) == 0 { word.len() } else { 0 };
                let at = self.below(length + 1);
                bytes.splice(at..(at + over).min(length), word.iter().copied());
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_changes_and_none_is_too_large() {
    let seeds = [b"From: a@b.example\r\n\r\nx\r\n".to_vec(), vec![0; MOST_BYTES]];
    let (mut one, mut two) = (Mutator::new(7), Mutator::new(7));
    for _ in 0..500 {
        let changed = one.change(&seeds);
        assert!(changed.len() <= MOST_BYTES);
        assert_eq!(changed, two.change(&seeds));
    }
    let same = (0..500).filter(|_| one.change(&seeds) == two.change(&[b"y".to_vec()])).count();
    assert!(same < 100);
}

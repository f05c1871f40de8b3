//! Mutated messages through every parser and every check: nothing panics, and every mark lies in its text.
//!
//! In the suite for a moment; for as long as one likes by a command:
//! `MXRAY_FUZZ_SECONDS=600 cargo test --release --test all message::fuzz -- --nocapture`

use std::time::{Duration, Instant};

use mxray::check::world::World;
use mxray::job::Envelope;
use mxray::message::{ALL, Message, mbox_messages};
use mxray::report::Block;
use time::OffsetDateTime;

use super::corpus::{ZONE, entries};

/// Pieces that parsers stumble over.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b";",
    b"=",
    b"\"",
    b"<",
    b">",
    b"@",
    b"(",
    b")",
    b"\\",
    b"\0",
    b"\xff",
    b"From: ",
    b"From ",
    b"> ",
    b"From: g: a@b.c;",
    b"DKIM-Signature: ",
    b"ARC-Seal: i=1; cv=none",
    b"ARC-Message-Signature: i=1;",
    b"ARC-Authentication-Results: i=1; x",
    b"Authentication-Results: x; dkim=pass (a) header.d=b.c",
    b"Received: from a ([1.2.3.4]) by b; ",
    b"Tue, 24 Nov 2026 09:58:12 +0000",
    b"Content-Type: multipart/mixed; boundary=x",
    b"\r\n--x\r\n",
    b"=?utf-8?q?=C3=A4?=",
    b"l=0",
    b"l=18446744073709551615",
    b"x=1",
    b"t=99999999999999999999",
    b"h=",
    b"bh=",
    b"b=",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"=3D",
    b"&lt;",
    b"<pre>",
    b"Content-Type: message/rfc822",
];

/// A small generator, so that a run can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % sides.max(1)
    }
}

fn mutate(raw: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(8) {
        let at = dice.roll(raw.len() + 1);
        match dice.roll(5) {
            0 if at < raw.len() => raw[at] = u8::try_from(dice.roll(256)).unwrap(),
            1 => {
                let end = (at + dice.roll(40)).min(raw.len());
                raw.drain(at..end);
            }
            2 => {
                let piece: Vec<u8> = raw[at..(at + dice.roll(60)).min(raw.len())].to_vec();
                let to = dice.roll(raw.len() + 1);
                raw.splice(to..to, piece);
            }
            _ => {
                raw.splice(at..at, PIECES[dice.roll(PIECES.len())].iter().copied());
            }
        }
    }
}

#[test]
fn mutated_messages_break_nothing() {
    let seconds = std::env::var("MXRAY_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let world = World::parse(ZONE).unwrap();
    let seeds = entries();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (started, mut count) = (Instant::now(), 0_u64);
    while started.elapsed() < Duration::from_secs(seconds) {
        let mut raw = seeds[dice.roll(seeds.len())].raw.to_vec();
        for _ in 0..4 {
            mutate(&mut raw, &mut dice);
            count += 1;
            mbox_messages(&raw);
            let Ok(message) = Message::parse(raw.as_slice().into(), Envelope::default()) else { continue };
            for check in ALL {
                let section = world.settle(*check, &message, OffsetDateTime::UNIX_EPOCH).section;
                for block in &section.blocks {
                    if let Block::Source { text, marks, .. } = block {
                        assert!(marks.iter().all(|mark| mark.span.of_str(text).is_some()), "{}: {raw:?}", section.id);
                    }
                }
            }
        }
    }
    println!("fuzz: {count} messages in {seconds} s");
}

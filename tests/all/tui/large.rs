//! Dialogues as large and as hostile as the engine lets them become.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mxray::check::{LineEnding, Transcript, TranscriptEntry, TranscriptEvent};
use mxray::job::JobEvent;
use mxray::report::LookupId;

use super::{SMTP, coloured, draw, press, tell};

/// Twelve dialogues of a thousand entries, each of 4096 bytes that a terminal might obey.
#[test]
fn the_largest_hostile_dialogues_are_shown_safely_and_a_key_stays_a_key() {
    let evil = [
        "\u{1b}[31m\u{1b}]52;c;x\u{7}",
        "\u{202e}evil\u{2066}",
        "表示幅漢字",
        "e\u{301}\u{200d}👩\u{200d}👩",
        "\0\r",
        "plain text ",
    ];
    let line = |at: usize| {
        let mut bytes = format!("250-{at} ").into_bytes();
        while bytes.len() < 4096 {
            bytes.extend(evil[(at + bytes.len()) % evil.len()].as_bytes());
        }
        bytes.truncate(4096);
        TranscriptEvent::Received { line: bytes, ending: LineEnding::CrLf }
    };
    let mut state = coloured(SMTP);
    press(&mut state, "⎋3:example.com⏎");
    let entries: Vec<TranscriptEntry> =
        (0..1000).map(|at| TranscriptEntry { at: Duration::from_millis(1), tls: false, event: line(at) }).collect();
    let transcript = Arc::new(Transcript { entries, finished: false });
    let mut dialogues = Vec::new();
    for id in 1..=12 {
        dialogues.push(JobEvent::Dialogue(LookupId(id), transcript.clone()));
    }
    tell(&mut state, dialogues);
    for (width, height) in [(60, 20), (80, 24), (120, 40), (200, 60)] {
        for keys in ["g", "G", "⏎", "↑", "⇥", "v", "v"] {
            let begun = Instant::now();
            press(&mut state, keys);
            let buffer = draw(&mut state, (width, height));
            assert!(begun.elapsed() < Duration::from_secs(2), "{width}x{height} {keys}: {:?}", begun.elapsed());
            for cell in buffer.content() {
                assert!(!cell.symbol().chars().any(mxray::untrusted::is_hidden), "{:?}", cell.symbol());
            }
        }
    }
}

//! Mail that wants to break what reads it: bounded, shown, and done in time.

use std::time::{Duration, Instant};

use mxray::check::world::World;
use mxray::job::Envelope;
use mxray::message::{ALL, Message};
use mxray::report::Section;
use time::OffsetDateTime;

/// Generous for a debug build on a busy machine; what is quadratic takes minutes.
const PATIENCE: Duration = Duration::from_secs(20);

fn judge(raw: Vec<u8>) -> Vec<Section> {
    let started = Instant::now();
    let message = Message::parse(raw.into(), Envelope::default()).unwrap();
    let world = World::default();
    let sections = ALL.iter().map(|check| world.settle(*check, &message, OffsetDateTime::UNIX_EPOCH).section).collect();
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
    sections
}

fn ids(sections: &[Section]) -> Vec<&'static str> {
    sections.iter().flat_map(|section| &section.findings).map(|finding| finding.id).collect()
}

const BASE: &str = "From: a@b.example\r\nDate: Tue, 24 Nov 2026 09:58:12 +0000\r\n\r\nx\r\n";

#[test]
fn a_hundred_thousand_headers() {
    let raw = format!("{}{BASE}", "X-Bomb: y\r\n".repeat(100_000));
    assert!(ids(&judge(raw.into())).contains(&"message.too-many-headers"));
}

#[test]
fn ten_thousand_received_lines() {
    let line = "Received: from a.example ([192.0.2.1]) by b.example with SMTP; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
    judge(format!("{}{BASE}", line.repeat(10_000)).into());
}

#[test]
fn five_thousand_signatures() {
    let line = "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; h=from; bh=YQ==; b=YQ==\r\n";
    assert!(ids(&judge(format!("{}{BASE}", line.repeat(5_000)).into())).contains(&"dkim.too-many-signatures"));
}

#[test]
fn signatures_of_many_tags_and_many_names() {
    let tags = "a=;".repeat(100_000);
    let names = "from:".repeat(3_000);
    let header = format!(
        "DKIM-Signature: {tags}\r\nDKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; h={names}from; bh=YQ==; b=YQ==\r\n"
    );
    judge(format!("{}{}{BASE}", header, "From: x@y.z\r\n".repeat(5_000)).into());
}

#[test]
fn a_field_of_five_megabytes_folded_and_not() {
    assert!(ids(&judge(format!("X: {}\r\n{BASE}", "y".repeat(5_000_000)).into())).contains(&"message.long-header"));
    judge(format!("X: {}\r\n{BASE}", "\r\n y".repeat(1_000_000)).into());
    judge(format!("From: {}\r\n\r\n", "<a@b.c>".repeat(300_000)).into());
    judge(format!("Received: {}\r\n{BASE}", "(".repeat(1_000_000)).into());
}

#[test]
fn nulls_and_escapes_everywhere() {
    let text = "\0\u{1b}[201~\u{1b}]52;c;AAAA\u{7}\u{202e}";
    for name in
        ["From", "To", "Subject", "Received", "DKIM-Signature", "ARC-Seal", "Authentication-Results", "Return-Path"]
    {
        judge(format!("{name}: {text}\r\n{BASE}{text}").into());
    }
    judge([b"A: b\r\n", [0; 100_000].as_slice(), b"\r\n", BASE.as_bytes()].concat());
}

#[test]
fn a_message_past_the_bound_is_cut_and_told() {
    let mut raw = BASE.as_bytes().to_vec();
    raw.resize(mxray::message::MAX_BYTES + 1000, b'z');
    assert!(ids(&judge(raw)).contains(&"message.cut"));
}

#[test]
fn every_span_of_a_finding_lies_in_what_it_quotes() {
    for raw in
        [format!("From: x@y.z\r\nSubject: a\r\nSubject: b\r\n{BASE}"), format!("DKIM-Signature: v=2; junk\r\n{BASE}")]
    {
        for section in judge(raw.into_bytes()) {
            for block in &section.blocks {
                if let mxray::report::Block::Source { text, marks, .. } = block {
                    assert!(marks.iter().all(|mark| mark.span.of_str(text).is_some()), "{}", section.id);
                }
            }
        }
    }
}

//! Mail that wants to break what reads it: bounded, shown, and done in time.

use std::time::{Duration, Instant};

use mxray::check::world::World;
use mxray::job::Envelope;
use mxray::message::{ALL, Message};
use mxray::report::Section;
use time::OffsetDateTime;

use crate::fuzz::targets::print;

/// Generous for a debug build on a busy machine; what is quadratic takes minutes.
const PATIENCE: Duration = Duration::from_secs(20);

fn judge(raw: Vec<u8>) -> Vec<Section> {
    let started = Instant::now();
    let message = Message::parse(raw.into(), Envelope::default()).unwrap();
    let world = World::default();
    let sections: Vec<Section> =
        ALL.iter().map(|check| world.settle(*check, &message, OffsetDateTime::UNIX_EPOCH).section).collect();
    // In every format: no hidden character, every span inside.
    print(&message, message.text().len(), sections.clone());
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
    sections
}

fn ids(sections: &[Section]) -> Vec<&'static str> {
    sections.iter().flat_map(|section| &section.findings).map(|finding| finding.id).collect()
}

/// A finding of this id says this: a bound is never passed in silence.
fn assert_told(sections: &[Section], id: &str, text: &str) {
    let found: Vec<&str> = sections
        .iter()
        .flat_map(|section| &section.findings)
        .filter(|one| one.id == id)
        .map(|one| one.text.as_str())
        .collect();
    assert!(found.iter().any(|one| one.contains(text)), "{id}: {found:?}, all: {:?}", ids(sections));
}

const BASE: &str = "From: a@b.example\r\nDate: Tue, 24 Nov 2026 09:58:12 +0000\r\n\r\nx\r\n";

#[test]
fn a_hundred_thousand_headers() {
    let raw = format!("{}{BASE}", "X-Bomb: y\r\n".repeat(100_000));
    assert_told(
        &judge(raw.into()),
        "message.too-many-headers",
        "The header has 100002 fields; the first 20000 are read.",
    );
}

#[test]
fn ten_thousand_received_lines() {
    let line = "Received: from a.example ([192.0.2.1]) by b.example with SMTP; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
    let told = judge(format!("{}{BASE}", line.repeat(10_000)).into());
    assert_told(&told, "hops.too-many", "There are 10000 Received fields; the topmost 200 are read.");
}

#[test]
fn five_thousand_signatures() {
    let line = "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; h=from; bh=YQ==; b=YQ==\r\n";
    let told = judge(format!("{}{BASE}", line.repeat(5_000)).into());
    assert_told(&told, "dkim.too-many-signatures", "The message has 5000 signatures; the first 24 are judged.");
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
    for long in ["y".repeat(5_000_000), "\r\n y".repeat(1_000_000)] {
        let told = judge(format!("X: {long}\r\n{BASE}").into());
        assert_told(&told, "message.long-header", "1 header field is longer than 256 KiB.");
    }
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
    assert_told(&judge(raw), "message.cut", "longer than the 100 MB that are read; 1000 bytes were left out");
}

#[test]
fn multiparts_a_thousand_deep_and_ten_thousand_wide() {
    let head = |boundary: usize| format!("Content-Type: multipart/mixed; boundary=\"b{boundary}\"\r\n\r\n");
    let deep: String = (0..1000).map(|level| format!("--b{level}\r\n{}", head(level + 1))).collect();
    let told = judge(format!("From: a@b.example\r\n{}{deep}x\r\n", head(0)).into());
    let bound = "Parts are read 20 deep and 500 in all; this message has more, which were not looked at.";
    assert_told(&told, "mime.too-many-parts", bound);
    let inside = "--b0\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@d.example\r\n\r\nx\r\n";
    let told = judge(format!("From: a@b.example\r\n{}{}", head(0), inside.repeat(10_000)).into());
    assert_told(&told, "mime.too-many-parts", bound);
    // A message inside is offered on its own; nobody goes down two thousand of them.
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(2_000);
    let told = judge(format!("From: a@b.example\r\n{nested}x").into());
    assert_told(&told, "mime.message-inside", "There is a message inside");
}

#[test]
fn codings_that_break_off_and_charsets_that_do_not_exist() {
    for body in [
        "Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\nQ",
        "Content-Transfer-Encoding: quoted-printable\r\n\r\na=\r\n=3\r\n==",
        "Content-Transfer-Encoding: x-unknown\r\nContent-Type: text/plain; charset=\"no-such\"\r\n\r\n\u{ff}\u{fe}",
        "Content-Type: multipart/mixed\r\n\r\n--\r\n----\r\n",
        "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\n--",
        "Content-Type: text/plain; charset*0*=utf-8''%; charset*1=\"\r\n\r\nx",
        "Subject: =?utf-8?b?QUJ=?= =?no-such?q?=FF?= =?utf-8?q?=E2=80=AE=1B[31m?=\r\n\r\nx",
        "From: =?utf-8?q?=E2=80=AEmoc=2Eknab=40x?= <x@y.example>\r\n\r\nx",
    ] {
        judge(format!("From: a@b.example\r\n{body}").into());
    }
    judge(b"From: \xff\xfe <\xe4@\xf6.example>\r\nSubject: \x80\x9b31m\r\nX-\xff: \xc3\r\n\r\n\xff".to_vec());
}

#[test]
fn any_line_end_and_any_small_size() {
    let text = BASE.repeat(2);
    for ends in ["\r", "\n", "\n\r", "\r\r\n"] {
        judge(text.replace("\r\n", ends).into());
    }
    judge(text.replacen("\r\n", "\n", 1).replacen("\r\n", "\r", 1).into());
    for byte in 0..=255_u8 {
        assert!(Message::parse([byte].as_slice().into(), Envelope::default()).is_err(), "{byte}");
        let _ = Message::parse([byte, b':', byte].as_slice().into(), Envelope::default());
    }
    assert!(Message::parse([].as_slice().into(), Envelope::default()).is_err());
    judge(b"a:".to_vec());
}

#[test]
fn names_and_values_that_want_to_steer_the_terminal() {
    // What ends a bracketed paste, a title, a clipboard; what turns and hides text; in names, values, parameters, domains.
    for text in [
        "\u{1b}[201~",
        "\u{1b}]0;x\u{7}",
        "\u{9b}31m",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{feff}",
        "\0",
        "\u{e0041}",
    ] {
        judge(format!("Subject: x\r\nX{text}Y: z\r\n{BASE}").into());
        // Where no header can begin, it is no message, and that is said.
        let first = Message::parse(format!("{text}: z\r\n{BASE}").into_bytes().into(), Envelope::default());
        assert!(first.is_ok() || first.unwrap_err().to_string().contains("begin with a header"));
        judge(
            format!("From: \"{text}\" <a{text}@{text}.example>\r\nReply-To: x@{text}\r\nMessage-ID: <{text}>\r\n\r\n")
                .into(),
        );
        judge(format!(
            "DKIM-Signature: v=1; a={text}; d=b{text}.example; s={text}; h=from:{text}; i={text}@b.example; bh=YQ==; b={text}\r\n\
             ARC-Seal: i=1; a={text}; d={text}; s=s; cv={text}; b=YQ==\r\n\
             Authentication-Results: {text}; dkim=pass ({text}) header.d={text}; spf={text}; dmarc=pass reason=\"{text}\"\r\n\
             Received-SPF: {text} client-ip={text}; helo={text}\r\nReturn-Path: <{text}>\r\n\
             Received: from {text} ({text} [192.0.2.1]) by {text} with {text} id {text} for <{text}>; {text}\r\n{BASE}"
        ).into());
    }
}

#[test]
fn a_header_of_ten_megabytes_in_one_line_of_its_own() {
    for name in ["From", "Received", "DKIM-Signature", "Authentication-Results"] {
        judge(format!("{name}: {}\r\n{BASE}", "x@y.example, ".repeat(800_000)).into());
    }
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

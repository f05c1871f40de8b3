//! `mxray message` on files: mailboxes, and mail past each bound.

use std::path::PathBuf;

use serde_json::Value;

use super::{report, run};

/// A file of its own folder; both go when the folder is dropped.
fn file(raw: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message.eml");
    std::fs::write(&path, raw).unwrap();
    (folder, path)
}

fn finding<'a>(report: &'a Value, id: &str) -> &'a str {
    let sections = report["sections"].as_array().unwrap();
    let found = sections.iter().flat_map(|section| section["findings"].as_array().unwrap()).find(|one| one["id"] == id);
    found.and_then(|one| one["text"].as_str()).unwrap_or_else(|| panic!("no {id} in {report}"))
}

/// The text as one line, so that its breaks do not matter.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_mailbox_is_listed_and_a_number_picks_a_message() {
    let one = |n: usize| {
        format!(
            "From a{n}@x Tue Nov 24 10:00:00 2026\nFrom: A{n} <a{n}@shop.example>\nSubject: number {n}\n\n>From {n}\n\n"
        )
    };
    let (_folder, path) = file((1..=3).map(one).collect::<String>());
    let path = path.to_str().unwrap();
    let options = ["message", "--demo", "--fail-on", "never"];

    let all = report(&[&options[..], &["--format", "json", path]].concat());
    assert!(finding(&all, "message.repaired.mbox").contains("a mailbox with 3 messages; the first is judged"));
    assert!(finding(&all, "message.repaired.mbox").contains("--message N"));
    let headers = all["sections"].as_array().unwrap().iter().find(|section| section["id"] == "headers").unwrap();
    assert_eq!(
        headers["facts"]["mailbox"][2],
        serde_json::json!({"n": 3, "from": "A3 <a3@shop.example>", "subject": "number 3"})
    );
    let text = run(&[&options[..], &[path]].concat()).out;
    assert!(flowing(&text).contains("2 of 3 A2 <a2@shop.example> number 2"), "{text}");

    let second = [&options[..], &[path, "--message", "2"]].concat();
    let json = report(&[&second[..], &["--format", "json"]].concat());
    assert!(finding(&json, "message.repaired.mbox").starts_with("The message came out of a mailbox file"));
    let markdown = run(&[&second[..], &["--format", "markdown"]].concat()).out;
    assert!(markdown.contains("number 2") && !markdown.contains("number 1"), "{markdown}");

    let gone = run(&[&options[..], &[path, "--message", "4"]].concat());
    assert_eq!((gone.status, gone.out.as_str(), gone.err.lines().count()), (3, "", 1));
    assert!(gone.err.contains("--message 4: the mailbox has 3 messages"), "{}", gone.err);
    assert_eq!(run(&[&options[..], &[path, "--message", "0"]].concat()).status, 2);
}

#[test]
fn every_bound_that_a_message_passes_is_told_in_the_report_and_in_the_text() {
    let base = "From: a@b.example\r\nDate: Tue, 24 Nov 2026 09:58:12 +0000\r\n\r\nx\r\n";
    let received = "Received: from a.example ([192.0.2.1]) by b.example with SMTP; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; h=from; bh=YQ==; b=YQ==\r\n";
    let deep: String =
        (0..1000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")).collect();
    let wide = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned() + &"--b\r\n\r\nx\r\n".repeat(10_000);
    for (raw, id, says) in [
        (
            format!("{}{base}", "X: y\r\n".repeat(30_000)),
            "message.too-many-headers",
            "The header has 30002 fields; the first 20000 are read.",
        ),
        (
            format!("X: {}\r\n{base}", "y".repeat(300_000)),
            "message.long-header",
            "1 header field is longer than 256 KiB.",
        ),
        (
            format!("{}{base}", received.repeat(10_000)),
            "hops.too-many",
            "There are 10000 Received fields; the topmost 200 are read.",
        ),
        (
            format!("{}{base}", signature.repeat(5_000)),
            "dkim.too-many-signatures",
            "The message has 5000 signatures; the first 24 are judged.",
        ),
        (
            format!("From: a@b.example\r\n{deep}\r\nx\r\n"),
            "mime.too-many-parts",
            "Parts are read 20 deep and 500 in all;",
        ),
        (format!("From: a@b.example\r\n{wide}"), "mime.too-many-parts", "Parts are read 20 deep and 500 in all;"),
    ] {
        let (_folder, path) = file(raw);
        let options = ["message", "--demo", "--fail-on", "never", path.to_str().unwrap()];
        let json = report(&[&options[..], &["--format", "json"]].concat());
        assert!(finding(&json, id).contains(says), "{id}: {}", finding(&json, id));
        for format in ["text", "markdown"] {
            let printed = run(&[&options[..], &["--format", format]].concat()).out;
            assert!(flowing(&printed).contains(says), "{id} in {format}");
            assert!(!printed.contains(|c: char| c != '\n' && mxray::untrusted::is_hidden(c)), "{id} in {format}");
        }
    }
}

#[test]
fn what_is_no_message_is_three_and_says_what_to_do() {
    for (raw, says) in [
        (&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest"[..], "an Outlook .msg file"),
        (b" \r\n\r\n", "the message is empty"),
        (b"\x1b[201~\0\0\0", "These bytes are no text and no message: they do not begin with a header"),
        (b"hello\nAnn\n", "Gmail \"Show original\""),
        (b"monsec.example\nexample.org\n", "mxray domain monsec.example"),
        (b"v=DMARC1;\n p=none\n", "This seems to be a DMARC record"),
        (b"S: 220 a\nC: EHLO b\n", "a dialogue with a mail server"),
        (b"%PDF-1.7\n", "a PDF file"),
    ] {
        let (_folder, path) = file(raw);
        let ran = run(&["message", "--demo", path.to_str().unwrap()]);
        assert_eq!((ran.status, ran.out.as_str(), ran.err.lines().count()), (3, "", 1), "{says}");
        assert!(ran.err.contains(says), "{}", ran.err);
    }
}

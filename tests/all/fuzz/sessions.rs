//! Clients of the listener: whatever they send and however it is cut, replies are single printable lines, what is kept is
//! bounded, what is printed obeys nothing, and where the cuts are changes neither a reply nor a message.

use mxray::check::{TranscriptEvent, Visit};
use mxray::smtp::listen::words;
use mxray::untrusted::is_hidden;

use crate::listen::visits::{Does, visit};

const REPLIES: [&[&str]; 7] =
    [&[], &["greylist"], &["no-pipelining"], &["size=40"], &["auth-required"], &["auth=535", "message=451"], &["lmtp"]];

pub fn seeds() -> Vec<Vec<u8>> {
    [
        "0EHLO mx.a.example\r\nMAIL FROM:<a@a.example> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<b@b.example>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nQUIT\r\n",
        "1EHLO [192.0.2.1]\r\nMAIL FROM:<>\r\nRCPT TO:<\"b c\"@b.example>\r\nRCPT TO:<b@b.example>\r\nRSET\r\nNOOP\r\nVRFY b\r\n",
        "2EHLO x\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nBDAT 5\r\nab\r\ncBDAT 0 LAST\r\nHELP\r\nQUIT\r\n",
        "3EHLO x\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nx\n.\nMAIL FROM:<c@c.example>\r\n.\r.\r\n.\r\n",
        "4EHLO x\r\nSTARTTLS\r\n\u{1d}EHLO x\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@a.example> REQUIRETLS\r\n",
        "5EHLO x\r\nSTARTTLS\r\n\u{1d}EHLO x\r\nAUTH PLAIN AGEAYg==\r\nAUTH PLAIN\r\n*\r\nsecret\r\nGET / HTTP/1.1\r\n",
        "6LHLO x\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
        "0\u{16}\u{3}\u{1}\u{0}\u{5}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

pub fn run(bytes: &[u8]) {
    let (first, rest) = bytes.split_first().unwrap_or((&b'0', b""));
    let replies = REPLIES[usize::from(first.wrapping_sub(b'0')) % REPLIES.len()];
    // A handshake stands between the parts.
    let parts: Vec<&[u8]> = rest.split(|byte| *byte == 0x1d).collect();
    let mut whole = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            whole.push(Does::Tls);
        }
        whole.push(Does::Says(part));
    }
    whole.push(Does::Leaves);
    let seen = visit(1, "192.0.2.7:40000", replies, &whole);
    judge(&seen);
    if parts.len() == 1 && !rest.to_ascii_uppercase().windows(8).any(|word| word == b"STARTTLS") {
        let size = usize::from(*first / 8) + 1;
        let mut pieces: Vec<Does<'_>> = rest.chunks(size).map(Does::Says).collect();
        pieces.push(Does::Leaves);
        let cut = visit(1, "192.0.2.7:40000", replies, &pieces);
        judge(&cut);
        // A TLS handshake in the clear is known by its first two bytes, which must come together.
        if !rest.starts_with(&[0x16]) {
            assert_eq!(replies_of(&seen), replies_of(&cut), "cut into {size}");
            let raw = |visit: &Visit| visit.messages.iter().map(|message| message.raw.clone()).collect::<Vec<_>>();
            assert_eq!(raw(&seen), raw(&cut));
        }
    }
}

fn replies_of(visit: &Visit) -> Vec<Vec<u8>> {
    let entries = visit.transcript.entries.iter();
    entries
        .filter_map(|entry| match &entry.event {
            TranscriptEvent::Received { line, .. } => Some(line.clone()),
            _ => None,
        })
        .collect()
}

fn judge(visit: &Visit) {
    for reply in replies_of(visit) {
        assert!(reply.iter().all(|byte| (b' '..=b'~').contains(byte)), "{}", reply.escape_ascii());
        assert!(reply.len() <= 510 && reply[..3].iter().all(u8::is_ascii_digit), "{}", reply.escape_ascii());
    }
    let shown: usize = visit
        .transcript
        .entries
        .iter()
        .map(|entry| match &entry.event {
            TranscriptEvent::Sent { line, .. } | TranscriptEvent::EarlyTalk(line) => line.len(),
            _ => 0,
        })
        .sum();
    assert!(shown < 1 << 20, "{shown} bytes are kept to be shown");
    assert_eq!(words::notes(visit).len(), visit.transcript.entries.len());
    assert!(visit.remarks.iter().all(|remark| remark.entry < visit.transcript.entries.len()));
    for printed in [words::text(visit), words::markdown(visit), words::json(visit)] {
        assert_eq!(printed.chars().find(|c| *c != '\n' && is_hidden(*c)), None, "{printed}");
    }
    for message in &visit.messages {
        assert!(!message.envelope.rcpt_to.is_empty() && message.envelope.rcpt_to.len() <= 100);
        assert!(message.envelope.helo.len() < 4096);
    }
}

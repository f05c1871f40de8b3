//! Replies, dialogues written down, certificates.

use std::time::Duration;

use mxray::check::{Dialogue, HandshakeFault, LineEnding, Transcript, TranscriptEntry, TranscriptEvent};
use mxray::job::SmtpPlan;
use mxray::smtp::{self, annotate, certificate, dot, export, import, mask, probe, reply, session, typed};
use mxray::untrusted::is_hidden;

use super::NOW;
use super::judged::{lossy, print, settle, wild};

pub(super) fn dialogues() -> Vec<Vec<u8>> {
    [
        "220 mx.b.example ESMTP Postfix\n250-mx.b.example\n250-SIZE 35882577\n250-STARTTLS\n250-AUTH LOGIN PLAIN\n250 SMTPUTF8\n220 2.0.0 Ready to start TLS\n250 mx.b.example\n221 2.0.0 Bye",
        "421-4.7.0 try later\n421 4.7.0 really",
        "554 5.7.1 no",
        "220-a\n220 b\n502 no EHLO\n250 HELO then\n221",
        "220 x\n250-x\n250-STARTTLS\n250 HELP\n454 4.7.0 TLS not available due to temporary reason",
        "2200\n25\n250\n\n999 \n550 5.7.26 Unauthenticated email from a.example is not accepted\n451 4.7.1 Greylisted",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// A dialogue in which the server says these lines, one after each of ours.
pub(super) fn heard(bytes: &[u8]) -> Transcript {
    let look = Dialogue::look("mx.b.example", "192.0.2.1:25".parse().unwrap());
    let plan = Dialogue { mail_from: Some(String::new()), rcpt_to: vec!["a@b.example".into()], ..look };
    let mut transcript = Transcript::default();
    let mut at = Duration::ZERO;
    let mut push = |transcript: &mut Transcript, event| {
        at += Duration::from_millis(7);
        transcript.entries.push(TranscriptEntry { at, tls: false, event });
    };
    push(&mut transcript, TranscriptEvent::Connected { local: None, peer: None });
    let mut mask = mask::Mask::default();
    for line in bytes.split(|byte| *byte == b'\n').take(400) {
        mask.received(line);
        let ending = if line.ends_with(b"\r") { LineEnding::CrLf } else { LineEnding::Lf };
        push(&mut transcript, TranscriptEvent::Received { line: line.to_vec(), ending });
        match probe::next_move(&plan, "me.example", &transcript) {
            probe::Move::Send(line) => {
                let (line, masked) = mask.sent(&line);
                push(&mut transcript, TranscriptEvent::Sent { line, masked });
            }
            probe::Move::SendMessage | probe::Move::SendThis(_) => {
                push(&mut transcript, TranscriptEvent::SentMessage { bytes: 3 });
            }
            probe::Move::StartTls => {
                push(&mut transcript, TranscriptEvent::TlsFailed(HandshakeFault::Failed, "no".into()))
            }
            probe::Move::Listen | probe::Move::Script(_) => {}
            probe::Move::Reconnect => push(&mut transcript, TranscriptEvent::Connected { local: None, peer: None }),
            probe::Move::Hang => {
                push(&mut transcript, TranscriptEvent::Closed { by_server: false, reset: false });
                break;
            }
        }
    }
    transcript.finished = true;
    transcript
}

pub(super) fn dialogue(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let parsed = reply::ReplyLine::parse(line);
        assert!(parsed.text.len() <= line.len());
        if let Some(code) = parsed.code {
            assert!(code < 1000);
        }
        session::Verb::parse(line);
        mask::Mask::default().sent(line);
        reply::Enhanced::parse(line);
    }
    let transcript = heard(bytes);
    all_of_a_dialogue(&transcript);
    let target = smtp::Target::parse("192.0.2.1:25", SmtpPlan::default()).unwrap();
    let sections = smtp::ALL.iter().map(|check| settle(*check, &target, &|query| wild(bytes, query))).collect();
    print(&target, 0, sections);
    let mut stuffed = dot::stuffed(bytes);
    assert!(stuffed.ends_with(b"\r\n.\r\n") || stuffed == b".\r\n");
    stuffed.truncate(stuffed.len() - 3);
    assert!(!stuffed.split(|byte| *byte == b'\n').any(|line| line == b".\r"), "a dot alone ends the message early");
}

pub(super) fn all_of_a_dialogue(transcript: &Transcript) {
    assert_eq!(annotate::annotate(transcript, "mx.b.example").len(), transcript.entries.len());
    typed::awaits_secret(transcript);
    let lines = typed::next_lines(transcript, "me.example");
    typed::complete("m", "", &lines);
    let held = [export::Held { host: "mx.b.example", port: 25, transcript }];
    for form in [export::Form::Text, export::Form::Markdown, export::Form::Json, export::Form::Swaks] {
        let printed = export::export(&held, form);
        assert_eq!(printed.chars().find(|c| *c != '\n' && is_hidden(*c)), None, "{printed}");
    }
}

pub(super) fn notes() -> Vec<Vec<u8>> {
    [
        "S: 220 smtp.gmail.com ESMTP\nC: EHLO mail.lupton.de\nS: 250-smtp.gmail.com at your service\nS: 250-SIZE 35882577\nS: 250 STARTTLS # remark\nC: STARTTLS\nS: 220 2.0.0 Ready\nC: AUTH PLAIN AGEAYg==\nC: DATA\nS: 354 go\nC: Subject: x\nC: .\nC: QUIT\nS: 221 2.0.0 bye",
        "<-  220 mx ESMTP\n -> EHLO me\n<-  250-mx\n<~  250 OK\n ~> QUIT\n",
        "220 mx ESMTP\nEHLO me\n250 mx\nQUIT\n221 bye",
        "> EHLO me\n< 250 x\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

pub(super) fn imported(bytes: &[u8]) {
    let text = lossy(bytes);
    let Some(imported) = import::import(&text) else { return };
    import::slips(&text, &imported.transcript);
    all_of_a_dialogue(&imported.transcript);
}

pub(super) fn certificates() -> Vec<Vec<u8>> {
    let of = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        rcgen::generate_simple_self_signed(names).unwrap().cert.der().to_vec()
    };
    vec![of(&["mx.b.example"]), of(&["a.example", "*.b.example", "192.0.2.1"])]
}

pub(super) fn certificate_of(bytes: &[u8]) {
    if let Some(read) = certificate::Certificate::parse(bytes) {
        read.days_left(NOW);
        read.end_date();
    }
    certificate::public_key(bytes);
}

// What a person types, and our own files.

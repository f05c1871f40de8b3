//! Hands on an SMTP dialogue: keys in, effects and state out.

use std::sync::Arc;
use std::time::Duration;

use crate::check::{LineEnding, Transcript, TranscriptEntry, TranscriptEvent};
use crate::finding::Severity;
use crate::job::{JobEvent, JobId, SmtpPlan, Task};
use crate::report::{Lookup, LookupId, Report, VerdictLine};
use crate::smtp::probe::Move;
use crate::tui::action::PaneId;
use crate::tui::effect::{Draft, Effect};
use crate::tui::event::Event;
use crate::tui::state::{Overlay, State};
use crate::tui::update::tests::{fresh, press, started, tell};
use crate::tui::update::update;

fn lookup(id: u32) -> Lookup {
    Lookup {
        id: LookupId(id),
        kind: "smtp",
        name: "mail.example".into(),
        rr_type: "SMTP".into(),
        via: "tcp 192.0.2.25:587".into(),
        outcome: None,
        detail: None,
        start_ms: 0.0,
        elapsed_ms: 0.0,
        cached: false,
        joined: false,
        ttl: None,
        dnssec: "unknown",
        asked_by: vec!["transcript"],
    }
}

/// A dialogue of `C:` and `S:` lines.
fn dialogue(lines: &str, finished: bool) -> JobEvent {
    let mut entries = vec![TranscriptEntry {
        at: Duration::ZERO,
        tls: false,
        event: TranscriptEvent::Connected { local: None, peer: None },
    }];
    for line in lines.lines() {
        let bytes = line.get(2..).unwrap_or_default().trim_start().as_bytes().to_vec();
        let event = match line.starts_with('C') {
            true => TranscriptEvent::Sent { line: bytes, masked: false },
            false => TranscriptEvent::Received { line: bytes, ending: LineEnding::CrLf },
        };
        entries.push(TranscriptEntry { at: Duration::from_millis(1), tls: false, event });
    }
    JobEvent::Dialogue(LookupId(1), Arc::new(Transcript { entries, finished }))
}

const GREETED: &str = "S: 220 hi\nC: EHLO me\nS: 250-mail.example\nS: 250 AUTH PLAIN";

/// The SMTP pane with a dialogue by hand, job 2, that has come to `lines`.
fn by_hand(lines: &str) -> State {
    let mut state = fresh();
    press(&mut state, "⎋3:mail.example:587⏎");
    tell(&mut state, 1, JobEvent::Lookup(lookup(1)));
    tell(&mut state, 1, dialogue("S: 220 hi", false));
    let effects = press(&mut state, "i");
    let jobs = started(&effects);
    let [(2, job)] = jobs.as_slice() else { panic!("{jobs:?}") };
    let expected = SmtpPlan { hands_on: true, ..SmtpPlan::default() };
    assert!(matches!(&job.task, Task::Smtp { target, plan } if target == "mail.example:587" && *plan == expected));
    tell(&mut state, 2, JobEvent::Lookup(lookup(1)));
    tell(&mut state, 2, dialogue(lines, false));
    state
}

fn said(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Say(id, Move::Send(line)) => Some(format!("{} {}", id.0, String::from_utf8_lossy(line))),
            _ => None,
        })
        .collect()
}

#[test]
fn typed_lines_are_said_and_the_line_stays_open() {
    let mut state = by_hand("S: 220 hi");
    assert_eq!(said(&press(&mut state, "NOOP⏎QUIT⏎")), ["2 NOOP", "2 QUIT"]);
    assert!(state.shared.line.is_some());
    assert_eq!(said(&press(&mut state, "↑↑⏎")), ["2 NOOP"], "Up goes through what was said");
}

#[test]
fn tab_completes_what_the_server_offered() {
    let mut state = by_hand(GREETED);
    assert_eq!(said(&press(&mut state, "au⇥⏎")), ["2 AUTH PLAIN"]);
    assert_eq!(said(&press(&mut state, "r⇥⏎")), ["2 RSET"]);
}

#[test]
fn a_password_is_neither_shown_nor_remembered() {
    let mut state = by_hand(&format!("{GREETED}\nC: AUTH PLAIN\nS: 334 "));
    assert!(state.shared.line.as_ref().unwrap().hidden);
    let area = ratatui::layout::Rect::new(0, 0, 100, 30);
    press(&mut state, "AGEAYg==");
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    crate::tui::view::draw(&state, area, &mut buffer);
    let screen: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
    assert!(!screen.contains("AGEAYg"), "{screen}");
    assert_eq!(said(&press(&mut state, "⏎")), ["2 AGEAYg=="]);
    let mut typing = by_hand(GREETED);
    press(&mut typing, "AUTH PLAIN AGEAYg==");
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    crate::tui::view::draw(&typing, area, &mut buffer);
    let screen: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
    assert!(screen.contains("AUTH PLAIN ********") && !screen.contains("AGEA"), "{screen}");
    press(&mut state, "AUTH PLAIN AGEAYg==⏎");
    assert!(!state.shared.said.iter().any(|line| line.contains("AGEAYg")));
}

#[test]
fn the_line_closes_with_the_dialogue() {
    let mut state = by_hand(GREETED);
    tell(&mut state, 2, dialogue(&format!("{GREETED}\nC: QUIT\nS: 221 bye"), true));
    assert!(state.shared.line.is_none());
    assert!(state.shared.notice.as_ref().unwrap().text.contains("ended"));
}

#[test]
fn a_message_goes_out_only_after_a_screen_that_says_what_will_happen() {
    let data = format!("{GREETED}\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go");
    let mut state = by_hand(&data);
    state.shared.message = Some(Arc::from(b"Subject: x\r\n\r\nhi\r\n".as_slice()));
    assert!(press(&mut state, "⎋m").is_empty());
    let Some(Overlay::ConfirmSend { text, .. }) = &state.shared.overlay else { panic!() };
    assert!(text.contains("from <a@b> to <c@d>") && text.contains("really sent"), "{text}");
    assert!(press(&mut state, "⎋").is_empty(), "Esc sends nothing");
    let effects = press(&mut state, "my");
    assert!(matches!(effects.as_slice(), [Effect::Say(_, Move::SendThis(_))]), "{effects:?}");
    let mut early = by_hand(GREETED);
    early.shared.message = Some(Arc::from(b"x".as_slice()));
    press(&mut early, "⎋m");
    assert!(early.shared.overlay.is_none(), "no message before DATA");
}

const DATA: &str = "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go";

#[test]
fn a_message_is_written_in_an_editor_and_sent_after_the_same_screen() {
    let mut state = by_hand(&format!("{GREETED}\n{DATA}"));
    assert!(state.shared.line.as_ref().unwrap().hint.contains("your editor"));
    let effects = press(&mut state, "⎋c");
    let [Effect::Edit { id, draft: Draft::New(transcript) }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((id.0, transcript.entries.len()), (2, 11));
    let written: Arc<[u8]> = Arc::from("From: a@b\nDate: x\n\n.grün\n".as_bytes());
    assert!(update(&mut state, Event::Edited(*id, Ok(written.clone()))).is_empty(), "nothing is sent yet");
    let Some(Overlay::ConfirmSend { text, .. }) = &state.shared.overlay else { panic!() };
    for told in ["IN CLEAR TEXT", "from <a@b> to <c@d>", "1 line that begins with a dot", "8BITMIME", "really sent"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(press(&mut state, "⎋").is_empty(), "Esc sends nothing");
    let effects = press(&mut state, "c");
    let [Effect::Edit { draft: Draft::Again(kept), .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(*kept, written, "what was written is not lost");
    update(&mut state, Event::Edited(*id, Ok(written.clone())));
    let effects = press(&mut state, "y");
    let [Effect::Say(_, Move::SendThis(sent))] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(*sent, written);
    assert!(state.shared.composed.is_none(), "sent is sent");
}

#[test]
fn an_editor_that_brings_nothing_is_told_and_sends_nothing() {
    let mut state = by_hand(&format!("{GREETED}\n{DATA}"));
    press(&mut state, "⎋c");
    assert!(update(&mut state, Event::Edited(JobId(2), Err("no editor: set $VISUAL".into()))).is_empty());
    assert!(state.shared.overlay.is_none() && state.shared.notice.as_ref().unwrap().text.contains("$VISUAL"));
    let mut early = by_hand(GREETED);
    assert!(press(&mut early, "⎋c").is_empty(), "no editor before DATA");
    assert!(early.shared.notice.as_ref().unwrap().text.contains("say DATA first"));
    // The server has gone away while the person wrote.
    tell(&mut state, 2, dialogue(&format!("{GREETED}\n{DATA}\nS: 421 too slow"), false));
    assert!(update(&mut state, Event::Edited(JobId(2), Ok(Arc::from(b"x".as_slice())))).is_empty());
    assert!(state.shared.overlay.is_none() && state.shared.composed.is_some());
}

#[test]
fn hands_on_means_one_dialogue_with_the_address_that_was_looked_at() {
    let mut state = fresh();
    press(&mut state, "⎋3:mail.example:587⏎");
    tell(&mut state, 1, JobEvent::Lookup(lookup(1)));
    let peer = Some("[2001:db8::25]:587".parse().unwrap());
    let event = TranscriptEvent::Connected { local: None, peer };
    let entries = vec![TranscriptEntry { at: Duration::ZERO, tls: false, event }];
    tell(&mut state, 1, JobEvent::Dialogue(LookupId(1), Arc::new(Transcript { entries, finished: false })));
    let effects = press(&mut state, "i");
    let jobs = started(&effects);
    let [(_, job)] = jobs.as_slice() else { panic!("{jobs:?}") };
    let Task::Smtp { plan, .. } = &job.task else { panic!() };
    assert_eq!((plan.hands_on, plan.family), (true, Some(crate::job::Family::V6)));
}

#[test]
fn an_envelope_is_tried_without_a_message() {
    let mut state = fresh();
    press(&mut state, "⎋3:example.com⏎");
    let effects = press(&mut state, "ea@b.example <c@d.example>⏎");
    let jobs = started(&effects);
    let [(_, job)] = jobs.as_slice() else { panic!("{jobs:?}") };
    let Task::Smtp { plan, .. } = &job.task else { panic!() };
    assert_eq!(
        (plan.mail_from.as_deref(), plan.rcpt_to.as_slice()),
        (Some("a@b.example"), &["c@d.example".to_owned()][..])
    );
    assert!(plan.data.is_none());
}

#[test]
fn a_pasted_dialogue_opens_in_the_smtp_pane_and_a_message_does_not() {
    let mut state = fresh();
    let text = "S: 220 mail.example ESMTP\rC: EHLO me\rS: 250 mail.example\rC: QUIT\rS: 221 bye\r";
    let effects = update(&mut state, Event::Paste(text.into()));
    assert!(matches!(started(&effects).as_slice(), [(_, job)] if matches!(&job.task, Task::Dialogue { .. })));
    assert_eq!(state.active, PaneId::Smtp);
    // What was saved or copied as JSON too; other JSON is none.
    let line = |from: &str, text: &str| format!("{{\"from\": \"{from}\", \"tls\": false, \"text\": \"{text}\"}}");
    let lines = [line("server", "220 mail"), line("client", "QUIT"), line("server", "221 bye")].join(",");
    let effects = update(&mut state, Event::Paste(format!("{{\r \"hosts\": [{{\"lines\": [{lines}]}}]}}\r")));
    assert!(matches!(started(&effects).as_slice(), [(_, job)] if matches!(&job.task, Task::Dialogue { .. })));
    let effects = update(&mut state, Event::Paste("{\r\"a\": 1\r}\r".into()));
    assert!(matches!(started(&effects).as_slice(), [(_, job)] if matches!(&job.task, Task::Message { .. })));
    let effects = update(&mut state, Event::Paste("From: a@b\nSubject: S: 220\n\nS: 220 hi\nC: EHLO\n".into()));
    assert!(matches!(started(&effects).as_slice(), [(_, job)] if matches!(&job.task, Task::Message { .. })));
}

#[test]
fn every_form_of_the_dialogue_can_be_copied() {
    let mut state = by_hand(GREETED);
    press(&mut state, "⎋");
    for (keys, expected) in [
        ("Y⏎", "EHLO me"),
        ("Y↓⏎", "| what it means |"),
        ("Y↓↓⏎", "\"from\": \"client\""),
        ("Y↓↓↓⏎", "swaks --server mail.example --port 587"),
    ] {
        let effects = press(&mut state, keys);
        let copied = effects.iter().find_map(|effect| match effect {
            Effect::Copy { text, .. } => Some(text.clone()),
            _ => None,
        });
        assert!(copied.unwrap_or_default().contains(expected), "{keys}");
    }
    let effects = press(&mut state, "y");
    assert!(matches!(effects.as_slice(), [Effect::Copy { text, .. }] if text == "250 AUTH PLAIN"), "{effects:?}");
}

#[test]
fn what_smtp_showed_flows_back_into_the_verdict_of_the_domain() {
    let line =
        |question, answer: &str, severity| VerdictLine { question, answer: answer.into(), severity, section: None };
    let mut state = fresh();
    press(&mut state, "example.com⏎");
    let spoofed = vec![line("SPOOFED?", "hard", Severity::Ok), line("READ IN TRANSIT?", "hard", Severity::Ok)];
    tell(&mut state, 1, finished("domain", spoofed));
    press(&mut state, "3:example.com⏎");
    let dialogues = vec![
        line("PLAIN SENDER", "yes, IN CLEAR TEXT", Severity::Error),
        line("WITH DANE", "no TLSA records", Severity::Ok),
    ];
    tell(&mut state, 2, finished("smtp", dialogues));
    let verdict = &state.shared.inquiry(PaneId::Domain).unwrap().verdict;
    assert_eq!((verdict[2].question, verdict[2].answer.as_str()), ("SEEN BY SMTP", "yes, IN CLEAR TEXT"));
    press(&mut state, "3:other.example⏎");
    tell(&mut state, 3, finished("smtp", vec![line("PLAIN SENDER", "yes", Severity::Ok)]));
    assert_eq!(
        state.shared.inquiry(PaneId::Domain).unwrap().verdict.len(),
        3,
        "another domain's servers say nothing of it"
    );
}

fn finished(kind: &'static str, verdict: Vec<VerdictLine>) -> JobEvent {
    let report = Report {
        mxray: "0",
        schema: 1,
        kind,
        target: "example.com".into(),
        at: time::OffsetDateTime::UNIX_EPOCH,
        elapsed_ms: 1.0,
        worst: Severity::Ok,
        verdict,
        summary: None,
        sections: Vec::new(),
        lookups: Vec::new(),
    };
    JobEvent::Finished(Arc::new(report), Arc::default())
}

#[test]
fn a_whole_report_is_copied_as_text_and_as_markdown() {
    let mut state = fresh();
    press(&mut state, "example.com⏎");
    let hard = VerdictLine { question: "SPOOFED?", answer: "hard".into(), severity: Severity::Ok, section: None };
    tell(&mut state, 1, finished("domain", vec![hard]));
    let mut copied = |keys: &str| {
        press(&mut state, keys)
            .into_iter()
            .find_map(|effect| match effect {
                Effect::Copy { text, .. } => Some(text),
                _ => None,
            })
            .unwrap_or_default()
    };
    let (text, markdown) = (copied("Y↓⏎"), copied("Y↓↓⏎"));
    assert!(text.contains("SPOOFED?  hard"), "{text}");
    assert!(markdown.starts_with('#') && markdown.contains("SPOOFED?"), "{markdown}");
}

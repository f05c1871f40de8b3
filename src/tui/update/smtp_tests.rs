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

pub(super) fn lookup(id: u32) -> Lookup {
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
pub(super) fn dialogue(lines: &str, finished: bool) -> JobEvent {
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

pub(super) const GREETED: &str = "S: 220 hi\nC: EHLO me\nS: 250-mail.example\nS: 250 AUTH PLAIN";

/// The SMTP pane with a dialogue by hand, job 2, that has come to `lines`.
pub(super) fn by_hand(lines: &str) -> State {
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

pub(super) fn said(effects: &[Effect]) -> Vec<String> {
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

pub(super) const DATA: &str = "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go";

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
        since: None,
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

/// Takes the choice of the menu under `h` that has these words.
fn choose(state: &mut State, words: &str) -> Vec<Effect> {
    press(state, "h");
    let Some(Overlay::Menu(menu)) = &state.shared.overlay else { panic!("no menu: {:?}", state.shared.notice) };
    let at = menu.items.iter().position(|(text, _)| text.contains(words));
    let at = at.unwrap_or_else(|| panic!("{words}: {:?}", menu.items));
    press(state, &format!("{}⏎", "↓".repeat(at)))
}

/// The marked choices of that menu; it is closed again.
fn in_force(state: &mut State) -> Vec<String> {
    press(state, "h");
    let Some(Overlay::Menu(menu)) = &state.shared.overlay else { panic!("no menu: {:?}", state.shared.notice) };
    let marked = menu.items.iter().filter(|(text, _)| text.contains('*'));
    let marked = marked.map(|(text, _)| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    press(state, "⎋");
    marked
}

fn plan_of(effects: &[Effect]) -> (String, SmtpPlan) {
    let jobs = started(effects);
    let [(_, job)] = jobs.as_slice() else { panic!("{effects:?}") };
    let Task::Smtp { target, plan } = &job.task else { panic!("{job:?}") };
    assert!(job.fresh, "it talks again");
    (target.clone(), plan.clone())
}

/// The SMTP pane after a look at `target`.
fn looked_at(target: &str) -> State {
    let mut state = fresh();
    press(&mut state, &format!("⎋3:{target}⏎"));
    tell(&mut state, 1, JobEvent::Lookup(lookup(1)));
    tell(&mut state, 1, dialogue("S: 220 hi\nC: EHLO laptop.example\nS: 250 mail.example", true));
    state
}

pub(super) fn screen(state: &State, width: u16) -> String {
    let area = ratatui::layout::Rect::new(0, 0, width, 30);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    crate::tui::view::draw(state, area, &mut buffer);
    let rows: Vec<String> = buffer
        .content()
        .chunks(usize::from(width))
        .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>())
        .collect();
    rows.join("\n")
}

#[test]
fn how_to_talk_shows_what_is_in_force_and_talks_again_with_what_is_chosen() {
    use crate::check::{Stage, TlsMode};
    let mut state = looked_at("mail.example:587");
    let usual = [
        "TLS * where STARTTLS is offered",
        "QUIT * at the end",
        "addresses * IPv4 and IPv6",
        "protocol * SMTP",
        "EHLO name * laptop.example, mxray's own ...",
    ];
    assert_eq!(in_force(&mut state), usual);
    assert!(!screen(&state, 100).contains("Chosen (h)"));
    // One change after the other: each dialogue has all of them.
    let (target, plan) = plan_of(&choose(&mut state, "after EHLO"));
    assert_eq!((target.as_str(), plan.stop_after), ("mail.example:587", Stage::Ehlo));
    let (_, plan) = plan_of(&choose(&mut state, "never"));
    assert_eq!((plan.stop_after, plan.tls), (Stage::Ehlo, TlsMode::Never));
    let (_, plan) = plan_of(&choose(&mut state, "  IPv6"));
    assert_eq!(plan.family, Some(crate::job::Family::V6));
    let (target, plan) = plan_of(&choose(&mut state, "LMTP"));
    assert!(plan.lmtp && target == "mail.example:587");
    assert!(choose(&mut state, "EHLO name").is_empty());
    let (_, plan) = plan_of(&press(&mut state, "me.example⏎"));
    assert_eq!(plan.ehlo.as_deref(), Some("me.example"));
    let now = ["TLS * never", "QUIT * after EHLO", "addresses * IPv6", "protocol * LMTP", "EHLO name * me.example ..."];
    assert_eq!(in_force(&mut state), now);
    // Asking again and an envelope keep it, another server does not.
    let (_, again) = plan_of(&press(&mut state, "r"));
    assert_eq!(again, plan);
    let (_, tried) = plan_of(&press(&mut state, "ea@b.example c@d.example⏎"));
    assert_eq!((tried.tls, tried.stop_after, tried.mail_from.is_some()), (TlsMode::Never, Stage::Ehlo, true));
    let (_, plan) = plan_of(&choose(&mut state, "all as usual"));
    assert_eq!((plan.tls, plan.stop_after, plan.ehlo, plan.lmtp), (TlsMode::Auto, Stage::Data, None, false));
    assert_eq!(plan.rcpt_to, ["c@d.example"], "the envelope is e's");
    choose(&mut state, "never");
    press(&mut state, ":other.example:25⏎");
    assert!(!screen(&state, 100).contains("Chosen (h)"), "another server is talked to as usual");
}

#[test]
fn a_dialogue_that_was_stopped_early_says_so_on_every_face_and_in_every_width() {
    for (words, said) in [
        ("after EHLO", "stops after EHLO, TLS not tried"),
        ("never", "never starts TLS"),
        ("STARTTLS or QUIT", "QUIT where TLS does not start"),
        ("LMTP", "LMTP"),
    ] {
        let mut state = looked_at("mail.example:587");
        choose(&mut state, words);
        tell(&mut state, 2, JobEvent::Lookup(lookup(1)));
        tell(&mut state, 2, dialogue("S: 220 hi\nC: EHLO me\nS: 250 hi\nC: QUIT\nS: 221 bye", true));
        for width in [60, 80, 120] {
            assert!(screen(&state, width).contains(said), "{}", screen(&state, width));
        }
        press(&mut state, "v");
        assert!(screen(&state, 80).contains(said), "{}", screen(&state, 80));
    }
}

#[test]
fn a_scheme_before_the_target_gives_way_to_what_is_chosen() {
    use crate::check::TlsMode;
    let mut state = looked_at("smtps://mail.example");
    assert!(in_force(&mut state).contains(&"TLS * from the first byte".to_owned()));
    let (target, plan) = plan_of(&choose(&mut state, "never"));
    assert_eq!((target.as_str(), plan.tls), ("mail.example:465", TlsMode::Never));
    let mut state = looked_at("lmtp://mail.example:2424");
    assert!(in_force(&mut state).contains(&"protocol * LMTP".to_owned()));
    let (target, plan) = plan_of(&choose(&mut state, "SMTP"));
    assert_eq!((target.as_str(), plan.lmtp), ("mail.example:2424", false));
}

#[test]
fn another_port_of_a_domain_is_that_of_the_host_that_is_looked_at() {
    for (words, expected) in [("on port 465", "mail.example:465"), ("on port 24", "mail.example:24")] {
        let mut state = looked_at("example.com");
        let (target, _) = plan_of(&choose(&mut state, words));
        assert_eq!(target, expected);
    }
}

#[test]
fn by_hand_the_addresses_and_the_name_stay_as_chosen_and_a_message_is_never_sent_twice() {
    let mut state = looked_at("mail.example:587");
    choose(&mut state, "EHLO name");
    press(&mut state, "me.example⏎");
    tell(&mut state, 2, JobEvent::Lookup(lookup(1)));
    tell(&mut state, 2, dialogue("S: 220 hi", true));
    let (_, plan) = plan_of(&press(&mut state, "i"));
    assert_eq!((plan.hands_on, plan.ehlo.as_deref()), (true, Some("me.example")));
    tell(&mut state, 3, JobEvent::Lookup(lookup(1)));
    tell(&mut state, 3, dialogue("S: 220 hi", false));
    assert_eq!(said(&press(&mut state, "e⇥⏎")), ["3 EHLO me.example"]);
    press(&mut state, "⎋");
    assert_eq!(in_force(&mut state)[0], "TLS * when you say STARTTLS");
    let effects = choose(&mut state, "  IPv4");
    assert!(matches!(effects.first(), Some(Effect::Cancel(JobId(3)))));
    let jobs = started(&effects);
    assert!(matches!(&jobs[0].1.task, Task::Smtp { plan, .. } if plan.hands_on && plan.data.is_none()));
    assert!(state.shared.line.is_some(), "the line is open again");
}

#[test]
fn a_name_for_ehlo_is_one_word_and_cannot_become_another_command() {
    let mut state = looked_at("mail.example:587");
    choose(&mut state, "EHLO name");
    assert!(press(&mut state, "two words⏎").is_empty());
    assert!(state.shared.line.as_ref().unwrap().error.as_ref().unwrap().contains("one word"));
    for name in ["[192.0.2.1]", "bad_name", "-"] {
        assert_eq!(crate::tui::panes::smtp::how::ehlo_name(name), Ok(Some(name.to_owned())));
    }
    for name in ["a\r\nMAIL", "grün.example", &"a".repeat(256)] {
        assert!(crate::tui::panes::smtp::how::ehlo_name(name).is_err(), "{name}");
    }
}

#[test]
fn without_a_server_there_is_no_way_to_talk() {
    let mut state = fresh();
    press(&mut state, "⎋3h");
    assert!(state.shared.overlay.is_none() && state.shared.notice.as_ref().unwrap().text.contains("nobody"));
    update(&mut state, Event::Paste("S: 220 mail.example ESMTP\rC: QUIT\rS: 221 bye\r".into()));
    press(&mut state, "h");
    assert!(state.shared.overlay.is_none(), "what is written down is not talked to");
}

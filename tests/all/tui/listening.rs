//! The SMTP pane while mxray is the server, from literal sessions.

use mxray::check::{ListenerNews, TlsMode, Visit};
use mxray::job::Task;
use mxray::smtp::listen::Plan;
use mxray::smtp::session::Session;
use mxray::tui::action::PaneId;
use mxray::tui::effect::Effect;
use mxray::tui::event::Event;
use mxray::tui::state::State;
use mxray::tui::update::{settle, update};
use mxray::untrusted::is_hidden;
use proptest::prelude::*;

use super::copies::copied;
use super::{SMTP, coloured, draw, press, rows, shot};
use crate::listen::visits::{Does, visit};

const HELLO: &[u8] = b"EHLO mx.sender.example\r\n";
const MAIL: &[u8] = b"MAIL FROM:<bounce@sender.example> SIZE=120\r\n";
const RCPT: &[u8] = b"RCPT TO:<you@example.com>\r\n";
const TEXT: &[u8] =
    b"From: Ann <ann@sender.example>\r\nTo: you@example.com\r\nSubject: the first mail\r\n\r\nHello.\r\n.\r\n";

/// The listener face, listening on a port that the system chose.
fn listening() -> State {
    let mut state = coloured(SMTP);
    press(&mut state, "⎋3l⏎⏎");
    let address = "127.0.0.1:40125".parse().unwrap();
    tell(&mut state, ListenerNews::Listening { address, certificate: "ab".repeat(32).into() });
    state
}

fn tell(state: &mut State, news: ListenerNews) {
    update(state, Event::Listener(news));
    settle(state);
}

fn come(state: &mut State, visit: Visit) {
    tell(state, ListenerNews::Visit(visit.into()));
}

fn whole(number: u64) -> Visit {
    let does = [
        Does::Says(HELLO),
        Does::Says(b"STARTTLS\r\n"),
        Does::Tls,
        Does::Says(HELLO),
        Does::Says(MAIL),
        Does::Says(RCPT),
        Does::Says(b"DATA\r\n"),
        Does::Says(TEXT),
        Does::Says(b"QUIT\r\n"),
    ];
    visit(number, "198.51.100.7:40000", &[], &does)
}

fn odd(number: u64) -> Visit {
    let smuggled = [&b"Subject: x\r\n\r\nHello\n.\nMAIL FROM:<evil@example.org>\r\n.\r\n"[..]].concat();
    let does = [
        Does::Says(b"EHLO localhost\r\n"),
        Does::Says(b"AUTH PLAIN AGFubgBodW50ZXIy\r\n"),
        Does::Says(MAIL),
        Does::Says(RCPT),
        Does::Says(b"DATA\r\n"),
        Does::Says(&smuggled),
        Does::Leaves,
    ];
    visit(number, "203.0.113.66:51234", &[], &does)
}

/// Two sessions, the second one opened, after these keys.
pub fn visited(keys: &str) -> State {
    let mut state = listening();
    come(&mut state, whole(1));
    come(&mut state, odd(2));
    press(&mut state, keys);
    state
}

#[test]
fn listen_waiting() {
    shot("listen_waiting", listening());
}

#[test]
fn listen_menu() {
    let mut state = coloured(SMTP);
    press(&mut state, "⎋3l↓");
    shot("listen_menu", state);
}

#[test]
fn listen_talking() {
    let mut state = listening();
    let does =
        [Does::Says(HELLO), Does::Says(MAIL), Does::Says(RCPT), Does::Says(b"DATA\r\n"), Does::Says(b"Subject: half")];
    come(&mut state, whole(1));
    come(&mut state, visit(2, "198.51.100.7:40001", &[], &does));
    shot("listen_talking", state);
}

#[test]
fn listen_captured() {
    let mut state = listening();
    come(&mut state, whole(1));
    press(&mut state, "⇥");
    shot("listen_captured", state);
}

#[test]
fn listen_strange() {
    let mut state = listening();
    come(&mut state, whole(1));
    come(&mut state, odd(2));
    press(&mut state, "g↓⇥⇥");
    shot("listen_strange", state);
}

#[test]
fn listen_error() {
    let mut state = coloured(SMTP);
    press(&mut state, "⎋3l⏎⏎");
    let why =
        "cannot listen on 127.0.0.1:2525: another program does already; choose another port, or 0 for any that is free";
    tell(&mut state, ListenerNews::Failed(why.into()));
    shot("listen_error", state);
}

fn keys(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in keys.chars() {
        let code = match c {
            '⏎' => crossterm::event::KeyCode::Enter,
            '⎋' => crossterm::event::KeyCode::Esc,
            c => crossterm::event::KeyCode::Char(c),
        };
        let key = crossterm::event::KeyEvent::new(code, crossterm::event::KeyModifiers::NONE);
        effects.extend(update(state, Event::Key(key)));
        settle(state);
    }
    effects
}

#[test]
fn one_key_starts_it_and_the_same_key_stops_it() {
    let mut state = coloured(SMTP);
    let effects = keys(&mut state, "⎋3l⏎⏎");
    let [Effect::Listen(plan)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((plan.address.to_string().as_str(), plan.scenario.words().as_str()), ("127.0.0.1:2525", "accept"));
    assert!(matches!(keys(&mut state, "l").as_slice(), [Effect::StopListening]));
    // What was on the way when it stopped is nobody's.
    come(&mut state, whole(1));
    assert!(state.shared.listening.as_ref().unwrap().visits.is_empty());
    assert!(keys(&mut state, "l").is_empty() && state.shared.overlay.is_some(), "and again: how to answer?");
}

#[test]
fn leaving_the_view_does_not_stop_it_and_a_mail_is_told_elsewhere() {
    let mut state = listening();
    assert!(keys(&mut state, "⎋1").is_empty());
    come(&mut state, whole(1));
    let notice = state.shared.notice.as_ref().unwrap().text.clone();
    assert!(notice.contains("<bounce@sender.example>"), "{notice}");
    assert!(keys(&mut state, "3l").is_empty());
    let text = rows(&draw(&mut state, (120, 40))).join("\n");
    assert!(text.contains("LISTENING") && text.contains("1 message"), "{text}");
}

#[test]
fn a_captured_message_opens_with_the_envelope_that_was_seen() {
    for way in ["m", "⇥⏎"] {
        let mut state = listening();
        come(&mut state, whole(3));
        let effects = match way {
            "m" => keys(&mut state, "m"),
            _ => {
                press(&mut state, "⇥");
                keys(&mut state, "⏎")
            }
        };
        let Some(Effect::Start(_, job)) = effects.first() else { panic!("{way}: {effects:?}") };
        assert!(job.offline, "nothing is asked before the strip has said of whom");
        let Task::Message { raw, envelope } = &job.task else { panic!("{job:?}") };
        assert!(raw.starts_with(b"From: Ann") && raw.ends_with(b"Hello.\r\n"));
        let heard = envelope.heard.as_ref().unwrap();
        assert_eq!(heard.client.ip().to_string(), "198.51.100.7");
        assert_eq!((heard.helo.as_str(), heard.mail_from.as_str()), ("mx.sender.example", "bounce@sender.example"));
        assert_eq!(state.active, PaneId::Message);
        let text = rows(&draw(&mut state, (120, 40))).join("\n");
        assert!(text.contains("session 3, message 1"), "{text}");
    }
}

#[test]
fn who_has_no_sender_lets_mxray_send_to_itself() {
    let mut state = listening();
    assert!(keys(&mut state, "m").is_empty(), "there is no message to send");
    state.shared.message = Some(b"Subject: x\r\n\r\nx\r\n".as_slice().into());
    let effects = keys(&mut state, "m");
    let [Effect::Start(_, job)] = effects.as_slice() else { panic!("{effects:?}") };
    let Task::Smtp { target, plan } = &job.task else { panic!("{job:?}") };
    assert_eq!(target, "127.0.0.1:40125");
    assert!(plan.data.is_some() && plan.rcpt_to == ["you@example.com"]);
    let text = rows(&draw(&mut state, (120, 40))).join("\n");
    assert!(text.contains("LISTENING"), "{text}");
}

#[test]
fn mxray_speaks_to_itself_as_the_listener_was_asked_to() {
    for (words, lmtp, tls) in [("lmtp", true, TlsMode::Auto), ("implicit-tls", false, TlsMode::Implicit)] {
        let mut state = listening();
        state.shared.listening.as_mut().unwrap().plan = Plan::parse(&format!("2525 {words}")).unwrap();
        state.shared.message = Some(b"Subject: x\r\n\r\nx\r\n".as_slice().into());
        let effects = keys(&mut state, "m");
        let [Effect::Start(_, job)] = effects.as_slice() else { panic!("{effects:?}") };
        let Task::Smtp { plan, .. } = &job.task else { panic!("{job:?}") };
        assert_eq!((plan.lmtp, plan.tls), (lmtp, tls), "{words}");
    }
}

#[test]
fn what_the_person_says_of_the_envelope_goes_over_what_was_seen_and_keeps_the_rest() {
    let mut state = listening();
    come(&mut state, whole(1));
    keys(&mut state, "me");
    let effects = keys(&mut state, "- other.example⏎");
    let Some(Effect::Start(_, job)) = effects.last() else { panic!("{effects:?}") };
    let Task::Message { envelope, .. } = &job.task else { panic!("{job:?}") };
    assert_eq!(envelope.helo.as_deref(), Some("other.example"));
    assert!(envelope.heard.is_some() && envelope.client_ip.is_none());
}

#[test]
fn a_line_that_is_no_plan_says_so_and_stays() {
    let mut state = coloured(SMTP);
    press(&mut state, "⎋3l⏎");
    state.shared.line.as_mut().unwrap().input = "mail.example.org:25".into();
    assert!(keys(&mut state, "⏎").is_empty());
    assert!(state.shared.line.as_ref().unwrap().error.as_ref().unwrap().contains("ADDR:PORT"));
}

#[test]
fn an_address_that_others_reach_is_warned_of() {
    let mut state = coloured(SMTP);
    press(&mut state, "⎋3l⏎");
    state.shared.line.as_mut().unwrap().input = "0.0.0.0:2600 accept".into();
    keys(&mut state, "⏎");
    assert!(state.shared.notice.as_ref().unwrap().bad);
    let text = rows(&draw(&mut state, (120, 40))).join("\n");
    assert!(text.contains("others can reach it"), "{text}");
}

#[test]
fn captured_mail_is_saved_as_it_came_and_not_lost_without_a_question() {
    let mut state = listening();
    come(&mut state, whole(1));
    keys(&mut state, "S");
    let effects = keys(&mut state, "/tmp/x.eml⏎");
    let [Effect::SaveMessage { path, message }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(path == "/tmp/x.eml" && message.ends_with(b"Hello.\r\n"));
    assert!(keys(&mut state, "q").is_empty(), "it asks");
    assert!(matches!(keys(&mut state, "q").as_slice(), [Effect::Quit]));
}

#[test]
fn a_session_is_copied_with_its_explanations_and_without_its_secrets() {
    let mut state = listening();
    come(&mut state, odd(1));
    let text = keys(&mut state, "Y⏎").into_iter().find_map(|effect| match effect {
        Effect::Copy { text, .. } => Some(text),
        _ => None,
    });
    let text = text.unwrap();
    assert!(text.contains("SMTP smuggling") && text.contains("********") && !text.contains("AGFubg"), "{text}");
}

#[test]
fn the_oldest_sessions_go_and_that_is_said() {
    let mut state = listening();
    for number in 1..=250 {
        come(&mut state, whole(number));
    }
    let listening = state.shared.listening.as_ref().unwrap();
    assert_eq!((listening.visits.len(), listening.dropped, listening.messages), (200, 50, 250));
    assert_eq!(listening.visits.keys().next(), Some(&51));
    let text = rows(&draw(&mut state, (120, 40))).join("\n");
    assert!(text.contains("250 sessions, 250 messages") && text.contains("the oldest 50 dropped"), "{text}");
}

#[test]
fn a_session_is_copied_as_json_that_is_read_again_like_a_saved_dialogue() {
    let mut state = listening();
    come(&mut state, whole(1));
    let json = copied(&mut state, "JSON");
    let saved: serde_json::Value = serde_json::from_str(&json).unwrap();
    let host = &saved["hosts"][0];
    assert_eq!((&host["name"], &host["client"]), (&"mxray.localhost".into(), &"198.51.100.7:40000".into()));
    let quit = host["lines"].as_array().unwrap().iter().find(|line| line["text"] == "QUIT").unwrap();
    assert_eq!((&quit["from"], &quit["tls"]), (&"client".into(), &true.into()));
    let again = mxray::smtp::import::import(&json).unwrap().transcript;
    let came = &state.shared.listening.as_ref().unwrap().visits[&1].transcript;
    let said = |transcript| {
        let session = Session::read(transcript);
        session.exchanges.iter().map(|said| (said.verb, said.tls, said.reply.code())).collect::<Vec<_>>()
    };
    assert_eq!(said(&again), said(came));
    // A paste opens it, annotated.
    update(&mut state, Event::Paste(json));
    settle(&mut state);
    assert!(matches!(state.shared.inquiry(PaneId::Smtp).map(|now| &now.task), Some(Task::Dialogue { .. })));
}

#[test]
fn who_looks_at_an_old_session_keeps_looking_at_it_when_others_come() {
    let mut state = listening();
    come(&mut state, whole(1));
    press(&mut state, "g↓");
    let before = rows(&draw(&mut state, (120, 40)));
    come(&mut state, odd(2));
    let after = rows(&draw(&mut state, (120, 40)));
    let chosen = |rows: &[String]| rows.iter().find(|row| row.starts_with('>')).cloned().unwrap();
    assert_eq!(chosen(&before), chosen(&after));
    assert!(after.iter().any(|row| row.contains("STARTTLS")), "{after:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_byte_of_a_client_reaches_the_terminal_as_a_command(bytes in prop::collection::vec(any::<u8>(), 0..300), evil in "\\PC{0,20}[\u{1b}\u{7}\u{9b}\u{202e}\u{200b}]{1,4}") {
        let line = format!("EHLO {evil}\r\nMAIL FROM:<{evil}@x.example>\r\n");
        let does = [Does::Says(line.as_bytes()), Does::Says(&bytes), Does::Says(b"\r\n.\r\n"), Does::Leaves];
        let mut state = listening();
        come(&mut state, visit(1, "198.51.100.7:40000", &[], &does));
        for size in [(120, 40), (80, 24), (40, 12)] {
            for key in ["", "k", "⏎", "k"] {
                press(&mut state, key);
                let text = rows(&draw(&mut state, size)).join("");
                prop_assert!(!text.chars().any(is_hidden), "{text:?}");
            }
        }
    }
}

//! Several lines pasted into a dialogue by hand: what is asked first, what goes out, what is kept.

use crate::job::{JobId, Task};
use crate::smtp::probe::Move;
use crate::smtp::script::Pace;
use crate::tui::effect::Effect;
use crate::tui::event::Event;
use crate::tui::state::{Overlay, State};
use crate::tui::update::smtp_tests::{DATA, GREETED, by_hand, dialogue, said};
use crate::tui::update::tests::{key, press, started, tell};
use crate::tui::update::update;

const PIPELINING: &str = "S: 220 hi\nC: EHLO me\nS: 250-mail.example\nS: 250 PIPELINING";

/// Pastes into the dialogue by hand; what the screen then shows.
fn pasted(state: &mut State, text: &str) -> String {
    assert!(update(state, Event::Paste(text.into())).is_empty(), "nothing is sent yet");
    let area = ratatui::layout::Rect::new(0, 0, 80, 24);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    crate::tui::view::draw(state, area, &mut buffer);
    buffer.content().iter().map(|cell| cell.symbol()).collect()
}

#[test]
fn several_pasted_lines_are_said_after_a_question_and_the_line_stays_open() {
    let mut state = by_hand(PIPELINING);
    let screen = pasted(&mut state, "MAIL FROM:<a@b>\rRCPT TO:<c@\u{202e}d>\rRSET\r");
    for told in ["say 3 lines?", "PIPELINING is offered", "C: MAIL FROM:<a@b>", "one by one", "all at once"] {
        assert!(screen.contains(told), "{told}: {screen}");
    }
    assert!(!screen.contains('\u{202e}'));
    for (key, pace) in [("⏎", Pace::Polite), ("r", Pace::Replies), ("a", Pace::AtOnce)] {
        let effects = press(&mut state, key);
        let [Effect::Say(JobId(2), Move::Script(script))] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!((script.len(), script.pace), (3, pace));
        assert!(state.shared.overlay.is_none() && state.shared.line.is_some());
        pasted(&mut state, "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nRSET");
    }
    assert!(press(&mut state, "⎋").is_empty(), "Esc says nothing");
    assert!(state.shared.notice.as_ref().unwrap().text.contains("nothing of it"));
    assert_eq!(said(&press(&mut state, "↑⏎")), ["2 RSET"], "each line can be repeated");
    assert!(pasted(&mut by_hand(GREETED), "RSET\nNOOP").contains("PIPELINING is not offered"));
}

#[test]
fn a_pasted_login_is_neither_shown_nor_remembered() {
    let mut state = by_hand(GREETED);
    let screen = pasted(&mut state, "AUTH LOGIN\ndXNlcg==\nc2VjcmV0\nNOOP\n");
    assert!(!screen.contains("c2VjcmV0") && screen.contains("IN CLEAR TEXT"), "{screen}");
    press(&mut state, "⏎");
    assert_eq!(state.shared.said, ["NOOP"]);
    let behind = "is behind STARTTLS goes IN CLEAR TEXT";
    assert!(!screen.contains(behind));
    let screen = pasted(&mut state, "STARTTLS\nAUTH PLAIN c2VjcmV0\n");
    assert!(screen.contains(behind) && !screen.contains("c2VjcmV0"), "all at once would send it before TLS: {screen}");
}

#[test]
fn what_is_pasted_after_data_is_a_message_and_asked_for() {
    let mut state = by_hand(&format!("{GREETED}\n{DATA}"));
    let screen = pasted(&mut state, "Subject: x\r\r..dot\r.\r");
    assert!(screen.contains("The message that you pasted") && screen.contains("really sent"), "{screen}");
    let effects = press(&mut state, "y");
    let [Effect::Say(_, Move::SendThis(message))] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(message.as_ref(), b"Subject: x\r\n\r\n.dot\r\n", "its own dot ends it, and is no part of it");
}

#[test]
fn a_paste_without_its_marks_cannot_answer_the_question_that_it_asks() {
    let mut state = by_hand(GREETED);
    let keys: Vec<_> = "NOOP⏎RSET⏎".chars().map(key).collect();
    assert!(update(&mut state, Event::Keys { already: None, keys: keys.clone() }).is_empty());
    assert!(update(&mut state, Event::Keys { already: None, keys }).is_empty(), "the rest of it");
    assert!(matches!(&state.shared.overlay, Some(Overlay::Unbracketed(text)) if text.len() == 20));
    assert!(press(&mut state, "⏎").is_empty());
    assert!(matches!(&state.shared.overlay, Some(Overlay::Several { script, .. }) if script.len() == 4));
}

#[test]
fn a_line_that_follows_an_enter_at_once_is_typed_and_a_paste_takes_its_first_key_from_the_line() {
    let mut state = by_hand(GREETED);
    press(&mut state, "NOOP⏎");
    let keys = "QUIT⏎".chars().map(key).collect();
    let effects = update(&mut state, Event::Keys { already: Some(key('⏎')), keys });
    assert_eq!(said(&effects), ["2 QUIT"]);
    press(&mut state, "N");
    let keys = "OOP⏎RSET⏎".chars().map(key).collect();
    assert!(update(&mut state, Event::Keys { already: Some(key('N')), keys }).is_empty());
    assert!(matches!(&state.shared.overlay, Some(Overlay::Unbracketed(text)) if text == "NOOP\rRSET\r"));
    assert_eq!(state.shared.line.as_ref().unwrap().input.value(), "");
}

#[test]
fn a_message_that_is_pasted_into_a_dialogue_before_data_opens_in_its_pane() {
    let mut state = by_hand(GREETED);
    let effects = update(&mut state, Event::Paste("From: a@b\nSubject: x\n\nhello\n".into()));
    assert!(matches!(started(&effects).as_slice(), [(_, job)] if matches!(&job.task, Task::Message { .. })));
}

#[test]
fn the_question_closes_with_the_dialogue() {
    let mut asked = by_hand(GREETED);
    pasted(&mut asked, "NOOP\nNOOP");
    tell(&mut asked, 2, dialogue(&format!("{GREETED}\nS: 421 bye"), true));
    assert!(asked.shared.overlay.is_none(), "nobody is left to say it to");
}

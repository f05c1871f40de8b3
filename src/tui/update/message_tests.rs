//! The message pane: pastes with and without brackets, the clipboard, what is read and left.

use std::sync::Arc;

use super::tests::{fresh, key, keys_of, press, report, started, tell};
use super::update;
use crate::finding::Finding;
use crate::job::{Job, JobEvent, JobId, Progress, Refusal, Task};
use crate::report::Section;
use crate::tui::action::PaneId;
use crate::tui::effect::Effect;
use crate::tui::event::Event;
use crate::tui::state::{Overlay, State};

const MAIL: &str = "From: a@example.org\r\nSubject: quit\r\n\r\nq\r\n";

#[test]
fn a_paste_of_several_lines_is_a_message_and_asks_nobody_yet() {
    let mut state = fresh();
    let effects = update(&mut state, Event::Paste(MAIL.into()));
    assert_eq!(state.active, PaneId::Message);
    assert!(
        matches!(started(&effects).as_slice(), [(_, Job { task: Task::Message { raw, .. }, offline: true, .. })] if raw.as_ref() == MAIL.as_bytes()),
        "{effects:?}"
    );
    let effects = press(&mut state, "a");
    assert!(matches!(started(&effects).as_slice(), [(_, Job { offline: false, .. })]));
    let effects = press(&mut state, "x");
    assert!(matches!(started(&effects).as_slice(), [(_, Job { offline: true, .. })]));
}

#[test]
fn p_asks_for_the_clipboard_in_every_pane_and_its_text_is_a_paste() {
    for pane in ["1", "2", "3", "4"] {
        let mut state = fresh();
        let effects = press(&mut state, &format!("⎋{pane}p"));
        assert!(matches!(effects.as_slice(), [Effect::ReadClipboard]), "{pane}: {effects:?}");
        let effects = update(&mut state, Event::FromClipboard(Ok(MAIL.into())));
        assert_eq!((state.active, started(&effects).len(), state.shared.unsaved.is_some()), (PaneId::Message, 1, true));
    }
    let mut state = fresh();
    press(&mut state, "⎋p");
    assert!(update(&mut state, Event::FromClipboard(Ok("example.org".into()))).is_empty());
    assert_eq!(
        state.shared.line.as_ref().map(|line| line.input.value()),
        Some("example.org"),
        "one line waits for Enter"
    );
}

#[test]
fn the_copies_of_a_message_begin_with_the_ticket_and_offer_no_zone() {
    let mut state = fresh();
    update(&mut state, Event::Paste(MAIL.into()));
    tell(&mut state, 1, report(vec![Section::new("dmarc", "DMARC")]));
    press(&mut state, "Y");
    let Some(Overlay::Menu(menu)) = &state.shared.overlay else { panic!("no menu") };
    let items: Vec<&str> = menu.items.iter().map(|(text, _)| text.as_str()).collect();
    assert!(items.first().is_some_and(|first| first.ends_with("for a ticket")), "{items:?}");
    assert!(!items.iter().any(|text| text.contains("zone")), "{items:?}");
    assert!(items.last().is_some_and(|last| last.starts_with("an Authentication-Results")), "{items:?}");
}

/// What the screen shows at 100x30.
fn screen(state: &State) -> String {
    let area = ratatui::layout::Rect::new(0, 0, 100, 30);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    crate::tui::view::draw(state, area, &mut buffer);
    let cells: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
    cells.chunks(100).map(|row| row.concat() + "\n").collect()
}

#[test]
fn a_message_that_takes_long_to_read_says_how_far_it_is_and_esc_brings_back_what_was_there() {
    let mut state = fresh();
    update(&mut state, Event::Opened("small.eml".into(), Ok(Arc::from(MAIL.as_bytes()))));
    tell(&mut state, 1, report(vec![Section::new("headers", "Headers")]));
    update(&mut state, Event::Paste(MAIL.replace("quit", "huge")));
    assert!(state.shared.unsaved.is_some());
    let progress = Progress { doing: "hashing the body", done: 40, of: 100 };
    tell(&mut state, 2, JobEvent::Progress(progress));
    assert!(screen(&state).contains("hashing the body, 40 %  (Esc: stop)"), "{}", screen(&state));

    let effects = press(&mut state, "⎋");
    assert!(matches!(effects.as_slice(), [Effect::Cancel(JobId(2))]), "{effects:?}");
    let now = screen(&state);
    assert!(now.contains("small.eml") && now.contains("stopped; this is the message that was here before"), "{now}");
    assert!(state.shared.inquiry(PaneId::Message).is_some_and(|now| now.report().is_some()));
    assert_eq!((state.shared.message.as_deref(), state.shared.unsaved), (Some(MAIL.as_bytes()), None));
    // What the reading still tells is dropped.
    tell(&mut state, 2, JobEvent::Failed("late".into()));
    assert!(state.shared.inquiry(PaneId::Message).is_some_and(|now| now.report().is_some()));
}

#[test]
fn a_message_that_is_read_is_not_left_by_esc() {
    let mut state = fresh();
    update(&mut state, Event::Paste(MAIL.into()));
    tell(&mut state, 1, JobEvent::Section(Arc::new(Section::new("headers", "Headers"))));
    let progress = Progress { doing: "MIME", done: 1, of: 4 };
    tell(&mut state, 1, JobEvent::Progress(progress));
    assert!(screen(&state).contains("MIME, 25 %  (Ctrl-X: stop)"), "{}", screen(&state));
    assert!(press(&mut state, "⎋⎋⎋").is_empty());
    assert_eq!(state.shared.message.as_deref(), Some(MAIL.as_bytes()));
    tell(&mut state, 1, report(Vec::new()));
    assert!(!screen(&state).contains("25 %"));
}

#[test]
fn what_may_be_asked_of_whom_stands_in_the_strip_before_the_repairs() {
    let mut state = fresh();
    update(&mut state, Event::Ready("system 192.0.2.53".into()));
    update(&mut state, Event::Opened("a-message-with-a-long-name.eml".into(), Ok(Arc::from(MAIL.as_bytes()))));
    let mut headers = Section::new("headers", "Headers");
    headers.findings.push(Finding::info("message.repaired.quoted", "4 lines were quoted."));
    tell(&mut state, 1, report(vec![headers]));
    for (width, says) in [
        (140, "1 repair (u: original)"),
        (120, "1 repair (u)  NOTHING"),
        (112, "bytes  (u)  NOTHING"),
        (105, "eml, 41 bytes  NOTHING"),
    ] {
        update(&mut state, Event::Resize(width, 30));
        super::settle(&mut state);
        let area = ratatui::layout::Rect::new(0, 0, width, 30);
        let mut buffer = ratatui::buffer::Buffer::empty(area);
        crate::tui::view::draw(&state, area, &mut buffer);
        let shown: String = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        assert!(shown.contains(says) && shown.contains("x: stay offline"), "{width}: {shown}");
    }
}

#[test]
fn u_shows_the_message_as_it_came_and_again_the_report() {
    let mut state = fresh();
    update(&mut state, Event::Ready("192.0.2.53".into()));
    update(&mut state, Event::Paste(["> From: a@b.example\n> Subject: x\n>\n", &"> hi\n".repeat(60)].concat()));
    let mut headers = Section::new("headers", "Headers");
    headers.findings.push(Finding::info("message.repaired.quoted", "4 lines were quoted."));
    tell(&mut state, 1, report(vec![headers]));
    assert!(screen(&state).contains("1 repair (u: original)"), "{}", screen(&state));
    assert!(screen(&state).contains("From  a@b.example   Subject  x"), "{}", screen(&state));
    press(&mut state, "u");
    let now = screen(&state);
    assert!(now.contains("As it came") && now.contains(" > From: a@b.example␊") && now.contains(" > hi␊"), "{now}");
    press(&mut state, "↓");
    assert!(!screen(&state).contains("> From:"));
    press(&mut state, "u");
    assert!(!screen(&state).contains("As it came"));
    press(&mut state, "u⎋");
    assert!(!screen(&state).contains("As it came"));
}

#[test]
fn quitting_with_a_pasted_message_asks_once() {
    let mut state = fresh();
    update(&mut state, Event::Paste(MAIL.into()));
    assert!(press(&mut state, "q").is_empty());
    assert!(press(&mut state, "⎋").is_empty());
    assert!(matches!(press(&mut state, "qq").as_slice(), [Effect::Quit]));
}

#[test]
fn a_paste_of_one_line_goes_onto_the_line_and_waits_for_enter() {
    let mut state = fresh();
    press(&mut state, "⎋");
    assert!(update(&mut state, Event::Paste("https://example.org/x\n".into())).is_empty());
    assert_eq!(state.shared.line.as_ref().map(|line| line.input.value()), Some("https://example.org/x"));
}

#[test]
fn a_paste_without_brackets_is_never_run_as_commands() {
    for open_line in [true, false] {
        let mut state = fresh();
        if !open_line {
            press(&mut state, "⎋");
        }
        let effects = update(&mut state, keys_of("From: a@example.org\rSubject: q\r\rq\rq\r"));
        assert!(matches!(started(&effects).as_slice(), [(_, Job { task: Task::Message { .. }, .. })]), "{effects:?}");
        let mut state = fresh();
        press(&mut state, "⎋");
        assert!(update(&mut state, keys_of("yes quit now q")).is_empty());
        assert!(matches!(&state.shared.overlay, Some(Overlay::Unbracketed(text)) if text == "yes quit now q"));
        assert!(press(&mut state, "⎋").is_empty());
        assert_eq!(state.shared.overlay.as_ref().map(|_| ()), None);
    }
}

#[test]
fn a_paste_in_pieces_without_brackets_loses_neither_its_first_key_nor_its_rest() {
    let mut state = fresh();
    press(&mut state, "⎋R");
    let Event::Keys { keys, .. } = keys_of("eturn-Path: <a@b.example>\rFrom: a@b.example\r\rhi\r") else {
        unreachable!()
    };
    update(&mut state, Event::Keys { already: Some(key('R')), keys });
    update(&mut state, keys_of("the rest: q\r"));
    let message = state.shared.message.as_deref().map(|raw| String::from_utf8_lossy(raw).into_owned());
    let whole = "Return-Path: <a@b.example>\rFrom: a@b.example\r\rhi\rthe rest: q\r";
    assert_eq!(message.as_deref(), Some(whole));
    assert!(state.shared.line.is_none() && state.active == PaneId::Message);
}

fn refused(domain: Option<&str>) -> JobEvent {
    JobEvent::Refused(Refusal {
        what: "This is the name of a domain (example.org) and no message.".into(),
        advice: "Copy the source.".into(),
        domain: domain.map(|name| crate::name::Name::from_text(name).unwrap()),
    })
}

#[test]
fn a_paste_that_is_no_message_is_one_sentence_and_names_no_key_that_does_nothing() {
    let mut state = fresh();
    update(&mut state, Event::Ready("192.0.2.53".into()));
    update(&mut state, Event::Paste("example.org\nexample.com\n".into()));
    tell(&mut state, 1, refused(None));
    let now = screen(&state);
    assert!(now.contains("NO MESSAGE") && now.contains("This is the name of a domain"), "{now}");
    for absent in ["failed", "DMARC", "ARC", "NOTHING ASKED", "a ask", "x offline", "v view", "b border", "e envelope"]
    {
        assert!(!now.contains(absent), "{absent}: {now}");
    }
    for key in ["a", "x", "v", "b", "e", "r", "y", "Y", "u", "/"] {
        assert!(press(&mut state, key).is_empty(), "{key}");
        assert!(state.shared.line.is_none() && state.shared.overlay.is_none(), "{key}");
        assert!(screen(&state).contains("that needs a message"), "{key}: {}", screen(&state));
    }
    assert!(matches!(press(&mut state, "q").as_slice(), [Effect::Quit]), "what is no message is no loss");
}

#[test]
fn a_name_that_was_pasted_as_a_message_is_one_enter_away() {
    let mut state = fresh();
    update(&mut state, Event::Ready("192.0.2.53".into()));
    update(&mut state, Event::Paste("example.org\nexample.com\n".into()));
    tell(&mut state, 1, refused(Some("example.org")));
    assert!(screen(&state).contains("Enter looks at example.org"), "{}", screen(&state));
    let effects = press(&mut state, "⏎");
    assert!(
        matches!(started(&effects).as_slice(), [(_, Job { task: Task::Domain { name, .. }, .. })] if name.as_str() == "example.org"),
        "{effects:?}"
    );
    assert_eq!(state.active, PaneId::Domain);
}

#[test]
fn esc_leaves_what_is_no_message_for_the_message_before_it() {
    let mut state = fresh();
    update(&mut state, Event::Paste(MAIL.into()));
    tell(&mut state, 1, report(vec![Section::new("headers", "Headers")]));
    for id in [2, 3] {
        update(&mut state, Event::Paste("no\nmessage\n".into()));
        tell(&mut state, id, refused(None));
        super::settle(&mut state);
    }
    assert!(state.shared.whole_message().is_none());
    assert!(screen(&state).contains("Esc goes back"), "{}", screen(&state));
    assert!(press(&mut state, "⎋").is_empty());
    assert!(state.shared.inquiry(PaneId::Message).is_some_and(|now| now.report().is_some()));
    assert_eq!(state.shared.whole_message().map(|raw| raw.as_ref()), Some(MAIL.as_bytes()));
    assert!(state.shared.unsaved.is_some());
}

#[test]
fn an_empty_paste_is_told() {
    let mut state = fresh();
    press(&mut state, "⎋");
    assert!(update(&mut state, Event::Paste(" \n\n".into())).is_empty());
    assert!(screen(&state).contains("nothing was pasted: the text is empty"));
}

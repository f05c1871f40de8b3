//! The footer tells the truth: every key that it names does something where it names it, and says so plainly.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mxray::tui::event::Event;
use mxray::tui::keymap::{BINDINGS, Key, works_in};
use mxray::tui::state::State;
use mxray::tui::update::{settle, update};

use super::{draw, rows, sample};

type Place = (&'static str, fn() -> State);

const PLACES: &[Place] = &[
    ("the overview", || super::domain(sample::domain_finished())),
    ("a running job", || super::domain(sample::domain_under_way())),
    ("the list, on MX", || walked("↓")),
    ("the list, on a section that could not be looked at", || walked("↓↓")),
    ("the list, on MTA-STS", || walked("↓↓↓↓")),
    ("the list, on a section that is not there", || walked("↓↓↓↓↓")),
    ("a finding", || walked("↓↓↓↓→")),
    ("the evidence of a finding", || walked("↓↓↓↓→⏎")),
    ("a suggestion", || walked("↓↓↓↓→⇥")),
    ("a message", || super::message(sample::message_finished())),
    ("a dialogue", || super::smtp(sample::smtp_finished())),
    ("a dialogue's heading", || in_smtp("g")),
    ("a line without bytes", || in_smtp("g↓")),
    ("a refusal in a dialogue", || in_smtp("⇥")),
    ("the report of a dialogue", || in_smtp("v")),
    ("the certificates", || in_smtp("t")),
    ("a written dialogue", || {
        let mut state = super::smtp(sample::smtp_finished());
        update(&mut state, Event::Paste("S: 220 mail.example ESMTP\rC: QUIT\rS: 221 bye\r".into()));
        settle(&mut state);
        state
    }),
    ("a domain without mail servers", || super::smtp(vec![sample::no_dialogue()])),
    ("a dialogue under way", || super::smtp(sample::smtp_under_way())),
    ("the listener, on the end of a session", || super::listening::visited("")),
    ("the listener, on a line", || super::listening::visited("↑↑")),
    ("the listener, on the session that is open", || super::listening::visited("g↓")),
    ("the listener, on another session", || super::listening::visited("g")),
    ("the lookups", || super::lookups(sample::domain_finished())),
];

fn walked(keys: &str) -> State {
    let mut state = super::domain(sample::domain_finished());
    super::press(&mut state, keys);
    state
}

fn in_smtp(keys: &str) -> State {
    let mut state = super::smtp(sample::smtp_finished());
    super::press(&mut state, keys);
    state
}

#[test]
fn every_key_of_the_footer_does_something_where_it_stands() {
    let mut lies = Vec::new();
    for (place, make) in PLACES {
        for binding in BINDINGS.iter().filter(|binding| !binding.short.is_empty()) {
            let mut state = make();
            let before = rows(&draw(&mut state, (200, 50)));
            let footer = before.last().cloned().unwrap_or_default();
            let named = format!(" {} {} ", binding.label, binding.short);
            if !works_in(binding, state.active) || !format!("{footer} ").contains(&named) {
                continue;
            }
            let (code, modifiers) = match binding.keys.first() {
                Some(Key::Char(c)) => (KeyCode::Char(*c), KeyModifiers::NONE),
                Some(Key::Ctrl(c)) => (KeyCode::Char(*c), KeyModifiers::CONTROL),
                Some(Key::Named(code)) => (*code, KeyModifiers::NONE),
                Some(Key::Alt(code)) => (*code, KeyModifiers::ALT),
                None => continue,
            };
            let effects = update(&mut state, Event::Key(KeyEvent::new(code, modifiers)));
            settle(&mut state);
            let after = rows(&draw(&mut state, (200, 50)));
            let told = state.shared.notice.clone();
            let refused = told.as_ref().is_some_and(|notice| notice.bad || notice.text.starts_with("no"));
            if refused || (effects.is_empty() && before == after) {
                lies.push(format!("{place}: {named}: {}", told.map_or("nothing happens".into(), |told| told.text)));
            }
        }
    }
    assert!(lies.is_empty(), "{}", lies.join("\n"));
}

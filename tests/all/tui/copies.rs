//! What is copied and saved as JSON holds nothing that a terminal obeys or hides, and still every value as it was.

use std::sync::Arc;

use mxray::check::Evidence;
use mxray::job::JobEvent;
use mxray::tui::effect::Effect;
use mxray::tui::event::Event;
use mxray::tui::state::{Overlay, State};
use mxray::tui::update::{settle, update};
use mxray::untrusted::is_hidden;

use super::{DOMAIN, coloured, press, tell};
use crate::cli::foreign;

const EVIL: &str = "v=DMARC1 \u{1b}[31m \u{9b}32m \u{202e} \u{200b} \u{7f} p=none";

/// What the choice of the copy menu with these words copies.
pub fn copied(state: &mut State, words: &str) -> String {
    press(state, "Y");
    let Some(Overlay::Menu(menu)) = &state.shared.overlay else { panic!("no menu") };
    let at = menu.items.iter().position(|(item, _)| item.contains(words));
    let at = at.unwrap_or_else(|| panic!("no {words} among {:?}", menu.items.iter().map(|item| &item.0)));
    press(state, &"↓".repeat(at));
    let enter = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Enter);
    let effects = update(state, Event::Key(enter));
    settle(state);
    match effects.as_slice() {
        [Effect::Copy { text, .. }] => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn hidden(text: &str) -> Option<char> {
    text.chars().find(|c| *c != '\n' && is_hidden(*c))
}

#[test]
fn a_report_is_copied_and_saved_as_the_json_that_the_command_line_prints() {
    let report = Arc::new(foreign::report(EVIL));
    let mut state = coloured(DOMAIN);
    press(&mut state, "monsec.example⏎");
    tell(&mut state, vec![JobEvent::Finished(report.clone(), Arc::new(Evidence::default()))]);
    let printed = mxray::cli::json::json(&report, false).unwrap();
    assert_eq!(copied(&mut state, "JSON"), printed);
    assert_eq!(hidden(&printed), None);
    let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(value["sections"][0]["facts"]["record"], EVIL);

    press(&mut state, "S");
    let mut saved = None;
    press(&mut state, "x");
    for effect in update(&mut state, Event::Key(crossterm::event::KeyCode::Enter.into())) {
        if let Effect::Save { text, .. } = effect {
            saved = Some(text);
        }
    }
    assert_eq!(saved.as_deref(), Some(printed.as_str()));
}

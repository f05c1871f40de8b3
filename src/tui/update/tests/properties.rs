//! Whatever is pressed, pasted and told, in whatever order.

use super::*;
use proptest::prelude::*;

fn any_key() -> impl Strategy<Value = Event> {
    let code = prop_oneof![
        any::<char>().prop_map(KeyCode::Char),
        prop_oneof![
            Just(KeyCode::Enter),
            Just(KeyCode::Esc),
            Just(KeyCode::Tab),
            Just(KeyCode::BackTab),
            Just(KeyCode::Up),
            Just(KeyCode::Down),
            Just(KeyCode::Left),
            Just(KeyCode::Right),
            Just(KeyCode::PageDown),
            Just(KeyCode::End),
            Just(KeyCode::Backspace),
        ],
        proptest::sample::select("jkynYZrRs:/<>?1234 vbeaxo[]".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
    ];
    prop_oneof![
        8 => code.prop_map(|code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE))),
        1 => (1u16..140, 1u16..50).prop_map(|(width, height)| Event::Resize(width, height)),
        1 => ".{0,40}".prop_map(Event::Paste),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// Any keys in any order: nothing breaks, and no frame holds what a terminal would obey.
    #[test]
    fn any_keys_are_survived_and_every_frame_is_safe(events in proptest::collection::vec(any_key(), 1..40), evil in ".{0,30}") {
        let mut state = on_dmarc();
        let mut section = dmarc();
        section.id = "spf";
        section.headline = evil.clone();
        section.findings.push(Finding::error("spf.x", format!("\u{1b}[31m\u{202e}{evil}")));
        section.blocks.push(Block::Source { title: evil.clone(), text: format!("a\u{7}\n{evil}\u{200b}"), marks: Vec::new() });
        tell(&mut state, 1, report(vec![section, dmarc()]));
        for event in events {
            update(&mut state, event);
            settle(&mut state);
            let area = ratatui::layout::Rect::new(0, 0, state.shared.width, state.shared.height);
            let mut buffer = ratatui::buffer::Buffer::empty(area);
            crate::tui::view::draw(&state, area, &mut buffer);
            for cell in buffer.content() {
                prop_assert!(!cell.symbol().chars().any(crate::untrusted::is_hidden), "{:?}", cell.symbol());
            }
        }
    }
}

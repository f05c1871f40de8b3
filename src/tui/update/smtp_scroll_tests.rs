//! Long dialogues under keys, wheel and mouse: every line is reached, and nothing moves that need not move.

use crate::job::JobEvent;
use crate::report::LookupId;
use crate::tui::event::Event;
use crate::tui::state::State;
use crate::tui::update::smtp_tests::{dialogue, lookup, screen};
use crate::tui::update::tests::{fresh, press, tell};
use crate::tui::update::update;

fn click(state: &mut State, row: u16) {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let kind = MouseEventKind::Down(MouseButton::Left);
    update(state, Event::Mouse(MouseEvent { kind, column: 20, row, modifiers: KeyModifiers::NONE }));
    crate::tui::update::settle(state);
}

/// A finished dialogue of `count` numbered lines.
fn long(count: usize) -> State {
    let mut state = fresh();
    press(&mut state, "⎋3:mail.example:587⏎");
    tell(&mut state, 1, JobEvent::Lookup(lookup(1)));
    let lines: Vec<String> = (0..count).map(|at| format!("S: 220-line {at}.")).collect();
    tell(&mut state, 1, dialogue(&lines.join("\n"), true));
    state
}

/// The rows of the pane that show lines, each with where it stands.
fn lines_shown(state: &State) -> Vec<(u16, String)> {
    let rows = screen(state, 100);
    let rows = rows.lines().enumerate().filter(|(_, row)| row.contains(" S     "));
    rows.map(|(y, row)| (u16::try_from(y).unwrap(), row.to_owned())).collect()
}

#[test]
fn a_click_chooses_the_line_that_was_clicked_wherever_the_window_is_scrolled_and_nothing_moves() {
    for keys in ["", "↑", "↑↑↑↑↑", "g", "g↓↓", "G", "g                  ", "g  ↑↑↑", "↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑↑"]
    {
        let mut state = long(100);
        press(&mut state, keys);
        let before = lines_shown(&state);
        for (y, row) in &before {
            click(&mut state, *y);
            let after = lines_shown(&state);
            let number = |row: &str| row.split("line ").nth(1).unwrap().split('.').next().unwrap().to_owned();
            let chosen: Vec<String> =
                after.iter().filter(|(_, row)| row.starts_with('>')).map(|(_, row)| number(row)).collect();
            assert_eq!(chosen, [number(row)], "{keys:?}: row {y}");
            assert_eq!(
                after.iter().map(|(y, row)| (*y, number(row))).collect::<Vec<_>>(),
                before.iter().map(|(y, row)| (*y, number(row))).collect::<Vec<_>>(),
                "{keys:?}: nothing moves"
            );
        }
    }
}

#[test]
fn the_wheel_and_pages_reach_every_line_of_a_long_dialogue() {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
    let numbers = |state: &State| -> Vec<usize> {
        let shown = lines_shown(state);
        shown.iter().filter_map(|(_, row)| row.split("line ").nth(1)?.split('.').next()?.parse().ok()).collect()
    };
    let mut state = long(300);
    press(&mut state, "g");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        seen.extend(numbers(&state));
        update(&mut state, Event::Key(KeyEvent::new(KeyCode::PageDown, KeyModifiers::NONE)));
        crate::tui::update::settle(&mut state);
    }
    assert_eq!(seen.len(), 300, "PgDn leaves no line out");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..110 {
        seen.extend(numbers(&state));
        let kind = MouseEventKind::ScrollUp;
        update(&mut state, Event::Mouse(MouseEvent { kind, column: 5, row: 10, modifiers: KeyModifiers::NONE }));
        crate::tui::update::settle(&mut state);
        assert!(screen(&state, 100).lines().any(|row| row.starts_with('>')), "the cursor stays in sight");
    }
    assert_eq!(seen.len(), 300, "the wheel leaves no line out");
}

#[test]
fn the_cursor_stays_on_its_line_while_another_dialogue_grows_above_it() {
    let mut state = fresh();
    press(&mut state, "⎋3:example.com⏎");
    let grow = |state: &mut State, id: u32, count: usize| {
        let lines: Vec<String> = (0..count).map(|at| format!("S: 220-host {id} line {at}.")).collect();
        let JobEvent::Dialogue(_, transcript) = dialogue(&lines.join("\n"), false) else { panic!() };
        tell(state, 1, JobEvent::Lookup(lookup(id)));
        tell(state, 1, JobEvent::Dialogue(LookupId(id), transcript));
    };
    grow(&mut state, 1, 2);
    grow(&mut state, 2, 9);
    press(&mut state, "↑↑↑");
    let chosen = |state: &State| screen(state, 100).lines().find(|row| row.starts_with('>')).unwrap().to_owned();
    let before = chosen(&state);
    assert!(before.contains("host 2 line 5"), "{before}");
    for count in 3..40 {
        grow(&mut state, 1, count);
        assert_eq!(chosen(&state), before);
    }
}

#[test]
fn tab_goes_through_the_lines_that_have_something_against_them_and_says_where_they_are() {
    let mut state = fresh();
    press(&mut state, "⎋3:mail.example:587⏎");
    tell(&mut state, 1, JobEvent::Lookup(lookup(1)));
    let filler = "C: NOOP\nS: 250 ok\n".repeat(20);
    let lines = format!(
        "S: 220 hi\nC: EHLO me\nS: 250 hi\nC: MAIL FROM:<a@b>\nS: 451 4.7.1 later\n{filler}C: X\nS: 500 what\n{filler}"
    );
    tell(&mut state, 1, dialogue(lines.trim_end(), true));
    assert!(
        screen(&state, 100).contains("2 lines above worth a look: Shift-Tab goes there"),
        "{}",
        screen(&state, 100)
    );
    let chosen = |state: &State| screen(state, 100).lines().find(|row| row.starts_with('>')).unwrap().to_owned();
    press(&mut state, "⇥");
    assert!(chosen(&state).contains("451 4.7.1 later"), "{}", chosen(&state));
    press(&mut state, "⇥");
    assert!(chosen(&state).contains("500 what"));
    assert!(!screen(&state, 100).contains(" y copy  n name"));
}

#[test]
fn a_line_without_end_leaves_room_for_what_it_means_and_is_marked_as_cut() {
    let mut state = fresh();
    press(&mut state, "⎋3:mail.example:587⏎");
    tell(&mut state, 1, JobEvent::Lookup(lookup(1)));
    tell(&mut state, 1, dialogue(&format!("S: 554 {}", "no entry ".repeat(450)), true));
    for keys in ["", "⏎"] {
        press(&mut state, keys);
        for width in [60, 80, 100, 120] {
            let shown = screen(&state, width);
            let foot: Vec<&str> = shown.lines().skip(20).take(8).collect();
            assert!(foot.iter().any(|row| row.trim_end().ends_with('…')), "{width} {keys:?}\n{shown}");
            assert!(foot.iter().any(|row| row.contains("longer than the 512 bytes")), "{width}\n{shown}");
        }
    }
}

#[test]
fn an_answer_that_is_alone_uses_the_rows_that_others_do_not_need_and_a_finding_is_said_once() {
    use crate::finding::{Finding, Severity};
    use crate::report::{Report, Section, State, VerdictLine};
    let text = "a-rather-long-name.nowhere.example does not exist in DNS, so no mail can be sent to it.";
    let mut state = fresh();
    press(&mut state, "⎋3:nowhere.example⏎");
    let section = |id, title| {
        let mut section = Section::new(id, title);
        section.state = State::Absent;
        section.findings.push(Finding::error("smtp.no-such-domain", text));
        section.settle()
    };
    let line = VerdictLine {
        question: "DELIVERED?",
        answer: text.into(),
        severity: Severity::Error,
        section: Some("transport"),
    };
    let report = Report {
        mxray: "0",
        schema: 1,
        kind: "smtp",
        target: "nowhere.example".into(),
        at: time::OffsetDateTime::UNIX_EPOCH,
        elapsed_ms: 1.0,
        worst: Severity::Error,
        verdict: vec![line],
        summary: None,
        since: None,
        sections: vec![section("transport", "Delivery"), section("tls", "TLS"), section("transcript", "Dialogue")],
        lookups: Vec::new(),
    };
    tell(&mut state, 1, JobEvent::Finished(std::sync::Arc::new(report), std::sync::Arc::default()));
    for width in [60, 80] {
        let shown = screen(&state, width);
        let above: String = shown.lines().skip(3).take(3).map(|row| format!("{} ", row.trim())).collect();
        assert!(above.contains("no mail can be sent to it."), "{width}\n{shown}");
    }
    let shown = screen(&state, 100);
    assert!(shown.contains("1 finding ") && !shown.contains("3 findings"), "{shown}");
    assert_eq!(shown.matches("✗ ERROR Delivery:").count(), 1, "{shown}");
    assert!(!shown.contains("TLS: a-rather") && !shown.contains("Dialogue: a-rather"), "{shown}");
}

#[test]
fn the_summary_breaks_neither_a_hosts_name_nor_a_heads_word_in_any_width_and_nothing_wrong_is_not_said_of_bad_news() {
    use crate::finding::Severity;
    use crate::report::{Cell, Report, Row, Table, VerdictLine};
    let host = "10 mx.greylisted.servers.example";
    let names = ["HOST", "CONNECT", "BANNER", "EHLO", "TLS", "PKIX", "MTA-STS", "DANE", "A SENDER REPORTS"];
    let cells = [host, "0.7", "1.1", "8.7", "2.7", "ok to 2046-01-01", "-", "-", "-"];
    let row = Row { cells: cells.map(Cell::from).to_vec(), section: Some("transport") };
    let answer = "deferred: it answers RCPT TO with 451".to_owned();
    let line = VerdictLine { question: "PLAIN SENDER", answer, severity: Severity::Warning, section: None };
    let report = Report {
        mxray: "0",
        schema: 1,
        kind: "smtp",
        target: "greylisted.example".into(),
        at: time::OffsetDateTime::UNIX_EPOCH,
        elapsed_ms: 1.0,
        worst: Severity::Ok,
        verdict: vec![line],
        summary: Some(Table { columns: names.map(str::to_owned).to_vec(), rows: vec![row] }),
        since: None,
        sections: Vec::new(),
        lookups: Vec::new(),
    };
    let report = std::sync::Arc::new(report);
    for width in [80, 90, 100, 110, 120, 140] {
        let mut state = fresh();
        update(&mut state, Event::Resize(width, 30));
        press(&mut state, "⎋3:greylisted.example⏎");
        tell(&mut state, 1, JobEvent::Finished(report.clone(), std::sync::Arc::default()));
        press(&mut state, "v");
        let shown = screen(&state, width);
        assert!(shown.contains("mx.greylisted.servers.example"), "{width}\n{shown}");
        assert!(!shown.contains("REPO…") && !shown.contains("SENDER RE…"), "{width}\n{shown}");
        assert!(shown.contains("Nothing beyond the verdict above.") && !shown.contains("No warnings"), "{shown}");
    }
}

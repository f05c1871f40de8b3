//! Keys in, effects and state out.

mod properties;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use time::OffsetDateTime;

use super::{settle, start, update};
use crate::check::Evidence;
use crate::finding::{Blank, Finding, Severity, Suggestion};
use crate::job::{Job, JobEvent, JobId, Task};
use crate::name::Name;
use crate::report::{Block, Cell, Fact, Link, RecordBlock, Report, Section, VerdictLine};
use crate::tui::action::PaneId;
use crate::tui::effect::Effect;
use crate::tui::event::{Delivery, Event};
use crate::tui::inquiry::Standing;
use crate::tui::state::{Overlay, State};
use crate::tui::theme::{Palette, Theme};

pub(super) fn fresh() -> State {
    let mut state = State::new(Theme { palette: Palette::None, ascii: false }, 100, 30);
    start(&mut state);
    settle(&mut state);
    state
}

/// Presses keys one by one: `⏎` Enter, `⎋` Esc, `⇥` Tab, arrows; everything else as it stands.
pub(super) fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    keys.chars()
        .flat_map(|c| {
            let effects = update(state, Event::Key(key(c)));
            settle(state);
            effects
        })
        .collect()
}

pub(super) fn key(c: char) -> KeyEvent {
    let code = match c {
        '⏎' => KeyCode::Enter,
        '⎋' => KeyCode::Esc,
        '⇥' => KeyCode::Tab,
        '↓' => KeyCode::Down,
        '↑' => KeyCode::Up,
        '→' => KeyCode::Right,
        '←' => KeyCode::Left,
        '⌃' => return KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL),
        c => KeyCode::Char(c),
    };
    KeyEvent::new(code, KeyModifiers::NONE)
}

pub(super) fn tell(state: &mut State, job: u64, event: JobEvent) {
    update(state, Event::Job(JobId(job), event));
    settle(state);
}

pub(super) fn started(effects: &[Effect]) -> Vec<(u64, &Job)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Start(id, job) => Some((id.0, job)),
            _ => None,
        })
        .collect()
}

fn copied(effects: &[Effect]) -> Vec<&str> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Copy { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn dmarc() -> Section {
    let zone = Name::from_text("example.org").unwrap();
    let mut section = Section::new("dmarc", "DMARC");
    section.headline = "none".into();
    section.blocks.push(Block::Record(RecordBlock {
        name: "_dmarc.example.org".into(),
        host: "_dmarc".into(),
        rr_type: "TXT".into(),
        priority: None,
        ttl: Some(300),
        text: "v=DMARC1; p=none".into(),
        marks: Vec::new(),
        lookup: None,
    }));
    let reports =
        Cell::from("reports.example.net").linked(Link::Domain(Name::from_text("reports.example.net").unwrap()));
    section.blocks.push(Block::Facts(vec![Fact::new("reports", reports)]));
    section
        .findings
        .push(Finding::warning("dmarc.only-watches", "p=none only watches.").with_reference("RFC 9989 §4.7"));
    let mut suggestion =
        Suggestion::txt(&zone.below("_dmarc").unwrap(), &zone, "v=DMARC1; p=quarantine; rua=mailto:{rua}");
    suggestion.blanks.push(Blank { key: "rua", prompt: "Where should reports go?".into() });
    section.suggestions.push(suggestion);
    section.settle()
}

pub(super) fn report(sections: Vec<Section>) -> JobEvent {
    let verdict = vec![VerdictLine {
        question: "SPOOFED?",
        answer: "yes".into(),
        severity: Severity::Error,
        section: Some("dmarc"),
    }];
    let report = Report {
        mxray: "test",
        schema: 1,
        kind: "domain",
        target: "example.org".into(),
        at: OffsetDateTime::UNIX_EPOCH,
        elapsed_ms: 84.0,
        worst: Severity::Warning,
        verdict,
        summary: None,
        since: None,
        sections,
        lookups: Vec::new(),
    };
    JobEvent::Finished(Arc::new(report), Arc::new(Evidence::default()))
}

/// A finished report of example.org with DMARC chosen and the keys in its details.
pub(super) fn on_dmarc() -> State {
    let mut state = fresh();
    press(&mut state, "example.org⏎");
    tell(&mut state, 1, report(vec![dmarc()]));
    // Enter on the verdict's finding in the overview leads to the section.
    press(&mut state, "⇥");
    state
}

#[test]
fn a_typed_domain_starts_one_job_and_closes_the_line() {
    let mut state = fresh();
    let effects = press(&mut state, "Example.ORG⏎");
    let jobs = started(&effects);
    assert!(
        matches!(jobs.as_slice(), [(1, Job { task: Task::Domain { name, .. }, fresh: false, .. })] if name.as_str() == "example.org"),
        "{effects:?}"
    );
    assert!(state.shared.line.is_none());
    assert_eq!(state.shared.inquiry(PaneId::Domain).map(|now| now.title.as_str()), Some("example.org"));
}

#[test]
fn letters_are_commands_only_when_the_line_is_closed() {
    let mut state = fresh();
    assert!(press(&mut state, "q").is_empty(), "q is typed into the line");
    assert_eq!(state.shared.line.as_ref().map(|line| line.input.value()), Some("q"));
    assert!(matches!(press(&mut state, "⎋q").as_slice(), [Effect::Quit]));
}

#[test]
fn esc_backs_out_of_one_thing_and_never_quits() {
    let mut state = on_dmarc();
    press(&mut state, "⏎?");
    assert!(matches!(state.shared.overlay, Some(Overlay::Help(_))));
    for _ in 0..8 {
        assert!(press(&mut state, "⎋").is_empty());
    }
    assert!(state.shared.overlay.is_none());
    assert!(state.shared.inquiry(PaneId::Domain).is_some(), "the report stays");
}

#[test]
fn a_mistake_on_the_line_is_told_there_and_asks_nothing() {
    let mut state = fresh();
    assert!(press(&mut state, "two words⏎").is_empty());
    let error = state.shared.line.as_ref().and_then(|line| line.error.clone());
    assert!(error.is_some_and(|error| error.contains("no blanks")));
    press(&mut state, "x");
    assert_eq!(state.shared.line.as_ref().and_then(|line| line.error.clone()), None);
}

#[test]
fn a_new_domain_stops_the_job_before_and_drops_its_late_answers() {
    let mut state = fresh();
    press(&mut state, "example.org⏎");
    let effects = press(&mut state, ":example.net⏎");
    assert!(matches!(effects.as_slice(), [Effect::Cancel(JobId(1)), Effect::Start(JobId(2), _)]), "{effects:?}");
    tell(&mut state, 1, JobEvent::Section(Arc::new(dmarc())));
    let now = state.shared.inquiry(PaneId::Domain).unwrap();
    assert_eq!((now.title.as_str(), now.section("dmarc")), ("example.net", None));
}

#[test]
fn running_failed_and_could_not_look_are_three_things() {
    let mut state = fresh();
    press(&mut state, "example.org⏎");
    assert_eq!(state.shared.inquiry(PaneId::Domain).unwrap().standing("dmarc"), Standing::Running);
    let unknown = Section::could_not_look(("dmarc", "DMARC"), "dmarc.unknown", "the record", "no answer in time", []);
    tell(&mut state, 1, JobEvent::Section(Arc::new(unknown)));
    let theme = state.shared.theme;
    let now = state.shared.inquiry(PaneId::Domain).unwrap();
    let words = |id: &str| now.standing(id).show(theme).1;
    assert_eq!((words("dmarc"), words("spf")), ("unseen", "asking"));
    tell(&mut state, 1, JobEvent::Failed("no resolver".into()));
    assert_eq!(state.shared.inquiry(PaneId::Domain).unwrap().standing("spf").show(theme).1, "failed");
}

#[test]
fn y_copies_the_suggestion_after_its_blank_was_asked() {
    let mut state = on_dmarc();
    press(&mut state, "⇥");
    assert!(copied(&press(&mut state, "y")).is_empty());
    assert_eq!(state.shared.line.as_ref().map(|line| line.label.as_str()), Some("Where should reports go?"));
    assert!(press(&mut state, "⏎").is_empty(), "an empty blank is not taken");
    assert!(state.shared.blanks.is_empty(), "and the hole in the value stays visible");
    let effects = press(&mut state, "d@example.org⏎");
    assert_eq!(copied(&effects), ["v=DMARC1; p=quarantine; rua=mailto:d@example.org"]);
    assert_eq!(copied(&press(&mut state, "n")), ["_dmarc"]);
    let zone = press(&mut state, "Z");
    let zone = copied(&zone).concat();
    assert!(
        zone.contains("\n_dmarc.example.org. IN TXT \"v=DMARC1; p=quarantine; rua=mailto:d@example.org\"\n"),
        "{zone}"
    );
}

#[test]
fn a_copy_is_reported_truthfully() {
    for (delivery, said) in [
        (Delivery::Clipboard, "copied: x"),
        (Delivery::Terminal { through: None }, "sent to the terminal by OSC 52 (it cannot confirm): x"),
        (
            Delivery::Terminal { through: Some("tmux") },
            "sent to the terminal by OSC 52 through tmux (it cannot confirm): x",
        ),
        (Delivery::TooLong(90_000), "NOT copied: x has 90 KB, more than terminals take; S saves it to a file"),
    ] {
        let mut state = fresh();
        update(&mut state, Event::Copied("x".into(), delivery));
        assert_eq!(state.shared.notice.map(|notice| notice.text), Some(said.to_owned()));
    }
}

#[test]
fn enter_follows_a_name_and_back_returns_without_asking() {
    let mut state = on_dmarc();
    press(&mut state, "←→");
    let mut effects = Vec::new();
    for _ in 0..12 {
        effects = press(&mut state, "⏎");
        if !effects.is_empty() {
            break;
        }
        press(&mut state, "⎋⎋→↓");
    }
    assert!(
        matches!(started(&effects).as_slice(), [(2, Job { task: Task::Domain { name, .. }, .. })] if name.as_str() == "reports.example.net"),
        "{effects:?}"
    );
    assert!(matches!(press(&mut state, "<").as_slice(), [Effect::Cancel(JobId(2))]));
    let now = state.shared.inquiry(PaneId::Domain).unwrap();
    assert!(now.title == "example.org" && now.report().is_some());
}

#[test]
fn r_asks_again_past_the_cache_and_stays_in_place() {
    let mut state = on_dmarc();
    let effects = press(&mut state, "r");
    assert!(matches!(started(&effects).as_slice(), [(2, Job { fresh: true, .. })]));
    let now = state.shared.inquiry(PaneId::Domain).unwrap();
    assert_eq!(now.standing("dmarc"), Standing::Running);
    assert_eq!(
        now.section("dmarc").map(|section| section.headline.as_str()),
        Some("none"),
        "the old answer is in sight"
    );
    tell(&mut state, 2, JobEvent::Section(Arc::new(Section::new("dmarc", "DMARC"))));
    let now = state.shared.inquiry(PaneId::Domain).unwrap();
    assert_eq!(now.section("dmarc").map(|section| section.headline.as_str()), Some(""));
}

#[test]
fn other_name_servers_are_read_and_the_pane_asks_again() {
    let mut state = on_dmarc();
    assert!(press(&mut state, "Rnonsense⏎").is_empty());
    assert!(state.shared.line.as_ref().is_some_and(|line| line.error.is_some()));
    press(&mut state, "⎋");
    let effects = press(&mut state, "R192.0.2.1⏎");
    assert!(
        matches!(effects.as_slice(), [Effect::Switch(servers), Effect::Start(..)] if servers.len() == 1),
        "{effects:?}"
    );
}

#[test]
fn a_saved_report_that_is_opened_shows_what_has_changed_since_also_after_asking_again() {
    let mut state = fresh();
    press(&mut state, "example.org⏎");
    tell(&mut state, 1, report(vec![dmarc()]));
    let saved =
        serde_json::to_string(state.shared.inquiry(PaneId::Domain).unwrap().report().unwrap().as_ref()).unwrap();
    let mut later = fresh();
    press(&mut later, "⎋");
    let effects = update(&mut later, Event::Opened("before.json".into(), Ok(Arc::from(saved.into_bytes()))));
    assert!(
        matches!(started(&effects).as_slice(), [(1, job)] if matches!(&job.task, Task::Domain { name, .. } if name.as_str() == "example.org"))
    );
    assert_eq!(later.active, PaneId::Domain);
    let gone = Section { state: crate::report::State::Absent, ..Section::new("dmarc", "DMARC") };
    tell(&mut later, 1, report(vec![gone.clone()]));
    let since = |state: &State| state.shared.inquiry(PaneId::Domain).unwrap().report().unwrap().since.clone().unwrap();
    assert_eq!(since(&later).changes[0].now.as_deref(), Some("not published"));
    let area = ratatui::layout::Rect::new(0, 0, 100, 30);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    crate::tui::view::draw(&later, area, &mut buffer);
    let screen: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
    assert!(screen.contains("since 1970-01-01") && screen.contains("1 change"), "{screen}");
    press(&mut later, "r");
    tell(&mut later, 2, report(vec![gone]));
    assert_eq!(since(&later).changes.len(), 1);
    press(&mut later, ":other.example⏎");
    tell(&mut later, 3, report(vec![dmarc()]));
    assert_eq!(later.shared.inquiry(PaneId::Domain).unwrap().report().unwrap().since, None, "another domain's past");
}

#[test]
fn other_answers_are_compared_and_the_zones_own_servers_are_offered_first() {
    let mut state = fresh();
    update(&mut state, Event::Ready("192.0.2.1".into()));
    press(&mut state, "example.org⏎");
    let mut ns = Section::new("ns", "Name servers");
    let host = serde_json::json!([{ "name": "ns1.example.org", "addresses": ["198.51.100.53"] }]);
    ns.fact("hosts", host);
    ns.fact("zone", "example.org");
    tell(&mut state, 1, report(vec![dmarc(), ns.clone()]));
    press(&mut state, "R");
    assert!(matches!(&state.shared.overlay, Some(Overlay::Menu(menu)) if menu.items.len() == 3));
    press(&mut state, "↓↓⏎");
    let effects = press(&mut state, "198.51.100.99⏎");
    let other = "198.51.100.99:53".parse().unwrap();
    assert!(
        matches!(effects.as_slice(), [Effect::Switch(servers), Effect::Start(..)] if servers == &[crate::config::Upstream::Plain(other)]),
        "{effects:?}"
    );
    tell(&mut state, 2, report(vec![Section::new("dmarc", "DMARC"), ns]));
    let compared = state.shared.inquiry(PaneId::Domain).unwrap().compared.clone().unwrap();
    assert_eq!((compared.before.as_str(), compared.now.as_str()), ("192.0.2.1", "198.51.100.99"));
    assert_eq!(compared.differences.len(), 1);
    // The zone's own are the first choice: they are asked beside the resolver, never in its place.
    let effects = press(&mut state, "R⏎");
    assert!(
        matches!(started(&effects).as_slice(), [(3, job)] if job.only.contains(&"published".to_owned()))
            && effects.len() == 1,
        "{effects:?}"
    );
    tell(&mut state, 3, report(vec![dmarc()]));
    let effects = press(&mut state, "R192.0.2.7⏎");
    assert!(matches!(effects.as_slice(), [Effect::Switch(_), ..]), "{effects:?}");
}

#[test]
fn a_message_that_was_asked_about_offline_first_is_not_compared_with_that() {
    let raw = std::sync::Arc::from(&b"From: a@example.org\r\n\r\nhello\r\n"[..]);
    let task = Task::Message { raw, envelope: crate::job::Envelope::default() };
    let mut before = crate::tui::inquiry::Inquiry::new(JobId(1), task.clone(), &[]);
    before.asked = "nobody".into();
    before.take(report(vec![dmarc()]));
    let mut now = crate::tui::inquiry::Inquiry::new(JobId(2), task, &[]);
    now.follows(&before);
    now.asked = "192.0.2.1".into();
    now.take(report(vec![dmarc()]));
    assert_eq!(now.compared, None);
}

#[test]
fn the_zones_own_servers_are_asked_beside_the_resolver_and_their_section_is_shown() {
    let mut state = on_dmarc();
    let effects = press(&mut state, "Rauthoritative⏎");
    let jobs = started(&effects);
    let [(2, job)] = jobs.as_slice() else { panic!("{effects:?}") };
    assert!(job.fresh && job.only.len() == crate::records::ALL.len() + 1 && job.only.contains(&"published".to_owned()));
    let area = ratatui::layout::Rect::new(0, 0, 100, 30);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    crate::tui::view::draw(&state, area, &mut buffer);
    let shown: String = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
    assert!(shown.contains("> … asking Published"), "{shown}");
    // Asking again asks the same, and another domain is an ordinary audit.
    let effects = press(&mut state, "r");
    assert_eq!(started(&effects)[0].1.only.len(), crate::records::ALL.len() + 1);
    let effects = press(&mut state, ":example.net⏎");
    assert!(started(&effects)[0].1.only.is_empty());
}

#[test]
fn without_a_domain_there_are_no_own_servers_to_ask() {
    let mut state = fresh();
    assert!(press(&mut state, "⎋Rauthoritative⏎").is_empty());
    assert!(state.shared.notice.as_ref().is_some_and(|notice| notice.bad && notice.text.contains("Type a domain")));
}

#[test]
fn a_place_that_was_left_while_it_was_asked_is_asked_again_on_the_return() {
    let mut state = on_dmarc();
    press(&mut state, ":example.net⏎");
    // Back while it runs: it is stopped, and its place is kept.
    let effects = press(&mut state, "<");
    assert!(matches!(effects.as_slice(), [Effect::Cancel(JobId(2))]), "{effects:?}");
    let effects = press(&mut state, ">");
    assert!(
        matches!(started(&effects).as_slice(), [(3, Job { task: Task::Domain { name, .. }, .. })] if name.as_str() == "example.net"),
        "{effects:?}"
    );
    // What was finished is shown as it was.
    assert!(started(&press(&mut state, "<")).is_empty());
}

#[test]
fn a_selector_is_added_to_the_same_domain() {
    let mut state = on_dmarc();
    let effects = press(&mut state, "sK1._domainkey⏎");
    assert!(
        matches!(started(&effects).as_slice(), [(2, Job { task: Task::Domain { selectors, .. }, .. })] if selectors == &["k1".to_owned()]),
        "{effects:?}"
    );
}

pub(super) fn keys_of(text: &str) -> Event {
    let code = |c| match c {
        '\r' => KeyCode::Enter,
        c => KeyCode::Char(c),
    };
    let keys = text.chars().map(|c| KeyEvent::new(code(c), KeyModifiers::NONE)).collect();
    Event::Keys { already: None, keys }
}

#[test]
fn typing_ahead_and_a_repeating_key_are_no_paste() {
    let mut state = fresh();
    let effects = update(&mut state, keys_of("example.org\r"));
    assert_eq!(started(&effects).len(), 1);
    let mut state = on_dmarc();
    update(&mut state, keys_of("jjjjjjjjjj"));
    assert!(state.shared.overlay.is_none());
    let effects = update(&mut state, keys_of(":example.net\r"));
    assert_eq!(started(&effects).len(), 1);
}

#[test]
fn no_engine_fails_what_runs_and_says_why() {
    let mut state = fresh();
    press(&mut state, "example.org⏎");
    update(&mut state, Event::NoEngine("no name server is configured".into()));
    let now = state.shared.inquiry(PaneId::Domain).unwrap();
    assert_eq!(now.standing("mx"), Standing::Failed);
    assert!(started(&press(&mut state, "r")).is_empty());
}

#[test]
fn control_c_quits_from_everywhere() {
    let mut state = fresh();
    assert!(matches!(press(&mut state, "abc⌃").as_slice(), [Effect::Quit]));
    let mut state = on_dmarc();
    assert!(matches!(press(&mut state, "?⌃").as_slice(), [Effect::Quit]));
}

#[test]
fn the_cursor_stays_on_its_target_when_sections_arrive() {
    let mut state = fresh();
    press(&mut state, "example.org⏎");
    tell(&mut state, 1, JobEvent::Section(Arc::new(dmarc())));
    // In the overview's details, on the finding of DMARC.
    press(&mut state, "→");
    let mut spf = Section::new("spf", "SPF");
    spf.findings.push(Finding::error("spf.broken", "SPF is broken."));
    tell(&mut state, 1, JobEvent::Section(Arc::new(spf.settle())));
    let effects = press(&mut state, "y");
    assert_eq!(copied(&effects), ["p=none only watches."]);
}

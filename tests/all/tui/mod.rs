//! The screens: every pane in its four states, in three sizes, from literal reports. The snapshot holds the text of each
//! row; the smallest size also says which runs are reversed, bold or coloured.

mod copies;
mod demo_mail;
mod large;
mod listening;
mod narrow;
mod sample;
mod truth;
mod what_if;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mxray::job::JobEvent;
use mxray::tui::action::PaneId;
use mxray::tui::effect::Effect;
use mxray::tui::event::Event;
use mxray::tui::state::State;
use mxray::tui::update::{settle, start, update};
use mxray::tui::view::view;
use mxray::tui::{Offer, Palette, Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 12)];

fn screen(theme: Theme, only: &[&str]) -> State {
    let mut state = State::new(theme, 80, 24);
    state.shared.only = only.iter().map(|id| (*id).to_owned()).collect();
    start(&mut state);
    update(&mut state, Event::Ready("system 192.0.2.53".into()));
    settle(&mut state);
    state
}

fn coloured(only: &[&str]) -> State {
    screen(Theme { palette: Palette::Sixteen, ascii: false }, only)
}

/// `⏎` Enter, `⎋` Esc, `⇥` Tab, arrows; everything else as it stands. Returns the last job that was started.
fn press(state: &mut State, keys: &str) {
    for c in keys.chars() {
        let code = match c {
            '⏎' => KeyCode::Enter,
            '⎋' => KeyCode::Esc,
            '⇥' => KeyCode::Tab,
            '↓' => KeyCode::Down,
            '↑' => KeyCode::Up,
            '→' => KeyCode::Right,
            '←' => KeyCode::Left,
            c => KeyCode::Char(c),
        };
        update(state, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        settle(state);
    }
}

/// Tells the active pane's job.
fn tell(state: &mut State, events: Vec<JobEvent>) {
    let pane = if state.active == PaneId::Lookups { PaneId::Domain } else { state.active };
    let id = state.shared.inquiry(pane).map(|inquiry| inquiry.id);
    for event in events {
        update(state, Event::Job(id.expect("a job runs"), event));
    }
    settle(state);
}

fn draw(state: &mut State, (width, height): (u16, u16)) -> Buffer {
    update(state, Event::Resize(width, height));
    settle(state);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    terminal.draw(|frame| view(state, frame)).expect("drawn");
    terminal.backend().buffer().clone()
}

fn rows(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let row = |cells: &[ratatui::buffer::Cell]| -> String { cells.iter().map(ratatui::buffer::Cell::symbol).collect() };
    buffer.content().chunks(width).map(|cells| row(cells).trim_end().to_owned()).collect()
}

/// `3: 0-39 reversed` for every run that is not plain.
fn styles(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let mut out = Vec::new();
    for (y, cells) in buffer.content().chunks(width).enumerate() {
        let names: Vec<String> = cells.iter().map(|cell| name(cell.modifier, cell.fg)).collect();
        let mut runs = Vec::new();
        let mut from = 0;
        for x in 1..=width {
            if x == width || names[x] != names[from] {
                if !names[from].is_empty() {
                    runs.push(format!("{from}-{} {}", x - 1, names[from]));
                }
                from = x;
            }
        }
        if !runs.is_empty() {
            out.push(format!("{y}: {}", runs.join(", ")));
        }
    }
    out
}

fn name(modifier: Modifier, color: Color) -> String {
    let mut words: Vec<String> = modifier.iter_names().map(|(name, _)| name.to_lowercase()).collect();
    if color != Color::Reset {
        words.push(color.to_string().to_lowercase());
    }
    words.join("+")
}

fn shot(name: &str, mut state: State) {
    let mut out = String::new();
    for size in SIZES {
        let buffer = draw(&mut state, size);
        out.push_str(&format!("{}x{}\n", size.0, size.1));
        for row in rows(&buffer) {
            out.push_str(&format!("|{row}\n"));
        }
        if size.0 == 40 {
            out.push_str(&styles(&buffer).join("\n"));
            out.push('\n');
        }
    }
    insta::with_settings!({ snapshot_path => "../../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("tui_{name}"), out);
    });
}

const DOMAIN: &[&str] = &["mx", "dkim", "dmarc", "mta-sts", "tls-rpt"];
const MESSAGE: &[&str] = &["dkim", "dmarc", "spf"];
const SMTP: &[&str] = &["transcript", "tls"];

fn domain(events: Vec<JobEvent>) -> State {
    let mut state = coloured(DOMAIN);
    press(&mut state, "monsec.example⏎");
    tell(&mut state, events);
    state
}

#[test]
fn domain_empty() {
    let mut state = coloured(DOMAIN);
    state.shared.offers = offers();
    shot("domain_empty", state);
}

fn offers() -> Vec<Offer> {
    let offer = |target: &str, about: &str, pane, content: Option<&[u8]>| Offer {
        target: target.into(),
        about: about.into(),
        pane,
        content: content.map(std::sync::Arc::from),
    };
    let mut offers = vec![
        offer("monsec.example", "the crash course's own domain", PaneId::Domain, None),
        offer(
            "message phish",
            "the bank's name, a bulk sender's signature, a replayed one, results that somebody made up",
            PaneId::Message,
            Some(b"From: service@acme-bank.example\r\nSubject: Your account\r\n\r\nqqq\r\n"),
        ),
        offer("dialogue", "a conversation written down", PaneId::Smtp, Some(b"S: 220 mx.example ESMTP\r\nC: QUIT\r\n")),
        offer("smtp expired.servers.example", "a mail server whose certificate has expired", PaneId::Smtp, None),
    ];
    offers.extend((1..20).map(|nth| offer(&format!("n{nth}.example"), "one of many", PaneId::Domain, None)));
    offers
}

#[test]
fn domain_empty_with_an_example_chosen() {
    let mut state = coloured(DOMAIN);
    state.shared.offers = offers();
    press(&mut state, &"↓".repeat(15));
    shot("domain_empty_chosen", state);
}

#[test]
fn an_offered_message_and_an_offered_dialogue_open_by_key_in_their_panes() {
    let mut state = coloured(&[]);
    state.shared.offers = offers();
    press(&mut state, "↓↓⏎");
    assert_eq!(state.active, PaneId::Message);
    let shown = rows(&draw(&mut state, (80, 24))).join("\n");
    assert!(shown.contains("service@acme-bank.example") && shown.contains("message phish"), "{shown}");
    // Nothing of one's own would be lost.
    assert_eq!(state.shared.unsaved, None);

    // Each pane offers its own, and the line need not be open.
    let mut state = coloured(&[]);
    state.shared.offers = offers();
    press(&mut state, "⎋3");
    let shown = rows(&draw(&mut state, (80, 24))).join("\n");
    assert!(shown.contains("dialogue") && !shown.contains("monsec.example"), "{shown}");
    press(&mut state, "↓");
    let shown = rows(&draw(&mut state, (80, 24))).join("\n");
    assert!(shown.contains(": dialogue") && shown.contains("> dialogue"), "{shown}");
    press(&mut state, "⏎");
    assert_eq!((state.active, state.shared.line.is_none()), (PaneId::Smtp, true));
    assert_eq!(state.shared.inquiry(PaneId::Smtp).map(|now| now.title.as_str()), Some("a written dialogue"));
}

#[test]
fn up_is_what_was_typed_before_and_down_what_is_offered() {
    let mut state = coloured(DOMAIN);
    state.shared.offers = offers();
    press(&mut state, "one.example⏎:two.example⏎:");
    let line = |state: &State| state.shared.line.as_ref().map(|line| line.input.value().to_owned()).unwrap_or_default();
    let mut seen = Vec::new();
    for key in ["↑", "↑", "↑", "↓", "↓", "↓", "↓", "↑", "↑"] {
        press(&mut state, key);
        seen.push(line(&state));
    }
    let wanted = [
        "two.example",
        "one.example",
        "one.example",
        "two.example",
        "",
        "monsec.example",
        "message phish",
        "monsec.example",
        "",
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn domain_loading() {
    shot("domain_loading", domain(sample::domain_under_way()));
}

#[test]
fn domain_full() {
    shot("domain_full", domain(sample::domain_finished()));
}

#[test]
fn domain_section() {
    let mut state = domain(sample::domain_finished());
    press(&mut state, "↓↓↓↓→");
    shot("domain_section", state);
}

#[test]
fn domain_suggestion() {
    let mut state = domain(sample::domain_finished());
    press(&mut state, "⇥⇥⇥");
    shot("domain_suggestion", state);
}

#[test]
fn domain_evidence() {
    let mut state = domain(sample::domain_finished());
    press(&mut state, "⇥⏎");
    shot("domain_evidence", state);
}

#[test]
fn domain_error() {
    shot(
        "domain_error",
        domain(vec![JobEvent::Failed("no name server: /etc/resolv.conf names none; give one with --dns IP".into())]),
    );
}

#[test]
fn message_empty() {
    let mut state = coloured(MESSAGE);
    press(&mut state, "⎋2");
    shot("message_empty", state);
}

fn message(events: Vec<JobEvent>) -> State {
    let mut state = coloured(MESSAGE);
    update(&mut state, Event::Paste(sample::MAIL.into()));
    tell(&mut state, events);
    state
}

#[test]
fn the_strip_of_a_message_names_its_last_key_whole_or_not_at_all() {
    for more in 0..40 {
        let mut state = coloured(MESSAGE);
        update(&mut state, Event::Ready(format!("system 192.0.2.{}", "5".repeat(more))));
        update(&mut state, Event::Paste(sample::MAIL.into()));
        settle(&mut state);
        let shown = rows(&draw(&mut state, (80, 24)));
        let strip = shown.iter().find(|row| row.contains("NOTHING ASKED YET")).expect("the strip");
        assert!(strip.contains("x: stay offline") || !strip.contains("  x"), "{strip}");
    }
}

#[test]
fn message_loading() {
    shot("message_loading", message(Vec::new()));
}

#[test]
fn message_full() {
    shot("message_full", message(sample::message_finished()));
}

#[test]
fn message_as_signed() {
    let mut state = message(sample::message_finished());
    press(&mut state, "v");
    shot("message_as_signed", state);
}

#[test]
fn message_error() {
    shot("message_error", message(vec![JobEvent::Failed("mxray broke while reading this message".into())]));
}

#[test]
fn message_refused() {
    let refusal = mxray::message::NotMessage::NoHeader(mxray::message::Seems::Html).refusal();
    shot("message_refused", message(vec![JobEvent::Refused(refusal)]));
}

fn smtp(events: Vec<JobEvent>) -> State {
    let mut state = coloured(SMTP);
    press(&mut state, "mail.example.test:25⏎");
    tell(&mut state, events);
    state
}

#[test]
fn smtp_empty() {
    let mut state = coloured(SMTP);
    press(&mut state, "⎋3");
    shot("smtp_empty", state);
}

#[test]
fn lookups_empty() {
    let mut state = coloured(DOMAIN);
    press(&mut state, "⎋4");
    shot("lookups_empty", state);
}

fn lookups(events: Vec<JobEvent>) -> State {
    let mut state = domain(events);
    press(&mut state, "4↓↓");
    state
}

#[test]
fn lookups_loading() {
    shot("lookups_loading", lookups(sample::domain_under_way()));
}

#[test]
fn lookups_full() {
    shot("lookups_full", lookups(sample::domain_finished()));
}

#[test]
fn lookups_error() {
    shot("lookups_error", lookups(sample::domain_refused()));
}

#[test]
fn smtp_loading() {
    shot("smtp_loading", smtp(sample::smtp_under_way()));
}

#[test]
fn smtp_full() {
    let mut state = smtp(sample::smtp_finished());
    press(&mut state, "v");
    shot("smtp_full", state);
}

#[test]
fn smtp_dialogue() {
    let mut state = smtp(sample::smtp_finished());
    press(&mut state, "↑↑");
    shot("smtp_dialogue", state);
}

#[test]
fn smtp_by_hand() {
    let mut state = smtp(sample::smtp_finished());
    press(&mut state, "i");
    tell(&mut state, sample::smtp_under_way());
    press(&mut state, "MAIL FROM:<>");
    shot("smtp_by_hand", state);
}

#[test]
fn smtp_how() {
    let mut state = smtp(sample::smtp_finished());
    press(&mut state, "h↓↓↓↓↓↓⏎");
    tell(&mut state, sample::smtp_under_way());
    press(&mut state, "h");
    shot("smtp_how", state);
}

#[test]
fn smtp_error() {
    shot("smtp_error", smtp(vec![JobEvent::Failed("mail.example.test has no address".into())]));
}

#[test]
fn help() {
    let mut state = domain(sample::domain_finished());
    press(&mut state, "?");
    shot("help", state);
}

#[test]
fn without_colour_and_utf8_the_words_and_the_marker_remain() {
    let mut state = screen(Theme { palette: Palette::None, ascii: true }, DOMAIN);
    press(&mut state, "monsec.example⏎");
    tell(&mut state, sample::domain_finished());
    let buffer = draw(&mut state, (100, 30));
    assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let text = rows(&buffer).join("\n");
    assert!(text.is_ascii(), "{text}");
    for said in ["> Overview", "X ERROR", "! WARN", "+ ok", "? unseen", "could not look", "- none"] {
        assert!(text.contains(said), "{said} is missing in\n{text}");
    }
}

#[test]
fn forty_columns_still_show_the_worst_finding() {
    let mut state = domain(sample::domain_finished());
    let text = rows(&draw(&mut state, (40, 12))).join("\n");
    assert!(text.contains("MTA-STS policy"), "{text}");
    assert!(text.contains("ERROR"), "{text}");
}

#[test]
fn twenty_by_five_is_a_clear_line() {
    let mut state = domain(sample::domain_finished());
    let text = rows(&draw(&mut state, (20, 5))).join("\n");
    assert!(text.starts_with("mxray: needs 30x8, q\nquits"), "{text}");
    let effects = update(&mut state, Event::Key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)));
    assert!(matches!(effects.as_slice(), [Effect::Quit]));
}

#[test]
fn any_size_is_drawn() {
    let mut state = domain(sample::domain_finished());
    for width in [1, 2, 5, 29, 30, 31, 63, 64, 65, 200] {
        for height in [1, 2, 7, 8, 9, 13, 14, 60] {
            for keys in ["", "⇥", "⏎", "Y", "⎋", "?", "⎋", "4", "1"] {
                press(&mut state, keys);
                draw(&mut state, (width, height));
            }
        }
    }
}

/// A frame touches only what is visible: a message of 25 MB in 400,000 lines costs what a short one costs.
#[test]
fn a_large_message_is_drawn_and_searched_without_laying_it_out() {
    let mut state = message(sample::message_of(400_000));
    press(&mut state, "v");
    let first = rows(&draw(&mut state, (120, 40))).join("\n");
    assert!(first.contains("line 0"), "{first}");
    press(&mut state, "G");
    let last = rows(&draw(&mut state, (120, 40))).join("\n");
    assert!(last.contains("line 399999"), "{last}");
    press(&mut state, "g/line 200000⏎");
    let found = rows(&draw(&mut state, (120, 40))).join("\n");
    assert!(found.contains("> line 200000") || found.contains(">line 200000"), "{found}");
}

#[test]
fn another_message_of_a_mailbox_opens_from_its_row() {
    use mxray::check::{Check, world::World};
    let raw =
        "From a@x Tue\nFrom: a@x.example\nSubject: one\n\nx\n\nFrom b@x Tue\nFrom: b@x.example\nSubject: two\n\ny\n";
    let mut state = coloured(&["headers"]);
    update(&mut state, Event::Paste(raw.into()));
    let subject = mxray::message::Message::parse(raw.as_bytes().into(), Default::default()).unwrap();
    let check: &dyn Check<_> = *mxray::message::ALL.iter().find(|check| check.id() == "headers").unwrap();
    let section = World::parse("").unwrap().settle(check, &subject, time::OffsetDateTime::UNIX_EPOCH).section;
    tell(&mut state, vec![JobEvent::Section(section.into())]);
    press(&mut state, "⏎⏎");
    let before = rows(&draw(&mut state, (120, 40)));
    assert!(before.iter().any(|row| row.contains("2 of 2") && row.contains("b@x.example")), "{before:#?}");
    let is_there = |state: &mut State| {
        rows(&draw(state, (120, 40))).iter().any(|row| row.contains(" >") && row.contains("2 of 2"))
    };
    for _ in 0..10 {
        if is_there(&mut state) {
            break;
        }
        press(&mut state, "↓");
    }
    press(&mut state, "⏎");
    let after = rows(&draw(&mut state, (120, 40)));
    assert!(after.iter().any(|row| row.contains("inside paste")), "{after:#?}");
}

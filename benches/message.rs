//! A message: cut and hashed, judged with its keys at hand, printed, drawn.

use std::sync::Arc;

use divan::counter::BytesCount;
use mxray::check::world::World;
use mxray::check::{Evidence, Subject};
use mxray::cli::{markdown, text};
use mxray::finding::Severity;
use mxray::job::{Envelope, JobEvent};
use mxray::message::{ALL, Message};
use mxray::report::Report;
use mxray::tui::action::PaneId;
use mxray::tui::event::Event;
use mxray::tui::state::State;
use mxray::tui::update::{settle, start, update};
use mxray::tui::view::view;
use mxray::tui::{Palette, Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use time::OffsetDateTime;
use time::macros::datetime;

const SIGNED: &[u8] = include_bytes!("../tests/fixtures/messages/rfc6376-a2.eml");
const KEYS: &str = include_str!("../tests/fixtures/messages/corpus.zone");
const CORPUS: &[u8] = include_bytes!("../tests/fixtures/messages/corpus.txt");
const NOW: OffsetDateTime = datetime!(2026-11-24 9:58:12 UTC);

/// A message of so many bytes whose signature wants the relaxed body.
fn of_size(bytes: usize, line_end: &str) -> Arc<[u8]> {
    let mut raw = String::from_utf8_lossy(SIGNED).replace("\r\n", "\n").replace("c=simple/simple", "c=relaxed/relaxed");
    while raw.len() < bytes {
        raw.push_str("a line of a body, as  long as most of them are, with some white space in it \n");
    }
    raw.replace('\n', line_end).into_bytes().into()
}

/// The first message of the corpus: signed by dkimpy, RSA of 2048 bits.
fn signed() -> Option<Message> {
    let start = CORPUS.iter().position(|byte| *byte == b'\n')? + 1;
    let length: usize = std::str::from_utf8(CORPUS.get(..start)?).ok()?.split(' ').nth(2)?.parse().ok()?;
    Message::parse(CORPUS.get(start..start + length)?.into(), Envelope::default()).ok()
}

#[divan::bench(args = [5_000, 1_000_000, 25_000_000], sample_count = 20)]
fn a_message_is_cut_and_hashed(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let raw = of_size(bytes, "\r\n");
    let bencher = bencher.counter(BytesCount::new(raw.len()));
    bencher.bench(|| Message::parse(raw.clone(), Envelope::default()).is_ok());
}

#[divan::bench(args = [5_000, 25_000_000], sample_count = 20)]
fn a_message_with_lf_alone_is_repaired_cut_and_hashed(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let raw = of_size(bytes, "\n");
    let bencher = bencher.counter(BytesCount::new(raw.len()));
    bencher.bench(|| Message::parse(raw.clone(), Envelope::default()).is_ok());
}

/// The report of the signed message, every answer at hand.
fn report(message: &Message, world: &World) -> Report {
    let sections: Vec<_> = ALL.iter().map(|check| world.settle(*check, message, NOW).section).collect();
    Report {
        mxray: "0.1.0",
        schema: 1,
        kind: Message::KIND,
        target: message.target(),
        at: NOW,
        elapsed_ms: 0.0,
        worst: Severity::Ok,
        verdict: message.verdict(&sections),
        summary: message.summary(&sections),
        since: None,
        sections,
        lookups: Vec::new(),
    }
}

#[divan::bench]
fn a_signed_message_is_judged(bencher: divan::Bencher<'_, '_>) {
    let (Some(message), Ok(world)) = (signed(), World::parse(KEYS)) else { return };
    bencher.bench(|| report(&message, &world));
}

#[divan::bench]
fn a_report_is_printed(bencher: divan::Bencher<'_, '_>) {
    let (Some(message), Ok(world)) = (signed(), World::parse(KEYS)) else { return };
    let report = report(&message, &world);
    let style = text::Style { width: 100, color: true };
    bencher.bench(|| text::text(&report, style).len() + markdown::markdown(&report).len());
}

/// One frame of the message pane with everything there; the key before it changes what is selected.
#[divan::bench(args = [(80, 24), (200, 60)])]
fn a_key_is_followed_by_a_frame(bencher: divan::Bencher<'_, '_>, (width, height): (u16, u16)) {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let (Some(message), Ok(world)) = (signed(), World::parse(KEYS)) else { return };
    let mut state = State::new(Theme { palette: Palette::Sixteen, ascii: false }, width, height);
    start(&mut state);
    update(&mut state, Event::Ready("system 192.0.2.53".into()));
    update(&mut state, Event::Paste(String::from_utf8_lossy(&message.original()).into_owned()));
    if let Some(id) = state.shared.inquiry(PaneId::Message).map(|inquiry| inquiry.id) {
        let finished = JobEvent::Finished(Arc::new(report(&message, &world)), Arc::new(Evidence::default()));
        update(&mut state, Event::Job(id, finished));
    }
    settle(&mut state);
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    bencher.bench_local(|| {
        for code in [KeyCode::Down, KeyCode::Up] {
            update(&mut state, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            settle(&mut state);
            let _ = terminal.draw(|frame| view(&state, frame));
        }
    });
}

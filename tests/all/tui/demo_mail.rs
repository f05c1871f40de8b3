//! The demo world's messages on the screen, verified through the engine: a phish, a list mail whose signature broke, a
//! clean mail, headers alone, a look-alike. What the report says is real; only its clock stands still.

use std::sync::Arc;
use std::time::Duration;

use mxray::check::Evidence;
use mxray::config::Settings;
use mxray::job::{Envelope, Job, JobEvent, Task};
use mxray::lab::Lab;
use mxray::report::Report;
use mxray::tui::event::Event;
use mxray::tui::state::State;
use mxray::tui::update::{settle, update};
use time::macros::datetime;

use super::{coloured, press, shot, tell};

async fn verified(raw: &[u8]) -> Report {
    let lab = Lab::start().await.unwrap();
    let engine = crate::job::engine(Settings { timeout: Duration::from_secs(2), ..lab.settings() });
    let task = Task::Message { raw: Arc::from(raw), envelope: Envelope::default() };
    let now = Some(datetime!(2026-11-24 12:04:31 UTC));
    let mut report = (*crate::job::finish(&engine, Job { now, ..Job::new(task) }).await).clone();
    report.elapsed_ms = 84.2;
    report
}

/// The message pasted, its questions allowed, and the answer on the screen.
fn opened(name: &str) -> State {
    let raw = Lab::messages().iter().find(|message| message.name == name).unwrap().raw;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let report = runtime.block_on(verified(raw));
    let mut state = coloured(&[]);
    update(&mut state, Event::Paste(String::from_utf8(raw.to_vec()).unwrap()));
    settle(&mut state);
    press(&mut state, "a");
    tell(&mut state, vec![JobEvent::Finished(Arc::new(report), Arc::new(Evidence::default()))]);
    state
}

#[test]
fn demo_mail_phish() {
    shot("demo_mail_phish", opened("phish"));
}

#[test]
fn demo_mail_list() {
    shot("demo_mail_list", opened("list"));
}

#[test]
fn demo_mail_clean() {
    shot("demo_mail_clean", opened("clean"));
}

#[test]
fn demo_mail_headers_only() {
    shot("demo_mail_headers_only", opened("headers-only"));
}

#[test]
fn demo_mail_lookalike() {
    shot("demo_mail_lookalike", opened("lookalike"));
}

//! What a job may use up, and that it says so.

use std::time::Duration;

use super::server::{Play, Server};
use super::{check, done, job, name, settings};
use crate::check::{Kind, Look, Outcome, Progress, Wait, all};
use crate::engine::run::Bounds;
use crate::engine::{Engine, House};
use crate::report::State;

fn bounded(engine: &Engine, bounds: Bounds) -> Engine {
    let house = House {
        outbox: engine.house.outbox.clone(),
        settings: engine.house.settings.clone(),
        bounds,
        trust: engine.house.trust.clone(),
        anchors: engine.house.anchors.clone(),
        slots: engine.house.slots.clone(),
        dialogues: tokio::sync::Semaphore::new(1),
        typed: std::sync::Mutex::default(),
    };
    Engine { house: std::sync::Arc::new(house), ..engine.clone() }
}

/// A check that asks one more name for every answer, without end, and counts what was not asked any more.
fn endless() -> &'static dyn crate::check::Check<super::Made> {
    check("endless", |seen, _| {
        for n in 0.. {
            if let Look::Unknown(outcome) = seen.dns(&name(&format!("n{n}.x")), Kind::A)?.look() {
                return Ok(done("endless", format!("{n}: {outcome}")));
            }
        }
        Ok(done("endless", "never"))
    })
}

#[tokio::test]
async fn questions_without_end_are_given_up_with_a_reason() {
    let server = Server::plain(0).await;
    let engine = Engine::new(settings(&[&server], 1000)).unwrap();
    let few = bounded(&engine, Bounds { questions: 10, ..Bounds::default() });
    let told = few.run_made(1, job(), vec![endless()]).await;
    assert_eq!(told.section("endless").headline, "10: mxray gave up after 10 questions in this job");
    assert_eq!(server.log().len(), 10);

    let wide = check("wide", |seen, _| {
        let answers = all(0..5000, |n| seen.dns(&name(&format!("w{n}.x")), Kind::A))?;
        Ok(done("wide", answers.iter().filter(|a| matches!(a.look(), Look::Unknown(_))).count()))
    });
    let told = few.run_made(2, job(), vec![wide]).await;
    assert_eq!(told.section("wide").headline, "4990");
    assert_eq!(told.report.lookups.len(), 11, "what is not asked shares one line of the log");
}

#[tokio::test]
async fn rounds_without_end_are_given_up_too() {
    let server = Server::plain(0).await;
    let engine = Engine::new(settings(&[&server], 1000)).unwrap();
    let told = bounded(&engine, Bounds { rounds: 5, ..Bounds::default() }).run_made(1, job(), vec![endless()]).await;
    assert_eq!(told.section("endless").headline, "5: mxray gave up after 5 rounds of questions");
}

#[tokio::test]
async fn answers_without_end_are_given_up_before_they_fill_the_memory() {
    let server = Server::plain(0).await;
    let engine = Engine::new(settings(&[&server], 1000)).unwrap();
    let told = bounded(&engine, Bounds { bytes: 900, ..Bounds::default() }).run_made(1, job(), vec![endless()]).await;
    assert_eq!(told.section("endless").headline, "5: mxray gave up after 900 bytes of answers in this job");
}

#[tokio::test]
async fn a_job_out_of_time_ends_with_what_it_has() {
    let server = Server::start(|question| match question.asked.name.as_str() {
        "quick.x" => question.data(&[192, 0, 2, 1]).into(),
        _ => Play::default(),
    })
    .await;
    let engine = Engine::new(settings(&[&server], 10_000)).unwrap();
    let ask = |id, of: &'static str| {
        check(id, move |seen, _| {
            let answer = seen.dns(&name(of), Kind::A)?;
            Ok(done(id, &answer.outcome))
        })
    };
    let computes = check("computes", |_, _| Err(Wait::Again(Progress { done: 0, of: 1 })));
    let short = bounded(&engine, Bounds { time: Duration::from_millis(150), ..Bounds::default() });
    let told = short.run_made(1, job(), vec![ask("quick", "quick.x"), ask("silent", "silent.x"), computes]).await;
    assert_eq!(told.section("quick").headline, "answered");
    assert_eq!(told.section("silent").headline, "mxray gave up after 0.15 s");
    assert_eq!(told.section("computes").state, State::Unknown);
    assert!(matches!(told.dns("silent.x", Kind::A).outcome, Outcome::Failed(_)));
    assert!(told.report.elapsed_ms < 2000.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_so_many_are_out_at_once() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    // Silence keeps each slot for the whole timeout, so what the server has seen by then was out at once.
    let seen_by_server = Arc::new(AtomicUsize::new(0));
    let counter = seen_by_server.clone();
    let server = Server::start(move |question| {
        if question.before == 0 {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Play::default()
    })
    .await;
    let engine = Engine::new(crate::config::Settings { concurrency: 8, ..settings(&[&server], 400) }).unwrap();
    let probes = check("probes", |seen, _| {
        Ok(done("probes", all(0..20, |n| seen.probe(&name(&format!("p{n}.x")), Kind::A))?.len()))
    });
    engine.start_made(crate::job::JobId(1), job(), super::made(vec![probes]));
    let most = loop {
        tokio::time::timeout(Duration::from_secs(5), engine.outbox().ready()).await.unwrap();
        let answered = engine
            .outbox()
            .drain()
            .into_iter()
            .any(|(_, event)| matches!(event, crate::job::JobEvent::Lookup(line) if line.outcome.is_some()));
        if answered {
            break seen_by_server.load(Ordering::Relaxed);
        }
    };
    // Six of eight slots for probes; the second six may have begun when the first answer is told.
    assert!((6..=12).contains(&most), "{most}");
    let told = engine.finish(crate::job::JobId(1)).await;
    assert_eq!(told.section("probes").headline, "20");
}

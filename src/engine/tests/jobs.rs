//! The loop: what is asked how often, what waits for what, and what a job tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::server::{Play, Server};
use super::{check, done, job, made, name, settings};
use crate::check::{Answer, DnsAnswer, Evidence, Kind, Outcome, Progress, Query, Wait, all};
use crate::engine::Engine;
use crate::job::{Job, JobEvent, JobId, Task};
use crate::report::{LookupId, State};

/// A check that asks `depth` names one after the other.
fn chain(id: &'static str, depth: usize) -> &'static dyn crate::check::Check<super::Made> {
    check(id, move |seen, _| {
        for n in 0..depth {
            seen.dns(&name(&format!("n{n}.{id}.x")), Kind::A)?;
        }
        Ok(done(id, depth))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_questions_of_two_checks_and_two_jobs_go_out_once() {
    let server = Server::plain(80).await;
    let engine = Engine::new(settings(&[&server], 2000)).unwrap();
    let both = || {
        let ask = |id| check(id, move |seen, _| Ok(done(id, seen.dns(&name("same.x"), Kind::A)?.records.len())));
        vec![ask("one"), ask("two")]
    };
    engine.start_made(JobId(1), job(), made(both()));
    engine.start_made(JobId(2), job(), made(both()));
    let mut reports = Vec::new();
    while reports.len() < 2 {
        tokio::time::timeout(Duration::from_secs(5), engine.outbox().ready()).await.unwrap();
        for (_, event) in engine.outbox().drain() {
            if let JobEvent::Finished(report, _) = event {
                reports.push(report);
            }
        }
    }
    assert_eq!(server.count("same.x"), 1);
    assert!(reports.iter().all(|report| report.lookups.len() == 1 && report.lookups[0].asked_by == ["one", "two"]));
    assert_eq!(reports.iter().filter(|report| report.lookups[0].joined).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_aside_holds_no_section_and_comes_into_it_later() {
    let server = Server::start(|question| {
        let is_late = question.asked.name == "late.x";
        Play { delay: Duration::from_millis(if is_late { 300 } else { 0 }), ..question.data(&[192, 0, 2, 1]).into() }
    })
    .await;
    let engine = Engine::new(settings(&[&server], 2000)).unwrap();
    let ask = check("a", |seen, _| {
        let aside = seen.aside(&name("late.x"), Kind::A);
        seen.dns(&name("now.x"), Kind::A)?;
        Ok(done("a", if aside.is_some() { "whole" } else { "so far" }))
    });
    engine.start_made(JobId(1), job(), made(vec![ask]));
    let mut headlines = Vec::new();
    let report = loop {
        tokio::time::timeout(Duration::from_secs(5), engine.outbox().ready()).await.unwrap();
        let mut finished = None;
        for (_, event) in engine.outbox().drain() {
            match event {
                JobEvent::Section(section) => headlines.push(section.headline.clone()),
                JobEvent::Finished(report, _) => finished = Some(report),
                _ => {}
            }
        }
        if let Some(report) = finished {
            break report;
        }
    };
    assert_eq!(headlines, ["so far", "whole"]);
    assert_eq!(report.sections[0].headline, "whole");
    assert_eq!(report.lookups.iter().map(|line| line.asked_by.clone()).collect::<Vec<_>>(), [["a"], ["a"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drops_the_obsolete_type_holds_neither_spf_nor_the_job_for_long() {
    let server = Server::start(|question| match question.asked.kind {
        99 => Play::default(),
        16 => question.data(b"\x0bv=spf1 -all").into(),
        _ => question.rcode(0).into(),
    })
    .await;
    let engine = Engine::new(settings(&[&server], 10_000)).unwrap();
    let task = Task::Domain { name: name("a.x"), selectors: Vec::new() };
    let started = Instant::now();
    engine.start(JobId(1), Job { only: vec!["spf".into()], ..Job::new(task) });
    let mut told = None;
    let report = loop {
        tokio::time::timeout(Duration::from_secs(8), engine.outbox().ready()).await.expect("it waits for the type");
        let mut finished = None;
        for (_, event) in engine.outbox().drain() {
            match event {
                JobEvent::Section(_) => told = told.or(Some(started.elapsed())),
                JobEvent::Finished(report, _) => finished = Some(report),
                _ => {}
            }
        }
        if let Some(report) = finished {
            break report;
        }
    };
    assert!(told.is_some_and(|told| told < Duration::from_secs(1)), "{told:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let spf = &report.sections[0];
    assert_eq!((spf.facts["result_of_all"].as_str(), spf.facts["type_99"].is_null()), (Some("fail"), true));
}

#[tokio::test]
async fn a_kept_answer_is_used_until_the_person_asks_again() {
    let server = Server::plain(0).await;
    let engine = Engine::new(settings(&[&server], 2000)).unwrap();
    let checks = || vec![chain("c", 1)];
    let first = engine.run_made(1, job(), checks()).await;
    let second = engine.run_made(2, job(), checks()).await;
    let again = engine.run_made(3, Job { fresh: true, ..job() }, checks()).await;
    let line = |told: &super::Told| {
        let line = told.lookup("n0.c.x", "A");
        (line.cached, line.via.is_empty(), line.outcome, line.ttl)
    };
    assert_eq!(line(&first), (false, false, Some("answer"), Some(300)));
    assert_eq!(line(&second), (true, true, Some("answer"), Some(300)));
    assert!(!line(&again).0);
    assert_eq!(server.count("n0.c.x"), 2);
}

#[tokio::test]
async fn absence_is_kept_too_and_each_set_of_servers_keeps_its_own() {
    let (server, other) = (Server::start(|question| question.rcode(3).into()).await, Server::plain(0).await);
    let engine = Engine::new(settings(&[&server], 2000)).unwrap();
    for id in 1..=2 {
        let told = engine.run_made(id, job(), vec![chain("c", 1)]).await;
        assert_eq!(told.dns("n0.c.x", Kind::A).outcome, Outcome::NoSuchName);
    }
    assert_eq!(server.count("n0.c.x"), 1);
    engine.switch(vec![crate::config::Upstream::Plain(other.address)]);
    assert_eq!(engine.upstream_label(), other.address.to_string());
    let told = engine.run_made(3, job(), vec![chain("c", 1)]).await;
    assert_eq!(told.dns("n0.c.x", Kind::A).outcome, Outcome::Answer);
    engine.switch(vec![crate::config::Upstream::Plain(server.address)]);
    engine.run_made(4, job(), vec![chain("c", 1)]).await;
    assert_eq!((server.count("n0.c.x"), other.count("n0.c.x")), (1, 1), "the first set's cache is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_takes_its_depth_times_the_latency_and_probes_do_not_add_to_it() {
    // Long beside what a busy machine takes for a step, so that the ratio speaks of rounds.
    const LATENCY: u64 = 100;
    let server = Server::plain(LATENCY).await;
    let engine = Engine::new(settings(&[&server], 5000)).unwrap();
    let probes = check("probes", |seen, _| {
        let keys = all(0..200, |n| seen.probe(&name(&format!("p{n}.x")), Kind::Txt))?;
        Ok(done("probes", keys.len()))
    });
    let checks = vec![probes, chain("deep", 8), chain("short", 3)];
    engine.start_made(JobId(1), job(), made(checks));
    let start = Instant::now();
    let mut deep = None;
    let mut finished = false;
    while !finished {
        tokio::time::timeout(Duration::from_secs(5), engine.outbox().ready()).await.unwrap();
        for (_, event) in engine.outbox().drain() {
            match event {
                JobEvent::Section(section) if section.id == "deep" => deep = Some(start.elapsed()),
                JobEvent::Finished(..) => finished = true,
                _ => {}
            }
        }
    }
    let ideal = Duration::from_millis(8 * LATENCY);
    let deep = deep.unwrap();
    assert!(deep >= ideal && deep < ideal * 2, "the chain took {deep:?}, {ideal:?} is its depth");
}

#[tokio::test]
async fn a_late_answer_of_a_cancelled_job_is_dropped_and_its_queries_end() {
    let server = Server::start(|question| match question.asked.name.as_str() {
        "slow.x" => Play { delay: Duration::from_millis(150), ..question.data(&[192, 0, 2, 1]).into() },
        _ => Play::default(),
    })
    .await;
    let engine = Engine::new(settings(&[&server], 400)).unwrap();
    let ask =
        |of: &'static str| vec![check("c", move |seen, _| Ok(done("c", seen.dns(&name(of), Kind::A)?.records.len())))];
    engine.start_made(JobId(1), job(), made(ask("silent.x")));
    engine.start_made(JobId(2), job(), made(ask("slow.x")));
    engine.start_made(JobId(3), job(), made(ask("slow.x")));
    while server.count("silent.x") + server.count("slow.x") < 2 {
        tokio::task::yield_now().await;
    }
    engine.cancel(JobId(1));
    engine.cancel(JobId(2));
    // The third shares the second's question and still gets its answer.
    let told = engine.finish(JobId(3)).await;
    assert_eq!(told.section("c").headline, "1");
    // Time enough for the second try of the first job's question, had it lived.
    let told = engine.run_made(4, job(), ask("other.x")).await;
    assert_eq!(told.dns("other.x", Kind::A).outcome, Outcome::TimedOut);
    assert_eq!(server.count("other.x"), 2);
    assert!(engine.outbox().drain().is_empty());
    assert_eq!(server.count("silent.x"), 1, "the second try of a cancelled question never went out");
}

#[tokio::test]
async fn the_jobs_own_evidence_answers_first_and_offline_nothing_goes_out() {
    let server = Server::plain(0).await;
    let engine = Engine::new(settings(&[&server], 2000)).unwrap();
    let mut given = Evidence::default();
    let nothing = Arc::new(Answer::Dns(DnsAnswer::empty(Outcome::NoSuchName)));
    given.insert(Query::dns(&name("n0.c.x"), Kind::A), LookupId(7), nothing);
    let given = Some(Arc::new(given));
    let told = engine.run_made(1, Job { evidence: given.clone(), ..job() }, vec![chain("c", 2)]).await;
    assert_eq!(told.dns("n0.c.x", Kind::A).outcome, Outcome::NoSuchName);
    assert_eq!((server.count("n0.c.x"), server.count("n1.c.x")), (0, 1));
    let told = engine.run_made(2, Job { evidence: given, offline: true, ..job() }, vec![chain("c", 3)]).await;
    assert!(matches!(&told.dns("n2.c.x", Kind::A).outcome, Outcome::Failed(why) if why.starts_with("offline")));
    assert_eq!(server.log().len(), 1);
    let told = engine.run_made(3, job(), vec![chain("c", 1)]).await;
    assert_eq!(told.dns("n0.c.x", Kind::A).outcome, Outcome::Answer, "a what-if must not enter the cache");
}

#[tokio::test]
async fn sections_keep_their_order_and_the_verdict_follows_them() {
    let server = Server::plain(5).await;
    let engine = Engine::new(settings(&[&server], 2000)).unwrap();
    let told = engine.run_made(1, job(), vec![chain("slow", 3), chain("quick", 1), chain("none", 0)]).await;
    let ids: Vec<_> = told.report.sections.iter().map(|section| section.id).collect();
    assert_eq!(ids, ["slow", "quick", "none"]);
    assert_eq!(told.report.verdict.iter().map(|line| line.answer.as_str()).collect::<Vec<_>>(), ["3", "1", "0"]);
    assert_eq!(told.section("slow").evidence.len(), 3);
    let only = Job { only: vec!["quick".into()], ..job() };
    assert_eq!(engine.run_made(2, only, vec![chain("slow", 3), chain("quick", 1)]).await.report.sections.len(), 1);
}

#[tokio::test]
async fn a_check_that_panics_costs_its_section_and_nothing_else() {
    let server = Server::plain(0).await;
    let engine = Engine::new(settings(&[&server], 2000)).unwrap();
    let broken = check("broken", |seen, _| {
        seen.dns(&name("a.x"), Kind::A)?;
        assert!(crate::engine::panic_is_contained());
        panic!("a test's panic")
    });
    let waits = check("waits", |_, _| Err(Wait::Answers));
    let told = engine.run_made(1, job(), vec![broken, waits, chain("fine", 1)]).await;
    assert_eq!(told.section("broken").state, State::Unknown);
    assert_eq!(told.section("waits").state, State::Unknown);
    assert_eq!(told.section("fine").state, State::Ok);
    assert!(!crate::engine::panic_is_contained());
}

#[tokio::test]
async fn long_work_is_stepped_again_beside_the_answers() {
    static STEPS: AtomicUsize = AtomicUsize::new(0);
    let server = Server::plain(0).await;
    let engine = Engine::new(settings(&[&server], 2000)).unwrap();
    let long = check("long", |seen, memo| {
        let slices = memo.get_or_insert_with(|| 0_u64);
        *slices += 1;
        STEPS.fetch_add(1, Ordering::Relaxed);
        if *slices < 50 {
            return Err(Wait::Again(Progress { done: *slices, of: 50 }));
        }
        let slices = *slices;
        seen.dns(&name("last.x"), Kind::A)?;
        Ok(done("long", slices))
    });
    let told = engine.run_made(1, job(), vec![long, chain("fine", 2)]).await;
    assert_eq!(told.section("long").headline, "51");
    assert_eq!(STEPS.load(Ordering::Relaxed), 51);
}

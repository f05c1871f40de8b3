//! Validation against the demo world's signed chain, and against resolvers that are of no help with it.

use std::time::{Duration, Instant};

use super::server::Server;
use super::{check, done, job, name};
use crate::check::{Answer, DnsAnswer, Dnssec, Kind, Outcome, Query, all};
use crate::config::Settings;
use crate::engine::Engine;
use crate::lab::Lab;

/// What was asked of the demo world's name server over and above the question, and what came of it.
async fn ask(settings: Settings, of: &'static str, kind: Kind) -> (DnsAnswer, Option<String>) {
    let engine = Engine::new(settings).unwrap();
    let question = check("c", move |seen, _| Ok(done("c", seen.validated(&name(of), kind)?.records.len())));
    let told = engine.run_made(1, job(), vec![question]).await;
    let entry = told.evidence.get(&Query::validated(&name(of), kind)).unwrap();
    let line = told.report.lookups[0].clone();
    assert_eq!((line.kind, line.name.as_str(), line.rr_type.as_str()), ("dns", of, kind.as_str()));
    match &*entry.answer {
        Answer::Dns(answer) => {
            assert_eq!(line.dnssec, answer.dnssec.word());
            (answer.clone(), line.detail)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_answer_and_each_absence_is_secure_insecure_or_bogus() {
    let lab = Lab::start().await.unwrap();
    for (of, kind, dnssec, outcome, count) in [
        ("flawless.example", Kind::Mx, Dnssec::Secure, "answer", 2),
        ("flawless.example", Kind::Soa, Dnssec::Secure, "answer", 1),
        ("flawless.example", Kind::Dnskey, Dnssec::Secure, "answer", 1),
        ("flawless.example", Kind::Ds, Dnssec::Secure, "answer", 1),
        ("_25._tcp.mx1.flawless.example", Kind::Tlsa, Dnssec::Secure, "answer", 1),
        ("www.flawless.example", Kind::A, Dnssec::Secure, "answer", 1),
        ("flawless.example", Kind::Tlsa, Dnssec::Secure, "nodata", 0),
        ("www.flawless.example", Kind::Tlsa, Dnssec::Secure, "nodata", 0),
        ("nobody.flawless.example", Kind::A, Dnssec::Secure, "nxdomain", 0),
        ("a.b.nobody.flawless.example", Kind::Tlsa, Dnssec::Secure, "nxdomain", 0),
        ("monsec.example", Kind::Mx, Dnssec::Insecure, "answer", 1),
        ("monsec.example", Kind::Tlsa, Dnssec::Insecure, "nodata", 0),
        ("nobody.monsec.example", Kind::Tlsa, Dnssec::Insecure, "nxdomain", 0),
        ("monsec.example", Kind::Ds, Dnssec::Secure, "nodata", 0),
        ("www.monsec.example", Kind::A, Dnssec::Insecure, "answer", 1),
        ("bogus.example", Kind::Mx, Dnssec::Bogus, "failed", 0),
        ("bogus.example", Kind::Tlsa, Dnssec::Bogus, "failed", 0),
        ("_25._tcp.mx.bogus.example", Kind::Tlsa, Dnssec::Bogus, "failed", 0),
    ] {
        let (answer, detail) = ask(lab.settings(), of, kind).await;
        let found = (answer.dnssec, answer.outcome.word(), answer.records.len());
        assert_eq!(found, (dnssec, outcome, count), "{of} {kind}: {detail:?}");
        assert!(detail.is_some(), "{of} {kind}");
    }
    let (answer, _) = ask(lab.settings(), "bogus.example", Kind::Mx).await;
    assert!(answer.outcome.to_string().contains("has no signature"), "{}", answer.outcome);
}

#[tokio::test]
async fn a_question_that_fails_on_the_way_proves_nothing_against_the_domain() {
    for (of, kind, fault) in [
        ("flawless.example", "DS", "servfail"),
        ("flawless.example", "DS", "timeout"),
        ("flawless.example", "DNSKEY", "servfail"),
        ("flawless.example", "DNSKEY", "refused"),
        ("example", "DNSKEY", "timeout"),
        ("", "DNSKEY", "servfail"),
        ("", "DNSKEY", "timeout"),
        ("flawless.example", "MX", "servfail"),
    ] {
        let lab = Lab::start().await.unwrap();
        lab.set_fault(if of.is_empty() { "." } else { of }, Some(kind), fault).unwrap();
        let settings = Settings { timeout: Duration::from_millis(400), ..lab.settings() };
        let (answer, detail) = ask(settings, "flawless.example", Kind::Mx).await;
        assert_eq!((answer.dnssec, answer.records.len()), (Dnssec::Unknown, 0), "{of} {kind} {fault}: {detail:?}");
        assert!(matches!(answer.look(), crate::check::Look::Unknown(_)), "{of} {kind} {fault}: {answer:?}");
    }
}

#[tokio::test]
async fn a_resolver_without_dnssec_records_is_told_and_nothing_is_bogus() {
    const KEY: &str = ". 300 IN DNSKEY 257 3 15 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let strips = Server::start(|question| match question.asked.kind {
        48 => question.data(&[&[1, 1, 3, 15], [0; 32].as_slice()].concat()).into(),
        15 => question.data(b"\0\x0a\x01a\0").into(),
        _ => question.rcode(0).into(),
    })
    .await;
    let authoritative = Server::start(|question| match question.asked.name.as_str() {
        "a.x" => question.data(b"\0\x0a\x01a\0").into(),
        _ => question.rcode(5).into(),
    })
    .await;
    for server in [&strips, &authoritative] {
        let settings = Settings { trust_anchors: vec![KEY.into()], ..super::settings(&[server], 1000) };
        let (answer, detail) = ask(settings, "a.x", Kind::Mx).await;
        assert_eq!(answer.dnssec, Dnssec::Unknown, "{detail:?}");
        let Outcome::Failed(why) = &answer.outcome else { panic!("{answer:?}") };
        assert!(why.starts_with("your resolver does not pass DNSSEC records"), "{why}");
    }
}

#[tokio::test]
async fn a_trust_anchor_of_another_world_proves_nothing() {
    let lab = Lab::start().await.unwrap();
    let (answer, _) = ask(Settings { trust_anchors: Vec::new(), ..lab.settings() }, "flawless.example", Kind::Mx).await;
    assert_eq!(answer.dnssec, Dnssec::Unknown);
    assert!(answer.outcome.to_string().contains("not those of our trust anchor"), "{}", answer.outcome);
    let elsewhere = lab.trust_anchor().unwrap().replacen('.', "elsewhere.", 1);
    let (answer, _) =
        ask(Settings { trust_anchors: vec![elsewhere], ..lab.settings() }, "flawless.example", Kind::Mx).await;
    assert!(answer.outcome.to_string().contains("no trust anchor"), "{}", answer.outcome);
    let wrong = Settings { trust_anchors: vec!["flawless.example is fine".into()], ..lab.settings() };
    assert!(Engine::new(wrong).is_err(), "a file without a key is told at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validation_takes_two_round_trips_and_many_share_their_chain() {
    const LATENCY: Duration = Duration::from_millis(80);
    let lab = Lab::start().await.unwrap();
    // The zones are signed when they are first asked, which is no part of this.
    for of in ["flawless.example", "monsec.example"] {
        ask(lab.settings(), of, Kind::Mx).await;
    }
    lab.set_latency(LATENCY);
    for (of, trips) in [("flawless.example", 1), ("monsec.example", 2), ("bogus.example", 2)] {
        let begun = Instant::now();
        ask(lab.settings(), of, Kind::Mx).await;
        let took = begun.elapsed();
        assert!(took < LATENCY * (trips + 1), "{of}: {took:?}");
    }
    lab.forget_queries();
    let engine = Engine::new(lab.settings()).unwrap();
    let many = check("many", |seen, _| {
        let hosts = all(["mx1", "mx2"], |host| {
            let tlsa = seen.validated(&name(&format!("_25._tcp.{host}.flawless.example")), Kind::Tlsa);
            let v4 = seen.validated(&name(&format!("{host}.flawless.example")), Kind::A);
            Ok((tlsa?.dnssec, v4?.dnssec))
        })?;
        assert!(hosts.iter().all(|states| *states == (Dnssec::Secure, Dnssec::Secure)), "{hosts:?}");
        Ok(done("many", ""))
    });
    engine.run_made(1, job(), vec![many]).await;
    let asked = lab.query_log();
    // four questions, and the keys of three zones with two delegations
    assert_eq!(asked.len(), 9, "{asked:?}");
    engine.run_made(2, job(), vec![many]).await;
    assert_eq!(lab.query_log().len(), 9, "kept for as long as the TTL says");
    engine.run_made(3, crate::job::Job { fresh: true, ..job() }, vec![many]).await;
    assert_eq!(lab.query_log().len(), 18, "asked anew, keys and all");
}

#[tokio::test]
async fn a_cancelled_validation_asks_no_more() {
    let lab = Lab::start().await.unwrap();
    lab.set_latency(Duration::from_millis(100));
    let engine = Engine::new(lab.settings()).unwrap();
    let question =
        check("c", |seen, _| Ok(done("c", seen.validated(&name("monsec.example"), Kind::Mx)?.records.len())));
    engine.start_made(crate::job::JobId(1), job(), super::made(vec![question]));
    while lab.query_log().is_empty() {
        tokio::task::yield_now().await;
    }
    engine.cancel(crate::job::JobId(1));
    tokio::task::yield_now().await;
    let before = lab.query_log().len();
    let answered = ask(lab.settings(), "flawless.example", Kind::Mx).await;
    assert_eq!(answered.0.dnssec, Dnssec::Secure);
    let ns = lab.query_log().iter().filter(|asked| asked.kind == "NS").count();
    assert_eq!(ns, 0, "the second round of a cancelled validation never went out ({before} questions before)");
}

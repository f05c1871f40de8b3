//! Every way to be lied to, and what it must come to: never absence, never a hang.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::name;
use super::server::{Play, Question, Server, Stream, record, wire_name};
use crate::check::{Dnssec, Kind, Outcome};
use crate::config::Upstream;
use crate::engine::dns::{DnsReply, Servers};
use crate::engine::tls::Trust;

const TRUNCATED: u16 = 0x0200;

fn servers(servers: &[&Server], timeout_ms: u64) -> Servers {
    let upstreams: Vec<Upstream> = servers.iter().map(|server| Upstream::Plain(server.address)).collect();
    Servers::new(&upstreams, Duration::from_millis(timeout_ms), &Arc::new(Trust::new(&[], None).unwrap()))
}

/// The faults of loopdns, by the first label of the name.
fn fault(question: &Question<'_>) -> Play {
    let good = question.data(&[192, 0, 2, 1]);
    let at = 12 + wire_name(&question.asked.name).len() + 4;
    let answer = |rest: Vec<u8>, count: u8| {
        let mut out = question.message(0, &[], &[]);
        out[7] = count;
        out.extend(rest);
        out
    };
    let cut = || Play::from(question.message(TRUNCATED, &[], &[]));
    let over_tcp = |play: Play| if question.asked.tcp { play } else { cut() };
    match question.asked.name.split('.').next().unwrap() {
        "timeout" => Play::default(),
        "servfail" => question.rcode(2).into(),
        "refused" => question.rcode(5).into(),
        "formerr" => question.rcode(1).into(),
        "notimp" => question.rcode(4).into(),
        "rcode" => question.rcode(9).into(),
        "nxdomain" => question.rcode(3).into(),
        "nodata" => question.rcode(0).into(),
        "slow" => Play { delay: Duration::from_millis(60), ..good.into() },
        "truncate" => over_tcp(good.into()),
        "tctimeout" => over_tcp(Play::default()),
        "tcreset" => over_tcp(Play { stream: Stream::Reset, ..good.into() }),
        "cut" => over_tcp(Play { stream: Stream::Cut, ..good.into() }),
        "dribble" => over_tcp(Play { stream: Stream::Dribble, ..good.into() }),
        "malformed" => answer(b"\xff\x3f\x00junk\xc0\xff\x01".to_vec(), 2).into(),
        "short" => good[..5].to_vec().into(),
        "empty" => Vec::new().into(),
        "ptrloop" => answer(record(&[0xc0, u8::try_from(at).unwrap()], 1, 60, &[1, 2, 3, 4]), 1).into(),
        "overrun" => answer(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\x0f\xa0\x09v=spf1".to_vec(), 1).into(),
        "wrongid" => {
            let mut wrong = good;
            wrong[0] ^= 0x55;
            wrong.into()
        }
        "wrongname" => {
            let mut wrong = good;
            wrong[13] ^= 1;
            wrong.into()
        }
        "noquestion" => {
            let mut wrong = good[..12].to_vec();
            wrong[5] = 0;
            wrong.extend(record(&wire_name(&question.asked.name), 1, 60, &[127, 6, 6, 6]));
            wrong.into()
        }
        "spoof" => {
            let mut forged = question.data(&[127, 6, 6, 6]);
            forged[0] ^= 0x12;
            Play { replies: vec![forged, good], ..Play::default() }
        }
        "twice" => Play { replies: vec![good.clone(), good], ..Play::default() },
        "lowercase" => {
            let mut upper = good;
            upper[13..22].make_ascii_uppercase();
            upper.into()
        }
        "wrongport" => Play { other_port: true, ..good.into() },
        "once" if question.before == 0 => Play::default(),
        _ => good.into(),
    }
}

fn kind_of(reply: &DnsReply) -> &'static str {
    reply.answer.outcome.word()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_comes_to_its_own_outcome_and_none_to_absence() {
    let server = Server::start(fault).await;
    let asked = Arc::new(servers(&[&server], 1000));
    let expected = [
        ("plain", "answer", "udp"),
        ("timeout", "timeout", "udp"),
        ("servfail", "servfail", "udp"),
        ("refused", "refused", "udp"),
        ("formerr", "failed", "udp"),
        ("notimp", "failed", "udp"),
        ("rcode", "failed", "udp"),
        ("nxdomain", "nxdomain", "udp"),
        ("nodata", "nodata", "udp"),
        ("slow", "answer", "udp"),
        ("truncate", "answer", "tcp"),
        ("dribble", "answer", "tcp"),
        ("tctimeout", "timeout", ""),
        ("tcreset", "failed", "tcp"),
        ("cut", "failed", "tcp"),
        ("malformed", "malformed", "tcp"),
        ("short", "malformed", "tcp"),
        ("empty", "malformed", "tcp"),
        ("ptrloop", "malformed", "tcp"),
        ("overrun", "malformed", "tcp"),
        ("wrongid", "malformed", "tcp"),
        ("wrongname", "malformed", "tcp"),
        ("noquestion", "malformed", "tcp"),
        ("spoof", "answer", ""),
        ("twice", "answer", "udp"),
        ("lowercase", "answer", "udp"),
        ("wrongport", "timeout", "udp"),
        ("once", "answer", "udp"),
    ];
    let start = Instant::now();
    let replies = futures::future::join_all(expected.map(|(label, ..)| {
        let asked = asked.clone();
        tokio::spawn(async move { asked.ask(&name(&format!("{label}.x")), Kind::A).await })
    }))
    .await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    for ((label, outcome, via), reply) in expected.iter().zip(replies) {
        let reply = reply.unwrap();
        assert_eq!(kind_of(&reply), *outcome, "{label}: {reply:?}");
        assert!(reply.via.starts_with(via), "{label}: {reply:?}");
        let forged = reply.answer.addresses().any(|address| address.to_string() == "127.6.6.6");
        assert!(!forged, "{label}: {reply:?}");
        if matches!(*outcome, "failed" | "malformed") {
            assert!(reply.detail.is_some(), "{label} says why");
        }
    }
}

#[tokio::test]
async fn one_lost_packet_costs_a_fraction_of_the_time() {
    let server = Server::start(fault).await;
    let start = Instant::now();
    let reply = servers(&[&server], 2000).ask(&name("once.x"), Kind::A).await;
    assert_eq!(kind_of(&reply), "answer");
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    assert_eq!(server.count("once.x"), 2);
}

#[tokio::test]
async fn an_answer_to_the_first_try_counts_after_the_second_was_sent() {
    // Only the first try is answered, later than the second goes out.
    let server = Server::start(|question| match question.before {
        0 => Play { delay: Duration::from_millis(250), ..question.data(&[192, 0, 2, 1]).into() },
        _ => Play::default(),
    })
    .await;
    let reply = servers(&[&server], 800).ask(&name("late.x"), Kind::A).await;
    assert_eq!(kind_of(&reply), "answer");
    assert_eq!(server.count("late.x"), 2);
}

#[tokio::test]
async fn a_failing_server_is_passed_over_and_a_silent_one_is_not_asked_first_again() {
    let (bad, good) = (Server::start(fault).await, Server::plain(0).await);
    let both = servers(&[&bad, &good], 1000);
    for label in ["servfail.x", "refused.x", "notimp.x", "malformed.x", "timeout.x"] {
        let reply = both.ask(&name(label), Kind::A).await;
        assert_eq!(kind_of(&reply), "answer", "{label}");
        assert!(reply.via.ends_with(&good.address.to_string()), "{label}: {}", reply.via);
    }
    let start = Instant::now();
    both.ask(&name("timeout.y"), Kind::A).await;
    assert!(start.elapsed() < Duration::from_millis(200), "the silent server was asked first: {:?}", start.elapsed());
}

#[tokio::test]
async fn when_all_fail_the_first_failure_is_told() {
    let (one, two) = (Server::start(fault).await, Server::start(fault).await);
    let reply = servers(&[&one, &two], 300).ask(&name("refused.x"), Kind::A).await;
    assert_eq!((kind_of(&reply), one.count("refused.x"), two.count("refused.x")), ("refused", 1, 1));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told_at_once() {
    let server = Server::plain(0).await;
    let upstream = server.address;
    drop(server);
    tokio::task::yield_now().await;
    let trust = Arc::new(Trust::new(&[], None).unwrap());
    let start = Instant::now();
    let reply =
        Servers::new(&[Upstream::Plain(upstream)], Duration::from_secs(5), &trust).ask(&name("a.x"), Kind::A).await;
    assert!(matches!(&reply.answer.outcome, Outcome::Failed(why) if why.contains("listens")), "{reply:?}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_forged_datagram_does_not_end_a_look_up_when_tcp_is_closed() {
    // A stranger's datagram first, the right one later, and TCP answers with a reset.
    let server = Server::start(|question| {
        let good = question.data(&[192, 0, 2, 1]);
        if question.asked.tcp {
            return Play { stream: Stream::Reset, ..good.into() };
        }
        let mut forged = question.data(&[127, 6, 6, 6]);
        forged[1] ^= 1;
        // Two plays in one: the script is asked again for the second try.
        if question.before == 0 { forged.into() } else { good.into() }
    })
    .await;
    let reply = servers(&[&server], 1000).ask(&name("a.x"), Kind::A).await;
    assert_eq!(kind_of(&reply), "answer", "{reply:?}");
    assert_eq!(reply.answer.addresses().next().unwrap().to_string(), "192.0.2.1");
}

#[tokio::test]
async fn a_server_that_stumbles_over_edns_is_asked_without() {
    let server =
        Server::start(
            |question| {
                if question.edns() { question.rcode(1).into() } else { question.data(&[192, 0, 2, 1]).into() }
            },
        )
        .await;
    assert_eq!(kind_of(&servers(&[&server], 1000).ask(&name("a.x"), Kind::A).await), "answer");
}

#[tokio::test]
async fn a_server_that_drops_edns_in_silence_is_asked_without() {
    let deaf = |question: &Question<'_>| match question.edns() {
        true => Play::default(),
        false => question.data(&[192, 0, 2, 1]).into(),
    };
    let (one, two) = (Server::start(deaf).await, Server::start(deaf).await);
    for servers in [servers(&[&one], 1000), servers(&[&one, &two], 1000)] {
        assert_eq!(kind_of(&servers.ask(&name("a.x"), Kind::A).await), "answer");
    }
    assert_eq!((one.count("a.x"), two.count("a.x")), (4, 1), "each with EDNS first, the first once more without");
}

#[tokio::test]
async fn a_cname_that_leaves_the_servers_zones_is_asked_on_and_never_without_end() {
    let server = Server::start(|question| {
        let name = question.asked.name.as_str();
        let target = match name {
            "start.x" => "middle.y".to_owned(),
            "middle.y" => return question.data(&[192, 0, 2, 7]).into(),
            "gone.x" => "nothing.y".to_owned(),
            "nothing.y" => return question.rcode(3).into(),
            // Without end, and without a circle.
            endless => format!("a{endless}"),
        };
        let alias = record(&[0xc0, 12], 5, 30, &wire_name(&target));
        question.message(0, &[alias], &[]).into()
    })
    .await;
    let asked = servers(&[&server], 1000);
    let found = asked.ask(&name("start.x"), Kind::A).await.answer;
    assert_eq!((found.aliases.len(), found.records.len(), found.ttl), (1, 1, Some(30)));
    assert_eq!(found.records[0].owner, name("middle.y"));
    let gone = asked.ask(&name("gone.x"), Kind::A).await.answer;
    assert_eq!((gone.outcome, gone.aliases.len()), (Outcome::NoSuchName, 1));
    let endless = asked.ask(&name("endless.x"), Kind::A).await.answer;
    assert!(matches!(endless.outcome, Outcome::Failed(_)), "{endless:?}");
    assert!(server.log().len() < 20);
}

#[tokio::test]
async fn the_ad_bit_is_a_claim() {
    let server = Server::start(|question| {
        let flags = if question.asked.name == "signed.x" { 0x20 } else { 0 };
        question.message(flags, &[question.record(&[192, 0, 2, 1])], &[]).into()
    })
    .await;
    let asked = servers(&[&server], 1000);
    assert_eq!(asked.ask(&name("signed.x"), Kind::A).await.answer.dnssec, Dnssec::Claimed);
    assert_eq!(asked.ask(&name("plain.x"), Kind::A).await.answer.dnssec, Dnssec::Unknown);
}

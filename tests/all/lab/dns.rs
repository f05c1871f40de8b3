//! Every record is answered as its zone says; every fault is really on the wire.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use mxray::lab::Lab;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::*;

#[tokio::test]
async fn every_record_is_answered_as_its_zone_says_over_udp_and_tcp() {
    let lab = Lab::start().await.unwrap();
    lab.clear_faults();
    let records = lab.records().unwrap();
    assert!(records.len() > 150, "{}", records.len());
    let mut asked = BTreeSet::new();
    for line in &records {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, kind) = (words[0], words[3]);
        // a delegation is answered by the child, a wildcard by any name below it
        // hickory's client knows no type 99: the binary asks for it in cli::demo
        if kind == "NSEC" || kind == "SPF" || (kind == "NS" && words[4] == "ns.example.") || !asked.insert((name, kind))
        {
            continue;
        }
        let concrete = name.replacen("*.", "any.", 1);
        let rtype = RecordType::from_str(kind).unwrap();
        let want: BTreeSet<&str> = records
            .iter()
            .filter(|line| line.starts_with(&format!("{name} ")) && line.split_whitespace().nth(3) == Some(kind))
            .map(|line| line.split_once(&format!(" {kind} ")).unwrap().1)
            .collect();
        for (transport, answer) in
            [("udp", udp(&lab, &concrete, rtype).await), ("tcp", tcp(&lab, &concrete, rtype).await)]
        {
            let got: Vec<String> = answer.answers.iter().map(|record| record.data.to_string()).collect();
            assert_eq!(got.iter().map(String::as_str).collect::<BTreeSet<_>>(), want, "{transport} {name} {kind}");
            assert_eq!(answer.metadata.response_code, ResponseCode::NoError, "{transport} {name} {kind}");
            assert!(answer.metadata.recursion_available && !answer.metadata.authoritative);
        }
    }
    println!("{} records, {} questions asked twice", records.len(), asked.len());
}

#[tokio::test]
async fn names_outside_do_not_exist_and_are_never_refused() {
    let lab = Lab::start().await.unwrap();
    for name in [
        "nothing.example",
        "_dmarc.example",
        "_dmarc.com",
        "gmail.com",
        "a.b.c.test",
        "1.2.0.192.in-addr.arpa",
        "1.1.1.1.in-addr.arpa",
        "_dmarc.nothing.monsec.example",
    ] {
        let answer = udp(&lab, name, RecordType::TXT).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain, "{name}");
        assert!(matches!(answer.authorities.first().map(|soa| &soa.data), Some(RData::SOA(_))), "{name} has no SOA");
    }
    // names without records between names with records exist (RFC 8020)
    let empty = udp(&lab, "_tls.monsec.example", RecordType::TXT).await;
    assert_eq!((empty.metadata.response_code, empty.answers.len()), (ResponseCode::NoError, 0));
}

#[tokio::test]
async fn aliases_are_followed_and_wildcards_do_not_shadow_what_exists() {
    let lab = Lab::start().await.unwrap();
    let www = udp(&lab, "www.monsec.example", RecordType::A).await;
    let kinds: Vec<RecordType> = www.answers.iter().map(|record| record.record_type()).collect();
    assert_eq!(kinds, [RecordType::CNAME, RecordType::A]);
    let delegated = udp(&lab, "k1.customers.mailer.example", RecordType::TXT).await;
    assert!(texts(&delegated)[0].starts_with("v=DKIM1; k=rsa; t=s; p="));
    assert_eq!(texts(&udp(&lab, "s9._domainkey.parked.example", RecordType::TXT).await), ["v=DKIM1; p="]);
    assert_eq!(udp(&lab, "parked.example", RecordType::AAAA).await.answers.len(), 0);
}

#[tokio::test]
async fn each_fault_of_the_broken_domain_is_really_on_the_wire() {
    let lab = Lab::start().await.unwrap();
    let rcode = |message: Message| message.metadata.response_code;
    assert_eq!(rcode(udp(&lab, "servfail.broken.example", RecordType::TXT).await), ResponseCode::ServFail);
    assert_eq!(rcode(tcp(&lab, "mx.refused.broken.example", RecordType::A).await), ResponseCode::Refused);
    let cut = udp(&lab, "long.broken.example", RecordType::TXT).await;
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    assert_eq!(texts(&tcp(&lab, "long.broken.example", RecordType::TXT).await), ["v=spf1 ip4:192.0.2.204 -all"]);
    let lie = udp(&lab, "lying.broken.example", RecordType::TXT).await;
    assert_eq!(lie.queries[0].name().to_string(), "elsewhere.example.");
    let junk = raw_udp(lab.address(), &question("garbled.broken.example", RecordType::TXT, false)).await;
    assert!(Message::from_vec(&junk).is_err());
    let begun = Instant::now();
    udp(&lab, "slow.broken.example", RecordType::A).await;
    assert!(begun.elapsed() >= Duration::from_millis(390));
}

/// The rest of loopdns's words, each seen as bytes.
#[tokio::test]
async fn a_lying_server_writes_what_no_library_would() {
    let lab = Lab::start().await.unwrap();
    let ask = question("monsec.example", RecordType::A, false);
    let id = ask.metadata.id.to_be_bytes();
    let fault = |text: &str| lab.set_fault("monsec.example", None, text).unwrap();

    fault("short");
    assert_eq!(raw_udp(lab.address(), &ask).await.len(), 5);
    fault("empty");
    assert_eq!(raw_udp(lab.address(), &ask).await.len(), 0);
    for unreadable in ["malformed", "ptrloop", "overrun"] {
        fault(unreadable);
        assert!(Message::from_vec(&raw_udp(lab.address(), &ask).await).is_err(), "{unreadable}");
    }
    fault("wrongid");
    assert_ne!(raw_udp(lab.address(), &ask).await[..2], id);
    fault("spoof");
    assert_ne!(raw_udp(lab.address(), &ask).await[..2], id, "the forged answer comes first");
    fault("noquestion");
    assert_eq!(raw_udp(lab.address(), &ask).await[4..6], [0, 0]);
    for (absence, rcode) in [("nxdomain", ResponseCode::NXDomain), ("nodata", ResponseCode::NoError)] {
        fault(absence);
        let answer = udp(&lab, "monsec.example", RecordType::A).await;
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (rcode, 0));
        assert!(matches!(answer.authorities[0].data, RData::SOA(_)), "{absence} without an SOA cannot be kept");
    }
    lab.clear_faults();
    let mixed = question("MoNsEc.ExAmPlE", RecordType::A, false);
    let echo = |bytes: Vec<u8>| Message::from_vec(&bytes).unwrap().queries[0].name().to_string();
    assert_eq!(
        echo(raw_udp(lab.address(), &mixed).await),
        "MoNsEc.ExAmPlE.",
        "the letters come back as they were sent"
    );
    fault("lowercase");
    assert_eq!(echo(raw_udp(lab.address(), &mixed).await), "monsec.example.");
    for whole in ["dribble", "twice", "lowercase", "truncate"] {
        fault(whole);
        assert_eq!(tcp(&lab, "monsec.example", RecordType::A).await.answers.len(), 1, "{whole}");
    }
    for (broken, cut) in [("truncate,cut", true), ("tcreset", false)] {
        fault(broken);
        assert!(udp(&lab, "monsec.example", RecordType::A).await.metadata.truncation, "{broken}");
        let mut stream = TcpStream::connect(lab.address()).await.unwrap();
        let bytes = ask.to_vec().unwrap();
        stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut all = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("stays open").unwrap();
        let said = all.get(..2).map(|length| usize::from(u16::from_be_bytes([length[0], length[1]])));
        assert_eq!(said.is_some_and(|said| said > all.len() - 2), cut, "{broken}");
    }
    // without an answer, the next one on the same socket is the first to come
    fault("timeout x1");
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(lab.address()).await.unwrap();
    for _ in 0..2 {
        socket.send(&ask.to_vec().unwrap()).await.unwrap();
    }
    let mut buffer = [0; 512];
    tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("the second is answered").unwrap();
    assert!(socket.try_recv(&mut buffer).is_err());
    // from another port, a connected socket never hears it
    lab.clear_faults();
    lab.set_fault("monsec.example", Some("A"), "wrongport").unwrap();
    socket.send(&ask.to_vec().unwrap()).await.unwrap();
    socket.send(&question("monsec.example", RecordType::MX, false).to_vec().unwrap()).await.unwrap();
    let length = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    let heard = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(heard.queries[0].query_type(), RecordType::MX);
}

#[tokio::test]
async fn latency_faults_and_the_query_log_are_the_tests_to_set() {
    let lab = Lab::start().await.unwrap();
    lab.set_latency(Duration::from_millis(30));
    let begun = Instant::now();
    let (a, b) = tokio::join!(udp(&lab, "monsec.example", RecordType::A), udp(&lab, "monsec.example", RecordType::MX));
    assert!(begun.elapsed() >= Duration::from_millis(30));
    assert_eq!((a.answers.len(), b.answers.len()), (1, 1));
    assert_eq!(lab.most_at_once(), 2);
    let mut log: Vec<String> =
        lab.query_log().into_iter().map(|q| format!("{} {} {}", q.name, q.kind, q.transport)).collect();
    log.sort();
    assert_eq!(log, ["monsec.example A udp", "monsec.example MX udp"]);
    lab.forget_queries();
    lab.set_latency(Duration::ZERO);
    lab.set_fault("monsec.example", Some("TXT"), "servfail x1").unwrap();
    let first = udp(&lab, "monsec.example", RecordType::TXT).await;
    assert_eq!(first.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(udp(&lab, "monsec.example", RecordType::TXT).await.answers.len(), 1);
    assert_eq!(lab.query_log().len(), 2);
    assert!(lab.set_fault("monsec.example", None, "sulk").is_err());
}

#[tokio::test]
async fn it_starts_before_anybody_notices() {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        drop(Lab::start().await.unwrap());
        best = best.min(begun.elapsed());
    }
    println!("the demo world starts in {best:?}");
    // A debug build that shares its cores with other tests; a release build on a quiet machine takes a few milliseconds.
    let most = if std::env::var_os("MXRAY_STRICT").is_some() { 50 } else { 250 };
    assert!(best < Duration::from_millis(most), "{best:?}");
}

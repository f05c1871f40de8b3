//! The demo world: every zone answers as it is written, over UDP and TCP; nothing is refused; its policies are served
//! under its own authority; its mail servers speak.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use mxray::lab::Lab;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UdpSocket};

const PATIENCE: Duration = Duration::from_secs(5);

fn question(name: &str, kind: RecordType, signed: bool) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).unwrap(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(signed);
    message.set_edns(edns);
    message
}

async fn raw_udp(server: SocketAddr, message: &Message) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(&message.to_vec().unwrap()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("no answer").unwrap();
    buffer.truncate(length);
    buffer
}

async fn udp(lab: &Lab, name: &str, kind: RecordType) -> Message {
    Message::from_vec(&raw_udp(lab.address(), &question(name, kind, false)).await).unwrap()
}

async fn tcp(lab: &Lab, name: &str, kind: RecordType) -> Message {
    let mut stream = TcpStream::connect(lab.address()).await.unwrap();
    let bytes = question(name, kind, false).to_vec().unwrap();
    stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let length = tokio::time::timeout(PATIENCE, stream.read_u16()).await.expect("no answer").unwrap();
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await.unwrap();
    Message::from_vec(&answer).unwrap()
}

fn texts(message: &Message) -> Vec<String> {
    let mut all: Vec<String> = message
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        })
        .collect();
    all.sort();
    all
}

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
        if kind == "NSEC" || (kind == "NS" && words[4] == "ns.example.") || !asked.insert((name, kind)) {
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
    assert!(best < Duration::from_millis(50), "{best:?}");
}

#[test]
fn every_file_under_zones_is_in_the_world() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let served: BTreeSet<String> =
        runtime.block_on(async { Lab::start().await.unwrap().zones() }).into_iter().collect();
    let written: BTreeSet<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/zones"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".zone", "").replace("root", ""))
        .collect();
    assert_eq!(served, written);
}

#[tokio::test]
async fn every_address_of_the_world_is_this_process() {
    let lab = Lab::start().await.unwrap();
    let rules = lab.settings().connect_to;
    let there = |host: &str, port: u16| rules.iter().find(|rule| rule.matches(host, port)).unwrap().clone();
    let mut hosts = 0;
    for line in lab.records().unwrap() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if ["A", "AAAA", "CNAME"].contains(&words[3]) {
            let rule = there(words[0].trim_end_matches('.'), 443);
            assert_eq!(rule.to_host.as_deref(), Some("127.0.0.1"), "{line}");
            hosts += 1;
        }
    }
    assert!(hosts > 100, "{hosts}");
    // a policy host without an address stays what it is: unresolvable
    assert_eq!(there("mta-sts.nowhere.broken.example", 443).to_host, None);
    for port in [25, 80, 8443] {
        assert_eq!(there("192.0.2.1", port).to_host.as_deref(), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn every_target_exists() {
    let lab = Lab::start().await.unwrap();
    lab.clear_faults();
    for target in Lab::targets() {
        let answer = udp(&lab, target.domain, RecordType::SOA).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError, "{}", target.domain);
        assert!(target.about.len() < 100 && !target.about.ends_with('.'), "{}", target.about);
    }
}

/// The records of the mission, real names and demo names side by side.
#[tokio::test]
async fn the_missions_zone_and_its_demo_twin_agree_record_by_record() {
    let lab = Lab::start().await.unwrap();
    let text = include_str!("../../assets/demo/monsec.io.json");
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    let demo = |text: &str| text.replace("monsec.io", "monsec.example").replace("google.com", "google.example");
    let mut names = BTreeSet::new();
    for (name, records) in document["records"].as_object().unwrap() {
        names.insert(format!("{}.", demo(name)));
        for (kind, value) in records.as_object().unwrap() {
            let answer = udp(&lab, &demo(name), RecordType::from_str(kind).unwrap()).await;
            let got = match kind.as_str() {
                "TXT" => texts(&answer).join("|"),
                _ => answer.answers[0].data.to_string().trim_end_matches('.').to_owned(),
            };
            assert_eq!(got, demo(value.as_str().unwrap()), "{name} {kind}");
            assert_eq!(answer.answers.len(), 1, "{name} {kind}");
        }
    }
    for line in lab.records().unwrap() {
        let name = line.split_whitespace().next().unwrap();
        let kind = line.split_whitespace().nth(3).unwrap();
        let infrastructure = ["SOA", "NS", "NSEC", "DNSKEY", "DS"].contains(&kind);
        if name.ends_with("monsec.example.") && !infrastructure {
            assert!(names.contains(name), "{line} is not in monsec.io.json");
        }
    }
}

/// A TLS stream to where the lab's rules send `host:port`.
async fn plain_to(lab: &Lab, host: &str, port: u16) -> std::io::Result<TcpStream> {
    let rules = lab.settings().connect_to;
    let rule = rules.iter().find(|rule| rule.matches(host, port)).expect("a rule for every host");
    TcpStream::connect((rule.to_host.as_deref().unwrap(), rule.to_port.unwrap())).await
}

fn connector(lab: &Lab) -> tokio_rustls::TlsConnector {
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    for pem in lab.settings().extra_roots {
        for certificate in rustls_pki_types::CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.unwrap()).unwrap();
        }
    }
    assert_eq!(roots.len(), 1);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

async fn get(lab: &Lab, host: &str) -> std::io::Result<String> {
    let stream = plain_to(lab, host, 443).await?;
    let name = rustls_pki_types::ServerName::try_from(host.to_owned()).unwrap();
    let mut stream = connector(lab).connect(name, stream).await?;
    let request = format!("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("no end")?;
    Ok(text)
}

#[tokio::test]
async fn the_policy_host_serves_each_page_under_the_worlds_authority() {
    let lab = Lab::start().await.unwrap();
    let policy = get(&lab, "mta-sts.monsec.example").await.unwrap();
    let (head, body) = policy.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"), "{head}");
    assert_eq!(
        body,
        "version: STSv1\r\nmode: testing\r\nmx: aspmx.l.google.example\r\nmx: aspmx2.googlemail.example\r\nmx: \
         aspmx3.googlemail.example\r\nmx: alt1.aspmx.l.google.example\r\nmx: alt2.aspmx.l.google.example\r\nmax_age: \
         604800\r\n"
    );
    for (host, start) in [
        ("mta-sts.html.broken.example", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"),
        ("mta-sts.missing.broken.example", "HTTP/1.1 404 "),
        ("mta-sts.moved.broken.example", "HTTP/1.1 302 Found\r\nContent-Type: text/plain\r\nLocation: https://www."),
    ] {
        let text = get(&lab, host).await.unwrap();
        assert!(text.starts_with(start), "{host}: {text}");
    }
    assert!(get(&lab, "mta-sts.big.broken.example").await.unwrap().len() > 128 * 1024);
}

#[tokio::test]
async fn bad_certificates_are_bad_each_in_its_own_way() {
    let lab = Lab::start().await.unwrap();
    for (host, why) in [
        ("mta-sts.old.neglected.example", "Expired"),
        ("mta-sts.wrongname.broken.example", "NotValidForName"),
        ("mta-sts.stranger.broken.example", "UnknownIssuer"),
        ("mta-sts.selfsigned.broken.example", "UnknownIssuer"),
        ("www.acme-bank.example", "AccessDenied"),
    ] {
        let error = get(&lab, host).await.expect_err(host).get_ref().map(|why| format!("{why:?}")).unwrap_or_default();
        assert!(error.contains(why), "{host}: {error}");
    }
}

async fn line(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> String {
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await.expect("no line").unwrap();
    line.trim_end().to_owned()
}

async fn reply(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = line(stream).await;
        let more = line.get(3..4) == Some("-");
        lines.push(line);
        if !more {
            return lines;
        }
    }
}

#[tokio::test]
async fn a_good_mail_server_talks_before_and_after_starttls() {
    let lab = Lab::start().await.unwrap();
    let mut plain = BufReader::new(plain_to(&lab, "mx1.flawless.example", 25).await.unwrap());
    assert_eq!(reply(&mut plain).await, ["220 mx1.flawless.example ESMTP ready"]);
    plain.write_all(b"EHLO laptop.example\r\n").await.unwrap();
    let before = reply(&mut plain).await;
    assert!(before.iter().any(|line| line.ends_with("STARTTLS")) && !before.iter().any(|line| line.contains("AUTH")));
    plain.write_all(b"STARTTLS\r\n").await.unwrap();
    assert_eq!(reply(&mut plain).await, ["220 2.0.0 ready to start TLS"]);
    let name = rustls_pki_types::ServerName::try_from("mx1.flawless.example").unwrap();
    let mut secure = BufReader::new(connector(&lab).connect(name, plain.into_inner()).await.unwrap());
    secure.write_all(b"EHLO laptop.example\r\n").await.unwrap();
    let after = reply(&mut secure).await;
    assert!(after.iter().any(|line| line.contains("AUTH")) && !after.iter().any(|line| line.contains("STARTTLS")));
    for (said, code) in [
        ("RCPT TO:<a@flawless.example>", "503"),
        ("MAIL FROM:<>", "250"),
        ("RCPT TO:<a@flawless.example>", "250"),
        ("DATA", "354"),
        ("Subject: hello\r\n\r\nhello\r\n.", "250"),
        ("AUTH PLAIN AGEAYg==", "535"),
        ("QUIT", "221"),
    ] {
        secure.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
        let lines = reply(&mut secure).await;
        assert!(lines[0].starts_with(code), "{said}: {lines:?}");
    }
}

#[tokio::test]
async fn mail_servers_do_what_their_names_say() {
    let lab = Lab::start().await.unwrap();
    for (host, first, said, answer) in [
        ("mx.nostarttls.servers.example", "220 ", "STARTTLS", "502 "),
        ("mx.tls454.servers.example", "220 ", "STARTTLS", "454 "),
        ("mx.busy.servers.example", "421 ", "", ""),
        ("mx.blocked.servers.example", "554 ", "", ""),
        ("mx.garbage.servers.example", "HTTP/1.1 400 Bad Request", "", ""),
        ("mx.slow.servers.example", "220 ", "NOOP", "250 "),
    ] {
        let mut stream = BufReader::new(plain_to(&lab, host, 25).await.unwrap());
        let greeting = reply(&mut stream).await;
        assert!(greeting[0].starts_with(first), "{host}: {greeting:?}");
        if !said.is_empty() {
            stream.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
            let lines = reply(&mut stream).await;
            assert!(lines[0].starts_with(answer), "{host}: {lines:?}");
        }
    }
    // these never end, or end without a word
    for host in ["mx.endless.servers.example", "mx.endlessline.servers.example"] {
        let mut stream = plain_to(&lab, host, 25).await.unwrap();
        let mut much = vec![0; 4 * 1024 * 1024];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut much)).await.expect("it stops").unwrap();
        assert_eq!(much.iter().filter(|byte| **byte == b'\n').count() == 0, host.contains("line."), "{host}");
    }
    let mut stream = BufReader::new(plain_to(&lab, "mx.hangsup.servers.example", 25).await.unwrap());
    assert!(reply(&mut stream).await[0].starts_with("220 "));
    stream.write_all(b"EHLO laptop.example\r\n").await.unwrap();
    assert_eq!(stream.read_line(&mut String::new()).await.unwrap(), 0);
    assert!(plain_to(&lab, "mx.closed.servers.example", 25).await.is_err());
    assert!(plain_to(&lab, "smtp.elsewhere.example", 25).await.is_err(), "nothing leaves the machine");
}

#[tokio::test]
async fn each_mail_exchanger_has_an_address_and_a_server() {
    let lab = Lab::start().await.unwrap();
    lab.clear_faults();
    let rules = lab.settings().connect_to;
    let mut exchangers = BTreeSet::new();
    for line in lab.records().unwrap() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[3] == "MX" && words[5] != "." {
            exchangers.insert(words[5].trim_end_matches('.').to_owned());
        }
    }
    assert!(exchangers.len() > 35, "{exchangers:?}");
    for host in exchangers {
        assert!(!udp(&lab, &host, RecordType::A).await.answers.is_empty(), "{host} has no address");
        let rule = rules.iter().find(|rule| rule.host.as_deref() == Some(&*host) && rule.port == Some(25));
        assert!(rule.is_some(), "{host} is not in smtp.toml");
    }
}

#[tokio::test]
async fn the_signed_chain_validates_from_the_trust_anchor() {
    use hickory_proto::dnssec::{Proof, TrustAnchors};
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;

    let lab = Lab::start().await.unwrap();
    let anchors: TrustAnchors = lab.trust_anchor().unwrap().parse().unwrap();
    let mut connection = ConnectionConfig::new(ProtocolConfig::Udp);
    connection.port = lab.address().port();
    let server = NameServerConfig::new(lab.address().ip(), true, vec![connection]);
    let mut tcp = ConnectionConfig::new(ProtocolConfig::Tcp);
    tcp.port = lab.address().port();
    let config = ResolverConfig::from_parts(None, vec![], vec![server]);
    let mut builder = hickory_resolver::TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_trust_anchor(Arc::new(anchors));
    builder.options_mut().timeout = Duration::from_secs(2);
    let resolver = builder.build().unwrap();
    for (name, kind, proof) in [
        ("flawless.example.", RecordType::MX, Proof::Secure),
        ("_25._tcp.mx1.flawless.example.", RecordType::TLSA, Proof::Secure),
        ("_25._tcp.mx.dane.servers.example.", RecordType::TLSA, Proof::Secure),
        ("monsec.example.", RecordType::MX, Proof::Insecure),
        ("_spf.google.example.", RecordType::TXT, Proof::Insecure),
    ] {
        let lookup = resolver.lookup(name, kind).await.unwrap_or_else(|why| panic!("{name} {kind}: {why}"));
        let record = lookup.answers().iter().find(|record| record.record_type() == kind).unwrap();
        assert_eq!(record.proof, proof, "{name} {kind}");
    }
    for (name, secure) in [("flawless.example", true), ("monsec.example", false), ("bogus.example", false)] {
        let mut ask = question(name, RecordType::MX, false);
        let said = async |ask: &Message| Message::from_vec(&raw_udp(lab.address(), ask).await).unwrap().metadata;
        assert!(!said(&ask).await.authentic_data, "{name}: nobody asked");
        ask.metadata.authentic_data = true;
        assert_eq!(said(&ask).await.authentic_data, secure, "{name}");
    }
    let forged = resolver.lookup("bogus.example.", RecordType::MX).await.unwrap_err();
    assert!(format!("{forged:?}").contains("DnssecBogus"), "{forged:?}");
    // a secure "there is none" needs proofs too
    for (name, kind) in
        [("_25._tcp.mx.expired.servers.example.", RecordType::TLSA), ("mx1.flawless.example.", RecordType::MX)]
    {
        let error = resolver.lookup(name, kind).await.unwrap_err();
        assert!(error.to_string().contains("no record"), "{name}: {error}");
    }
}

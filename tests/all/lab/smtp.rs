//! The mail servers, each with its own way.

use std::collections::BTreeSet;

use hickory_proto::rr::RecordType;
use mxray::lab::Lab;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::*;

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

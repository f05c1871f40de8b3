//! A server that resets or half-closes the connection at each stage of a dialogue with a message: whatever it does, the dialogue
//! ends at once, says in words how, keeps what was said before, and the verdict claims no more than is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mxray::check::{Transcript, TranscriptEvent};
use mxray::config::{ConnectTo, Settings, Upstream};
use mxray::job::{Job, JobEvent, SmtpPlan, Task};
use mxray::report::Report;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const HOST: &str = "mx.good.servers.example";

/// Where the server stops being a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    BeforeBanner,
    InBanner,
    AtEhlo,
    InEhlo,
    AtStartTls,
    AfterStartTls,
    InHandshake,
    AtEhloInside,
    InEhloInside,
    AtMail,
    AtRcpt,
    AtData,
    InMessage,
    AfterMessage,
    AtQuit,
}

/// How it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Reset,
    HalfClose,
}

/// Stops on a plain socket.
async fn stop(mut socket: TcpStream, how: End) {
    match how {
        End::Reset => {
            // A close that throws away what was not sent: the other side sees a reset.
            socket.set_zero_linger().unwrap();
        }
        End::HalfClose => {
            let _ = socket.shutdown().await;
            // It still listens, until the other side has had enough.
            let _ = tokio::time::timeout(Duration::from_secs(5), socket.read(&mut [0; 1024])).await;
        }
    }
}

/// Speaks until the stage comes; false when the client was gone before.
async fn speak(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), inside: bool, until: Stage) -> bool {
    let mut socket = BufReader::new(socket);
    let mut line = String::new();
    let mut in_message = false;
    loop {
        line.clear();
        if !socket.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            return false;
        }
        if in_message {
            if until == Stage::InMessage {
                return true;
            }
            if line == ".\r\n" {
                if until == Stage::AfterMessage {
                    return true;
                }
                in_message = false;
                let _ = socket.write_all(b"250 2.0.0 taken\r\n").await;
            }
            continue;
        }
        let (at, reply, half): (Stage, &str, &str) = match line.get(..4).unwrap_or("") {
            "EHLO" if inside => (Stage::AtEhloInside, "250-x\r\n250 HELP\r\n", "250-x\r\n250-HE"),
            "EHLO" => (Stage::AtEhlo, "250-x\r\n250 STARTTLS\r\n", "250-x\r\n250-STAR"),
            "STAR" => (Stage::AtStartTls, "220 go\r\n", ""),
            "MAIL" => (Stage::AtMail, "250 ok\r\n", ""),
            "RCPT" => (Stage::AtRcpt, "250 ok\r\n", ""),
            "DATA" => (Stage::AtData, "354 go\r\n", ""),
            _ => (Stage::AtQuit, "221 bye\r\n", ""),
        };
        if at == until {
            return true;
        }
        let halves = [(Stage::InEhlo, Stage::AtEhlo), (Stage::InEhloInside, Stage::AtEhloInside)];
        if halves.contains(&(until, at)) {
            let _ = socket.write_all(half.as_bytes()).await;
            let _ = socket.flush().await;
            return true;
        }
        let _ = socket.write_all(reply.as_bytes()).await;
        let _ = socket.flush().await;
        in_message = at == Stage::AtData;
        if at == Stage::AtStartTls {
            return true;
        }
    }
}

/// The certificate of a host of the demo world.
pub fn acceptor() -> tokio_rustls::TlsAcceptor {
    let bundle = include_str!("../../assets/demo/tls.pem");
    let entry = bundle.split("\n# ").find(|entry| entry.starts_with(HOST)).unwrap();
    let chain = CertificateDer::pem_slice_iter(entry.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(entry.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    Arc::new(config).into()
}

async fn serve(mut socket: TcpStream, until: Stage, how: End) {
    let _ = socket.set_nodelay(true);
    match until {
        Stage::BeforeBanner => return stop(socket, how).await,
        Stage::InBanner => {
            let _ = socket.write_all(b"220-half a gree").await;
            // What was written must have arrived before a reset throws it away.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return stop(socket, how).await;
        }
        _ => {
            let _ = socket.write_all(b"220 hi\r\n").await;
        }
    }
    if !speak(&mut socket, false, until).await {
        return;
    }
    if matches!(until, Stage::AtEhlo | Stage::InEhlo | Stage::AtStartTls | Stage::AfterStartTls) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        return stop(socket, how).await;
    }
    if until == Stage::InHandshake {
        let _ = socket.read(&mut [0; 1024]).await;
        // The first bytes of a ServerHello record, and no more.
        let _ = socket.write_all(b"\x16\x03\x03\x00\x7a\x02\x00").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        return stop(socket, how).await;
    }
    let Ok(mut inside) = acceptor().accept(socket).await else { return };
    if !speak(&mut inside, true, until).await {
        return;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    stop(inside.into_inner().0, how).await;
}

async fn meet(until: Stage, how: End) -> (Report, Transcript, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, until, how));
        }
    });
    let settings = Settings {
        upstreams: vec![Upstream::Plain("127.0.0.1:9".parse().unwrap())],
        connect_to: vec![ConnectTo { host: None, port: None, to_host: Some("127.0.0.1".into()), to_port: Some(port) }],
        extra_roots: vec![mxray::lab::Lab::authority().as_bytes().to_vec()],
        timeout: Duration::from_millis(500),
        ..Settings::default()
    };
    let engine = crate::job::engine(settings);
    let plan = SmtpPlan {
        mail_from: Some("a@b.example".into()),
        rcpt_to: vec!["c@d.example".into()],
        data: Some(b"Subject: x\r\n\r\nhi\r\n".as_slice().into()),
        ..SmtpPlan::default()
    };
    let started = Instant::now();
    let mut transcript = Transcript::default();
    let job = Job::new(Task::Smtp { target: format!("{HOST}:25"), plan });
    let report = crate::job::watch(&engine, job, |event| {
        if let JobEvent::Dialogue(_, said) = event {
            transcript = (*said).clone();
        }
    })
    .await;
    server.abort();
    ((*report).clone(), transcript, started.elapsed())
}

#[tokio::test]
async fn a_reset_or_a_half_close_at_any_stage_is_said_and_judged() {
    // stage, what the plain sender does, words of its verdict
    let table: [(Stage, &str, &str); 15] = [
        (Stage::BeforeBanner, "deferred", "before its greeting"),
        (Stage::InBanner, "deferred", "in its greeting"),
        (Stage::AtEhlo, "deferred", "at EHLO"),
        (Stage::InEhlo, "deferred", "at EHLO"),
        (Stage::AtStartTls, "deferred", "at STARTTLS"),
        (Stage::AfterStartTls, "delivered-in-clear", "the TLS handshake fails"),
        (Stage::InHandshake, "delivered-in-clear", "the TLS handshake fails"),
        (Stage::AtEhloInside, "deferred", "at EHLO"),
        (Stage::InEhloInside, "deferred", "at EHLO"),
        (Stage::AtMail, "deferred", "at MAIL FROM"),
        (Stage::AtRcpt, "deferred", "at RCPT TO"),
        (Stage::AtData, "deferred", "at DATA"),
        (Stage::InMessage, "deferred", "after the message"),
        (
            Stage::AfterMessage,
            "deferred",
            "after the message, so that a sender sends it again, and it may arrive twice",
        ),
        (Stage::AtQuit, "delivered", "encrypted"),
    ];
    let mut wrong = Vec::new();
    for (stage, delivery, words) in table {
        for how in [End::Reset, End::HalfClose] {
            let (report, transcript, took) = meet(stage, how).await;
            let transport = report.sections.iter().find(|section| section.id == "transport").unwrap();
            let plain = &transport.facts["hosts"][0]["delivery"]["plain"];
            let answer = &report.verdict[0].answer;
            let ended = transcript.entries.iter().rev().find_map(|entry| match &entry.event {
                TranscriptEvent::Closed { by_server: true, reset } => Some(format!("closed, reset {reset}")),
                TranscriptEvent::TlsFailed(_, why) => Some(why.clone()),
                _ => None,
            });
            let said = match (how, stage) {
                (_, Stage::AfterStartTls | Stage::InHandshake) => ended.is_some(),
                (End::Reset, _) => ended.as_deref() == Some("closed, reset true"),
                (End::HalfClose, _) => ended.as_deref() == Some("closed, reset false"),
            };
            let judged = plain == delivery && answer.contains(words);
            let ids: Vec<&str> = report.sections.iter().flat_map(|s| &s.findings).map(|finding| finding.id).collect();
            let expected = match stage {
                Stage::AtQuit => None,
                Stage::AfterStartTls | Stage::InHandshake => Some("tls.handshake-failed"),
                _ => Some("smtp.hung-up"),
            };
            let told =
                expected.is_none_or(|id| ids.contains(&id)) && (expected.is_some() || !ids.contains(&"smtp.hung-up"));
            if !(said && judged && told && transcript.finished && took < Duration::from_secs(4)) {
                wrong.push(format!("{stage:?} {how:?}: {plain} {answer:?}, {ended:?}, {ids:?}, {took:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

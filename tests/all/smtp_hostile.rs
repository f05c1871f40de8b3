//! Mail servers that mean harm: endless banners, lines and replies, bytes one by one, NULs and escapes, garbage for TLS,
//! silence and resets at each stage. Whatever they do, a dialogue ends within its bounds and says what happened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mxray::check::{Transcript, TranscriptEvent};
use mxray::config::{Settings, Upstream};
use mxray::job::{Job, JobEvent, SmtpPlan, Task};
use mxray::report::Report;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a hostile server does once somebody is connected.
type Script = fn(TcpStream) -> futures::future::BoxFuture<'static, ()>;

/// Speaks with a server that runs `script`; the report, the transcript, and how long it took.
async fn meet(script: Script, plan: SmtpPlan) -> (Arc<Report>, Transcript, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(script(socket));
        }
    });
    let settings = Settings {
        upstreams: vec![Upstream::Plain("127.0.0.1:9".parse().unwrap())],
        timeout: Duration::from_millis(150),
        ..Settings::default()
    };
    let engine = crate::job::engine(settings);
    let started = Instant::now();
    let mut transcript = Transcript::default();
    let job = Job::new(Task::Smtp { target: address.to_string(), plan });
    let report = crate::job::watch(&engine, job, |event| {
        if let JobEvent::Dialogue(_, said) = event {
            transcript = (*said).clone();
        }
    })
    .await;
    server.abort();
    assert!(transcript.finished);
    let kept: usize = transcript
        .entries
        .iter()
        .map(|entry| match &entry.event {
            TranscriptEvent::Received { line, .. } => line.len(),
            _ => 0,
        })
        .sum();
    assert!(kept < 6 << 20 && transcript.entries.len() <= 1100, "memory stays flat: {kept} bytes");
    (report, transcript, started.elapsed())
}

async fn look(script: Script) -> (Arc<Report>, Transcript) {
    let (report, transcript, _) = meet(script, SmtpPlan::default()).await;
    (report, transcript)
}

fn ids(report: &Report) -> Vec<&'static str> {
    report.sections.iter().flat_map(|section| &section.findings).map(|finding| finding.id).collect()
}

/// Answers each line by the server's table until QUIT.
async fn answer(socket: TcpStream, banner: &[u8], ehlo: &[u8], starttls: &[u8]) -> TcpStream {
    let mut socket = BufReader::new(socket);
    let _ = socket.write_all(banner).await;
    let mut line = String::new();
    while socket.read_line(&mut line).await.is_ok_and(|n| n > 0) {
        let reply: &[u8] = match line.get(..4).unwrap_or("") {
            "EHLO" => ehlo,
            "STAR" => starttls,
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        let _ = socket.write_all(reply).await;
        if line.starts_with("STAR") {
            break;
        }
        line.clear();
    }
    socket.into_inner()
}

#[tokio::test]
async fn an_endless_banner_is_cut_at_the_bound() {
    let (report, transcript) = look(|mut socket| {
        Box::pin(async move { while socket.write_all(b"220-and another line of greeting\r\n").await.is_ok() {} })
    })
    .await;
    assert!(ids(&report).contains(&"smtp.gave-up"), "{:?}", ids(&report));
    assert!(matches!(transcript.entries.last().unwrap().event, TranscriptEvent::GaveUp(_)));
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_cut_and_its_length_named() {
    let (report, _) = look(|mut socket| {
        Box::pin(async move {
            let _ = socket.write_all(b"220 ").await;
            for _ in 0..160 {
                if socket.write_all(&[b'a'; 65_536]).await.is_err() {
                    return;
                }
            }
            answer(socket, b"\r\n", b"250 x\r\n", b"").await;
        })
    })
    .await;
    let ids = ids(&report);
    assert!(ids.contains(&"smtp.gave-up") || ids.contains(&"smtp.malformed-reply"), "{ids:?}");
}

#[tokio::test]
async fn a_reply_of_a_hundred_thousand_lines_is_bounded() {
    let (report, _) = look(|socket| {
        Box::pin(async move {
            let mut ehlo = b"250-SIZE 4294967296\r\n".repeat(100_000);
            ehlo.extend_from_slice(b"250 HELP\r\n");
            answer(socket, b"220 hi\r\n", &ehlo, b"").await;
        })
    })
    .await;
    assert!(ids(&report).contains(&"smtp.gave-up"), "{:?}", ids(&report));
}

#[tokio::test]
async fn bytes_one_by_one_are_a_line_in_the_end() {
    let (report, transcript) = look(|mut socket| {
        Box::pin(async move {
            let _ = socket.set_nodelay(true);
            for byte in b"220 slow.example ESMTP\r\n" {
                let _ = socket.write_all(&[*byte]).await;
                tokio::task::yield_now().await;
            }
            answer(socket, b"", b"250 slow.example\r\n", b"").await;
        })
    })
    .await;
    assert!(ids(&report).contains(&"tls.not-offered"), "{:?}", ids(&report));
    let first = transcript.entries.iter().find_map(|entry| match &entry.event {
        TranscriptEvent::Received { line, .. } => Some(line.clone()),
        _ => None,
    });
    assert_eq!(first.unwrap(), b"220 slow.example ESMTP");
}

#[tokio::test]
async fn nuls_and_escapes_never_reach_a_terminal() {
    let (report, _) = look(|socket| {
        Box::pin(async move {
            answer(socket, b"220 \x1b]0;owned\x07\x00\xe2\x80\xae hi\r\n", b"250-\x1b[2J\r\n250 \xff\xfe\r\n", b"")
                .await;
        })
    })
    .await;
    for page in [
        mxray::cli::text::text(&report, mxray::cli::text::Style { width: 100, color: false }),
        mxray::cli::markdown::markdown(&report),
    ] {
        assert_eq!(page.chars().find(|c| *c != '\n' && mxray::untrusted::is_hidden(*c)), None, "{page}");
    }
    assert!(ids(&report).contains(&"smtp.malformed-reply"));
}

#[tokio::test]
async fn garbage_for_tls_is_a_failed_handshake_in_words() {
    let (report, transcript) = look(|socket| {
        Box::pin(async move {
            let mut socket = answer(socket, b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n").await;
            // Only once the handshake has begun: earlier, it would be early talk.
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(&[0x42; 4096]).await;
        })
    })
    .await;
    assert!(ids(&report).contains(&"tls.handshake-failed"), "{:?}", ids(&report));
    let why = transcript.entries.iter().find_map(|entry| match &entry.event {
        TranscriptEvent::TlsFailed(_, why) => Some(why.clone()),
        _ => None,
    });
    assert!(why.unwrap().contains("not TLS"));
}

#[tokio::test]
async fn what_was_pushed_in_behind_the_220_never_enters_the_session() {
    let (report, _) = look(|socket| {
        Box::pin(async move {
            let injected = b"220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n";
            let mut socket = answer(socket, b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n", injected).await;
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest).await;
        })
    })
    .await;
    let ids = ids(&report);
    assert!(!ids.contains(&"smtp.auth-in-clear"), "{ids:?}");
    assert!(ids.contains(&"smtp.early-talk") || ids.contains(&"tls.handshake-failed"), "{ids:?}");
}

#[tokio::test]
async fn silence_and_resets_at_each_stage_end_the_dialogue() {
    let scripts: [(&str, Script); 5] = [
        ("at the banner", |socket| {
            Box::pin(async move {
                let mut socket = socket;
                let _ = socket.read(&mut [0; 1]).await;
            })
        }),
        ("reset at once", |socket| Box::pin(async move { drop(socket) })),
        ("in the banner", |mut socket| {
            Box::pin(async move {
                let _ = socket.write_all(b"220-half a gree").await;
            })
        }),
        ("after EHLO", |socket| {
            Box::pin(async move {
                let mut socket = BufReader::new(socket);
                let _ = socket.write_all(b"220 hi\r\n").await;
                let _ = socket.read_line(&mut String::new()).await;
            })
        }),
        ("in the handshake", |socket| {
            Box::pin(async move {
                drop(answer(socket, b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n").await);
            })
        }),
    ];
    for (stage, script) in scripts {
        let (report, _, took) = meet(script, SmtpPlan::default()).await;
        assert!(report.worst >= mxray::finding::Severity::Warning, "{stage}: {:?}", ids(&report));
        assert!(took < Duration::from_secs(3), "{stage}: {took:?}");
    }
}

#[tokio::test]
async fn half_closing_servers_are_heard_out() {
    let (report, transcript) = look(|mut socket| {
        Box::pin(async move {
            let _ = socket.write_all(b"220 hi\r\n").await;
            let _ = socket.shutdown().await;
            let _ = socket.read(&mut [0; 64]).await;
        })
    })
    .await;
    assert!(transcript.entries.iter().any(|entry| matches!(entry.event, TranscriptEvent::Received { .. })));
    assert!(ids(&report).contains(&"smtp.hung-up"), "{:?}", ids(&report));
}

#[tokio::test]
async fn mail_is_sent_only_when_it_was_composed() {
    let script: Script = |socket| {
        Box::pin(async move {
            answer(socket, b"220 hi\r\n", b"250 x\r\n", b"").await;
        })
    };
    let plan =
        SmtpPlan { mail_from: Some(String::new()), rcpt_to: vec!["a@example.com".into()], ..SmtpPlan::default() };
    let (_, transcript, _) = meet(script, plan).await;
    let sent: Vec<String> = transcript
        .entries
        .iter()
        .filter_map(|entry| match &entry.event {
            TranscriptEvent::Sent { line, .. } => Some(String::from_utf8_lossy(line).into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(sent[1..], ["MAIL FROM:<>", "RCPT TO:<a@example.com>", "QUIT"]);
}

/// Greets, agrees to TLS and shakes hands; what the client says first inside TLS is read, and the bare socket is returned.
async fn inside_tls(socket: TcpStream) -> TcpStream {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["mail.example".into()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let socket = answer(socket, b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n").await;
    let mut tls = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(socket).await.unwrap();
    let _ = tls.read(&mut [0; 512]).await;
    tls.into_inner().0
}

#[tokio::test]
async fn tls_that_breaks_after_its_handshake_is_told_as_a_fault_of_tls() {
    let scripts: [(&str, Script); 4] = [
        ("no TLS record", |socket| {
            Box::pin(async move {
                let _ =
                    inside_tls(socket).await.write_all(b"250-plain text, the proxy forgot TLS\r\n250 HELP\r\n").await;
            })
        }),
        ("does not decrypt", |socket| {
            Box::pin(async move {
                let record = [&[0x17, 3, 3, 0, 64][..], &[0x5a; 64]].concat();
                let _ = inside_tls(socket).await.write_all(&record).await;
            })
        }),
        ("record larger than TLS allows", |socket| {
            Box::pin(async move {
                let record = [&[0x17, 3, 3, 0xff, 0xff][..], &[0x5a; 64]].concat();
                let _ = inside_tls(socket).await.write_all(&record).await;
            })
        }),
        ("closed the connection", |socket| {
            Box::pin(async move {
                drop(inside_tls(socket).await);
            })
        }),
    ];
    for (words, script) in scripts {
        let (report, transcript) = look(script).await;
        let broken = words != "closed the connection";
        assert_eq!(ids(&report).contains(&"tls.broken"), broken, "{words}: {:?}", ids(&report));
        assert_eq!(ids(&report).contains(&"smtp.hung-up"), !broken, "{words}: {:?}", ids(&report));
        let said = transcript.entries.iter().any(|entry| matches!(&entry.event, TranscriptEvent::TlsBroken(_)));
        assert_eq!(said, broken, "{words}");
        let findings = report.sections.iter().flat_map(|section| &section.findings);
        assert!(findings.into_iter().any(|finding| finding.text.contains(words)), "{words}");
        let delivered = report.verdict.iter().find(|line| line.question == "PLAIN SENDER").unwrap();
        assert!(delivered.answer.starts_with("deferred: "), "{}", delivered.answer);
    }
}

#[tokio::test]
async fn tls_from_the_first_byte_against_a_server_that_speaks_first_in_clear_falls_back_to_nothing() {
    let script: Script = |socket| {
        Box::pin(async move {
            answer(socket, b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n").await;
        })
    };
    let plan = SmtpPlan { tls: mxray::check::TlsMode::Implicit, ..SmtpPlan::default() };
    let (report, _, _) = meet(script, plan).await;
    let findings: Vec<_> = report.sections.iter().flat_map(|section| &section.findings).collect();
    let failed = findings.iter().find(|finding| finding.id == "tls.handshake-failed").unwrap();
    assert!(failed.text.starts_with("TLS from the first byte fails with 127.0.0.1"), "{}", failed.text);
    assert!(failed.fix.as_deref().unwrap().contains("without implicit TLS"), "{:?}", failed.fix);
    let plain = report.verdict.iter().find(|line| line.question == "PLAIN SENDER").unwrap();
    assert!(plain.answer.starts_with("deferred: TLS from the first byte fails"), "{}", plain.answer);
}

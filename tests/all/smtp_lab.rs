//! Messages that go out by hand and by plan to the lab's mail servers, compared byte for byte with what they took; LMTP with
//! a reply for each recipient.

use mxray::check::{Transcript, TranscriptEvent};
use mxray::engine::Engine;
use mxray::finding::Severity;
use mxray::job::{Job, JobEvent, JobId, SmtpPlan, Task};
use mxray::lab::Lab;
use mxray::report::Report;
use mxray::smtp::annotate::annotate;
use mxray::smtp::lines::line_of;
use mxray::smtp::probe::Move;

use crate::job::{engine, finish};

fn task(target: &str, plan: SmtpPlan) -> Job {
    Job::new(Task::Smtp { target: target.to_owned(), plan })
}

fn received(transcript: &Transcript) -> Vec<String> {
    let got = transcript.entries.iter().filter(|entry| matches!(entry.event, TranscriptEvent::Received { .. }));
    got.map(|entry| line_of(entry).1).collect()
}

/// Says the moves one by one, each when the server has answered the one before; the transcript.
async fn by_hand(engine: &Engine, target: &str, moves: Vec<Move>) -> Transcript {
    let id = JobId(77);
    engine.start(id, task(target, SmtpPlan { hands_on: true, ..SmtpPlan::default() }));
    let mut moves = moves.into_iter();
    let mut transcript = Transcript::default();
    let mut answered = 0;
    loop {
        engine.outbox().ready().await;
        for (_, event) in engine.outbox().drain() {
            match event {
                JobEvent::Dialogue(_, said) => transcript = (*said).clone(),
                JobEvent::Finished(..) => return transcript,
                JobEvent::Failed(why) => panic!("{why}"),
                _ => {}
            }
        }
        let session = mxray::smtp::session::Session::read(&transcript);
        let complete = session.exchanges.iter().filter(|exchange| exchange.is_complete()).count();
        if complete > answered && session.waiting().is_none() {
            answered = complete;
            match moves.next() {
                Some(next) => assert!(engine.say(id, next), "the dialogue is open"),
                None => engine.cancel(id),
            }
        }
        if transcript.finished {
            return transcript;
        }
    }
}

fn send(line: &str) -> Move {
    Move::Send(line.as_bytes().to_vec())
}

const MESSAGES: [(&[u8], &[u8]); 6] = [
    (b"Subject: x\r\n\r\nhello\r\n", b"Subject: x\r\n\r\nhello\r\n"),
    (b"Subject: dots\n\n.\n..\n.hidden\n", b"Subject: dots\r\n\r\n..\r\n...\r\n..hidden\r\n"),
    (b"a bare\rCR and a\nbare LF", b"a bare\r\nCR and a\r\nbare LF\r\n"),
    (b"\n.\r\nQUIT\r\n", b"\r\n..\r\nQUIT\r\n"),
    (b"gr\xfcn \xc3\xbc \x00", b"gr\xfcn \xc3\xbc \x00\r\n"),
    (b"", b""),
];

#[tokio::test]
async fn a_message_by_hand_arrives_byte_for_byte() {
    let lab = Lab::start().await.unwrap();
    let engine = engine(lab.settings());
    for (message, arrives) in MESSAGES {
        let said = ["EHLO me.example", "MAIL FROM:<a@b.example>", "RCPT TO:<c@good.servers.example>", "DATA"];
        let mut moves: Vec<Move> = said.map(send).to_vec();
        moves.push(Move::SendThis(message.into()));
        moves.push(send("QUIT"));
        let transcript = by_hand(&engine, "mx.good.servers.example:25", moves).await;
        let taken = lab.taken().pop().expect("a message");
        assert_eq!(taken.host, "mx.good.servers.example");
        assert_eq!(taken.wire, arrives, "{}", String::from_utf8_lossy(&taken.wire));
        let sent = transcript.entries.iter().find_map(|entry| match entry.event {
            TranscriptEvent::SentMessage { bytes } => Some(bytes),
            _ => None,
        });
        assert_eq!(sent, Some(arrives.len() + 3), "the final dot goes with it");
        assert!(received(&transcript).iter().any(|line| line.starts_with("221")), "{:?}", received(&transcript));
    }
    assert_eq!(lab.taken().len(), MESSAGES.len(), "nothing in a message was taken for a command");
}

/// A plan that sends a composed message to these.
fn mail(recipients: &[&str]) -> SmtpPlan {
    SmtpPlan {
        mail_from: Some("a@b.example".into()),
        rcpt_to: recipients.iter().map(|one| (*one).to_owned()).collect(),
        data: Some(b"Subject: x\r\n\r\n.hello\r\n".as_slice().into()),
        ..SmtpPlan::default()
    }
}

fn ids(report: &Report) -> Vec<&'static str> {
    report.sections.iter().flat_map(|section| &section.findings).map(|finding| finding.id).collect()
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient_and_the_full_mailbox_alone_is_deferred() {
    let lab = Lab::start().await.unwrap();
    let engine = engine(lab.settings());
    let recipients = ["ann@lmtp.example", "full@lmtp.example", "bob@lmtp.example"];
    for target in ["mx.lmtp.servers.example:24", "lmtp://mx.lmtp.servers.example"] {
        let mut transcript = Transcript::default();
        let report = crate::job::watch(&engine, task(target, mail(&recipients)), |event| {
            if let JobEvent::Dialogue(_, said) = event {
                transcript = (*said).clone();
            }
        })
        .await;
        let lines: Vec<(String, String)> = transcript
            .entries
            .iter()
            .zip(annotate(&transcript, "mx.lmtp.servers.example"))
            .map(|(entry, note)| (line_of(entry).1, note.text))
            .collect();
        let said = |text: &str| lines.iter().find(|(line, _)| line.starts_with(text)).map(|(_, note)| note.as_str());
        assert!(said("LHLO").is_some_and(|note| note.contains("RFC 2033")), "{lines:?}");
        let after = lines.iter().position(|(line, _)| line.starts_with("(the message")).unwrap();
        let replies: Vec<&str> = lines[after + 1..after + 4].iter().map(|(_, note)| note.as_str()).collect();
        assert!(replies[0].starts_with("for ann@lmtp.example:"), "{replies:?}");
        assert!(replies[1].starts_with("for full@lmtp.example:"), "{replies:?}");
        assert!(replies[2].starts_with("for bob@lmtp.example:"), "{replies:?}");
        assert_eq!(lines[after + 2].0, "452 4.2.2 the mailbox is full");
        assert!(lines[after + 4].0.starts_with("QUIT"), "{lines:?}");
        assert_eq!(lab.taken().pop().unwrap().wire, b"Subject: x\r\n\r\n..hello\r\n");
        assert!(!ids(&report).contains(&"smtp.silent"), "{:?}", ids(&report));
        assert!(report.worst <= Severity::Info, "clear text inside a site is no error: {:?}", ids(&report));
        assert_eq!(report.verdict[0].answer, "yes, in clear text, to mx.lmtp.servers.example: LMTP, inside one site");
    }
}

#[tokio::test]
async fn a_server_that_speaks_lmtp_is_not_taken_for_a_broken_one() {
    let lab = Lab::start().await.unwrap();
    let mut settings = lab.settings();
    let mut rule = settings.connect_to.iter().find(|rule| rule.port == Some(24)).unwrap().clone();
    rule.port = Some(25);
    settings.connect_to.insert(0, rule);
    let engine = engine(settings);
    let report = finish(&engine, task("mx.lmtp.servers.example:25", SmtpPlan::default())).await;
    assert!(ids(&report).contains(&"smtp.speaks-lmtp"), "{:?}", ids(&report));
}

/// What the demo world's servers come to: the plain sender's delivery, how TLS ended, a finding that names it.
#[tokio::test]
async fn each_server_of_the_demo_world_is_named_for_what_it_is() {
    let lab = Lab::start().await.unwrap();
    let mut settings = lab.settings();
    settings.timeout = std::time::Duration::from_millis(1200);
    let engine = engine(settings);
    let table = [
        ("good", "delivered", "ok", None),
        ("nostarttls", "delivered-in-clear", "starttls-absent", Some("tls.not-offered")),
        ("expired", "delivered", "expired", Some("tls.certificate-expired")),
        ("future", "delivered", "not-yet-valid", Some("tls.certificate-not-yet-valid")),
        ("wrongname", "delivered", "wrong-name", Some("tls.certificate-wrong-name")),
        ("selfsigned", "delivered", "self-signed", Some("tls.certificate-self-signed")),
        ("stranger", "delivered", "unknown-issuer", Some("tls.certificate-unknown-issuer")),
        ("client", "delivered", "wrong-usage", Some("tls.certificate-wrong-usage")),
        ("greylisted", "deferred", "ok", Some("smtp.greylisted")),
        ("busy", "deferred", "not-reached", Some("smtp.closing")),
        ("blocked", "refused", "not-reached", Some("smtp.banner-refused")),
        ("slow", "delivered", "ok", Some("smtp.slow-banner")),
        ("talkative", "delivered", "ok", Some("smtp.proxy-offer")),
        ("garbage", "deferred", "not-reached", Some("smtp.malformed-reply")),
        ("tls454", "delivered-in-clear", "starttls-refused", Some("tls.refused")),
        ("tlsgarbage", "delivered-in-clear", "handshake-failed", Some("tls.handshake-failed")),
        ("early", "delivered", "ok", Some("smtp.early-talk")),
        ("flood", "unknown", "not-reached", Some("smtp.gave-up")),
        ("closed", "deferred", "not-reached", Some("smtp.refused")),
        ("silent", "deferred", "not-reached", Some("smtp.silent")),
        ("endless", "unknown", "not-reached", Some("smtp.gave-up")),
        ("endlessline", "unknown", "not-reached", Some("smtp.gave-up")),
        ("hangsup", "deferred", "not-reached", Some("smtp.hung-up")),
        ("hangsuptls", "delivered-in-clear", "handshake-failed", Some("tls.handshake-failed")),
        ("hangsupmail", "deferred", "ok", Some("smtp.hung-up")),
        ("dane", "delivered", "self-signed", None),
        ("danewrong", "delivered", "ok", Some("transport.dane-mismatch")),
    ];
    let mut wrong = Vec::new();
    for (name, delivery, pkix, finding) in table {
        let plan = SmtpPlan { data: None, ..mail(&["c@servers.example"]) };
        let report = finish(&engine, task(&format!("{name}.servers.example"), plan)).await;
        let transport = report.sections.iter().find(|section| section.id == "transport").unwrap();
        let host = &transport.facts["hosts"][0];
        let named = finding.is_none_or(|id| ids(&report).contains(&id));
        if host["delivery"]["plain"] != delivery || host["pkix"] != pkix || !named {
            wrong.push(format!(
                "{name}: {} {} {:?} {}",
                host["delivery"]["plain"],
                host["pkix"],
                ids(&report),
                report.verdict[0].answer
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The swaks command of a dialogue, run: it says the same again.
#[tokio::test]
async fn the_swaks_command_repeats_the_dialogue() {
    let lab = Lab::start().await.unwrap();
    let settings = lab.settings();
    let good = settings
        .connect_to
        .iter()
        .find(|rule| rule.host.as_deref() == Some("mx.good.servers.example") && rule.port == Some(25));
    let port = good.and_then(|rule| rule.to_port).unwrap();
    let engine = engine(settings);
    for (plan, last) in [
        (SmtpPlan::default(), "STARTTLS"),
        (SmtpPlan { data: None, ..mail(&["c@d.example"]) }, "RCPT TO:<c@d.example>"),
    ] {
        let mut transcript = Transcript::default();
        crate::job::watch(&engine, task("mx.good.servers.example:25", plan), |event| {
            if let JobEvent::Dialogue(_, said) = event {
                transcript = (*said).clone();
            }
        })
        .await;
        let held = mxray::smtp::export::Held { host: "127.0.0.1", port, transcript: &transcript };
        let command = mxray::smtp::export::export(&[held], mxray::smtp::export::Form::Swaks);
        let ran = tokio::task::spawn_blocking(move || {
            std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell")
        });
        let output = ran.await.unwrap();
        if output.status.code() == Some(127) {
            println!("swaks: not run, it is not installed");
            return;
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(last) && said.contains("221 2.0.0"), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains("DATA"), "{said}");
    }
}

//! Several lines by hand on a real socket: what goes out together, what waits for its reply, and what a server makes of
//! lines that stand in the clear behind STARTTLS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mxray::check::{Transcript, TranscriptEvent};
use mxray::config::{Settings, Upstream};
use mxray::job::{Job, JobEvent, JobId, SmtpPlan, Task};
use mxray::report::Report;
use mxray::smtp::annotate::annotate;
use mxray::smtp::lines::line_of;
use mxray::smtp::probe::Move;
use mxray::smtp::script::{Pace, Script};
use mxray::smtp::session::Session;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::smtp_stages::acceptor;

/// How a server treats several lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    /// Offers PIPELINING, and answers a MAIL only when the DATA of its group is there: who waits for a reply waits forever.
    Pipelining,
    /// Does not offer it, and notes whoever sends more before its reply.
    OneByOne,
    /// Answers inside TLS to what stood behind STARTTLS.
    KeepsTheClear,
    /// Forgets it.
    ForgetsTheClear,
}

/// What a server was told, line by line; `early` marks a line that came before the reply to the one before it.
type Heard = Arc<Mutex<Vec<String>>>;

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, how: Server, heard: &Heard) -> Option<()> {
    let mut in_message = false;
    let mut owed = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let words = line.trim_end().to_owned();
        heard.lock().unwrap().push(words.clone());
        if in_message && words != "." {
            continue;
        }
        let verb = words.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" if how == Server::Pipelining => "250-mail.example\r\n250 PIPELINING\r\n",
            "EHLO" => "250-mail.example\r\n250 STARTTLS\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 go\r\n").await.ok()?;
                return Some(());
            }
            "DATA" => "354 go\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        in_message = verb == "DATA";
        owed.push_str(reply);
        if how == Server::OneByOne {
            let more = tokio::time::timeout(Duration::from_millis(20), stream.fill_buf()).await;
            if more.is_ok_and(|more| more.is_ok_and(|bytes| !bytes.is_empty())) {
                heard.lock().unwrap().push("early".to_owned());
            }
        }
        if how == Server::Pipelining && matches!(verb.as_str(), "MAIL" | "RCPT") {
            continue;
        }
        stream.write_all(std::mem::take(&mut owed).as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        if verb == "QUIT" {
            return None;
        }
    }
}

/// Says a script by hand to a server once it has greeted, then `after` once all is answered; what came of it.
async fn by_hand(target: &str, script: &str, pace: Pace, after: Option<&str>) -> (Transcript, Arc<Report>) {
    let upstreams = vec![Upstream::Plain("127.0.0.1:9".parse().unwrap())];
    let engine = crate::job::engine(Settings { upstreams, timeout: Duration::from_secs(3), ..Settings::default() });
    let plan = SmtpPlan { hands_on: true, ..SmtpPlan::default() };
    let id = JobId(1);
    engine.start(id, Job::new(Task::Smtp { target: target.to_owned(), plan }));
    let mut transcript = Transcript::default();
    let mut moves: Vec<Move> = after.map(|line| Move::Send(line.as_bytes().to_vec())).into_iter().collect();
    moves.push(Move::Script(Box::new(Script::read(script, &transcript).unwrap().at(pace))));
    let watched = async {
        loop {
            engine.outbox().ready().await;
            for (_, event) in engine.outbox().drain() {
                match event {
                    JobEvent::Dialogue(_, said) => transcript = (*said).clone(),
                    JobEvent::Finished(report, _) => return report,
                    JobEvent::Failed(why) => panic!("{why}"),
                    _ => {}
                }
            }
            let session = Session::read(&transcript);
            // The first move when the greeting is there, the second when TLS is.
            let due =
                if moves.len() == 2 || after.is_none() { !session.exchanges.is_empty() } else { session.tls.is_some() };
            if due && session.waiting().is_none() {
                moves.pop().into_iter().for_each(|next| assert!(engine.say(id, next), "the dialogue is open"));
            }
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(30), watched).await.expect("the dialogue ends");
    (transcript, report)
}

/// The same to a server of this kind, and what it heard.
async fn say(how: Server, script: &str, pace: Pace, after: Option<&str>) -> (Vec<String>, Transcript, Arc<Report>) {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let told = heard.clone();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"220 mail.example\r\n").await.unwrap();
        let mut clear = BufReader::new(socket);
        if serve(&mut clear, how, &told).await.is_some() {
            let kept = if how == Server::KeepsTheClear { clear.buffer().to_vec() } else { Vec::new() };
            let secure = acceptor().accept(clear.into_inner()).await.unwrap();
            let (reader, writer) = tokio::io::split(secure);
            let mut inside = BufReader::new(tokio::io::join(std::io::Cursor::new(kept).chain(reader), writer));
            serve(&mut inside, how, &told).await;
        }
    });
    let (transcript, report) = by_hand(&target, script, pace, after).await;
    server.await.unwrap();
    let heard = heard.lock().unwrap().clone();
    (heard, transcript, report)
}

const MAIL: [&str; 8] =
    ["EHLO me.example", "MAIL FROM:<a@b.example>", "RCPT TO:<c@mail.example>", "DATA", "Subject: x", "", "..dot", "."];

fn script() -> String {
    format!("{}\r\nQUIT\r\n", MAIL.join("\r\n"))
}

fn notes(transcript: &Transcript) -> Vec<String> {
    let notes = annotate(transcript, "");
    transcript.entries.iter().zip(notes).map(|(entry, note)| format!("{} | {}", line_of(entry).1, note.text)).collect()
}

#[tokio::test]
async fn a_group_goes_out_together_where_pipelining_is_offered_and_its_message_waits() {
    let (heard, transcript, _) = say(Server::Pipelining, &script(), Pace::Polite, None).await;
    assert_eq!(heard, [&MAIL[..], &["QUIT"]].concat());
    let told = notes(&transcript).join("\n");
    assert!(told.contains("RCPT TO:<c@mail.example> | a recipient of the envelope; pipelined"), "{told}");
    assert!(told.contains("(the message, 24 bytes)") && told.contains("221 bye"), "{told}");
}

#[tokio::test]
async fn without_the_offer_each_line_waits_for_the_reply_before_it() {
    for pace in [Pace::Polite, Pace::Replies] {
        let (heard, transcript, _) = say(Server::OneByOne, &script(), pace, None).await;
        assert_eq!(heard, [&MAIL[..], &["QUIT"]].concat(), "nothing came early");
        assert!(!notes(&transcript).join("\n").contains("before the reply"));
    }
}

#[tokio::test]
async fn all_at_once_is_a_test_of_the_server_and_every_reply_finds_its_command() {
    let (heard, transcript, _) = say(Server::OneByOne, &script(), Pace::AtOnce, None).await;
    assert!(heard.contains(&"early".to_owned()), "{heard:?}");
    let session = Session::read(&transcript);
    assert!(session.waiting().is_none(), "{:?}", session.exchanges);
    let told = notes(&transcript).join("\n");
    assert!(told.contains("must be the last of a group (RFC 2920"), "{told}");
    assert!(told.contains("Subject: x | a line of the message"), "{told}");
}

#[tokio::test]
async fn a_server_that_answers_inside_tls_to_the_clear_is_found_and_one_that_forgets_is_not() {
    for (how, found) in [(Server::KeepsTheClear, true), (Server::ForgetsTheClear, false)] {
        let script = "EHLO me.example\r\nSTARTTLS\r\nRSET\r\n";
        let (heard, transcript, report) = say(how, script, Pace::AtOnce, Some("QUIT")).await;
        assert_eq!(heard.iter().any(|line| line == "RSET"), found, "{heard:?}");
        let ids: Vec<&str> = report.sections.iter().flat_map(|one| &one.findings).map(|finding| finding.id).collect();
        assert_eq!(ids.contains(&"smtp.starttls-injection"), found, "{ids:?}\n{}", notes(&transcript).join("\n"));
        let inside = |entry: &&mxray::check::TranscriptEntry| matches!(entry.event, TranscriptEvent::TlsStarted(_));
        assert_eq!(transcript.entries.iter().filter(inside).count(), 1);
    }
}

#[tokio::test]
async fn what_is_left_when_the_server_goes_away_is_told_and_not_sent() {
    let (heard, transcript, _) = say(Server::OneByOne, "NOOP\nQUIT\nRSET\nNOOP\n", Pace::Polite, None).await;
    assert_eq!(heard, ["NOOP", "QUIT"]);
    assert!(notes(&transcript).join("\n").contains("2 lines not sent: the server closes"));
}

/// Postfix and Exim, as they are (`../shared/peers`).
#[tokio::test]
async fn real_servers_take_a_group_inside_tls_and_forget_what_stood_behind_starttls() {
    if std::env::var("MXRAY_PEERS").is_err() {
        println!("peers: pipelining by hand: not run, MXRAY_PEERS is not set");
        return;
    }
    for target in ["127.0.0.1:2525", "127.0.0.1:2550"] {
        let script = "EHLO me.example\nSTARTTLS\nEHLO me.example\nMAIL FROM:<a@b.example>\nRCPT TO:<c@example.test>\nRSET\nQUIT\n";
        let (transcript, report) = by_hand(target, script, Pace::Polite, None).await;
        let (session, told) = (Session::read(&transcript), notes(&transcript).join("\n"));
        assert!(session.tls.is_some() && session.waiting().is_none() && session.unasked.is_empty(), "{told}");
        assert!(told.contains("RSET | forgets the transaction; pipelined") && told.contains("221"), "{told}");
        let ids = |report: &Report| {
            report.sections.iter().flat_map(|one| &one.findings).map(|one| one.id).collect::<Vec<_>>()
        };
        assert!(!ids(&report).iter().any(|id| id.starts_with("smtp.")), "{:?}", ids(&report));
        let injected = "EHLO me.example\nSTARTTLS\nRSET\n";
        let (transcript, report) = by_hand(target, injected, Pace::AtOnce, Some("QUIT")).await;
        assert!(!ids(&report).contains(&"smtp.starttls-injection"), "{}", notes(&transcript).join("\n"));
    }
    println!("peers: 2 of 2 servers take a pipelined group by hand");
}

//! Clients that mean harm, against the real sockets: lines and messages without end, bytes one by one, NULs and escapes,
//! resets and half-closed connections at each stage, garbage for TLS, crowds, silence. Each ends within its limits, memory
//! stays flat, and what happened is said.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mxray::check::{ListenerNews, TranscriptEvent, Visit};
use mxray::engine::listen::Listener;
use mxray::smtp::listen::{Plan, Scenario, address, words};
use mxray::untrusted::is_hidden;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(30);

/// A listener with what it has told.
struct Ear {
    listener: Listener,
    address: SocketAddr,
    turned_away: u64,
    /// Sessions that have ended and were not asked for yet.
    over: VecDeque<Arc<Visit>>,
}

impl Ear {
    async fn with(plan: Plan) -> Ear {
        let listener = Listener::start(plan);
        listener.news().ready().await;
        let first = listener.news().drain().pop().unwrap();
        let ListenerNews::Listening { address, certificate } = first else { panic!("{first:?}") };
        assert_eq!(certificate.len(), 64);
        Ear { listener, address, turned_away: 0, over: VecDeque::new() }
    }

    async fn new(replies: &[&str]) -> Ear {
        Ear::with(plan(replies)).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until a session has this line.
    async fn heard(&mut self, line: &str) {
        let wait = async {
            loop {
                self.listener.news().ready().await;
                for news in self.listener.news().drain() {
                    let ListenerNews::Visit(visit) = news else { continue };
                    if visit.transcript.entries.iter().any(|entry| words::line_of(entry).1 == line) {
                        return;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect(line);
    }

    /// Waits until a session has ended.
    async fn ended(&mut self) -> Arc<Visit> {
        let wait = async {
            loop {
                if let Some(visit) = self.over.pop_front() {
                    return visit;
                }
                self.listener.news().ready().await;
                for news in self.listener.news().drain() {
                    match news {
                        ListenerNews::Visit(visit) if visit.transcript.finished => self.over.push_back(visit),
                        ListenerNews::TurnedAway(count) => self.turned_away = count,
                        ListenerNews::Visit(_) | ListenerNews::Listening { .. } | ListenerNews::Failed(_) => {}
                    }
                }
            }
        };
        let visit = tokio::time::timeout(PATIENCE, wait).await.expect("the session ends within its limits");
        // Whatever came is words that a terminal does not obey once they are made visible, and no note is missing.
        let notes = words::notes(&visit);
        assert_eq!(notes.len(), visit.transcript.entries.len());
        assert!(!words::text(&visit).replace('\n', "").chars().any(is_hidden));
        assert!(visit.remarks.iter().all(|remark| remark.entry < visit.transcript.entries.len()));
        visit
    }
}

fn plan(replies: &[&str]) -> Plan {
    Plan::new(address(":0").unwrap(), Scenario::parse(replies).unwrap())
}

/// Says it and waits for a reply that begins so; what was said before it is skipped.
async fn say(socket: &mut TcpStream, line: &[u8], reply: &str) {
    socket.write_all(line).await.unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    let wait = async {
        while !String::from_utf8_lossy(&heard).lines().any(|line| line.starts_with(reply)) {
            let read = socket.read(&mut buffer).await.unwrap();
            assert!(read > 0, "closed before {reply}: {}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect(reply);
}

async fn envelope(socket: &mut TcpStream) {
    say(socket, b"", "220 ").await;
    say(socket, b"EHLO mx.example.org\r\n", "250 ").await;
    say(socket, b"MAIL FROM:<a@example.org>\r\n", "250 ").await;
    say(socket, b"RCPT TO:<b@example.com>\r\n", "250 ").await;
}

fn ids(visit: &Visit) -> Vec<&'static str> {
    visit.remarks.iter().map(|remark| remark.finding.id).collect()
}

fn said(visit: &Visit) -> String {
    visit.transcript.entries.iter().map(|entry| words::line_of(entry).1 + "\n").collect()
}

#[tokio::test]
async fn a_line_without_end_ends_the_session_and_not_the_memory() {
    let mut ear = Ear::new(&[]).await;
    let mut socket = ear.connect().await;
    let flood = tokio::spawn(async move { while socket.write_all(&[b'a'; 65_536]).await.is_ok() {} });
    let visit = ear.ended().await;
    flood.abort();
    assert!(ids(&visit).contains(&"listen.command-too-long"), "{:?}", ids(&visit));
    assert!(said(&visit).contains("421 4.7.0"), "{}", said(&visit));
    assert!(said(&visit).len() < 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_of_data_are_refused_without_being_kept() {
    let mut ear = Ear::new(&[]).await;
    let mut socket = ear.connect().await;
    envelope(&mut socket).await;
    say(&mut socket, b"DATA\r\n", "354 ").await;
    let flood = tokio::spawn(async move {
        let line = [[b'x'; 1022].as_slice(), b"\r\n"].concat().repeat(64);
        let mut sent = 0;
        while sent < 110_000_000 && socket.write_all(&line).await.is_ok() {
            sent += line.len();
        }
        sent
    });
    let visit = ear.ended().await;
    flood.abort();
    assert!(visit.messages.is_empty());
    assert!(ids(&visit).contains(&"listen.message-too-large"), "{:?}", ids(&visit));
    assert!(said(&visit).contains("421 4.3.4"), "{}", said(&visit));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_552_and_the_session_goes_on() {
    let mut plan = plan(&[]);
    plan.limits.message = 10_000;
    let mut ear = Ear::with(plan).await;
    let mut socket = ear.connect().await;
    envelope(&mut socket).await;
    say(&mut socket, b"DATA\r\n", "354 ").await;
    let long = [b"0123456789\r\n".repeat(2000).as_slice(), b".\r\n"].concat();
    say(&mut socket, &long, "552 5.3.4").await;
    say(&mut socket, b"QUIT\r\n", "221 ").await;
    assert!(ear.ended().await.messages.is_empty());
}

#[tokio::test]
async fn what_all_sessions_hold_is_bounded() {
    let mut plan = plan(&[]);
    plan.limits.held = 100_000;
    let mut ear = Ear::with(plan).await;
    let mut first = ear.connect().await;
    envelope(&mut first).await;
    say(&mut first, b"DATA\r\n", "354 ").await;
    first.write_all(&b"0123456789\r\n".repeat(7000)).await.unwrap();
    let mut second = ear.connect().await;
    envelope(&mut second).await;
    say(&mut second, b"DATA\r\n", "354 ").await;
    second.write_all(&b"0123456789\r\n".repeat(7000)).await.unwrap();
    say(&mut second, b"\r\n.\r\nQUIT\r\n", "452 4.3.1").await;
    assert!(ear.ended().await.messages.is_empty());
    drop(first);
    ear.ended().await;
    // Both are gone, and so is what they held.
    let mut third = ear.connect().await;
    envelope(&mut third).await;
    say(&mut third, b"DATA\r\n", "354 ").await;
    say(&mut third, b"x\r\n.\r\n", "250 ").await;
}

#[tokio::test]
async fn byte_by_byte_is_as_good_as_at_once() {
    let mut ear = Ear::new(&[]).await;
    let mut socket = ear.connect().await;
    say(&mut socket, b"", "220 ").await;
    let wire =
        b"EHLO mx.example.org\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n..\r\n.\r\nQUIT\r\n";
    for byte in wire {
        socket.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let visit = ear.ended().await;
    assert_eq!(&*visit.messages[0].raw, b"x\r\n.\r\n");
}

#[tokio::test]
async fn nul_and_escapes_are_shown_and_never_obeyed() {
    let mut ear = Ear::new(&[]).await;
    let mut socket = ear.connect().await;
    say(&mut socket, b"", "220 ").await;
    say(&mut socket, b"EHLO \x1b]52;c;aGk=\x07\x00\xe2\x80\xae.example\r\n", "250 ").await;
    say(&mut socket, b"MAIL FROM:<\x1b[2J@b.example>\r\n", "501 ").await;
    say(&mut socket, b"\x00\x1b[31m\xff\xfe\r\n", "500 ").await;
    say(&mut socket, b"QUIT\r\n", "221 ").await;
    let visit = ear.ended().await;
    assert!(said(&visit).contains('\u{1b}'), "the bytes are kept as they came");
    assert!(words::text(&visit).contains('␛'));
}

#[tokio::test]
async fn crowds_are_turned_away_and_the_rest_is_served() {
    let mut plan = plan(&[]);
    plan.limits.sessions = 8;
    let mut ear = Ear::with(plan).await;
    let mut crowd = Vec::new();
    for _ in 0..1000 {
        if let Ok(socket) = TcpStream::connect(ear.address).await {
            crowd.push(socket);
        }
    }
    // The first eight are inside and can go on.
    say(&mut crowd[0], b"", "220 ").await;
    say(&mut crowd[0], b"QUIT\r\n", "221 ").await;
    assert_eq!(ear.ended().await.number, 1);
    let mut outside = Vec::new();
    tokio::time::timeout(PATIENCE, crowd[500].read_to_end(&mut outside)).await.unwrap().ok();
    assert!(outside.starts_with(b"421 4.7.0") || outside.is_empty(), "{outside:?}");
    drop(crowd);
    for _ in 0..7 {
        ear.ended().await;
    }
    let mut next = ear.connect().await;
    say(&mut next, b"", "220 ").await;
    say(&mut next, b"QUIT\r\n", "221 ").await;
    ear.ended().await;
    assert!(ear.turned_away >= 900, "{}", ear.turned_away);
}

#[tokio::test]
async fn a_reset_or_a_half_close_at_each_stage_is_told() {
    let stages: [&[u8]; 5] = [
        b"",
        b"EHLO mx.example.org\r\n",
        b"EHLO mx.example.org\r\nMAIL FROM:<a@b.example>\r\n",
        b"EHLO mx.example.org\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
        b"EHLO mx.example.org\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nhalf a mess",
    ];
    for reset in [false, true] {
        for (number, stage) in stages.iter().enumerate() {
            let mut ear = Ear::new(&[]).await;
            let mut socket = ear.connect().await;
            say(&mut socket, b"", "220 ").await;
            if number == 0 {
                socket.write_all(b"EH").await.unwrap();
            } else {
                say(&mut socket, stage, if number < 3 { "250 " } else { "354 " }).await;
            }
            if reset {
                socket.set_zero_linger().unwrap();
                drop(socket);
            } else {
                socket.shutdown().await.unwrap();
            }
            let visit = ear.ended().await;
            let last = &visit.transcript.entries.last().unwrap().event;
            assert!(
                matches!(last, TranscriptEvent::Closed { by_server: false, reset: told } if *told == reset),
                "{last:?}"
            );
            let expected = if number < 3 { "listen.no-quit" } else { "listen.cut-short" };
            assert!(ids(&visit).contains(&expected), "stage {number}: {:?}", ids(&visit));
        }
    }
}

#[tokio::test]
async fn garbage_for_tls_and_tls_where_none_is_due_are_told_apart() {
    let mut ear = Ear::new(&[]).await;
    let mut socket = ear.connect().await;
    say(&mut socket, b"", "220 ").await;
    say(&mut socket, b"EHLO mx.example.org\r\n", "250 ").await;
    say(&mut socket, b"STARTTLS\r\n", "220 2.0.0").await;
    socket.write_all(b"this is no handshake, whatever you expected\r\n").await.unwrap();
    let visit = ear.ended().await;
    assert!(ids(&visit).contains(&"listen.no-tls-handshake"), "{:?}", ids(&visit));
    let mut socket = ear.connect().await;
    say(&mut socket, b"", "220 ").await;
    socket.write_all(&[0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00]).await.unwrap();
    let visit = ear.ended().await;
    assert!(ids(&visit).contains(&"listen.tls-on-clear-port"), "{:?}", ids(&visit));
}

#[tokio::test]
async fn who_speaks_or_waits_in_the_clear_where_tls_begins_at_once_is_told() {
    let mut plan = plan(&["implicit-tls"]);
    plan.limits.idle = Duration::from_millis(300);
    let mut ear = Ear::with(plan).await;
    let _waits = ear.connect().await;
    assert_eq!(ids(&*ear.ended().await), ["listen.no-tls-on-tls-port"]);
    let mut speaks = ear.connect().await;
    speaks.write_all(b"EHLO mx.example.org\r\n").await.unwrap();
    assert_eq!(ids(&*ear.ended().await), ["listen.no-tls-on-tls-port"]);
}

#[tokio::test]
async fn who_says_nothing_is_asked_to_leave_and_who_never_ends_too() {
    let mut plan = plan(&[]);
    (plan.limits.idle, plan.limits.total) = (Duration::from_millis(200), Duration::from_millis(600));
    let mut ear = Ear::with(plan).await;
    let _silent = ear.connect().await;
    let visit = ear.ended().await;
    assert!(said(&visit).contains("421 4.4.2 nothing came"), "{}", said(&visit));
    let mut busy = ear.connect().await;
    let began = Instant::now();
    let noops = tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while busy.write_all(b"NOOP\r\n").await.is_ok() && busy.read(&mut buffer).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let visit = ear.ended().await;
    noops.abort();
    assert!(said(&visit).contains("the session lasted too long"), "{}", said(&visit));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn who_does_not_wait_for_a_reply_is_seen_though_its_commands_come_apart() {
    let mut ear = Ear::new(&["slow=0.2", "no-pipelining"]).await;
    let mut socket = ear.connect().await;
    say(&mut socket, b"", "220 ").await;
    say(&mut socket, b"EHLO mx.example.org\r\n", "250 ").await;
    socket.write_all(b"MAIL FROM:<a@example.org>\r\n").await.unwrap();
    // It has read that, and answers in a moment.
    ear.heard("MAIL FROM:<a@example.org>").await;
    socket.write_all(b"RCPT TO:<b@example.com>\r\n").await.unwrap();
    say(&mut socket, b"", "250 2.1.5").await;
    say(&mut socket, b"QUIT\r\n", "221 ").await;
    drop(socket);
    let visit = ear.ended().await;
    assert_eq!(ids(&visit), ["listen.pipelined-without-offer"]);
    let rcpt = visit.transcript.entries.get(visit.remarks[0].entry).unwrap();
    assert_eq!(words::line_of(rcpt).1, "RCPT TO:<b@example.com>");
}

#[tokio::test]
async fn who_sends_on_behind_starttls_is_not_let_into_tls_with_it() {
    let mut ear = Ear::new(&["slow=0.2"]).await;
    let mut socket = ear.connect().await;
    say(&mut socket, b"", "220 ").await;
    say(&mut socket, b"EHLO mx.example.org\r\n", "250 ").await;
    socket.write_all(b"STARTTLS\r\n").await.unwrap();
    ear.heard("STARTTLS").await;
    socket.write_all(b"MAIL FROM:<evil@example.org>\r\n").await.unwrap();
    say(&mut socket, b"", "220 ").await;
    drop(socket);
    let visit = ear.ended().await;
    assert!(ids(&visit).contains(&"listen.starttls-injection"), "{:?}", ids(&visit));
    assert!(!said(&visit).contains("sender ok"));
}

#[tokio::test]
async fn who_does_not_read_its_replies_does_not_hold_the_session_for_ever() {
    let mut plan = plan(&[]);
    (plan.limits.idle, plan.limits.commands) = (Duration::from_millis(300), usize::MAX);
    let mut ear = Ear::with(plan).await;
    let mut socket = ear.connect().await;
    let flood = tokio::spawn(async move {
        let many = b"EHLO mx.example.org\r\n".repeat(100);
        while socket.write_all(&many).await.is_ok() {}
        std::future::pending::<()>().await;
    });
    ear.ended().await;
    flood.abort();
}

#[tokio::test]
async fn stopping_closes_every_socket_and_gives_the_port_back() {
    let ear = Ear::new(&[]).await;
    let mut socket = ear.connect().await;
    say(&mut socket, b"", "220 ").await;
    let at = ear.address;
    drop(ear);
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("closed at once").ok();
    let mut again = plan(&[]);
    again.address = at;
    Ear::with(again).await;
}

#[tokio::test]
async fn an_address_that_cannot_be_had_says_what_to_do() {
    let ear = Ear::new(&[]).await;
    for (place, says) in
        [(ear.address.to_string(), "another program"), ("192.0.2.1:0".to_owned(), "no address of this machine")]
    {
        let listener = Listener::start(Plan::new(address(&place).unwrap(), Scenario::default()));
        listener.news().ready().await;
        let news = listener.news().drain();
        assert!(
            matches!(&news[..], [ListenerNews::Failed(why)] if why.contains(says) && why.contains(&place)),
            "{news:?}"
        );
    }
}

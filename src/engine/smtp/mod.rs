//! One SMTP dialogue on a real socket. What is said is [`crate::smtp::probe`]'s or the person's; here the bytes move, every
//! line lands in the transcript as it comes, and everything is bounded: bytes, lines, the length of a line, time.

mod handshake;
mod stream;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::check::{ConnectFault, Dialogue, HandshakeFault, LineEnding, Transcript, TranscriptEntry, TranscriptEvent};
use crate::config::ConnectTo;
use crate::engine::tls::Trust;
use crate::smtp::mask::Mask;
use crate::smtp::probe::{Move, next_move};
use crate::smtp::script::{Script, Step};
use stream::{Got, Stream};

/// Most bytes that are read from one server: a hundred times what a talkative one sends.
const MAX_BYTES: usize = 1 << 20;
/// Most entries of one transcript.
const MAX_ENTRIES: usize = 1000;
/// The longest that one dialogue may take when no person sits at it.
const MAX_TIME: Duration = Duration::from_secs(180);
/// How many query timeouts a server may keep silent.
const PATIENCE: u32 = 6;
/// How long a server that takes nothing any more is heard out.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How often it is read from then.
const MAX_LAST_WORDS: usize = 8;

/// What a dialogue needs of the engine.
#[derive(Clone)]
pub(crate) struct Wire {
    /// Where connections are sent instead.
    pub(crate) connect_to: Arc<[ConnectTo]>,
    /// Whom we trust.
    pub(crate) trust: Arc<Trust>,
    /// The clock for certificates; `None`: the machine's.
    pub(crate) now: Option<OffsetDateTime>,
    /// The name given in EHLO; `None`: the address literal of our end (RFC 5321 §4.1.3).
    pub(crate) ehlo: Option<String>,
    /// The time for one query, which sets our patience.
    pub(crate) timeout: Duration,
}

/// Speaks the dialogue to its end; `grow` sees the transcript whenever it has grown. `typed` brings the person's moves when
/// the dialogue is hands-on.
pub(crate) async fn converse(
    dialogue: &Dialogue,
    wire: &Wire,
    mut typed: Option<mpsc::Receiver<Move>>,
    mut grow: impl FnMut(&Transcript) + Send,
) -> Transcript {
    let mut talk = Talk {
        dialogue,
        wire,
        begun: Instant::now(),
        transcript: Transcript::default(),
        stream: None,
        tls: false,
        ehlo: String::new(),
        mask: Mask::default(),
        script: Script::default(),
        bytes: 0,
    };
    talk.connect().await;
    loop {
        grow(&talk.transcript);
        if talk.is_over() {
            break;
        }
        let next = next_move(dialogue, &talk.ehlo, &talk.transcript);
        match (next, typed.as_mut()) {
            (Move::Listen, Some(typed)) => match talk.script.next(&talk.transcript) {
                Some(step) => talk.follow(step).await,
                None => talk.listen_or_typed(typed).await,
            },
            (next, _) => talk.perform(next).await,
        }
    }
    if let Some(step) = talk.script.withheld_at_end() {
        talk.follow(step).await;
    }
    talk.transcript.finished = true;
    grow(&talk.transcript);
    talk.transcript
}

/// A dialogue under way.
struct Talk<'a> {
    dialogue: &'a Dialogue,
    wire: &'a Wire,
    begun: Instant,
    transcript: Transcript,
    /// `None` once the connection has ended.
    stream: Option<Stream>,
    /// Whether TLS stands, or stood when the connection ended.
    tls: bool,
    ehlo: String,
    mask: Mask,
    /// What the person pasted and the server has not been told yet.
    script: Script,
    bytes: usize,
}

impl Talk<'_> {
    fn is_over(&mut self) -> bool {
        let hands_on = self.dialogue.hands_on;
        let too_long = !hands_on && self.begun.elapsed() > MAX_TIME;
        let bound = if self.transcript.entries.len() >= MAX_ENTRIES {
            Some(format!("after {MAX_ENTRIES} lines"))
        } else if self.bytes > MAX_BYTES {
            Some(format!("after {} KiB", MAX_BYTES / 1024))
        } else if too_long {
            Some(format!("after {} s", MAX_TIME.as_secs()))
        } else {
            None
        };
        if let Some(why) = bound
            && self.stream.take().is_some()
        {
            self.note(TranscriptEvent::GaveUp(why));
        }
        self.stream.is_none()
    }

    fn note(&mut self, event: TranscriptEvent) {
        self.transcript.entries.push(TranscriptEntry { at: self.begun.elapsed(), tls: self.tls, event });
    }

    async fn connect(&mut self) {
        let address = redirected(&self.wire.connect_to, &self.dialogue.host, self.dialogue.address);
        match tokio::time::timeout(self.wire.timeout, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                let (local, peer) = (socket.local_addr().ok(), socket.peer_addr().ok());
                // Lines are small and each waits for its reply: Nagle would only delay them.
                let _ = socket.set_nodelay(true);
                self.ehlo = self.dialogue.ehlo.clone().or(self.wire.ehlo.clone()).unwrap_or_else(|| literal(local));
                self.stream = Some(Stream::clear(socket));
                self.tls = false;
                self.note(TranscriptEvent::Connected { local, peer });
            }
            Ok(Err(why)) => {
                use std::io::ErrorKind;
                let fault = match why.kind() {
                    ErrorKind::ConnectionRefused => ConnectFault::Refused,
                    ErrorKind::TimedOut => ConnectFault::TimedOut,
                    ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
                        ConnectFault::Unreachable
                    }
                    _ => ConnectFault::Other,
                };
                self.note(TranscriptEvent::NotConnected(fault, format!("{address}: {}", plain(&why))));
            }
            Err(_) => {
                let why = format!("{address}: no answer in {} s", self.wire.timeout.as_secs_f32());
                self.note(TranscriptEvent::NotConnected(ConnectFault::TimedOut, why));
            }
        }
    }

    async fn perform(&mut self, next: Move) {
        match next {
            Move::Send(line) => self.send(vec![line]).await,
            Move::Script(script) => self.script.append(*script),
            Move::SendMessage => match self.dialogue.data.clone() {
                Some(message) => self.send_message(&message).await,
                None => self.hang(),
            },
            Move::SendThis(message) => self.send_message(&message).await,
            Move::StartTls => self.start_tls().await,
            Move::Listen => {
                let patience = self.wire.timeout * PATIENCE;
                self.listen(patience).await;
            }
            Move::Reconnect => {
                self.stream = None;
                self.connect().await;
            }
            Move::Hang => self.hang(),
        }
    }

    fn hang(&mut self) {
        if self.stream.take().is_some() {
            self.note(TranscriptEvent::Closed { by_server: false, reset: false });
        }
    }

    /// The next step of what was pasted.
    async fn follow(&mut self, step: Step) {
        match step {
            Step::Lines(lines) => self.send(lines).await,
            Step::Message(wire) => self.send_on_wire(&wire).await,
            Step::Withheld(what) => self.note(TranscriptEvent::Withheld(what)),
        }
    }

    /// Sends lines in one write.
    async fn send(&mut self, lines: Vec<Vec<u8>>) {
        let mut bytes = Vec::new();
        for line in lines {
            let (shown, masked) = self.mask.sent(&line);
            self.note(TranscriptEvent::Sent { line: shown, masked });
            bytes.extend_from_slice(&line);
            bytes.extend_from_slice(b"\r\n");
        }
        self.write(&bytes).await;
    }

    async fn send_message(&mut self, message: &[u8]) {
        self.send_on_wire(&crate::smtp::dot::stuffed(message)).await;
    }

    /// Sends a message with its dots.
    async fn send_on_wire(&mut self, wire: &[u8]) {
        self.note(TranscriptEvent::SentMessage { bytes: wire.len() });
        self.write(wire).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        let Some(stream) = self.stream.as_mut() else { return };
        let written = tokio::time::timeout(self.wire.timeout * PATIENCE, stream.write(bytes)).await;
        if matches!(written, Ok(Ok(()))) {
            return;
        }
        // What the server said last (a line, an alert of TLS) may lie unread, and tells why nothing can be written any more.
        for _ in 0..MAX_LAST_WORDS {
            let Some(stream) = self.stream.as_mut() else { return };
            match tokio::time::timeout(LAST_WORDS, stream.read()).await {
                Ok(got) => self.take(got),
                Err(_) => break,
            }
        }
        if self.stream.take().is_some() {
            self.note(TranscriptEvent::Closed { by_server: true, reset: true });
        }
    }

    /// Waits for the server or for the person, whoever is first.
    async fn listen_or_typed(&mut self, typed: &mut mpsc::Receiver<Move>) {
        let Some(stream) = self.stream.as_mut() else { return };
        let next = tokio::select! {
            got = stream.read() => Err(got),
            next = typed.recv() => Ok(next),
        };
        match next {
            Ok(Some(next)) => self.perform(next).await,
            Ok(None) => self.hang(),
            Err(got) => self.take(got),
        }
    }

    /// Waits for the server at most `patience`.
    async fn listen(&mut self, patience: Duration) {
        let Some(stream) = self.stream.as_mut() else { return };
        match tokio::time::timeout(patience, stream.read()).await {
            Ok(got) => self.take(got),
            Err(_) => self.note(TranscriptEvent::Silence(patience)),
        }
    }

    /// Puts what has come into the transcript, all whole lines at once.
    fn take(&mut self, got: Got) {
        match got {
            Got::Lines(lines, bytes) => {
                self.bytes += bytes;
                for (line, ending) in lines {
                    if self.transcript.entries.len() >= MAX_ENTRIES {
                        break;
                    }
                    self.mask.received(&line);
                    self.note(TranscriptEvent::Received { line, ending });
                }
            }
            Got::Closed { rest, reset } => {
                if !rest.is_empty() {
                    self.note(TranscriptEvent::Received { line: rest, ending: LineEnding::None });
                }
                self.note(TranscriptEvent::Closed { by_server: true, reset });
                self.stream = None;
            }
            Got::TlsBroken { rest, why } => {
                if !rest.is_empty() {
                    self.note(TranscriptEvent::Received { line: rest, ending: LineEnding::None });
                }
                self.note(TranscriptEvent::TlsBroken(why));
                self.hang();
            }
        }
    }

    async fn start_tls(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let (socket, early) = match stream.into_clear() {
            Some(parts) => parts,
            None => return,
        };
        // What came in the clear behind the 220 could be anybody's: it never enters the session (RFC 3207 §4.2).
        if !early.is_empty() {
            self.note(TranscriptEvent::EarlyTalk(early));
        }
        let shaken = handshake::shake(socket, &self.dialogue.host, self.wire);
        match tokio::time::timeout(self.wire.timeout * 2, shaken).await {
            Ok(Ok((stream, session))) => {
                self.stream = Some(Stream::tls(stream));
                self.tls = true;
                self.note(TranscriptEvent::TlsStarted(Arc::new(session)));
            }
            Ok(Err((fault, why))) => self.tls_failed(fault, why),
            Err(_) => {
                let why = format!("no answer in {} s", (self.wire.timeout * 2).as_secs_f32());
                self.tls_failed(HandshakeFault::Failed, why);
            }
        }
    }

    /// After a failed handshake the connection is of no use; the probe may ask for a new one.
    fn tls_failed(&mut self, fault: HandshakeFault, why: String) {
        self.note(TranscriptEvent::TlsFailed(fault, why));
        if next_move(self.dialogue, &self.ehlo, &self.transcript) == Move::Reconnect {
            self.stream = Some(Stream::Ended);
        }
    }
}

/// Where a connection to `host` really goes.
pub(crate) fn redirected(rules: &[ConnectTo], host: &str, address: SocketAddr) -> SocketAddr {
    let Some(rule) = rules.iter().find(|rule| rule.matches(host, address.port())) else { return address };
    let ip = match rule.to_host.as_deref() {
        None => address.ip(),
        Some("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(text) => text.parse().unwrap_or(address.ip()),
    };
    SocketAddr::new(ip, rule.to_port.unwrap_or(address.port()))
}

/// Our end as an address literal: what a host without a name gives in EHLO.
fn literal(local: Option<SocketAddr>) -> String {
    match local.map(|local| local.ip()) {
        Some(IpAddr::V4(v4)) => format!("[{v4}]"),
        Some(IpAddr::V6(v6)) => format!("[IPv6:{v6}]"),
        None => "[127.0.0.1]".into(),
    }
}

/// An I/O error without its number.
fn plain(why: &std::io::Error) -> String {
    let text = why.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_ascii_lowercase()
}

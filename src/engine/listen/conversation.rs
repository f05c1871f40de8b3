//! One session: it reads what the client sends, performs what the state machine answers, stamps the transcript with the
//! time, and tells after every batch. Whatever the client does, it ends within its limits.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::net::RecvFlags;
use rustls::ServerConfig;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::mailbox::Mailbox;
use crate::check::{
    Captured, HandshakeFault, LineEnding, ListenerNews, Remark, TlsSession, Transcript, TranscriptEntry,
    TranscriptEvent, Visit,
};
use crate::engine::tls;
use crate::finding::Finding;
use crate::smtp::listen::{Act, Greylist, Plan, Server, remark};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// How long a client that talks too early is waited for before the banner (postscreen waits seconds; nobody here waits
/// for whoever debugs).
const HESITATION: Duration = Duration::from_millis(30);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a last reply may take to be sent.
const FAREWELL: Duration = Duration::from_secs(2);
/// A growing message is told about after so many bytes.
const STRIDE: u64 = 512 * 1024;

/// What the sessions of one listener share.
pub(super) struct Room {
    pub plan: Arc<Plan>,
    pub tls: Arc<ServerConfig>,
    pub greylist: Arc<Mutex<Greylist>>,
    pub held: Held,
    pub news: Arc<Mailbox>,
}

/// Messages in memory: those that somebody still has, and those that are coming in.
#[derive(Default)]
pub(super) struct Held(Mutex<(Vec<Weak<Captured>>, u64)>);

impl Held {
    /// Takes note that a session holds `now` bytes instead of `before`; how many all hold.
    fn coming(&self, before: u64, now: u64) -> u64 {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.1 = (inner.1 + now).saturating_sub(before);
        let mut kept = 0;
        inner.0.retain(|one| one.upgrade().inspect(|one| kept += one.raw.len() as u64).is_some());
        kept + inner.1
    }

    fn keep(&self, message: &Arc<Captured>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.push(Arc::downgrade(message));
    }
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Gone,
}

/// What ended a session on the way.
enum Lost {
    /// The client is gone; whether by a reset.
    Client(bool),
    /// The session is over, as the state machine wanted.
    Over,
}

impl From<std::io::Error> for Lost {
    fn from(why: std::io::Error) -> Lost {
        Lost::Client(matches!(why.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe))
    }
}

/// One session.
pub(super) struct Conversation {
    room: Arc<Room>,
    server: Server,
    visit: Visit,
    begun: Instant,
    transcript: Transcript,
    stream: Stream,
    out: Vec<u8>,
    held: u64,
    told: u64,
    closed: bool,
}

impl Conversation {
    pub(super) fn new(
        room: Arc<Room>,
        number: u64,
        stream: TcpStream,
        client: SocketAddr,
        here: SocketAddr,
    ) -> Conversation {
        let local = stream.local_addr().unwrap_or(here);
        let mut conversation = Conversation {
            server: Server::new(room.plan.clone(), number, client, room.greylist.clone()),
            visit: Visit {
                number,
                client,
                begun: OffsetDateTime::now_utc(),
                transcript: Arc::default(),
                helo: None,
                tls: None,
                remarks: Vec::new(),
                messages: Vec::new(),
                receiving: None,
            },
            room,
            begun: Instant::now(),
            transcript: Transcript::default(),
            stream: Stream::Clear(stream),
            out: Vec::new(),
            held: 0,
            told: 0,
            closed: false,
        };
        conversation.enter(TranscriptEvent::Connected { local: Some(client), peer: Some(local) });
        conversation.tell();
        conversation
    }

    /// Holds the session to its end.
    pub(super) async fn hold(mut self) {
        let deadline = self.begun + self.room.plan.limits.total;
        let ended = timeout_at(deadline, self.talk()).await;
        match ended {
            Ok(Ok(()) | Err(Lost::Over)) => {}
            Ok(Err(Lost::Client(reset))) => {
                self.stream = Stream::Gone;
                let acts = self.server.closed(reset);
                self.closed = true;
                // Nothing is sent any more: the entries and remarks are all that is left to do.
                let _ = self.perform(acts).await;
            }
            Err(_) => self.give_up(false).await,
        }
        if !self.closed {
            self.enter(TranscriptEvent::Closed { by_server: true, reset: false });
        }
        self.transcript.finished = true;
        self.visit.receiving = None;
        self.tell();
    }

    async fn give_up(&mut self, idle: bool) {
        self.enter(match idle {
            true => TranscriptEvent::Silence(self.room.plan.limits.idle),
            false => TranscriptEvent::GaveUp(format!("after {} s", self.room.plan.limits.total.as_secs())),
        });
        // What waited to be sent belongs to a reply that was given up.
        self.out.clear();
        let acts = self.server.lost_patience(idle);
        let _ = timeout(FAREWELL, self.perform(acts)).await;
    }

    async fn talk(&mut self) -> Result<(), Lost> {
        if self.room.plan.scenario.implicit_tls {
            self.handshake().await?;
        }
        let mut buffer = vec![0; CHUNK];
        let pause = self.room.plan.scenario.pause.max(HESITATION);
        // Who speaks before the banner is seen; what he said is not lost.
        let early = match timeout(pause, self.stream.read(&mut buffer)).await {
            Ok(read) => read?,
            Err(_) => 0,
        };
        let acts = self.server.greet(buffer.get(..early).unwrap_or_default());
        self.perform(acts).await?;
        let idle = self.room.plan.limits.idle;
        while !self.server.is_over() {
            let read = match timeout(idle, self.stream.read(&mut buffer)).await {
                Ok(read) => read?,
                Err(_) => {
                    self.give_up(true).await;
                    return Err(Lost::Over);
                }
            };
            let acts = self.server.hear(buffer.get(..read).unwrap_or_default());
            self.weigh();
            self.perform(acts).await?;
        }
        Ok(())
    }

    /// Looks whether there is room for what is coming in.
    fn weigh(&mut self) {
        let now = self.server.held();
        if now == self.held {
            return;
        }
        let all = self.room.held.coming(self.held, now);
        self.held = now;
        if all > self.room.plan.limits.held {
            self.server.no_room();
        }
    }

    async fn perform(&mut self, acts: Vec<Act>) -> Result<(), Lost> {
        let quiet = acts.is_empty();
        for act in acts {
            match act {
                Act::Enter(event) => self.enter(event),
                Act::Remark(finding) => self.remark(finding),
                Act::Say(line) => {
                    self.out.extend_from_slice(line.as_bytes());
                    self.out.extend_from_slice(b"\r\n");
                    self.enter(TranscriptEvent::Received { line: line.into_bytes(), ending: LineEnding::CrLf });
                }
                Act::Pause(pause) => {
                    self.flush().await?;
                    self.tell();
                    tokio::time::sleep(pause).await;
                }
                Act::StartTls => {
                    self.drop_what_stands_behind_starttls().await?;
                    self.flush().await?;
                    self.tell();
                    self.handshake().await?;
                }
                Act::Capture(mut message) => {
                    message.entry = self.transcript.entries.len().saturating_sub(1);
                    let message = Arc::new(message);
                    self.room.held.keep(&message);
                    self.visit.messages.push(message);
                }
                Act::Close => {
                    self.flush().await?;
                    self.enter(TranscriptEvent::Closed { by_server: true, reset: false });
                    self.closed = true;
                    self.tell();
                    let _ = timeout(FAREWELL, self.stream.farewell()).await;
                }
            }
        }
        self.flush().await?;
        let receiving = self.server.receiving();
        let grown = receiving.is_some_and(|bytes| bytes > self.told + STRIDE);
        if !quiet || grown {
            self.told = receiving.unwrap_or(0);
            self.visit.receiving = receiving;
            self.tell();
        }
        Ok(())
    }

    /// Reads away what is in the clear where nothing may be but a handshake after our answer.
    async fn drop_what_stands_behind_starttls(&mut self) -> Result<(), Lost> {
        let mut buffer = [0; 4096];
        if !self.stream.has_more() {
            return Ok(());
        }
        let read = self.stream.read(&mut buffer).await?;
        let acts = self.server.came_behind_starttls(buffer.get(..read).unwrap_or_default());
        for act in acts {
            match act {
                Act::Enter(event) => self.enter(event),
                Act::Remark(finding) => self.remark(finding),
                // What is dropped is not answered.
                Act::Say(_) | Act::Pause(_) | Act::StartTls | Act::Capture(_) | Act::Close => {}
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Lost> {
        if self.out.is_empty() {
            return Ok(());
        }
        if self.stream.has_more() {
            self.server.overtaken();
        }
        let out = std::mem::take(&mut self.out);
        // A client that does not read what it is told is as silent as one that says nothing.
        match timeout(self.room.plan.limits.idle, self.stream.write(&out)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(Lost::Client(false)),
        }
    }

    async fn handshake(&mut self) -> Result<(), Lost> {
        let Stream::Clear(socket) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(Lost::Over);
        };
        let accepting = TlsAcceptor::from(self.room.tls.clone()).accept(socket);
        let implicit = self.room.plan.scenario.implicit_tls;
        let patience = HANDSHAKE.min(self.room.plan.limits.idle);
        let why = match timeout(patience, accepting).await {
            Ok(Ok(stream)) => {
                let session = session(&stream);
                let version: Arc<str> = session.version.as_str().into();
                self.visit.tls = Some(version.clone());
                self.stream = Stream::Tls(Box::new(stream));
                self.server.secured(version);
                self.enter(TranscriptEvent::TlsStarted(Arc::new(session)));
                self.tell();
                return Ok(());
            }
            Ok(Err(why)) => refused(&why, implicit),
            Err(_) => Refused {
                words: format!("the handshake did not end within {} s", patience.as_secs_f64()),
                finding: Some(no_handshake(implicit)),
            },
        };
        self.enter(TranscriptEvent::TlsFailed(HandshakeFault::Failed, why.words));
        if let Some(finding) = why.finding {
            self.remark(finding);
        }
        Err(Lost::Over)
    }

    fn enter(&mut self, event: TranscriptEvent) {
        let entry = TranscriptEntry { at: self.begun.elapsed(), tls: self.visit.tls.is_some(), event };
        self.transcript.entries.push(entry);
    }

    fn remark(&mut self, finding: Finding) {
        let entry = self.transcript.entries.len().saturating_sub(1);
        self.visit.remarks.push(Remark { entry, finding });
    }

    fn tell(&mut self) {
        self.visit.helo = self.server.helo().map(str::to_owned).or(self.visit.helo.take());
        self.visit.transcript = Arc::new(self.transcript.clone());
        self.room.news.put(ListenerNews::Visit(Arc::new(self.visit.clone())));
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.room.held.coming(self.held, 0);
    }
}

impl Stream {
    /// Reads some bytes; none means the end, which is an error here.
    async fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = match self {
            Stream::Clear(socket) => socket.read(buffer).await?,
            Stream::Tls(stream) => stream.read(buffer).await?,
            Stream::Gone => 0,
        };
        if read == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }

    /// Whether bytes of the client have come that were not read yet. The system is asked, not the runtime, which has not
    /// looked since this task runs.
    fn has_more(&mut self) -> bool {
        use std::io::BufRead;
        let waits = |socket: &TcpStream| {
            let mut byte = [0];
            rustix::net::recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok_and(|(_, read)| read > 0)
        };
        match self {
            Stream::Clear(socket) => waits(socket),
            Stream::Tls(stream) => {
                let (socket, connection) = stream.get_mut();
                waits(socket) || connection.reader().fill_buf().is_ok_and(|read| !read.is_empty())
            }
            Stream::Gone => false,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Stream::Clear(socket) => socket.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Stream::Gone => Ok(()),
        }
    }

    /// Says that nothing more comes and waits a little for the client to see it: a socket that is closed over unread bytes
    /// is reset, and the last reply with it.
    async fn farewell(&mut self) -> std::io::Result<()> {
        match self {
            Stream::Clear(socket) => socket.shutdown().await?,
            Stream::Tls(stream) => stream.shutdown().await?,
            Stream::Gone => return Ok(()),
        }
        let mut buffer = [0; 4096];
        for _ in 0..64 {
            self.read(&mut buffer).await?;
        }
        Ok(())
    }
}

fn session(stream: &TlsStream<TcpStream>) -> TlsSession {
    let (_, connection) = stream.get_ref();
    TlsSession {
        version: tls::version(connection),
        cipher: tls::cipher(connection),
        group: tls::group(connection),
        alpn: None,
        sni: connection.server_name().map(str::to_owned),
        checked_name: String::new(),
        chain: Vec::new(),
        pkix: Ok(()),
        checked_at: OffsetDateTime::UNIX_EPOCH,
    }
}

/// Why a handshake failed.
struct Refused {
    words: String,
    finding: Option<Finding>,
}

fn refused(why: &std::io::Error, implicit: bool) -> Refused {
    use rustls::AlertDescription as Alert;
    let plain = |words: String| Refused { words, finding: None };
    match tls::within(why) {
        Some(rustls::Error::AlertReceived(
            alert @ (Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::UnsupportedCertificate),
        )) => Refused {
            words: format!("the client refused the certificate (alert {})", tls::spaced(&format!("{alert:?}"))),
            finding: Some(remark::certificate_refused()),
        },
        Some(rustls::Error::AlertReceived(alert)) => {
            plain(format!("the client gave up the handshake (alert {})", tls::spaced(&format!("{alert:?}"))))
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            Refused { words: "what the client sent is no TLS".into(), finding: Some(no_handshake(implicit)) }
        }
        Some(rustls::Error::PeerIncompatible(_)) => {
            plain("the client offers no TLS version or cipher that mxray accepts (TLS 1.2 and 1.3)".into())
        }
        Some(other) => plain(other.to_string()),
        None if why.kind() == std::io::ErrorKind::UnexpectedEof => plain("the client left during the handshake".into()),
        None => plain(why.to_string()),
    }
}

fn no_handshake(implicit: bool) -> Finding {
    if implicit { remark::no_tls_on_tls_port() } else { remark::no_tls_handshake() }
}

//! The name servers of the demo world: UDP and TCP, a loopback port each. One answers like a caching resolver (RA set, AA
//! clear), one for the zones themselves (AA set), one knows no zone; and, where a fault says so, wrongly. The sockets are
//! ours because a lying server needs bytes that no honest library writes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{LowerName, Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::Asked;
use super::fault::{Fault, Faults, Shape};
use super::zones::{Reply, Zones};

/// The most that goes out in one datagram, whatever the asker allows (the DNS flag day's number).
const MAX_UDP: u16 = 1232;
/// How many questions the log keeps; a test that asks more has other troubles.
const MAX_LOG: usize = 100_000;
/// How long a TCP connection may say nothing.
const TCP_PATIENCE: Duration = Duration::from_secs(30);
/// How many datagrams are answered at once; more wait in the socket's buffer.
const MAX_AT_ONCE: usize = 1024;

/// For whom a server speaks.
pub(super) enum Role {
    /// It finds out whatever is asked, and keeps it.
    Resolver,
    /// It publishes all zones, these in another version than the resolver keeps.
    Publisher(Zones),
    /// It knows no zone.
    Stranger,
}

/// What both transports share.
pub(super) struct Server {
    pub(super) zones: Arc<Zones>,
    pub(super) faults: Arc<Mutex<Faults>>,
    pub(super) latency_us: Arc<AtomicU64>,
    role: Role,
    pub(super) log: Mutex<Vec<Asked>>,
    now_asked: AtomicUsize,
    most_at_once: AtomicUsize,
}

/// What one query gets, before any transport.
struct Plan {
    delay: Duration,
    fault: Fault,
    message: Message,
    max_udp: u16,
}

impl Server {
    pub(super) fn new(zones: Zones, faults: Faults) -> Server {
        Server {
            zones: Arc::new(zones),
            faults: Arc::new(Mutex::new(faults)),
            latency_us: Arc::default(),
            role: Role::Resolver,
            log: Mutex::default(),
            now_asked: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        }
    }

    /// Another server of the same world, as slow and as faulty; its questions are counted apart.
    pub(super) fn beside(&self, role: Role) -> Server {
        Server {
            zones: self.zones.clone(),
            faults: self.faults.clone(),
            latency_us: self.latency_us.clone(),
            role,
            log: Mutex::default(),
            now_asked: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        }
    }

    fn answer(&self, name: &LowerName, kind: RecordType, signed: bool) -> Reply {
        let refused = || Reply { rcode: ResponseCode::Refused, ..Reply::default() };
        match &self.role {
            Role::Resolver => self.zones.answer(name, kind, signed),
            Role::Publisher(newer) => newer
                .publish(name, kind, signed)
                .or_else(|| self.zones.publish(name, kind, signed))
                .unwrap_or_else(refused),
            Role::Stranger => refused(),
        }
    }

    /// The most questions that stood open at the same time.
    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::Relaxed)
    }

    /// Forgets what was asked.
    pub(super) fn forget(&self) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.most_at_once.store(0, Ordering::Relaxed);
    }

    fn plan(&self, bytes: &[u8], transport: &'static str) -> Option<Plan> {
        let request = Message::from_vec(bytes).ok()?;
        if request.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut message = Message::response(request.metadata.id, request.metadata.op_code);
        message.metadata.recursion_desired = request.metadata.recursion_desired;
        message.metadata.recursion_available = matches!(self.role, Role::Resolver);
        message.metadata.checking_disabled = request.metadata.checking_disabled;
        message.add_queries(request.queries.iter().cloned());
        let mut signed = false;
        let mut max_udp = 512;
        if let Some(edns) = &request.edns {
            signed = edns.flags().dnssec_ok;
            max_udp = edns.max_payload().clamp(512, MAX_UDP);
            let mut own = Edns::new();
            own.set_max_payload(MAX_UDP);
            own.set_dnssec_ok(signed);
            message.set_edns(own);
        }
        let latency = Duration::from_micros(self.latency_us.load(Ordering::Relaxed));
        let [question] = request.queries.as_slice() else {
            message.metadata.response_code = ResponseCode::FormErr;
            return Some(Plan { delay: latency, fault: Fault::default(), message, max_udp });
        };
        if request.metadata.op_code != OpCode::Query {
            message.metadata.response_code = ResponseCode::NotImp;
            return Some(Plan { delay: latency, fault: Fault::default(), message, max_udp });
        }
        let name = LowerName::new(question.name());
        let kind = question.query_type();
        self.note(&name, kind, transport);
        let met = self.faults.lock().unwrap_or_else(PoisonError::into_inner).meet(&name, kind);
        let fault = met.unwrap_or_default();
        let mut reply = self.answer(&name, kind, signed);
        for shape in &fault.shapes {
            match shape {
                Shape::Rcode(rcode) => reply = Reply { rcode: *rcode, ..Reply::default() },
                Shape::Absent(rcode) => {
                    // some name that is not there lends its SOA
                    let nowhere = LowerName::new(&question.name().prepend_label("-").unwrap_or_else(|_| Name::root()));
                    let authorities = self.zones.answer(&nowhere, RecordType::NULL, false).authorities;
                    reply = Reply { rcode: *rcode, authorities, ..Reply::default() };
                }
                _ => {}
            }
        }
        // as a validating resolver says it to those who ask (RFC 6840 §5.7, §5.8)
        message.metadata.authentic_data = reply.secure && (signed || request.metadata.authentic_data);
        message.metadata.authoritative = matches!(self.role, Role::Publisher(_))
            && matches!(reply.rcode, ResponseCode::NoError | ResponseCode::NXDomain);
        message.metadata.response_code = reply.rcode;
        message.add_answers(reply.answers);
        message.add_authorities(reply.authorities);
        Some(Plan { delay: latency + fault.delay, fault, message, max_udp })
    }

    fn note(&self, name: &LowerName, kind: RecordType, transport: &'static str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() < MAX_LOG {
            let name = name.to_string();
            let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
            log.push(Asked { name, kind: kind.to_string(), transport });
        }
    }

    fn enter(self: &Arc<Server>) -> Open {
        let now = self.now_asked.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        Open(self.clone())
    }
}

/// One open question; counted until it is dropped.
struct Open(Arc<Server>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.now_asked.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Plan {
    fn bytes(&self, limit: usize) -> Vec<u8> {
        let whole = self.message.to_vec().unwrap_or_default();
        if whole.len() <= limit { whole } else { self.message.truncate().to_vec().unwrap_or_default() }
    }

    /// The messages that go out, in order.
    fn replies(&self, udp: bool) -> Vec<Vec<u8>> {
        let fault = &self.fault;
        if fault.has(Shape::Timeout) {
            return Vec::new();
        }
        let mut message = self.bytes(if udp { usize::from(self.max_udp) } else { usize::from(u16::MAX) });
        if udp && fault.truncates() {
            message = self.message.truncate().to_vec().unwrap_or_default();
        }
        if fault.has(Shape::WrongName) {
            message = self.about_another_name();
        }
        if fault.has(Shape::Lowercase) {
            let mut changed = self.message.clone();
            for question in &mut changed.queries {
                question.set_name(question.name().to_lowercase());
            }
            message = changed.to_vec().unwrap_or_default();
        }
        if fault.has(Shape::NoQuestion) {
            let mut changed = self.message.clone();
            changed.queries.clear();
            message = changed.to_vec().unwrap_or_default();
        }
        for shape in &fault.shapes {
            mangle(&mut message, *shape);
        }
        let mut forged = message.clone();
        mangle(&mut forged, Shape::WrongId);
        match () {
            () if fault.has(Shape::Spoof) => vec![forged, message],
            () if fault.has(Shape::Twice) => vec![message.clone(), message],
            () => vec![message],
        }
    }

    fn about_another_name(&self) -> Vec<u8> {
        let mut changed = self.message.clone();
        let other = Name::from_ascii("elsewhere.example.").unwrap_or_else(|_| Name::root());
        changed.queries = changed.queries.iter().map(|own| Query::query(other.clone(), own.query_type())).collect();
        for record in &mut changed.answers {
            record.name = other.clone();
        }
        changed.to_vec().unwrap_or_default()
    }
}

/// Breaks the bytes of a message.
fn mangle(message: &mut Vec<u8>, shape: Shape) {
    let counts = |message: &mut Vec<u8>, counts: [u8; 8]| {
        for (at, byte) in counts.into_iter().enumerate() {
            if let Some(own) = message.get_mut(4 + at) {
                *own = byte;
            }
        }
    };
    match shape {
        Shape::WrongId => {
            if let Some(first) = message.first_mut() {
                *first ^= 0x5a;
            }
        }
        Shape::Malformed => {
            counts(message, [0, 1, 0, 1, 0, 0, 0, 0]);
            message.truncate(question_end(message));
            message.extend([0xbf; 9]);
        }
        Shape::Short => message.truncate(5),
        Shape::Empty => message.clear(),
        Shape::PtrLoop => {
            message.truncate(question_end(message));
            counts(message, [0, 1, 0, 1, 0, 0, 0, 0]);
            let own = u16::try_from(message.len()).unwrap_or(0) | 0xc000;
            message.extend(own.to_be_bytes());
            message.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        }
        Shape::Overrun => {
            message.truncate(question_end(message));
            counts(message, [0, 1, 0, 1, 0, 0, 0, 0]);
            message.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0xff, 0xff, 4, b'j', b'u', b'n', b'k']);
        }
        _ => {}
    }
}

/// Where the question section ends.
fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while let Some(length) = message.get(at).copied().filter(|length| *length > 0) {
        at += 1 + usize::from(length);
    }
    (at + 5).min(message.len())
}

/// Binds one port for both transports.
pub(super) async fn bind() -> std::io::Result<(UdpSocket, TcpListener)> {
    // the kernel picks a UDP port, which may be taken for TCP
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(why) if tries == 20 => return Err(why),
            Err(_) => tries += 1,
        }
    }
}

/// Answers datagrams until it is dropped.
pub(super) async fn serve_udp(server: Arc<Server>, socket: Arc<UdpSocket>) {
    let mut buffer = vec![0; 4096];
    let mut open = JoinSet::new();
    loop {
        // an error here is an ICMP message about an earlier answer
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        while open.try_join_next().is_some() || (open.len() >= MAX_AT_ONCE && open.join_next().await.is_some()) {}
        let Some(plan) = buffer.get(..length).and_then(|bytes| server.plan(bytes, "udp")) else { continue };
        let (socket, guard) = (socket.clone(), server.enter());
        let answer = async move {
            if !plan.delay.is_zero() {
                tokio::time::sleep(plan.delay).await;
            }
            drop(guard);
            send(&plan, &socket, peer).await
        };
        open.spawn(answer);
    }
}

async fn send(plan: &Plan, socket: &UdpSocket, peer: SocketAddr) -> std::io::Result<()> {
    for bytes in plan.replies(true) {
        if plan.fault.has(Shape::WrongPort) {
            UdpSocket::bind("127.0.0.1:0").await?.send_to(&bytes, peer).await?;
        } else {
            socket.send_to(&bytes, peer).await?;
        }
    }
    Ok(())
}

/// Answers TCP connections until it is dropped.
pub(super) async fn serve_tcp(server: Arc<Server>, listener: TcpListener) {
    let mut open = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while open.try_join_next().is_some() {}
        let server = server.clone();
        open.spawn(async move { tokio::time::timeout(TCP_PATIENCE, converse(server, stream)).await });
    }
}

async fn converse(server: Arc<Server>, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let length = stream.read_u16().await?;
        let mut bytes = vec![0; usize::from(length)];
        stream.read_exact(&mut bytes).await?;
        let Some(plan) = server.plan(&bytes, "tcp") else { return Ok(()) };
        let guard = server.enter();
        tokio::time::sleep(plan.delay).await;
        drop(guard);
        if plan.fault.has(Shape::TcReset) {
            return Ok(());
        }
        if plan.fault.has(Shape::TcTimeout) || plan.fault.has(Shape::Timeout) {
            std::future::pending::<()>().await;
        }
        for message in plan.replies(false) {
            let mut framed = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
            framed.extend(message);
            if plan.fault.has(Shape::Cut) {
                stream.write_all(framed.get(..framed.len() / 2).unwrap_or_default()).await?;
                return stream.shutdown().await;
            }
            if plan.fault.has(Shape::Dribble) {
                for byte in framed {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                    tokio::task::yield_now().await;
                }
            } else {
                stream.write_all(&framed).await?;
            }
        }
    }
}

//! DNS questions: which server, over what, how often, how long; and what an answer means.
//!
//! The exchanges are our own, on tokio's sockets, because a high-level resolver hides server, transport and rcode and is
//! too sure of itself about absence. Every way to fail ends in its own [`Outcome`]; only NXDOMAIN and an empty NOERROR
//! that answers our question are absence. DoT and DoH live in [`secure`]; names of the hosts file are never used.

pub(crate) mod authority;
mod plain;
pub(crate) mod proof;
mod read;
mod secure;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::check::{DnsAnswer, Kind, Outcome};
use crate::config::Upstream;
use crate::engine::EngineError;
use crate::engine::tls::Trust;
use crate::name::Name;
use plain::{Udp, UdpTry};
use read::Reading;
use wire::{Dress, Message};

/// After how long, at most, a lost packet is sent again: above a resolver's usual answer, far below the whole time.
const FIRST_TRY: Duration = Duration::from_secs(1);
/// How long a question for an obsolete type is out, at most: some servers drop in silence what they do not know, and no
/// verdict needs the answer.
const OBSOLETE_TYPE: Duration = Duration::from_secs(2);
/// The longest chain of CNAMEs that is followed with questions of our own.
const MAX_HOPS: usize = 8;

/// The answer to one question and how it was come by.
#[derive(Clone, Debug)]
pub(crate) struct DnsReply {
    /// What came.
    pub answer: DnsAnswer,
    /// Transport and server: `udp 192.0.2.53`.
    pub via: String,
    /// The rcode or the reason, where it is no plain answer.
    pub detail: Option<String>,
}

/// A failed exchange.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    outcome: Outcome,
    detail: Option<String>,
    via: Option<String>,
}

impl Fault {
    fn new(outcome: Outcome) -> Fault {
        Fault { outcome, detail: None, via: None }
    }

    fn failed(reason: impl Into<String>) -> Fault {
        Fault::new(Outcome::Failed(reason.into()))
    }

    fn malformed(reason: &str) -> Fault {
        Fault::new(Outcome::Malformed(reason.to_owned()))
    }

    fn no_connection(transport: &str, server: SocketAddr, why: &std::io::Error) -> Fault {
        let fault = match why.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                Fault::failed(format!("no name server listens at {transport} {server}"))
            }
            std::io::ErrorKind::NetworkUnreachable | std::io::ErrorKind::HostUnreachable => {
                Fault::failed(format!("no way to the name server {server}: is the network up?"))
            }
            _ => Fault::failed(format!("{transport} {server}: {why}")),
        };
        fault.over(format!("{transport} {server}"))
    }

    /// Notes where it happened, unless that is known already.
    fn over(mut self, via: String) -> Fault {
        self.via.get_or_insert(via);
        self
    }
}

/// The name servers that are asked together.
pub(crate) struct Servers {
    servers: Vec<Server>,
    /// The server to ask first: the one that answered when the one before was silent.
    preferred: AtomicUsize,
    timeout: Duration,
    asked_for: AskedFor,
}

/// One question as it goes out.
#[derive(Clone, Copy)]
struct Question<'n> {
    name: &'n Name,
    kind: Kind,
    dress: Dress,
    /// When nobody waits for the answer any more.
    deadline: Instant,
}

/// What a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskedFor {
    /// To find out (a resolver).
    Answers,
    /// What it publishes itself, and nothing that it would have to ask others for.
    ItsZones,
}

struct Server {
    upstream: Upstream,
    secure: Option<secure::Channel>,
    asked_for: AskedFor,
}

impl Servers {
    /// These servers; nothing is connected yet.
    pub(crate) fn new(upstreams: &[Upstream], timeout: Duration, trust: &Arc<Trust>) -> Servers {
        let servers = upstreams
            .iter()
            .map(|upstream| Server {
                upstream: upstream.clone(),
                secure: secure::Channel::of(upstream, trust),
                asked_for: AskedFor::Answers,
            })
            .collect();
        Servers { servers, preferred: AtomicUsize::new(0), timeout, asked_for: AskedFor::Answers }
    }

    /// One server that is asked for what it publishes itself.
    fn publisher(address: SocketAddr, timeout: Duration) -> Servers {
        let (upstream, asked_for) = (Upstream::Plain(address), AskedFor::ItsZones);
        let servers = vec![Server { upstream, secure: None, asked_for }];
        Servers { servers, preferred: AtomicUsize::new(0), timeout, asked_for }
    }

    /// Answers one question: tries, transports, CNAMEs and the time limit are all in here.
    pub(crate) async fn ask(&self, name: &Name, kind: Kind) -> DnsReply {
        let patience = match kind {
            Kind::Spf => self.timeout.min(OBSOLETE_TYPE),
            _ => self.timeout,
        };
        let deadline = Instant::now() + patience;
        let mut so_far = Reading::new(name, kind);
        loop {
            let question = Question { name: so_far.at(), kind, dress: Dress::Edns, deadline };
            let (message, via) = match self.exchange(question).await {
                Ok(answered) => answered,
                Err(fault) => {
                    let detail = fault.detail.or_else(|| reason(&fault.outcome));
                    let answer = so_far.failed(fault.outcome);
                    return DnsReply { answer, via: fault.via.unwrap_or_default(), detail };
                }
            };
            let detail = if message.rcode == 0 { None } else { Some(rcode_detail(&message)) };
            match so_far.take(&message) {
                read::Next::Done(answer) => {
                    let detail = reason(&answer.outcome).or(detail);
                    return DnsReply { answer, via, detail };
                }
                read::Next::Ask if self.asked_for == AskedFor::ItsZones => {
                    return DnsReply { answer: so_far.left(), via, detail };
                }
                read::Next::Ask if so_far.hops() <= MAX_HOPS => {}
                read::Next::Ask => {
                    let why = format!("more than {MAX_HOPS} CNAMEs, each in another zone");
                    let answer = so_far.failed(Outcome::Failed(why.clone()));
                    return DnsReply { answer, via, detail: Some(why) };
                }
            }
        }
    }

    /// Two tries, or one for each server, until one answers NOERROR or NXDOMAIN.
    ///
    /// A silent server costs [`FIRST_TRY`] before the next try starts beside it; the first try goes on listening, so a
    /// slow answer still counts. A failure starts the next server at once; the same server is not asked again for a
    /// failure that it has declared. Where all have been silent the first is asked once more, and a second time it is asked
    /// without EDNS: some drop what they do not know instead of complaining.
    async fn exchange(&self, question: Question<'_>) -> Result<(Message, String), Fault> {
        let count = self.servers.len();
        let first = self.preferred.load(Ordering::Relaxed).checked_rem(count).unwrap_or(0);
        let may_try = |started: usize, silent: bool| started < count.max(2) || (started == count && silent);
        let patience = FIRST_TRY.min(self.timeout / 4);
        let (mut started, mut kept): (usize, Option<Fault>) = (0, None);
        let mut running = FuturesUnordered::new();
        let mut next_try = Instant::now();
        let mut last_via = String::new();
        loop {
            if may_try(started, kept.is_none()) && Instant::now() >= next_try {
                let at = (first + started).checked_rem(count).unwrap_or(0);
                let Some(server) = self.servers.get(at) else {
                    return Err(Fault::failed("no name server is known; give one with --dns IP"));
                };
                last_via = server.via();
                let again = started >= count && kept.is_none();
                let dress = if again && question.dress == Dress::Edns { Dress::Plain } else { question.dress };
                running.push(async move { (at, server.attempt(Question { dress, ..question }).await) });
                started += 1;
                next_try = Instant::now() + patience;
            }
            let more = may_try(started, kept.is_none());
            tokio::select! {
                Some((at, result)) = running.next() => match result {
                    Ok((message, via)) => {
                        if let Some(fault) = declared(&message) {
                            kept.get_or_insert(fault.over(via));
                            if count == 1 {
                                started = count.max(2);
                            }
                        } else {
                            if at != first {
                                self.preferred.store(at, Ordering::Relaxed);
                            }
                            return Ok((message, via));
                        }
                        next_try = Instant::now();
                    }
                    Err(fault) => {
                        kept.get_or_insert(fault);
                        next_try = Instant::now();
                    }
                },
                () = sleep_until(next_try), if more => {}
                () = sleep_until(question.deadline) => break,
                else => break,
            }
            if running.is_empty() && !may_try(started, kept.is_none()) {
                break;
            }
        }
        Err(kept.unwrap_or_else(|| Fault::new(Outcome::TimedOut).over(last_via)))
    }
}

impl Server {
    fn via(&self) -> String {
        match &self.upstream {
            Upstream::Plain(address) => format!("udp {}", label(*address)),
            Upstream::Tls { .. } => self.upstream.label(),
            Upstream::Https { url, .. } => url.clone(),
        }
    }

    /// One try: with EDNS, and without it when the server cannot read that.
    async fn attempt(&self, question: Question<'_>) -> Result<(Message, String), Fault> {
        let (message, via) = self.send(question).await?;
        if matches!(message.rcode, 1 | 4 | 16) {
            return self.send(Question { dress: Dress::Plain, ..question }).await;
        }
        Ok((message, via))
    }

    async fn send(&self, question: Question<'_>) -> Result<(Message, String), Fault> {
        let Question { name, kind, dress, deadline } = question;
        let mut query = wire::query(random_id(), name, kind, dress);
        if self.asked_for == AskedFor::ItsZones {
            wire::no_recursion(&mut query);
        }
        if let Some(channel) = &self.secure {
            let message = channel.ask(query, deadline).await.map_err(|fault| fault.over(self.via()))?;
            return Ok((message, self.via()));
        }
        let Upstream::Plain(server) = self.upstream else {
            return Err(Fault::failed("this name server cannot be spoken to"));
        };
        let mut udp = UdpTry::send(server, &query).await?;
        let suspicion = match timed(deadline, udp.receive(server, &query)).await.map_err(|f| f.over(self.via()))? {
            Udp::Whole(message) => return Ok((message, self.via())),
            Udp::AskTcp { suspicion } => suspicion,
        };
        let over_tcp = timed(deadline, plain::tcp(server, &query));
        let via = format!("tcp {}", label(server));
        if suspicion.is_none() {
            return over_tcp.await.map(|message| (message, via.clone())).map_err(|fault| fault.over(via));
        }
        // Something answered that should not have. TCP cannot be forged from aside; the right datagram may still come, and
        // is waited for where TCP says nothing: one forged datagram must not end a look-up.
        let why = suspicion.unwrap_or_default();
        let from_udp = async {
            match udp.receive(server, &query).await {
                Ok(Udp::Whole(message)) => message,
                _ => std::future::pending().await,
            }
        };
        tokio::pin!(from_udp, over_tcp);
        tokio::select! {
            message = &mut from_udp => return Ok((message, self.via())),
            answered = &mut over_tcp => match answered {
                Ok(message) => return Ok((message, via)),
                Err(fault) if matches!(fault.outcome, Outcome::Malformed(_)) => return Err(fault.over(via)),
                Err(_) => {}
            },
        }
        match timeout_at(deadline, from_udp).await {
            Ok(message) => Ok((message, self.via())),
            Err(_) => Err(Fault::malformed(why).over(self.via())),
        }
    }
}

async fn timed<T>(deadline: Instant, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout_at(deadline, work).await.unwrap_or_else(|_| Err(Fault::new(Outcome::TimedOut)))
}

/// The fault that a message declares by its rcode, if any.
fn declared(message: &Message) -> Option<Fault> {
    let outcome = match message.rcode {
        0 | 3 => return None,
        2 => Outcome::ServerFailure,
        5 => Outcome::Refused,
        _ => Outcome::Failed(rcode_detail(message)),
    };
    Some(Fault { outcome, detail: Some(rcode_detail(message)), via: None })
}

/// The reason that an outcome carries.
fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed(why) | Outcome::Malformed(why) => Some(why.clone()),
        Outcome::Answer
        | Outcome::NoData
        | Outcome::NoSuchName
        | Outcome::ServerFailure
        | Outcome::Refused
        | Outcome::TimedOut => None,
    }
}

fn rcode_detail(message: &Message) -> String {
    let word = wire::rcode_word(message.rcode);
    match &message.extended {
        Some(extended) => format!("{word} ({extended})"),
        None => word,
    }
}

fn label(address: SocketAddr) -> String {
    Upstream::Plain(address).label()
}

/// An id that nobody can guess.
fn random_id() -> u16 {
    use ring::rand::SecureRandom;
    let mut bytes = [0; 2];
    // Should the system's source ever fail, the random port and the question still stand guard.
    let _ = ring::rand::SystemRandom::new().fill(&mut bytes);
    u16::from_be_bytes(bytes)
}

/// The system's resolvers, in their order.
pub(crate) fn system() -> Result<Vec<Upstream>, EngineError> {
    let (config, _) = hickory_resolver::system_conf::read_system_conf()
        .map_err(|why| EngineError::NoResolver(format!("the system's configuration cannot be read ({why})")))?;
    let mut upstreams = Vec::new();
    for server in &config.name_servers {
        let port = server.connections.first().map_or(53, |connection| connection.port);
        let upstream = Upstream::Plain(SocketAddr::new(server.ip, port));
        if !upstreams.contains(&upstream) {
            upstreams.push(upstream);
        }
    }
    if upstreams.is_empty() {
        return Err(EngineError::NoResolver("the system's configuration names none".into()));
    }
    Ok(upstreams)
}

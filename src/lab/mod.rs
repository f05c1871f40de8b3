//! A small mail internet on loopback: `mxray --demo` and the tests live in it. Authoritative DNS from the root down
//! (signed where it says so), an HTTPS policy host and mail servers with a certificate authority of their own, all in
//! this process, on ports that the kernel picks, from the files under `assets/demo/`.
//!
//! The domains stand under `.example` (RFC 2606) with documentation addresses (RFC 5737, RFC 3849); only the mission's
//! 185.199.108.153 is a real one. [`Lab::settings`] sends every connection to this process, so the demo needs no network
//! and sends no packet off the machine. `assets/demo/monsec.io.json` is the mission's zone with its real names, in the
//! format of loopdns, for measurements.
//!
//! **The private keys of this world are public and worthless.** It is not a name server or mail server for anything else.

mod bundle;
mod dns;
mod fault;
mod smtp;
mod tls;
mod type_99;
mod web;
mod world;
mod zones;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::config::{ConnectTo, Settings, Upstream};
pub use smtp::Taken;

/// The name that the demo gives in EHLO; it has an address and a reverse name in the demo world.
pub const EHLO: &str = "laptop.example";

/// Why the demo world does not start.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// No loopback socket.
    #[error("the demo world cannot listen on 127.0.0.1: {0}")]
    Bind(#[from] std::io::Error),
    /// A zone that cannot be used.
    #[error("the demo world's zone {origin} cannot be used: {why}")]
    Zone {
        /// The zone's name.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another file that cannot be used.
    #[error("the demo world's {file} cannot be used: {why}")]
    File {
        /// The file under `assets/demo/`.
        file: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl LabError {
    fn zone(origin: &str, why: &dyn std::fmt::Display) -> LabError {
        LabError::Zone { origin: origin.to_owned(), why: why.to_string() }
    }
}

/// A place of the demo world that is worth a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The domain to type.
    pub domain: &'static str,
    /// What is to be seen there, in half a sentence.
    pub about: &'static str,
}

/// A message of the demo world, signed with its own keys (or not), to be opened in the message pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoMessage {
    /// Its name, a file name without its ending.
    pub name: &'static str,
    /// What is to be seen in it, in half a sentence.
    pub about: &'static str,
    /// Its bytes.
    pub raw: &'static [u8],
}

/// A question that the name server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name, lower case, without the final dot.
    pub name: String,
    /// The record type's mnemonic.
    pub kind: String,
    /// `udp` or `tcp`.
    pub transport: &'static str,
}

/// A private key that a domain of the demo world signs mail with, published under its selector.
#[derive(Clone, Debug)]
pub struct DkimKey {
    /// The signing domain (`d=`).
    pub domain: String,
    /// The selector (`s=`).
    pub selector: String,
    /// The key, PKCS#8 in PEM: RSA, or Ed25519 with its private half alone.
    pub pem: String,
}

/// The running demo world; it ends when this is dropped.
pub struct Lab {
    dns: Arc<dns::Server>,
    address: SocketAddr,
    connect_to: Vec<ConnectTo>,
    bag: smtp::Mailbag,
    /// Dropping it stops every task.
    _tasks: JoinSet<()>,
}

impl Lab {
    /// Starts the demo world on the current tokio runtime.
    pub async fn start() -> Result<Lab, LabError> {
        let zones = zones::Zones::new(world::ZONES, world::GENERATED, world::DNSSEC)?;
        let mut faults = fault::Faults::default();
        for zone in world::ZONES {
            faults.read(zone).map_err(|why| LabError::zone("(faults)", &why))?;
        }
        let server = Arc::new(dns::Server::new(zones, faults));
        let (udp, tcp) = dns::bind().await?;
        let address = tcp.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(dns::serve_udp(server.clone(), Arc::new(udp)));
        tasks.spawn(dns::serve_tcp(server.clone(), tcp));

        let mut connect_to = Vec::new();
        let newer = zones::Zones::new(world::PUBLISHED, "", "")?;
        let publisher = listen(&mut tasks, server.beside(dns::Role::Publisher(newer))).await?;
        let stranger = listen(&mut tasks, server.beside(dns::Role::Stranger)).await?;
        for (address, knows) in world::NAME_SERVERS {
            connect_to.push(rule(Some(address), Some(53), if *knows { publisher } else { stranger }));
        }
        let hosts = smtp::Host::all()?;
        let bag = hosts.first().map(smtp::Host::bag).unwrap_or_default();
        for host in hosts {
            for port in host.ports() {
                let to = match host.listens() {
                    true => {
                        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                        let to = listener.local_addr()?.port();
                        tasks.spawn(smtp::serve(host.clone(), port, listener));
                        to
                    }
                    false => NOBODY,
                };
                connect_to.push(rule(Some(host.name()), Some(port), to));
            }
        }
        let web = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = web.local_addr()?.port();
        connect_to.extend(world::hosts().iter().map(|host| rule(Some(host), Some(443), port)));
        // a host without an address is looked up, so that the answer says why there is none
        connect_to.push(ConnectTo { host: None, port: Some(443), to_host: None, to_port: None });
        tasks.spawn(web::serve(web));
        // Who names this machine's own address means it: mxray's listener, for one.
        for host in ["127.0.0.1", "::1"] {
            connect_to.push(ConnectTo { host: Some(host.to_owned()), port: None, to_host: None, to_port: None });
        }
        // Whatever else is called, nothing leaves this machine.
        connect_to.push(rule(None, None, NOBODY));
        Ok(Lab { dns: server, address, connect_to, bag, _tasks: tasks })
    }

    /// The last messages that the mail servers took, the newest at the end. They deliver none.
    pub fn taken(&self) -> Vec<Taken> {
        self.bag.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What an engine needs in order to live in this world.
    pub fn settings(&self) -> Settings {
        Settings {
            upstreams: vec![Upstream::Plain(self.address)],
            connect_to: self.connect_to.clone(),
            extra_roots: vec![Lab::authority().as_bytes().to_vec()],
            trust_anchors: self.trust_anchor().map(str::to_owned).into_iter().collect(),
            ehlo: Some(EHLO.to_owned()),
            ..Settings::default()
        }
    }

    /// The certificate authority of this world, in PEM.
    pub fn authority() -> &'static str {
        // the file holds the private key too, which no client has use for
        world::AUTHORITY.split("-----BEGIN PRIVATE KEY-----").next().unwrap_or_default()
    }

    /// The domains worth a visit, in the order of a tour.
    pub fn targets() -> &'static [Target] {
        world::TARGETS
    }

    /// The messages worth opening, in the order of a tour.
    pub fn messages() -> &'static [DemoMessage] {
        world::MESSAGES
    }

    /// The private DKIM keys of this world's domains: public, worthless, good for signing test mail.
    pub fn keys() -> Vec<DkimKey> {
        world::keys()
    }

    /// The SMTP dialogue of the crash course between smtp.gmail.com and mail.lupton.de, slips included, in `S:` and `C:`
    /// lines; the message in it is shortened.
    pub fn transcript() -> &'static str {
        world::TRANSCRIPT
    }

    /// The root's DNSKEY, as a line of a trust-anchor file; the chain below it holds `example`, `flawless.example` and
    /// `servers.example`.
    pub fn trust_anchor(&self) -> Option<&str> {
        self.dns.zones.anchor()
    }

    /// Where the name server listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names of all zones, without the final dot.
    pub fn zones(&self) -> Vec<String> {
        let mut names: Vec<String> = self.dns.zones.origins().map(|name| bare(&name.to_string())).collect();
        names.sort();
        names
    }

    /// Every record of the zones in master-file text, sorted; without signatures and proofs. The error names the zone that
    /// cannot be read (until then, questions about it are answered SERVFAIL).
    pub fn records(&self) -> Result<Vec<String>, LabError> {
        let mut lines: Vec<String> = self.dns.zones.records()?.into_iter().map(type_99::written).collect();
        lines.sort();
        Ok(lines)
    }

    /// What the name server was asked so far, in order.
    pub fn query_log(&self) -> Vec<Asked> {
        self.dns.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most questions that stood open at the same time.
    pub fn most_at_once(&self) -> usize {
        self.dns.most_at_once()
    }

    /// Forgets what was asked.
    pub fn forget_queries(&self) {
        self.dns.forget();
    }

    /// Lets every DNS answer take so long.
    pub fn set_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.dns.latency_us.store(micros, Ordering::Relaxed);
    }

    /// Makes the name server wrong about a name (`*.NAME`: about every name below it), for one record type or all, in
    /// the words of loopdns: `servfail`, `slow 300`, `truncate,cut`, `timeout x1`.
    pub fn set_fault(&self, name: &str, kind: Option<&str>, fault: &str) -> Result<(), String> {
        let kind = kind.map(type_99::or).transpose()?;
        self.dns.faults.lock().unwrap_or_else(PoisonError::into_inner).set(name, kind, fault)
    }

    /// Makes every name server honest, those of `broken.example` too.
    pub fn clear_faults(&self) {
        self.dns.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A loopback port on which nothing listens: connections to it are refused at once.
const NOBODY: u16 = 1;

/// Starts a name server of its own; its port.
async fn listen(tasks: &mut JoinSet<()>, server: dns::Server) -> Result<u16, LabError> {
    let (udp, tcp) = dns::bind().await?;
    let (port, server) = (tcp.local_addr()?.port(), Arc::new(server));
    tasks.spawn(dns::serve_udp(server.clone(), Arc::new(udp)));
    tasks.spawn(dns::serve_tcp(server, tcp));
    Ok(port)
}

fn rule(host: Option<&str>, port: Option<u16>, to: u16) -> ConnectTo {
    ConnectTo { host: host.map(str::to_owned), port, to_host: Some(Ipv4Addr::LOCALHOST.to_string()), to_port: Some(to) }
}

fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

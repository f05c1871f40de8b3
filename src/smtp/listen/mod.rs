//! The server's side of SMTP (RFC 5321), for the person who debugs what a sender does: mxray listens, answers as the chosen
//! [`Scenario`] says, keeps what comes and remarks on what is strange. Pure: bytes go in, [`Act`]s come out; the engine
//! has the socket and the clock.
//!
//! Deliberately absent: delivering, relaying, and keeping credentials. What a client says of a secret is masked before it
//! leaves this room.

mod body;
mod chunk;
mod command;
mod line;
mod login;
mod message;
mod path;
pub mod remark;
mod scenario;
mod server;
#[cfg(test)]
mod tests;
pub mod words;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use scenario::{PRESETS, Scenario};
pub use server::{Act, Server};

/// Where a listener listens when nothing else is said: only this machine reaches it, and no privilege is needed.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:2525";

/// The name that the listener gives itself; `.localhost` never leaves the machine (RFC 6761 §6.3).
pub const OUR_NAME: &str = "mxray.localhost";

/// What is listened to, and how it is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where to listen; port 0: whichever is free.
    pub address: SocketAddr,
    /// How to answer.
    pub scenario: Scenario,
    /// How much of anything.
    pub limits: Limits,
}

impl Plan {
    /// A plan with the usual limits.
    pub fn new(address: SocketAddr, scenario: Scenario) -> Plan {
        Plan { address, scenario, limits: Limits::default() }
    }

    /// Reads `ADDR:PORT`, `ADDR`, `PORT` or `:PORT`, and behind it the replies, separated by `;`.
    pub fn parse(text: &str) -> Result<Plan, String> {
        let text = text.trim();
        let (place, replies) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let words: Vec<&str> = replies.split(';').map(str::trim).filter(|word| !word.is_empty()).collect();
        Ok(Plan::new(address(place)?, Scenario::parse(&words)?))
    }

    /// Whether others than this machine can reach it.
    pub fn is_public(&self) -> bool {
        !self.address.ip().is_loopback()
    }
}

/// Reads where to listen.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let text = if text.is_empty() { DEFAULT_ADDRESS } else { text };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(SocketAddr::new(loopback, port));
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(loopback, port));
    }
    match text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(ip) => Ok(SocketAddr::new(ip, 2525)),
        Err(_) => Err(format!("{text}: expected ADDR:PORT with an address of this machine, like {DEFAULT_ADDRESS}")),
    }
}

/// How much of anything a listener takes before it says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at once; more are answered 421.
    pub sessions: usize,
    /// Bytes of a message; it is what SIZE offers, and a larger one is answered 552.
    pub message: u64,
    /// Recipients of a message; RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub recipients: usize,
    /// Commands in a session.
    pub commands: usize,
    /// Commands in a session that could not be understood.
    pub errors: usize,
    /// How long a client may say nothing (RFC 5321 §4.5.3.2.7: at least 5 minutes).
    pub idle: Duration,
    /// How long a session may last, however busy.
    pub total: Duration,
    /// Bytes of all messages that are kept or are coming in; more are answered 452.
    pub held: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sessions: 64,
            message: 25_000_000,
            recipients: 100,
            commands: 2000,
            errors: 25,
            idle: Duration::from_secs(300),
            total: Duration::from_secs(3600),
            held: 256_000_000,
        }
    }
}

/// Who tried to send what to whom before, for greylisting.
#[derive(Debug, Default)]
pub struct Greylist {
    known: HashSet<(IpAddr, String, String)>,
}

impl Greylist {
    /// Whether this is the first try; the next one is none.
    fn is_first(&mut self, client: IpAddr, sender: &str, recipient: &str) -> bool {
        // A hostile client could name any number; a real greylist forgets too.
        if self.known.len() >= 10_000 {
            self.known.clear();
        }
        self.known.insert((client, sender.to_ascii_lowercase(), recipient.to_ascii_lowercase()))
    }
}

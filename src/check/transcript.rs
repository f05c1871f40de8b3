//! An SMTP dialogue as evidence: what was planned ([`Dialogue`]) and what was said so far ([`Transcript`]).

use std::net::SocketAddr;
use std::time::Duration;

/// What the engine is asked to say to one SMTP server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dialogue {
    /// The name to greet and to verify: an MX host, or an address literal's text.
    pub host: String,
    /// Where to connect.
    pub address: SocketAddr,
    /// The name that we give in EHLO.
    pub ehlo: String,
    /// Whether TLS starts with the first byte (port 465).
    pub implicit_tls: bool,
}

/// Everything said in one dialogue so far, in order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Transcript {
    /// What happened.
    pub entries: Vec<TranscriptEntry>,
    /// Whether nothing more will come.
    pub finished: bool,
}

/// One thing that happened in a dialogue.
#[derive(Clone, Debug, PartialEq)]
pub struct TranscriptEntry {
    /// Since the dialogue began.
    pub at: Duration,
    /// Whether it went through TLS.
    pub tls: bool,
    /// What happened.
    pub event: TranscriptEvent,
}

/// What can happen in a dialogue.
#[derive(Clone, Debug, PartialEq)]
pub enum TranscriptEvent {
    /// The connection stands.
    Connected,
    /// We sent these bytes, secrets masked.
    Sent(Vec<u8>),
    /// The server sent this line.
    Received(Vec<u8>),
    /// The server closed the connection.
    Closed,
    /// It failed: the reason.
    Failed(String),
}

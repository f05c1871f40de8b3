//! An SMTP session as the listener held it: mxray was the server, somebody's sender the client. Pure data, like the
//! [`Transcript`] in it, whose directions stay those of SMTP: `Sent` is what the client said, `Received` what the server
//! (here: mxray) answered.

use std::net::SocketAddr;
use std::sync::Arc;

use time::OffsetDateTime;

use super::Transcript;
use crate::finding::{Finding, Severity};

/// One session with one client, so far or whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// Counted from 1 as clients connect.
    pub number: u64,
    /// The client's end.
    pub client: SocketAddr,
    /// When it connected.
    pub begun: OffsetDateTime,
    /// What was said so far.
    pub transcript: Arc<Transcript>,
    /// The name in its newest greeting.
    pub helo: Option<String>,
    /// The TLS version, once TLS stands.
    pub tls: Option<Arc<str>>,
    /// What was strange, each beside the entry that showed it.
    pub remarks: Vec<Remark>,
    /// The messages that came in, in order.
    pub messages: Vec<Arc<Captured>>,
    /// Bytes so far of a message that is coming in.
    pub receiving: Option<u64>,
}

impl Visit {
    /// The worst of the remarks.
    pub fn worst(&self) -> Severity {
        self.remarks.iter().map(|remark| remark.finding.severity).max().unwrap_or(Severity::Ok)
    }
}

/// Something strange in a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Remark {
    /// The entry of the transcript that shows it.
    pub entry: usize,
    /// What it is.
    pub finding: Finding,
}

/// A message as it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Captured {
    /// Counted from 1 in its session.
    pub number: usize,
    /// The entry of the transcript that it came with.
    pub entry: usize,
    /// The envelope that it came in.
    pub envelope: Arc<HeardEnvelope>,
    /// The message, dots unstuffed, otherwise as it was sent.
    pub raw: Arc<[u8]>,
    /// What the client was answered.
    pub reply: String,
    /// Whether that was yes.
    pub accepted: bool,
}

/// An envelope that was seen and not guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardEnvelope {
    /// The session.
    pub visit: u64,
    /// The client's end.
    pub client: SocketAddr,
    /// The name in HELO or EHLO.
    pub helo: String,
    /// The reverse-path; the empty text is the null sender.
    pub mail_from: String,
    /// The forward-paths that were accepted.
    pub rcpt_to: Vec<String>,
    /// The TLS version; `None`: it came in the clear.
    pub tls: Option<Arc<str>>,
}

/// What a listener tells. The newest of each item wins: the listener itself, each session, the number turned away.
#[derive(Clone, Debug)]
pub enum ListenerNews {
    /// It listens.
    Listening {
        /// Where, the port that the system chose included.
        address: SocketAddr,
        /// SHA-256 of its certificate, in hexadecimal.
        certificate: Arc<str>,
    },
    /// It cannot, or not any more: why and what to do.
    Failed(String),
    /// A session began, grew or ended.
    Visit(Arc<Visit>),
    /// So many clients were turned away because too many were there.
    TurnedAway(u64),
}

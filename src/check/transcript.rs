//! An SMTP dialogue as evidence: what was planned ([`Dialogue`]) and what was said so far ([`Transcript`]).
//!
//! Pure data. What is said next is [`crate::smtp`]'s business (a pure step over the transcript so far), who holds the
//! socket is the engine's. Typed lines, silence, a failed handshake and a closed connection are entries like any other,
//! so hands-on use, a probe and an imported text have one shape.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::check::bytes;

/// What the engine is asked to say to one SMTP server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dialogue {
    /// The name to greet, to send as SNI and to verify: an MX host, or an address literal's text.
    pub host: String,
    /// Where to connect.
    pub address: SocketAddr,
    /// The name that we give in EHLO; `None`: the engine's own.
    pub ehlo: Option<String>,
    /// When TLS starts.
    pub tls: TlsMode,
    /// SMTP or LMTP (RFC 2033): the greeting differs.
    pub lmtp: bool,
    /// The reverse-path to try, `<>` being the empty text; `None`: MAIL FROM is not sent.
    pub mail_from: Option<String>,
    /// The forward-paths to try.
    pub rcpt_to: Vec<String>,
    /// A message to send, composed and confirmed by the person; `None`: DATA is never sent.
    #[serde(with = "bytes::option")]
    pub data: Option<Arc<[u8]>>,
    /// Where to stop, with QUIT.
    pub stop_after: Stage,
    /// Whether the lines come from the person instead of the probe.
    pub hands_on: bool,
}

impl Dialogue {
    /// The polite look: connect, banner, EHLO, STARTTLS where offered, EHLO again, QUIT.
    pub fn look(host: impl Into<String>, address: SocketAddr) -> Dialogue {
        let tls = if address.port() == 465 { TlsMode::Implicit } else { TlsMode::Auto };
        Dialogue {
            host: host.into(),
            address,
            ehlo: None,
            tls,
            lmtp: false,
            mail_from: None,
            rcpt_to: Vec::new(),
            data: None,
            stop_after: Stage::Data,
            hands_on: false,
        }
    }
}

/// When TLS starts in a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// STARTTLS where it is offered, clear text otherwise: an opportunistic sender.
    Auto,
    /// Never: what a stripped connection looks like.
    Never,
    /// STARTTLS must work, else QUIT.
    Require,
    /// From the first byte (port 465, RFC 8314 §3.3).
    Implicit,
}

/// The stages of a dialogue, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "named after the commands that open them")]
#[rustfmt::skip]
pub enum Stage { Connect, Banner, Ehlo, StartTls, Auth, MailFrom, RcptTo, Data, Quit }

/// Everything said in one dialogue so far, in order.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Transcript {
    /// What happened.
    pub entries: Vec<TranscriptEntry>,
    /// Whether nothing more will come.
    pub finished: bool,
}

/// One thing that happened in a dialogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TranscriptEntry {
    /// Since the dialogue began.
    pub at: Duration,
    /// Whether it went through TLS.
    pub tls: bool,
    /// What happened.
    pub event: TranscriptEvent,
}

/// What can happen in a dialogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranscriptEvent {
    /// The connection stands.
    Connected {
        /// Our end; `None` in an imported text.
        local: Option<SocketAddr>,
        /// The server's end.
        peer: Option<SocketAddr>,
    },
    /// No connection: why.
    NotConnected(ConnectFault, String),
    /// We sent this line, without its line end; a secret is masked already.
    Sent {
        /// The bytes as they may be shown.
        #[serde(with = "bytes")]
        line: Vec<u8>,
        /// Whether something in it was masked.
        masked: bool,
    },
    /// We sent a message (DATA): so many bytes, dot-stuffed, the final dot included.
    SentMessage {
        /// How many bytes went out.
        bytes: usize,
    },
    /// The server sent this line, without its line end.
    Received {
        /// The bytes, up to the bound of a line.
        #[serde(with = "bytes")]
        line: Vec<u8>,
        /// How the line ended.
        ending: LineEnding,
    },
    /// TLS stands.
    TlsStarted(Arc<TlsSession>),
    /// The handshake failed: why, in words.
    TlsFailed(HandshakeFault, String),
    /// TLS stood, and what came then was not its next record, or was an alert that ends it: what, in words.
    TlsBroken(String),
    /// The server said nothing for so long although it was its turn.
    Silence(Duration),
    /// The server spoke before it was its turn: bytes that stood in the buffer (dropped after STARTTLS, RFC 3207 §4.2).
    EarlyTalk(#[serde(with = "bytes")] Vec<u8>),
    /// The connection ended.
    Closed {
        /// Whether the server ended it.
        by_server: bool,
        /// Whether it was a reset, not an orderly close.
        reset: bool,
    },
    /// We stopped at one of our bounds: which.
    GaveUp(String),
    /// What the person wanted said and was not: what, and why.
    Withheld(String),
}

/// What kind of failure a handshake is: what others would have come to depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandshakeFault {
    /// The server speaks no TLS as new as 1.2: senders of today have no use for it (RFC 8996).
    OldVersion,
    /// The server accepts none of the ciphers, groups and signatures that mxray offers; who offers more may come through.
    NothingInCommon,
    /// The server's TLS does not work, or is none.
    Failed,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectFault {
    /// The port is closed.
    Refused,
    /// Nobody answered: a firewall on the way, or a dead host.
    TimedOut,
    /// No route.
    Unreachable,
    /// Anything else.
    Other,
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineEnding {
    /// CR LF, as it must be (RFC 5321 §2.3.8).
    CrLf,
    /// LF alone.
    Lf,
    /// Nothing: the connection ended first.
    None,
    /// Our bound on the length of a line.
    Cut,
}

/// What TLS agreed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TlsSession {
    /// `TLS 1.3`.
    pub version: String,
    /// The cipher suite as IANA names it.
    pub cipher: String,
    /// The key-exchange group, where known.
    pub group: Option<String>,
    /// The protocol that ALPN chose.
    pub alpn: Option<String>,
    /// The name sent as SNI; none for an address.
    pub sni: Option<String>,
    /// The name or address that the certificate was checked against.
    pub checked_name: String,
    /// The certificates as the server sent them, DER, the leaf first.
    #[serde(with = "bytes::list")]
    pub chain: Vec<Arc<[u8]>>,
    /// Whether a sender that checks (PKIX, RFC 5280 and RFC 6125) would accept the chain for the name, by the clock below.
    pub pkix: Result<(), PkixFault>,
    /// The clock that the check used.
    #[serde(with = "time::serde::rfc3339")]
    pub checked_at: OffsetDateTime,
}

/// Why PKIX verification fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PkixFault {
    /// The leaf, or a certificate above it, is past its end.
    Expired,
    /// Its validity begins later.
    NotYetValid,
    /// None of its names is the name that was checked.
    WrongName,
    /// It signed itself, and nobody trusts it.
    SelfSigned,
    /// No path to a trusted root (perhaps an intermediate was not sent).
    UnknownIssuer,
    /// Not made for a server (extended key usage).
    WrongUsage,
    /// Revoked, bad signature, unreadable: the verifier's word.
    Other(String),
}

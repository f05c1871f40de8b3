//! What the engine is asked to do ([`Job`]) and what it tells while it does it ([`JobEvent`]). Pure data; the engine makes
//! the subject of it (parsing a message is work, and happens there).

use std::net::IpAddr;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::check::{Evidence, HeardEnvelope, Stage, TlsMode, Transcript};
use crate::name::Name;
use crate::report::{Lookup, Report, Section, Table, VerdictLine};

/// The number of a job; a screen drops what comes from a job that is no longer its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// A job with what is common to all.
#[derive(Clone, Debug)]
pub struct Job {
    /// What to look at.
    pub task: Task,
    /// The ids of the checks to run; empty: all.
    pub only: Vec<String>,
    /// The clock that verdicts use; `None`: the engine's.
    pub now: Option<OffsetDateTime>,
    /// Whether cached answers are passed over (`r`: ask again).
    pub fresh: bool,
    /// Answers that go before the network's (what-if, case files); with `offline`, the only ones.
    pub evidence: Option<Arc<Evidence>>,
    /// Whether nothing may be sent: every question without evidence is answered "offline".
    pub offline: bool,
}

impl Job {
    /// A job with every check, the engine's clock and cache.
    pub fn new(task: Task) -> Job {
        Job { task, only: Vec::new(), now: None, fresh: false, evidence: None, offline: false }
    }
}

/// What to look at.
#[derive(Clone, Debug)]
pub enum Task {
    /// Everything that a domain publishes.
    Domain {
        /// The domain.
        name: Name,
        /// DKIM selectors that the person named or that mail showed.
        selectors: Vec<String>,
    },
    /// check_host() of RFC 7208.
    Spf {
        /// The domain whose policy is asked, as typed (it may be no name that DNS can carry).
        domain: String,
        /// The client's address.
        ip: IpAddr,
        /// MAIL FROM; empty or absent: `postmaster@helo`.
        mail_from: Option<String>,
        /// HELO.
        helo: Option<String>,
    },
    /// DMARC policy discovery.
    Dmarc {
        /// The Author Domain.
        name: Name,
    },
    /// A raw message.
    Message {
        /// The bytes as they came; repair happens in the subject.
        raw: Arc<[u8]>,
        /// What the person says of the envelope.
        envelope: Envelope,
    },
    /// A dialogue with a mail server.
    Smtp {
        /// A domain (its MX), `host`, `host:port` or an address.
        target: String,
        /// How to speak.
        plan: SmtpPlan,
    },
    /// A dialogue that somebody wrote down: nothing is asked.
    Dialogue {
        /// The text.
        text: Arc<str>,
    },
}

/// How to speak with a mail server; the default looks politely and sends no mail.
#[derive(Clone, Debug, PartialEq)]
pub struct SmtpPlan {
    /// The reverse-path to try; the empty text is the null sender. Without it, MAIL FROM is not sent.
    pub mail_from: Option<String>,
    /// The forward-paths to try.
    pub rcpt_to: Vec<String>,
    /// The name to give in EHLO; `None`: the engine's.
    pub ehlo: Option<String>,
    /// When TLS starts; `Auto` becomes `Implicit` on port 465.
    pub tls: TlsMode,
    /// Only addresses of this family.
    pub family: Option<Family>,
    /// LMTP instead of SMTP.
    pub lmtp: bool,
    /// Where to stop, with QUIT.
    pub stop_after: Stage,
    /// Whether the person types the lines.
    pub hands_on: bool,
    /// A message to send, composed and confirmed by the person.
    pub data: Option<Arc<[u8]>>,
}

impl Default for SmtpPlan {
    fn default() -> SmtpPlan {
        SmtpPlan {
            mail_from: None,
            rcpt_to: Vec::new(),
            ehlo: None,
            tls: TlsMode::Auto,
            family: None,
            lmtp: false,
            stop_after: Stage::Data,
            hands_on: false,
            data: None,
        }
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What the person says of a message's envelope; each field overrides what the headers tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// HELO.
    pub helo: Option<String>,
    /// MAIL FROM; the empty text is the null sender.
    pub mail_from: Option<String>,
    /// The border hop, counted from 1 at the topmost Received.
    pub hop: Option<usize>,
    /// What the listener saw, for a message that it captured; what the person says goes over it.
    pub heard: Option<Arc<HeardEnvelope>>,
}

/// How far something has come that takes longer than a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, for a person.
    pub doing: &'static str,
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub of: u64,
}

/// What was given is not what the task is about (no message, say): nothing was looked at, and nothing can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is or seems to be, in a sentence.
    pub what: String,
    /// What to do instead, in a sentence.
    pub advice: String,
    /// A domain that it names and that could be looked at instead.
    pub domain: Option<Name>,
}

/// What a job tells. Newest wins for each item of a job: a section by its id, a lookup by its number, a dialogue by its
/// lookup's number.
#[derive(Clone, Debug)]
pub enum JobEvent {
    /// A lookup was asked, or has ended.
    Lookup(Lookup),
    /// A section is there (or there anew: a dialogue grew).
    Section(Arc<Section>),
    /// The lines above the sections, from what is there so far.
    Verdict(Vec<VerdictLine>, Option<Table>),
    /// Something takes longer than a moment: how far it is.
    Progress(Progress),
    /// A dialogue grew.
    Dialogue(crate::report::LookupId, Arc<Transcript>),
    /// Everything is there; nothing more comes. The evidence is what a case file saves.
    Finished(Arc<Report>, Arc<Evidence>),
    /// There is nothing to be done with what was given; nothing more comes.
    Refused(Refusal),
    /// The job could not be done at all: no resolver, no such host; nothing more comes.
    Failed(String),
}

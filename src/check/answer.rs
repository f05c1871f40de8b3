//! What the world answers, as data. A failed look-up is an answer too.
//!
//! **Only NXDOMAIN, or NOERROR without data, whose question equals ours, is absence; everything else is unknown.**
//! [`DnsAnswer::look`] is the one place where that line is drawn.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::check::bytes;
use crate::check::transcript::Transcript;
use crate::name::Name;

/// What came back for a [`crate::check::Query`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// For a DNS question.
    Dns(DnsAnswer),
    /// For an HTTPS question.
    Https(HttpsAnswer),
    /// For a dialogue, finished or still growing.
    Smtp(Transcript),
}

/// The answer to a DNS question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DnsAnswer {
    /// How it ended.
    pub outcome: Outcome,
    /// The records of the type asked for, at the end of the CNAME chain if there is one; nothing else.
    pub records: Vec<Record>,
    /// The CNAMEs that were followed, in order.
    pub aliases: Vec<Record>,
    /// Seconds that the answer may be kept: the least TTL, or the negative TTL (RFC 2308 §5).
    pub ttl: Option<u32>,
    /// What DNSSEC says, and who says so.
    pub dnssec: Dnssec,
    /// Whether the server speaks for the zone itself (AA); resolvers do not.
    #[serde(default)]
    pub authoritative: bool,
}

impl DnsAnswer {
    /// An answer with no records.
    pub fn empty(outcome: Outcome) -> DnsAnswer {
        DnsAnswer {
            outcome,
            records: Vec::new(),
            aliases: Vec::new(),
            ttl: None,
            dnssec: Dnssec::Unknown,
            authoritative: false,
        }
    }

    /// Found, absent, or could not look.
    pub fn look(&self) -> Look<'_> {
        match &self.outcome {
            Outcome::Answer if !self.records.is_empty() => Look::Found(&self.records),
            Outcome::Answer | Outcome::NoData => Look::Absent(Absence::NoData),
            Outcome::NoSuchName => Look::Absent(Absence::NoSuchName),
            Outcome::ServerFailure
            | Outcome::Refused
            | Outcome::TimedOut
            | Outcome::Malformed(_)
            | Outcome::Failed(_) => Look::Unknown(&self.outcome),
        }
    }

    /// What was proven of this answer, read beside the plain one: where nothing could be validated, what the resolver
    /// claims of the plain answer is all that there is.
    pub fn dnssec_or_claim(&self, plain: &DnsAnswer) -> Dnssec {
        match self.dnssec {
            proven @ (Dnssec::Secure | Dnssec::Insecure | Dnssec::Bogus) => proven,
            Dnssec::Claimed | Dnssec::Unknown => plain.dnssec,
        }
    }

    /// Whether the name surely does not exist.
    pub fn is_no_such_name(&self) -> bool {
        self.outcome == Outcome::NoSuchName
    }

    /// The texts of TXT records, each record's strings joined with nothing between (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
    pub fn texts(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.records.iter().filter_map(|record| match &record.data {
            Data::Txt(strings) => Some(strings.concat()),
            _ => None,
        })
    }

    /// The addresses of A and AAAA records.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.records.iter().filter_map(|record| match record.data {
            Data::A(v4) => Some(IpAddr::V4(v4)),
            Data::Aaaa(v6) => Some(IpAddr::V6(v6)),
            _ => None,
        })
    }

    /// The names that MX, NS, PTR and CNAME records point at.
    pub fn targets(&self) -> impl Iterator<Item = &Name> + '_ {
        self.records.iter().filter_map(|record| match &record.data {
            Data::Mx { exchange: target, .. } | Data::Ns(target) | Data::Ptr(target) | Data::Cname(target) => {
                Some(target)
            }
            _ => None,
        })
    }
}

/// What an answer says about presence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Look<'a> {
    /// Records are there.
    Found(&'a [Record]),
    /// Surely nothing is there.
    Absent(Absence),
    /// We could not look; the outcome says why.
    Unknown(&'a Outcome),
}

/// The two ways to be surely absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The name exists, without records of this type.
    NoData,
    /// The name does not exist, and nothing below it (RFC 8020).
    NoSuchName,
}

/// How a DNS look-up ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Records came (perhaps only CNAMEs that lead nowhere).
    Answer,
    /// NOERROR without data.
    NoData,
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    ServerFailure,
    /// REFUSED.
    Refused,
    /// No answer in time, after every try.
    TimedOut,
    /// An answer that cannot be read, or that answers another question; the reason.
    Malformed(String),
    /// Another rcode, no connection, a bound of ours; the reason.
    Failed(String),
}

impl Outcome {
    /// The word in the contract's `outcome`.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Answer => "answer",
            Outcome::NoData => "nodata",
            Outcome::NoSuchName => "nxdomain",
            Outcome::ServerFailure => "servfail",
            Outcome::Refused => "refused",
            Outcome::TimedOut => "timeout",
            Outcome::Malformed(_) => "malformed",
            Outcome::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    /// In words that end a sentence "we could not look: …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Answer => f.write_str("answered"),
            Outcome::NoData => f.write_str("the name has no such record"),
            Outcome::NoSuchName => f.write_str("the name does not exist"),
            Outcome::ServerFailure => f.write_str("the server failed (SERVFAIL)"),
            Outcome::Refused => f.write_str("the server refused"),
            Outcome::TimedOut => f.write_str("no answer in time"),
            Outcome::Malformed(reason) => write!(f, "the answer cannot be read ({reason})"),
            Outcome::Failed(reason) => f.write_str(reason),
        }
    }
}

/// What DNSSEC says about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dnssec {
    /// Validated here, up to the trust anchor.
    Secure,
    /// Surely unsigned.
    Insecure,
    /// Signed, and the signatures do not hold.
    Bogus,
    /// A resolver said so with its AD bit; we did not validate.
    Claimed,
    /// Nobody looked.
    Unknown,
}

impl Dnssec {
    /// The word in the contract's `dnssec`. A claim that was not validated here is `unknown`.
    pub fn word(self) -> &'static str {
        match self {
            Dnssec::Secure => "secure",
            Dnssec::Insecure => "insecure",
            Dnssec::Bogus => "bogus",
            Dnssec::Claimed | Dnssec::Unknown => "unknown",
        }
    }
}

/// One resource record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The owner name.
    pub owner: Name,
    /// TTL in seconds as it was answered.
    pub ttl: u32,
    /// The data.
    pub data: Data,
}

/// The data of a record, in the words of its RFC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "fields are named as the RFCs name them")]
pub enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(Name),
    Mx {
        preference: u16,
        exchange: Name,
    },
    Ns(Name),
    Soa {
        mname: Name,
        rname: Name,
        serial: u32,
        refresh: i32,
        retry: i32,
        expire: i32,
        minimum: u32,
    },
    Ptr(Name),
    Txt(#[serde(with = "bytes::list")] Vec<Vec<u8>>),
    Tlsa {
        usage: u8,
        selector: u8,
        matching: u8,
        #[serde(with = "bytes")]
        data: Vec<u8>,
    },
    Caa {
        flags: u8,
        #[serde(with = "bytes")]
        tag: Vec<u8>,
        #[serde(with = "bytes")]
        value: Vec<u8>,
    },
    Ds {
        key_tag: u16,
        algorithm: u8,
        digest_type: u8,
        #[serde(with = "bytes")]
        digest: Vec<u8>,
    },
    Dnskey {
        flags: u16,
        protocol: u8,
        algorithm: u8,
        #[serde(with = "bytes")]
        key: Vec<u8>,
    },
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: Name,
    },
    /// Type 99. It is not [`Data::Txt`], so that nobody evaluates it (RFC 7208 §3.1).
    Spf(#[serde(with = "bytes::list")] Vec<Vec<u8>>),
    /// Any other type, in presentation form.
    Other(String),
}

/// The answer to an HTTPS question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpsAnswer {
    /// How it ended.
    pub outcome: HttpsOutcome,
    /// The address that was spoken to.
    pub address: Option<IpAddr>,
    /// The CNAMEs of the host that were followed.
    pub aliases: Vec<Name>,
}

/// How an HTTPS look-up ended; each way to fail is its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpsOutcome {
    /// A response with status 200.
    Body {
        /// The value of `Content-Type`.
        content_type: Option<String>,
        /// The body, up to the cap of the rules.
        #[serde(with = "bytes")]
        body: Vec<u8>,
        /// Whether the body went on past the cap.
        cut: bool,
    },
    /// Another status than 200 that is no redirect.
    Status(u16),
    /// A redirect, which was not followed.
    Redirect {
        /// The status.
        status: u16,
        /// Where it wanted us to go.
        location: Option<String>,
    },
    /// The host has no address; absence, or why we could not look.
    NoAddress(Outcome),
    /// No connection to any address: the reason.
    NoConnection(String),
    /// TLS failed: why, in plain words ("the certificate expired on …").
    Tls(String),
    /// Not whole within the time: what had been reached ("connected", "the body after 20 bytes").
    TimedOut(String),
    /// Anything else: the reason.
    Failed(String),
}

impl HttpsOutcome {
    /// The word in the contract's `outcome`.
    pub fn word(&self) -> &'static str {
        match self {
            HttpsOutcome::Body { .. } => "answer",
            HttpsOutcome::TimedOut(_) => "timeout",
            HttpsOutcome::NoAddress(outcome) => match outcome {
                Outcome::Answer => "failed",
                other => other.word(),
            },
            HttpsOutcome::Status(_)
            | HttpsOutcome::Redirect { .. }
            | HttpsOutcome::NoConnection(_)
            | HttpsOutcome::Tls(_)
            | HttpsOutcome::Failed(_) => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nxdomain_and_empty_noerror_are_absence() {
        assert_eq!(DnsAnswer::empty(Outcome::NoSuchName).look(), Look::Absent(Absence::NoSuchName));
        assert_eq!(DnsAnswer::empty(Outcome::NoData).look(), Look::Absent(Absence::NoData));
        for fault in [
            Outcome::ServerFailure,
            Outcome::Refused,
            Outcome::TimedOut,
            Outcome::Malformed("junk".into()),
            Outcome::Failed("NOTIMP".into()),
        ] {
            assert_eq!(DnsAnswer::empty(fault.clone()).look(), Look::Unknown(&fault));
        }
    }
}

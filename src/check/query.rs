//! The questions that a check may ask. Equal questions are one question: the engine joins them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::check::transcript::Dialogue;
use crate::name::Name;

/// A question to the world outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// Records of one type at one name.
    Dns {
        /// The owner name.
        name: Name,
        /// The type.
        kind: Kind,
    },
    /// The same of one server that should answer for the zone itself, without recursion. It is never kept.
    At {
        /// The server's address.
        server: IpAddr,
        /// The owner name.
        name: Name,
        /// The type.
        kind: Kind,
    },
    /// The same, validated here from the trust anchor down (RFC 4035 §5): a chain of questions of its own.
    Validated {
        /// The owner name.
        name: Name,
        /// The type.
        kind: Kind,
    },
    /// A small file over HTTPS.
    Https {
        /// The URL, `https` only.
        url: Arc<str>,
        /// What is fetched, which sets the rules.
        rules: HttpsRules,
    },
    /// One SMTP dialogue with one host; never joined, cached or retried.
    Smtp(Arc<Dialogue>),
}

impl Query {
    /// The question for `kind` at `name`.
    pub fn dns(name: &Name, kind: Kind) -> Query {
        Query::Dns { name: name.clone(), kind }
    }

    /// The question whether DNSSEC holds for `kind` at `name`.
    pub fn validated(name: &Name, kind: Kind) -> Query {
        Query::Validated { name: name.clone(), kind }
    }
}

/// The record types that mail needs. `Spf` is type 99, which RFC 7208 §3.1 gave up: asked to be told, never evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the types are named as the RFCs name them")]
#[rustfmt::skip]
pub enum Kind { A, Aaaa, Cname, Mx, Ns, Soa, Ptr, Txt, Tlsa, Caa, Ds, Dnskey, Srv, Https, Spf }

impl Kind {
    /// Every kind, in a fixed order.
    #[rustfmt::skip]
    pub const ALL: [Kind; 15] = [Kind::A, Kind::Aaaa, Kind::Cname, Kind::Mx, Kind::Ns, Kind::Soa, Kind::Ptr, Kind::Txt,
        Kind::Tlsa, Kind::Caa, Kind::Ds, Kind::Dnskey, Kind::Srv, Kind::Https, Kind::Spf];

    /// The type's mnemonic.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::A => "A",
            Kind::Aaaa => "AAAA",
            Kind::Cname => "CNAME",
            Kind::Mx => "MX",
            Kind::Ns => "NS",
            Kind::Soa => "SOA",
            Kind::Ptr => "PTR",
            Kind::Txt => "TXT",
            Kind::Tlsa => "TLSA",
            Kind::Caa => "CAA",
            Kind::Ds => "DS",
            Kind::Dnskey => "DNSKEY",
            Kind::Srv => "SRV",
            Kind::Https => "HTTPS",
            Kind::Spf => "SPF",
        }
    }

    /// The kind of a mnemonic, upper or lower case.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is fetched over HTTPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpsRules {
    /// An MTA-STS policy: no redirect, at most 64 KiB (RFC 8461 §3.2, §3.3).
    MtaSts,
    /// A BIMI indicator or certificate: redirects are not followed either, at most 1 MiB.
    Bimi,
}

impl HttpsRules {
    /// After how many bytes of body we stop reading.
    pub fn max_bytes(self) -> usize {
        match self {
            HttpsRules::MtaSts => 64 * 1024,
            HttpsRules::Bimi => 1024 * 1024,
        }
    }
}

/// Which queue a question stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Something else waits for it.
    Chain,
    /// One of many guesses (DKIM selectors); holds at most three quarters of the slots.
    Probe,
}

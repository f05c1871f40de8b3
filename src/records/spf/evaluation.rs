//! What check_host() is asked and what it comes to: [`CheckHostArgs`], [`Evaluation`] with its result, reason and trace
//! (RFC 7208 §2.6, §4). Pure data; [`super::evaluate()`] makes it.

use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use crate::check::{Kind, Outcome};
use crate::name::Name;
use crate::records::spf::parse::Qualifier;
use crate::report::LookupId;

/// The arguments of check_host() (RFC 7208 §4.1) with what macros may need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckHostArgs {
    /// The client's address; an IPv4-mapped IPv6 address counts as IPv4 (§5).
    pub ip: IpAddr,
    /// The domain whose policy is asked, as it came; it may be no name at all.
    pub domain: String,
    /// The whole sender, `local@domain`.
    pub sender: String,
    /// HELO, as it came.
    pub helo: String,
    /// The host that evaluates, for `%{r}` in explanations.
    pub receiver: String,
}

impl CheckHostArgs {
    /// The check of the MAIL FROM identity (§2.4). The null sender (`None`, empty or `<>`) is `postmaster` at HELO; an address
    /// without a local part gets `postmaster` too (§4.3).
    pub fn mail_from(ip: IpAddr, helo: &str, mail_from: Option<&str>) -> CheckHostArgs {
        let address = mail_from.unwrap_or("").trim();
        let address = address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(address);
        if address.is_empty() {
            return CheckHostArgs::helo(ip, helo);
        }
        let (local, domain) = address.rsplit_once('@').unwrap_or(("", address));
        let local = if local.is_empty() { POSTMASTER } else { local };
        CheckHostArgs {
            ip: ip.to_canonical(),
            domain: domain.to_owned(),
            sender: format!("{local}@{domain}"),
            helo: helo.to_owned(),
            receiver: UNKNOWN.to_owned(),
        }
    }

    /// The check of the HELO identity (§2.3): `postmaster` at HELO.
    pub fn helo(ip: IpAddr, helo: &str) -> CheckHostArgs {
        CheckHostArgs {
            ip: ip.to_canonical(),
            domain: helo.to_owned(),
            sender: format!("{POSTMASTER}@{helo}"),
            helo: helo.to_owned(),
            receiver: UNKNOWN.to_owned(),
        }
    }
}

/// The results of check_host() (§2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfResult {
    /// There is no policy to ask.
    None,
    /// The owner says nothing about this client.
    Neutral,
    /// The client may send for the domain.
    Pass,
    /// The client may not.
    Fail,
    /// The client probably may not.
    SoftFail,
    /// A look-up failed; later the result may be another.
    TempError,
    /// The policy cannot be evaluated until its owner repairs it.
    PermError,
}

impl SpfResult {
    /// The word of RFC 7208 and RFC 8601.
    pub fn word(self) -> &'static str {
        match self {
            SpfResult::None => "none",
            SpfResult::Neutral => "neutral",
            SpfResult::Pass => "pass",
            SpfResult::Fail => "fail",
            SpfResult::SoftFail => "softfail",
            SpfResult::TempError => "temperror",
            SpfResult::PermError => "permerror",
        }
    }
}

impl fmt::Display for SpfResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl From<Qualifier> for SpfResult {
    fn from(qualifier: Qualifier) -> SpfResult {
        match qualifier {
            Qualifier::Pass => SpfResult::Pass,
            Qualifier::Fail => SpfResult::Fail,
            Qualifier::SoftFail => SpfResult::SoftFail,
            Qualifier::Neutral => SpfResult::Neutral,
        }
    }
}

/// What check_host() came to. Serialises as the `spf` facts of the contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The result.
    pub result: SpfResult,
    /// Why, in a sentence.
    pub reason: Reason,
    /// The domain owner's own words on a fail (`exp=`), if they could be had; foreign text.
    pub explanation: Option<String>,
    /// Terms reached that cost a look-up; more than ten is a permerror (§4.6.4).
    pub lookups: u32,
    /// Terms reached whose look-up found nothing; more than two is a permerror (§4.6.4).
    pub void_lookups: u32,
    /// The domain whose policy was asked, as it was used.
    pub domain: String,
    /// What was done, in order.
    pub trace: Vec<TraceStep>,
}

/// One step of an evaluation: a record that was entered or a term that was reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceStep {
    /// 0 in the first record, one more in each `include`; a `redirect` stays on its level.
    pub depth: u32,
    /// The domain whose record it is.
    pub domain: String,
    /// The term as published; the whole record's text where a record was entered.
    pub term: String,
    /// What came of it.
    pub outcome: StepOutcome,
    /// More in words: the name that was asked, what was found; empty when there is nothing to add.
    pub detail: String,
    /// The look-up terms so far, this one included.
    pub lookups: u32,
    /// The void look-ups so far.
    pub void_lookups: u32,
    /// The lookups that were read for it.
    pub evidence: Vec<LookupId>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// A record was found and entered.
    Record,
    /// No usable record was found.
    NoRecord,
    /// The term matched.
    Match,
    /// The term did not match.
    NoMatch,
    /// The term sent the evaluation to another domain's record.
    Redirected,
    /// The term ended the evaluation with an error.
    Error,
}

impl StepOutcome {
    /// In a word or two.
    pub fn word(self) -> &'static str {
        match self {
            StepOutcome::Record => "record",
            StepOutcome::NoRecord => "no record",
            StepOutcome::Match => "match",
            StepOutcome::NoMatch => "no match",
            StepOutcome::Redirected => "goes on there",
            StepOutcome::Error => "error",
        }
    }
}

/// Why the result is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The domain is no fully qualified name that DNS can carry (§4.3).
    NotADomain {
        /// As it came.
        domain: String,
    },
    /// No TXT record is an SPF record.
    NoRecord {
        /// The domain that was asked.
        domain: String,
    },
    /// The domain does not exist.
    NoSuchName {
        /// The domain that was asked.
        domain: String,
    },
    /// More than one SPF record.
    SeveralRecords {
        /// The domain that was asked.
        domain: String,
        /// How many there are.
        count: usize,
    },
    /// A term does not fit the grammar.
    Syntax {
        /// Whose record.
        domain: String,
        /// The term as published.
        term: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The eleventh look-up term was reached.
    TooManyLookups {
        /// Whose record.
        domain: String,
        /// The term that was one too many.
        term: String,
    },
    /// The third void look-up happened.
    TooManyVoids {
        /// Whose record.
        domain: String,
        /// The term that was one too many.
        term: String,
    },
    /// An `mx` term found more than ten MX names.
    TooManyMx {
        /// The domain with so many.
        domain: String,
        /// How many.
        count: usize,
    },
    /// An `include` or `redirect` leads to a domain without an SPF record.
    TargetWithoutRecord {
        /// Whose record.
        domain: String,
        /// The term as published.
        term: String,
        /// The domain without a record.
        target: String,
    },
    /// A look-up failed.
    LookupFailed {
        /// What was asked.
        name: Name,
        /// For which type.
        kind: Kind,
        /// How it ended.
        outcome: Outcome,
    },
    /// A term matched.
    Matched {
        /// Whose record.
        domain: String,
        /// The term as published.
        term: String,
    },
    /// No term matched and there is no `redirect`.
    NothingMatched {
        /// Whose record.
        domain: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotADomain { domain } if domain.is_empty() => f.write_str("there is no domain to ask about"),
            Reason::NotADomain { domain } => {
                write!(f, "\"{domain}\" is no fully qualified domain name, so there is no policy to ask for")
            }
            Reason::NoRecord { domain } => write!(f, "{domain} publishes no SPF record"),
            Reason::NoSuchName { domain } => write!(f, "{domain} does not exist"),
            Reason::SeveralRecords { domain, count } => {
                write!(f, "{domain} publishes {count} SPF records; only one is allowed")
            }
            Reason::Syntax { domain, term, problem } => {
                write!(f, "the record of {domain} has a syntax error at \"{term}\": {problem}")
            }
            Reason::TooManyLookups { domain, term } => {
                write!(f, "\"{term}\" of {domain} is the 11th term that needs a look-up; 10 are allowed")
            }
            Reason::TooManyVoids { domain, term } => {
                write!(f, "\"{term}\" of {domain} is the 3rd term whose look-up finds nothing; 2 are allowed")
            }
            Reason::TooManyMx { domain, count } => write!(f, "{domain} has {count} MX names; 10 are allowed"),
            Reason::TargetWithoutRecord { domain, term, target } => {
                write!(f, "\"{term}\" of {domain} leads to {target}, which publishes no SPF record")
            }
            Reason::LookupFailed { name, kind, outcome } => write!(f, "{kind} of {name}: {outcome}"),
            Reason::Matched { domain, term } => write!(f, "\"{term}\" of {domain} matches"),
            Reason::NothingMatched { domain } => {
                write!(f, "no term of {domain} matches, and it does not say what holds for the rest")
            }
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const POSTMASTER: &str = "postmaster";
pub(super) const UNKNOWN: &str = "unknown";

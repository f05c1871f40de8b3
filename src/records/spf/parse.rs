//! The text of an SPF record: which TXT records are one (RFC 7208 §4.5), and its terms with their spans (§4.6, §5, §6, §12).
//!
//! Parsing is total: a term that does not fit the grammar stays in its place as [`TermKind::Invalid`]. One such term makes
//! the whole record a permerror, wherever it stands (§4.6); deciding that is [`super::evaluate`]'s work.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::check::DnsAnswer;
use crate::finding::Span;
use crate::records::spf::macros::{DomainSpec, MacroProblem, MacroString};
use crate::untrusted::{is_unseen, spoken};

/// What the TXT records at a name hold, for SPF (RFC 7208 §4.5).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// The texts that are SPF records, as published; one is right, more are a permerror.
    pub records: Vec<String>,
    /// Texts that look like an attempt at SPF and are none: what a person should be told about.
    pub near_misses: Vec<NearMiss>,
    /// How many TXT records there are in all.
    pub texts: usize,
}

/// A TXT record that somebody may take for SPF, and that no receiver does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The text as published.
    pub text: String,
    /// Why it does not count.
    pub why: NearMissKind,
}

/// The ways to miss `v=spf1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearMissKind {
    /// White space stands before the version.
    LeadingSpace,
    /// The version is not followed by a space: `v=spf1-all`, `v=spf10`.
    NoSpace,
    /// Sender ID's `spf2.0/…` (RFC 4406), which went out of use.
    SenderId,
    /// Quotes or other wrapping around the version.
    Quoted,
    /// Another misspelling: `v=spf`, `spf1`, `v=spfl`, `v = spf1`.
    Misspelt,
}

impl Selection {
    /// Sorts the TXT records of an answer.
    pub fn of(answer: &DnsAnswer) -> Selection {
        let mut selection = Selection::default();
        for bytes in answer.texts() {
            selection.texts += 1;
            if is_spf(&bytes) {
                selection.records.push(String::from_utf8_lossy(&bytes).into_owned());
            } else if let Some(why) = near_miss(&bytes) {
                selection.near_misses.push(NearMiss { text: String::from_utf8_lossy(&bytes).into_owned(), why });
            }
        }
        selection
    }
}

/// Whether a TXT record is an SPF record: exactly `v=spf1`, in any case, then a space or the end (RFC 7208 §4.5).
pub fn is_spf(text: &[u8]) -> bool {
    let Some((version, rest)) = text.split_at_checked(VERSION.len()) else { return false };
    version.eq_ignore_ascii_case(VERSION.as_bytes()) && matches!(rest.first(), None | Some(b' '))
}

fn near_miss(text: &[u8]) -> Option<NearMissKind> {
    let lower = text.to_ascii_lowercase();
    let unwrapped = lower.trim_ascii_start();
    if is_spf(unwrapped) {
        return Some(NearMissKind::LeadingSpace);
    }
    if lower.starts_with(b"spf2.0/") {
        return Some(NearMissKind::SenderId);
    }
    if lower.starts_with(VERSION.as_bytes()) {
        return Some(NearMissKind::NoSpace);
    }
    let unquoted = unwrapped.strip_prefix(b"\"").or_else(|| unwrapped.strip_prefix(b"'"));
    if unquoted.is_some_and(|rest| rest.starts_with(b"v=spf")) {
        return Some(NearMissKind::Quoted);
    }
    let tight: Vec<u8> = lower.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let misspelt = [b"v=spf".as_slice(), b"spf1", b"v:spf1", b"spf=v1", b"v-spf1", b"=spf1", b"vspf1"];
    misspelt.iter().any(|start| tight.starts_with(start)).then_some(NearMissKind::Misspelt)
}

/// An SPF record, its terms in order.
#[derive(Clone, Debug, PartialEq)]
pub struct SpfRecord {
    /// The text as published.
    pub text: String,
    /// Where the version stands.
    pub version: Span,
    /// The terms, in order.
    pub terms: Vec<Term>,
}

/// One term with its place in the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// From its first byte to its last.
    pub span: Span,
    /// The bytes as published.
    pub text: String,
    /// What it is.
    pub kind: TermKind,
}

/// What a term is.
#[derive(Clone, Debug, PartialEq)]
pub enum TermKind {
    /// A mechanism with its qualifier.
    Directive {
        /// What a match means.
        qualifier: Qualifier,
        /// What is compared.
        mechanism: Mechanism,
    },
    /// `redirect=`: another domain's record decides when nothing here matched (§6.1).
    Redirect(DomainSpec),
    /// `exp=`: where the explanation of a fail is (§6.2).
    Exp(DomainSpec),
    /// A modifier that RFC 7208 does not define; ignored (§6).
    Other {
        /// Its name, as published.
        name: String,
        /// What follows the `=`.
        value: MacroString,
    },
    /// A term that does not fit the grammar.
    Invalid(Problem),
}

/// What a match means (§4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier {
    /// `+`, or nothing.
    Pass,
    /// `-`.
    Fail,
    /// `~`.
    SoftFail,
    /// `?`.
    Neutral,
}

/// What is compared with the client (§5).
#[derive(Clone, Debug, PartialEq)]
pub enum Mechanism {
    /// Always matches.
    All,
    /// Matches when the other domain's policy passes.
    Include(DomainSpec),
    /// Matches when the client is an address of the domain.
    A(Option<DomainSpec>, DualCidr),
    /// Matches when the client is an address of an MX of the domain.
    Mx(Option<DomainSpec>, DualCidr),
    /// Matches by reverse look-up; "do not publish" (§5.5).
    Ptr(Option<DomainSpec>),
    /// Matches a range of IPv4 addresses.
    Ip4(Ipv4Addr, u8),
    /// Matches a range of IPv6 addresses.
    Ip6(Ipv6Addr, u8),
    /// Matches when the name has any A record.
    Exists(DomainSpec),
}

/// Prefix lengths of an `a` or `mx` term, one a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DualCidr {
    /// For IPv4 clients; 32 when it is not given.
    pub v4: u8,
    /// For IPv6 clients; 128 when it is not given.
    pub v6: u8,
}

impl Default for DualCidr {
    fn default() -> DualCidr {
        DualCidr { v4: 32, v6: 128 }
    }
}

impl Mechanism {
    /// The name as RFC 7208 writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Mechanism::All => "all",
            Mechanism::Include(_) => "include",
            Mechanism::A(..) => "a",
            Mechanism::Mx(..) => "mx",
            Mechanism::Ptr(_) => "ptr",
            Mechanism::Ip4(..) => "ip4",
            Mechanism::Ip6(..) => "ip6",
            Mechanism::Exists(_) => "exists",
        }
    }

    /// The domain that it names, where it names one.
    pub fn domain(&self) -> Option<&DomainSpec> {
        match self {
            Mechanism::Include(spec) | Mechanism::Exists(spec) => Some(spec),
            Mechanism::A(spec, _) | Mechanism::Mx(spec, _) | Mechanism::Ptr(spec) => spec.as_ref(),
            Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) => None,
        }
    }

    /// Whether it counts against the ten look-ups of §4.6.4.
    pub fn is_lookup(&self) -> bool {
        !matches!(self, Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..))
    }
}

impl TermKind {
    /// Whether it counts against the ten look-ups of §4.6.4; `exp` does not.
    pub fn is_lookup(&self) -> bool {
        match self {
            TermKind::Directive { mechanism, .. } => mechanism.is_lookup(),
            TermKind::Redirect(_) => true,
            TermKind::Exp(_) | TermKind::Other { .. } | TermKind::Invalid(_) => false,
        }
    }
}

/// Why a term does not fit the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display say what each is")]
pub enum Problem {
    NotAscii(char),
    Control,
    UnknownMechanism(String),
    ModifierAsMechanism(&'static str),
    QualifiedModifier,
    NoModifierName,
    NoDomain(&'static str),
    EmptyDomain(&'static str),
    Argument(&'static str),
    NotADomain(String),
    AddressAsDomain(String),
    Macro(MacroProblem),
    Ip4(String),
    Ip6(String),
    Cidr(String),
    Twice(&'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NotAscii('\u{fffd}') => f.write_str("it holds bytes that are not ASCII"),
            Problem::NotAscii(c) if is_unseen(*c) => write!(f, "it holds {}", spoken(*c)),
            Problem::NotAscii(c) => write!(f, "it holds \"{c}\", which is not ASCII"),
            Problem::Control => f.write_str("it holds a control character; only spaces part terms"),
            Problem::UnknownMechanism(name) if name.is_empty() => {
                f.write_str("a sign stands alone, without a mechanism")
            }
            Problem::UnknownMechanism(name) => write!(f, "\"{name}\" is no mechanism"),
            Problem::ModifierAsMechanism(name) => write!(f, "{name} is a modifier: it is written {name}=, not {name}:"),
            Problem::QualifiedModifier => f.write_str("a modifier has no qualifier before it"),
            Problem::NoModifierName => f.write_str("a modifier's name starts with a letter"),
            Problem::NoDomain(name) => write!(f, "{name} needs a domain: {name}:example.com"),
            Problem::EmptyDomain(name @ ("ip4" | "ip6")) => write!(f, "no address follows {name}:"),
            Problem::EmptyDomain(name) => write!(f, "no domain follows {name}"),
            Problem::Argument(name) => write!(f, "{name} takes nothing of this kind after it"),
            Problem::NotADomain(text) => write!(f, "\"{text}\" is no domain with at least two labels"),
            Problem::AddressAsDomain(text) => write!(f, "\"{text}\" is an address; a range is written ip4:{text}"),
            Problem::Macro(problem) => write!(f, "{problem}"),
            Problem::Ip4(text) => write!(f, "\"{text}\" is no IPv4 address"),
            Problem::Ip6(text) => write!(f, "\"{text}\" is no IPv6 address"),
            Problem::Cidr(text) if !text.starts_with('/') => write!(f, "\"{text}\" does not belong after it"),
            Problem::Cidr(text) => write!(f, "\"{text}\" is no prefix length here"),
            Problem::Twice(name) => write!(f, "{name}= may stand only once"),
        }
    }
}

impl SpfRecord {
    /// Reads the text of a record that [`is_spf`] accepts. Any text is read; what stands first is taken as the version.
    pub fn parse(text: &str) -> SpfRecord {
        let version_end = text.find(' ').unwrap_or(text.len());
        let mut record = SpfRecord { text: text.to_owned(), version: Span::new(0, version_end), terms: Vec::new() };
        let mut start = version_end;
        for word in text.get(version_end..).unwrap_or("").split(' ') {
            if !word.is_empty() {
                let kind = record.once(term(word));
                record.terms.push(Term { span: Span::new(start, start + word.len()), text: word.to_owned(), kind });
            }
            start += word.len() + 1;
        }
        record
    }

    /// `redirect` and `exp` stand at most once (§6).
    fn once(&self, kind: TermKind) -> TermKind {
        let has = |is: fn(&TermKind) -> bool| self.terms.iter().any(|term| is(&term.kind));
        match kind {
            TermKind::Redirect(_) if has(|kind| matches!(kind, TermKind::Redirect(_))) => {
                TermKind::Invalid(Problem::Twice("redirect"))
            }
            TermKind::Exp(_) if has(|kind| matches!(kind, TermKind::Exp(_))) => {
                TermKind::Invalid(Problem::Twice("exp"))
            }
            other => other,
        }
    }

    /// The first term that does not fit the grammar; there is none in a valid record.
    pub fn problem(&self) -> Option<(&Term, &Problem)> {
        self.terms.iter().find_map(|term| match &term.kind {
            TermKind::Invalid(problem) => Some((term, problem)),
            _ => None,
        })
    }

    /// The mechanisms in order, with the index of their term.
    pub fn directives(&self) -> impl Iterator<Item = (usize, &Term, Qualifier, &Mechanism)> {
        self.terms.iter().enumerate().filter_map(|(at, term)| match &term.kind {
            TermKind::Directive { qualifier, mechanism } => Some((at, term, *qualifier, mechanism)),
            _ => None,
        })
    }

    /// The first `all` and the index of its term; mechanisms after it never match.
    pub fn all(&self) -> Option<(usize, Qualifier)> {
        self.directives()
            .find(|(.., mechanism)| **mechanism == Mechanism::All)
            .map(|(at, _, qualifier, _)| (at, qualifier))
    }

    /// The `redirect` modifier and its term, wherever it stands.
    pub fn redirect(&self) -> Option<(&Term, &DomainSpec)> {
        self.terms.iter().find_map(|term| match &term.kind {
            TermKind::Redirect(spec) => Some((term, spec)),
            _ => None,
        })
    }

    /// The `exp` modifier, wherever it stands.
    pub fn exp(&self) -> Option<&DomainSpec> {
        self.terms.iter().find_map(|term| match &term.kind {
            TermKind::Exp(spec) => Some(spec),
            _ => None,
        })
    }
}

fn term(word: &str) -> TermKind {
    if let Some(foreign) = word.chars().find(|c| !c.is_ascii()) {
        return TermKind::Invalid(Problem::NotAscii(foreign));
    }
    if word.bytes().any(|b| b.is_ascii_control()) {
        return TermKind::Invalid(Problem::Control);
    }
    let (qualifier, rest) = match word.as_bytes().first() {
        Some(b'+') => (Some(Qualifier::Pass), word.get(1..).unwrap_or("")),
        Some(b'-') => (Some(Qualifier::Fail), word.get(1..).unwrap_or("")),
        Some(b'~') => (Some(Qualifier::SoftFail), word.get(1..).unwrap_or("")),
        Some(b'?') => (Some(Qualifier::Neutral), word.get(1..).unwrap_or("")),
        _ => (None, word),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let end = rest.bytes().position(|b| !is_name(b)).unwrap_or(rest.len());
    let (name, argument) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let result = match argument.strip_prefix('=') {
        Some(_) if qualifier.is_some() => Err(Problem::QualifiedModifier),
        Some(_) if !name.starts_with(|c: char| c.is_ascii_alphabetic()) => Err(Problem::NoModifierName),
        Some(value) => modifier(name, value),
        None => mechanism(name, argument)
            .map(|mechanism| TermKind::Directive { qualifier: qualifier.unwrap_or(Qualifier::Pass), mechanism }),
    };
    result.unwrap_or_else(TermKind::Invalid)
}

fn modifier(name: &str, value: &str) -> Result<TermKind, Problem> {
    match name.to_ascii_lowercase().as_str() {
        "redirect" => domain_spec("redirect=", value).map(TermKind::Redirect),
        "exp" => domain_spec("exp=", value).map(TermKind::Exp),
        _ => {
            let value = MacroString::parse(value, true).map_err(Problem::Macro)?;
            Ok(TermKind::Other { name: name.to_owned(), value })
        }
    }
}

fn mechanism(name: &str, argument: &str) -> Result<Mechanism, Problem> {
    match name.to_ascii_lowercase().as_str() {
        "all" if argument.is_empty() => Ok(Mechanism::All),
        "all" => Err(Problem::Argument("all")),
        "include" => required_domain("include", argument).map(Mechanism::Include),
        "exists" => required_domain("exists", argument).map(Mechanism::Exists),
        "ptr" => optional_domain("ptr", argument).map(Mechanism::Ptr),
        "a" => domain_and_cidr("a", argument).map(|(domain, cidr)| Mechanism::A(domain, cidr)),
        "mx" => domain_and_cidr("mx", argument).map(|(domain, cidr)| Mechanism::Mx(domain, cidr)),
        "ip4" => {
            let (network, prefix) = network("ip4", argument, 32)?;
            let address = network.parse().map_err(|_| Problem::Ip4(network.to_owned()))?;
            Ok(Mechanism::Ip4(address, prefix))
        }
        "ip6" => {
            let (network, prefix) = network("ip6", argument, 128)?;
            let address = network.parse().map_err(|_| Problem::Ip6(network.to_owned()))?;
            Ok(Mechanism::Ip6(address, prefix))
        }
        "redirect" => Err(Problem::ModifierAsMechanism("redirect")),
        "exp" => Err(Problem::ModifierAsMechanism("exp")),
        _ => {
            let shown = if name.is_empty() { argument } else { name };
            Err(Problem::UnknownMechanism(shown.to_owned()))
        }
    }
}

fn required_domain(name: &'static str, argument: &str) -> Result<DomainSpec, Problem> {
    match argument.strip_prefix(':') {
        Some(domain) => domain_spec(name, domain),
        None if argument.is_empty() => Err(Problem::NoDomain(name)),
        None => Err(Problem::Argument(name)),
    }
}

fn optional_domain(name: &'static str, argument: &str) -> Result<Option<DomainSpec>, Problem> {
    match argument.strip_prefix(':') {
        Some(domain) => domain_spec(name, domain).map(Some),
        None if argument.is_empty() => Ok(None),
        None => Err(Problem::Argument(name)),
    }
}

fn domain_spec(name: &'static str, text: &str) -> Result<DomainSpec, Problem> {
    if text.is_empty() {
        return Err(Problem::EmptyDomain(name));
    }
    let spec = DomainSpec::parse(text).map_err(Problem::Macro)?;
    if spec.ends_like_a_domain() {
        return Ok(spec);
    }
    let bare = text.split('/').next().unwrap_or(text);
    if bare.parse::<Ipv4Addr>().is_ok() {
        return Err(Problem::AddressAsDomain(text.to_owned()));
    }
    Err(Problem::NotADomain(text.to_owned()))
}

/// `[":" domain-spec] ["/" v4] ["//" v6]`. A domain-spec may hold slashes itself, so the lengths are taken from the end.
fn domain_and_cidr(name: &'static str, argument: &str) -> Result<(Option<DomainSpec>, DualCidr), Problem> {
    let mut cidr = DualCidr::default();
    let mut rest = argument;
    if let Some((before, digits)) = trailing_length(rest)
        && let Some(before) = before.strip_suffix('/')
    {
        cidr.v6 = prefix_length(digits, 128)?;
        rest = before;
    }
    if let Some((before, digits)) = trailing_length(rest)
        && !before.ends_with('/')
    {
        cidr.v4 = prefix_length(digits, 32)?;
        rest = before;
    }
    match rest.strip_prefix(':') {
        Some(domain) => Ok((Some(domain_spec(name, domain)?), cidr)),
        None if rest.is_empty() => Ok((None, cidr)),
        None => Err(Problem::Cidr(argument.to_owned())),
    }
}

/// `text` before `/` and its last digits, when it ends so.
fn trailing_length(text: &str) -> Option<(&str, &str)> {
    let (before, digits) = text.rsplit_once('/')?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some((before, digits))
}

fn network<'a>(name: &'static str, argument: &'a str, most: u8) -> Result<(&'a str, u8), Problem> {
    let text = match argument.strip_prefix(':') {
        Some(text) if !text.is_empty() => text,
        Some(_) => return Err(Problem::EmptyDomain(name)),
        None if argument.is_empty() => return Err(Problem::EmptyDomain(name)),
        None => return Err(Problem::Argument(name)),
    };
    match text.split_once('/') {
        None => Ok((text, most)),
        Some((network, digits)) => Ok((network, prefix_length(digits, most)?)),
    }
}

/// A prefix length without leading zeros (the suite's `cidr4-032`).
fn prefix_length(digits: &str, most: u8) -> Result<u8, Problem> {
    let plain =
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|length| plain && *length <= most).ok_or_else(|| Problem::Cidr(format!("/{digits}")))
}

const VERSION: &str = "v=spf1";

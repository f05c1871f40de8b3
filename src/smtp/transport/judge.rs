//! One host, seen by the three senders.

use serde_json::{Value, json};

use crate::check::{ConnectFault, Dnssec, HandshakeFault, PkixFault};
use crate::finding::{Finding, Severity};
use crate::records::mta_sts::StsMode;
use crate::report::Cell;
use crate::smtp::certificate::{Certificate, why};
use crate::smtp::dane::{self, Dane};
use crate::smtp::session::{Session, Verb};
use crate::smtp::target::{Talk, Target};
use crate::smtp::tls::{TlsOutcome, pkix_word};
use crate::smtp::transport::{Sts, about, host_name};
use crate::untrusted::lossless;

/// What one sender does with one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Delivers, encrypted.
    Encrypted,
    /// Delivers in clear text; why.
    Clear(String),
    /// Goes on to the next host: policy forbids this one; why.
    Skipped(String),
    /// The server does not want it now; what it said.
    Deferred(String),
    /// The server does not want it at all; what it said.
    Refused(String),
    /// We do not know; why.
    Unknown(String),
}

impl Delivery {
    /// Whether mail gets there.
    pub fn delivers(&self) -> bool {
        matches!(self, Delivery::Encrypted | Delivery::Clear(_))
    }

    fn word(&self) -> &'static str {
        match self {
            Delivery::Encrypted => "delivered",
            Delivery::Clear(_) => "delivered-in-clear",
            Delivery::Skipped(_) => "skipped",
            Delivery::Deferred(_) => "deferred",
            Delivery::Refused(_) => "refused",
            Delivery::Unknown(_) => "unknown",
        }
    }
}

/// A host with its verdicts.
pub struct Judged<'a> {
    /// The host.
    pub talk: &'a Talk<'a>,
    /// How TLS ended.
    pub tls: TlsOutcome<'a>,
    /// Whether the policy lists it; `None` without a policy.
    pub covered: Option<bool>,
    /// What DANE says.
    pub dane: Dane,
    /// Whether DNSSEC rests on the resolver's word alone.
    pub claimed: bool,
    /// Why the TLSA records could not be validated, if so.
    pub unproven: Option<String>,
    /// Whether the server offers REQUIRETLS inside TLS (RFC 8689).
    pub requiretls: bool,
    /// A sender that checks nothing.
    pub plain: Delivery,
    /// A sender that honours MTA-STS.
    pub sts: Delivery,
    /// The result type that a sender reports (RFC 8460 §4.3); in parentheses where no policy makes it report.
    pub report: String,
}

/// Judges one host.
pub fn host<'a>(talk: &'a Talk<'a>, target: &Target, sts: &Sts, tlsa: Option<&dane::Host<'_>>) -> Judged<'a> {
    let session = talk.said.map(|(_, transcript)| Session::read(transcript)).unwrap_or_default();
    let tls = match talk.said {
        Some(_) => TlsOutcome::of(&session, target.plan.tls),
        None => TlsOutcome::NotReached,
    };
    let dane = tlsa.map_or(Dane::None, |tlsa| judge_dane(tlsa, target, &tls));
    let reached = reached(talk, &session);
    let plain = match (&reached, &tls) {
        (Some(not), _) => not.clone(),
        (None, TlsOutcome::Established(_)) => Delivery::Encrypted,
        (None, TlsOutcome::NotOffered) if talk.is_lmtp() => Delivery::Clear("LMTP, inside one site".into()),
        (None, TlsOutcome::NotOffered) => Delivery::Clear("STARTTLS is not offered".into()),
        (None, TlsOutcome::Refused(code)) => Delivery::Clear(format!("STARTTLS is refused with {code}")),
        (None, TlsOutcome::HandshakeFailed(HandshakeFault::NothingInCommon, why)) => Delivery::Unknown(format!(
            "encrypted, or in clear where a sender has nothing in common with it either: {why}"
        )),
        (None, TlsOutcome::HandshakeFailed(_, why)) if talk.is_implicit() => {
            Delivery::Deferred(format!("TLS from the first byte fails ({why})"))
        }
        (None, TlsOutcome::HandshakeFailed(_, why)) => Delivery::Clear(format!("the TLS handshake fails ({why})")),
        (None, TlsOutcome::NotTried) => Delivery::Unknown("TLS was not tried".into()),
        (None, TlsOutcome::NotReached) => Delivery::Unknown("the dialogue did not come so far".into()),
    };
    let covered = sts.policy().zip(host_name(talk)).map(|(policy, name)| policy.covers(&name));
    let applies = sts.policy().and_then(|policy| policy.mode).is_some_and(|mode| mode != StsMode::None);
    let objection = if applies { sts_objection(covered, &tls) } else { None };
    let enforced = sts.policy().and_then(|policy| policy.mode) == Some(StsMode::Enforce);
    let with_sts = match (&reached, &objection) {
        (None, Some((_, why))) if enforced => Delivery::Skipped(why.clone()),
        _ => plain.clone(),
    };
    // Nobody reports on the last steps inside a site.
    let report = if talk.is_lmtp() {
        "-".into()
    } else {
        report(&reached, &tls, &dane, objection.as_ref().map(|(result, _)| *result), applies)
    };
    let requiretls = session.offers(true, "REQUIRETLS");
    let claimed = tlsa.is_some_and(|tlsa| tlsa.security == Dnssec::Claimed);
    let unproven = tlsa.filter(|tlsa| !tlsa.tlsa.records.is_empty()).and_then(|tlsa| {
        let failed = tlsa.proofs.iter().find(|proof| proof.dnssec == Dnssec::Unknown)?;
        Some(failed.outcome.to_string())
    });
    Judged { talk, tls, covered, dane, claimed, unproven, requiretls, plain, sts: with_sts, report }
}

/// What DANE says of a host whose TLS ended so.
pub(in crate::smtp) fn judge_dane(tlsa: &dane::Host<'_>, target: &Target, tls: &TlsOutcome<'_>) -> Dane {
    let stands = match tls {
        TlsOutcome::Established(session) => Some(*session),
        _ => None,
    };
    match dane::judge(tlsa, target.domain(), stands) {
        // That we did not come to TLS is not that the server has none.
        Dane::NoTls if is_untried(tls) => Dane::Untried,
        dane => dane,
    }
}

/// Whether nothing is known of the server's TLS, because the dialogue did not come so far, was told to leave it, or found
/// nothing in common with it.
fn is_untried(tls: &TlsOutcome<'_>) -> bool {
    use TlsOutcome::{HandshakeFailed, NotReached, NotTried};
    matches!(tls, NotTried | NotReached | HandshakeFailed(HandshakeFault::NothingInCommon, _))
}

/// Why no sender gets as far as TLS, if so.
fn reached(talk: &Talk<'_>, session: &Session<'_>) -> Option<Delivery> {
    if let Some(why) = &talk.no_address {
        return Some(match why {
            crate::check::Outcome::NoData | crate::check::Outcome::NoSuchName => {
                Delivery::Refused("it has no address".into())
            }
            other => Delivery::Unknown(format!("its address: {other}")),
        });
    }
    match session.not_connected {
        Some((ConnectFault::Refused, _)) => {
            return Some(Delivery::Deferred(format!("it refuses connections on port {}", talk.port)));
        }
        Some((_, why)) => return Some(Delivery::Unknown(format!("no connection ({why})"))),
        None => {}
    }
    let banner = session.last(Verb::Banner);
    let greeting = session.exchanges.iter().rev().find(|exchange| exchange.verb.is_greeting());
    // A client cannot read on behind a first line without a code: it gives the host up, and comes again.
    if let Some(first) = banner.and_then(|banner| banner.reply.lines.first()).filter(|line| line.code.is_none()) {
        return Some(Delivery::Deferred(format!("what it says is no SMTP (\"{}\")", lossless(&first.text).trim())));
    }
    for exchange in banner.into_iter().chain(greeting) {
        let code = exchange.reply.code().unwrap_or_default();
        if exchange.reply.is_permanent() {
            return Some(Delivery::Refused(format!("it refuses with {code}")));
        }
        if exchange.reply.is_transient() {
            return Some(Delivery::Deferred(format!("it answers {code}")));
        }
    }
    let closing = session.exchanges.iter().find(|one| one.reply.code() == Some(421) && one.verb != Verb::Quit);
    if let Some(closing) = closing.filter(|one| one.verb == Verb::StartTls) {
        return Some(Delivery::Deferred(format!("it closes with 421 at {}", closing.verb.name())));
    }
    if let Some(not) = transaction(session) {
        return Some(not);
    }
    // Whatever happens to the goodbye, the mail was taken or refused before it.
    let at_quit = session.waiting().is_some_and(|waiting| waiting.verb == Verb::Quit);
    if let Some(why) = session.tls_broken.filter(|_| !at_quit) {
        return Some(Delivery::Deferred(format!("TLS breaks {}: {why}", session.place())));
    }
    if session.silent {
        return Some(Delivery::Deferred(format!("it falls silent {}", session.place())));
    }
    if let Some(how) = session.hung_up {
        let twice = if session.waiting().is_some_and(|waiting| waiting.verb == Verb::Message) {
            ", so that a sender sends it again, and it may arrive twice"
        } else {
            ""
        };
        return Some(Delivery::Deferred(format!("it {} {}{twice}", how.words(), session.place())));
    }
    match (banner, session.greeting(false).or(session.greeting(true))) {
        (Some(_), Some(_)) => None,
        _ if session.tls_failed.is_some() => None,
        _ if session.gave_up.is_some() => {
            let why = session.gave_up.unwrap_or_default();
            Some(Delivery::Unknown(format!("it talks without end; mxray stopped {why}")))
        }
        _ => Some(Delivery::Unknown("the dialogue did not come so far".into())),
    }
}

/// Why the mail that was tried does not get there, if so: the replies to MAIL, RCPT, DATA and the message. One recipient that
/// is accepted is enough: the others' replies stand in the dialogue.
fn transaction(session: &Session<'_>) -> Option<Delivery> {
    let mail = session.last(Verb::Mail)?;
    let replies = |verbs: &[Verb]| {
        let after = session.exchanges.iter().filter(|one| one.entry >= mail.entry && one.is_complete());
        after.filter(|one| verbs.contains(&one.verb)).collect::<Vec<_>>()
    };
    for verbs in [&[Verb::Mail][..], &[Verb::Rcpt], &[Verb::Data], &[Verb::Message, Verb::Bdat]] {
        let answered = replies(verbs);
        // 354 is what DATA is answered when all is well.
        if answered.iter().any(|one| one.reply.is_positive() || one.reply.code() == Some(354)) {
            continue;
        }
        let deferred = answered.iter().find(|one| one.reply.is_transient());
        if let Some(one) = deferred.or(answered.iter().find(|one| one.reply.is_permanent())) {
            let (code, name) = (one.reply.code().unwrap_or_default(), one.verb.name());
            return Some(match one.reply.is_transient() {
                true => Delivery::Deferred(format!("it answers {name} with {code}")),
                false => Delivery::Refused(format!("it refuses {name} with {code}")),
            });
        }
    }
    None
}

/// What an MTA-STS sender holds against the host: the result type, and why.
fn sts_objection(covered: Option<bool>, tls: &TlsOutcome<'_>) -> Option<(&'static str, String)> {
    if covered == Some(false) {
        return Some(("validation-failure", "the policy does not list it".into()));
    }
    match tls {
        TlsOutcome::Established(session) => {
            let fault = session.pkix.as_ref().err()?;
            Some((pkix_result(fault), why(fault, session)))
        }
        TlsOutcome::NotOffered | TlsOutcome::Refused(_) => {
            Some(("starttls-not-supported", "it does not encrypt".into()))
        }
        // Whether another sender comes to TLS, and what certificate it sees there, we do not know.
        TlsOutcome::HandshakeFailed(HandshakeFault::NothingInCommon, _) => None,
        TlsOutcome::HandshakeFailed(_, why) => Some(("validation-failure", format!("the TLS handshake fails ({why})"))),
        TlsOutcome::NotTried | TlsOutcome::NotReached => None,
    }
}

/// A PKIX fault as TLS-RPT names it (RFC 8460 §4.3.1).
fn pkix_result(fault: &PkixFault) -> &'static str {
    match fault {
        PkixFault::Expired => "certificate-expired",
        PkixFault::WrongName => "certificate-host-mismatch",
        PkixFault::NotYetValid | PkixFault::SelfSigned | PkixFault::UnknownIssuer | PkixFault::WrongUsage => {
            "certificate-not-trusted"
        }
        PkixFault::Other(_) => "validation-failure",
    }
}

fn report(
    reached: &Option<Delivery>,
    tls: &TlsOutcome<'_>,
    dane: &Dane,
    objection: Option<&'static str>,
    sts_applies: bool,
) -> String {
    // DANE goes first; a sender reports under the policy that it applied (RFC 8460 §4.2).
    let by_dane = match dane {
        Dane::LookupFailed(_) => Some("dnssec-invalid"),
        Dane::AllUnusable => Some("tlsa-invalid"),
        Dane::Mismatch(..) => Some("validation-failure"),
        Dane::NoTls => Some("starttls-not-supported"),
        Dane::Match(_) => Some("success"),
        Dane::None | Dane::Insecure | Dane::NotValidated | Dane::NotLooked(_) | Dane::Untried => None,
    };
    // What a sender reports depends on what it finds where we could not look.
    if matches!(dane, Dane::NotLooked(_)) {
        return "-".into();
    }
    if matches!(dane, Dane::LookupFailed(_)) {
        return "dnssec-invalid".into();
    }
    if reached.is_some() {
        return "-".into();
    }
    if let Some(result) = by_dane {
        return result.into();
    }
    if let Some(result) = objection {
        return result.into();
    }
    if is_untried(tls) {
        return "-".into();
    }
    if sts_applies {
        return "success".into();
    }
    // No policy: nothing makes a sender report; this is what it would say if there were one.
    match tls {
        TlsOutcome::Established(session) => match &session.pkix {
            Ok(()) => "(success)".into(),
            Err(fault) => format!("({})", pkix_result(fault)),
        },
        TlsOutcome::NotOffered | TlsOutcome::Refused(_) => "(starttls-not-supported)".into(),
        TlsOutcome::HandshakeFailed(..) => "(validation-failure)".into(),
        TlsOutcome::NotTried | TlsOutcome::NotReached => "-".into(),
    }
}

impl Judged<'_> {
    /// What a sender that honours DANE does.
    pub fn with_dane(&self) -> Delivery {
        let has_tls = matches!(self.tls, TlsOutcome::Established(_));
        match (self.dane.delivers(has_tls), &self.dane) {
            (None, Dane::NotLooked(why)) if self.plain.delivers() => {
                Delivery::Unknown(format!("its TLSA records could not be looked for: {why}"))
            }
            (Some(true), _) | (None, _) => self.plain.clone(),
            (Some(false), Dane::LookupFailed(why)) => Delivery::Skipped(format!("its TLSA lookup failed: {why}")),
            (Some(false), Dane::Mismatch(why, _)) if self.plain.delivers() => Delivery::Skipped(why.clone()),
            (Some(false), _) if self.plain.delivers() => {
                Delivery::Skipped("TLSA demands TLS, and there is none".into())
            }
            (Some(false), _) => self.plain.clone(),
        }
    }

    /// What a sender reports that is told to require DANE of everybody (RFC 8460 §4.3.2.1); most are not.
    fn if_dane_is_required(&self) -> &str {
        match self.dane {
            Dane::None | Dane::Insecure | Dane::NotValidated => "dane-required",
            Dane::LookupFailed(_)
            | Dane::NotLooked(_)
            | Dane::AllUnusable
            | Dane::Mismatch(..)
            | Dane::NoTls
            | Dane::Untried
            | Dane::Match(_) => self.report.trim_matches(|c| c == '(' || c == ')'),
        }
    }

    /// As JSON.
    pub fn facts(&self) -> Value {
        let pkix = match self.tls {
            TlsOutcome::Established(tls) => pkix_word(&tls.pkix),
            TlsOutcome::Refused(_) => "starttls-refused",
            TlsOutcome::HandshakeFailed(..) => "handshake-failed",
            TlsOutcome::NotOffered => "starttls-absent",
            TlsOutcome::NotTried => "not-tried",
            TlsOutcome::NotReached => "not-reached",
        };
        json!({
            "name": self.talk.host,
            "preference": self.talk.preference,
            "pkix": pkix,
            "mta_sts": self.covered.map(|covered| if covered { "covered" } else { "not-covered" }),
            "dane": self.dane.word(),
            "requiretls": self.requiretls,
            "dnssec_claimed": self.claimed,
            "tls_rpt_result": self.report.trim_matches(|c| c == '(' || c == ')'),
            "tls_rpt_result_if_dane_is_required": self.if_dane_is_required(),
            "delivery": { "plain": self.plain.word(), "mta_sts": self.sts.word(), "dane": self.with_dane().word() },
        })
    }

    /// The PKIX column.
    pub fn pkix_cell(&self) -> Cell {
        match self.tls {
            TlsOutcome::Established(tls) => match &tls.pkix {
                Ok(()) => {
                    let until = tls.chain.first().and_then(|der| Certificate::parse(der));
                    Cell::from(until.map(|leaf| format!("ok to {}", leaf.end_date())).unwrap_or_else(|| "ok".into()))
                }
                Err(fault) => Cell::from(words(fault)).judged(Severity::Warning),
            },
            TlsOutcome::Refused(code) => Cell::from(format!("REFUSED {code}")).judged(Severity::Error),
            TlsOutcome::HandshakeFailed(HandshakeFault::OldVersion, _) => Cell::from("OLD TLS").judged(Severity::Error),
            TlsOutcome::HandshakeFailed(HandshakeFault::NothingInCommon, _) => {
                Cell::from("NOT AGREED").judged(Severity::Warning)
            }
            TlsOutcome::HandshakeFailed(..) => Cell::from("HANDSHAKE FAILS").judged(Severity::Error),
            TlsOutcome::NotOffered if self.talk.is_lmtp() => Cell::from("no STARTTLS"),
            TlsOutcome::NotOffered => Cell::from("NO STARTTLS").judged(Severity::Error),
            TlsOutcome::NotTried => Cell::from("not tried"),
            TlsOutcome::NotReached => Cell::from("-"),
        }
    }

    /// The MTA-STS column.
    pub fn sts_cell(&self) -> Cell {
        match self.covered {
            None => Cell::from("-"),
            Some(true) => Cell::from("covered"),
            Some(false) => Cell::from("NOT COVERED").judged(Severity::Error),
        }
    }

    /// The DANE column.
    pub fn dane_cell(&self) -> Cell {
        match &self.dane {
            Dane::None => Cell::from("-"),
            Dane::Insecure => Cell::from("unsigned").judged(Severity::Info),
            Dane::NotValidated => Cell::from("not proven").judged(Severity::Info),
            Dane::LookupFailed(_) => Cell::from("LOOKUP FAILED").judged(Severity::Error),
            Dane::NotLooked(_) => Cell::from("not known").judged(Severity::Warning),
            Dane::AllUnusable => Cell::from("UNUSABLE").judged(Severity::Warning),
            Dane::Match(text) => {
                let short: Vec<_> = text.split(' ').take(3).collect();
                Cell::from(format!("{} ok", short.join(" ")))
            }
            Dane::Mismatch(..) => Cell::from("MISMATCH").judged(Severity::Error),
            Dane::NoTls => Cell::from("NO TLS").judged(Severity::Error),
            Dane::Untried => Cell::from("not tried"),
        }
    }

    /// What there is to say about this host and its policies.
    pub fn findings(&self) -> Vec<Finding> {
        let host = &self.talk.host;
        let unproven = self.unproven.as_deref().unwrap_or("nobody did");
        let mut findings = Vec::new();
        if self.covered == Some(false) {
            findings.push(
                Finding::error(
                    "transport.not-in-policy",
                    format!("The MTA-STS policy does not list {host}: in enforce mode a sender skips it."),
                )
                .with_fix(format!("Add \"mx: {host}\" to the policy file, then change the record's id."))
                .with_reference("RFC 8461 §4.1"),
            );
        }
        match &self.dane {
            Dane::Mismatch(why, remedy) => findings.push(
                Finding::error("transport.dane-mismatch", format!("DANE fails for {host}: {why}. A sender that honours DANE does not deliver there."))
                    .with_fix(remedy.words())
                    .with_reference("RFC 7672 §2.2"),
            ),
            Dane::LookupFailed(why) => findings.push(
                Finding::error("transport.tlsa-lookup-failed", format!("The TLSA lookup for {host} failed: {why}. A sender that honours DANE does not deliver there; it must not take this for \"no TLSA\"."))
                    .with_fix("Repair the zone's DNSSEC, or the name server.")
                    .with_reference("RFC 7672 §2.1.1"),
            ),
            Dane::NotLooked(why) => findings.push(
                Finding::warning("transport.tlsa-not-looked", format!("We could not look for the TLSA records of {host}: {why}. Whether DANE applies is not known. A sender with DANE whose own lookup fails does not deliver; it must not take this for \"no TLSA\"."))
                    .with_fix("Look again (r), or ask another resolver (--dns). If TLSA alone gets no answer, the zone's name server drops what it does not know, and needs repair.")
                    .with_reference("RFC 7672 §2.1.1, §2.1.3"),
            ),
            Dane::Insecure => findings.push(
                Finding::info("transport.tlsa-not-secure", format!("{host} has TLSA records, and they or its addresses stand in a zone that is not signed: they must not count."))
                    .with_fix("Sign the zone, and give its DS to the parent.")
                    .with_reference("RFC 7672 §2.1"),
            ),
            Dane::NotValidated => findings.push(
                Finding::info("transport.tlsa-not-validated", format!("{host} has TLSA records; whether DNSSEC makes them count could not be validated here: {unproven}."))
                    .with_fix("Ask a resolver that passes DNSSEC records and reaches the root (--dns).")
                    .with_reference("RFC 7672 §2.1"),
            ),
            Dane::AllUnusable => findings.push(
                Finding::warning("transport.tlsa-unusable", format!("None of the TLSA records of {host} can be used for SMTP: TLS becomes a must, and its certificate is not checked."))
                    .with_fix("Publish 3 1 1.")
                    .with_reference("RFC 7672 §2.2"),
            ),
            Dane::NoTls => findings.push(
                Finding::error("transport.tlsa-without-tls", format!("{host} has TLSA records, and no TLS: a sender that honours DANE does not deliver there."))
                    .with_reference("RFC 7672 §2.2"),
            ),
            Dane::Match(_) if self.claimed => findings.push(Finding::info(
                "transport.dnssec-claimed",
                format!("That the TLSA of {host} is secure is the resolver's word (its AD bit); it could not be validated here: {unproven}."),
            )),
            Dane::None | Dane::Match(_) | Dane::Untried => {}
        }
        findings.into_iter().map(|finding| about(self.talk, finding)).collect()
    }
}

fn words(fault: &PkixFault) -> &'static str {
    match fault {
        PkixFault::Expired => "EXPIRED",
        PkixFault::NotYetValid => "NOT YET VALID",
        PkixFault::WrongName => "WRONG NAME",
        PkixFault::SelfSigned => "SELF-SIGNED",
        PkixFault::UnknownIssuer => "UNKNOWN ISSUER",
        PkixFault::WrongUsage => "WRONG USAGE",
        PkixFault::Other(_) => "INVALID",
    }
}

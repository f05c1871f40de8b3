//! DMARC for a message (RFC 9989 §5.3): which identifiers are aligned, whether one of them passed, what the owner asks for
//! then, and why, in one sentence; with RFC 7489's reading where it differs.
//!
//! SPF on HELO alone never counts (§4.4.2), a message whose From names no single domain has the result `none` and says so
//! loudly, and a policy that could not be looked at is `temperror`, never `none`.

use serde::Serialize;
use serde_json::{Value, json};

use crate::check::{Seen, Wait, all};
use crate::message::Message;
use crate::message::address::Author;
use crate::message::alignment::{Alignment, Identifier, align};
use crate::message::dkim::{self, Judged, signing_domains};
use crate::message::spf::{Both, evaluate_both};
use crate::name::Name;
use crate::records::dmarc::{Discovery, Legacy, Policy, aligned, legacy, walk, walk_fact};
use crate::records::spf::SpfResult;

mod check;

pub use check::Dmarc;

/// RFC 8601's words for DMARC (§2.7.6 of RFC 9989's registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are the RFC's own")]
pub enum DmarcResult {
    Pass,
    Fail,
    None,
    TempError,
    PermError,
}

impl DmarcResult {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            DmarcResult::Pass => "pass",
            DmarcResult::Fail => "fail",
            DmarcResult::None => "none",
            DmarcResult::TempError => "temperror",
            DmarcResult::PermError => "permerror",
        }
    }
}

/// What DMARC comes to for one message.
#[derive(Debug)]
pub struct Outcome<'m> {
    /// The result.
    pub result: DmarcResult,
    /// Why, in one sentence.
    pub reason: String,
    /// The author's policy; `None` when From names no single domain.
    pub discovery: Option<Discovery>,
    /// Every signature with whether its domain is aligned.
    pub signatures: Vec<(Judged<'m>, Option<bool>)>,
    /// SPF's result with its domain and whether that is aligned.
    pub spf: Option<Sender>,
    /// RFC 7489's reading.
    pub legacy: Option<(Legacy, DmarcResult)>,
}

/// SPF as DMARC uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sender {
    /// The result for MAIL FROM.
    pub result: SpfResult,
    /// The domain, if DNS can carry it.
    pub domain: Option<Name>,
    /// Whether it is aligned.
    pub aligned: Option<bool>,
}

impl Outcome<'_> {
    /// What the owner asks a receiver to do with this message.
    pub fn disposition(&self) -> Policy {
        match self.result {
            DmarcResult::Fail => {
                self.discovery.as_ref().and_then(|found| found.effective_policy).unwrap_or(Policy::None)
            }
            DmarcResult::Pass | DmarcResult::None | DmarcResult::TempError | DmarcResult::PermError => Policy::None,
        }
    }

    /// Whether an aligned signature passed.
    pub fn dkim_aligned(&self) -> bool {
        self.signatures.iter().any(|(one, aligned)| one.verdict == dkim::Verdict::Pass && *aligned == Some(true))
    }

    /// Whether an aligned SPF identity passed.
    pub fn spf_aligned(&self) -> bool {
        self.spf.as_ref().is_some_and(|spf| spf.result == SpfResult::Pass && spf.aligned == Some(true))
    }
}

/// Evaluates DMARC: keys, SPF, the policy and all walks are asked together.
pub fn evaluate<'m>(message: &'m Message, seen: &Seen<'_>) -> Result<Outcome<'m>, Wait> {
    let names = signing_domains(message);
    let judged = dkim::judge_all(message, seen);
    let both = evaluate_both(message, seen);
    let by_dkim = align(message, &names, Identifier::Dkim, seen);
    let author = match message.author() {
        Author::Domain(name) => Some(name),
        Author::Several(_) | Author::Nobody(_) => None,
    };
    let old = author.map(|author| legacy(author, seen)).transpose();
    // The sender's walk is asked for before SPF is known; its domain stands in the envelope already.
    let sender_name = sender_domain(message);
    let by_spf = align(message, sender_name.as_slice(), Identifier::Spf, seen);
    let (judged, both, by_dkim, by_spf, old) = (judged?, both?, by_dkim?, by_spf?, old?);
    let spf = sender(both.as_ref(), &by_spf);
    let signatures: Vec<_> = judged
        .into_iter()
        .map(|one| {
            let aligned = one.signature.domain.as_ref().and_then(|name| by_dkim.of(name)?.aligned);
            (one, aligned)
        })
        .collect();
    let legacy = old.map(|old| {
        let result = old_result(message, &old, &signatures, spf.as_ref(), &by_dkim, &by_spf);
        (old, result)
    });
    let mut outcome = Outcome {
        result: DmarcResult::None,
        reason: String::new(),
        discovery: by_dkim.discovery,
        signatures,
        spf,
        legacy,
    };
    (outcome.result, outcome.reason) = judge(message, &outcome);
    Ok(outcome)
}

/// The domain that SPF's result will be about.
fn sender_domain(message: &Message) -> Option<Name> {
    let known = message.known();
    let sender = known.mail_from.as_ref()?.value.as_str();
    let domain = match sender.rsplit_once('@') {
        Some((_, domain)) => domain,
        None if sender.is_empty() => known.helo.as_ref()?.value.as_str(),
        None => sender,
    };
    Name::from_unicode(domain).ok().filter(|name| !name.is_root())
}

fn sender(both: Option<&Both>, alignment: &Alignment) -> Option<Sender> {
    let (result, domain) = both?.for_dmarc()?;
    let aligned = domain.as_ref().and_then(|name| alignment.of(name)?.aligned);
    Some(Sender { result, domain, aligned })
}

/// The result with its sentence.
fn judge(message: &Message, outcome: &Outcome<'_>) -> (DmarcResult, String) {
    let author = match message.author() {
        Author::Domain(name) => name,
        Author::Several(names) => {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let text = format!("From names several domains ({}), so there is no one policy to apply", names.join(", "));
            return (DmarcResult::None, text);
        }
        Author::Nobody(why) => return (DmarcResult::None, format!("DMARC cannot be evaluated: {why}")),
    };
    let Some(discovery) = &outcome.discovery else { return (DmarcResult::None, "there is no author".into()) };
    if let Some(why) = &discovery.temperror {
        return (DmarcResult::TempError, format!("the policy of {author} could not be looked at: {why}"));
    }
    if discovery.is_none() {
        return (DmarcResult::None, format!("{author} publishes no DMARC policy"));
    }
    let passing: Vec<String> = outcome
        .signatures
        .iter()
        .filter(|(one, aligned)| one.verdict == dkim::Verdict::Pass && *aligned == Some(true))
        .filter_map(|(one, _)| {
            one.signature.domain.as_ref().map(|name| format!("DKIM signature #{} of {name}", one.number))
        })
        .chain(
            outcome
                .spf
                .as_ref()
                .filter(|_| outcome.spf_aligned())
                .and_then(|spf| spf.domain.as_ref().map(|name| format!("SPF of {name}"))),
        )
        .collect();
    if !passing.is_empty() {
        let verb = if passing.len() > 1 { "belong" } else { "belongs" };
        return (DmarcResult::Pass, format!("{} passed and {verb} to {author}", passing.join(" and ")));
    }
    // What could not be looked at and would count if it passed keeps the verdict open (RFC 9989 §5.3.5).
    let may_count = |one: &Judged<'_>, aligned: Option<bool>| match one.verdict {
        dkim::Verdict::Pass => aligned.is_none(),
        _ => one.is_open() && aligned != Some(false),
    };
    if let Some((one, _)) = outcome.signatures.iter().find(|(one, aligned)| may_count(one, *aligned)) {
        return (DmarcResult::TempError, why_open(one));
    }
    let open_spf = outcome.spf.as_ref().is_some_and(|spf| match spf.result {
        SpfResult::TempError => spf.aligned != Some(false),
        SpfResult::Pass => spf.aligned.is_none(),
        SpfResult::None | SpfResult::Neutral | SpfResult::Fail | SpfResult::SoftFail | SpfResult::PermError => false,
    });
    if open_spf {
        return (DmarcResult::TempError, "whether SPF passes and is aligned could not be looked at".into());
    }
    (DmarcResult::Fail, why_not(author, outcome))
}

/// What a signature that may still pass leaves unknown.
fn why_open(one: &Judged<'_>) -> String {
    let number = one.number;
    match (one.verdict, &one.signature.domain) {
        (dkim::Verdict::Neutral, Some(name)) if one.header == dkim::HeaderCheck::Valid => {
            format!(
                "{name} signed these headers (#{number}), and whether the body is its own cannot be said: {}",
                one.reason
            )
        }
        (dkim::Verdict::Neutral, _) => {
            format!("whether DKIM signature #{number} passes cannot be said: {}", one.reason)
        }
        _ => format!("whether DKIM signature #{number} passes and is aligned could not be looked at"),
    }
}

/// Why nothing aligned passed.
fn why_not(author: &Name, outcome: &Outcome<'_>) -> String {
    let would = outcome.signatures.iter().find(|(_, aligned)| *aligned == Some(true));
    let other = outcome.signatures.iter().find(|(one, _)| one.verdict == dkim::Verdict::Pass);
    let signed = match (would, other) {
        (Some((one, _)), _) => {
            let came = match one.verdict {
                dkim::Verdict::Fail => "fails".to_owned(),
                other => format!("is {}", other.word()),
            };
            format!("its own signature #{} {came}: {}", one.number, one.reason)
        }
        (None, Some((one, _))) => {
            let name = one.signature.domain.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("the signature that passes is {name}'s")
        }
        (None, None) if outcome.signatures.is_empty() => "no signature is there".into(),
        (None, None) => "no signature passes or is its own".into(),
    };
    let sent = match &outcome.spf {
        None => "SPF could not be asked".to_owned(),
        Some(spf) => {
            let name = spf.domain.as_ref().map(ToString::to_string).unwrap_or_else(|| "no domain".into());
            match (spf.result, spf.aligned) {
                (SpfResult::Pass, _) => format!("the SPF that passes is {name}'s"),
                (result, _) => format!("SPF of {name} is {result}"),
            }
        }
    };
    format!("nothing that passes belongs to {author}: {signed}; {sent}")
}

/// What a receiver that still follows RFC 7489 comes to: the same identifiers, aligned by the public suffix list.
fn old_result(
    message: &Message,
    old: &Legacy,
    signatures: &[(Judged<'_>, Option<bool>)],
    spf: Option<&Sender>,
    by_dkim: &Alignment,
    by_spf: &Alignment,
) -> DmarcResult {
    let Author::Domain(author) = message.author() else { return DmarcResult::None };
    if old.is_unknown {
        return DmarcResult::TempError;
    }
    if old.policy.is_none() {
        return DmarcResult::None;
    }
    let org = |name: &Name| {
        let org = psl::domain_str(name.as_str()).and_then(|org| Name::from_text(org).ok());
        crate::records::dmarc::Organizational::Domain(org.unwrap_or_else(|| name.clone()))
    };
    let authors = crate::records::dmarc::Organizational::Domain(old.organizational_domain.clone());
    let is_aligned = |name: &Name, mode| aligned(name, author, mode, (&org(name), &authors)) == Some(true);
    let signed = signatures.iter().any(|(one, _)| {
        one.verdict == dkim::Verdict::Pass
            && one.signature.domain.as_ref().is_some_and(|name| is_aligned(name, by_dkim.mode(Identifier::Dkim)))
    });
    let sent = spf.is_some_and(|spf| {
        spf.result == SpfResult::Pass
            && spf.domain.as_ref().is_some_and(|name| is_aligned(name, by_spf.mode(Identifier::Spf)))
    });
    if signed || sent {
        return DmarcResult::Pass;
    }
    let may_sign = signatures.iter().any(|(one, _)| {
        one.is_open()
            && one.signature.domain.as_ref().is_some_and(|name| is_aligned(name, by_dkim.mode(Identifier::Dkim)))
    });
    let may_send = spf.is_some_and(|spf| {
        spf.result == SpfResult::TempError
            && spf.domain.as_ref().is_some_and(|name| is_aligned(name, by_spf.mode(Identifier::Spf)))
    });
    if may_sign || may_send { DmarcResult::TempError } else { DmarcResult::Fail }
}

/// The walks as the contract has them: the author's, SPF's, one a signature.
fn walks(message: &Message, outcome: &Outcome<'_>, seen: &Seen<'_>) -> Result<Value, Wait> {
    let steps = |name: &Name| -> Result<Value, Wait> { Ok(walk(name, seen)?.iter().map(walk_fact).collect()) };
    let author = match message.author() {
        Author::Domain(name) => steps(name).map(Some),
        Author::Several(_) | Author::Nobody(_) => Ok(None),
    };
    let spf = outcome.spf.as_ref().and_then(|spf| spf.domain.as_ref()).map(&steps).transpose();
    let dkim = all(&outcome.signatures, |(one, _)| one.signature.domain.as_ref().map(&steps).transpose());
    Ok(json!({"author": author?, "spf": spf?, "dkim": dkim?}))
}

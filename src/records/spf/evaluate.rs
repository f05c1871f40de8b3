//! check_host() (RFC 7208 §4, §5, §6): [`evaluate`] judges one client, strictly term by term, on the evidence so far.
//!
//! What will probably be needed is asked early ([`Client::read_ahead`]): both targets of two `include`s in one round, the hosts of an
//! MX together. That shortens the chain and changes no result: `lookups` and `void_lookups` count the terms that the
//! strict evaluation reached, and a failed read-ahead matters only when the evaluation comes to it.
//!
//! Void look-ups are counted per *term* (§4.6.4 limits "terms for which DNS queries return" nothing): the hosts of an `mx`
//! and the names of a `ptr` are not counted one by one. Otherwise an IPv6 client would break the record of everybody whose
//! mail servers have IPv4 only.

use crate::check::{Absence, DnsAnswer, Kind, Look, Seen, Wait};
use crate::name::Name;
use crate::records::spf::client::{Client, fqdn, target_name};
use crate::records::spf::evaluation::{CheckHostArgs, Evaluation, Reason, SpfResult, StepOutcome, TraceStep};
use crate::records::spf::macros::{DomainSpec, MacroString};
use crate::records::spf::mechanisms::Came;
use crate::records::spf::parse::{Selection, SpfRecord, Term};
use crate::report::LookupId;

/// Terms that cost a look-up, per evaluation (§4.6.4).
pub const MAX_LOOKUPS: u32 = 10;
/// Terms whose look-up finds nothing, per evaluation (§4.6.4).
pub const MAX_VOIDS: u32 = 2;
/// MX names of one `mx` term; more are a permerror (§4.6.4).
pub const MAX_MX: usize = 10;
/// PTR names that are looked at; the rest is ignored (§4.6.4).
pub const MAX_PTR: usize = 10;

/// Evaluates check_host() for one client.
///
/// Pure: it reads `seen` alone, and the result depends on nothing but the answers. `Err` says that answers are missing; they
/// have been asked, and the same call is made again when they are there. It is total: a name that DNS cannot carry is never
/// asked, and an evaluation ends within eleven look-up terms whatever the records say.
pub fn evaluate(args: &CheckHostArgs, seen: &Seen<'_>) -> Result<Evaluation, Wait> {
    let client = Client::new(args, seen);
    if let Some(name) = fqdn(&client.domain) {
        client.read_ahead(&client.domain, &name, &mut { MAX_LOOKUPS });
    }
    client.strictly()
}

/// How check_host() for one domain ended.
struct Verdict {
    result: SpfResult,
    reason: Reason,
    /// Where the explanation is, with the domain whose record says so.
    exp: Option<(DomainSpec, String)>,
}

impl Verdict {
    fn new(result: SpfResult, reason: Reason) -> Verdict {
        Verdict { result, reason, exp: None }
    }
}

/// The counters and the trace of one evaluation.
#[derive(Default)]
pub(super) struct Course {
    lookups: u32,
    voids: u32,
    trace: Vec<TraceStep>,
}

impl Client<'_, '_> {
    pub(super) fn strictly(&self) -> Result<Evaluation, Wait> {
        let mut course = Course::default();
        let verdict = self.check(&self.domain, fqdn(&self.domain), 0, &mut course)?;
        let explanation = match (verdict.result, &verdict.exp) {
            (SpfResult::Fail, Some((spec, domain))) => self.explanation(spec, domain)?,
            _ => None,
        };
        Ok(Evaluation {
            result: verdict.result,
            reason: verdict.reason,
            explanation,
            lookups: course.lookups,
            void_lookups: course.voids,
            domain: self.domain.clone(),
            trace: course.trace,
        })
    }

    /// check_host() for one domain, from the record's look-up to its `redirect` (§4.3 to §4.7, §6.1).
    fn check(&self, domain: &str, name: Option<Name>, depth: u32, course: &mut Course) -> Result<Verdict, Wait> {
        let domain = domain.to_owned();
        let Some(name) = name else {
            return Ok(course.no_record(depth, SpfResult::None, Reason::NotADomain { domain }, None));
        };
        let txt = self.seen.dns(&name, Kind::Txt)?;
        let record = match select(&txt, &name, &domain) {
            Ok(record) => record,
            Err((result, reason)) => return Ok(course.no_record(depth, result, reason, Some(txt.id))),
        };
        let entered = Came::Compared { matches: false, detail: String::new(), evidence: vec![txt.id] };
        course.step(depth, &domain, &record.text, StepOutcome::Record, &entered);
        if let Some((term, problem)) = record.problem() {
            let reason = Reason::Syntax { domain, term: term.text.clone(), problem: problem.to_string() };
            return Ok(Verdict::new(SpfResult::PermError, reason));
        }
        for (_, term, qualifier, mechanism) in record.directives() {
            let came = self.term(term, mechanism, (&domain, &name), depth, course)?;
            let outcome = match &came {
                Came::Compared { matches: true, .. } => StepOutcome::Match,
                Came::Compared { matches: false, .. } => StepOutcome::NoMatch,
                Came::Ended(..) => StepOutcome::Error,
            };
            course.step(depth, &domain, &term.text, outcome, &came);
            match came {
                Came::Compared { matches: false, .. } => {}
                Came::Compared { matches: true, .. } => {
                    let reason = Reason::Matched { domain: domain.clone(), term: term.text.clone() };
                    let exp = record.exp().map(|spec| (spec.clone(), domain));
                    return Ok(Verdict { result: qualifier.into(), reason, exp });
                }
                Came::Ended(result, reason) => return Ok(Verdict::new(result, reason)),
            }
        }
        match record.redirect() {
            None => Ok(Verdict::new(SpfResult::Neutral, Reason::NothingMatched { domain })),
            Some((term, spec)) => self.redirect(term, spec, &domain, depth, course),
        }
    }

    /// `redirect=`: the other record's result is the result, except that none is a permerror (§6.1).
    fn redirect(
        &self,
        term: &Term,
        spec: &DomainSpec,
        domain: &str,
        depth: u32,
        course: &mut Course,
    ) -> Result<Verdict, Wait> {
        if let Err((result, reason)) = course.count_lookup(domain, term) {
            let ended = Came::Ended(result, reason.clone());
            course.step(depth, domain, &term.text, StepOutcome::Error, &ended);
            return Ok(Verdict::new(result, reason));
        }
        let target = self.expand(spec, domain)?;
        let went = Came::Compared { matches: false, detail: format!("on to {target}"), evidence: Vec::new() };
        course.step(depth, domain, &term.text, StepOutcome::Redirected, &went);
        let verdict = self.check(&target, target_name(&target), depth, course)?;
        Ok(match verdict.result {
            SpfResult::None => {
                course.voids += u32::from(matches!(verdict.reason, Reason::NoSuchName { .. }));
                let (domain, term) = (domain.to_owned(), term.text.clone());
                Verdict::new(SpfResult::PermError, Reason::TargetWithoutRecord { domain, term, target })
            }
            _ => verdict,
        })
    }

    /// `include`: matches when the other domain's policy passes (the table of §5.2).
    pub(super) fn include(
        &self,
        term: &Term,
        spec: &DomainSpec,
        domain: &str,
        depth: u32,
        course: &mut Course,
    ) -> Result<Came, Wait> {
        let target = self.expand(spec, domain)?;
        let verdict = self.check(&target, target_name(&target), depth + 1, course)?;
        Ok(match verdict.result {
            SpfResult::Pass => Came::compared(true, format!("{target} passes it")),
            SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => {
                Came::compared(false, format!("{target} does not pass it ({})", verdict.result))
            }
            SpfResult::TempError | SpfResult::PermError => Came::Ended(verdict.result, verdict.reason),
            SpfResult::None => {
                course.voids += u32::from(matches!(verdict.reason, Reason::NoSuchName { .. }));
                let (domain, term) = (domain.to_owned(), term.text.clone());
                Came::Ended(SpfResult::PermError, Reason::TargetWithoutRecord { domain, term, target })
            }
        })
    }

    /// The domain owner's explanation of a fail. Whatever goes wrong with it, there is none (§6.2).
    fn explanation(&self, spec: &DomainSpec, domain: &str) -> Result<Option<String>, Wait> {
        let Some(name) = self.name(spec, domain)? else { return Ok(None) };
        let answer = self.seen.dns(&name, Kind::Txt)?;
        let texts: Vec<Vec<u8>> = answer.texts().collect();
        let [text] = texts.as_slice() else { return Ok(None) };
        let text = str::from_utf8(text).ok().and_then(|text| MacroString::parse(text, true).ok());
        text.map(|text| self.with_values(&text, domain)).transpose()
    }
}

/// An ended evaluation: its result and why.
pub(super) type Ended = (SpfResult, Reason);

impl Course {
    pub(super) fn count_lookup(&mut self, domain: &str, term: &Term) -> Result<(), Ended> {
        self.lookups += 1;
        if self.lookups <= MAX_LOOKUPS {
            return Ok(());
        }
        let (domain, term) = (domain.to_owned(), term.text.clone());
        Err((SpfResult::PermError, Reason::TooManyLookups { domain, term }))
    }

    pub(super) fn count_void(&mut self, domain: &str, term: &Term) -> Result<(), Ended> {
        self.voids += 1;
        if self.voids <= MAX_VOIDS {
            return Ok(());
        }
        let (domain, term) = (domain.to_owned(), term.text.clone());
        Err((SpfResult::PermError, Reason::TooManyVoids { domain, term }))
    }

    fn no_record(&mut self, depth: u32, result: SpfResult, reason: Reason, read: Option<LookupId>) -> Verdict {
        let domain = match &reason {
            Reason::NotADomain { domain }
            | Reason::NoRecord { domain }
            | Reason::NoSuchName { domain }
            | Reason::SeveralRecords { domain, .. } => domain.clone(),
            Reason::LookupFailed { name, .. } => name.to_string(),
            _ => String::new(),
        };
        let came = Came::Compared { matches: false, detail: reason.to_string(), evidence: read.into_iter().collect() };
        self.step(depth, &domain, "", StepOutcome::NoRecord, &came);
        Verdict::new(result, reason)
    }

    fn step(&mut self, depth: u32, domain: &str, term: &str, outcome: StepOutcome, came: &Came) {
        let (detail, evidence) = match came {
            Came::Compared { detail, evidence, .. } => (detail.clone(), evidence.clone()),
            Came::Ended(_, reason) => (reason.to_string(), Vec::new()),
        };
        self.trace.push(TraceStep {
            depth,
            domain: domain.to_owned(),
            term: term.to_owned(),
            outcome,
            detail,
            lookups: self.lookups,
            void_lookups: self.voids,
            evidence,
        });
    }
}

/// The one SPF record of a TXT answer, or how check_host() ends without it (§4.4, §4.5).
pub(super) fn select(txt: &DnsAnswer, name: &Name, domain: &str) -> Result<SpfRecord, Ended> {
    let domain = domain.to_owned();
    match txt.look() {
        Look::Unknown(outcome) => {
            let reason = Reason::LookupFailed { name: name.clone(), kind: Kind::Txt, outcome: outcome.clone() };
            return Err((SpfResult::TempError, reason));
        }
        Look::Absent(Absence::NoSuchName) => return Err((SpfResult::None, Reason::NoSuchName { domain })),
        Look::Absent(Absence::NoData) => return Err((SpfResult::None, Reason::NoRecord { domain })),
        Look::Found(_) => {}
    }
    let selection = Selection::of(txt);
    match selection.records.as_slice() {
        [] => Err((SpfResult::None, Reason::NoRecord { domain })),
        [text] => Ok(SpfRecord::parse(text)),
        several => Err((SpfResult::PermError, Reason::SeveralRecords { domain, count: several.len() })),
    }
}

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
            let reason = Reason::NotADomain { domain: domain.clone() };
            return Ok(course.no_record(depth, (SpfResult::None, reason), &domain, None));
        };
        let txt = self.seen.dns(&name, Kind::Txt)?;
        let record = match select(&txt, &name, &domain) {
            Ok(record) => record,
            Err(ended) => return Ok(course.no_record(depth, ended, &domain, Some(txt.id))),
        };
        course.entered(depth, &domain, &record.text, txt.id);
        if let Some((term, problem)) = record.problem() {
            let reason = Reason::Syntax { domain, term: term.text.clone(), problem: problem.to_string() };
            return Ok(Verdict::new(SpfResult::PermError, reason));
        }
        for (_, term, qualifier, mechanism) in record.directives() {
            let at = At { domain: &domain, term };
            let step = course.reached(at, depth);
            let counted = if mechanism.is_lookup() { course.count_lookup(at) } else { Ok(()) };
            let came = match counted {
                Ok(()) => self.term(at, mechanism, &name, depth, course)?,
                Err((result, reason)) => Came::Ended(result, reason),
            };
            course.came(step, &came);
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
            Some((term, spec)) => self.redirect(At { domain: &domain, term }, spec, depth, course),
        }
    }

    /// `redirect=`: the other record's result is the result, except that none is a permerror (§6.1).
    fn redirect(&self, at: At<'_>, spec: &DomainSpec, depth: u32, course: &mut Course) -> Result<Verdict, Wait> {
        let step = course.reached(at, depth);
        if let Err((result, reason)) = course.count_lookup(at) {
            course.came(step, &Came::Ended(result, reason.clone()));
            return Ok(Verdict::new(result, reason));
        }
        let target = self.expand(spec, at.domain)?;
        course.redirected(step, &target);
        let verdict = self.check(&target, target_name(&target), depth, course)?;
        Ok(match verdict.result {
            SpfResult::None => {
                course.voids += u32::from(matches!(verdict.reason, Reason::NoSuchName { .. }));
                Verdict::new(SpfResult::PermError, at.without_record(target))
            }
            _ => verdict,
        })
    }

    /// `include`: matches when the other domain's policy passes (the table of §5.2).
    pub(super) fn include(&self, at: At<'_>, spec: &DomainSpec, depth: u32, course: &mut Course) -> Result<Came, Wait> {
        let target = self.expand(spec, at.domain)?;
        let verdict = self.check(&target, target_name(&target), depth + 1, course)?;
        Ok(match verdict.result {
            SpfResult::Pass => Came::compared(true, format!("{target} passes it")),
            SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => {
                Came::compared(false, format!("{target} does not pass it ({})", verdict.result))
            }
            SpfResult::TempError | SpfResult::PermError => Came::Ended(verdict.result, verdict.reason),
            SpfResult::None => {
                course.voids += u32::from(matches!(verdict.reason, Reason::NoSuchName { .. }));
                Came::Ended(SpfResult::PermError, at.without_record(target))
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

/// A term and the domain whose record it stands in.
#[derive(Clone, Copy)]
pub(super) struct At<'t> {
    pub(super) domain: &'t str,
    pub(super) term: &'t Term,
}

impl At<'_> {
    fn without_record(self, target: String) -> Reason {
        Reason::TargetWithoutRecord { domain: self.domain.to_owned(), term: self.term.text.clone(), target }
    }
}

impl Course {
    fn count_lookup(&mut self, at: At<'_>) -> Result<(), Ended> {
        self.lookups += 1;
        if self.lookups <= MAX_LOOKUPS {
            return Ok(());
        }
        let (domain, term) = (at.domain.to_owned(), at.term.text.clone());
        Err((SpfResult::PermError, Reason::TooManyLookups { domain, term }))
    }

    pub(super) fn count_void(&mut self, at: At<'_>) -> Result<(), Ended> {
        self.voids += 1;
        if self.voids <= MAX_VOIDS {
            return Ok(());
        }
        let (domain, term) = (at.domain.to_owned(), at.term.text.clone());
        Err((SpfResult::PermError, Reason::TooManyVoids { domain, term }))
    }

    fn no_record(&mut self, depth: u32, (result, reason): Ended, domain: &str, read: Option<LookupId>) -> Verdict {
        self.trace.push(TraceStep {
            depth,
            domain: domain.to_owned(),
            term: String::new(),
            outcome: StepOutcome::NoRecord,
            detail: reason.to_string(),
            lookups: self.lookups,
            void_lookups: self.voids,
            evidence: read.into_iter().collect(),
        });
        Verdict::new(result, reason)
    }

    fn entered(&mut self, depth: u32, domain: &str, text: &str, read: LookupId) {
        self.trace.push(TraceStep {
            depth,
            domain: domain.to_owned(),
            term: text.to_owned(),
            outcome: StepOutcome::Record,
            detail: String::new(),
            lookups: self.lookups,
            void_lookups: self.voids,
            evidence: vec![read],
        });
    }

    /// Opens the step of a term, so that it stands before the steps of an included record; [`Course::came`] completes it.
    fn reached(&mut self, at: At<'_>, depth: u32) -> usize {
        self.trace.push(TraceStep {
            depth,
            domain: at.domain.to_owned(),
            term: at.term.text.clone(),
            outcome: StepOutcome::NoMatch,
            detail: String::new(),
            lookups: self.lookups + u32::from(at.term.kind.is_lookup()),
            void_lookups: self.voids,
            evidence: Vec::new(),
        });
        self.trace.len() - 1
    }

    fn came(&mut self, step: usize, came: &Came) {
        let is_last = step + 1 == self.trace.len();
        let voids = self.voids;
        let Some(step) = self.trace.get_mut(step) else { return };
        (step.outcome, step.detail) = match came {
            Came::Compared { matches: true, detail, .. } => (StepOutcome::Match, detail.clone()),
            Came::Compared { matches: false, detail, .. } => (StepOutcome::NoMatch, detail.clone()),
            Came::Ended(_, reason) => (StepOutcome::Error, reason.to_string()),
        };
        if let Came::Compared { evidence, .. } = came {
            step.evidence.clone_from(evidence);
        }
        if is_last {
            step.void_lookups = voids;
        }
    }

    fn redirected(&mut self, step: usize, target: &str) {
        if let Some(step) = self.trace.get_mut(step) {
            step.outcome = StepOutcome::Redirected;
            step.detail = format!("on to {target}");
        }
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

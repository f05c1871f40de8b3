//! Which record applies to an author's domain, and which Organizational Domain a name has: the walk up the tree
//! (RFC 9989 §4.10). All names of a walk are asked at once and judged in order up to its stop, so a walk is one round.
//!
//! The public suffix list has no part in it; that is RFC 7489's reading, which stands in `legacy`.

mod discover;

pub use discover::{Discovery, Existence, Role, discover};

use crate::check::{Absence, Data, Kind, Look, Outcome, Seen, Wait, all};
use crate::name::Name;
use crate::records::dmarc::parse::{Dmarc, Psd};
use crate::report::LookupId;
use crate::untrusted::lossless;

/// A name with this many labels or more is cut to [`CUT_TO`] after the first query, so that nobody can make a receiver
/// walk a hundred labels (RFC 9989 §4.10).
const LONG: usize = 8;
const CUT_TO: usize = 7;

/// The domains whose `_dmarc` a walk from `name` asks, in order.
pub fn walk_names(name: &Name) -> Vec<Name> {
    let mut names = vec![name.clone()];
    let mut labels = name.label_count();
    while labels > 1 {
        labels = if labels >= LONG { CUT_TO } else { labels - 1 };
        names.push(name.suffix(labels));
    }
    names
}

/// One step of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkStep {
    /// The domain; `_dmarc` below it was asked.
    pub name: Name,
    /// How the look-up ended.
    pub outcome: Outcome,
    /// Every TXT record there, as text.
    pub texts: Vec<String>,
    /// How many of them are DMARC records; more than one are all discarded.
    pub count: usize,
    /// The one DMARC record.
    pub record: Option<Dmarc>,
    /// Its TTL in seconds.
    pub ttl: Option<u32>,
    /// Where the CNAMEs at `_dmarc` led, if there were any: somebody else keeps the record.
    pub delegated: Option<Name>,
    /// The lookup; `None` when `_dmarc` below the name would be longer than DNS allows.
    pub lookup: Option<LookupId>,
}

impl WalkStep {
    fn stops(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.psd != Psd::Unsaid)
    }

    /// Why we could not look here, if so.
    pub fn failure(&self) -> Option<&Outcome> {
        match self.outcome {
            Outcome::Answer | Outcome::NoData | Outcome::NoSuchName => None,
            Outcome::ServerFailure
            | Outcome::Refused
            | Outcome::TimedOut
            | Outcome::Malformed(_)
            | Outcome::Failed(_) => Some(&self.outcome),
        }
    }
}

/// Walks from `name` up to the first record with `psd=y` or `psd=n`, or to the single label.
pub fn walk(name: &Name, seen: &Seen<'_>) -> Result<Vec<WalkStep>, Wait> {
    let names = walk_names(name);
    // Ask everything first; then judge in order, so that a step after the stop is not waited for.
    let asked: Vec<_> = names
        .into_iter()
        .map(|name| {
            let answer = name.below("_dmarc").ok().map(|at| seen.dns(&at, Kind::Txt));
            (name, answer)
        })
        .collect();
    let mut steps = Vec::new();
    for (name, answer) in asked {
        let step = match answer.transpose()? {
            Some(answer) => step(name, answer.id, answer.answer),
            None => WalkStep {
                name,
                outcome: Outcome::NoSuchName,
                texts: Vec::new(),
                count: 0,
                record: None,
                ttl: None,
                delegated: None,
                lookup: None,
            },
        };
        let stops = step.stops();
        steps.push(step);
        if stops {
            break;
        }
    }
    Ok(steps)
}

fn step(name: Name, lookup: LookupId, answer: &crate::check::DnsAnswer) -> WalkStep {
    let outcome = match answer.look() {
        Look::Found(_) => Outcome::Answer,
        Look::Absent(Absence::NoData) => Outcome::NoData,
        Look::Absent(Absence::NoSuchName) => Outcome::NoSuchName,
        Look::Unknown(outcome) => outcome.clone(),
    };
    let texts: Vec<String> = answer.texts().map(|text| lossless(&text).into_owned()).collect();
    let mut records: Vec<Dmarc> = texts.iter().filter_map(|text| Dmarc::parse(text)).collect();
    let count = records.len();
    let record = if count == 1 { records.pop() } else { None };
    let delegated = answer.aliases.iter().rev().find_map(|alias| match &alias.data {
        Data::Cname(target) => Some(target.clone()),
        _ => None,
    });
    WalkStep { name, outcome, texts, count, record, ttl: answer.ttl, delegated, lookup: Some(lookup) }
}

/// The Organizational Domain that a walk found, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Organizational {
    /// The Organizational Domain.
    Domain(Name),
    /// A step of the walk that could have changed it failed.
    Unknown(Outcome),
}

impl Organizational {
    /// The domain, if it is known.
    pub fn domain(&self) -> Option<&Name> {
        match self {
            Organizational::Domain(name) => Some(name),
            Organizational::Unknown(_) => None,
        }
    }
}

/// RFC 9989 §4.10.2, on the steps of one walk. A failed step decides nothing only if it is no deeper than what `psd=n` or
/// `psd=y` says: a record there with a `psd` of its own would have ended the walk. Without a `psd` a record there could have
/// been the one with the fewest labels.
fn organizational(start: &Name, steps: &[WalkStep]) -> Organizational {
    let found = || steps.iter().filter_map(|step| step.record.as_ref().map(|record| (&step.name, record.psd)));
    let said = found().find(|(_, psd)| *psd == Psd::No).map(|(name, _)| name.clone()).or_else(|| {
        let suffix = found().find(|(name, psd)| *psd == Psd::Yes && *name != start);
        suffix.map(|(suffix, _)| start.suffix(suffix.label_count() + 1))
    });
    if let Some(said) = said {
        let mut deeper = steps.iter().filter(|step| step.name.label_count() > said.label_count());
        return match deeper.find_map(WalkStep::failure) {
            Some(failure) => Organizational::Unknown(failure.clone()),
            None => Organizational::Domain(said),
        };
    }
    if let Some(failure) = steps.iter().find_map(WalkStep::failure) {
        return Organizational::Unknown(failure.clone());
    }
    let fewest = found().min_by_key(|(name, _)| name.label_count()).map(|(name, _)| name.clone());
    Organizational::Domain(fewest.unwrap_or_else(|| start.clone()))
}

/// The Organizational Domain of any name: what alignment compares (each identifier needs its own walk). One round.
pub fn organizational_domain(name: &Name, seen: &Seen<'_>) -> Result<Organizational, Wait> {
    Ok(organizational(name, &walk(name, seen)?))
}

/// The Organizational Domains of several identifiers, all asked in one round.
pub fn organizational_domains(names: &[Name], seen: &Seen<'_>) -> Result<Vec<Organizational>, Wait> {
    all(names, |name| organizational_domain(name, seen))
}

#[cfg(test)]
mod tests;

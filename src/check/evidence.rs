//! What is known so far, and how a check reads it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::check::{Answer, Dialogue, DnsAnswer, HttpsAnswer, HttpsRules, Kind, Lane, Query, Transcript, Wait};
use crate::name::Name;
use crate::report::LookupId;

/// Answers by question. Cloning is cheap enough to hand one to every reader: answers are shared.
///
/// An overlay answers before the map does: a what-if is evidence with an overlay, and its answers reach no cache.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    known: HashMap<Query, Entry>,
    overlay: Option<Arc<HashMap<Query, Entry>>>,
}

/// One answer with the lookup that brought it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The line of the job's lookup log.
    pub lookup: LookupId,
    /// What came back.
    pub answer: Arc<Answer>,
}

impl Evidence {
    /// The answer to `query`, if it is known.
    pub fn get(&self, query: &Query) -> Option<&Entry> {
        self.overlay.as_ref().and_then(|overlay| overlay.get(query)).or_else(|| self.known.get(query))
    }

    /// Adds or replaces (a growing dialogue) the answer to `query`.
    pub fn insert(&mut self, query: Query, lookup: LookupId, answer: Arc<Answer>) {
        self.known.insert(query, Entry { lookup, answer });
    }

    /// The same evidence with answers that go before it.
    pub fn with_overlay(&self, overlay: HashMap<Query, Entry>) -> Evidence {
        Evidence { known: self.known.clone(), overlay: Some(Arc::new(overlay)) }
    }

    /// Every known question and answer, the overlay not included.
    pub fn iter(&self) -> impl Iterator<Item = (&Query, &Entry)> {
        self.known.iter()
    }

    /// How many answers are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// The evidence as one check reads it in one step. It notes what was read (the section's evidence) and what is missing
/// (the next questions), and carries the time.
pub struct Seen<'a> {
    evidence: &'a Evidence,
    now: OffsetDateTime,
    read: RefCell<BTreeSet<LookupId>>,
    missing: RefCell<Vec<(Query, Lane)>>,
    growing: Cell<bool>,
}

impl<'a> Seen<'a> {
    /// The evidence as of `now`.
    pub fn new(evidence: &'a Evidence, now: OffsetDateTime) -> Seen<'a> {
        Seen { evidence, now, read: RefCell::default(), missing: RefCell::default(), growing: Cell::new(false) }
    }

    /// The time that verdicts use.
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// Asks for records of `kind` at `name`; waits when the answer is not there yet.
    pub fn dns(&self, name: &Name, kind: Kind) -> Result<Dns<'a>, Wait> {
        self.dns_in(Lane::Chain, name, kind)
    }

    /// The same as one of many guesses that nothing else waits for.
    pub fn probe(&self, name: &Name, kind: Kind) -> Result<Dns<'a>, Wait> {
        self.dns_in(Lane::Probe, name, kind)
    }

    /// Asks, and does not wait: the section is there without the answer (`None`), "so far", and the check is stepped again
    /// when it has come. For what may add a word and decides nothing.
    pub fn aside(&self, name: &Name, kind: Kind) -> Option<Dns<'a>> {
        let answer = self.probe(name, kind).ok();
        if answer.is_none() {
            self.growing.set(true);
        }
        answer
    }

    /// The same of one server that should answer for the zone itself.
    pub fn dns_at(&self, server: IpAddr, name: &Name, kind: Kind) -> Result<Dns<'a>, Wait> {
        match self.ask(Query::At { server, name: name.clone(), kind }, Lane::Chain)? {
            (id, Answer::Dns(answer)) => Ok(Dns { id, answer }),
            (_, Answer::Https(_) | Answer::Smtp(_)) => Err(Wait::Answers),
        }
    }

    fn dns_in(&self, lane: Lane, name: &Name, kind: Kind) -> Result<Dns<'a>, Wait> {
        match self.ask(Query::dns(name, kind), lane)? {
            (id, Answer::Dns(answer)) => Ok(Dns { id, answer }),
            (_, Answer::Https(_) | Answer::Smtp(_)) => Err(Wait::Answers),
        }
    }

    /// Asks whether DNSSEC holds for records of `kind` at `name`, or for their absence: validated here, from the trust
    /// anchor down. It is a question of its own, which takes longer than [`Seen::dns`] and need not succeed where that
    /// does: `dnssec` is then `Unknown`, and the outcome says why. A bogus answer has no records.
    pub fn validated(&self, name: &Name, kind: Kind) -> Result<Dns<'a>, Wait> {
        match self.ask(Query::validated(name, kind), Lane::Probe)? {
            (id, Answer::Dns(answer)) => Ok(Dns { id, answer }),
            (_, Answer::Https(_) | Answer::Smtp(_)) => Err(Wait::Answers),
        }
    }

    /// Asks for the file at `url` under the rules of what it is.
    pub fn https(&self, url: &str, rules: HttpsRules) -> Result<Https<'a>, Wait> {
        match self.ask(Query::Https { url: Arc::from(url), rules }, Lane::Chain)? {
            (id, Answer::Https(answer)) => Ok(Https { id, answer }),
            (_, Answer::Dns(_) | Answer::Smtp(_)) => Err(Wait::Answers),
        }
    }

    /// Asks for a dialogue. A growing one is returned too: the section is then "so far", and the check is stepped again.
    pub fn smtp(&self, dialogue: &Arc<Dialogue>) -> Result<Smtp<'a>, Wait> {
        match self.ask(Query::Smtp(dialogue.clone()), Lane::Chain)? {
            (id, Answer::Smtp(transcript)) => {
                if !transcript.finished {
                    self.growing.set(true);
                }
                Ok(Smtp { id, transcript })
            }
            (_, Answer::Dns(_) | Answer::Https(_)) => Err(Wait::Answers),
        }
    }

    /// Whether the answer to a DNS question is known, without asking it.
    pub fn knows(&self, name: &Name, kind: Kind) -> bool {
        self.evidence.get(&Query::dns(name, kind)).is_some()
    }

    fn ask(&self, query: Query, lane: Lane) -> Result<(LookupId, &'a Answer), Wait> {
        let Some(entry) = self.evidence.get(&query) else {
            self.missing.borrow_mut().push((query, lane));
            return Err(Wait::Answers);
        };
        self.read.borrow_mut().insert(entry.lookup);
        Ok((entry.lookup, &entry.answer))
    }

    /// What was read, and what was asked and is missing, in the order of asking; each question once, in the faster of
    /// its lanes.
    pub fn into_notes(self) -> Notes {
        let mut missing: Vec<(Query, Lane)> = Vec::new();
        let mut at: HashMap<Query, usize> = HashMap::new();
        for (query, lane) in self.missing.into_inner() {
            match at.get(&query).and_then(|&at| missing.get_mut(at)) {
                Some(entry) if lane == Lane::Chain => entry.1 = Lane::Chain,
                Some(_) => {}
                None => {
                    at.insert(query.clone(), missing.len());
                    missing.push((query, lane));
                }
            }
        }
        Notes { read: self.read.into_inner().into_iter().collect(), missing, growing: self.growing.get() }
    }
}

/// What one step of a check read and asked.
pub struct Notes {
    /// The lookups that were read, in order.
    pub read: Vec<LookupId>,
    /// The questions without an answer yet.
    pub missing: Vec<(Query, Lane)>,
    /// Whether the section is so far: a dialogue that was read is still growing, or something is asked aside.
    pub growing: bool,
}

/// A DNS answer with its lookup's id.
#[derive(Clone, Copy, Debug)]
pub struct Dns<'a> {
    /// The lookup that brought it.
    pub id: LookupId,
    /// The answer.
    pub answer: &'a DnsAnswer,
}

impl Deref for Dns<'_> {
    type Target = DnsAnswer;
    fn deref(&self) -> &DnsAnswer {
        self.answer
    }
}

/// An HTTPS answer with its lookup's id.
#[derive(Clone, Copy, Debug)]
pub struct Https<'a> {
    /// The lookup that brought it.
    pub id: LookupId,
    /// The answer.
    pub answer: &'a HttpsAnswer,
}

impl Deref for Https<'_> {
    type Target = HttpsAnswer;
    fn deref(&self) -> &HttpsAnswer {
        self.answer
    }
}

/// A dialogue with its lookup's id.
#[derive(Clone, Copy, Debug)]
pub struct Smtp<'a> {
    /// The lookup that brought it.
    pub id: LookupId,
    /// What was said, so far.
    pub transcript: &'a Transcript,
}

/// Asks `f` for every item before it waits for any: the way to loop over independent questions.
pub fn all<T, R>(items: impl IntoIterator<Item = T>, mut f: impl FnMut(T) -> Result<R, Wait>) -> Result<Vec<R>, Wait> {
    let mut results = Vec::new();
    let mut wait = None;
    for item in items {
        match f(item) {
            Ok(result) => results.push(result),
            Err(why) => wait = wait.or(Some(why)),
        }
    }
    match wait {
        None => Ok(results),
        Some(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Outcome;

    #[test]
    fn asking_happens_at_the_call_and_each_question_is_asked_once() {
        let evidence = Evidence::default();
        let seen = Seen::new(&evidence, OffsetDateTime::UNIX_EPOCH);
        let name = Name::from_text("example.com").unwrap();
        let asked = (seen.probe(&name, Kind::Mx), seen.dns(&name, Kind::Txt), seen.dns(&name, Kind::Mx));
        assert_eq!((asked.0.unwrap_err(), asked.1.unwrap_err()), (Wait::Answers, Wait::Answers));
        let notes = seen.into_notes();
        assert_eq!(
            notes.missing,
            [(Query::dns(&name, Kind::Mx), Lane::Chain), (Query::dns(&name, Kind::Txt), Lane::Chain)]
        );
    }

    #[test]
    fn an_overlay_answers_first() {
        let name = Name::from_text("example.com").unwrap();
        let query = Query::dns(&name, Kind::Mx);
        let mut evidence = Evidence::default();
        let answer = |outcome| Arc::new(Answer::Dns(DnsAnswer::empty(outcome)));
        evidence.insert(query.clone(), LookupId(1), answer(Outcome::NoData));
        let entry = Entry { lookup: LookupId(9), answer: answer(Outcome::NoSuchName) };
        let what_if = evidence.with_overlay([(query, entry)].into());
        let seen = Seen::new(&what_if, OffsetDateTime::UNIX_EPOCH);
        assert!(seen.dns(&name, Kind::Mx).unwrap().is_no_such_name());
        assert_eq!(seen.into_notes().read, [LookupId(9)]);
    }
}

//! How a check asks and is answered. A [`Check`] is a pure, synchronous step: given its subject and the evidence so far it
//! is done (`Ok(Section)`) or waits for what it has just asked (`Err(Wait)`). The engine runs the loop; a test runs the
//! same loop on literal evidence ([`world::World`]).
//!
//! **Asking happens at the call, waiting at the `?`.** Call everything independent first, then wait:
//! `let (txt, mx) = (seen.dns(..), seen.dns(..)); let txt = txt?;`. A `?` too early makes the chain longer and no verdict
//! test notices; fixtures therefore state each check's depth.
//!
//! A check reads only through [`Seen`], and reading is asking. Checks share pure functions, never results: equal
//! questions join in the engine. Time is `seen.now()`, nothing else.

mod answer;
mod bytes;
mod evidence;
mod query;
mod transcript;
mod visit;
pub mod world;

use std::any::Any;

pub use answer::{Absence, Answer, Data, DnsAnswer, Dnssec, HttpsAnswer, HttpsOutcome, Look, Outcome, Record};
pub use evidence::{Dns, Entry, Evidence, Https, Notes, Seen, Smtp, all};
pub use query::{HttpsRules, Kind, Lane, Query};
pub use transcript::*;
pub use visit::{Captured, HeardEnvelope, ListenerNews, Remark, Visit};

use crate::report::{Section, Table, VerdictLine};

/// One check over a subject `S`: a record of a domain, a protocol of a message, a stage of a dialogue.
pub trait Check<S>: Sync {
    /// A kebab id that never changes: the JSON key, the `--only` word.
    fn id(&self) -> &'static str;
    /// The title on the screen.
    fn title(&self) -> &'static str;
    /// One sentence for the help and the manual: what is looked at.
    fn about(&self) -> &'static str;
    /// Judges the evidence so far, or says (by what it asked of `seen`) what is missing. Total: never panics, and the
    /// same evidence gives the same section whatever `memo` holds.
    fn step(&self, subject: &S, seen: &Seen<'_>, memo: &mut Memo) -> Result<Section, Wait>;
}

/// What a job is about, with the list of checks that look at it.
pub trait Subject: Send + Sync + Sized + 'static {
    /// `kind` of the report: `domain`, `message`, `smtp`, `spf`, `dmarc`.
    const KIND: &'static str;
    /// `target` of the report.
    fn target(&self) -> String;
    /// The checks, in the fixed order of the sections.
    fn checks(&self) -> &'static [&'static dyn Check<Self>];
    /// Checks that run only where a job names them ([`crate::job::Job::only`]): they ask much, or ask others than the
    /// resolver. Their sections stand after the rest.
    fn on_request(&self) -> &'static [&'static dyn Check<Self>] {
        &[]
    }
    /// What the sections mean for each other, once all of them are done: one that looked further may show that another
    /// judged what does not hold any more.
    fn together(&self, _sections: &mut [Section]) {}
    /// The lines above the sections, from what is there so far.
    fn verdict(&self, sections: &[Section]) -> Vec<VerdictLine>;
    /// The table between verdict and sections, where the kind has one.
    fn summary(&self, _sections: &[Section]) -> Option<Table> {
        None
    }
}

/// Why a check is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It has asked and waits for answers.
    Answers,
    /// It computes in slices: step it again, off the async workers.
    Again(Progress),
}

/// How far a long computation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub of: u64,
}

/// A check's scratch between steps. Dropping it may cost time, never change the answer.
#[derive(Default)]
pub struct Memo(Option<Box<dyn Any + Send>>);

impl Memo {
    /// The scratch value of type `T`, made anew when there is none.
    pub fn get_or_insert_with<T: Any + Send>(&mut self, make: impl FnOnce() -> T) -> &mut T {
        if !self.0.as_ref().is_some_and(|kept| kept.is::<T>()) {
            self.0 = Some(Box::new(make()));
        }
        match self.0.as_mut().and_then(|kept| kept.downcast_mut::<T>()) {
            Some(kept) => kept,
            None => unreachable!("the scratch was made as T just above"),
        }
    }
}

//! Why a signature broke: what lists, gateways and mailboxes usually do to a message is undone, one step at a time, until
//! the hash matches or the signature verifies; then it is said which bytes were changed (RFC 6376 §8.15, RFC 5863 §7).
//!
//! A repair proves that the signer signed what remains. It says nothing for what was added, and it never changes the
//! results of DKIM or DMARC: those judge the message as it came.

mod body;
mod fields;
mod header;
mod html;
mod links;
mod parts;
mod signs;
mod told;

use crate::check::{Check, Memo, Progress, Seen, Wait};
use crate::finding::Span;
use crate::message::Message;
use crate::message::autopsy::body::{MAX_TOP, UNDOS, Undo, holds_body, try_body};
use crate::message::autopsy::header::{Change, changes, combinations, holds};
use crate::message::autopsy::parts::Parts;
use crate::message::dkim::{BodyCheck, HeaderCheck, Judged, judge_all};
use crate::message::mime::Tree;
use crate::report::Section;

/// Bodies beyond this are not encoded anew: it takes twice their size in memory, and who changes the encoding of so much
/// is no usual gateway.
const MAX_ENCODED: usize = 16 * 1024 * 1024;
/// How many signatures are looked into.
const MAX_SIGNATURES: usize = 6;
/// How many bytes of body are hashed in one step: some milliseconds.
const SLICE: u64 = 8 * 1024 * 1024;
/// How many bytes of body are hashed in all: a large message gets fewer tries.
const MAX_HASHED: u64 = 384 * 1024 * 1024;
/// How many signatures are verified in one step.
const TRIES: usize = 200;
/// How many combinations of changes inside the parts are one try.
const COMBINATIONS: usize = 10;
/// How much of what was added is shown.
const MAX_SHOWN: usize = 4096;

/// The check.
pub struct Autopsy;

/// One thing that makes a signature hold again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Repair {
    /// The signature's number.
    number: usize,
    /// `body` or `header`.
    part: &'static str,
    /// In words that follow "if ".
    what: String,
    /// What is to be taken off, in the message's text.
    removed: Vec<Span>,
}

/// One try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    /// A signature's body hash, with an undone step and lines off the top.
    Body(usize, Undo, usize),
    /// A signature's header, this slice of its combinations.
    Header(usize, usize),
    /// A signature's body with changes inside its parts, this slice of the combinations.
    Parts(usize, usize),
}

/// The work so far.
#[derive(Default)]
struct Work {
    tree: Tree,
    parts: Parts,
    tries: Vec<Try>,
    next: usize,
    hashed: u64,
    verified: usize,
    gave_up: bool,
    repairs: Vec<Repair>,
    /// The last body that was undone, because several tries use it.
    undone: Option<(Undo, Option<Vec<u8>>)>,
}

impl Check<Message> for Autopsy {
    fn id(&self) -> &'static str {
        "autopsy"
    }

    fn title(&self) -> &'static str {
        "Autopsy"
    }

    fn about(&self) -> &'static str {
        "why a signature broke: usual changes are undone until the hash matches, and the changed bytes are shown"
    }

    fn step(&self, message: &Message, seen: &Seen<'_>, memo: &mut Memo) -> Result<Section, Wait> {
        let judged = judge_all(message, seen)?;
        let broken: Vec<&Judged<'_>> = judged.iter().filter(|one| is_broken(one)).take(MAX_SIGNATURES).collect();
        if broken.is_empty() {
            return Ok(told::nothing_to_do(message, &judged));
        }
        let mut is_new = false;
        let work = memo.get_or_insert_with(|| {
            is_new = true;
            Work::default()
        });
        if is_new {
            // Reading the parts takes time in proportion to the message: not on the worker that steps everybody.
            return Err(Wait::Again(Progress { done: 0, of: 1 }));
        }
        if work.tries.is_empty() {
            work.tree = Tree::read(message);
            work.parts = Parts::read(message, &work.tree);
            work.tries = tries(&broken, work.parts.combinations.len());
        }
        work.slice(message, &broken);
        if work.next < work.tries.len() {
            return Err(Wait::Again(Progress { done: work.next as u64, of: work.tries.len() as u64 }));
        }
        Ok(told::section(message, &broken, work))
    }
}

fn has_other_body(one: &Judged<'_>) -> bool {
    matches!(one.body, BodyCheck::Mismatch(_)) && !one.signature.body_hash.is_empty()
}

fn is_broken(one: &Judged<'_>) -> bool {
    has_other_body(one) || one.header == HeaderCheck::Invalid
}

/// Everything to try, the most likely first: the plain cuts of every signature, then the other steps, the header, changes
/// inside the parts, and lines off the top after every step.
fn tries(broken: &[&Judged<'_>], combinations: usize) -> Vec<Try> {
    let bodies: Vec<usize> =
        (0..broken.len()).filter(|at| broken.get(*at).is_some_and(|one| has_other_body(one))).collect();
    let headers = (0..broken.len()).filter(|at| broken.get(*at).is_some_and(|one| one.header == HeaderCheck::Invalid));
    let mut all: Vec<Try> = Vec::new();
    for undo in UNDOS {
        all.extend(bodies.iter().map(|at| Try::Body(*at, *undo, 0)));
    }
    for at in headers {
        all.extend((0..header::MAX_TRIES.div_ceil(TRIES)).map(|slice| Try::Header(at, slice)));
    }
    // Lines off the top of the body as it came are the usual banner; the other steps with them are rare.
    all.extend((1..=MAX_TOP).flat_map(|top| bodies.iter().map(move |at| Try::Body(*at, Undo::Nothing, top))));
    all.extend(
        (0..combinations.div_ceil(COMBINATIONS)).flat_map(|slice| bodies.iter().map(move |at| Try::Parts(*at, slice))),
    );
    for undo in UNDOS.iter().filter(|undo| **undo != Undo::Nothing) {
        for top in 1..=MAX_TOP {
            all.extend(bodies.iter().map(|at| Try::Body(*at, *undo, top)));
        }
    }
    all
}

impl Work {
    fn slice(&mut self, message: &Message, broken: &[&Judged<'_>]) {
        let until = self.hashed + SLICE;
        let mut verified = 0;
        while let Some(next) = self.tries.get(self.next).copied() {
            if self.hashed >= until || verified >= TRIES {
                return;
            }
            self.next += 1;
            match next {
                Try::Body(at, undo, top) => self.body(message, broken, (at, undo, top)),
                Try::Parts(at, slice) => self.parts(message, broken, at, slice),
                Try::Header(at, slice) => verified += self.header(message, broken, at, slice),
            }
        }
    }

    fn is_repaired(&self, number: usize, part: &str) -> bool {
        self.repairs.iter().any(|repair| repair.number == number && repair.part == part)
    }

    fn body(&mut self, message: &Message, broken: &[&Judged<'_>], (at, undo, top): (usize, Undo, usize)) {
        let Some(one) = broken.get(at).filter(|one| !self.is_repaired(one.number, "body")) else { return };
        if self.hashed >= MAX_HASHED {
            self.gave_up = true;
            return;
        }
        if undo.is_encoding() && message.body().is_some_and(|body| body.len() > MAX_ENCODED) {
            self.gave_up = true;
            return;
        }
        if self.undone.as_ref().is_none_or(|(kept, _)| *kept != undo) {
            // The one before goes first: a large message is not held three times.
            self.undone = None;
            self.undone = Some((undo, undo.apply(message, &self.tree)));
        }
        let Some((_, Some(body))) = &self.undone else { return };
        // Canonicalised once for the ends of lines, once for the hashes.
        self.hashed += 2 * body.len() as u64 + 1024;
        let Some(found) = try_body(one.signature, body, top) else { return };
        let mut steps: Vec<String> = undo.words().into_iter().collect();
        if found.top > 0 {
            steps.push(format!("the first {} removed", lines(found.top)));
        }
        if found.bottom > 0 {
            steps.push(format!("the last {} removed", lines(found.bottom)));
        }
        let start = message.body_start().unwrap_or(0);
        // Only in the body as it stands do the spans point at its bytes.
        let removed = found.removed.iter().filter(|_| undo == Undo::Nothing);
        let removed = removed.map(|span| Span::new(span.start + start, span.end + start)).collect();
        self.repairs.push(Repair { number: one.number, part: "body", what: steps.join(", and "), removed });
    }

    fn parts(&mut self, message: &Message, broken: &[&Judged<'_>], at: usize, slice: usize) {
        let Some(one) = broken.get(at).filter(|one| !self.is_repaired(one.number, "body")) else { return };
        for made in self.parts.combinations.iter().skip(slice * COMBINATIONS).take(COMBINATIONS) {
            if self.hashed >= MAX_HASHED {
                self.gave_up = true;
                return;
            }
            let Some((body, removed)) = self.parts.apply(message, made) else { continue };
            self.hashed += 2 * body.len() as u64 + 1024;
            if holds_body(one.signature, &body) {
                let what = self.parts.words(made);
                self.repairs.push(Repair { number: one.number, part: "body", what, removed });
                return;
            }
        }
    }

    /// Returns how many signatures were verified.
    fn header(&mut self, message: &Message, broken: &[&Judged<'_>], at: usize, slice: usize) -> usize {
        let Some(one) = broken.get(at).filter(|one| !self.is_repaired(one.number, "header")) else { return 0 };
        let known = changes(message, &self.tree, one);
        let all = combinations(known.len(), &known);
        let mut tried = 0;
        for made in all.iter().skip(slice * TRIES).take(TRIES) {
            let made: Vec<&Change> = made.iter().filter_map(|at| known.get(*at)).collect();
            tried += 1;
            if holds(message, one, &made) {
                let what: Vec<&str> = made.iter().map(|change| change.what.as_str()).collect();
                let removed = made.iter().filter_map(|change| {
                    let index = one.cover.fields.get(change.place?).copied().flatten()?;
                    message.field(index).map(|field| field.field.whole)
                });
                let removed = removed.collect();
                self.repairs.push(Repair { number: one.number, part: "header", what: what.join(", and "), removed });
                break;
            }
        }
        self.verified += tried;
        tried
    }
}

fn lines(count: usize) -> String {
    if count == 1 { "line is".into() } else { format!("{count} lines are") }
}

#[cfg(test)]
mod tests;

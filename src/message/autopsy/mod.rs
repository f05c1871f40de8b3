//! Why a signature broke: what lists, gateways and mailboxes usually do to a message is undone, one step at a time, until
//! the hash matches or the signature verifies; then it is said which bytes were changed (RFC 6376 §8.15, RFC 5863 §7).
//!
//! A repair proves that the signer signed what remains. It says nothing for what was added, and it never changes the
//! results of DKIM or DMARC: those judge the message as it came.

mod body;
mod header;

use serde_json::json;

use crate::check::{Check, Memo, Progress, Seen, Wait};
use crate::finding::{Finding, Severity, Span};
use crate::message::Message;
use crate::message::autopsy::body::{MAX_TOP, UNDOS, Undo, try_body};
use crate::message::autopsy::header::{Change, changes, combinations, holds};
use crate::message::dkim::{BodyCheck, HeaderCheck, Judged, judge_all};
use crate::message::mime::Tree;
use crate::report::{Block, Cell, Fact, Mark, Section};
use crate::untrusted;

/// How many signatures are looked into.
const MAX_SIGNATURES: usize = 6;
/// How many bytes of body are hashed in one step: some milliseconds.
const SLICE: u64 = 8 * 1024 * 1024;
/// How many bytes of body are hashed in all: a large message gets fewer tries.
const MAX_HASHED: u64 = 384 * 1024 * 1024;
/// How many signatures are verified in one step.
const TRIES: usize = 200;
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
}

/// The work so far.
#[derive(Default)]
struct Work {
    tree: Tree,
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
            return Ok(nothing_to_do(message, &judged));
        }
        let mut is_new = false;
        let work = memo.get_or_insert_with(|| {
            is_new = true;
            Work { tree: Tree::read(message), tries: tries(&broken), ..Work::default() }
        });
        if !is_new {
            work.slice(message, &broken);
        }
        if work.next < work.tries.len() {
            return Err(Wait::Again(Progress { done: work.next as u64, of: work.tries.len() as u64 }));
        }
        Ok(section(message, &broken, work))
    }
}

fn has_other_body(one: &Judged<'_>) -> bool {
    matches!(one.body, BodyCheck::Mismatch(_)) && !one.signature.body_hash.is_empty()
}

fn is_broken(one: &Judged<'_>) -> bool {
    has_other_body(one) || one.header == HeaderCheck::Invalid
}

/// Everything to try, the most likely first: the plain cuts of every signature, then the other steps, then banners.
fn tries(broken: &[&Judged<'_>]) -> Vec<Try> {
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
    for undo in UNDOS {
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
        if self.undone.as_ref().is_none_or(|(kept, _)| *kept != undo) {
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

fn nothing_to_do(message: &Message, judged: &[Judged<'_>]) -> Section {
    let mut section = Section::new("autopsy", "Autopsy");
    section.headline = "not needed".into();
    section.fact("signature", serde_json::Value::Null);
    section.fact("repairs", json!([]));
    let why = if judged.is_empty() {
        "There is no DKIM signature, so nothing broke."
    } else if message.body().is_none() {
        "The body was not pasted, so no body hash can be compared, and no header signature is broken."
    } else {
        "No signature is broken by a change of the message: what fails, fails for another reason."
    };
    section.blocks.push(Block::Prose { title: "Nothing to look into".into(), text: vec![why.into()] });
    section
}

fn section(message: &Message, broken: &[&Judged<'_>], work: &Work) -> Section {
    let mut section = Section::new("autopsy", "Autopsy");
    section.headline = match work.repairs.len() {
        0 => "not found".into(),
        _ => "found".into(),
    };
    section.fact("signature", broken.first().map(|one| one.number));
    let repairs: Vec<_> = work
        .repairs
        .iter()
        .map(|repair| json!({"signature": repair.number, "part": repair.part, "what": repair.what, "removed": repair.removed}))
        .collect();
    section.fact("repairs", repairs);
    section.fact(
        "tried",
        json!({"hashed_bytes": work.hashed, "header_combinations": work.verified, "gave_up": work.gave_up}),
    );
    for one in broken {
        section.blocks.push(Block::Facts(facts(one, work)));
        told(one, work, &mut section);
    }
    if let Some(block) = added(message, work) {
        section.blocks.push(block);
    }
    section.blocks.push(Block::Prose { title: "What this proves".into(), text: proves(broken, work) });
    section.settle()
}

fn facts(one: &Judged<'_>, work: &Work) -> Vec<Fact> {
    let domain = one.signature.domain.as_ref().map_or("an unknown domain".to_owned(), ToString::to_string);
    let mut facts = vec![Fact::new(format!("signature #{}", one.number), domain)];
    let mut add = |part: &str, label: &str, is_broken: bool, whole: &str| {
        let cell = match work.repairs.iter().find(|repair| repair.number == one.number && repair.part == part) {
            Some(repair) => Cell::from(format!("{whole} if {}", repair.what)).judged(Severity::Info),
            None if is_broken => Cell::from("no step that we know mends it").judged(Severity::Warning),
            None => Cell::from("not broken"),
        };
        facts.push(Fact::new(label, cell));
    };
    add("body", "  body hash", has_other_body(one), "matches");
    add("header", "  header", one.header == HeaderCheck::Invalid, "verifies");
    facts
}

fn told(one: &Judged<'_>, work: &Work, section: &mut Section) {
    let domain = one.signature.domain.as_ref().map_or("an unknown domain".to_owned(), ToString::to_string);
    let number = one.number;
    for (part, is_broken) in [("body", has_other_body(one)), ("header", one.header == HeaderCheck::Invalid)] {
        if !is_broken {
            continue;
        }
        let repair = work.repairs.iter().find(|repair| repair.number == number && repair.part == part);
        let finding = match (repair, part) {
            (Some(repair), "body") => Finding::info(
                "autopsy.body-mended",
                format!(
                    "The body hash of signature #{number} ({domain}) matches if {}. So {domain} signed the rest, and that was changed on the way; lists and gateways do so.",
                    repair.what
                ),
            ),
            (Some(repair), _) => Finding::info(
                "autopsy.header-mended",
                format!(
                    "The header signature #{number} ({domain}) verifies if {}. So {domain} signed the other fields, and that was changed on the way.",
                    repair.what
                ),
            ),
            (None, "body") => Finding::info(
                "autopsy.body-not-mended",
                format!(
                    "No usual change explains why the body hash of signature #{number} ({domain}) differs: no footer of up to 400 lines, banner of up to {MAX_TOP}, white space, re-encoding or added part. Either it was changed otherwise, or this body never was {domain}'s."
                ),
            ),
            (None, _) => Finding::info(
                "autopsy.header-not-mended",
                format!(
                    "No usual change explains why the header signature #{number} ({domain}) is invalid; {} combinations were tried. The key may be another one by now.",
                    work.verified
                ),
            ),
        };
        let span = repair.and_then(|repair| repair.removed.first().copied());
        section.findings.push(match span {
            Some(span) => finding.with_span(span),
            None => finding,
        });
    }
    if work.gave_up && !section.findings.iter().any(|finding| finding.id == "autopsy.gave-up") {
        section.findings.push(Finding::info(
            "autopsy.gave-up",
            format!(
                "The message is large: after {} MB of hashing the rarer steps were left out.",
                work.hashed / 1_000_000
            ),
        ));
    }
}

/// The bytes that were added or changed, as they stand.
fn added(message: &Message, work: &Work) -> Option<Block> {
    let mut removed: Vec<Span> = work.repairs.iter().flat_map(|repair| repair.removed.iter().copied()).collect();
    removed.sort_unstable();
    removed.dedup();
    if removed.is_empty() {
        return None;
    }
    let (mut text, mut marks) = (String::new(), Vec::new());
    for span in removed {
        let bytes = span.of(message.text()).unwrap_or_default();
        let start = text.len();
        text.push_str(&untrusted::lossless(bytes.get(..MAX_SHOWN).unwrap_or(bytes)));
        let is_body = message.body_start().is_some_and(|body| span.start >= body);
        let note = if is_body { "added after it was signed" } else { "changed after it was signed" };
        let note = format!("{note}: bytes {} to {} of the message", span.start, span.end);
        marks.push(Mark { span: Span::new(start, text.len()), note, severity: Severity::Warning });
    }
    Some(Block::Source { title: "What was not signed so".into(), text, marks })
}

fn proves(broken: &[&Judged<'_>], work: &Work) -> Vec<String> {
    let whole = broken.iter().find(|one| {
        let mended = |part: &str, is_broken: bool| !is_broken || work.is_repaired(one.number, part);
        mended("body", has_other_body(one))
            && mended("header", one.header == HeaderCheck::Invalid)
            && (one.header == HeaderCheck::Valid || work.is_repaired(one.number, "header"))
    });
    let mut text = Vec::new();
    if let Some(one) = whole {
        let domain = one.signature.domain.as_ref().map_or("the signer".to_owned(), ToString::to_string);
        text.push(format!(
            "With that undone, signature #{} holds whole: {domain} signed this message before it was changed.",
            one.number
        ));
    }
    if work.repairs.is_empty() {
        text.push("A signature that cannot be mended proves nothing, for or against: the body may be forged under a replayed header, or a gateway may have rewritten it in a way of its own.".into());
    } else {
        text.push("It speaks only for what was signed; what was added is whoever's who added it.".into());
    }
    text.push("DKIM and DMARC judge the message as it came, so their results stay as they are.".into());
    text
}

#[cfg(test)]
mod tests;

//! What an autopsy says: what mends each signature, the bytes that were changed, and what that proves.

use serde_json::json;

use super::body::MAX_TOP;
use super::signs::signs;
use super::{MAX_SHOWN, Work, has_other_body};
use crate::finding::{Finding, Severity, Span};
use crate::message::Message;
use crate::message::dkim::{HeaderCheck, Judged, Verdict};
use crate::report::{Block, Cell, Fact, Mark, Section};
use crate::untrusted;

pub(super) fn nothing_to_do(message: &Message, judged: &[Judged<'_>]) -> Section {
    let mut section = Section::new("autopsy", "Autopsy");
    section.headline = "not needed".into();
    section.fact("signature", serde_json::Value::Null);
    section.fact("repairs", json!([]));
    section.fact("mended", json!([]));
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

pub(super) fn section(message: &Message, broken: &[&Judged<'_>], work: &Work) -> Section {
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
    let signs = signs(message, &work.parts);
    section.fact("likely", &signs);
    let mended: Vec<usize> = broken.iter().filter(|one| is_mended_whole(one, work)).map(|one| one.number).collect();
    section.fact("mended", mended);
    for one in broken {
        section.blocks.push(Block::Facts(facts(one, work)));
        told(one, work, &signs, &mut section);
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

fn told(one: &Judged<'_>, work: &Work, signs: &[String], section: &mut Section) {
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
                    "Proved: the body hash of signature #{number} ({domain}) matches if {}. So {domain} signed the rest, and that was changed on the way; lists and gateways do so.",
                    repair.what
                ),
            ),
            (Some(repair), _) => Finding::info(
                "autopsy.header-mended",
                format!(
                    "Proved: the header signature #{number} ({domain}) verifies if {}. So {domain} signed the other fields, and that was changed on the way.",
                    repair.what
                ),
            ),
            (None, "body") => Finding::info(
                "autopsy.body-not-mended",
                format!(
                    "Undoing the usual changes does not mend the body hash of signature #{number} ({domain}): footers of up to 400 lines, banners of up to {MAX_TOP}, blocks in HTML, rewritten links, white space, encodings, added parts.{} Either it was changed otherwise, or this body never was {domain}'s.",
                    likely(signs)
                ),
            ),
            (None, _) => Finding::info(
                "autopsy.header-not-mended",
                format!(
                    "Undoing the usual changes does not mend the header signature #{number} ({domain}); {} combinations were tried. The key may be another one by now.",
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
                "The message is large: {} MB were hashed, and the rarer steps were left out.",
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

/// Whether a signature that fails for nothing else would pass with its repairs.
fn is_mended_whole(one: &Judged<'_>, work: &Work) -> bool {
    let mended = |part: &str, is_broken: bool| !is_broken || work.is_repaired(one.number, part);
    one.verdict == Verdict::Fail
        && mended("body", has_other_body(one))
        && (one.header == HeaderCheck::Valid || work.is_repaired(one.number, "header"))
}

fn proves(broken: &[&Judged<'_>], work: &Work) -> Vec<String> {
    let whole = broken.iter().find(|one| is_mended_whole(one, work));
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

/// What it shows, as what it is: no proof.
fn likely(signs: &[String]) -> String {
    if signs.is_empty() { String::new() } else { format!(" Likely, not proved: {}.", signs.join("; ")) }
}

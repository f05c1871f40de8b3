//! The section on signatures: what each says, what holds, what it covers, and what that proves.

use std::collections::BTreeSet;

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::Severity;
use crate::message::Message;
use crate::message::alignment::{Identifier, align};
use crate::message::dkim::{Judged, Verdict, draw, findings, judge_all};
use crate::name::Name;
use crate::report::{Block, Cell, Fact, Link, Row, Section, State, Table};

/// How many signatures are drawn on the message; the others are in the table.
const DRAWN: usize = 8;

/// The check.
pub struct Dkim;

impl Check<Message> for Dkim {
    fn id(&self) -> &'static str {
        "dkim"
    }

    fn title(&self) -> &'static str {
        "Signatures"
    }

    fn about(&self) -> &'static str {
        "every DKIM signature: body hash and header signature, the key, what is covered and what is not"
    }

    fn step(&self, message: &Message, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let mut section = Section::new(self.id(), self.title());
        if message.signatures().is_empty() {
            section.fact("signatures", json!([]));
            section.state = State::Absent;
            section.headline = "none".into();
            findings::none(message, &mut section);
            return Ok(section.settle());
        }
        let names = signing_domains(message);
        let (judged, alignment) = (judge_all(message, seen), align(message, &names, Identifier::Dkim, seen));
        let (judged, alignment) = (judged?, alignment?);
        let aligned: Vec<Option<bool>> = judged
            .iter()
            .map(|one| one.signature.domain.as_ref().and_then(|name| alignment.of(name)?.aligned))
            .collect();
        let facts: Vec<_> = judged.iter().zip(&aligned).map(|(one, aligned)| facts(message, one, *aligned)).collect();
        section.fact("signatures", facts);
        section.headline = headline(&judged);
        section.blocks.push(Block::Table(table(&judged, &aligned)));
        for one in &judged {
            findings::of(message, one, seen.now(), &mut section);
            section.blocks.push(Block::Facts(evidence(one)));
            section.blocks.push(Block::Prose {
                title: format!("What signature #{} proves", one.number),
                text: findings::proves(message, one),
            });
        }
        for one in judged.iter().take(DRAWN) {
            section.blocks.push(draw::field(message, one));
            section.blocks.push(draw::covered(message, one));
        }
        findings::all(message, &judged, &mut section);
        let passes = judged.iter().any(|one| one.verdict == Verdict::Pass);
        let mut section = section.settle();
        if !passes && judged.iter().any(|one| one.verdict == Verdict::TempError) {
            section.state = State::Unknown;
        }
        Ok(section)
    }
}

/// Every domain that signed, each once.
pub(in crate::message) fn signing_domains(message: &Message) -> Vec<Name> {
    let names: BTreeSet<_> = message.signatures().iter().filter_map(|signature| signature.domain.clone()).collect();
    names.into_iter().collect()
}

fn headline(judged: &[Judged<'_>]) -> String {
    let passes = judged.iter().filter(|one| one.verdict == Verdict::Pass).count();
    match judged {
        [one] => one.verdict.word().to_owned(),
        _ => format!("{passes}/{} pass", judged.len()),
    }
}

fn facts(message: &Message, one: &Judged<'_>, aligned: Option<bool>) -> serde_json::Value {
    let signature = one.signature;
    let found = one.found_key();
    json!({
        "domain": signature.domain,
        "selector": signature.selector,
        "algorithm": signature.algorithm.as_str(),
        "canonicalization": format!("{}/{}", signature.header_canon.as_str(), signature.body_canon.as_str()),
        "bits": found.and_then(|found| found.key.bits()),
        "result": one.verdict.word(),
        "reason": Some(&one.reason).filter(|reason| !reason.is_empty()),
        "body_hash": one.body.word(),
        "header_signature": one.header.word(),
        "aligned": aligned,
        "identity": signature.identity,
        "signed": signature.signed,
        "unsigned": unsigned(message, one),
        "body_covered_bytes": one.body.hash().map(|hash| hash.covered),
        "body_bytes": one.body.hash().map(|hash| hash.total),
        "length": signature.length,
        "timestamp": signature.timestamp,
        "expires": signature.expires,
        "field": signature.field,
    })
}

/// The names of fields that are there and not covered, each once, in lower case; at most a hundred.
fn unsigned(message: &Message, one: &Judged<'_>) -> Vec<String> {
    let covered: BTreeSet<usize> = one.cover.fields.iter().flatten().copied().collect();
    let mut names = Vec::new();
    for field in message.fields().filter(|field| !covered.contains(&field.index)) {
        let name = field.name_text().to_ascii_lowercase();
        if field.index != one.signature.field && names.len() < 100 && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn table(judged: &[Judged<'_>], aligned: &[Option<bool>]) -> Table {
    let columns = ["#", "d=", "s=", "algorithm", "result", "header", "body", "aligned"];
    let rows = judged.iter().zip(aligned).map(|(one, aligned)| {
        let domain = match &one.signature.domain {
            Some(name) => Cell::from(name.as_str()).linked(Link::Domain(name.clone())),
            None => Cell::from("-"),
        };
        Row {
            cells: vec![
                one.number.to_string().into(),
                domain,
                one.signature.selector.clone().into(),
                algorithm(one).into(),
                Cell::from(result(one)).judged(severity(one.verdict)),
                Cell::from(one.header.word()).judged(word_severity(one.header.word())),
                Cell::from(one.body.word()).judged(word_severity(one.body.word())),
                Cell::from(yes(*aligned, one.verdict)),
            ],
            section: None,
        }
    });
    Table { columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
}

/// `rsa-sha256 2048`.
fn algorithm(one: &Judged<'_>) -> String {
    match one.found_key().and_then(|found| found.key.bits()) {
        Some(bits) => format!("{} {bits}", one.signature.algorithm.as_str()),
        None => one.signature.algorithm.as_str().to_owned(),
    }
}

/// `fail: body changed`.
fn result(one: &Judged<'_>) -> String {
    if one.reason.is_empty() {
        one.verdict.word().to_owned()
    } else {
        format!("{}: {}", one.verdict.word(), one.reason)
    }
}

/// What fails proves no alignment: it says what a pass would be worth.
fn yes(aligned: Option<bool>, verdict: Verdict) -> &'static str {
    match (aligned, verdict) {
        (Some(true), Verdict::Pass) => "yes",
        (Some(true), _) => "would be",
        (Some(false), _) => "no",
        (None, _) => "-",
    }
}

/// How bad a word is for a reader.
pub(in crate::message) fn severity(verdict: Verdict) -> Severity {
    match verdict {
        Verdict::Pass => Severity::Ok,
        Verdict::Neutral => Severity::Info,
        Verdict::Policy | Verdict::TempError | Verdict::PermError => Severity::Warning,
        Verdict::Fail => Severity::Error,
    }
}

fn word_severity(word: &str) -> Severity {
    match word {
        "mismatch" | "invalid" => Severity::Error,
        "unchecked" => Severity::Info,
        _ => Severity::Ok,
    }
}

fn evidence(one: &Judged<'_>) -> Vec<Fact> {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let signature = one.signature;
    let mut facts = vec![
        Fact::new(format!("signature #{}", one.number), Cell::from(result(one)).judged(severity(one.verdict))),
        Fact::new("header signature", Cell::from(header_words(one)).judged(word_severity(one.header.word()))),
        Fact::new("body hash", Cell::from(one.body.word()).judged(word_severity(one.body.word()))),
    ];
    if !signature.body_hash.is_empty() {
        facts.push(Fact::new("  signed", encode(&signature.body_hash)));
    }
    if let Some(hash) = one.body.hash() {
        facts.push(Fact::new("  here", encode(&hash.digest)));
        let of = format!("{} of {} canonical bytes ({})", hash.covered, hash.total, signature.body_canon.as_str());
        facts.push(Fact::new("  covered", of));
    }
    let place = match &signature.key_name {
        Some(name) => Cell::from(name.as_str()).linked(Link::Domain(name.clone())),
        None => Cell::from("-"),
    };
    facts.push(Fact::new("key", place));
    facts.push(Fact::new("  found", findings::key_words(one)));
    for (label, at) in [("signed at", signature.timestamp), ("expires", signature.expires)] {
        if let Some(at) = at {
            facts.push(Fact::new(label, findings::when(at)));
        }
    }
    facts
}

fn header_words(one: &Judged<'_>) -> String {
    match &one.header {
        super::HeaderCheck::Unchecked(why) => format!("unchecked: {why}"),
        super::HeaderCheck::Valid => format!("VALID over {}", one.signature.signed.join(" ")),
        super::HeaderCheck::Invalid => format!("INVALID over {}", one.signature.signed.join(" ")),
    }
}

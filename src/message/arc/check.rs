//! The section on ARC.

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::arc::chain::{ArcResult, Chain, Link, evaluate};
use crate::message::dkim::{Verdict, severity};
use crate::report::{self, Block, Cell, Fact, Row, Section, State, Table};

/// The check.
pub struct Arc;

impl Check<Message> for Arc {
    fn id(&self) -> &'static str {
        "arc"
    }

    fn title(&self) -> &'static str {
        "ARC"
    }

    fn about(&self) -> &'static str {
        "every ARC set: its seal, its message signature, where the chain broke, what each sealer claimed"
    }

    fn step(&self, message: &Message, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let chain = evaluate(message, seen)?;
        let mut section = Section::new(self.id(), self.title());
        section.fact("result", chain.result.word());
        section.fact("reason", Some(&chain.reason).filter(|reason| !reason.is_empty()));
        section.fact("sets", chain.links.iter().map(facts).collect::<Vec<_>>());
        section.headline = match (chain.result, chain.links.len()) {
            (ArcResult::None, _) => "none".into(),
            (result, 1) => format!("{}, 1 set", result.word()),
            (result, sets) => format!("{}, {sets} sets", result.word()),
        };
        if chain.result == ArcResult::None {
            section.state = State::Absent;
            return Ok(section.settle());
        }
        section.blocks.push(Block::Table(table(&chain)));
        for link in &chain.links {
            section.blocks.push(Block::Facts(evidence(link)));
        }
        section.blocks.push(Block::Prose {
            title: "What a chain proves".into(),
            text: vec![
                "A chain that holds proves who handled the message and that nobody after them changed their words. Whether what they claim is true is for you to judge: believe the sealers that you know, no others.".into(),
                "ARC (RFC 8617) is being moved to Historic: receivers stop acting on it. It is shown because it is still in the mail, and because it tells where a signature broke.".into(),
            ],
        });
        findings(&chain, message, &mut section);
        let mut section = section.settle();
        if chain.result == ArcResult::TempError {
            section.state = State::Unknown;
        }
        Ok(section)
    }
}

fn facts(link: &Link<'_>) -> serde_json::Value {
    let seal = link.set.seal.as_ref();
    json!({
        "instance": link.set.instance,
        "cv": seal.and_then(|seal| seal.cv).map(|cv| cv.as_str()),
        "seal": link.seal.as_ref().map(|seal| seal.verdict.word()),
        "message_signature": link.message_signature.as_ref().map(|one| one.verdict.word()),
        "domain": seal.and_then(|seal| seal.signature.domain.as_ref()),
        "selector": seal.map(|seal| &seal.signature.selector),
        "reason": link.seal.as_ref().map(|seal| &seal.reason).filter(|reason| !reason.is_empty()),
        "message_signature_domain": link.message_signature.as_ref().and_then(|one| one.signature.domain.as_ref()),
        "claimed": link.set.claimed,
    })
}

fn table(chain: &Chain<'_>) -> Table {
    let columns = ["i", "sealed by", "cv", "seal", "message signature"].map(str::to_owned).to_vec();
    let word = |verdict: Option<Verdict>| match verdict {
        Some(verdict) => Cell::from(verdict.word()).judged(severity(verdict)),
        None => Cell::from("missing").judged(Severity::Error),
    };
    let rows = chain.links.iter().enumerate().map(|(at, link)| {
        let seal = link.set.seal.as_ref();
        let domain = seal.and_then(|seal| seal.signature.domain.clone());
        let is_newest = at + 1 == chain.links.len();
        let signature = word(link.message_signature.as_ref().map(|one| one.verdict));
        Row {
            cells: vec![
                link.set.instance.to_string().into(),
                match domain {
                    Some(name) => Cell::from(name.as_str()).linked(report::Link::Domain(name.clone())),
                    None => Cell::from("-"),
                },
                seal.and_then(|seal| seal.cv).map_or("-", |cv| cv.as_str()).into(),
                word(link.seal.as_ref().map(|seal| seal.verdict)),
                // An older one may fail: later handlers change messages, which is what ARC is for.
                if is_newest { signature } else { signature.judged(Severity::Info) },
            ],
            section: None,
        }
    });
    Table { columns, rows: rows.collect() }
}

fn evidence(link: &Link<'_>) -> Vec<Fact> {
    let n = link.set.instance;
    let with = |word: &str, reason: &str| if reason.is_empty() { word.to_owned() } else { format!("{word}: {reason}") };
    let mut facts = Vec::new();
    if let Some(seal) = &link.seal {
        facts.push(Fact::new(
            format!("seal {n}"),
            Cell::from(with(seal.verdict.word(), &seal.reason)).judged(severity(seal.verdict)),
        ));
    }
    if let Some(one) = &link.message_signature {
        facts.push(Fact::new(
            format!("message signature {n}"),
            Cell::from(with(one.verdict.word(), &one.reason)).judged(severity(one.verdict)),
        ));
        facts.push(Fact::new("  header, body", format!("{}, {}", one.header.word(), one.body.word())));
    }
    let claimed = if link.set.results.is_some() { link.set.claimed.clone() } else { "nothing".into() };
    facts.push(Fact::new("  claimed", Cell::from(claimed).dimmed()));
    facts
}

fn findings(chain: &Chain<'_>, message: &Message, section: &mut Section) {
    let sealers: Vec<String> = chain
        .links
        .iter()
        .filter_map(|link| link.set.seal.as_ref()?.signature.domain.as_ref())
        .map(ToString::to_string)
        .collect();
    let sealers = sealers.join(", ");
    section.findings.push(match chain.result {
        ArcResult::None => return,
        ArcResult::Pass => Finding::info(
            "arc.pass",
            format!("The chain holds: {sealers} handled this message, the last one as it is here. Believe what they claim only if you know them."),
        ),
        ArcResult::Fail => Finding::warning("arc.fail", format!("The chain is broken: {}. What its sealers claim counts for nothing.", chain.reason)),
        ArcResult::TempError => Finding::warning("arc.unknown", format!("Whether the chain holds is not known: {}.", chain.reason)),
    }
    .with_reference("RFC 8617 §5.2"));
    let open = chain.links.last().and_then(|link| link.message_signature.as_ref());
    if chain.result == ArcResult::Pass && open.is_some_and(|one| one.signature.signed.is_empty()) {
        section.findings.push(
            Finding::warning(
                "arc.signs-no-header",
                "The newest message signature covers no header field at all (h= is empty): From and Subject can be anybody's.",
            )
            .with_reference("RFC 6376 §5.4"),
        );
    }
    let others = message.arc_sets().flaws.iter().skip(1).take(8);
    for flaw in others.filter(|_| chain.result == ArcResult::Fail) {
        section
            .findings
            .push(Finding::info("arc.flaw", format!("Also: {}.", flaw.reason())).with_reference("RFC 8617 §5.2"));
    }
}

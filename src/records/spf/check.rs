//! SPF as a section of the domain report: the record as published, its budget tree, what is wrong, what would be better.

use std::net::IpAddr;

use serde_json::Value;

use crate::check::{Absence, Check, Data, Dns, DnsAnswer, Kind, Look, Memo, Seen, Wait, all};
use crate::finding::{Finding, Severity, Span};
use crate::name::Name;
use crate::records::address::{Existence, exists};
use crate::records::mx::mx_names;
use crate::records::spf::evaluate::MAX_LOOKUPS;
use crate::records::spf::explain::{explain, tree_block, tree_fact};
use crate::records::spf::findings::findings;
use crate::records::spf::parse::{DualCidr, Mechanism, NearMissKind, Qualifier, Selection, SpfRecord};
use crate::records::spf::suggest::{Sender, set_up, suggestions};
use crate::records::spf::tree::{Tree, spf_tree};
use crate::records::spf::type_99::{self, Type99};
use crate::records::{Domain, form, ptr, unseen};
use crate::report::{Block, Mark, Posture, Question, RecordBlock, Section, State};
use crate::untrusted::visible_record;

const ID: &str = "spf";
const TITLE: &str = "SPF";
const UNSEEN: &str = "spf.unseen-character";
/// A TXT record of more bytes than this may not fit a plain UDP answer (RFC 7208 §3.4).
const LONG_RECORD: usize = 450;
/// All TXT records of the name together, in a UDP answer without EDNS (RFC 1035 §2.3.4), less its header and question.
const LONG_ANSWER: usize = 512 - 60;
/// Places where people put the record by mistake.
const MISPLACED: [&str; 2] = ["spf", "_spf"];
/// A label that nobody publishes: what answers here, answers everywhere.
const RANDOM_LABEL: &str = "mxray-no-such-label-7d1f";
/// Single addresses whose reverse names are looked at.
const MAX_REVERSE: usize = 6;

/// The SPF record of a domain.
pub struct Spf;

impl Check<Domain> for Spf {
    fn id(&self) -> &'static str {
        ID
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "which servers may send mail in the domain's name, and what the record costs a receiver"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let name = &domain.name;
        let txt = seen.dns(name, Kind::Txt);
        let mx = mx_names(domain, seen);
        let (address, existence) = (seen.dns(name, Kind::A), exists(domain, seen));
        let type_99 = type_99::ask(domain, seen);
        let elsewhere = name.below("_dmarc").ok().map(|dmarc| seen.dns(&dmarc, Kind::Txt)).transpose();
        let tree = spf_tree(name, seen);
        let txt = txt?;
        if let Look::Unknown(outcome) = txt.look() {
            let what = "the SPF record";
            let mut section = Section::could_not_look((ID, TITLE), "spf.could-not-look", what, outcome, [txt.id]);
            for key in ["record", "records", "result_of_all", "lookups", "void_lookups", "tree", "type_99"] {
                section.fact(key, Value::Null);
            }
            return Ok(section);
        }
        let selection = Selection::of(&txt);
        // Both are asked before either is waited for.
        let misplaced = misplaced(name, &selection, seen);
        let wildcard = elsewhere.as_ref().ok().and_then(|dmarc| wildcard(name, *dmarc, seen));
        let dynamic = dynamic(&selection, &address, seen);
        let (mx, address, existence, dmarc, tree) = (mx?, address?, existence?, elsewhere?, tree?);
        let (misplaced, dynamic) = (misplaced?, dynamic?);
        let sender = Sender::of(name, &mx, !matches!(address.look(), Look::Absent(_)));
        let is_there = !matches!(existence, Existence::NoSuchName { .. });
        let mut look =
            Looked { domain, is_there, txt, selection, tree, sender, type_99, section: Section::new(ID, TITLE) };
        if let (Some(dmarc), Some(wildcard)) = (dmarc, wildcard.transpose()?) {
            look.below(&dmarc, &wildcard);
        }
        look.misplaced(misplaced);
        look.near_misses();
        look.section.findings.extend(look.type_99.finding(&look.selection));
        look.dynamic(dynamic);
        match look.selection.records.len() {
            0 => look.absent(),
            1 => look.published(),
            _ => look.several(),
        }
        look.facts();
        unseen::tell(&mut look.section, UNSEEN);
        Ok(look.section.settle())
    }
}

/// Records at places where receivers do not look, asked only when the right place has none.
fn misplaced<'e>(name: &Name, selection: &Selection, seen: &Seen<'e>) -> Result<Vec<(Name, Dns<'e>)>, Wait> {
    if !selection.records.is_empty() {
        return Ok(Vec::new());
    }
    let names = MISPLACED.iter().filter_map(|label| name.below(label).ok());
    all(names, |name| seen.probe(&name, Kind::Txt).map(|answer| (name, answer)))
}

/// Whether `_dmarc` shows an SPF record because every name does; asked only when it shows one.
fn wildcard<'e>(name: &Name, dmarc: Option<Dns<'e>>, seen: &Seen<'e>) -> Option<Result<Dns<'e>, Wait>> {
    let shows = dmarc.is_some_and(|answer| !Selection::of(&answer).records.is_empty());
    shows.then(|| name.below(RANDOM_LABEL).ok()).flatten().map(|random| seen.probe(&random, Kind::Txt))
}

/// Single addresses of the own record whose reverse name looks like a dynamic line.
fn dynamic(
    selection: &Selection,
    own: &Result<Dns<'_>, Wait>,
    seen: &Seen<'_>,
) -> Result<Vec<(Span, IpAddr, Name)>, Wait> {
    let [text] = selection.records.as_slice() else { return Ok(Vec::new()) };
    let record = SpfRecord::parse(text);
    let mut single = Vec::new();
    for (_, term, qualifier, mechanism) in record.directives() {
        match (qualifier, mechanism, own) {
            (Qualifier::Pass, Mechanism::Ip4(address, 32), _) => single.push((term.span, IpAddr::V4(*address))),
            (Qualifier::Pass, Mechanism::A(None, DualCidr { v4: 32, .. }), Ok(own)) => {
                single.extend(own.addresses().map(|address| (term.span, address)));
            }
            _ => {}
        }
    }
    single.truncate(MAX_REVERSE);
    let asked = all(single, |(span, address)| {
        seen.probe(&Name::reverse(address), Kind::Ptr).map(|answer| (span, address, answer))
    })?;
    let looks = |address, answer: &Dns<'_>| answer.targets().find(|name| ptr::looks_dynamic(address, name)).cloned();
    Ok(asked.into_iter().filter_map(|(span, at, answer)| looks(at, &answer).map(|name| (span, at, name))).collect())
}

/// Everything that was seen, and the section that is made of it.
struct Looked<'d, 'e> {
    domain: &'d Domain,
    is_there: bool,
    txt: Dns<'e>,
    selection: Selection,
    tree: Tree,
    sender: Sender,
    type_99: Type99<'e>,
    section: Section,
}

impl Looked<'_, '_> {
    fn say(&mut self, finding: Finding) {
        let finding = if finding.evidence.is_empty() { finding.with_evidence([self.txt.id]) } else { finding };
        self.section.findings.push(finding);
    }

    fn block(&self, text: &str, ttl: Option<u32>, marks: Vec<Mark>) -> Block {
        let name = &self.domain.name;
        Block::Record(RecordBlock {
            name: name.to_string(),
            host: name.relative_to(&self.domain.zone()),
            rr_type: "TXT".into(),
            priority: None,
            ttl,
            text: text.to_owned(),
            marks,
            lookup: Some(self.txt.id),
        })
    }

    fn ttl(&self) -> Option<u32> {
        self.txt.records.first().map(|record| record.ttl)
    }

    fn absent(&mut self) {
        self.section.state = State::Absent;
        self.section.headline = "none".into();
        // The address section says once for the whole report that there is no such name.
        if !self.is_there {
            self.section.headline = "no such name".into();
            return;
        }
        let name = &self.domain.name;
        let text = match self.txt.look() {
            Look::Absent(Absence::NoSuchName) if !self.txt.aliases.is_empty() => {
                format!("{name} leads to a name that does not exist.")
            }
            _ if self.selection.texts == 1 => format!("The one TXT record at {name} is no SPF record."),
            _ if self.selection.texts > 0 => {
                format!("None of the {} at {name} is an SPF record.", form::count(self.selection.texts, "TXT record"))
            }
            _ => format!("{name} has no TXT record, so no SPF record."),
        };
        let above = if name == &self.domain.zone() {
            ""
        } else {
            " SPF is not inherited: the record of the domain above does not count here."
        };
        let why = "Receivers cannot tell its servers from others; every server comes out as \"none\".";
        self.say(
            Finding::warning("spf.none", format!("{text}{above} {why}"))
                .with_fix("Publish one TXT record that begins with v=spf1; a proposal stands below.")
                .with_reference("RFC 7208 §4.5"),
        );
        self.section.posture.push(Posture {
            question: Question::Spoofed,
            answer: "SPF says nothing: there is no record".into(),
            severity: Severity::Info,
        });
        self.finish();
    }

    fn several(&mut self) {
        let records = self.selection.records.clone();
        self.section.headline = format!("{} records", records.len());
        self.say(
            Finding::error(
                "spf.several-records",
                format!(
                    "There are {} SPF records; only one is allowed, so receivers answer permerror and no mail of this domain passes SPF.",
                    records.len()
                ),
            )
            .with_fix("Merge them into one TXT record and delete the others.")
            .with_reference("RFC 7208 §4.5"),
        );
        for text in &records {
            let block = self.block(text, self.ttl(), Vec::new());
            self.section.blocks.push(block);
        }
        self.broken();
        self.finish();
    }

    fn published(&mut self) {
        let found = findings(&self.tree);
        for finding in found {
            self.say(finding);
        }
        self.lengths();
        let Some(record) = self.tree.root.record().cloned() else { return };
        let mut marks =
            vec![Mark { span: record.version, note: "an SPF record, version 1".into(), severity: Severity::Ok }];
        for node in &self.tree.root.terms {
            let span = node.term.span;
            let worst = self.section.findings.iter().filter(|f| f.span == Some(span) && f.record == 0);
            let severity = worst.map(|f| f.severity).max().unwrap_or(Severity::Ok);
            let note = explain(node, &self.tree.root.domain);
            marks.push(Mark { span, note, severity });
        }
        let block = self.block(&record.text, self.ttl(), marks);
        self.section.blocks.insert(0, block);
        self.section.blocks.push(Block::Tree(vec![tree_block(&self.tree)]));
        self.section.headline = format!("{}/{MAX_LOOKUPS}", self.tree.lookups);
        if record.problem().is_some() {
            self.section.headline = "syntax error".into();
            self.broken();
        } else if self.tree.is_over_limit() {
            self.broken();
        } else {
            let (answer, severity) = match self.tree.root.default_result() {
                Some(Qualifier::Pass) => ("yes: SPF passes every server in the world", Severity::Error),
                Some(Qualifier::Neutral) | None => ("SPF says nothing about unknown servers", Severity::Info),
                Some(Qualifier::SoftFail) => ("SPF suspects unknown servers (~all)", Severity::Ok),
                Some(Qualifier::Fail) => ("SPF fails unknown servers (-all)", Severity::Ok),
            };
            self.section.posture.push(Posture { question: Question::Spoofed, answer: answer.into(), severity });
        }
        self.finish();
    }

    fn broken(&mut self) {
        self.section.posture.push(Posture {
            question: Question::Spoofed,
            answer: "SPF is broken: receivers answer permerror".into(),
            severity: Severity::Info,
        });
    }

    fn finish(&mut self) {
        let moved = if self.selection.records.is_empty() { self.type_99.moved(self.domain) } else { None };
        self.section.suggestions = match moved {
            Some(moved) => vec![moved],
            None => suggestions(self.domain, &self.selection, &self.tree, &self.sender, self.ttl()),
        };
        self.section.blocks.extend(self.type_99.blocks(self.domain));
        self.section.blocks.push(Block::Prose { title: "How to set it up".into(), text: set_up(&self.sender) });
    }

    /// Length of the record and of the answer, and strings whose border joins two terms.
    fn lengths(&mut self) {
        let Some(text) = self.selection.records.first().cloned() else { return };
        let size: usize = self.txt.texts().map(|text| text.len() + 13).sum();
        if text.len() > LONG_RECORD || size > LONG_ANSWER {
            let text = format!(
                "The record has {} bytes and all TXT records of the name about {size}: the answer may not fit a plain UDP packet, and \
                 receivers whose DNS over TCP is blocked see nothing.",
                text.len()
            );
            self.say(
                Finding::info("spf.long", text)
                    .with_fix("Keep the record below 450 bytes, and remove TXT records that no service needs any more.")
                    .with_reference("RFC 7208 §3.4"),
            );
        }
        let answer: &DnsAnswer = self.txt.answer;
        let strings = answer.records.iter().find_map(|record| match &record.data {
            Data::Txt(strings) if String::from_utf8_lossy(&strings.concat()) == text => Some(strings),
            _ => None,
        });
        let mut at = 0;
        for pair in strings.map(Vec::as_slice).unwrap_or_default().windows(2) {
            let [left, right] = pair else { continue };
            at += left.len();
            if joins_terms(left, right) {
                let start = text.get(..at).and_then(|before| before.rfind(' ')).map_or(0, |space| space + 1);
                let end = text.get(at..).and_then(|after| after.find(' ')).map_or(text.len(), |space| at + space);
                self.say(
                    Finding::error(
                        "spf.split-without-space",
                        "The TXT record is split into strings here, and strings are joined with nothing between: two terms became one.",
                    )
                    .with_fix("End the first string with a space.")
                    .with_reference("RFC 7208 §3.3")
                    .with_span(Span::new(start, end)),
                );
            }
        }
    }

    fn near_misses(&mut self) {
        let has_record = !self.selection.records.is_empty();
        for miss in self.selection.near_misses.clone() {
            let (id, what, fix) = match miss.why {
                NearMissKind::LeadingSpace => {
                    ("spf.leading-space", "begins with white space before v=spf1", "Remove it.")
                }
                NearMissKind::NoSpace => {
                    ("spf.no-space-after-version", "has no space after v=spf1", "Put a space after v=spf1.")
                }
                NearMissKind::SenderId => {
                    ("spf.sender-id", "is of Sender ID (spf2.0), which nobody evaluates any more", "Delete it.")
                }
                NearMissKind::Quoted => ("spf.quoted", "has quotes inside its text", "Enter it without the quotes."),
                NearMissKind::Misspelt => {
                    ("spf.misspelt", "does not begin with exactly v=spf1", "Begin it with v=spf1.")
                }
            };
            let harmless = has_record || miss.why == NearMissKind::SenderId;
            let severity = if harmless { Severity::Info } else { Severity::Error };
            let unseen = unseen::of_text(UNSEEN, &miss.text, "It").filter(|_| miss.why != NearMissKind::SenderId);
            let unseen = unseen.map(|finding| finding.text).map_or_else(String::new, |text| format!(" {text}"));
            let text =
                format!("The TXT record \"{}\" {what}: it is no SPF record.{unseen}", visible_record(&miss.text));
            self.say(Finding::new(id, severity, text).with_fix(fix).with_reference("RFC 7208 §4.5"));
        }
    }

    fn misplaced(&mut self, answers: Vec<(Name, Dns<'_>)>) {
        for (name, answer) in answers {
            if let Some(text) = Selection::of(&answer).records.first() {
                self.say(
                    Finding::error(
                        "spf.wrong-place",
                        format!(
                            "An SPF record stands at {name}: \"{text}\". Receivers ask {} alone.",
                            self.domain.name
                        ),
                    )
                    .with_fix(format!("Publish it at {}.", self.domain.name))
                    .with_reference("RFC 7208 §4.4")
                    .with_evidence([answer.id]),
                );
            }
        }
    }

    fn below(&mut self, dmarc: &Dns<'_>, random: &Dns<'_>) {
        let (there, everywhere) = (Selection::of(dmarc).records, Selection::of(random).records);
        // What stands at _dmarc alone is for the section on DMARC to say.
        if there == everywhere {
            self.say(
                Finding::info(
                    "spf.wildcard",
                    "A wildcard answers with an SPF record for every name below the domain, so subdomains that do not exist have SPF too.",
                )
                .with_reference("RFC 7208 §4.4")
                .with_evidence([dmarc.id, random.id]),
            );
        }
    }

    fn dynamic(&mut self, addresses: Vec<(Span, IpAddr, Name)>) {
        for (span, address, name) in addresses {
            self.say(
                Finding::warning(
                    "spf.dynamic-address",
                    format!("{address} is called {name}, which looks like a line whose address changes: when it does, its next user passes SPF for this domain, and many receivers refuse mail from such lines."),
                )
                .with_fix("Send from a static address, or through your provider's mail server.")
                .with_span(span),
            );
        }
    }

    fn facts(&mut self) {
        let record = self.tree.root.record();
        let text = record.map(|record| record.text.clone());
        let result = self.tree.root.default_result().map(|qualifier| super::SpfResult::from(qualifier).word());
        let has_one = record.is_some();
        let section = &mut self.section;
        section.fact("record", text);
        section.fact("records", self.selection.records.len());
        section.fact("result_of_all", result);
        section.fact("lookups", has_one.then_some(self.tree.lookups));
        section.fact("void_lookups", has_one.then_some(self.tree.void_lookups));
        section.fact("type_99", self.type_99.texts());
        section.fact("tree", if has_one { tree_fact(&self.tree) } else { Value::Null });
    }
}

/// Whether joining two strings glues a term to the one before: the right one starts like a term, the left one ends in one.
fn joins_terms(left: &[u8], right: &[u8]) -> bool {
    const STARTS: [&[u8]; 14] = [
        b"include:",
        b"ip4:",
        b"ip6:",
        b"exists:",
        b"redirect=",
        b"a:",
        b"mx:",
        b"ptr:",
        b"-all",
        b"~all",
        b"?all",
        b"+all",
        b"exp=",
        b"mx ",
    ];
    let right = right.to_ascii_lowercase();
    let open = left.last().is_none_or(|byte| matches!(byte, b' ' | b'+' | b'-' | b'~' | b'?' | b'.' | b'_'));
    !open && STARTS.iter().any(|start| right.starts_with(start))
}

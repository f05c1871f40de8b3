//! What if a record said something else: the sections that read it are judged on what is known already, with the edited text
//! in the place of the published one, while it is typed. A name that only the edited text needs is never asked for until
//! Enter; it stands as "not asked yet". Nothing of this is in a report that is saved, and nothing reaches a cache.

use std::collections::HashMap;

use crate::check::{
    Answer, Check, Data, DnsAnswer, Entry, Evidence, HttpsAnswer, HttpsOutcome, Memo, Outcome, Query, Record, Seen,
    Subject,
};
use crate::finding::Severity;
use crate::job::{Job, JobEvent, JobId, Task};
use crate::name::Name;
use crate::records::spf::SpfRecord;
use crate::records::{ALL, Domain};
use crate::report::{Block, Link, Lookup, LookupId, Section, VerdictLine};
use crate::tui::inquiry::Inquiry;

/// After how many rounds of unknown names a judgement is given up: more than any honest chain has.
const ROUNDS: usize = 64;
/// Stands for lookups that were never made; no log has this line.
const NEVER: LookupId = LookupId(u32::MAX);
/// Why a name is not known.
const NOT_ASKED: &str = "not asked yet";

/// A record that may be edited.
#[derive(Clone, Debug, PartialEq)]
pub struct Editable {
    /// The section that shows it.
    pub section: &'static str,
    /// The owner name.
    pub name: Name,
    /// The same as a provider's form has it.
    pub host: String,
    /// The TTL.
    pub ttl: Option<u32>,
    /// What is published now; nothing, where there is no such record yet.
    pub published: Option<String>,
    /// What the edit begins with.
    pub text: String,
}

/// A record as it is not published.
#[derive(Clone, Debug)]
pub struct WhatIf {
    /// The record.
    pub record: Editable,
    /// What the edited text needs and nobody has asked yet.
    pub missing: Vec<String>,
    /// The job that asks for it.
    pub asking: Option<JobId>,
    /// What is published.
    real: Inquiry,
    known: Evidence,
    /// Lookups that were made for this alone.
    lookups: Vec<Lookup>,
    trouble: Option<String>,
    edits: u64,
}

impl WhatIf {
    /// Begins with what a finished job knows; `None` before that.
    pub fn new(real: &Inquiry, record: Editable) -> Option<WhatIf> {
        let known = real.evidence()?.as_ref().clone();
        Some(WhatIf {
            record,
            missing: Vec::new(),
            asking: None,
            real: real.clone(),
            known,
            lookups: Vec::new(),
            trouble: None,
            edits: 0,
        })
    }

    /// What is published, untouched.
    pub fn into_real(self) -> Inquiry {
        self.real
    }

    /// What the screen would show if the record said `text`.
    pub fn suppose(&mut self, text: &str) -> Option<Inquiry> {
        text.clone_into(&mut self.record.text);
        self.trouble = None;
        self.judge()
    }

    /// Judges anew every section that reads the record.
    fn judge(&mut self) -> Option<Inquiry> {
        self.edits += 1;
        self.missing.clear();
        let report = self.real.report()?.clone();
        let Task::Domain { name, selectors } = &self.real.task else { return None };
        let domain = Domain { selectors: selectors.clone(), ..Domain::new(name.clone()) };
        let mut sections = report.sections.clone();
        let affected = self.affected();
        for section in sections.iter_mut().filter(|section| affected.contains(&section.id)) {
            let Some(check) = ALL.iter().find(|check| check.id() == section.id) else { continue };
            if let Some(judged) = self.step(*check, &domain, report.at) {
                *section = judged;
            }
        }
        let after = domain.verdict(&sections);
        let verdict = self.verdict(&sections, after);
        Some(self.real.supposing(sections, verdict, &self.lookups, self.edits))
    }

    /// The sections that read the answer with the record.
    fn affected(&self) -> Vec<&'static str> {
        let lookup = self.known.get(&self.query()).map(|entry| entry.lookup);
        let reads = |section: &Section| lookup.is_some_and(|lookup| section.evidence.contains(&lookup));
        let report = self.real.report();
        let sections = report.into_iter().flat_map(|report| &report.sections);
        sections
            .filter(|section| section.id == self.record.section || reads(section))
            .map(|section| section.id)
            .collect()
    }

    fn query(&self) -> Query {
        Query::dns(&self.record.name, crate::check::Kind::Txt)
    }

    fn step(&mut self, check: &dyn Check<Domain>, domain: &Domain, now: time::OffsetDateTime) -> Option<Section> {
        let mut given = self.given();
        for _ in 0..ROUNDS {
            let evidence = self.known.with_overlay(given.clone());
            let seen = Seen::new(&evidence, now);
            let step = check.step(domain, &seen, &mut Memo::default());
            let notes = seen.into_notes();
            if let Ok(mut section) = step {
                section.evidence = notes.read;
                forget(&mut section);
                return Some(section.settle());
            }
            if notes.missing.is_empty() {
                return None;
            }
            for (query, _) in notes.missing {
                let words = words(&query);
                if !self.missing.contains(&words) {
                    self.missing.push(words);
                }
                let answer = unasked(&query)?;
                given.insert(query, Entry { lookup: NEVER, answer: answer.into() });
            }
        }
        None
    }

    /// The answer that would come if the record were published: it takes the place of the one that is, beside the others.
    fn given(&self) -> HashMap<Query, Entry> {
        let query = self.query();
        let now = self.known.get(&query);
        let mut answer = match now.map(|entry| &*entry.answer) {
            Some(Answer::Dns(answer)) => answer.clone(),
            _ => DnsAnswer::empty(Outcome::NoData),
        };
        answer.aliases.clear();
        if let Some(published) = &self.record.published {
            let stands = |record: &Record| matches!(&record.data, Data::Txt(strings) if replaces(published, strings));
            answer.records.retain(|record| !stands(record));
        }
        if !self.record.text.trim().is_empty() {
            // One string, however long: how a provider cuts it is not decided here.
            let data = Data::Txt(vec![self.record.text.clone().into_bytes()]);
            let ttl = self.record.ttl.unwrap_or(300);
            answer.records.push(Record { owner: self.record.name.clone(), ttl, data });
        }
        answer.outcome = if answer.records.is_empty() { Outcome::NoData } else { Outcome::Answer };
        let lookup = now.map_or(NEVER, |entry| entry.lookup);
        [(query, Entry { lookup, answer: std::sync::Arc::new(Answer::Dns(answer)) })].into()
    }

    /// The job that asks for what is missing, when something is: it knows all that is known, and supposes the record.
    pub fn job(&self, job: Job) -> Option<Job> {
        if self.missing.is_empty() {
            return None;
        }
        let only = self.affected().into_iter().map(str::to_owned).collect();
        let evidence = self.known.with_overlay(self.given());
        Some(Job { only, evidence: Some(evidence.into()), ..job })
    }

    /// Takes in what that job tells; the screen anew, when it has ended.
    pub fn take(&mut self, event: JobEvent) -> Option<Inquiry> {
        match event {
            JobEvent::Finished(report, evidence) => {
                self.asking = None;
                let first = self.real.lookup_counts().0 + self.lookups.len();
                let new = evidence.iter().filter(|(query, _)| self.known.get(query).is_none());
                let mut new: Vec<(Query, Entry)> = new.map(|(query, entry)| (query.clone(), entry.clone())).collect();
                new.retain(|(query, _)| *query != self.query());
                new.sort_by_key(|(_, entry)| entry.lookup);
                // The job numbered its lookups by itself; here they go on behind those of the report.
                for (nth, (query, entry)) in new.into_iter().enumerate() {
                    let id = LookupId(u32::try_from(first + nth).unwrap_or(u32::MAX - 1));
                    let line = report.lookups.iter().find(|line| line.id == entry.lookup);
                    self.lookups.extend(line.map(|line| Lookup { id, ..line.clone() }));
                    self.known.insert(query, id, entry.answer);
                }
                self.judge()
            }
            JobEvent::Failed(why) => {
                self.asking = None;
                self.trouble = Some(why);
                self.judge()
            }
            JobEvent::Lookup(_)
            | JobEvent::Section(_)
            | JobEvent::Verdict(..)
            | JobEvent::Progress(_)
            | JobEvent::Refused(_)
            | JobEvent::Dialogue(..) => None,
        }
    }

    /// First what this is and what it changes, then what is not known, then the verdict with what changes in it.
    fn verdict(&self, sections: &[Section], after: Vec<VerdictLine>) -> Vec<VerdictLine> {
        let warn = |question, answer: String| VerdictLine {
            question,
            answer,
            severity: Severity::Warning,
            section: Some(self.record.section),
        };
        let before = self.real.section(self.record.section);
        let now = sections.iter().find(|section| section.id == self.record.section);
        let mut lines = vec![warn("WHAT IF", format!("{} (not published)", difference(before, now)))];
        if let Some(why) = &self.trouble {
            lines.push(warn("NOT ASKED", why.clone()));
        } else if let Some((first, more)) = self.missing.split_first() {
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let answer = match self.asking {
                Some(_) => format!("{first}{more}: asking"),
                None => format!("Enter asks for {first}{more}"),
            };
            lines.push(warn("NOT ASKED YET", answer));
        }
        let published = |question: &str| self.real.verdict.iter().find(|line| line.question == question);
        lines.extend(after.into_iter().map(|mut line| {
            if line.question != "DO FIRST"
                && let Some(before) = published(line.question).filter(|before| before.answer != line.answer)
            {
                line.answer = format!("{} (published: {})", line.answer, before.answer);
            }
            line
        }));
        lines
    }
}

/// `SPF ERROR 14/10 → note 9/10; findings 3 → 1`.
fn difference(before: Option<&Section>, after: Option<&Section>) -> String {
    let (Some(before), Some(after)) = (before, after) else { return String::new() };
    let stands = |section: &Section| {
        let word = section.state.word();
        let headline = if section.headline == word { "" } else { &section.headline };
        format!("{word} {headline}").trim_end().to_owned()
    };
    let count = |section: &Section| section.findings.iter().filter(|f| f.severity >= Severity::Warning).count();
    let (old, new) = (stands(before), stands(after));
    let mut out = if old == new {
        format!("{} as published: {new}", after.title)
    } else {
        format!("{} {old} → {new}", after.title)
    };
    if count(before) != count(after) {
        out.push_str(&format!("; findings {} → {}", count(before), count(after)));
    }
    out
}

/// Whether these strings are the record that was published as `text`.
fn replaces(text: &str, strings: &[Vec<u8>]) -> bool {
    let joined = strings.concat();
    String::from_utf8_lossy(&joined).trim() == text.trim()
}

/// A line that was never asked is no evidence.
fn forget(section: &mut Section) {
    section.evidence.retain(|id| *id != NEVER);
    for finding in &mut section.findings {
        finding.evidence.retain(|id| *id != NEVER);
    }
    for block in &mut section.blocks {
        if let Block::Record(record) = block {
            record.lookup = record.lookup.filter(|id| *id != NEVER);
        }
    }
}

fn unasked(query: &Query) -> Option<Answer> {
    match query {
        Query::Dns { .. } | Query::At { .. } | Query::Validated { .. } => {
            Some(Answer::Dns(DnsAnswer::empty(Outcome::Failed(NOT_ASKED.into()))))
        }
        Query::Https { .. } => Some(Answer::Https(HttpsAnswer {
            outcome: HttpsOutcome::Failed(NOT_ASKED.into()),
            address: None,
            aliases: Vec::new(),
        })),
        // No record of a domain asks for a dialogue.
        Query::Smtp(_) => None,
    }
}

fn words(query: &Query) -> String {
    match query {
        Query::Dns { name, kind } | Query::At { name, kind, .. } | Query::Validated { name, kind } => {
            format!("{kind} {name}")
        }
        Query::Https { url, .. } => url.to_string(),
        Query::Smtp(dialogue) => dialogue.host.clone(),
    }
}

/// A term of an SPF tree: whose record it stands in, and its place among the terms.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeTerm {
    /// The domain whose record it is.
    pub owner: Name,
    /// Its place.
    pub index: usize,
    /// Its text.
    pub text: String,
}

impl TreeTerm {
    /// The term at a place of the section's tree, as the document names places: block, tree, then the term of each record.
    pub fn at(section: &Section, key: &str) -> Option<TreeTerm> {
        let mut path = key.split('/').map(|step| step.parse::<usize>().ok());
        let (block, tree) = (path.next()??, path.next()??);
        let Some(Block::Tree(trees)) = section.blocks.get(block) else { return None };
        let mut node = trees.get(tree)?;
        let mut owner = Name::from_text(&node.text.text).ok()?;
        let mut found = None;
        for index in path {
            if let Some(Link::Domain(name)) = &node.text.link {
                owner = name.clone();
            }
            let index = index?;
            node = node.children.get(index)?;
            found = Some(index);
        }
        Some(TreeTerm { owner, index: found?, text: node.text.text.clone() })
    }

    /// `record` without the term; `None` where it does not stand there.
    pub fn dropped_from(&self, record: &str) -> Option<String> {
        let parsed = SpfRecord::parse(record);
        let term = parsed.terms.get(self.index).filter(|term| term.text == self.text)?;
        let (before, after) = (record.get(..term.span.start)?.trim_end(), record.get(term.span.end..)?.trim_start());
        Some(format!("{before} {after}").trim_end().to_owned())
    }

    /// The record that it stands in, as an answer shows it.
    pub fn record_of(&self, known: &Evidence) -> Option<(String, u32)> {
        let entry = known.get(&Query::dns(&self.owner, crate::check::Kind::Txt))?;
        let Answer::Dns(answer) = &*entry.answer else { return None };
        answer.records.iter().find_map(|record| match &record.data {
            Data::Txt(strings) => {
                let text = String::from_utf8(strings.concat()).ok()?;
                self.dropped_from(&text).map(|_| (text, record.ttl))
            }
            _ => None,
        })
    }
}

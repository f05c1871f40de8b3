//! What every job ends in: a [`Report`] of [`Section`]s. The screen, text, JSON and Markdown print this one value and own
//! no opinion of their own; its serde shape is the JSON contract (`mxray schema`): add, never rename.
//!
//! A section carries its facts twice: `facts` typed for scripts, `blocks` as a person reads them. Strings in blocks and
//! findings may hold foreign bytes; whoever prints them goes through [`crate::untrusted`].

pub mod since;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::finding::{Finding, Severity, Span, Suggestion};
use crate::name::Name;

/// The number of a lookup inside its job's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LookupId(pub u32);

/// The whole result of one job.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of mxray that made it.
    pub mxray: &'static str,
    /// The version of this shape.
    pub schema: u32,
    /// `domain`, `message`, `smtp`, `spf`, `dmarc` or `lint`.
    pub kind: &'static str,
    /// What was looked at.
    pub target: String,
    /// The clock that the verdicts used.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Wall time of the job in milliseconds.
    pub elapsed_ms: f64,
    /// The worst severity among the findings.
    pub worst: Severity,
    /// The three lines that stand above everything.
    pub verdict: Vec<VerdictLine>,
    /// A table between the verdict and the sections: who says so, or the hosts side by side.
    #[serde(skip)]
    pub summary: Option<Table>,
    /// What has changed since an earlier report, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<since::Since>,
    /// One section a check, in the fixed order of the list of checks.
    pub sections: Vec<Section>,
    /// Everything that was asked.
    pub lookups: Vec<Lookup>,
}

/// One line of the verdict: `SPOOFED?  hard: failing mail is asked into quarantine`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictLine {
    /// The question, in a few capital words.
    pub question: &'static str,
    /// The answer, its first words the news.
    pub answer: String,
    /// How bad the news is.
    pub severity: Severity,
    /// The section that it comes from, to jump to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<&'static str>,
}

/// In which state a section ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Present, nothing to say against it.
    Ok,
    /// Present, with notes.
    Info,
    /// Present, with warnings.
    Warning,
    /// Present, with errors.
    Error,
    /// Surely not published.
    Absent,
    /// We could not look.
    Unknown,
}

impl State {
    /// The word that stands on the screen.
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Info => "note",
            State::Warning => "WARN",
            State::Error => "ERROR",
            State::Absent => "none",
            State::Unknown => "could not look",
        }
    }
}

impl From<Severity> for State {
    fn from(severity: Severity) -> State {
        match severity {
            Severity::Ok => State::Ok,
            Severity::Info => State::Info,
            Severity::Warning => State::Warning,
            Severity::Error => State::Error,
        }
    }
}

/// What one check has to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// The check's id, a JSON key that never changes: `mta-sts`.
    pub id: &'static str,
    /// The check's title on the screen: `MTA-STS`.
    pub title: &'static str,
    /// Where it ended.
    pub state: State,
    /// A word or two for the list at the left: `4/10`, `1 key`, `testing`.
    pub headline: String,
    /// Facts for scripts, as the contract types them.
    pub facts: Map<String, Value>,
    /// The same for a person, in reading order.
    #[serde(skip)]
    pub blocks: Vec<Block>,
    /// What there is to say, worst first once [`Section::settle`] has run.
    pub findings: Vec<Finding>,
    /// What would be better.
    pub suggestions: Vec<Suggestion>,
    /// Every lookup that the check read; the engine fills it.
    pub evidence: Vec<LookupId>,
    /// What it means for the verdict above the sections.
    #[serde(skip)]
    pub posture: Vec<Posture>,
    /// What stands above the sections and not in this one: the source of verdict lines and summary.
    #[serde(skip)]
    pub above: Vec<Block>,
}

impl Section {
    /// An empty section in state `ok`.
    pub fn new(id: &'static str, title: &'static str) -> Section {
        Section {
            id,
            title,
            state: State::Ok,
            headline: String::new(),
            facts: Map::new(),
            blocks: Vec::new(),
            findings: Vec::new(),
            suggestions: Vec::new(),
            evidence: Vec::new(),
            posture: Vec::new(),
            above: Vec::new(),
        }
    }

    /// A section that says that we could not look: never "absent" (design.md, "The contracts"). `what` names the thing in
    /// the sentence ("the DMARC record"), `why` ends it (an [`Outcome`](crate::check::Outcome) prints so).
    pub fn could_not_look(
        (id, title): (&'static str, &'static str),
        finding: &'static str,
        what: &str,
        why: impl std::fmt::Display,
        lookups: impl IntoIterator<Item = LookupId>,
    ) -> Section {
        let mut section = Section::new(id, title);
        section.state = State::Unknown;
        section.headline = "could not look".into();
        section.findings.push(
            Finding::warning(finding, format!("We could not look at {what}: {why}. Whether it exists is not known."))
                .with_fix(crate::finding::ASK_AGAIN)
                .with_evidence(lookups),
        );
        section
    }

    /// Sets one fact; a value that cannot be JSON becomes null.
    pub fn fact(&mut self, key: &str, value: impl Serialize) {
        self.facts.insert(key.to_owned(), serde_json::to_value(value).unwrap_or(Value::Null));
    }

    /// The worst severity among the findings; `Ok` when there are none.
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }

    /// Sorts the findings worst first, folds many of one kind into the first three, and, unless the state says absent or unknown, derives the state from the worst. A check whose answer is worse than its findings (another section has them) has set it already.
    pub fn settle(mut self) -> Section {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.fold_repetitions();
        let known = match self.state {
            State::Absent | State::Unknown => None,
            State::Ok => Some(Severity::Ok),
            State::Info => Some(Severity::Info),
            State::Warning => Some(Severity::Warning),
            State::Error => Some(Severity::Error),
        };
        if let Some(known) = known {
            self.state = self.worst().max(known).into();
        }
        self
    }
}

impl Section {
    /// The text that a finding's span lies in, with its name: one of the section's records, or, counted on after them, one of
    /// its files.
    pub fn text_of(&self, finding: &Finding) -> Option<(&str, &str)> {
        let records = self.blocks.iter().filter_map(|block| match block {
            Block::Record(record) => Some((record.name.as_str(), record.text.as_str())),
            _ => None,
        });
        let files = self.blocks.iter().filter_map(|block| match block {
            Block::Source { title, text, .. } => Some((title.as_str(), text.as_str())),
            _ => None,
        });
        // Without a record, spans are of what was handed in (a message), and not of a file.
        records.clone().next()?;
        records.chain(files).nth(finding.record)
    }
}

/// How many findings of one kind a section shows; a hostile record could make thousands.
const MAX_ALIKE: usize = 3;

impl Section {
    /// Keeps the first three findings of each kind; the third says how many more there were.
    fn fold_repetitions(&mut self) {
        let mut kept: Vec<Finding> = Vec::new();
        let mut more: std::collections::HashMap<&'static str, (usize, usize)> = std::collections::HashMap::new();
        for finding in self.findings.drain(..) {
            let (count, last) = more.entry(finding.id).or_insert((0, 0));
            *count += 1;
            if *count <= MAX_ALIKE {
                *last = kept.len();
                kept.push(finding);
            }
        }
        for (count, last) in more.into_values() {
            if count > MAX_ALIKE
                && let Some(finding) = kept.get_mut(last)
            {
                finding.text.push_str(&format!(" (And {} more like this.)", count - MAX_ALIKE));
            }
        }
        self.findings = kept;
    }
}

/// What a section contributes to the verdict over all sections.
#[derive(Clone, Debug, PartialEq)]
pub struct Posture {
    /// Which question it answers.
    pub question: Question,
    /// The answer in one short sentence, its first words the news.
    pub answer: String,
    /// How bad the news is.
    pub severity: Severity,
}

/// The questions that stand above a domain's sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Can somebody send mail in this domain's name? The worst answer of all sections counts.
    Spoofed,
    /// Can its mail be read in transit? The best answer of all sections counts, unless one is an error.
    ReadInTransit,
}

/// One piece of a section as a person reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A record or file as it is published, its bytes explained span by span.
    Record(RecordBlock),
    /// Labels and values.
    Facts(Vec<Fact>),
    /// A tree whose nodes open and close: the SPF budget, a DMARC walk, MIME parts.
    Tree(Vec<TreeNode>),
    /// Rows and columns.
    Table(Table),
    /// A heading and sentences: how to set it up, what it proves.
    Prose {
        /// A few words.
        title: String,
        /// Paragraphs, without line breaks inside.
        text: Vec<String>,
    },
    /// Raw bytes as text, line by line, with marked spans: a message, canonical bytes, a policy file.
    Source {
        /// What the bytes are.
        title: String,
        /// The bytes; they are foreign.
        text: String,
        /// Marked spans in bytes of `text`.
        marks: Vec<Mark>,
    },
}

/// A published record as a provider's form has it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordBlock {
    /// The owner name, or the URL of a file.
    pub name: String,
    /// Host relative to the zone as a provider's form wants it; `@` for the zone itself.
    pub host: String,
    /// The record's type.
    pub rr_type: String,
    /// MX preference, where there is one.
    pub priority: Option<u16>,
    /// TTL in seconds as it was answered.
    pub ttl: Option<u32>,
    /// The content, strings joined; it is foreign text.
    pub text: String,
    /// What each part means, in order.
    pub marks: Vec<Mark>,
    /// The lookup that showed it.
    pub lookup: Option<LookupId>,
}

/// A span of a text and what it means.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Offsets in bytes of the block's text.
    pub span: Span,
    /// What this part means, in a short sentence.
    pub note: String,
    /// How bad it is.
    pub severity: Severity,
}

/// A label and a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// One or two words.
    pub label: String,
    /// The value; may be foreign text.
    pub value: Cell,
}

impl Fact {
    /// A fact without a judgement.
    pub fn new(label: impl Into<String>, value: impl Into<Cell>) -> Fact {
        Fact { label: label.into(), value: value.into() }
    }
}

/// A node of a tree.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TreeNode {
    /// What stands at the left.
    pub text: Cell,
    /// What stands at the right: cost and running total, an outcome.
    pub right: String,
    /// The nodes below.
    pub children: Vec<TreeNode>,
}

/// Columns and rows.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table {
    /// The headings.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Row>,
}

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Row {
    /// The cells, one a column.
    pub cells: Vec<Cell>,
    /// The section that the row opens.
    pub section: Option<&'static str>,
}

/// A text with its judgement and where Enter goes from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The text; may be foreign.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where Enter goes.
    pub link: Option<Link>,
    /// Drawn dim: not reached, not trusted, not used.
    pub dim: bool,
}

impl Default for Cell {
    fn default() -> Cell {
        Cell::from("")
    }
}

impl Cell {
    /// Adds a judgement.
    pub fn judged(mut self, severity: Severity) -> Cell {
        self.severity = severity;
        self
    }

    /// Adds where Enter goes.
    pub fn linked(mut self, link: Link) -> Cell {
        self.link = Some(link);
        self
    }

    /// Marks it as not reached, not trusted or not used.
    pub fn dimmed(mut self) -> Cell {
        self.dim = true;
        self
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell { text: text.into(), severity: Severity::Ok, link: None, dim: false }
    }
}

/// Where Enter goes from a name on the screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// The domain pane, on this name.
    Domain(Name),
    /// The SMTP pane, on this host (a domain's MX, `host`, `host:port` or an address).
    Smtp(String),
    /// Another section of this report.
    Section(&'static str),
    /// A message inside the message: the bytes of the raw message that hold it.
    Message(Span),
}

/// One line of the lookup log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lookup {
    /// Its number in the job.
    pub id: LookupId,
    /// `dns`, `https` or `smtp`.
    pub kind: &'static str,
    /// The name, URL or host that was asked.
    pub name: String,
    /// The record type; `GET` for HTTPS.
    #[serde(rename = "type")]
    pub rr_type: String,
    /// Transport and server: `udp 127.0.0.1:5300`; empty when nothing went out.
    pub via: String,
    /// The outcome's word in the contract; `None` while it is under way.
    pub outcome: Option<&'static str>,
    /// The rcode or the reason of a failure.
    pub detail: Option<String>,
    /// When it was asked, in milliseconds since the job's start.
    pub start_ms: f64,
    /// How long it took, in milliseconds; 0 while it is under way.
    pub elapsed_ms: f64,
    /// Whether the answer came from the cache.
    pub cached: bool,
    /// Whether it joined an equal question in flight.
    pub joined: bool,
    /// The least TTL of the answer in seconds.
    pub ttl: Option<u32>,
    /// `secure`, `insecure`, `bogus` or `unknown`.
    pub dnssec: &'static str,
    /// The ids of the checks that asked.
    pub asked_by: Vec<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_of_one_kind_are_folded_into_three() {
        let mut section = Section::new("x", "X");
        section.findings = (0..130).map(|n| Finding::info("x.duplicate", format!("line {n}."))).collect();
        section.findings.push(Finding::error("x.broken", "broken."));
        let section = section.settle();
        assert_eq!((section.findings.len(), section.state), (4, State::Error));
        assert_eq!(section.findings[3].text, "line 2. (And 127 more like this.)");
    }
}

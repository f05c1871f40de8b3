//! One job as the screen sees it: which sections will come, which are there, what was asked. It grows by [`JobEvent`]s and
//! ends with the report, whose sections then take the place of the ones that arrived.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::check::{Check, Evidence, Transcript};
use crate::job::{JobEvent, JobId, Progress, Refusal, Task};
use crate::report::since::Saved;
use crate::report::{Lookup, LookupId, Report, Section, State, Table, VerdictLine};
use crate::tui::compare::{Compared, compare};
use crate::tui::theme::{Look, Theme};
use crate::{message, records, smtp};

/// One job and everything it has told.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The job; events of other jobs are dropped.
    pub id: JobId,
    /// What is looked at.
    pub task: Task,
    /// The ids of the checks that were asked for; empty: all but those on request.
    pub only: Vec<String>,
    /// What is looked at, in words.
    pub title: String,
    /// Whether nothing may be sent.
    pub offline: bool,
    /// Where it stands.
    pub stage: Stage,
    /// The lines above the sections, so far or final.
    pub verdict: Vec<VerdictLine>,
    /// The table of the report, so far or final.
    pub summary: Option<Table>,
    /// The lookup log.
    pub lookups: BTreeMap<LookupId, Lookup>,
    /// Dialogues as they grow, by their lookup.
    pub dialogues: BTreeMap<LookupId, Arc<Transcript>>,
    /// How far it is with what takes longer than a moment.
    pub progress: Option<Progress>,
    /// Grows with every change of what the overview shows.
    pub version: u64,
    order: Vec<Expected>,
    arrived: HashMap<&'static str, Arc<Section>>,
    /// Whom it was asked of, in words.
    pub asked: String,
    /// How this look differs from the one before, when others were asked.
    pub compared: Option<Compared>,
    /// An earlier report that was opened: what has changed since is told.
    pub since: Option<Arc<Saved>>,
    /// What was there before everything was asked again, and of whom: it stays in sight until its new answer comes.
    before: Option<(Arc<Report>, String)>,
    versions: HashMap<&'static str, u64>,
    /// What the finished job knows.
    evidence: Option<Arc<Evidence>>,
}

/// A section that will come, in its fixed place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The check's id.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
}

/// Where a job stands.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Questions are under way.
    Running,
    /// Everything is there.
    Finished(Arc<Report>),
    /// There is nothing to be done with what was given.
    Refused(Refusal),
    /// It could not be done: why.
    Failed(String),
    /// The person stopped it.
    Stopped,
}

/// How a section looks in the list; running, failed and "could not look" are three different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    Here(State),
    /// Its questions are under way.
    Running,
    /// It never came: the job failed.
    Failed,
    /// It never came: the job was stopped, or was not asked to look at it.
    Skipped,
}

impl Standing {
    /// The sign, the word of at most six columns, and what they mean.
    pub fn show(self, theme: Theme) -> (&'static str, &'static str, Look) {
        match self {
            // "could not look" does not fit the column; the headline beside it says it in full.
            Standing::Here(State::Unknown) => (theme.state_glyph(State::Unknown), "unseen", Look::Unknown),
            Standing::Here(state) => (theme.state_glyph(state), state.word(), state.into()),
            Standing::Running => (theme.running_glyph(), "asking", Look::Running),
            Standing::Failed => (theme.state_glyph(State::Error), "failed", Look::Error),
            Standing::Skipped => (theme.state_glyph(State::Absent), "not run", Look::Dim),
        }
    }
}

impl Inquiry {
    /// A job that has just been asked for.
    pub fn new(id: JobId, task: Task, only: &[String]) -> Inquiry {
        let order = if only.is_empty() {
            expected(&task)
        } else {
            let mut order = possible(&task);
            order.retain(|entry| only.iter().any(|id| id == entry.id));
            order
        };
        Inquiry {
            id,
            title: title(&task),
            task,
            only: only.to_vec(),
            offline: false,
            stage: Stage::Running,
            verdict: Vec::new(),
            summary: None,
            lookups: BTreeMap::new(),
            dialogues: BTreeMap::new(),
            progress: None,
            version: 0,
            order,
            arrived: HashMap::new(),
            asked: String::new(),
            compared: None,
            since: None,
            before: None,
            versions: HashMap::new(),
            evidence: None,
        }
    }

    /// Takes in what the job has told.
    pub fn take(&mut self, event: JobEvent) {
        match event {
            JobEvent::Lookup(lookup) => {
                self.lookups.insert(lookup.id, lookup);
                return;
            }
            JobEvent::Section(section) => {
                // Whatever was counted before has come to its end, or tells its next step.
                self.progress = None;
                self.expect(section.id, section.title);
                *self.versions.entry(section.id).or_default() += 1;
                self.arrived.insert(section.id, section);
            }
            JobEvent::Verdict(verdict, summary) => {
                self.verdict = verdict;
                self.summary = summary;
            }
            JobEvent::Progress(progress) => {
                self.progress = Some(progress);
                return;
            }
            JobEvent::Dialogue(lookup, transcript) => {
                self.dialogues.insert(lookup, transcript);
            }
            JobEvent::Finished(report, evidence) => {
                self.evidence = Some(evidence);
                self.finish(report);
            }
            JobEvent::Refused(refusal) => {
                // Of what is no message there is no section, failed or not.
                self.order.clear();
                self.title = "no message".to_owned();
                self.stage = Stage::Refused(refusal);
            }
            JobEvent::Failed(reason) => self.stage = Stage::Failed(reason),
        }
        self.version += 1;
    }

    fn finish(&mut self, report: Arc<Report>) {
        for section in &report.sections {
            self.expect(section.id, section.title);
            if self.arrived.get(section.id).is_none_or(|arrived| differs(arrived, section)) {
                *self.versions.entry(section.id).or_default() += 1;
            }
        }
        self.arrived.clear();
        let report = match &self.since {
            Some(saved) => Arc::new(Report { since: Some(saved.until(&report)), ..report.as_ref().clone() }),
            None => report,
        };
        // What a message says of itself is the same whoever is asked; records that differ are a domain's.
        if let Some((before, asked)) = self.before.take()
            && asked != self.asked
            && matches!(self.task, Task::Domain { .. })
        {
            self.compared = Some(compare((&before, &asked), (&report, &self.asked)));
        }
        self.verdict.clone_from(&report.verdict);
        self.summary.clone_from(&report.summary);
        self.lookups = report.lookups.iter().map(|lookup| (lookup.id, lookup.clone())).collect();
        self.stage = Stage::Finished(report);
    }

    fn expect(&mut self, id: &'static str, title: &'static str) {
        if !self.order.iter().any(|entry| entry.id == id) {
            self.order.push(Expected { id, title });
        }
    }

    /// The sections in their fixed order, there or not.
    pub fn order(&self) -> &[Expected] {
        &self.order
    }

    /// A section, if it is there.
    pub fn section(&self, id: &str) -> Option<&Section> {
        if let Stage::Finished(report) = &self.stage {
            return report.sections.iter().find(|section| section.id == id);
        }
        let before = || self.before.as_ref()?.0.sections.iter().find(|section| section.id == id);
        self.arrived.get(id).map(Arc::as_ref).or_else(before)
    }

    /// Keeps what an earlier look at the same thing showed in sight until the new answers are there.
    pub fn follows(&mut self, before: &Inquiry) {
        if before.title != self.title {
            return;
        }
        let shown = match (before.report(), &before.before) {
            (Some(report), _) => (report.clone(), before.asked.clone()),
            (None, Some(earlier)) => earlier.clone(),
            (None, None) => return,
        };
        let report = &shown.0;
        self.verdict.clone_from(&report.verdict);
        self.summary.clone_from(&report.summary);
        for section in &report.sections {
            self.expect(section.id, section.title);
        }
        self.before = Some(shown);
        self.since = before.since.clone();
    }

    /// When what is in sight was looked at, while it is looked at again.
    pub fn shown_since(&self) -> Option<time::OffsetDateTime> {
        self.before.as_ref().map(|(report, _)| report.at)
    }

    /// The sections that are there, in order.
    pub fn sections(&self) -> impl Iterator<Item = &Section> + Clone {
        self.order.iter().filter_map(|entry| self.section(entry.id))
    }

    /// How a section stands.
    pub fn standing(&self, id: &str) -> Standing {
        let fresh = self.arrived.contains_key(id) || matches!(self.stage, Stage::Finished(_));
        match (self.section(id).filter(|_| fresh), &self.stage) {
            (Some(section), _) => Standing::Here(section.state),
            (None, Stage::Running) => Standing::Running,
            (None, Stage::Failed(_)) => Standing::Failed,
            (None, Stage::Stopped | Stage::Refused(_) | Stage::Finished(_)) => Standing::Skipped,
        }
    }

    /// Grows whenever the section changes.
    pub fn section_version(&self, id: &str) -> u64 {
        self.versions.get(id).copied().unwrap_or(0)
    }

    /// It is not waited for any more.
    pub fn stop(&mut self) {
        if self.is_running() {
            self.stage = Stage::Stopped;
            self.version += 1;
        }
    }

    /// Whether questions are under way.
    pub fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    /// Whether the message itself is still being read: nothing can be said of it yet.
    pub fn is_being_read(&self) -> bool {
        self.is_running() && self.arrived.is_empty() && matches!(self.task, Task::Message { .. })
    }

    /// Why there is nothing to be done with what was given.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.stage {
            Stage::Refused(refusal) => Some(refusal),
            Stage::Running | Stage::Finished(_) | Stage::Failed(_) | Stage::Stopped => None,
        }
    }

    /// The report, once it is there.
    pub fn report(&self) -> Option<&Arc<Report>> {
        match &self.stage {
            Stage::Finished(report) => Some(report),
            Stage::Running | Stage::Refused(_) | Stage::Failed(_) | Stage::Stopped => None,
        }
    }

    /// What the finished job knows.
    pub fn evidence(&self) -> Option<&Arc<Evidence>> {
        self.evidence.as_ref().filter(|_| self.report().is_some())
    }

    /// The same with other sections and another verdict: what the screen shows of a record that is not published. `edits`
    /// grows with each.
    pub fn supposing(
        &self,
        sections: Vec<Section>,
        verdict: Vec<VerdictLine>,
        lookups: &[Lookup],
        edits: u64,
    ) -> Inquiry {
        let mut supposed = self.clone();
        supposed.version += edits;
        if let Stage::Finished(report) = &self.stage {
            for section in &sections {
                *supposed.versions.entry(section.id).or_default() += edits;
            }
            let report = Report { sections, verdict: verdict.clone(), ..report.as_ref().clone() };
            supposed.stage = Stage::Finished(Arc::new(report));
        }
        supposed.verdict = verdict;
        supposed.lookups.extend(lookups.iter().map(|lookup| (lookup.id, lookup.clone())));
        supposed
    }

    /// How many lookups there are, and how many of them are under way.
    pub fn lookup_counts(&self) -> (usize, usize) {
        let open = self.lookups.values().filter(|lookup| lookup.outcome.is_none()).count();
        (self.lookups.len(), open)
    }
}

/// Whether a section of the report is another than the one that arrived; texts are not compared, they may be large.
fn differs(arrived: &Section, section: &Section) -> bool {
    arrived.state != section.state
        || arrived.evidence != section.evidence
        || arrived.findings != section.findings
        || arrived.suggestions != section.suggestions
        || arrived.blocks.len() != section.blocks.len()
}

/// The sections that a task will have, before its first answer.
pub fn expected(task: &Task) -> Vec<Expected> {
    match task {
        Task::Domain { .. } => titles(records::ALL),
        Task::Message { .. } => titles(message::ALL),
        Task::Smtp { .. } => titles(smtp::ALL),
        Task::Dialogue { .. } => titles(smtp::WRITTEN),
        // No pane asks these.
        Task::Spf { .. } | Task::Dmarc { .. } => Vec::new(),
    }
}

/// The sections that a task can have, those on request included.
pub fn possible(task: &Task) -> Vec<Expected> {
    let mut all = expected(task);
    if let Task::Domain { .. } = task {
        all.extend(titles(records::ON_REQUEST));
    }
    all
}

fn titles<S>(checks: &[&dyn Check<S>]) -> Vec<Expected> {
    checks.iter().map(|check| Expected { id: check.id(), title: check.title() }).collect()
}

fn title(task: &Task) -> String {
    match task {
        Task::Domain { name, .. } | Task::Dmarc { name } => name.to_string(),
        Task::Spf { domain, .. } => domain.clone(),
        Task::Message { raw, .. } => message_title(raw),
        Task::Smtp { target, .. } => target.clone(),
        Task::Dialogue { .. } => "a written dialogue".to_owned(),
    }
}

/// From and Subject as they stand, from the first bytes of the message; what they are worth is for the checks to say.
fn message_title(raw: &[u8]) -> String {
    let start = raw.get(..raw.len().min(64 * 1024)).unwrap_or(raw);
    let header = start.split(|byte| matches!(byte, b'\r' | b'\n'));
    // Quote marks and indentation are a copy's, not the message's; a folded line must not look like a field.
    let first = header.clone().find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let copied = first.iter().take_while(|byte| matches!(byte, b'>' | b' ' | b'\t')).count();
    let mark = first.get(..copied).unwrap_or_default();
    let field = |name: &str| {
        header.clone().find_map(|line| {
            let line = line.strip_prefix(mark).unwrap_or(line);
            let (key, value) = line.split_at_checked(name.len())?;
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| String::from_utf8_lossy(value).trim().to_owned())
        })
    };
    match (field("from:"), field("subject:")) {
        (None, None) => "a message".to_owned(),
        (from, subject) => {
            let subject = subject.map_or_else(String::new, |subject| format!("   Subject  {subject}"));
            format!("From  {}{subject}", from.unwrap_or_default())
        }
    }
}

/// Bytes as people say them.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} KB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

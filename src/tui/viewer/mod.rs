//! The view of a report that the domain, message and SMTP pane share: sections at the left in their fixed order, the chosen
//! one at the right. It keeps cursor, scroll and folds; the report itself lies in [`Shared`].

mod copy;
mod draw;
mod moves;
mod offered;

use std::collections::{BTreeMap, HashMap, HashSet};

use ratatui::layout::Rect;

use crate::finding::Severity;
use crate::report::{Block, Link};
use crate::tui::action::{Action, PaneId};
use crate::tui::document::source::LineIndex;
use crate::tui::document::{self, Document, Layout, Target};
use crate::tui::effect::Effect;
use crate::tui::inquiry::{Inquiry, Stage};
use crate::tui::state::{Choice, Menu, Overlay, Purpose, Shared};

pub use copy::{Form, Printed, Wanted};
pub use draw::{pieces, rule};
use offered::link_verb;

/// Windows narrower than this show the list or the details, not both.
pub const NARROW: u16 = 64;

/// A summary of more rows than this stands in the overview alone.
const MOST_SUMMARY: u16 = 12;

/// Cursor, scroll and folds of one report.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The pane whose job is shown.
    pane: PaneId,
    /// Which side the keys go to.
    pub focus: Focus,
    /// The chosen page: 0 is the overview, then the sections in order.
    pub selected: usize,
    list_top: usize,
    cursor: usize,
    top: usize,
    /// Columns that long lines are scrolled by.
    skip: usize,
    toggled: HashMap<&'static str, HashSet<String>>,
    places: HashMap<usize, (usize, usize)>,
    /// The finding whose evidence is shown over its section.
    evidence: Option<(&'static str, usize)>,
    needle: String,
    waiting: Option<Wanted>,
    document: Document,
    /// The table above the sections, where the window is tall enough for it.
    summary: Option<Document>,
    key: Option<Key>,
    rows: usize,
    /// For which job, version and width the summary was laid out.
    summary_of: (u64, u64, u16),
    /// The lines of source blocks, by section, for the job and the section's version that they were found in.
    lines: HashMap<&'static str, SourceLines>,
}

/// The lines of a section's source blocks, and for which job and version of the section they were found.
#[derive(Clone, Debug, Default)]
struct SourceLines {
    of: (u64, u64),
    by_block: BTreeMap<usize, LineIndex>,
}

/// Which side the keys go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The list of sections.
    List,
    /// The details of the chosen one.
    Details,
}

/// What the document was laid out for; it is made anew when any of it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    job: u64,
    page: usize,
    version: u64,
    width: usize,
    evidence: Option<(&'static str, usize)>,
    toggled: usize,
    blanks: usize,
    running: bool,
    summary_above: bool,
}

impl Viewer {
    /// A viewer of the pane's job, on the overview.
    pub fn new(pane: PaneId) -> Viewer {
        Viewer {
            pane,
            focus: Focus::List,
            selected: 0,
            list_top: 0,
            cursor: 0,
            top: 0,
            skip: 0,
            toggled: HashMap::new(),
            places: HashMap::new(),
            evidence: None,
            needle: String::new(),
            waiting: None,
            document: Document::default(),
            summary: None,
            key: None,
            rows: 0,
            summary_of: (0, 0, 0),
            lines: HashMap::new(),
        }
    }

    /// The section that is shown; `None` on the overview.
    pub fn section_id(&self, inquiry: &Inquiry) -> Option<&'static str> {
        self.selected.checked_sub(1).and_then(|at| inquiry.order().get(at)).map(|entry| entry.id)
    }

    /// Whether Esc has something to back out of.
    pub fn is_deep(&self) -> bool {
        self.focus == Focus::Details || self.evidence.is_some()
    }

    /// Lays the document out anew if anything that it shows has changed.
    pub fn sync(&mut self, shared: &Shared, area: Rect) {
        let Some(inquiry) = shared.inquiry(self.pane) else {
            self.key = None;
            return;
        };
        if self.summary_of != (inquiry.id.0, inquiry.version, area.width) {
            self.summary_of = (inquiry.id.0, inquiry.version, area.width);
            let width = usize::from(area.width.saturating_sub(2));
            let layout = Layout {
                width,
                theme: shared.theme,
                toggled: &HashSet::new(),
                blanks: &shared.blanks,
                lines: &BTreeMap::new(),
            };
            self.summary =
                inquiry.summary.as_ref().filter(|_| area.width >= NARROW).map(|table| document::table(table, &layout));
        }
        let parts = self.parts(area, shared.width, self.focus);
        let details = parts.details;
        let width = usize::from(details.width.saturating_sub(2));
        let rows = usize::from(details.height).max(1);
        let resized = std::mem::replace(&mut self.rows, rows) != rows;
        let page = self.section_id(inquiry);
        let version = page.map_or(inquiry.version, |id| inquiry.section_version(id));
        let folds = page.and_then(|id| self.toggled.get(id));
        let key = Key {
            job: inquiry.id.0,
            page: self.selected,
            version,
            width,
            evidence: self.evidence,
            toggled: folds.map_or(0, HashSet::len),
            blanks: shared.blanks.len(),
            running: inquiry.is_running(),
            summary_above: parts.summary.height > 0,
        };
        let summary_above = key.summary_above;
        if self.key.as_ref() == Some(&key) {
            if resized {
                self.show_cursor(rows);
            }
            return;
        }
        let was = self.target().cloned();
        let same_page = self.key.as_ref().is_some_and(|old| old.page == key.page);
        let none = HashSet::new();
        let lines = match page.and_then(|id| inquiry.section(id)) {
            Some(section) => {
                let known = self.lines.entry(section.id).or_default();
                let of = (inquiry.id.0, version);
                if known.of != of {
                    *known = SourceLines { of, by_block: source_lines(section) };
                }
                &known.by_block
            }
            None => &BTreeMap::new(),
        };
        let layout =
            Layout { width, theme: shared.theme, toggled: folds.unwrap_or(&none), blanks: &shared.blanks, lines };
        self.document = match (page, self.evidence) {
            (None, _) => document::overview(
                inquiry.sections(),
                &inquiry.verdict,
                inquiry.summary.as_ref().filter(|_| !summary_above),
                match inquiry.stage {
                    Stage::Running => ("Overview so far", "Nothing so far."),
                    Stage::Finished(_) if inquiry.verdict.iter().any(|line| line.severity >= Severity::Warning) => {
                        ("Overview", "Nothing beyond the verdict above.")
                    }
                    Stage::Finished(_) => ("Overview", "No warnings and no errors."),
                    Stage::Refused(_) => ("Nothing is known", "There is nothing to look at."),
                    Stage::Failed(_) => ("Nothing is known", "The job could not be done. r asks again."),
                    Stage::Stopped => ("Overview, stopped", "Nothing before it was stopped. r asks again."),
                },
                (inquiry.compared.as_ref(), inquiry.report().and_then(|report| report.since.as_ref())),
                &layout,
            ),
            (Some(id), evidence) => match inquiry.section(id) {
                None => Document::default(),
                Some(section) => match evidence.and_then(|(_, index)| section.findings.get(index)) {
                    Some(finding) => document::evidence(section, finding, |id| inquiry.lookups.get(&id), &layout),
                    None => document::section(section, &layout),
                },
            },
        };
        self.key = Some(key);
        // What the cursor stands on stays under it when rows above it come or go.
        if same_page && let Some(was) = was {
            let rows = self.document.target_rows();
            if let Some((y, _)) = rows.into_iter().find(|(_, target)| **target == was) {
                let offset = self.cursor.saturating_sub(self.top);
                self.cursor = y;
                self.top = y.saturating_sub(offset);
            }
        }
        self.cursor = self.cursor.min(self.document.height().saturating_sub(1));
        if same_page && (self.focus == Focus::Details || resized) {
            self.show_cursor(rows);
        }
    }

    /// Where the parts of the report lie now.
    fn parts(&self, area: Rect, width: u16, focus: Focus) -> draw::Parts {
        let rows = self.summary.as_ref().map_or(0, Document::height);
        draw::split(area, width, focus, u16::try_from(rows).ok().filter(|rows| *rows <= MOST_SUMMARY).unwrap_or(0))
    }

    /// What the cursor stands on.
    pub fn target(&self) -> Option<&Target> {
        self.document.target_at(self.cursor)
    }

    /// Does what an action means here; `None` when it means nothing here.
    pub fn update(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Option<Vec<Effect>> {
        let inquiry = shared.inquiry(self.pane)?;
        let rows = usize::from(self.parts(area, shared.width, self.focus).details.height).max(1);
        match action {
            Action::Up => self.step(inquiry, -1, rows),
            Action::Down => self.step(inquiry, 1, rows),
            Action::PageUp => self.page(-1, rows),
            Action::PageDown => self.page(1, rows),
            Action::Top => self.jump(inquiry, 0, rows),
            Action::Bottom => self.jump(inquiry, usize::MAX, rows),
            Action::Left => self.focus = Focus::List,
            Action::Right => self.enter_details(),
            Action::ScrollLeft => self.skip = self.skip.saturating_sub(16),
            Action::ScrollRight => self.skip += 16,
            Action::NextFinding => return Some(self.next_finding(shared, area, true)),
            Action::PreviousFinding => return Some(self.next_finding(shared, area, false)),
            Action::Fold => self.fold(inquiry, rows),
            Action::Enter => return self.enter(shared),
            Action::Back => return self.back().then(Vec::new),
            Action::Search => shared.ask(Purpose::Search, "find", self.search_hint()),
            Action::Answered(Purpose::Search, text) => self.search(text, shared, area),
            Action::CopyValue => return Some(self.copy(shared, self.wanted(shared, Form::Value))),
            Action::CopyName => {
                let wanted = self.wanted(shared, Form::Host);
                if wanted.as_ref().is_some_and(|wanted| !wanted.has(Form::Host)) {
                    shared.warn("no host name here: put the cursor on a record or a suggestion");
                    return Some(Vec::new());
                }
                return Some(self.copy(shared, wanted));
            }
            Action::CopyZone => return Some(self.copy(shared, Some(Wanted::Zone))),
            Action::Copy(wanted) => return Some(self.copy(shared, Some(wanted.clone()))),
            Action::CopyForms => self.forms(shared),
            Action::Answered(Purpose::Blank(key), text) => {
                // Nothing is no answer: the hole stays visible, and it is asked again.
                let said = text.trim();
                if !said.is_empty() {
                    shared.blanks.insert(key, said.to_owned());
                }
                let wanted = self.waiting.take();
                return Some(self.copy(shared, wanted));
            }
            Action::Follow(Link::Section(id)) => self.go_to(shared, id),
            Action::Click(x, y) => self.click(shared, area, *x, *y),
            Action::Wheel(by) => self.scroll(*by, rows),
            _ => return None,
        }
        Some(Vec::new())
    }

    /// Copies what is wanted, or asks for a blank first.
    pub fn copy(&mut self, shared: &mut Shared, wanted: Option<Wanted>) -> Vec<Effect> {
        let Some(wanted) = wanted else {
            shared.warn("nothing to copy here: put the cursor on a record, a suggestion or a name");
            return Vec::new();
        };
        let Some(inquiry) = shared.inquiry(self.pane) else { return Vec::new() };
        match copy::text(&wanted, inquiry, &shared.blanks) {
            Ok((what, text)) => vec![Effect::Copy { what, text }],
            Err(copy::Refusal::Blank(blank)) => {
                self.waiting = Some(wanted);
                shared.ask(Purpose::Blank(blank.key), blank.prompt, "Enter: copy with it   Esc: do not copy");
                Vec::new()
            }
            Err(copy::Refusal::Nothing(why)) => {
                shared.warn(why);
                Vec::new()
            }
        }
    }

    /// What a copy would take: what the cursor is on, else the section's first suggestion, else its first record.
    fn wanted(&self, shared: &Shared, form: Form) -> Option<Wanted> {
        let inquiry = shared.inquiry(self.pane)?;
        if self.focus == Focus::Details
            && let Some(target) = self.target()
        {
            return Wanted::of(target, form);
        }
        if let Some((section, index)) = self.evidence {
            return Some(Wanted::Finding { section, index });
        }
        // Of the overview, what one would paste into a ticket.
        let Some(id) = self.section_id(inquiry) else {
            return (!inquiry.verdict.is_empty()).then_some(Wanted::Ticket);
        };
        let section = inquiry.section(id)?;
        if !section.suggestions.is_empty() {
            return Some(Wanted::Suggestion { section: section.id, index: 0, form });
        }
        section.blocks.iter().find_map(|block| match block {
            Block::Record(record) => Some(Wanted::published(record, form)),
            _ => None,
        })
    }

    fn forms(&self, shared: &mut Shared) {
        let mut items: Vec<(String, Choice)> = Vec::new();
        for form in Form::ALL {
            if let Some(wanted) = self.wanted(shared, form)
                && wanted.has(form)
            {
                items.push((form.label().to_owned(), Choice::Copy(wanted)));
            }
        }
        let suggests = |inquiry: &Inquiry| inquiry.sections().any(|section| !section.suggestions.is_empty());
        if shared.inquiry(self.pane).is_some_and(suggests) {
            items.push(("all suggestions as a zone snippet".into(), Choice::Copy(Wanted::Zone)));
        }
        items.push(("this report in a few lines, for a ticket".into(), Choice::Copy(Wanted::Ticket)));
        items.push(("this report as text".into(), Choice::Copy(Wanted::Report(Printed::Text))));
        items.push(("this report as Markdown".into(), Choice::Copy(Wanted::Report(Printed::Markdown))));
        items.push(("this report as JSON".into(), Choice::Copy(Wanted::Json)));
        if self.pane == PaneId::Message {
            let field = Choice::Copy(Wanted::Report(Printed::AuthenticationResults));
            items.push(("an Authentication-Results field of our own".into(), field));
        }
        shared.overlay = Some(Overlay::Menu(Menu { title: "copy".into(), items, selected: 0 }));
    }

    fn enter(&mut self, shared: &mut Shared) -> Option<Vec<Effect>> {
        if self.focus == Focus::List {
            self.enter_details();
            return Some(Vec::new());
        }
        match self.target()?.clone() {
            Target::Finding { section, index } => {
                self.open_evidence(section, index);
                Some(Vec::new())
            }
            Target::Suggestion { .. } | Target::Record { .. } => {
                self.forms(shared);
                Some(Vec::new())
            }
            Target::Line { links, .. } | Target::Leaf { links, .. } | Target::Fold { links, .. } => {
                match links.as_slice() {
                    [] => {
                        if matches!(self.target(), Some(Target::Fold { .. })) {
                            let inquiry = shared.inquiry(self.pane)?;
                            self.fold(inquiry, 1);
                        }
                        Some(Vec::new())
                    }
                    [(_, Link::Section(id))] => {
                        let id = *id;
                        self.go_to(shared, id);
                        Some(Vec::new())
                    }
                    // Other panes are the caller's.
                    [_] => None,
                    many => {
                        let items = many
                            .iter()
                            .map(|(text, link)| {
                                (format!("{} {text}", link_verb(link)), Choice::Act(Action::Follow(link.clone())))
                            })
                            .collect();
                        shared.overlay = Some(Overlay::Menu(Menu { title: "go to".into(), items, selected: 0 }));
                        Some(Vec::new())
                    }
                }
            }
        }
    }

    /// The keys go to the details; the first time the cursor stands on the first thing that can be opened or copied.
    fn enter_details(&mut self) {
        self.focus = Focus::Details;
        if (self.cursor, self.top) == (0, 0) {
            self.cursor = self.document.target_rows().first().map_or(0, |(y, _)| *y);
        }
    }

    fn back(&mut self) -> bool {
        if self.evidence.take().is_some() {
            if let Some((cursor, top)) = self.places.remove(&usize::MAX) {
                (self.cursor, self.top) = (cursor, top);
            }
            return true;
        }
        if self.focus == Focus::Details {
            self.focus = Focus::List;
            return true;
        }
        false
    }

    fn open_evidence(&mut self, section: &'static str, index: usize) {
        self.places.insert(usize::MAX, (self.cursor, self.top));
        self.evidence = Some((section, index));
        (self.cursor, self.top) = (0, 0);
    }

    /// The worst severity of a section's findings, for the list.
    pub fn worst(inquiry: &Inquiry, id: &str) -> Severity {
        inquiry.section(id).map_or(Severity::Ok, crate::report::Section::worst)
    }
}

/// The lines of every source block of a section.
fn source_lines(section: &crate::report::Section) -> BTreeMap<usize, LineIndex> {
    let blocks = section.blocks.iter().enumerate();
    blocks
        .filter_map(|(at, block)| match block {
            Block::Source { text, .. } => Some((at, LineIndex::new(text))),
            _ => None,
        })
        .collect()
}

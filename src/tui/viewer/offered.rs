//! What can be done with what is under the cursor: edited, dropped, followed, and the hint that says so.

use super::{Focus, Form, Viewer};
use crate::finding::{Suggestion, SuggestionKind};
use crate::name::Name;
use crate::report::{Block, Link, RecordBlock};
use crate::tui::action::{Action, PaneId};
use crate::tui::document::{self, Target};
use crate::tui::state::Shared;
use crate::tui::what_if::{Editable, TreeTerm};

impl Viewer {
    /// The TXT record that the cursor is on, as it is published or as it is proposed; else the section's own.
    pub fn editable(&self, shared: &Shared) -> Option<Editable> {
        let inquiry = shared.inquiry(self.pane)?;
        let section = inquiry.section(self.section_id(inquiry)?)?;
        let records = || {
            section.blocks.iter().filter_map(|block| match block {
                Block::Record(record) if record.rr_type == "TXT" => Some(record),
                _ => None,
            })
        };
        let published = |record: &RecordBlock| {
            Some(Editable {
                section: section.id,
                name: Name::from_text(&record.name).ok()?,
                host: record.host.clone(),
                ttl: record.ttl,
                published: Some(record.text.clone()),
                text: record.text.clone(),
            })
        };
        let proposed = |suggestion: &Suggestion| {
            (suggestion.rr_type == "TXT" && suggestion.kind == SuggestionKind::Record).then(|| Editable {
                section: section.id,
                name: suggestion.name.clone(),
                host: suggestion.host.clone(),
                ttl: suggestion.ttl,
                published: records()
                    .find(|record| record.name == suggestion.name.as_str())
                    .map(|record| record.text.clone()),
                text: document::fill(&suggestion.value, &shared.blanks),
            })
        };
        match self.target().filter(|_| self.focus == Focus::Details) {
            Some(Target::Record { value, name, rr_type, .. }) if rr_type == "TXT" => {
                published(records().find(|record| record.text == *value && record.name == *name)?)
            }
            Some(Target::Suggestion { index, .. })
                if section.suggestions.get(*index).is_some_and(|one| one.rr_type == "TXT") =>
            {
                proposed(section.suggestions.get(*index)?)
            }
            _ => records().find_map(published).or_else(|| section.suggestions.iter().find_map(proposed)),
        }
    }

    /// The term of the section's tree that the cursor is on.
    pub fn tree_term(&self, shared: &Shared) -> Option<TreeTerm> {
        let inquiry = shared.inquiry(self.pane)?;
        let section = inquiry.section(self.section_id(inquiry)?)?;
        match self.target().filter(|_| self.focus == Focus::Details)? {
            Target::Leaf { key, .. } | Target::Fold { key, .. } => TreeTerm::at(section, key),
            _ => None,
        }
    }

    /// Whether a finding's evidence stands over its section.
    pub fn shows_evidence(&self) -> bool {
        self.evidence.is_some()
    }

    /// Whether an action would do something with what is under the cursor.
    pub fn enabled(&self, action: &Action, shared: &Shared) -> bool {
        match action {
            Action::CopyValue => self.wanted(shared, Form::Value).is_some(),
            Action::CopyName => self.wanted(shared, Form::Host).is_some_and(|wanted| wanted.has(Form::Host)),
            Action::Enter if self.focus == Focus::List => shared.inquiry(self.pane).is_some(),
            Action::Enter => match self.target() {
                None => false,
                Some(Target::Finding { .. }) => self.evidence.is_none(),
                Some(Target::Line { links, .. } | Target::Leaf { links, .. }) => !links.is_empty(),
                Some(Target::Suggestion { .. } | Target::Record { .. } | Target::Fold { .. }) => true,
            },
            Action::NextFinding | Action::PreviousFinding => shared.inquiry(self.pane).is_some_and(|inquiry| {
                inquiry.sections().any(|section| !section.findings.is_empty() || !section.suggestions.is_empty())
            }),
            _ => true,
        }
    }

    /// What can be done with what is under the cursor.
    pub fn hint(&self, shared: &Shared) -> Option<String> {
        let inquiry = shared.inquiry(self.pane)?;
        if self.focus == Focus::List {
            return None;
        }
        if let Some(document::At::Source { block, index, line }) = self.document.at(self.cursor) {
            let section = inquiry.section(self.section_id(inquiry)?)?;
            let Some(Block::Source { marks, .. }) = section.blocks.get(block) else { return None };
            return index.note(marks, line).map(|mark| format!("{}: {}", mark.severity.word(), mark.note));
        }
        Some(match self.target()? {
            Target::Finding { .. } if self.evidence.is_none() => {
                "Enter: the rule, the bytes and the lookups behind it".into()
            }
            Target::Suggestion { .. } => "y: its value   n: its host   Enter: other forms".into(),
            Target::Record { rr_type, .. } if rr_type == "TXT" && self.pane == PaneId::Domain => {
                "y: its content   n: its host   Enter: other forms   w: what if it said something else".into()
            }
            Target::Record { .. } => "y: its content   n: its host   Enter: other forms".into(),
            Target::Finding { .. } => return None,
            Target::Line { links, .. } | Target::Leaf { links, .. } | Target::Fold { links, .. } => {
                match links.as_slice() {
                    [] if matches!(self.target(), Some(Target::Fold { .. })) => "Enter or Space: open or close".into(),
                    [] => "y: copy this line".into(),
                    [(text, link)] => format!("Enter: {} {text}", link_verb(link)),
                    many => format!("Enter: choose one of {} ways to go", many.len()),
                }
            }
        })
    }

    /// The one link that Enter follows to another pane or target.
    pub fn single_link(&self) -> Option<Link> {
        match self.target()? {
            Target::Line { links, .. } | Target::Leaf { links, .. } | Target::Fold { links, .. } => {
                match links.as_slice() {
                    [(_, link)] if self.focus == Focus::Details => Some(link.clone()),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

pub(super) fn link_verb(link: &Link) -> &'static str {
    match link {
        Link::Domain(_) => "look at",
        Link::Smtp(_) => "talk to",
        Link::Section(_) => "show",
        Link::Message(_) => "open the message",
    }
}

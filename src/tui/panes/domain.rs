//! The domain pane: what a domain publishes, what is wrong with it, what would be better.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, report_enabled};
use crate::job::{Job, Task};
use crate::name::Name;
use crate::records::{Domain, ON_REQUEST, with_requested};
use crate::report::Link;
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::inquiry::{Inquiry, Stage};
use crate::tui::state::{Choice, Menu, Overlay, Purpose, Shared};
use crate::tui::viewer::{Focus, Form, NARROW, Viewer, Wanted};
use crate::tui::what_if::{Editable, WhatIf};
use crate::tui::widgets::start;

/// How many reports the history keeps: each may be some hundred kilobytes.
const HISTORY: usize = 40;

/// The domain pane.
pub struct DomainPane {
    viewer: Viewer,
    back: Vec<(Inquiry, Viewer)>,
    forward: Vec<(Inquiry, Viewer)>,
}

impl Default for DomainPane {
    fn default() -> DomainPane {
        DomainPane { viewer: Viewer::new(PaneId::Domain), back: Vec::new(), forward: Vec::new() }
    }
}

impl DomainPane {
    fn look_at(&mut self, name: Name, shared: &mut Shared) -> Vec<Effect> {
        let selectors = shared.selectors_for(&name);
        let job = shared.job(Task::Domain { name, selectors });
        let (effects, before) = shared.start(PaneId::Domain, job);
        self.remember(before);
        self.forward.clear();
        self.viewer = Viewer::new(PaneId::Domain);
        effects
    }

    fn remember(&mut self, before: Option<Inquiry>) {
        if let Some(mut before) = before {
            cut_short(&mut before);
            if self.back.len() >= HISTORY {
                self.back.remove(0);
            }
            self.back.push((before, self.viewer.clone()));
        }
    }

    fn again(&mut self, fresh: bool, more: Option<String>, shared: &mut Shared) -> Vec<Effect> {
        let Some(Task::Domain { name, mut selectors }) = shared.inquiry(PaneId::Domain).map(|now| now.task.clone())
        else {
            shared.tell("nothing to ask again: type a domain first (:)");
            return Vec::new();
        };
        if let Some(more) = more {
            shared.remember_selector(name.as_str(), &more);
        }
        let known = shared.selectors_for(&name);
        selectors.extend(known.into_iter().filter(|one| !selectors.contains(one)).collect::<Vec<_>>());
        let mut job = shared.job(Task::Domain { name, selectors });
        job.fresh = fresh;
        if let Some(now) = shared.inquiry(PaneId::Domain) {
            job.only.clone_from(&now.only);
        }
        // The place on the screen stays; only the answers are new.
        let (effects, before) = shared.start(PaneId::Domain, job);
        if let (Some(before), Some(now)) = (before, shared.inquiry_mut(PaneId::Domain)) {
            now.follows(&before);
        }
        effects
    }

    /// Everything again, and what the zone's own servers publish; that section is shown.
    fn authoritative(&mut self, shared: &mut Shared, area: Rect) -> Vec<Effect> {
        let Some(Task::Domain { name, selectors }) = shared.inquiry(PaneId::Domain).map(|now| now.task.clone()) else {
            shared.warn("whose name servers? Type a domain first (:), then R");
            return Vec::new();
        };
        let mut job = shared.job(Task::Domain { name, selectors });
        job.only = with_requested(&job.only);
        // Our own cache would hide for how much longer the resolver keeps an answer.
        job.fresh = true;
        let (effects, before) = shared.start(PaneId::Domain, job);
        if let (Some(before), Some(now)) = (before, shared.inquiry_mut(PaneId::Domain)) {
            now.follows(&before);
        }
        for check in ON_REQUEST {
            self.viewer.update(&Action::Follow(Link::Section(check.id())), shared, area);
        }
        effects
    }

    fn travel(&mut self, shared: &mut Shared, forward: bool) -> Vec<Effect> {
        let there = if forward { self.forward.pop() } else { self.back.pop() };
        let Some((inquiry, viewer)) = there else {
            shared.tell(if forward { "nothing further forward" } else { "nothing further back" });
            return Vec::new();
        };
        // A place whose job was cut short is asked anew on the return.
        let anew =
            inquiry.report().is_none().then(|| Job { only: inquiry.only.clone(), ..shared.job(inquiry.task.clone()) });
        let mut effects = Vec::new();
        if let Some(mut now) = shared.place(PaneId::Domain, Some(inquiry)) {
            if now.is_running() {
                effects.push(Effect::Cancel(now.id));
            }
            cut_short(&mut now);
            let here = (now, std::mem::replace(&mut self.viewer, viewer));
            if forward { self.back.push(here) } else { self.forward.push(here) }
        }
        if let Some(job) = anew {
            effects.extend(shared.start(PaneId::Domain, job).0);
        }
        effects
    }
}

/// What-if: a record as it is not published, in the place of the report until Esc.
impl DomainPane {
    /// Opens the line on the record under the cursor.
    fn edit(&mut self, shared: &mut Shared) -> Vec<Effect> {
        if shared.what_if.is_none() {
            if shared.inquiry(PaneId::Domain).is_none_or(|now| now.evidence().is_none()) {
                shared.tell("what if: when the report is finished");
                return Vec::new();
            }
            let Some(record) = self.viewer.editable(shared) else {
                shared.tell("what if: open a section with a TXT record, or put the cursor on one");
                return Vec::new();
            };
            self.suppose(record, shared);
        }
        if shared.width < NARROW {
            self.viewer.focus = Focus::Details;
        }
        if let Some(record) = shared.what_if.as_ref().map(|what_if| what_if.record.clone()) {
            shared.ask(Purpose::WhatIf, format!("what if TXT {}", record.host), "empty: no such record");
            if let Some(line) = &mut shared.line {
                line.input = tui_input::Input::new(record.text);
            }
        }
        Vec::new()
    }

    /// Judges the record as it stands in the edit.
    fn suppose(&mut self, record: Editable, shared: &mut Shared) {
        let text = record.text.clone();
        let begun = shared.inquiry(PaneId::Domain).and_then(|real| WhatIf::new(real, record));
        shared.what_if = begun.map(Box::new);
        self.retype(&text, shared);
    }

    fn retype(&mut self, text: &str, shared: &mut Shared) -> Vec<Effect> {
        let Some(what_if) = &mut shared.what_if else { return Vec::new() };
        let stopped = what_if.asking.take().map(Effect::Cancel);
        if let Some(supposed) = what_if.suppose(text) {
            shared.place(PaneId::Domain, Some(supposed));
        }
        stopped.into_iter().collect()
    }

    /// Asks for what only the edited record needs.
    fn ask_new_names(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let Some(task) = shared.inquiry(PaneId::Domain).map(|now| now.task.clone()) else { return Vec::new() };
        let job = shared.job(task);
        let Some(job) = shared.what_if.as_ref().and_then(|what_if| what_if.job(job)) else {
            shared.tell("nothing more to ask: y copies it, w edits on, Esc goes back to what is published");
            return Vec::new();
        };
        let (id, start) = shared.start_beside(job);
        if let Some(what_if) = &mut shared.what_if {
            what_if.asking = Some(id);
            let text = what_if.record.text.clone();
            if let Some(supposed) = what_if.suppose(&text) {
                shared.place(PaneId::Domain, Some(supposed));
            }
        }
        vec![start]
    }

    /// Back to what is published.
    fn published(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let Some(what_if) = shared.what_if.take() else { return Vec::new() };
        let stopped = what_if.asking.map(Effect::Cancel);
        shared.place(PaneId::Domain, Some(what_if.into_real()));
        shared.tell("back to what is published");
        stopped.into_iter().collect()
    }

    /// The budget without the term under the cursor.
    fn drop_term(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let Some(term) = self.viewer.tree_term(shared) else {
            shared.tell("what if without it: put the cursor on a term of the SPF tree");
            return Vec::new();
        };
        let dropped = match &shared.what_if {
            Some(what_if) if what_if.record.name == term.owner => term.dropped_from(&what_if.record.text),
            Some(what_if) => {
                let name = what_if.record.name.to_string();
                shared.tell(format!("one record at a time: now it is the one of {name}; Esc goes back first"));
                return Vec::new();
            }
            None => None,
        };
        if let Some(text) = dropped {
            shared.tell(format!("what if without {}", term.text));
            return self.retype(&text, shared);
        }
        let real = shared.inquiry(PaneId::Domain);
        let found = real.and_then(|real| term.record_of(real.evidence()?));
        let Some((published, ttl)) = found.filter(|_| shared.what_if.is_none()) else {
            shared.tell("what if without it: not known whose record that is");
            return Vec::new();
        };
        let zone = Domain::new(term.owner.clone()).zone();
        let record = Editable {
            section: "spf",
            host: term.owner.relative_to(&zone),
            name: term.owner.clone(),
            ttl: Some(ttl),
            text: term.dropped_from(&published).unwrap_or_default(),
            published: Some(published),
        };
        let whose = real_name(shared).filter(|name| *name != term.owner).map(|_| term.owner.to_string());
        self.suppose(record, shared);
        let whose =
            whose.map_or_else(String::new, |owner| format!(" in the record of {owner}, which may not be yours"));
        shared.tell(format!("what if without {}{whose}: w edits on, y copies", term.text));
        Vec::new()
    }

    /// The edited record, in a form.
    fn copy_edited(&mut self, form: Form, shared: &mut Shared) -> Vec<Effect> {
        let Some(record) = shared.what_if.as_ref().map(|what_if| what_if.record.clone()) else { return Vec::new() };
        self.viewer.copy(shared, Some(wanted(&record, form)))
    }

    /// The forms of the edited record; no report, because none is of what is not published.
    fn forms_of_edited(shared: &mut Shared) {
        let Some(record) = shared.what_if.as_ref().map(|what_if| what_if.record.clone()) else { return };
        let items =
            Form::ALL.into_iter().map(|form| (form.label().to_owned(), Choice::Copy(wanted(&record, form)))).collect();
        shared.overlay = Some(Overlay::Menu(Menu { title: "copy the edited record".into(), items, selected: 0 }));
    }
}

fn wanted(record: &Editable, form: Form) -> Wanted {
    Wanted::Edited {
        value: record.text.clone(),
        host: record.host.clone(),
        name: record.name.to_string(),
        ttl: record.ttl,
        form,
    }
}

fn real_name(shared: &Shared) -> Option<Name> {
    match &shared.inquiry(PaneId::Domain)?.task {
        Task::Domain { name, .. } => Some(name.clone()),
        _ => None,
    }
}

/// A job that is left behind while it runs is stopped.
fn cut_short(inquiry: &mut Inquiry) {
    if inquiry.is_running() {
        inquiry.stage = Stage::Stopped;
    }
}

impl Pane for DomainPane {
    fn id(&self) -> PaneId {
        PaneId::Domain
    }

    fn update(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Vec<Effect> {
        match action {
            Action::WhatIf => return self.edit(shared),
            Action::DropTerm => return self.drop_term(shared),
            Action::Suppose(text) => return self.retype(text, shared),
            Action::Answered(Purpose::WhatIf, _) => return self.ask_new_names(shared),
            Action::Published => return self.published(shared),
            Action::Back if shared.what_if.is_some() && !self.viewer.shows_evidence() => return self.published(shared),
            Action::CopyValue if shared.what_if.is_some() => return self.copy_edited(Form::Value, shared),
            Action::CopyName if shared.what_if.is_some() => return self.copy_edited(Form::Host, shared),
            Action::CopyForms if shared.what_if.is_some() => {
                DomainPane::forms_of_edited(shared);
                return Vec::new();
            }
            Action::CopyZone if shared.what_if.is_some() => {
                shared.warn("suggestions to what is not published: Esc goes back to what is");
                return Vec::new();
            }
            _ => {}
        }
        // Whatever asks or goes elsewhere begins from what is published.
        let mut effects = match action {
            Action::Follow(Link::Domain(_))
            | Action::AskAgain
            | Action::Authoritative
            | Action::HistoryBack
            | Action::HistoryForward
            | Action::Answered(Purpose::Selector, _) => self.published(shared),
            _ => Vec::new(),
        };
        effects.extend(self.act(action, shared, area));
        effects
    }

    fn sync(&mut self, shared: &Shared, area: Rect) {
        self.viewer.sync(shared, area);
    }

    fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        if shared.inquiry(PaneId::Domain).is_some() {
            self.viewer.view(shared, area, buffer);
        } else {
            start::domain(shared, area, buffer);
        }
    }

    fn enabled(&self, action: &Action, shared: &Shared) -> bool {
        let supposing = shared.what_if.is_some();
        match action {
            Action::HistoryBack => !self.back.is_empty(),
            Action::HistoryForward => !self.forward.is_empty(),
            Action::Selector => shared.inquiry(PaneId::Domain).is_some(),
            Action::WhatIf => supposing || self.viewer.editable(shared).is_some_and(|_| is_finished(shared)),
            Action::DropTerm => is_finished(shared) && self.viewer.tree_term(shared).is_some(),
            Action::CopyZone | Action::Save if supposing => false,
            Action::CopyValue | Action::CopyName if supposing => true,
            other => report_enabled(other, PaneId::Domain, shared) && self.viewer.enabled(other, shared),
        }
    }

    fn hint(&self, shared: &Shared) -> Option<String> {
        self.viewer.hint(shared)
    }

    fn single_link(&self, _shared: &Shared) -> Option<Link> {
        self.viewer.single_link()
    }
}

fn is_finished(shared: &Shared) -> bool {
    shared.inquiry(PaneId::Domain).is_some_and(|now| now.evidence().is_some())
}

impl DomainPane {
    fn act(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Vec<Effect> {
        match action {
            Action::Follow(Link::Domain(name)) => return self.look_at(name.clone(), shared),
            Action::AskAgain => return self.again(true, None, shared),
            Action::Authoritative => return self.authoritative(shared, area),
            Action::HistoryBack => return self.travel(shared, false),
            Action::HistoryForward => return self.travel(shared, true),
            Action::Selector => {
                shared.ask(Purpose::Selector, "selector", "the s= of a DKIM-Signature, like google or k1");
                return Vec::new();
            }
            Action::Answered(Purpose::Selector, text) => {
                let selector = text.trim().trim_end_matches("._domainkey").to_ascii_lowercase();
                if selector.is_empty() || Name::from_text(&selector).is_err() {
                    shared.warn(format!("{text}: not a selector"));
                    return Vec::new();
                }
                return self.again(false, Some(selector), shared);
            }
            _ => {}
        }
        self.viewer.update(action, shared, area).unwrap_or_default()
    }
}

//! The domain pane: what a domain publishes, what is wrong with it, what would be better.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Pane, report_enabled};
use crate::job::{Job, Task};
use crate::name::Name;
use crate::records::{ON_REQUEST, with_requested};
use crate::report::Link;
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::inquiry::{Inquiry, Stage};
use crate::tui::state::{Purpose, Shared};
use crate::tui::viewer::Viewer;
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
        match action {
            Action::HistoryBack => !self.back.is_empty(),
            Action::HistoryForward => !self.forward.is_empty(),
            Action::Selector => shared.inquiry(PaneId::Domain).is_some(),
            other => report_enabled(other, PaneId::Domain, shared),
        }
    }

    fn hint(&self, shared: &Shared) -> Option<String> {
        self.viewer.hint(shared)
    }

    fn single_link(&self) -> Option<Link> {
        self.viewer.single_link()
    }
}

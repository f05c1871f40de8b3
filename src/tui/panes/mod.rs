//! The four panes. A pane keeps only cursor, scroll and input: no sender, no clock, no handle on the engine.

pub mod domain;
pub mod lookups;
pub mod message;
pub mod smtp;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::check::Captured;
use crate::report::Link;
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::state::Shared;

/// One pane.
pub trait Pane {
    /// Which one it is.
    fn id(&self) -> PaneId;
    /// Does what an action means here; what it does not know is nothing.
    fn update(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Vec<Effect>;
    /// Lays out anew what has changed; called once after every batch of events, when the pane is shown.
    fn sync(&mut self, shared: &Shared, area: Rect);
    /// Draws itself.
    fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer);
    /// Whether an action would do something now; the footer and the help show what is enabled.
    fn enabled(&self, action: &Action, shared: &Shared) -> bool;
    /// What can be done with what is under the cursor, for the row above the keys.
    fn hint(&self, _shared: &Shared) -> Option<String> {
        None
    }
    /// The captured message that an action would open.
    fn captured(&self, _action: &Action, _shared: &Shared) -> Option<Arc<Captured>> {
        None
    }
    /// Whether it shows sessions of the listener, not a job.
    fn shows_listener(&self, _shared: &Shared) -> bool {
        false
    }
    /// The link under the cursor that leads out of this report.
    fn single_link(&self, _shared: &Shared) -> Option<Link> {
        None
    }
}

/// All panes, in the order of [`PaneId::ALL`].
pub fn all() -> Vec<Box<dyn Pane>> {
    vec![
        Box::new(domain::DomainPane::default()),
        Box::new(message::MessagePane::default()),
        Box::new(smtp::SmtpPane::default()),
        Box::new(lookups::LookupsPane::default()),
    ]
}

/// What every pane that shows a report can do with it.
fn report_enabled(action: &Action, pane: PaneId, shared: &Shared) -> bool {
    let inquiry = shared.inquiry(pane);
    match action {
        Action::CopyValue
        | Action::CopyName
        | Action::CopyForms
        | Action::NextFinding
        | Action::PreviousFinding
        | Action::Search
        | Action::Enter
        | Action::AskAgain => inquiry.is_some(),
        Action::CopyZone => {
            inquiry.is_some_and(|inquiry| inquiry.sections().any(|section| !section.suggestions.is_empty()))
        }
        Action::Save => inquiry.is_some_and(|inquiry| inquiry.report().is_some()) || shared.long_copy.is_some(),
        Action::Stop => inquiry.is_some_and(super::inquiry::Inquiry::is_running),
        _ => true,
    }
}

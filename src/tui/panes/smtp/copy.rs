//! What is copied of a dialogue: a line, or all of them in one form; and how many of its lines deserve a look.

use super::SmtpPane;
use super::rows::{Place, host, port};
use crate::check::TranscriptEntry;
use crate::smtp::export::{Form, Held, export};
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::state::{Choice, Menu, Overlay, Shared};

impl SmtpPane {
    pub(super) fn forms(&self, shared: &mut Shared) {
        let items = [
            ("the dialogue as text", Form::Text),
            ("as a Markdown table", Form::Markdown),
            ("as JSON", Form::Json),
            ("the swaks command that repeats it", Form::Swaks),
        ];
        let items = items.map(|(words, form)| (words.to_owned(), Choice::Act(Action::CopyDialogue(form)))).to_vec();
        shared.overlay = Some(Overlay::Menu(Menu { title: "copy".into(), items, selected: 0 }));
    }

    pub(super) fn copy_as(&self, form: Form, shared: &Shared) -> Vec<Effect> {
        let Some(inquiry) = shared.inquiry(PaneId::Smtp) else { return Vec::new() };
        let held: Vec<Held<'_>> = inquiry
            .dialogues
            .iter()
            .map(|(id, transcript)| Held { host: host(inquiry, *id), port: port(inquiry, *id), transcript })
            .collect();
        let what = match form {
            Form::Text => "the dialogue",
            Form::Markdown => "the dialogue as Markdown",
            Form::Json => "the dialogue as JSON",
            Form::Swaks => "the swaks command",
        };
        vec![Effect::Copy { what: what.to_owned(), text: export(&held, form) }]
    }

    /// The entry under the cursor.
    pub(super) fn entry(&self, shared: &Shared) -> Option<TranscriptEntry> {
        let Place::Line(id, at) = self.rows.places.get(self.chosen()).copied()? else { return None };
        shared.inquiry(PaneId::Smtp)?.dialogues.get(&id)?.entries.get(at).cloned()
    }

    /// How many remarkable lines there are before and behind the cursor.
    pub(super) fn remarks(&self, shared: &Shared) -> Option<(usize, usize)> {
        let inquiry = shared.inquiry(PaneId::Smtp)?;
        let chosen = self.chosen();
        let rows = self.rows.places.iter().enumerate();
        let remarkable = rows.filter(|(at, place)| *at != chosen && self.rows.is_remarkable(inquiry, **place));
        let (before, after): (Vec<usize>, Vec<usize>) = remarkable.map(|(at, _)| at).partition(|at| *at < chosen);
        Some((before.len(), after.len()))
    }

    pub(super) fn copy_line(&self, shared: &Shared) -> Vec<Effect> {
        let Some(entry) = self.entry(shared) else { return Vec::new() };
        let text = crate::untrusted::visible(&crate::smtp::lines::line_of(&entry).1).into_owned();
        vec![Effect::Copy { what: "the line".into(), text }]
    }
}

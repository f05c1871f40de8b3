//! Everything that the screen knows. [`Shared`] is what panes may read and ask of; a pane itself keeps only cursor, scroll
//! and input.

use std::collections::BTreeMap;
use std::sync::Arc;

use tui_input::Input;

use crate::config::Upstream;
use crate::job::{Job, JobId, Task};
use crate::name::Name;
use crate::smtp::script::Script;
use crate::tui::Offer;
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::inquiry::{Inquiry, possible};
use crate::tui::listening::Listening;
use crate::tui::panes::{self, Pane};
use crate::tui::theme::Theme;
use crate::tui::what_if::WhatIf;

/// Where a message came from that was pasted.
pub const PASTE: &str = "paste";
/// What would be lost with it.
pub const UNSAVED: &str = "the pasted message";

/// The whole state.
pub struct State {
    /// What panes share.
    pub shared: Shared,
    /// The panes, in the order of [`PaneId::ALL`].
    pub panes: Vec<Box<dyn Pane>>,
    /// The one that is shown.
    pub active: PaneId,
}

/// What panes share.
pub struct Shared {
    /// Colours and signs.
    pub theme: Theme,
    /// Columns of the window.
    pub width: u16,
    /// Rows of the window.
    pub height: u16,
    /// The current job of the domain, message and SMTP pane.
    pub inquiries: [Option<Inquiry>; 3],
    /// The engine.
    pub engine: EngineStage,
    /// Whom it asks, in words.
    pub resolver: String,
    /// What the person has said about blanks, by key.
    pub blanks: BTreeMap<&'static str, String>,
    /// DKIM selectors that the person named on the command line.
    pub selectors: Vec<String>,
    /// Selectors that a message or the person has shown for a domain.
    pub seen_selectors: BTreeMap<String, Vec<String>>,
    /// The checks to run; empty: all.
    pub only: Vec<String>,
    /// What to offer on the start screens.
    pub offers: Vec<Offer>,
    /// What was typed into the line before, newest last.
    pub typed: Vec<String>,
    /// What was said by hand before, newest last; never a secret.
    pub said: Vec<String>,
    /// The line, when a question is open on it.
    pub line: Option<Line>,
    /// What stands above the panes.
    pub overlay: Option<Overlay>,
    /// The newest thing to tell, for the row above the footer.
    pub notice: Option<Notice>,
    /// A pane to switch to after this event.
    pub show: Option<PaneId>,
    /// What is in no file and on no clipboard yet: quitting asks.
    pub unsaved: Option<&'static str>,
    /// What was too long for the clipboard: saving offers it.
    pub long_copy: Option<(String, String)>,
    /// Whether the message came as keys, and more of them belong to it until a key comes alone.
    pub open_paste: bool,
    /// A record as it is not published, while the domain pane shows what it would change.
    pub what_if: Option<Box<WhatIf>>,
    /// What is in the message pane, as it came; whoever sends it on takes [`Shared::whole_message`].
    pub message: Option<Arc<[u8]>>,
    /// The message that was written in an editor and not yet sent.
    pub composed: Option<Arc<[u8]>>,
    /// The listener, once there was one.
    pub listening: Option<Listening>,
    next_job: u64,
}

/// Whether questions can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineStage {
    /// Not yet: it starts after the first frame.
    Starting,
    /// Yes.
    Ready,
    /// Never: why.
    Failed(String),
}

/// A question on the line.
#[derive(Clone, Debug)]
pub struct Line {
    /// What the answer is for.
    pub purpose: Purpose,
    /// What stands before the input.
    pub label: String,
    /// What stands behind it while it is empty.
    pub hint: String,
    /// What was wrong with the last try.
    pub error: Option<String>,
    /// The input.
    pub input: Input,
    /// Which of the earlier lines is shown, counted back from the newest.
    pub recall: Option<usize>,
    /// Which of the offers is shown.
    pub offer: Option<usize>,
    /// Whether what is typed is a secret and must not be shown.
    pub hidden: bool,
    /// What was typed before Tab began to complete it.
    pub completing: Option<String>,
}

/// What an answer on the line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Where to go.
    Go,
    /// A DKIM selector.
    Selector,
    /// Other name servers.
    Servers,
    /// A record as it is not published.
    WhatIf,
    /// Text to find.
    Search,
    /// A message file.
    File,
    /// The border hop.
    Border,
    /// The client's address, HELO and MAIL FROM.
    Envelope,
    /// A line of SMTP.
    Say,
    /// The name in EHLO.
    Ehlo,
    /// A blank of a suggestion; the copy goes on afterwards.
    Blank(&'static str),
    /// Where to save.
    Save,
    /// Where to listen, and how to answer.
    Listen,
}

/// What stands above the panes.
#[derive(Clone, Debug)]
pub enum Overlay {
    /// The keys, scrolled by so many rows.
    Help(u16),
    /// A choice.
    Menu(Menu),
    /// Leave although something would be lost? What.
    ConfirmQuit(&'static str),
    /// Send a message? What will happen, and what does it.
    ConfirmSend {
        /// What will happen.
        text: String,
        /// What does it.
        effect: Box<Effect>,
    },
    /// Say these lines, over the line of a dialogue by hand? What will happen, and the lines.
    Several {
        /// What will happen.
        text: String,
        /// The lines.
        script: Box<Script>,
    },
    /// Keys that came too fast to be typed: the text.
    Unbracketed(String),
}

impl Overlay {
    /// Whether it must be answered before the line that stands under it.
    pub fn is_over_line(&self) -> bool {
        matches!(self, Overlay::Several { .. } | Overlay::Unbracketed(_))
    }
}

/// A choice.
#[derive(Clone, Debug)]
pub struct Menu {
    /// What is chosen.
    pub title: String,
    /// The choices, each with what it does.
    pub items: Vec<(String, Choice)>,
    /// The one under the cursor.
    pub selected: usize,
}

/// What a choice does.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// An action of the pane.
    Act(Action),
    /// Asks these name servers from now on; none: those it started with. The words say who they are.
    Switch(Vec<Upstream>, String),
    /// Copies a text.
    Copy(crate::tui::viewer::Wanted),
}

/// One thing to tell, with how bad it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The text.
    pub text: String,
    /// Whether it went wrong.
    pub bad: bool,
}

impl State {
    /// The state before the first frame.
    pub fn new(theme: Theme, width: u16, height: u16) -> State {
        State { shared: Shared::new(theme, width, height), panes: panes::all(), active: PaneId::Domain }
    }
}

impl Shared {
    fn new(theme: Theme, width: u16, height: u16) -> Shared {
        Shared {
            theme,
            width,
            height,
            inquiries: [None, None, None],
            engine: EngineStage::Starting,
            resolver: String::new(),
            blanks: BTreeMap::new(),
            selectors: Vec::new(),
            seen_selectors: BTreeMap::new(),
            only: Vec::new(),
            offers: Vec::new(),
            typed: Vec::new(),
            said: Vec::new(),
            line: None,
            overlay: None,
            notice: None,
            show: None,
            unsaved: None,
            long_copy: None,
            open_paste: false,
            what_if: None,
            message: None,
            composed: None,
            listening: None,
            next_job: 1,
        }
    }

    /// The current job of a pane.
    pub fn inquiry(&self, pane: PaneId) -> Option<&Inquiry> {
        self.inquiries.get(pane.index())?.as_ref()
    }

    /// The current job of a pane, to be changed.
    pub fn inquiry_mut(&mut self, pane: PaneId) -> Option<&mut Inquiry> {
        self.inquiries.get_mut(pane.index())?.as_mut()
    }

    /// Puts a job in a pane's place and returns the one that was there.
    pub fn place(&mut self, pane: PaneId, inquiry: Option<Inquiry>) -> Option<Inquiry> {
        self.inquiries.get_mut(pane.index()).and_then(|slot| std::mem::replace(slot, inquiry))
    }

    /// The message of the message pane, as it came; `None` when what is there turned out to be none.
    pub fn whole_message(&self) -> Option<&Arc<[u8]>> {
        self.message.as_ref().filter(|_| self.inquiry(PaneId::Message).and_then(Inquiry::refusal).is_none())
    }

    /// Starts a job in a pane's place; the one before is stopped if it still runs.
    pub fn start(&mut self, pane: PaneId, job: Job) -> (Vec<Effect>, Option<Inquiry>) {
        let id = JobId(self.next_job);
        self.next_job += 1;
        let mut inquiry = Inquiry::new(id, job.task.clone(), &job.only);
        inquiry.offline = job.offline;
        inquiry.asked.clone_from(&self.resolver);
        let before = self.place(pane, Some(inquiry));
        let mut effects = Vec::new();
        if let Some(before) = before.as_ref().filter(|before| before.is_running()) {
            effects.push(Effect::Cancel(before.id));
        }
        if let EngineStage::Failed(reason) = &self.engine {
            let failed = crate::job::JobEvent::Failed(reason.clone());
            if let Some(Some(inquiry)) = self.inquiries.get_mut(pane.index()) {
                inquiry.take(failed);
            }
        } else {
            effects.push(Effect::Start(id, job));
        }
        (effects, before)
    }

    /// Starts a job beside the one in the pane's place.
    pub fn start_beside(&mut self, job: Job) -> (JobId, Effect) {
        let id = JobId(self.next_job);
        self.next_job += 1;
        (id, Effect::Start(id, job))
    }

    /// Stops a pane's job where it stands; what is still told is dropped.
    pub fn stop(&mut self, pane: PaneId) {
        if let Some(inquiry) = self.inquiry_mut(pane) {
            inquiry.stop();
        }
    }

    /// A job for a task with what the command line has set.
    pub fn job(&self, task: Task) -> Job {
        let mut job = Job::new(task);
        // `--only` names checks of one subject; another subject's job runs all of its own.
        let checks = possible(&job.task);
        job.only.extend(self.only.iter().filter(|id| checks.iter().any(|check| check.id == id.as_str())).cloned());
        job
    }

    /// Keeps a selector for when its domain is looked at; a hostile message may name many.
    pub fn remember_selector(&mut self, domain: &str, selector: &str) {
        let known = self.seen_selectors.entry(domain.to_ascii_lowercase()).or_default();
        if known.len() < 32 && !known.iter().any(|one| one == selector) {
            known.push(selector.to_owned());
        }
    }

    /// What the start screen of a pane offers: the domain pane's is the program's, and offers everything.
    pub fn offered(&self, pane: PaneId) -> impl Iterator<Item = &Offer> + Clone {
        self.offers.iter().filter(move |offer| pane == PaneId::Domain || offer.pane == pane)
    }

    /// The selectors to try first at a domain.
    pub fn selectors_for(&self, name: &Name) -> Vec<String> {
        let mut selectors = self.selectors.clone();
        let seen = self.seen_selectors.get(name.as_str()).into_iter().flatten();
        selectors.extend(seen.filter(|one| !self.selectors.contains(one)).cloned());
        selectors
    }

    /// Opens a question on the line.
    pub fn ask(&mut self, purpose: Purpose, label: impl Into<String>, hint: impl Into<String>) {
        self.line = Some(Line {
            purpose,
            label: label.into(),
            hint: hint.into(),
            error: None,
            input: Input::default(),
            recall: None,
            offer: None,
            hidden: false,
            completing: None,
        });
    }

    /// Tells something that went well.
    pub fn tell(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: false });
    }

    /// Tells something that went wrong.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), bad: true });
    }
}

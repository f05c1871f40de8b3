//! Starting and stopping the listener from the SMTP pane, and which keys do something while it is shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::listener::to_send;
use super::{Face, Listener, SmtpPane};
use crate::check::TlsMode;
use crate::job::{SmtpPlan, Task};
use crate::smtp::export::Form;
use crate::smtp::listen::{PRESETS, Plan};
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::listening::{Listening, Stage};
use crate::tui::panes::Pane;
use crate::tui::state::{Choice, Menu, Overlay, Shared};

impl SmtpPane {
    /// Shows the listener; there, starts or stops it.
    pub(super) fn listen(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let is_shown = std::mem::replace(&mut self.face, Face::Listener) == Face::Listener;
        match &mut shared.listening {
            Some(_) if !is_shown => Vec::new(),
            Some(listening) if listening.is_on() => {
                listening.stop();
                shared.tell("stopped listening; what came stays until you listen again or quit");
                vec![Effect::StopListening]
            }
            Some(_) | None => {
                // Nothing to look at yet: the face turns with the first listener.
                if shared.listening.is_none() {
                    self.face = Face::Dialogue;
                }
                let choice = |word: &str| Choice::Act(Action::ListenAs(word.to_owned()));
                let mut items: Vec<(String, Choice)> =
                    PRESETS.iter().map(|(word, about)| (format!("{word}: {about}"), choice(word))).collect();
                items.push((
                    "another reply: MOMENT=CODE [TEXT], size=BYTES, no-KEYWORD".into(),
                    choice("rcpt=550 5.7.1"),
                ));
                shared.overlay =
                    Some(Overlay::Menu(Menu { title: "listen, and answer how?".into(), items, selected: 0 }));
                Vec::new()
            }
        }
    }

    pub(super) fn start_listening(&mut self, text: &str, shared: &mut Shared) -> Vec<Effect> {
        match Plan::parse(text) {
            Ok(plan) => {
                (self.face, self.listener) = (Face::Listener, Listener::default());
                if plan.is_public() {
                    shared.warn(format!(
                        "whoever reaches {} can send to it; nothing is delivered or relayed",
                        plan.address
                    ));
                }
                shared.listening = Some(Listening::new(plan.clone()));
                vec![Effect::Listen(plan)]
            }
            Err(why) => {
                shared.warn(why);
                Vec::new()
            }
        }
    }

    /// Sends a message to the listener itself, for who has no sender at hand. It goes no further.
    pub(super) fn send_to_itself(&mut self, shared: &mut Shared) -> Vec<Effect> {
        let Some((Stage::On(address), scenario)) =
            shared.listening.as_ref().map(|now| (now.stage.clone(), now.plan.scenario.clone()))
        else {
            shared.tell("no message came");
            return Vec::new();
        };
        let Some(message) = to_send(shared) else {
            shared.tell("no message yet: point a sender here, or open a message in pane 2 and m sends it here");
            return Vec::new();
        };
        let here = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let plan = SmtpPlan {
            mail_from: Some("sender@example.org".into()),
            rcpt_to: vec!["you@example.com".into()],
            data: Some(message),
            // It speaks as the listener was asked to.
            lmtp: scenario.lmtp,
            tls: if scenario.implicit_tls { TlsMode::Implicit } else { TlsMode::Auto },
            ..SmtpPlan::default()
        };
        let target = SocketAddr::new(here, address.port()).to_string();
        let effects = self.begin(Task::Smtp { target, plan }, true, shared);
        self.face = Face::Listener;
        shared.tell("mxray sends a message to itself; v shows the client's side of it");
        effects
    }

    pub(super) fn enabled_listening(&self, action: &Action, shared: &Shared) -> bool {
        let some = shared.listening.as_ref().is_some_and(|listening| !listening.visits.is_empty());
        match action {
            Action::Enter => shared.listening.as_ref().is_some_and(|now| self.listener.opens(now)),
            Action::CopyValue => shared.listening.as_ref().is_some_and(|now| self.listener.entry(now).is_some()),
            Action::CopyForms | Action::NextFinding | Action::PreviousFinding => some,
            Action::Save => self.captured(action, shared).is_some(),
            Action::SendMessage => self.captured(action, shared).is_some() || to_send(shared).is_some(),
            Action::CopyName
            | Action::CopyZone
            | Action::Search
            | Action::AskAgain
            | Action::Stop
            | Action::HandsOn
            | Action::HowToTalk
            | Action::Compose
            | Action::ScrollLeft
            | Action::ScrollRight
            | Action::Envelope
            | Action::Certificates
            | Action::HistoryBack
            | Action::HistoryForward => false,
            Action::CycleSource => shared.inquiry(PaneId::Smtp).is_some(),
            _ => true,
        }
    }

    pub(super) fn listener_hint(&self, shared: &Shared) -> Option<String> {
        let listening = shared.listening.as_ref()?;
        match (self.captured(&Action::Enter, shared), listening.is_on()) {
            (Some(_), _) => Some("Enter opens this message, with the envelope that was seen; S saves it".into()),
            (None, true) => Some("l stops listening; Esc leaves this view, and l comes back to it".into()),
            (None, false) => Some("l listens again".into()),
        }
    }
}

/// The forms in which a session is copied.
pub(super) fn forms(shared: &mut Shared) {
    let items = [("the session as text", Form::Text), ("as a Markdown table", Form::Markdown), ("as JSON", Form::Json)];
    let items = items.map(|(words, form)| (words.to_owned(), Choice::Act(Action::CopyDialogue(form)))).to_vec();
    shared.overlay = Some(Overlay::Menu(Menu { title: "copy".into(), items, selected: 0 }));
}

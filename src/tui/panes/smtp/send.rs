//! A message by hand, after DATA: the one of pane 2, or one that an editor writes; and the screen that says what will happen
//! before anything goes out.

use std::sync::Arc;

use super::open_by_hand;
use super::rows::host;
use crate::check::Transcript;
use crate::job::JobId;
use crate::report::LookupId;
use crate::smtp::outgoing::Outgoing;
use crate::smtp::probe::Move;
use crate::smtp::session::Session;
use crate::smtp::typed;
use crate::tui::effect::{Draft, Effect};
use crate::tui::state::{Overlay, Shared};

/// The dialogue that waits for a message, or a word to the person that says what is missing.
fn waiting(shared: &mut Shared) -> Option<(JobId, LookupId, Arc<Transcript>)> {
    let held = open_by_hand(shared).and_then(|inquiry| {
        let (lookup, transcript) = inquiry.dialogues.iter().next_back()?;
        Some((inquiry.id, *lookup, transcript.clone()))
    });
    let Some(held) = held else {
        shared.tell("a message is sent only by hand: i, then MAIL FROM, RCPT TO, DATA");
        return None;
    };
    if !typed::awaits_message(&held.2) {
        shared.tell("the server does not wait for a message; say DATA first");
        return None;
    }
    Some(held)
}

/// Asks before the message of pane 2 goes out.
pub(super) fn offer_pane_message(shared: &mut Shared) {
    let Some(held) = waiting(shared) else { return };
    match shared.whole_message().cloned() {
        Some(message) => offer(message, "The message of pane 2", held, shared),
        None => shared.tell("no message in pane 2: paste or open one there first, or write one here (c)"),
    }
}

/// Asks before a message that was pasted after DATA goes out.
pub(super) fn offer_pasted(message: Arc<[u8]>, shared: &mut Shared) {
    if let Some(held) = waiting(shared) {
        offer(message, "The message that you pasted", held, shared);
    }
}

/// Opens the editor with a draft, or with what was written before and not sent.
pub(super) fn compose(shared: &mut Shared) -> Vec<Effect> {
    let Some((id, _, transcript)) = waiting(shared) else { return Vec::new() };
    let draft = shared.composed.clone().map_or(Draft::New(transcript), Draft::Again);
    vec![Effect::Edit { id, draft }]
}

/// Asks before what was written goes out; it is kept until then.
pub(super) fn composed(id: JobId, message: Arc<[u8]>, shared: &mut Shared) {
    shared.composed = Some(message.clone());
    match waiting(shared) {
        Some(held) if held.0 == id => offer(message, "The message that you wrote", held, shared),
        _ => shared.warn("the server waits no longer; what you wrote is kept: after the next DATA, c opens it again"),
    }
}

fn offer(
    message: Arc<[u8]>,
    what: &str,
    (id, lookup, transcript): (JobId, LookupId, Arc<Transcript>),
    shared: &mut Shared,
) {
    let Some(inquiry) = shared.inquiry(crate::tui::action::PaneId::Smtp) else { return };
    let (sender, recipients) = typed::envelope(&transcript);
    let recipients: Vec<String> = recipients.iter().map(|one| format!("<{one}>")).collect();
    let secure = Session::read(&transcript).tls.is_some();
    let channel = if secure { "inside TLS" } else { "IN CLEAR TEXT" };
    let out = Outgoing::read(&message, &transcript);
    let mut lines = vec![
        format!("{what} goes to {}, {channel}, from <{sender}> to {}.", host(inquiry, lookup), recipients.join(", ")),
        out.changes(),
    ];
    lines.extend(out.warnings.iter().map(|warning| format!("! {warning}")));
    lines.push("It is really sent, and the server may deliver it. y sends it, Esc does not.".to_owned());
    let effect = Effect::Say(id, Move::SendThis(message));
    shared.overlay = Some(Overlay::ConfirmSend { text: lines.join("\n"), effect: Box::new(effect) });
}

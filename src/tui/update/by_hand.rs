//! The line of a dialogue by hand: what is typed and pasted into it, and what grows under it.

use std::sync::Arc;

use super::dispatch;
use crate::check::Transcript;
use crate::smtp::script::{Pace, Script, message_of};
use crate::smtp::session::Session;
use crate::smtp::typed::{awaits_message, awaits_secret};
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::panes::smtp::{self, LINE_HINT, MESSAGE_HINT};
use crate::tui::state::{Overlay, Purpose, Shared, State};
use crate::untrusted::visible;

/// The most lines of a paste that the question shows.
const SHOWN: usize = 8;

/// The dialogue grew: a secret is not shown, and the line closes with the dialogue.
pub(super) fn grown(shared: &mut Shared, transcript: &Transcript) {
    let Some(line) = shared.line.as_mut().filter(|line| line.purpose == Purpose::Say) else { return };
    line.hidden = awaits_secret(transcript);
    let hint = if awaits_message(transcript) { MESSAGE_HINT } else { LINE_HINT };
    if line.hint != hint {
        line.hint = hint.to_owned();
    }
    if transcript.finished {
        shared.line = None;
        if matches!(shared.overlay, Some(Overlay::Several { .. })) {
            shared.overlay = None;
        }
        shared.tell("the dialogue has ended; i begins another");
    }
}

/// Several lines pasted into the dialogue: what they would do is asked first. `None` when they are for somebody else.
pub(super) fn paste(state: &mut State, text: &str) -> Option<Vec<Effect>> {
    state.shared.line.as_ref().filter(|line| line.purpose == Purpose::Say)?;
    if !text.trim().contains(['\r', '\n']) {
        return None;
    }
    let transcript = smtp::by_hand(&state.shared)?;
    if awaits_message(&transcript) {
        let message: Arc<[u8]> = message_of(text).unwrap_or_else(|| text.as_bytes().to_vec()).into();
        state.shared.line = None;
        return Some(dispatch(state, PaneId::Smtp, &Action::SendPasted(message)));
    }
    let script = Script::read(text, &transcript).filter(Script::is_smtp)?;
    let text = question(&script, &transcript);
    state.shared.overlay = Some(Overlay::Several { text, script: Box::new(script) });
    Some(Vec::new())
}

/// What the keys would do, what to be warned of, and the lines themselves.
fn question(script: &Script, transcript: &Transcript) -> String {
    let session = Session::read(transcript);
    let offered = session.offers(session.tls.is_some(), "PIPELINING");
    let polite = match offered {
        true => "together as far as RFC 2920 lets them: PIPELINING is offered",
        false => "each when the one before is answered: PIPELINING is not offered (so far)",
    };
    let behind = if script.relies_on_starttls() { "; what is behind STARTTLS goes IN CLEAR TEXT" } else { "" };
    let mut rows: Vec<String> = script.warnings(transcript).iter().map(|warning| format!("! {warning}")).collect();
    rows.extend([
        format!("Enter  {polite}"),
        "r      each when the one before is answered, whatever is offered".to_owned(),
        format!("a      all in one write, without waiting: a test of the server{behind}"),
        String::new(),
    ]);
    let shown = script.shown();
    let more = shown.len().saturating_sub(SHOWN);
    rows.extend(shown.iter().take(SHOWN).map(|line| format!("C: {}", visible(line))));
    if more > 0 {
        rows.push(format!("and {more} more"));
    }
    rows.join("\n")
}

/// The question is answered: the lines go out, and those that hold no secret can be repeated.
pub(super) fn say(state: &mut State, pace: Pace) -> Vec<Effect> {
    let Some(Overlay::Several { script, .. }) = state.shared.overlay.take() else { return Vec::new() };
    state.shared.notice = None;
    for line in script.kept() {
        if state.shared.said.last() != Some(&line) {
            state.shared.said.push(line);
        }
    }
    dispatch(state, PaneId::Smtp, &Action::Script(Box::new(script.at(pace))))
}

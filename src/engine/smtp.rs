//! Holds the socket of an SMTP dialogue. What is said next is `crate::smtp`'s step.
//!
//! Not built yet: every dialogue ends at once and says so.

use std::time::Duration;

use crate::check::{ConnectFault, Dialogue, Transcript, TranscriptEntry, TranscriptEvent};

/// Holds one dialogue to its end; `tell` is called with the transcript so far whenever it has grown.
pub(crate) async fn converse(
    _dialogue: &Dialogue,
    _settings: &crate::config::Settings,
    _tell: impl FnMut(Transcript) + Send,
) -> Transcript {
    let event = TranscriptEvent::NotConnected(ConnectFault::Other, "dialogues are not built yet".into());
    Transcript { entries: vec![TranscriptEntry { at: Duration::ZERO, tls: false, event }], finished: true }
}

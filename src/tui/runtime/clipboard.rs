//! The clipboard: the system's, held by a thread of its own for the whole run (X11 and Wayland forget a text when its owner
//! goes), or the terminal's by OSC 52, which nobody acknowledges.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use base64::Engine as _;
use tokio::sync::mpsc::Sender;

use crate::tui::event::{Delivery, Event};

/// Terminals cap an OSC 52 sequence at about 100,000 bytes of base64 (hterm's and tmux's bound; xterm's is larger).
const LONGEST: usize = 74_994;
/// GNU screen passes strings of at most 768 bytes through.
const SCREEN_CHUNK: usize = 700;

/// The way to the system's clipboard, once something is copied.
#[derive(Default)]
pub struct Clipboard {
    thread: Option<SyncSender<Order>>,
    gone: bool,
}

/// Something to copy.
struct Order {
    what: String,
    text: String,
    reply: Sender<Event>,
}

impl Clipboard {
    /// The clipboard's thread, when there may be a clipboard at all.
    pub fn reach(&mut self) -> Option<&Clipboard> {
        if self.gone || !has_display() {
            return None;
        }
        if self.thread.is_none() {
            // A person copies one thing at a time.
            let (sender, receiver) = sync_channel(8);
            let spawned = std::thread::Builder::new().name("clipboard".into()).spawn(move || serve(&receiver));
            if spawned.is_err() {
                self.gone = true;
                return None;
            }
            self.thread = Some(sender);
        }
        Some(self)
    }

    /// Copies; what became of it arrives as an event. A clipboard that cannot be had falls back to the terminal.
    pub fn copy(&self, what: String, text: String, reply: Sender<Event>) {
        if let Some(thread) = &self.thread
            && let Err(error) = thread.try_send(Order { what, text, reply })
        {
            let (std::sync::mpsc::TrySendError::Full(order) | std::sync::mpsc::TrySendError::Disconnected(order)) =
                error;
            let _ = order.reply.try_send(Event::NoClipboard { what: order.what, text: order.text });
        }
    }
}

fn has_display() -> bool {
    let set = |key: &str| std::env::var_os(key).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Holds the clipboard for as long as orders can come.
fn serve(orders: &Receiver<Order>) {
    let mut held: Option<arboard::Clipboard> = None;
    while let Ok(order) = orders.recv() {
        if held.is_none() {
            held = arboard::Clipboard::new().ok();
        }
        let done = held.as_mut().is_some_and(|clipboard| clipboard.set_text(order.text.clone()).is_ok());
        let event = if done {
            Event::Copied(order.what, Delivery::Clipboard)
        } else {
            held = None;
            Event::NoClipboard { what: order.what, text: order.text }
        };
        if order.reply.blocking_send(event).is_err() {
            return;
        }
    }
}

/// What stands between us and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiplexer {
    /// Nothing.
    None,
    /// tmux.
    Tmux,
    /// GNU screen.
    Screen,
}

/// Reads the environment.
pub fn multiplexer() -> Multiplexer {
    if std::env::var_os("TMUX").is_some_and(|value| !value.is_empty()) {
        Multiplexer::Tmux
    } else if std::env::var_os("STY").is_some_and(|value| !value.is_empty()) {
        Multiplexer::Screen
    } else {
        Multiplexer::None
    }
}

/// The bytes that ask the terminal to take `text`; or how long it is, when it is too long.
pub fn osc52(text: &str, through: Multiplexer) -> Result<(Vec<u8>, Option<&'static str>), usize> {
    if text.len() > LONGEST {
        return Err(text.len());
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    let plain = format!("\u{1b}]52;c;{encoded}\u{1b}\\");
    Ok(match through {
        Multiplexer::None => (plain.into_bytes(), None),
        // tmux takes the plain form when set-clipboard is on, and passes the wrapped one when allow-passthrough is on; the
        // same text twice does no harm.
        Multiplexer::Tmux => {
            let wrapped = format!("{plain}\u{1b}Ptmux;{}\u{1b}\\", plain.replace('\u{1b}', "\u{1b}\u{1b}"));
            (wrapped.into_bytes(), Some("tmux"))
        }
        Multiplexer::Screen => {
            // The sequence ends with BEL here: an ESC inside would end screen's own string.
            let bell = format!("\u{1b}]52;c;{encoded}\u{7}");
            let mut wrapped = Vec::with_capacity(bell.len() + 64);
            for chunk in bell.as_bytes().chunks(SCREEN_CHUNK) {
                wrapped.extend_from_slice(b"\x1bP");
                wrapped.extend_from_slice(chunk);
                wrapped.extend_from_slice(b"\x1b\\");
            }
            (wrapped, Some("screen"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_wrapped_for_what_stands_between() {
        let (plain, through) = osc52("v=spf1 -all", Multiplexer::None).unwrap();
        assert_eq!((plain.as_slice(), through), (&b"\x1b]52;c;dj1zcGYxIC1hbGw=\x1b\\"[..], None));
        let (tmux, through) = osc52("a", Multiplexer::Tmux).unwrap();
        assert!(tmux.ends_with(b"\x1bPtmux;\x1b\x1b]52;c;YQ==\x1b\x1b\\\x1b\\") && through == Some("tmux"));
        let (screen, _) = osc52(&"a".repeat(2000), Multiplexer::Screen).unwrap();
        assert!(screen.split(|byte| *byte == b'\\').all(|part| part.len() < 768));
        assert_eq!(osc52(&"a".repeat(80_000), Multiplexer::None), Err(80_000));
    }
}

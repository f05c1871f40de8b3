//! The clipboard: the system's, held by a thread of its own for the whole run (X11 and Wayland forget a text when its owner
//! goes), or the terminal's by OSC 52, which nobody acknowledges.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use base64::Engine as _;
use tokio::sync::mpsc::Sender;

use crate::tui::event::{Delivery, Event, MAX_PASTE, NoText};

/// Terminals cap an OSC 52 sequence at about 100,000 bytes of base64 (hterm's and tmux's bound; xterm's is larger).
const LONGEST: usize = 74_994;
/// GNU screen passes strings of at most 768 bytes through.
const SCREEN_CHUNK: usize = 700;

/// The system's clipboard, as far as it is used here.
pub trait System {
    /// Puts a text on it; whether that worked.
    fn put(&mut self, text: String) -> bool;
    /// The text that it holds.
    fn take(&mut self) -> Result<String, NoText>;
}

/// Opens the system's clipboard, on the clipboard's own thread.
pub type Open = fn() -> Option<Box<dyn System>>;

/// The way to the system's clipboard, once something is copied or read.
pub struct Clipboard {
    /// `None` where there is none.
    open: Option<Open>,
    thread: Option<SyncSender<Order>>,
}

/// Something to do.
enum Order {
    /// Copy a text.
    Put { what: String, text: String, reply: Sender<Event> },
    /// Read what is there.
    Take { reply: Sender<Event> },
}

impl Default for Clipboard {
    fn default() -> Clipboard {
        Clipboard::of(has_display().then_some(system as Open))
    }
}

impl Clipboard {
    /// A clipboard that is opened like this; `None`: there is none.
    pub fn of(open: Option<Open>) -> Clipboard {
        Clipboard { open, thread: None }
    }

    /// Copies; what became of it arrives as an event. What cannot be copied is returned, for the terminal.
    pub fn copy(&mut self, what: String, text: String, reply: Sender<Event>) -> Result<(), (String, String)> {
        match self.send(Order::Put { what, text, reply }) {
            Err(Order::Put { what, text, .. }) => Err((what, text)),
            Ok(()) | Err(Order::Take { .. }) => Ok(()),
        }
    }

    /// Reads; the text arrives as an event.
    pub fn read(&mut self, reply: Sender<Event>) -> Result<(), NoText> {
        self.send(Order::Take { reply }).map_err(|_| match self.open {
            None => NoText::NoClipboard,
            Some(_) => NoText::Failed("it is busy with what was copied before".into()),
        })
    }

    /// Hands an order to the clipboard's thread, or gives it back.
    fn send(&mut self, order: Order) -> Result<(), Order> {
        let Some(open) = self.open else { return Err(order) };
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => {
                // A person copies one thing at a time.
                let (sender, receiver) = sync_channel(8);
                let spawned =
                    std::thread::Builder::new().name("clipboard".into()).spawn(move || serve(&receiver, open));
                if spawned.is_err() {
                    self.open = None;
                    return Err(order);
                }
                sender
            }
        };
        let sent = thread.try_send(order);
        self.thread = Some(thread);
        sent.map_err(|error| match error {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
        })
    }
}

fn has_display() -> bool {
    let set = |key: &str| std::env::var_os(key).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

fn system() -> Option<Box<dyn System>> {
    arboard::Clipboard::new().ok().map(|clipboard| Box::new(clipboard) as Box<dyn System>)
}

impl System for arboard::Clipboard {
    fn put(&mut self, text: String) -> bool {
        self.set_text(text).is_ok()
    }

    fn take(&mut self) -> Result<String, NoText> {
        self.get_text().map_err(|error| match error {
            arboard::Error::ContentNotAvailable => NoText::NoText,
            arboard::Error::ClipboardNotSupported => NoText::NoClipboard,
            other => NoText::Failed(other.to_string()),
        })
    }
}

/// Holds the clipboard for as long as orders can come.
fn serve(orders: &Receiver<Order>, open: Open) {
    let mut held: Option<Box<dyn System>> = None;
    while let Ok(order) = orders.recv() {
        if held.is_none() {
            held = open();
        }
        let (event, reply) = match order {
            Order::Put { what, text, reply } => {
                let done = held.as_mut().is_some_and(|clipboard| clipboard.put(text.clone()));
                let event = if done {
                    Event::Copied(what, Delivery::Clipboard)
                } else {
                    held = None;
                    Event::NoClipboard { what, text }
                };
                (event, reply)
            }
            Order::Take { reply } => (Event::FromClipboard(text_of(held.as_deref_mut())), reply),
        };
        if reply.blocking_send(event).is_err() {
            return;
        }
    }
}

/// The clipboard's text, within the bound of a paste.
fn text_of(clipboard: Option<&mut (dyn System + 'static)>) -> Result<String, NoText> {
    let text = clipboard.ok_or(NoText::NoClipboard)?.take()?;
    match text.len() {
        0 => Err(NoText::NoText),
        long if long > MAX_PASTE => Err(NoText::TooLong(long)),
        _ => Ok(text),
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

//! What happens to the screen. Time and the outside world arrive here and nowhere else.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::check::ListenerNews;
use crate::job::{JobEvent, JobId};

/// The longest text that is taken as a paste, in bytes: the largest mail that big providers take.
pub const MAX_PASTE: usize = 25 * 1024 * 1024;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// Keys that arrived within few milliseconds: somebody types ahead, a key repeats, or a paste came without brackets.
    Keys {
        /// The key just before them, which was acted on already because nobody could know that more would follow.
        already: Option<KeyEvent>,
        /// The keys.
        keys: Vec<KeyEvent>,
    },
    /// A paste in brackets.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// The window has this many columns and rows.
    Resize(u16, u16),
    /// A job tells.
    Job(JobId, JobEvent),
    /// The listener tells.
    Listener(ListenerNews),
    /// The engine stands; whom it asks.
    Ready(String),
    /// There will be no engine: why.
    NoEngine(String),
    /// A copy was tried: what it was and what became of it.
    Copied(String, Delivery),
    /// The system's clipboard cannot be had; the terminal is asked instead.
    NoClipboard {
        /// What it is, for the person.
        what: String,
        /// The text.
        text: String,
    },
    /// The clipboard was read, or why not.
    FromClipboard(Result<String, NoText>),
    /// A file was read, or why not.
    Opened(String, Result<Arc<[u8]>, String>),
    /// A file was written, or why not.
    Saved(String, Result<(), String>),
    /// The editor has ended: the text, or why there is none.
    Edited(JobId, Result<Arc<[u8]>, String>),
    /// Something of ours broke without ending the program.
    Broke(String),
}

/// Why no text came from the clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoText {
    /// There is no clipboard that could be reached: no display, as over SSH.
    NoClipboard,
    /// It holds no text.
    NoText,
    /// The text is longer than is taken from there; its bytes.
    TooLong(usize),
    /// It did not answer, in the system's words.
    Failed(String),
}

/// What became of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The system's clipboard has it.
    Clipboard,
    /// The terminal was asked by OSC 52; it cannot confirm.
    Terminal {
        /// The multiplexer that it was wrapped for: `tmux`, `screen`.
        through: Option<&'static str>,
    },
    /// Too long for OSC 52; the bytes it has.
    TooLong(usize),
    /// It could not be written.
    Failed(String),
}

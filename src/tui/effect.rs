//! What the screen wants done outside; `runtime` alone does it.

use std::sync::Arc;

use crate::check::Transcript;
use crate::config::Upstream;
use crate::job::{Job, JobId};
use crate::smtp::listen::Plan;
use crate::smtp::probe::Move;

/// What an editor opens.
#[derive(Clone, Debug)]
pub enum Draft {
    /// A new message for the transaction of a dialogue.
    New(Arc<Transcript>),
    /// What was written before.
    Again(Arc<[u8]>),
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Start a job; what it tells comes back under the id.
    Start(JobId, Job),
    /// Stop a job.
    Cancel(JobId),
    /// Say something in the dialogue that the person holds.
    Say(JobId, Move),
    /// Let the person write a text in their editor, the screen away meanwhile; it comes back under the id.
    Edit {
        /// The dialogue that it is for.
        id: JobId,
        /// What the editor opens.
        draft: Draft,
    },
    /// Listen as a mail server; a listener before it ends.
    Listen(Plan),
    /// Stop listening.
    StopListening,
    /// Ask other name servers from now on; none: the system's.
    Switch(Vec<Upstream>),
    /// Put a text on the clipboard.
    Copy {
        /// What it is, for the person.
        what: String,
        /// The text.
        text: String,
    },
    /// Ask the terminal to put a text on its clipboard.
    CopyByTerminal {
        /// What it is, for the person.
        what: String,
        /// The text.
        text: String,
    },
    /// Read a file.
    Open(String),
    /// Read the text on the system's clipboard.
    ReadClipboard,
    /// Write a file, never over another.
    Save {
        /// Where.
        path: String,
        /// What.
        text: String,
    },
    /// Write a message to a file that only its owner can read, never over another.
    SaveMessage {
        /// Where.
        path: String,
        /// What.
        message: Arc<[u8]>,
    },
    /// Draw everything anew.
    Redraw,
    /// Stop until the shell lets us go on.
    Suspend,
    /// End.
    Quit,
}

//! What a key means once the keymap has read it, and what comes back from a question on the line.

use std::sync::Arc;

use crate::check::Captured;
use crate::report::Link;
use crate::tui::panes::smtp::how::Change;
use crate::tui::state::Purpose;
use crate::tui::viewer::Wanted;

/// Which pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PaneId {
    /// A domain's records.
    Domain,
    /// A pasted message.
    Message,
    /// An SMTP dialogue.
    Smtp,
    /// Everything that was asked.
    Lookups,
}

impl PaneId {
    /// All, in the order of their keys.
    pub const ALL: [PaneId; 4] = [PaneId::Domain, PaneId::Message, PaneId::Smtp, PaneId::Lookups];

    /// The place in [`PaneId::ALL`].
    pub fn index(self) -> usize {
        match self {
            PaneId::Domain => 0,
            PaneId::Message => 1,
            PaneId::Smtp => 2,
            PaneId::Lookups => 3,
        }
    }
}

/// One thing that a person can tell the program to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Show a pane.
    Show(PaneId),
    /// Open the line.
    OpenLine,
    /// Show the keys.
    Help,
    /// Leave.
    Quit,
    /// Back out of one thing.
    Back,
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back to the shell for a while.
    Suspend,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
    /// To the list at the left.
    Left,
    /// To the details at the right.
    Right,
    /// Open, follow, or show the evidence.
    Enter,
    /// Open or close a tree node.
    Fold,
    /// To the next finding or suggestion, section after section.
    NextFinding,
    /// To the one before.
    PreviousFinding,
    /// To what was looked at before.
    HistoryBack,
    /// And forward again.
    HistoryForward,
    /// Find text.
    Search,
    /// Copy the value.
    CopyValue,
    /// Copy the name.
    CopyName,
    /// Choose another form to copy.
    CopyForms,
    /// Copy all suggestions as a zone snippet.
    CopyZone,
    /// Ask everything again, past the cache.
    AskAgain,
    /// Ask other name servers.
    Servers,
    /// Type the name servers to ask.
    TypeServers,
    /// Ask the zone's own name servers too.
    Authoritative,
    /// Try a selector.
    Selector,
    /// Edit a copy of the record: what would change if it were published.
    WhatIf,
    /// The same without the term of the SPF tree under the cursor.
    DropTerm,
    /// What is on the line now, for what-if.
    Suppose(String),
    /// Back to what is published.
    Published,
    /// Stop the job.
    Stop,
    /// Open a message file.
    OpenFile,
    /// Take the clipboard's text as a paste.
    PasteClipboard,
    /// The message as it came, before any repair; or back.
    Original,
    /// Raw, laid open, signed by each signature.
    CycleSource,
    /// Move the border hop.
    Border,
    /// Say the envelope.
    Envelope,
    /// Type SMTP into a dialogue.
    HandsOn,
    /// Choose how to talk: TLS, where to stop, addresses, LMTP, the EHLO name.
    HowToTalk,
    /// Talk again with one thing changed.
    TalkLike(Change),
    /// Ask for the EHLO name.
    AskEhlo,
    /// Listen as a mail server, or stop.
    Listen,
    /// Ask where to listen, to answer like this.
    ListenAs(String),
    /// Look at a message that the listener captured.
    LoadCaptured(Arc<Captured>),
    /// Send the message of the message pane, after a question.
    SendMessage,
    /// Write the message in an editor, then send it after a question.
    Compose,
    /// Say several lines in the dialogue that the person holds.
    Script(Box<crate::smtp::script::Script>),
    /// Send this message, which was pasted after DATA, after a question.
    SendPasted(Arc<[u8]>),
    /// A message was written: where it goes, its bytes.
    Composed(crate::job::JobId, Arc<[u8]>),
    /// The certificates of a dialogue.
    Certificates,
    /// Copy the dialogues.
    CopyDialogue(crate::smtp::export::Form),
    /// Read a written dialogue.
    Read(Arc<str>),
    /// Keep the message offline, or not.
    Offline,
    /// Ask what the message needs.
    Ask,
    /// Columns to the left.
    ScrollLeft,
    /// Columns to the right.
    ScrollRight,
    /// The lookups of the next job.
    NextJob,
    /// Save what is shown.
    Save,
    /// Copy this.
    Copy(Wanted),
    /// Look at this message: its bytes and where they came from.
    Load(Arc<[u8]>, String),
    /// Follow a link.
    Follow(Link),
    /// A question on the line was answered.
    Answered(Purpose, String),
    /// Show the section or row that was clicked: column and row in the body.
    Click(u16, u16),
    /// The wheel: rows down (negative: up).
    Wheel(i32),
}

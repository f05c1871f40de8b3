//! A mail conversation without a socket: replies, the session that they make, what a polite sender says next, what each
//! line means, and what a sending server would conclude. Pure and synchronous; the engine holds the sockets.

pub mod annotate;
pub mod capability;
pub mod certificate;
pub mod codes;
pub mod dane;
pub mod dot;
pub mod export;
pub mod import;
pub mod lines;
pub mod listen;
pub mod mask;
pub mod outgoing;
pub mod probe;
pub mod reply;
pub mod script;
pub mod session;
pub mod source;
pub mod target;
pub mod tls;
mod told;
pub mod transport;
pub mod typed;
pub mod written;

pub use target::{Place, Target};

use crate::check::{Check, Subject};
use crate::report::{Section, Table, VerdictLine};

/// Every check of a dialogue, in the fixed order of the sections.
pub const ALL: &[&dyn Check<Target>] = &[&transport::Transport, &tls::Tls, &lines::Lines];

/// Every check of a dialogue that somebody wrote down.
pub const WRITTEN: &[&dyn Check<written::Written>] = &[&written::WrittenLines];

impl Subject for Target {
    const KIND: &'static str = "smtp";

    fn target(&self) -> String {
        self.text.clone()
    }

    fn checks(&self) -> &'static [&'static dyn Check<Target>] {
        ALL
    }

    fn verdict(&self, sections: &[Section]) -> Vec<VerdictLine> {
        sections.iter().find(|section| section.id == "transport").map(transport::verdict).unwrap_or_default()
    }

    fn summary(&self, sections: &[Section]) -> Option<Table> {
        sections.iter().find(|section| section.id == "transport").and_then(transport::summary)
    }
}

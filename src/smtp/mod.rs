//! A mail conversation without a socket: replies, the session that they make, what a polite sender says next, what each
//! line means, and what a sending server would conclude. Pure and synchronous; the engine holds the sockets.

pub mod annotate;
pub mod capability;
pub mod certificate;
pub mod codes;
pub mod dane;
pub mod dot;
pub mod import;
pub mod lines;
pub mod mask;
pub mod probe;
pub mod reply;
pub mod session;
pub mod target;
pub mod tls;

pub use target::{Place, Target};

use crate::check::{Check, Subject};
use crate::report::{Section, VerdictLine};

/// Every check of a dialogue, in the fixed order of the sections.
pub const ALL: &[&dyn Check<Target>] = &[&lines::Lines, &tls::Tls];

impl Subject for Target {
    const KIND: &'static str = "smtp";

    fn target(&self) -> String {
        self.text.clone()
    }

    fn checks(&self) -> &'static [&'static dyn Check<Target>] {
        ALL
    }

    fn verdict(&self, _sections: &[Section]) -> Vec<VerdictLine> {
        Vec::new()
    }
}

//! ARC chains (RFC 8617): every set, its message signature and its seal judged, where the chain broke, and what each sealer
//! claimed. ARC is being moved to Historic; the fields are still in use, so they are shown and checked.
//!
//! A chain that passes proves who handled the message and what they claim of it; whether a sealer may be believed is the
//! reader's choice, so ARC never changes DMARC's result here.

mod chain;
mod check;
mod sets;

pub use chain::{ArcResult, Chain, Link, evaluate};
pub use check::Arc;
pub use sets::{Cv, Flaw, MAX_SETS, Seal, Set, Sets};

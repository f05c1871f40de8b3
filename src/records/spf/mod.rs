//! SPF, RFC 7208 whole: the record's text ([`SpfRecord`]), macros ([`macros`]), check_host() ([`evaluate`]).
//!
//! Ours, not mail-auth's: an inspector shows the trace, the budget and the exact place of an error, which that parser hides
//! (it is the differential test's second opinion). Type 99 is never asked, Sender ID is never evaluated.

mod client;
mod evaluate;
mod evaluation;
pub mod macros;
mod mechanisms;
mod parse;

pub use client::fqdn;
pub use evaluate::{MAX_LOOKUPS, MAX_MX, MAX_PTR, MAX_VOIDS, evaluate};
pub use evaluation::{CheckHostArgs, Evaluation, Reason, SpfResult, StepOutcome, TraceStep};
pub use parse::{
    DualCidr, Mechanism, NearMiss, NearMissKind, Problem, Qualifier, Selection, SpfRecord, Term, TermKind, is_spf,
};

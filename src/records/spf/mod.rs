//! SPF, RFC 7208 whole: the record's text ([`SpfRecord`]), macros ([`macros`]), check_host() ([`evaluate()`]), the budget tree
//! ([`tree`]), the domain's section ([`Spf`]) and `mxray spf` ([`CheckHost`]).
//!
//! Ours, not mail-auth's: an inspector shows the trace, the budget and the exact place of an error, which that parser hides
//! (it is the differential test's second opinion). Neither type 99 nor Sender ID is
//! ever evaluated; whoever publishes them is told.

mod check;
mod client;
mod evaluate;
mod evaluation;
mod explain;
mod findings;
mod host;
pub mod macros;
mod mechanisms;
mod parse;
mod suggest;
pub mod tree;
mod type_99;

pub use check::Spf;
pub use client::fqdn;
pub use evaluate::{MAX_LOOKUPS, MAX_MX, MAX_PTR, MAX_VOIDS, evaluate};
pub use evaluation::{CheckHostArgs, Evaluation, Reason, SpfResult, StepOutcome, TraceStep};
pub use host::{CheckHost, trace_tree};
pub use parse::{
    DualCidr, Mechanism, NearMiss, NearMissKind, Problem, Qualifier, Selection, SpfRecord, Term, TermKind, is_spf,
};
pub use tree::{Tree, spf_tree};

#[cfg(test)]
mod tests;

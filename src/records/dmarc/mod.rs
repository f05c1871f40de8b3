//! DMARC as a domain publishes it: RFC 9989 (which obsoletes RFC 7489 and RFC 9091), with the old reading beside it.
//!
//! [`Dmarc`] is one record, [`discover`] the walk up the tree that finds the record that applies, [`organizational_domain`]
//! and [`aligned`] what a message needs to compare identifiers. What a message's own result is stands in `message/`.

mod align;
mod parse;
mod uri;
mod walk;

pub use align::aligned;
pub use parse::{Dmarc, Mode, NearMiss, Policies, Policy, Problem, ProblemKind, Psd, from_paste, near_miss};
pub use uri::{ReportUri, UriProblem};
pub use walk::{
    Discovery, Existence, Organizational, Role, WalkStep, discover, organizational_domain, organizational_domains,
    walk_names,
};

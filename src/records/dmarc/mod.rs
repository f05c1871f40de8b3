//! DMARC as a domain publishes it: RFC 9989 (which obsoletes RFC 7489 and RFC 9091), with the old reading beside it.
//!
//! [`Dmarc`] is one record, [`discover`] the walk up the tree that finds the record that applies, [`organizational_domain`]
//! and [`aligned`] what a message needs to compare identifiers. What a message's own result is stands in `message/`.

mod align;
mod check;
mod external;
mod findings;
mod legacy;
mod mend;
mod near;
mod parse;
mod suggest;
mod uri;
mod walk;

pub use align::aligned;
pub(crate) use check::walk_fact;
pub use check::{AuthorDomain, DmarcCheck};
pub use external::{Agreement, External, external};
pub use legacy::{Legacy, legacy};
pub use near::{NearMiss, from_paste, near_miss};
pub use parse::{Dmarc, Mode, Policies, Policy, Problem, ProblemKind, Psd};
pub use uri::{ReportUri, UriProblem};
pub use walk::{
    Discovery, Existence, Organizational, Role, WalkStep, discover, organizational_domain, organizational_domains,
    walk, walk_names,
};

#[cfg(test)]
mod tests;

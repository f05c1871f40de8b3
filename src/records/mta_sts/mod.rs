//! MTA-STS (RFC 8461): a TXT record that announces a policy, the policy file over HTTPS, and whether the policy lists the MX
//! hosts that the domain has today. Certificates of those hosts are the SMTP dialogue's business.

mod check;
mod fetch;
mod policy;
mod record;
mod remembered;
mod suggest;

pub use check::{MtaStsCheck, policy_url};
pub use policy::{MAX_MAX_AGE, MxPattern, PolicyProblem, PolicyProblemKind, StsMode, StsPolicy, duration};
pub use record::{RecordProblem, StsRecord, is_near_miss};
pub use remembered::{RememberedSts, compare, policy_hash};

#[cfg(test)]
mod tests;

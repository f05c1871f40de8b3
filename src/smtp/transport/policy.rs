//! The recipient domain's MTA-STS policy as a sender finds it (RFC 8461 §3). The domain pane judges the policy itself; here
//! only what it makes a sender do counts.

use crate::check::{HttpsOutcome, HttpsRules, Kind, Look, Outcome, Seen, Wait};
use crate::finding::Finding;
use crate::name::Name;
use crate::records::Domain;
use crate::records::mta_sts::{StsMode, StsPolicy, StsRecord, policy_url};
use crate::untrusted::lossless;

/// What a sender finds.
#[derive(Clone, Debug)]
pub enum Sts {
    /// No policy is announced.
    None,
    /// The target is a host alone: policies belong to domains.
    NoDomain,
    /// We could not look.
    Unknown(String),
    /// Announced and of no use: the result type of RFC 8460 §4.3.2.2, and why.
    Broken(&'static str, String),
    /// A policy.
    Policy(Box<StsPolicy>),
}

impl Sts {
    /// Its mode, when there is a policy.
    pub fn mode(&self) -> Option<&'static str> {
        self.policy().and_then(|policy| policy.mode).map(StsMode::as_str)
    }

    /// The policy.
    pub fn policy(&self) -> Option<&StsPolicy> {
        match self {
            Sts::Policy(policy) => Some(policy),
            Sts::None | Sts::NoDomain | Sts::Unknown(_) | Sts::Broken(..) => None,
        }
    }

    /// One word for scripts.
    pub fn word(&self) -> &'static str {
        match self {
            Sts::None => "none",
            Sts::NoDomain => "not-looked",
            Sts::Unknown(_) => "unknown",
            Sts::Broken(..) => "broken",
            Sts::Policy(_) => "policy",
        }
    }

    /// What there is to say about the policy itself, in one line; the rest is the domain pane's.
    pub(super) fn finding(&self) -> Option<Finding> {
        match self {
            Sts::None | Sts::NoDomain | Sts::Policy(_) => None,
            Sts::Unknown(why) => Some(Finding::warning(
                "transport.policy-unknown",
                format!("We could not look for the MTA-STS policy: {why}. Whether a sender has one is not known."),
            )),
            Sts::Broken(result, why) => Some(
                Finding::error(
                    "transport.policy-broken",
                    format!("An MTA-STS policy is announced and cannot be used: {why}. A sender that honours MTA-STS reports {result} and delivers as if there were none."),
                )
                .with_reference("RFC 8460 §4.3.2.2"),
            ),
        }
    }
}

/// Asks for record and policy at once, and reads what a sender reads.
pub(super) fn ask(domain: Option<&Name>, seen: &Seen<'_>) -> Result<Sts, Wait> {
    let Some(domain) = domain else { return Ok(Sts::NoDomain) };
    let (Ok(owner), Some(url)) = (domain.below("_mta-sts"), policy_url(&Domain::new(domain.clone()))) else {
        return Ok(Sts::None);
    };
    let (record, file) = (seen.dns(&owner, Kind::Txt), seen.https(&url, HttpsRules::MtaSts));
    let record = record?;
    if let Look::Unknown(outcome) = record.look() {
        return Ok(Sts::Unknown(outcome.to_string()));
    }
    let records: Vec<StsRecord> = record.texts().filter_map(|text| StsRecord::parse(&lossless(&text))).collect();
    // Several records count as none (RFC 8461 §3.1).
    let [record] = records.as_slice() else { return Ok(Sts::None) };
    if !record.is_valid() {
        return Ok(Sts::None);
    }
    let broken = |result, why: String| Ok(Sts::Broken(result, why));
    match &file?.outcome {
        HttpsOutcome::Body { body, .. } => {
            let policy = StsPolicy::parse(&lossless(body));
            if policy.is_valid() {
                return Ok(Sts::Policy(Box::new(policy)));
            }
            broken("sts-policy-invalid", "the policy file is malformed".into())
        }
        HttpsOutcome::Tls(why) => broken("sts-webpki-invalid", format!("TLS with its host fails: {why}")),
        HttpsOutcome::Status(status) => broken("sts-policy-fetch-error", format!("its host answers {status}")),
        HttpsOutcome::Redirect { status, .. } => {
            broken("sts-policy-fetch-error", format!("its host redirects ({status})"))
        }
        HttpsOutcome::NoAddress(Outcome::NoData | Outcome::NoSuchName | Outcome::Answer) => {
            broken("sts-policy-fetch-error", "its host has no address".into())
        }
        HttpsOutcome::TimedOut(reached) => {
            // Senders wait up to a minute (RFC 8461 §3.3), which is longer than we do.
            Ok(Sts::Unknown(format!(
                "its file did not come in our time (reached: {reached}); a sender waits up to a minute"
            )))
        }
        HttpsOutcome::NoAddress(outcome) => Ok(Sts::Unknown(outcome.to_string())),
        HttpsOutcome::NoConnection(why) | HttpsOutcome::Failed(why) => Ok(Sts::Unknown(why.clone())),
    }
}

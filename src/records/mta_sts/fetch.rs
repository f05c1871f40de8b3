//! How fetching the policy ended, each way in its own words (RFC 8461 §3.2, §3.3). A status of 200 without redirects and a
//! certificate for the policy host are MUST; the content type and the size are advice.

use crate::check::{Https, HttpsOutcome, HttpsRules, Outcome};
use crate::finding::Finding;
use crate::report::LookupId;
use crate::untrusted::lossless;

/// What fetching came to.
pub(super) enum Fetched {
    /// A file, with what is odd about how it was served.
    File { text: String, body: Vec<u8>, odd: Vec<Finding>, served: String },
    /// Surely no policy that a sender would take, and why.
    Refused(Finding),
    /// We could not look; it may be there.
    Unknown(Finding),
}

/// Judges the answer for the policy of a domain that announces one.
pub(super) fn judge(host: &str, answer: &Https<'_>) -> Fetched {
    let with = |finding: Finding| finding.with_evidence([answer.id]);
    let refused = |id, text: String, fix: String| {
        Fetched::Refused(with(Finding::error(id, text).with_fix(fix).with_reference("RFC 8461 §3.3")))
    };
    match &answer.outcome {
        HttpsOutcome::Body { content_type, body, cut } => Fetched::File {
            text: lossless(body).into_owned(),
            body: body.clone(),
            odd: oddities(content_type.as_deref(), body.len(), *cut, answer.id),
            served: format!("200 {}", content_type.as_deref().unwrap_or("without a content type")),
        },
        HttpsOutcome::Status(status) => refused(
            "mta-sts.policy-status",
            format!(
                "The TXT record announces a policy, and {host} answers {status} instead of 200. Senders have no policy."
            ),
            "Serve the file at /.well-known/mta-sts.txt.".into(),
        ),
        HttpsOutcome::Redirect { status, location } => refused(
            "mta-sts.policy-redirected",
            format!(
                "The TXT record announces a policy, and {host} redirects ({status}) to {}. Senders must not follow, so they have no policy.",
                location.as_deref().unwrap_or("another place")
            ),
            format!("Serve the file at {host} itself; a CNAME of {host} is allowed, a redirect is not."),
        ),
        HttpsOutcome::NoAddress(Outcome::Answer | Outcome::NoData | Outcome::NoSuchName) => refused(
            "mta-sts.policy-host-missing",
            format!("The TXT record announces a policy, and its host {host} has no address. Senders have no policy."),
            format!("Publish A, AAAA or a CNAME for {host}, and serve the file there; or remove the TXT record."),
        ),
        HttpsOutcome::Tls(reason) => refused(
            "mta-sts.policy-certificate",
            format!(
                "The TXT record announces a policy, and TLS with {host} fails: {reason}. Senders must not use what is served there."
            ),
            format!("Give {host} a certificate that is valid, in time and issued for {host}."),
        ),
        HttpsOutcome::NoAddress(outcome) => unknown(host, &outcome.to_string(), answer.id),
        HttpsOutcome::NoConnection(reason) => unknown(host, &format!("no connection ({reason})"), answer.id),
        HttpsOutcome::TimedOut(reached) => unknown(host, &format!("not whole in time (reached: {reached})"), answer.id),
        HttpsOutcome::Failed(reason) => unknown(host, reason, answer.id),
    }
}

/// From here it cannot be told whether the host is down or only out of our reach.
fn unknown(host: &str, why: &str, lookup: LookupId) -> Fetched {
    Fetched::Unknown(
        Finding::warning(
            "mta-sts.policy-unreachable",
            format!("The TXT record announces a policy, and from here {host} could not be asked for it: {why}. A sender that sees the same has no policy."),
        )
        .with_fix("See from another network whether the policy host answers; ask again (r).")
        .with_reference("RFC 8461 §3.3")
        .with_evidence([lookup]),
    )
}

fn oddities(content_type: Option<&str>, length: usize, cut: bool, lookup: LookupId) -> Vec<Finding> {
    let mut odd = Vec::new();
    // Parameters (charset=utf-8) change nothing.
    let media = content_type.map(|value| value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase());
    if media.as_deref() != Some("text/plain") {
        odd.push(
            Finding::warning(
                "mta-sts.policy-content-type",
                match content_type {
                    Some(served) => format!("The policy is served as \"{served}\". Some senders take only text/plain."),
                    None => {
                        "The policy is served without a content type. Some senders take only text/plain.".to_owned()
                    }
                },
            )
            .with_fix("Serve it as text/plain.")
            .with_reference("RFC 8461 §3.2")
            .with_evidence([lookup]),
        );
    }
    if cut {
        let cap = HttpsRules::MtaSts.max_bytes();
        odd.push(
            Finding::warning(
                "mta-sts.policy-too-long",
                format!("The policy goes on after {length} bytes, where we stopped reading. Senders may stop at {cap}, too, and see only a part."),
            )
            .with_fix("Serve nothing but the policy.")
            .with_reference("RFC 8461 §3.3")
            .with_evidence([lookup]),
        );
    }
    odd
}

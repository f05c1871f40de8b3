//! What was seen the last time, to tell when `id` and policy did not change together (RFC 8461 §3.1, §8.3).

use crate::finding::Finding;

/// The `id` and the policy's hash as they were seen before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RememberedSts {
    /// The `id` of the TXT record.
    pub id: String,
    /// SHA-256 of the policy's bytes in hexadecimal: [`policy_hash`].
    pub policy_sha256: String,
}

/// SHA-256 of a policy's bytes, in lower-case hexadecimal.
pub fn policy_hash(body: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, body);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares what is there now with what was remembered.
pub fn compare(before: &RememberedSts, id: &str, policy_sha256: &str) -> Option<Finding> {
    match (before.id == id, before.policy_sha256 == policy_sha256) {
        (true, false) => Some(
            Finding::warning(
                "mta-sts.id-unchanged",
                format!("The policy has changed since it was last looked at, and the id is still {id}. Senders that keep the old policy do not fetch the new one before it expires."),
            )
            .with_fix("Publish a new id.")
            .with_reference("RFC 8461 §3.1"),
        ),
        (false, true) => Some(
            Finding::info(
                "mta-sts.policy-unchanged",
                format!("The id has changed from {} to {id} since it was last looked at, and the policy is the same as before.", before.id),
            )
            .with_fix("If a change of the policy was meant, it has not reached the policy host yet.")
            .with_reference("RFC 8461 §8.3"),
        ),
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_and_a_policy_change_together_or_are_told_apart() {
        let before = RememberedSts { id: "1".into(), policy_sha256: policy_hash(b"a") };
        let now = |id, body: &[u8]| compare(&before, id, &policy_hash(body)).map(|finding| finding.id);
        assert_eq!(now("1", b"a"), None);
        assert_eq!(now("2", b"b"), None);
        assert_eq!(now("1", b"b"), Some("mta-sts.id-unchanged"));
        assert_eq!(now("2", b"a"), Some("mta-sts.policy-unchanged"));
        assert_eq!(policy_hash(b"").get(..8), Some("e3b0c442"));
    }
}

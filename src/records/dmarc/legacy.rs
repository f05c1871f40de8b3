//! The second reading: what a receiver that still follows RFC 7489 does. It takes the Organizational Domain from the public
//! suffix list, knows no `np`, `psd` and `t`, obeys `pct`, and stops at several records (§3.2, §6.6.3).

use crate::check::{Kind, Look, Seen, Wait};
use crate::name::Name;
use crate::records::dmarc::parse::{Dmarc, Policy};
use crate::untrusted::lossless;

/// What RFC 7489 comes to for one author's domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// The Organizational Domain by the public suffix list.
    pub organizational_domain: Name,
    /// The policy; `None` without a usable record.
    pub policy: Option<Policy>,
    /// The share of failing mail that the policy is for, in percent.
    pub pct: Option<u8>,
    /// Whether a look-up failed that it hangs on.
    pub is_unknown: bool,
}

/// Reads the policy as RFC 7489 does. It asks no name that a walk from the same author does not ask as well.
pub fn legacy(author: &Name, seen: &Seen<'_>) -> Result<Legacy, Wait> {
    let org =
        psl::domain_str(author.as_str()).and_then(|org| Name::from_text(org).ok()).unwrap_or_else(|| author.clone());
    let (own, above) = (records(author, seen), records(&org, seen));
    let mut legacy = Legacy { organizational_domain: org.clone(), policy: None, pct: None, is_unknown: false };
    let (records, at) = match own? {
        Some(found) if !found.is_empty() => (Some(found), author),
        Some(_) => (above?, &org),
        None => (None, author),
    };
    let Some(records) = records else {
        legacy.is_unknown = true;
        return Ok(legacy);
    };
    let [record] = records.as_slice() else { return Ok(legacy) };
    // `np` is not a tag there, so one that is broken breaks nothing.
    let broken = record.p.is_none() || record.is_broken("sp");
    legacy.policy = match record.p {
        Some(p) if !broken => Some(if at == author { p } else { record.sp.unwrap_or(p) }),
        _ => record.has_valid_rua().then_some(Policy::None),
    };
    legacy.pct = legacy.policy.map(|_| record.pct.unwrap_or(100));
    Ok(legacy)
}

/// The DMARC records at a domain; `None` when we could not look.
fn records(domain: &Name, seen: &Seen<'_>) -> Result<Option<Vec<Dmarc>>, Wait> {
    let Ok(at) = domain.below("_dmarc") else { return Ok(Some(Vec::new())) };
    let answer = seen.dns(&at, Kind::Txt)?;
    if matches!(answer.look(), Look::Unknown(_)) {
        return Ok(None);
    }
    Ok(Some(answer.texts().filter_map(|text| Dmarc::parse(&lossless(&text))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::world::World;
    use time::OffsetDateTime;

    fn read(author: &str, world: &str) -> (String, Option<&'static str>, Option<u8>) {
        let author = Name::from_text(author).unwrap();
        let (legacy, depth, _) =
            World::parse(world).unwrap().ask(OffsetDateTime::UNIX_EPOCH, |seen| legacy(&author, seen));
        assert_eq!(depth, 1);
        (legacy.organizational_domain.to_string(), legacy.policy.map(Policy::as_str), legacy.pct)
    }

    #[test]
    fn the_organizational_domain_comes_from_the_list_and_not_from_records() {
        let world = "_dmarc.b.example.co.uk TXT \"v=DMARC1; p=reject; psd=n\"
            _dmarc.example.co.uk TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; pct=50; t=y\"";
        assert_eq!(read("gone.b.example.co.uk", world), ("example.co.uk".into(), Some("quarantine"), Some(50)));
        assert_eq!(read("b.example.co.uk", world), ("example.co.uk".into(), Some("reject"), Some(100)));
    }

    #[test]
    fn several_records_at_the_author_end_the_discovery() {
        let world = "_dmarc.a.example.com TXT \"v=DMARC1; p=none\"
            _dmarc.a.example.com TXT \"v=DMARC1; p=none\"
            _dmarc.example.com TXT \"v=DMARC1; p=reject\"";
        assert_eq!(read("a.example.com", world), ("example.com".into(), None, None));
    }

    #[test]
    fn a_missing_pct_is_100_and_a_broken_np_is_not_seen() {
        assert_eq!(read("example.com", "_dmarc.example.com TXT \"v=DMARC1; p=reject; np=x\"").1, Some("reject"));
        assert_eq!(read("example.com", "_dmarc.example.com TXT \"v=DMARC1; p=reject; pct=0\"").2, Some(0));
        assert_eq!(read("example.com", "_dmarc.example.com TXT \"v=DMARC1; p=x\"").1, None);
    }
}

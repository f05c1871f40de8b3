//! Identifier alignment: whether a name that passed belongs to the author's domain (RFC 9989 §4.4). Pure; the walks that it
//! needs are [`organizational_domain`](super::organizational_domain)'s.

use crate::name::Name;
use crate::records::dmarc::parse::Mode;
use crate::records::dmarc::walk::Organizational;

/// Whether an identifier that passed (a DKIM `d=`, SPF's MAIL FROM) is aligned with the author's domain; `None` when the
/// Organizational Domains that would decide are not known (RFC 9989 §4.4).
pub fn aligned(identifier: &Name, author: &Name, mode: Mode, orgs: (&Organizational, &Organizational)) -> Option<bool> {
    if identifier == author {
        return Some(true);
    }
    if mode == Mode::Strict {
        return Some(false);
    }
    let (own, authors) = (orgs.0.domain(), orgs.1.domain());
    // An Organizational Domain is the name itself or above it, so a name outside of the other's is never aligned.
    let outside = |name: &Name, org: Option<&Name>| org.is_some_and(|org| !name.is_at_or_below(org));
    if outside(identifier, authors) || outside(author, own) {
        return Some(false);
    }
    Some(own? == authors?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Outcome;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn relaxed_alignment_compares_organizations_and_strict_compares_names() {
        let o = |text: &str| Organizational::Domain(name(text));
        let ask =
            |a: &str, b: &str, mode, orgs: (&str, &str)| aligned(&name(a), &name(b), mode, (&o(orgs.0), &o(orgs.1)));
        let both = ("example.com", "example.com");
        assert_eq!(ask("a.example.com", "b.example.com", Mode::Relaxed, both), Some(true), "sub against sub");
        assert_eq!(ask("a.example.com", "example.com", Mode::Strict, both), Some(false), "strict is strict");
        assert_eq!(ask("example.com", "example.com", Mode::Strict, both), Some(true));
        assert_eq!(
            ask("notexample.com", "example.com", Mode::Relaxed, ("notexample.com", "example.com")),
            Some(false),
            "no substring"
        );
        assert_eq!(
            ask("x.b.example.com", "example.com", Mode::Relaxed, ("b.example.com", "example.com")),
            Some(false),
            "psd=n below makes another organization"
        );
    }

    #[test]
    fn alignment_is_unknown_only_when_the_unknown_organization_decides() {
        let lost = Organizational::Unknown(Outcome::TimedOut);
        let org = Organizational::Domain(name("example.com"));
        let ask = |a: &str, orgs| aligned(&name(a), &name("example.com"), Mode::Relaxed, orgs);
        assert_eq!(ask("example.com", (&lost, &lost)), Some(true));
        assert_eq!(ask("a.example.com", (&lost, &org)), None);
        assert_eq!(ask("other.test", (&lost, &org)), Some(false), "it lies outside whatever its organization is");
        assert_eq!(aligned(&name("a.example.com"), &name("example.com"), Mode::Strict, (&lost, &lost)), Some(false));
    }
}

//! Whether report addresses of another organization have agreed to get them (RFC 9990 §4, RFC 9991 §5): without the record
//! `<policy domain>._report._dmarc.<host>` a receiver sends nothing there, so that nobody is flooded with a stranger's reports.

use crate::check::{Kind, Look, Outcome, Seen, Wait, all};
use crate::name::Name;
use crate::records::dmarc::parse::Dmarc;
use crate::records::dmarc::uri::ReportUri;
use crate::records::dmarc::walk::{Organizational, organizational_domain};
use crate::report::LookupId;
use crate::untrusted::lossless;

/// A report address outside of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The URI.
    pub uri: ReportUri,
    /// Its host.
    pub host: Name,
    /// Where the agreement is looked for.
    pub asked: Name,
    /// Whether it is there.
    pub agreement: Agreement,
    /// The lookup that shows it.
    pub lookup: Option<LookupId>,
}

/// Whether somebody else's host agreed to get the reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// It did.
    Given,
    /// It surely did not.
    Missing,
    /// We could not look.
    Unknown(Outcome),
}

impl Agreement {
    /// `authorized` of the contract.
    pub fn authorized(&self) -> Option<bool> {
        match self {
            Agreement::Given => Some(true),
            Agreement::Missing => Some(false),
            Agreement::Unknown(_) => None,
        }
    }
}

/// The external addresses among `uris`, each host asked once. "External" is decided by Organizational Domains; a host that
/// lies outside of the policy domain's is external whatever its own is, so only hosts inside need a walk.
pub fn external(
    policy_domain: &Name,
    org: &Organizational,
    uris: &[ReportUri],
    seen: &Seen<'_>,
) -> Result<Vec<External>, Wait> {
    let found = all(uris.iter().filter(|uri| uri.is_valid()), |uri| one(policy_domain, org, uri, seen))?;
    Ok(found.into_iter().flatten().collect())
}

fn one(policy_domain: &Name, org: &Organizational, uri: &ReportUri, seen: &Seen<'_>) -> Result<Option<External>, Wait> {
    let Some(host) = &uri.host else { return Ok(None) };
    // Without a known organization the policy domain itself is the most that surely is inside.
    let inside = org.domain().unwrap_or(policy_domain);
    if host == policy_domain || host == inside {
        return Ok(None);
    }
    if host.is_at_or_below(inside) {
        match organizational_domain(host, seen)? {
            Organizational::Domain(own) if own == *inside => return Ok(None),
            Organizational::Unknown(_) => return Ok(None),
            Organizational::Domain(_) => {}
        }
    }
    let Ok(asked) = host.below(&format!("{}._report._dmarc", policy_domain.as_str())) else {
        return Ok(None);
    };
    let answer = seen.dns(&asked, Kind::Txt)?;
    let agreement = match answer.look() {
        Look::Unknown(outcome) => Agreement::Unknown(outcome.clone()),
        Look::Found(_) if answer.texts().any(|text| Dmarc::parse(&lossless(&text)).is_some()) => Agreement::Given,
        Look::Found(_) | Look::Absent(_) => match org {
            Organizational::Domain(_) => Agreement::Missing,
            // It may be the organization's own host after all, which needs no agreement.
            Organizational::Unknown(outcome) => Agreement::Unknown(outcome.clone()),
        },
    };
    Ok(Some(External { uri: uri.clone(), host: host.clone(), asked, agreement, lookup: Some(answer.id) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::world::World;
    use time::OffsetDateTime;

    fn ask(rua: &str, world: &str) -> Vec<(String, Option<bool>)> {
        let domain = Name::from_text("example.com").unwrap();
        let uris = ReportUri::parse_list(rua, 0);
        let (found, _, _) = World::parse(world).unwrap().ask(OffsetDateTime::UNIX_EPOCH, |seen| {
            external(&domain, &Organizational::Domain(domain.clone()), &uris, seen)
        });
        found.into_iter().map(|e| (e.asked.to_string(), e.agreement.authorized())).collect()
    }

    #[test]
    fn the_same_organization_needs_no_agreement() {
        let world = "_dmarc.example.com TXT \"v=DMARC1; p=none\"";
        assert_eq!(ask("mailto:a@example.com,mailto:a@reports.example.com", world), []);
    }

    #[test]
    fn a_subdomain_that_is_an_organization_of_its_own_is_external() {
        let world = "_dmarc.tenant.example.com TXT \"v=DMARC1; p=none; psd=n\"";
        let asked = "example.com._report._dmarc.tenant.example.com".to_owned();
        assert_eq!(ask("mailto:a@tenant.example.com", world), [(asked, Some(false))]);
    }

    #[test]
    fn an_agreement_counts_with_and_without_semicolon_and_by_wildcard() {
        let asked = "example.com._report._dmarc.other.test".to_owned();
        for record in [
            "example.com._report._dmarc.other.test TXT \"v=DMARC1\"",
            "example.com._report._dmarc.other.test TXT \"v=DMARC1;\"",
            "*._report._dmarc.other.test TXT \"v=DMARC1;\"",
        ] {
            assert_eq!(ask("mailto:a@other.test", record), [(asked.clone(), Some(true))], "{record}");
        }
        for record in ["other.test EMPTY", "*._report._dmarc.other.test TXT \"hello\""] {
            assert_eq!(ask("mailto:a@other.test", record), [(asked.clone(), Some(false))], "{record}");
        }
        let broken = "example.com._report._dmarc.other.test TXT !servfail";
        assert_eq!(ask("mailto:a@other.test", broken), [(asked, None)]);
    }
}

//! Does a name exist, and where does it stand: the questions about names and addresses that several checks share.

use std::net::IpAddr;

use crate::check::{Absence, Dns, Kind, Look, Outcome, Record, Seen, Wait};
use crate::name::Name;
use crate::records::Domain;
use crate::records::reserved::reserved_for;
use crate::report::{LookupId, Section, State};

/// Whether the domain exists in DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It does, with or without records.
    Exists,
    /// It does, and its server says of some types that it does not: the lookups that say so.
    Denied {
        /// The lookups that were answered NXDOMAIN.
        lookups: Vec<LookupId>,
    },
    /// It surely does not, and nothing exists below it (RFC 8020); the lookups that say so.
    NoSuchName {
        /// Whether the zone above (the registrable domain) does not exist either.
        whole_zone: bool,
        /// The lookups that say so.
        lookups: Vec<LookupId>,
    },
    /// We could not look.
    Unknown(Outcome),
}

/// Asks whether the domain exists: its A record, and that of its zone where that is another name. Checks use it to say
/// nothing of a name that is not there ([`absent_with_its_name`]); the address section says it once for all.
///
/// NXDOMAIN speaks of a name, whatever type was asked for (RFC 8020), but load balancers answer it for each type that
/// they do not know. So one NXDOMAIN is not believed where MX or TXT are there.
pub fn exists(domain: &Domain, seen: &Seen<'_>) -> Result<Existence, Wait> {
    let zone = domain.zone();
    let own = seen.dns(&domain.name, Kind::A);
    let above = if zone == domain.name { None } else { Some(seen.dns(&zone, Kind::A)) };
    let others = [Kind::Mx, Kind::Txt].map(|kind| seen.dns(&domain.name, kind));
    let own = own?;
    let above = above.transpose()?;
    Ok(match own.look() {
        // A CNAME that leads nowhere is answered NXDOMAIN too, and then the name itself is there (RFC 2308 §2.1).
        _ if !own.aliases.is_empty() => Existence::Exists,
        Look::Unknown(outcome) => Existence::Unknown(outcome.clone()),
        Look::Absent(_) if own.is_no_such_name() => {
            let mut denied = vec![own.id];
            let mut is_there = false;
            for other in others {
                let other = other?;
                match other.look() {
                    Look::Absent(Absence::NoSuchName) if other.aliases.is_empty() => denied.push(other.id),
                    Look::Absent(_) | Look::Found(_) => is_there = true,
                    Look::Unknown(_) => {}
                }
            }
            if is_there {
                return Ok(Existence::Denied { lookups: denied });
            }
            Existence::NoSuchName {
                whole_zone: above.is_none_or(|above| above.is_no_such_name() && above.aliases.is_empty()),
                lookups: std::iter::once(own.id).chain(above.map(|above| above.id)).collect(),
            }
        }
        Look::Absent(_) | Look::Found(_) => Existence::Exists,
    })
}

/// The section of a record whose name does not exist: absent, without findings of its own.
pub fn absent_with_its_name(id: &'static str, title: &'static str) -> Section {
    let mut section = Section::new(id, title);
    section.state = State::Absent;
    section.headline = "no such name".into();
    section
}

/// The A and AAAA records of one name.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a> {
    /// The answer for A.
    pub v4: Dns<'a>,
    /// The answer for AAAA.
    pub v6: Dns<'a>,
}

impl<'a> Addresses<'a> {
    /// Those that nobody on the Internet can reach, each with what it is instead; `None` when all can be reached. In a name
    /// that is itself an example, documentation addresses are at home.
    pub fn not_public(&self, name: &Name) -> Option<String> {
        let told = |address| Some(format!("{address} is {}", reserved_for(name, address)?));
        let told: Vec<String> = self.all().into_iter().filter_map(told).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Asks for both at once.
    pub fn ask(name: &Name, seen: &Seen<'a>) -> Result<Addresses<'a>, Wait> {
        let (v4, v6) = (seen.dns(name, Kind::A), seen.dns(name, Kind::Aaaa));
        Ok(Addresses { v4: v4?, v6: v6? })
    }

    /// The addresses, IPv4 first, each once.
    pub fn all(&self) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = Vec::new();
        for address in self.v4.addresses().chain(self.v6.addresses()) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
    }

    /// The CNAMEs that lead to them, as far as an answer shows.
    pub fn aliases(&self) -> &'a [Record] {
        let (v4, v6) = (&self.v4.answer.aliases, &self.v6.answer.aliases);
        if v4.is_empty() { v6 } else { v4 }
    }

    /// Why one of the two could not be looked at.
    pub fn unknown(&self) -> Option<&'a Outcome> {
        [self.v4, self.v6].into_iter().find_map(|dns| match dns.answer.look() {
            Look::Unknown(outcome) => Some(outcome),
            Look::Found(_) | Look::Absent(_) => None,
        })
    }

    /// Whether the name, or the one its CNAMEs lead to, surely does not exist.
    pub fn is_no_such_name(&self) -> bool {
        self.v4.is_no_such_name() || self.v6.is_no_such_name()
    }

    /// Both lookups.
    pub fn lookups(&self) -> [LookupId; 2] {
        [self.v4.id, self.v6.id]
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::World;

    fn existence(world: &str, name: &str) -> Existence {
        let domain = Domain::new(Name::from_text(name).unwrap());
        let (existence, depth, _) =
            World::parse(world).unwrap().ask(OffsetDateTime::UNIX_EPOCH, |seen| exists(&domain, seen));
        assert_eq!(depth, 1);
        existence
    }

    #[test]
    fn only_nxdomain_is_not_existing() {
        assert_eq!(existence("example.com TXT \"x\"", "example.com"), Existence::Exists);
        assert!(matches!(
            existence("example.com A 192.0.2.1", "a.example.com"),
            Existence::NoSuchName { whole_zone: false, .. }
        ));
        assert!(matches!(existence("", "a.example.com"), Existence::NoSuchName { whole_zone: true, .. }));
        for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
            let world = format!("example.com ANY !{fault}");
            assert!(matches!(existence(&world, "example.com"), Existence::Unknown(_)), "{fault}");
        }
    }

    #[test]
    fn one_nxdomain_is_not_believed_where_another_type_is_there() {
        for beside in ["example.com MX 10 mail.example.com", "example.com TXT \"x\""] {
            let world = format!("{beside}\nexample.com A !nxdomain");
            assert!(matches!(existence(&world, "example.com"), Existence::Denied { .. }), "{beside}");
        }
        let silent = "example.com ANY !nxdomain\nexample.com MX !servfail\nexample.com TXT !timeout";
        assert!(matches!(existence(silent, "example.com"), Existence::NoSuchName { .. }));
    }

    #[test]
    fn a_cname_that_leads_nowhere_still_exists() {
        assert_eq!(existence("example.com CNAME gone.example.net", "example.com"), Existence::Exists);
    }
}

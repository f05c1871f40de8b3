//! Which hosts take a domain's mail: the one reading of the MX set that every check shares (RFC 5321 §5.1, RFC 7505).
//!
//! It asks one question and knows no addresses; whether a host can be reached is for whoever dials it.

use crate::check::{Data, Dns, Kind, Look, Outcome, Seen, Wait};
use crate::name::Name;
use crate::records::Domain;
use crate::report::LookupId;

/// The mail hosts of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxSet {
    /// The hosts a sender tries, the lowest preference first; each name once, with its lowest preference. Empty for a
    /// null MX, for a name that does not exist, and when we could not look.
    pub hosts: Vec<MxHost>,
    /// Whether the domain says that it takes no mail: its only MX is `.` (RFC 7505 §3).
    pub null_mx: bool,
    /// Whether there is no MX, so that the domain itself stands as its only host with preference 0 (RFC 5321 §5.1).
    pub implicit: bool,
    /// Why we could not look; the set is then not known, which is not the same as empty.
    pub unknown: Option<Outcome>,
    /// The lookup that it comes from.
    pub lookup: LookupId,
}

/// One mail host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxHost {
    /// Lower is tried first.
    pub preference: u16,
    /// The host's name; the domain itself for an implicit MX.
    pub name: Name,
    /// TTL in seconds as it was answered; `None` for an implicit MX.
    pub ttl: Option<u32>,
}

/// Asks for the MX of the domain and reads them as a sender does.
pub fn mx_names(domain: &Domain, seen: &Seen<'_>) -> Result<MxSet, Wait> {
    Ok(MxSet::read(&domain.name, &seen.dns(&domain.name, Kind::Mx)?))
}

impl MxSet {
    /// Reads the answer to the MX question at `name`.
    pub fn read(name: &Name, answer: &Dns<'_>) -> MxSet {
        let mut set = MxSet { hosts: Vec::new(), null_mx: false, implicit: false, unknown: None, lookup: answer.id };
        match answer.look() {
            Look::Unknown(outcome) => set.unknown = Some(outcome.clone()),
            Look::Absent(_) if answer.is_no_such_name() => {}
            Look::Absent(_) => {
                set.implicit = true;
                set.hosts.push(MxHost { preference: 0, name: name.clone(), ttl: None });
            }
            Look::Found(records) => {
                let mut mail = 0;
                for record in records {
                    let Data::Mx { preference, exchange } = &record.data else { continue };
                    mail += 1;
                    if !exchange.is_root() {
                        set.hosts.push(MxHost {
                            preference: *preference,
                            name: exchange.clone(),
                            ttl: Some(record.ttl),
                        });
                    }
                }
                // A `.` beside real hosts breaks RFC 7505 §3; senders then use the real ones.
                set.null_mx = mail > 0 && set.hosts.is_empty();
                set.hosts.sort_by(|a, b| (a.preference, &a.name).cmp(&(b.preference, &b.name)));
                let mut once: Vec<Name> = Vec::new();
                set.hosts.retain(|host| {
                    let first = !once.contains(&host.name);
                    once.push(host.name.clone());
                    first
                });
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::World;

    fn set(world: &str) -> MxSet {
        let domain = Domain::new(Name::from_text("example.com").unwrap());
        let (set, depth, _) =
            World::parse(world).unwrap().ask(OffsetDateTime::UNIX_EPOCH, |seen| mx_names(&domain, seen));
        assert_eq!(depth, 1);
        set
    }

    fn names(world: &str) -> Vec<(u16, String)> {
        set(world).hosts.iter().map(|host| (host.preference, host.name.to_string())).collect()
    }

    #[test]
    fn hosts_stand_in_the_order_a_sender_tries_them_and_once() {
        let world =
            "example.com MX 20 b.example.net\nexample.com MX 10 c.example.net\nexample.com MX 30 c.example.net.";
        assert_eq!(names(world), [(10, "c.example.net".to_owned()), (20, "b.example.net".to_owned())]);
    }

    #[test]
    fn a_null_mx_counts_only_when_it_stands_alone() {
        let alone = set("example.com MX 0 .");
        assert!(alone.null_mx && alone.hosts.is_empty() && !alone.implicit);
        let beside = set("example.com MX 0 .\nexample.com MX 10 mail.example.com");
        assert!(!beside.null_mx);
        assert_eq!(beside.hosts.len(), 1);
    }

    #[test]
    fn no_mx_means_the_domain_itself() {
        let implicit = set("example.com A 192.0.2.1");
        assert!(implicit.implicit && !implicit.null_mx);
        assert_eq!(implicit.hosts[0].name.as_str(), "example.com");
    }

    #[test]
    fn a_name_that_does_not_exist_has_no_implicit_mx() {
        let none = set("example.net A 192.0.2.1");
        assert!(none.hosts.is_empty() && !none.implicit && none.unknown.is_none());
    }

    #[test]
    fn a_failed_lookup_is_neither_empty_nor_implicit() {
        for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
            let set = set(&format!("example.com MX !{fault}"));
            assert!(set.unknown.is_some() && !set.implicit && !set.null_mx, "{fault}");
        }
    }
}

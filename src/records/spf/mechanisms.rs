//! Comparing one mechanism with the client (RFC 7208 §5). `include` is check_host() again and stands in
//! [`super::evaluate`](mod@super::evaluate).

use std::net::IpAddr;

use crate::check::{Absence, Dns, Kind, Look, Wait};
use crate::name::Name;
use crate::records::spf::client::{Client, mx_hosts};
use crate::records::spf::evaluate::{At, Course, MAX_MX};
use crate::records::spf::evaluation::{Reason, SpfResult};
use crate::records::spf::macros::DomainSpec;
use crate::records::spf::parse::{DualCidr, Mechanism};
use crate::report::LookupId;

/// What came of one term.
pub(super) enum Came {
    /// It was compared; whether it matched, and what was seen.
    Compared { matches: bool, detail: String, evidence: Vec<LookupId> },
    /// It ends the evaluation.
    Ended(SpfResult, Reason),
}

impl Came {
    pub(super) fn compared(matches: bool, detail: impl Into<String>) -> Came {
        Came::Compared { matches, detail: detail.into(), evidence: Vec::new() }
    }
}

impl Client<'_, '_> {
    /// Compares one mechanism with the client (§5). `name` is the domain whose record it is.
    pub(super) fn term(
        &self,
        at: At<'_>,
        mechanism: &Mechanism,
        name: &Name,
        depth: u32,
        course: &mut Course,
    ) -> Result<Came, Wait> {
        let domain = at.domain;
        let target = |spec: &Option<DomainSpec>| match spec {
            None => Ok(Some(name.clone())),
            Some(spec) => self.name(spec, domain),
        };
        match mechanism {
            Mechanism::All => Ok(Came::compared(true, "matches everybody")),
            Mechanism::Ip4(..) | Mechanism::Ip6(..) => {
                let matches = in_network(self.ip, mechanism);
                let text = at.term.text.trim_start_matches(['+', '-', '~', '?']);
                let detail = format!("{} {} {}", self.ip, if matches { "lies in" } else { "is not in" }, text);
                Ok(Came::compared(matches, detail))
            }
            Mechanism::Include(spec) => self.include(at, spec, depth, course),
            Mechanism::A(spec, cidr) => match target(spec)? {
                None => Ok(unaskable()),
                Some(target) => self.a(at, &target, *cidr, course),
            },
            Mechanism::Mx(spec, cidr) => match target(spec)? {
                None => Ok(unaskable()),
                Some(target) => self.mx(at, &target, *cidr, course),
            },
            Mechanism::Exists(spec) => match self.name(spec, domain)? {
                None => Ok(unaskable()),
                Some(target) => {
                    let answer = self.seen.dns(&target, Kind::A)?;
                    Ok(match self.found(at, &answer, &target, Kind::A, course) {
                        Err(came) => came,
                        Ok(addresses) => {
                            let detail = format!("{target} exists: {}", listed(&addresses));
                            Came::Compared { matches: true, detail, evidence: vec![answer.id] }
                        }
                    })
                }
            },
            Mechanism::Ptr(spec) => match target(spec)? {
                None => Ok(unaskable()),
                Some(target) => self.ptr(at, &target, course),
            },
        }
    }

    /// Sorts an address answer: the addresses, or what the term comes to without them.
    fn found(
        &self,
        at: At<'_>,
        answer: &Dns<'_>,
        target: &Name,
        kind: Kind,
        course: &mut Course,
    ) -> Result<Vec<IpAddr>, Came> {
        match answer.look() {
            Look::Found(_) => Ok(answer.addresses().collect()),
            Look::Unknown(outcome) => {
                let reason = Reason::LookupFailed { name: target.clone(), kind, outcome: outcome.clone() };
                Err(Came::Ended(SpfResult::TempError, reason))
            }
            Look::Absent(absence) => Err(match course.count_void(at) {
                Err((result, reason)) => Came::Ended(result, reason),
                Ok(()) => Came::Compared {
                    matches: false,
                    detail: format!("{}: a void look-up", nothing(target, kind, absence)),
                    evidence: vec![answer.id],
                },
            }),
        }
    }

    fn a(&self, at: At<'_>, target: &Name, cidr: DualCidr, course: &mut Course) -> Result<Came, Wait> {
        let kind = self.address_kind();
        let answer = self.seen.dns(target, kind)?;
        Ok(match self.found(at, &answer, target, kind, course) {
            Err(came) => came,
            Ok(addresses) => Came::Compared {
                matches: addresses.iter().any(|address| self.matches(*address, cidr)),
                detail: format!("{target} has {}", listed(&addresses)),
                evidence: vec![answer.id],
            },
        })
    }

    fn mx(&self, at: At<'_>, target: &Name, cidr: DualCidr, course: &mut Course) -> Result<Came, Wait> {
        let answer = self.seen.dns(target, Kind::Mx)?;
        match self.found(at, &answer, target, Kind::Mx, course) {
            Err(came) => return Ok(came),
            Ok(_) if answer.records.len() > MAX_MX => {
                let reason = Reason::TooManyMx { domain: target.to_string(), count: answer.records.len() };
                return Ok(Came::Ended(SpfResult::PermError, reason));
            }
            Ok(_) => {}
        }
        let (hosts, kind) = (mx_hosts(&answer), self.address_kind());
        let answers = hosts.iter().map(|host| (host, self.seen.dns(host, kind))).collect::<Vec<_>>();
        let mut evidence = vec![answer.id];
        let mut all = Vec::new();
        for (host, answer) in answers {
            // An earlier host that matches decides before a later one that cannot be looked up.
            let answer = answer?;
            evidence.push(answer.id);
            if let Look::Unknown(outcome) = answer.look() {
                let reason = Reason::LookupFailed { name: host.clone(), kind, outcome: outcome.clone() };
                return Ok(Came::Ended(SpfResult::TempError, reason));
            }
            all.extend(answer.addresses());
            if answer.addresses().any(|address| self.matches(address, cidr)) {
                let detail = format!("{host} has {}", listed(&answer.addresses().collect::<Vec<_>>()));
                return Ok(Came::Compared { matches: true, detail, evidence });
            }
        }
        let detail = match (hosts.len(), all.len()) {
            (0, _) => format!("{target} takes no mail (null MX)"),
            (count, 0) => format!("no {kind} record at the {count} MX of {target}"),
            (_, _) => format!("the MX of {target} have {}", listed(&all)),
        };
        Ok(Came::Compared { matches: false, detail, evidence })
    }

    fn ptr(&self, at: At<'_>, target: &Name, course: &mut Course) -> Result<Came, Wait> {
        let reverse = Name::reverse(self.ip);
        let answer = self.seen.dns(&reverse, Kind::Ptr)?;
        match answer.look() {
            Look::Found(_) => {}
            // Not a temperror: the reverse zone is the client's, not the domain's (§5.5).
            Look::Unknown(outcome) => {
                let detail = format!("PTR of {reverse}: {outcome}");
                return Ok(Came::Compared { matches: false, detail, evidence: vec![answer.id] });
            }
            Look::Absent(absence) => {
                let detail = format!("{}: a void look-up", nothing(&reverse, Kind::Ptr, absence));
                return Ok(match course.count_void(at) {
                    Err((result, reason)) => Came::Ended(result, reason),
                    Ok(()) => Came::Compared { matches: false, detail, evidence: vec![answer.id] },
                });
            }
        }
        let validated = self.validated(answer.targets().filter(|name| name.is_at_or_below(target)))?;
        let (matches, detail) = match validated.first() {
            Some(name) => (true, format!("{} is {name}, which lies at or below {target}", self.ip)),
            None => (false, format!("no name of {} at or below {target} leads back to it", self.ip)),
        };
        Ok(Came::Compared { matches, detail, evidence: vec![answer.id] })
    }
}

/// Whether an `ip4` or `ip6` mechanism matches.
pub(super) fn in_network(ip: IpAddr, mechanism: &Mechanism) -> bool {
    match mechanism {
        Mechanism::Ip4(network, prefix) => within(ip, IpAddr::V4(*network), *prefix),
        Mechanism::Ip6(network, prefix) => within(ip, IpAddr::V6(*network), *prefix),
        _ => false,
    }
}

/// Whether the first `prefix` bits of two addresses of one family are equal.
pub(super) fn within(ip: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let differ = u32::from(ip) ^ u32::from(network);
            differ.checked_shr(32 - u32::from(prefix.min(32))).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let differ = u128::from(ip) ^ u128::from(network);
            differ.checked_shr(128 - u32::from(prefix.min(128))).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// A target that no query can be made of counts as a name that does not exist (the suite's `invalid-domain-long`).
fn unaskable() -> Came {
    Came::compared(false, "its target is no name that DNS can carry, so nothing was asked")
}

fn nothing(name: &Name, kind: Kind, absence: Absence) -> String {
    match absence {
        Absence::NoData => format!("{name} has no {kind} record"),
        Absence::NoSuchName => format!("{name} does not exist"),
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    let shown: Vec<String> = addresses.iter().take(4).map(ToString::to_string).collect();
    match addresses.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

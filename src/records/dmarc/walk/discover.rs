//! Which record applies to an author's domain and what it comes to (RFC 9989 §4.10.1).

use super::{Organizational, WalkStep, organizational, walk, walk_names};
use crate::check::{Absence, Kind, Look, Outcome, Seen, Wait};
use crate::name::Name;
use crate::records::Domain;
use crate::records::dmarc::parse::{Dmarc, Policies, Policy, Psd};

/// Whose record it is that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The Author Domain's own: `p` counts.
    Author,
    /// Its Organizational Domain's: `sp` or `np` count.
    Organization,
    /// Its public suffix's: `sp` or `np` count.
    Suffix,
}

/// Whether the author's domain exists (RFC 9989 §3.2: NXDOMAIN alone says no).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It does: anything but NXDOMAIN.
    Exists,
    /// NXDOMAIN.
    NoSuchName,
    /// We could not look.
    Unknown(Outcome),
}

/// What policy discovery came to for one author's domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// The author's domain, where the walk starts.
    pub author: Name,
    /// The steps up to the stop.
    pub walk: Vec<WalkStep>,
    /// Whether the author's domain exists; it decides between `sp` and `np` of a record that is not its own.
    pub existence: Existence,
    /// The Organizational Domain.
    pub organizational: Organizational,
    /// Whose record applies.
    pub role: Option<Role>,
    /// The domain that the record stands at.
    pub policy_domain: Option<Name>,
    /// The record that applies, also one whose broken tags ask for nothing.
    pub record: Option<Dmarc>,
    /// The record's policies with defaults; `None` without a record, or when it asks for nothing.
    pub policies: Option<Policies>,
    /// The policy for the author's domain as the record states it.
    pub policy: Option<Policy>,
    /// `t=y`: one step weaker is asked.
    pub testing: bool,
    /// The policy for the author's domain, `t=y` counted.
    pub effective_policy: Option<Policy>,
    /// Why the policy is not known: a failed look-up that could change it.
    pub temperror: Option<Outcome>,
}

impl Discovery {
    /// The Organizational Domain, if it is known.
    pub fn organizational_domain(&self) -> Option<&Name> {
        self.organizational.domain()
    }

    /// The policy for an existing subdomain, before `t=y`.
    pub fn subdomain_policy(&self) -> Option<Policy> {
        self.policies.map(|policies| policies.subdomain)
    }

    /// The policy for a name that does not exist, before `t=y`.
    pub fn nonexistent_policy(&self) -> Option<Policy> {
        self.policies.map(|policies| policies.nonexistent)
    }

    /// `policy` as it is asked for, `t=y` counted.
    pub fn effective(&self, policy: Policy) -> Policy {
        if self.testing { policy.lowered() } else { policy }
    }

    /// Whether the record that applies, if any does, stands in the zone of whoever runs the author's domain. A public
    /// suffix's does not, and what stands above the name that people register, whatever it says of itself, neither.
    pub fn is_own(&self) -> bool {
        let zone = Domain::new(self.author.clone()).zone();
        let above = |at: &Name| *at != zone && zone.is_at_or_below(at);
        self.role != Some(Role::Suffix) && !self.policy_domain.as_ref().is_some_and(above)
    }

    /// The tag that states the policy for the author's domain: `p` in its own record, `sp` or `np` in another's.
    pub fn tag(&self) -> &'static str {
        match (self.role, &self.existence) {
            (Some(Role::Author) | None, _) => "p",
            (Some(Role::Organization | Role::Suffix), Existence::NoSuchName) => "np",
            (Some(Role::Organization | Role::Suffix), Existence::Exists | Existence::Unknown(_)) => "sp",
        }
    }

    /// The step that the record comes from.
    pub fn policy_step(&self) -> Option<&WalkStep> {
        self.walk.iter().find(|step| Some(&step.name) == self.policy_domain.as_ref())
    }

    /// Whether there surely is no DMARC for this domain: no record, or one that asks for nothing.
    pub fn is_none(&self) -> bool {
        self.policies.is_none() && self.temperror.is_none()
    }
}

/// Finds the policy for mail from `author` (RFC 9989 §4.10.1). One round: the walk's names and the author's existence are
/// asked together.
pub fn discover(author: &Name, seen: &Seen<'_>) -> Result<Discovery, Wait> {
    // Any type tells NXDOMAIN; A is the one that most likely has been asked already.
    let (steps, existence) = (walk(author, seen), seen.dns(author, Kind::A));
    let steps = steps?;
    let own = steps.first().is_some_and(|step| step.record.is_some());
    let existence = match (own, existence) {
        // The author's own record shows that the name exists, and its answer decides nothing.
        (true, _) => Existence::Exists,
        (false, existence) => {
            let existence = existence?;
            match existence.look() {
                // A CNAME that leads nowhere is answered NXDOMAIN too, and then the name itself is there (RFC 2308 §2.1).
                _ if !existence.aliases.is_empty() => Existence::Exists,
                Look::Found(_) | Look::Absent(Absence::NoData) => Existence::Exists,
                Look::Absent(Absence::NoSuchName) => Existence::NoSuchName,
                Look::Unknown(outcome) => Existence::Unknown(outcome.clone()),
            }
        }
    };
    Ok(judge(author, steps, existence))
}

fn judge(author: &Name, walk: Vec<WalkStep>, existence: Existence) -> Discovery {
    let organizational = organizational(author, &walk);
    let with_record = |name: &Name| walk.iter().find(|step| step.name == *name && step.record.is_some());
    let suffix = || walk.iter().find(|step| step.record.as_ref().is_some_and(|record| record.psd == Psd::Yes));
    let own_failed = walk.iter().find(|step| step.name == *author).and_then(WalkStep::failure).cloned();
    let mut temperror = own_failed.clone();
    let chosen = match (with_record(author), &organizational) {
        _ if own_failed.is_some() => None,
        (Some(step), _) => Some((Role::Author, step)),
        (None, Organizational::Unknown(outcome)) => {
            temperror = Some(outcome.clone());
            None
        }
        (None, Organizational::Domain(org)) => match with_record(org) {
            Some(step) => Some((Role::Organization, step)),
            None => {
                // The Organizational Domain one label below a suffix may itself be what could not be looked at.
                temperror = walk.iter().find(|step| step.name == *org).and_then(WalkStep::failure).cloned();
                suffix().filter(|_| temperror.is_none()).map(|step| (Role::Suffix, step))
            }
        },
    };
    let role = chosen.map(|(role, _)| role);
    let policy_domain = chosen.map(|(_, step)| step.name.clone());
    let record = chosen.and_then(|(_, step)| step.record.clone());
    let policies = record.as_ref().and_then(Dmarc::policies);
    let policy = match (policies, role, &existence) {
        (Some(policies), Some(Role::Author), _) => Some(policies.own),
        (Some(policies), _, Existence::Exists) => Some(policies.subdomain),
        (Some(policies), _, Existence::NoSuchName) => Some(policies.nonexistent),
        (Some(policies), _, Existence::Unknown(_)) if policies.subdomain == policies.nonexistent => {
            Some(policies.subdomain)
        }
        (Some(_), _, Existence::Unknown(outcome)) => {
            temperror = Some(outcome.clone());
            None
        }
        (None, _, _) => None,
    };
    let testing = record.as_ref().is_some_and(|record| record.testing);
    let effective_policy = policy.map(|policy| if testing { policy.lowered() } else { policy });
    Discovery {
        author: author.clone(),
        walk,
        existence,
        organizational,
        role,
        policy_domain,
        record,
        policies,
        policy,
        testing,
        effective_policy,
        temperror,
    }
}

impl Discovery {
    /// What this walk says of a name one label below the author's that has no record of its own. It is a walk of its own:
    /// the author's record need not be the one that applies there (its Organizational Domain's is).
    pub fn below(&self, existence: Existence) -> Option<Discovery> {
        let child = self.author.below("x").ok()?;
        let steps = walk_names(&child);
        let above = steps.iter().filter_map(|name| self.walk.iter().find(|step| step.name == *name)).cloned();
        Some(judge(&child, above.collect(), existence))
    }
}

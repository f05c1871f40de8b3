//! Which record applies to an author's domain, and which Organizational Domain a name has: the walk up the tree
//! (RFC 9989 §4.10). All names of a walk are asked at once and judged in order up to its stop, so a walk is one round.
//!
//! The public suffix list has no part in it; that is RFC 7489's reading, which stands in `legacy`.

use crate::check::{Absence, Data, Kind, Look, Outcome, Seen, Wait, all};
use crate::name::Name;
use crate::records::dmarc::parse::{Dmarc, Policies, Policy, Psd};
use crate::report::LookupId;
use crate::untrusted::lossless;

/// A name with this many labels or more is cut to [`CUT_TO`] after the first query, so that nobody can make a receiver
/// walk a hundred labels (RFC 9989 §4.10).
const LONG: usize = 8;
const CUT_TO: usize = 7;

/// The domains whose `_dmarc` a walk from `name` asks, in order.
pub fn walk_names(name: &Name) -> Vec<Name> {
    let mut names = vec![name.clone()];
    let mut labels = name.label_count();
    while labels > 1 {
        labels = if labels >= LONG { CUT_TO } else { labels - 1 };
        names.push(name.suffix(labels));
    }
    names
}

/// One step of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct WalkStep {
    /// The domain; `_dmarc` below it was asked.
    pub name: Name,
    /// How the look-up ended.
    pub outcome: Outcome,
    /// Every TXT record there, as text.
    pub texts: Vec<String>,
    /// How many of them are DMARC records; more than one are all discarded.
    pub count: usize,
    /// The one DMARC record.
    pub record: Option<Dmarc>,
    /// Its TTL in seconds.
    pub ttl: Option<u32>,
    /// Where the CNAMEs at `_dmarc` led, if there were any: somebody else keeps the record.
    pub delegated: Option<Name>,
    /// The lookup; `None` when `_dmarc` below the name would be longer than DNS allows.
    pub lookup: Option<LookupId>,
}

impl WalkStep {
    fn stops(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.psd != Psd::Unsaid)
    }

    /// Why we could not look here, if so.
    pub fn failure(&self) -> Option<&Outcome> {
        match self.outcome {
            Outcome::Answer | Outcome::NoData | Outcome::NoSuchName => None,
            Outcome::ServerFailure
            | Outcome::Refused
            | Outcome::TimedOut
            | Outcome::Malformed(_)
            | Outcome::Failed(_) => Some(&self.outcome),
        }
    }
}

/// Walks from `name` up to the first record with `psd=y` or `psd=n`, or to the single label.
pub fn walk(name: &Name, seen: &Seen<'_>) -> Result<Vec<WalkStep>, Wait> {
    let names = walk_names(name);
    // Ask everything first; then judge in order, so that a step after the stop is not waited for.
    let asked: Vec<_> = names
        .into_iter()
        .map(|name| {
            let answer = name.below("_dmarc").ok().map(|at| seen.dns(&at, Kind::Txt));
            (name, answer)
        })
        .collect();
    let mut steps = Vec::new();
    for (name, answer) in asked {
        let step = match answer.transpose()? {
            Some(answer) => step(name, answer.id, answer.answer),
            None => WalkStep {
                name,
                outcome: Outcome::NoSuchName,
                texts: Vec::new(),
                count: 0,
                record: None,
                ttl: None,
                delegated: None,
                lookup: None,
            },
        };
        let stops = step.stops();
        steps.push(step);
        if stops {
            break;
        }
    }
    Ok(steps)
}

fn step(name: Name, lookup: LookupId, answer: &crate::check::DnsAnswer) -> WalkStep {
    let outcome = match answer.look() {
        Look::Found(_) => Outcome::Answer,
        Look::Absent(Absence::NoData) => Outcome::NoData,
        Look::Absent(Absence::NoSuchName) => Outcome::NoSuchName,
        Look::Unknown(outcome) => outcome.clone(),
    };
    let texts: Vec<String> = answer.texts().map(|text| lossless(&text).into_owned()).collect();
    let mut records: Vec<Dmarc> = texts.iter().filter_map(|text| Dmarc::parse(text)).collect();
    let count = records.len();
    let record = if count == 1 { records.pop() } else { None };
    let delegated = answer.aliases.iter().rev().find_map(|alias| match &alias.data {
        Data::Cname(target) => Some(target.clone()),
        _ => None,
    });
    WalkStep { name, outcome, texts, count, record, ttl: answer.ttl, delegated, lookup: Some(lookup) }
}

/// The Organizational Domain that a walk found, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Organizational {
    /// The Organizational Domain.
    Domain(Name),
    /// A step of the walk that could have changed it failed.
    Unknown(Outcome),
}

impl Organizational {
    /// The domain, if it is known.
    pub fn domain(&self) -> Option<&Name> {
        match self {
            Organizational::Domain(name) => Some(name),
            Organizational::Unknown(_) => None,
        }
    }
}

/// RFC 9989 §4.10.2, on the steps of one walk. A failed step decides nothing only if `psd=n`, or `psd=y` right above, was
/// found before it; everywhere else a record there could have been the one with the fewest labels.
fn organizational(start: &Name, steps: &[WalkStep]) -> Organizational {
    let found = || steps.iter().filter_map(|step| step.record.as_ref().map(|record| (&step.name, record.psd)));
    if let Some((name, _)) = found().find(|(_, psd)| *psd == Psd::No) {
        return Organizational::Domain(name.clone());
    }
    if let Some((suffix, _)) = found().find(|(name, psd)| *psd == Psd::Yes && *name != start) {
        return Organizational::Domain(start.suffix(suffix.label_count() + 1));
    }
    if let Some(failure) = steps.iter().find_map(WalkStep::failure) {
        return Organizational::Unknown(failure.clone());
    }
    let fewest = found().min_by_key(|(name, _)| name.label_count()).map(|(name, _)| name.clone());
    Organizational::Domain(fewest.unwrap_or_else(|| start.clone()))
}

/// The Organizational Domain of any name: what alignment compares (each identifier needs its own walk). One round.
pub fn organizational_domain(name: &Name, seen: &Seen<'_>) -> Result<Organizational, Wait> {
    Ok(organizational(name, &walk(name, seen)?))
}

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

/// The Organizational Domains of several identifiers, all asked in one round.
pub fn organizational_domains(names: &[Name], seen: &Seen<'_>) -> Result<Vec<Organizational>, Wait> {
    all(names, |name| organizational_domain(name, seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::world::World;
    use time::OffsetDateTime;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    fn found(author: &str, world: &str) -> Discovery {
        let world = World::parse(world).unwrap();
        let (discovery, depth, _) = world.ask(OffsetDateTime::UNIX_EPOCH, |seen| discover(&name(author), seen));
        assert_eq!(depth, 1, "a walk is one round");
        discovery
    }

    fn org(start: &str, world: &str) -> Organizational {
        let world = World::parse(world).unwrap();
        world.ask(OffsetDateTime::UNIX_EPOCH, |seen| organizational_domain(&name(start), seen)).0
    }

    fn policy(author: &str, world: &str) -> Option<&'static str> {
        found(author, world).effective_policy.map(Policy::as_str)
    }

    #[test]
    fn the_walk_jumps_to_seven_labels_and_ends_at_the_single_label() {
        let names = |text: &str| walk_names(&name(text)).iter().map(Name::to_string).collect::<Vec<_>>();
        assert_eq!(names("a.example.com"), ["a.example.com", "example.com", "com"]);
        assert_eq!(names("com"), ["com"]);
        assert_eq!(names("1.2.3.4.5.6.com").len(), 7);
        assert_eq!(names("0.1.2.3.4.5.6.com").get(1).unwrap(), "1.2.3.4.5.6.com");
        let long = names("a.b.c.d.e.f.g.h.i.j.mail.example.com");
        assert_eq!(long.get(..2).unwrap(), ["a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com"]);
        assert_eq!(long.len(), 8);
    }

    #[test]
    fn the_authors_own_record_uses_p_even_for_a_subdomain() {
        let found = found(
            "a.example.com",
            "
            _dmarc.a.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"
            _dmarc.example.com TXT \"v=DMARC1; p=reject\"",
        );
        assert_eq!((found.policy, found.role), (Some(Policy::None), Some(Role::Author)));
        assert_eq!(found.organizational_domain(), Some(&name("example.com")));
    }

    #[test]
    fn sp_is_for_subdomains_that_exist_and_np_for_nxdomain_only() {
        let world = "
            _dmarc.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"
            with.example.com A 192.0.2.1
            lost.example.com CNAME gone.example.net
            mute.example.com EMPTY";
        assert_eq!(policy("example.com", world), Some("none"));
        assert_eq!(policy("with.example.com", world), Some("quarantine"));
        assert_eq!(policy("mute.example.com", world), Some("quarantine"), "NODATA is existence");
        assert_eq!(policy("lost.example.com", world), Some("quarantine"), "a CNAME that leads nowhere is there");
        assert_eq!(policy("GONE.Example.com", world), Some("reject"), "and case is nothing");
    }

    #[test]
    fn np_falls_back_to_sp_and_sp_to_p() {
        let of = |record: &str| {
            let world = format!("_dmarc.example.com TXT \"v=DMARC1; {record}\"\nwith.example.com A 192.0.2.1");
            (policy("with.example.com", &world), policy("gone.example.com", &world))
        };
        assert_eq!(of("p=reject"), (Some("reject"), Some("reject")));
        assert_eq!(of("p=reject; sp=none"), (Some("none"), Some("none")));
        assert_eq!(of("p=reject; np=none"), (Some("reject"), Some("none")));
    }

    #[test]
    fn a_broken_policy_tag_makes_the_whole_record_none_with_rua_and_nothing_without() {
        for broken in ["p=block", "sp=reject", "p=reject; sp=block", "p=reject; np="] {
            let with = format!("_dmarc.example.com TXT \"v=DMARC1; {broken}; rua=mailto:a@example.com\"");
            let without = format!("_dmarc.example.com TXT \"v=DMARC1; {broken}\"");
            let missing = format!("_dmarc.example.com TXT \"v=DMARC1; {broken}; rua=a@example.com\"");
            assert_eq!(policy("example.com", &with), Some("none"), "{broken}");
            assert_eq!(policy("example.com", &without), None, "{broken}");
            assert_eq!(policy("example.com", &missing), None, "an invalid rua does not help: {broken}");
            assert!(found("example.com", &without).is_none());
        }
        let world = "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=block; rua=mailto:a@example.com\"";
        assert_eq!(policy("gone.example.com", world), Some("none"), "the record as a whole");
    }

    #[test]
    fn several_records_at_one_step_are_all_discarded_and_the_walk_goes_on() {
        let found = found(
            "a.example.com",
            "
            _dmarc.a.example.com TXT \"v=DMARC1; p=none\"
            _dmarc.a.example.com TXT \"v=DMARC1; p=none\"
            _dmarc.example.com TXT \"v=DMARC1; p=reject\"
            _dmarc.example.com TXT \"v=spf1 -all\"",
        );
        assert_eq!(found.walk.first().map(|step| (step.count, step.record.is_some())), Some((2, false)));
        assert_eq!((found.policy, found.role), (Some(Policy::Reject), Some(Role::Organization)));
    }

    #[test]
    fn psd_n_is_the_organizational_domain_and_stops_the_walk() {
        let found = found(
            "a.b.example.com",
            "
            _dmarc.b.example.com TXT \"v=DMARC1; p=reject; psd=n\"
            _dmarc.example.com TXT \"v=DMARC1; p=none\"",
        );
        assert_eq!(found.organizational_domain(), Some(&name("b.example.com")));
        assert_eq!((found.walk.len(), found.policy), (2, Some(Policy::Reject)));
    }

    #[test]
    fn psd_y_above_makes_one_label_below_it_the_organizational_domain() {
        let world = "
            _dmarc.example TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; psd=y\"
            mail.giant.bank.example A 192.0.2.1
            _dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"";
        assert_eq!(org("mail.giant.bank.example", world), Organizational::Domain(name("giant.bank.example")));
        let found = found("mail.giant.bank.example", world);
        assert_eq!((found.role, found.policy), (Some(Role::Suffix), Some(Policy::Reject)));
        assert_eq!(found.policy_domain, Some(name("bank.example")));
        assert_eq!(found.walk.len(), 3, "psd=y stops the walk below .example");
    }

    #[test]
    fn psd_y_at_the_start_stops_the_walk_and_is_its_own_organizational_domain() {
        let found = found(
            "bank.example",
            "
            _dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"
            _dmarc.example TXT \"v=DMARC1; p=none\"",
        );
        assert_eq!(found.organizational_domain(), Some(&name("bank.example")));
        assert_eq!((found.role, found.walk.len()), (Some(Role::Author), 1));
    }

    #[test]
    fn without_psd_the_record_with_the_fewest_labels_wins_and_without_any_the_start() {
        let world = "
            _dmarc.b.example.com TXT \"v=DMARC1; p=none\"
            _dmarc.example.com TXT \"v=DMARC1; p=reject\"";
        assert_eq!(org("a.b.example.com", world), Organizational::Domain(name("example.com")));
        assert_eq!(policy("a.b.example.com", world), Some("reject"), "the record between is passed over");
        assert_eq!(org("a.b.example.org", world), Organizational::Domain(name("a.b.example.org")));
        assert!(found("a.b.example.org", world).is_none());
    }

    #[test]
    fn a_stray_dmarc_text_at_a_parents_apex_is_not_in_the_walk() {
        let world = "
            example.com TXT \"v=DMARC1; p=none; psd=n\"
            a.example.com A 192.0.2.1
            _dmarc.com TXT \"v=DMARC1; p=reject; psd=y\"";
        let found = found("a.example.com", world);
        assert_eq!((found.role, found.organizational_domain()), (Some(Role::Suffix), Some(&name("example.com"))));
    }

    #[test]
    fn a_subdomain_of_a_name_with_its_own_record_is_under_the_organizations() {
        let found = found(
            "a.example.com",
            "
            _dmarc.a.example.com TXT \"v=DMARC1; p=none; sp=none\"
            _dmarc.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"",
        );
        let below = |existence| found.below(existence).and_then(|below| below.effective_policy);
        assert_eq!(below(Existence::Exists), Some(Policy::Quarantine));
        assert_eq!(below(Existence::NoSuchName), Some(Policy::Reject));
    }

    #[test]
    fn t_y_lowers_every_policy_by_one_step() {
        for (record, asked) in [("p=reject", "quarantine"), ("p=quarantine", "none"), ("p=none", "none")] {
            let world = format!("_dmarc.example.com TXT \"v=DMARC1; {record}; t=y\"");
            assert_eq!(policy("example.com", &world), Some(asked));
        }
    }

    #[test]
    fn a_failed_step_is_a_temporary_error_unless_it_cannot_change_the_policy() {
        for fault in ["!servfail", "!refused", "!timeout", "!malformed", "!failed"] {
            let own = found("example.com", &format!("_dmarc.example.com TXT {fault}"));
            assert!(own.temperror.is_some() && own.policy.is_none() && !own.is_none(), "{fault}");
            let above = found(
                "a.example.com",
                &format!(
                    "
                _dmarc.a.example.com TXT \"v=DMARC1; p=reject\"
                _dmarc.example.com TXT {fault}"
                ),
            );
            assert_eq!((above.policy, above.temperror), (Some(Policy::Reject), None), "{fault}");
            assert_eq!(above.organizational.domain(), None, "the organization is not known");
            let between = found("a.example.com", &format!("_dmarc.example.com TXT {fault}"));
            assert!(between.temperror.is_some(), "{fault}");
            let hidden = found(
                "a.example.com",
                &format!(
                    "
                _dmarc.example.com TXT \"v=DMARC1; p=reject\"
                _dmarc.com TXT {fault}"
                ),
            );
            assert!(hidden.temperror.is_some() && hidden.policy.is_none(), "a record at the TLD could win");
            let settled = found(
                "a.example.com",
                &format!(
                    "
                _dmarc.example.com TXT \"v=DMARC1; p=reject; psd=n\"
                _dmarc.com TXT {fault}"
                ),
            );
            assert_eq!((settled.policy, settled.temperror), (Some(Policy::Reject), None), "psd=n came first");
            let below_suffix = found(
                "a.bank.example",
                &format!(
                    "
                _dmarc.bank.example TXT {fault}
                _dmarc.example TXT \"v=DMARC1; p=reject; psd=y\""
                ),
            );
            assert!(below_suffix.temperror.is_some() && below_suffix.policy.is_none(), "{fault}");
        }
    }

    #[test]
    fn unknown_existence_matters_only_when_sp_and_np_differ() {
        let world = |tags: &str| format!("_dmarc.example.com TXT \"v=DMARC1; {tags}\"\na.example.com A !servfail");
        assert_eq!(policy("a.example.com", &world("p=reject")), Some("reject"));
        let differ = found("a.example.com", &world("p=reject; np=none"));
        assert_eq!((differ.policy, differ.temperror), (None, Some(Outcome::ServerFailure)));
    }

    #[test]
    fn an_organization_that_is_itself_a_public_suffix_of_the_list_is_found_by_records() {
        let world = "_dmarc.github.io TXT \"v=DMARC1; p=reject\"\ngithub.io A 192.0.2.1";
        let found = found("github.io", world);
        assert_eq!((found.role, found.organizational_domain()), (Some(Role::Author), Some(&name("github.io"))));
    }

    #[test]
    fn a_name_too_long_for_dmarc_below_it_is_a_step_without_a_question() {
        let long = format!("{}.{}.{}.{}.example.com", "a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(55));
        let found = found(&long, "_dmarc.example.com TXT \"v=DMARC1; p=reject\"");
        assert_eq!(found.walk.first().and_then(|step| step.lookup), None);
        assert_eq!(found.policy, Some(Policy::Reject));
    }
}

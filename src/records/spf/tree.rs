//! The budget of an SPF record without a message: the tree of everything that it includes and redirects to, the cost of
//! each node and the running total (RFC 7208 §4.6.4).
//!
//! It is the worst case of an evaluation, in which no term matches. A receiver stops at the eleventh look-up term; the
//! tree goes on and says so. What depends on a message (macros other than `%{d}`) is marked and never asked.

use std::net::IpAddr;

use crate::check::{Absence, Dns, Kind, Look, Outcome, Seen, Wait, all};
use crate::name::Name;
use crate::records::mx::MxSet;
use crate::records::spf::client::target_name;
use crate::records::spf::evaluate::{MAX_LOOKUPS, MAX_MX};
use crate::records::spf::macros::{DomainSpec, Values};
use crate::records::spf::parse::{DualCidr, Mechanism, Qualifier, Selection, SpfRecord, Term, TermKind};
use crate::report::LookupId;

/// After how many records a tree is given up: twenty times what an evaluation can reach.
const MAX_RECORDS: usize = 200;

/// An SPF record with everything below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The domain's own record.
    pub root: Node,
    /// Look-up terms that an evaluation reaches when nothing matches; it goes on past ten.
    pub lookups: u32,
    /// Terms whose look-up finds nothing for any client.
    pub void_lookups: u32,
    /// The same for clients that connect over IPv6, which find nothing at a name with IPv4 addresses only.
    pub void_lookups_v6: u32,
    /// Bytes of all records that the tree holds.
    pub bytes: usize,
}

/// One domain of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The domain whose record it is; the domain-spec as published where no name can be made of it.
    pub domain: String,
    /// The same as a name, where it is one.
    pub name: Option<Name>,
    /// What was found there.
    pub found: Found,
    /// The lookup that showed it.
    pub lookup: Option<LookupId>,
    /// The record's TTL in seconds.
    pub ttl: Option<u32>,
    /// The terms of the record, in order.
    pub terms: Vec<TermNode>,
}

/// What a domain of the tree publishes.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// One SPF record.
    Record(SpfRecord),
    /// The domain exists and publishes none.
    NoRecord,
    /// The domain does not exist.
    NoSuchName,
    /// More than one.
    Several(Vec<String>),
    /// We could not look.
    Unknown(Outcome),
    /// The target is no name that DNS can carry.
    NotADomain,
    /// The target holds macros that only a message fills.
    NeedsMessage,
    /// The target stands above in the tree: an endless loop, which receivers end with a permerror.
    Loop,
    /// The tree is too large; it was not followed here.
    GivenUp,
}

/// One term of a record in the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct TermNode {
    /// The term.
    pub term: Term,
    /// Look-ups that it costs by itself: 0 or 1.
    pub cost: u32,
    /// Look-ups with everything below it.
    pub total: u32,
    /// Look-ups of the whole evaluation when this term and all below it are done.
    pub running: u32,
    /// Whether an evaluation can reach it.
    pub reach: Reach,
    /// What its own look-up finds.
    pub own: Own,
    /// Addresses that it matches, as far as they are known without a message.
    pub networks: Vec<Network>,
    /// The lookups that were read for it alone.
    pub lookups: Vec<LookupId>,
    /// The record that an `include` or `redirect` leads to.
    pub child: Option<Box<Node>>,
    /// The same target was already included before, in another branch.
    pub repeated: bool,
    /// An earlier term already matches all of its addresses.
    pub shadowed_by: Option<String>,
}

/// Whether an evaluation can reach a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can.
    Reached,
    /// It stands after an `all`, which always matches.
    AfterAll,
    /// A `redirect` beside an `all` is ignored (§6.1).
    Ignored,
}

/// What the own look-up of a term finds.
#[derive(Clone, Debug, PartialEq)]
pub enum Own {
    /// It has none.
    Nothing,
    /// Something is there.
    Present,
    /// Nothing for anybody: a void look-up.
    Void(Absence),
    /// Something for one family only; for clients of the other it is void.
    OneFamily {
        /// The family that is there: `Kind::A` or `Kind::Aaaa`.
        present: Kind,
    },
    /// More MX names than an evaluation allows.
    TooManyMx(usize),
    /// We could not look.
    Unknown(Outcome),
    /// It depends on the message.
    NeedsMessage,
    /// No query can be made of its target.
    NotADomain,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its first address, or any inside.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Whether every address of `other` lies in it.
    pub fn covers(&self, other: &Network) -> bool {
        self.prefix <= other.prefix && super::mechanisms::within(other.address, self.address, self.prefix)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (family, whole) = if self.address.is_ipv4() { ("ip4", 32) } else { ("ip6", 128) };
        write!(f, "{family}:{}", self.address)?;
        if self.prefix == whole { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// Sums of a tree, or of what would be left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Look-up terms.
    pub lookups: u32,
    /// Void look-ups.
    pub void_lookups: u32,
    /// Bytes of all records.
    pub bytes: usize,
}

/// Builds the tree of `domain`, asking all branches of a level at once; its depth is the nesting of the includes, plus the
/// hosts of an `mx`.
pub fn spf_tree(domain: &Name, seen: &Seen<'_>) -> Result<Tree, Wait> {
    let mut builder = Builder { seen, records: 0, targets: Vec::new() };
    let root = builder.node(domain.as_str(), Some(domain.clone()), &mut Vec::new())?;
    Ok(Tree::of(root))
}

impl Tree {
    /// The tree of a record that is not published: what-if, lint and suggestions.
    pub fn of_text(domain: &Name, text: &str, seen: &Seen<'_>) -> Result<Tree, Wait> {
        let mut builder = Builder { seen, records: 1, targets: Vec::new() };
        let record = SpfRecord::parse(text);
        let terms = builder.terms(&record, domain, &mut vec![domain.clone()])?;
        Ok(Tree::of(Node {
            domain: domain.to_string(),
            name: Some(domain.clone()),
            found: Found::Record(record),
            lookup: None,
            ttl: None,
            terms,
        }))
    }

    fn of(mut root: Node) -> Tree {
        let mut running = 0;
        number(&mut root, &mut running);
        shade(&mut root, &mut Vec::new(), true);
        let totals = totals(&root, None);
        let void_lookups_v6 =
            reached(&root).filter(|term| matches!(term.own, Own::Void(_) | Own::OneFamily { present: Kind::A }));
        let void_lookups_v6 = u32::try_from(void_lookups_v6.count()).unwrap_or(u32::MAX);
        Tree { lookups: totals.lookups, void_lookups: totals.void_lookups, void_lookups_v6, bytes: totals.bytes, root }
    }

    /// What would be left without one term and all below it. `path` is the term's index in each record from the root on:
    /// `[2, 0]` is the first term of what the root's third term includes.
    pub fn without(&self, path: &[usize]) -> Totals {
        totals(&self.root, Some(path))
    }

    /// Whether an evaluation in which nothing matches would end as a permerror by the limits.
    pub fn is_over_limit(&self) -> bool {
        self.lookups > MAX_LOOKUPS
    }

    /// Every term of the tree that an evaluation can reach, in its order.
    pub fn reached(&self) -> impl Iterator<Item = &TermNode> {
        reached(&self.root)
    }
}

impl Node {
    /// The record, where there is exactly one.
    pub fn record(&self) -> Option<&SpfRecord> {
        match &self.found {
            Found::Record(record) => Some(record),
            _ => None,
        }
    }

    /// What holds for everybody that no term matched: the own `all`, else the one that a `redirect` leads to.
    pub fn default_result(&self) -> Option<Qualifier> {
        self.record().and_then(SpfRecord::all).map(|(_, qualifier)| qualifier).or_else(|| {
            let redirect = self.terms.iter().find(|term| matches!(term.term.kind, TermKind::Redirect(_)))?;
            redirect.child.as_ref()?.default_result()
        })
    }
}

struct Builder<'a, 'e> {
    seen: &'a Seen<'e>,
    records: usize,
    /// Targets that were followed before, to tell repetitions.
    targets: Vec<Name>,
}

impl Builder<'_, '_> {
    fn node(&mut self, domain: &str, name: Option<Name>, above: &mut Vec<Name>) -> Result<Node, Wait> {
        let mut node = Node {
            domain: domain.to_owned(),
            name: name.clone(),
            found: Found::NotADomain,
            lookup: None,
            ttl: None,
            terms: Vec::new(),
        };
        let Some(name) = name else { return Ok(node) };
        if above.contains(&name) {
            node.found = Found::Loop;
            return Ok(node);
        }
        if self.records >= MAX_RECORDS {
            node.found = Found::GivenUp;
            return Ok(node);
        }
        self.records += 1;
        let txt = self.seen.dns(&name, Kind::Txt)?;
        node.lookup = Some(txt.id);
        (node.found, node.ttl) = found(&txt);
        if let Found::Record(record) = &node.found {
            above.push(name.clone());
            let terms = self.terms(record, &name, above);
            above.pop();
            node.terms = terms?;
        }
        Ok(node)
    }

    fn terms(&mut self, record: &SpfRecord, domain: &Name, above: &mut Vec<Name>) -> Result<Vec<TermNode>, Wait> {
        let all_at = record.all().map_or(usize::MAX, |(at, _)| at);
        let terms: Vec<(usize, &Term)> = record.terms.iter().enumerate().collect();
        all(terms, |(at, term)| {
            let reach = match &term.kind {
                TermKind::Directive { .. } if at > all_at => Reach::AfterAll,
                TermKind::Redirect(_) if all_at != usize::MAX => Reach::Ignored,
                _ => Reach::Reached,
            };
            let mut node = TermNode {
                term: term.clone(),
                cost: u32::from(term.kind.is_lookup()),
                total: 0,
                running: 0,
                reach,
                own: Own::Nothing,
                networks: Vec::new(),
                lookups: Vec::new(),
                child: None,
                repeated: false,
                shadowed_by: None,
            };
            if reach == Reach::Reached {
                self.look(&mut node, domain, above)?;
            }
            Ok(node)
        })
    }

    fn look(&mut self, node: &mut TermNode, domain: &Name, above: &mut Vec<Name>) -> Result<(), Wait> {
        let kind = node.term.kind.clone();
        match &kind {
            TermKind::Redirect(spec) | TermKind::Directive { mechanism: Mechanism::Include(spec), .. } => {
                node.child = Some(Box::new(self.follow(node, spec, domain, above)?));
            }
            TermKind::Directive { mechanism, .. } => match mechanism {
                Mechanism::All | Mechanism::Include(_) => {}
                Mechanism::Ip4(address, prefix) => {
                    node.networks.push(Network { address: IpAddr::V4(*address), prefix: *prefix });
                }
                Mechanism::Ip6(address, prefix) => {
                    node.networks.push(Network { address: IpAddr::V6(*address), prefix: *prefix });
                }
                Mechanism::Ptr(_) => node.own = Own::NeedsMessage,
                Mechanism::A(spec, cidr) => match target(spec.as_ref(), domain) {
                    Ok(name) => (node.own, node.networks) = self.addresses(&name, *cidr, &mut node.lookups)?,
                    Err(own) => node.own = own,
                },
                Mechanism::Mx(spec, cidr) => match target(spec.as_ref(), domain) {
                    Ok(name) => (node.own, node.networks) = self.mx(&name, *cidr, &mut node.lookups)?,
                    Err(own) => node.own = own,
                },
                Mechanism::Exists(spec) => match target(Some(spec), domain) {
                    Ok(name) => {
                        let answer = self.seen.dns(&name, Kind::A)?;
                        node.lookups.push(answer.id);
                        node.own = own(&answer);
                    }
                    Err(own) => node.own = own,
                },
            },
            TermKind::Exp(_) | TermKind::Other { .. } | TermKind::Invalid(_) => {}
        }
        Ok(())
    }

    fn follow(
        &mut self,
        node: &mut TermNode,
        spec: &DomainSpec,
        domain: &Name,
        above: &mut Vec<Name>,
    ) -> Result<Node, Wait> {
        if spec.text().needs_message() {
            let found = Found::NeedsMessage;
            let domain = spec.as_str().to_owned();
            return Ok(Node { domain, name: None, found, lookup: None, ttl: None, terms: Vec::new() });
        }
        let text = spec.text().expand(&values(domain));
        let name = target_name(&text);
        if let Some(name) = &name {
            node.repeated = self.targets.contains(name);
            self.targets.push(name.clone());
        }
        self.node(text.strip_suffix('.').unwrap_or(&text), name, above)
    }

    fn addresses(&self, name: &Name, cidr: DualCidr, read: &mut Vec<LookupId>) -> Result<(Own, Vec<Network>), Wait> {
        let (v4, v6) = (self.seen.dns(name, Kind::A), self.seen.dns(name, Kind::Aaaa));
        let (v4, v6) = (v4?, v6?);
        read.extend([v4.id, v6.id]);
        let networks = v4.addresses().chain(v6.addresses()).map(|address| cidr.of(address)).collect();
        let own = match (own(&v4), own(&v6)) {
            (Own::Void(absence), Own::Void(_)) => Own::Void(absence),
            (Own::Present, Own::Void(_)) => Own::OneFamily { present: Kind::A },
            (Own::Void(_), Own::Present) => Own::OneFamily { present: Kind::Aaaa },
            (unknown @ Own::Unknown(_), _) | (_, unknown @ Own::Unknown(_)) => unknown,
            (first, _) => first,
        };
        Ok((own, networks))
    }

    fn mx(&self, name: &Name, cidr: DualCidr, read: &mut Vec<LookupId>) -> Result<(Own, Vec<Network>), Wait> {
        let answer = self.seen.dns(name, Kind::Mx)?;
        read.push(answer.id);
        let own = own(&answer);
        if own != Own::Present {
            return Ok((own, Vec::new()));
        }
        if answer.records.len() > MAX_MX {
            return Ok((Own::TooManyMx(answer.records.len()), Vec::new()));
        }
        let hosts = MxSet::read(name, &answer).hosts;
        let found = all(&hosts, |host| self.addresses(&host.name, cidr, read))?;
        let failed = found.iter().find(|(own, _)| matches!(own, Own::Unknown(_))).map(|(own, _)| own.clone());
        Ok((failed.unwrap_or(own), found.into_iter().flat_map(|(_, networks)| networks).collect()))
    }
}

impl DualCidr {
    fn of(self, address: IpAddr) -> Network {
        Network { address, prefix: if address.is_ipv4() { self.v4 } else { self.v6 } }
    }
}

fn own(answer: &Dns<'_>) -> Own {
    match answer.look() {
        Look::Found(_) => Own::Present,
        Look::Absent(absence) => Own::Void(absence),
        Look::Unknown(outcome) => Own::Unknown(outcome.clone()),
    }
}

fn found(txt: &Dns<'_>) -> (Found, Option<u32>) {
    match txt.look() {
        Look::Unknown(outcome) => return (Found::Unknown(outcome.clone()), None),
        Look::Absent(Absence::NoSuchName) => return (Found::NoSuchName, None),
        Look::Absent(Absence::NoData) => return (Found::NoRecord, None),
        Look::Found(_) => {}
    }
    let mut selection = Selection::of(txt);
    let ttl = txt.records.first().map(|record| record.ttl);
    match selection.records.len() {
        0 => (Found::NoRecord, ttl),
        1 => (Found::Record(SpfRecord::parse(&selection.records.remove(0))), ttl),
        _ => (Found::Several(selection.records), ttl),
    }
}

/// The name that a term asks for, or why there is none without a message.
fn target(spec: Option<&DomainSpec>, domain: &Name) -> Result<Name, Own> {
    match spec {
        None => Ok(domain.clone()),
        Some(spec) if spec.text().needs_message() => Err(Own::NeedsMessage),
        Some(spec) => spec.name(&values(domain)).ok_or(Own::NotADomain),
    }
}

/// `%{d}` is all that is known without a message.
fn values(domain: &Name) -> Values<'_> {
    Values {
        local: "",
        sender_domain: "",
        domain: domain.as_str(),
        ip: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        helo: "",
        validated: "",
        receiver: "",
        timestamp: 0,
    }
}

/// Fills in totals and running sums, in the order of evaluation: terms first, `redirect` last.
fn number(node: &mut Node, running: &mut u32) {
    for redirects in [false, true] {
        for term in &mut node.terms {
            if matches!(term.term.kind, TermKind::Redirect(_)) != redirects {
                continue;
            }
            let before = *running;
            if term.reach == Reach::Reached {
                *running += term.cost;
                if let Some(child) = &mut term.child {
                    number(child, running);
                }
            }
            (term.total, term.running) = (*running - before, *running);
        }
    }
}

/// Marks terms whose addresses an earlier passing term has matched already. Only where both pass on every way up is the
/// later one without effect.
fn shade(node: &mut Node, earlier: &mut Vec<(Network, String)>, passes: bool) {
    for term in &mut node.terms {
        if term.reach != Reach::Reached {
            continue;
        }
        let passing = match &term.term.kind {
            TermKind::Directive { qualifier, .. } => passes && *qualifier == Qualifier::Pass,
            TermKind::Redirect(_) => passes,
            TermKind::Exp(_) | TermKind::Other { .. } | TermKind::Invalid(_) => false,
        };
        if passing && !term.networks.is_empty() {
            let cover = |network: &Network| earlier.iter().find(|(wide, _)| wide.covers(network));
            if term.networks.iter().all(|network| cover(network).is_some()) {
                term.shadowed_by = term.networks.first().and_then(cover).map(|(_, text)| text.clone());
            }
            earlier.extend(term.networks.iter().map(|network| (*network, term.term.text.clone())));
        }
        if let Some(child) = &mut term.child {
            shade(child, earlier, passing);
        }
    }
}

fn totals(node: &Node, skip: Option<&[usize]>) -> Totals {
    let mut sum = Totals { bytes: node.record().map_or(0, |record| record.text.len()), ..Totals::default() };
    for (at, term) in node.terms.iter().enumerate() {
        let below = match skip {
            Some([only]) if *only == at => {
                sum.bytes = sum.bytes.saturating_sub(term.term.text.len() + 1);
                continue;
            }
            Some([first, rest @ ..]) if *first == at => Some(rest),
            _ => None,
        };
        if term.reach != Reach::Reached {
            continue;
        }
        sum.lookups += term.cost;
        let child_is_void = term.child.as_ref().is_some_and(|child| child.found == Found::NoSuchName);
        sum.void_lookups += u32::from(matches!(term.own, Own::Void(_)) || child_is_void);
        if let Some(child) = &term.child {
            let child = totals(child, below);
            sum.lookups += child.lookups;
            sum.void_lookups += child.void_lookups;
            sum.bytes += child.bytes;
        }
    }
    sum
}

fn reached(node: &Node) -> Box<dyn Iterator<Item = &TermNode> + '_> {
    Box::new(
        node.terms
            .iter()
            .filter(|term| term.reach == Reach::Reached)
            .flat_map(|term| std::iter::once(term).chain(term.child.iter().flat_map(|child| reached(child)))),
    )
}

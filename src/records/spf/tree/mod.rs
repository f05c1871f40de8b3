//! The budget of an SPF record without a message: the tree of everything that it includes and redirects to, the cost of
//! each node and the running total (RFC 7208 §4.6.4).
//!
//! It is the worst case of an evaluation, in which no term matches. A receiver stops at the eleventh look-up term; the
//! tree goes on and says so. What depends on a message (macros other than `%{d}`) is marked and never asked.

mod budget;
mod build;

use std::net::IpAddr;

use crate::check::{Absence, Kind, Outcome, Seen, Wait};
use crate::name::Name;
use crate::records::spf::evaluate::MAX_LOOKUPS;
use crate::records::spf::parse::{Qualifier, SpfRecord, Term, TermKind};
use crate::report::LookupId;

use budget::{number, reached, shade, totals};
use build::Builder;

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

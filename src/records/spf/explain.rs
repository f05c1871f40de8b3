//! An SPF record in plain words: one sentence a term, and the tree as the screen shows it. No judgement stands here; that is
//! [`super::findings`]' work.

use serde_json::{Value, json};

use crate::finding::Severity;
use crate::records::spf::evaluate::MAX_LOOKUPS;
use crate::records::spf::parse::{DualCidr, Mechanism, Qualifier, TermKind};
use crate::records::spf::tree::{Found, Node, Own, Reach, TermNode, Tree};
use crate::report::{Cell, Link, TreeNode};

/// What a term means, in a sentence.
pub fn explain(node: &TermNode, domain: &str) -> String {
    match &node.term.kind {
        TermKind::Invalid(problem) => format!("a syntax error: {problem}"),
        TermKind::Redirect(spec) => {
            format!("when nothing here matches, the record of {} decides instead", spec.as_str())
        }
        TermKind::Exp(spec) => format!("a text at {} explains a fail to the sender", spec.as_str()),
        TermKind::Other { name, .. } => match known_modifier(name) {
            Some(what) => format!("{what} (RFC 6652); it changes no result"),
            None => format!("{name} is no modifier of RFC 7208: receivers pass over it"),
        },
        TermKind::Directive { qualifier, mechanism } => {
            format!("{}: {}", result(*qualifier, mechanism), matches(mechanism, node, domain))
        }
    }
}

fn result(qualifier: Qualifier, mechanism: &Mechanism) -> &'static str {
    match (qualifier, mechanism) {
        (Qualifier::Pass, _) => "pass",
        (Qualifier::Fail, Mechanism::All) => "fail; whether that rejects the mail is the receiver's choice",
        (Qualifier::Fail, _) => "fail",
        (Qualifier::SoftFail, Mechanism::All) => "softfail, suspicious but not refused for this alone",
        (Qualifier::SoftFail, _) => "softfail",
        (Qualifier::Neutral, _) => "neutral, as if nothing were said",
    }
}

fn matches(mechanism: &Mechanism, node: &TermNode, domain: &str) -> String {
    let target = mechanism.domain().map_or(domain, |spec| spec.as_str());
    match mechanism {
        Mechanism::All => "everybody whom no term before it matched".to_owned(),
        Mechanism::Include(_) => format!("a client that the record of {target} passes"),
        Mechanism::A(_, cidr) => {
            let near = nearby(*cidr);
            format!("a client that connects from {near}an address (A or AAAA) of {target}{}", found(node))
        }
        Mechanism::Mx(_, cidr) => {
            let near = nearby(*cidr);
            format!("a client that connects from {near}an address of a mail server (MX) of {target}{}", found(node))
        }
        Mechanism::Ptr(_) => format!("a client whose reverse name lies below {target} and leads back to it"),
        Mechanism::Ip4(address, 32) => format!("the client {address}"),
        Mechanism::Ip6(address, 128) => format!("the client {address}"),
        Mechanism::Ip4(address, prefix) => {
            let count = 1u64 << (32 - u32::from((*prefix).min(32)));
            format!("{count} addresses, {address}/{prefix}")
        }
        Mechanism::Ip6(address, prefix) => format!("the network {address}/{prefix}"),
        Mechanism::Exists(_) => format!("every client for which {target} has an A record"),
    }
}

fn nearby(cidr: DualCidr) -> &'static str {
    if cidr == DualCidr::default() { "" } else { "the network of " }
}

fn found(node: &TermNode) -> String {
    match &node.own {
        Own::Present | Own::OneFamily { .. } if !node.networks.is_empty() => {
            let shown: Vec<String> = node.networks.iter().take(3).map(|network| network.address.to_string()).collect();
            let more = node.networks.len().saturating_sub(shown.len());
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!(", now {}{more}", shown.join(", "))
        }
        Own::Void(_) => ", and there is none: a void look-up".to_owned(),
        Own::NeedsMessage => "; which one, only a message tells".to_owned(),
        Own::Unknown(outcome) => format!("; we could not look: {outcome}"),
        Own::TooManyMx(count) => format!("; it has {count} MX names, more than the 10 that are allowed"),
        Own::NotADomain => ", which is no name that DNS can carry".to_owned(),
        Own::Nothing | Own::Present | Own::OneFamily { .. } => String::new(),
    }
}

/// The modifiers of RFC 6652, which say where to send failure reports.
pub(super) fn known_modifier(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "ra" => Some("where reports of failures go"),
        "rp" => Some("what share of failures is reported"),
        "rr" => Some("which failures are reported"),
        _ => None,
    }
}

/// The budget tree as the screen shows it: each term, what it costs with all below it, and the running total.
pub fn tree_block(tree: &Tree) -> TreeNode {
    let mut root = TreeNode { text: Cell::from(tree.root.domain.clone()), ..TreeNode::default() };
    root.right = format!("{}/{MAX_LOOKUPS} look-ups, {}/2 void", tree.lookups, tree.void_lookups);
    root.children = tree.root.terms.iter().map(term_block).collect();
    root
}

fn term_block(node: &TermNode) -> TreeNode {
    let mut text = Cell::from(node.term.text.clone());
    let mut right = match (node.reach, node.cost) {
        (Reach::AfterAll, _) => "after all: never reached".to_owned(),
        (Reach::Ignored, _) => "ignored beside all".to_owned(),
        (Reach::Reached, 0) => String::new(),
        (Reach::Reached, _) => format!("+{} = {}/{MAX_LOOKUPS}", node.total, node.running),
    };
    let mut note = |said: &str| {
        if !right.is_empty() {
            right.push_str("  ");
        }
        right.push_str(said);
    };
    match &node.own {
        Own::Void(_) => note("void"),
        Own::NeedsMessage => note("cannot be resolved without a message"),
        Own::Unknown(_) => note("could not look"),
        Own::TooManyMx(count) => note(&format!("{count} MX names")),
        Own::NotADomain => note("no name DNS can carry"),
        Own::Nothing | Own::Present | Own::OneFamily { .. } => {}
    }
    if let Some(child) = &node.child {
        match &child.found {
            Found::Record(_) => {}
            Found::NoRecord => note("no SPF record there"),
            Found::NoSuchName => note("that domain does not exist"),
            Found::Several(records) => note(&format!("{} SPF records there", records.len())),
            Found::Unknown(_) => note("could not look"),
            Found::NotADomain => note("no name DNS can carry"),
            Found::NeedsMessage => note("cannot be resolved without a message"),
            Found::Loop => note("a loop"),
            Found::GivenUp => note("too many records: given up here"),
        }
        if let Some(name) = &child.name {
            text = text.linked(Link::Domain(name.clone()));
        }
    }
    if node.repeated {
        note("included before");
    }
    if let Some(wider) = &node.shadowed_by {
        note(&format!("covered by {wider}"));
    }
    if node.reach != Reach::Reached {
        text = text.dimmed();
    } else if node.cost > 0 && node.running > MAX_LOOKUPS {
        text = text.judged(Severity::Error);
    }
    let children = node.child.as_ref().map(|child| child.terms.iter().map(term_block).collect()).unwrap_or_default();
    TreeNode { text, right, children }
}

/// The fact `tree`: nested `term`, `cost`, `record`, `children`.
pub fn tree_fact(tree: &Tree) -> Value {
    json!({
        "term": tree.root.domain,
        "cost": 0,
        "total": tree.lookups,
        "record": tree.root.record().map(|record| record.text.clone()),
        "children": tree.root.terms.iter().map(term_fact).collect::<Vec<_>>(),
    })
}

fn term_fact(node: &TermNode) -> Value {
    let child = node.child.as_deref();
    json!({
        "term": node.term.text,
        "cost": if node.reach == Reach::Reached { node.cost } else { 0 },
        "total": node.total,
        "running": node.running,
        "reached": node.reach == Reach::Reached,
        "void": matches!(node.own, Own::Void(_)) || child.is_some_and(|child| child.found == Found::NoSuchName),
        "domain": child.map(|child: &Node| child.domain.clone()),
        "record": child.and_then(Node::record).map(|record| record.text.clone()),
        "children": child.map(|child| child.terms.iter().map(term_fact).collect::<Vec<_>>()).unwrap_or_default(),
    })
}

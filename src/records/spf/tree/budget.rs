//! What the nodes of a tree cost: running totals, voids, and the terms that a receiver reaches.

use super::{Found, Network, Node, Own, Reach, TermNode, Totals};
use crate::records::spf::parse::{Qualifier, TermKind};

/// Fills in totals and running sums, in the order of evaluation: terms first, `redirect` last.
pub(super) fn number(node: &mut Node, running: &mut u32) {
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
/// later one without effect. Behind a term that fails or is neutral a pass may not be reached (an included record that
/// fails does not match), so nothing behind one counts.
pub(super) fn shade(node: &mut Node, earlier: &mut Vec<(Network, String)>, passes: bool) {
    let is_redirect = |term: &TermNode| matches!(term.term.kind, TermKind::Redirect(_));
    let mut is_open = passes;
    // `redirect` is evaluated last, wherever it stands (§6.1).
    let (redirects, terms): (Vec<_>, Vec<_>) = node.terms.iter_mut().partition(|term| is_redirect(term));
    for term in terms.into_iter().chain(redirects) {
        if term.reach != Reach::Reached {
            continue;
        }
        let passing = match &term.term.kind {
            TermKind::Directive { qualifier: Qualifier::Pass, .. } | TermKind::Redirect(_) => is_open,
            TermKind::Directive { .. } => {
                is_open = false;
                false
            }
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

pub(super) fn totals(node: &Node, skip: Option<&[usize]>) -> Totals {
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

pub(super) fn reached(node: &Node) -> Box<dyn Iterator<Item = &TermNode> + '_> {
    Box::new(
        node.terms
            .iter()
            .filter(|term| term.reach == Reach::Reached)
            .flat_map(|term| std::iter::once(term).chain(term.child.iter().flat_map(|child| reached(child)))),
    )
}

//! A record over the limit of ten look-ups, brought back below it.

use crate::finding::Suggestion;
use crate::name::Name;
use crate::records::Domain;
use crate::records::spf::evaluate::MAX_LOOKUPS;
use crate::records::spf::parse::{Mechanism, Qualifier, TermKind};
use crate::records::spf::suggest::repair::Repair;
use crate::records::spf::suggest::txt;
use crate::records::spf::tree::{Network, Node, Own, Reach, TermNode, Tree};

/// The record with its costliest includes replaced by the addresses that they stand for today, until ten look-ups are enough.
/// What would be too long for one answer over UDP goes into records of its own, which are to be published first.
pub(super) fn flattened(domain: &Domain, text: &str, (tree, repair): (&Tree, &Repair), done: usize) -> Vec<Suggestion> {
    if tree.lookups <= MAX_LOOKUPS || tree.root.record().is_none_or(|record| record.problem().is_some()) {
        return Vec::new();
    }
    let stays = |at: usize| repair.terms.iter().any(|(other, _)| *other == Some(at));
    let nodes = || tree.root.terms.iter().enumerate();
    let dropped: u32 = nodes().filter(|(at, _)| !stays(*at)).map(|(_, node)| node.total).sum();
    let mut left = tree.lookups.saturating_sub(dropped);
    if left <= MAX_LOOKUPS {
        return Vec::new();
    }
    let before = left;
    let mut candidates: Vec<(usize, u32, Vec<Network>)> = nodes()
        .filter(|(at, _)| stays(*at))
        .filter_map(|(at, node)| Some((at, node.total, addresses(node)?)))
        .collect();
    // The most look-ups for the fewest addresses first.
    candidates.sort_by_key(|(_, total, networks)| (std::cmp::Reverse(*total), networks.len()));
    let mut replaced: Vec<(usize, Vec<Network>)> = Vec::new();
    let mut candidates = candidates.into_iter();
    loop {
        if left <= MAX_LOOKUPS {
            let parts = written(domain, repair, &replaced);
            let more = u32::try_from(parts.below.len()).unwrap_or(u32::MAX);
            if left.saturating_add(more) <= MAX_LOOKUPS {
                return proposed(domain, text, parts, (before, left + more), done);
            }
        }
        let Some((at, total, networks)) = candidates.next() else { return Vec::new() };
        left -= total;
        replaced.push((at, networks));
    }
}

/// A flattened record: its text, the records below it that hold the addresses where they are many, and what was replaced.
struct Parts {
    value: String,
    below: Vec<(Name, String)>,
    replaced: Vec<String>,
}

fn written(domain: &Domain, repair: &Repair, replaced: &[(usize, Vec<Network>)]) -> Parts {
    let of = |at: &Option<usize>| replaced.iter().find(|(other, _)| Some(*other) == *at).map(|(_, networks)| networks);
    let text = |networks: &[Network]| networks.iter().map(Network::to_string).collect::<Vec<_>>();
    let (mut inline, mut names, mut many) = (vec!["v=spf1".to_owned()], Vec::new(), Vec::new());
    for (at, term) in &repair.terms {
        match of(at) {
            Some(networks) => {
                names.push(format!("\"{term}\""));
                inline.extend(text(networks));
                many.extend(text(networks));
            }
            None => inline.push(term.clone()),
        }
    }
    let value = inline.join(" ");
    if value.len() <= MAX_TEXT {
        return Parts { value, below: Vec::new(), replaced: names };
    }
    let mut below: Vec<(Name, String)> = Vec::new();
    let mut full = true;
    for network in many {
        // " -all" goes behind.
        full |= below.last().is_none_or(|(_, value)| value.len() + 1 + network.len() + 5 > MAX_TEXT);
        if full {
            let Ok(name) = domain.name.below(&format!("_spf{}", below.len() + 1)) else { break };
            below.push((name, "v=spf1".to_owned()));
            full = false;
        }
        if let Some((_, value)) = below.last_mut() {
            value.push(' ');
            value.push_str(&network);
        }
    }
    below.iter_mut().for_each(|(_, value)| value.push_str(" -all"));
    let mut terms = vec!["v=spf1".to_owned()];
    let mut includes: Vec<String> = below.iter().map(|(name, _)| format!("include:{name}")).collect();
    for (at, term) in &repair.terms {
        match of(at) {
            // They all stand where the first of them stood.
            Some(_) => terms.append(&mut includes),
            None => terms.push(term.clone()),
        }
    }
    Parts { value: terms.join(" "), below, replaced: names }
}

fn proposed(domain: &Domain, text: &str, parts: Parts, (before, left): (u32, u32), done: usize) -> Vec<Suggestion> {
    let first = u32::try_from(done).unwrap_or(0) + 1;
    let mut all: Vec<Suggestion> = Vec::new();
    for (step, (name, value)) in (first..).zip(parts.below) {
        all.push(Suggestion {
            step,
            why: format!("The addresses behind {} today, in records short enough for every resolver. Publish them before the last step includes them.", parts.replaced.join(" and ")),
            risk: "None while no record includes it. If something stands at this name already, take another name, here and in the last step.".into(),
            undo: "Delete it, after the last step is undone.".into(),
            ..Suggestion::txt(&name, &domain.zone(), value)
        });
    }
    let last = first + u32::try_from(all.len()).unwrap_or(0);
    all.push(Suggestion {
        step: last,
        current: Some(text.to_owned()),
        why: format!(
            "{before} look-ups become {left}: {} replaced by the addresses behind it today. Better, where you can: remove includes of services \
             that you no longer use, or send them from a subdomain with a record of its own.",
            parts.replaced.join(" and "),
        ),
        risk: "These addresses belong to others, who change them without telling you: mail from a new one is then suspected. Compare \
               them every week, or do it by a program."
            .into(),
        undo: "Publish the old text again.".into(),
        ..txt(domain, parts.value)
    });
    all
}

/// A text longer than this does not fit into 512 bytes with the rest of an answer (RFC 7208 §3.4).
const MAX_TEXT: usize = 450;

/// The addresses that a term passes, when they are all known and nothing in it but passes and an `all` that does not.
fn addresses(node: &TermNode) -> Option<Vec<Network>> {
    let TermKind::Directive { qualifier: Qualifier::Pass, mechanism } = &node.term.kind else { return None };
    if node.reach != Reach::Reached || node.cost == 0 {
        return None;
    }
    match mechanism {
        Mechanism::Include(_) => collect(node.child.as_deref()?),
        Mechanism::A(..) | Mechanism::Mx(..) => match node.own {
            Own::Present | Own::OneFamily { .. } => Some(node.networks.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn collect(node: &Node) -> Option<Vec<Network>> {
    let mut all: Vec<Network> = Vec::new();
    for term in &node.terms {
        let more = match &term.term.kind {
            _ if term.reach != Reach::Reached => continue,
            TermKind::Directive { qualifier: Qualifier::Pass, mechanism: Mechanism::Ip4(..) | Mechanism::Ip6(..) } => {
                term.networks.clone()
            }
            TermKind::Directive { qualifier, mechanism: Mechanism::All } => match qualifier {
                Qualifier::Pass => return None,
                Qualifier::Fail | Qualifier::SoftFail | Qualifier::Neutral => continue,
            },
            TermKind::Directive { .. } => addresses(term)?,
            TermKind::Redirect(_) => collect(term.child.as_deref()?)?,
            TermKind::Exp(_) | TermKind::Other { .. } => continue,
            TermKind::Invalid(_) => return None,
        };
        all.extend(more.into_iter().filter(|network| !all.contains(network)).collect::<Vec<_>>());
    }
    node.record().map(|_| all)
}

//! The published record without what does nothing or breaks it.

use crate::finding::Suggestion;
use crate::records::Domain;
use crate::records::spf::parse::{Mechanism, Problem, Qualifier, SpfRecord, Term, TermKind};
use crate::records::spf::suggest::txt;
use crate::records::spf::tree::{Found, Own, Reach, TermNode, Tree};

/// The record without what does nothing or breaks it.
pub(super) struct Repair {
    /// The terms that stay, each with its place in the record; what is added has none.
    pub(super) terms: Vec<(Option<usize>, String)>,
    why: Vec<String>,
    risk: &'static str,
}

impl Repair {
    pub(super) fn of(tree: &Tree) -> Repair {
        const NOT_NAMED: &str = "Mail from servers that are not named is suspected (softfail), not refused. Check that all of your senders are listed.";
        let mut repair = Repair {
            terms: Vec::new(),
            why: Vec::new(),
            risk: "None that we know of: what is left out matched nobody.",
        };
        for (at, node) in tree.root.terms.iter().enumerate() {
            let term = match kept(node) {
                Kept::As(term) if repair.has(&term) => {
                    repair.why.push(format!("\"{term}\" once is enough"));
                    continue;
                }
                Kept::As(term) => term,
                Kept::Changed(term, reason) => {
                    repair.why.push(reason);
                    term
                }
                Kept::Dropped(reason) => {
                    if matches!(&node.term.kind, TermKind::Directive { mechanism: Mechanism::Ptr(_), .. }) {
                        repair.risk = "A server that only ptr allowed is suspected then: find yours in your DMARC reports and name it with ip4: first.";
                    }
                    repair.why.push(reason);
                    continue;
                }
            };
            repair.terms.push((Some(at), term));
        }
        let all_at = tree.root.record().and_then(SpfRecord::all);
        let has_redirect = repair.terms.iter().any(|(_, term)| term.to_ascii_lowercase().starts_with("redirect="));
        if all_at.is_none() && !has_redirect {
            repair.why.push("the end says what holds for everybody else".into());
            repair.risk = NOT_NAMED;
            repair.terms.push((None, "~all".into()));
        } else if matches!(all_at, Some((_, Qualifier::Pass | Qualifier::Neutral))) {
            repair.risk = NOT_NAMED;
        }
        repair
    }

    fn has(&self, term: &str) -> bool {
        self.terms.iter().any(|(_, other)| other.eq_ignore_ascii_case(term))
    }

    /// `None` when nothing is to be changed.
    pub(super) fn proposed(&self, domain: &Domain, text: &str) -> Option<Suggestion> {
        let terms = self.terms.iter().map(|(_, term)| term.as_str());
        let value = std::iter::once("v=spf1").chain(terms).collect::<Vec<_>>().join(" ");
        if self.why.is_empty() || value == text {
            return None;
        }
        Some(Suggestion {
            current: Some(text.to_owned()),
            why: sentence(&self.why),
            risk: self.risk.to_owned(),
            undo: "Publish the old text again.".into(),
            ..txt(domain, value)
        })
    }
}

enum Kept {
    As(String),
    Changed(String, String),
    Dropped(String),
}

fn kept(node: &TermNode) -> Kept {
    let text = node.term.text.clone();
    match &node.term.kind {
        TermKind::Invalid(problem) => invalid(&node.term, problem),
        TermKind::Other { name, value } => {
            let lower = name.to_ascii_lowercase();
            if matches!(lower.as_str(), "include" | "a" | "mx" | "ip4" | "ip6" | "exists") {
                let fixed = format!("{lower}:{}", value.text);
                let reason = format!("\"{text}\" did nothing; \"{fixed}\" was meant");
                return Kept::Changed(fixed, reason);
            }
            Kept::As(text)
        }
        TermKind::Redirect(_) if node.reach == Reach::Ignored => {
            Kept::Dropped(format!("\"{text}\" is ignored beside an all"))
        }
        TermKind::Directive { .. } if node.reach == Reach::AfterAll => {
            Kept::Dropped(format!("\"{text}\" stands after the all and is never reached"))
        }
        TermKind::Directive { mechanism: Mechanism::Ptr(_), .. } => {
            Kept::Dropped(format!("\"{text}\" is not to be published (RFC 7208 §5.5)"))
        }
        TermKind::Directive { qualifier: Qualifier::Pass | Qualifier::Neutral, mechanism: Mechanism::All } => {
            Kept::Changed("~all".into(), format!("\"{text}\" protected nothing"))
        }
        TermKind::Directive { .. } | TermKind::Redirect(_) | TermKind::Exp(_) => {
            let leads_nowhere = node.child.as_ref().is_some_and(|child| {
                matches!(child.found, Found::NoRecord | Found::NoSuchName | Found::NotADomain | Found::Loop)
            });
            if leads_nowhere || matches!(node.own, Own::Void(_) | Own::NotADomain) {
                Kept::Dropped(format!("\"{text}\" leads nowhere"))
            } else if node.shadowed_by.is_some() {
                Kept::Dropped(format!("\"{text}\" is covered by a term before it"))
            } else {
                Kept::As(text)
            }
        }
    }
}

/// Slips whose meaning is certain; any other broken term stays, because only its owner knows what was meant.
fn invalid(term: &Term, problem: &Problem) -> Kept {
    let text = term.text.clone();
    let fixed = match problem {
        Problem::ModifierAsMechanism(name) => text.split_once(':').map(|(_, value)| format!("{name}={value}")),
        Problem::AddressAsDomain(address) => Some(format!("ip4:{address}")),
        Problem::Ip4(address) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            Some(text.replacen("ip4:", "ip6:", 1))
        }
        Problem::Ip6(address) if address.parse::<std::net::Ipv4Addr>().is_ok() => {
            Some(text.replacen("ip6:", "ip4:", 1))
        }
        Problem::Twice(name) => return Kept::Dropped(format!("{name}= may stand only once")),
        _ => None,
    };
    match fixed {
        Some(fixed) => {
            let reason = format!("\"{text}\" is a syntax error; \"{fixed}\" was meant");
            Kept::Changed(fixed, reason)
        }
        None => Kept::As(text),
    }
}

fn sentence(parts: &[String]) -> String {
    let joined = parts.join("; ");
    let mut chars = joined.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => joined,
    }
}

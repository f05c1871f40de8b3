//! The published record without what does nothing or breaks it.

use crate::finding::{Blank, Suggestion};
use crate::records::Domain;
use crate::records::spf::evaluate::MAX_VOIDS;
use crate::records::spf::parse::{Mechanism, Problem, Qualifier, SpfRecord, Term, TermKind};
use crate::records::spf::suggest::mend::{mend, of_url};
use crate::records::spf::suggest::{Sender, txt};
use crate::records::spf::tree::{Found, Own, Reach, TermNode, Tree};

/// The record without what does nothing or breaks it.
pub(super) struct Repair {
    /// The terms that stay, each with its place in the record; what is added has none.
    pub(super) terms: Vec<(Option<usize>, String)>,
    why: Vec<String>,
    risk: &'static str,
    blanks: Vec<Blank>,
    /// Whether receivers could read it.
    is_valid: bool,
}

impl Repair {
    /// `sender` is asked for a term where the record names nobody.
    pub(super) fn of(tree: &Tree, sender: &Sender) -> Repair {
        let mut repair =
            Repair { terms: Vec::new(), why: Vec::new(), risk: NOTHING, blanks: Vec::new(), is_valid: false };
        let Some(record) = tree.root.record() else { return repair };
        let is_all_first = all_first(record);
        for word in mend(record) {
            let at = word.at;
            let kept = match (word.reason, at.and_then(|at| tree.root.terms.get(at))) {
                (Some(reason), _) => Kept::Changed(word.text, reason),
                (None, Some(node)) if is_all_first && node.reach == Reach::AfterAll => Kept::As(word.text),
                (None, Some(node)) => kept(node),
                (None, None) => Kept::As(word.text),
            };
            let term = match kept {
                Kept::As(term) if repair.has(&term) => {
                    repair.why.push(format!("\"{term}\" once is enough"));
                    continue;
                }
                Kept::As(term) => term,
                Kept::Changed(term, reason) => {
                    repair.why.push(reason);
                    term
                }
                Kept::Dropped(reason, risk) => {
                    repair.why.push(reason);
                    repair.risk = risk.unwrap_or(repair.risk);
                    continue;
                }
            };
            repair.terms.push((at, term));
        }
        if is_all_first && let Some(at) = repair.terms.iter().position(|(_, term)| is_all(term)) {
            let all = repair.terms.remove(at);
            repair.why.push(format!("\"{}\" stood first, so no term after it counted", all.1));
            repair.risk = "The senders that stood behind it are allowed from now on. Remove what is not yours.";
            repair.terms.push(all);
        }
        repair.without_ptr(record);
        repair.end(tree, record);
        repair.name_somebody(tree, record, sender);
        repair
    }

    fn has(&self, term: &str) -> bool {
        self.terms.iter().any(|(_, other)| other.eq_ignore_ascii_case(term))
    }

    fn text(&self) -> String {
        std::iter::once("v=spf1").chain(self.terms.iter().map(|(_, term)| term.as_str())).collect::<Vec<_>>().join(" ")
    }

    /// Whom ptr allowed is not known: they are suspected then, and not failed.
    fn without_ptr(&mut self, record: &SpfRecord) {
        if !has_ptr(record) {
            return;
        }
        if let Some((_, all)) = self.terms.iter_mut().find(|(_, term)| term.eq_ignore_ascii_case("-all")) {
            *all = "~all".into();
            self.why.push("~all suspects whom it left out, until your reports show that nobody is missed".into());
        }
    }

    /// What holds for everybody else, and what may go wrong when it begins to count.
    fn end(&mut self, tree: &Tree, record: &SpfRecord) {
        let mended = SpfRecord::parse(&self.text());
        self.is_valid = mended.problem().is_none();
        if mended.all().is_none() && mended.redirect().is_none() {
            self.why.push("the end says what holds for everybody else".into());
            self.risk = NOT_NAMED;
            self.terms.push((None, "~all".into()));
        } else if matches!(record.all(), Some((_, Qualifier::Pass | Qualifier::Neutral))) {
            self.risk = NOT_NAMED;
        }
        if is_unread(tree, record) {
            self.risk = match mended.all() {
                Some((_, Qualifier::Fail)) => {
                    "Until now receivers could not use the record (permerror); from now on it counts, and mail from a server that it does not name fails. Whoever a term was meant to allow that is left out here is not allowed: find its right name first."
                }
                _ => {
                    "Until now receivers could not use the record (permerror); from now on it counts, and mail from a server that it does not name is suspected. Whoever a term was meant to allow that is left out here is not allowed: find its right name first."
                }
            };
        }
    }

    /// A record that names no sender, and did not say so on purpose, gets the one that DNS shows, or a blank.
    fn name_somebody(&mut self, tree: &Tree, record: &SpfRecord, sender: &Sender) {
        let mended = SpfRecord::parse(&self.text());
        let names = |(.., qualifier, mechanism): (usize, &Term, Qualifier, &Mechanism)| {
            qualifier == Qualifier::Pass && *mechanism != Mechanism::All
        };
        let is_meant = !is_unread(tree, record)
            && !has_ptr(record)
            && matches!(tree.root.default_result(), Some(Qualifier::Fail | Qualifier::SoftFail));
        if self.why.is_empty() || is_meant || mended.directives().any(names) || mended.redirect().is_some() {
            return;
        }
        let Some((term, blank)) = sender.term() else { return };
        self.why.push("no sender was named".into());
        self.blanks.extend(blank);
        let at = self.terms.iter().position(|(_, term)| is_all(term)).unwrap_or(self.terms.len());
        self.terms.insert(at, (None, term));
    }

    /// `None` when nothing is to be changed, or when the result would still be a permerror.
    pub(super) fn proposed(&self, domain: &Domain, text: &str) -> Option<Suggestion> {
        let value = self.text();
        if self.why.is_empty() || value == text || !self.is_valid {
            return None;
        }
        Some(Suggestion {
            current: Some(text.to_owned()),
            why: sentence(&self.why),
            risk: self.risk.to_owned(),
            undo: "Publish the old text again.".into(),
            blanks: self.blanks.clone(),
            ..txt(domain, value)
        })
    }
}

/// Whether an `all` stands before every term that would allow somebody: it was meant to stand last.
fn all_first(record: &SpfRecord) -> bool {
    let Some((all, Qualifier::Fail | Qualifier::SoftFail | Qualifier::Neutral)) = record.all() else { return false };
    let passes = |at: usize, qualifier, mechanism: &Mechanism| {
        at != all && qualifier == Qualifier::Pass && *mechanism != Mechanism::All
    };
    let allowing: Vec<usize> =
        record.directives().filter(|(at, _, q, m)| passes(*at, *q, m)).map(|(at, ..)| at).collect();
    !allowing.is_empty() && allowing.iter().all(|at| *at > all)
}

fn is_all(term: &str) -> bool {
    term.trim_start_matches(['+', '-', '~', '?']).eq_ignore_ascii_case("all")
}

/// Whether receivers answer permerror, as far as the names that it leads to show.
fn is_unread(tree: &Tree, record: &SpfRecord) -> bool {
    record.problem().is_some() || tree.root.terms.iter().any(leads_nowhere) || tree.void_lookups > MAX_VOIDS
}

fn has_ptr(record: &SpfRecord) -> bool {
    record.directives().any(|(.., mechanism)| matches!(mechanism, Mechanism::Ptr(_)))
}

/// Whether a term makes the record a permerror because nothing stands where it leads.
fn leads_nowhere(node: &TermNode) -> bool {
    node.reach == Reach::Reached
        && node.child.as_ref().is_some_and(|child| {
            matches!(child.found, Found::NoRecord | Found::NoSuchName | Found::NotADomain | Found::Loop)
        })
}

enum Kept {
    As(String),
    Changed(String, String),
    /// With the reason, and the risk where there is one.
    Dropped(String, Option<&'static str>),
}

fn kept(node: &TermNode) -> Kept {
    let text = node.term.text.clone();
    match &node.term.kind {
        TermKind::Invalid(Problem::Twice(name)) => Kept::Dropped(format!("{name}= may stand only once"), None),
        TermKind::Invalid(_) => Kept::As(text),
        TermKind::Other { name, value } => {
            let lower = name.to_ascii_lowercase();
            let fixed = match (lower.as_str(), value.text.as_str()) {
                ("include" | "a" | "mx" | "ip4" | "ip6" | "exists", value) => format!("{lower}:{value}"),
                ("all", sign @ ("-" | "~" | "?")) => format!("{sign}all"),
                _ => return Kept::As(text),
            };
            let reason = format!("\"{text}\" did nothing; \"{fixed}\" was meant");
            Kept::Changed(fixed, reason)
        }
        TermKind::Redirect(_) if node.reach == Reach::Ignored => {
            Kept::Dropped(format!("\"{text}\" is ignored beside an all"), None)
        }
        TermKind::Directive { .. } if node.reach == Reach::AfterAll => {
            Kept::Dropped(format!("\"{text}\" stands after the all and is never reached"), None)
        }
        TermKind::Directive { mechanism: Mechanism::Ptr(_), .. } => Kept::Dropped(
            format!("\"{text}\" is not to be published (RFC 7208 §5.5)"),
            Some(
                "A server that only ptr allowed is suspected then: find yours in your DMARC reports and name it with ip4: first.",
            ),
        ),
        TermKind::Directive { qualifier: Qualifier::Pass | Qualifier::Neutral, mechanism: Mechanism::All } => {
            Kept::Changed("~all".into(), format!("\"{text}\" protected nothing"))
        }
        TermKind::Directive { qualifier: Qualifier::Pass, mechanism: Mechanism::Ip4(_, 0) | Mechanism::Ip6(_, 0) } => {
            Kept::Dropped(format!("\"{text}\" allowed everybody"), Some(NOT_NAMED))
        }
        TermKind::Directive { .. } | TermKind::Redirect(_) | TermKind::Exp(_) => {
            if leads_nowhere(node) || matches!(node.own, Own::Void(_) | Own::NotADomain) {
                match of_url(&text) {
                    Some(fixed) => {
                        let reason = format!("\"{text}\" is an address of the web; \"{fixed}\" was meant");
                        Kept::Changed(fixed, reason)
                    }
                    None => Kept::Dropped(format!("\"{text}\" leads nowhere"), None),
                }
            } else if node.shadowed_by.is_some() {
                Kept::Dropped(format!("\"{text}\" is covered by a term before it"), None)
            } else {
                Kept::As(text)
            }
        }
    }
}

/// When only what matched nobody is left out.
const NOTHING: &str = "None that we know of: what is left out matched nobody.";
const NOT_NAMED: &str = "Mail from servers that are not named is suspected (softfail), not refused. Check that all of your senders are listed.";

fn sentence(parts: &[String]) -> String {
    let joined = parts.join("; ");
    let mut chars = joined.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => joined,
    }
}

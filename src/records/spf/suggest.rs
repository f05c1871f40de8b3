//! What would be better than the published record, and how to set one up. It invents nothing: a term that only the person or
//! its provider knows is asked for, and nothing is proposed that is stricter than what was seen.

use crate::finding::{Blank, Suggestion};
use crate::name::Name;
use crate::records::mx::MxSet;
use crate::records::spf::evaluate::MAX_LOOKUPS;
use crate::records::spf::parse::{Mechanism, Problem, Qualifier, Selection, SpfRecord, Term, TermKind};
use crate::records::spf::tree::{Found, Network, Node, Own, Reach, TermNode, Tree};
use crate::records::{Domain, providers};

/// Who sends the domain's mail, as far as DNS shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The domain says that it takes no mail (null MX), or has neither MX nor address: it probably sends none.
    Nobody,
    /// A provider takes its mail; its name, and the SPF term that it documents.
    Provider(String, Option<String>),
    /// Its own hosts take its mail.
    Own,
    /// Hosts of somebody whom we do not know.
    Others,
    /// We could not look at its MX.
    Unknown,
}

impl Sender {
    /// Reads it from the MX.
    pub fn of(domain: &Name, mx: &MxSet, has_address: bool) -> Sender {
        if mx.unknown.is_some() {
            return Sender::Unknown;
        }
        if mx.null_mx || (mx.implicit && !has_address) {
            return Sender::Nobody;
        }
        if let Some(provider) = mx.hosts.iter().find_map(|host| providers::by_mx(&host.name)) {
            return Sender::Provider(provider.name.clone(), provider.spf_term.clone());
        }
        match mx.hosts.first() {
            Some(host) if !mx.implicit && host.name.is_at_or_below(domain) => Sender::Own,
            _ => Sender::Others,
        }
    }
}

/// Proposals in the order in which they are to be done.
pub fn suggestions(
    domain: &Domain,
    selection: &Selection,
    tree: &Tree,
    sender: &Sender,
    ttl: Option<u32>,
) -> Vec<Suggestion> {
    let mut all = match selection.records.as_slice() {
        [] => vec![first_record(domain, sender)],
        [text] => {
            let repair = Repair::of(tree);
            let mut all: Vec<Suggestion> = repair.proposed(domain, text).into_iter().collect();
            // The next step begins where this one ends.
            let text = all.first().map_or_else(|| text.clone(), |repaired| repaired.value.clone());
            all.extend(flattened(domain, &text, (tree, &repair), all.len()));
            all
        }
        several => merged(domain, several).into_iter().collect(),
    };
    if let Some(ttl) = ttl
        && !selection.records.is_empty()
    {
        // The published record's TTL stays; what is new has none yet.
        let keeps = |suggestion: &Suggestion| suggestion.current.is_some();
        all = all.into_iter().map(|one| if keeps(&one) { one.with_ttl(ttl) } else { one }).collect();
    }
    all
}

fn txt(domain: &Domain, value: impl Into<String>) -> Suggestion {
    Suggestion::txt(&domain.name, &domain.zone(), value)
}

fn first_record(domain: &Domain, sender: &Sender) -> Suggestion {
    let undo = "Delete the record.".to_owned();
    let risk = "Mail from servers that it does not name is suspected. List first everything that sends in your name: newsletters, \
                invoices, the web server's forms. ~all does not refuse them yet."
        .to_owned();
    match sender {
        Sender::Nobody => Suggestion {
            why: "The domain takes no mail and seems to send none: this says so, and forged mail in its name fails.".into(),
            risk: "Mail that the domain does send, if there is any, fails.".into(),
            undo,
            ..txt(domain, "v=spf1 -all")
        },
        Sender::Provider(name, Some(term)) => Suggestion {
            why: format!("Your mail is at {name}; this is the term that it documents for its customers."),
            risk,
            undo,
            ..txt(domain, format!("v=spf1 {term} ~all"))
        },
        Sender::Own => Suggestion {
            why: "Your own mail servers (MX) take your mail; this allows them to send it too.".into(),
            risk,
            undo,
            ..txt(domain, "v=spf1 mx ~all")
        },
        Sender::Provider(_, None) | Sender::Others | Sender::Unknown => Suggestion {
            why: "A record that names your senders lets receivers tell them from others.".into(),
            risk,
            undo,
            blanks: vec![Blank {
                key: "sender",
                prompt: "The SPF term that your mail provider documents (include:…), or your server's static address (ip4:…)".into(),
            }],
            ..txt(domain, "v=spf1 {sender} ~all")
        },
    }
}

/// The record without what does nothing or breaks it.
struct Repair {
    /// The terms that stay, each with its place in the record; what is added has none.
    terms: Vec<(Option<usize>, String)>,
    why: Vec<String>,
    risk: &'static str,
}

impl Repair {
    fn of(tree: &Tree) -> Repair {
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
    fn proposed(&self, domain: &Domain, text: &str) -> Option<Suggestion> {
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

/// One record of several: all their terms, and the mildest of their endings.
fn merged(domain: &Domain, several: &[String]) -> Option<Suggestion> {
    let mut terms: Vec<String> = Vec::new();
    let mut ending: Option<Qualifier> = None;
    for text in several {
        let record = SpfRecord::parse(text);
        for term in &record.terms {
            match &term.kind {
                // A redirect or a broken term cannot be merged without knowing what was meant.
                TermKind::Redirect(_) | TermKind::Invalid(_) => return None,
                TermKind::Directive { qualifier, mechanism: Mechanism::All } => {
                    let mild = [Qualifier::Neutral, Qualifier::SoftFail, Qualifier::Fail];
                    let rank = |q: Qualifier| mild.iter().position(|other| *other == q).unwrap_or(1);
                    ending = Some(match ending {
                        Some(other) if rank(other) <= rank(*qualifier) => other,
                        _ => *qualifier,
                    });
                }
                TermKind::Directive { .. } | TermKind::Exp(_) | TermKind::Other { .. } => {
                    if !terms.iter().any(|other| other.eq_ignore_ascii_case(&term.text)) {
                        terms.push(term.text.clone());
                    }
                }
            }
        }
    }
    let ending = match ending {
        Some(Qualifier::Fail) => "-all",
        Some(Qualifier::Neutral) => "?all",
        Some(Qualifier::SoftFail | Qualifier::Pass) | None => "~all",
    };
    let value = format!("v=spf1 {} {ending}", terms.join(" ")).replace("  ", " ");
    Some(Suggestion {
        current: Some(several.join("\n")),
        why: "Only one SPF record may stand at a name. This is the terms of all of them, with the mildest of their endings.".into(),
        risk: "Delete the old records in the same change: while two stand, nothing passes.".into(),
        undo: "Publish the old records again.".into(),
        ..txt(domain, value)
    })
}

/// The record with its costliest includes replaced by the addresses that they stand for today, until ten look-ups are enough.
/// What would be too long for one answer over UDP goes into records of its own, which are to be published first.
fn flattened(domain: &Domain, text: &str, (tree, repair): (&Tree, &Repair), done: usize) -> Vec<Suggestion> {
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

fn sentence(parts: &[String]) -> String {
    let joined = parts.join("; ");
    let mut chars = joined.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => joined,
    }
}

/// "How to set it up", for somebody who never did.
pub fn set_up(sender: &Sender) -> Vec<String> {
    let first = match sender {
        Sender::Nobody => "The domain takes no mail. If it sends none either, \"v=spf1 -all\" says so.".to_owned(),
        Sender::Provider(name, Some(term)) => {
            format!("Your mail is at {name}. It documents the term {term}: take it as it is.")
        }
        Sender::Provider(name, None) => {
            format!("Your mail is at {name}. Its documentation names the SPF term for your account or region: take it as it is.")
        }
        Sender::Own => "You run your own mail servers. Name them by their static addresses (ip4:, ip6:), or by mx if the same hosts \
                        send that receive."
            .to_owned(),
        Sender::Others | Sender::Unknown => {
            "Take the SPF term that your mail provider documents, as it is; if you run your own server, name its static address \
             with ip4: or ip6:."
                .to_owned()
        }
    };
    vec![
        first,
        "In your DNS provider's form: type TXT, host @ (the domain itself), the whole text as one value. There may be only one such \
         record; put every service that sends in your name into it. TTL \"Auto\" is your provider's default."
            .to_owned(),
        "SPF compares the address that connects with what the record names; it never looks at an address inside the mail. So a server \
         behind a line whose address changes cannot be named safely: a reverse name (PTR) with words like dyn, dsl or pool is a warning."
            .to_owned(),
        "Begin with ~all. -all means \"fail\" for everybody else; whether that refuses the mail is the receiver's choice, most often by \
         your DMARC policy, for which either SPF or DKIM has to pass, never both."
            .to_owned(),
    ]
}

//! What is wrong with, or worth knowing about, a published SPF record: its terms one by one, and its tree as a whole.

use std::net::IpAddr;

use crate::check::Absence;
use crate::finding::{Finding, Span};
use crate::records::reserved::is_on_the_internet;
use crate::records::spf::evaluate::{MAX_LOOKUPS, MAX_VOIDS};
use crate::records::spf::explain::known_modifier;
use crate::records::spf::parse::{Mechanism, Qualifier, SpfRecord, Term, TermKind};
use crate::records::spf::tree::{Found, Network, Node, Own, Reach, TermNode, Tree};
use crate::untrusted::visible_record;

/// Everything that the record and its tree show, in the order of the record.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(record) = tree.root.record() {
        terms(record, &tree.root, &mut all);
        default(tree, record, &mut all);
        budget(tree, &mut all);
    }
    below(&tree.root, &tree.root, None, &mut all);
    for finding in &mut all {
        if finding.evidence.is_empty() {
            finding.evidence.extend(tree.root.lookup);
        }
    }
    all
}

fn terms(record: &SpfRecord, root: &Node, all: &mut Vec<Finding>) {
    for (at, node) in root.terms.iter().enumerate() {
        let term = &node.term;
        match &term.kind {
            TermKind::Invalid(problem) => all.push(
                Finding::error(
                    "spf.syntax",
                    format!(
                        "\"{}\" is a syntax error: {problem}. One error anywhere makes the whole record a permerror, so \
                         receivers treat the domain as if its policy were broken.",
                        visible_record(&term.text)
                    ),
                )
                .with_fix("Correct or remove this term.")
                .with_reference("RFC 7208 §4.6")
                .with_span(term.span),
            ),
            TermKind::Other { name, .. } => modifier(name, term, all),
            TermKind::Redirect(_) if node.reach == Reach::Ignored => all.push(
                Finding::warning(
                    "spf.redirect-ignored",
                    format!("\"{}\" has no effect: the record has an \"all\", and a redirect counts only where none stands.", term.text),
                )
                .with_fix("Remove either the redirect or the all.")
                .with_reference("RFC 7208 §6.1")
                .with_span(term.span),
            ),
            TermKind::Redirect(_) | TermKind::Exp(_) => {}
            TermKind::Directive { qualifier, mechanism } => {
                if node.reach == Reach::AfterAll {
                    all.push(
                        Finding::warning(
                            "spf.after-all",
                            format!("\"{}\" stands after an \"all\" and is never reached.", term.text),
                        )
                        .with_fix("Move it before the all, or remove it.")
                        .with_reference("RFC 7208 §5.1")
                        .with_span(term.span),
                    );
                } else {
                    mechanism_findings(node, *qualifier, mechanism, all);
                }
                let earlier = record.terms.iter().take(at).any(|other| other.text.eq_ignore_ascii_case(&term.text));
                if earlier && *mechanism != Mechanism::All {
                    all.push(
                        Finding::warning(
                            "spf.duplicate",
                            format!("\"{}\" stands in the record twice; the second one costs and changes nothing.", term.text),
                        )
                        .with_fix("Remove one of them.")
                        .with_span(term.span),
                    );
                } else if let Some(wider) = &node.shadowed_by {
                    all.push(
                        Finding::info(
                            "spf.shadowed",
                            format!("\"{}\" adds nothing: \"{wider}\" before it already matches these addresses.", term.text),
                        )
                        .with_fix("It can be removed.")
                        .with_span(term.span),
                    );
                }
            }
        }
    }
}

/// A modifier that RFC 7208 passes over is often a mechanism with the wrong sign after its name.
fn modifier(name: &str, term: &Term, all: &mut Vec<Finding>) {
    let lower = name.to_ascii_lowercase();
    if lower == "v" {
        all.push(
            Finding::warning(
                "spf.two-in-one",
                format!("\"{}\" stands in the middle: two SPF records were put into one text. Receivers pass over it, and over everything after the first all.", term.text),
            )
            .with_fix("Make one record of the two; a proposal stands below.")
            .with_reference("RFC 7208 §4.5, §5.1")
            .with_span(term.span),
        );
        return;
    }
    if matches!(lower.as_str(), "include" | "a" | "mx" | "ptr" | "ip4" | "ip6" | "exists" | "all") {
        all.push(
            Finding::warning(
                "spf.modifier-for-mechanism",
                format!(
                    "\"{}\" does nothing: with = it is an unknown modifier, which receivers pass over. Whoever it was meant to \
                     allow is not allowed.",
                    term.text
                ),
            )
            .with_fix(match lower.as_str() {
                "all" => "Write ~all, or -all.".to_owned(),
                _ => format!("Write {lower}: instead of {lower}=."),
            })
            .with_reference("RFC 7208 §4.6.1, §6")
            .with_span(term.span),
        );
    } else if known_modifier(&lower).is_none() {
        all.push(
            Finding::info(
                "spf.unknown-modifier",
                format!("\"{}\" is no modifier that RFC 7208 knows; receivers pass over it.", term.text),
            )
            .with_reference("RFC 7208 §6")
            .with_span(term.span),
        );
    }
}

fn mechanism_findings(node: &TermNode, qualifier: Qualifier, mechanism: &Mechanism, all: &mut Vec<Finding>) {
    let (text, span) = (&node.term.text, node.term.span);
    if let Mechanism::Ptr(_) = mechanism {
        all.push(
            Finding::warning(
                "spf.ptr",
                format!(
                    "\"{text}\" trusts the reverse names of clients. It is slow, fails whenever a foreign reverse zone does, and \
                     RFC 7208 says not to publish it; some receivers pass over it."
                ),
            )
            .with_fix("Name the servers with ip4:, ip6: or a: instead.")
            .with_reference("RFC 7208 §5.5")
            .with_span(span),
        );
    }
    if let Some(spec) = mechanism.domain() {
        if spec.text().uses_validated_name() {
            all.push(
                Finding::warning("spf.p-macro", format!("\"{text}\" uses %{{p}}, which costs look-ups in foreign zones like ptr does; RFC 7208 says not to publish it."))
                    .with_fix("Use %{i} instead.")
                    .with_reference("RFC 7208 §7.2")
                    .with_span(span),
            );
        }
        if spec.text().needs_message() {
            all.push(
                Finding::info("spf.macro", format!("\"{text}\" holds macros: what it matches cannot be resolved without a message, so nothing was asked for it here."))
                    .with_reference("RFC 7208 §7")
                    .with_span(span),
            );
        }
    }
    for network in &node.networks {
        if let Mechanism::Ip4(..) | Mechanism::Ip6(..) | Mechanism::A(..) | Mechanism::Mx(..) = mechanism
            && qualifier == Qualifier::Pass
            && let Some(finding) = range(network, text, span)
        {
            all.push(finding);
            break;
        }
    }
    match &node.own {
        Own::Void(absence) => all.push(void(text, *absence, span).with_evidence(node.lookups.clone())),
        Own::TooManyMx(count) => all.push(
            Finding::error("spf.too-many-mx", format!("\"{text}\" leads to {count} MX names; more than 10 are a permerror."))
                .with_fix("Name the sending servers with ip4: and ip6: instead.")
                .with_reference("RFC 7208 §4.6.4")
                .with_span(span).with_evidence(node.lookups.clone()),
        ),
        Own::NotADomain => all.push(
            Finding::warning("spf.target-not-a-domain", format!("\"{text}\" names something that DNS cannot carry (a label is empty or longer than 63 bytes); it never matches, and some receivers answer permerror."))
                .with_fix("Correct the name.")
                .with_reference("RFC 7208 §4.8")
                .with_span(span).with_evidence(node.lookups.clone()),
        ),
        Own::Unknown(outcome) => all.push(
            Finding::warning("spf.term-unknown", format!("We could not look at what \"{text}\" names: {outcome}. A receiver that fails there answers temperror."))
                .with_fix(crate::finding::ASK_AGAIN)
                .with_reference("RFC 7208 §4.6.4")
                .with_span(span).with_evidence(node.lookups.clone()),
        ),
        Own::Nothing | Own::Present | Own::OneFamily { .. } | Own::NeedsMessage => {}
    }
}

fn void(text: &str, absence: Absence, span: Span) -> Finding {
    let what = match absence {
        Absence::NoData => "has no record of the type it needs",
        Absence::NoSuchName => "does not exist",
    };
    Finding::warning(
        "spf.void-lookup",
        format!(
            "\"{text}\" never matches: the name {what}. Such a void look-up is allowed twice; the third is a permerror."
        ),
    )
    .with_fix("Remove the term, or publish what it names.")
    .with_reference("RFC 7208 §4.6.4")
    .with_span(span)
}

/// A range that no single sender owns, or that nobody can use on the Internet.
fn range(network: &Network, text: &str, span: Span) -> Option<Finding> {
    let finding = match (network.address, network.prefix) {
        (_, 0) => Finding::error(
            "spf.everybody",
            format!("\"{text}\" allows every address there is: anybody passes SPF for this domain."),
        )
        .with_fix("Name only the servers that send your mail."),
        (IpAddr::V4(_), prefix @ 1..=15) => Finding::warning(
            "spf.wide-range",
            format!(
                "\"{text}\" allows {} addresses: more than one sender owns, so strangers may pass.",
                1u64 << (32 - prefix)
            ),
        )
        .with_fix("Narrow it to the servers that send your mail."),
        (IpAddr::V6(_), prefix @ 1..=31) => Finding::warning(
            "spf.wide-range",
            format!("\"{text}\" allows a /{prefix}, the size of a large network operator: strangers may pass."),
        )
        .with_fix("Narrow it to the servers that send your mail."),
        (address, _) if !is_on_the_internet(address) => Finding::info(
            "spf.private-address",
            format!(
                "\"{text}\" names addresses that are never seen on the Internet; only your own inside can match it."
            ),
        )
        .with_fix("Remove it unless your own servers check SPF between themselves."),
        (IpAddr::V4(v4), prefix) if u32::from(v4).checked_shl(u32::from(prefix)).unwrap_or(0) != 0 => Finding::info(
            "spf.host-bits",
            format!(
                "\"{text}\" is valid; the bits of the address after /{prefix} do not count, so the whole network is allowed."
            ),
        ),
        _ => return None,
    };
    Some(finding.with_reference("RFC 7208 §5.6").with_span(span))
}

/// What holds for everybody else.
fn default(tree: &Tree, record: &SpfRecord, all: &mut Vec<Finding>) {
    let span = record.all().and_then(|(at, _)| record.terms.get(at)).map(|term| term.span);
    let place = |finding: Finding| match span {
        Some(span) => finding.with_span(span),
        None => finding,
    };
    match tree.root.default_result() {
        // Receivers give up before they come to the end; whoever only cures that opens the door.
        Some(Qualifier::Pass) if tree.is_over_limit() => all.push(place(
            Finding::error("spf.pass-all", "The record ends in a pass for everybody. Only because receivers stop at its look-up limit does not every server in the world pass; with fewer look-ups it would.")
                .with_fix("End it in ~all first, and bring the look-ups down then.")
                .with_reference("RFC 7208 §5.1"),
        )),
        Some(Qualifier::Pass) => all.push(place(
            Finding::error("spf.pass-all", "The record ends in a pass for everybody: any server in the world passes SPF for this domain, and with it DMARC.")
                .with_fix("End it in ~all, then in -all when all your senders are listed.")
                .with_reference("RFC 7208 §5.1"),
        )),
        Some(Qualifier::Neutral) => all.push(place(
            Finding::warning("spf.neutral-all", "?all says nothing about servers that are not listed: forged mail is treated as if there were no record.")
                .with_fix("End it in ~all once your senders are listed.")
                .with_reference("RFC 7208 §8.2"),
        )),
        Some(Qualifier::Fail) if record.directives().count() > 1 => all.push(place(
            Finding::info("spf.fail-before-dkim", "-all asks for a fail. What a receiver does with it is its own choice: DMARC decides at most of them, and some refuse at once, before they look at DKIM. Mail that is forwarded without rewriting its sender fails then.")
                .with_reference("RFC 7208 §8.4"),
        )),
        Some(Qualifier::Fail | Qualifier::SoftFail) => {}
        None if record.redirect().is_some() => {}
        None => all.push(
            Finding::warning("spf.no-all", "The record has no all and no redirect: servers that are not listed come out neutral, as if there were no record.")
                .with_fix("End it in ~all once your senders are listed.")
                .with_reference("RFC 7208 §4.7"),
        ),
    }
    let alls = record.directives().filter(|(.., mechanism)| **mechanism == Mechanism::All).count();
    if alls > 1 {
        all.push(place(
            Finding::info("spf.two-all", format!("The record has {alls} \"all\"; the first decides."))
                .with_reference("RFC 7208 §5.1"),
        ));
    }
}

fn budget(tree: &Tree, all: &mut Vec<Finding>) {
    let (lookups, voids) = (tree.lookups, tree.void_lookups);
    if lookups > MAX_LOOKUPS {
        all.push(
            Finding::error(
                "spf.too-many-lookups",
                format!("The record needs {lookups} look-ups; receivers stop at the eleventh and answer permerror, so mail from senders that stand late in it does not pass."),
            )
            .with_fix("Remove includes of services that you no longer use; the tree shows what each costs.")
            .with_reference("RFC 7208 §4.6.4"),
        );
    } else if lookups >= MAX_LOOKUPS - 1 {
        all.push(
            Finding::info(
                "spf.lookups-near-limit",
                format!(
                    "{lookups} of 10 look-ups are used: one more include by you or by a provider may break the record."
                ),
            )
            .with_reference("RFC 7208 §4.6.4"),
        );
    }
    if voids > MAX_VOIDS {
        all.push(
            Finding::error(
                "spf.too-many-voids",
                format!("{voids} terms look up names that have nothing; the third is a permerror."),
            )
            .with_fix("Remove the terms that find nothing.")
            .with_reference("RFC 7208 §4.6.4"),
        );
    } else if tree.void_lookups_v6 > MAX_VOIDS {
        all.push(
            Finding::info(
                "spf.too-many-voids-ipv6",
                format!("For a client that connects over IPv6, {} terms find no address, and the third is a permerror instead of a plain result.", tree.void_lookups_v6),
            )
            .with_fix("Use ip4: for hosts that have IPv4 only.")
            .with_reference("RFC 7208 §4.6.4"),
        );
    }
}

/// What is wrong further down: told at the term of the root that leads there.
fn below(root: &Node, node: &Node, span: Option<Span>, all: &mut Vec<Finding>) {
    for term in &node.terms {
        let span = span.unwrap_or(term.term.span);
        let Some(child) = term.child.as_deref() else { continue };
        let place = |finding: Finding| {
            let finding = finding.with_span(span).with_evidence(child.lookup);
            if std::ptr::eq(root, node) { finding } else { finding.with_reference("RFC 7208 §5.2") }
        };
        let (text, owner) = (&term.term.text, &node.domain);
        match &child.found {
            Found::NoRecord | Found::NoSuchName => {
                let what = if child.found == Found::NoRecord { "publishes no SPF record" } else { "does not exist" };
                all.push(place(
                    Finding::error("spf.target-without-record", format!("\"{text}\" of {owner} leads to {}, which {what}: that alone makes the whole record a permerror when it is reached.", child.domain))
                        .with_fix("Remove the term, or correct the name.")
                        .with_reference("RFC 7208 §5.2, §6.1"),
                ));
            }
            Found::Several(records) => all.push(place(
                Finding::error("spf.target-with-several-records", format!("\"{text}\" of {owner} leads to {}, which publishes {} SPF records: a permerror when it is reached.", child.domain, records.len()))
                    .with_fix("Tell its owner, or remove the term.")
                    .with_reference("RFC 7208 §4.5"),
            )),
            Found::Unknown(outcome) => all.push(place(
                Finding::warning("spf.term-unknown", format!("We could not look at the record of {} (\"{text}\" of {owner}): {outcome}. What lies below it is not counted.", child.domain))
                    .with_fix(crate::finding::ASK_AGAIN),
            )),
            Found::NotADomain => all.push(place(
                Finding::error("spf.target-without-record", format!("\"{text}\" of {owner} names no domain that DNS can carry: a permerror when it is reached."))
                    .with_fix("Correct the name.")
                    .with_reference("RFC 7208 §5.2"),
            )),
            Found::Loop => all.push(place(
                Finding::error("spf.loop", format!("\"{text}\" of {owner} leads back to {}, which stands above it: receivers go round until the limit and answer permerror.", child.domain))
                    .with_fix("Remove the term.")
                    .with_reference("RFC 7208 §4.6.4"),
            )),
            Found::GivenUp => all.push(place(Finding::warning("spf.given-up", "The tree holds more than 200 records; we gave up following it."))),
            Found::NeedsMessage => {
                if !std::ptr::eq(root, node) {
                    continue;
                }
                if let TermKind::Redirect(_) = term.term.kind {
                    all.push(place(Finding::info("spf.macro", format!("\"{text}\" holds macros: where it leads cannot be told without a message."))));
                }
            }
            Found::Record(record) => {
                let passes = matches!(term.term.kind, TermKind::Directive { qualifier: Qualifier::Pass, .. });
                if passes && matches!(child.default_result(), Some(Qualifier::Pass)) {
                    all.push(place(
                        Finding::error("spf.include-passes-all", format!("\"{text}\" of {owner} passes everybody: the record of {} ends in a pass for all.", child.domain))
                            .with_fix("Remove the include, and tell its owner.")
                            .with_reference("RFC 7208 §5.2"),
                    ));
                }
                if let Some((bad, problem)) = record.problem() {
                    all.push(place(
                        Finding::error("spf.target-syntax", format!("The record of {} (\"{text}\" of {owner}) has a syntax error at \"{}\": {problem}. That makes the whole evaluation a permerror when it is reached.", child.domain, bad.text))
                            .with_fix("Tell its owner, or remove the term.")
                            .with_reference("RFC 7208 §5.2"),
                    ));
                }
                if term.repeated {
                    all.push(place(
                        Finding::info("spf.included-twice", format!("{} is included more than once in the tree; each time costs its look-ups again.", child.domain))
                            .with_fix("Keep the include that you need."),
                    ));
                }
                below(root, child, Some(span), all);
            }
        }
        void_below(child, &term.term.text, span, all);
    }
}

/// Void look-ups inside an included record.
fn void_below(child: &Node, through: &str, span: Span, all: &mut Vec<Finding>) {
    for term in &child.terms {
        if let Own::Void(_) = term.own {
            all.push(
                Finding::info("spf.void-lookup-below", format!("\"{}\" in the record of {} (through \"{through}\") finds nothing: one of two void look-ups that are allowed.", term.term.text, child.domain))
                    .with_reference("RFC 7208 §4.6.4")
                    .with_span(span).with_evidence(term.lookups.clone()),
            );
        }
    }
}

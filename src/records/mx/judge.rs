//! What an MX set means, and what would be better.

use super::{Host, MxSet};
use crate::check::{Data, Dns, Record};
use crate::finding::{Blank, Finding, Severity, Span, Suggestion};
use crate::name::Name;
use crate::records::ptr::ReverseOutcome;
use crate::records::{Domain, form, providers};
use crate::report::{LookupId, Mark, Section};

/// The preference of an MX record, for sorting.
pub(super) fn preference(record: &Record) -> u16 {
    match record.data {
        Data::Mx { preference, .. } => preference,
        _ => u16::MAX,
    }
}

/// What one MX record says.
pub(super) fn marks(record: &Record, set: &MxSet) -> Vec<Mark> {
    let Data::Mx { preference, exchange } = &record.data else { return Vec::new() };
    let span = Span::new(0, form::content(&Data::Ptr(exchange.clone())).len());
    if exchange.is_root() {
        let (note, severity) = match set.null_mx {
            true => ("null MX: this domain takes no mail; senders give it back at once", Severity::Ok),
            false => ("a null MX must stand alone", Severity::Error),
        };
        return vec![Mark { span, note: note.into(), severity }];
    }
    let tied = set.hosts.iter().filter(|host| host.preference == *preference).count();
    let first = set.hosts.first().is_some_and(|host| host.preference == *preference);
    let order = if first { "tried first" } else { "tried when those before it do not answer" };
    let tie =
        if tied > 1 { format!(", {tied} of equal preference in any order (RFC 5321 §5.1)") } else { String::new() };
    let whose = providers::by_mx(exchange).map(|p| format!("; {}", p.name)).unwrap_or_default();
    vec![Mark { span, note: format!("{order}{tie}{whose}"), severity: Severity::Ok }]
}

/// Judges the set as a whole.
pub(super) fn record_set(domain: &Domain, answer: &Dns<'_>, set: &MxSet, hosts: &[Host<'_>], section: &mut Section) {
    let name = &domain.name;
    let (mut roots, mut names) = (Vec::new(), Vec::new());
    for record in &answer.records {
        match &record.data {
            Data::Mx { preference, exchange } if exchange.is_root() => roots.push(*preference),
            Data::Mx { exchange, .. } => names.push(exchange),
            _ => {}
        }
    }
    if !roots.is_empty() && !names.is_empty() {
        section.findings.push(
            Finding::error(
                "mx.null-beside-others",
                format!(
                    "A null MX (\".\") stands beside {}. A null MX says that {name} takes no mail and must be the only \
                     MX; some senders will give mail back.",
                    form::count(names.len(), "other MX record")
                ),
            )
            .with_fix(format!("Remove the \".\" record if {name} takes mail, all the others if it does not."))
            .with_reference("RFC 7505 §3")
            .with_evidence([answer.id]),
        );
    } else if set.null_mx && roots.iter().any(|preference| *preference != 0) {
        section.findings.push(
            Finding::warning("mx.null-preference", "The null MX has a preference other than 0, which is its form.")
                .with_fix("Publish it as 0 and \".\".")
                .with_reference("RFC 7505 §3")
                .with_evidence([answer.id]),
        );
        section.suggestions.push(null_mx(domain, Some(roots.iter().map(|p| format!("{p} .")).collect())));
    }
    names.sort();
    let mut doubled: Vec<_> =
        names.windows(2).filter(|pair| pair.first() == pair.last()).filter_map(|pair| pair.first()).collect();
    doubled.dedup();
    if !doubled.is_empty() {
        section.findings.push(
            Finding::warning(
                "mx.duplicate",
                format!(
                    "{} stands in more than one MX record; senders try it once, with its lowest preference.",
                    form::list(doubled)
                ),
            )
            .with_fix("Keep one record a host.")
            .with_evidence([answer.id]),
        );
    }
    if set.implicit {
        implicit(domain, answer, hosts, section);
    } else if answer.is_no_such_name() {
        section.findings.push(denied(domain, answer));
    }
}

/// NXDOMAIN for a name that is there: senders go by it (RFC 5321 §5.1), and no address stands in for the MX.
fn denied(domain: &Domain, answer: &Dns<'_>) -> Finding {
    let name = &domain.name;
    let (text, fix) = match answer.aliases.last() {
        Some(alias) => (
            format!(
                "{name} is an alias that leads to {}, which does not exist: mail for {name} comes back.",
                form::content(&alias.data)
            ),
            "Remove the CNAME, or let it lead to a name that exists.",
        ),
        None => (
            format!(
                "Asked for the MX of {name}, its name server says that the name does not exist, though it has other records: \
                 senders take that at its word, and mail comes back."
            ),
            "Let the name server answer NOERROR without records for the types that it does not have.",
        ),
    };
    Finding::error("mx.denied", text)
        .with_fix(fix)
        .with_reference("RFC 5321 §5.1, RFC 8020 §2")
        .with_evidence([answer.id])
}

/// The host that was meant, where a form has put the zone's name behind a name that had it already.
fn written_twice(domain: &Domain, host: &Name) -> Option<Name> {
    let zone = domain.zone();
    let meant = host.as_str().strip_suffix(zone.as_str())?.strip_suffix('.')?;
    Name::from_text(meant).ok().filter(|meant| meant.is_at_or_below(&zone))
}

/// No MX at all: the domain's own address would be tried.
fn implicit(domain: &Domain, answer: &Dns<'_>, hosts: &[Host<'_>], section: &mut Section) {
    let name = &domain.name;
    let lookups: Vec<LookupId> =
        std::iter::once(answer.id).chain(hosts.iter().flat_map(|host| host.lookups())).collect();
    let addresses: Vec<_> = hosts.iter().flat_map(|host| host.addresses.all()).collect();
    let unknown = hosts.iter().find_map(|host| host.unknown());
    match (addresses.is_empty(), unknown) {
        (true, Some(why)) => section.findings.push(
            Finding::warning(
                "mx.implicit-unknown",
                format!("{name} has no MX, so senders would use its own addresses, and we could not look at those: {why}."),
            )
            .with_fix(crate::finding::ASK_AGAIN)
            .with_reference("RFC 5321 §5.1")
            .with_evidence(lookups),
        ),
        (true, None) => section.findings.push(
            Finding::info(
                "mx.none",
                format!(
                    "{name} has no MX and no address: it cannot take mail. Senders find that out only by trying; a null \
                     MX would say so, and mistyped mail would come back at once."
                ),
            )
            .with_reference("RFC 5321 §5.1, RFC 7505 §3")
            .with_evidence(lookups),
        ),
        (false, _) => section.findings.push(
            Finding::info(
                "mx.implicit",
                format!(
                    "{name} has no MX, so senders deliver to its own address ({}) as if it were a mail host. That is \
                     seldom meant.",
                    form::list(addresses)
                ),
            )
            .with_fix("Publish the MX that your mail provider names, or a null MX if this domain takes no mail.")
            .with_reference("RFC 5321 §5.1")
            .with_evidence(lookups),
        ),
    }
    if unknown.is_none() {
        section.suggestions.push(null_mx(domain, None));
    }
}

fn null_mx(domain: &Domain, current: Option<String>) -> Suggestion {
    let mut suggestion = Suggestion::plain(&domain.name, &domain.zone(), "MX", "0 .");
    suggestion.current = current;
    suggestion.why =
        "only if this domain takes no mail: senders give mail for it back at once, with a clear reason".into();
    suggestion.risk =
        "nobody can write to this domain any more, and some receivers refuse mail whose sender has a null MX".into();
    suggestion.undo = "remove it, or publish your provider's MX in its place".into();
    suggestion
}

/// Judges every host.
pub(super) fn each_host(domain: &Domain, set: &MxSet, hosts: &[Host<'_>], section: &mut Section) {
    if set.implicit {
        return;
    }
    let dead = hosts.iter().filter(|host| host.has_no_address()).count();
    let all_dead = dead == hosts.len();
    for host in hosts {
        let name = host.name();
        let current = format!("{} {name}", host.host.preference);
        let lookups = || std::iter::once(set.lookup).chain(host.lookups());
        if let Some(address) = host.literal() {
            section.findings.push(
                Finding::error(
                    "mx.address-literal",
                    format!("The MX {name} is an IP address. An MX must hold a host's name; senders look the address up as a name and find nothing."),
                )
                .with_fix("Give the host a name with an A or AAAA record, and put that name into the MX.")
                .with_reference("RFC 5321 §5.1, RFC 1035 §3.3.9")
                .with_evidence(lookups()),
            );
            section.suggestions.extend(named_host(domain, &current, address));
            continue;
        }
        if host.is_localhost() {
            section.findings.push(
                Finding::error(
                    "mx.localhost",
                    format!("The MX {name} means the sender's own machine: mail loops there or is lost."),
                )
                .with_fix("If this domain takes no mail, say so with a null MX.")
                .with_reference("RFC 7505 §1")
                .with_evidence(lookups()),
            );
            section.suggestions.push(null_mx(domain, Some(current)));
            continue;
        }
        if host.has_no_address() {
            let gone = host.addresses.is_no_such_name();
            let state = if gone { "does not exist" } else { "has neither A nor AAAA" };
            let danger = if gone { " If its domain is free, whoever registers it gets your mail." } else { "" };
            let text = match all_dead {
                true => format!(
                    "The mail host {name} {state}, and no other MX has an address: mail to this domain is not delivered.{danger}"
                ),
                false => format!("The mail host {name} {state}; senders pass on to the next MX.{danger}"),
            };
            section.findings.push(
                Finding::error("mx.no-address", text)
                    .with_fix(match written_twice(domain, name) {
                        Some(meant) => format!(
                            "The zone's name was put behind it once too often: enter {meant}. with a dot at its end, or {} alone, as your form wants it.",
                            meant.relative_to(&domain.zone())
                        ),
                        None => "Correct the name, give it an address, or remove the MX record.".to_owned(),
                    })
                    .with_reference("RFC 5321 §5.1")
                    .with_evidence(lookups()),
            );
        }
        if let Some(target) = host.alias_target() {
            section.findings.push(
                Finding::warning(
                    "mx.cname",
                    format!(
                        "The mail host {name} is a CNAME to {target}. An MX must name a host with its own address; some \
                         senders refuse an alias, and others say the wrong name in TLS checks."
                    ),
                )
                .with_fix(format!("Put {target} into the MX, or give {name} its own A and AAAA."))
                .with_reference("RFC 2181 §10.3, RFC 5321 §5.1")
                .with_evidence(lookups()),
            );
            let mut suggestion =
                Suggestion::plain(&domain.name, &domain.zone(), "MX", format!("{} {target}", host.host.preference));
            suggestion.current = Some(current);
            suggestion.why = "an MX must not point at an alias".into();
            suggestion.risk =
                format!("certificates, MTA-STS and TLSA that were made for {name} must be there for {target} too");
            suggestion.undo = format!("publish {name} as MX again");
            section.suggestions.push(suggestion);
        }
        if let Some(why) = host.unknown() {
            section.findings.push(
                Finding::warning(
                    "mx.address-could-not-look",
                    format!(
                        "We could not look at every address of {name}: {why}. Whether senders reach it is not known."
                    ),
                )
                .with_fix(crate::finding::ASK_AGAIN)
                .with_evidence(host.lookups()),
            );
        }
        if let Some(unreachable) = host.addresses.not_public(name) {
            section.findings.push(
                Finding::error(
                    "mx.not-public",
                    format!("The mail host {name} has an address that no sender can reach: {unreachable}."),
                )
                .with_fix("Publish the host's public address.")
                .with_reference("RFC 6890")
                .with_evidence(host.lookups()),
            );
        }
        if !host.has_no_address() && host.addresses.v4.records.is_empty() && host.unknown().is_none() {
            section.findings.push(
                Finding::warning(
                    "mx.no-ipv4",
                    format!("{name} has IPv6 addresses only; senders without IPv6, still many, cannot reach it."),
                )
                .with_fix("Add an A record, or another MX that has one.")
                .with_evidence(host.lookups()),
            );
        }
    }
    reverse_names(hosts, section);
}

/// Reverse names matter to the hosts that mail comes from, which a mail host often is too.
fn reverse_names(hosts: &[Host<'_>], section: &mut Section) {
    let (mut wrong, mut lookups) = (Vec::new(), Vec::new());
    let mut dynamic = Vec::new();
    for reverse in hosts.iter().flat_map(|host| &host.reverse) {
        let what = match &reverse.outcome {
            ReverseOutcome::NoPtr => Some(format!("{} has no reverse name", reverse.address)),
            ReverseOutcome::Mismatch => Some(format!(
                "the reverse name of {} ({}) does not point back",
                reverse.address,
                form::list(reverse.name())
            )),
            ReverseOutcome::Confirmed(_) | ReverseOutcome::Unknown(_) => None,
        };
        if let Some(what) = what {
            wrong.push(what);
            lookups.extend(reverse.lookups.iter().copied());
        }
        if reverse.looks_dynamic() {
            dynamic.push(reverse);
        }
    }
    wrong.dedup();
    if !wrong.is_empty() {
        section.findings.push(
            Finding::info(
                "mx.reverse-name",
                format!(
                    "{}. Taking mail does not need it; if the host also sends, large receivers refuse its mail.",
                    form::list(wrong)
                ),
            )
            .with_fix("Ask whoever gave you the address (the hoster) for a PTR record with the host's name.")
            .with_reference("RFC 1912 §2.1")
            .with_evidence(lookups),
        );
    }
    if !dynamic.is_empty() {
        let shown: Vec<String> = dynamic.iter().map(|r| format!("{} ({})", r.address, form::list(r.name()))).collect();
        section.findings.push(
            Finding::warning(
                "mx.dynamic-address",
                format!(
                    "{} by its reverse name looks like a customer's line whose address changes. Mail is lost when it \
                     does, and mail from it is widely refused.",
                    form::list(shown)
                ),
            )
            .with_fix("If the address is yours for good, ask your provider for a reverse name that says so.")
            .with_evidence(dynamic.iter().flat_map(|reverse| reverse.lookups.iter().copied())),
        );
    }
}

/// A named host in the place of an address literal; only the person knows its name.
fn named_host(domain: &Domain, current: &str, address: std::net::IpAddr) -> Option<Suggestion> {
    let preference = current.split(' ').next()?;
    let mut suggestion = Suggestion::plain(&domain.name, &domain.zone(), "MX", format!("{preference} {{mail_host}}"));
    suggestion.current = Some(current.to_owned());
    suggestion.why = "an MX holds a name, never an address".into();
    suggestion.risk = "none: the record as it stands reaches nobody".into();
    suggestion.undo = "publish the old MX again".into();
    suggestion.blanks = vec![Blank {
        key: "mail_host",
        prompt: format!("The name of the host at {address} (it must have an A or AAAA record, not a CNAME)"),
    }];
    Some(suggestion)
}

/// For somebody who never did.
pub(super) fn how_to(provider: Option<&str>) -> Vec<String> {
    let whose = match provider {
        Some(provider) => format!("Yours point at {provider}; its set-up page names the hosts to publish, and no others should stand beside them."),
        None => "Your mail provider's set-up page names the hosts to publish; if you run your own, it is your server's name.".to_owned(),
    };
    vec![
        format!("An MX record says which host takes the mail of a domain. {whose}"),
        "Host @ is the domain itself; priority is the preference, and the lowest number is tried first. Content is a name \
         that has an A or AAAA record of its own: never an address, never a CNAME."
            .into(),
        "A domain that takes no mail says so with one record: priority 0, content \".\" (a null MX).".into(),
    ]
}

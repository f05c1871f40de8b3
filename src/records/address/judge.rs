//! What a domain's addresses and CNAMEs mean.

use std::net::IpAddr;

use super::Place;
use crate::check::{Data, Dns, Kind, Look, Record};
use crate::finding::{Finding, Severity, Span, Suggestion};
use crate::name::Name;
use crate::records::reserved::reserved_for;
use crate::records::{Domain, form};
use crate::report::{Mark, Section};

/// The one sentence for a name that is not there.
pub(super) fn no_such_name(domain: &Domain, whole_zone: bool) -> Finding {
    let name = &domain.name;
    if whole_zone {
        Finding::error(
            "address.no-such-name",
            format!(
                "{name} does not exist in DNS: there is no {} at all. It may be misspelt, not registered, expired, or \
                 registered without name servers; no other record of it can exist either.",
                if *name == domain.zone() { "such domain".to_owned() } else { domain.zone().to_string() }
            ),
        )
        .with_fix("Check the spelling; if the name is yours, look at its registration and its name servers.")
        .with_reference("RFC 8020 §2")
    } else {
        Finding::error(
            "address.no-such-name",
            format!(
                "{name} does not exist in DNS; {} above it does. No other record of {name} can exist either.",
                domain.zone()
            ),
        )
        .with_fix(format!("Check the spelling, or look at {} instead.", domain.zone()))
        .with_reference("RFC 8020 §2")
    }
}

/// A server that says of some types that the name is not there, and has others at it.
pub(super) fn denied(domain: &Domain, beside: &[(Kind, Dns<'_>)]) -> Finding {
    let found = beside.iter().filter(|(_, dns)| matches!(dns.look(), Look::Found(_))).map(|(kind, _)| *kind);
    let found: Vec<Kind> = found.collect();
    let there = if found.is_empty() {
        "says of other types that it does".to_owned()
    } else {
        format!("has {} there", form::list(found))
    };
    Finding::warning(
        "address.denied",
        format!(
            "Asked for the address of {}, its name server says that the name does not exist, and {there}. The answer \
             speaks of the name, whatever was asked: resolvers may go by it and answer nothing else of this domain.",
            domain.name
        ),
    )
    .with_fix("Let it answer NOERROR without records for the types that it does not have: a setting of the load balancer or name server in front of the zone.")
    .with_reference("RFC 8020 §2")
}

/// What a CNAME record says.
pub(super) fn alias_note(record: &Record) -> Vec<Mark> {
    let text = form::content(&record.data);
    let note = format!("an alias: whatever is asked at {} is answered by {text}", record.owner);
    vec![Mark { span: Span::new(0, text.len()), note, severity: Severity::Ok }]
}

/// What an address says: nothing, unless nobody can reach it.
pub(super) fn address_marks(name: &Name, record: &Record) -> Vec<Mark> {
    let address = match record.data {
        Data::A(v4) => IpAddr::V4(v4),
        Data::Aaaa(v6) => IpAddr::V6(v6),
        _ => return Vec::new(),
    };
    let Some(what) = reserved_for(name, address) else { return Vec::new() };
    let note = format!("this address is {what}: nobody on the Internet can reach it");
    vec![Mark { span: Span::new(0, address.to_string().len()), note, severity: Severity::Warning }]
}

/// Judges the domain's own name; `beside` is what else was asked at it.
pub(super) fn own(domain: &Domain, place: &Place<'_>, beside: &[(Kind, Dns<'_>)], section: &mut Section) {
    common(place, section);
    let others: Vec<&(Kind, Dns<'_>)> =
        beside.iter().filter(|(_, dns)| dns.aliases.is_empty() && matches!(dns.look(), Look::Found(_))).collect();
    let name = &domain.name;
    if let (Some(first), false) = (place.chain.first(), place.is_loop) {
        let lookups = || place.lookups.iter().copied().chain(others.iter().map(|(_, dns)| dns.id));
        let target = form::content(&first.data);
        if !others.is_empty() {
            section.findings.push(
                Finding::error(
                    "address.cname-beside-data",
                    format!(
                        "{name} has a CNAME to {target} beside {}: a name with a CNAME must have no other record, and \
                         resolvers that follow the CNAME do not see the others, so mail is lost by chance.",
                        form::list(others.iter().map(|(kind, _)| *kind)),
                    ),
                )
                .with_fix(
                    "Remove the CNAME; publish the target's addresses as A and AAAA, or use your provider's ALIAS.",
                )
                .with_reference("RFC 1034 §3.6.2, RFC 2181 §10.1")
                .with_evidence(lookups()),
            );
            section.suggestions.extend(addresses_instead(domain, place, &target));
        } else if *name == domain.zone() {
            section.findings.push(
                Finding::error(
                    "address.cname-at-apex",
                    format!(
                        "{name} is a CNAME to {target}. A zone's own name always has SOA and NS, so it cannot be an \
                         alias; MX and TXT of {name} cannot be published beside it.",
                    ),
                )
                .with_fix("Publish the target's addresses as A and AAAA, or use your provider's ALIAS or flattening.")
                .with_reference("RFC 1034 §3.6.2, RFC 1912 §2.4")
                .with_evidence(lookups()),
            );
            section.suggestions.extend(addresses_instead(domain, place, &target));
        } else {
            section.findings.push(
                Finding::info(
                    "address.alias",
                    format!(
                        "{name} is an alias of {}: its MX, SPF and other records at this very name are those of {}, \
                         and nothing can be published beside the CNAME.",
                        place.end(),
                        place.end()
                    ),
                )
                .with_reference("RFC 1034 §3.6.2")
                .with_evidence(lookups()),
            );
        }
    }
    if place.addresses.all().is_empty() && place.chain.is_empty() && place.addresses.unknown().is_none() {
        let has_mx = beside.iter().any(|(kind, dns)| *kind == Kind::Mx && matches!(dns.look(), Look::Found(_)));
        let consequence = if has_mx { "Mail does not need one: there is an MX." } else { "Nor is there an MX." };
        section.findings.push(
            Finding::info("address.none", format!("{name} exists and has no A and no AAAA record. {consequence}"))
                .with_evidence(place.addresses.lookups()),
        );
    }
}

/// Judges the domain's `www`, which may well not exist.
pub(super) fn www(place: &Place<'_>, section: &mut Section) {
    if !place.addresses.all().is_empty() || !place.chain.is_empty() {
        common(place, section);
    }
}

/// What is true of any name with addresses.
fn common(place: &Place<'_>, section: &mut Section) {
    let name = &place.name;
    let end = place.end();
    if place.is_loop {
        section.findings.push(
            Finding::error(
                "address.cname-loop",
                format!(
                    "The CNAMEs of {name} run in a circle ({name} → {}): no record of it can be found.",
                    place.targets().iter().map(|target| target.to_string()).collect::<Vec<_>>().join(" → ")
                ),
            )
            .with_fix("Point one of the CNAMEs at a name with addresses.")
            .with_reference("RFC 1034 §3.6.2")
            .with_evidence(place.lookups.clone()),
        );
    } else if !place.chain.is_empty() && place.addresses.all().is_empty() && place.addresses.unknown().is_none() {
        let gone = place.addresses.is_no_such_name();
        section.findings.push(
            Finding::warning(
                "address.dangling-cname",
                format!(
                    "{name} is a CNAME to {end}, and {end} {}. A left-over alias can be taken over by whoever gets that \
                     name, who could then also get certificates for {name}.",
                    if gone { "does not exist" } else { "has no address" }
                ),
            )
            .with_fix("Remove the CNAME, or point it at a name that is yours and exists.")
            .with_evidence(place.lookups.clone()),
        );
    }
    if let Some(unreachable) = place.addresses.not_public(name) {
        section.findings.push(
            Finding::warning(
                "address.not-public",
                format!("{name} has an address that nobody on the Internet can reach: {unreachable}."),
            )
            .with_fix("Publish public addresses only; keep internal ones in an internal zone.")
            .with_reference("RFC 6890")
            .with_evidence(place.addresses.lookups()),
        );
    }
    if let (Some(why), false) = (place.addresses.unknown(), place.is_loop) {
        section.findings.push(
            Finding::warning(
                "address.could-not-look",
                format!("We could not look at every address of {name}: {why}. There may be more than is shown."),
            )
            .with_fix(crate::finding::ASK_AGAIN)
            .with_evidence(place.addresses.lookups()),
        );
    }
}

/// The addresses that the target has today, to stand in the CNAME's place.
fn addresses_instead(domain: &Domain, place: &Place<'_>, target: &str) -> Vec<Suggestion> {
    let mut suggestions = Vec::new();
    for address in place.addresses.all() {
        let rr_type = if address.is_ipv4() { "A" } else { "AAAA" };
        let mut suggestion = Suggestion::plain(&domain.name, &domain.zone(), rr_type, address.to_string());
        suggestion.step = u32::try_from(suggestions.len() + 1).unwrap_or(u32::MAX);
        suggestion.current = Some(format!("CNAME {target}"));
        suggestion.why =
            format!("it is the address that {target} has today, and it lets MX and TXT stand at this name");
        suggestion.risk = format!(
            "{target} may change its addresses without telling you: ask its operator which are static, or use your DNS \
             provider's ALIAS, which follows them"
        );
        suggestion.undo = format!("remove the address records and publish CNAME {target} again");
        suggestions.push(suggestion);
    }
    suggestions
}

/// For somebody who never did.
pub(super) fn how_to() -> Vec<String> {
    vec![
        "An A record holds one IPv4 address of your web server, an AAAA record one IPv6 address. Host @ is the domain \
         itself. Mail does not use them while there is an MX record; without one, senders try these addresses."
            .into(),
        "A CNAME stands for an address: www may be a CNAME to your web host. It says \"everything about this name is over \
         there\", so it can never stand beside MX, TXT or NS, which means never at the domain itself, and never as the \
         target of an MX."
            .into(),
        "Before you move a server, lower the TTL to 300 a day ahead; raise it again when the move is done.".into(),
    ]
}

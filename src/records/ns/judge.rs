//! What the name servers and the SOA of a zone mean.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Server, Zone};
use crate::check::{Data, Look};
use crate::finding::Finding;
use crate::name::Name;
use crate::records::mx::alias_target;
use crate::records::{Domain, form};
use crate::report::{LookupId, Section};

/// No NS anywhere: the domain exists, so somebody answers; the resolver does not show who.
pub(super) fn none(domain: &Domain, lookups: &[LookupId], section: &mut Section) {
    section.findings.push(
        Finding::info(
            "ns.none",
            format!("No NS record is answered for {} or its zone, though names in it are.", domain.name),
        )
        .with_reference("RFC 1034 §4.2.1")
        .with_evidence(lookups.iter().copied()),
    );
}

/// Judges the servers.
pub(super) fn servers(zone: &Zone<'_>, servers: &[Server<'_>], section: &mut Section) {
    let name = &zone.name;
    if servers.len() < 2 {
        section.findings.push(
            Finding::warning(
                "ns.one-server",
                format!(
                    "{name} has one name server: when it is down, so are the domain's mail, its SPF and its DKIM keys."
                ),
            )
            .with_fix("Add a second name server, in another network.")
            .with_reference("RFC 1034 §4.1, RFC 2182 §5")
            .with_evidence([zone.ns.id]),
        );
    }
    for server in servers {
        let lookups = server.addresses.lookups();
        let addresses = server.addresses.all();
        if let Some(target) = alias_target(server.addresses.aliases()) {
            section.findings.push(
                Finding::warning(
                    "ns.cname",
                    format!(
                        "The name server {} is a CNAME to {target}; an NS must name a host with its own address.",
                        server.name
                    ),
                )
                .with_fix(format!("Put {target} into the NS record."))
                .with_reference("RFC 2181 §10.3")
                .with_evidence(lookups),
            );
        }
        match server.addresses.unknown() {
            Some(why) => section.findings.push(
                Finding::warning("ns.address-could-not-look", format!("We could not look at every address of the name server {}: {why}.", server.name))
                    .with_fix(crate::finding::ASK_AGAIN)
                    .with_evidence(lookups),
            ),
            None if addresses.is_empty() => section.findings.push(
                Finding::error(
                    "ns.no-address",
                    format!("The name server {} has no address: resolvers that choose it lose time or fail. If its domain is free, whoever registers it can answer for {name}.", server.name),
                )
                .with_fix("Correct or remove it, here and at the registrar.")
                .with_reference("RFC 1912 §2.8")
                .with_evidence(lookups),
            ),
            None => {}
        }
        if let Some(unreachable) = server.addresses.not_public(&server.name) {
            section.findings.push(
                Finding::error(
                    "ns.not-public",
                    format!(
                        "The name server {} has an address that nobody on the Internet can reach: {}.",
                        server.name, unreachable
                    ),
                )
                .with_fix("Publish its public address.")
                .with_reference("RFC 6890")
                .with_evidence(lookups),
            );
        }
    }
    let networks: BTreeSet<Vec<u8>> = servers.iter().flat_map(|server| server.addresses.all()).map(network).collect();
    // Where one server's address is not known, it may well be elsewhere.
    let all_known = servers.iter().all(|s| s.addresses.unknown().is_none() && !s.addresses.all().is_empty());
    if servers.len() >= 2 && networks.len() == 1 && all_known {
        section.findings.push(
            Finding::info(
                "ns.one-network",
                format!(
                    "All {} name servers stand in one network: one fault there takes the domain off the Internet.",
                    servers.len()
                ),
            )
            .with_fix("Have one of them elsewhere.")
            .with_reference("RFC 2182 §3.1")
            .with_evidence(servers.iter().flat_map(|server| server.addresses.lookups())),
        );
    }
}

/// The network that an address probably shares its faults with: /24, or /48 of IPv6.
fn network(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into_iter().take(3).collect(),
        IpAddr::V6(v6) => v6.octets().into_iter().take(6).collect(),
    }
}

/// Judges the SOA.
pub(super) fn soa(zone: &Zone<'_>, section: &mut Section) {
    let name = &zone.name;
    match zone.soa.look() {
        Look::Unknown(why) => section.findings.push(
            Finding::warning("ns.soa-could-not-look", format!("We could not look at the SOA of {name}: {why}."))
                .with_fix(crate::finding::ASK_AGAIN)
                .with_evidence([zone.soa.id]),
        ),
        Look::Absent(_) => section.findings.push(
            Finding::warning(
                "ns.no-soa",
                format!(
                    "{name} has NS records and no SOA: a zone cannot be without one, so its server is set up wrongly."
                ),
            )
            .with_reference("RFC 1035 §5.2")
            .with_evidence([zone.soa.id]),
        ),
        Look::Found(records) => {
            let Some(Data::Soa { refresh, expire, minimum, .. }) = records.first().map(|record| &record.data) else {
                return;
            };
            if *minimum > 86_400 {
                section.findings.push(
                    Finding::info(
                        "ns.long-absence",
                        format!("The SOA of {name} lets resolvers keep \"does not exist\" for {minimum} seconds: a record that you add may stay unseen for more than a day."),
                    )
                    .with_fix("Set the last number of the SOA to 3600 or less.")
                    .with_reference("RFC 2308 §5")
                    .with_evidence([zone.soa.id]),
                );
            }
            if *expire > 0 && *expire <= *refresh {
                section.findings.push(
                    Finding::warning("ns.short-expire", format!("The SOA of {name} lets the other servers give up (expire, {expire} s) before they have to ask again (refresh, {refresh} s)."))
                        .with_fix("Set expire to two to four weeks.")
                        .with_reference("RFC 1912 §2.2")
                        .with_evidence([zone.soa.id]),
                );
            }
        }
    }
}

/// The mailbox in an SOA's `rname`: its first dot stands for the `@` (RFC 1035 §3.3.13, §8).
pub(super) fn mailbox(rname: &Name) -> String {
    let labels = rname.raw_labels();
    let local = labels.first().map(|label| crate::untrusted::lossless(label).into_owned()).unwrap_or_default();
    match rname.parent() {
        Some(domain) if !domain.is_root() => format!("{local}@{domain}"),
        _ => form::list(rname.labels()),
    }
}

/// For somebody who never did.
pub(super) fn how_to() -> Vec<String> {
    vec![
        "NS records name the servers that answer for the zone; the registrar holds the same list at the parent. Your DNS \
         provider gives you two or more: enter exactly those at the registrar."
            .into(),
        "After a change, the old servers should go on answering for two days: the parent's TTL decides when others look again."
            .into(),
    ]
}

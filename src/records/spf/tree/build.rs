//! The tree of a record and of everything that it leads to, read ahead as far as DNS has answered.

use super::{Found, MAX_RECORDS, Network, Node, Own, Reach, TermNode};
use crate::check::{Absence, Dns, Kind, Look, Seen, Wait, all};
use crate::name::Name;
use crate::records::mx::MxSet;
use crate::records::spf::client::target_name;
use crate::records::spf::evaluate::MAX_MX;
use crate::records::spf::macros::{DomainSpec, Values};
use crate::records::spf::parse::{DualCidr, Mechanism, Selection, SpfRecord, Term, TermKind};
use crate::report::LookupId;
use std::net::IpAddr;

pub(super) struct Builder<'a, 'e> {
    pub(super) seen: &'a Seen<'e>,
    pub(super) records: usize,
    /// Targets that were followed before, to tell repetitions.
    pub(super) targets: Vec<Name>,
}

impl Builder<'_, '_> {
    pub(super) fn node(&mut self, domain: &str, name: Option<Name>, above: &mut Vec<Name>) -> Result<Node, Wait> {
        let mut node = Node {
            domain: domain.to_owned(),
            name: name.clone(),
            found: Found::NotADomain,
            lookup: None,
            ttl: None,
            terms: Vec::new(),
        };
        let Some(name) = name else { return Ok(node) };
        if above.contains(&name) {
            node.found = Found::Loop;
            return Ok(node);
        }
        if self.records >= MAX_RECORDS {
            node.found = Found::GivenUp;
            return Ok(node);
        }
        self.records += 1;
        let txt = self.seen.dns(&name, Kind::Txt)?;
        node.lookup = Some(txt.id);
        (node.found, node.ttl) = found(&txt);
        if let Found::Record(record) = &node.found {
            above.push(name.clone());
            let terms = self.terms(record, &name, above);
            above.pop();
            node.terms = terms?;
        }
        Ok(node)
    }

    pub(super) fn terms(
        &mut self,
        record: &SpfRecord,
        domain: &Name,
        above: &mut Vec<Name>,
    ) -> Result<Vec<TermNode>, Wait> {
        let all_at = record.all().map_or(usize::MAX, |(at, _)| at);
        let terms: Vec<(usize, &Term)> = record.terms.iter().enumerate().collect();
        all(terms, |(at, term)| {
            let reach = match &term.kind {
                TermKind::Directive { .. } if at > all_at => Reach::AfterAll,
                TermKind::Redirect(_) if all_at != usize::MAX => Reach::Ignored,
                _ => Reach::Reached,
            };
            let mut node = TermNode {
                term: term.clone(),
                cost: u32::from(term.kind.is_lookup()),
                total: 0,
                running: 0,
                reach,
                own: Own::Nothing,
                networks: Vec::new(),
                lookups: Vec::new(),
                child: None,
                repeated: false,
                shadowed_by: None,
            };
            if reach == Reach::Reached {
                self.look(&mut node, domain, above)?;
            }
            Ok(node)
        })
    }

    pub(super) fn look(&mut self, node: &mut TermNode, domain: &Name, above: &mut Vec<Name>) -> Result<(), Wait> {
        let kind = node.term.kind.clone();
        match &kind {
            TermKind::Redirect(spec) | TermKind::Directive { mechanism: Mechanism::Include(spec), .. } => {
                node.child = Some(Box::new(self.follow(node, spec, domain, above)?));
            }
            TermKind::Directive { mechanism, .. } => match mechanism {
                Mechanism::All | Mechanism::Include(_) => {}
                Mechanism::Ip4(address, prefix) => {
                    node.networks.push(Network { address: IpAddr::V4(*address), prefix: *prefix });
                }
                Mechanism::Ip6(address, prefix) => {
                    node.networks.push(Network { address: IpAddr::V6(*address), prefix: *prefix });
                }
                Mechanism::Ptr(_) => node.own = Own::NeedsMessage,
                Mechanism::A(spec, cidr) => match target(spec.as_ref(), domain) {
                    Ok(name) => (node.own, node.networks) = self.addresses(&name, *cidr, &mut node.lookups)?,
                    Err(own) => node.own = own,
                },
                Mechanism::Mx(spec, cidr) => match target(spec.as_ref(), domain) {
                    Ok(name) => (node.own, node.networks) = self.mx(&name, *cidr, &mut node.lookups)?,
                    Err(own) => node.own = own,
                },
                Mechanism::Exists(spec) => match target(Some(spec), domain) {
                    Ok(name) => {
                        let answer = self.seen.dns(&name, Kind::A)?;
                        node.lookups.push(answer.id);
                        node.own = own(&answer);
                    }
                    Err(own) => node.own = own,
                },
            },
            TermKind::Exp(_) | TermKind::Other { .. } | TermKind::Invalid(_) => {}
        }
        Ok(())
    }

    pub(super) fn follow(
        &mut self,
        node: &mut TermNode,
        spec: &DomainSpec,
        domain: &Name,
        above: &mut Vec<Name>,
    ) -> Result<Node, Wait> {
        if spec.text().needs_message() {
            let found = Found::NeedsMessage;
            let domain = spec.as_str().to_owned();
            return Ok(Node { domain, name: None, found, lookup: None, ttl: None, terms: Vec::new() });
        }
        let text = spec.text().expand(&values(domain));
        let name = target_name(&text);
        if let Some(name) = &name {
            node.repeated = self.targets.contains(name);
            self.targets.push(name.clone());
        }
        self.node(text.strip_suffix('.').unwrap_or(&text), name, above)
    }

    pub(super) fn addresses(
        &self,
        name: &Name,
        cidr: DualCidr,
        read: &mut Vec<LookupId>,
    ) -> Result<(Own, Vec<Network>), Wait> {
        let (v4, v6) = (self.seen.dns(name, Kind::A), self.seen.dns(name, Kind::Aaaa));
        let (v4, v6) = (v4?, v6?);
        read.extend([v4.id, v6.id]);
        let networks = v4.addresses().chain(v6.addresses()).map(|address| cidr.of(address)).collect();
        let own = match (own(&v4), own(&v6)) {
            (Own::Void(absence), Own::Void(_)) => Own::Void(absence),
            (Own::Present, Own::Void(_)) => Own::OneFamily { present: Kind::A },
            (Own::Void(_), Own::Present) => Own::OneFamily { present: Kind::Aaaa },
            (unknown @ Own::Unknown(_), _) | (_, unknown @ Own::Unknown(_)) => unknown,
            (first, _) => first,
        };
        Ok((own, networks))
    }

    pub(super) fn mx(
        &self,
        name: &Name,
        cidr: DualCidr,
        read: &mut Vec<LookupId>,
    ) -> Result<(Own, Vec<Network>), Wait> {
        let answer = self.seen.dns(name, Kind::Mx)?;
        read.push(answer.id);
        let own = own(&answer);
        if own != Own::Present {
            return Ok((own, Vec::new()));
        }
        if answer.records.len() > MAX_MX {
            return Ok((Own::TooManyMx(answer.records.len()), Vec::new()));
        }
        let hosts = MxSet::read(name, &answer).hosts;
        let found = all(&hosts, |host| self.addresses(&host.name, cidr, read))?;
        let failed = found.iter().find(|(own, _)| matches!(own, Own::Unknown(_))).map(|(own, _)| own.clone());
        Ok((failed.unwrap_or(own), found.into_iter().flat_map(|(_, networks)| networks).collect()))
    }
}

impl DualCidr {
    pub(super) fn of(self, address: IpAddr) -> Network {
        Network { address, prefix: if address.is_ipv4() { self.v4 } else { self.v6 } }
    }
}

pub(super) fn own(answer: &Dns<'_>) -> Own {
    match answer.look() {
        Look::Found(_) => Own::Present,
        Look::Absent(absence) => Own::Void(absence),
        Look::Unknown(outcome) => Own::Unknown(outcome.clone()),
    }
}

pub(super) fn found(txt: &Dns<'_>) -> (Found, Option<u32>) {
    match txt.look() {
        Look::Unknown(outcome) => return (Found::Unknown(outcome.clone()), None),
        Look::Absent(Absence::NoSuchName) => return (Found::NoSuchName, None),
        Look::Absent(Absence::NoData) => return (Found::NoRecord, None),
        Look::Found(_) => {}
    }
    let mut selection = Selection::of(txt);
    let ttl = txt.records.first().map(|record| record.ttl);
    match selection.records.len() {
        0 => (Found::NoRecord, ttl),
        1 => (Found::Record(SpfRecord::parse(&selection.records.remove(0))), ttl),
        _ => (Found::Several(selection.records), ttl),
    }
}

/// The name that a term asks for, or why there is none without a message.
pub(super) fn target(spec: Option<&DomainSpec>, domain: &Name) -> Result<Name, Own> {
    match spec {
        None => Ok(domain.clone()),
        Some(spec) if spec.text().needs_message() => Err(Own::NeedsMessage),
        Some(spec) => spec.name(&values(domain)).ok_or(Own::NotADomain),
    }
}

/// `%{d}` is all that is known without a message.
pub(super) fn values(domain: &Name) -> Values<'_> {
    Values {
        local: "",
        sender_domain: "",
        domain: domain.as_str(),
        ip: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        helo: "",
        validated: "",
        receiver: "",
        timestamp: 0,
    }
}

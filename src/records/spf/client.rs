//! The client that check_host() judges: its addresses, identities and validated names, the macro values that follow from them
//! (RFC 7208 §7.2, §7.3), and reading ahead: asking in one round what the terms of a record will probably need.

use std::net::IpAddr;

use crate::check::{Dns, DnsAnswer, Kind, Seen, Wait, all};
use crate::name::{MAX_TEXT, Name};
use crate::records::spf::evaluate::{MAX_MX, MAX_PTR, select};
use crate::records::spf::evaluation::{CheckHostArgs, UNKNOWN};
use crate::records::spf::macros::{self, DomainSpec, MacroString, Values};
use crate::records::spf::mechanisms::{in_network, within};
use crate::records::spf::parse::{DualCidr, Mechanism};

/// The name of a policy's domain, or `None` when it is no fully qualified name that DNS can carry: one label, an empty or
/// too long label, an address literal (§4.3).
pub fn fqdn(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > MAX_TEXT || text.ends_with(']') {
        return None;
    }
    macros::name_of(text).filter(|name| name.label_count() > 1)
}

/// U-labels as A-labels (RFC 8616 §4); what IDNA refuses stays as it is, and no name comes of it.
fn to_a_labels(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    Name::from_unicode(text).map_or_else(|_| text.to_owned(), |name| name.as_str().to_owned())
}

/// The client that is judged, as macros and matches see it.
pub(super) struct Client<'a, 'e> {
    pub(super) ip: IpAddr,
    pub(super) local: &'a str,
    pub(super) sender_domain: String,
    pub(super) domain: String,
    pub(super) helo: String,
    pub(super) receiver: &'a str,
    pub(super) seen: &'a Seen<'e>,
}

impl<'a, 'e> Client<'a, 'e> {
    pub(super) fn new(args: &'a CheckHostArgs, seen: &'a Seen<'e>) -> Client<'a, 'e> {
        let (local, sender_domain) = args.sender.rsplit_once('@').unwrap_or(("postmaster", &args.sender));
        Client {
            ip: args.ip.to_canonical(),
            local: if local.is_empty() { "postmaster" } else { local },
            sender_domain: to_a_labels(sender_domain),
            domain: to_a_labels(args.domain.strip_suffix('.').unwrap_or(&args.domain)),
            helo: to_a_labels(&args.helo),
            receiver: &args.receiver,
            seen,
        }
    }

    /// The name that a domain-spec asks for.
    pub(super) fn name(&self, spec: &DomainSpec, domain: &str) -> Result<Option<Name>, Wait> {
        Ok(macros::name_of(&self.expand(spec, domain)?))
    }

    /// A domain-spec with its macros replaced, without a final dot.
    pub(super) fn expand(&self, spec: &DomainSpec, domain: &str) -> Result<String, Wait> {
        let expanded = self.with_values(spec.text(), domain)?;
        Ok(expanded.strip_suffix('.').unwrap_or(&expanded).to_owned())
    }

    pub(super) fn with_values(&self, text: &MacroString, domain: &str) -> Result<String, Wait> {
        let validated = if text.uses_validated_name() { self.validated_name(domain)? } else { UNKNOWN.to_owned() };
        Ok(text.expand(&Values {
            local: self.local,
            sender_domain: &self.sender_domain,
            domain,
            ip: self.ip,
            helo: &self.helo,
            validated: &validated,
            receiver: self.receiver,
            timestamp: self.seen.now().unix_timestamp(),
        }))
    }

    /// `%{p}`: the domain itself if it is a validated name of the client, else one below it, else any, else `unknown` (§7.3).
    pub(super) fn validated_name(&self, domain: &str) -> Result<String, Wait> {
        let answer = self.seen.dns(&Name::reverse(self.ip), Kind::Ptr)?;
        let names = self.validated(answer.targets())?;
        let own = macros::name_of(domain);
        let best = names
            .iter()
            .find(|name| Some(*name) == own.as_ref())
            .or_else(|| names.iter().find(|name| own.as_ref().is_some_and(|own| name.is_at_or_below(own))))
            .or_else(|| names.first());
        Ok(best.map_or_else(|| UNKNOWN.to_owned(), |name| name.as_str().to_owned()))
    }

    /// Those of the first ten names that lead back to the client. A name that cannot be looked up is passed over (§5.5).
    pub(super) fn validated<'n>(&self, names: impl Iterator<Item = &'n Name>) -> Result<Vec<Name>, Wait> {
        let names: Vec<&Name> = names.filter(|name| !name.is_root()).take(MAX_PTR).collect();
        let answers = all(&names, |name| self.seen.dns(name, self.address_kind()))?;
        let back = |answer: &Dns<'_>| answer.addresses().any(|address| address == self.ip);
        Ok(names.into_iter().zip(&answers).filter(|(_, answer)| back(answer)).map(|(name, _)| name.clone()).collect())
    }

    pub(super) fn address_kind(&self) -> Kind {
        if self.ip.is_ipv4() { Kind::A } else { Kind::Aaaa }
    }

    pub(super) fn matches(&self, address: IpAddr, cidr: DualCidr) -> bool {
        within(self.ip, address, if self.ip.is_ipv4() { cidr.v4 } else { cidr.v6 })
    }

    /// Asks what the record of `domain` will probably need, `budget` look-up terms at most; the answers are not judged.
    pub(super) fn read_ahead(&self, domain: &str, name: &Name, budget: &mut u32) {
        let Ok(txt) = self.seen.dns(name, Kind::Txt) else { return };
        let Ok(record) = select(&txt, name, domain) else { return };
        if record.problem().is_some() {
            return;
        }
        for (_, _, _, mechanism) in record.directives() {
            if *mechanism == Mechanism::All || in_network(self.ip, mechanism) {
                return;
            }
            if mechanism.is_lookup() {
                if *budget == 0 {
                    return;
                }
                *budget -= 1;
                // What is not there yet was asked by the attempt; the strict evaluation waits for it where it must.
                let _ = self.read_term_ahead(mechanism, domain, name, budget);
            }
        }
        if let Some((_, spec)) = record.redirect()
            && *budget > 0
            && let Ok(target) = self.expand(spec, domain)
            && let Some(name) = target_name(&target)
        {
            *budget -= 1;
            self.read_ahead(&target, &name, budget);
        }
    }

    pub(super) fn read_term_ahead(
        &self,
        mechanism: &Mechanism,
        domain: &str,
        name: &Name,
        budget: &mut u32,
    ) -> Result<(), Wait> {
        if let Mechanism::Include(spec) = mechanism {
            let target = self.expand(spec, domain)?;
            if let Some(name) = target_name(&target) {
                self.read_ahead(&target, &name, budget);
            }
            return Ok(());
        }
        let target = match mechanism.domain() {
            Some(spec) => self.name(spec, domain)?,
            None => Some(name.clone()),
        };
        let Some(target) = target else { return Ok(()) };
        match mechanism {
            Mechanism::A(..) => self.seen.dns(&target, self.address_kind()).map(|_| ()),
            Mechanism::Exists(_) => self.seen.dns(&target, Kind::A).map(|_| ()),
            Mechanism::Mx(..) => {
                let answer = self.seen.dns(&target, Kind::Mx)?;
                if answer.records.len() <= MAX_MX {
                    all(mx_hosts(&answer), |host| self.seen.dns(&host, self.address_kind()))?;
                }
                Ok(())
            }
            Mechanism::Ptr(_) => {
                let answer = self.seen.dns(&Name::reverse(self.ip), Kind::Ptr)?;
                self.validated(answer.targets().filter(|name| name.is_at_or_below(&target))).map(|_| ())
            }
            Mechanism::All | Mechanism::Include(_) | Mechanism::Ip4(..) | Mechanism::Ip6(..) => Ok(()),
        }
    }
}

/// The name of an `include` or `redirect` target: cut to 253 bytes as macros ask (§7.3), then judged as any domain.
pub(super) fn target_name(expanded: &str) -> Option<Name> {
    macros::name_of(expanded).filter(|name| name.label_count() > 1)
}

/// The hosts of an MX answer, the preferred first; the null MX (RFC 7505) has none.
pub(super) fn mx_hosts(answer: &DnsAnswer) -> Vec<Name> {
    let mut hosts: Vec<(u16, &Name)> = answer
        .records
        .iter()
        .filter_map(|record| match &record.data {
            crate::check::Data::Mx { preference, exchange } if !exchange.is_root() => Some((*preference, exchange)),
            _ => None,
        })
        .collect();
    hosts.sort();
    hosts.into_iter().map(|(_, host)| host.clone()).collect()
}

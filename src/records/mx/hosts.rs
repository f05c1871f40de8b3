//! What is asked about each mail host: its addresses, the CNAME that should not be there, the reverse names.

use std::net::IpAddr;

use super::{MxHost, MxSet};
use crate::check::{Data, Outcome, Record, Seen, Wait, all};
use crate::finding::Severity;
use crate::name::Name;
use crate::records::address::Addresses;
use crate::records::ptr::{Reverse, fcrdns};
use crate::records::reserved::reserved_for;
use crate::report::LookupId;

/// How many hosts are looked at: twice what SPF would (RFC 7208 §4.6.4), and senders try fewer.
const MAX_HOSTS: usize = 20;
/// How many addresses of one host get their reverse name looked up.
const MAX_REVERSE: usize = 8;

/// The name that a chain of CNAMEs ends at.
pub fn alias_target(aliases: &[Record]) -> Option<&Name> {
    match &aliases.last()?.data {
        Data::Cname(target) => Some(target),
        _ => None,
    }
}

/// One mail host with what DNS says of it.
pub(super) struct Host<'a> {
    pub(super) host: MxHost,
    pub(super) addresses: Addresses<'a>,
    pub(super) reverse: Vec<Reverse>,
}

impl<'a> Host<'a> {
    /// Asks for all hosts at once, then for all reverse names at once.
    pub(super) fn all(set: &MxSet, seen: &Seen<'a>) -> Result<Vec<Host<'a>>, Wait> {
        let hosts: Vec<&MxHost> = set.hosts.iter().take(MAX_HOSTS).collect();
        all(hosts, |host| {
            let addresses = Addresses::ask(&host.name, seen)?;
            // A domain without MX is not a mail host until somebody sends to it: its reverse name would tell nothing.
            // Nor has an address that nobody can reach.
            let mut known = if set.implicit { Vec::new() } else { addresses.all() };
            known.retain(|address| reserved_for(&host.name, *address).is_none());
            let reverse = all(known.into_iter().take(MAX_REVERSE), |address| fcrdns(address, seen))?;
            Ok(Host { host: host.clone(), addresses, reverse })
        })
    }

    pub(super) fn name(&self) -> &Name {
        &self.host.name
    }

    /// The name that its CNAME leads to, where there is one.
    pub(super) fn alias_target(&self) -> Option<&'a Name> {
        alias_target(self.addresses.aliases())
    }

    /// The address that stands where a name should.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        let text = self.name().as_str();
        text.trim_matches(['[', ']']).parse().ok()
    }

    /// Whether it means the sender's own machine.
    pub(super) fn is_localhost(&self) -> bool {
        let text = self.name().as_str();
        let addresses = self.addresses.all();
        text == "localhost"
            || text.starts_with("localhost.")
            || (!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback))
    }

    /// Whether it surely has no address.
    pub(super) fn has_no_address(&self) -> bool {
        self.addresses.all().is_empty() && self.addresses.unknown().is_none()
    }

    /// Why some of its addresses could not be looked at.
    pub(super) fn unknown(&self) -> Option<&'a Outcome> {
        self.addresses.unknown()
    }

    pub(super) fn severity(&self) -> Severity {
        if self.has_no_address() || self.literal().is_some() || self.is_localhost() {
            Severity::Error
        } else if self.alias_target().is_some() || self.unknown().is_some() {
            Severity::Warning
        } else {
            Severity::Ok
        }
    }

    pub(super) fn no_address_words(&self) -> String {
        match self.unknown() {
            Some(why) => format!("could not look: {why}"),
            None if self.addresses.is_no_such_name() => "no such name".into(),
            None => "no address".into(),
        }
    }

    pub(super) fn lookups(&self) -> Vec<LookupId> {
        self.addresses.lookups().to_vec()
    }
}

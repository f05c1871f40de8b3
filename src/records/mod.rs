//! What a domain publishes. One file or folder a record, each in the order *parse, evaluate, suggest, tests*; the one list
//! of them is [`ALL`], in the fixed order of the sections.

pub mod address;
pub mod bimi;
pub mod bulk;
pub mod caa;
pub mod dane;
pub mod dkim;
pub mod dmarc;
pub mod dnssec;
pub mod form;
pub mod lint;
pub mod mta_sts;
pub mod mx;
pub mod ns;
pub mod providers;
pub mod ptr;
pub mod published;
pub mod reserved;
pub mod spf;
mod tags;
pub mod tls_rpt;
mod unseen;
mod verdict;

pub use tags::{Tag, TagList, TagProblem};

use crate::check::{Check, Subject};
use crate::name::Name;
use crate::report::{Section, VerdictLine};

/// The domain that is looked at.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its name.
    pub name: Name,
    /// DKIM selectors that the person named or that mail showed, to be tried first.
    pub selectors: Vec<String>,
    /// What was seen of its MTA-STS the last time, to tell when `id` and policy did not change together.
    pub remembered: Option<mta_sts::RememberedSts>,
}

/// Every record check, in the fixed order of the sections.
// One line each, so that two new records do not meet in one line.
#[rustfmt::skip]
pub const ALL: &[&dyn Check<Domain>] = &[
    &address::Address,
    &mx::Mx,
    &spf::Spf,
    &dkim::Dkim,
    &dmarc::DmarcCheck,
    &mta_sts::MtaStsCheck,
    &tls_rpt::TlsRptCheck,
    &bimi::BimiCheck,
    &dane::Dane,
    &dnssec::Dnssec,
    &caa::CaaCheck,
    &ns::Ns,
    &bulk::Bulk,
];

/// Checks that run only where a job names them: they ask others than the resolver, or much.
#[rustfmt::skip]
pub const ON_REQUEST: &[&dyn Check<Domain>] = &[
    &published::Published,
];

/// What a job's `only` is when the checks on request are wanted too; an empty `only` stands for all of [`ALL`].
pub fn with_requested(only: &[String]) -> Vec<String> {
    let ids = |checks: &[&dyn Check<Domain>]| checks.iter().map(|check| check.id().to_owned()).collect::<Vec<_>>();
    let mut wanted = if only.is_empty() { ids(ALL) } else { only.to_vec() };
    wanted.extend(ids(ON_REQUEST).into_iter().filter(|id| !only.contains(id)));
    wanted
}

impl Domain {
    /// A domain without known selectors.
    pub fn new(name: Name) -> Domain {
        Domain { name, selectors: Vec::new(), remembered: None }
    }

    /// The zone that a provider's form would show for this domain: the registrable domain by the public suffix list, or
    /// the name itself when it is a suffix. Forms are per zone, so hosts are shown relative to it. This is never used for
    /// DMARC's Organizational Domain, which is found by walking (RFC 9989 §4.10).
    pub fn zone(&self) -> Name {
        psl::domain_str(self.name.as_str())
            .and_then(|zone| Name::from_text(zone).ok())
            .unwrap_or_else(|| self.name.clone())
    }
}

impl Subject for Domain {
    const KIND: &'static str = "domain";

    fn target(&self) -> String {
        self.name.to_string()
    }

    fn checks(&self) -> &'static [&'static dyn Check<Domain>] {
        ALL
    }

    fn on_request(&self) -> &'static [&'static dyn Check<Domain>] {
        ON_REQUEST
    }

    fn together(&self, sections: &mut [Section]) {
        published::together(sections);
    }

    fn verdict(&self, sections: &[Section]) -> Vec<VerdictLine> {
        verdict::verdict(sections)
    }
}

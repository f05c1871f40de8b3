//! Which selectors are worth asking for. DNS has no way to list them, so they come, likely ones first, from the person and
//! from mail seen, from what the provider documents, from our own list (`assets/selectors.txt`), and from what people
//! make of dates and of their own name.

use std::collections::HashSet;

use time::OffsetDateTime;

use crate::name::Name;
use crate::records::Domain;
use crate::records::providers::Provider;

/// The most selectors that one look at a domain asks for.
pub const MAX_TRIED: usize = 120;
/// How many of the list are asked at once, before anything is known of the domain.
///
/// Guesses hold three quarters of 64 slots, 48. Were all [`MAX_TRIED`] asked after `_domainkey`, MX and SPF are known, they
/// would take rounds two, three and four, and the audit of most domains would wait for the last of them; with
/// `120 - 2 * 48` of them in round one they end in round three, with an SPF record that includes a provider's that includes
/// another. Where nothing exists below `_domainkey` these few are all that is asked; they also catch a server that is
/// wrong about that.
const LIKELY: usize = 24;
/// The embedded list.
const LIST: &str = include_str!("../../../assets/selectors.txt");

/// Where a selector comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The person named it, or mail showed it.
    Named,
    /// A provider documents it.
    Provider,
    /// It stands in our list.
    Common,
    /// It was made from a date or from the domain's name.
    Made,
}

/// A selector to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The selector as it was given.
    pub selector: String,
    /// Where its key would stand.
    pub name: Name,
    /// Where it comes from.
    pub source: Source,
}

/// How wide to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    /// Everything, up to [`MAX_TRIED`].
    Wide,
    /// What is named or documented, and the first of the list.
    Likely,
}

/// The selectors that were named, cleaned: a whole key name is cut to its selector, U-labels become A-labels. What is no
/// name stays out and is told in the second list.
pub fn named(domain: &Domain) -> (Vec<Candidate>, Vec<String>) {
    let (mut good, mut bad): (Vec<Candidate>, Vec<String>) = (Vec::new(), Vec::new());
    for typed in &domain.selectors {
        let lower = typed.trim().to_lowercase();
        let selector = lower.split("._domainkey").next().unwrap_or(&lower);
        match at(domain, selector) {
            Some(name) if good.iter().all(|candidate| candidate.name != name) => {
                good.push(Candidate { selector: selector.to_owned(), name, source: Source::Named });
            }
            Some(_) => {}
            None => bad.push(typed.clone()),
        }
    }
    good.truncate(MAX_TRIED);
    (good, bad)
}

/// Every selector to ask for, each once, the named first.
pub fn candidates(domain: &Domain, providers: &[&Provider], now: OffsetDateTime, breadth: Breadth) -> Vec<Candidate> {
    let mut all = named(domain).0;
    let mut once: HashSet<Name> = all.iter().map(|candidate| candidate.name.clone()).collect();
    let mut add = |selector: &str, source| {
        if all.len() < MAX_TRIED
            && let Some(name) = at(domain, selector)
            && once.insert(name.clone())
        {
            all.push(Candidate { selector: selector.to_owned(), name, source });
        }
    };
    for provider in providers {
        for selector in &provider.selectors {
            add(selector, Source::Provider);
        }
    }
    // What was asked early comes first, so that a full house never leaves out an answer that is there.
    common().take(LIKELY).for_each(|selector| add(selector, Source::Common));
    if breadth == Breadth::Wide {
        for selector in made(domain, now) {
            add(&selector, Source::Made);
        }
        common().for_each(|selector| add(selector, Source::Common));
    }
    all
}

/// The selectors to ask for before anything is known of the domain: the named and the first of the list.
pub fn early(domain: &Domain) -> Vec<Name> {
    let named = named(domain).0.into_iter().map(|candidate| candidate.name);
    named.chain(common().take(LIKELY).filter_map(|selector| at(domain, selector))).take(MAX_TRIED).collect()
}

fn common() -> impl Iterator<Item = &'static str> {
    LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Selectors made from the domain's own name and from the years around now.
fn made(domain: &Domain, now: OffsetDateTime) -> Vec<String> {
    let mut all = Vec::new();
    let zone = domain.zone();
    if let Some(label) = zone.labels().first() {
        all.push((*label).to_owned());
    }
    // Microsoft 365 names its targets so, and some people publish them under the same name.
    all.push(format!("selector1-{}", domain.name.as_str().replace('.', "-")));
    for year in [now.year(), now.year() - 1, now.year() - 2] {
        all.push(year.to_string());
    }
    for word in ["s", "k", "dkim", "mail"] {
        all.push(format!("{word}{}", now.year()));
    }
    for number in 4..=5 {
        all.push(format!("s{number}"));
        all.push(format!("k{number}"));
        all.push(format!("selector{}", number - 1));
    }
    all
}

/// Where the key of a selector stands; `None` when that is no name that DNS can carry.
pub fn at(domain: &Domain, selector: &str) -> Option<Name> {
    if selector.is_empty() {
        return None;
    }
    Name::from_unicode(&format!("{selector}._domainkey.{}", domain.name.as_str())).ok()
}

/// A label below `_domainkey` that nobody publishes, the same for a domain at every look (a check is pure): what is
/// answered there is answered everywhere.
pub fn random_label(domain: &Domain) -> Option<Name> {
    // FNV-1a: any spread will do, and it stays the same between releases.
    let hash = domain
        .name
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    at(domain, &format!("nx{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::records::providers;

    const NOW: OffsetDateTime = datetime!(2026-11-24 08:00 UTC);

    fn domain(selectors: &[&str]) -> Domain {
        let mut domain = Domain::new(Name::from_text("monsec.io").unwrap());
        domain.selectors = selectors.iter().map(|selector| (*selector).to_owned()).collect();
        domain
    }

    #[test]
    fn named_selectors_come_first_then_the_providers_and_never_more_than_120() {
        let google = providers::by_mx(&Name::from_text("smtp.google.com").unwrap()).unwrap();
        let all = candidates(&domain(&["mine", "google"]), &[google], NOW, Breadth::Wide);
        assert_eq!((all[0].selector.as_str(), all[1].source), ("mine", Source::Named));
        assert_eq!((all[2].selector.as_str(), all[2].source), ("20230601", Source::Provider));
        assert!(all.len() > 80 && all.len() <= MAX_TRIED, "{}", all.len());
        let names: HashSet<&Name> = all.iter().map(|candidate| &candidate.name).collect();
        assert_eq!(names.len(), all.len());
        let many: Vec<String> = (0..200).map(|n| format!("sel{n}")).collect();
        let many = Domain { selectors: many, ..domain(&[]) };
        assert_eq!(candidates(&many, &[], NOW, Breadth::Wide).len(), MAX_TRIED);
    }

    #[test]
    fn what_is_asked_early_is_always_read_later() {
        let many: Vec<String> = (0..200).map(|n| format!("sel{n}")).collect();
        for domain in [domain(&[]), domain(&["mine", "google"]), Domain { selectors: many, ..domain(&[]) }] {
            let early = early(&domain);
            assert!(early.len() >= LIKELY && early.len() <= MAX_TRIED, "{}", early.len());
            for breadth in [Breadth::Likely, Breadth::Wide] {
                let later = candidates(&domain, &[], NOW, breadth);
                let reads = |name: &Name| later.iter().any(|candidate| candidate.name == *name);
                assert!(early.iter().all(reads), "{breadth:?}");
            }
        }
    }

    #[test]
    fn odd_selectors_are_names_and_what_is_none_is_told() {
        let (good, bad) = named(&domain(&["0", "_under_score", "größe", "S1._domainkey.monsec.io", "a..b", ""]));
        assert_eq!(
            good.iter().map(|candidate| candidate.name.as_str()).collect::<Vec<_>>(),
            [
                "0._domainkey.monsec.io",
                "_under_score._domainkey.monsec.io",
                "xn--gre-6ka8i._domainkey.monsec.io",
                "s1._domainkey.monsec.io"
            ]
        );
        assert_eq!(bad, ["a..b", ""]);
    }

    #[test]
    fn made_selectors_hold_the_name_and_the_year() {
        let all = candidates(&domain(&[]), &[], NOW, Breadth::Wide);
        for selector in ["monsec", "selector1-monsec-io", "2026", "s2026", "0", "default"] {
            assert!(all.iter().any(|candidate| candidate.selector == selector), "{selector}");
        }
    }

    #[test]
    fn a_likely_look_stays_small() {
        assert_eq!(candidates(&domain(&[]), &[], NOW, Breadth::Likely).len(), LIKELY);
        // 48 guesses at once (three quarters of 64): what is left after round one fits into two more rounds.
        const { assert!(MAX_TRIED - LIKELY <= 2 * 48) };
    }

    #[test]
    fn the_unpublished_label_is_stable_and_differs_by_domain() {
        let other = Domain::new(Name::from_text("example.com").unwrap());
        assert_eq!(random_label(&domain(&[])), random_label(&domain(&["x"])));
        assert_ne!(random_label(&domain(&[])).unwrap().labels()[0], random_label(&other).unwrap().labels()[0]);
    }
}

//! DKIM keys: what a domain publishes for others to verify its signatures by (RFC 6376 §3.6, RFC 8301, RFC 8463).
//!
//! DNS cannot list selectors, so "no key" always says how many were tried. What exists below `_domainkey` at all, and what
//! a label that nobody publishes is answered, is asked first (RFC 8020; RFC 4592 on wildcards).

mod explain;
mod judge;
mod key;
mod probe;
mod selectors;
mod suggest;

pub use explain::marks;
pub use key::{GOOD_RSA_BITS, Key, KeyProblem, KeyProblemKind, KeyType, MIN_RSA_BITS, PublicKey};
pub use selectors::MAX_TRIED;

use serde_json::{Value, json};

use crate::check::{Check, Dns, Kind, Look, Memo, Seen, Wait, all};
use crate::name::Name;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::providers::{self, Provider};
use crate::records::{Domain, form, unseen};
use crate::report::{Block, Cell, Fact, Link, Row, Section, State, Table};

use probe::{FoundKey, Probed};
use selectors::{Breadth, Candidate, Source};

/// The check of DKIM keys.
pub struct Dkim;

/// What is known about the place where keys would stand.
struct Place<'a> {
    /// The answer at `_domainkey`.
    domainkey: Dns<'a>,
    /// The answer at a label that nobody publishes.
    any: Dns<'a>,
    /// The providers that MX and SPF name.
    providers: Vec<&'static Provider>,
    /// Whether the domain says that it sends no mail, or takes none.
    is_parked: bool,
    /// How many selectors were asked for.
    asked: Vec<Source>,
    /// Named selectors that are no names.
    bad: Vec<String>,
}

impl Place<'_> {
    /// Whether something exists at or below `_domainkey`; `None` when that cannot be told.
    fn exists(&self) -> Option<bool> {
        match self.domainkey.look() {
            Look::Unknown(_) => None,
            Look::Absent(_) if self.domainkey.is_no_such_name() && self.domainkey.aliases.is_empty() => Some(false),
            // Only where a made-up name below it does not exist does an answer prove anything: a wildcard, of whatever type,
            // and a server that denies no name answer for every name.
            Look::Absent(_) | Look::Found(_) if self.any.is_no_such_name() && !self.is_wild() => Some(true),
            Look::Absent(_) | Look::Found(_) => None,
        }
    }

    /// Whether any label is answered.
    fn is_wild(&self) -> bool {
        matches!(self.any.look(), Look::Found(_)) || !self.any.aliases.is_empty()
    }
}

impl Check<Domain> for Dkim {
    fn id(&self) -> &'static str {
        "dkim"
    }

    fn title(&self) -> &'static str {
        "DKIM"
    }

    fn about(&self) -> &'static str {
        "DKIM keys: selectors that you name, that providers document and that are common; type, bits, flags, delegation"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        match Looked::ask(domain, seen)? {
            Looked::NoRoom => Ok(self.no_room()),
            Looked::NoSuchName => {
                let mut section = absent_with_its_name(self.id(), self.title());
                section.fact("tried", 0);
                section.fact("keys", json!([]));
                section.fact("domainkey_exists", false);
                Ok(section)
            }
            Looked::At(place, probed) => Ok(self.section(domain, seen, &place, probed)),
        }
    }
}

/// The selectors at which a key was found and where each stands; what the check of DKIM asks is asked.
pub fn found_at(domain: &Domain, seen: &Seen<'_>) -> Result<Vec<(String, Name)>, Wait> {
    Ok(match Looked::ask(domain, seen)? {
        Looked::NoRoom | Looked::NoSuchName => Vec::new(),
        Looked::At(_, probed) => probed.keys.into_iter().map(|key| (key.selector, key.name)).collect(),
    })
}

/// What looking for keys came to.
enum Looked<'a> {
    /// The domain's name is so long that no selector fits before it.
    NoRoom,
    /// The domain does not exist.
    NoSuchName,
    /// Everything was asked.
    At(Box<Place<'a>>, Probed),
}

impl<'a> Looked<'a> {
    fn ask(domain: &Domain, seen: &Seen<'a>) -> Result<Looked<'a>, Wait> {
        let (Ok(domainkey), Some(any)) = (domain.name.below("_domainkey"), selectors::random_label(domain)) else {
            return Ok(Looked::NoRoom);
        };
        let existence = exists(domain, seen);
        let first = (seen.dns(&domainkey, Kind::Txt), seen.dns(&any, Kind::Txt));
        let prints = (seen.dns(&domain.name, Kind::Mx), seen.dns(&domain.name, Kind::Txt));
        // Asked now, read with the others: a slow answer to a guess must not keep the rest from being asked.
        let early = all(selectors::early(domain), |name| seen.probe(&name, Kind::Txt));
        let (existence, domainkey, any, mx, txt) = (existence?, first.0?, first.1?, prints.0?, prints.1?);
        if let Existence::NoSuchName { .. } = existence {
            early?;
            return Ok(Looked::NoSuchName);
        }
        let mut place = Place {
            domainkey,
            any,
            providers: fingerprint(&mx, &txt),
            is_parked: is_parked(&mx, &txt),
            asked: Vec::new(),
            bad: selectors::named(domain).1,
        };
        let breadth = if place.exists() == Some(false) { Breadth::Likely } else { Breadth::Wide };
        let candidates = selectors::candidates(domain, &place.providers, seen.now(), breadth);
        let answers = all(candidates, |candidate: Candidate| {
            let dns = seen.probe(&candidate.name, Kind::Txt)?;
            Ok((candidate, dns))
        })?;
        place.asked = answers.iter().map(|(candidate, _)| candidate.source).collect();
        let probed = Probed::read(&answers, &place.any);
        Ok(Looked::At(Box::new(place), probed))
    }
}

impl Dkim {
    fn no_room(&self) -> Section {
        let mut section = Section::new(self.id(), self.title());
        section.state = State::Absent;
        section.headline = "none".into();
        section.fact("tried", 0);
        section.fact("keys", json!([]));
        section.fact("domainkey_exists", false);
        section
    }

    fn section(&self, domain: &Domain, seen: &Seen<'_>, place: &Place<'_>, mut probed: Probed) -> Section {
        let wild = match place.any.look() {
            Look::Found(records) => {
                let name = domain.name.below("*._domainkey").unwrap_or_else(|_| domain.name.clone());
                probe::keys("*", &name, &place.any, records)
            }
            Look::Absent(_) | Look::Unknown(_) => Vec::new(),
        };
        probed.keys.extend(wild);
        let mut section = Section::new(self.id(), self.title());
        section.fact("tried", probed.answered);
        section.fact("not_asked", probed.unknown.len());
        section.fact("keys", probed.keys.iter().map(key_fact).collect::<Vec<_>>());
        section.fact("domainkey_exists", place.exists());
        section.fact("providers", place.providers.iter().map(|p| p.name.as_str()).collect::<Vec<_>>());
        section.headline = match probed.keys.len() {
            0 if place.exists() == Some(false) => "none".into(),
            0 => format!("0 of {}", probed.answered),
            _ if probed.keys.iter().all(|found| found.key.is_revoked()) => "withdrawn".into(),
            keys => form::count(keys, "key"),
        };
        section.blocks.push(Block::Facts(looked(place, &probed)));
        if !probed.keys.is_empty() {
            section.blocks.push(Block::Table(table(&probed.keys)));
        }
        for found in &probed.keys {
            let mut at = found.name.clone();
            for alias in &found.aliases {
                let target = form::content(&alias.data);
                let note = format!("delegated: whoever runs {target} publishes and changes the key");
                let span = crate::finding::Span::new(0, target.len());
                let mark = crate::report::Mark { span, note, severity: crate::finding::Severity::Ok };
                section.blocks.push(form::record(domain, &at, alias, found.lookup, vec![mark]));
                if let crate::check::Data::Cname(next) = &alias.data {
                    at = next.clone();
                }
            }
            let record = section.blocks.iter().filter(|block| matches!(block, Block::Record(_))).count();
            let marks = marks(&found.key, &found.problems);
            section.blocks.push(form::record(domain, &at, &found.record, found.lookup, marks));
            judge::key(found, record, &mut section);
            suggest::key(domain, found, seen.now(), &probed.keys, &mut section);
        }
        judge::discovery(domain, place, &probed, &mut section);
        judge::types(&probed.keys, &mut section);
        let text = judge::how_to(&place.providers);
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text });
        unseen::tell(&mut section, "dkim.unseen-character");
        section.settle()
    }
}

/// The providers that the MX hosts and the names in the SPF record belong to.
fn fingerprint(mx: &Dns<'_>, txt: &Dns<'_>) -> Vec<&'static Provider> {
    let mut found: Vec<&'static Provider> = mx.targets().filter_map(providers::by_mx).collect();
    for text in txt.texts() {
        let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
        if !text.starts_with("v=spf1") {
            continue;
        }
        let names = text.split(' ').filter_map(|term| {
            let term = term.trim_start_matches(['+', '-', '~', '?']);
            term.strip_prefix("include:").or_else(|| term.strip_prefix("redirect="))
        });
        found.extend(names.filter_map(|name| providers::by_include(&Name::from_text(name).ok()?)));
    }
    let mut once: Vec<&'static Provider> = Vec::new();
    for provider in found {
        if once.iter().all(|known| known.name != provider.name) {
            once.push(provider);
        }
    }
    once
}

/// Whether the domain says that it takes no mail (null MX) and that nobody sends in its name (`v=spf1 -all`).
fn is_parked(mx: &Dns<'_>, txt: &Dns<'_>) -> bool {
    let takes_none = !mx.records.is_empty() && mx.targets().all(Name::is_root);
    let sends_none = txt.texts().any(|text| {
        let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
        text.split_ascii_whitespace().collect::<Vec<_>>() == ["v=spf1", "-all"]
    });
    sends_none && (takes_none || mx.records.is_empty())
}

fn key_fact(found: &FoundKey) -> Value {
    json!({
        "selector": found.selector,
        "type": found.key.key_type.as_str(),
        "bits": found.key.bits(),
        "revoked": found.key.is_revoked(),
        "testing": found.key.testing,
        "strict": found.key.strict,
        "usable": found.key.is_usable(&found.problems),
        "delegated_to": found.delegated_to(),
    })
}

/// How far we looked.
fn looked(place: &Place<'_>, probed: &Probed) -> Vec<Fact> {
    let count = |source| place.asked.iter().filter(|asked| **asked == source).count();
    let mut parts = Vec::new();
    for (source, words) in [
        (Source::Named, "named by you or seen in mail"),
        (Source::Provider, "documented by the provider"),
        (Source::Common, "common"),
        (Source::Made, "made of name and date"),
    ] {
        if count(source) > 0 {
            parts.push(format!("{} {words}", count(source)));
        }
    }
    let mut facts = vec![Fact::new(
        "selectors tried",
        format!("{} of {}: {}", probed.answered, place.asked.len(), parts.join(", ")),
    )];
    if !place.providers.is_empty() {
        let names: Vec<&str> = place.providers.iter().map(|provider| provider.name.as_str()).collect();
        facts.push(Fact::new("provider", names.join(", ")));
    }
    let domainkey = match place.exists() {
        Some(true) => "exists: something stands there or below".to_owned(),
        Some(false) => "does not exist, so nothing below it does (RFC 8020)".to_owned(),
        None if place.is_wild() => "cannot be told: a wildcard answers for every name".to_owned(),
        None => match (place.domainkey.look(), place.any.look()) {
            (Look::Unknown(why), _) | (_, Look::Unknown(why)) => format!("could not look: {why}"),
            _ => "cannot be told: a made-up name below it is not denied either".to_owned(),
        },
    };
    facts.push(Fact::new("_domainkey", domainkey));
    facts
}

fn table(keys: &[FoundKey]) -> Table {
    let columns = ["selector", "type", "bits", "state", "delegated to"].map(String::from).to_vec();
    let rows = keys
        .iter()
        .map(|found| {
            let (state, severity) = judge::word(found);
            let delegated = found.delegated_to().map_or_else(Cell::default, |target| {
                Cell::from(target.to_string()).linked(Link::Domain(Domain::new(target.clone()).zone()))
            });
            let cells = vec![
                Cell::from(found.selector.as_str()),
                Cell::from(found.key.key_type.as_str()),
                Cell::from(found.key.bits().map(|bits| bits.to_string()).unwrap_or_default()),
                Cell::from(state).judged(severity),
                delegated,
            ];
            Row { cells, section: None }
        })
        .collect();
    Table { columns, rows }
}

#[cfg(test)]
mod tests;

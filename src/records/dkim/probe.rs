//! What asking for many selectors brought: keys, wildcards that look like keys, delegations that lead nowhere, and what
//! could not be asked.

use super::selectors::{Candidate, Source};
use super::{Key, KeyProblem};
use crate::check::{Data, Dns, Look, Outcome, Record};
use crate::name::Name;
use crate::records::mx::alias_target;
use crate::report::LookupId;

/// A key record that was found.
#[derive(Clone, Debug)]
pub(super) struct FoundKey {
    /// The selector; `*` for a wildcard.
    pub selector: String,
    /// Where it was asked.
    pub name: Name,
    /// The record.
    pub record: Record,
    /// The lookup that showed it.
    pub lookup: LookupId,
    /// The CNAMEs to it.
    pub aliases: Vec<Record>,
    pub key: Key,
    pub problems: Vec<KeyProblem>,
    /// How many TXT records stand at this selector.
    pub beside: usize,
}

impl FoundKey {
    /// Where the selector is delegated to.
    pub fn delegated_to(&self) -> Option<&Name> {
        alias_target(&self.aliases)
    }
}

/// All that the probes brought.
#[derive(Debug, Default)]
pub(super) struct Probed {
    pub keys: Vec<FoundKey>,
    /// Selectors whose CNAME leads to no TXT record.
    pub dangling: Vec<(Candidate, Name, LookupId)>,
    /// Selectors with TXT that is no key.
    pub other: Vec<(Candidate, String, LookupId)>,
    /// Selectors answered as any label is.
    pub like_any: usize,
    /// Named selectors without a key.
    pub named_without: Vec<(Candidate, LookupId)>,
    /// Selectors that could not be asked, and why.
    pub unknown: Vec<(Candidate, Outcome, LookupId)>,
    /// How many were answered.
    pub answered: usize,
}

impl Probed {
    /// Sorts the answers; `any` is the answer to a label that nobody publishes.
    pub fn read(answers: &[(Candidate, Dns<'_>)], any: &Dns<'_>) -> Probed {
        let mut probed = Probed::default();
        let mut wild = texts(any);
        wild.sort();
        for (candidate, dns) in answers {
            let named = candidate.source == Source::Named;
            match dns.look() {
                Look::Unknown(outcome) => {
                    probed.unknown.push((candidate.clone(), outcome.clone(), dns.id));
                    continue;
                }
                Look::Absent(_) => match alias_target(&dns.aliases) {
                    Some(target) if alias_target(&any.aliases) != Some(target) => {
                        probed.dangling.push((candidate.clone(), target.clone(), dns.id));
                    }
                    _ if named => probed.named_without.push((candidate.clone(), dns.id)),
                    _ => {}
                },
                Look::Found(records) => {
                    let mut own = texts(dns);
                    own.sort();
                    if !wild.is_empty() && own == wild {
                        probed.like_any += 1;
                        if named {
                            probed.named_without.push((candidate.clone(), dns.id));
                        }
                    } else {
                        let before = probed.keys.len();
                        probed.keys.extend(keys(&candidate.selector, &candidate.name, dns, records));
                        if probed.keys.len() == before {
                            let text = own.first().map(|text| crate::untrusted::lossless(text).into_owned());
                            probed.other.push((candidate.clone(), text.unwrap_or_default(), dns.id));
                        }
                    }
                }
            }
            probed.answered += 1;
        }
        probed
    }
}

/// The keys among the records of one answer.
pub(super) fn keys(selector: &str, name: &Name, dns: &Dns<'_>, records: &[Record]) -> Vec<FoundKey> {
    let mut found = Vec::new();
    for record in records {
        let Data::Txt(strings) = &record.data else { continue };
        let (key, problems) = Key::parse(&strings.concat());
        if Key::is_key(&key.text) {
            found.push(FoundKey {
                selector: selector.to_owned(),
                name: name.clone(),
                record: record.clone(),
                lookup: dns.id,
                aliases: dns.aliases.clone(),
                key,
                problems,
                beside: records.len(),
            });
        }
    }
    found
}

fn texts(dns: &Dns<'_>) -> Vec<Vec<u8>> {
    dns.texts().collect()
}

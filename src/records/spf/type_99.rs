//! Records of type 99 (SPF), which RFC 7208 §3.1 gave up in 2014: no receiver asks for them. They are looked at only to tell
//! who publishes one that it does nothing; nothing in them is ever evaluated, and a server that fails on the type (many
//! refuse or drop what they do not know) says nothing about the domain's SPF.

use crate::check::{Data, Dns, Kind, Look, Seen};
use crate::finding::{Finding, Severity, Suggestion};
use crate::records::spf::parse::{Selection, SpfRecord, is_spf};
use crate::records::{Domain, form};
use crate::report::Block;

/// What stands at the name as type 99.
#[derive(Debug)]
pub struct Type99<'e> {
    /// `None` while it is not there: nothing waits for it.
    answer: Option<Dns<'e>>,
    /// Each record's strings joined, as TXT's are.
    texts: Vec<String>,
}

/// Asks for them aside: a name server that drops the type in silence holds no verdict.
pub fn ask<'e>(domain: &Domain, seen: &Seen<'e>) -> Type99<'e> {
    let answer = seen.aside(&domain.name, Kind::Spf);
    let records = answer.iter().flat_map(|answer| &answer.answer.records);
    let texts = records.filter_map(|record| match &record.data {
        Data::Spf(strings) => Some(String::from_utf8_lossy(&strings.concat()).into_owned()),
        _ => None,
    });
    Type99 { answer, texts: texts.collect() }
}

impl Type99<'_> {
    /// The texts; `None` where we could not look.
    pub fn texts(&self) -> Option<&[String]> {
        match self.answer?.look() {
            Look::Found(_) | Look::Absent(_) => Some(&self.texts),
            Look::Unknown(_) => None,
        }
    }

    /// What to say of them, beside the TXT records of `selection`.
    pub fn finding(&self, selection: &Selection) -> Option<Finding> {
        let (first, more) = self.texts.split_first()?;
        let gave_up = "receivers have asked for TXT records alone since 2014";
        let (severity, text, fix) = match selection.records.as_slice() {
            [] if is_spf(first.as_bytes()) => (
                Severity::Error,
                format!(
                    "\"{first}\" is published as a record of the type SPF (99) alone: {gave_up}, so for them the domain has no SPF record."
                ),
                "Publish it as a TXT record, then delete the record of the type SPF.",
            ),
            [txt] if more.is_empty() && txt == first => (
                Severity::Warning,
                format!(
                    "The same text is published a second time as a record of the type SPF (99). It is ignored: {gave_up}. It does no harm until somebody edits it instead of the TXT record."
                ),
                "Delete the record of the type SPF; the TXT record stays as it is.",
            ),
            [_] => (
                Severity::Warning,
                format!(
                    "A record of the type SPF (99) says something else than the TXT record: \"{first}\". It is ignored: {gave_up}. A sender that only it names is not allowed."
                ),
                "Add to the TXT record what is still right in it, then delete the record of the type SPF.",
            ),
            _ => (
                Severity::Warning,
                format!("A record of the type SPF (99) is ignored: \"{first}\"; {gave_up}."),
                "Delete the record of the type SPF.",
            ),
        };
        let finding = Finding::new("spf.type-99", severity, text).with_fix(fix).with_reference("RFC 7208 §3.1");
        Some(finding.with_evidence(self.answer.map(|answer| answer.id)))
    }

    /// The records as a form shows them, to be found there and deleted.
    pub fn blocks(&self, domain: &Domain) -> Vec<Block> {
        let Some(answer) = self.answer else { return Vec::new() };
        let records = answer.answer.records.iter().take(form::MOST_SHOWN);
        records.map(|record| form::record(domain, &domain.name, record, answer.id, Vec::new())).collect()
    }

    /// The only text, to be published where it counts, when nothing is wrong with it.
    pub fn moved(&self, domain: &Domain) -> Option<Suggestion> {
        let [text] = self.texts.as_slice() else { return None };
        if !is_spf(text.as_bytes()) || SpfRecord::parse(text).problem().is_some() {
            return None;
        }
        Some(Suggestion {
            why: "The domain says this already, as a record of a type that nobody asks for any more; as TXT it counts.".into(),
            risk: "The text may be as old as its type: a sender that it does not name fails or is suspected as soon as it counts. Check first that it names all of yours.".into(),
            undo: "Delete the TXT record.".into(),
            ..Suggestion::txt(&domain.name, &domain.zone(), text.as_str())
        })
    }
}

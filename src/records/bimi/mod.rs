//! BIMI: the picture that a domain wants beside its mail (draft-brand-indicators-for-message-identification, a draft and no
//! standard, so nothing here is worse than a warning). The record, whether DMARC is strict enough for it, the form of the
//! picture, and what the certificate says of itself.
//!
//! Which receiver shows the picture is the receiver's business; the certificate's chain is not validated here.

mod judge;
mod parse;

pub use parse::Bimi;

use serde_json::{Value, json};

use crate::check::{Check, Data, Dns, Https, HttpsRules, Kind, Look, Memo, Record, Seen, Wait};
use crate::name::Name;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::dmarc::{Discovery, discover};
use crate::records::{Domain, form, unseen};
use crate::report::{Block, Section, State};

/// The draft, named wherever it is relied on.
const DRAFT: &str = "draft-brand-indicators-for-message-identification (a draft)";

/// The check of BIMI.
pub struct BimiCheck;

/// A record with the place that it was found at.
struct Found<'a> {
    name: Name,
    dns: Dns<'a>,
    record: &'a Record,
    bimi: Bimi,
}

impl Check<Domain> for BimiCheck {
    fn id(&self) -> &'static str {
        "bimi"
    }

    fn title(&self) -> &'static str {
        "BIMI"
    }

    fn about(&self) -> &'static str {
        "BIMI (a draft): the record at default._bimi, the picture, the certificate, and whether DMARC is strict enough"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let at = |name: &Name| name.below("default._bimi").unwrap_or_else(|_| name.clone());
        let (own, top) = (at(&domain.name), at(&domain.zone()));
        let (existence, dmarc) = (exists(domain, seen), discover(&domain.name, seen));
        let (own_txt, top_txt) = (seen.dns(&own, Kind::Txt), seen.dns(&top, Kind::Txt));
        let (existence, dmarc, own_txt, top_txt) = (existence?, dmarc?, own_txt?, top_txt?);
        if let Existence::NoSuchName { .. } = existence {
            return Ok(absent_with_its_name(self.id(), self.title()));
        }
        // Without a record of its own, the Organizational Domain's counts; the walk may find another than we guessed.
        let org = dmarc.organizational_domain().map(&at).filter(|org| *org != own);
        let org_txt = match &org {
            Some(org) if *org == top => Some(top_txt),
            Some(org) => Some(seen.dns(org, Kind::Txt)?),
            None => None,
        };
        let (name, txt, texts) = match (records(own_txt.answer), org.zip(org_txt)) {
            (texts, None) => (own, own_txt, texts),
            (texts, Some(_)) if !texts.is_empty() || matches!(own_txt.look(), Look::Unknown(_)) => {
                (own, own_txt, texts)
            }
            (_, Some((org, txt))) => (org, txt, records(txt.answer)),
        };
        if let Look::Unknown(why) = txt.look() {
            let what = "the BIMI record";
            let mut section =
                Section::could_not_look((self.id(), self.title()), "bimi.could-not-look", what, why, [txt.id]);
            section.fact("record", Value::Null);
            return Ok(section);
        }
        let mut section = Section::new(self.id(), self.title());
        let mut texts = texts.into_iter();
        match (texts.next(), texts.next()) {
            (None, _) => {
                section.state = State::Absent;
                section.headline = "none".into();
                section.fact("record", Value::Null);
                section.blocks.push(Block::Prose { title: "How to set it up".into(), text: judge::how_to() });
                Ok(section.settle())
            }
            (Some(_), Some(_)) => {
                section.headline = "2 records".into();
                section.fact("record", Value::Null);
                section.findings.push(judge::several(&name).with_evidence([txt.id]));
                Ok(section.settle())
            }
            (Some((record, bimi)), None) => {
                let found = Found { name, dns: txt, record, bimi };
                let indicator = fetch(found.bimi.location.as_deref(), seen);
                let evidence = fetch(found.bimi.evidence.as_deref(), seen);
                let (indicator, evidence) = (indicator?, evidence?);
                Ok(self.section((domain, &dmarc), seen, &found, indicator, evidence))
            }
        }
    }
}

/// The BIMI records among TXT records; everything else is discarded.
fn records(answer: &crate::check::DnsAnswer) -> Vec<(&Record, Bimi)> {
    let mut found = Vec::new();
    for record in &answer.records {
        if let Data::Txt(strings) = &record.data
            && let Some(bimi) = Bimi::parse(&strings.concat())
        {
            found.push((record, bimi));
        }
    }
    found
}

/// Asks for a file, when its location is one that a receiver would ask for.
fn fetch<'a>(location: Option<&str>, seen: &Seen<'a>) -> Result<Option<Https<'a>>, Wait> {
    match location.filter(|url| url.starts_with("https://")) {
        Some(url) => Ok(Some(seen.https(url, HttpsRules::Bimi)?)),
        None => Ok(None),
    }
}

impl BimiCheck {
    fn section(
        &self,
        (domain, dmarc): (&Domain, &Discovery),
        seen: &Seen<'_>,
        found: &Found<'_>,
        indicator: Option<Https<'_>>,
        evidence: Option<Https<'_>>,
    ) -> Section {
        let bimi = &found.bimi;
        let mut section = Section::new(self.id(), self.title());
        section.headline = match (bimi.is_declined(), &bimi.evidence) {
            (true, _) => "declined".into(),
            (false, Some(_)) => "with certificate".into(),
            (false, None) => "uncertified".into(),
        };
        section.fact("record", &bimi.text);
        section.fact("name", &found.name);
        section.fact("location", &bimi.location);
        section.fact("evidence", &bimi.evidence);
        section.fact("declined", bimi.is_declined());
        section.blocks.push(form::record(domain, &found.name, found.record, found.dns.id, bimi.marks.clone()));
        judge::record(found.dns.id, bimi, &mut section);
        if !bimi.is_declined() {
            judge::dmarc(dmarc, &mut section);
            if let Some(indicator) = indicator {
                judge::indicator(&indicator, &mut section);
            }
            match evidence {
                Some(evidence) => {
                    let names = judge::evidence(domain, dmarc, &evidence, seen.now(), &mut section);
                    section.fact("certificate", json!({ "names": names }));
                }
                None => judge::no_evidence(&mut section),
            }
        }
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text: judge::how_to() });
        unseen::tell(&mut section, "bimi.unseen-character");
        section.settle()
    }
}

#[cfg(test)]
mod tests;

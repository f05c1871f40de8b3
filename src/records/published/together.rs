//! What the comparison means for the other sections: one that judged a record which is not published any more says so, and
//! proposes no change to what has been changed already.

use serde_json::Value;

use crate::finding::{Finding, Severity, SuggestionKind};
use crate::records::published::compare::for_how_long;
use crate::report::{LookupId, Section};

/// The finding by which a section says that it judged what is only kept.
pub(in crate::records) const JUDGED_IS_OLD: &str = "published.judged-is-old";

/// A record set of which the resolver keeps another version than is published.
struct Old {
    label: String,
    name: String,
    kind: String,
    published: Vec<String>,
    kept: Vec<String>,
    left: Option<u32>,
    evidence: Vec<LookupId>,
}

/// Lets the sections that judged an old record say so; nothing where the comparison was not asked for.
pub(in crate::records) fn together(sections: &mut [Section]) {
    let Some(published) = sections.iter().find(|section| section.id == "published") else { return };
    let old: Vec<Old> = olds(published);
    for old in &old {
        let Some(id) = judged_by(&old.label) else { continue };
        if let Some(section) = sections.iter_mut().find(|section| section.id == id) {
            tell(section, old);
        }
    }
}

fn olds(published: &Section) -> Vec<Old> {
    let records = published.facts.get("records").and_then(Value::as_array);
    let text = |record: &Value, key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let differing = records.into_iter().flatten().filter(|record| text(record, "state") == "differs");
    differing
        .map(|record| {
            let label = text(record, "record");
            let said = published.findings.iter().find(|finding| finding.text.starts_with(&format!("{label} (")));
            Old {
                name: text(record, "name"),
                kind: text(record, "type"),
                // One version: where the servers disagree the state is another.
                published: only_of(&label, list(record.get("published").and_then(|versions| versions.get(0)))),
                kept: only_of(&label, list(record.get("resolver"))),
                left: record.get("kept_for_s").and_then(Value::as_u64).and_then(|left| u32::try_from(left).ok()),
                evidence: said.map(|finding| finding.evidence.clone()).unwrap_or_default(),
                label,
            }
        })
        .filter(|old| old.published != old.kept)
        .collect()
}

/// Of the texts at a name only those that the section reads: another service's text may change without it.
fn only_of(label: &str, texts: Vec<String>) -> Vec<String> {
    let start = match label {
        "SPF" => "v=spf1",
        "DMARC" => "v=dmarc1",
        "MTA-STS" => "v=stsv1",
        "TLS-RPT" => "v=tlsrptv1",
        _ => return texts,
    };
    let reads = |text: &String| {
        let lower = text.to_ascii_lowercase();
        lower.starts_with(start) || lower.starts_with("cname ")
    };
    texts.into_iter().filter(reads).collect()
}

fn judged_by(label: &str) -> Option<&'static str> {
    Some(match label {
        "A" => "address",
        "MX" => "mx",
        "SPF" => "spf",
        "DMARC" => "dmarc",
        "MTA-STS" => "mta-sts",
        "TLS-RPT" => "tls-rpt",
        _ if label.starts_with("DKIM ") => "dkim",
        _ => return None,
    })
}

fn tell(section: &mut Section, old: &Old) {
    let before = section.suggestions.len();
    section.suggestions.retain(|suggestion| {
        let is_of_it = suggestion.name.as_str() == old.name && suggestion.rr_type == old.kind;
        suggestion.kind != SuggestionKind::Record || !is_of_it
    });
    let shown = |texts: &[String]| if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") };
    let time = match old.left {
        Some(left) => format!("which your resolver still keeps for {}", for_how_long(left)),
        None => "which your resolver gives, and does not say for how long".into(),
    };
    let left_out =
        if section.suggestions.len() < before { " What would be proposed for the old one is left out." } else { "" };
    let text = format!(
        "What is judged here is the old {}, {time}: {}. Published is: {}.{left_out}",
        old.label,
        shown(&old.kept),
        shown(&old.published)
    );
    let note = Finding::new(JUDGED_IS_OLD, Severity::Info, text)
        .with_fix("Look again when that time is over, or ask other name servers (R, or --dns), before you change it once more.")
        .with_evidence(old.evidence.iter().copied());
    // Before everything else that it says: the rest speaks of a record that is not there any more.
    section.findings.insert(0, note);
}

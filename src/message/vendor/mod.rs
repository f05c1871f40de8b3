//! What filters and senders' machines wrote into the header, in plain words: Microsoft's verdicts, SpamAssassin and its kin,
//! list fields with one-click unsubscription (RFC 2369, RFC 8058).
//!
//! These are claims: nothing here is recomputed, and below the border anybody may have written them.

mod microsoft;
mod unsubscribe;

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::{Finding, Severity};
use crate::message::envelope::same_organisation;
use crate::message::{FieldRef, Message};
use crate::report::{Block, Cell, Fact, Section, State};

/// How many fields of a kind are read.
const MAX_FIELDS: usize = 5;
/// How much of a value is read.
const MAX_BYTES: usize = 8 * 1024;

/// The check.
pub struct Vendor;

impl Check<Message> for Vendor {
    fn id(&self) -> &'static str {
        "vendor"
    }

    fn title(&self) -> &'static str {
        "Filters"
    }

    fn about(&self) -> &'static str {
        "what spam filters and mass mailers wrote into the header, decoded; one-click unsubscription"
    }

    fn step(&self, message: &Message, _seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let mut section = Section::new(self.id(), self.title());
        microsoft(message, &mut section);
        spam(message, &mut section);
        proofpoint(message, &mut section);
        google(message, &mut section);
        unsubscribe::tell(message, &mut section);
        if section.blocks.is_empty() {
            section.state = State::Absent;
            section.headline = "none".into();
            return Ok(section);
        }
        Ok(section.settle())
    }
}

/// Whether a field was added by those behind the border; `None` when there is no border to tell by.
fn is_ours(message: &Message, field: &FieldRef<'_>) -> Option<bool> {
    message.border().map(|border| field.index < border.field)
}

/// The same for a field that Microsoft writes at the header's end: its border renames such fields from outside
/// (`…-Untrusted`), so that a plain one behind it is its own.
fn is_microsofts(message: &Message, field: &FieldRef<'_>) -> Option<bool> {
    let border = message.border()?;
    let (_, hop) = message.hops().get(border.hop - 1)?;
    let by = hop.by.as_deref().unwrap_or_default();
    let is_untrusted = field.name().to_ascii_lowercase().ends_with(b"-untrusted");
    Some(field.index < border.field || (same_organisation(by, "outlook.com") && !is_untrusted))
}

/// Words for where a field stands.
fn place(message: &Message, field: &FieldRef<'_>) -> &'static str {
    match is_ours(message, field) {
        Some(true) => "above the border",
        Some(false) => "below the border: the sender could have written it",
        None => "no border tells who wrote it",
    }
}

fn value(field: &FieldRef<'_>) -> String {
    let text = field.unfolded();
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_BYTES).last().unwrap_or(0);
    if text.len() > MAX_BYTES { text.get(..end).unwrap_or_default().to_owned() } else { text }
}

fn microsoft(message: &Message, section: &mut Section) {
    let names = ["x-forefront-antispam-report", "x-microsoft-antispam", "x-forefront-antispam-report-untrusted"];
    let mut told = serde_json::Map::new();
    for field in names.iter().flat_map(|name| message.named(name).take(MAX_FIELDS)) {
        let pairs = microsoft::pairs(&value(&field));
        let is_theirs = is_microsofts(message, &field) == Some(true);
        let place = match is_ours(message, &field) {
            Some(false) if is_theirs => "Microsoft's own: its border renames such fields from outside",
            _ => place(message, &field),
        };
        let mut facts = vec![Fact::new(field.name_text().into_owned(), Cell::from(place).dimmed())];
        for (key, value) in &pairs {
            let (words, severity) = microsoft::words(key, value);
            told.entry(key.to_lowercase()).or_insert_with(|| json!(value));
            if !words.is_empty() {
                facts.push(Fact::new(format!("  {key}:{value}"), Cell::from(words).judged(severity)));
            }
        }
        section.blocks.push(Block::Facts(facts));
        // Their verdict is news only when somebody whom the reader trusts wrote it.
        if is_theirs {
            for (key, value) in &pairs {
                if let Some(finding) = microsoft::finding(key, value) {
                    section.findings.push(finding.with_span(field.field.value));
                }
            }
        }
    }
    if let Some(field) = message.named("x-ms-exchange-organization-scl").next() {
        let level = value(&field);
        let (words, severity) = microsoft::words("SCL", &level);
        told.entry("scl").or_insert_with(|| json!(level));
        let label = format!("X-MS-Exchange-Organization-SCL:{level}");
        section.blocks.push(Block::Facts(vec![Fact::new(label, Cell::from(words).judged(severity))]));
    }
    if !told.is_empty() {
        section.headline = "Microsoft".into();
        section.fact("microsoft", told);
    }
}

/// `X-Spam-Status: Yes, score=7.2 required=5.0 tests=A,B` and its kin (SpamAssassin, rspamd, Barracuda).
fn spam(message: &Message, section: &mut Section) {
    let names = [
        "x-spam-status",
        "x-spamd-result",
        "x-barracuda-spam-status",
        "x-spam-score",
        "x-spam-level",
        "x-rspamd-score",
    ];
    let mut facts = Vec::new();
    for field in names.iter().flat_map(|name| message.named(name).take(MAX_FIELDS)) {
        let text = value(&field);
        let after = |key: &str| {
            let at = text.to_ascii_lowercase().find(key)?;
            let rest = text.get(at + key.len()..)?;
            Some(rest.split([' ', ',', ';', '\t']).next().unwrap_or(rest).to_owned())
        };
        let score = after("score=")
            .or_else(|| after("hits="))
            .or_else(|| text.trim().parse::<f64>().ok().map(|_| text.trim().to_owned()));
        let required = after("required=").or_else(|| after("kill_level="));
        let tests: Vec<String> = after_list(&text).into_iter().take(60).collect();
        let is_spam = text.trim_start().to_ascii_lowercase().starts_with("yes");
        let words = match (&score, &required) {
            (Some(score), Some(required)) => format!("{score} points of {required} that make it spam"),
            (Some(score), None) => format!("{score} points"),
            (None, _) => text.clone(),
        };
        facts.push(Fact::new(
            field.name_text().into_owned(),
            Cell::from(words).judged(if is_spam { Severity::Warning } else { Severity::Ok }),
        ));
        facts.push(Fact::new("  stands", Cell::from(place(message, &field)).dimmed()));
        if !tests.is_empty() {
            facts.push(Fact::new("  rules", tests.join(" ")));
        }
        if section.facts.get("spam").is_none() {
            section.fact("spam", json!({"spam": is_spam, "score": score, "required": required, "tests": tests}));
        }
        if is_spam && is_ours(message, &field) != Some(false) {
            section.findings.push(
                Finding::warning(
                    "vendor.spam",
                    format!(
                        "{} says that this is spam ({}).",
                        field.name_text(),
                        score.as_deref().unwrap_or("no score")
                    ),
                )
                .with_span(field.field.value),
            );
        }
    }
    if !facts.is_empty() {
        if section.headline.is_empty() {
            section.headline = "spam score".into();
        }
        section.blocks.push(Block::Facts(facts));
    }
}

/// The names of the rules after `tests=`, also `tests=[A=1, B=2]`.
fn after_list(text: &str) -> Vec<String> {
    let Some(at) = text.to_ascii_lowercase().find("tests=") else { return Vec::new() };
    let rest = text.get(at + "tests=".len()..).unwrap_or_default();
    let rest = rest.trim_start_matches('[');
    let end = rest.find([']', ';']).unwrap_or(rest.len());
    let list = rest.get(..end).unwrap_or_default();
    // Folding left blanks inside the list; another `key=` ends it.
    list.split([',', ' ', '\t'])
        .filter(|word| !word.is_empty())
        .take_while(|word| !["autolearn=", "version=", "shortcircuit="].iter().any(|key| word.starts_with(key)))
        .map(|word| word.split('=').next().unwrap_or(word).to_owned())
        .collect()
}

fn proofpoint(message: &Message, section: &mut Section) {
    let fields = ["x-proofpoint-spam-details", "x-proofpoint-virus-version", "x-proofpoint-spam-details-enc"];
    let found: Vec<Fact> = fields
        .iter()
        .flat_map(|name| message.named(name).take(1))
        .map(|field| {
            Fact::new(field.name_text().into_owned(), format!("{} ({})", value(&field), place(message, &field)))
        })
        .collect();
    if let Some(score) = message.named("x-proofpoint-spam-details").next().map(|field| value(&field)) {
        let rule = score.split_whitespace().find_map(|word| word.strip_prefix("rule=")).map(str::to_owned);
        section.fact("proofpoint", json!({"rule": rule}));
    }
    if !found.is_empty() {
        section.blocks.push(Block::Facts(found));
    }
}

/// Gmail's own fields hold nothing that a reader can use; they are named so that nobody hunts for their meaning.
fn google(message: &Message, section: &mut Section) {
    let names = ["x-gm-message-state", "x-gm-gg", "x-gm-features", "x-google-smtp-source", "x-google-dkim-signature"];
    let found: Vec<&str> = names.into_iter().filter(|name| message.named(name).next().is_some()).collect();
    if found.is_empty() {
        return;
    }
    section.fact("google", json!(found));
    let words = match found.contains(&"x-google-dkim-signature") {
        true => {
            "Google's own marks, sealed for Google. X-Google-DKIM-Signature is for Google's own use and proves nothing to others."
        }
        false => "Google's own marks, sealed for Google: nothing in them can be read from outside.",
    };
    section.blocks.push(Block::Facts(vec![Fact::new(found.join(" "), Cell::from(words).dimmed())]));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::World;
    use crate::job::Envelope;

    const BORDER: &str = "Received: from o.s.example (o.s.example [192.0.2.1]) by mx.corp.example with ESMTPS; Tue, 24 Nov 2026 09:58:12 +0000\r\n";

    fn looked(header: &str) -> Section {
        let text = format!("{header}From: x@b.example\r\n\r\nbody\r\n");
        let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
        World::default().settle(&Vendor, &message, OffsetDateTime::UNIX_EPOCH).section
    }

    fn ids(section: &Section) -> Vec<&'static str> {
        section.findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn microsofts_verdict_is_read_out_and_counts_only_above_the_border() {
        let report = "X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:DE;LANG:en;SCL:5;SRV:;IPV:NLI;SFV:SPM;H:o.s.example;\r\n PTR:o.s.example;CAT:PHSH;SFS:(13230040)(366016);DIR:INB;\r\nX-Microsoft-Antispam: BCL:7;ARA:13230040;\r\n";
        let section = looked(&format!("{report}{BORDER}"));
        let told = &section.facts["microsoft"];
        assert_eq!(
            (told["scl"].as_str(), told["cat"].as_str(), told["bcl"].as_str()),
            (Some("5"), Some("PHSH"), Some("7"))
        );
        assert_eq!(ids(&section), ["vendor.microsoft-spam", "vendor.microsoft-verdict"]);
        assert!(ids(&looked(&format!("{BORDER}{report}"))).is_empty());
        // Microsoft writes its verdict at the end of the header, and renames what comes from outside.
        let outlook = "Received: from o.s.example (192.0.2.1) by DB5EUR01FT035.mail.protection.outlook.com\r\n (10.152.4.1) with Microsoft SMTP Server id 15.20; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
        assert_eq!(ids(&looked(&format!("{outlook}{report}"))), ["vendor.microsoft-spam", "vendor.microsoft-verdict"]);
        let forged = report.replace("Report:", "Report-Untrusted:").replace("X-Microsoft-Antispam:", "X-Other:");
        assert!(ids(&looked(&format!("{outlook}{forged}"))).is_empty());
    }

    #[test]
    fn spam_scores_are_read_in_their_forms() {
        for (text, score, required, tests, is_spam) in [
            (
                "Yes, score=7.2 required=5.0 tests=BAYES_99,\r\n\tHTML_MESSAGE autolearn=no version=3.4",
                "7.2",
                Some("5.0"),
                2,
                true,
            ),
            ("No, hits=-1.0 required=6.3 tests=[A=1, B=-2]", "-1.0", Some("6.3"), 2, false),
        ] {
            let section = looked(&format!("X-Spam-Status: {text}\r\n{BORDER}"));
            let spam = &section.facts["spam"];
            assert_eq!((spam["score"].as_str(), spam["required"].as_str()), (Some(score), required), "{text}");
            assert_eq!(
                (spam["tests"].as_array().unwrap().len(), spam["spam"].as_bool()),
                (tests, Some(is_spam)),
                "{text}"
            );
        }
        assert_eq!(looked(&format!("X-Spam-Score: 3.5\r\n{BORDER}")).facts["spam"]["score"], "3.5");
        assert_eq!(ids(&looked(&format!("X-Spam-Status: Yes, score=9\r\n{BORDER}"))), ["vendor.spam"]);
        assert!(ids(&looked(&format!("{BORDER}X-Spam-Status: Yes, score=9\r\n"))).is_empty());
    }

    #[test]
    fn nothing_there_is_nothing() {
        assert_eq!(looked(BORDER).state, State::Absent);
        assert!(looked("X-Gm-Message-State: AOJu0Yx\r\n").facts.contains_key("google"));
        assert_eq!(
            looked("X-Proofpoint-Spam-Details: rule=inbound_notspam policy=x score=0\r\n").facts["proofpoint"]["rule"],
            "inbound_notspam"
        );
    }
}

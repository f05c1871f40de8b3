//! Fields of drafts: DKIM2 (draft-ietf-dkim-dkim2-spec) and BIMI's in the message (draft-brand-indicators-for-message-
//! identification). They are recognised and shown; DKIM2 changes from draft to draft, so no verdict is given.

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::{Finding, Severity, Span};
use crate::message::{FieldRef, Message};
use crate::records::TagList;
use crate::report::{Block, Cell, Fact, Mark, Section, State};
use crate::untrusted;

/// How many fields of a kind are shown.
const MAX_FIELDS: usize = 10;
/// How much of a field is shown.
const MAX_BYTES: usize = 4096;

/// The check.
pub struct Drafts;

impl Check<Message> for Drafts {
    fn id(&self) -> &'static str {
        "drafts"
    }

    fn title(&self) -> &'static str {
        "DKIM2, BIMI"
    }

    fn about(&self) -> &'static str {
        "fields of drafts: DKIM2 signatures and BIMI selectors, shown and not judged"
    }

    fn step(&self, message: &Message, _seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let mut section = Section::new(self.id(), self.title());
        let signatures: Vec<_> = message.named("dkim2-signature").take(MAX_FIELDS).collect();
        let instances: Vec<_> = message.named("message-instance").take(MAX_FIELDS).collect();
        let bimi: Vec<_> = ["bimi-selector", "bimi-location", "bimi-indicator"]
            .iter()
            .flat_map(|name| message.named(name).take(2))
            .collect();
        section.fact("dkim2", signatures.iter().map(tags).collect::<Vec<_>>());
        section.fact("message_instances", instances.iter().map(tags).collect::<Vec<_>>());
        section.fact(
            "bimi",
            bimi.iter().map(|field| json!({"field": field.name_text(), "tags": tags(field)})).collect::<Vec<_>>(),
        );
        if signatures.is_empty() && instances.is_empty() && bimi.is_empty() {
            section.state = State::Absent;
            section.headline = "none".into();
            return Ok(section);
        }
        section.headline = if signatures.is_empty() { "BIMI".into() } else { format!("{} DKIM2", signatures.len()) };
        section.blocks.extend(signatures.iter().chain(&instances).chain(&bimi).map(source));
        if !signatures.is_empty() || !instances.is_empty() {
            let finding = Finding::info(
                "drafts.dkim2",
                format!(
                    "The message carries DKIM2: {} signatures, {} descriptions of what handlers changed. It is a draft whose form still changes (draft-ietf-dkim-dkim2-spec), so it is shown and not verified; no receiver may rely on it yet.",
                    signatures.len(),
                    instances.len()
                ),
            )
            .with_reference("draft-ietf-dkim-dkim2-spec");
            section.findings.push(match signatures.first().or(instances.first()) {
                Some(field) => finding.with_span(field.field.value),
                None => finding,
            });
        }
        if let Some(field) = bimi.first() {
            section.findings.push(told_by_bimi(message, field));
            section.blocks.push(Block::Facts(vec![Fact::new(
                "BIMI",
                Cell::from(
                    "a picture is shown only when DMARC passes under an enforced policy; see the domain's BIMI record",
                ),
            )]));
        }
        Ok(section.settle())
    }
}

fn told_by_bimi(message: &Message, field: &FieldRef<'_>) -> Finding {
    // The receiver writes the location and the picture; a sender who does pretends to have passed (draft §5.3).
    let foreign = ["bimi-location", "bimi-indicator"].iter().flat_map(|name| message.named(name)).next();
    let below = foreign.filter(|field| message.border().is_none_or(|border| field.index > border.field));
    match below {
        Some(field) => Finding::warning(
            "drafts.bimi-forged",
            format!(
                "{} stands where the sender writes. Only the receiver adds it, after its own checks; a mail program that believed it would show a picture of the sender's choice.",
                field.name_text()
            ),
        )
        .with_span(field.field.value),
        None => Finding::info(
            "drafts.bimi",
            "The message names a BIMI selector: which picture of its domain the sender would like to be shown.".to_owned(),
        )
        .with_span(field.field.value),
    }
    .with_reference("draft-brand-indicators-for-message-identification")
}

fn text(field: &FieldRef<'_>) -> String {
    let value = field.value();
    untrusted::lossless(value.get(..MAX_BYTES).unwrap_or(value)).into_owned()
}

/// The tags with what they hold, whatever they mean.
fn tags(field: &FieldRef<'_>) -> serde_json::Map<String, serde_json::Value> {
    let text = text(field);
    TagList::parse(&text).tags.iter().take(30).map(|tag| (tag.name.to_owned(), json!(tag.value))).collect()
}

fn source(field: &FieldRef<'_>) -> Block {
    let text = text(field);
    let mark = |tag: &crate::records::Tag<'_>| {
        let note = match tag.name {
            "i" => "which handler, counted from the sender",
            "m" => "which description of the message it signs",
            "mf" => "MAIL FROM at this hop",
            "rt" => "the recipients at this hop",
            "d" => "the domain that signs",
            "s" => "selector, or signatures by selector",
            "h" => "hashes",
            "r" => "how to undo what this handler changed",
            "l" => "where the picture is",
            "v" => "the version",
            _ => return None,
        };
        Some(Mark { span: Span::new(tag.span().start, tag.span().end), note: note.into(), severity: Severity::Ok })
    };
    let marks = TagList::parse(&text).tags.iter().take(30).filter_map(mark).collect();
    Block::Source { title: field.name_text().into_owned(), text, marks }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::World;
    use crate::job::Envelope;

    fn looked(header: &str) -> Section {
        let text = format!("{header}From: x@b.example\r\n\r\nbody\r\n");
        let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
        World::default().settle(&Drafts, &message, OffsetDateTime::UNIX_EPOCH).section
    }

    #[test]
    fn dkim2_is_shown_with_its_draft_and_without_a_verdict() {
        let section = looked(
            "Message-Instance: m=1; h=sha256:YQ==:Yg==\r\nDKIM2-Signature: i=1; m=1; t=1795514292; d=b.example; s=k:ed25519-sha256:YQ==\r\n",
        );
        assert_eq!((section.state, section.headline.as_str()), (State::Info, "1 DKIM2"));
        assert_eq!(section.facts["dkim2"][0]["d"], "b.example");
        assert!(section.findings[0].text.contains("draft-ietf-dkim-dkim2-spec"));
    }

    #[test]
    fn bimi_is_told_and_a_location_by_the_sender_is_a_warning() {
        assert_eq!(looked("BIMI-Selector: v=BIMI1; s=brand\r\n").findings[0].id, "drafts.bimi");
        assert_eq!(
            looked("BIMI-Location: v=BIMI1; l=https://x.example/a.svg\r\n").findings[0].id,
            "drafts.bimi-forged"
        );
        assert_eq!(looked("").state, State::Absent);
    }
}

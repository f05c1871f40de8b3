//! The header as it stands, field by field, and what the paste did to it (RFC 5322 §3.6).
//!
//! What a field means is its own section's business; this one tells repairs, bounds, and fields that are there too often
//! or not at all.

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::{Finding, Severity, Span};
use crate::message::{MAX_FIELD_BYTES, MAX_FIELDS, Message, Repair, RepairKind, mailbox};
use crate::report::{Block, Mark, Section};
use crate::untrusted;

/// How many bytes of header the screen shows.
const SHOWN_BYTES: usize = 256 * 1024;

/// Fields that may stand once (RFC 5322 §3.6); a second one is read differently by different programs.
const ONCE: &[&str] = &[
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "Date",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// The check.
pub struct Headers;

impl Check<Message> for Headers {
    fn id(&self) -> &'static str {
        "headers"
    }

    fn title(&self) -> &'static str {
        "Headers"
    }

    fn about(&self) -> &'static str {
        "the header fields as they stand, what the paste did to them, and those that stand twice"
    }

    fn step(&self, message: &Message, _seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let mut section = Section::new(self.id(), self.title());
        let count = message.fields().len();
        section.headline = count.to_string();
        section.fact("count", count + message.skipped_fields());
        section.fact("bytes", message.text().len());
        section.fact("body", message.body().is_some());
        section.findings.extend(message.repairs().iter().map(repaired));
        bounds(message, &mut section);
        doubled(message, &mut section);
        let is_mailbox = message.repairs().iter().any(|repair| repair.kind == RepairKind::Mbox);
        if let Some((table, more)) = is_mailbox.then(|| mailbox::table(&message.original())).flatten() {
            let rows = table.rows.iter().enumerate().map(|(at, row)| {
                let text = |cell: usize| row.cells.get(cell).map(|cell| cell.text.as_str());
                json!({"n": at + 1, "from": text(1), "subject": text(2)})
            });
            section.fact("mailbox", rows.collect::<Vec<_>>());
            section.blocks.push(Block::Table(table));
            if more > 0 {
                let text = vec![format!("{more} more messages are not listed.")];
                section.blocks.push(Block::Prose { title: "The rest of the mailbox".into(), text });
            }
        }
        let (text, marks) = source(message);
        section.blocks.push(Block::Source { title: "Header as it stands".into(), text, marks });
        Ok(section.settle())
    }
}

fn repaired(repair: &Repair) -> Finding {
    let severity = match repair.kind {
        RepairKind::LostCharacters | RepairKind::Cut | RepairKind::WebmailList => Severity::Warning,
        // Nothing is wrong with a message out of a mailbox; that others stand beside it and are not judged must be seen.
        RepairKind::Mbox if repair.count == 1 => Severity::Info,
        kind if kind.is_lossy() => Severity::Warning,
        _ => Severity::Info,
    };
    let finding = Finding::new(repair.kind.id(), severity, repair.text());
    match repair.kind {
        RepairKind::WebmailList => finding.with_fix(
            "Get the source: in Gmail \"Show original\", in Outlook on the web \"View message source\", in Apple Mail \"View > Message > Raw Source\", in Thunderbird \"View > Message Source\".",
        ),
        RepairKind::LostCharacters => finding.with_fix("Save the message as a file and open that (o)."),
        kind if kind.is_lossy() => finding.with_fix("If a signature fails below, try the message's file itself (o)."),
        _ => finding,
    }
}

fn bounds(message: &Message, section: &mut Section) {
    if message.body().is_none() {
        section.findings.push(Finding::info(
            "message.headers-only",
            "Only headers are here; the body was not pasted. Header signatures can be checked, the body that they cover cannot.",
        ));
    }
    if message.skipped_fields() > 0 {
        section.findings.push(
            Finding::warning(
                "message.too-many-headers",
                format!(
                    "The header has {} fields; the first {MAX_FIELDS} are read. Signatures are not judged, because which fields they cover is counted from the last one.",
                    message.skipped_fields() + MAX_FIELDS
                ),
            )
            .with_reference("RFC 6376 §5.4.2"),
        );
    }
    if message.long_fields() > 0 {
        section.findings.push(Finding::warning(
            "message.long-header",
            format!(
                "{} longer than {} KiB. What is so long is hashed whole where a signature covers it; it is not read.",
                if message.long_fields() == 1 {
                    "1 header field is".to_owned()
                } else {
                    format!("{} header fields are", message.long_fields())
                },
                MAX_FIELD_BYTES / 1024
            ),
        ));
    }
}

fn doubled(message: &Message, section: &mut Section) {
    for name in ONCE {
        let at: Vec<_> = message.named(name).take(2).collect();
        let [_, second] = at.as_slice() else { continue };
        let severity = if *name == "From" { Severity::Error } else { Severity::Warning };
        let text = format!(
            "The {name} field stands more than once. Programs disagree on which one counts: one may be checked and the other shown."
        );
        let mut finding = Finding::new("message.repeated-header", severity, text).with_reference("RFC 5322 §3.6");
        if second.field.whole.end <= SHOWN_BYTES {
            finding = finding.with_span(second.field.name);
        }
        section.findings.push(finding);
    }
    if message.named("from").next().is_none() {
        section.findings.push(
            Finding::error("message.no-from", "There is no From field; every message must have one.")
                .with_reference("RFC 5322 §3.6"),
        );
    }
}

/// The header as text with a mark on each name that stands twice. Spans count in the shown text, which equals the raw
/// bytes as long as those are UTF-8.
fn source(message: &Message) -> (String, Vec<Mark>) {
    let header = message.header();
    let shown = header.get(..SHOWN_BYTES).unwrap_or(header);
    let text = untrusted::lossless(shown).into_owned();
    if text.len() != shown.len() {
        return (text, Vec::new());
    }
    let mut marks = Vec::new();
    for name in ONCE {
        for field in message.named(name).skip(1).take(8) {
            if field.field.whole.end <= text.len() {
                marks.push(Mark {
                    span: Span::new(field.field.name.start, field.field.name.end),
                    note: format!("{name} stands a second time"),
                    severity: Severity::Warning,
                });
            }
        }
    }
    (text, marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::world::World;
    use crate::job::Envelope;
    use crate::report::State;
    use std::sync::Arc;
    use time::OffsetDateTime;

    fn section(text: &str) -> Section {
        let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
        World::default().settle(&Headers, &message, OffsetDateTime::UNIX_EPOCH).section
    }

    fn ids(section: &Section) -> Vec<&str> {
        section.findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn headers_alone_are_headers_alone() {
        assert_eq!(ids(&section("From: a@b.c\r\nTo: d@e.f\r\n")), ["message.headers-only"]);
    }

    #[test]
    fn a_second_from_is_an_error_with_its_place() {
        let section = section("From: a@b.c\r\nfrom: d@e.f\r\n\r\n");
        assert_eq!((section.state, ids(&section)), (State::Error, vec!["message.repeated-header"]));
        assert_eq!(section.findings[0].span, Some(Span::new(13, 17)));
    }

    #[test]
    fn a_header_bomb_is_said() {
        let text = format!("From: a@b.c\r\n{}\r\nx", "X: y\r\n".repeat(MAX_FIELDS));
        assert_eq!(ids(&section(&text))[..1], ["message.too-many-headers"]);
    }

    #[test]
    fn every_repair_is_told() {
        assert_eq!(ids(&section("From: a@b.c\n\nx\n")), ["message.repaired.line-feeds"]);
    }
}

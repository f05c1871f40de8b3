//! What else is in a mailbox: one row a message with its From and Subject, for a person to pick one.
//!
//! Only headers are read, and only their beginning; the messages themselves are judged when they are opened.

use crate::message::lines::{field_name, is_folded, lines};
use crate::message::repair::mbox_entries;
use crate::message::words::decoded;
use crate::report::{Cell, Link, Row, Table};
use crate::untrusted;

/// How many messages are listed.
const MAX_LISTED: usize = 500;
/// How much of a message is read for its row.
const HEAD_BYTES: usize = 64 * 1024;
/// How many characters of a field are shown.
const SHOWN: usize = 120;

/// The messages of a mailbox, and how many more there are; `None` when there is at most one.
pub(super) fn table(raw: &[u8]) -> Option<(Table, usize)> {
    let entries = mbox_entries(raw);
    if entries.len() < 2 {
        return None;
    }
    let columns = ["message", "From", "Subject"].map(str::to_owned).to_vec();
    let rows = entries.iter().take(MAX_LISTED).enumerate().map(|(at, span)| {
        let [from, subject] = named(span.of(raw).unwrap_or_default(), ["from", "subject"]);
        let number = Cell::from(format!("{} of {}", at + 1, entries.len()));
        // The first is the one on the screen already.
        let number = if at == 0 { number.dimmed() } else { number.linked(Link::Message(*span)) };
        Row { cells: vec![number, from.into(), subject.into()], section: None }
    });
    Some((Table { columns, rows: rows.collect() }, entries.len().saturating_sub(MAX_LISTED)))
}

/// The first field of each name, unfolded and decoded; "-" where there is none.
fn named(message: &[u8], names: [&str; 2]) -> [String; 2] {
    let head = message.get(..HEAD_BYTES).unwrap_or(message);
    let mut values: [Option<Vec<u8>>; 2] = [None, None];
    let mut open: Option<usize> = None;
    // The first line is the separator.
    for line in lines(head).skip(1).take_while(|line| !line.bytes.is_empty()) {
        if is_folded(line.bytes) {
            if let Some(value) = open.and_then(|at| values.get_mut(at)).and_then(Option::as_mut) {
                value.extend_from_slice(line.bytes);
            }
            continue;
        }
        open = None;
        let Some((length, colon)) = field_name(line.bytes) else { continue };
        let name = line.bytes.get(..length).unwrap_or_default();
        let Some(at) = names.iter().position(|one| name.eq_ignore_ascii_case(one.as_bytes())) else { continue };
        if let Some(value) = values.get_mut(at)
            && value.is_none()
        {
            *value = Some(line.bytes.get(colon + 1..).unwrap_or_default().to_vec());
            open = Some(at);
        }
    }
    values.map(|value| {
        let text = value.map(|value| decoded(untrusted::lossless(&value).trim())).unwrap_or_default();
        if text.is_empty() { "-".into() } else { text.chars().take(SHOWN).collect() }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::check::world::World;
    use crate::job::Envelope;
    use crate::message::{Message, RepairKind};
    use crate::report::Block;

    const BOX: &str = "From a@x Tue Nov 24\nFrom: A <a@x.example>\nSubject: one\n\n>From the first\n\nFrom b@x Tue Nov 24\nSubject: =?utf-8?q?zw=C3=B6lf?=\n  and more\nFROM: b@x.example\n\n>From the second\nbye\n\nFrom c@x Tue Nov 24\nTo: c@x.example\n\nthird\n";

    fn message(raw: &[u8]) -> Message {
        Message::parse(Arc::from(raw), Envelope::default()).unwrap()
    }

    #[test]
    fn every_message_of_a_mailbox_is_a_row_and_the_others_open() {
        let (table, more) = table(BOX.as_bytes()).unwrap();
        let rows: Vec<Vec<&str>> =
            table.rows.iter().map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect()).collect();
        assert_eq!(
            (rows, more),
            (
                vec![
                    vec!["1 of 3", "A <a@x.example>", "one"],
                    vec!["2 of 3", "b@x.example", "zwölf and more"],
                    vec!["3 of 3", "-", "-"],
                ],
                0
            )
        );
        assert_eq!(table.rows[0].cells[0].link, None);
        let Some(Link::Message(span)) = table.rows[1].cells[0].link else { panic!("no link") };
        let second = message(span.of(BOX.as_bytes()).unwrap());
        assert_eq!(second.named("subject").count(), 1);
        assert_eq!(second.body(), Some(&b"From the second\r\nbye\r\n"[..]), "its quoting is undone, like the first's");
    }

    #[test]
    fn the_section_offers_the_others_and_a_single_message_offers_nothing() {
        let tables = |raw: &str| {
            let message = message(raw.as_bytes());
            let headers = crate::message::ALL.iter().find(|check| check.id() == "headers").unwrap();
            let now = time::OffsetDateTime::UNIX_EPOCH;
            let section = World::parse("").unwrap().settle(*headers, &message, now).section;
            assert_eq!(message.repairs().iter().any(|one| one.kind == RepairKind::Mbox), raw.starts_with("From "));
            section.blocks.iter().filter(|block| matches!(block, Block::Table(_))).count()
        };
        assert_eq!(tables(BOX), 1);
        assert_eq!(tables("From a@x Tue\nFrom: a@x.example\n\nalone\n"), 0);
        assert_eq!(tables("From: a@x.example\n\nalone\n"), 0);
    }

    #[test]
    fn a_huge_mailbox_is_listed_in_part_and_says_so() {
        let raw = "From a@x Tue\nFrom: a@x.example\n\nx\n\n".repeat(MAX_LISTED + 7);
        let (table, more) = table(raw.as_bytes()).unwrap();
        assert_eq!((table.rows.len(), more), (MAX_LISTED, 7));
    }
}

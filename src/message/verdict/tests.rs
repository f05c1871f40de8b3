//! What the three lines say of literal worlds.

use time::OffsetDateTime;

use super::*;
use crate::check::Subject;
use crate::check::world::World;
use crate::job::Envelope;
use crate::report::{Row, Table};

const RFC8463: &str = include_str!("../../../tests/fixtures/messages/rfc8463-a3.eml");
const KEY: &str = "brisbane._domainkey.football.example.com TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";
const POLICY: &str = "_dmarc.example.com TXT \"v=DMARC1; p=reject\"\n";

fn judged(world: &str, raw: &str) -> (Message, Vec<Section>) {
    let message = Message::parse(raw.as_bytes().to_vec().into(), Envelope::default()).unwrap();
    let world = World::parse(world).unwrap();
    let settle = |check: &&'static dyn crate::check::Check<Message>| {
        world.settle(*check, &message, OffsetDateTime::from_unix_timestamp(1_795_514_292).unwrap()).section
    };
    let sections = super::super::ALL.iter().map(settle).collect();
    (message, sections)
}

fn answers(world: &str, raw: &str) -> Vec<String> {
    let (message, sections) = judged(world, raw);
    message.verdict(&sections).into_iter().map(|line| line.answer).collect()
}

#[test]
fn a_proven_message_is_a_yes_and_a_forged_one_a_no_with_its_policy() {
    let yes = answers(&format!("{KEY}{POLICY}"), RFC8463);
    assert!(yes[0].starts_with("yes: football.example.com signed it (DKIM #1). That does not"), "{yes:?}");
    assert!(yes[1].starts_with("nothing"), "{yes:?}");
    let no = answers(&format!("{KEY}{POLICY}"), &RFC8463.replace("hungry", "thirsty"));
    assert_eq!(
        no[0],
        "NOT PROVEN: nothing that passes belongs to football.example.com; SPF could not be asked (who handed it over is not known)."
    );
    assert!(no[1].starts_with("REJECT"), "{no:?}");
    assert!(no[2].contains("the body is not the one that was signed"), "{no:?}");
}

#[test]
fn no_is_said_where_spf_was_asked_too() {
    let spf = "football.example.com TXT \"v=spf1 -all\"\n";
    let came = "Return-Path: <x@football.example.com>\nReceived: from out (out [192.0.2.1]) by mx.corp.example with ESMTP; Tue, 24 Nov 2026 09:58:12 +0000\n";
    let no = answers(&format!("{KEY}{POLICY}{spf}"), &format!("{came}{}", RFC8463.replace("hungry", "thirsty")));
    assert_eq!(no[0], "NO. Nothing that passes belongs to football.example.com.");
    assert_eq!(no[1], "REJECT: the policy at _dmarc.example.com; receivers may do otherwise.");
}

#[test]
fn without_the_envelope_a_failure_is_not_proven_and_no_more() {
    let came = "Received: from out (out [192.0.2.1]) by mx.corp.example with ESMTP; Tue, 24 Nov 2026 09:58:12 +0000\n";
    let lines = answers(&format!("{KEY}{POLICY}"), &format!("{came}{}", RFC8463.replace("hungry", "thirsty")));
    assert!(lines[0].ends_with("SPF could not be asked (MAIL FROM is not known)."), "{lines:?}");
    assert!(lines[1].starts_with("REJECT, unless its SPF passed"), "{lines:?}");
}

#[test]
fn what_could_not_be_looked_at_is_not_known() {
    let lines = answers(
        "_dmarc.example.com TXT !servfail\nbrisbane._domainkey.football.example.com TXT !timeout\ntest._domainkey.football.example.com TXT !timeout",
        RFC8463,
    );
    assert!(lines[0].starts_with("NOT KNOWN"), "{lines:?}");
    assert!(lines[2].starts_with("nothing in the part that could be looked at"), "{lines:?}");
}

#[test]
fn headers_without_a_body_are_not_known_to_fail() {
    let headers = RFC8463.split_inclusive("\n").take_while(|line| !line.trim().is_empty()).collect::<String>();
    let spf = "football.example.com TXT \"v=spf1 -all\"\n";
    let came = "Return-Path: <x@football.example.com>\nReceived: from out (out [192.0.2.1]) by mx.corp.example with ESMTP; Tue, 24 Nov 2026 09:58:12 +0000\nAuthentication-Results: mx.corp.example; dkim=pass header.d=football.example.com\n";
    let (message, sections) = judged(&format!("{KEY}{POLICY}{spf}"), &format!("{came}{headers}"));
    let lines: Vec<String> = message.verdict(&sections).into_iter().map(|line| line.answer).collect();
    assert_eq!(
        lines[0],
        "NOT KNOWN: football.example.com signed these headers (#1), and whether the body is its own cannot be said: the body was not pasted."
    );
    assert_eq!(lines[1], "not known: see DMARC.");
    let of = |id: &str| sections.iter().find(|section| section.id == id).unwrap();
    let claim = &of("claimed").facts["results"][0];
    assert_eq!((&claim["recomputed"], &claim["agrees"]), (&"neutral".into(), &Value::Null), "{claim}");
    assert!(of("dmarc").findings[0].fix.as_ref().unwrap().contains("Paste the whole source"));
}

#[test]
fn a_damaged_paste_proves_nothing_against_its_sender() {
    let quoted: String = RFC8463.lines().map(|line| format!("> {line}\n")).collect();
    let world = format!("{KEY}{POLICY}");
    let lines = answers(&world, &quoted.replace("hungry", "thirsty"));
    assert!(lines[0].starts_with("NOT KNOWN: football.example.com's signature fails, and what the paste"), "{lines:?}");
    assert!(lines[1].starts_with("REJECT, if it came as it is here"), "{lines:?}");
    // Nothing that the paste did makes somebody else's signature its own.
    let other = quoted.replace("joe@football.example.com", "joe@bank.example");
    let lines = answers(&format!("{world}_dmarc.bank.example TXT \"v=DMARC1; p=reject\"\n"), &other);
    assert!(lines[0].starts_with("NOT PROVEN: nothing that passes belongs to bank.example"), "{lines:?}");
}

#[test]
fn what_a_list_added_is_told_apart_from_a_forgery() {
    let listed = format!("{RFC8463}--\nthe football list\n");
    let lines = answers(&format!("{KEY}{POLICY}"), &listed);
    assert!(
        lines[0].starts_with("IN PART: football.example.com signed it, then it was changed (DKIM #1)"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("REJECT, unless its SPF passed:"), "{lines:?}");
    assert!(lines[2] == "DKIM #1 holds if the last 2 lines are removed.", "{lines:?}");
    let forged = answers(&format!("{KEY}{POLICY}"), &listed.replace("hungry", "thirsty"));
    assert!(forged[0].starts_with("NOT PROVEN:"), "{forged:?}");
}

#[test]
fn what_was_signed_before_most_of_it_was_added_is_an_error() {
    for (footer, severity) in [("--\nlist footer\n", Severity::Warning), (&"buy this\n".repeat(60), Severity::Error)] {
        let (message, sections) = judged(&format!("{KEY}{POLICY}"), &format!("{RFC8463}{footer}"));
        let first = &message.verdict(&sections)[0];
        assert!(first.answer.starts_with("IN PART: football.example.com signed it"), "{first:?}");
        assert_eq!(first.severity, severity, "{footer}");
    }
}

#[test]
fn without_a_policy_what_passes_by_spf_is_told_too() {
    let came = "Return-Path: <x@bank.example>\r\nReceived: from out (out [192.0.2.1]) by mx.corp.example with ESMTP; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
    let raw = format!("{came}From: a@bank.example\r\nSubject: x\r\n\r\nx\r\n");
    let lines = answers("bank.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\n", &raw);
    assert_eq!(
        lines[0],
        "PROBABLY: bank.example let it be sent (SPF), and publishes no policy that says what to expect."
    );
}

#[test]
fn no_policy_is_not_a_no() {
    assert!(answers(KEY, RFC8463)[0].starts_with("PROBABLY"));
    assert!(answers("x EMPTY", RFC8463)[0].starts_with("NOT PROVEN"));
}

#[test]
fn two_from_fields_are_the_first_thing_to_say() {
    let raw = format!("From: Bank <a@bank.example>\n{RFC8463}");
    let lines = answers(&format!("{KEY}{POLICY}"), &raw);
    assert!(lines[0].starts_with("NOBODY CAN SAY: there are several From fields"), "{lines:?}");
    assert!(lines[2].starts_with("The From field stands more than once"), "{lines:?}");
}

#[test]
fn the_table_has_every_identity_and_opens_their_sections() {
    let (message, sections) = judged(&format!("{KEY}{POLICY}"), RFC8463);
    let table = message.summary(&sections).unwrap();
    let rows: Vec<Vec<&str>> =
        table.rows.iter().map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect()).collect();
    assert_eq!(rows[0][..2], ["From", "football.example.com"]);
    assert_eq!(rows[1], ["DKIM #1 s=brisbane", "football.example.com", "pass  ed25519-sha256 256", "-", "yes"]);
    assert_eq!(rows[2], ["DKIM #2 s=test", "football.example.com", "permerror: no key", "-", "would be"]);
    assert!(rows.iter().all(|row| row.len() == table.columns.len()));
    assert_eq!(table.rows[1].section, Some("dkim"));
}

#[test]
fn what_fails_would_be_aligned_and_is_not() {
    let raw = format!(
        "Return-Path: <x@football.example.com>\r\nReceived: from out (out [192.0.2.1]) by mx.corp.example with ESMTP; Tue, 24 Nov 2026 09:58:12 +0000\r\n{}",
        RFC8463.replace("hungry", "thirsty")
    );
    let (message, sections) = judged(&format!("{KEY}{POLICY}football.example.com TXT \"v=spf1 -all\"\n"), &raw);
    let aligned = |table: &Table| -> Vec<(String, String)> {
        let row = |row: &Row| Some((row.cells.first()?.text.clone(), row.cells.last()?.text.clone()));
        table.rows.iter().filter_map(row).collect()
    };
    let told = aligned(&message.summary(&sections).unwrap());
    let of = |who: &str| &told.iter().find(|(row, _)| row.starts_with(who)).unwrap().1;
    assert_eq!((of("DKIM #1"), of("SPF MAIL FROM")), (&"would be".into(), &"would be".into()));
    let section = sections.iter().find(|section| section.id == "dkim").unwrap();
    let Some(crate::report::Block::Table(table)) = section.blocks.first() else { panic!() };
    assert_eq!(aligned(table), [("1".into(), "would be".into()), ("2".into(), "would be".into())]);
    assert_eq!(section.facts["signatures"][0]["aligned"], true, "scripts get the domain's alignment");
}

#[test]
fn nothing_is_said_before_it_is_known() {
    let (message, _) = judged("", RFC8463);
    let lines = message.verdict(&[]);
    assert!(lines.iter().all(|line| line.answer.ends_with("still looking")), "{lines:?}");
}

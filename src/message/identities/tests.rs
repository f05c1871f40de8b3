use std::sync::Arc;

use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};
use crate::job::Envelope;

const WORLD: &str = "_dmarc.acme-bank.example TXT \"v=DMARC1; p=reject\"\n\
    _dmarc.acrne-bank.example TXT \"v=DMARC1; p=reject\"\n";

fn settled(header: &str) -> Settled {
    let text = format!("{header}\r\nMessage-ID: <1@x.example>\r\n\r\nbody\r\n");
    let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
    World::parse(WORLD).unwrap().settle(&Identities, &message, OffsetDateTime::UNIX_EPOCH)
}

fn findings(header: &str) -> Vec<(&'static str, Severity)> {
    settled(header).section.findings.iter().map(|finding| (finding.id, finding.severity)).collect()
}

#[test]
fn everybody_who_speaks_stands_in_the_table_with_how_they_stand_to_from() {
    let settled = settled(
        "Return-Path: <b@news.acme-bank.example>\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; d=mailer.example; i=@out.mailer.example; s=k1; h=from; bh=YQ==; b=Yg==\r\n\
         From: \"ACME Bank\" <service@acme-bank.example>\r\nSender: x@mailer.example",
    );
    let facts = &settled.section.facts["identities"];
    let rows: Vec<_> =
        facts.as_array().unwrap().iter().map(|one| (one["role"].as_str().unwrap(), one["aligned"].as_bool())).collect();
    assert_eq!(
        rows,
        [
            ("From", Some(true)),
            ("Sender", Some(false)),
            ("MAIL FROM", Some(true)),
            ("DKIM #1 d=", Some(false)),
            ("DKIM #1 i=", Some(false)),
            ("Message-ID", None)
        ]
    );
    assert_eq!(facts[0]["display"], "ACME Bank");
    assert_eq!(settled.depth, 1);
}

#[test]
fn a_reply_that_goes_to_a_look_alike_is_an_error_and_names_the_letters() {
    let settled = settled("From: a@acme-bank.example\r\nReply-To: a@acrne-bank.example");
    let worst = &settled.section.findings[0];
    assert_eq!((worst.id, worst.severity), ("identities.look-alike", Severity::Error));
    assert!(worst.text.starts_with("Reply-To goes to acrne-bank.example (\"rn\", not \"m\")"), "{}", worst.text);
    let span = worst.span.unwrap();
    let text = "From: a@acme-bank.example\r\nReply-To: a@acrne-bank.example";
    assert_eq!(text.get(span.start..span.end), Some("acrne-bank.example"));
    assert_eq!(settled.section.facts["look_alikes"][0]["of"], "acme-bank.example");
}

#[test]
fn a_look_alike_in_from_is_found_by_the_display_name_the_recipient_or_a_known_name() {
    for header in [
        "From: \"ACME Bank\" <service@acrne-bank.example>",
        "From: boss@acrne-bank.example\r\nTo: me@acme-bank.example",
        "From: service@paypa1.com",
        "From: service@rnicrosoft.com",
    ] {
        assert_eq!(findings(header)[0], ("identities.look-alike", Severity::Error), "{header}");
    }
    assert_eq!(findings("From: \"ACME Bank\" <service@acme-bank.example>"), []);
    assert_eq!(findings("From: a@gooogle.com")[0], ("identities.look-alike", Severity::Warning));
}

#[test]
fn addresses_where_a_name_should_stand_are_told() {
    for (header, id, severity) in [
        ("From: alice@example.com <bob@acme-bank.example>", "identities.address-in-name", Severity::Error),
        ("From: \"alice@example.com\" <bob@acme-bank.example>", "identities.address-in-name", Severity::Error),
        (
            "From: =?utf-8?q?alice=40example=2Ecom?= <bob@acme-bank.example>",
            "identities.address-in-name",
            Severity::Error,
        ),
        ("From: Foo (foo@bar.com) <baz@acme-bank.example>", "identities.address-in-name", Severity::Error),
        ("From: \"Someone <s@junk.com>\"@acme-bank.example", "identities.address-in-local-part", Severity::Error),
        ("From: \"paypal.com\" <bob@acme-bank.example>", "identities.domain-in-name", Severity::Warning),
        ("From: \"al@example.com via L\" <l@acme-bank.example>", "identities.address-in-name", Severity::Info),
        ("From: \"al@acme-bank.example\" <bob@acme-bank.example>", "identities.address-in-name", Severity::Info),
        ("From: Bank <a@b.example> <c@acme-bank.example>", "identities.two-addresses-in-one", Severity::Error),
        ("From: \"Bank\u{202e}\" <a@acme-bank.example>", "identities.hidden-characters", Severity::Error),
    ] {
        let found = findings(header);
        assert!(found.contains(&(id, severity)), "{header}: {found:?}");
    }
}

#[test]
fn an_honest_name_is_not_suspected() {
    for header in [
        "From: \"bob@acme-bank.example\" <bob@acme-bank.example>",
        "From: \"Dr. B. Smith v1.2\" <bob@acme-bank.example>",
        "From: \"News of acme-bank.example\" <bob@mail.acme-bank.example>",
        "From: bob@acme-bank.example\r\nReply-To: help@desk.acme-bank.example",
    ] {
        assert_eq!(findings(header), [], "{header}");
    }
}

#[test]
fn other_scripts_are_shown_in_both_forms_and_mixes_are_errors() {
    assert_eq!(findings("From: a@bücher.example"), [("identities.international-name", Severity::Info)]);
    let mixed = findings("From: a@p\u{430}ypal.com");
    assert!(mixed.contains(&("identities.mixed-scripts", Severity::Error)), "{mixed:?}");
    let pictured = findings("From: a@\u{430}\u{440}\u{440}\u{4cf}\u{435}.com");
    assert!(pictured.contains(&("identities.pictured-name", Severity::Error)), "{pictured:?}");
}

#[test]
fn replies_elsewhere_warn_and_on_lists_only_tell() {
    let header = "From: a@acme-bank.example\r\nReply-To: b@lists.example";
    assert_eq!(findings(header), [("identities.reply-elsewhere", Severity::Warning)]);
    assert_eq!(findings(&format!("List-Id: <x>\r\n{header}")), [("identities.reply-elsewhere", Severity::Info)]);
}

#[test]
fn several_addresses_and_fields_are_all_shown_and_bounded() {
    let many: Vec<String> = (0..150).map(|n| format!("a@d{n}.example")).collect();
    let settled = settled(&format!("From: {}\r\nFrom: z@z.example", many.join(",\r\n ")));
    assert!(settled.section.facts["identities"].as_array().unwrap().len() < 20);
    assert!(settled.asked.len() < 100, "{}", settled.asked.len());
}

#[test]
fn what_cannot_be_looked_at_is_not_called_foreign() {
    let text = "From: a@acme-bank.example\r\nReply-To: b@lists.example\r\n\r\n";
    let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
    let world = World::parse("_dmarc.lists.example TXT !servfail\n_dmarc.acme-bank.example TXT !servfail").unwrap();
    let section = world.settle(&Identities, &message, OffsetDateTime::UNIX_EPOCH).section;
    assert!(section.findings.iter().all(|finding| finding.id != "identities.reply-elsewhere"));
}

use time::OffsetDateTime;
use time::macros::datetime;

use super::key::tests::{ED25519, RSA_512, RSA_1024, RSA_2048};
use super::*;
use crate::check::world::{Settled, World};

const NOW: OffsetDateTime = datetime!(2026-11-24 08:00 UTC);
const BASE: &str = "monsec.example A 192.0.2.1\nmonsec.example MX 10 smtp.google.example\n";

fn look_with(world: &str, selectors: &[&str]) -> Settled {
    let mut domain = Domain::new(Name::from_text("monsec.example").unwrap());
    domain.selectors = selectors.iter().map(|selector| (*selector).to_owned()).collect();
    World::parse(&format!("{BASE}{world}")).unwrap().settle(&Dkim, &domain, NOW)
}

fn look(world: &str) -> Settled {
    look_with(world, &[])
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn a_good_key_is_found_by_the_provider_of_the_mx_in_two_rounds() {
    let settled = look(&format!("google._domainkey.monsec.example 300 TXT \"v=DKIM1; k=rsa; p={RSA_2048}\""));
    assert_eq!((settled.section.state, settled.depth), (State::Ok, 2), "{:?}", settled.section.findings);
    assert_eq!(settled.section.headline, "1 key");
    let key = &settled.section.facts["keys"][0];
    assert_eq!((&key["selector"], &key["type"], &key["bits"]), (&json!("google"), &json!("rsa"), &json!(2048)));
    assert_eq!((&key["revoked"], &key["testing"]), (&json!(false), &json!(false)));
    assert_eq!(settled.section.facts["domainkey_exists"], true);
    assert!(settled.section.facts["tried"].as_u64().unwrap() > 80);
    assert!(settled.asked.len() <= MAX_TRIED + 6);
    let record = settled.section.blocks.iter().find_map(|block| match block {
        Block::Record(record) => Some(record),
        _ => None,
    });
    let record = record.unwrap();
    assert_eq!(record.host, "google._domainkey");
    assert!(record.marks.iter().any(|mark| mark.note == "the public key, RSA with 2048 bits"));
    assert!(record.marks.iter().all(|mark| mark.span.of_str(&record.text).is_some()));
}

#[test]
fn a_selector_that_the_person_names_is_tried_first_and_found() {
    let settled = look_with(&format!("odd-one._domainkey.monsec.example TXT \"p={RSA_2048}\""), &["odd-one"]);
    assert_eq!((settled.section.state, settled.depth), (State::Ok, 2));
    assert_eq!(settled.section.facts["keys"][0]["selector"], "odd-one");
    let missing = look_with(&format!("google._domainkey.monsec.example TXT \"p={RSA_2048}\""), &["gone", "a..b"]);
    assert_eq!(ids(&missing), ["dkim.not-a-selector", "dkim.named-without-key"]);
}

#[test]
fn nothing_below_domainkey_is_surely_none_and_few_are_asked() {
    let settled = look("");
    assert_eq!((settled.section.state, ids(&settled)), (State::Absent, vec!["dkim.none"]));
    assert_eq!(settled.section.worst(), crate::finding::Severity::Warning);
    assert!(settled.asked.len() < 40, "{}", settled.asked.len());
    assert_eq!(settled.section.facts["domainkey_exists"], false);
}

#[test]
fn a_domain_that_sends_nothing_needs_no_key() {
    let domain = Domain::new(Name::from_text("parked.example").unwrap());
    let world = World::parse("parked.example MX 0 .\nparked.example TXT \"v=spf1 -all\"").unwrap();
    let settled = world.settle(&Dkim, &domain, NOW);
    assert_eq!((settled.section.state, settled.section.worst()), (State::Absent, crate::finding::Severity::Info));
}

#[test]
fn no_key_says_how_many_were_tried_and_never_missing() {
    let settled = look("hidden-selector._domainkey.monsec.example TXT \"p=\"");
    assert_eq!((settled.section.state, ids(&settled)), (State::Info, vec!["dkim.not-found"]));
    let tried = settled.section.facts["tried"].as_u64().unwrap();
    assert!(settled.section.findings[0].text.starts_with(&format!("No key among {tried} selectors tried.")));
    assert!(!settled.section.findings[0].text.contains("missing"));
}

#[test]
fn failures_are_unknown_and_never_absent() {
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = look(&format!(
            "_domainkey.monsec.example TXT !{fault}\n\
             s1._domainkey.monsec.example TXT !{fault}\ngoogle._domainkey.monsec.example TXT !{fault}"
        ));
        assert_eq!((settled.section.state, ids(&settled)), (State::Unknown, vec!["dkim.could-not-look"]), "{fault}");
        let tried = settled.section.facts["tried"].as_u64().unwrap();
        assert!(settled.section.findings[0].text.starts_with(&format!("2 of {} selectors", tried + 2)), "{fault}");
        let all = look(&format!("_domainkey.monsec.example TXT !{fault}\n*._domainkey.monsec.example TXT !{fault}"));
        assert_eq!((all.section.state, ids(&all)), (State::Unknown, vec!["dkim.could-not-look"]), "{fault}");
        assert_eq!((&all.section.facts["tried"], all.depth), (&json!(0), 2), "{fault}");
        let gate = look(&format!("_domainkey.monsec.example TXT !{fault}"));
        assert_eq!((gate.section.state, ids(&gate)), (State::Unknown, vec!["dkim.could-not-look"]), "{fault}");
        let some = look(&format!(
            "s1._domainkey.monsec.example TXT !{fault}\ngoogle._domainkey.monsec.example TXT \"p={RSA_2048}\""
        ));
        assert_eq!((some.section.state, ids(&some)), (State::Info, vec!["dkim.some-not-asked"]), "{fault}");
    }
}

#[test]
fn every_kind_of_weak_key_is_told() {
    for (record, id, state) in [
        (format!("v=DKIM1; p={RSA_512}"), "dkim.short-key", State::Error),
        (format!("v=DKIM1; p={RSA_1024}"), "dkim.weak-key", State::Warning),
        (format!("v=DKIM1; t=y; p={RSA_2048}"), "dkim.testing", State::Warning),
        (format!("v=DKIM1; h=sha1; p={RSA_2048}"), "dkim.sha1-only", State::Error),
        (format!("v=DKIM1; s=tlsrpt; p={RSA_2048}"), "dkim.not-for-mail", State::Info),
        (format!("v=DKIM1; k=ed25519; p={ED25519}"), "dkim.ed25519-only", State::Info),
        ("v=DKIM1; p=".to_owned(), "dkim.revoked", State::Info),
        ("v=DKIM1; k=foo; p=AAAA".to_owned(), "dkim.bad-key", State::Error),
        ("v=DKIM1; k=rsa".to_owned(), "dkim.bad-key", State::Error),
        ("v=DKIM1; p=AAAA".to_owned(), "dkim.bad-key", State::Error),
        (format!("v=DKIM1; p={RSA_2048}; p=x"), "dkim.bad-key", State::Error),
        ("some other text".to_owned(), "dkim.not-a-key", State::Info),
    ] {
        let settled = look(&format!("google._domainkey.monsec.example TXT \"{record}\""));
        assert!(ids(&settled).contains(&id), "{record}: {:?}", ids(&settled));
        assert_eq!(settled.section.state, state, "{record}");
    }
}

#[test]
fn a_512_bit_key_lets_others_sign() {
    let settled = look(&format!("s1._domainkey.monsec.example TXT \"v=DKIM1; p={RSA_512}\""));
    assert_eq!(settled.section.posture[0].question, crate::report::Question::Spoofed);
    let new = &settled.section.suggestions[0];
    assert_eq!((new.host.as_str(), new.step), ("s202611._domainkey", 1));
    assert_eq!((new.value.as_str(), new.blanks[0].key), ("v=DKIM1; k=rsa; p={public_key}", "public_key"));
    let old = &settled.section.suggestions[1];
    assert_eq!((old.host.as_str(), old.step, old.value.as_str()), ("s1._domainkey", 2, "v=DKIM1; p="));
}

#[test]
fn a_wildcard_answer_is_not_a_key() {
    let settled = look("*._domainkey.monsec.example TXT \"v=spf1 -all\"");
    assert_eq!(ids(&settled), ["dkim.wildcard", "dkim.not-found"]);
    assert_eq!(settled.section.facts["keys"], json!([]));
    assert_eq!(settled.section.facts["domainkey_exists"], Value::Null);
    let real = look(&format!(
        "*.monsec.example TXT \"anything\"\ngoogle._domainkey.monsec.example TXT \"p={RSA_2048}\"\n*._domainkey.monsec.example TXT \"anything\""
    ));
    assert_eq!(real.section.facts["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn a_wildcard_of_withdrawn_keys_says_that_nothing_is_signed() {
    let settled = look("*._domainkey.monsec.example TXT \"v=DKIM1; p=\"");
    assert_eq!(ids(&settled), ["dkim.wildcard-revoked"]);
    assert_eq!(settled.section.facts["keys"][0]["selector"], "*");
    let key = look(&format!("*._domainkey.monsec.example TXT \"v=DKIM1; p={RSA_2048}\""));
    assert_eq!(ids(&key), ["dkim.wildcard-key"]);
}

#[test]
fn a_delegated_key_is_followed_and_one_that_leads_nowhere_told() {
    let settled = look(&format!(
        "fm1._domainkey.monsec.example CNAME fm1.monsec.example.dkim.fmhosted.com\n\
         fm1.monsec.example.dkim.fmhosted.com TXT \"v=DKIM1; p={RSA_1024}\"\n\
         fm2._domainkey.monsec.example CNAME fm2.monsec.example.dkim.fmhosted.com"
    ));
    assert_eq!(ids(&settled), ["dkim.weak-key", "dkim.dangling-delegation"]);
    assert_eq!(settled.section.facts["keys"][0]["delegated_to"], "fm1.monsec.example.dkim.fmhosted.com");
    assert!(settled.section.suggestions.is_empty(), "only the operator can change a delegated key");
}

#[test]
fn several_records_at_one_selector_are_each_shown() {
    let settled = look(&format!(
        "google._domainkey.monsec.example TXT \"v=DKIM1; p={RSA_2048}\"\ngoogle._domainkey.monsec.example TXT \"v=DKIM1; p={RSA_1024}\""
    ));
    assert_eq!(settled.section.facts["keys"].as_array().unwrap().len(), 2);
    assert!(ids(&settled).contains(&"dkim.several-records"));
    let weak = settled.section.findings.iter().find(|finding| finding.id == "dkim.weak-key").unwrap();
    assert_eq!(weak.record, 1);
}

#[test]
fn a_server_that_denies_domainkey_but_answers_below_is_told() {
    let settled = look(&format!(
        "_domainkey.monsec.example TXT !nxdomain\ngoogle._domainkey.monsec.example TXT \"v=DKIM1; p={RSA_2048}\""
    ));
    assert_eq!((settled.section.state, ids(&settled)), (State::Warning, vec!["dkim.broken-domainkey"]));
}

#[test]
fn the_name_that_does_not_exist_is_left_to_the_address_section() {
    let domain = Domain::new(Name::from_text("gone.example").unwrap());
    let settled = World::parse("").unwrap().settle(&Dkim, &domain, NOW);
    assert_eq!((settled.section.state, settled.section.findings.len(), settled.depth), (State::Absent, 0, 1));
}

#[test]
fn a_wildcard_of_another_type_shows_no_domainkey() {
    // `* A` answers "no TXT here" for every name, _domainkey and a made-up selector too.
    let settled = look("*.monsec.example A 192.0.2.1");
    assert_eq!(settled.section.facts["domainkey_exists"], Value::Null, "{:?}", settled.asked.len());
    let told = settled.section.findings.iter().find(|finding| finding.id == "dkim.not-found").unwrap();
    assert!(told.text.contains("cannot be told from outside"), "{}", told.text);
    let there = look("other.odd._domainkey.monsec.example TXT x");
    assert_eq!(there.section.facts["domainkey_exists"], true);
}

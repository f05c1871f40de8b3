use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use super::*;
use crate::check::world::World;
use crate::job::Envelope;
use crate::message::Message;
use crate::report::{Section, State};

const RFC6376: &[u8] = include_bytes!("../../../tests/fixtures/messages/rfc6376-a2.eml");
const RFC8463: &[u8] = include_bytes!("../../../tests/fixtures/messages/rfc8463-a3.eml");

/// The keys of RFC 6376 appendix C (as appendix A uses it) and RFC 8463 appendix A.
const KEYS: &str = r#"
    _dmarc.example.com TXT "v=DMARC1; p=none"
    brisbane._domainkey.example.com TXT "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
    brisbane._domainkey.football.example.com TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    test._domainkey.football.example.com TXT "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
"#;

fn section(world: &str, raw: &[u8], now: i64) -> Section {
    let message = Message::parse(Arc::from(raw), Envelope::default()).unwrap();
    let settled =
        World::parse(world).unwrap().settle(&Dkim, &message, OffsetDateTime::from_unix_timestamp(now).unwrap());
    assert!(settled.depth <= 1, "keys and walks are asked together");
    settled.section
}

fn outcomes(section: &Section) -> Vec<[String; 3]> {
    let Some(Value::Array(signatures)) = section.facts.get("signatures") else { return Vec::new() };
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    signatures.iter().map(|one| [text(one, "result"), text(one, "body_hash"), text(one, "header_signature")]).collect()
}

fn ids(section: &Section) -> Vec<&str> {
    section.findings.iter().map(|finding| finding.id).collect()
}

fn change(raw: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(raw.to_vec()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

const PASS: [&str; 3] = ["pass", "match", "valid"];

#[test]
fn the_example_of_rfc_6376_passes() {
    let section = section(KEYS, RFC6376, 1_060_000_000);
    assert_eq!(outcomes(&section), [PASS]);
    assert_eq!(section.facts["signatures"][0]["bits"], 1024);
    assert_eq!(section.facts["signatures"][0]["aligned"], true);
}

#[test]
fn the_example_of_rfc_8463_passes_twice() {
    let section = section(KEYS, RFC8463, 1_528_637_909);
    assert_eq!(outcomes(&section), [PASS, PASS]);
    assert_eq!(section.facts["signatures"][0]["algorithm"], "ed25519-sha256");
    assert_eq!(section.facts["signatures"][0]["bits"], 256);
}

#[test]
fn line_ends_of_a_paste_do_not_matter() {
    let text = String::from_utf8(RFC6376.to_vec()).unwrap();
    for end in ["\r", "\r\n"] {
        for tail in ["", "\n\n\n"] {
            let raw = format!("{text}{tail}").replace('\n', end);
            assert_eq!(outcomes(&section(KEYS, raw.as_bytes(), 0)), [PASS], "{end:?} {tail:?}");
        }
    }
    let cut = text.trim_end().replace('\n', "\r");
    assert_eq!(outcomes(&section(KEYS, cut.as_bytes(), 0)), [PASS]);
}

#[test]
fn body_and_header_are_told_apart() {
    let body = section(KEYS, &change(RFC8463, "hungry", "thirsty"), 0);
    assert_eq!(outcomes(&body), [["fail", "mismatch", "valid"], ["fail", "mismatch", "valid"]]);
    assert!(ids(&body).contains(&"dkim.body-changed") && ids(&body).contains(&"dkim.stored-body-changed"));
    let header = section(KEYS, &change(RFC8463, "Is dinner", "Was dinner"), 0);
    assert_eq!(outcomes(&header), [["fail", "match", "invalid"], ["fail", "match", "invalid"]]);
    assert!(ids(&header).contains(&"dkim.header-changed"));
}

#[test]
fn headers_alone_are_neutral_and_still_checked() {
    let end = memchr::memmem::find(RFC8463, b"\n\n").unwrap() + 1;
    let alone = section(KEYS, &RFC8463[..end], 0);
    assert_eq!(outcomes(&alone), [["neutral", "unchecked", "valid"], ["neutral", "unchecked", "valid"]]);
    assert!(ids(&alone).contains(&"dkim.body-not-pasted"));
}

#[test]
fn each_key_that_cannot_be_used_has_its_word() {
    let key = "brisbane._domainkey.example.com";
    let good = KEYS.lines().find(|line| line.trim().starts_with(key)).unwrap().trim();
    let p = good.split("p=").nth(1).unwrap().trim_end_matches('"');
    for (record, result, header, finding) in [
        (format!("{key} EMPTY"), "permerror", "unchecked", "dkim.no-key"),
        ("example.com EMPTY".into(), "permerror", "unchecked", "dkim.no-key"),
        (format!("{key} TXT !servfail"), "temperror", "unchecked", "dkim.key-unknown"),
        (format!("{key} TXT !timeout"), "temperror", "unchecked", "dkim.key-unknown"),
        (format!("{key} TXT !refused"), "temperror", "unchecked", "dkim.key-unknown"),
        (format!("{key} TXT \"v=DKIM1; p=\""), "permerror", "unchecked", "dkim.revoked-key"),
        (format!("{key} TXT \"v=DKIM1; p=AAAA\""), "permerror", "unchecked", "dkim.permerror"),
        (
            format!("{key} TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\""),
            "permerror",
            "unchecked",
            "dkim.permerror",
        ),
        (format!("{key} TXT \"v=DKIM1; k=magic; p={p}\""), "permerror", "unchecked", "dkim.permerror"),
        (format!("{key} TXT \"v=DKIM1; h=sha1; p={p}\""), "permerror", "valid", "dkim.permerror"),
        (format!("{key} TXT \"v=DKIM1; s=tlsrpt; p={p}\""), "permerror", "valid", "dkim.permerror"),
        (format!("{key} TXT \"v=DKIM1; t=s; p={p}\""), "permerror", "valid", "dkim.permerror"),
        (format!("{key} TXT \"k=rsa; v=DKIM1; p={p}\""), "permerror", "valid", "dkim.permerror"),
    ] {
        let section = section(&record, RFC6376, 0);
        assert_eq!(outcomes(&section), [[result, "match", header]], "{record}");
        assert!(ids(&section).contains(&finding), "{record} {:?}", ids(&section));
        assert_eq!(section.state == State::Unknown, result == "temperror", "{record}");
    }
    for record in [
        format!("{key} TXT \"p={p}\""),
        format!("{key} TXT \"v=DKIM1; h=sha1:sha256:sha9; s=email:x; n=; unknown=1; p={p}\""),
        format!("{key} TXT \"v=DKIM1; t=y; s=*; p={}  {}\"", p.get(..40).unwrap(), p.get(40..).unwrap()),
        format!("{key} TXT \"v=DKIM1; p=\"\n{key} TXT \"v=DKIM1; p={p}\""),
        format!("{key} CNAME keys.example.net\nkeys.example.net TXT \"p={p}\""),
    ] {
        assert_eq!(outcomes(&section(&record, RFC6376, 0)), [PASS], "{record}");
    }
}

#[test]
fn an_alias_that_leads_nowhere_is_no_key() {
    let world = "brisbane._domainkey.example.com CNAME gone.example.net\nexample.net EMPTY";
    assert_eq!(outcomes(&section(world, RFC6376, 0)), [["permerror", "match", "unchecked"]]);
}

#[test]
fn a_key_is_fetched_even_when_the_body_fails() {
    let raw = change(RFC6376, "hungry", "thirsty");
    assert_eq!(outcomes(&section(KEYS, &raw, 0)), [["fail", "mismatch", "valid"]]);
    assert_eq!(outcomes(&section("x EMPTY", &raw, 0)), [["fail", "mismatch", "unchecked"]]);
}

#[test]
fn a_second_from_above_the_signed_one_is_loud() {
    let text = String::from_utf8(RFC6376.to_vec()).unwrap();
    let raw = format!("From: Bank <bank@bank.example>\n{text}");
    let section = section(KEYS, raw.as_bytes(), 0);
    assert_eq!(outcomes(&section), [PASS], "taken from the bottom, the signed From still verifies");
    assert!(ids(&section).contains(&"dkim.added-header"));
}

#[test]
fn over_signing_forbids_a_second_from() {
    let text = String::from_utf8(RFC8463.to_vec()).unwrap();
    let raw = format!("From: Bank <bank@bank.example>\n{text}");
    let section = section(KEYS, raw.as_bytes(), 0);
    assert_eq!(outcomes(&section), [["fail", "match", "invalid"], ["fail", "match", "invalid"]]);
    assert!(!ids(&section).contains(&"dkim.added-header"));
}

#[test]
fn many_signatures_are_bounded_and_the_bound_is_said() {
    let text = String::from_utf8(RFC6376.to_vec()).unwrap();
    let raw = format!("{}{text}", "DKIM-Signature: v=1\n".repeat(5000));
    let section = section(KEYS, raw.as_bytes(), 0);
    assert_eq!(outcomes(&section).len(), MAX_SIGNATURES);
    assert!(ids(&section).contains(&"dkim.too-many-signatures"));
}

#[test]
fn no_signature_is_absence_and_says_so() {
    let section = section("", b"From: a@b.c\r\n\r\nx\r\n", 0);
    assert_eq!((section.state, ids(&section)), (State::Absent, vec!["dkim.no-signature"]));
}

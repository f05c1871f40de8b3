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

/// A message signed here by Ed25519, with more tags than usual, and the world with its key.
struct Signer(ring::signature::Ed25519KeyPair);

impl Signer {
    fn new() -> Signer {
        Signer(ring::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }

    fn world(&self, flags: &str) -> String {
        use base64::Engine as _;
        use ring::signature::KeyPair as _;
        let point = base64::engine::general_purpose::STANDARD.encode(self.0.public_key());
        format!("k._domainkey.signed.example TXT \"v=DKIM1; k=ed25519; {flags}p={point}\"")
    }

    fn sign(&self, tags: &str, header: &str, body: &str) -> Vec<u8> {
        use crate::message::canonical::{Canon, Hash, Wanted, body_hashes};
        use base64::Engine as _;
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let wanted = Wanted { canon: Canon::Relaxed, hash: Hash::Sha256, length: None };
        let bh = encode(&body_hashes(body.as_bytes(), &[wanted])[0].digest);
        let own = format!(
            "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=signed.example; s=k; {tags}; bh={bh}; b="
        );
        let unsigned = format!("{own}YQ==\r\n{header}\r\n{body}");
        let message = Message::parse(unsigned.into_bytes().into(), Envelope::default()).unwrap();
        let signature = &message.signatures()[0];
        let input = Cover::of(&message, signature).input(&message, signature);
        let value = encode(self.0.sign(&Hash::Sha256.of(&input)).as_ref());
        format!("{own}{value}\r\n{header}\r\n{body}").into_bytes()
    }
}

const FROM: &str = "From: a@signed.example\r\nSubject: x\r\n";
/// 2026-11-24 09:58:12 UTC.
const RECEIVED_AT: i64 = 1_795_514_292;
const RECEIVED: &str =
    "Received: from s.example ([192.0.2.1]) by mx.example with SMTP; Tue, 24 Nov 2026 09:58:12 +0000\r\n";

#[test]
fn expiry_counts_as_of_receipt_and_now_is_told() {
    let signer = Signer::new();
    let world = signer.world("");
    let sign = |tags: &str, received: &str| {
        signer.sign(&format!("h=from:subject; {tags}"), &format!("{received}{FROM}"), "x\r\n")
    };
    let alive = format!("x={}", RECEIVED_AT + 60);
    let dead = format!("x={}", RECEIVED_AT - 60);
    for (tags, received, now, result, finding) in [
        (&alive, RECEIVED, RECEIVED_AT + 10, "pass", None),
        (&alive, RECEIVED, RECEIVED_AT + 9999, "pass", Some("dkim.expired-since")),
        (&dead, RECEIVED, RECEIVED_AT + 10, "policy", Some("dkim.not-accepted")),
        (&alive, "", RECEIVED_AT + 10, "pass", None),
        (&alive, "", RECEIVED_AT + 9999, "policy", Some("dkim.receipt-unknown")),
    ] {
        let section = section(&world, &sign(tags, received), now);
        assert_eq!(outcomes(&section), [[result, "match", "valid"]], "{tags} {received} {now}");
        if let Some(finding) = finding {
            assert!(ids(&section).contains(&finding), "{tags} {received} {now}: {:?}", ids(&section));
        }
    }
    let future = section(&world, &sign(&format!("t={}", RECEIVED_AT + 4000), RECEIVED), RECEIVED_AT);
    assert!(ids(&future).contains(&"dkim.signed-in-future"));
    assert_eq!(outcomes(&future), [PASS]);
}

#[test]
fn the_identity_may_be_below_d_unless_the_key_is_strict() {
    let signer = Signer::new();
    let raw = signer.sign("h=from; i=@sub.Signed.Example", FROM, "x\r\n");
    assert_eq!(outcomes(&section(&signer.world(""), &raw, 0)), [PASS]);
    assert_eq!(outcomes(&section(&signer.world("t=s; "), &raw, 0)), [["permerror", "match", "valid"]]);
    let own = signer.sign("h=from; i=@SIGNED.example", FROM, "x\r\n");
    assert_eq!(outcomes(&section(&signer.world("t=s; "), &own, 0)), [PASS]);
}

#[test]
fn mathematics_and_mistakes_are_told_apart() {
    let signer = Signer::new();
    for (tags, result) in [("h=subject", "permerror"), ("h=from; q=ldap", "neutral"), ("h=from; l=999", "permerror")] {
        let section = section(&signer.world(""), &signer.sign(tags, FROM, "x\r\n"), 0);
        let [found, _, header] = outcomes(&section)[0].clone();
        assert_eq!((found.as_str(), header.as_str()), (result, "valid"), "{tags}");
    }
}

#[test]
fn fields_of_one_name_are_taken_from_the_bottom() {
    let signer = Signer::new();
    let header = "X-A: top\r\nX-A: middle\r\nX-A: bottom\r\nFrom: a@signed.example\r\n";
    let raw = signer.sign("h=from:x-a:x-a", header, "x\r\n");
    let verdict =
        |from: &str, to: &str| outcomes(&section(&signer.world(""), &change(&raw, from, to), 0))[0][0].clone();
    assert_eq!(verdict("top", "pot"), "pass");
    assert_eq!(verdict("middle", "meddle"), "fail");
    assert_eq!(verdict("bottom", "button"), "fail");
    assert_eq!(verdict("X-A: top", "X-A: new\r\nX-A: top"), "pass");
}

#[test]
fn a_field_that_h_names_in_vain_must_not_appear() {
    let signer = Signer::new();
    let raw = signer.sign("h=from:reply-to", FROM, "x\r\n");
    assert_eq!(outcomes(&section(&signer.world(""), &raw, 0)), [PASS]);
    let added = change(&raw, "Subject: x", "Reply-To: b@evil.example\r\nSubject: x");
    assert_eq!(outcomes(&section(&signer.world(""), &added, 0)), [["fail", "match", "invalid"]]);
}

#[test]
fn a_wildcard_that_answers_every_name_is_no_key() {
    let world = "*.signed.example TXT \"v=spf1 -all\"";
    let raw = Signer::new().sign("h=from", FROM, "x\r\n");
    assert_eq!(outcomes(&section(world, &raw, 0)), [["permerror", "match", "unchecked"]]);
}

#[test]
fn dkim2_is_recognised_and_not_judged() {
    let section = section("", b"DKIM2-Signature: i=1; d=b.c\r\nFrom: a@b.c\r\n\r\nx\r\n", 0);
    assert!(ids(&section).contains(&"dkim.dkim2"));
    assert_eq!(outcomes(&section), Vec::<[String; 3]>::new());
}

#[test]
fn a_short_key_verifies_and_is_not_accepted() {
    // Signed by dkimpy with a key of `openssl genrsa 512`.
    const OLD: &[u8] = include_bytes!("../../../tests/fixtures/messages/rsa-512.eml");
    let world = "old._domainkey.old.example TXT \"v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMXwui7iOsGI4UD8Gx3V9u3w3B9ncikGkgNebpSgQ9ZapIqQeaNoaxNA+X0u6JcvMAUDQhu/Ib+9OOy1o5BWycECAwEAAQ==\"";
    let found = section(world, OLD, 0);
    assert_eq!(outcomes(&found), [["policy", "match", "valid"]]);
    assert_eq!(found.facts["signatures"][0]["bits"], 512);
    assert!(ids(&found).contains(&"dkim.weak-key"));
    let changed = section(world, &change(OLD, "an old key", "a new key"), 0);
    assert_eq!(outcomes(&changed), [["fail", "match", "invalid"]]);
}

#[test]
fn a_key_with_quotation_marks_is_read_and_told() {
    let keys = KEYS.replace(
        "\"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"",
        "\"\\\"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\\\"\"",
    );
    let section = section(&keys, RFC8463, 1_528_637_909);
    assert_eq!((&outcomes(&section)[0], ids(&section).contains(&"dkim.quotes")), (&PASS.map(str::to_owned), true));
}

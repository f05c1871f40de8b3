//! Messages in the shapes that providers, lists and attackers give them: what the cases 41 to 102 of the project's list of
//! known mistakes look like in a whole message.

use mxray::check::world::World;
use mxray::check::{Check, Subject};
use mxray::job::Envelope;
use mxray::message::{ALL, Message};
use mxray::report::Section;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::Value;
use time::OffsetDateTime;

use mxray::message::canonical::{Canon, Hash, Wanted, body_hashes, canonical_field, without_signature};

/// 2026-11-24 09:58:12 UTC.
const NOW: i64 = 1_795_514_292;

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap()
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The key's record, with flags, at `k._domainkey.` below a domain.
fn key(domain: &str, flags: &str) -> String {
    format!("k._domainkey.{domain} TXT \"v=DKIM1; k=ed25519; {flags}p={}\"\n", encode(pair().public_key().as_ref()))
}

fn message(raw: &str) -> Message {
    Message::parse(raw.as_bytes().to_vec().into(), Envelope::default()).unwrap()
}

/// Signs fields and body with any tags and canonicalisation; `fields` in the order of `h=`, each whole.
fn signed((tags, canon): (&str, &str), (names, fields): (&str, &[&str]), header: &str, body: &str) -> String {
    let of = |word: &str| if word == "relaxed" { Canon::Relaxed } else { Canon::Simple };
    let (header_canon, body_canon) = canon.split_once('/').unwrap_or((canon, "simple"));
    let wanted = Wanted { canon: of(body_canon), hash: Hash::Sha256, length: None };
    let bh = encode(&body_hashes(body.as_bytes(), &[wanted])[0].digest);
    let c = if canon.is_empty() { String::new() } else { format!(" c={canon};") };
    let own = format!("DKIM-Signature: v=1; a=ed25519-sha256;{c} s=k; {tags};\r\n\th={names}; bh={bh};\r\n\tb=");
    let mut data = Vec::new();
    for field in fields {
        canonical_field(of(header_canon), field.as_bytes(), &mut data);
    }
    canonical_field(of(header_canon), &without_signature(format!("{own}\r\n").as_bytes()), &mut data);
    data.truncate(data.len() - 2);
    let value = encode(pair().sign(&Hash::Sha256.of(&data)).as_ref());
    format!("{own}{value}\r\n{header}\r\n{body}")
}

/// Every section of a message in a world.
fn sections(world: &str, message: &Message) -> Vec<Section> {
    let world = World::parse(world).unwrap();
    let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
    let settle = |check: &&'static dyn Check<Message>| world.settle(*check, message, now).section;
    ALL.iter().map(settle).collect()
}

fn section<'a>(sections: &'a [Section], id: &str) -> &'a Section {
    sections.iter().find(|section| section.id == id).unwrap()
}

/// The result and reason of the first signature.
fn dkim(world: &str, raw: &str) -> (String, String) {
    let message = message(raw);
    let sections = sections(world, &message);
    let one = &section(&sections, "dkim").facts["signatures"][0];
    let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    (word("result"), word("reason"))
}

const FROM: &str = "From: a@b.example\r\n";
const SUBJECT: &str = "Subject: a long one\r\n that is folded\r\n";

fn plain(tags: &str, canon: &str) -> String {
    signed((tags, canon), ("from:subject", &[FROM, SUBJECT]), &format!("{FROM}{SUBJECT}"), "hello\r\n")
}

#[test]
fn folded_fields_verify_in_both_canonicalisations_and_without_c_it_is_simple() {
    for canon in ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed", "relaxed", ""] {
        let raw = plain("d=b.example", canon);
        assert_eq!(dkim(&key("b.example", ""), &raw).0, "pass", "{canon:?}");
        let unfolded = raw.replace("one\r\n that", "one that");
        let result = if canon.starts_with("relaxed") { "pass" } else { "fail" };
        assert_eq!(dkim(&key("b.example", ""), &unfolded).0, result, "{canon:?}");
    }
}

#[test]
fn an_empty_body_and_one_of_blank_lines_verify_in_both_canonicalisations() {
    for canon in ["simple/simple", "relaxed/relaxed"] {
        let raw = signed(("d=b.example", canon), ("from", &[FROM]), FROM, "");
        for tail in ["", "\r\n", "\r\n\r\n\r\n"] {
            assert_eq!(dkim(&key("b.example", ""), &format!("{raw}{tail}")).0, "pass", "{canon} {tail:?}");
        }
        // No blank line at all is a header alone, and its body is not judged.
        let alone = raw.strip_suffix("\r\n").unwrap();
        assert_eq!(dkim(&key("b.example", ""), alone).0, "neutral", "{canon}");
    }
}

#[test]
fn a_signature_that_signs_another_signature_verifies_and_the_fields_name_may_be_in_any_case() {
    let other = "DKIM-Signature: v=1; a=rsa-sha256; d=c.example; s=z; h=from; bh=YQ==;\r\n b=  Yg = =\r\n";
    for canon in ["simple/simple", "relaxed/relaxed"] {
        let raw = signed(
            ("d=b.example", canon),
            ("from:dkim-signature", &[FROM, other]),
            &format!("{other}{FROM}"),
            "hello\r\n",
        );
        assert_eq!(dkim(&key("b.example", ""), &raw).0, "pass", "{canon}");
    }
    let raw = plain("d=b.example", "relaxed/relaxed");
    for name in ["dkim-signature:", "DKIM-SIGNATURE :", "Dkim-Signature:"] {
        assert_eq!(dkim(&key("b.example", ""), &raw.replacen("DKIM-Signature:", name, 1)).0, "pass", "{name}");
    }
}

#[test]
fn each_odd_tag_has_the_word_of_the_rfcs() {
    for (tags, flags, result) in [
        ("d=b.example; x=1795514000", "", "policy"),
        ("d=b.example; x=1795599999", "", "pass"),
        ("d=b.example; t=1795599999", "", "pass"),
        ("d=b.example; t=1795500000; x=1795500000", "", "permerror"),
        ("d=b.example; l=0", "", "fail"),
        ("d=b.example; l=7", "", "pass"),
        ("d=b.example; l=8", "", "permerror"),
        ("d=b.example; i=a@b.example", "", "pass"),
        ("d=b.example; i=@mail.b.example", "", "pass"),
        ("d=b.example; i=@mail.b.example", "t=s; ", "permerror"),
        ("d=b.example; i=@c.example", "", "neutral"),
        ("d=b.example; i=@notb.example", "", "neutral"),
        ("d=b.example; q=dns/txt", "", "pass"),
        ("d=b.example; q=dns/txt:other", "", "pass"),
        ("d=b.example; q=other", "", "neutral"),
        ("d=b.example; unknown=1; n=", "", "pass"),
        ("d=b.example; d=b.example", "", "permerror"),
        ("d=b.example", "h=sha1; ", "permerror"),
        ("d=b.example", "s=tlsrpt; ", "permerror"),
        ("d=b.example", "s=*; t=y; zz=1; ", "pass"),
    ] {
        let (found, reason) = dkim(&key("b.example", flags), &plain(tags, "relaxed/relaxed"));
        assert_eq!(found, result, "{tags} {flags}: {reason}");
    }
    let without_from =
        signed(("d=b.example", "relaxed/relaxed"), ("subject", &[SUBJECT]), &format!("{FROM}{SUBJECT}"), "x\r\n");
    assert_eq!(dkim(&key("b.example", ""), &without_from).0, "permerror");
}

#[test]
fn l_zero_covers_nothing_and_a_pass_of_it_proves_only_the_beginning() {
    let wanted = Wanted { canon: Canon::Relaxed, hash: Hash::Sha256, length: Some(0) };
    let empty = encode(&body_hashes(b"", &[wanted])[0].digest);
    let raw = signed(("d=b.example; l=0", "relaxed/relaxed"), ("from", &[FROM]), FROM, "");
    assert!(raw.contains(&empty));
    let raw = raw.replace("\r\n\r\n", "\r\n\r\nSend your password to evil.example\r\n");
    let world = format!("{}_dmarc.b.example TXT \"v=DMARC1; p=reject\"\n", key("b.example", ""));
    let message = message(&raw);
    let sections = sections(&world, &message);
    let dkim = section(&sections, "dkim");
    assert_eq!(dkim.facts["signatures"][0]["result"], "pass");
    assert_eq!(dkim.facts["signatures"][0]["body_covered_bytes"], 0);
    assert!(dkim.findings.iter().any(|finding| finding.id == "dkim.uncovered-tail"));
    let verdict = message.verdict(&sections);
    assert!(verdict[0].answer.starts_with("IN PART: b.example signed its headers; the whole body"), "{verdict:?}");
}

#[test]
fn a_top_level_domain_that_signs_speaks_for_nobody_below_it() {
    let raw = signed(("d=example", "relaxed/relaxed"), ("from", &[FROM]), FROM, "x\r\n");
    let world = format!("{}_dmarc.b.example TXT \"v=DMARC1; p=reject\"\n", key("example", ""));
    let message = message(&raw);
    let sections = sections(&world, &message);
    assert_eq!(section(&sections, "dkim").facts["signatures"][0]["result"], "pass");
    assert_eq!(section(&sections, "dkim").facts["signatures"][0]["aligned"], false);
    assert_eq!(section(&sections, "dmarc").facts["result"], "fail");
}

/// DMARC's result, its author and whether DKIM is aligned, for a From that signs for `b.example`.
fn author(from: &str, policy: &str) -> (Value, Value, Value) {
    let field = format!("From: {from}\r\n");
    let raw = signed(("d=b.example", "relaxed/relaxed"), ("from", &[&field]), &field, "x\r\n");
    let message = message(&raw);
    let sections = sections(&format!("{}{policy}", key("b.example", "")), &message);
    let facts = &section(&sections, "dmarc").facts;
    (facts["result"].clone(), facts["author_domain"].clone(), facts["dkim_aligned"].clone())
}

#[test]
fn the_author_is_the_addr_spec_whatever_stands_around_it() {
    let policy = "_dmarc.b.example TXT \"v=DMARC1; p=reject\"\n_dmarc.junk.example TXT \"v=DMARC1; p=reject\"\n";
    for (from, result, domain) in [
        ("a@B.Example", "pass", Some("b.example")),
        ("\"Someone <someone@junk.example>\"@b.example", "pass", Some("b.example")),
        ("ceo@junk.example <a@b.example>", "pass", Some("b.example")),
        ("\"ceo@junk.example\" <a@b.example>", "pass", Some("b.example")),
        ("Foo (x@junk.example) <a@b.example>", "pass", Some("b.example")),
        ("=?utf-8?q?ceo=40junk=2Eexample?= <a@b.example>", "pass", Some("b.example")),
        ("a@b.example (x@junk.example)", "pass", Some("b.example")),
        ("\"B\"\r\n <a@b.example>", "pass", Some("b.example")),
        ("a@b.example, c@b.example", "pass", Some("b.example")),
        ("a@b.example, c@junk.example", "none", None),
        ("B: a@b.example;", "none", None),
        ("undisclosed-recipients:;", "none", None),
        ("<>", "none", None),
        ("a@notb.example", "none", Some("notb.example")),
        ("a@junk.example", "fail", Some("junk.example")),
        ("a@sub.b.example", "pass", Some("sub.b.example")),
        ("用户@b.example", "pass", Some("b.example")),
    ] {
        let (found, author, _) = author(from, policy);
        assert_eq!((found, author), (result.into(), domain.map_or(Value::Null, Value::from)), "{from}");
    }
}

#[test]
fn a_u_label_in_from_is_its_a_label_and_strict_alignment_is_strict() {
    let field = "From: a@bücher.example\r\n";
    for d in ["xn--bcher-kva.example", "bücher.example"] {
        let raw = signed((&format!("d={d}"), "relaxed/relaxed"), ("from", &[field]), field, "x\r\n");
        let world =
            format!("{}_dmarc.xn--bcher-kva.example TXT \"v=DMARC1; p=reject\"\n", key("xn--bcher-kva.example", ""));
        let message = message(&raw);
        assert_eq!(section(&sections(&world, &message), "dmarc").facts["result"], "pass", "{d}");
    }
    let strict = "_dmarc.b.example TXT \"v=DMARC1; p=reject; adkim=s\"\n";
    assert_eq!(author("a@b.example", strict).0, "pass");
    assert_eq!(author("a@sub.b.example", strict).0, "fail");
}

#[test]
fn a_public_suffix_as_author_has_its_own_policy_and_nobody_elses() {
    for (from, domain) in [("a@github.io", "github.io"), ("a@co.uk", "co.uk")] {
        let (result, author, aligned) = author(from, "x EMPTY");
        assert_eq!((result, author, aligned), ("none".into(), domain.into(), false.into()), "{from}");
    }
}

#[test]
fn a_second_from_in_any_shape_is_no_author() {
    for second in ["From: c@junk.example\r\n", "from : c@junk.example\r\n", "FROM:\r\n c@junk.example\r\n"] {
        let raw = plain("d=b.example", "relaxed/relaxed");
        let raw = raw.replacen(FROM, &format!("{second}{FROM}"), 1);
        let message = message(&raw);
        let sections =
            sections(&format!("{}_dmarc.b.example TXT \"v=DMARC1; p=reject\"\n", key("b.example", "")), &message);
        assert_eq!(section(&sections, "dmarc").facts["result"], "none", "{second:?}");
        let verdict = message.verdict(&sections);
        assert!(verdict[0].answer.starts_with("NOBODY CAN SAY"), "{second:?} {verdict:?}");
    }
}

#[test]
fn a_cyrillic_domain_that_passes_everything_is_not_who_one_may_think() {
    // аррӏе.example, all Cyrillic.
    let field = "From: Apple <support@аррӏе.com>\r\n";
    let domain = "xn--80ak6aa92e.com";
    let raw = signed((&format!("d={domain}"), "relaxed/relaxed"), ("from", &[field]), field, "x\r\n");
    let message = message(&raw);
    let sections = sections(&format!("{}_dmarc.{domain} TXT \"v=DMARC1; p=reject\"\n", key(domain, "")), &message);
    assert_eq!(section(&sections, "dmarc").facts["result"], "pass");
    let verdict = message.verdict(&sections);
    assert!(verdict[0].answer.starts_with("AUTHENTICATED, AND NOT WHO YOU MAY THINK"), "{verdict:?}");
    assert!(verdict[2].answer.contains("(Cyrillic), not"), "{verdict:?}");
}

//! 144 messages that dkimpy and OpenDKIM signed (`tests/fixtures/messages/make.py`): every canonicalisation, algorithm, `l=`
//! and over-signing, six shapes of header, five bodies. Each verifies, and each change to one is noticed where it was made.

use mxray::check::world::World;
use mxray::job::Envelope;
use mxray::message::{Message, dkim};
use serde_json::Value;
use time::OffsetDateTime;

const CORPUS: &[u8] = include_bytes!("../../fixtures/messages/corpus.txt");
pub const ZONE: &str = include_str!("../../fixtures/messages/corpus.zone");

/// One signed message.
pub struct Entry {
    pub name: String,
    pub raw: &'static [u8],
    /// What dkimpy says of it.
    pub dkimpy: String,
}

/// The whole corpus.
pub fn entries() -> Vec<Entry> {
    let mut rest = CORPUS;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let ["@", name, length, dkimpy] = words[..] else { panic!("{line}") };
        let length: usize = length.parse().unwrap();
        entries.push(Entry { name: name.into(), raw: &rest[end + 1..end + 1 + length], dkimpy: dkimpy.into() });
        rest = &rest[end + length + 2..];
    }
    entries
}

/// The facts of the first signature and the ids of the findings.
pub fn judge(raw: &[u8]) -> (Value, Vec<&'static str>) {
    let message = Message::parse(raw.to_vec().into(), Envelope::default()).unwrap();
    let now = OffsetDateTime::from_unix_timestamp(1_795_514_292).unwrap();
    let section = World::parse(ZONE).unwrap().settle(&dkim::Dkim, &message, now).section;
    let ids = section.findings.iter().map(|finding| finding.id).collect();
    (section.facts["signatures"][0].clone(), ids)
}

fn words(facts: &Value) -> [&str; 3] {
    ["result", "body_hash", "header_signature"].map(|key| facts[key].as_str().unwrap())
}

fn verdict(entry: &Entry) -> &'static str {
    if entry.name.contains("rsa-sha1") { "policy" } else { "pass" }
}

fn changed(raw: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = raw.windows(from.len()).position(|window| window == from).unwrap();
    [&raw[..at], to, &raw[at + from.len()..]].concat()
}

fn body_start(raw: &[u8]) -> usize {
    raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
}

#[test]
fn every_message_of_the_corpus_verifies() {
    let entries = entries();
    assert_eq!(entries.len(), 144);
    for entry in &entries {
        let (facts, _) = judge(entry.raw);
        assert_eq!(words(&facts), [verdict(entry), "match", "valid"], "{}", entry.name);
        assert_eq!(facts["length"].is_u64(), entry.name.contains("-l-"), "{}", entry.name);
    }
    println!("corpus: {} messages of two signers", entries.len());
}

#[test]
fn a_changed_body_is_a_changed_body_and_the_header_still_holds() {
    for entry in entries() {
        let mut raw = entry.raw.to_vec();
        let start = body_start(&raw);
        match raw.get_mut(start) {
            Some(byte) => *byte = b'#',
            // An empty body has nothing to change; with l= a tail is legal, and has a test of its own.
            None if entry.name.contains("-l-") => continue,
            None => raw.extend_from_slice(b"#\r\n"),
        }
        let (facts, _) = judge(&raw);
        assert_eq!(words(&facts), ["fail", "mismatch", "valid"], "{}", entry.name);
    }
}

#[test]
fn a_changed_header_is_a_changed_header_and_the_body_still_holds() {
    for entry in entries() {
        let raw = changed(entry.raw, b"b@other.example", b"b@Other.example");
        let (facts, _) = judge(&raw);
        assert_eq!(words(&facts), ["fail", "match", "invalid"], "{}", entry.name);
    }
}

#[test]
fn an_added_from_breaks_the_over_signed_and_is_told_of_the_others() {
    for entry in entries() {
        let raw = [b"From: Bank <x@bank.example>\r\n", entry.raw].concat();
        let (facts, ids) = judge(&raw);
        if entry.name.contains("-over-") {
            assert_eq!(words(&facts), ["fail", "match", "invalid"], "{}", entry.name);
        } else {
            assert_eq!(words(&facts), [verdict(&entry), "match", "valid"], "{}", entry.name);
            assert!(ids.contains(&"dkim.added-header"), "{}", entry.name);
        }
    }
}

#[test]
fn a_tail_after_l_passes_and_is_loud() {
    let mut seen = 0;
    for entry in entries().into_iter().filter(|entry| entry.name.contains("-l-")) {
        // Without a last line end the added one would be part of the covered bytes.
        let end: &[u8] = if entry.raw.ends_with(b"\r\n") { b"" } else { b"\r\n" };
        let (facts, ids) = judge(&[entry.raw, end, b"click here\r\n"].concat());
        // dkimpy counts the canonical body without the line end that an empty simple body gets, so that l=0 covers nothing.
        assert_eq!(words(&facts)[2], "valid", "{}", entry.name);
        if words(&facts)[1] == "match" {
            seen += 1;
            assert_eq!(words(&facts)[0], verdict(&entry), "{}", entry.name);
            assert!(ids.contains(&"dkim.uncovered-tail"), "{}: {ids:?}", entry.name);
            assert!(facts["body_covered_bytes"].as_u64() < facts["body_bytes"].as_u64(), "{}", entry.name);
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn relaxed_signatures_do_not_mind_white_space_and_simple_ones_do() {
    for entry in entries().into_iter().filter(|entry| entry.name.contains("shape0")) {
        let raw = changed(entry.raw, b"To: b@", b"TO :\t b@");
        let (facts, _) = judge(&raw);
        let header = if entry.name.split('-').nth(1) == Some("relaxed") { "valid" } else { "invalid" };
        assert_eq!(words(&facts)[2], header, "{}", entry.name);
    }
}

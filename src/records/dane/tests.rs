use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};

const SHA256: &str = "764e482d04ed48a88e99db347cb290b923df7cfdca1d107611091c97e2953a30";

fn look_as(world: &str, dnssec: Dnssec) -> Settled {
    let domain = Domain::new(Name::from_text("monsec.example").unwrap());
    World::parse(world).unwrap().with_dnssec(dnssec).settle(&Dane, &domain, OffsetDateTime::UNIX_EPOCH)
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

fn world(tlsa: &str) -> String {
    format!("monsec.example MX 10 mx.monsec.example\nmx.monsec.example A 192.0.2.25\n_25._tcp.mx.monsec.example {tlsa}")
}

#[test]
fn secure_records_hold_the_host_to_its_key_in_three_rounds() {
    let settled = look_as(&world(&format!("TLSA 3 1 1 {SHA256}")), Dnssec::Secure);
    assert_eq!((settled.section.state, settled.depth), (State::Ok, 3), "{:?}", ids(&settled));
    assert_eq!(settled.section.facts["hosts"][0]["state"], "binding");
    assert_eq!(settled.section.facts["hosts"][0]["tlsa"][0]["usage"], 3);
    assert_eq!(settled.section.posture[0].severity, crate::finding::Severity::Ok);
    let record = settled.section.blocks.iter().find_map(|block| match block {
        Block::Record(record) => Some(record),
        _ => None,
    });
    let record = record.unwrap();
    assert_eq!(record.host, "_25._tcp.mx");
    assert!(record.marks.iter().all(|mark| mark.span.of_str(&record.text).is_some()) && record.marks.len() == 4);
}

#[test]
fn what_dnssec_says_decides_what_the_records_are_worth() {
    for (dnssec, found, state, word) in [
        (Dnssec::Insecure, vec!["dane.insecure"], State::Warning, "insecure"),
        (Dnssec::Claimed, vec!["dane.not-validated"], State::Info, "not-validated"),
        (Dnssec::Unknown, vec!["dane.not-validated"], State::Info, "not-validated"),
        (Dnssec::Bogus, vec!["dane.bogus", "dane.mx-bogus"], State::Error, "bogus"),
    ] {
        let settled = look_as(&world(&format!("TLSA 3 1 1 {SHA256}")), dnssec);
        let mut ids = ids(&settled);
        ids.sort_unstable();
        assert_eq!((settled.section.state, ids), (state, found), "{dnssec:?}");
        assert_eq!(settled.section.facts["hosts"][0]["state"], word);
    }
}

#[test]
fn where_nothing_can_be_validated_it_says_why_and_whose_word_is_left() {
    let text = |dnssec| look_as(&world(&format!("TLSA 3 1 1 {SHA256}")), dnssec).section.findings[0].text.clone();
    assert!(text(Dnssec::Unknown).contains("your resolver does not pass DNSSEC records"), "{}", text(Dnssec::Unknown));
    assert!(text(Dnssec::Claimed).contains("AD bit"), "{}", text(Dnssec::Claimed));
}

#[test]
fn absence_that_is_bogus_is_no_absence() {
    let settled = look_as(&world("TXT x"), Dnssec::Bogus);
    assert_eq!(
        (settled.section.state, settled.section.facts["hosts"][0]["state"].as_str()),
        (State::Error, Some("bogus"))
    );
    assert_eq!(look_as(&world("TXT x"), Dnssec::Secure).section.state, State::Absent);
}

#[test]
fn records_that_smtp_cannot_use_are_told_and_all_unusable_means_any_tls() {
    for tlsa in [format!("TLSA 1 1 1 {SHA256}"), "TLSA 3 1 1 abcd".into(), format!("TLSA 3 7 1 {SHA256}")] {
        let settled = look_as(&world(&tlsa), Dnssec::Secure);
        assert_eq!(ids(&settled), ["dane.unusable-record", "dane.all-unusable"], "{tlsa}");
    }
    let one_good = format!("TLSA 1 1 1 {SHA256}\n_25._tcp.mx.monsec.example TLSA 3 1 1 {SHA256}");
    assert_eq!(ids(&look_as(&world(&one_good), Dnssec::Secure)), ["dane.unusable-record"]);
    assert_eq!(ids(&look_as(&world(&format!("TLSA 3 0 1 {SHA256}")), Dnssec::Secure)), ["dane.whole-certificate"]);
}

#[test]
fn no_record_is_absent_and_a_failed_lookup_is_not() {
    let none = look_as(&world("TXT x"), Dnssec::Insecure);
    assert_eq!((none.section.state, ids(&none)), (State::Absent, vec![]));
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let tlsa = look_as(&world(&format!("TLSA !{fault}")), Dnssec::Insecure);
        assert_eq!((tlsa.section.state, ids(&tlsa)), (State::Unknown, vec!["dane.could-not-look"]), "{fault}");
        let mx = look_as(&format!("monsec.example MX !{fault}"), Dnssec::Insecure);
        assert_eq!((mx.section.state, ids(&mx)), (State::Unknown, vec!["dane.could-not-look"]), "{fault}");
    }
}

#[test]
fn a_host_without_a_record_beside_one_with_is_a_way_around() {
    let more = format!("TLSA 3 1 1 {SHA256}\nmonsec.example MX 20 b.monsec.example\nb.monsec.example A 192.0.2.26");
    assert_eq!(ids(&look_as(&world(&more), Dnssec::Secure)), ["dane.partial"]);
}

#[test]
fn an_alias_has_its_records_at_the_target() {
    let settled = look_as(
        &format!(
            "monsec.example MX 10 mx.monsec.example\nmx.monsec.example CNAME real.example.net\n\
             real.example.net A 192.0.2.25\n_25._tcp.real.example.net TLSA 3 1 1 {SHA256}"
        ),
        Dnssec::Secure,
    );
    assert_eq!(settled.section.facts["hosts"][0]["tlsa_base"], "real.example.net");
    assert_eq!((settled.section.facts["hosts"][0]["state"].as_str(), settled.depth), (Some("binding"), 3));
}

#[test]
fn a_null_mx_has_nothing_to_bind() {
    let settled = look_as("monsec.example MX 0 .", Dnssec::Insecure);
    assert_eq!((settled.section.state, settled.section.headline.as_str()), (State::Absent, "null MX"));
}

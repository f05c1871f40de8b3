use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::check::HttpsOutcome;
use crate::check::world::{Settled, World};

const NOW: OffsetDateTime = datetime!(2026-11-24 08:00 UTC);
const SVG: &str = "<svg version=\"1.2\" baseProfile=\"tiny-ps\" viewBox=\"0 0 1 1\"><title>m</title></svg>";
const DMARC: &str = "_dmarc.monsec.example TXT \"v=DMARC1; p=reject\"\n";
const RECORD: &str = "default._bimi.monsec.example TXT \"v=BIMI1; l=https://monsec.example/i.svg; a=\"\n";

fn look(world: &str, name: &str, svg: &str) -> Settled {
    let domain = Domain::new(Name::from_text(name).unwrap());
    World::parse(&format!("monsec.example A 192.0.2.1\na.monsec.example A 192.0.2.1\n{world}"))
        .unwrap()
        .with_file("https://monsec.example/i.svg", svg)
        .settle(&BimiCheck, &domain, NOW)
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn a_picture_without_certificate_is_a_note_in_two_rounds() {
    let settled = look(&format!("{DMARC}{RECORD}"), "monsec.example", SVG);
    assert_eq!((settled.section.state, ids(&settled), settled.depth), (State::Info, vec!["bimi.no-evidence"], 2));
}

#[test]
fn the_organizational_domains_record_counts_for_a_subdomain() {
    let settled = look(&format!("{DMARC}{RECORD}"), "a.monsec.example", SVG);
    assert_eq!(settled.section.facts["name"], "default._bimi.monsec.example");
    assert_eq!(settled.depth, 2);
    let own = "default._bimi.a.monsec.example TXT \"v=BIMI1; l=;\"";
    let settled = look(&format!("{DMARC}{RECORD}{own}"), "a.monsec.example", SVG);
    assert_eq!((ids(&settled), settled.section.headline.as_str()), (vec!["bimi.declined"], "declined"));
}

#[test]
fn bimi_needs_an_enforced_policy_for_the_domain_and_below() {
    for dmarc in ["", "v=DMARC1; p=none", "v=DMARC1; p=reject; sp=none", "v=DMARC1; p=quarantine; pct=50"] {
        let dmarc = if dmarc.is_empty() { String::new() } else { format!("_dmarc.monsec.example TXT \"{dmarc}\"\n") };
        let settled = look(&format!("{dmarc}{RECORD}"), "monsec.example", SVG);
        assert_eq!(ids(&settled), ["bimi.needs-dmarc", "bimi.no-evidence"], "{dmarc}");
    }
}

#[test]
fn what_is_wrong_with_the_record_or_the_picture_is_told() {
    for (record, svg, id) in [
        ("v=BIMI1; a=", SVG, "bimi.no-location"),
        ("v=BIMI1; l=http://monsec.example/i.svg", SVG, "bimi.not-https"),
        ("v=BIMI1; l=https://monsec.example/i.svg; junk", SVG, "bimi.syntax"),
        ("v=BIMI1; l=https://monsec.example/i.svg", "<html>", "bimi.indicator-form"),
        ("v=BIMI1; l=https://monsec.example/i.svg", "<svg x=\"0\" version=\"1.1\"></svg>", "bimi.indicator-form"),
        ("v=BIMI1; l=https://monsec.example/gone.svg", SVG, "bimi.file-unreachable"),
        ("v=BIMI1; l=https://monsec.example/i.svg; a=https://monsec.example/i.svg", SVG, "bimi.evidence-form"),
    ] {
        let settled = look(&format!("{DMARC}default._bimi.monsec.example TXT \"{record}\""), "monsec.example", svg);
        assert!(ids(&settled).contains(&id), "{record}: {:?}", ids(&settled));
        assert_eq!(settled.section.state, State::Warning, "{record}");
    }
    let two = look(&format!("{DMARC}{RECORD}{RECORD}"), "monsec.example", SVG);
    assert_eq!(ids(&two), ["bimi.several-records"]);
}

#[test]
fn a_certificate_is_read_for_its_name_and_its_dates() {
    let mut params = rcgen::CertificateParams::new(vec!["monsec.example".to_owned()]).unwrap();
    params.not_before = datetime!(2020-01-01 0:00 UTC);
    params.not_after = datetime!(2021-01-01 0:00 UTC);
    let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    let record =
        "default._bimi.monsec.example TXT \"v=BIMI1; l=https://monsec.example/i.svg; a=https://monsec.example/v.pem\"";
    for (name, found) in
        [("monsec.example", vec!["bimi.evidence-expired"]), ("a.monsec.example", vec!["bimi.evidence-expired"])]
    {
        let domain = Domain::new(Name::from_text(name).unwrap());
        let outcome = HttpsOutcome::Body { content_type: None, body: pem.clone().into_bytes(), cut: false };
        let settled =
            World::parse(&format!("monsec.example A 192.0.2.1\na.monsec.example A 192.0.2.1\n{DMARC}{record}"))
                .unwrap()
                .with_file("https://monsec.example/i.svg", SVG)
                .with_https("https://monsec.example/v.pem", outcome)
                .settle(&BimiCheck, &domain, NOW);
        assert_eq!(ids(&settled), found, "{name}");
        assert_eq!(settled.section.facts["certificate"]["names"][0], "monsec.example");
    }
}

#[test]
fn none_is_absent_and_a_failed_lookup_is_not() {
    let none = look(DMARC, "monsec.example", SVG);
    assert_eq!((none.section.state, none.depth), (State::Absent, 1));
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = look(&format!("{DMARC}default._bimi.monsec.example TXT !{fault}"), "monsec.example", SVG);
        assert_eq!((settled.section.state, ids(&settled)), (State::Unknown, vec!["bimi.could-not-look"]), "{fault}");
    }
}

use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};
use proptest::prelude::*;

fn settle(world: &str) -> Settled {
    let domain = Domain::new(Name::from_text("example.com").unwrap());
    World::parse(world).unwrap().settle(&TlsRptCheck, &domain, OffsetDateTime::UNIX_EPOCH)
}

fn of(record: &str) -> Section {
    settle(&format!("_smtp._tls.example.com TXT \"{record}\"\nexample.com MX 10 mx.example.com")).section
}

fn ids(section: &Section) -> Vec<&'static str> {
    section.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn a_good_record_has_nothing_said_against_it_and_takes_one_round() {
    for record in [
        "v=TLSRPTv1;rua=mailto:tls@example.com;",
        "v=TLSRPTv1; rua=mailto:tls@example.com,https://example.com/v1/tlsrpt",
        "v=TLSRPTv1; rua=mailto:tls@example.com; future=1",
    ] {
        let section = of(record);
        assert_eq!((section.state, ids(&section)), (State::Ok, vec![]), "{record}");
        assert!(section.suggestions.is_empty(), "{record}");
    }
    let settled = settle("_smtp._tls.example.com TXT \"v=TLSRPTv1; rua=mailto:a@example.com,mailto:b@example.com\"");
    assert_eq!((settled.depth, settled.section.headline.as_str()), (1, "2 rua"));
    let rua = serde_json::json!(["mailto:a@example.com", "mailto:b@example.com"]);
    assert_eq!(settled.section.facts.get("rua").unwrap(), &rua);
}

#[test]
fn every_flaw_has_its_own_finding() {
    for (record, id, fixed) in [
        ("v=TLSRPTv1;", "tls-rpt.no-rua", "mailto:{rua}"),
        ("v=TLSRPTv1; rua=", "tls-rpt.address-empty", "mailto:{rua}"),
        ("v=TLSRPTv1; rua=tls@example.com", "tls-rpt.address-without-scheme", "mailto:tls@example.com"),
        ("v=TLSRPTv1; rua=mailto:", "tls-rpt.address-invalid", "mailto:{rua}"),
        ("v=TLSRPTv1; rua=ftp://example.com/x", "tls-rpt.address-scheme", "mailto:{rua}"),
        ("v=TLSRPTv1; rua=mailto:tls@example.com!10m", "tls-rpt.size-suffix", "mailto:tls@example.com"),
        (
            "v=TLSRPTv1; rua=mailto:tls@example.com; mailto:b@example.com",
            "tls-rpt.not-a-field",
            "mailto:tls@example.com",
        ),
        ("v=tlsrptv1; rua=mailto:tls@example.com", "tls-rpt.near-miss", "mailto:tls@example.com"),
        (" v=TLSRPTv1; rua=mailto:tls@example.com", "tls-rpt.near-miss", "mailto:tls@example.com"),
        ("v=TLSRPTv1 ; rua=mailto:tls@example.com", "tls-rpt.near-miss", "mailto:tls@example.com"),
    ] {
        let section = of(record);
        assert!(ids(&section).contains(&id), "{record}: {:?}", ids(&section));
        assert_eq!(section.suggestions[0].value, format!("v=TLSRPTv1; rua={fixed}"), "{record}");
        assert_eq!(section.suggestions[0].blanks.len(), usize::from(fixed.contains('{')), "{record}");
    }
}

#[test]
fn the_addresses_of_a_near_miss_are_kept() {
    for record in [
        "v=TLSRPT1; rua=mailto:a@example.com",
        "V=TLSRPTV1; RUA=mailto:a@example.com",
        "v=TLSRPTv1 rua=mailto:a@example.com",
        "v = TLSRPTv1; rua = mailto:a@example.com",
    ] {
        let section = of(record);
        assert_eq!(ids(&section), ["tls-rpt.near-miss"], "{record}");
        assert_eq!(section.suggestions[0].value, "v=TLSRPTv1; rua=mailto:a@example.com", "{record}");
    }
}

#[test]
fn several_records_count_as_none_and_are_merged() {
    let section = settle(
        "_smtp._tls.example.com TXT \"v=TLSRPTv1; rua=mailto:a@example.com\"
         _smtp._tls.example.com TXT \"v=TLSRPTv1; rua=mailto:b@example.com\"
         _smtp._tls.example.com TXT \"hello\"",
    )
    .section;
    assert_eq!((section.state, ids(&section)), (State::Error, vec!["tls-rpt.several-records"]));
    assert_eq!(section.suggestions[0].value, "v=TLSRPTv1; rua=mailto:a@example.com,mailto:b@example.com");
}

#[test]
fn a_record_at_tcp_is_found_and_called_misplaced() {
    let section = settle("_smtp._tcp.example.com TXT \"v=TLSRPTv1; rua=mailto:a@example.com\"").section;
    assert_eq!((section.state, ids(&section)), (State::Absent, vec!["tls-rpt.wrong-place"]));
    assert_eq!(section.suggestions[0].host, "_smtp._tls");
    assert_eq!(section.suggestions[0].value, "v=TLSRPTv1; rua=mailto:a@example.com");
}

#[test]
fn no_record_is_absent_and_a_report_address_is_asked_for() {
    let section = settle("example.com MX 10 mx.example.com").section;
    assert_eq!((section.state, ids(&section)), (State::Absent, vec!["tls-rpt.absent"]));
    assert_eq!(section.suggestions[0].blanks[0].key, "rua");
    let parked = settle("example.com MX 0 .").section;
    assert!(parked.suggestions.is_empty());
}

#[test]
fn a_failed_lookup_is_unknown_and_never_absent() {
    for fault in ["!servfail", "!refused", "!timeout", "!malformed", "!failed"] {
        let section = settle(&format!("_smtp._tls.example.com TXT {fault}")).section;
        assert_eq!((section.state, ids(&section)), (State::Unknown, vec!["tls-rpt.unknown"]), "{fault}");
        assert!(section.suggestions.is_empty());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_every_span_lies_inside(text in "(v=TLSRPTv1;)?[ a-z=;:,!@\\PC]{0,60}") {
        if let Some(record) = TlsRpt::parse(&text) {
            let spans = record.marks.iter().map(|m| m.span).chain(record.junk.iter().copied())
                .chain(record.rua.iter().map(|uri| uri.span));
            for span in spans {
                prop_assert!(span.of_str(&text).is_some());
            }
        }
        let _ = repaired(&text);
    }
}

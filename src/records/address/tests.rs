use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};

fn look(world: &str, name: &str) -> Settled {
    let domain = Domain::new(Name::from_text(name).unwrap());
    World::parse(world).unwrap().settle(&Address, &domain, OffsetDateTime::UNIX_EPOCH)
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn an_ordinary_domain_is_seen_in_one_round() {
    let settled = look(
        "monsec.example A 192.0.2.1\nmonsec.example AAAA 2001:db8::1\nwww.monsec.example CNAME monsec.example",
        "monsec.example",
    );
    assert_eq!((settled.section.state, settled.depth), (State::Ok, 1));
    assert_eq!(settled.section.headline, "1 A, 1 AAAA");
    assert_eq!(settled.section.facts["www"]["aliases"][0], "monsec.example");
    let Block::Record(first) = &settled.section.blocks[0] else { panic!() };
    assert_eq!((first.host.as_str(), first.rr_type.as_str(), first.text.as_str()), ("@", "A", "192.0.2.1"));
}

#[test]
fn a_name_that_does_not_exist_is_one_sentence() {
    let settled = look("", "monsec.example");
    assert_eq!((settled.section.state, ids(&settled)), (State::Absent, vec!["address.no-such-name"]));
    assert!(settled.section.findings[0].text.starts_with("monsec.example does not exist in DNS"));
    assert_eq!(settled.section.facts["exists"], false);
    let below = look("monsec.example A 192.0.2.1", "shop.monsec.example");
    assert!(below.section.findings[0].text.contains("monsec.example above it does"));
}

#[test]
fn a_name_that_exists_without_an_address_is_absent_and_exists() {
    let settled = look("monsec.example MX 10 mail.monsec.example", "monsec.example");
    assert_eq!((settled.section.state, ids(&settled)), (State::Absent, vec!["address.none"]));
    assert_eq!(settled.section.facts["exists"], true);
}

#[test]
fn failures_are_unknown_and_never_absent() {
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = look(&format!("monsec.example ANY !{fault}"), "monsec.example");
        assert_eq!((settled.section.state, ids(&settled)), (State::Unknown, vec!["address.could-not-look"]), "{fault}");
        let half = look(&format!("monsec.example A 192.0.2.1\nmonsec.example AAAA !{fault}"), "monsec.example");
        assert_eq!((half.section.state, ids(&half)), (State::Warning, vec!["address.could-not-look"]), "{fault}");
        let half = look(&format!("monsec.example TXT x\nmonsec.example AAAA !{fault}"), "monsec.example");
        assert_eq!(half.section.state, State::Unknown, "{fault}");
    }
}

#[test]
fn a_cname_beside_other_data_is_an_error_with_the_addresses_to_publish_instead() {
    let settled = look(
        "monsec.example CNAME web.example.net\nmonsec.example MX 10 mail.monsec.example\nweb.example.net A 192.0.2.7",
        "monsec.example",
    );
    assert_eq!((settled.section.state, ids(&settled)), (State::Error, vec!["address.cname-beside-data"]));
    let suggestion = &settled.section.suggestions[0];
    assert_eq!((suggestion.rr_type, suggestion.value.as_str()), ("A", "192.0.2.7"));
    assert_eq!(suggestion.current.as_deref(), Some("CNAME web.example.net"));
}

#[test]
fn a_cname_at_the_apex_is_an_error_and_below_it_a_note() {
    let world =
        "monsec.example CNAME web.example.net\nshop.monsec.example CNAME web.example.net\nweb.example.net A 192.0.2.7";
    assert_eq!(ids(&look(world, "monsec.example")), ["address.cname-at-apex"]);
    assert_eq!(ids(&look(world, "shop.monsec.example")), ["address.alias"]);
}

#[test]
fn a_cname_loop_is_seen_even_when_the_resolver_only_fails() {
    let plain = "monsec.example SOA a.example b.example 1\nmonsec.example A 192.0.2.1\n\
                 www.monsec.example CNAME w3.monsec.example\nw3.monsec.example CNAME www.monsec.example\n";
    assert_eq!(ids(&look(plain, "monsec.example")), ["address.cname-loop"]);
    let failing = format!("{plain}www.monsec.example A !servfail\nwww.monsec.example AAAA !servfail");
    let settled = look(&failing, "monsec.example");
    assert_eq!((ids(&settled), settled.depth), (vec!["address.cname-loop"], 2));
    assert!(settled.section.findings[0].text.contains("www.monsec.example → w3.monsec.example → www.monsec.example"));
}

#[test]
fn a_cname_that_leads_nowhere_can_be_taken_over() {
    let settled = look("monsec.example A 192.0.2.1\nwww.monsec.example CNAME gone.example.net", "monsec.example");
    assert_eq!((settled.section.state, ids(&settled)), (State::Warning, vec!["address.dangling-cname"]));
}

#[test]
fn addresses_that_nobody_can_reach_are_told() {
    let settled = look("monsec.example A 10.0.0.1\nmonsec.example A 192.0.2.1", "monsec.example");
    assert_eq!(ids(&settled), ["address.not-public"]);
    assert!(settled.section.findings[0].text.contains("10.0.0.1 is private"));
    let real = look("monsec.io A 192.0.2.1", "monsec.io");
    assert!(real.section.findings[0].text.contains("documentation"));
}

#[test]
fn www_is_not_asked_below_www() {
    let settled = look("www.monsec.example A 192.0.2.1", "www.monsec.example");
    assert!(!settled.section.facts.contains_key("www"));
}

#[test]
fn a_server_that_denies_a_name_for_one_type_only_is_told() {
    let settled = look("monsec.example MX 10 mx.example\nmonsec.example A !nxdomain", "monsec.example");
    assert!(ids(&settled).contains(&"address.denied"), "{:?}", ids(&settled));
    assert!(settled.section.findings.iter().any(|f| f.text.contains("has MX there") && !f.evidence.is_empty()));
    assert_eq!(settled.section.facts["exists"], true);
}

use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};

/// RFC 6605 §6.1: example.net, ECDSA P-256.
const KEY: &str = "example.net DNSKEY 257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
const DS: &str = "example.net DS 55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17";
const SOA: &str = "example.net SOA ns.example.net host.example.net 1\nexample.net A 192.0.2.1";

fn look_as(world: &[&str], dnssec: Security, name: &str) -> Settled {
    let domain = Domain::new(Name::from_text(name).unwrap());
    World::parse(&world.join("\n")).unwrap().with_dnssec(dnssec).settle(&Dnssec, &domain, OffsetDateTime::UNIX_EPOCH)
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn validated_here_is_secure_and_anything_less_says_who_claims_it() {
    for (dnssec, state, found, fact, by) in [
        (Security::Secure, State::Ok, vec![], "secure", "mxray"),
        (Security::Claimed, State::Info, vec!["dnssec.not-validated"], "unknown", "resolver"),
        (Security::Unknown, State::Info, vec!["dnssec.not-validated"], "unknown", "nobody"),
        (Security::Bogus, State::Error, vec!["dnssec.bogus"], "bogus", "mxray"),
    ] {
        let settled = look_as(&[SOA, KEY, DS], dnssec, "example.net");
        assert_eq!((settled.section.state, ids(&settled), settled.depth), (state, found, 1), "{dnssec:?}");
        assert_eq!(
            (settled.section.facts["state"].as_str(), settled.section.facts["validated_by"].as_str()),
            (Some(fact), Some(by))
        );
    }
    let claimed = look_as(&[SOA, KEY, DS], Security::Claimed, "example.net");
    let text = &claimed.section.findings[0].text;
    assert!(text.contains("AD bit") && text.contains("your resolver does not pass DNSSEC records"), "{text}");
    let broken = look_as(&[SOA, KEY, DS], Security::Insecure, "example.net");
    assert_eq!((ids(&broken), broken.section.facts["state"].as_str()), (vec!["dnssec.chain-broken"], Some("insecure")));
}

#[test]
fn the_zone_of_a_name_below_is_the_one_with_a_soa() {
    let settled = look_as(&[SOA, KEY, DS, "mail.example.net A 192.0.2.1"], Security::Secure, "mail.example.net");
    assert_eq!((settled.section.state, settled.section.facts["zone"].as_str()), (State::Ok, Some("example.net")));
    assert_eq!(settled.depth, 1);
}

#[test]
fn an_unsigned_zone_is_absent_and_keys_without_ds_are_an_island() {
    let unsigned = look_as(&[SOA], Security::Insecure, "example.net");
    assert_eq!((unsigned.section.state, ids(&unsigned)), (State::Absent, vec!["dnssec.none"]));
    let island = look_as(&[SOA, KEY], Security::Insecure, "example.net");
    assert_eq!((island.section.state, ids(&island)), (State::Warning, vec!["dnssec.no-ds"]));
    assert_eq!(
        (&island.section.facts["state"], &island.section.facts["validated_by"]),
        (&"insecure".into(), &"mxray".into())
    );
    let unproven = look_as(&[SOA], Security::Unknown, "example.net");
    assert_eq!(
        (unproven.section.state, unproven.section.facts["validated_by"].as_str()),
        (State::Absent, Some("nobody"))
    );
}

#[test]
fn a_ds_that_means_no_key_breaks_the_domain() {
    let wrong = DS.replace("b4c8", "b4c9");
    assert_eq!(ids(&look_as(&[SOA, KEY, &wrong], Security::Unknown, "example.net")), ["dnssec.ds-mismatch"]);
    assert_eq!(ids(&look_as(&[SOA, KEY, &wrong, DS], Security::Secure, "example.net")), Vec::<&str>::new());
    assert_eq!(ids(&look_as(&[SOA, DS], Security::Unknown, "example.net")), ["dnssec.no-keys"]);
}

#[test]
fn servfail_beside_a_ds_is_probably_bogus_and_other_failures_are_unknown() {
    let servfail = look_as(
        &["example.net A !servfail\nexample.net SOA !servfail", "example.net DNSKEY !servfail", DS],
        Security::Unknown,
        "example.net",
    );
    assert_eq!((servfail.section.state, ids(&servfail)), (State::Error, vec!["dnssec.probably-bogus"]));
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = look_as(&[SOA, &format!("example.net DS !{fault}")], Security::Unknown, "example.net");
        assert_eq!((settled.section.state, ids(&settled)), (State::Unknown, vec!["dnssec.could-not-look"]), "{fault}");
    }
    let timeout = look_as(&[SOA, DS, "example.net DNSKEY !timeout"], Security::Unknown, "example.net");
    assert_eq!(timeout.section.state, State::Unknown);
}

#[test]
fn sha1_is_out_of_use_for_keys_and_digests() {
    let key = "example.net DNSKEY 257 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==";
    let settled = look_as(&[SOA, key], Security::Insecure, "example.net");
    assert_eq!(ids(&settled), ["dnssec.no-ds", "dnssec.old-algorithm"]);
    let sha1 = "example.net DS 55648 13 1 2bb183af5f22588179a53b0a98631fad1a292118";
    assert!(ids(&look_as(&[SOA, KEY, sha1], Security::Unknown, "example.net")).contains(&"dnssec.sha1-ds"));
}

#[test]
fn a_name_that_does_not_exist_is_left_to_the_address_section() {
    let settled = look_as(&[], Security::Insecure, "gone.example");
    assert_eq!((settled.section.state, settled.section.findings.len()), (State::Absent, 0));
}

use time::OffsetDateTime;

use super::*;
use crate::check::Query;
use crate::check::world::{Settled, World};
use crate::report::State;

const ZONE: &str = r#"
    example.com          3600 NS   ns1.example.com
    example.com          3600 NS   ns2.example.com
    example.com          3600 SOA  ns1.example.com hostmaster.example.com 7 7200 3600 1209600 300
    ns1.example.com           A    192.0.2.53
    ns2.example.com           AAAA 2001:db8::53
    example.com               A    192.0.2.1
    example.com               MX   10 mx.example.com
    example.com               TXT  "v=spf1 mx -all"
    example.com               TXT  "site-verification=1"
    _dmarc.example.com   2520 TXT  "v=DMARC1; p=none"
    k1._domainkey.example.com TXT  "v=DKIM1; p="
"#;

/// Everything as [`ZONE`] at one server, but for a few lines.
fn server(address: &str, from: &str, to: &str) -> String {
    assert!(ZONE.contains(from), "{from}");
    ZONE.replace(from, to)
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("@{address} {line}\n"))
        .collect()
}

fn settle(world: &str) -> Settled {
    let mut domain = Domain::new(Name::from_text("example.com").unwrap());
    domain.selectors = vec!["k1".into()];
    World::parse(world).unwrap().settle(&Published, &domain, OffsetDateTime::UNIX_EPOCH)
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

fn said(settled: &Settled, id: &str) -> String {
    settled.section.findings.iter().find(|finding| finding.id == id).map(|f| f.text.clone()).unwrap_or_default()
}

const NEW: (&str, &str) = ("p=none", "p=reject");

#[test]
fn a_zone_in_step_has_nothing_to_say() {
    let settled = settle(ZONE);
    assert_eq!((settled.section.state, settled.section.headline.as_str()), (State::Ok, "in step"));
    let states: Vec<&str> = settled.section.facts["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["same"; 7]);
    let servers: Vec<u64> =
        settled.section.facts["servers"].as_array().unwrap().iter().map(|s| s["serial"].as_u64().unwrap()).collect();
    assert_eq!(servers, [7, 7]);
}

#[test]
fn what_the_resolver_still_keeps_is_said_with_its_time() {
    let world = [ZONE, &server("192.0.2.53", NEW.0, NEW.1), &server("2001:db8::53", NEW.0, NEW.1)].concat();
    let settled = settle(&world);
    assert_eq!(ids(&settled), ["published.resolver-behind"]);
    let text = said(&settled, "published.resolver-behind");
    assert!(text.contains("published; your resolver keeps the old answer for 42 minutes"), "{text}");
    assert!(text.contains("Published: v=DMARC1; p=reject. Kept: v=DMARC1; p=none."), "{text}");
    assert_eq!((settled.section.state, settled.section.headline.as_str()), (State::Info, "1 behind"));
    let record = &settled.section.facts["records"][3];
    assert_eq!((record["state"].as_str(), record["kept_for_s"].as_u64()), (Some("differs"), Some(2520)));
}

#[test]
fn a_record_that_was_added_or_removed_is_a_difference_too() {
    let new = r#"_mta-sts.example.com TXT "v=STSv1; id=1""#;
    let added =
        [ZONE, &server("192.0.2.53", "example.com               A ", &format!("{new}\nexample.com A "))].concat();
    let text = said(&settle(&[&added, "@2001:db8::53 LAME"].join("\n")), "published.resolver-behind");
    // Absence is kept for the negative TTL (RFC 2308).
    assert!(
        text.contains(
            "MTA-STS (_mta-sts.example.com TXT): published; your resolver keeps the old answer for 5 minutes"
        ),
        "{text}"
    );
    assert!(text.contains("Kept: nothing."), "{text}");
    let gone = server("192.0.2.53", r#"_dmarc.example.com   2520 TXT  "v=DMARC1; p=none""#, "");
    let text = said(&settle(&[ZONE, &gone, "@2001:db8::53 LAME"].join("\n")), "published.resolver-behind");
    assert!(text.contains("removed; your resolver keeps the old answer for 42 minutes"), "{text}");
}

#[test]
fn servers_that_disagree_are_named_with_their_serials() {
    let newer = server("192.0.2.53", NEW.0, NEW.1).replace(" 7 7200", " 8 7200");
    let settled = settle(&[ZONE, &newer].concat());
    assert_eq!(ids(&settled), ["published.servers-disagree", "published.serials-differ"]);
    let text = said(&settled, "published.servers-disagree");
    assert!(text.contains("p=reject at ns1.example.com; v=DMARC1; p=none at ns2.example.com"), "{text}");
    let text = said(&settled, "published.serials-differ");
    assert!(text.contains("serial 8 at ns1.example.com and 7 at ns2.example.com"), "{text}");
    assert_eq!(settled.section.state, State::Warning);
}

#[test]
fn a_newer_serial_without_another_record_is_a_note() {
    let newer = server("192.0.2.53", " 7 7200", " 8 7200");
    let settled = settle(&[ZONE, &newer].concat());
    assert_eq!((ids(&settled), settled.section.state), (vec!["published.serials-differ"], State::Info));
}

#[test]
fn addresses_that_are_dealt_out_are_no_warning() {
    let dealt = server("192.0.2.53", "A    192.0.2.1", "A    192.0.2.2");
    let settled = settle(&[ZONE, &dealt].concat());
    assert_eq!((ids(&settled), settled.section.state), (vec!["published.servers-disagree"], State::Info));
}

#[test]
fn a_lame_server_and_a_silent_one_are_two_things() {
    for (lines, id, why) in [
        ("@192.0.2.53 LAME", "published.lame", "it does not know the zone"),
        (
            "@192.0.2.53 example.com ANY !refused\n@192.0.2.53 *.example.com ANY !refused",
            "published.lame",
            "it refuses",
        ),
        ("@192.0.2.53 example.com ANY !servfail", "published.lame", "SERVFAIL"),
        ("@192.0.2.53 example.com ANY !timeout", "published.no-answer", "no answer in time"),
        ("@192.0.2.53 example.com ANY !malformed", "published.no-answer", "cannot be read"),
    ] {
        let settled = settle(&[ZONE, lines].concat());
        assert_eq!(ids(&settled), [id], "{lines}");
        assert!(said(&settled, id).contains(why), "{lines}: {}", said(&settled, id));
        // The server that does speak is still compared.
        assert_eq!(settled.section.facts["records"][3]["state"], "same", "{lines}");
    }
}

#[test]
fn when_nobody_speaks_nothing_is_claimed() {
    let mut captured = server("192.0.2.53", NEW.0, NEW.1) + &server("2001:db8::53", NEW.0, NEW.1);
    captured.push_str("@192.0.2.53 LAME\n@2001:db8::53 LAME");
    let settled = settle(&[ZONE, &captured].concat());
    assert_eq!((settled.section.state, ids(&settled)), (State::Unknown, vec!["published.could-not-look"]));
    assert!(settled.section.findings[0].fix.as_deref().unwrap().contains("captures DNS"));
    let silent = "@192.0.2.53 example.com ANY !timeout\n@2001:db8::53 example.com ANY !timeout";
    let settled = settle(&[ZONE, silent].concat());
    assert_eq!((settled.section.state, settled.section.findings.len()), (State::Unknown, 1));
    assert!(settled.section.findings[0].fix.as_deref().unwrap().contains("another network"));
}

#[test]
fn every_way_to_fail_of_the_resolver_is_not_absence() {
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = settle(&[ZONE, "_dmarc.example.com TXT !", fault].concat());
        let record = &settled.section.facts["records"][3];
        // World faults hold for the servers too, which then say nothing of it.
        assert_eq!(record["state"], "unknown", "{fault}");
        let settled = settle(&[ZONE, "example.com NS !", fault].concat());
        assert_eq!(
            (settled.section.state, ids(&settled)),
            (State::Unknown, vec!["published.could-not-look"]),
            "{fault}"
        );
    }
}

#[test]
fn six_servers_are_asked_and_each_record_at_each_of_them_once() {
    let mut world = String::from(ZONE);
    for number in 3..20 {
        world.push_str(&format!("example.com NS ns{number}.example.com\nns{number}.example.com A 192.0.2.{number}\n"));
    }
    let settled = settle(&world);
    let mut asked: Vec<String> = settled
        .asked
        .iter()
        .filter_map(|query| match query {
            Query::At { server, name, kind } => Some(format!("{server} {name} {kind}")),
            _ => None,
        })
        .collect();
    let count = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!((asked.len(), count), (6 * 8, 6 * 8));
    assert!(settled.depth <= 4, "{}", settled.depth);
}

#[test]
fn a_name_that_is_not_there_has_nothing_published() {
    let domain = Domain::new(Name::from_text("gone.example").unwrap());
    let settled = World::parse("").unwrap().settle(&Published, &domain, OffsetDateTime::UNIX_EPOCH);
    assert_eq!(settled.section.state, State::Absent);
    assert!(!settled.asked.iter().any(|query| matches!(query, Query::At { .. })));
}

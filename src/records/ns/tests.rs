use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};

const GOOD: &str = "monsec.example A 192.0.2.1\nmonsec.example NS ns1.monsec.example\nmonsec.example NS ns2.isp.example\n\
                    monsec.example SOA ns1.monsec.example host\\.master.monsec.example 7 7200 3600 1209600 300\n\
                    ns1.monsec.example A 192.0.2.53\nns2.isp.example A 198.51.100.53\n";

fn look(world: &str, name: &str) -> Settled {
    let domain = Domain::new(Name::from_text(name).unwrap());
    World::parse(world).unwrap().settle(&Ns, &domain, OffsetDateTime::UNIX_EPOCH)
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn two_servers_in_two_networks_are_fine_in_two_rounds() {
    let settled = look(GOOD, "monsec.example");
    assert_eq!((settled.section.state, settled.depth), (State::Ok, 2), "{:?}", ids(&settled));
    assert_eq!(settled.section.facts["soa"]["serial"], 7);
    assert_eq!(settled.section.facts["hosts"][0]["addresses"][0], "192.0.2.53");
    let Block::Facts(facts) = &settled.section.blocks[3] else { panic!() };
    assert_eq!(facts[2].value.text, "host.master@monsec.example");
}

#[test]
fn a_name_below_is_served_by_its_zones_servers() {
    let settled = look(&format!("{GOOD}mail.monsec.example A 192.0.2.1"), "mail.monsec.example");
    assert_eq!((settled.section.state, settled.section.facts["zone"].as_str()), (State::Ok, Some("monsec.example")));
}

#[test]
fn weak_sets_of_servers_are_told() {
    for (world, id, state) in [
        (GOOD.replace("monsec.example NS ns2.isp.example\n", ""), "ns.one-server", State::Warning),
        (GOOD.replace("198.51.100.53", "192.0.2.54"), "ns.one-network", State::Info),
        (GOOD.replace("ns2.isp.example A 198.51.100.53", "x.isp.example A 192.0.2.1"), "ns.no-address", State::Error),
        (GOOD.replace("198.51.100.53", "10.0.0.53"), "ns.not-public", State::Error),
        (
            GOOD.replace("ns2.isp.example A", "ns2.isp.example CNAME n.isp.example\nn.isp.example A"),
            "ns.cname",
            State::Warning,
        ),
        (GOOD.replace("1209600 300", "1209600 604800"), "ns.long-absence", State::Info),
        (GOOD.replace("1209600 300", "3600 300"), "ns.short-expire", State::Warning),
        (GOOD.replace("monsec.example SOA", "else.example SOA"), "ns.no-soa", State::Warning),
    ] {
        let settled = look(&world, "monsec.example");
        assert_eq!((settled.section.state, ids(&settled)), (state, vec![id]));
    }
}

#[test]
fn failures_are_unknown_and_never_absent() {
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = look(&format!("monsec.example A 192.0.2.1\nmonsec.example NS !{fault}"), "monsec.example");
        assert_eq!((settled.section.state, ids(&settled)), (State::Unknown, vec!["ns.could-not-look"]), "{fault}");
        let host = look(&format!("{GOOD}ns2.isp.example A !{fault}"), "monsec.example");
        assert_eq!(ids(&host), ["ns.address-could-not-look"], "{fault}");
        let soa = look(&format!("{GOOD}monsec.example SOA !{fault}"), "monsec.example");
        assert_eq!(ids(&soa), ["ns.soa-could-not-look"], "{fault}");
    }
}

#[test]
fn a_name_that_does_not_exist_is_left_to_the_address_section() {
    let settled = look("", "gone.example");
    assert_eq!((settled.section.state, settled.section.findings.len()), (State::Absent, 0));
}

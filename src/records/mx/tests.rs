use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};

fn look(world: &str) -> Settled {
    let domain = Domain::new(Name::from_text("monsec.example").unwrap());
    World::parse(world).unwrap().settle(&Mx, &domain, OffsetDateTime::UNIX_EPOCH)
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

const GOOD: &str = "monsec.example 300 MX 10 mail.monsec.example\nmail.monsec.example A 192.0.2.25\n\
                    25.2.0.192.in-addr.arpa PTR mail.monsec.example\n";

#[test]
fn a_host_with_address_and_reverse_name_is_fine_in_three_rounds() {
    let settled = look(GOOD);
    assert_eq!((settled.section.state, settled.depth), (State::Ok, 3), "{:?}", settled.section.findings);
    let host = &settled.section.facts["hosts"][0];
    assert_eq!(
        (&host["preference"], &host["name"], &host["addresses"][0]),
        (&json!(10), &json!("mail.monsec.example"), &json!("192.0.2.25"))
    );
    assert_eq!(host["reverse"][0]["confirmed"], true);
    let Block::Record(record) = &settled.section.blocks[0] else { panic!() };
    assert_eq!((record.priority, record.text.as_str(), record.ttl), (Some(10), "mail.monsec.example", Some(300)));
    let Block::Table(table) = &settled.section.blocks[1] else { panic!() };
    assert_eq!(table.rows[0].cells[1].link, Some(Link::Smtp("mail.monsec.example".into())));
    assert!(matches!(table.rows[0].cells[2].link, Some(Link::Domain(_))));
}

#[test]
fn a_reverse_name_elsewhere_takes_a_fourth_round() {
    let settled = look(
        "monsec.example MX 10 smtp.google.example\nsmtp.google.example A 192.0.2.25\n\
         25.2.0.192.in-addr.arpa PTR out.google.example\nout.google.example A 192.0.2.25",
    );
    assert_eq!((settled.section.state, settled.depth), (State::Ok, 4));
    assert_eq!(settled.section.facts["provider"], "Google Workspace");
}

#[test]
fn null_mx_is_said_and_must_stand_alone_with_preference_0() {
    let settled = look("monsec.example MX 0 .");
    assert_eq!((settled.section.state, settled.section.headline.as_str(), settled.depth), (State::Ok, "null MX", 1));
    assert_eq!(settled.section.facts["null_mx"], true);
    assert_eq!(ids(&look(&format!("{GOOD}monsec.example MX 0 ."))), ["mx.null-beside-others"]);
    let odd = look("monsec.example MX 10 .");
    assert_eq!(ids(&odd), ["mx.null-preference"]);
    assert_eq!(odd.section.suggestions[0].zone, "monsec.example. IN MX 0 .");
}

#[test]
fn failures_are_unknown_and_never_absent() {
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = look(&format!("monsec.example MX !{fault}"));
        assert_eq!((settled.section.state, ids(&settled)), (State::Unknown, vec!["mx.could-not-look"]), "{fault}");
        let host = look(&format!("monsec.example MX 10 mail.monsec.example\nmail.monsec.example ANY !{fault}"));
        assert_eq!(ids(&host), ["mx.address-could-not-look"], "{fault}");
    }
}

#[test]
fn a_name_that_does_not_exist_leaves_the_word_to_the_address_section() {
    let settled = look("");
    assert_eq!((settled.section.state, settled.section.findings.len()), (State::Absent, 0));
}

#[test]
fn no_mx_means_the_domain_itself_or_no_mail_at_all() {
    let implicit = look("monsec.example A 192.0.2.1");
    assert_eq!((implicit.section.state, ids(&implicit), implicit.depth), (State::Absent, vec!["mx.implicit"], 2));
    assert_eq!(implicit.section.facts["hosts"][0]["name"], "monsec.example");
    let none = look("monsec.example TXT x");
    assert_eq!((none.section.state, ids(&none)), (State::Absent, vec!["mx.none"]));
    assert_eq!(none.section.suggestions[0].value, "0 .");
    let unknown = look("monsec.example TXT x\nmonsec.example A !timeout");
    assert_eq!(ids(&unknown), ["mx.implicit-unknown"]);
}

#[test]
fn what_cannot_stand_in_an_mx_is_told() {
    for (host, more, id, severity) in [
        ("192.0.2.25", "", "mx.address-literal", State::Error),
        ("localhost", "", "mx.localhost", State::Error),
        ("lo.monsec.example", "lo.monsec.example A 127.0.0.1", "mx.localhost", State::Error),
        ("gone.monsec.example", "", "mx.no-address", State::Error),
        ("empty.monsec.example", "empty.monsec.example TXT x", "mx.no-address", State::Error),
        (
            "in.monsec.example",
            "in.monsec.example A 10.0.0.1\n1.0.0.10.in-addr.arpa PTR in.monsec.example",
            "mx.not-public",
            State::Error,
        ),
        (
            "alias.monsec.example",
            "alias.monsec.example CNAME mail.monsec.example\nmail.monsec.example A 192.0.2.25\n25.2.0.192.in-addr.arpa PTR mail.monsec.example",
            "mx.cname",
            State::Warning,
        ),
        (
            "six.monsec.example",
            "six.monsec.example AAAA 2001:db8::1\n1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.monsec.example",
            "mx.no-ipv4",
            State::Warning,
        ),
    ] {
        let settled = look(&format!("monsec.example MX 10 {host}\n{more}"));
        assert_eq!((settled.section.state, ids(&settled)), (severity, vec![id]), "{host}");
    }
}

#[test]
fn an_alias_is_replaced_by_its_target() {
    let settled = look(
        "monsec.example MX 10 a.monsec.example\na.monsec.example CNAME b.monsec.example\nb.monsec.example A 192.0.2.25",
    );
    let suggestion = &settled.section.suggestions[0];
    assert_eq!(suggestion.current.as_deref(), Some("10 a.monsec.example"));
    assert_eq!(suggestion.value, "10 b.monsec.example");
}

#[test]
fn equal_preferences_are_explained_and_doubled_hosts_told() {
    let settled = look(&format!("{GOOD}monsec.example MX 20 mail.monsec.example"));
    assert_eq!(ids(&settled), ["mx.duplicate"]);
    let tied = look(&format!("{GOOD}monsec.example MX 10 b.monsec.example\nb.monsec.example A 192.0.2.25"));
    let Block::Record(record) = &tied.section.blocks[0] else { panic!() };
    assert!(record.marks[0].note.contains("2 of equal preference in any order"), "{:?}", record.marks);
}

#[test]
fn reverse_names_are_notes_and_dynamic_lines_a_warning() {
    let none = look("monsec.example MX 10 mail.monsec.example\nmail.monsec.example A 192.0.2.25");
    assert_eq!((none.section.state, ids(&none)), (State::Info, vec!["mx.reverse-name"]));
    let dynamic = look(
        "monsec.example MX 10 mail.monsec.example\nmail.monsec.example A 192.0.2.25\n\
         25.2.0.192.in-addr.arpa PTR dyn-192-0-2-25.isp.example\ndyn-192-0-2-25.isp.example A 192.0.2.25",
    );
    assert_eq!((dynamic.section.state, ids(&dynamic)), (State::Warning, vec!["mx.dynamic-address"]));
}

#[test]
fn one_dead_host_of_two_is_told_apart_from_all_dead() {
    let settled = look(&format!("{GOOD}monsec.example MX 20 gone.monsec.example"));
    assert!(settled.section.findings[0].text.contains("pass on to the next MX"));
    let all = look("monsec.example MX 20 gone.monsec.example");
    assert!(all.section.findings[0].text.contains("is not delivered"));
}

#[test]
fn a_zone_name_put_behind_a_host_twice_is_recognised() {
    let settled = look("monsec.example MX 10 mail.monsec.example.monsec.example\nmail.monsec.example A 192.0.2.25");
    let fix = settled.section.findings[0].fix.as_deref().unwrap();
    assert!(fix.contains("once too often: enter mail.monsec.example. with a dot at its end, or mail alone"), "{fix}");
    let other = look("monsec.example MX 10 gone.monsec.example");
    assert!(other.section.findings[0].fix.as_deref().unwrap().starts_with("Correct the name"));
}

#[test]
fn an_nxdomain_for_a_name_that_is_there_is_told_and_not_taken_for_an_implicit_mx() {
    let denied = look("monsec.example A 192.0.2.1\nmonsec.example TXT \"x\"\nmonsec.example MX !nxdomain");
    assert_eq!(
        (denied.section.state, denied.section.headline.as_str(), ids(&denied)),
        (State::Absent, "denied", vec!["mx.denied"])
    );
    let dangling = look("monsec.example CNAME gone.example");
    assert_eq!((dangling.section.state, ids(&dangling)), (State::Absent, vec!["mx.denied"]));
    assert!(dangling.section.findings[0].text.contains("leads to gone.example"), "{:?}", dangling.section.findings);
    assert!(ids(&look("")).is_empty());
}

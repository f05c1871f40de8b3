use std::sync::Arc;

use super::*;
use crate::check::world::{Settled, World};
use crate::job::Envelope;

const WORLD: &str = "1.2.0.192.in-addr.arpa PTR out.s.example\nout.s.example A 192.0.2.1\n";

fn settled(header: &str, world: &str) -> Settled {
    let text = format!("{header}From: a@b.example\r\nDate: Tue, 24 Nov 2026 09:58:00 +0000\r\n\r\n");
    let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
    World::parse(world).unwrap().settle(&Hops, &message, OffsetDateTime::UNIX_EPOCH)
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

fn hop(from: &str, ip: &str, by: &str, with: &str, at: &str) -> String {
    format!("Received: from {from} ({from} [{ip}]) by {by} with {with}; Tue, 24 Nov 2026 {at}\r\n")
}

#[test]
fn a_chain_is_a_timeline_with_the_border_and_what_is_below_it_dimmed() {
    let chain = hop("edge.b.example", "10.0.0.1", "store.b.example", "ESMTPS", "09:58:14 +0000")
        + &hop("out.s.example", "192.0.2.1", "edge.b.example", "ESMTPS", "10:58:12 +0100")
        + &hop("laptop", "203.0.113.9", "out.s.example", "ESMTPSA", "09:58:02 +0000");
    let settled = settled(&chain, WORLD);
    let facts = &settled.section.facts;
    let delays: Vec<_> = (0..3).map(|n| facts["hops"][n]["delay_s"].as_i64()).collect();
    assert_eq!(delays, [Some(2), Some(10), None]);
    assert_eq!(facts["total_delay_s"], 12);
    assert_eq!(facts["border"]["hop"], 2);
    assert_eq!(facts["hops"][1]["ptr"], "out.s.example");
    assert_eq!(facts["hops"][1]["fcrdns"], "pass");
    assert_eq!((facts["hops"][1]["tls"].as_bool(), facts["hops"][2]["trusted"].as_bool()), (Some(true), Some(false)));
    let Block::Table(table) = &settled.section.blocks[1] else { panic!() };
    assert!(table.rows[2].cells[0].dim && !table.rows[1].cells[0].dim);
    assert_eq!(table.rows[1].cells[6].text, "10 s     ############");
    assert_eq!((ids(&settled), settled.depth), (vec![], 2));
}

#[test]
fn a_clock_that_goes_back_is_skew_and_not_a_day() {
    let chain = hop("out.s.example", "192.0.2.1", "edge.b.example", "ESMTPS", "09:58:00 +0000")
        + &hop("laptop", "10.0.0.9", "out.s.example", "ESMTPSA", "10:03:00 +0000");
    let settled = settled(&chain, WORLD);
    assert_eq!(settled.section.facts["hops"][0]["delay_s"], -300);
    assert_eq!(settled.section.facts["total_delay_s"], 0);
    assert_eq!(ids(&settled), ["hops.clock-skew"]);
    assert!(settled.section.findings[0].text.contains("5 min 0 s before"));
}

#[test]
fn the_border_tells_of_tls_and_of_its_reverse_name() {
    let chain = |with| hop("x.s.example", "192.0.2.7", "edge.b.example", with, "09:58:00 +0000");
    assert_eq!(ids(&settled(&chain("ESMTP"), "x EMPTY")), ["hops.no-ptr", "hops.no-tls"]);
    let world = "7.2.0.192.in-addr.arpa PTR x.s.example\nx.s.example A 192.0.2.8";
    assert_eq!(ids(&settled(&chain("ESMTPS"), world)), ["hops.reverse-mismatch"]);
    assert_eq!(ids(&settled(&chain("ESMTPS"), "7.2.0.192.in-addr.arpa PTR !servfail")), ["hops.reverse-unknown"]);
    let home = "7.2.0.192.in-addr.arpa PTR dyn-192-0-2-7.isp.example\ndyn-192-0-2-7.isp.example A 192.0.2.7";
    assert_eq!(ids(&settled(&chain("ESMTPS"), home)), ["hops.dynamic-address"]);
}

#[test]
fn waiting_is_told_and_a_date_far_away_too() {
    let chain = hop("out.s.example", "192.0.2.1", "edge.b.example", "ESMTPS", "11:58:00 +0000")
        + &hop("laptop", "10.0.0.9", "out.s.example", "ESMTPSA", "09:58:00 +0000");
    assert_eq!(ids(&settled(&chain, WORLD)), ["hops.slow"]);
    let old = chain.replace("24 Nov", "29 Nov");
    assert_eq!(ids(&settled(&old, WORLD)), ["hops.slow", "hops.date-far"]);
}

#[test]
fn no_hops_and_far_too_many_are_told() {
    assert_eq!(ids(&settled("", WORLD)), ["hops.none"]);
    let line = hop("a.s.example", "10.0.0.1", "b.s.example", "ESMTPS", "09:58:00 +0000");
    assert_eq!(ids(&settled(&line.repeat(40), WORLD)), ["hops.many"]);
    assert_eq!(ids(&settled(&line.repeat(400), WORLD)), ["hops.too-many"]);
}

#[test]
fn a_forged_chain_cannot_make_us_ask_for_thousands_of_names() {
    let chain: String =
        (0..200).map(|n| hop("a", &format!("198.51.100.{n}"), "b.example", "SMTP", "09:58:00 +0000")).collect();
    assert!(settled(&chain, WORLD).asked.len() <= MAX_REVERSED);
}

#[test]
fn the_client_of_the_listener_is_the_border_and_its_reverse_name_counts() {
    let heard = crate::check::HeardEnvelope {
        visit: 1,
        client: "192.0.2.1:40000".parse().unwrap(),
        helo: "mx.s.example".into(),
        mail_from: "a@s.example".into(),
        rcpt_to: vec!["b@b.example".into()],
        tls: None,
    };
    let envelope = Envelope { heard: Some(heard.into()), ..Envelope::default() };
    let chain = hop("inner.s.example", "203.0.113.9", "mx.s.example", "ESMTPS", "09:58:12 +0000");
    let text = format!("{chain}From: a@s.example\r\n\r\n");
    let message = Message::parse(Arc::from(text.as_bytes()), envelope).unwrap();
    for (world, expected) in
        [(WORLD, vec!["hops.no-tls"]), ("1.2.0.192.in-addr.arpa PTR !nxdomain\n", vec!["hops.no-ptr", "hops.no-tls"])]
    {
        let settled = World::parse(world).unwrap().settle(&Hops, &message, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(ids(&settled), expected, "{world}");
        let facts = format!("{:?}", settled.section.blocks[0]);
        assert!(facts.contains("mxray's listener") && facts.contains("192.0.2.1"), "{facts}");
    }
}

#[test]
fn a_border_that_is_not_there_is_told() {
    let line = hop("a.s.example", "10.0.0.1", "b.s.example", "ESMTPS", "09:58:00 +0000");
    let told = |hop| {
        let text = format!("{line}From: a@s.example\n\nx\n");
        let message = Message::parse(Arc::from(text.as_bytes()), Envelope { hop, ..Envelope::default() }).unwrap();
        let settled = World::parse(WORLD).unwrap().settle(&Hops, &message, time::OffsetDateTime::UNIX_EPOCH);
        ids(&settled).contains(&"hops.no-such-hop")
    };
    assert_eq!([told(None), told(Some(1)), told(Some(2))], [false, false, true]);
}

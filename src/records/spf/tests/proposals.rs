//! What the section proposes: flattened, repaired, first records, and near misses as they were meant.

use super::*;

#[test]
fn eleven_lookups_are_counted_to_the_end_and_flattened() {
    let mut zone = String::from("a.test MX 10 mx.a.test\nmx.a.test A 198.51.100.2\na.test TXT \"v=spf1");
    (0..6).for_each(|n| zone.push_str(&format!(" include:i{n}.test")));
    zone.push_str(" ~all\"\n");
    for n in 0..6 {
        zone.push_str(&format!(
            "i{n}.test TXT \"v=spf1 include:n{n}.test -all\"\nn{n}.test TXT \"v=spf1 ip4:198.51.{n}.0/24 -all\"\n"
        ));
    }
    let settled = audit(&zone);
    assert_eq!(ids(&settled), ["spf.too-many-lookups"]);
    assert_eq!((settled.section.facts["lookups"].as_u64(), settled.section.headline.as_str()), (Some(12), "12/10"));
    assert_eq!(settled.section.facts["tree"]["children"][5]["running"], 12);
    assert_eq!(settled.depth, 3);
    let flat = &settled.section.suggestions[0];
    assert_eq!(
        flat.value,
        "v=spf1 ip4:198.51.0.0/24 include:i1.test include:i2.test include:i3.test include:i4.test include:i5.test ~all"
    );
    assert!(flat.risk.contains("belong to others"));
}

#[test]
fn many_addresses_go_into_records_of_their_own_that_come_first() {
    let many: String = (0..12).map(|n| format!(" ip4:198.51.100.{}/30 ip6:2001:db8:{n}::/48", n * 4)).collect();
    let zone = |others: usize| {
        let mut zone =
            String::from("a.test MX 10 mx.a.test\nmx.a.test A 192.0.2.2\na.test TXT \"v=spf1 mx include:i0.test");
        (1..=others).for_each(|n| zone.push_str(&format!(" include:i{n}.test")));
        zone.push_str(
            " ~all\"\ni0.test TXT \"v=spf1 include:n1.test -all\"\nn1.test TXT \"v=spf1 include:n2.test -all\"\n",
        );
        zone.push_str(&format!("n2.test TXT \"v=spf1{many} -all\"\n"));
        (1..=others).for_each(|n| zone.push_str(&format!("i{n}.test TXT \"v=spf1 exists:%{{i}}.x.test -all\"\n")));
        zone
    };
    // Two more records are two more look-ups: where they do not fit any more, nothing is proposed.
    assert!(audit(&zone(5)).section.suggestions.is_empty());
    let zone = zone(4);
    let settled = audit(&zone);
    let steps = &settled.section.suggestions;
    let shown: Vec<(u32, &str, &str)> = steps.iter().map(|s| (s.step, s.host.as_str(), s.value.as_str())).collect();
    assert!(steps.iter().all(|suggestion| suggestion.value.len() <= 450), "{shown:#?}");
    let (last, first) = steps.split_last().unwrap();
    assert_eq!(
        first.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["_spf1.a.test", "_spf2.a.test"],
        "{shown:#?}"
    );
    assert_eq!(steps.iter().map(|suggestion| suggestion.step).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(
        first.iter().all(|s| s.current.is_none() && s.value.starts_with("v=spf1 ip") && s.value.ends_with(" -all"))
    );
    assert!(last.value.contains("include:_spf1.a.test include:_spf2.a.test"), "{shown:#?}");
    // The whole is what it says: within the limit, and every address of the long include is still allowed.
    let after = zone.lines().filter(|line| !line.starts_with("a.test TXT")).collect::<Vec<_>>().join("\n");
    let published: String = steps.iter().map(|s| format!("\n{} TXT \"{}\"", s.name, s.value)).collect();
    let again = audit(&(after + &published));
    assert_eq!(ids(&again), ["spf.lookups-near-limit"], "{shown:#?}");
    assert_eq!(again.section.headline, "10/10");
    let held: String = first.iter().map(|s| s.value.as_str()).collect::<Vec<_>>().join(" ");
    for term in many.split_whitespace() {
        let term = term.replace(":0::", "::");
        assert!(held.contains(&term), "{term} is lost: {held}");
    }
}

#[test]
fn each_step_begins_where_the_one_before_ends() {
    let mut zone = String::from(
        "a.test A 198.51.100.1\na.test MX 10 mx.a.test\nmx.a.test A 198.51.100.2\na.test TXT \"v=spf1 ptr",
    );
    (0..6).for_each(|n| zone.push_str(&format!(" include:i{n}.test")));
    zone.push_str(" +all\"\n");
    for n in 0..6 {
        zone.push_str(&format!(
            "i{n}.test TXT \"v=spf1 include:n{n}.test -all\"\nn{n}.test TXT \"v=spf1 ip4:203.0.{n}.0/24 -all\"\n"
        ));
    }
    let settled = audit(&zone);
    let [first, second] = settled.section.suggestions.as_slice() else { panic!("{:#?}", settled.section.suggestions) };
    assert!(!first.value.contains("ptr") && first.value.ends_with(" ~all"), "{}", first.value);
    assert_eq!((second.step, second.current.as_deref()), (2, Some(first.value.as_str())));
    assert!(!second.value.contains("ptr") && second.value.ends_with(" ~all"), "{}", second.value);
    assert!(second.why.starts_with("12 look-ups become 10"), "{}", second.why);
    // Over the limit, nobody comes to the +all; the finding says what holds it back.
    let pass = settled.section.findings.iter().find(|finding| finding.id == "spf.pass-all").unwrap();
    assert!(pass.text.contains("Only because receivers stop"), "{}", pass.text);
}

#[test]
fn a_first_record_fits_who_takes_the_mail() {
    for (zone, value) in [
        ("a.test MX 0 .\na.test A 198.51.100.1", "v=spf1 -all"),
        ("a.test TXT \"hello\"", "v=spf1 -all"),
        ("a.test MX 1 smtp.google.com\na.test A 198.51.100.1", "v=spf1 include:_spf.google.com ~all"),
        ("a.test MX 1 mx.a.test\na.test A 198.51.100.1", "v=spf1 mx ~all"),
        ("a.test MX 1 mx.other.test\na.test A 198.51.100.1", "v=spf1 {sender} ~all"),
        ("a.test MX !servfail\na.test A 198.51.100.1", "v=spf1 {sender} ~all"),
    ] {
        let settled = audit(zone);
        let suggestion = &settled.section.suggestions[0];
        assert_eq!(suggestion.value, value, "{zone}");
        assert_eq!(suggestion.blanks.is_empty(), !value.contains('{'));
        assert!(!suggestion.risk.is_empty() && !suggestion.undo.is_empty());
    }
}

#[test]
fn one_record_of_several_has_one_explanation() {
    let settled = audit(
        "a.test TXT \"v=spf1 mx exp=why.test -all\"\na.test TXT \"v=spf1 ip4:198.51.100.7 exp=other.test ~all\"\na.test A 198.51.100.1",
    );
    assert_eq!(settled.section.suggestions[0].value, "v=spf1 mx exp=why.test ip4:198.51.100.7 ~all");
}

#[test]
fn repairs_keep_what_works_and_say_why() {
    for (text, value) in [
        ("v=spf1 mx mx ptr ~all a", Some("v=spf1 mx ~all")),
        ("v=spf1 include=inc.test -all", Some("v=spf1 include:inc.test -all")),
        ("v=spf1 redirect:inc.test", Some("v=spf1 redirect=inc.test")),
        ("v=spf1 a:198.51.100.9 -all", Some("v=spf1 ip4:198.51.100.9 -all")),
        ("v=spf1 mx +all", Some("v=spf1 mx ~all")),
        ("v=spf1 mx", Some("v=spf1 mx ~all")),
        ("v=spf1 include:gone.test mx -all", Some("v=spf1 mx -all")),
        ("v=spf1 a mx ip4:0.0.0.0/0 ~all", Some("v=spf1 a mx ~all")),
        ("v=spf1 mx ~all", None),
        ("v=spf1 mx -all", None),
        ("v=spf1 -all", None),
        // Slips of the hand, each certain.
        ("v=spf1 mx; -all;", Some("v=spf1 mx -all")),
        ("v=spf1 mx, include:inc.test, -all", Some("v=spf1 mx include:inc.test -all")),
        ("v=spf1 mx \u{2013}all", Some("v=spf1 mx -all")),
        ("v=spf1 include:\u{201c}inc.test\u{201d} -all", Some("v=spf1 include:inc.test -all")),
        ("v=spf1 mx\u{a0}~all", Some("v=spf1 mx ~all")),
        ("v=spf1 mx\t-all", Some("v=spf1 mx -all")),
        ("v=spf1 mx - all", Some("v=spf1 mx -all")),
        ("v=spf1 mx -all.", Some("v=spf1 mx -all")),
        ("v=spf1 include: inc.test -all", Some("v=spf1 include:inc.test -all")),
        ("v=spf1 ip4: 198.51.100.9 -all", Some("v=spf1 ip4:198.51.100.9 -all")),
        ("v=spf1 ip:198.51.100.9 ipv6:2001:db8::1 -all", Some("v=spf1 ip4:198.51.100.9 ip6:2001:db8::1 -all")),
        ("v=spf1 198.51.100.9/32 -all", Some("v=spf1 ip4:198.51.100.9/32 -all")),
        ("v=spf1 ip6:198.51.100.9 -all", Some("v=spf1 ip4:198.51.100.9 -all")),
        ("v=spf1 include:inc.test/24 -all", Some("v=spf1 include:inc.test -all")),
        ("v=spf1 include:https://inc.test/ -all", Some("v=spf1 include:inc.test -all")),
        ("v=spf1 -redirect=inc.test", Some("v=spf1 redirect=inc.test")),
        ("v=spf1 mx all=-", Some("v=spf1 mx -all")),
        ("v=spf1 -all mx", Some("v=spf1 mx -all")),
        ("v=spf1 mx -all v=spf1 include:inc.test ~all", Some("v=spf1 mx include:inc.test ~all")),
        // What was meant is not certain: a proposal that is a permerror again is none.
        ("v=spf1 ip4:198.51.100.9/33 ptr +all", None),
        ("v=spf1 mx; ip4:198.51.100.1-198.51.100.9", None),
        // A record that names nobody gets whom DNS shows, never a bare refusal of everybody.
        ("v=spf1", Some("v=spf1 mx ~all")),
        ("v=spf1 ?all", Some("v=spf1 mx ~all")),
        ("v=spf1 include:gone.test -all", Some("v=spf1 mx -all")),
        ("v=spf1 a:n1.test a:n2.test a:n3.test -all", Some("v=spf1 mx -all")),
        // Whom ptr allowed is not refused all at once.
        ("v=spf1 ptr -all", Some("v=spf1 mx ~all")),
        ("v=spf1 mx ptr -all", Some("v=spf1 mx ~all")),
        ("v=spf1 include:a.test ~all", Some("v=spf1 mx ~all")),
        ("v=spf1 redirect=gone.test", Some("v=spf1 mx ~all")),
    ] {
        let settled = record(
            &text
                .bytes()
                .map(|byte| {
                    if byte.is_ascii_graphic() || byte == b' ' {
                        char::from(byte).to_string()
                    } else {
                        format!("\\{byte:03}")
                    }
                })
                .collect::<String>(),
        );
        let proposed = settled.section.suggestions.first();
        assert_eq!(proposed.map(|suggestion| suggestion.value.as_str()), value, "{text}");
        if let Some(suggestion) = proposed {
            assert_eq!(suggestion.current.as_deref(), Some(text));
            assert!(!suggestion.why.is_empty() && suggestion.zone.starts_with("a.test. 300 IN TXT "));
            let again = record(&suggestion.value);
            let worst = again.section.findings.iter().map(|finding| finding.severity).max();
            assert!(worst.is_none_or(|worst| worst <= Severity::Info), "{text} → {}", suggestion.value);
        }
    }
}

#[test]
fn a_record_that_begins_to_count_says_so_and_names_a_sender_or_asks_for_one() {
    let risk = |text: &str| record(text).section.suggestions[0].risk.clone();
    for text in ["v=spf1 include:gone.test -all", "v=spf1 mx; -all", "v=spf1 a:198.51.100.9 -all"] {
        assert!(
            risk(text).contains("from now on it counts") && risk(text).contains(" fails."),
            "{text}: {}",
            risk(text)
        );
    }
    assert!(risk("v=spf1 mx; ~all").contains("is suspected"));
    let others =
        audit("a.test TXT \"v=spf1 include:gone.test -all\"\na.test MX 10 mx.other.test\na.test A 198.51.100.1");
    let suggestion = &others.section.suggestions[0];
    assert_eq!((suggestion.value.as_str(), suggestion.blanks.len()), ("v=spf1 {sender} -all", 1));
}

#[test]
fn a_near_miss_is_proposed_as_it_was_meant() {
    for (text, value) in [
        ("v=spf1mx -all", "v=spf1 mx -all"),
        ("v=spf1-all", "v=spf1 -all"),
        (" v=spf1 mx -all", "v=spf1 mx -all"),
        ("\\\"v=spf1 mx -all\\\"", "v=spf1 mx -all"),
        ("v=spf2 mx -all", "v=spf1 mx -all"),
        ("v=spf10 mx -all", "v=spf1 mx -all"),
        ("spf1 mx, ~all", "v=spf1 mx ~all"),
        ("v = spf1 mx ~all", "v=spf1 mx ~all"),
        ("spf=v1 mx ~all", "v=spf1 mx ~all"),
        // Nothing to go by: a first record.
        ("v=spf1-moo", "v=spf1 mx ~all"),
        ("spf2.0/pra mx -all", "v=spf1 mx ~all"),
    ] {
        let settled = record(text);
        let suggestion = &settled.section.suggestions[0];
        assert_eq!(suggestion.value, value, "{text}");
        let is_mended = !text.contains("moo") && !text.contains("pra");
        assert_eq!(suggestion.current.is_some(), is_mended, "{text}");
    }
}

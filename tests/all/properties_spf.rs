//! SPF under any bytes: parser and evaluator never panic, an evaluation that reads ahead step by step comes to what one with
//! everything known comes to, and mail-auth's parser agrees on what is a valid record.

use std::net::IpAddr;

use mail_auth::common::parse::TxtRecordParser;
use mxray::check::world::World;
use mxray::check::{Answer, Evidence, Seen};
use mxray::name::Name;
use mxray::records::spf::{CheckHostArgs, SpfRecord, evaluate, is_spf, spf_tree};
use mxray::report::LookupId;
use proptest::prelude::*;
use time::OffsetDateTime;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// Terms that go together into every kind of record, good and bad.
fn term() -> impl Strategy<Value = String> {
    let domain = prop_oneof![
        Just("a.test"),
        Just("b.test"),
        Just("c.test"),
        Just("gone.test"),
        Just("slow.test"),
        Just("%{d}"),
        Just("%{ir}.x.test"),
        Just("%{p}.x.test"),
        Just("%{l1r-}.c.test"),
        Just("a..test"),
    ];
    let with = prop_oneof![
        Just("include:"),
        Just("a:"),
        Just("mx:"),
        Just("exists:"),
        Just("ptr:"),
        Just("redirect="),
        Just("exp="),
        Just("foo="),
    ];
    prop_oneof![
        4 => (with, domain).prop_map(|(name, domain)| format!("{name}{domain}")),
        2 => prop_oneof![Just("a"), Just("mx"), Just("ptr"), Just("a//64"), Just("mx/24"), Just("ip4:192.0.2.0/24"),
            Just("ip6:2001:db8::/32"), Just("-all"), Just("~all"), Just("?all"), Just("moo")].prop_map(str::to_owned),
    ]
}

fn record() -> impl Strategy<Value = String> {
    prop::collection::vec(term(), 0..8).prop_map(|terms| format!("v=spf1 {}", terms.join(" ")))
}

fn world(records: &[String]) -> World {
    let mut zone = String::from(
        "slow.test ANY !timeout\nb.test A 192.0.2.7\nb.test MX 10 b.test\na.test MX 10 gone.test\na.test MX 20 b.test\n\
         7.2.0.192.in-addr.arpa PTR b.test\n7.2.0.192.x.test A 127.0.0.2\n",
    );
    for (name, text) in ["a.test", "b.test", "c.test"].iter().zip(records) {
        zone.push_str(&format!("{name} TXT \"{text}\"\n"));
    }
    World::parse(&zone).unwrap()
}

proptest! {
    #[test]
    fn the_parser_reads_any_text_and_its_spans_lie_inside(text in any::<String>()) {
        for text in [text.clone(), format!("v=spf1 {text}")] {
            let record = SpfRecord::parse(&text);
            for term in &record.terms {
                prop_assert_eq!(term.span.of_str(&text), Some(term.text.as_str()));
            }
            is_spf(text.as_bytes());
        }
    }

    #[test]
    fn an_evaluation_ends_on_any_arguments(record in any::<String>(), sender in any::<String>(), helo in any::<String>(), ip: u128) {
        let record: String = record.chars().filter(|c| !matches!(c, '\n' | '\r' | '"' | '\\')).collect();
        let world = world(&[format!("v=spf1 {record}")]);
        for sender in [sender, "x@a.test".to_owned()] {
            let args = CheckHostArgs::mail_from(IpAddr::V6(ip.into()), &helo, Some(&sender));
            world.ask(NOW, |seen| evaluate(&args, seen));
        }
    }

    #[test]
    fn reading_ahead_changes_nothing(records in prop::collection::vec(record(), 3), v6: bool) {
        let world = world(&records);
        let ip = if v6 { "2001:db9::1" } else { "192.0.2.7" }.parse().unwrap();
        let args = CheckHostArgs::mail_from(ip, "h.test", Some("x-y@a.test"));
        let (stepwise, ..) = world.ask(NOW, |seen| evaluate(&args, seen));
        prop_assert!(stepwise.lookups <= 11 && stepwise.void_lookups <= 4);
        // One question a round, the last asked first, is the poorest order; it must not matter.
        let mut evidence = Evidence::default();
        let slow = loop {
            let seen = Seen::new(&evidence, NOW);
            let result = evaluate(&args, &seen);
            let missing = seen.into_notes().missing;
            match result {
                Ok(evaluation) => break evaluation,
                Err(_) => {
                    let (query, _) = missing.last().unwrap().clone();
                    let answer: Answer = world.answer(&query);
                    evidence.insert(query, LookupId(u32::try_from(evidence.len()).unwrap()), answer.into());
                }
            }
        };
        prop_assert_eq!(stepwise.result, slow.result);
        prop_assert_eq!(&stepwise.reason, &slow.reason);
        prop_assert_eq!((stepwise.lookups, stepwise.void_lookups), (slow.lookups, slow.void_lookups));
        prop_assert_eq!(&stepwise.explanation, &slow.explanation);
        let words = |steps: &[mxray::records::spf::TraceStep]| {
            steps.iter().map(|step| (step.depth, step.term.clone(), step.detail.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(words(&stepwise.trace), words(&slow.trace));
    }

    #[test]
    fn a_tree_ends_and_an_evaluation_never_costs_more(records in prop::collection::vec(record(), 3)) {
        let world = world(&records);
        let name = Name::from_text("a.test").unwrap();
        let (tree, _, asked) = world.ask(NOW, |seen| spf_tree(&name, seen));
        let literal = asked.iter().any(|query| format!("{query:?}").contains("%{"));
        prop_assert!(!literal, "a macro was asked: {:?}", asked);
        let args = CheckHostArgs::mail_from("198.51.100.9".parse().unwrap(), "h.test", Some("x@a.test"));
        let (evaluation, ..) = world.ask(NOW, |seen| evaluate(&args, seen));
        let looped = tree.reached().any(|term| {
            term.child.as_ref().is_some_and(|child| child.found == mxray::records::spf::tree::Found::Loop)
        });
        prop_assert!(looped || evaluation.lookups <= tree.lookups, "{} > {}", evaluation.lookups, tree.lookups);
        for at in 0..tree.root.terms.len() {
            prop_assert!(tree.without(&[at]).lookups <= tree.lookups);
        }
    }

    /// mail-auth is more lenient; what it refuses, we refuse.
    #[test]
    fn what_mail_auth_refuses_is_refused(text in record()) {
        let ours = SpfRecord::parse(&text).problem().is_none();
        let theirs = mail_auth::spf::Spf::parse(text.as_bytes()).is_ok();
        prop_assert!(theirs || !ours, "{}", text);
    }
}

/// Valid and broken records as both parsers see them. The only differences are those that `MORE_LENIENT` names.
#[test]
fn the_parsers_agree_but_for_the_differences_listed() {
    let mut differences = Vec::new();
    for (text, ours) in [
        ("v=spf1 -all", true),
        ("v=spf1 a/24//64 mx:b.test/28 ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all", true),
        ("v=spf1 include:%{d2}.spf.test exists:%{ir}.x.test redirect=b.test", true),
        ("v=spf1 foo=bar -all", true),
        ("v=spf1 moo -all", false),
        ("v=spf1 ip4:1.2.3 -all", false),
        ("v=spf1 ip4:1.2.3.4/33 -all", false),
        ("v=spf1 exists -all", false),
        ("v=spf1 include: -all", false),
        ("v=spf1 a:%{x}.test -all", false),
        ("v=spf1 all/8", false),
    ] {
        assert_eq!(SpfRecord::parse(text).problem().is_none(), ours, "{text}");
        if mail_auth::spf::Spf::parse(text.as_bytes()).is_ok() != ours {
            differences.push(text);
        }
    }
    assert_eq!(differences, MORE_LENIENT);
}

/// What mail-auth 0.13.3 accepts though it is a permerror: an unknown mechanism (RFC 7208 §4.6.1), a prefix length beyond the
/// family's (§5.6; the suite's `cidr4-33`).
const MORE_LENIENT: &[&str] = &["v=spf1 moo -all", "v=spf1 ip4:1.2.3.4/33 -all"];

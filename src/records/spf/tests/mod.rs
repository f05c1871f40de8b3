//! The section on small worlds: the lines of cases.md that a static audit can meet, and what it proposes.

mod proposals;

use time::OffsetDateTime;

use crate::check::world::{Settled, World};
use crate::check::{Check, Kind, Query};
use crate::finding::Severity;
use crate::name::Name;
use crate::records::Domain;
use crate::records::spf::Spf;
use crate::report::{Block, State};

fn audit(zone: &str) -> Settled {
    let world = World::parse(zone).unwrap();
    let domain = Domain::new(Name::from_text("a.test").unwrap());
    let settled = world.settle(&Spf as &dyn Check<Domain>, &domain, OffsetDateTime::UNIX_EPOCH);
    for query in &settled.asked {
        assert!(!format!("{query:?}").contains('%'), "a macro was asked: {query:?}");
    }
    settled
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

/// A world of one record; `mx` and an address keep the other findings away.
fn record(text: &str) -> Settled {
    audit(&format!(
        "a.test TXT \"{text}\"\na.test MX 10 mx.a.test\na.test A 198.51.100.1\nmx.a.test A 198.51.100.2\nb.test A 198.51.100.3\n\
         inc.test TXT \"v=spf1 ip4:198.51.100.0/28 -all\"\nall.test TXT \"v=spf1 +all\"\nbad.test TXT \"v=spf1 moo\"\n\
         none.test TXT \"hello\"\ntwo.test TXT \"v=spf1 -all\"\ntwo.test TXT \"v=spf1 ~all\""
    ))
}

#[test]
fn each_record_gets_the_findings_it_deserves() {
    for (text, expected) in [
        ("v=spf1 ip4:198.51.100.7 ~all", &[][..]),
        ("V=SpF1 IP4:198.51.100.7  ~ALL ", &[]),
        ("v=spf1 -all", &[]),
        ("v=spf1 ip4:198.51.100.7 -all", &["spf.fail-before-dkim"]),
        ("v=spf1 +all", &["spf.pass-all"]),
        ("v=spf1 mx all", &["spf.pass-all"]),
        ("v=spf1 mx ?all", &["spf.neutral-all"]),
        ("v=spf1 mx", &["spf.no-all"]),
        ("v=spf1 ptr ~all", &["spf.ptr"]),
        ("v=spf1 ip4:0.0.0.0/0 ~all", &["spf.everybody"]),
        ("v=spf1 ip6:::/0 ~all", &["spf.everybody"]),
        ("v=spf1 ip4:198.0.0.0/8 ~all", &["spf.wide-range"]),
        ("v=spf1 ip6:2600::/20 ~all", &["spf.wide-range"]),
        ("v=spf1 ip4:10.0.0.1 ~all", &["spf.private-address"]),
        ("v=spf1 ip4:198.51.100.7/24 ~all", &["spf.host-bits"]),
        ("v=spf1 include:inc.test ~all", &[]),
        ("v=spf1 include:none.test ~all", &["spf.target-without-record"]),
        ("v=spf1 include:gone.test ~all", &["spf.target-without-record"]),
        ("v=spf1 include:two.test ~all", &["spf.target-with-several-records"]),
        ("v=spf1 include:bad.test ~all", &["spf.target-syntax"]),
        ("v=spf1 include:all.test ~all", &["spf.include-passes-all"]),
        ("v=spf1 include:a.test ~all", &["spf.loop"]),
        ("v=spf1 include=inc.test ~all", &["spf.modifier-for-mechanism"]),
        ("v=spf1 redirect=inc.test", &[]),
        ("v=spf1 redirect=none.test", &["spf.target-without-record"]),
        ("v=spf1 redirect=inc.test ~all", &["spf.redirect-ignored"]),
        ("v=spf1 redirect:inc.test", &["spf.syntax", "spf.no-all"]),
        ("v=spf1 ~all ip4:198.51.100.7", &["spf.after-all"]),
        ("v=spf1 ~all -all", &["spf.after-all", "spf.two-all"]),
        ("v=spf1 ~all moo", &["spf.syntax"]),
        ("v=spf1 moo=cow ~all", &["spf.unknown-modifier"]),
        ("v=spf1 ~all ra=postmaster rp=10 rr=all", &[]),
        ("v=spf1 mx mx ~all", &["spf.duplicate"]),
        ("v=spf1 ip4:198.51.100.0/24 ip4:198.51.100.7 ~all", &["spf.shadowed"]),
        ("v=spf1 ip4:100.64.0.1 ~all", &["spf.private-address"]),
        ("v=spf1 ip4:198.51.100.0/28 include:inc.test ~all", &[]),
        ("v=spf1 a:gone.test ~all", &["spf.void-lookup"]),
        (
            "v=spf1 a:gone.test a:gone2.test a:gone3.test ~all",
            &["spf.too-many-voids", "spf.void-lookup", "spf.void-lookup", "spf.void-lookup"],
        ),
        ("v=spf1 exists:%{i}.x.test ~all", &["spf.macro"]),
        ("v=spf1 exists:%{d} ~all", &[]),
        ("v=spf1 include:%{d2}.x.test ~all", &["spf.target-without-record"]),
        ("v=spf1 exists:%{p}.x.test ~all", &["spf.p-macro", "spf.macro"]),
        ("v=spf1 a:foo..test ~all", &["spf.target-not-a-domain"]),
        ("v=spf1 a:1.2.3.4 ~all", &["spf.syntax"]),
        ("v=spf1 a:allmail.test ~all", &["spf.void-lookup"]),
    ] {
        let settled = record(text);
        assert_eq!(ids(&settled), expected, "{text}: {:#?}", settled.section.findings);
        assert_eq!(settled.section.facts["records"], 1, "{text}");
        for finding in &settled.section.findings {
            assert!(!finding.evidence.is_empty(), "{text}: {} has no evidence", finding.id);
            assert!(finding.span.is_none_or(|span| span.of_str(text).is_some()), "{text}: {}", finding.id);
        }
    }
}

#[test]
fn what_if_says_what_is_left_without_a_node() {
    let world = World::parse(
        "a.test TXT \"v=spf1 include:i.test a ~all\"\na.test A 198.51.100.1\ni.test TXT \"v=spf1 include:n.test mx -all\"\n\
         n.test TXT \"v=spf1 -all\"",
    )
    .unwrap();
    let name = Name::from_text("a.test").unwrap();
    let (tree, ..) = world.ask(OffsetDateTime::UNIX_EPOCH, |seen| super::spf_tree(&name, seen));
    assert_eq!((tree.lookups, tree.void_lookups), (4, 1));
    let left = tree.without(&[0]);
    assert_eq!((left.lookups, left.void_lookups), (1, 0));
    let left = tree.without(&[0, 1]);
    assert_eq!((left.lookups, left.void_lookups), (3, 0));
    assert_eq!(tree.without(&[1]).lookups, 3);
    let text = "v=spf1 a ~all";
    let (other, ..) = world.ask(OffsetDateTime::UNIX_EPOCH, |seen| super::Tree::of_text(&name, text, seen));
    assert_eq!(other.lookups, 1);
}

#[test]
fn texts_that_are_no_spf_record_are_told() {
    for (text, id) in [
        (" v=spf1 -all", "spf.leading-space"),
        ("v=spf1-all", "spf.no-space-after-version"),
        ("v=spf10 -all", "spf.no-space-after-version"),
        ("spf2.0/pra -all", "spf.sender-id"),
        ("\\\"v=spf1 -all\\\"", "spf.quoted"),
        ("spf1 -all", "spf.misspelt"),
    ] {
        let settled = audit(&format!("a.test TXT \"{text}\"\na.test A 198.51.100.1"));
        assert!(ids(&settled).contains(&id) && ids(&settled).contains(&"spf.none"), "{text}: {:?}", ids(&settled));
        assert_eq!(settled.section.state, State::Absent, "{text}");
        assert!(settled.section.facts["record"].is_null());
    }
}

#[test]
fn several_records_are_a_permerror_and_are_merged() {
    let settled = audit(
        "a.test TXT \"v=spf1 mx -all\"\na.test TXT \"v=spf1 ip4:198.51.100.7 mx ~all\"\na.test TXT \"other\"\na.test A 198.51.100.1",
    );
    assert_eq!(ids(&settled), ["spf.several-records"]);
    assert_eq!(settled.section.facts["records"], 2);
    assert_eq!(settled.section.suggestions[0].value, "v=spf1 mx ip4:198.51.100.7 ~all");
}

#[test]
fn a_term_that_decides_is_not_called_covered() {
    let world = |record: &str, included: &str| {
        audit(&format!("a.test TXT \"{record}\"\ni.test TXT \"{included}\"\na.test A 198.51.100.1"))
    };
    for (record, included, is_covered) in [
        ("v=spf1 include:i.test ip4:192.0.2.7 ~all", "v=spf1 ip4:192.0.2.0/24 ~all", true),
        ("v=spf1 include:i.test ip4:192.0.2.7 ~all", "v=spf1 -ip4:192.0.2.7 ip4:192.0.2.0/24 ~all", false),
        ("v=spf1 redirect=i.test ip4:192.0.2.7", "v=spf1 ip4:192.0.2.0/24 ~all", false),
    ] {
        let told = world(record, included);
        let terms: Vec<&str> = told.section.findings.iter().map(|finding| finding.id).collect();
        assert_eq!(terms.contains(&"spf.shadowed"), is_covered, "{record} / {included}: {terms:?}");
        let dropped = told.section.suggestions.iter().any(|proposed| !proposed.value.contains("192.0.2.7"));
        assert!(is_covered || !dropped, "{record} / {included}");
    }
}

#[test]
fn non_ascii_in_the_record_is_a_syntax_error_and_elsewhere_nothing() {
    assert_eq!(ids(&record("v=spf1 a:\\239\\187\\191b.test ~all")), ["spf.syntax", "spf.unseen-character"]);
    let other = audit("a.test TXT \"v=spf1 ~all\"\na.test TXT \"\\150\"\na.test A 198.51.100.1");
    assert!(ids(&other).is_empty());
}

#[test]
fn strings_that_glue_two_terms_are_told() {
    let glued = audit("a.test TXT \"v=spf1 ip4:198.51.100.7\" \"include:inc.test ~all\"\na.test A 198.51.100.1");
    assert!(ids(&glued).contains(&"spf.split-without-space"), "{:?}", ids(&glued));
    let fine = audit("a.test TXT \"v=spf1 ip4:198.51.\" \"100.7 ~all\"\na.test A 198.51.100.1");
    assert!(ids(&fine).is_empty(), "{:?}", ids(&fine));
}

#[test]
fn a_failed_lookup_is_never_absence() {
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = audit(&format!("a.test TXT !{fault}\na.test A 198.51.100.1"));
        assert_eq!(settled.section.state, State::Unknown, "{fault}");
        assert!(settled.section.suggestions.is_empty());
        let include =
            audit(&format!("a.test TXT \"v=spf1 include:i.test ~all\"\na.test A 198.51.100.1\ni.test TXT !{fault}"));
        assert_eq!(ids(&include), ["spf.term-unknown"], "{fault}");
        let term = audit(&format!("a.test TXT \"v=spf1 a:i.test ~all\"\na.test A 198.51.100.1\ni.test ANY !{fault}"));
        assert_eq!(ids(&term), ["spf.term-unknown"], "{fault}");
    }
}

#[test]
fn an_nxdomain_for_a_name_that_is_there_is_an_absent_record_and_not_an_absent_name() {
    let settled =
        audit("a.test A 198.51.100.1\na.test MX 10 mx.a.test\nmx.a.test A 198.51.100.2\na.test TXT !nxdomain");
    assert_eq!((settled.section.state, settled.section.headline.as_str()), (State::Absent, "none"));
    assert!(ids(&settled).contains(&"spf.none") && !settled.section.suggestions.is_empty());
    let gone = audit("b.test A 198.51.100.1");
    assert_eq!((gone.section.headline.as_str(), gone.section.findings.len()), ("no such name", 0));
}

#[test]
fn records_in_the_wrong_place_are_found_and_wildcards_told_apart() {
    let there = audit("spf.a.test TXT \"v=spf1 -all\"\na.test A 198.51.100.1");
    assert!(ids(&there).contains(&"spf.wrong-place"));
    let base = "a.test TXT \"v=spf1 ~all\"\na.test A 198.51.100.1\n";
    assert_eq!(ids(&audit(&format!("{base}_dmarc.a.test TXT \"v=spf1 -all\""))), [""; 0]);
    assert_eq!(ids(&audit(&format!("{base}*.a.test TXT \"v=spf1 -all\""))), ["spf.wildcard"]);
}

#[test]
fn an_address_with_a_dynamic_name_is_told() {
    let settled = audit(
        "a.test TXT \"v=spf1 ip4:198.51.100.7 ~all\"\na.test A 198.51.100.1\n\
         7.100.51.198.in-addr.arpa PTR dsl-198-51-100-7.pool.isp.test",
    );
    assert_eq!(ids(&settled), ["spf.dynamic-address"]);
    assert_eq!(settled.depth, 2);
}

#[test]
fn every_term_is_explained_and_the_tree_stands_below() {
    let text = "v=spf1 a include:inc.test -all";
    let settled = record(text);
    let Some(Block::Record(block)) = settled.section.blocks.first() else { panic!("no record block") };
    assert_eq!((block.host.as_str(), block.ttl, block.text.as_str()), ("@", Some(300), text));
    let marked: Vec<_> = block.marks.iter().map(|mark| mark.span.of_str(text).unwrap()).collect();
    assert_eq!(marked, ["v=spf1", "a", "include:inc.test", "-all"]);
    assert!(block.marks[1].note.contains("connects from"));
    assert!(block.marks[3].note.contains("receiver's choice"));
    let tree = settled.section.blocks.iter().find_map(|block| match block {
        Block::Tree(nodes) => nodes.first(),
        _ => None,
    });
    assert_eq!(tree.unwrap().children[1].right, "+1 = 2/10");
    assert!(settled.section.blocks.iter().any(|block| matches!(block, Block::Prose { .. })));
    assert_eq!(
        (settled.section.facts["result_of_all"].as_str(), settled.section.headline.as_str()),
        (Some("fail"), "2/10")
    );
}

#[test]
fn a_cname_at_the_name_is_followed_and_is_no_record_itself() {
    let settled = audit(
        "a.test CNAME real.test\nreal.test TXT \"v=spf1 include:alias.test ~all\"\nalias.test CNAME inc.test\n\
         inc.test TXT \"v=spf1 ip4:198.51.100.0/28 -all\"\ninc.test TXT \"not SPF at all\"",
    );
    assert_eq!(settled.section.facts["records"], 1);
    assert_eq!(settled.section.facts["lookups"], 1);
    assert_eq!(settled.section.facts["record"], "v=spf1 include:alias.test ~all");
    assert!(
        !ids(&settled).iter().any(|id| id.starts_with("spf.several") || id.starts_with("spf.target")),
        "{:?}",
        ids(&settled)
    );
}

#[test]
fn a_record_of_type_99_is_ignored_and_told() {
    let base = "a.test A 198.51.100.1\na.test MX 10 mx.a.test\nmx.a.test A 198.51.100.2\n";
    let with = |lines: &str| audit(&format!("{base}{lines}"));
    let without = with("a.test TXT \"v=spf1 mx ~all\"");
    for (old, says) in [
        ("v=spf1 mx ~all", "same text"),
        ("v=spf1 mx\" \" ~all", "same text"),
        ("v=spf1 a mx +all", "something else"),
        ("not even SPF", "something else"),
    ] {
        let both = with(&format!("a.test TXT \"v=spf1 mx ~all\"\na.test SPF \"{old}\""));
        assert_eq!(ids(&both), ["spf.type-99"], "{old}");
        let finding = &both.section.findings[0];
        assert_eq!((finding.severity, finding.reference), (Severity::Warning, "RFC 7208 §3.1"), "{old}");
        assert!(finding.text.contains(says) && finding.text.contains("ignored"), "{}", finding.text);
        // It is evaluated nowhere, and it makes nothing longer.
        for key in ["record", "records", "result_of_all", "lookups", "void_lookups", "tree"] {
            assert_eq!(both.section.facts[key], without.section.facts[key], "{old}: {key}");
        }
        assert_eq!((both.depth, both.section.posture.len()), (without.depth, without.section.posture.len()), "{old}");
        assert!(both.section.suggestions.is_empty(), "{old}");
    }
    assert_eq!(without.section.facts["type_99"], serde_json::json!([]));
    assert!(without.asked.contains(&Query::dns(&Name::from_text("a.test").unwrap(), Kind::Spf)));
}

#[test]
fn a_record_of_type_99_alone_is_no_record_and_its_text_is_proposed_as_txt() {
    let base = "a.test A 198.51.100.1\na.test MX 10 mx.a.test\nmx.a.test A 198.51.100.2\n";
    let alone = audit(&format!("{base}a.test 600 SPF \"v=spf1 a mx \" \"-all\""));
    assert_eq!(alone.section.state, State::Absent);
    assert!(ids(&alone).contains(&"spf.none") && ids(&alone).contains(&"spf.type-99"), "{:?}", ids(&alone));
    assert_eq!((alone.section.facts["records"].as_u64(), alone.section.facts["record"].is_null()), (Some(0), true));
    assert_eq!(alone.section.facts["type_99"], serde_json::json!(["v=spf1 a mx -all"]));
    let [suggestion] = alone.section.suggestions.as_slice() else { panic!("{:?}", alone.section.suggestions) };
    assert_eq!((suggestion.rr_type, suggestion.value.as_str()), ("TXT", "v=spf1 a mx -all"));
    let shown = alone
        .section
        .blocks
        .iter()
        .any(|block| matches!(block, Block::Record(record) if record.rr_type == "SPF" && record.ttl == Some(600)));
    assert!(shown, "{:?}", alone.section.blocks);
    // A text that would not work is not moved.
    let broken = audit(&format!("{base}a.test SPF \"v=spf1 moo -all\""));
    assert_eq!(broken.section.suggestions[0].value, "v=spf1 mx ~all");
}

#[test]
fn a_server_that_fails_on_type_99_changes_nothing() {
    let base = "a.test A 198.51.100.1\na.test TXT \"v=spf1 a ~all\"\n";
    let fine = audit(base);
    for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
        let settled = audit(&format!("{base}a.test SPF !{fault}"));
        assert_eq!((settled.section.state, ids(&settled)), (fine.section.state, ids(&fine)), "{fault}");
        assert!(settled.section.facts["type_99"].is_null(), "{fault}");
        assert_eq!(settled.section.headline, fine.section.headline, "{fault}");
        let none = audit(&format!("a.test A 198.51.100.1\na.test SPF !{fault}"));
        assert_eq!(none.section.state, State::Absent, "{fault}");
    }
}

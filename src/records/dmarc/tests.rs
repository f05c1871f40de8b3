//! The DMARC section on literal worlds.

use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};
use crate::check::{Query, Subject};
use crate::finding::Severity;
use crate::name::Name;
use crate::records::Domain;
use crate::report::{Block, Section, State};

fn settled(name: &str, world: &str) -> Settled {
    let domain = Domain::new(Name::from_text(name).unwrap());
    World::parse(world).unwrap().settle(&DmarcCheck, &domain, OffsetDateTime::UNIX_EPOCH)
}

fn look(name: &str, world: &str) -> Section {
    settled(name, world).section
}

fn severity(section: &Section, id: &str) -> Option<Severity> {
    section.findings.iter().find(|finding| finding.id == id).map(|finding| finding.severity)
}

fn ids(section: &Section) -> Vec<&'static str> {
    section.findings.iter().map(|finding| finding.id).collect()
}

/// A record at example.com, alone in its world.
fn of(record: &str) -> Section {
    look("example.com", &format!("_dmarc.example.com TXT \"{record}\"\nexample.com A 192.0.2.1"))
}

const GOOD: &str = "v=DMARC1; p=quarantine; rua=mailto:dmarc@example.com";

#[test]
fn a_good_record_takes_one_round_and_the_walk_the_mx_and_the_apex_go_out_together() {
    let settled = settled("example.com", &format!("_dmarc.example.com TXT \"{GOOD}\""));
    assert_eq!(settled.depth, 1);
    let asked: Vec<String> = settled
        .asked
        .iter()
        .map(|query| match query {
            Query::Dns { name, kind } | Query::Validated { name, kind } => format!("{name} {kind}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        asked,
        ["_dmarc.example.com TXT", "_dmarc.com TXT", "example.com A", "example.com MX", "example.com TXT"]
    );
}

#[test]
fn a_report_host_of_another_organization_costs_one_more_round() {
    let world = "_dmarc.example.com TXT \"v=DMARC1; p=none; rua=mailto:a@one.test,mailto:b@two.test\"
        example.com._report._dmarc.one.test TXT \"v=DMARC1;\"";
    let settled = settled("example.com", world);
    assert_eq!(settled.depth, 2);
    let external = settled.section.facts.get("external").unwrap();
    assert_eq!(external[0]["authorized"], true);
    assert_eq!(external[1]["authorized"], false);
    assert_eq!(severity(&settled.section, "dmarc.external-not-authorized"), Some(Severity::Warning));
    let agreement = settled.section.suggestions.iter().find(|s| s.name.as_str().contains("_report")).unwrap();
    assert_eq!(agreement.name.as_str(), "example.com._report._dmarc.two.test");
    assert_eq!(agreement.host, "example.com._report._dmarc");
}

#[test]
fn facts_follow_the_contract() {
    let section = look(
        "news.example.com",
        "_dmarc.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; t=y; rua=mailto:a@example.com; pct=20\"
         news.example.com A 192.0.2.1",
    );
    let fact = |key: &str| section.facts.get(key).unwrap().clone();
    assert_eq!(fact("policy_domain"), "example.com");
    assert_eq!(fact("organizational_domain"), "example.com");
    assert_eq!((fact("policy"), fact("effective_policy")), ("quarantine".into(), "none".into()));
    assert_eq!((fact("subdomain_policy"), fact("nonexistent_policy")), ("quarantine".into(), "reject".into()));
    assert_eq!((fact("testing"), fact("rua")), (true.into(), serde_json::json!(["mailto:a@example.com"])));
    assert_eq!(
        fact("walk")[0],
        serde_json::json!({"name": "_dmarc.news.example.com", "outcome": "nxdomain", "record": null, "records": 0})
    );
    assert_eq!(fact("walk")[1]["outcome"], "answer");
    let old = serde_json::json!({"organizational_domain": "example.com", "policy": "quarantine", "pct": 20});
    assert_eq!(fact("rfc7489"), old);
    assert_eq!(severity(&section, "dmarc.readings-differ"), Some(Severity::Info));
}

#[test]
fn a_domain_without_dmarc_is_absent_and_says_how_far_we_looked() {
    let section = look("a.example.com", "a.example.com A 192.0.2.1");
    assert_eq!(section.state, State::Absent);
    let finding = &section.findings[0];
    assert_eq!((finding.id, finding.severity), ("dmarc.absent", Severity::Error));
    assert!(finding.text.contains("_dmarc.a.example.com, _dmarc.example.com, _dmarc.com"), "{}", finding.text);
    let first = &section.suggestions[0];
    assert_eq!(
        (first.name.as_str(), first.value.as_str()),
        ("_dmarc.example.com", "v=DMARC1; p=none; rua=mailto:{rua}")
    );
    assert_eq!(first.blanks[0].key, "rua");
    assert_eq!(section.facts.get("policy").unwrap(), &serde_json::Value::Null);
}

#[test]
fn a_failed_lookup_is_unknown_and_never_absent() {
    for fault in ["!servfail", "!refused", "!timeout", "!malformed", "!failed"] {
        let section = look("example.com", &format!("_dmarc.example.com TXT {fault}"));
        assert_eq!((section.state, ids(&section)), (State::Unknown, vec!["dmarc.unknown"]), "{fault}");
        assert!(section.suggestions.is_empty(), "nothing is proposed over what may be there");
        assert!(section.posture[0].answer.starts_with("not known"));
        let rest = look("example.com", &format!("_dmarc.example.com TXT \"{GOOD}\"\nexample.com ANY {fault}"));
        assert_eq!(rest.headline, "quarantine", "other failures do not hide the record: {fault}");
    }
}

#[test]
fn a_record_at_the_apex_is_in_the_wrong_place() {
    let alone = look("example.com", "example.com TXT \"v=DMARC1; p=reject\"");
    assert_eq!((alone.state, severity(&alone, "dmarc.wrong-place")), (State::Absent, Some(Severity::Error)));
    let beside =
        look("example.com", &format!("example.com TXT \"v=DMARC1; p=reject\"\n_dmarc.example.com TXT \"{GOOD}\""));
    assert_eq!(severity(&beside, "dmarc.wrong-place"), Some(Severity::Warning));
}

#[test]
fn spf_at_dmarc_and_other_texts_are_not_called_invalid_dmarc() {
    let section = look(
        "example.com",
        &format!(
            "_dmarc.example.com TXT \"{GOOD}\"\n_dmarc.example.com TXT \"v=spf1 -all\"\n_dmarc.example.com TXT \"hello\""
        ),
    );
    assert_eq!(severity(&section, "dmarc.spf-here"), Some(Severity::Warning));
    assert_eq!(severity(&section, "dmarc.unrelated-txt"), Some(Severity::Info));
    assert_eq!(section.facts.get("policy").unwrap(), "quarantine");
}

#[test]
fn a_near_miss_is_an_error_with_the_repaired_text_as_suggestion() {
    for text in [" v=DMARC1; p=none", "v=dmarc1; p=none", "v=DMARC1\\\\; p=none"] {
        let section = of(text);
        assert_eq!(severity(&section, "dmarc.near-miss"), Some(Severity::Error), "{text}");
        assert_eq!(section.suggestions[0].value, "v=DMARC1; p=none", "{text}");
        assert!(section.suggestions[0].current.is_some());
    }
}

#[test]
fn several_records_are_an_error_and_are_merged_into_the_weakest() {
    let section = look(
        "example.com",
        "
        _dmarc.example.com TXT \"v=DMARC1; p=reject; rua=mailto:a@example.com\"
        _dmarc.example.com TXT \"v=DMARC1; p=quarantine; rua=mailto:b@example.com\"",
    );
    assert_eq!(severity(&section, "dmarc.several-records"), Some(Severity::Error));
    assert_eq!(section.suggestions[0].value, "v=DMARC1; p=quarantine; rua=mailto:a@example.com,mailto:b@example.com");
}

#[test]
fn every_flaw_of_a_record_has_its_own_finding() {
    for (tags, id, severity_is) in [
        ("p=none; rua=mailto:a@example.com", "dmarc.policy-none", Severity::Warning),
        ("p=none", "dmarc.no-reports", Severity::Warning),
        ("p=reject", "dmarc.no-reports", Severity::Info),
        ("rua=mailto:a@example.com", "dmarc.policy-counts-as-none", Severity::Error),
        ("p=monitor; rua=mailto:a@example.com", "dmarc.policy-counts-as-none", Severity::Error),
        ("p=monitor", "dmarc.policy-is-void", Severity::Error),
        ("p=reject; sp=monitor; rua=a@example.com", "dmarc.policy-is-void", Severity::Error),
        ("p=reject; p=none", "dmarc.duplicate-tag", Severity::Error),
        ("p=reject; fo=0:1", "dmarc.fo-contradicts", Severity::Warning),
        ("p=reject; adkim=x", "dmarc.bad-value", Severity::Warning),
        ("p=reject; P2=x", "dmarc.upper-case-tag", Severity::Warning),
        ("p=reject; foo=bar", "dmarc.unknown-tag", Severity::Info),
        ("p=reject; ri=86400", "dmarc.removed-tag", Severity::Info),
        ("p=reject; pct=100", "dmarc.removed-tag", Severity::Info),
        ("p=reject; pct=50", "dmarc.readings-differ", Severity::Info),
        ("p=reject; sp=none", "dmarc.subdomains-weaker", Severity::Warning),
        ("p=reject; np=none", "dmarc.nonexistent-weaker", Severity::Warning),
        ("p=reject; psd=y", "dmarc.psd-here", Severity::Warning),
        ("p=reject; t=y", "dmarc.testing", Severity::Info),
        ("p=quarantine; t=y", "dmarc.testing", Severity::Warning),
        ("p=reject; rua=a@example.com", "dmarc.report-address-without-scheme", Severity::Warning),
        ("p=reject; rua=mailto:", "dmarc.report-address-invalid", Severity::Warning),
        ("p=reject; rua=mailto:a@example.com,", "dmarc.report-address-empty", Severity::Warning),
        ("p=reject; rua=mailto:a@example.com!10m", "dmarc.report-size-suffix", Severity::Info),
        ("p=reject; ruf=https://example.com/r", "dmarc.report-address-not-mail", Severity::Info),
        ("p=reject; rua=mailto:a@example.com; mailto:b@example.com", "dmarc.semicolon-in-list", Severity::Warning),
        ("p=reject; junk", "dmarc.not-a-tag", Severity::Warning),
        ("rua=mailto:a@example.com; p=reject", "dmarc.policy-not-second", Severity::Info),
        ("p=quarantine; rua=mailto:a@example.com", "dmarc.consider-reject", Severity::Info),
    ] {
        let section = of(&format!("v=DMARC1; {tags}"));
        assert_eq!(severity(&section, id), Some(severity_is), "{tags}: {:?}", ids(&section));
    }
}

#[test]
fn a_flawless_record_has_nothing_said_against_it() {
    let section = of("v=DMARC1; p=reject; rua=mailto:a@example.com");
    assert_eq!((section.state, ids(&section)), (State::Ok, vec![]));
    assert!(section.suggestions.is_empty());
    assert_eq!(section.posture[0].answer, "hard: failing mail is asked to be refused");
}

#[test]
fn findings_underline_the_bytes_in_the_block_they_name() {
    let section = of("v=DMARC1; p=monitor; rua=a@example.com; adkim=q");
    let records: Vec<&str> = section
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Record(record) => Some(record.text.as_str()),
            _ => None,
        })
        .collect();
    let quoted: Vec<_> = section
        .findings
        .iter()
        .filter_map(|finding| Some(finding.span?.of_str(records[finding.record])?.to_owned()))
        .collect();
    assert!(
        ["p=monitor", "a@example.com", "adkim=q"].iter().all(|bytes| quoted.iter().any(|q| q == bytes)),
        "{quoted:?}"
    );
}

#[test]
fn suggestions_put_right_what_is_wrong_and_are_never_stricter_than_the_evidence() {
    let value = |tags: &str| {
        let section = look(
            "example.com",
            &format!("_dmarc.example.com TXT \"v=DMARC1; {tags}\"\nexample.com TXT \"v=spf1 -all\""),
        );
        section.suggestions.first().map(|suggestion| suggestion.value.clone())
    };
    for (tags, proposed) in [
        ("p=none", Some("v=DMARC1; p=none; rua=mailto:{rua}")),
        ("p=none; rua=a@example.com!10m; ri=3600", Some("v=DMARC1; p=none; rua=mailto:a@example.com")),
        ("p=none; rua=mailto:a@example.com", Some("v=DMARC1; p=quarantine; rua=mailto:a@example.com")),
        ("p=quarantine; rua=mailto:a@example.com", None),
        ("p=reject; pct=50; rua=mailto:a@example.com", None),
        ("p=monitor; rua=mailto:a@example.com", Some("v=DMARC1; p=none; rua=mailto:a@example.com")),
        (
            "P=Reject; fo=0:1; rua=mailto:a@example.com , mailto:b@example.com;",
            Some("v=DMARC1; p=reject; rua=mailto:a@example.com,mailto:b@example.com"),
        ),
    ] {
        assert_eq!(value(tags).as_deref(), proposed, "{tags}");
    }
    let without_spf = of("v=DMARC1; p=none; rua=mailto:a@example.com");
    assert!(without_spf.suggestions.is_empty(), "nothing shows that any mail could pass");
}

#[test]
fn every_suggestion_says_why_what_could_break_and_how_to_undo_it() {
    for tags in ["p=none", "p=monitor", "p=none; rua=mailto:a@other.test"] {
        for suggestion in of(&format!("v=DMARC1; {tags}")).suggestions {
            assert!(!suggestion.why.is_empty() && !suggestion.risk.is_empty() && !suggestion.undo.is_empty(), "{tags}");
        }
    }
}

#[test]
fn a_parked_domain_is_led_to_reject_at_once() {
    let parked = "example.com MX 0 .\nexample.com TXT \"v=spf1 -all\"";
    let bare = look("example.com", parked);
    assert_eq!(bare.suggestions[0].value, "v=DMARC1; p=reject");
    let weak = look("example.com", &format!("{parked}\n_dmarc.example.com TXT \"v=DMARC1; p=none; sp=none; t=y\""));
    assert_eq!(severity(&weak, "dmarc.parked-not-refused"), Some(Severity::Warning));
    assert_eq!(weak.suggestions[0].value, "v=DMARC1; p=reject");
    let done = look("example.com", &format!("{parked}\n_dmarc.example.com TXT \"v=DMARC1; p=reject\""));
    assert!(done.suggestions.is_empty());
}

#[test]
fn a_subdomain_shows_the_record_of_its_organization() {
    let section = look("a.example.com", &format!("_dmarc.example.com TXT \"{GOOD}\"\na.example.com A 192.0.2.1"));
    assert_eq!((section.state, section.headline.as_str()), (State::Info, "quarantine"));
    let Some(Block::Record(record)) = section.blocks.first() else { panic!("a record comes first") };
    assert_eq!((record.name.as_str(), record.host.as_str()), ("_dmarc.example.com", "_dmarc"));
}

#[test]
fn a_delegated_record_says_where_it_is_kept() {
    let section = look(
        "example.com",
        &format!("_dmarc.example.com CNAME example.com.dmarc.host.test\nexample.com.dmarc.host.test TXT \"{GOOD}\""),
    );
    assert!(format!("{:?}", section.blocks).contains("example.com.dmarc.host.test (by CNAME)"));
}

#[test]
fn mxray_dmarc_gives_the_same_section_under_its_own_kind() {
    let author = AuthorDomain(Domain::new(Name::from_text("example.com").unwrap()));
    let world = World::parse(&format!("_dmarc.example.com TXT \"{GOOD}\"")).unwrap();
    let own = world.settle(author.checks()[0], &author, OffsetDateTime::UNIX_EPOCH).section;
    assert_eq!(own, look("example.com", &format!("_dmarc.example.com TXT \"{GOOD}\"")));
    assert_eq!(AuthorDomain::KIND, "dmarc");
    assert_eq!(author.verdict(&[own])[0].answer, "hard: failing mail is asked into quarantine");
}

#[test]
fn of_a_domain_that_does_not_exist_nothing_is_said_here() {
    let section = look("example.com", "example.net A 192.0.2.1");
    assert_eq!((section.state, section.findings.len(), section.suggestions.len()), (State::Absent, 0, 0));
    assert_eq!(section.facts.get("policy").unwrap(), &serde_json::Value::Null);
    let below =
        look("gone.example.com", "_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"\nexample.com A 192.0.2.1");
    assert_eq!(below.facts.get("effective_policy").unwrap(), "reject", "np speaks of names that do not exist");
}

#[test]
fn the_record_of_a_public_suffix_is_shown_and_not_criticised() {
    let section = look(
        "shop.bank.example",
        "_dmarc.bank.example TXT \"v=DMARC1; p=reject; sp=quarantine; psd=y\"\nshop.bank.example A 192.0.2.1",
    );
    assert_eq!(section.headline, "quarantine");
    assert!(!ids(&section).contains(&"dmarc.subdomains-weaker"));
    assert_eq!(section.suggestions[0].name.as_str(), "_dmarc.shop.bank.example");
}

#[test]
fn a_slip_is_proposed_as_it_was_meant_and_told_before_the_absence() {
    for (text, first, value) in [
        (
            "v=DMARC1 p=reject rua=mailto:a@example.com",
            "dmarc.near-miss",
            "v=DMARC1; p=reject; rua=mailto:a@example.com",
        ),
        (
            "v=DMARC1, p=reject, rua=mailto:a@example.com",
            "dmarc.near-miss",
            "v=DMARC1; p=reject; rua=mailto:a@example.com",
        ),
        (
            "v=DMARC1; p:reject; rua:mailto:a@example.com",
            "dmarc.policy-is-void",
            "v=DMARC1; p=reject; rua=mailto:a@example.com",
        ),
        (
            "v=DMARC1; p=\\226\\128\\156reject\\226\\128\\157; rua=mailto:a@example.com",
            "dmarc.policy-counts-as-none",
            "v=DMARC1; p=reject; rua=mailto:a@example.com",
        ),
        (
            "v=DMARC1; p=none; rua=mailto:a@example.com mailto:b@example.com",
            "dmarc.report-address-invalid",
            "v=DMARC1; p=none; rua=mailto:a@example.com,mailto:b@example.com",
        ),
        (
            "v=DMARC1; p=none; rua=mailto:a@example.com; mailto:b@example.com",
            "dmarc.semicolon-in-list",
            "v=DMARC1; p=none; rua=mailto:a@example.com,mailto:b@example.com",
        ),
        (
            "v=DMARC1; p=none; rua=mailto:a@b@example.com",
            "dmarc.report-address-invalid",
            "v=DMARC1; p=none; rua=mailto:{rua}",
        ),
    ] {
        let section = of(text);
        assert_eq!(ids(&section).first(), Some(&first), "{text}: {:?}", ids(&section));
        assert_eq!(section.suggestions[0].value, value, "{text}");
    }
    assert!(ids(&of("v=DMARC1; p:reject; rua:mailto:a@example.com")).contains(&"dmarc.colon-for-equals"));
    let several = look(
        "example.com",
        "_dmarc.example.com TXT \"v=DMARC1; p=none\"\n_dmarc.example.com TXT \"v=DMARC1; p=reject\"",
    );
    assert_eq!(ids(&several)[..2], ["dmarc.several-records", "dmarc.absent"]);
}

#[test]
fn a_record_in_the_wrong_place_is_found_and_moved() {
    for place in ["example.com", "dmarc.example.com", "_dmarc.example.com.example.com"] {
        let section = look("example.com", &format!("{place} TXT \"v=DMARC1; p=reject\"\nexample.com A 192.0.2.1"));
        assert_eq!((section.state, ids(&section)[0]), (State::Absent, "dmarc.wrong-place"), "{place}");
        assert!(section.findings[0].text.contains(place), "{}", section.findings[0].text);
        let moved = &section.suggestions[0];
        assert_eq!(
            (moved.name.as_str(), moved.value.as_str()),
            ("_dmarc.example.com", "v=DMARC1; p=reject"),
            "{place}"
        );
    }
    // The places are asked only where the right one has none, and their failure is no absence of anything.
    assert_eq!(settled("example.com", "example.com A 192.0.2.1\ndmarc.example.com TXT !timeout").depth, 2);
    let broken = look("example.com", "example.com A 192.0.2.1\ndmarc.example.com TXT !timeout");
    assert_eq!(ids(&broken), ["dmarc.absent"]);
}

#[test]
fn a_cname_that_leads_nowhere_is_told_and_has_to_go_first() {
    let section = look("example.com", "_dmarc.example.com CNAME example.provider.test\nexample.com A 192.0.2.1");
    assert_eq!((section.state, ids(&section)[0]), (State::Absent, "dmarc.cname-to-nowhere"));
    assert!(
        section.findings[0].text.contains("example.provider.test, which does not exist"),
        "{}",
        section.findings[0].text
    );
    assert!(section.suggestions[0].why.contains("Remove the CNAME to example.provider.test first"));
}

#[test]
fn under_a_public_suffix_the_proposal_is_a_record_of_ones_own_that_asks_for_no_less() {
    let world = "_dmarc.gov.example TXT \"v=DMARC1; p=reject; sp=quarantine; np=reject; psd=y\"
        www.other.gov.example A 192.0.2.1\nother.gov.example A 192.0.2.1";
    for name in ["other.gov.example", "www.other.gov.example"] {
        let section = look(name, world);
        let proposed = &section.suggestions[0];
        assert_eq!(proposed.name.as_str(), "_dmarc.other.gov.example");
        assert_eq!(proposed.value, "v=DMARC1; p=quarantine; np=reject; rua=mailto:{rua}");
    }
}

#[test]
fn a_record_above_the_name_that_people_register_is_not_proposed_for_a_change() {
    let section = look("shop.com", "_dmarc.com TXT \"v=DMARC1; p=none\"\nshop.com A 192.0.2.1");
    let proposed: Vec<_> = section.suggestions.iter().map(|s| (s.name.as_str(), s.value.as_str())).collect();
    assert_eq!(proposed, [("_dmarc.shop.com", "v=DMARC1; p=none; rua=mailto:{rua}")]);
}

#[test]
fn a_record_that_is_there_is_not_called_unseen_when_only_the_names_existence_is_not_known() {
    let world = "_dmarc.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"\nzz.example.com A !servfail";
    let section = look("zz.example.com", world);
    assert_eq!((section.state, ids(&section)[0]), (State::Unknown, "dmarc.existence-unknown"));
    let text = &section.findings[0].text;
    assert!(text.contains("sp=quarantine") && text.contains("np=reject"), "{text}");
}

#[test]
fn a_tag_that_stands_twice_makes_no_promise_of_safety() {
    let section = of("v=DMARC1; p=reject; p=none; rua=mailto:a@example.com");
    assert_eq!(section.posture[0].severity, Severity::Warning, "{}", section.posture[0].answer);
}

#[test]
fn for_a_subdomain_the_advice_names_the_tag_that_counts_there() {
    let world = "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=quarantine; rua=mailto:a@example.com\"\nnews.example.com A 192.0.2.1";
    let section = look("news.example.com", world);
    let advice = section.findings.iter().find(|finding| finding.id == "dmarc.consider-reject").unwrap();
    assert!(advice.text.contains("sp=reject at _dmarc.example.com"), "{}", advice.text);
}

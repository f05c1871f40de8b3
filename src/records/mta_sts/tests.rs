//! The MTA-STS section on literal worlds.

use time::macros::datetime;

use super::*;
use crate::check::world::{Settled, World};
use crate::check::{HttpsOutcome, Outcome};
use crate::finding::{Severity, SuggestionKind};
use crate::name::Name;
use crate::records::Domain;
use crate::report::{Section, State};

const URL: &str = "https://mta-sts.example.com/.well-known/mta-sts.txt";
const DNS: &str = "_mta-sts.example.com TXT \"v=STSv1; id=1;\"
    mta-sts.example.com A 192.0.2.80
    example.com MX 10 mx1.example.com
    example.com MX 20 mx2.example.net";
const FILE: &str = "version: STSv1\nmode: enforce\nmx: mx1.example.com\nmx: *.example.net\nmax_age: 604800\n";

fn domain() -> Domain {
    Domain::new(Name::from_text("example.com").unwrap())
}

fn settle(world: World) -> Settled {
    world.settle(&MtaStsCheck, &domain(), datetime!(2026-11-24 12:04:31 UTC))
}

fn with(dns: &str, file: &str) -> Section {
    settle(World::parse(dns).unwrap().with_file(URL, file)).section
}

fn served(outcome: HttpsOutcome) -> Section {
    settle(World::parse(DNS).unwrap().with_https(URL, outcome)).section
}

fn severity(section: &Section, id: &str) -> Option<Severity> {
    section.findings.iter().find(|finding| finding.id == id).map(|finding| finding.severity)
}

fn ids(section: &Section) -> Vec<&'static str> {
    section.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn record_policy_mx_and_host_are_asked_in_one_round() {
    let settled = settle(World::parse(DNS).unwrap().with_file(URL, FILE));
    assert_eq!((settled.depth, settled.asked.len()), (1, 7));
    assert_eq!((settled.section.state, ids(&settled.section)), (State::Ok, vec![]));
    assert!(settled.section.suggestions.is_empty());
    assert_eq!(settled.section.posture[0].answer, "hard: MTA-STS enforces verified TLS");
}

#[test]
fn facts_follow_the_contract() {
    let section = with(DNS, FILE);
    let fact = |key: &str| section.facts.get(key).unwrap().clone();
    assert_eq!((fact("record"), fact("id")), ("v=STSv1; id=1;".into(), "1".into()));
    let policy = serde_json::json!({"mode": "enforce", "mx": ["mx1.example.com", "*.example.net"], "max_age": 604_800});
    assert_eq!((fact("policy"), fact("mx_covered")), (policy, true.into()));
}

#[test]
fn the_domain_of_the_crash_course_lists_none_of_its_mx() {
    let world = World::parse(
        "monsec.example MX 1 smtp.google.example
         _mta-sts.monsec.example TXT \"v=STSv1;id=1707645265270;\"
         mta-sts.monsec.example A 192.0.2.80",
    )
    .unwrap()
    .with_file(
        "https://mta-sts.monsec.example/.well-known/mta-sts.txt",
        "version: STSv1\nmode: testing\nmx: aspmx.l.google.example\nmx: aspmx2.googlemail.example\nmx: aspmx3.googlemail.example\nmx: alt1.aspmx.l.google.example\nmx: alt2.aspmx.l.google.example\nmax_age: 604800\n",
    );
    let domain = Domain::new(Name::from_text("monsec.example").unwrap());
    let section = world.settle(&MtaStsCheck, &domain, datetime!(2026-11-24 12:04:31 UTC)).section;
    let top = &section.findings[0];
    assert_eq!((top.id, top.severity, section.headline.as_str()), ("mta-sts.no-mx-listed", Severity::Error, "testing"));
    assert!(
        top.text.starts_with("MTA-STS policy does not list your MX smtp.google.example: \"enforce\" would stop mail")
    );
    assert_eq!(section.posture[0].answer, "yes: MTA-STS is testing");
    let [file, record] = section.suggestions.as_slice() else { panic!("{:?}", section.suggestions) };
    assert_eq!((file.kind, file.step, record.step), (SuggestionKind::File, 1, 2));
    assert_eq!(file.value, "version: STSv1\nmode: testing\nmx: smtp.google.example\nmax_age: 604800\n");
    assert!(file.current.as_ref().unwrap().contains("aspmx3"));
    assert_eq!(record.value, "v=STSv1; id=20261124120431;");
    assert_eq!((record.host.as_str(), record.current.as_deref()), ("_mta-sts", Some("v=STSv1;id=1707645265270;")));
    assert_eq!(section.facts.get("mx_covered").unwrap(), false);
}

#[test]
fn a_bad_line_of_the_policy_is_quoted_from_the_file() {
    let section = with(DNS, "version: STSv1\nmode: sometimes\nmx: mx1.example.com\nmax_age: 604800\n");
    let finding = section.findings.iter().find(|finding| finding.id == "mta-sts.policy-invalid").unwrap();
    let (name, text) = section.text_of(finding).unwrap();
    assert!(name.starts_with("https://"), "{name}");
    assert_eq!(finding.span.unwrap().of_str(text), Some("mode: sometimes"));
}

#[test]
fn some_unlisted_mx_are_a_warning_and_none_listed_is_an_error() {
    let some = with(DNS, "version: STSv1\nmode: enforce\nmx: mx1.example.com\nmax_age: 604800\n");
    assert_eq!(severity(&some, "mta-sts.some-mx-unlisted"), Some(Severity::Warning));
    let posture = &some.posture[0];
    assert!(posture.answer.starts_with("hard, by the listed MX alone") && posture.severity == Severity::Info);
    let none = with(DNS, "version: STSv1\nmode: enforce\nmx: other.example.com\nmax_age: 604800\n");
    assert_eq!(severity(&none, "mta-sts.no-mx-listed"), Some(Severity::Error));
    assert!(none.findings[0].text.contains("mx1.example.com, mx2.example.net: senders that honour it deliver nothing"));
    assert!(none.suggestions[0].value.contains("mode: testing"), "certificates were not seen, so nothing is enforced");
    let off = with(DNS, "version: STSv1\nmode: none\nmax_age: 604800\n");
    assert_eq!(
        (severity(&off, "mta-sts.no-mx-listed"), severity(&off, "mta-sts.mode-none")),
        (None, Some(Severity::Info))
    );
    assert!(off.suggestions.is_empty());
}

#[test]
fn the_implicit_mx_counts_and_a_wildcard_does_not_match_the_apex() {
    let dns = "_mta-sts.example.com TXT \"v=STSv1; id=1;\"\nmta-sts.example.com A 192.0.2.80\nexample.com A 192.0.2.1";
    let apex = with(dns, "version: STSv1\nmode: enforce\nmx: *.example.com\nmax_age: 604800\n");
    assert_eq!(severity(&apex, "mta-sts.no-mx-listed"), Some(Severity::Error));
    let named = with(dns, "version: STSv1\nmode: enforce\nmx: example.com\nmax_age: 604800\n");
    assert_eq!(ids(&named), Vec::<&str>::new());
}

#[test]
fn each_way_to_fail_over_https_is_its_own_finding() {
    for (outcome, id, state) in [
        (HttpsOutcome::Status(404), "mta-sts.policy-status", State::Error),
        (
            HttpsOutcome::Redirect { status: 301, location: Some("https://www.example.com/".into()) },
            "mta-sts.policy-redirected",
            State::Error,
        ),
        (HttpsOutcome::NoAddress(Outcome::NoSuchName), "mta-sts.policy-host-missing", State::Error),
        (HttpsOutcome::Tls("the certificate expired on 2026-01-01".into()), "mta-sts.policy-certificate", State::Error),
        (HttpsOutcome::NoAddress(Outcome::ServerFailure), "mta-sts.policy-unreachable", State::Unknown),
        (HttpsOutcome::NoConnection("connection refused".into()), "mta-sts.policy-unreachable", State::Unknown),
        (HttpsOutcome::TimedOut("connected".into()), "mta-sts.policy-unreachable", State::Unknown),
        (HttpsOutcome::Failed("cut off".into()), "mta-sts.policy-unreachable", State::Unknown),
    ] {
        let section = served(outcome.clone());
        assert_eq!((section.state, ids(&section)), (state, vec![id]), "{outcome:?}");
        if state == State::Unknown {
            assert!(section.suggestions.is_empty(), "nothing is proposed over what may be there");
        }
    }
}

#[test]
fn content_type_and_size_are_warnings_only() {
    let body = |content_type: Option<&str>, cut| HttpsOutcome::Body {
        content_type: content_type.map(String::from),
        body: FILE.into(),
        cut,
    };
    assert_eq!(ids(&served(body(Some("text/plain; charset=utf-8"), false))), Vec::<&str>::new());
    assert_eq!(ids(&served(body(Some("Text/Plain"), false))), Vec::<&str>::new());
    for (outcome, id) in [
        (body(Some("text/html"), false), "mta-sts.policy-content-type"),
        (body(None, false), "mta-sts.policy-content-type"),
        (body(Some("text/plain"), true), "mta-sts.policy-too-long"),
    ] {
        let section = served(outcome);
        assert_eq!((section.state, ids(&section)), (State::Warning, vec![id]));
        assert_eq!(section.headline, "enforce", "the policy counts all the same");
    }
}

#[test]
fn record_without_policy_and_policy_without_record_and_neither_are_three_messages() {
    assert_eq!(ids(&served(HttpsOutcome::Status(404))), ["mta-sts.policy-status"]);
    let unannounced = with("mta-sts.example.com A 192.0.2.80\nexample.com MX 10 mx1.example.com", FILE);
    assert_eq!((unannounced.state, ids(&unannounced)), (State::Absent, vec!["mta-sts.policy-without-record"]));
    assert_eq!(unannounced.suggestions[0].value, "v=STSv1; id=20261124120431;");
    let neither = settle(World::parse("example.com MX 10 mx1.example.com").unwrap()).section;
    assert_eq!((neither.state, ids(&neither)), (State::Absent, vec!["mta-sts.absent"]));
    let values: Vec<&str> = neither.suggestions.iter().map(|suggestion| suggestion.value.as_str()).collect();
    assert_eq!(
        values,
        [
            "{web}.",
            "version: STSv1\nmode: testing\nmx: mx1.example.com\nmax_age: 604800\n",
            "v=STSv1; id=20261124120431;"
        ]
    );
    assert_eq!(neither.suggestions.iter().map(|suggestion| suggestion.step).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_record_that_is_invalid_or_doubled_or_nearly_one_counts_for_nothing() {
    for (txt, id) in [
        ("\"v=STSv1;\"", "mta-sts.record-invalid"),
        ("\"v=STSv1; id=a-b;\"", "mta-sts.record-invalid"),
        ("\"v=stsv1; id=1;\"", "mta-sts.near-miss"),
        ("\" v=STSv1; id=1;\"", "mta-sts.near-miss"),
        ("\"v=STSv1; id=1;\"\n_mta-sts.example.com TXT \"v=STSv1; id=2;\"", "mta-sts.several-records"),
    ] {
        let dns = DNS.replace("\"v=STSv1; id=1;\"", txt);
        let section = with(&dns, FILE);
        assert_eq!((section.state, section.headline.as_str()), (State::Error, "void"), "{txt}");
        assert_eq!(severity(&section, id), Some(Severity::Error), "{txt}");
        assert_eq!(section.suggestions.len(), 1, "the file is good; only the record is replaced: {txt}");
    }
    let beside = with(&format!("{DNS}\n_mta-sts.example.com TXT \"hello\""), FILE);
    assert_eq!(beside.state, State::Ok, "other texts are discarded");
}

#[test]
fn a_record_kept_elsewhere_by_cname_is_followed() {
    let dns = DNS.replace("_mta-sts.example.com TXT", "_mta-sts.example.com CNAME sts.host.test\nsts.host.test TXT");
    let section = with(&dns, FILE);
    assert_eq!(section.state, State::Ok);
    assert!(format!("{:?}", section.blocks).contains("sts.host.test (by CNAME)"));
}

#[test]
fn a_policy_that_is_no_policy_says_what_is_wrong_with_it() {
    for (file, id) in [
        ("<!DOCTYPE html>\n<html>\n", "mta-sts.policy-not-a-policy"),
        ("version: STSv1\nmode: enforce\nmax_age: 604800\n", "mta-sts.policy-incomplete"),
        ("version: STSv1\nmode: Enforce\nmx: mx1.example.com\nmax_age: 604800\n", "mta-sts.policy-invalid"),
    ] {
        let section = with(DNS, file);
        assert_eq!(severity(&section, id), Some(Severity::Error), "{file}: {:?}", ids(&section));
        assert_eq!((section.state, section.headline.as_str()), (State::Error, "void"));
    }
    let short = with(DNS, &FILE.replace("604800", "60"));
    assert_eq!(severity(&short, "mta-sts.max-age-short"), Some(Severity::Warning));
    let long = with(DNS, &FILE.replace("604800", "99999999"));
    assert_eq!(severity(&long, "mta-sts.max-age-too-long"), Some(Severity::Warning));
}

#[test]
fn a_failed_lookup_of_the_record_is_unknown_and_never_absent() {
    for fault in ["!servfail", "!refused", "!timeout", "!malformed", "!failed"] {
        let dns = DNS.replace("\"v=STSv1; id=1;\"", fault);
        let section = with(&dns, FILE);
        assert_eq!((section.state, ids(&section)), (State::Unknown, vec!["mta-sts.unknown"]), "{fault}");
        assert!(section.suggestions.is_empty());
        let section = settle(World::parse(&dns).unwrap()).section;
        assert_eq!((section.state, ids(&section)), (State::Unknown, vec!["mta-sts.unknown"]), "{fault}");
    }
}

#[test]
fn a_failed_lookup_of_the_mx_leaves_the_coverage_open() {
    let dns = "_mta-sts.example.com TXT \"v=STSv1; id=1;\"\nmta-sts.example.com A 192.0.2.80\nexample.com MX !timeout";
    let section = with(dns, FILE);
    assert_eq!(severity(&section, "mta-sts.mx-unknown"), Some(Severity::Warning));
    assert_eq!(section.facts.get("mx_covered").unwrap(), &serde_json::Value::Null);
    assert!(section.suggestions.is_empty());
}

#[test]
fn what_was_remembered_tells_when_only_one_of_id_and_policy_changed() {
    let mut domain = domain();
    let world = World::parse(DNS).unwrap().with_file(URL, FILE);
    let mut look = |remembered| {
        domain.remembered = remembered;
        ids(&world.settle(&MtaStsCheck, &domain, datetime!(2026-11-24 12:04:31 UTC)).section)
    };
    let kept =
        |id: &str, body: &str| Some(RememberedSts { id: id.into(), policy_sha256: policy_hash(body.as_bytes()) });
    assert_eq!(look(kept("1", FILE)), Vec::<&str>::new());
    assert_eq!(look(kept("1", "old")), ["mta-sts.id-unchanged"]);
    assert_eq!(look(kept("0", FILE)), ["mta-sts.policy-unchanged"]);
    assert_eq!(look(kept("0", "old")), Vec::<&str>::new());
}

#[test]
fn a_domain_that_takes_no_mail_needs_none() {
    let section = settle(World::parse("example.com MX 0 .").unwrap()).section;
    assert_eq!((section.state, ids(&section)), (State::Absent, vec!["mta-sts.absent"]));
    assert!(section.suggestions.is_empty());
    assert_eq!(section.posture[0].answer, "no: the domain takes no mail");
}

#[test]
fn of_a_name_that_does_not_exist_nothing_is_said_here() {
    let section = settle(World::parse("example.net A 192.0.2.1").unwrap()).section;
    assert_eq!((section.state, section.findings.len(), section.suggestions.len()), (State::Absent, 0, 0));
    assert_eq!(section.posture[0].answer, "no: the name does not exist and takes no mail");
}

#[test]
fn an_enforced_policy_that_lists_no_mx_is_no_protection_but_a_stop() {
    let section = with(DNS, "version: STSv1\nmode: enforce\nmx: other.example.com\nmax_age: 604800\n");
    assert_eq!(section.posture[0].severity, Severity::Error);
}

#[test]
fn a_name_without_an_mx_record_is_not_urged() {
    let section = settle(World::parse("example.com A 192.0.2.1").unwrap()).section;
    assert_eq!((ids(&section), section.suggestions.len()), (vec!["mta-sts.absent"], 0));
    assert_eq!(section.findings[0].fix, None);
}

#[test]
fn what_is_enforced_and_works_is_not_proposed_to_be_weaker() {
    for file in [
        "version: STSv1\nmode: enforce\nmx: mx1.example.com\nmx: *.example.net\nmax_age: 60\n",
        "version: STSv1\nmode: enforce\nmx: mx1.example.com\nmax_age: 604800\n",
    ] {
        let section = with(DNS, file);
        assert!(section.suggestions[0].value.contains("mode: enforce"), "{}", section.suggestions[0].value);
        assert!(
            !section.suggestions.iter().any(|one| one.risk.starts_with("None while")),
            "{:#?}",
            section.suggestions
        );
    }
}

#[test]
fn a_policy_that_holds_is_not_sent_back_to_testing_for_its_max_age() {
    let file =
        "version: STSv1\nmode: enforce\nmx: mx1.example.com\nmx: *.example.net\nmx: spare.example.org\nmax_age: 600\n";
    let section = with(DNS, file);
    assert_eq!(ids(&section), ["mta-sts.max-age-short"]);
    let proposed = section.suggestions.iter().find(|one| one.kind == SuggestionKind::File).unwrap();
    assert_eq!(proposed.value, file.replace("600", "604800"));
    assert!(!proposed.why.contains("testing") && !proposed.risk.contains("testing"), "{proposed:?}");
}

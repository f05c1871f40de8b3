//! What holds of the policy sections for any published text: they never panic, a finding's span lies in the record that it
//! names, and a suggestion that is followed leaves nothing broken.

use mxray::check::Check;
use mxray::check::world::World;
use mxray::finding::{Severity, SuggestionKind};
use mxray::name::Name;
use mxray::records::Domain;
use mxray::records::dmarc::DmarcCheck;
use mxray::records::mta_sts::MtaStsCheck;
use mxray::records::tls_rpt::TlsRptCheck;
use mxray::report::Section;
use proptest::prelude::*;
use time::macros::datetime;

const URL: &str = "https://mta-sts.example.com/.well-known/mta-sts.txt";

/// One TXT text, escaped as the world's lines want it.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A domain with the given texts at a label, and whatever else every policy needs.
fn world(label: &str, texts: &[String], file: &str) -> World {
    let mut lines = vec![
        "example.com A 192.0.2.1".to_owned(),
        "example.com MX 10 mx.example.com".to_owned(),
        "mta-sts.example.com A 192.0.2.80".to_owned(),
    ];
    lines.extend(texts.iter().map(|text| format!("{label}.example.com TXT \"{}\"", quoted(text))));
    World::parse(&lines.join("\n")).unwrap().with_file(URL, file)
}

fn settle(check: &dyn Check<Domain>, world: &World) -> Section {
    let domain = Domain::new(Name::from_text("example.com").unwrap());
    world.settle(check, &domain, datetime!(2026-11-24 12:04:31 UTC)).section
}

fn spans_lie_inside(section: &Section) {
    for finding in &section.findings {
        if let Some(span) = finding.span {
            let (_, text) = section.text_of(finding).unwrap_or_else(|| panic!("{finding:?} has no record"));
            assert!(span.of_str(text).is_some(), "{finding:?} in {text:?}");
        }
    }
}

/// The suggested text at a name, its blanks filled in as a person would.
fn followed(section: &Section, name: &str) -> Option<String> {
    let suggestion = section.suggestions.iter().find(|s| s.name.as_str() == name && s.rr_type == "TXT")?;
    Some(suggestion.value.replace("{rua}", "reports@example.com"))
}

fn tag() -> impl Strategy<Value = String> {
    let name = prop_oneof!["p", "sp", "np", "t", "psd", "adkim", "aspf", "fo", "pct", "ri", "P", "foo"];
    let value =
        prop_oneof!["none|quarantine|reject|Reject|monitor|", "[ynrsd01]", "0:1", "[0-9]{1,3}", "[ a-z=:,!@.]{0,12}",];
    let rua = prop_oneof![
        Just("rua=mailto:a@example.com".to_owned()),
        Just("rua=a@example.com, mailto:b@example.com!10m".to_owned()),
        Just("ruf=mailto:".to_owned()),
        Just("mailto:c@example.com".to_owned()),
    ];
    prop_oneof![3 => (name, value).prop_map(|(name, value)| format!("{name}={value}")), 1 => rua]
}

fn dmarc() -> impl Strategy<Value = String> {
    let version =
        prop_oneof![8 => Just("v=DMARC1"), 1 => Just(" v=DMARC1"), 1 => Just("v=dmarc1"), 1 => Just("v=DMARC1\\")];
    (version, proptest::collection::vec(tag(), 0..6))
        .prop_map(|(version, tags)| format!("{version}; {}", tags.join("; ")))
}

proptest! {
    #[test]
    fn following_a_dmarc_suggestion_leaves_no_error(texts in proptest::collection::vec(dmarc(), 1..3)) {
        let before = settle(&DmarcCheck, &world("_dmarc", &texts, ""));
        spans_lie_inside(&before);
        let broken = before.worst() == Severity::Error;
        match followed(&before, "_dmarc.example.com") {
            None => prop_assert!(!broken, "nothing is proposed for {texts:?}: {:?}", before.findings),
            Some(text) => {
                let after = settle(&DmarcCheck, &world("_dmarc", std::slice::from_ref(&text), ""));
                prop_assert!(after.worst() < Severity::Error, "{texts:?} became {text:?}: {:?}", after.findings);
            }
        }
    }

    #[test]
    fn a_dmarc_suggestion_is_never_stricter_without_spf(texts in proptest::collection::vec(dmarc(), 1..2)) {
        let effective = |section: &Section| match section.facts.get("policy").and_then(|policy| policy.as_str()) {
            Some("reject") => 2,
            Some("quarantine") => 1,
            _ => 0,
        };
        let before = settle(&DmarcCheck, &world("_dmarc", &texts, ""));
        if let Some(text) = followed(&before, "_dmarc.example.com")
            && before.facts.get("policy").is_some_and(|policy| !policy.is_null())
            && !before.findings.iter().any(|finding| finding.id == "dmarc.policy-counts-as-none")
        {
            let after = settle(&DmarcCheck, &world("_dmarc", std::slice::from_ref(&text), ""));
            prop_assert!(effective(&after) <= effective(&before), "{texts:?} became {text:?}");
        }
    }

    #[test]
    fn following_a_tls_rpt_suggestion_leaves_no_error(text in "(v=TLSRPTv1;|v=tlsrptv1;)( rua=)?(mailto:a@b.example|a@b.example|ftp://x.example|[ a-z:,;!@=.]{0,20}){0,3}") {
        let before = settle(&TlsRptCheck, &world("_smtp._tls", std::slice::from_ref(&text), ""));
        spans_lie_inside(&before);
        match followed(&before, "_smtp._tls.example.com") {
            None => prop_assert!(before.worst() < Severity::Error, "{text:?}: {:?}", before.findings),
            Some(fixed) => {
                let after = settle(&TlsRptCheck, &world("_smtp._tls", std::slice::from_ref(&fixed), ""));
                prop_assert!(after.findings.is_empty(), "{text:?} became {fixed:?}: {:?}", after.findings);
            }
        }
    }

    #[test]
    fn following_the_mta_sts_suggestions_leaves_every_mx_listed(
        text in "(v=STSv1;|v=stsv1;|v=STSv1)( id=[a-z0-9-]{0,3})?(;| x)?",
        file in "(version: STSv1\n)?(mode: (enforce|testing|Testing)\n)?(mx: (mx.example.com|\\*.example.com|other.test|.bad)\n){0,3}(max_age: [0-9]{1,9}\n)?[a-z:<]{0,6}",
    ) {
        let before = settle(&MtaStsCheck, &world("_mta-sts", std::slice::from_ref(&text), &file));
        spans_lie_inside(&before);
        let suggested = before.suggestions.iter().find(|suggestion| suggestion.kind == SuggestionKind::File);
        let new_file = suggested.map_or(file.clone(), |suggestion| suggestion.value.clone());
        let new_text = followed(&before, "_mta-sts.example.com").unwrap_or_else(|| text.clone());
        prop_assert_eq!(suggested.is_some() && followed(&before, "_mta-sts.example.com").is_none(), false, "a file needs a new id");
        let after = settle(&MtaStsCheck, &world("_mta-sts", std::slice::from_ref(&new_text), &new_file));
        prop_assert!(after.worst() < Severity::Error, "{text:?} {file:?} became {new_text:?} {new_file:?}: {:?}", after.findings);
        prop_assert_eq!(after.facts.get("mx_covered"), Some(&serde_json::json!(true)));
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(text in any::<String>(), file in any::<String>()) {
        // A line of the world is one line.
        let text = text.replace(['\n', '\r'], " ");
        for (label, check) in [
            ("_dmarc", &DmarcCheck as &dyn Check<Domain>),
            ("_mta-sts", &MtaStsCheck),
            ("_smtp._tls", &TlsRptCheck),
        ] {
            for start in ["", "v=DMARC1;", "v=STSv1;", "v=TLSRPTv1;"] {
                spans_lie_inside(&settle(check, &world(label, &[format!("{start}{text}")], &file)));
            }
        }
    }
}

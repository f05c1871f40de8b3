//! What is published beside what the resolver keeps, through the engine in the demo world: authoritative servers on ports of
//! their own, one that knows no zone, and addresses that nobody should be sent to.

use std::sync::Arc;
use std::time::Duration;

use mxray::config::Settings;
use mxray::job::{Job, Task};
use mxray::lab::Lab;
use mxray::name::Name;
use mxray::records::with_requested;
use mxray::report::{Report, Section, State};

async fn ask(settings: Settings, domain: &str, only: Vec<String>) -> Arc<Report> {
    let engine = crate::job::engine(Settings { timeout: Duration::from_secs(2), ..settings });
    let name = Name::from_text(domain).unwrap();
    crate::job::finish(&engine, Job { only, ..Job::new(Task::Domain { name, selectors: Vec::new() }) }).await
}

fn published(report: &Report) -> &Section {
    report.sections.iter().find(|section| section.id == "published").expect("it was asked for")
}

fn only() -> Vec<String> {
    vec!["published".to_owned()]
}

fn ids(section: &Section) -> Vec<&str> {
    section.findings.iter().map(|finding| finding.id).collect()
}

#[tokio::test]
async fn the_lagging_domain_shows_what_is_kept_and_for_how_long() {
    let lab = Lab::start().await.unwrap();
    let report = ask(lab.settings(), "lagging.example", only()).await;
    let section = published(&report);
    let said: Vec<&str> = section.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(ids(section), ["published.lame", "published.resolver-behind", "published.resolver-behind"], "{said:#?}");
    let dmarc = said.iter().find(|text| text.contains("_dmarc")).unwrap();
    assert!(dmarc.contains("published; your resolver keeps the old answer for 42 minutes"), "{dmarc}");
    assert!(dmarc.contains("Published: v=DMARC1; p=reject; rua="), "{dmarc}");
    assert!(said.iter().any(|text| text.contains("old.lagging.example") && text.contains("refuses")), "{said:#?}");
    // Each server was asked by itself, at the port that its address stands for, and none of it came from a cache.
    let direct: Vec<_> = report.lookups.iter().filter(|lookup| lookup.name == "_dmarc.lagging.example").collect();
    let vias: std::collections::BTreeSet<&str> = direct.iter().map(|lookup| lookup.via.as_str()).collect();
    assert_eq!((direct.len(), vias.len()), (4, 3), "{direct:#?}");
    assert!(direct.iter().all(|lookup| !lookup.cached && lookup.asked_by == ["published"]), "{direct:#?}");
}

#[tokio::test]
async fn a_domain_in_step_says_so_and_only_where_it_was_asked_for() {
    let lab = Lab::start().await.unwrap();
    let report = ask(lab.settings(), "monsec.example", with_requested(&[])).await;
    let section = published(&report);
    assert_eq!((section.headline.as_str(), section.state), ("in step", State::Ok), "{:#?}", section.findings);
    assert_eq!(report.sections.last().map(|section| section.id), Some("published"), "its place is the last");
    assert_eq!(section.facts["servers"].as_array().unwrap().len(), 2);
    let report = ask(lab.settings(), "monsec.example", Vec::new()).await;
    assert!(report.sections.iter().all(|section| section.id != "published"));
    let direct =
        report.lookups.iter().any(|lookup| lookup.kind == "dns" && !lookup.via.ends_with(&lab.address().to_string()));
    assert!(!direct, "an audit asks nobody but the resolver");
}

#[tokio::test]
async fn every_name_server_of_the_demo_world_speaks_for_its_zones() {
    let lab = Lab::start().await.unwrap();
    for zone in lab.zones().iter().filter(|zone| zone.ends_with("example") && *zone != "lagging.example") {
        let report = ask(lab.settings(), zone, only()).await;
        let section = published(&report);
        let servers = section.facts.get("servers").and_then(|servers| servers.as_array());
        let servers = servers.unwrap_or_else(|| panic!("{zone}: {section:?}"));
        assert!(!servers.is_empty(), "{zone} has none");
        for server in servers {
            assert_eq!(server["state"], "authoritative", "{zone}: {server}");
        }
    }
}

#[tokio::test]
async fn addresses_that_are_not_public_are_not_asked() {
    let lab = Lab::start().await.unwrap();
    // The demo's own mapping is what lets its documentation addresses be asked; without it nothing goes out.
    let settings = Settings { connect_to: Vec::new(), ..lab.settings() };
    let report = ask(settings, "monsec.example", only()).await;
    let section = published(&report);
    assert_eq!((section.state, ids(section)), (State::Unknown, vec!["published.could-not-look"]));
    let text = &section.findings[0].text;
    assert!(
        text.contains("192.0.2.53 is for documentation only") && text.contains("mxray does not ask there"),
        "{text}"
    );
    let out = report.lookups.iter().filter(|lookup| !lookup.via.is_empty());
    assert!(
        out.clone().all(|lookup| lookup.via.ends_with(&lab.address().to_string())),
        "{:#?}",
        out.collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_fault_at_the_zones_own_servers_is_not_absence() {
    let lab = Lab::start().await.unwrap();
    for fault in ["servfail", "timeout", "malformed"] {
        lab.set_fault("lagging.example", Some("SOA"), fault).unwrap();
        let report = ask(lab.settings(), "lagging.example", only()).await;
        let section = published(&report);
        assert_eq!((section.state, ids(section)), (State::Unknown, vec!["published.could-not-look"]), "{fault}");
    }
    lab.clear_faults();
    // Long answers come over TCP from these servers too.
    lab.set_fault("_dmarc.lagging.example", Some("TXT"), "truncate").unwrap();
    let report = ask(lab.settings(), "lagging.example", only()).await;
    let direct = report
        .lookups
        .iter()
        .filter(|lookup| lookup.name == "_dmarc.lagging.example" && lookup.outcome == Some("answer"));
    assert!(
        direct.clone().count() >= 3 && direct.clone().all(|lookup| lookup.via.starts_with("tcp ")),
        "{:#?}",
        direct.collect::<Vec<_>>()
    );
}

/// Nobody is led to publish once more what is published already, or to put a change to the old record over the new one.
#[tokio::test]
async fn a_section_that_judged_a_kept_record_says_so_and_proposes_no_change_to_it() {
    let lab = Lab::start().await.unwrap();
    let alone = ask(lab.settings(), "lagging.example", Vec::new()).await;
    let with = ask(lab.settings(), "lagging.example", with_requested(&[])).await;
    let section = |report: &Report, id: &str| report.sections.iter().find(|section| section.id == id).unwrap().clone();
    for (id, name) in [("spf", "lagging.example"), ("dmarc", "_dmarc.lagging.example")] {
        let proposes = |report: &Report| section(report, id).suggestions.iter().any(|one| one.name.as_str() == name);
        assert!(proposes(&alone) && !proposes(&with), "{id}");
        let first = section(&with, id).findings[0].clone();
        assert_eq!(first.id, "published.judged-is-old", "{id}");
        assert!(
            first.text.contains("still keeps for 42 minutes") && first.text.contains("is left out"),
            "{}",
            first.text
        );
        assert!(!first.evidence.is_empty() && ids(&section(&alone, id)).iter().all(|id| *id != first.id));
    }
    let dmarc = section(&with, "dmarc").findings[0].text.clone();
    assert!(
        dmarc.contains("the old DMARC")
            && dmarc.contains("p=none")
            && dmarc.contains("Published is: v=DMARC1; p=reject"),
        "{dmarc}"
    );
    // The other records are the same at both, and nothing is said of them.
    for id in ["mx", "tls-rpt", "address"] {
        assert_eq!(section(&with, id).suggestions, section(&alone, id).suggestions, "{id}");
        assert!(!ids(&section(&with, id)).contains(&"published.judged-is-old"), "{id}");
    }
    let first: Vec<&str> =
        with.verdict.iter().filter(|line| line.question == "DO FIRST").map(|line| line.answer.as_str()).collect();
    assert!(!first.iter().any(|answer| answer.contains("p=quarantine") || answer.contains("~all")), "{first:?}");
}

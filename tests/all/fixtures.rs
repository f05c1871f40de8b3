//! Worlds as files: one `tests/fixtures/records/*.toml` is one domain with everything that it publishes, and what each
//! check must find there. A new file is a new test; `check::world` says how a zone is written.
//!
//! ```toml
//! about = "one sentence"
//! subject = "monsec.example"
//! now = "2026-11-24T08:00:00Z"
//! dnssec = "insecure"                  # secure, insecure, bogus, claimed, unknown
//! zone = '''…'''
//! [[file]]                             # HTTPS; `body`, or `fails` = "404", "tls: why", "timeout: where"
//! url = "https://…"
//! body = '''…'''
//! [check.spf]
//! state = "ok"
//! findings = []                        # ids, sorted
//! depth = 3                            # rounds of answers: the longest chain of dependent questions
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use mxray::check::world::{Settled, World};
use mxray::check::{Dnssec, HttpsOutcome, Subject};
use mxray::name::Name;
use mxray::records::{ALL, Domain};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    about: String,
    subject: String,
    #[serde(default)]
    selectors: Vec<String>,
    now: String,
    dnssec: String,
    zone: String,
    #[serde(default)]
    file: Vec<File>,
    check: BTreeMap<String, Expected>,
    #[serde(default)]
    verdict: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    url: String,
    body: Option<String>,
    content_type: Option<String>,
    fails: Option<String>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Expected {
    state: String,
    findings: Vec<String>,
    depth: usize,
}

impl Expected {
    fn of(settled: &Settled) -> Expected {
        let mut findings: Vec<String> = settled.section.findings.iter().map(|f| f.id.to_owned()).collect();
        findings.sort();
        let state = serde_json::to_value(settled.section.state).unwrap();
        Expected { state: state.as_str().unwrap().to_owned(), findings, depth: settled.depth }
    }

    fn toml(&self, id: &str) -> String {
        let Expected { state, findings, depth } = self;
        format!("[check.{id}]\nstate = \"{state}\"\nfindings = {findings:?}\ndepth = {depth}\n")
    }
}

fn all() -> Vec<(PathBuf, Fixture)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let fixture = toml::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            (path, fixture)
        })
        .collect()
}

fn world(fixture: &Fixture) -> World {
    let dnssec = match fixture.dnssec.as_str() {
        "secure" => Dnssec::Secure,
        "insecure" => Dnssec::Insecure,
        "bogus" => Dnssec::Bogus,
        "claimed" => Dnssec::Claimed,
        "unknown" => Dnssec::Unknown,
        other => panic!("dnssec = {other:?}"),
    };
    let mut world = World::parse(&fixture.zone).unwrap().with_dnssec(dnssec);
    for file in &fixture.file {
        let outcome = match (&file.body, &file.fails) {
            (Some(body), None) => HttpsOutcome::Body {
                content_type: Some(file.content_type.clone().unwrap_or_else(|| "text/plain".into())),
                body: body.clone().into_bytes(),
                cut: false,
            },
            (None, Some(fails)) => failure(fails),
            _ => panic!("{}: either body or fails", file.url),
        };
        world = world.with_https(&file.url, outcome);
    }
    world
}

fn failure(text: &str) -> HttpsOutcome {
    match text.split_once(": ") {
        Some(("tls", why)) => HttpsOutcome::Tls(why.into()),
        Some(("timeout", at)) => HttpsOutcome::TimedOut(at.into()),
        Some(("no connection", why)) => HttpsOutcome::NoConnection(why.into()),
        _ => HttpsOutcome::Status(text.parse().unwrap()),
    }
}

fn subject(fixture: &Fixture) -> Domain {
    let mut domain = Domain::new(Name::parse(&fixture.subject).unwrap());
    domain.selectors.clone_from(&fixture.selectors);
    domain
}

#[test]
fn every_world_is_found_as_it_is() {
    let mut wrong = String::new();
    let mut judged = 0;
    for (path, fixture) in all() {
        assert!(!fixture.about.is_empty());
        let (world, domain) = (world(&fixture), subject(&fixture));
        let now = OffsetDateTime::parse(&fixture.now, &Rfc3339).unwrap();
        let mut sections = Vec::new();
        for check in ALL {
            let settled = world.settle(*check, &domain, now);
            let seen = Expected::of(&settled);
            if fixture.check.get(check.id()) != Some(&seen) {
                let _ = writeln!(wrong, "# {}\n{}", path.file_name().unwrap().display(), seen.toml(check.id()));
                for finding in &settled.section.findings {
                    let _ = writeln!(wrong, "#   {}: {}", finding.id, finding.text);
                }
            }
            judged += 1;
            sections.push(settled.section);
        }
        let known: BTreeSet<&str> = ALL.iter().map(|check| check.id()).collect();
        for id in fixture.check.keys() {
            assert!(known.contains(id.as_str()), "{}: no check is called {id}", path.display());
        }
        let verdict = domain.verdict(&sections);
        for line in &fixture.verdict {
            let found = verdict.iter().any(|v| format!("{} {}", v.question, v.answer).contains(line.as_str()));
            if !found {
                let _ = writeln!(wrong, "# {}: no verdict line holds {line:?}: {verdict:#?}", path.display());
            }
        }
    }
    println!("{judged} sections in {} worlds", all().len());
    assert!(wrong.is_empty(), "what was seen, where it is not what the fixture says:\n{wrong}");
}

#[test]
fn a_section_that_could_not_look_never_says_that_nothing_is_there() {
    for (path, fixture) in all() {
        for (id, expected) in &fixture.check {
            let fails = expected.findings.iter().any(|finding| finding.ends_with(".could-not-look"));
            assert!(!(fails && expected.state == "absent"), "{}: {id}", path.display());
        }
    }
}

#[test]
fn what_a_name_that_does_not_exist_says_is_said_once() {
    let domain = Domain::new(Name::parse("not-registered.example").unwrap());
    let world = World::parse("").unwrap();
    let findings: Vec<&str> = ALL
        .iter()
        .flat_map(|check| world.settle(*check, &domain, OffsetDateTime::UNIX_EPOCH).section.findings)
        .filter(|finding| finding.severity > mxray::finding::Severity::Info)
        .map(|finding| finding.id)
        .collect();
    assert_eq!(findings, ["address.no-such-name"], "one sentence, not seven absences");
}

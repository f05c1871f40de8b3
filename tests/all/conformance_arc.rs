//! The ARC chain validation suite (ValiMail, draft of 2016-17), all of it, on literal evidence. `MXRAY_SUITES` names the
//! folder that holds `arc-draft-validation-tests.yml`; three cases state no result and are run for "no crash" only.

use std::collections::BTreeMap;
use std::path::Path;

use mxray::check::world::World;
use mxray::job::Envelope;
use mxray::message::{Message, arc};
use serde::Deserialize;
use serde_yaml_ng::Value;
use time::OffsetDateTime;

/// How many cases the suite has, and how many of them state a result.
const CASES: usize = 171;
const JUDGED: usize = 168;

/// Cases in which the RFC says otherwise than the draft that the suite follows, with the section that does.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

#[derive(Deserialize)]
struct Scenario {
    description: String,
    tests: BTreeMap<String, Case>,
    #[serde(rename = "txt-records")]
    records: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Case {
    message: String,
    #[serde(default)]
    cv: Option<String>,
}

fn suite() -> Option<Vec<Scenario>> {
    let folder = std::env::var_os("MXRAY_SUITES")?;
    let file = Path::new(&folder).join("arc-draft-validation-tests.yml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    let scenarios: Vec<Scenario> = documents
        .map(|document| Scenario::deserialize(document).unwrap_or_else(|why| panic!("{}: {why}", file.display())))
        .collect();
    assert_eq!(scenarios.iter().map(|scenario| scenario.tests.len()).sum::<usize>(), CASES, "{}", file.display());
    Some(scenarios)
}

fn world(scenario: &Scenario) -> World {
    let mut text = String::new();
    for (name, value) in &scenario.records {
        let key: String = value.as_str().unwrap_or_default().split('\n').collect();
        text.push_str(&format!("{name} TXT \"{}\"\n", key.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    World::parse(&text).unwrap()
}

/// The suite's word for a message's chain. A text that is no message at all has no chain.
fn run(world: &World, case: &Case) -> (&'static str, String) {
    let raw = case.message.replace('\n', "\r\n");
    let Ok(message) = Message::parse(raw.into_bytes().into(), Envelope::default()) else {
        return ("None", "not a message".into());
    };
    let now = OffsetDateTime::from_unix_timestamp(1_484_000_000).unwrap();
    let ((result, reason), depth, _) =
        world.ask(now, |seen| arc::evaluate(&message, seen).map(|chain| (chain.result, chain.reason)));
    assert!(depth <= 1, "all keys of a chain are asked in one round");
    let word = match result {
        arc::ArcResult::None => "None",
        arc::ArcResult::Pass => "Pass",
        arc::ArcResult::Fail => "Fail",
        arc::ArcResult::TempError => "TempError",
    };
    (word, reason)
}

#[test]
fn every_case_of_the_arc_suite() {
    let Some(scenarios) = suite() else {
        println!("arc: not run, MXRAY_SUITES is not set");
        return;
    };
    let mut right = 0;
    let mut wrong = Vec::new();
    for scenario in &scenarios {
        let world = world(scenario);
        for (name, case) in &scenario.tests {
            let (found, reason) = run(&world, case);
            let Some(wanted) = case.cv.as_deref().filter(|cv| !cv.is_empty()) else { continue };
            let exception = EXCEPTIONS.iter().find(|(excepted, _, _)| excepted == name);
            let wanted = exception.map_or(wanted, |(_, by_the_rfc, _)| by_the_rfc);
            if found == wanted {
                right += 1;
            } else {
                wrong.push(format!("{} {name}: {found}, not {wanted} ({reason})", scenario.description.trim()));
            }
        }
    }
    println!("arc: {right} of {JUDGED} cases");
    for (name, word, section) in EXCEPTIONS {
        println!("arc: {name} is {word} by {section}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(right, JUDGED);
}

//! How long the chain of dependent look-ups of an audit is: each check of the mission's domain, every round of its
//! questions answered whole. Wall time of a run is measured against `depth × latency`; a `?` too early shows here.

use mxray::check::world::World;
use mxray::name::Name;
use mxray::records::{self, Domain};
use serde_json::Value;
use time::macros::datetime;

/// The mission's zone as a world.
fn world() -> World {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/monsec.io.json");
    let zone: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut lines = String::new();
    for (name, records) in zone["records"].as_object().unwrap() {
        for (kind, values) in records.as_object().unwrap() {
            let one = std::slice::from_ref(values);
            for value in values.as_array().map_or(one, Vec::as_slice) {
                let strings: Vec<&str> = match value {
                    Value::Array(strings) => strings.iter().filter_map(Value::as_str).collect(),
                    value => value.as_str().into_iter().collect(),
                };
                let quoted = |text: &&str| format!("\"{}\"", text.replace('"', "\\\""));
                let data = match kind.as_str() {
                    "TXT" => strings.iter().map(quoted).collect::<Vec<_>>().join(" "),
                    _ => strings.join(" "),
                };
                lines.push_str(&format!("{name} 300 {kind} {data}\n"));
            }
        }
    }
    let policy = "version: STSv1\nmode: testing\nmx: aspmx.l.google.com\nmax_age: 604800\n";
    World::parse(&lines).unwrap().with_file("https://mta-sts.monsec.io/.well-known/mta-sts.txt", policy)
}

#[test]
fn the_longest_chain_of_an_audit_is_three_look_ups() {
    let (world, domain) = (world(), Domain::new(Name::from_text("monsec.io").unwrap()));
    let mut longest = 0;
    for check in records::ALL {
        let settled = world.settle(*check, &domain, datetime!(2026-11-24 8:00 UTC));
        println!("depth of {}: {} rounds, {} questions", check.id(), settled.depth, settled.asked.len());
        longest = longest.max(settled.depth);
    }
    println!("depth of an audit of monsec.io: {longest}");
    assert_eq!(longest, 3, "a question is asked later than it could be, or a chain became shorter: say so here");
}

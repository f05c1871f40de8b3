//! The house rules: what no compiler checks and every reader relies on. `src/lib.rs` states them; here they are held.

mod readme;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, sources};

/// Rooms that only compute: no way out of the house, no clock, no opinion of screens.
const PURE: [&str; 8] = ["records", "message", "smtp", "check", "finding", "report", "job", "name"];
/// No file is longer: talk at 400, split at 600.
const MOST_LINES: usize = 600;

fn room<'a>(all: &'a [Source], name: &str) -> Vec<&'a Source> {
    all.iter().filter(|source| source.room() == name).collect()
}

fn fails(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn rooms_that_only_compute_never_go_out() {
    let all = sources(&["src"]);
    let mut broken = Vec::new();
    for source in PURE.iter().flat_map(|name| room(&all, name)) {
        for named in source.named_rooms() {
            if ["engine", "tui", "cli", "config", "lab"].contains(&named.as_str()) {
                broken.push(format!("{} names crate::{named}", source.path));
            }
        }
        for word in &source.tokens {
            let outside = ["tokio", "reqwest", "TcpStream", "TcpListener", "UdpSocket", "UnixStream", "tokio_rustls"];
            if outside.contains(&word.as_str()) || word.starts_with("hickory") {
                broken.push(format!("{} names {word}", source.path));
            }
        }
        for clock in ["now", "now_utc", "now_local"] {
            if source.says(&[":", ":", clock, "("]) {
                broken.push(format!("{} reads a clock: ::{clock}()", source.path));
            }
        }
    }
    fails(broken);
}

#[test]
fn foreign_crates_stay_in_the_rooms_that_need_them() {
    // The crate's first letters, and the paths that may name it.
    let homes: [(&str, &[&str]); 6] = [
        ("hickory", &["src/engine/dns", "src/engine/opinion", "src/lab"]),
        ("reqwest", &["src/engine"]),
        ("mail_auth", &["src/message", "src/records", "src/engine/opinion"]),
        ("mail_parser", &["src/message", "src/records"]),
        ("clap", &["src/cli"]),
        ("ratatui", &["src/tui"]),
    ];
    let mut broken = Vec::new();
    for source in sources(&["src"]) {
        for (krate, allowed) in homes {
            let names = source
                .tokens
                .windows(3)
                .any(|window| window[0].starts_with(krate) && window[1] == ":" && window[2] == ":");
            if names && !allowed.iter().any(|home| source.path.starts_with(home)) {
                broken.push(format!("{} names {krate}; only {allowed:?} may", source.path));
            }
        }
    }
    fails(broken);
}

#[test]
fn screen_and_command_line_do_not_know_each_other() {
    let all = sources(&["src"]);
    let mut broken = Vec::new();
    for (here, there) in [("tui", "cli"), ("cli", "tui")] {
        for source in room(&all, here) {
            if source.named_rooms().iter().any(|named| named == there) {
                broken.push(format!("{} names crate::{there}", source.path));
            }
        }
    }
    fails(broken);
}

#[test]
fn in_the_screen_only_the_runtime_goes_out_waits_or_reads_a_clock() {
    let all = sources(&["src"]);
    let mut broken = Vec::new();
    for source in room(&all, "tui") {
        if source.path.starts_with("src/tui/runtime") {
            continue;
        }
        if source.named_rooms().iter().any(|named| named == "engine") {
            broken.push(format!("{} names crate::engine", source.path));
        }
        for words in [&["arboard"][..], &["async", "fn"], &[".", "await"], &[":", ":", "now", "("]] {
            if source.says(words) {
                broken.push(format!("{} says {}", source.path, words.concat()));
            }
        }
    }
    fails(broken);
}

#[test]
fn the_rooms_form_no_cycle() {
    // A finding names the lookups that a report numbers, a report holds findings: one layer of plain data.
    let layer = |room: &str| if room == "finding" { "report".to_owned() } else { room.to_owned() };
    let all = sources(&["src"]);
    let rooms: BTreeSet<String> = all.iter().map(|source| layer(source.room())).collect();
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in all.iter().filter(|source| !source.room().is_empty()) {
        let room = layer(source.room());
        let named: Vec<String> = source.named_rooms().iter().map(|named| layer(named)).collect();
        let others = named.into_iter().filter(|named| *named != room && rooms.contains(named));
        names.entry(room.clone()).or_default().extend(others);
    }
    // Take away rooms that name no other one that is left; what cannot be taken away is a cycle, or leads into one.
    while let Some(free) = names.iter().find(|(_, named)| named.is_empty()).map(|(room, _)| room.clone()) {
        names.remove(&free);
        for named in names.values_mut() {
            named.remove(&free);
        }
    }
    fails(names.iter().map(|(room, named)| format!("{room} -> {named:?}")).collect());
}

#[test]
fn no_file_is_too_long() {
    let long = sources(&["src", "tests", "benches", "assets"]).into_iter().filter(|source| source.lines > MOST_LINES);
    fails(long.map(|source| format!("{} has {} lines", source.path, source.lines)).collect());
}

#[test]
fn nothing_is_left_undone_ignored_or_allowed() {
    let banned: [&[&str]; 7] = [
        &["todo", "!"],
        &["unimplemented", "!"],
        &["dbg", "!"],
        &["#", "[", "ignore"],
        &["thread", ":", ":", "sleep"],
        &["unbounded_channel"],
        &["[", "allow", "("],
    ];
    let mut broken = Vec::new();
    for source in sources(&["src", "tests", "benches", "assets"]) {
        for words in banned {
            if source.says_anywhere(words) {
                broken.push(format!("{} says {}", source.path, words.concat()));
            }
        }
    }
    fails(broken);
}

#[test]
fn every_file_is_a_module_of_its_folder() {
    let all = sources(&["src"]);
    let by_path: BTreeMap<&str, &Source> = all.iter().map(|source| (source.path.as_str(), source)).collect();
    let mut broken = Vec::new();
    for source in &all {
        let module = source.path.strip_suffix("/mod.rs").or(source.path.strip_suffix(".rs")).unwrap();
        let (folder, name) = module.rsplit_once('/').unwrap();
        if folder == "src" && ["lib", "main"].contains(&name) {
            continue;
        }
        let parent = match folder {
            "src" => by_path.get("src/lib.rs"),
            _ => by_path.get(format!("{folder}/mod.rs").as_str()).or(by_path.get(format!("{folder}.rs").as_str())),
        };
        // Under #[cfg(test)] counts as well: a file of tests is a module too.
        if !parent.is_some_and(|parent| parent.says_anywhere(&["mod", name, ";"])) {
            broken.push(format!("{} is no module of {folder}", source.path));
        }
    }
    fails(broken);
}

#[test]
fn every_check_and_pane_stands_in_its_list() {
    let all = sources(&["src"]);
    let mut broken = Vec::new();
    for (folder, trait_name) in
        [("src/records", "Check"), ("src/message", "Check"), ("src/smtp", "Check"), ("src/tui/panes", "Pane")]
    {
        let list = all.iter().filter(|source| source.path == format!("{folder}/mod.rs"));
        let listed: Vec<&String> = list.flat_map(|source| lists(&source.tokens)).collect();
        for source in all.iter().filter(|source| source.path.starts_with(folder)) {
            for implementer in implementers(&source.tokens, trait_name) {
                if !listed.iter().any(|word| **word == implementer) {
                    broken.push(format!("{}: {implementer} is missing in the list of {folder}/mod.rs", source.path));
                }
            }
        }
    }
    fails(broken);
}

/// The types for which a file implements the trait, generic arguments left out.
fn implementers(tokens: &[String], trait_name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, window) in tokens.windows(2).enumerate() {
        if window[0] != "impl" || window[1] != trait_name {
            continue;
        }
        let after = tokens[at..].iter().take(12).position(|token| token == "for");
        found.extend(after.and_then(|after| tokens.get(at + after + 1)).cloned());
    }
    found
}

/// Every word inside the `[...]` of the file's constants and functions: where lists of checks and panes stand.
fn lists(tokens: &[String]) -> Vec<&String> {
    let mut depth = 0;
    tokens
        .iter()
        .filter(|token| {
            match token.as_str() {
                "[" => depth += 1,
                "]" => depth -= 1,
                _ => {}
            }
            depth > 0
        })
        .collect()
}

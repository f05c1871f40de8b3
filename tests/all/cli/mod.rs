//! The real binary, as scripts use it: exit status, what goes to which stream, JSON against its schema.

mod contract;
mod demo;
pub mod foreign;
mod message;
pub mod schema;

use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;

/// The binary, with no configuration of the person who runs the tests.
pub fn mxray(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("mxray").unwrap();
    command.args(arguments).env_clear().env("HOME", "/nonexistent").env("MXRAY_REMEMBER", "0").stdin(Stdio::null());
    command
}

struct Ran {
    status: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str]) -> Ran {
    ran(mxray(arguments))
}

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn report(arguments: &[&str]) -> Value {
    let ran = run(arguments);
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|why| panic!("{why}: {} {}", ran.out, ran.err));
    let schema: Value = serde_json::from_str(&run(&["schema"]).out).unwrap();
    let problems = schema::problems(&schema, &report);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    report
}

#[test]
fn a_wrong_command_line_is_two_and_one_line_on_standard_error() {
    for line in
        [&["domain"][..], &["domain", "a..b"], &["domain", "a.test", "--only", "nothing"], &["--no-such-option"]]
    {
        let ran = run(line);
        assert_eq!((ran.status, ran.out.as_str(), ran.err.lines().count()), (2, "", 1), "{line:?}: {}", ran.err);
        assert!(ran.err.starts_with("mxray: "), "{}", ran.err);
    }
}

#[test]
fn an_unknown_check_is_told_the_known_ones() {
    let ran = run(&["domain", "a.test", "--only", "adress"]);
    assert!(ran.err.contains("address"), "{}", ran.err);
}

#[test]
fn a_file_that_is_not_there_is_three() {
    let ran = run(&["message", "/no/such/message.eml"]);
    assert_eq!((ran.status, ran.out.as_str(), ran.err.lines().count()), (3, "", 1));
    assert!(ran.err.contains("/no/such/message.eml"), "{}", ran.err);
}

#[test]
fn help_version_schema_manual_and_completions_print_and_end_well() {
    for (line, says) in [
        (&["--help"][..], "Exit status"),
        (&["domain", "--help"], "standard input"),
        (&["--version"], "mxray 0."),
        (&["schema"], "json-schema.org"),
        (&["man"], ".TH mxray"),
        (&["man"], "hang\\-up=MOMENT"),
        (&["man"], "\\-\\-client\\-ip"),
        (&["completions", "bash"], "_mxray"),
        (&["completions", "fish"], "complete -c mxray"),
    ] {
        let ran = run(line);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{line:?}");
        assert!(ran.out.contains(says) && !ran.out.contains('\u{1b}'), "{line:?}: {}", ran.out);
    }
}

#[test]
fn a_theme_that_is_none_is_told_with_its_place() {
    let mut command = mxray(&["--demo"]);
    command.env("MXRAY_THEME", "solarized");
    let ran = ran(command);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("MXRAY_THEME") && ran.err.contains("mono"), "{}", ran.err);
}

#[test]
fn a_report_that_cannot_be_written_is_three_and_says_why() {
    for line in [&["lint", "v=spf1 -all"][..], &["schema"], &["--help"], &["listen", "127.0.0.1:0"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = mxray(line).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!((ran.status.code(), said.lines().count()), (Some(3), 1), "{line:?}: {said}");
        assert!(said.contains("cannot write the result"), "{line:?}: {said}");
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut command = mxray(&["completions", "zsh"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_pasted_record_is_judged_without_a_network() {
    let report = report(&["lint", "v=DMARC1; p=qarantine", "--format", "json", "--now", "2026-11-24T08:00:00Z"]);
    assert_eq!((&report["kind"], &report["worst"]), (&Value::from("lint"), &Value::from("error")));
    assert_eq!(report["lookups"], Value::Array(Vec::new()));
    let finding = &report["sections"][0]["findings"][0];
    assert_eq!((&finding["id"], &finding["span"]), (&"dmarc.policy-is-void".into(), &serde_json::json!([10, 21])));

    let unknown = run(&["lint", "hello"]);
    assert_eq!((unknown.status, unknown.out.as_str()), (3, ""));
}

#[test]
fn the_exit_status_follows_fail_on() {
    for (fail_on, status) in [("error", 1), ("warning", 1), ("info", 1), ("never", 0)] {
        assert_eq!(run(&["lint", "v=DMARC1; p=qarantine", "--fail-on", fail_on]).status, status, "{fail_on}");
    }
    assert_eq!(run(&["lint", "v=DMARC1; p=reject; pct=100"]).status, 0);
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let plain = run(&["lint", "v=DMARC1; p=none"]);
    let colored = run(&["lint", "v=DMARC1; p=none", "--color", "always"]);
    assert!(!plain.out.contains('\u{1b}') && colored.out.contains('\u{1b}'));
}

#[test]
fn configuration_that_cannot_be_read_is_told_with_its_place() {
    let mut command = mxray(&["domain", "a.test"]);
    command.env("MXRAY_DNS", "resolver.example");
    let ran = ran(command);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("MXRAY_DNS"), "{}", ran.err);
}

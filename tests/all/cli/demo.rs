//! The real binary on the demo world, and on worlds that do not answer.

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::Stdio;

use mxray::lab::Lab;
use serde_json::Value;

use super::{Ran, mxray, ran, report, run, schema};

/// The sections of a report by id, with what must not change when it is made again: states, facts, findings.
fn verdicts(report: &Value) -> Vec<Value> {
    let sections = report["sections"].as_array().unwrap();
    let kept = ["id", "state", "headline", "facts"];
    let mut verdicts = Vec::new();
    for section in sections {
        let mut one: Vec<Value> = kept.iter().map(|key| section[key].clone()).collect();
        let findings = section["findings"].as_array().unwrap();
        one.extend(findings.iter().map(|finding| finding["text"].clone()));
        verdicts.push(Value::Array(one));
    }
    verdicts
}

#[test]
fn what_has_changed_since_a_saved_report_is_told_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("monsec.json");
    let path = saved.to_str().unwrap();
    let domain = ["domain", "--demo", "--fail-on", "never", "monsec.example"];
    let earlier = run(&[&domain[..], &["--format", "json"]].concat()).out;
    std::fs::write(&saved, &earlier).unwrap();
    let since = |format: &str| run(&[&domain[..], &["--since", path, "--format", format]].concat()).out;
    let same = report(&[&domain[..], &["--since", path, "--format", "json"]].concat());
    assert_eq!(same["since"]["changes"], serde_json::json!([]), "the same twice is no change");
    assert!(same["since"]["same"].as_u64().unwrap() > 100);
    // The world of before: another policy, another MX, and a DKIM key that is gone now.
    let mut before: Value = serde_json::from_str(&earlier).unwrap();
    let section = |before: &mut Value, id: &str, pointer: &str, value: Value| {
        let sections = before["sections"].as_array_mut().unwrap();
        let found = sections.iter_mut().find(|section| section["id"] == id).unwrap();
        *found["facts"].pointer_mut(pointer).unwrap() = value;
    };
    section(&mut before, "dmarc", "/policy", "none".into());
    section(&mut before, "mx", "/hosts/0/name", "old.example".into());
    std::fs::write(&saved, before.to_string()).unwrap();
    let told = report(&[&domain[..], &["--since", path, "--format", "json"]].concat());
    let changes = told["since"]["changes"].as_array().unwrap();
    let facts: Vec<&str> = changes.iter().map(|change| change["fact"].as_str().unwrap()).collect();
    assert_eq!(facts, ["hosts[old.example]", "hosts[smtp.google.example]", "policy"], "{changes:?}");
    let text = since("text");
    assert!(text.contains("3 changes") && text.contains("DMARC policy\n    was  none\n    is   quarantine"), "{text}");
    assert!(since("markdown").contains("| DMARC policy | `none` | `quarantine` |"), "{}", since("markdown"));
    // A report on somebody else, on a message, and no report.
    let other = run(&["domain", "--demo", "flawless.example", "--since", path]);
    assert!(other.status == 2 && other.err.contains("a report on monsec.example"), "{}", other.err);
    std::fs::write(&saved, "{}").unwrap();
    let none = run(&["domain", "--demo", "monsec.example", "--since", path]);
    assert!(none.status == 3 && none.err.contains("no report that mxray saved"), "{}", none.err);
}

#[test]
fn every_place_of_the_demo_world_gives_a_report_that_fits_the_schema() {
    let mut arguments = vec!["domain", "--demo", "--format", "json", "--fail-on", "never", "--timeout", "1"];
    arguments.extend(Lab::targets().iter().map(|target| target.domain));
    let ran = run(&arguments);
    let schema: Value = serde_json::from_str(&run(&["schema"]).out).unwrap();
    let mut seen = Vec::new();
    for line in ran.out.lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        let problems = schema::problems(&schema, &report);
        assert!(problems.is_empty(), "{}: {}", report["target"], problems.join("\n"));
        seen.push(report["target"].as_str().unwrap().to_owned());
    }
    seen.sort();
    let mut wanted: Vec<&str> = Lab::targets().iter().map(|target| target.domain).collect();
    wanted.sort_unstable();
    assert_eq!(seen, wanted, "{}", ran.err);
}

#[test]
fn evidence_and_findings_name_lookups_that_are_there() {
    let report = report(&["domain", "--demo", "--format", "json", "monsec.example"]);
    let ids: Vec<&Value> = report["lookups"].as_array().unwrap().iter().map(|lookup| &lookup["id"]).collect();
    for section in report["sections"].as_array().unwrap() {
        for id in section["evidence"].as_array().unwrap() {
            assert!(ids.contains(&id), "{}: {id}", section["id"]);
        }
        for finding in section["findings"].as_array().unwrap() {
            assert!(finding["evidence"].as_array().unwrap().iter().all(|id| ids.contains(&id)), "{}", finding["id"]);
        }
    }
}

#[test]
fn only_runs_the_checks_that_were_named() {
    let report = report(&["domain", "--demo", "--format", "json", "--only", "mta-sts,mx", "monsec.example"]);
    let ids: Vec<&Value> = report["sections"].as_array().unwrap().iter().map(|section| &section["id"]).collect();
    assert_eq!(ids, ["mx", "mta-sts"]);
}

#[test]
fn an_error_is_exit_status_one_and_a_domain_in_order_is_zero() {
    assert_eq!(run(&["domain", "--demo", "monsec.example", "--only", "mta-sts"]).status, 1);
    assert_eq!(run(&["domain", "--demo", "monsec.example", "--only", "mta-sts", "--fail-on", "never"]).status, 0);
    assert_eq!(run(&["domain", "--demo", "flawless.example", "--only", "mta-sts"]).status, 0);
}

#[test]
fn names_are_read_as_they_come_and_reports_leave_as_they_are_finished() {
    let mut command = mxray(&["domain", "--demo", "--format", "json", "--only", "mx", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut names = child.stdin.take().unwrap();
    let mut reports = BufReader::new(child.stdout.take().unwrap()).lines();
    // The second name is typed only when the first report has been read: nothing waits for the end of the input.
    for name in ["monsec.example", "flawless.example"] {
        writeln!(names, "{name}").unwrap();
        let report: Value = serde_json::from_str(&reports.next().unwrap().unwrap()).unwrap();
        assert_eq!(report["target"], name);
    }
    writeln!(names, "a..b").unwrap();
    drop(names);
    assert!(reports.next().is_none());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}

#[test]
fn a_reader_that_leaves_stops_the_run_quietly() {
    let mut command = mxray(&["domain", "--demo", "--format", "json", "--only", "mx", "monsec.example", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reports = BufReader::new(child.stdout.take().unwrap());
    reports.read_line(&mut String::new()).unwrap();
    drop(reports);
    // Standard input stays open: the run must end because nobody reads, not because no name comes any more.
    let mut names = child.stdin.take().unwrap();
    writeln!(names, "flawless.example").unwrap();
    let status = child.wait().unwrap();
    let mut complaint = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut complaint).unwrap();
    assert_eq!((status.code(), complaint.as_str()), (Some(0), ""));
}

#[test]
fn a_case_file_gives_the_same_report_without_any_network() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("monsec.case");
    let case = case.to_str().unwrap();
    let first = report(&["domain", "--demo", "--format", "json", "monsec.example", "--save-case", case]);
    // No server listens here: a question that went out would be seen as an answer that differs.
    let again = report(&["domain", "--dns", "127.0.0.1:9", "--format", "json", "monsec.example", "--case", case]);
    assert_eq!((&again["at"], &again["worst"]), (&first["at"], &first["worst"]));
    assert_eq!(verdicts(&again), verdicts(&first));
    let several = run(&["domain", "--demo", "a.example", "b.example", "--save-case", case]);
    assert_eq!(several.status, 2);
}

#[test]
fn a_name_server_that_says_nothing_is_three_and_nothing_is_called_absent() {
    // It takes every question and answers none.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    let Ran { status, out, err } =
        run(&["domain", "monsec.example", "--dns", &server, "--timeout", "0.2", "--format", "json"]);
    assert_eq!((status, err.lines().count()), (3, 1), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    for section in report["sections"].as_array().unwrap() {
        assert_eq!(section["state"], "unknown", "{}", section["id"]);
    }
}

#[test]
fn dmarc_has_a_command_of_its_own() {
    let report = report(&["dmarc", "--demo", "--format", "json", "mail.monsec.example"]);
    assert_eq!((&report["kind"], &report["target"]), (&"dmarc".into(), &"mail.monsec.example".into()));
    let facts = &report["sections"][0]["facts"];
    assert_eq!(facts["policy_domain"], "monsec.example");
    assert_eq!(facts["walk"][0]["name"], "_dmarc.mail.monsec.example");
}

#[test]
fn what_was_found_is_remembered_unless_that_is_switched_off() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lab = runtime.block_on(Lab::start()).unwrap();
    let server = lab.address().to_string();
    let home = tempfile::tempdir().unwrap();
    let ask = |remember: &str| {
        let mut command = mxray(&["domain", "monsec.example", "--only", "dkim", "--dns", &server]);
        command
            .env("HOME", home.path())
            .env("XDG_STATE_HOME", home.path().join("state"))
            .env("MXRAY_REMEMBER", remember);
        assert_eq!(ran(command).status, 0);
        std::fs::read_to_string(home.path().join("state/mxray/memory.json")).ok()
    };
    assert_eq!(ask("0"), None);
    let memory: Value = serde_json::from_str(&ask("1").unwrap()).unwrap();
    assert_eq!(memory["domains"]["monsec.example"]["selectors"], serde_json::json!(["google"]));
}

#[test]
fn a_message_of_the_demo_world_is_verified_by_its_name() {
    let report = report(&["message", "--demo", "--format", "json", "--fail-on", "never", "clean"]);
    let section = |id: &str| report["sections"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    assert_eq!(section("dmarc")["facts"]["result"], "pass");
    assert_eq!(section("dkim")["facts"]["signatures"][0]["result"], "pass");
    assert_eq!(run(&["message", "--demo", "phish"]).status, 1);
    assert_eq!(run(&["message", "--demo", "no-such-message"]).status, 3);
}

#[test]
fn a_record_of_type_99_is_looked_up_as_spf_told_and_never_evaluated() {
    let of =
        |domain: &str| report(&["domain", "--demo", "--format", "json", "--only", "spf", "--fail-on", "never", domain]);
    let (both, alone) = (of("legacy.neglected.example"), of("forgotten.neglected.example"));
    for report in [&both, &alone] {
        let asked = report["lookups"].as_array().unwrap().iter().find(|lookup| lookup["type"] == "SPF").unwrap();
        assert_eq!((&asked["outcome"], &asked["name"]), (&"answer".into(), &report["target"]));
        assert_eq!(report["sections"][0]["facts"]["type_99"], serde_json::json!(["v=spf1 mx -all"]));
        let findings = report["sections"][0]["findings"].as_array().unwrap();
        let told = findings.iter().find(|finding| finding["id"] == "spf.type-99").unwrap();
        assert_eq!(told["evidence"], serde_json::json!([asked["id"]]));
    }
    let facts = &both["sections"][0]["facts"];
    assert_eq!(
        (&facts["record"], &facts["result_of_all"]),
        (&"v=spf1 mx ip4:203.0.113.86 ~all".into(), &"softfail".into())
    );
    assert_eq!(
        (&alone["sections"][0]["state"], &alone["sections"][0]["facts"]["record"]),
        (&"absent".into(), &Value::Null)
    );
}

//! The demo world's messages (`assets/demo/messages`), verified in the demo world through the engine: what a tired person
//! would read first.

use std::sync::Arc;
use std::time::Duration;

use mxray::config::Settings;
use mxray::job::{Envelope, Job, Task};
use mxray::lab::Lab;
use mxray::report::Report;

async fn verify(name: &str) -> Arc<Report> {
    let raw = Lab::messages().iter().find(|message| message.name == name).unwrap().raw;
    let lab = Lab::start().await.unwrap();
    let engine = crate::job::engine(Settings { timeout: Duration::from_secs(2), ..lab.settings() });
    crate::job::finish(&engine, Job::new(Task::Message { raw: Arc::from(raw), envelope: Envelope::default() })).await
}

fn fact<'a>(report: &'a Report, section: &str, key: &str) -> &'a serde_json::Value {
    let section =
        report.sections.iter().find(|one| one.id == section).unwrap_or_else(|| panic!("no section {section}"));
    &section.facts[key]
}

fn ids(report: &Report) -> Vec<&'static str> {
    report.sections.iter().flat_map(|section| &section.findings).map(|finding| finding.id).collect()
}

fn signatures(report: &Report) -> Vec<String> {
    let all = fact(report, "dkim", "signatures").as_array().unwrap();
    let word = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap().to_owned();
    all.iter().map(|one| format!("{} {} {}", word(one, "domain"), word(one, "result"), one["aligned"])).collect()
}

#[tokio::test]
async fn the_phish_is_a_no_and_the_owner_asks_to_reject_it() {
    let report = verify("phish").await;
    assert_eq!(signatures(&report), ["mailer.example pass false", "acme-bank.example fail true"]);
    assert_eq!(fact(&report, "dkim", "signatures")[1]["header_signature"], "valid", "the bank's headers are replayed");
    assert_eq!(
        (fact(&report, "spf", "result"), fact(&report, "spf", "client_ip")),
        (&"pass".into(), &"203.0.113.131".into())
    );
    assert_eq!(
        (fact(&report, "dmarc", "result"), fact(&report, "dmarc", "disposition")),
        (&"fail".into(), &"reject".into())
    );
    assert_eq!(report.verdict[0].answer, "NO. Nothing that passes belongs to acme-bank.example.");
    assert!(report.verdict[1].answer.starts_with("REJECT"));
    assert!(report.verdict[2].answer.starts_with("Reply-To goes to acrne-bank.example (\"rn\", not \"m\")"));
    assert!(ids(&report).contains(&"claimed.forged"));
    assert_eq!(fact(&report, "hops", "border")["hop"], 2);
    assert_eq!(fact(&report, "autopsy", "repairs"), &serde_json::json!([]), "another body is not mended");
    let table = report.summary.as_ref().unwrap();
    let claimed = |row: usize| table.rows[row].cells[3].text.as_str();
    assert_eq!((claimed(1), claimed(2)), ("pass  mx.corp.example", "pass  (forged?)  mx.acme-bank.example"));
}

#[tokio::test]
async fn the_list_mail_fails_by_the_list_and_its_seal_says_so() {
    let report = verify("list").await;
    assert_eq!(signatures(&report), ["flawless.example fail true", "flawless.example fail true"]);
    assert_eq!(fact(&report, "arc", "result"), "pass");
    assert_eq!(fact(&report, "arc", "sets")[0]["domain"], "lists.example");
    assert_eq!(fact(&report, "dmarc", "result"), "fail");
    let repairs = fact(&report, "autopsy", "repairs").as_array().unwrap();
    let told: Vec<_> =
        repairs.iter().map(|one| (one["part"].as_str().unwrap(), one["what"].as_str().unwrap())).collect();
    let (body, header) = ("the last 2 lines are removed", "the tag \"[talk]\" is removed from Subject");
    assert_eq!(told, [("body", body), ("body", body), ("header", header), ("header", header)]);
    let part = "IN PART: flawless.example signed it, then it was changed (DKIM #1); that part can be anybody's.";
    assert_eq!(report.verdict[0].answer, part);
    let look = "DKIM #1 holds if the last 2 lines are removed, and the tag \"[talk]\" is removed from Subject.";
    assert_eq!(report.verdict[2].answer, look);
    assert!(!ids(&report).contains(&"claimed.forged"), "the list's own results are no forgery");
}

#[tokio::test]
async fn the_clean_mail_is_a_yes() {
    let report = verify("clean").await;
    assert_eq!(signatures(&report), ["flawless.example pass true", "flawless.example pass true"]);
    assert_eq!((fact(&report, "spf", "result"), fact(&report, "dmarc", "result")), (&"pass".into(), &"pass".into()));
    let yes = "yes: flawless.example signed it (DKIM #1, #2) and let it be sent (SPF). That does not make it honest.";
    assert_eq!(report.verdict[0].answer, yes);
    assert_eq!(claims(&report), [("mx.corp.example", true, Some(true)); 4], "the border said the same on arrival");
}

/// Who claims what, whether it counts, and whether we agree.
fn claims(report: &Report) -> Vec<(&str, bool, Option<bool>)> {
    let all = fact(report, "claimed", "results").as_array().unwrap();
    let one = |one: &'_ serde_json::Value| (one["trusted"].as_bool().unwrap(), one["agrees"].as_bool());
    all.iter().map(|claim| (claim["authserv_id"].as_str().unwrap(), one(claim).0, one(claim).1)).collect()
}

#[tokio::test]
async fn headers_alone_are_verified_as_far_as_they_go() {
    let report = verify("headers-only").await;
    assert_eq!(signatures(&report), ["flawless.example neutral true", "flawless.example neutral true"]);
    assert_eq!(fact(&report, "headers", "body"), false);
    assert_eq!(fact(&report, "dmarc", "result"), "pass", "SPF needs no body");
}

#[tokio::test]
async fn the_look_alike_passes_everything() {
    let report = verify("lookalike").await;
    assert_eq!(signatures(&report), ["acrne-bank.example pass true"]);
    assert_eq!(fact(&report, "dmarc", "result"), "pass");
    assert!(report.verdict[0].answer.starts_with("AUTHENTICATED, AND NOT WHO YOU MAY THINK"), "{:?}", report.verdict);
    assert!(report.verdict[2].answer.starts_with("From is at acrne-bank.example"), "{:?}", report.verdict);
    let (border, forged) = (("mx.corp.example", true, Some(true)), ("mx.acme-bank.example", false, Some(false)));
    assert_eq!(claims(&report), [border, border, border, forged, forged]);
    assert!(ids(&report).contains(&"claimed.forged"));
}

#[tokio::test]
async fn a_second_implementation_agrees_on_every_demo_message() {
    for message in Lab::messages() {
        let report = verify(message.name).await;
        let findings = report.sections.iter().flat_map(|section| &section.findings);
        let said: Vec<_> = findings.filter(|one| one.id.ends_with("second-opinion")).map(|one| &one.text).collect();
        assert!(said.is_empty(), "{}: {said:?}", message.name);
    }
}

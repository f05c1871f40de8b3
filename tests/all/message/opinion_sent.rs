//! The second opinion on SPF over the whole suite of RFC 7208: where mail-auth 0.13.3 comes to another result, the report
//! says so, and the reason that it gives is the known one.

use std::collections::BTreeMap;
use std::sync::Arc;

use mxray::check::{Evidence, Outcome};
use mxray::config::{Settings, Upstream};
use mxray::engine::Engine;
use mxray::job::{Envelope, Job, JobId, Task};
use mxray::records::spf::CheckHostArgs;

use crate::conformance_spf::{CASES, Zone, gather, suite};

/// What each difference says, and for how many of the suite's cases.
const EXPLAINED: &[(&str, usize)] = &[
    ("more than one SPF record is an error", 3),
    ("the third look-up that finds nothing is an error", 1),
    ("a syntax error anywhere is an error of the whole record", 9),
    ("what is no domain name has no policy to ask for", 4),
    ("a confirmed name of an IPv6 client matches", 1),
    ("an ip6 term never matches an IPv4 client", 2),
    ("lets such a name stand in a term", 6),
];

#[tokio::test]
async fn every_difference_to_mail_auth_over_the_spf_suite_is_explained() {
    let Some(scenarios) = suite() else {
        println!("second opinions on SPF: not run, MXRAY_SUITES is not set");
        return;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let nobody = Upstream::Plain("127.0.0.1:9".parse().unwrap());
    let engine = Engine::new(Settings { upstreams: vec![nobody], ..Settings::default() }).unwrap();
    let (mut silent, mut unexplained) = (0, Vec::new());
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    let mut number = 0;
    for scenario in &scenarios {
        let zone = Zone::new(scenario, Outcome::TimedOut);
        for (name, case) in &scenario.tests {
            let mut evidence = Evidence::default();
            gather(&zone, &case.args(), &mut evidence);
            gather(&zone, &CheckHostArgs::helo(case.host.parse().unwrap(), &case.helo), &mut evidence);
            let envelope = Envelope {
                client_ip: Some(case.host.parse().unwrap()),
                helo: Some(case.helo.clone()),
                mail_from: Some(case.mailfrom.clone()),
                hop: None,
                heard: None,
            };
            let raw = Arc::from(&b"From: x@example.com\r\n\r\nhello\r\n"[..]);
            let mut job = Job::new(Task::Message { raw, envelope });
            (job.offline, job.evidence, job.only) = (true, Some(Arc::new(evidence)), vec!["spf".into()]);
            number += 1;
            let told_here = said(&engine, JobId(number), job).await;
            silent += usize::from(told_here.is_empty());
            for text in told_here {
                match EXPLAINED.iter().find(|(why, _)| text.contains(why)) {
                    Some((why, _)) => *told.entry(why).or_default() += 1,
                    None => unexplained.push(format!("{}/{name}: {text}", scenario.description)),
                }
            }
        }
    }
    println!("second opinions on SPF: {silent} of {CASES} cases agree, {told:?}");
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    assert_eq!(silent, CASES - 26);
    for (why, count) in EXPLAINED {
        assert_eq!(told.get(why), Some(count), "{why}");
    }
}

/// What the report says of the second opinion.
async fn said(engine: &Engine, id: JobId, job: Job) -> Vec<String> {
    let report = crate::job::finish_as(engine, id, job).await;
    let findings = report.sections.iter().flat_map(|section| &section.findings);
    findings.filter(|one| one.id == "spf.second-opinion").map(|one| one.text.clone()).collect()
}

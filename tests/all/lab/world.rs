//! What the world holds is what its files say, and nothing of it is outside this process.

use std::collections::BTreeSet;
use std::str::FromStr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use mxray::lab::Lab;

use super::*;

#[test]
fn every_file_under_zones_is_in_the_world() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let served: BTreeSet<String> =
        runtime.block_on(async { Lab::start().await.unwrap().zones() }).into_iter().collect();
    let written: BTreeSet<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/zones"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".zone", "").replace("root", ""))
        .collect();
    assert_eq!(served, written);
}

#[tokio::test]
async fn every_address_of_the_world_is_this_process() {
    let lab = Lab::start().await.unwrap();
    let rules = lab.settings().connect_to;
    let there = |host: &str, port: u16| rules.iter().find(|rule| rule.matches(host, port)).unwrap().clone();
    let mut hosts = 0;
    for line in lab.records().unwrap() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if ["A", "AAAA", "CNAME"].contains(&words[3]) {
            let rule = there(words[0].trim_end_matches('.'), 443);
            assert_eq!(rule.to_host.as_deref(), Some("127.0.0.1"), "{line}");
            hosts += 1;
        }
    }
    assert!(hosts > 100, "{hosts}");
    // a policy host without an address stays what it is: unresolvable
    assert_eq!(there("mta-sts.nowhere.broken.example", 443).to_host, None);
    for port in [25, 80, 8443] {
        assert_eq!(there("192.0.2.1", port).to_host.as_deref(), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn every_target_exists() {
    let lab = Lab::start().await.unwrap();
    lab.clear_faults();
    for target in Lab::targets() {
        let answer = udp(&lab, target.domain, RecordType::SOA).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError, "{}", target.domain);
        assert!(target.about.len() < 100 && !target.about.ends_with('.'), "{}", target.about);
    }
}

/// The records of the mission, real names and demo names side by side.
#[tokio::test]
async fn the_missions_zone_and_its_demo_twin_agree_record_by_record() {
    let lab = Lab::start().await.unwrap();
    let text = include_str!("../../../assets/demo/monsec.io.json");
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    let demo = |text: &str| text.replace("monsec.io", "monsec.example").replace("google.com", "google.example");
    let mut names = BTreeSet::new();
    for (name, records) in document["records"].as_object().unwrap() {
        names.insert(format!("{}.", demo(name)));
        for (kind, value) in records.as_object().unwrap() {
            let answer = udp(&lab, &demo(name), RecordType::from_str(kind).unwrap()).await;
            let got = match kind.as_str() {
                "TXT" => texts(&answer).join("|"),
                _ => answer.answers[0].data.to_string().trim_end_matches('.').to_owned(),
            };
            assert_eq!(got, demo(value.as_str().unwrap()), "{name} {kind}");
            assert_eq!(answer.answers.len(), 1, "{name} {kind}");
        }
    }
    for line in lab.records().unwrap() {
        let name = line.split_whitespace().next().unwrap();
        let kind = line.split_whitespace().nth(3).unwrap();
        let infrastructure = ["SOA", "NS", "NSEC", "DNSKEY", "DS"].contains(&kind);
        if name.ends_with("monsec.example.") && !infrastructure {
            assert!(names.contains(name), "{line} is not in monsec.io.json");
        }
    }
}

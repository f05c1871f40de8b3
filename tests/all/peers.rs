//! Real mail servers, name servers and policy hosts, each broken in one known way (`../shared/peers`): the right verdict in
//! the right words for each. `MXRAY_PEERS` names the folder of peers that are up; `.ci/run` starts them where it can.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// One test at a time: unbound, asked by several programs at once, answers SERVFAIL for zones that are well.
static TURN: Mutex<()> = Mutex::new(());

/// The folder of the running peers and the turn to ask them, or a line that says why nothing ran.
fn peers(what: &str) -> Option<(String, MutexGuard<'static, ()>)> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    match std::env::var("MXRAY_PEERS") {
        Ok(folder) => {
            let ca = format!("{folder}/ca/ca.pem");
            assert!(std::path::Path::new(&ca).exists(), "MXRAY_PEERS is set and {ca} is not there");
            Some((ca, turn))
        }
        Err(_) => {
            println!("peers: {what}: not run, MXRAY_PEERS is not set");
            None
        }
    }
}

fn mxray(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_mxray"))
        .args(arguments)
        .args(["--format", "json", "--fail-on", "never"])
        .output()
        .expect("mxray runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn section<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["sections"].as_array().unwrap().iter().find(|section| section["id"] == id).unwrap_or(&Value::Null)
}

/// Whether the resolver failed a DNS question of the job.
fn has_failed_lookup(report: &Value) -> bool {
    let looked = ["answer", "nodata", "nxdomain"];
    let lookups = report["lookups"].as_array().unwrap();
    lookups.iter().any(|one| one["kind"] == "dns" && !looked.contains(&one["outcome"].as_str().unwrap_or("")))
}

fn finding_ids(report: &Value) -> Vec<String> {
    let sections = report["sections"].as_array().unwrap();
    let findings = sections.iter().flat_map(|section| section["findings"].as_array().unwrap());
    findings.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_mail_server_gets_its_verdict_by_address_and_by_name() {
    let Some((ca, _turn)) = peers("mail servers") else { return };
    // port, pkix by address, pkix by name, a finding that must be there, options
    let table: &[(u16, &str, &str, &str, &[&str])] = &[
        (2525, "ok", "ok", "", &[]),
        (2531, "expired", "expired", "tls.certificate-expired", &[]),
        (2532, "wrong-name", "wrong-name", "tls.certificate-wrong-name", &[]),
        (2533, "self-signed", "self-signed", "tls.certificate-self-signed", &[]),
        (2534, "ok", "ok", "tls.certificate-ends-soon", &[]),
        (2535, "ok", "ok", "", &[]),
        (2536, "ok", "ok", "", &[]),
        (2537, "not-yet-valid", "not-yet-valid", "tls.certificate-not-yet-valid", &[]),
        (2538, "unknown-issuer", "unknown-issuer", "tls.certificate-unknown-issuer", &[]),
        (2540, "starttls-absent", "starttls-absent", "tls.not-offered", &[]),
        (2541, "ok", "ok", "", &[]),
        (2542, "ok", "ok", "", &[]),
        (2543, "ok", "ok", "", &["--tls", "implicit"]),
        (2544, "not-reached", "not-reached", "smtp.banner-refused", &[]),
        (2550, "ok", "ok", "", &[]),
        (2551, "starttls-refused", "starttls-refused", "tls.refused", &[]),
    ];
    for (port, by_address, by_name, finding, options) in table {
        let redirect = format!("mail.example.test:{port}:127.0.0.1:{port}");
        let (address, name) = (format!("127.0.0.1:{port}"), format!("mail.example.test:{port}"));
        for (target, pkix) in [(&address, by_address), (&name, by_name)] {
            let base = ["smtp", target, "--ca-file", &ca, "--connect-to", &redirect, "--dns", "127.0.0.1:5301"];
            let report = mxray(&[base.as_slice(), options].concat());
            let host = &section(&report, "transport")["facts"]["hosts"][0];
            assert_eq!(host["pkix"], *pkix, "{target}: {report:#}");
            let ids = finding_ids(&report);
            match *finding {
                "" => assert!(ids.iter().all(|id| id.starts_with("transport.")), "{target}: {ids:?}"),
                id => assert!(ids.iter().any(|other| other == id), "{target}: {ids:?}"),
            }
        }
    }
    let old = mxray(&["smtp", "127.0.0.1:2541", "--ca-file", &ca, "--dns", "127.0.0.1:5301"]);
    assert_eq!(section(&old, "tls")["facts"]["hosts"][0]["version"], "TLS 1.2");
    println!("peers: {} of {} mail servers, by address and by name", table.len(), table.len());
}

fn each_mx_gets_its_dane_verdict(ca: &str) {
    let world = ["--dns", "127.0.0.1:5301", "--connect-to", ":25:127.0.0.1:2525", "--ca-file", ca];
    let report = mxray(&[["smtp", "example.test"].as_slice(), &world].concat());
    let hosts = section(&report, "transport")["facts"]["hosts"].as_array().unwrap().clone();
    let verdicts: Vec<_> = hosts
        .iter()
        .map(|host| {
            (host["name"].as_str().unwrap(), host["tls_rpt_result"].as_str().unwrap(), &host["delivery"]["dane"])
        })
        .map(|(name, result, dane)| (name, result, dane.as_str().unwrap()))
        .collect();
    assert_eq!(
        verdicts[..2],
        [("mail.example.test", "success", "delivered"), ("badtlsa.example.test", "validation-failure", "skipped"),]
    );
    if !has_failed_lookup(&report) {
        assert_eq!(verdicts[2], ("mail.unsigned.test", "success", "delivered"));
        assert!(["insecure", "not-validated"].contains(&hosts[2]["dane"].as_str().unwrap()), "{}", hosts[2]);
    }
    let bogus = mxray(&[["smtp", "mail.bogus.test"].as_slice(), &world].concat());
    let text = bogus.to_string();
    assert!(!text.contains("\"dane\":\"none\""), "a failed lookup is never \"no TLSA\": {text}");
    println!("peers: 4 of 4 DANE hosts");
}

/// From the zone's own key down, over a resolver that validates and over the authoritative server itself.
#[test]
fn the_signed_zone_is_validated_and_each_of_its_mx_gets_its_dane_verdict() {
    let Some((ca, _turn)) = peers("DNSSEC and DANE") else { return };
    validated_from_its_own_trust_anchor(&ca);
    each_mx_gets_its_dane_verdict(&ca);
}

fn validated_from_its_own_trust_anchor(ca: &str) {
    let anchor = format!("{}/dns/anchor.key", ca.trim_end_matches("/ca/ca.pem"));
    // What is wrong with the keys is seen where they are shown: unbound keeps them back.
    // Unbound that has just seen bogus.test, or many at once, answers SERVFAIL for its unsigned sibling now and then: that is
    // then what is to be reported, and never "secure" or "no TLSA".
    for (server, bogus) in [("127.0.0.1:5300", "dnssec.ds-mismatch"), ("127.0.0.1:5301", "dnssec.bogus")] {
        let world = ["--dns", server, "--trust-anchor", &anchor, "--connect-to", ":25:127.0.0.1:2525", "--ca-file", ca];
        for (domain, state, finding) in [
            ("example.test", "secure", ""),
            ("unsigned.test", "insecure", "dnssec.none"),
            ("bogus.test", "bogus", bogus),
        ] {
            let report = mxray(&[["domain", domain, "--only", "dnssec,dane"].as_slice(), &world].concat());
            let dnssec = section(&report, "dnssec");
            if domain == "unsigned.test" && has_failed_lookup(&report) {
                assert_ne!(dnssec["facts"]["state"], "secure", "{dnssec:#}");
                continue;
            }
            assert_eq!(
                (&dnssec["facts"]["state"], &dnssec["facts"]["validated_by"]),
                (&state.into(), &"mxray".into()),
                "{domain}: {dnssec:#}"
            );
            let ids = finding_ids(&report);
            assert!(finding.is_empty() || ids.iter().any(|id| id == finding), "{domain}: {ids:?}");
        }
        let report = mxray(&[["smtp", "example.test"].as_slice(), &world].concat());
        let hosts = section(&report, "transport")["facts"]["hosts"].as_array().unwrap();
        let dane: Vec<_> = hosts.iter().map(|host| host["dane"].as_str().unwrap()).collect();
        assert_eq!(dane[..2], ["ok", "mismatch"], "{server}: {report:#}");
        let failed = has_failed_lookup(&report) && dane[2] == "lookup-failed";
        assert!(failed || dane[2] == "insecure", "{server}: {report:#}");
        assert!(hosts.iter().all(|host| host["dnssec_claimed"] == false), "{server}");
        let bogus = mxray(&[["smtp", "mail.bogus.test:25"].as_slice(), &world].concat());
        let host = &section(&bogus, "transport")["facts"]["hosts"][0];
        assert_eq!(
            (&host["dane"], &host["tls_rpt_result"]),
            (&"lookup-failed".into(), &"dnssec-invalid".into()),
            "{server}"
        );
    }
    println!("peers: 3 of 3 zones and 4 of 4 DANE hosts validated from test.'s key, over unbound and over nsd");
}

#[test]
fn each_policy_host_gets_its_own_finding() {
    let Some((ca, _turn)) = peers("MTA-STS") else { return };
    let table = [
        ("good", "ok", ""),
        ("testing", "info", "mta-sts.testing"),
        ("mismatch", "error", "mta-sts.no-mx-listed"),
        ("redirect", "error", "mta-sts.policy-redirected"),
        ("wrongtype", "warning", "mta-sts.policy-content-type"),
        ("expired", "error", "mta-sts.policy-certificate"),
        ("wrongcert", "error", "mta-sts.policy-certificate"),
        ("big", "warning", "mta-sts.policy-too-long"),
        ("slow", "unknown", "mta-sts.policy-unreachable"),
        ("missing", "error", "mta-sts.policy-status"),
    ];
    for (name, state, finding) in table {
        let domain = format!("{name}.test");
        let report = mxray(&[
            "domain",
            &domain,
            "--only",
            "mta-sts",
            "--dns",
            "127.0.0.1:5301",
            "--connect-to",
            ":443:127.0.0.1:8443",
            "--ca-file",
            &ca,
        ]);
        assert_eq!(section(&report, "mta-sts")["state"], state, "{domain}");
        let ids = finding_ids(&report);
        assert!(finding.is_empty() || ids.iter().any(|id| id == finding), "{domain}: {ids:?}");
        assert!(ids.len() <= 6, "{domain}: {} findings are a wall", ids.len());
    }
    println!("peers: {} of {} policy hosts", table.len(), table.len());
}

//! The facts that scripts rely on (the contract's list): each is there, key by key. Others may stand beside them.

use serde_json::Value;

use super::report;

/// A command, its section, and what must be a key: of the facts, or (`list[].key`) of each item of a list in them.
const CONTRACT: &[(&[&str], &str, &[&str])] = &[
    (DOMAIN, "mx", &["hosts", "hosts[].preference", "hosts[].name", "hosts[].addresses", "null_mx"]),
    (DOMAIN, "spf", &["record", "records", "result_of_all", "lookups", "void_lookups", "tree"]),
    (
        DOMAIN,
        "dkim",
        &[
            "tried",
            "keys[].selector",
            "keys[].type",
            "keys[].bits",
            "keys[].revoked",
            "keys[].testing",
            "domainkey_exists",
        ],
    ),
    (DOMAIN, "dmarc", DMARC),
    (DOMAIN, "mta-sts", &["record", "id", "policy.mode", "policy.mx", "policy.max_age", "mx_covered"]),
    (DOMAIN, "tls-rpt", &["rua"]),
    (DOMAIN, "dane", &[]),
    (DOMAIN, "dnssec", &[]),
    (DOMAIN, "caa", &[]),
    (&["dmarc", "monsec.example"], "dmarc", DMARC),
    (
        &["spf", "monsec.example", "--ip", "192.0.2.1"],
        "spf",
        &["result", "explanation", "lookups", "void_lookups", "trace"],
    ),
    (
        SMTP,
        "transcript",
        &[
            "hosts[].name",
            "hosts[].address",
            "hosts[].lines",
            "hosts[].stages.connect_ms",
            "hosts[].stages.banner_ms",
            "hosts[].stages.ehlo_ms",
            "hosts[].stages.starttls_ms",
        ],
    ),
    (
        MESSAGE,
        "dkim",
        &[
            "signatures[].domain",
            "signatures[].selector",
            "signatures[].algorithm",
            "signatures[].bits",
            "signatures[].result",
            "signatures[].reason",
            "signatures[].body_hash",
            "signatures[].header_signature",
            "signatures[].aligned",
            "signatures[].signed",
            "signatures[].unsigned",
            "signatures[].body_covered_bytes",
            "signatures[].expires",
        ],
    ),
    (
        MESSAGE,
        "spf",
        &[
            "result",
            "identity",
            "domain",
            "client_ip",
            "source.client_ip",
            "source.helo",
            "source.mail_from",
            "lookups",
            "void_lookups",
            "trace",
            "helo.result",
            "helo.domain",
        ],
    ),
    (
        MESSAGE,
        "dmarc",
        &[
            "result",
            "author_domain",
            "organizational_domain",
            "policy_domain",
            "policy",
            "effective_policy",
            "disposition",
            "walks.author",
            "walks.spf",
            "walks.dkim",
            "spf_aligned",
            "dkim_aligned",
            "rfc7489",
        ],
    ),
    (MESSAGE, "arc", &["result", "sets"]),
    (SMTP, "tls", &[]),
    (SMTP, "transport", &[]),
];

const DOMAIN: &[&str] = &["domain", "monsec.example"];
const MESSAGE: &[&str] = &[
    "message",
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/messages/rfc8463-a3.eml"),
    "--client-ip",
    "192.0.2.1",
    "--mail-from",
    "a@monsec.example",
    "--helo",
    "mail.monsec.example",
];
const SMTP: &[&str] = &["smtp", "good.servers.example"];
const DMARC: &[&str] = &[
    "record",
    "policy_domain",
    "organizational_domain",
    "policy",
    "subdomain_policy",
    "nonexistent_policy",
    "testing",
    "effective_policy",
    "walk[].name",
    "walk[].outcome",
    "walk[].record",
    "rua",
    "ruf",
    "external",
    "rfc7489.organizational_domain",
    "rfc7489.policy",
    "rfc7489.pct",
];

/// Whether the path leads to a key that is there; in a list, in every item, and the list is not empty.
fn is_there(value: &Value, path: &str) -> bool {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (key, list) = step.strip_suffix("[]").map_or((step, false), |key| (key, true));
    match (value.get(key), list, rest) {
        (None, _, _) => false,
        (Some(_), false, None) => true,
        (Some(inner), false, Some(rest)) => is_there(inner, rest),
        (Some(inner), true, rest) => {
            let items = inner.as_array().map(Vec::as_slice).unwrap_or_default();
            !items.is_empty() && items.iter().all(|item| rest.is_none_or(|rest| is_there(item, rest)))
        }
    }
}

#[test]
fn the_facts_that_scripts_rely_on_are_there() {
    let mut reports: Vec<(&[&str], Value)> = Vec::new();
    let mut missing = Vec::new();
    for (command, section, keys) in CONTRACT {
        if !reports.iter().any(|(known, _)| known == command) {
            let mut arguments = command.to_vec();
            arguments.extend(["--demo", "--format", "json"]);
            reports.push((command, report(&arguments)));
        }
        let (_, report) = reports.iter().find(|(known, _)| known == command).unwrap();
        let found = report["sections"].as_array().unwrap().iter().find(|one| one["id"] == *section);
        let Some(found) = found else {
            missing.push(format!("{command:?} has no section {section}"));
            continue;
        };
        for key in keys.iter().filter(|key| !is_there(&found["facts"], key)) {
            missing.push(format!("{command:?} {section}: {key} in {}", found["facts"]));
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn every_look_up_of_a_report_has_an_outcome_also_one_that_nobody_waited_for() {
    // Its first term fails, so what was read ahead below the others is not waited for.
    let report = report(&["spf", "broken.example", "--ip", "192.0.2.1", "--demo", "--format", "json"]);
    let outcomes: Vec<&Value> = report["lookups"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert!(outcomes.len() > 1 && outcomes.iter().all(|outcome| outcome.is_string()), "{outcomes:?}");
}

#[test]
fn hops_are_counted_from_one() {
    let ran = super::run(&["message", "-", "--hop", "0"]);
    assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{}", ran.err);
}

#[test]
fn tls_with_the_first_byte_that_fails_is_no_delivery_in_the_clear() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.write_all(b"220 mx.example ESMTP\r\n");
        let _ = socket.read(&mut [0; 1024]);
    });
    let report = report(&["smtp", &target, "--tls", "implicit", "--format", "json"]);
    server.join().unwrap();
    let answer = report["verdict"][0]["answer"].as_str().unwrap();
    assert!(answer.starts_with("deferred: TLS from the first byte fails"), "{answer}");
}

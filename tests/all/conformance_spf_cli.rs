//! The same suite through the real binary: `mxray spf` asks a name server on loopback that answers from the suite's zones,
//! one port a scenario. `TIMEOUT` is answered with SERVFAIL, which has the same result without the waiting.

use std::net::UdpSocket;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mxray::check::{Data, DnsAnswer, Kind, Outcome};
use mxray::name::Name;

use crate::conformance_spf::{CASES, Case, Zone, suite};

#[test]
fn every_case_of_the_suite_through_the_command_line() {
    let Some(scenarios) = suite() else {
        println!("rfc7208 through mxray spf: not run, MXRAY_SUITES is not set");
        return;
    };
    let zones: Vec<Zone> = scenarios.iter().map(|scenario| Zone::new(scenario, Outcome::ServerFailure)).collect();
    let sockets: Vec<UdpSocket> = zones.iter().map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let cases: Vec<(usize, String, &Case)> = scenarios
        .iter()
        .enumerate()
        .flat_map(|(at, scenario)| {
            scenario.tests.iter().map(move |(name, case)| (at, format!("{}/{name}", scenario.description), case))
        })
        .collect();
    let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    let (done, next, wrong) = (AtomicBool::new(false), Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for (zone, socket) in zones.iter().zip(&sockets) {
            let done = &done;
            scope.spawn(move || serve(zone, socket, done));
        }
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let Some((at, name, case)) = next.lock().unwrap().next() else { break };
                        if let Some(why) = run(case, ports[*at]) {
                            wrong.lock().unwrap().push(format!("{name}: {why}"));
                        }
                    }
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::SeqCst);
        assert!(ended.iter().all(Result::is_ok), "a worker broke");
    });
    let wrong = wrong.into_inner().unwrap();
    println!("rfc7208 through mxray spf: {} of {CASES} cases", cases.len() - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs one case; what differs, if anything does.
fn run(case: &Case, port: u16) -> Option<String> {
    let domain = match case.mailfrom.rsplit_once('@') {
        Some((_, domain)) => domain,
        None => &case.helo,
    };
    let mut command = assert_cmd::Command::cargo_bin("mxray").unwrap();
    command.args(["spf", domain, "--ip", &case.host, "--helo", &case.helo]);
    command.args(["--dns", &format!("127.0.0.1:{port}"), "--format", "json", "--fail-on", "never"]);
    if !case.mailfrom.is_empty() {
        command.args(["--mail-from", &case.mailfrom]);
    }
    let output = command.timeout(Duration::from_secs(60)).output().unwrap();
    let report: serde_json::Value = match serde_json::from_slice(&output.stdout) {
        Ok(report) => report,
        Err(why) => return Some(format!("{why}: {}", String::from_utf8_lossy(&output.stderr))),
    };
    let facts = &report["sections"][0]["facts"];
    case.judge(facts["result"].as_str().unwrap_or("nothing"), facts["explanation"].as_str())
}

fn serve(zone: &Zone, socket: &UdpSocket, done: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut packet = [0; 4096];
    while !done.load(Ordering::SeqCst) {
        if let Ok((length, from)) = socket.recv_from(&mut packet)
            && let Some(reply) = reply(zone, &packet[..length])
        {
            socket.send_to(&reply, from).unwrap();
        }
    }
}

/// The reply to one question, names uncompressed (RFC 1035 §4.1).
fn reply(zone: &Zone, query: &[u8]) -> Option<Vec<u8>> {
    let mut labels: Vec<&[u8]> = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(query.get(at..at + length)?);
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    let question = query.get(12..at + 4)?;
    let name = Name::from_labels(labels).ok()?;
    let answer = match Kind::ALL.into_iter().find(|known| number(*known) == Some(kind)) {
        Some(kind) => zone.answer(&name, kind),
        None => DnsAnswer::empty(Outcome::NoData),
    };
    let rcode = match answer.outcome {
        Outcome::NoSuchName => 3,
        Outcome::ServerFailure => 2,
        _ => 0,
    };
    let mut records = Vec::new();
    let mut count: u16 = 0;
    for record in answer.aliases.iter().chain(&answer.records) {
        let (kind, data) = wire(&record.data);
        push_name(&mut records, &record.owner);
        records.extend(kind.to_be_bytes());
        records.extend([0, 1, 0, 0, 0, 60]);
        records.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        records.extend(data);
        count += 1;
    }
    let mut reply = query.get(..2)?.to_vec();
    reply.extend([0x84 | (query.get(2)? & 1), 0x80 | rcode, 0, 1]);
    reply.extend(count.to_be_bytes());
    reply.extend([0; 4]);
    reply.extend(question);
    reply.extend(records);
    Some(reply)
}

fn number(kind: Kind) -> Option<u16> {
    match kind {
        Kind::A => Some(1),
        Kind::Cname => Some(5),
        Kind::Ptr => Some(12),
        Kind::Mx => Some(15),
        Kind::Txt => Some(16),
        Kind::Aaaa => Some(28),
        _ => None,
    }
}

fn wire(data: &Data) -> (u16, Vec<u8>) {
    let mut out = Vec::new();
    let kind = match data {
        Data::A(v4) => {
            out.extend(v4.octets());
            1
        }
        Data::Aaaa(v6) => {
            out.extend(v6.octets());
            28
        }
        Data::Cname(name) => {
            push_name(&mut out, name);
            5
        }
        Data::Ptr(name) => {
            push_name(&mut out, name);
            12
        }
        Data::Mx { preference, exchange } => {
            out.extend(preference.to_be_bytes());
            push_name(&mut out, exchange);
            15
        }
        Data::Txt(strings) => {
            for string in strings.iter().flat_map(|string| match string.is_empty() {
                true => vec![&[][..]],
                false => string.chunks(255).collect(),
            }) {
                out.push(u8::try_from(string.len()).unwrap());
                out.extend(string);
            }
            16
        }
        other => panic!("the suite has no {other:?}"),
    };
    (kind, out)
}

fn push_name(out: &mut Vec<u8>, name: &Name) {
    for label in name.raw_labels() {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label);
    }
    out.push(0);
}

//! The SPF test suite of openspf.org for RFC 7208, all of it, on literal evidence. `MXRAY_SUITES` names the folder that holds
//! `rfc7208-tests.yml`; see its README for the suite's quirks, each of which is honoured below.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use mxray::check::{Answer, Data, DnsAnswer, Dnssec, Evidence, Kind, Outcome, Query, Record, Seen, Wait};
use mxray::name::Name;
use mxray::records::spf::{CheckHostArgs, Evaluation, evaluate};
use mxray::report::LookupId;
use serde::Deserialize;
use serde_yaml_ng::Value;
use time::OffsetDateTime;

/// How many cases the suite has; a file with fewer was not read whole.
pub const CASES: usize = 203;
/// How many of them state an explanation.
const EXPLANATIONS: usize = 22;

/// One YAML document: a small world and the checks made in it.
#[derive(Deserialize)]
pub struct Scenario {
    pub description: String,
    pub tests: BTreeMap<String, Case>,
    zonedata: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
pub struct Case {
    pub helo: String,
    pub host: String,
    pub mailfrom: String,
    result: OneOrMore,
    explanation: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Case {
    pub fn args(&self) -> CheckHostArgs {
        CheckHostArgs::mail_from(self.host.parse().unwrap(), &self.helo, Some(&self.mailfrom))
    }

    /// What differs from what the suite wants; `None` when it agrees.
    pub fn judge(&self, result: &str, explanation: Option<&str>) -> Option<String> {
        let right = match &self.result {
            OneOrMore::One(only) => vec![only.as_str()],
            OneOrMore::More(all) => all.iter().map(String::as_str).collect(),
        };
        if !right.contains(&result) {
            return Some(format!("{result}, not {right:?}"));
        }
        // DEFAULT is the program's own text: ours is to have none.
        let wanted = self.explanation.as_deref().filter(|text| *text != "DEFAULT");
        (self.explanation.is_some() && explanation != wanted).then(|| format!("{explanation:?}, not {wanted:?}"))
    }
}

/// The suite, or `None` when `MXRAY_SUITES` is not set.
pub fn suite() -> Option<Vec<Scenario>> {
    let folder = std::env::var_os("MXRAY_SUITES")?;
    let file = Path::new(&folder).join("rfc7208-tests.yml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    let scenarios: Vec<Scenario> = serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| Scenario::deserialize(document).unwrap_or_else(|why| panic!("{}: {why}", file.display())))
        .collect();
    let (cases, explained) = scenarios
        .iter()
        .flat_map(|scenario| scenario.tests.values())
        .fold((0, 0), |(cases, explained), case| (cases + 1, explained + usize::from(case.explanation.is_some())));
    assert_eq!((cases, explained), (CASES, EXPLANATIONS), "{} is not the suite of release 2014.04", file.display());
    Some(scenarios)
}

/// A scenario's zone data, ready to answer.
pub struct Zone {
    names: HashMap<Name, Vec<Data>>,
    faults: HashMap<Name, Vec<Option<Kind>>>,
    timeout: Outcome,
}

impl Zone {
    /// `timeout` is what the word `TIMEOUT` answers.
    pub fn new(scenario: &Scenario, timeout: Outcome) -> Zone {
        let mut zone = Zone { names: HashMap::new(), faults: HashMap::new(), timeout };
        for (owner, entries) in &scenario.zonedata {
            let name = from_plain(owner);
            let own_txt = entries.iter().any(|entry| entry.get("TXT").is_some());
            zone.names.entry(name.clone()).or_default();
            for entry in entries {
                if entry.as_str() == Some("TIMEOUT") {
                    zone.faults.entry(name.clone()).or_default().push(None);
                    continue;
                }
                let (kind, value) = entry.as_mapping().unwrap().iter().next().unwrap();
                let kind = match kind.as_str().unwrap() {
                    // SPF records are TXT records too, unless the name has TXT of its own.
                    "SPF" if own_txt => continue,
                    "SPF" => Kind::Txt,
                    other => Kind::parse(other).unwrap(),
                };
                match value.as_str() {
                    Some("TIMEOUT") => zone.faults.entry(name.clone()).or_default().push(Some(kind)),
                    Some("NONE") => {}
                    _ => zone.names.entry(name.clone()).or_default().push(data(kind, value)),
                }
            }
        }
        zone
    }

    pub fn answer(&self, name: &Name, kind: Kind) -> DnsAnswer {
        let mut at = name.clone();
        let mut answer = DnsAnswer::empty(Outcome::Answer);
        answer.dnssec = Dnssec::Insecure;
        for _ in 0..=8 {
            let records = self.names.get(&at).map(Vec::as_slice);
            let has = |kind| records.is_some_and(|all| all.iter().any(|data| kind_of(data) == kind));
            let fault = self.faults.get(&at).is_some_and(|faults| {
                faults.iter().any(|fault| *fault == Some(kind) || (fault.is_none() && !has(kind)))
            });
            if fault {
                return DnsAnswer::empty(self.timeout.clone());
            }
            let Some(records) = records else {
                let above = self.names.keys().any(|known| known.is_at_or_below(&at));
                answer.outcome = if above { Outcome::NoData } else { Outcome::NoSuchName };
                return answer;
            };
            answer.records = records
                .iter()
                .filter(|data| kind_of(data) == kind)
                .map(|data| Record { owner: at.clone(), ttl: 60, data: data.clone() })
                .collect();
            let alias = records.iter().find_map(|data| match data {
                Data::Cname(target) => Some(target.clone()),
                _ => None,
            });
            match alias {
                Some(target) if answer.records.is_empty() => {
                    let data = Data::Cname(target.clone());
                    answer.aliases.push(Record { owner: at, ttl: 60, data });
                    at = target;
                }
                _ if answer.records.is_empty() => {
                    answer.outcome = Outcome::NoData;
                    return answer;
                }
                _ => return answer,
            }
        }
        answer.aliases.dedup();
        answer.outcome = Outcome::Failed("a loop of CNAMEs".into());
        answer
    }
}

/// Evaluates round by round on what the zone answers; also how many rounds it took.
pub fn run(zone: &Zone, args: &CheckHostArgs) -> (Evaluation, usize) {
    gather(zone, args, &mut Evidence::default())
}

/// The same, adding the answers to what is known already.
pub fn gather(zone: &Zone, args: &CheckHostArgs, evidence: &mut Evidence) -> (Evaluation, usize) {
    for round in 0..64 {
        let seen = Seen::new(evidence, OffsetDateTime::UNIX_EPOCH);
        let result = evaluate(args, &seen);
        let missing = seen.into_notes().missing;
        match result {
            Ok(evaluation) => return (evaluation, round),
            Err(wait) => assert!(wait == Wait::Answers && !missing.is_empty(), "it waits without asking"),
        }
        for (query, _) in missing {
            let Query::Dns { name, kind } = &query else { panic!("SPF asks DNS only") };
            assert!(matches!(kind, Kind::A | Kind::Aaaa | Kind::Mx | Kind::Ptr | Kind::Txt), "{kind} was asked");
            let answer = zone.answer(name, *kind);
            let id = LookupId(u32::try_from(evidence.len()).unwrap());
            evidence.insert(query.clone(), id, Answer::Dns(answer).into());
        }
    }
    panic!("still asks after 64 rounds")
}

fn run_all(timeout: Outcome) -> usize {
    let Some(scenarios) = suite() else {
        println!("rfc7208: not run, MXRAY_SUITES is not set");
        return 0;
    };
    let mut wrong = Vec::new();
    let mut right = 0;
    for scenario in &scenarios {
        let zone = Zone::new(scenario, timeout.clone());
        for (name, case) in &scenario.tests {
            let (evaluation, _) = run(&zone, &case.args());
            match case.judge(evaluation.result.word(), evaluation.explanation.as_deref()) {
                None => right += 1,
                Some(why) => {
                    wrong.push(format!("{}/{name}: {why} ({})", scenario.description, evaluation.reason));
                }
            }
        }
    }
    println!("rfc7208: {right} of {CASES} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    right
}

#[test]
fn every_case_of_the_suite_with_timeouts() {
    run_all(Outcome::TimedOut);
}

#[test]
fn every_case_of_the_suite_with_server_failures() {
    run_all(Outcome::ServerFailure);
}

/// A name of the suite as its bytes stand: no escapes, one final dot ignored.
fn from_plain(text: &str) -> Name {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return Name::root();
    }
    Name::from_labels(text.split('.').map(str::as_bytes)).unwrap()
}

fn data(kind: Kind, value: &Value) -> Data {
    let text = || value.as_str().unwrap_or_else(|| panic!("{kind}: {value:?}"));
    match kind {
        Kind::A => Data::A(text().parse().unwrap()),
        Kind::Aaaa => match text().parse().unwrap() {
            IpAddr::V6(v6) => Data::Aaaa(v6),
            IpAddr::V4(_) => panic!("AAAA: {value:?}"),
        },
        Kind::Ptr => Data::Ptr(from_plain(text())),
        Kind::Cname => Data::Cname(from_plain(text())),
        Kind::Mx => {
            let parts = value.as_sequence().unwrap();
            let preference = u16::try_from(parts[0].as_u64().unwrap()).unwrap();
            Data::Mx { preference, exchange: from_plain(parts[1].as_str().unwrap()) }
        }
        Kind::Txt => match value.as_sequence() {
            // A record without any string cannot be carried: one empty string.
            Some(strings) if strings.is_empty() => Data::Txt(vec![Vec::new()]),
            Some(strings) => Data::Txt(strings.iter().map(|string| latin1(string.as_str().unwrap())).collect()),
            None => Data::Txt(vec![latin1(text())]),
        },
        _ => panic!("the suite has no {kind}"),
    }
}

/// YAML's `\x80` is the character U+0080; the suite means the byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn kind_of(data: &Data) -> Kind {
    match data {
        Data::A(_) => Kind::A,
        Data::Aaaa(_) => Kind::Aaaa,
        Data::Cname(_) => Kind::Cname,
        Data::Mx { .. } => Kind::Mx,
        Data::Ptr(_) => Kind::Ptr,
        Data::Txt(_) => Kind::Txt,
        other => panic!("{other:?}"),
    }
}

//! Second opinions: mail-auth's and dkimpy's verdict on every message of the corpus, beside ours. Each difference stands in
//! [`EXPLAINED`] with its reason; one that does not is a bug, theirs or ours.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::DkimError;
use mail_auth::{AuthenticatedMessage, DkimResult, Error, MessageAuthenticator, Parameters, ResolverCache, Txt};

use mxray::check::world::World;
use mxray::check::{Evidence, Kind, Query};
use mxray::config::{Settings, Upstream};
use mxray::job::{Envelope, Job, Task};
use mxray::name::Name;
use mxray::report::{LookupId, Report};

use super::corpus::{ZONE, entries, judge};

/// A difference with its reason.
struct Explained {
    who: &'static str,
    /// What it says.
    says: &'static str,
    /// For which messages.
    when: fn(&str) -> bool,
    why: &'static str,
}

const EXPLAINED: &[Explained] = &[
    Explained {
        who: "dkimpy",
        says: "pass",
        when: |name| name.contains("rsa-sha1"),
        why: "it lets rsa-sha1 pass; RFC 8301 §3.1 forbids it",
    },
    Explained {
        who: "mail-auth",
        says: "pass",
        when: |name| name.contains("rsa-sha1"),
        why: "0.13.3 lets rsa-sha1 pass; RFC 8301 §3.1 forbids it",
    },
    Explained {
        who: "mail-auth",
        says: "signature length",
        when: |name| name.contains("-l-"),
        why: "it ignores signatures with l= (its strict mode); we judge them and tell the tail",
    },
    Explained {
        who: "mail-auth",
        says: "body hash",
        when: |name| name.contains("-relaxed-rsa") || name.contains("-relaxed-ed"),
        why: "0.13.3 keeps white lines at the end of a relaxed body; RFC 6376 §3.4.4 removes them",
    },
];

/// The zone's keys, as mail-auth wants them.
struct Keys(HashMap<String, Arc<DomainKey>>);

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // The trait gives no text of a borrowed key, so it is compared with each of the two that there are.
        self.0
            .iter()
            .find(|(key, _)| {
                let key: Box<str> = key.as_str().into();
                <Box<str> as Borrow<Q>>::borrow(&key) == name
            })
            .map(|(_, key)| Txt::DomainKey(key.clone()))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

fn keys() -> Keys {
    let line = |line: &str| {
        let (name, text) = line.split_once(" TXT ").unwrap();
        (format!("{name}."), Arc::new(DomainKey::parse(text.trim_matches('"').as_bytes()).unwrap()))
    };
    Keys(ZONE.lines().map(line).collect())
}

/// A resolver that has nobody to ask: whatever is not in the cache is a bug of the test.
fn nobody() -> MessageAuthenticator {
    let config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
    let roots = rustls::RootCertStore::empty();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_tls_config(tls);
    *builder.options_mut() = ResolverOpts::default();
    MessageAuthenticator(builder.build().unwrap())
}

fn word(result: &DkimResult) -> &'static str {
    match result {
        DkimResult::Pass => "pass",
        DkimResult::Neutral(Error::Dkim(DkimError::FailedBodyHashMatch)) => "body hash",
        DkimResult::Neutral(Error::Dkim(DkimError::SignatureLength)) => "signature length",
        DkimResult::Neutral(_) => "neutral",
        DkimResult::Fail(_) => "fail",
        DkimResult::PermError(_) => "permerror",
        DkimResult::TempError(_) => "temperror",
        DkimResult::None => "none",
    }
}

#[tokio::test]
async fn every_difference_to_mail_auth_and_dkimpy_is_explained() {
    let (authenticator, keys) = (nobody(), keys());
    let (mut agreed, mut explained) = (0, [0; EXPLAINED.len()]);
    let mut unexplained = Vec::new();
    for entry in entries() {
        let ours = judge(entry.raw).0["result"].as_str().unwrap().to_owned();
        let message = AuthenticatedMessage::parse(entry.raw).unwrap();
        let outputs = authenticator.verify_dkim(Parameters::new(&message).with_txt_cache(&keys)).await;
        let theirs = outputs.first().map_or("none", |output| word(output.result()));
        for (who, said) in [("mail-auth", theirs), ("dkimpy", entry.dkimpy.as_str())] {
            if said == ours {
                agreed += 1;
                continue;
            }
            let why = EXPLAINED.iter().position(|one| one.who == who && one.says == said && (one.when)(&entry.name));
            match why {
                Some(at) => explained[at] += 1,
                None => unexplained.push(format!("{}: {who} says {said}, we say {ours}", entry.name)),
            }
        }
    }
    println!("second opinions: {agreed} agree");
    for (one, count) in EXPLAINED.iter().zip(explained) {
        println!("  {count} times {} says {}: {}", one.who, one.says, one.why);
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    assert!(explained.iter().all(|count| *count > 0), "an explanation that explains nothing: {explained:?}");
}

/// The corpus' zone as the evidence of a job.
fn evidence(zone: &str) -> Evidence {
    let world = World::parse(zone).unwrap();
    let mut evidence = Evidence::default();
    for (at, line) in zone.lines().enumerate() {
        let name = Name::from_text(line.split_once(' ').unwrap().0).unwrap();
        let query = Query::dns(&name, Kind::Txt);
        let answer = world.answer(&query);
        evidence.insert(query, LookupId(u32::try_from(at).unwrap()), Arc::new(answer));
    }
    evidence
}

/// A message through the engine, with a zone and without a network.
async fn report(raw: &[u8], zone: &str) -> Arc<Report> {
    let nobody = Upstream::Plain("127.0.0.1:9".parse().unwrap());
    let engine = crate::job::engine(Settings { upstreams: vec![nobody], ..Settings::default() });
    let mut job = Job::new(Task::Message { raw: Arc::from(raw), envelope: Envelope::default() });
    (job.offline, job.evidence) = (true, Some(Arc::new(evidence(zone))));
    crate::job::finish(&engine, job).await
}

/// What the report says of the second opinion.
async fn said(raw: &[u8], zone: &str) -> Vec<String> {
    let report = report(raw, zone).await;
    let findings = report.sections.iter().flat_map(|section| &section.findings);
    findings.filter(|one| one.id.ends_with(".second-opinion")).map(|one| one.text.clone()).collect()
}

#[tokio::test]
async fn the_report_tells_a_second_opinion_where_it_differs_and_only_there() {
    let (mut silent, mut told) = (0, 0);
    for entry in entries() {
        let told_here = said(entry.raw, ZONE).await;
        // The words in which each of the differences above is told.
        let why = match entry.name.as_str() {
            name if name.contains("rsa-sha1") => Some("RFC 8301"),
            name if name.contains("-l-") => Some("refuses every signature with l="),
            _ => None,
        };
        let white = |text: &String| text.contains("lines of white space alone");
        match (why, told_here.as_slice()) {
            (None, []) => silent += 1,
            // rsa-sha1 with l=: both refuse it, each in its own way.
            (Some(_), []) if entry.name.contains("rsa-sha1") => silent += 1,
            // l=0 over a body of nothing is no limit to either.
            (Some(_), []) if entry.name.ends_with("-body1") && entry.name.contains("-relaxed-") => silent += 1,
            (None, [text]) if white(text) && entry.name.contains("-relaxed-") => told += 1,
            (Some(why), [text]) if text.contains(why) => told += 1,
            (_, said) => panic!("{}: {said:?}", entry.name),
        }
        assert!(
            told_here
                .iter()
                .all(|text| text.starts_with("A second implementation (mail-auth 0.13.3) says of signature #1"))
        );
    }
    println!("second opinions on screen: {told} told, {silent} silent");
    assert!(told > 20 && silent > 20, "{told} told, {silent} silent");
}

#[tokio::test]
async fn a_relaxed_body_with_white_lines_at_its_end_is_the_known_difference() {
    let is_it = |name: &str| name.contains("-relaxed-rsa-sha256-whole-") && name.ends_with("-body3");
    let entry = entries().into_iter().find(|entry| is_it(&entry.name));
    let found = said(entry.unwrap().raw, ZONE).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("We say pass, because the body ends in lines of white space alone"), "{found:?}");
}

#[tokio::test]
async fn without_the_key_and_without_the_body_there_is_no_second_opinion() {
    let entry = entries().into_iter().find(|entry| entry.name.contains("-l-")).unwrap();
    assert_eq!(said(entry.raw, ZONE).await.len(), 1);
    let plain = entries().into_iter().find(|entry| said_nothing(&entry.name)).unwrap();
    assert_eq!(said(plain.raw, "x.example TXT \"x\"").await, Vec::<String>::new(), "the key is not known");
    let header = entry.raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    assert_eq!(said(&entry.raw[..header + 2], ZONE).await, Vec::<String>::new(), "headers alone");
}

fn said_nothing(name: &str) -> bool {
    !name.contains("-l-") && !name.contains("rsa-sha1") && name.contains("simple-simple")
}

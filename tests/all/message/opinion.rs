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

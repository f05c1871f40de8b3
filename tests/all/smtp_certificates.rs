//! Certificates that are wrong in one way each, and handshakes that come to nothing, met on a real socket: which fault, and
//! in which words. What other libraries accept and ours refuses to compute is never called the server's fault.

use std::sync::Arc;
use std::time::Duration;

use mxray::check::{HandshakeFault, Transcript, TranscriptEvent};
use mxray::config::{ConnectTo, Settings, Upstream};
use mxray::job::{Job, JobEvent, SmtpPlan, Task};
use mxray::report::Report;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const HOST: &str = "mail.zoo.test";
/// The clock of every look: 2026-11-24.
const NOW: i64 = 1_795_478_400;

/// A root that is trusted, and what a server sends.
struct Served {
    root: String,
    chain: Vec<Vec<u8>>,
    key: KeyPair,
}

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "the leaf");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 12, 31);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = Vec::new();
    params
}

/// A leaf below an intermediate below the root; `middle` and `leaf` may bend theirs.
fn served(middle: impl FnOnce(&mut CertificateParams), leaf: CertificateParams) -> Served {
    let (root_key, middle_key, key) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = authority("Zoo Root");
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(root, root_key);
    let mut params = authority("Zoo Intermediate");
    middle(&mut params);
    let middle_der = params.signed_by(&middle_key, &root).unwrap().der().to_vec();
    let middle = Issuer::new(params, middle_key);
    let leaf = leaf.signed_by(&key, &middle).unwrap().der().to_vec();
    Served { root: root_pem, chain: vec![leaf, middle_der], key }
}

fn good(leaf: CertificateParams) -> Served {
    served(|_| {}, leaf)
}

async fn talk(mut socket: BufReader<impl AsyncReadExt + AsyncWriteExt + Unpin>, greeting: &[u8], ehlo: &[u8]) {
    let _ = socket.write_all(greeting).await;
    let mut line = String::new();
    while socket.read_line(&mut line).await.is_ok_and(|n| n > 0) {
        let reply: &[u8] = match line.get(..4).unwrap_or("") {
            "EHLO" => ehlo,
            "STAR" => b"220 go\r\n",
            _ => b"221 bye\r\n",
        };
        let _ = socket.write_all(reply).await;
        if line.starts_with("STAR") || line.starts_with("QUIT") {
            return;
        }
        line.clear();
    }
}

async fn until_starttls(socket: &mut TcpStream) {
    talk(BufReader::new(socket), b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n").await;
}

/// Looks at a server that runs `serve` once STARTTLS is agreed on.
async fn look<F: Future<Output = ()> + Send + 'static>(
    root: Option<&str>,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> (Arc<Report>, Transcript) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            until_starttls(&mut socket).await;
            tokio::spawn(serve(socket));
        }
    });
    let settings = Settings {
        upstreams: vec![Upstream::Plain("127.0.0.1:9".parse().unwrap())],
        connect_to: vec![ConnectTo::parse(&format!("::127.0.0.1:{}", address.port())).unwrap()],
        extra_roots: root.map(|pem| pem.as_bytes().to_vec()).into_iter().collect(),
        now: Some(time::OffsetDateTime::from_unix_timestamp(NOW).unwrap()),
        timeout: Duration::from_millis(500),
        ..Settings::default()
    };
    let engine = crate::job::engine(settings);
    let mut transcript = Transcript::default();
    let job = Job::new(Task::Smtp { target: format!("{HOST}:25"), plan: SmtpPlan::default() });
    let report = crate::job::watch(&engine, job, |event| {
        if let JobEvent::Dialogue(_, said) = event {
            transcript = (*said).clone();
        }
    })
    .await;
    server.abort();
    (report, transcript)
}

async fn look_at(served: Served) -> (Arc<Report>, Transcript) {
    let Served { root, chain, key } = served;
    look_at_key(&root, chain, &key.serialize_der()).await
}

/// The same without the library's own look at the certificate, which refuses what old servers have.
async fn look_at_key(root: &str, chain: Vec<Vec<u8>>, key: &[u8]) -> (Arc<Report>, Transcript) {
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.to_vec()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(chain.into_iter().map(Into::into).collect(), key);
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    look(Some(root), move |socket| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(tls) = acceptor.accept(socket).await {
                talk(BufReader::new(tls), b"", b"250 x\r\n").await;
            }
        }
    })
    .await
}

fn fact<'a>(report: &'a Report, section: &str, key: &str) -> &'a serde_json::Value {
    let section = report.sections.iter().find(|one| one.id == section).unwrap();
    &section.facts["hosts"][0][key]
}

fn of_tls(report: &Report) -> Vec<(&'static str, String)> {
    let section = report.sections.iter().find(|section| section.id == "tls").unwrap();
    section.findings.iter().map(|finding| (finding.id, finding.text.clone())).collect()
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_word_and_its_sentence() {
    let with = |names: &[&str], bend: fn(&mut CertificateParams)| {
        let mut leaf = params(names);
        bend(&mut leaf);
        leaf
    };
    let plain = || params(&[HOST]);
    let expired = |one: &mut CertificateParams| one.not_after = rcgen::date_time_ymd(2026, 11, 21);
    let future = |one: &mut CertificateParams| one.not_before = rcgen::date_time_ymd(2026, 11, 27);
    let mut alone = good(plain());
    alone.chain.truncate(1);
    let mut swapped = good(plain());
    let stranger = good(plain());
    swapped.chain = vec![swapped.chain[0].clone(), stranger.chain[1].clone(), swapped.chain[1].clone()];
    let cases = [
        ("good", good(plain()), "ok", ""),
        ("a wildcard for one label", good(params(&["*.zoo.test"])), "ok", ""),
        ("others between, in any order", swapped, "ok", ""),
        ("expired", good(with(&[HOST], expired)), "expired", "expired on 2026-11-21, 3 days ago"),
        (
            "expired, and for another",
            good(with(&["other.zoo.test"], expired)),
            "expired",
            "Besides, its certificate is for other.zoo.test, not for mail.zoo.test.",
        ),
        ("too early", good(with(&[HOST], future)), "not-yet-valid", "valid only from 2026-11-27"),
        (
            "an issuer that expired",
            served(expired, plain()),
            "expired",
            "a certificate above its own expired on 2026-11-21 (CN=Zoo Intermediate)",
        ),
        (
            "an issuer too early",
            served(future, plain()),
            "not-yet-valid",
            "a certificate above its own is valid only from 2026-11-27 (CN=Zoo Intermediate)",
        ),
        ("a wildcard too high", good(params(&["*.test"])), "wrong-name", "is for *.test, not for mail.zoo.test"),
        ("a wildcard in the middle", good(params(&["mail.*.test"])), "wrong-name", "is for mail.*.test"),
        ("no names", good(params(&[])), "wrong-name", "bears no name to check"),
        ("a subject alone", good(params(&[])), "wrong-name", "its subject, CN=the leaf, is not looked at any more"),
        (
            "an address alone",
            good(with(&[], |one| one.subject_alt_names.push(SanType::IpAddress("127.0.0.1".parse().unwrap())))),
            "wrong-name",
            "is for 127.0.0.1, not for mail.zoo.test",
        ),
        (
            "for clients",
            good(with(&[HOST], |one| one.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])),
            "wrong-usage",
            "not made for a server",
        ),
        (
            "for anything",
            good(with(&[HOST], |one| one.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any])),
            "wrong-usage",
            "not made for a server",
        ),
        ("the issuer not sent", alone, "unknown-issuer", "an intermediate certificate was perhaps not sent"),
        (
            "an issuer for other names",
            served(
                |middle| {
                    middle.name_constraints = Some(rcgen::NameConstraints {
                        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("other.test".into())],
                        excluded_subtrees: Vec::new(),
                    });
                },
                plain(),
            ),
            "invalid",
            "may not vouch for this name (name constraints)",
        ),
        (
            "an issuer that is none",
            served(|middle| middle.is_ca = IsCa::ExplicitNoCa, plain()),
            "invalid",
            "is no authority's (CA:FALSE)",
        ),
    ];
    for (case, served, pkix, words) in cases {
        let (report, transcript) = look_at(served).await;
        let findings = of_tls(&report);
        assert_eq!(fact(&report, "transport", "pkix"), pkix, "{case}: {findings:?}");
        match words {
            "" => assert!(findings.is_empty(), "{case}: {findings:?}"),
            words => assert!(findings[0].1.contains(words), "{case}: {findings:?}"),
        }
        let went_on =
            transcript.entries.iter().any(|entry| entry.tls && matches!(entry.event, TranscriptEvent::Sent { .. }));
        assert!(went_on, "{case}: a failed check does not stop the look");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_says_what_else_is_wrong_with_it() {
    let key = KeyPair::generate().unwrap();
    let chain = vec![params(&["other.zoo.test"]).self_signed(&key).unwrap().der().to_vec()];
    let root = authority("Zoo Root").self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let (report, _) = look_at(Served { root, chain, key }).await;
    let findings = of_tls(&report);
    assert_eq!(findings[0].0, "tls.certificate-self-signed");
    assert!(findings[0].1.contains("Besides, its certificate is for other.zoo.test"), "{findings:?}");
}

#[tokio::test]
async fn handshakes_that_fail_say_whose_limits_they_met() {
    let alert = |description: u8| vec![0x15, 3, 1, 0, 2, 2, description];
    // A ServerHello of TLS 1.1: version 3.2, a random, no session, RSA with AES-128-CBC.
    let old = [&[0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    let cases = [
        (alert(70), HandshakeFault::OldVersion, "tls.old-version", "it speaks older versions alone"),
        (old, HandshakeFault::OldVersion, "tls.old-version", "older than 1.2"),
        (alert(40), HandshakeFault::NothingInCommon, "tls.nothing-in-common", "nothing of what mxray offers"),
        (alert(71), HandshakeFault::NothingInCommon, "tls.nothing-in-common", "nothing of what mxray offers"),
        (alert(80), HandshakeFault::Failed, "tls.handshake-failed", "alert internal error"),
        (b"250 what?\r\n".to_vec(), HandshakeFault::Failed, "tls.handshake-failed", "not TLS"),
        (Vec::new(), HandshakeFault::Failed, "tls.handshake-failed", "the server closed the connection"),
    ];
    for (bytes, fault, id, words) in cases {
        let (report, transcript) = look(None, move |mut socket| {
            let bytes = bytes.clone();
            async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(&bytes).await;
                let _ = socket.shutdown().await;
                let _ = socket.read(&mut [0; 4096]).await;
            }
        })
        .await;
        let seen = transcript.entries.iter().find_map(|entry| match &entry.event {
            TranscriptEvent::TlsFailed(fault, _) => Some(*fault),
            _ => None,
        });
        let findings = of_tls(&report);
        assert_eq!(seen, Some(fault), "{words}: {findings:?}");
        assert!(findings[0].0 == id && findings[0].1.contains(words), "{words}: {findings:?}");
        let delivery = &fact(&report, "transport", "delivery")["plain"];
        // What a sender that offers more would come to, nobody here knows.
        let expected = if fault == HandshakeFault::NothingInCommon { "unknown" } else { "delivered-in-clear" };
        assert_eq!(delivery, expected, "{words}");
    }
}

/// A certificate of X.509 version 1, self-signed, and its P-256 key, made by `openssl x509 -req -signkey`.
const VERSION_1: [&str; 2] = [
    "MIIBLTCB0wIUZ6hrEFO0uU/ZydLOOynWLMRfIJwwCgYIKoZIzj0EAwIwGDEWMBQGA1UEAwwNbWFpbC56b28udGVzdDAgFw0yNjExMjQxNzU0NTNaGA8yMTI2MTAzMTE3NTQ1M1owGDEWMBQGA1UEAwwNbWFpbC56b28udGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMkfJSOS8U1uTMCVkvZG6MCyg45gx/wbMXRHQdRpd6HtFvEp+n51xYY/moHEj0xuuXhsqyzEso94xR99ryQsPAEwCgYIKoZIzj0EAwIDSQAwRgIhAO6d31vNfZbNjbV1yASlbDHtW4XJW5VImpG5ITWwqH99AiEAvYGFZzZto1bsdAkT6mmeR0ZdCPPAKcZOGWIUrCUI7hw=",
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKF8dbeclD/NLyEd4E33oLZzN5lXaTNjGps6CNi7L366hRANCAATJHyUjkvFNbkzAlZL2RujAsoOOYMf8GzF0R0HUaXeh7RbxKfp+dcWGP5qBxI9Mbrl4bKssxLKPeMUffa8kLDwB",
];

#[tokio::test]
async fn a_certificate_of_version_1_is_met_as_other_senders_meet_it() {
    use base64::Engine;
    let [certificate, key] = VERSION_1.map(|text| base64::engine::general_purpose::STANDARD.decode(text).unwrap());
    let root = authority("Zoo Root").self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let (report, transcript) = look_at_key(&root, vec![certificate], &key).await;
    let failed = transcript.entries.iter().any(|entry| matches!(entry.event, TranscriptEvent::TlsFailed(..)));
    assert!(!failed, "{:?}", of_tls(&report));
    assert_eq!(fact(&report, "transport", "delivery")["plain"], "delivered");
    assert_eq!(fact(&report, "transport", "pkix"), "self-signed");
    // Whose key it is not is found out all the same.
    let [certificate, _] = VERSION_1.map(|text| base64::engine::general_purpose::STANDARD.decode(text).unwrap());
    let stranger = KeyPair::generate().unwrap().serialize_der();
    let (report, _) = look_at_key(&root, vec![certificate], &stranger).await;
    assert_eq!(of_tls(&report)[0].0, "tls.handshake-failed", "{:?}", of_tls(&report));
}

//! What RFC 8461 §3.3 demands of a fetch, against a server on loopback with certificates of its own making.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::{Server, record, wire_name};
use super::{Told, check, done, job, settings};
use crate::check::{Answer, HttpsAnswer, HttpsOutcome, HttpsRules, Outcome, Query};
use crate::config::{ConnectTo, Settings};
use crate::engine::Engine;

const HOST: &str = "mta-sts.good.test";

pub(super) fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server that answers each request with these bytes, then (unless it stalls) closes.
async fn serve(config: ServerConfig, response: Vec<u8>, stall: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, response) = (acceptor.clone(), response.clone());
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(stream).await else { return };
                let mut request = [0; 4096];
                let _ = tls.read(&mut request).await;
                let _ = tls.write_all(&response).await;
                let _ = tls.flush().await;
                if stall {
                    let _ = tls.read(&mut request).await;
                }
                let _ = tls.shutdown().await;
            });
        }
    });
    address
}

pub(super) fn config(issuer: Option<&CertifiedIssuer<'_, KeyPair>>, params: CertificateParams) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

pub(super) fn leaf(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// Fetches the policy of [`HOST`] from `address`; names are answered by a server of ours.
async fn fetch(address: SocketAddr, ca: &str, timeout_ms: u64) -> (HttpsAnswer, Told) {
    let dns = Server::start(|question| match question.asked.name.as_str() {
        HOST => {
            let alias = record(&[0xc0, 12], 5, 60, &wire_name("policies.example"));
            let data = record(&wire_name("policies.example"), 1, 60, &[127, 0, 0, 1]);
            if question.asked.kind == 1 {
                question.message(0, &[alias, data], &[]).into()
            } else {
                question.message(0, &[alias], &[super::server::soa(60)]).into()
            }
        }
        _ => question.rcode(3).into(),
    })
    .await;
    let connect = ConnectTo::parse(&format!(":443::{}", address.port())).unwrap();
    let settings = Settings {
        connect_to: vec![connect],
        extra_roots: vec![ca.as_bytes().to_vec()],
        ..settings(&[&dns], timeout_ms)
    };
    let engine = Engine::new(settings).unwrap();
    fetch_with(&engine, HOST).await
}

async fn fetch_with(engine: &Engine, host: &'static str) -> (HttpsAnswer, Told) {
    let url = format!("https://{host}/.well-known/mta-sts.txt");
    let asked = url.clone();
    let policy = check("policy", move |seen, _| {
        let word = seen.https(&asked, HttpsRules::MtaSts)?.outcome.word();
        Ok(done("policy", word))
    });
    let told = engine.run_made(1, job(), vec![policy]).await;
    let query = Query::Https { url: Arc::from(url), rules: HttpsRules::MtaSts };
    match &*told.evidence.get(&query).unwrap().answer {
        Answer::Https(answer) => (answer.clone(), told),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_fail_is_its_own_outcome() {
    let ca = authority("A test's CA");
    let plain = |body: &[u8]| response("HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8", body);
    let good = || config(Some(&ca), leaf(&[HOST]));
    let get = async |config: ServerConfig, response: Vec<u8>| {
        let address = serve(config, response, false).await;
        fetch(address, &ca.pem(), 5000).await.0.outcome
    };

    let address = serve(good(), plain(b"version: STSv1\n"), false).await;
    let (answer, told) = fetch(address, &ca.pem(), 5000).await;
    let body = HttpsOutcome::Body {
        content_type: Some("text/plain; charset=utf-8".into()),
        body: b"version: STSv1\n".to_vec(),
        cut: false,
    };
    assert_eq!(answer.outcome, body);
    assert_eq!(answer.address, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(answer.aliases, [super::name("policies.example")]);
    let line = told.report.lookups.iter().find(|line| line.kind == "https").unwrap();
    assert_eq!(
        (line.via.as_str(), line.rr_type.as_str(), line.outcome),
        (&*format!("https {address}"), "GET", Some("answer"))
    );
    assert_eq!(line.asked_by, ["policy"]);
    assert_eq!(told.lookup(HOST, "A").outcome, Some("answer"), "the addresses are looked up in the open");

    let moved = response("HTTP/1.1 301 Moved\r\nlocation: https://elsewhere.test/", b"");
    assert_eq!(
        get(good(), moved).await,
        HttpsOutcome::Redirect { status: 301, location: Some("https://elsewhere.test/".into()) }
    );
    assert_eq!(get(good(), response("HTTP/1.1 404 Not Found", b"")).await, HttpsOutcome::Status(404));
    let exact = plain(&[b'a'; 64 * 1024]);
    assert!(matches!(get(good(), exact).await, HttpsOutcome::Body { body, cut: false, .. } if body.len() == 65_536));
    let long = plain(&[b'a'; 64 * 1024 + 1]);
    assert!(matches!(get(good(), long).await, HttpsOutcome::Body { body, cut: true, .. } if body.len() == 65_536));
    let broken = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\nversion".to_vec();
    assert!(matches!(get(good(), broken).await, HttpsOutcome::Failed(why) if why.contains("after 7 bytes")));
    assert!(matches!(get(good(), b"SSH-2.0-x\r\n".to_vec()).await, HttpsOutcome::Failed(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_failures_are_told_in_plain_words() {
    let (ca, stranger) = (authority("A test's CA"), authority("A stranger"));
    let get = async |config: ServerConfig| {
        let address = serve(config, Vec::new(), false).await;
        match fetch(address, &ca.pem(), 5000).await.0.outcome {
            HttpsOutcome::Tls(why) => why,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        get(config(Some(&ca), leaf(&["www.example.test"]))).await,
        format!("the certificate is for www.example.test, not {HOST}")
    );
    let mut expired = leaf(&[HOST]);
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2021, 10, 25);
    assert_eq!(get(config(Some(&ca), expired)).await, "the certificate expired on 2021-10-25");
    let mut early = leaf(&[HOST]);
    early.not_before = rcgen::date_time_ymd(4000, 1, 1);
    assert_eq!(get(config(Some(&ca), early)).await, "the certificate is not valid before 4000-01-01");
    let mut own = leaf(&[HOST]);
    own.distinguished_name.push(rcgen::DnType::CommonName, HOST);
    assert_eq!(get(config(None, own)).await, "the certificate is self-signed");
    let unknown = get(config(Some(&stranger), leaf(&[HOST]))).await;
    assert!(unknown.starts_with("the certificate's issuer is not trusted (CN=A stranger"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_limit_covers_the_whole_body() {
    let ca = authority("A test's CA");
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\nversion".to_vec();
    let address = serve(config(Some(&ca), leaf(&[HOST])), half, true).await;
    let (answer, told) = fetch(address, &ca.pem(), 1500).await;
    assert_eq!(answer.outcome, HttpsOutcome::TimedOut("the body after 7 bytes".into()));
    assert_eq!(told.section("policy").headline, "timeout");
    assert!(told.report.elapsed_ms < 4000.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_and_no_connection_are_told_apart() {
    let ca = authority("A test's CA");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let (refused, _) = fetch(closed, &ca.pem(), 2000).await;
    assert_eq!(refused.outcome, HttpsOutcome::NoConnection("connection refused".into()));

    let dns = Server::start(|question| match question.asked.name.as_str() {
        "fails.test" => question.rcode(2).into(),
        "empty.test" => question.rcode(0).into(),
        _ => question.rcode(3).into(),
    })
    .await;
    for (host, outcome) in
        [("nowhere.test", Outcome::NoSuchName), ("empty.test", Outcome::NoData), ("fails.test", Outcome::ServerFailure)]
    {
        let engine = Engine::new(settings(&[&dns], 1000)).unwrap();
        assert_eq!(fetch_with(&engine, host).await.0.outcome, HttpsOutcome::NoAddress(outcome));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_imagined_address_serves_is_kept_for_nobody() {
    use crate::check::{Data, DnsAnswer, Evidence, Kind, Record};
    let ca = authority("A test's CA");
    let body = response("HTTP/1.1 200 OK", b"version: STSv1\n");
    let address = serve(config(Some(&ca), leaf(&[HOST])), body, false).await;
    let dns = Server::start(|question| question.rcode(3).into()).await;
    let engine = Engine::new(Settings {
        connect_to: vec![ConnectTo::parse(&format!(":443::{}", address.port())).unwrap()],
        extra_roots: vec![ca.pem().into_bytes()],
        ..settings(&[&dns], 2000)
    })
    .unwrap();
    let host = super::name(HOST);
    let data = Data::A("127.0.0.1".parse().unwrap());
    let records = vec![Record { owner: host.clone(), ttl: 60, data }];
    let answer = DnsAnswer { records, ..DnsAnswer::empty(Outcome::Answer) };
    let mut what_if = Evidence::default();
    what_if.insert(Query::dns(&host, Kind::A), crate::report::LookupId(0), Arc::new(Answer::Dns(answer)));
    let url: Arc<str> = Arc::from(format!("https://{HOST}/.well-known/mta-sts.txt"));
    let policy = || {
        let url = url.clone();
        vec![check("policy", move |seen, _| Ok(done("policy", seen.https(&url, HttpsRules::MtaSts)?.outcome.word())))]
    };
    let imagined = crate::job::Job { evidence: Some(Arc::new(what_if)), ..job() };
    assert_eq!(engine.run_made(1, imagined, policy()).await.section("policy").headline, "answer");
    assert_eq!(engine.run_made(2, job(), policy()).await.section("policy").headline, "nxdomain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_speak_tls_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
            let _ = stream.read(&mut [0; 512]).await;
        }
    });
    let (answer, _) = fetch(address, &authority("A test's CA").pem(), 2000).await;
    assert_eq!(answer.outcome, HttpsOutcome::Tls("what the server sent is not TLS".into()));
}

#[test]
fn a_certificate_file_without_a_certificate_is_said_at_the_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let settings = Settings {
        extra_roots: vec![b"no certificate".to_vec()],
        timeout: Duration::from_secs(1),
        ..Settings::default()
    };
    assert!(matches!(Engine::new(settings), Err(crate::engine::EngineError::BadRoots(_))));
}

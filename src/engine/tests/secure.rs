//! Name servers behind TLS and HTTPS, on loopback, with a certificate of our own making.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::https::{authority, config, leaf};
use super::{name, server};
use crate::check::{Kind, Outcome};
use crate::config::Upstream;
use crate::engine::dns::Servers;
use crate::engine::tls::Trust;

/// The answer to any query: 192.0.2.1.
fn answer(query: &[u8]) -> Vec<u8> {
    let mut end = 12;
    while query[end] != 0 {
        end += usize::from(query[end]) + 1;
    }
    let mut out = query[..end + 5].to_vec();
    (out[2], out[3], out[7], out[11]) = (0x81, 0x80, 1, 0);
    out.extend(server::record(&[0xc0, 12], 1, 60, &[192, 0, 2, 1]));
    out
}

fn one(upstream: Upstream, ca: &str) -> Servers {
    let trust = Arc::new(Trust::new(&[ca.as_bytes().to_vec()], None).unwrap());
    Servers::new(&[upstream], Duration::from_secs(3), &trust)
}

/// DNS over TLS; each connection ends after `per_connection` answers.
async fn dot(acceptor: TlsAcceptor, per_connection: usize, connections: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::Relaxed);
            let Ok(mut tls) = acceptor.accept(stream).await else { continue };
            tokio::spawn(async move {
                for _ in 0..per_connection {
                    let Ok(length) = tls.read_u16().await else { return };
                    let mut query = vec![0; usize::from(length)];
                    tls.read_exact(&mut query).await.unwrap();
                    let reply = answer(&query);
                    tls.write_all(&u16::try_from(reply.len()).unwrap().to_be_bytes()).await.unwrap();
                    tls.write_all(&reply).await.unwrap();
                    tls.flush().await.unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dns_over_tls_keeps_its_connection_and_survives_its_end() {
    let ca = authority("A test's CA");
    let acceptor = TlsAcceptor::from(Arc::new(config(Some(&ca), leaf(&["dns.test"]))));
    let connections = Arc::new(AtomicUsize::new(0));
    let address = dot(acceptor, 2, connections.clone()).await;
    let servers = one(Upstream::Tls { address, name: "dns.test".into() }, &ca.pem());
    for _ in 0..3 {
        let reply = servers.ask(&name("a.test"), Kind::A).await;
        assert_eq!(reply.answer.outcome, Outcome::Answer, "{reply:?}");
        assert_eq!(reply.via, "tls 127.0.0.1");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 2);
    let other = one(Upstream::Tls { address, name: "other.test".into() }, &ca.pem());
    let reply = other.ask(&name("a.test"), Kind::A).await;
    assert!(
        matches!(&reply.answer.outcome, Outcome::Failed(why) if why.contains("the certificate is for dns.test")),
        "{reply:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dns_over_https_posts_the_same_question() {
    let ca = authority("A test's CA");
    let acceptor = TlsAcceptor::from(Arc::new(config(Some(&ca), leaf(&["127.0.0.1"]))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            let head = loop {
                let mut buffer = [0; 2048];
                let count = tls.read(&mut buffer).await.unwrap();
                request.extend(&buffer[..count]);
                if let Some(at) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
            };
            let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
            let refused = !text.starts_with("post /q http") || !text.contains("application/dns-message");
            while request.len() < head + 12 + 14 {
                let mut buffer = [0; 2048];
                let count = tls.read(&mut buffer).await.unwrap();
                request.extend(&buffer[..count]);
            }
            let body = answer(&request[head..]);
            let status = if refused { "500 No" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            tls.write_all(&[answer.as_bytes(), &body].concat()).await.unwrap();
            let _ = tls.shutdown().await;
        }
    });
    let url = format!("https://{address}/q");
    let servers = one(Upstream::parse(&url).unwrap(), &ca.pem());
    let reply = servers.ask(&name("a.test"), Kind::A).await;
    assert_eq!((&reply.answer.outcome, &reply.via), (&Outcome::Answer, &url), "{reply:?}");
    let servers = one(Upstream::parse(&format!("https://{address}/other")).unwrap(), &ca.pem());
    let reply = servers.ask(&name("a.test"), Kind::A).await;
    assert!(matches!(&reply.answer.outcome, Outcome::Failed(why) if why.contains("HTTP status 500")), "{reply:?}");
}

//! DNS over TLS (RFC 7858) and over HTTPS (RFC 8484): the same questions on connections that are kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::wire::{self, Message};
use super::{Fault, Servers, plain, timed};
use crate::check::Kind;
use crate::config::Upstream;
use crate::engine::tls::{self, Trust};
use crate::name::Name;

/// How many idle connections to one DoT server are kept.
const MAX_IDLE: usize = 8;
/// The longest answer that DNS can give.
const MAX_ANSWER: usize = 65_535;

/// A way to one encrypted name server.
pub(super) struct Channel {
    trust: Arc<Trust>,
    kind: Encrypted,
}

enum Encrypted {
    Tls { address: SocketAddr, name: String, idle: Mutex<Vec<TlsStream<TcpStream>>> },
    Https { url: String, host: String, address: Option<std::net::IpAddr>, client: OnceCell<reqwest::Client> },
}

impl Channel {
    /// The channel that an upstream needs; none for plain DNS.
    pub(super) fn of(upstream: &Upstream, trust: &Arc<Trust>) -> Option<Channel> {
        let kind = match upstream {
            Upstream::Plain(_) => return None,
            Upstream::Tls { address, name } => {
                Encrypted::Tls { address: *address, name: name.clone(), idle: Mutex::default() }
            }
            Upstream::Https { url, host, address, path, .. } => {
                // `https://dns.example` alone means the path of the RFC's own examples.
                let whole = if url.ends_with(path) { url.clone() } else { format!("{url}{path}") };
                Encrypted::Https { url: whole, host: host.clone(), address: *address, client: OnceCell::new() }
            }
        };
        Some(Channel { trust: trust.clone(), kind })
    }

    /// Sends one query and reads its answer.
    pub(super) async fn ask(&self, query: Vec<u8>, deadline: Instant) -> Result<Message, Fault> {
        match &self.kind {
            Encrypted::Tls { address, name, idle } => {
                timed(deadline, self.over_tls(*address, name, idle, &query)).await
            }
            Encrypted::Https { url, host, address, client } => {
                let work = async {
                    let client = client.get_or_try_init(|| self.client(host, *address, deadline)).await?;
                    over_https(client, url, query).await
                };
                timed(deadline, work).await
            }
        }
    }

    async fn over_tls(
        &self,
        address: SocketAddr,
        name: &str,
        idle: &Mutex<Vec<TlsStream<TcpStream>>>,
        query: &[u8],
    ) -> Result<Message, Fault> {
        let kept = idle.lock().await.pop();
        if let Some(mut stream) = kept
            && let Ok(message) = plain::over_stream(&mut stream, query).await
        {
            keep(idle, stream).await;
            return Ok(message);
        }
        // None was kept, or the server had closed it meanwhile: a new one.
        let config = self.trust.client().await.map_err(Fault::failed)?;
        let tcp = TcpStream::connect(address).await.map_err(|why| Fault::no_connection("tls", address, &why))?;
        let _ = tcp.set_nodelay(true);
        let server = name.to_owned().try_into().map_err(|_| Fault::failed(format!("{name} is no name for TLS")))?;
        let mut stream = TlsConnector::from(config).connect(server, tcp).await.map_err(|why| {
            Fault::failed(match tls::within(&why) {
                Some(tls) => format!("no TLS with {address}: {}", tls::words(tls)),
                None => format!("no TLS with {address}: {why}"),
            })
        })?;
        let message = plain::over_stream(&mut stream, query).await?;
        keep(idle, stream).await;
        Ok(message)
    }

    async fn client(
        &self,
        host: &str,
        address: Option<std::net::IpAddr>,
        deadline: Instant,
    ) -> Result<reqwest::Client, Fault> {
        let mut config = self.trust.client().await.map_err(Fault::failed)?.as_ref().clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(20));
        if address.is_none() {
            let addresses = timed(deadline, bootstrap(host, &self.trust)).await?;
            builder = builder.resolve_to_addrs(host, &addresses);
        }
        builder.build().map_err(|why| Fault::failed(format!("no HTTPS client: {why}")))
    }
}

/// The addresses of a DoH server, asked of the system's resolvers: the chicken needs an egg.
fn bootstrap<'a>(host: &'a str, trust: &'a Arc<Trust>) -> BoxFuture<'a, Result<Vec<SocketAddr>, Fault>> {
    Box::pin(async move {
        let upstreams = super::system().map_err(|why| Fault::failed(why.to_string()))?;
        let servers = Servers::new(&upstreams, Duration::from_secs(5), trust);
        let name = Name::from_unicode(host).map_err(|why| Fault::failed(format!("{host}: {why}")))?;
        let (v4, v6) = tokio::join!(servers.ask(&name, Kind::A), servers.ask(&name, Kind::Aaaa));
        let addresses: Vec<SocketAddr> =
            v4.answer.addresses().chain(v6.answer.addresses()).map(|ip| SocketAddr::new(ip, 0)).collect();
        if addresses.is_empty() {
            return Err(Fault::failed(format!("no address for the name server {host}: {}", v4.answer.outcome)));
        }
        Ok(addresses)
    })
}

async fn keep(idle: &Mutex<Vec<TlsStream<TcpStream>>>, stream: TlsStream<TcpStream>) {
    let mut idle = idle.lock().await;
    if idle.len() < MAX_IDLE {
        idle.push(stream);
    }
}

async fn over_https(client: &reqwest::Client, url: &str, mut query: Vec<u8>) -> Result<Message, Fault> {
    // RFC 8484 §4.1: id 0 lets HTTP caches work; HTTPS itself pairs answers with questions.
    for byte in query.iter_mut().take(2) {
        *byte = 0;
    }
    let broken = |why: reqwest::Error| {
        Fault::failed(match tls::within(&why) {
            Some(tls) => format!("no TLS with {url}: {}", tls::words(tls)),
            None if why.is_connect() => format!("no connection to {url}"),
            None => format!("{url}: {why}"),
        })
    };
    let request = client
        .post(url)
        .header("content-type", "application/dns-message")
        .header("accept", "application/dns-message")
        .body(query.clone());
    let mut response = request.send().await.map_err(broken)?;
    if response.status() != 200 {
        return Err(Fault::failed(format!("{url} answered with HTTP status {}", response.status().as_u16())));
    }
    let mut reply = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if reply.len() + chunk.len() > MAX_ANSWER {
            return Err(Fault::malformed("longer than a DNS message can be"));
        }
        reply.extend_from_slice(&chunk);
    }
    match wire::fit(&reply, &query) {
        wire::Fit::Ours => wire::read(&reply).map_err(Fault::malformed),
        wire::Fit::Stranger => Err(Fault::malformed("an answer with another id")),
        wire::Fit::Unfit(why) => Err(Fault::malformed(why)),
    }
}

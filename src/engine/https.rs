//! Small files over HTTPS as RFC 8461 §3.3 demands: TLS to the name, status 200, no redirect, a cap on the body, one time
//! limit over everything, and addresses from our own DNS. Each way to fail is its own outcome. No cookies, no proxies, no
//! compression (nothing to inflate), no cache but the desk's.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::time::{Instant, timeout_at};

use crate::check::{Answer, HttpsAnswer, HttpsOutcome, HttpsRules};
use crate::config::ConnectTo;
use crate::name::Name;

use super::desk::Reply;
use super::tls::{self, Trust};

/// Where a URL leads.
pub(crate) struct Target {
    url: Url,
    host: String,
    /// The host whose addresses are needed; `None` when `fixed` says where to go.
    pub resolve: Option<Name>,
    fixed: Option<IpAddr>,
    port: u16,
}

impl Target {
    /// Reads a URL; the error says what is wrong with it.
    pub(crate) fn of(url: &str, rules: &[ConnectTo]) -> Result<Target, String> {
        let url = Url::parse(url).map_err(|why| format!("not a URL: {why}"))?;
        if url.scheme() != "https" {
            return Err("not an https URL".into());
        }
        let host = url.host_str().ok_or("a URL without a host")?.to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let rule = rules.iter().find(|rule| rule.matches(&host, port));
        let to_host = rule.and_then(|rule| rule.to_host.clone()).unwrap_or_else(|| host.clone());
        let to_port = rule.and_then(|rule| rule.to_port).unwrap_or(port);
        let bare = to_host.trim_start_matches('[').trim_end_matches(']');
        let fixed: Option<IpAddr> = bare.parse().ok();
        let resolve = match fixed {
            Some(_) => None,
            None => Some(Name::from_unicode(bare).map_err(|why| format!("{bare}: {why}"))?),
        };
        Ok(Target { url, host, resolve, fixed, port: to_port })
    }
}

/// Fetches a file from one of `addresses` (or where the target is fixed to), within `timeout`.
pub(crate) async fn fetch(
    target: Target,
    rules: HttpsRules,
    addresses: Vec<IpAddr>,
    aliases: Vec<Name>,
    trust: Arc<Trust>,
    timeout: Duration,
) -> Reply {
    let deadline = Instant::now() + timeout;
    let addresses: Vec<SocketAddr> = target
        .fixed
        .into_iter()
        .chain(addresses.into_iter().filter(|_| target.fixed.is_none()))
        .map(|address| SocketAddr::new(address, target.port))
        .collect();
    // Who was spoken to when it fails early: certain only where there is no choice.
    let only = match addresses.as_slice() {
        [one] => Some(one.ip()),
        _ => None,
    };
    let mut spoken = only;
    let mut stage = Stage::Connecting;
    let got = timeout_at(deadline, get(&target, rules, &addresses, &trust, &mut spoken, &mut stage)).await;
    let outcome = got.unwrap_or_else(|_| HttpsOutcome::TimedOut(stage.words()));
    let detail = detail(&outcome);
    let via = match spoken.or_else(|| addresses.first().map(SocketAddr::ip)) {
        Some(address) => format!("https {}", SocketAddr::new(address, target.port)),
        None => String::new(),
    };
    let answer = HttpsAnswer { outcome, address: spoken, aliases };
    Reply { answer: Arc::new(Answer::Https(answer)), via: via.into(), detail }
}

/// How far a fetch has come.
enum Stage {
    Connecting,
    Body(usize),
}

impl Stage {
    fn words(&self) -> String {
        match self {
            Stage::Connecting => "before the response began".into(),
            Stage::Body(count) => format!("the body after {count} bytes"),
        }
    }
}

async fn get(
    target: &Target,
    rules: HttpsRules,
    addresses: &[SocketAddr],
    trust: &Arc<Trust>,
    spoken: &mut Option<IpAddr>,
    stage: &mut Stage,
) -> HttpsOutcome {
    let client = match client(target, addresses, trust).await {
        Ok(client) => client,
        Err(why) => return HttpsOutcome::Failed(why),
    };
    let mut response = match client.get(target.url.clone()).send().await {
        Ok(response) => response,
        Err(why) => return failure(&why, stage),
    };
    *spoken = response.remote_addr().map(|address| address.ip()).or(*spoken);
    let status = response.status().as_u16();
    let header =
        |name| response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if (300..400).contains(&status) {
        return HttpsOutcome::Redirect { status, location: header("location") };
    }
    if status != 200 {
        return HttpsOutcome::Status(status);
    }
    let content_type = header("content-type");
    let mut body = Vec::new();
    *stage = Stage::Body(0);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = rules.max_bytes().saturating_sub(body.len());
                body.extend(chunk.iter().take(room));
                if chunk.len() > room {
                    return HttpsOutcome::Body { content_type, body, cut: true };
                }
                *stage = Stage::Body(body.len());
            }
            Ok(None) => return HttpsOutcome::Body { content_type, body, cut: false },
            Err(why) => return failure(&why, stage),
        }
    }
}

async fn client(target: &Target, addresses: &[SocketAddr], trust: &Arc<Trust>) -> Result<reqwest::Client, String> {
    let mut config = trust.client().await?.as_ref().clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("mxray/", env!("CARGO_PKG_VERSION")))
        .resolve_to_addrs(&target.host, addresses)
        .build()
        .map_err(|why| format!("no HTTPS client: {why}"))
}

fn failure(error: &reqwest::Error, stage: &Stage) -> HttpsOutcome {
    if let Some(tls) = tls::within(error) {
        return HttpsOutcome::Tls(tls::words(tls));
    }
    if error.is_timeout() {
        return HttpsOutcome::TimedOut(stage.words());
    }
    let io = io_within(error);
    if error.is_connect() {
        return match io {
            // The connection stood, and was dropped during the handshake: a server without TLS on this port does that.
            Some(why) if matches!(why.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                HttpsOutcome::Tls("the server closed the connection during the handshake".into())
            }
            Some(why) if why.kind() == ErrorKind::ConnectionRefused => {
                HttpsOutcome::NoConnection("connection refused".into())
            }
            Some(why) => HttpsOutcome::NoConnection(why.to_string()),
            None => HttpsOutcome::NoConnection(innermost(error)),
        };
    }
    match stage {
        Stage::Body(count) => HttpsOutcome::Failed(format!("the body broke off after {count} bytes")),
        Stage::Connecting => HttpsOutcome::Failed(innermost(error)),
    }
}

fn io_within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a std::io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

fn detail(outcome: &HttpsOutcome) -> Option<String> {
    match outcome {
        HttpsOutcome::Body { .. } => None,
        HttpsOutcome::Status(status) => Some(format!("HTTP status {status}")),
        HttpsOutcome::Redirect { status, .. } => Some(format!("a redirect (HTTP status {status})")),
        HttpsOutcome::NoAddress(outcome) => Some(format!("no address: {outcome}")),
        HttpsOutcome::NoConnection(why) => Some(format!("no connection: {why}")),
        HttpsOutcome::Tls(why) => Some(format!("TLS: {why}")),
        HttpsOutcome::TimedOut(reached) => Some(format!("not whole in time: {reached}")),
        HttpsOutcome::Failed(why) => Some(why.clone()),
    }
}

//! The HTTPS host of the demo world: HTTP/1.1 over TLS for every name (SNI picks the certificate), one answer a
//! connection. What it says stands in `assets/demo/web.toml`. It has no HTTP/2, no keep-alive and no plain HTTP.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{tls, world};

/// How long a connection may live: longer than any client's patience.
const PATIENCE: Duration = Duration::from_secs(90);
/// Most bytes of a request that are read.
const MAX_REQUEST: u64 = 16 * 1024;
/// The path that a page without one in `web.toml` has (RFC 8461 §3.3).
const POLICY: &str = "/.well-known/mta-sts.txt";

/// One page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default = "plain", rename = "type")]
    content_type: String,
    location: Option<String>,
    #[serde(default)]
    body: String,
    #[serde(default = "once")]
    repeat: usize,
    #[serde(default)]
    delay_ms: u64,
}

fn ok() -> u16 {
    200
}

fn plain() -> String {
    "text/plain".to_owned()
}

fn once() -> usize {
    1
}

/// The pages by host and path.
fn pages() -> &'static HashMap<String, Page> {
    static PAGES: OnceLock<HashMap<String, Page>> = OnceLock::new();
    PAGES.get_or_init(|| {
        // a test reads the file, so that a slip in it is seen there
        let pages: HashMap<String, Page> = toml::from_str(world::WEB).unwrap_or_default();
        let whole = |at: String| if at.contains('/') { at } else { format!("{at}{POLICY}") };
        pages.into_iter().map(|(at, page)| (whole(at), page)).collect()
    })
}

/// Answers connections until it is dropped.
pub(super) async fn serve(listener: TcpListener) {
    let mut acceptor: Option<TlsAcceptor> = None;
    let mut open = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while open.try_join_next().is_some() {}
        if acceptor.is_none() {
            acceptor = tls::config(None).map(TlsAcceptor::from);
        }
        let Some(acceptor) = acceptor.clone() else { continue };
        open.spawn(async move { tokio::time::timeout(PATIENCE, answer(acceptor, stream)).await });
    }
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(acceptor.accept(stream).await?);
    let (mut path, mut host) = (String::new(), String::new());
    let mut request = (&mut stream).take(MAX_REQUEST);
    let mut line = String::new();
    while request.read_line(&mut line).await? > 0 && !line.trim().is_empty() {
        if path.is_empty() {
            path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("host")
        {
            host = value.trim().split(':').next().unwrap_or_default().to_ascii_lowercase();
        }
        line.clear();
    }
    let missing = Page {
        status: 404,
        content_type: plain(),
        location: None,
        body: "not found\n".to_owned(),
        repeat: 1,
        delay_ms: 0,
    };
    let page = pages().get(&format!("{host}{path}")).unwrap_or(&missing);
    // a policy's lines end with CRLF (RFC 8461 §3.2)
    let body = page.body.trim_start_matches('\n').replace('\n', "\r\n").repeat(page.repeat);
    let location = page.location.as_ref().map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\n{location}Content-Length: {}\r\nConnection: close\r\n\r\n",
        page.status,
        reason(page.status),
        page.content_type,
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    tokio::time::sleep(Duration::from_millis(page.delay_ms)).await;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        404 => "Not Found",
        _ => "Something",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_pages_reads_and_each_host_has_a_certificate() {
        let pages: HashMap<String, Page> = toml::from_str(world::WEB).unwrap();
        for at in pages.keys() {
            let host = at.split('/').next().unwrap();
            assert!(super::super::bundle::entry(world::TLS, host).is_some(), "{host} has no certificate in tls.pem");
        }
        assert!(super::pages().contains_key("mta-sts.monsec.example/.well-known/mta-sts.txt"));
    }
}

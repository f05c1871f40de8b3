//! What the engine needs to know before it starts: defaults < environment < flags. Pure data; reading files and the
//! environment is `cli`'s and `main`'s work.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use time::OffsetDateTime;

/// The names of the colour themes.
pub const THEMES: [&str; 7] = ["mono", "none", "light", "sixteen", "16", "true", "truecolor"];

/// Everything that can be set for the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whom to ask, in order; empty: the system's resolvers.
    pub upstreams: Vec<Upstream>,
    /// Seconds for one query, all its tries included.
    pub timeout: Duration,
    /// Where HTTPS and SMTP connections are sent instead (curl's `--connect-to`).
    pub connect_to: Vec<ConnectTo>,
    /// Certificates trusted besides the system's roots, in PEM.
    pub extra_roots: Vec<Vec<u8>>,
    /// DNSKEY records from which DNSSEC chains start, in master-file text; empty: the root's own.
    pub trust_anchors: Vec<String>,
    /// The clock that verdicts use; `None`: the machine's.
    pub now: Option<OffsetDateTime>,
    /// How many queries may be under way at once.
    pub concurrency: usize,
    /// The name given in EHLO; `None`: the machine's own.
    pub ehlo: Option<String>,
    /// The file in which domains are remembered from run to run; `None`: nothing is.
    pub memory: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            upstreams: Vec::new(),
            timeout: Duration::from_secs(5),
            connect_to: Vec::new(),
            extra_roots: Vec::new(),
            trust_anchors: Vec::new(),
            now: None,
            concurrency: 64,
            ehlo: None,
            memory: None,
        }
    }
}

/// One name server and how to speak to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// UDP, and TCP where an answer is truncated: `IP[:PORT]`.
    Plain(SocketAddr),
    /// DNS over TLS: `tls://IP[:PORT]#NAME`.
    Tls {
        /// The server's address.
        address: SocketAddr,
        /// The name that its certificate must bear.
        name: String,
    },
    /// DNS over HTTPS: `https://HOST/path`.
    Https {
        /// The whole URL.
        url: String,
        /// The host in it.
        host: String,
        /// The path in it.
        path: String,
        /// The port, 443 unless the URL says otherwise.
        port: u16,
        /// The host's address, when the host is one.
        address: Option<IpAddr>,
    },
}

impl Upstream {
    /// Reads `IP[:PORT]`, `tls://IP[:PORT]#NAME` or `https://HOST/path`; the error says what is wrong.
    pub fn parse(spec: &str) -> Result<Upstream, String> {
        if let Some(rest) = spec.strip_prefix("tls://") {
            let (address, name) = match rest.split_once('#') {
                Some((address, name)) if !name.is_empty() => (address, name),
                _ => {
                    return Err(format!(
                        "{spec}: a TLS server needs the name in its certificate: tls://IP[:PORT]#NAME"
                    ));
                }
            };
            return Ok(Upstream::Tls { address: address_with_port(address, 853)?, name: name.to_owned() });
        }
        if let Some(rest) = spec.strip_prefix("https://") {
            let (authority, path) = match rest.find('/') {
                Some(at) => (rest.get(..at).unwrap_or(rest), rest.get(at..).unwrap_or("/")),
                None => (rest, "/dns-query"),
            };
            let (host, port) = match authority.rsplit_once(':') {
                Some((host, port)) if !host.ends_with(':') && !port.contains(']') => {
                    (host, port.parse().map_err(|_| format!("{spec}: {port} is not a port"))?)
                }
                _ => (authority, 443),
            };
            if host.is_empty() {
                return Err(format!("{spec}: no host"));
            }
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            return Ok(Upstream::Https {
                url: spec.to_owned(),
                host: bare.to_owned(),
                path: path.to_owned(),
                port,
                address: bare.parse().ok(),
            });
        }
        Ok(Upstream::Plain(address_with_port(spec, 53)?))
    }

    /// As it stands on the screen: `192.0.2.53`, `tls 192.0.2.53`, the URL.
    pub fn label(&self) -> String {
        match self {
            Upstream::Plain(address) if address.port() == 53 => address.ip().to_string(),
            Upstream::Plain(address) => address.to_string(),
            Upstream::Tls { address, .. } => format!("tls {}", address.ip()),
            Upstream::Https { url, .. } => url.clone(),
        }
    }
}

/// One `HOST:PORT:HOST2:PORT2`: connections to the first go to the second; an empty part matches, or keeps, any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// The host asked for; `None`: any.
    pub host: Option<String>,
    /// The port asked for; `None`: any.
    pub port: Option<u16>,
    /// The host to go to; `None`: the same.
    pub to_host: Option<String>,
    /// The port to go to; `None`: the same.
    pub to_port: Option<u16>,
}

impl ConnectTo {
    /// Reads curl's form; IPv6 hosts stand in brackets.
    pub fn parse(spec: &str) -> Result<ConnectTo, String> {
        let mut parts: Vec<String> = vec![String::new()];
        let mut in_brackets = false;
        for c in spec.chars() {
            match c {
                '[' => in_brackets = true,
                ']' => in_brackets = false,
                ':' if !in_brackets => parts.push(String::new()),
                _ => {
                    if let Some(part) = parts.last_mut() {
                        part.push(c);
                    }
                }
            }
        }
        let [host, port, to_host, to_port] = parts.as_slice() else {
            return Err(format!("{spec}: expected HOST:PORT:HOST2:PORT2"));
        };
        let text = |part: &String| if part.is_empty() { None } else { Some(part.to_ascii_lowercase()) };
        let number = |part: &String| match part.as_str() {
            "" => Ok(None),
            digits => digits.parse().map(Some).map_err(|_| format!("{spec}: {digits} is not a port")),
        };
        Ok(ConnectTo { host: text(host), port: number(port)?, to_host: text(to_host), to_port: number(to_port)? })
    }

    /// Whether this rule speaks of a connection to `host` and `port`.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        self.host.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(host)) && self.port.is_none_or(|own| own == port)
    }
}

fn address_with_port(text: &str, default: u16) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>()
        .map(|ip| SocketAddr::new(ip, default))
        .map_err(|_| format!("{text}: expected an address: IP or IP:PORT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read_as_the_contract_writes_them() {
        let plain = |text: &str| Upstream::Plain(text.parse().unwrap());
        assert_eq!(Upstream::parse("192.0.2.1"), Ok(plain("192.0.2.1:53")));
        assert_eq!(Upstream::parse("127.0.0.1:5300"), Ok(plain("127.0.0.1:5300")));
        assert_eq!(Upstream::parse("2001:db8::1"), Ok(plain("[2001:db8::1]:53")));
        assert_eq!(
            Upstream::parse("tls://192.0.2.1#dns.example"),
            Ok(Upstream::Tls { address: "192.0.2.1:853".parse().unwrap(), name: "dns.example".into() })
        );
        assert!(
            matches!(Upstream::parse("https://dns.example/q"), Ok(Upstream::Https { port: 443, path, .. }) if path == "/q")
        );
        assert!(Upstream::parse("tls://192.0.2.1").is_err());
        assert!(Upstream::parse("dns.example").is_err());
    }

    #[test]
    fn connect_to_is_curls() {
        let rule = ConnectTo::parse(":443:127.0.0.1:8443").unwrap();
        assert!(rule.matches("mta-sts.good.test", 443) && !rule.matches("mta-sts.good.test", 80));
        assert_eq!((rule.to_host.as_deref(), rule.to_port), (Some("127.0.0.1"), Some(8443)));
        assert_eq!(ConnectTo::parse("a:25:[::1]:2525").unwrap().to_host.as_deref(), Some("::1"));
        assert!(ConnectTo::parse("a:b").is_err());
    }
}

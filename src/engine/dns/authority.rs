//! Questions to a zone's own name servers: one server, no recursion, no cache (RFC 1034 §4.3.1).
//!
//! Whom we ask here stands in foreign records. A zone that names `10.0.0.1` or `127.0.0.1` as its name server must not make
//! us knock there, so addresses that are not public are refused, unless the person chose them: by `--connect-to`, or
//! because they are resolvers that are asked anyway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{DnsReply, Servers};
use crate::check::Kind;
use crate::config::{ConnectTo, Upstream};
use crate::name::Name;
use crate::records::reserved::reserved;

/// The port of DNS; records cannot name another.
const PORT: u16 = 53;

/// Asks one server for what it publishes itself.
pub(crate) async fn ask(server: SocketAddr, name: Name, kind: Kind, timeout: Duration) -> DnsReply {
    Servers::publisher(server, timeout).ask(&name, kind).await
}

impl Servers {
    /// Where questions to a zone's own server go, or why none goes out.
    pub(crate) fn place_of(&self, server: IpAddr, rules: &[ConnectTo]) -> Result<SocketAddr, String> {
        let host = server.to_string();
        if let Some(rule) = rules.iter().find(|rule| rule.matches(&host, PORT)) {
            let port = rule.to_port.unwrap_or(PORT);
            return match rule.to_host.as_deref().map(str::parse) {
                None => Ok(SocketAddr::new(server, port)),
                Some(Ok(to)) => Ok(SocketAddr::new(to, port)),
                Some(Err(_)) => Err(format!("--connect-to sends the name server {host} to a name; give an address")),
            };
        }
        let is_ours = |upstream: &Upstream| matches!(upstream, Upstream::Plain(own) if own.ip() == server);
        match not_public(server) {
            Some(what) if !self.servers.iter().any(|own| is_ours(&own.upstream)) => {
                let literal = SocketAddr::new(server, PORT);
                Err(format!(
                    "{host} is {what}, and mxray does not ask there unless you say so (--connect-to {literal}:{literal})"
                ))
            }
            _ => Ok(SocketAddr::new(server, PORT)),
        }
    }
}

/// Why an address is not one of the public Internet, an IPv4 address inside of an IPv6 one included.
fn not_public(address: IpAddr) -> Option<&'static str> {
    let inner = |v6: Ipv6Addr| match v6.segments() {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    };
    let inside = match address {
        IpAddr::V6(v6) => inner(v6).and_then(|v4| reserved(v4.into())),
        IpAddr::V4(_) => None,
    };
    reserved(address).or(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(server: &str, rules: &[&str], own: &[&str]) -> Result<SocketAddr, String> {
        let rules: Vec<ConnectTo> = rules.iter().map(|rule| ConnectTo::parse(rule).unwrap()).collect();
        let mut servers = Servers::publisher("192.0.2.1:53".parse().unwrap(), Duration::from_secs(1));
        servers.servers.clear();
        for own in own {
            servers.servers.extend(Servers::publisher(own.parse().unwrap(), Duration::from_secs(1)).servers);
        }
        servers.place_of(server.parse().unwrap(), &rules)
    }

    #[test]
    fn a_zone_cannot_send_us_into_a_private_network() {
        for inside in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:a00:1::1",
            "0.0.0.0",
        ] {
            let why = place(inside, &[], &[]).unwrap_err();
            assert!(why.contains("mxray does not ask there"), "{inside}: {why}");
        }
        assert_eq!(place("9.9.9.9", &[], &[]), Ok("9.9.9.9:53".parse().unwrap()));
        assert_eq!(place("2620:fe::fe", &[], &[]), Ok("[2620:fe::fe]:53".parse().unwrap()));
    }

    #[test]
    fn what_the_person_chose_is_asked() {
        let own = "10.0.0.1:53".parse().unwrap();
        assert_eq!(place("10.0.0.1", &["10.0.0.1:53:10.0.0.1:53"], &[]), Ok(own));
        assert_eq!(place("fd00::1", &["[fd00::1]:53:[fd00::1]:53"], &[]), Ok("[fd00::1]:53".parse().unwrap()));
        assert_eq!(place("10.0.0.1", &[], &["10.0.0.1:53"]), Ok(own));
        assert_eq!(place("9.9.9.9", &["9.9.9.9:53:127.0.0.1:5300"], &[]), Ok("127.0.0.1:5300".parse().unwrap()));
        assert_eq!(place("9.9.9.9", &[":25:127.0.0.1:2525"], &[]), Ok("9.9.9.9:53".parse().unwrap()));
        assert!(place("9.9.9.9", &["9.9.9.9:53:localhost:53"], &[]).is_err());
    }
}

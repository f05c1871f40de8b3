//! Addresses that nobody on the Internet can reach: private, loopback, documentation … (the IANA special-purpose registries
//! of RFC 6890). Pure tables; whether such an address matters is for the check that met it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::name::Name;

/// What an unreachable address is for, in words that follow "is"; `None` for a public one.
pub fn reserved(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => reserved_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(_) => Some("an IPv4 address written as IPv6 (RFC 4291)"),
            None => reserved_v6(v6),
        },
    }
}

/// Whether an address can be that of a stranger on the Internet, an IPv4 address written as IPv6 included. Documentation
/// networks count: they stand for such.
pub fn is_on_the_internet(address: IpAddr) -> bool {
    reserved(address.to_canonical()).is_none_or(|what| what.starts_with("for documentation"))
}

/// Whether a name is itself for documentation and tests (RFC 2606, RFC 6761): documentation addresses are at home there.
pub fn is_example_name(name: &Name) -> bool {
    ["example", "test", "invalid", "localhost", "example.com", "example.net", "example.org"]
        .iter()
        .any(|above| Name::from_text(above).is_ok_and(|above| name.is_at_or_below(&above)))
}

/// As [`reserved`], but documentation addresses are fine for a name that is an example itself.
pub fn reserved_for(name: &Name, address: IpAddr) -> Option<&'static str> {
    reserved(address).filter(|what| !(is_example_name(name) && what.contains("documentation")))
}

fn reserved_v4(v4: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = v4.octets();
    Some(match (a, b, c) {
        (0, ..) => "of \"this network\" (RFC 1122)",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "private (RFC 1918)",
        (100, 64..=127, _) => "shared address space of a provider (RFC 6598)",
        (127, ..) => "a loopback address (RFC 1122)",
        (169, 254, _) => "link-local (RFC 3927)",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "for documentation only (RFC 5737)",
        (192, 0, 0) => "of a special-purpose block (RFC 6890)",
        (198, 18..=19, _) => "for benchmarks (RFC 2544)",
        (224..=239, ..) => "a multicast address (RFC 5771)",
        (240..=255, ..) => "of a reserved block (RFC 1112)",
        _ => return None,
    })
}

fn reserved_v6(v6: Ipv6Addr) -> Option<&'static str> {
    let [a, b, ..] = v6.segments();
    Some(match (a, b) {
        _ if v6.is_unspecified() => "the unspecified address (RFC 4291)",
        _ if v6.is_loopback() => "a loopback address (RFC 4291)",
        (0xfc00..=0xfdff, _) => "a unique local address (RFC 4193)",
        (0xfe80..=0xfebf, _) => "link-local (RFC 4291)",
        (0xff00..=0xffff, _) => "a multicast address (RFC 4291)",
        (0x2001, 0x0db8) | (0x3fff, 0x0000..=0x0fff) => "for documentation only (RFC 3849, RFC 9637)",
        (0x0100, 0) => "a discard address (RFC 6666)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_addresses_are_told_from_public_ones() {
        for (address, is_reserved) in [
            ("10.1.2.3", true),
            ("172.15.0.1", false),
            ("172.31.0.1", true),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("127.0.0.1", true),
            ("169.254.1.1", true),
            ("192.0.2.1", true),
            ("8.8.8.8", false),
            ("240.0.0.1", true),
            ("0.0.0.0", true),
            ("::1", true),
            ("::ffff:8.8.8.8", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", true),
            ("2001:4860:4860::8888", false),
        ] {
            assert_eq!(reserved(address.parse().unwrap()).is_some(), is_reserved, "{address}");
        }
    }

    #[test]
    fn documentation_addresses_are_at_home_in_example_names() {
        let address = "192.0.2.1".parse().unwrap();
        assert!(reserved_for(&Name::from_text("monsec.example").unwrap(), address).is_none());
        assert!(reserved_for(&Name::from_text("monsec.io").unwrap(), address).is_some());
        assert!(reserved_for(&Name::from_text("a.test").unwrap(), "10.0.0.1".parse().unwrap()).is_some());
    }
}

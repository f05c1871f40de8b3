//! Forward-confirmed reverse DNS: an address has a name, and the name has that address (RFC 8601 §2.7.3, `iprev`).

use std::net::IpAddr;

use crate::check::{Kind, Look, Outcome, Seen, Wait, all};
use crate::name::Name;
use crate::report::LookupId;

/// How many names of one address are confirmed; SPF stops at as many (RFC 7208 §5.5).
const MAX_NAMES: usize = 10;

/// What the reverse name of an address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverse {
    /// The address.
    pub address: IpAddr,
    /// The names that its PTR records give, in the order of the answer.
    pub names: Vec<Name>,
    /// What came of confirming them.
    pub outcome: ReverseOutcome,
    /// Every lookup that was read.
    pub lookups: Vec<LookupId>,
}

/// What came of confirming the reverse names of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReverseOutcome {
    /// This name points back at the address.
    Confirmed(Name),
    /// No name points back at it.
    Mismatch,
    /// It surely has no PTR record.
    NoPtr,
    /// We could not look.
    Unknown(Outcome),
}

/// Asks for the reverse name of an address and whether it points back.
pub fn fcrdns(address: IpAddr, seen: &Seen<'_>) -> Result<Reverse, Wait> {
    let ptr = seen.dns(&Name::reverse(address), Kind::Ptr)?;
    let mut reverse = Reverse { address, names: Vec::new(), outcome: ReverseOutcome::NoPtr, lookups: vec![ptr.id] };
    match ptr.look() {
        Look::Absent(_) => return Ok(reverse),
        Look::Unknown(outcome) => {
            reverse.outcome = ReverseOutcome::Unknown(outcome.clone());
            return Ok(reverse);
        }
        Look::Found(_) => reverse.names = ptr.targets().cloned().collect(),
    }
    let kind = if address.is_ipv4() { Kind::A } else { Kind::Aaaa };
    let forward = all(reverse.names.iter().take(MAX_NAMES), |name| Ok((name, seen.dns(name, kind)?)))?;
    let mut unknown = None;
    let mut confirmed = None;
    for (name, answer) in &forward {
        reverse.lookups.push(answer.id);
        if answer.addresses().any(|forward| forward == address) {
            confirmed = confirmed.or(Some((*name).clone()));
        } else if let Look::Unknown(outcome) = answer.look() {
            unknown = unknown.or(Some(outcome.clone()));
        }
    }
    reverse.outcome = match (confirmed, unknown) {
        (Some(name), _) => ReverseOutcome::Confirmed(name),
        (None, Some(outcome)) => ReverseOutcome::Unknown(outcome),
        (None, None) => ReverseOutcome::Mismatch,
    };
    Ok(reverse)
}

impl Reverse {
    /// The name to show: the confirmed one, else the first.
    pub fn name(&self) -> Option<&Name> {
        match &self.outcome {
            ReverseOutcome::Confirmed(name) => Some(name),
            ReverseOutcome::Mismatch | ReverseOutcome::NoPtr | ReverseOutcome::Unknown(_) => self.names.first(),
        }
    }

    /// Whether its name looks like one of a line of customers whose addresses change.
    pub fn looks_dynamic(&self) -> bool {
        self.name().is_some_and(|name| looks_dynamic(self.address, name))
    }

    /// In a few words for a table.
    pub fn words(&self) -> String {
        let first = self.name().map(Name::to_string).unwrap_or_default();
        match &self.outcome {
            ReverseOutcome::Confirmed(_) => first,
            ReverseOutcome::Mismatch => format!("{first} (does not point back)"),
            ReverseOutcome::NoPtr => "no PTR".into(),
            ReverseOutcome::Unknown(_) => "could not look".into(),
        }
    }
}

/// Words that providers put into the names of dynamic lines, as whole words of a label.
#[rustfmt::skip]
const DYNAMIC_WORDS: &[&str] = &["dyn", "dynamic", "dynip", "dsl", "adsl", "vdsl", "xdsl", "dhcp", "dial", "dialup", "dip",
    "ppp", "pppoe", "pool", "pools", "cable", "broadband", "fibre", "ftth", "home", "hfc", "catv", "wireless", "mobile",
    "cust", "customer", "customers", "client", "clients", "res", "residential"];
/// Words that say the address stays.
const STATIC_WORDS: &[&str] = &["static", "fixed", "fix", "mail", "smtp", "mx", "mta", "relay", "out", "outbound"];

/// Whether a reverse name looks like one that a provider gives to every line: it has a word for it, or the address itself
/// stands in it. A heuristic, and to be worded as one.
pub fn looks_dynamic(address: IpAddr, name: &Name) -> bool {
    let text = name.as_str();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| word.trim_matches(|c: char| c.is_ascii_digit()))
        .collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    if has(STATIC_WORDS) {
        return false;
    }
    has(DYNAMIC_WORDS) || holds_address(address, text)
}

/// Whether all four octets of an IPv4 address stand in the name: apart, in either order, or as eight hexadecimal digits;
/// of an IPv6 address, whether its last 64 bits do.
fn holds_address(address: IpAddr, text: &str) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            let padded: String = octets.iter().map(|octet| format!("{octet:03}")).collect();
            let numbers: Vec<Option<u8>> = text
                .split(|c: char| !c.is_ascii_digit())
                .filter(|part| !part.is_empty())
                .map(|part| part.parse().ok())
                .collect();
            let forward: Vec<Option<u8>> = octets.iter().copied().map(Some).collect();
            let backward: Vec<Option<u8>> = octets.iter().rev().copied().map(Some).collect();
            text.contains(&hex)
                || text.contains(&padded)
                || numbers.windows(octets.len()).any(|window| window == forward || window == backward)
        }
        IpAddr::V6(v6) => {
            let low: Vec<String> = v6.segments().iter().skip(4).map(|segment| format!("{segment:x}")).collect();
            let padded: String = v6.segments().iter().skip(4).map(|segment| format!("{segment:04x}")).collect();
            text.contains(&padded) || text.contains(&low.join("-"))
        }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::World;

    fn reverse(world: &str, address: &str) -> (ReverseOutcome, usize) {
        let address: IpAddr = address.parse().unwrap();
        let (reverse, depth, _) =
            World::parse(world).unwrap().ask(OffsetDateTime::UNIX_EPOCH, |seen| fcrdns(address, seen));
        (reverse.outcome, depth)
    }

    #[test]
    fn an_address_is_confirmed_by_any_of_its_names() {
        let world = "1.2.0.192.in-addr.arpa PTR old.example.com\n1.2.0.192.in-addr.arpa PTR Mail.example.com.\n\
                     mail.example.com A 192.0.2.1";
        let name = Name::from_text("mail.example.com").unwrap();
        assert_eq!(reverse(world, "192.0.2.1"), (ReverseOutcome::Confirmed(name), 2));
    }

    #[test]
    fn a_name_that_points_elsewhere_is_a_mismatch_and_no_name_is_none() {
        let world = "1.2.0.192.in-addr.arpa PTR mail.example.com\nmail.example.com A 192.0.2.9";
        assert_eq!(reverse(world, "192.0.2.1").0, ReverseOutcome::Mismatch);
        assert_eq!(reverse(world, "192.0.2.2"), (ReverseOutcome::NoPtr, 1));
    }

    #[test]
    fn failures_of_either_question_are_unknown() {
        for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
            let ptr = format!("1.2.0.192.in-addr.arpa PTR !{fault}");
            assert!(matches!(reverse(&ptr, "192.0.2.1").0, ReverseOutcome::Unknown(_)), "{fault}");
            let forward = format!("1.2.0.192.in-addr.arpa PTR mail.example.com\nmail.example.com A !{fault}");
            assert!(matches!(reverse(&forward, "192.0.2.1").0, ReverseOutcome::Unknown(_)), "{fault}");
        }
    }

    #[test]
    fn ipv6_addresses_are_confirmed_by_aaaa() {
        let at = Name::reverse("2001:db8::1".parse().unwrap());
        let world = format!("{at} PTR mail.example.com\nmail.example.com AAAA 2001:db8::1");
        assert!(matches!(reverse(&world, "2001:db8::1").0, ReverseOutcome::Confirmed(_)));
    }

    #[test]
    fn names_of_customer_lines_look_dynamic() {
        for (address, name, dynamic) in [
            ("203.0.113.9", "dsl-203-0-113-9.pool.isp.example", true),
            ("203.0.113.9", "9.113.0.203.isp.example", true),
            ("203.0.113.9", "host203-0-113-9.isp.example", true),
            ("203.0.113.9", "cb007109.isp.example", true),
            ("203.0.113.9", "dyn42.isp.example", true),
            ("203.0.113.9", "203-0-113-9.static.isp.example", false),
            ("203.0.113.9", "mail-203-0-113-9.isp.example", false),
            ("203.0.113.9", "mail.monsec.example", false),
            ("203.0.113.9", "poolside.example", false),
            ("2001:db8::1:2:3:4", "2001-db8--1-2-3-4.isp.example", true),
            ("2001:db8::1:2:3:4", "mail.example", false),
        ] {
            let name = Name::from_text(name).unwrap();
            assert_eq!(looks_dynamic(address.parse().unwrap(), &name), dynamic, "{name}");
        }
    }
}

//! What the demo world is made of: everything under `assets/demo/`, embedded, and the list of places worth a visit.
//!
//! **Every private key in here is public and worthless**; `assets/demo/make.sh` makes them.

use super::{DemoMessage, DkimKey, Target, bundle};

/// The zones, one master file each; a test sees to it that none is forgotten.
pub(super) const ZONES: &[&str] = &[
    include_str!("../../assets/demo/zones/100.51.198.in-addr.arpa.zone"),
    include_str!("../../assets/demo/zones/108.199.185.in-addr.arpa.zone"),
    include_str!("../../assets/demo/zones/113.0.203.in-addr.arpa.zone"),
    include_str!("../../assets/demo/zones/2.0.192.in-addr.arpa.zone"),
    include_str!("../../assets/demo/zones/8.b.d.0.1.0.0.2.ip6.arpa.zone"),
    include_str!("../../assets/demo/zones/acme-bank.example.zone"),
    include_str!("../../assets/demo/zones/acrne-bank.example.zone"),
    include_str!("../../assets/demo/zones/bogus.example.zone"),
    include_str!("../../assets/demo/zones/broken.example.zone"),
    include_str!("../../assets/demo/zones/collector.example.zone"),
    include_str!("../../assets/demo/zones/example.zone"),
    include_str!("../../assets/demo/zones/flawless.example.zone"),
    include_str!("../../assets/demo/zones/google.example.zone"),
    include_str!("../../assets/demo/zones/googlemail.example.zone"),
    include_str!("../../assets/demo/zones/gov.example.zone"),
    include_str!("../../assets/demo/zones/isp.example.zone"),
    include_str!("../../assets/demo/zones/lagging.example.zone"),
    include_str!("../../assets/demo/zones/lists.example.zone"),
    include_str!("../../assets/demo/zones/mailer.example.zone"),
    include_str!("../../assets/demo/zones/monsec.example.zone"),
    include_str!("../../assets/demo/zones/neglected.example.zone"),
    include_str!("../../assets/demo/zones/parked.example.zone"),
    include_str!("../../assets/demo/zones/reports.example.zone"),
    include_str!("../../assets/demo/zones/root.zone"),
    include_str!("../../assets/demo/zones/servers.example.zone"),
    include_str!("../../assets/demo/zones/test.zone"),
];
/// Zones of which the name servers publish another version than the one in [`ZONES`], which resolvers still keep.
pub(super) const PUBLISHED: &[&str] = &[include_str!("../../assets/demo/published/lagging.example.zone")];
/// The name servers of this world, and whether each knows the zones that name it.
pub(super) const NAME_SERVERS: &[(&str, bool)] = &[
    ("192.0.2.53", true),
    ("2001:db8::53", true),
    ("198.51.100.53", true),
    ("2001:db8:f1::53", true),
    ("192.0.2.54", true),
    ("198.51.100.54", true),
    ("203.0.113.54", false),
];
/// The DKIM and TLSA records that follow from the keys.
pub(super) const GENERATED: &str = include_str!("../../assets/demo/generated.zone");
/// The keys of the signed zones.
pub(super) const DNSSEC: &str = include_str!("../../assets/demo/dnssec.pem");
/// The certificate authority.
pub(super) const AUTHORITY: &str = include_str!("../../assets/demo/ca.pem");
/// The servers' keys and certificates.
pub(super) const TLS: &str = include_str!("../../assets/demo/tls.pem");
/// What the HTTPS host says.
pub(super) const WEB: &str = include_str!("../../assets/demo/web.toml");
/// What the mail servers do.
pub(super) const SMTP: &str = include_str!("../../assets/demo/smtp.toml");
/// The SMTP dialogue of the crash course.
pub(super) const TRANSCRIPT: &str = include_str!("../../assets/demo/transcript.txt");
/// The DKIM keys.
const DKIM: &str = include_str!("../../assets/demo/dkim.pem");

/// The places worth a visit, in the order of a tour.
pub(super) const TARGETS: &[Target] = &[
    Target {
        domain: "monsec.example",
        about: "the crash course's own domain: seven records, and a policy that lists none of its MX",
    },
    Target {
        domain: "flawless.example",
        about: "everything done right: strict DMARC, enforced MTA-STS, DNSSEC and DANE",
    },
    Target {
        domain: "neglected.example",
        about: "+all, 14 look-ups, a 512-bit key, p=none, and a policy that turns its own mail away",
    },
    Target { domain: "twice.neglected.example", about: "two SPF records, which count as none" },
    Target { domain: "parked.example", about: "sends and receives no mail, and says so in every record" },
    Target {
        domain: "broken.example",
        about: "name servers that fail: what could not be looked up is not called absent",
    },
    Target { domain: "slow.broken.example", about: "every answer takes 400 ms: see the sections arrive" },
    Target { domain: "lying.broken.example", about: "a name server that answers another question than the one asked" },
    Target {
        domain: "bogus.example",
        about: "its parent says that it is signed, and it is not: DNSSEC calls that forged",
    },
    Target {
        domain: "lagging.example",
        about: "changed a moment ago: R, authoritative shows what is published and what is still kept",
    },
    Target { domain: "shop.gov.example", about: "below a public suffix with a policy of its own (psd, np, sp)" },
    Target { domain: "tax.gov.example", about: "publishes no DMARC record: the suffix above decides" },
    Target { domain: "acme-bank.example", about: "the bank that the phishing mail pretends to come from" },
    Target { domain: "acrne-bank.example", about: "its look-alike (r n for m): authenticated, and still not the bank" },
    Target { domain: "good.servers.example", about: "a mail server that does everything right" },
    Target { domain: "nostarttls.servers.example", about: "a mail server that offers no encryption" },
    Target { domain: "expired.servers.example", about: "a mail server whose certificate has expired" },
    Target { domain: "greylisted.servers.example", about: "a mail server that says: not now, try again" },
    Target { domain: "danewrong.servers.example", about: "a TLSA record that does not match the certificate" },
];

/// The messages worth opening (`assets/demo/messages/make.py` signs them).
pub(super) const MESSAGES: &[DemoMessage] = &[
    DemoMessage {
        name: "phish",
        about: "the bank's name, a bulk sender's signature, a replayed one, results that somebody made up",
        raw: include_bytes!("../../assets/demo/messages/phish.eml"),
    },
    DemoMessage {
        name: "list",
        about: "a mailing list added a footer: broken signatures, and a seal that says that they held",
        raw: include_bytes!("../../assets/demo/messages/list.eml"),
    },
    DemoMessage {
        name: "clean",
        about: "two signatures, SPF and DMARC, all in order",
        raw: include_bytes!("../../assets/demo/messages/clean.eml"),
    },
    DemoMessage {
        name: "lookalike",
        about: "everything passes, and it is not the bank",
        raw: include_bytes!("../../assets/demo/messages/lookalike.eml"),
    },
    DemoMessage {
        name: "headers-only",
        about: "headers pasted without the body",
        raw: include_bytes!("../../assets/demo/messages/headers-only.txt"),
    },
];

/// The names that have an address or an alias, read off the lines of the zones: parsing them whole is left for later.
pub(super) fn hosts() -> Vec<String> {
    let mut hosts = Vec::new();
    for zone in ZONES {
        let origin = zone.lines().find_map(|line| line.strip_prefix("$ORIGIN ")).unwrap_or_default();
        let origin = origin.trim().trim_end_matches('.');
        for line in zone.lines().filter(|line| !line.starts_with(';')) {
            let mut words = line.split_whitespace();
            let (owner, kind) = (words.next(), words.skip_while(|word| *word != "IN").nth(1));
            if let (Some(owner), Some("A" | "AAAA" | "CNAME")) = (owner, kind) {
                let host = if owner == "@" { origin.to_owned() } else { format!("{owner}.{origin}") };
                if hosts.last() != Some(&host) {
                    hosts.push(host);
                }
            }
        }
    }
    hosts
}

/// The DKIM keys, for signing.
pub(super) fn keys() -> Vec<DkimKey> {
    bundle::entries(DKIM)
        .filter_map(|(title, pem)| {
            let (selector, domain) = title.split_once("._domainkey.")?;
            Some(DkimKey { selector: selector.to_owned(), domain: domain.to_owned(), pem: format!("{pem}\n") })
        })
        .collect()
}

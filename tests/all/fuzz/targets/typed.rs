//! What is typed, and the files that are our own.

use mxray::check::Kind;
use mxray::check::world::World;
use mxray::config::{ConnectTo, Upstream};
use mxray::engine::casefile::Case;
use mxray::job::SmtpPlan;
use mxray::name::Name;
use mxray::smtp::{self};
use mxray::untrusted::is_hidden;

use super::judged::lossy;

pub(super) fn names() -> Vec<Vec<u8>> {
    [
        "bücher.example",
        "xn--bcher-kva.example",
        "_dmarc.a.example.",
        "*.a.example",
        "https://user@host.example:8080/path?q#f",
        "a@b.example",
        "127.0.0.1:53",
        "[2001:db8::1]:25",
        "tls://dns.example",
        "https://dns.example/dns-query",
        "a.example:25=127.0.0.1:2525",
        "::25:127.0.0.1:2525",
        "TXT",
        "TYPE65",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

pub(super) fn typed_words(bytes: &[u8]) {
    let text = lossy(bytes);
    for name in [Name::parse(&text), Name::from_unicode(&text), Name::from_text(&text)].into_iter().flatten() {
        let again = Name::from_text(name.as_str()).unwrap();
        assert_eq!(again, name, "{text:?}");
        assert!(name.as_str().len() <= 255 * 4);
        assert!(!name.to_string().chars().any(is_hidden), "{text:?} → {name}");
    }
    let _ = Name::from_labels(bytes.split(|byte| *byte == b'.'));
    Kind::parse(&text);
    let _ = Upstream::parse(&text);
    let _ = ConnectTo::parse(&text);
    let _ = smtp::Target::parse(&text, SmtpPlan::default());
}

pub(super) fn files() -> Vec<Vec<u8>> {
    let case =
        br#"{"mxray":"0.1.0","case":1,"kind":"domain","target":"a.example","at":"2026-11-24T09:58:12Z","entries":[]}"#;
    let world = "a.example 300 TXT \"v=spf1 \\\"x\\\" -all\" \"more\"\n*.a.example MX 10 mx.a.example\na.example CAA 0 issue \"ca.example\"\n\
        a.example TLSA 3 1 1 00ff\na.example SOA ns.a.example h.a.example 1 2 3 4 5\nb.example ANY !servfail\nc.example EMPTY\n\
        a.example DNSKEY 257 3 13 YQ==\na.example DS 1 13 2 00\na.example SRV 1 2 3 x.a.example\na.example AAAA 2001:db8::1";
    vec![case.to_vec(), world.into()]
}

pub(super) fn files_of_ours(bytes: &[u8]) {
    let text = lossy(bytes);
    if let Ok(case) = Case::parse(&text) {
        case.evidence();
        Case::parse(&case.to_text().unwrap()).unwrap();
    }
    if let Ok(world) = World::parse(&text) {
        let name = Name::from_text("x.a.example").unwrap();
        for kind in [Kind::Txt, Kind::Mx, Kind::A, Kind::Soa] {
            world.dns(&name, kind);
        }
    }
}

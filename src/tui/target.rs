//! What a person typed into the line: a domain, a mail server, a message file, or the word before one that says which.

use crate::name::{Name, NameError};
use crate::tui::document::wrap::cut;

/// Where the line leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A domain to look at.
    Domain(Name),
    /// A mail server to talk to: `host:port`, or a domain whose MX are meant.
    Smtp(String),
    /// A file that holds a message.
    File(String),
}

/// Reads the line. A URL or an address means its domain; `host:25`, `lmtp://host` and an IP address mean a mail server; a path means a
/// message; `smtp example.org`, `file notes` and `domain example.org` say it in words.
pub fn parse(typed: &str) -> Result<Target, String> {
    let typed = typed.trim();
    let rest = |word: &str| typed.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')).map(str::trim);
    if let Some(host) = rest("smtp") {
        return if host.is_empty() { Err("smtp needs a host".into()) } else { Ok(Target::Smtp(host.to_owned())) };
    }
    if let Some(path) = rest("file").or_else(|| rest("message")) {
        return Ok(Target::File(path.to_owned()));
    }
    if let Some(name) = rest("domain") {
        return domain(name);
    }
    if ["smtp://", "smtps://", "lmtp://"].iter().any(|scheme| typed.to_ascii_lowercase().starts_with(scheme)) {
        return Ok(Target::Smtp(typed.to_owned()));
    }
    if is_path(typed) {
        return Ok(Target::File(typed.trim_matches(['\'', '"']).to_owned()));
    }
    let bare = typed.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<std::net::IpAddr>().is_ok() || typed.parse::<std::net::SocketAddr>().is_ok() || has_port(typed) {
        return Ok(Target::Smtp(typed.to_owned()));
    }
    domain(typed)
}

/// How the records begin that people have on their clipboards.
const RECORDS: [&str; 6] = ["v=spf1", "v=dmarc1", "v=dkim1", "v=stsv1", "v=tlsrptv1", "v=bimi1"];

fn domain(typed: &str) -> Result<Target, String> {
    let begins = typed.to_ascii_lowercase();
    if RECORDS.iter().any(|record| begins.starts_with(record)) {
        return Err("that is a record and no name: type its domain; there w tries what another text would do".into());
    }
    // What a mapping to a name would drop silently would be another name than the one that was typed.
    if typed.chars().any(char::is_control) {
        return Err("a name has no control characters: what was pasted is more than it looks".into());
    }
    let name = Name::parse(typed).map_err(|error| match error {
        NameError::Empty => "type a domain, a URL or an address".to_owned(),
        NameError::Sign(sign) if sign.is_whitespace() => {
            format!("{}: a name has no blanks; a message is pasted, or opened with o", cut(typed, 40))
        }
        other => format!("{}: {other}", cut(typed, 40)),
    })?;
    Ok(Target::Domain(name))
}

fn is_path(typed: &str) -> bool {
    let bare = typed.trim_matches(['\'', '"']);
    ["/", "./", "../", "~/", "file://"].iter().any(|start| bare.starts_with(start))
        || [".eml", ".msg", ".mbox", ".txt"].iter().any(|end| bare.to_ascii_lowercase().ends_with(end))
}

/// `host:25`, but no URL, no address and no bare IPv6.
fn has_port(typed: &str) -> bool {
    !typed.contains("://")
        && !typed.contains('@')
        && !typed.contains('/')
        && typed.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_reads_what_a_person_means() {
        let name = |text: &str| Ok(Target::Domain(Name::from_text(text).unwrap()));
        for (typed, meant) in [
            ("monsec.io", name("monsec.io")),
            (" https://Example.ORG/path?q ", name("example.org")),
            ("Ann <ann@example.org>", name("example.org")),
            ("münchen.example", name("xn--mnchen-3ya.example")),
            ("mx.example.org:25", Ok(Target::Smtp("mx.example.org:25".into()))),
            ("192.0.2.25", Ok(Target::Smtp("192.0.2.25".into()))),
            ("[2001:db8::1]:2525", Ok(Target::Smtp("[2001:db8::1]:2525".into()))),
            ("lmtp://mx.example.org:2424", Ok(Target::Smtp("lmtp://mx.example.org:2424".into()))),
            ("smtp example.org", Ok(Target::Smtp("example.org".into()))),
            ("./mail.eml", Ok(Target::File("./mail.eml".into()))),
            ("suspicious.eml", Ok(Target::File("suspicious.eml".into()))),
            ("'/tmp/a b.eml'", Ok(Target::File("/tmp/a b.eml".into()))),
        ] {
            assert_eq!(parse(typed), meant, "{typed}");
        }
        for record in ["v=spf1 include:_spf.google.com -all", "V=DMARC1; p=none", "v=spf1"] {
            assert!(parse(record).is_err_and(|why| why.contains("w tries")), "{record}");
        }
        assert!(parse("evil\u{1b}[2J.example").is_err_and(|why| why.contains("control characters")));
        assert!(parse("").is_err());
        assert!(parse("two words").is_err());
        assert!(parse("a..b").is_err());
    }
}

//! What a server offers in its reply to EHLO, each keyword in a sentence, and what changes once TLS stands.

use crate::finding::Severity;
use crate::smtp::session::Session;

/// The words for a keyword line such as `SIZE 52428800` or `AUTH PLAIN LOGIN`; `tls` says where it was offered.
pub fn explain(line: &str, tls: bool) -> (String, Severity) {
    let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
    let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
    let parameters: Vec<&str> = words.collect();
    let ok = |text: &str| (text.to_owned(), Severity::Ok);
    match keyword.as_str() {
        "STARTTLS" if tls => (
            "offered again inside TLS, which makes no sense; it must not stand here (RFC 3207 §4.2)".into(),
            Severity::Warning,
        ),
        "STARTTLS" => {
            ok("it can encrypt; nothing stops somebody in between from removing this line but MTA-STS or DANE")
        }
        "AUTH" => auth(&parameters, tls),
        "SIZE" => size(&parameters),
        "8BITMIME" => ok("bodies may hold 8-bit bytes (headers and addresses beyond ASCII need SMTPUTF8)"),
        "SMTPUTF8" => ok("addresses and headers may go beyond ASCII (RFC 6531)"),
        "PIPELINING" => ok("commands may be sent without waiting for each reply (RFC 2920)"),
        "CHUNKING" => ok("messages may come in chunks by BDAT, without dot-stuffing (RFC 3030)"),
        "BINARYMIME" => ok("bodies may be binary, sent by BDAT (RFC 3030)"),
        "DSN" => ok("delivery reports may be asked for (RFC 3461)"),
        "ENHANCEDSTATUSCODES" => ok("replies carry codes such as 5.7.1 that say why (RFC 2034)"),
        "REQUIRETLS" => ok("the sender may demand TLS on every hop (RFC 8689)"),
        "DELIVERBY" => ok("a deadline for delivery may be given (RFC 2852)"),
        "MT-PRIORITY" => ok("messages may have a priority (RFC 6710)"),
        "FUTURERELEASE" => ok("delivery may be put off (RFC 4865)"),
        "BURL" => ok("content may be fetched from an IMAP server (RFC 4468)"),
        "LIMITS" => (format!("its limits: {} (RFC 9422)", parameters.join(", ")), Severity::Ok),
        "VRFY" => ok("it may answer whether a mailbox exists: useful for guessing addresses"),
        "EXPN" => ("it may list the members of a mailing list: useful for spies".into(), Severity::Info),
        "ETRN" => ok("a waiting host may ask for its queue (RFC 1985)"),
        "HELP" => ok("it answers HELP"),
        "XCLIENT" | "XFORWARD" => {
            ("a trusted proxy may say who the client is; offered to us, who are none".into(), Severity::Warning)
        }
        "RRVS" => ok("mail may be bound to a mailbox's owner (RFC 7293)"),
        "NO-SOLICITING" => ok("it asks for no advertisements (RFC 3865)"),
        "" => ("an empty line".into(), Severity::Info),
        other if other.starts_with('X') => ok("an extension of this server's own"),
        _ => ok("an extension that mxray does not know"),
    }
}

fn auth(mechanisms: &[&str], tls: bool) -> (String, Severity) {
    let in_clear = mechanisms.iter().any(|m| m.eq_ignore_ascii_case("PLAIN") || m.eq_ignore_ascii_case("LOGIN"));
    match (tls, in_clear) {
        (true, _) => ("log in here, inside TLS: good".into(), Severity::Ok),
        (false, true) => (
            "log in here without TLS: PLAIN and LOGIN give the password to everybody on the way".into(),
            Severity::Warning,
        ),
        (false, false) => {
            ("log in here without TLS, by a mechanism that does not show the password".into(), Severity::Info)
        }
    }
}

fn size(parameters: &[&str]) -> (String, Severity) {
    match parameters.first().map(|digits| digits.parse::<u64>()) {
        None | Some(Ok(0)) => ("no fixed limit on a message's size (RFC 1870)".into(), Severity::Ok),
        Some(Ok(bytes)) => (format!("messages up to {} (RFC 1870)", human_size(bytes)), Severity::Ok),
        Some(Err(_)) => ("the size is not a number (RFC 1870)".into(), Severity::Warning),
    }
}

/// Bytes in the unit that a person would use.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = "bytes";
    for next in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{size:.1} {unit}").replace(".0 ", " ") }
}

/// What changed between the offers in the clear and inside TLS: `+ AUTH PLAIN`, `- STARTTLS`, in the order of the lines.
pub fn changes(session: &Session<'_>) -> Vec<String> {
    let (before, after) = (session.capabilities(false), session.capabilities(true));
    if session.greeting(false).is_none() || session.greeting(true).is_none() {
        return Vec::new();
    }
    let missing_in = |list: &[String], line: &String| !list.iter().any(|other| other.eq_ignore_ascii_case(line));
    let gone = before.iter().filter(|line| missing_in(&after, line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| missing_in(&before, line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::session::tests::transcript;

    #[test]
    fn auth_before_tls_is_a_warning_and_after_it_is_good() {
        assert_eq!(explain("AUTH PLAIN LOGIN", false).1, Severity::Warning);
        assert_eq!(explain("AUTH=LOGIN", false).1, Severity::Warning);
        assert_eq!(explain("AUTH SCRAM-SHA-256", false).1, Severity::Info);
        assert_eq!(explain("auth plain", true).1, Severity::Ok);
        assert_eq!(explain("STARTTLS", true).1, Severity::Warning);
    }

    #[test]
    fn sizes_are_read_even_when_they_are_absurd() {
        assert!(explain("SIZE 52428800", true).0.contains("50 MiB"));
        assert!(explain("SIZE 4294967296", true).0.contains("4 GiB"));
        assert!(explain("SIZE 0", true).0.contains("no fixed limit"));
        assert_eq!(explain("SIZE 99999999999999999999999", true).1, Severity::Warning);
    }

    #[test]
    fn the_offers_before_and_after_tls_are_compared() {
        let t = transcript(
            "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250-SIZE 10\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*tls\nC: EHLO me\nS: 250-mail\nS: 250-SIZE 10\nS: 250 AUTH PLAIN",
        );
        assert_eq!(changes(&Session::read(&t)), ["- STARTTLS", "+ AUTH PLAIN"]);
    }
}

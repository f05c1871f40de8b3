//! Reply codes and enhanced status codes in words (RFC 5321 §4.2, RFC 3463, RFC 5248), with what large receivers mean by
//! them. The texts are data: `assets/smtp_codes.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::smtp::reply::{Enhanced, Reply};

static TEXTS: &str = include_str!("../../assets/smtp_codes.txt");
static TABLE: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = TEXTS.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('|')).map(|(key, words)| (key.trim(), words.trim())).collect()
});
/// Words in a reply, or in the server's name, that tell whose meaning a code has. A list of addresses is named before the
/// server that reads it.
const VENDORS: &[(&str, &[&str])] = &[
    ("spamhaus", &["spamhaus"]),
    (
        "blocklist",
        &["spamcop", "barracudacentral", "sorbs.net", "uceprotect", "abusix", "psbl.org", "dnswl", "mailspike"],
    ),
    ("proofpoint", &["proofpoint", "pphosted"]),
    ("mimecast", &["mimecast"]),
    ("google", &["gsmtp", "google", "gmail"]),
    ("microsoft", &["microsoft", "outlook", "office365", "office.com", "exchangelabs", "hotmail"]),
    ("outlook", &["outlook"]),
    ("yahoo", &["yahoo", "aol", "yahoodns"]),
    ("apple", &["icloud", "apple.com"]),
    ("gmx", &["gmx.net", "gmx.com", "web.de", "kundenserver", "1and1", "ionos"]),
    ("t-online", &["t-online"]),
    ("amazon", &["amazonses", "amazonaws", "amazon ses"]),
    ("zoho", &["zoho"]),
];

/// What a reply means: the vendor's meaning where its text names one, else the enhanced code's, else the code's.
pub fn explain(reply: &Reply) -> Option<&'static str> {
    explain_from(reply, "")
}

/// The same for a reply of `host`'s, whose name may tell the vendor.
pub fn explain_from(reply: &Reply, host: &str) -> Option<&'static str> {
    let code = reply.code()?;
    explain_code(code, reply.enhanced(), &format!("{} {host}", reply.text()))
}

/// The same for a code by itself; `text` is searched for the vendor.
pub fn explain_code(code: u16, enhanced: Option<Enhanced>, text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let vendors = VENDORS.iter().filter(|(_, signs)| signs.iter().any(|sign| lower.contains(sign)));
    for (vendor, _) in vendors {
        let specific = enhanced.map(|enhanced| [format!("{code} {enhanced} {vendor}"), format!("{enhanced} {vendor}")]);
        let keys = specific.into_iter().flatten().chain([format!("{code} {vendor}")]);
        if let Some(words) = keys.filter_map(|key| TABLE.get(key.as_str())).next() {
            return Some(words);
        }
    }
    if let Some(enhanced) = enhanced {
        let general = format!("x.{}.{}", enhanced.subject, enhanced.detail);
        // x.0.0 says less than the code itself, and most subjects are faults: 2.1.0 is no wrong address.
        let general = TABLE.get(general.as_str()).filter(|_| general != "x.0.0" && enhanced.class != 2);
        if let Some(words) = TABLE.get(enhanced.to_string().as_str()).or(general) {
            return Some(words);
        }
    }
    TABLE.get(code.to_string().as_str()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_positive_reply_is_never_explained_as_a_fault() {
        assert_eq!(words("250 2.1.0 Ok"), "accepted: the sender's address");
        assert_eq!(words("250 2.1.5 Ok"), "the recipient's address is valid");
        assert_eq!(words("235 2.7.0 Authentication successful"), "authentication succeeded");
        assert_eq!(words("250 2.2.0 Ok"), "accepted");
    }

    fn words(line: &str) -> &'static str {
        let mut reply = Reply::default();
        reply.push(line.as_bytes());
        explain(&reply).unwrap_or("")
    }

    #[test]
    fn the_most_specific_meaning_wins() {
        assert!(words("550 5.7.515 Access denied, sending domain x does not meet the level").contains("Microsoft"));
        assert!(words("550-5.7.26 This mail has been blocked. - gsmtp").contains("Google"));
        assert!(words("550 5.7.26 refused").contains("several authentication checks"));
        assert!(words("421 4.7.0 [TSS04] Messages from 1.2.3.4 deferred; see yahoo").contains("Yahoo"));
        assert!(words("250 2.0.0 ok").contains("accepted"));
        assert!(words("550 no such user").contains("no such mailbox"));
        assert_eq!(words("299 odd"), "");
    }

    #[test]
    fn what_large_receivers_say_is_told_in_their_meaning() {
        for (line, meaning) in [
            ("550 5.7.515 Access denied, sending domain a.example does not meet the required level", "bulk sender"),
            ("550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. S3140 outlook.com", "block list"),
            ("451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited", "slowed down"),
            ("550 5.4.1 Recipient address rejected: Access denied. protection.outlook.com", "does not exist"),
            ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", "password logins"),
            ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred; see yahoo", "Yahoo slows"),
            ("554 5.7.9 Message not accepted for policy reasons. yahoo", "DMARC"),
            ("421-4.7.28 Gmail has detected an unusual rate of unsolicited mail. gsmtp", "unusual rate"),
            ("552-5.7.0 This message was blocked because its content presents a potential. gsmtp", "content"),
            ("452-4.2.2 The recipient's inbox is out of storage space. gsmtp", "full"),
            ("550 5.7.1 [CS01] Message rejected due to local policy. https://support.apple.com", "Apple"),
            ("554-gmx.net (mxgmx016) Nemesis ESMTP Service not available", "GMX"),
            ("554 IP=192.0.2.1 - A problem occurred. Contact tobr@rx.t-online.de", "T-Online"),
            ("550 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org", "Spamhaus"),
            ("554 5.7.1 Service unavailable; blocked using bl.spamcop.net", "block list"),
            ("554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1", "Proofpoint"),
            ("451 Internal resource temporarily unavailable - https://community.mimecast.com", "Mimecast"),
            ("554 5.7.322 certificate-expired", "certificate"),
            ("525 5.7.13 account disabled", "disabled"),
            ("571 blocked", "policy"),
        ] {
            assert!(words(line).contains(meaning), "{line}: {}", words(line));
        }
    }

    #[test]
    fn the_servers_name_tells_the_vendor_where_its_words_do_not() {
        let mut reply = Reply::default();
        reply.push(b"421 4.7.0 Try again later, closing connection.");
        assert!(explain_from(&reply, "aspmx.l.google.com").unwrap().starts_with("Google slows"));
        assert!(explain_from(&reply, "mta5.am0.yahoodns.net").unwrap().starts_with("Yahoo slows"));
        assert!(!explain_from(&reply, "mail.example").unwrap().contains("slows"));
        let mut fine = Reply::default();
        fine.push(b"250 2.1.0 OK");
        assert_eq!(explain_from(&fine, "aspmx.l.google.com"), Some("accepted: the sender's address"));
    }

    #[test]
    fn every_line_of_the_table_is_a_key_and_words() {
        for line in TEXTS.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let (key, words) = line.split_once('|').expect(line);
            assert!(!key.trim().is_empty() && words.trim().len() > 5, "{line}");
        }
        assert!(TABLE.len() > 150);
    }
}

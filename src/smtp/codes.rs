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
/// Words in a reply that tell whose meaning a code has.
const VENDORS: &[(&str, &[&str])] = &[
    ("google", &["gsmtp", "google", "gmail"]),
    ("microsoft", &["microsoft", "outlook", "office365", "exchangelabs"]),
    ("outlook", &["outlook"]),
    ("yahoo", &["yahoo", "aol"]),
    ("spamhaus", &["spamhaus"]),
];

/// What a reply means: the vendor's meaning where its text names one, else the enhanced code's, else the code's.
pub fn explain(reply: &Reply) -> Option<&'static str> {
    let code = reply.code()?;
    explain_code(code, reply.enhanced(), &reply.text())
}

/// The same for a code by itself; `text` is searched for the vendor.
pub fn explain_code(code: u16, enhanced: Option<Enhanced>, text: &str) -> Option<&'static str> {
    if let Some(enhanced) = enhanced {
        let lower = text.to_ascii_lowercase();
        let vendors = VENDORS.iter().filter(|(_, signs)| signs.iter().any(|sign| lower.contains(sign)));
        for (vendor, _) in vendors {
            let keys = [format!("{code} {enhanced} {vendor}"), format!("{enhanced} {vendor}")];
            if let Some(words) = keys.iter().find_map(|key| TABLE.get(key.as_str())) {
                return Some(words);
            }
        }
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
    fn every_line_of_the_table_is_a_key_and_words() {
        for line in TEXTS.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let (key, words) = line.split_once('|').expect(line);
            assert!(!key.trim().is_empty() && words.trim().len() > 5, "{line}");
        }
        assert!(TABLE.len() > 150);
    }
}

//! The keys of `X-Forefront-Antispam-Report` and `X-Microsoft-Antispam`, as Microsoft documents them ("Anti-spam message
//! headers in Microsoft 365").

use crate::finding::{Finding, Severity};

/// How many pairs are read.
const MAX_PAIRS: usize = 60;

/// `KEY:value;KEY:value`; an IPv6 address after `CIP:` has colons of its own.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split(';')
        .filter_map(|pair| pair.trim().split_once(':'))
        .filter(|(key, value)| !key.is_empty() && key.len() <= 20 && !value.trim().is_empty())
        .map(|(key, value)| (key.trim().to_uppercase(), value.trim().to_owned()))
        .take(MAX_PAIRS)
        .collect()
}

/// What a pair means; empty for what means nothing outside of Microsoft.
pub(super) fn words(key: &str, value: &str) -> (String, Severity) {
    let bad = |text: &str| (text.to_owned(), Severity::Warning);
    let plain = |text: &str| (text.to_owned(), Severity::Ok);
    match (key, value.to_uppercase().as_str()) {
        ("SFV", "SPM") => bad("the filter took it for spam"),
        ("SFV", "SKB") => bad("marked as spam: the sender is on a block list of the house or the reader"),
        ("SFV", "SKS") => bad("marked as spam by a mail-flow rule before the filter saw it"),
        ("SFV", "NSPM") => plain("the filter took it for no spam"),
        ("SFV", "SFE") => plain("not filtered: the reader's safe senders have it"),
        ("SFV", "SKI") => plain("not filtered: it is mail inside one house"),
        ("SFV", "SKA") => plain("not filtered: the house allows this sender"),
        ("SFV", "SKN") => plain("not filtered: a mail-flow rule marked it as safe before"),
        ("SFV", "SKQ") => plain("released from quarantine by somebody"),
        ("SFV", "BLK") => bad("blocked: the reader's blocked senders have it"),
        ("CAT", "PHSH") => bad("phishing"),
        ("CAT", "HPHSH" | "HPHISH") => bad("phishing, with high confidence"),
        ("CAT", "SPM") => bad("spam"),
        ("CAT", "HSPM") => bad("spam, with high confidence"),
        ("CAT", "SPOOF") => bad("a forged sender"),
        ("CAT", "MALW") => bad("malware"),
        ("CAT", "BULK") => bad("bulk mail"),
        ("CAT", "BIMP") => bad("pretends to be a known brand"),
        ("CAT", "UIMP" | "GIMP") => bad("pretends to be a person whom the reader knows"),
        ("CAT", "DIMP") => bad("pretends to be a domain of the house"),
        ("CAT", "AMP" | "SAP") => bad("a malicious attachment"),
        ("CAT", "FTBP") => bad("an attachment of a forbidden kind"),
        ("CAT", "OSPM") => bad("spam that leaves the house"),
        ("CAT", "INTOS") => bad("phishing inside the house"),
        ("CAT", "NONE") => plain("nothing found"),
        ("SCL", level) => match level.parse::<i32>() {
            Ok(-1) => plain("spam confidence: the filter was skipped"),
            Ok(0 | 1) => plain("spam confidence: no spam"),
            Ok(5 | 6) => bad("spam confidence: spam"),
            Ok(7..) => bad("spam confidence: spam, with high confidence"),
            Ok(_) => plain("spam confidence: low"),
            Err(_) => plain(""),
        },
        ("BCL", level) => match level.parse::<i32>() {
            Ok(0) => plain("bulk complaint level: not from a bulk sender"),
            Ok(1..=3) => plain("bulk complaint level: a bulk sender with few complaints"),
            Ok(4..=7) => (String::from("bulk complaint level: a bulk sender with some complaints"), Severity::Info),
            Ok(8..) => bad("bulk complaint level: a bulk sender with many complaints"),
            _ => plain(""),
        },
        ("DIR", "INB") => plain("came in"),
        ("DIR", "OUT") => plain("went out"),
        ("DIR", "INT") => plain("stayed inside"),
        ("IPV", "CAL") => plain("the address is on the house's list of allowed ones"),
        ("IPV", "NLI") => plain("the address is on no reputation list"),
        ("CIP", _) => plain("the address that connected"),
        ("PTR", _) => plain("its reverse name"),
        ("H", _) => plain("what it said in HELO"),
        ("CTRY", _) => plain("the country of the address"),
        ("LANG", _) => plain("the language of the text"),
        ("SRV", "BULK") => bad("bulk mail"),
        _ => plain(""),
    }
}

/// What a reader should hear of it.
pub(super) fn finding(key: &str, value: &str) -> Option<Finding> {
    let (words, severity) = words(key, value);
    if severity < Severity::Warning {
        return None;
    }
    let (id, text) = match key {
        "CAT" => ("vendor.microsoft-verdict", format!("Microsoft's filter calls it {words} (CAT:{value}).")),
        "SFV" => ("vendor.microsoft-spam", format!("Microsoft's filter says: {words} (SFV:{value}).")),
        _ => return None,
    };
    Some(Finding::warning(id, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_addresses_whole_and_drop_what_is_empty() {
        assert_eq!(
            pairs("CIP:2001:db8::1;SRV:; SCL:1;junk"),
            [("CIP".to_owned(), "2001:db8::1".to_owned()), ("SCL".to_owned(), "1".to_owned())]
        );
    }

    #[test]
    fn levels_are_worded_by_their_ranges() {
        for (key, value, severity) in [
            ("SCL", "-1", Severity::Ok),
            ("SCL", "6", Severity::Warning),
            ("SCL", "9", Severity::Warning),
            ("BCL", "5", Severity::Info),
            ("CAT", "hphsh", Severity::Warning),
            ("SFV", "SKI", Severity::Ok),
        ] {
            let (words, found) = words(key, value);
            assert!(!words.is_empty() && found == severity, "{key}:{value} {words}");
        }
    }
}

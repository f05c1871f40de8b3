//! A report as JSON: its serde shape, every hidden character escaped. serde_json escapes the C0 controls; DEL, the C1
//! controls, bidi marks and invisible characters it writes as they are, and a terminal would obey them.

use std::fmt::Write;

use crate::report::Report;
use crate::untrusted::is_hidden;

/// One report as one document; `one_line` for several reports in one stream.
pub fn json(report: &Report, one_line: bool) -> Result<String, serde_json::Error> {
    let text = if one_line { serde_json::to_string(report)? } else { serde_json::to_string_pretty(report)? };
    Ok(escape(&text) + "\n")
}

/// JSON text with its hidden characters as `\u` escapes. What is left below U+0020 is layout: inside strings serde_json
/// has escaped it.
pub fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c >= '\u{7f}' && is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let json = escape(&serde_json::to_string("a\u{9b}31m \u{202e} \u{e0041} \u{1b}é").unwrap());
        assert_eq!(json, r#""a\u009b31m \u202e \udb40\udc41 \u001bé""#);
    }

    proptest! {
        #[test]
        fn escaping_changes_no_value_and_leaves_nothing_hidden(text in any::<String>()) {
            let json = escape(&serde_json::to_string(&text).unwrap());
            prop_assert!(!json.chars().any(is_hidden));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}

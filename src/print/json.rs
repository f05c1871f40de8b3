//! A report as JSON: its serde shape, every hidden character escaped. What the command line prints and what the screen copies
//! and saves is the same text.

use crate::report::Report;
use crate::untrusted::escaped_json;

/// One report as one document; `one_line` for several reports in one stream.
pub fn json(report: &Report, one_line: bool) -> Result<String, serde_json::Error> {
    let text = if one_line { serde_json::to_string(report)? } else { serde_json::to_string_pretty(report)? };
    Ok(escaped_json(&text) + "\n")
}

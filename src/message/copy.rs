//! What a person copies out of a message's report: five lines for a ticket, an Authentication-Results field of our own
//! (RFC 8601). Both read the report alone, and make everything foreign visible: values out of a message must not become
//! fields or control characters where they are pasted (cases 102).

use serde_json::Value;

use crate::report::{Report, Section};
use crate::untrusted::visible;

/// A report about a message as a few lines of plain text, for a ticket or a chat.
pub fn ticket(report: &Report) -> String {
    let mut lines = vec![format!("Message {}", visible(&report.target))];
    for line in &report.verdict {
        lines.push(format!("{} {}", line.question, visible(&line.answer)));
    }
    let read = Read { sections: &report.sections };
    let signatures: Vec<String> =
        read.signatures().iter().map(|one| format!("DKIM {} {}", text(&one["domain"]), text(&one["result"]))).collect();
    let mut results = if signatures.is_empty() { vec!["DKIM none".to_owned()] } else { signatures };
    results.push(format!("SPF {}", read.word("spf", "result")));
    results.push(format!("DMARC {}", read.word("dmarc", "result")));
    lines.push(visible(&results.join(", ")).into_owned());
    lines.join("\n")
}

/// The field that a server which saw what we see would add. `authserv_id` names who says so.
pub fn authentication_results(report: &Report, authserv_id: &str) -> String {
    let read = Read { sections: &report.sections };
    let mut results = Vec::new();
    for one in read.signatures() {
        let mut result = format!("dkim={}", token(&text(&one["result"])));
        if let Some(reason) = one["reason"].as_str() {
            result.push_str(&format!(" reason={}", quoted(reason)));
        }
        result.push_str(&format!(
            " header.d={} header.s={}",
            token(&text(&one["domain"])),
            token(&text(&one["selector"]))
        ));
        results.push(result);
    }
    if results.is_empty() && read.section("dkim").is_some() {
        results.push("dkim=none".to_owned());
    }
    if let Some(word) = read.fact("spf", "result").and_then(Value::as_str) {
        let property = if read.word("spf", "identity") == "helo" { "smtp.helo" } else { "smtp.mailfrom" };
        results.push(format!("spf={} {property}={}", token(word), token(&read.word("spf", "domain"))));
    }
    if let Some(word) = read.fact("dmarc", "result").and_then(Value::as_str) {
        let from = read.fact("dmarc", "author_domain").and_then(Value::as_str);
        let from = from.map(|domain| format!(" header.from={}", token(domain))).unwrap_or_default();
        results.push(format!("dmarc={}{from}", token(word)));
    }
    if let Some(word) = read.fact("arc", "result").and_then(Value::as_str) {
        results.push(format!("arc={}", token(word)));
    }
    if results.is_empty() {
        results.push("none".to_owned());
    }
    format!("Authentication-Results: {};\r\n\t{}\r\n", token(authserv_id), results.join(";\r\n\t"))
}

struct Read<'a> {
    sections: &'a [Section],
}

impl<'a> Read<'a> {
    fn section(&self, id: &str) -> Option<&'a Section> {
        self.sections.iter().find(|section| section.id == id)
    }

    fn fact(&self, section: &str, key: &str) -> Option<&'a Value> {
        self.section(section)?.facts.get(key)
    }

    fn word(&self, section: &str, key: &str) -> String {
        self.fact(section, key).map(text).unwrap_or_else(|| "not looked at".to_owned())
    }

    fn signatures(&self) -> &'a [Value] {
        self.fact("dkim", "signatures").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("not known").to_owned()
}

/// A value that needs no quotes; anything else becomes a quoted string (RFC 8601 §2.2).
fn token(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+' | ':');
    if !value.is_empty() && value.chars().all(is_plain) { value.to_owned() } else { quoted(value) }
}

fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for c in visible(value).chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        // A field of ASCII: what is beyond it was made visible, not meaningful.
        out.push(if c.is_ascii() { c } else { '?' });
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;
    use crate::finding::Severity;

    fn report(selector: &str) -> Report {
        let mut dkim = Section::new("dkim", "Signatures");
        dkim.fact(
            "signatures",
            json!([{"domain": "a.example", "selector": selector, "result": "fail", "reason": "body changed"}]),
        );
        let mut spf = Section::new("spf", "SPF");
        spf.fact("result", "pass");
        spf.fact("identity", "mailfrom");
        spf.fact("domain", "b.example");
        let mut dmarc = Section::new("dmarc", "DMARC");
        dmarc.fact("result", "fail");
        dmarc.fact("author_domain", "a.example");
        Report {
            mxray: "0",
            schema: 1,
            kind: "message",
            target: "<x\u{1b}[31m@y>".into(),
            at: OffsetDateTime::UNIX_EPOCH,
            elapsed_ms: 0.0,
            worst: Severity::Ok,
            verdict: Vec::new(),
            summary: None,
            since: None,
            sections: vec![dkim, spf, dmarc],
            lookups: Vec::new(),
        }
    }

    #[test]
    fn a_field_of_our_own_reads_as_rfc_8601_wants_it() {
        assert_eq!(
            authentication_results(&report("k1"), "mxray.local"),
            "Authentication-Results: mxray.local;\r\n\tdkim=fail reason=\"body changed\" header.d=a.example header.s=k1;\r\n\t\
             spf=pass smtp.mailfrom=b.example;\r\n\tdmarc=fail header.from=a.example\r\n"
        );
    }

    #[test]
    fn a_selector_cannot_write_a_field_or_a_result() {
        let field = authentication_results(&report("k1\r\nX-Evil: yes; dmarc=pass \u{1b}]\""), "id");
        assert_eq!(field.matches("\r\n").count(), 4, "{field:?}");
        assert!(field.contains("header.s=\"k1??X-Evil: yes; dmarc=pass ?]\\\"\""), "{field:?}");
    }

    #[test]
    fn a_ticket_is_short_and_shows_what_would_be_obeyed() {
        let text = ticket(&report("k1"));
        assert_eq!(text.lines().last(), Some("DKIM a.example fail, SPF pass, DMARC fail"));
        assert!(text.starts_with("Message <x␛[31m@y>"), "{text}");
    }
}

//! What a check may say: a [`Finding`] with its severity and its evidence, a [`Suggestion`] with its risk, a [`Span`] of
//! the bytes that it speaks of.
//!
//! Texts are whole sentences for a person: what we saw, why it matters, what to do. A negative says how far we looked.

use serde::{Serialize, Serializer};

use crate::name::Name;
use crate::report::LookupId;

/// What to do where we could not look: the key of the terminal program and the flag of the command line say the same thing.
pub const ASK_AGAIN: &str = "Ask again (r), or ask other name servers (R, --dns).";

/// How much a finding matters; later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All is well, and worth saying.
    Ok,
    /// Good to know; nothing has to be done.
    Info,
    /// Works, but weaker or more fragile than it should be.
    Warning,
    /// Broken or unsafe: mail is lost, or forged mail passes.
    Error,
}

impl Severity {
    /// The word that stands on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Info => "note",
            Severity::Warning => "WARN",
            Severity::Error => "ERROR",
        }
    }
}

/// Offsets in bytes into the text that a finding quotes: from `start` to just before `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just after the last byte.
    pub end: usize,
}

impl Span {
    /// A span from `start` to just before `end`.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end: end.max(start) }
    }

    /// The bytes under the span, or `None` when it does not lie inside `bytes`.
    pub fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        bytes.get(self.start..self.end)
    }

    /// The text under the span, or `None` when it does not lie on character borders inside `text`.
    pub fn of_str(self, text: &str) -> Option<&str> {
        text.get(self.start..self.end)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.start, self.end].serialize(serializer)
    }
}

/// One thing that a check has to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// A kebab path that never changes its meaning: `spf.too-many-lookups`.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What we saw and why it matters, in whole sentences.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The rule that it stands on: `RFC 7208 §4.6.4`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reference: &'static str,
    /// The lookups that show it, ids in the report's `lookups`.
    pub evidence: Vec<LookupId>,
    /// The bytes that it speaks of, in the text of the record block [`Finding::record`] of its section; where a section has
    /// no records (a message's header), in the message's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Which of the section's `Block::Record`s (counted from 0) the span lies in; its `Block::Source`s are counted after them.
    #[serde(skip)]
    pub record: usize,
}

impl Finding {
    /// A finding of the given severity; the `with_` methods add what stands behind it.
    pub fn new(id: &'static str, severity: Severity, text: impl Into<String>) -> Finding {
        Finding {
            id,
            severity,
            text: text.into(),
            fix: None,
            reference: "",
            evidence: Vec::new(),
            span: None,
            record: 0,
        }
    }

    /// An [`Severity::Error`].
    pub fn error(id: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(id, Severity::Error, text)
    }

    /// A [`Severity::Warning`].
    pub fn warning(id: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(id, Severity::Warning, text)
    }

    /// An [`Severity::Info`].
    pub fn info(id: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(id, Severity::Info, text)
    }

    /// Adds what to do about it.
    pub fn with_fix(mut self, fix: impl Into<String>) -> Finding {
        self.fix = Some(fix.into());
        self
    }

    /// Adds the rule that it stands on.
    pub fn with_reference(mut self, reference: &'static str) -> Finding {
        self.reference = reference;
        self
    }

    /// Adds lookups that show it.
    pub fn with_evidence(mut self, lookups: impl IntoIterator<Item = LookupId>) -> Finding {
        self.evidence.extend(lookups);
        self
    }

    /// Adds the bytes that it speaks of, in the section's first record.
    pub fn with_span(mut self, span: Span) -> Finding {
        self.span = Some(span);
        self
    }

    /// Says in which of the section's records (from 0) the span lies.
    pub fn in_record(mut self, record: usize) -> Finding {
        self.record = record;
        self
    }
}

/// Whether a suggestion is a DNS record or a file to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SuggestionKind {
    /// A DNS record.
    Record,
    /// A file to put on a web server; [`Suggestion::host`] is its URL.
    File,
}

/// Something that a suggestion needs and that only the person knows; its `{key}` stands in the value until it is given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blank {
    /// The word between braces in the value.
    pub key: &'static str,
    /// The question to the person.
    pub prompt: String,
}

/// A record or file that would be better than what is published: current → proposed, why, what could break, how to undo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// Record or file.
    pub kind: SuggestionKind,
    /// The owner name of the record, or the host that serves the file.
    pub name: Name,
    /// What a provider's form wants as host (relative to the zone, `@` for the zone itself); a file's URL.
    pub host: String,
    /// The record's type; `FILE` for a file.
    #[serde(rename = "type")]
    pub rr_type: &'static str,
    /// TTL in seconds; `None` is the provider's default ("Auto").
    pub ttl: Option<u32>,
    /// In which order to do it, from 1.
    pub step: u32,
    /// What is published now.
    pub current: Option<String>,
    /// What to publish.
    pub value: String,
    /// The record as a line of a zone file, long texts cut into strings of at most 255 bytes; empty for a file.
    pub zone: String,
    /// Why it is better.
    pub why: String,
    /// What could break.
    pub risk: String,
    /// How to go back.
    pub undo: String,
    /// What must be asked before it can be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blanks: Vec<Blank>,
}

impl Suggestion {
    /// A TXT record at `name`, relative to `zone`, step 1; fill `current`, `why`, `risk` and `undo` with struct update or fields.
    pub fn txt(name: &Name, zone: &Name, value: impl Into<String>) -> Suggestion {
        let value = value.into();
        Suggestion::record(name, zone, "TXT", value.clone(), zone_strings(&value))
    }

    /// A record of any type whose value reads the same in a form and in a zone file.
    pub fn plain(name: &Name, zone: &Name, rr_type: &'static str, value: impl Into<String>) -> Suggestion {
        let value = value.into();
        Suggestion::record(name, zone, rr_type, value.clone(), value)
    }

    fn record(name: &Name, zone: &Name, rr_type: &'static str, value: String, rdata: String) -> Suggestion {
        Suggestion {
            kind: SuggestionKind::Record,
            name: name.clone(),
            host: name.relative_to(zone),
            rr_type,
            ttl: None,
            step: 1,
            current: None,
            value,
            zone: format!("{}. IN {rr_type} {rdata}", name.as_str()),
            why: String::new(),
            risk: String::new(),
            undo: String::new(),
            blanks: Vec::new(),
        }
    }

    /// A file to be served at `url` by `host`.
    pub fn file(host: &Name, url: impl Into<String>, value: impl Into<String>) -> Suggestion {
        Suggestion {
            kind: SuggestionKind::File,
            name: host.clone(),
            host: url.into(),
            rr_type: "FILE",
            ttl: None,
            step: 1,
            current: None,
            value: value.into(),
            zone: String::new(),
            why: String::new(),
            risk: String::new(),
            undo: String::new(),
            blanks: Vec::new(),
        }
    }

    /// The TTL in seconds that the record should keep; the zone line gets it too.
    pub fn with_ttl(mut self, ttl: u32) -> Suggestion {
        if self.ttl.is_none() && self.kind == SuggestionKind::Record {
            self.zone = self.zone.replacen(". IN ", &format!(". {ttl} IN "), 1);
        }
        self.ttl = Some(ttl);
        self
    }
}

/// A TXT value as zone-file strings of at most 255 bytes each, quoted and escaped (RFC 1035 §5.1, §3.3.14).
pub fn zone_strings(value: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut open = false;
    for &byte in value.as_bytes() {
        if !open || length == 255 {
            out.push_str(if open { "\" \"" } else { "\"" });
            open = true;
            length = 0;
        }
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            0x20..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03}")),
        }
        length += 1;
    }
    out.push_str(if open { "\"" } else { "\"\"" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_txt_values_are_cut_into_strings_of_255_bytes() {
        let zone = zone_strings(&"a".repeat(300));
        assert_eq!(zone, format!("\"{}\" \"{}\"", "a".repeat(255), "a".repeat(45)));
        assert_eq!(zone_strings("say \"hi\"\\"), r#""say \"hi\"\\""#);
        assert_eq!(zone_strings(""), "\"\"");
    }

    #[test]
    fn a_ttl_stands_in_the_zone_line() {
        let zone = Name::from_text("example.com").unwrap();
        let name = zone.below("_dmarc").unwrap();
        let suggestion = Suggestion::txt(&name, &zone, "v=DMARC1; p=none").with_ttl(3600);
        assert_eq!(suggestion.zone, "_dmarc.example.com. 3600 IN TXT \"v=DMARC1; p=none\"");
        assert_eq!(suggestion.host, "_dmarc");
    }
}

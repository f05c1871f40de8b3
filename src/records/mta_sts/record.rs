//! The TXT record at `_mta-sts` (RFC 8461 §3.1): it says that there is a policy, and by its `id` whether a kept copy is old.

use crate::finding::{Severity, Span};
use crate::records::tags::{TagList, TagProblem};
use crate::report::Mark;

/// What a record must begin with, exactly; others are discarded before they are counted.
const VERSION: &str = "v=STSv1;";
/// The longest `id`.
const MAX_ID: usize = 32;

/// A record that begins as an MTA-STS record.
#[derive(Clone, Debug, PartialEq)]
pub struct StsRecord {
    /// The record's text, strings joined.
    pub text: String,
    /// The `id`, when it is valid.
    pub id: Option<String>,
    /// What each tag means, in order.
    pub marks: Vec<Mark>,
    /// Why the record is syntactically invalid, which makes senders assume no policy at all.
    pub problems: Vec<RecordProblem>,
}

/// What is wrong in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordProblem {
    /// No `id`.
    NoId,
    /// An `id` that is not 1 to 32 letters and digits.
    BadId(Span),
    /// A part that is not name=value.
    NotAField(Span),
}

impl RecordProblem {
    /// The bytes that it speaks of.
    pub fn span(self) -> Option<Span> {
        match self {
            RecordProblem::NoId => None,
            RecordProblem::BadId(span) | RecordProblem::NotAField(span) => Some(span),
        }
    }
}

impl StsRecord {
    /// Reads a text; `None` when it does not begin with exactly `v=STSv1;`.
    pub fn parse(text: &str) -> Option<StsRecord> {
        if !text.starts_with(VERSION) {
            return None;
        }
        let list = TagList::parse(text);
        let mut record = StsRecord { text: text.to_owned(), id: None, marks: Vec::new(), problems: Vec::new() };
        let mut seen_id = false;
        for tag in &list.tags {
            let (note, severity) = match tag.name {
                "v" if tag.name_span.start == 0 => ("an MTA-STS record", Severity::Ok),
                // Of a field that stands twice the first counts (RFC 8461 §3.2).
                "id" if seen_id => ("the same field again: ignored", Severity::Warning),
                "id" => {
                    seen_id = true;
                    if is_id(tag.value) {
                        record.id = Some(tag.value.to_owned());
                        ("the policy's number: senders fetch the policy again when it changes", Severity::Ok)
                    } else {
                        record.problems.push(RecordProblem::BadId(tag.span()));
                        ("not 1 to 32 letters and digits: the whole record is invalid", Severity::Error)
                    }
                }
                _ => ("a field that RFC 8461 does not know: ignored", Severity::Info),
            };
            record.marks.push(Mark { span: tag.span(), note: note.to_owned(), severity });
        }
        for problem in &list.problems {
            if let TagProblem::NoEquals(span) | TagProblem::NoName(span) = problem {
                record.problems.push(RecordProblem::NotAField(*span));
            }
        }
        if !seen_id {
            record.problems.push(RecordProblem::NoId);
        }
        Some(record)
    }

    /// Whether senders use it.
    pub fn is_valid(&self) -> bool {
        self.problems.is_empty() && self.id.is_some()
    }
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a text that is no MTA-STS record was surely meant as one.
pub fn is_near_miss(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\\')).collect();
    !text.starts_with(VERSION) && compact.to_ascii_lowercase().starts_with("v=sts")
}

/// The text with what made it miss repaired, where that is certain.
pub fn repaired(text: &str) -> Option<String> {
    if !is_near_miss(text) {
        return None;
    }
    let plain: String = text.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    let (version, rest) = plain.trim().split_once(';')?;
    let version: String = version.chars().filter(|c| !c.is_whitespace()).collect();
    let fixed = format!("{VERSION}{rest}");
    (version.eq_ignore_ascii_case("v=stsv1") && StsRecord::parse(&fixed)?.is_valid()).then_some(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_begins_exactly_with_its_version_and_a_semicolon() {
        for (text, id) in [
            ("v=STSv1;id=1707645265270;", "1707645265270"),
            ("v=STSv1; id=20160831085700Z;", "20160831085700Z"),
            ("v=STSv1; id=a; foo=bar", "a"),
            ("v=STSv1; id=a; id=b", "a"),
        ] {
            let record = StsRecord::parse(text).unwrap();
            assert_eq!((record.id.as_deref(), record.is_valid()), (Some(id), true), "{text}");
        }
        for no in
            ["v=STSv1", "v=stsv1; id=a", " v=STSv1; id=a", "v=STSv1 ; id=a", "v=STSv2; id=a", "id=a; v=STSv1;", ""]
        {
            assert!(StsRecord::parse(no).is_none(), "{no}");
        }
    }

    #[test]
    fn an_id_has_1_to_32_letters_and_digits() {
        let valid = |id: &str| StsRecord::parse(&format!("v=STSv1; id={id};")).unwrap().is_valid();
        assert!(valid(&"a".repeat(32)));
        assert!(!valid(&"a".repeat(33)));
        for bad in ["", "a-b", "a b", "ä"] {
            assert!(!valid(bad), "{bad}");
        }
        assert_eq!(StsRecord::parse("v=STSv1;").unwrap().problems, [RecordProblem::NoId]);
        assert!(!StsRecord::parse("v=STSv1; id=a; junk").unwrap().is_valid());
    }

    #[test]
    fn a_near_miss_is_repaired_where_that_is_certain() {
        assert_eq!(repaired("v=stsv1; id=a").as_deref(), Some("v=STSv1; id=a"));
        assert_eq!(repaired(" v=STSv1; id=a").as_deref(), Some("v=STSv1; id=a"));
        assert_eq!(repaired("v=STSv1\\; id=a\\;").as_deref(), Some("v=STSv1; id=a;"));
        assert_eq!(repaired("v=STSv1 ; id=a").as_deref(), Some("v=STSv1; id=a"));
        assert_eq!(repaired("v=STSv2; id=a"), None);
        assert_eq!(repaired("v=spf1 -all"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_every_span_lies_inside(text in "(v=STSv1;)?[ a-z=;\\PC]{0,40}") {
            if let Some(record) = StsRecord::parse(&text) {
                let spans = record.marks.iter().map(|m| m.span).chain(record.problems.iter().filter_map(|p| p.span()));
                for span in spans {
                    prop_assert!(span.of_str(&text).is_some());
                }
            }
            let _ = repaired(&text);
        }
    }
}

//! A BIMI record, `v=BIMI1; l=https://…; a=https://…` (the draft's section on assertion records).

use crate::finding::{Severity, Span};
use crate::records::{TagList, TagProblem};
use crate::report::Mark;
use crate::untrusted;

/// A BIMI record.
#[derive(Clone, Debug, PartialEq)]
pub struct Bimi {
    /// The record's text, strings joined.
    pub text: String,
    /// `l=`, where the picture is; `None` when it is empty or not there.
    pub location: Option<String>,
    /// `a=`, where the certificate is; `None` when it is empty or not there.
    pub evidence: Option<String>,
    /// Whether `l=` is there at all.
    pub has_location: bool,
    /// What every tag means.
    pub marks: Vec<Mark>,
    /// What does not fit the grammar of tag lists.
    pub problems: Vec<Span>,
}

impl Bimi {
    /// Reads a TXT record; `None` when its first tag is not `v=BIMI1`.
    pub fn parse(bytes: &[u8]) -> Option<Bimi> {
        let text = untrusted::lossless(bytes).into_owned();
        let list = TagList::parse(&text);
        let first = list.tags.first()?;
        if first.name != "v" || first.value != "BIMI1" || !text.starts_with('v') {
            return None;
        }
        let value = |name: &str| list.get(name).map(|tag| tag.value.to_owned()).filter(|value| !value.is_empty());
        let mut marks = Vec::new();
        for tag in &list.tags {
            let (note, severity) = match (tag.name, tag.value) {
                ("v", _) => ("a BIMI record".to_owned(), Severity::Ok),
                ("l", "") => ("no picture".into(), Severity::Ok),
                ("l", _) => ("where the picture is".into(), Severity::Ok),
                ("a", "") => ("no certificate".into(), Severity::Ok),
                ("a", _) => ("where the certificate for the picture is".into(), Severity::Ok),
                ("avp", "brand" | "personal") => {
                    ("whether the brand's or the sender's own picture is preferred".into(), Severity::Ok)
                }
                ("avp", _) => ("must be brand or personal".into(), Severity::Warning),
                ("lps", _) => ("local parts that have their own picture".into(), Severity::Ok),
                (_, _) => ("a tag that nobody knows: ignored".into(), Severity::Info),
            };
            marks.push(Mark { span: tag.span(), note, severity });
        }
        let problems = list
            .problems
            .iter()
            .map(|problem| match *problem {
                TagProblem::NoEquals(span) | TagProblem::NoName(span) | TagProblem::Duplicate(span) => span,
            })
            .collect();
        let (location, evidence, has_location) = (value("l"), value("a"), list.get("l").is_some());
        Some(Bimi { location, evidence, has_location, marks, problems, text })
    }

    /// Whether the owner says that no picture is to be shown.
    pub fn is_declined(&self) -> bool {
        self.has_location && self.location.is_none() && self.evidence.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_may_be_empty_and_need_no_space() {
        let bimi = Bimi::parse(b"v=BIMI1;l=https://a.example/i.svg;a=").unwrap();
        assert_eq!((bimi.location.as_deref(), bimi.evidence.as_deref()), (Some("https://a.example/i.svg"), None));
        assert!(!bimi.is_declined() && bimi.problems.is_empty());
        assert!(Bimi::parse(b"v=BIMI1; l=; a=;").unwrap().is_declined());
        assert!(!Bimi::parse(b"v=BIMI1; a=").unwrap().is_declined());
        let full = Bimi::parse(b"v=BIMI1; l=https://a/i; a=https://a/p; avp=brand; lps=info,sales").unwrap();
        assert!(full.marks.iter().all(|mark| mark.severity == Severity::Ok) && full.marks.len() == 5);
    }

    #[test]
    fn other_texts_are_no_bimi_records() {
        for text in ["v=bimi1; l=", "v=BIMI2; l=", "l=; v=BIMI1", " v=BIMI1; l=", "v=spf1 -all", ""] {
            assert!(Bimi::parse(text.as_bytes()).is_none(), "{text}");
        }
    }
}

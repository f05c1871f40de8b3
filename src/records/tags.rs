//! Tag lists, `v=DMARC1; p=none; rua=…`, as DKIM defines them (RFC 6376 §3.2) and DMARC, MTA-STS, TLS-RPT and BIMI borrow
//! them. Every tag keeps where it stood, so that a finding can underline it. What a tag means is its record's business.

use crate::finding::Span;

/// The tags of one record, in order, with what was wrong in the list's form.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TagList<'a> {
    /// The tags, in order, duplicates included.
    pub tags: Vec<Tag<'a>>,
    /// What does not fit the grammar.
    pub problems: Vec<TagProblem>,
}

/// One `name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The name as it stands, white space around it removed.
    pub name: &'a str,
    /// The value as it stands, white space around it removed; white space inside is kept.
    pub value: &'a str,
    /// Where the name stands in the record.
    pub name_span: Span,
    /// Where the value stands in the record.
    pub value_span: Span,
}

impl Tag<'_> {
    /// From the name's first byte to the value's last.
    pub fn span(&self) -> Span {
        Span::new(self.name_span.start, self.value_span.end.max(self.name_span.end))
    }
}

/// What is wrong in the form of a tag list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagProblem {
    /// A part between semicolons has no `=`.
    NoEquals(Span),
    /// A part starts with `=`.
    NoName(Span),
    /// A name stands a second time; the span is the second one.
    Duplicate(Span),
}

impl<'a> TagList<'a> {
    /// Reads any text. Empty parts (a trailing `;`) are legal and leave nothing.
    pub fn parse(text: &'a str) -> TagList<'a> {
        let mut list = TagList::default();
        let mut start = 0;
        for part in text.split(';') {
            list.part(part, start);
            start += part.len() + 1;
        }
        list
    }

    fn part(&mut self, part: &'a str, start: usize) {
        let (whole, span) = trimmed(part, start);
        if whole.is_empty() {
            return;
        }
        let Some((name, value)) = part.split_once('=') else {
            self.problems.push(TagProblem::NoEquals(span));
            return;
        };
        let value_start = start + name.len() + 1;
        let (name, name_span) = trimmed(name, start);
        let (value, value_span) = trimmed(value, value_start);
        if name.is_empty() {
            self.problems.push(TagProblem::NoName(span));
            return;
        }
        if self.tags.iter().any(|tag| tag.name == name) {
            self.problems.push(TagProblem::Duplicate(Span::new(name_span.start, value_span.end)));
        }
        self.tags.push(Tag { name, value, name_span, value_span });
    }

    /// The first tag of that name, compared exactly.
    pub fn get(&self, name: &str) -> Option<&Tag<'a>> {
        self.tags.iter().find(|tag| tag.name == name)
    }

    /// Whether a name stands more than once.
    pub fn has_duplicates(&self) -> bool {
        self.problems.iter().any(|problem| matches!(problem, TagProblem::Duplicate(_)))
    }
}

/// `text` without the white space around it, and where what is left stands.
fn trimmed(text: &str, start: usize) -> (&str, Span) {
    let is_fws = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let left = text.trim_start_matches(is_fws);
    let from = start + text.len() - left.len();
    let whole = left.trim_end_matches(is_fws);
    (whole, Span::new(from, from + whole.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_knows_where_it_stands() {
        let text = "v=DMARC1 ; p = reject;; rua=mailto:a@b.c;";
        let list = TagList::parse(text);
        assert_eq!(
            list.tags.iter().map(|t| (t.name, t.value)).collect::<Vec<_>>(),
            [("v", "DMARC1"), ("p", "reject"), ("rua", "mailto:a@b.c")]
        );
        assert!(list.tags.iter().all(|tag| tag.value_span.of_str(text) == Some(tag.value)));
        assert!(list.tags.iter().all(|tag| tag.name_span.of_str(text) == Some(tag.name)));
        assert!(list.problems.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_kept_with_its_place() {
        let list = TagList::parse("junk; =x; p=none; p=reject; n=");
        assert_eq!(
            list.problems,
            [
                TagProblem::NoEquals(Span::new(0, 4)),
                TagProblem::NoName(Span::new(6, 8)),
                TagProblem::Duplicate(Span::new(18, 26)),
            ]
        );
        assert_eq!(list.get("n").unwrap().value, "");
    }
}

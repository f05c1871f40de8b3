//! The policy file behind the record (RFC 8461 §3.2): how senders must treat the domain's MX, and for how long they keep it.

use crate::finding::{Severity, Span};
use crate::name::Name;
use crate::report::Mark;

/// The longest that a policy may be kept, about a year.
pub const MAX_MAX_AGE: u64 = 31_557_600;

/// What a sender does when an MX fails the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StsMode {
    /// Does not deliver to it.
    Enforce,
    /// Delivers, and reports.
    Testing,
    /// Acts as if there were no policy.
    None,
}

impl StsMode {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            StsMode::Enforce => "enforce",
            StsMode::Testing => "testing",
            StsMode::None => "none",
        }
    }

    fn parse(text: &str) -> Option<StsMode> {
        [StsMode::Enforce, StsMode::Testing, StsMode::None].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// A policy file.
#[derive(Clone, Debug, PartialEq)]
pub struct StsPolicy {
    /// The file's text.
    pub text: String,
    /// `mode`, when it is valid.
    pub mode: Option<StsMode>,
    /// `max_age` in seconds as it stands, when it is a number of at most ten digits.
    pub max_age: Option<u64>,
    /// The `mx` patterns that are valid, in order.
    pub mx: Vec<MxPattern>,
    /// What each line means, in order.
    pub marks: Vec<Mark>,
    /// What does not fit.
    pub problems: Vec<PolicyProblem>,
}

/// One `mx` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxPattern {
    /// The pattern as it stands.
    pub text: String,
    /// The name without a leading `*.`.
    name: Name,
    /// Whether it starts with `*.`.
    is_wildcard: bool,
    /// Where it stands in the file.
    pub span: Span,
}

/// Something that does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// What is wrong.
    pub kind: PolicyProblemKind,
    /// The line, or the start of the file for what is missing.
    pub span: Span,
}

/// What can be wrong in a policy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyProblemKind {
    /// A field that must be there is not, or not validly; its name.
    Missing(&'static str),
    /// A field with a value that it cannot have; its name.
    BadValue(&'static str),
    /// `max_age` is above the maximum: senders may cut it or refuse the policy.
    MaxAgeTooLong,
    /// A second field of a name that counts once; the first counts.
    Duplicate,
    /// A line without a colon.
    NotAField,
    /// A field that RFC 8461 does not know; ignored.
    Unknown,
}

impl PolicyProblemKind {
    /// Whether it makes the policy invalid, so that senders have none.
    pub fn is_fatal(self) -> bool {
        match self {
            PolicyProblemKind::Missing(_) | PolicyProblemKind::BadValue(_) | PolicyProblemKind::NotAField => true,
            PolicyProblemKind::MaxAgeTooLong | PolicyProblemKind::Duplicate | PolicyProblemKind::Unknown => false,
        }
    }
}

impl StsPolicy {
    /// Reads any text: lines ended by LF or CRLF, `key:` and its value. Keys and values are case-sensitive.
    pub fn parse(text: &str) -> StsPolicy {
        let mut policy = StsPolicy {
            text: text.to_owned(),
            mode: None,
            max_age: None,
            mx: Vec::new(),
            marks: Vec::new(),
            problems: Vec::new(),
        };
        let mut names: Vec<&str> = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            let end = line.trim_end_matches(['\r', ' ', '\t']).len();
            let whole = Span::new(start, start + end);
            let content = line.get(..end).unwrap_or_default();
            if !content.is_empty() {
                policy.line(content, whole, &mut names);
            }
            start += line.len() + 1;
        }
        policy.what_is_missing(&names);
        policy
    }

    fn line<'a>(&mut self, content: &'a str, whole: Span, names: &mut Vec<&'a str>) {
        let Some((name, value)) = content.split_once(':') else {
            self.problem(PolicyProblemKind::NotAField, whole);
            return self.mark(whole, "not a key, a colon and a value", Severity::Error);
        };
        let value = value.trim_start_matches([' ', '\t']);
        if name != "mx" && names.contains(&name) {
            self.problem(PolicyProblemKind::Duplicate, whole);
            return self.mark(whole, "the same key again: the first counts", Severity::Warning);
        }
        names.push(name);
        let ok = Severity::Ok;
        match name {
            "version" if value == "STSv1" => self.mark(whole, "the version", ok),
            "version" => self.bad("version", whole, "not STSv1"),
            "mode" => match StsMode::parse(value) {
                Some(mode) => {
                    self.mode = Some(mode);
                    let note = match mode {
                        StsMode::Enforce => "senders deliver only to a listed MX with a valid certificate",
                        StsMode::Testing => "senders deliver anyway, and report what would have failed",
                        StsMode::None => "switched off: senders act as if there were no policy",
                    };
                    self.mark(whole, note, ok);
                }
                None => self.bad("mode", whole, "not enforce, testing or none (lower case)"),
            },
            "max_age" => match value.parse::<u64>() {
                Ok(seconds) if value.len() <= 10 && value.bytes().all(|b| b.is_ascii_digit()) => {
                    self.max_age = Some(seconds);
                    if seconds > MAX_MAX_AGE {
                        self.problem(PolicyProblemKind::MaxAgeTooLong, whole);
                        self.mark(whole, "longer than the maximum of 31557600 seconds", Severity::Warning);
                    } else {
                        self.mark(whole, format!("senders keep the policy for {}", duration(seconds)), ok);
                    }
                }
                _ => self.bad("max_age", whole, "not a number of at most ten digits"),
            },
            "mx" => match MxPattern::parse(value, Span::new(whole.end - value.len(), whole.end)) {
                Some(pattern) => {
                    let note = if pattern.is_wildcard { "every MX one label below this name" } else { "an MX" };
                    self.mx.push(pattern);
                    self.mark(whole, note, ok);
                }
                None => self.bad("mx", whole, "not a host name, with *. before it at most"),
            },
            _ => {
                self.problem(PolicyProblemKind::Unknown, whole);
                self.mark(whole, "a key that RFC 8461 does not know: ignored", Severity::Info);
            }
        }
    }

    fn what_is_missing(&mut self, names: &[&str]) {
        let start = Span::new(0, 0);
        for key in ["version", "mode", "max_age"] {
            if !names.contains(&key) {
                self.problem(PolicyProblemKind::Missing(key), start);
            }
        }
        if !names.contains(&"mx") && self.mode != Some(StsMode::None) {
            self.problem(PolicyProblemKind::Missing("mx"), start);
        }
    }

    fn bad(&mut self, key: &'static str, span: Span, note: &str) {
        self.problem(PolicyProblemKind::BadValue(key), span);
        self.mark(span, note, Severity::Error);
    }

    fn problem(&mut self, kind: PolicyProblemKind, span: Span) {
        self.problems.push(PolicyProblem { kind, span });
    }

    fn mark(&mut self, span: Span, note: impl Into<String>, severity: Severity) {
        self.marks.push(Mark { span, note: note.into(), severity });
    }

    /// Whether senders can use it.
    pub fn is_valid(&self) -> bool {
        !self.problems.iter().any(|problem| problem.kind.is_fatal())
    }

    /// Whether a pattern lists the MX host (RFC 8461 §4.1).
    pub fn covers(&self, host: &Name) -> bool {
        self.mx.iter().any(|pattern| pattern.matches(host))
    }
}

impl MxPattern {
    fn parse(text: &str, span: Span) -> Option<MxPattern> {
        let (is_wildcard, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '*' | '/' | ':' | '@' | ',' | ';');
        // A final dot and a leading one (older drafts' wildcard) are outside of the grammar.
        if rest.starts_with('.') || rest.ends_with('.') || !rest.chars().all(plain) {
            return None;
        }
        let name = Name::from_unicode(rest).ok().filter(|name| !name.is_root())?;
        Some(MxPattern { text: text.to_owned(), name, is_wildcard, span })
    }

    /// Whether it lists the host: names without regard to case, a wildcard for exactly one label.
    pub fn matches(&self, host: &Name) -> bool {
        if self.is_wildcard { host.parent().as_ref() == Some(&self.name) } else { *host == self.name }
    }
}

/// Seconds in words: `7 days`, `1 hour`.
pub fn duration(seconds: u64) -> String {
    let (count, unit) = match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => (s / 86_400, "day"),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "hour"),
        s => (s, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<PolicyProblemKind> {
        StsPolicy::parse(text).problems.into_iter().map(|problem| problem.kind).collect()
    }

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_a_colon_needs_no_space() {
        for text in [
            "version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 604800\n",
            "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800",
            "version:STSv1\nmode:\tenforce\nmx:mail.example.com  \nmax_age:604800\n\n",
        ] {
            let policy = StsPolicy::parse(text);
            assert_eq!((policy.mode, policy.max_age, policy.mx.len()), (Some(StsMode::Enforce), Some(604_800), 1));
            assert_eq!(policy.problems, []);
            assert_eq!(policy.mx[0].span.of_str(text), Some("mail.example.com"));
        }
    }

    #[test]
    fn unknown_keys_are_ignored_and_of_duplicates_the_first_counts() {
        let text = "version: STSv1\nmode: testing\nmode: enforce\nnote: hi\nmx: a.example\nmx: b.example\nmax_age: 1\nmax_age: 2";
        let policy = StsPolicy::parse(text);
        assert_eq!((policy.mode, policy.max_age, policy.mx.len()), (Some(StsMode::Testing), Some(1), 2));
        use PolicyProblemKind::{Duplicate, Unknown};
        assert_eq!(kinds(text), [Duplicate, Unknown, Duplicate]);
        assert!(policy.is_valid());
    }

    #[test]
    fn mode_none_needs_no_mx_and_the_others_do() {
        assert!(StsPolicy::parse("version: STSv1\nmode: none\nmax_age: 86400\n").is_valid());
        assert_eq!(kinds("version: STSv1\nmode: testing\nmax_age: 86400\n"), [PolicyProblemKind::Missing("mx")]);
    }

    #[test]
    fn max_age_has_ten_digits_and_a_ceiling() {
        let of = |age: &str| kinds(&format!("version: STSv1\nmode: none\nmax_age: {age}"));
        assert_eq!(of("31557600"), []);
        assert_eq!(of("31557601"), [PolicyProblemKind::MaxAgeTooLong]);
        for bad in ["", "-1", "+1", "1d", "12345678901"] {
            assert_eq!(of(bad), [PolicyProblemKind::BadValue("max_age")], "{bad}");
        }
    }

    #[test]
    fn whatever_is_not_a_policy_is_invalid_and_says_why() {
        use PolicyProblemKind::{BadValue, Missing, NotAField};
        assert_eq!(kinds(""), [Missing("version"), Missing("mode"), Missing("max_age"), Missing("mx")]);
        assert!(kinds("<!DOCTYPE html>").contains(&NotAField));
        let text = "version: STSv2\nmode: Enforce\nmx: https://a.example\nmax_age: x";
        assert_eq!(kinds(text), [BadValue("version"), BadValue("mode"), BadValue("mx"), BadValue("max_age")]);
        for mx in [".example.com", "mail.*.example.com", "*", "example.com.", "a b", "a,b"] {
            assert!(kinds(&format!("mx: {mx}")).contains(&BadValue("mx")), "{mx}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        let policy =
            StsPolicy::parse("version: STSv1\nmode: enforce\nmx: *.Example.com\nmx: Mail.example.net\nmax_age: 1");
        assert!(policy.covers(&name("mx1.example.com")));
        assert!(!policy.covers(&name("example.com")));
        assert!(!policy.covers(&name("a.mx1.example.com")));
        assert!(policy.covers(&name("mail.example.net")));
        assert!(!policy.covers(&name("mail2.example.net")));
    }

    #[test]
    fn durations_are_words() {
        assert_eq!(
            ["604800", "86400", "7200", "90"].map(|s| duration(s.parse().unwrap())),
            ["7 days", "1 day", "2 hours", "90 seconds"]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_every_span_lies_inside(text in "(version: STSv1\r?\n)?(mx: )?[ a-z_:*.\r\n\\PC]{0,60}") {
            let policy = StsPolicy::parse(&text);
            let spans = policy.marks.iter().map(|m| m.span)
                .chain(policy.problems.iter().map(|p| p.span))
                .chain(policy.mx.iter().map(|mx| mx.span));
            for span in spans {
                prop_assert!(span.of_str(&text).is_some(), "{span:?}");
            }
        }
    }
}

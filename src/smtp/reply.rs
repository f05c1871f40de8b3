//! Replies as a server sends them: single lines, and the multi-line replies that they make (RFC 5321 §4.2). What does not
//! fit the grammar is kept and named, never dropped: a malformed reply is the subject here, not an error.

use std::fmt;

/// One line of a reply, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyLine {
    /// The three digits; `None` when the line does not begin with them.
    pub code: Option<u16>,
    /// Whether a `-` says that more lines follow.
    pub more: bool,
    /// The enhanced status code (RFC 2034, RFC 3463), where the text begins with one.
    pub enhanced: Option<Enhanced>,
    /// The text after code and separator, the enhanced code included.
    pub text: Vec<u8>,
    /// What is wrong with this line.
    pub problem: Option<ReplyProblem>,
}

/// A whole reply: lines until one without `-`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reply {
    /// The lines, in order.
    pub lines: Vec<ReplyLine>,
    /// Whether its last line has come.
    pub complete: bool,
}

/// An enhanced status code: `5.7.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced {
    /// 2 success, 4 transient, 5 permanent.
    pub class: u8,
    /// What it is about.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

/// What does not fit the grammar of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyProblem {
    /// The line does not begin with three digits.
    NoCode,
    /// A first digit other than 2–5, or a second other than 0–5 (RFC 5321 §4.2.1).
    CodeOutOfRange,
    /// Something else than blank or `-` after the code.
    BadSeparator,
    /// Another code than the reply's first line.
    OtherCode,
    /// Longer than 512 bytes (RFC 5321 §4.5.3.1.5).
    TooLong,
    /// Bytes beyond ASCII in a reply although SMTPUTF8 is not in use.
    NotAscii,
}

impl ReplyProblem {
    /// The problem in words that follow "this line".
    pub fn words(self) -> &'static str {
        match self {
            ReplyProblem::NoCode => "does not begin with a three-digit code",
            ReplyProblem::CodeOutOfRange => "has a code that SMTP does not define",
            ReplyProblem::BadSeparator => "has neither a blank nor a hyphen after its code",
            ReplyProblem::OtherCode => "has another code than the first line of its reply",
            ReplyProblem::TooLong => "is longer than the 512 bytes that a reply line may have",
            ReplyProblem::NotAscii => "holds bytes beyond ASCII",
        }
    }
}

impl ReplyLine {
    /// Reads any bytes, without the line end.
    pub fn parse(line: &[u8]) -> ReplyLine {
        let code = match line.get(..3) {
            Some([a, b, c]) if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => {
                Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
            }
            _ => None,
        };
        let Some(code) = code else {
            let problem = Some(ReplyProblem::NoCode);
            return ReplyLine { code: None, more: false, enhanced: None, text: line.to_vec(), problem };
        };
        let (more, text, mut problem) = match line.get(3) {
            None => (false, Vec::new(), None),
            Some(b' ') => (false, line.get(4..).unwrap_or_default().to_vec(), None),
            Some(b'-') => (true, line.get(4..).unwrap_or_default().to_vec(), None),
            Some(_) => (false, line.get(3..).unwrap_or_default().to_vec(), Some(ReplyProblem::BadSeparator)),
        };
        if !(200..560).contains(&code) || code % 100 / 10 > 5 {
            problem = problem.or(Some(ReplyProblem::CodeOutOfRange));
        }
        if line.len() > 510 {
            problem = problem.or(Some(ReplyProblem::TooLong));
        }
        if !line.is_ascii() {
            problem = problem.or(Some(ReplyProblem::NotAscii));
        }
        ReplyLine { code: Some(code), more, enhanced: Enhanced::parse(&text), text, problem }
    }
}

impl Reply {
    /// Adds a line. A line without a code inside a reply belongs to it; a line that says nothing about more ends it.
    pub fn push(&mut self, line: &[u8]) {
        let mut parsed = ReplyLine::parse(line);
        if let (Some(first), Some(code)) = (self.code(), parsed.code)
            && first != code
        {
            parsed.problem = Some(ReplyProblem::OtherCode);
        }
        self.complete = parsed.code.is_some() && !parsed.more;
        self.lines.push(parsed);
    }

    /// The code of the first line that has one.
    pub fn code(&self) -> Option<u16> {
        self.lines.iter().find_map(|line| line.code)
    }

    /// The first enhanced status code.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.lines.iter().find_map(|line| line.enhanced)
    }

    /// Whether the code is 2xx.
    pub fn is_positive(&self) -> bool {
        self.code().is_some_and(|code| (200..300).contains(&code))
    }

    /// Whether the code is 4xx: try again later.
    pub fn is_transient(&self) -> bool {
        self.code().is_some_and(|code| (400..500).contains(&code))
    }

    /// Whether the code is 5xx: do not try again.
    pub fn is_permanent(&self) -> bool {
        self.code().is_some_and(|code| (500..600).contains(&code))
    }

    /// All the text, lines joined by one blank: what a bounce would quote.
    pub fn text(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(|line| crate::untrusted::lossless(&line.text)).collect();
        lines.join(" ")
    }
}

impl Enhanced {
    /// Reads a code at the beginning of a text, followed by a blank or the end.
    pub fn parse(text: &[u8]) -> Option<Enhanced> {
        let word = text.split(|b| *b == b' ').next()?;
        let word = std::str::from_utf8(word).ok()?;
        let mut parts = word.split('.');
        let mut number = || parts.next().filter(|part| (1..=3).contains(&part.len()))?.parse::<u16>().ok();
        let (class, subject, detail) = (number()?, number()?, number()?);
        if parts.next().is_some() || !matches!(class, 2 | 4 | 5) {
            return None;
        }
        Some(Enhanced { class: u8::try_from(class).ok()?, subject, detail })
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply(lines: &[&str]) -> Reply {
        let mut reply = Reply::default();
        for line in lines {
            reply.push(line.as_bytes());
        }
        reply
    }

    #[test]
    fn a_reply_ends_with_the_line_that_has_no_hyphen() {
        let ehlo = reply(&["250-mail.example", "250-SIZE 1000", "250 HELP"]);
        assert!(ehlo.complete && ehlo.lines.len() == 3);
        assert!(!reply(&["250-mail.example"]).complete);
        assert!(reply(&["220"]).complete, "a code alone is a whole reply");
    }

    #[test]
    fn malformed_lines_are_named() {
        for (line, problem) in [
            ("hello", ReplyProblem::NoCode),
            ("25", ReplyProblem::NoCode),
            ("999 what", ReplyProblem::CodeOutOfRange),
            ("280 what", ReplyProblem::CodeOutOfRange),
            ("250_ok", ReplyProblem::BadSeparator),
        ] {
            assert_eq!(ReplyLine::parse(line.as_bytes()).problem, Some(problem), "{line}");
        }
        assert_eq!(ReplyLine::parse(&[b"250 ".as_slice(), &[b'a'; 600]].concat()).problem, Some(ReplyProblem::TooLong));
    }

    #[test]
    fn a_continuation_with_another_code_is_a_protocol_error() {
        let odd = reply(&["250-one", "220 two"]);
        assert_eq!(odd.lines[1].problem, Some(ReplyProblem::OtherCode));
        assert_eq!(odd.code(), Some(250));
    }

    #[test]
    fn enhanced_codes_stand_at_the_beginning_only() {
        assert_eq!(reply(&["550 5.7.515 Access denied"]).enhanced().unwrap().to_string(), "5.7.515");
        assert_eq!(reply(&["550 see 5.7.1"]).enhanced(), None);
        assert_eq!(reply(&["250 2.0.0"]).enhanced().unwrap().class, 2);
        assert_eq!(reply(&["250 3.0.0 ok"]).enhanced(), None);
        assert_eq!(reply(&["250 10.0.0.1 ok"]).enhanced(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_line(line in any::<Vec<u8>>()) {
            let mut reply = Reply::default();
            reply.push(&line);
            prop_assert_eq!(reply.lines.len(), 1);
        }
    }
}

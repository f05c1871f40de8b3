//! Macro-strings: their grammar and their expansion (RFC 7208 §7), and how an expansion becomes a name to ask for (§4.8,
//! §7.3). `%{p}` needs look-ups and is handed in by [`super::evaluate`]; nothing here asks.

use std::fmt;
use std::net::IpAddr;

use crate::name::{MAX_TEXT, Name};

/// A macro-string: literals and expansions in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacroString {
    /// The text as published.
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `%%`, `%_` and `%-` stand for one text always.
    Fixed(&'static str),
    Expand(Expansion),
}

/// One `%{…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expansion {
    letter: Letter,
    /// Whether the letter was upper case: the value is then URL-escaped.
    escaped: bool,
    /// How many right-hand parts are kept.
    keep: Option<usize>,
    reversed: bool,
    delimiters: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Sender,
    Local,
    SenderDomain,
    Domain,
    Ip,
    Validated,
    Version,
    Helo,
    ReadableIp,
    Receiver,
    Timestamp,
}

/// Why a macro-string does not fit the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MacroProblem {
    /// `%` is not followed by `{`, `%`, `_` or `-`.
    LonePercent,
    /// `%{` without `}`.
    Open,
    /// A letter that RFC 7208 does not define.
    Letter(String),
    /// `c`, `r` and `t` are for explanation texts only.
    OnlyInExplanation(char),
    /// The number of parts is zero or absurd.
    Digits,
    /// Something else stands between the letter and `}`.
    Junk(String),
    /// A character that a macro-string cannot hold.
    Character,
}

impl fmt::Display for MacroProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MacroProblem::LonePercent => f.write_str("a % must be followed by {, %, _ or -"),
            MacroProblem::Open => f.write_str("%{ is not closed by }"),
            MacroProblem::Letter(letter) => write!(f, "%{{{letter}}} is no macro"),
            MacroProblem::OnlyInExplanation(letter) => {
                write!(f, "%{{{letter}}} is allowed in explanation texts only")
            }
            MacroProblem::Digits => f.write_str("the number of parts in a macro is at least 1"),
            MacroProblem::Junk(text) => write!(f, "\"{text}\" cannot stand in a macro"),
            MacroProblem::Character => f.write_str("a macro-string holds visible ASCII characters only"),
        }
    }
}

impl MacroString {
    /// Reads a macro-string; `%{c}`, `%{r}` and `%{t}` are refused unless it is an explanation.
    pub fn parse(text: &str, explanation: bool) -> Result<MacroString, MacroProblem> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            let (literal, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            push_literal(&mut parts, literal);
            let mut chars = tail.chars();
            chars.next();
            match chars.next() {
                Some('%') => parts.push(Part::Fixed("%")),
                Some('_') => parts.push(Part::Fixed(" ")),
                Some('-') => parts.push(Part::Fixed("%20")),
                Some('{') => {
                    let (inner, after) = chars.as_str().split_once('}').ok_or(MacroProblem::Open)?;
                    parts.push(Part::Expand(Expansion::parse(inner, explanation)?));
                    rest = after;
                    continue;
                }
                _ => return Err(MacroProblem::LonePercent),
            }
            rest = chars.as_str();
        }
        push_literal(&mut parts, rest);
        let allowed = |c: char| ('\x21'..='\x7e').contains(&c) || (explanation && c == ' ');
        if text.chars().all(allowed) {
            Ok(MacroString { text: text.to_owned(), parts })
        } else {
            Err(MacroProblem::Character)
        }
    }

    /// Whether any `%{…}` stands in it: its value then depends on the message.
    pub fn has_macros(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Expand(_)))
    }

    /// Whether its value depends on more than the domain that is checked (`%{d}` alone is known without a message).
    pub fn needs_message(&self) -> bool {
        self.letters().any(|letter| letter != Letter::Domain)
    }

    /// Whether `%{p}` stands in it, which costs look-ups and which RFC 7208 §7.2 advises against.
    pub fn uses_validated_name(&self) -> bool {
        self.letters().any(|letter| letter == Letter::Validated)
    }

    /// Whether the local part stands in it.
    pub fn uses_local_part(&self) -> bool {
        self.letters().any(|letter| matches!(letter, Letter::Sender | Letter::Local))
    }

    fn letters(&self) -> impl Iterator<Item = Letter> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Expand(expansion) => Some(expansion.letter),
            Part::Literal(_) | Part::Fixed(_) => None,
        })
    }

    /// The text with every macro replaced.
    pub fn expand(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Fixed(text) => out.push_str(text),
                Part::Expand(expansion) => out.push_str(&expansion.expand(values)),
            }
        }
        out
    }
}

/// A macro-string that names a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSpec(MacroString);

impl DomainSpec {
    /// Reads a domain-spec as a macro-string; whether its end fits is [`DomainSpec::ends_like_a_domain`].
    pub fn parse(text: &str) -> Result<DomainSpec, MacroProblem> {
        MacroString::parse(text, false).map(DomainSpec)
    }

    /// Whether it ends in a macro, or in a dot and a top label (RFC 7208 §12, `domain-end`).
    pub fn ends_like_a_domain(&self) -> bool {
        let Some(Part::Literal(end)) = self.0.parts.last() else { return true };
        let end = end.strip_suffix('.').unwrap_or(end);
        end.rsplit_once('.').is_some_and(|(_, top)| is_top_label(top))
    }

    /// The macro-string.
    pub fn text(&self) -> &MacroString {
        &self.0
    }

    /// The text as published.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The name to ask for, cut to what DNS can carry; `None` when no query can be made of it.
    pub fn name(&self, values: &Values<'_>) -> Option<Name> {
        name_of(&self.0.expand(values))
    }
}

/// The name that an expansion asks for: one final dot ignored, left labels dropped until 253 bytes are left (§7.3). `None`
/// for a name that the wire cannot carry, and for one with bytes outside ASCII (RFC 8616 §4: such a term never matches).
pub fn name_of(expanded: &str) -> Option<Name> {
    let mut text = expanded.strip_suffix('.').unwrap_or(expanded);
    while text.len() > MAX_TEXT {
        text = text.split_once('.')?.1;
    }
    if text.is_empty() || !text.is_ascii() {
        return None;
    }
    // Not `from_text`: a backslash in an expansion is a byte of the label, never an escape.
    Name::from_labels(text.split('.').map(str::as_bytes)).ok()
}

fn is_top_label(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().any(|b| !b.is_ascii_digit())
}

fn push_literal(parts: &mut Vec<Part>, literal: &str) {
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.to_owned()));
    }
}

/// What the macros stand for in one check (RFC 7208 §7.2).
#[derive(Clone, Debug)]
pub struct Values<'a> {
    /// The local part of the sender.
    pub local: &'a str,
    /// The domain of the sender.
    pub sender_domain: &'a str,
    /// The domain whose record is evaluated.
    pub domain: &'a str,
    /// The client's address.
    pub ip: IpAddr,
    /// HELO.
    pub helo: &'a str,
    /// The validated name of the client, or `unknown`.
    pub validated: &'a str,
    /// The host that evaluates.
    pub receiver: &'a str,
    /// Seconds since 1970.
    pub timestamp: i64,
}

impl Expansion {
    fn parse(inner: &str, explanation: bool) -> Result<Expansion, MacroProblem> {
        let mut chars = inner.chars();
        let first = chars.next().ok_or_else(|| MacroProblem::Letter(String::new()))?;
        let letter = match first.to_ascii_lowercase() {
            's' => Letter::Sender,
            'l' => Letter::Local,
            'o' => Letter::SenderDomain,
            'd' => Letter::Domain,
            'i' => Letter::Ip,
            'p' => Letter::Validated,
            'v' => Letter::Version,
            'h' => Letter::Helo,
            'c' => Letter::ReadableIp,
            'r' => Letter::Receiver,
            't' => Letter::Timestamp,
            _ => return Err(MacroProblem::Letter(first.to_string())),
        };
        if !explanation && matches!(letter, Letter::ReadableIp | Letter::Receiver | Letter::Timestamp) {
            return Err(MacroProblem::OnlyInExplanation(first));
        }
        let rest = chars.as_str();
        let digits_end = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at_checked(digits_end).unwrap_or((rest, ""));
        let keep = match digits {
            "" => None,
            // More parts than a text can have are all of them.
            _ if digits.bytes().all(|b| b == b'0') => return Err(MacroProblem::Digits),
            _ => Some(digits.parse().unwrap_or(usize::MAX)),
        };
        let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
            Some(after) => (true, after),
            None => (false, rest),
        };
        if !delimiters.chars().all(|c| DELIMITERS.contains(c)) {
            return Err(MacroProblem::Junk(rest.to_owned()));
        }
        let delimiters = if delimiters.is_empty() { "." } else { delimiters }.to_owned();
        Ok(Expansion { letter, escaped: first.is_ascii_uppercase(), keep, reversed, delimiters })
    }

    fn expand(&self, values: &Values<'_>) -> String {
        let value = match self.letter {
            Letter::Sender => format!("{}@{}", values.local, values.sender_domain),
            Letter::Local => values.local.to_owned(),
            Letter::SenderDomain => values.sender_domain.to_owned(),
            Letter::Domain => values.domain.to_owned(),
            Letter::Ip => dotted(values.ip),
            Letter::Validated => values.validated.to_owned(),
            Letter::Version => if values.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            Letter::Helo => values.helo.to_owned(),
            Letter::ReadableIp => values.ip.to_string(),
            Letter::Receiver => values.receiver.to_owned(),
            Letter::Timestamp => values.timestamp.to_string(),
        };
        let mut parts: Vec<&str> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.reversed {
            parts.reverse();
        }
        let from = parts.len().saturating_sub(self.keep.unwrap_or(usize::MAX));
        let kept = parts.get(from..).unwrap_or_default().join(".");
        if self.escaped { url_escaped(&kept) } else { kept }
    }
}

/// IPv4 as it is written, IPv6 as 32 nibbles between dots (upper case, as the published suite writes them; DNS does not care).
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let nibbles: Vec<String> = v6
                .octets()
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(|nibble| format!("{nibble:X}"))
                .collect();
            nibbles.join(".")
        }
    }
}

fn url_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

const DELIMITERS: &str = ".-+,/_=";

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str, ip: &str) -> String {
        let values = Values {
            local: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            ip: ip.parse().unwrap(),
            helo: "mx.example.org",
            validated: "unknown",
            receiver: "here",
            timestamp: 86400,
        };
        MacroString::parse(text, true).unwrap().expand(&values)
    }

    #[test]
    fn the_examples_of_rfc_7208_expand_as_it_says() {
        for (text, value) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d3}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
            ("%{S}", "strong-bad%40email.example.com"),
            ("%%%_%-%{c}%{r}%{t}%{h}", "% %20192.0.2.3here86400mx.example.org"),
        ] {
            assert_eq!(expanded(text, "192.0.2.3"), value, "{text}");
        }
        assert_eq!(
            expanded("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01"),
            "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn what_is_no_macro_is_refused() {
        for text in
            ["%", "%a", "%(ir)", "%{", "%{}", "%{x}", "%{d0}", "%{dq}", "%{d2rr}", "%{c}", "%{r}", "%{t}", "a b"]
        {
            assert!(MacroString::parse(text, false).is_err(), "{text}");
        }
        assert!(MacroString::parse("%{T} a", true).is_ok());
    }

    #[test]
    fn long_names_lose_labels_at_the_left_and_odd_ones_are_never_asked() {
        let long = format!("{}.example.com", vec!["a".repeat(60); 5].join("."));
        let name = name_of(&long).unwrap();
        assert!(name.as_str().len() <= MAX_TEXT && name.as_str().ends_with(".example.com"));
        assert_eq!(name.label_count(), 5);
        for text in ["", ".", "a..b", ".a.b", "é.example.com"] {
            assert_eq!(name_of(text), None, "{text}");
        }
        assert_eq!(name_of(&format!("{}.example.com", "a".repeat(64))), None);
        assert_eq!(name_of("Example.COM.").unwrap().as_str(), "example.com");
    }
}

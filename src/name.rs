//! Domain names as mail and DNS write them: ASCII, lower case, fully qualified, never longer than the wire allows.
//!
//! A [`Name`] is made once at the edge and trusted afterwards (RFC 1035 §2.3.4, §3.1; IDNA for U-labels, RFC 5891).
//! What a person typed goes through [`Name::parse`], which also cleans URLs and addresses; what a record or a macro
//! made goes through [`Name::from_text`] and [`Name::from_labels`], which clean nothing.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most bytes that a name can have in text form without its final dot (255 octets on the wire, RFC 1035 §3.1).
pub const MAX_TEXT: usize = 253;
/// Most bytes of one label (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;

/// A fully qualified domain name: lower case, A-labels, no final dot; the root is the empty text.
///
/// Bytes that text cannot show plainly stand as RFC 1035 §5.1 escapes (`\.`, `\032`), so two equal names have one text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// Why a text is not a name that DNS can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was left after cleaning.
    #[error("empty name")]
    Empty,
    /// Two dots follow each other, or the name starts with one.
    #[error("empty label")]
    EmptyLabel,
    /// A label has more than 63 bytes.
    #[error("a label is longer than 63 bytes")]
    LongLabel,
    /// The whole name has more than 253 bytes.
    #[error("the name is longer than 253 bytes")]
    TooLong,
    /// IDNA refused the text (RFC 5891).
    #[error("not a name that IDNA allows")]
    Idna,
    /// A sign that DNS could carry and that no domain's name holds: a slip, not a question worth asking.
    #[error("{0:?} belongs into no domain's name")]
    Sign(char),
}

impl Name {
    /// The root of DNS.
    pub fn root() -> Name {
        Name(Arc::from(""))
    }

    /// Reads what a person typed or pasted: a domain, a URL, an address, with blanks, zero-width characters, upper case
    /// or a final dot; U-labels become A-labels. What is left must be a name.
    pub fn parse(typed: &str) -> Result<Name, NameError> {
        let visible: String = typed.chars().filter(|c| !is_invisible(*c)).collect();
        let mut rest = visible.trim();
        if let Some((_, after)) = rest.split_once("://") {
            rest = after;
        } else if let Some(after) = strip_prefix_ignoring_case(rest, "mailto:") {
            rest = after;
        }
        rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        rest = rest.rsplit('@').next().unwrap_or(rest);
        rest = rest.trim_matches(|c: char| c == '<' || c == '>' || c == '"' || c == '\'' || c == ',' || c == ';');
        if let Some((host, port)) = rest.rsplit_once(':')
            && port.bytes().all(|b| b.is_ascii_digit())
        {
            rest = host;
        }
        let rest = rest.strip_suffix('.').unwrap_or(rest);
        if rest.is_empty() {
            return Err(NameError::Empty);
        }
        let is_alien = |c: &char| c.is_whitespace() || c.is_ascii_control() || "\"'`<>()[]{},;:!$%^&=+|~".contains(*c);
        if let Some(sign) = rest.chars().find(is_alien) {
            return Err(NameError::Sign(sign));
        }
        Name::from_unicode(rest)
    }

    /// Makes a name of text that may hold U-labels (RFC 8616: to A-labels before every look-up and comparison).
    pub fn from_unicode(text: &str) -> Result<Name, NameError> {
        if text.is_ascii() {
            return Name::from_text(text);
        }
        // Underscore labels are common in mail, so the STD3 rules stay off.
        let ascii = idna::domain_to_ascii(text).map_err(|_| NameError::Idna)?;
        Name::from_text(&ascii)
    }

    /// Makes a name of the text that a record holds: labels between dots, RFC 1035 escapes allowed, one final dot
    /// ignored. Nothing else is cleaned.
    pub fn from_text(text: &str) -> Result<Name, NameError> {
        if text.is_empty() || text == "." {
            return Ok(Name::root());
        }
        let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' if bytes.peek().is_none() => break,
                b'.' => labels.push(Vec::new()),
                b'\\' => {
                    let escaped = escaped_byte(&mut bytes);
                    if let Some(label) = labels.last_mut() {
                        label.push(escaped);
                    }
                }
                _ => {
                    if let Some(label) = labels.last_mut() {
                        label.push(byte);
                    }
                }
            }
        }
        Name::from_labels(labels.iter().map(Vec::as_slice))
    }

    /// Makes a name of raw labels, the leftmost first.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Name, NameError> {
        let mut text = String::new();
        let mut wire = 1;
        for label in labels {
            if label.is_empty() {
                return Err(NameError::EmptyLabel);
            }
            if label.len() > MAX_LABEL {
                return Err(NameError::LongLabel);
            }
            wire += label.len() + 1;
            if !text.is_empty() {
                text.push('.');
            }
            for &byte in label {
                push_escaped(&mut text, byte.to_ascii_lowercase());
            }
        }
        if wire > MAX_TEXT + 2 {
            return Err(NameError::TooLong);
        }
        Ok(Name(Arc::from(text)))
    }

    /// The name in text, without a final dot; the root is empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels' texts, the leftmost first; escapes stay as they are.
    pub fn labels(&self) -> Vec<&str> {
        let mut labels = Vec::new();
        let mut rest: &str = &self.0;
        while !rest.is_empty() {
            let end = label_end(rest);
            labels.push(rest.get(..end).unwrap_or(rest));
            rest = rest.get(end + 1..).unwrap_or("");
        }
        labels
    }

    /// The labels' raw bytes, the leftmost first.
    pub fn raw_labels(&self) -> Vec<Vec<u8>> {
        self.labels()
            .into_iter()
            .map(|label| {
                let mut raw = Vec::with_capacity(label.len());
                let mut bytes = label.bytes().peekable();
                while let Some(byte) = bytes.next() {
                    raw.push(if byte == b'\\' { escaped_byte(&mut bytes) } else { byte });
                }
                raw
            })
            .collect()
    }

    /// How many labels the name has; the root has none.
    pub fn label_count(&self) -> usize {
        self.labels().len()
    }

    /// The name without its leftmost label; `None` at the root.
    pub fn parent(&self) -> Option<Name> {
        if self.is_root() {
            return None;
        }
        Some(Name(Arc::from(self.0.get(label_end(&self.0) + 1..).unwrap_or(""))))
    }

    /// The rightmost `count` labels; the whole name when it has fewer.
    pub fn suffix(&self, count: usize) -> Name {
        let labels = self.labels();
        let from = labels.len().saturating_sub(count);
        Name(Arc::from(labels.get(from..).unwrap_or_default().join(".")))
    }

    /// `prefix` put before this name: `_dmarc` below `example.com` is `_dmarc.example.com`.
    pub fn below(&self, prefix: &str) -> Result<Name, NameError> {
        if self.is_root() { Name::from_text(prefix) } else { Name::from_text(&format!("{prefix}.{}", self.0)) }
    }

    /// Whether this name is `ancestor` or lies below it.
    pub fn is_at_or_below(&self, ancestor: &Name) -> bool {
        let (own, above) = (self.labels(), ancestor.labels());
        own.len() >= above.len() && own.iter().rev().zip(above.iter().rev()).all(|(a, b)| a == b)
    }

    /// This name relative to `zone` as a provider's form wants it: `@` for the zone itself, else the labels before it;
    /// the whole name when it does not lie in the zone.
    pub fn relative_to(&self, zone: &Name) -> String {
        if self == zone {
            return "@".to_owned();
        }
        match self.0.strip_suffix(zone.as_str()).and_then(|before| before.strip_suffix('.')) {
            Some(before) => before.to_owned(),
            None => self.0.to_string(),
        }
    }

    /// The reverse name of an address: `4.3.2.1.in-addr.arpa`, or the nibbles under `ip6.arpa` (RFC 1035 §3.5, RFC 3596 §2.5).
    pub fn reverse(address: std::net::IpAddr) -> Name {
        let text = match address {
            std::net::IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            std::net::IpAddr::V6(v6) => {
                let mut text = String::with_capacity(72);
                for byte in v6.octets().iter().rev() {
                    text.push_str(&format!("{:x}.{:x}.", byte & 15, byte >> 4));
                }
                text + "ip6.arpa"
            }
        };
        Name(Arc::from(text))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        Name::from_text(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Characters that a paste carries without anybody seeing them (cases.md 114).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{00ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    if head.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

/// Where the first label of `text` ends: at an unescaped dot or at the end.
fn label_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'.' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The byte that follows a backslash: three digits are its value, anything else stands for itself.
fn escaped_byte(bytes: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> u8 {
    let Some(first) = bytes.next() else { return b'\\' };
    if !first.is_ascii_digit() {
        return first;
    }
    let mut value = u32::from(first - b'0');
    for _ in 0..2 {
        match bytes.peek() {
            Some(digit) if digit.is_ascii_digit() => {
                value = value * 10 + u32::from(*digit - b'0');
                bytes.next();
            }
            _ => break,
        }
    }
    u8::try_from(value).unwrap_or(b'?')
}

fn push_escaped(text: &mut String, byte: u8) {
    match byte {
        b'.' | b'\\' => {
            text.push('\\');
            text.push(char::from(byte));
        }
        0x21..=0x7e => text.push(char::from(byte)),
        _ => text.push_str(&format!("\\{byte:03}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_becomes_the_domain() {
        for (typed, name) in [
            ("monsec.io", "monsec.io"),
            (" https://www.MonSec.io/blog?a=b ", "www.monsec.io"),
            ("oscar@monsec.io", "monsec.io"),
            ("mailto:oscar@monsec.io", "monsec.io"),
            ("<oscar@monsec.io>,", "monsec.io"),
            ("mon\u{200b}sec.io.", "monsec.io"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("monsec.io:25", "monsec.io"),
            ("_dmarc.monsec.io", "_dmarc.monsec.io"),
        ] {
            assert_eq!(Name::parse(typed).unwrap().as_str(), name, "{typed}");
        }
    }

    #[test]
    fn names_that_the_wire_cannot_carry_are_refused() {
        assert_eq!(Name::from_text("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(Name::from_text(&"a".repeat(64)), Err(NameError::LongLabel));
        assert_eq!(Name::from_text(&["a"; 5].map(|l| l.repeat(62)).join(".")), Err(NameError::TooLong));
        assert_eq!(Name::parse(""), Err(NameError::Empty));
    }

    #[test]
    fn odd_bytes_survive_as_escapes() {
        let name = Name::from_labels([b"a.b".as_slice(), b"c d", b"com"]).unwrap();
        assert_eq!(name.as_str(), "a\\.b.c\\032d.com");
        assert_eq!(name.raw_labels(), [b"a.b".to_vec(), b"c d".to_vec(), b"com".to_vec()]);
        assert_eq!(Name::from_text(name.as_str()).unwrap(), name);
        assert_eq!(name.parent().unwrap().as_str(), "c\\032d.com");
    }

    #[test]
    fn family_relations() {
        let name = Name::from_text("a.b.example.com").unwrap();
        let org = Name::from_text("example.com").unwrap();
        assert!(name.is_at_or_below(&org));
        assert!(!Name::from_text("notexample.com").unwrap().is_at_or_below(&org));
        assert_eq!(name.suffix(2), org);
        assert_eq!(name.relative_to(&org), "a.b");
        assert_eq!(org.relative_to(&org), "@");
        assert_eq!(org.below("_dmarc").unwrap().as_str(), "_dmarc.example.com");
        assert_eq!(Name::reverse("192.0.2.1".parse().unwrap()).as_str(), "1.2.0.192.in-addr.arpa");
    }

    #[test]
    fn a_sign_that_no_domain_holds_is_a_slip_and_no_question() {
        for (typed, sign) in [
            ("not a domain", ' '),
            ("exa mple.com", ' '),
            ("a\u{a0}b.com", '\u{a0}'),
            ("foo;bar.com", ';'),
            ("x,y.com", ','),
            ("ex\"ample.com", '"'),
            ("domain!!", '!'),
        ] {
            assert_eq!(Name::parse(typed), Err(NameError::Sign(sign)), "{typed}");
        }
        for typed in
            ["_dmarc.example.com", "xn--bcher-kva.example", "b\u{fc}cher.example", "a-b.example", "*.example.com"]
        {
            assert!(Name::parse(typed).is_ok(), "{typed}");
        }
    }
}

//! Address lists as From, Sender and Reply-To have them (RFC 5322 §3.4, with the obsolete forms of §4.4), and the Author
//! Domain (RFC 9989 §5.3.1).
//!
//! The parser is our own, because forgers live off what parsers disagree on: quotes, comments, groups, routes and two
//! addresses in one. It never refuses; what is odd is told.

use crate::message::Message;
use crate::name::Name;

/// How many addresses of one field are read.
const MAX_ADDRESSES: usize = 200;

/// One mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Mailbox {
    /// The display name as it is written, quotes taken off, encoded words not decoded.
    pub display: String,
    /// `local@domain` as it is written, comments and folding taken out.
    pub address: String,
    /// What stands after the last `@` outside of quotes.
    pub domain_text: String,
    /// The domain as a name; `None` when it is missing, an address literal, or nothing that DNS can carry.
    pub domain: Option<Name>,
    /// Whether it stands inside a group (`undisclosed: a@b.c;`).
    pub in_group: bool,
    /// Comments in parentheses.
    pub comments: Vec<String>,
}

/// The addresses of one field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Addresses {
    /// The mailboxes, in order.
    pub mailboxes: Vec<Mailbox>,
    /// Whether group syntax is used, also an empty group.
    pub has_group: bool,
    /// Whether a mailbox has several angle addresses: programs disagree on which one counts.
    pub has_two_angles: bool,
}

impl Addresses {
    /// Reads an unfolded field value.
    pub fn parse(text: &str) -> Addresses {
        let mut parser = Parser::default();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => parser.quoted(&mut chars),
                '(' => parser.comment(&mut chars),
                '<' => parser.angle(&mut chars),
                '[' => parser.literal(&mut chars),
                ',' => parser.end_mailbox(),
                ':' if parser.angle.is_none() => parser.start_group(),
                ';' => {
                    parser.end_mailbox();
                    parser.in_group = false;
                }
                c => parser.plain.push(c),
            }
        }
        parser.end_mailbox();
        parser.found
    }
}

#[derive(Default)]
struct Parser {
    found: Addresses,
    in_group: bool,
    /// What stands outside of angle brackets so far, comments left out, quotes kept.
    plain: String,
    angle: Option<String>,
    comments: Vec<String>,
}

impl Parser {
    fn quoted(&mut self, chars: &mut std::str::Chars<'_>) {
        self.plain.push('"');
        while let Some(c) = chars.next() {
            self.plain.push(c);
            match c {
                '"' => return,
                '\\' => self.plain.extend(chars.next()),
                _ => {}
            }
        }
    }

    fn comment(&mut self, chars: &mut std::str::Chars<'_>) {
        let mut depth = 1;
        let mut text = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => text.extend(chars.next()),
                '(' => {
                    depth += 1;
                    text.push(c);
                }
                ')' if depth == 1 => break,
                ')' => {
                    depth -= 1;
                    text.push(c);
                }
                c => text.push(c),
            }
        }
        self.plain.push(' ');
        self.comments.push(text);
    }

    fn angle(&mut self, chars: &mut std::str::Chars<'_>) {
        let mut text = String::new();
        let mut in_quotes = false;
        while let Some(c) = chars.next() {
            match c {
                '>' if !in_quotes => break,
                '\\' if in_quotes => {
                    text.push(c);
                    text.extend(chars.next());
                    continue;
                }
                '"' => in_quotes = !in_quotes,
                _ => {}
            }
            text.push(c);
        }
        if self.angle.is_some() {
            self.found.has_two_angles = true;
            self.end_mailbox();
        }
        self.angle = Some(text);
    }

    fn literal(&mut self, chars: &mut std::str::Chars<'_>) {
        self.plain.push('[');
        for c in chars {
            self.plain.push(c);
            if c == ']' {
                return;
            }
        }
    }

    fn start_group(&mut self) {
        self.found.has_group = true;
        self.in_group = true;
        self.plain.clear();
        self.comments.clear();
    }

    fn end_mailbox(&mut self) {
        let plain = std::mem::take(&mut self.plain);
        let comments = std::mem::take(&mut self.comments);
        let (display, spec) = match self.angle.take() {
            Some(angle) => (unquoted(plain.trim()), without_route(&angle).to_owned()),
            None if plain.trim().is_empty() => return,
            None => (String::new(), plain),
        };
        if self.found.mailboxes.len() >= MAX_ADDRESSES {
            return;
        }
        let address = without_blanks(&spec);
        let domain_text = last_at(&address).and_then(|at| address.get(at + 1..)).unwrap_or_default().to_owned();
        let domain = Name::from_unicode(&domain_text)
            .ok()
            .filter(|name| !name.is_root() && !domain_text.starts_with('[') && is_plain(&domain_text));
        self.found.mailboxes.push(Mailbox { display, address, domain_text, domain, in_group: self.in_group, comments });
    }
}

/// Whether a text can be a domain of mail: letters, digits, hyphens, underscores, dots, or anything beyond ASCII.
fn is_plain(domain: &str) -> bool {
    domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') || !c.is_ascii())
}

/// The last `@` that stands outside of quotes.
fn last_at(address: &str) -> Option<usize> {
    let mut in_quotes = false;
    let mut escaped = false;
    let mut found = None;
    for (at, c) in address.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            '@' if !in_quotes => found = Some(at),
            _ => {}
        }
    }
    found
}

/// `@a,@b:c@d` is `c@d` by an obsolete route (RFC 5322 §4.4).
fn without_route(angle: &str) -> &str {
    let angle = angle.trim();
    match angle.split_once(':') {
        Some((route, rest)) if route.trim_start().starts_with('@') => rest,
        _ => angle,
    }
}

/// Takes white space outside of quotes away: an address spec has none, but for folding around dots and `@`.
fn without_blanks(spec: &str) -> String {
    let mut in_quotes = false;
    spec.chars()
        .filter(|c| {
            if *c == '"' {
                in_quotes = !in_quotes;
            }
            in_quotes || !c.is_whitespace()
        })
        .collect()
}

/// A phrase without its quotes and their escapes.
fn unquoted(phrase: &str) -> String {
    let mut out = String::with_capacity(phrase.len());
    let mut chars = phrase.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {}
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

/// Whose mail this says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// One domain, whatever the number of addresses.
    Domain(Name),
    /// Several domains: DMARC cannot be evaluated as such (RFC 9989 §5.3.1).
    Several(Vec<Name>),
    /// No domain; the reason, in words that end a sentence "DMARC cannot be evaluated: …".
    Nobody(&'static str),
}

impl Author {
    /// The Author Domain of a message.
    pub fn of(message: &Message) -> Author {
        let fields: Vec<_> = message.named("from").take(2).collect();
        let field = match fields.as_slice() {
            [] => return Author::Nobody("there is no From field"),
            [field] => field,
            _ => return Author::Nobody("there are several From fields"),
        };
        let addresses = Addresses::parse(&field.unfolded());
        if addresses.has_group {
            return Author::Nobody("From is a group");
        }
        let mut names: Vec<Name> = Vec::new();
        for mailbox in &addresses.mailboxes {
            match &mailbox.domain {
                Some(name) if !names.contains(name) => names.push(name.clone()),
                Some(_) => {}
                None => return Author::Nobody("an address in From has no domain that DNS can carry"),
            }
        }
        match names.as_slice() {
            [] => Author::Nobody("From is empty"),
            [name] => Author::Domain(name.clone()),
            _ => Author::Several(names),
        }
    }

    /// Every domain that From names.
    pub fn domains(&self) -> &[Name] {
        match self {
            Author::Domain(name) => std::slice::from_ref(name),
            Author::Several(names) => names,
            Author::Nobody(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::Envelope;

    fn first(text: &str) -> (String, String) {
        let found = Addresses::parse(text);
        let mailbox = found.mailboxes.first().cloned().unwrap_or_default();
        (mailbox.display, mailbox.address)
    }

    fn author(header: &str) -> Author {
        let text = format!("{header}\r\nTo: x@y.z\r\n\r\n");
        Author::of(&Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap())
    }

    fn one(domain: &str) -> Author {
        Author::Domain(Name::from_text(domain).unwrap())
    }

    #[test]
    fn what_parsers_disagree_on_is_read_as_the_rfc_says() {
        for (text, display, address) in [
            ("a@b.c", "", "a@b.c"),
            ("Bank <a@b.c>", "Bank", "a@b.c"),
            ("\"Bank, Ltd\" <a@b.c>", "Bank, Ltd", "a@b.c"),
            ("\"Someone <someone@junk.com>\"@mydomain.com", "", "\"Someone <someone@junk.com>\"@mydomain.com"),
            ("alice@example.com <bob@example.com>", "alice@example.com", "bob@example.com"),
            ("Foo (foo@bar.com) <baz@baz.com>", "Foo", "baz@baz.com"),
            ("a(x(y)z)@b.c (Bank)", "", "a@b.c"),
            ("<@relay.x,@y:a@b.c>", "", "a@b.c"),
            ("a . b @ c . d", "", "a.b@c.d"),
            ("\"a\\\"<x@y>\" <a@b.c>", "a\"<x@y>", "a@b.c"),
            ("=?utf-8?q?B=C3=A4nk?= <a@b.c>", "=?utf-8?q?B=C3=A4nk?=", "a@b.c"),
        ] {
            assert_eq!(first(text), (display.to_owned(), address.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_author_domain_is_one_or_none_and_says_why() {
        assert_eq!(author("From: a@B.C"), one("b.c"));
        assert_eq!(author("From: a@bücher.example"), one("xn--bcher-kva.example"));
        assert_eq!(author("From: \"S <s@junk.com>\"@mydomain.com"), one("mydomain.com"));
        assert_eq!(author("From: a@b.c,\r\n d@b.c"), one("b.c"));
        assert_eq!(author("From: a@b.c, d@e.f").domains().len(), 2);
        for header in ["From: a@b.c\r\nFrom: d@e.f", "From: g: a@b.c;", "From:", "From: a@[192.0.2.1]", "From: nobody"]
        {
            assert!(matches!(author(header), Author::Nobody(_)), "{header}");
        }
    }

    #[test]
    fn two_angle_addresses_are_both_seen() {
        let found = Addresses::parse("Bank <a@b.c> <d@e.f>");
        assert!(found.has_two_angles);
        assert_eq!(found.mailboxes.len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_addresses(text in "\\PC{0,200}") {
            let found = Addresses::parse(&text);
            proptest::prop_assert!(found.mailboxes.len() <= MAX_ADDRESSES);
        }
    }
}

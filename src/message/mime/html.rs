//! What an HTML part would show and do, read as text: links whose words name another place, forms, scripts. Nothing is
//! rendered, fetched or followed.

use std::net::IpAddr;

use crate::message::envelope::same_organisation;
use crate::name::Name;

/// How many links are read.
const MAX_LINKS: usize = 200;
/// How much of a link's words is read.
const MAX_WORDS: usize = 400;

/// What an HTML text holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html {
    pub links: Vec<Link>,
    pub has_form: bool,
    pub has_script: bool,
    /// Pictures that tell their owner when they are shown: from elsewhere, one pixel or less.
    pub pixels: Vec<String>,
}

/// One link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    /// Where it goes, as it is written.
    pub target: String,
    /// The words that a reader sees.
    pub words: String,
    /// The host of the target.
    pub host: Option<String>,
    /// The host that the words name, when it is of another house.
    pub says: Option<String>,
}

impl Html {
    /// Reads a text.
    pub fn read(text: &str) -> Html {
        let mut found = Html::default();
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            rest = rest.get(at + 1..).unwrap_or_default();
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let Some(end) = tag_end(rest) else { break };
            let (tag, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = after.strip_prefix('>').unwrap_or(after);
            let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
            match name.as_str() {
                "a" if found.links.len() < MAX_LINKS => {
                    if let Some(target) = attribute(tag, "href") {
                        found.links.push(Link::new(&target, &words(rest)));
                    }
                }
                "form" => found.has_form = true,
                "script" => found.has_script = true,
                "img" if found.pixels.len() < MAX_LINKS => {
                    let is_tiny = |name| {
                        attribute(tag, name).is_some_and(|size| matches!(size.trim(), "0" | "1" | "1px" | "0px"))
                    };
                    if let Some(host) = attribute(tag, "src").and_then(|url| host(&url))
                        && is_tiny("width")
                        && is_tiny("height")
                    {
                        found.pixels.push(host);
                    }
                }
                _ => {}
            }
        }
        found
    }
}

impl Link {
    fn new(target: &str, words: &str) -> Link {
        let host = host(target);
        let named = words.split_whitespace().find_map(named_host);
        let says = named.filter(|named| host.as_ref().is_some_and(|host| !same_organisation(named, host)));
        Link { target: target.to_owned(), words: words.to_owned(), host, says }
    }

    /// Whether the target is a bare address.
    pub fn goes_to_address(&self) -> bool {
        self.host.as_ref().is_some_and(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok())
    }

    /// Whether the target runs or holds something instead of naming a place.
    pub fn runs(&self) -> bool {
        let target = self.target.trim_start().to_ascii_lowercase();
        ["javascript:", "data:", "vbscript:"].iter().any(|scheme| target.starts_with(scheme))
    }

    /// The host as a name, to open it in the domain pane.
    pub fn name(&self) -> Option<Name> {
        let host = self.host.as_deref().filter(|_| !self.goes_to_address())?;
        Name::from_unicode(host).ok().filter(|name| name.label_count() > 1)
    }
}

/// Where a tag ends; quotes may hold `>`.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices().take(16 * 1024) {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    // A quote that never closes: the first `>` ends the tag after all.
    text.find('>')
}

/// An attribute of a tag, its entities undone.
fn attribute(tag: &str, wanted: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower.get(from..)?.find(wanted) {
        let start = from + at;
        from = start + wanted.len();
        let before = lower.get(..start)?.chars().next_back();
        let after = tag.get(from..)?.trim_start();
        let Some(value) = after
            .strip_prefix('=')
            .filter(|_| before.is_some_and(|c| c.is_whitespace() || c == '"' || c == '\'' || c == '/'))
        else {
            continue;
        };
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value.get(1..)?.split(quote).next()?,
            _ => value.split(|c: char| c.is_whitespace()).next()?,
        };
        return Some(entities(value));
    }
    None
}

/// The words of a link: up to its end, tags taken out.
fn words(text: &str) -> String {
    let lower = text.get(..text.char_indices().nth(4 * MAX_WORDS).map_or(text.len(), |(at, _)| at)).unwrap_or_default();
    let end = lower.to_ascii_lowercase().find("</a").unwrap_or(lower.len());
    let mut out = String::new();
    let mut in_tag = false;
    for c in lower.get(..end).unwrap_or_default().chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => in_tag = false,
            c if !in_tag && out.len() < MAX_WORDS => out.push(c),
            _ => {}
        }
    }
    let plain = entities(&out);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The entities that hide hosts and words.
fn entities(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (plain, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let known = after.find(';').filter(|end| *end <= 10).and_then(|end| {
            let c = match after.get(1..end)? {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "nbsp" => ' ',
                "period" => '.',
                number => {
                    let digits = number.strip_prefix('#')?;
                    let value = match digits.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => digits.parse().ok()?,
                    };
                    char::from_u32(value)?
                }
            };
            Some((c, end + 1))
        });
        let (c, length) = known.unwrap_or(('&', 1));
        out.push(c);
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The host of a web address; what stands before an `@` is no host, whatever it looks like.
pub(super) fn host(url: &str) -> Option<String> {
    let url: String = url.trim().chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect();
    let (scheme, rest) = url.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let rest = rest.trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = if host.starts_with('[') {
        host.split(']').next().map(|host| format!("{host}]"))?
    } else {
        host.split(':').next()?.to_owned()
    };
    Some(host.trim_end_matches('.').to_lowercase()).filter(|host| !host.is_empty())
}

/// The host that a word names: a web address, or a name under a suffix that exists (`.example` for the demo).
fn named_host(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    if let Some(host) = host(word) {
        return Some(host);
    }
    let host = word.split(['/', '?', '#']).next()?.to_lowercase();
    let is_host = host.contains('.') && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'));
    let known = psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known()) || host.ends_with(".example");
    (is_host && known && !host.contains('@')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(html: &str) -> Vec<(Option<String>, Option<String>)> {
        Html::read(html).links.into_iter().map(|link| (link.host, link.says)).collect()
    }

    #[test]
    fn words_that_name_another_place_than_the_link_are_found() {
        for (html, host, named) in [
            ("<a href=\"https://evil.com/x\">www.bank.com</a>", "evil.com", Some("www.bank.com")),
            ("<A class=a HREF='http://evil.com'><b>https://</b>bank.com/login</A>", "evil.com", Some("bank.com")),
            ("<a\nhref=https://evil.com>go to bank.com now</a>", "evil.com", Some("bank.com")),
            ("<a href=\"https://bank.com@evil.com\">bank.com</a>", "evil.com", Some("bank.com")),
            ("<a href=\"https://&#101;vil.com\">bank&#46;com</a>", "evil.com", Some("bank.com")),
            ("<a href=\"https://click.bank.com/x\">www.bank.com</a>", "click.bank.com", None),
            ("<a href=\"https://evil.com\">click here, version 2.0 of it.</a>", "evil.com", None),
            ("<a href=\"https://evil.com\">Confirm</a>", "evil.com", None),
            ("<a title=\"a > b\" href=\"https://evil.com\">bank.com</a>", "evil.com", Some("bank.com")),
        ] {
            assert_eq!(says(html), [(Some(host.to_owned()), named.map(str::to_owned))], "{html}");
        }
        assert_eq!(says("<!-- <a href=\"https://evil.com\">bank.com</a> -->"), []);
        assert_eq!(says("<a href=\"mailto:x@evil.com\">bank.com</a>"), [(None, None)]);
    }

    #[test]
    fn forms_scripts_pixels_and_odd_targets_are_seen() {
        let html = Html::read("<form action=x><SCRIPT></script><img src=\"https://t.example/p\" width=1 height=\"1\">");
        assert!(html.has_form && html.has_script);
        assert_eq!(html.pixels, ["t.example"]);
        let links = Html::read(
            "<a href=\" JavaScript:x\">a</a><a href=\"http://192.0.2.1/\">b</a><a href=\"http://[2001:db8::1]/\">c</a>",
        )
        .links;
        assert!(links[0].runs() && links[1].goes_to_address() && links[2].goes_to_address());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "(<a href=|>|<|\"|'|&#|;|https://|[a-zä.@/ ]|</a>|<!--|-->){0,120}") {
            let _ = Html::read(&text);
        }
    }
}

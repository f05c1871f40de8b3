//! Links that a gateway rewrote so that clicks pass by it, turned back into what they were: from the text of the link
//! alone. Nothing is ever followed.
//!
//! Microsoft Safe Links, Proofpoint URL Defense (v1, v2, v3), Barracuda, Cisco, Sophos, Trellix, Trend Micro and Symantec
//! keep the old link inside the new one; Mimecast and some others keep it on their servers, and those stay as they are.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// How many links of one message are turned back.
pub(super) const MAX_LINKS: usize = 2000;
/// The longest link that is read.
const MAX_LENGTH: usize = 16 * 1024;
/// The longest host name.
const MAX_HOST: usize = 256;

/// A rewritten link in some text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rewritten {
    /// Where it stands.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Who rewrote it.
    pub who: &'static str,
    /// What it was; `None` when the link does not hold it.
    pub was: Option<String>,
}

/// How a rewriter keeps the old link.
#[derive(Clone, Copy)]
enum Kept {
    /// Percent-encoded in a parameter.
    Parameter(&'static str),
    /// Base64 in a parameter.
    Base64(&'static str),
    /// Percent-encoded, as the last segment of the path.
    LastSegment,
    /// URL Defense v2: `-` for `%`, `_` for `/`.
    Dashes,
    /// URL Defense v3: between `__` and `__;`, odd characters apart.
    Stars,
    /// On their servers.
    Away,
}

const REWRITERS: &[(&str, &str, &str, Kept)] = &[
    ("safelinks.protection.outlook.com", "", "Microsoft Safe Links", Kept::Parameter("url")),
    ("urldefense.proofpoint.com", "/v1/", "Proofpoint URL Defense", Kept::Parameter("u")),
    ("urldefense.proofpoint.com", "/v2/", "Proofpoint URL Defense", Kept::Dashes),
    ("urldefense.proofpoint.com", "/v3/", "Proofpoint URL Defense", Kept::Stars),
    ("urldefense.com", "/v3/", "Proofpoint URL Defense", Kept::Stars),
    ("urldefense.us", "/v3/", "Proofpoint URL Defense", Kept::Stars),
    ("linkprotect.cudasvc.com", "", "Barracuda Link Protection", Kept::Parameter("a")),
    ("secure-web.cisco.com", "", "Cisco Secure Email", Kept::LastSegment),
    ("protection.sophos.com", "", "Sophos Time-of-Click", Kept::Base64("u")),
    ("fireeye.com", "/v1/url", "Trellix URL protection", Kept::Parameter("u")),
    ("trendmicro.com", "/wis/clicktime/", "Trend Micro", Kept::Parameter("url")),
    ("clicktime.symantec.com", "", "Symantec", Kept::Parameter("u")),
    ("mimecast.com", "/s/", "Mimecast", Kept::Away),
    ("mimecastprotect.com", "/s/", "Mimecast", Kept::Away),
    ("urlsand.esvalabs.com", "", "Libraesva", Kept::Parameter("u")),
];

/// Every rewritten link in a text, in order.
pub(super) fn find(text: &[u8]) -> Vec<Rewritten> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| memchr::memmem::find(rest, b"://")) {
        let colon = at + next;
        at = colon + 3;
        let is_before = |word: &[u8]| {
            let start = colon.checked_sub(word.len())?;
            text.get(start..colon)?.eq_ignore_ascii_case(word).then_some(start)
        };
        let Some(start) = is_before(b"https").or_else(|| is_before(b"http")) else { continue };
        // Only a link to a rewriter is worth reading to its end.
        let host = text.get(at..).unwrap_or_default();
        let host = host.get(..host.iter().take(MAX_HOST).position(|byte| ends_host(*byte)).unwrap_or(0));
        if !host.is_some_and(is_rewriter) {
            continue;
        }
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.iter().take(MAX_LENGTH).position(|byte| ends_link(*byte));
        let length = end.unwrap_or(rest.len().min(MAX_LENGTH));
        let Some(link) = rest.get(..length).and_then(|link| std::str::from_utf8(link).ok()) else { continue };
        let Some((who, was)) = decode(link) else { continue };
        // The old link may stand inside in the clear: it is not looked at again.
        at = start + length;
        found.push(Rewritten { start, end: start + length, who, was });
        if found.len() >= MAX_LINKS {
            break;
        }
    }
    found
}

fn is_rewriter(host: &[u8]) -> bool {
    let host = host.to_ascii_lowercase();
    REWRITERS.iter().any(|(suffix, ..)| host.ends_with(suffix.as_bytes()))
}

fn ends_host(byte: u8) -> bool {
    matches!(byte, b'/' | b'?' | b'#' | b':') || ends_link(byte)
}

fn ends_link(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'}' | b'|')
}

/// Who rewrote a link and what it was; `None` when nobody did.
fn decode(link: &str) -> Option<(&'static str, Option<String>)> {
    let (_, rest) = link.split_once("://")?;
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest.get(..host_end)?.rsplit('@').next()?.split(':').next()?.to_ascii_lowercase();
    let path = rest.get(host_end..)?;
    let is_host = |suffix: &str| host.strip_suffix(suffix).is_some_and(|left| left.is_empty() || left.ends_with('.'));
    let (.., who, kept) =
        REWRITERS.iter().find(|(suffix, start, ..)| is_host(suffix) && path.starts_with(start)).copied()?;
    // In HTML the ampersands between parameters are written out.
    let path: Cow<'_, str> = if path.contains("&amp;") { path.replace("&amp;", "&").into() } else { path.into() };
    let parameter = |name: &str| {
        let query = path.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let was = match kept {
        Kept::Parameter(name) => parameter(name).and_then(percent),
        Kept::Base64(name) => parameter(name).and_then(percent).and_then(|text| base64(&text)),
        Kept::LastSegment => path.rsplit('/').next().and_then(percent),
        Kept::Dashes => parameter("u").and_then(|text| percent(&text.replace('-', "%").replace('_', "/"))),
        Kept::Stars => stars(&path),
        Kept::Away => None,
    };
    Some((who, was.filter(|was| was.contains(':') && !was.bytes().any(|byte| byte.is_ascii_control() || byte == b' '))))
}

fn percent(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

fn base64(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    String::from_utf8(bytes).ok()
}

/// `__https://a.example/x*b__;Kg!!…`: each `*` is the next of the characters in base64, `**` and a letter a run of them.
fn stars(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("__")?;
    let (text, rest) = rest.split_once("__;")?;
    let kept = rest.split('!').next()?;
    let kept = if kept.is_empty() { String::new() } else { base64(kept)? };
    let mut kept = kept.chars();
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '*' {
            out.push(c);
        } else if chars.peek() == Some(&'*') {
            chars.next();
            let letter = chars.next()?;
            let run = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".find(letter)? + 2;
            out.extend(kept.by_ref().take(run));
        } else {
            out.push(kept.next()?);
        }
    }
    // Some servers on the way make one slash of two.
    match out.split_once(":/") {
        Some((scheme, rest)) if !rest.starts_with('/') => Some(format!("{scheme}://{rest}")),
        _ => Some(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rewriter_is_known_and_its_link_turned_back() {
        for (link, who, was) in [
            (
                "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fa.example%2Fx%3Fb%3D1%26c%3D2&amp;data=05%7C02&amp;reserved=0",
                "Microsoft Safe Links",
                Some("https://a.example/x?b=1&c=2"),
            ),
            (
                "https://urldefense.proofpoint.com/v1/url?u=http://a.example/x&k=1",
                "Proofpoint URL Defense",
                Some("http://a.example/x"),
            ),
            (
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__a.example_x-5Fy-2Dz&d=DwMF&c=z",
                "Proofpoint URL Defense",
                Some("https://a.example/x_y-z"),
            ),
            (
                "https://urldefense.com/v3/__https://a.example/x*b?c=**Ad__;I8OpIw!!AbC$",
                "Proofpoint URL Defense",
                Some("https://a.example/x#b?c=é#d"),
            ),
            (
                "https://urldefense.com/v3/__https:/a.example/__;!!AbC$",
                "Proofpoint URL Defense",
                Some("https://a.example/"),
            ),
            (
                "https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fa.example&c=E,1,x",
                "Barracuda Link Protection",
                Some("https://a.example"),
            ),
            (
                "https://secure-web.cisco.com/1abcDEF/https%3A%2F%2Fa.example%2Fx",
                "Cisco Secure Email",
                Some("https://a.example/x"),
            ),
            (
                "https://eu-west-1.protection.sophos.com/?d=a.example&u=aHR0cHM6Ly9hLmV4YW1wbGUveA==&i=N",
                "Sophos Time-of-Click",
                Some("https://a.example/x"),
            ),
            ("https://protect-eu.mimecast.com/s/AbCd?domain=a.example", "Mimecast", None),
            ("https://nam02.safelinks.protection.outlook.com/?url=%zz&data=1", "Microsoft Safe Links", None),
        ] {
            let text = format!("see <{link}> now");
            let found = find(text.as_bytes());
            assert_eq!(found.len(), 1, "{link}");
            assert_eq!((found[0].who, found[0].was.as_deref()), (who, was), "{link}");
            assert_eq!(text.get(found[0].start..found[0].end), Some(link));
        }
    }

    #[test]
    fn other_links_and_look_alikes_of_rewriters_stay() {
        for text in [
            "https://a.example/?url=https%3A%2F%2Fb.example",
            "https://evilsafelinks.protection.outlook.com.a.example/?url=https%3A%2F%2Fb.example",
            "https://xurldefense.com/v3/__https://a.example__;!!x",
            "://",
            "https://",
            "ftp://urldefense.com/v3/__x__;",
        ] {
            assert_eq!(find(text.as_bytes()), [], "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_after_a_rewriters_name_are_read_or_left(tail in "\\PC{0,80}", stars in "[*A-Za-z_;!-]{0,60}") {
            for text in [format!("https://urldefense.com/v3/__{tail}"), format!("https://urldefense.com/v3/__{stars}__;{tail}")] {
                for found in find(text.as_bytes()) {
                    proptest::prop_assert!(found.end <= text.len());
                }
            }
        }
    }
}

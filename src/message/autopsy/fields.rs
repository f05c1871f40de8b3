//! Values of header fields as another program may have written them: encoded words made anew or undone (RFC 2047), names
//! quoted or not, lists of addresses spaced otherwise, parameters quoted otherwise, folds joined.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::header::untagged;
use crate::message::words::decoded;

/// An encoded word is at most this long (RFC 2047 §2).
const MAX_WORD: usize = 75;
/// How long a value may be for its writing to be guessed.
const MAX_BYTES: usize = 2048;

/// Other ways to write a value, each in words that follow "the signature verifies if ".
pub(super) fn otherwise(name: &str, title: &str, value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let Some(text) = std::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_BYTES) else { return Vec::new() };
    let mut found: Vec<(String, String)> = Vec::new();
    if let Some(joined) = joined(text) {
        found.push((format!("the folds of {title} are joined without a blank"), joined));
    }
    let line = text.replace("\r\n", "");
    let line = line.trim();
    match name {
        "subject" => {
            let reencoded = format!("{title} is encoded as before");
            let plain = decoded(line);
            found.extend(encodings(&plain).into_iter().map(|text| (reencoded.clone(), text)));
            // A tag may stand inside the encoded word.
            for (tag, rest) in untagged(plain.as_bytes()) {
                let what = format!("the tag \"{tag}\" is removed from {title}, which was encoded anew");
                let rest = String::from_utf8_lossy(&rest).into_owned();
                found.extend(encodings(&rest).into_iter().map(|text| (what.clone(), text)));
            }
        }
        "from" | "sender" | "reply-to" | "to" | "cc" => {
            found.extend(
                names(line).into_iter().map(|text| (format!("the name in {title} is written as before"), text)),
            );
            let spaced = format!("the addresses in {title} are spaced as before");
            found.push((spaced.clone(), line.replace(", ", ",")));
            found.push((spaced, line.replace(',', ", ").replace(",  ", ", ")));
        }
        "content-type" => {
            let what = format!("the parameters of {title} are written as before");
            found.extend(parameters(line).into_iter().map(|text| (what.clone(), text)));
        }
        "date" => {
            if let Some((date, _)) = line.split_once(" (") {
                found.push((format!("the comment in {title} is removed"), date.to_owned()));
            } else if line.ends_with("+0000") {
                found.push((format!("the comment (UTC) of {title} is put back"), format!("{line} (UTC)")));
                found.push((format!("the zone of {title} is GMT"), line.replace("+0000", "GMT")));
            } else if let Some(date) = line.strip_suffix("GMT") {
                found.push((format!("the zone of {title} is +0000"), format!("{date}+0000")));
            }
        }
        _ => {}
    }
    let mut known = vec![line.to_owned()];
    found.retain(|(_, text)| {
        let is_new = !known.contains(text) && !text.is_empty();
        known.push(text.clone());
        is_new
    });
    found.into_iter().map(|(what, text)| (what, format!(" {text}").into_bytes())).collect()
}

/// A fold put where no blank was.
fn joined(text: &str) -> Option<String> {
    let mut lines = text.split("\r\n");
    let first = lines.next()?.trim_start().to_owned();
    let rest: Vec<&str> =
        lines.map(|line| line.trim_start_matches([' ', '\t'])).filter(|line| !line.is_empty()).collect();
    (!rest.is_empty()).then(|| first + &rest.concat())
}

/// A text as it is, and as encoded words in the usual writings.
fn encodings(plain: &str) -> Vec<String> {
    let mut all = vec![plain.to_owned()];
    for charset in ["UTF-8", "utf-8"] {
        for encoding in ['B', 'Q', 'b', 'q'] {
            all.push(encoded(plain, charset, encoding));
        }
    }
    all
}

/// Encoded words, folded where one would be too long.
fn encoded(plain: &str, charset: &str, encoding: char) -> String {
    let room = MAX_WORD - charset.len() - 7;
    let mut words = Vec::new();
    let mut chunk = String::new();
    let mut length = 0;
    for c in plain.chars() {
        let more = if encoding.eq_ignore_ascii_case(&'B') {
            (chunk.len() + c.len_utf8()).div_ceil(3) * 4
        } else {
            length + quoted(c).len()
        };
        if more > room && !chunk.is_empty() {
            words.push(std::mem::take(&mut chunk));
            length = 0;
        }
        chunk.push(c);
        length += quoted(c).len();
    }
    words.push(chunk);
    let word = |chunk: &String| {
        let data = if encoding.eq_ignore_ascii_case(&'B') {
            BASE64_STANDARD.encode(chunk)
        } else {
            chunk.chars().map(quoted).collect()
        };
        format!("=?{charset}?{encoding}?{data}?=")
    };
    words.iter().map(word).collect::<Vec<_>>().join("\r\n ")
}

fn quoted(c: char) -> String {
    match c {
        ' ' => "_".into(),
        '=' | '?' | '_' | '"' | '<' | '>' | '(' | ')' => format!("={:02X}", u32::from(c)),
        c if c.is_ascii_graphic() => c.to_string(),
        c => c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("={byte:02X}")).collect(),
    }
}

/// `Name <address>` with the name plain, quoted and encoded; only for one address.
fn names(line: &str) -> Vec<String> {
    let Some((phrase, address)) = line.split_once('<').filter(|(_, rest)| !rest.contains('<')) else {
        return Vec::new();
    };
    let phrase = decoded(phrase.trim().trim_matches('"'));
    if phrase.is_empty() {
        return Vec::new();
    }
    let mut all = vec![format!("{phrase} <{address}"), format!("\"{phrase}\" <{address}")];
    all.extend(encodings(&phrase).into_iter().skip(1).map(|name| format!("{name} <{address}")));
    all
}

/// The parameters quoted and not, the character set in capitals and not.
fn parameters(line: &str) -> Vec<String> {
    let bare = line.replace('"', "");
    let mut parts = bare.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let pairs: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let mut all = Vec::new();
    for case in [str::to_owned, str::to_uppercase, str::to_lowercase] {
        for quotes in ["", "\""] {
            for gap in ["; ", ";"] {
                let pair = |(name, value): &(&str, &str)| {
                    let value = if name.eq_ignore_ascii_case("charset") { case(value) } else { (*value).to_owned() };
                    format!("{gap}{name}={quotes}{value}{quotes}")
                };
                all.push(format!("{kind}{}", pairs.iter().map(pair).collect::<String>()));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_before_is_among_the_guesses() {
        for (name, now, before) in [
            ("subject", " =?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
            ("subject", " Grüße", "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?="),
            ("subject", " =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "=?utf-8?B?R3LDvMOfZQ==?="),
            ("subject", " =?UTF-8?Q?[EXTERNAL]_Gr=C3=BC=C3=9Fe?=", "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?="),
            ("subject", " =?UTF-8?Q?Gr=C3=BC?=\r\n =?UTF-8?Q?=C3=9Fe?=", "=?utf-8?B?R3LDvMOfZQ==?="),
            ("from", " \"Ann\" <a@b.example>", "Ann <a@b.example>"),
            ("from", " =?utf-8?B?SsO8cmdlbg==?= <j@b.example>", "=?utf-8?Q?J=C3=BCrgen?= <j@b.example>"),
            ("to", " a@b.example, c@d.example", "a@b.example,c@d.example"),
            ("to", " a@b.example,\r\n\tc@d.example", "a@b.example,c@d.example"),
            ("content-type", " text/plain; charset=\"utf-8\"", "text/plain; charset=UTF-8"),
            ("content-type", " text/plain; charset=us-ascii", "text/plain;charset=\"us-ascii\""),
            ("date", " Tue, 24 Nov 2026 09:58:08 +0000 (UTC)", "Tue, 24 Nov 2026 09:58:08 +0000"),
            ("date", " Tue, 24 Nov 2026 09:58:08 +0000", "Tue, 24 Nov 2026 09:58:08 GMT"),
        ] {
            let all = otherwise(name, "It", now.as_bytes());
            let is_there = all.iter().any(|(_, value)| value == format!(" {before}").as_bytes());
            assert!(is_there, "{now} -> {before}: {all:?}");
        }
    }

    #[test]
    fn no_guess_has_a_line_that_is_no_fold() {
        let long = format!(" {}", "ä".repeat(300));
        for (_, value) in otherwise("subject", "Subject", long.as_bytes()) {
            let text = String::from_utf8(value).unwrap();
            assert!(text.split("\r\n").skip(1).all(|line| line.starts_with(' ')), "{text}");
            assert!(text.split("\r\n").all(|line| !line.contains("=?") || line.trim().len() <= MAX_WORD), "{text}");
        }
    }
}

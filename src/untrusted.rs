//! Foreign text made visible. Whatever came from DNS, mail, HTTP or SMTP goes through here before a terminal, a clipboard
//! or a text export sees it: what a terminal would obey or hide is *shown* instead (`␛`, `⟨RLO⟩`, `⟨ZWSP⟩`, `\xff`).
//!
//! It does not judge: a name with a look-alike letter stays as it is (the checks speak of those).

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with every control, bidirectional and invisible character replaced by a visible sign; tabs and line breaks are
/// signs too, so the result is always one line.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push_visible(&mut out, c);
    }
    Cow::Owned(out)
}

/// Like [`visible`], but line feeds stay: for exports of several lines.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_hidden(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\n' { out.push(c) } else { push_visible(&mut out, c) }
    }
    Cow::Owned(out)
}

/// JSON text with its hidden characters as `\u` escapes: serde_json escapes the C0 controls and writes DEL, the C1 controls,
/// bidirectional marks and invisible characters as they are. No value changes. What is left below U+0020 is layout.
pub fn escaped_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c >= '\u{7f}' && is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Like [`visible`], and blanks that are no space are signs too: for records, where a blank parts words or does not.
pub fn visible_record(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match blank_name(c) {
            Some(name) => {
                let _ = write!(out, "⟨{name}⟩");
            }
            None => push_visible(&mut out, c),
        }
    }
    Cow::Owned(out)
}

/// Foreign bytes as text, UTF-8 where it is UTF-8, `\xff` for every byte that is not; nothing else is changed.
pub fn lossless(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// Foreign bytes made visible on one line: [`lossless`], then [`visible`].
pub fn visible_bytes(bytes: &[u8]) -> String {
    visible(&lossless(bytes)).into_owned()
}

/// Whether a terminal would obey this character, or show nothing where it stands.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || short_name(c).is_some() || matches!(c, '\u{e0000}'..='\u{e0fff}' | '\u{2028}' | '\u{2029}')
}

/// Whether nobody sees that this character stands there, or takes it for a space that it is not.
pub fn is_unseen(c: char) -> bool {
    is_hidden(c) || is_odd_blank(c)
}

/// Whether this is a blank and no space: prose uses them, records never do.
pub fn is_odd_blank(c: char) -> bool {
    blank_name(c).is_some()
}

/// A character of [`is_unseen`] in words, with its article and code point: "a no-break space (U+00A0)".
pub fn spoken(c: char) -> String {
    let name = match c {
        '\u{a0}' => "a no-break space",
        '\u{202f}' => "a narrow no-break space",
        '\u{2003}' => "an em space",
        '\u{2002}' => "an en space",
        '\u{3000}' => "an ideographic space",
        _ if is_odd_blank(c) => "a blank that is no space",
        '\u{ad}' => "a soft hyphen",
        '\u{200b}' => "a zero-width space",
        '\u{200c}' => "a zero-width non-joiner",
        '\u{200d}' => "a zero-width joiner",
        '\u{2060}' => "a word joiner",
        '\u{feff}' => "a byte order mark (zero-width no-break space)",
        '\u{200e}' | '\u{200f}' | '\u{61c}' => "a mark of the writing direction",
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "a command that turns the writing direction",
        '\t' => "a tab",
        '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => "a line break",
        _ if c.is_control() => "a control character",
        _ => "an invisible character",
    };
    format!("{name} (U+{:04X})", c as u32)
}

/// A short name for a blank that is no space.
fn blank_name(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{a0}' => "NBSP",
        '\u{202f}' => "NNBSP",
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' => "SP",
        '\u{3000}' => "IDSP",
        '\u{2800}' => "BLANK",
        _ => return None,
    })
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\u{00}'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
        '\u{7f}' => out.push('\u{2421}'),
        _ if !is_hidden(c) => out.push(c),
        _ => {
            let _ = match short_name(c) {
                Some(name) => write!(out, "⟨{name}⟩"),
                None => write!(out, "⟨U+{:04X}⟩", c as u32),
            };
        }
    }
}

/// The Unicode abbreviation of a character that hides or reorders text.
fn short_name(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{00ad}' => "SHY",
        '\u{034f}' => "CGJ",
        '\u{061c}' => "ALM",
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => "HF",
        '\u{180e}' => "MVS",
        '\u{200b}' => "ZWSP",
        '\u{200c}' => "ZWNJ",
        '\u{200d}' => "ZWJ",
        '\u{200e}' => "LRM",
        '\u{200f}' => "RLM",
        '\u{202a}' => "LRE",
        '\u{202b}' => "RLE",
        '\u{202c}' => "PDF",
        '\u{202d}' => "LRO",
        '\u{202e}' => "RLO",
        '\u{2060}' => "WJ",
        '\u{2061}'..='\u{2064}' => "INV",
        '\u{2066}' => "LRI",
        '\u{2067}' => "RLI",
        '\u{2068}' => "FSI",
        '\u{2069}' => "PDI",
        '\u{206a}'..='\u{206f}' => "DEP",
        '\u{fe00}'..='\u{fe0f}' => "VS",
        '\u{feff}' => "BOM",
        '\u{fff9}'..='\u{fffb}' => "IAA",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        assert_eq!(visible("a\u{1b}[31mb\r\n\tc"), "a␛[31mb␍␊␉c");
        assert_eq!(visible("pay\u{202e}lap\u{200b}!"), "pay⟨RLO⟩lap⟨ZWSP⟩!");
        assert_eq!(visible("\u{9b}31m"), "⟨U+009B⟩31m");
        assert_eq!(visible_bytes(b"caf\xe9 \x1b"), "caf\\xe9 ␛");
        assert_eq!(visible("plain ünïcode"), "plain ünïcode");
    }

    #[test]
    fn json_escapes_what_a_terminal_would_obey() {
        let json = escaped_json(&serde_json::to_string("a\u{9b}31m \u{202e} \u{e0041} \u{1b}é").unwrap());
        assert_eq!(json, r#""a\u009b31m \u202e \udb40\udc41 \u001bé""#);
    }

    #[test]
    fn in_a_record_a_blank_that_is_no_space_is_shown_too() {
        assert_eq!(visible("12\u{a0}€"), "12\u{a0}€", "prose keeps its words together");
        assert_eq!(visible_record("v=spf1\u{a0}-all\u{200b}"), "v=spf1⟨NBSP⟩-all⟨ZWSP⟩");
        assert_eq!(visible_record("v=spf1 -all"), "v=spf1 -all");
        assert_eq!(spoken('\u{a0}'), "a no-break space (U+00A0)");
    }

    proptest! {
        #[test]
        fn escaping_changes_no_value_and_leaves_nothing_hidden(text in any::<String>()) {
            let json = escaped_json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!json.chars().any(is_hidden));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_hidden));
        }

        #[test]
        fn any_bytes_become_text(bytes in any::<Vec<u8>>()) {
            prop_assert!(!visible_bytes(&bytes).chars().any(is_hidden));
        }
    }
}

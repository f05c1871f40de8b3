//! Slips of the hand in a DMARC record whose meaning is certain: spaces or commas where semicolons belong, a colon for the
//! equals sign, typographic quotes, report addresses parted by spaces. What is not certain is left as it stands.

use crate::records::dmarc::near::from_paste;

/// Every tag that RFC 9989 or RFC 7489 knows.
const KNOWN: [&str; 14] = ["v", "p", "sp", "np", "t", "psd", "adkim", "aspf", "fo", "pct", "rua", "ruf", "rf", "ri"];

/// The text as it was meant, when every part of it is understood; it need not differ from `text`.
pub(super) fn mended(text: &str) -> Option<String> {
    let plain = plain(text);
    let mut tags: Vec<(String, String)> = Vec::new();
    for word in plain.split([';', ',', ' ']).filter(|word| !word.is_empty()) {
        if let Some((name, value)) = tag(word) {
            tags.push((name, value.to_owned()));
        } else if tags.is_empty() && is_version(word) {
            tags.push(("v".into(), word.to_owned()));
        } else {
            let (name, value) = tags.last_mut()?;
            let is_list = matches!(name.as_str(), "rua" | "ruf") && word.contains('@');
            match value.is_empty() {
                true => word.clone_into(value),
                false if is_list => *value = format!("{value},{word}"),
                false => return None,
            }
        }
    }
    let at = tags.iter().position(|(name, _)| name == "v");
    if at.is_some_and(|at| !tags.get(at).is_some_and(|(_, value)| is_version(value)))
        || !tags.iter().any(|(name, _)| name == "p")
    {
        return None;
    }
    let rest = tags
        .iter()
        .enumerate()
        .filter(|(index, _)| Some(*index) != at)
        .map(|(_, (name, value))| format!("; {name}={value}"));
    Some(format!("v=DMARC1{}", rest.collect::<String>()))
}

/// Plain signs for typographic ones, nothing invisible, one space for many and none around an equals sign.
fn plain(text: &str) -> String {
    let unwrapped = from_paste(text);
    let letters = unwrapped.chars().filter_map(|letter| match letter {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{ff1a}' => Some(':'),
        '"' | '\'' | '\\' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => None,
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => None,
        other if other.is_control() || other.is_whitespace() => Some(' '),
        other => Some(other),
    });
    let spaced: String = letters.collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ").replace(" =", "=").replace("= ", "=")
}

/// A tag, with `=` or, where its name is a known one, with `:`.
fn tag(word: &str) -> Option<(String, &str)> {
    let (name, value) = word.split_once(['=', ':'])?;
    let name = name.to_ascii_lowercase();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_tag = KNOWN.contains(&name.as_str()) || (is_name && word.get(name.len()..)?.starts_with('='));
    is_tag.then_some((name, value))
}

fn is_version(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "dmarc1" | "dmarc")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slip_whose_meaning_is_certain_is_mended() {
        for (text, meant) in [
            ("v=DMARC1 p=reject rua=mailto:a@b.c", Some("v=DMARC1; p=reject; rua=mailto:a@b.c")),
            ("v=DMARC1, p=reject, rua=mailto:a@b.c", Some("v=DMARC1; p=reject; rua=mailto:a@b.c")),
            ("v=DMARC1; p:reject; rua:mailto:a@b.c", Some("v=DMARC1; p=reject; rua=mailto:a@b.c")),
            ("v = DMARC1 ; p = none", Some("v=DMARC1; p=none")),
            ("v=DMARC1; p=\u{201c}reject\u{201d}", Some("v=DMARC1; p=reject")),
            ("v=DMARC1; p= reject", Some("v=DMARC1; p=reject")),
            ("v=DMARC1\\; p=reject\\;", Some("v=DMARC1; p=reject")),
            ("DMARC1; p=none", Some("v=DMARC1; p=none")),
            ("v=DMARC; p=none", Some("v=DMARC1; p=none")),
            ("p=none; v=DMARC1", Some("v=DMARC1; p=none")),
            (
                "v=DMARC1; p=none; rua=mailto:a@b.c mailto:d@b.c; mailto:e@b.c",
                Some("v=DMARC1; p=none; rua=mailto:a@b.c,mailto:d@b.c,mailto:e@b.c"),
            ),
            ("v=DMARC1; p=none; rua=mailto:a@b.c?subject=x", Some("v=DMARC1; p=none; rua=mailto:a@b.c?subject=x")),
            ("v=DMARC1; p=none; x=1", Some("v=DMARC1; p=none; x=1")),
            ("v=DMARC1; p=reject please", None),
            ("v=DMARC12; p=none", None),
            ("v=DMARC1; sp=reject", None),
            ("v=spf1 -all", None),
            ("", None),
        ] {
            assert_eq!(mended(text).as_deref(), meant, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_mended_or_not_without_a_panic(text in any::<String>()) {
            if let Some(once) = mended(&text) {
                prop_assert_eq!(mended(&once), Some(once));
            }
        }
    }
}

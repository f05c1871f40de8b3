//! Texts that were surely meant as DMARC records and are none, and records as dig or a zone file shows them.

use crate::records::dmarc::mend::mended;
use crate::records::dmarc::parse::{Policy, has_version};
use crate::records::tags::{Tag, TagList};

/// Why a TXT record that is no DMARC record was surely meant as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearMiss {
    /// White space before `v`.
    LeadingSpace,
    /// The version in another case (`v=dmarc1`).
    VersionCase,
    /// `\;` inside: copied from a zone file or from dig.
    Backslashes,
    /// Quotation marks inside the text.
    Quotes,
    /// DMARC tags without the version in front.
    NoVersion,
    /// `v=DMARC12`, `v=DMARC1p=none`.
    OtherVersion,
}

/// Recognises a text at `_dmarc` that wants to be a DMARC record and is none.
pub fn near_miss(text: &str) -> Option<NearMiss> {
    if has_version(text) {
        return None;
    }
    if has_version(text.trim_start()) {
        return Some(NearMiss::LeadingSpace);
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    if compact.starts_with(['"', '\'']) && compact.contains("v=dmarc1") {
        return Some(NearMiss::Quotes);
    }
    if let Some(rest) = compact.strip_prefix("v=dmarc1") {
        return Some(match rest.chars().next() {
            Some('\\') => NearMiss::Backslashes,
            None | Some(';') => NearMiss::VersionCase,
            Some(_) => NearMiss::OtherVersion,
        });
    }
    if compact.starts_with("v=dmarc") {
        return Some(NearMiss::OtherVersion);
    }
    let is_policy = |tag: &Tag<'_>| tag.name.eq_ignore_ascii_case("p") && Policy::parse(tag.value).is_some();
    if compact.contains("v=dmarc1") || TagList::parse(text).tags.iter().any(is_policy) {
        return Some(NearMiss::NoVersion);
    }
    None
}

/// A record as dig or a zone file shows it, made what it is in DNS: strings joined, quotes and backslashes removed. Text
/// without quotes or `\;` comes back as it is.
pub fn from_paste(text: &str) -> String {
    let text = text.trim();
    if !text.starts_with('"') && !text.contains("\\;") {
        return text.to_owned();
    }
    let quoted = text.starts_with('"');
    let mut out = String::with_capacity(text.len());
    let mut inside = !quoted;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted => inside = !inside,
            '\\' => out.extend(chars.next()),
            _ if inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// The text with what made it miss repaired, where that is certain.
pub fn repaired(text: &str) -> Option<String> {
    let fixed = match near_miss(text)? {
        NearMiss::LeadingSpace => text.trim_start().to_owned(),
        NearMiss::Backslashes => from_paste(text),
        NearMiss::Quotes => text.trim().trim_matches(['"', '\'']).to_owned(),
        NearMiss::VersionCase => {
            let (_, rest) = text.split_once(';').unwrap_or((text, ""));
            format!("v=DMARC1;{rest}")
        }
        NearMiss::NoVersion => format!("v=DMARC1; {text}"),
        NearMiss::OtherVersion => mended(text)?,
    };
    has_version(&fixed).then_some(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn near_misses_are_told_from_texts_that_have_nothing_to_do_with_dmarc() {
        for (text, why) in [
            (" v=DMARC1; p=none", Some(NearMiss::LeadingSpace)),
            ("v=dmarc1; p=none", Some(NearMiss::VersionCase)),
            ("v=DMARC1\\; p=none", Some(NearMiss::Backslashes)),
            ("\"v=DMARC1; p=none\"", Some(NearMiss::Quotes)),
            ("v=DMARC12; p=none", Some(NearMiss::OtherVersion)),
            ("v=DMARC1 p=none", Some(NearMiss::OtherVersion)),
            ("v=DMARC; p=none", Some(NearMiss::OtherVersion)),
            ("p=none; rua=mailto:a@b.c", Some(NearMiss::NoVersion)),
            ("v=spf1 -all", None),
            ("some-verification=abc", None),
            ("v=DMARC1; p=none", None),
        ] {
            assert_eq!(near_miss(text), why, "{text}");
        }
    }

    #[test]
    fn a_paste_from_dig_or_a_zone_file_is_made_what_it_is_in_dns() {
        assert_eq!(from_paste(r#""v=DMARC1\; p=none\;""#), "v=DMARC1; p=none;");
        assert_eq!(from_paste(r#""v=DMARC1; p=none; rua=mailto:a" "@b.c""#), "v=DMARC1; p=none; rua=mailto:a@b.c");
        assert_eq!(from_paste(r"v=DMARC1\; p=none"), "v=DMARC1; p=none");
        assert_eq!(from_paste(" v=DMARC1; p=none "), "v=DMARC1; p=none");
    }

    #[test]
    fn a_repair_is_offered_only_where_it_is_certain() {
        for (text, fixed) in [
            (" v=DMARC1; p=none", Some("v=DMARC1; p=none")),
            ("v=dmarc1; p=none", Some("v=DMARC1; p=none")),
            ("v=DMARC1\\; p=none\\;", Some("v=DMARC1; p=none;")),
            ("\"v=DMARC1; p=none\"", Some("v=DMARC1; p=none")),
            ("p=none", Some("v=DMARC1; p=none")),
            ("v=DMARC1 p=none", Some("v=DMARC1; p=none")),
            ("v=DMARC12; p=none", None),
        ] {
            assert_eq!(repaired(text).as_deref(), fixed, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at_without_a_panic(text in any::<String>()) {
            let _ = (near_miss(&text), from_paste(&text), repaired(&text));
        }
    }
}

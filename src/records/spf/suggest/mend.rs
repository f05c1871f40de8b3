//! Slips of the hand in an SPF record whose meaning is certain: typographic dashes and quotes, commas between terms, a space
//! after a colon, `ip:` for `ip4:`. Any other broken term stays as it is, because only its owner knows what was meant.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::finding::Span;
use crate::records::spf::parse::{Problem, SpfRecord, Term, TermKind};
use crate::untrusted::visible_record;

/// One word of the mended record.
pub(super) struct Word {
    /// The term that it is, when nothing was done to it.
    pub at: Option<usize>,
    /// Its text.
    pub text: String,
    /// What was done to it, in words.
    pub reason: Option<String>,
}

/// The words of a record, with what is certain mended.
pub(super) fn mend(record: &SpfRecord) -> Vec<Word> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, term) in record.terms.iter().enumerate() {
        let words = if is_invalid(term) { clean(&term.text) } else { vec![term.text.clone()] };
        pieces.extend(words.into_iter().map(|text| Piece { from: at, to: at, text }));
    }
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match joined.last_mut() {
            Some(before) if belongs(&before.text, &piece.text) => {
                before.to = piece.to;
                before.text.push_str(&piece.text);
            }
            _ => joined.push(piece),
        }
    }
    joined.into_iter().map(|piece| piece.word(record)).collect()
}

/// A text, and from which term to which it stands in the record.
struct Piece {
    from: usize,
    to: usize,
    text: String,
}

impl Piece {
    fn word(self, record: &SpfRecord) -> Word {
        let text = fixed(&self.text).unwrap_or(self.text);
        let span = |at: usize| record.terms.get(at).map_or(Span::new(0, 0), |term| term.span);
        let published = Span::new(span(self.from).start, span(self.to).end).of_str(&record.text).unwrap_or_default();
        if published == text {
            return Word { at: Some(self.from), text, reason: None };
        }
        let reason = format!("\"{}\" is a syntax error; \"{text}\" was meant", visible_record(published));
        Word { at: None, text, reason: Some(reason) }
    }
}

fn is_invalid(term: &Term) -> bool {
    matches!(term.kind, TermKind::Invalid(_))
}

/// What a word is when it stands alone.
fn alone(word: &str) -> Option<TermKind> {
    let [term] = <[Term; 1]>::try_from(SpfRecord::parse(&format!("v=spf1 {word}")).terms).ok()?;
    Some(term.kind)
}

/// Plain signs for typographic ones, nothing invisible, and no comma or semicolon at a word's end.
fn clean(text: &str) -> Vec<String> {
    let plain: String = text
        .chars()
        .filter_map(|letter| match letter {
            '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
            '\u{ff1a}' => Some(':'),
            '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => None,
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => None,
            other if other.is_control() || other.is_whitespace() => Some(' '),
            other => Some(other),
        })
        .collect();
    let words = plain.split_whitespace().map(|word| word.trim_matches([',', ';']));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether a space was put between a mechanism and its value, or between a sign and its mechanism.
fn belongs(before: &str, word: &str) -> bool {
    let is_invalid = |word: &str| matches!(alone(word), Some(TermKind::Invalid(_)) | None);
    let is_open = before.ends_with([':', '=']) && is_invalid(before) && is_invalid(word);
    let is_sign =
        matches!(before, "+" | "-" | "~" | "?") && !word.starts_with(['+', '-', '~', '?']) && !is_invalid(word);
    (is_open || is_sign) && !is_invalid(&format!("{before}{word}"))
}

/// The word that was meant, when it is certain.
fn fixed(word: &str) -> Option<String> {
    let Some(TermKind::Invalid(problem)) = alone(word) else { return None };
    let bare = word.trim_start_matches(['+', '-', '~', '?']);
    let sign = word.strip_suffix(bare).unwrap_or_default();
    let value = bare.split_once(':').map(|(_, value)| value);
    let fixed = match &problem {
        Problem::ModifierAsMechanism(name) => value.map(|value| format!("{name}={value}")),
        Problem::QualifiedModifier => Some(bare.to_owned()),
        Problem::AddressAsDomain(address) => of_address(address).map(|term| format!("{sign}{term}")),
        Problem::Ip4(_) | Problem::Ip6(_) => value.and_then(of_address).map(|term| format!("{sign}{term}")),
        Problem::Argument("all") | Problem::UnknownMechanism(_) if is_all(bare) => Some(format!("{sign}all")),
        Problem::UnknownMechanism(name) => {
            let address = if matches!(name.to_ascii_lowercase().as_str(), "ip" | "ipv4" | "ipv6") {
                value.and_then(of_address)
            } else {
                of_address(bare)
            };
            address.map(|term| format!("{sign}{term}"))
        }
        Problem::NotADomain(_) if bare.contains("://") => of_url(word),
        Problem::NotADomain(_) if bare.to_ascii_lowercase().starts_with("include:") => {
            let (head, prefix) = word.rsplit_once('/')?;
            (!prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit())).then(|| head.to_owned())
        }
        _ => None,
    };
    fixed.filter(|text| !matches!(alone(text), Some(TermKind::Invalid(_)) | None))
}

/// The term whose value was given as a URL.
pub(super) fn of_url(text: &str) -> Option<String> {
    let (head, rest) = text.split_once("://")?;
    let (name, scheme) = head.split_once([':', '='])?;
    let separator = head.get(name.len()..name.len() + 1)?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https").then(|| format!("{name}{separator}{host}"))
}

/// `all` with a sign behind it that belongs nowhere.
fn is_all(bare: &str) -> bool {
    bare.trim_end_matches(['.', ':', '/']).eq_ignore_ascii_case("all")
}

/// The term for an address or a network, of either family.
fn of_address(text: &str) -> Option<String> {
    let address = text.split('/').next().unwrap_or_default();
    if address.parse::<Ipv4Addr>().is_ok() {
        Some(format!("ip4:{text}"))
    } else if address.parse::<Ipv6Addr>().is_ok() {
        Some(format!("ip6:{text}"))
    } else {
        None
    }
}

/// The text of a record that is none for a slip in or before its version, when nothing else is wrong with it.
pub(super) fn near_miss(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find("spf")?;
    let is_version =
        |c: char| c.is_ascii_whitespace() || matches!(c, 'v' | '=' | ':' | '-' | '"' | '\'' | '\\' | '\u{feff}');
    if !lower.get(..at)?.chars().all(is_version) {
        return None;
    }
    let rest = text.get(at + 3..)?;
    let rest = rest.strip_prefix("=v").or_else(|| rest.strip_prefix("=V")).unwrap_or(rest);
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, 'l' | 'I'));
    // "v=spf1include:": what was taken for a digit may have begun a word, and then nothing is certain.
    let record = SpfRecord::parse(&format!("v=spf1 {}", rest.trim_end_matches(['"', '\'', '\\'])));
    let words: Vec<String> = mend(&record).into_iter().map(|word| word.text).collect();
    let mended = format!("v=spf1 {}", words.join(" "));
    (!words.is_empty() && SpfRecord::parse(&mended).problem().is_none()).then_some(mended)
}

//! Names that look like other names: letters of other scripts, letters that join into others (`rn`, `vv`), one letter
//! off, a known name in front of somebody else's. A compact table of our own, of what is seen in mail; it is not Unicode's
//! list of confusables (UTS #39) and does not pretend to find every likeness.

use crate::name::Name;

/// Letters that look alike, each line the plain one and its doubles.
const DOUBLES: &[(char, &str)] = &[
    ('a', "аαɑàáâãäåāăąạảấầ"),
    ('b', "ЬʙƄḃḅ"),
    ('c', "сϲçćčĉċ"),
    ('d', "ԁɗďđḍ"),
    ('e', "еєҽèéêëēĕėęěẹ"),
    ('f', "ƒϝḟ"),
    ('g', "ɡցğĝġģǵ"),
    ('h', "һհĥħḥ"),
    ('i', "іɩıϊìíîïĩīĭįị"),
    ('j', "јϳĵ"),
    ('k', "кκķḳƙ"),
    ('l', "ӏⅼłĺļľḷ"),
    ('m', "мṃⅿ"),
    ('n', "пոηñńņňṇ"),
    ('o', "оοσօòóôõöøōŏőọơ"),
    ('p', "рρṗ"),
    ('q', "ԛզ"),
    ('r', "гŕŗřṛ"),
    ('s', "ѕśŝşšṣ"),
    ('t', "тτţťŧṭ"),
    ('u', "υսùúûüũūŭůűųụư"),
    ('v', "νѵṿ"),
    ('w', "ѡԝաŵẁẃẅẉ"),
    ('x', "хχẋ"),
    ('y', "уγүýÿŷỳỵ"),
    ('z', "źżžẓ"),
];
/// Letters that join into the look of another.
const JOINED: &[(&str, char)] = &[("rn", 'm'), ("nn", 'm'), ("vv", 'w'), ("cl", 'd')];
/// Names shorter than this look like too many others.
const MIN_LETTERS: usize = 4;
/// One letter off is told only in names at least this long.
const MIN_FOR_ONE_OFF: usize = 6;

/// Names that forgers imitate most; only a likeness to them counts, never the name itself.
#[rustfmt::skip]
pub(super) const WELL_KNOWN: &[&str] = &["adobe.com", "amazon.com", "americanexpress.com", "apple.com", "bankofamerica.com",
    "binance.com", "chase.com", "citibank.com", "coinbase.com", "commerzbank.de", "dhl.com", "docusign.com", "dropbox.com",
    "ebay.com", "facebook.com", "fedex.com", "github.com", "gmail.com", "google.com", "hotmail.com", "hsbc.com",
    "icloud.com", "instagram.com", "linkedin.com", "microsoft.com", "netflix.com", "office.com", "outlook.com",
    "paypal.com", "postbank.de", "santander.com", "sparkasse.de", "spotify.com", "twitter.com", "wellsfargo.com",
    "whatsapp.com", "yahoo.com"];

/// How a name looks like another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same picture by other letters; the letters, in words.
    Letters(String),
    /// One letter more, less, other, or two changed about.
    OneOff,
    /// The other stands at its beginning, and the name ends in somebody else's domain.
    InFront,
}

/// How `suspect` looks like `model`; `None` when it does not, or when both belong to one registrable domain.
pub(super) fn likeness(suspect: &Name, model: &Name) -> Option<Likeness> {
    let (own, theirs) = (registrable(suspect), registrable(model));
    if own == theirs {
        return None;
    }
    if suspect.as_str().starts_with(&format!("{theirs}.")) && !suspect.as_str().ends_with(&theirs) {
        return Some(Likeness::InFront);
    }
    let (own_label, their_label) = (first_label(&own), first_label(&theirs));
    if let Some(letters) = letters(&own_label, &their_label) {
        return Some(Likeness::Letters(letters));
    }
    let suffix = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_owned());
    let long = own_label.chars().count().min(their_label.chars().count()) >= MIN_FOR_ONE_OFF;
    (long && suffix(&own) == suffix(&theirs) && is_one_off(&own_label, &their_label)).then_some(Likeness::OneOff)
}

/// How a domain's own label pictures a word of a display name without being it: `acrne-bank` beside "ACME Bank".
pub(super) fn pictures_words(suspect: &Name, display: &str) -> Option<(String, String)> {
    let label = first_label(&registrable(suspect));
    let words: Vec<String> = display
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .take(8)
        .collect();
    for start in 0..words.len() {
        for length in 1..=3 {
            let Some(some) = words.get(start..start + length) else { continue };
            if let Some(letters) = letters(&label, &some.concat()) {
                return Some((some.join(" "), letters));
            }
        }
    }
    None
}

/// The registrable domain in Unicode; it is used to compare pictures and for nothing else.
fn registrable(name: &Name) -> String {
    let text = psl::domain_str(name.as_str()).unwrap_or(name.as_str());
    idna::domain_to_unicode(text).0
}

fn first_label(registrable: &str) -> String {
    registrable.split('.').next().unwrap_or(registrable).to_owned()
}

/// One sign of a label as it is written, with the plain letter that it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sign {
    written: String,
    plain: char,
}

impl Sign {
    fn is_plain(&self) -> bool {
        self.written.chars().eq(std::iter::once(self.plain))
    }
}

/// A label as signs; hyphens are not seen by a hasty reader.
fn signs(label: &str) -> Vec<Sign> {
    let mut signs = Vec::new();
    let mut rest = label;
    while let Some(c) = rest.chars().next() {
        let joined = JOINED.iter().find(|(written, _)| rest.starts_with(written));
        let (written, plain) = match joined {
            Some((written, plain)) => ((*written).to_owned(), *plain),
            None => (c.to_string(), plain(c)),
        };
        rest = rest.get(written.len()..).unwrap_or_default();
        if c != '-' {
            signs.push(Sign { written, plain });
        }
    }
    signs
}

fn plain(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '|' => 'l',
        '5' => 's',
        c if c.is_ascii() => c.to_ascii_lowercase(),
        c => DOUBLES.iter().find(|(_, doubles)| doubles.contains(c)).map_or(c, |(plain, _)| *plain),
    }
}

/// `i` and `l` are told apart by few fonts.
fn alike(a: char, b: char) -> bool {
    a == b || matches!((a, b), ('i', 'l') | ('l', 'i'))
}

/// What stands in `suspect` where `model` has a plain letter, when both give one picture.
fn letters(suspect: &str, model: &str) -> Option<String> {
    let (own, theirs) = (signs(suspect), signs(model));
    if own.len() < MIN_LETTERS || own.len() != theirs.len() {
        return None;
    }
    if !own.iter().zip(&theirs).all(|(own, theirs)| alike(own.plain, theirs.plain)) {
        return None;
    }
    let differ: Vec<(&Sign, &Sign)> =
        own.iter().zip(&theirs).filter(|(own, theirs)| own.written != theirs.written).collect();
    // Where the suspect has the plain letter and the model the odd one, the model imitates.
    if !differ.iter().any(|(own, theirs)| !own.is_plain() || own.plain != theirs.plain) {
        return None;
    }
    let words = differ.iter().take(3).map(|(own, theirs)| {
        let foreign = own.written.chars().find(|c| !c.is_ascii()).map(|c| format!(" ({})", script(c).name()));
        format!("\"{}\"{}, not \"{}\"", own.written, foreign.unwrap_or_default(), theirs.written)
    });
    Some(words.collect::<Vec<_>>().join("; "))
}

/// Whether one letter was put in, left out, changed, or two neighbours changed about.
fn is_one_off(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(head..).unwrap_or_default(), b.get(head..).unwrap_or_default());
    match (a, b) {
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, rest @ ..], b) if rest == b => true,
        (a, [_, rest @ ..]) if rest == a => true,
        ([x, y, a @ ..], [p, q, b @ ..]) => x == q && y == p && a == b,
        _ => false,
    }
}

/// A script, as far as mixing it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Hebrew,
    Arabic,
    Cherokee,
    /// Chinese, Japanese and Korean, which go with each other and with Latin.
    EastAsian,
    Other,
    /// Digits, hyphens: every script's.
    Common,
}

impl Script {
    pub(super) fn name(self) -> &'static str {
        match self {
            Script::Latin => "Latin",
            Script::Greek => "Greek",
            Script::Cyrillic => "Cyrillic",
            Script::Armenian => "Armenian",
            Script::Hebrew => "Hebrew",
            Script::Arabic => "Arabic",
            Script::Cherokee => "Cherokee",
            Script::EastAsian => "East Asian",
            Script::Other | Script::Common => "another script",
        }
    }
}

fn script(c: char) -> Script {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{aa}'..='\u{24f}' | '\u{250}'..='\u{2af}' | '\u{1e00}'..='\u{1eff}' => Script::Latin,
        c if c.is_ascii() => Script::Common,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Script::Greek,
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' => Script::Cyrillic,
        '\u{530}'..='\u{58f}' => Script::Armenian,
        '\u{590}'..='\u{5ff}' => Script::Hebrew,
        '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' => Script::Arabic,
        '\u{13a0}'..='\u{13ff}' => Script::Cherokee,
        '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' => {
            Script::EastAsian
        }
        _ => Script::Other,
    }
}

/// The scripts of one label, when they are a mix that no language writes.
pub(super) fn mixed_scripts(label: &str) -> Option<(Script, Script)> {
    let mut first = None;
    for script in label.chars().map(script).filter(|script| *script != Script::Common) {
        match first {
            None => first = Some(script),
            Some(known) if known == script => {}
            Some(Script::Latin) if script == Script::EastAsian => {}
            Some(Script::EastAsian) if script == Script::Latin => {}
            Some(known) => return Some((known, script)),
        }
    }
    None
}

/// The plain letters that a label of another script pictures whole: `аррӏе` is "apple".
pub(super) fn pictured(label: &str) -> Option<String> {
    let has_foreign = label.chars().any(|c| matches!(script(c), Script::Greek | Script::Cyrillic | Script::Armenian));
    let picture: String = signs(label).iter().map(|sign| sign.plain).collect();
    (has_foreign && picture.len() >= MIN_LETTERS && picture.is_ascii()).then_some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_unicode(text).unwrap()
    }

    #[test]
    fn a_likeness_says_which_letters_make_it() {
        for (suspect, model, letters) in [
            ("acrne-bank.example", "acme-bank.example", "\"rn\", not \"m\""),
            ("paypa1.com", "paypal.com", "\"1\", not \"l\""),
            ("mail.paypai.com", "paypal.com", "\"i\", not \"l\""),
            ("rnicr0soft.com", "microsoft.com", "\"rn\", not \"m\"; \"0\", not \"o\""),
            ("p\u{430}ypal.com", "paypal.com", "\"\u{430}\" (Cyrillic), not \"a\""),
            ("acmebannk.example", "acmebamk.example", "\"nn\", not \"m\""),
        ] {
            assert_eq!(likeness(&name(suspect), &name(model)), Some(Likeness::Letters(letters.into())), "{suspect}");
        }
    }

    #[test]
    fn one_letter_off_and_a_name_in_front_are_told_apart() {
        assert_eq!(likeness(&name("gooogle.com"), &name("google.com")), Some(Likeness::OneOff));
        assert_eq!(likeness(&name("googel.com"), &name("google.com")), Some(Likeness::OneOff));
        assert_eq!(likeness(&name("acme-bank.example.evil.com"), &name("acme-bank.example")), Some(Likeness::InFront));
    }

    #[test]
    fn what_only_resembles_is_no_likeness() {
        for (suspect, model) in [
            ("news.acme-bank.example", "acme-bank.example"),
            ("acme-bank.example", "acrne-bank.example"),
            ("cat.com", "cot.com"),
            ("example.org", "example.com"),
            ("house.com", "mouse.com"),
            ("mailer.example", "lists.example"),
        ] {
            assert_eq!(likeness(&name(suspect), &name(model)), None, "{suspect} {model}");
        }
    }

    #[test]
    fn a_display_name_that_the_domain_only_pictures_is_found() {
        assert_eq!(
            pictures_words(&name("acrne-bank.example"), "ACME Bank"),
            Some(("acme bank".into(), "\"rn\", not \"m\"".into()))
        );
        assert_eq!(pictures_words(&name("acme-bank.example"), "ACME Bank"), None);
        assert_eq!(pictures_words(&name("paypa1.com"), "Your PayPal Team").unwrap().0, "paypal");
    }

    #[test]
    fn scripts_that_no_language_mixes_are_told() {
        assert_eq!(mixed_scripts("p\u{430}ypal"), Some((Script::Latin, Script::Cyrillic)));
        assert_eq!(mixed_scripts("bücher-24"), None);
        assert_eq!(mixed_scripts("ソニーstore"), None);
        assert_eq!(mixed_scripts("пример"), None);
        assert_eq!(pictured("\u{430}\u{440}\u{440}\u{4cf}\u{435}"), Some("apple".into()));
        assert_eq!(pictured("bücher"), None);
        assert_eq!(pictured("пример"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_two_names_can_be_compared(a in "\\PC{0,30}", b in "\\PC{0,30}", display in "\\PC{0,60}") {
            if let (Ok(a), Ok(b)) = (Name::from_unicode(&a), Name::from_unicode(&b)) {
                let _ = (likeness(&a, &b), pictures_words(&a, &display));
            }
            let _ = (mixed_scripts(&a), pictured(&a));
        }
    }
}

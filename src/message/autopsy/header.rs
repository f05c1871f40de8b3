//! Ways in which signed header fields are changed on their way, undone one by one and two by two, and the signature
//! verified over what comes out.

use crate::message::Message;
use crate::message::autopsy::fields::otherwise;
use crate::message::canonical::{Canon, canonical_field};
use crate::message::dkim::{Judged, KeyLook, Math, own_field, verify};
use crate::message::mime::Tree;

/// How many combinations are verified; each costs some 50 µs.
pub(super) const MAX_TRIES: usize = 3000;

/// What is done to the bytes of a field.
type Step = fn(&[u8]) -> Vec<u8>;

/// One field as it may have been signed.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// In words that follow "the signature verifies if ".
    pub what: String,
    /// Which name of `h=`, by its place.
    pub place: Option<usize>,
    /// The field as it was; `None` when it was not there. For every field when `place` is not told.
    pub field: Option<Vec<u8>>,
    /// What is done to every field.
    pub every: Option<Step>,
}

/// Every single change that the message gives reason to try.
pub(super) fn changes(message: &Message, tree: &Tree, one: &Judged<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    for (place, (name, index)) in one.signature.signed.iter().zip(&one.cover.fields).enumerate() {
        let Some(field) = index.and_then(|index| message.field(index)) else { continue };
        let mut push = |what: String, value: Option<Vec<u8>>| {
            let field = value.map(|value| [field.name(), b":", value.as_slice(), b"\r\n"].concat());
            found.push(Change { what, place: Some(place), field, every: None });
        };
        if name == "subject" {
            for (tag, value) in untagged(field.value()) {
                push(format!("the tag \"{tag}\" is removed from Subject"), Some(value));
            }
        }
        for prefix in ["x-original-", "original-", "x-google-original-", "old-", "x-old-"] {
            if let Some(other) = message.named(&format!("{prefix}{name}")).next() {
                let what = format!("{} has the value that {} keeps", title(name), other.name_text());
                push(what, Some(other.value().to_vec()));
            }
        }
        if name == "from" {
            for kept in ["reply-to", "x-from", "x-mailfrom", "cc"] {
                if let Some(other) = message.named(kept).next() {
                    let what = format!("From has the address that {} holds: a list put its own there", title(kept));
                    push(what, Some(other.value().to_vec()));
                }
            }
        }
        if name == "content-type"
            && let Some(inner) = tree.root.children.first()
            && let Some(value) = field_before(message, inner.body.start, b"content-type")
        {
            push("Content-Type is that of the first part: the message was wrapped".into(), Some(value));
        }
        if name == "content-transfer-encoding" {
            for word in ["7bit", "8bit", "quoted-printable", "base64"] {
                push(format!("Content-Transfer-Encoding is {word}"), Some(format!(" {word}").into_bytes()));
            }
        }
        for (what, value) in otherwise(name, &title(name), field.value()) {
            push(what, Some(value));
        }
        // Another field of the name was the signed one: a program put its own below.
        for other in message.named(name).filter(|other| Some(other.index) != *index).take(3) {
            push(format!("another {} of the header is the signed one", title(name)), Some(other.value().to_vec()));
        }
        push(format!("{} is removed: it was added after", title(name)), None);
    }
    for (place, (name, index)) in one.signature.signed.iter().zip(&one.cover.fields).enumerate() {
        let is_encoding = index.is_none() && name == "content-transfer-encoding";
        for word in ["7bit", "8bit"].iter().filter(|_| is_encoding) {
            found.push(Change {
                what: format!("Content-Transfer-Encoding: {word} is put back"),
                place: Some(place),
                field: Some(format!("Content-Transfer-Encoding: {word}\r\n").into_bytes()),
                every: None,
            });
        }
    }
    if one.signature.header_canon == Canon::Simple {
        let every: [(&str, Step); 4] = [
            ("folded fields are put on one line", unfold),
            ("folded lines begin with a tab", |field| refold(field, b"\t")),
            ("folded lines begin with a blank", |field| refold(field, b" ")),
            ("white space at line ends is removed", trim_lines),
        ];
        found.extend(every.map(|(what, every)| Change {
            what: what.into(),
            place: None,
            field: None,
            every: Some(every),
        }));
    }
    found
}

/// `reply-to` as it is written.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "id" => "ID".to_owned(),
        "mime" => "MIME".to_owned(),
        word => {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
        }
    });
    words.collect::<Vec<String>>().join("-")
}

/// Subjects without what lists and gateways put in front: `[tag]`, `EXTERNAL:`, `***SPAM***`, also behind `Re:`.
pub(super) fn untagged(value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(value).into_owned();
    let mut found = Vec::new();
    let trimmed = text.trim_start();
    let blank = text.get(..text.len() - trimmed.len()).unwrap_or_default();
    for reply in ["", "Re: ", "RE: ", "AW: ", "Fwd: "] {
        let Some(rest) = trimmed.strip_prefix(reply) else { continue };
        let mut rest = rest;
        // Two tags can stand in a row.
        for _ in 0..2 {
            let Some((tag, after)) = tag(rest) else { break };
            found.push((tag.trim().to_owned(), format!("{blank}{reply}{}", after.trim_start()).into_bytes()));
            rest = after.trim_start();
        }
    }
    found
}

fn tag(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('[') {
        return text.split_at_checked(text.find(']')? + 1);
    }
    if let Some(inside) = text.strip_prefix("***") {
        return text.split_at_checked(3 + inside.find("***")? + 3);
    }
    ["EXTERNAL:", "External:", "EXT:", "SPAM:", "SPAM", "(EXT)", "{SPAM}", "{Spam?}", "CAUTION:"]
        .iter()
        .find(|word| text.starts_with(**word))
        .and_then(|word| text.split_at_checked(word.len()))
}

/// The value of a field in the part header that ends where a body begins.
fn field_before(message: &Message, body: usize, name: &[u8]) -> Option<Vec<u8>> {
    let text = message.text().get(..body)?;
    let header = text.get(memchr::memmem::rfind(text, b"\r\n--")? + 2..)?;
    let after = header.get(memchr::memchr(b'\n', header)? + 1..)?;
    let cut = crate::message::parse::cut(after);
    let is_it = |span: crate::finding::Span| span.of(after).is_some_and(|found| found.eq_ignore_ascii_case(name));
    let field = cut.fields.iter().find(|field| is_it(field.name))?;
    field.value.of(after).map(<[u8]>::to_vec)
}

fn unfold(field: &[u8]) -> Vec<u8> {
    let inner = field.strip_suffix(b"\r\n").unwrap_or(field);
    let mut out: Vec<u8> = Vec::with_capacity(field.len());
    for (at, line) in inner.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(if at > 0 { line.trim_ascii_start() } else { line });
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn refold(field: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(field.len());
    for line in field.split_inclusive(|byte| *byte == b'\n') {
        if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            out.extend_from_slice(with);
            out.extend_from_slice(line.trim_ascii_start());
            if !out.ends_with(b"\r\n") {
                out.extend_from_slice(b"\r\n");
            }
        } else {
            out.extend_from_slice(line);
        }
    }
    out
}

fn trim_lines(field: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(field.len());
    for line in field.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(line.trim_ascii_end());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Whether the signature verifies with some changes made.
pub(super) fn holds(message: &Message, one: &Judged<'_>, made: &[&Change]) -> bool {
    let canon = one.signature.header_canon;
    let mut data = Vec::new();
    for (place, index) in one.cover.fields.iter().enumerate() {
        let changed = made.iter().find(|change| change.place == Some(place));
        let field = match (changed, index.and_then(|index| message.field(index))) {
            (Some(change), _) => change.field.clone(),
            (None, Some(field)) => Some(field.whole().to_vec()),
            (None, None) => None,
        };
        let Some(mut field) = field else { continue };
        for every in made.iter().filter_map(|change| change.every) {
            field = every(&field);
        }
        canonical_field(canon, &field, &mut data);
    }
    if let Some(own) = message.field(one.signature.field) {
        own_field(canon, own.whole(), &mut data);
    }
    let KeyLook::Found(_, keys) = &one.key else { return false };
    let (hash, value) = (one.signature.algorithm.hash(), &one.signature.value);
    keys.iter().any(|found| verify(&found.key.public, hash, &data, value) == Math::Valid)
}

/// The combinations to try: each alone, then each pair that does not speak of one field twice.
pub(super) fn combinations(count: usize, changes: &[Change]) -> Vec<Vec<usize>> {
    let singles = (0..count).map(|one| vec![one]);
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| vec![a, b]));
    let apart = |made: &Vec<usize>| match made.as_slice() {
        [a, b] => match (changes.get(*a), changes.get(*b)) {
            (Some(a), Some(b)) => a.place != b.place,
            _ => false,
        },
        _ => true,
    };
    singles.chain(pairs).filter(apart).take(MAX_TRIES).collect()
}

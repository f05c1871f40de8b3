//! Bytes that were given as a message and are none: what they seem to be instead, and what to do, in a sentence each. A
//! guess from the first bytes and lines; it decides nothing but the words, and is made only after no header was found, or
//! where the "header" is plainly another form of `word: text`.

use crate::job::Refusal;
use crate::message::lines::{field_name, lines};
use crate::message::reading::Stopped;
use crate::name::Name;
use crate::records::lint::Pasted;

/// How many bytes at the start decide; what is longer is told apart by its beginning.
const HEAD_BYTES: usize = 16 * 1024;
/// How many lines at the top decide.
const LOOK: usize = 40;

/// Where to get what is missing.
const GET_THE_SOURCE: &str = "Copy the mail's whole source and paste that: Gmail \"Show original\", Outlook on the web \"View message source\", Apple Mail \"Raw Source\", Thunderbird \"View Source\"; or open the .eml file.";

/// Why some bytes are not a message at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMessage {
    /// Nothing, or white space alone.
    Empty,
    /// An Outlook `.msg` (or another OLE2) file.
    Outlook,
    /// They do not begin with a header line; what they seem to be.
    NoHeader(Seems),
    /// Nobody wants it any more.
    Stopped,
}

/// What bytes without a header seem to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seems {
    /// Lines that each name a domain: bare, in a web address or in a mail address. The first of them.
    Names(NameForm, Name),
    /// A DNS record or policy file that [`crate::records::lint`] knows.
    Record(Pasted),
    /// What a mail server and its client said.
    Dialogue,
    /// A web page.
    Html,
    /// A JSON document.
    Json,
    /// Base64 whose content is no message.
    Base64,
    /// A file of a kind that its first bytes tell.
    File(&'static str),
    /// Bytes that are no text.
    Bytes,
    /// Running text.
    Text,
}

/// How a domain was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameForm {
    /// `example.org`
    Domain,
    /// `https://example.org/path`
    Url,
    /// `ann@example.org`
    Mailbox,
}

impl From<Stopped> for NotMessage {
    fn from(_: Stopped) -> NotMessage {
        NotMessage::Stopped
    }
}

impl std::fmt::Display for NotMessage {
    /// Both sentences on one line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Refusal { what, advice, .. } = self.refusal();
        write!(f, "{what}")?;
        if advice.is_empty() { Ok(()) } else { write!(f, " {advice}") }
    }
}

impl NotMessage {
    /// What a person is told.
    pub fn refusal(&self) -> Refusal {
        let (what, advice) = match self {
            NotMessage::Empty => ("Nothing is there: the message is empty.".to_owned(), GET_THE_SOURCE.to_owned()),
            NotMessage::Outlook => (
                "This is an Outlook .msg file, which does not hold the message as it was sent.".to_owned(),
                "In Outlook, open the message, then File > Properties > Internet headers; or have it sent on as an attachment (.eml)."
                    .to_owned(),
            ),
            NotMessage::NoHeader(seems) => (seems.sentence(), seems.advice()),
            NotMessage::Stopped => ("The reading was stopped.".to_owned(), String::new()),
        };
        let domain = match self {
            NotMessage::NoHeader(Seems::Names(_, name)) => Some(name.clone()),
            NotMessage::NoHeader(_) | NotMessage::Empty | NotMessage::Outlook | NotMessage::Stopped => None,
        };
        Refusal { what, advice, domain }
    }
}

impl Seems {
    /// Guesses.
    pub(super) fn of(raw: &[u8]) -> Seems {
        let head = raw.get(..HEAD_BYTES).unwrap_or(raw);
        if let Some(kind) = file_kind(head) {
            return Seems::File(kind);
        }
        let text = String::from_utf8_lossy(head);
        // Bytes of a legacy charset are text all the same; zero bytes and many controls are not.
        let odd = text.chars().filter(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t' | '\u{c}')).count();
        if odd * 20 > text.chars().count() || head.contains(&0) {
            return Seems::Bytes;
        }
        let text = text.trim();
        if let Some(other) = Seems::other_form(text) {
            return other;
        }
        let lower = text.get(..15).unwrap_or(text).to_ascii_lowercase();
        if lower.starts_with("<!doctype html") || (lower.starts_with('<') && text.contains('>')) {
            return Seems::Html;
        }
        let braced = (text.starts_with('{') && text.contains('"')) || text.starts_with("[{") || text.starts_with("[\"");
        if braced {
            return Seems::Json;
        }
        if let Some(record) = Pasted::recognise(text) {
            return Seems::Record(record);
        }
        let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte);
        if text.len() >= 64 && text.bytes().all(is_code) && text.bytes().any(|byte| byte.is_ascii_digit()) {
            return Seems::Base64;
        }
        Seems::Text
    }

    /// What reads as `name: value` at its top and is another form: a list of web addresses, a policy file, a dialogue that
    /// somebody noted with `S:` and `C:`. `None` for everything that may be a header.
    pub(super) fn other_form(text: &str) -> Option<Seems> {
        let top: Vec<&str> =
            text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).take(LOOK).collect();
        if let Some(names) = names(&top) {
            return Some(names);
        }
        let says = |line: &&str, mark: &str| line.get(..mark.len()).is_some_and(|m| m.eq_ignore_ascii_case(mark));
        let first = top.first()?;
        if says(first, "version:") && first.contains("STSv1") && top.iter().any(|line| says(line, "mode:")) {
            return Some(Seems::Record(Pasted::MtaStsPolicy));
        }
        let spoken =
            |line: &&str| ["S:", "C:", "<-", "->", "<~", "~>"].iter().any(|mark| says(line, mark)) || is_reply(line);
        if spoken(first) && top.iter().filter(|line| spoken(line)).count() * 2 > top.len() && top.len() > 1 {
            return Some(Seems::Dialogue);
        }
        None
    }

    fn sentence(&self) -> String {
        match self {
            Seems::Names(NameForm::Domain, name) => format!("This is the name of a domain ({name}) and no message."),
            Seems::Names(NameForm::Url, name) => {
                format!("This is a web address (at {name}) and no message; it was not opened.")
            }
            Seems::Names(NameForm::Mailbox, name) => format!("This is a mail address (at {name}) and no message."),
            Seems::Record(record) => format!("This seems to be {} and no message.", record.words()),
            Seems::Dialogue => "This seems to be a dialogue with a mail server and no message.".to_owned(),
            Seems::Html => {
                "This seems to be a web page (HTML) and no message: it does not begin with a header (\"Name: value\").".to_owned()
            }
            Seems::Json => "This seems to be JSON and no message.".to_owned(),
            Seems::Base64 => {
                "This seems to be base64, and decoded it does not begin with a header: one part of a mail, perhaps, and no message."
                    .to_owned()
            }
            Seems::File(kind) => format!("This is {kind} and no message."),
            Seems::Bytes => {
                "These bytes are no text and no message: they do not begin with a header (\"Name: value\").".to_owned()
            }
            Seems::Text => {
                "This seems to be running text: it does not begin with a header (\"Name: value\"). Of a mail's text alone nothing can be verified; what can be stands in its header."
                    .to_owned()
            }
        }
    }

    fn advice(&self) -> String {
        match self {
            Seems::Names(_, name) => format!("What that domain publishes: mxray domain {name}"),
            Seems::Record(_) => "Judged by itself: mxray lint - reads it from standard input. At its domain, w tries what a text would change.".to_owned(),
            Seems::Dialogue => "Pasted into mxray as a whole it opens in the SMTP pane; mxray smtp - reads it from standard input.".to_owned(),
            Seems::Json => {
                "A case file is replayed with mxray --case FILE; a report is only read. A message has to be its source.".to_owned()
            }
            Seems::File(_) => {
                "If it came with a mail, open the mail itself: save it as .eml, or copy its source (Gmail \"Show original\").".to_owned()
            }
            Seems::Html | Seems::Base64 | Seems::Bytes | Seems::Text => GET_THE_SOURCE.to_owned(),
        }
    }
}

/// Lines that each hold one name and nothing else.
fn names(top: &[&str]) -> Option<Seems> {
    let all: Option<Vec<(NameForm, Name)>> = top.iter().map(|line| name(line)).collect();
    let (form, name) = all?.into_iter().next()?;
    Some(Seems::Names(form, name))
}

fn name(line: &str) -> Option<(NameForm, Name)> {
    if line.contains(char::is_whitespace) {
        return None;
    }
    let form = match (line.split_once("://"), line.contains('@')) {
        (Some((scheme, _)), _) => scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(NameForm::Url)?,
        (None, true) => NameForm::Mailbox,
        // `To:ann` and `a.b:c` are fields.
        (None, false) if line.contains(':') => return None,
        (None, false) => NameForm::Domain,
    };
    if form == NameForm::Mailbox && field_name(line.as_bytes()).is_some() && !line.starts_with("mailto:") {
        return None;
    }
    let name = Name::parse(line).ok()?;
    let top_level = name.labels().last().map(|label| label.bytes().any(|byte| byte.is_ascii_alphabetic()));
    (name.label_count() > 1 && top_level == Some(true)).then_some((form, name))
}

/// `250-PIPELINING`: three digits, then a blank, a hyphen or nothing (RFC 5321 §4.2).
fn is_reply(line: &str) -> bool {
    let (code, rest) = line.split_at_checked(3).unwrap_or_default();
    code.len() == 3
        && code.starts_with(['2', '3', '4', '5'])
        && code.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with([' ', '-']))
}

/// Kinds of files that people take for the mail that they came with.
fn file_kind(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 12] = [
        (b"%PDF-", "a PDF file"),
        (b"\x89PNG\r\n", "a picture (PNG)"),
        (b"\xff\xd8\xff", "a picture (JPEG)"),
        (b"GIF8", "a picture (GIF)"),
        (b"PK\x03\x04", "a ZIP archive (or an office document)"),
        (b"\x1f\x8b", "a gzip file: unpack it first,"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!", "a RAR archive"),
        (b"!BDN", "an Outlook mailbox (.pst)"),
        (b"\x78\x9f\x3e\x22", "a winmail.dat (TNEF)"),
        (b"\x7fELF", "a program (ELF)"),
        (b"MZ\x90", "a program (Windows)"),
    ];
    KINDS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| *kind)
}

/// Whether the text, which begins with a header line, is one of the other forms that do so too.
pub(super) fn disguised(text: &[u8]) -> Option<Seems> {
    // A look at the first line is enough for nearly every message.
    let first = lines(text).find(|line| !line.bytes.is_empty())?.bytes;
    let (length, _) = field_name(first)?;
    let name = first.get(..length)?.to_ascii_lowercase();
    let suspect = matches!(name.as_slice(), b"s" | b"c" | b"version") || first.windows(3).any(|three| three == b"://");
    if !suspect {
        return None;
    }
    let head = text.get(..HEAD_BYTES).unwrap_or(text);
    Seems::other_form(&String::from_utf8_lossy(head))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::Envelope;
    use crate::message::Message;

    fn seems(raw: &[u8]) -> Option<Seems> {
        match Message::parse(Arc::from(raw), Envelope::default()) {
            Err(NotMessage::NoHeader(seems)) => Some(seems),
            Err(other) => panic!("{other:?}"),
            Ok(_) => None,
        }
    }

    #[test]
    fn what_is_no_message_is_called_what_it_seems_to_be() {
        let name = |text: &str| Name::from_text(text).unwrap();
        let at = |form, text| Some(Seems::Names(form, name(text)));
        let code = "TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcmsuIE1hbnkgaGFuZHMgbWFrZSBsaWdodCB3b3JrLiAx\nMjM=\n";
        for (raw, what) in [
            ("example.org\nexample.com\n", at(NameForm::Domain, "example.org")),
            ("https://example.org/a?b=c\nhttps://example.com/\n", at(NameForm::Url, "example.org")),
            ("ann@example.org\nbob@example.com\n", at(NameForm::Mailbox, "example.org")),
            ("v=DMARC1; p=none;\n rua=mailto:a@b.example\n", Some(Seems::Record(Pasted::Dmarc))),
            ("v=spf1 include:a.example\n -all\n", Some(Seems::Record(Pasted::Spf))),
            ("version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n", Some(Seems::Record(Pasted::MtaStsPolicy))),
            ("S: 220 a ESMTP\nC: EHLO b\nS: 250 a\nC: QUIT\n", Some(Seems::Dialogue)),
            ("220 a.example ESMTP\nEHLO b\n250-a.example\n250 PIPELINING\n", Some(Seems::Dialogue)),
            ("<!DOCTYPE html>\n<html><body><p>Hello</p></body></html>\n", Some(Seems::Html)),
            ("{\n \"schema\": 1\n}\n", Some(Seems::Json)),
            (code, Some(Seems::Base64)),
            ("%PDF-1.7\n1 0 obj\n", Some(Seems::File("a PDF file"))),
            ("\u{1}\u{2}\u{3}\u{0}\u{0}\n\u{4}", Some(Seems::Bytes)),
            ("Hello Ann,\nhow are you? See example.org\n", Some(Seems::Text)),
            ("Grüße aus Köln\nbis bald\n", Some(Seems::Text)),
        ] {
            assert_eq!(seems(raw.as_bytes()), what, "{raw:?}");
        }
        assert_eq!(seems(b"Sch\xf6ne Gr\xfc\xdfe\nbis bald\n"), Some(Seems::Text), "Latin-1 is text");
    }

    #[test]
    fn odd_headers_stay_headers() {
        for raw in [
            "To:ann@example.org\n\nhi\n",
            "C: 1\n\nhi\n",
            "S: hello\nFrom: a@b.example\nTo: c@d.example\n\nhi\n",
            "version: 2\nFrom: a@b.example\n\nhi\n",
            "X-Url: https://example.org/\nFrom: a@b.example\n\nhi\n",
            "X:https://example.org/\n\nhi\n",
            "A: 1\n\nhttps://example.org\n",
        ] {
            assert_eq!(seems(raw.as_bytes()), None, "{raw:?}");
        }
    }

    #[test]
    fn every_refusal_says_what_it_is_and_what_to_do_on_one_line() {
        let kinds = [
            NotMessage::Empty,
            NotMessage::Outlook,
            NotMessage::NoHeader(Seems::Html),
            NotMessage::NoHeader(Seems::Json),
            NotMessage::NoHeader(Seems::Base64),
            NotMessage::NoHeader(Seems::Bytes),
            NotMessage::NoHeader(Seems::Text),
            NotMessage::NoHeader(Seems::Dialogue),
            NotMessage::NoHeader(Seems::File("a PDF file")),
            NotMessage::NoHeader(Seems::Record(Pasted::Bimi)),
        ];
        for kind in kinds {
            let Refusal { what, advice, domain } = kind.refusal();
            assert!(what.ends_with('.') && !advice.is_empty() && domain.is_none(), "{kind:?}");
            assert!(!kind.to_string().contains('\n'), "{kind}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_seem_to_be_something(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let told = NotMessage::NoHeader(Seems::of(&bytes)).to_string();
            proptest::prop_assert!(!told.contains('\n'));
        }
    }
}

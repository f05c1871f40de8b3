//! A paste made whole again, told and reversible. What terminals, webmail and people do to a raw message on its way is
//! recognised and undone, one step after the other; every step that changed something leaves a [`Repair`], and what gives the
//! bytes as they came back ([`edits`]): the original is one key away, and no second copy of it is kept.
//!
//! A clean message with CRLF line ends passes through without being copied. Nothing is guessed that would change what a
//! person reads; what cannot be undone (bytes lost to U+FFFD) is only noticed.

mod copies;
mod edits;
mod header;
mod line_ends;
mod mbox;

use std::borrow::Cow;

use serde::Serialize;

use crate::message::not_message::NotMessage;
use crate::message::reading::Watch;
use edits::{Rewrite, Undo};

pub use mbox::{mbox_entries, mbox_messages};

/// How many bytes of a message are read; past it the rest is left out. Four times the largest mail that big providers
/// take, so that nothing real is cut.
pub const MAX_BYTES: usize = 100 * 1024 * 1024;
/// How many bytes at the start decide what kind of copy this is.
const HEAD_BYTES: usize = 64 * 1024;

/// One thing that was done to the bytes, or noticed in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// What it was.
    #[serde(rename = "id")]
    pub kind: RepairKind,
    /// How many times (lines, characters, messages; what is counted stands in the text).
    pub count: usize,
}

/// What can happen to a message on its way into a paste.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepairKind {
    /// A byte order mark stood before the first header.
    ByteOrderMark,
    /// The text was UTF-16.
    Utf16,
    /// Line ends were CR alone.
    CarriageReturns,
    /// Line ends were LF alone.
    LineFeeds,
    /// Some line ends were CRLF, others not.
    MixedLineEnds,
    /// Blank lines stood before the first header.
    LeadingBlankLines,
    /// The whole message was in base64.
    Base64,
    /// The whole message was in quoted-printable.
    QuotedPrintable,
    /// The message was copied as HTML.
    Html,
    /// It came out of a mailbox file: the separator line is gone, `>From ` is `From ` again.
    Mbox,
    /// Every line was quoted with `>`.
    Quoted,
    /// Every line was indented.
    Indented,
    /// A blank line stood after every line.
    DoubleSpaced,
    /// Header lines were folded without the white space that folding needs.
    Refolded,
    /// Typographic quotes or blanks stood in fields that machines read.
    SmartQuotes,
    /// The blank line between header and body was lost.
    LostBlankLine,
    /// The last line has no line end.
    LostLastLineEnd,
    /// Characters were lost to U+FFFD; nothing can bring them back.
    LostCharacters,
    /// The message was longer than we read.
    Cut,
    /// This is a list of names and values that a webmail page shows, not a message's source.
    WebmailList,
}

impl RepairKind {
    /// The finding's id.
    pub fn id(self) -> &'static str {
        match self {
            RepairKind::ByteOrderMark => "message.repaired.byte-order-mark",
            RepairKind::Utf16 => "message.repaired.utf-16",
            RepairKind::CarriageReturns => "message.repaired.carriage-returns",
            RepairKind::LineFeeds => "message.repaired.line-feeds",
            RepairKind::MixedLineEnds => "message.repaired.mixed-line-ends",
            RepairKind::LeadingBlankLines => "message.repaired.leading-blank-lines",
            RepairKind::Base64 => "message.repaired.base64",
            RepairKind::QuotedPrintable => "message.repaired.quoted-printable",
            RepairKind::Html => "message.repaired.html",
            RepairKind::Mbox => "message.repaired.mbox",
            RepairKind::Quoted => "message.repaired.quoted",
            RepairKind::Indented => "message.repaired.indented",
            RepairKind::DoubleSpaced => "message.repaired.double-spaced",
            RepairKind::Refolded => "message.repaired.refolded",
            RepairKind::SmartQuotes => "message.repaired.smart-quotes",
            RepairKind::LostBlankLine => "message.repaired.lost-blank-line",
            RepairKind::LostLastLineEnd => "message.repaired.lost-last-line-end",
            RepairKind::LostCharacters => "message.lost-characters",
            RepairKind::Cut => "message.cut",
            RepairKind::WebmailList => "message.webmail-list",
        }
    }

    /// Whether body and header may differ from what was signed because of this, so that a failing signature proves
    /// nothing against the sender.
    pub fn is_lossy(self) -> bool {
        match self {
            RepairKind::Html
            | RepairKind::Quoted
            | RepairKind::Indented
            | RepairKind::DoubleSpaced
            | RepairKind::Refolded
            | RepairKind::SmartQuotes
            | RepairKind::LostBlankLine
            | RepairKind::LostCharacters
            | RepairKind::Cut
            | RepairKind::WebmailList
            | RepairKind::Mbox
            | RepairKind::Utf16 => true,
            RepairKind::ByteOrderMark
            | RepairKind::CarriageReturns
            | RepairKind::LineFeeds
            | RepairKind::MixedLineEnds
            | RepairKind::LeadingBlankLines
            | RepairKind::Base64
            | RepairKind::QuotedPrintable
            | RepairKind::LostLastLineEnd => false,
        }
    }
}

impl Repair {
    /// What was done, in whole sentences.
    pub fn text(&self) -> String {
        let n = self.count;
        match self.kind {
            RepairKind::ByteOrderMark => "A byte order mark stood before the first header; it was left out.".into(),
            RepairKind::Utf16 => "The text was UTF-16 and was made UTF-8. Mail is bytes, so bytes beyond ASCII may differ from what was signed.".into(),
            RepairKind::CarriageReturns => format!("All {n} line ends were CR alone, as terminals paste them; they are CRLF again, as mail has them."),
            RepairKind::LineFeeds => format!("All {n} line ends were LF alone, as files have them; they are CRLF again, as mail has them."),
            RepairKind::MixedLineEnds => format!("{n} line ends were not CRLF while others were; all are CRLF now."),
            RepairKind::LeadingBlankLines => format!("{n} blank lines before the first header were left out."),
            RepairKind::Base64 => "The whole message was in base64 and was decoded.".into(),
            RepairKind::QuotedPrintable => format!("The whole message was in quoted-printable and was decoded ({n} escapes)."),
            RepairKind::Html => "The message was copied as HTML: tags were taken out and entities decoded. White space may differ from what was signed.".into(),
            RepairKind::Mbox if n > 1 => format!("This is a mailbox with {n} messages; the first is judged here. All are listed in this section: Enter opens another, on the command line --message N does. Its separator line was left out and \">From \" at line starts became \"From \" again."),
            RepairKind::Mbox => "The message came out of a mailbox file: the separator line was left out and \">From \" at line starts became \"From \" again.".into(),
            RepairKind::Quoted => format!("{n} lines were quoted with \">\"; one quote mark a line was taken away."),
            RepairKind::Indented => format!("{n} lines were indented alike; the indentation was taken away."),
            RepairKind::DoubleSpaced => format!("A blank line stood after every line; {n} of them were taken away."),
            RepairKind::Refolded => format!("{n} header lines had lost the blank that marks a folded line; they were joined to the field above. A relaxed signature does not notice, a simple one does."),
            RepairKind::SmartQuotes => format!("{n} typographic quotes or blanks stood in headers that machines read; they became plain ones."),
            RepairKind::LostBlankLine => "The blank line between header and body was lost; it was put back before the first line that is no header.".into(),
            RepairKind::LostLastLineEnd => "The last line has no line end; signatures are judged as if it had one (RFC 6376 §3.4.3).".into(),
            RepairKind::LostCharacters => format!("{n} characters were lost to U+FFFD before they came here: a paste or an editor could not read those bytes, and nothing brings them back. A signature over them cannot verify; open the file itself instead."),
            RepairKind::Cut => format!("The message is longer than the {} MB that are read; {n} bytes were left out.", MAX_BYTES / (1024 * 1024)),
            RepairKind::WebmailList => "This is the list of names and values that a webmail page shows, not the message's source: what would be verified is not in it.".into(),
        }
    }
}

/// What a repair made of the bytes as they came.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    /// The repaired text with what undoes it; `None` when the bytes were good as they came.
    pub text: Option<(Vec<u8>, Edits)>,
    /// What was done, in order.
    pub repairs: Vec<Repair>,
}

/// What gives the original back: the steps in the order they were done, and what lay past [`MAX_BYTES`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edits {
    undo: Vec<Undo>,
    cut: Vec<u8>,
}

impl Edits {
    /// The bytes as they came, from the repaired text.
    pub fn original(&self, text: &[u8]) -> Vec<u8> {
        let mut before: Option<Vec<u8>> = None;
        for undo in self.undo.iter().rev() {
            before = Some(undo.apply(before.as_deref().unwrap_or(text)));
        }
        let mut original = before.unwrap_or_else(|| text.to_vec());
        original.extend_from_slice(&self.cut);
        original
    }
}

/// What a step made of a text.
#[derive(Debug)]
struct Mended {
    text: Vec<u8>,
    undo: Undo,
    repair: Repair,
}

impl Mended {
    fn new(text: Vec<u8>, undo: Undo, kind: RepairKind, count: usize) -> Mended {
        Mended { text, undo, repair: Repair { kind, count } }
    }

    fn by(rewrite: Rewrite<'_>, kind: RepairKind, count: usize) -> Mended {
        let (text, undo) = rewrite.end();
        Mended::new(text, undo, kind, count)
    }
}

/// One step: what it made of the text, or `None` when there was nothing to do.
type Step = fn(&[u8]) -> Option<Mended>;

/// Steps that find a text inside another one; line ends come after each of them, because what comes out has its own.
const UNWRAP: &[Step] = &[line_ends::byte_order_mark, line_ends::leading_blank_lines, copies::html, copies::base64];
/// Steps on a text with CRLF line ends, in this order.
const MEND: &[Step] = &[
    line_ends::leading_blank_lines,
    mbox::separator,
    copies::double_spaced,
    copies::quoted,
    copies::indented,
    copies::quoted_printable,
    header::refolded,
    header::smart_quotes,
    header::lost_blank_line,
];

/// Makes a text with CRLF line ends of any bytes, or says why they are no message.
pub(super) fn repair(raw: &[u8], watch: Watch<'_>) -> Result<Repaired, NotMessage> {
    if raw.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Err(NotMessage::Outlook);
    }
    let mut repairs = Vec::new();
    let cut = raw.get(..MAX_BYTES).unwrap_or(raw);
    if cut.len() < raw.len() {
        repairs.push(Repair { kind: RepairKind::Cut, count: raw.len() - cut.len() });
    }
    let mut edits = Edits { undo: Vec::new(), cut: raw.get(cut.len()..).unwrap_or_default().to_vec() };
    let mut text = Cow::Borrowed(cut);
    let steps = UNWRAP.iter().chain([&(line_ends::crlf as Step)]).chain(MEND);
    let of = UNWRAP.len() + 1 + MEND.len();
    for (number, step) in steps.enumerate() {
        watch.reached("undoing what a paste does", number as u64, of as u64)?;
        take(*step, &mut text, &mut repairs, &mut edits);
    }
    watch.reached("undoing what a paste does", of as u64, of as u64)?;
    if text.iter().take(HEAD_BYTES).all(u8::is_ascii_whitespace) {
        return Err(NotMessage::Empty);
    }
    notice(&text, &mut repairs);
    Ok(Repaired {
        text: match text {
            Cow::Owned(text) => Some((text, edits)),
            Cow::Borrowed(part) if part.len() < raw.len() => Some((part.to_vec(), edits)),
            Cow::Borrowed(_) => None,
        },
        repairs,
    })
}

fn take(step: Step, text: &mut Cow<'_, [u8]>, repairs: &mut Vec<Repair>, edits: &mut Edits) {
    if let Some(mended) = step(text) {
        *text = Cow::Owned(mended.text);
        repairs.push(mended.repair);
        edits.undo.push(mended.undo);
    }
}

/// What is told and not changed.
fn notice(text: &[u8], repairs: &mut Vec<Repair>) {
    let lost = memchr::memmem::find_iter(text, "\u{fffd}".as_bytes()).count();
    if lost > 0 {
        repairs.push(Repair { kind: RepairKind::LostCharacters, count: lost });
    }
    if !text.ends_with(b"\n") {
        repairs.push(Repair { kind: RepairKind::LostLastLineEnd, count: 1 });
    }
    if header::is_webmail_list(text) {
        repairs.push(Repair { kind: RepairKind::WebmailList, count: 1 });
    }
}

/// The part of a text that decides what kind of copy it is.
fn head(text: &[u8]) -> &[u8] {
    text.get(..HEAD_BYTES).unwrap_or(text)
}

#[cfg(test)]
mod tests;

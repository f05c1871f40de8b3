//! A pasted email, laid open and verified again: parsed and repaired once ([`Message::parse`]), then judged by the checks
//! of [`ALL`] over evidence. Where others believe the headers, these recompute them.
//!
//! One file or folder a section, each in the order *parse, evaluate, tests*. A new check is one new file, its `mod` line
//! and its line in [`ALL`]; what several need (identities, the border, signatures) are pure functions that each calls with
//! its own `seen`: equal questions join in the engine.
//!
//! Work that needs no evidence (repair, cutting, canonicalising and hashing the body) is done in [`Message::parse`], off
//! the screen's path; a step never touches the body again.

pub mod address;
pub mod alignment;
pub mod arc;
pub mod autopsy;
pub mod canonical;
pub mod claimed;
pub mod copy;
pub mod dkim;
pub mod dmarc;
pub mod drafts;
pub mod envelope;
mod field;
mod headers;
pub mod hops;
pub mod identities;
mod lines;
mod mailbox;
pub mod mime;
mod not_message;
mod parse;
mod reading;
pub mod received;
mod repair;
pub mod spf;
pub mod vendor;
mod verdict;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

pub use field::{Field, FieldRef};
pub use not_message::{NameForm, NotMessage, Seems};
pub use parse::{MAX_FIELD_BYTES, MAX_FIELDS};
pub use reading::Reached;
pub use repair::{MAX_BYTES, Repair, RepairKind, mbox_entries, mbox_messages};

use time::OffsetDateTime;

use crate::check::{Check, Subject};
use crate::job::Envelope;
use crate::message::address::Author;
use crate::message::canonical::{BodyHash, Wanted, watched_hashes};
use crate::message::dkim::{Flavor, MAX_SIGNATURES, Signature};
use crate::message::reading::{Stopped, Watch};
use crate::message::received::Received;
use crate::report::{Section, Table, VerdictLine};

/// Every check of a message, in the fixed order of the sections.
pub const ALL: &[&dyn Check<Message>] = &[
    &dmarc::Dmarc,
    &dkim::Dkim,
    &spf::Spf,
    &arc::Arc,
    &identities::Identities,
    &hops::Hops,
    &claimed::Claimed,
    &autopsy::Autopsy,
    &mime::Mime,
    &vendor::Vendor,
    &drafts::Drafts,
    &headers::Headers,
];

/// A message as it is judged.
#[derive(Debug)]
pub struct Message {
    text: Text,
    repairs: Vec<Repair>,
    cut: parse::Cut,
    envelope: Envelope,
    read: Read,
}

/// The bytes that are judged.
#[derive(Debug)]
enum Text {
    /// As they came.
    Same(Arc<[u8]>),
    /// Repaired, with what gives the original back.
    Repaired(Vec<u8>, repair::Edits),
}

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Text::Same(raw) => raw,
            Text::Repaired(text, _) => text,
        }
    }
}

/// What is read out of the header once, because no evidence is needed for it.
#[derive(Debug, Default)]
struct Read {
    author: Option<Author>,
    signatures: Vec<Signature>,
    unread_signatures: usize,
    arc: arc::Sets,
    /// One a DKIM signature, then one a message signature of ARC, in the order of their sets.
    hashes: Vec<BodyHash>,
    hops: Vec<(usize, Received)>,
    border: Option<envelope::Border>,
    known: envelope::Known,
}

impl Message {
    /// Repairs, cuts and hashes a message. Takes time in proportion to its size (25 MB: some dozens of milliseconds), so
    /// it belongs off the async workers.
    pub fn parse(raw: Arc<[u8]>, envelope: Envelope) -> Result<Message, NotMessage> {
        Message::parse_watched(raw, envelope, &|_| true)
    }

    /// The same; `watch` hears now and then how far it is and says whether to go on.
    pub fn parse_watched(
        raw: Arc<[u8]>,
        envelope: Envelope,
        watch: &dyn Fn(Reached) -> bool,
    ) -> Result<Message, NotMessage> {
        let watch = Watch::of(watch);
        let repair::Repaired { text, repairs } = repair::repair(&raw, watch)?;
        let text = match text {
            None => Text::Same(raw),
            Some((text, edits)) => {
                drop(raw);
                Text::Repaired(text, edits)
            }
        };
        let cut = parse::cut(text.bytes());
        if cut.fields.is_empty() {
            return Err(NotMessage::NoHeader(Seems::of(text.bytes())));
        }
        if let Some(seems) = not_message::disguised(text.bytes()) {
            return Err(NotMessage::NoHeader(seems));
        }
        let mut message = Message { text, repairs, cut, envelope, read: Read::default() };
        message.read = message.read(watch)?;
        Ok(message)
    }

    fn read(&self, watch: Watch<'_>) -> Result<Read, Stopped> {
        let mut fields = self.named("dkim-signature");
        let signatures: Vec<Signature> =
            fields.by_ref().take(MAX_SIGNATURES).map(|field| Signature::parse(field, Flavor::Dkim)).collect();
        let unread_signatures = fields.count();
        let arc = arc::Sets::read(self);
        let sealed = arc.sets.iter().filter_map(|set| set.message_signature.as_ref());
        let wanted: Vec<Wanted> = signatures.iter().chain(sealed).map(wanted).collect();
        let hashes = self.body().map(|body| watched_hashes(body, &wanted, watch)).transpose()?.unwrap_or_default();
        let hops = envelope::hops(self);
        // The listener is the border: whatever stands in a message that it took was written before it.
        let itself = self.envelope.heard.is_some() && self.envelope.hop.is_none();
        let border = if itself { None } else { envelope::border(self, &hops, self.envelope.hop) };
        let known = envelope::known(self, &hops, border.as_ref());
        Ok(Read { author: Some(Author::of(self)), signatures, unread_signatures, arc, hashes, hops, border, known })
    }

    /// The bytes as they came. After a repair they are rebuilt from the text and the list of edits, which takes as long as
    /// the repair did.
    pub fn original(&self) -> Cow<'_, [u8]> {
        match &self.text {
            Text::Same(raw) => Cow::Borrowed(raw),
            Text::Repaired(text, edits) => Cow::Owned(edits.original(text)),
        }
    }

    /// The bytes that are judged: CRLF line ends, repairs applied. Every span of a field lies in here.
    pub fn text(&self) -> &[u8] {
        self.text.bytes()
    }

    /// What was done to get the text.
    pub fn repairs(&self) -> &[Repair] {
        &self.repairs
    }

    /// Whether a repair was of a kind that may have changed what a signature covers.
    pub fn is_lossy(&self) -> bool {
        self.repairs.iter().any(|repair| repair.kind.is_lossy())
    }

    /// What the person says of the envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The header fields, the topmost first.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = FieldRef<'_>> + ExactSizeIterator {
        let text = self.text();
        self.cut.fields.iter().enumerate().map(move |(index, field)| FieldRef::new(index, field, text))
    }

    /// The header field at a place, counted from 0 at the top.
    pub fn field(&self, index: usize) -> Option<FieldRef<'_>> {
        self.cut.fields.get(index).map(|field| FieldRef::new(index, field, self.text()))
    }

    /// The fields of one name, the topmost first; case does not count.
    pub fn named<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = FieldRef<'a>> {
        self.fields().filter(move |field| field.is(name))
    }

    /// How many fields were left out because the header has more than [`MAX_FIELDS`].
    pub fn skipped_fields(&self) -> usize {
        self.cut.skipped
    }

    /// How many fields are longer than [`MAX_FIELD_BYTES`].
    pub fn long_fields(&self) -> usize {
        self.cut.long
    }

    /// Where the body starts in [`Message::text`]; `None` when only headers were pasted.
    pub fn body_start(&self) -> Option<usize> {
        self.cut.body
    }

    /// The body; `None` when only headers were pasted.
    pub fn body(&self) -> Option<&[u8]> {
        self.cut.body.and_then(|start| self.text().get(start..))
    }

    /// Whose mail it says it is.
    pub fn author(&self) -> &Author {
        self.read.author.as_ref().unwrap_or(&Author::Nobody("it was not read"))
    }

    /// The DKIM signatures, the topmost first, at most [`MAX_SIGNATURES`].
    pub fn signatures(&self) -> &[Signature] {
        &self.read.signatures
    }

    /// How many DKIM signatures stand past [`MAX_SIGNATURES`].
    pub fn unread_signatures(&self) -> usize {
        self.read.unread_signatures
    }

    /// The body hash that the signature at a place of [`Message::signatures`] wants; `None` without a body.
    pub fn signature_hash(&self, at: usize) -> Option<&BodyHash> {
        self.read.hashes.get(at)
    }

    /// The ARC sets.
    pub fn arc_sets(&self) -> &arc::Sets {
        &self.read.arc
    }

    /// The body hash that the ARC message signature of an instance wants; `None` without a body.
    pub fn arc_hash(&self, instance: u32) -> Option<&BodyHash> {
        let sealed = self.read.arc.sets.iter().filter(|set| set.message_signature.is_some());
        let at = sealed.into_iter().position(|set| set.instance == instance)?;
        self.read.hashes.get(self.read.signatures.len() + at)
    }

    /// The `Received` fields, the topmost first, with their places among the header fields.
    pub fn hops(&self) -> &[(usize, Received)] {
        &self.read.hops
    }

    /// The hop at which the message came from outside.
    pub fn border(&self) -> Option<&envelope::Border> {
        self.read.border.as_ref()
    }

    /// What is known of the envelope, each with its witness.
    pub fn known(&self) -> &envelope::Known {
        &self.read.known
    }

    /// When the border took the message, by its own clock; `None` when it does not say.
    pub fn received_at(&self) -> Option<OffsetDateTime> {
        if self.envelope.heard.is_some() {
            return None;
        }
        let hop = self.border().map_or(0, |border| border.hop - 1);
        self.hops().get(hop).and_then(|(_, hop)| hop.at)
    }

    /// The header as it stands in the text, the blank line not included.
    pub fn header(&self) -> &[u8] {
        let end = self.cut.fields.last().map_or(0, |field| field.whole.end);
        self.text().get(..end).unwrap_or_default()
    }
}

/// The body hash that a signature wants.
fn wanted(signature: &Signature) -> Wanted {
    Wanted { canon: signature.body_canon, hash: signature.algorithm.hash(), length: signature.length }
}

impl Subject for Message {
    const KIND: &'static str = "message";

    fn target(&self) -> String {
        self.named("message-id").next().map(|field| field.unfolded()).unwrap_or_else(|| "message".to_owned())
    }

    fn checks(&self) -> &'static [&'static dyn Check<Message>] {
        ALL
    }

    fn verdict(&self, sections: &[Section]) -> Vec<VerdictLine> {
        verdict::lines(self, sections)
    }

    fn summary(&self, sections: &[Section]) -> Option<Table> {
        verdict::table(self, sections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap()
    }

    #[test]
    fn fields_are_found_by_name_from_the_top() {
        let message = message("Received: one\nFROM: a@b.c\nReceived:  two\n  more \n\nbody");
        let received: Vec<_> = message.named("received").map(|field| (field.index, field.unfolded())).collect();
        assert_eq!(received, [(0, "one".to_owned()), (2, "two  more".to_owned())]);
        assert_eq!(message.named("from").next().unwrap().whole(), b"FROM: a@b.c\r\n");
        assert_eq!(message.body(), Some(&b"body"[..]));
        assert_eq!(&message.original()[..14], b"Received: one\n");
    }

    #[test]
    fn a_body_without_any_header_is_no_message() {
        let why = Message::parse(Arc::from(&b"Hello,\nhow are you?\n"[..]), Envelope::default()).unwrap_err();
        assert_eq!(why, NotMessage::NoHeader(Seems::Text));
    }
}

//! Which fields of a message a signature covers, and the exact bytes that it signs (RFC 6376 §3.7, §5.4.2).

use std::collections::HashMap;

use crate::message::Message;
use crate::message::canonical::{Canon, canonical_field, without_signature};
use crate::message::dkim::Signature;

/// The fields that a signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// For each name in `h=`, in order, the field that it takes; `None` when there was none left: a name that stands in
    /// `h=` once more than in the header forbids to add one (over-signing).
    pub fields: Vec<Option<usize>>,
}

impl Cover {
    /// Takes fields for the names in `h=`, from the bottom of the header up.
    pub fn of(message: &Message, signature: &Signature) -> Cover {
        let mut left: HashMap<&str, Vec<usize>> = HashMap::new();
        for name in &signature.signed {
            left.entry(name).or_default();
        }
        for field in message.fields() {
            // A signature never covers itself; one that names its own kind means the others.
            if field.index == signature.field {
                continue;
            }
            let name = field.name().to_ascii_lowercase();
            if let Some(found) = std::str::from_utf8(&name).ok().and_then(|name| left.get_mut(name)) {
                found.push(field.index);
            }
        }
        Cover { fields: signature.signed.iter().map(|name| left.get_mut(name.as_str()).and_then(Vec::pop)).collect() }
    }

    /// Whether a field is covered.
    pub fn covers(&self, field: usize) -> bool {
        self.fields.contains(&Some(field))
    }

    /// The bytes that are signed: each covered field in canonical form, then the signature's own without its `b=` value
    /// and without a final CRLF.
    pub fn input(&self, message: &Message, signature: &Signature) -> Vec<u8> {
        let mut out = Vec::new();
        for index in self.fields.iter().flatten() {
            if let Some(field) = message.field(*index) {
                canonical_field(signature.header_canon, field.whole(), &mut out);
            }
        }
        if let Some(own) = message.field(signature.field) {
            own_field(signature.header_canon, own.whole(), &mut out);
        }
        out
    }
}

/// Adds a signature's own field as it is signed.
pub(in crate::message) fn own_field(canon: Canon, whole: &[u8], out: &mut Vec<u8>) {
    canonical_field(canon, &without_signature(whole), out);
    if out.ends_with(b"\r\n") {
        out.truncate(out.len() - 2);
    }
}

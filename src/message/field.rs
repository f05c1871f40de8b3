//! Header fields as they stand in the text: name, value and whole line as raw bytes with their place (RFC 5322 §2.2).
//!
//! Nothing is decoded here. [`FieldRef::unfolded`] joins folded lines for reading; what is hashed is always
//! [`FieldRef::whole`].

use std::borrow::Cow;

use crate::finding::Span;
use crate::untrusted;

/// Where one header field stands in the message's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, without white space before the colon.
    pub name: Span,
    /// Everything after the colon, up to the CRLF that ends the field (the CRLF not included).
    pub value: Span,
    /// From the name's first byte to just after the final CRLF.
    pub whole: Span,
}

/// One header field with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct FieldRef<'a> {
    /// Its place among the fields, counted from 0 at the top.
    pub index: usize,
    /// Where it stands.
    pub field: &'a Field,
    text: &'a [u8],
}

impl<'a> FieldRef<'a> {
    pub(super) fn new(index: usize, field: &'a Field, text: &'a [u8]) -> FieldRef<'a> {
        FieldRef { index, field, text }
    }

    /// The name as it is written.
    pub fn name(&self) -> &'a [u8] {
        self.field.name.of(self.text).unwrap_or_default()
    }

    /// The raw value after the colon, folding included, final CRLF not.
    pub fn value(&self) -> &'a [u8] {
        self.field.value.of(self.text).unwrap_or_default()
    }

    /// Name, colon, value and final CRLF, untouched.
    pub fn whole(&self) -> &'a [u8] {
        self.field.whole.of(self.text).unwrap_or_default()
    }

    /// Whether this is the field of that name; case does not count.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// The name as text, bad bytes made visible.
    pub fn name_text(&self) -> Cow<'a, str> {
        untrusted::lossless(self.name())
    }

    /// The value as text for reading: folding undone (the white space stays), white space around it removed, bytes
    /// that are not UTF-8 as `\xff`.
    pub fn unfolded(&self) -> String {
        let text = untrusted::lossless(self.value());
        let mut out = String::with_capacity(text.len());
        for line in text.split("\r\n") {
            out.push_str(line);
        }
        out.trim_matches([' ', '\t']).to_owned()
    }
}

//! TLSA records as SMTP reads them (RFC 6698 §2.1, RFC 7671, RFC 7672 §3.1): what the four fields mean and whether a sender
//! can use them. Whether a certificate matches is for the SMTP room, which has one.

use crate::check::Data;
use crate::records::form;

/// One TLSA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// Certificate usage: 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE.
    pub usage: u8,
    /// Selector: 0 the whole certificate, 1 its public key.
    pub selector: u8,
    /// Matching type: 0 as it is, 1 SHA-256, 2 SHA-512.
    pub matching: u8,
    /// What must match.
    pub data: Vec<u8>,
}

/// Why a TLSA record cannot be used for SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Usage 0 or 1 (RFC 7672 §3.1.3), or a number without meaning.
    Usage,
    /// A selector without meaning.
    Selector,
    /// A matching type without meaning.
    Matching,
    /// The digest's length is wrong.
    Length,
}

impl Unusable {
    /// The reason in words.
    pub fn words(self) -> &'static str {
        match self {
            Unusable::Usage => "its usage is not for SMTP; only 2 and 3 are (RFC 7672 §3.1.3)",
            Unusable::Selector => "its selector has no meaning",
            Unusable::Matching => "its matching type has no meaning",
            Unusable::Length => "its digest has the wrong length",
        }
    }
}

impl Tlsa {
    /// Reads the record's data, if it is a TLSA record.
    pub fn of(data: &Data) -> Option<Tlsa> {
        match data {
            Data::Tlsa { usage, selector, matching, data } => {
                Some(Tlsa { usage: *usage, selector: *selector, matching: *matching, data: data.clone() })
            }
            _ => None,
        }
    }

    /// As a zone file has it.
    pub fn text(&self) -> String {
        format!("{} {} {} {}", self.usage, self.selector, self.matching, form::hex(&self.data))
    }

    /// The same in short, for sentences: the first digits of the data.
    pub fn short(&self) -> String {
        let data: String = self.data.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{} {} {} {data}…", self.usage, self.selector, self.matching)
    }

    /// Why it cannot be used, if so.
    pub fn unusable(&self) -> Option<Unusable> {
        match (self.usage, self.selector, self.matching, self.data.len()) {
            (0 | 1 | 4.., ..) => Some(Unusable::Usage),
            (_, 2.., ..) => Some(Unusable::Selector),
            (_, _, 3.., _) => Some(Unusable::Matching),
            (_, _, 0, 0) => Some(Unusable::Length),
            (_, _, 1, length) if length != 32 => Some(Unusable::Length),
            (_, _, 2, length) if length != 64 => Some(Unusable::Length),
            _ => None,
        }
    }

    /// What its usage binds.
    pub fn usage_words(&self) -> &'static str {
        match self.usage {
            0 => "PKIX-TA: an authority that the Web trusts; not for SMTP",
            1 => "PKIX-EE: a certificate that the Web trusts; not for SMTP",
            2 => "DANE-TA: whoever issues the host's certificate; its names and dates count",
            3 => "DANE-EE: the host's own certificate; its names and dates do not matter",
            _ => "a usage without meaning",
        }
    }

    /// What its selector picks.
    pub fn selector_words(&self) -> &'static str {
        match self.selector {
            0 => "the whole certificate, which changes with every renewal",
            1 => "the public key, which can stay when the certificate is renewed",
            _ => "a selector without meaning",
        }
    }

    /// How its data is made.
    pub fn matching_words(&self) -> &'static str {
        match self.matching {
            0 => "as it is",
            1 => "its SHA-256",
            2 => "its SHA-512",
            _ => "a matching type without meaning",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_usages_2_and_3_with_digests_of_their_length_can_be_used() {
        for (usage, selector, matching, length, unusable) in [
            (3, 1, 1, 32, None),
            (2, 0, 2, 64, None),
            (3, 0, 0, 900, None),
            (0, 1, 1, 32, Some(Unusable::Usage)),
            (1, 1, 1, 32, Some(Unusable::Usage)),
            (4, 1, 1, 32, Some(Unusable::Usage)),
            (3, 2, 1, 32, Some(Unusable::Selector)),
            (3, 1, 3, 32, Some(Unusable::Matching)),
            (3, 1, 1, 31, Some(Unusable::Length)),
            (3, 1, 2, 32, Some(Unusable::Length)),
            (3, 1, 0, 0, Some(Unusable::Length)),
        ] {
            let tlsa = Tlsa { usage, selector, matching, data: vec![0xab; length] };
            assert_eq!(tlsa.unusable(), unusable, "{}", tlsa.text());
        }
    }
}

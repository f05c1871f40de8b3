//! The arithmetic between a zone's keys and the DS records at its parent: key tag (RFC 4034 appendix B) and digest (§5.1.4).

use ring::digest;

use crate::name::Name;

/// A DNSKEY record's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dnskey {
    /// 256 for a zone's signing key, 257 for the key that DS points at; bit 7 is "zone key", bit 15 "secure entry point".
    pub flags: u16,
    /// Always 3.
    pub protocol: u8,
    /// The algorithm's number.
    pub algorithm: u8,
    /// The key.
    pub key: Vec<u8>,
}

/// A DS record's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ds {
    /// The tag of the key that it means.
    pub key_tag: u16,
    /// The algorithm of that key.
    pub algorithm: u8,
    /// How the digest is made.
    pub digest_type: u8,
    /// The digest.
    pub digest: Vec<u8>,
}

impl Dnskey {
    /// The record's data as it goes over the wire.
    fn wire(&self) -> Vec<u8> {
        let mut wire = self.flags.to_be_bytes().to_vec();
        wire.extend([self.protocol, self.algorithm]);
        wire.extend(&self.key);
        wire
    }

    /// The key tag, a checksum that two keys may share.
    pub fn key_tag(&self) -> u16 {
        let mut sum = 0_u32;
        for (at, byte) in self.wire().into_iter().enumerate() {
            sum += if at % 2 == 0 { u32::from(byte) << 8 } else { u32::from(byte) };
        }
        sum += sum >> 16;
        u16::try_from(sum & 0xffff).unwrap_or_default()
    }

    /// Whether it signs a zone at all (flag bit 7).
    pub fn is_zone_key(&self) -> bool {
        self.flags & 0x0100 != 0 && self.protocol == 3
    }

    /// The bits of an RSA key (RFC 3110 §2); `None` for another algorithm.
    pub fn rsa_bits(&self) -> Option<usize> {
        if !matches!(self.algorithm, 5 | 7 | 8 | 10) {
            return None;
        }
        let (exponent, head) = match self.key.as_slice() {
            [0, high, low, ..] => (usize::from(*high) * 256 + usize::from(*low), 3),
            [short, ..] => (usize::from(*short), 1),
            [] => return None,
        };
        let modulus = self.key.get(head + exponent..)?;
        let top = modulus.first()?.leading_zeros();
        (modulus.len() * 8).checked_sub(usize::try_from(top).ok()?)
    }
}

impl Ds {
    /// Whether it means this key of `zone`; `None` when its digest is of a type that we do not compute.
    pub fn means(&self, zone: &Name, key: &Dnskey) -> Option<bool> {
        let algorithm = match self.digest_type {
            1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            2 => &digest::SHA256,
            4 => &digest::SHA384,
            _ => return None,
        };
        if self.algorithm != key.algorithm || self.key_tag != key.key_tag() || !key.is_zone_key() {
            return Some(false);
        }
        let mut bytes = Vec::new();
        for label in zone.raw_labels() {
            bytes.push(u8::try_from(label.len()).unwrap_or_default());
            bytes.extend(label);
        }
        bytes.push(0);
        bytes.extend(key.wire());
        Some(digest::digest(algorithm, &bytes).as_ref() == self.digest)
    }
}

/// The name of an algorithm (IANA, "DNS Security Algorithm Numbers").
pub fn algorithm(number: u8) -> String {
    match number {
        1 => "RSA/MD5".into(),
        3 | 6 => "DSA/SHA-1".into(),
        5 | 7 => "RSA/SHA-1".into(),
        8 => "RSA/SHA-256".into(),
        10 => "RSA/SHA-512".into(),
        12 => "GOST".into(),
        13 => "ECDSA P-256".into(),
        14 => "ECDSA P-384".into(),
        15 => "Ed25519".into(),
        16 => "Ed448".into(),
        other => format!("algorithm {other}"),
    }
}

/// Whether an algorithm must not be used for signing any more (RFC 8624 §3.1).
pub fn is_obsolete(number: u8) -> bool {
    matches!(number, 1 | 3 | 5 | 6 | 7 | 12)
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// RFC 4034 §5.4.
    fn rfc_4034() -> Dnskey {
        let key = "AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==";
        Dnskey { flags: 256, protocol: 3, algorithm: 5, key: BASE64_STANDARD.decode(key).unwrap() }
    }

    #[test]
    fn tags_and_digests_are_those_of_the_rfcs() {
        let zone = Name::from_text("dskey.example.com").unwrap();
        let key = rfc_4034();
        assert_eq!((key.key_tag(), key.rsa_bits()), (60485, Some(1024)));
        let sha1 = unhex("2BB183AF5F22588179A53B0A98631FAD1A292118");
        let sha256 = unhex("D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A");
        for (digest_type, digest, means) in
            [(1, sha1.clone(), Some(true)), (2, sha256, Some(true)), (2, vec![0; 32], Some(false)), (3, sha1, None)]
        {
            let ds = Ds { key_tag: 60485, algorithm: 5, digest_type, digest };
            assert_eq!(ds.means(&zone, &key), means, "{digest_type}");
        }
    }

    #[test]
    fn another_zone_or_a_key_that_signs_no_zone_is_not_meant() {
        let ds = Ds {
            key_tag: 60485,
            algorithm: 5,
            digest_type: 1,
            digest: unhex("2BB183AF5F22588179A53B0A98631FAD1A292118"),
        };
        assert_eq!(ds.means(&Name::from_text("example.com").unwrap(), &rfc_4034()), Some(false));
        let no_zone = Dnskey { flags: 0, ..rfc_4034() };
        assert_eq!(ds.means(&Name::from_text("dskey.example.com").unwrap(), &no_zone), Some(false));
    }
}

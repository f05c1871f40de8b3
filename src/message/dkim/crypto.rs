//! Whether a signature's mathematics hold. Policy (what is too weak to be believed) is not asked here: an inspector shows
//! both apart.
//!
//! ring verifies RSA of 1024 to 8192 bits and Ed25519. Shorter RSA keys still stand in old mail; they are computed plainly,
//! which is safe for public values, so that a person sees "verifies, and proves nothing".

use num_bigint::BigUint;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};

use crate::message::canonical::Hash;
use crate::records::dkim::PublicKey;

/// What the computation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Math {
    /// The signature is one by this key over these bytes.
    Valid,
    /// It is not.
    Invalid,
    /// It was not computed; the reason.
    NotComputed(&'static str),
}

/// The longest modulus that ring computes, in bits; also our bound for plain computing.
const MAX_BITS: usize = 8192;
/// The shortest modulus that ring computes, in bits.
const RING_BITS: usize = 1024;

/// Whether `value` is a signature of `data` by `key`.
pub fn verify(key: &PublicKey, hash: Hash, data: &[u8], value: &[u8]) -> Math {
    match key {
        PublicKey::Ed25519(point) => {
            // The signed message is the SHA-256 of the data, not the data (RFC 8463 §3).
            let key = UnparsedPublicKey::new(&signature::ED25519, point);
            judged(key.verify(&Hash::Sha256.of(data), value).is_ok())
        }
        PublicKey::Rsa { bits, .. } if *bits > MAX_BITS => Math::NotComputed("the key is longer than 8192 bits"),
        PublicKey::Rsa { modulus, exponent, bits, .. } if *bits >= RING_BITS => {
            let parameters: &RsaParameters = match hash {
                Hash::Sha1 => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                Hash::Sha256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            };
            let key = RsaPublicKeyComponents { n: modulus, e: exponent };
            judged(key.verify(parameters, data, value).is_ok())
        }
        PublicKey::Rsa { modulus, exponent, .. } => short_rsa(modulus, exponent, hash, data, value),
        PublicKey::Revoked | PublicKey::Unusable => Math::NotComputed("there is no key"),
    }
}

fn judged(holds: bool) -> Math {
    if holds { Math::Valid } else { Math::Invalid }
}

/// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2.2) for keys that ring refuses: encode what must come out, and compare.
fn short_rsa(modulus: &[u8], exponent: &[u8], hash: Hash, data: &[u8], value: &[u8]) -> Math {
    let length = modulus.len();
    // Real exponents are 3 or 65537; a huge one is there to keep us busy.
    if exponent.is_empty() || exponent.len() > 8 {
        return Math::NotComputed("the key's exponent is out of bounds");
    }
    let (n, e, s) = (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent), BigUint::from_bytes_be(value));
    let Some(expected) = encoded(hash, data, length) else {
        return Math::NotComputed("the key is shorter than a signature needs");
    };
    if value.len() != length || s >= n {
        return Math::Invalid;
    }
    judged(s.modpow(&e, &n) == BigUint::from_bytes_be(&expected))
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2).
fn encoded(hash: Hash, data: &[u8], length: usize) -> Option<Vec<u8>> {
    let prefix: &[u8] = match hash {
        Hash::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        Hash::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
    };
    let digest = hash.of(data);
    let padding = length.checked_sub(prefix.len() + digest.len() + 3).filter(|padding| *padding >= 8)?;
    let mut out = vec![0, 1];
    out.resize(padding + 2, 0xff);
    out.push(0);
    out.extend_from_slice(prefix);
    out.extend_from_slice(&digest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// A 512-bit key and its signature over "hello", made by openssl (`openssl genrsa 512`, `openssl dgst -sha256 -sign`).
    const MODULUS: &str = "xfC6LuI6wYjhQPwbHdX27fDcH2dyKQaSA15ulKBD1lqkipB5o2hrE0D5fS7oly8wBQNCG78hv7047LWjkFbJwQ==";
    const SIGNATURE: &str = "UtosJxMOLgcqcM19QokDQ9gEbUpasch7ZRcr0s+x3XKAjVBebS8wmSIqdxYTmfMSrOuIUzdUl5gTVOqUzUoIkQ==";

    fn key(bits: usize) -> PublicKey {
        let modulus = STANDARD.decode(MODULUS).unwrap();
        PublicKey::Rsa { modulus, exponent: vec![1, 0, 1], bits, bare: false }
    }

    #[test]
    fn a_512_bit_signature_is_computed_though_nobody_should_believe_it() {
        let value = STANDARD.decode(SIGNATURE).unwrap();
        assert_eq!(verify(&key(512), Hash::Sha256, b"hello", &value), Math::Valid);
        assert_eq!(verify(&key(512), Hash::Sha256, b"hellO", &value), Math::Invalid);
        assert_eq!(verify(&key(512), Hash::Sha256, b"hello", &value[1..]), Math::Invalid);
    }

    #[test]
    fn what_cannot_be_computed_says_why() {
        let huge = PublicKey::Rsa { modulus: vec![0xff; 64], exponent: vec![0xff; 64], bits: 512, bare: false };
        assert!(matches!(verify(&huge, Hash::Sha256, b"", &[0; 64]), Math::NotComputed(_)));
        assert!(matches!(verify(&key(9000), Hash::Sha256, b"", &[]), Math::NotComputed(_)));
        let tiny = PublicKey::Rsa { modulus: vec![0xff; 16], exponent: vec![3], bits: 128, bare: false };
        assert!(matches!(verify(&tiny, Hash::Sha256, b"", &[0; 16]), Math::NotComputed(_)));
        assert!(matches!(verify(&PublicKey::Revoked, Hash::Sha256, b"", &[]), Math::NotComputed(_)));
    }
}

//! RSA signatures of TLS by keys below 2048 bits, which the library refuses to compute. Verifying works on public values, so
//! plain arithmetic is safe. What such a key proves is little, and is said where the key is shown.
//!
//! RSASSA-PSS (RFC 8017 §8.1.2) for TLS 1.3, RSASSA-PKCS1-v1_5 (§8.2.2) for TLS 1.2.

use num_bigint::BigUint;
use ring::digest::{self, Algorithm};
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents};
use rustls::SignatureScheme;

/// Keys that are computed here, in bits: what is shorter was never in use for TLS, what is longer the library computes.
const BITS: std::ops::Range<u64> = 512..2048;

/// Whether `value` is a signature of `message` by the key.
pub(super) fn verify(scheme: SignatureScheme, modulus: &[u8], exponent: &[u8], message: &[u8], value: &[u8]) -> bool {
    let n = BigUint::from_bytes_be(modulus);
    if !BITS.contains(&n.bits()) || exponent.len() > 8 {
        return false;
    }
    match scheme {
        SignatureScheme::RSA_PSS_SHA256 => pss(&digest::SHA256, &n, exponent, message, value),
        SignatureScheme::RSA_PSS_SHA384 => pss(&digest::SHA384, &n, exponent, message, value),
        SignatureScheme::RSA_PSS_SHA512 => pss(&digest::SHA512, &n, exponent, message, value),
        SignatureScheme::RSA_PKCS1_SHA256 => {
            pkcs1(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &n, exponent, message, value)
        }
        SignatureScheme::RSA_PKCS1_SHA512 => {
            pkcs1(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, &n, exponent, message, value)
        }
        _ => false,
    }
}

fn pkcs1(parameters: &'static RsaParameters, n: &BigUint, exponent: &[u8], message: &[u8], value: &[u8]) -> bool {
    RsaPublicKeyComponents { n: n.to_bytes_be(), e: exponent.to_vec() }.verify(parameters, message, value).is_ok()
}

/// EMSA-PSS (RFC 8017 §9.1.2), the salt as long as the hash, as TLS has it (RFC 8446 §4.2.3).
fn pss(hash: &'static Algorithm, n: &BigUint, exponent: &[u8], message: &[u8], value: &[u8]) -> bool {
    let (s, e) = (BigUint::from_bytes_be(value), BigUint::from_bytes_be(exponent));
    let bits = usize::try_from(n.bits()).unwrap_or_default();
    if s >= *n || value.len() != bits.div_ceil(8) {
        return false;
    }
    let encoded_bits = bits - 1;
    let length = encoded_bits.div_ceil(8);
    let bytes = s.modpow(&e, n).to_bytes_be();
    let Some(padding) = length.checked_sub(bytes.len()) else { return false };
    let encoded = [vec![0; padding], bytes].concat();
    let size = hash.output_len();
    let Some(masked) = length.checked_sub(size + 1).filter(|masked| *masked > size) else { return false };
    let (Some(block), Some(seen), Some(&[0xbc])) =
        (encoded.get(..masked), encoded.get(masked..masked + size), encoded.get(length - 1..))
    else {
        return false;
    };
    let mut block: Vec<u8> = block.iter().zip(mask(hash, seen, masked)).map(|(byte, mask)| byte ^ mask).collect();
    let unused = 8 * length - encoded_bits;
    if let Some(first) = block.first_mut() {
        *first &= 0xff >> unused;
    }
    let (zeros, salt) = block.split_at(masked - size);
    let Some((1, zeros)) = zeros.split_last().map(|(last, zeros)| (*last, zeros)) else { return false };
    let message = digest::digest(hash, message);
    let again = digest::digest(hash, &[&[0; 8], message.as_ref(), salt].concat());
    zeros.iter().all(|byte| *byte == 0) && again.as_ref() == seen
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn mask(hash: &'static Algorithm, seed: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + hash.output_len());
    for counter in 0_u32.. {
        if out.len() >= length {
            break;
        }
        out.extend_from_slice(digest::digest(hash, &[seed, &counter.to_be_bytes()].concat()).as_ref());
    }
    out.truncate(length);
    out
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// A key of 1024 bits and its signatures of "hello", made by Python's cryptography.
    const MODULUS: &str = "qvnksFkqlxVJ4JYYAkMQOUjKTc244C7DCs/sKeAw95Hry+1aycX3h8q+gV+vQ9wD+mkLd5oDpii2b1PF/ySPs9q1I1KeuPTpGuUXuE0WX3IYROk77KD4A3ELYgPFR/FBMjMOmAmxMy4JPsHgnOTiTPcl21t4m9p8ksQpBRtkiKs=";
    const SIGNATURES: [(SignatureScheme, &str); 3] = [
        (
            SignatureScheme::RSA_PSS_SHA256,
            "bjbyh/cgseBMX0Nnt6LvcnPXxYkttgY058I6yeJjPuksrkWeH+Y8Ycv/2iz2Xa+OtME1JQpcg/xsSubGBDbgLnvd/+OyNuqguD31W/235EWRGfSvmwyxJ1TUugW7vlD/+pA15pZqlrG4yRBBRCIbYIrQ04sU2mz/FfMitzCymj8=",
        ),
        (
            SignatureScheme::RSA_PSS_SHA384,
            "TWop0sB9MbDsBiQL0AIbeu8wUb73Z9kRwpVB+QMb+QtXIgHahaMZsMaiRPE75qUM77qbXSDdkYMYfH2KOYTncQDIUJVwDre4NgskF6RH+cV5xONXvbSgLM79Hwn40PxtLRdUsRdMZAsC/+P9azcPSFjPF9y0mud0rUep9UbtUqo=",
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA256,
            "TCWCEVhStH0/+grZh5AwEjBxer9RThO/HMxCILQbpIUh2v56YHLR7D3FarPQCeks2PvwZtSVgiTteLJhXfr9OAG1p42uAz0WlipyTBEq2eOE/6nMjsKAfrOcxp90C4xucoVKXr39uLFef2gMRALdEueaiki7pM8y8mQZe+StTcM=",
        ),
    ];

    #[test]
    fn a_signature_by_a_short_key_holds_for_its_message_its_key_and_its_scheme_alone() {
        let modulus = STANDARD.decode(MODULUS).unwrap();
        for (scheme, value) in SIGNATURES {
            let value = STANDARD.decode(value).unwrap();
            let holds = |scheme, message: &[u8], value: &[u8]| verify(scheme, &modulus, &[1, 0, 1], message, value);
            assert!(holds(scheme, b"hello", &value), "{scheme:?}");
            assert!(!holds(scheme, b"hellO", &value), "{scheme:?}");
            assert!(!holds(scheme, b"hello", &value[1..]), "{scheme:?}");
            assert!(!verify(scheme, &modulus, &[3], b"hello", &value), "{scheme:?}");
            let mut bent = value.clone();
            bent[100] ^= 1;
            assert!(!holds(scheme, b"hello", &bent), "{scheme:?}");
            for (other, _) in SIGNATURES.iter().filter(|(other, _)| *other != scheme) {
                assert!(!holds(*other, b"hello", &value), "{scheme:?} as {other:?}");
            }
            // Longer keys are the library's, and a huge exponent would keep us busy.
            assert!(!verify(scheme, &[0xff; 256], &[1, 0, 1], b"hello", &[1; 256]));
            assert!(!verify(scheme, &modulus, &[0xff; 64], b"hello", &value));
            assert!(!verify(scheme, &[], &[], b"hello", &[]));
        }
    }
}

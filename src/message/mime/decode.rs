//! Transfer encodings undone, piece by piece (RFC 2045 §6): an attachment is hashed without being held whole.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// How many base64 characters are decoded at a time; a multiple of four.
const BLOCK: usize = 64 * 1024;

/// How a part is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::message) enum Encoding {
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
    /// A word that nobody defines; the bytes are taken as they stand (RFC 2045 §6.4).
    Unknown,
}

impl Encoding {
    pub(super) fn parse(text: &str) -> Encoding {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Encoding::Identity,
            "base64" => Encoding::Base64,
            "quoted-printable" => Encoding::QuotedPrintable,
            _ => Encoding::Unknown,
        }
    }

    /// Gives the decoded bytes of a body to `sink`, in order.
    pub(in crate::message) fn decode(self, body: &[u8], sink: &mut dyn FnMut(&[u8])) {
        match self {
            Encoding::Identity | Encoding::Unknown => sink(body),
            Encoding::Base64 => base64(body, sink),
            Encoding::QuotedPrintable => quoted_printable(body, sink),
        }
    }
}

/// What is no base64 character is passed over (RFC 2045 §6.8); padding ends the data.
fn base64(body: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let mut packed = Vec::with_capacity(BLOCK.min(body.len()));
    let flush = |packed: &mut Vec<u8>, sink: &mut dyn FnMut(&[u8])| {
        if let Ok(bytes) = LENIENT.decode(&packed) {
            sink(&bytes);
        }
        packed.clear();
    };
    for byte in body {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => packed.push(*byte),
            b'=' => break,
            _ => {}
        }
        if packed.len() == BLOCK {
            flush(&mut packed, sink);
        }
    }
    // One character alone carries no byte.
    if packed.len() % 4 == 1 {
        packed.pop();
    }
    flush(&mut packed, sink);
}

/// RFC 2045 §6.7; a `=` that starts nothing stays as it is.
fn quoted_printable(body: &[u8], sink: &mut dyn FnMut(&[u8])) {
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'=', rest) {
        let (plain, after) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        sink(plain);
        let after = after.get(1..).unwrap_or_default();
        rest = match after {
            [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => tail,
            [high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                sink(&[nibble(*high) << 4 | nibble(*low)]);
                tail
            }
            tail => {
                sink(b"=");
                tail
            }
        };
    }
    sink(rest);
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase().saturating_sub(b'a') + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: &str, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Encoding::parse(encoding).decode(body, &mut |bytes| out.extend_from_slice(bytes));
        out
    }

    #[test]
    fn encodings_are_undone_and_broken_ones_give_what_they_can() {
        for (encoding, body, found) in [
            ("base64", &b"aGVs\r\nbG8="[..], &b"hello"[..]),
            ("BASE64 ", b"aGVsbG8", b"hello"),
            ("base64", b"aGVs!bG8=junk", b"hello"),
            ("base64", b"aGVsb", b"hel"),
            ("quoted-printable", b"a=3Db=\r\nc=", b"a=bc="),
            ("quoted-printable", b"=e2=82=AC=zz", b"\xe2\x82\xac=zz"),
            ("8bit", b"a=3D", b"a=3D"),
            ("x-uuencode", b"a=3D", b"a=3D"),
        ] {
            assert_eq!(decoded(encoding, body), found, "{encoding} {body:?}");
        }
    }

    #[test]
    fn long_base64_is_decoded_without_seams() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        let text = LENIENT.encode(&bytes);
        let lines: Vec<&str> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        assert_eq!(decoded("base64", lines.join("\r\n").as_bytes()), bytes);
    }
}

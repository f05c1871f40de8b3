//! A DKIM key record: `v=DKIM1; k=rsa; p=…` (RFC 6376 §3.6.1; RFC 8463 for Ed25519; RFC 8301 for what is too short).
//!
//! Any bytes parse to a [`Key`] with its problems; whether a verifier may use it is [`Key::is_usable`] and the problems'
//! [`KeyProblemKind::is_fatal`]. It verifies nothing: the message room does, on [`PublicKey`].

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::{PublicKey as ParsedKey, RSAPublicKey};
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::finding::Span;
use crate::records::{Tag, TagList, TagProblem};
use crate::untrusted;

/// The fewest bits of RSA that a verifier may accept (RFC 8301 §3.2).
pub const MIN_RSA_BITS: usize = 1024;
/// The bits of RSA that signers should have at least (RFC 8301 §3.2).
pub const GOOD_RSA_BITS: usize = 2048;
/// The bytes of an Ed25519 public key (RFC 8463 §4).
const ED25519_BYTES: usize = 32;

/// Padding may be missing and bits may trail: verifiers decode such keys, so we do.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What one TXT record says about a DKIM key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The record as text, UTF-8 where it is, `\xff` for a byte that is not; all spans lie in it.
    pub text: String,
    /// `k=`; RSA when it is not there.
    pub key_type: KeyType,
    /// `p=`.
    pub public: PublicKey,
    /// `h=` in lower case; empty when every hash is allowed.
    pub hashes: Vec<String>,
    /// `s=` in lower case; empty when the key is for every service.
    pub services: Vec<String>,
    /// `t=y`: the owner is testing; verifiers must not treat signed mail unlike unsigned.
    pub testing: bool,
    /// `t=s`: the domain of `i=` must be `d=` itself, not a subdomain.
    pub strict: bool,
    /// `n=`, as it stands.
    pub note: Option<String>,
}

/// The algorithm of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// `rsa`.
    Rsa,
    /// `ed25519` (RFC 8463).
    Ed25519,
    /// One that we do not know; nobody can verify by it.
    Other(String),
}

impl KeyType {
    /// The word in `k=`.
    pub fn as_str(&self) -> &str {
        match self {
            KeyType::Rsa => "rsa",
            KeyType::Ed25519 => "ed25519",
            KeyType::Other(word) => word,
        }
    }
}

/// What stands in `p=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// An RSA key.
    Rsa {
        /// The modulus, big-endian, without leading zeros.
        modulus: Vec<u8>,
        /// The public exponent, big-endian, without leading zeros.
        exponent: Vec<u8>,
        /// The length of the modulus in bits.
        bits: usize,
        /// Whether it stands as bare `RSAPublicKey` (PKCS#1), not as `SubjectPublicKeyInfo`: both are in use.
        bare: bool,
    },
    /// The 32 bytes of an Ed25519 key.
    Ed25519([u8; ED25519_BYTES]),
    /// `p=` is there and empty: the key was withdrawn (RFC 6376 §3.6.1).
    Revoked,
    /// There is no `p=`, or it cannot be read; a problem says why.
    Unusable,
}

/// Something wrong in a key record, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// What is wrong.
    pub kind: KeyProblemKind,
    /// Where, in [`Key::text`].
    pub span: Span,
}

/// What can be wrong in a key record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyProblemKind {
    /// The record starts with `v=` and another value than `DKIM1`: it must be discarded.
    OtherVersion,
    /// `v=` is there and not the first tag.
    VersionNotFirst,
    /// No `p=`: this is no key.
    NoPublicKey,
    /// A tag stands twice, which makes the whole list invalid (RFC 6376 §3.2).
    DuplicateTag,
    /// A part is no `name=value`.
    NotATag,
    /// `k=` names an algorithm that nobody knows.
    UnknownType,
    /// `p=` is not base64.
    NotBase64,
    /// `p=` is base64 of something that is no key of this type; the reason.
    BadKey(String),
    /// Literal quotation marks stand in the record, a mistake of pasting; some verifiers stumble.
    Quotes,
    /// Bytes that are not ASCII.
    NotAscii,
}

impl KeyProblemKind {
    /// Whether a verifier cannot use the key for it (`permerror`).
    pub fn is_fatal(&self) -> bool {
        match self {
            KeyProblemKind::OtherVersion
            | KeyProblemKind::VersionNotFirst
            | KeyProblemKind::NoPublicKey
            | KeyProblemKind::DuplicateTag
            | KeyProblemKind::NotATag
            | KeyProblemKind::UnknownType
            | KeyProblemKind::NotBase64
            | KeyProblemKind::BadKey(_) => true,
            KeyProblemKind::Quotes | KeyProblemKind::NotAscii => false,
        }
    }

    /// In words that end a sentence "the key cannot be used: …".
    pub fn reason(&self) -> String {
        match self {
            KeyProblemKind::OtherVersion => "its v= is not DKIM1".into(),
            KeyProblemKind::VersionNotFirst => "v= is not the first tag".into(),
            KeyProblemKind::NoPublicKey => "it has no p=".into(),
            KeyProblemKind::DuplicateTag => "a tag stands twice".into(),
            KeyProblemKind::NotATag => "a part of it is not name=value".into(),
            KeyProblemKind::UnknownType => "its k= is an algorithm that nobody knows".into(),
            KeyProblemKind::NotBase64 => "p= is not base64".into(),
            KeyProblemKind::BadKey(reason) => format!("p= {reason}"),
            KeyProblemKind::Quotes => "literal quotation marks stand in it".into(),
            KeyProblemKind::NotAscii => "it has bytes that are not ASCII".into(),
        }
    }
}

impl Key {
    /// Reads a TXT record, its strings joined. Any bytes give a key; what is wrong comes with it.
    pub fn parse(bytes: &[u8]) -> (Key, Vec<KeyProblem>) {
        let text = untrusted::lossless(bytes).into_owned();
        let mut problems = Vec::new();
        let mut key = Key {
            text: String::new(),
            key_type: KeyType::Rsa,
            public: PublicKey::Unusable,
            hashes: Vec::new(),
            services: Vec::new(),
            testing: false,
            strict: false,
            note: None,
        };
        let whole = Span::new(0, text.len());
        let list = TagList::parse(&text);
        for problem in &list.problems {
            let (kind, span) = match *problem {
                TagProblem::NoEquals(span) | TagProblem::NoName(span) => (KeyProblemKind::NotATag, span),
                TagProblem::Duplicate(span) => (KeyProblemKind::DuplicateTag, span),
            };
            problems.push(KeyProblem { kind, span });
        }
        if !bytes.is_ascii() {
            problems.push(KeyProblem { kind: KeyProblemKind::NotAscii, span: whole });
        }
        if let Some(at) = text.find('"') {
            problems.push(KeyProblem { kind: KeyProblemKind::Quotes, span: Span::new(at, at + 1) });
        }
        let version = list.tags.iter().position(|tag| tag.name == "v");
        if let Some((at, tag)) = version.and_then(|at| Some((at, list.tags.get(at)?))) {
            if at > 0 {
                problems.push(KeyProblem { kind: KeyProblemKind::VersionNotFirst, span: tag.span() });
            } else if tag.value != "DKIM1" {
                problems.push(KeyProblem { kind: KeyProblemKind::OtherVersion, span: tag.value_span });
            }
        }
        if let Some(tag) = list.get("k") {
            key.key_type = match tag.value.to_ascii_lowercase().as_str() {
                "rsa" => KeyType::Rsa,
                "ed25519" => KeyType::Ed25519,
                other => {
                    problems.push(KeyProblem { kind: KeyProblemKind::UnknownType, span: tag.value_span });
                    KeyType::Other(other.to_owned())
                }
            };
        }
        key.hashes = words(list.get("h"));
        key.services = words(list.get("s"));
        let flags = words(list.get("t"));
        key.testing = flags.iter().any(|flag| flag == "y");
        key.strict = flags.iter().any(|flag| flag == "s");
        key.note = list.get("n").map(|tag| tag.value.to_owned());
        match list.get("p") {
            None => problems.push(KeyProblem { kind: KeyProblemKind::NoPublicKey, span: whole }),
            Some(tag) => match public_key(&key.key_type, tag.value) {
                Ok(public) => key.public = public,
                Err(kind) => problems.push(KeyProblem { kind, span: tag.value_span }),
            },
        }
        key.text = text;
        (key, problems)
    }

    /// The length in bits: of an RSA modulus, 256 for Ed25519, `None` when there is no key.
    pub fn bits(&self) -> Option<usize> {
        match self.public {
            PublicKey::Rsa { bits, .. } => Some(bits),
            PublicKey::Ed25519(_) => Some(ED25519_BYTES * 8),
            PublicKey::Revoked | PublicKey::Unusable => None,
        }
    }

    /// Whether the owner withdrew it.
    pub fn is_revoked(&self) -> bool {
        self.public == PublicKey::Revoked
    }

    /// Whether `h=` allows signatures with this hash (`sha256`, `sha1`).
    pub fn allows_hash(&self, hash: &str) -> bool {
        self.hashes.is_empty() || self.hashes.iter().any(|allowed| allowed.eq_ignore_ascii_case(hash))
    }

    /// Whether `s=` lets it be used for mail; services that nobody knows are ignored (RFC 6376 §3.6.1).
    pub fn is_for_mail(&self) -> bool {
        self.services.is_empty() || self.services.iter().any(|service| service == "*" || service == "email")
    }

    /// Whether a verifier can use it with `problems`, those that [`Key::parse`] gave; a short key can be used and is then
    /// not accepted.
    pub fn is_usable(&self, problems: &[KeyProblem]) -> bool {
        matches!(self.public, PublicKey::Rsa { .. } | PublicKey::Ed25519(_))
            && !problems.iter().any(|problem| problem.kind.is_fatal())
    }

    /// Whether the text means to be a DKIM key at all: what a wildcard or another record says is not one.
    pub fn is_key(text: &str) -> bool {
        let list = TagList::parse(text);
        match list.tags.first() {
            Some(tag) if tag.name == "v" => tag.value.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("DKIM")),
            Some(_) => list.get("p").is_some(),
            None => false,
        }
    }
}

/// The words of a colon-separated tag, in lower case, empty ones left out.
fn words(tag: Option<&Tag<'_>>) -> Vec<String> {
    let Some(tag) = tag else { return Vec::new() };
    tag.value.split(':').map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty()).collect()
}

fn public_key(key_type: &KeyType, value: &str) -> Result<PublicKey, KeyProblemKind> {
    // White space may stand anywhere in base64 (RFC 6376 §3.2); quotation marks come from pasted zone lines.
    let compact: String = value.chars().filter(|c| !c.is_ascii_whitespace() && *c != '"').collect();
    if compact.is_empty() {
        return Ok(PublicKey::Revoked);
    }
    let bytes = LENIENT.decode(&compact).map_err(|_| KeyProblemKind::NotBase64)?;
    match key_type {
        KeyType::Rsa => rsa(&bytes),
        KeyType::Ed25519 => match <[u8; ED25519_BYTES]>::try_from(bytes.as_slice()) {
            Ok(key) => Ok(PublicKey::Ed25519(key)),
            Err(_) => Err(KeyProblemKind::BadKey(format!(
                "has {} bytes, and an Ed25519 key has {ED25519_BYTES} (RFC 8463 §4)",
                bytes.len()
            ))),
        },
        KeyType::Other(_) => Ok(PublicKey::Unusable),
    }
}

fn rsa(bytes: &[u8]) -> Result<PublicKey, KeyProblemKind> {
    let bad = |reason: &str| KeyProblemKind::BadKey(reason.to_owned());
    if let Ok((_, info)) = SubjectPublicKeyInfo::from_der(bytes) {
        return match info.parsed() {
            Ok(ParsedKey::RSA(key)) => rsa_parts(&key, false),
            Ok(_) => Err(bad("holds a key that is not RSA")),
            Err(_) => Err(bad("is not a well-formed RSA key")),
        };
    }
    match RSAPublicKey::from_der(bytes) {
        Ok((_, key)) => rsa_parts(&key, true),
        Err(_) if bytes.len() == ED25519_BYTES => Err(bad("has 32 bytes as an Ed25519 key has; is k=ed25519 missing?")),
        Err(_) => Err(bad("is not a well-formed RSA key (bad DER; perhaps a part is missing)")),
    }
}

fn rsa_parts(key: &RSAPublicKey<'_>, bare: bool) -> Result<PublicKey, KeyProblemKind> {
    let strip = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    let (modulus, exponent) = (strip(key.modulus), strip(key.exponent));
    let top = modulus.first().copied().unwrap_or(0);
    let bits = (modulus.len() * 8).saturating_sub(usize::try_from(top.leading_zeros()).unwrap_or(0));
    // An exponent of one makes every text its own signature, an even one verifies nothing.
    if bits < 8 || exponent.is_empty() || exponent == [1] || exponent.last().is_some_and(|last| last % 2 == 0) {
        return Err(KeyProblemKind::BadKey("is an RSA key with a modulus or exponent that cannot be".into()));
    }
    Ok(PublicKey::Rsa { modulus, exponent, bits, bare })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keys for the tests of this room, made for them with openssl; their private halves were thrown away.
    pub(crate) const RSA_512: &str = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALNDfOt51clTIunSFNpnREG1onWniZZFcXpCpjs/DKAPqdDwo6xbIaMh2YS4wrIFzAU0KhP+arIRYyBLIcR8e8ECAwEAAQ==";
    pub(crate) const RSA_1024: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCcXLYdiKp3aIGcfBM0zBQ9cB1yKfq5nVQz2mMhhwVA7pUBpVkm1e9zvAyIYcIz2QMlo+4SjeRfRwwQEx72LGoFujo/SWo24xNKElUiC1M9iIgokghq6PdindWEGJ5bXkBlbghQpSmFFIHISYzoVH3YA+Gqd7WjEdukgSUqq0ajzQIDAQAB";
    const RSA_1024_BARE: &str = "MIGJAoGBAJxcth2IqndogZx8EzTMFD1wHXIp+rmdVDPaYyGHBUDulQGlWSbV73O8DIhhwjPZAyWj7hKN5F9HDBATHvYsagW6Oj9JajbjE0oSVSILUz2IiCiSCGro92Kd1YQYnlteQGVuCFClKYUUgchJjOhUfdgD4ap3taMR26SBJSqrRqPNAgMBAAE=";
    const RSA_1023: &str = "MIGeMA0GCSqGSIb3DQEBAQUAA4GMADCBiAKBgFhhQYBsa7VZ9oQ+yK/wPfyvJ2OtfK9QJS0CWzBS/M7KG3vJPc8kONectqnLD4wi2VkS/MAWwpNQL620GgiojLxty4QrWbQ7moZ+7cGif8BauSgWDPk0uAgSCO2q8ylGO1nbdVMcEY+HLWnOQ2I5soO2y9bibJU968z0/iF7iS2dAgMBAAE=";
    pub(crate) const RSA_2048: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvLalJnumYKdJlKS/a4Gjc1EZqG0NkUaBLT6cV//3zVF0ojG1nn8jMMUsjwzMgfgeoOp1GkChcUemVn3OdeHCeoHG9FGZl2USXD9JfUyRArITrZWkpynmwpid9AXQ0F42AD6KeJCnPeZoQ5iu1N0WCFMKkdKzsRQzkqc6Bpz9Y7KoUeIuT9fuW87lZhbueGBacWSEVTWGk7roKtMzWo1Knhs72ulMjcci6w34GUwLHGIGNQs04P3TQ0QQZQtYJ7Lg/h4T6na40sbNo9B1fs9yq/S3koIIP06x8foUxkZcCRVn6os4h89hryG5xkqhitNGjq34W3QPIHwkJN1kUcTwZQIDAQAB";
    const EC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEc5cgAN6RK+LaXSMvAoSoes79OytO+vj791O2qpVKXwXOB8b2Rtg9ykBC1tXZe/LvpLYTh7JWsLI4jMWM7g/JqA==";
    /// RFC 8463 A.2.
    pub(crate) const ED25519: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn parse(text: &str) -> (Key, Vec<KeyProblemKind>) {
        let (key, problems) = Key::parse(text.as_bytes());
        assert!(problems.iter().all(|problem| problem.span.of_str(&key.text).is_some()), "{text}");
        (key, problems.into_iter().map(|problem| problem.kind).collect())
    }

    #[test]
    fn the_length_is_that_of_the_modulus_whatever_wraps_it() {
        for (base64, bits, is_bare) in [
            (RSA_512, 512, false),
            (RSA_1024, 1024, false),
            (RSA_1024_BARE, 1024, true),
            (RSA_1023, 1023, false),
            (RSA_2048, 2048, false),
        ] {
            let (key, problems) = parse(&format!("v=DKIM1; k=rsa; p={base64}"));
            assert_eq!((key.bits(), problems), (Some(bits), vec![]));
            assert!(matches!(key.public, PublicKey::Rsa { bare, .. } if bare == is_bare));
        }
        let (key, _) = parse(&format!("k=ed25519; p={ED25519}"));
        assert_eq!((key.bits(), key.key_type), (Some(256), KeyType::Ed25519));
    }

    #[test]
    fn a_key_needs_no_version_and_no_type() {
        let (key, problems) = parse(&format!("p={RSA_1024}"));
        assert_eq!((key.key_type.clone(), problems), (KeyType::Rsa, vec![]));
        assert!(key.is_usable(&[]) && Key::is_key(&key.text));
    }

    #[test]
    fn an_empty_p_is_a_withdrawn_key_and_a_missing_one_is_no_key() {
        for text in ["v=DKIM1; p=", "v=DKIM1; n=; p=;", "v=DKIM1;k=rsa;p= ;t=s"] {
            let (key, problems) = parse(text);
            assert!(key.is_revoked() && problems.is_empty(), "{text}");
        }
        let (key, problems) = parse("v=DKIM1; k=rsa");
        assert_eq!((key.public, problems), (PublicKey::Unusable, vec![KeyProblemKind::NoPublicKey]));
    }

    #[test]
    fn white_space_inside_p_is_nothing_and_quotes_are_told() {
        let cut = |with: &str| format!("v=DKIM1; p={}{with}{}", RSA_1024.split_at(70).0, RSA_1024.split_at(70).1);
        for between in [" ", "\t", "\r\n ", "  "] {
            let (key, problems) = parse(&cut(between));
            assert_eq!((key.bits(), problems), (Some(1024), vec![]), "{between:?}");
        }
        let (key, problems) = parse(&cut("\" \""));
        assert_eq!((key.bits(), problems), (Some(1024), vec![KeyProblemKind::Quotes]));
        let (key, problems) = parse(&format!("\"v=DKIM1; p={RSA_1024}\""));
        assert_eq!((key.bits(), problems), (Some(1024), vec![KeyProblemKind::Quotes]));
    }

    #[test]
    fn padding_may_be_missing() {
        let (key, problems) = parse(&format!("p={}", RSA_512.trim_end_matches('=')));
        assert_eq!((key.bits(), problems), (Some(512), vec![]));
    }

    #[test]
    fn a_version_stands_first_and_is_dkim1() {
        for (text, problem) in [
            ("v=DKIM2; p=", KeyProblemKind::OtherVersion),
            ("v=DKIM1.0; p=", KeyProblemKind::OtherVersion),
            ("v=dkim1; p=", KeyProblemKind::OtherVersion),
            ("k=rsa; v=DKIM1; p=", KeyProblemKind::VersionNotFirst),
        ] {
            let (key, problems) = parse(text);
            assert_eq!(problems, std::slice::from_ref(&problem), "{text}");
            assert!(!key.is_usable(&[KeyProblem { kind: problem, span: Span::new(0, 0) }]));
        }
    }

    #[test]
    fn tags_that_nobody_knows_are_ignored_and_doubled_ones_are_fatal() {
        assert_eq!(parse(&format!("v=DKIM1; zz=1; g=*; p={RSA_1024}")).1, []);
        assert_eq!(parse(&format!("v=DKIM1; p={RSA_1024}; p=")).1, [KeyProblemKind::DuplicateTag]);
        assert_eq!(parse(&format!("v=DKIM1; rsa; p={RSA_1024}")).1, [KeyProblemKind::NotATag]);
    }

    #[test]
    fn bad_keys_say_why_and_never_panic() {
        for (text, problem) in [
            ("k=foo; p=AAAA".to_owned(), "its k= is an algorithm that nobody knows"),
            ("p=!!!!".to_owned(), "p= is not base64"),
            (
                format!("p={}", RSA_1024.split_at(80).0),
                "p= is not a well-formed RSA key (bad DER; perhaps a part is missing)",
            ),
            ("p=AAAA".to_owned(), "p= is not a well-formed RSA key (bad DER; perhaps a part is missing)"),
            (format!("p={EC}"), "p= holds a key that is not RSA"),
            (format!("p={ED25519}"), "p= has 32 bytes as an Ed25519 key has; is k=ed25519 missing?"),
            (format!("k=ed25519; p={RSA_512}"), "p= has 94 bytes, and an Ed25519 key has 32 (RFC 8463 §4)"),
        ] {
            let (key, problems) = parse(&text);
            assert_eq!(problems.iter().map(KeyProblemKind::reason).collect::<Vec<_>>(), [problem], "{text}");
            assert_eq!(key.public, PublicKey::Unusable);
        }
        for length in 0..RSA_1024.len() {
            parse(&format!("p={}", RSA_1024.split_at(length).0));
        }
    }

    #[test]
    fn hashes_services_and_flags_are_lists_without_case() {
        let (key, _) =
            parse(&format!("v=DKIM1; h=SHA1 : sha256:x; s=tlsrpt:Email; t=Y:s:zz; n=rotate me; p={RSA_1024}"));
        assert!(key.allows_hash("sha256") && key.allows_hash("sha1") && key.is_for_mail());
        assert!(key.testing && key.strict);
        assert_eq!(key.note.as_deref(), Some("rotate me"));
        let (key, _) = parse("h=sha1; s=tlsrpt; p=");
        assert!(!key.allows_hash("sha256") && !key.is_for_mail());
        let (key, _) = parse("p=");
        assert!(key.allows_hash("sha256") && key.is_for_mail() && !key.testing && !key.strict);
    }

    #[test]
    fn other_texts_are_no_keys() {
        for (text, is_key) in [
            ("v=spf1 -all", false),
            ("v=DMARC1; p=none", false),
            ("google-site-verification=abc", false),
            ("", false),
            ("v=DKIM1", true),
            ("p=", true),
        ] {
            assert_eq!(Key::is_key(text), is_key, "{text}");
        }
        let (key, problems) = Key::parse(b"v=DKIM1; n=\xff; p=");
        assert_eq!((key.note.as_deref(), problems[0].kind.clone()), (Some("\\xff"), KeyProblemKind::NotAscii));
    }
}

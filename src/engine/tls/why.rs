//! Why TLS failed, in plain words: refused certificates, handshakes that come to nothing, sessions that break.
//!
//! What stands here is said of a server to its owner, so nothing may sound like the server's fault that is ours: the
//! library's own limits (short keys, old ciphers, long chains) are named as such.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError, PeerIncompatible};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::check::HandshakeFault;

/// How many names of a certificate a sentence holds.
const SHOWN: usize = 5;

/// Why a certificate was refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// The same refusal with its reason in words: only whoever verifies still sees the certificate.
pub(in crate::engine) fn in_words(
    why: rustls::Error,
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
    alone: bool,
) -> rustls::Error {
    match why {
        rustls::Error::InvalidCertificate(reason) => {
            let words = Refused(certificate_words(&reason, leaf, name, alone));
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(words))))
        }
        other => other,
    }
}

/// The names of a certificate, in one sentence: a content network's bears a hundred.
fn bears(names: &[String]) -> String {
    let (shown, rest) = names.split_at_checked(SHOWN).unwrap_or((names, &[]));
    match (shown, rest) {
        ([], _) => "no name at all".to_owned(),
        (shown, []) => shown.join(", "),
        (shown, rest) => format!("{} and {} more", shown.join(", "), rest.len()),
    }
}

fn certificate_words(
    reason: &CertificateError,
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
    alone: bool,
) -> String {
    let parsed = x509_parser::parse_x509_certificate(leaf).ok().map(|(_, certificate)| certificate);
    match reason {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate expired on {}", date(not_after.as_secs()))
        }
        CertificateError::Expired => "the certificate has expired".into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}", date(not_before.as_secs()))
        }
        CertificateError::NotValidYet => "the certificate is not yet valid".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = parsed.as_ref().map(names_of).unwrap_or_default();
            let bears = bears(&names);
            format!("the certificate is for {bears}, not {}", name.to_str())
        }
        CertificateError::UnknownIssuer => match &parsed {
            Some(own) if own.issuer() == own.subject() => "the certificate is self-signed".into(),
            Some(own) => {
                let missing = if alone { "; the server sent no intermediate certificate" } else { "" };
                format!("the certificate's issuer is not trusted ({}){missing}", own.issuer())
            }
            None => "the certificate's issuer is not trusted".into(),
        },
        CertificateError::Revoked => "the certificate is revoked".into(),
        CertificateError::BadEncoding => "the certificate cannot be read".into(),
        CertificateError::BadSignature => "the signature on the certificate does not hold".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not meant for servers".into()
        }
        other => match &parsed {
            // A certificate that signs for itself as a CA is refused for its shape before anybody looks for its issuer.
            Some(own) if own.issuer() == own.subject() => "the certificate is self-signed".into(),
            _ => format!("the certificate is refused ({})", refused(other)),
        },
    }
}

fn names_of(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

fn date(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|at| at.format(format_description!("[year]-[month]-[day]")).ok())
        .unwrap_or_else(|| "a date that cannot be read".into())
}

/// Why TLS failed, in words that stand alone.
pub(crate) fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => verifier_words(&other.0.to_string()),
        rustls::Error::InvalidCertificate(other) => format!("the certificate is refused ({})", refused(other)),
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server refused TLS 1.2 and 1.3 (alert protocol version): it speaks older versions alone".into()
        }
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity) => {
            "the server accepts nothing of what mxray offers: TLS 1.2 and 1.3 with ECDHE and AES-GCM or ChaCha20, and keys of RSA, P-256, P-384 or Ed25519 (alert handshake failure)".into()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused the handshake (alert {})", spaced(&format!("{alert:?}")))
        }
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => {
            "what the server sent is not TLS".into()
        }
        rustls::Error::PeerIncompatible(why) if is_old_version(why) => {
            "the server answers with a TLS older than 1.2, which is no longer safe".into()
        }
        rustls::Error::PeerIncompatible(_) => "the server offers no TLS version or cipher that we accept".into(),
        rustls::Error::NoCertificatesPresented => "the server sent no certificate".into(),
        rustls::Error::PeerMisbehaved(_) => "the server broke the rules of the handshake".into(),
        other => other.to_string(),
    }
}

/// What kind of failure a failed handshake is.
pub(crate) fn fault(error: &rustls::Error) -> HandshakeFault {
    match error {
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => HandshakeFault::OldVersion,
        rustls::Error::PeerIncompatible(why) if is_old_version(why) => HandshakeFault::OldVersion,
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity)
        | rustls::Error::PeerIncompatible(_) => HandshakeFault::NothingInCommon,
        // The key that signed is of a kind or a length that the library does not compute.
        rustls::Error::InvalidCertificate(why) if is_beyond_us(why) => HandshakeFault::NothingInCommon,
        _ => HandshakeFault::Failed,
    }
}

fn is_old_version(why: &PeerIncompatible) -> bool {
    matches!(
        why,
        PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
    )
}

pub(in crate::engine) fn is_beyond_us(why: &CertificateError) -> bool {
    #[expect(deprecated, reason = "older parts of the library still say so")]
    let unsupported = matches!(why, CertificateError::UnsupportedSignatureAlgorithm);
    unsupported
        || matches!(
            why,
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        )
}

/// A reason of the library's in words that end "the certificate is refused".
pub(in crate::engine) fn refused(why: &CertificateError) -> String {
    match why {
        CertificateError::BadSignature => "a signature on it or above it does not hold".into(),
        CertificateError::BadEncoding => "it cannot be read".into(),
        CertificateError::Revoked => "it is revoked".into(),
        other if is_beyond_us(other) => {
            "it, or one above it, is signed in a way that is not trusted any more, as SHA-1 is".into()
        }
        CertificateError::Other(other) => verifier_words(&other.0.to_string()),
        other => other.to_string(),
    }
}

/// What the verifier of certificates says by the names of its errors alone.
fn verifier_words(text: &str) -> String {
    match text {
        "NameConstraintViolation" => "an authority above it may not vouch for this name (name constraints)",
        "EndEntityUsedAsCa" => "a certificate above it is no authority's (CA:FALSE), and may vouch for nobody",
        "CaUsedAsEndEntity" => "it is an authority's own certificate (CA:TRUE), and none for a server",
        "PathLenConstraintViolated" => "an authority above it may have no other authority below it (path length)",
        "MaximumPathDepthExceeded" | "MaximumPathBuildCallsExceeded" | "MaximumSignatureChecksExceeded" => {
            "more authorities stand above it than mxray follows (six); others may follow further"
        }
        "UnsupportedCriticalExtension" => "it holds a critical extension that mxray does not know",
        "UnsupportedCertVersion" => "it, or one above it, is of X.509 version 1 or 2, which bears no names to check",
        "MalformedExtensions" | "ExtensionValueInvalid" | "MalformedDnsIdentifier" | "MalformedNameConstraint" => {
            "an extension of it cannot be read"
        }
        "SignatureAlgorithmMismatch" => "its two statements of how it is signed disagree",
        "InvalidSerialNumber" => "its serial number is longer than 20 octets",
        other => other,
    }
    .to_owned()
}

/// How TLS broke that stood already, in words.
pub(crate) fn broken(error: &rustls::Error) -> String {
    match error {
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a certificate of the client (alert certificate required), which nobody who sends mail has"
                .into()
        }
        rustls::Error::AlertReceived(alert) => format!("the server ends TLS (alert {})", spaced(&format!("{alert:?}"))),
        rustls::Error::DecryptError => {
            "a record does not decrypt (bad record MAC): it was damaged or changed on the way, or its sender lost count"
                .into()
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            "what the server sent is no TLS record: plain text, or garbage".into()
        }
        rustls::Error::PeerSentOversizedRecord | rustls::Error::InvalidMessage(InvalidMessage::MessageTooLarge) => {
            "the server sent a TLS record larger than TLS allows".into()
        }
        rustls::Error::InvalidMessage(what) => {
            format!("the server sent a TLS message that cannot be read ({})", spaced(&format!("{what:?}")))
        }
        rustls::Error::PeerMisbehaved(_) | rustls::Error::InappropriateMessage { .. } => {
            "the server broke the rules of TLS".into()
        }
        other => words(other),
    }
}

/// `HandshakeFailure` as `handshake failure`, `UnknownCA` as `unknown ca`.
pub(crate) fn spaced(camel: &str) -> String {
    let mut out = String::new();
    let mut after_small = false;
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && after_small {
            out.push(' ');
        }
        after_small = letter.is_ascii_lowercase();
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_a_hundred_names_fits_a_sentence() {
        let names: Vec<String> = (1..=100).map(|n| format!("h{n}.example")).collect();
        assert_eq!(bears(&names), "h1.example, h2.example, h3.example, h4.example, h5.example and 95 more");
        assert_eq!(bears(names.get(..2).unwrap()), "h1.example, h2.example");
        assert_eq!(bears(&[]), "no name at all");
    }
}

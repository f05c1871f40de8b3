//! Whom we trust in TLS, and why not, in plain words.
//!
//! Roots are the system's, by the platform verifier, with Mozilla's list where the system has none; reading them takes
//! milliseconds, so it happens off the async workers, at the first connection that needs them. One verifier serves HTTPS,
//! DNS over TLS and DNS over HTTPS. Nothing here ever accepts what the verifier refused.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, CommonState, OtherError, ProtocolVersion, RootCertStore};
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use time::macros::format_description;

use super::EngineError;
use super::verifier::Verifier;

/// The version that a handshake came to, as people write it.
pub(super) fn version(connection: &CommonState) -> String {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
        other => format!("{other:?}"),
    }
}

/// The cipher suite that it came to, by its IANA name.
pub(super) fn cipher(connection: &CommonState) -> String {
    let suite = connection.negotiated_cipher_suite();
    suite.map(|suite| format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)).unwrap_or_default()
}

/// The group of its key exchange.
pub(super) fn group(connection: &CommonState) -> Option<String> {
    connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()))
}

/// The roots, read once.
#[derive(Debug)]
pub(crate) struct Trust {
    extra: Vec<CertificateDer<'static>>,
    now: Option<OffsetDateTime>,
    verifier: OnceLock<Result<Arc<dyn ServerCertVerifier>, String>>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Trust {
    /// The system's roots and the certificates of `extra` (PEM), judged at `now` or at the time of the handshake.
    pub(crate) fn new(extra: &[Vec<u8>], now: Option<OffsetDateTime>) -> Result<Trust, EngineError> {
        let mut certificates = Vec::new();
        for pem in extra {
            let before = certificates.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                certificates.push(certificate.map_err(|why| EngineError::BadRoots(why.to_string()))?);
            }
            if certificates.len() == before {
                return Err(EngineError::BadRoots("no certificate in PEM form in it".into()));
            }
        }
        Ok(Trust { extra: certificates, now, verifier: OnceLock::new(), config: OnceLock::new() })
    }

    /// A client's configuration without ALPN; the first call reads the roots.
    pub(crate) async fn client(self: &Arc<Self>) -> Result<Arc<ClientConfig>, String> {
        if let Some(ready) = self.config.get() {
            return ready.clone();
        }
        let trust = self.clone();
        tokio::task::spawn_blocking(move || trust.config.get_or_init(|| trust.make()).clone())
            .await
            .unwrap_or_else(|_| Err("the trusted certificates could not be read".into()))
    }

    /// The verifier alone, for who judges a certificate apart from the handshake; the first call reads the roots.
    pub(crate) async fn verifier(self: &Arc<Self>) -> Result<Arc<dyn ServerCertVerifier>, String> {
        if let Some(ready) = self.verifier.get() {
            return ready.clone();
        }
        let trust = self.clone();
        tokio::task::spawn_blocking(move || trust.read_roots())
            .await
            .unwrap_or_else(|_| Err("the trusted certificates could not be read".into()))
    }

    fn read_roots(&self) -> Result<Arc<dyn ServerCertVerifier>, String> {
        let make = || self.make_verifier(&Arc::new(rustls::crypto::ring::default_provider()));
        self.verifier.get_or_init(make).clone()
    }

    fn make(&self) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(Verifier::of_certificates(self.read_roots()?, &provider));
        let time: Arc<dyn TimeProvider> = match self.now {
            Some(now) => Arc::new(FixedTime(now)),
            None => Arc::new(rustls::time_provider::DefaultTimeProvider),
        };
        let config = ClientConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()
            .map_err(|why| why.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    fn make_verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
        match rustls_platform_verifier::Verifier::new_with_extra_roots(self.extra.clone(), provider.clone()) {
            Ok(verifier) => Ok(Arc::new(verifier)),
            // No certificate store here (a bare container): Mozilla's list is better than trusting nobody.
            Err(_) => {
                let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                for certificate in &self.extra {
                    roots.add(certificate.clone()).map_err(|why| why.to_string())?;
                }
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|why| why.to_string())?;
                Ok(verifier)
            }
        }
    }
}

#[derive(Debug)]
struct FixedTime(OffsetDateTime);

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.unix_timestamp()).unwrap_or(0);
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

/// Why a certificate was refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// The same refusal with its reason in words: only whoever verifies still sees the certificate.
pub(super) fn in_words(
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
            let bears = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
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
            _ => format!("the certificate is refused ({other})"),
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
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.to_string(),
        rustls::Error::InvalidCertificate(other) => format!("the certificate is refused ({other})"),
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused the handshake (alert {})", spaced(&format!("{alert:?}")))
        }
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => {
            "what the server sent is not TLS".into()
        }
        rustls::Error::PeerIncompatible(_) => "the server offers no TLS version or cipher that we accept".into(),
        rustls::Error::NoCertificatesPresented => "the server sent no certificate".into(),
        rustls::Error::PeerMisbehaved(_) => "the server broke the rules of the handshake".into(),
        other => other.to_string(),
    }
}

/// How TLS broke that stood already, in words.
pub(crate) fn broken(error: &rustls::Error) -> String {
    use rustls::{AlertDescription, InvalidMessage};
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

/// The TLS error inside any chain of errors, if there is one.
pub(crate) fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An io::Error hides what it wraps from `source`.
        if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
            && let Some(tls) = within(inner)
        {
            return Some(tls);
        }
        next = error.source();
    }
    None
}

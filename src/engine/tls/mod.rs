//! Whom we trust in TLS, and why not, in plain words.
//!
//! Roots are the system's, by the platform verifier, with Mozilla's list where the system has none; reading them takes
//! milliseconds, so it happens off the async workers, at the first connection that needs them. One verifier serves HTTPS,
//! DNS over TLS and DNS over HTTPS. Nothing here ever accepts what the verifier refused.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CommonState, ProtocolVersion, RootCertStore};
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;

mod why;

pub(crate) use why::{broken, fault, spaced, words};
pub(super) use why::{in_words, is_beyond_us, refused};

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

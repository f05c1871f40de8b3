//! The one verifier that stands in our TLS handshakes. The signatures of the handshake are always verified, so that nobody
//! in between can forge one; the certificates are judged during it (HTTPS, DNS over TLS and HTTPS), or taken as they come
//! and judged apart (an opportunistic sender of mail, RFC 7435).

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::tls;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Verifier {
    signatures: WebPkiSupportedAlgorithms,
    /// `None`: whoever shook hands judges the certificates afterwards.
    certificates: Option<Arc<dyn ServerCertVerifier>>,
}

impl Verifier {
    /// Refuses what `certificates` refuses, with the reason in words.
    pub(super) fn of_certificates(certificates: Arc<dyn ServerCertVerifier>, provider: &CryptoProvider) -> Verifier {
        Verifier { signatures: provider.signature_verification_algorithms, certificates: Some(certificates) }
    }

    /// Accepts any certificate, and no forged handshake.
    pub(super) fn of_handshake_alone(provider: &CryptoProvider) -> Verifier {
        Verifier { signatures: provider.signature_verification_algorithms, certificates: None }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.certificates {
            Some(inner) => inner
                .verify_server_cert(leaf, intermediates, name, ocsp, now)
                .map_err(|why| tls::in_words(why, leaf, name, intermediates.is_empty())),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.signatures)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.signatures)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}

//! The one verifier that stands in our TLS handshakes. The signatures of the handshake are always verified, so that nobody
//! in between can forge one; the certificates are judged during it (HTTPS, DNS over TLS and HTTPS), or taken as they come
//! and judged apart (an opportunistic sender of mail, RFC 7435).
//!
//! Mail servers keep keys and certificates for decades: RSA of 1024 bits, X.509 version 1. The library refuses to compute
//! with them, and other senders do; so that the look can go on as theirs would, such signatures are computed here.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use x509_parser::public_key::PublicKey;

use super::{short_rsa, tls};

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

impl Verifier {
    /// Verifies by the certificate's public key alone, where the library refused the certificate or the key's length. Only
    /// for who judges the certificate apart; `why` stands where it does not verify either.
    fn by_bare_key(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        why: rustls::Error,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.certificates.is_some() {
            return Err(why);
        }
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return Err(why) };
        let key = parsed.public_key();
        let algorithms = self.signatures.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let holds = algorithms.flat_map(|(_, algorithms)| *algorithms).any(|algorithm| {
            algorithm.verify_signature(&key.subject_public_key.data, message, signed.signature()).is_ok()
        });
        let short = || match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => {
                short_rsa::verify(signed.scheme, rsa.modulus, rsa.exponent, message, signed.signature())
            }
            _ => false,
        };
        if holds || short() { Ok(HandshakeSignatureValid::assertion()) } else { Err(why) }
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
            .or_else(|why| self.by_bare_key(message, certificate, signed, why))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.signatures)
            .or_else(|why| self.by_bare_key(message, certificate, signed, why))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}

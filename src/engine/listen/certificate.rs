//! The certificate that a listener shows: made when it starts, signed by itself, forgotten when it ends. A sender that
//! checks certificates refuses it, and rightly.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use crate::smtp::listen::OUR_NAME;

/// What the listener proves itself with.
pub(super) struct Identity {
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: String,
}

pub(super) fn make() -> Result<Identity, String> {
    let names = [OUR_NAME, "localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = rcgen::CertificateParams::new(names).map_err(|why| why.to_string())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, OUR_NAME);
    let now = OffsetDateTime::now_utc();
    // A day back, for a client whose clock is behind.
    (params.not_before, params.not_after) = (now - Duration::days(1), now + Duration::days(30));
    let key = rcgen::KeyPair::generate().map_err(|why| why.to_string())?;
    let certificate = params.self_signed(&key).map_err(|why| why.to_string())?;
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
    let fingerprint = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(|why| why.to_string())?;
    Ok(Identity { config: Arc::new(config), fingerprint })
}

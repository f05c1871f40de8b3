//! The server side of TLS in the demo world: which certificate a host shows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{bundle, world};

/// Shows the certificate of the name that the client asks for, or always that of one host. Keys are read when they are
/// first needed.
#[derive(Debug)]
struct Certificates {
    /// Whose certificate everybody gets; `None`: the one asked for.
    host: Option<String>,
    read: Mutex<HashMap<String, Option<Arc<CertifiedKey>>>>,
}

/// A TLS configuration: for `host` alone, or for whatever name is asked.
pub(super) fn config(host: Option<&str>) -> Option<Arc<ServerConfig>> {
    let certificates = Certificates { host: host.map(str::to_owned), read: Mutex::default() };
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    if host.is_none() {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Some(Arc::new(config))
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = self.host.as_deref().or_else(|| hello.server_name())?.to_owned();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.entry(name).or_insert_with_key(|name| certified(name)).clone()
    }
}

fn certified(host: &str) -> Option<Arc<CertifiedKey>> {
    let key = bundle::private_key(world::TLS, host).ok()??;
    let chain = bundle::certificates(world::TLS, host).ok()?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).ok()?;
    Some(Arc::new(CertifiedKey::new(chain, key)))
}

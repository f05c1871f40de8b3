//! The TLS handshake of an opportunistic sender: it goes on whatever the certificate says, and the certificate is judged
//! apart, as a sender that checks would (RFC 7435, RFC 8461 §4.2). The signatures of the handshake itself are verified.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::check::{HandshakeFault, PkixFault, TlsSession};
use crate::engine::smtp::Wire;
use crate::engine::tls;
use crate::engine::verifier::Verifier;
use crate::smtp::certificate::Certificate;

/// Shakes hands; the error is a reason in words.
pub(super) async fn shake(
    socket: TcpStream,
    host: &str,
    wire: &Wire,
) -> Result<(TlsStream<TcpStream>, TlsSession), (HandshakeFault, String)> {
    let failed = |why: String| (HandshakeFault::Failed, why);
    let name = match host.parse::<std::net::IpAddr>() {
        Ok(ip) => ServerName::IpAddress(ip.into()),
        Err(_) => ServerName::try_from(host.to_owned()).map_err(|_| failed(format!("{host} is no name for TLS")))?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Verifier::of_handshake_alone(&provider));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| failed(why.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // The roots load beside the handshake, not before it.
    let roots = wire.trust.verifier();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name.clone(), socket);
    let (connected, verifier) = tokio::join!(connecting, roots);
    let stream = connected.map_err(|why| match tls::within(&why) {
        Some(error) => (tls::fault(error), tls::words(error)),
        None if why.kind() == std::io::ErrorKind::UnexpectedEof => failed("the server closed the connection".into()),
        None if why.kind() == std::io::ErrorKind::ConnectionReset => failed("the server reset the connection".into()),
        None => failed(super::plain(&why)),
    })?;
    let now = wire.now.unwrap_or_else(OffsetDateTime::now_utc);
    let (_, connection) = stream.get_ref();
    let chain: Vec<CertificateDer<'static>> =
        connection.peer_certificates().unwrap_or_default().iter().map(|der| der.clone().into_owned()).collect();
    let pkix = match verifier {
        Ok(verifier) => judge(&*verifier, &chain, &name, now),
        Err(why) => Err(PkixFault::Other(why)),
    };
    let session = TlsSession {
        version: tls::version(connection),
        cipher: tls::cipher(connection),
        group: tls::group(connection),
        alpn: connection.alpn_protocol().map(|bytes| crate::untrusted::lossless(bytes).into_owned()),
        sni: match &name {
            ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
            _ => None,
        },
        checked_name: host.to_owned(),
        chain: chain.iter().map(|der| Arc::from(der.as_ref())).collect(),
        pkix,
        checked_at: now,
    };
    Ok((stream, session))
}

/// Whether a certificate says what it is for, and servers are not among it (RFC 5280 §4.2.1.12).
fn is_for_others(leaf: &CertificateDer<'_>) -> bool {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(leaf) else { return false };
    // "Any" is not enough: OpenSSL and webpki both ask for serverAuth itself where a usage is named.
    matches!(parsed.extended_key_usage(), Ok(Some(usage)) if !usage.value.server_auth)
}

/// Which certificate of a chain is signed in a way that is not trusted any more, in words.
fn signed_weakly(chain: &[CertificateDer<'static>]) -> Option<String> {
    let certificates = chain.iter().filter_map(|der| Certificate::parse(der));
    let weak = certificates
        .filter(|certificate| certificate.issuer != certificate.subject)
        .find(Certificate::is_weakly_signed)?;
    Some(format!("{} is signed with {}, which is not trusted any more", weak.subject, weak.signature))
}

fn judge(
    verifier: &dyn ServerCertVerifier,
    chain: &[CertificateDer<'static>],
    name: &ServerName<'_>,
    now: OffsetDateTime,
) -> Result<(), PkixFault> {
    let Some((leaf, above)) = chain.split_first() else {
        return Err(PkixFault::Other("the server sent no certificate".into()));
    };
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let error = match verifier.verify_server_cert(leaf, above, name, &[], at) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let self_signed =
        || x509_parser::parse_x509_certificate(leaf).is_ok_and(|(_, parsed)| parsed.issuer() == parsed.subject());
    Err(match &error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => PkixFault::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => PkixFault::NotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => PkixFault::WrongName,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => PkixFault::WrongUsage,
            _ if self_signed() => PkixFault::SelfSigned,
            CertificateError::UnknownIssuer => PkixFault::UnknownIssuer,
            // The platform's verifier has an error of its own for a wrong purpose, which says "invalid extensions".
            CertificateError::Other(_) if is_for_others(leaf) => PkixFault::WrongUsage,
            why if tls::is_beyond_us(why) => {
                PkixFault::Other(signed_weakly(chain).unwrap_or_else(|| tls::refused(why)))
            }
            why => PkixFault::Other(tls::refused(why)),
        },
        _ => PkixFault::Other(tls::words(&error)),
    })
}

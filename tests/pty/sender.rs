//! A sender for the listener: plain blocking SMTP with STARTTLS, which believes any certificate, as most senders do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// Sends one message through STARTTLS and says QUIT.
pub fn send(address: &str, message: &str) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    say(&mut socket, "", "220 ");
    say(&mut socket, "EHLO mx.sender.example\r\n", "250 ");
    say(&mut socket, "STARTTLS\r\n", "220 ");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believes))
        .with_no_client_auth();
    let name = ServerName::try_from("mxray.localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    say(&mut stream, "EHLO mx.sender.example\r\n", "250 ");
    say(&mut stream, "MAIL FROM:<bounce@sender.example>\r\n", "250 ");
    say(&mut stream, "RCPT TO:<you@example.com>\r\n", "250 ");
    say(&mut stream, "DATA\r\n", "354 ");
    say(&mut stream, &format!("{message}\r\n.\r\n"), "250 ");
    say(&mut stream, "QUIT\r\n", "221 ");
}

/// Says it and reads the whole reply, which must begin so on its last line.
fn say<S: Read + Write>(stream: &mut S, line: &str, reply: &str) {
    stream.write_all(line.as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut heard = String::new();
    while !heard.lines().last().is_some_and(|last| last.starts_with(reply)) || !heard.ends_with('\n') {
        let mut byte = [0];
        let read = stream.read(&mut byte).unwrap();
        assert!(read == 1 && heard.len() < 4096, "after {line:?}: {heard}");
        heard.push(char::from(byte[0]));
    }
}

/// Believes every certificate.
#[derive(Debug)]
struct Believes;

impl ServerCertVerifier for Believes {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls13_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

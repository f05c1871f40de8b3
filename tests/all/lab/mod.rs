//! The demo world: every zone answers as it is written, over UDP and TCP; nothing is refused; its policies are served
//! under its own authority; its mail servers speak.

mod dns;
mod dnssec;
mod policies;
mod smtp;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use mxray::lab::Lab;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

const PATIENCE: Duration = Duration::from_secs(5);

fn question(name: &str, kind: RecordType, signed: bool) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).unwrap(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(signed);
    message.set_edns(edns);
    message
}

async fn raw_udp(server: SocketAddr, message: &Message) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(&message.to_vec().unwrap()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("no answer").unwrap();
    buffer.truncate(length);
    buffer
}

async fn udp(lab: &Lab, name: &str, kind: RecordType) -> Message {
    Message::from_vec(&raw_udp(lab.address(), &question(name, kind, false)).await).unwrap()
}

async fn tcp(lab: &Lab, name: &str, kind: RecordType) -> Message {
    let mut stream = TcpStream::connect(lab.address()).await.unwrap();
    let bytes = question(name, kind, false).to_vec().unwrap();
    stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let length = tokio::time::timeout(PATIENCE, stream.read_u16()).await.expect("no answer").unwrap();
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await.unwrap();
    Message::from_vec(&answer).unwrap()
}

fn texts(message: &Message) -> Vec<String> {
    let mut all: Vec<String> = message
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        })
        .collect();
    all.sort();
    all
}

/// A TLS stream to where the lab's rules send `host:port`.
async fn plain_to(lab: &Lab, host: &str, port: u16) -> std::io::Result<TcpStream> {
    let rules = lab.settings().connect_to;
    let rule = rules.iter().find(|rule| rule.matches(host, port)).expect("a rule for every host");
    TcpStream::connect((rule.to_host.as_deref().unwrap(), rule.to_port.unwrap())).await
}

fn connector(lab: &Lab) -> tokio_rustls::TlsConnector {
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    for pem in lab.settings().extra_roots {
        for certificate in rustls_pki_types::CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.unwrap()).unwrap();
        }
    }
    assert_eq!(roots.len(), 1);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

async fn get(lab: &Lab, host: &str) -> std::io::Result<String> {
    let stream = plain_to(lab, host, 443).await?;
    let name = rustls_pki_types::ServerName::try_from(host.to_owned()).unwrap();
    let mut stream = connector(lab).connect(name, stream).await?;
    let request = format!("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("no end")?;
    Ok(text)
}

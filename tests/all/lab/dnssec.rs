//! The signed chain, validated from the trust anchor by a library that is not ours.

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use mxray::lab::Lab;

use super::*;

#[tokio::test]
async fn the_signed_chain_validates_from_the_trust_anchor() {
    use hickory_proto::dnssec::{Proof, TrustAnchors};
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;

    let lab = Lab::start().await.unwrap();
    let anchors: TrustAnchors = lab.trust_anchor().unwrap().parse().unwrap();
    let mut connection = ConnectionConfig::new(ProtocolConfig::Udp);
    connection.port = lab.address().port();
    let server = NameServerConfig::new(lab.address().ip(), true, vec![connection]);
    let mut tcp = ConnectionConfig::new(ProtocolConfig::Tcp);
    tcp.port = lab.address().port();
    let config = ResolverConfig::from_parts(None, vec![], vec![server]);
    let mut builder = hickory_resolver::TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_trust_anchor(Arc::new(anchors));
    builder.options_mut().timeout = Duration::from_secs(2);
    let resolver = builder.build().unwrap();
    for (name, kind, proof) in [
        ("flawless.example.", RecordType::MX, Proof::Secure),
        ("_25._tcp.mx1.flawless.example.", RecordType::TLSA, Proof::Secure),
        ("_25._tcp.mx.dane.servers.example.", RecordType::TLSA, Proof::Secure),
        ("monsec.example.", RecordType::MX, Proof::Insecure),
        ("_spf.google.example.", RecordType::TXT, Proof::Insecure),
    ] {
        let lookup = resolver.lookup(name, kind).await.unwrap_or_else(|why| panic!("{name} {kind}: {why}"));
        let record = lookup.answers().iter().find(|record| record.record_type() == kind).unwrap();
        assert_eq!(record.proof, proof, "{name} {kind}");
    }
    for (name, secure) in [("flawless.example", true), ("monsec.example", false), ("bogus.example", false)] {
        let mut ask = question(name, RecordType::MX, false);
        let said = async |ask: &Message| Message::from_vec(&raw_udp(lab.address(), ask).await).unwrap().metadata;
        assert!(!said(&ask).await.authentic_data, "{name}: nobody asked");
        ask.metadata.authentic_data = true;
        assert_eq!(said(&ask).await.authentic_data, secure, "{name}");
    }
    let forged = resolver.lookup("bogus.example.", RecordType::MX).await.unwrap_err();
    assert!(format!("{forged:?}").contains("DnssecBogus"), "{forged:?}");
    // a secure "there is none" needs proofs too
    for (name, kind) in
        [("_25._tcp.mx.expired.servers.example.", RecordType::TLSA), ("mx1.flawless.example.", RecordType::MX)]
    {
        let error = resolver.lookup(name, kind).await.unwrap_err();
        assert!(error.to_string().contains("no record"), "{name}: {error}");
    }
}

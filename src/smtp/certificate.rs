//! Certificates laid open: names, dates, key, fingerprints, and why a check fails, in words. Reading is x509-parser's;
//! whether the chain is good was decided by the engine's verifier and stands in the session.

use ring::digest;
use serde::Serialize;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::check::{PkixFault, TlsSession};

/// A day in seconds.
const DAY: i64 = 86_400;

/// One certificate as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// The subject's distinguished name.
    pub subject: String,
    /// The DNS names and addresses that it is for.
    pub names: Vec<String>,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// When it begins, RFC 3339.
    pub not_before: String,
    /// When it ends, RFC 3339.
    pub not_after: String,
    /// `RSA 2048`, `EC 256`, `Ed25519`.
    pub key: String,
    /// How its issuer signed it: `ECDSA SHA-256`; the object identifier where that has no name here.
    pub signature: String,
    /// SHA-256 of the whole certificate, hexadecimal.
    pub sha256: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo), hexadecimal: what a `3 1 1` TLSA record holds.
    pub spki_sha256: String,
    /// The end as seconds since 1970.
    #[serde(skip)]
    pub ends: i64,
    /// The beginning as seconds since 1970.
    #[serde(skip)]
    pub begins: i64,
}

impl Certificate {
    /// Reads DER; `None` when it is no certificate.
    pub fn parse(der: &[u8]) -> Option<Certificate> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let validity = parsed.validity();
        let date = |at: x509_parser::time::ASN1Time| {
            let format = &time::format_description::well_known::Rfc3339;
            OffsetDateTime::from_unix_timestamp(at.timestamp())
                .ok()
                .and_then(|at| at.format(format).ok())
                .unwrap_or_default()
        };
        Some(Certificate {
            subject: parsed.subject().to_string(),
            names: names(&parsed),
            issuer: parsed.issuer().to_string(),
            not_before: date(validity.not_before),
            not_after: date(validity.not_after),
            key: key(&parsed),
            signature: signature(&parsed.signature_algorithm.algorithm.to_id_string()),
            sha256: hex(digest::digest(&digest::SHA256, der).as_ref()),
            spki_sha256: hex(digest::digest(&digest::SHA256, parsed.public_key().raw).as_ref()),
            ends: validity.not_after.timestamp(),
            begins: validity.not_before.timestamp(),
        })
    }

    /// Whether its issuer signed it over a hash that can be forged (RFC 9155; CA/Browser Forum since 2016).
    pub fn is_weakly_signed(&self) -> bool {
        self.signature.ends_with("SHA-1") || self.signature.ends_with("MD5")
    }

    /// Whether its end has passed.
    fn has_ended(&self, now: OffsetDateTime) -> bool {
        now.unix_timestamp() > self.ends
    }

    /// Whether its beginning is still to come.
    fn has_not_begun(&self, now: OffsetDateTime) -> bool {
        now.unix_timestamp() < self.begins
    }

    /// Whether one of its names is `name`, a wildcard standing for one whole label at the left (RFC 9525 §6.3).
    fn is_for(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
            None => own.eq_ignore_ascii_case(name),
        })
    }

    /// Days from `now` to the end; negative when it is past.
    pub fn days_left(&self, now: OffsetDateTime) -> i64 {
        (self.ends - now.unix_timestamp()).div_euclid(DAY)
    }

    /// The date of the beginning, without its time.
    fn begin_date(&self) -> &str {
        self.not_before.split('T').next().unwrap_or_default()
    }

    /// The date of the end, without its time.
    pub fn end_date(&self) -> &str {
        self.not_after.split('T').next().unwrap_or_default()
    }
}

/// The raw SubjectPublicKeyInfo of a certificate, for TLSA selector 1.
pub fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    X509Certificate::from_der(der).ok().map(|(_, parsed)| parsed.public_key().raw.to_vec())
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(alternatives) = extension.parsed_extension() {
            for name in &alternatives.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push((*name).to_owned()),
                    GeneralName::IPAddress(bytes) => names.extend(address(bytes)),
                    _ => {}
                }
            }
        }
    }
    names
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}

fn key(certificate: &X509Certificate<'_>) -> String {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
        _ => match certificate.public_key().algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => "Ed25519".into(),
            "1.3.101.113" => "Ed448".into(),
            other => other.to_owned(),
        },
    }
}

/// A signature algorithm by name (RFC 8017, RFC 5758, RFC 8410).
fn signature(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.1.4" => "RSA MD5",
        "1.2.840.113549.1.1.5" => "RSA SHA-1",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.113549.1.1.11" => "RSA SHA-256",
        "1.2.840.113549.1.1.12" => "RSA SHA-384",
        "1.2.840.113549.1.1.13" => "RSA SHA-512",
        "1.2.840.10045.4.1" => "ECDSA SHA-1",
        "1.2.840.10045.4.3.2" => "ECDSA SHA-256",
        "1.2.840.10045.4.3.3" => "ECDSA SHA-384",
        "1.2.840.10045.4.3.4" => "ECDSA SHA-512",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        other => other,
    }
    .to_owned()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a sender that checks would refuse this session's certificate, in a sentence without its full stop.
pub fn why(fault: &PkixFault, tls: &TlsSession) -> String {
    let leaf = tls.chain.first().and_then(|der| Certificate::parse(der));
    let name = &tls.checked_name;
    match (fault, leaf) {
        (PkixFault::Expired, Some(leaf)) if leaf.has_ended(tls.checked_at) => {
            let ago = match (tls.checked_at.unix_timestamp() - leaf.ends) / DAY {
                0 => "less than a day ago".to_owned(),
                1 => "a day ago".to_owned(),
                days => format!("{days} days ago"),
            };
            format!("its certificate expired on {}, {ago}", leaf.end_date())
        }
        (PkixFault::Expired, Some(_)) => match above(tls, |one| one.has_ended(tls.checked_at)) {
            Some(one) => format!("a certificate above its own expired on {} ({})", one.end_date(), one.subject),
            None => "a certificate above its own has expired".into(),
        },
        (PkixFault::NotYetValid, Some(leaf)) if leaf.has_not_begun(tls.checked_at) => {
            format!("its certificate is valid only from {}", leaf.begin_date())
        }
        (PkixFault::NotYetValid, Some(_)) => match above(tls, |one| one.has_not_begun(tls.checked_at)) {
            Some(one) => {
                format!("a certificate above its own is valid only from {} ({})", one.begin_date(), one.subject)
            }
            None => "a certificate above its own is not valid yet".into(),
        },
        (PkixFault::WrongName, Some(leaf)) if leaf.names.is_empty() => {
            let subject = if leaf.subject.is_empty() {
                String::new()
            } else {
                format!(" (its subject, {}, is not looked at any more)", leaf.subject)
            };
            format!("its certificate bears no name to check, so not {name} either{subject}")
        }
        (PkixFault::WrongName, Some(leaf)) => {
            let shown: Vec<_> = leaf.names.iter().take(3).map(String::as_str).collect();
            let more = if leaf.names.len() > 3 { ", …" } else { "" };
            format!("its certificate is for {}{more}, not for {name}", shown.join(", "))
        }
        (PkixFault::Expired, None) => "its certificate has expired".into(),
        (PkixFault::NotYetValid, None) => "its certificate is not valid yet".into(),
        (PkixFault::WrongName, None) => format!("its certificate is not for {name}"),
        (PkixFault::SelfSigned, _) => "its certificate is signed by itself, and nobody vouches for it".into(),
        (PkixFault::UnknownIssuer, Some(leaf)) if tls.chain.len() == 1 => format!(
            "its certificate's issuer ({}) leads to no trusted root; an intermediate certificate was perhaps not sent",
            leaf.issuer
        ),
        (PkixFault::UnknownIssuer, Some(_)) => {
            let top =
                tls.chain.last().and_then(|der| Certificate::parse(der)).map(|top| top.issuer).unwrap_or_default();
            format!("its certificate's chain leads up to {top}, which is no root that is trusted here")
        }
        (PkixFault::UnknownIssuer, None) => "its certificate's issuer leads to no root that is trusted here".into(),
        (PkixFault::WrongUsage, _) => "its certificate is not made for a server (extended key usage)".into(),
        (PkixFault::Other(words), _) => format!("its certificate does not verify: {words}"),
    }
}

/// The first certificate above the server's own that is so.
fn above(tls: &TlsSession, is_so: impl Fn(&Certificate) -> bool) -> Option<Certificate> {
    tls.chain.iter().skip(1).filter_map(|der| Certificate::parse(der)).find(is_so)
}

/// What else is wrong with the server's own certificate, behind the fault that was named first: who mends that one alone
/// would meet the next.
pub fn besides(fault: &PkixFault, tls: &TlsSession) -> Vec<String> {
    let Some(leaf) = tls.chain.first().and_then(|der| Certificate::parse(der)) else { return Vec::new() };
    let self_signed = leaf.issuer == leaf.subject;
    let others = [
        (PkixFault::Expired, leaf.has_ended(tls.checked_at)),
        (PkixFault::NotYetValid, leaf.has_not_begun(tls.checked_at)),
        (PkixFault::WrongName, !leaf.is_for(&tls.checked_name)),
        (PkixFault::SelfSigned, self_signed && *fault != PkixFault::UnknownIssuer),
    ];
    others.into_iter().filter(|(other, is_so)| *is_so && other != fault).map(|(other, _)| why(&other, tls)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_and_its_fault_named() {
        let mut params = rcgen::CertificateParams::new(vec!["www.example.test".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2026, 10, 25);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let certificate = Certificate::parse(&der).unwrap();
        assert_eq!(certificate.names, ["www.example.test"]);
        assert_eq!((certificate.key.as_str(), certificate.end_date()), ("EC 256", "2026-10-25"));
        assert_eq!(certificate.sha256.len(), 64);
        let tls = TlsSession {
            version: String::new(),
            cipher: String::new(),
            group: None,
            alpn: None,
            sni: None,
            checked_name: "mail.example.test".into(),
            chain: vec![der.into()],
            pkix: Err(PkixFault::WrongName),
            checked_at: OffsetDateTime::from_unix_timestamp(1_793_000_000 + 30 * 86_400).unwrap(),
        };
        assert_eq!(
            why(&PkixFault::WrongName, &tls),
            "its certificate is for www.example.test, not for mail.example.test"
        );
        assert!(why(&PkixFault::Expired, &tls).starts_with("its certificate expired on 2026-10-25, "));
        assert!(why(&PkixFault::UnknownIssuer, &tls).contains("intermediate"));
        assert_eq!(Certificate::parse(b"junk"), None);
    }
}

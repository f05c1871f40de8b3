//! DANE for SMTP (RFC 7672): what the TLSA records of an MX host demand, and whether the certificates that it sent meet it.
//!
//! Usage 3 (DANE-EE) binds the host's own key: names and dates do not matter (§3.1.1). Usage 2 (DANE-TA) binds an issuer:
//! the chain must lead to it, and name and dates count (§3.1.2). Usages 0 and 1 are not for SMTP (§3.1.3).

use std::sync::Arc;

use ring::digest;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::check::{Dns, Dnssec, Look, Outcome, PkixFault, TlsSession};
use crate::name::Name;
use crate::smtp::certificate::{public_key, why};

pub use crate::records::dane::{Host, Tlsa, Unusable};

impl Tlsa {
    /// Whether a certificate is the one that the record means.
    pub fn matches(&self, der: &[u8]) -> bool {
        let selected = match self.selector {
            0 => der.to_vec(),
            _ => public_key(der).unwrap_or_default(),
        };
        let seen = match self.matching {
            0 => selected,
            1 => digest::digest(&digest::SHA256, &selected).as_ref().to_vec(),
            _ => digest::digest(&digest::SHA512, &selected).as_ref().to_vec(),
        };
        !self.data.is_empty() && seen == self.data
    }
}

/// What DANE says about one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dane {
    /// No TLSA records: DANE does not apply.
    None,
    /// TLSA records in a zone that is not signed: they do not count (RFC 7672 §2.1).
    Insecure,
    /// We cannot tell whether the zone is signed: nobody validated.
    NotValidated,
    /// The lookup failed at the server or is bogus: a DANE sender skips this host (RFC 7672 §2.1.1); why.
    LookupFailed(String),
    /// We could not look, which may be our network or our resolver; why.
    NotLooked(String),
    /// TLSA records are there and secure, and none can be used: TLS is a must, the certificate is not looked at (§2.2).
    AllUnusable,
    /// A record matches: the text of the first that does.
    Match(String),
    /// None of the usable records matches.
    Mismatch(String, Remedy),
    /// TLSA records are there and secure, and there is no TLS to hold them against.
    NoTls,
    /// TLSA records are there and secure, and the dialogue did not come to TLS, or was told not to try it.
    Untried,
}

/// What there is to do where nothing matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Publish the record of the certificate in use.
    Publish,
    /// Send the issuer's certificate that the record binds (RFC 7672 §3.1.2).
    SendIssuer,
    /// A bound issuer makes name and dates count: mend the certificate, or bind the key itself.
    MendCertificate,
}

impl Remedy {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Remedy::Publish => {
                "Publish the TLSA record of the certificate in use before it is rolled over, and keep the old one until it is gone."
            }
            Remedy::SendIssuer => {
                "Let the server send the certificate of the issuer that the record binds, a root too; or publish 3 1 1 of its own key, which needs none."
            }
            Remedy::MendCertificate => {
                "With usage 2 name and dates count: renew the certificate for the host's name; or publish 3 1 1 of its own key, where they do not matter."
            }
        }
    }
}

impl Dane {
    /// Whether a sender that honours DANE delivers to this host; `None`: DANE has no say.
    pub fn delivers(&self, has_tls: bool) -> Option<bool> {
        match self {
            Dane::None | Dane::Insecure | Dane::NotValidated | Dane::NotLooked(_) | Dane::Untried => None,
            Dane::LookupFailed(_) | Dane::Mismatch(..) | Dane::NoTls => Some(false),
            Dane::AllUnusable => Some(has_tls),
            Dane::Match(_) => Some(true),
        }
    }

    /// Whether there is something that a sender who honours DANE goes by.
    pub fn applies(&self) -> bool {
        !matches!(self, Dane::None | Dane::Insecure | Dane::NotValidated)
    }

    /// One word for tables and scripts.
    pub fn word(&self) -> &'static str {
        match self {
            Dane::None => "none",
            Dane::Insecure => "insecure",
            Dane::NotValidated => "not-validated",
            Dane::LookupFailed(_) => "lookup-failed",
            Dane::NotLooked(_) => "not-looked",
            Dane::AllUnusable => "unusable",
            Dane::Match(_) => "ok",
            Dane::Mismatch(..) => "mismatch",
            Dane::NoTls => "no-tls",
            Dane::Untried => "not-tried",
        }
    }
}

/// Judges a host of `domain`'s by its TLSA records and the TLS session, if there is one. A resolver's word (its AD bit)
/// counts as secure here; whoever shows the verdict says whose word it was.
pub fn judge(host: &Host<'_>, domain: Option<&Name>, tls: Option<&TlsSession>) -> Dane {
    if let Some(proof) = host.proofs.iter().find(|proof| proof.dnssec == Dnssec::Bogus) {
        let why = match &proof.outcome {
            Outcome::Failed(why) => format!("it is bogus: {why}"),
            _ => "the answer is signed, and the signatures do not hold (bogus)".into(),
        };
        return Dane::LookupFailed(why);
    }
    // A certificate by a bound issuer may bear the host's name, the name of the TLSA records, or the domain's (§3.2.2).
    let base = host.base.to_string();
    let domain = domain.map(Name::to_string).unwrap_or_default();
    judge_answer(&host.tlsa, host.security, tls, &[&base, &domain])
}

fn judge_answer(answer: &Dns<'_>, security: Dnssec, tls: Option<&TlsSession>, other_names: &[&str]) -> Dane {
    let records: Vec<Tlsa> = match answer.look() {
        Look::Absent(_) => return Dane::None,
        Look::Unknown(outcome @ Outcome::ServerFailure) => return Dane::LookupFailed(outcome.to_string()),
        Look::Unknown(outcome) => return Dane::NotLooked(outcome.to_string()),
        Look::Found(records) => records.iter().filter_map(|record| Tlsa::of(&record.data)).collect(),
    };
    match security {
        Dnssec::Secure | Dnssec::Claimed => {}
        Dnssec::Insecure => return Dane::Insecure,
        Dnssec::Bogus | Dnssec::Unknown => return Dane::NotValidated,
    }
    let usable: Vec<&Tlsa> = records.iter().filter(|record| record.unusable().is_none()).collect();
    if usable.is_empty() {
        return Dane::AllUnusable;
    }
    let Some(tls) = tls else { return Dane::NoTls };
    let mut why = None;
    for record in &usable {
        match meets(record, tls, other_names) {
            Ok(()) => return Dane::Match(record.text()),
            Err(reason) => why = why.or(reason.map(|reason| Dane::Mismatch(reason, Remedy::MendCertificate))),
        }
    }
    why.unwrap_or_else(|| no_match(&usable))
}

/// That nothing matches; where an issuer is bound, that the server has to send it (RFC 7672 §3.1.2).
fn no_match(usable: &[&Tlsa]) -> Dane {
    let shown: Vec<String> = usable.iter().take(3).map(|record| record.short()).collect();
    let more = if usable.len() > 3 { " …" } else { "" };
    let (bound, remedy) = match usable.iter().all(|record| record.usage == 2) {
        true => ("; the issuer that it binds must be among the certificates that the server sends", Remedy::SendIssuer),
        false => ("", Remedy::Publish),
    };
    Dane::Mismatch(format!("no certificate of the server is the one in {}{more}{bound}", shown.join(" or ")), remedy)
}

/// Whether the session meets one usable record; a reason where it matched and something else failed.
fn meets(record: &Tlsa, tls: &TlsSession, other_names: &[&str]) -> Result<(), Option<String>> {
    let Some((leaf, above)) = tls.chain.split_first() else { return Err(None) };
    if record.usage == 3 {
        return if record.matches(leaf) { Ok(()) } else { Err(None) };
    }
    // A trust anchor may be sent by the server, or stand whole in the record.
    let sent = tls.chain.iter().find(|der| record.matches(der)).map(|der| der.to_vec());
    let whole = (record.selector == 0 && record.matching == 0).then(|| record.data.clone());
    let Some(anchor) = sent.or(whole) else { return Err(None) };
    let others = other_names.iter().copied().filter(|name| !name.is_empty() && *name != tls.checked_name);
    let names = std::iter::once(tls.checked_name.as_str()).chain(others);
    let mut last = None;
    for name in names {
        match chain_leads_to(leaf, above, &anchor, name, tls) {
            Ok(()) => return Ok(()),
            // The host's own name is the one to speak of.
            Err(why) => last = last.or_else(|| Some(format!("the issuer matches, but {why}"))),
        }
    }
    Err(last)
}

fn chain_leads_to(leaf: &[u8], above: &[Arc<[u8]>], anchor: &[u8], name: &str, tls: &TlsSession) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(anchor.to_vec())).map_err(|why| format!("it cannot be an issuer ({why})"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|why| why.to_string())?;
    let server = ServerName::try_from(name.to_owned()).map_err(|_| format!("{name} is no name for TLS"))?;
    let seconds = u64::try_from(tls.checked_at.unix_timestamp()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let leaf = CertificateDer::from(leaf.to_vec());
    let above: Vec<CertificateDer<'_>> = above.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    verifier
        .verify_server_cert(&leaf, &above, &server, &[], at)
        .map(|_| ())
        .map_err(|error| in_words(&error, name, tls))
}

/// Why a chain does not lead to a bound issuer.
fn in_words(error: &rustls::Error, name: &str, tls: &TlsSession) -> String {
    use rustls::CertificateError as Why;
    let rustls::Error::InvalidCertificate(reason) = error else { return "the chain up to it cannot be read".into() };
    let fault = match reason {
        Why::Expired | Why::ExpiredContext { .. } => PkixFault::Expired,
        Why::NotValidYet | Why::NotValidYetContext { .. } => PkixFault::NotYetValid,
        Why::NotValidForName | Why::NotValidForNameContext { .. } => PkixFault::WrongName,
        Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => PkixFault::WrongUsage,
        _ => return "the certificates that the server sent do not lead from its own up to it".into(),
    };
    let named = TlsSession { checked_name: name.to_owned(), ..tls.clone() };
    why(&fault, &named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Data, DnsAnswer, Record};
    use crate::name::Name;
    use crate::report::LookupId;

    struct Chain {
        leaf: Vec<u8>,
        ca: Vec<u8>,
    }

    fn chain(name: &str) -> Chain {
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_der = ca.self_signed(&ca_key).unwrap().der().to_vec();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        Chain { leaf: leaf.signed_by(&key, &issuer).unwrap().der().to_vec(), ca: ca_der }
    }

    fn session(chain: &Chain) -> TlsSession {
        TlsSession {
            version: String::new(),
            cipher: String::new(),
            group: None,
            alpn: None,
            sni: None,
            checked_name: "mail.example.test".into(),
            chain: vec![chain.leaf.clone().into(), chain.ca.clone().into()],
            pkix: Ok(()),
            checked_at: time::OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap(),
        }
    }

    fn record(usage: u8, der: &[u8]) -> Data {
        let spki = public_key(der).unwrap();
        let data = digest::digest(&digest::SHA256, &spki).as_ref().to_vec();
        Data::Tlsa { usage, selector: 1, matching: 1, data }
    }

    fn verdict(records: Vec<Data>, dnssec: Dnssec, tls: Option<&TlsSession>) -> Dane {
        let owner = Name::from_text("_25._tcp.mail.example.test").unwrap();
        let records = records.into_iter().map(|data| Record { owner: owner.clone(), ttl: 300, data }).collect();
        let answer = DnsAnswer { records, dnssec, ..DnsAnswer::empty(Outcome::Answer) };
        judge_answer(&Dns { id: LookupId(0), answer: &answer }, dnssec, tls, &[])
    }

    #[test]
    fn a_secure_match_passes_by_leaf_or_by_issuer() {
        let chain = chain("mail.example.test");
        let tls = session(&chain);
        for data in [record(3, &chain.leaf), record(2, &chain.ca)] {
            assert!(matches!(verdict(vec![data], Dnssec::Secure, Some(&tls)), Dane::Match(_)));
        }
    }

    #[test]
    fn usage_3_ignores_names_and_usage_2_checks_them() {
        let chain = chain("other.example.test");
        let tls = session(&chain);
        assert!(matches!(verdict(vec![record(3, &chain.leaf)], Dnssec::Secure, Some(&tls)), Dane::Match(_)));
        let Dane::Mismatch(why, _) = verdict(vec![record(2, &chain.ca)], Dnssec::Secure, Some(&tls)) else { panic!() };
        let expected = "the issuer matches, but its certificate is for other.example.test, not for mail.example.test";
        assert_eq!(why, expected);
        let mut late = session(&self::chain("mail.example.test"));
        late.checked_at = time::OffsetDateTime::from_unix_timestamp(100_000_000_000).unwrap();
        let bound = record(2, &late.chain[1]);
        let Dane::Mismatch(why, remedy) = verdict(vec![bound], Dnssec::Secure, Some(&late)) else { panic!() };
        assert!(why.starts_with("the issuer matches, but its certificate expired on "), "{why}");
        assert_eq!(remedy, Remedy::MendCertificate);
        let mut alone = session(&chain);
        alone.chain.truncate(1);
        let Dane::Mismatch(why, remedy) = verdict(vec![record(2, &chain.ca)], Dnssec::Secure, Some(&alone)) else {
            panic!()
        };
        assert!(why.ends_with("must be among the certificates that the server sends"), "{why}");
        assert_eq!(remedy, Remedy::SendIssuer);
    }

    #[test]
    fn a_key_that_nobody_has_is_a_mismatch_and_an_insecure_one_does_not_count() {
        let (chain, other) = (chain("mail.example.test"), chain("mail.example.test"));
        let tls = session(&chain);
        assert!(matches!(verdict(vec![record(3, &other.leaf)], Dnssec::Secure, Some(&tls)), Dane::Mismatch(..)));
        assert_eq!(verdict(vec![record(3, &chain.leaf)], Dnssec::Insecure, Some(&tls)), Dane::Insecure);
        assert_eq!(verdict(vec![record(3, &chain.leaf)], Dnssec::Unknown, Some(&tls)), Dane::NotValidated);
        let both = vec![record(3, &other.leaf), record(3, &chain.leaf)];
        assert!(
            matches!(verdict(both, Dnssec::Secure, Some(&tls)), Dane::Match(_)),
            "a roll-over: one of two is enough"
        );
    }

    #[test]
    fn unusable_records_make_tls_a_must_and_nothing_more() {
        let chain = chain("mail.example.test");
        for usage in [0, 1, 7] {
            let dane = verdict(vec![record(usage, &chain.leaf)], Dnssec::Secure, None);
            assert_eq!((dane.delivers(false), dane.delivers(true)), (Some(false), Some(true)));
        }
        let short = Data::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![1; 20] };
        assert_eq!(verdict(vec![short], Dnssec::Secure, None), Dane::AllUnusable);
    }

    #[test]
    fn a_lookup_that_fails_at_the_server_defers_and_one_that_we_could_not_make_leaves_it_open() {
        let judged = |outcome, dnssec| {
            let answer = DnsAnswer { dnssec, ..DnsAnswer::empty(outcome) };
            judge_answer(&Dns { id: LookupId(0), answer: &answer }, dnssec, None, &[])
        };
        assert_eq!(judged(Outcome::ServerFailure, Dnssec::Unknown).delivers(true), Some(false));
        for outcome in [Outcome::TimedOut, Outcome::Refused, Outcome::Failed("no server".into())] {
            let dane = judged(outcome, Dnssec::Unknown);
            assert!(matches!(dane, Dane::NotLooked(_)) && dane.applies(), "{dane:?}");
        }
        assert_eq!(judged(Outcome::NoSuchName, Dnssec::Secure), Dane::None);
    }
}

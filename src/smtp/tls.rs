//! The section `tls`: what was agreed, the certificates, and why a check fails. Absence, refusal and failure of TLS are
//! three things. A certificate that fails does not end the look: most senders go on, and so do we, and say so.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::check::{Check, HandshakeFault, Memo, PkixFault, Seen, TlsMode, TlsSession, Wait};
use crate::finding::Finding;
use crate::report::{Block, Cell, Fact, LookupId, Section, State};
use crate::smtp::certificate::{Certificate, besides, why};
use crate::smtp::dane::Dane;
use crate::smtp::lines::without_talks;
use crate::smtp::session::{Session, Verb};
use crate::smtp::target::{Talk, Talks, Target};
use crate::smtp::transport::judge_dane;

/// A certificate that ends within so many days should have been renewed: Let's Encrypt renews at 30.
const SOON_DAYS: i64 = 14;

/// TLS of every host.
pub struct Tls;

/// How TLS ended with one host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TlsOutcome<'a> {
    /// It stands.
    Established(&'a TlsSession),
    /// STARTTLS was offered and refused with this code.
    Refused(u16),
    /// It was agreed on, and the handshake failed.
    HandshakeFailed(HandshakeFault, &'a str),
    /// The server greeted and does not offer it.
    NotOffered,
    /// We were asked not to try.
    NotTried,
    /// The dialogue did not come so far.
    NotReached,
}

impl<'a> TlsOutcome<'a> {
    /// Reads it off a session.
    pub fn of(session: &Session<'a>, mode: TlsMode) -> TlsOutcome<'a> {
        if let Some(tls) = session.tls {
            return TlsOutcome::Established(tls);
        }
        if let Some((fault, why)) = session.tls_failed {
            return TlsOutcome::HandshakeFailed(fault, why);
        }
        match session.last(Verb::StartTls) {
            // Whoever closes with 421 says nothing of its TLS.
            Some(exchange) if exchange.reply.code() == Some(421) => TlsOutcome::NotReached,
            Some(exchange) if exchange.is_complete() && !exchange.reply.is_positive() => {
                TlsOutcome::Refused(exchange.reply.code().unwrap_or_default())
            }
            Some(_) => TlsOutcome::NotReached,
            None if session.greeting(false).is_none() => TlsOutcome::NotReached,
            None if mode == TlsMode::Never => TlsOutcome::NotTried,
            None if session.offers(false, "STARTTLS") => TlsOutcome::NotReached,
            None => TlsOutcome::NotOffered,
        }
    }
}

impl Check<Target> for Tls {
    fn id(&self) -> &'static str {
        "tls"
    }

    fn title(&self) -> &'static str {
        "TLS"
    }

    fn about(&self) -> &'static str {
        "Version, cipher and certificates of each host, and why a sender that checks would refuse them."
    }

    fn step(&self, target: &Target, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let (talks, tlsa) = (target.talks(seen), target.tlsa(seen));
        let talks = match talks? {
            Talks::With(talks) => talks,
            other => return Ok(without_talks((self.id(), self.title()), target, &other)),
        };
        // DNSSEC may take longer than the dialogues, which are shown as they grow.
        let tlsa = match tlsa {
            Err(_) if talks.iter().any(|talk| talk.said.is_some_and(|(_, said)| !said.finished)) => Vec::new(),
            other => other?,
        };
        let mut section = Section::new(self.id(), self.title());
        let mut hosts = Vec::new();
        let (mut good, mut looked, mut untried) = (0, 0, 0);
        for talk in &talks {
            let Some((lookup, transcript)) = talk.said else { continue };
            let session = Session::read(transcript);
            let outcome = TlsOutcome::of(&session, target.plan.tls);
            let tlsa = tlsa.iter().find(|tlsa| tlsa.name.to_string() == talk.host);
            let dane = tlsa.map_or(Dane::None, |tlsa| judge_dane(tlsa, target, &outcome));
            let (facts, findings) = judge(talk, &outcome, &dane, (lookup, seen.now()));
            hosts.push(facts);
            section.findings.extend(findings);
            if let TlsOutcome::Established(tls) = outcome {
                section.blocks.extend(blocks(talk, tls));
                good += usize::from(tls.pkix.is_ok());
            }
            untried += usize::from(outcome == TlsOutcome::NotTried);
            looked += usize::from(!matches!(outcome, TlsOutcome::NotReached | TlsOutcome::NotTried));
        }
        if looked == 0 {
            section.state = State::Unknown;
            let (headline, why) = match untried {
                0 => {
                    ("not reached", "No dialogue came as far as TLS, so nothing is known of it or of the certificates.")
                }
                _ => (
                    "not tried",
                    "The dialogues were to go without TLS, so nothing is known of it or of the certificates.",
                ),
            };
            section.headline = headline.into();
            section.blocks.push(Block::Prose { title: headline.into(), text: vec![why.into()] });
        } else {
            section.headline = format!("{good}/{looked} good");
        }
        // The first host's session stands by itself too: most targets have one.
        if let Some(first) = hosts.iter().find(|host| host["result"] == "established") {
            for key in ["version", "cipher", "certificates"] {
                section.fact(key, first.get(key));
            }
        }
        section.fact("hosts", hosts);
        Ok(section)
    }
}

fn judge(
    talk: &Talk<'_>,
    outcome: &TlsOutcome<'_>,
    dane: &Dane,
    (lookup, now): (LookupId, OffsetDateTime),
) -> (Value, Vec<Finding>) {
    let host = &talk.host;
    let mut findings = Vec::new();
    let facts = match outcome {
        TlsOutcome::Established(tls) => {
            findings.extend(established(host, tls, dane, now));
            let certificates: Vec<_> = tls.chain.iter().filter_map(|der| Certificate::parse(der)).collect();
            json!({
                "name": host, "result": "established", "version": tls.version, "cipher": tls.cipher, "group": tls.group,
                "alpn": tls.alpn, "sni": tls.sni, "checked_name": tls.checked_name,
                "pkix": if tls.pkix.is_ok() { "ok".to_owned() } else { pkix_word(&tls.pkix).to_owned() },
                "certificates": certificates,
            })
        }
        TlsOutcome::Refused(code) => {
            findings.push(
                Finding::error("tls.refused", format!("{host} offers STARTTLS and then refuses it with {code}: mail travels in the clear, or not at all."))
                    .with_fix("Look at the server's TLS configuration: usually its certificate or key cannot be read.")
                    .with_reference("RFC 3207 §4"),
            );
            json!({ "name": host, "result": "refused", "code": code })
        }
        TlsOutcome::HandshakeFailed(fault, why) => {
            findings.push(handshake_failed(talk, *fault, why));
            json!({ "name": host, "result": "failed", "reason": why })
        }
        TlsOutcome::NotOffered if talk.is_lmtp() => {
            let text =
                format!("{host} offers no STARTTLS. LMTP is for the way inside one site, where that may be well.");
            findings.push(Finding::info("tls.not-offered", text).with_reference("RFC 2033 §5"));
            json!({ "name": host, "result": "not-offered" })
        }
        TlsOutcome::NotOffered if knows_helo_alone(talk) => {
            findings.push(
                Finding::error("tls.not-offered", format!("{host} knows HELO alone and refuses EHLO, so it can offer no STARTTLS: everybody on the way can read its mail."))
                    .with_fix("Let the server answer EHLO. Where it does and we see none, a firewall that inspects SMTP on the way rewrites it: switch that off.")
                    .with_reference("RFC 5321 §3.2"),
            );
            json!({ "name": host, "result": "not-offered" })
        }
        TlsOutcome::NotOffered => {
            findings.push(
                Finding::error("tls.not-offered", format!("{host} does not offer STARTTLS: everybody on the way can read its mail. (Or somebody on the way removed the offer.)"))
                    .with_fix("Give the server a certificate and switch STARTTLS on.")
                    .with_reference("RFC 3207 §4"),
            );
            json!({ "name": host, "result": "not-offered" })
        }
        TlsOutcome::NotTried => json!({ "name": host, "result": "not-tried" }),
        TlsOutcome::NotReached => json!({ "name": host, "result": "not-reached" }),
    };
    (facts, findings.into_iter().map(|finding| finding.with_evidence([lookup])).collect())
}

/// Whether EHLO was refused and HELO was not.
fn knows_helo_alone(talk: &Talk<'_>) -> bool {
    let greeted =
        talk.said.map(|(_, transcript)| Session::read(transcript).greeting(false).map(|greeting| greeting.verb));
    greeted == Some(Some(Verb::Helo))
}

fn handshake_failed(talk: &Talk<'_>, fault: HandshakeFault, why: &str) -> Finding {
    let host = &talk.host;
    if talk.is_implicit() {
        let text = format!("TLS from the first byte fails with {host}, port {}: {why}.", talk.port);
        return Finding::error("tls.handshake-failed", text)
            .with_fix("If the server speaks in the clear first here and offers STARTTLS (ports 25 and 587), look without implicit TLS; else look into its TLS log.")
            .with_reference("RFC 8314 §3.3");
    }
    let begins = format!("{host} agrees to TLS, and the handshake fails: {why}.");
    match fault {
        HandshakeFault::Failed => {
            Finding::error("tls.handshake-failed", format!("{begins} Most senders then deliver in the clear."))
                .with_fix(
                    "Look into the server's TLS log at the time of this look: its side of the reason stands there.",
                )
                .with_reference("RFC 3207 §4.1")
        }
        HandshakeFault::OldVersion => {
            let text =
                format!("{begins} Senders of today do not go below TLS 1.2, and most then deliver in the clear.");
            Finding::error("tls.old-version", text)
                .with_fix("Let the server speak TLS 1.2 and 1.3; where it cannot, it needs an update.")
                .with_reference("RFC 8996 §4")
        }
        HandshakeFault::NothingInCommon => {
            let text = format!("{begins} A sender that offers more may come through; the others deliver in the clear.");
            Finding::warning("tls.nothing-in-common", text)
                .with_fix("Offer TLS 1.3, or 1.2 with ECDHE and AES-GCM, and use a key that every sender knows: RSA of 2048 bits or more, or P-256.")
                .with_reference("RFC 9325 §4.2")
        }
    }
}

fn established(host: &str, tls: &TlsSession, dane: &Dane, now: OffsetDateTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    let leaf = tls.chain.first().and_then(|der| Certificate::parse(der));
    if let Err(fault) = &tls.pkix {
        let id = match fault {
            PkixFault::Expired => "tls.certificate-expired",
            PkixFault::NotYetValid => "tls.certificate-not-yet-valid",
            PkixFault::WrongName => "tls.certificate-wrong-name",
            PkixFault::SelfSigned => "tls.certificate-self-signed",
            PkixFault::UnknownIssuer => "tls.certificate-unknown-issuer",
            PkixFault::WrongUsage => "tls.certificate-wrong-usage",
            PkixFault::Other(_) => "tls.certificate-invalid",
        };
        findings.push(refused(id, host, tls, fault, dane));
    } else if let Some(leaf) = &leaf {
        let days = leaf.days_left(now);
        if days <= SOON_DAYS {
            findings.push(
                Finding::warning(
                    "tls.certificate-ends-soon",
                    format!("The certificate of {host} ends on {}, in {days} days.", leaf.end_date()),
                )
                .with_fix("Renew it now; automatic renewal has probably stopped."),
            );
        }
    }
    if leaf.is_some_and(|leaf| {
        leaf.key.strip_prefix("RSA ").and_then(|bits| bits.parse().ok()).is_some_and(|bits: u32| bits < 2048)
    }) {
        findings.push(Finding::warning("tls.short-key", format!("The RSA key of {host} has fewer than 2048 bits.")));
    }
    findings
}

/// A certificate that does not verify. Where a secure TLSA record matches it, that is by design as often as not: it is said
/// who goes by which, and nobody is sent to an authority that DANE does not need (RFC 7672 §1.3).
fn refused(id: &'static str, host: &str, tls: &TlsSession, fault: &PkixFault, dane: &Dane) -> Finding {
    let more = besides(fault, tls);
    let more = if more.is_empty() { String::new() } else { format!(" Besides, {}.", more.join("; ")) };
    let begins = format!("{host} encrypts, but {}.{more}", why(fault, tls));
    if let Dane::Match(record) = dane {
        let kind = record.split(' ').take(3).collect::<Vec<_>>().join(" ");
        return Finding::info(id, format!("{begins} Its TLSA record ({kind}) matches, so senders that honour DANE deliver and need no authority's word. Senders that go by MTA-STS alone (in enforce) do not; most others go on."))
            .with_fix("For DANE nothing is to be done. Only with an MTA-STS policy in enforce, or for senders that check without one, use a certificate of a public authority that bears the host's name.")
            .with_reference("RFC 7672 §3.1.1");
    }
    let text = format!("{begins} Senders that check (MTA-STS in enforce) do not deliver; most others go on.");
    let fix = match fault {
        PkixFault::Expired => "Renew the certificate, and let it renew itself from now on.",
        PkixFault::UnknownIssuer if sends_its_root(tls) => {
            "Use an authority that others trust; or TLSA records that match the key (DANE), which is enough for senders that honour them."
        }
        PkixFault::UnknownIssuer => {
            "Send the intermediate certificates too (the \"full chain\" file); if that is done, use an authority that others trust."
        }
        PkixFault::WrongName => {
            "Use a certificate that bears the MX host's own name among its subject alternative names."
        }
        PkixFault::NotYetValid => "Wait, or look at the clock of the machine that issued it.",
        PkixFault::WrongUsage => "Use a certificate that is made for a server (extended key usage serverAuth).",
        PkixFault::SelfSigned => {
            "Use a server certificate of a public authority; or TLSA records that match it (DANE), which is enough for senders that honour them."
        }
        PkixFault::Other(_) => "Ask the authority that issued it for a new one; its own chain or its form is at fault.",
    };
    Finding::warning(id, text).with_fix(fix).with_reference("RFC 8461 §4.2")
}

/// Whether the chain that was sent ends at a root: nothing is missing in it then.
fn sends_its_root(tls: &TlsSession) -> bool {
    let top = tls.chain.last().and_then(|der| Certificate::parse(der));
    top.is_some_and(|top| top.issuer == top.subject)
}

/// A fault as one word for scripts.
pub fn pkix_word(pkix: &Result<(), PkixFault>) -> &'static str {
    match pkix {
        Ok(()) => "ok",
        Err(PkixFault::Expired) => "expired",
        Err(PkixFault::NotYetValid) => "not-yet-valid",
        Err(PkixFault::WrongName) => "wrong-name",
        Err(PkixFault::SelfSigned) => "self-signed",
        Err(PkixFault::UnknownIssuer) => "unknown-issuer",
        Err(PkixFault::WrongUsage) => "wrong-usage",
        Err(PkixFault::Other(_)) => "invalid",
    }
}

fn blocks(talk: &Talk<'_>, tls: &TlsSession) -> Vec<Block> {
    let verdict = match &tls.pkix {
        Ok(()) => Cell::from(format!("good for {}", tls.checked_name)),
        Err(fault) => Cell::from(why(fault, tls)).judged(crate::finding::Severity::Warning),
    };
    let mut facts = vec![
        Fact::new("host", talk.host.clone()),
        Fact::new("version", tls.version.clone()),
        Fact::new("cipher", tls.cipher.clone()),
    ];
    facts.extend(tls.group.clone().map(|group| Fact::new("group", group)));
    facts.extend(tls.alpn.clone().map(|alpn| Fact::new("ALPN", alpn)));
    facts.push(Fact::new("SNI", tls.sni.clone().unwrap_or_else(|| "none (an address)".into())));
    facts.push(Fact { label: "certificate".into(), value: verdict });
    let mut blocks = vec![Block::Facts(facts)];
    for (depth, certificate) in tls.chain.iter().filter_map(|der| Certificate::parse(der)).enumerate() {
        blocks.push(Block::Facts(vec![
            Fact::new(if depth == 0 { "leaf" } else { "issued by" }, certificate.subject.clone()),
            Fact::new(
                "names",
                if certificate.names.is_empty() { "none".to_owned() } else { certificate.names.join(", ") },
            ),
            Fact::new("issuer", certificate.issuer.clone()),
            Fact::new("valid", format!("{} to {}", certificate.not_before, certificate.not_after)),
            Fact::new("key", certificate.key.clone()),
            Fact::new("signed with", certificate.signature.clone()),
            Fact::new("SHA-256", certificate.sha256.clone()),
            Fact::new("TLSA 3 1 1", certificate.spki_sha256.clone()),
        ]));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::session::tests::transcript;

    fn outcome(text: &str) -> String {
        let t = transcript(text);
        format!("{:?}", TlsOutcome::of(&Session::read(&t), TlsMode::Auto)).chars().take(16).collect()
    }

    #[test]
    fn absence_refusal_and_failure_are_three_things() {
        let ehlo = "*connect\nS: 220 hi\nC: EHLO me\nS: 250-x\nS: 250 STARTTLS";
        assert_eq!(outcome("*connect\nS: 220 hi\nC: EHLO me\nS: 250 x\nC: QUIT\nS: 221 bye"), "NotOffered");
        assert_eq!(outcome(&format!("{ehlo}\nC: STARTTLS\nS: 454 no")), "Refused(454)");
        assert_eq!(outcome(&format!("{ehlo}\nC: STARTTLS\nS: 421 no")), "NotReached");
        assert!(outcome(&format!("{ehlo}\nC: STARTTLS\nS: 220 go\n*tls-failed")).starts_with("HandshakeFailed"));
        assert!(outcome(&format!("{ehlo}\nC: STARTTLS\nS: 220 go\n*tls")).starts_with("Established"));
        assert_eq!(outcome("*connect\nS: 554 no\nC: QUIT"), "NotReached");
        assert_eq!(outcome(ehlo), "NotReached");
    }

    #[test]
    fn where_dane_matches_nobody_is_sent_to_a_public_authority() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["mail.example".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let tls = TlsSession {
            version: "TLS 1.3".into(),
            cipher: String::new(),
            group: None,
            alpn: None,
            sni: None,
            checked_name: "mail.example".into(),
            chain: vec![params.self_signed(&key).unwrap().der().to_vec().into()],
            pkix: Err(PkixFault::SelfSigned),
            checked_at: OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap(),
        };
        let told = |dane: &Dane| established("mail.example", &tls, dane, tls.checked_at).remove(0);
        let bound = told(&Dane::Match("3 1 1 abcd".into()));
        assert_eq!((bound.id, bound.severity), ("tls.certificate-self-signed", crate::finding::Severity::Info));
        assert!(bound.text.contains("(3 1 1) matches, so senders that honour DANE deliver"), "{}", bound.text);
        assert!(bound.fix.unwrap().starts_with("For DANE nothing is to be done."));
        for dane in [
            Dane::None,
            Dane::Insecure,
            Dane::NotValidated,
            Dane::Mismatch("x".into(), crate::smtp::dane::Remedy::Publish),
        ] {
            let plain = told(&dane);
            assert_eq!(plain.severity, crate::finding::Severity::Warning, "{dane:?}");
            assert!(plain.fix.unwrap().contains("public authority"), "{dane:?}");
        }
    }
}

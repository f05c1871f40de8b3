//! What the TLSA records of a domain's mail hosts mean to a sender.

use super::{Exchangers, Host, Standing, Tlsa};
use crate::check::Dnssec;
use crate::finding::{Finding, Severity, Span};
use crate::records::form;
use crate::report::{Mark, Posture, Question, Section};

/// What each field of a record says.
pub(super) fn marks(tlsa: &Tlsa) -> Vec<Mark> {
    let text = tlsa.text();
    let bad = if tlsa.unusable().is_some() { Severity::Warning } else { Severity::Ok };
    let mut marks = Vec::new();
    let mut start = 0;
    let notes = [tlsa.usage_words(), tlsa.selector_words(), tlsa.matching_words(), "what must match"];
    for (field, note) in text.splitn(4, ' ').zip(notes) {
        let span = Span::new(start, start + field.len());
        start = span.end + 1;
        marks.push(Mark { span, note: note.into(), severity: bad });
    }
    marks
}

/// Judges one record; `number` is its place among the section's records.
pub(super) fn record(host: &Host<'_>, tlsa: &Tlsa, number: usize, section: &mut Section) {
    let name = &host.name;
    if let Some(why) = tlsa.unusable() {
        section.findings.push(
            Finding::warning(
                "dane.unusable-record",
                format!("A TLSA record of {name} cannot be used: {}. Senders pass over it.", why.words()),
            )
            .with_fix("Publish 3 1 1 (the SHA-256 of the host's public key) in its place.")
            .with_reference("RFC 7672 §3.1")
            .with_evidence([host.tlsa.id])
            .in_record(number),
        );
    } else if (tlsa.usage, tlsa.selector) == (3, 0) {
        section.findings.push(
            Finding::info(
                "dane.whole-certificate",
                format!(
                    "A TLSA record of {name} binds the whole certificate, so each renewal needs a new record before it."
                ),
            )
            .with_fix("3 1 1 binds the public key, which can stay over renewals.")
            .with_reference("RFC 7671 §5.1, RFC 7672 §3.1.1")
            .with_evidence([host.tlsa.id])
            .in_record(number),
        );
    }
}

/// The standing of a host in a few words.
pub(super) fn standing_words(standing: &Standing) -> (String, Severity) {
    match standing {
        Standing::None => ("not offered".into(), Severity::Ok),
        Standing::Binding => ("held to its key".into(), Severity::Ok),
        Standing::AllUnusable => ("TLS is a must, with anybody".into(), Severity::Warning),
        Standing::Insecure => ("not used: the zone is not signed".into(), Severity::Warning),
        Standing::NotValidated(_) => ("published; nothing could be validated".into(), Severity::Info),
        Standing::Bogus(_) => ("skipped: signatures do not hold".into(), Severity::Error),
        Standing::Unknown(why) => (format!("could not look: {why}"), Severity::Warning),
    }
}

/// Judges what DNSSEC says of the MX records.
pub(super) fn exchangers(mx: &Exchangers<'_>, section: &mut Section) {
    if mx.security == Dnssec::Bogus {
        section.findings.push(
            Finding::error(
                "dane.mx-bogus",
                format!(
                    "To a sender that validates, the MX records are forged (bogus): {}. It cannot tell where \
                     the mail goes, and keeps it.",
                    mx.proof.outcome
                ),
            )
            .with_fix("The DNSSEC section says what to repair.")
            .with_reference("RFC 7672 §2.2.1")
            .with_evidence([mx.set.lookup, mx.proof.id]),
        );
    }
}

/// Judges the hosts together.
pub(super) fn hosts(mx: &Exchangers<'_>, hosts: &[Host<'_>], standings: &[Standing], section: &mut Section) {
    let of = |wanted: fn(&Standing) -> bool| -> Vec<&Host<'_>> {
        hosts.iter().zip(standings).filter(|(_, standing)| wanted(standing)).map(|(host, _)| host).collect()
    };
    let names = |some: &[&Host<'_>]| form::list(some.iter().map(|host| &host.name));
    let lookups = |some: &[&Host<'_>]| some.iter().flat_map(|host| host.lookups()).collect::<Vec<_>>();

    for (host, standing) in hosts.iter().zip(standings) {
        if let Standing::Unknown(why) = standing {
            section.findings.push(
                Finding::warning(
                    "dane.could-not-look",
                    format!(
                        "We could not look at the TLSA records of {}: {why}. If its zone is signed, senders that know \
                         DANE skip this host while the lookup fails.",
                        host.name
                    ),
                )
                .with_fix("Ask again (r), or ask other name servers (R, --dns); name servers must answer for TLSA.")
                .with_reference("RFC 7672 §2.1.1, §2.1.3")
                .with_evidence(host.lookups()),
            );
        }
    }
    exchangers(mx, section);
    let bogus = of(|standing| matches!(standing, Standing::Bogus(_)));
    if !bogus.is_empty() {
        let why = standings.iter().find_map(|standing| match standing {
            Standing::Bogus(why) => Some(why.as_str()),
            _ => None,
        });
        section.findings.push(
            Finding::error(
                "dane.bogus",
                format!(
                    "What {} publishes for DANE is bogus: {}. Senders that know DANE skip these hosts.",
                    names(&bogus),
                    why.unwrap_or_default()
                ),
            )
            .with_fix("Sign the zone again, and compare the DS at its parent with its keys.")
            .with_reference("RFC 7672 §2.1.1")
            .with_evidence(lookups(&bogus)),
        );
    }
    let unusable = of(|standing| *standing == Standing::AllUnusable);
    if !unusable.is_empty() {
        section.findings.push(
            Finding::warning(
                "dane.all-unusable",
                format!("No TLSA record of {} can be used. Senders must then encrypt, with whoever answers: it stops a listener, not an impostor.", names(&unusable)),
            )
            .with_fix("Publish 3 1 1, the SHA-256 of the host's public key.")
            .with_reference("RFC 7672 §2.2")
            .with_evidence(lookups(&unusable)),
        );
    }
    let insecure = of(|standing| *standing == Standing::Insecure);
    if !insecure.is_empty() {
        section.findings.push(
            Finding::warning(
                "dane.insecure",
                format!("TLSA records stand for {}, and they or the addresses are in a zone that is not signed: nobody uses them.", names(&insecure)),
            )
            .with_fix("Sign the zone of the host with DNSSEC; until then the records do nothing.")
            .with_reference("RFC 7672 §2.2.2")
            .with_evidence(lookups(&insecure)),
        );
    }
    let unproven = of(|standing| matches!(standing, Standing::NotValidated(_)));
    if !unproven.is_empty() {
        let why = standings.iter().find_map(|standing| match standing {
            Standing::NotValidated(why) => Some(why.as_str()),
            _ => None,
        });
        let why = why.unwrap_or_default();
        let claim = if unproven.iter().all(|host| host.security == Dnssec::Claimed) {
            format!("Your resolver says that they are secure (its AD bit), which could not be validated here: {why}.")
        } else {
            format!("Whether DNSSEC makes them count could not be validated here: {why}.")
        };
        section.findings.push(
            Finding::info("dane.not-validated", format!("TLSA records stand for {}. {claim}", names(&unproven)))
                .with_fix("Ask a resolver that passes DNSSEC records and reaches the root (R, or --dns).")
                .with_reference("RFC 7672 §2.1.1")
                .with_evidence(lookups(&unproven)),
        );
        section.posture.push(Posture {
            question: Question::ReadInTransit,
            answer: "hardly, if DNSSEC holds: DANE is published (not validated here)".into(),
            severity: Severity::Info,
        });
    }
    let with = hosts.iter().filter(|host| !host.tlsa.records.is_empty()).count();
    let without = of(|standing| *standing == Standing::None);
    if with > 0 && !without.is_empty() {
        section.findings.push(
            Finding::warning(
                "dane.partial",
                format!(
                    "{} has no TLSA record, others have: an attacker who blocks the others gets the mail unprotected.",
                    names(&without)
                ),
            )
            .with_fix("Publish TLSA for every MX host.")
            .with_reference("RFC 7672 §2.2.1")
            .with_evidence(lookups(&without)),
        );
    }
    let binding = of(|standing| *standing == Standing::Binding);
    if !binding.is_empty() && binding.len() == hosts.len() {
        match mx.security {
            Dnssec::Secure => section.posture.push(Posture {
                question: Question::ReadInTransit,
                answer: "no: DANE holds every mail host to its key".into(),
                severity: Severity::Ok,
            }),
            Dnssec::Insecure => section.findings.push(
                Finding::warning(
                    "dane.mx-insecure",
                    "The mail hosts have secure TLSA records, and the MX that names them is not signed: an attacker can name other hosts, and senders need not use DANE.",
                )
                .with_fix("Sign the domain's own zone too.")
                .with_reference("RFC 7672 §2.2.1")
                .with_evidence([mx.set.lookup, mx.proof.id]),
            ),
            Dnssec::Claimed | Dnssec::Unknown | Dnssec::Bogus => {}
        }
    }
}

/// For somebody who never did.
pub(super) fn how_to() -> Vec<String> {
    vec![
        "A TLSA record at _25._tcp below a mail host's name says which key it must show. It counts only where DNSSEC signs \
         the domain's MX, the host's addresses and the record itself, so DNSSEC comes first."
            .into(),
        "The host's operator publishes it; if your MX points at a provider, it is the provider's. For a host of your own: \
         3 1 1 and the SHA-256 of its public key (openssl x509 -pubkey -noout -in cert.pem | openssl pkey -pubin -outform \
         DER | sha256sum)."
            .into(),
        "Keep the key over renewals of the certificate. Before you change it, publish the new key's record beside the old \
         one and wait for the TTL: a record that does not match stops mail."
            .into(),
    ]
}

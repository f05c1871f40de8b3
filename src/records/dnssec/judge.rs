//! What it means how a zone stands with DNSSEC.

use super::{Ds, Meaning, Standing, Zone, keys};
use crate::check::Dnssec as Security;
use crate::finding::{Finding, Severity, Span};
use crate::records::form;
use crate::report::{Mark, Section};

/// The state for scripts, and who validated.
pub(super) fn word(standing: &Standing, proven: Security) -> (&'static str, &'static str) {
    let by = match proven {
        Security::Secure | Security::Insecure | Security::Bogus => "mxray",
        Security::Claimed | Security::Unknown => "nobody",
    };
    match standing {
        Standing::Unsigned | Standing::Island | Standing::Signed(Security::Insecure) => ("insecure", by),
        Standing::Signed(Security::Secure) => ("secure", by),
        Standing::Signed(Security::Claimed) => ("unknown", "resolver"),
        Standing::Signed(Security::Bogus | Security::Unknown) => ("unknown", "nobody"),
        Standing::Bogus(_) | Standing::Mismatch | Standing::NoKeys => ("bogus", by),
        Standing::ProbablyBogus | Standing::Unknown(_) => ("unknown", "nobody"),
    }
}

/// A word for the list of sections.
pub(super) fn headline(standing: &Standing) -> &'static str {
    match standing {
        Standing::Unsigned => "not signed",
        Standing::Island => "no DS",
        Standing::Signed(Security::Secure) => "secure",
        Standing::Signed(_) => "signed",
        Standing::Mismatch | Standing::NoKeys | Standing::Bogus(_) => "bogus",
        Standing::ProbablyBogus => "bogus?",
        Standing::Unknown(_) => "could not look",
    }
}

/// What the fields of a DS record say.
pub(super) fn marks(ds: &Ds, meaning: Meaning) -> Vec<Mark> {
    let fields = [ds.key_tag.to_string(), ds.algorithm.to_string(), ds.digest_type.to_string(), form::hex(&ds.digest)];
    let digest = match ds.digest_type {
        1 => ("SHA-1, out of use".to_owned(), Severity::Warning),
        2 => ("SHA-256".to_owned(), Severity::Ok),
        4 => ("SHA-384".to_owned(), Severity::Ok),
        other => (format!("digest type {other}, which few validate"), Severity::Info),
    };
    let means = match meaning {
        Meaning::Key => ("means a key that the zone has".to_owned(), Severity::Ok),
        Meaning::NoKey => ("means no key that the zone has".to_owned(), Severity::Warning),
        Meaning::NotComputed => ("not compared: we do not compute this digest".to_owned(), Severity::Info),
    };
    let weak = if keys::is_obsolete(ds.algorithm) { Severity::Warning } else { Severity::Ok };
    let notes = [("the tag of the key".to_owned(), Severity::Ok), (keys::algorithm(ds.algorithm), weak), digest, means];
    let mut start = 0;
    let mut marks = Vec::new();
    for (field, (note, severity)) in fields.iter().zip(notes) {
        let span = Span::new(start, start + field.len());
        start = span.end + 1;
        marks.push(Mark { span, note, severity });
    }
    marks
}

/// What to do where nothing could be validated.
const NOT_VALIDATED: &str = "Ask a resolver that passes DNSSEC records and reaches the root (R, or --dns).";

/// Judges the whole.
pub(super) fn standing(zone: &Zone<'_>, standing: &Standing, section: &mut Section) {
    let name = &zone.name;
    let lookups = [zone.ds.id, zone.dnskey.id, zone.soa.id, zone.proof.id];
    // Why nothing could be validated, where that is so.
    let why = &zone.proof.outcome;
    let broken =
        "Every resolver that validates answers SERVFAIL for this domain: from there, mail to it and from it fails.";
    let finding = match standing {
        Standing::Unsigned => Finding::info(
            "dnssec.none",
            format!("{name} is not signed: whoever can forge DNS answers can redirect its mail and its keys, and DANE cannot be used."),
        )
        .with_fix("Turn DNSSEC on at your DNS provider; many do it with one switch."),
        Standing::Island => Finding::warning(
            "dnssec.no-ds",
            format!("{name} has keys and its parent has no DS for them: nobody can begin to validate, so it counts as not signed."),
        )
        .with_fix("Give the DS of the key to your registrar."),
        Standing::Signed(Security::Secure) => return,
        Standing::Signed(Security::Claimed) => Finding::info(
            "dnssec.not-validated",
            format!("{name} is signed, and the DS at its parent means one of its keys. Your resolver says that the signatures hold (its AD bit); nothing could be validated here: {why}."),
        )
        .with_fix(NOT_VALIDATED),
        Standing::Signed(Security::Bogus | Security::Unknown) => Finding::info(
            "dnssec.not-validated",
            format!("{name} is signed, and the DS at its parent means one of its keys. Whether the signatures hold could not be validated here: {why}."),
        )
        .with_fix(NOT_VALIDATED),
        Standing::Signed(Security::Insecure) => Finding::warning(
            "dnssec.chain-broken",
            format!("{name} is signed, the DS at its parent means one of its keys, and from the root it still counts as not signed: a zone above it is not signed, or its algorithms are not ones that we validate."),
        )
        .with_fix("Sign with algorithm 13 (ECDSA P-256) below a parent that is signed itself."),
        Standing::Mismatch => Finding::error(
            "dnssec.ds-mismatch",
            format!("No DS at the parent of {name} means a key that the zone has. {broken}"),
        )
        .with_fix("Give the registrar the DS of a key that is published, or remove the DS at once and sign again later."),
        Standing::NoKeys => Finding::error(
            "dnssec.no-keys",
            format!("The parent of {name} has a DS, and the zone has no key. {broken}"),
        )
        .with_fix("Remove the DS at the registrar, or sign the zone; this often follows a move to another DNS provider."),
        Standing::Bogus(why) => Finding::error(
            "dnssec.bogus",
            format!("To whoever validates, the answers of {name} are forged (bogus): {why}. {broken}"),
        )
            .with_fix("Sign the zone again (expired signatures are the usual cause) and compare the DS with its keys."),
        Standing::ProbablyBogus => Finding::error(
            "dnssec.probably-bogus",
            format!("{name} has a DS at its parent, and the resolver fails (SERVFAIL) on its keys. A validating resolver does that when signatures do not hold; a dead name server looks the same."),
        )
        .with_fix("Ask the domain's own name servers (R, --dns) to tell the two apart."),
        Standing::Unknown(_) => return,
    };
    section.findings.push(finding.with_reference("RFC 4035 §4.3, §5").with_evidence(lookups));
}

/// Judges the algorithms of keys and digests.
pub(super) fn algorithms(zone: &Zone<'_>, section: &mut Section) {
    let keys = zone.keys();
    let mut old: Vec<u8> = keys.iter().map(|key| key.algorithm).filter(|number| keys::is_obsolete(*number)).collect();
    old.sort_unstable();
    old.dedup();
    if !old.is_empty() {
        section.findings.push(
            Finding::warning(
                "dnssec.old-algorithm",
                format!(
                    "{} is signed with {}, which must not be used for signing any more.",
                    zone.name,
                    form::list(old.into_iter().map(keys::algorithm))
                ),
            )
            .with_fix("Roll over to algorithm 13 (ECDSA P-256).")
            .with_reference("RFC 8624 §3.1")
            .with_evidence([zone.dnskey.id]),
        );
    }
    for (key, bits) in keys.iter().filter_map(|key| Some((key, key.rsa_bits()?))).filter(|(_, bits)| *bits < 1024) {
        section.findings.push(
            Finding::error(
                "dnssec.short-key",
                format!("The key {} has {bits} bits of RSA: it can be broken.", key.key_tag()),
            )
            .with_fix("Roll over to algorithm 13 (ECDSA P-256).")
            .with_reference("RFC 6781 §3.4.2")
            .with_evidence([zone.dnskey.id]),
        );
    }
    let ds = zone.ds();
    if !ds.is_empty() && ds.iter().all(|ds| ds.digest_type == 1) {
        section.findings.push(
            Finding::warning("dnssec.sha1-ds", "The only DS digest is SHA-1, which must not be used for new ones.")
                .with_fix("Give the registrar a DS with SHA-256 (type 2).")
                .with_reference("RFC 8624 §3.3")
                .with_evidence([zone.ds.id]),
        );
    }
}

/// For somebody who never did.
pub(super) fn how_to() -> Vec<String> {
    vec![
        "DNSSEC signs a zone, so that a forged answer is noticed. The DNS provider makes the keys and signs; the registrar \
         puts a DS record, the digest of the key, at the parent. Both must fit, or nobody who validates finds the domain."
            .into(),
        "First turn signing on at the DNS provider, wait for the longest TTL, then give the DS to the registrar. To leave a \
         provider: first remove the DS, wait for its TTL, then move."
            .into(),
        "For mail it makes SPF, DKIM and DMARC records trustworthy, and DANE possible.".into(),
    ]
}

//! What the keys of a domain mean, and what it means to have found none.

use super::probe::FoundKey;
use super::{GOOD_RSA_BITS, KeyProblemKind, KeyType, MIN_RSA_BITS, Place, Probed, PublicKey};
use crate::check::Look;
use crate::finding::{Finding, Severity};
use crate::records::form;
use crate::records::providers::Provider;
use crate::report::{Posture, Question, Section, State};

/// More bits than verifiers must be able to check (RFC 8301 §3.2).
const MAX_RSA_BITS: usize = 4096;

/// The state of a key in a word or two.
pub(super) fn word(found: &FoundKey) -> (&'static str, Severity) {
    if found.key.is_revoked() {
        return ("withdrawn", Severity::Info);
    }
    if !found.key.is_usable(&found.problems) {
        return ("cannot be used", Severity::Error);
    }
    match found.key.public {
        PublicKey::Rsa { bits, .. } if bits < MIN_RSA_BITS => ("too short", Severity::Error),
        PublicKey::Rsa { bits, .. } if bits < GOOD_RSA_BITS => ("short", Severity::Warning),
        _ if found.key.testing => ("testing", Severity::Warning),
        _ if !found.key.is_for_mail() => ("not for mail", Severity::Info),
        _ => ("ok", Severity::Ok),
    }
}

/// Judges one key; `record` is its number among the section's records.
pub(super) fn key(found: &FoundKey, record: usize, section: &mut Section) {
    let selector = &found.selector;
    let lookup = [found.lookup];
    let mut push = |finding: Finding| section.findings.push(finding.with_evidence(lookup).in_record(record));
    if selector == "*" {
        push(wildcard_key(found));
    } else if found.key.is_revoked() {
        push(
            Finding::info(
                "dkim.revoked",
                format!("The key at selector {selector} is withdrawn (its p= is empty): every signature by it fails."),
            )
            .with_fix("Right after a rotation. When no signed mail is under way any more, the record can go.")
            .with_reference("RFC 6376 §3.6.1"),
        );
    }
    for problem in &found.problems {
        let reason = problem.kind.reason();
        let finding = match problem.kind {
            KeyProblemKind::Quotes => Finding::warning(
                "dkim.quotes",
                format!("The key at {selector} has quotation marks in its text, as if a zone line had been pasted into a form; some verifiers cannot read it."),
            )
            .with_fix("Enter the value without quotation marks."),
            KeyProblemKind::NotAscii => Finding::warning(
                "dkim.not-ascii",
                format!("The key record at {selector} has bytes that are not ASCII; verifiers may refuse it."),
            )
            .with_fix("Enter the value again, from the place that made the key."),
            _ => Finding::error(
                "dkim.bad-key",
                format!("The key at {selector} cannot be used: {reason}. Signatures by it fail (permerror)."),
            )
            .with_fix("Publish the key again exactly as the signer shows it, or remove the record if nobody signs by it."),
        };
        push(finding.with_reference("RFC 6376 §3.6.1, §6.1.2").with_span(problem.span));
    }
    if let PublicKey::Rsa { bits, .. } = found.key.public {
        length(selector, bits, &mut push);
        if bits < MIN_RSA_BITS && found.key.is_usable(&found.problems) {
            section.posture.push(Posture {
                question: Question::Spoofed,
                answer: format!("weak: the {bits}-bit DKIM key at {selector} can be broken, and then signs for you"),
                severity: Severity::Error,
            });
        }
    }
    let mut push = |finding: Finding| section.findings.push(finding.with_evidence(lookup).in_record(record));
    if found.key.testing && !found.key.is_revoked() {
        push(
            Finding::warning(
                "dkim.testing",
                format!("The key at {selector} says t=y, testing: verifiers must not treat mail signed by it better than unsigned mail, and some ignore it."),
            )
            .with_fix("When signed mail has passed for some days, remove the y flag.")
            .with_reference("RFC 6376 §3.6.1"),
        );
    }
    if !found.key.allows_hash("sha256") {
        push(
            Finding::error(
                "dkim.sha1-only",
                format!(
                    "The key at {selector} allows only {} in h=; verifiers accept SHA-256 alone.",
                    found.key.hashes.join(", ")
                ),
            )
            .with_fix("Remove h=, or set h=sha256.")
            .with_reference("RFC 8301 §3.1"),
        );
    }
    if !found.key.is_for_mail() {
        push(
            Finding::info(
                "dkim.not-for-mail",
                format!("The key at {selector} is for {} only, not for mail.", form::list(&found.key.services)),
            )
            .with_reference("RFC 6376 §3.6.1"),
        );
    }
    let is_told = section
        .findings
        .iter()
        .any(|finding| finding.id == "dkim.several-records" && finding.text.contains(&format!("at {selector}:")));
    let mut push = |finding: Finding| section.findings.push(finding.with_evidence(lookup).in_record(record));
    if found.beside > 1 && !is_told {
        push(
            Finding::warning(
                "dkim.several-records",
                format!("{} TXT records stand at {selector}: which one a verifier takes is undefined, so signatures pass or fail by chance.", found.beside),
            )
            .with_fix("Keep the one key that the signer uses; a new key gets a new selector.")
            .with_reference("RFC 6376 §3.6.2.2"),
        );
    }
}

fn length(selector: &str, bits: usize, push: &mut impl FnMut(Finding)) {
    let rotate =
        "Make a new key of 2048 bits under a new selector, let the signer use it, and withdraw this one later.";
    if bits < MIN_RSA_BITS {
        push(
            Finding::error(
                "dkim.short-key",
                format!("The RSA key at {selector} has {bits} bits. Verifiers must not accept fewer than 1024, and a key so short can be broken: whoever does signs in your name."),
            )
            .with_fix(rotate)
            .with_reference("RFC 8301 §3.2"),
        );
    } else if bits < GOOD_RSA_BITS {
        push(
            Finding::warning(
                "dkim.weak-key",
                format!("The RSA key at {selector} has {bits} bits: accepted, and fewer than the 2048 that signers should use."),
            )
            .with_fix(rotate)
            .with_reference("RFC 8301 §3.2"),
        );
    } else if bits > MAX_RSA_BITS {
        push(
            Finding::warning(
                "dkim.long-key",
                format!("The RSA key at {selector} has {bits} bits; verifiers need not support more than 4096, so some cannot check it."),
            )
            .with_fix("2048 bits are enough.")
            .with_reference("RFC 8301 §3.2"),
        );
    }
}

fn wildcard_key(found: &FoundKey) -> Finding {
    let what = "Every selector is answered alike, by a wildcard";
    let finding = match found.key.is_revoked() {
        true => Finding::new(
            "dkim.wildcard-revoked",
            Severity::Ok,
            format!("{what}, and the answer is a withdrawn key: no signature in this domain's name can pass. That is how a domain that sends no mail says so."),
        ),
        false => Finding::warning(
            "dkim.wildcard-key",
            format!("{what}, and the answer is a key: whoever holds its private half can sign under any selector, and a withdrawn selector comes back to life."),
        )
        .with_fix("Publish the key under its selector only."),
    };
    finding.with_reference("RFC 6376 §3.6.2.1, RFC 4592")
}

/// What the algorithms together mean.
pub(super) fn types(keys: &[FoundKey], section: &mut Section) {
    let usable: Vec<&FoundKey> = keys.iter().filter(|found| found.key.is_usable(&found.problems)).collect();
    if !usable.is_empty() && usable.iter().all(|found| found.key.key_type == KeyType::Ed25519) {
        section.findings.push(
            Finding::info(
                "dkim.ed25519-only",
                "Every key found is Ed25519. Many receivers can check RSA only, and for them the mail is unsigned.",
            )
            .with_fix("Let the signer sign twice: with an RSA key of 2048 bits as well.")
            .with_reference("RFC 8463 §5")
            .with_evidence(usable.iter().map(|found| found.lookup)),
        );
    }
}

/// What was and was not found where.
pub(super) fn discovery(domain: &crate::records::Domain, place: &Place<'_>, probed: &Probed, section: &mut Section) {
    let (name, tried) = (&domain.name, probed.answered);
    let selectors = form::count(tried, "selector");
    for selector in &place.bad {
        section.findings.push(Finding::info(
            "dkim.not-a-selector",
            format!("\"{selector}\" cannot be a selector: it makes no name that DNS can carry."),
        ));
    }
    for (candidate, target, lookup) in &probed.dangling {
        section.findings.push(
            Finding::warning(
                "dkim.dangling-delegation",
                format!(
                    "The selector {} is delegated to {target}, and no key stands there: mail signed by it fails.",
                    candidate.selector
                ),
            )
            .with_fix("Turn on DKIM for this domain at the provider, or remove the CNAME.")
            .with_evidence([*lookup]),
        );
    }
    for (candidate, text, lookup) in &probed.other {
        let shown: String = text.chars().take(60).collect();
        section.findings.push(
            Finding::info(
                "dkim.not-a-key",
                format!("At the selector {} stands a TXT record that is no DKIM key: \"{shown}\".", candidate.selector),
            )
            .with_evidence([*lookup]),
        );
    }
    for (candidate, lookup) in &probed.named_without {
        section.findings.push(
            Finding::info(
                "dkim.named-without-key",
                format!("The selector {}, named by you or seen in mail, has no key (any more).", candidate.selector),
            )
            .with_evidence([*lookup]),
        );
    }
    if place.is_wild() && probed.keys.iter().all(|found| found.selector != "*") {
        section.findings.push(
            Finding::info(
                "dkim.wildcard",
                format!(
                    "DNS answers any name below _domainkey.{name} by a wildcard; selectors answered like a made-up one \
                     ({} of {tried}) are not counted as keys.",
                    probed.like_any
                ),
            )
            .with_reference("RFC 4592")
            .with_evidence([place.any.id]),
        );
    }
    unknown(place, probed, section);
    let real = !probed.keys.is_empty();
    if place.exists() == Some(false) && (real || !probed.dangling.is_empty() || !probed.other.is_empty()) {
        section.findings.push(
            Finding::warning(
                "dkim.broken-domainkey",
                format!("The name servers say that _domainkey.{name} does not exist, and yet answer below it. Resolvers that believe the first answer find no key."),
            )
            .with_fix("Tell your DNS provider: a name with names below it must be answered NOERROR.")
            .with_reference("RFC 8020 §2")
            .with_evidence([place.domainkey.id]),
        );
    }
    if real {
        return;
    }
    let no_pass = "Without a signature that others can check, its mail has only SPF to pass DMARC by, and forwarding breaks that.";
    let name_it = "Name the selector (s): it is the s= in the DKIM-Signature of any mail from this domain.";
    let finding = match place.exists() {
        Some(false) => {
            section.state = State::Absent;
            let text = format!("{name} publishes no DKIM key: _domainkey.{name} does not exist, so no selector can.");
            match place.is_parked {
                true => Finding::info("dkim.none", format!("{text} It sends no mail, so it needs none.")),
                false => Finding::warning("dkim.none", format!("{text} {no_pass}"))
                    .with_fix("Turn on DKIM where the mail is sent, and publish the key that it shows."),
            }
        }
        Some(true) => Finding::info(
            "dkim.not-found",
            format!("No key among {selectors} tried. Something stands below _domainkey.{name}, so there is most likely a key under a name that we did not try."),
        )
        .with_fix(name_it),
        None => Finding::info(
            "dkim.not-found",
            format!("No key among {selectors} tried. Whether there is one under another name cannot be told from outside."),
        )
        .with_fix(name_it),
    };
    let finding = finding.with_reference("RFC 6376 §3.6.2.1").with_evidence([place.domainkey.id]);
    if section.state != State::Unknown {
        section.findings.push(finding);
    }
}

/// What could not be asked: no key found is then not known to be none.
fn unknown(place: &Place<'_>, probed: &Probed, section: &mut Section) {
    let Some((_, why, _)) = probed.unknown.first() else {
        if let (Look::Unknown(why), true) = (place.domainkey.look(), probed.keys.is_empty()) {
            section.state = State::Unknown;
            section.headline = "could not look".into();
            let text = format!(
                "No key among {} tried, and we could not look whether anything stands below _domainkey: {why}.",
                form::count(probed.answered, "selector")
            );
            section.findings.push(
                Finding::warning("dkim.could-not-look", text)
                    .with_fix(crate::finding::ASK_AGAIN)
                    .with_evidence([place.domainkey.id]),
            );
        }
        return;
    };
    let asked = place.asked.len();
    let missed = probed.unknown.len();
    let none = probed.keys.is_empty() && place.exists() != Some(false);
    let tail = if none { "Whether there is a key is not known" } else { "There may be more keys" };
    let text = format!("{missed} of {asked} selectors could not be asked: {why}. {tail}.");
    let evidence = probed.unknown.iter().take(5).map(|(_, _, lookup)| *lookup);
    let finding = if none {
        section.state = State::Unknown;
        section.headline = "could not look".into();
        Finding::warning("dkim.could-not-look", text)
    } else {
        Finding::info("dkim.some-not-asked", text)
    };
    section.findings.push(finding.with_fix(crate::finding::ASK_AGAIN).with_evidence(evidence));
}

/// For somebody who never did.
pub(super) fn how_to(providers: &[&Provider]) -> Vec<String> {
    let mut text = vec![
        "Whoever sends your mail makes a pair of keys and keeps the private one; you publish the public one. So begin at \
         the sender: turn DKIM on there, and it shows a host (selector._domainkey) and a value, or CNAMEs that let it \
         change keys without you."
            .to_owned(),
    ];
    for provider in providers.iter().filter(|provider| !provider.selectors.is_empty()) {
        text.push(format!(
            "{} documents the selectors {}.",
            provider.name,
            form::list(provider.selectors.iter().take(4))
        ));
    }
    text.push(
        "If the private key is yours: it stays on the signing host, readable by the signer alone, in no repository and no \
         mail; 2048 bits; one selector a sender; a new one at least once a year and whenever a copy may have got out."
            .into(),
    );
    text.push(
        "To rotate: publish the new key under a new selector, wait for the TTL, let the signer use it, wait until no mail \
         by the old one is under way (a week), then empty the old p=."
            .into(),
    );
    text.push(
        "A 2048-bit key is longer than 255 bytes: in a zone file it stands as several strings, in a provider's form as one."
            .into(),
    );
    text
}

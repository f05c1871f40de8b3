//! What a BIMI record, its picture and its certificate are worth.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use super::{Bimi, DRAFT};
use crate::check::{Https, HttpsOutcome};
use crate::finding::Finding;
use crate::name::Name;
use crate::records::Domain;
use crate::records::dmarc::{Discovery, Policy};
use crate::records::form;
use crate::report::{LookupId, Section};

/// The draft asks receivers to take pictures up to this size.
const MAX_INDICATOR: usize = 32 * 1024;

pub(super) fn several(name: &Name) -> Finding {
    Finding::warning("bimi.several-records", format!("More than one BIMI record stands at {name}: receivers use none."))
        .with_fix("Keep one.")
        .with_reference(DRAFT)
}

/// Judges the record itself.
pub(super) fn record(lookup: LookupId, bimi: &Bimi, section: &mut Section) {
    let mut say = |finding: Finding| section.findings.push(finding.with_reference(DRAFT).with_evidence([lookup]));
    for span in &bimi.problems {
        say(Finding::warning("bimi.syntax", "A part of the BIMI record is not name=value, or stands twice.")
            .with_fix("Correct the marked part.")
            .with_span(*span));
    }
    if bimi.is_declined() {
        say(Finding::info("bimi.declined", "The owner says that no picture is to be shown (l= is empty)."));
    } else if bimi.location.is_none() {
        say(Finding::warning("bimi.no-location", "The BIMI record has no l=, so there is no picture to show.")
            .with_fix("Add l= with the https address of the picture."));
    }
    for (tag, url) in [("l", &bimi.location), ("a", &bimi.evidence)] {
        if let Some(url) = url.as_ref().filter(|url| !url.starts_with("https://")) {
            say(Finding::warning(
                "bimi.not-https",
                format!("{tag}= is {url}, and receivers ask for https:// addresses only."),
            )
            .with_fix("Serve the file over HTTPS, and name it so."));
        }
    }
}

/// DMARC must be enforced for the author's domain and for its subdomains.
pub(super) fn dmarc(dmarc: &Discovery, section: &mut Section) {
    let short = match (dmarc.effective_policy, dmarc.subdomain_policy(), &dmarc.temperror) {
        (_, _, Some(why)) => Some(format!("We could not look at DMARC ({why}), and it decides whether BIMI counts.")),
        (None, ..) => {
            Some("There is no DMARC policy, and receivers show a picture only beside mail that it protects.".into())
        }
        (Some(Policy::None), ..) => Some(
            "DMARC asks for nothing (p=none), and receivers show a picture only where p is quarantine or reject."
                .into(),
        ),
        (_, Some(Policy::None), _) => {
            Some("DMARC leaves subdomains open (sp=none), and receivers then show no picture.".into())
        }
        _ => dmarc
            .record
            .as_ref()
            .and_then(|record| record.pct)
            .filter(|pct| *pct < 100)
            .map(|pct| format!("DMARC has pct={pct}; receivers that still read it show a picture only with 100.")),
    };
    if let Some(text) = short {
        section.findings.push(
            Finding::warning("bimi.needs-dmarc", text)
                .with_fix("First bring DMARC to quarantine or reject, by its own reports.")
                .with_reference(DRAFT)
                .with_evidence(dmarc.walk.iter().filter_map(|step| step.lookup)),
        );
    }
}

/// The body of a file; when there is none, a finding says why.
fn body<'a>(https: &'a Https<'_>, what: &str, section: &mut Section) -> Option<&'a [u8]> {
    let why = match &https.answer.outcome {
        HttpsOutcome::Body { body, .. } => return Some(body),
        HttpsOutcome::Status(status) => format!("status {status}"),
        HttpsOutcome::Redirect { status, .. } => format!("a redirect (status {status}), which we do not follow"),
        HttpsOutcome::NoAddress(outcome) => format!("its host: {outcome}"),
        HttpsOutcome::NoConnection(why) | HttpsOutcome::Tls(why) | HttpsOutcome::Failed(why) => why.clone(),
        HttpsOutcome::TimedOut(at) => format!("not whole in time ({at})"),
    };
    section.findings.push(
        Finding::warning("bimi.file-unreachable", format!("We could not get {what}: {why}."))
            .with_fix("Open its address in a browser; it must be served with status 200 and a valid certificate.")
            .with_reference(DRAFT)
            .with_evidence([https.id]),
    );
    None
}

/// Judges the form of the picture: advice, since receivers differ.
pub(super) fn indicator(https: &Https<'_>, section: &mut Section) {
    let Some(bytes) = body(https, "the picture", section) else { return };
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let root = text.split_once("<svg").and_then(|(_, rest)| rest.split_once('>')).map(|(root, _)| root);
    let mut wrong: Vec<String> = Vec::new();
    match root {
        None => wrong.push("it is no SVG".into()),
        Some(root) => {
            let has = |attribute: &str, value: &str| {
                root.contains(&format!("{attribute}=\"{value}\"")) || root.contains(&format!("{attribute}='{value}'"))
            };
            if !has("baseProfile", "tiny-ps") {
                wrong.push("it does not say baseProfile=\"tiny-ps\"".into());
            }
            if !has("version", "1.2") {
                wrong.push("it does not say version=\"1.2\"".into());
            }
            if root.split_ascii_whitespace().any(|word| word.starts_with("x=") || word.starts_with("y=")) {
                wrong.push("its root has x or y".into());
            }
            if !text.contains("<title") {
                wrong.push("it has no title".into());
            }
            for part in ["<script", "<image", "<foreignObject", "<animate"] {
                if text.contains(part) {
                    wrong.push(format!("it holds {part}>, which the profile forbids"));
                }
            }
        }
    }
    if bytes.len() > MAX_INDICATOR {
        wrong.push(format!("it has {} KB, and 32 are advised at most", bytes.len().div_ceil(1024)));
    }
    if !wrong.is_empty() {
        section.findings.push(
            Finding::warning(
                "bimi.indicator-form",
                format!("The picture is not as receivers ask for it (SVG Tiny PS): {}.", form::list(wrong)),
            )
            .with_fix("Export it as SVG Tiny PS, square, with a title.")
            .with_reference("draft-svg-tiny-ps-abrotman (a draft)")
            .with_evidence([https.id]),
        );
    }
}

pub(super) fn no_evidence(section: &mut Section) {
    section.findings.push(
        Finding::info(
            "bimi.no-evidence",
            "There is no certificate for the picture (a=). Gmail and Apple Mail show none without one; some others do.",
        )
        .with_reference(DRAFT),
    );
}

/// Judges what the certificate says of itself, and gives the names that it is for.
pub(super) fn evidence(
    domain: &Domain,
    dmarc: &Discovery,
    https: &Https<'_>,
    now: OffsetDateTime,
    section: &mut Section,
) -> Vec<String> {
    let Some(bytes) = body(https, "the certificate", section) else { return Vec::new() };
    let mut say = |id, text: String| {
        section.findings.push(Finding::warning(id, text).with_reference(DRAFT).with_evidence([https.id]));
    };
    let text = String::from_utf8_lossy(bytes);
    let base64: Option<String> = text
        .split_once("-----BEGIN CERTIFICATE-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
        .map(|(inside, _)| inside.split_ascii_whitespace().collect());
    let der = base64.and_then(|text| BASE64_STANDARD.decode(text).ok());
    let parsed = der.as_deref().and_then(|der| X509Certificate::from_der(der).ok());
    let Some((_, certificate)) = parsed else {
        say("bimi.evidence-form", "What a= points at is no certificate in PEM form.".into());
        return Vec::new();
    };
    let validity = certificate.validity();
    if now.unix_timestamp() > validity.not_after.timestamp() {
        say("bimi.evidence-expired", format!("The picture's certificate expired on {}.", validity.not_after));
    } else if now.unix_timestamp() < validity.not_before.timestamp() {
        say("bimi.evidence-expired", format!("The picture's certificate begins on {}.", validity.not_before));
    }
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension() {
            names.extend(alternative.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            }));
        }
    }
    let wanted = [Some(&domain.name), dmarc.organizational_domain()];
    let covers = |name: &String| {
        let name = name.strip_prefix("default._bimi.").unwrap_or(name);
        wanted.iter().flatten().any(|wanted| wanted.as_str() == name)
    };
    if !names.iter().any(covers) {
        say(
            "bimi.evidence-name",
            format!("The picture's certificate is for {}, not for {}.", form::list(&names), domain.name),
        );
    }
    names
}

/// For somebody who never did.
pub(super) fn how_to() -> Vec<String> {
    vec![
        "BIMI is the last step, after DMARC has stood at quarantine or reject for a while: a TXT record at default._bimi \
         with v=BIMI1; l= the https address of a square SVG Tiny PS picture; a= that of its certificate (VMC or CMC)."
            .into(),
        "It is a draft, and each receiver decides by itself; the large ones want the certificate, which costs money and, \
         for a VMC, a registered trade mark. v=BIMI1; l=; a=; says that you want no picture."
            .into(),
    ]
}

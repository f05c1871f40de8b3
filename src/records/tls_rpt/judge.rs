//! What is wrong with a TLS-RPT record, and what would be better.

use super::{LABEL, TlsRpt, is_near_miss, is_usable, repaired};
use crate::finding::{Blank, Finding, Severity, Suggestion};
use crate::name::Name;
use crate::records::Domain;
use crate::records::dmarc::{ReportUri, UriProblem};
use crate::records::mx::MxSet;

pub(super) fn findings(
    at: &Name,
    count: usize,
    record: Option<&TlsRpt>,
    near: &[&String],
    misplaced: &[(Name, String)],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if count > 1 {
        findings.push(
            Finding::error(
                "tls-rpt.several-records",
                format!(
                    "{count} TLS-RPT records stand at {at}. Senders then assume that there is none and report nothing."
                ),
            )
            .with_fix("Keep one record, its addresses separated by commas."),
        );
    }
    if count == 0 {
        findings.extend(near.iter().map(|text| {
            Finding::error(
                "tls-rpt.near-miss",
                format!("\"{text}\" at {at} is meant as a TLS-RPT record, and senders pass over it: it must begin with exactly v=TLSRPTv1; in this case and without spaces."),
            )
            .with_fix("Publish it as v=TLSRPTv1; and its rua.")
        }));
    }
    findings.extend(misplaced.iter().map(|(name, text)| {
        Finding::new(
            "tls-rpt.wrong-place",
            if count == 0 { Severity::Error } else { Severity::Warning },
            format!("A TLS-RPT record, \"{text}\", stands at {name}. Senders look only at {at}."),
        )
        .with_fix(format!("Move it to the host {LABEL}."))
    }));
    let Some(record) = record else { return referenced(findings) };
    if record.rua.is_empty() {
        findings.push(
            Finding::error("tls-rpt.no-rua", "The record has no rua, which it must have, so senders report nothing.")
                .with_fix("Add rua=mailto: and a mailbox."),
        );
    }
    findings.extend(record.rua.iter().filter_map(of_uri));
    findings.extend(record.junk.iter().map(|span| {
        let seen = span.of_str(&record.text).unwrap_or_default();
        let list = seen.to_ascii_lowercase().contains("mailto:") || seen.to_ascii_lowercase().contains("https:");
        let text = if list {
            format!(
                "\"{seen}\" stands after a semicolon, so it is not part of the list before it: no reports go there."
            )
        } else {
            format!("\"{seen}\" is not of the form name=value; strict senders drop the record.")
        };
        Finding::warning("tls-rpt.not-a-field", text)
            .with_fix(if list { "Separate report addresses by commas." } else { "Remove it." })
            .with_span(*span)
    }));
    referenced(findings)
}

pub(super) fn referenced(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().map(|finding| finding.with_reference("RFC 8460 §3")).collect()
}

pub(super) fn of_uri(uri: &ReportUri) -> Option<Finding> {
    let text = &uri.text;
    let finding = match uri.problem {
        Some(UriProblem::MissingScheme) => Finding::error(
            "tls-rpt.address-without-scheme",
            format!("rua names \"{text}\" without mailto: in front, so it is no address that reports go to."),
        )
        .with_fix(format!("Write mailto:{text}.")),
        Some(UriProblem::Empty) => Finding::warning("tls-rpt.address-empty", "rua has an empty place in its list.")
            .with_fix("Give an address or remove the comma."),
        Some(UriProblem::NoMailbox | UriProblem::Space | UriProblem::NoHost) => Finding::error(
            "tls-rpt.address-invalid",
            format!("rua names \"{text}\", which is no address that a report can be sent to."),
        )
        .with_fix("Write mailto: and a mailbox, or an https: URL."),
        None if !is_usable(uri) => Finding::error(
            "tls-rpt.address-scheme",
            format!("rua names \"{text}\". Reports are sent to mailto: and https: only."),
        )
        .with_fix("Use mailto: or https:."),
        None if uri.size.is_some() => Finding::warning(
            "tls-rpt.size-suffix",
            format!("The ! and the size behind \"{text}\" belong to old DMARC; here they are part of the address, and reports get lost."),
        )
        .with_fix("Remove the ! and what follows it."),
        None => return None,
    };
    Some(finding.with_span(uri.span))
}

pub(super) fn absent(at: &Name, mx: &MxSet) -> Finding {
    if mx.null_mx {
        return Finding::info("tls-rpt.absent", "No TLS-RPT record; the domain takes no mail, so none is needed.")
            .with_reference("RFC 8460 §3");
    }
    let text = format!("No TLS-RPT record at {at}: nobody tells you when TLS with your mail hosts fails.");
    let finding = Finding::info("tls-rpt.absent", text);
    // A name that is only its own implicit MX is most often a web host: nothing is urged.
    if mx.implicit {
        return finding.with_reference("RFC 8460 §3");
    }
    finding
        .with_fix("Publish one before MTA-STS or DANE: its reports show what they would stop.")
        .with_reference("RFC 8460 §3")
}

pub(super) fn suggest(
    domain: &Domain,
    at: &Name,
    texts: &[String],
    record: Option<&TlsRpt>,
    misplaced: &[(Name, String)],
    mx: &MxSet,
) -> Option<Suggestion> {
    let published: Vec<&String> =
        texts.iter().filter(|text| TlsRpt::parse(text).is_some() || is_near_miss(text)).collect();
    let fixed = |record: &TlsRpt| {
        let mut list: Vec<String> = Vec::new();
        for uri in &record.rua {
            let text = match uri.problem {
                None if is_usable(uri) => uri.text.clone(),
                Some(UriProblem::MissingScheme) if uri.host.is_some() && uri.text.contains('@') => {
                    format!("mailto:{}", uri.text)
                }
                _ => continue,
            };
            if !list.contains(&text) {
                list.push(text);
            }
        }
        list
    };
    let usable: Vec<String> = match (record, misplaced) {
        (Some(record), _) => fixed(record),
        (None, [(_, text), ..]) if published.is_empty() => {
            TlsRpt::parse(text).map(|record| fixed(&record)).unwrap_or_default()
        }
        (None, _) => published
            .iter()
            .filter_map(|text| TlsRpt::parse(text).or_else(|| TlsRpt::parse(&repaired(text)?)))
            .flat_map(|record| fixed(&record))
            .collect(),
    };
    let is_clean = record.is_some_and(|record| {
        record.junk.is_empty()
            && !record.rua.is_empty()
            && record.rua.iter().all(|uri| is_usable(uri) && uri.size.is_none())
    });
    if is_clean || ((mx.null_mx || mx.implicit) && published.is_empty() && misplaced.is_empty()) {
        return None;
    }
    let mut list: Vec<String> = Vec::new();
    for uri in usable {
        if !list.contains(&uri) {
            list.push(uri);
        }
    }
    let blanks = if list.is_empty() {
        list.push("mailto:{rua}".into());
        vec![Blank {
            key: "rua",
            prompt: "Which mailbox shall get the TLS reports? (one file a day from each large sender)".into(),
        }]
    } else {
        Vec::new()
    };
    let current = published.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("\n");
    let current = Some(current).filter(|text| !text.is_empty());
    let why = match (&current, misplaced) {
        (None, []) => {
            "Senders then report once a day whether TLS with your mail hosts works: what you need to see before MTA-STS enforces anything."
        }
        (None, _) => "Senders look for the record here and nowhere else.",
        (Some(_), _) => "Senders accept it in this form.",
    };
    Some(Suggestion {
        why: why.into(),
        risk: "None: it changes no delivery. Large senders each send a small file a day.".into(),
        undo: if current.is_some() { "Put the old text back." } else { "Remove the record." }.into(),
        current,
        blanks,
        ..Suggestion::txt(at, &domain.zone(), format!("v=TLSRPTv1; rua={}", list.join(",")))
    })
}

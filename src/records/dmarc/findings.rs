//! What there is to say about a record and about the walk that found it, in sentences for a person.

use crate::check::Outcome;
use crate::finding::{Finding, Severity};
use crate::records::dmarc::external::{Agreement, External};
use crate::records::dmarc::legacy::Legacy;
use crate::records::dmarc::near::{NearMiss, near_miss};
use crate::records::dmarc::parse::{Dmarc, Policy, Problem, ProblemKind, Psd};
use crate::records::dmarc::uri::{ReportUri, UriProblem};
use crate::records::dmarc::walk::{Discovery, Organizational, Role, WalkStep};

/// What does not fit in one record, in the order of its text.
pub(super) fn of_record(record: &Dmarc) -> Vec<Finding> {
    let mut findings: Vec<Finding> = record.problems.iter().filter_map(|problem| of_problem(record, problem)).collect();
    if record.is_policy_broken() {
        findings.push(broken_policy(record));
    }
    findings.extend(
        record
            .rua
            .iter()
            .map(|uri| ("rua", uri))
            .chain(record.ruf.iter().map(|uri| ("ruf", uri)))
            .filter_map(|(tag, uri)| of_uri(tag, uri)),
    );
    findings
}

fn of_problem(record: &Dmarc, problem: &Problem) -> Option<Finding> {
    let seen = problem.span.of_str(&record.text).unwrap_or_default();
    let finding = match &problem.kind {
        // Both are one thing to a reader: broken_policy() says what it comes to.
        ProblemKind::MissingPolicy | ProblemKind::BadPolicy(_) => return None,
        ProblemKind::BadValue(tag) => Finding::warning(
            "dmarc.bad-value",
            format!("\"{seen}\" is not a value that {tag} can have, so receivers use the tag's default."),
        )
        .with_fix(format!("Correct the value, or remove {tag}."))
        .with_reference("RFC 9989 §4.7"),
        ProblemKind::FoZeroAndOne => Finding::warning(
            "dmarc.fo-contradicts",
            format!("\"{seen}\" asks for 0 and for 1; they exclude each other, so receivers ignore the tag."),
        )
        .with_fix("Keep fo=1 to hear of every failure, or remove fo.")
        .with_reference("RFC 9989 §4.7"),
        // pct changes what older receivers do; the readings' comparison speaks of it.
        ProblemKind::Removed("pct") if record.pct.is_some_and(|pct| pct < 100) => return None,
        ProblemKind::Removed(tag) => Finding::info(
            "dmarc.removed-tag",
            format!("\"{seen}\": RFC 9989 removed {tag}; receivers ignore it now."),
        )
        .with_fix(format!("Remove {tag} when you next edit the record."))
        .with_reference("RFC 9989 §4.7"),
        ProblemKind::UnknownTag => {
            Finding::info("dmarc.unknown-tag", format!("\"{seen}\" is no DMARC tag; receivers ignore it."))
                .with_reference("RFC 9989 §4.7")
        }
        ProblemKind::UpperCaseTag => Finding::warning(
            "dmarc.upper-case-tag",
            format!("The tag name \"{seen}\" is not in lower case. The grammar wants lower case, and some readers overlook it."),
        )
        .with_fix("Write tag names in lower case.")
        .with_reference("RFC 6376 §3.2"),
        ProblemKind::Duplicate => Finding::error(
            "dmarc.duplicate-tag",
            format!("\"{seen}\" is the second tag of its name. A tag list with duplicates is invalid: some receivers drop the whole record, others use the first or the last."),
        )
        .with_fix("Keep one of them.")
        .with_reference("RFC 6376 §3.2"),
        ProblemKind::NotATag if is_tag_with_colon(seen) => Finding::warning(
            "dmarc.colon-for-equals",
            format!("\"{seen}\" has a colon where an equals sign belongs, so receivers do not see the tag."),
        )
        .with_fix(format!("Write {}.", seen.replacen(':', "=", 1)))
        .with_reference("RFC 9989 §4.8"),
        ProblemKind::NotATag if seen.to_ascii_lowercase().contains("mailto:") => Finding::warning(
            "dmarc.semicolon-in-list",
            format!("\"{seen}\" stands after a semicolon, so it is not part of the list before it: no reports go there."),
        )
        .with_fix("Separate report addresses by commas.")
        .with_reference("RFC 9989 §4.8"),
        ProblemKind::NotATag => Finding::warning(
            "dmarc.not-a-tag",
            format!("\"{seen}\" is not of the form name=value. Most receivers skip it, strict ones drop the record."),
        )
        .with_fix("Remove it.")
        .with_reference("RFC 9989 §4.8"),
        ProblemKind::PolicyNotSecond => Finding::info(
            "dmarc.policy-not-second",
            "p does not follow v at once. RFC 9989 allows any order; readers of RFC 7489 may want p second.",
        )
        .with_fix("Put p right after v.")
        .with_reference("RFC 7489 §6.3"),
    };
    Some(finding.with_span(problem.span))
}

/// RFC 9989 §4.10.1: with somewhere to report to, the record counts as `p=none`; without, it counts for nothing.
fn broken_policy(record: &Dmarc) -> Finding {
    let problem = record
        .problems
        .iter()
        .find(|problem| matches!(problem.kind, ProblemKind::BadPolicy(_)))
        .or_else(|| record.problems.iter().find(|problem| problem.kind == ProblemKind::MissingPolicy));
    let what = match problem.map(|problem| (&problem.kind, problem.span.of_str(&record.text))) {
        Some((ProblemKind::BadPolicy(_), Some(seen))) => {
            format!("\"{seen}\" is not a policy (none, quarantine or reject)")
        }
        _ => "The record has no p, so it states no policy".to_owned(),
    };
    let finding = if record.has_valid_rua() {
        Finding::error(
            "dmarc.policy-counts-as-none",
            format!("{what}. Receivers treat the whole record as p=none: they report, and deliver forged mail."),
        )
    } else {
        Finding::error(
            "dmarc.policy-is-void",
            format!("{what}, and no valid rua makes up for it. Receivers act as if there were no DMARC record."),
        )
    };
    let finding = finding
        .with_fix("State p=none, p=quarantine or p=reject; the same words are for sp and np.")
        .with_reference("RFC 9989 §4.10.1");
    match problem {
        Some(problem) => finding.with_span(problem.span),
        None => finding,
    }
}

fn of_uri(tag: &str, uri: &ReportUri) -> Option<Finding> {
    let text = &uri.text;
    let finding = match uri.problem {
        Some(UriProblem::MissingScheme) => Finding::warning(
            "dmarc.report-address-without-scheme",
            format!("{tag} names \"{text}\" without mailto: in front, so it is no address that reports go to."),
        )
        .with_fix(format!("Write mailto:{text}.")),
        Some(UriProblem::Empty) => {
            Finding::warning("dmarc.report-address-empty", format!("{tag} has an empty place in its list."))
                .with_fix("Give an address or remove the comma.")
        }
        Some(UriProblem::Space) if text.contains('@') => Finding::warning(
            "dmarc.report-address-invalid",
            format!("{tag} names \"{text}\": a space does not part addresses, so no report goes to any of them."),
        )
        .with_fix("Separate report addresses by commas."),
        Some(UriProblem::NoMailbox | UriProblem::Space | UriProblem::NoHost) => Finding::warning(
            "dmarc.report-address-invalid",
            format!("{tag} names \"{text}\", which is no address that a report can be sent to."),
        )
        .with_fix("Write mailto: and a mailbox, like mailto:reports@example.com."),
        None if uri.size.is_some() => Finding::info(
            "dmarc.report-size-suffix",
            format!("{tag}: the size limit behind \"{text}\" is obsolete; reporters ignore it."),
        )
        .with_fix("Remove the ! and what follows it."),
        None if !uri.is_mailto() => Finding::info(
            "dmarc.report-address-not-mail",
            format!(
                "{tag} names \"{text}\": legal, but receivers need only know mailto:, so few reports will go there."
            ),
        ),
        None => return None,
    };
    Some(finding.with_reference("RFC 9989 §4.7").with_span(uri.span))
}

/// A tag that is known, written `p:reject`.
fn is_tag_with_colon(seen: &str) -> bool {
    let name = seen.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(name.as_str(), "p" | "sp" | "np" | "rua" | "ruf" | "adkim" | "aspf" | "fo" | "pct" | "t" | "psd")
}

/// What one step of the walk shows beside its record.
pub(super) fn of_step(step: &WalkStep) -> Vec<Finding> {
    let at = format!("_dmarc.{}", step.name);
    let mut findings = Vec::new();
    if step.count > 1 {
        findings.push(
            Finding::error(
                "dmarc.several-records",
                format!(
                    "{} DMARC records stand at {at}. Receivers discard them all, so none of them counts.",
                    step.count
                ),
            )
            .with_fix("Keep one record.")
            .with_reference("RFC 9989 §4.10"),
        );
    }
    if let (Some(target), true, None) = (&step.delegated, step.texts.is_empty(), step.failure()) {
        let what = if step.outcome == Outcome::NoSuchName { "which does not exist" } else { "where no record stands" };
        findings.push(
            Finding::error(
                "dmarc.cname-to-nowhere",
                format!("{at} is a CNAME to {target}, {what}: whoever was to keep the record there does not."),
            )
            .with_fix(
                "Ask whoever runs that name to publish the record, or replace the CNAME by a TXT record of your own.",
            )
            .with_reference("RFC 9989 §4.8"),
        );
    }
    for text in &step.texts {
        if let Some(why) = near_miss(text) {
            let reason = match why {
                NearMiss::LeadingSpace => "it starts with white space",
                NearMiss::VersionCase => "DMARC1 must be in capitals",
                NearMiss::Backslashes => "it holds backslashes, which belong to a zone file and not into the record",
                NearMiss::Quotes => "it holds quotation marks, which belong to a zone file and not into the record",
                NearMiss::NoVersion => "v=DMARC1 must come first",
                NearMiss::OtherVersion => "it does not start with exactly v=DMARC1 and a semicolon",
            };
            findings.push(
                Finding::error(
                    "dmarc.near-miss",
                    format!(
                        "\"{text}\" at {at} is meant as a DMARC record and is none: {reason}. Receivers do not see it."
                    ),
                )
                .with_fix("Publish it as v=DMARC1; and its tags.")
                .with_reference("RFC 9989 §4.8"),
            );
        } else if text.to_ascii_lowercase().starts_with("v=spf1") {
            findings.push(
                Finding::warning(
                    "dmarc.spf-here",
                    format!("An SPF record stands at {at}. It does nothing there; SPF belongs to the name that sends."),
                )
                .with_fix("Remove it from _dmarc. If your zone has none there, a wildcard (*) answers for the name."),
            );
        } else if Dmarc::parse(text).is_none() {
            findings.push(Finding::info(
                "dmarc.unrelated-txt",
                format!("\"{text}\" at {at} has nothing to do with DMARC; receivers pass over it."),
            ));
        }
    }
    findings.into_iter().map(|finding| finding.with_evidence(step.lookup)).collect()
}

/// What the policy comes to.
pub(super) fn of_policy(discovery: &Discovery, record: &Dmarc, policy: Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (effective, tag) = (discovery.effective(policy), discovery.tag());
    if effective == Policy::None && !record.is_policy_broken() {
        findings.push(if discovery.testing && policy != Policy::None {
            Finding::warning(
                "dmarc.testing",
                format!(
                    "{tag}={} with t=y asks for one step less: mail that fails is still delivered.",
                    policy.as_str()
                ),
            )
            .with_fix("When the reports look clean, remove t=y.")
            .with_reference("RFC 9989 §4.7")
        } else {
            Finding::warning(
                "dmarc.policy-none",
                "The policy is none: it only watches. Mail that fails is still delivered.",
            )
            .with_fix(format!("Read the reports; when every sender of yours passes, move to {tag}=quarantine."))
            .with_reference("RFC 9989 §4.7")
        });
    } else if discovery.testing && policy == Policy::Reject {
        findings.push(
            Finding::info("dmarc.testing", format!("{tag}=reject with t=y asks for quarantine only."))
                .with_fix("When the reports look clean, remove t=y.")
                .with_reference("RFC 9989 §4.7"),
        );
    }
    if !record.has_valid_rua() && !record.is_policy_broken() {
        let text =
            "No aggregate reports are asked for (no usable rua), so nobody sees which mail fails: yours or a forger's.";
        let severity = if effective == Policy::None { Severity::Warning } else { Severity::Info };
        findings.push(
            Finding::new("dmarc.no-reports", severity, text)
                .with_fix("Add rua=mailto: and a mailbox of yours.")
                .with_reference("RFC 9989 §4.7"),
        );
    }
    if let Some(policies) = discovery.policies.filter(|_| !record.is_policy_broken()) {
        let below = [
            ("sp", policies.subdomain, "dmarc.subdomains-weaker", "subdomains"),
            ("np", policies.nonexistent, "dmarc.nonexistent-weaker", "subdomains that do not exist"),
        ];
        for (tag, below, id, who) in below {
            if below < policies.own && (tag == "sp" || below < policies.subdomain) {
                findings.push(
                    Finding::warning(
                        id,
                        format!(
                            "{tag}={} is weaker than p={}: mail forged in the name of {who} is treated better than mail in yours.",
                            below.as_str(),
                            policies.own.as_str()
                        ),
                    )
                    .with_fix(format!("Unless a sender needs it, make {tag} as strict as p or leave it out."))
                    .with_reference("RFC 9989 §4.7"),
                );
            }
        }
    }
    if record.psd == Psd::Yes && discovery.role == Some(Role::Author) {
        findings.push(
            Finding::warning(
                "dmarc.psd-here",
                format!(
                    "psd=y says that {0} is a public suffix. Each name below it is then an organization of its own, and mail from them no longer aligns with {0}.",
                    discovery.author
                ),
            )
            .with_fix("Remove psd, unless you hand out names below this one to others.")
            .with_reference("RFC 9989 §4.7"),
        );
    }
    findings
}

/// Where the two readings part, and what could not be found out.
pub(super) fn of_readings(discovery: &Discovery, old: &Legacy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let effective = discovery.effective_policy.map_or("no policy", Policy::as_str);
    let pct = old.pct.filter(|pct| *pct < 100 && old.policy.is_some_and(|policy| policy > Policy::None));
    let old_word = old.policy.map_or("no policy", Policy::as_str);
    if !old.is_unknown && (old_word != effective || pct.is_some()) {
        let share = pct.map_or(String::new(), |pct| format!(" for {pct} % of the failing mail"));
        findings.push(
            Finding::info(
                "dmarc.readings-differ",
                format!(
                    "Receivers read this in two ways: by RFC 9989 (May 2026) the policy is {effective}, by the older RFC 7489 {old_word}{share}."
                ),
            )
            .with_fix("Write the record so that both say the same: without pct, np, psd and t, or with care for the difference.")
            .with_reference("RFC 9989 §4.7"),
        );
    }
    match &discovery.organizational {
        Organizational::Domain(org) if *org != old.organizational_domain && discovery.record.is_some() => findings.push(
            Finding::info(
                "dmarc.organizations-differ",
                format!(
                    "RFC 9989 finds the Organizational Domain by records: {org}. By the public suffix list, as RFC 7489 does, it is {}. Which mail aligns differs between them.",
                    old.organizational_domain
                ),
            )
            .with_reference("RFC 9989 §4.10.2"),
        ),
        Organizational::Domain(_) => {}
        Organizational::Unknown(outcome) => {
            let failed = discovery.walk.iter().find(|step| step.failure().is_some());
            findings.push(
                Finding::info(
                    "dmarc.organization-unknown",
                    format!("A step of the walk failed ({outcome}), so the Organizational Domain is not known."),
                )
                .with_fix(crate::finding::ASK_AGAIN)
                .with_evidence(failed.and_then(|step| step.lookup)),
            );
        }
    }
    findings
}

/// Report addresses of others.
pub(super) fn of_external(external: &[External]) -> Vec<Finding> {
    external
        .iter()
        .filter_map(|external| {
            let finding = match &external.agreement {
                Agreement::Given => return None,
                Agreement::Missing => Finding::warning(
                    "dmarc.external-not-authorized",
                    format!(
                        "\"{}\" belongs to another organization, and there is no record at {} by which it agrees to get the reports. Receivers send nothing there.",
                        external.uri.text, external.asked
                    ),
                )
                .with_fix(format!("Whoever runs {} must publish it; ask them.", external.host)),
                Agreement::Unknown(outcome) => Finding::info(
                    "dmarc.external-unknown",
                    format!("Whether {} agreed to get the reports is not known: {outcome}.", external.host),
                )
                .with_fix("Ask again (r)."),
            };
            Some(finding.with_reference("RFC 9990 §4").with_span(external.uri.span).with_evidence(external.lookup))
        })
        .collect()
}

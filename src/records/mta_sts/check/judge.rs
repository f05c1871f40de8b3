//! What is wrong with the record, the policy, and how both fit the MX.

use super::Looked;
use super::draw::short;
use crate::finding::Finding;
use crate::name::Name;
use crate::records::mta_sts::policy::{PolicyProblemKind, StsMode, StsPolicy, duration};
use crate::records::mta_sts::record::{RecordProblem, StsRecord};

impl Looked<'_> {
    pub(super) fn of_txt(&self, count: usize, record: Option<&StsRecord>, near: &[&String]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if count > 1 {
            findings.push(
                Finding::error(
                    "mta-sts.several-records",
                    format!(
                        "{count} MTA-STS records stand at {}. Senders then assume that there is no policy.",
                        self.at
                    ),
                )
                .with_fix("Keep one record."),
            );
        }
        if count == 0 {
            findings.extend(near.iter().map(|text| {
                Finding::error(
                    "mta-sts.near-miss",
                    format!("\"{text}\" at {} is meant as an MTA-STS record, and senders pass over it: it must begin with exactly v=STSv1; in this case and without spaces.", self.at),
                )
                .with_fix("Publish it as v=STSv1; and its id.")
            }));
        }
        for problem in record.iter().flat_map(|record| &record.problems) {
            let text = match problem {
                RecordProblem::NoId => {
                    "The record has no id, so it is invalid, and senders assume that there is no policy."
                }
                RecordProblem::BadId(_) => {
                    "The id is not 1 to 32 letters and digits, so the record is invalid, and senders assume that there is no policy."
                }
                RecordProblem::NotAField(_) => {
                    "A part of the record is not name=value, so the record is invalid, and senders may assume that there is no policy."
                }
            };
            let finding =
                Finding::error("mta-sts.record-invalid", text).with_fix("Publish v=STSv1; id= and a new number;");
            findings.push(match problem.span() {
                Some(span) => finding.with_span(span),
                None => finding,
            });
        }
        findings.into_iter().map(|f| f.with_reference("RFC 8461 §3.1").with_evidence([self.txt.id])).collect()
    }

    pub(super) fn of_policy(&self, policy: &StsPolicy, is_announced: bool, txt_is_known: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !is_announced && txt_is_known {
            findings.push(
                Finding::warning(
                    "mta-sts.policy-without-record",
                    format!(
                        "A policy is served at {}, and no TXT record at {} announces it: senders never look for it.",
                        self.url, self.at
                    ),
                )
                .with_fix("Publish the TXT record.")
                .with_reference("RFC 8461 §3.1"),
            );
        }
        for problem in &policy.problems {
            let line = problem.span.of_str(&policy.text).unwrap_or_default();
            let finding = match problem.kind {
                PolicyProblemKind::Missing("version") if policy.text.starts_with('\u{feff}') => Finding::error(
                    "mta-sts.policy-incomplete",
                    "The file begins with a byte order mark, which hides its version line: senders see none, and have no policy.",
                )
                .with_fix("Save the file as UTF-8 without a byte order mark (BOM)."),
                PolicyProblemKind::Missing(key) => Finding::error(
                    "mta-sts.policy-incomplete",
                    format!("The policy has no {key} line. Senders have no policy."),
                )
                .with_fix(format!("Add a line {key}: and its value.")),
                PolicyProblemKind::BadValue(key) => Finding::error(
                    "mta-sts.policy-invalid",
                    format!(
                        "\"{line}\" is no valid {key} line. Senders may take the whole policy as invalid and have none."
                    ),
                )
                .with_fix(format!("Correct the {key} line.")),
                // A web page instead of a policy has hundreds of lines that are none; the first says it.
                PolicyProblemKind::NotAField
                    if policy.problems.iter().find(|p| p.kind == PolicyProblemKind::NotAField) != Some(problem) =>
                {
                    continue;
                }
                PolicyProblemKind::NotAField => Finding::error(
                    "mta-sts.policy-not-a-policy",
                    format!(
                        "\"{}\" is not a line of a policy (key, colon, value). Senders have no policy.",
                        short(line)
                    ),
                )
                .with_fix("Serve the policy as plain text and nothing else."),
                PolicyProblemKind::MaxAgeTooLong => Finding::warning(
                    "mta-sts.max-age-too-long",
                    format!(
                        "\"{line}\" is above the maximum of 31557600 seconds. Senders cut it or refuse the policy."
                    ),
                )
                .with_fix("Use 31557600 at most."),
                PolicyProblemKind::Duplicate => Finding::warning(
                    "mta-sts.policy-duplicate",
                    format!("\"{line}\" repeats a key that counts once; senders use the first."),
                )
                .with_fix("Keep one of them."),
                PolicyProblemKind::Unknown => Finding::info(
                    "mta-sts.policy-unknown-key",
                    format!("\"{}\" is ignored: RFC 8461 does not know the key.", short(line)),
                ),
            };
            let finding = finding.with_reference("RFC 8461 §3.2");
            // The file is counted after the section's records, of which each TXT is one.
            let records = self.txt.texts().count();
            findings.push(if problem.span.start < problem.span.end && records > 0 {
                finding.with_span(problem.span).in_record(records)
            } else {
                finding
            });
        }
        if let Some(age) = policy.max_age.filter(|age| *age < 86_400 && policy.mode != Some(StsMode::None)) {
            findings.push(
                Finding::warning(
                    "mta-sts.max-age-short",
                    format!(
                        "Senders keep the policy for {} only. Whoever can suppress the next fetch is rid of it soon.",
                        duration(age)
                    ),
                )
                .with_fix("Use weeks: max_age: 604800 or more.")
                .with_reference("RFC 8461 §3.2"),
            );
        }
        findings.into_iter().map(|finding| finding.with_evidence([self.file])).collect()
    }

    /// Each live MX against the patterns of a policy that is in force.
    pub(super) fn of_coverage(&self, policy: &StsPolicy) -> Vec<Finding> {
        let both = [self.file, self.mx.lookup];
        let mut findings = Vec::new();
        match policy.mode {
            Some(StsMode::None) | None => {
                findings.push(
                    Finding::info("mta-sts.mode-none", "The policy is switched off (mode: none): senders act as if there were none.")
                        .with_fix("If that is the way out, remove the record and the file after max_age; else serve mode: testing.")
                        .with_reference("RFC 8461 §8.3")
                        .with_evidence([self.file]),
                );
                return findings;
            }
            Some(StsMode::Testing) => findings.push(
                Finding::info("mta-sts.testing", "The mode is testing: senders report what would fail, and deliver also without TLS.")
                    .with_fix("Enforce when every MX is listed, each certificate has been seen to be valid (mxray smtp shows them; DNS does not) and the TLS reports are clean.")
                    .with_reference("RFC 8461 §5")
                    .with_evidence([self.file]),
            ),
            Some(StsMode::Enforce) => {}
        }
        if let Some(why) = &self.mx.unknown {
            findings.push(
                Finding::warning(
                    "mta-sts.mx-unknown",
                    format!("Whether the policy lists the MX is not known: the MX could not be looked at ({why})."),
                )
                .with_fix("Ask again (r).")
                .with_evidence(both),
            );
            return findings;
        }
        let (listed, missing): (Vec<&Name>, Vec<&Name>) =
            self.mx.hosts.iter().map(|host| &host.name).partition(|host| policy.covers(host));
        if missing.is_empty() {
            return findings;
        }
        let names = |names: &[&Name]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let is_testing = policy.mode == Some(StsMode::Testing);
        let finding = if listed.is_empty() {
            let news =
                if is_testing { "\"enforce\" would stop mail" } else { "senders that honour it deliver nothing" };
            let why =
                "A sender that honours the policy skips an MX that it does not list; no MX left means no delivery.";
            Finding::error(
                "mta-sts.no-mx-listed",
                format!("MTA-STS policy does not list your MX {}: {news}. {why}", names(&missing)),
            )
            .with_fix("List today's MX in the policy file, then publish a new id.")
        } else {
            let news = if is_testing { "would skip" } else { "skip" };
            Finding::warning(
                "mta-sts.some-mx-unlisted",
                format!(
                    "MTA-STS policy lists {} and not {}: senders that honour it {news} what it does not list.",
                    names(&listed),
                    names(&missing)
                ),
            )
            .with_fix("List every MX in the policy file, then publish a new id.")
        };
        findings.push(finding.with_reference("RFC 8461 §4.1, §5").with_evidence(both));
        findings
    }

    pub(super) fn absent(&self) -> Finding {
        let text = if self.mx.null_mx {
            "No MTA-STS record; the domain takes no mail, so none is needed.".to_owned()
        } else {
            format!(
                "No MTA-STS record at {}: nothing tells senders to insist on verified TLS, so whoever sits between can strip it.",
                self.at
            )
        };
        let finding = Finding::info("mta-sts.absent", text).with_reference("RFC 8461 §2").with_evidence([self.txt.id]);
        // A name that is only its own implicit MX is most often a web host: nothing is urged.
        if self.mx.null_mx || self.mx.implicit {
            finding
        } else {
            finding.with_fix("Publish a policy in testing mode, with TLS-RPT to hear what fails.")
        }
    }
}

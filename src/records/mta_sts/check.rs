//! The MTA-STS section. The record, the policy, the MX and the policy host's addresses are asked in one round.

use serde_json::json;

use crate::check::{Check, Data, Kind, Look, Memo, Seen, Wait};
use crate::check::{Dns, HttpsRules};
use crate::finding::{Finding, Severity};
use crate::name::Name;
use crate::records::Domain;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::mta_sts::fetch::{Fetched, judge};
use crate::records::mta_sts::policy::{PolicyProblemKind, StsMode, StsPolicy, duration};
use crate::records::mta_sts::record::{RecordProblem, StsRecord, is_near_miss};
use crate::records::mta_sts::remembered::{compare, policy_hash};
use crate::records::mta_sts::suggest::suggest;
use crate::records::mx::{MxSet, mx_names};
use crate::report::{Block, Cell, Fact, Link, LookupId, Posture, Question, RecordBlock, Row, Section, State, Table};
use crate::untrusted::lossless;

const ID: &str = "mta-sts";
const TITLE: &str = "MTA-STS";

/// The MTA-STS section of a domain.
pub struct MtaStsCheck;

/// Where the policy of a domain is fetched from (RFC 8461 §3.3); `None` when that name would be too long.
pub fn policy_url(domain: &Domain) -> Option<String> {
    let host = domain.name.below("mta-sts").ok()?;
    Some(format!("https://{}/.well-known/mta-sts.txt", host.as_str()))
}

/// What was found, as suggestions need it.
pub(super) struct Found<'a> {
    /// The TXT texts that are, or are meant as, MTA-STS records.
    pub texts: Vec<String>,
    /// Whether the TXT records could not be looked at.
    pub txt_unknown: bool,
    /// The one record.
    pub record: Option<StsRecord>,
    /// The policy, if a file came.
    pub policy: Option<StsPolicy>,
    /// Whether the policy could not be looked at.
    pub is_policy_unknown: bool,
    /// Whether the policy host surely has no address.
    pub host_is_missing: bool,
    /// The MX.
    pub mx: &'a MxSet,
}

impl Check<Domain> for MtaStsCheck {
    fn id(&self) -> &'static str {
        ID
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "Whether senders are told to insist on verified TLS: the _mta-sts record, the policy file, and whether it lists every MX"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let (Ok(at), Ok(host), Some(url)) =
            (domain.name.below("_mta-sts"), domain.name.below("mta-sts"), policy_url(domain))
        else {
            let mut section = Section::new(ID, TITLE);
            section.state = State::Absent;
            section.headline = "none".into();
            return Ok(section);
        };
        let (existence, txt, file, mx, a, aaaa) = (
            exists(domain, seen),
            seen.dns(&at, Kind::Txt),
            seen.https(&url, HttpsRules::MtaSts),
            mx_names(domain, seen),
            seen.dns(&host, Kind::A),
            seen.dns(&host, Kind::Aaaa),
        );
        if let Existence::NoSuchName { .. } = existence? {
            let mut section = absent_with_its_name(ID, TITLE);
            section.posture.push(Posture {
                question: Question::ReadInTransit,
                answer: "no: the name does not exist and takes no mail".into(),
                severity: Severity::Ok,
            });
            return Ok(section);
        }
        let (txt, file, mx, a, aaaa) = (txt?, file?, mx?, a?, aaaa?);
        let fetched = judge(host.as_str(), &file);
        let look = Looked { domain, at, host, url, txt, file: file.id, mx, a, aaaa };
        Ok(look.section(fetched, seen.now()).settle())
    }
}

/// Every answer that the section is made of.
struct Looked<'a> {
    domain: &'a Domain,
    at: Name,
    host: Name,
    url: String,
    txt: Dns<'a>,
    file: LookupId,
    mx: MxSet,
    a: Dns<'a>,
    aaaa: Dns<'a>,
}

impl Looked<'_> {
    fn section(&self, fetched: Fetched, now: time::OffsetDateTime) -> Section {
        let all: Vec<String> = self.txt.texts().map(|text| lossless(&text).into_owned()).collect();
        let mut records: Vec<StsRecord> = all.iter().filter_map(|text| StsRecord::parse(text)).collect();
        let near: Vec<&String> = all.iter().filter(|text| is_near_miss(text)).collect();
        let count = records.len();
        let texts = match count {
            0 => near.iter().map(|text| (*text).clone()).collect(),
            _ => records.iter().map(|record| record.text.clone()).collect(),
        };
        let record = if count == 1 { records.pop() } else { None };
        let txt_unknown = match self.txt.look() {
            Look::Unknown(outcome) => Some(outcome.clone()),
            Look::Found(_) | Look::Absent(_) => None,
        };
        let mut section = match &txt_unknown {
            Some(why) => {
                Section::could_not_look((ID, TITLE), "mta-sts.unknown", "the MTA-STS record", why, [self.txt.id])
            }
            None => Section::new(ID, TITLE),
        };
        section.findings.extend(self.of_txt(count, record.as_ref(), &near));
        let is_announced = count > 0 || !near.is_empty();
        let (policy, body, served, is_policy_unknown) = match fetched {
            Fetched::File { text, body, odd, served } => {
                if is_announced {
                    section.findings.extend(odd);
                }
                (Some(StsPolicy::parse(&text)), Some(body), Some(served), false)
            }
            Fetched::Refused(finding) => {
                section.findings.extend(Some(finding).filter(|_| count > 0));
                (None, None, None, false)
            }
            Fetched::Unknown(finding) => {
                if count > 0 {
                    section.findings.push(finding);
                    section.state = State::Unknown;
                }
                (None, None, None, count > 0)
            }
        };
        if let Some(policy) = &policy {
            section.findings.extend(self.of_policy(policy, is_announced, txt_unknown.is_none()));
        }
        if !is_announced && txt_unknown.is_none() {
            section.state = State::Absent;
            if policy.is_none() {
                section.findings.push(self.absent());
            }
        }
        let in_force = record.as_ref().filter(|record| record.is_valid()).and(policy.as_ref()).filter(|p| p.is_valid());
        if let Some(policy) = in_force {
            section.findings.extend(self.of_coverage(policy));
        }
        let hash = body.as_deref().map(policy_hash);
        let id = record.as_ref().and_then(|record| record.id.as_deref());
        if let (Some(before), Some(id), Some(hash)) = (&self.domain.remembered, id, &hash) {
            section.findings.extend(compare(before, id, hash));
        }
        section.headline = self.headline(&section, in_force, is_announced);
        section.posture.push(self.posture(&section, in_force));
        let covered = in_force.or(policy.as_ref()).and_then(|policy| self.covered(policy));
        section.fact("record", record.as_ref().map(|record| &record.text));
        section.fact("id", id);
        section.fact(
            "policy",
            policy.as_ref().map(|policy| {
                json!({
                    "mode": policy.mode.map(StsMode::as_str),
                    "mx": policy.mx.iter().map(|mx| &mx.text).collect::<Vec<_>>(),
                    "max_age": policy.max_age,
                })
            }),
        );
        section.fact("mx_covered", covered);
        section.fact("policy_url", &self.url);
        section.fact("policy_sha256", &hash);
        let found = Found {
            texts,
            txt_unknown: txt_unknown.is_some(),
            record,
            policy,
            is_policy_unknown,
            host_is_missing: self.addresses().is_empty() && self.host_is_known(),
            mx: &self.mx,
        };
        section.suggestions = suggest(self.domain, &found, now);
        section.blocks = self.blocks(&all, &found, served);
        section
    }

    fn of_txt(&self, count: usize, record: Option<&StsRecord>, near: &[&String]) -> Vec<Finding> {
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

    fn of_policy(&self, policy: &StsPolicy, is_announced: bool, txt_is_known: bool) -> Vec<Finding> {
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
    fn of_coverage(&self, policy: &StsPolicy) -> Vec<Finding> {
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

    fn absent(&self) -> Finding {
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

    fn covered(&self, policy: &StsPolicy) -> Option<bool> {
        let known = self.mx.unknown.is_none() && !self.mx.hosts.is_empty();
        known.then(|| self.mx.hosts.iter().all(|host| policy.covers(&host.name)))
    }

    fn headline(&self, section: &Section, in_force: Option<&StsPolicy>, is_announced: bool) -> String {
        match (section.state, in_force.and_then(|policy| policy.mode)) {
            (State::Unknown, _) => "could not look".into(),
            (_, Some(mode)) => mode.as_str().into(),
            _ if is_announced => "void".into(),
            _ => "none".into(),
        }
    }

    fn posture(&self, section: &Section, in_force: Option<&StsPolicy>) -> Posture {
        let (answer, severity) = match in_force.and_then(|policy| policy.mode) {
            _ if self.mx.null_mx => ("no: the domain takes no mail", Severity::Ok),
            Some(StsMode::Enforce) if section.findings.iter().any(|finding| finding.id == "mta-sts.no-mx-listed") => {
                ("nothing to read: the enforced MTA-STS policy lists no MX, so honouring senders stop", Severity::Error)
            }
            Some(StsMode::Enforce)
                if section.findings.iter().any(|finding| finding.id == "mta-sts.some-mx-unlisted") =>
            {
                (
                    "hard, by the listed MX alone: MTA-STS enforces verified TLS and honouring senders skip the others",
                    Severity::Info,
                )
            }
            Some(StsMode::Enforce) => ("hard: MTA-STS enforces verified TLS", Severity::Ok),
            Some(StsMode::Testing) => ("yes: MTA-STS is testing", Severity::Warning),
            Some(StsMode::None) => ("yes: MTA-STS is switched off", Severity::Warning),
            None if section.state == State::Unknown => ("not known: could not look at MTA-STS", Severity::Warning),
            None if section.state == State::Absent => ("yes: no MTA-STS asks for verified TLS", Severity::Warning),
            None => ("yes: the MTA-STS policy counts for nothing", Severity::Warning),
        };
        Posture { question: Question::ReadInTransit, answer: answer.to_owned(), severity }
    }

    fn addresses(&self) -> Vec<String> {
        self.a.addresses().chain(self.aaaa.addresses()).map(|address| address.to_string()).collect()
    }

    fn host_is_known(&self) -> bool {
        [&self.a, &self.aaaa].iter().all(|answer| !matches!(answer.look(), Look::Unknown(_)))
    }

    fn blocks(&self, texts: &[String], found: &Found<'_>, served: Option<String>) -> Vec<Block> {
        let mut blocks = Vec::new();
        // The record that counts comes first: findings underline its bytes.
        let counted = found.record.as_ref().map(|record| record.text.as_str());
        let mut texts: Vec<&String> = texts.iter().collect();
        texts.sort_by_key(|text| Some(text.as_str()) != counted);
        for text in texts {
            let marks = found.record.as_ref().filter(|record| record.text == *text).map(|record| record.marks.clone());
            blocks.push(Block::Record(RecordBlock {
                name: self.at.to_string(),
                host: self.at.relative_to(&self.domain.zone()),
                rr_type: "TXT".into(),
                priority: None,
                ttl: self.txt.ttl,
                text: text.clone(),
                marks: marks.unwrap_or_default(),
                lookup: Some(self.txt.id),
            }));
        }
        let mut facts = Vec::new();
        let alias = self.txt.aliases.iter().rev().find_map(|alias| match &alias.data {
            Data::Cname(target) => Some(target),
            _ => None,
        });
        if let Some(target) = alias {
            facts.push(Fact::new(
                "Kept at",
                Cell::from(format!("{target} (by CNAME)")).linked(Link::Domain(target.clone())),
            ));
        }
        facts.push(Fact::new("Policy host", self.host_cell()));
        if let Some(served) = served {
            facts.push(Fact::new("Served as", served));
        }
        blocks.push(Block::Facts(facts));
        if let Some(policy) = &found.policy {
            blocks.push(Block::Source {
                title: self.url.clone(),
                text: policy.text.clone(),
                marks: policy.marks.clone(),
            });
            blocks.push(Block::Table(self.mx_table(policy)));
        }
        blocks.push(how_to());
        blocks
    }

    fn host_cell(&self) -> Cell {
        let alias = self.a.aliases.iter().chain(&self.aaaa.aliases).rev().find_map(|alias| match &alias.data {
            Data::Cname(target) => Some(target),
            _ => None,
        });
        let addresses = self.addresses();
        let mut text = self.host.to_string();
        if let Some(target) = alias {
            text.push_str(&format!(" CNAME {target}"));
        }
        if addresses.is_empty() {
            let what = if self.host_is_known() { "no address" } else { "its addresses could not be looked at" };
            return Cell::from(format!("{text}: {what}")).judged(Severity::Warning);
        }
        Cell::from(format!("{text}: {}", addresses.join(", "))).linked(Link::Domain(self.host.clone()))
    }

    fn mx_table(&self, policy: &StsPolicy) -> Table {
        let columns = ["Preference", "MX today", "In the policy"].map(String::from).to_vec();
        let rows = self.mx.hosts.iter().map(|host| {
            let listed = policy.mx.iter().find(|pattern| pattern.matches(&host.name));
            let severity =
                if listed.is_none() && policy.mode != Some(StsMode::None) { Severity::Error } else { Severity::Ok };
            let how = listed.map_or("not listed".to_owned(), |pattern| format!("by {}", pattern.text));
            let cells = vec![
                Cell::from(host.preference.to_string()),
                Cell::from(host.name.to_string()).linked(Link::Smtp(host.name.to_string())),
                Cell::from(how).judged(severity),
            ];
            Row { cells, section: None }
        });
        let unused = policy.mx.iter().filter(|pattern| !self.mx.hosts.iter().any(|host| pattern.matches(&host.name)));
        let unused = unused.map(|pattern| Row {
            cells: vec![Cell::from("-"), Cell::from("none of today's MX"), Cell::from(pattern.text.clone())]
                .into_iter()
                .map(Cell::dimmed)
                .collect(),
            section: None,
        });
        let rows = if self.mx.unknown.is_some() { Vec::new() } else { rows.chain(unused).collect() };
        Table { columns, rows }
    }
}

fn short(line: &str) -> String {
    const MOST: usize = 60;
    if line.chars().count() <= MOST { line.to_owned() } else { line.chars().take(MOST).chain(['…']).collect() }
}

fn how_to() -> Block {
    let text = [
        "MTA-STS tells senders to deliver only over TLS with a valid certificate, so that nobody in between can strip the encryption or pose as your MX.",
        "First the host: mta-sts below the domain, an A, AAAA or CNAME record to a web server with a certificate for that name. Then the file there, at /.well-known/mta-sts.txt, served as text/plain without a redirect. Last the TXT record at _mta-sts with a new id.",
        "Start with mode: testing and a TLS-RPT record: senders then report failures and deliver as before. Enforce only when every MX is listed and its certificate has been seen.",
        "Whenever the file changes, publish the file first and a new id after it. When an MX changes, list the new one before it goes live.",
    ];
    Block::Prose { title: "How to set it up".into(), text: text.map(String::from).to_vec() }
}

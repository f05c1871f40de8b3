//! The MTA-STS section. The record, the policy, the MX and the policy host's addresses are asked in one round.

mod draw;
mod judge;

use serde_json::json;

use crate::check::{Check, Kind, Look, Memo, Seen, Wait};
use crate::check::{Dns, HttpsRules};
use crate::finding::Severity;
use crate::name::Name;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::mta_sts::fetch::{Fetched, judge};
use crate::records::mta_sts::policy::{StsMode, StsPolicy};
use crate::records::mta_sts::record::{StsRecord, is_near_miss};
use crate::records::mta_sts::remembered::{compare, policy_hash};
use crate::records::mta_sts::suggest::suggest;
use crate::records::mx::{MxSet, mx_names};
use crate::records::{Domain, unseen};
use crate::report::{LookupId, Posture, Question, Section, State};
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
        let mut section = look.section(fetched, seen.now());
        unseen::tell(&mut section, "mta-sts.unseen-character");
        Ok(section.settle())
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
}

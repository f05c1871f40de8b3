//! CAA: which authorities may issue certificates for the domain (RFC 8659), also for S/MIME (`issuemail`, RFC 9495). Mail
//! needs certificates for its MX hosts and for the host of the MTA-STS policy.
//!
//! Names are climbed as a CA does: the first name at or above the domain that has CAA decides. That a CA obeys is not shown.

use serde_json::json;

use crate::check::{Check, Data, Dns, Kind, Look, Memo, Record, Seen, Wait, all};
use crate::finding::{Blank, Finding, Severity, Span, Suggestion};
use crate::name::Name;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::{Domain, form};
use crate::report::{Block, Mark, Section, State};
use crate::untrusted;

/// The check of CAA.
pub struct CaaCheck;

/// One CAA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caa {
    /// Whether a CA that does not know the tag must refuse (flag bit 0, value 128).
    pub is_critical: bool,
    /// The property's tag, in lower case.
    pub tag: String,
    /// The value as it stands.
    pub value: String,
}

impl Caa {
    /// Reads the record's data, if it is a CAA record.
    pub fn of(data: &Data) -> Option<Caa> {
        match data {
            Data::Caa { flags, tag, value } => Some(Caa {
                is_critical: flags & 0x80 != 0,
                tag: untrusted::lossless(tag).to_ascii_lowercase(),
                value: untrusted::lossless(value).into_owned(),
            }),
            _ => None,
        }
    }

    /// What it allows.
    pub fn meaning(&self) -> Meaning {
        match self.tag.as_str() {
            "issue" | "issuewild" | "issuemail" | "issuevmc" => {
                let issuer = self.value.split(';').next().unwrap_or("").trim();
                let labels = issuer.split('.');
                let is_label = |label: &str| {
                    !label.is_empty()
                        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                };
                match issuer {
                    "" => Meaning::Nobody,
                    _ if labels.into_iter().all(is_label) => Meaning::Issuer(issuer.to_ascii_lowercase()),
                    _ => Meaning::Malformed,
                }
            }
            "iodef" => match self.value.split_once(':') {
                Some(("mailto" | "http" | "https", rest)) if !rest.is_empty() => Meaning::Report,
                _ => Meaning::Malformed,
            },
            "contactemail" | "contactphone" => Meaning::Contact,
            _ => Meaning::UnknownTag,
        }
    }
}

/// What one CAA record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// This authority may issue.
    Issuer(String),
    /// No authority may.
    Nobody,
    /// Where to report requests that break the rules.
    Report,
    /// Whom to ask whether a request is right.
    Contact,
    /// The value cannot be read; a CA takes it as "nobody" (RFC 8659 §4.2).
    Malformed,
    /// A tag that we do not know.
    UnknownTag,
}

impl Check<Domain> for CaaCheck {
    fn id(&self) -> &'static str {
        "caa"
    }

    fn title(&self) -> &'static str {
        "CAA"
    }

    fn about(&self) -> &'static str {
        "CAA: which authorities may issue certificates for the domain's mail and policy hosts"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let labels = domain.name.label_count();
        let names = (1..=labels).rev().map(|count| domain.name.suffix(count));
        let (existence, climbed) = (exists(domain, seen), all(names, |name| Ok((seen.dns(&name, Kind::Caa)?, name))));
        let (existence, climbed) = (existence?, climbed?);
        if let Existence::NoSuchName { .. } = existence {
            return Ok(absent_with_its_name(self.id(), self.title()));
        }
        for (dns, name) in &climbed {
            match dns.look() {
                Look::Absent(_) => {}
                // A CA whose lookup fails must not go on to the parent (RFC 8659 §3).
                Look::Unknown(why) => {
                    let what = format!("the CAA records of {name}");
                    let mut section =
                        Section::could_not_look((self.id(), self.title()), "caa.could-not-look", &what, why, [dns.id]);
                    section.fact("records", serde_json::Value::Null);
                    return Ok(section);
                }
                Look::Found(records) => return Ok(self.found(domain, name, dns, records)),
            }
        }
        Ok(self.none(domain, &climbed))
    }
}

impl CaaCheck {
    fn found(&self, domain: &Domain, name: &Name, dns: &Dns<'_>, records: &[Record]) -> Section {
        let mut section = Section::new(self.id(), self.title());
        let all: Vec<Caa> = records.iter().filter_map(|record| Caa::of(&record.data)).collect();
        let issuers = |tag: &str| -> Vec<String> {
            let of = |caa: &&Caa| caa.tag == tag;
            all.iter()
                .filter(of)
                .filter_map(|caa| match caa.meaning() {
                    Meaning::Issuer(issuer) => Some(issuer),
                    _ => None,
                })
                .collect()
        };
        section.fact("name", name);
        section.fact(
            "records",
            all.iter()
                .map(|caa| json!({ "critical": caa.is_critical, "tag": caa.tag, "value": caa.value }))
                .collect::<Vec<_>>(),
        );
        for tag in ["issue", "issuewild", "issuemail"] {
            section.fact(tag, issuers(tag));
        }
        section.fact(
            "iodef",
            all.iter().filter(|caa| caa.tag == "iodef").map(|caa| caa.value.as_str()).collect::<Vec<_>>(),
        );
        let issue = issuers("issue");
        section.headline = match (all.iter().any(|caa| caa.tag == "issue"), issue.len()) {
            (false, _) => "any CA".into(),
            (true, 0) => "no CA".into(),
            (true, count) => form::count(count, "CA"),
        };
        for (number, record) in records.iter().take(form::MOST_SHOWN).enumerate() {
            let Some(caa) = Caa::of(&record.data) else { continue };
            section.blocks.push(form::record(domain, name, record, dns.id, marks(record, &caa)));
            section.findings.extend(judge(&caa).map(|finding| finding.with_evidence([dns.id]).in_record(number)));
        }
        if *name != domain.name {
            section.findings.push(
                Finding::new(
                    "caa.inherited",
                    Severity::Ok,
                    format!("{} has no CAA of its own; that of {name} counts for it.", domain.name),
                )
                .with_reference("RFC 8659 §3")
                .with_evidence([dns.id]),
            );
        }
        if all.iter().any(|caa| caa.tag == "issue") && issue.is_empty() {
            section.findings.push(
                Finding::info("caa.nobody", format!("No authority may issue a certificate for {name}: its mail and policy hosts cannot get one that others trust."))
                    .with_reference("RFC 8659 §4.2")
                    .with_evidence([dns.id]),
            );
        }
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text: how_to() });
        section.settle()
    }

    fn none(&self, domain: &Domain, climbed: &[(Dns<'_>, Name)]) -> Section {
        let mut section = Section::new(self.id(), self.title());
        section.state = State::Absent;
        section.headline = "none".into();
        section.fact("records", json!([]));
        section.findings.push(
            Finding::info(
                "caa.none",
                format!(
                    "Neither {} nor a name above it has CAA: every authority may issue certificates for it.",
                    domain.name
                ),
            )
            .with_reference("RFC 8659 §3")
            .with_evidence(climbed.iter().map(|(dns, _)| dns.id)),
        );
        let mut suggestion = Suggestion::plain(&domain.name, &domain.zone(), "CAA", "0 issue \"{ca}\"");
        suggestion.why = "an authority that you do not use then refuses to issue, whoever asks".into();
        suggestion.risk = "an authority that you do use and forgot can no longer renew: list all of them".into();
        suggestion.undo = "remove the record; CAs look when they issue, so nothing stays behind".into();
        suggestion.blanks = vec![Blank {
            key: "ca",
            prompt: "The domain that your certificate authority documents for CAA (letsencrypt.org, digicert.com …)"
                .into(),
        }];
        section.suggestions.push(suggestion);
        section.blocks.push(Block::Prose { title: "How to set it up".into(), text: how_to() });
        section.settle()
    }
}

fn marks(record: &Record, caa: &Caa) -> Vec<Mark> {
    let text = form::content(&record.data);
    let what = match caa.tag.as_str() {
        "issue" => "certificates",
        "issuewild" => "wildcard certificates",
        "issuemail" => "S/MIME certificates (RFC 9495)",
        _ => "mark certificates for BIMI",
    };
    let (note, severity) = match caa.meaning() {
        Meaning::Issuer(issuer) => (format!("{issuer} may issue {what}"), Severity::Ok),
        Meaning::Nobody => (format!("nobody may issue {what}"), Severity::Ok),
        Meaning::Report => ("where a CA reports requests that break these rules".into(), Severity::Ok),
        Meaning::Contact => ("whom a CA may ask about a request".into(), Severity::Ok),
        Meaning::Malformed => ("cannot be read".into(), Severity::Warning),
        Meaning::UnknownTag if caa.is_critical => {
            ("an unknown tag marked critical: CAs must refuse".into(), Severity::Error)
        }
        Meaning::UnknownTag => ("a tag that we do not know; CAs pass over it".into(), Severity::Info),
    };
    vec![Mark { span: Span::new(0, text.len()), note, severity }]
}

fn judge(caa: &Caa) -> Option<Finding> {
    let (tag, value) = (&caa.tag, &caa.value);
    Some(match caa.meaning() {
        Meaning::Malformed if tag == "iodef" => Finding::warning(
            "caa.bad-report-address",
            format!("The iodef \"{value}\" is no mailto: or https: address, so no CA can report to it."),
        )
        .with_fix("Write it as mailto:security@….")
        .with_reference("RFC 8659 §4.4"),
        Meaning::Malformed => Finding::warning(
            "caa.malformed",
            format!("The {tag} value \"{value}\" names no authority that can be read; CAs take it as \"nobody\"."),
        )
        .with_fix("Write the authority's domain alone, as it documents it.")
        .with_reference("RFC 8659 §4.2"),
        Meaning::UnknownTag if caa.is_critical => Finding::error(
            "caa.critical-unknown",
            format!("The unknown tag {tag} is marked critical (flag 128): every CA that does not know it must refuse to issue."),
        )
        .with_fix("Correct the tag, or set the flag to 0.")
        .with_reference("RFC 8659 §4.1, §4.5"),
        Meaning::UnknownTag => Finding::info("caa.unknown-tag", format!("The tag {tag} is not one that we know; CAs pass over it."))
            .with_reference("RFC 8659 §4.1"),
        Meaning::Issuer(_) | Meaning::Nobody | Meaning::Report | Meaning::Contact => return None,
    })
}

/// For somebody who never did.
fn how_to() -> Vec<String> {
    vec![
        "CAA lists the authorities that may issue certificates for this name and all below it that have no CAA of their \
         own: the mail hosts, mta-sts, the web. One record an authority: flag 0, tag issue, the authority's domain."
            .into(),
        "issuewild is for wildcard certificates, issuemail for S/MIME, iodef says where to report refusals. The value \";\" \
         allows nobody."
            .into(),
    ]
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::{Settled, World};

    fn look(world: &str, name: &str) -> Settled {
        let domain = Domain::new(Name::from_text(name).unwrap());
        World::parse(&format!("monsec.example A 192.0.2.1\na.monsec.example A 192.0.2.1\n{world}")).unwrap().settle(
            &CaaCheck,
            &domain,
            OffsetDateTime::UNIX_EPOCH,
        )
    }

    fn ids(settled: &Settled) -> Vec<&'static str> {
        settled.section.findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn records_are_read_by_tag_and_found_by_climbing_in_one_round() {
        let world = "monsec.example CAA 0 issue \"ca.example; validationmethods=dns-01\"\nmonsec.example CAA 0 issuewild \";\"\n\
                     monsec.example CAA 0 issueMail \"mail-ca.example\"\nmonsec.example CAA 0 iodef \"mailto:security@monsec.example\"";
        let settled = look(world, "a.monsec.example");
        assert_eq!((settled.section.state, settled.depth, ids(&settled)), (State::Ok, 1, vec!["caa.inherited"]));
        assert_eq!(settled.section.facts["issue"], json!(["ca.example"]));
        assert_eq!(settled.section.facts["issuewild"], json!([]));
        assert_eq!(settled.section.facts["issuemail"], json!(["mail-ca.example"]));
        assert_eq!(settled.section.facts["name"], "monsec.example");
        assert_eq!(settled.section.headline, "1 CA");
    }

    #[test]
    fn what_a_ca_cannot_read_is_told() {
        for (record, id, state) in [
            ("0 issue \"ca example\"", "caa.malformed", State::Warning),
            ("0 issue \";\"", "caa.nobody", State::Info),
            ("128 isue \"ca.example\"", "caa.critical-unknown", State::Error),
            ("0 isue \"ca.example\"", "caa.unknown-tag", State::Info),
            ("0 iodef \"security@monsec.example\"", "caa.bad-report-address", State::Warning),
        ] {
            let settled = look(&format!("monsec.example CAA {record}"), "monsec.example");
            assert_eq!(
                (settled.section.state, ids(&settled).contains(&id)),
                (state, true),
                "{record}: {:?}",
                ids(&settled)
            );
        }
    }

    #[test]
    fn none_anywhere_is_absent_with_a_blank_for_the_authority() {
        let settled = look("", "monsec.example");
        assert_eq!((settled.section.state, ids(&settled)), (State::Absent, vec!["caa.none"]));
        assert_eq!(settled.section.suggestions[0].blanks[0].key, "ca");
    }

    #[test]
    fn a_failed_lookup_ends_the_climb_as_unknown() {
        for fault in ["servfail", "refused", "timeout", "malformed", "failed"] {
            let settled = look(
                &format!("a.monsec.example CAA !{fault}\nmonsec.example CAA 0 issue \"ca.example\""),
                "a.monsec.example",
            );
            assert_eq!((settled.section.state, ids(&settled)), (State::Unknown, vec!["caa.could-not-look"]), "{fault}");
        }
    }
}

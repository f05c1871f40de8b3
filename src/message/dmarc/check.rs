//! The section on DMARC.

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait, all};
use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::address::Author;
use crate::message::dkim;
use crate::message::dmarc::{DmarcResult, Outcome, evaluate, walks};
use crate::message::spf;
use crate::name::Name;
use crate::records::dmarc::{Discovery, Policy, discover};
use crate::report::{Block, Cell, Fact, Link, RecordBlock, Row, Section, State, Table};

/// The check.
pub struct Dmarc;

impl Check<Message> for Dmarc {
    fn id(&self) -> &'static str {
        "dmarc"
    }

    fn title(&self) -> &'static str {
        "DMARC"
    }

    fn about(&self) -> &'static str {
        "whether something that passes belongs to the From domain, and what its owner asks for when nothing does"
    }

    fn step(&self, message: &Message, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let mut section = Section::new(self.id(), self.title());
        let others = match message.author() {
            Author::Several(names) => all(names, |name| discover(name, seen)),
            Author::Domain(_) | Author::Nobody(_) => Ok(Vec::new()),
        };
        let outcome = evaluate(message, seen);
        let (outcome, others) = (outcome?, others?);
        let walks = walks(message, &outcome, seen)?;
        facts(message, &outcome, &mut section);
        section.fact("walks", walks);
        section.headline = outcome.result.word().into();
        section.blocks.push(Block::Facts(summary(message, &outcome)));
        section.blocks.push(Block::Table(table(message, &outcome)));
        if let Some(found) = &outcome.discovery {
            section.blocks.extend(record(found));
            section.blocks.push(Block::Table(walk_table(found)));
        }
        if !others.is_empty() {
            section.blocks.push(Block::Table(several(&others)));
        }
        findings(message, &outcome, &mut section);
        let mut section = section.settle();
        match outcome.result {
            DmarcResult::TempError => section.state = State::Unknown,
            DmarcResult::None if section.worst() < Severity::Warning && outcome.discovery.is_some() => {
                section.state = State::Absent;
            }
            DmarcResult::Pass | DmarcResult::Fail | DmarcResult::None | DmarcResult::PermError => {}
        }
        Ok(section)
    }
}

fn facts(message: &Message, outcome: &Outcome<'_>, section: &mut Section) {
    let found = outcome.discovery.as_ref();
    let word = |policy: Option<Policy>| policy.map(Policy::as_str);
    section.fact("result", outcome.result.word());
    section.fact("reason", &outcome.reason);
    section.fact("author_domain", message.author().domains().first().filter(|_| found.is_some()));
    section.fact("author_domains", message.author().domains());
    section.fact("organizational_domain", found.and_then(Discovery::organizational_domain));
    section.fact("policy_domain", found.and_then(|found| found.policy_domain.as_ref()));
    section.fact("record", found.and_then(|found| found.record.as_ref()).map(|record| &record.text));
    section.fact("policy", word(found.and_then(|found| found.policy)));
    section.fact("effective_policy", word(found.and_then(|found| found.effective_policy)));
    section.fact("testing", found.is_some_and(|found| found.testing));
    section.fact("disposition", outcome.disposition().as_str());
    section.fact("spf_aligned", outcome.spf_aligned());
    // Whether SPF's domain is the author's, passed or not.
    section.fact("spf_domain_aligned", outcome.spf.as_ref().and_then(|spf| spf.aligned));
    section.fact("dkim_aligned", outcome.dkim_aligned());
    section.fact(
        "rfc7489",
        outcome.legacy.as_ref().map(|(old, result)| {
            json!({
                "result": result.word(),
                "organizational_domain": old.organizational_domain,
                "policy": word(old.policy),
                "pct": old.pct,
            })
        }),
    );
}

/// How bad a result is for a reader.
fn severity(result: DmarcResult) -> Severity {
    match result {
        DmarcResult::Pass => Severity::Ok,
        DmarcResult::None => Severity::Info,
        DmarcResult::TempError | DmarcResult::PermError => Severity::Warning,
        DmarcResult::Fail => Severity::Error,
    }
}

fn summary(message: &Message, outcome: &Outcome<'_>) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new("result", Cell::from(outcome.result.word()).judged(severity(outcome.result))),
        Fact::new("because", outcome.reason.clone()),
    ];
    for name in message.author().domains() {
        facts.push(Fact::new("author", Cell::from(name.as_str()).linked(Link::Domain(name.clone()))));
    }
    let Some(found) = &outcome.discovery else { return facts };
    let org = found.organizational_domain().map_or("not known".to_owned(), ToString::to_string);
    facts.push(Fact::new("organization", org));
    if let (Some(domain), Some(policy)) = (&found.policy_domain, found.policy) {
        let tag = found.tag();
        let testing = if found.testing { "; t=y asks for one step less" } else { "" };
        facts.push(Fact::new("policy", format!("{tag}={} at _dmarc.{domain}{testing}", policy.as_str())));
    }
    facts.push(Fact::new("asked for", outcome.disposition().as_str()));
    facts
}

/// Every identifier with its result and how it stands to the author.
fn table(message: &Message, outcome: &Outcome<'_>) -> Table {
    let columns = ["identifier", "domain", "result", "aligned"].map(str::to_owned).to_vec();
    let yes = |aligned: Option<bool>, counts: bool| match (aligned, counts) {
        (Some(true), true) => Cell::from("yes"),
        (Some(true), false) => Cell::from("would be"),
        (Some(false), _) => Cell::from("no"),
        (None, _) => Cell::from("not known"),
    };
    let cell = |name: Option<&Name>| match name {
        Some(name) => Cell::from(name.as_str()).linked(Link::Domain(name.clone())),
        None => Cell::from("-"),
    };
    let mut rows = Vec::new();
    for name in message.author().domains() {
        rows.push(Row {
            cells: vec!["From".into(), cell(Some(name)), "-".into(), Cell::from("(the name)").dimmed()],
            section: None,
        });
    }
    for (one, aligned) in &outcome.signatures {
        rows.push(Row {
            cells: vec![
                format!("DKIM #{} s={}", one.number, one.signature.selector).into(),
                cell(one.signature.domain.as_ref()),
                Cell::from(one.verdict.word()).judged(dkim::severity(one.verdict)),
                yes(*aligned, one.verdict == dkim::Verdict::Pass),
            ],
            section: Some("dkim"),
        });
    }
    if let Some(sender) = &outcome.spf {
        rows.push(Row {
            cells: vec![
                "SPF MAIL FROM".into(),
                cell(sender.domain.as_ref()),
                Cell::from(sender.result.word()).judged(spf::severity(sender.result)),
                yes(sender.aligned, sender.result == crate::records::spf::SpfResult::Pass),
            ],
            section: Some("spf"),
        });
    }
    Table { columns, rows }
}

fn record(found: &Discovery) -> Option<Block> {
    let (step, record) = (found.policy_step()?, found.record.as_ref()?);
    Some(Block::Record(RecordBlock {
        name: format!("_dmarc.{}", step.name),
        host: "_dmarc".into(),
        rr_type: "TXT".into(),
        priority: None,
        ttl: step.ttl,
        text: record.text.clone(),
        marks: record.marks.clone(),
        lookup: step.lookup,
    }))
}

fn walk_table(found: &Discovery) -> Table {
    let columns = ["walk", "found", "lookup"].map(str::to_owned).to_vec();
    let rows = found.walk.iter().map(|step| Row {
        cells: vec![
            format!("_dmarc.{}", step.name).into(),
            match &step.record {
                Some(record) => record.text.clone().into(),
                None if step.count > 1 => format!("{} records: all discarded", step.count).into(),
                None => Cell::from(step.outcome.word()).dimmed(),
            },
            step.lookup.map_or(String::new(), |id| format!("#{}", id.0)).into(),
        ],
        section: None,
    });
    Table { columns, rows: rows.collect() }
}

fn several(found: &[Discovery]) -> Table {
    let columns = ["author", "policy", "at"].map(str::to_owned).to_vec();
    let rows = found.iter().map(|found| Row {
        cells: vec![
            Cell::from(found.author.as_str()).linked(Link::Domain(found.author.clone())),
            found.effective_policy.map_or("none published", Policy::as_str).into(),
            found.policy_domain.as_ref().map_or(String::new(), |at| format!("_dmarc.{at}")).into(),
        ],
        section: None,
    });
    Table { columns, rows: rows.collect() }
}

fn findings(message: &Message, outcome: &Outcome<'_>, section: &mut Section) {
    let mut say = |finding: Finding| section.findings.push(finding);
    let steps = outcome.discovery.iter().flat_map(|found| found.walk.iter().filter_map(|step| step.lookup));
    let evidence: Vec<_> = steps.collect();
    match (outcome.result, message.author()) {
        (DmarcResult::Fail, _) => {
            let asked = outcome.disposition();
            let doing = match asked {
                Policy::None => {
                    "Its owner asks for nothing to be done with such mail (p=none): it is delivered, and reported."
                }
                Policy::Quarantine => "Its owner asks for such mail to be put aside as suspicious (quarantine).",
                Policy::Reject => {
                    "Its owner asks for such mail to be refused (reject); receivers should not refuse for that alone and may do otherwise (§5.4)."
                }
            };
            say(Finding::error("dmarc.fail", format!("DMARC fails: {}. {doing}", outcome.reason))
                .with_reference("RFC 9989 §5.3")
                .with_evidence(evidence));
        }
        (DmarcResult::TempError, _) => {
            let fix = if message.body().is_none() {
                "Paste the whole source, headers and body (? says how to get it)."
            } else {
                crate::finding::ASK_AGAIN
            };
            say(Finding::warning("dmarc.temperror", format!("DMARC is open: {}.", outcome.reason))
                .with_fix(fix)
                .with_reference("RFC 9989 §5.3.5")
                .with_evidence(evidence))
        }
        (DmarcResult::None, Author::Nobody(why)) => say(Finding::error(
            "dmarc.no-author",
            format!("DMARC cannot be evaluated: {why}. Receivers differ in what they do then, which forgers use."),
        )
        .with_reference("RFC 9989 §5.3.1")),
        (DmarcResult::None, Author::Several(_)) => say(Finding::error(
            "dmarc.several-authors",
            format!(
                "{}. Each domain's policy is shown; receivers differ in what they do then, which forgers use.",
                outcome.reason
            ),
        )
        .with_reference("RFC 9989 §5.3.1")),
        (DmarcResult::None, Author::Domain(_)) => say(Finding::info(
            "dmarc.none",
            format!("{}: its owner says nothing about mail that is not proven.", outcome.reason),
        )
        .with_reference("RFC 9989 §5.3")
        .with_evidence(evidence)),
        (DmarcResult::Pass | DmarcResult::PermError, _) => {}
    }
    let Some((old, result)) = &outcome.legacy else { return };
    let policy = outcome.discovery.as_ref().and_then(|found| found.effective_policy);
    let is_decided = outcome.result != DmarcResult::TempError && *result != DmarcResult::TempError;
    if is_decided && *result != outcome.result {
        say(Finding::warning(
            "dmarc.readings-differ",
            format!("Receivers read this in two ways: by RFC 9989 DMARC is {}, by the older RFC 7489 (public suffix list, organization {}) it is {}.", outcome.result.word(), old.organizational_domain, result.word()),
        )
        .with_reference("RFC 9989 §4.10"));
    } else if outcome.result == DmarcResult::Fail && is_decided && old.policy != policy {
        let word = |policy: Option<Policy>| policy.map_or("none published", Policy::as_str);
        say(Finding::info(
            "dmarc.policies-differ",
            format!("By RFC 9989 the policy is {}, by the older RFC 7489 it is {}.", word(policy), word(old.policy)),
        )
        .with_reference("RFC 9989 §4.10"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::World;
    use crate::job::Envelope;

    const RFC8463: &str = include_str!("../../../tests/fixtures/messages/rfc8463-a3.eml");
    const KEY: &str = "brisbane._domainkey.football.example.com TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";

    fn section(world: &str, raw: &str, envelope: Envelope) -> Section {
        let message = Message::parse(Arc::from(raw.as_bytes()), envelope).unwrap();
        World::parse(world).unwrap().settle(&Dmarc, &message, OffsetDateTime::UNIX_EPOCH).section
    }

    fn word(section: &Section, key: &str) -> String {
        section.facts.get(key).and_then(|value| value.as_str()).unwrap_or("null").to_owned()
    }

    fn short(world: &str, raw: &str) -> [String; 3] {
        let section = section(world, raw, Envelope::default());
        [word(&section, "result"), word(&section, "effective_policy"), word(&section, "disposition")]
    }

    fn mail(header: &str) -> String {
        format!("{header}Subject: x\r\n\r\nx\r\n")
    }

    #[test]
    fn an_aligned_signature_passes_and_says_which() {
        let world = format!("{KEY}_dmarc.example.com TXT \"v=DMARC1; p=reject\"");
        let section = section(&world, RFC8463, Envelope::default());
        assert_eq!(word(&section, "result"), "pass");
        assert_eq!(word(&section, "disposition"), "none");
        assert!(word(&section, "reason").contains("football.example.com"));
        assert_eq!(section.state, State::Ok);
    }

    #[test]
    fn strict_alignment_wants_the_very_name() {
        let raw = RFC8463.replace("From: Joe SixPack <joe@football", "From: Joe SixPack <joe@www.football");
        let world = format!("{KEY}_dmarc.example.com TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"");
        let spf = Envelope {
            client_ip: Some("192.0.2.1".parse().unwrap()),
            mail_from: Some("x@football.example.com".into()),
            ..Envelope::default()
        };
        let strict = section(&format!("{world}\nfootball.example.com TXT \"v=spf1 +all\""), &raw, spf.clone());
        assert_eq!(word(&strict, "result"), "fail");
        let relaxed =
            section(&format!("{}\nfootball.example.com TXT \"v=spf1 +all\"", world.replace("=s", "=r")), &raw, spf);
        assert_eq!((word(&relaxed, "result"), relaxed.facts["spf_aligned"].clone()), ("pass".into(), json!(true)));
    }

    #[test]
    fn no_policy_is_none_and_a_policy_that_fails_is_asked_for() {
        let raw = mail("From: a@shop.example.com\r\n");
        assert_eq!(short("example.com EMPTY", &raw), ["none", "null", "none"]);
        assert_eq!(
            short("shop.example.com EMPTY\n_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=quarantine\"", &raw),
            ["fail", "quarantine", "quarantine"]
        );
        assert_eq!(short("_dmarc.example.com TXT \"v=DMARC1; p=none; np=reject\"", &raw), ["fail", "reject", "reject"]);
        assert_eq!(
            short("_dmarc.shop.example.com TXT \"v=DMARC1; p=reject; t=y\"", &raw),
            ["fail", "quarantine", "quarantine"]
        );
    }

    #[test]
    fn what_could_not_be_looked_at_keeps_the_verdict_open() {
        let raw = mail("From: a@example.com\r\n");
        assert_eq!(short("_dmarc.example.com TXT !servfail", &raw)[0], "temperror");
        let world =
            "brisbane._domainkey.football.example.com TXT !timeout\n_dmarc.example.com TXT \"v=DMARC1; p=reject\"";
        assert_eq!(short(world, RFC8463), ["temperror", "reject", "none"]);
    }

    #[test]
    fn a_key_that_cannot_be_looked_at_of_a_stranger_decides_nothing() {
        let raw = RFC8463.replace("joe@football.example.com>", "joe@bank.example>");
        let world =
            "brisbane._domainkey.football.example.com TXT !timeout\n_dmarc.bank.example TXT \"v=DMARC1; p=reject\"";
        assert_eq!(short(world, &raw), ["fail", "reject", "reject"]);
    }

    #[test]
    fn from_without_one_domain_is_none_and_loud() {
        let world = "_dmarc.a.example TXT \"v=DMARC1; p=reject\"";
        for (from, id) in [
            ("From: x@a.example\r\nFrom: y@b.example\r\n", "dmarc.no-author"),
            ("From: g: x@a.example;\r\n", "dmarc.no-author"),
            ("From:\r\n", "dmarc.no-author"),
            ("From: x@a.example, y@b.example\r\n", "dmarc.several-authors"),
        ] {
            let section = section(world, &mail(from), Envelope::default());
            assert_eq!(
                (word(&section, "result").as_str(), section.state, section.findings[0].id),
                ("none", State::Error, id),
                "{from}"
            );
        }
        assert_eq!(short(world, &mail("From: x@A.Example, y@a.example\r\n"))[0], "fail");
    }

    #[test]
    fn helo_alone_never_aligns_and_the_null_sender_makes_it_count() {
        let world = "_dmarc.example.com TXT \"v=DMARC1; p=reject\"\nout.example.com TXT \"v=spf1 +all\"\nother.example TXT \"v=spf1 -all\"";
        let raw = mail("From: a@example.com\r\n");
        let envelope = |sender: &str| Envelope {
            client_ip: Some("192.0.2.1".parse().unwrap()),
            helo: Some("out.example.com".into()),
            mail_from: Some(sender.into()),
            hop: None,
            heard: None,
        };
        assert_eq!(word(&section(world, &raw, envelope("x@other.example")), "result"), "fail");
        assert_eq!(word(&section(world, &raw, envelope("")), "result"), "pass");
    }

    #[test]
    fn the_older_reading_is_told_where_it_differs() {
        let world = format!("{KEY}_dmarc.www.football.example.com TXT \"v=DMARC1; p=reject; psd=n\"");
        let raw = RFC8463.replace("From: Joe SixPack <joe@football", "From: Joe SixPack <joe@www.football");
        let envelope = Envelope {
            client_ip: Some("192.0.2.1".parse().unwrap()),
            mail_from: Some("x@football.example.com".into()),
            ..Envelope::default()
        };
        let section = section(&format!("{world}\nfootball.example.com TXT \"v=spf1 +all\""), &raw, envelope);
        assert_eq!(
            (word(&section, "result"), section.facts["rfc7489"]["result"].clone()),
            ("fail".into(), json!("pass"))
        );
        assert!(section.findings.iter().any(|finding| finding.id == "dmarc.readings-differ"));
    }

    #[test]
    fn keys_policies_walks_and_the_senders_record_are_one_round() {
        let world =
            format!("{KEY}_dmarc.example.com TXT \"v=DMARC1; p=reject\"\nfootball.example.com TXT \"v=spf1 -all\"");
        let spf = Envelope {
            client_ip: Some("192.0.2.1".parse().unwrap()),
            helo: Some("out.football.example.com".into()),
            mail_from: Some("x@football.example.com".into()),
            hop: None,
            heard: None,
        };
        let message = Message::parse(Arc::from(RFC8463.as_bytes()), spf).unwrap();
        let settled = World::parse(&world).unwrap().settle(&Dmarc, &message, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(settled.depth, 1, "{:?}", settled.asked);
    }
}

//! SPF for a message: check_host() for MAIL FROM and for HELO, both, always, and shown apart (RFC 7208 §2.3, §2.4). The
//! evaluator is [`crate::records::spf`]'s; here stands which address, HELO and sender it is asked with, and who said so.

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::envelope::{Source, Told};
use crate::name::Name;
use crate::records::spf::{CheckHostArgs, Evaluation, SpfResult, StepOutcome, TraceStep, evaluate};
use crate::report::{Block, Cell, Fact, Link, Section, State, TreeNode};

/// The check.
pub struct Spf;

/// What SPF says of a message.
#[derive(Clone, Debug)]
pub struct Both {
    /// For MAIL FROM; with the null sender for `postmaster` at HELO. `None` when the sender is not known.
    pub mail_from: Option<Evaluation>,
    /// For HELO; `None` when HELO is not known.
    pub helo: Option<Evaluation>,
    /// Whether the sender is the null sender, which makes HELO's domain the one that counts.
    pub is_null_sender: bool,
}

impl Both {
    /// The result that DMARC uses, with its domain as a name: MAIL FROM's, never HELO's alone (RFC 9989 §4.4.2).
    pub fn for_dmarc(&self) -> Option<(SpfResult, Option<Name>)> {
        self.mail_from.as_ref().map(|found| (found.result, Name::from_unicode(&found.domain).ok()))
    }
}

/// Evaluates both identities at the border's address; `None` when no address is known.
pub fn evaluate_both(message: &Message, seen: &Seen<'_>) -> Result<Option<Both>, Wait> {
    let known = message.known();
    let Some(ip) = known.client_ip.as_ref().map(|told| told.value) else { return Ok(None) };
    let helo = known.helo.as_ref().map(|told| told.value.as_str());
    let sender = known.mail_from.as_ref().map(|told| told.value.as_str());
    let is_null_sender = sender.is_some_and(str::is_empty);
    let at_helo = helo.map(|helo| evaluate(&CheckHostArgs::helo(ip, helo), seen));
    // With the null sender the identity is postmaster at HELO, so without HELO there is nothing to ask about.
    let at_sender = sender
        .filter(|sender| !sender.is_empty() || helo.is_some())
        .map(|sender| evaluate(&CheckHostArgs::mail_from(ip, helo.unwrap_or_default(), Some(sender)), seen));
    let (helo, mail_from) = (at_helo.transpose(), at_sender.transpose());
    Ok(Some(Both { helo: helo?, mail_from: mail_from?, is_null_sender }))
}

impl Check<Message> for Spf {
    fn id(&self) -> &'static str {
        "spf"
    }

    fn title(&self) -> &'static str {
        "SPF"
    }

    fn about(&self) -> &'static str {
        "SPF for MAIL FROM and HELO at the border's address, with the trace and the budget of lookups"
    }

    fn step(&self, message: &Message, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let mut section = Section::new(self.id(), self.title());
        let both = evaluate_both(message, seen)?;
        let known = message.known();
        section.fact("client_ip", known.client_ip.as_ref().map(|told| told.value));
        section.fact(
            "source",
            json!({
                "client_ip": source(known.client_ip.as_ref()),
                "helo": source(known.helo.as_ref()),
                "mail_from": source(known.mail_from.as_ref()),
            }),
        );
        section.blocks.push(Block::Facts(envelope(message)));
        let Some(both) = both else {
            section.fact("result", serde_json::Value::Null);
            section.state = State::Unknown;
            section.headline = "no address".into();
            section.findings.push(
                Finding::info(
                    "spf.no-client-address",
                    "SPF cannot be asked: no header says from which address the message came, and you did not either.",
                )
                .with_fix("Give the address of the server that handed it over (e, or --client-ip), or move the border (b, --hop)."),
            );
            return Ok(section.settle());
        };
        facts(&both, &mut section);
        for (found, identity) in [(&both.mail_from, "MAIL FROM"), (&both.helo, "HELO")] {
            let Some(found) = found else { continue };
            section.blocks.push(Block::Facts(vec![
                Fact::new(identity, domain_cell(&found.domain)),
                Fact::new("  result", Cell::from(found.result.word()).judged(severity(found.result))),
                Fact::new("  because", found.reason.to_string()),
                Fact::new("  lookups", format!("{} of 10, {} of 2 found nothing", found.lookups, found.void_lookups)),
            ]));
            section.blocks.push(Block::Tree(trace(&found.trace)));
        }
        said(message, &both, &mut section);
        let main = both.mail_from.as_ref().or(both.helo.as_ref());
        section.headline = main.map_or("no identity", |found| found.result.word()).into();
        let mut section = section.settle();
        if main.is_some_and(|found| found.result == SpfResult::TempError) {
            section.state = State::Unknown;
        }
        Ok(section)
    }
}

fn source<T>(told: Option<&Told<T>>) -> Option<&'static str> {
    told.map(|told| match told.source {
        Source::Person => "person",
        Source::Listener => "listener",
        Source::Received(_) => "received",
        Source::ReceivedSpf => "received-spf",
        Source::AuthenticationResults => "authentication-results",
        Source::ReturnPath => "return-path",
    })
}

fn facts(both: &Both, section: &mut Section) {
    let (main, identity) = match (&both.mail_from, &both.helo) {
        (Some(found), _) => (Some(found), "mailfrom"),
        (None, found) => (found.as_ref(), "helo"),
    };
    section.fact("result", main.map(|found| found.result.word()));
    section.fact("identity", main.map(|_| identity));
    section.fact("domain", main.map(|found| &found.domain));
    section.fact("reason", main.map(|found| found.reason.to_string()));
    section.fact("explanation", main.and_then(|found| found.explanation.as_ref()));
    section.fact("lookups", main.map(|found| found.lookups));
    section.fact("void_lookups", main.map(|found| found.void_lookups));
    section.fact("trace", main.map(|found| &found.trace));
    section
        .fact("helo", both.helo.as_ref().map(|found| json!({"result": found.result.word(), "domain": found.domain})));
    section.fact("null_sender", both.is_null_sender);
}

fn envelope(message: &Message) -> Vec<Fact> {
    let known = message.known();
    let unknown = || Cell::from("not known").dimmed();
    let told = |text: String, source: &Source| Cell::from(format!("{text}   ({source})"));
    let mut facts = vec![
        Fact::new("client", known.client_ip.as_ref().map_or_else(unknown, |t| told(t.value.to_string(), &t.source))),
        Fact::new("HELO", known.helo.as_ref().map_or_else(unknown, |t| told(t.value.clone(), &t.source))),
        Fact::new(
            "MAIL FROM",
            known.mail_from.as_ref().map_or_else(unknown, |t| {
                let text = if t.value.is_empty() { "<> (null sender)".to_owned() } else { t.value.clone() };
                told(text, &t.source)
            }),
        ),
    ];
    if message.envelope().heard.is_some() && message.border().is_none() {
        facts.push(Fact::new("border", "mxray's listener, which took the message"));
    }
    if let Some(border) = message.border() {
        facts.push(Fact::new("border", format!("hop {}: {}", border.hop, border.why)));
    }
    facts
}

fn domain_cell(domain: &str) -> Cell {
    match Name::from_unicode(domain) {
        Ok(name) if !name.is_root() => Cell::from(domain).linked(Link::Domain(name)),
        _ => Cell::from(domain),
    }
}

/// How bad a result is for a reader.
pub(super) fn severity(result: SpfResult) -> Severity {
    match result {
        SpfResult::Pass => Severity::Ok,
        SpfResult::None | SpfResult::Neutral => Severity::Info,
        SpfResult::SoftFail | SpfResult::TempError | SpfResult::PermError => Severity::Warning,
        SpfResult::Fail => Severity::Error,
    }
}

/// The trace as a tree: an include's steps stand below it.
fn trace(steps: &[TraceStep]) -> Vec<TreeNode> {
    let mut rest = steps.iter().peekable();
    level(&mut rest, 0)
}

fn level(rest: &mut std::iter::Peekable<std::slice::Iter<'_, TraceStep>>, depth: u32) -> Vec<TreeNode> {
    let mut nodes: Vec<TreeNode> = Vec::new();
    while let Some(step) = rest.peek() {
        if step.depth < depth {
            break;
        }
        if step.depth > depth {
            let below = level(rest, depth + 1);
            match nodes.last_mut() {
                Some(parent) => parent.children.extend(below),
                None => nodes.extend(below),
            }
            continue;
        }
        let text = if step.detail.is_empty() { step.term.clone() } else { format!("{}   {}", step.term, step.detail) };
        let severity = if step.outcome == StepOutcome::Error { Severity::Error } else { Severity::Ok };
        nodes.push(TreeNode {
            text: Cell::from(text).judged(severity),
            right: format!("{}  {}/10", step.outcome.word(), step.lookups),
            children: Vec::new(),
        });
        rest.next();
    }
    nodes
}

fn said(message: &Message, both: &Both, section: &mut Section) {
    let ip = message.known().client_ip.as_ref().map(|told| told.value.to_string()).unwrap_or_default();
    for (found, identity) in [(&both.mail_from, "MAIL FROM"), (&both.helo, "HELO")] {
        let Some(found) = found else { continue };
        // HELO alone decides nothing for DMARC; its failures are worth a note, not an alarm.
        let is_main = identity == "MAIL FROM";
        let evidence: Vec<_> = found.trace.iter().flat_map(|step| step.evidence.iter().copied()).collect();
        let domain = &found.domain;
        let (id, worst, text) = match found.result {
            SpfResult::Pass | SpfResult::Neutral => continue,
            SpfResult::None if !is_main => continue,
            SpfResult::None => {
                ("spf.none", Severity::Info, format!("{identity} {domain} has no SPF policy to ask: {}.", found.reason))
            }
            SpfResult::Fail => (
                "spf.fail",
                Severity::Error,
                format!("The owner of {domain} ({identity}) says that {ip} may not send for it: {}.", found.reason),
            ),
            SpfResult::SoftFail => (
                "spf.softfail",
                Severity::Warning,
                format!(
                    "The owner of {domain} ({identity}) says that {ip} probably may not send for it: {}.",
                    found.reason
                ),
            ),
            SpfResult::TempError => (
                "spf.temperror",
                Severity::Warning,
                format!(
                    "SPF of {domain} ({identity}) could not be evaluated to its end: {}. Whether {ip} may send is not known.",
                    found.reason
                ),
            ),
            SpfResult::PermError => (
                "spf.permerror",
                Severity::Warning,
                format!("The SPF policy of {domain} ({identity}) cannot be evaluated: {}.", found.reason),
            ),
        };
        let severity = if is_main { worst } else { worst.min(Severity::Info) };
        section.findings.push(Finding::new(id, severity, text).with_reference("RFC 7208 §2.6").with_evidence(evidence));
    }
    if both.mail_from.is_none() {
        section.findings.push(
            Finding::info("spf.no-sender", "MAIL FROM is not known: no Return-Path stands in the header, and nothing else names it. DMARC cannot use SPF without it.")
                .with_fix("Give the envelope's sender (e, or --mail-from)."),
        );
    }
    if both.is_null_sender {
        section.findings.push(
            Finding::info("spf.null-sender", "The sender is the null sender <>, as bounces have it: SPF is asked about postmaster at HELO, and HELO's domain is the one that DMARC compares.")
                .with_reference("RFC 7208 §2.4"),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::World;
    use crate::job::Envelope;

    const WORLD: &str = r#"
        s.example TXT "v=spf1 include:inc.example -all"
        inc.example TXT "v=spf1 ip4:192.0.2.0/24 -all"
        out.s.example TXT "v=spf1 a -all"
        out.s.example A 192.0.2.1
        bad.example TXT !servfail
    "#;
    const HEADER: &str = "Return-Path: <bounce@s.example>\r\n\
        Received: from out.s.example (out.s.example [192.0.2.1]) by mx.b.example with ESMTPS; Tue, 24 Nov 2026 09:58:12 +0000\r\n\
        From: a@s.example\r\n\r\nx\r\n";

    fn section(envelope: Envelope) -> Section {
        let message = Message::parse(Arc::from(HEADER.as_bytes()), envelope).unwrap();
        World::parse(WORLD).unwrap().settle(&Spf, &message, OffsetDateTime::UNIX_EPOCH).section
    }

    fn fact<'a>(section: &'a Section, key: &str) -> &'a serde_json::Value {
        section.facts.get(key).unwrap()
    }

    #[test]
    fn both_identities_are_evaluated_and_shown_apart() {
        let section = section(Envelope::default());
        assert_eq!((fact(&section, "result"), fact(&section, "identity")), (&json!("pass"), &json!("mailfrom")));
        assert_eq!(fact(&section, "helo"), &json!({"result": "pass", "domain": "out.s.example"}));
        let source = json!({"client_ip": "received", "helo": "received", "mail_from": "return-path"});
        assert_eq!(fact(&section, "source"), &source);
        assert_eq!(fact(&section, "lookups"), &json!(1));
        assert_eq!(section.state, State::Ok);
    }

    #[test]
    fn the_trace_is_a_tree_with_includes_below_their_term() {
        let section = section(Envelope::default());
        let Some(Block::Tree(nodes)) = section.blocks.iter().find(|block| matches!(block, Block::Tree(_))) else {
            panic!("no trace")
        };
        let deepest = nodes.iter().flat_map(|node| &node.children).count();
        assert!(deepest > 0, "{nodes:?}");
    }

    #[test]
    fn what_the_person_says_is_what_is_asked() {
        let said = Envelope { client_ip: Some("203.0.113.1".parse().unwrap()), ..Envelope::default() };
        let section = section(said);
        assert_eq!(fact(&section, "result"), &json!("fail"));
        assert_eq!(fact(&section, "source")["client_ip"], json!("person"));
        assert_eq!(section.findings[0].id, "spf.fail");
    }

    #[test]
    fn the_null_sender_is_postmaster_at_helo() {
        let section = section(Envelope { mail_from: Some(String::new()), ..Envelope::default() });
        assert_eq!((fact(&section, "result"), fact(&section, "domain")), (&json!("pass"), &json!("out.s.example")));
        assert!(section.findings.iter().any(|finding| finding.id == "spf.null-sender"));
    }

    #[test]
    fn a_lookup_that_fails_is_unknown_and_never_none() {
        let section = section(Envelope { mail_from: Some("x@bad.example".into()), ..Envelope::default() });
        assert_eq!((section.state, fact(&section, "result")), (State::Unknown, &json!("temperror")));
    }

    #[test]
    fn without_an_address_nothing_is_asked() {
        let message = Message::parse(Arc::from(&b"From: a@s.example\r\n\r\nx"[..]), Envelope::default()).unwrap();
        let settled = World::parse(WORLD).unwrap().settle(&Spf, &message, OffsetDateTime::UNIX_EPOCH);
        assert_eq!((settled.section.state, settled.asked.len()), (State::Unknown, 0));
        assert_eq!(settled.section.findings[0].id, "spf.no-client-address");
    }
}

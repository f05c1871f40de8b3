//! `mxray spf`: check_host() for one client as a job of its own, with one section.

use std::net::IpAddr;

use crate::check::{Check, Memo, Seen, Subject, Wait};
use crate::finding::{Finding, Severity};
use crate::records::spf::check::Spf;
use crate::records::spf::evaluate::{MAX_LOOKUPS, MAX_VOIDS, evaluate};
use crate::records::spf::evaluation::{CheckHostArgs, Evaluation, SpfResult, StepOutcome, TraceStep};
use crate::report::{Block, Cell, Fact, Section, State, TreeNode, VerdictLine};

const ID: &str = "spf";

/// One client to be judged by one domain's policy.
#[derive(Clone, Debug)]
pub struct CheckHost {
    /// The domain whose policy is asked, as typed; it may be no name that DNS can carry.
    pub domain: String,
    /// The client's address.
    pub ip: IpAddr,
    /// MAIL FROM; absent or empty: `postmaster` at the domain.
    pub mail_from: Option<String>,
    /// HELO; absent: the domain.
    pub helo: Option<String>,
}

impl CheckHost {
    /// The arguments of check_host(): the domain is the one that was asked about, whatever stands in MAIL FROM.
    pub fn args(&self) -> CheckHostArgs {
        let helo = self.helo.as_deref().unwrap_or(&self.domain);
        let mail_from = self.mail_from.as_deref().map(str::trim).filter(|address| !matches!(*address, "" | "<>"));
        let args = CheckHostArgs::mail_from(self.ip, helo, mail_from);
        let sender = if mail_from.is_some() { args.sender } else { format!("postmaster@{}", self.domain) };
        CheckHostArgs { domain: self.domain.clone(), sender, ..args }
    }
}

impl Subject for CheckHost {
    const KIND: &'static str = "spf";

    fn target(&self) -> String {
        self.domain.clone()
    }

    fn checks(&self) -> &'static [&'static dyn Check<CheckHost>] {
        &[&Spf]
    }

    fn verdict(&self, sections: &[Section]) -> Vec<VerdictLine> {
        let Some(section) = sections.iter().find(|section| section.id == ID) else { return Vec::new() };
        let line =
            |question, answer: String| VerdictLine { question, answer, severity: section.worst(), section: Some(ID) };
        let text = |key: &str| section.facts.get(key).and_then(|value| value.as_str()).unwrap_or("").to_owned();
        vec![
            line("MAY IT SEND?", format!("{}: {}", section.headline, meaning(&section.headline))),
            line("WHY", text("reason")),
        ]
    }
}

impl Check<CheckHost> for Spf {
    fn id(&self) -> &'static str {
        ID
    }

    fn title(&self) -> &'static str {
        "SPF"
    }

    fn about(&self) -> &'static str {
        "whether a server may send for a domain: check_host() of RFC 7208, step by step"
    }

    fn step(&self, host: &CheckHost, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let args = host.args();
        let evaluation = evaluate(&args, seen)?;
        let mut section = Section::new(ID, "SPF");
        section.headline = evaluation.result.word().to_owned();
        for (key, value) in
            serde_json::to_value(&evaluation).ok().and_then(|v| v.as_object().cloned()).into_iter().flatten()
        {
            section.fact(&key, value);
        }
        section.fact("sender", &args.sender);
        section.fact("helo", &args.helo);
        section.fact("client_ip", args.ip);
        section.findings.push(finding(&evaluation));
        section.blocks = blocks(&args, &evaluation);
        if evaluation.result == SpfResult::TempError {
            section.state = State::Unknown;
        }
        Ok(section.settle())
    }
}

/// What a result means for the mail, in a few words.
fn meaning(word: &str) -> &'static str {
    match word {
        "pass" => "this server may send for the domain",
        "fail" => "this server may not send for the domain",
        "softfail" => "this server probably may not send for the domain",
        "neutral" => "the domain says nothing about this server",
        "none" => "there is no policy to ask",
        "temperror" => "a look-up failed, so the result is not known now",
        _ => "the policy is broken, so receivers cannot use it",
    }
}

fn finding(evaluation: &Evaluation) -> Finding {
    let severity = match evaluation.result {
        SpfResult::Pass => Severity::Ok,
        SpfResult::Neutral | SpfResult::None => Severity::Info,
        SpfResult::SoftFail | SpfResult::TempError => Severity::Warning,
        SpfResult::Fail | SpfResult::PermError => Severity::Error,
    };
    let word = evaluation.result.word();
    let evidence = evaluation.trace.last().map(|step| step.evidence.clone()).unwrap_or_default();
    let finding = Finding::new(
        id(evaluation.result),
        severity,
        format!("{word}: {}. In short: {}.", evaluation.reason, meaning(word)),
    );
    let fix = match evaluation.result {
        SpfResult::PermError => Some("Repair the record that the reason names."),
        SpfResult::TempError => Some(crate::finding::ASK_AGAIN),
        SpfResult::Fail | SpfResult::SoftFail => {
            Some("If this server sends your mail, add it to the record; if not, the record does its work.")
        }
        SpfResult::Pass | SpfResult::Neutral | SpfResult::None => None,
    };
    let finding = finding.with_reference("RFC 7208 §2.6").with_evidence(evidence);
    match fix {
        Some(fix) => finding.with_fix(fix),
        None => finding,
    }
}

fn id(result: SpfResult) -> &'static str {
    match result {
        SpfResult::None => "spf.result-none",
        SpfResult::Neutral => "spf.result-neutral",
        SpfResult::Pass => "spf.result-pass",
        SpfResult::Fail => "spf.result-fail",
        SpfResult::SoftFail => "spf.result-softfail",
        SpfResult::TempError => "spf.result-temperror",
        SpfResult::PermError => "spf.result-permerror",
    }
}

fn blocks(args: &CheckHostArgs, evaluation: &Evaluation) -> Vec<Block> {
    let mut facts = vec![
        Fact::new("result", evaluation.result.word()),
        Fact::new("client", args.ip.to_string()),
        Fact::new("sender", args.sender.clone()),
        Fact::new("HELO", args.helo.clone()),
        Fact::new("look-ups", format!("{} of {MAX_LOOKUPS}", evaluation.lookups)),
        Fact::new("void", format!("{} of {MAX_VOIDS}", evaluation.void_lookups)),
    ];
    if let Some(explanation) = &evaluation.explanation {
        facts.push(Fact::new("the domain says", explanation.clone()));
    }
    vec![Block::Facts(facts), Block::Tree(trace_tree(&evaluation.trace))]
}

/// The trace as a tree: what an `include` did hangs below it. For the message report too.
pub fn trace_tree(trace: &[TraceStep]) -> Vec<TreeNode> {
    let mut rest = trace;
    let mut nodes = Vec::new();
    while let Some(node) = next(&mut rest, 0) {
        nodes.push(node);
    }
    nodes
}

fn next(rest: &mut &[TraceStep], depth: u32) -> Option<TreeNode> {
    let (step, after) = rest.split_first()?;
    if step.depth < depth {
        return None;
    }
    *rest = after;
    let mut node = TreeNode { text: cell(step), right: right(step), children: Vec::new() };
    while rest.first().is_some_and(|following| following.depth > step.depth) {
        node.children.extend(next(rest, step.depth + 1));
    }
    Some(node)
}

fn cell(step: &TraceStep) -> Cell {
    let cell = match step.outcome {
        StepOutcome::Record => Cell::from(format!("{}: {}", step.domain, step.term)),
        StepOutcome::NoRecord => Cell::from(format!("{}: no record", step.domain)),
        StepOutcome::Match | StepOutcome::NoMatch | StepOutcome::Redirected | StepOutcome::Error => {
            Cell::from(step.term.clone())
        }
    };
    match step.outcome {
        StepOutcome::Error => cell.judged(Severity::Error),
        StepOutcome::NoMatch => cell.dimmed(),
        StepOutcome::Record | StepOutcome::NoRecord | StepOutcome::Match | StepOutcome::Redirected => cell,
    }
}

fn right(step: &TraceStep) -> String {
    let outcome = match step.outcome {
        StepOutcome::Record => String::new(),
        other => other.word().to_owned(),
    };
    [outcome, step.detail.clone()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::World;

    #[test]
    fn a_lookup_that_fails_is_unknown_for_one_client_too() {
        let world = World::parse("a.example TXT \"v=spf1 a:b.example -all\"\nb.example A !servfail").unwrap();
        let host = CheckHost { domain: "a.example".into(), ip: [192, 0, 2, 1].into(), mail_from: None, helo: None };
        let section = world.settle(&Spf, &host, OffsetDateTime::UNIX_EPOCH).section;
        assert_eq!((section.state, section.headline.as_str()), (State::Unknown, "temperror"));
    }
}

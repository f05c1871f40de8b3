//! The DMARC section: what applies to a domain, where it was found, what is wrong with it, what would be better.
//!
//! The walk, the apex and the MX are asked in the first round; only agreements of report hosts need a second.

use serde_json::json;

use crate::check::{Check, Dns, Kind, Memo, Outcome, Seen, Subject, Wait, all};
use crate::finding::{Finding, Severity};
use crate::name::Name;
use crate::records::address::{self, absent_with_its_name, exists};
use crate::records::dmarc::external::{External, external};
use crate::records::dmarc::findings;
use crate::records::dmarc::legacy::{Legacy, legacy};
use crate::records::dmarc::parse::{Dmarc, Mode, Policy, ProblemKind, Psd};
use crate::records::dmarc::suggest::{Circumstances, suggest};
use crate::records::dmarc::uri::ReportUri;
use crate::records::dmarc::walk::{Discovery, Existence, Role, WalkStep, discover};
use crate::records::mx::{MxSet, mx_names};
use crate::records::spf::is_spf;
use crate::records::{Domain, unseen};
use crate::report::{Block, Cell, Fact, Link, Posture, Question, RecordBlock, Row, Section, State, Table, VerdictLine};
use crate::untrusted::lossless;

const ID: &str = "dmarc";
const TITLE: &str = "DMARC";

/// The DMARC section of a domain, and of a policy discovery.
pub struct DmarcCheck;

impl Check<Domain> for DmarcCheck {
    fn id(&self) -> &'static str {
        ID
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "What receivers are asked to do with mail that forges this domain, found by the tree walk of RFC 9989"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let (section, existence) = (look(domain, seen), exists(domain, seen));
        let (mut section, existence) = (section?, existence?);
        // Of a domain that is not there the address section speaks; a suffix's policy for it is still worth saying.
        if matches!(existence, address::Existence::NoSuchName { whole_zone: true, .. })
            && section.state == State::Absent
        {
            let nothing = absent_with_its_name(ID, TITLE);
            section = Section { facts: section.facts, ..nothing };
        }
        Ok(section)
    }
}

/// An author's domain whose policy is to be discovered: the subject of `mxray dmarc`.
#[derive(Clone, Debug)]
pub struct AuthorDomain(pub Domain);

impl Subject for AuthorDomain {
    const KIND: &'static str = "dmarc";

    fn target(&self) -> String {
        self.0.name.to_string()
    }

    fn checks(&self) -> &'static [&'static dyn Check<AuthorDomain>] {
        &[&DmarcCheck]
    }

    fn verdict(&self, sections: &[Section]) -> Vec<VerdictLine> {
        let postures = sections.iter().flat_map(|section| &section.posture);
        postures
            .filter(|posture| posture.question == Question::Spoofed)
            .map(|posture| VerdictLine {
                question: "SPOOFED?",
                answer: posture.answer.clone(),
                severity: posture.severity,
                section: Some(ID),
            })
            .collect()
    }
}

impl Check<AuthorDomain> for DmarcCheck {
    fn id(&self) -> &'static str {
        ID
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "Which DMARC policy applies to mail from this domain, by RFC 9989 and by RFC 7489"
    }

    fn step(&self, author: &AuthorDomain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        look(&author.0, seen)
    }
}

fn look(domain: &Domain, seen: &Seen<'_>) -> Result<Section, Wait> {
    let (found, old, mx, apex) = (
        discover(&domain.name, seen),
        legacy(&domain.name, seen),
        mx_names(domain, seen),
        seen.dns(&domain.name, Kind::Txt),
    );
    let found = found?;
    let asked = match (&found.record, &found.policy_domain) {
        (Some(record), Some(at)) => {
            let uris: Vec<ReportUri> = record.rua.iter().chain(&record.ruf).cloned().collect();
            external(at, &found.organizational, &uris, seen)
        }
        _ => Ok(Vec::new()),
    };
    let (old, mx, apex, external) = (old?, mx?, apex?, asked?);
    // Below a name that is not there nothing is (RFC 8020).
    let is_missing = found.record.is_none() && found.temperror.is_none() && !apex.is_no_such_name();
    let elsewhere = if is_missing { elsewhere(&domain.name, seen)? } else { Vec::new() };
    let texts: Vec<String> = apex.texts().map(|text| lossless(&text).into_owned()).collect();
    let misplaced: Vec<(Name, Dns<'_>)> = std::iter::once((domain.name.clone(), apex)).chain(elsewhere).collect();
    let misplaced = misplaced.iter().find_map(|(name, answer)| Some((name, answer, record_in(answer)?)));
    let text = misplaced.as_ref().map(|(.., text)| text.trim_start());
    let mut section = section(domain, &found, &old, &external, (circumstances(&mx, &texts), text));
    if let Some((name, answer, text)) = &misplaced {
        // What stands in the wrong place says more than that nothing stands in the right one.
        section.findings.insert(0, wrong_place(&found, name, text).with_evidence([answer.id]));
    }
    unseen::tell(&mut section, "dmarc.unseen-character");
    Ok(section.settle())
}

/// Places where forms put the record by mistake, asked only where the right one has none: the underscore forgotten, and
/// the zone's name written out once too often.
fn elsewhere<'e>(name: &Name, seen: &Seen<'e>) -> Result<Vec<(Name, Dns<'e>)>, Wait> {
    let names = ["dmarc".to_owned(), format!("_dmarc.{name}")];
    all(names.iter().filter_map(|labels| name.below(labels).ok()), |name| {
        seen.probe(&name, Kind::Txt).map(|answer| (name, answer))
    })
}

fn record_in(answer: &Dns<'_>) -> Option<String> {
    let texts = answer.texts().map(|text| lossless(&text).into_owned());
    texts.into_iter().find(|text| Dmarc::parse(text.trim_start()).is_some())
}

fn circumstances(mx: &MxSet, apex: &[String]) -> Circumstances {
    let spf: Vec<&String> = apex.iter().filter(|text| is_spf(text.as_bytes())).collect();
    let nothing_sends =
        spf.iter().any(|text| text.get(6..).is_some_and(|terms| terms.trim_matches(' ').eq_ignore_ascii_case("-all")));
    Circumstances { parked: mx.null_mx && nothing_sends, has_spf: !spf.is_empty() }
}

/// A DMARC record where no receiver looks. Of the parents' apexes nothing is asked: a stray record there has no part in the
/// walk.
fn wrong_place(found: &Discovery, at: &Name, text: &str) -> Finding {
    let finding = if found.record.is_some() { Finding::warning } else { Finding::error };
    let place = if *at == found.author { format!("{at} itself") } else { at.to_string() };
    finding(
        "dmarc.wrong-place",
        format!("A DMARC record, \"{text}\", stands at {place}. Receivers look only at _dmarc.{}.", found.author),
    )
    .with_fix("Move it to the host _dmarc.")
    .with_reference("RFC 9989 §4.8")
}

fn section(
    domain: &Domain,
    found: &Discovery,
    old: &Legacy,
    external: &[External],
    (around, elsewhere): (Circumstances, Option<&str>),
) -> Section {
    let mut section = match (&found.temperror, &found.record) {
        (Some(why), Some(record)) => existence_unknown(found, record, why),
        (Some(why), None) => {
            let failed = found.walk.iter().filter(|step| step.failure().is_some()).filter_map(|step| step.lookup);
            Section::could_not_look((ID, TITLE), "dmarc.unknown", "the DMARC policy", why, failed)
        }
        (None, Some(record)) => with_record(found, record, around),
        (None, None) => absent(found),
    };
    section.posture.push(posture(found));
    // What is wrong at a step says more than that no record applies.
    let steps = found.walk.iter().flat_map(findings::of_step);
    if section.state == State::Absent {
        section.findings = steps.chain(std::mem::take(&mut section.findings)).collect();
    } else {
        section.findings.extend(steps);
    }
    if found.temperror.is_none() {
        section.findings.extend(findings::of_readings(found, old));
    }
    section.findings.extend(findings::of_external(external));
    section.suggestions = suggest(domain, found, external, (around, elsewhere));
    section.blocks = blocks(domain, found, external);
    facts(&mut section, found, old, external);
    section
}

fn with_record(found: &Discovery, record: &Dmarc, around: Circumstances) -> Section {
    let mut section = Section::new(ID, TITLE);
    section.headline = found.effective_policy.map_or("void", Policy::as_str).to_owned();
    let lookup = found.policy_step().and_then(|step| step.lookup);
    let mut all = Vec::new();
    if found.is_own() {
        all.extend(findings::of_record(record));
        if let Some(policy) = found.policy {
            all.extend(findings::of_policy(found, record, policy));
            all.extend(next_step(found, policy, around));
        }
    }
    // Where nothing is sent there is nothing to read reports about.
    all.retain(|finding| !(around.parked && finding.id == "dmarc.no-reports"));
    section.findings.extend(all.into_iter().map(|finding| finding.with_evidence(lookup)));
    section
}

/// What a domain that already enforces could do, said and not urged.
fn next_step(found: &Discovery, policy: Policy, around: Circumstances) -> Option<Finding> {
    let effective = found.effective(policy);
    if around.parked && effective < Policy::Reject {
        return Some(
            Finding::warning(
                "dmarc.parked-not-refused",
                "The domain takes no mail and says that nothing sends in its name, yet receivers are not asked to refuse mail in its name.",
            )
            .with_fix("Publish p=reject.")
            .with_reference("RFC 9989 §7.4"),
        );
    }
    if effective == Policy::Quarantine && policy == Policy::Quarantine {
        let tag = found.tag();
        let other = found.policy_domain.as_ref().filter(|_| found.role != Some(Role::Author));
        let place = other.map_or(String::new(), |at| format!(" at _dmarc.{at}"));
        return Some(
            Finding::info("dmarc.consider-reject", format!("Read reports for some weeks, then consider {tag}=reject{place}."))
                .with_fix(format!("Stay at quarantine while people post to mailing lists from this domain: lists break SPF and often DKIM, and {tag}=reject would lose that mail."))
                .with_reference("RFC 9989 §7.4"),
        );
    }
    None
}

/// The record is there; which of its policies counts hangs on whether the name exists, and that could not be looked at.
fn existence_unknown(found: &Discovery, record: &Dmarc, why: &Outcome) -> Section {
    let word = |policy: Option<Policy>| policy.map_or("none", Policy::as_str);
    let mut section = Section::new(ID, TITLE);
    section.state = State::Unknown;
    section.headline = "sp or np".into();
    let at = found.policy_domain.as_ref().map_or(String::new(), ToString::to_string);
    section.findings.push(
        Finding::warning(
            "dmarc.existence-unknown",
            format!(
                "The record at _dmarc.{at} applies, but whether {0} exists is not known ({why}): if it does, sp={1} counts, if not, np={2}.",
                found.author,
                word(found.subdomain_policy()),
                word(found.nonexistent_policy()),
            ),
        )
        .with_fix(crate::finding::ASK_AGAIN)
        .with_reference("RFC 9989 §4.10.1")
        .with_evidence(found.policy_step().and_then(|step| step.lookup)),
    );
    if found.is_own() {
        section.findings.extend(findings::of_record(record));
    }
    section
}

fn absent(found: &Discovery) -> Section {
    let mut section = Section::new(ID, TITLE);
    section.state = State::Absent;
    section.headline = "none".into();
    let asked: Vec<String> = found.walk.iter().map(|step| format!("_dmarc.{}", step.name)).collect();
    section.findings.push(
        Finding::error(
            "dmarc.absent",
            format!(
                "No DMARC record applies: we looked at {}. Receivers are asked for nothing, so mail forged in this name is treated like any other.",
                asked.join(", ")
            ),
        )
        .with_fix("Start with p=none and a report address.")
        .with_reference("RFC 9989 §4.10")
        .with_evidence(found.walk.iter().filter_map(|step| step.lookup)),
    );
    section
}

fn posture(found: &Discovery) -> Posture {
    let twice = |record: &Dmarc| record.problems.iter().any(|problem| problem.kind == ProblemKind::Duplicate);
    let (answer, severity) = match (found.effective_policy, &found.temperror, &found.record) {
        (_, Some(_), Some(_)) => ("not known: sp or np may apply", Severity::Warning),
        (Some(Policy::Reject | Policy::Quarantine), _, Some(record)) if twice(record) => {
            ("perhaps easily: a tag stands twice, so some receivers drop the DMARC record", Severity::Warning)
        }
        (_, Some(_), None) => ("not known: could not look at DMARC", Severity::Warning),
        (Some(Policy::Reject), ..) => ("hard: failing mail is asked to be refused", Severity::Ok),
        (Some(Policy::Quarantine), ..) => ("hard: failing mail is asked into quarantine", Severity::Ok),
        (Some(Policy::None), ..) => ("easily: DMARC only watches (none), failing mail is delivered", Severity::Warning),
        (None, _, Some(_)) => ("easily: the DMARC record counts for nothing", Severity::Error),
        (None, _, None) => ("easily: no DMARC record asks receivers to stop it", Severity::Error),
    };
    Posture { question: Question::Spoofed, answer: answer.to_owned(), severity }
}

fn facts(section: &mut Section, found: &Discovery, old: &Legacy, external: &[External]) {
    let word = |policy: Option<Policy>| policy.map(Policy::as_str);
    let record = found.record.as_ref();
    let uris = |uris: &[ReportUri]| uris.iter().map(|uri| uri.text.clone()).collect::<Vec<_>>();
    let child = |existence| found.below(existence).and_then(|below| below.effective_policy).map(Policy::as_str);
    section.fact("record", record.map(|record| &record.text));
    section.fact("policy_domain", &found.policy_domain);
    section.fact("organizational_domain", found.organizational_domain());
    section.fact("policy", word(found.policy));
    section.fact("subdomain_policy", word(found.subdomain_policy()));
    section.fact("nonexistent_policy", word(found.nonexistent_policy()));
    section.fact("testing", found.testing);
    section.fact("effective_policy", word(found.effective_policy));
    section.fact("effective_subdomain_policy", child(Existence::Exists));
    section.fact("effective_nonexistent_policy", child(Existence::NoSuchName));
    let mode = |mode: Mode| if mode == Mode::Strict { "strict" } else { "relaxed" };
    section.fact("adkim", record.map(|record| mode(record.adkim)));
    section.fact("aspf", record.map(|record| mode(record.aspf)));
    section.fact("walk", found.walk.iter().map(walk_fact).collect::<Vec<_>>());
    section.fact("rua", record.map(|record| uris(&record.rua)).unwrap_or_default());
    section.fact("ruf", record.map(|record| uris(&record.ruf)).unwrap_or_default());
    let external = external.iter();
    section.fact(
        "external",
        external.map(|e| json!({"uri": e.uri.text, "authorized": e.agreement.authorized()})).collect::<Vec<_>>(),
    );
    section.fact(
        "rfc7489",
        json!({
            "organizational_domain": old.organizational_domain,
            "policy": word(old.policy),
            "pct": old.pct,
        }),
    );
}

/// One step of a walk as the contract has it.
pub(crate) fn walk_fact(step: &WalkStep) -> serde_json::Value {
    json!({
        "name": format!("_dmarc.{}", step.name),
        "outcome": step.outcome.word(),
        "record": step.record.as_ref().map(|record| &record.text),
        "records": step.count,
    })
}

fn blocks(domain: &Domain, found: &Discovery, external: &[External]) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let (Some(step), Some(record)) = (found.policy_step(), &found.record) {
        blocks.push(record_block(step, &record.text, record.marks.clone()));
    }
    for step in &found.walk {
        let shown = step.record.as_ref().filter(|_| Some(&step.name) == found.policy_domain.as_ref());
        let others = step.texts.iter().filter(|text| shown.is_none_or(|record| record.text != **text));
        // The other records of the walk stand in its table; here stands what was meant for this name.
        if step.name == domain.name {
            blocks.extend(others.map(|text| record_block(step, text, Vec::new())));
        }
    }
    blocks.push(Block::Facts(summary(found, external)));
    blocks.push(Block::Table(walk_table(found)));
    blocks.push(how_to());
    blocks
}

fn record_block(step: &WalkStep, text: &str, marks: Vec<crate::report::Mark>) -> Block {
    let name = step.name.below("_dmarc").unwrap_or_else(|_| step.name.clone());
    Block::Record(RecordBlock {
        name: name.to_string(),
        host: name.relative_to(&Domain::new(step.name.clone()).zone()),
        rr_type: "TXT".into(),
        priority: None,
        ttl: step.ttl,
        text: text.to_owned(),
        marks,
        lookup: step.lookup,
    })
}

fn summary(found: &Discovery, external: &[External]) -> Vec<Fact> {
    let judged = |policy: Option<Policy>| match policy {
        None => Cell::from("no policy: nothing is asked").judged(Severity::Error),
        Some(Policy::None) => Cell::from("none: mail that fails is only reported").judged(Severity::Warning),
        Some(policy) => Cell::from(format!("{}: mail that fails is {}", policy.as_str(), policy.in_words())),
    };
    let below = |existence| judged(found.below(existence).and_then(|below| below.effective_policy));
    let mut facts = Vec::new();
    if let Some(why) = &found.temperror {
        facts.push(Fact::new("This name", Cell::from(format!("not known: {why}")).judged(Severity::Warning)));
    } else {
        facts.push(Fact::new("This name", judged(found.effective_policy)));
        facts.push(Fact::new("A subdomain", below(Existence::Exists)));
        facts.push(Fact::new("No such name", below(Existence::NoSuchName)));
    }
    match (found.role, &found.policy_domain) {
        (Some(Role::Organization), Some(at)) => {
            facts.push(Fact::new("Record of", link(at, format!("{at} (this name's Organizational Domain)"))));
        }
        (Some(Role::Suffix), Some(at)) => {
            facts.push(Fact::new("Record of", link(at, format!("{at} (the public suffix above)"))));
        }
        _ => {}
    }
    if let Some(target) = found.policy_step().and_then(|step| step.delegated.as_ref()) {
        facts.push(Fact::new("Kept at", link(target, format!("{target} (by CNAME)"))));
    }
    match found.organizational_domain() {
        Some(org) => facts.push(Fact::new("Organization", link(org, org.to_string()))),
        None => facts.push(Fact::new("Organization", Cell::from("not known").judged(Severity::Warning))),
    }
    let Some(record) = &found.record else { return facts };
    let mode = |mode: Mode| if mode == Mode::Strict { "exactly this name" } else { "any name of the organization" };
    facts.push(Fact::new("Aligned", format!("DKIM: {}; SPF: {}", mode(record.adkim), mode(record.aspf))));
    for uri in &record.rua {
        facts.push(Fact::new("Reports to", report_cell(uri, external)));
    }
    for uri in &record.ruf {
        facts.push(Fact::new("Failures to", report_cell(uri, external)));
    }
    facts
}

fn link(name: &Name, text: String) -> Cell {
    Cell::from(text).linked(Link::Domain(name.clone()))
}

fn report_cell(uri: &ReportUri, external: &[External]) -> Cell {
    let note = match external.iter().find(|e| e.uri.span == uri.span).map(|e| e.agreement.authorized()) {
        _ if !uri.is_valid() => " (not an address that reports go to)",
        None => "",
        Some(Some(true)) => " (another organization, which agreed)",
        Some(Some(false)) => " (another organization, which did not agree)",
        Some(None) => " (another organization; whether it agreed is not known)",
    };
    let cell = Cell::from(format!("{}{note}", uri.text));
    let cell = if note.contains("not") { cell.judged(Severity::Warning) } else { cell };
    match &uri.host {
        Some(host) => cell.linked(Link::Domain(host.clone())),
        None => cell,
    }
}

fn walk_table(found: &Discovery) -> Table {
    let columns = ["", "Asked", "Answer", "What it means"].map(String::from).to_vec();
    let rows = found.walk.iter().enumerate().map(|(at, step)| {
        let (answer, severity) = match (step.failure(), &step.record, step.count) {
            (Some(why), ..) => (why.to_string(), Severity::Warning),
            (None, Some(record), _) => (record.text.clone(), Severity::Ok),
            (None, None, 2..) => (format!("{} records: all discarded", step.count), Severity::Error),
            (None, None, _) if !step.texts.is_empty() => ("TXT, none of it DMARC".into(), Severity::Ok),
            (None, None, _) => (step.outcome.to_string(), Severity::Ok),
        };
        let mut means = Vec::new();
        if Some(&step.name) == found.policy_domain.as_ref() {
            means.push("this record applies");
        }
        if Some(&step.name) == found.organizational_domain() {
            means.push("the Organizational Domain");
        }
        match step.record.as_ref().map(|record| record.psd) {
            Some(Psd::Yes) => means.push("psd=y: a public suffix; the walk stops"),
            Some(Psd::No) => means.push("psd=n: the walk stops"),
            Some(Psd::Unsaid) | None => {}
        }
        let mut cells = vec![
            Cell::from((at + 1).to_string()),
            link(&step.name, format!("_dmarc.{}", step.name)),
            Cell::from(answer).judged(severity),
            Cell::from(means.join("; ")),
        ];
        if means.is_empty() && severity == Severity::Ok {
            cells = cells.into_iter().map(Cell::dimmed).collect();
        }
        Row { cells, section: None }
    });
    Table { columns, rows: rows.collect() }
}

fn how_to() -> Block {
    let text = [
        "DMARC asks receivers what to do with mail that shows this domain in From and fails. One aligned pass of SPF or DKIM is enough for a message to pass; DMARC cannot demand both.",
        "Add one TXT record with the host _dmarc. Start with p=none and rua=mailto: a mailbox of its own: receivers then send a report a day of who sends in your name, and change nothing else.",
        "Read the reports for some weeks. Whatever of it is yours must pass: have each sender sign with DKIM for your domain, or send from addresses of your SPF. Read reports before anything stricter.",
        "Then p=quarantine, and later p=reject where nobody posts to mailing lists from the domain. Going back is putting the old text back; caches follow within the TTL.",
        "The policy is a request. Receivers should not refuse for p=reject alone (RFC 9989 §5.4), and may do otherwise in both directions.",
    ];
    Block::Prose { title: "How to set it up".into(), text: text.map(String::from).to_vec() }
}

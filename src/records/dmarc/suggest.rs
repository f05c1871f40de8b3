//! The DMARC record that would be better than what is published. Never stricter than the evidence allows: DNS shows no
//! reports, so a domain that people write from is led to quarantine at most, and only after its reports were read; a
//! domain that surely sends nothing may refuse at once.

use crate::finding::{Blank, Suggestion};
use crate::name::Name;
use crate::records::Domain;
use crate::records::dmarc::external::{Agreement, External};
use crate::records::dmarc::mend::mended;
use crate::records::dmarc::near::repaired;
use crate::records::dmarc::parse::{Dmarc, Policy, ProblemKind};
use crate::records::dmarc::uri::{ReportUri, UriProblem};
use crate::records::dmarc::walk::{Discovery, Role, WalkStep};
use crate::records::tags::TagList;

/// What else is known of the domain that bears on how strict it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// Null MX and `v=spf1 -all`: it takes and sends no mail.
    pub parked: bool,
    /// An SPF record stands at the domain, so that something can pass.
    pub has_spf: bool,
}

/// The suggestions for one domain, at most one a record name.
pub(super) fn suggest(
    domain: &Domain,
    discovery: &Discovery,
    external: &[External],
    (around, elsewhere): (Circumstances, Option<&str>),
) -> Vec<Suggestion> {
    let own_step = discovery.walk.first();
    let mut suggestions = Vec::new();
    if let Some(step) = own_step.filter(|step| step.count > 1) {
        let records: Vec<Dmarc> = step.texts.iter().filter_map(|text| Dmarc::parse(text)).collect();
        suggestions.extend(merged(&step.name, &records, around));
    } else if let (Some(step), None, Some(text)) = (own_step, &discovery.record, elsewhere)
        && step.texts.is_empty()
    {
        let why = "It stands where no receiver looks; this is the place where they do. Remove it there.";
        let risk = "Its policy then counts, which it does not now: see that your senders pass.";
        suggestions
            .extend(Dmarc::parse(text).and_then(|record| Draft::of(&record).suggestion(&step.name, None, why, risk)));
    } else if let Some((step, text)) =
        own_step.and_then(|step| Some((step, step.texts.iter().find_map(|t| repaired(t))?)))
        && step.record.is_none()
    {
        let current = step.texts.iter().find(|text| repaired(text).is_some()).cloned();
        let why = "Receivers see no DMARC record now; this is the same text as one that they do see.";
        suggestions.extend(Dmarc::parse(&text).and_then(|record| {
            let draft = Draft::of(&record);
            draft.suggestion(
                &step.name,
                current,
                why,
                "Its policy then counts, which it does not now: see that your senders pass.",
            )
        }));
    } else {
        suggestions.extend(match (&discovery.record, &discovery.policy_domain, discovery.role) {
            (Some(record), Some(at), Some(Role::Author | Role::Organization)) if discovery.is_own() => {
                improved(at, record, around)
            }
            _ if discovery.temperror.is_some() => None,
            (Some(_), ..) => beneath(domain, discovery, around),
            _ => first(&domain.zone(), around).map(|first| beside_cname(first, own_step)),
        });
    }
    suggestions.extend(external.iter().filter(|external| external.agreement == Agreement::Missing).map(agreement));
    suggestions
}

/// A CNAME that leads nowhere stands in the way of a record.
fn beside_cname(first: Suggestion, step: Option<&WalkStep>) -> Suggestion {
    match step.and_then(|step| step.delegated.as_ref()) {
        Some(target) if step.is_some_and(|step| first.name.parent().as_ref() == Some(&step.name)) => Suggestion {
            why: format!("{} Remove the CNAME to {target} first: no other record may stand beside a CNAME.", first.why),
            ..first
        },
        _ => first,
    }
}

/// The first record of a domain that has none.
fn first(at: &Name, around: Circumstances) -> Option<Suggestion> {
    if around.parked {
        let draft = Draft { tags: vec![tag("v", "DMARC1"), tag("p", "reject")], blank: false };
        return draft.suggestion(at, None, PARKED, "None while nothing sends in this name.");
    }
    let mut draft = Draft { tags: vec![tag("v", "DMARC1"), tag("p", "none")], blank: false };
    draft.ask_for_reports();
    draft.suggestion(
        at,
        None,
        "Starts the reports that show who sends in your name, and asks for nothing else yet. It covers every subdomain.",
        "None for your mail: p=none changes no delivery.",
    )
}

/// A record of one's own where a public suffix's applies: it asks for what is asked for already, and brings the reports here.
fn beneath(domain: &Domain, discovery: &Discovery, around: Circumstances) -> Option<Suggestion> {
    let org = discovery.organizational_domain().filter(|org| Some(*org) != discovery.policy_domain.as_ref());
    let at = org.cloned().unwrap_or_else(|| domain.zone());
    if around.parked {
        return first(&at, around);
    }
    let policies = discovery.policies?;
    let (own, missing) = (discovery.effective(policies.subdomain), discovery.effective(policies.nonexistent));
    let mut draft = Draft { tags: vec![tag("v", "DMARC1"), tag("p", own.as_str())], blank: false };
    if missing != own {
        draft.tags.push(tag("np", missing.as_str()));
    }
    draft.ask_for_reports();
    let above = discovery.policy_domain.as_ref()?;
    let why = format!(
        "Now the record of {above} applies, which you do not run and which sends you no reports. This one asks for the same, and its reports come to you."
    );
    draft.suggestion(&at, None, &why, "None for your mail: the policy stays as it is.")
}

/// One record in place of several that are all discarded: the weakest policy of them, every report address of them.
fn merged(at: &Name, records: &[Dmarc], around: Circumstances) -> Option<Suggestion> {
    let weakest = records.iter().map(|record| record.p.unwrap_or(Policy::None)).min()?;
    let mut draft = Draft { tags: vec![tag("v", "DMARC1"), tag("p", weakest.as_str())], blank: false };
    let mut rua: Vec<String> = Vec::new();
    for uri in records.iter().flat_map(|record| &record.rua).filter_map(usable) {
        if !rua.contains(&uri) {
            rua.push(uri);
        }
    }
    if !rua.is_empty() {
        draft.tags.push(tag("rua", &rua.join(",")));
    } else if !around.parked {
        draft.ask_for_reports();
    }
    let current = records.iter().map(|record| record.text.as_str()).collect::<Vec<_>>().join("\n");
    draft.suggestion(
        at,
        Some(current),
        "Receivers discard all of several records. This one has the weakest policy among them and all their report addresses; remove the others.",
        "Its policy then counts, which none does now: see that your senders pass.",
    )
}

/// The published record with what is wrong put right, and the next step of the policy where it is safe to name it.
fn improved(at: &Name, record: &Dmarc, around: Circumstances) -> Option<Suggestion> {
    let meant = mended(&record.text).and_then(|text| Dmarc::parse(&text)).unwrap_or_else(|| record.clone());
    let mut draft = Draft::of(&meant);
    let mut why = Vec::new();
    let mut risk = Vec::new();
    if record.is_policy_broken() {
        why.push("It states a policy in words that receivers know.");
        if meant.p.is_some_and(|p| p > Policy::None) {
            risk.push("The policy then counts, which it does not now: see that your senders pass.");
        }
    }
    let repairs = draft.text() != normal(record);
    if around.parked {
        if draft.get("p") != Some("reject") || draft.get("t").is_some() {
            draft.tags.retain(|(name, _)| !matches!(name.as_str(), "sp" | "np" | "t" | "pct"));
            draft.set("p", "reject");
            why.push(PARKED);
            risk.push("None while nothing sends in this name.");
        }
    } else if !draft.has("rua") {
        draft.ask_for_reports();
        why.push("The reports show who sends in your name and what fails.");
    } else if !repairs && record.p == Some(Policy::None) && around.has_spf {
        draft.set("p", "quarantine");
        why.push(
            "Only after some weeks of reports in which everything that is yours passes. It moves forged mail into the spam folder; p=reject is the step after it.",
        );
        risk.push("Mail of a sender that you forgot, and some forwarded mail, goes to the spam folder.");
    }
    if repairs {
        why.push("It leaves out or corrects what receivers ignore or misread.");
    }
    if draft.text() == normal(record) {
        return None;
    }
    if risk.is_empty() {
        risk.push("None for your mail: the policy stays as it is.");
    }
    draft.suggestion(at, Some(record.text.clone()), &why.join(" "), &risk.join(" "))
}

/// The record by which a host agrees to get the reports of another domain.
fn agreement(external: &External) -> Suggestion {
    let zone = Domain::new(external.host.clone()).zone();
    Suggestion {
        step: 2,
        why: format!(
            "Receivers send reports to {} only when its owner agrees by this record. It goes into the zone of {}, not into yours.",
            external.uri.text, external.host
        ),
        risk: "None.".into(),
        undo: "Remove the record.".into(),
        ..Suggestion::txt(&external.asked, &zone, "v=DMARC1;")
    }
}

const PARKED: &str = "The domain takes no mail and says that nothing sends in its name, so every message in its name is forged: receivers can be asked to refuse it.";

/// A record in the making.
struct Draft {
    tags: Vec<(String, String)>,
    blank: bool,
}

impl Draft {
    /// The tags of a record that mean something, put right where that is certain: `v` and `p` first.
    fn of(record: &Dmarc) -> Draft {
        let mut draft = Draft { tags: vec![tag("v", "DMARC1")], blank: false };
        draft.tags.push(tag("p", record.p.unwrap_or(Policy::None).as_str()));
        let bad: Vec<_> = record
            .problems
            .iter()
            .filter(|problem| {
                matches!(
                    problem.kind,
                    ProblemKind::BadPolicy(_)
                        | ProblemKind::BadValue(_)
                        | ProblemKind::FoZeroAndOne
                        | ProblemKind::UnknownTag
                        | ProblemKind::Duplicate
                )
            })
            .map(|problem| problem.span)
            .collect();
        for found in &TagList::parse(&record.text).tags {
            let name = found.name.to_ascii_lowercase();
            // A pct of less than 100 holds older receivers back: leaving it out would make the policy stricter.
            let idle = matches!(name.as_str(), "v" | "p" | "rf" | "ri")
                || (name == "pct" && record.pct.is_none_or(|pct| pct == 100));
            if idle || bad.contains(&found.span()) {
                continue;
            }
            match name.as_str() {
                "rua" | "ruf" => {
                    let list = if name == "rua" { &record.rua } else { &record.ruf };
                    let list: Vec<String> = list.iter().filter_map(usable).collect();
                    if !list.is_empty() {
                        draft.tags.push(tag(&name, &list.join(",")));
                    }
                }
                _ => draft.tags.push(tag(&name, found.value)),
            }
        }
        draft
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn set(&mut self, name: &str, value: &str) {
        for tag in self.tags.iter_mut().filter(|(known, _)| known == name) {
            tag.1 = value.to_owned();
        }
    }

    fn ask_for_reports(&mut self) {
        self.tags.push(tag("rua", "mailto:{rua}"));
        self.blank = true;
    }

    fn text(&self) -> String {
        self.tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn suggestion(&self, domain: &Name, current: Option<String>, why: &str, risk: &str) -> Option<Suggestion> {
        let at = domain.below("_dmarc").ok()?;
        let undo = if current.is_some() {
            "Put the old text back; caches follow within its TTL."
        } else {
            "Remove the record."
        };
        let mut suggestion = Suggestion::txt(&at, &Domain::new(domain.clone()).zone(), self.text());
        suggestion.current = current;
        suggestion.why = why.to_owned();
        suggestion.risk = risk.to_owned();
        suggestion.undo = undo.to_owned();
        if self.blank {
            suggestion.blanks.push(Blank {
                key: "rua",
                prompt: "Which mailbox shall get the aggregate reports? (one of its own: large receivers each send a file a day)".into(),
            });
        }
        Some(suggestion)
    }
}

fn tag(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The published tags in the form that a draft is printed in, to see whether anything changed.
fn normal(record: &Dmarc) -> String {
    let tags = TagList::parse(&record.text).tags;
    tags.iter().map(|tag| format!("{}={}", tag.name, normal_value(tag.name, tag.value))).collect::<Vec<_>>().join("; ")
}

/// White space around the commas of a list and the case of a policy change nothing.
fn normal_value(name: &str, value: &str) -> String {
    match name {
        "rua" | "ruf" => value.split(',').map(str::trim).collect::<Vec<_>>().join(","),
        "p" => value.to_ascii_lowercase(),
        _ => value.to_owned(),
    }
}

/// The URI as it should stand, or nothing when it cannot be saved.
fn usable(uri: &ReportUri) -> Option<String> {
    match uri.problem {
        None => Some(uri.text.clone()),
        Some(UriProblem::MissingScheme) if uri.host.is_some() && uri.text.contains('@') => {
            Some(format!("mailto:{}", uri.text))
        }
        Some(_) => None,
    }
}

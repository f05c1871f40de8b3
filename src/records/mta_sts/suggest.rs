//! The policy file and TXT record that would be better: the host first, then the file, then the record with a new `id`, so
//! that no sender meets a record whose policy is not there yet. Enforcing is never proposed where it is not done already: it
//! needs certificates that DNS does not show.

use time::OffsetDateTime;

use crate::finding::{Blank, Suggestion};
use crate::name::Name;
use crate::records::Domain;
use crate::records::mta_sts::check::{Found, policy_url};
use crate::records::mta_sts::policy::{MAX_MAX_AGE, StsMode, StsPolicy};
use crate::records::mta_sts::record::repaired;

/// How long senders keep a policy of ours: long enough to protect, short enough to go back within a week.
const MAX_AGE: u64 = 604_800;
/// Under a day a policy is forgotten between two messages.
const SHORTEST: u64 = 86_400;

/// The suggestions for one domain.
pub(super) fn suggest(domain: &Domain, found: &Found<'_>, now: OffsetDateTime) -> Vec<Suggestion> {
    let hosts: Vec<&Name> = found.mx.hosts.iter().map(|host| &host.name).collect();
    if found.mx.unknown.is_some() || hosts.is_empty() || found.txt_unknown || found.is_policy_unknown {
        return Vec::new();
    }
    if found.mx.implicit && found.texts.is_empty() && found.policy.is_none() {
        return Vec::new();
    }
    let Ok(at) = domain.name.below("_mta-sts") else { return Vec::new() };
    let Ok(policy_host) = domain.name.below("mta-sts") else { return Vec::new() };
    let mut suggestions = Vec::new();
    let is_announced = !found.texts.is_empty();
    if found.host_is_missing {
        suggestions.push(Suggestion {
            blanks: vec![Blank {
                key: "web",
                prompt: format!("Which web server will serve the policy for {policy_host}? (its host name)"),
            }],
            why: "The policy is fetched from this name and no other.".into(),
            risk: "None.".into(),
            undo: "Remove the record.".into(),
            ..Suggestion::plain(&policy_host, &domain.zone(), "CNAME", "{web}.")
        });
    }
    let step = suggestions.len() + 1;
    let file = better_file(domain, found.policy.as_ref(), &hosts, is_announced);
    let has_file = file.is_some();
    suggestions.extend(file.map(|file| at_step(file, step)));
    let text = better_record(found, has_file, now);
    if let Some((current, text, why)) = text {
        let mut record = Suggestion::txt(&at, &domain.zone(), text);
        record.why = why;
        record.risk = match found.policy.as_ref().and_then(|policy| policy.mode) {
            Some(StsMode::Enforce) if has_file => "Senders fetch the new file from now on: see its risk.",
            Some(StsMode::Enforce) => "The policy there enforces: from now on senders skip an MX that it does not list or whose certificate is not valid.",
            Some(StsMode::Testing | StsMode::None) | None => "None while the mode is testing: senders deliver and report.",
        }
        .into();
        record.undo = match current {
            Some(_) => "Put the old file back and publish another new id.".into(),
            None => "Publish mode: none with a new id, wait for max_age, then remove the record and the file.".into(),
        };
        record.current = current;
        suggestions.push(at_step(record, step + usize::from(has_file)));
    }
    suggestions
}

fn at_step(mut suggestion: Suggestion, step: usize) -> Suggestion {
    suggestion.step = u32::try_from(step).unwrap_or(u32::MAX);
    suggestion
}

/// The file with every MX of today, or nothing when the published one will do.
fn better_file(domain: &Domain, policy: Option<&StsPolicy>, hosts: &[&Name], is_announced: bool) -> Option<Suggestion> {
    let uncovered = |policy: &StsPolicy| hosts.iter().any(|host| !policy.covers(host));
    let good = |policy: &StsPolicy| {
        policy.is_valid()
            && policy.max_age.is_some_and(|age| (SHORTEST..=MAX_MAX_AGE).contains(&age))
            && !uncovered(policy)
    };
    // A policy that was switched off on purpose is not switched on.
    if policy.is_some_and(|policy| good(policy) || policy.is_valid() && policy.mode == Some(StsMode::None)) {
        return None;
    }
    // What is enforced and works stays enforced: adding an MX that senders skip now, or another max_age, stops nothing.
    let works = policy.is_some_and(|policy| {
        policy.is_valid() && policy.mode == Some(StsMode::Enforce) && hosts.iter().any(|host| policy.covers(host))
    });
    let mode = if works { "enforce" } else { "testing" };
    // What holds is kept as it is, an MX that is listed before it goes live included.
    let holds = policy.filter(|policy| policy.is_valid() && !uncovered(policy));
    let mut lines = vec!["version: STSv1".to_owned(), format!("mode: {mode}")];
    let mut kept: Vec<&str> = Vec::new();
    for pattern in holds.iter().flat_map(|policy| &policy.mx) {
        kept.push(&pattern.text);
        lines.push(format!("mx: {}", pattern.text));
    }
    for host in hosts {
        let pattern = policy.and_then(|policy| policy.mx.iter().find(|pattern| pattern.matches(host)));
        let text = pattern.map_or(host.as_str(), |pattern| pattern.text.as_str());
        if !kept.contains(&text) {
            kept.push(text);
            lines.push(format!("mx: {text}"));
        }
    }
    let age = policy.and_then(|policy| policy.max_age).filter(|age| (SHORTEST..=MAX_MAX_AGE).contains(age));
    lines.push(format!("max_age: {}", age.unwrap_or(MAX_AGE)));
    let url = policy_url(domain)?;
    let host = domain.name.below("mta-sts").ok()?;
    let mut file = Suggestion::file(&host, url, lines.join("\n") + "\n");
    file.current = policy.map(|policy| policy.text.clone());
    file.why = match policy {
        Some(_) if holds.is_some() => "It says what the policy says, for a time that senders keep: so short a time protects hardly anybody, and too long a one senders cut or refuse.".into(),
        Some(_) if works => "It lists the MX hosts that the domain has today and no others, and enforces as the one before it.".into(),
        Some(_) => "It lists the MX hosts that the domain has today and no others. Whether their certificates are valid DNS does not show, so it starts in testing.".into(),
        None if is_announced => "The TXT record announces a policy; this is one that lists today's MX hosts.".into(),
        None => "It lists the MX hosts that the domain has today. In testing mode senders deliver as before and report (see TLS-RPT) what would have failed; enforce only when the reports are clean.".into(),
    };
    file.risk = if works && holds.is_some() {
        "Senders keep the policy for so long: list a new MX and publish a new id before it goes live.".into()
    } else if works {
        "An MX that is listed anew must have a valid certificate; until it has, senders skip it, as they do now.".into()
    } else {
        "None while testing.".into()
    };
    file.undo = match policy {
        Some(_) => "Put the old file back and publish another new id.".into(),
        None => "Serve mode: none, publish a new id, wait for max_age; then remove both.".into(),
    };
    Some(file)
}

/// The record: a new `id` for a new file, or the same record in a form that senders accept.
fn better_record(found: &Found<'_>, has_file: bool, now: OffsetDateTime) -> Option<(Option<String>, String, String)> {
    let current = match found.texts.as_slice() {
        [] => None,
        texts => Some(texts.join("\n")),
    };
    let published = found.record.as_ref().filter(|record| record.is_valid());
    if published.is_some() && !has_file {
        return None;
    }
    let id = new_id(published.and_then(|record| record.id.as_deref()), now);
    let text = format!("v=STSv1; id={id};");
    if has_file {
        return Some((
            current,
            text,
            "A new id tells senders to fetch the new file. Publish it after the file is there.".into(),
        ));
    }
    // The file is good, and the record is not.
    match found.texts.as_slice() {
        [] if found.policy.is_some() => {
            Some((None, text, "The policy is there, and without this record no sender looks for it.".into()))
        }
        [one] => Some((
            current,
            repaired(one).unwrap_or(text),
            "Senders pass over the record as it stands; this one they accept.".into(),
        )),
        [] => None,
        _ => Some((current, text, "Senders take none of several records; keep only this one.".into())),
    }
}

/// The time as an `id`, `20261124120431`; never the one that is published.
fn new_id(published: Option<&str>, now: OffsetDateTime) -> String {
    let (date, time) = (now.date(), now.time());
    let id = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    if published == Some(id.as_str()) { format!("{id}1") } else { id }
}

//! What could be copied: the TLSA record that matches the certificate in use, the `mx` lines that a policy lacks.

use time::OffsetDateTime;

use crate::finding::{Suggestion, SuggestionKind};
use crate::name::Name;
use crate::records::Domain;
use crate::smtp::certificate::Certificate;
use crate::smtp::dane::Dane;
use crate::smtp::target::Target;
use crate::smtp::tls::TlsOutcome;
use crate::smtp::transport::judge::Judged;
use crate::smtp::transport::{Sts, host_name};

/// All suggestions, one a host and kind.
pub fn suggestions(target: &Target, sts: &Sts, judged: &[Judged<'_>], _now: OffsetDateTime) -> Vec<Suggestion> {
    let mut all = Vec::new();
    for host in judged {
        if let Some(suggestion) = tlsa(host)
            && !all.iter().any(|other: &Suggestion| other.name == suggestion.name)
        {
            all.push(suggestion);
        }
    }
    all.extend(policy_lines(target, sts, judged));
    for (step, suggestion) in (1..).zip(all.iter_mut()) {
        suggestion.step = step;
    }
    all
}

/// `3 1 1` of the key in use, where a TLSA record is published and does not match.
fn tlsa(host: &Judged<'_>) -> Option<Suggestion> {
    let TlsOutcome::Established(tls) = host.tls else { return None };
    if !matches!(host.dane, Dane::Mismatch(..) | Dane::AllUnusable) {
        return None;
    }
    let leaf = Certificate::parse(tls.chain.first()?)?;
    let name = host_name(host.talk)?;
    let owner = name.below(&format!("_{}._tcp", host.talk.port)).ok()?;
    let zone = Domain::new(name).zone();
    let mut suggestion = Suggestion::plain(&owner, &zone, "TLSA", format!("3 1 1 {}", leaf.spki_sha256));
    suggestion.why = "It is the public key that the server uses now; senders with DANE deliver again.".into();
    suggestion.risk = "If the key was not meant to change, somebody else may be answering: compare it on the server first. When the key rolls over, publish the new record beside the old one before.".into();
    suggestion.undo = "Publish the old record again, with the old key on the server.".into();
    Some(suggestion)
}

/// The policy with the `mx` lines that it lacks: the whole file, because what is copied replaces what is served.
fn policy_lines(target: &Target, sts: &Sts, judged: &[Judged<'_>]) -> Option<Suggestion> {
    let policy = sts.policy()?;
    let domain = target.domain()?;
    let mut missing: Vec<Name> = Vec::new();
    for host in judged.iter().filter(|host| host.covered == Some(false)) {
        if let Some(name) = host_name(host.talk)
            && !missing.contains(&name)
        {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return None;
    }
    let mut lines: Vec<String> =
        policy.text.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect();
    let after = lines.iter().rposition(|line| line.trim_start().starts_with("mx:")).map_or(lines.len(), |at| at + 1);
    for (at, name) in (after..).zip(&missing) {
        lines.insert(at, format!("mx: {name}"));
    }
    let host = domain.below("mta-sts").ok()?;
    let url = format!("https://{host}/.well-known/mta-sts.txt");
    let mut suggestion = Suggestion::file(&host, url, lines.join("\n") + "\n");
    suggestion.current = Some(policy.text.clone());
    debug_assert_eq!(suggestion.kind, SuggestionKind::File);
    let names = missing.iter().map(Name::to_string).collect::<Vec<_>>().join(", ");
    suggestion.why =
        format!("The policy does not list {names}, and a sender that honours it skips what it does not list.");
    suggestion.risk =
        "None when the hosts are yours. Change the id in the TXT record afterwards, or senders keep the old file."
            .into();
    suggestion.undo = "Serve the old file again, and change the id once more.".into();
    Some(suggestion)
}

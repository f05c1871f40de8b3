//! What a dialogue tells by itself: refusals, delays, broken rules, a port that is blocked from here.

use crate::check::{ConnectFault, Outcome, TranscriptEvent};
use crate::finding::{Finding, Severity};
use crate::report::{Section, State};
use crate::smtp::annotate::SLOW;
use crate::smtp::capability;
use crate::smtp::session::{Session, Verb};
use crate::smtp::target::Talk;

/// Everything that one talk tells.
pub(super) fn findings(talk: &Talk<'_>) -> Vec<Finding> {
    let host = &talk.host;
    let mut findings = Vec::new();
    if let Some(why) = &talk.no_address {
        let absent = matches!(why, Outcome::NoData | Outcome::NoSuchName);
        findings.push(if absent {
            Finding::error("smtp.no-address", format!("{host} has no address, so nobody can deliver to it."))
        } else {
            Finding::warning("smtp.address-unknown", format!("We could not look for the address of {host}: {why}."))
        });
    }
    let Some((lookup, transcript)) = talk.said else {
        return findings.into_iter().map(|finding| finding.with_evidence(talk.lookups.clone())).collect();
    };
    let session = Session::read(transcript);
    if let Some((fault, why)) = session.not_connected {
        findings.push(match fault {
            ConnectFault::Unreachable => Finding::info(
                "smtp.unreachable",
                format!("There is no route from here to {host} ({why}); this says nothing about the server."),
            ),
            ConnectFault::Refused => {
                Finding::error("smtp.refused", format!("{host} refuses connections on port {}.", talk.port))
            }
            ConnectFault::TimedOut | ConnectFault::Other => {
                Finding::error("smtp.no-connection", format!("No connection to {host}: {why}."))
            }
        });
    }
    findings.extend(told(&session, host));
    let broken = session.exchanges.iter().flat_map(|exchange| &exchange.reply.lines).find_map(|line| line.problem);
    if let Some(problem) = broken {
        findings.push(
            Finding::warning(
                "smtp.malformed-reply",
                format!("A line from {host} {}; a strict client gives up there.", problem.words()),
            )
            .with_reference("RFC 5321 §4.2"),
        );
    }
    if session.exchanges.iter().any(|exchange| exchange.bare_lf) {
        findings.push(
            Finding::warning(
                "smtp.bare-lf",
                format!("{host} ends lines with a bare LF; the same looseness lets mail be smuggled."),
            )
            .with_reference("RFC 5321 §2.3.8"),
        );
    }
    if transcript.entries.iter().any(|entry| matches!(entry.event, TranscriptEvent::EarlyTalk(_))) {
        findings.push(
            Finding::warning("smtp.early-talk", format!("{host} sent bytes before it was its turn; after STARTTLS they are dropped, since anybody could have put them there."))
                .with_reference("RFC 3207 §4.2"),
        );
    }
    findings.into_iter().map(|finding| finding.with_evidence([lookup])).collect()
}

/// What the replies themselves tell: refusals, delays, offers.
fn told(session: &Session<'_>, host: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for exchange in &session.exchanges {
        let (code, words) = (exchange.reply.code().unwrap_or_default(), exchange.reply.text());
        match exchange.verb {
            Verb::Banner if exchange.reply.is_permanent() => findings.push(
                Finding::error("smtp.banner-refused", format!("{host} greets with {code}: no mail from here. It says: {words}"))
                    .with_fix("The server, or a filter before it, refuses this client's address. Ask its postmaster, or try from your mail server.")
                    .with_reference("RFC 5321 §3.1"),
            ),
            _ if code == 421 => findings.push(Finding::warning(
                "smtp.closing",
                format!("{host} closes with 421: busy, or tired of this client. A sender tries again later. It says: {words}"),
            )),
            Verb::Rcpt if exchange.reply.is_transient() && words.to_ascii_lowercase().contains("grey") => findings.push(
                Finding::info("smtp.greylisted", format!("{host} greylists: it asks a first-time sender to come again. A mail server does, a one-off test does not.")),
            ),
            Verb::Mail | Verb::Rcpt | Verb::Message if exchange.reply.is_permanent() => findings.push(Finding::error(
                "smtp.command-refused",
                format!("{host} refuses {:?} with {code}: {}", exchange.verb, crate::smtp::codes::explain(&exchange.reply).unwrap_or(&words)),
            )),
            _ => {}
        }
        if exchange.took().is_some_and(|took| took > SLOW) {
            let seconds = exchange.took().unwrap_or_default().as_secs_f64();
            findings.push(Finding::info(
                "smtp.slow",
                format!("{host} took {seconds:.1} s for one reply: a tarpit, or a slow check of its own."),
            ));
        }
    }
    if session.silent {
        findings.push(
            Finding::warning(
                "smtp.silent",
                format!("{host} fell silent; we stopped waiting. A sender waits up to 5 minutes."),
            )
            .with_reference("RFC 5321 §4.5.3.2"),
        );
    }
    if session.hung_up {
        findings.push(
            Finding::warning("smtp.hung-up", format!("{host} closed the connection without a 221."))
                .with_reference("RFC 5321 §3.8"),
        );
    }
    if session.gave_up {
        findings.push(Finding::warning(
            "smtp.gave-up",
            format!("{host} sent more than mxray reads; what came until then is shown."),
        ));
    }
    let clear_login =
        session.capabilities(false).into_iter().find(|line| capability::explain(line, false).1 == Severity::Warning);
    if let Some(line) = clear_login {
        findings.push(
            Finding::warning(
                "smtp.auth-in-clear",
                format!("{host} offers \"{line}\" before TLS: a password could be sent in the clear."),
            )
            .with_fix("Offer AUTH only inside TLS.")
            .with_reference("RFC 4954 §4"),
        );
    }
    findings
}

/// When no host of several answers on port 25, the fault is more likely here than there (cases.md 136).
pub(super) fn blocked_port(talks: &[Talk<'_>], section: &mut Section) {
    let tried: Vec<_> =
        talks.iter().filter_map(|talk| talk.said).filter(|(_, transcript)| transcript.finished).collect();
    let all_timed_out = tried
        .iter()
        .all(|(_, transcript)| matches!(Session::read(transcript).not_connected, Some((ConnectFault::TimedOut, _))));
    let port_25 = talks.iter().all(|talk| talk.port == 25);
    if port_25 && all_timed_out && !tried.is_empty() {
        section.state = State::Unknown;
        section.findings.push(
            Finding::warning(
                "smtp.port-blocked",
                "Port 25 seems blocked from here: no host answers on it. Many networks block it; this says nothing about the servers.",
            )
            .with_fix("Try from a mail server or another network, or look at port 587 or 465 (HOST:587).")
            .with_evidence(tried.iter().map(|(id, _)| *id)),
        );
        section.findings.retain(|finding| finding.id != "smtp.no-connection");
    }
}

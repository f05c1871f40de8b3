//! What a dialogue tells by itself: refusals, delays, broken rules, a port that is blocked from here.

use crate::check::{ConnectFault, Outcome, Transcript, TranscriptEvent};
use crate::finding::{Finding, Severity};
use crate::report::{Section, State};
use crate::smtp::annotate::{SLOW, SLOW_BANNER};
use crate::smtp::capability;
use crate::smtp::session::{Exchange, Session, Verb};
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
    findings.extend(injected(transcript, &session, host).or_else(|| early(transcript, &session, host)));
    findings.into_iter().map(|finding| finding.with_evidence([lookup])).collect()
}

/// A server that answers, inside TLS, commands that came in the clear behind STARTTLS.
fn injected(transcript: &Transcript, session: &Session<'_>, host: &str) -> Option<Finding> {
    let events = || transcript.entries.iter().map(|entry| &entry.event).enumerate();
    let sent = |event: &TranscriptEvent| match event {
        TranscriptEvent::Sent { line, .. } => Some(Verb::parse(line)),
        _ => None,
    };
    let (tls, _) = events().find(|(_, event)| matches!(event, TranscriptEvent::TlsStarted(_)))?;
    let before = transcript.entries.get(..tls)?;
    let asked = before.iter().rposition(|entry| sent(&entry.event) == Some(Verb::StartTls))?;
    let behind = events().take(tls).skip(asked + 1).any(|(_, event)| sent(event).is_some());
    // It speaks first, or more often than it is asked; 421 is a server that has waited long enough.
    let spoke = events().skip(tls + 1).find_map(|(at, event)| match event {
        TranscriptEvent::Received { .. } => Some(at),
        other => sent(other).map(|_| 0),
    });
    let unasked = session.unasked.iter().copied().chain(spoke).filter(|at| *at > tls);
    let answers = unasked
        .filter_map(|at| transcript.entries.get(at))
        .any(|entry| matches!(&entry.event, TranscriptEvent::Received { line, .. } if !line.starts_with(b"421")));
    let text = format!(
        "{host} answers inside TLS to what was sent in the clear behind STARTTLS: whoever sits on the way can put commands of their own into a session."
    );
    (behind && answers).then(|| {
        Finding::error("smtp.starttls-injection", text)
            .with_fix(
                "Update the server: at STARTTLS it must forget what it has read and not yet answered (CVE-2011-0411).",
            )
            .with_reference("RFC 3207 §4.2")
    })
}

/// What the server says before it is asked.
fn early(transcript: &Transcript, session: &Session<'_>, host: &str) -> Option<Finding> {
    let behind_starttls = transcript.entries.iter().any(|entry| matches!(entry.event, TranscriptEvent::EarlyTalk(_)));
    if behind_starttls {
        let text = format!(
            "{host} sent bytes before it was its turn; after STARTTLS they are dropped, since anybody could have put them there."
        );
        return Some(Finding::warning("smtp.early-talk", text).with_reference("RFC 3207 §4.2"));
    }
    let first = session.unasked.first().and_then(|at| match &transcript.entries.get(*at)?.event {
        TranscriptEvent::Received { line, .. } => Some(line),
        _ => None,
    })?;
    let words = crate::untrusted::lossless(first);
    Some(if first.starts_with(b"421") {
        let text =
            format!("{host} closes with 421, unasked: it waited long enough, or is going down. It says: {words}");
        Finding::warning("smtp.closing", text).with_reference("RFC 5321 §3.8")
    } else {
        let count = session.unasked.len();
        let lines = if count == 1 { "a line".to_owned() } else { format!("{count} lines") };
        let text = format!(
            "{host} says {lines} that nothing was asked for (\"{words}\"): a client takes it for the answer to its next command."
        );
        Finding::warning("smtp.early-talk", text).with_reference("RFC 5321 §3.1")
    })
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
                format!("{host} refuses {} with {code}: {}", what(exchange), crate::smtp::codes::explain_from(&exchange.reply, host).unwrap_or(&words)),
            )),
            _ => {}
        }
        if exchange.verb == Verb::Banner && exchange.took().is_some_and(|took| took > SLOW_BANNER && took <= SLOW) {
            let seconds = exchange.took().unwrap_or_default().as_secs_f64();
            findings.push(Finding::info(
                "smtp.slow-banner",
                format!("{host} greets after {seconds:.1} s only: a slow server, or a pause on purpose that catches senders who do not wait."),
            ));
        }
        if exchange.took().is_some_and(|took| took > SLOW) {
            let seconds = exchange.took().unwrap_or_default().as_secs_f64();
            findings.push(Finding::info(
                "smtp.slow",
                format!("{host} took {seconds:.1} s for one reply: a tarpit, or a slow check of its own."),
            ));
        }
    }
    let refused = session.exchanges.iter().rfind(|one| one.verb.is_greeting());
    if let Some(exchange) =
        refused.filter(|one| one.reply.is_permanent() && session.greeting(false).is_none() && !session.mentions_lmtp())
    {
        let (code, words) = (exchange.reply.code().unwrap_or_default(), exchange.reply.text());
        findings.push(
            Finding::error(
                "smtp.greeting-refused",
                format!("{host} refuses {} with {code}: no mail from here. It says: {words}", exchange.verb.name()),
            )
            .with_fix("The server dislikes the name that was given (see --helo), or this client's address. Ask its postmaster, or try from your mail server.")
            .with_reference("RFC 5321 §4.1.4"),
        );
    }
    if let Some(other) = session.exchanges.first().and_then(|banner| other_protocol(&banner.reply.lines.first()?.text))
    {
        findings.push(
            Finding::error(
                "smtp.other-protocol",
                format!("What answers at {host} is no mail server that takes mail, but {other}."),
            )
            .with_fix(
                "Look at the port: 25 is for mail between servers, 587 and 465 for programs that send, 24 for LMTP.",
            )
            .with_reference("RFC 5321 §4.2"),
        );
    }
    let says_ehlo = session.exchanges.iter().any(|one| one.verb == Verb::Ehlo && one.reply.is_permanent());
    if says_ehlo && session.mentions_lmtp() {
        findings.push(
            Finding::warning(
                "smtp.speaks-lmtp",
                format!("{host} speaks LMTP, which is for delivery inside one site, and no SMTP."),
            )
            .with_fix("Look at it with --lmtp, or as lmtp://HOST:PORT.")
            .with_reference("RFC 2033 §5"),
        );
    }
    if session.silent {
        // A server that waits for our ClientHello says nothing either.
        let implicit = match session.exchanges.as_slice() {
            [only] if only.reply.lines.is_empty() => {
                " If TLS is expected from the first byte there, as on port 465, look with --tls implicit."
            }
            _ => "",
        };
        findings.push(
            Finding::warning(
                "smtp.silent",
                format!(
                    "{host} fell silent {}; we stopped waiting. A sender waits up to 5 minutes.{implicit}",
                    session.place()
                ),
            )
            .with_reference("RFC 5321 §4.5.3.2"),
        );
    }
    if let Some(why) = session.tls_broken {
        findings.push(
            Finding::error(
                "tls.broken",
                format!("TLS with {host} stands and breaks {}: {why}. A sender gives up and comes again later, into the same fault.", session.place()),
            )
            .with_fix("Look at what stands between the Internet and the server (a proxy, a filter, a load balancer), then at the server's own TLS log.")
            .with_reference("RFC 8446 §6.2"),
        );
    }
    // After a 421 or a 554 in the greeting it said so before.
    let said_so = session.exchanges.last().is_some_and(|last| last.reply.code() == Some(421));
    if let Some(how) = session.hung_up.filter(|_| !said_so) {
        findings.push(
            Finding::warning("smtp.hung-up", format!("{host} {} {}, without a 221.", how.words(), session.place()))
                .with_reference("RFC 5321 §3.8"),
        );
    }
    if let Some(why) = session.gave_up {
        findings.push(Finding::warning(
            "smtp.gave-up",
            format!("{host} sends more than mxray reads: it stopped {why}; what came until then is shown."),
        ));
    }
    let offers = session.capabilities(false);
    let warned = |wanted: fn(&str) -> bool| {
        let keyword = |line: &str| line.split([' ', '=']).next().unwrap_or_default().to_ascii_uppercase();
        let fits = |line: &&String| wanted(&keyword(line)) && capability::explain(line, false).1 == Severity::Warning;
        offers.iter().find(fits)
    };
    if let Some(line) = warned(|keyword| keyword == "AUTH") {
        findings.push(
            Finding::warning(
                "smtp.auth-in-clear",
                format!("{host} offers \"{line}\" before TLS: a password could be sent in the clear."),
            )
            .with_fix("Offer AUTH only inside TLS.")
            .with_reference("RFC 4954 §4"),
        );
    }
    if let Some(line) = warned(|keyword| matches!(keyword, "XCLIENT" | "XFORWARD")) {
        findings.push(
            Finding::warning(
                "smtp.proxy-offer",
                format!("{host} offers \"{line}\" to us: whoever may use it can pretend to come from any address."),
            )
            .with_fix("Offer it to your own proxies alone (Postfix: smtpd_authorized_xclient_hosts)."),
        );
    }
    findings
}

/// What a first line is that is not SMTP's, where it tells.
fn other_protocol(line: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 6] = [
        (b"HTTP/", "a web server"),
        (b"SSH-", "an SSH server"),
        (b"* OK", "an IMAP server"),
        (b"* BYE", "an IMAP server"),
        (b"+OK", "a POP3 server"),
        (b"\x15\x03", "a server that speaks TLS from the first byte (--tls implicit)"),
    ];
    known.iter().find(|(mark, _)| line.starts_with(mark)).map(|(_, words)| *words)
}

/// What was refused, in words.
fn what(exchange: &Exchange) -> String {
    match (exchange.verb, &exchange.recipient) {
        (Verb::Mail, _) => "the sender (MAIL FROM)".into(),
        (Verb::Rcpt, _) => "a recipient (RCPT TO)".into(),
        (_, Some(recipient)) => format!("the message for {recipient}"),
        (_, None) => "the message".into(),
    }
}

/// When none of several hosts answers on port 25, the fault is more likely here than there (cases.md 136). One silent host
/// may be dead: that is said by its own finding.
pub(super) fn blocked_port(talks: &[Talk<'_>], section: &mut Section) {
    let fault = |talk: &Talk<'_>| {
        let (_, transcript) = talk.said.filter(|(_, transcript)| transcript.finished)?;
        Some(Session::read(transcript).not_connected.map(|(fault, _)| fault))
    };
    let tried: Vec<(&Talk<'_>, Option<ConnectFault>)> =
        talks.iter().filter_map(|talk| fault(talk).map(|fault| (talk, fault))).collect();
    // An address family without a route from here says nothing either way.
    let judged: Vec<_> = tried.iter().filter(|(_, fault)| *fault != Some(ConnectFault::Unreachable)).collect();
    let silent = judged.iter().all(|(_, fault)| *fault == Some(ConnectFault::TimedOut));
    let mut hosts: Vec<&str> = judged.iter().map(|(talk, _)| talk.host.as_str()).collect();
    hosts.dedup();
    if !silent || hosts.len() < 2 || talks.iter().any(|talk| talk.port != 25) {
        return;
    }
    section.state = State::Unknown;
    section.findings.retain(|finding| finding.id != "smtp.no-connection");
    section.findings.push(
        Finding::warning(
            "smtp.port-blocked",
            format!(
                "Port 25 seems blocked from here: none of {} hosts answers on it. Many networks block it; this says nothing about the servers.",
                hosts.len()
            ),
        )
        .with_fix("Try from a mail server or another network, or look at port 587 or 465 (HOST:587).")
        .with_evidence(judged.iter().filter_map(|(talk, _)| talk.said.map(|(id, _)| id))),
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::{Transcript, TranscriptEntry};
    use crate::report::LookupId;

    fn ended(fault: ConnectFault) -> Transcript {
        let event = TranscriptEvent::NotConnected(fault, "a test's reason".into());
        Transcript { entries: vec![TranscriptEntry { at: Duration::ZERO, tls: false, event }], finished: true }
    }

    fn ids(hosts: &[(&str, u16, ConnectFault)]) -> Vec<&'static str> {
        let transcripts: Vec<Transcript> = hosts.iter().map(|(_, _, fault)| ended(*fault)).collect();
        let talks: Vec<Talk<'_>> = hosts
            .iter()
            .zip(&transcripts)
            .map(|((host, port, _), transcript)| Talk {
                preference: Some(10),
                host: (*host).to_owned(),
                port: *port,
                dialogue: None,
                said: Some((LookupId(1), transcript)),
                no_address: None,
                lookups: Vec::new(),
            })
            .collect();
        let mut section = Section::new("transcript", "Dialogue");
        section.findings = talks.iter().flat_map(findings).collect();
        blocked_port(&talks, &mut section);
        section.findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn a_blocked_port_is_not_a_server_that_is_down() {
        use ConnectFault::{Refused, TimedOut, Unreachable};
        assert_eq!(ids(&[("a", 25, TimedOut), ("b", 25, TimedOut)]), ["smtp.port-blocked"]);
        assert!(!ids(&[("a", 25, TimedOut)]).contains(&"smtp.port-blocked"), "one silent host may be dead");
        assert!(!ids(&[("a", 25, TimedOut), ("b", 25, Refused)]).contains(&"smtp.port-blocked"));
        assert!(!ids(&[("a", 587, TimedOut), ("b", 587, TimedOut)]).contains(&"smtp.port-blocked"));
        assert!(
            ids(&[("a", 25, TimedOut), ("a", 25, Unreachable), ("b", 25, TimedOut)]).contains(&"smtp.port-blocked")
        );
    }

    /// The findings on a dialogue, as `id: text`.
    fn told_of(text: &str) -> Vec<String> {
        let t = crate::smtp::session::tests::transcript(text);
        let talk = Talk {
            preference: None,
            host: "mail.example".into(),
            port: 25,
            dialogue: None,
            said: Some((LookupId(1), &t)),
            no_address: None,
            lookups: Vec::new(),
        };
        findings(&talk).iter().map(|finding| format!("{}: {}", finding.id, finding.text)).collect()
    }

    #[test]
    fn an_offer_to_proxies_is_no_password_in_the_clear() {
        let told = told_of("*connect\nS: 220 hi\nC: EHLO me\nS: 250-x\nS: 250-XCLIENT NAME ADDR\nS: 250 HELP");
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("smtp.proxy-offer") && !told[0].contains("password"), "{told:?}");
        let both = told_of("*connect\nS: 220 hi\nC: EHLO me\nS: 250-x\nS: 250-XCLIENT NAME ADDR\nS: 250 AUTH PLAIN");
        assert!(both.iter().any(|one| one.starts_with("smtp.auth-in-clear") && one.contains("AUTH PLAIN")), "{both:?}");
    }

    #[test]
    fn a_server_that_keeps_what_stood_behind_starttls_is_told() {
        let sent = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 STARTTLS\nC: STARTTLS\nC: NOOP\nS: 220 go\n*tls";
        let keeps = told_of(&format!("{sent}\nS: 250 ok\nC: EHLO me\nS: 250 mail"));
        assert!(keeps.len() == 1 && keeps[0].starts_with("smtp.starttls-injection"), "{keeps:?}");
        let later = told_of(&format!("{sent}\nC: QUIT\nS: 250 ok\nS: 221 bye"));
        assert!(later.iter().any(|one| one.starts_with("smtp.starttls-injection")), "{later:?}");
        assert_eq!(told_of(&format!("{sent}\nC: EHLO me\nS: 250 mail")), Vec::<String>::new());
        assert!(!told_of(&format!("{sent}\nC: EHLO me\nS: 250 mail\nS: 421 idle"))[0].contains("injection"));
    }

    #[test]
    fn another_protocol_is_named_and_a_refused_greeting_is_told() {
        for (line, words) in [
            ("HTTP/1.1 400 Bad Request", "a web server"),
            ("SSH-2.0-OpenSSH_9.2", "an SSH server"),
            ("* OK IMAP4rev1 ready", "an IMAP server"),
            ("+OK POP3 ready", "a POP3 server"),
        ] {
            let told = told_of(&format!("*connect\nS: {line}\n*closed"));
            assert!(told.iter().any(|one| one.starts_with("smtp.other-protocol") && one.contains(words)), "{told:?}");
        }
        let refused = told_of(
            "*connect\nS: 220 hi\nC: EHLO me\nS: 550 5.7.1 bad name\nC: HELO me\nS: 550 5.7.1 bad name\nC: QUIT\nS: 221 bye",
        );
        assert!(refused[0].starts_with("smtp.greeting-refused: mail.example refuses HELO with 550"), "{refused:?}");
        let helo = told_of("*connect\nS: 220 hi\nC: EHLO me\nS: 502 no\nC: HELO me\nS: 250 hi\nC: QUIT\nS: 221 bye");
        assert!(helo.is_empty(), "{helo:?}");
    }

    #[test]
    fn silence_before_the_greeting_may_be_a_server_that_waits_for_tls() {
        let first = told_of("*connect\n*silence");
        assert!(first[0].contains("--tls implicit"), "{first:?}");
        let later = told_of("*connect\nS: 220 hi\nC: EHLO me\n*silence");
        assert!(!later[0].contains("--tls implicit"), "{later:?}");
    }

    #[test]
    fn what_nobody_asked_for_is_no_part_of_the_answer_before() {
        let early = "*connect\nS: 220 hi\nC: EHLO me\nS: 250-x\nS: 250 HELP\nS: 250 and one thing more";
        let told = told_of(early);
        assert!(told[0].starts_with("smtp.early-talk") && told[0].contains("and one thing more"), "{told:?}");
        let closing = told_of("*connect\nS: 220 hi\nC: EHLO me\nS: 250 x\nS: 421 4.4.2 idle too long\n*closed");
        assert!(closing.iter().any(|one| one.starts_with("smtp.closing")), "{closing:?}");
    }
}

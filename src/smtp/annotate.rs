//! Each line of a dialogue in a sentence, and what is wrong with it. Pure: a live dialogue, a saved one and a pasted text
//! read the same.

use std::collections::HashSet;
use std::time::Duration;

use crate::check::{ConnectFault, LineEnding, Stage, TlsSession, Transcript, TranscriptEvent};
use crate::finding::Severity;
use crate::smtp::capability;
use crate::smtp::codes;
use crate::smtp::reply::ReplyLine;
use crate::smtp::session::{Exchange, Session, Verb};
use crate::untrusted::lossless;

/// A reply that takes longer than this is called slow; patient senders wait minutes (RFC 5321 §4.5.3.2).
pub const SLOW: Duration = Duration::from_secs(5);

/// A greeting that takes longer than this is worth a word: many servers pause there on purpose.
pub const SLOW_BANNER: Duration = Duration::from_secs(1);

/// What one entry of a transcript means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// A sentence, or nothing where there is nothing to add.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
}

impl Note {
    fn new(severity: Severity, text: impl Into<String>) -> Note {
        Note { text: text.into(), severity }
    }

    fn ok(text: impl Into<String>) -> Note {
        Note::new(Severity::Ok, text)
    }
}

/// One note an entry, in the transcript's order. `host` is the name that the server should bear; empty when not known.
pub fn annotate(transcript: &Transcript, host: &str) -> Vec<Note> {
    let session = Session::read(transcript);
    let mut exchanges = session.exchanges.iter().peekable();
    let clear = session.capabilities(false).iter().map(|line| line.to_ascii_lowercase()).collect();
    let mut state = State { host, clear, greeted: false, mail: false, recipients: 0 };
    let mut answering: std::collections::VecDeque<(&Exchange, usize)> = std::collections::VecDeque::new();
    let mut notes = Vec::with_capacity(transcript.entries.len());
    for (at, entry) in transcript.entries.iter().enumerate() {
        let ahead: Vec<Verb> = answering.iter().map(|(exchange, _)| exchange.verb).collect();
        let begun = exchanges.next_if(|exchange| exchange.entry == at);
        answering.extend(begun.map(|exchange| (exchange, 0)));
        // In LMTP a message begins one exchange for each recipient.
        while let Some(exchange) = exchanges.next_if(|exchange| exchange.entry == at) {
            answering.push_back((exchange, 0));
        }
        let note = match &entry.event {
            TranscriptEvent::Connected { .. } => Note::ok("the connection stands; the server speaks first"),
            TranscriptEvent::NotConnected(fault, why) => not_connected(*fault, why),
            TranscriptEvent::Sent { line, masked } => {
                let mut note = match begun {
                    Some(exchange) => {
                        let note = state.after(&ahead).command(exchange.verb, line, entry.tls);
                        ahead_of_replies(note, &ahead, session.offers(entry.tls, "PIPELINING"))
                    }
                    None if line.starts_with(b".") => Note::new(
                        Severity::Warning,
                        "a line of the message; the server takes its first dot away (nothing is dot-stuffed by hand)",
                    ),
                    None => Note::ok("a line of the message"),
                };
                if *masked {
                    note.text =
                        format!("{}{}the secret is masked", note.text, if note.text.is_empty() { "" } else { "; " });
                }
                note
            }
            TranscriptEvent::SentMessage { bytes } => {
                Note::ok(format!("the message, {bytes} bytes with dot-stuffing and the final dot"))
            }
            TranscriptEvent::Received { line, ending } => {
                // What never gets a reply waits for none.
                while answering.pop_front_if(|(exchange, number)| *number >= exchange.reply.lines.len()).is_some() {}
                let note = match answering.front_mut() {
                    Some((exchange, number)) => {
                        let note = state.line(exchange, *number, line);
                        *number += 1;
                        note
                    }
                    None => Note::new(Severity::Warning, "a line that nothing was asked for"),
                };
                let done = |(exchange, number): &mut (&Exchange, usize)| *number >= exchange.reply.lines.len();
                if let Some((exchange, _)) = answering.pop_front_if(done) {
                    state.answered(exchange);
                }
                line_end(note, *ending)
            }
            TranscriptEvent::TlsStarted(tls) => {
                answering.retain(|(exchange, number)| *number < exchange.reply.lines.len());
                encrypted(tls)
            }
            TranscriptEvent::TlsFailed(_, why) => {
                Note::new(Severity::Error, format!("the TLS handshake failed: {why}"))
            }
            TranscriptEvent::TlsBroken(why) => {
                Note::new(Severity::Error, format!("TLS broke after its handshake, and a sender gives up here: {why}"))
            }
            TranscriptEvent::Silence(waited) => Note::new(
                Severity::Warning,
                format!(
                    "nothing came for {:.1} s; real senders wait up to 5 minutes (RFC 5321 §4.5.3.2)",
                    waited.as_secs_f64()
                ),
            ),
            TranscriptEvent::EarlyTalk(bytes) => Note::new(
                Severity::Warning,
                format!("{} bytes came before it was the server's turn; they are dropped (RFC 3207 §4.2)", bytes.len()),
            ),
            TranscriptEvent::Closed { by_server: true, reset } => {
                let polite =
                    session.exchanges.last().is_some_and(|last| last.verb == Verb::Quit && last.reply.complete);
                match (polite, reset) {
                    (true, _) => Note::ok("the server closed after QUIT, as it should"),
                    (false, true) => Note::new(Severity::Warning, "the server reset the connection"),
                    (false, false) => Note::new(Severity::Warning, "the server closed without a 221"),
                }
            }
            TranscriptEvent::Closed { by_server: false, .. } => Note::ok("we closed"),
            TranscriptEvent::GaveUp(why) => Note::new(Severity::Warning, format!("mxray stopped here: {why}")),
            TranscriptEvent::Withheld(_) => {
                Note::new(Severity::Warning, "the rest of what was pasted; nothing of it went out")
            }
        };
        notes.push(note);
    }
    notes
}

/// What is known while the lines are walked through.
struct State<'a> {
    host: &'a str,
    /// What was offered in the clear, in lower case.
    clear: HashSet<String>,
    greeted: bool,
    mail: bool,
    recipients: usize,
}

impl State<'_> {
    /// The state that the commands on their way make, if the server takes them.
    fn after(&self, ahead: &[Verb]) -> State<'_> {
        State {
            host: self.host,
            clear: HashSet::new(),
            greeted: self.greeted || ahead.iter().any(|verb| verb.is_greeting()),
            mail: self.mail || ahead.contains(&Verb::Mail),
            recipients: self.recipients + usize::from(ahead.contains(&Verb::Rcpt)),
        }
    }

    /// A command against the state: told, never forbidden.
    fn command(&self, verb: Verb, line: &[u8], tls: bool) -> Note {
        let order = |wrong: bool, why: &str, right: &str| {
            if wrong { Note::new(Severity::Warning, why) } else { Note::ok(right) }
        };
        match verb {
            Verb::Ehlo | Verb::Lhlo if tls => {
                Note::ok("greets again: what was said before TLS does not count (RFC 3207 §4.2)")
            }
            Verb::Lhlo => Note::ok("greets in LMTP (RFC 2033): each recipient will get an answer of its own"),
            Verb::Ehlo => Note::ok("greets, and asks what the server can do"),
            Verb::Helo => Note::ok("greets the old way: no extensions"),
            Verb::StartTls => order(tls, "TLS stands already", "asks to encrypt; a command, answered by 220"),
            Verb::Auth => order(!tls, "logs in without TLS: everybody on the way can read it", "logs in"),
            Verb::AuthStep => order(!tls, "part of the login, without TLS", "part of the login"),
            Verb::Mail if self.mail => Note::new(Severity::Warning, "a second MAIL in one transaction: expect 503"),
            Verb::Mail => path(
                line,
                self.greeted,
                "MAIL before a greeting: expect 503",
                "the envelope's sender: bounces go there, and SPF checks it",
            ),
            Verb::Rcpt => path(line, self.mail, "RCPT before MAIL: expect 503", "a recipient of the envelope"),
            Verb::Data => order(
                self.recipients == 0,
                "DATA without an accepted recipient: expect 503 or 554",
                "asks to send the message",
            ),
            Verb::Bdat => Note::ok("a chunk of the message (RFC 3030)"),
            Verb::Rset => Note::ok("forgets the transaction"),
            Verb::Noop => Note::ok("does nothing, to see whether the server is there"),
            Verb::Vrfy => Note::ok("asks whether a mailbox exists"),
            Verb::Expn => Note::ok("asks who is on a list"),
            Verb::Help => Note::ok("asks for help"),
            Verb::Quit => Note::ok("says goodbye"),
            Verb::Banner | Verb::Message => Note::ok(""),
            Verb::Other => Note::new(Severity::Info, "a command that SMTP does not define: expect 500"),
        }
    }

    /// A line of a reply.
    fn line(&self, exchange: &Exchange, number: usize, raw: &[u8]) -> Note {
        let line = ReplyLine::parse(raw);
        // A problem that needs its reply (another code) was found when the reply was put together.
        let problem = exchange.reply.lines.get(number).and_then(|known| known.problem).or(line.problem);
        if let Some(problem) = problem {
            return Note::new(Severity::Warning, format!("this line {}", problem.words()));
        }
        let text = lossless(&line.text).into_owned();
        if number == 0 && exchange.reply.is_positive() {
            match exchange.verb {
                Verb::Banner => return self.names_itself("ready", &text),
                Verb::Ehlo | Verb::Helo | Verb::Lhlo => return self.names_itself("greets back", &text),
                _ => {}
            }
        }
        if number > 0 && matches!(exchange.verb, Verb::Ehlo | Verb::Lhlo) && exchange.reply.is_positive() {
            let (mut words, severity) = capability::explain(&text, exchange.tls);
            let is_new = !self.clear.is_empty() && !self.clear.contains(&text.trim().to_ascii_lowercase());
            if exchange.tls && is_new {
                words.push_str(" (new inside TLS)");
            }
            return Note::new(severity, words);
        }
        if line.more {
            return Note::ok("");
        }
        let severity = match line.code {
            Some(200..400) => Severity::Ok,
            Some(400..500) => Severity::Info,
            _ => Severity::Warning,
        };
        let mut words =
            codes::explain_from(&exchange.reply, self.host).unwrap_or("a code that mxray does not know").to_owned();
        if let Some(recipient) = &exchange.recipient {
            words = format!("for {recipient}: {words}");
        }
        if exchange.verb.stage() == Stage::RcptTo
            && exchange.reply.is_transient()
            && text.to_ascii_lowercase().contains("grey")
        {
            words = "greylisting: a first-time sender is asked to come again in some minutes; real servers do".into();
        }
        if exchange.took().is_some_and(|took| took > SLOW) {
            words = format!(
                "{words}; it took {:.1} s: a tarpit, or a slow check",
                exchange.took().unwrap_or_default().as_secs_f64()
            );
        }
        Note::new(severity, words)
    }

    fn names_itself(&self, verb: &str, text: &str) -> Note {
        let own = text.split_whitespace().next().unwrap_or_default().trim_end_matches('.');
        let is_address = self.host.parse::<std::net::IpAddr>().is_ok();
        if self.host.is_empty() || is_address || own.is_empty() {
            return Note::ok(format!("{verb}; names itself {own}"));
        }
        if own.eq_ignore_ascii_case(self.host) {
            return Note::ok(format!("{verb}; names itself as the MX does"));
        }
        Note::ok(format!("{verb}; names itself {own}, which is not {}: common behind load balancers", self.host))
    }

    fn answered(&mut self, exchange: &Exchange) {
        let positive = exchange.reply.is_positive();
        match exchange.verb {
            Verb::Ehlo | Verb::Helo | Verb::Lhlo if positive => {
                (self.greeted, self.mail, self.recipients) = (true, false, 0);
            }
            Verb::Mail if positive => self.mail = true,
            Verb::Rcpt if positive => self.recipients += 1,
            Verb::Rset | Verb::Message => (self.mail, self.recipients) = (false, 0),
            _ => {}
        }
    }
}

/// A command that was sent before the replies to those `ahead` of it had come.
fn ahead_of_replies(note: Note, ahead: &[Verb], offered: bool) -> Note {
    let told = |words: String| Note::new(note.severity.max(Severity::Warning), join(&note.text, &words));
    match ahead.iter().find(|verb| verb.ends_group()) {
        Some(Verb::Banner) => told("sent before the greeting, which many servers take for a sign of spam".into()),
        Some(Verb::StartTls) => {
            told("sent in the clear behind STARTTLS: a good server forgets it (RFC 3207 §4.2)".into())
        }
        Some(verb) => {
            told(format!("sent before the reply to {}, which must be the last of a group (RFC 2920 §3.1)", verb.name()))
        }
        None if ahead.is_empty() => note,
        None if offered => Note { text: join(&note.text, "pipelined"), ..note },
        None => {
            told("sent before the reply to the command before it, and PIPELINING was not offered (RFC 2920)".into())
        }
    }
}

/// A MAIL or RCPT command: its order, then the lengths of its path (RFC 5321 §4.5.3.1).
fn path(line: &[u8], in_order: bool, wrong: &str, right: &str) -> Note {
    if !in_order {
        return Note::new(Severity::Warning, wrong);
    }
    let text = lossless(line);
    let inside = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inside, _)| inside);
    let Some(inside) = inside else {
        return Note::new(Severity::Warning, "the address must stand in <angle brackets> (RFC 5321 §4.1.1.2)");
    };
    let (local, domain) = inside.rsplit_once('@').unwrap_or((inside, ""));
    if local.len() > 64 {
        return Note::new(Severity::Warning, "the local part is longer than 64 octets (RFC 5321 §4.5.3.1.1)");
    }
    if domain.len() > 255 || inside.len() > 254 {
        return Note::new(Severity::Warning, "the path is longer than 256 octets (RFC 5321 §4.5.3.1.3)");
    }
    if inside.is_empty() { Note::ok("the null sender: a bounce, which must not be bounced") } else { Note::ok(right) }
}

fn encrypted(tls: &TlsSession) -> Note {
    match &tls.pkix {
        Ok(()) => Note::ok(format!("encrypted; the certificate is good for {}", tls.checked_name)),
        Err(fault) => {
            let why = super::certificate::why(fault, tls);
            Note::new(Severity::Warning, format!("encrypted; {why}; a sender that does not check goes on, as we do"))
        }
    }
}

fn not_connected(fault: ConnectFault, why: &str) -> Note {
    let words = match fault {
        ConnectFault::Refused => "the host is up and nothing listens on this port",
        ConnectFault::TimedOut => "nobody answered: a dead host, or port 25 is blocked from here (many networks do)",
        ConnectFault::Unreachable => "there is no route from here",
        ConnectFault::Other => "no connection",
    };
    Note::new(Severity::Error, format!("{words} ({why})"))
}

fn line_end(note: Note, ending: LineEnding) -> Note {
    match ending {
        LineEnding::CrLf => note,
        LineEnding::Lf => Note::new(
            note.severity.max(Severity::Warning),
            join(&note.text, "the line ends with a bare LF, not CR LF (RFC 5321 §2.3.8)"),
        ),
        LineEnding::Cut => {
            Note::new(note.severity.max(Severity::Warning), join(&note.text, "the line is longer than mxray shows"))
        }
        LineEnding::None => Note::new(
            note.severity.max(Severity::Warning),
            join(&note.text, "the connection ended in the middle of the line"),
        ),
    }
}

fn join(one: &str, two: &str) -> String {
    if one.is_empty() { two.to_owned() } else { format!("{one}; {two}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::session::tests::transcript;

    fn notes(text: &str) -> Vec<String> {
        annotate(&transcript(text), "mail.example").into_iter().map(|note| note.text).collect()
    }

    #[test]
    fn each_line_of_a_good_session_has_its_sentence() {
        let notes = notes(
            "*connect\nS: 220 mail.example ESMTP\nC: EHLO me\nS: 250-mail.example\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 2.0.0 go\n*tls\nC: EHLO me\nS: 250-mail.example\nS: 250 AUTH PLAIN\nC: QUIT\nS: 221 2.0.0 bye\n*closed",
        );
        assert_eq!(notes[1], "ready; names itself as the MX does");
        assert!(notes[4].contains("can encrypt"));
        assert!(notes[7].contains("good for mail.example"));
        assert!(notes[10].contains("inside TLS: good (new inside TLS)"));
        assert!(notes[13].contains("after QUIT"));
    }

    #[test]
    fn commands_out_of_order_are_told() {
        let notes = notes(
            "*connect\nS: 220 hi\nC: MAIL FROM:<a@b>\nS: 503 no\nC: EHLO me\nS: 250 x\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: MAIL FROM:<a@b>\nS: 503 no\nC: DATA\nS: 503 no",
        );
        assert!(notes[2].contains("before a greeting"));
        assert!(notes[8].contains("second MAIL"));
        assert!(notes[10].contains("without an accepted recipient"));
    }

    #[test]
    fn commands_ahead_of_their_replies_are_told_by_the_rules_of_pipelining() {
        let greeted = "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 PIPELINING";
        let group = "C: MAIL FROM:<a@b>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go";
        let told = notes(&format!("{greeted}\n{group}"));
        assert!(told[5].starts_with("the envelope's sender") && !told[5].contains("pipelined"), "{told:?}");
        assert_eq!(told[6..8], ["a recipient of the envelope; pipelined", "asks to send the message; pipelined"]);
        let alone = notes(&format!("{}\n{group}", greeted.replace("PIPELINING", "HELP")));
        assert!(alone[6].contains("PIPELINING was not offered"), "{alone:?}");
        let told = notes(&format!("{greeted}\nC: NOOP\nC: MAIL FROM:<a@b>\nS: 250 ok\nS: 250 ok"));
        assert!(told[6].contains("before the reply to NOOP, which must be the last of a group"), "{told:?}");
        assert!(notes("*connect\nC: EHLO me\nS: 220 hi\nS: 250 x")[1].contains("before the greeting"));
        let told =
            notes("*connect\nS: 220 hi\nC: EHLO me\nS: 250 STARTTLS\nC: STARTTLS\nC: NOOP\nS: 220 go\n*tls\nS: 250 ok");
        assert!(told[5].contains("behind STARTTLS") && told[8] == "a line that nothing was asked for", "{told:?}");
    }

    #[test]
    fn overlong_paths_are_flagged() {
        let long = format!("*connect\nS: 220 hi\nC: EHLO me\nS: 250 x\nC: MAIL FROM:<{}@b>\nS: 250 ok", "a".repeat(65));
        assert!(notes(&long)[4].contains("64 octets"));
        let long =
            format!("*connect\nS: 220 hi\nC: EHLO me\nS: 250 x\nC: MAIL FROM:<a@{}>\nS: 250 ok", "b".repeat(260));
        assert!(notes(&long)[4].contains("256 octets"));
    }

    #[test]
    fn greylisting_and_hanging_up_are_named() {
        let notes = notes(
            "*connect\nS: 220 hi\nC: EHLO me\nS: 250 x\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 450 4.2.0 Greylisted, come back\n*closed",
        );
        assert!(notes[7].contains("greylisting"));
        assert!(notes[8].contains("without a 221"));
    }
}

//! Hands on: what a person may type next, and what they typed. Told, never forbidden.

use crate::check::{Transcript, TranscriptEvent};
use crate::smtp::session::{Session, Verb, path};

/// The name that Tab puts into EHLO; the person may write any other.
pub const OUR_NAME: &str = "localhost.localdomain";

/// Lines that would make sense now, the likeliest first: what Tab goes through.
pub fn next_lines(transcript: &Transcript, ehlo: &str) -> Vec<String> {
    let session = Session::read(transcript);
    let tls = session.tls.is_some();
    let Some(greeted) = session.greeting(tls) else {
        let mut verbs = ["EHLO", "HELO", "LHLO"];
        if session.mentions_lmtp() {
            verbs.rotate_right(1);
        }
        return verbs.iter().map(|verb| format!("{verb} {ehlo}")).chain(["QUIT".into()]).collect();
    };
    let last = session.exchanges.last().map_or(Verb::Banner, |exchange| exchange.verb);
    let mut lines: Vec<String> = Vec::new();
    if !tls && session.offers(false, "STARTTLS") && session.last(Verb::StartTls).is_none() {
        lines.push("STARTTLS".into());
    }
    let accepted =
        |verb| session.exchanges.iter().any(|e| e.verb == verb && e.entry > greeted.entry && e.reply.is_positive());
    match last {
        Verb::Rcpt if accepted(Verb::Rcpt) => lines.extend(["DATA".into(), "RCPT TO:<".into()]),
        Verb::Mail if accepted(Verb::Mail) => lines.push("RCPT TO:<".into()),
        _ => lines.push("MAIL FROM:<".into()),
    }
    for offer in session.capabilities(tls) {
        let mut words = offer.split([' ', '=']);
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("AUTH") => lines.extend(words.map(|mechanism| format!("AUTH {mechanism}"))),
            Some("VRFY") => lines.push("VRFY ".into()),
            Some("EXPN") => lines.push("EXPN ".into()),
            Some("ETRN") => lines.push("ETRN ".into()),
            Some("HELP") => lines.push("HELP".into()),
            _ => {}
        }
    }
    lines.extend(["RSET", "NOOP", "QUIT"].map(str::to_owned));
    let mut once: Vec<String> = Vec::new();
    for line in lines {
        if !once.contains(&line) {
            once.push(line);
        }
    }
    once
}

/// The next completion of what stands on the line: Tab goes through those that begin with what was `typed`.
pub fn complete(typed: &str, shown: &str, lines: &[String]) -> Option<String> {
    let begins = |line: &&String| line.get(..typed.len()).is_some_and(|head| head.eq_ignore_ascii_case(typed));
    let fitting: Vec<&String> = lines.iter().filter(begins).collect();
    let at = fitting.iter().position(|line| line.as_str() == shown).map_or(0, |at| at + 1);
    fitting.get(at).or(fitting.first()).map(|line| (*line).clone())
}

/// Whether the server waits for a secret, or is about to: what is typed now must not be shown.
pub fn awaits_secret(transcript: &Transcript) -> bool {
    let session = Session::read(transcript);
    session.exchanges.last().is_some_and(|last| {
        matches!(last.verb, Verb::Auth | Verb::AuthStep) && (!last.is_complete() || last.reply.code() == Some(334))
    })
}

/// Whether the server waits for a message after DATA.
pub fn awaits_message(transcript: &Transcript) -> bool {
    let session = Session::read(transcript);
    // What comes unasked behind the 354 is a 421: it has stopped waiting.
    let (entry, waits) = match session.exchanges.last() {
        Some(last) => (last.entry, last.verb == Verb::Data && last.reply.code() == Some(354)),
        None => return false,
    };
    waits && !session.closed && !session.unasked.iter().any(|unasked| *unasked > entry)
}

/// The envelope so far, for the screen that asks before a message goes out: sender and accepted recipients.
pub fn envelope(transcript: &Transcript) -> (String, Vec<String>) {
    let session = Session::read(transcript);
    let sender = session.last(Verb::Mail).and_then(|mail| match &transcript.entries.get(mail.entry)?.event {
        TranscriptEvent::Sent { line, .. } => path(line),
        _ => None,
    });
    let (sender, recipients) = (sender.unwrap_or_default(), session.accepted(transcript));
    (sender, recipients)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::session::tests::transcript;

    #[test]
    fn tab_offers_what_the_server_offered() {
        let greeted = "*connect\nS: 220 hi\nC: EHLO me\nS: 250-x\nS: 250-STARTTLS\nS: 250 AUTH PLAIN LOGIN";
        let lines = next_lines(&transcript(greeted), "me.example");
        assert_eq!(lines[..4], ["STARTTLS", "MAIL FROM:<", "AUTH PLAIN", "AUTH LOGIN"]);
        assert_eq!(next_lines(&transcript("*connect\nS: 220 hi"), "me.example")[0], "EHLO me.example");
        let first = complete("au", "au", &lines).unwrap();
        assert_eq!((first.as_str(), complete("au", &first, &lines).unwrap().as_str()), ("AUTH PLAIN", "AUTH LOGIN"));
        assert_eq!(complete("zz", "zz", &lines), None);
    }

    #[test]
    fn secrets_and_messages_are_expected_at_the_right_time() {
        let auth = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 AUTH PLAIN\nC: AUTH PLAIN\nS: 334 ";
        assert!(awaits_secret(&transcript(auth)));
        assert!(!awaits_secret(&transcript(&format!("{auth}\nC: ********\nS: 235 ok"))));
        let data = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 x\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: RCPT TO:<e@f>\nS: 550 no\nC: DATA\nS: 354 go";
        assert!(awaits_message(&transcript(data)));
        assert_eq!(envelope(&transcript(data)), ("a@b".to_owned(), vec!["c@d".to_owned()]));
        let lines =
            format!("{data}\nC: Subject: x\nC: \nC: QUIT is a word here\nC: .\nS: 250 queued\nC: QUIT\nS: 221 bye");
        let t = transcript(&lines);
        let session = Session::read(&t);
        assert_eq!(session.last(Verb::Message).unwrap().reply.code(), Some(250));
        assert_eq!(
            session.exchanges.iter().filter(|e| e.verb == Verb::Quit).count(),
            1,
            "lines of a message are no commands"
        );
    }
}

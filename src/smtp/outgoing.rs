//! A message that is about to go out by DATA: the draft that an editor opens, and what the screen says before anything is
//! sent. What the server offered, and what MAIL promised, decide which warnings stand there: told, never forbidden.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::check::{Transcript, TranscriptEvent};
use crate::smtp::capability::human_size;
use crate::smtp::dot::stuffed;
use crate::smtp::session::{Session, Verb};
use crate::smtp::typed::envelope;

/// The longest line of a message without its line end (RFC 5321 §4.5.3.1.6).
const MAX_LINE: usize = 998;

/// The message that an editor opens first: the header fields that a message must have (RFC 5322 §3.6), from the envelope.
pub fn draft(transcript: &Transcript, now: OffsetDateTime) -> String {
    let (sender, recipients) = envelope(transcript);
    let sender = if sender.is_empty() { "mailer-daemon@localhost" } else { &sender };
    let date = now.format(&Rfc2822).unwrap_or_default();
    format!("From: {sender}\nTo: {}\nSubject: \nDate: {date}\n\n", recipients.join(", "))
}

/// What sending a message comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its bytes as they were written.
    pub bytes: usize,
    /// Its bytes on the wire, the final dot included.
    pub on_wire: usize,
    /// Lines that get a dot more, because they begin with one.
    pub dotted: usize,
    /// Line ends that become CR LF.
    pub mended: usize,
    /// What may go wrong.
    pub warnings: Vec<String>,
}

impl Outgoing {
    /// Reads a message against the dialogue that it would go out in.
    pub fn read(message: &[u8], transcript: &Transcript) -> Outgoing {
        let session = Session::read(transcript);
        let wire = stuffed(message);
        let lines = || wire.strip_suffix(b".\r\n").unwrap_or_default().split(|byte| *byte == b'\n');
        let whole = message.windows(2).filter(|pair| pair == b"\r\n").count();
        let ends = wire.iter().filter(|byte| **byte == b'\n').count() - 1;
        Outgoing {
            bytes: message.len(),
            on_wire: wire.len(),
            dotted: lines().filter(|line| line.starts_with(b"..")).count(),
            mended: ends - whole.min(ends),
            warnings: warnings(message, &wire, &session, mail_line(transcript, &session).as_deref()),
        }
    }

    /// What is done to the message on the way, in a sentence.
    pub fn changes(&self) -> String {
        let count = |n: usize, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
        let mut parts = Vec::new();
        if self.dotted > 0 {
            let lines = count(self.dotted, "line that begins with a dot gets", "lines that begin with a dot get");
            parts.push(format!("{lines} another one, which the server takes away"));
        }
        if self.mended > 0 {
            parts.push(format!("{} CR LF", count(self.mended, "line end becomes", "line ends become")));
        }
        let size = format!("{} bytes, {} on the wire with the final dot", self.bytes, self.on_wire);
        if parts.is_empty() {
            format!("{size}; nothing in it is changed.")
        } else {
            format!("{size}; {}.", parts.join("; "))
        }
    }
}

/// The MAIL command of the transaction, in upper case.
fn mail_line(transcript: &Transcript, session: &Session<'_>) -> Option<String> {
    match &transcript.entries.get(session.last(Verb::Mail)?.entry)?.event {
        TranscriptEvent::Sent { line, .. } => Some(String::from_utf8_lossy(line).to_ascii_uppercase()),
        _ => None,
    }
}

fn warnings(message: &[u8], wire: &[u8], session: &Session<'_>, mail: Option<&str>) -> Vec<String> {
    let tls = session.tls.is_some();
    let promised = |parameter: &str| mail.is_some_and(|line| line.split(' ').any(|word| word == parameter));
    let mut warnings = Vec::new();
    let limit = session.capabilities(tls).iter().find_map(|line| {
        let (keyword, limit) = line.split_once(' ')?;
        let limit = limit.trim().parse::<usize>().ok().filter(|limit| *limit > 0)?;
        keyword.eq_ignore_ascii_case("SIZE").then_some(limit)
    });
    // The final dot and the dots that were added do not count (RFC 1870 §4).
    let size = wire.len().saturating_sub(3);
    if let Some(limit) = limit.filter(|limit| size > *limit) {
        let limit = human_size(u64::try_from(limit).unwrap_or(u64::MAX));
        warnings.push(format!("It is larger than the server takes (SIZE: {limit}): expect 552."));
    }
    let header = message.split(|byte| *byte == b'\n').take_while(|line| !matches!(*line, b"" | b"\r"));
    let header: Vec<&[u8]> = header.collect();
    if header.iter().any(|line| !line.is_ascii()) && !promised("SMTPUTF8") {
        warnings.push(match session.offers(tls, "SMTPUTF8") {
            true => "Its header goes beyond ASCII, and MAIL did not say SMTPUTF8.".to_owned(),
            false => "Its header goes beyond ASCII, and the server does not offer SMTPUTF8.".to_owned(),
        });
    }
    if !message.is_ascii() && !promised("BODY=8BITMIME") {
        warnings.push(
            match session.offers(tls, "8BITMIME") {
                true => {
                    "It holds 8-bit bytes, and MAIL did not say BODY=8BITMIME: the server may refuse or change them."
                }
                false => "It holds 8-bit bytes, and the server does not offer 8BITMIME: it may refuse or change them.",
            }
            .to_owned(),
        );
    }
    if message.contains(&0) {
        warnings.push("It holds NUL bytes, which no mail may hold (RFC 5321 §4.5.2 and RFC 5322 §4).".to_owned());
    }
    let longest = wire.split(|byte| *byte == b'\n').map(|line| line.len().saturating_sub(1)).max().unwrap_or(0);
    if longest > MAX_LINE {
        warnings.push(format!("It has a line of {longest} bytes; mail allows {MAX_LINE} (RFC 5321 §4.5.3.1.6)."));
    }
    let has = |name: &str| {
        let begins =
            |line: &&[u8]| line.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()));
        header.iter().any(|line| begins(line) && line.get(name.len()) == Some(&b':'))
    };
    let missing: Vec<&str> = ["From", "Date"].into_iter().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        warnings.push(format!(
            "It has no {} field, which every message must have (RFC 5322 §3.6).",
            missing.join(" and no ")
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::session::tests::transcript;

    /// A dialogue that waits for the message, with a server that offers this.
    fn waiting(offers: &str, mail: &str) -> Transcript {
        transcript(&format!(
            "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\n{offers}\nS: 250 HELP\nC: MAIL FROM:<a@b>{mail}\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go"
        ))
    }

    fn warned(message: &[u8], offers: &str, mail: &str) -> Vec<String> {
        Outgoing::read(message, &waiting(offers, mail)).warnings
    }

    const HEADER: &str = "From: a@b\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n\r\n";

    #[test]
    fn what_happens_on_the_way_is_counted() {
        let out = Outgoing::read(b"From: a@b\nDate: x\n\n.one\n..two\r\nend", &waiting("", ""));
        assert_eq!((out.bytes, out.dotted, out.mended), (34, 2, 5), "{out:?}");
        assert_eq!(out.on_wire, 34 + 2 + 4 + 2 + 3, "two dots, four CR, a line end, the final dot");
        assert!(out.changes().contains("2 lines that begin with a dot get another one"), "{}", out.changes());
        assert!(out.changes().contains("5 line ends become CR LF"));
        assert_eq!(out.warnings, Vec::<String>::new());
        let clean = Outgoing::read(HEADER.as_bytes(), &waiting("", ""));
        assert!(clean.changes().contains("nothing in it is changed"), "{}", clean.changes());
        assert_eq!(Outgoing::read(b"", &waiting("", "")).on_wire, 3);
    }

    #[test]
    fn eight_bits_are_told_unless_both_sides_agreed() {
        let message = format!("{HEADER}grün\r\n");
        let message = message.as_bytes();
        assert!(warned(message, "", "")[0].contains("does not offer 8BITMIME"));
        assert!(warned(message, "S: 250-8BITMIME", "")[0].contains("MAIL did not say BODY=8BITMIME"));
        assert!(warned(message, "S: 250-8BITMIME", " body=8bitmime").is_empty());
        let header = format!("Subject: grün\r\n{HEADER}");
        assert!(warned(header.as_bytes(), "S: 250-8BITMIME", " BODY=8BITMIME")[0].contains("does not offer SMTPUTF8"));
        assert!(warned(header.as_bytes(), "S: 250-SMTPUTF8\nS: 250-8BITMIME", " BODY=8BITMIME SMTPUTF8").is_empty());
    }

    #[test]
    fn a_message_beyond_the_servers_size_is_told() {
        let message = format!("{HEADER}{}", "x\r\n".repeat(100));
        assert!(warned(message.as_bytes(), "S: 250-SIZE 200", "")[0].contains("SIZE: 200 bytes): expect 552"));
        assert!(warned(message.as_bytes(), "S: 250-SIZE 0", "").is_empty(), "0 is no limit (RFC 1870)");
        assert!(warned(message.as_bytes(), "S: 250-SIZE 4000", "").is_empty());
    }

    #[test]
    fn what_no_message_may_be_is_told() {
        let long = format!("{HEADER}{}", "x".repeat(999));
        assert!(warned(long.as_bytes(), "", "")[0].contains("999 bytes"));
        assert!(warned(format!("{HEADER}a\0b").as_bytes(), "", "")[0].contains("NUL"));
        assert!(warned(b"hello", "", "")[0].contains("no From and no Date"));
    }

    #[test]
    fn the_draft_has_the_fields_that_a_message_must_have() {
        let text = draft(&waiting("", ""), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(text, "From: a@b\nTo: c@d\nSubject: \nDate: Thu, 01 Jan 1970 00:00:00 +0000\n\n");
        assert_eq!(warned(text.as_bytes(), "", ""), Vec::<String>::new());
    }
}

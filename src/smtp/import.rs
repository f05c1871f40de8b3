//! A dialogue from a text: notes with `S:` and `C:`, swaks' output (`<-`, `->`), telnet logs with bare replies, our own saved
//! transcripts (the text and the JSON of a dialogue, and a whole report saved as JSON). What comes out is a [`Transcript`] like a live one, and the slips that a text alone shows are named.

use std::time::Duration;

use crate::check::{LineEnding, Transcript, TranscriptEntry, TranscriptEvent};
use crate::finding::Finding;
use crate::smtp::lines;
use crate::smtp::mask::Mask;
use crate::smtp::reply::ReplyLine;
use crate::smtp::session::{Session, Verb};
use crate::untrusted::lossless;

/// Most lines that are read.
const MAX_LINES: usize = 5000;

/// A text read as a dialogue.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The dialogue; times are not known and stand as zero.
    pub transcript: Transcript,
    /// How many lines were no part of it.
    pub skipped: usize,
}

/// Reads a text; `None` when fewer than two of its lines look like a dialogue.
pub fn import(text: &str) -> Option<Imported> {
    let saved = saved(text);
    let text = saved.as_deref().unwrap_or(text);
    let mut transcript = Transcript { entries: Vec::new(), finished: true };
    let (mut skipped, mut said, mut in_data, mut tls) = (0, 0, false, false);
    let mut mask = Mask::default();
    let mut message_bytes = 0;
    let mut push = |tls: bool, event| transcript.entries.push(TranscriptEntry { at: Duration::ZERO, tls, event });
    push(false, TranscriptEvent::Connected { local: None, peer: None });
    for line in text.lines().take(MAX_LINES) {
        let Some((who, words)) = speaker(line) else {
            skipped += usize::from(!line.trim().is_empty());
            continue;
        };
        said += 1;
        match who {
            Speaker::Client { inside } => {
                tls |= inside;
                if in_data {
                    // Our own export says in one line that it was sent.
                    if let Some(bytes) = lines::message_bytes(words.trim()).filter(|_| message_bytes == 0) {
                        push(tls, TranscriptEvent::SentMessage { bytes });
                        in_data = false;
                        continue;
                    }
                    message_bytes += words.len() + 2;
                    if words.trim_end() == "." {
                        push(tls, TranscriptEvent::SentMessage { bytes: message_bytes });
                        (in_data, message_bytes) = (false, 0);
                    }
                    continue;
                }
                let (line, masked) = mask.sent(words.trim_end().as_bytes());
                push(tls, TranscriptEvent::Sent { line, masked });
            }
            Speaker::Server { inside } => {
                tls |= inside;
                // Notes put remarks behind `#`.
                let words = words.split(" #").next().unwrap_or(words).trim();
                mask.received(words.as_bytes());
                in_data = words.starts_with("354");
                push(tls, TranscriptEvent::Received { line: words.as_bytes().to_vec(), ending: LineEnding::CrLf });
            }
        }
    }
    if in_data && message_bytes > 0 {
        push(tls, TranscriptEvent::SentMessage { bytes: message_bytes });
    }
    (said >= 2).then_some(Imported { transcript, skipped })
}

/// The first dialogue of our own JSON as a text; `None` when it is none. The lines of other hosts count as skipped.
fn saved(text: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text.trim()).ok().filter(serde_json::Value::is_object)?;
    let sections = json.get("sections").and_then(serde_json::Value::as_array).into_iter().flatten();
    let hosts = sections.filter_map(|section| section.pointer("/facts/hosts")).chain(json.get("hosts"));
    let spoken: Vec<&Vec<serde_json::Value>> =
        hosts.filter_map(|hosts| hosts.as_array()).flatten().filter_map(|host| host.get("lines")?.as_array()).collect();
    let first = spoken.iter().position(|lines| !lines.is_empty())?;
    let mut out = String::new();
    for (nth, lines) in spoken.iter().enumerate() {
        for line in *lines {
            let who = match (line["from"].as_str(), nth == first) {
                (Some("client"), true) => "C",
                (Some("server"), true) => "S",
                (Some("note") | None, true) => continue,
                _ => "another host",
            };
            let inside = if line["tls"] == true { "=" } else { "" };
            let words = line["text"].as_str().unwrap_or_default().replace(['\r', '\n'], " ");
            out.push_str(&format!("{who}{inside}: {words}\n"));
        }
    }
    Some(out)
}

enum Speaker {
    Client { inside: bool },
    Server { inside: bool },
}

/// Who says a line, and what.
fn speaker(line: &str) -> Option<(Speaker, &str)> {
    let line = line.trim_start();
    const MARKS: [(&str, bool, bool); 13] = [
        ("C=|", true, true),
        ("S=|", false, true),
        ("C=:", true, true),
        ("S=:", false, true),
        ("C:", true, false),
        ("S:", false, false),
        ("C |", true, false),
        ("S |", false, false),
        ("->", true, false),
        ("~>", true, true),
        ("<-", false, false),
        ("<~", false, true),
        ("<**", false, false),
    ];
    for (mark, client, inside) in MARKS {
        if let Some(rest) = line.strip_prefix(mark) {
            let words = rest.strip_prefix(' ').unwrap_or(rest);
            return Some((if client { Speaker::Client { inside } } else { Speaker::Server { inside } }, words));
        }
    }
    // Our own text export: `  12 | S  | 220 hello  | ...`.
    let mut columns = line.splitn(3, '|');
    if let (Some(at), Some(who), Some(rest)) = (columns.next(), columns.next(), columns.next())
        && at.trim().parse::<f64>().is_ok()
    {
        let words = rest.split("  |").next().unwrap_or(rest).trim();
        return match who.trim() {
            "C" => Some((Speaker::Client { inside: false }, words)),
            "C=" => Some((Speaker::Client { inside: true }, words)),
            "S" => Some((Speaker::Server { inside: false }, words)),
            "S=" => Some((Speaker::Server { inside: true }, words)),
            _ => None,
        };
    }
    let bytes = line.as_bytes();
    let reply = ReplyLine::parse(bytes);
    if reply.code.is_some() && reply.problem.is_none() {
        return Some((Speaker::Server { inside: false }, line));
    }
    match Verb::parse(bytes) {
        Verb::Other => None,
        _ => Some((Speaker::Client { inside: false }, line)),
    }
}

/// The slips that a dialogue shows by itself: what no live server would say, or a client should not (cases.md 142, 144).
pub fn slips(text: &str, transcript: &Transcript) -> Vec<Finding> {
    let session = Session::read(transcript);
    let mut findings = Vec::new();
    for exchange in session.exchanges.iter().filter(|exchange| exchange.verb.is_greeting()) {
        let lines = &exchange.reply.lines;
        let endless = !exchange.reply.complete && !lines.is_empty();
        let split = lines.iter().rposition(|line| !line.more).is_some_and(|at| at + 1 < lines.len());
        if endless || split {
            let last = lines.last().map(|line| lossless(&line.text).into_owned()).unwrap_or_default();
            findings.push(
                Finding::warning(
                    "smtp.reply-never-ends",
                    format!("The reply to the greeting never ends: its last line, \"{last}\", has a hyphen after the code, which says that more follows. A real client would still be waiting."),
                )
                .with_fix("The last line of a reply has a blank after its code; the ones before it a hyphen.")
                .with_reference("RFC 5321 §4.2.1"),
            );
        }
    }
    let greeted = session.exchanges.iter().find(|exchange| exchange.verb.is_greeting());
    let client = greeted.and_then(|exchange| argument(transcript, exchange.entry));
    if let (Some(quit), Some(client)) = (session.last(Verb::Quit), client) {
        let words = quit.reply.text();
        if quit.reply.code() == Some(221) && words.to_ascii_lowercase().contains(&client.to_ascii_lowercase()) {
            findings.push(
                Finding::info(
                    "smtp.wrong-goodbye",
                    format!("The 221 names the client ({client}); a server says goodbye with its own name."),
                )
                .with_reference("RFC 5321 §4.2"),
            );
        }
    }
    findings.extend(strangers(transcript, &session));
    if let Some(date) = date_without_zone(text) {
        findings.push(
            Finding::warning(
                "smtp.date-without-zone",
                format!("The Date \"{date}\" has no time zone, so nobody knows when it was."),
            )
            .with_reference("RFC 5322 §3.3"),
        );
    }
    findings
}

/// What stands behind the verb of a sent line.
fn argument(transcript: &Transcript, entry: usize) -> Option<String> {
    match &transcript.entries.get(entry)?.event {
        TranscriptEvent::Sent { line, .. } => lossless(line).split_whitespace().nth(1).map(str::to_owned),
        _ => None,
    }
}

/// Recipients of several domains accepted by one server: it relays, or it hosts them all.
fn strangers(transcript: &Transcript, session: &Session<'_>) -> Option<Finding> {
    let domain = |entry: usize| {
        let event = &transcript.entries.get(entry)?.event;
        let TranscriptEvent::Sent { line, .. } = event else { return None };
        let text = lossless(line).into_owned();
        let inside = text.split_once('<')?.1.split_once('>')?.0.to_owned();
        inside.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase())
    };
    let mut domains: Vec<String> = Vec::new();
    for exchange in session.exchanges.iter().filter(|e| e.verb == Verb::Rcpt && e.reply.is_positive()) {
        if let Some(domain) = domain(exchange.entry)
            && !domains.contains(&domain)
        {
            domains.push(domain);
        }
    }
    (domains.len() > 1).then(|| {
        Finding::warning(
            "smtp.accepts-other-domain",
            format!(
                "The server accepts recipients of {}. Unless it takes mail for all of them, it relays for strangers: an open relay.",
                domains.join(" and ")
            ),
        )
        .with_reference("RFC 5321 §3.6.2")
    })
}

fn date_without_zone(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.split_once("Date:").map(|(_, value)| value.trim()))?;
    let last = line.split_whitespace().last()?;
    let zone = last.starts_with(['+', '-']) || last.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '(' | ')'));
    (!zone && last.contains(':')).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::annotate::annotate;

    const MISSION: &str = "S: 220 mail.example ESMTP server-id\nC: EHLO smtp.example.net\nS: 250 mail.example greets smtp.example.net\nS: 250-8BITMIME #extension for non-ASCII character support\nC: MAIL FROM:<oscar@monsec.example>\nS: 250 OK\nC: RCPT TO:<steve@lupton.example>\nS: 250 OK\nC: RCPT TO:<team@monsec.example>\nS: 250 OK\nC: DATA\nS: 354 start mail input; end with <CRLF>.<CRLF>\nC: From: \"Oscar\" <oscar@monsec.example>\nC: Date: Wed, 23 Jun 2077 21:09:19\nC: Subject: x\nC: \nC: Hey Steve,\nC: .\nS: 250 OK\nC: QUIT\nS: 221 smtp.example.net closed conection\n";

    fn ids(text: &str) -> Vec<&'static str> {
        slips(text, &import(text).unwrap().transcript).iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn the_missions_dialogue_is_read_and_its_four_slips_are_named() {
        assert_eq!(
            ids(MISSION),
            ["smtp.reply-never-ends", "smtp.wrong-goodbye", "smtp.accepts-other-domain", "smtp.date-without-zone"]
        );
        let imported = import(MISSION).unwrap();
        assert_eq!(imported.skipped, 0);
        let notes = annotate(&imported.transcript, "");
        let eight_bit = notes.iter().find(|note| note.text.contains("8-bit")).unwrap();
        assert!(eight_bit.text.contains("SMTPUTF8"), "8BITMIME covers bodies alone");
    }

    #[test]
    fn swaks_telnet_and_our_own_export_are_read() {
        for text in [
            "<-  220 hi\n -> EHLO me\n<-  250-mail\n<-  250 STARTTLS\n -> STARTTLS\n<-  220 go\n ~> EHLO me\n<~  250 mail\n ~> QUIT\n<~  221 bye",
            "220 hi\nEHLO me\n250 mail\nQUIT\n221 bye",
            "   0 | S  | 220 hi  | ready\n   1 | C  | EHLO me\n   1 | S  | 250 mail\n  2 | C= | QUIT\n  2 | S= | 221 bye",
        ] {
            let imported = import(text).expect(text);
            let session = Session::read(&imported.transcript);
            assert_eq!(session.last(Verb::Quit).unwrap().reply.code(), Some(221), "{text}");
            assert!(slips(text, &imported.transcript).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_report_saved_as_json_is_read_again_with_its_first_host() {
        let line = |from: &str, tls: bool, text: &str| serde_json::json!({"at_ms": 1.0, "from": from, "tls": tls, "text": text});
        let said = [
            line("note", false, "connected to 192.0.2.1:25"),
            line("server", false, "220 mail ESMTP"),
            line("client", false, "EHLO me"),
            line("server", false, "250 STARTTLS"),
            line("client", true, "AUTH PLAIN ********"),
            line("server", true, "535 no"),
            line("client", true, "QUIT"),
            line("server", true, "221 bye"),
        ];
        let hosts = serde_json::json!([{"name": "dead", "lines": []}, {"name": "a", "lines": said}, {"name": "b", "lines": [line("server", false, "220 b")]}]);
        let report = serde_json::json!({"kind": "smtp", "sections": [{"id": "tls", "facts": {}}, {"id": "transcript", "facts": {"hosts": hosts}}]});
        for text in [report.to_string(), serde_json::json!({ "hosts": hosts }).to_string()] {
            let imported = import(&text).unwrap();
            let session = Session::read(&imported.transcript);
            assert_eq!(session.last(Verb::Quit).unwrap().reply.code(), Some(221));
            assert_eq!(imported.skipped, 1, "the other host's line");
            assert!(imported.transcript.entries.iter().any(|entry| entry.tls));
        }
        assert!(import("{\"hosts\": []}").is_none() && import("{\"hosts\": 7}").is_none());
    }

    #[test]
    fn prose_is_no_dialogue_and_passwords_in_notes_are_masked() {
        assert!(import("Dear Steve,\nthe meeting went well.").is_none());
        let imported = import("S: 220 hi\nC: EHLO me\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGEAYg==\nS: 235 ok").unwrap();
        let shown = format!("{:?}", imported.transcript.entries.iter().map(|e| &e.event).collect::<Vec<_>>());
        assert!(!shown.contains("AGEAYg"));
    }
}

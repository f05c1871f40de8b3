//! A dialogue from a text: notes with `S:` and `C:`, what other programs print (`styles.rs`), telnet logs with bare replies, our
//! own saved transcripts (the text and the JSON of a dialogue, and a whole report saved as JSON). What comes out is a
//! [`Transcript`] like a live one, and the slips that a text alone shows are named.

mod styles;

use std::time::Duration;

use crate::check::{LineEnding, Transcript, TranscriptEntry, TranscriptEvent};
use crate::finding::Finding;
use crate::smtp::lines;
use crate::smtp::mask::Mask;
use crate::smtp::reply::ReplyLine;
use crate::smtp::session::{Session, Verb};
use crate::untrusted::lossless;
pub use styles::begins;
use styles::{Said, Speaker, Style};

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

/// Reads a text; `None` when fewer than two of its lines look like a dialogue, or none like a server's.
pub fn import(text: &str) -> Option<Imported> {
    let saved = saved(text);
    let text = saved.as_deref().unwrap_or(text);
    let style = Style::of(text);
    let mut reading = Reading::default();
    reading.push(TranscriptEvent::Connected { local: None, peer: None });
    for line in text.lines().take(MAX_LINES) {
        reading.line(style, line);
    }
    reading.end_message();
    let transcript = Transcript { entries: reading.entries, finished: true };
    (reading.said >= 2 && reading.replies > 0).then_some(Imported { transcript, skipped: reading.skipped })
}

/// What is known while the lines are read.
#[derive(Default)]
struct Reading {
    entries: Vec<TranscriptEntry>,
    mask: Mask,
    said: usize,
    replies: usize,
    skipped: usize,
    tls: bool,
    /// The code that the server said last, and whether a mark said that it was the server.
    last: Option<(u16, bool)>,
    /// Whether the client asked for TLS last.
    asked_tls: bool,
    message_bytes: usize,
}

impl Reading {
    fn push(&mut self, event: TranscriptEvent) {
        self.entries.push(TranscriptEntry { at: Duration::ZERO, tls: self.tls, event });
    }

    fn line(&mut self, style: Style, line: &str) {
        // Without marks, what comes after a 354 is the message up to its dot, and after a 334 the answer, whatever it looks like.
        let is_client = match self.last {
            Some((354, false)) => style.has_dot || !styles::is_reply(line),
            Some((334, false)) => !styles::is_reply(line),
            _ => false,
        };
        if is_client {
            self.said += 1;
            return self.client(line);
        }
        let said = style.said(line);
        if said.is_empty() {
            self.tls |= styles::starts_tls(line);
            self.asked_tls &= !styles::fails_tls(line);
            self.skipped += usize::from(!line.trim().is_empty());
        }
        for Said { who, words, marked } in said {
            self.said += 1;
            match who {
                Speaker::Client { inside } => {
                    self.tls |= inside;
                    self.client(&words);
                }
                Speaker::Server { inside } => {
                    self.tls |= inside;
                    self.server(&words, marked);
                }
            }
        }
    }

    fn client(&mut self, words: &str) {
        if matches!(self.last, Some((354, _))) {
            // Our own export says in one line that it was sent.
            if let Some(bytes) = lines::message_bytes(words.trim()).filter(|_| self.message_bytes == 0) {
                self.message_bytes = bytes;
                return self.end_message();
            }
            self.message_bytes += words.len() + 2;
            if words.trim_end() == "." {
                self.end_message();
            }
            return;
        }
        // Whoever greets again behind the 220 that STARTTLS got does so inside TLS.
        self.tls |= self.asked_tls && matches!(self.last, Some((220, _)));
        self.asked_tls = Verb::parse(words.as_bytes()) == Verb::StartTls;
        let (line, masked) = self.mask.sent(words.trim_end().as_bytes());
        self.last = None;
        self.push(TranscriptEvent::Sent { line, masked });
    }

    fn server(&mut self, words: &str, marked: bool) {
        let words = without_remark(words).trim();
        // A text that leaves the message out goes on with its reply.
        self.end_message();
        self.mask.received(words.as_bytes());
        let reply = ReplyLine::parse(words.as_bytes());
        self.replies += usize::from(reply.code.is_some());
        self.last = reply.code.map(|code| (code, marked));
        self.push(TranscriptEvent::Received { line: words.as_bytes().to_vec(), ending: LineEnding::CrLf });
    }

    fn end_message(&mut self) {
        if self.message_bytes > 0 {
            self.push(TranscriptEvent::SentMessage { bytes: self.message_bytes });
        }
        (self.last, self.message_bytes) = (None, 0);
    }
}

/// Notes put remarks behind `#`; a number behind it (`ticket #123`) is the server's own word.
fn without_remark(words: &str) -> &str {
    let remark =
        words.match_indices(" #").find(|(at, _)| words.as_bytes().get(at + 2).is_some_and(u8::is_ascii_alphabetic));
    remark.and_then(|(at, _)| words.get(..at)).unwrap_or(words)
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
mod tests;

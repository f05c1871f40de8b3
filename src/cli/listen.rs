//! `mxray listen`: one JSON line an event, until a signal or enough messages end it. What is strange counts like the
//! findings of a report: `--fail-on` makes the exit status of it.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::args::FailOn;
use super::failure::{Failure, complain};
use super::run::fails;
use crate::check::{Captured, ListenerNews, TranscriptEntry, TranscriptEvent, Visit};
use crate::engine::listen::Listener;
use crate::finding::Severity;
use crate::smtp::lines;
use crate::smtp::listen::{Plan, Scenario, address, words};
use crate::untrusted::escaped_json;

/// After the last message that was wanted, how long its client may take to leave.
const GRACE: Duration = Duration::from_secs(2);

/// What the command line asks for.
pub struct Listening {
    /// Where to listen, and how to answer.
    pub plan: Plan,
    /// Where messages are written.
    pub save: Option<PathBuf>,
    /// How many messages end it.
    pub messages: Option<u64>,
    /// From which severity on the run fails.
    pub fail_on: FailOn,
}

/// Reads where to listen and how to answer.
pub fn plan(place: Option<&str>, replies: &[String]) -> Result<Plan, Failure> {
    let address = address(place.unwrap_or_default()).map_err(Failure::Usage)?;
    let words: Vec<&str> = replies.iter().flat_map(|reply| reply.split(';')).collect();
    let scenario = Scenario::parse(&words).map_err(|why| Failure::Usage(format!("--reply {why}")))?;
    Ok(Plan::new(address, scenario))
}

/// Listens, and gives the exit status.
pub fn listen(listening: Listening) -> ExitCode {
    // One thread: when nobody reads the events, the clients wait, as they should.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Job(format!("cannot start: {error}")).end(),
    };
    match runtime.block_on(run(listening)) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.end(),
    }
}

async fn run(listening: Listening) -> Result<u8, Failure> {
    if let Some(folder) = &listening.save {
        make_folder(folder).map_err(|error| Failure::file("make the folder", folder, &error))?;
    }
    if listening.plan.is_public() {
        complain(&format!(
            "warning: {} is not only this machine's: whoever reaches it can send to it (nothing is delivered or relayed)",
            listening.plan.address
        ));
    }
    let mut signals = signals()?;
    let listener = Listener::start(listening.plan.clone());
    let mut teller =
        Teller { listening, seen: HashMap::new(), worst: Severity::Ok, status: 0, counts: Counts::default() };
    let mut until: Option<Instant> = None;
    let reason = loop {
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            _ = signals.recv() => break "signal",
            () = tokio::time::sleep_until(until.unwrap_or(far)), if until.is_some() => break "messages",
            () = listener.news().ready() => for news in listener.news().drain() {
                teller.tell(news)?;
            },
        }
        if teller.has_enough() {
            if teller.seen.is_empty() {
                break "messages";
            }
            until = until.or(Some(Instant::now() + GRACE));
        }
    };
    drop(listener);
    teller.ended(reason)?;
    Ok(teller.exit_status())
}

/// SIGINT and SIGTERM, as one stream.
#[cfg(unix)]
fn signals() -> Result<tokio::sync::mpsc::Receiver<()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error: std::io::Error| Failure::Job(format!("cannot watch for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    // One is enough: the first ends the program.
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        let _ = sender.send(()).await;
    });
    Ok(receiver)
}

/// Ctrl-C.
#[cfg(not(unix))]
fn signals() -> Result<tokio::sync::mpsc::Receiver<()>, Failure> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = sender.send(()).await;
        }
    });
    Ok(receiver)
}

/// Writes events and remembers how much of each session has been told.
struct Teller {
    listening: Listening,
    seen: HashMap<u64, Seen>,
    worst: Severity,
    status: u8,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    sessions: u64,
    messages: u64,
    turned_away: u64,
}

/// How much of a session has been told.
#[derive(Default)]
struct Seen {
    entries: usize,
    remarks: usize,
    messages: usize,
}

impl Teller {
    fn tell(&mut self, news: ListenerNews) -> Result<(), Failure> {
        match news {
            ListenerNews::Failed(why) => Err(Failure::Job(why)),
            ListenerNews::Listening { address, certificate } => write(&json!({
                "event": "listening",
                "at": at(OffsetDateTime::now_utc()),
                "mxray": env!("CARGO_PKG_VERSION"),
                "schema": 1,
                "address": address.to_string(),
                "loopback_only": address.ip().is_loopback(),
                "reply": self.listening.plan.scenario.words(),
                "certificate_sha256": &*certificate,
                "delivers": false,
            })),
            ListenerNews::TurnedAway(count) => {
                self.counts.turned_away = count;
                write(&json!({ "event": "turned-away", "at": at(OffsetDateTime::now_utc()), "count": count }))
            }
            ListenerNews::Visit(visit) => self.visit(&visit),
        }
    }

    fn visit(&mut self, visit: &Visit) -> Result<(), Failure> {
        let mut seen = self.seen.remove(&visit.number).unwrap_or_default();
        self.counts.sessions = self.counts.sessions.max(visit.number);
        let notes = words::notes(visit);
        let entries = visit.transcript.entries.iter().zip(&notes).enumerate();
        for (number, (entry, note)) in entries.skip(seen.entries) {
            write(&event(visit, number, entry, &note.text))?;
            self.beside(visit, &mut seen, number)?;
        }
        seen.entries = visit.transcript.entries.len();
        // A remark may come after the line that it speaks of was told.
        self.beside(visit, &mut seen, usize::MAX)?;
        if !visit.transcript.finished {
            self.seen.insert(visit.number, seen);
        }
        Ok(())
    }

    /// Remarks and messages that belong to the entries up to this one.
    fn beside(&mut self, visit: &Visit, seen: &mut Seen, up_to: usize) -> Result<(), Failure> {
        while let Some(remark) = visit.remarks.get(seen.remarks).filter(|remark| remark.entry <= up_to) {
            seen.remarks += 1;
            self.worst = self.worst.max(remark.finding.severity);
            let mut event = json!({
                "event": "finding", "at": now_of(visit, remark.entry), "session": visit.number, "n": remark.entry,
            });
            let finding = serde_json::to_value(&remark.finding).unwrap_or_default();
            merge(&mut event, finding);
            write(&event)?;
        }
        while let Some(message) = visit.messages.get(seen.messages).filter(|message| message.entry <= up_to) {
            seen.messages += 1;
            self.counts.messages += 1;
            self.message(visit, message)?;
        }
        Ok(())
    }

    fn message(&mut self, visit: &Visit, message: &Captured) -> Result<(), Failure> {
        let envelope = &message.envelope;
        let time = now_of(visit, message.entry);
        let about =
            |event: &str| json!({ "event": event, "at": time, "session": visit.number, "message": message.number });
        let mut seen = about("envelope");
        merge(
            &mut seen,
            json!({
                "client_ip": envelope.client.ip().to_canonical(),
                "helo": envelope.helo,
                "mail_from": envelope.mail_from,
                "rcpt_to": envelope.rcpt_to,
                "tls": envelope.tls.as_deref(),
            }),
        );
        write(&seen)?;
        let file = match &self.listening.save {
            Some(folder) => match save(folder, visit, message) {
                Ok(path) => Some(path.display().to_string()),
                Err(error) => {
                    complain(&format!("a message was not saved in {}: {error}", folder.display()));
                    self.status = 3;
                    None
                }
            },
            None => None,
        };
        let mut kept = about("message");
        let digest = ring::digest::digest(&ring::digest::SHA256, &message.raw);
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        merge(&mut kept, json!({ "bytes": message.raw.len(), "sha256": digest, "file": file }));
        write(&kept)?;
        let mut verdict = about("verdict");
        let code: Option<u16> = message.reply.get(..3).and_then(|code| code.parse().ok());
        merge(&mut verdict, json!({ "accepted": message.accepted, "code": code, "reply": message.reply }));
        write(&verdict)
    }

    fn has_enough(&self) -> bool {
        self.listening.messages.is_some_and(|wanted| self.counts.messages >= wanted)
    }

    fn ended(&self, reason: &str) -> Result<(), Failure> {
        write(&json!({
            "event": "ended",
            "at": at(OffsetDateTime::now_utc()),
            "reason": reason,
            "sessions": self.counts.sessions,
            "messages": self.counts.messages,
            "turned_away": self.counts.turned_away,
            "worst": self.worst,
        }))
    }

    fn exit_status(&self) -> u8 {
        self.status.max(u8::from(fails(self.listening.fail_on, self.worst)))
    }
}

/// An entry of a transcript as an event.
fn event(visit: &Visit, number: usize, entry: &TranscriptEntry, explain: &str) -> Value {
    let kind = match &entry.event {
        TranscriptEvent::Connected { .. } => "connected",
        TranscriptEvent::TlsStarted(_) => "tls",
        TranscriptEvent::TlsFailed(..) => "tls-failed",
        TranscriptEvent::Closed { .. } => "closed",
        _ => "line",
    };
    let mut event = json!({ "event": kind, "at": now_of(visit, number), "session": visit.number, "n": number, "at_ms": lines::millis(entry.at) });
    let more = match &entry.event {
        TranscriptEvent::Connected { peer, .. } => {
            json!({ "client": visit.client.to_string(), "to": peer.map(|here| here.to_string()) })
        }
        TranscriptEvent::TlsStarted(tls) => {
            json!({ "version": tls.version, "cipher": tls.cipher, "group": tls.group, "sni": tls.sni })
        }
        TranscriptEvent::TlsFailed(_, why) => json!({ "reason": why }),
        TranscriptEvent::Closed { by_server, reset } => json!({
            "by": if *by_server { "server" } else { "client" },
            "reset": reset,
            "messages": visit.messages.len(),
            "worst": visit.worst(),
        }),
        _ => {
            let (who, text) = words::line_of(entry);
            json!({ "from": lines::from(who), "tls": entry.tls, "text": text, "explain": explain })
        }
    };
    merge(&mut event, more);
    event
}

fn merge(event: &mut Value, more: Value) {
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
}

fn now_of(visit: &Visit, entry: usize) -> String {
    let since = visit.transcript.entries.get(entry).map_or(Duration::ZERO, |entry| entry.at);
    at(visit.begun + since)
}

fn at(time: OffsetDateTime) -> String {
    time.replace_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000)
        .unwrap_or(time)
        .format(&Rfc3339)
        .unwrap_or_default()
}

fn write(event: &Value) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", escaped_json(&event.to_string()))?;
    stdout.flush()?;
    Ok(())
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a message to a new file that only its owner can read; the name says when and which.
fn save(folder: &Path, visit: &Visit, message: &Captured) -> std::io::Result<PathBuf> {
    let begun = visit.begun;
    let stamp = format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        begun.year(),
        u8::from(begun.month()),
        begun.day(),
        begun.hour(),
        begun.minute(),
        begun.second()
    );
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Another listener may write to the same folder in the same second; nobody's file is written over.
    for again in 0..100 {
        let suffix = if again == 0 { String::new() } else { format!("-{again}") };
        let path = folder.join(format!("{stamp}-{}-{}{suffix}.eml", visit.number, message.number));
        match options.open(&path) {
            Ok(mut file) => {
                file.write_all(&message.raw)?;
                file.flush()?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

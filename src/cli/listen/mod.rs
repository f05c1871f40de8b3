//! `mxray listen`: one JSON line an event, or lines for a person, until a signal or enough messages end it. What is strange counts like the
//! findings of a report: `--fail-on` makes the exit status of it.

mod events;
mod said;

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::args::{FailOn, Format};
use super::failure::{Failure, complain};
use super::run::fails;
use crate::check::{Captured, ListenerNews, Visit};
use crate::engine::listen::Listener;
use crate::finding::Severity;
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
    /// How what happens is told.
    pub form: Form,
}

/// How what happens is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Events,
    /// Lines for a person, as a session is copied on the screen.
    Text,
}

impl Form {
    /// The form that `--format` means here.
    pub fn of(format: Option<Format>) -> Result<Form, Failure> {
        match format {
            None | Some(Format::Json) => Ok(Form::Events),
            Some(Format::Text) => Ok(Form::Text),
            Some(Format::Markdown) => Err(Failure::Usage("--format: listen writes json or text".to_owned())),
        }
    }
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
    let mut teller = Teller::new(listening);
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
    // Who was told 250 a moment ago finds the message told, and saved.
    let last = listener.news().clone();
    drop(listener);
    for news in last.drain() {
        teller.tell(news)?;
    }
    teller.ended(reason)?;
    Ok(teller.exit_status())
}

/// SIGINT and SIGTERM, as one stream.
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

/// Tells what happens and remembers how much of each session has been told.
struct Teller {
    listening: Listening,
    seen: HashMap<u64, Seen>,
    /// The session that was spoken of last: a text names it when another begins.
    latest: u64,
    worst: Severity,
    status: u8,
    counts: Counts,
}

/// What came, in numbers.
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
    fn new(listening: Listening) -> Teller {
        Teller { listening, seen: HashMap::new(), latest: 0, worst: Severity::Ok, status: 0, counts: Counts::default() }
    }

    fn tell(&mut self, news: ListenerNews) -> Result<(), Failure> {
        let replies = self.listening.plan.scenario.words();
        match news {
            ListenerNews::Failed(why) => Err(Failure::Job(why)),
            ListenerNews::Listening { address, certificate } => self.write(
                || vec![events::listening(address, &replies, &certificate)],
                || said::listening(address, &replies),
            ),
            ListenerNews::TurnedAway(count) => {
                self.counts.turned_away = count;
                self.write(|| vec![events::turned_away(count)], || said::turned_away(count))
            }
            ListenerNews::Visit(visit) => self.visit(&visit),
        }
    }

    fn visit(&mut self, visit: &Visit) -> Result<(), Failure> {
        let mut seen = self.seen.remove(&visit.number).unwrap_or_default();
        self.counts.sessions = self.counts.sessions.max(visit.number);
        let notes = words::notes(visit);
        let first = seen.entries;
        let entries = visit.transcript.entries.iter().zip(&notes).enumerate();
        for (number, (entry, note)) in entries.skip(first) {
            let head = if self.latest == visit.number { String::new() } else { words::text_head(visit) };
            self.latest = visit.number;
            self.write(
                || vec![events::line(visit, number, entry, &note.text)],
                || head + &words::text_line(entry, note),
            )?;
            self.beside(visit, &mut seen, first, number)?;
        }
        seen.entries = visit.transcript.entries.len();
        // A remark may come after the line that it speaks of was told.
        self.beside(visit, &mut seen, first, usize::MAX)?;
        if !visit.transcript.finished {
            self.seen.insert(visit.number, seen);
        }
        Ok(())
    }

    /// Remarks and messages that belong to the entries up to this one; those from `first` on are new.
    fn beside(&mut self, visit: &Visit, seen: &mut Seen, first: usize, up_to: usize) -> Result<(), Failure> {
        while let Some(remark) = visit.remarks.get(seen.remarks).filter(|remark| remark.entry <= up_to) {
            seen.remarks += 1;
            self.worst = self.worst.max(remark.finding.severity);
            // The note of a new line says already, in the text, what is strange about it.
            let late = remark.entry < first;
            self.write(
                || vec![events::finding(visit, remark)],
                || if late { said::finding(&remark.finding) } else { String::new() },
            )?;
        }
        while let Some(message) = visit.messages.get(seen.messages).filter(|message| message.entry <= up_to) {
            seen.messages += 1;
            self.counts.messages += 1;
            let file = self.keep(visit, message);
            let file = file.as_deref();
            self.write(|| events::message(visit, message, file).into(), || said::message(message, file))?;
        }
        Ok(())
    }

    /// Writes a message to the folder that was named, if one was; where it stands then.
    fn keep(&mut self, visit: &Visit, message: &Captured) -> Option<String> {
        let folder = self.listening.save.as_ref()?;
        match save(folder, visit, message) {
            Ok(path) => Some(path.display().to_string()),
            Err(error) => {
                complain(&format!("a message was not saved in {}: {error}", folder.display()));
                self.status = 3;
                None
            }
        }
    }

    /// Writes it in the chosen form, at once: whoever reads waits for each event.
    fn write(&self, events: impl FnOnce() -> Vec<Value>, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let out = match self.listening.form {
            Form::Events => events().iter().map(|event| escaped_json(&event.to_string()) + "\n").collect::<String>(),
            Form::Text => text(),
        };
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.listening.messages.is_some_and(|wanted| self.counts.messages >= wanted)
    }

    fn ended(&self, reason: &str) -> Result<(), Failure> {
        self.write(
            || vec![events::ended(reason, &self.counts, self.worst)],
            || said::ended(reason, &self.counts, self.worst),
        )
    }

    fn exit_status(&self) -> u8 {
        self.status.max(u8::from(fails(self.listening.fail_on, self.worst)))
    }
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
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

//! Runs jobs on the engine and writes each report as it is finished: several at once, bounded, whatever comes first.

use std::collections::HashMap;
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::args::{Color, FailOn, Format, Options};
use super::failure::{Failure, complain};
use super::request::{Reports, domain_task};
use super::{json, markdown, text};
use crate::check::Evidence;
use crate::config::Settings;
use crate::engine::Engine;
use crate::finding::Severity;
use crate::job::{Job, JobEvent, JobId, Task};
use crate::lab::Lab;
use crate::report::Report;

/// Jobs under way at once. The engine bounds their questions; this bounds what is kept in memory for them.
const AT_ONCE: usize = 16;

/// Makes the reports and gives the exit status of the worst of them.
pub fn run(reports: Reports) -> ExitCode {
    // One thread: the answers of a name server wait for no second core, and starting threads costs more than it brings.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Job(format!("cannot start: {error}")).end(),
    };
    let result = runtime.block_on(make(reports));
    // A thread may still wait for standard input; nobody wants its names any more.
    runtime.shutdown_background();
    match result {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.end(),
    }
}

async fn make(mut reports: Reports) -> Result<u8, Failure> {
    if let Some(report) = reports.ready.take() {
        let mut writer = Writer::new(&reports, false);
        writer.report(&Arc::new(report), &Evidence::default())?;
        return Ok(writer.status);
    }
    // The demo world lives as long as the jobs that ask it.
    let lab =
        if reports.demo { Some(Lab::start().await.map_err(|error| Failure::Job(error.to_string()))?) } else { None };
    let settings = match &lab {
        Some(lab) => demo_settings(&reports.settings, lab.settings()),
        None => reports.settings.clone(),
    };
    let engine = Engine::new(settings).map_err(|error| Failure::Job(error.to_string()))?;
    let mut waiting = std::mem::take(&mut reports.jobs).into_iter();
    let mut names = reports.more.clone().map(names_of_standard_input);
    let several = names.is_some() || waiting.len() > 1;
    let mut writer = Writer::new(&reports, several);
    let mut under_way: HashMap<JobId, String> = HashMap::new();
    let mut next = 0;
    loop {
        while under_way.len() < AT_ONCE
            && let Some(job) = waiting.next()
        {
            start(&engine, &mut under_way, &mut next, job);
        }
        if under_way.is_empty() && names.is_none() {
            return Ok(writer.status);
        }
        let room = under_way.len() < AT_ONCE;
        tokio::select! {
            name = next_name(&mut names), if room && names.is_some() => match name {
                Some(Ok(job)) => start(&engine, &mut under_way, &mut next, job),
                Some(Err(failure)) => writer.failed(&failure.to_string()),
                None => names = None,
            },
            () = engine.outbox().ready() => for (id, event) in engine.outbox().drain() {
                match event {
                    JobEvent::Finished(report, evidence) if under_way.remove(&id).is_some() => {
                        writer.report(&report, &evidence)?;
                    }
                    JobEvent::Failed(why) => if let Some(what) = under_way.remove(&id) {
                        writer.failed(&format!("{what}: {why}"));
                    },
                    JobEvent::Refused(refusal) => if let Some(what) = under_way.remove(&id) {
                        writer.failed(&format!("{what}: {} {}", refusal.what, refusal.advice));
                    },
                    JobEvent::Finished(..) | JobEvent::Lookup(_) | JobEvent::Section(_) | JobEvent::Verdict(..)
                    | JobEvent::Progress(_) | JobEvent::Dialogue(..) => {}
                }
            },
        }
    }
}

/// The demo world's servers and certificates, with the person's patience and clock.
fn demo_settings(own: &Settings, lab: Settings) -> Settings {
    Settings { timeout: own.timeout, now: own.now, concurrency: own.concurrency, ..lab }
}

fn start(engine: &Engine, under_way: &mut HashMap<JobId, String>, next: &mut u64, job: Job) {
    let what = match &job.task {
        Task::Domain { name, .. } | Task::Dmarc { name } => name.to_string(),
        Task::Spf { domain, .. } => domain.clone(),
        Task::Message { .. } => "message".to_owned(),
        Task::Smtp { target, .. } => target.clone(),
        Task::Dialogue { .. } => "dialogue".to_owned(),
    };
    *next += 1;
    under_way.insert(JobId(*next), what);
    engine.start(JobId(*next), job);
}

async fn next_name(names: &mut Option<mpsc::Receiver<Result<Job, Failure>>>) -> Option<Result<Job, Failure>> {
    match names {
        Some(names) => names.recv().await,
        None => None,
    }
}

/// Jobs for the names on standard input, read no faster than they are looked up.
fn names_of_standard_input(pattern: Job) -> mpsc::Receiver<Result<Job, Failure>> {
    // One line ahead is enough: reading is faster than looking up.
    let (sender, receiver) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let selectors = match &pattern.task {
            Task::Domain { selectors, .. } => selectors.clone(),
            Task::Spf { .. }
            | Task::Dmarc { .. }
            | Task::Message { .. }
            | Task::Smtp { .. }
            | Task::Dialogue { .. } => Vec::new(),
        };
        let options = Options { selector: selectors, ..Options::default() };
        for line in std::io::stdin().lock().lines() {
            let job = match line {
                Ok(line) if line.trim().is_empty() || line.starts_with('#') => continue,
                Ok(line) => domain_task(&line, &options).map(|task| Job { task, ..pattern.clone() }),
                Err(error) => Err(Failure::file("read", std::path::Path::new("standard input"), &error)),
            };
            if sender.blocking_send(job).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Writes reports to standard output and keeps the worst exit status.
struct Writer<'a> {
    reports: &'a Reports,
    several: bool,
    style: text::Style,
    wrote: bool,
    status: u8,
}

impl<'a> Writer<'a> {
    fn new(reports: &'a Reports, several: bool) -> Writer<'a> {
        let terminal = std::io::stdout().is_terminal();
        let color = match reports.color {
            Color::Auto => super::may_colour(),
            Color::Always => true,
            Color::Never => false,
        };
        let columns =
            std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
        let width = match columns {
            Some(columns) => columns,
            None if terminal => crossterm::terminal::size().map_or(80, |(columns, _)| columns.into()),
            None => 100,
        };
        Writer { reports, several, style: text::Style { width, color }, wrote: false, status: 0 }
    }

    fn report(&mut self, report: &Arc<Report>, evidence: &Evidence) -> Result<(), Failure> {
        let compared = self.reports.since.as_ref().map(|saved| {
            let since = Some(saved.until(report));
            Arc::new(Report { since, ..report.as_ref().clone() })
        });
        let report = compared.as_ref().unwrap_or(report);
        let mut out = match self.reports.format {
            Format::Text => text::text(report, self.style),
            Format::Markdown => markdown::markdown(report),
            Format::Json => {
                json::json(report, self.several).map_err(|error| Failure::Job(format!("cannot write JSON: {error}")))?
            }
        };
        if self.wrote && self.reports.format != Format::Json {
            out.insert(0, '\n');
        }
        self.wrote = true;
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()?;
        if let Some(path) = &self.reports.save_case {
            super::case::save(path, report, evidence)?;
        }
        if nobody_answered(report) {
            self.failed(&format!("{}: no name server answered; ask others with --dns IP", report.target));
        } else if fails(self.reports.fail_on, report.worst) {
            self.status = self.status.max(1);
        }
        Ok(())
    }

    fn failed(&mut self, why: &str) {
        complain(why);
        self.status = 3;
    }
}

/// Whether a finding of this severity makes the run fail.
pub(super) fn fails(fail_on: FailOn, worst: Severity) -> bool {
    match fail_on {
        FailOn::Info => worst >= Severity::Info,
        FailOn::Warning => worst >= Severity::Warning,
        FailOn::Error => worst >= Severity::Error,
        FailOn::Never => false,
    }
}

/// Whether questions were asked of DNS and not one answer came, not even a refusal: then nothing was looked at.
fn nobody_answered(report: &Report) -> bool {
    let mut asked = report.lookups.iter().filter(|lookup| lookup.kind == "dns").peekable();
    asked.peek().is_some() && asked.all(|lookup| matches!(lookup.outcome, Some("timeout" | "failed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_fails_from_the_chosen_severity_on() {
        assert!(fails(FailOn::Error, Severity::Error) && !fails(FailOn::Error, Severity::Warning));
        assert!(fails(FailOn::Warning, Severity::Warning) && !fails(FailOn::Warning, Severity::Info));
        assert!(fails(FailOn::Info, Severity::Info) && !fails(FailOn::Info, Severity::Ok));
        assert!(!fails(FailOn::Never, Severity::Error));
    }
}

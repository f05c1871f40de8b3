//! From typed words to what is to be done: names, files, servers and times are read here, once, and every mistake is told
//! with what to do about it. Nothing here touches the network.

use std::ffi::OsString;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::{Arguments, Color, Command, FailOn, Format, Options, PlanArguments, StopAfter, Tls};
use super::failure::Failure;
use super::layers::{Layers, Set};
use crate::check::{Stage, TlsMode};
use crate::config::{ConnectTo, Settings, THEMES, Upstream};
use crate::job::{Envelope, Family, Job, SmtpPlan, Task};
use crate::lab::Lab;
use crate::name::Name;
use crate::report::Report;
use crate::report::since::Saved;

/// The longest message that is read; beyond it a mail system would have refused it long before.
const MAX_MESSAGE: u64 = 256 * 1024 * 1024;

/// What the person wants.
pub enum Request {
    /// The terminal program.
    Screen(Box<Screen>),
    /// Reports on standard output.
    Reports(Box<Reports>),
    /// The listener, without the screen.
    Listen(Box<super::Listening>),
    /// A text that needs no work: help, schema, manual, completions.
    Print(String),
}

/// How the terminal program opens.
pub struct Screen {
    /// What the engine needs.
    pub settings: Settings,
    /// What it opens on, as it was typed; a file that is there, or something that can be looked up.
    pub target: Option<String>,
    /// A message that was read from standard input.
    pub message: Option<Arc<[u8]>>,
    /// Selectors to ask besides the well-known ones.
    pub selectors: Vec<String>,
    /// The checks to run; empty: all.
    pub only: Vec<String>,
    /// Whether it works on the loopback mail internet.
    pub demo: bool,
    /// The name of the colour theme, where one is set.
    pub theme: Option<String>,
    /// When the screen is coloured.
    pub color: Color,
}

/// Reports to be made and how they are written.
pub struct Reports {
    /// What the engine needs.
    pub settings: Settings,
    /// A report that needed no lookup.
    pub ready: Option<Report>,
    /// The jobs, in the order of the command line.
    pub jobs: Vec<Job>,
    /// Whether more names come from standard input, one a line; then this job is the pattern for each.
    pub more: Option<Job>,
    /// Text, JSON or Markdown.
    pub format: Format,
    /// From which severity on the run fails.
    pub fail_on: FailOn,
    /// When text is coloured.
    pub color: Color,
    /// Whether it works on the loopback mail internet.
    pub demo: bool,
    /// Where questions and answers are saved.
    pub save_case: Option<PathBuf>,
    /// An earlier report, to be compared with.
    pub since: Option<Saved>,
}

/// Reads the command line.
pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Request, Failure> {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => {
            let help = error.render();
            return Ok(Request::Print(if super::may_colour() { help.ansi().to_string() } else { help.to_string() }));
        }
        Err(error) => return Err(Failure::Usage(one_line(&error.to_string()))),
    };
    let mut options = arguments.options;
    if let Some(text) = arguments.command.as_ref().and_then(printed) {
        return text.map(Request::Print);
    }
    let layers = Layers::read(|name| std::env::var(name).ok())?;
    options.selector.extend(layers.selectors.iter().cloned());
    let settings = settings(&options, &layers)?;
    if options.verbose > 0 {
        super::log::open(options.verbose)?;
    }
    let Some(command) = arguments.command else {
        return screen(arguments.target, options, settings, layers.theme).map(Box::new).map(Request::Screen);
    };
    let mut more = false;
    let mut saved = None;
    let tasks = match command {
        Command::Lint { text } => {
            let text = if text == "-" { read_text()? } else { text };
            let mut request = reports(options, settings, Vec::new(), false)?;
            request.ready = Some(super::lint::report(&text, request.settings.now)?);
            return Ok(Request::Reports(Box::new(request)));
        }
        Command::Listen { address, reply, save, messages } => {
            let plan = super::listen::plan(address.as_deref(), &reply)?;
            let form = super::listen::Form::of(options.format)?;
            let listening = super::Listening { plan, save, messages, fail_on: options.fail_on, form };
            return Ok(Request::Listen(Box::new(listening)));
        }
        Command::Schema | Command::Man | Command::Completions { .. } => Vec::new(),
        Command::Domain { names, authoritative, since } => {
            if authoritative {
                options.only = crate::records::with_requested(&options.only);
            }
            more = names.iter().any(|name| name == "-");
            let tasks = names
                .iter()
                .filter(|name| *name != "-")
                .map(|name| domain_task(name, &options))
                .collect::<Result<Vec<_>, _>>()?;
            saved = since.map(|path| earlier(&path, &tasks, more)).transpose()?;
            tasks
        }
        Command::Message { file, message, envelope } => {
            let mut raw = match demo_message(&file, &options) {
                Some(raw) => raw,
                None => read_message(&file)?,
            };
            if let Some(number) = message {
                raw = super::mailbox::pick(&raw, number.get(), &file)?;
            }
            let (client_ip, helo) = (envelope.client_ip, envelope.helo);
            let (mail_from, hop) = (envelope.mail_from, envelope.hop.map(NonZeroUsize::get));
            let envelope = Envelope { client_ip, helo, mail_from, hop, heard: None };
            vec![Task::Message { raw, envelope }]
        }
        Command::Smtp { target, .. } if target == "-" => {
            let bytes = read_message(std::path::Path::new("-"))?;
            vec![Task::Dialogue { text: crate::untrusted::lossless(&bytes).into() }]
        }
        Command::Smtp { target, plan } => vec![Task::Smtp { target, plan: smtp_plan(plan) }],
        Command::Spf { domain, ip, mail_from, helo } => vec![Task::Spf { domain, ip, mail_from, helo }],
        Command::Dmarc { domain } => vec![Task::Dmarc { name: name(&domain)? }],
    };
    let request = Reports { since: saved, ..reports(options, settings, tasks, more)? };
    Ok(Request::Reports(Box::new(request)))
}

/// What some commands print without any work.
fn printed(command: &Command) -> Option<Result<String, Failure>> {
    match command {
        Command::Schema => Some(Ok(super::schema().to_owned())),
        Command::Man => Some(super::man(Arguments::command())),
        Command::Completions { shell } => Some(Ok(super::completions(*shell, Arguments::command()))),
        Command::Domain { .. }
        | Command::Message { .. }
        | Command::Smtp { .. }
        | Command::Listen { .. }
        | Command::Spf { .. }
        | Command::Dmarc { .. }
        | Command::Lint { .. } => None,
    }
}

fn reports(options: Options, settings: Settings, tasks: Vec<Task>, more: bool) -> Result<Reports, Failure> {
    let case = options.case.as_deref().map(super::case::read).transpose()?;
    // A case is judged by its own clock: keys and certificates that have expired since were good then.
    let now = settings.now.or(case.as_ref().map(|case| case.at));
    let evidence = case.as_ref().map(|case| Arc::new(case.evidence()));
    let offline = evidence.is_some();
    let only = options.only.clone();
    let job = |task| Job { only: only.clone(), now, evidence: evidence.clone(), offline, ..Job::new(task) };
    let pattern = Task::Domain { name: Name::root(), selectors: options.selector.clone() };
    let kind = tasks.first().unwrap_or(&pattern);
    check_ids(&only, kind)?;
    if options.save_case.is_some() && (more || tasks.len() > 1) {
        return Err(Failure::Usage("--save-case: a case file holds one target; give one name".to_owned()));
    }
    Ok(Reports {
        ready: None,
        jobs: tasks.into_iter().map(job).collect(),
        more: more.then(|| job(pattern)),
        settings,
        format: options.format.unwrap_or_default(),
        fail_on: options.fail_on,
        color: options.color,
        demo: options.demo,
        save_case: options.save_case,
        since: None,
    })
}

/// The report that a domain is compared with.
fn earlier(path: &Path, tasks: &[Task], more: bool) -> Result<Saved, Failure> {
    let ([Task::Domain { name: asked, .. }], false) = (tasks, more) else {
        return Err(Failure::Usage("--since: a report is on one domain; give one name".to_owned()));
    };
    let text = read_up_to(crate::report::since::MAX_BYTES, path)?;
    let saved = Saved::read(&text).map_err(|why| Failure::Job(format!("{}: {why}", path.display())))?;
    match saved.name() {
        Some(other) if other == *asked => Ok(saved),
        Some(other) => {
            Err(Failure::Usage(format!("--since: {} is a report on {other}, not on {asked}", path.display())))
        }
        None => Err(Failure::Job(format!("{}: the report names no domain", path.display()))),
    }
}

/// What the engine needs: the flags over the environment over the file.
fn settings(options: &Options, layers: &Layers) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    let flags = options.dns.iter().map(|value| Set { value: value.clone(), at: "--dns".to_owned() });
    let servers = if options.dns.is_empty() { layers.dns.clone() } else { flags.collect() };
    for Set { value, at } in servers {
        settings.upstreams.push(Upstream::parse(&value).map_err(|why| Failure::Usage(format!("{at}: {why}")))?);
    }
    for spec in &options.connect_to {
        let rule = ConnectTo::parse(spec).map_err(|why| Failure::Usage(format!("--connect-to: {why}")))?;
        settings.connect_to.push(rule);
    }
    if !layers.forget && options.case.is_none() {
        settings.memory = super::layers::state_folder().map(|folder| folder.join("memory.json"));
    }
    for path in &options.ca_file {
        let pem = std::fs::read(path).map_err(|error| Failure::file("read --ca-file", path, &error))?;
        settings.extra_roots.push(pem);
    }
    for path in &options.trust_anchor {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read --trust-anchor", path, &error))?;
        settings.trust_anchors.push(text);
    }
    let flag = options.timeout.map(|value| Set { value, at: "--timeout".to_owned() });
    if let Some(Set { value, at }) = flag.or_else(|| layers.timeout.clone()) {
        settings.timeout = Duration::try_from_secs_f64(value)
            .ok()
            .filter(|timeout| !timeout.is_zero())
            .ok_or_else(|| Failure::Usage(format!("{at}: {value} is not a number of seconds above 0")))?;
    }
    if let Some(text) = &options.now {
        settings.now = Some(OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
            Failure::Usage(format!("--now: {text} is not a time of RFC 3339, such as 2026-11-24T08:00:00Z"))
        })?);
    }
    Ok(settings)
}

fn smtp_plan(typed: PlanArguments) -> SmtpPlan {
    let tls = match typed.tls {
        Tls::Auto => TlsMode::Auto,
        Tls::Never => TlsMode::Never,
        Tls::Require => TlsMode::Require,
        Tls::Implicit => TlsMode::Implicit,
    };
    let family = match (typed.ipv4, typed.ipv6) {
        (true, _) => Some(Family::V4),
        (_, true) => Some(Family::V6),
        (false, false) => None,
    };
    let stop_after = match typed.stop_after {
        Some(StopAfter::Banner) => Stage::Banner,
        Some(StopAfter::Ehlo) => Stage::Ehlo,
        Some(StopAfter::Starttls) => Stage::Auth,
        Some(StopAfter::Mail) => Stage::MailFrom,
        Some(StopAfter::Rcpt) => Stage::RcptTo,
        None => Stage::Data,
    };
    let (mail_from, rcpt_to, ehlo, lmtp) = (typed.mail_from, typed.rcpt_to, typed.helo, typed.lmtp);
    SmtpPlan { mail_from, rcpt_to, ehlo, tls, family, lmtp, stop_after, ..SmtpPlan::default() }
}

/// How the terminal program opens; a target that cannot be looked at is told before it takes the screen.
fn screen(
    target: Option<String>,
    options: Options,
    settings: Settings,
    theme: Option<Set<String>>,
) -> Result<Screen, Failure> {
    let from_stdin = target.as_deref() == Some("-");
    let message = if from_stdin { Some(read_message(Path::new("-"))?) } else { None };
    let target = target.filter(|_| !from_stdin);
    if let Some(target) = &target {
        check_target(target)?;
    }
    if let Some(Set { value, at }) = theme.as_ref().filter(|theme| !THEMES.contains(&theme.value.as_str())) {
        let why = format!("{at}: there is no theme {value:?}; there are mono, sixteen, light and true");
        return Err(Failure::Usage(why));
    }
    let (selectors, only, demo, color) = (options.selector, options.only, options.demo, options.color);
    Ok(Screen { settings, target, message, selectors, only, demo, color, theme: theme.map(|theme| theme.value) })
}

fn check_target(target: &str) -> Result<(), Failure> {
    if Path::new(target).is_file() {
        return Ok(());
    }
    if target.starts_with(['/', '.', '~']) || target.ends_with(".eml") {
        return Err(Failure::Job(format!("no such file: {target}")));
    }
    // A server (HOST:PORT, an address literal) reads as a name too, but for the colons and brackets of IPv6.
    if target.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() || target.starts_with('[') {
        return Ok(());
    }
    name(target).map(|_| ())
}

/// The job on one domain as a person typed it.
pub fn domain_task(typed: &str, options: &Options) -> Result<Task, Failure> {
    Ok(Task::Domain { name: name(typed)?, selectors: options.selector.clone() })
}

fn name(typed: &str) -> Result<Name, Failure> {
    Name::parse(typed).map_err(|why| Failure::Usage(format!("{typed:?} is not a domain: {why}")))
}

fn read_text() -> Result<String, Failure> {
    let raw = read_message(Path::new("-"))?;
    Ok(crate::untrusted::lossless(&raw).into_owned())
}

fn read_message(path: &Path) -> Result<Arc<[u8]>, Failure> {
    read_up_to(MAX_MESSAGE, path)
}

/// Reads a file or standard input whole. What is longer is refused: a part of a message would be judged as a damaged one.
fn read_up_to(most: u64, path: &Path) -> Result<Arc<[u8]>, Failure> {
    let mut raw = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most + 1).read_to_end(&mut raw)
    } else {
        std::fs::File::open(path).and_then(|file| {
            // One read for the whole of a file that says how long it is.
            let length = file.metadata().map_or(0, |about| about.len().min(most));
            raw.reserve_exact(usize::try_from(length).unwrap_or(0).saturating_add(1));
            file.take(most + 1).read_to_end(&mut raw)
        })
    };
    read.map_err(|error| Failure::file("read", path, &error))?;
    if raw.len() as u64 > most {
        let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        return Err(Failure::Job(format!("{name} is too large: mxray reads up to {} MB", most >> 20)));
    }
    Ok(raw.into())
}

/// A message of the demo world by its name, where no file has that name.
fn demo_message(path: &Path, options: &Options) -> Option<Arc<[u8]>> {
    let is_demo = options.demo && !path.exists();
    let found = is_demo.then(Lab::messages)?.iter().find(|message| Path::new(message.name) == path)?;
    Some(Arc::from(found.raw))
}

/// Refuses ids that no check of this kind has, and says which there are.
fn check_ids(only: &[String], kind: &Task) -> Result<(), Failure> {
    let known = known_ids(kind);
    match only.iter().find(|id| !known.contains(&id.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            Err(Failure::Usage(format!("--only: there is no check {unknown:?}; there are {}", known.join(", "))))
        }
    }
}

/// The ids of the checks that look at this kind of thing.
fn known_ids(kind: &Task) -> Vec<&'static str> {
    match kind {
        Task::Domain { .. } => {
            let all = crate::records::ALL.iter().chain(crate::records::ON_REQUEST);
            all.map(|check| check.id()).collect()
        }
        Task::Spf { .. } => vec!["spf"],
        Task::Dmarc { .. } => vec!["dmarc"],
        Task::Message { .. } => crate::message::ALL.iter().map(|check| check.id()).collect(),
        Task::Smtp { .. } => crate::smtp::ALL.iter().map(|check| check.id()).collect(),
        Task::Dialogue { .. } => crate::smtp::WRITTEN.iter().map(|check| check.id()).collect(),
    }
}

/// clap's message as one line: what is wrong and what was meant, without the usage.
fn one_line(text: &str) -> String {
    let wanted = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let line = wanted.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{} (mxray --help says more)", line.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use super::super::listen::Form;
    use super::*;

    fn ask(line: &[&str]) -> Result<Request, Failure> {
        read(std::iter::once("mxray").chain(line.iter().copied()).map(OsString::from))
    }

    fn failure(line: &[&str]) -> (u8, String) {
        match ask(line) {
            Err(failure) => (failure.status(), failure.to_string()),
            Ok(_) => panic!("{line:?} was accepted"),
        }
    }

    #[test]
    fn mistakes_on_the_command_line_say_what_to_do() {
        for (line, says) in [
            (vec!["domain", "a..b"], "empty label"),
            (vec!["domain"], "<NAME>"),
            (vec!["domain", "a.test", "--dns", "dns.example"], "--dns"),
            (vec!["domain", "a.test", "--timeout", "0"], "--timeout"),
            (vec!["domain", "a.test", "--now", "yesterday"], "RFC 3339"),
            (vec!["domain", "a.test", "--only", "spfx"], "there is no check \"spfx\""),
            (vec!["domain", "a.test", "--fromat", "json"], "--format"),
            (vec!["spf", "a.test"], "--ip"),
        ] {
            let (status, text) = failure(&line);
            assert_eq!(status, 2, "{line:?}: {text}");
            assert!(text.contains(says) && !text.contains('\n'), "{line:?}: {text}");
        }
    }

    #[test]
    fn a_missing_file_is_no_mistake_of_the_command_line() {
        assert_eq!(failure(&["message", "/no/such/file"]).0, 3);
        assert_eq!(failure(&["./no-such.eml"]).0, 3);
    }

    #[test]
    fn what_is_too_large_is_refused_and_not_judged_in_part() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789").unwrap();
        assert_eq!(read_up_to(10, file.path()).unwrap().len(), 10);
        let failure = read_up_to(9, file.path()).unwrap_err();
        assert!(failure.status() == 3 && failure.to_string().contains("too large"), "{failure}");
    }

    #[test]
    fn a_listener_writes_events_or_text_and_nothing_else() {
        for (words, form) in [(&["listen"][..], Form::Events), (&["listen", "--format", "text"], Form::Text)] {
            assert!(matches!(ask(words), Ok(Request::Listen(listening)) if listening.form == form), "{words:?}");
        }
        assert_eq!(failure(&["listen", "--format", "markdown"]).0, 2);
    }

    #[test]
    fn a_target_that_cannot_be_looked_at_is_told_before_the_screen_opens() {
        let message = tempfile::NamedTempFile::new().unwrap();
        for target in ["monsec.io", "oscar@monsec.io", "mx.monsec.io:587", "192.0.2.1", "[2001:db8::1]:25"] {
            assert!(matches!(ask(&[target]), Ok(Request::Screen(_))), "{target}");
        }
        assert!(matches!(ask(&[message.path().to_str().unwrap()]), Ok(Request::Screen(_))));
        assert_eq!(failure(&["a..b"]).0, 2);
    }

    #[test]
    fn names_may_come_from_standard_input_too() {
        let Ok(Request::Reports(reports)) = ask(&["domain", "a.test", "-", "--selector", "s1"]) else { panic!() };
        assert_eq!(reports.jobs.len(), 1);
        let Some(Job { task: Task::Domain { selectors, .. }, .. }) = reports.more else { panic!() };
        assert_eq!(selectors, ["s1"]);
    }
}

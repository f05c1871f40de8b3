//! The engine against a name server that lies, stalls and breaks on command, and jobs of made-up checks.

mod bounds;
mod faults;
mod https;
mod jobs;
mod proof;
mod reading;
mod secure;
mod server;

use std::sync::Arc;
use std::time::Duration;

use crate::check::{Answer, Check, DnsAnswer, Evidence, Kind, Memo, Query, Seen, Subject, Wait};
use crate::config::{Settings, Upstream};
use crate::engine::Engine;
use crate::engine::run::run;
use crate::job::{Job, JobEvent, JobId, Task};
use crate::name::Name;
use crate::report::{Lookup, Report, Section, VerdictLine};
use server::Server;

/// A subject with whatever checks a test needs.
struct Made(&'static [&'static dyn Check<Made>]);

impl Subject for Made {
    const KIND: &'static str = "domain";

    fn target(&self) -> String {
        "made".into()
    }

    fn checks(&self) -> &'static [&'static dyn Check<Made>] {
        self.0
    }

    fn verdict(&self, sections: &[Section]) -> Vec<VerdictLine> {
        sections
            .iter()
            .map(|section| VerdictLine {
                question: "HOW?",
                answer: section.headline.clone(),
                severity: section.worst(),
                section: Some(section.id),
            })
            .collect()
    }
}

type Step = Box<dyn Fn(&Seen<'_>, &mut Memo) -> Result<Section, Wait> + Sync>;

/// A check made of a closure.
struct Closure(&'static str, Step);

impl Check<Made> for Closure {
    fn id(&self) -> &'static str {
        self.0
    }

    fn title(&self) -> &'static str {
        self.0
    }

    fn about(&self) -> &'static str {
        "a test's check"
    }

    fn step(&self, _: &Made, seen: &Seen<'_>, memo: &mut Memo) -> Result<Section, Wait> {
        (self.1)(seen, memo)
    }
}

fn check(
    id: &'static str,
    step: impl Fn(&Seen<'_>, &mut Memo) -> Result<Section, Wait> + Sync + 'static,
) -> &'static dyn Check<Made> {
    Box::leak(Box::new(Closure(id, Box::new(step))))
}

fn made(checks: Vec<&'static dyn Check<Made>>) -> Made {
    Made(Box::leak(checks.into_boxed_slice()))
}

fn done(id: &'static str, headline: impl ToString) -> Section {
    let mut section = Section::new(id, id);
    section.headline = headline.to_string();
    section
}

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

fn settings(servers: &[&Server], timeout_ms: u64) -> Settings {
    Settings {
        upstreams: servers.iter().map(|server| Upstream::Plain(server.address)).collect(),
        timeout: Duration::from_millis(timeout_ms),
        ..Settings::default()
    }
}

fn job() -> Job {
    Job::new(Task::Dmarc { name: Name::root() })
}

/// What a whole job told.
struct Told {
    report: Arc<Report>,
    evidence: Arc<Evidence>,
}

impl Told {
    fn lookup(&self, name: &str, kind: &str) -> &Lookup {
        self.report.lookups.iter().find(|line| line.name == name && line.rr_type == kind).unwrap()
    }

    fn dns(&self, of: &str, kind: Kind) -> &DnsAnswer {
        match &*self.evidence.get(&Query::dns(&name(of), kind)).unwrap().answer {
            Answer::Dns(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn section(&self, id: &str) -> &Section {
        self.report.sections.iter().find(|section| section.id == id).unwrap()
    }
}

impl Engine {
    fn start_made(&self, id: JobId, job: Job, subject: Made) {
        self.launch(id, move |house, desk| run(house, desk, id, job, subject));
    }

    async fn finish(&self, id: JobId) -> Told {
        let wait = async {
            loop {
                self.outbox().ready().await;
                for (from, event) in self.outbox().drain() {
                    match event {
                        JobEvent::Finished(report, evidence) if from == id => return Told { report, evidence },
                        JobEvent::Failed(why) => panic!("{why}"),
                        _ => {}
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the job never ended")
    }

    async fn run_made(&self, id: u64, job: Job, checks: Vec<&'static dyn Check<Made>>) -> Told {
        self.start_made(JobId(id), job, made(checks));
        self.finish(JobId(id)).await
    }
}

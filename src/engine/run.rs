//! The ask/answer loop of one job, the same for every kind of subject: step the checks, send their questions out together,
//! take every answer that is ready, step again only what waited for one of them, tell what changed.
//!
//! It ends for every subject and every world: a job has bounds on rounds, questions and time, and past one of them each
//! further question is answered "mxray gave up …", which the checks report as something that could not be looked at.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::check::{
    Answer, Check, Evidence, HttpsAnswer, HttpsOutcome, Kind, Lane, Memo, Notes, Outcome, Query, Seen, Subject,
    Transcript, Wait,
};
use crate::finding::Severity;
use crate::job::{Job, JobEvent, JobId};
use crate::report::{LookupId, Report, Section, Table, VerdictLine};

use super::House;
use super::desk::{Asked, Desk, Flight, Reply};
use super::https::{self, Target};
use super::ledger::{Ledger, Way};
use super::memory::Memory;
use super::smtp;

/// What one job may use up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Rounds of questions of one check; the longest honest chain (an SPF tree at its limit) takes about a dozen.
    pub rounds: usize,
    /// Questions that go out.
    pub questions: usize,
    /// Wall time.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { rounds: 64, questions: 1000, time: Duration::from_secs(60) }
    }
}

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread is one that the engine catches (a check broke; the job goes on). A panic hook asks this
/// before it restores the terminal.
pub fn panic_is_contained() -> bool {
    CONTAINED.get()
}

/// Runs `work`, a panic inside it included.
fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    CONTAINED.set(before);
    result
}

/// What one step of a check came to.
struct Stepped {
    check: usize,
    memo: Memo,
    result: Option<(Result<Section, Wait>, Notes)>,
}

/// Where a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// To be stepped.
    Dirty,
    /// Waiting for an answer, or for a dialogue to grow.
    Waiting,
    /// Computing off the async workers.
    Working,
    /// To be stepped off the async workers.
    Again,
    /// It has said its last.
    Done,
}

struct Post<S: 'static> {
    check: &'static dyn Check<S>,
    memo: Memo,
    standing: Standing,
    rounds: usize,
    read: Vec<LookupId>,
}

/// A question that is out.
struct Pending {
    lookup: LookupId,
    waiting: Vec<usize>,
}

/// What arrives while the loop waits.
enum Arrival {
    Answer { query: Query, reply: Reply },
    Grown { query: Query, transcript: Transcript },
    Step(Stepped),
}

struct Run<S: Subject> {
    house: Arc<House>,
    desk: Arc<Desk>,
    id: JobId,
    job: Job,
    now: OffsetDateTime,
    bounds: Bounds,
    start: Instant,
    subject: Arc<S>,
    posts: Vec<Post<S>>,
    sections: Vec<(usize, Section)>,
    evidence: Arc<Evidence>,
    ledger: Ledger,
    pending: HashMap<Query, Pending>,
    /// Fetches that wait for the addresses of their host.
    unaddressed: HashMap<Query, (Target, LookupId)>,
    answers: FuturesUnordered<BoxFuture<'static, Arrival>>,
    steps: FuturesUnordered<BoxFuture<'static, Arrival>>,
    grow: (mpsc::UnboundedSender<(Query, Transcript)>, mpsc::UnboundedReceiver<(Query, Transcript)>),
    sent: usize,
    gave_up: Option<String>,
    /// The one line of the log that stands for every question not asked any more.
    given_up_line: Option<LookupId>,
    verdict: (Vec<VerdictLine>, Option<Table>),
}

/// Runs a job to its end.
pub(super) async fn run<S: Subject>(house: Arc<House>, desk: Arc<Desk>, id: JobId, job: Job, subject: S) {
    let now = job.now.or(house.settings.now).unwrap_or_else(OffsetDateTime::now_utc);
    let start = Instant::now();
    let posts = subject
        .checks()
        .iter()
        .filter(|check| job.only.is_empty() || job.only.iter().any(|id| id == check.id()))
        .map(|check| Post {
            check: *check,
            memo: Memo::default(),
            standing: Standing::Dirty,
            rounds: 0,
            read: Vec::new(),
        })
        .collect();
    let bounds = if S::KIND == "smtp" {
        // A dialogue has time limits of its own, in minutes (RFC 5321 §4.5.3.2), and a person may be typing.
        Bounds { time: Duration::from_secs(3600), ..house.bounds }
    } else {
        house.bounds
    };
    let run = Run {
        house,
        desk,
        id,
        job,
        now,
        bounds,
        start,
        subject: Arc::new(subject),
        posts,
        sections: Vec::new(),
        evidence: Arc::default(),
        ledger: Ledger::new(start),
        pending: HashMap::new(),
        unaddressed: HashMap::new(),
        answers: FuturesUnordered::new(),
        steps: FuturesUnordered::new(),
        grow: mpsc::unbounded_channel(),
        sent: 0,
        gave_up: None,
        given_up_line: None,
        verdict: (Vec::new(), None),
    };
    run.to_its_end().await;
}

impl<S: Subject> Run<S> {
    async fn to_its_end(mut self) {
        let out_of_time = tokio::time::sleep(self.bounds.time);
        tokio::pin!(out_of_time);
        loop {
            self.step_all();
            self.tell();
            if self.posts.iter().all(|post| post.standing == Standing::Done) {
                break;
            }
            if self.answers.is_empty() && self.steps.is_empty() {
                self.unstick();
                continue;
            }
            let arrival = tokio::select! {
                Some(arrival) = self.answers.next() => Some(arrival),
                Some(arrival) = self.steps.next() => Some(arrival),
                Some((query, transcript)) = self.grow.1.recv() => Some(Arrival::Grown { query, transcript }),
                () = &mut out_of_time, if self.gave_up.is_none() => None,
            };
            match arrival {
                Some(arrival) => self.take(arrival),
                None => self.give_up(format!("mxray gave up after {} s", self.bounds.time.as_secs())),
            }
            self.take_what_is_ready();
        }
        self.finish();
    }

    /// Everything that has arrived meanwhile goes into the same step.
    fn take_what_is_ready(&mut self) {
        while let Some(Some(arrival)) = self.answers.next().now_or_never() {
            self.take(arrival);
        }
        while let Some(Some(arrival)) = self.steps.next().now_or_never() {
            self.take(arrival);
        }
        while let Ok((query, transcript)) = self.grow.1.try_recv() {
            self.take(Arrival::Grown { query, transcript });
        }
    }

    /// Steps whatever is dirty until all of it waits, works or is done. The questions of one pass go out together.
    fn step_all(&mut self) {
        loop {
            let mut questions: Vec<(Query, Lane, usize)> = Vec::new();
            let mut stepped = false;
            for at in 0..self.posts.len() {
                let Some(post) = self.posts.get_mut(at) else { continue };
                match post.standing {
                    Standing::Dirty => {
                        stepped = true;
                        let memo = std::mem::take(&mut post.memo);
                        let step = step(post.check, at, &self.subject, &self.evidence, self.now, memo);
                        self.take_step(step, &mut questions);
                    }
                    Standing::Again => {
                        post.standing = Standing::Working;
                        let (check, memo) = (post.check, std::mem::take(&mut post.memo));
                        let (subject, evidence, now) = (self.subject.clone(), self.evidence.clone(), self.now);
                        let task = tokio::task::spawn_blocking(move || step(check, at, &subject, &evidence, now, memo));
                        self.steps.push(
                            async move {
                                let broken = |_| Stepped { check: at, memo: Memo::default(), result: None };
                                Arrival::Step(task.await.unwrap_or_else(broken))
                            }
                            .boxed(),
                        );
                    }
                    Standing::Waiting | Standing::Working | Standing::Done => {}
                }
            }
            self.ask(questions);
            if !stepped {
                return;
            }
        }
    }

    fn take_step(&mut self, step: Stepped, questions: &mut Vec<(Query, Lane, usize)>) {
        let Stepped { check: at, memo, result } = step;
        let Some(post) = self.posts.get_mut(at) else { return };
        if post.standing == Standing::Done {
            return;
        }
        post.memo = memo;
        let Some((result, notes)) = result else {
            self.close(at, "mxray itself broke here; please report it");
            return;
        };
        post.read.clone_from(&notes.read);
        let id = post.check.id();
        for lookup in &notes.read {
            self.ledger.asked_by(*lookup, id);
        }
        match result {
            Ok(mut section) => {
                post.standing = if notes.growing { Standing::Waiting } else { Standing::Done };
                section.evidence = notes.read;
                self.publish(at, section.settle());
            }
            Err(Wait::Answers) => {
                post.standing = Standing::Waiting;
                if notes.missing.is_empty() && !notes.growing {
                    self.close(at, "mxray itself broke here (it waits without a question); please report it");
                    return;
                }
            }
            Err(Wait::Again(_)) => post.standing = Standing::Again,
        }
        if !notes.missing.is_empty() {
            let Some(post) = self.posts.get_mut(at) else { return };
            post.rounds += 1;
            questions.extend(notes.missing.into_iter().map(|(query, lane)| (query, lane, at)));
        }
    }

    /// Sends out what was asked in one pass; what is known already makes its checks dirty at once.
    fn ask(&mut self, questions: Vec<(Query, Lane, usize)>) {
        let mut lanes: HashMap<Query, Lane> = HashMap::new();
        for (query, lane, _) in &questions {
            if *lane == Lane::Chain || !lanes.contains_key(query) {
                lanes.insert(query.clone(), *lane);
            }
        }
        for (query, _, at) in questions {
            let lane = lanes.get(&query).copied().unwrap_or(Lane::Chain);
            if self.evidence.get(&query).is_some() {
                self.dirty(at);
            } else if let Some(pending) = self.pending.get_mut(&query) {
                if lane == Lane::Chain {
                    self.desk.promote(&query);
                }
                if !pending.waiting.contains(&at) {
                    pending.waiting.push(at);
                }
                let lookup = pending.lookup;
                self.asked_by(lookup, at);
            } else {
                let tired = self.posts.get(at).is_some_and(|post| post.rounds > self.bounds.rounds);
                self.ask_anew(query, lane, Some(at), tired);
            }
        }
    }

    fn asked_by(&mut self, lookup: LookupId, at: usize) {
        if let Some(post) = self.posts.get(at) {
            self.ledger.asked_by(lookup, post.check.id());
        }
    }

    fn ask_anew(&mut self, query: Query, lane: Lane, at: Option<usize>, tired: bool) {
        let given = self.job.evidence.as_ref().and_then(|given| given.get(&query)).map(|entry| entry.answer.clone());
        if given.is_none() && !self.job.offline {
            let too_many = self.sent >= self.bounds.questions;
            let why = self.gave_up.clone().or_else(|| match (too_many, tired) {
                (true, _) => Some(format!("mxray gave up after {} questions in this job", self.bounds.questions)),
                (false, true) => Some(format!("mxray gave up after {} rounds of questions", self.bounds.rounds)),
                (false, false) => None,
            });
            if let Some(why) = why {
                self.refuse(query, &why, at);
                return;
            }
        }
        let lookup = self.ledger.open(&query);
        if let Some(at) = at {
            self.asked_by(lookup, at);
        }
        let waiting: Vec<usize> = at.into_iter().collect();
        self.pending.insert(query.clone(), Pending { lookup, waiting });
        if let Some(answer) = given {
            self.settle(&query, Reply { answer, via: "".into(), detail: None }, Way::Given);
        } else if self.job.offline {
            let reply = Reply::failed(&query, "offline: nothing was asked of the network");
            self.settle(&query, reply, Way::Given);
        } else {
            self.sent += 1;
            self.send(query, lane, lookup);
        }
    }

    fn send(&mut self, query: Query, lane: Lane, lookup: LookupId) {
        match &query {
            Query::Dns { name, kind } => {
                let (desk, name, kind) = (self.desk.clone(), name.clone(), *kind);
                let work = async move {
                    let reply = desk.servers.ask(&name, kind).await;
                    let (answer, via) = (Arc::new(Answer::Dns(reply.answer)), reply.via.into());
                    Reply { answer, via, detail: reply.detail }
                };
                let asked = self.desk.ask(&query, lane, self.job.fresh, work);
                self.follow(query, lookup, asked);
            }
            Query::Https { url, .. } => match Target::of(url, &self.house.settings.connect_to) {
                Err(why) => self.settle(&query, Reply::failed(&query, &why), Way::Given),
                Ok(target) => {
                    let host = target.resolve.clone();
                    self.unaddressed.insert(query, (target, lookup));
                    for kind in [Kind::A, Kind::Aaaa] {
                        let Some(question) = host.as_ref().map(|host| Query::dns(host, kind)) else { continue };
                        if self.evidence.get(&question).is_none() && !self.pending.contains_key(&question) {
                            self.ask_anew(question, Lane::Chain, None, false);
                        }
                    }
                    self.fetch_what_has_addresses();
                }
            },
            Query::Smtp(dialogue) => {
                let (house, dialogue, grow) = (self.house.clone(), dialogue.clone(), self.grow.0.clone());
                let typed = dialogue.hands_on.then(|| house.listen_to(self.id));
                self.answers.push(
                    async move {
                        let _slot = house.dialogues.acquire().await;
                        let tell = |transcript: &Transcript| {
                            drop(grow.send((Query::Smtp(dialogue.clone()), transcript.clone())));
                        };
                        let transcript = smtp::converse(&dialogue, &house.wire(), typed, tell).await;
                        let reply = Reply { answer: Arc::new(Answer::Smtp(transcript)), via: "".into(), detail: None };
                        Arrival::Answer { query: Query::Smtp(dialogue.clone()), reply }
                    }
                    .boxed(),
                );
            }
        }
    }

    fn follow(&mut self, query: Query, lookup: LookupId, asked: Asked) {
        match asked {
            Asked::Known(reply) => self.settle(&query, reply, Way::Kept),
            Asked::Coming { flight, joined } => {
                if joined {
                    self.ledger.change(lookup, |line| line.joined = true);
                }
                self.answers.push(arrival(query, flight).boxed());
            }
        }
    }

    /// Starts the fetches whose hosts' addresses are known by now: IPv4 goes at once, IPv6 only when it is alone.
    fn fetch_what_has_addresses(&mut self) {
        let ready: Vec<Query> = self
            .unaddressed
            .iter()
            .filter(|(_, (target, _))| target.resolve.as_ref().is_none_or(|host| self.addressed(host)))
            .map(|(query, _)| query.clone())
            .collect();
        for query in ready {
            let (Some((target, lookup)), Query::Https { rules, .. }) = (self.unaddressed.remove(&query), &query) else {
                continue;
            };
            let (addresses, aliases, outcome) = self.addresses(target.resolve.as_ref());
            if let (Some(outcome), true) = (outcome, target.resolve.is_some()) {
                let answer = HttpsAnswer { outcome: HttpsOutcome::NoAddress(outcome.clone()), address: None, aliases };
                let detail = Some(format!("no address: {outcome}"));
                let reply = Reply { answer: Arc::new(Answer::Https(answer)), via: "".into(), detail };
                self.settle(&query, reply, Way::Given);
                continue;
            }
            let start = self.ledger.now_ms();
            self.ledger.change(lookup, |line| line.start_ms = start);
            let trust = self.house.trust.clone();
            let work = https::fetch(target, *rules, addresses, aliases, trust, self.house.settings.timeout);
            let asked = self.desk.ask(&query, Lane::Chain, self.job.fresh, work);
            self.follow(query, lookup, asked);
        }
    }

    fn addressed(&self, host: &crate::name::Name) -> bool {
        let known = |kind| match self.evidence.get(&Query::dns(host, kind)).map(|entry| &*entry.answer) {
            Some(Answer::Dns(answer)) => Some(!answer.records.is_empty()),
            _ => None,
        };
        matches!((known(Kind::A), known(Kind::Aaaa)), (Some(true), _) | (Some(_), Some(_)))
    }

    /// The addresses of a host, the aliases on the way, and why there is none.
    fn addresses(
        &self,
        host: Option<&crate::name::Name>,
    ) -> (Vec<std::net::IpAddr>, Vec<crate::name::Name>, Option<Outcome>) {
        let (mut addresses, mut aliases, mut outcome) = (Vec::new(), Vec::new(), None);
        for kind in [Kind::A, Kind::Aaaa] {
            let entry = host.and_then(|host| self.evidence.get(&Query::dns(host, kind)));
            let Some(Answer::Dns(answer)) = entry.map(|entry| &*entry.answer) else { continue };
            addresses.extend(answer.addresses());
            if aliases.is_empty() {
                let target = |record: &crate::check::Record| match &record.data {
                    crate::check::Data::Cname(target) => Some(target.clone()),
                    _ => None,
                };
                aliases = answer.aliases.iter().filter_map(target).collect();
            }
            // A failure weighs more than absence: with it we do not know.
            if outcome.is_none() || matches!(answer.look(), crate::check::Look::Unknown(_)) {
                outcome = Some(answer.outcome.clone());
            }
        }
        let outcome = if addresses.is_empty() { outcome } else { None };
        (addresses, aliases, outcome)
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Answer { query, reply } => self.settle(&query, reply, Way::Asked),
            Arrival::Grown { query, transcript } => {
                let Some(lookup) = self.pending.get(&query).map(|pending| pending.lookup) else { return };
                let transcript = Arc::new(transcript);
                self.house.outbox.put(self.id, JobEvent::Dialogue(lookup, transcript.clone()));
                let answer = Arc::new(Answer::Smtp((*transcript).clone()));
                Arc::make_mut(&mut self.evidence).insert(query.clone(), lookup, answer);
                self.wake(&query, lookup);
            }
            Arrival::Step(step) => {
                let mut questions = Vec::new();
                self.take_step(step, &mut questions);
                self.ask(questions);
            }
        }
    }

    /// An answer is final: into the evidence with it, and whoever waited is dirty.
    fn settle(&mut self, query: &Query, reply: Reply, way: Way) {
        let Some(lookup) = self.pending.get(query).map(|pending| pending.lookup) else { return };
        self.ledger.close(lookup, &reply, way);
        if let Answer::Smtp(transcript) = &*reply.answer {
            self.house.outbox.put(self.id, JobEvent::Dialogue(lookup, Arc::new(transcript.clone())));
        }
        Arc::make_mut(&mut self.evidence).insert(query.clone(), lookup, reply.answer);
        self.wake(query, lookup);
        self.pending.remove(query);
        if !self.unaddressed.is_empty() {
            self.fetch_what_has_addresses();
        }
    }

    fn wake(&mut self, query: &Query, lookup: LookupId) {
        let waiting = self.pending.get(query).map(|pending| pending.waiting.clone()).unwrap_or_default();
        for (at, post) in self.posts.iter_mut().enumerate() {
            if post.standing == Standing::Waiting && (waiting.contains(&at) || post.read.contains(&lookup)) {
                post.standing = Standing::Dirty;
            }
        }
    }

    fn dirty(&mut self, at: usize) {
        if let Some(post) = self.posts.get_mut(at)
            && post.standing == Standing::Waiting
        {
            post.standing = Standing::Dirty;
        }
    }

    /// Answers a question with why it is not asked any more. All of these share one line of the log, or a record that
    /// makes us ask without end would also make us write without end.
    fn refuse(&mut self, query: Query, why: &str, at: Option<usize>) {
        let reply = Reply::failed(&query, why);
        let lookup = match self.given_up_line {
            Some(line) => line,
            None => {
                let line = self.ledger.open(&query);
                self.ledger.close(line, &reply, Way::Given);
                self.given_up_line = Some(line);
                line
            }
        };
        Arc::make_mut(&mut self.evidence).insert(query, lookup, reply.answer);
        if let Some(at) = at {
            self.asked_by(lookup, at);
            self.dirty(at);
        }
    }

    /// No more is asked, and what is out is not waited for.
    fn give_up(&mut self, why: String) {
        self.gave_up = Some(why.clone());
        self.answers.clear();
        self.unaddressed.clear();
        let out: Vec<Query> = self.pending.keys().cloned().collect();
        for query in out {
            self.settle(&query, Reply::failed(&query, &why), Way::Asked);
        }
        for at in 0..self.posts.len() {
            if self.posts.get(at).is_some_and(|post| matches!(post.standing, Standing::Working | Standing::Again)) {
                self.close(at, &why);
            }
        }
    }

    /// Nothing is out and something waits: a check that asked nothing. It must not hang the job.
    fn unstick(&mut self) {
        for at in 0..self.posts.len() {
            if self.posts.get(at).is_some_and(|post| post.standing == Standing::Waiting) {
                self.close(at, "mxray itself broke here (it waits for nothing); please report it");
            }
        }
    }

    /// Ends a check without a verdict.
    fn close(&mut self, at: usize, why: &str) {
        let Some(post) = self.posts.get_mut(at) else { return };
        post.standing = Standing::Done;
        let (id, title) = (post.check.id(), post.check.title());
        let mut section = Section::could_not_look((id, title), "mxray.not-done", title, why, post.read.clone());
        section.evidence.clone_from(&post.read);
        self.publish(at, section);
    }

    fn publish(&mut self, at: usize, section: Section) {
        self.house.outbox.put(self.id, JobEvent::Section(Arc::new(section.clone())));
        match self.sections.binary_search_by_key(&at, |(place, _)| *place) {
            Ok(found) => {
                if let Some(entry) = self.sections.get_mut(found) {
                    entry.1 = section;
                }
            }
            Err(place) => self.sections.insert(place, (at, section)),
        }
    }

    /// Tells what has changed since the last time.
    fn tell(&mut self) {
        for line in self.ledger.take_changed() {
            self.house.outbox.put(self.id, JobEvent::Lookup(line));
        }
        if self.sections.is_empty() {
            return;
        }
        let sections: Vec<Section> = self.sections.iter().map(|(_, section)| section.clone()).collect();
        let subject = self.subject.clone();
        let verdict = contained(|| (subject.verdict(&sections), subject.summary(&sections))).unwrap_or_default();
        if verdict != self.verdict {
            self.verdict = verdict;
            self.house.outbox.put(self.id, JobEvent::Verdict(self.verdict.0.clone(), self.verdict.1.clone()));
        }
    }

    fn finish(self) {
        let sections: Vec<Section> = self.sections.into_iter().map(|(_, section)| section).collect();
        let (verdict, summary) = self.verdict;
        let report = Report {
            mxray: env!("CARGO_PKG_VERSION"),
            schema: 1,
            kind: S::KIND,
            target: self.subject.target(),
            at: self.now,
            elapsed_ms: (self.start.elapsed().as_secs_f64() * 10_000.0).round() / 10.0,
            worst: sections.iter().map(Section::worst).max().unwrap_or(Severity::Ok),
            verdict,
            summary,
            sections,
            lookups: self.ledger.into_lines(),
        };
        // A replay or a what-if is not what the domain publishes today.
        if let (Some(path), None) = (&self.house.settings.memory, &self.job.evidence)
            && let Err(why) = Memory::at(path).keep(&report)
        {
            tracing::warn!("cannot remember {}: {why}", report.target);
        }
        self.house.outbox.put(self.id, JobEvent::Finished(Arc::new(report), self.evidence));
    }
}

async fn arrival(query: Query, flight: Flight) -> Arrival {
    let reply = flight.await;
    Arrival::Answer { query, reply }
}

/// One step of one check; a panic in it is its own affair.
fn step<S: Subject>(
    check: &'static dyn Check<S>,
    at: usize,
    subject: &S,
    evidence: &Evidence,
    now: OffsetDateTime,
    mut memo: Memo,
) -> Stepped {
    let seen = Seen::new(evidence, now);
    let result = contained(|| check.step(subject, &seen, &mut memo));
    Stepped { check: at, memo, result: result.map(|result| (result, seen.into_notes())) }
}

//! The ask/answer loop of one job, the same for every kind of subject: step the checks, send their questions out together,
//! take every answer that is ready, step again only what waited for one of them, tell what changed.
//!
//! It ends for every subject and every world: a job has bounds on rounds, questions and time, and past one of them each
//! further question is answered "mxray gave up …", which the checks report as something that could not be looked at.

mod ask;
mod tell;

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::check::{
    Answer, Check, Data, Evidence, HttpsAnswer, HttpsOutcome, Lane, Memo, Notes, Progress, Query, Seen, Subject,
    Transcript, Wait,
};
use crate::finding::Finding;
use crate::job::{Job, JobEvent, JobId};
use crate::report::{LookupId, Section, Table, VerdictLine};

use super::House;
use crate::engine::desk::{Desk, Reply, lock};
use crate::engine::dns::proof::Proofs;
use crate::engine::https::Target;
use crate::engine::ledger::{Ledger, Way};

/// What takes longer than this is told how far it is.
pub(super) const MOMENT: Duration = Duration::from_millis(100);
/// And again after so long: a person reads no faster.
pub(super) const TELL_AGAIN: Duration = Duration::from_millis(50);

/// What one job may use up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Rounds of questions of one check; the longest honest chain (an SPF tree at its limit) takes about a dozen.
    pub rounds: usize,
    /// Questions that go out.
    pub questions: usize,
    /// Bytes of answers, about: what a job may hold in memory.
    pub bytes: usize,
    /// Wall time.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { rounds: 64, questions: 1000, bytes: 16 * 1024 * 1024, time: Duration::from_secs(60) }
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
pub(super) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
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

/// What there is to add once every section is there, by the section's id. It may compute: it runs off the async workers.
pub(super) type Afterword<S> = fn(&S, &Evidence, &[Section]) -> Vec<(&'static str, Finding)>;

/// How long an afterword is waited for; the report is worth more than it.
const AFTERWORD_TIME: Duration = Duration::from_secs(2);

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
    Step(Box<Stepped>),
}

/// Dialogues that have grown, the newest of each: whoever speaks never waits for whoever reads.
#[derive(Default)]
struct Growth {
    newest: Mutex<HashMap<Query, Transcript>>,
    bell: Notify,
}

impl Growth {
    fn put(&self, query: Query, transcript: Transcript) {
        lock(&self.newest).insert(query, transcript);
        self.bell.notify_one();
    }
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
    /// The keys and delegations that validated questions of this job have in common.
    proofs: Arc<Proofs>,
    pending: HashMap<Query, Pending>,
    /// Fetches that wait for the addresses of their host.
    unaddressed: HashMap<Query, (Target, LookupId)>,
    answers: FuturesUnordered<BoxFuture<'static, Arrival>>,
    steps: FuturesUnordered<BoxFuture<'static, Arrival>>,
    growth: Arc<Growth>,
    sent: usize,
    bytes: usize,
    gave_up: Option<String>,
    /// The one line of the log that stands for every question not asked any more.
    given_up_line: Option<LookupId>,
    verdict: (Vec<VerdictLine>, Option<Table>),
    /// Whether a section has changed since the verdict was drawn.
    news: bool,
}

/// Runs a job to its end.
pub(super) async fn run<S: Subject>(house: Arc<House>, desk: Arc<Desk>, id: JobId, job: Job, subject: S) {
    run_with(house, desk, id, job, subject, None).await;
}

/// Runs a job to its end, with something to add at the end.
pub(super) async fn run_with<S: Subject>(
    house: Arc<House>,
    desk: Arc<Desk>,
    id: JobId,
    job: Job,
    subject: S,
    afterword: Option<Afterword<S>>,
) {
    let now = job.now.or(house.settings.now).unwrap_or_else(OffsetDateTime::now_utc);
    let start = Instant::now();
    let named = |id: &str| job.only.iter().any(|only| only == id);
    let posts = subject
        .checks()
        .iter()
        .filter(|check| job.only.is_empty() || named(check.id()))
        .chain(subject.on_request().iter().filter(|check| named(check.id())))
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
    let proofs = Arc::new(Proofs::new(desk.clone(), house.anchors.clone()));
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
        proofs,
        pending: HashMap::new(),
        unaddressed: HashMap::new(),
        answers: FuturesUnordered::new(),
        steps: FuturesUnordered::new(),
        growth: Arc::default(),
        sent: 0,
        bytes: 0,
        gave_up: None,
        given_up_line: None,
        verdict: (Vec::new(), None),
        news: false,
    };
    run.live(afterword).await;
}

impl<S: Subject> Run<S> {
    async fn live(mut self, afterword: Option<Afterword<S>>) {
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
                () = self.growth.bell.notified() => {
                    self.take_growth();
                    continue;
                }
                () = &mut out_of_time, if self.gave_up.is_none() => None,
            };
            match arrival {
                Some(arrival) => self.take(arrival),
                None => self.give_up(format!("mxray gave up after {} s", self.bounds.time.as_secs_f64())),
            }
            self.take_what_is_ready();
        }
        if let (Some(afterword), None) = (afterword, &self.gave_up) {
            self.add(afterword).await;
        }
        self.together();
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
        self.take_growth();
    }

    fn take_growth(&mut self) {
        let grown = std::mem::take(&mut *lock(&self.growth.newest));
        for (query, transcript) in grown {
            let Some(lookup) = self.pending.get(&query).map(|pending| pending.lookup) else { continue };
            let answer = Arc::new(Answer::Smtp(transcript.clone()));
            self.house.outbox.put(self.id, JobEvent::Dialogue(lookup, Arc::new(transcript)));
            Arc::make_mut(&mut self.evidence).insert(query.clone(), lookup, answer);
            self.wake(&query, lookup);
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
                                Arrival::Step(Box::new(task.await.unwrap_or_else(broken)))
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
            Err(Wait::Again(Progress { done, of })) => {
                post.standing = Standing::Again;
                if self.start.elapsed() >= MOMENT {
                    let progress = crate::job::Progress { doing: post.check.title(), done, of };
                    self.house.outbox.put(self.id, JobEvent::Progress(progress));
                }
            }
        }
        if !notes.missing.is_empty() {
            let Some(post) = self.posts.get_mut(at) else { return };
            post.rounds += 1;
            questions.extend(notes.missing.into_iter().map(|(query, lane)| (query, lane, at)));
        }
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Answer { query, reply } => self.settle(&query, reply, Way::Asked),
            Arrival::Step(step) => {
                let mut questions = Vec::new();
                self.take_step(*step, &mut questions);
                self.ask(questions);
            }
        }
    }

    /// An answer is final: into the evidence with it, and whoever waited is dirty.
    fn settle(&mut self, query: &Query, reply: Reply, way: Way) {
        let Some(lookup) = self.pending.get(query).map(|pending| pending.lookup) else { return };
        self.ledger.close(lookup, &reply, way);
        self.bytes = self.bytes.saturating_add(size(&reply.answer));
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

/// About how many bytes an answer holds.
fn size(answer: &Answer) -> usize {
    /// What a record costs beside its variable part.
    const RECORD: usize = 100;
    match answer {
        Answer::Dns(answer) => {
            let long = |data: &Data| match data {
                Data::Txt(strings) | Data::Spf(strings) => strings.iter().map(Vec::len).sum(),
                Data::Tlsa { data: bytes, .. }
                | Data::Caa { value: bytes, .. }
                | Data::Ds { digest: bytes, .. }
                | Data::Dnskey { key: bytes, .. } => bytes.len(),
                Data::Other(text) => text.len(),
                Data::A(_)
                | Data::Aaaa(_)
                | Data::Cname(_)
                | Data::Mx { .. }
                | Data::Ns(_)
                | Data::Soa { .. }
                | Data::Ptr(_)
                | Data::Srv { .. } => 0,
            };
            RECORD + answer.records.iter().map(|record| RECORD + long(&record.data)).sum::<usize>()
        }
        Answer::Https(HttpsAnswer { outcome: HttpsOutcome::Body { body, .. }, .. }) => RECORD + body.len(),
        // A dialogue has its own bounds.
        Answer::Https(_) | Answer::Smtp(_) => RECORD,
    }
}

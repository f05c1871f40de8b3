//! The one room that goes out of the house: it alone has a network, a clock and tasks. It answers queries (DNS, HTTPS,
//! SMTP dialogues), joins equal ones in flight, caches by TTL, limits, times out, cancels, and logs each.
//!
//! [`run`] is the ask/answer loop of one job; [`desk`] stands between jobs and the world (joins, cache, slots); [`dns`],
//! [`https`] and [`smtp`] speak. Nothing here judges: that is the checks' part. No timer ticks while no job runs.

mod cache;
pub mod casefile;
mod desk;
mod dns;
mod https;
mod ledger;
pub mod listen;
pub mod memory;
mod opinion;
mod outbox;
mod run;
mod short_rsa;
mod slots;
mod smtp;
mod task;
#[cfg(test)]
mod tests;
mod tls;
mod verifier;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use crate::config::{Settings, Upstream};
use crate::job::{Job, JobId};
use crate::smtp::probe::Move;

use desk::{Desk, lock};
use dns::Servers;
use dns::proof::Anchors;
use run::Bounds;
use slots::Slots;
use tls::Trust;

pub use outbox::Outbox;
pub use run::panic_is_contained;

/// How many SMTP dialogues are held at once; a domain rarely has more hosts than that, and each host sees one.
const MAX_DIALOGUES: usize = 16;
/// How many sets of name servers keep their cache.
const MAX_DESKS: usize = 8;

/// Why the engine cannot work at all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No name server is configured and none was given.
    #[error("no name server: {0}; give one with --dns IP")]
    NoResolver(String),
    /// A certificate file that cannot be used.
    #[error("the certificates in --ca-file cannot be read: {0}")]
    BadRoots(String),
    /// A trust anchor that cannot be used.
    #[error("the DNSSEC trust anchor cannot be read: {0}; expected lines like \". IN DNSKEY 257 3 13 KEY\"")]
    BadAnchor(String),
}

/// What all jobs share.
pub(crate) struct House {
    outbox: Arc<Outbox>,
    settings: Settings,
    bounds: Bounds,
    trust: Arc<Trust>,
    anchors: Arc<Anchors>,
    slots: Arc<Slots>,
    dialogues: Semaphore,
    /// Where typed lines go, for jobs with a hands-on dialogue.
    typed: Mutex<HashMap<JobId, mpsc::Sender<Move>>>,
}

impl House {
    /// What a dialogue needs.
    fn wire(&self) -> smtp::Wire {
        smtp::Wire {
            connect_to: self.settings.connect_to.as_slice().into(),
            trust: self.trust.clone(),
            now: self.settings.now,
            ehlo: self.settings.ehlo.clone(),
            timeout: self.settings.timeout,
        }
    }

    /// From now on, lines typed for this job come here.
    fn listen_to(&self, id: JobId) -> mpsc::Receiver<Move> {
        // A person types far slower than a server reads; a paste of more lines than this waits for the next one.
        let (sender, receiver) = mpsc::channel(64);
        lock(&self.typed).insert(id, sender);
        receiver
    }
}

/// The name servers that are asked now, and those that were.
struct Reception {
    label: String,
    desk: Arc<Desk>,
    kept: Vec<(Vec<Upstream>, Arc<Desk>)>,
}

/// The lookup engine, shared by all panes. Cheap to clone; lives on the tokio runtime it was made on.
#[derive(Clone)]
pub struct Engine {
    house: Arc<House>,
    reception: Arc<Mutex<Reception>>,
    jobs: Arc<Mutex<HashMap<JobId, AbortHandle>>>,
    runtime: Handle,
}

impl Engine {
    /// Makes an engine on the current tokio runtime. Nothing is sent and nothing slow is loaded before the first job.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(settings: Settings) -> Result<Engine, EngineError> {
        let trust = Arc::new(Trust::new(&settings.extra_roots, settings.now)?);
        let (upstreams, whose) =
            if settings.upstreams.is_empty() { (dns::system()?, "system ") } else { (settings.upstreams.clone(), "") };
        let house = Arc::new(House {
            outbox: Arc::default(),
            bounds: Bounds::default(),
            trust,
            anchors: Arc::new(Anchors::read(&settings.trust_anchors).map_err(EngineError::BadAnchor)?),
            slots: Arc::new(Slots::new(settings.concurrency)),
            dialogues: Semaphore::new(MAX_DIALOGUES),
            typed: Mutex::default(),
            settings,
        });
        let desk = open(&house, &upstreams);
        let label = format!("{whose}{}", labels(&upstreams));
        let reception = Reception { label, desk: desk.clone(), kept: vec![(upstreams, desk)] };
        Ok(Engine {
            house,
            reception: Arc::new(Mutex::new(reception)),
            jobs: Arc::default(),
            runtime: Handle::current(),
        })
    }

    /// Starts a job; what it tells arrives in the outbox under `id`. Returns at once.
    pub fn start(&self, id: JobId, job: Job) {
        self.launch(id, move |house, desk| task::perform(house, desk, id, job));
    }

    /// Runs the work of a job as a task of its own, with the name servers of this moment.
    fn launch<W>(&self, id: JobId, work: impl FnOnce(Arc<House>, Arc<Desk>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let desk = lock(&self.reception).desk.clone();
        let (house, jobs) = (self.house.clone(), self.jobs.clone());
        let work = work(self.house.clone(), desk);
        let work = async move {
            work.await;
            lock(&house.typed).remove(&id);
            lock(&jobs).remove(&id);
        };
        let handle = self.runtime.spawn(work).abort_handle();
        let mut jobs = lock(&self.jobs);
        jobs.retain(|_, handle| !handle.is_finished());
        if !handle.is_finished() {
            jobs.insert(id, handle);
        }
    }

    /// Says something in the hands-on dialogue of a job: a typed line, STARTTLS, the end. False when nobody listens.
    pub fn say(&self, id: JobId, next: Move) -> bool {
        lock(&self.house.typed).get(&id).is_some_and(|sender| sender.try_send(next).is_ok())
    }

    /// Stops a job: its unshared queries end at once, and nothing more arrives under `id`.
    pub fn cancel(&self, id: JobId) {
        self.house.outbox.forget(id);
        lock(&self.house.typed).remove(&id);
        let job = lock(&self.jobs).remove(&id);
        if let Some(job) = job {
            job.abort();
        }
    }

    /// Asks other name servers from now on (each set of servers has a cache of its own). Jobs that run finish with theirs;
    /// an empty list means the system's.
    pub fn switch(&self, upstreams: Vec<Upstream>) {
        let (upstreams, whose) =
            if upstreams.is_empty() { (dns::system().unwrap_or_default(), "system ") } else { (upstreams, "") };
        let mut reception = lock(&self.reception);
        reception.label = format!("{whose}{}", labels(&upstreams));
        if let Some((_, desk)) = reception.kept.iter().find(|(kept, _)| *kept == upstreams) {
            reception.desk = desk.clone();
            return;
        }
        let desk = open(&self.house, &upstreams);
        reception.desk = desk.clone();
        if reception.kept.len() >= MAX_DESKS {
            reception.kept.remove(0);
        }
        reception.kept.push((upstreams, desk));
    }

    /// Who is asked, for the screen: `system 192.0.2.53`, `127.0.0.1:5300`.
    pub fn upstream_label(&self) -> String {
        lock(&self.reception).label.clone()
    }

    /// Where jobs tell what they do.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.house.outbox
    }
}

fn open(house: &Arc<House>, upstreams: &[Upstream]) -> Arc<Desk> {
    let servers = Servers::new(upstreams, house.settings.timeout, &house.trust);
    Arc::new(Desk::new(servers, house.slots.clone()))
}

fn labels(upstreams: &[Upstream]) -> String {
    upstreams.iter().map(Upstream::label).collect::<Vec<_>>().join(", ")
}

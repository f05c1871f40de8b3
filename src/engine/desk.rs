//! The front desk of one set of name servers: it joins equal questions in flight, keeps answers, and lets only so many
//! out at a time.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::check::{Answer, DnsAnswer, HttpsAnswer, HttpsOutcome, Lane, Outcome, Query, Transcript};

use super::cache::Cache;
use super::dns::Servers;
use super::slots::{ProofSlot, Slots};

/// How many answers are kept; at some 300 bytes each, a megabyte.
const MAX_KEPT: usize = 4096;

/// An answer with how it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// What came.
    pub answer: Arc<Answer>,
    /// Transport and server.
    pub via: Arc<str>,
    /// The rcode or reason, where there is one to tell.
    pub detail: Option<String>,
}

impl Reply {
    /// The answer to `query` when nothing could be asked, for this reason.
    pub(crate) fn failed(query: &Query, reason: &str) -> Reply {
        let answer = match query {
            Query::Dns { .. } | Query::At { .. } | Query::Validated { .. } => {
                Answer::Dns(DnsAnswer::empty(Outcome::Failed(reason.to_owned())))
            }
            Query::Https { .. } => Answer::Https(HttpsAnswer {
                outcome: HttpsOutcome::Failed(reason.to_owned()),
                address: None,
                aliases: Vec::new(),
            }),
            Query::Smtp(_) => Answer::Smtp(Transcript {
                entries: vec![crate::check::TranscriptEntry {
                    at: std::time::Duration::ZERO,
                    tls: false,
                    event: crate::check::TranscriptEvent::GaveUp(reason.to_owned()),
                }],
                finished: true,
            }),
        };
        Reply { answer: Arc::new(answer), via: "".into(), detail: Some(reason.to_owned()) }
    }
}

/// A question that is out; whoever holds a clone waits for the same answer, and when nobody does, it ends.
pub(crate) type Flight = Shared<BoxFuture<'static, Reply>>;

/// What comes of asking at the desk.
pub(crate) enum Asked {
    /// It was kept.
    Known(Reply),
    /// It is on its way.
    Coming {
        /// The answer, in time.
        flight: Flight,
        /// Whether somebody else had asked already.
        joined: bool,
    },
}

struct Out {
    flight: WeakShared<BoxFuture<'static, Reply>>,
    promote: Arc<Notify>,
    number: u64,
}

/// One set of name servers with its cache and its questions in flight.
pub(crate) struct Desk {
    /// Whom it asks.
    pub servers: Servers,
    slots: Arc<Slots>,
    kept: Mutex<Cache>,
    out: Mutex<(HashMap<Query, Out>, u64)>,
}

impl Desk {
    pub(crate) fn new(servers: Servers, slots: Arc<Slots>) -> Desk {
        Desk { servers, slots, kept: Mutex::new(Cache::new(MAX_KEPT)), out: Mutex::default() }
    }

    /// Asks: from the cache (unless `fresh`), by joining, or by sending `work` out when a slot is free.
    pub(crate) fn ask<W>(self: &Arc<Desk>, query: &Query, lane: Lane, fresh: bool, work: W) -> Asked
    where
        W: Future<Output = Reply> + Send + 'static,
    {
        if !fresh && let Some(reply) = lock(&self.kept).get(query, Instant::now()) {
            return Asked::Known(reply);
        }
        let mut out = lock(&self.out);
        if let Some(flying) = out.0.get(query)
            && let Some(flight) = flying.flight.upgrade()
        {
            if lane == Lane::Chain {
                flying.promote.notify_one();
            }
            return Asked::Coming { flight, joined: true };
        }
        out.1 += 1;
        let number = out.1;
        let promote = Arc::new(Notify::new());
        let leave = Leave { desk: self.clone(), query: query.clone(), number };
        let (desk, promoted) = (self.clone(), promote.clone());
        let flight = async move {
            // Spawned at the first poll, so that it runs beside its asker's loop and ends with its last asker.
            let (query, slots) = (leave.query.clone(), desk.slots.clone());
            let query_of_task = query.clone();
            let task = Task(tokio::spawn(async move {
                let _slot = match query_of_task {
                    // Each of its own questions takes a slot; the whole must not hold one while it waits for them.
                    Query::Validated { .. } => None,
                    Query::Dns { .. } | Query::At { .. } | Query::Https { .. } | Query::Smtp(_) => {
                        slots.enter(lane, &promoted).await
                    }
                };
                work.await
            }));
            let reply = task.await.unwrap_or_else(|| Reply::failed(&query, "the lookup broke inside mxray"));
            lock(&desk.kept).put(&query, &reply, Instant::now());
            drop(leave);
            reply
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            out.0.insert(query.clone(), Out { flight: weak, promote, number });
        }
        Asked::Coming { flight, joined: false }
    }

    /// Waits for a slot for one question of a proof.
    pub(crate) async fn slot_for_proof(&self) -> ProofSlot {
        self.slots.enter_for_proof().await
    }

    /// Somebody now waits for what was asked as a guess.
    pub(crate) fn promote(&self, query: &Query) {
        if let Some(flying) = lock(&self.out).0.get(query) {
            flying.promote.notify_one();
        }
    }
}

/// Takes a question off the list when its flight has landed or was called back.
struct Leave {
    desk: Arc<Desk>,
    query: Query,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut out = lock(&self.desk.out);
        if out.0.get(&self.query).is_some_and(|flying| flying.number == self.number) {
            out.0.remove(&self.query);
        }
    }
}

/// A task that ends when nobody waits for it any more.
struct Task(JoinHandle<Reply>);

impl Future for Task {
    type Output = Option<Reply>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.0.poll_unpin(context).map(Result::ok)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

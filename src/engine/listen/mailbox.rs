//! What a listener tells, keyed by item: of each session the newest state wins, so a slow reader sees less often, never
//! late, and no session waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::check::{ListenerNews, Visit};

/// A mailbox with one bell.
#[derive(Debug, Default)]
pub struct Mailbox {
    inner: Mutex<Inner>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// The address or the failure.
    own: Vec<ListenerNews>,
    visits: BTreeMap<u64, Arc<Visit>>,
    turned_away: Option<u64>,
}

impl Mailbox {
    pub(super) fn put(&self, news: ListenerNews) {
        {
            let mut inner = self.lock();
            match news {
                ListenerNews::Listening { .. } | ListenerNews::Failed(_) => inner.own.push(news),
                ListenerNews::Visit(visit) => {
                    inner.visits.insert(visit.number, visit);
                }
                ListenerNews::TurnedAway(count) => inner.turned_away = Some(count),
            }
        }
        self.bell.notify_one();
    }

    /// Takes everything that is there, sessions in the order of their numbers.
    pub fn drain(&self) -> Vec<ListenerNews> {
        let inner = std::mem::take(&mut *self.lock());
        let visits = inner.visits.into_values().map(ListenerNews::Visit);
        inner.own.into_iter().chain(visits).chain(inner.turned_away.map(ListenerNews::TurnedAway)).collect()
    }

    /// Waits until something is there.
    pub async fn ready(&self) {
        while self.is_empty() {
            self.bell.notified().await;
        }
    }

    /// Sessions that nobody has read about.
    pub(super) fn len(&self) -> usize {
        self.lock().visits.len()
    }

    fn is_empty(&self) -> bool {
        let inner = self.lock();
        inner.own.is_empty() && inner.visits.is_empty() && inner.turned_away.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What jobs tell, keyed by job and item: the newest of each item wins, so a reader that is slow sees less often, never
//! late, and neither side ever waits for the other. A job's own bounds bound it.

use std::collections::HashMap;
use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::job::{JobEvent, JobId};
use crate::report::LookupId;

/// A mailbox with one bell.
#[derive(Default)]
pub struct Outbox {
    inner: Mutex<Inner>,
    bell: Notify,
}

#[derive(Default)]
struct Inner {
    order: VecDeque<(JobId, Item)>,
    events: HashMap<(JobId, Item), JobEvent>,
    forgotten: HashSet<JobId>,
}

/// What an event is about inside its job.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Item {
    Lookup(LookupId),
    Section(&'static str),
    Verdict,
    Progress,
    Dialogue(LookupId),
    End,
}

impl Outbox {
    /// Puts an event in, over an older one about the same item, and rings the bell.
    pub fn put(&self, job: JobId, event: JobEvent) {
        let item = match &event {
            JobEvent::Lookup(lookup) => Item::Lookup(lookup.id),
            JobEvent::Section(section) => Item::Section(section.id),
            JobEvent::Verdict(..) => Item::Verdict,
            JobEvent::Progress(_) => Item::Progress,
            JobEvent::Dialogue(id, _) => Item::Dialogue(*id),
            JobEvent::Finished(..) | JobEvent::Refused(_) | JobEvent::Failed(_) => Item::End,
        };
        {
            let mut inner = self.lock();
            if inner.forgotten.contains(&job) {
                return;
            }
            if inner.events.insert((job, item), event).is_none() {
                inner.order.push_back((job, item));
            }
        }
        self.bell.notify_one();
    }

    /// Takes everything that is there, oldest item first, the end of a job last.
    pub fn drain(&self) -> Vec<(JobId, JobEvent)> {
        let mut inner = self.lock();
        let order = std::mem::take(&mut inner.order);
        order.into_iter().filter_map(|key| inner.events.remove(&key).map(|event| (key.0, event))).collect()
    }

    /// Waits until something is there.
    pub async fn ready(&self) {
        while self.lock().order.is_empty() {
            self.bell.notified().await;
        }
    }

    /// Drops what a cancelled job has told, and whatever it still tells.
    pub fn forget(&self, job: JobId) {
        let mut inner = self.lock();
        inner.order.retain(|(id, _)| *id != job);
        inner.events.retain(|(id, _), _| *id != job);
        inner.forgotten.insert(job);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobEvent;

    #[test]
    fn the_newest_of_an_item_wins_and_a_forgotten_job_is_silent() {
        let outbox = Outbox::default();
        outbox.put(JobId(1), JobEvent::Failed("first".into()));
        outbox.put(JobId(1), JobEvent::Failed("second".into()));
        outbox.put(JobId(2), JobEvent::Failed("other".into()));
        outbox.forget(JobId(2));
        outbox.put(JobId(2), JobEvent::Failed("late".into()));
        let events = outbox.drain();
        assert!(matches!(events.as_slice(), [(JobId(1), JobEvent::Failed(text))] if text == "second"));
        assert!(outbox.drain().is_empty());
    }
}

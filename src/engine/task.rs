//! Makes the subject of a task and runs its job. One arm a task; making a subject may be work, and is then done off the
//! async workers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::job::{Job, JobEvent, JobId, Progress, Task};
use crate::message::{Message, Reached};
use crate::records::Domain;
use crate::records::dmarc::AuthorDomain;
use crate::records::spf::CheckHost;
use crate::smtp::Target;
use crate::smtp::written::Written;

use super::House;
use super::desk::{Desk, lock};
use super::memory::Memory;
use super::opinion;
use super::run::{MOMENT, TELL_AGAIN, contained, run, run_with};

/// A message up to so many bytes is read at once: that takes a millisecond at most.
const SMALL: usize = 128 * 1024;

/// Does one job from its task to its last event.
pub(super) async fn perform(house: Arc<House>, desk: Arc<Desk>, id: JobId, mut job: Job) {
    match job.task.clone() {
        Task::Domain { name, selectors } => {
            let known = house.settings.memory.as_deref().map(|path| Memory::at(path).recall(&name)).unwrap_or_default();
            let remembered = known.sts();
            let mut selectors = selectors;
            selectors.extend(known.selectors);
            run(house, desk, id, job, Domain { selectors, remembered, ..Domain::new(name) }).await;
        }
        Task::Message { raw, envelope } => {
            // The message alone holds its bytes from here on: after a repair nothing but the edits keeps the original.
            job.task = Task::Message { raw: Arc::default(), envelope: envelope.clone() };
            let reading = Reading::new(house.clone(), id);
            let heard = reading.clone();
            let is_small = raw.len() <= SMALL;
            let read = move || Message::parse_watched(raw, envelope, &|reached| heard.tell(reached));
            let read = async move {
                // Starting a thread takes longer than reading a small message does; the blocking pool contains a panic, so
                // must this.
                if is_small {
                    contained(read).ok_or(())
                } else {
                    tokio::task::spawn_blocking(read).await.map_err(|_| ())
                }
            };
            match Ending(reading).when(read).await {
                Ok(Ok(message)) => run_with(house, desk, id, job, message, Some(opinion::differing)).await,
                Ok(Err(why)) => house.outbox.put(id, JobEvent::Refused(why.refusal())),
                Err(_) => house.outbox.put(id, JobEvent::Failed("mxray broke while reading this message".into())),
            }
        }
        Task::Spf { domain, ip, mail_from, helo } => {
            run(house, desk, id, job, CheckHost { domain, ip, mail_from, helo }).await;
        }
        Task::Dmarc { name } => run(house, desk, id, job, AuthorDomain(Domain::new(name))).await,
        Task::Dialogue { text } => match Written::parse(&text) {
            Ok(written) => run(house, desk, id, job, written).await,
            Err(why) => house.outbox.put(id, JobEvent::Failed(why)),
        },
        Task::Smtp { target, plan } => match Target::parse(&target, plan) {
            Ok(mut target) => {
                let rules = house.settings.connect_to.iter().filter(|rule| rule.to_host.is_some());
                target.redirected = rules.map(|rule| (rule.host.clone(), rule.port)).collect();
                run(house, desk, id, job, target).await;
            }
            Err(why) => house.outbox.put(id, JobEvent::Failed(why)),
        },
    }
}

/// A message on its way through [`Message::parse_watched`], on a thread that no cancelled job waits for.
#[derive(Clone)]
struct Reading {
    house: Arc<House>,
    id: JobId,
    started: Instant,
    told: Arc<Mutex<Instant>>,
    over: Arc<AtomicBool>,
}

impl Reading {
    fn new(house: Arc<House>, id: JobId) -> Reading {
        let now = Instant::now();
        Reading { house, id, started: now, told: Arc::new(Mutex::new(now)), over: Arc::default() }
    }

    /// Tells how far it is when it takes longer than a moment; false when nobody wants it any more.
    fn tell(&self, Reached { doing, done, of }: Reached) -> bool {
        let now = Instant::now();
        if now - self.started >= MOMENT && now - *lock(&self.told) >= TELL_AGAIN {
            *lock(&self.told) = now;
            self.house.outbox.put(self.id, JobEvent::Progress(Progress { doing, done, of }));
        }
        !self.over.load(Ordering::Relaxed)
    }
}

/// Whoever waits for a reading; when it is dropped (a cancelled job), the reading ends too.
struct Ending(Reading);

impl Ending {
    async fn when<T>(self, work: impl Future<Output = T>) -> T {
        work.await
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

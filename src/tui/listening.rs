//! The listener as the screen sees it: where it stands, the sessions with what they brought. Bounded: the oldest finished
//! sessions go when there are too many or their messages too large.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::check::{Captured, ListenerNews, Visit};
use crate::smtp::listen::Plan;

/// Sessions that are kept.
const MOST_VISITS: usize = 200;
/// Bytes of messages that are kept.
const MOST_BYTES: usize = 100_000_000;

/// A listener and everything it has told.
#[derive(Clone, Debug)]
pub struct Listening {
    /// What was asked for.
    pub plan: Plan,
    /// Where it stands.
    pub stage: Stage,
    /// The sessions, by their number.
    pub visits: BTreeMap<u64, Arc<Visit>>,
    /// Clients that were turned away.
    pub turned_away: u64,
    /// Sessions that were dropped to make room.
    pub dropped: u64,
    /// Messages that came in, those of dropped sessions included.
    pub messages: usize,
    /// Grows with every change.
    pub version: u64,
}

/// Where a listener stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is being started.
    Starting,
    /// It listens here.
    On(SocketAddr),
    /// It cannot: why and what to do.
    Failed(String),
    /// The person stopped it.
    Stopped,
}

impl Listening {
    /// A listener that has just been asked for.
    pub fn new(plan: Plan) -> Listening {
        Listening {
            plan,
            stage: Stage::Starting,
            visits: BTreeMap::new(),
            turned_away: 0,
            dropped: 0,
            messages: 0,
            version: 0,
        }
    }

    /// Whether it listens, or soon will.
    pub fn is_on(&self) -> bool {
        matches!(self.stage, Stage::Starting | Stage::On(_))
    }

    /// Takes in what it has told; the newest message, if one came.
    pub fn take(&mut self, news: ListenerNews) -> Option<Arc<Captured>> {
        if !self.is_on() {
            return None;
        }
        self.version += 1;
        match news {
            ListenerNews::Listening { address, .. } => self.stage = Stage::On(address),
            ListenerNews::Failed(why) => self.stage = Stage::Failed(why),
            ListenerNews::TurnedAway(count) => self.turned_away = count,
            ListenerNews::Visit(visit) => {
                let before = self.visits.get(&visit.number).map_or(0, |known| known.messages.len());
                let newest = visit.messages.last().filter(|_| visit.messages.len() > before).cloned();
                self.messages += visit.messages.len().saturating_sub(before);
                self.visits.insert(visit.number, visit);
                self.make_room();
                return newest;
            }
        }
        None
    }

    fn make_room(&mut self) {
        let bytes = |visit: &Arc<Visit>| visit.messages.iter().map(|message| message.raw.len()).sum::<usize>();
        let mut held: usize = self.visits.values().map(bytes).sum();
        while self.visits.len() > MOST_VISITS || (held > MOST_BYTES && self.visits.len() > 1) {
            let finished = self.visits.iter().find(|(_, visit)| visit.transcript.finished).map(|(number, _)| *number);
            let Some(number) = finished.or(self.visits.keys().next().copied()) else { return };
            if let Some(gone) = self.visits.remove(&number) {
                held = held.saturating_sub(bytes(&gone));
                self.dropped += 1;
            }
        }
    }

    /// The person stops it; what came stays.
    pub fn stop(&mut self) {
        self.stage = Stage::Stopped;
        self.version += 1;
    }
}

//! Answers that are kept for as long as their TTL says; absence by RFC 2308, failures for a blink.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::check::{Answer, HttpsOutcome, Outcome, Query};

use super::desk::Reply;

/// The longest that records are kept; more would outlive any session.
const MAX_POSITIVE: u32 = 86_400;
/// The longest that absence is kept (RFC 2308 §5 advises one to three hours).
const MAX_NEGATIVE: u32 = 3_600;
/// How long a failure is kept: long enough that two panes do not both wait for a dead server, too short to be noticed.
const FAILURE: Duration = Duration::from_secs(3);
/// How long a fetched file is kept. Its own `max_age` is for senders; an inspector wants to see a change soon.
const FILE: Duration = Duration::from_secs(60);
/// A body longer than this is not kept.
const MAX_BODY: usize = 64 * 1024;

/// Replies by question, the oldest leaving first.
pub(super) struct Cache {
    kept: HashMap<Query, (Reply, Instant)>,
    order: VecDeque<Query>,
    capacity: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Cache {
        Cache { kept: HashMap::new(), order: VecDeque::new(), capacity }
    }

    /// The reply that still holds at `now`.
    pub(super) fn get(&self, query: &Query, now: Instant) -> Option<Reply> {
        self.kept.get(query).filter(|(_, until)| *until > now).map(|(reply, _)| reply.clone())
    }

    /// Keeps a reply for as long as it may be.
    pub(super) fn put(&mut self, query: &Query, reply: &Reply, now: Instant) {
        // What is published is asked because it may have changed a moment ago.
        let keep = if matches!(query, Query::At { .. }) { Duration::ZERO } else { lifetime(reply) };
        if keep.is_zero() {
            return;
        }
        if self.kept.insert(query.clone(), (reply.clone(), now + keep)).is_none() {
            self.order.push_back(query.clone());
        }
        while self.kept.len() > self.capacity {
            let Some(oldest) = self.order.pop_front() else { break };
            self.kept.remove(&oldest);
        }
    }
}

fn lifetime(reply: &Reply) -> Duration {
    let seconds = |ttl: u32| Duration::from_secs(u64::from(ttl));
    match &*reply.answer {
        Answer::Dns(answer) => match answer.outcome {
            Outcome::Answer => seconds(answer.ttl.unwrap_or(0).min(MAX_POSITIVE)),
            // Without a SOA, absence must not be kept (RFC 2308 §5); a blink is for our own panes.
            Outcome::NoData | Outcome::NoSuchName => answer.ttl.map_or(FAILURE, |ttl| seconds(ttl.min(MAX_NEGATIVE))),
            Outcome::ServerFailure
            | Outcome::Refused
            | Outcome::TimedOut
            | Outcome::Malformed(_)
            | Outcome::Failed(_) => FAILURE,
        },
        Answer::Https(answer) => match &answer.outcome {
            HttpsOutcome::Body { body, .. } if body.len() > MAX_BODY => Duration::ZERO,
            HttpsOutcome::Body { .. } => FILE,
            _ => FAILURE,
        },
        Answer::Smtp(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{DnsAnswer, Kind};
    use crate::name::Name;
    use std::sync::Arc;

    fn query(name: &str) -> Query {
        Query::dns(&Name::from_text(name).unwrap(), Kind::Txt)
    }

    fn reply(outcome: Outcome, ttl: Option<u32>) -> Reply {
        let answer = DnsAnswer { ttl, ..DnsAnswer::empty(outcome) };
        Reply { answer: Arc::new(Answer::Dns(answer)), via: "".into(), detail: None }
    }

    #[test]
    fn each_kind_of_answer_is_kept_for_its_own_time() {
        let keeps = |outcome, ttl| lifetime(&reply(outcome, ttl)).as_secs();
        assert_eq!(keeps(Outcome::Answer, Some(300)), 300);
        assert_eq!(keeps(Outcome::Answer, Some(999_999)), 86_400);
        assert_eq!(keeps(Outcome::Answer, Some(0)), 0);
        assert_eq!(keeps(Outcome::NoSuchName, Some(60)), 60);
        assert_eq!(keeps(Outcome::NoData, Some(86_400)), 3_600);
        assert_eq!(keeps(Outcome::NoData, None), 3);
        assert_eq!(keeps(Outcome::ServerFailure, None), 3);
        assert_eq!(keeps(Outcome::TimedOut, Some(300)), 3);
    }

    #[test]
    fn nothing_outlives_its_ttl_and_the_oldest_makes_room() {
        let (mut cache, start) = (Cache::new(2), Instant::now());
        for name in ["a.example", "b.example", "c.example"] {
            cache.put(&query(name), &reply(Outcome::Answer, Some(10)), start);
        }
        assert!(cache.get(&query("a.example"), start).is_none());
        assert!(cache.get(&query("c.example"), start + Duration::from_secs(9)).is_some());
        assert!(cache.get(&query("c.example"), start + Duration::from_secs(10)).is_none());
    }
}

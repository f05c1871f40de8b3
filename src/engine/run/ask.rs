//! How the loop asks: from the job's evidence, by the bounds, at the desk; files once the addresses of their host are known.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures::FutureExt;

use super::{Arrival, Pending, Run};
use crate::check::{
    Answer, Data, HttpsAnswer, HttpsOutcome, Kind, Lane, Look, Outcome, Query, Record, Subject, Transcript,
};
use crate::engine::desk::{Asked, Flight, Reply};
use crate::engine::dns::authority;
use crate::engine::https::{self, Target};
use crate::engine::ledger::Way;
use crate::engine::smtp;
use crate::name::Name;
use crate::report::LookupId;

impl<S: Subject> Run<S> {
    /// Sends out what was asked in one pass; what is known already makes its checks dirty at once.
    pub(super) fn ask(&mut self, questions: Vec<(Query, Lane, usize)>) {
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
            let too_much = self.bytes > self.bounds.bytes;
            let why = self.gave_up.clone().or_else(|| match (too_many, tired, too_much) {
                (true, ..) => Some(format!("mxray gave up after {} questions in this job", self.bounds.questions)),
                (_, true, _) => Some(format!("mxray gave up after {} rounds of questions", self.bounds.rounds)),
                (.., true) => Some(format!("mxray gave up after {} bytes of answers in this job", self.bounds.bytes)),
                (false, false, false) => None,
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
            Query::At { server, name, kind } => {
                let (name, kind, timeout) = (name.clone(), *kind, self.house.settings.timeout);
                match self.desk.servers.place_of(*server, &self.house.settings.connect_to) {
                    Err(why) => self.settle(&query, Reply::failed(&query, &why), Way::Given),
                    Ok(server) => {
                        let work = async move {
                            let reply = authority::ask(server, name, kind, timeout).await;
                            let (answer, via) = (Arc::new(Answer::Dns(reply.answer)), reply.via.into());
                            Reply { answer, via, detail: reply.detail }
                        };
                        let asked = self.desk.ask(&query, lane, true, work);
                        self.follow(query, lookup, asked);
                    }
                }
            }
            Query::Validated { name, kind } => {
                let (proofs, name, kind) = (self.proofs.clone(), name.clone(), *kind);
                let work = async move {
                    let reply = proofs.ask(&name, kind).await;
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
                let (house, dialogue, growth) = (self.house.clone(), dialogue.clone(), self.growth.clone());
                let typed = dialogue.hands_on.then(|| house.listen_to(self.id));
                self.answers.push(
                    async move {
                        let _slot = house.dialogues.acquire().await;
                        let tell =
                            |transcript: &Transcript| growth.put(Query::Smtp(dialogue.clone()), transcript.clone());
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
    pub(super) fn fetch_what_has_addresses(&mut self) {
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
            let supposed = self.is_supposed(target.resolve.as_ref());
            let start = self.ledger.now_ms();
            self.ledger.change(lookup, |line| line.start_ms = start);
            let trust = self.house.trust.clone();
            let work = https::fetch(target, *rules, addresses, aliases, trust, self.house.settings.timeout);
            if supposed {
                // What an imagined address serves is nobody else's answer: not joined, not kept.
                self.answers.push(async move { Arrival::Answer { query, reply: work.await } }.boxed());
                continue;
            }
            let asked = self.desk.ask(&query, Lane::Chain, self.job.fresh, work);
            self.follow(query, lookup, asked);
        }
    }

    /// Whether the addresses of a host come from the job's own evidence.
    fn is_supposed(&self, host: Option<&Name>) -> bool {
        let (Some(given), Some(host)) = (&self.job.evidence, host) else { return false };
        [Kind::A, Kind::Aaaa].into_iter().any(|kind| given.get(&Query::dns(host, kind)).is_some())
    }

    fn addressed(&self, host: &Name) -> bool {
        let known = |kind| match self.evidence.get(&Query::dns(host, kind)).map(|entry| &*entry.answer) {
            Some(Answer::Dns(answer)) => Some(!answer.records.is_empty()),
            _ => None,
        };
        matches!((known(Kind::A), known(Kind::Aaaa)), (Some(true), _) | (Some(_), Some(_)))
    }

    /// The addresses of a host, the aliases on the way, and why there is none.
    fn addresses(&self, host: Option<&Name>) -> (Vec<IpAddr>, Vec<Name>, Option<Outcome>) {
        let (mut addresses, mut aliases, mut outcome) = (Vec::new(), Vec::new(), None);
        for kind in [Kind::A, Kind::Aaaa] {
            let entry = host.and_then(|host| self.evidence.get(&Query::dns(host, kind)));
            let Some(Answer::Dns(answer)) = entry.map(|entry| &*entry.answer) else { continue };
            addresses.extend(answer.addresses());
            if aliases.is_empty() {
                let target = |record: &Record| match &record.data {
                    Data::Cname(target) => Some(target.clone()),
                    _ => None,
                };
                aliases = answer.aliases.iter().filter_map(target).collect();
            }
            // A failure weighs more than absence: with it we do not know.
            if outcome.is_none() || matches!(answer.look(), Look::Unknown(_)) {
                outcome = Some(answer.outcome.clone());
            }
        }
        let outcome = if addresses.is_empty() { outcome } else { None };
        (addresses, aliases, outcome)
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
}

async fn arrival(query: Query, flight: Flight) -> Arrival {
    let reply = flight.await;
    Arrival::Answer { query, reply }
}

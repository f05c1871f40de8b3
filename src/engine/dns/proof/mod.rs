//! DNSSEC, validated here (RFC 4035 §5): from a trust anchor down to the records, or to the proof that there are none.
//!
//! hickory judges signatures, delegations and denials; what it needs is asked of the same name servers, over the same
//! transports, as any other question, with DO and CD set. The questions that many validations have in common (keys and
//! delegations from the root down) are asked once a job, all at the start, so that a validation takes two round trips and
//! not two a label. Nothing here says "bogus" because a question failed: then nothing is known.

mod anchors;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, Either, Shared, join_all, select};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::xfer::{DnsHandle, FirstAnswer};
use hickory_net::{DnsError, NetError};
use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message as Whole, Query};
use hickory_proto::rr::{Name as HickoryName, Record, RecordType};
use tokio::time::{Instant, timeout};

use super::read::{Next, Reading};
use super::wire::{self, Dress, Message};
use super::{DnsReply, Fault, MAX_HOPS, Question};
use crate::check::{Data, DnsAnswer, Dnssec, Kind, Outcome};
use crate::engine::desk::{Desk, lock};
use crate::name::Name;
use crate::records::Domain;
pub(crate) use anchors::Anchors;
use anchors::{Holds, holds_at, now, signatures};

/// How many questions all validations of one job may ask: twenty hosts in twenty zones take about three hundred.
const MAX_QUESTIONS: usize = 500;
/// A whole validation may take so many times the time of one question.
const PATIENCE: u32 = 2;
/// The type of DNAME.
const DNAME: u16 = 39;
/// What is said where the chain cannot even begin.
const NOT_PASSED: &str = "your resolver does not pass DNSSEC records";

/// A response that more than one validation may need.
type Flight = Shared<BoxFuture<'static, Result<Arc<Signed>, Fault>>>;

struct Signed {
    message: Message,
    via: String,
}

/// What the validations of one job have in common.
pub(crate) struct Proofs {
    desk: Arc<Desk>,
    anchors: Arc<Anchors>,
    got: Mutex<HashMap<(Name, Kind), Flight>>,
    asked: AtomicUsize,
}

impl Proofs {
    pub(crate) fn new(desk: Arc<Desk>, anchors: Arc<Anchors>) -> Proofs {
        Proofs { desk, anchors, got: Mutex::default(), asked: AtomicUsize::new(0) }
    }

    /// Answers whether DNSSEC holds for `kind` at `name`.
    pub(crate) async fn ask(self: &Arc<Proofs>, name: &Name, kind: Kind) -> DnsReply {
        let trail = Arc::new(Trail::default());
        let limit = self.desk.servers.timeout * PATIENCE;
        let work = async {
            let ahead = pin!(join_all(self.ahead(name, kind)));
            match select(pin!(self.prove(name, kind, &trail)), ahead).await {
                Either::Left((reply, _)) => reply,
                Either::Right((_, work)) => work.await,
            }
        };
        let reply = timeout(limit, work).await;
        reply.unwrap_or_else(|_| unproven(Fault::new(Outcome::TimedOut)))
    }

    /// The response to one question, asked once.
    fn get(&self, name: &Name, kind: Kind) -> Flight {
        let mut got = lock(&self.got);
        if let Some(flight) = got.get(&(name.clone(), kind)) {
            return flight.clone();
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let (desk, name_of_flight) = (self.desk.clone(), name.clone());
        let flight = async move {
            if number >= MAX_QUESTIONS {
                return Err(Fault::failed(format!("mxray gave up after {MAX_QUESTIONS} questions for DNSSEC")));
            }
            let _slot = desk.slot_for_proof().await;
            let deadline = Instant::now() + desk.servers.timeout;
            let question = Question { name: &name_of_flight, kind, dress: Dress::Signed, deadline };
            let (message, via) = desk.servers.exchange(question).await?;
            Ok(Arc::new(Signed { message, via }))
        }
        .boxed()
        .shared();
        got.insert((name.clone(), kind), flight.clone());
        flight
    }

    /// What a validation of `name` will surely need: its own question, and keys and delegations of the zones above it.
    fn ahead(&self, name: &Name, kind: Kind) -> Vec<Flight> {
        let mut flights = vec![self.get(name, kind)];
        let Some(anchor) = self.anchors.above(name) else { return flights };
        let zone = Domain::new(name.clone()).zone();
        for labels in (anchor.label_count()..=zone.label_count()).rev() {
            let zone = name.suffix(labels);
            flights.push(self.get(&zone, Kind::Dnskey));
            if zone != *anchor {
                flights.push(self.get(&zone, Kind::Ds));
            }
        }
        flights
    }

    /// Follows a name along its CNAMEs; each step is a question with a proof of its own, and the weakest counts.
    async fn prove(self: &Arc<Proofs>, name: &Name, kind: Kind, trail: &Arc<Trail>) -> DnsReply {
        let (mut at, mut aliases, mut dnssec) = (name.clone(), Vec::new(), Dnssec::Secure);
        let mut via = String::new();
        for _ in 0..=MAX_HOPS {
            let response = match self.get(&at, kind).await {
                Ok(response) => response,
                Err(fault) => return unproven(fault),
            };
            via.clone_from(&response.via);
            let answers = &response.message.answers;
            let own = |data: &Data| crate::check::world::kind_of(data) == Some(kind);
            let alias = answers.iter().find_map(|record| match &record.data {
                Data::Cname(target) if record.owner == at => Some((record.clone(), target.clone())),
                _ => None,
            });
            let found = answers.iter().any(|record| record.owner == at && own(&record.data));
            let (asked, next) = match alias {
                Some((record, target)) if !found && kind != Kind::Cname => (Kind::Cname, Some((record, target))),
                _ => (kind, None),
            };
            // The target is asked for meanwhile.
            let ahead = next.as_ref().map(|(_, target)| self.ahead(target, kind)).unwrap_or_default();
            let judged = {
                let judged = pin!(self.judge(&at, asked, trail));
                match select(judged, pin!(join_all(ahead))).await {
                    Either::Left((judged, _)) => judged,
                    Either::Right((_, judged)) => judged.await,
                }
            };
            dnssec = match judged {
                Ok(state) => weaker(dnssec, state),
                Err(Verdict::Bogus(why)) => return bogus(&at, kind, why, via),
                Err(Verdict::Unknown(fault)) => return unproven(fault.over(via)),
            };
            let Some((record, target)) = next else {
                return self.reply(&at, kind, &response, (aliases, dnssec), trail);
            };
            if aliases.iter().any(|known: &crate::check::Record| known.owner == target) {
                return unproven(Fault::failed("the CNAMEs run in a circle").over(via));
            }
            aliases.push(record);
            at = target;
        }
        unproven(Fault::failed(format!("more than {MAX_HOPS} CNAMEs in a row")).over(via))
    }

    fn reply(
        &self,
        at: &Name,
        kind: Kind,
        response: &Signed,
        (aliases, dnssec): (Vec<crate::check::Record>, Dnssec),
        trail: &Trail,
    ) -> DnsReply {
        let answer = match Reading::new(at, kind).take(&response.message) {
            Next::Done(answer) => answer,
            Next::Ask => DnsAnswer::empty(Outcome::NoData),
        };
        let ttl = aliases.iter().map(|record| record.ttl).chain(answer.ttl).min();
        let more = trail.asked.load(Ordering::Relaxed);
        let detail = Some(match dnssec {
            Dnssec::Secure => format!("validated here, with {more} more questions"),
            _ => format!("not signed, as its parent says; {more} more questions"),
        });
        DnsReply { answer: DnsAnswer { aliases, ttl, dnssec, ..answer }, via: response.via.clone(), detail }
    }

    /// Validates one question.
    async fn judge(self: &Arc<Proofs>, name: &Name, kind: Kind, trail: &Arc<Trail>) -> Result<Dnssec, Verdict> {
        let anchors = self.begin(name).await.map_err(Verdict::Unknown)?;
        let asker = Asker { proofs: self.clone(), trail: trail.clone() };
        // The job keeps what was asked; what was concluded is cheap, and old conclusions about new answers are none.
        let handle = DnssecDnsHandle::with_trust_anchor(asker, Arc::new(anchors)).validation_cache_size(64);
        let Some(owner) = to_hickory(name) else {
            return Err(Verdict::Unknown(Fault::failed("a name that hickory does not take")));
        };
        let kind = RecordType::from(wire::number(kind));
        let result =
            handle.lookup(Query::query(owner.clone(), kind), DnsRequestOptions::default()).first_answer().await;
        let (proof, response) = match result {
            Ok(response) => (judged(&response, &owner, kind), response),
            Err(NetError::Dns(DnsError::Nsec { response, proof, .. })) => (proof, *response),
            Err(why) => {
                let fault = trail.failure().unwrap_or_else(|| Fault::failed(format!("could not validate: {why}")));
                return Err(Verdict::Unknown(fault));
            }
        };
        match proof {
            Proof::Secure => Ok(Dnssec::Secure),
            Proof::Insecure => Ok(Dnssec::Insecure),
            Proof::Bogus | Proof::Indeterminate => {
                // A question that failed on the way proves nothing against the domain.
                if let Some(fault) = trail.failure() {
                    return Err(Verdict::Unknown(fault));
                }
                if response.answers.iter().any(|record| u16::from(record.record_type()) == DNAME) {
                    return Err(Verdict::Unknown(Fault::failed("a DNAME leads there, which mxray does not validate")));
                }
                Err(Verdict::Bogus(reason(&response, &owner, kind)))
            }
        }
    }

    /// The trust anchors for `name`, primed with the keys that their zone has now.
    async fn begin(&self, name: &Name) -> Result<TrustAnchors, Fault> {
        let Some(zone) = self.anchors.above(name) else {
            return Err(Fault::failed(format!("no trust anchor is at or above {name}")));
        };
        let response = match self.get(zone, Kind::Dnskey).await {
            Ok(response) => response,
            Err(fault) => {
                let why = match &fault.outcome {
                    Outcome::TimedOut => return Err(fault),
                    other => format!("{NOT_PASSED}: for the keys of {}, {other}", of_zone(zone)),
                };
                return Err(Fault { outcome: Outcome::Failed(why), ..fault });
            }
        };
        let whole = Whole::from_vec(&response.message.bytes).map_err(|why| Fault::malformed(&why.to_string()))?;
        self.anchors.primed(zone, &whole).ok_or_else(|| {
            let signed = signatures(&whole.answers, RecordType::DNSKEY).next().is_some();
            Fault::failed(match signed {
                false => format!("{NOT_PASSED}: the keys of {} come without signatures", of_zone(zone)),
                true => {
                    format!("the keys that your resolver gives for {} are not those of our trust anchor", of_zone(zone))
                }
            })
        })
    }
}

/// What a validation met on its way.
#[derive(Default)]
struct Trail {
    asked: AtomicUsize,
    failed: Mutex<Option<Fault>>,
}

impl Trail {
    fn failure(&self) -> Option<Fault> {
        lock(&self.failed).clone()
    }
}

/// Why a validation did not end in secure or insecure.
enum Verdict {
    Bogus(String),
    Unknown(Fault),
}

/// Asks for hickory, over our own exchanges.
#[derive(Clone)]
struct Asker {
    proofs: Arc<Proofs>,
    trail: Arc<Trail>,
}

impl DnsHandle for Asker {
    type Response = BoxStream<'static, Result<DnsResponse, NetError>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let asker = self.clone();
        let query = request.queries.first().cloned();
        futures::stream::once(async move { asker.answer(query).await }).boxed()
    }
}

impl Asker {
    async fn answer(&self, query: Option<Query>) -> Result<DnsResponse, NetError> {
        let query = query.ok_or(NetError::Message("no question"))?;
        let kind = Kind::ALL.into_iter().find(|kind| wire::number(*kind) == u16::from(query.query_type()));
        let name = Name::from_labels(query.name().iter()).ok();
        let (Some(kind), Some(name)) = (kind, name) else {
            return Err(self.failed(Fault::failed("a question that mxray does not ask")));
        };
        self.trail.asked.fetch_add(1, Ordering::Relaxed);
        let own = self.proofs.get(&name, kind);
        // A zone cut is looked for from below; all the names on the way up are asked at once.
        let up =
            std::iter::successors(name.parent(), Name::parent).filter(|above| kind == Kind::Ns && !above.is_root());
        let ahead: Vec<Flight> = up.map(|above| self.proofs.get(&above, Kind::Ns)).collect();
        let result = match select(own, pin!(join_all(ahead))).await {
            Either::Left((result, _)) => result,
            Either::Right((_, own)) => own.await,
        };
        let response = result.map_err(|fault| self.failed(fault))?;
        DnsResponse::from_buffer(response.message.bytes.clone())
            .map_err(|why| self.failed(Fault::malformed(&why.to_string())))
    }

    fn failed(&self, fault: Fault) -> NetError {
        lock(&self.trail.failed).get_or_insert(fault);
        NetError::Message("a question on the way failed")
    }
}

/// What was proven by a response that hickory has gone through.
fn judged(response: &DnsResponse, owner: &HickoryName, kind: RecordType) -> Proof {
    let own: Vec<&Record> = response.answers.iter().filter(|r| r.name == *owner && r.record_type() == kind).collect();
    let rank = |proof: &Proof| match proof {
        Proof::Secure => 3,
        Proof::Insecure => 2,
        Proof::Indeterminate => 1,
        Proof::Bogus => 0,
    };
    if let Some(proof) = own.iter().map(|record| record.proof).min_by_key(rank) {
        return proof;
    }
    // Absence: hickory passes it only when it is proven, or when the zone is proven not to be signed.
    let denial = |record: &&Record| matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3);
    let proven = response.authorities.iter().filter(denial).any(|record| record.proof == Proof::Secure);
    if proven { Proof::Secure } else { Proof::Insecure }
}

/// Why an answer is bogus, as far as it shows.
fn reason(response: &DnsResponse, owner: &HickoryName, kind: RecordType) -> String {
    let at = |record: &&Record| record.name == *owner;
    let own: Vec<Record> = response.answers.iter().filter(at).cloned().collect();
    let mut found: Vec<_> = signatures(&own, kind).collect();
    let absent = !own.iter().any(|record| record.record_type() == kind);
    if absent {
        for kind in [RecordType::NSEC, RecordType::NSEC3, RecordType::SOA] {
            found.extend(signatures(&response.authorities, kind));
        }
    }
    let day = |seconds: u32| match time::OffsetDateTime::from_unix_timestamp(i64::from(seconds)) {
        Ok(at) => at.date().to_string(),
        Err(_) => "another day".to_owned(),
    };
    let (now, mut late, mut early) = (now(), None, None);
    for sig in &found {
        match holds_at(sig, now) {
            Holds::Now => {}
            Holds::NoMore(end) => late = Some(end),
            Holds::NotYet(begin) => early = Some(begin),
        }
    }
    match (found.is_empty(), late, early) {
        (true, ..) if absent => {
            "its parent says that the zone is signed, and nothing proves that there is no such record".into()
        }
        (true, ..) => "its parent says that the zone is signed, and the answer has no signature".into(),
        (false, Some(end), _) => format!("its signature ended on {}", day(end)),
        (false, None, Some(begin)) => format!("its signature begins only on {}", day(begin)),
        (false, None, None) => {
            "the signature does not hold, or was made with a key that the parent does not vouch for".into()
        }
    }
}

fn bogus(at: &Name, kind: Kind, why: String, via: String) -> DnsReply {
    let answer = DnsAnswer { dnssec: Dnssec::Bogus, ..DnsAnswer::empty(Outcome::Failed(why.clone())) };
    DnsReply { answer, via, detail: Some(format!("bogus: {kind} at {at}: {why}")) }
}

fn unproven(fault: Fault) -> DnsReply {
    let detail = fault.detail.or_else(|| super::reason(&fault.outcome));
    DnsReply { answer: DnsAnswer::empty(fault.outcome), via: fault.via.unwrap_or_default(), detail }
}

fn weaker(a: Dnssec, b: Dnssec) -> Dnssec {
    if a == Dnssec::Secure { b } else { a }
}

fn to_hickory(name: &Name) -> Option<HickoryName> {
    HickoryName::from_labels(name.raw_labels().iter().map(Vec::as_slice)).ok()
}
/// A zone as a sentence names it.
fn of_zone(zone: &Name) -> String {
    if zone.is_root() { "the root".to_owned() } else { format!("\"{zone}.\"") }
}

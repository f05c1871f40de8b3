//! What a response means: the CNAME chain followed by name, absence told from "ask further", TTLs (RFC 2308 for negative
//! ones). Pure; the exchange is next door.

use crate::check::{Data, DnsAnswer, Dnssec, Kind, Outcome, Record};
use crate::name::Name;

use super::wire::Message;

/// The longest chain of CNAMEs in all; resolvers stop at 16 or earlier.
const MAX_ALIASES: usize = 16;

/// A question on its way along a CNAME chain.
pub(super) struct Reading {
    at: Name,
    kind: Kind,
    aliases: Vec<Record>,
    hops: usize,
    authentic: bool,
    authoritative: bool,
}

/// What comes after a response.
pub(super) enum Next {
    /// The question is answered.
    Done(DnsAnswer),
    /// The chain leaves this response: [`Reading::at`] must be asked.
    Ask,
}

impl Reading {
    pub(super) fn new(name: &Name, kind: Kind) -> Reading {
        Reading { at: name.clone(), kind, aliases: Vec::new(), hops: 0, authentic: true, authoritative: false }
    }

    /// The name to ask now.
    pub(super) fn at(&self) -> &Name {
        &self.at
    }

    /// How many more questions the chain has taken.
    pub(super) fn hops(&self) -> usize {
        self.hops
    }

    /// The answer of a server that speaks for its own zones alone, where the chain leaves them.
    pub(super) fn left(self) -> DnsAnswer {
        let (ttl, authoritative) = (self.aliases.iter().map(|alias| alias.ttl).min(), self.authoritative);
        DnsAnswer { aliases: self.aliases, ttl, authoritative, ..DnsAnswer::empty(Outcome::Answer) }
    }

    /// The answer when no response can be had.
    pub(super) fn failed(self, outcome: Outcome) -> DnsAnswer {
        DnsAnswer { aliases: self.aliases, ..DnsAnswer::empty(outcome) }
    }

    /// Reads a response (NOERROR or NXDOMAIN) to the question at [`Reading::at`].
    pub(super) fn take(&mut self, message: &Message) -> Next {
        let asked = self.at.clone();
        self.authentic &= message.authentic;
        if self.aliases.is_empty() {
            // With a CNAME in the answer, AA speaks of the first owner (RFC 1034 §4.3.1).
            self.authoritative = message.authoritative;
        }
        loop {
            let mut records: Vec<Record> = Vec::new();
            for record in message.answers.iter().filter(|record| record.owner == self.at && is(record, self.kind)) {
                // An RRset holds no record twice (RFC 2181 §5). Texts are kept as they came: who counts records (SPF, DMARC,
                // DKIM keys) finds two on the wire even where they are equal, and a receiver that asks as we do, too.
                if self.kind == Kind::Txt || !records.contains(record) {
                    records.push(record.clone());
                }
            }
            if !records.is_empty() {
                let ttl = records.iter().chain(&self.aliases).map(|record| record.ttl).min();
                return self.done(Outcome::Answer, records, ttl);
            }
            let alias = message.answers.iter().find_map(|record| match &record.data {
                Data::Cname(target) if record.owner == self.at => Some((record.clone(), target.clone())),
                _ => None,
            });
            let Some((record, target)) = alias else { break };
            let circle = target == self.at || self.aliases.iter().any(|known| known.owner == target);
            self.aliases.push(record);
            if circle || self.aliases.len() > MAX_ALIASES {
                let why = if circle { "the CNAMEs run in a circle" } else { "more than 16 CNAMEs in a row" };
                return self.done(Outcome::Failed(why.into()), Vec::new(), None);
            }
            self.at = target;
        }
        let soa = message.soa.as_ref().filter(|soa| self.at.is_at_or_below(&soa.owner));
        let ttl = soa.and_then(negative_ttl).map(|ttl| self.aliases.iter().map(|a| a.ttl).fold(ttl, u32::min));
        if message.rcode == 3 {
            return self.done(Outcome::NoSuchName, Vec::new(), ttl);
        }
        if self.at != asked && soa.is_none() {
            // A server that does not resolve for us stops where its zones end; one that does would have gone on, or
            // would have sent the SOA. One more question settles it.
            self.hops += 1;
            return Next::Ask;
        }
        if message.refers && message.soa.is_none() && !message.authoritative && !message.recursion {
            let why = "the server only refers to other servers: it does not resolve names for us";
            return self.done(Outcome::Failed(why.into()), Vec::new(), None);
        }
        self.done(Outcome::NoData, Vec::new(), ttl)
    }

    fn done(&mut self, outcome: Outcome, records: Vec<Record>, ttl: Option<u32>) -> Next {
        let dnssec = if self.authentic { Dnssec::Claimed } else { Dnssec::Unknown };
        let (aliases, authoritative) = (std::mem::take(&mut self.aliases), self.authoritative);
        Next::Done(DnsAnswer { outcome, records, aliases, ttl, dnssec, authoritative })
    }
}

/// The time that absence may be kept: the SOA's own TTL, or its MINIMUM if that is less (RFC 2308 §5).
fn negative_ttl(soa: &Record) -> Option<u32> {
    match soa.data {
        Data::Soa { minimum, .. } => Some(soa.ttl.min(minimum)),
        _ => None,
    }
}

fn is(record: &Record, kind: Kind) -> bool {
    match (&record.data, kind) {
        (Data::Other(_), Kind::Https) => true,
        (data, kind) => crate::check::world::kind_of(data) == Some(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    fn record(owner: &str, ttl: u32, data: Data) -> Record {
        Record { owner: name(owner), ttl, data }
    }

    fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
        let data = Data::Soa {
            mname: name("ns.example"),
            rname: name("hostmaster.example"),
            serial: 1,
            refresh: 1,
            retry: 1,
            expire: 1,
            minimum,
        };
        record(owner, ttl, data)
    }

    fn message(rcode: u16, answers: Vec<Record>, soa: Option<Record>) -> Message {
        Message {
            rcode,
            authoritative: false,
            truncated: false,
            recursion: true,
            authentic: false,
            answers,
            soa,
            refers: false,
            extended: None,
            bytes: Vec::new(),
        }
    }

    fn take(message: &Message) -> Option<DnsAnswer> {
        match Reading::new(&name("a.example"), Kind::A).take(message) {
            Next::Done(answer) => Some(answer),
            Next::Ask => None,
        }
    }

    const ONE: Data = Data::A(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn records_of_other_names_and_types_are_no_answer() {
        let strangers = vec![
            record("b.example", 60, ONE),
            record("a.example", 60, Data::Txt(vec![b"A".to_vec()])),
            record("a.example", 60, ONE),
            record("a.example", 60, ONE),
        ];
        assert_eq!(take(&message(0, strangers, None)).unwrap().records, [record("a.example", 60, ONE)]);
    }

    #[test]
    fn a_chain_is_followed_by_name_and_its_least_ttl_counts() {
        let chain = vec![
            record("c.example", 300, ONE),
            record("a.example", 20, Data::Cname(name("b.example"))),
            record("b.example", 300, Data::Cname(name("c.example"))),
        ];
        let answer = take(&message(0, chain, None)).unwrap();
        assert_eq!((answer.aliases.len(), answer.records.len(), answer.ttl), (2, 1, Some(20)));
    }

    #[test]
    fn a_chain_that_leaves_the_response_is_asked_on() {
        let leaves = vec![record("a.example", 20, Data::Cname(name("b.other")))];
        assert_eq!(take(&message(0, leaves.clone(), None)), None);
        let ended = take(&message(0, leaves.clone(), Some(soa("other", 60, 30)))).unwrap();
        assert_eq!((ended.outcome, ended.ttl), (Outcome::NoData, Some(20)));
        assert_eq!(take(&message(3, leaves, None)).unwrap().outcome, Outcome::NoSuchName);
    }

    #[test]
    fn a_circle_of_cnames_is_a_failure_and_not_absence() {
        let circle = vec![
            record("a.example", 20, Data::Cname(name("b.example"))),
            record("b.example", 20, Data::Cname(name("a.example"))),
        ];
        assert!(matches!(take(&message(0, circle, None)).unwrap().outcome, Outcome::Failed(_)));
    }

    #[test]
    fn a_referral_is_not_absence() {
        let mut referral = message(0, Vec::new(), None);
        (referral.recursion, referral.refers) = (false, true);
        assert!(matches!(take(&referral).unwrap().outcome, Outcome::Failed(_)));
    }

    #[test]
    fn absence_is_kept_for_the_lesser_of_the_soas_two_times() {
        assert_eq!(take(&message(3, Vec::new(), Some(soa("example", 60, 900)))).unwrap().ttl, Some(60));
        assert_eq!(take(&message(0, Vec::new(), Some(soa("example", 900, 30)))).unwrap().ttl, Some(30));
        assert_eq!(take(&message(3, Vec::new(), None)).unwrap().ttl, None);
    }

    #[test]
    fn two_equal_texts_on_the_wire_are_two_and_two_equal_addresses_one() {
        let take = |kind: Kind, data: Data| {
            let two = vec![record("a.example", 60, data.clone()), record("a.example", 60, data)];
            match Reading::new(&name("a.example"), kind).take(&message(0, two, None)) {
                Next::Done(answer) => answer.records.len(),
                Next::Ask => 0,
            }
        };
        assert_eq!(take(Kind::Txt, Data::Txt(vec![b"v=spf1 -all".to_vec()])), 2);
        assert_eq!(take(Kind::A, Data::A([192, 0, 2, 1].into())), 1);
    }
}

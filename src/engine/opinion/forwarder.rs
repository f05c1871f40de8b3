//! A name server on loopback that knows this job's evidence and nothing else (RFC 1035 §4.2.2), so that a library which
//! insists on asking the DNS asks us. What the job has not looked at is answered SERVFAIL and noted: an opinion that needed
//! it is no opinion.
//!
//! TCP alone: an answer of any length fits, and nobody else on this machine can slip in a forged one.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::check::{Answer, Data, DnsAnswer, Evidence, Kind, Look, Outcome, Query, Record};
use crate::engine::dns::wire;
use crate::name::Name;

/// How many questions one opinion may ask: an SPF tree at its limits and two tree walks need a tenth of it.
const MAX_QUESTIONS: usize = 500;
/// A question longer than this is none.
const MAX_QUESTION: usize = 512;

/// The server.
pub(super) struct Forwarder<'e> {
    listener: TcpListener,
    evidence: &'e Evidence,
    asked: Cell<usize>,
    unseen: Cell<bool>,
}

impl<'e> Forwarder<'e> {
    /// Opens a port of loopback.
    pub(super) async fn open(evidence: &'e Evidence) -> io::Result<Forwarder<'e>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Forwarder { listener, evidence, asked: Cell::new(0), unseen: Cell::new(false) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Whether something was asked that this job has not looked at, or could not; forgets it.
    pub(super) fn take_unseen(&self) -> bool {
        self.unseen.replace(false)
    }

    /// Answers until it is dropped.
    pub(super) async fn serve(&self) {
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = self.listener.accept() => open.push(self.talk(stream)),
                Some(_) = open.next() => {}
            }
        }
    }

    async fn talk(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = usize::from(stream.read_u16().await?);
            if length > MAX_QUESTION {
                return Ok(());
            }
            let mut question = vec![0; length];
            stream.read_exact(&mut question).await?;
            let Some(reply) = self.reply(&question) else { return Ok(()) };
            let Ok(length) = u16::try_from(reply.len()) else {
                self.unseen.set(true);
                return Ok(());
            };
            stream.write_all(&[&length.to_be_bytes()[..], &reply].concat()).await?;
        }
    }

    /// The reply to a question; `None` when it is none.
    fn reply(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.asked.set(self.asked.get() + 1);
        let (name, number, question) = question(message)?;
        let kind = [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Txt, Kind::Ptr, Kind::Cname]
            .into_iter()
            .find(|kind| wire::number(*kind) == number);
        let entry = kind.and_then(|kind| self.evidence.get(&Query::dns(&name, kind)));
        let answer = match entry.map(|entry| &*entry.answer) {
            Some(Answer::Dns(answer)) if self.asked.get() <= MAX_QUESTIONS => Some(answer),
            _ => None,
        };
        let usable = answer.filter(|answer| !matches!(answer.look(), Look::Unknown(_)));
        // What failed for us fails for it; then it has nothing to say either.
        self.unseen.set(self.unseen.get() || usable.is_none());
        Some(written(message, question, usable))
    }
}

/// The name, the type and the bytes of the only question.
fn question(message: &[u8]) -> Option<(Name, u16, &[u8])> {
    let mut at = 12;
    let mut labels: Vec<&[u8]> = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => labels.push(message.get(at..at + length)?),
            _ => return None,
        }
        at += length;
    }
    let kind = message.get(at..at + 2)?;
    let number = u16::from_be_bytes([*kind.first()?, *kind.get(1)?]);
    Some((Name::from_labels(labels).ok()?, number, message.get(12..at + 4)?))
}

/// The reply on the wire, names in full.
fn written(message: &[u8], question: &[u8], answer: Option<&DnsAnswer>) -> Vec<u8> {
    let records: Vec<&Record> = answer.iter().flat_map(|answer| answer.aliases.iter().chain(&answer.records)).collect();
    let code = match answer.map(|answer| &answer.outcome) {
        Some(Outcome::NoSuchName) => 3_u8,
        Some(_) => 0,
        None => 2,
    };
    let mut out = Vec::with_capacity(512);
    out.extend(message.get(..2).unwrap_or(&[0, 0]));
    // A response that recursion was asked for and done.
    out.extend([0x81, 0x80 | code]);
    let mut body = question.to_vec();
    let mut count = 0_u16;
    for record in records {
        count += u16::from(put(record, &mut body));
    }
    for count in [1, count, 0, 0] {
        out.extend(u16::to_be_bytes(count));
    }
    out.extend(body);
    out
}

/// Writes a record; `false` when it is none that SPF or DMARC reads.
fn put(record: &Record, out: &mut Vec<u8>) -> bool {
    let (kind, data) = match &record.data {
        Data::A(v4) => (Kind::A, v4.octets().to_vec()),
        Data::Aaaa(v6) => (Kind::Aaaa, v6.octets().to_vec()),
        Data::Cname(target) => (Kind::Cname, plain(target)),
        Data::Ptr(target) => (Kind::Ptr, plain(target)),
        Data::Mx { preference, exchange } => (Kind::Mx, [&preference.to_be_bytes()[..], &plain(exchange)].concat()),
        Data::Txt(strings) => {
            let string = |text: &Vec<u8>| {
                let text = text.get(..text.len().min(255)).unwrap_or_default();
                [&[u8::try_from(text.len()).unwrap_or(u8::MAX)][..], text].concat()
            };
            (Kind::Txt, strings.iter().flat_map(string).collect())
        }
        _ => return false,
    };
    let Ok(length) = u16::try_from(data.len()) else { return false };
    out.extend(plain(&record.owner));
    out.extend(wire::number(kind).to_be_bytes());
    out.extend(1_u16.to_be_bytes());
    out.extend(record.ttl.to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend(data);
    true
}

fn plain(name: &Name) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for label in name.raw_labels() {
        out.push(u8::try_from(label.len()).unwrap_or(0));
        out.extend(label);
    }
    out.push(0);
    out
}

//! A small world written as text, answered as evidence: what fixtures and unit tests judge by, without a socket.
//!
//! One line a record, master-file style, names without final dot: `_dmarc.example.com 300 TXT "v=DMARC1; p=none"`. TTL may
//! be left out (300). `*` as leftmost label is a wildcard. `!servfail`, `!refused`, `!timeout`, `!malformed`, `!nxdomain`,
//! `!nodata` or `!failed` in place of the data is a fault; the type may then be `ANY`. A name with the type `EMPTY` exists
//! without records. A fault at a `*` holds for every name below. `;` starts a comment line. `@192.0.2.53 ` before a line: that
//! name server publishes this, and nothing but what such lines say (the others publish what everybody is answered); `LAME`
//! instead of a record: it does not speak for the zone.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use time::OffsetDateTime;

use crate::check::{
    Answer, Check, Data, DnsAnswer, Dnssec, Evidence, HttpsAnswer, HttpsOutcome, Kind, Look, Memo, Outcome, Query,
    Record, Seen, Wait,
};
use crate::name::Name;
use crate::report::{LookupId, Section};

/// After how many rounds a check that still asks is given up: a bug in the check.
const MAX_ROUNDS: usize = 64;
/// The longest CNAME chain that is followed.
const MAX_ALIASES: usize = 8;

/// Names, files and faults.
#[derive(Clone, Debug, Default)]
pub struct World {
    records: BTreeMap<Name, Vec<Record>>,
    faults: HashMap<(Name, Option<Kind>), Outcome>,
    https: HashMap<String, HttpsAnswer>,
    dnssec: Option<Dnssec>,
    /// What single name servers publish, where it is not what everybody is answered.
    servers: HashMap<IpAddr, World>,
    /// Whether this server does not know the zone.
    lame: bool,
}

/// What a check came to in a world.
#[derive(Debug)]
pub struct Settled {
    /// What it said.
    pub section: Section,
    /// How many rounds of answers it waited for: its longest chain of dependent questions.
    pub depth: usize,
    /// Everything that it asked, in order.
    pub asked: Vec<Query>,
}

impl World {
    /// Reads the lines of a world; the error names the line.
    pub fn parse(text: &str) -> Result<World, String> {
        let mut world = World::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let (world, line) = match line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
                Some((server, line)) => {
                    let server = server.parse().map_err(|_| format!("line {}: @ADDRESS RECORD", number + 1))?;
                    (world.servers.entry(server).or_default(), line)
                }
                None => (&mut world, line),
            };
            if line == "LAME" {
                world.lame = true;
            } else if !line.is_empty() && !line.starts_with(';') {
                world.add(line).map_err(|why| format!("line {}: {why}: {line}", number + 1))?;
            }
        }
        Ok(world)
    }

    /// Adds an HTTPS response of status 200 with a `text/plain` body.
    pub fn with_file(self, url: &str, body: impl Into<Vec<u8>>) -> World {
        let outcome = HttpsOutcome::Body { content_type: Some("text/plain".into()), body: body.into(), cut: false };
        self.with_https(url, outcome)
    }

    /// Adds any HTTPS outcome.
    pub fn with_https(mut self, url: &str, outcome: HttpsOutcome) -> World {
        self.https.insert(url.to_owned(), HttpsAnswer { outcome, address: None, aliases: Vec::new() });
        self
    }

    /// What is found by validating, everywhere; without it, `insecure`. With `claimed` or `unknown` nothing can be
    /// validated, and a resolver claims that it did, or does not. The plain answers bear no more than such a claim.
    pub fn with_dnssec(mut self, dnssec: Dnssec) -> World {
        self.dnssec = Some(dnssec);
        self
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (name, rest) = word(line).ok_or("no name")?;
        let name = Name::from_text(name).map_err(|why| why.to_string())?;
        let (mut kind, mut rest) = word(rest).ok_or("no type")?;
        let mut ttl = 300;
        if let Ok(number) = kind.parse() {
            ttl = number;
            (kind, rest) = word(rest).ok_or("no type")?;
        }
        if let Some(fault) = rest.trim().strip_prefix('!') {
            let kind = if kind == "ANY" { None } else { Some(Kind::parse(kind).ok_or("unknown type")?) };
            let outcome = match fault {
                "servfail" => Outcome::ServerFailure,
                "refused" => Outcome::Refused,
                "timeout" => Outcome::TimedOut,
                "malformed" => Outcome::Malformed("a test's junk".into()),
                "nxdomain" => Outcome::NoSuchName,
                "nodata" => Outcome::NoData,
                "failed" => Outcome::Failed("NOTIMP".into()),
                _ => return Err("unknown fault".into()),
            };
            self.faults.insert((name, kind), outcome);
            return Ok(());
        }
        if kind == "EMPTY" {
            self.records.entry(name).or_default();
            return Ok(());
        }
        let data = data(Kind::parse(kind).ok_or("unknown type")?, rest.trim())?;
        self.records.entry(name.clone()).or_default().push(Record { owner: name, ttl, data });
        Ok(())
    }

    /// The answer to any question. A file that the world lacks is a host without an address; a dialogue never ends.
    pub fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::Dns { name, kind } => Answer::Dns(self.dns(name, *kind)),
            Query::At { server, name, kind } => {
                let world = self.servers.get(server).unwrap_or(self);
                Answer::Dns(DnsAnswer { authoritative: !world.lame, ..world.dns(name, *kind) })
            }
            Query::Validated { name, kind } => Answer::Dns(self.validated(name, *kind)),
            Query::Https { url, .. } => Answer::Https(self.https.get(&**url).cloned().unwrap_or(HttpsAnswer {
                outcome: HttpsOutcome::NoAddress(Outcome::NoSuchName),
                address: None,
                aliases: Vec::new(),
            })),
            Query::Smtp(_) => Answer::Smtp(super::Transcript { finished: true, ..Default::default() }),
        }
    }

    /// The answer to the question whether DNSSEC holds.
    pub fn validated(&self, name: &Name, kind: Kind) -> DnsAnswer {
        let plain = self.dns(name, kind);
        let failed = |why: &str| DnsAnswer::empty(Outcome::Failed(why.to_owned()));
        match (plain.look(), self.dnssec.unwrap_or(Dnssec::Insecure)) {
            (Look::Unknown(_), _) => DnsAnswer { dnssec: Dnssec::Unknown, ..plain },
            (Look::Found(_) | Look::Absent(_), Dnssec::Bogus) => {
                DnsAnswer { dnssec: Dnssec::Bogus, ..failed("the signature does not hold") }
            }
            (Look::Found(_) | Look::Absent(_), Dnssec::Claimed | Dnssec::Unknown) => {
                failed("your resolver does not pass DNSSEC records")
            }
            (Look::Found(_) | Look::Absent(_), dnssec) => DnsAnswer { dnssec, ..plain },
        }
    }

    /// The answer to a DNS question: CNAMEs followed, wildcards and empty non-terminals honoured.
    pub fn dns(&self, name: &Name, kind: Kind) -> DnsAnswer {
        let mut answer = DnsAnswer::empty(Outcome::Answer);
        answer.dnssec = match self.dnssec {
            Some(Dnssec::Secure | Dnssec::Claimed) => Dnssec::Claimed,
            Some(Dnssec::Insecure | Dnssec::Bogus | Dnssec::Unknown) | None => Dnssec::Unknown,
        };
        let mut at = name.clone();
        for _ in 0..=MAX_ALIASES {
            if let Some(outcome) = self.fault(&at, kind) {
                answer.outcome = outcome.clone();
                return answer;
            }
            let Some(records) = self.at(&at) else {
                answer.outcome = Outcome::NoSuchName;
                answer.ttl = Some(300);
                return answer;
            };
            answer.records =
                records.iter().filter(|record| kind_of(&record.data) == Some(kind)).map(|r| at_name(r, &at)).collect();
            if !answer.records.is_empty() {
                answer.ttl = answer.records.iter().chain(&answer.aliases).map(|record| record.ttl).min();
                return answer;
            }
            let alias = records.iter().find_map(|record| match &record.data {
                Data::Cname(target) => Some((at_name(record, &at), target.clone())),
                _ => None,
            });
            match alias {
                Some((record, target)) => {
                    answer.aliases.push(record);
                    at = target;
                }
                None => break,
            }
        }
        answer.outcome = Outcome::NoData;
        answer.ttl = Some(300);
        answer
    }

    /// The fault of a question: the name's own, or that of a `*` at any name above it.
    fn fault(&self, name: &Name, kind: Kind) -> Option<&Outcome> {
        let of = |name: Name| self.faults.get(&(name.clone(), Some(kind))).or_else(|| self.faults.get(&(name, None)));
        let above = std::iter::successors(name.parent(), Name::parent).filter_map(|parent| parent.below("*").ok());
        std::iter::once(name.clone()).chain(above).find_map(of)
    }

    /// The records at a name, by itself or by a wildcard; empty for an empty non-terminal, `None` for no such name.
    fn at(&self, name: &Name) -> Option<&[Record]> {
        if let Some(records) = self.records.get(name) {
            return Some(records);
        }
        if self.records.keys().any(|known| known.is_at_or_below(name))
            || self.faults.keys().any(|(n, _)| n.is_at_or_below(name) && n.labels().first() != Some(&"*"))
        {
            return Some(&[]);
        }
        let mut above = name.parent();
        while let Some(parent) = above {
            if let Some(records) = parent.below("*").ok().and_then(|wildcard| self.records.get(&wildcard)) {
                return Some(records);
            }
            if self.records.contains_key(&parent) {
                return None;
            }
            above = parent.parent();
        }
        None
    }

    /// Runs a check to its end, every round of questions answered whole.
    ///
    /// # Panics
    /// When the check still asks after 64 rounds, or waits without asking: a bug in the check.
    pub fn settle<S>(&self, check: &dyn Check<S>, subject: &S, now: OffsetDateTime) -> Settled {
        let mut memo = Memo::default();
        self.run(now, |seen| check.step(subject, seen, &mut memo))
            .map(|(mut section, depth, asked, read)| {
                section.evidence = read;
                Settled { section, depth, asked }
            })
            .unwrap_or_else(|why| fail(check.id(), &why))
    }

    /// Runs any asking function to its end: its result, its depth and what it asked.
    ///
    /// # Panics
    /// As [`World::settle`].
    pub fn ask<T>(
        &self,
        now: OffsetDateTime,
        step: impl FnMut(&Seen<'_>) -> Result<T, Wait>,
    ) -> (T, usize, Vec<Query>) {
        match self.run(now, step) {
            Ok((result, depth, asked, _)) => (result, depth, asked),
            Err(why) => fail("a step", &why),
        }
    }

    fn run<T>(
        &self,
        now: OffsetDateTime,
        mut step: impl FnMut(&Seen<'_>) -> Result<T, Wait>,
    ) -> Result<(T, usize, Vec<Query>, Vec<LookupId>), String> {
        let mut evidence = Evidence::default();
        let mut asked = Vec::new();
        let mut depth = 0;
        for _ in 0..MAX_ROUNDS {
            let seen = Seen::new(&evidence, now);
            let result = step(&seen);
            let notes = seen.into_notes();
            match result {
                // What was asked aside comes too, and is waited for by nobody.
                Ok(_) if notes.growing && !notes.missing.is_empty() => {}
                Ok(result) => return Ok((result, depth, asked, notes.read)),
                Err(Wait::Again(_)) => {}
                Err(Wait::Answers) if notes.missing.is_empty() => return Err("waits without asking".into()),
                Err(Wait::Answers) => depth += 1,
            }
            for (query, _) in notes.missing {
                let id = LookupId(u32::try_from(asked.len()).unwrap_or(u32::MAX));
                evidence.insert(query.clone(), id, Arc::new(self.answer(&query)));
                asked.push(query);
            }
        }
        Err(format!("still asks after {MAX_ROUNDS} rounds"))
    }
}

#[expect(clippy::panic, reason = "a world runs checks in tests; a check that never settles is the bug to be seen")]
fn fail(who: &str, why: &str) -> ! {
    panic!("{who} {why}")
}

/// The type of some data.
pub(crate) fn kind_of(data: &Data) -> Option<Kind> {
    Some(match data {
        Data::A(_) => Kind::A,
        Data::Aaaa(_) => Kind::Aaaa,
        Data::Cname(_) => Kind::Cname,
        Data::Mx { .. } => Kind::Mx,
        Data::Ns(_) => Kind::Ns,
        Data::Soa { .. } => Kind::Soa,
        Data::Ptr(_) => Kind::Ptr,
        Data::Txt(_) => Kind::Txt,
        Data::Tlsa { .. } => Kind::Tlsa,
        Data::Caa { .. } => Kind::Caa,
        Data::Ds { .. } => Kind::Ds,
        Data::Dnskey { .. } => Kind::Dnskey,
        Data::Srv { .. } => Kind::Srv,
        Data::Spf(_) => Kind::Spf,
        Data::Other(_) => return None,
    })
}

fn at_name(record: &Record, name: &Name) -> Record {
    Record { owner: name.clone(), ..record.clone() }
}

fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    if end == 0 { None } else { Some((text.get(..end)?, text.get(end..)?)) }
}

fn data(kind: Kind, text: &str) -> Result<Data, String> {
    let name = |text: &str| Name::from_text(text).map_err(|why| why.to_string());
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u32>().ok()).ok_or("a number is missing");
    let small = |at: usize| number(at).map(|n| u8::try_from(n).unwrap_or(u8::MAX));
    let short = |at: usize| number(at).map(|n| u16::try_from(n).unwrap_or(u16::MAX));
    let rest = |at: usize| words.get(at..).map(<[&str]>::concat).unwrap_or_default();
    Ok(match kind {
        Kind::A => Data::A(text.parse().map_err(|_| "not an IPv4 address")?),
        Kind::Aaaa => Data::Aaaa(text.parse().map_err(|_| "not an IPv6 address")?),
        Kind::Cname => Data::Cname(name(text)?),
        Kind::Ns => Data::Ns(name(text)?),
        Kind::Ptr => Data::Ptr(name(text)?),
        Kind::Mx => Data::Mx { preference: short(0)?, exchange: name(words.get(1).copied().unwrap_or("."))? },
        Kind::Txt => Data::Txt(strings(text)?),
        Kind::Spf => Data::Spf(strings(text)?),
        Kind::Tlsa => Data::Tlsa { usage: small(0)?, selector: small(1)?, matching: small(2)?, data: hex(&rest(3))? },
        Kind::Ds => {
            Data::Ds { key_tag: short(0)?, algorithm: small(1)?, digest_type: small(2)?, digest: hex(&rest(3))? }
        }
        Kind::Caa => Data::Caa {
            flags: small(0)?,
            tag: words.get(1).map(|tag| tag.as_bytes().to_vec()).unwrap_or_default(),
            value: strings(&words.get(2..).map(|w| w.join(" ")).unwrap_or_default())?.concat(),
        },
        Kind::Soa => Data::Soa {
            mname: name(words.first().copied().unwrap_or("."))?,
            rname: name(words.get(1).copied().unwrap_or("."))?,
            serial: number(2)?,
            refresh: number(3).ok().and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
            retry: number(4).ok().and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
            expire: number(5).ok().and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
            minimum: number(6).unwrap_or(300),
        },
        Kind::Srv => Data::Srv {
            priority: short(0)?,
            weight: short(1)?,
            port: short(2)?,
            target: name(words.get(3).copied().unwrap_or("."))?,
        },
        Kind::Dnskey => Data::Dnskey {
            flags: short(0)?,
            protocol: small(1)?,
            algorithm: small(2)?,
            key: BASE64_STANDARD.decode(rest(3)).map_err(|_| "not base64")?,
        },
        Kind::Https => Data::Other(text.to_owned()),
    })
}

/// Quoted strings, `\"`, `\\` and `\DDD` inside; text without quotes is one string.
fn strings(text: &str) -> Result<Vec<Vec<u8>>, String> {
    if !text.starts_with('"') {
        return Ok(vec![text.as_bytes().to_vec()]);
    }
    let mut all = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'"' {
            continue;
        }
        let mut string = Vec::new();
        loop {
            match bytes.next() {
                None => return Err("a quote is open".into()),
                Some(b'"') => break,
                Some(b'\\') => match bytes.next() {
                    Some(digit @ b'0'..=b'9') => {
                        let tens = bytes.next().unwrap_or(b'0').wrapping_sub(b'0');
                        let ones = bytes.next().unwrap_or(b'0').wrapping_sub(b'0');
                        string.push(
                            (digit - b'0').wrapping_mul(100).wrapping_add(tens.wrapping_mul(10)).wrapping_add(ones),
                        );
                    }
                    Some(other) => string.push(other),
                    None => return Err("a quote is open".into()),
                },
                Some(other) => string.push(other),
            }
        }
        all.push(string);
    }
    Ok(all)
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> =
        text.bytes().filter_map(|b| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    if digits.len() != text.len() || !digits.len().is_multiple_of(2) {
        return Err("not hexadecimal".into());
    }
    Ok(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        World::parse(
            r#"
            example.com            A     192.0.2.1
            example.com       60   MX    10 mail.example.com
            example.com            TXT   "v=spf1 " "-all"
            www.example.com        CNAME example.com
            a.deep.example.com     A     192.0.2.2
            *.wild.example.com     TXT   "anything"
            bad.example.com        ANY   !servfail
            half.example.com       TXT   !timeout
            *.dead.example.com     ANY   !refused
            loop.example.com       CNAME loop.example.com
            "#,
        )
        .unwrap()
    }

    fn ask(name: &str, kind: Kind) -> DnsAnswer {
        world().dns(&Name::from_text(name).unwrap(), kind)
    }

    #[test]
    fn it_answers_as_dns_does() {
        assert_eq!(ask("example.com", Kind::Txt).texts().collect::<Vec<_>>(), [b"v=spf1 -all".to_vec()]);
        assert_eq!(ask("example.com", Kind::Mx).ttl, Some(60));
        let www = ask("www.example.com", Kind::A);
        assert_eq!((www.aliases.len(), www.addresses().count()), (1, 1));
        assert_eq!(ask("deep.example.com", Kind::A).outcome, Outcome::NoData);
        assert_eq!(ask("none.example.com", Kind::A).outcome, Outcome::NoSuchName);
        assert_eq!(ask("x.wild.example.com", Kind::Txt).texts().count(), 1);
        assert_eq!(ask("bad.example.com", Kind::A).outcome, Outcome::ServerFailure);
        assert_eq!(ask("half.example.com", Kind::Txt).outcome, Outcome::TimedOut);
        assert_eq!(ask("half.example.com", Kind::A).outcome, Outcome::NoData);
        assert_eq!(ask("a.b.dead.example.com", Kind::A).outcome, Outcome::Refused);
        assert_eq!(ask("loop.example.com", Kind::A).outcome, Outcome::NoData);
    }

    #[test]
    fn depth_counts_rounds_not_questions() {
        let (a, b) = (Name::from_text("example.com").unwrap(), Name::from_text("www.example.com").unwrap());
        let (count, depth, asked) = world().ask(OffsetDateTime::UNIX_EPOCH, |seen| {
            let (one, two) = (seen.dns(&a, Kind::A), seen.dns(&b, Kind::A));
            let first = one?.addresses().count();
            Ok(first + two?.addresses().count() + seen.dns(&a, Kind::Mx)?.records.len())
        });
        assert_eq!((count, depth, asked.len()), (3, 2, 3));
    }
}

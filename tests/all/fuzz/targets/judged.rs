//! A check stepped to its end in a world of fuzzed bytes, and what it says held to what every report promises.

use std::sync::Arc;

use mxray::check::{
    Answer, Check, Data, DnsAnswer, Dnssec, Evidence, HttpsAnswer, HttpsOutcome, Kind, Memo, Outcome, Query, Record,
    Seen, Subject, Wait,
};
use mxray::cli::{json, markdown, text};
use mxray::finding::Severity;
use mxray::name::Name;
use mxray::report::{Block, LookupId, Report, Section};
use mxray::untrusted::is_hidden;

use super::NOW;
use super::smtp::heard;

/// Prints the sections as every format does; nothing that a terminal obeys or hides may be in it, and every span lies in its text.
pub fn print<S: Subject>(subject: &S, bytes: usize, sections: Vec<Section>) {
    for section in &sections {
        spans_lie_inside(section, bytes);
    }
    let report = Report {
        mxray: "0.1.0",
        schema: 1,
        kind: S::KIND,
        target: subject.target(),
        at: NOW,
        elapsed_ms: 0.0,
        worst: sections.iter().map(Section::worst).max().unwrap_or(Severity::Ok),
        verdict: subject.verdict(&sections),
        summary: subject.summary(&sections),
        since: None,
        sections,
        lookups: Vec::new(),
    };
    for printed in [
        text::text(&report, text::Style { width: 80, color: false }),
        markdown::markdown(&report),
        json::json(&report, true).unwrap(),
    ] {
        let hidden = printed.chars().find(|c| *c != '\n' && is_hidden(*c));
        assert_eq!(hidden, None, "{printed}");
    }
}

/// Every span of a section lies on character borders inside the record that it is of; where a section has no records, inside
/// the subject's `bytes`.
pub fn spans_lie_inside(section: &Section, bytes: usize) {
    let (mut records, mut files) = (Vec::new(), Vec::new());
    for block in section.above.iter().chain(&section.blocks) {
        let (text, marks) = match block {
            Block::Record(record) => {
                records.push(record.text.as_str());
                (&record.text, &record.marks)
            }
            Block::Source { text, marks, .. } => {
                files.push(text.as_str());
                (text, marks)
            }
            Block::Facts(_) | Block::Tree(_) | Block::Table(_) | Block::Prose { .. } => continue,
        };
        for mark in marks {
            assert!(mark.span.of_str(text).is_some(), "{}: {mark:?} in {} bytes", section.id, text.len());
        }
    }
    // Files are counted after the records, where there are some.
    if !records.is_empty() {
        records.append(&mut files);
    }
    for finding in section.findings.iter().filter(|finding| finding.span.is_some()) {
        let span = finding.span.unwrap();
        let inside = match records.get(finding.record) {
            Some(text) => span.of_str(text).is_some(),
            None => records.is_empty() && span.end <= bytes,
        };
        assert!(inside, "{}: {finding:?} in {records:?}", section.id);
    }
}

/// Steps a check to its end; each question is answered by `answer`.
pub(super) fn settle<S>(check: &dyn Check<S>, subject: &S, answer: &dyn Fn(&Query) -> Answer) -> Section {
    let (mut memo, mut evidence) = (Memo::default(), Evidence::default());
    for _ in 0..200 {
        let seen = Seen::new(&evidence, NOW);
        let result = check.step(subject, &seen, &mut memo);
        let missing = seen.into_notes().missing;
        match result {
            Ok(section) => return section,
            Err(Wait::Again(_)) => {}
            Err(Wait::Answers) => assert!(!missing.is_empty(), "{} waits without asking", check.id()),
        }
        for (query, _) in missing {
            let id = LookupId(u32::try_from(evidence.len()).unwrap());
            let answer = answer(&query);
            evidence.insert(query, id, Arc::new(answer));
        }
        assert!(evidence.len() < 20_000, "{} asks without end", check.id());
    }
    panic!("{} still asks after 200 rounds", check.id());
}

/// The world of some bytes: every TXT record is one of its pieces, every other record is made of them, every file is all of them.
pub(super) fn wild(bytes: &[u8], query: &Query) -> Answer {
    let pieces: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let hosts: Vec<Name> = pieces
        .iter()
        .filter_map(|piece| {
            Name::from_text(std::str::from_utf8(piece).ok()?.split([' ', ';', ':', '=']).next_back()?).ok()
        })
        .take(8)
        .chain([Name::from_text("mx.a.example").unwrap()])
        .collect();
    let (name, kind) = match query {
        Query::Dns { name, kind } | Query::At { name, kind, .. } | Query::Validated { name, kind } => (name, *kind),
        Query::Https { .. } => {
            let outcome = HttpsOutcome::Body { content_type: None, body: bytes.to_vec(), cut: false };
            return Answer::Https(HttpsAnswer { outcome, address: None, aliases: Vec::new() });
        }
        Query::Smtp(_) => return Answer::Smtp(heard(bytes)),
    };
    let mut answer = DnsAnswer::empty(Outcome::Answer);
    const STATES: [Dnssec; 4] = [Dnssec::Secure, Dnssec::Insecure, Dnssec::Bogus, Dnssec::Unknown];
    answer.dnssec = STATES[bytes.len() % STATES.len()];
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let start = name.as_str().len() % pieces.len();
    let data: Vec<Data> = match kind {
        Kind::Txt => {
            // A record may have many strings, and a name several records; the name decides which pieces it gets.
            let mut texts: Vec<Data> = pieces[start..].iter().take(2).map(|piece| Data::Txt(strings(piece))).collect();
            texts.extend(
                pieces.iter().filter(|piece| is_of(piece, name)).take(2).map(|piece| Data::Txt(strings(piece))),
            );
            texts
        }
        Kind::A => vec![Data::A([192, byte(0), byte(1), byte(2)].into())],
        Kind::Aaaa => vec![Data::Aaaa([0x2001, 0xdb8, 0, 0, 0, u16::from(byte(0)), 0, 1].into())],
        Kind::Mx => hosts.iter().map(|host| Data::Mx { preference: byte(0).into(), exchange: host.clone() }).collect(),
        Kind::Ns => hosts.iter().cloned().map(Data::Ns).collect(),
        Kind::Ptr => hosts.iter().cloned().map(Data::Ptr).collect(),
        Kind::Tlsa => {
            vec![Data::Tlsa {
                usage: byte(0) % 5,
                selector: byte(1) % 3,
                matching: byte(2) % 4,
                data: pieces[start].to_vec(),
            }]
        }
        Kind::Caa => vec![Data::Caa { flags: byte(0), tag: b"issue".to_vec(), value: pieces[start].to_vec() }],
        Kind::Ds => {
            vec![Data::Ds { key_tag: 1, algorithm: byte(0), digest_type: byte(1), digest: pieces[start].to_vec() }]
        }
        Kind::Dnskey => {
            vec![Data::Dnskey { flags: 257, protocol: byte(0), algorithm: byte(1), key: pieces[start].to_vec() }]
        }
        Kind::Spf => vec![Data::Spf(strings(pieces[start]))],
        Kind::Cname | Kind::Soa | Kind::Srv | Kind::Https => Vec::new(),
    };
    answer.records = data.into_iter().map(|data| Record { owner: name.clone(), ttl: 300, data }).collect();
    Answer::Dns(answer)
}

pub(super) fn strings(text: &[u8]) -> Vec<Vec<u8>> {
    text.chunks(255).map(<[u8]>::to_vec).collect()
}

/// Whether a record's text belongs at a name, so that seeds are read as what they are.
pub(super) fn is_of(text: &[u8], name: &Name) -> bool {
    let version: &[u8] = match name.labels().first().copied().unwrap_or_default() {
        "_dmarc" => b"v=DMARC1",
        "_mta-sts" => b"v=STSv1",
        "_smtp" => b"v=TLSRPTv1",
        "default" => b"v=BIMI1",
        _ if name.as_str().contains("_domainkey") => b"v=DKIM1",
        _ => b"v=spf1",
    };
    text.starts_with(version)
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// The message.

//! The readers of foreign bytes, each with its seeds: one entry a room's door. A reader that is reached only through a check is
//! reached here the same way, with a world that answers every question out of the fuzzed bytes.

use std::sync::Arc;
use std::time::Duration;

use mxray::check::world::World;
use mxray::check::{
    Answer, Check, Data, Dialogue, DnsAnswer, Dnssec, Evidence, HandshakeFault, HttpsAnswer, HttpsOutcome, Kind,
    LineEnding, Memo, Outcome, Query, Record, Seen, Subject, Transcript, TranscriptEntry, TranscriptEvent, Wait,
};
use mxray::cli::{json, markdown, text};
use mxray::config::{ConnectTo, Upstream};
use mxray::engine::casefile::Case;
use mxray::finding::Severity;
use mxray::job::{Envelope, SmtpPlan};
use mxray::message::address::Addresses;
use mxray::message::{Message, canonical, dkim, mbox_messages};
use mxray::name::Name;
use mxray::records::bimi::Bimi;
use mxray::records::dkim::Key;
use mxray::records::dmarc::{self, Dmarc, ReportUri};
use mxray::records::mta_sts::{StsPolicy, StsRecord};
use mxray::records::spf::SpfRecord;
use mxray::records::tls_rpt::TlsRpt;
use mxray::records::{Domain, TagList, lint};
use mxray::report::{Block, LookupId, Report, Section};
use mxray::smtp::{self, annotate, certificate, dot, export, import, mask, probe, reply, session, typed};
use mxray::untrusted::is_hidden;
use time::OffsetDateTime;
use time::macros::datetime;

use super::{Target, sessions};
use crate::message::corpus;

pub const ALL: [Target; 10] = [
    Target { name: "message", seeds: messages, run: message },
    Target { name: "fields", seeds: fields, run: fields_and_addresses },
    Target { name: "records", seeds: records, run: published },
    Target { name: "lint", seeds: records, run: pasted },
    Target { name: "reply", seeds: dialogues, run: dialogue },
    Target { name: "listen", seeds: sessions::seeds, run: sessions::run },
    Target { name: "import", seeds: notes, run: imported },
    Target { name: "certificate", seeds: certificates, run: certificate_of },
    Target { name: "names", seeds: names, run: typed_words },
    Target { name: "files", seeds: files, run: files_of_ours },
];

const NOW: OffsetDateTime = datetime!(2026-11-24 09:58:12 UTC);

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
fn settle<S>(check: &dyn Check<S>, subject: &S, answer: &dyn Fn(&Query) -> Answer) -> Section {
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
fn wild(bytes: &[u8], query: &Query) -> Answer {
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

fn strings(text: &[u8]) -> Vec<Vec<u8>> {
    text.chunks(255).map(<[u8]>::to_vec).collect()
}

/// Whether a record's text belongs at a name, so that seeds are read as what they are.
fn is_of(text: &[u8], name: &Name) -> bool {
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

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// The message.

fn messages() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = corpus::entries().iter().step_by(12).map(|entry| entry.raw.to_vec()).collect();
    seeds.push(include_bytes!("../../fixtures/messages/rfc6376-a2.eml").to_vec());
    seeds.push(include_bytes!("../../fixtures/messages/rfc8463-a3.eml").to_vec());
    seeds.push(SAMPLE.into());
    seeds.push(SAMPLE.replace('\n', "\r\n").into());
    seeds.push(
        format!(
            "From a@b.example Tue Nov 24 09:58:12 2026\n{SAMPLE}\nFrom c@d.example Tue Nov 24 09:58:13 2026\n{SAMPLE}"
        )
        .into(),
    );
    seeds.push(SAMPLE.lines().map(|line| format!("> {line}\n")).collect::<String>().into());
    seeds.push(SAMPLE.encode_utf16().flat_map(u16::to_le_bytes).collect());
    seeds.push(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, SAMPLE).into());
    seeds
}

const SAMPLE: &str = "Return-Path: <bounce@list.example>
ARC-Seal: i=1; a=rsa-sha256; t=12345; cv=none; d=signed.example; s=rsa; b=YQ==
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=signed.example; s=rsa; h=from:to; bh=YQ==; b=YQ==
ARC-Authentication-Results: i=1; mx.list.example; dkim=pass header.d=signed.example; spf=pass smtp.mailfrom=a@signed.example
Authentication-Results: mx.b.example; dkim=pass (2048 bits) header.d=signed.example header.b=\"abc/\"; dmarc=fail (p=reject) header.from=signed.example
Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=signed.example; dkim=none; compauth=pass reason=100
Received-SPF: pass (mx.b.example: domain of a@signed.example designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1; helo=out.signed.example
Received: from out.signed.example (out.signed.example [192.0.2.1])
\tby mx.b.example (Postfix) with ESMTPS id 4F for <x@b.example>; Tue, 24 Nov 2026 09:58:12 +0000 (UTC)
Received: from [2001:db8::1] (helo=x) by out.signed.example with esmtpsa (Exim 4.96) id 1r; Tue, 24 Nov 2026 09:58:11 +0000
DKIM-Signature: v=1; a=ed25519-sha256; c=simple/relaxed; d=signed.example; s=ed; t=1; x=2; l=3; i=@signed.example;
 h=from:from:to; z=From:a|To:b; bh=YQ==; b=YQ==
From: =?utf-8?q?B=C3=A4nk?= <a@signed.example>, \"x@bank.example\" <b@xn--bnk-qla.example>
Sender: c@signed.example
Reply-To: group: d@e.example, e@f.example;
To: undisclosed-recipients:;
Subject: =?iso-8859-1?b?RvZv?= a
Message-ID: <1@signed.example>
Date: Tue, 24 Nov 2026 09:58:12 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"b\"

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

a=20b=
c
--b
Content-Type: message/rfc822

From: inner@signed.example

inner
--b
Content-Type: application/octet-stream; name=\"a.exe\"
Content-Transfer-Encoding: base64

AAAA
--b--
";

fn message(bytes: &[u8]) {
    for span in mbox_messages(bytes) {
        assert!(span.of(bytes).is_some(), "{span:?}");
    }
    let envelope = Envelope { hop: bytes.first().map(|byte| usize::from(byte % 4)), ..Envelope::default() };
    let Ok(message) = Message::parse(bytes.into(), envelope) else { return };
    assert_eq!(&message.original()[..], bytes);
    let text = message.text();
    // The fields are slices of the text, one after the other; the header may begin with a line folded to nothing.
    assert!(message.fields().map(|field| field.whole().len()).sum::<usize>() <= message.header().len());
    for field in message.fields() {
        assert!(field.name().len() + field.value().len() < field.whole().len());
        assert!(message.field(field.index).is_some());
    }
    assert!(message.header().len() + message.body().map_or(0, <[u8]>::len) <= text.len());
    let world = World::parse(&format!("{}signed.example TXT \"v=spf1 ip4:192.0.2.1 include:b.example ~all\"\n_dmarc.signed.example TXT \"v=DMARC1; p=reject\"\nexample EMPTY\n", corpus::ZONE)).unwrap();
    let sections =
        mxray::message::ALL.iter().map(|check| settle(*check, &message, &|query| world.answer(query))).collect();
    print(&message, text.len(), sections);
}

fn fields() -> Vec<Vec<u8>> {
    SAMPLE.split("\n\n").next().unwrap().lines().map(|line| line.as_bytes().to_vec()).collect()
}

fn fields_and_addresses(bytes: &[u8]) {
    Addresses::parse(&lossy(bytes));
    for canon in [canonical::Canon::Simple, canonical::Canon::Relaxed] {
        let (mut field, mut whole, mut twice) = (Vec::new(), Vec::new(), Vec::new());
        canonical::canonical_field(canon, bytes, &mut field);
        canonical::canonical_body(canon, bytes, &mut |piece| whole.extend_from_slice(piece));
        canonical::canonical_body(canon, &whole, &mut |piece| twice.extend_from_slice(piece));
        assert_eq!(whole, twice, "a canonical body is its own canonical form");
    }
    if let Some(span) = canonical::signature_span(bytes) {
        assert!(span.of(bytes).is_some());
    }
    for name in ["DKIM-Signature", "ARC-Seal", "Received", "Authentication-Results"] {
        let raw = [name.as_bytes(), b": ", bytes, b"\r\n\r\nx\r\n"].concat();
        let Ok(message) = Message::parse(raw.into(), Envelope::default()) else { continue };
        if let Some(field) = message.named("dkim-signature").next() {
            for flavor in [dkim::Flavor::Dkim, dkim::Flavor::ArcMessage, dkim::Flavor::ArcSeal] {
                dkim::Signature::parse(field, flavor);
            }
        }
    }
}

// What a domain publishes.

fn records() -> Vec<Vec<u8>> {
    let published = "v=spf1 include:a.example a:%{d} mx/24//64 ptr exists:%{ir}.%{l1r-}.b.example ip4:192.0.2.0/24 ip6:2001:db8::/32 redirect=c.example exp=e.%{d} ~all
v=DMARC1; p=quarantine; sp=reject; np=none; rua=mailto:a@b.example!10m,mailto:c@d.example; ruf=mailto:x@y.example; fo=1:d:s; adkim=s; aspf=r; pct=50; t=y; psd=n
v=DKIM1; k=rsa; h=sha256; s=email; t=y:s; n=note; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB
v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
v=STSv1; id=20261124085700Z;
v=TLSRPTv1; rua=mailto:a@b.example,https://c.example/report
v=BIMI1; l=https://a.example/logo.svg; a=https://a.example/vmc.pem; avp=brand
version: STSv1
mode: enforce
mx: mx.a.example
mx: *.b.example
max_age: 604800";
    let mut seeds: Vec<Vec<u8>> = published.lines().map(|line| line.as_bytes().to_vec()).collect();
    seeds.push(published.into());
    seeds.push(published.rsplit_once("avp=brand\n").unwrap().1.into());
    seeds.push("_dmarc.a.example. 300 IN TXT \"v=DMARC1; p=none\" \"; rua=mailto:a@b.example\"".into());
    seeds
}

fn published(bytes: &[u8]) {
    let domain = Domain { selectors: vec!["s1".into()], ..Domain::new(Name::from_text("a.example").unwrap()) };
    let sections =
        mxray::records::ALL.iter().map(|check| settle(*check, &domain, &|query| wild(bytes, query))).collect();
    print(&domain, 0, sections);
}

fn pasted(bytes: &[u8]) {
    let text = lossy(bytes);
    for tag in &TagList::parse(&text).tags {
        assert!(text.contains(tag.name), "{tag:?}");
    }
    for term in &SpfRecord::parse(&text).terms {
        assert_eq!(term.span.of_str(&text), Some(term.text.as_str()));
    }
    dmarc::Policy::parse(&text);
    Dmarc::parse(&text);
    ReportUri::parse_list(&text, 0);
    StsRecord::parse(&text);
    StsPolicy::parse(&text);
    TlsRpt::parse(&text);
    Bimi::parse(bytes);
    Key::parse(bytes);
    if let Some(section) = lint::lint(&text, NOW) {
        spans_lie_inside(&section, 0);
    }
}

// The dialogue.

fn dialogues() -> Vec<Vec<u8>> {
    [
        "220 mx.b.example ESMTP Postfix\n250-mx.b.example\n250-SIZE 35882577\n250-STARTTLS\n250-AUTH LOGIN PLAIN\n250 SMTPUTF8\n220 2.0.0 Ready to start TLS\n250 mx.b.example\n221 2.0.0 Bye",
        "421-4.7.0 try later\n421 4.7.0 really",
        "554 5.7.1 no",
        "220-a\n220 b\n502 no EHLO\n250 HELO then\n221",
        "220 x\n250-x\n250-STARTTLS\n250 HELP\n454 4.7.0 TLS not available due to temporary reason",
        "2200\n25\n250\n\n999 \n550 5.7.26 Unauthenticated email from a.example is not accepted\n451 4.7.1 Greylisted",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// A dialogue in which the server says these lines, one after each of ours.
fn heard(bytes: &[u8]) -> Transcript {
    let look = Dialogue::look("mx.b.example", "192.0.2.1:25".parse().unwrap());
    let plan = Dialogue { mail_from: Some(String::new()), rcpt_to: vec!["a@b.example".into()], ..look };
    let mut transcript = Transcript::default();
    let mut at = Duration::ZERO;
    let mut push = |transcript: &mut Transcript, event| {
        at += Duration::from_millis(7);
        transcript.entries.push(TranscriptEntry { at, tls: false, event });
    };
    push(&mut transcript, TranscriptEvent::Connected { local: None, peer: None });
    let mut mask = mask::Mask::default();
    for line in bytes.split(|byte| *byte == b'\n').take(400) {
        mask.received(line);
        let ending = if line.ends_with(b"\r") { LineEnding::CrLf } else { LineEnding::Lf };
        push(&mut transcript, TranscriptEvent::Received { line: line.to_vec(), ending });
        match probe::next_move(&plan, "me.example", &transcript) {
            probe::Move::Send(line) => {
                let (line, masked) = mask.sent(&line);
                push(&mut transcript, TranscriptEvent::Sent { line, masked });
            }
            probe::Move::SendMessage | probe::Move::SendThis(_) => {
                push(&mut transcript, TranscriptEvent::SentMessage { bytes: 3 });
            }
            probe::Move::StartTls => {
                push(&mut transcript, TranscriptEvent::TlsFailed(HandshakeFault::Failed, "no".into()))
            }
            probe::Move::Listen | probe::Move::Script(_) => {}
            probe::Move::Reconnect => push(&mut transcript, TranscriptEvent::Connected { local: None, peer: None }),
            probe::Move::Hang => {
                push(&mut transcript, TranscriptEvent::Closed { by_server: false, reset: false });
                break;
            }
        }
    }
    transcript.finished = true;
    transcript
}

fn dialogue(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let parsed = reply::ReplyLine::parse(line);
        assert!(parsed.text.len() <= line.len());
        if let Some(code) = parsed.code {
            assert!(code < 1000);
        }
        session::Verb::parse(line);
        mask::Mask::default().sent(line);
        reply::Enhanced::parse(line);
    }
    let transcript = heard(bytes);
    all_of_a_dialogue(&transcript);
    let target = smtp::Target::parse("192.0.2.1:25", SmtpPlan::default()).unwrap();
    let sections = smtp::ALL.iter().map(|check| settle(*check, &target, &|query| wild(bytes, query))).collect();
    print(&target, 0, sections);
    let mut stuffed = dot::stuffed(bytes);
    assert!(stuffed.ends_with(b"\r\n.\r\n") || stuffed == b".\r\n");
    stuffed.truncate(stuffed.len() - 3);
    assert!(!stuffed.split(|byte| *byte == b'\n').any(|line| line == b".\r"), "a dot alone ends the message early");
}

fn all_of_a_dialogue(transcript: &Transcript) {
    assert_eq!(annotate::annotate(transcript, "mx.b.example").len(), transcript.entries.len());
    typed::awaits_secret(transcript);
    let lines = typed::next_lines(transcript, "me.example");
    typed::complete("m", "", &lines);
    let held = [export::Held { host: "mx.b.example", port: 25, transcript }];
    for form in [export::Form::Text, export::Form::Markdown, export::Form::Swaks] {
        let printed = export::export(&held, form);
        assert_eq!(printed.chars().find(|c| *c != '\n' && is_hidden(*c)), None, "{printed}");
    }
}

fn notes() -> Vec<Vec<u8>> {
    [
        "S: 220 smtp.gmail.com ESMTP\nC: EHLO mail.lupton.de\nS: 250-smtp.gmail.com at your service\nS: 250-SIZE 35882577\nS: 250 STARTTLS # remark\nC: STARTTLS\nS: 220 2.0.0 Ready\nC: AUTH PLAIN AGEAYg==\nC: DATA\nS: 354 go\nC: Subject: x\nC: .\nC: QUIT\nS: 221 2.0.0 bye",
        "<-  220 mx ESMTP\n -> EHLO me\n<-  250-mx\n<~  250 OK\n ~> QUIT\n",
        "220 mx ESMTP\nEHLO me\n250 mx\nQUIT\n221 bye",
        "> EHLO me\n< 250 x\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

fn imported(bytes: &[u8]) {
    let text = lossy(bytes);
    let Some(imported) = import::import(&text) else { return };
    import::slips(&text, &imported.transcript);
    all_of_a_dialogue(&imported.transcript);
}

fn certificates() -> Vec<Vec<u8>> {
    let of = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        rcgen::generate_simple_self_signed(names).unwrap().cert.der().to_vec()
    };
    vec![of(&["mx.b.example"]), of(&["a.example", "*.b.example", "192.0.2.1"])]
}

fn certificate_of(bytes: &[u8]) {
    if let Some(read) = certificate::Certificate::parse(bytes) {
        read.days_left(NOW);
        read.end_date();
    }
    certificate::public_key(bytes);
}

// What a person types, and our own files.

fn names() -> Vec<Vec<u8>> {
    [
        "bücher.example",
        "xn--bcher-kva.example",
        "_dmarc.a.example.",
        "*.a.example",
        "https://user@host.example:8080/path?q#f",
        "a@b.example",
        "127.0.0.1:53",
        "[2001:db8::1]:25",
        "tls://dns.example",
        "https://dns.example/dns-query",
        "a.example:25=127.0.0.1:2525",
        "::25:127.0.0.1:2525",
        "TXT",
        "TYPE65",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

fn typed_words(bytes: &[u8]) {
    let text = lossy(bytes);
    for name in [Name::parse(&text), Name::from_unicode(&text), Name::from_text(&text)].into_iter().flatten() {
        let again = Name::from_text(name.as_str()).unwrap();
        assert_eq!(again, name, "{text:?}");
        assert!(name.as_str().len() <= 255 * 4);
        assert!(!name.to_string().chars().any(is_hidden), "{text:?} → {name}");
    }
    let _ = Name::from_labels(bytes.split(|byte| *byte == b'.'));
    Kind::parse(&text);
    let _ = Upstream::parse(&text);
    let _ = ConnectTo::parse(&text);
    let _ = smtp::Target::parse(&text, SmtpPlan::default());
}

fn files() -> Vec<Vec<u8>> {
    let case =
        br#"{"mxray":"0.1.0","case":1,"kind":"domain","target":"a.example","at":"2026-11-24T09:58:12Z","entries":[]}"#;
    let world = "a.example 300 TXT \"v=spf1 \\\"x\\\" -all\" \"more\"\n*.a.example MX 10 mx.a.example\na.example CAA 0 issue \"ca.example\"\n\
        a.example TLSA 3 1 1 00ff\na.example SOA ns.a.example h.a.example 1 2 3 4 5\nb.example ANY !servfail\nc.example EMPTY\n\
        a.example DNSKEY 257 3 13 YQ==\na.example DS 1 13 2 00\na.example SRV 1 2 3 x.a.example\na.example AAAA 2001:db8::1";
    vec![case.to_vec(), world.into()]
}

fn files_of_ours(bytes: &[u8]) {
    let text = lossy(bytes);
    if let Ok(case) = Case::parse(&text) {
        case.evidence();
        Case::parse(&case.to_text().unwrap()).unwrap();
    }
    if let Ok(world) = World::parse(&text) {
        let name = Name::from_text("x.a.example").unwrap();
        for kind in [Kind::Txt, Kind::Mx, Kind::A, Kind::Soa] {
            world.dns(&name, kind);
        }
    }
}

//! Literal reports, as the engine would tell them.

use std::sync::Arc;
use std::time::Duration;

use mxray::check::{Evidence, LineEnding, Transcript, TranscriptEntry, TranscriptEvent};
use mxray::finding::{Blank, Finding, Severity, Span, Suggestion};
use mxray::job::JobEvent;
use mxray::name::Name;
use mxray::report::{
    Block, Cell, Fact, Link, Lookup, LookupId, Mark, RecordBlock, Report, Row, Section, State, Table, TreeNode,
    VerdictLine,
};
use time::macros::datetime;

pub const MAIL: &str = "From: service@monsec.example\r\nSubject: Your account\r\n\r\nClick.\r\n";

fn name(text: &str) -> Name {
    Name::from_text(text).expect("a name")
}

fn lookup(id: u32, rr_type: &str, name: &str, outcome: Option<&'static str>, (start, length): (f64, f64)) -> Lookup {
    Lookup {
        id: LookupId(id),
        kind: if rr_type == "GET" { "https" } else { "dns" },
        name: name.into(),
        rr_type: rr_type.into(),
        via: "udp 192.0.2.53:53".into(),
        outcome,
        detail: None,
        start_ms: start,
        elapsed_ms: length,
        cached: false,
        joined: false,
        ttl: Some(300),
        dnssec: "insecure",
        asked_by: vec!["mx", "mta-sts"],
    }
}

fn lookups() -> Vec<Lookup> {
    vec![
        lookup(1, "MX", "monsec.example", Some("answer"), (0.1, 20.2)),
        lookup(2, "TXT", "_dmarc.monsec.example", Some("answer"), (0.2, 20.4)),
        lookup(3, "TXT", "_mta-sts.monsec.example", Some("answer"), (0.2, 41.0)),
        lookup(4, "GET", "https://mta-sts.monsec.example/.well-known/mta-sts.txt", Some("answer"), (41.5, 42.5)),
        Lookup { cached: true, ..lookup(5, "TXT", "_smtp._tls.monsec.example", Some("nxdomain"), (0.3, 0.0)) },
        Lookup { joined: true, ..lookup(6, "A", "smtp.google.example", Some("servfail"), (20.5, 20.0)) },
    ]
}

fn mx() -> Section {
    let mut section = Section::new("mx", "MX");
    section.headline = "1 host".into();
    section.blocks.push(Block::Record(RecordBlock {
        name: "monsec.example".into(),
        host: "@".into(),
        rr_type: "MX".into(),
        priority: Some(1),
        ttl: Some(300),
        text: "smtp.google.example".into(),
        marks: vec![Mark {
            span: Span::new(0, 19),
            note: "the host that takes the mail".into(),
            severity: Severity::Ok,
        }],
        lookup: Some(LookupId(1)),
    }));
    section.blocks.push(Block::Table(Table {
        columns: ["", "host", "addresses"].map(str::to_owned).to_vec(),
        rows: vec![Row {
            cells: vec![
                Cell::from("1"),
                Cell::from("smtp.google.example").linked(Link::Smtp("smtp.google.example:25".into())),
                Cell::from("198.51.100.27"),
            ],
            section: None,
        }],
    }));
    section.settle()
}

fn dmarc() -> Section {
    let text = "v=DMARC1; p=none; rua=mailto:d@monsec.example";
    let mut section = Section::new("dmarc", "DMARC");
    section.headline = "none".into();
    section.blocks.push(Block::Record(RecordBlock {
        name: "_dmarc.monsec.example".into(),
        host: "_dmarc".into(),
        rr_type: "TXT".into(),
        priority: None,
        ttl: Some(300),
        text: text.into(),
        marks: vec![
            Mark { span: Span::new(0, 8), note: "a DMARC record".into(), severity: Severity::Ok },
            Mark { span: Span::new(10, 16), note: "mail that fails is delivered".into(), severity: Severity::Warning },
            Mark { span: Span::new(18, 45), note: "aggregate reports go there".into(), severity: Severity::Ok },
        ],
        lookup: Some(LookupId(2)),
    }));
    section.blocks.push(Block::Facts(vec![
        Fact::new("Applies", "to monsec.example and its subdomains"),
        Fact::new("Reports", Cell::from("monsec.example").linked(Link::Domain(name("monsec.example")))),
    ]));
    let leaf = |text: &str, right: &str| TreeNode { text: Cell::from(text), right: right.into(), children: Vec::new() };
    section.blocks.push(Block::Tree(vec![TreeNode {
        text: Cell::from("the walk"),
        right: "2 steps".into(),
        children: vec![leaf("_dmarc.monsec.example", "found"), leaf("_dmarc.example", "no such name")],
    }]));
    section.findings.push(
        Finding::warning("dmarc.only-watches", "p=none only watches: mail that fails is still delivered.")
            .with_fix("When your reports look clean, move to p=quarantine.")
            .with_reference("RFC 9989 §4.7")
            .with_evidence([LookupId(2)])
            .with_span(Span::new(10, 16)),
    );
    let zone = name("monsec.example");
    let mut suggestion =
        Suggestion::txt(&zone.below("_dmarc").expect("a name"), &zone, "v=DMARC1; p=quarantine; rua=mailto:{rua}");
    suggestion.current = Some(text.into());
    suggestion.why = "Mail that fails lands in the spam folder.".into();
    suggestion.risk = "mail of a forgotten sender is put aside".into();
    suggestion.undo = "publish the old record again".into();
    suggestion.blanks.push(Blank { key: "rua", prompt: "Where should reports go?".into() });
    section.suggestions.push(suggestion);
    section.blocks.push(Block::Prose {
        title: "How to set it up".into(),
        text: vec!["One aligned pass is enough: SPF or DKIM. DMARC cannot demand both.".into()],
    });
    section.settle()
}

fn mta_sts() -> Section {
    let mut section = Section::new("mta-sts", "MTA-STS");
    section.headline = "testing".into();
    section.findings.push(
        Finding::error(
            "mta-sts.mx-not-covered",
            "MTA-STS policy does not list your MX smtp.google.example: \"enforce\" would stop mail.",
        )
        .with_reference("RFC 8461 §4.1")
        .with_evidence([LookupId(3), LookupId(4)]),
    );
    let mut file = Suggestion::file(
        &name("mta-sts.monsec.example"),
        "https://mta-sts.monsec.example/.well-known/mta-sts.txt",
        "version: STSv1\r\nmode: testing\r\nmx: smtp.google.example\r\nmax_age: 604800\r\n",
    );
    file.current = Some("version: STSv1\nmode: testing\nmx: aspmx.l.google.example\nmax_age: 604800\n".into());
    file.why = "A sender that honours the policy skips an MX that it does not list.".into();
    section.suggestions.push(file);
    section.settle()
}

fn dkim_unknown() -> Section {
    Section::could_not_look(
        ("dkim", "DKIM"),
        "dkim.unknown",
        "the DKIM keys",
        "the server failed (SERVFAIL)",
        [LookupId(6)],
    )
    .settle()
}

fn tls_rpt_absent() -> Section {
    let mut section = Section::new("tls-rpt", "TLS-RPT");
    section.state = State::Absent;
    section.headline = "none".into();
    section.settle()
}

fn line(question: &'static str, answer: &str, severity: Severity, section: &'static str) -> VerdictLine {
    VerdictLine { question, answer: answer.into(), severity, section: Some(section) }
}

fn domain_verdict() -> Vec<VerdictLine> {
    vec![
        line("SPOOFED?", "easily: p=none only watches", Severity::Error, "dmarc"),
        line("READ IN TRANSIT?", "yes: MTA-STS is testing", Severity::Warning, "mta-sts"),
        line(
            "DO FIRST",
            "MTA-STS policy does not list your MX smtp.google.example: \"enforce\" would stop mail",
            Severity::Error,
            "mta-sts",
        ),
    ]
}

fn finished(
    kind: &'static str,
    target: &str,
    verdict: Vec<VerdictLine>,
    summary: Option<Table>,
    sections: Vec<Section>,
) -> JobEvent {
    let report = Report {
        mxray: "0.1.0",
        schema: 1,
        kind,
        target: target.into(),
        at: datetime!(2026-11-24 12:04:31 UTC),
        elapsed_ms: 84.2,
        worst: Severity::Error,
        verdict,
        summary,
        since: None,
        sections,
        lookups: lookups(),
    };
    JobEvent::Finished(Arc::new(report), Arc::new(Evidence::default()))
}

pub fn domain_under_way() -> Vec<JobEvent> {
    let mut events: Vec<JobEvent> = lookups()
        .into_iter()
        .map(|one| if one.id.0 > 3 { Lookup { outcome: None, elapsed_ms: 0.0, ttl: None, ..one } } else { one })
        .map(JobEvent::Lookup)
        .collect();
    events.push(JobEvent::Section(Arc::new(mx())));
    events.push(JobEvent::Section(Arc::new(dmarc())));
    events.push(JobEvent::Verdict(domain_verdict().into_iter().take(1).collect(), None));
    events
}

pub fn domain_finished() -> Vec<JobEvent> {
    let sections = vec![mx(), dkim_unknown(), dmarc(), mta_sts(), tls_rpt_absent()];
    vec![finished("domain", "monsec.example", domain_verdict(), None, sections)]
}

/// Every question refused.
pub fn domain_refused() -> Vec<JobEvent> {
    lookups()
        .into_iter()
        .map(|one| Lookup { outcome: Some("refused"), detail: Some("REFUSED".into()), ttl: None, ..one })
        .map(JobEvent::Lookup)
        .collect()
}

pub fn message_finished() -> Vec<JobEvent> {
    let mut dkim = Section::new("dkim", "Signatures");
    dkim.headline = "1 of 2".into();
    dkim.findings
        .push(Finding::error("message.dkim.body-changed", "The body is not the one that monsec.example signed."));
    let text = "From: service@monsec.example\r\n\tfolded: here\r\n\r\nClick \u{1b}[31mhere\u{202e}.\r\n".to_owned();
    dkim.blocks.push(Block::Source {
        title: "The message as signature #1 covers it".into(),
        marks: vec![
            Mark { span: Span::new(0, 28), note: "signed".into(), severity: Severity::Ok },
            Mark {
                span: Span::new(48, text.len() - 2),
                note: "the body hash does not match".into(),
                severity: Severity::Error,
            },
        ],
        text,
    });
    let mut dmarc = Section::new("dmarc", "DMARC");
    dmarc.headline = "fail".into();
    dmarc.findings.push(Finding::error("message.dmarc.fail", "Nothing that passes belongs to monsec.example."));
    let unknown =
        Section::could_not_look(("spf", "SPF"), "message.spf.unknown", "SPF", "offline: nothing was asked", []);
    let cell = |text: &str, severity| Cell::from(text).judged(severity);
    let row = |who: &str, domain: &str, here: (&str, Severity), claimed: &str, aligned: &str| Row {
        cells: vec![
            Cell::from(who),
            Cell::from(domain).linked(Link::Domain(name(domain))),
            cell(here.0, here.1),
            Cell::from(claimed).dimmed(),
            Cell::from(aligned),
        ],
        section: Some("dkim"),
    };
    let summary = Table {
        columns: ["Who says so", "Domain", "Recomputed here", "They claimed", "Aligned"].map(str::to_owned).to_vec(),
        rows: vec![
            row("DKIM #1 s=k1", "mailer.example", ("pass", Severity::Ok), "pass", "no"),
            row("DKIM #2 s=pp1", "monsec.example", ("fail: body changed", Severity::Error), "pass", "would be"),
        ],
    };
    let verdict = vec![
        line(
            "REALLY FROM monsec.example?",
            "NO. Nothing that passes belongs to monsec.example",
            Severity::Error,
            "dmarc",
        ),
        line("A RECEIVER IS ASKED TO", "put it aside (p=quarantine)", Severity::Warning, "dmarc"),
        line("LOOK AT THIS", "Reply-To goes to rnonsec.example (\"rn\", not \"m\")", Severity::Error, "dkim"),
    ];
    vec![finished("message", "message", verdict, Some(summary), vec![dkim.settle(), dmarc.settle(), unknown.settle()])]
}

/// A report on a message of so many lines.
pub fn message_of(lines: usize) -> Vec<JobEvent> {
    let mut text = String::with_capacity(lines * 64);
    for line in 0..lines {
        text.push_str(&format!("line {line} {}\r\n", "x".repeat(50)));
    }
    let mut dkim = Section::new("dkim", "Signatures");
    dkim.blocks.push(Block::Source { title: "The message".into(), text, marks: Vec::new() });
    vec![finished("message", "message", Vec::new(), None, vec![dkim.settle()])]
}

pub fn smtp_under_way() -> Vec<JobEvent> {
    vec![
        JobEvent::Lookup(Lookup { kind: "smtp", ..lookup(7, "SMTP", "mail.example.test:25", None, (1.0, 0.0)) }),
        JobEvent::Dialogue(LookupId(7), Arc::new(transcript(false))),
    ]
}

/// A domain that does not exist: there is nobody to speak with.
pub fn no_dialogue() -> JobEvent {
    let mut delivery = Section::new("transport", "Delivery");
    delivery.state = State::Absent;
    delivery
        .findings
        .push(Finding::error("smtp.no-such-domain", "It does not exist in DNS, so no mail can be sent to it."));
    let line =
        line("DELIVERED?", "It does not exist in DNS, so no mail can be sent to it.", Severity::Error, "transport");
    finished("smtp", "nowhere.example", vec![line], None, vec![delivery.settle()])
}

pub fn smtp_finished() -> Vec<JobEvent> {
    let mut lines = Section::new("transcript", "Dialogue");
    lines.headline = "220 to 221".into();
    let own = serde_json::json!([{ "address": "198.51.100.7", "ptr": ["laptop.lan"], "outcome": "confirmed" }]);
    lines.fact("sources", own);
    let mut tls = Section::new("tls", "TLS");
    tls.headline = "expired".into();
    tls.findings.push(Finding::error("smtp.tls.expired", "The certificate expired on 2026-10-25."));
    let verdict = vec![
        line(
            "PLAIN SENDER",
            "yes, IN CLEAR TEXT, to mail.example.test: STARTTLS is refused with 454",
            Severity::Error,
            "transport",
        ),
        line("WITH MTA-STS", "NO: mail.example.test: it does not encrypt", Severity::Error, "transport"),
        line("WITH DANE", "no TLSA records: as the plain sender", Severity::Ok, "transport"),
    ];
    let cells =
        ["10 mail.example.test", "0.3", "1.1", "0.4", "-", "REFUSED 454", "covered", "-", "starttls-not-supported"];
    let names = ["HOST", "CONNECT", "BANNER", "EHLO", "TLS", "PKIX", "MTA-STS", "DANE", "A SENDER REPORTS"];
    let mut row = Row { cells: cells.map(Cell::from).to_vec(), section: Some("transport") };
    row.cells[5] = Cell::from("REFUSED 454").judged(Severity::Error);
    let summary = Table { columns: names.map(str::to_owned).to_vec(), rows: vec![row] };
    let held = Lookup {
        kind: "smtp",
        via: "tcp 192.0.2.25:25".into(),
        ..lookup(7, "SMTP", "mail.example.test", Some("answer"), (1.0, 1410.0))
    };
    vec![
        JobEvent::Lookup(held),
        JobEvent::Dialogue(LookupId(7), Arc::new(transcript(true))),
        finished("smtp", "mail.example.test:25", verdict, Some(summary), vec![lines.settle(), tls.settle()]),
    ]
}

fn transcript(finished: bool) -> Transcript {
    let sent = |line: &str| TranscriptEvent::Sent { line: line.as_bytes().to_vec(), masked: false };
    let got = |line: &str| TranscriptEvent::Received { line: line.as_bytes().to_vec(), ending: LineEnding::CrLf };
    let address = |text: &str| text.parse().expect("an address");
    let events = [
        (
            0,
            TranscriptEvent::Connected {
                local: Some(address("198.51.100.7:40000")),
                peer: Some(address("192.0.2.25:25")),
            },
        ),
        (1, got("220 mail.example.test ESMTP \u{1b}[31mPostfix")),
        (1, sent("EHLO laptop.example")),
        (2, got("250-STARTTLS")),
        (2, got("250 SIZE 10240000")),
        (1400, got("454 4.7.0 TLS not available")),
    ];
    let entries = events
        .into_iter()
        .map(|(at, event)| TranscriptEntry { at: Duration::from_millis(at), tls: false, event })
        .collect();
    Transcript { entries, finished }
}

//! Whatever a domain publishes, the printed report holds nothing that a terminal would obey or hide.

use mxray::cli::{json, markdown, text};
use mxray::finding::{Blank, Finding, Severity, Span, Suggestion};
use mxray::name::Name;
use mxray::report::{
    Block, Cell, Fact, LookupId, Mark, RecordBlock, Report, Row, Section, Table, TreeNode, VerdictLine,
};
use mxray::untrusted::is_hidden;
use proptest::prelude::*;

/// A report that holds `foreign` wherever a report can hold foreign text.
pub fn report(foreign: &str) -> Report {
    let text = || foreign.to_owned();
    let mark = Mark { span: Span::new(0, foreign.len()), note: text(), severity: Severity::Warning };
    let record = RecordBlock {
        name: text(),
        host: text(),
        rr_type: "TXT".into(),
        priority: Some(10),
        ttl: Some(300),
        text: text(),
        marks: vec![mark],
        lookup: Some(LookupId(3)),
    };
    let table = Table {
        columns: vec!["HOST".into(), "VALUE".into()],
        rows: vec![Row { cells: vec![Cell::from(text()), Cell::from(text()).judged(Severity::Error)], section: None }],
    };
    let leaf = TreeNode { text: Cell::from(text()).dimmed(), right: text(), children: Vec::new() };
    let mut section = Section::new("spf", "SPF");
    section.headline = text();
    section.fact("record", foreign);
    section.findings.push(
        Finding::error("spf.any", text())
            .with_fix(text())
            .with_span(Span::new(0, foreign.len()))
            .with_evidence([LookupId(3)]),
    );
    section.blocks = vec![
        Block::Record(record),
        Block::Facts(vec![Fact::new("label", text())]),
        Block::Tree(vec![TreeNode { text: Cell::from(text()), right: "1".into(), children: vec![leaf] }]),
        Block::Table(table.clone()),
        Block::Prose { title: text(), text: vec![text()] },
        Block::Source { title: text(), text: text(), marks: Vec::new() },
    ];
    let zone = Name::from_text("monsec.io").unwrap();
    let mut suggestion = Suggestion::txt(&zone, &zone, foreign);
    (suggestion.current, suggestion.why, suggestion.risk, suggestion.undo) = (Some(text()), text(), text(), text());
    suggestion.blanks.push(Blank { key: "rua", prompt: text() });
    section.suggestions.push(suggestion);
    let section = section.settle();
    let (question, severity) = ("SPOOFED?", Severity::Error);
    Report {
        mxray: "0.1.0",
        schema: 1,
        kind: "domain",
        target: text(),
        at: time::OffsetDateTime::UNIX_EPOCH,
        elapsed_ms: 84.2,
        worst: Severity::Error,
        verdict: vec![VerdictLine { question, answer: text(), severity, section: Some("spf") }],
        summary: Some(table),
        since: None,
        sections: vec![section],
        lookups: Vec::new(),
    }
}

fn hidden(text: &str) -> Option<char> {
    text.chars().find(|c| *c != '\n' && is_hidden(*c))
}

proptest! {
    #[test]
    fn no_output_holds_a_control_or_an_invisible_character(foreign in any::<String>(), width in 1_usize..200) {
        let report = report(&foreign);
        prop_assert_eq!(hidden(&text::text(&report, text::Style { width, color: false })), None);
        prop_assert_eq!(hidden(&markdown::markdown(&report)), None);
        prop_assert_eq!(hidden(&json::json(&report, true).unwrap()), None);
    }

    #[test]
    fn colour_adds_its_own_escapes_and_lets_none_through(foreign in any::<String>()) {
        let colored = text::text(&report(&foreign), text::Style { width: 80, color: true });
        // Take away what we write ourselves: ESC [ digits and ; m.
        let mut pieces = colored.split('\u{1b}');
        let mut rest = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (ours, text) = piece.split_once('m').unwrap();
            prop_assert!(ours.strip_prefix('[').unwrap().bytes().all(|b| b.is_ascii_digit() || b == b';'));
            rest.push_str(text);
        }
        prop_assert_eq!(hidden(&rest), None);
    }
}

#[test]
fn the_escapes_that_attackers_use_are_shown() {
    let report = report("\u{1b}]52;c;eA==\u{7}\u{202e}\u{9b}31m\u{200b}x");
    let printed = text::text(&report, text::Style { width: 100, color: false });
    assert!(printed.contains("␛]52;c;eA==␇⟨RLO⟩⟨U+009B⟩31m⟨ZWSP⟩x"), "{printed}");
}

#[test]
fn a_record_of_thousands_of_faults_is_printed_in_time_that_grows_with_its_size() {
    let tags = 6000;
    let text_of = "p=IM1; ".repeat(tags);
    let mut section = Section::new("dkim", "DKIM");
    let spans = (0..tags).map(|at| Span::new(at * 7, at * 7 + 5));
    let marks = spans.clone().map(|span| Mark { span, note: "twice".into(), severity: Severity::Warning }).collect();
    section.findings = spans.map(|span| Finding::warning("dkim.any", "Twice.").with_span(span)).collect();
    section.blocks.push(Block::Record(RecordBlock {
        name: "a".into(),
        host: "a".into(),
        rr_type: "TXT".into(),
        priority: None,
        ttl: None,
        text: text_of,
        marks,
        lookup: None,
    }));
    let report = Report { sections: vec![section.settle()], ..report("x") };
    let started = std::time::Instant::now();
    text::text(&report, text::Style { width: 80, color: false });
    markdown::markdown(&report);
    // Quadratic, this took minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
}

//! Eighty columns: nothing that matters is cut.

use mxray::job::JobEvent;

use super::{domain, draw, press, rows, tell};

#[test]
fn no_title_and_no_headline_of_the_list_is_cut_at_eighty_columns() {
    let mut state = domain(Vec::new());
    let section = |(id, title, headline): (&'static str, &'static str, &str)| {
        let mut section = mxray::report::Section::new(id, title);
        section.headline = headline.to_owned();
        JobEvent::Section(std::sync::Arc::new(section))
    };
    let longest = [
        ("address", "Address", "no such name"),
        ("ns", "Name servers", "sends nothing"),
        ("bulk", "Bulk rules", "syntax error"),
    ];
    tell(&mut state, longest.into_iter().map(section).collect());
    let list = rows(&draw(&mut state, (80, 24))).join("\n");
    for whole in ["Address    no such name", "NS         sends nothing", "Bulk rules syntax error"] {
        assert!(list.contains(whole), "{whole}\n{list}");
    }
    let wide = rows(&draw(&mut state, (120, 40))).join("\n");
    assert!(wide.contains("Name servers sends nothing"), "{wide}");
    let mut titles =
        mxray::message::ALL.iter().map(|check| check.title()).chain(mxray::smtp::ALL.iter().map(|check| check.title()));
    assert!(titles.all(|title| title.len() <= 12), "a title that no list has room for");
}

/// A section with these blocks, opened in a window of eighty columns.
fn opened(blocks: Vec<mxray::report::Block>) -> String {
    let mut section = mxray::report::Section::new("mx", "MX");
    section.blocks = blocks;
    let mut state = domain(vec![JobEvent::Section(std::sync::Arc::new(section))]);
    press(&mut state, "↓");
    rows(&draw(&mut state, (80, 40))).join("\n")
}

#[test]
fn at_eighty_columns_no_part_of_a_record_and_no_label_is_cut() {
    use mxray::finding::Severity;
    use mxray::report::{Block, Cell, Fact, Mark, RecordBlock};
    let text = "v=spf1 include:_office.neglected.example -all";
    let mark = |part: &str, note: &str| {
        let at = text.find(part).expect("a part");
        let span = mxray::finding::Span::new(at, at + part.len());
        Mark { span, note: note.into(), severity: Severity::Ok }
    };
    let record = Block::Record(RecordBlock {
        name: "neglected.example".into(),
        host: "@".into(),
        rr_type: "TXT".into(),
        priority: None,
        ttl: Some(300),
        text: text.into(),
        marks: vec![
            mark("v=spf1", "an SPF record, version 1"),
            mark("include:_office.neglected.example", "pass: a client that this record passes"),
        ],
        lookup: None,
    });
    let facts = Block::Facts(vec![
        Fact::new("selectors tried", Cell::from("111 of 111")),
        Fact::new("refresh, retry, expire", Cell::from("7200 s, 3600 s, 1209600 s")),
    ]);
    let screen = opened(vec![record, facts]);
    for whole in [
        "v=spf1  an SPF record",
        "include:_office.neglected.example",
        "selectors tried   111 of 111",
        "refresh, retry, expire  7200 s",
        "TTL 300 (5 min)",
    ] {
        assert!(screen.contains(whole), "{whole}\n{screen}");
    }
}

#[test]
fn a_table_that_flows_keeps_acronyms_and_leaves_out_titles_that_are_not_there() {
    use mxray::report::{Block, Cell, Row, Table};
    let cells = |texts: &[&str]| Row { cells: texts.iter().map(|text| Cell::from(*text)).collect(), section: None };
    let long = "a sentence that is much too long for a column beside four others";
    let table = Table {
        columns: ["Rule", "Since", "DNSSEC", "", "How we know"].map(str::to_owned).to_vec(),
        rows: vec![cells(&["SPF for the domain of the envelope", "2024-02", "insecure", "met", long])],
    };
    let screen = opened(vec![Block::Table(table)]);
    let flat =
        screen.lines().filter_map(|row| row.split_once('│')).map(|(_, row)| row.trim()).collect::<Vec<_>>().join(" ");
    assert!(flat.contains("DNSSEC: insecure"), "{screen}");
    assert!(flat.contains("how we know: a sentence"), "{screen}");
    assert!(!flat.contains(" : "), "{screen}");
}

#[test]
fn the_address_of_a_file_is_no_heading_in_capitals() {
    let file = mxray::report::Block::Source {
        title: "https://mta-sts.shop.example/.well-known/mta-sts.txt".into(),
        text: "version: STSv1\n".into(),
        marks: Vec::new(),
    };
    let screen = opened(vec![file]);
    assert!(screen.contains("https://mta-sts.shop.example"), "{screen}");
}

#[test]
fn what_is_wrong_with_a_long_line_is_seen_at_eighty_columns() {
    let mut state = super::coloured(super::DOMAIN);
    for (typed, told) in [
        (
            "v=spf1 include:_spf.google.com include:spf.protection.outlook.com include:servers.mcsv.net -all",
            "that is a record",
        ),
        (
            "a name with blanks that is longer than the window is wide, which nobody types but somebody pastes",
            "a name has no blanks",
        ),
    ] {
        mxray::tui::update::update(&mut state, mxray::tui::event::Event::Paste(typed.into()));
        press(&mut state, "⏎");
        let screen = rows(&draw(&mut state, (80, 24))).join("\n");
        assert!(screen.contains(told), "{screen}");
        press(&mut state, "⎋:");
    }
}

#[test]
fn a_long_question_stands_over_the_pane_and_leaves_the_row_to_its_answer() {
    let mut section = mxray::report::Section::new("mx", "MX");
    let name = mxray::name::Name::from_text("s1._domainkey.example.org").expect("a name");
    let zone = mxray::name::Name::from_text("example.org").expect("a name");
    let mut suggestion = mxray::finding::Suggestion::txt(&name, &zone, "v=DKIM1; p={public_key}");
    let prompt =
        "The public key of a new pair in base64, made by a command that is longer than any row of this window: openssl";
    suggestion.blanks.push(mxray::finding::Blank { key: "public_key", prompt: prompt.into() });
    section.suggestions.push(suggestion);
    let mut state = domain(vec![JobEvent::Section(std::sync::Arc::new(section))]);
    press(&mut state, "↓yMIIB");
    for size in [(80, 24), (40, 12)] {
        let screen = rows(&draw(&mut state, size)).join("\n");
        assert!(screen.contains(" public key: MIIB"), "{screen}");
        assert!(screen.contains("The public key of a new") && screen.contains("openssl"), "{screen}");
    }
}

//! Characters in a record that nobody sees and every receiver reads: a no-break space where a space belongs, a zero-width
//! space inside a word. Web pages and word processors put them there. Named, placed and counted here, the same for every
//! record of text; what they break is for the record's own judgement to say.

use crate::finding::{Finding, Span};
use crate::report::{Block, Section};
use crate::untrusted::{is_odd_blank, is_unseen, spoken};

/// How many places of one record are named; the rest is counted.
const MOST_NAMED: usize = 3;

/// Tells of the unseen characters in the texts that the section shows. `id` is the section's own.
pub(super) fn tell(section: &mut Section, id: &'static str) {
    let mut found = Vec::new();
    let mut record = 0;
    for block in &section.blocks {
        if let Block::Record(shown) = block {
            if matches!(shown.rr_type.as_str(), "TXT" | "SPF") {
                found.extend(of_text(id, &shown.text, "The record").map(|finding| (record, shown.lookup, finding)));
            }
            record += 1;
        }
    }
    for block in &section.blocks {
        if let Block::Source { text, .. } = block {
            found.extend(of_text(id, text, "The file").map(|finding| (record, None, finding)));
            record += 1;
        }
    }
    let evidence = section.findings.iter().flat_map(|finding| finding.evidence.first().copied()).next();
    section.findings.extend(
        found.into_iter().map(|(record, lookup, finding)| finding.with_evidence(lookup.or(evidence)).in_record(record)),
    );
}

/// What is to be told of one text, the first such character underlined.
pub(super) fn of_text(id: &'static str, text: &str, what: &str) -> Option<Finding> {
    let mut unseen = text.char_indices().filter(|(at, c)| is_told(text, *at, *c));
    let named: Vec<(usize, char)> = unseen.by_ref().take(MOST_NAMED).collect();
    let more = unseen.count();
    let (first, c) = *named.first()?;
    let places: Vec<String> = named
        .iter()
        .map(|(at, c)| {
            let nth = text.get(..*at).map_or(0, |before| before.chars().count()) + 1;
            format!("character {nth} is {}", spoken(*c))
        })
        .collect();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let why = if is_odd_blank(c) {
        "It looks like a space and is none: receivers read the words on both sides of it as one."
    } else {
        "It shows nothing and is read all the same: the word that holds it is another word."
    };
    let finding = Finding::warning(
        id,
        format!("{what} holds what nobody sees: {}{more}. {why}", places.join(", ")),
    )
    .with_fix("Delete it and type the record by hand, or copy it from plain text: web pages and word processors put such characters in.");
    Some(finding.with_span(Span::new(first, first + c.len_utf8())))
}

/// Line ends and tabs belong to files and tag lists; where they do not, their own grammar says so. A byte order mark at the
/// beginning has its own finding.
fn is_told(text: &str, at: usize, c: char) -> bool {
    is_unseen(c) && !matches!(c, '\t' | '\r' | '\n') && !(at == 0 && c == '\u{feff}' && text.contains('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unseen_character_is_named_with_its_place() {
        let text = "v=spf1 include:a.example\u{a0}-all";
        let finding = of_text("spf.unseen-character", text, "The record").unwrap();
        assert_eq!(
            finding.text,
            "The record holds what nobody sees: character 25 is a no-break space (U+00A0). It looks like a space and is none: \
             receivers read the words on both sides of it as one."
        );
        assert_eq!(finding.span.and_then(|span| span.of_str(text)), Some("\u{a0}"));
        let finding = of_text("x", "p=rej\u{200b}ect\u{200b}\u{2060}\u{202e}\u{feff}", "The record").unwrap();
        assert!(
            finding.text.contains("character 6 is a zero-width space (U+200B), character 10 is a zero-width space"),
            "{}",
            finding.text
        );
        assert!(finding.text.contains("a word joiner (U+2060), and 2 more. It shows nothing"), "{}", finding.text);
    }

    #[test]
    fn what_belongs_into_a_text_is_not_told() {
        for text in [
            "v=spf1 -all",
            "v=DMARC1;\tp=none",
            "version: STSv1\r\nmode: none\r\n",
            "n=Grüße",
            "",
            "\u{feff}version:\n",
        ] {
            assert_eq!(of_text("x", text, "The record"), None, "{text:?}");
        }
    }
}

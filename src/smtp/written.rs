//! A dialogue that somebody wrote down or saved: annotated like a live one, with the slips named. Nothing is asked.

use crate::check::{Check, Memo, Seen, Subject, Transcript, Wait};
use crate::finding::{Finding, Severity};
use crate::report::{Block, Cell, Row, Section, Table, VerdictLine};
use crate::smtp::annotate::annotate;
use crate::smtp::import::{import, slips};
use crate::smtp::lines::{from, line_of};

/// A dialogue from a text.
#[derive(Clone, Debug)]
pub struct Written {
    text: String,
    /// The dialogue; times are not known and stand as zero.
    pub transcript: Transcript,
    skipped: usize,
}

impl Written {
    /// Reads a text; the error says that it is no dialogue.
    pub fn parse(text: &str) -> Result<Written, String> {
        // A terminal pastes line ends as CR.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        match import(&text) {
            Some(imported) => {
                Ok(Written { text, transcript: imported.transcript, skipped: imported.skipped })
            }
            None => Err("this text is no SMTP dialogue: its lines should begin with S: and C:, or with reply codes and commands".into()),
        }
    }
}

/// The dialogue, line by line, with its slips.
pub struct WrittenLines;

impl Check<Written> for WrittenLines {
    fn id(&self) -> &'static str {
        "transcript"
    }

    fn title(&self) -> &'static str {
        "Dialogue"
    }

    fn about(&self) -> &'static str {
        "A dialogue from a text, line by line, each explained, with its slips."
    }

    fn step(&self, written: &Written, _: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let mut section = Section::new(self.id(), self.title());
        let notes = annotate(&written.transcript, "");
        let entries = written.transcript.entries.iter().skip(1).zip(notes.into_iter().skip(1));
        let mut lines = Vec::new();
        let mut rows = Vec::new();
        for (entry, note) in entries {
            let (who, text) = line_of(entry);
            lines.push(serde_json::json!({ "from": from(who), "tls": entry.tls, "text": text, "explain": note.text }));
            let cells = vec![Cell::from(who), Cell::from(text), Cell::from(note.text).judged(note.severity)];
            rows.push(Row { cells, section: None });
        }
        section.headline = format!("{} lines", rows.len());
        section.fact("hosts", [serde_json::json!({ "name": null, "address": null, "lines": lines, "stages": {} })]);
        section.fact("skipped", written.skipped);
        section.findings = slips(&written.text, &written.transcript);
        if written.skipped > 0 {
            let text = format!("{} lines of the text are no part of the dialogue and are left out.", written.skipped);
            section.findings.push(Finding::info("smtp.lines-skipped", text));
        }
        let columns = ["", "the line", "what it means"].map(str::to_owned).to_vec();
        section.blocks.push(Block::Table(Table { columns, rows }));
        Ok(section)
    }
}

impl Subject for Written {
    const KIND: &'static str = "smtp";

    fn target(&self) -> String {
        "a written dialogue".into()
    }

    fn checks(&self) -> &'static [&'static dyn Check<Written>] {
        super::WRITTEN
    }

    fn verdict(&self, sections: &[Section]) -> Vec<VerdictLine> {
        let findings = || sections.iter().flat_map(|section| &section.findings);
        let count = findings().filter(|finding| finding.severity >= Severity::Info).count();
        // The first of the worst, as the list of findings has it.
        let worst = findings().min_by_key(|finding| std::cmp::Reverse(finding.severity));
        let mut lines = vec![VerdictLine {
            question: "IS IT RIGHT?",
            answer: match count {
                0 => "yes: nothing in it breaks the rules".into(),
                1 => "1 slip".into(),
                n => format!("{n} slips"),
            },
            severity: worst.map_or(Severity::Ok, |finding| finding.severity),
            section: Some("transcript"),
        }];
        lines.extend(worst.map(|finding| VerdictLine {
            question: "LOOK AT THIS",
            answer: finding.text.clone(),
            severity: finding.severity,
            section: Some("transcript"),
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::world::World;

    #[test]
    fn the_demo_dialogue_comes_out_annotated_with_its_slips() {
        let written = Written::parse(include_str!("../../assets/demo/transcript.txt")).unwrap();
        let settled = World::default().settle(&WrittenLines, &written, time::OffsetDateTime::UNIX_EPOCH);
        assert_eq!((settled.depth, settled.asked.len()), (0, 0));
        let ids: Vec<_> = settled.section.findings.iter().map(|finding| finding.id).collect();
        for id in ["smtp.reply-never-ends", "smtp.wrong-goodbye", "smtp.accepts-other-domain", "smtp.date-without-zone"]
        {
            assert!(ids.contains(&id), "{id}: {ids:?}");
        }
        let first = settled.section.findings[0].text.clone();
        let verdict = written.verdict(&[settled.section]);
        assert_eq!((verdict[0].answer.as_str(), &verdict[1].answer), ("4 slips", &first));
    }
}

//! The first page of a report: what to do first, over all sections, worst first; then the table; then what to publish, in
//! order.

use std::collections::HashSet;

use super::blocks::duration;
use super::{Builder, Document, Layout, Piece, Target};
use crate::finding::{Finding, Severity, Suggestion, SuggestionKind};
use crate::report::since::Since;
use crate::report::{Link, Section, Table, VerdictLine};
use crate::tui::compare::Compared;
use crate::tui::theme::Look;

/// Lays the overview out, from the sections that are there; what stands where nothing is wrong depends on how far the job
/// has come.
pub fn overview<'a>(
    sections: impl Iterator<Item = &'a Section> + Clone,
    verdict: &[VerdictLine],
    summary: Option<&Table>,
    (title, nothing): (&str, &str),
    (compared, since): (Option<&Compared>, Option<&Since>),
    layout: &Layout<'_>,
) -> Document {
    let mut out = Builder::new(layout);
    out.flow(vec![Piece::new(title, Look::Strong)], 0);
    if let Some(table) = summary {
        out.blank();
        out.table(table);
    }
    if let Some(compared) = compared {
        out.compared(compared);
    }
    if let Some(since) = since {
        out.since(since);
    }
    out.worst_first(sections.clone(), nothing);
    out.steps(sections);
    out.verdict(verdict);
    out.finish()
}

/// Lays a table out by itself.
pub fn table(table: &Table, layout: &Layout<'_>) -> Document {
    let mut out = Builder::new(layout);
    out.table(table);
    out.finish()
}

/// The warnings and errors of all sections, worst first. What several sections say in the same words (a domain that does not
/// exist) is said once, by the first of them.
pub fn worst<'a>(sections: impl Iterator<Item = &'a Section>) -> Vec<(&'a Section, &'a Finding)> {
    let findings = sections.flat_map(|section| section.findings.iter().map(move |finding| (section, finding)));
    let mut said = HashSet::new();
    let mut all: Vec<(&Section, &Finding)> = findings
        .filter(|(_, finding)| finding.severity >= Severity::Warning)
        .filter(|(_, finding)| said.insert((finding.id, finding.text.as_str())))
        .collect();
    all.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    all
}

impl Builder<'_> {
    fn verdict(&mut self, verdict: &[VerdictLine]) {
        if verdict.is_empty() {
            return;
        }
        self.heading("the verdict in full", "");
        for line in verdict {
            let links = line.section.map(|id| (id.to_owned(), Link::Section(id)));
            self.begin(Target::Line {
                text: format!("{} {}", line.question, line.answer),
                links: links.into_iter().collect(),
            });
            self.flow(
                vec![
                    Piece::new(format!("{}  ", line.question), Look::Dim),
                    Piece::new(&line.answer, line.severity.into()),
                ],
                2,
            );
            self.end();
        }
    }

    fn worst_first<'a>(&mut self, sections: impl Iterator<Item = &'a Section>, nothing: &str) {
        let all = worst(sections);
        let note = match all.len() {
            0 => String::new(),
            1 => "1 finding".to_owned(),
            many => format!("{many} findings"),
        };
        self.heading("worst first", &note);
        for (section, finding) in &all {
            self.begin(Target::Line {
                text: finding.text.clone(),
                links: vec![(section.title.to_owned(), Link::Section(section.id))],
            });
            let word =
                format!("{} {:<5} ", self.layout.theme.severity_glyph(finding.severity), finding.severity.word());
            self.flow(
                vec![
                    Piece::new(word, finding.severity.into()),
                    Piece::new(format!("{}: ", section.title), Look::Strong),
                    Piece::new(&finding.text, Look::Plain),
                ],
                8,
            );
            self.end();
        }
        if all.is_empty() {
            self.flow(vec![Piece::new("  ", Look::Plain), Piece::new(nothing, Look::Plain)], 2);
        }
    }

    fn compared(&mut self, compared: &Compared) {
        self.heading("compared", &format!("{} before, {} now", compared.before, compared.now));
        let says = |one: &Option<(String, Option<u32>)>| match one {
            None => "nothing".to_owned(),
            Some((text, ttl)) => format!("{text}   TTL {}", ttl.map_or_else(|| "unknown".to_owned(), duration)),
        };
        for one in &compared.differences {
            self.begin(Target::Line {
                text: format!("{}: {} / {}", one.record, says(&one.before), says(&one.now)),
                links: vec![(one.title.to_owned(), Link::Section(one.section))],
            });
            self.flow(vec![Piece::new(format!("  {}", one.record), Look::Strong)], 4);
            self.flow(vec![Piece::new("  before ", Look::Dim), Piece::new(says(&one.before), Look::Removed)], 9);
            self.flow(vec![Piece::new("  now    ", Look::Dim), Piece::new(says(&one.now), Look::Added)], 9);
            self.end();
        }
        let same = match (compared.same, compared.differences.is_empty()) {
            (count, true) => format!("  No difference: {count} records are the same."),
            (count, false) => {
                format!("  {count} records are the same. What was before may be kept until its TTL runs out.")
            }
        };
        self.flow(vec![Piece::new(same, Look::Plain)], 2);
        if !compared.unseen.is_empty() {
            let text = format!("  Not compared, one side could not be looked at: {}", compared.unseen.join(", "));
            self.flow(vec![Piece::new(text, Look::Unknown)], 2);
        }
    }

    /// What has changed since an earlier report.
    fn since(&mut self, since: &Since) {
        self.heading("changes", &format!("since {}", since.when()));
        self.flow(vec![Piece::new(format!("  {}", since.words()), Look::Plain)], 2);
        for change in &since.changes {
            let says = |one: &Option<String>| one.clone().unwrap_or_else(|| "nothing".to_owned());
            let (before, now) = (says(&change.before), says(&change.now));
            self.begin(Target::Line {
                text: format!("{}: {before} / {now}", change.what()),
                links: change.section.map(|id| (change.title.clone(), Link::Section(id))).into_iter().collect(),
            });
            self.flow(vec![Piece::new(format!("  {}", change.what()), Look::Strong)], 4);
            self.flow(vec![Piece::new("  was    ", Look::Dim), Piece::new(before, Look::Removed)], 9);
            self.flow(vec![Piece::new("  is     ", Look::Dim), Piece::new(now, Look::Added)], 9);
            self.end();
        }
    }

    fn steps<'a>(&mut self, sections: impl Iterator<Item = &'a Section>) {
        let mut all: Vec<(&Section, &Suggestion)> = sections
            .flat_map(|section| section.suggestions.iter().map(move |suggestion| (section, suggestion)))
            .collect();
        if all.is_empty() {
            return;
        }
        all.sort_by_key(|(_, suggestion)| suggestion.step);
        self.heading("what to publish", "in this order; Z copies all as a zone snippet");
        for (nth, (section, suggestion)) in all.iter().enumerate() {
            self.begin(Target::Line {
                text: suggestion.value.clone(),
                links: vec![(section.title.to_owned(), Link::Section(section.id))],
            });
            let what = match suggestion.kind {
                SuggestionKind::Record => format!("{} {}  ", suggestion.rr_type, suggestion.host),
                SuggestionKind::File => format!("file on {}  ", suggestion.name),
            };
            self.flow(
                vec![
                    Piece::new(format!("{:>2}  ", nth + 1), Look::Dim),
                    Piece::new(what, Look::Strong),
                    Piece::new(&suggestion.why, Look::Plain),
                ],
                4,
            );
            self.end();
        }
    }
}

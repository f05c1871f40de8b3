//! One section in reading order: its state, what is wrong, what is published, what else there is to say, what would be
//! better, how to set it up. And the evidence behind one of its findings.

use super::wrap::columns;
use super::{Builder, Document, Layout, Piece, Target, blocks::duration, fill};
use crate::finding::{Finding, Severity, Suggestion, SuggestionKind};
use crate::report::{Block, Lookup, Section};
use crate::tui::theme::Look;
use crate::untrusted::visible_record;

/// Lays a section out.
pub fn section(section: &Section, layout: &Layout<'_>) -> Document {
    let mut out = Builder::new(layout);
    let theme = layout.theme;
    out.flow(
        vec![
            Piece::new(section.title, Look::Strong),
            Piece::new("  ", Look::Plain),
            Piece::new(format!("{} {}", theme.state_glyph(section.state), section.state.word()), section.state.into()),
            Piece::new(
                if section.headline == section.state.word() {
                    String::new()
                } else {
                    format!("  {}", section.headline)
                },
                Look::Plain,
            ),
        ],
        2,
    );
    let findings = || section.findings.iter().enumerate();
    for (index, finding) in findings().filter(|(_, finding)| finding.severity >= Severity::Warning) {
        out.finding(section.id, index, finding);
    }
    let prose = |block: &Block| matches!(block, Block::Prose { .. });
    let blocks = || section.blocks.iter().enumerate();
    for (at, block) in blocks().filter(|(_, block)| !prose(block) && !matches!(block, Block::Source { .. })) {
        out.block(section, at, block);
    }
    for (index, finding) in findings().filter(|(_, finding)| finding.severity < Severity::Warning) {
        out.finding(section.id, index, finding);
    }
    for (index, suggestion) in section.suggestions.iter().enumerate() {
        out.suggestion(section.id, (index, section.suggestions.len()), suggestion);
    }
    for (at, block) in blocks().filter(|(_, block)| prose(block)) {
        out.block(section, at, block);
    }
    for (at, block) in blocks().filter(|(_, block)| matches!(block, Block::Source { .. })) {
        out.block(section, at, block);
    }
    out.finish()
}

/// What a finding stands on: the rule, the bytes, the lookups.
pub fn evidence<'a>(
    section: &Section,
    finding: &Finding,
    lookup: impl Fn(crate::report::LookupId) -> Option<&'a Lookup>,
    layout: &Layout<'_>,
) -> Document {
    let mut out = Builder::new(layout);
    out.flow(
        vec![
            Piece::new(format!("{}  ", out.severity_word(finding.severity)), finding.severity.into()),
            Piece::new(&finding.text, Look::Plain),
        ],
        2,
    );
    if let Some(fix) = &finding.fix {
        out.flow(vec![Piece::new("  do   ", Look::Dim), Piece::new(fix, Look::Plain)], 7);
    }
    out.heading("rule", "");
    let rule = if finding.reference.is_empty() { "ours: no standard says it" } else { finding.reference };
    out.flow(vec![Piece::new("  ", Look::Plain), Piece::new(rule, Look::Plain)], 2);
    out.flow(vec![Piece::new(format!("  finding {}", finding.id), Look::Dim)], 2);
    if let (Some(span), Some((name, text))) = (finding.span, section.text_of(finding)) {
        out.heading("bytes", &format!("{} to {} of {name}", span.start, span.end));
        let part = span.of_str(text).unwrap_or("");
        out.flow(vec![Piece::new("  ", Look::Plain), Piece::new(part, Look::Marked(finding.severity))], 2);
    }
    let (title, ids) = if finding.evidence.is_empty() {
        ("lookups that this section read", &section.evidence)
    } else {
        ("lookups that show it", &finding.evidence)
    };
    out.heading(title, &ids.len().to_string());
    for id in ids {
        match lookup(*id) {
            Some(lookup) => out.lookup(lookup),
            None => out.flow(vec![Piece::new(format!("  #{} is not in the log", id.0), Look::Dim)], 2),
        }
    }
    if ids.is_empty() {
        out.flow(vec![Piece::new("  none: it was judged without a question", Look::Dim)], 2);
    }
    out.finish()
}

impl Builder<'_> {
    fn finding(&mut self, section: &'static str, index: usize, finding: &Finding) {
        self.blank();
        self.begin(Target::Finding { section, index });
        let word = format!("{}  ", self.severity_word(finding.severity));
        self.flow(vec![Piece::new(&word, finding.severity.into()), Piece::new(&finding.text, Look::Plain)], 2);
        if let Some(fix) = &finding.fix {
            self.flow(vec![Piece::new("  do   ", Look::Strong), Piece::new(fix, Look::Plain)], 7);
        }
        let lookups = match finding.evidence.as_slice() {
            [] => String::new(),
            [one] => format!("lookup #{}", one.0),
            many => {
                let ids: Vec<String> = many.iter().take(4).map(|id| format!("#{}", id.0)).collect();
                format!("lookups {}{}", ids.join(" "), if many.len() > 4 { " …" } else { "" })
            }
        };
        let rest = [finding.reference, &lookups].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        if !rest.is_empty() {
            self.flow(vec![Piece::new(format!("  {}", rest.join("   ")), Look::Dim)], 2);
        }
        self.end();
    }

    fn suggestion(&mut self, section: &'static str, (index, of): (usize, usize), suggestion: &Suggestion) {
        let blanks = self.layout.blanks;
        let place = if of > 1 { format!("step {}, {} of {of}", suggestion.step, index + 1) } else { String::new() };
        self.heading("proposed", &place);
        self.begin(Target::Suggestion { section, index });
        self.flow(vec![Piece::new("  ", Look::Plain), Piece::new(&suggestion.why, Look::Plain)], 2);
        let form: [(&str, String); 3] = match suggestion.kind {
            SuggestionKind::Record => [
                ("type", suggestion.rr_type.to_owned()),
                ("host", suggestion.host.clone()),
                ("TTL", suggestion.ttl.map_or_else(|| "Auto".to_owned(), duration)),
            ],
            SuggestionKind::File => {
                [("file", suggestion.host.clone()), ("host", suggestion.name.to_string()), ("", String::new())]
            }
        };
        let mut pieces = vec![Piece::new("  ", Look::Plain)];
        for (label, value) in form.iter().filter(|(label, _)| !label.is_empty()) {
            // A label never stands alone at the end of a row.
            pieces.push(Piece::new(format!("{label}\u{a0}"), Look::Dim));
            pieces.push(Piece::new(value.replace(' ', "\u{a0}"), Look::Strong));
            pieces.push(Piece::new("   ", Look::Plain));
        }
        self.flow(pieces, 4);
        let proposed = fill(&suggestion.value, blanks);
        self.diff(suggestion.current.as_deref(), &proposed);
        for blank in &suggestion.blanks {
            if !blanks.contains_key(blank.key) {
                let hole = format!("    {{{}}}  ", blank.key);
                let hang = columns(&hole);
                let ask = format!("{} (asked before it is copied)", blank.prompt);
                self.flow(vec![Piece::new(hole, Look::Warn), Piece::new(ask, Look::Plain)], hang);
            }
        }
        for (label, text) in [("risk", &suggestion.risk), ("undo", &suggestion.undo)] {
            if !text.is_empty() {
                self.flow(vec![Piece::new(format!("  {label} "), Look::Dim), Piece::new(text, Look::Plain)], 7);
            }
        }
        self.end();
    }

    /// Files line by line, records as a whole; what stays stands without a sign.
    fn diff(&mut self, current: Option<&str>, proposed: &str) {
        let old: Vec<&str> = current.map(|text| text.lines().collect()).unwrap_or_default();
        let new: Vec<&str> = proposed.lines().collect();
        for (change, line) in changes(&old, &new) {
            let (sign, look) = match change {
                Change::Gone => ("  - ", Look::Removed),
                Change::Same => ("    ", Look::Plain),
                Change::New => ("  + ", Look::Added),
            };
            self.flow(vec![Piece::new(sign, look), Piece::new(visible_record(line), look)], 4);
        }
    }

    /// A lookup in words.
    pub(super) fn lookup(&mut self, lookup: &Lookup) {
        let outcome = lookup.outcome.unwrap_or("under way");
        let bad = lookup.outcome.is_some_and(|word| !matches!(word, "answer" | "nodata" | "nxdomain"));
        self.begin(Target::Line { text: format!("{} {}", lookup.name, lookup.rr_type), links: Vec::new() });
        self.flow(
            vec![
                Piece::new(format!("  #{:<3} ", lookup.id.0), Look::Dim),
                Piece::new(format!("{} {}", lookup.rr_type, lookup.name), Look::Plain),
                Piece::new("  ", Look::Plain),
                Piece::new(outcome, if bad { Look::Unknown } else { Look::Ok }),
            ],
            7,
        );
        let mut rest = Vec::new();
        rest.extend(lookup.detail.clone());
        rest.push(format!("{:.1} ms", lookup.elapsed_ms));
        if !lookup.via.is_empty() {
            rest.push(lookup.via.clone());
        }
        if lookup.cached {
            rest.push("from the cache".into());
        }
        if lookup.joined {
            rest.push("joined an equal question".into());
        }
        rest.extend(lookup.ttl.map(|ttl| format!("TTL {ttl}")));
        rest.push(format!("DNSSEC {}", lookup.dnssec));
        self.flow(vec![Piece::new(format!("       {}", rest.join("   ")), Look::Dim)], 7);
        self.end();
    }
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Gone,
    Same,
    New,
}

/// The lines of both texts in one order, as few as possible changed (the longest common subsequence; texts here are
/// records and policy files, so the square table stays small, and a long file is shown whole instead).
fn changes<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Change, &'a str)> {
    const MOST: usize = 500;
    let mut out = Vec::new();
    if old.len() > MOST || new.len() > MOST {
        out.extend(old.iter().map(|line| (Change::Gone, *line)));
        out.extend(new.iter().map(|line| (Change::New, *line)));
        return out;
    }
    // common[i][j]: the length of the longest common subsequence of old[i..] and new[j..]
    let mut common = vec![vec![0_u16; new.len() + 1]; old.len() + 1];
    let at = |table: &[Vec<u16>], i: usize, j: usize| table.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
    for (i, left) in old.iter().enumerate().rev() {
        for (j, right) in new.iter().enumerate().rev() {
            let best = if left == right {
                at(&common, i + 1, j + 1) + 1
            } else {
                at(&common, i + 1, j).max(at(&common, i, j + 1))
            };
            if let Some(cell) = common.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (old.get(i), new.get(j)) {
            (None, None) => return out,
            (Some(left), Some(right)) if left == right => {
                out.push((Change::Same, *left));
                (i, j) = (i + 1, j + 1);
            }
            (Some(left), right) if right.is_none() || at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                out.push((Change::Gone, *left));
                i += 1;
            }
            (_, Some(right)) => {
                out.push((Change::New, *right));
                j += 1;
            }
            (Some(left), None) => {
                out.push((Change::Gone, *left));
                i += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_keeps_the_order_and_changes_as_little_as_possible() {
        let old = ["version: STSv1", "mode: testing", "mx: a", "mx: b", "max_age: 1"];
        let new = ["version: STSv1", "mode: testing", "mx: c", "max_age: 1"];
        let signs: String = changes(&old, &new)
            .into_iter()
            .map(|(change, line)| match change {
                Change::Gone => format!("-{line} "),
                Change::Same => "= ".to_owned(),
                Change::New => format!("+{line} "),
            })
            .collect();
        assert_eq!(signs, "= = -mx: a -mx: b +mx: c = ");
        assert_eq!(changes(&[], &["one"]), [(Change::New, "one")]);
        assert_eq!(changes(&["one"], &[]), [(Change::Gone, "one")]);
    }
}

//! A report as Markdown, for a ticket or a page. Foreign text is inert in it: outside code every character that Markdown or
//! HTML would obey is escaped, inside code nothing is obeyed, and no run of backticks can close a code span early.

use std::fmt::Write;

use crate::finding::{Suggestion, SuggestionKind};
use crate::report::{Block, Cell, RecordBlock, Report, Section, State, Table, TreeNode};
use crate::untrusted::{visible, visible_lines, visible_record};

/// Of a file, no more explained parts than these are listed.
const MOST_MARKS: usize = 24;

/// The report as Markdown (CommonMark with tables).
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n", code(&report.target));
    let at = report.at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    let _ = writeln!(
        out,
        "{} report by mxray {}, as of {at}: {} lookups in {:.0} ms.\n",
        report.kind,
        report.mxray,
        report.lookups.len(),
        report.elapsed_ms
    );
    for line in &report.verdict {
        let _ = writeln!(out, "- **{}** {}", prose(line.question), prose(&line.answer));
    }
    if let Some(since) = &report.since {
        let _ = writeln!(out, "\nSince {}: {}\n\n| | was | is |\n|---|---|---|", since.when(), prose(&since.words()));
        let said = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), code);
        for change in &since.changes {
            let _ = writeln!(out, "| {} | {} | {} |", prose(&change.what()), said(&change.before), said(&change.now));
        }
    }
    if let Some(summary) = &report.summary {
        out.push('\n');
        table(&mut out, summary);
    }
    out.push_str("\n| | section | |\n|---|---|---|\n");
    for section in &report.sections {
        let _ = writeln!(out, "| {} | {} | {} |", section.state.word(), prose(section.title), prose(&section.headline));
    }
    for section in &report.sections {
        self::section(&mut out, section);
    }
    out
}

fn section(out: &mut String, section: &Section) {
    let _ = writeln!(out, "\n## {}: {}\n", prose(section.title), section.state.word());
    for finding in &section.findings {
        let _ = write!(out, "- **{}** {}", finding.severity.word(), prose(&finding.text));
        if let Some(fix) = &finding.fix {
            let _ = write!(out, " *{}*", prose(fix));
        }
        let reference =
            if finding.reference.is_empty() { String::new() } else { format!(", {}", prose(finding.reference)) };
        let _ = writeln!(out, " ({}{reference})", code(finding.id));
    }
    for block in &section.blocks {
        out.push('\n');
        match block {
            Block::Record(block) => record(out, block),
            Block::Facts(facts) => {
                for fact in facts {
                    let _ = writeln!(out, "- {}: {}", prose(&fact.label), cell(&fact.value));
                }
            }
            Block::Tree(nodes) => tree(out, nodes, 0),
            Block::Table(block) => table(out, block),
            Block::Prose { title, text } => {
                let _ = writeln!(out, "**{}**\n", prose(title));
                for paragraph in text {
                    let _ = writeln!(out, "{}\n", prose(paragraph));
                }
            }
            Block::Source { title, text, marks } => {
                let _ = writeln!(out, "{}\n", prose(title));
                fenced(out, text);
                for mark in marks.iter().filter(|mark| !mark.note.is_empty()).take(MOST_MARKS) {
                    let part = mark.span.of_str(text).unwrap_or_default().trim();
                    let _ = writeln!(out, "- {}: {}", code(part), prose(&mark.note));
                }
            }
        }
    }
    for suggestion in &section.suggestions {
        self::suggestion(out, suggestion);
    }
    if section.state == State::Absent && section.findings.is_empty() {
        out.push_str("Not published.\n");
    }
}

fn record(out: &mut String, record: &RecordBlock) {
    let ttl = record.ttl.map_or_else(String::new, |ttl| format!(", TTL {ttl}"));
    let priority = record.priority.map_or_else(String::new, |priority| format!("{priority} "));
    let _ = writeln!(out, "{} {}{ttl}\n", prose(&record.rr_type), code(&record.host));
    let shown: Vec<_> = record.text.split('\n').map(visible_record).collect();
    fenced(out, &format!("{priority}{}", shown.join("\n")));
    for mark in &record.marks {
        let term = mark.span.of_str(&record.text).unwrap_or_default().trim();
        let _ = writeln!(out, "- {}: {}", code(&visible_record(term)), prose(&mark.note));
    }
}

fn tree(out: &mut String, nodes: &[TreeNode], depth: usize) {
    for node in nodes {
        let right = if node.right.is_empty() { String::new() } else { format!(" ({})", prose(&node.right)) };
        let _ = writeln!(out, "{}- {}{right}", "  ".repeat(depth), cell(&node.text));
        tree(out, &node.children, depth + 1);
    }
}

fn table(out: &mut String, table: &Table) {
    let headings: Vec<String> = table.columns.iter().map(|heading| prose(heading)).collect();
    let _ = writeln!(out, "| {} |\n|{}", headings.join(" | "), "---|".repeat(headings.len()));
    for row in &table.rows {
        let cells: Vec<String> = row.cells.iter().map(cell).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

fn suggestion(out: &mut String, suggestion: &Suggestion) {
    let ttl = suggestion.ttl.map_or_else(|| "Auto".to_owned(), |ttl| ttl.to_string());
    let _ = match suggestion.kind {
        SuggestionKind::Record => writeln!(
            out,
            "\n**Step {}: {}** {} (TTL {ttl})\n",
            suggestion.step,
            suggestion.rr_type,
            code(&suggestion.host)
        ),
        SuggestionKind::File => writeln!(out, "\n**Step {}: file** {}\n", suggestion.step, code(&suggestion.host)),
    };
    if let Some(current) = &suggestion.current {
        out.push_str("Now:\n\n");
        fenced(out, &current.split('\n').map(visible_record).collect::<Vec<_>>().join("\n"));
        out.push_str("Proposed:\n\n");
    }
    fenced(out, &suggestion.value);
    if !suggestion.zone.is_empty() {
        out.push_str("As a line of a zone file:\n\n");
        fenced(out, &suggestion.zone);
    }
    for (label, text) in [("Why", &suggestion.why), ("Risk", &suggestion.risk), ("Undo", &suggestion.undo)] {
        if !text.is_empty() {
            let _ = writeln!(out, "- {label}: {}", prose(text));
        }
    }
    for blank in &suggestion.blanks {
        let _ = writeln!(out, "- {} is asked for: {}", code(&format!("{{{}}}", blank.key)), prose(&blank.prompt));
    }
}

fn cell(cell: &Cell) -> String {
    prose(&cell.text)
}

/// A sentence: code between single backticks stays code, everything else that Markdown or HTML would obey is escaped.
fn prose(text: &str) -> String {
    let text = visible(text);
    let pieces: Vec<&str> = text.split('`').collect();
    let closed = pieces.len() % 2 == 1;
    let mut out = String::with_capacity(text.len() + 8);
    for (number, piece) in pieces.iter().enumerate() {
        let inside = number % 2 == 1;
        let opens_nothing = !closed && number + 1 == pieces.len();
        if inside && !opens_nothing && !piece.is_empty() && !piece.contains('|') {
            let _ = write!(out, "`{piece}`");
            continue;
        }
        if inside {
            out.push_str("\\`");
        }
        escape(&mut out, piece);
        if inside && !opens_nothing {
            out.push_str("\\`");
        }
    }
    out
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
}

/// A code span that holds any text: its fence is longer than every run of backticks inside (CommonMark §6.1).
fn code(text: &str) -> String {
    let text = visible(text).replace('|', "¦");
    let fence = "`".repeat(longest_run(&text) + 1);
    if text.is_empty() {
        String::new()
    } else if text.starts_with('`') || text.ends_with('`') {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// A code block that holds any text.
fn fenced(out: &mut String, text: &str) {
    let text = text.replace("\r\n", "\n");
    let text = visible_lines(&text);
    let fence = "`".repeat((longest_run(&text) + 1).max(3));
    let _ = writeln!(out, "{fence}text\n{}\n{fence}\n", text.trim_end_matches('\n'));
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_become_a_link_markup_or_html() {
        assert_eq!(prose("[x](http://evil) <b> *"), "\\[x\\](http://evil) &lt;b&gt; \\*");
        assert_eq!(prose("`p=none` only *watches*"), "`p=none` only \\*watches\\*");
        assert_eq!(prose("one ` alone [x]"), "one \\` alone \\[x\\]");
    }

    #[test]
    fn a_code_span_is_not_closed_by_what_it_holds() {
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`"), "`` ` ``");
        let mut out = String::new();
        fenced(&mut out, "```\n# heading");
        assert!(out.starts_with("````text\n```\n# heading\n````\n"));
    }
}

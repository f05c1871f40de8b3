//! A report as a tired person reads it in a terminal: what it comes to, what to do first, then the sections, worst first.
//! Sections that are in order take a line or two; the others open up. Values to be copied stand on lines of their own and
//! are never broken.

use unicode_width::UnicodeWidthStr;

use super::blocks;
use super::page::{Page, Tone, padded};
use crate::finding::{Finding, Span, Suggestion, SuggestionKind};
use crate::report::since::Since;
use crate::report::{Block, Report, Section, State, VerdictLine};
use crate::untrusted::visible_record;

/// How text is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour.
    pub color: bool,
}

/// The report as text.
pub fn text(report: &Report, style: Style) -> String {
    let mut page = Page::new(style.width, style.color);
    head(&mut page, report);
    verdict(&mut page, &report.verdict);
    if let Some(since) = &report.since {
        self::since(&mut page, since);
    }
    if let Some(table) = &report.summary {
        page.gap();
        blocks::table(&mut page, "", table);
    }
    let open = report.sections.len() <= 2;
    for section in worst_first(&report.sections) {
        page.gap();
        self::section(&mut page, section, open);
    }
    page.into_text()
}

/// What has changed, above the sections.
fn since(page: &mut Page, since: &Since) {
    page.gap();
    let head = format!("SINCE {}", since.when());
    page.wrapped(&[(Tone::Strong, &head), (Tone::Plain, "  ")], Tone::Plain, &since.words());
    for change in &since.changes {
        page.line(&[(Tone::Plain, "  "), (Tone::Strong, &change.what())]);
        for (label, tone, value) in [("was", Tone::Dim, &change.before), ("is ", Tone::Plain, &change.now)] {
            let value = value.as_deref().unwrap_or("nothing");
            page.wrapped(&[(Tone::Plain, "    "), (Tone::Dim, label), (Tone::Plain, "  ")], tone, value);
        }
    }
}

fn head(page: &mut Page, report: &Report) {
    let at = report.at.to_offset(time::UtcOffset::UTC);
    let failed = report.lookups.iter().filter(|lookup| could_not_look(lookup.outcome)).count();
    let mut beside = format!(
        "{} report, {} lookups in {:.0} ms, as of {} {:02}:{:02}:{:02} UTC",
        report.kind,
        report.lookups.len(),
        report.elapsed_ms,
        at.date(),
        at.hour(),
        at.minute(),
        at.second()
    );
    if failed > 0 {
        beside.push_str(&format!(", {failed} without an answer"));
    }
    if report.target.width() + beside.width() + 2 <= page.width() {
        page.line(&[(Tone::Strong, &report.target), (Tone::Plain, "  "), (Tone::Dim, &beside)]);
    } else {
        page.line(&[(Tone::Strong, &report.target)]);
        page.wrapped(&[], Tone::Dim, &beside);
    }
}

/// Whether a lookup ended without an answer that says present or absent.
pub fn could_not_look(outcome: Option<&'static str>) -> bool {
    !matches!(outcome, Some("answer" | "nodata" | "nxdomain"))
}

fn verdict(page: &mut Page, lines: &[VerdictLine]) {
    let question = lines.iter().map(|line| line.question.width()).max().unwrap_or(0);
    if !lines.is_empty() {
        page.gap();
    }
    let mut before = "";
    for line in lines {
        let label = if line.question == before { "" } else { line.question };
        before = line.question;
        page.wrapped(
            &[(Tone::Strong, &padded(label, question)), (Tone::Plain, "  ")],
            line.severity.into(),
            &line.answer,
        );
    }
}

/// The sections in the order of reading: errors, warnings, what could not be looked at, notes, the rest; within a state in
/// the order of the list.
fn worst_first(sections: &[Section]) -> Vec<&Section> {
    let mut order: Vec<&Section> = sections.iter().collect();
    order.sort_by_key(|section| match section.state {
        State::Error => 0,
        State::Warning => 1,
        State::Unknown => 2,
        State::Info => 3,
        State::Ok => 4,
        State::Absent => 5,
    });
    order
}

fn section(page: &mut Page, section: &Section, open: bool) {
    let tone = section.state.into();
    let word = if section.state == State::Unknown { "?" } else { section.state.word() };
    let headline = if section.headline.is_empty() { String::new() } else { format!("  {}", section.headline) };
    page.line(&[(tone, &padded(word, 5)), (Tone::Plain, "  "), (Tone::Strong, section.title), (tone, &headline)]);
    for finding in &section.findings {
        self::finding(page, section, finding);
    }
    // A dialogue is what `mxray smtp` was asked for.
    let open = open || section.id == "transcript" || matches!(section.state, State::Error | State::Warning);
    for block in &section.blocks {
        match block {
            Block::Record(record) => blocks::record(page, "       ", record, open),
            _ if !open => {}
            Block::Facts(facts) => blocks::facts(page, "       ", facts),
            Block::Tree(nodes) => blocks::tree(page, "       ", nodes),
            Block::Table(table) => blocks::table(page, "       ", table),
            Block::Source { title, text, marks } => blocks::source(page, "       ", title, (text, marks)),
            // Long; the screen and Markdown have it.
            Block::Prose { .. } => {}
        }
    }
    for suggestion in &section.suggestions {
        self::suggestion(page, section, suggestion);
    }
}

fn finding(page: &mut Page, section: &Section, finding: &Finding) {
    let word = format!("{}  ", padded(finding.severity.word(), 5));
    page.wrapped(&[(finding.severity.into(), &word)], Tone::Plain, &finding.text);
    if let (Some(span), Some((_, text))) = (finding.span, section.text_of(finding)) {
        quote(page, text, span, finding.severity.into());
    }
    if let Some(fix) = &finding.fix {
        page.wrapped(&[(Tone::Dim, "       do: ")], Tone::Plain, fix);
    }
    let mut source = vec![finding.id.to_owned()];
    if !finding.reference.is_empty() {
        source.push(finding.reference.to_owned());
    }
    if !finding.evidence.is_empty() {
        let ids: Vec<String> = finding.evidence.iter().take(6).map(|id| format!("#{}", id.0)).collect();
        let more = if finding.evidence.len() > 6 { " …" } else { "" };
        source.push(format!("lookups {}{more}", ids.join(" ")));
    }
    page.wrapped(&[(Tone::Plain, "       ")], Tone::Dim, &source.join(", "));
}

/// The bytes that a finding speaks of, underlined, with as much of the record around them as the line holds.
fn quote(page: &mut Page, text: &str, span: Span, tone: Tone) {
    let (Some(before), Some(marked), Some(after)) = (text.get(..span.start), span.of_str(text), text.get(span.end..))
    else {
        return;
    };
    let room = page.width().saturating_sub(9);
    let marked = super::page::cut(&visible_record(marked), room.saturating_sub(2));
    let left = room.saturating_sub(marked.width()) / 2;
    // A record may have thousands of findings: only what a line can hold is looked at.
    let near = before.char_indices().rev().take(left + 1).last().map_or("", |(at, _)| before.get(at..).unwrap_or(""));
    let mut before = visible_record(near).into_owned();
    if before.width() > left {
        let mut kept: Vec<char> = before.chars().rev().take(left.saturating_sub(1)).collect();
        kept.push('…');
        before = kept.into_iter().rev().collect();
    }
    let end = after.char_indices().nth(room + 1).map_or(after.len(), |(at, _)| at);
    let after = super::page::cut(
        &visible_record(after.get(..end).unwrap_or("")),
        room.saturating_sub(before.width() + marked.width()).max(1),
    );
    page.line(&[(Tone::Dim, "       "), (Tone::Plain, &before), (tone, &marked), (Tone::Plain, &after)]);
    let under = "~".repeat(marked.width().max(1));
    page.line(&[(Tone::Plain, &" ".repeat(7 + before.width())), (tone, &under)]);
}

fn suggestion(page: &mut Page, section: &Section, suggestion: &Suggestion) {
    let verb = if suggestion.current.is_some() { "change" } else { "publish" };
    let ttl = suggestion.ttl.map_or_else(|| "Auto".to_owned(), |ttl| ttl.to_string());
    let what = match suggestion.kind {
        SuggestionKind::Record => format!("{}  {}  TTL {ttl}", suggestion.rr_type, suggestion.host),
        SuggestionKind::File => suggestion.host.clone(),
    };
    let step = format!("       {}. {verb} ", suggestion.step);
    page.line(&[(Tone::Strong, &step), (Tone::Strong, &what)]);
    if let Some(current) = &suggestion.current
        && !stands_above(section, current)
    {
        value(page, "now", Tone::Dim, &current.lines().map(visible_record).collect::<Vec<_>>().join("\n"));
    }
    value(page, "new", Tone::Good, &suggestion.value);
    for (label, text) in [("why", &suggestion.why), ("risk", &suggestion.risk), ("undo", &suggestion.undo)] {
        if !text.is_empty() {
            page.wrapped(&[(Tone::Dim, &format!("          {} ", padded(label, 5)))], Tone::Plain, text);
        }
    }
    for blank in &suggestion.blanks {
        let label = format!("          {{{}}} ", blank.key);
        page.wrapped(&[(Tone::Warn, &label)], Tone::Plain, &blank.prompt);
    }
}

/// Whether the section has shown this record or file already, just above its suggestions.
fn stands_above(section: &Section, current: &str) -> bool {
    section.blocks.iter().any(|block| match block {
        Block::Record(record) => record.text == current,
        Block::Source { text, .. } => text.trim_end() == current.trim_end(),
        Block::Facts(_) | Block::Tree(_) | Block::Table(_) | Block::Prose { .. } => false,
    })
}

/// A value line by line, never wrapped: it is there to be copied.
fn value(page: &mut Page, label: &str, tone: Tone, value: &str) {
    for (number, line) in value.lines().enumerate() {
        let label = if number == 0 { label } else { "" };
        page.line(&[(Tone::Dim, &format!("          {} ", padded(label, 5))), (tone, line)]);
    }
}

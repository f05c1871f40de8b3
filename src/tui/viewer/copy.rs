//! What is copied, and in which form. Whatever goes to the clipboard is visible text: a pasted record never carries what a
//! terminal would obey.

use std::collections::BTreeMap;

use crate::finding::{Blank, Severity, Suggestion, SuggestionKind, zone_strings};
use crate::print::{json, markdown, text};
use crate::report::RecordBlock;
use crate::tui::document::{Target, fill};
use crate::tui::inquiry::Inquiry;
use crate::untrusted::visible_lines;

/// A form of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The content alone.
    Value,
    /// The host as a provider's form wants it.
    Host,
    /// The full owner name.
    FullName,
    /// A line of a zone file.
    ZoneLine,
    /// The content as strings of at most 255 bytes.
    Strings,
    /// Type, host, content and TTL, one a line.
    Fields,
}

impl Form {
    /// All forms, as the menu lists them.
    pub const ALL: [Form; 6] = [Form::Value, Form::Host, Form::FullName, Form::ZoneLine, Form::Strings, Form::Fields];

    /// As the menu writes it.
    pub fn label(self) -> &'static str {
        match self {
            Form::Value => "value",
            Form::Host => "host name, as a form wants it",
            Form::FullName => "full name",
            Form::ZoneLine => "zone file line",
            Form::Strings => "strings of at most 255 bytes",
            Form::Fields => "type, host, content and TTL",
        }
    }
}

/// The forms of a whole report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// As the command line prints it.
    Text,
    /// For a page.
    Markdown,
    /// The field that a server which saw what we see would add.
    AuthenticationResults,
}

/// What somebody wants to copy.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// A suggestion.
    Suggestion {
        /// The section.
        section: &'static str,
        /// Which.
        index: usize,
        /// In which form.
        form: Form,
    },
    /// A published record.
    Record {
        /// Content, host, full name, type.
        value: String,
        /// The host.
        host: String,
        /// The full name.
        name: String,
        /// The type.
        rr_type: String,
        /// The TTL.
        ttl: Option<u32>,
        /// In which form.
        form: Form,
    },
    /// A TXT record that somebody edits and that is not published.
    Edited {
        /// Content, host, full name.
        value: String,
        /// The host.
        host: String,
        /// The full name.
        name: String,
        /// The TTL.
        ttl: Option<u32>,
        /// In which form.
        form: Form,
    },
    /// The whole report, printed.
    Report(Printed),
    /// A finding in words.
    Finding {
        /// The section.
        section: &'static str,
        /// Which.
        index: usize,
    },
    /// Any text.
    Text(String),
    /// All suggestions as a zone snippet.
    Zone,
    /// The verdict and the worst findings.
    Ticket,
    /// The whole report.
    Json,
}

/// Why nothing is copied yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Something must be asked first.
    Blank(Blank),
    /// There is nothing.
    Nothing(&'static str),
}

impl Wanted {
    /// What the cursor is on.
    pub fn of(target: &Target, form: Form) -> Option<Wanted> {
        Some(match target {
            Target::Suggestion { section, index } => Wanted::Suggestion { section, index: *index, form },
            Target::Finding { section, index } => Wanted::Finding { section, index: *index },
            Target::Record { value, host, name, rr_type, ttl, .. } => Wanted::Record {
                value: value.clone(),
                host: host.clone(),
                name: name.clone(),
                rr_type: rr_type.clone(),
                ttl: *ttl,
                form,
            },
            Target::Line { text, .. } | Target::Leaf { text, .. } | Target::Fold { text, .. } => {
                Wanted::Text(text.clone())
            }
        })
    }

    /// A published record.
    pub fn published(record: &RecordBlock, form: Form) -> Wanted {
        Wanted::Record {
            value: record.text.clone(),
            host: record.host.clone(),
            name: record.name.clone(),
            rr_type: record.rr_type.clone(),
            ttl: record.ttl,
            form,
        }
    }

    /// Whether the form makes sense for it.
    pub fn has(&self, form: Form) -> bool {
        match self {
            Wanted::Suggestion { .. } | Wanted::Edited { .. } => true,
            Wanted::Record { rr_type, .. } => form != Form::Strings || rr_type == "TXT",
            Wanted::Finding { .. } | Wanted::Text(_) => form == Form::Value,
            Wanted::Zone | Wanted::Ticket | Wanted::Json | Wanted::Report(_) => false,
        }
    }
}

/// What it is and the text itself.
pub fn text(
    wanted: &Wanted,
    inquiry: &Inquiry,
    blanks: &BTreeMap<&'static str, String>,
) -> Result<(String, String), Refusal> {
    let (what, text) = match wanted {
        Wanted::Suggestion { section, index, form } => {
            let found = inquiry.section(section).and_then(|found| Some((found, found.suggestions.get(*index)?)));
            let (section, suggestion) = found.ok_or(Refusal::Nothing("the suggestion is gone: the section changed"))?;
            if !matches!(form, Form::Host | Form::FullName)
                && let Some(blank) = missing(suggestion, blanks)
            {
                return Err(Refusal::Blank(blank.clone()));
            }
            (format!("proposed {} {}", section.title, form.label()), of_suggestion(suggestion, *form, blanks))
        }
        Wanted::Record { value, host, name, rr_type, ttl, form } => {
            let label = form.label();
            (format!("published {rr_type} {label}"), of_record((value, host, name), rr_type, *ttl, *form))
        }
        Wanted::Edited { value, host, name, ttl, form } => {
            (format!("edited TXT {}", form.label()), of_record((value, host, name), "TXT", *ttl, *form))
        }
        Wanted::Finding { section, index } => {
            let finding = inquiry.section(section).and_then(|found| found.findings.get(*index));
            let finding = finding.ok_or(Refusal::Nothing("the finding is gone: the section changed"))?;
            let mut text = format!("{}: {}", finding.severity.word(), finding.text);
            if let Some(fix) = &finding.fix {
                text.push_str(&format!("\n{fix}"));
            }
            if !finding.reference.is_empty() {
                text.push_str(&format!("\n({})", finding.reference));
            }
            ("finding".to_owned(), text)
        }
        Wanted::Text(text) => ("text under the cursor".to_owned(), text.clone()),
        Wanted::Zone => ("all suggestions as a zone snippet".to_owned(), zone(inquiry, blanks)?),
        Wanted::Ticket => ("report in a few lines".to_owned(), ticket(inquiry)),
        Wanted::Report(kind) => {
            let report = inquiry.report().ok_or(Refusal::Nothing("the report is not finished yet"))?;
            match kind {
                Printed::Text => ("report as text".to_owned(), text::text(report, STYLE)),
                Printed::Markdown => ("report as Markdown".to_owned(), markdown::markdown(report)),
                Printed::AuthenticationResults => {
                    let line = crate::message::copy::authentication_results(report, "mxray.invalid");
                    ("an Authentication-Results field".to_owned(), line)
                }
            }
        }
        Wanted::Json => {
            let report = inquiry.report().ok_or(Refusal::Nothing("the report is not finished yet"))?;
            // JSON escapes by itself, and a value that was made visible would be another value.
            return Ok(("report as JSON".to_owned(), json::json(report, false).unwrap_or_default()));
        }
    };
    Ok((what, visible_lines(&text.replace('\r', "")).into_owned()))
}

/// Content, host and full name of a record, in a form.
fn of_record((value, host, name): (&str, &str, &str), rr_type: &str, ttl: Option<u32>, form: Form) -> String {
    match form {
        Form::Value => value.to_owned(),
        Form::Host => host.to_owned(),
        Form::FullName => name.to_owned(),
        Form::Strings => zone_strings(value),
        Form::ZoneLine => {
            let data = if rr_type == "TXT" { zone_strings(value) } else { value.to_owned() };
            let ttl = ttl.map_or_else(String::new, |ttl| format!("{ttl} "));
            format!("{}. {ttl}IN {rr_type} {data}", name.trim_end_matches('.'))
        }
        Form::Fields => fields(rr_type, host, value, ttl),
    }
}

fn missing<'a>(suggestion: &'a Suggestion, blanks: &BTreeMap<&'static str, String>) -> Option<&'a Blank> {
    suggestion.blanks.iter().find(|blank| blanks.get(blank.key).is_none_or(|said| said.is_empty()))
}

fn of_suggestion(suggestion: &Suggestion, form: Form, blanks: &BTreeMap<&'static str, String>) -> String {
    let value = fill(&suggestion.value, blanks);
    match form {
        Form::Value => value,
        Form::Host => suggestion.host.clone(),
        Form::FullName => suggestion.name.to_string(),
        Form::Strings => zone_strings(&value),
        Form::ZoneLine => zone_line(suggestion, blanks),
        Form::Fields => fields(suggestion.rr_type, &suggestion.host, &value, suggestion.ttl),
    }
}

fn fields(rr_type: &str, host: &str, value: &str, ttl: Option<u32>) -> String {
    let ttl = ttl.map_or_else(|| "Auto".to_owned(), |ttl| ttl.to_string());
    format!("Type: {rr_type}\nHost: {host}\nContent: {value}\nTTL: {ttl}\n")
}

/// The zone line with its blanks filled; strings are cut anew, because a filled value may be longer than one string.
fn zone_line(suggestion: &Suggestion, blanks: &BTreeMap<&'static str, String>) -> String {
    match (suggestion.kind, suggestion.rr_type) {
        (SuggestionKind::File, _) => {
            let body: String =
                fill(&suggestion.value, blanks).lines().map(|line| format!("\n;   {}", line.trim_end())).collect();
            format!("; serve this at {}{body}", suggestion.host)
        }
        (SuggestionKind::Record, "TXT") if !suggestion.blanks.is_empty() => {
            let ttl = suggestion.ttl.map_or_else(String::new, |ttl| format!("{ttl} "));
            let strings = zone_strings(&fill(&suggestion.value, blanks));
            format!("{}. {ttl}IN TXT {strings}", suggestion.name.as_str())
        }
        (SuggestionKind::Record, _) => fill(&suggestion.zone, blanks),
    }
}

fn zone(inquiry: &Inquiry, blanks: &BTreeMap<&'static str, String>) -> Result<String, Refusal> {
    let mut all: Vec<_> = inquiry
        .sections()
        .flat_map(|section| section.suggestions.iter().map(move |suggestion| (section.title, suggestion)))
        .collect();
    if all.is_empty() {
        return Err(Refusal::Nothing("no suggestions in this report: nothing to copy"));
    }
    if let Some(blank) = all.iter().find_map(|(_, suggestion)| missing(suggestion, blanks)) {
        return Err(Refusal::Blank(blank.clone()));
    }
    all.sort_by_key(|(_, suggestion)| suggestion.step);
    let mut out = format!("; {}: proposed by mxray, in the order in which to do it\n", inquiry.title);
    for (title, suggestion) in all {
        out.push_str(&format!("; {title}, step {}: {}\n", suggestion.step, suggestion.why.replace('\n', " ")));
        out.push_str(&zone_line(suggestion, blanks));
        out.push('\n');
    }
    Ok(out)
}

/// How a copied report is laid out: a ticket is rarely wider.
const STYLE: text::Style = text::Style { width: 100, color: false };

/// A few lines for a ticket; a finished report on a message has its own.
fn ticket(inquiry: &Inquiry) -> String {
    if let Some(report) = inquiry.report().filter(|report| report.kind == "message") {
        return crate::message::copy::ticket(report);
    }
    let mut out = format!("mxray: {}\n", inquiry.title);
    for line in &inquiry.verdict {
        out.push_str(&format!("{} {}\n", line.question, line.answer));
    }
    let mut findings: Vec<_> = inquiry
        .sections()
        .flat_map(|section| section.findings.iter().map(move |finding| (section.title, finding)))
        .filter(|(_, finding)| finding.severity >= Severity::Warning)
        .collect();
    findings.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    for (title, finding) in findings.into_iter().take(5) {
        out.push_str(&format!("{} {title}: {}\n", finding.severity.word(), finding.text));
    }
    out
}

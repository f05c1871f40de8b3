//! TLS-RPT (RFC 8460 §3): where senders report that TLS with the domain's MX failed. It protects nothing by itself; without
//! it nobody hears of what MTA-STS or DANE stop.

mod judge;

use crate::check::{Check, Dns, Kind, Look, Memo, Seen, Wait};
use crate::finding::{Severity, Span};
use crate::name::Name;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::dmarc::ReportUri;
use crate::records::mx::{MxSet, mx_names};
use crate::records::tags::{TagList, TagProblem};
use crate::records::{Domain, unseen};
use crate::report::{Block, Cell, Fact, Link, Mark, RecordBlock, Section, State};
use crate::untrusted::lossless;

use judge::{absent, findings, suggest};

const ID: &str = "tls-rpt";
const TITLE: &str = "TLS-RPT";
/// What a record must begin with, exactly; others are discarded before they are counted.
const VERSION: &str = "v=TLSRPTv1;";
/// Where the record belongs, and where it is put by mistake.
const LABEL: &str = "_smtp._tls";
const MISTAKEN: [&str; 2] = ["_smtp._tcp", "_tls"];

/// A TLS-RPT record.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsRpt {
    /// The record's text, strings joined.
    pub text: String,
    /// Where reports go, invalid URIs included; empty without `rua`.
    pub rua: Vec<ReportUri>,
    /// What each tag means, in order.
    pub marks: Vec<Mark>,
    /// Parts that are not name=value.
    pub junk: Vec<Span>,
}

impl TlsRpt {
    /// Reads a text; `None` when it does not begin with exactly `v=TLSRPTv1;`.
    pub fn parse(text: &str) -> Option<TlsRpt> {
        if !text.starts_with(VERSION) {
            return None;
        }
        let list = TagList::parse(text);
        let mut record = TlsRpt { text: text.to_owned(), rua: Vec::new(), marks: Vec::new(), junk: Vec::new() };
        let mut seen_rua = false;
        for tag in &list.tags {
            let (note, severity) = match tag.name {
                "v" if tag.name_span.start == 0 => ("a TLS-RPT record", Severity::Ok),
                "rua" if seen_rua => ("the same field again: ignored", Severity::Warning),
                "rua" => {
                    seen_rua = true;
                    record.rua = ReportUri::parse_list(tag.value, tag.value_span.start);
                    ("where senders send a report a day: who delivered over TLS, what failed and why", Severity::Ok)
                }
                _ => ("a field that RFC 8460 does not know: ignored", Severity::Info),
            };
            record.marks.push(Mark { span: tag.span(), note: note.to_owned(), severity });
        }
        for problem in &list.problems {
            if let TagProblem::NoEquals(span) | TagProblem::NoName(span) = problem {
                record.junk.push(*span);
            }
        }
        Some(record)
    }

    /// Whether a report can go anywhere: `rua` is required, and only `mailto:` and `https:` are known.
    pub fn is_usable(&self) -> bool {
        self.rua.iter().any(is_usable)
    }
}

fn is_usable(uri: &ReportUri) -> bool {
    uri.is_valid() && matches!(uri.scheme.as_deref(), Some("mailto" | "https"))
}

/// Whether a text that is no TLS-RPT record was surely meant as one.
fn is_near_miss(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\\')).collect();
    !text.starts_with(VERSION) && compact.to_ascii_lowercase().starts_with("v=tlsrpt")
}

/// The text with what made it miss repaired, where that is certain.
fn repaired(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    // Whatever the version was written like, the addresses are certain: they stand behind rua.
    let lower = plain.to_ascii_lowercase();
    let at = lower.find("rua")? + 3;
    let value = plain.get(at..)?.trim_start().strip_prefix(['=', ':'])?;
    let list = value.split(';').next()?.split([',', ' ']).filter(|address| !address.is_empty());
    let fixed = format!("{VERSION} rua={}", list.collect::<Vec<_>>().join(","));
    TlsRpt::parse(&fixed)?.is_usable().then_some(fixed)
}

/// The TLS-RPT section of a domain.
pub struct TlsRptCheck;

impl Check<Domain> for TlsRptCheck {
    fn id(&self) -> &'static str {
        ID
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "Where senders report failed TLS with the domain's mail hosts"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let Ok(at) = domain.name.below(LABEL) else {
            let mut section = Section::new(ID, TITLE);
            section.state = State::Absent;
            section.headline = "none".into();
            return Ok(section);
        };
        let mistaken = MISTAKEN.iter().filter_map(|label| domain.name.below(label).ok());
        let (existence, txt, mx) = (exists(domain, seen), seen.dns(&at, Kind::Txt), mx_names(domain, seen));
        let elsewhere: Vec<_> = mistaken.map(|name| (seen.dns(&name, Kind::Txt), name)).collect();
        if let Existence::NoSuchName { .. } = existence? {
            return Ok(absent_with_its_name(ID, TITLE));
        }
        let (txt, mx) = (txt?, mx?);
        let mut misplaced = Vec::new();
        for (answer, name) in elsewhere {
            misplaced.extend(answer?.texts().map(|text| lossless(&text).into_owned()).map(|text| (name.clone(), text)));
        }
        misplaced.retain(|(_, text)| TlsRpt::parse(text).is_some());
        let mut section = section(domain, &at, &txt, &mx, &misplaced);
        unseen::tell(&mut section, "tls-rpt.unseen-character");
        Ok(section.settle())
    }
}

fn section(domain: &Domain, at: &Name, txt: &Dns<'_>, mx: &MxSet, misplaced: &[(Name, String)]) -> Section {
    if let Look::Unknown(why) = txt.look() {
        let mut section = Section::could_not_look((ID, TITLE), "tls-rpt.unknown", "the TLS-RPT record", why, [txt.id]);
        section.fact("record", None::<&str>);
        section.fact("rua", None::<&str>);
        section.blocks.push(how_to());
        return section;
    }
    let texts: Vec<String> = txt.texts().map(|text| lossless(&text).into_owned()).collect();
    let mut records: Vec<TlsRpt> = texts.iter().filter_map(|text| TlsRpt::parse(text)).collect();
    let near: Vec<&String> = texts.iter().filter(|text| is_near_miss(text)).collect();
    let count = records.len();
    let record = if count == 1 { records.pop() } else { None };
    let mut section = Section::new(ID, TITLE);
    section.findings = findings(at, count, record.as_ref(), &near, misplaced);
    if count == 0 && near.is_empty() {
        section.state = State::Absent;
        if misplaced.is_empty() {
            section.findings.push(absent(at, mx));
        }
    }
    for finding in &mut section.findings {
        finding.evidence.push(txt.id);
    }
    section.headline = match &record {
        Some(record) if record.is_usable() => format!("{} rua", record.rua.iter().filter(|uri| is_usable(uri)).count()),
        _ if section.state == State::Absent => "none".into(),
        _ => "void".into(),
    };
    let rua = record.iter().flat_map(|record| &record.rua).map(|uri| &uri.text).collect::<Vec<_>>();
    section.fact("record", record.as_ref().map(|record| &record.text));
    section.fact("rua", rua);
    section.suggestions.extend(suggest(domain, at, &texts, record.as_ref(), misplaced, mx));
    section.blocks = blocks(domain, at, txt, &texts, record.as_ref());
    section
}

fn blocks(domain: &Domain, at: &Name, txt: &Dns<'_>, texts: &[String], record: Option<&TlsRpt>) -> Vec<Block> {
    let counted = record.map(|record| record.text.as_str());
    let mut texts: Vec<&String> = texts.iter().collect();
    // The record that counts comes first: findings underline its bytes.
    texts.sort_by_key(|text| Some(text.as_str()) != counted);
    let mut blocks: Vec<Block> = texts
        .into_iter()
        .map(|text| {
            Block::Record(RecordBlock {
                name: at.to_string(),
                host: at.relative_to(&domain.zone()),
                rr_type: "TXT".into(),
                priority: None,
                ttl: txt.ttl,
                text: text.clone(),
                marks: record
                    .filter(|record| record.text == *text)
                    .map(|record| record.marks.clone())
                    .unwrap_or_default(),
                lookup: Some(txt.id),
            })
        })
        .collect();
    let facts: Vec<Fact> = record
        .iter()
        .flat_map(|record| &record.rua)
        .map(|uri| {
            let cell = Cell::from(uri.text.clone());
            let cell = if is_usable(uri) { cell } else { cell.judged(Severity::Error) };
            Fact::new(
                "Reports to",
                match &uri.host {
                    Some(host) => cell.linked(Link::Domain(host.clone())),
                    None => cell,
                },
            )
        })
        .collect();
    if !facts.is_empty() {
        blocks.push(Block::Facts(facts));
    }
    blocks.push(how_to());
    blocks
}

fn how_to() -> Block {
    let text = [
        "TLS-RPT asks senders for one report a day: how many messages reached your mail hosts over TLS, and why others did not.",
        "Add one TXT record with the host _smtp._tls: v=TLSRPTv1; rua=mailto: and a mailbox of its own. The reports are gzipped JSON; some services read them for you.",
        "Do it before MTA-STS or DANE, and read the reports before MTA-STS enforces.",
    ];
    Block::Prose { title: "How to set it up".into(), text: text.map(String::from).to_vec() }
}

#[cfg(test)]
mod tests;

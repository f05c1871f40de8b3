//! TLS-RPT (RFC 8460 §3): where senders report that TLS with the domain's MX failed. It protects nothing by itself; without
//! it nobody hears of what MTA-STS or DANE stop.

use crate::check::{Check, Dns, Kind, Look, Memo, Seen, Wait};
use crate::finding::{Blank, Finding, Severity, Span, Suggestion};
use crate::name::Name;
use crate::records::Domain;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::dmarc::{ReportUri, UriProblem};
use crate::records::mx::{MxSet, mx_names};
use crate::records::tags::{TagList, TagProblem};
use crate::report::{Block, Cell, Fact, Link, Mark, RecordBlock, Section, State};
use crate::untrusted::lossless;

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
        Ok(section(domain, &at, &txt, &mx, &misplaced).settle())
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

fn findings(
    at: &Name,
    count: usize,
    record: Option<&TlsRpt>,
    near: &[&String],
    misplaced: &[(Name, String)],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if count > 1 {
        findings.push(
            Finding::error(
                "tls-rpt.several-records",
                format!(
                    "{count} TLS-RPT records stand at {at}. Senders then assume that there is none and report nothing."
                ),
            )
            .with_fix("Keep one record, its addresses separated by commas."),
        );
    }
    if count == 0 {
        findings.extend(near.iter().map(|text| {
            Finding::error(
                "tls-rpt.near-miss",
                format!("\"{text}\" at {at} is meant as a TLS-RPT record, and senders pass over it: it must begin with exactly v=TLSRPTv1; in this case and without spaces."),
            )
            .with_fix("Publish it as v=TLSRPTv1; and its rua.")
        }));
    }
    findings.extend(misplaced.iter().map(|(name, text)| {
        Finding::new(
            "tls-rpt.wrong-place",
            if count == 0 { Severity::Error } else { Severity::Warning },
            format!("A TLS-RPT record, \"{text}\", stands at {name}. Senders look only at {at}."),
        )
        .with_fix(format!("Move it to the host {LABEL}."))
    }));
    let Some(record) = record else { return referenced(findings) };
    if record.rua.is_empty() {
        findings.push(
            Finding::error("tls-rpt.no-rua", "The record has no rua, which it must have, so senders report nothing.")
                .with_fix("Add rua=mailto: and a mailbox."),
        );
    }
    findings.extend(record.rua.iter().filter_map(of_uri));
    findings.extend(record.junk.iter().map(|span| {
        let seen = span.of_str(&record.text).unwrap_or_default();
        let list = seen.to_ascii_lowercase().contains("mailto:") || seen.to_ascii_lowercase().contains("https:");
        let text = if list {
            format!(
                "\"{seen}\" stands after a semicolon, so it is not part of the list before it: no reports go there."
            )
        } else {
            format!("\"{seen}\" is not of the form name=value; strict senders drop the record.")
        };
        Finding::warning("tls-rpt.not-a-field", text)
            .with_fix(if list { "Separate report addresses by commas." } else { "Remove it." })
            .with_span(*span)
    }));
    referenced(findings)
}

fn referenced(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().map(|finding| finding.with_reference("RFC 8460 §3")).collect()
}

fn of_uri(uri: &ReportUri) -> Option<Finding> {
    let text = &uri.text;
    let finding = match uri.problem {
        Some(UriProblem::MissingScheme) => Finding::error(
            "tls-rpt.address-without-scheme",
            format!("rua names \"{text}\" without mailto: in front, so it is no address that reports go to."),
        )
        .with_fix(format!("Write mailto:{text}.")),
        Some(UriProblem::Empty) => Finding::warning("tls-rpt.address-empty", "rua has an empty place in its list.")
            .with_fix("Give an address or remove the comma."),
        Some(UriProblem::NoMailbox | UriProblem::Space | UriProblem::NoHost) => Finding::error(
            "tls-rpt.address-invalid",
            format!("rua names \"{text}\", which is no address that a report can be sent to."),
        )
        .with_fix("Write mailto: and a mailbox, or an https: URL."),
        None if !is_usable(uri) => Finding::error(
            "tls-rpt.address-scheme",
            format!("rua names \"{text}\". Reports are sent to mailto: and https: only."),
        )
        .with_fix("Use mailto: or https:."),
        None if uri.size.is_some() => Finding::warning(
            "tls-rpt.size-suffix",
            format!("The ! and the size behind \"{text}\" belong to old DMARC; here they are part of the address, and reports get lost."),
        )
        .with_fix("Remove the ! and what follows it."),
        None => return None,
    };
    Some(finding.with_span(uri.span))
}

fn absent(at: &Name, mx: &MxSet) -> Finding {
    if mx.null_mx {
        return Finding::info("tls-rpt.absent", "No TLS-RPT record; the domain takes no mail, so none is needed.")
            .with_reference("RFC 8460 §3");
    }
    let text = format!("No TLS-RPT record at {at}: nobody tells you when TLS with your mail hosts fails.");
    let finding = Finding::info("tls-rpt.absent", text);
    // A name that is only its own implicit MX is most often a web host: nothing is urged.
    if mx.implicit {
        return finding.with_reference("RFC 8460 §3");
    }
    finding
        .with_fix("Publish one before MTA-STS or DANE: its reports show what they would stop.")
        .with_reference("RFC 8460 §3")
}

fn suggest(
    domain: &Domain,
    at: &Name,
    texts: &[String],
    record: Option<&TlsRpt>,
    misplaced: &[(Name, String)],
    mx: &MxSet,
) -> Option<Suggestion> {
    let published: Vec<&String> =
        texts.iter().filter(|text| TlsRpt::parse(text).is_some() || is_near_miss(text)).collect();
    let fixed = |record: &TlsRpt| {
        let mut list: Vec<String> = Vec::new();
        for uri in &record.rua {
            let text = match uri.problem {
                None if is_usable(uri) => uri.text.clone(),
                Some(UriProblem::MissingScheme) if uri.host.is_some() && uri.text.contains('@') => {
                    format!("mailto:{}", uri.text)
                }
                _ => continue,
            };
            if !list.contains(&text) {
                list.push(text);
            }
        }
        list
    };
    let usable: Vec<String> = match (record, misplaced) {
        (Some(record), _) => fixed(record),
        (None, [(_, text), ..]) if published.is_empty() => {
            TlsRpt::parse(text).map(|record| fixed(&record)).unwrap_or_default()
        }
        (None, _) => published
            .iter()
            .filter_map(|text| TlsRpt::parse(text).or_else(|| TlsRpt::parse(&repaired(text)?)))
            .flat_map(|record| fixed(&record))
            .collect(),
    };
    let is_clean = record.is_some_and(|record| {
        record.junk.is_empty()
            && !record.rua.is_empty()
            && record.rua.iter().all(|uri| is_usable(uri) && uri.size.is_none())
    });
    if is_clean || ((mx.null_mx || mx.implicit) && published.is_empty() && misplaced.is_empty()) {
        return None;
    }
    let mut list: Vec<String> = Vec::new();
    for uri in usable {
        if !list.contains(&uri) {
            list.push(uri);
        }
    }
    let blanks = if list.is_empty() {
        list.push("mailto:{rua}".into());
        vec![Blank {
            key: "rua",
            prompt: "Which mailbox shall get the TLS reports? (one file a day from each large sender)".into(),
        }]
    } else {
        Vec::new()
    };
    let current = published.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("\n");
    let current = Some(current).filter(|text| !text.is_empty());
    let why = match (&current, misplaced) {
        (None, []) => {
            "Senders then report once a day whether TLS with your mail hosts works: what you need to see before MTA-STS enforces anything."
        }
        (None, _) => "Senders look for the record here and nowhere else.",
        (Some(_), _) => "Senders accept it in this form.",
    };
    Some(Suggestion {
        why: why.into(),
        risk: "None: it changes no delivery. Large senders each send a small file a day.".into(),
        undo: if current.is_some() { "Put the old text back." } else { "Remove the record." }.into(),
        current,
        blanks,
        ..Suggestion::txt(at, &domain.zone(), format!("v=TLSRPTv1; rua={}", list.join(",")))
    })
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
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::check::world::{Settled, World};
    use proptest::prelude::*;

    fn settle(world: &str) -> Settled {
        let domain = Domain::new(Name::from_text("example.com").unwrap());
        World::parse(world).unwrap().settle(&TlsRptCheck, &domain, OffsetDateTime::UNIX_EPOCH)
    }

    fn of(record: &str) -> Section {
        settle(&format!("_smtp._tls.example.com TXT \"{record}\"\nexample.com MX 10 mx.example.com")).section
    }

    fn ids(section: &Section) -> Vec<&'static str> {
        section.findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn a_good_record_has_nothing_said_against_it_and_takes_one_round() {
        for record in [
            "v=TLSRPTv1;rua=mailto:tls@example.com;",
            "v=TLSRPTv1; rua=mailto:tls@example.com,https://example.com/v1/tlsrpt",
            "v=TLSRPTv1; rua=mailto:tls@example.com; future=1",
        ] {
            let section = of(record);
            assert_eq!((section.state, ids(&section)), (State::Ok, vec![]), "{record}");
            assert!(section.suggestions.is_empty(), "{record}");
        }
        let settled =
            settle("_smtp._tls.example.com TXT \"v=TLSRPTv1; rua=mailto:a@example.com,mailto:b@example.com\"");
        assert_eq!((settled.depth, settled.section.headline.as_str()), (1, "2 rua"));
        let rua = serde_json::json!(["mailto:a@example.com", "mailto:b@example.com"]);
        assert_eq!(settled.section.facts.get("rua").unwrap(), &rua);
    }

    #[test]
    fn every_flaw_has_its_own_finding() {
        for (record, id, fixed) in [
            ("v=TLSRPTv1;", "tls-rpt.no-rua", "mailto:{rua}"),
            ("v=TLSRPTv1; rua=", "tls-rpt.address-empty", "mailto:{rua}"),
            ("v=TLSRPTv1; rua=tls@example.com", "tls-rpt.address-without-scheme", "mailto:tls@example.com"),
            ("v=TLSRPTv1; rua=mailto:", "tls-rpt.address-invalid", "mailto:{rua}"),
            ("v=TLSRPTv1; rua=ftp://example.com/x", "tls-rpt.address-scheme", "mailto:{rua}"),
            ("v=TLSRPTv1; rua=mailto:tls@example.com!10m", "tls-rpt.size-suffix", "mailto:tls@example.com"),
            (
                "v=TLSRPTv1; rua=mailto:tls@example.com; mailto:b@example.com",
                "tls-rpt.not-a-field",
                "mailto:tls@example.com",
            ),
            ("v=tlsrptv1; rua=mailto:tls@example.com", "tls-rpt.near-miss", "mailto:tls@example.com"),
            (" v=TLSRPTv1; rua=mailto:tls@example.com", "tls-rpt.near-miss", "mailto:tls@example.com"),
            ("v=TLSRPTv1 ; rua=mailto:tls@example.com", "tls-rpt.near-miss", "mailto:tls@example.com"),
        ] {
            let section = of(record);
            assert!(ids(&section).contains(&id), "{record}: {:?}", ids(&section));
            assert_eq!(section.suggestions[0].value, format!("v=TLSRPTv1; rua={fixed}"), "{record}");
            assert_eq!(section.suggestions[0].blanks.len(), usize::from(fixed.contains('{')), "{record}");
        }
    }

    #[test]
    fn the_addresses_of_a_near_miss_are_kept() {
        for record in [
            "v=TLSRPT1; rua=mailto:a@example.com",
            "V=TLSRPTV1; RUA=mailto:a@example.com",
            "v=TLSRPTv1 rua=mailto:a@example.com",
            "v = TLSRPTv1; rua = mailto:a@example.com",
        ] {
            let section = of(record);
            assert_eq!(ids(&section), ["tls-rpt.near-miss"], "{record}");
            assert_eq!(section.suggestions[0].value, "v=TLSRPTv1; rua=mailto:a@example.com", "{record}");
        }
    }

    #[test]
    fn several_records_count_as_none_and_are_merged() {
        let section = settle(
            "_smtp._tls.example.com TXT \"v=TLSRPTv1; rua=mailto:a@example.com\"
             _smtp._tls.example.com TXT \"v=TLSRPTv1; rua=mailto:b@example.com\"
             _smtp._tls.example.com TXT \"hello\"",
        )
        .section;
        assert_eq!((section.state, ids(&section)), (State::Error, vec!["tls-rpt.several-records"]));
        assert_eq!(section.suggestions[0].value, "v=TLSRPTv1; rua=mailto:a@example.com,mailto:b@example.com");
    }

    #[test]
    fn a_record_at_tcp_is_found_and_called_misplaced() {
        let section = settle("_smtp._tcp.example.com TXT \"v=TLSRPTv1; rua=mailto:a@example.com\"").section;
        assert_eq!((section.state, ids(&section)), (State::Absent, vec!["tls-rpt.wrong-place"]));
        assert_eq!(section.suggestions[0].host, "_smtp._tls");
        assert_eq!(section.suggestions[0].value, "v=TLSRPTv1; rua=mailto:a@example.com");
    }

    #[test]
    fn no_record_is_absent_and_a_report_address_is_asked_for() {
        let section = settle("example.com MX 10 mx.example.com").section;
        assert_eq!((section.state, ids(&section)), (State::Absent, vec!["tls-rpt.absent"]));
        assert_eq!(section.suggestions[0].blanks[0].key, "rua");
        let parked = settle("example.com MX 0 .").section;
        assert!(parked.suggestions.is_empty());
    }

    #[test]
    fn a_failed_lookup_is_unknown_and_never_absent() {
        for fault in ["!servfail", "!refused", "!timeout", "!malformed", "!failed"] {
            let section = settle(&format!("_smtp._tls.example.com TXT {fault}")).section;
            assert_eq!((section.state, ids(&section)), (State::Unknown, vec!["tls-rpt.unknown"]), "{fault}");
            assert!(section.suggestions.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_every_span_lies_inside(text in "(v=TLSRPTv1;)?[ a-z=;:,!@\\PC]{0,60}") {
            if let Some(record) = TlsRpt::parse(&text) {
                let spans = record.marks.iter().map(|m| m.span).chain(record.junk.iter().copied())
                    .chain(record.rua.iter().map(|uri| uri.span));
                for span in spans {
                    prop_assert!(span.of_str(&text).is_some());
                }
            }
            let _ = repaired(&text);
        }
    }
}

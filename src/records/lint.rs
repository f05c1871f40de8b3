//! A pasted record or policy file, judged alone: what is it, is it right. The checks of the domain run on evidence that
//! holds the pasted text and nothing else; what they say of anything else (an include, an MX, a report host) is left out,
//! because nobody asked for it. Nothing is looked up.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::check::{
    Answer, Data, DnsAnswer, Evidence, HttpsAnswer, HttpsOutcome, HttpsRules, Kind, Memo, Outcome, Query, Record, Seen,
};
use crate::finding::{Finding, Severity, SuggestionKind};
use crate::name::Name;
use crate::records::dmarc::{Dmarc, from_paste, near_miss};
use crate::records::tags::TagList;
use crate::records::{ALL, Domain};
use crate::report::{Block, LookupId, RecordBlock, Section};

/// Where the text is imagined to stand; RFC 2606 keeps this name from ever existing.
const PLACE: &str = "pasted.invalid";
/// The selector under which a pasted key is imagined.
const SELECTOR: &str = "pasted";
/// A check that still asks after so many rounds gets no answer that would change anything.
const MOST_ROUNDS: usize = 32;
/// The lookup that stands for the pasted text.
const PASTED: LookupId = LookupId(0);
/// The lookup that stands for everything else.
const NOT_ASKED: LookupId = LookupId(1);

/// What a pasted text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pasted {
    /// An SPF record.
    Spf,
    /// A DKIM key record.
    Dkim,
    /// A DMARC record.
    Dmarc,
    /// An MTA-STS record.
    MtaSts,
    /// An MTA-STS policy file.
    MtaStsPolicy,
    /// A TLS-RPT record.
    TlsRpt,
    /// A BIMI assertion record.
    Bimi,
}

impl Pasted {
    /// Recognises a text by its version, or by the tags that only one record has.
    pub fn recognise(text: &str) -> Option<Pasted> {
        let lower = text.trim().to_ascii_lowercase();
        let compact: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
        let tags = TagList::parse(text);
        let has = |name: &str| tags.tags.iter().any(|tag| tag.name.eq_ignore_ascii_case(name));
        if lower.lines().any(|line| line.trim_start().starts_with("version:")) {
            Some(Pasted::MtaStsPolicy)
        } else if compact.starts_with("v=spf") || compact.starts_with("spf2.0") {
            Some(Pasted::Spf)
        } else if compact.starts_with("v=sts") {
            Some(Pasted::MtaSts)
        } else if compact.starts_with("v=tlsrpt") {
            Some(Pasted::TlsRpt)
        } else if compact.starts_with("v=bimi") {
            Some(Pasted::Bimi)
        } else if compact.starts_with("v=dkim") || (has("p") && (has("k") || has("h") || long_key(&tags))) {
            Some(Pasted::Dkim)
        } else if compact.starts_with("v=dmarc") || near_miss(text).is_some() {
            Some(Pasted::Dmarc)
        } else {
            None
        }
    }

    /// The id of the check that judges it.
    pub fn check(self) -> &'static str {
        match self {
            Pasted::Spf => "spf",
            Pasted::Dkim => "dkim",
            Pasted::Dmarc => "dmarc",
            Pasted::MtaSts | Pasted::MtaStsPolicy => "mta-sts",
            Pasted::TlsRpt => "tls-rpt",
            Pasted::Bimi => "bimi",
        }
    }

    /// What it is called, with its article.
    pub fn words(self) -> &'static str {
        match self {
            Pasted::Spf => "an SPF record",
            Pasted::Dkim => "a DKIM key record",
            Pasted::Dmarc => "a DMARC record",
            Pasted::MtaSts => "an MTA-STS record",
            Pasted::MtaStsPolicy => "an MTA-STS policy file",
            Pasted::TlsRpt => "a TLS-RPT record",
            Pasted::Bimi => "a BIMI record",
        }
    }

    /// Where such a record stands below its domain.
    fn prefix(self) -> &'static str {
        match self {
            Pasted::Spf => "",
            Pasted::Dkim => "pasted._domainkey",
            Pasted::Dmarc => "_dmarc",
            Pasted::MtaSts | Pasted::MtaStsPolicy => "_mta-sts",
            Pasted::TlsRpt => "_smtp._tls",
            Pasted::Bimi => "default._bimi",
        }
    }
}

/// Judges a pasted text; `None` when it is no record that mxray knows.
pub fn lint(text: &str, now: OffsetDateTime) -> Option<Section> {
    // Recognised in spite of it: the check says what a byte order mark does.
    let visible = text.trim_start_matches('\u{feff}');
    let pasted = Pasted::recognise(visible).or_else(|| Pasted::recognise(&record_text(text)))?;
    if pasted == Pasted::Dmarc && is_agreement(text) {
        return Some(agreement(&record_text(text)));
    }
    let text = if pasted == Pasted::MtaStsPolicy { text.to_owned() } else { record_text(text) };
    let check = ALL.iter().find(|check| check.id() == pasted.check())?;
    let domain = Domain { selectors: vec![SELECTOR.to_owned()], ..Domain::new(Name::from_text(PLACE).ok()?) };
    let owner =
        if pasted.prefix().is_empty() { domain.name.clone() } else { domain.name.below(pasted.prefix()).ok()? };
    let mut evidence = Evidence::default();
    let mut memo = Memo::default();
    for _ in 0..MOST_ROUNDS {
        let seen = Seen::new(&evidence, now);
        if let Ok(section) = check.step(&domain, &seen, &mut memo) {
            return Some(alone(section, pasted, &owner));
        }
        for (query, _) in seen.into_notes().missing {
            let (id, answer) = answer(pasted, &owner, &text, &query);
            evidence.insert(query, id, Arc::new(answer));
        }
    }
    None
}

/// Whether a zone line's place says that this is no policy: by such a record a host agrees to get the reports of another
/// domain (RFC 9990 §4).
fn is_agreement(text: &str) -> bool {
    let place = text.split_once('"').map_or(text, |(place, _)| place);
    place.to_ascii_lowercase().contains("._report._dmarc")
}

fn agreement(text: &str) -> Section {
    let mut section = Section::new("dmarc", "DMARC");
    section.headline = "agreement".into();
    section.fact("record", text);
    section.findings.push(match Dmarc::parse(text) {
        Some(_) => Finding::new(
            "dmarc.agreement",
            Severity::Ok,
            "By this record a host agrees to get the DMARC reports of the domain that stands before ._report._dmarc; it needs no policy.",
        ),
        None => Finding::error(
            "dmarc.near-miss",
            "This stands where a host agrees to get the DMARC reports of another domain, and it does not begin with v=DMARC1: reporters send nothing there.",
        )
        .with_fix("Publish v=DMARC1; there."),
    }
    .with_reference("RFC 9990 §4"));
    section.blocks.push(Block::Record(RecordBlock {
        name: "_report._dmarc".into(),
        host: "_report._dmarc".into(),
        rr_type: "TXT".into(),
        priority: None,
        ttl: None,
        text: text.to_owned(),
        marks: Vec::new(),
        lookup: None,
    }));
    section.settle()
}

/// A record as dig or a zone file shows it, made what it is in DNS.
fn record_text(text: &str) -> String {
    let text = text.trim();
    // A line of a zone file: everything before the quoted strings is its place.
    match text.find('"') {
        Some(at) if text.get(..at).is_some_and(|place| place.to_ascii_uppercase().contains("TXT")) => {
            from_paste(text.get(at..).unwrap_or(text).trim_end_matches([')', ' ']))
        }
        _ => from_paste(text),
    }
}

fn answer(pasted: Pasted, owner: &Name, text: &str, query: &Query) -> (LookupId, Answer) {
    match query {
        Query::Dns { name, kind: Kind::Txt } if name == owner => {
            let text = if pasted == Pasted::MtaStsPolicy { "v=STSv1; id=1" } else { text };
            let strings = text.as_bytes().chunks(255).map(<[u8]>::to_vec).collect();
            let records = vec![Record { owner: owner.clone(), ttl: 300, data: Data::Txt(strings) }];
            let ttl = Some(300);
            let outcome = Outcome::Answer;
            (PASTED, Answer::Dns(DnsAnswer { records, ttl, ..DnsAnswer::empty(outcome) }))
        }
        Query::Https { rules: HttpsRules::MtaSts, .. } if pasted == Pasted::MtaStsPolicy => {
            let content_type = Some("text/plain".to_owned());
            let outcome = HttpsOutcome::Body { content_type, body: text.as_bytes().to_vec(), cut: false };
            (PASTED, Answer::Https(HttpsAnswer { outcome, address: None, aliases: Vec::new() }))
        }
        Query::Dns { .. } | Query::At { .. } | Query::Validated { .. } => {
            (NOT_ASKED, Answer::Dns(DnsAnswer::empty(Outcome::Failed("not asked".to_owned()))))
        }
        Query::Https { .. } | Query::Smtp(_) => {
            let outcome = HttpsOutcome::Failed("not asked".to_owned());
            (NOT_ASKED, Answer::Https(HttpsAnswer { outcome, address: None, aliases: Vec::new() }))
        }
    }
}

/// What a section says of the pasted text alone.
fn alone(mut section: Section, pasted: Pasted, owner: &Name) -> Section {
    section.findings.retain(|finding| !finding.evidence.is_empty() && finding.evidence.iter().all(|id| *id == PASTED));
    // What the text should have been was said; that the domain then has no record is nobody's question here.
    if section.worst() == Severity::Error {
        section.findings.retain(|finding| !finding.id.ends_with(".none"));
    }
    section.suggestions.retain(|suggestion| suggestion.current.is_some());
    for finding in &mut section.findings {
        finding.evidence.clear();
        finding.text = without_place(&finding.text, owner);
        finding.fix = finding.fix.as_deref().map(|fix| without_place(fix, owner));
    }
    for suggestion in &mut section.suggestions {
        suggestion.zone.clear();
    }
    section.blocks.retain(|block| matches!(block, Block::Record(_) | Block::Source { .. }));
    if pasted == Pasted::MtaStsPolicy {
        file_alone(&mut section);
    }
    if pasted == Pasted::MtaSts {
        // The file is not pasted, so nobody looked for it.
        section.headline = "record alone".into();
    }
    for block in &mut section.blocks {
        if let Block::Record(record) = block {
            (record.ttl, record.lookup) = (None, None);
        }
    }
    section.state = section.worst().into();
    section.posture.clear();
    section.evidence.clear();
    section.settle()
}

/// A sentence without the place where the text was imagined to stand.
fn without_place(text: &str, owner: &Name) -> String {
    [owner.as_str(), PLACE, SELECTOR]
        .iter()
        .fold(text.to_owned(), |text, place| text.replace(&format!(" at {place}"), ""))
}

/// The policy file was pasted and not the record that had to announce it: the file is the one text that is shown.
fn file_alone(section: &mut Section) {
    section.blocks.retain(|block| matches!(block, Block::Source { .. }));
    section.suggestions.retain(|suggestion| suggestion.kind == SuggestionKind::File);
    for key in ["record", "id", "policy_url"] {
        section.fact(key, serde_json::Value::Null);
    }
    for block in &mut section.blocks {
        if let Block::Source { text, marks, .. } = block {
            *block = Block::Record(RecordBlock {
                name: "mta-sts.txt".into(),
                host: "/.well-known/mta-sts.txt".into(),
                rr_type: "FILE".into(),
                priority: None,
                ttl: None,
                text: text.trim_end().to_owned(),
                marks: std::mem::take(marks),
                lookup: None,
            });
        }
    }
    for finding in &mut section.findings {
        finding.record = 0;
    }
}

/// A `p=` that only a key can be: no policy word is so long.
fn long_key(tags: &TagList<'_>) -> bool {
    tags.tags.iter().any(|tag| tag.name.eq_ignore_ascii_case("p") && tag.value.len() > 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_recognised_by_its_version_or_its_tags() {
        for (text, what) in [
            ("v=spf1 -all", Some(Pasted::Spf)),
            ("V=DMARC1; p=none", Some(Pasted::Dmarc)),
            ("p=reject; rua=mailto:a@b.example", Some(Pasted::Dmarc)),
            ("v=DKIM1; p=", Some(Pasted::Dkim)),
            ("k=rsa; p=MIGf", Some(Pasted::Dkim)),
            ("v=STSv1; id=1", Some(Pasted::MtaSts)),
            ("version: STSv1\nmode: none\nmax_age: 1\n", Some(Pasted::MtaStsPolicy)),
            ("v=TLSRPTv1; rua=mailto:a@b.example", Some(Pasted::TlsRpt)),
            ("v=BIMI1; l=", Some(Pasted::Bimi)),
            ("hello", None),
        ] {
            assert_eq!(Pasted::recognise(text), what, "{text}");
        }
    }

    #[test]
    fn a_zone_line_is_its_strings() {
        assert_eq!(record_text("_dmarc.a.test. 300 IN TXT \"v=DMARC1; \" \"p=none\""), "v=DMARC1; p=none");
        assert_eq!(record_text(" v=spf1 -all "), "v=spf1 -all");
    }

    #[test]
    fn a_byte_order_mark_hides_no_policy_and_is_told() {
        let policy = "\u{feff}version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 604800\n";
        let section = lint(policy, OffsetDateTime::UNIX_EPOCH).unwrap();
        let fix = section.findings.first().and_then(|finding| finding.fix.clone()).unwrap_or_default();
        assert!(section.id == "mta-sts" && fix.contains("without a byte order mark"), "{:?}", section.findings);
    }

    #[test]
    fn a_pasted_policy_shows_no_record_that_nobody_pasted() {
        let policy = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 604\nfoo: bar\n";
        let section = lint(policy, OffsetDateTime::UNIX_EPOCH).unwrap();
        let [Block::Record(file)] = section.blocks.as_slice() else { panic!("{:?}", section.blocks) };
        assert_eq!((file.rr_type.as_str(), file.text.as_str()), ("FILE", policy.trim_end()));
        assert!(file.marks.len() == 5, "{:?}", file.marks);
        assert!(section.facts.get("record").unwrap().is_null() && section.facts.get("id").unwrap().is_null());
        assert_eq!(section.facts.get("policy").unwrap()["mode"], "enforce");
        let quoted = section
            .findings
            .iter()
            .find_map(|finding| finding.span.and_then(|span| span.of_str(section.text_of(finding)?.1)));
        assert_eq!(quoted, Some("foo: bar"), "spans lie in the file");
        let told = format!("{section:?}");
        assert!(!told.contains("id=1") && !told.contains("pasted.invalid"), "{told}");
    }

    #[test]
    fn no_sentence_names_the_place_where_a_paste_is_imagined() {
        for text in [
            "v=spf1\u{a0}-all",
            "v=spf -all",
            "v=DKIM1; k=rsa; p=MIGf\u{200b}",
            "p=reject; v=DMARC1",
            "v=STSv1 id=1",
            "v=TLSRPTv1 rua=mailto:a@b.example",
            "v=BIMI1; l=http://a.example/x.svg",
            "v=DMARC1; p=none; rua=mailto:a@b.example",
        ] {
            let section = lint(text, OffsetDateTime::UNIX_EPOCH).unwrap();
            for finding in &section.findings {
                let told = format!("{} {:?}", finding.text, finding.fix);
                assert!(!told.contains("pasted"), "{text}: {told}");
            }
        }
    }

    #[test]
    fn what_nobody_sees_in_a_pasted_record_is_named() {
        for (text, id) in [
            ("v=spf1 include:_spf.example.com\u{a0}-all", "spf.unseen-character"),
            ("v=DMARC1;\u{a0}p=reject", "dmarc.unseen-character"),
            ("v=DKIM1; k=rsa; p=MIGf\u{200b}", "dkim.unseen-character"),
            ("v=STSv1;\u{a0}id=1", "mta-sts.unseen-character"),
            ("version: STSv1\nmode: testing\nmx:\u{a0}a.example\nmax_age: 604800\n", "mta-sts.unseen-character"),
            ("v=TLSRPTv1;\u{a0}rua=mailto:a@b.example", "tls-rpt.unseen-character"),
            ("v=BIMI1;\u{a0}l=https://a.example/x.svg", "bimi.unseen-character"),
        ] {
            let section = lint(text, OffsetDateTime::UNIX_EPOCH).unwrap();
            let told = section.findings.iter().find(|finding| finding.id == id);
            let told = told.unwrap_or_else(|| panic!("{text}: {:?}", section.findings));
            assert!(told.text.contains("no-break space (U+00A0)") || told.text.contains("zero-width"), "{}", told.text);
        }
        let near = lint("v=spf1\u{a0}-all", OffsetDateTime::UNIX_EPOCH).unwrap();
        assert!(near.findings.iter().any(|one| one.text.contains("character 7 is a no-break space")), "{near:?}");
        assert!(near.findings.iter().any(|one| one.text.contains("v=spf1⟨NBSP⟩-all")), "{near:?}");
    }

    #[test]
    fn a_policy_that_was_not_pasted_is_not_called_unlooked() {
        assert_eq!(lint("v=STSv1; id=1", OffsetDateTime::UNIX_EPOCH).unwrap().headline, "record alone");
    }

    #[test]
    fn what_is_wrong_in_the_record_is_told_and_nothing_else() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let section = lint("v=DMARC1; p=qarantine; rua=mailto:reports@other.example", now).unwrap();
        assert!(!section.findings.is_empty());
        assert!(section.findings.iter().all(|finding| !finding.text.contains("not asked")), "{:?}", section.findings);
        assert!(lint("hello", now).is_none());
    }

    #[test]
    fn the_record_by_which_a_host_agrees_to_reports_needs_no_policy() {
        let line = |text: &str| format!("a.test._report._dmarc.b.test. IN TXT \"{text}\"");
        let judged = |text: &str| lint(&line(text), OffsetDateTime::UNIX_EPOCH).unwrap().worst();
        assert_eq!((judged("v=DMARC1;"), judged("v=DMARC1")), (Severity::Ok, Severity::Ok));
        assert_eq!(judged("v=dmarc1"), Severity::Error);
    }
}

//! The table *who says so*: each identity, what we computed, what was claimed, whether it is aligned with From.
//!
//! What `claimed` must have in `results[]` to stand here: `method`, `result`, `authserv_id`, `agrees`, and for `dkim` the
//! signing `domain` (and `selector`, if it was told).

use serde_json::Value;

use super::Read;
use crate::finding::Severity;
use crate::message::Message;
use crate::name::Name;
use crate::report::{Cell, Link, Row, Section, Table};

/// The table *who says so*.
pub(in crate::message) fn table(message: &Message, sections: &[Section]) -> Option<Table> {
    let read = Read { message, sections };
    if sections.is_empty() {
        return None;
    }
    let columns = ["who says so", "domain", "recomputed here", "they claimed", "aligned"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for name in message.author().domains() {
        rows.push(read.row(("From", Some(name.as_str())), None, None, Cell::from("(the name)").dimmed(), "identities"));
    }
    for (number, one) in read.signatures().iter().enumerate() {
        let who = format!("DKIM #{} s={}", number + 1, one["selector"].as_str().unwrap_or_default());
        let domain = one["domain"].as_str();
        let word = one["result"].as_str().unwrap_or_default();
        let said = match (one["reason"].as_str(), one["bits"].as_u64()) {
            (Some(_), _)
                if one["header_signature"] == "valid" && one["body_hash"] == "unchecked" && word == "neutral" =>
            {
                "headers hold; no body".to_owned()
            }
            (Some(reason), _) => format!("{word}: {reason}"),
            (None, Some(bits)) => format!("{word}  {} {bits}", one["algorithm"].as_str().unwrap_or_default()),
            (None, None) => word.to_owned(),
        };
        let aligned = match (one["aligned"].as_bool(), word) {
            (Some(true), "pass") => "yes",
            (Some(true), _) => "would be",
            (Some(false), _) => "no",
            (None, _) => "not known",
        };
        let claimed = read.claimed("dkim", domain);
        rows.push(read.row((&who, domain), Some((said, word)), claimed, aligned.into(), "dkim"));
    }
    if let Some(word) = read.word("spf", "result") {
        let is_helo = read.word("spf", "identity") == Some("helo");
        let aligned = match (read.fact("dmarc", "spf_domain_aligned").and_then(Value::as_bool), word) {
            (Some(true), "pass") => "yes",
            (Some(true), _) => "would be",
            (Some(false), _) => "no",
            (None, _) => "-",
        };
        if !is_helo {
            let ip = read.word("spf", "client_ip").unwrap_or_default();
            let claimed = read.claimed("spf", None);
            let domain = read.word("spf", "domain");
            rows.push(read.row(
                ("SPF MAIL FROM", domain),
                Some((format!("{word}  {ip}"), word)),
                claimed,
                aligned.into(),
                "spf",
            ));
        }
        if let Some(helo) = read.fact("spf", "helo").filter(|helo| helo.is_object()) {
            let word = helo["result"].as_str().unwrap_or_default();
            rows.push(read.row(
                ("SPF HELO", helo["domain"].as_str()),
                Some((word.to_owned(), word)),
                None,
                Cell::from("not used").dimmed(),
                "spf",
            ));
        }
    }
    if let Some(word) = read.word("dmarc", "result") {
        let claimed = read.claimed("dmarc", None);
        rows.push(read.row(
            ("DMARC", read.word("dmarc", "author_domain")),
            Some((word.into(), word)),
            claimed,
            "-".into(),
            "dmarc",
        ));
    }
    if let Some(word) = read.word("arc", "result") {
        rows.push(read.row(("ARC", None), Some((word.into(), word)), read.claimed("arc", None), "-".into(), "arc"));
    }
    Some(Table { columns, rows })
}

impl Read<'_> {
    fn row(
        &self,
        (who, domain): (&str, Option<&str>),
        recomputed: Option<(String, &str)>,
        claimed: Option<Cell>,
        aligned: Cell,
        section: &'static str,
    ) -> Row {
        let domain = match domain {
            Some(text) => {
                let link = Name::from_unicode(text).ok().filter(|name| !name.is_root()).map(Link::Domain);
                let cell = Cell::from(text);
                link.map_or(cell.clone(), |link| cell.linked(link))
            }
            None => Cell::from("-"),
        };
        let recomputed = match recomputed {
            Some((text, word)) => {
                // A failure must stand out without colour too.
                let loud = if word == "fail" { text.replacen("fail", "FAIL", 1) } else { text };
                Cell::from(loud).judged(severity(word))
            }
            None => Cell::from("-"),
        };
        let is_there = self.section(section).is_some();
        Row {
            cells: vec![who.into(), domain, recomputed, claimed.unwrap_or_else(|| Cell::from("-")), aligned],
            section: is_there.then_some(section),
        }
    }

    /// What the topmost result of a method claims, for a signature that of its domain.
    fn claimed(&self, method: &str, domain: Option<&str>) -> Option<Cell> {
        let results = self.fact("claimed", "results")?.as_array()?;
        let fits = |result: &&Value| {
            result["method"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(method))
                && result["field"] != "ARC-Authentication-Results"
                && domain
                    .is_none_or(|domain| result["domain"].as_str().is_none_or(|told| told.eq_ignore_ascii_case(domain)))
        };
        // What counts goes before what anybody may have written.
        let found = results.iter().filter(fits).min_by_key(|result| result["trusted"] != Value::Bool(true))?;
        let word = found["result"].as_str().unwrap_or_default();
        let server = found["authserv_id"].as_str().unwrap_or("no server named");
        // The news first: a narrow column cuts the end off.
        let (news, severity) = match (found["agrees"].as_bool(), found["disagreement"].as_str()) {
            (Some(false), Some("forged")) => ("(forged?)  ", Severity::Error),
            (Some(false), Some("unsure")) => ("(forged?)  ", Severity::Warning),
            (Some(false), Some("earlier")) => ("(earlier)  ", Severity::Info),
            (Some(false), _) => ("DISAGREES  ", Severity::Error),
            (Some(true) | None, _) => ("", Severity::Ok),
        };
        Some(Cell::from(format!("{word}  {news}{server}")).judged(severity))
    }
}

fn severity(word: &str) -> Severity {
    match word {
        "pass" => Severity::Ok,
        "fail" => Severity::Error,
        "softfail" | "policy" | "temperror" | "permerror" => Severity::Warning,
        _ => Severity::Info,
    }
}

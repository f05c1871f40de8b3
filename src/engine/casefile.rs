//! A case file: the evidence of one job with the log of how it was got, as one JSON document. Replaying it gives the same
//! report years later, when keys have rotated away and policies have changed; nothing is asked of the network.
//!
//! It holds what was asked and answered, never a conclusion: those are drawn anew, by the clock of the case.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::check::{Answer, Evidence, Query};
use crate::report::{LookupId, Report};

/// The version of this shape.
const VERSION: u32 = 1;

/// Why a text is not a case file.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// Not JSON, or not of this shape.
    #[error("not a case file: {0}")]
    Shape(#[from] serde_json::Error),
    /// Written by a newer mxray.
    #[error("the case file has version {0}, this mxray reads version 1; a newer mxray reads it")]
    Version(u32),
}

/// A saved job.
#[derive(Serialize, Deserialize)]
pub struct Case {
    /// The version of mxray that saved it.
    pub mxray: String,
    /// The version of this shape.
    pub case: u32,
    /// The kind of the report.
    pub kind: String,
    /// What was looked at.
    pub target: String,
    /// The clock that its verdicts used.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Questions and answers, in the order of asking.
    pub entries: Vec<CaseEntry>,
}

/// One question, its answer, and the line of the log that brought it.
#[derive(Serialize, Deserialize)]
pub struct CaseEntry {
    /// The number of the lookup.
    pub id: LookupId,
    /// The line of the lookup log, as the report has it; for the reader, not for the replay.
    pub lookup: Value,
    /// What was asked.
    pub query: Query,
    /// What came back.
    pub answer: Arc<Answer>,
}

impl Case {
    /// The case of a finished job.
    pub fn new(report: &Report, evidence: &Evidence) -> Case {
        let line = |id: LookupId| {
            let lookup = report.lookups.iter().find(|lookup| lookup.id == id);
            lookup.and_then(|lookup| serde_json::to_value(lookup).ok()).unwrap_or(Value::Null)
        };
        let mut entries: Vec<CaseEntry> = evidence
            .iter()
            .map(|(query, entry)| CaseEntry {
                id: entry.lookup,
                lookup: line(entry.lookup),
                query: query.clone(),
                answer: entry.answer.clone(),
            })
            .collect();
        entries.sort_by_key(|entry| entry.id);
        Case {
            mxray: report.mxray.to_owned(),
            case: VERSION,
            kind: report.kind.to_owned(),
            target: report.target.clone(),
            at: report.at,
            entries,
        }
    }

    /// Reads a case file.
    pub fn parse(text: &str) -> Result<Case, CaseError> {
        #[derive(Deserialize)]
        struct Versioned {
            case: u32,
        }
        match serde_json::from_str::<Versioned>(text)?.case {
            VERSION => Ok(serde_json::from_str(text)?),
            other => Err(CaseError::Version(other)),
        }
    }

    /// The case as JSON text.
    pub fn to_text(&self) -> Result<String, CaseError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Its questions and answers, as a job takes them.
    pub fn evidence(&self) -> Evidence {
        let mut evidence = Evidence::default();
        for entry in &self.entries {
            evidence.insert(entry.query.clone(), entry.id, entry.answer.clone());
        }
        evidence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Data, DnsAnswer, Dnssec, HttpsAnswer, HttpsOutcome, HttpsRules, Kind, Outcome, Record};
    use crate::finding::Severity;
    use crate::name::Name;

    fn report() -> Report {
        Report {
            mxray: "0.1.0",
            schema: 1,
            kind: "domain",
            target: "monsec.io".into(),
            at: OffsetDateTime::UNIX_EPOCH,
            elapsed_ms: 1.0,
            worst: Severity::Ok,
            verdict: Vec::new(),
            summary: None,
            since: None,
            sections: Vec::new(),
            lookups: Vec::new(),
        }
    }

    #[test]
    fn every_kind_of_answer_survives_the_file() {
        let name = Name::from_text("a\\.b.monsec.io").unwrap();
        let record = |data| Record { owner: name.clone(), ttl: 300, data };
        let answers = [
            (Query::dns(&name, Kind::Txt), vec![Data::Txt(vec![b"v=spf1 \xff\x00".to_vec(), Vec::new()])]),
            (Query::dns(&name, Kind::Mx), vec![Data::Mx { preference: 10, exchange: name.clone() }]),
            (Query::dns(&name, Kind::Tlsa), vec![Data::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0xab] }]),
        ];
        let mut evidence = Evidence::default();
        for (number, (query, data)) in answers.into_iter().enumerate() {
            let records = data.into_iter().map(record).collect();
            let ttl = Some(9);
            let dnssec = Dnssec::Secure;
            let answer = DnsAnswer { records, ttl, dnssec, ..DnsAnswer::empty(Outcome::Answer) };
            evidence.insert(query, LookupId(number as u32), Arc::new(Answer::Dns(answer)));
        }
        let url: Arc<str> = Arc::from("https://mta-sts.monsec.io/.well-known/mta-sts.txt");
        let outcome = HttpsOutcome::NoAddress(Outcome::Failed("no route".into()));
        let https = HttpsAnswer { outcome, address: "192.0.2.1".parse().ok(), aliases: vec![name.clone()] };
        evidence.insert(Query::Https { url, rules: HttpsRules::MtaSts }, LookupId(7), Arc::new(Answer::Https(https)));

        let text = Case::new(&report(), &evidence).to_text().unwrap();
        let back = Case::parse(&text).unwrap();
        assert_eq!((back.target.as_str(), back.at), ("monsec.io", OffsetDateTime::UNIX_EPOCH));
        let replayed = back.evidence();
        assert_eq!(replayed.len(), evidence.len());
        for (query, entry) in evidence.iter() {
            let again = replayed.get(query).unwrap();
            assert_eq!((again.lookup, &again.answer), (entry.lookup, &entry.answer));
        }
    }

    #[test]
    fn a_newer_case_is_refused_in_words() {
        let text = Case::new(&report(), &Evidence::default()).to_text().unwrap().replace("\"case\": 1", "\"case\": 2");
        assert!(matches!(Case::parse(&text), Err(CaseError::Version(2))));
        assert!(matches!(Case::parse("From: a message"), Err(CaseError::Shape(_))));
    }
}

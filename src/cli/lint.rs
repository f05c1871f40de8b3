//! The report on a pasted text; no engine, no network.

use time::OffsetDateTime;

use super::failure::Failure;
use crate::records::lint;
use crate::report::Report;

/// The characters of the text that name the report.
const TITLE: usize = 60;

/// Judges a pasted record or policy file.
pub fn report(text: &str, now: Option<OffsetDateTime>) -> Result<Report, Failure> {
    let started = std::time::Instant::now();
    let at = now.unwrap_or_else(OffsetDateTime::now_utc);
    let section = lint::lint(text, at).ok_or_else(|| {
        Failure::Job(
            "this is no record that mxray knows: it knows SPF, DKIM keys, DMARC, MTA-STS (record and policy), TLS-RPT, BIMI"
                .to_owned(),
        )
    })?;
    let first = text.trim().lines().next().unwrap_or_default();
    let target: String = first.chars().take(TITLE).collect();
    Ok(Report {
        mxray: env!("CARGO_PKG_VERSION"),
        schema: 1,
        kind: "lint",
        target: if target.len() < text.trim().len() { target + "…" } else { target },
        at,
        elapsed_ms: started.elapsed().as_secs_f64() * 1000.0,
        worst: section.worst(),
        verdict: Vec::new(),
        summary: None,
        since: None,
        sections: vec![section],
        lookups: Vec::new(),
    })
}

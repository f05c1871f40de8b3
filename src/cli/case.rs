//! Case files on disk: the evidence of a run, saved and read again.

use std::path::Path;

use super::failure::Failure;
use crate::check::Evidence;
use crate::engine::casefile::Case;
use crate::engine::memory::write_whole;
use crate::report::Report;
use crate::untrusted::escaped_json;

/// Saves the questions and answers behind a report. The file is whole or not there: it is written beside its place and
/// moved.
pub fn save(path: &Path, report: &Report, evidence: &Evidence) -> Result<(), Failure> {
    let text = Case::new(report, evidence)
        .to_text()
        .map_err(|error| Failure::Job(format!("cannot save {}: {error}", path.display())))?;
    write_whole(path, escaped_json(&text).as_bytes()).map_err(|error| Failure::file("save", path, &error))
}

/// Reads a case file.
pub fn read(path: &Path) -> Result<Case, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    Case::parse(&text).map_err(|error| Failure::Job(format!("{}: {error}", path.display())))
}

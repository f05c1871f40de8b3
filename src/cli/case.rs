//! Case files on disk: the evidence of a run, saved and replayed.

use std::path::Path;

use super::failure::Failure;
use crate::check::Evidence;
use crate::report::Report;

/// Saves the questions and answers behind a report.
pub fn save(path: &Path, _report: &Report, _evidence: &Evidence) -> Result<(), Failure> {
    Err(Failure::Job(format!("cannot save {}: not there yet", path.display())))
}

//! Why a run ends without its result, and with which exit status. One line on standard error says what, where and what
//! to do.

use std::io::Write;
use std::process::ExitCode;

/// A run that ends without its result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line (or the configuration) is wrong.
    #[error("{0}")]
    Usage(String),
    /// The job could not be done.
    #[error("{0}")]
    Job(String),
    /// Nobody reads what we write; not an error.
    #[error("the reader closed the pipe")]
    ClosedPipe,
}

impl Failure {
    /// The exit status of the contract.
    pub fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Job(_) => 3,
            Failure::ClosedPipe => 0,
        }
    }

    /// Says it in one line on standard error and gives the exit status.
    pub fn end(&self) -> ExitCode {
        if !matches!(self, Failure::ClosedPipe) {
            complain(&self.to_string());
        }
        ExitCode::from(self.status())
    }
}

impl From<std::io::Error> for Failure {
    /// For errors of standard output; files name themselves with [`Failure::file`].
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Job(format!("cannot write the result: {error}")),
        }
    }
}

impl Failure {
    /// A file that cannot be read or written.
    pub fn file(what: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
        Failure::Job(format!("cannot {what} {}: {error}", path.display()))
    }
}

/// Writes one line on standard error, whatever it holds.
pub fn complain(text: &str) {
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    // Nobody can be told that standard error is closed.
    let _ = writeln!(std::io::stderr(), "mxray: {}", crate::untrusted::visible(&line));
}

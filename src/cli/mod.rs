//! The command line: the same engine and the same reports as the screen, for scripts, CI and tests. What is typed is read
//! in [`args`] and [`request`], run in [`run`] and printed by [`crate::print`].

pub mod args;
mod case;
mod failure;
mod layers;
mod lint;
mod listen;
mod log;
mod mailbox;
mod request;
mod run;

pub use crate::print::{json, markdown, text};
pub use failure::Failure;
pub use listen::{Listening, listen};
pub use request::{Reports, Request, Screen, read};
pub use run::run;

/// The JSON Schema of the reports.
pub fn schema() -> &'static str {
    include_str!("../../assets/schema.json")
}

/// The manual page.
fn man(command: clap::Command) -> Result<String, Failure> {
    let mut roff = Vec::new();
    clap_mangen::Man::new(command).render(&mut roff)?;
    Ok(String::from_utf8_lossy(&roff).into_owned())
}

/// The completions of a shell.
fn completions(shell: clap_complete::Shell, mut command: clap::Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "mxray", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes a text that needed no work on standard output.
pub fn print(text: &str) -> std::process::ExitCode {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => Failure::from(error).end(),
    }
}

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

use std::io::IsTerminal;

pub use crate::print::{json, markdown, text};
pub use failure::Failure;
pub use listen::{Listening, listen};
pub use request::{Reports, Request, Screen, read};
pub use run::run;

/// The JSON Schema of the reports.
pub fn schema() -> &'static str {
    include_str!("../../assets/schema.json")
}

/// Whether standard output is a terminal that shows colours and a person who wants them (no-color.org; an empty value is none).
fn may_colour() -> bool {
    let set = |key: &str| std::env::var(key).unwrap_or_default();
    std::io::stdout().is_terminal() && set("NO_COLOR").is_empty() && set("TERM") != "dumb"
}

/// The manual page: the program's own, then each command with what it takes.
fn man(command: clap::Command) -> Result<String, Failure> {
    let mut roff = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut roff)?;
    let mut page = String::from_utf8_lossy(&roff).into_owned();
    for one in command.get_subcommands() {
        let name = format!("mxray {}", one.get_name());
        let man = clap_mangen::Man::new(one.clone().bin_name(&name));
        let mut roff = Vec::new();
        man.render_synopsis_section(&mut roff)?;
        man.render_description_section(&mut roff)?;
        man.render_options_section(&mut roff)?;
        page.push_str(&format!(".SH \"{}\"\n", name.to_uppercase()));
        // The headings of a page of its own are none here.
        let text = String::from_utf8_lossy(&roff).into_owned();
        for line in text.lines().filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el ")) {
            let line = if line.starts_with(".SH ") { ".PP" } else { line };
            page.push_str(line);
            page.push('\n');
        }
    }
    Ok(page)
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

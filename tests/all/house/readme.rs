//! The README's key table and help text are the program's own. `README_UPDATE=1 cargo test --test all readme` writes them.

use std::fmt::Write;
use std::path::Path;

use clap::CommandFactory;
use mxray::cli::args::Arguments;

fn keys() -> String {
    let mut table = String::from("| key | where | what it does |\n|---|---|---|\n");
    for (key, place, help) in mxray::tui::key_table() {
        let _ = writeln!(table, "| `{}` | {place} | {} |", key.replace('|', "\\|"), help.replace('|', "\\|"));
    }
    table
}

fn help() -> String {
    format!("```\n{}\n```\n", Arguments::command().render_help().to_string().trim_end())
}

/// The text with what stands between the markers of `name` replaced.
fn with(text: &str, name: &str, between: &str) -> String {
    let (before, rest) = text.split_once(&format!("<!-- {name}:")).unwrap();
    let (how, rest) = rest.split_once("-->\n").unwrap();
    let end = format!("<!-- /{name} -->");
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}<!-- {name}:{how}-->\n{between}{end}{after}")
}

#[test]
fn the_readme_has_the_key_table_and_the_help_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let wanted = with(&with(&readme, "keys", &keys()), "help", &help());
    if std::env::var_os("README_UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(readme == wanted, "README.md is behind: README_UPDATE=1 cargo test --test all readme");
    }
}

#[test]
fn the_readme_names_every_command_and_no_picture_that_is_missing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for command in Arguments::command().get_subcommands() {
        assert!(readme.contains(&format!("  {} ", command.get_name())), "{}", command.get_name());
    }
    for picture in readme.split("](").filter_map(|rest| rest.split_once(')')).map(|(path, _)| path) {
        assert!(picture.starts_with("http") || root.join(picture).is_file(), "{picture}");
    }
}

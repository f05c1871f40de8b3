//! mxray as a job of a shell: stopped and brought back, by its key and by others.

use portable_pty::CommandBuilder;

use super::terminal::Terminal;

/// A shell that controls its jobs, with mxray's demo in it.
fn in_a_shell() -> Terminal {
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    let path = std::env::var("PATH").unwrap_or_default();
    let terminal = Terminal::run(shell, 100, 30, &[("PATH", &path), ("PS1", "shell> ")]);
    terminal.wait_for("shell>");
    terminal.send(&format!("{} --demo\r", env!("CARGO_BIN_EXE_mxray")));
    terminal.wait_for_the_screen();
    terminal.wait_for("monsec.example");
    terminal
}

/// Whether the shell waits for a command.
fn at_prompt(screen: &str) -> bool {
    screen.trim_end().ends_with("shell>")
}

#[test]
fn its_key_gives_the_terminal_to_the_shell_and_fg_brings_it_back() {
    let terminal = in_a_shell();
    // Also while something is being typed.
    terminal.send("abc");
    terminal.wait_for("abc");
    terminal.send("\x1a");
    terminal.wait_for_the_shell();
    terminal.wait("the prompt", |screen| screen.contains("Stopped") && at_prompt(screen));
    // The line settings are the shell's: it echoes what is typed.
    terminal.send("echo $((40 + 2)) here\r");
    terminal.wait("the prompt", |screen| screen.contains("\n42 here") && at_prompt(screen));
    terminal.send("fg\r");
    terminal.wait_for_the_screen();
    terminal.wait_for("abc");
    terminal.send("\x1b");
    terminal.wait_for("q quit");
    terminal.send("q");
    terminal.wait_for_the_shell();
    // mxray has ended when the shell asks for the next command; what comes before may still be its.
    terminal.wait("the prompt", at_prompt);
    terminal.send("exit\r");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn stopped_by_others_it_takes_the_terminal_again_when_it_goes_on() {
    let terminal = Terminal::start(&["--demo", "parked.example"], 100, 30);
    terminal.wait("the end of the audit", |screen| screen.contains("DO FIRST") && !screen.contains("so far"));
    terminal.signal("STOP");
    // What somebody else wrote meanwhile.
    terminal.scribble("\x1b[2J\x1b[?1049lsomebody else\x1b[?25h");
    terminal.wait_for("somebody else");
    terminal.signal("CONT");
    terminal.wait_for_the_screen();
    terminal.wait_for("DO FIRST");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn what_somebody_else_wrote_onto_the_screen_is_gone_when_it_is_drawn_anew() {
    let terminal = Terminal::start(&["--demo", "parked.example"], 100, 30);
    terminal.wait("the end of the audit", |screen| screen.contains("DO FIRST") && !screen.contains("so far"));
    terminal.scribble("\x1b[2J\x1b[3;3Ha message of the system");
    terminal.send("\x0c");
    terminal.wait("the whole screen", |screen| screen.contains("DO FIRST") && !screen.contains("a message of the"));
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn where_no_shell_is_its_key_stops_nothing() {
    let terminal = Terminal::start(&["--demo"], 100, 30);
    terminal.wait_for_the_screen();
    terminal.wait_for("monsec.example");
    terminal.send("\x1a");
    // It has given the terminal back and taken it again; a key is heard.
    terminal.wait_for_the_screen_again();
    terminal.send("\x1b");
    terminal.wait_for("q quit");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

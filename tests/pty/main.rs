//! The real program in a real terminal: few tests, each a whole session in the demo world. They wait for text with a
//! deadline and never sleep.
#![cfg(test)]
#![expect(clippy::print_stdout, reason = "a measurement says what it measured")]

mod domain;
mod keeper;
mod listen;
mod send;
mod sender;
mod shell;
mod smtp;
mod terminal;

use terminal::Terminal;

#[test]
fn it_opens_at_once_and_quits_with_the_terminal_restored() {
    let terminal = Terminal::start(&["--demo"], 100, 30);
    terminal.wait_for_the_screen();
    terminal.wait_for("monsec.example");
    terminal.send("\x1b");
    terminal.wait_for("q quit");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_typed_domain_shows_its_worst_finding_and_the_name_of_its_mail_server() {
    let terminal = Terminal::start(&["--demo"], 120, 40);
    terminal.wait_for_the_screen();
    terminal.wait_for("monsec.example");
    terminal.send("monsec.example\r");
    let screen = terminal.wait("the finding about the policy", |screen| {
        screen.contains("MTA-STS") && screen.contains("smtp.google.example")
    });
    assert!(screen.contains("DMARC") && screen.contains("TLS-RPT"), "{screen}");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn any_size_is_a_screen_or_a_clear_line() {
    let terminal = Terminal::start(&["--demo", "neglected.example"], 120, 40);
    terminal.wait_for("DMARC");
    for (columns, rows) in [(80, 24), (40, 12), (120, 40)] {
        terminal.resize(columns, rows);
        terminal.wait(&format!("the domain at {columns}x{rows}"), |screen| screen.contains("neglected.example"));
    }
    terminal.resize(20, 5);
    terminal.wait("a line that says that it is too small", |screen| !screen.trim().is_empty());
    terminal.resize(100, 30);
    terminal.wait_for("neglected.example");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_pasted_message_opens_the_message_pane() {
    let terminal = Terminal::start(&["--demo"], 100, 30);
    terminal.wait_for("monsec.example");
    let message = "Received: from mx.acrne-bank.example (mx.acrne-bank.example [203.0.113.66])\n\tby mx.good.servers.example \
                   with ESMTPS id 1; Tue, 24 Nov 2026 09:00:00 +0000\nFrom: \"ACME Bank\" <service@acrne-bank.example>\nTo: \
                   you@example.com\nSubject: Your account is limited\nDate: Tue, 24 Nov 2026 09:00:00 \
                   +0000\n\nPlease confirm.\nqqq\n";
    terminal.paste(message);
    terminal
        .wait("the message", |screen| screen.contains("NOTHING ASKED YET") && screen.contains("acrne-bank.example"));
    // the q's in the message were text, not keys
    terminal.send("4");
    terminal.wait("the lookups pane", |screen| !screen.contains("NOTHING ASKED YET"));
    terminal.send("q");
    terminal.wait_for("would be lost");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_signal_restores_the_terminal_and_sets_the_exit_code() {
    for (name, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let terminal = Terminal::start(&["--demo", "monsec.example"], 100, 30);
        terminal.wait_for_the_screen();
        terminal.wait_for("DMARC");
        terminal.signal(name);
        assert_eq!(terminal.ended(), code, "SIG{name}");
    }
}

#[test]
fn without_colour_no_colour_is_written() {
    let terminal = Terminal::start_with(&["--demo", "neglected.example"], 100, 30, &[("NO_COLOR", "1")]);
    terminal.wait_for("ERROR");
    for colour in ["\x1b[31m", "\x1b[38;", "\x1b[48;", "\x1b[32m", "\x1b[33m"] {
        assert!(!terminal.ever_wrote(colour.as_bytes()), "{colour:?}");
    }
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_copied_value_goes_to_the_terminal_and_the_footer_says_no_more_than_that() {
    let terminal = Terminal::start(&["--demo", "monsec.example"], 120, 40);
    terminal.wait("the end of the audit", |screen| screen.contains("DO FIRST") && !screen.contains("so far"));
    terminal.send("\t");
    terminal.wait_for("v=spf1 include:_spf.google.example -all");
    terminal.send("y");
    terminal.wait_for("sent to the terminal");
    assert!(terminal.ever_wrote(b"\x1b]52;c;"));
    assert!(!terminal.text().contains("copied to"), "OSC 52 is never acknowledged");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn the_keys_are_a_question_mark_away_and_escape_never_quits() {
    let terminal = Terminal::start(&["--demo", "flawless.example"], 100, 30);
    terminal.wait("the end of the audit", |screen| screen.contains("DO FIRST") && !screen.contains("so far"));
    terminal.send("?");
    terminal.wait_for("Copy the suggested value");
    for _ in 0..4 {
        terminal.send("\x1b");
    }
    terminal.wait("the domain again", |screen| !screen.contains("Copy the suggested value"));
    terminal.send("4");
    terminal.wait_for("_dmarc.flawless.example");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_name_is_followed_and_the_way_back_is_remembered() {
    let terminal = Terminal::start(&["--demo", "monsec.example"], 120, 40);
    terminal.wait("the end of the audit", |screen| screen.contains("DO FIRST") && !screen.contains("so far"));
    terminal.send(":");
    terminal.wait_for("message file");
    terminal.send("https://parked.example/a/page\r");
    terminal.wait("the parked domain", |screen| screen.contains("null MX") && !screen.contains("so far"));
    terminal.send("<");
    terminal.wait_for("smtp.google.example");
    terminal.send(">");
    terminal.wait_for("null MX");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn what_follows_an_end_of_paste_marker_inside_a_paste_is_text_and_no_key() {
    let terminal = Terminal::start(&["--demo"], 100, 30);
    terminal.wait_for("monsec.example");
    // Whoever wrote the mail hopes that the terminal ends the paste here, and that q, Enter and : are keys.
    terminal.paste("From: a@shop.example\nSubject: marker\n\nx \x1b[201~qq\n:q\nq4\nthe end of it\n");
    terminal.wait("the message", |screen| screen.contains("NOTHING ASKED YET") && screen.contains("marker"));
    terminal.send("u");
    terminal.wait("all of it", |screen| screen.contains("the end of it"));
    terminal.send("q");
    terminal.wait_for("would be lost");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_message_of_the_demo_world_is_opened_by_key_from_the_start_screen() {
    let terminal = Terminal::start(&["--demo"], 80, 24);
    terminal.wait_for_the_screen();
    terminal.wait_for("message phish");
    terminal.send("\x1b[B\x1b[B\x1b[B\x1b[B");
    terminal.wait_for("> message phish");
    terminal.send("\r");
    terminal.wait("the message", |screen| screen.contains("NOTHING ASKED YET") && screen.contains("ACME Bank"));
    // It is the demo's and not the person's: nothing would be lost.
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_message_comes_through_a_pipe_and_the_keys_from_the_terminal() {
    let mut shell = portable_pty::CommandBuilder::new("sh");
    let line =
        format!("printf 'From: a@shop.example\\nSubject: piped\\n\\nhi\\n' | {} - --demo", env!("CARGO_BIN_EXE_mxray"));
    shell.args(["-c", &line]);
    let terminal = Terminal::run(shell, 100, 30, &[("PATH", &std::env::var("PATH").unwrap_or_default())]);
    terminal.wait("the message", |screen| screen.contains("NOTHING ASKED YET") && screen.contains("piped"));
    terminal.send("4");
    terminal.wait("the lookups pane", |screen| !screen.contains("NOTHING ASKED YET"));
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

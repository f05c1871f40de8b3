//! mxray as the server: a sender's session on the screen, and the message that it left.

use super::sender;
use super::terminal::Terminal;

/// The demo, listening on a port that the system picks.
fn listening() -> Terminal {
    let terminal = Terminal::smtp_pane(120, 40);
    terminal.send("l");
    terminal.wait_for("listen, and answer how?");
    terminal.send("\r");
    terminal.wait_for("127.0.0.1:2525 accept");
    // another port: whichever is free
    terminal.send("\x15");
    terminal.wait_for("ADDR:PORT and the replies");
    terminal.send("127.0.0.1:0 accept\r");
    terminal
}

#[test]
fn a_sender_is_listened_to_and_its_message_opened_with_the_envelope_that_was_seen() {
    let terminal = listening();
    let screen = terminal.wait("the address", |screen| screen.contains("LISTENING  127.0.0.1:"));
    let address = screen.split("LISTENING  ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(!address.ends_with(":0"), "{screen}");
    let message =
        "From: Ann <ann@sender.example>\r\nTo: you@example.com\r\nSubject: the first mail\r\n\r\nHello \u{1b}[2J.";
    sender::send(&address, message);
    let screen = terminal.wait("the session", |screen| screen.contains("mxray closed") && screen.contains("1 message"));
    for said in ["C=    MAIL FROM:<bounce@sender.example>", "Enter opens it", "221 2.0.0 mxray.localhost closing"] {
        assert!(screen.contains(said), "{said} is missing in\n{screen}");
    }
    terminal.send("m");
    let screen = terminal.wait("the message", |screen| screen.contains("NOTHING ASKED YET"));
    assert!(screen.contains("session 1, message 1") && screen.contains("the first mail"), "{screen}");
    // Apart: what comes with the key that opens the line is taken for a paste.
    terminal.send("/");
    terminal.wait_for("find:");
    terminal.send("listener saw\r");
    terminal.wait_for("what the listener saw");
    terminal.send("3");
    terminal.wait_for("LISTENING");
    terminal.send("l");
    terminal.wait_for("STOPPED");
    // The screen says it at once; the engine hears of it a moment later.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while std::net::TcpStream::connect(&address).is_ok() {
        assert!(std::time::Instant::now() < deadline, "the port is given back");
        std::thread::yield_now();
    }
    terminal.send("q");
    terminal.wait_for("would be lost");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn the_demo_needs_no_sender_to_show_what_a_listener_sees() {
    let terminal = listening();
    terminal.wait_for("m: mxray sends it");
    terminal.send("m");
    terminal.wait("the session", |screen| screen.contains("mxray closed") && screen.contains("1 message"));
    terminal.send("m");
    terminal.wait_for("session 1, message 1");
    terminal.send("q");
    terminal.wait_for("would be lost");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

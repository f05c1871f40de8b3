//! Conversations with mail servers on the screen: watched, held by hand, read from a text.

use std::io::Write;

use super::keeper::keeper;
use super::terminal::Terminal;

#[test]
fn a_whole_smtp_session_is_watched_then_held_by_hand() {
    let terminal = Terminal::smtp_pane(120, 40);
    terminal.send(":");
    terminal.wait_for("Esc close");
    terminal.send("expired.servers.example\r");
    terminal.wait("the verdict of a sender that checks", |screen| {
        screen.contains("WITH MTA-STS") && screen.contains("certificate-expired") && screen.contains("221")
    });
    terminal.send("t");
    terminal.wait_for("expired on");
    terminal.send("v");
    terminal.wait_for("A SENDER REPORTS");
    terminal.send("i");
    terminal.wait("the line, and the banner", |screen| screen.contains("Tab completes") && screen.contains("220"));
    terminal.send("EHLO me.example\r");
    terminal.wait_for("250 STARTTLS");
    terminal.send("STARTTLS\r");
    terminal.wait_for("TLS 1.3");
    terminal.send("AUTH PLAIN c2VjcmV0\r");
    let screen = terminal.wait("the masked secret", |screen| screen.contains("AUTH PLAIN ****"));
    assert!(!screen.contains("c2VjcmV0"), "{screen}");
    terminal.send("QUIT\r");
    terminal.wait_for("has ended");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn several_pasted_lines_go_out_together_by_hand_after_a_question() {
    let (target, kept) = keeper("250-PIPELINING\r\n");
    let terminal = Terminal::start(&[&target, "--dns", "127.0.0.1:9"], 120, 40);
    terminal.wait("the end of the first look", |screen| screen.contains("221") && screen.contains("i type"));
    terminal.send("i");
    terminal.wait("the line", |screen| screen.contains("Tab completes") && screen.contains("220 keeper"));
    terminal.send("EHLO me.example\r");
    terminal.wait_for("250 HELP");
    terminal.paste("MAIL FROM:<ann@me.example>\nRCPT TO:<bob@keeper.example>\nDATA\nSubject: x\n\n..dot\n.\n");
    let screen = terminal.wait_for("say 7 lines?");
    for told in ["PIPELINING is offered", "IN CLEAR TEXT", "C: DATA", "(a message of 3 lines, and its final dot)"] {
        assert!(screen.contains(told), "{told}\n{screen}");
    }
    terminal.send("\x1b");
    terminal.wait_for("nothing of it was said");
    assert!(kept.try_recv().is_err(), "what was not confirmed goes nowhere");
    terminal.paste("MAIL FROM:<ann@me.example>\nRCPT TO:<bob@keeper.example>\nDATA\nSubject: x\n\n..dot\n.\n");
    terminal.wait_for("say 7 lines?");
    terminal.send("\r");
    terminal.wait("the group", |screen| screen.contains("pipelined") && screen.contains("2.0.0 kept"));
    assert_eq!(kept.recv().expect("the message"), b"Subject: x\r\n\r\n..dot\r\n.\r\n", "as it was pasted");
    terminal.send("QUIT\r");
    terminal.wait_for("221 bye");
    terminal.send("\x1b");
    terminal.wait_for("q quit");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_pasted_dialogue_comes_out_annotated_with_its_slips() {
    let terminal = Terminal::start(&["--demo"], 120, 40);
    terminal.wait_for("monsec.example");
    terminal.paste(include_str!("../../assets/demo/transcript.txt"));
    terminal.wait("the slips", |screen| screen.contains("IS IT RIGHT?") && screen.contains("slips"));
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

/// A server whose greeting comes line by line, each when it is asked for: the person watches how fast it is shown.
#[test]
fn a_line_is_on_the_screen_within_a_frame_of_its_arrival() {
    const LINES: usize = 60;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").to_string();
    let terminal = Terminal::start(&[&target, "--dns", "127.0.0.1:9"], 120, 40);
    let (mut server, _) = listener.accept().expect("mxray connects");
    server.set_nodelay(true).expect("a socket");
    let mut took: Vec<f64> = (0..LINES)
        .map(|line| {
            // No cell of a row keeps its letter from one line to the next.
            let letter = char::from(b'a' + u8::try_from(line % 26).expect("a letter"));
            let mark = format!("{}{line}", letter.to_string().repeat(12));
            let begun = std::time::Instant::now();
            server.write_all(format!("220-{mark}\r\n").as_bytes()).expect("mxray reads");
            terminal.wait_for(&mark);
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("line: {:.1} ms in the middle, {:.1} at most, of {LINES} lines", took[LINES / 2], took[LINES - 1]);
    // Each line follows the frame that showed the one before, so it meets the longest wait that there is.
    assert!(took[LINES / 2] < super::terminal::frames(), "{took:?}");
    drop(server);
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn how_to_talk_is_chosen_by_key_and_a_dialogue_that_stops_early_says_so() {
    let terminal = Terminal::smtp_pane(80, 24);
    terminal.send(":");
    terminal.wait_for("Esc close");
    terminal.send("good.servers.example\r");
    terminal.wait("the dialogue as usual", |screen| screen.contains("S=") && screen.contains("as of"));
    terminal.send("h");
    let menu = terminal.wait_for("* where STARTTLS is offered");
    assert!(menu.contains("* IPv4 and IPv6") && menu.contains("* laptop.example"), "{menu}");
    let at = |words: &str| {
        let first = menu.lines().position(|row| row.contains("where STARTTLS")).unwrap();
        menu.lines().position(|row| row.contains(words)).unwrap() - first
    };
    terminal.send(&"j".repeat(at("after EHLO")));
    terminal.wait("the marker on it", |screen| {
        screen.lines().any(|row| row.contains("> QUIT") && row.contains("after EHLO"))
    });
    terminal.send("\r");
    let stopped = terminal.wait("a dialogue that ends after EHLO", |screen| {
        screen.contains("stops after EHLO, TLS not tried") && screen.contains("as of") && screen.contains("221")
    });
    assert!(!stopped.contains("S=") && stopped.contains("QUIT"), "{stopped}");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

//! Messages that a person sends by hand: every byte arrives as it was written, and none before it is confirmed.

use super::keeper::keeper;
use super::terminal::Terminal;

/// Types a transaction up to DATA, and leaves the line.
fn up_to_data(terminal: &Terminal) {
    terminal.wait("the end of the first look", |screen| screen.contains("221") && screen.contains("i type"));
    terminal.send("i");
    terminal.wait("the line", |screen| screen.contains("Tab completes") && screen.contains("220 keeper"));
    for (line, seen) in [
        ("EHLO me.example", "250 HELP"),
        ("MAIL FROM:<ann@me.example>", "MAIL FROM:<ann@me.example>"),
        ("RCPT TO:<bob@keeper.example>", "RCPT TO:<bob@keeper.example>"),
        ("DATA", "354 go"),
    ] {
        terminal.send(&format!("{line}\r"));
        terminal.wait_for(seen);
    }
    terminal.send("\x1b");
    terminal.wait("the keys", |screen| screen.contains("c your editor, m the message") && screen.contains("q quit"));
}

#[test]
fn a_message_written_in_an_editor_arrives_byte_for_byte_and_a_cancelled_one_does_not() {
    let (target, kept) = keeper("250-SIZE 200\r\n");
    let folder = tempfile::tempdir().expect("a folder");
    let editor = folder.path().join("editor");
    // It shows that it has the terminal, waits for a key of the person's, and writes.
    let script = "#!/bin/sh\nprintf 'EDITOR HERE'; [ -f \"$(dirname \"$0\")/key\" ] && printf ' AGAIN'\nread key\n\
        printf '%s' \"$key\" > \"$(dirname \"$0\")/key\"\n\
        printf 'From: ann@me.example\\nDate: x\\n\\n.\\n.dot\\r\\n..two\\ngr\\303\\274n\\nno end' > \"$1\"\n";
    std::fs::write(&editor, script).expect("a script");
    std::process::Command::new("chmod").arg("+x").arg(&editor).status().expect("chmod");
    let editor = editor.display().to_string();
    let terminal = Terminal::start_with(&[&target, "--dns", "127.0.0.1:9"], 120, 40, &[("EDITOR", &editor)]);
    up_to_data(&terminal);
    terminal.send("c");
    terminal.wait_for("EDITOR HERE");
    terminal.send("jqy\r");
    let screen = terminal.wait_for("send this message?");
    for told in ["3 lines that begin", "not offer 8BITMIME", "IN CLEAR TEXT", "to <bob@keeper.example>"] {
        assert!(screen.contains(told), "{told}\n{screen}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("key")).expect("the key"), "jqy", "the editor has the keys");
    terminal.send("\x1b");
    terminal.wait_for("not sent");
    assert!(kept.try_recv().is_err(), "a cancelled message goes nowhere");
    // What was written is there again.
    terminal.send("c");
    terminal.wait_for("EDITOR HERE AGAIN");
    terminal.send("\r");
    terminal.wait_for("send this message?");
    terminal.send("n");
    terminal.wait_for("not sent");
    // And once more, with a line behind it.
    let script = "#!/bin/sh\nprintf '.more\\n' >> \"$1\"\n";
    std::fs::write(folder.path().join("editor"), script).expect("a script");
    terminal.send("c");
    terminal.wait_for("send this message?");
    terminal.send("y");
    terminal.wait_for("250 2.0.0 kept");
    let message = kept.recv_timeout(std::time::Duration::from_secs(10)).expect("a message");
    assert_eq!(
        String::from_utf8_lossy(&message),
        "From: ann@me.example\r\nDate: x\r\n\r\n..\r\n..dot\r\n...two\r\ngrün\r\nno end.more\r\n.\r\n"
    );
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn the_message_of_the_message_pane_arrives_byte_for_byte() {
    let (target, kept) = keeper("250-8BITMIME\r\n");
    let terminal = Terminal::start(&[&target, "--dns", "127.0.0.1:9"], 100, 30);
    up_to_data(&terminal);
    terminal.send("c");
    terminal.wait_for("no editor: set $VISUAL or $EDITOR");
    terminal.paste("From: ann@me.example\nDate: x\nSubject: hi\n\n.hidden\nQUIT\n.\n");
    terminal.wait_for("Subject");
    terminal.send("3");
    terminal.wait_for("m the message of pane 2");
    terminal.send("m");
    terminal.wait_for("send this message?");
    terminal.send("y");
    terminal.wait_for("250 2.0.0 kept");
    let message = kept.recv_timeout(std::time::Duration::from_secs(10)).expect("a message");
    assert_eq!(
        String::from_utf8_lossy(&message),
        "From: ann@me.example\r\nDate: x\r\nSubject: hi\r\n\r\n..hidden\r\nQUIT\r\n..\r\n.\r\n"
    );
    terminal.send("q");
    terminal.wait("the question or the end", |screen| screen.contains("quit?") || screen.is_empty());
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

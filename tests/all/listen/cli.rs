//! `mxray listen` as a script meets it: one JSON line an event, each as the schema has it, until enough messages or a
//! signal end it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::cli::mxray;
use crate::cli::schema::problems;

struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Program {
    fn start(words: &[&str]) -> Program {
        let mut child = mxray(&["listen", "127.0.0.1:0"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let first = event(&mut out).unwrap();
        assert_eq!(first["event"], "listening");
        assert_eq!(first["delivers"], false);
        let address = first["address"].as_str().unwrap().to_owned();
        Program { child, out, address }
    }

    fn rest(mut self) -> (Vec<Value>, i32) {
        let mut events = Vec::new();
        while let Some(event) = event(&mut self.out) {
            events.push(event);
        }
        (events, self.child.wait().unwrap().code().unwrap_or(-1))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The next event, which must be as the schema has it.
fn event(out: &mut impl BufRead) -> Option<Value> {
    let mut line = String::new();
    if out.read_line(&mut line).unwrap() == 0 {
        return None;
    }
    let event: Value = serde_json::from_str(&line).unwrap();
    let schema: Value = serde_json::from_str(mxray::cli::schema()).unwrap();
    let mut rule = schema["$defs"]["listen_event"].clone();
    rule["$defs"] = schema["$defs"].clone();
    let problems = problems(&rule, &event);
    assert!(problems.is_empty(), "{problems:?} in {line}");
    Some(event)
}

/// Says all of it, one line after each reply, and reads to the end.
fn send(address: &str, lines: &[&str]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    let mut replies = BufReader::new(socket.try_clone().unwrap());
    let mut heard = String::new();
    for line in std::iter::once(&"").chain(lines) {
        if !line.is_empty() {
            socket.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        }
        loop {
            let mut reply = String::new();
            assert!(replies.read_line(&mut reply).unwrap() > 0, "closed after {line}: {heard}");
            heard.push_str(&reply);
            if reply.as_bytes().get(3) == Some(&b' ') {
                break;
            }
        }
    }
    replies.read_to_string(&mut heard).ok();
    heard
}

const MAIL: [&str; 6] = [
    "EHLO mx.example.org",
    "MAIL FROM:<a@example.org>",
    "RCPT TO:<b@example.com>",
    "DATA",
    "Subject: \u{1b}[2J\r\n\r\n..dot\r\n.",
    "QUIT",
];

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn a_mail_is_told_event_by_event_saved_for_its_owner_and_ends_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("mail");
    let program = Program::start(&["--messages", "1", "--save", into.to_str().unwrap()]);
    send(&program.address, &MAIL);
    let (events, status) = program.rest();
    assert_eq!(status, 0);
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let order = ["connected", "line", "envelope", "message", "verdict", "closed", "ended"];
    let places: Vec<usize> = order.iter().map(|kind| kinds.iter().position(|one| one == kind).unwrap()).collect();
    assert!(places.is_sorted(), "{kinds:?}");
    let envelope = of(&events, "envelope")[0];
    assert_eq!((&envelope["client_ip"], &envelope["helo"]), (&"127.0.0.1".into(), &"mx.example.org".into()));
    assert_eq!((&envelope["mail_from"], &envelope["tls"]), (&"a@example.org".into(), &Value::Null));
    assert_eq!(envelope["rcpt_to"], serde_json::json!(["b@example.com"]));
    assert_eq!(of(&events, "verdict")[0]["code"], 250);
    let file = std::path::PathBuf::from(of(&events, "message")[0]["file"].as_str().unwrap());
    assert_eq!(std::fs::read(&file).unwrap(), b"Subject: \x1b[2J\r\n\r\n.dot\r\n");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let lines = of(&events, "line");
    assert!(lines.iter().all(|line| line["tls"] == false && line["explain"].is_string()));
    assert!(lines.iter().any(|line| line["from"] == "client" && line["text"] == "RCPT TO:<b@example.com>"));
    assert_eq!(of(&events, "finding")[0]["id"], "listen.sent-in-clear");
    let ended = of(&events, "ended")[0];
    assert_eq!((&ended["reason"], &ended["messages"]), (&"messages".into(), &1.into()));
}

#[test]
fn a_person_reads_lines_that_can_be_pasted_again() {
    let mut child = mxray(&["listen", "127.0.0.1:0", "--format", "text", "--messages", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let address = first.strip_prefix("listening on ").and_then(|rest| rest.split(',').next()).unwrap();
    assert!(first.contains("answering: accept; nothing is delivered"), "{first}");
    send(address, &MAIL);
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("# session 1 of 127.0.0.1:"), "{text}");
    let told = "message 1: 23 bytes from <a@example.org> to <b@example.com>, answered 250";
    for said in ["| C   | MAIL FROM:<a@example.org>  | ", told, "although STARTTLS was offered"] {
        assert_eq!(text.matches(said).count(), 1, "{said} in\n{text}");
    }
    assert_eq!(lines.last(), Some(&"ended, as many messages came as were wanted: 1 session, 1 message; worst: note"));
    assert!(!text.chars().any(|c| c != '\n' && mxray::untrusted::is_hidden(c)), "{text}");
    let again = mxray::smtp::import::import(&text).unwrap();
    let verbs: Vec<_> =
        mxray::smtp::session::Session::read(&again.transcript).exchanges.iter().map(|e| e.verb).collect();
    assert!(verbs.ends_with(&[mxray::smtp::session::Verb::Message, mxray::smtp::session::Verb::Quit]), "{verbs:?}");
}

#[test]
fn a_signal_ends_it_cleanly() {
    for signal in ["INT", "TERM"] {
        let program = Program::start(&[]);
        let socket = TcpStream::connect(&program.address).unwrap();
        let id = program.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let (events, status) = program.rest();
        assert_eq!((status, &events.last().unwrap()["reason"]), (0, &"signal".into()), "SIG{signal}");
        drop(socket);
    }
}

#[test]
fn what_was_taken_just_before_a_signal_is_told() {
    let program = Program::start(&[]);
    send(&program.address, &MAIL);
    let id = program.child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    let (events, _) = program.rest();
    assert_eq!((of(&events, "verdict").len(), &events.last().unwrap()["messages"]), (1, &1.into()), "{events:?}");
}

#[test]
fn the_chosen_reply_is_given_and_a_finding_can_fail_the_run() {
    let program = Program::start(&["--reply", "message=550 5.7.1 no, thanks", "--messages", "1", "--fail-on", "error"]);
    let smuggled = ["Subject: x\r\n\r\nx\n.\nMAIL FROM:<evil@example.org>\r\n."];
    let lines: Vec<&str> = MAIL[..4].iter().chain(&smuggled).chain(&["QUIT"]).copied().collect();
    let heard = send(&program.address, &lines);
    assert!(heard.contains("550 5.7.1 no, thanks"), "{heard}");
    let (events, status) = program.rest();
    assert_eq!(status, 1);
    assert_eq!(of(&events, "verdict")[0]["accepted"], false);
    assert!(of(&events, "finding").iter().any(|finding| finding["id"] == "listen.smuggling"));
}

#[test]
fn secrets_stand_masked_in_every_event() {
    let program = Program::start(&["--messages", "1"]);
    let login = ["EHLO mx.example.org", "AUTH PLAIN AGFubgBodW50ZXIy"];
    let lines: Vec<&str> = login.iter().chain(&MAIL[1..]).copied().collect();
    send(&program.address, &lines);
    let (events, _) = program.rest();
    let all = format!("{events:?}");
    assert!(!all.contains("AGFubgBodW50ZXIy") && all.contains("AUTH PLAIN ********"), "{all}");
    assert!(of(&events, "finding").iter().any(|finding| finding["id"] == "listen.credentials-in-clear"));
}

#[test]
fn what_cannot_be_is_one_line_and_its_exit_status() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = busy.local_addr().unwrap().to_string();
    for (words, status, says) in [
        (vec!["listen", taken.as_str()], 3, "another program"),
        (vec!["listen", "mail.example.org:25"], 2, "ADDR:PORT"),
        (vec!["listen", "--reply", "lunch"], 2, "--reply lunch"),
        (vec!["listen", "--messages", "0"], 2, "0"),
        (vec!["listen", "127.0.0.1:0", "--save", "/no/such/folder/mail"], 3, "/no/such/folder"),
    ] {
        let ended = mxray(&words).output().unwrap();
        let complaint = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(status), "{words:?}: {complaint}");
        assert!(complaint.contains(says) && complaint.lines().count() == 1, "{words:?}: {complaint}");
        assert!(ended.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn an_address_that_others_reach_is_warned_of() {
    let mut child = mxray(&["listen", "0.0.0.0:0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let first = event(&mut BufReader::new(child.stdout.take().unwrap())).unwrap();
    assert_eq!(first["loopback_only"], false);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut warned = String::new();
    child.stderr.take().unwrap().read_to_string(&mut warned).unwrap();
    assert!(warned.contains("warning: 0.0.0.0:0 is not only this machine's"), "{warned}");
}

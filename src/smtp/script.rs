//! Several lines of SMTP at once, by hand: what is a command, an answer to AUTH or a message, and what may go out together
//! (command pipelining, RFC 2920). Each part is said when it makes sense to the server: a message never becomes commands,
//! and a password is never said to a server that did not ask for it. Not here: the chunks of BDAT (RFC 3030).

use std::collections::VecDeque;

use crate::check::Transcript;
use crate::smtp::dot;
use crate::smtp::session::{Exchange, Session, Verb};
use crate::smtp::typed;

/// Most commands of one script.
const MAX_COMMANDS: usize = 200;
/// Most bytes of one script, its messages included.
pub const MAX_BYTES: usize = 1 << 20;

/// How the lines go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As a polite client: in groups, where the server offered PIPELINING, else one by one.
    #[default]
    Polite,
    /// Each line when the reply to the one before has come.
    Replies,
    /// All in one write, whatever the server says: a test of it.
    AtOnce,
}

/// One part of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Command(Vec<u8>),
    /// Part of a login: never shown, never kept.
    Answer(Vec<u8>),
    /// Its lines as they came, the final dot left out.
    Message(Vec<Vec<u8>>),
}

/// What goes out next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These lines, in one write; CR LF is the engine's to add.
    Lines(Vec<Vec<u8>>),
    /// A message as it goes on the wire, the final dot included.
    Message(Vec<u8>),
    /// Nothing: what is left out, and why.
    Withheld(String),
}

/// Lines that were pasted into a dialogue, and how they go out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    parts: VecDeque<Part>,
    /// How they go out.
    pub pace: Pace,
    /// Whether the text ended within a message.
    unended: bool,
    /// Whether its own STARTTLS has gone out.
    encrypts: bool,
}

impl Script {
    /// Reads a text against the dialogue that it is for. `None` when it is longer than a person pastes into a dialogue.
    pub fn read(text: &str, transcript: &Transcript) -> Option<Script> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let mut parts: VecDeque<Part> = VecDeque::new();
        let mut logs_in = typed::awaits_secret(transcript);
        let mut message: Option<Vec<Vec<u8>>> = None;
        // A terminal pastes line ends as CR.
        for line in text.replace("\r\n", "\n").split(['\r', '\n']).map(str::as_bytes) {
            if let Some(lines) = &mut message {
                if line == b"." {
                    parts.extend(message.take().map(Part::Message));
                } else {
                    lines.push(line.to_vec());
                }
                continue;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let verb = Verb::parse(line);
            if logs_in && verb == Verb::Other {
                parts.push_back(Part::Answer(line.to_vec()));
            } else {
                logs_in = verb == Verb::Auth;
                message = (verb == Verb::Data).then(Vec::new);
                parts.push_back(Part::Command(line.to_vec()));
            }
        }
        // The line end of the paste is no line; nor is DATA alone the beginning of a message.
        let mut rest = message.unwrap_or_default();
        while rest.pop_if(|last| last.is_empty()).is_some() {}
        // Behind a DATA that is tried for its refusal come commands.
        let unended = !rest.iter().all(|line| Verb::parse(line) != Verb::Other);
        if unended {
            parts.push_back(Part::Message(rest));
        } else {
            parts.extend(rest.into_iter().map(Part::Command));
        }
        (parts.len() <= MAX_COMMANDS).then_some(Script { parts, unended, ..Script::default() })
    }

    /// Whether one of its lines is a command that SMTP knows.
    pub fn is_smtp(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Command(line) => Verb::parse(line) != Verb::Other,
            Part::Answer(_) => true,
            Part::Message(_) => false,
        })
    }

    /// Whether something stands behind a STARTTLS of its own: at once, it goes out in the clear.
    pub fn relies_on_starttls(&self) -> bool {
        let starts = |part: &Part| matches!(part, Part::Command(line) if Verb::parse(line) == Verb::StartTls);
        self.parts.iter().position(starts).is_some_and(|at| at + 1 < self.parts.len())
    }

    /// The same, to go out like this.
    pub fn at(&self, pace: Pace) -> Script {
        Script { pace, ..self.clone() }
    }

    /// Appends another one; the rest of both goes out at its pace.
    pub fn append(&mut self, other: Script) {
        (self.pace, self.encrypts) = (other.pace, self.encrypts && !self.is_empty());
        self.parts.extend(other.parts);
    }

    /// How many lines go out, those of its messages and their final dots included.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::lines).sum()
    }

    /// Whether nothing is left to say.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Its lines as they may be shown, a message in a few words.
    pub fn shown(&self) -> Vec<String> {
        let mut mask = crate::smtp::mask::Mask::default();
        let line = |line: &[u8]| crate::untrusted::lossless(line).into_owned();
        let parts = self.parts.iter().map(|part| match part {
            Part::Command(command) => line(&mask.sent(command).0),
            Part::Answer(_) => line(crate::smtp::mask::MASK),
            Part::Message(lines) if lines.len() == 1 => "(a message of 1 line, and its final dot)".to_owned(),
            Part::Message(lines) => format!("(a message of {} lines, and its final dot)", lines.len()),
        });
        parts.collect()
    }

    /// Its commands that hold no secret: what the history keeps.
    pub fn kept(&self) -> Vec<String> {
        let open = self.parts.iter().filter_map(|part| match part {
            Part::Command(line) if Verb::parse(line) != Verb::Auth => Some(crate::untrusted::lossless(line)),
            Part::Command(_) | Part::Answer(_) | Part::Message(_) => None,
        });
        open.map(std::borrow::Cow::into_owned).collect()
    }

    /// What the person should know before anything goes out.
    pub fn warnings(&self, transcript: &Transcript) -> Vec<String> {
        let session = Session::read(transcript);
        let (mut tls, mut warnings) = (session.tls.is_some(), Vec::new());
        for part in &self.parts {
            match part {
                Part::Command(line) => match Verb::parse(line) {
                    Verb::StartTls => tls = true,
                    Verb::Auth if !tls => warnings.push("The login goes out IN CLEAR TEXT.".to_owned()),
                    _ => {}
                },
                Part::Answer(_) => {}
                Part::Message(_) => {
                    let channel = if tls { "inside TLS" } else { "IN CLEAR TEXT" };
                    warnings.push(format!("The message is really sent, {channel}, and the server may deliver it."));
                }
            }
        }
        if self.unended {
            warnings.push("The message has no final dot; one is added.".to_owned());
        }
        warnings.dedup();
        warnings
    }

    /// What goes out next; `None` while the server is to be waited for, and at the end.
    pub fn next(&mut self, transcript: &Transcript) -> Option<Step> {
        let first = self.parts.front()?;
        let session = Session::read(transcript);
        if self.pace == Pace::AtOnce {
            return Some(Step::Lines(self.parts.drain(..).flat_map(Part::into_lines).collect()));
        }
        if session.waiting().is_some() {
            return None;
        }
        let leaves = |last: &Exchange| last.verb == Verb::Quit || last.reply.code() == Some(421);
        if session.exchanges.last().is_some_and(leaves) {
            return self.withhold_all("the server closes");
        }
        // Nobody who wrote STARTTLS wants the rest said in clear text.
        if self.encrypts && session.tls.is_none() {
            return self.withhold_all("STARTTLS was refused, and they would go out in clear text");
        }
        match first {
            Part::Answer(_) if !typed::awaits_secret(transcript) => {
                let end = self.parts.iter().position(|part| !matches!(part, Part::Answer(_)));
                let parts = self.parts.drain(..end.unwrap_or(self.parts.len())).count();
                Some(Step::Withheld(counted(parts, "part of the login", "parts of the login", "nobody asked for it")))
            }
            Part::Message(_) if !typed::awaits_message(transcript) => {
                let lines = self.parts.pop_front().map_or(0, |part| part.lines());
                Some(Step::Withheld(counted(lines, "line of the message", "lines of the message", "DATA was refused")))
            }
            Part::Message(_) => match self.parts.pop_front() {
                Some(Part::Message(lines)) => Some(Step::Message(on_wire(&lines))),
                _ => None,
            },
            Part::Answer(_) => self.parts.pop_front().map(|part| Step::Lines(part.into_lines())),
            Part::Command(_) => Some(Step::Lines(self.group(&session))),
        }
    }

    /// The next command; where the server offered PIPELINING, those behind it that may go with it.
    fn group(&mut self, session: &Session<'_>) -> Vec<Vec<u8>> {
        let pipelined = self.pace == Pace::Polite && session.offers(session.tls.is_some(), "PIPELINING");
        let mut lines = Vec::new();
        while let Some(Part::Command(line)) = self.parts.pop_front_if(|part| matches!(part, Part::Command(_))) {
            let ends = !pipelined || Verb::parse(&line).ends_group();
            self.encrypts |= Verb::parse(&line) == Verb::StartTls;
            lines.push(line);
            if ends {
                break;
            }
        }
        lines
    }

    /// What was not said before the connection ended.
    pub fn withheld_at_end(&mut self) -> Option<Step> {
        self.withhold_all("the connection had ended")
    }

    fn withhold_all(&mut self, why: &str) -> Option<Step> {
        let lines: usize = self.parts.drain(..).map(|part| part.lines()).sum();
        (lines > 0).then(|| Step::Withheld(counted(lines, "line", "lines", why)))
    }
}

impl Part {
    fn lines(&self) -> usize {
        match self {
            Part::Command(_) | Part::Answer(_) => 1,
            Part::Message(lines) => lines.len() + 1,
        }
    }

    fn into_lines(self) -> Vec<Vec<u8>> {
        match self {
            Part::Command(line) | Part::Answer(line) => vec![line],
            Part::Message(mut lines) => {
                lines.push(b".".to_vec());
                lines
            }
        }
    }
}

/// A pasted message as a message: what the final dot ends, the dots taken away that its lines got for the wire. `None` when
/// the text does not end with a dot alone, and so is a message already.
pub fn message_of(text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let body = text.trim_end_matches('\n').strip_suffix("\n.")?;
    let lines = body.split('\n').filter_map(|line| dot::unstuffed(line.as_bytes()));
    Some(lines.flat_map(|line| [line, b"\r\n"].concat()).collect())
}

fn on_wire(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut wire: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\r\n"].concat()).collect();
    wire.extend_from_slice(b".\r\n");
    wire
}

fn counted(count: usize, one: &str, many: &str, why: &str) -> String {
    if count == 1 { format!("1 {one} not sent: {why}") } else { format!("{count} {many} not sent: {why}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::session::tests::transcript;

    const GREETED: &str = "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 PIPELINING";
    const ALONE: &str = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 mail";
    const MESSAGE: &str = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n";

    /// The steps of a script as lines of text, against a server that answers each command of a group with the next replies.
    fn run(text: &str, pace: Pace, so_far: &str, replies: &[&str]) -> Vec<String> {
        let mut dialogue = so_far.to_owned();
        let mut script = Script::read(text, &transcript(so_far)).unwrap().at(pace);
        let (mut steps, mut replies) = (Vec::new(), replies.iter());
        while let Some(step) = script.next(&transcript(&dialogue)) {
            let lines = match &step {
                Step::Lines(lines) => lines.iter().map(|line| String::from_utf8(line.clone()).unwrap()).collect(),
                Step::Message(wire) => vec![String::from_utf8(wire.clone()).unwrap(), ".".into()],
                Step::Withheld(_) => Vec::new(),
            };
            steps.push(match step {
                Step::Lines(_) => lines.join("|"),
                Step::Message(wire) => format!("{:?}", String::from_utf8(wire).unwrap()),
                Step::Withheld(what) => what,
            });
            for line in lines.iter().filter(|line| !line.contains('\n')) {
                dialogue.push_str(&format!("\nC: {line}"));
            }
            for _ in &lines {
                dialogue.extend(replies.next().map(|reply| format!("\nS: {reply}")));
            }
        }
        steps
    }

    #[test]
    fn a_polite_client_sends_groups_where_pipelining_was_offered() {
        let ok = ["250 ok", "250 ok", "354 go", "250 kept", "", "221 bye"];
        let steps = run(MESSAGE, Pace::Polite, GREETED, &ok);
        assert_eq!(steps[0], "MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA");
        assert_eq!(steps[1], "\"Subject: x\\r\\n\\r\\n..dot\\r\\n.\\r\\n\"", "as it was pasted, dots and all");
        let steps = run(MESSAGE, Pace::Polite, ALONE, &ok);
        assert_eq!(steps[..3], ["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"]);
        assert_eq!(run(MESSAGE, Pace::Replies, GREETED, &ok)[..3], steps[..3]);
        let at_once = run(MESSAGE, Pace::AtOnce, ALONE, &[]);
        assert_eq!(at_once, ["MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|Subject: x||..dot|.|QUIT"]);
    }

    #[test]
    fn what_is_offered_by_a_greeting_of_the_script_itself_counts() {
        let steps = run(
            "EHLO me\nRSET\nMAIL FROM:<>\nNOOP\nNOOP",
            Pace::Polite,
            "*connect\nS: 220 hi",
            &["250-mail\nS: 250 PIPELINING", "250 ok", "250 ok", "250 ok", "250 ok"],
        );
        assert_eq!(steps, ["EHLO me", "RSET|MAIL FROM:<>|NOOP", "NOOP"]);
    }

    #[test]
    fn a_message_never_becomes_commands() {
        let steps = run(MESSAGE, Pace::Polite, GREETED, &["250 ok", "550 no", "554 no", "221 bye"]);
        assert_eq!(steps[1..], ["4 lines of the message not sent: DATA was refused", "QUIT"]);
    }

    #[test]
    fn a_password_is_said_only_to_a_server_that_asks() {
        let login = "AUTH LOGIN\ndXNlcg==\ncGFzcw==\nNOOP";
        let steps = run(login, Pace::Polite, ALONE, &["334 a", "334 b", "235 in", "250 ok"]);
        assert_eq!(steps, ["AUTH LOGIN", "dXNlcg==", "cGFzcw==", "NOOP"]);
        let steps = run(login, Pace::Polite, ALONE, &["504 what", "250 ok"]);
        assert_eq!(steps, ["AUTH LOGIN", "2 parts of the login not sent: nobody asked for it", "NOOP"]);
        let script = Script::read(login, &transcript(ALONE)).unwrap();
        assert_eq!(script.shown(), ["AUTH LOGIN", "********", "********", "NOOP"]);
        assert_eq!(script.kept(), ["NOOP"]);
        assert_eq!(script.warnings(&transcript(ALONE)), ["The login goes out IN CLEAR TEXT."]);
        let asked = format!("{ALONE}\nC: AUTH PLAIN\nS: 334 ");
        assert_eq!(Script::read("c2VjcmV0\nNOOP", &transcript(&asked)).unwrap().shown(), ["********", "NOOP"]);
    }

    #[test]
    fn nothing_goes_out_in_the_clear_after_a_starttls_that_was_refused() {
        let steps = run("STARTTLS\nEHLO me\nAUTH PLAIN AGEAYg==\n", Pace::Polite, GREETED, &["454 not now"]);
        assert_eq!(steps, ["STARTTLS", "2 lines not sent: STARTTLS was refused, and they would go out in clear text"]);
        let told = format!("{GREETED}\nC: STARTTLS\nS: 454 not now");
        assert_eq!(
            run("NOOP\n", Pace::Polite, &told, &["250 ok"]),
            ["NOOP"],
            "who pastes after the refusal has seen it"
        );
    }

    #[test]
    fn data_alone_is_no_message_and_a_missing_dot_is_told() {
        let told = |text| {
            let script = Script::read(text, &transcript(GREETED)).unwrap();
            (script.shown(), script.warnings(&transcript(GREETED)))
        };
        assert_eq!(told("DATA\r").0, ["DATA"]);
        assert_eq!(told("DATA\nQUIT\n"), (vec!["DATA".into(), "QUIT".into()], vec![]));
        let (shown, warnings) = told("DATA\nhello\n\n");
        assert_eq!(shown, ["DATA", "(a message of 1 line, and its final dot)"]);
        assert!(warnings[0].contains("IN CLEAR TEXT") && warnings[1].contains("no final dot"), "{warnings:?}");
    }

    #[test]
    fn what_is_no_smtp_and_what_is_too_long_is_told_apart() {
        let read = |text: &str| Script::read(text, &transcript(GREETED));
        assert!(!read("From: a@b\nSubject: x\n\nhello").unwrap().is_smtp());
        assert!(read("NOOP\nxyzzy").unwrap().is_smtp());
        assert!(read(&"NOOP\n".repeat(MAX_COMMANDS + 1)).is_none());
        assert!(read(&"x".repeat(MAX_BYTES + 1)).is_none());
    }

    proptest! {
        /// Whatever is pasted and whatever the server says, each line goes out once or is withheld, and no secret is shown.
        #[test]
        fn every_line_goes_out_once_or_is_withheld(
            lines in prop::collection::vec("(NOOP|AUTH LOGIN|c2VjcmV0|DATA|STARTTLS|MAIL FROM:<>|RCPT TO:<a>|[.]|.{0,9})", 0..20),
            replies in prop::collection::vec("(250 ok|334 |354 go|550 no|220 go|421 bye)", 0..40),
            pace in prop::sample::select(vec![Pace::Polite, Pace::Replies, Pace::AtOnce]),
        ) {
            let text = lines.join("\n");
            let mut script = Script::read(&text, &transcript(GREETED)).unwrap().at(pace);
            let all = script.len();
            let hidden = |(shown, part): (&String, &Part)| !matches!(part, Part::Answer(_)) || shown == "********";
            prop_assert!(script.shown().iter().zip(&script.parts).all(hidden));
            let (mut dialogue, mut said, mut replies) = (GREETED.to_owned(), 0, replies.iter());
            loop {
                let before = script.len();
                match script.next(&transcript(&dialogue)) {
                    Some(Step::Lines(lines)) => {
                        for line in &lines {
                            dialogue.push_str(&format!("\nC: {}", String::from_utf8_lossy(line).replace(['\n', '\r'], "")));
                        }
                    }
                    Some(Step::Message(_)) => dialogue.push_str("\nC: ."),
                    Some(Step::Withheld(_)) => {}
                    None => match replies.next() {
                        Some(reply) if !script.is_empty() => dialogue.push_str(&format!("\nS: {reply}")),
                        _ => break,
                    },
                }
                said += before - script.len();
            }
            let rest = script.len();
            script.withheld_at_end();
            prop_assert!(script.is_empty() && said + rest == all);
        }
    }

    #[test]
    fn a_pasted_message_with_its_dots_is_the_message_without_them() {
        assert_eq!(message_of("Subject: x\r\r..a\r.\r").unwrap(), b"Subject: x\r\n\r\n.a\r\n");
        assert_eq!(message_of("Subject: x\n\n.a\n"), None);
    }
}

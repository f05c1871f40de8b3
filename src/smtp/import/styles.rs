//! Who says a line, in the styles that people paste: notes with `S:` and `C:`, swaks, curl, msmtp, PHPMailer, Python's
//! smtplib, Postfix's and Exim's logs and transcripts, our own exports, and dialogues without any mark (telnet, Wireshark's
//! "follow stream", `openssl s_client`). A style is known by its marks; nothing is guessed from prose.

use crate::smtp::reply::ReplyLine;
use crate::smtp::session::Verb;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The client, in the clear or (as far as the text says) inside TLS.
    Client { inside: bool },
    /// The server.
    Server { inside: bool },
}

const CLIENT: Speaker = Speaker::Client { inside: false };
const SERVER: Speaker = Speaker::Server { inside: false };

/// What a whole text shows of its style before its lines are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// `<` and `>` are who speaks (curl -v), and no quotation marks of a mail.
    has_angles: bool,
    /// `S:` is the sender and `R:` the receiver (RFC 821).
    has_receiver: bool,
    /// A dot stands alone in a line, which ends a message.
    pub(super) has_dot: bool,
}

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) who: Speaker,
    pub(super) words: String,
    /// Whether a mark said who speaks; else the words themselves had to.
    pub(super) marked: bool,
}

impl Said {
    fn new(who: Speaker, words: impl Into<String>) -> Said {
        Said { who, words: words.into(), marked: true }
    }
}

impl Style {
    /// Looks the text over.
    pub(super) fn of(text: &str) -> Style {
        let has = |mark: &str| text.lines().any(|line| line.strip_prefix(mark).is_some_and(is_reply));
        Style {
            has_angles: has("< "),
            has_receiver: has("R: "),
            has_dot: text.lines().any(|line| line.trim_end() == "."),
        }
    }

    /// What a line says; nothing when it is no part of a dialogue.
    pub(super) fn said(self, line: &str) -> Vec<Said> {
        let line = line.trim_start();
        if let Some((who, rest)) = self.marked(line) {
            return vec![Said::new(who, rest.strip_prefix(' ').unwrap_or(rest))];
        }
        if let Some(said) = smtplib(line) {
            return said;
        }
        let one = export(line).or_else(|| postfix_peer(line)).or_else(|| prefixed(line));
        if let Some(said) = one {
            return vec![said];
        }
        let bounced = bounced(line);
        if !bounced.is_empty() {
            return bounced;
        }
        bare(line).into_iter().map(|who| Said { who, words: line.to_owned(), marked: false }).collect()
    }

    fn marked(self, line: &str) -> Option<(Speaker, &str)> {
        use Speaker::{Client, Server};
        const MARKS: [(&str, Speaker); 27] = [
            // Ours, and notes.
            ("C=|", Client { inside: true }),
            ("S=|", Server { inside: true }),
            ("C=:", Client { inside: true }),
            ("S=:", Server { inside: true }),
            ("C:", CLIENT),
            ("S:", SERVER),
            ("C |", CLIENT),
            ("S |", SERVER),
            ("Client:", CLIENT),
            ("Server:", SERVER),
            // swaks: `*` stands where a reply was an error.
            ("<**", SERVER),
            ("<~*", Server { inside: true }),
            ("->", CLIENT),
            ("~>", Client { inside: true }),
            ("<-- ", SERVER),
            ("<-", SERVER),
            ("<~", Server { inside: true }),
            // msmtp -d
            ("--> ", CLIENT),
            // Exim: exim -v and its debug output, `|` and `+` being pipelined lines.
            ("SMTP<<", SERVER),
            ("SMTP>>", CLIENT),
            ("SMTP|>", CLIENT),
            ("SMTP+>", CLIENT),
            // PHPMailer
            ("SERVER -> CLIENT:", SERVER),
            ("CLIENT -> SERVER:", CLIENT),
            // Postfix's transcript for the postmaster, as the server sees it.
            ("Out:", SERVER),
            ("In:  ", CLIENT),
            ("In:", CLIENT),
        ];
        if self.has_receiver {
            let sender = line.strip_prefix("S: ").map(|rest| (CLIENT, rest));
            if let Some(said) = line.strip_prefix("R: ").map(|rest| (SERVER, rest)).or(sender) {
                return Some(said);
            }
        }
        if self.has_angles {
            let reply = line.strip_prefix("< ").map(|rest| (SERVER, rest));
            if let Some(said) = reply.or_else(|| line.strip_prefix("> ").map(|rest| (CLIENT, rest))) {
                return Some(said);
            }
        }
        MARKS.iter().find_map(|(mark, who)| Some((*who, line.strip_prefix(mark)?)))
    }
}

/// Whether a line is a reply by its looks.
pub(super) fn is_reply(line: &str) -> bool {
    let reply = ReplyLine::parse(line.as_bytes());
    reply.code.is_some() && reply.problem.is_none()
}

/// Without any mark the words must say who speaks.
fn bare(line: &str) -> Option<Speaker> {
    if is_reply(line) {
        return Some(SERVER);
    }
    (Verb::parse(line.as_bytes()) != Verb::Other).then_some(CLIENT)
}

/// Our own text export: `  12 | S  | 220 hello  | ...`.
fn export(line: &str) -> Option<Said> {
    let mut columns = line.splitn(3, '|');
    let (at, who, rest) = (columns.next()?, columns.next()?, columns.next()?);
    at.trim().parse::<f64>().ok()?;
    let words = rest.split("  |").next().unwrap_or(rest).trim();
    let who = match who.trim() {
        "C" => CLIENT,
        "C=" => Speaker::Client { inside: true },
        "S" => SERVER,
        "S=" => Speaker::Server { inside: true },
        _ => return None,
    };
    Some(Said::new(who, words))
}

/// Postfix with `debug_peer_list` or `-v`: `postfix/smtpd[42]: < host[192.0.2.1]: EHLO me`. The arrow is Postfix's own point of
/// view, as server or as client, so the words say who speaks.
fn postfix_peer(line: &str) -> Option<Said> {
    let (before, rest) = line.split_once("]: < ").or_else(|| line.split_once("]: > "))?;
    before.contains("postfix").then_some(())?;
    let (_, words) = rest.split_once("]: ").or_else(|| rest.split_once("]:25: "))?;
    let is_server = before.contains("/smtpd[") == line.contains("]: > ");
    Some(Said::new(if is_server { SERVER } else { CLIENT }, words))
}

/// A log line with a mark behind its time and its program: `[2026-11-24 10:00:00] DEBUG S: 220 hello` (nodemailer, Thunderbird's
/// console, PHPMailer with times). What stands behind the mark must look its part.
fn prefixed(line: &str) -> Option<Said> {
    for (mark, who) in [
        ("SERVER -> CLIENT: ", SERVER),
        ("CLIENT -> SERVER: ", CLIENT),
        (" SMTP<< ", SERVER),
        (" SMTP>> ", CLIENT),
        (" S: ", SERVER),
        (" C: ", CLIENT),
    ] {
        // A header of a mail ("Subject: S: 220") is no log.
        if let Some((before, words)) = line.split_once(mark)
            && (before.contains(|c: char| c.is_ascii_digit()) || before.contains("smtp"))
            && bare(words) == Some(who)
        {
            return Some(Said::new(who, words));
        }
    }
    None
}

/// Python's smtplib with its debug level: `send: 'ehlo me\r\n'`, `reply: b'250-mail\r\n'`.
fn smtplib(line: &str) -> Option<Vec<Said>> {
    let (who, rest) = match (line.strip_prefix("send: "), line.strip_prefix("reply: ")) {
        (Some(rest), _) => (CLIENT, rest),
        (_, Some(rest)) if rest.starts_with("retcode") => return Some(Vec::new()),
        (_, Some(rest)) => (SERVER, rest),
        _ => return None,
    };
    let rest = rest.trim().trim_start_matches('b');
    let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let inside = rest.strip_prefix(quote)?.strip_suffix(quote)?;
    let text = inside.replace("\\r\\n", "\n").replace("\\'", "'").replace("\\\"", "\"").replace("\\t", "\t");
    Some(text.trim_end_matches('\n').split('\n').map(|words| Said::new(who, words.replace("\\\\", "\\"))).collect())
}

/// A bounce in a log, as one command and its reply: Postfix's `said: 550 5.1.1 no (in reply to RCPT TO command)`, Exim's `SMTP
/// error from remote mail server after RCPT TO:<a@b>: 550 no`.
fn bounced(line: &str) -> Vec<Said> {
    let told = postfix_bounce(line).or_else(|| exim_bounce(line));
    let Some((command, words)) = told else { return Vec::new() };
    let client = command.map(|command| Said::new(CLIENT, command));
    client.into_iter().chain(lines_of(words).into_iter().map(|line| Said::new(SERVER, line))).collect()
}

fn postfix_bounce(line: &str) -> Option<(Option<String>, &str)> {
    let (_, said) = line.split_once(" said: ")?;
    let (words, asked) = said.rsplit_once(" (in reply to ")?;
    is_reply(words).then_some(())?;
    let asked = asked.trim_end_matches([')', ' ']).trim_end_matches(" command");
    // What the recipient was stands before it in the same line.
    let to = line.split_once(" to=<").and_then(|(_, rest)| rest.split_once('>')).map(|(to, _)| to);
    Some((
        match (asked, to) {
            ("end of DATA", _) => None,
            ("RCPT TO", Some(to)) => Some(format!("RCPT TO:<{to}>")),
            (asked, _) => Some(asked.to_owned()),
        },
        words,
    ))
}

fn exim_bounce(line: &str) -> Option<(Option<String>, &str)> {
    let (_, after) = line.split_once("SMTP error from remote mail server after ")?;
    // The command may hold colons itself: the reply begins at the first that a code follows.
    let at = after.match_indices(": ").map(|(at, _)| at).find(|at| after.get(at + 2..).is_some_and(is_reply))?;
    let (command, words) = (after.get(..at)?, after.get(at + 2..)?);
    let command = command.trim_start_matches("initial ").trim_start_matches("pipelined ");
    Some(((Verb::parse(command.as_bytes()) != Verb::Other).then(|| command.to_owned()), words))
}

/// A reply of several lines that a log has put into one: `550-5.7.26 This mail 550-5.7.26 is blocked 550 5.7.26 gsmtp`.
fn lines_of(words: &str) -> Vec<String> {
    let words = words.replace("\\n", " ");
    let Some(code) = words.get(..3).filter(|_| words.get(3..4) == Some("-")) else { return vec![words] };
    let (more, last) = (format!(" {code}-"), format!(" {code} "));
    let mut starts = vec![0];
    starts.extend(words.match_indices(more.as_str()).map(|(at, _)| at + 1));
    starts.extend(words.rmatch_indices(last.as_str()).map(|(at, _)| at + 1).next());
    starts.push(words.len());
    starts.windows(2).filter_map(|ends| Some(words.get(*ends.first()?..*ends.last()?)?.trim().to_owned())).collect()
}

/// Whether a text that begins with this line may be a dialogue, and is no message: what decides where a paste goes.
pub fn begins(first: &str) -> bool {
    const BEFORE: [&str; 9] =
        ["=== ", "*** ", "* ", "# ", "{", "Trying ", "Connected to ", "CONNECTED(", "Transcript of session follows"];
    let first = first.trim_start();
    let says = || Style::of(first).said(first).iter().any(|said| said.marked || is_reply(&said.words));
    BEFORE.iter().any(|mark| first.starts_with(mark)) || says()
}

/// Whether a line of a text says that TLS came to nothing.
pub(super) fn fails_tls(line: &str) -> bool {
    ["TLS startup failed", "handshake fail", "SSL_connect error", "SSL_accept error"]
        .iter()
        .any(|words| line.contains(words))
}

/// Whether a line of a text says that TLS stands from here on: swaks, curl, `openssl s_client`.
pub(super) fn starts_tls(line: &str) -> bool {
    let line = line.trim_start();
    ["=== TLS started", "* SSL connection using", "New, TLSv", "SSL handshake has read", "TLS session: "]
        .iter()
        .any(|mark| line.starts_with(mark))
}

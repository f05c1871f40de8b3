//! The session as a state machine: bytes of the client in, acts out. No socket and no clock; whoever performs the acts
//! tells it what became of the handshake, of patience and of the connection.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::body::Body;
use super::chunk::Chunk;
use super::line::{SHOWN, is_client_hello, shortened};
use super::login::Login;
use super::remark;
use super::scenario::Moment;
use super::{Greylist, OUR_NAME, Plan};
use crate::check::{Captured, TranscriptEvent};
use crate::finding::Finding;
use crate::smtp::mask::MASK;
use crate::smtp::session::Verb;

/// How much of a session is kept to be shown.
pub(super) const MAX_SHOWN: usize = 512 * 1024;

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// This happened: the next entry of the transcript.
    Enter(TranscriptEvent),
    /// This is strange about the newest entry.
    Remark(Finding),
    /// Send this line, without its line end; it is an entry, too.
    Say(String),
    /// Wait so long before what follows.
    Pause(Duration),
    /// Shake hands; [`Server::secured`] tells the success, anything else ends the session.
    StartTls,
    /// Keep this message; it came with the newest entry.
    Capture(Captured),
    /// Close the connection.
    Close,
}

/// One session.
#[derive(Debug)]
pub struct Server {
    pub(super) plan: Arc<Plan>,
    pub(super) visit: u64,
    pub(super) client: SocketAddr,
    pub(super) greylist: Arc<Mutex<Greylist>>,
    pub(super) mode: Mode,
    pub(super) tls: Option<Arc<str>>,
    pub(super) helo: Option<Greeting>,
    /// The banner was a refusal: only QUIT is answered.
    pub(super) refused: bool,
    pub(super) logged_in: bool,
    /// A login was refused: what follows it may be its secrets.
    pub(super) may_be_secret: bool,
    pub(super) mail: Option<Mail>,
    pub(super) line: Vec<u8>,
    pub(super) dropped: usize,
    pub(super) commands: usize,
    pub(super) errors: usize,
    pub(super) shown: usize,
    pub(super) messages: usize,
    pub(super) clear_messages: usize,
    /// What was answered last, as long as what comes next may have come before that answer.
    pub(super) before: Option<Verb>,
    /// Whether the next bytes came before the last answer was sent.
    overtaken: bool,
    remarked: HashSet<&'static str>,
    pub(super) quit: bool,
    pub(super) acts: Vec<Act>,
}

/// What the next bytes are.
#[derive(Debug)]
pub(super) enum Mode {
    Command,
    Login(Login),
    Body(Body),
    Chunk(Chunk),
    Ended,
}

/// What the client greeted with.
#[derive(Clone, Debug)]
pub(super) struct Greeting {
    pub name: String,
    pub extended: bool,
}

/// A transaction under way.
#[derive(Debug, Default)]
pub(super) struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub eight_bit: bool,
    pub utf8: bool,
    /// What BDAT has brought so far.
    pub chunks: Option<Body>,
}

impl Server {
    /// A session that has just begun; `visit` is its number.
    pub fn new(plan: Arc<Plan>, visit: u64, client: SocketAddr, greylist: Arc<Mutex<Greylist>>) -> Server {
        Server {
            plan,
            visit,
            client,
            greylist,
            mode: Mode::Command,
            tls: None,
            helo: None,
            refused: false,
            logged_in: false,
            may_be_secret: false,
            mail: None,
            line: Vec::new(),
            dropped: 0,
            commands: 0,
            errors: 0,
            shown: 0,
            messages: 0,
            clear_messages: 0,
            before: None,
            overtaken: false,
            remarked: HashSet::new(),
            quit: false,
            acts: Vec::new(),
        }
    }

    /// The client's address.
    pub(super) fn ip(&self) -> IpAddr {
        self.client.ip().to_canonical()
    }

    /// The name in the newest greeting.
    pub fn helo(&self) -> Option<&str> {
        self.helo.as_ref().map(|greeting| greeting.name.as_str())
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        matches!(self.mode, Mode::Ended)
    }

    /// The banner. `early` is what the client has sent before it.
    pub fn greet(&mut self, early: &[u8]) -> Vec<Act> {
        if !early.is_empty() {
            self.enter(TranscriptEvent::EarlyTalk(shortened(early)));
            if !is_client_hello(early) {
                self.remark(remark::early_talk(early.len()));
            }
        }
        match self.plan.scenario.reply(Moment::Connect).map(str::to_owned) {
            _ if self.hang_up(Moment::Connect) => {}
            Some(refusal) => {
                self.refused = true;
                self.say(refusal);
            }
            None => {
                let protocol = if self.plan.scenario.lmtp { "LMTP" } else { "ESMTP" };
                self.say(format!("220 {OUR_NAME} {protocol} mxray listens; nothing is delivered"));
            }
        }
        let mut acts = std::mem::take(&mut self.acts);
        acts.extend(self.hear(early));
        acts
    }

    /// The client did not wait: what is heard next was there before the last answer was sent.
    pub fn overtaken(&mut self) {
        self.overtaken = true;
    }

    /// These bytes of the client came in the clear behind STARTTLS, before it was answered; they are not run.
    pub fn came_behind_starttls(&mut self, bytes: &[u8]) -> Vec<Act> {
        self.injected(bytes);
        std::mem::take(&mut self.acts)
    }

    /// Bytes of the client.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Act> {
        let mut rest = bytes;
        let waited = !std::mem::take(&mut self.overtaken);
        match (&self.mode, self.before) {
            (Mode::Body(_), Some(Verb::Data)) => self.body_begins(!waited),
            // The rest of a line belongs to its beginning, which came earlier.
            _ if waited && self.line.is_empty() => self.before = None,
            _ => {}
        }
        while !rest.is_empty() {
            let used = match &mut self.mode {
                Mode::Ended => rest.len(),
                Mode::Body(body) => {
                    let used = body.take(rest);
                    self.body_grew();
                    used
                }
                Mode::Chunk(_) => self.chunk(rest),
                Mode::Command | Mode::Login(_) => self.some_of_a_line(rest),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        std::mem::take(&mut self.acts)
    }

    /// The handshake succeeded: what was said before does not count (RFC 3207 §4.2).
    pub fn secured(&mut self, version: Arc<str>) {
        self.tls = Some(version);
        (self.helo, self.mail, self.logged_in) = (None, None, false);
        (self.before, self.overtaken) = (None, false);
        self.line.clear();
        if !self.is_over() {
            self.mode = Mode::Command;
        }
    }

    /// The client has ended the connection.
    pub fn closed(&mut self, reset: bool) -> Vec<Act> {
        let half = match &self.mode {
            Mode::Body(body) => Some(body.wire),
            Mode::Chunk(_) => self.receiving(),
            Mode::Command | Mode::Login(_) | Mode::Ended => None,
        };
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            let secret = matches!(self.mode, Mode::Login(_)) || self.may_be_secret || Verb::parse(&line) == Verb::Auth;
            match secret {
                true => self.enter(TranscriptEvent::Sent { line: MASK.to_vec(), masked: true }),
                false => self.enter_line(&line),
            }
        }
        self.enter(TranscriptEvent::Closed { by_server: false, reset });
        if let Some(bytes) = half {
            self.remark(remark::cut_short(bytes));
        } else if !self.quit {
            self.remark(remark::no_quit());
        }
        self.last_words();
        self.mode = Mode::Ended;
        std::mem::take(&mut self.acts)
    }

    /// The client has said nothing for too long, or its session has lasted too long.
    pub fn lost_patience(&mut self, idle: bool) -> Vec<Act> {
        self.leave(if idle { "421 4.4.2 nothing came for too long" } else { "421 4.4.2 the session lasted too long" });
        std::mem::take(&mut self.acts)
    }

    /// A reply after which the connection is closed.
    pub(super) fn leave(&mut self, reply: &str) {
        self.say(reply.to_owned());
        self.close();
    }

    /// A reply to what could not be understood; too many of those end the session.
    pub(super) fn mistake(&mut self, reply: impl Into<String>) {
        self.errors += 1;
        self.say(reply);
        if self.errors >= self.plan.limits.errors {
            self.leave("421 4.7.0 too many errors");
        }
    }

    /// A reply of one line. 421 closes the connection (RFC 5321 §3.8).
    pub(super) fn say(&mut self, reply: impl Into<String>) {
        let reply = reply.into();
        self.pause();
        let closes = reply.starts_with("421 ");
        self.shown += reply.len() + 32;
        self.acts.push(Act::Say(reply));
        if closes {
            self.close();
        }
    }

    /// A reply of several lines.
    pub(super) fn say_all(&mut self, lines: &[String]) {
        self.pause();
        let last = lines.len().saturating_sub(1);
        for (at, line) in lines.iter().enumerate() {
            let mark = if at == last { ' ' } else { '-' };
            self.shown += line.len() + 32;
            self.acts.push(Act::Say(format!("250{mark}{line}")));
        }
    }

    fn pause(&mut self) {
        if !self.plan.scenario.pause.is_zero() {
            self.acts.push(Act::Pause(self.plan.scenario.pause));
        }
    }

    /// Drops the connection if the person wants that at this moment.
    pub(super) fn hang_up(&mut self, at: Moment) -> bool {
        let now = self.plan.scenario.hangs_up(at);
        if now {
            self.close();
        }
        now
    }

    pub(super) fn close(&mut self) {
        if !self.is_over() {
            self.mode = Mode::Ended;
            self.last_words();
            self.acts.push(Act::Close);
        }
    }

    /// What can be said of a session only at its end.
    fn last_words(&mut self) {
        if self.clear_messages > 0 && self.plan.scenario.offers("STARTTLS") {
            self.remark(remark::in_the_clear());
        }
    }

    pub(super) fn enter(&mut self, event: TranscriptEvent) {
        self.shown += 64;
        if let TranscriptEvent::Sent { line, .. } | TranscriptEvent::EarlyTalk(line) = &event {
            self.shown += line.len();
        }
        self.acts.push(Act::Enter(event));
    }

    pub(super) fn enter_line(&mut self, line: &[u8]) {
        self.enter(TranscriptEvent::Sent { line: line.get(..SHOWN).unwrap_or(line).to_vec(), masked: false });
    }

    /// Says each strange thing once a session; the next time it is no news.
    pub(super) fn remark(&mut self, finding: Finding) {
        if self.remarked.insert(finding.id) {
            self.acts.push(Act::Remark(finding));
        }
    }
}

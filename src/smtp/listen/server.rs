//! The session as a state machine: bytes of the client in, acts out. No socket and no clock; whoever performs the acts
//! tells it what became of the handshake, of patience and of the connection.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::body::Body;
use super::chunk::Chunk;
use super::login::Login;
use super::remark;
use super::scenario::Moment;
use super::{Greylist, OUR_NAME, Plan};
use crate::check::{Captured, HeardEnvelope, TranscriptEvent};
use crate::finding::Finding;
use crate::smtp::mask::MASK;
use crate::smtp::session::Verb;

/// The longest command: 512 bytes by RFC 5321 §4.5.3.1.4, more with extensions (RFC 4954 §4: 12288 for AUTH).
pub(super) const MAX_LINE: usize = 12_288;
/// How much of a line is kept to be shown.
const SHOWN: usize = 1024;
/// How much of an endless line is read before the client is asked to leave.
const MAX_DROPPED: usize = 1 << 20;
/// How much of a session is kept to be shown.
const MAX_SHOWN: usize = 512 * 1024;

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
    line: Vec<u8>,
    dropped: usize,
    commands: usize,
    errors: usize,
    shown: usize,
    messages: usize,
    clear_messages: usize,
    /// The command before, when this one came together with it.
    before: Option<Verb>,
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

    /// Bytes of messages in memory.
    pub fn held(&self) -> u64 {
        let chunks = self.mail.as_ref().and_then(|mail| mail.chunks.as_ref()).map_or(0, Body::held);
        match &self.mode {
            Mode::Body(body) => body.held(),
            Mode::Command | Mode::Login(_) | Mode::Chunk(_) | Mode::Ended => chunks,
        }
    }

    /// Bytes so far of a message that is coming in.
    pub fn receiving(&self) -> Option<u64> {
        match &self.mode {
            Mode::Body(body) => Some(body.size),
            Mode::Chunk(_) => self.mail.as_ref()?.chunks.as_ref().map(|body| body.size),
            Mode::Command | Mode::Login(_) | Mode::Ended => None,
        }
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
            None => self.say(format!("220 {OUR_NAME} ESMTP mxray listens; nothing is delivered")),
        }
        let mut acts = std::mem::take(&mut self.acts);
        acts.extend(self.hear(early));
        acts
    }

    /// Bytes of the client.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Act> {
        let mut rest = bytes;
        self.before = None;
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

    /// Takes a line or a part of one; how much was taken.
    fn some_of_a_line(&mut self, bytes: &[u8]) -> usize {
        if self.tls.is_none() && self.line.is_empty() && self.commands == 0 && is_client_hello(bytes) {
            self.enter(TranscriptEvent::EarlyTalk(shortened(bytes)));
            self.remark(remark::tls_on_clear_port());
            self.close();
            return bytes.len();
        }
        let end = memchr::memchr(b'\n', bytes);
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = MAX_LINE.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or_default());
        self.dropped += part.len() - room;
        if self.dropped > MAX_DROPPED {
            self.enter_line(&[]);
            self.remark(remark::long_command(MAX_LINE));
            self.leave("421 4.7.0 a line without an end");
            return bytes.len();
        }
        let Some(end) = end else { return bytes.len() };
        let more = end + 1 < bytes.len();
        let line = std::mem::take(&mut self.line);
        let (line, bare) = match line.strip_suffix(b"\r") {
            Some(line) => (line, false),
            None => (line.as_slice(), self.dropped == 0),
        };
        if std::mem::take(&mut self.dropped) > 0 {
            self.enter_line(line.get(..SHOWN).unwrap_or(line));
            self.remark(remark::long_command(MAX_LINE));
            self.mistake("500 5.5.6 line too long");
        } else if matches!(self.mode, Mode::Login(_)) {
            self.login_step(line, bare);
        } else {
            let verb = Verb::parse(line);
            self.command(verb, line, bare);
            self.after(verb, more);
        }
        // A command that ended the session, or STARTTLS, takes the rest with it.
        if more && matches!(self.acts.last(), Some(Act::StartTls)) {
            let rest = bytes.get(end + 1..).unwrap_or_default();
            self.acts.pop();
            self.enter(TranscriptEvent::EarlyTalk(shortened(rest)));
            self.remark(remark::injected(rest.len()));
            self.acts.push(Act::StartTls);
            return bytes.len();
        }
        end + 1
    }

    /// Notes what came together with what.
    fn after(&mut self, verb: Verb, more: bool) {
        self.before = more.then_some(verb).filter(|verb| *verb != Verb::Bdat);
        // The body right behind DATA did not wait for 354.
        if more && verb == Verb::Data && matches!(self.mode, Mode::Body(_)) {
            self.remark(remark::pipelined_too_early("DATA"));
        }
    }

    fn command(&mut self, verb: Verb, line: &[u8], bare: bool) {
        self.commands += 1;
        let secret = self.may_be_secret && verb == Verb::Other && !line.is_empty();
        if verb != Verb::Other {
            self.may_be_secret = false;
        }
        match self.masked_auth(verb, line) {
            Some(masked) => self.enter(TranscriptEvent::Sent { line: masked, masked: true }),
            None if secret => self.enter(TranscriptEvent::Sent { line: MASK.to_vec(), masked: true }),
            None => self.enter_line(line),
        }
        if bare {
            self.remark(remark::bare_end("<LF> alone"));
        }
        if line.contains(&b'\r') {
            self.remark(remark::bare_end("a bare <CR> in it"));
        }
        self.remark_pipelining();
        if self.shown > MAX_SHOWN || self.commands > self.plan.limits.commands {
            return self.leave("421 4.7.0 too many commands in one session");
        }
        self.perform(verb, line);
    }

    fn remark_pipelining(&mut self) {
        let Some(before) = self.before.take() else { return };
        let last_of_group = matches!(
            before,
            Verb::Ehlo
                | Verb::Helo
                | Verb::Lhlo
                | Verb::Data
                | Verb::Auth
                | Verb::Vrfy
                | Verb::Expn
                | Verb::Noop
                | Verb::Quit
        );
        let offered = self.plan.scenario.offers("PIPELINING");
        self.remark(match self.helo.as_ref().filter(|greeting| greeting.extended && offered) {
            Some(_) if last_of_group => remark::pipelined_too_early(word(before)),
            Some(_) => remark::pipelined(),
            None => remark::pipelined_without_offer(),
        });
    }

    /// The handshake succeeded: what was said before does not count (RFC 3207 §4.2).
    pub fn secured(&mut self, version: Arc<str>) {
        self.tls = Some(version);
        (self.helo, self.mail, self.logged_in) = (None, None, false);
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

    /// There is no memory for the message that is coming in.
    pub fn no_room(&mut self) {
        match &mut self.mode {
            Mode::Body(body) => body.drop_it(),
            Mode::Command | Mode::Login(_) | Mode::Chunk(_) | Mode::Ended => {
                if let Some(body) = self.mail.as_mut().and_then(|mail| mail.chunks.as_mut()) {
                    body.drop_it();
                }
            }
        }
    }

    fn body_grew(&mut self) {
        // A message may be read to its end to be answered 552, but not for ever.
        let most = self.plan.limits.message.saturating_mul(4);
        match std::mem::replace(&mut self.mode, Mode::Command) {
            Mode::Body(body) if body.ended => {
                self.enter(TranscriptEvent::SentMessage { bytes: usize::try_from(body.wire).unwrap_or(usize::MAX) });
                self.finish(body, false);
            }
            Mode::Body(body) if body.wire > most => {
                let bytes = usize::try_from(body.wire).unwrap_or(usize::MAX);
                self.enter(TranscriptEvent::SentMessage { bytes });
                self.remark(remark::too_large(body.size, self.most()));
                self.leave("421 4.3.4 far too large a message");
            }
            mode => self.mode = mode,
        }
    }

    /// The largest message that is taken.
    pub(super) fn most(&self) -> u64 {
        self.plan.scenario.size(self.plan.limits.message)
    }

    /// A message has come in whole; its entry stands.
    pub(super) fn finish(&mut self, body: Body, framed: bool) {
        let Some(mail) = self.mail.take() else { return };
        for finding in remark::message(&body, mail.eight_bit || mail.utf8, framed) {
            self.acts.push(Act::Remark(finding));
        }
        if self.hang_up(Moment::Message) {
            return;
        }
        let (size, most) = (body.size, self.most());
        if size > most {
            self.remark(remark::too_large(size, most));
            return self.say("552 5.3.4 message too large");
        }
        if body.is_too_large() {
            return self.say("452 4.3.1 no room for this message now");
        }
        self.messages += 1;
        self.clear_messages += usize::from(self.tls.is_none());
        let reply = match self.plan.scenario.reply(Moment::Message) {
            Some(reply) => reply.to_owned(),
            None => {
                format!("250 2.0.0 kept as message {} of session {}; nothing is delivered", self.messages, self.visit)
            }
        };
        let envelope = HeardEnvelope {
            visit: self.visit,
            client: self.client,
            helo: self.helo().unwrap_or_default().to_owned(),
            mail_from: mail.from,
            rcpt_to: mail.to,
            tls: self.tls.clone(),
        };
        self.acts.push(Act::Capture(Captured {
            number: self.messages,
            entry: 0,
            envelope: Arc::new(envelope),
            raw: body.into_bytes().into(),
            accepted: reply.starts_with('2'),
            reply: reply.clone(),
        }));
        self.say(reply);
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

    fn enter_line(&mut self, line: &[u8]) {
        self.enter(TranscriptEvent::Sent { line: line.get(..SHOWN).unwrap_or(line).to_vec(), masked: false });
    }

    /// Says each strange thing once a session; the next time it is no news.
    pub(super) fn remark(&mut self, finding: Finding) {
        if self.remarked.insert(finding.id) {
            self.acts.push(Act::Remark(finding));
        }
    }
}

/// Whether bytes begin like a TLS handshake record.
pub fn is_client_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 0x03, ..])
}

fn shortened(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..256).unwrap_or(bytes).to_vec()
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Ehlo => "EHLO",
        Verb::Helo => "HELO",
        Verb::Data => "DATA",
        Verb::Auth => "AUTH",
        Verb::Vrfy => "VRFY",
        Verb::Expn => "EXPN",
        Verb::Noop => "NOOP",
        Verb::Quit => "QUIT",
        _ => "this command",
    }
}

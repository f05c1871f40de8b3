//! The client's bytes as lines: how long one may be, how it ends, and which of them came together.

use super::remark;
use super::server::{Act, MAX_SHOWN, Mode, Server};
use crate::check::TranscriptEvent;
use crate::smtp::mask::MASK;
use crate::smtp::session::Verb;

/// The longest command: 512 bytes by RFC 5321 §4.5.3.1.4, more with extensions (RFC 4954 §4: 12288 for AUTH).
pub(super) const MAX_LINE: usize = 12_288;
/// How much of a line is kept to be shown.
pub(super) const SHOWN: usize = 1024;
/// How much of an endless line is read before the client is asked to leave.
const MAX_DROPPED: usize = 1 << 20;

impl Server {
    /// Takes a line or a part of one; how much was taken.
    pub(super) fn some_of_a_line(&mut self, bytes: &[u8]) -> usize {
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
        let behind = bytes.get(end + 1..).unwrap_or_default();
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
            self.before = Some(verb).filter(|verb| *verb != Verb::Bdat);
            if matches!((&self.mode, verb), (Mode::Body(_), Verb::Data)) && !behind.is_empty() {
                self.body_begins(true);
            }
        }
        // A command that ended the session, or STARTTLS, takes the rest with it.
        if !behind.is_empty() && matches!(self.acts.last(), Some(Act::StartTls)) {
            self.acts.pop();
            self.injected(behind);
            self.acts.push(Act::StartTls);
            return bytes.len();
        }
        end + 1
    }

    /// The first bytes behind DATA have come; whether they did not wait for 354.
    pub(super) fn body_begins(&mut self, hurried: bool) {
        self.before = None;
        if hurried {
            self.remark(remark::pipelined_too_early("DATA"));
        }
    }

    /// Bytes in the clear came behind STARTTLS, and are dropped.
    pub(super) fn injected(&mut self, bytes: &[u8]) {
        self.enter(TranscriptEvent::EarlyTalk(shortened(bytes)));
        self.remark(if is_client_hello(bytes) {
            remark::pipelined_too_early("STARTTLS")
        } else {
            remark::injected(bytes.len())
        });
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
}

/// Whether bytes begin like a TLS handshake record.
pub(super) fn is_client_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 0x03, ..])
}

pub(super) fn shortened(bytes: &[u8]) -> Vec<u8> {
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

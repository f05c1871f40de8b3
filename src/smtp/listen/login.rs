//! AUTH (RFC 4954) without keeping anything of it: a secret is checked for its form, dropped, and stands masked in the
//! transcript. Whether the login succeeds is the scenario's choice.

use base64::Engine as _;

use super::remark;
use super::scenario::Moment;
use super::server::{Mode, Server};
use crate::check::TranscriptEvent;
use crate::smtp::mask::MASK;
use crate::smtp::session::Verb;

/// What the client is to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// PLAIN (RFC 4616): identity, NUL, name, NUL, password.
    Plain,
    /// The name of LOGIN.
    Name,
    /// The password of LOGIN.
    Password,
}

/// `Username:` and `Password:` in base64, as every client expects them.
const ASK_NAME: &str = "334 VXNlcm5hbWU6";
const ASK_PASSWORD: &str = "334 UGFzc3dvcmQ6";

impl Server {
    /// An AUTH command as it may be shown; `None` when nothing in it can be a secret.
    pub(super) fn masked_auth(&self, verb: Verb, line: &[u8]) -> Option<Vec<u8>> {
        let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let (verb_word, mechanism) = (words.next()?, words.next()?);
        if verb != Verb::Auth || words.next().is_none() {
            return None;
        }
        let mechanism = mechanism.get(..40).unwrap_or(mechanism);
        Some([verb_word, b" ", mechanism, b" ", MASK].concat())
    }

    pub(super) fn login(&mut self, argument: &str) {
        if self.hang_up(Moment::Auth) {
            return;
        }
        let mut words = argument.split_ascii_whitespace();
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let initial = words.next();
        if self.tls.is_none() {
            self.may_be_secret = true;
            self.remark(remark::login_in_clear(initial.is_some_and(|secret| secret != "=")));
            return self.mistake("538 5.7.11 a login needs TLS first");
        }
        if self.helo.is_none() || self.mail.is_some() || self.logged_in || !self.plan.scenario.offers("AUTH") {
            self.may_be_secret = true;
            return self.mistake("503 5.5.1 no login now");
        }
        match (mechanism.as_str(), initial) {
            ("PLAIN", None) => self.ask(Login::Plain, "334 "),
            ("LOGIN", None) => self.ask(Login::Name, ASK_NAME),
            ("PLAIN", Some(secret)) => self.check(Login::Plain, secret.as_bytes()),
            ("LOGIN", Some(name)) => self.check(Login::Name, name.as_bytes()),
            _ => {
                self.may_be_secret = true;
                self.mistake("504 5.5.4 only PLAIN and LOGIN are offered");
            }
        }
    }

    fn ask(&mut self, next: Login, prompt: &str) {
        self.say(prompt);
        self.mode = Mode::Login(next);
    }

    /// A line that answers a 334.
    pub(super) fn login_step(&mut self, line: &[u8], bare: bool) {
        let cancelled = line == b"*";
        let shown = if cancelled { line.to_vec() } else { MASK.to_vec() };
        self.enter(TranscriptEvent::Sent { line: shown, masked: !cancelled });
        if bare {
            self.remark(remark::bare_end("<LF> alone"));
        }
        let Mode::Login(login) = std::mem::replace(&mut self.mode, Mode::Command) else { return };
        if cancelled {
            return self.mistake("501 5.7.0 login cancelled");
        }
        self.check(login, line);
    }

    /// Looks whether a secret has the right form; what it says is not looked at.
    fn check(&mut self, login: Login, secret: &[u8]) {
        let plain = match secret {
            b"=" => Ok(Vec::new()),
            secret => base64::engine::general_purpose::STANDARD.decode(secret),
        };
        let Ok(plain) = plain else {
            self.may_be_secret = true;
            return self.mistake("501 5.5.2 not base64");
        };
        match login {
            Login::Name => self.ask(Login::Password, ASK_PASSWORD),
            Login::Plain if plain.iter().filter(|byte| **byte == 0).count() != 2 => {
                self.may_be_secret = true;
                self.mistake("501 5.5.2 PLAIN is identity, NUL, name, NUL, password");
            }
            Login::Plain | Login::Password => match self.plan.scenario.reply(Moment::Auth).map(str::to_owned) {
                Some(reply) => {
                    self.logged_in = reply.starts_with('2');
                    self.may_be_secret = !self.logged_in;
                    self.say(reply);
                }
                None => {
                    self.logged_in = true;
                    self.say("235 2.7.0 any credentials do here; they are not kept");
                }
            },
        }
    }
}

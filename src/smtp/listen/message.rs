//! A message that comes in: how large it may be, what is said of it, and that it is kept.

use std::sync::Arc;

use super::body::Body;
use super::remark;
use super::scenario::Moment;
use super::server::{Act, Mode, Server};
use crate::check::{Captured, HeardEnvelope, TranscriptEvent};
use crate::smtp::session::Verb;

impl Server {
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

    pub(super) fn body_grew(&mut self) {
        // A message may be read to its end to be answered 552, but not for ever.
        let most = self.plan.limits.message.saturating_mul(4);
        match std::mem::replace(&mut self.mode, Mode::Command) {
            Mode::Body(body) if body.ended => {
                // The next transaction may stand in one group with the message (RFC 2920 §3.1).
                self.before = Some(Verb::Message);
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
        // LMTP answers for each recipient that was accepted, in their order (RFC 2033 §4.2).
        let answers = if self.plan.scenario.lmtp { mail.to.len() } else { 1 };
        let (size, most) = (body.size, self.most());
        if size > most {
            self.remark(remark::too_large(size, most));
            return self.judge("552 5.3.4 message too large", answers);
        }
        if body.is_too_large() {
            return self.judge("452 4.3.1 no room for this message now", answers);
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
        self.judge(&reply, answers);
    }

    /// What becomes of a message, so many times.
    fn judge(&mut self, reply: &str, answers: usize) {
        for _ in 0..answers {
            // 421 ends the session with the first.
            if !self.is_over() {
                self.say(reply);
            }
        }
    }
}

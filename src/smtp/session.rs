//! A transcript read as a session: which command got which reply, what the server offered before and after TLS, how far
//! the mail transaction came, how long each stage took. A pure fold over the entries; probes, explanations and verdicts
//! all stand on it.

use std::time::Duration;

use crate::check::{ConnectFault, HandshakeFault, LineEnding, Stage, TlsSession, Transcript, TranscriptEvent};
use crate::smtp::reply::{Reply, ReplyLine};

/// A dialogue as far as it has come.
#[derive(Clone, Debug, Default)]
pub struct Session<'a> {
    /// Every exchange: a command (or the connection itself) and its reply.
    pub exchanges: Vec<Exchange>,
    /// The session that TLS agreed on.
    pub tls: Option<&'a TlsSession>,
    /// Why the handshake failed.
    pub tls_failed: Option<(HandshakeFault, &'a str)>,
    /// How TLS broke after its handshake.
    pub tls_broken: Option<&'a str>,
    /// Why there is no connection.
    pub not_connected: Option<(ConnectFault, &'a str)>,
    /// How long it took to connect.
    pub connect: Option<Duration>,
    /// How long the handshake took.
    pub handshake: Option<Duration>,
    /// Whether the connection has ended.
    pub closed: bool,
    /// Whether the server ended it without being asked, and how.
    pub hung_up: Option<HungUp>,
    /// Whether the server kept silent past our patience.
    pub silent: bool,
    /// At which bound we stopped.
    pub gave_up: Option<&'a str>,
    /// Entries of lines from the server that nothing was asked for.
    pub unasked: Vec<usize>,
    /// How often the connection was made.
    pub connections: usize,
}

/// How a server ended a connection that it was not asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HungUp {
    /// In good order, as TCP sees it.
    Closed,
    /// By a reset.
    Reset,
}

impl HungUp {
    /// The verb in words.
    pub fn words(self) -> &'static str {
        match self {
            HungUp::Closed => "closed the connection",
            HungUp::Reset => "reset the connection",
        }
    }
}

/// One command and its reply.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was sent, or that the connection (or a message) was.
    pub verb: Verb,
    /// Index of the entry that began it.
    pub entry: usize,
    /// Whether it went through TLS.
    pub tls: bool,
    /// When it began.
    pub at: Duration,
    /// When the last line of the reply came.
    pub answered: Option<Duration>,
    /// The reply so far.
    pub reply: Reply,
    /// Whether one of its lines ended with LF alone.
    pub bare_lf: bool,
    /// Whether the client went on in the middle of the reply: no more of it is waited for.
    pub abandoned: bool,
    /// Whom the reply is about, where a message has one reply for each recipient (LMTP, RFC 2033 §4.2).
    pub recipient: Option<String>,
}

impl Exchange {
    /// Whether the whole reply has come.
    pub fn is_complete(&self) -> bool {
        self.reply.complete || self.abandoned
    }

    /// How long the reply took.
    pub fn took(&self) -> Option<Duration> {
        self.answered.map(|answered| answered.saturating_sub(self.at))
    }
}

/// What a command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named after the commands of RFC 5321 and its extensions")]
#[rustfmt::skip]
pub enum Verb { Banner, Ehlo, Helo, Lhlo, StartTls, Auth, AuthStep, Mail, Rcpt, Data, Message, Bdat, Rset, Noop, Vrfy, Expn, Help, Quit, Other }

impl Verb {
    /// The verb of a command line, upper or lower case.
    pub fn parse(line: &[u8]) -> Verb {
        let word = line.split(|b| matches!(b, b' ' | b':' | b'\t')).next().unwrap_or_default();
        match word.to_ascii_uppercase().as_slice() {
            b"EHLO" => Verb::Ehlo,
            b"HELO" => Verb::Helo,
            b"LHLO" => Verb::Lhlo,
            b"STARTTLS" => Verb::StartTls,
            b"AUTH" => Verb::Auth,
            b"MAIL" => Verb::Mail,
            b"RCPT" => Verb::Rcpt,
            b"DATA" => Verb::Data,
            b"BDAT" => Verb::Bdat,
            b"RSET" => Verb::Rset,
            b"NOOP" => Verb::Noop,
            b"VRFY" => Verb::Vrfy,
            b"EXPN" => Verb::Expn,
            b"HELP" => Verb::Help,
            b"QUIT" => Verb::Quit,
            _ => Verb::Other,
        }
    }

    /// Its name as a person says it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Banner => "the greeting",
            Verb::Ehlo => "EHLO",
            Verb::Helo => "HELO",
            Verb::Lhlo => "LHLO",
            Verb::StartTls => "STARTTLS",
            Verb::Auth | Verb::AuthStep => "AUTH",
            Verb::Mail => "MAIL FROM",
            Verb::Rcpt => "RCPT TO",
            Verb::Data => "DATA",
            Verb::Message => "the message",
            Verb::Bdat => "BDAT",
            Verb::Rset => "RSET",
            Verb::Noop => "NOOP",
            Verb::Vrfy => "VRFY",
            Verb::Expn => "EXPN",
            Verb::Help => "HELP",
            Verb::Quit => "QUIT",
            Verb::Other => "an unknown command",
        }
    }

    /// Whether it must be the last of a group that goes out together: its reply decides what may follow (RFC 2920 §3.1).
    pub fn ends_group(self) -> bool {
        !matches!(self, Verb::Mail | Verb::Rcpt | Verb::Rset)
    }

    /// Whether it greets.
    pub fn is_greeting(self) -> bool {
        matches!(self, Verb::Ehlo | Verb::Helo | Verb::Lhlo)
    }

    /// The stage of a dialogue that it opens.
    pub fn stage(self) -> Stage {
        match self {
            Verb::Banner => Stage::Banner,
            Verb::Ehlo | Verb::Helo | Verb::Lhlo => Stage::Ehlo,
            Verb::StartTls => Stage::StartTls,
            Verb::Auth | Verb::AuthStep => Stage::Auth,
            Verb::Mail => Stage::MailFrom,
            Verb::Rcpt => Stage::RcptTo,
            Verb::Data | Verb::Message | Verb::Bdat => Stage::Data,
            Verb::Rset | Verb::Noop | Verb::Vrfy | Verb::Expn | Verb::Help | Verb::Other => Stage::Ehlo,
            Verb::Quit => Stage::Quit,
        }
    }
}

/// What stands in the angle brackets of a MAIL or RCPT line.
pub fn path(line: &[u8]) -> Option<String> {
    let line = crate::untrusted::lossless(line);
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inside, _)| inside.to_owned())
}

impl<'a> Session<'a> {
    /// Reads a transcript, finished or growing.
    pub fn read(transcript: &'a Transcript) -> Session<'a> {
        let mut session = Session::default();
        let mut free_since = Duration::ZERO;
        for (entry, item) in transcript.entries.iter().enumerate() {
            match &item.event {
                TranscriptEvent::Connected { .. } => {
                    session.begin(Verb::Banner, entry, item.tls, item.at);
                    session.connect = Some(item.at.saturating_sub(free_since));
                    session.connections += 1;
                    session.closed = false;
                }
                TranscriptEvent::NotConnected(fault, why) => {
                    session.not_connected = Some((*fault, why));
                    session.closed = true;
                }
                TranscriptEvent::Sent { line, .. } => {
                    match session.exchanges.last().map(|last| (last.verb.stage(), last.reply.code())) {
                        // After 354 the lines are the message, until a single dot.
                        Some((Stage::Data, Some(354))) if line != b"." => {}
                        Some((Stage::Data, Some(354))) => session.begin_message(transcript, entry),
                        Some((Stage::Auth, Some(334))) => session.begin(Verb::AuthStep, entry, item.tls, item.at),
                        _ => session.begin(Verb::parse(line), entry, item.tls, item.at),
                    }
                }
                TranscriptEvent::SentMessage { .. } => session.begin_message(transcript, entry),
                TranscriptEvent::Received { line, ending } => match session.asked_for(line) {
                    Some(number) => session.answer(transcript, number, line, *ending, item.at),
                    None => session.unasked.push(entry),
                },
                TranscriptEvent::TlsStarted(tls) => {
                    let last = session.exchanges.last().map(|last| last.answered.unwrap_or(last.at));
                    session.handshake = last.map(|before| item.at.saturating_sub(before));
                    session.tls = Some(tls);
                    session.forget_behind_starttls();
                }
                TranscriptEvent::TlsFailed(fault, why) => session.tls_failed = Some((*fault, why)),
                TranscriptEvent::TlsBroken(why) => session.tls_broken = Some(why),
                TranscriptEvent::Silence(_) => session.silent = true,
                TranscriptEvent::EarlyTalk(_) | TranscriptEvent::Withheld(_) => {}
                TranscriptEvent::Closed { by_server, reset } => {
                    session.closed = true;
                    let unasked = *by_server && session.exchanges.last().is_none_or(|e| e.verb != Verb::Quit);
                    session.hung_up = unasked.then_some(if *reset { HungUp::Reset } else { HungUp::Closed });
                    free_since = item.at;
                }
                TranscriptEvent::GaveUp(why) => {
                    session.gave_up = Some(why);
                    session.closed = true;
                }
            }
        }
        session
    }

    fn begin(&mut self, verb: Verb, entry: usize, tls: bool, at: Duration) {
        // Nobody sends into the middle of a reply but who has read its end: a written note, or a person.
        if let Some(open) = self.exchanges.iter_mut().find(|e| !e.is_complete() && !e.reply.lines.is_empty()) {
            open.abandoned = true;
        }
        let (reply, bare_lf, abandoned, recipient) = (Reply::default(), false, false, None);
        self.exchanges.push(Exchange { verb, entry, tls, at, answered: None, reply, bare_lf, abandoned, recipient });
    }

    /// The message: one reply in SMTP; in LMTP one for each recipient that was accepted, in the order of the RCPTs.
    fn begin_message(&mut self, transcript: &Transcript, entry: usize) {
        let Some(item) = transcript.entries.get(entry) else { return };
        let is_lmtp =
            self.exchanges.iter().rev().find(|one| one.verb.is_greeting()).is_some_and(|e| e.verb == Verb::Lhlo);
        let accepted = if is_lmtp { self.accepted(transcript) } else { Vec::new() };
        self.begin(Verb::Message, entry, item.tls, item.at);
        let Some(first) = self.exchanges.last_mut() else { return };
        let mut recipients = accepted.into_iter();
        first.recipient = recipients.next();
        let pattern = first.clone();
        self.exchanges.extend(recipients.map(|one| Exchange { recipient: Some(one), ..pattern.clone() }));
    }

    /// The recipients that were accepted since the last MAIL.
    pub fn accepted(&self, transcript: &Transcript) -> Vec<String> {
        let start = self.last(Verb::Mail).map_or(0, |mail| mail.entry);
        let path = |exchange: &Exchange| match &transcript.entries.get(exchange.entry)?.event {
            TranscriptEvent::Sent { line, .. } => path(line),
            _ => None,
        };
        let asked = self.exchanges.iter().filter(|one| one.verb == Verb::Rcpt && one.entry > start);
        asked.filter(|one| one.reply.is_positive()).filter_map(path).collect()
    }

    /// The exchange that a line from the server belongs to: with pipelining, the oldest one without a whole reply. A greeting's
    /// reply that goes on with a hyphen behind its last line (the mission's own dialogue does) is still that reply.
    fn asked_for(&self, line: &[u8]) -> Option<usize> {
        let waiting = self.exchanges.iter().position(|exchange| !exchange.is_complete());
        let goes_on = |last: &Exchange| {
            let line = ReplyLine::parse(line);
            last.verb.is_greeting() && line.more && line.code == last.reply.code()
        };
        let last = self.exchanges.len().checked_sub(1).filter(|_| self.exchanges.last().is_some_and(goes_on));
        waiting.or(last)
    }

    /// A line of the reply to an exchange, by its number.
    fn answer(&mut self, transcript: &Transcript, number: usize, line: &[u8], ending: LineEnding, at: Duration) {
        let Some(exchange) = self.exchanges.get_mut(number) else { return };
        exchange.reply.push(line);
        exchange.bare_lf |= ending == LineEnding::Lf;
        if !exchange.reply.complete {
            return;
        }
        exchange.answered = Some(at);
        // What was sent behind DATA without waiting for the 354 is the message, as far as its dot.
        if exchange.verb == Verb::Data && exchange.reply.code() == Some(354) && number + 1 < self.exchanges.len() {
            let behind = self.exchanges.split_off(number + 1);
            let is_dot = |one: &&Exchange| {
                transcript
                    .entries
                    .get(one.entry)
                    .is_some_and(|entry| matches!(&entry.event, TranscriptEvent::Sent { line, .. } if line == b"."))
            };
            if let Some(dot) = behind.iter().find(is_dot).map(|dot| dot.entry) {
                self.begin_message(transcript, dot);
                self.exchanges.extend(behind.into_iter().filter(|one| one.entry > dot));
            }
        }
    }

    /// What was sent in the clear behind STARTTLS is not answered: a good server has dropped it (RFC 3207 §4.2).
    fn forget_behind_starttls(&mut self) {
        let Some(start) = self.exchanges.iter().rposition(|one| one.verb == Verb::StartTls) else { return };
        for exchange in self.exchanges.iter_mut().skip(start + 1) {
            exchange.abandoned |= !exchange.reply.complete;
        }
    }

    /// The last exchange with this verb.
    pub fn last(&self, verb: Verb) -> Option<&Exchange> {
        self.exchanges.iter().rev().find(|exchange| exchange.verb == verb)
    }

    /// The exchange that still waits for its reply.
    pub fn waiting(&self) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| !exchange.is_complete())
    }

    /// Where a dialogue that ended early stood: `before its greeting`, `at EHLO`, `after the message`.
    pub fn place(&self) -> String {
        let waiting = self.waiting().or(self.exchanges.last());
        match waiting.map(|exchange| (exchange.verb, exchange.is_complete(), exchange.reply.lines.is_empty())) {
            None => "at once".into(),
            Some((Verb::Banner, true, _)) => "after its greeting".into(),
            Some((Verb::Banner, false, true)) => "before its greeting".into(),
            Some((Verb::Banner, false, false)) => "in its greeting".into(),
            Some((Verb::Message, ..)) => "after the message".into(),
            Some((verb, true, _)) => format!("after its answer to {}", verb.name()),
            Some((verb, false, _)) => format!("at {}", verb.name()),
        }
    }

    /// The last greeting in the clear (`tls` false) or inside TLS that got a positive reply, the whole of it.
    pub fn greeting(&self, tls: bool) -> Option<&Exchange> {
        let answered = |e: &&Exchange| e.reply.is_positive() && e.is_complete();
        self.exchanges.iter().rev().filter(answered).find(|e| e.verb.is_greeting() && e.tls == tls)
    }

    /// What the server offered in its reply to EHLO, in the clear or inside TLS; the first line (its name) left out.
    pub fn capabilities(&self, tls: bool) -> Vec<String> {
        let Some(greeting) = self.greeting(tls).filter(|greeting| greeting.verb != Verb::Helo) else {
            return Vec::new();
        };
        greeting
            .reply
            .lines
            .iter()
            .skip(1)
            .map(|line| crate::untrusted::lossless(&line.text).trim().to_owned())
            .collect()
    }

    /// Whether the server says by itself that it speaks LMTP, and no SMTP.
    pub fn mentions_lmtp(&self) -> bool {
        let first = self.exchanges.iter().filter(|one| one.verb == Verb::Banner || one.verb.is_greeting());
        first
            .map(|one| one.reply.text().to_ascii_uppercase())
            .any(|text| text.contains("LMTP") || text.contains("LHLO"))
    }

    /// Whether a keyword stands among what was offered.
    pub fn offers(&self, tls: bool, keyword: &str) -> bool {
        self.capabilities(tls)
            .iter()
            .any(|line| line.split([' ', '=']).next().unwrap_or_default().eq_ignore_ascii_case(keyword))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::check::TranscriptEntry;

    /// A transcript from lines: `C:` sent, `S:` received, `*connect`, `*tls`, `*tls-failed`, `*closed`, `*silence`; 1 ms
    /// between entries.
    pub(crate) fn transcript(text: &str) -> Transcript {
        let mut transcript = Transcript::default();
        let mut tls = false;
        for (number, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
            let bytes = || line.get(2..).unwrap_or_default().trim_start().as_bytes().to_vec();
            let event = match line {
                "*connect" => TranscriptEvent::Connected { local: None, peer: None },
                "*tls-broken" => TranscriptEvent::TlsBroken("a test's reason".into()),
                "*tls-failed" => TranscriptEvent::TlsFailed(HandshakeFault::Failed, "a test's reason".into()),
                "*tls-old" => TranscriptEvent::TlsFailed(HandshakeFault::OldVersion, "a test's reason".into()),
                "*tls-other" => TranscriptEvent::TlsFailed(HandshakeFault::NothingInCommon, "a test's reason".into()),
                "*tls" => {
                    tls = true;
                    TranscriptEvent::TlsStarted(std::sync::Arc::new(session()))
                }
                "*closed" => TranscriptEvent::Closed { by_server: true, reset: false },
                "*silence" => TranscriptEvent::Silence(Duration::from_secs(5)),
                sent if sent.starts_with("C:") => TranscriptEvent::Sent { line: bytes(), masked: false },
                _ => TranscriptEvent::Received { line: bytes(), ending: LineEnding::CrLf },
            };
            let at = Duration::from_millis(number as u64);
            transcript.entries.push(TranscriptEntry { at, tls, event });
        }
        transcript
    }

    fn session() -> TlsSession {
        TlsSession {
            version: "TLS 1.3".into(),
            cipher: "TLS13_AES_256_GCM_SHA384".into(),
            group: None,
            alpn: None,
            sni: None,
            checked_name: "mail.example".into(),
            chain: Vec::new(),
            pkix: Ok(()),
            checked_at: time::OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn commands_get_their_replies_even_when_pipelined() {
        let t = transcript(
            "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 PIPELINING\nC: MAIL FROM:<>\nC: RCPT TO:<a@b>\nS: 250 ok\nS: 550 5.1.1 no",
        );
        let session = Session::read(&t);
        assert_eq!(session.last(Verb::Mail).unwrap().reply.code(), Some(250));
        assert_eq!(session.last(Verb::Rcpt).unwrap().reply.code(), Some(550));
        assert!(session.offers(false, "pipelining") && !session.offers(true, "PIPELINING"));
    }

    #[test]
    fn a_message_that_was_sent_without_waiting_for_the_354_is_one_exchange() {
        let sent = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 mail\nC: MAIL FROM:<>\nC: RCPT TO:<a@b>\nC: DATA\nC: Subject: x\nC: \nC: .\nC: QUIT";
        let verbs = |text: &str| Session::read(&transcript(text)).exchanges.iter().map(|e| e.verb).collect::<Vec<_>>();
        let taken = format!("{sent}\nS: 250 ok\nS: 250 ok\nS: 354 go\nS: 250 kept\nS: 221 bye");
        let t = transcript(&taken);
        let session = Session::read(&t);
        assert_eq!(verbs(&taken)[2..], [Verb::Mail, Verb::Rcpt, Verb::Data, Verb::Message, Verb::Quit]);
        assert_eq!(session.last(Verb::Message).unwrap().reply.text(), "kept");
        assert!(session.waiting().is_none());
        // Refused, its lines are commands, as the server takes them.
        let refused = format!("{sent}\nS: 250 ok\nS: 550 no\nS: 554 no\nS: 500 what");
        assert_eq!(verbs(&refused)[5..], [Verb::Other, Verb::Other, Verb::Other, Verb::Quit]);
    }

    #[test]
    fn what_was_sent_in_the_clear_behind_starttls_gets_no_reply() {
        let t = transcript(
            "*connect\nS: 220 hi\nC: EHLO me\nS: 250 STARTTLS\nC: STARTTLS\nC: NOOP\nS: 220 go\n*tls\nC: EHLO me\nS: 250 mail",
        );
        let session = Session::read(&t);
        assert!(session.last(Verb::Noop).unwrap().reply.lines.is_empty() && session.waiting().is_none());
        assert_eq!(session.last(Verb::Ehlo).unwrap().reply.code(), Some(250));
    }

    #[test]
    fn a_second_greeting_inside_tls_is_its_own() {
        let t = transcript(
            "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*tls\nC: EHLO me\nS: 250-mail\nS: 250 AUTH PLAIN",
        );
        let session = Session::read(&t);
        assert!(session.offers(false, "STARTTLS") && !session.offers(true, "STARTTLS"));
        assert!(session.offers(true, "AUTH") && session.tls.is_some());
        assert_eq!(session.handshake, Some(Duration::from_millis(1)));
    }

    #[test]
    fn lmtp_has_one_reply_for_each_accepted_recipient() {
        let t = transcript(
            "*connect\nS: 220 hi\nC: LHLO me\nS: 250 mail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: RCPT TO:<e@f>\nS: 550 no\nC: RCPT TO:<g@h>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250-kept\nS: 250 it",
        );
        let session = Session::read(&t);
        let replies: Vec<_> = session.exchanges.iter().filter(|one| one.verb == Verb::Message).collect();
        assert_eq!(replies.iter().map(|one| one.recipient.as_deref()).collect::<Vec<_>>(), [Some("c@d"), Some("g@h")]);
        assert_eq!((replies[0].reply.code(), replies[1].is_complete()), (Some(250), false));
        assert_eq!(session.waiting().unwrap().recipient.as_deref(), Some("g@h"));
        let smtp = transcript(
            "*connect\nS: 220 hi\nC: EHLO me\nS: 250 mail\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: RCPT TO:<g@h>\nS: 250 ok\nC: DATA\nS: 354 go\nC: .\nS: 250 kept",
        );
        assert!(Session::read(&smtp).waiting().is_none(), "SMTP has one reply for all");
    }

    #[test]
    fn a_server_that_closes_without_221_has_hung_up() {
        let hung_up = |text: &str| Session::read(&transcript(text)).hung_up;
        assert_eq!(hung_up("*connect\nS: 220 hi\nC: EHLO me\n*closed"), Some(HungUp::Closed));
        assert_eq!(hung_up("*connect\nS: 220 hi\nC: QUIT\nS: 221 bye\n*closed"), None);
    }

    #[test]
    fn the_place_where_it_ended_has_a_name() {
        let data = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 x\nC: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<a@b>\nS: 250 ok\nC: DATA";
        for (text, place) in [
            ("*connect".to_owned(), "before its greeting"),
            ("*connect\nS: 220-ha".to_owned(), "in its greeting"),
            ("*connect\nS: 220 hi".to_owned(), "after its greeting"),
            ("*connect\nS: 220 hi\nC: EHLO me\nS: 250-x".to_owned(), "at EHLO"),
            (data.to_owned(), "at DATA"),
            (format!("{data}\nS: 354 go\nC: x\nC: ."), "after the message"),
            (format!("{data}\nS: 354 go"), "after its answer to DATA"),
        ] {
            assert_eq!(Session::read(&transcript(&format!("{text}\n*closed"))).place(), place);
        }
    }
}

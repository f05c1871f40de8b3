//! One command and its reply (RFC 5321 §4.1), in the order that the RFC asks for; out of order is 503.

use super::OUR_NAME;
use super::body::Body;
use super::chunk::Chunk;
use super::path::{self, Path, Slip};
use super::remark;
use super::scenario::Moment;
use super::server::{Act, Greeting, Mail, Mode, Server};
use crate::smtp::session::Verb;
use crate::untrusted::lossless;

impl Server {
    /// Answers a command whose entry stands.
    pub(super) fn perform(&mut self, verb: Verb, line: &[u8]) {
        let text = lossless(line).into_owned();
        let argument = text.split_once([' ', '\t']).map_or("", |(_, rest)| rest);
        if self.refused && verb != Verb::Quit {
            return self.mistake("503 5.5.1 only QUIT is answered after this banner");
        }
        let lmtp = self.plan.scenario.lmtp;
        if lmtp && matches!(verb, Verb::Ehlo | Verb::Helo) {
            self.remark(remark::not_lmtp());
            return self.mistake("500 5.5.1 this is LMTP: say LHLO");
        }
        if !lmtp && verb == Verb::Lhlo {
            self.remark(remark::lmtp());
            return self.mistake("500 5.5.1 this is SMTP, not LMTP");
        }
        match verb {
            Verb::Ehlo | Verb::Lhlo => self.greeted(argument, true),
            Verb::Helo => self.greeted(argument, false),
            Verb::StartTls => self.starttls(argument),
            Verb::Auth => self.login(argument),
            Verb::Mail => self.mail(argument),
            Verb::Rcpt => self.rcpt(argument),
            Verb::Data => self.data(argument),
            Verb::Bdat => self.bdat(argument),
            Verb::Rset => {
                self.mail = None;
                self.say("250 2.0.0 forgotten");
            }
            Verb::Noop => self.say("250 2.0.0 ok"),
            Verb::Vrfy => self.say("252 2.1.5 send mail and see"),
            Verb::Expn => self.mistake("502 5.5.1 no lists here"),
            Verb::Help => self.say("214 2.0.0 mxray listens, shows what a sender says and delivers nothing"),
            Verb::Quit => {
                self.quit = true;
                self.say(format!("221 2.0.0 {OUR_NAME} closing"));
                self.close();
            }
            Verb::Other if is_http(&text) => {
                self.remark(remark::not_smtp());
                self.leave("421 4.7.0 this is SMTP, not HTTP");
            }
            Verb::Banner | Verb::Message | Verb::AuthStep | Verb::Other => {
                self.mistake("500 5.5.2 command not recognized");
            }
        }
    }

    fn greeted(&mut self, argument: &str, extended: bool) {
        let name: String = argument.trim().chars().take(512).collect();
        if self.hang_up(Moment::Ehlo) {
            return;
        }
        if let Some(finding) = remark::helo(&name, self.ip()) {
            self.remark(finding);
        }
        if name.is_empty() {
            return self.mistake("501 5.5.4 the name is missing");
        }
        if let Some(refusal) = self.plan.scenario.reply(Moment::Ehlo).filter(|_| extended).map(str::to_owned) {
            return self.say(refusal);
        }
        let shown: String = name.chars().filter(char::is_ascii_graphic).take(80).collect();
        self.helo = Some(Greeting { name, extended });
        self.mail = None;
        let greeting = format!("{OUR_NAME} greets {shown} [{}]", self.ip());
        if !extended {
            return self.say_all(&[greeting]);
        }
        let mut lines = vec![greeting];
        let mut offers = vec![
            "PIPELINING".to_owned(),
            format!("SIZE {}", self.most()),
            "8BITMIME".to_owned(),
            "SMTPUTF8".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
            "CHUNKING".to_owned(),
        ];
        match self.tls {
            None => offers.push("STARTTLS".to_owned()),
            Some(_) => offers.extend(["AUTH PLAIN LOGIN".to_owned(), "REQUIRETLS".to_owned()]),
        }
        let scenario = &self.plan.scenario;
        offers.retain(|offer| scenario.offers(offer.split(' ').next().unwrap_or_default()));
        lines.extend(offers);
        self.say_all(&lines);
    }

    fn starttls(&mut self, argument: &str) {
        if self.hang_up(Moment::StartTls) {
            return;
        }
        if self.tls.is_some() {
            return self.mistake("503 5.5.1 TLS stands already");
        }
        if !self.plan.scenario.offers("STARTTLS") {
            return self.mistake("502 5.5.1 STARTTLS is not offered");
        }
        if !argument.trim().is_empty() {
            return self.mistake("501 5.5.4 STARTTLS takes no argument");
        }
        match self.plan.scenario.reply(Moment::StartTls).map(str::to_owned) {
            Some(refusal) => self.say(refusal),
            None => {
                self.say("220 2.0.0 ready to start TLS");
                self.acts.push(Act::StartTls);
            }
        }
    }

    fn mail(&mut self, argument: &str) {
        if self.hang_up(Moment::Mail) {
            return;
        }
        if self.helo.is_none() {
            return self.mistake("503 5.5.1 EHLO first");
        }
        if self.mail.is_some() {
            return self.mistake("503 5.5.1 a transaction is under way; RSET ends it");
        }
        if self.plan.scenario.wants_login && !self.logged_in {
            return self.say(match self.tls {
                Some(_) => "530 5.7.0 log in first",
                None => "530 5.7.0 STARTTLS, then log in first",
            });
        }
        let path = match path::parse(argument, "FROM:") {
            Ok(path) => path,
            Err(why) => return self.mistake(format!("501 5.1.7 {why}")),
        };
        let mut mail = Mail { from: path.address.clone(), ..Mail::default() };
        if let Err(refusal) = self.parameters(&path, &mut mail) {
            return self.say(refusal);
        }
        self.slips(&path, mail.utf8);
        match self.plan.scenario.reply(Moment::Mail).map(str::to_owned) {
            Some(refusal) => self.say(refusal),
            None => {
                self.mail = Some(mail);
                self.say("250 2.1.0 sender ok");
            }
        }
    }

    fn parameters(&mut self, path: &Path, mail: &mut Mail) -> Result<(), String> {
        for (keyword, value) in &path.parameters {
            let offer = match keyword.as_str() {
                "BODY" => "8BITMIME",
                other => other,
            };
            let inside_tls_only = matches!(offer, "AUTH" | "REQUIRETLS");
            let known = matches!(offer, "SIZE" | "8BITMIME" | "SMTPUTF8" | "AUTH" | "REQUIRETLS");
            let extended = self.helo.as_ref().is_some_and(|greeting| greeting.extended);
            if !known || !extended || !self.plan.scenario.offers(offer) || (inside_tls_only && self.tls.is_none()) {
                let shown: String = keyword.chars().filter(char::is_ascii_graphic).take(40).collect();
                self.remark(remark::parameter(&shown));
                return Err(format!("555 5.5.4 {shown} was not offered"));
            }
            let bad = |what: &str| Err(format!("501 5.5.4 {what}"));
            match (keyword.as_str(), value.as_deref()) {
                ("SIZE", Some(value)) => match value.parse::<u64>() {
                    Ok(size) if size > self.most() => {
                        self.remark(remark::too_large(size, self.most()));
                        return Err("552 5.3.4 message too large".into());
                    }
                    Ok(_) => {}
                    Err(_) => return bad("SIZE is a number of bytes"),
                },
                ("BODY", Some(value)) if value.eq_ignore_ascii_case("8BITMIME") => mail.eight_bit = true,
                ("BODY", Some(value)) if value.eq_ignore_ascii_case("7BIT") => {}
                ("SMTPUTF8", None) => mail.utf8 = true,
                ("REQUIRETLS", None) | ("AUTH", Some(_)) => {}
                _ => return bad("a parameter without the value that it needs"),
            }
        }
        Ok(())
    }

    fn slips(&mut self, path: &Path, utf8: bool) {
        for slip in path.slips.iter().filter(|slip| **slip != Slip::NotAscii || !utf8) {
            self.remark(remark::slip(*slip));
        }
    }

    fn rcpt(&mut self, argument: &str) {
        if self.hang_up(Moment::Rcpt) {
            return;
        }
        let Some(mail) = &self.mail else { return self.mistake("503 5.5.1 MAIL first") };
        let (from, utf8, count) = (mail.from.clone(), mail.utf8, mail.to.len());
        let path = match path::parse(argument, "TO:") {
            Ok(path) if path.address.is_empty() => return self.mistake("501 5.1.3 a recipient cannot be empty"),
            Ok(path) => path,
            Err(why) => return self.mistake(format!("501 5.1.3 {why}")),
        };
        if let Some((keyword, _)) = path.parameters.first() {
            let shown: String = keyword.chars().filter(char::is_ascii_graphic).take(40).collect();
            self.remark(remark::parameter(&shown));
            return self.say(format!("555 5.5.4 {shown} was not offered"));
        }
        self.slips(&path, utf8);
        if count >= self.plan.limits.recipients {
            return self.say("452 4.5.3 too many recipients");
        }
        if let Some(refusal) = self.plan.scenario.reply(Moment::Rcpt).map(str::to_owned) {
            return self.say(refusal);
        }
        let ip = self.ip();
        let first = self.plan.scenario.greylists && {
            let mut known = self.greylist.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            known.is_first(ip, &from, &path.address)
        };
        if first {
            return self.say("450 4.7.1 greylisted, try again later");
        }
        if let Some(mail) = &mut self.mail {
            mail.to.push(path.address);
        }
        self.say("250 2.1.5 recipient ok");
    }

    fn data(&mut self, argument: &str) {
        if self.hang_up(Moment::Data) {
            return;
        }
        let chunked = self.mail.as_ref().is_some_and(|mail| mail.chunks.is_some());
        match &self.mail {
            None => return self.mistake("503 5.5.1 MAIL first"),
            Some(mail) if mail.to.is_empty() => return self.mistake(self.no_recipients()),
            Some(_) if chunked => return self.mistake("503 5.5.1 BDAT has begun this message"),
            Some(_) if !argument.trim().is_empty() => return self.mistake("501 5.5.4 DATA takes no argument"),
            Some(_) => {}
        }
        match self.plan.scenario.reply(Moment::Data).map(str::to_owned) {
            Some(refusal) => self.say(refusal),
            None => {
                self.say("354 end with <CR><LF>.<CR><LF>");
                self.mode = Mode::Body(Body::new(self.most()));
            }
        }
    }

    /// DATA without a recipient: LMTP has its own code for it (RFC 2033 §4.2).
    fn no_recipients(&self) -> &'static str {
        if self.plan.scenario.lmtp { "503 5.5.1 no valid recipients" } else { "554 5.5.1 no valid recipients" }
    }

    fn bdat(&mut self, argument: &str) {
        if self.hang_up(Moment::Data) {
            return;
        }
        if !self.plan.scenario.offers("CHUNKING") {
            return self.mistake("502 5.5.1 CHUNKING is not offered");
        }
        let mut words = argument.split_whitespace();
        let size = words.next().and_then(|word| word.parse::<u64>().ok());
        let last = match words.next() {
            None => Some(false),
            Some(word) if word.eq_ignore_ascii_case("LAST") => Some(true),
            Some(_) => None,
        };
        let (Some(size), Some(last)) = (size, last) else {
            return self.mistake("501 5.5.4 syntax: BDAT size [LAST]");
        };
        // A chunk longer than any message would have to be read only to be dropped.
        if size > self.plan.limits.message.saturating_mul(4) {
            return self.leave("421 4.3.4 far too large a chunk");
        }
        let refusal = match &self.mail {
            None => Some("503 5.5.1 MAIL first".to_owned()),
            Some(mail) if mail.to.is_empty() => Some(self.no_recipients().to_owned()),
            Some(_) => self.plan.scenario.reply(Moment::Data).map(str::to_owned),
        };
        self.begin_chunk(Chunk { left: size, size, last, refusal });
    }
}

fn is_http(line: &str) -> bool {
    let verb = line.split(' ').next().unwrap_or_default();
    matches!(verb, "GET" | "POST" | "HEAD" | "PUT" | "OPTIONS" | "CONNECT" | "DELETE") && line.contains(" HTTP/")
}

//! What a listener answers: a list of words that the person picks. A preset is a word of its own; the rest says at which
//! moment which code is answered, when the connection is dropped, what is not offered.

use std::collections::BTreeMap;
use std::time::Duration;

/// The words that mean a whole behaviour, each with what it does.
pub const PRESETS: &[(&str, &str)] = &[
    ("accept", "take every message and keep it here; nothing is delivered"),
    ("greylist", "the first try of each envelope gets 450, the next is taken"),
    ("reject", "every recipient gets 550 5.1.1"),
    ("refuse-message", "the message is read, then gets 554, as by a filter"),
    ("tempfail", "MAIL gets 451 4.3.0"),
    ("full", "every recipient gets 452 4.2.2: the mailbox is full"),
    ("busy", "421 4.3.2 instead of a banner, and the connection is closed"),
    ("slow", "10 seconds before each reply: a tarpit (slow=SECONDS for others)"),
    ("no-starttls", "TLS is not offered: what a stripped connection looks like"),
    ("starttls=454", "STARTTLS is offered and then refused"),
    ("auth-required", "MAIL gets 530 before a login (any credentials do)"),
    ("auth=535", "every login is refused"),
    ("implicit-tls", "TLS from the first byte, as on port 465"),
    ("lmtp", "LMTP, as a mail store: after a message one reply a recipient"),
    ("hang-up=data", "the connection is dropped without a word at DATA"),
];

/// A moment at which a reply can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[rustfmt::skip]
pub enum Moment { Connect, Ehlo, StartTls, Auth, Mail, Rcpt, Data, Message }

const MOMENTS: [(&str, Moment); 8] = [
    ("connect", Moment::Connect),
    ("ehlo", Moment::Ehlo),
    ("starttls", Moment::StartTls),
    ("auth", Moment::Auth),
    ("mail", Moment::Mail),
    ("rcpt", Moment::Rcpt),
    ("data", Moment::Data),
    ("message", Moment::Message),
];

/// How a listener answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    words: Vec<String>,
    replies: BTreeMap<Moment, String>,
    hangs_up: Option<Moment>,
    /// Before each reply.
    pub pause: Duration,
    /// Whether the first try of each triplet is answered 450.
    pub greylists: bool,
    /// Whether MAIL wants a login first.
    pub wants_login: bool,
    /// Whether TLS comes with the first byte.
    pub implicit_tls: bool,
    /// Whether it speaks LMTP (RFC 2033): LHLO, and after a message a reply for each recipient.
    pub lmtp: bool,
    hidden: Vec<String>,
    size: Option<u64>,
}

impl Scenario {
    /// Reads the words; none: accept.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Scenario, String> {
        let mut scenario = Scenario::default();
        for word in words {
            scenario.take(word.as_ref().trim())?;
        }
        Ok(scenario)
    }

    fn take(&mut self, word: &str) -> Result<(), String> {
        match word {
            "accept" => {}
            "greylist" => self.greylists = true,
            "reject" => self.set(Moment::Rcpt, "550 5.1.1 no such mailbox here"),
            "refuse-message" => self.set(Moment::Message, "554 5.7.1 message refused by policy"),
            "tempfail" => self.set(Moment::Mail, "451 4.3.0 try again later"),
            "full" => self.set(Moment::Rcpt, "452 4.2.2 the mailbox is full"),
            "busy" => self.set(Moment::Connect, "421 4.3.2 too busy, try again later"),
            "slow" => self.pause = Duration::from_secs(10),
            "auth-required" => self.wants_login = true,
            "implicit-tls" => self.implicit_tls = true,
            "lmtp" => self.lmtp = true,
            _ => self.take_setting(word)?,
        }
        self.words.push(word.to_owned());
        Ok(())
    }

    fn take_setting(&mut self, word: &str) -> Result<(), String> {
        if let Some(keyword) = word.strip_prefix("no-").filter(|keyword| !keyword.is_empty()) {
            self.hidden.push(keyword.to_ascii_uppercase());
            return Ok(());
        }
        let unknown = || {
            let known: Vec<&str> = PRESETS.iter().map(|(word, _)| *word).collect();
            format!("{word}: not a reply; expected one of {}, or MOMENT=CODE [TEXT]", known.join(", "))
        };
        let (key, value) = word.split_once('=').ok_or_else(unknown)?;
        let moment = |name: &str| MOMENTS.iter().find(|(word, _)| *word == name).map(|(_, moment)| *moment);
        match key {
            "slow" => {
                let seconds: f64 = value.parse().map_err(|_| format!("{word}: not a number of seconds"))?;
                self.pause = Duration::try_from_secs_f64(seconds)
                    .ok()
                    .filter(|pause| *pause <= Duration::from_secs(600))
                    .ok_or_else(|| format!("{word}: expected 0 to 600 seconds"))?;
            }
            "size" => self.size = Some(value.parse().map_err(|_| format!("{word}: not a number of bytes"))?),
            "hang-up" => {
                let names: Vec<&str> = MOMENTS.iter().map(|(name, _)| *name).collect();
                let at = moment(value).ok_or_else(|| format!("{word}: expected one of {}", names.join(", ")))?;
                self.hangs_up = Some(at);
            }
            _ => {
                let at = moment(key).ok_or_else(unknown)?;
                let reply = reply(at, value).map_err(|why| format!("{word}: {why}"))?;
                self.set(at, &reply);
            }
        }
        Ok(())
    }

    fn set(&mut self, at: Moment, reply: &str) {
        self.replies.insert(at, reply.to_owned());
    }

    /// What is answered at a moment instead of yes.
    pub fn reply(&self, at: Moment) -> Option<&str> {
        self.replies.get(&at).map(String::as_str)
    }

    /// Whether the connection is dropped at this moment.
    pub fn hangs_up(&self, at: Moment) -> bool {
        self.hangs_up == Some(at)
    }

    /// Whether a keyword of EHLO is offered.
    pub fn offers(&self, keyword: &str) -> bool {
        !self.hidden.iter().any(|hidden| hidden == keyword)
    }

    /// The largest message, at most `most`.
    pub fn size(&self, most: u64) -> u64 {
        self.size.unwrap_or(most).min(most)
    }

    /// The words that it was made of.
    pub fn words(&self) -> String {
        if self.words.is_empty() { "accept".to_owned() } else { self.words.join("; ") }
    }
}

/// `CODE [TEXT]` as a whole reply; without a text, a plain one with its enhanced code.
fn reply(at: Moment, value: &str) -> Result<String, String> {
    let (code, text) = value.split_once(' ').unwrap_or((value, ""));
    let number: u16 = code.parse().ok().filter(|_| code.len() == 3).ok_or("expected a code of three digits")?;
    let allowed = match at {
        Moment::Auth => (number == 235) || (400..560).contains(&number),
        Moment::Message => (number == 250) || (400..560).contains(&number),
        _ => (400..560).contains(&number),
    };
    if !allowed {
        return Err(format!("{code} is no refusal: expected 4xx or 5xx"));
    }
    let text = text.trim();
    if text.len() > 400 || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err("the text must be printable ASCII on one line, at most 400 characters".into());
    }
    if !text.is_empty() {
        return Ok(format!("{code} {text}"));
    }
    let detail = match at {
        Moment::Connect | Moment::Ehlo | Moment::Data => "3.0",
        Moment::StartTls => "7.0",
        Moment::Auth if number < 300 => "7.0",
        Moment::Auth => "7.8",
        Moment::Mail => "1.8",
        Moment::Rcpt => "1.1",
        Moment::Message => "7.1",
    };
    let words = match number / 100 {
        2 => "ok, as was asked for",
        4 => "try again later, as was asked for",
        _ => "refused, as was asked for",
    };
    Ok(format!("{code} {}.{detail} {words}", number / 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_read_and_said_again() {
        for (word, about) in PRESETS {
            assert_eq!(Scenario::parse(&[word]).unwrap().words(), *word);
            let columns = word.len() + about.len() + 2;
            assert!((20..=72).contains(&columns), "{word}: {columns} columns in a menu of 80");
        }
        assert_eq!(Scenario::parse::<&str>(&[]).unwrap().words(), "accept");
    }

    #[test]
    fn a_code_at_a_moment_has_its_own_text_or_a_plain_one() {
        let scenario = Scenario::parse(&["rcpt=550 5.7.515 Access denied", "message=451", "auth=535"]).unwrap();
        assert_eq!(scenario.reply(Moment::Rcpt), Some("550 5.7.515 Access denied"));
        assert_eq!(scenario.reply(Moment::Message), Some("451 4.7.1 try again later, as was asked for"));
        assert_eq!(scenario.reply(Moment::Auth), Some("535 5.7.8 refused, as was asked for"));
        assert_eq!(scenario.reply(Moment::Mail), None);
    }

    #[test]
    fn a_mistake_is_told_with_what_would_be_right() {
        for (word, says) in [
            ("acept", "expected one of accept"),
            ("rcpt=250", "no refusal"),
            ("rcpt=5500", "three digits"),
            ("rcpt=550 a\r\n250 b", "one line"),
            ("slow=forever", "seconds"),
            ("slow=1e9", "600"),
            ("hang-up=lunch", "expected one of connect"),
            ("lunch=550", "not a reply"),
        ] {
            let error = Scenario::parse(&[word]).unwrap_err();
            assert!(error.contains(says) && error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_is_not_to_be_offered_is_named_by_its_keyword() {
        let scenario = Scenario::parse(&["no-starttls", "no-8BITMIME", "size=1000"]).unwrap();
        assert!(!scenario.offers("STARTTLS") && !scenario.offers("8BITMIME") && scenario.offers("PIPELINING"));
        assert_eq!((scenario.size(25), scenario.size(2500)), (25, 1000));
    }
}

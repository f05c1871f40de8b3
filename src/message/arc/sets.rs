//! The ARC sets of a message read out of its header, and what is wrong in their structure (RFC 8617 §4, §5.2).

use crate::message::dkim::{Flavor, Signature};
use crate::message::{FieldRef, Message};
use crate::records::TagList;
use crate::untrusted;

/// More sets than this fail (RFC 8617 §5.2 step 1.3).
pub const MAX_SETS: u32 = 50;
/// How many fields of each kind are read; past it the chain fails, so the rest need not be looked at.
const MAX_FIELDS: usize = MAX_SETS as usize + 1;

/// Every set, with what does not fit.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    /// The sets, the first instance first.
    pub sets: Vec<Set>,
    /// What breaks the structure.
    pub flaws: Vec<Flaw>,
}

/// One instance: what one handler added.
#[derive(Clone, Debug)]
pub struct Set {
    /// `i=`.
    pub instance: u32,
    /// The place of its `ARC-Authentication-Results` among the header fields.
    pub results: Option<usize>,
    /// What that claims, after `i=N;`.
    pub claimed: String,
    /// Its `ARC-Message-Signature`.
    pub message_signature: Option<Signature>,
    /// Its `ARC-Seal`.
    pub seal: Option<Seal>,
}

/// An `ARC-Seal`.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Its signature.
    pub signature: Signature,
    /// `cv=`; `None` when it is missing or another word.
    pub cv: Option<Cv>,
}

/// What a handler says of the chain that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cv {
    /// There was none.
    None,
    /// It was broken.
    Fail,
    /// It held.
    Pass,
}

impl Cv {
    /// The word in `cv=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Cv::None => "none",
            Cv::Fail => "fail",
            Cv::Pass => "pass",
        }
    }
}

/// Something that breaks a chain's structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A field of this name has no valid `i=`.
    NoInstance(&'static str),
    /// Two fields of this name have the same instance.
    Twice(&'static str, u32),
    /// A set lacks the field of this name.
    Lacks(&'static str, u32),
    /// There are more than [`MAX_SETS`].
    TooMany,
    /// A seal's `cv=` is missing, unknown, or not what its place demands.
    BadCv(u32),
    /// A message signature signs the seal, which it must not (RFC 8617 §4.1.2).
    SignsSeal(u32),
}

impl Flaw {
    /// In words that end a sentence "the chain is broken: …".
    pub fn reason(&self) -> String {
        match self {
            Flaw::NoInstance(name) => format!("an {name} has no valid instance number"),
            Flaw::Twice(name, i) => format!("instance {i} has two {name} fields"),
            Flaw::Lacks(name, i) => format!("instance {i} has no {name}"),
            Flaw::TooMany => format!("there are more than {MAX_SETS} sets"),
            Flaw::BadCv(1) => "the first seal does not say cv=none".into(),
            Flaw::BadCv(i) => format!("the seal of instance {i} does not say cv=pass"),
            Flaw::SignsSeal(i) => format!("the message signature of instance {i} signs an ARC-Seal"),
        }
    }
}

const RESULTS: &str = "ARC-Authentication-Results";
const SIGNATURE: &str = "ARC-Message-Signature";
const SEAL: &str = "ARC-Seal";

impl Sets {
    /// Reads the sets of a message.
    pub fn read(message: &Message) -> Sets {
        let mut sets = Sets::default();
        for field in message.named(RESULTS).take(MAX_FIELDS) {
            match results_instance(&field.unfolded()) {
                Some((instance, claimed)) => {
                    let claimed = claimed.trim().to_owned();
                    sets.put(RESULTS, instance, |set| {
                        set.claimed = claimed;
                        set.results.replace(field.index).is_some()
                    });
                }
                None => sets.flaws.push(Flaw::NoInstance(RESULTS)),
            }
        }
        for field in message.named(SIGNATURE).take(MAX_FIELDS) {
            match instance(&field) {
                Some(instance) => sets.put(SIGNATURE, instance, |set| {
                    set.message_signature.replace(Signature::parse(field, Flavor::ArcMessage)).is_some()
                }),
                None => sets.flaws.push(Flaw::NoInstance(SIGNATURE)),
            }
        }
        for field in message.named(SEAL).take(MAX_FIELDS) {
            match instance(&field) {
                Some(instance) => sets.put(SEAL, instance, |set| set.seal.replace(seal(field)).is_some()),
                None => sets.flaws.push(Flaw::NoInstance(SEAL)),
            }
        }
        sets.sets.sort_by_key(|set| set.instance);
        sets.check();
        sets
    }

    /// Whether the message has any ARC field.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.flaws.is_empty()
    }

    /// Puts a field into its set; `put` says whether one was there already.
    fn put(&mut self, name: &'static str, instance: u32, put: impl FnOnce(&mut Set) -> bool) {
        if instance > MAX_SETS {
            if !self.flaws.contains(&Flaw::TooMany) {
                self.flaws.push(Flaw::TooMany);
            }
            return;
        }
        if !self.sets.iter().any(|set| set.instance == instance) {
            self.sets.push(Set {
                instance,
                results: None,
                claimed: String::new(),
                message_signature: None,
                seal: None,
            });
        }
        if let Some(set) = self.sets.iter_mut().find(|set| set.instance == instance)
            && put(set)
        {
            self.flaws.push(Flaw::Twice(name, instance));
        }
    }

    /// RFC 8617 §5.2 step 3: every set whole, instances without a gap, `cv=` as the place demands.
    fn check(&mut self) {
        let highest = self.sets.last().map_or(0, |set| set.instance);
        let mut flaws = Vec::new();
        for instance in 1..=highest {
            let set = self.sets.iter().find(|set| set.instance == instance);
            if set.is_none_or(|set| set.results.is_none()) {
                flaws.push(Flaw::Lacks(RESULTS, instance));
            }
            match set.and_then(|set| set.message_signature.as_ref()) {
                None => flaws.push(Flaw::Lacks(SIGNATURE, instance)),
                Some(signature) if signature.mentions("arc-seal") > 0 => flaws.push(Flaw::SignsSeal(instance)),
                Some(_) => {}
            }
            match set.and_then(|set| set.seal.as_ref()) {
                None => flaws.push(Flaw::Lacks(SEAL, instance)),
                Some(seal) => {
                    let wanted = if instance == 1 { Cv::None } else { Cv::Pass };
                    if seal.cv != Some(wanted) {
                        flaws.push(Flaw::BadCv(instance));
                    }
                }
            }
        }
        self.flaws.extend(flaws);
    }
}

/// `i=` of a signature or a seal.
fn instance(field: &FieldRef<'_>) -> Option<u32> {
    let value = field.value();
    // A field longer than any signature is not read for more than its instance.
    let text = untrusted::lossless(value.get(..16 * 1024).unwrap_or(value));
    number(TagList::parse(&text).get("i")?.value)
}

/// `i=N;` at the start of an `ARC-Authentication-Results` (RFC 8617 §4.1.1), and what follows.
fn results_instance(text: &str) -> Option<(u32, &str)> {
    let (first, rest) = text.split_once(';')?;
    let (name, value) = first.split_once('=')?;
    (name.trim() == "i").then_some(())?;
    Some((number(value.trim())?, rest))
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0)
}

fn seal(field: FieldRef<'_>) -> Seal {
    let signature = Signature::parse(field, Flavor::ArcSeal);
    let cv = match TagList::parse(&signature.text).get("cv").map(|tag| tag.value.to_ascii_lowercase()).as_deref() {
        Some("none") => Some(Cv::None),
        Some("fail") => Some(Cv::Fail),
        Some("pass") => Some(Cv::Pass),
        _ => None,
    };
    Seal { signature, cv }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_stands_first_in_the_results() {
        assert_eq!(results_instance("i=1; mx.example; spf=pass"), Some((1, " mx.example; spf=pass")));
        assert_eq!(results_instance("i = 12 ; mx.microsoft.com 1; x"), Some((12, " mx.microsoft.com 1; x")));
        for text in ["mx.example; i=1", "i=1 mx.example", "i=; x", "i=0; x", "i=x; y", "I=1; x"] {
            assert_eq!(results_instance(text), None, "{text}");
        }
    }

    fn flaws(header: &str) -> Vec<Flaw> {
        let text = format!("{header}From: a@b.c\r\n\r\nx\r\n");
        let message = Message::parse(text.into_bytes().into(), crate::job::Envelope::default()).unwrap();
        message.arc_sets().flaws.clone()
    }

    fn set(instance: u32, cv: &str) -> String {
        let tags = "a=rsa-sha256; d=b.c; s=k; b=YQ==";
        format!(
            "ARC-Seal: i={instance}; cv={cv}; {tags}\r\nARC-Message-Signature: i={instance}; h=from; bh=YQ==; {tags}\r\n\
             ARC-Authentication-Results: i={instance}; mx.b.c; none\r\n"
        )
    }

    #[test]
    fn a_whole_chain_has_no_flaw() {
        assert_eq!(flaws(&format!("{}{}", set(2, "pass"), set(1, "none"))), []);
        assert_eq!(flaws(""), []);
    }

    #[test]
    fn each_break_of_the_structure_is_named() {
        let lacks = |i| vec![Flaw::Lacks(RESULTS, i), Flaw::Lacks(SIGNATURE, i), Flaw::Lacks(SEAL, i)];
        assert_eq!(flaws(&format!("{}{}", set(3, "pass"), set(1, "none"))), lacks(2), "a gap");
        assert_eq!(flaws(&set(1, "pass")), [Flaw::BadCv(1)]);
        assert_eq!(flaws(&format!("{}{}", set(2, "none"), set(1, "none"))), [Flaw::BadCv(2)]);
        assert_eq!(flaws(&set(1, "None")), [], "cv is a word, case does not count");
        let twice = format!("{}{}", set(1, "none"), set(1, "none"));
        assert_eq!(flaws(&twice), [Flaw::Twice(RESULTS, 1), Flaw::Twice(SIGNATURE, 1), Flaw::Twice(SEAL, 1)]);
        let zero = flaws(&set(0, "none"));
        assert_eq!(zero, [Flaw::NoInstance(RESULTS), Flaw::NoInstance(SIGNATURE), Flaw::NoInstance(SEAL)]);
        assert_eq!(flaws(&set(1, "none").replace("h=from", "h=from:arc-seal")), [Flaw::SignsSeal(1)]);
    }

    #[test]
    fn more_than_fifty_sets_are_too_many() {
        let chain = |count| (1..=count).rev().map(|i| set(i, if i == 1 { "none" } else { "pass" })).collect::<String>();
        assert_eq!(flaws(&chain(MAX_SETS)), []);
        assert!(flaws(&chain(MAX_SETS + 1)).contains(&Flaw::TooMany));
    }
}

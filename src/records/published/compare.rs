//! One answer beside another: what counts as the same record set, who speaks for a zone, and how long the old answer stays.

use std::collections::BTreeSet;

use super::Question;
use crate::check::{Data, Dns, DnsAnswer, Kind, Look, Outcome};
use crate::name::Name;
use crate::records::form;

/// The most records of one set that are written out.
const MOST_SHOWN: usize = 4;

/// What stands at a name: order, TTL and case of names do not count (RFC 2181 §5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    /// A CNAME; what its target holds is the target's business.
    Alias(String),
    /// Records, in presentation form.
    Records(BTreeSet<String>),
    /// Surely nothing.
    Nothing,
}

impl Value {
    /// `None` when the answer does not tell.
    fn of(answer: &DnsAnswer) -> Option<Value> {
        if let Some(Data::Cname(target)) = answer.aliases.first().map(|alias| &alias.data) {
            return Some(Value::Alias(target.to_string()));
        }
        match answer.look() {
            Look::Found(records) => Some(Value::Records(records.iter().map(|r| form::content(&r.data)).collect())),
            Look::Absent(_) => Some(Value::Nothing),
            Look::Unknown(_) => None,
        }
    }

    /// The records as a list; empty for nothing.
    pub(super) fn as_list(&self) -> Vec<String> {
        match self {
            Value::Alias(target) => vec![format!("CNAME {target}")],
            Value::Records(records) => records.iter().cloned().collect(),
            Value::Nothing => Vec::new(),
        }
    }
}

/// Whether a name server speaks for the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does, with this serial.
    Speaks {
        /// The serial of its SOA.
        serial: Option<u32>,
    },
    /// It answers, and not for this zone: why we think so.
    Lame(String),
    /// It gave no answer that can be used: why.
    Silent(String),
}

impl Standing {
    /// Drawn from what the server says to the question for the zone's SOA.
    pub(super) fn of(soa: &Dns<'_>) -> Standing {
        match (soa.look(), soa.authoritative) {
            (Look::Found(_), true) => Standing::Speaks { serial: serial(soa.answer) },
            (Look::Found(_), false) => Standing::Lame("it answers from a cache, not for the zone (no AA)".into()),
            (Look::Absent(_), true) => Standing::Lame("it says that there is no such zone".into()),
            (Look::Absent(_), false) => Standing::Lame("it does not know the zone (no AA)".into()),
            (Look::Unknown(why), _) => match why {
                Outcome::Refused => Standing::Lame("it refuses".into()),
                Outcome::ServerFailure => Standing::Lame("it fails (SERVFAIL)".into()),
                Outcome::Failed(why) if why.contains("only refers") => Standing::Lame(why.clone()),
                Outcome::TimedOut => Standing::Silent("no answer in time".into()),
                other => Standing::Silent(other.to_string()),
            },
        }
    }

    pub(super) fn serial(&self) -> Option<u32> {
        match self {
            Standing::Speaks { serial } => *serial,
            Standing::Lame(_) | Standing::Silent(_) => None,
        }
    }
}

/// The serial in the answer for an SOA.
pub(super) fn serial(answer: &DnsAnswer) -> Option<u32> {
    answer.records.iter().find_map(|record| match record.data {
        Data::Soa { serial, .. } => Some(serial),
        _ => None,
    })
}

/// How a record set stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The resolver gives what is published.
    Same,
    /// The resolver keeps another answer for so many seconds.
    Behind(u32),
    /// The resolver gives another answer and does not say for how long.
    Own,
    /// The zone's servers publish different things.
    Torn,
    /// The zone has handed the name on to other servers.
    Elsewhere,
    /// One side could not be looked at.
    Unknown,
}

impl Verdict {
    /// The word for scripts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Same => "same",
            Verdict::Behind(_) | Verdict::Own => "differs",
            Verdict::Torn => "disagree",
            Verdict::Elsewhere => "delegated",
            Verdict::Unknown => "unknown",
        }
    }

    pub(super) fn in_words(self) -> String {
        match self {
            Verdict::Same => "the same".into(),
            Verdict::Behind(left) => format!("the old answer is kept for {}", for_how_long(left)),
            Verdict::Own => "differ, and the resolver does not say for how long".into(),
            Verdict::Torn => "the zone's servers disagree".into(),
            Verdict::Elsewhere => "another zone: its own servers publish it".into(),
            Verdict::Unknown => "could not look".into(),
        }
    }

    /// Whether old and new are worth a look.
    pub(super) fn differs(self) -> bool {
        matches!(self, Verdict::Behind(_) | Verdict::Own | Verdict::Torn)
    }
}

/// One record set, compared.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub question: Question,
    /// What is published, each version with its servers.
    pub published: Vec<(Value, Vec<Name>)>,
    /// What the resolver gives.
    pub kept: Option<Value>,
    pub verdict: Verdict,
    pub lookups: Vec<crate::report::LookupId>,
}

impl Line {
    /// The resolver's answer beside those of the servers that speak for the zone.
    pub(super) fn compare(question: &Question, kept: &Dns<'_>, heard: &[(&Name, &Dns<'_>)]) -> Line {
        let mut published: Vec<(Value, Vec<Name>)> = Vec::new();
        let mut elsewhere = false;
        for (server, answer) in heard {
            if !answer.authoritative && !matches!(answer.look(), Look::Unknown(Outcome::TimedOut)) {
                elsewhere = true;
                continue;
            }
            let Some(value) = Value::of(answer.answer) else { continue };
            match published.iter_mut().find(|(known, _)| *known == value) {
                Some((_, servers)) => servers.push((*server).clone()),
                None => published.push((value, vec![(*server).clone()])),
            }
        }
        let own = Value::of(kept.answer);
        let verdict = match (published.as_slice(), &own) {
            ([], _) if elsewhere => Verdict::Elsewhere,
            ([], _) | (_, None) => Verdict::Unknown,
            ([_, _, ..], _) => Verdict::Torn,
            ([(value, _)], Some(own)) if value == own => Verdict::Same,
            ([_], Some(_)) => left(kept.answer).map_or(Verdict::Own, Verdict::Behind),
        };
        let lookups = std::iter::once(kept.id).chain(heard.iter().map(|(_, answer)| answer.id)).collect();
        Line { question: question.clone(), published, kept: own, verdict, lookups }
    }

    /// A value as it is quoted; of the apex's TXT only what mail reads.
    pub(super) fn shown(&self, value: &Value) -> String {
        let mut list = value.as_list();
        if self.question.label == "SPF" && list.iter().any(|text| is_spf(text)) {
            list.retain(|text| is_spf(text));
        }
        if list.is_empty() {
            return "nothing".into();
        }
        let more = list.len().saturating_sub(MOST_SHOWN);
        list.truncate(MOST_SHOWN);
        let mut shown = list.join(if self.question.kind == Kind::Txt { " | " } else { ", " });
        if more > 0 {
            shown.push_str(&format!(", and {more} more"));
        }
        shown
    }
}

fn is_spf(text: &str) -> bool {
    text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("v=spf1"))
}

/// For how many seconds the resolver keeps its answer.
fn left(kept: &DnsAnswer) -> Option<u32> {
    let ttl = match kept.aliases.first() {
        Some(alias) => Some(alias.ttl),
        None => kept.records.iter().map(|record| record.ttl).min().or(kept.ttl),
    };
    ttl.filter(|ttl| *ttl > 0)
}

/// Seconds as a person says them, rounded: `42 minutes`.
pub(super) fn for_how_long(seconds: u32) -> String {
    match seconds {
        0..=89 => form::count(usize::try_from(seconds).unwrap_or(0), "second"),
        90..=5_399 => form::count(usize::try_from((seconds + 30) / 60).unwrap_or(0), "minute"),
        5_400..=129_599 => form::count(usize::try_from((seconds + 1_800) / 3_600).unwrap_or(0), "hour"),
        _ => form::count(usize::try_from(seconds / 86_400).unwrap_or(0), "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let said: Vec<String> = [1, 59, 90, 2_520, 5_399, 7_200, 86_400, 172_800].map(for_how_long).into();
        assert_eq!(
            said,
            ["1 second", "59 seconds", "2 minutes", "42 minutes", "90 minutes", "2 hours", "24 hours", "2 days"]
        );
    }
}

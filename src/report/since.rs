//! What has changed since a report was saved: the facts of both, section by section. Only what both sides looked at is
//! compared; a section that one side could not look at has not changed, it is not known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::name::Name;
use crate::report::{Report, Section, State};

/// Most bytes of a saved report.
pub const MAX_BYTES: u64 = 16 << 20;
/// Most changes that are told.
const MAX_CHANGES: usize = 200;
/// The keys that name an element of a list, the best first.
const KEYS: [&str; 6] = ["name", "selector", "term", "id", "address", "key_tag"];

/// A report on a domain that was saved as JSON, as far as it is compared.
#[derive(Clone, Debug, Deserialize)]
pub struct Saved {
    kind: String,
    schema: u32,
    /// The domain.
    target: String,
    /// The clock of its verdicts.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    verdict: Vec<SavedLine>,
    sections: Vec<SavedSection>,
}

#[derive(Clone, Debug, Deserialize)]
struct SavedLine {
    question: String,
    answer: String,
}

#[derive(Clone, Debug, Deserialize)]
struct SavedSection {
    id: String,
    state: String,
    facts: Map<String, Value>,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Since {
    /// When the earlier report was made.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The changes, in the order of the sections; the verdict's first.
    pub changes: Vec<Change>,
    /// How many facts are the same.
    pub same: usize,
    /// Ids of sections that are not compared, because one side did not look or could not.
    pub unseen: Vec<&'static str>,
    /// Whether there are more changes than are told.
    pub more: bool,
}

/// One fact that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The section; `None`: the verdict.
    pub section: Option<&'static str>,
    /// The section's title, or the verdict's question.
    pub title: String,
    /// Which fact: its key, and the keys that lead to it. Empty for the verdict.
    pub fact: String,
    /// What it was; `None`: it was not there.
    pub before: Option<String>,
    /// What it is; `None`: it is gone.
    pub now: Option<String>,
}

impl Since {
    /// What it comes to, in a sentence.
    pub fn words(&self) -> String {
        let changes = match (self.changes.len(), self.more) {
            (0, _) => "nothing has changed".to_owned(),
            (1, _) => "1 change".to_owned(),
            (count, false) => format!("{count} changes"),
            (count, true) => format!("{count} changes and more"),
        };
        let unseen = match self.unseen.as_slice() {
            [] => String::new(),
            ids => format!("; not compared, one side did not look or could not: {}", ids.join(", ")),
        };
        format!("{changes}, {} facts are the same{unseen}.", self.same)
    }

    /// When the earlier report was made, in UTC.
    pub fn when(&self) -> String {
        let at = self.at.to_offset(time::UtcOffset::UTC);
        format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
    }
}

impl Change {
    /// What has changed: `DMARC policy`, `MX hosts[mail.example.org]`.
    pub fn what(&self) -> String {
        if self.fact.is_empty() { self.title.clone() } else { format!("{} {}", self.title, self.fact) }
    }
}

impl Saved {
    /// Reads a saved report; the error says what it is instead.
    pub fn read(text: &[u8]) -> Result<Saved, String> {
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("a report has no more than {} MiB", MAX_BYTES >> 20));
        }
        let saved: Saved =
            serde_json::from_slice(text).map_err(|why| format!("this is no report that mxray saved as JSON: {why}"))?;
        match (saved.kind.as_str(), saved.schema) {
            ("domain", 1) => Ok(saved),
            ("domain", other) => Err(format!("the report has the shape {other}; this mxray reads 1")),
            (kind, _) => Err(format!("this is a report on {kind}; only those on a domain are compared")),
        }
    }

    /// The domain that it is on.
    pub fn name(&self) -> Option<Name> {
        Name::parse(&self.target).ok()
    }

    /// Compares with a report on the same domain.
    pub fn until(&self, now: &Report) -> Since {
        let mut out =
            Compare { since: Since { at: self.at, changes: Vec::new(), same: 0, unseen: Vec::new(), more: false } };
        for line in &now.verdict {
            // A question that was not put before, or is answered in several lines, has no counterpart.
            let mut earlier = self.verdict.iter().filter(|earlier| earlier.question == line.question);
            let alone = now.verdict.iter().filter(|other| other.question == line.question).count() == 1;
            if let (Some(earlier), None, true) = (earlier.next(), earlier.next(), alone) {
                let place = Place { section: None, title: line.question, path: String::new() };
                out.scalar(&place, &Value::from(earlier.answer.as_str()), &Value::from(line.answer.as_str()));
            }
        }
        for section in &now.sections {
            match self.sections.iter().find(|earlier| earlier.id == section.id) {
                Some(earlier) if earlier.state != "unknown" && section.state != State::Unknown => {
                    out.section(earlier, section);
                }
                Some(_) | None => out.since.unseen.push(section.id),
            }
        }
        out.since
    }
}

/// Where a fact stands.
#[derive(Clone)]
struct Place<'a> {
    section: Option<&'static str>,
    title: &'a str,
    path: String,
}

impl Place<'_> {
    fn at(&self, key: &str) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Place { path, ..self.clone() }
    }

    fn of(&self, key: &str) -> Self {
        Place { path: format!("{}[{key}]", self.path), ..self.clone() }
    }
}

struct Compare {
    since: Since,
}

impl Compare {
    fn section(&mut self, earlier: &SavedSection, now: &Section) {
        let place = Place { section: Some(now.id), title: now.title, path: String::new() };
        let was_there = earlier.state != "absent";
        let is_there = now.state != State::Absent;
        if was_there != is_there {
            let word = |there| Value::from(if there { "published" } else { "not published" });
            self.scalar(&place, &word(was_there), &word(is_there));
        }
        self.object(&place, &earlier.facts, &now.facts);
    }

    /// The keys that both have: another version of mxray may know more, and that is no change of the domain's.
    fn object(&mut self, place: &Place<'_>, before: &Map<String, Value>, now: &Map<String, Value>) {
        for (key, now) in now {
            if let Some(before) = before.get(key) {
                self.value(&place.at(key), before, now);
            }
        }
    }

    fn value(&mut self, place: &Place<'_>, before: &Value, now: &Value) {
        match (before, now) {
            (Value::Object(before), Value::Object(now)) => self.object(place, before, now),
            (Value::Array(before), Value::Array(now)) => self.list(place, before, now),
            // What was null and is a list has been looked at in another way: the list alone says what is there.
            (before, now) => self.scalar(place, before, now),
        }
    }

    /// The order of a list is the resolver's. Its elements are known by their key, or by all that they are.
    fn list(&mut self, place: &Place<'_>, before: &[Value], now: &[Value]) {
        let key = KEYS.into_iter().find(|key| unique(before, key) && unique(now, key));
        let Some(key) = key.filter(|_| !(before.is_empty() && now.is_empty())) else {
            let (mut gone, mut came) = (counted(before), counted(now));
            for (text, count) in &mut gone {
                if let Some(other) = came.get_mut(text) {
                    let both = (*count).min(*other);
                    self.since.same += both;
                    (*count, *other) = (*count - both, *other - both);
                }
            }
            let left = |all: BTreeMap<String, usize>| {
                all.into_iter().flat_map(|(text, count)| std::iter::repeat_n(text, count)).collect::<Vec<_>>()
            };
            let (mut gone, mut came) = (left(gone).into_iter(), left(came).into_iter());
            loop {
                match (gone.next(), came.next()) {
                    (None, None) => return,
                    (before, now) => self.changed(place, before, now),
                }
            }
        };
        let named = |all: &[Value], text: &str| all.iter().find(|one| name_of(one, key) == text).cloned();
        for one in before {
            let text = name_of(one, key);
            match named(now, &text) {
                Some(other) => self.value(&place.of(&text), one, &other),
                None => self.changed(&place.of(&text), Some(words(one, Some(key))), None),
            }
        }
        for one in now {
            let text = name_of(one, key);
            if named(before, &text).is_none() {
                self.changed(&place.of(&text), None, Some(words(one, Some(key))));
            }
        }
    }

    fn scalar(&mut self, place: &Place<'_>, before: &Value, now: &Value) {
        if before == now {
            self.since.same += 1;
        } else {
            let some = |value: &Value| (!value.is_null()).then(|| words(value, None));
            self.changed(place, some(before), some(now));
        }
    }

    fn changed(&mut self, place: &Place<'_>, before: Option<String>, now: Option<String>) {
        if self.since.changes.len() >= MAX_CHANGES {
            self.since.more = true;
            return;
        }
        let (section, title, fact) = (place.section, place.title.to_owned(), place.path.clone());
        self.since.changes.push(Change { section, title, fact, before, now });
    }
}

/// Whether each element has this key, and no two the same.
fn unique(all: &[Value], key: &str) -> bool {
    let mut names: Vec<String> = all.iter().map(|one| name_of(one, key)).collect();
    names.sort();
    names.dedup();
    names.len() == all.len() && !names.iter().any(String::is_empty)
}

fn name_of(value: &Value, key: &str) -> String {
    value.get(key).filter(|name| !name.is_null()).map(|name| words(name, None)).unwrap_or_default()
}

fn counted(all: &[Value]) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for one in all {
        *out.entry(words(one, None)).or_insert(0) += 1;
    }
    out
}

/// A value as a person reads it; an object by its plain members, the one that names it left out.
fn words(value: &Value, but: Option<&str>) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let plain = members.iter().filter(|(key, value)| Some(key.as_str()) != but && !value.is_null());
            let parts: Vec<String> = plain
                .filter_map(|(key, value)| match value {
                    Value::Object(_) => None,
                    Value::Array(all) if all.iter().any(|one| one.is_object() || one.is_array()) => None,
                    other => Some(format!("{key} {}", words(other, None))),
                })
                .collect();
            if parts.is_empty() { "there".to_owned() } else { parts.join(", ") }
        }
        Value::Array(all) => all.iter().map(|one| words(one, None)).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;
    use crate::report::VerdictLine;

    fn report(facts: Value, state: State) -> Report {
        let mut section = Section::new("dmarc", "DMARC");
        section.state = state;
        section.facts = facts.as_object().unwrap().clone();
        let answer = if state == State::Absent { "nothing" } else { "hard" };
        Report {
            mxray: "0",
            schema: 1,
            kind: "domain",
            target: "example.org".into(),
            at: OffsetDateTime::UNIX_EPOCH,
            elapsed_ms: 1.0,
            worst: Severity::Ok,
            verdict: vec![VerdictLine {
                question: "SPOOFED?",
                answer: answer.into(),
                severity: Severity::Ok,
                section: None,
            }],
            summary: None,
            since: None,
            sections: vec![section],
            lookups: Vec::new(),
        }
    }

    /// The changes from one set of facts to another, a line each.
    fn changes(before: Value, now: Value) -> Vec<String> {
        let saved = serde_json::to_vec(&report(before, State::Ok)).unwrap();
        let since = Saved::read(&saved).unwrap().until(&report(now, State::Ok));
        let show = |one: &Option<String>| one.clone().unwrap_or_else(|| "-".into());
        since.changes.iter().map(|one| format!("{}: {} > {}", one.fact, show(&one.before), show(&one.now))).collect()
    }

    #[test]
    fn what_is_not_what_it_was_is_told_by_its_key() {
        let json = |text| serde_json::from_str::<Value>(text).unwrap();
        for (before, now, told) in [
            (r#"{"policy": "none"}"#, r#"{"policy": "reject"}"#, &["policy: none > reject"][..]),
            (r#"{"policy": null}"#, r#"{"policy": "reject"}"#, &["policy: - > reject"]),
            (r#"{"mx": ["a", "b"]}"#, r#"{"mx": ["b", "c"]}"#, &["mx: a > c"]),
            (r#"{"mx": ["b", "a", "a"]}"#, r#"{"mx": ["a", "b"]}"#, &["mx: a > -"]),
            (
                r#"{"hosts": [{"name": "a", "preference": 1}, {"name": "b", "preference": 2}]}"#,
                r#"{"hosts": [{"name": "c", "preference": 2}, {"name": "a", "preference": 5}]}"#,
                &["hosts[a].preference: 1 > 5", "hosts[b]: preference 2 > -", "hosts[c]: - > preference 2"],
            ),
            (r#"{"rua": [{"x": 1}, {"x": 1}]}"#, r#"{"rua": [{"x": 1}]}"#, &["rua: x 1 > -"]),
            (r#"{"new": 1}"#, r#"{"other": 1}"#, &[]),
            (r#"{"a": [], "b": {"c": [1]}}"#, r#"{"a": [], "b": {"c": [1]}}"#, &[]),
        ] {
            assert_eq!(changes(json(before), json(now)), told, "{before} > {now}");
        }
    }

    #[test]
    fn what_one_side_could_not_look_at_has_not_changed() {
        let facts = || serde_json::json!({ "policy": "none" });
        let until = |before, now| {
            let saved = serde_json::to_vec(&report(facts(), before)).unwrap();
            Saved::read(&saved).unwrap().until(&report(facts(), now))
        };
        for (before, now) in [(State::Unknown, State::Ok), (State::Warning, State::Unknown)] {
            let since = until(before, now);
            assert_eq!((since.changes.len(), since.unseen.as_slice()), (0, &["dmarc"][..]));
        }
        let since = until(State::Ok, State::Absent);
        let told: Vec<_> = since.changes.iter().map(|one| (one.title.as_str(), one.now.as_deref().unwrap())).collect();
        assert_eq!(told, [("SPOOFED?", "nothing"), ("DMARC", "not published")]);
    }

    #[test]
    fn what_is_no_report_on_a_domain_is_told() {
        let error = |text: &str| Saved::read(text.as_bytes()).unwrap_err();
        assert!(error("{}").contains("no report that mxray saved"));
        let saved = serde_json::to_string(&report(serde_json::json!({}), State::Ok)).unwrap();
        assert!(error(&saved.replace("\"domain\"", "\"smtp\"")).contains("a report on smtp"));
        assert!(error(&saved.replace("\"schema\":1", "\"schema\":2")).contains("shape 2"));
    }

    #[test]
    fn a_list_of_thousands_is_cut_and_that_is_said() {
        let all: Vec<usize> = (0..5000).collect();
        let saved = serde_json::to_vec(&report(serde_json::json!({ "a": all }), State::Ok)).unwrap();
        let since = Saved::read(&saved).unwrap().until(&report(serde_json::json!({ "a": [] }), State::Ok));
        assert_eq!((since.changes.len(), since.more), (MAX_CHANGES, true));
    }
}

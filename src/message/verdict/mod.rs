//! The three lines that a tired person can act on, and the table *who says so*; both read the sections' facts alone, so
//! they say the same as the sections, and are there "so far" while some are missing.

mod table;

use serde_json::Value;

use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::address::Author;
use crate::report::{Section, VerdictLine};

pub(super) use table::table;

/// Findings that the first two lines say already, or that say only that something is not known.
const SAID: &[&str] = &[
    "dmarc.fail",
    "dmarc.none",
    "dmarc.temperror",
    "dmarc.no-author",
    "dmarc.several-authors",
    "dkim.key-unknown",
    "spf.temperror",
    "arc.unknown",
    "arc.fail",
];
/// What a person should look at first among findings of equal severity: who it claims to be, then what can have been
/// slipped in, then who is contradicted, then the rest.
const FIRST: &[&str] = &[
    "identities.",
    "message.repeated-header",
    "dkim.added-header",
    "dkim.uncovered-tail",
    "claimed.",
    "mime.",
    "dkim.",
    "hops.",
    "spf.",
    "autopsy.",
];

/// What a signature that fails says.
const BROKEN: &[&str] = &["dkim.body-changed", "dkim.header-changed"];

/// The lines above the sections.
pub(super) fn lines(message: &Message, sections: &[Section]) -> Vec<VerdictLine> {
    let read = Read { message, sections };
    vec![read.really(), read.asked(), read.look()]
}

struct Read<'a> {
    message: &'a Message,
    sections: &'a [Section],
}

impl Read<'_> {
    fn section(&self, id: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.id == id)
    }

    fn fact(&self, section: &str, key: &str) -> Option<&Value> {
        self.section(section)?.facts.get(key)
    }

    fn word(&self, section: &str, key: &str) -> Option<&str> {
        self.fact(section, key)?.as_str()
    }

    fn signatures(&self) -> &[Value] {
        self.fact("dkim", "signatures").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn finding(&self, id: &str) -> Option<&Finding> {
        self.sections.iter().flat_map(|section| &section.findings).find(|finding| finding.id == id)
    }

    /// Is it really from whom it says?
    fn really(&self) -> VerdictLine {
        let (answer, severity) = self.really_in_words();
        VerdictLine { question: "REALLY FROM THEM?", answer, severity, section: Some("dmarc") }
    }

    fn really_in_words(&self) -> (String, Severity) {
        let author = match self.message.author() {
            Author::Domain(name) => name.to_string(),
            Author::Several(_) => {
                return ("NOBODY CAN SAY: From names several domains at once.".into(), Severity::Error);
            }
            Author::Nobody(why) => return (format!("NOBODY CAN SAY: {why}."), Severity::Error),
        };
        let Some(result) = self.word("dmarc", "result") else {
            return (format!("{author}: still looking"), Severity::Info);
        };
        let reason = self.word("dmarc", "reason").unwrap_or_default();
        match result {
            "pass" => self.proven(&author),
            "fail" => self.not_proven(&author),
            "temperror" => (format!("NOT KNOWN: {reason}."), Severity::Warning),
            _ if self.has_proof() => (
                format!(
                    "PROBABLY: {author} {}, and publishes no policy that says what to expect.",
                    self.by_what(self.is_sent_by_author())
                ),
                Severity::Info,
            ),
            _ => (
                format!("NOT PROVEN: {author} publishes no DMARC policy, and nothing that passes belongs to it."),
                Severity::Warning,
            ),
        }
    }

    /// What SPF lacks to be asked for DMARC, if it lacks it: its pass could still be the proof.
    fn spf_unasked(&self) -> Option<&'static str> {
        let missing =
            [("spf.no-client-address", "who handed it over is not known"), ("spf.no-sender", "MAIL FROM is not known")];
        missing.into_iter().find_map(|(id, why)| self.finding(id).map(|_| why))
    }

    /// A failure, where what was done to the message since may be all of it.
    fn not_proven(&self, author: &str) -> (String, Severity) {
        let own = |one: &&Value| one["result"] == "fail" && one["aligned"] == true;
        let broken = (1..).zip(self.signatures()).filter(|(_, one)| own(one));
        if self.message.is_lossy() && broken.clone().next().is_some() {
            let text =
                format!("NOT KNOWN: {author}'s signature fails, and what the paste did to it may be all of that.");
            return (text, Severity::Warning);
        }
        match broken.clone().find(|(number, one)| self.is_mended(*number, one)) {
            Some((number, _)) => (
                format!(
                    "IN PART: {author} signed it, then it was changed (DKIM #{number}); that part can be anybody's."
                ),
                self.added(number),
            ),
            None if let Some(why) = self.spf_unasked() => {
                let text =
                    format!("NOT PROVEN: nothing that passes belongs to {author}; SPF could not be asked ({why}).");
                (text, Severity::Error)
            }
            None => (format!("NO. Nothing that passes belongs to {author}."), Severity::Error),
        }
    }

    /// A warning when little was added, and an error when most of the body was: signed mail can be sent again with much
    /// put around it.
    fn added(&self, number: u64) -> Severity {
        let own = self.repairs().iter().filter(|repair| repair["signature"] == number && repair["part"] == "body");
        let spans = own.filter_map(|repair| repair["removed"].as_array()).flatten();
        let length = |span: &Value| span[1].as_u64().unwrap_or(0).saturating_sub(span[0].as_u64().unwrap_or(0));
        let added: u64 = spans.map(length).sum();
        let body = self.message.body().map_or(0, <[u8]>::len) as u64;
        if added * 2 > body { Severity::Error } else { Severity::Warning }
    }

    /// Whether the autopsy made all that is broken of a signature hold again.
    fn is_mended(&self, number: u64, signature: &Value) -> bool {
        let has =
            |part: &str| self.repairs().iter().any(|repair| repair["signature"] == number && repair["part"] == part);
        (signature["body_hash"] != "mismatch" || has("body"))
            && (signature["header_signature"] == "valid" || has("header"))
    }

    fn proven(&self, author: &str) -> (String, Severity) {
        let alike = self
            .sections
            .iter()
            .flat_map(|section| &section.findings)
            .find(|finding| finding.id.starts_with("identities.") && finding.severity == Severity::Error);
        if alike.is_some() {
            let text = format!("AUTHENTICATED, AND NOT WHO YOU MAY THINK: it is from {author}. See below.");
            return (text, Severity::Warning);
        }
        let whole = self.signatures().iter().any(|one| {
            one["result"] == "pass" && one["aligned"] == true && one["body_covered_bytes"] == one["body_bytes"]
        });
        let by_spf = self.is_sent_by_author();
        if !whole && !by_spf {
            let some = self.signatures().iter().any(|one| {
                one["result"] == "pass" && one["aligned"] == true && one["body_covered_bytes"].as_u64() > Some(0)
            });
            let text = if some {
                format!("IN PART: {author} signed the beginning of it; what follows can be anybody's.")
            } else {
                format!("IN PART: {author} signed its headers; the whole body can be anybody's.")
            };
            return (text, Severity::Error);
        }
        (format!("yes: {author} {}. That does not make it honest.", self.by_what(by_spf)), Severity::Ok)
    }

    /// Whether SPF passes for a domain of the author's.
    fn is_sent_by_author(&self) -> bool {
        self.fact("dmarc", "spf_aligned") == Some(&Value::Bool(true))
    }

    /// Whether anything that passes belongs to the author.
    fn has_proof(&self) -> bool {
        let signed = self.signatures().iter().any(|one| one["result"] == "pass" && one["aligned"] == true);
        signed || self.is_sent_by_author()
    }

    /// What proves the author, in a few words.
    fn by_what(&self, by_spf: bool) -> String {
        let signed: Vec<String> = (1..)
            .zip(self.signatures())
            .filter(|(_, one)| one["result"] == "pass" && one["aligned"] == true)
            .map(|(number, _)| format!("#{number}"))
            .collect();
        let sent = "let it be sent (SPF)";
        match (signed.as_slice(), by_spf) {
            ([], _) => sent.to_owned(),
            (signed, false) => format!("signed it (DKIM {})", signed.join(", ")),
            (signed, true) => format!("signed it (DKIM {}) and {sent}", signed.join(", ")),
        }
    }

    /// What does the owner ask a receiver to do?
    fn asked(&self) -> VerdictLine {
        let (answer, severity) = match (self.word("dmarc", "result"), self.word("dmarc", "disposition")) {
            (None, _) => ("still looking".into(), Severity::Info),
            (Some("fail"), Some(asked)) => {
                let at = self.word("dmarc", "policy_domain").unwrap_or("?");
                match asked {
                    "reject" if self.message.is_lossy() => {
                        (format!("REJECT, if it came as it is here: the policy at _dmarc.{at}."), Severity::Warning)
                    }
                    "reject" if self.spf_unasked().is_some() => {
                        (format!("REJECT, unless its SPF passed: the policy at _dmarc.{at}."), Severity::Error)
                    }
                    "reject" => {
                        (format!("REJECT: the policy at _dmarc.{at}; receivers may do otherwise."), Severity::Error)
                    }
                    "quarantine" => {
                        (format!("PUT IT ASIDE as suspicious: the policy at _dmarc.{at}."), Severity::Warning)
                    }
                    _ => (format!("do nothing: the policy at _dmarc.{at} only watches (p=none)."), Severity::Warning),
                }
            }
            (Some("pass"), _) => ("nothing: the owner's policy is for mail that is not proven.".into(), Severity::Ok),
            (Some("temperror"), _) => ("not known: see DMARC.".into(), Severity::Warning),
            _ => ("nothing: no policy applies.".into(), Severity::Info),
        };
        VerdictLine { question: "A RECEIVER IS ASKED TO", answer, severity, section: Some("dmarc") }
    }

    /// What makes a broken signature hold again; of several the author's own.
    fn mended(&self) -> Option<String> {
        let broken = (1..).zip(self.signatures()).filter(|(_, one)| one["result"] == "fail");
        let (number, _) = broken
            .filter(|(number, one)| self.is_mended(*number, one))
            .min_by_key(|(number, one)| (one["aligned"] != true, *number))?;
        let steps: Vec<&str> = self
            .repairs()
            .iter()
            .filter(|repair| repair["signature"] == number)
            .filter_map(|repair| repair["what"].as_str())
            .collect();
        Some(format!("DKIM #{number} holds if {}.", steps.join(", and ")))
    }

    fn repairs(&self) -> &[Value] {
        self.fact("autopsy", "repairs").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The one suspicious thing.
    fn look(&self) -> VerdictLine {
        let found = self
            .sections
            .iter()
            .flat_map(|section| section.findings.iter().map(move |finding| (section.id, finding)))
            .filter(|(_, finding)| finding.severity >= Severity::Warning && !SAID.contains(&finding.id))
            .min_by_key(|(_, finding)| (std::cmp::Reverse(finding.severity), rank(finding.id)));
        let question = "LOOK AT THIS";
        match found {
            // A list or gateway that can be undone explains the broken signature better than the signature does.
            Some((id, finding)) => {
                let mended = self.mended().filter(|_| BROKEN.contains(&finding.id));
                let (answer, severity, id) = match mended {
                    Some(mended) => (mended, Severity::Warning, "autopsy"),
                    None => (sentence(&finding.text), finding.severity, id),
                };
                VerdictLine { question, answer, severity, section: Some(id) }
            }
            None if self.sections.len() < super::ALL.len() => {
                VerdictLine { question, answer: "still looking".into(), severity: Severity::Info, section: None }
            }
            None => {
                let lossy = self.finding("message.headers-only").is_some();
                let open = self.sections.iter().any(|section| section.state == crate::report::State::Unknown);
                let answer = if open {
                    "nothing in the part that could be looked at; the rest is not known."
                } else if lossy {
                    "nothing in these headers; the body was not pasted, so it was not looked at."
                } else {
                    "nothing stands out here. That is no proof of good intent."
                };
                VerdictLine { question, answer: answer.into(), severity: Severity::Ok, section: None }
            }
        }
    }
}

fn rank(id: &str) -> usize {
    FIRST.iter().position(|prefix| id.starts_with(prefix)).unwrap_or(FIRST.len())
}

/// The first sentence of a text: up to a full stop before a blank.
fn sentence(text: &str) -> String {
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;

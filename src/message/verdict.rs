//! The three lines that a tired person can act on, and the table *who says so*; both read the sections' facts alone, so
//! they say the same as the sections, and are there "so far" while some are missing.
//!
//! What `claimed` must have in `results[]` to stand in the table: `method`, `result`, `authserv_id`, `agrees`, and for
//! `dkim` the signing `domain` (and `selector`, if it was told).

use serde_json::Value;

use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::address::Author;
use crate::name::Name;
use crate::report::{Cell, Link, Row, Section, Table, VerdictLine};

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
    "hops.",
    "dkim.",
    "spf.",
    "autopsy.",
];

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
            _ if self.signatures().iter().any(|one| one["result"] == "pass" && one["aligned"] == true) => (
                format!("PROBABLY: {author} signed it, and publishes no policy that says what to expect."),
                Severity::Info,
            ),
            _ => (
                format!("NOT PROVEN: {author} publishes no DMARC policy, and nothing that passes belongs to it."),
                Severity::Warning,
            ),
        }
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
                    "IN PART: {author} signed it (DKIM #{number}), and it was changed after; that part can be anybody's."
                ),
                Severity::Warning,
            ),
            None => (format!("NO. Nothing that passes belongs to {author}."), Severity::Error),
        }
    }

    /// Whether the autopsy made all that is broken of a signature hold again.
    fn is_mended(&self, number: u64, signature: &Value) -> bool {
        let repairs = self.fact("autopsy", "repairs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let has = |part: &str| repairs.iter().any(|repair| repair["signature"] == number && repair["part"] == part);
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
        let by_spf = self.fact("dmarc", "spf_aligned") == Some(&Value::Bool(true));
        if !whole && !by_spf {
            let text = format!("IN PART: {author} signed the beginning of it; what follows can be anybody's.");
            return (text, Severity::Error);
        }
        (format!("yes: {author} {}. That does not make it honest.", self.by_what(by_spf)), Severity::Ok)
    }

    /// What proves the author, in a few words.
    fn by_what(&self, by_spf: bool) -> String {
        let signed: Vec<String> = (1..)
            .zip(self.signatures())
            .filter(|(_, one)| one["result"] == "pass" && one["aligned"] == true)
            .map(|(number, _)| format!("#{number}"))
            .collect();
        let sent = "lets the server that sent it send (SPF)";
        match (signed.as_slice(), by_spf) {
            ([], _) => sent.to_owned(),
            (signed, false) => format!("signed it (DKIM {})", signed.join(", ")),
            (signed, true) => format!("signed it (DKIM {}), and {sent}", signed.join(", ")),
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

    /// What made a broken body hash match again.
    fn mended(&self) -> Option<&str> {
        self.finding("autopsy.body-mended").map(|finding| finding.text.as_str())
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
            Some((_, finding)) if finding.id == "dkim.body-changed" && self.mended().is_some() => {
                let answer = self.mended().map(sentence).unwrap_or_default();
                VerdictLine { question, answer, severity: Severity::Warning, section: Some("autopsy") }
            }
            Some((id, finding)) => {
                VerdictLine { question, answer: sentence(&finding.text), severity: finding.severity, section: Some(id) }
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

/// The table *who says so*.
pub(super) fn table(message: &Message, sections: &[Section]) -> Option<Table> {
    let read = Read { message, sections };
    if sections.is_empty() {
        return None;
    }
    let columns = ["who says so", "domain", "recomputed here", "they claimed", "aligned"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for name in message.author().domains() {
        rows.push(read.row(("From", Some(name.as_str())), None, None, Cell::from("(the name)").dimmed(), "identities"));
    }
    for (number, one) in read.signatures().iter().enumerate() {
        let who = format!("DKIM #{} s={}", number + 1, one["selector"].as_str().unwrap_or_default());
        let domain = one["domain"].as_str();
        let word = one["result"].as_str().unwrap_or_default();
        let said = match (one["reason"].as_str(), one["bits"].as_u64()) {
            (Some(_), _)
                if one["header_signature"] == "valid" && one["body_hash"] == "unchecked" && word == "neutral" =>
            {
                "headers hold; no body".to_owned()
            }
            (Some(reason), _) => format!("{word}: {reason}"),
            (None, Some(bits)) => format!("{word}  {} {bits}", one["algorithm"].as_str().unwrap_or_default()),
            (None, None) => word.to_owned(),
        };
        let aligned = match (one["aligned"].as_bool(), word) {
            (Some(true), "pass") => "yes",
            (Some(true), _) => "would be",
            (Some(false), _) => "no",
            (None, _) => "not known",
        };
        let claimed = read.claimed("dkim", domain);
        rows.push(read.row((&who, domain), Some((said, word)), claimed, aligned.into(), "dkim"));
    }
    if let Some(word) = read.word("spf", "result") {
        let is_helo = read.word("spf", "identity") == Some("helo");
        let aligned = match (read.fact("dmarc", "spf_domain_aligned").and_then(Value::as_bool), word) {
            (Some(true), "pass") => "yes",
            (Some(true), _) => "would be",
            (Some(false), _) => "no",
            (None, _) => "-",
        };
        if !is_helo {
            let ip = read.word("spf", "client_ip").unwrap_or_default();
            let claimed = read.claimed("spf", None);
            let domain = read.word("spf", "domain");
            rows.push(read.row(
                ("SPF MAIL FROM", domain),
                Some((format!("{word}  {ip}"), word)),
                claimed,
                aligned.into(),
                "spf",
            ));
        }
        if let Some(helo) = read.fact("spf", "helo").filter(|helo| helo.is_object()) {
            let word = helo["result"].as_str().unwrap_or_default();
            rows.push(read.row(
                ("SPF HELO", helo["domain"].as_str()),
                Some((word.to_owned(), word)),
                None,
                Cell::from("not used").dimmed(),
                "spf",
            ));
        }
    }
    if let Some(word) = read.word("dmarc", "result") {
        let claimed = read.claimed("dmarc", None);
        rows.push(read.row(
            ("DMARC", read.word("dmarc", "author_domain")),
            Some((word.into(), word)),
            claimed,
            "-".into(),
            "dmarc",
        ));
    }
    if let Some(word) = read.word("arc", "result") {
        rows.push(read.row(("ARC", None), Some((word.into(), word)), read.claimed("arc", None), "-".into(), "arc"));
    }
    Some(Table { columns, rows })
}

impl Read<'_> {
    fn row(
        &self,
        (who, domain): (&str, Option<&str>),
        recomputed: Option<(String, &str)>,
        claimed: Option<Cell>,
        aligned: Cell,
        section: &'static str,
    ) -> Row {
        let domain = match domain {
            Some(text) => {
                let link = Name::from_unicode(text).ok().filter(|name| !name.is_root()).map(Link::Domain);
                let cell = Cell::from(text);
                link.map_or(cell.clone(), |link| cell.linked(link))
            }
            None => Cell::from("-"),
        };
        let recomputed = match recomputed {
            Some((text, word)) => {
                // A failure must stand out without colour too.
                let loud = if word == "fail" { text.replacen("fail", "FAIL", 1) } else { text };
                Cell::from(loud).judged(severity(word))
            }
            None => Cell::from("-"),
        };
        let is_there = self.section(section).is_some();
        Row {
            cells: vec![who.into(), domain, recomputed, claimed.unwrap_or_else(|| Cell::from("-")), aligned],
            section: is_there.then_some(section),
        }
    }

    /// What the topmost result of a method claims, for a signature that of its domain.
    fn claimed(&self, method: &str, domain: Option<&str>) -> Option<Cell> {
        let results = self.fact("claimed", "results")?.as_array()?;
        let fits = |result: &&Value| {
            result["method"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(method))
                && result["field"] != "ARC-Authentication-Results"
                && domain
                    .is_none_or(|domain| result["domain"].as_str().is_none_or(|told| told.eq_ignore_ascii_case(domain)))
        };
        // What counts goes before what anybody may have written.
        let found = results.iter().filter(fits).min_by_key(|result| result["trusted"] != Value::Bool(true))?;
        let word = found["result"].as_str().unwrap_or_default();
        let server = found["authserv_id"].as_str().unwrap_or("no server named");
        // The news first: a narrow column cuts the end off.
        let (news, severity) = match (found["agrees"].as_bool(), found["disagreement"].as_str()) {
            (Some(false), Some("forged")) => ("(forged?)  ", Severity::Error),
            (Some(false), Some("unsure")) => ("(forged?)  ", Severity::Warning),
            (Some(false), Some("earlier")) => ("(earlier)  ", Severity::Info),
            (Some(false), _) => ("DISAGREES  ", Severity::Error),
            (Some(true) | None, _) => ("", Severity::Ok),
        };
        Some(Cell::from(format!("{word}  {news}{server}")).judged(severity))
    }
}

fn severity(word: &str) -> Severity {
    match word {
        "pass" => Severity::Ok,
        "fail" => Severity::Error,
        "softfail" | "policy" | "temperror" | "permerror" => Severity::Warning,
        _ => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::check::Subject;
    use crate::check::world::World;
    use crate::job::Envelope;

    const RFC8463: &str = include_str!("../../tests/fixtures/messages/rfc8463-a3.eml");
    const KEY: &str = "brisbane._domainkey.football.example.com TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";
    const POLICY: &str = "_dmarc.example.com TXT \"v=DMARC1; p=reject\"\n";

    fn judged(world: &str, raw: &str) -> (Message, Vec<Section>) {
        let message = Message::parse(raw.as_bytes().to_vec().into(), Envelope::default()).unwrap();
        let world = World::parse(world).unwrap();
        let settle = |check: &&'static dyn crate::check::Check<Message>| {
            world.settle(*check, &message, OffsetDateTime::from_unix_timestamp(1_795_514_292).unwrap()).section
        };
        let sections = super::super::ALL.iter().map(settle).collect();
        (message, sections)
    }

    fn answers(world: &str, raw: &str) -> Vec<String> {
        let (message, sections) = judged(world, raw);
        message.verdict(&sections).into_iter().map(|line| line.answer).collect()
    }

    #[test]
    fn a_proven_message_is_a_yes_and_a_forged_one_a_no_with_its_policy() {
        let yes = answers(&format!("{KEY}{POLICY}"), RFC8463);
        assert!(yes[0].starts_with("yes: football.example.com signed it (DKIM #1). That does not"), "{yes:?}");
        assert!(yes[1].starts_with("nothing"), "{yes:?}");
        let no = answers(&format!("{KEY}{POLICY}"), &RFC8463.replace("hungry", "thirsty"));
        assert_eq!(no[0], "NO. Nothing that passes belongs to football.example.com.");
        assert!(no[1].starts_with("REJECT"), "{no:?}");
        assert!(no[2].contains("the body is not the one that was signed"), "{no:?}");
    }

    #[test]
    fn what_could_not_be_looked_at_is_not_known() {
        let lines = answers(
            "_dmarc.example.com TXT !servfail\nbrisbane._domainkey.football.example.com TXT !timeout\ntest._domainkey.football.example.com TXT !timeout",
            RFC8463,
        );
        assert!(lines[0].starts_with("NOT KNOWN"), "{lines:?}");
        assert!(lines[2].starts_with("nothing in the part that could be looked at"), "{lines:?}");
    }

    #[test]
    fn headers_without_a_body_are_not_known_to_fail() {
        let headers = RFC8463.split_inclusive("\n").take_while(|line| !line.trim().is_empty()).collect::<String>();
        let spf = "football.example.com TXT \"v=spf1 -all\"\n";
        let came = "Return-Path: <x@football.example.com>\nReceived: from out (out [192.0.2.1]) by mx.corp.example with ESMTP; Tue, 24 Nov 2026 09:58:12 +0000\nAuthentication-Results: mx.corp.example; dkim=pass header.d=football.example.com\n";
        let (message, sections) = judged(&format!("{KEY}{POLICY}{spf}"), &format!("{came}{headers}"));
        let lines: Vec<String> = message.verdict(&sections).into_iter().map(|line| line.answer).collect();
        assert_eq!(
            lines[0],
            "NOT KNOWN: football.example.com signed these headers (#1), and whether the body is its own cannot be said: the body was not pasted."
        );
        assert_eq!(lines[1], "not known: see DMARC.");
        let of = |id: &str| sections.iter().find(|section| section.id == id).unwrap();
        let claim = &of("claimed").facts["results"][0];
        assert_eq!((&claim["recomputed"], &claim["agrees"]), (&"neutral".into(), &Value::Null), "{claim}");
        assert!(of("dmarc").findings[0].fix.as_ref().unwrap().contains("Paste the whole source"));
    }

    #[test]
    fn a_damaged_paste_proves_nothing_against_its_sender() {
        let quoted: String = RFC8463.lines().map(|line| format!("> {line}\n")).collect();
        let world = format!("{KEY}{POLICY}");
        let lines = answers(&world, &quoted.replace("hungry", "thirsty"));
        assert!(
            lines[0].starts_with("NOT KNOWN: football.example.com's signature fails, and what the paste"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("REJECT, if it came as it is here"), "{lines:?}");
        // Nothing that the paste did makes somebody else's signature its own.
        let other = quoted.replace("joe@football.example.com", "joe@bank.example");
        let lines = answers(&format!("{world}_dmarc.bank.example TXT \"v=DMARC1; p=reject\"\n"), &other);
        assert!(lines[0].starts_with("NO. Nothing that passes belongs to bank.example"), "{lines:?}");
    }

    #[test]
    fn what_a_list_added_is_told_apart_from_a_forgery() {
        let listed = format!("{RFC8463}--\nthe football list\n");
        let lines = answers(&format!("{KEY}{POLICY}"), &listed);
        assert!(
            lines[0].starts_with("IN PART: football.example.com signed it (DKIM #1), and it was changed after"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("REJECT:"), "{lines:?}");
        assert!(lines[2].contains("matches if the last 2 lines are removed"), "{lines:?}");
        let forged = answers(&format!("{KEY}{POLICY}"), &listed.replace("hungry", "thirsty"));
        assert!(forged[0].starts_with("NO."), "{forged:?}");
    }

    #[test]
    fn no_policy_is_not_a_no() {
        assert!(answers(KEY, RFC8463)[0].starts_with("PROBABLY"));
        assert!(answers("x EMPTY", RFC8463)[0].starts_with("NOT PROVEN"));
    }

    #[test]
    fn two_from_fields_are_the_first_thing_to_say() {
        let raw = format!("From: Bank <a@bank.example>\n{RFC8463}");
        let lines = answers(&format!("{KEY}{POLICY}"), &raw);
        assert!(lines[0].starts_with("NOBODY CAN SAY: there are several From fields"), "{lines:?}");
        assert!(lines[2].starts_with("The From field stands more than once"), "{lines:?}");
    }

    #[test]
    fn the_table_has_every_identity_and_opens_their_sections() {
        let (message, sections) = judged(&format!("{KEY}{POLICY}"), RFC8463);
        let table = message.summary(&sections).unwrap();
        let rows: Vec<Vec<&str>> =
            table.rows.iter().map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect()).collect();
        assert_eq!(rows[0][..2], ["From", "football.example.com"]);
        assert_eq!(rows[1], ["DKIM #1 s=brisbane", "football.example.com", "pass  ed25519-sha256 256", "-", "yes"]);
        assert_eq!(rows[2], ["DKIM #2 s=test", "football.example.com", "permerror: no key", "-", "would be"]);
        assert!(rows.iter().all(|row| row.len() == table.columns.len()));
        assert_eq!(table.rows[1].section, Some("dkim"));
    }

    #[test]
    fn what_fails_would_be_aligned_and_is_not() {
        let raw = format!(
            "Return-Path: <x@football.example.com>\r\nReceived: from out (out [192.0.2.1]) by mx.corp.example with ESMTP; Tue, 24 Nov 2026 09:58:12 +0000\r\n{}",
            RFC8463.replace("hungry", "thirsty")
        );
        let (message, sections) = judged(&format!("{KEY}{POLICY}football.example.com TXT \"v=spf1 -all\"\n"), &raw);
        let aligned = |table: &Table| -> Vec<(String, String)> {
            let row = |row: &Row| Some((row.cells.first()?.text.clone(), row.cells.last()?.text.clone()));
            table.rows.iter().filter_map(row).collect()
        };
        let told = aligned(&message.summary(&sections).unwrap());
        let of = |who: &str| &told.iter().find(|(row, _)| row.starts_with(who)).unwrap().1;
        assert_eq!((of("DKIM #1"), of("SPF MAIL FROM")), (&"would be".into(), &"would be".into()));
        let section = sections.iter().find(|section| section.id == "dkim").unwrap();
        let Some(crate::report::Block::Table(table)) = section.blocks.first() else { panic!() };
        assert_eq!(aligned(table), [("1".into(), "would be".into()), ("2".into(), "would be".into())]);
        assert_eq!(section.facts["signatures"][0]["aligned"], true, "scripts get the domain's alignment");
    }

    #[test]
    fn nothing_is_said_before_it_is_known() {
        let (message, _) = judged("", RFC8463);
        let lines = message.verdict(&[]);
        assert!(lines.iter().all(|line| line.answer.ends_with("still looking")), "{lines:?}");
    }
}

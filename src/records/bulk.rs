//! What Google, Yahoo and Microsoft ask of whoever sends in bulk (Gmail and Yahoo since February 2024, Outlook.com since
//! May 2025): which of their rules DNS shows, and which it cannot. Their rules are theirs to change; the dates say when
//! these were read. Nothing here is an error of a domain that sends little.

use serde_json::json;

use crate::check::{Check, Kind, Look, Memo, Seen, Wait};
use crate::finding::{Finding, Severity};
use crate::records::Domain;
use crate::records::address::{Existence, absent_with_its_name, exists};
use crate::records::dmarc::discover;
use crate::records::mx::mx_names;
use crate::records::spf::is_spf;
use crate::report::{Block, Cell, Row, Section, State, Table};

const ID: &str = "bulk";
const TITLE: &str = "Bulk rules";
const GMAIL: &str = "Gmail, Yahoo: 2024-02";
const OUTLOOK: &str = "Outlook.com: 2025-05-05";

/// The check of the rules for bulk senders.
pub struct Bulk;

/// Whether a rule is met, as far as DNS shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Yes,
    No,
    /// DNS shows only a part.
    Unknown,
    /// We could not look; the record's own section says why.
    NotSeen,
    /// DNS can never show it.
    NotInDns,
}

impl Met {
    fn word(self) -> &'static str {
        match self {
            Met::Yes => "met",
            Met::No => "unmet",
            Met::Unknown | Met::NotSeen => "unknown",
            Met::NotInDns => "not in DNS",
        }
    }
}

struct Rule {
    id: &'static str,
    what: &'static str,
    who: &'static str,
    met: Met,
    how: String,
    section: Option<&'static str>,
}

impl Check<Domain> for Bulk {
    fn id(&self) -> &'static str {
        ID
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "What Gmail, Yahoo and Outlook.com ask of bulk senders (5,000 messages a day): which rules DNS shows to be met"
    }

    fn step(&self, domain: &Domain, seen: &Seen<'_>, _: &mut Memo) -> Result<Section, Wait> {
        let domainkey = domain.name.below("_domainkey").ok();
        let (existence, txt, dmarc, mx, keys) = (
            exists(domain, seen),
            seen.dns(&domain.name, Kind::Txt),
            discover(&domain.name, seen),
            mx_names(domain, seen),
            domainkey.map(|name| seen.dns(&name, Kind::Txt)).transpose(),
        );
        let (existence, txt, dmarc, mx, keys) = (existence?, txt?, dmarc?, mx?, keys?);
        if let Existence::NoSuchName { .. } = existence {
            return Ok(absent_with_its_name(ID, TITLE));
        }
        let spf = match txt.look() {
            Look::Unknown(why) => (Met::NotSeen, format!("could not look: {why}")),
            Look::Found(_) if txt.texts().any(|text| is_spf(&text)) => (Met::Yes, "a record is published".to_owned()),
            Look::Found(_) | Look::Absent(_) => (Met::No, format!("no SPF record at {}", domain.name)),
        };
        let dkim = match keys.map(|keys| (keys.answer.look(), keys.is_no_such_name())) {
            Some((Look::Unknown(why), _)) => (Met::NotSeen, format!("could not look: {why}")),
            // Nothing exists below a name that does not exist (RFC 8020).
            None | Some((_, true)) => (Met::No, "nothing is published below _domainkey".to_owned()),
            Some(_) => (Met::Unknown, "keys may be there; DNS cannot list selectors (see DKIM)".to_owned()),
        };
        let dmarc = match (&dmarc.temperror, dmarc.policies, &dmarc.policy_domain) {
            (Some(why), ..) => (Met::NotSeen, format!("could not look: {why}")),
            (None, Some(_), Some(at)) => (Met::Yes, format!("a policy stands at {at}; p=none is enough")),
            (None, ..) => (Met::No, "no DMARC policy applies".to_owned()),
        };
        let nothing_sends = txt.texts().any(|text| text.eq_ignore_ascii_case(b"v=spf1 -all")) && mx.null_mx;
        let rules = rules(spf, dkim, dmarc);
        Ok(section(domain, &rules, nothing_sends).settle())
    }
}

fn rules(spf: (Met, String), dkim: (Met, String), dmarc: (Met, String)) -> Vec<Rule> {
    let both = "Gmail, Yahoo: 2024-02; Outlook.com: 2025-05-05";
    let outside =
        |id, what, who, how: &str| Rule { id, what, who, met: Met::NotInDns, how: how.to_owned(), section: None };
    vec![
        Rule {
            id: "spf",
            what: "SPF for the envelope's domain",
            who: both,
            met: spf.0,
            how: spf.1,
            section: Some("spf"),
        },
        Rule { id: "dkim", what: "DKIM signatures", who: both, met: dkim.0, how: dkim.1, section: Some("dkim") },
        Rule {
            id: "dmarc",
            what: "DMARC, p=none at least",
            who: both,
            met: dmarc.0,
            how: dmarc.1,
            section: Some("dmarc"),
        },
        outside("aligned", "From aligned with SPF or DKIM", both, "paste a message that you sent"),
        outside("unsubscribe", "One-click unsubscribe (RFC 8058)", GMAIL, "paste a marketing message that you sent"),
        outside(
            "ptr",
            "PTR that leads back, for each sending address",
            GMAIL,
            "needs the sending addresses; MX hosts need not be they",
        ),
        outside("tls", "TLS on the way to them", GMAIL, "your sending server's log shows it"),
        outside("complaints", "Spam complaints under 0.3 %", GMAIL, "Google Postmaster Tools shows it"),
        outside("list", "Working From or Reply-To, clean lists", OUTLOOK, "nobody outside can see it"),
    ]
}

fn section(domain: &Domain, rules: &[Rule], nothing_sends: bool) -> Section {
    let mut section = Section::new(ID, TITLE);
    section.fact(
        "rules",
        rules.iter().map(|rule| json!({"id": rule.id, "who": rule.who, "state": rule.met.word()})).collect::<Vec<_>>(),
    );
    if nothing_sends {
        section.state = State::Absent;
        section.headline = "sends nothing".into();
        return section;
    }
    let visible = || rules.iter().filter(|rule| rule.met != Met::NotInDns);
    let met = visible().filter(|rule| rule.met == Met::Yes).count();
    section.headline = format!("{met}/{} in DNS", visible().count());
    let unmet: Vec<&str> = visible().filter(|rule| rule.met == Met::No).map(|rule| rule.what).collect();
    if !unmet.is_empty() {
        section.findings.push(
            Finding::info(
                "bulk.unmet",
                format!(
                    "{} would be refused or sent to spam by Gmail, Yahoo and Outlook.com (550 5.7.515) once it sends 5,000 messages a day: {}. They ask much of this of smaller senders, too.",
                    domain.name,
                    unmet.join("; ")
                ),
            )
            .with_reference("Google and Yahoo sender guidelines (February 2024), Outlook.com (5 May 2025)"),
        );
    }
    if visible().any(|rule| rule.met == Met::NotSeen) {
        section.state = State::Unknown;
    }
    if visible().all(|rule| matches!(rule.met, Met::Unknown | Met::NotSeen)) {
        section.headline = "could not look".into();
    }
    let columns = ["Rule", "Who, since", "", "How we know"].map(String::from).to_vec();
    let rows = rules.iter().map(|rule| {
        let severity = if rule.met == Met::No { Severity::Info } else { Severity::Ok };
        let word = Cell::from(rule.met.word()).judged(severity);
        let cells = vec![Cell::from(rule.what), Cell::from(rule.who), word, Cell::from(rule.how.clone())];
        Row { cells, section: rule.section }
    });
    section.blocks.push(Block::Table(Table { columns, rows: rows.collect() }));
    section.blocks.push(Block::Prose {
        title: "What DNS cannot show".into(),
        text: vec![
            "Most rules are about messages and habits: that From is aligned, that marketing mail has a one-click unsubscribe, that few people complain. Paste a message that you sent to have it looked at.".into(),
            "Gmail refuses for good more and more since November 2025 what it deferred before; Outlook.com refuses since 5 May 2025 with 550 5.7.515.".into(),
        ],
    });
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::world::{Settled, World};
    use crate::name::Name;
    use time::OffsetDateTime;

    fn settle(world: &str) -> Settled {
        let domain = Domain::new(Name::from_text("example.com").unwrap());
        World::parse(world).unwrap().settle(&Bulk, &domain, OffsetDateTime::UNIX_EPOCH)
    }

    fn states(section: &Section) -> Vec<String> {
        let rules = section.facts.get("rules").and_then(|rules| rules.as_array()).unwrap();
        rules.iter().take(3).map(|rule| rule["state"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_dns_shows_is_told_from_what_it_cannot() {
        let settled = settle(
            "example.com TXT \"v=spf1 -all\"\n_dmarc.example.com TXT \"v=DMARC1; p=none\"\ns1._domainkey.example.com TXT \"p=\"",
        );
        assert_eq!((settled.depth, settled.section.state), (1, State::Ok));
        assert_eq!(states(&settled.section), ["met", "unknown", "met"]);
        assert_eq!(settled.section.headline, "2/3 in DNS");
        let rules = settled.section.facts.get("rules").unwrap().as_array().unwrap();
        assert_eq!(rules.iter().filter(|rule| rule["state"] == "not in DNS").count(), 6);
    }

    #[test]
    fn what_is_missing_is_a_note_and_never_an_error() {
        let section = settle("example.com A 192.0.2.1").section;
        assert_eq!((section.state, states(&section)), (State::Info, ["unmet"; 3].map(String::from).to_vec()));
        assert!(section.findings[0].text.contains("SPF for the envelope's domain; DKIM signatures; DMARC"));
    }

    #[test]
    fn what_could_not_be_looked_at_is_unknown() {
        let faults = "example.com ANY !timeout\n_dmarc.example.com ANY !servfail\n_domainkey.example.com ANY !refused";
        let section = settle(faults).section;
        assert_eq!((section.state, states(&section)), (State::Unknown, ["unknown"; 3].map(String::from).to_vec()));
        assert!(section.findings.is_empty());
    }

    #[test]
    fn one_rule_that_could_not_be_looked_at_leaves_the_whole_unknown() {
        let records = "example.com TXT \"v=spf1 -all\"\n_dmarc.example.com TXT \"v=DMARC1; p=none\"\n";
        for fault in
            ["example.com TXT !servfail", "_dmarc.example.com TXT !timeout", "_domainkey.example.com TXT !refused"]
        {
            let section = settle(&format!("{records}example.com A 192.0.2.1\n{fault}")).section;
            assert_eq!(section.state, State::Unknown, "{fault}");
        }
    }

    #[test]
    fn a_domain_that_sends_nothing_has_no_rules_to_meet() {
        let section = settle("example.com MX 0 .\nexample.com TXT \"v=spf1 -all\"").section;
        assert_eq!((section.state, section.findings.len()), (State::Absent, 0));
    }
}

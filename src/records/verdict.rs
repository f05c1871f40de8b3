//! The three lines above a domain's sections: can it be spoofed, can its mail be read in transit, what to do first. They
//! are made of whatever sections are there so far, and claim nothing of those that are not.

use crate::finding::{Finding, Severity};
use crate::records::ALL;
use crate::records::published::JUDGED_IS_OLD;
use crate::report::{Posture, Question, Section, State, VerdictLine};

const SPOOFED: &str = "SPOOFED?";
const IN_TRANSIT: &str = "READ IN TRANSIT?";
const DO_FIRST: &str = "DO FIRST";
/// How many findings stand above the sections.
const MOST: usize = 3;

/// Errors, the most urgent first: mail that is lost today, then mail that anybody can forge, then what could be. An entry
/// that ends with a dot stands for all of its section; what is not named follows in the order of the sections.
const ERRORS: &[&str] = &[
    "address.no-such-name",
    "dnssec.bogus",
    "dnssec.",
    "mx.",
    "dane.",
    "mta-sts.no-mx-listed",
    "spf.pass-all",
    "spf.include-passes-all",
    "spf.everybody",
    "dkim.short-key",
    "dmarc.absent",
    "dmarc.policy-is-void",
    "dmarc.several-records",
    "dmarc.near-miss",
    "dmarc.wrong-place",
    "spf.several-records",
    "spf.too-many-lookups",
    "spf.",
    "dmarc.policy-counts-as-none",
    "dmarc.",
    "dkim.",
    "mta-sts.",
    "tls-rpt.",
];

/// Warnings and notes: what lets forged mail through before what makes mail fragile, and that before what is missing.
const OTHERS: &[&str] = &[
    "dmarc.parked-not-refused",
    "dmarc.policy-none",
    "dmarc.consider-reject",
    "spf.none",
    "spf.",
    "dkim.weak-key",
    "dkim.none",
    "mta-sts.some-mx-unlisted",
    "dmarc.external-not-authorized",
    "dmarc.",
    "mta-sts.",
    "tls-rpt.",
    "dkim.",
    "dane.",
    "mx.",
    "dnssec.",
    "ns.",
    "caa.",
];

/// The lines for the sections that are there so far.
pub fn verdict(sections: &[Section]) -> Vec<VerdictLine> {
    if sections.is_empty() {
        return Vec::new();
    }
    if let Some(line) = no_such_name(sections) {
        return vec![line];
    }
    let mut lines = Vec::new();
    let silent = sections.len() > 1 && sections.iter().all(|section| section.state == State::Unknown);
    if silent {
        lines.push(VerdictLine {
            question: "NO ANSWER",
            answer: "the name servers gave no usable answer to anything: nothing is known of this domain. Is there a network? Ask other name servers (R, --dns).".into(),
            severity: Severity::Error,
            section: None,
        });
    }
    lines.push(spoofed(sections));
    lines.push(in_transit(sections));
    if !silent {
        lines.extend(do_first(sections));
    }
    lines
}

/// Of a name that is not there one sentence is enough.
fn no_such_name(sections: &[Section]) -> Option<VerdictLine> {
    let address = sections.iter().find(|section| section.id == "address")?;
    let finding = address.findings.iter().find(|finding| finding.id == "address.no-such-name")?;
    // Mail in the name of a subdomain that does not exist has a policy all the same.
    let has_policy = sections.iter().any(|section| section.id == "dmarc" && section.state != State::Absent);
    (!has_policy).then(|| VerdictLine {
        question: "NOT THERE",
        answer: finding.text.clone(),
        severity: finding.severity,
        section: Some(address.id),
    })
}

fn postures(sections: &[Section], question: Question) -> Vec<(&Section, &Posture)> {
    let all = sections.iter().flat_map(|section| section.posture.iter().map(move |posture| (section, posture)));
    all.filter(|(_, posture)| posture.question == question).collect()
}

fn line(question: &'static str, (section, posture): (&Section, &Posture)) -> VerdictLine {
    VerdictLine { question, answer: posture.answer.clone(), severity: posture.severity, section: Some(section.id) }
}

/// DMARC decides, because only it binds the name that people see; another section overrides it when what it says is worse
/// (an SPF record that lets everybody pass makes p=reject worth nothing). Where DMARC stops nothing anyhow nobody needs to
/// break a key: then only mail that would even pass is worse.
fn spoofed(sections: &[Section]) -> VerdictLine {
    let all = postures(sections, Question::Spoofed);
    let dmarc = all.iter().find(|(section, _)| section.id == "dmarc");
    let open =
        dmarc.is_some_and(|(section, dmarc)| dmarc.severity >= Severity::Warning && section.state != State::Unknown);
    let worse = all.iter().find(|(section, posture)| {
        posture.severity == Severity::Error && section.id != "dmarc" && (!open || section.id == "spf")
    });
    let deciding = match dmarc {
        Some((_, posture)) if posture.severity == Severity::Error => dmarc,
        _ => worse.or(dmarc),
    };
    // A warning of another section weakens the answer without turning it round.
    match deciding {
        Some(found) => line(SPOOFED, *found),
        None => not_looked(SPOOFED, "not known without DMARC"),
    }
}

/// One good protection is enough, unless another section shows that mail does not arrive at all.
fn in_transit(sections: &[Section]) -> VerdictLine {
    let all = postures(sections, Question::ReadInTransit);
    let broken = all.iter().find(|(_, posture)| posture.severity == Severity::Error);
    let best = all.iter().min_by_key(|(_, posture)| posture.severity);
    // What we could not look at may be the protection that the others lack.
    let unknown = all.iter().find(|(section, _)| section.state == State::Unknown);
    let deciding = match (broken, best) {
        (Some(found), _) => Some(found),
        (None, Some(found)) if found.1.severity <= Severity::Info => Some(found),
        (None, found) => unknown.or(found),
    };
    match deciding {
        Some(found) => line(IN_TRANSIT, *found),
        None => not_looked(IN_TRANSIT, "not known without MTA-STS and DANE"),
    }
}

fn not_looked(question: &'static str, answer: &str) -> VerdictLine {
    VerdictLine { question, answer: answer.to_owned(), severity: Severity::Info, section: None }
}

/// The worst findings that something can be done about.
fn do_first(sections: &[Section]) -> Vec<VerdictLine> {
    let mut all: Vec<(usize, &Section, &Finding)> = sections
        .iter()
        .flat_map(|section| section.findings.iter().map(move |finding| (section, finding)))
        // What was judged is not published any more: that is all there is to say of it.
        .filter(|(section, finding)| {
            finding.id == JUDGED_IS_OLD || section.findings.iter().all(|other| other.id != JUDGED_IS_OLD)
        })
        .filter(|(_, finding)| {
            finding.severity > Severity::Info || finding.severity == Severity::Info && finding.fix.is_some()
        })
        .map(|(section, finding)| (importance(finding), section, finding))
        .collect();
    // The sort is stable: within equals the order of the sections stays.
    all.sort_by_key(|(rank, _, finding)| (std::cmp::Reverse(finding.severity), *rank));
    let mut seen: Vec<&str> = Vec::new();
    all.retain(|(_, _, finding)| {
        let first = !seen.contains(&finding.id);
        seen.push(finding.id);
        first
    });
    // A note of a section that has something worse to say would only repeat it.
    let mut worse: Vec<&str> = Vec::new();
    all.retain(|(_, section, finding)| {
        if finding.severity > Severity::Info {
            worse.push(section.id);
        }
        finding.severity > Severity::Info || !worse.contains(&section.id)
    });
    if all.is_empty() {
        let answer = if sections.len() >= ALL.len() { "nothing: every check is content" } else { "nothing so far" };
        return vec![VerdictLine { question: DO_FIRST, answer: answer.into(), severity: Severity::Ok, section: None }];
    }
    all.into_iter()
        .take(MOST)
        .map(|(_, section, finding)| VerdictLine {
            question: DO_FIRST,
            answer: news(section, finding),
            severity: finding.severity,
            section: Some(section.id),
        })
        .collect()
}

fn importance(finding: &Finding) -> usize {
    let list = if finding.severity == Severity::Error { ERRORS } else { OTHERS };
    let names = |entry: &&str| if entry.ends_with('.') { finding.id.starts_with(*entry) } else { finding.id == *entry };
    list.iter().position(names).unwrap_or(list.len())
}

/// The first sentence of a finding, with its section's name where the sentence does not say it.
fn news(section: &Section, finding: &Finding) -> String {
    let sentence = finding.text.split_inclusive(". ").next().unwrap_or(&finding.text).trim_end();
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    if sentence.contains(section.title) { sentence.to_owned() } else { format!("{}: {sentence}", section.title) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Subject;
    use crate::check::world::World;
    use crate::name::Name;
    use crate::records::Domain;
    use time::OffsetDateTime;

    fn lines(sections: &[Section]) -> Vec<(&'static str, String)> {
        verdict(sections).into_iter().map(|line| (line.question, line.answer)).collect()
    }

    fn section(id: &'static str, posture: Option<(Question, &str, Severity)>) -> Section {
        let mut section = Section::new(id, id);
        section.posture.extend(posture.map(|(question, answer, severity)| Posture {
            question,
            answer: answer.into(),
            severity,
        }));
        section
    }

    /// The checks of the policies, and the address, in a world.
    fn judged(name: &str, world: World) -> (Vec<Section>, Vec<VerdictLine>) {
        let domain = Domain::new(Name::from_text(name).unwrap());
        let known = ["address", "dmarc", "mta-sts", "tls-rpt"];
        let sections: Vec<Section> = ALL
            .iter()
            .filter(|check| known.contains(&check.id()))
            .map(|check| world.settle(*check, &domain, OffsetDateTime::UNIX_EPOCH).section)
            .collect();
        let lines = domain.verdict(&sections);
        (sections, lines)
    }

    #[test]
    fn the_domain_of_the_crash_course_reads_as_the_mission_wants_it() {
        let world = World::parse(
            "monsec.example A 192.0.2.1
             monsec.example MX 1 smtp.google.example
             _dmarc.monsec.example TXT \"v=DMARC1; p=quarantine; rua=mailto:dmarc-reports@monsec.example\"
             _mta-sts.monsec.example TXT \"v=STSv1;id=1707645265270;\"
             mta-sts.monsec.example A 192.0.2.80
             _smtp._tls.monsec.example TXT \"v=TLSRPTv1;rua=mailto:smtp-tls-reports@monsec.example;\"",
        )
        .unwrap()
        .with_file(
            "https://mta-sts.monsec.example/.well-known/mta-sts.txt",
            "version: STSv1\nmode: testing\nmx: aspmx.l.google.example\nmax_age: 604800\n",
        );
        let (_, lines) = judged("monsec.example", world);
        let line = |at: usize| (lines[at].question, lines[at].answer.as_str(), lines[at].severity);
        assert_eq!(line(0), ("SPOOFED?", "hard: failing mail is asked into quarantine", Severity::Ok));
        assert_eq!(line(1), ("READ IN TRANSIT?", "yes: MTA-STS is testing", Severity::Warning));
        let worst = "MTA-STS policy does not list your MX smtp.google.example: \"enforce\" would stop mail";
        assert_eq!((line(2), lines[2].section), (("DO FIRST", worst, Severity::Error), Some("mta-sts")));
        assert!(lines.iter().any(|line| line.answer == "DMARC: Read reports for some weeks, then consider p=reject"));
    }

    #[test]
    fn an_error_of_another_section_overrides_dmarc_and_a_warning_does_not() {
        let dmarc = section("dmarc", Some((Question::Spoofed, "hard", Severity::Ok)));
        let spf = |severity| section("spf", Some((Question::Spoofed, "by anybody: +all", severity)));
        assert_eq!(lines(&[spf(Severity::Error), dmarc.clone()])[0].1, "by anybody: +all");
        assert_eq!(lines(&[spf(Severity::Warning), dmarc.clone()])[0].1, "hard");
        assert_eq!(lines(&[spf(Severity::Ok), dmarc])[0].1, "hard");
    }

    #[test]
    fn one_good_protection_in_transit_is_enough_unless_mail_is_stopped() {
        let of = |id, severity| section(id, Some((Question::ReadInTransit, id, severity)));
        let answer = |sections: &[Section]| lines(sections)[1].1.clone();
        assert_eq!(answer(&[of("mta-sts", Severity::Warning), of("dane", Severity::Ok)]), "dane");
        assert_eq!(answer(&[of("mta-sts", Severity::Ok), of("dane", Severity::Error)]), "dane");
        let mut unknown = of("dane", Severity::Warning);
        unknown.state = State::Unknown;
        assert_eq!(answer(&[of("mta-sts", Severity::Warning), unknown.clone()]), "dane", "it may be the protection");
        assert_eq!(answer(&[of("mta-sts", Severity::Ok), unknown]), "mta-sts");
    }

    #[test]
    fn what_is_not_there_yet_is_not_claimed() {
        let said = lines(&[section("caa", None)]);
        assert_eq!(said[0], ("SPOOFED?", "not known without DMARC".into()));
        assert_eq!(said[1], ("READ IN TRANSIT?", "not known without MTA-STS and DANE".into()));
        assert_eq!(said[2], ("DO FIRST", "nothing so far".into()));
        assert_eq!(lines(&[]), []);
    }

    #[test]
    fn the_first_things_to_do_are_the_worst_and_at_most_three() {
        let mut spf = section("spf", None);
        spf.findings.push(Finding::info("spf.note", "a note without anything to do"));
        spf.findings.push(Finding::warning("spf.soft", "Soft. More words."));
        let mut dmarc = section("dmarc", None);
        dmarc.findings.push(Finding::error("dmarc.duplicate-tag", "Twice. And so on."));
        dmarc.findings.push(Finding::error("dmarc.absent", "None."));
        dmarc.findings.push(Finding::error("dmarc.absent", "The same again."));
        let said: Vec<String> = lines(&[spf, dmarc]).split_off(2).into_iter().map(|line| line.1).collect();
        assert_eq!(said, ["dmarc: None", "dmarc: Twice", "spf: Soft"]);
    }

    #[test]
    fn what_is_lost_or_forged_goes_before_what_is_fragile_or_missing() {
        let with = |id: &'static str, severity, found: &[&'static str]| {
            let mut section = section(id, None);
            let finding = |id: &&'static str| Finding::new(id, severity, id.replace('.', " ")).with_fix("do");
            section.findings.extend(found.iter().map(finding));
            section
        };
        let said =
            |sections: &[Section]| lines(sections).split_off(2).into_iter().map(|line| line.1).collect::<Vec<_>>();
        let errors = [
            with("spf", Severity::Error, &["spf.syntax", "spf.pass-all"]),
            with("mta-sts", Severity::Error, &["mta-sts.no-mx-listed"]),
            with("mx", Severity::Error, &["mx.no-address"]),
        ];
        assert_eq!(said(&errors), ["mx no-address", "mta-sts no-mx-listed", "spf pass-all"]);
        let warnings = [
            with("mx", Severity::Warning, &["mx.dynamic-address"]),
            with("dkim", Severity::Warning, &["dkim.weak-key"]),
            with("dmarc", Severity::Warning, &["dmarc.policy-none"]),
        ];
        assert_eq!(said(&warnings), ["dmarc policy-none", "dkim weak-key", "mx dynamic-address"]);
        let notes = [
            with("spf", Severity::Info, &["spf.fail-before-dkim"]),
            with("dmarc", Severity::Info, &["dmarc.consider-reject"]),
            with("dnssec", Severity::Info, &["dnssec.none"]),
        ];
        assert_eq!(said(&notes), ["dmarc consider-reject", "spf fail-before-dkim", "dnssec none"]);
    }

    #[test]
    fn nobody_breaks_a_key_where_dmarc_stops_nothing() {
        let at = |id, answer, severity| section(id, Some((Question::Spoofed, answer, severity)));
        let watching = || at("dmarc", "easily", Severity::Warning);
        let asking = || at("dmarc", "hard", Severity::Ok);
        let key = || at("dkim", "weak key", Severity::Error);
        let all = || at("spf", "passes all", Severity::Error);
        let unseen = || Section { state: State::Unknown, ..watching() };
        let said = |sections: &[Section]| spoofed(sections).answer;
        assert_eq!(said(&[key(), watching()]), "easily");
        assert_eq!(said(&[all(), key(), watching()]), "passes all");
        assert_eq!(said(&[key(), asking()]), "weak key");
        assert_eq!(said(&[key(), unseen()]), "weak key");
    }

    #[test]
    fn a_note_stands_there_only_for_a_section_with_nothing_worse() {
        let mut sts = section("mta-sts", None);
        sts.findings.push(Finding::error("mta-sts.no-mx-listed", "Not listed."));
        sts.findings.push(Finding::info("mta-sts.testing", "Testing.").with_fix("do"));
        let mut dmarc = section("dmarc", None);
        dmarc.findings.push(Finding::info("dmarc.consider-reject", "Read.").with_fix("do"));
        let said: Vec<String> = lines(&[dmarc, sts]).split_off(2).into_iter().map(|line| line.1).collect();
        assert_eq!(said, ["mta-sts: Not listed", "dmarc: Read"]);
    }

    #[test]
    fn a_name_that_is_not_registered_is_one_sentence() {
        let (sections, lines) = judged("nothing.example", World::parse("").unwrap());
        assert!(sections.iter().all(|section| section.state == State::Absent));
        assert_eq!((lines.len(), lines[0].question, lines[0].section), (1, "NOT THERE", Some("address")));
    }

    #[test]
    fn a_domain_of_which_nothing_could_be_looked_at_says_so_first() {
        let faults = "example.com ANY !timeout\n_dmarc.example.com ANY !timeout\n_mta-sts.example.com ANY !timeout
            _smtp._tls.example.com ANY !timeout\nwww.example.com ANY !timeout\nmta-sts.example.com ANY !timeout";
        let (sections, lines) = judged("example.com", World::parse(faults).unwrap());
        assert!(sections.iter().all(|section| section.state == State::Unknown), "{sections:#?}");
        assert_eq!((lines[0].question, lines[0].severity), ("NO ANSWER", Severity::Error));
        assert!(lines[1].answer.starts_with("not known") && lines[2].answer.starts_with("not known"));
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_parked_domain_done_right_has_nothing_to_do() {
        let parked =
            "example.com MX 0 .\nexample.com TXT \"v=spf1 -all\"\n_dmarc.example.com TXT \"v=DMARC1; p=reject\"
            example.com A 192.0.2.1";
        let (_, lines) = judged("example.com", World::parse(parked).unwrap());
        let answers: Vec<&str> = lines.iter().map(|line| line.answer.as_str()).collect();
        assert_eq!(answers.first(), Some(&"hard: failing mail is asked to be refused"));
        assert_eq!(answers.get(1), Some(&"no: the domain takes no mail"));
        assert!(answers.get(2).is_some_and(|answer| answer.starts_with("nothing")), "{answers:?}");
    }
}

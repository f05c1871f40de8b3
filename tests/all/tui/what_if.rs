//! What-if: a record as it is not published. Its world is text, judged by the real checks; no engine runs.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mxray::check::world::World;
use mxray::check::{Evidence, Memo, Query, Seen, Subject};
use mxray::finding::Severity;
use mxray::job::{Job, JobEvent, JobId};
use mxray::name::Name;
use mxray::records::{ALL, Domain};
use mxray::report::{Lookup, LookupId, Report, Section};
use mxray::tui::action::PaneId;
use mxray::tui::effect::Effect;
use mxray::tui::event::Event;
use mxray::tui::state::State;
use mxray::tui::update::{settle, update};
use time::OffsetDateTime;

use super::{coloured, draw, rows, shot};

const CHECKS: &[&str] = &["mx", "spf", "dmarc", "mta-sts", "tls-rpt"];

const WORLD: &str = r#"
shop.example 300 MX 10 mx.shop.example
mx.shop.example 300 A 192.0.2.25
shop.example 300 TXT "v=spf1 mx include:_a.shop.example include:_b.shop.example ~all"
shop.example 300 TXT "some-service=verified"
_a.shop.example 300 TXT "v=spf1 include:_deep.shop.example ip4:192.0.2.64/26 ~all"
_deep.shop.example 300 TXT "v=spf1 a:mx.shop.example ~all"
_b.shop.example 300 TXT "v=spf1 ip4:203.0.113.0/24 ~all"
_dmarc.shop.example 300 TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@shop.example"
"#;

/// Runs checks to their ends on a world, from what is known.
fn judge(world: &World, only: &[&str], mut evidence: Evidence) -> (Vec<Section>, Evidence, Vec<Lookup>) {
    let domain = Domain::new(Name::from_text("shop.example").expect("a name"));
    let mut sections = Vec::new();
    let mut lookups = Vec::new();
    for check in ALL.iter().filter(|check| only.contains(&check.id())) {
        let mut memo = Memo::default();
        loop {
            let seen = Seen::new(&evidence, OffsetDateTime::UNIX_EPOCH);
            let step = check.step(&domain, &seen, &mut memo);
            let notes = seen.into_notes();
            if let Ok(mut section) = step {
                section.evidence = notes.read;
                sections.push(section.settle());
                break;
            }
            for (query, _) in notes.missing {
                let id = LookupId(u32::try_from(evidence.len()).expect("few"));
                lookups.push(line(id, &query));
                let answer = world.answer(&query);
                evidence.insert(query, id, Arc::new(answer));
            }
        }
    }
    (sections, evidence, lookups)
}

fn line(id: LookupId, query: &Query) -> Lookup {
    let name = match query {
        Query::Dns { name, .. } => name.to_string(),
        _ => "file".to_owned(),
    };
    Lookup {
        id,
        kind: "dns",
        name,
        rr_type: "TXT".into(),
        via: String::new(),
        outcome: Some("answer"),
        detail: None,
        start_ms: 0.0,
        elapsed_ms: 1.0,
        cached: false,
        joined: false,
        ttl: None,
        dnssec: "unknown",
        asked_by: Vec::new(),
    }
}

fn finished(world: &World, only: &[&str], known: Evidence) -> JobEvent {
    let domain = Domain::new(Name::from_text("shop.example").expect("a name"));
    let (sections, evidence, lookups) = judge(world, only, known);
    let report = Report {
        mxray: "0",
        schema: 1,
        kind: "domain",
        target: "shop.example".into(),
        at: OffsetDateTime::UNIX_EPOCH,
        elapsed_ms: 1.0,
        worst: Severity::Ok,
        verdict: domain.verdict(&sections),
        summary: None,
        since: None,
        sections,
        lookups,
    };
    JobEvent::Finished(Arc::new(report), Arc::new(evidence))
}

fn world() -> World {
    World::parse(WORLD).expect("a world")
}

/// shop.example, looked at, with a section open: `spf`, `dmarc` …
fn looked_at(section: &str) -> State {
    let mut state = coloured(CHECKS);
    draw(&mut state, (120, 40));
    press(&mut state, "shop.example⏎");
    let id = state.shared.inquiry(PaneId::Domain).expect("a job").id;
    update(&mut state, Event::Job(id, finished(&world(), CHECKS, Evidence::default())));
    settle(&mut state);
    let at = CHECKS.iter().position(|id| *id == section).expect("a section") + 1;
    press(&mut state, &"↓".repeat(at));
    state
}

/// `⏎` Enter, `⎋` Esc, arrows, `⌫` all that was typed; everything else as it stands. Returns what is to be done outside.
fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in keys.chars() {
        let (code, modifiers) = match c {
            '⏎' => (KeyCode::Enter, KeyModifiers::NONE),
            '⎋' => (KeyCode::Esc, KeyModifiers::NONE),
            '↓' => (KeyCode::Down, KeyModifiers::NONE),
            '→' => (KeyCode::Right, KeyModifiers::NONE),
            '⌫' => (KeyCode::Char('u'), KeyModifiers::CONTROL),
            c => (KeyCode::Char(c), KeyModifiers::NONE),
        };
        effects.extend(update(state, Event::Key(KeyEvent::new(code, modifiers))));
        settle(state);
    }
    effects
}

fn screen(state: &mut State) -> String {
    rows(&draw(state, (120, 40))).join("\n")
}

fn started(effects: &[Effect]) -> Vec<(JobId, &Job)> {
    let starts = effects.iter().filter_map(|effect| match effect {
        Effect::Start(id, job) => Some((*id, job)),
        _ => None,
    });
    starts.collect()
}

fn copied(effects: &[Effect]) -> Vec<&str> {
    let copies = effects.iter().filter_map(|effect| match effect {
        Effect::Copy { text, .. } => Some(text.as_str()),
        _ => None,
    });
    copies.collect()
}

/// Puts the cursor on a row of the details by searching for it `times` times.
fn find(state: &mut State, text: &str, times: usize) {
    press(state, &format!("→g/{text}⏎"));
    for _ in 1..times {
        press(state, "/⏎");
    }
}

#[test]
fn the_line_holds_what_is_published_and_every_key_is_judged_without_a_question() {
    let mut state = looked_at("spf");
    let before = screen(&mut state);
    assert!(before.contains("SPF  ✓ ok  5/10") || before.contains("5/10"), "{before}");
    assert!(press(&mut state, "w").is_empty());
    assert!(
        screen(&mut state).contains("what if TXT @: v=spf1 mx include:_a.shop.example include:_b.shop.example ~all")
    );
    let effects = press(&mut state, "⌫v=spf1 mx include:_b.shop.example -all");
    assert!(effects.is_empty(), "typing asks nothing: {effects:?}");
    let shown = screen(&mut state);
    assert!(shown.contains("WHAT IF") && shown.contains("(not published)") && shown.contains("5/10 → "), "{shown}");
    assert!(shown.contains("2/10 look-ups") && shown.contains("include:_b.shop.example -all"), "{shown}");
    // The other TXT record of the name is no second SPF record, and the old one is gone.
    assert!(!shown.contains("2 records"), "{shown}");
}

#[test]
fn a_half_typed_name_is_asked_only_after_enter_and_its_answer_belongs_to_the_what_if() {
    let mut state = looked_at("spf");
    let effects = press(&mut state, "w⌫v=spf1 include:_new.shop.example -all");
    assert!(started(&effects).is_empty());
    let shown = screen(&mut state);
    assert!(shown.contains("Enter asks for TXT _new.shop.example"), "{shown}");
    assert!(shown.contains("not asked yet"), "{shown}");

    let effects = press(&mut state, "⏎");
    let jobs = started(&effects);
    let [(id, job)] = jobs.as_slice() else { panic!("one job: {jobs:?}") };
    // Every check that reads the record judges anew.
    assert!(job.only.contains(&"spf".to_owned()), "{:?}", job.only);
    let given = job.evidence.clone().expect("what is known goes along");
    let name = Name::from_text("shop.example").expect("a name");
    let supposed = given.get(&Query::dns(&name, mxray::check::Kind::Txt)).expect("the record is supposed");
    assert!(format!("{:?}", supposed.answer).contains("Txt"));
    assert!(screen(&mut state).contains("TXT _new.shop.example: asking"));

    // The engine answers from what is given, and asks the world for the rest.
    let new =
        World::parse(&format!("{WORLD}_new.shop.example 300 TXT \"v=spf1 mx:shop.example ~all\"\n")).expect("a world");
    let mut known = Evidence::default();
    for (query, entry) in given.iter() {
        known.insert(query.clone(), entry.lookup, entry.answer.clone());
    }
    let query = Query::dns(&name, mxray::check::Kind::Txt);
    known.insert(query, supposed.lookup, supposed.answer.clone());
    update(&mut state, Event::Job(*id, finished(&new, &["spf"], known)));
    settle(&mut state);
    let shown = screen(&mut state);
    assert!(shown.contains("2/10") && !shown.contains("asking") && !shown.contains("not asked yet"), "{shown}");
    assert!(shown.contains("WHAT IF: not published"), "{shown}");

    // What came is known now: the next edit needs no question for it.
    let effects = press(&mut state, "w⌫v=spf1 include:_new.shop.example ~all⏎");
    assert!(started(&effects).is_empty());
    press(&mut state, "⎋");
    assert!(screen(&mut state).contains("v=spf1 mx include:_a.shop.example include:_b.shop.example ~all"));
}

#[test]
fn escape_leads_back_to_what_is_published_and_stops_what_was_asked() {
    let mut state = looked_at("dmarc");
    let before = screen(&mut state);
    press(&mut state, "w⌫v=DMARC1; p=none");
    let shown = screen(&mut state);
    assert!(shown.contains("WHAT IF") && shown.contains("(published: "), "the verdict before and after: {shown}");
    press(&mut state, "⎋");
    let after = screen(&mut state);
    assert!(after.contains("back to what is published"));
    assert_eq!(after.replace(" back to what is published", ""), before);

    let effects = press(&mut state, "w⌫v=DMARC1; p=none; rua=mailto:a@elsewhere.example⏎");
    let (id, _) = started(&effects)[0];
    let effects = press(&mut state, "⎋");
    assert!(matches!(effects.as_slice(), [Effect::Cancel(stopped)] if *stopped == id), "{effects:?}");
    // A late answer changes nothing.
    update(&mut state, Event::Job(id, JobEvent::Failed("too late".into())));
    settle(&mut state);
    assert!(!screen(&mut state).contains("WHAT IF"));
}

#[test]
fn y_copies_the_edited_record_and_no_report_is_made_of_it() {
    let mut state = looked_at("dmarc");
    let effects = press(&mut state, "w⌫v=DMARC1; p=reject⏎y");
    assert_eq!(copied(&effects), ["v=DMARC1; p=reject"]);
    assert_eq!(copied(&press(&mut state, "n")), ["_dmarc"]);
    assert_eq!(copied(&press(&mut state, "Y↓↓↓⏎")), ["_dmarc.shop.example. 300 IN TXT \"v=DMARC1; p=reject\""]);
    assert!(copied(&press(&mut state, "Z")).is_empty());
    press(&mut state, "S");
    assert!(state.shared.line.is_none(), "nothing to save");
    assert!(screen(&mut state).contains("no report of it is saved"));
    // The zone snippet is there again with what is published.
    press(&mut state, "⎋");
    assert!(!screen(&mut state).contains("WHAT IF"));
}

#[test]
fn a_proposal_can_be_tried_before_it_is_published() {
    let mut state = looked_at("tls-rpt");
    assert!(screen(&mut state).contains("none   TLS-RPT"));
    press(&mut state, "w");
    let line = state.shared.line.as_ref().expect("a line").input.value().to_owned();
    assert!(line.starts_with("v=TLSRPTv1"), "{line}");
    press(&mut state, "⌫v=TLSRPTv1; rua=mailto:tls@shop.example⏎");
    let shown = screen(&mut state);
    assert!(shown.contains("TLS-RPT none → ok 1 rua"), "{shown}");
}

#[test]
fn an_mta_sts_record_is_judged_with_what_is_known_of_its_policy_host() {
    let mut state = looked_at("mta-sts");
    let effects = press(&mut state, "w⌫v=STSv1; id=1⏎");
    let jobs = started(&effects);
    assert!(jobs.is_empty(), "that its host has no address is known: {jobs:?}");
    let shown = screen(&mut state);
    assert!(shown.contains("MTA-STS none → ERROR void; findings 0 → 1 (not published)"), "{shown}");
    assert!(shown.contains("mta-sts.shop.example has no address") && shown.contains("nothing more to ask"), "{shown}");
}

#[test]
fn a_term_of_the_tree_is_dropped_by_key_and_the_budget_is_shown() {
    let mut state = looked_at("spf");
    find(&mut state, "include:_b.shop.example", 3);
    let effects = press(&mut state, "d");
    assert!(effects.is_empty());
    let shown = screen(&mut state);
    assert!(shown.contains("5/10 → ") && shown.contains("4/10 look-ups"), "{shown}");
    assert_eq!(copied(&press(&mut state, "y")), ["v=spf1 mx include:_a.shop.example ~all"]);
    // A second one of the same record goes too.
    find(&mut state, "include:_a.shop.example", 3);
    press(&mut state, "d");
    assert_eq!(copied(&press(&mut state, "y")), ["v=spf1 mx ~all"]);
    assert!(screen(&mut state).contains("1/10 look-ups"));
    press(&mut state, "⎋");
    assert!(screen(&mut state).contains("5/10 look-ups"));
}

#[test]
fn a_term_of_somebody_elses_record_says_whose_it_is() {
    let mut state = looked_at("spf");
    find(&mut state, "include:_deep.shop.example", 1);
    press(&mut state, "d");
    let shown = screen(&mut state);
    assert!(shown.contains("in the record of _a.shop.example, which may not be yours"), "{shown}");
    assert!(shown.contains("3/10 look-ups"), "{shown}");
    assert_eq!(copied(&press(&mut state, "y")), ["v=spf1 ip4:192.0.2.64/26 ~all"]);
}

#[test]
fn asking_again_and_going_elsewhere_begin_from_what_is_published() {
    for keys in ["r", ":parked.example⏎"] {
        let mut state = looked_at("spf");
        press(&mut state, "w⌫v=spf1 -all⏎");
        let effects = press(&mut state, keys);
        assert_eq!(started(&effects).len(), 1, "{keys}");
        assert!(state.shared.what_if.is_none(), "{keys}");
        let shown = screen(&mut state);
        assert!(!shown.contains("WHAT IF"), "{keys}: {shown}");
    }
    // Back from there it is what was published.
    let mut state = looked_at("spf");
    press(&mut state, "w⌫v=spf1 -all⏎:parked.example⏎<");
    assert!(screen(&mut state).contains("v=spf1 mx include:_a.shop.example"));
}

#[test]
fn any_text_on_the_line_is_survived() {
    let mut state = looked_at("spf");
    press(&mut state, "w⌫");
    for text in [
        "\u{1b}[2J",
        "v=spf1 include:%{",
        "v=spf1 include:a..b",
        "é".repeat(300).as_str(),
        "v=spf1 redirect=shop.example",
    ] {
        update(&mut state, Event::Paste(text.to_owned()));
        settle(&mut state);
        let shown = screen(&mut state);
        assert!(shown.contains("WHAT IF") && !shown.contains('\u{1b}'), "{shown}");
        press(&mut state, "⌫");
    }
}

#[test]
fn domain_what_if() {
    let mut state = looked_at("spf");
    press(&mut state, "w⌫v=spf1 mx include:_new.shop.example -all");
    shot("domain_what_if", state);
}

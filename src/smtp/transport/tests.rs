use time::OffsetDateTime;

use super::*;
use crate::check::world::World;
use crate::check::{Answer, Dnssec, Evidence, PkixFault, Query, Transcript};
use crate::job::SmtpPlan;
use crate::report::LookupId;
use crate::smtp::session::tests::transcript;

const GOOD: &str = "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*tls\nC: EHLO me\nS: 250 mail\nC: QUIT\nS: 221 bye\n*closed";
const CLEAR: &str = "*connect\nS: 220 hi\nC: EHLO me\nS: 250 mail\nC: QUIT\nS: 221 bye\n*closed";
const REFUSED: &str = "*connect\nS: 554 no\nC: QUIT\nS: 221 bye\n*closed";
const ZONE: &str = "example.com MX 10 mail.example.com\nmail.example.com A 192.0.2.1\nmail.example.com AAAA !nodata";

/// Runs the check on a world whose every dialogue is `said`.
fn transport(world: &World, said: &str) -> Section {
    transport_with(world, transcript(said))
}

fn transport_with(world: &World, mut said: Transcript) -> Section {
    let target = Target::parse("example.com", SmtpPlan::default()).unwrap();
    said.finished = true;
    let mut evidence = Evidence::default();
    for round in 0..8 {
        let seen = Seen::new(&evidence, OffsetDateTime::UNIX_EPOCH);
        let result = Transport.step(&target, &seen, &mut Memo::default());
        let notes = seen.into_notes();
        if let Ok(section) = result {
            assert_eq!(round, 3, "MX, then addresses and TLSA, then the dialogue");
            return section.settle();
        }
        for (number, (query, _)) in notes.missing.into_iter().enumerate() {
            let answer = match &query {
                Query::Smtp(_) => Answer::Smtp(said.clone()),
                other => world.answer(other),
            };
            evidence.insert(query, LookupId(round * 100 + u32::try_from(number).unwrap()), answer.into());
        }
    }
    panic!("never settles");
}

fn world(more: &str) -> World {
    World::parse(&format!("{ZONE}\n{more}")).unwrap()
}

fn answers(section: &Section) -> Vec<String> {
    verdict(section).into_iter().map(|line| line.answer).collect()
}

fn report(section: &Section) -> String {
    section.facts["hosts"][0]["tls_rpt_result"].as_str().unwrap().to_owned()
}

fn with_policy(mode: &str, mx: &str) -> World {
    world("_mta-sts.example.com TXT \"v=STSv1; id=1;\"").with_file(
        "https://mta-sts.example.com/.well-known/mta-sts.txt",
        format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n"),
    )
}

#[test]
fn a_host_that_encrypts_gets_its_mail_from_everybody() {
    let section = transport(&world(""), GOOD);
    assert_eq!(answers(&section)[0], "yes, encrypted, to mail.example.com");
    assert_eq!(report(&section), "success");
    assert_eq!(summary(&section).unwrap().rows.len(), 1);
}

#[test]
fn without_starttls_a_plain_sender_delivers_in_clear_and_an_enforcing_one_does_not() {
    let section = transport(&with_policy("enforce", "mail.example.com"), CLEAR);
    assert!(answers(&section)[0].starts_with("yes, IN CLEAR TEXT"), "{:?}", answers(&section));
    assert!(answers(&section)[1].starts_with("NO: it does not encrypt"), "{:?}", answers(&section));
    assert_eq!(report(&section), "starttls-not-supported");
    let testing = transport(&with_policy("testing", "mail.example.com"), CLEAR);
    assert!(answers(&testing)[1].starts_with("yes, IN CLEAR TEXT"), "testing only reports");
    assert_eq!(report(&testing), "starttls-not-supported");
}

#[test]
fn a_policy_that_does_not_list_the_host_makes_an_enforcing_sender_skip_it() {
    let section = transport(&with_policy("enforce", "other.example.com"), GOOD);
    assert!(answers(&section)[1].contains("the policy does not list it"));
    assert_eq!(section.findings[0].id, "transport.not-in-policy");
    // What is copied replaces what is served, so it is the whole file.
    let proposed = &section.suggestions[0];
    let served = "version: STSv1\nmode: enforce\nmx: other.example.com\nmax_age: 604800\n";
    assert_eq!(proposed.current.as_deref(), Some(served));
    assert_eq!(
        proposed.value,
        served.replace("mx: other.example.com\n", "mx: other.example.com\nmx: mail.example.com\n")
    );
}

#[test]
fn a_policy_that_cannot_be_used_is_reported_by_its_own_type() {
    let announced = || world("_mta-sts.example.com TXT \"v=STSv1; id=1;\"");
    let url = "https://mta-sts.example.com/.well-known/mta-sts.txt";
    for (outcome, result) in [
        (crate::check::HttpsOutcome::Status(404), "sts-policy-fetch-error"),
        (crate::check::HttpsOutcome::Tls("expired".into()), "sts-webpki-invalid"),
    ] {
        let section = transport(&announced().with_https(url, outcome), GOOD);
        assert!(section.findings[0].text.contains(result), "{:?}", section.findings);
    }
    let section = transport(&announced().with_file(url, "junk"), GOOD);
    assert!(section.findings[0].text.contains("sts-policy-invalid"));
}

#[test]
fn dane_decides_where_it_applies_and_a_failed_lookup_defers() {
    let tlsa = "_25._tcp.mail.example.com TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000";
    let section = transport(&world(tlsa).with_dnssec(Dnssec::Secure), GOOD);
    assert!(answers(&section)[2].starts_with("NO: no certificate"), "{:?}", answers(&section));
    assert_eq!(report(&section), "validation-failure");
    let insecure = transport(&world(tlsa), GOOD);
    assert!(answers(&insecure)[2].contains("do not count"));
    assert_eq!(insecure.findings[0].id, "transport.tlsa-not-secure");
    let unproven = transport(&world(tlsa).with_dnssec(Dnssec::Unknown), GOOD);
    assert_eq!(unproven.findings[0].id, "transport.tlsa-not-validated");
    assert!(!unproven.findings[0].fix.as_deref().unwrap_or_default().contains("Sign the zone"), "nobody validated");
    assert!(unproven.findings[0].text.contains("does not pass DNSSEC records"), "{}", unproven.findings[0].text);
    let bogus = transport(&world("").with_dnssec(Dnssec::Bogus), GOOD);
    assert_eq!(report(&bogus), "dnssec-invalid", "a bogus \"no TLSA\" is no \"no TLSA\"");
    let failed = transport(&world("_25._tcp.mail.example.com TLSA !servfail"), GOOD);
    assert!(answers(&failed)[2].contains("TLSA lookup failed"), "{:?}", answers(&failed));
    assert_eq!(report(&failed), "dnssec-invalid");
}

#[test]
fn a_server_that_refuses_is_not_one_that_cannot_encrypt() {
    let section = transport(&world(""), REFUSED);
    assert!(answers(&section)[0].starts_with("NO: it refuses with 554"), "{:?}", answers(&section));
    assert_eq!(report(&section), "-");
}

#[test]
fn faults_of_dns_are_unknown_and_never_absent() {
    for fault in ["servfail", "timeout", "refused", "malformed"] {
        let target = Target::parse("example.com", SmtpPlan::default()).unwrap();
        let world = World::parse(&format!("example.com MX !{fault}")).unwrap();
        for check in crate::smtp::ALL {
            let section = world.settle(*check, &target, OffsetDateTime::UNIX_EPOCH).section;
            assert_eq!(section.state, crate::report::State::Unknown, "{fault} {}", section.id);
        }
    }
}

/// [`GOOD`] with a certificate that fails so.
fn faulty(fault: PkixFault) -> Transcript {
    let mut said = transcript(GOOD);
    for entry in &mut said.entries {
        if let crate::check::TranscriptEvent::TlsStarted(session) = &mut entry.event {
            std::sync::Arc::make_mut(session).pkix = Err(fault.clone());
        }
    }
    said
}

/// The result types of RFC 8460 §4.3, each by a world that brings it about.
#[test]
fn every_result_type_of_tls_rpt_is_reachable() {
    let enforced = || with_policy("enforce", "mail.example.com");
    let announced = || world("_mta-sts.example.com TXT \"v=STSv1; id=1;\"");
    let url = "https://mta-sts.example.com/.well-known/mta-sts.txt";
    let tlsa = |record: &str| world(&format!("_25._tcp.mail.example.com TLSA {record}")).with_dnssec(Dnssec::Secure);
    let zeros = "0".repeat(64);
    let mut reached = std::collections::BTreeSet::new();
    let by_host = [
        (transport(&enforced(), CLEAR), "starttls-not-supported"),
        (transport_with(&enforced(), faulty(PkixFault::WrongName)), "certificate-host-mismatch"),
        (transport_with(&enforced(), faulty(PkixFault::Expired)), "certificate-expired"),
        (transport_with(&enforced(), faulty(PkixFault::SelfSigned)), "certificate-not-trusted"),
        (transport_with(&enforced(), faulty(PkixFault::UnknownIssuer)), "certificate-not-trusted"),
        (transport_with(&enforced(), faulty(PkixFault::Other("revoked".into()))), "validation-failure"),
        (transport(&tlsa(&format!("3 1 1 {zeros}")), GOOD), "validation-failure"),
        (transport(&tlsa(&format!("0 1 1 {zeros}")), GOOD), "tlsa-invalid"),
        (transport(&world("").with_dnssec(Dnssec::Bogus), GOOD), "dnssec-invalid"),
    ];
    for (section, result) in &by_host {
        assert_eq!(report(section), *result);
        reached.insert(*result);
    }
    let by_policy = [
        (
            transport(&announced().with_https(url, crate::check::HttpsOutcome::Status(404)), GOOD),
            "sts-policy-fetch-error",
        ),
        (transport(&announced().with_file(url, "junk"), GOOD), "sts-policy-invalid"),
        (
            transport(&announced().with_https(url, crate::check::HttpsOutcome::Tls("expired".into())), GOOD),
            "sts-webpki-invalid",
        ),
    ];
    for (section, result) in &by_policy {
        assert!(section.findings[0].text.contains(result), "{:?}", section.findings);
        reached.insert(*result);
    }
    let section = transport(&world(""), GOOD);
    assert_eq!(section.facts["hosts"][0]["tls_rpt_result_if_dane_is_required"], "dane-required");
    reached.insert("dane-required");
    let all = [
        "certificate-expired",
        "certificate-host-mismatch",
        "certificate-not-trusted",
        "dane-required",
        "dnssec-invalid",
        "starttls-not-supported",
        "sts-policy-fetch-error",
        "sts-policy-invalid",
        "sts-webpki-invalid",
        "tlsa-invalid",
        "validation-failure",
    ];
    assert!(reached.iter().eq(&all), "{reached:?}");
}

#[test]
fn a_dialogue_that_did_not_come_to_tls_says_nothing_of_the_servers_tls() {
    let zeros = "0".repeat(64);
    let signed = format!("_25._tcp.mail.example.com TLSA 3 1 1 {zeros}\n_mta-sts.example.com TXT \"v=STSv1; id=1;\"");
    let signed = world(&signed).with_dnssec(Dnssec::Secure).with_file(
        "https://mta-sts.example.com/.well-known/mta-sts.txt",
        "version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 604800\n",
    );
    // Stopped after the banner, stopped before STARTTLS, hung up in the middle of it.
    for said in [
        "*connect\nS: 220 hi\nC: QUIT\nS: 221 bye\n*closed",
        "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 STARTTLS\nC: QUIT\nS: 221 bye\n*closed",
        "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 STARTTLS\nC: STARTTLS\n*closed",
    ] {
        let section = transport(&signed, said);
        let host = &section.facts["hosts"][0];
        assert_eq!((&host["dane"], &host["tls_rpt_result"]), (&"not-tried".into(), &"-".into()), "{said}");
        assert!(section.findings.iter().all(|one| one.id != "transport.tlsa-without-tls"), "{:?}", section.findings);
        assert!(answers(&section).iter().all(|answer| !answer.contains("no TLSA")), "{:?}", answers(&section));
    }
    let without = transport(&signed, CLEAR);
    assert_eq!(without.facts["hosts"][0]["dane"], "no-tls", "that it offers none is seen");
    assert_eq!(without.findings[0].id, "transport.tlsa-without-tls");
}

#[test]
fn the_tlsa_records_of_an_alias_stand_at_its_target_and_then_at_its_own_name() {
    let zeros = "0".repeat(64);
    let alias =
        "example.com MX 10 mail.example.com\nmail.example.com CNAME real.example.net\nreal.example.net A 192.0.2.1";
    for owner in ["real.example.net", "mail.example.com"] {
        let world = World::parse(&format!("{alias}\n_25._tcp.{owner} TLSA 3 1 1 {zeros}")).unwrap();
        let section = transport(&world.with_dnssec(Dnssec::Secure), GOOD);
        assert_eq!(section.facts["hosts"][0]["dane"], "mismatch", "{owner}");
    }
}

#[test]
fn a_tlsa_lookup_that_we_could_not_make_is_not_the_zones_fault() {
    for fault in ["timeout", "refused", "malformed", "failed"] {
        let section = transport(&world(&format!("_25._tcp.mail.example.com TLSA !{fault}")), GOOD);
        let ids: Vec<_> = section.findings.iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["transport.tlsa-not-looked"], "{fault}");
        assert!(answers(&section)[2].starts_with("not known: its TLSA records could not be looked for"), "{fault}");
        let host = &section.facts["hosts"][0];
        assert_eq!((&host["dane"], &host["tls_rpt_result"]), (&"not-looked".into(), &"-".into()), "{fault}");
        assert_eq!(host["tls_rpt_result_if_dane_is_required"], "-", "{fault}");
    }
}

#[test]
fn a_server_that_has_nothing_in_common_with_us_may_have_with_others() {
    let ehlo = "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go";
    let enforced = with_policy("enforce", "mail.example.com");
    let other = transport(&enforced, &format!("{ehlo}\n*tls-other"));
    assert!(answers(&other)[..2].iter().all(|answer| answer.starts_with("not known")), "{:?}", answers(&other));
    assert_eq!(report(&other), "-");
    let old = transport(&enforced, &format!("{ehlo}\n*tls-old"));
    assert!(answers(&old)[0].starts_with("yes, IN CLEAR TEXT"), "{:?}", answers(&old));
    assert!(answers(&old)[1].starts_with("NO: "), "{:?}", answers(&old));
    assert_eq!(report(&old), "validation-failure");
}

#[test]
fn tls_that_breaks_defers_and_at_the_goodbye_it_does_not_matter() {
    let tls = "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*tls\nC: EHLO me";
    let early = transport(&world(""), &format!("{tls}\n*tls-broken\n*closed"));
    assert!(answers(&early)[0].starts_with("deferred: TLS breaks at EHLO"), "{:?}", answers(&early));
    let late = transport(&world(""), &format!("{tls}\nS: 250 mail\nC: QUIT\n*tls-broken\n*closed"));
    assert_eq!(answers(&late)[0], "yes, encrypted, to mail.example.com");
}

#[test]
fn delivery_is_as_bad_as_its_worst_answer_whatever_section_has_the_finding() {
    use crate::report::State;
    let state = |said: &str| transport(&world(""), said).state;
    assert_eq!(state(GOOD), State::Ok);
    assert_eq!(state(CLEAR), State::Error, "in clear text");
    assert_eq!(state(REFUSED), State::Error, "refused");
    assert_eq!(state("*connect\nS: 421 busy\n*closed"), State::Warning, "deferred");
    assert_eq!(state("*connect\nS: 220 hi\nC: QUIT\nS: 221 bye\n*closed"), State::Unknown, "not known");
    let enforced = transport(&with_policy("enforce", "other.example.com"), GOOD);
    assert_eq!(enforced.state, State::Error, "MTA-STS stops it");
}

#[test]
fn a_421_in_answer_to_starttls_defers_and_says_nothing_of_the_servers_tls() {
    let said =
        "*connect\nS: 220 hi\nC: EHLO me\nS: 250-mail\nS: 250 STARTTLS\nC: STARTTLS\nS: 421 4.3.0 too busy\n*closed";
    let section = transport(&world(""), said);
    assert_eq!(answers(&section)[0], "deferred: it closes with 421 at STARTTLS");
    assert_eq!((report(&section), &section.facts["hosts"][0]["pkix"]), ("-".into(), &"not-reached".into()));
}

#[test]
fn a_policy_that_is_slower_than_we_wait_is_not_broken() {
    let url = "https://mta-sts.example.com/.well-known/mta-sts.txt";
    let announced = world("_mta-sts.example.com TXT \"v=STSv1; id=1;\"");
    let slow = announced.with_https(url, crate::check::HttpsOutcome::TimedOut("the response's head".into()));
    let section = transport(&slow, GOOD);
    assert_eq!(section.findings[0].id, "transport.policy-unknown");
    assert!(answers(&section)[1].contains("a sender waits up to a minute"), "{:?}", answers(&section));
    assert_eq!(section.facts["mta_sts"]["state"], "unknown");
}

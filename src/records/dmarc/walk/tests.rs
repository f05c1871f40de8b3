use super::*;
use crate::check::world::World;
use crate::records::dmarc::parse::Policy;
use time::OffsetDateTime;

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

fn found(author: &str, world: &str) -> Discovery {
    let world = World::parse(world).unwrap();
    let (discovery, depth, _) = world.ask(OffsetDateTime::UNIX_EPOCH, |seen| discover(&name(author), seen));
    assert_eq!(depth, 1, "a walk is one round");
    discovery
}

fn org(start: &str, world: &str) -> Organizational {
    let world = World::parse(world).unwrap();
    world.ask(OffsetDateTime::UNIX_EPOCH, |seen| organizational_domain(&name(start), seen)).0
}

fn policy(author: &str, world: &str) -> Option<&'static str> {
    found(author, world).effective_policy.map(Policy::as_str)
}

#[test]
fn the_walk_jumps_to_seven_labels_and_ends_at_the_single_label() {
    let names = |text: &str| walk_names(&name(text)).iter().map(Name::to_string).collect::<Vec<_>>();
    assert_eq!(names("a.example.com"), ["a.example.com", "example.com", "com"]);
    assert_eq!(names("com"), ["com"]);
    assert_eq!(names("1.2.3.4.5.6.com").len(), 7);
    assert_eq!(names("0.1.2.3.4.5.6.com").get(1).unwrap(), "1.2.3.4.5.6.com");
    let long = names("a.b.c.d.e.f.g.h.i.j.mail.example.com");
    assert_eq!(long.get(..2).unwrap(), ["a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com"]);
    assert_eq!(long.len(), 8);
}

#[test]
fn the_authors_own_record_uses_p_even_for_a_subdomain() {
    let found = found(
        "a.example.com",
        "
        _dmarc.a.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"
        _dmarc.example.com TXT \"v=DMARC1; p=reject\"",
    );
    assert_eq!((found.policy, found.role), (Some(Policy::None), Some(Role::Author)));
    assert_eq!(found.organizational_domain(), Some(&name("example.com")));
}

#[test]
fn sp_is_for_subdomains_that_exist_and_np_for_nxdomain_only() {
    let world = "
        _dmarc.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"
        with.example.com A 192.0.2.1
        lost.example.com CNAME gone.example.net
        mute.example.com EMPTY";
    assert_eq!(policy("example.com", world), Some("none"));
    assert_eq!(policy("with.example.com", world), Some("quarantine"));
    assert_eq!(policy("mute.example.com", world), Some("quarantine"), "NODATA is existence");
    assert_eq!(policy("lost.example.com", world), Some("quarantine"), "a CNAME that leads nowhere is there");
    assert_eq!(policy("GONE.Example.com", world), Some("reject"), "and case is nothing");
}

#[test]
fn np_falls_back_to_sp_and_sp_to_p() {
    let of = |record: &str| {
        let world = format!("_dmarc.example.com TXT \"v=DMARC1; {record}\"\nwith.example.com A 192.0.2.1");
        (policy("with.example.com", &world), policy("gone.example.com", &world))
    };
    assert_eq!(of("p=reject"), (Some("reject"), Some("reject")));
    assert_eq!(of("p=reject; sp=none"), (Some("none"), Some("none")));
    assert_eq!(of("p=reject; np=none"), (Some("reject"), Some("none")));
}

#[test]
fn a_broken_policy_tag_makes_the_whole_record_none_with_rua_and_nothing_without() {
    for broken in ["p=block", "sp=reject", "p=reject; sp=block", "p=reject; np="] {
        let with = format!("_dmarc.example.com TXT \"v=DMARC1; {broken}; rua=mailto:a@example.com\"");
        let without = format!("_dmarc.example.com TXT \"v=DMARC1; {broken}\"");
        let missing = format!("_dmarc.example.com TXT \"v=DMARC1; {broken}; rua=a@example.com\"");
        assert_eq!(policy("example.com", &with), Some("none"), "{broken}");
        assert_eq!(policy("example.com", &without), None, "{broken}");
        assert_eq!(policy("example.com", &missing), None, "an invalid rua does not help: {broken}");
        assert!(found("example.com", &without).is_none());
    }
    let world = "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=block; rua=mailto:a@example.com\"";
    assert_eq!(policy("gone.example.com", world), Some("none"), "the record as a whole");
}

#[test]
fn several_records_at_one_step_are_all_discarded_and_the_walk_goes_on() {
    let found = found(
        "a.example.com",
        "
        _dmarc.a.example.com TXT \"v=DMARC1; p=none\"
        _dmarc.a.example.com TXT \"v=DMARC1; p=none\"
        _dmarc.example.com TXT \"v=DMARC1; p=reject\"
        _dmarc.example.com TXT \"v=spf1 -all\"",
    );
    assert_eq!(found.walk.first().map(|step| (step.count, step.record.is_some())), Some((2, false)));
    assert_eq!((found.policy, found.role), (Some(Policy::Reject), Some(Role::Organization)));
}

#[test]
fn psd_n_is_the_organizational_domain_and_stops_the_walk() {
    let found = found(
        "a.b.example.com",
        "
        _dmarc.b.example.com TXT \"v=DMARC1; p=reject; psd=n\"
        _dmarc.example.com TXT \"v=DMARC1; p=none\"",
    );
    assert_eq!(found.organizational_domain(), Some(&name("b.example.com")));
    assert_eq!((found.walk.len(), found.policy), (2, Some(Policy::Reject)));
}

#[test]
fn psd_y_above_makes_one_label_below_it_the_organizational_domain() {
    let world = "
        _dmarc.example TXT \"v=DMARC1; p=none; sp=quarantine; np=reject; psd=y\"
        mail.giant.bank.example A 192.0.2.1
        _dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"";
    assert_eq!(org("mail.giant.bank.example", world), Organizational::Domain(name("giant.bank.example")));
    let found = found("mail.giant.bank.example", world);
    assert_eq!((found.role, found.policy), (Some(Role::Suffix), Some(Policy::Reject)));
    assert_eq!(found.policy_domain, Some(name("bank.example")));
    assert_eq!(found.walk.len(), 3, "psd=y stops the walk below .example");
}

#[test]
fn psd_y_at_the_start_stops_the_walk_and_is_its_own_organizational_domain() {
    let found = found(
        "bank.example",
        "
        _dmarc.bank.example TXT \"v=DMARC1; p=reject; psd=y\"
        _dmarc.example TXT \"v=DMARC1; p=none\"",
    );
    assert_eq!(found.organizational_domain(), Some(&name("bank.example")));
    assert_eq!((found.role, found.walk.len()), (Some(Role::Author), 1));
}

#[test]
fn without_psd_the_record_with_the_fewest_labels_wins_and_without_any_the_start() {
    let world = "
        _dmarc.b.example.com TXT \"v=DMARC1; p=none\"
        _dmarc.example.com TXT \"v=DMARC1; p=reject\"";
    assert_eq!(org("a.b.example.com", world), Organizational::Domain(name("example.com")));
    assert_eq!(policy("a.b.example.com", world), Some("reject"), "the record between is passed over");
    assert_eq!(org("a.b.example.org", world), Organizational::Domain(name("a.b.example.org")));
    assert!(found("a.b.example.org", world).is_none());
}

#[test]
fn a_stray_dmarc_text_at_a_parents_apex_is_not_in_the_walk() {
    let world = "
        example.com TXT \"v=DMARC1; p=none; psd=n\"
        a.example.com A 192.0.2.1
        _dmarc.com TXT \"v=DMARC1; p=reject; psd=y\"";
    let found = found("a.example.com", world);
    assert_eq!((found.role, found.organizational_domain()), (Some(Role::Suffix), Some(&name("example.com"))));
}

#[test]
fn a_subdomain_of_a_name_with_its_own_record_is_under_the_organizations() {
    let found = found(
        "a.example.com",
        "
        _dmarc.a.example.com TXT \"v=DMARC1; p=none; sp=none\"
        _dmarc.example.com TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"",
    );
    let below = |existence| found.below(existence).and_then(|below| below.effective_policy);
    assert_eq!(below(Existence::Exists), Some(Policy::Quarantine));
    assert_eq!(below(Existence::NoSuchName), Some(Policy::Reject));
}

#[test]
fn t_y_lowers_every_policy_by_one_step() {
    for (record, asked) in [("p=reject", "quarantine"), ("p=quarantine", "none"), ("p=none", "none")] {
        let world = format!("_dmarc.example.com TXT \"v=DMARC1; {record}; t=y\"");
        assert_eq!(policy("example.com", &world), Some(asked));
    }
}

#[test]
fn a_failed_step_is_a_temporary_error_unless_it_cannot_change_the_policy() {
    for fault in ["!servfail", "!refused", "!timeout", "!malformed", "!failed"] {
        let own = found("example.com", &format!("_dmarc.example.com TXT {fault}"));
        assert!(own.temperror.is_some() && own.policy.is_none() && !own.is_none(), "{fault}");
        let above = found(
            "a.example.com",
            &format!(
                "
            _dmarc.a.example.com TXT \"v=DMARC1; p=reject\"
            _dmarc.example.com TXT {fault}"
            ),
        );
        assert_eq!((above.policy, above.temperror), (Some(Policy::Reject), None), "{fault}");
        assert_eq!(above.organizational.domain(), None, "the organization is not known");
        let between = found("a.example.com", &format!("_dmarc.example.com TXT {fault}"));
        assert!(between.temperror.is_some(), "{fault}");
        let hidden = found(
            "a.example.com",
            &format!(
                "
            _dmarc.example.com TXT \"v=DMARC1; p=reject\"
            _dmarc.com TXT {fault}"
            ),
        );
        assert!(hidden.temperror.is_some() && hidden.policy.is_none(), "a record at the TLD could win");
        let settled = found(
            "a.example.com",
            &format!(
                "
            _dmarc.example.com TXT \"v=DMARC1; p=reject; psd=n\"
            _dmarc.com TXT {fault}"
            ),
        );
        assert_eq!((settled.policy, settled.temperror), (Some(Policy::Reject), None), "psd=n came first");
        let below_suffix = found(
            "a.bank.example",
            &format!(
                "
            _dmarc.bank.example TXT {fault}
            _dmarc.example TXT \"v=DMARC1; p=reject; psd=y\""
            ),
        );
        assert!(below_suffix.temperror.is_some() && below_suffix.policy.is_none(), "{fault}");
    }
}

#[test]
fn a_step_that_failed_below_what_psd_says_may_have_said_so_itself() {
    let above = "_dmarc.example.com TXT \"v=DMARC1; p=reject; psd=n\"\na.b.example.com A 192.0.2.1\n";
    let whole = found("a.b.example.com", above);
    assert_eq!((whole.policy, whole.organizational_domain()), (Some(Policy::Reject), Some(&name("example.com"))));
    let failed = found("a.b.example.com", &format!("{above}_dmarc.b.example.com TXT !servfail"));
    assert_eq!((failed.policy, failed.organizational_domain()), (None, None));
    assert!(failed.temperror.is_some());
    let suffix = "_dmarc.bank TXT \"v=DMARC1; p=none; psd=y\"\na.b.my.bank A 192.0.2.1\n_dmarc.my.bank TXT \"v=DMARC1; p=reject\"\n";
    assert_eq!(found("a.b.my.bank", suffix).policy, Some(Policy::Reject));
    let failed = found("a.b.my.bank", &format!("{suffix}_dmarc.b.my.bank TXT !timeout"));
    assert!(failed.policy.is_none() && failed.temperror.is_some());
}

#[test]
fn unknown_existence_matters_only_when_sp_and_np_differ() {
    let world = |tags: &str| format!("_dmarc.example.com TXT \"v=DMARC1; {tags}\"\na.example.com A !servfail");
    assert_eq!(policy("a.example.com", &world("p=reject")), Some("reject"));
    let differ = found("a.example.com", &world("p=reject; np=none"));
    assert_eq!((differ.policy, differ.temperror), (None, Some(Outcome::ServerFailure)));
}

#[test]
fn an_organization_that_is_itself_a_public_suffix_of_the_list_is_found_by_records() {
    let world = "_dmarc.github.io TXT \"v=DMARC1; p=reject\"\ngithub.io A 192.0.2.1";
    let found = found("github.io", world);
    assert_eq!((found.role, found.organizational_domain()), (Some(Role::Author), Some(&name("github.io"))));
}

#[test]
fn a_name_too_long_for_dmarc_below_it_is_a_step_without_a_question() {
    let long = format!("{}.{}.{}.{}.example.com", "a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(55));
    let found = found(&long, "_dmarc.example.com TXT \"v=DMARC1; p=reject\"");
    assert_eq!(found.walk.first().and_then(|step| step.lookup), None);
    assert_eq!(found.policy, Some(Policy::Reject));
}

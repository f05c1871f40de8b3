use std::sync::Arc;

use time::OffsetDateTime;

use super::*;
use crate::check::world::{Settled, World};
use crate::job::Envelope;

const WORLD: &str = "b.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\n_dmarc.b.example TXT \"v=DMARC1; p=reject\"\n\
    1.2.0.192.in-addr.arpa PTR out.b.example\nout.b.example A 192.0.2.1\n";
const BORDER: &str = "Received: from out.b.example (out.b.example [192.0.2.1]) by mx.corp.example with ESMTPS; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
const SIGNATURE: &str = "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=k1; h=from; bh=YQ==; b=Yg==\r\n";

fn settled(header: &str) -> Settled {
    let text = format!("Return-Path: <x@b.example>\r\n{header}From: x@b.example\r\n\r\nbody\r\n");
    let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
    World::parse(WORLD).unwrap().settle(&Claimed, &message, OffsetDateTime::UNIX_EPOCH)
}

fn results(settled: &Settled) -> Vec<(String, bool, Option<String>, Option<bool>)> {
    let results = settled.section.facts["results"].as_array().unwrap();
    results
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().map(str::to_owned);
            let said = format!("{}={}", text("method").unwrap(), text("result").unwrap());
            (said, one["trusted"].as_bool().unwrap(), text("recomputed"), one["agrees"].as_bool())
        })
        .collect()
}

fn ids(settled: &Settled) -> Vec<&'static str> {
    settled.section.findings.iter().map(|finding| finding.id).collect()
}

fn one(
    said: &str,
    trusted: bool,
    ours: Option<&str>,
    agrees: Option<bool>,
) -> (String, bool, Option<String>, Option<bool>) {
    (said.into(), trusted, ours.map(str::to_owned), agrees)
}

#[test]
fn claims_of_the_border_count_and_stand_beside_our_own() {
    let claims = "Authentication-Results: mx.corp.example; spf=pass smtp.mailfrom=x@b.example; dmarc=pass header.from=b.example;\r\n\
        \x20iprev=pass policy.iprev=192.0.2.1; auth=none\r\n";
    let settled = settled(&format!("{claims}{BORDER}"));
    assert_eq!(
        results(&settled),
        [
            one("spf=pass", true, Some("pass"), Some(true)),
            one("dmarc=pass", true, Some("pass"), Some(true)),
            one("iprev=pass", true, Some("pass"), Some(true)),
            one("auth=none", true, None, None),
        ]
    );
    assert_eq!(ids(&settled), Vec::<&str>::new());
    assert_eq!(settled.depth, 2);
}

#[test]
fn a_pass_below_the_border_that_is_none_is_called_forged() {
    let claims = "Authentication-Results: mx.corp.example; dkim=pass header.d=b.example; spf=pass smtp.mailfrom=other.example\r\n";
    let settled = settled(&format!("{BORDER}{SIGNATURE}{claims}"));
    assert_eq!(
        results(&settled),
        [one("dkim=pass", false, Some("fail"), Some(false)), one("spf=pass", false, None, None)]
    );
    assert_eq!(ids(&settled), ["claimed.forged", "claimed.none-counts"]);
    let text = &settled.section.findings[0].text;
    assert!(
        text.starts_with("mx.corp.example claims dkim=pass of b.example, and here it is fail (body changed)."),
        "{text}"
    );
    assert!(text.contains("which is of the border's house"), "{text}");
}

#[test]
fn what_a_list_below_the_border_saw_is_an_earlier_word_and_no_forgery() {
    let list =
        "Received: from x (x [198.51.100.9]) by mx.lists.example with ESMTPS; Tue, 24 Nov 2026 09:58:00 +0000\r\n";
    let claims = "Authentication-Results: lists.example; dkim=pass header.d=b.example\r\n";
    assert_eq!(
        ids(&settled(&format!("{BORDER}{SIGNATURE}{list}{claims}"))),
        ["claimed.earlier-handler", "claimed.none-counts"]
    );
}

#[test]
fn only_the_topmost_run_of_the_borders_house_counts() {
    let line = |id: &str| format!("Authentication-Results: {id}; dmarc=pass\r\n");
    let header =
        [line("mx.corp.example"), line("mx.corp.example"), line("other.example"), line("in.corp.example")].concat();
    let trusted: Vec<bool> = results(&settled(&format!("{header}{BORDER}"))).into_iter().map(|one| one.1).collect();
    assert_eq!(trusted, [true, true, false, false]);
}

#[test]
fn a_field_that_names_nobody_never_counts() {
    for text in
        ["spf=pass smtp.mailfrom=b.example; dkim=none", "two names; spf=pass", "(x); spf=pass", "b@d^; spf=pass"]
    {
        let settled = settled(&format!("Authentication-Results: {text}\r\n{BORDER}"));
        assert!(results(&settled).iter().all(|one| !one.1), "{text}");
        assert!(ids(&settled).contains(&"claimed.no-server-named"), "{text}");
    }
}

#[test]
fn microsofts_words_are_read_and_compared() {
    let text = "spf=Pass (sender IP is 192.0.2.1) smtp.mailfrom=b.example; dkim=timeout (key query timeout) header.d=b.example;dmarc=bestguesspass action=none header.from=b.example;compauth=pass reason=109";
    let found = results(&settled(&format!("Authentication-Results: {text}\r\n{BORDER}{SIGNATURE}")));
    assert_eq!(found[0], one("spf=pass", false, Some("pass"), Some(true)));
    assert_eq!(found[1], one("dkim=timeout", false, Some("fail"), None));
    assert_eq!(found[2], one("dmarc=bestguesspass", false, Some("pass"), Some(false)));
    assert_eq!(found[3], one("compauth=pass", false, None, None));
}

#[test]
fn each_disagreement_has_its_reason() {
    let header = |claim: &str| format!("Authentication-Results: mx.corp.example; {claim}\r\n{BORDER}{SIGNATURE}");
    for (claim, id) in [
        ("dkim=pass header.d=b.example", "claimed.changed-since"),
        ("spf=fail smtp.mailfrom=b.example", "claimed.better-here"),
        ("dkim=pass header.d=c.example", "claimed.changed-since"),
    ] {
        assert_eq!(ids(&settled(&header(claim))), [id], "{claim}");
    }
    let text = format!(
        "{}From: x@b.example\r\n\r\n",
        header("dkim=pass header.d=b.example").replace("bh=YQ==", "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=")
    );
    let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
    let gone = World::parse(WORLD).unwrap().settle(&Claimed, &message, OffsetDateTime::UNIX_EPOCH);
    assert_eq!(ids(&gone), ["claimed.key-gone"]);
}

#[test]
fn what_we_could_not_look_at_contradicts_nobody() {
    let text = format!(
        "Authentication-Results: mx.corp.example; dkim=pass header.d=b.example; dmarc=pass\r\n{BORDER}{}From: x@b.example\r\n\r\n",
        SIGNATURE.replace("bh=YQ==", "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=")
    );
    let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
    let world = World::parse("*.b.example ANY !servfail\nb.example ANY !servfail").unwrap();
    let settled = world.settle(&Claimed, &message, OffsetDateTime::UNIX_EPOCH);
    assert!(results(&settled).iter().all(|one| one.3.is_none()), "{:?}", results(&settled));
}

#[test]
fn received_spf_and_arc_results_stand_in_the_list_too() {
    let header = format!(
        "Received-SPF: pass (corp.example: domain of x@b.example) client-ip=192.0.2.1; envelope-from=x@b.example;\r\n\
         ARC-Authentication-Results: i=1; lists.example; dmarc=pass header.from=b.example\r\n{BORDER}"
    );
    let settled = settled(&header);
    let found = results(&settled);
    assert_eq!(found[0], one("spf=pass", true, Some("pass"), Some(true)));
    assert_eq!(found[1], one("dmarc=pass", false, Some("pass"), Some(true)));
    assert_eq!(settled.section.facts["results"][1]["authserv_id"], "lists.example");
}

#[test]
fn no_claims_and_too_many_are_both_said() {
    assert_eq!(settled(BORDER).section.state, State::Absent);
    let many = "Authentication-Results: a.example; spf=pass; dkim=pass\r\n".repeat(500);
    let settled = settled(&format!("{many}{BORDER}"));
    assert!(ids(&settled).contains(&"claimed.too-many"));
    assert_eq!(results(&settled).len(), 2 * MAX_FIELDS);
}

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

const GMAIL: &str = "Delivered-To: kim@gmail.example\r\n\
    Received: by 2002:a05:6a00:1 with SMTP id a1; Tue, 24 Nov 2026 01:58:13 -0800 (PST)\r\n\
    X-Received: by 2002:a05:1 with SMTP id b; Tue, 24 Nov 2026 01:58:13 -0800 (PST)\r\n\
    Received: from out.b.example (out.b.example. [192.0.2.1])\r\n        by mx.google.com with ESMTPS id d5\r\n        for <kim@gmail.example>;\r\n        Tue, 24 Nov 2026 01:58:12 -0800 (PST)\r\n\
    Received-SPF: pass (google.com: domain of x@b.example designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1;\r\n\
    Authentication-Results: mx.google.com;\r\n       spf=pass (google.com: domain of x@b.example designates 192.0.2.1 as permitted sender) smtp.mailfrom=x@b.example;\r\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=b.example\r\n";

#[test]
fn google_writes_its_results_below_its_received_and_they_count() {
    let settled = settled(GMAIL);
    assert_eq!(
        results(&settled),
        [
            one("spf=pass", true, Some("pass"), Some(true)),
            one("spf=pass", true, Some("pass"), Some(true)),
            one("dmarc=pass", true, Some("pass"), Some(true)),
        ]
    );
    assert_eq!(ids(&settled), Vec::<&str>::new());
}

#[test]
fn a_second_result_in_googles_name_is_the_senders_and_forged() {
    let forged = "Authentication-Results: mx.google.com; dkim=pass header.d=b.example\r\n";
    let settled = settled(&format!("{GMAIL}{forged}{SIGNATURE}"));
    assert_eq!(results(&settled)[3], one("dkim=pass", false, Some("fail"), Some(false)));
    assert_eq!(ids(&settled), ["claimed.forged"]);
}

#[test]
fn results_right_below_the_borders_received_are_neither_trusted_nor_called_forged() {
    let claims = "Authentication-Results: mx.corp.example;\r\n\tdkim=pass (2048-bit key) header.d=b.example\r\n";
    let settled = settled(&format!("{BORDER}{claims}{SIGNATURE}"));
    assert_eq!(results(&settled), [one("dkim=pass", false, Some("fail"), Some(false))]);
    assert_eq!(ids(&settled), ["claimed.unsure", "claimed.none-counts"]);
    assert_eq!(settled.section.facts["results"][0]["disagreement"], "unsure");
    // Where the border wrote above its Received, what stands below in its name is not its own.
    let above = "Authentication-Results: mx.corp.example; spf=pass smtp.mailfrom=b.example\r\n";
    assert_eq!(ids(&self::settled(&format!("{above}{BORDER}{claims}{SIGNATURE}"))), ["claimed.forged"]);
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
fn outlooks_stored_body_breaks_the_signature_and_its_own_word_is_no_forgery() {
    let inner = "Received: from AM0PR01.eurprd01.prod.outlook.com (2603:10a6:208::1)\r\n by DB8PR01.eurprd01.prod.outlook.com with HTTPS; Tue, 24 Nov 2026 09:58:13 +0000\r\n";
    let said = "Authentication-Results: spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=b.example; dkim=pass (signature was verified)\r\n header.d=b.example;dmarc=pass action=none header.from=b.example;compauth=pass\r\n reason=100\r\n";
    let edge = "Received-SPF: Pass (protection.outlook.com: domain of b.example designates\r\n 192.0.2.1 as permitted sender) receiver=protection.outlook.com;\r\n client-ip=192.0.2.1; helo=out.b.example; pr=C\r\n\
        Received: from out.b.example (192.0.2.1) by\r\n DB5EUR01FT035.mail.protection.outlook.com (10.152.4.1) with Microsoft SMTP\r\n Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id\r\n 15.20.8158.23 via Frontend Transport; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
    let settled = settled(&format!("{inner}{said}{edge}{SIGNATURE}"));
    assert_eq!(
        results(&settled),
        [
            one("spf=pass", false, Some("pass"), Some(true)),
            one("dkim=pass", false, Some("fail"), Some(false)),
            one("dmarc=pass", false, Some("pass"), Some(true)),
            one("compauth=pass", false, None, None),
            one("spf=pass", true, Some("pass"), Some(true)),
        ]
    );
    assert_eq!(ids(&settled), ["claimed.unsure", "claimed.no-server-named"]);
    let text = &settled.section.findings[0].text;
    assert!(text.contains("above the border, where no sender writes, but names no server, as Microsoft's"), "{text}");
    assert!(settled.section.findings[0].fix.as_ref().unwrap().contains("Outlook and Exchange rewrite stored bodies"));
}

#[test]
fn a_result_finds_its_signature_by_the_beginning_of_b() {
    let other = SIGNATURE.replace("b=Yg==", "b=enp6eg==").replace("s=k1", "s=k2").replace("bh=YQ==", "bh=");
    let claims = "Authentication-Results: mx.corp.example; dkim=permerror header.i=@b.example header.b=enp6; dkim=fail header.i=@b.example header.b=Yg==\r\n";
    let settled = settled(&format!("{claims}{BORDER}{SIGNATURE}{other}"));
    let ours: Vec<_> = results(&settled).into_iter().map(|one| one.2.unwrap()).collect();
    assert_ne!(ours[0], "fail", "the second signature has no body hash");
    assert_eq!(ours[1], "fail");
}

#[test]
fn dmarc_of_a_domain_that_is_not_in_from_is_no_agreement() {
    let settled =
        settled(&format!("{BORDER}Authentication-Results: mx.bank.example; dmarc=pass header.from=bank.example\r\n"));
    assert_eq!(results(&settled), [one("dmarc=pass", false, Some("none"), Some(false))]);
    assert!(settled.section.findings[0].text.contains("From is at b.example, not there"), "{settled:?}");
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

#[test]
fn where_spf_could_not_be_asked_a_pass_of_dmarc_is_not_contradicted() {
    let claim = "Authentication-Results: mx.corp.example; dmarc=pass header.from=b.example\r\n";
    let unasked = settled(claim);
    assert_eq!(results(&unasked), [one("dmarc=pass", false, Some("fail"), None)]);
    assert!(!ids(&unasked).contains(&"claimed.forged"), "{:?}", ids(&unasked));
    let asked = settled(&format!("{claim}{BORDER}").replace("192.0.2.1", "203.0.113.9"));
    assert_eq!(results(&asked)[0].3, Some(false));
}

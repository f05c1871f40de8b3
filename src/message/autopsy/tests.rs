use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use time::OffsetDateTime;

use super::*;
use crate::check::world::World;
use crate::job::Envelope;
use crate::message::canonical::{Canon, Hash, Wanted, body_hashes, canonical_field, without_signature};
use crate::report::Block;

/// A seed of zeros: everybody's key.
fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[0; 32]).unwrap()
}

fn world() -> World {
    let key = BASE64_STANDARD.encode(pair().public_key().as_ref());
    World::parse(&format!("k._domainkey.a.example TXT \"v=DKIM1; k=ed25519; p={key}\"")).unwrap()
}

fn canon(word: &str) -> Canon {
    if word == "simple" { Canon::Simple } else { Canon::Relaxed }
}

/// Signs header and body, both with CRLF.
fn signed((header_canon, body_canon): (&str, &str), names: &[&str], header: &str, body: &str) -> String {
    let wanted = Wanted { canon: canon(body_canon), hash: Hash::Sha256, length: None };
    let hash = BASE64_STANDARD.encode(&body_hashes(body.as_bytes(), &[wanted])[0].digest);
    let own = format!(
        "DKIM-Signature: v=1; a=ed25519-sha256; c={header_canon}/{body_canon}; d=a.example; s=k; h={}; bh={hash}; b=",
        names.join(":")
    );
    let mut data = Vec::new();
    for name in names {
        let field = header.split_inclusive("\r\n").collect::<Vec<_>>();
        // Folded lines belong to the field above.
        let at = field.iter().position(|line| line.to_lowercase().starts_with(&format!("{}:", name.to_lowercase())));
        let Some(at) = at else { continue };
        let rest = field[at + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
        let whole: String = std::iter::once(&field[at]).chain(rest).copied().collect();
        canonical_field(canon(header_canon), whole.as_bytes(), &mut data);
    }
    canonical_field(canon(header_canon), &without_signature(format!("{own}\r\n").as_bytes()), &mut data);
    data.truncate(data.len() - 2);
    let value = BASE64_STANDARD.encode(pair().sign(&crate::message::canonical::Hash::Sha256.of(&data)));
    format!("{own}{value}\r\n{header}\r\n{body}")
}

const HEADER: &str = "From: x@a.example\r\nTo: list@l.example\r\nSubject: When to prune\r\n";
const BODY: &str = "Dear all,\r\n\r\nFebruary is too early here.\r\nMarch, after the frost.\r\n\r\nAlice\r\n";

fn dissected(raw: &str) -> (Message, Section) {
    let message = Message::parse(Arc::from(raw.as_bytes()), Envelope::default()).unwrap();
    let section = world().settle(&Autopsy, &message, OffsetDateTime::UNIX_EPOCH).section;
    (message, section)
}

/// What mends the message, as (part, words).
fn mended(raw: &str) -> Vec<(String, String)> {
    let (_, section) = dissected(raw);
    let repairs = section.facts["repairs"].as_array().unwrap();
    let text = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap().to_owned();
    repairs.iter().map(|one| (text(one, "part"), text(one, "what"))).collect()
}

fn body_mended(canons: (&str, &str), from: &str, to: &str) -> Vec<(String, String)> {
    let names = ["from", "to", "subject"];
    let whole = signed(canons, &names, HEADER, from);
    let head = whole.strip_suffix(from).unwrap();
    mended(&format!("{head}{to}"))
}

fn only(part: &str, what: &str) -> Vec<(String, String)> {
    vec![(part.to_owned(), what.to_owned())]
}

#[test]
fn a_footer_is_found_and_its_bytes_are_pointed_at() {
    let footer = "_______________\r\nGardeners mailing list\r\nTo leave it: x@l.example\r\n";
    let whole = signed(("relaxed", "relaxed"), &["from"], HEADER, BODY);
    let (message, section) = dissected(&format!("{whole}{footer}"));
    let repair = &section.facts["repairs"][0];
    assert_eq!(repair["what"], "the last 3 lines are removed");
    let at = |index: usize| usize::try_from(repair["removed"][0][index].as_u64().unwrap()).unwrap();
    assert_eq!(message.text().get(at(0)..at(1)).unwrap(), footer.as_bytes());
    assert_eq!(section.findings[0].id, "autopsy.body-mended");
    let Some(Block::Prose { text, .. }) = section.blocks.last() else { panic!() };
    assert!(text[0].starts_with("With that undone, signature #1 holds whole: a.example signed"), "{text:?}");
}

#[test]
fn each_usual_change_of_a_body_is_named() {
    let relaxed = ("relaxed", "relaxed");
    let simple = ("simple", "simple");
    for (canons, from, to, what) in [
        (
            relaxed,
            BODY.to_owned(),
            format!("CAUTION: mail from outside\r\n\r\n{BODY}"),
            "the first 2 lines are removed",
        ),
        (
            relaxed,
            BODY.to_owned(),
            format!("Banner\r\n{BODY}-- \r\nfooter\r\n"),
            "the first line is removed, and the last 2 lines are removed",
        ),
        (simple, "a \r\nb\r\n".into(), "a\r\nb\r\n".into(), ""),
        (simple, "a\r\nb\r\n".into(), "a \r\nb\r\n".into(), "white space at line ends is removed"),
        (
            relaxed,
            "x\r\nFrom here\r\n".into(),
            "x\r\n>From here\r\n".into(),
            "lines that begin with \">From \" lose the \">\" that a mailbox file added",
        ),
        (
            relaxed,
            "x\r\n.y\r\n".into(),
            "x\r\n..y\r\n".into(),
            "lines that begin with two dots lose one, which a transport added",
        ),
        (
            relaxed,
            format!("{}\r\nb\r\n", "a".repeat(1500)),
            format!("{}!\r\n {}\r\nb\r\n", "a".repeat(990), "a".repeat(510)),
            "lines that were broken at the limit of SMTP are joined",
        ),
        (relaxed, String::new(), "only a footer\r\n".into(), "the last line is removed"),
    ] {
        let expected = if what.is_empty() { vec![] } else { only("body", what) };
        assert_eq!(body_mended(canons, &from, &to), expected, "{to}");
    }
}

#[test]
fn reencoding_and_wrapping_are_undone() {
    let typed = |encoding: &str| {
        format!("{HEADER}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n")
    };
    let plain = "Grüße, alle = gut\r\n";
    let whole = signed(("relaxed", "relaxed"), &["from"], &typed("8bit"), plain);
    let quoted = whole.replace("8bit", "quoted-printable").replace(plain, "Gr=C3=BC=C3=9Fe, alle =3D gut\r\n");
    assert_eq!(
        mended(&quoted),
        only("body", "encoded parts (quoted-printable, base64) are turned back into 8bit text")
    );
    let whole =
        signed(("relaxed", "relaxed"), &["from"], &typed("quoted-printable"), "Gr=C3=BC=C3=9Fe, alle =3D gut\r\n");
    let eight = whole.replace("quoted-printable", "8bit").replace("Gr=C3=BC=C3=9Fe, alle =3D gut\r\n", plain);
    assert_eq!(mended(&eight), only("body", "the text is turned back into quoted-printable"));
    let whole = signed(
        ("relaxed", "relaxed"),
        &["from", "content-type"],
        &format!("{HEADER}Content-Type: text/plain\r\n"),
        BODY,
    );
    let wrapped = whole.replace("Content-Type: text/plain\r\n", "Content-Type: multipart/mixed; boundary=w\r\n").replace(
        BODY,
        &format!("--w\r\nContent-Type: text/plain\r\n\r\n{BODY}--w\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--w--\r\n"),
    );
    assert_eq!(
        mended(&wrapped),
        [
            ("body".to_owned(), "only part 1 is kept: the message was wrapped into a multipart".to_owned()),
            ("header".to_owned(), "Content-Type is that of the first part: the message was wrapped".to_owned())
        ]
    );
}

#[test]
fn an_added_part_is_taken_out() {
    let header = format!("{HEADER}Content-Type: multipart/mixed; boundary=w\r\n");
    let body = "--w\r\nContent-Type: text/plain\r\n\r\nhi\r\n--w\r\nContent-Type: text/html\r\n\r\n<p>\r\n--w--\r\n";
    let whole = signed(("relaxed", "relaxed"), &["from"], &header, body);
    let more = whole.replace("--w--", "--w\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--w--");
    assert_eq!(mended(&more), only("body", "part 3 is removed"));
}

#[test]
fn changed_fields_are_named_alone_and_in_pairs() {
    let names = ["from", "to", "subject", "reply-to"];
    let whole = signed(("relaxed", "relaxed"), &names, HEADER, BODY);
    for (from, to, what) in [
        ("Subject: When", "Subject: [gardeners] When", "the tag \"[gardeners]\" is removed from Subject"),
        ("Subject: When", "Subject: EXTERNAL: When", "the tag \"EXTERNAL:\" is removed from Subject"),
        ("Subject: When", "Reply-To: list@l.example\r\nSubject: When", "Reply-To is removed: it was added after"),
        (
            "From: x@a.example",
            "From: \"x via l\" <list@l.example>\r\nX-Original-From: x@a.example",
            "From has the value that X-Original-From keeps",
        ),
        (
            "Subject: When",
            "Reply-To: list@l.example\r\nSubject: [g] When",
            "the tag \"[g]\" is removed from Subject, and Reply-To is removed: it was added after",
        ),
    ] {
        let raw = whole.replacen(from, to, 1);
        assert_eq!(mended(&raw), only("header", what), "{to}");
    }
}

#[test]
fn refolding_breaks_only_simple_and_is_undone_there() {
    let whole = signed(("simple", "relaxed"), &["from", "subject"], HEADER, BODY);
    assert_eq!(mended(&whole), []);
    let folded = whole.replace("Subject: When to", "Subject: When\r\n\tto");
    assert_eq!(mended(&folded), only("header", "folded fields are put on one line"));
}

#[test]
fn another_body_under_a_replayed_header_is_not_mended() {
    let whole = signed(("relaxed", "relaxed"), &["from"], HEADER, BODY);
    let (_, section) = dissected(&whole.replace(BODY, "Send your password.\r\n"));
    assert_eq!(section.facts["repairs"], json!([]));
    assert_eq!(section.findings.iter().map(|finding| finding.id).collect::<Vec<_>>(), ["autopsy.body-not-mended"]);
    assert!(section.findings[0].text.contains("never was a.example's"));
}

const MIXED: &str = "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=w\r\n";
const TEXT: &str = "Hello,\r\n\r\nsee https://a.example/x?b=1&c=2 for more.\r\n\r\nAnn\r\n";
const PAGE: &str = "<html><head></head><body lang=\"en\">\r\n<p>Hello, <a href=\"https://a.example/x?b=1&amp;c=2\">see</a></p>\r\n</body></html>\r\n";

/// A message of two parts, each encoded so.
fn mixed(encoding: &str, text: &str, page: &str) -> String {
    let encode = |bytes: &str| match encoding {
        "base64" => {
            let lines = BASE64_STANDARD.encode(bytes);
            lines.as_bytes().chunks(76).map(|line| format!("{}\r\n", str::from_utf8(line).unwrap())).collect()
        }
        "quoted-printable" => bytes.replace('=', "=3D"),
        _ => bytes.to_owned(),
    };
    let part = |kind: &str, bytes: &str| {
        let bytes = encode(bytes);
        format!(
            "--w\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{bytes}\r\n"
        )
    };
    format!("{}{}--w--\r\n", part("plain", text), part("html", page))
}

/// Signs one body, puts another in its place, and tells what mends it.
fn mixed_mended(from: &str, to: &str) -> Vec<(String, String)> {
    let whole = signed(("relaxed", "relaxed"), &["from"], &format!("{HEADER}{MIXED}"), from);
    mended(&whole.replace(from, to))
}

#[test]
fn banners_and_footers_inside_the_parts_are_taken_out_in_every_encoding() {
    let text = format!("CAUTION: this email originated from outside.\r\n\r\n{TEXT}");
    let banner = "<div style=\"border:1px\"><div>CAUTION: outside</div></div><br>";
    let page = PAGE.replace("\"en\">", &format!("\"en\">{banner}"));
    let both =
        "the first 2 lines of part 1 are removed, and all of the first 2 blocks of the HTML of part 2 is removed";
    for encoding in ["8bit", "quoted-printable", "base64"] {
        let from = mixed(encoding, TEXT, PAGE);
        assert_eq!(mixed_mended(&from, &mixed(encoding, &text, &page)), only("body", both), "{encoding}");
        let html = "all of the first 2 blocks of the HTML of part 2 is removed";
        assert_eq!(mixed_mended(&from, &mixed(encoding, TEXT, &page)), only("body", html), "{encoding}");
        let footer = format!("{TEXT}_______\r\nlist mailing list\r\nhttps://l.example\r\n");
        let last = "the last 3 lines of part 1 are removed";
        assert_eq!(mixed_mended(&from, &mixed(encoding, &footer, PAGE)), only("body", last), "{encoding}");
    }
}

#[test]
fn proofpoints_marked_banners_are_taken_out() {
    let text = format!(
        "ZjQcmQRYFpfptBannerStart\r\nThis Message Is From an External Sender\r\nZjQcmQRYFpfptBannerEnd\r\n{TEXT}"
    );
    let page = PAGE
        .replace("</head>", "<!-- BaNnErBlUrFlE-HeAdEr-start -->\r\n<style>x</style>\r\n<!-- BaNnErBlUrFlE-HeAdEr-end --></head>")
        .replace("\"en\">", "\"en\"><!-- BaNnErBlUrFlE-BoDy-start -->\r\n<table><tr><td>External</td></tr></table>\r\n<!-- BaNnErBlUrFlE-BoDy-end -->");
    let what =
        "Proofpoint's banner in part 1 is removed, and what comments mark as inserted of the HTML of part 2 is removed";
    assert_eq!(mixed_mended(&mixed("8bit", TEXT, PAGE), &mixed("8bit", &text, &page)), only("body", what));
}

#[test]
fn rewritten_links_are_turned_back_without_following_them() {
    let link = "https://a.example/x?b=1&c=2";
    let safe = "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fa.example%2Fx%3Fb%3D1%26c%3D2&data=05%7C02&reserved=0";
    let defense = "https://urldefense.com/v3/__https://a.example/x?b=1&c=2__;!!abc$";
    for (rewritten, who) in [(safe, "Microsoft Safe Links"), (defense, "Proofpoint URL Defense")] {
        let escape = |text: &str| text.replace('&', "&amp;");
        let text = TEXT.replace(link, rewritten);
        let page = PAGE.replace(&escape(link), &escape(rewritten));
        for encoding in ["8bit", "quoted-printable", "base64"] {
            let what = format!("the links that {who} rewrote are turned back");
            let changed = mixed(encoding, &text, &page);
            assert_eq!(mixed_mended(&mixed(encoding, TEXT, PAGE), &changed), only("body", &what), "{encoding}");
        }
        // With a banner besides, as gateways do.
        let text = format!("[EXTERNAL]\r\n{text}");
        let what = format!("the links that {who} rewrote are turned back, and the first line of part 1 is removed");
        let changed = mixed("8bit", &text, &page);
        assert_eq!(mixed_mended(&mixed("8bit", TEXT, PAGE), &changed), only("body", &what));
    }
}

#[test]
fn what_cannot_be_undone_is_likely_and_not_proved() {
    let link = "https://a.example/x?b=1&c=2";
    let text = TEXT.replace(link, "https://protect-eu.mimecast.com/s/AbCdEf?domain=a.example");
    let whole = signed(("relaxed", "relaxed"), &["from"], HEADER, TEXT);
    let changed = whole.replace(TEXT, &format!("CAUTION: from outside\r\n{text}"));
    let (_, section) = dissected(&changed);
    assert_eq!(section.facts["repairs"], json!([]));
    let signs = ["a link was rewritten by Mimecast", "a banner about mail from outside stands in the text"];
    assert_eq!(section.facts["likely"], json!(signs));
    let text = &section.findings[0].text;
    assert!(text.contains(&format!(" Likely, not proved: {}. Either it was changed", signs.join("; "))), "{text}");
}

#[test]
fn the_blank_of_a_signature_mark_comes_back() {
    let what = "the line \"--\" above a signature gets its blank back";
    assert_eq!(body_mended(("simple", "simple"), "hi\r\n-- \r\nAnn\r\n", "hi\r\n--\r\nAnn\r\n"), only("body", what));
}

#[test]
fn fields_that_were_encoded_or_written_anew_are_found() {
    for (from, to, what) in [
        ("Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=", "Subject: =?utf-8?B?R3LDvMOfZQ==?=", "Subject is encoded as before"),
        (
            "Subject: =?utf-8?B?R3LDvMOfZQ==?=",
            "Subject: =?UTF-8?Q?[EXTERNAL]_Gr=C3=BC=C3=9Fe?=",
            "the tag \"[EXTERNAL]\" is removed from Subject, which was encoded anew",
        ),
        (
            "To: b@l.example,c@l.example",
            "To: b@l.example,\r\n c@l.example",
            "the folds of To are joined without a blank",
        ),
        ("To: b@l.example,c@l.example", "To: b@l.example, c@l.example", "the addresses in To are spaced as before"),
        ("From: Ann <x@a.example>", "From: \"Ann\" <x@a.example>", "the name in From is written as before"),
    ] {
        let name = from.split(':').next().unwrap().to_lowercase();
        let header: String = HEADER
            .split_inclusive("\r\n")
            .filter(|line| !line.to_lowercase().starts_with(&name))
            .chain([from, "\r\n"])
            .collect();
        let whole = signed(("relaxed", "relaxed"), &["from", "to", "subject"], &header, BODY);
        assert_eq!(mended(&whole), [], "{from}");
        assert_eq!(mended(&whole.replace(from, to)), only("header", what), "{to}");
    }
}

#[test]
fn whole_messages_and_headers_alone_need_no_autopsy() {
    let whole = signed(("relaxed", "relaxed"), &["from"], HEADER, BODY);
    let head = whole.split("\r\n\r\n").next().unwrap();
    for raw in [whole.as_str(), &format!("{head}\r\n"), HEADER] {
        let (_, section) = dissected(raw);
        assert_eq!((section.headline.as_str(), section.findings.len()), ("not needed", 0), "{raw}");
    }
}

#[test]
fn the_answer_does_not_depend_on_the_scratch() {
    let whole = signed(("relaxed", "relaxed"), &["from"], HEADER, BODY);
    let message = Message::parse(Arc::from(format!("{whole}footer\r\n").as_bytes()), Envelope::default()).unwrap();
    let first = world().settle(&Autopsy, &message, OffsetDateTime::UNIX_EPOCH).section;
    let again = world().settle(&Autopsy, &message, OffsetDateTime::UNIX_EPOCH).section;
    assert_eq!(first, again);
}

#[test]
fn of_a_body_of_a_million_lines_the_last_ones_are_still_told_apart() {
    // More lines than are kept: the line that was added at the end is found by its number from the top.
    let lines = "line\r\n".repeat(300_000);
    let digest = crate::message::canonical::Hash::Sha256.of(lines.as_bytes());
    let body = [lines.as_bytes(), b"footer\r\nmore\r\n"].concat();
    let coded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
    let raw =
        format!("From: a@b.c\r\nDKIM-Signature: v=1; a=rsa-sha256; d=b.c; s=s; h=from; bh={coded}; b=YQ==\r\n\r\n");
    let message = Message::parse(raw.into_bytes().into(), crate::job::Envelope::default()).unwrap();
    let found = super::body::try_body(&message.signatures()[0], &body, 0).unwrap();
    assert_eq!((found.top, found.bottom), (0, 2));
    assert_eq!(found.removed, [crate::finding::Span::new(lines.len(), body.len())]);
}

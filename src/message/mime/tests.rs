use std::sync::Arc;

use time::OffsetDateTime;

use super::*;
use crate::check::world::World;
use crate::job::Envelope;

fn settled(text: &str) -> (Message, Section) {
    let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
    let section = World::default().settle(&Mime, &message, OffsetDateTime::UNIX_EPOCH).section;
    (message, section)
}

fn ids(text: &str) -> Vec<(&'static str, Severity)> {
    settled(text).1.findings.iter().map(|finding| (finding.id, finding.severity)).collect()
}

fn attached(name: &str, bytes: &str) -> String {
    format!(
        "From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhello\n--x\nContent-Type: application/octet-stream\n\
         Content-Disposition: attachment; filename=\"{name}\"\nContent-Transfer-Encoding: base64\n\n{bytes}\n--x--\n"
    )
}

#[test]
fn an_attachment_has_its_size_and_its_hash() {
    let (_, section) = settled(&attached("a.bin", "aGVs\nbG8="));
    let part = &section.facts["parts"][2];
    assert_eq!(
        (part["path"].as_str(), part["name"].as_str(), part["size"].as_u64()),
        (Some("2"), Some("a.bin"), Some(5))
    );
    // printf hello | sha256sum
    assert_eq!(part["sha256"], "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!((section.headline.as_str(), section.findings.len()), ("1 attached", 0));
}

#[test]
fn names_that_deceive_are_told() {
    for (name, bytes, id, severity) in [
        ("statement.pdf.exe", "aGk=", "mime.double-extension", Severity::Error),
        ("x\u{202e}fdp.exe", "aGk=", "mime.hidden-name", Severity::Error),
        ("setup.exe", "aGk=", "mime.program", Severity::Warning),
        ("list.xlsm", "aGk=", "mime.macros", Severity::Warning),
        ("form.html", "aGk=", "mime.page-attached", Severity::Warning),
        // "MZ" and some
        ("photo.jpg", "TVqQAAMAAAA=", "mime.disguised-program", Severity::Error),
    ] {
        assert_eq!(ids(&attached(name, bytes)), [(id, severity)], "{name}");
    }
    assert_eq!(ids(&attached("minutes 24.11.2026.pdf", "JVBERi0=")), []);
}

#[test]
fn links_that_say_another_place_are_shown_and_never_followed() {
    let html = |body: &str| {
        format!(
            "From: a@b.c\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{body}\n"
        )
    };
    for (body, found) in [
        ("<a href=3D\"https://evil.com\">www.bank.com</a>", vec![("mime.link-elsewhere", Severity::Warning)]),
        (
            "<a href=3D\"https://acrne-bank.example/\">acme-bank.example</a>",
            vec![("mime.link-elsewhere", Severity::Error)],
        ),
        ("<a href=3D\"http://192.0.2.1/\">bank.com</a>", vec![("mime.link-elsewhere", Severity::Error)]),
        ("<a href=3D\"http://192.0.2.1/\">here</a>", vec![("mime.link-to-address", Severity::Warning)]),
        ("<a href=3D\"javascript:x\">here</a>", vec![("mime.link-runs", Severity::Error)]),
        ("<form><input></form>", vec![("mime.form", Severity::Warning)]),
        ("<a href=3D\"https://www.bank.com/x\">bank.com</a>", vec![]),
    ] {
        assert_eq!(ids(&html(body)), found, "{body}");
    }
}

#[test]
fn a_message_inside_is_offered_by_its_bytes_as_they_came() {
    let text = "From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\nFrom: d@e.f\nSubject: inner\n\nhi\n--x--\n";
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let (message, section) = settled(&text);
        let span = &section.facts["parts"][1]["message"];
        let at = |index: usize| usize::try_from(span[index].as_u64().unwrap()).unwrap();
        let bytes = message.original()[at(0)..at(1)].to_vec();
        let inner = Message::parse(Arc::from(bytes), Envelope::default()).unwrap();
        assert_eq!(inner.named("subject").next().unwrap().unfolded(), "inner");
        assert_eq!(section.findings[0].id, "mime.message-inside");
        let Block::Tree(tree) = &section.blocks[0] else { panic!() };
        assert!(matches!(tree[0].children[0].text.link, Some(Link::Message(_))));
    }
}

#[test]
fn pgp_and_smime_are_recognised_and_said_to_be_not_verified() {
    for (text, id) in [
        (
            "From: a@b.c\nContent-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=x\n\n--x\n\nhi\n--x--\n",
            "mime.pgp",
        ),
        (
            "From: a@b.c\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=x\n\n--x\n\nhi\n--x--\n",
            "mime.smime",
        ),
        (
            "From: a@b.c\nContent-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64\n\naGk=\n",
            "mime.smime",
        ),
        ("From: a@b.c\n\n-----BEGIN PGP MESSAGE-----\n\nabc\n", "mime.pgp"),
    ] {
        let (_, section) = settled(text);
        assert_eq!(section.findings[0].id, id, "{text}");
        assert!(section.findings[0].text.contains("not verified"));
    }
}

#[test]
fn headers_alone_have_no_parts_to_complain_of() {
    let (_, section) = settled("From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n");
    assert_eq!((section.headline.as_str(), section.findings.len()), ("no body", 0));
}

#[test]
fn a_large_body_is_decoded_in_slices() {
    let text = attached("big.bin", &"QUFB".repeat(3_000_000));
    let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
    let evidence = crate::check::Evidence::default();
    let seen = Seen::new(&evidence, OffsetDateTime::UNIX_EPOCH);
    let mut memo = Memo::default();
    assert!(matches!(Mime.step(&message, &seen, &mut memo), Err(Wait::Again(Progress { done: 0, .. }))));
    let section = Mime.step(&message, &seen, &mut memo).unwrap();
    assert_eq!(section.facts["parts"][2]["size"], 9_000_000);
}

#[test]
fn broken_structure_is_told() {
    assert_eq!(ids("From: a@b.c\nContent-Type: multipart/mixed\n\nx\n"), [("mime.no-boundary", Severity::Warning)]);
    assert_eq!(
        ids("From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhi\n"),
        [("mime.unclosed", Severity::Info)]
    );
    let wide = "--x\n\na\n".repeat(2_000);
    let text = format!("From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n{wide}--x--\n");
    assert!(ids(&text).contains(&("mime.too-many-parts", Severity::Warning)));
}

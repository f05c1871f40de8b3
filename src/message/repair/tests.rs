use super::*;

const CLEAN: &[u8] =
    b"From: a@b.c\r\nTo: d@e.f\r\nSubject: hello\r\n world\r\nMIME-Version: 1.0\r\n\r\nbody\r\n\r\nmore\r\n";

fn repaired(raw: &[u8]) -> (Vec<u8>, Vec<RepairKind>) {
    let repaired = repair(raw).unwrap();
    let kinds = repaired.repairs.iter().map(|repair| repair.kind).collect();
    (repaired.text.unwrap_or_else(|| raw.to_vec()), kinds)
}

fn replace(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8(text.to_vec()).unwrap().replace(from, to).into_bytes()
}

#[test]
fn a_clean_message_is_not_copied() {
    assert!(repair(CLEAN).unwrap().text.is_none());
    assert!(repair(CLEAN).unwrap().repairs.is_empty());
}

#[test]
fn line_ends_of_any_kind_are_the_same_message() {
    for (end, kind) in [("\n", RepairKind::LineFeeds), ("\r", RepairKind::CarriageReturns)] {
        assert_eq!(repaired(&replace(CLEAN, "\r\n", end)), (CLEAN.to_vec(), vec![kind]));
    }
    let mut mixed = replace(CLEAN, "\r\n", "\n");
    mixed.splice(11..12, *b"\r\n");
    assert_eq!(repaired(&mixed), (CLEAN.to_vec(), vec![RepairKind::MixedLineEnds]));
}

#[test]
fn a_bare_cr_in_a_body_with_other_line_ends_stays() {
    let raw = b"A: b\r\n\r\nx\ry\r\n";
    assert!(repair(raw).unwrap().text.is_none());
}

#[test]
fn every_kind_of_copy_becomes_the_message_again() {
    let text = String::from_utf8(CLEAN.to_vec()).unwrap();
    let quoted = text.replace("\r\n", "\r\n> ");
    let quoted = format!("> {}", quoted.strip_suffix("> ").unwrap());
    let indented = text.lines().map(|line| format!("    {line}\r\n")).collect::<String>();
    let double = text.replace("\r\n", "\r\n\r\n");
    let html = format!("<html><body><pre>{}</pre></body></html>", text.replace('@', "&#64;").replace("\r\n", "\n"));
    let coded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, CLEAN);
    for (raw, kinds) in [
        (quoted, vec![RepairKind::Quoted]),
        (indented, vec![RepairKind::Indented]),
        (double, vec![RepairKind::DoubleSpaced]),
        (html, vec![RepairKind::Html, RepairKind::LineFeeds]),
        (coded, vec![RepairKind::Base64]),
        (format!("\u{feff}{text}"), vec![RepairKind::ByteOrderMark]),
        (format!("\r\n \r\n{text}"), vec![RepairKind::LeadingBlankLines]),
        (format!("From a@b.c Tue Nov 24 10:00:00 2026\r\n{text}"), vec![RepairKind::Mbox]),
        (text.replace("\r\n world", "\r\nworld"), vec![RepairKind::Refolded]),
        (text.replace("1.0\r\n\r\nbody", "1.0\r\nbody"), vec![RepairKind::LostBlankLine]),
    ] {
        assert_eq!(repaired(raw.as_bytes()), (CLEAN.to_vec(), kinds), "{raw}");
    }
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(repaired(&utf16), (CLEAN.to_vec(), vec![RepairKind::Utf16]));
}

#[test]
fn a_whole_message_in_quoted_printable_is_decoded() {
    let raw = b"From: a@b.c\r\nDKIM-Signature: v=3D1; a=3Drsa-sha256; b=3Dab=\r\ncd\r\n\r\ncaf=C3=A9 =3D\r\n";
    let (text, kinds) = repaired(raw);
    assert_eq!(text, "From: a@b.c\r\nDKIM-Signature: v=1; a=rsa-sha256; b=abcd\r\n\r\ncafé =\r\n".as_bytes());
    assert_eq!(kinds, [RepairKind::QuotedPrintable]);
    let innocent = b"From: a@b.c\r\nSubject: 1=3D\r\nContent-Type: text/plain; charset=utf-8\r\n\r\na=3Db\r\n";
    assert!(repair(innocent).unwrap().text.is_none());
    let word = b"From: a@b.c\r\nSubject: =?utf-8?q?1=3D1?=\r\n\r\na=3Db\r\n";
    assert!(repair(word).unwrap().text.is_none(), "an encoded word is no sign of it");
}

#[test]
fn smart_quotes_become_plain_only_where_machines_read() {
    let raw = "Subject: \u{201c}yes\u{201d}\r\nContent-Type: multipart/mixed;\u{a0}boundary=\u{201c}x\u{201d}\r\n\r\n\u{201c}\r\n";
    let (text, kinds) = repaired(raw.as_bytes());
    let expected = "Subject: \u{201c}yes\u{201d}\r\nContent-Type: multipart/mixed; boundary=\"x\"\r\n\r\n\u{201c}\r\n";
    assert_eq!((text, kinds), (expected.as_bytes().to_vec(), vec![RepairKind::SmartQuotes]));
}

#[test]
fn what_is_lost_for_good_is_told() {
    let raw = "A: b\r\n\r\nna\u{fffd}ve".as_bytes();
    assert_eq!(repaired(raw).1, [RepairKind::LostCharacters, RepairKind::LostLastLineEnd]);
    let gmail = b"from:\tBank <a@b.c>\nto:\tme\nmailed-by:\tb.c\nsigned-by:\tb.c\n";
    assert!(repaired(gmail).1.contains(&RepairKind::WebmailList));
}

#[test]
fn the_first_message_of_a_mailbox_is_taken_and_the_others_are_found() {
    let raw = b"From x\r\nA: 1\r\n\r\n>From here\r\n>>From there\r\nFrom me\r\n\r\nFrom y\r\nA: 2\r\n\r\ntwo\r\n";
    let (text, kinds) = repaired(raw);
    assert_eq!(text, b"A: 1\r\n\r\nFrom here\r\n>From there\r\nFrom me\r\n");
    assert_eq!(kinds, [RepairKind::Mbox]);
    let found: Vec<_> = mbox_messages(raw).iter().map(|span| span.of(raw).unwrap()).collect();
    assert_eq!(found[1], b"A: 2\r\n\r\ntwo\r\n");
    assert_eq!(found.len(), 2);
}

#[test]
fn what_is_no_message_is_said() {
    assert_eq!(repair(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest").unwrap_err(), NotMessage::Outlook);
    assert_eq!(repair(b" \r\n\t\n").unwrap_err(), NotMessage::Empty);
    assert_eq!(repair(b"").unwrap_err(), NotMessage::Empty);
}

#[test]
fn prose_with_a_colon_is_not_refolded() {
    let raw = b"A: b\r\n\r\nHello\r\nFrom: the other side\r\n";
    assert!(repair(raw).unwrap().text.is_none());
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_repaired_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        if let Ok(repaired) = repair(&bytes) {
            let text = repaired.text.unwrap_or(bytes);
            proptest::prop_assert!(!text.is_empty());
        }
    }

    #[test]
    fn a_repaired_text_needs_no_repair_of_its_line_ends(text in "[A-D: \r\n>=]{0,80}") {
        if let Ok(Repaired { text: Some(text), .. }) = repair(text.as_bytes()) {
            proptest::prop_assert!(line_ends::crlf(&text).is_none());
        }
    }
}

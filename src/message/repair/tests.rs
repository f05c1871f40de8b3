use super::*;

fn repair(raw: &[u8]) -> Result<Repaired, NotMessage> {
    super::repair(raw, Watch::of(&|_| true))
}

const CLEAN: &[u8] =
    b"From: a@b.c\r\nTo: d@e.f\r\nSubject: hello\r\n world\r\nMIME-Version: 1.0\r\n\r\nbody\r\n\r\nmore\r\n";

fn repaired(raw: &[u8]) -> (Vec<u8>, Vec<RepairKind>) {
    let repaired = repair(raw).unwrap();
    let kinds = repaired.repairs.iter().map(|repair| repair.kind).collect();
    let text = match repaired.text {
        Some((text, edits)) => {
            assert_eq!(edits.original(&text), raw, "the original comes back");
            text
        }
        None => raw.to_vec(),
    };
    (text, kinds)
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
            let Some((text, edits)) = repaired.text else { return Ok(()) };
            proptest::prop_assert!(!text.is_empty());
            proptest::prop_assert_eq!(edits.original(&text), bytes);
        }
    }

    #[test]
    fn a_repaired_text_needs_no_repair_of_its_line_ends(text in "[A-D: \r\n>=]{0,80}") {
        if let Ok(Repaired { text: Some((text, _)), .. }) = repair(text.as_bytes()) {
            proptest::prop_assert!(line_ends::crlf(&text).is_none());
        }
    }
}

/// Every way a message can be copied, so that each step has something to do.
fn mangled(text: &str, way: usize) -> Vec<u8> {
    let lines = || text.lines().map(str::to_owned);
    let coded = |width: usize, end: &str| {
        let code = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        code.as_bytes().chunks(width).flat_map(|line| [line, end.as_bytes()].concat()).collect::<Vec<u8>>()
    };
    let unit = |bytes: fn(u16) -> [u8; 2]| {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect::<Vec<u8>>()
    };
    match way {
        0 => text.replace("\r\n", "\n").into(),
        1 => text.replace("\r\n", "\r").into(),
        2 => text.replacen("\r\n", "\n", 2).into(),
        3 => text.replacen("\r\n", "\n", 1).replacen("\r\n", "\r", 1).into(),
        4 => format!("\u{feff}{text}").into(),
        5 => format!("\r\n \r\n{text}").into(),
        6 => coded(76, "\r\n"),
        7 => coded(64, "\n"),
        8 => coded(usize::MAX, ""),
        9 => [b" ".as_slice(), &coded(60, "\n\n")].concat(),
        10 => unit(u16::to_le_bytes),
        11 => [unit(u16::to_be_bytes).as_slice(), b"\xd8"].concat(),
        12 => format!(
            "<!DOCTYPE html><pre> \n{}</pre></html>",
            text.replace('<', "&lt;").replace('@', "&#x40;").replace("\r\n", "<br>\n")
        )
        .into(),
        13 => lines().map(|line| format!("> {line}\r\n")).collect::<String>().into(),
        14 => lines().map(|line| format!("\t  {line}\n")).collect::<String>().into(),
        15 => text.replace("\r\n", "\r\n\r\n").into(),
        16 => format!("From a@b.c Tue Nov 24\n{text}\n\nFrom b@c.d Tue\nA: 2\n\n>From x\n").into(),
        17 => text.replace("\r\n world", "\r\nworld").into(),
        18 => text.replace("1.0\r\n\r\n", "1.0\r\n").into(),
        19 => text.replace("MIME-Version: ", "Message-ID:\u{a0}\u{201c}x\u{201d}\r\nMIME-Version: ").into(),
        20 => text.replace("MIME-Version: ", "DKIM-Signature: v=3D1; a=3Drsa\r\nMIME-Version: =\r\n").into(),
        _ => text.into(),
    }
}

const WAYS: usize = 22;

#[test]
fn every_step_gives_its_text_back() {
    let mut seen = std::collections::BTreeSet::new();
    for way in 0..WAYS {
        let raw = mangled(std::str::from_utf8(CLEAN).unwrap(), way);
        seen.extend(repaired(&raw).1);
    }
    // Those that only notice change nothing.
    let told = [RepairKind::LostCharacters, RepairKind::Cut, RepairKind::WebmailList, RepairKind::LostLastLineEnd];
    let all = [
        RepairKind::ByteOrderMark,
        RepairKind::Utf16,
        RepairKind::CarriageReturns,
        RepairKind::LineFeeds,
        RepairKind::MixedLineEnds,
        RepairKind::LeadingBlankLines,
        RepairKind::Base64,
        RepairKind::QuotedPrintable,
        RepairKind::Html,
        RepairKind::Mbox,
        RepairKind::Quoted,
        RepairKind::Indented,
        RepairKind::DoubleSpaced,
        RepairKind::Refolded,
        RepairKind::SmartQuotes,
        RepairKind::LostBlankLine,
    ];
    for kind in all {
        assert!(seen.contains(&kind) && !told.contains(&kind), "{kind:?} was not tried");
    }
}

#[test]
fn what_is_alike_everywhere_is_kept_as_a_rule() {
    let big = [CLEAN, "x\r\n".repeat(100_000).as_bytes()].concat();
    let text = String::from_utf8(big).unwrap();
    for (way, most) in [(0, 0), (1, 0), (6, 8), (8, 8), (10, 0), (13, 5 * 100_010)] {
        let raw = mangled(&text, way);
        let (mended, edits) = repair(&raw).unwrap().text.unwrap();
        let size: usize = edits.undo.iter().map(Undo::size).sum();
        assert!(size <= most, "way {way}: {size} bytes");
        assert!(edits.original(&mended) == raw, "way {way}");
    }
}

#[test]
fn changes_that_take_more_room_than_the_text_are_given_up_for_the_text() {
    let raw = [b"A: b\r\n\r\n".as_slice(), "\n\r\n".repeat(50_000).as_bytes()].concat();
    let (text, edits) = repair(&raw).unwrap().text.unwrap();
    assert!(edits.undo.iter().map(Undo::size).sum::<usize>() <= raw.len() + 16);
    assert!(edits.original(&text) == raw);
}

#[test]
fn what_was_left_out_past_the_bound_comes_back_too() {
    let raw = [CLEAN, vec![b'z'; MAX_BYTES].as_slice()].concat();
    let (text, edits) = repair(&raw).unwrap().text.unwrap();
    assert_eq!(text.len(), MAX_BYTES);
    assert!(edits.original(&text) == raw);
}

proptest::proptest! {
    #[test]
    fn any_message_copied_in_any_two_ways_comes_back(
        body in "([a-zA-Z <>@=.:\r\n\u{a0}\u{201c}]|From |>|\r\n|\n){0,60}",
        first in 0..WAYS,
        second in 0..WAYS,
    ) {
        let once = mangled(&[std::str::from_utf8(CLEAN).unwrap(), &body].concat(), first);
        let twice = std::str::from_utf8(&once).map(|text| mangled(text, second)).unwrap_or(once);
        if let Ok(Repaired { text: Some((text, edits)), .. }) = repair(&twice) {
            proptest::prop_assert_eq!(edits.original(&text), twice);
        }
    }

    #[test]
    fn any_bytes_come_back_from_each_step_by_itself(bytes in "([A-C: >=<&;#3D]|\r\n|\n|\r|\u{a0}|From |Content-Type: |<pre>|</pre>|&lt;|<br>|> |  ){0,40}") {
        for step in UNWRAP.iter().chain([&(line_ends::crlf as Step)]).chain(MEND) {
            if let Some(mended) = step(bytes.as_bytes()) {
                proptest::prop_assert_eq!(mended.undo.apply(&mended.text), bytes.as_bytes());
            }
        }
    }
}

use base64::Engine;
use proptest::prelude::*;

use super::*;

fn body(canon: Canon, text: &str) -> String {
    let mut out = Vec::new();
    canonical_body(canon, text.as_bytes(), &mut |bytes| out.extend_from_slice(bytes));
    String::from_utf8(out).unwrap()
}

fn field(canon: Canon, whole: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    canonical_field(canon, whole, &mut out);
    out
}

#[test]
fn the_examples_of_rfc_6376_3_4_5() {
    let text = " C \r\nD \t E\r\n\r\n\r\n";
    assert_eq!(body(Canon::Relaxed, text), " C\r\nD E\r\n");
    assert_eq!(body(Canon::Simple, text), " C \r\nD \t E\r\n");
    assert_eq!(field(Canon::Relaxed, b"A: X\r\n"), b"a:X\r\n");
    assert_eq!(field(Canon::Relaxed, b"B : Y\t\r\n\tZ  \r\n"), b"b:Y Z\r\n");
    assert_eq!(field(Canon::Simple, b"B : Y\t\r\n\tZ  \r\n"), b"B : Y\t\r\n\tZ  \r\n");
}

#[test]
fn an_empty_body_is_one_line_end_or_nothing() {
    let hash = |canon| {
        let wanted = Wanted { canon, hash: Hash::Sha256, length: None };
        base64::engine::general_purpose::STANDARD.encode(&body_hashes(b"", &[wanted])[0].digest)
    };
    assert_eq!(hash(Canon::Simple), "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    assert_eq!(hash(Canon::Relaxed), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

#[test]
fn white_lines_at_the_end_of_a_relaxed_body_go() {
    assert_eq!(body(Canon::Relaxed, "hello\r\n \r\n\t\r\n"), "hello\r\n");
    assert_eq!(body(Canon::Relaxed, " \r\n"), "");
    assert_eq!(body(Canon::Simple, "hello\r\n \r\n\t\r\n"), "hello\r\n \r\n\t\r\n");
    assert_eq!(body(Canon::Relaxed, "a\r\n \r\n\t\r\nb\r\n"), "a\r\n\r\n\r\nb\r\n");
}

#[test]
fn a_body_without_a_last_line_end_gets_one() {
    for canon in [Canon::Simple, Canon::Relaxed] {
        assert_eq!(body(canon, "a\r\nb"), "a\r\nb\r\n");
        assert_eq!(body(canon, "a\r\nb\r\n"), "a\r\nb\r\n");
    }
}

#[test]
fn a_bare_cr_is_a_byte_like_any_other() {
    assert_eq!(body(Canon::Relaxed, "a \rb\r\n"), "a \rb\r\n");
    assert_eq!(body(Canon::Relaxed, "a  \rb \r\n"), "a \rb\r\n");
}

#[test]
fn odd_fields_are_hashed_as_raw_bytes() {
    assert_eq!(field(Canon::Relaxed, b"X-E:\r\n"), b"x-e:\r\n");
    assert_eq!(field(Canon::Relaxed, b"X-F:\r\n \r\n\tz\r\n"), b"x-f:z\r\n");
    assert_eq!(field(Canon::Relaxed, b"X-C::b : c\r\n"), b"x-c::b : c\r\n");
    assert_eq!(field(Canon::Relaxed, b"X-B: \xff\x00  \xe9\r\n"), b"x-b:\xff\x00 \xe9\r\n");
}

#[test]
fn the_signature_goes_with_its_white_space_and_nothing_else() {
    for (whole, left) in [
        (&b"S: a=1; b = ab\r\n\tcd= ; d=x\r\n"[..], &b"S: a=1; b =; d=x\r\n"[..]),
        (b"S: b=ab=\r\n", b"S: b=\r\n"),
        (b"S: bh=xx; b=\r\n  ab\r\n cd\r\n", b"S: bh=xx; b=\r\n"),
        (b"S: bh=b=; a=b\r\n", b"S: bh=b=; a=b\r\n"),
    ] {
        assert_eq!(without_signature(whole), left, "{}", String::from_utf8_lossy(whole));
    }
}

#[test]
fn length_counts_after_canonicalisation_and_one_pass_serves_all() {
    let wanted = |length| Wanted { canon: Canon::Relaxed, hash: Hash::Sha256, length };
    let hashes = body_hashes(b"a  b\r\nc\r\n", &[wanted(Some(3)), wanted(None), wanted(Some(0)), wanted(Some(99))]);
    let sizes: Vec<_> = hashes.iter().map(|hash| (hash.covered, hash.total)).collect();
    assert_eq!(sizes, [(3, 8), (8, 8), (0, 8), (8, 8)]);
    assert_eq!(hashes[0].digest, Hash::Sha256.of(b"a b"));
    assert_eq!(hashes[1].digest, Hash::Sha256.of(b"a b\r\nc\r\n"));
    assert_eq!(hashes[2].digest, Hash::Sha256.of(b""));
    assert_eq!(hashes[3].digest, hashes[1].digest);
}

/// What §3.4.4 says, read literally: slow, and the measure of the fast one.
fn literal(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for line in text.split("\r\n") {
        let mut evened = String::new();
        for c in line.chars() {
            match c {
                ' ' | '\t' if evened.ends_with(' ') => {}
                ' ' | '\t' => evened.push(' '),
                c => evened.push(c),
            }
        }
        kept.push(evened.trim_end_matches(' ').to_owned());
    }
    while kept.last().is_some_and(String::is_empty) {
        kept.pop();
    }
    if kept.is_empty() { String::new() } else { kept.join("\r\n") + "\r\n" }
}

proptest! {
    #[test]
    fn the_fast_relaxed_body_is_the_literal_one(lines in prop::collection::vec("[ab \t]{0,6}", 0..30)) {
        let text = lines.join("\r\n");
        prop_assert_eq!(body(Canon::Relaxed, &text), literal(&text));
    }

    #[test]
    fn blocks_leave_no_seam(pad in 0_usize..40, tail in "[ab \t\r\n]{0,40}") {
        let text = format!("{}{tail}", "x ".repeat(BLOCK / 2 - 20 + pad)).replace("\r", "").replace('\n', "\r\n");
        prop_assert_eq!(body(Canon::Relaxed, &text), literal(&text));
    }
}

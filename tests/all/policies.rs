//! Our readings of DMARC, MTA-STS and TLS-RPT records beside mail-auth's: thousands of generated records must be read alike,
//! and every difference that is known stands in a table with its reason. A row that no longer differs fails, too.

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::dmarc as theirs;
use mxray::records::dmarc::{Dmarc, Mode, Policy, Psd};
use mxray::records::mta_sts::StsRecord;
use mxray::records::tls_rpt::TlsRpt;

/// What our reader makes of a DMARC record, in one line; `-` for no record.
fn ours(text: &str) -> String {
    let Some(record) = Dmarc::parse(text) else { return "-".into() };
    let Some(policies) = record.policies() else { return "nothing".into() };
    let mode = |mode| if mode == Mode::Strict { "s" } else { "r" };
    let psd = match record.psd {
        Psd::Yes => "y",
        Psd::No => "n",
        Psd::Unsaid => "u",
    };
    let rua = record.rua.iter().filter(|uri| uri.is_valid() && uri.is_mailto()).filter_map(|uri| uri.mailbox());
    format!(
        "p={} sp={} np={} adkim={} aspf={} psd={psd} t={} rua={}",
        policies.own.as_str(),
        policies.subdomain.as_str(),
        policies.nonexistent.as_str(),
        mode(record.adkim),
        mode(record.aspf),
        record.testing,
        rua.map(|mailbox| mailbox.to_lowercase()).collect::<Vec<_>>().join(",")
    )
}

/// What mail-auth makes of it: its own rule for a record without `p` applied (`dmarc/verify.rs`).
fn others(text: &str) -> String {
    let Ok(record) = theirs::Dmarc::parse(text.as_bytes()) else { return "-".into() };
    let word = |policy: theirs::Policy| match policy {
        theirs::Policy::None => Policy::None,
        theirs::Policy::Quarantine => Policy::Quarantine,
        theirs::Policy::Reject => Policy::Reject,
        theirs::Policy::Unspecified => Policy::None,
    };
    if record.p == theirs::Policy::Unspecified && record.rua.is_empty() {
        return "nothing".into();
    }
    let whole = record.p == theirs::Policy::Unspecified;
    let policy = |policy| if whole { Policy::None } else { word(policy) };
    let mode = |mode| if mode == theirs::Alignment::Strict { "s" } else { "r" };
    let psd = match record.psd {
        theirs::Psd::Yes => "y",
        theirs::Psd::No => "n",
        theirs::Psd::Default => "u",
    };
    format!(
        "p={} sp={} np={} adkim={} aspf={} psd={psd} t={} rua={}",
        policy(record.p).as_str(),
        policy(record.sp).as_str(),
        policy(record.np).as_str(),
        mode(record.adkim),
        mode(record.aspf),
        record.t,
        record.rua.iter().map(|uri| uri.uri().to_lowercase()).collect::<Vec<_>>().join(",")
    )
}

#[test]
fn thousands_of_dmarc_records_are_read_alike() {
    let policies = ["none", "Quarantine", "reject"];
    let optional = |tag: &str, values: &[&str]| {
        let mut all = vec![String::new()];
        all.extend(values.iter().map(|value| format!("; {tag}={value}")));
        all
    };
    let mut compared = 0;
    for start in ["v=DMARC1", "v = DMARC1 ", "v=DMARC1;"] {
        for p in optional("p", &policies) {
            for sp in optional("sp", &policies) {
                for np in optional("np", &policies) {
                    for more in ["", "; adkim=s; aspf=r", "; aspf=S; t=y", "; psd=y; t=n", "; psd=n; pct=20; foo=bar"] {
                        for rua in [
                            "",
                            "; rua=mailto:a@example.com",
                            ";rua = mailto:a@example.com , mailto:b@example.com!10m ;",
                            "; ruf=mailto:f@example.com; fo=1:d",
                        ] {
                            let text = format!("{start}{p}{sp}{np}{more}{rua}");
                            // A record without p is none as a whole (§4.10.1); mail-auth lets its sp and np stand.
                            if p.is_empty() && !(sp.is_empty() && np.is_empty()) {
                                continue;
                            }
                            assert_eq!(ours(&text), others(&text), "{text}");
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{compared} DMARC records read as mail-auth reads them");
    assert!(compared > 2_500);
}

#[test]
fn known_differences_in_dmarc_are_differences_and_have_a_reason() {
    for (text, our, their, why) in [
        (
            "v=DMARC1; p=block; rua=mailto:a@example.com",
            "p=none",
            "-",
            "an invalid p with a valid rua is p=none, RFC 9989 §4.10.1",
        ),
        ("v=DMARC1; p=reject; np=x; rua=mailto:a@example.com", "p=none", "-", "an invalid np, too"),
        (
            "v=DMARC1; p=reject; sp=x",
            "nothing",
            "-",
            "without rua it asks for nothing, and is still the record that is there",
        ),
        (
            "v=DMARC1; p=reject; adkim=x",
            "p=reject",
            "-",
            "an invalid value of another tag leaves the rest standing, §4.7",
        ),
        ("v=DMARC1; p=reject; fo=x", "p=reject", "-", "fo, too"),
        ("v=DMARC1; p=reject; p=none", "p=reject", "p=none", "of duplicates we count the first, and call it an error"),
        (
            "v=DMARC1; p=none; rua=mailto:a@localhost",
            "rua=",
            "rua=a@localhost",
            "no report reaches a name without a dot",
        ),
        (
            "v=DMARC1; p=none; rua=mailto:a b@example.com",
            "rua=",
            "rua=ab@example.com",
            "white space belongs into no URI",
        ),
        ("v=dmarc1; p=none", "-", "p=none", "DMARC1 is case-sensitive, §4.8"),
        ("v=DMARC1; rua=mailto:a@b.c; sp=reject", "sp=none", "sp=none", ""),
    ] {
        let (own, other) = (ours(text), others(text));
        assert!(own.contains(our), "{text}: {own}");
        assert!(other.contains(their), "{text}: {other}");
        assert_eq!(own == other, why.is_empty(), "{text}: {own} / {other}");
    }
}

#[test]
fn texts_that_are_no_dmarc_record_are_none_for_both() {
    for text in ["", "v=DMARC12; p=none", "p=none; v=DMARC1", "v=spf1 -all", "v=DMARC1 p=none", "DMARC1"] {
        assert_eq!((ours(text).as_str(), others(text).as_str()), ("-", "-"), "{text}");
    }
}

#[test]
fn mta_sts_records_are_read_alike_where_the_grammar_lets_them() {
    let own = |text: &str| StsRecord::parse(text).filter(StsRecord::is_valid).and_then(|record| record.id);
    let other = |text: &str| mail_auth::mta_sts::MtaSts::parse(text.as_bytes()).ok().map(|record| record.id);
    for text in [
        "v=STSv1; id=20160831085700Z;",
        "v=STSv1;id=a",
        "v=STSv1; id=a; foo=bar;",
        "v=STSv2; id=a",
        "v=STSv1;",
        "id=a",
        "",
    ] {
        assert_eq!(own(text), other(text), "{text}");
    }
    for (text, our, their, why) in [
        ("v=STSv1; id=a-b", None, Some("a-b"), "an id has letters and digits only, RFC 8461 §3.1"),
        ("id=a; v=STSv1;", None, Some("a"), "a record begins with its version"),
        ("v=STSv1 ; id=a", None, Some("a"), "exactly v=STSv1; is asked for"),
        ("v=STSv1; id=a; id=b", Some("a"), Some("b"), "of duplicates the first counts, §3.2"),
        (
            "v=STSv1; id=123456789012345678901234567890123",
            None,
            Some("123456789012345678901234567890123"),
            "at most 32",
        ),
    ] {
        assert_eq!((own(text).as_deref(), other(text).as_deref()), (our, their), "{text}: {why}");
    }
}

#[test]
fn tls_rpt_records_are_read_alike_where_the_grammar_lets_them() {
    use mail_auth::mta_sts::ReportUri;
    let own = |text: &str| {
        let record = TlsRpt::parse(text).filter(TlsRpt::is_usable)?;
        let uris = record.rua.into_iter().filter(|uri| uri.is_valid() && uri.scheme.as_deref() != Some("ftp"));
        Some(uris.map(|uri| uri.text).collect::<Vec<_>>())
    };
    let other = |text: &str| {
        let record = mail_auth::mta_sts::TlsRpt::parse(text.as_bytes()).ok()?;
        let uris = record.rua.into_iter().map(|uri| match uri {
            ReportUri::Mail(mailbox) => format!("mailto:{mailbox}"),
            ReportUri::Http(url) => url,
        });
        Some(uris.collect::<Vec<_>>())
    };
    for text in [
        "v=TLSRPTv1;rua=mailto:reports@example.com",
        "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt",
        "v=TLSRPTv1; rua=mailto:a@example.com,https://example.com/v1;",
        "v=TLSRPTv1; foo=bar; rua=mailto:a@example.com",
        "v=TLSRPTv1;",
        "v=TLSRPTv1; rua=",
        "v=TLSRPTv1; rua=a@example.com",
        "v=TLSRPTv2; rua=mailto:a@example.com",
        "",
    ] {
        assert_eq!(own(text), other(text), "{text}");
    }
    for (text, our, their, why) in [
        ("v=TLSRPTv1 ; rua=mailto:a@b.c", None, Some("mailto:a@b.c"), "exactly v=TLSRPTv1; is asked for, RFC 8460 §3"),
        ("v=tlsrptv1; rua=mailto:a@b.c", None, Some("mailto:a@b.c"), "the version is case-sensitive"),
        ("v=TLSRPTv1; rua=mailto:a", None, Some("mailto:a"), "a is no mailbox"),
        (
            "v=TLSRPTv1; rua=ftp://x.example/,mailto:a@b.c",
            Some("mailto:a@b.c"),
            None,
            "one bad address does not void the next",
        ),
    ] {
        let first = |uris: Option<Vec<String>>| uris.and_then(|uris| uris.into_iter().next());
        assert_eq!((first(own(text)).as_deref(), first(other(text)).as_deref()), (our, their), "{text}: {why}");
    }
}

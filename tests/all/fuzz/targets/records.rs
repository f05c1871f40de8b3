//! What a domain publishes, looked up and pasted.

use mxray::name::Name;
use mxray::records::bimi::Bimi;
use mxray::records::dkim::Key;
use mxray::records::dmarc::{self, Dmarc, ReportUri};
use mxray::records::mta_sts::{StsPolicy, StsRecord};
use mxray::records::spf::SpfRecord;
use mxray::records::tls_rpt::TlsRpt;
use mxray::records::{Domain, TagList, lint};

use super::NOW;
use super::judged::{lossy, print, settle, spans_lie_inside, wild};

pub(super) fn records() -> Vec<Vec<u8>> {
    let published = "v=spf1 include:a.example a:%{d} mx/24//64 ptr exists:%{ir}.%{l1r-}.b.example ip4:192.0.2.0/24 ip6:2001:db8::/32 redirect=c.example exp=e.%{d} ~all
v=DMARC1; p=quarantine; sp=reject; np=none; rua=mailto:a@b.example!10m,mailto:c@d.example; ruf=mailto:x@y.example; fo=1:d:s; adkim=s; aspf=r; pct=50; t=y; psd=n
v=DKIM1; k=rsa; h=sha256; s=email; t=y:s; n=note; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB
v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
v=STSv1; id=20261124085700Z;
v=TLSRPTv1; rua=mailto:a@b.example,https://c.example/report
v=BIMI1; l=https://a.example/logo.svg; a=https://a.example/vmc.pem; avp=brand
version: STSv1
mode: enforce
mx: mx.a.example
mx: *.b.example
max_age: 604800";
    let mut seeds: Vec<Vec<u8>> = published.lines().map(|line| line.as_bytes().to_vec()).collect();
    seeds.push(published.into());
    seeds.push(published.rsplit_once("avp=brand\n").unwrap().1.into());
    seeds.push("_dmarc.a.example. 300 IN TXT \"v=DMARC1; p=none\" \"; rua=mailto:a@b.example\"".into());
    seeds
}

pub(super) fn published(bytes: &[u8]) {
    let domain = Domain { selectors: vec!["s1".into()], ..Domain::new(Name::from_text("a.example").unwrap()) };
    let sections =
        mxray::records::ALL.iter().map(|check| settle(*check, &domain, &|query| wild(bytes, query))).collect();
    print(&domain, 0, sections);
}

pub(super) fn pasted(bytes: &[u8]) {
    let text = lossy(bytes);
    for tag in &TagList::parse(&text).tags {
        assert!(text.contains(tag.name), "{tag:?}");
    }
    for term in &SpfRecord::parse(&text).terms {
        assert_eq!(term.span.of_str(&text), Some(term.text.as_str()));
    }
    dmarc::Policy::parse(&text);
    Dmarc::parse(&text);
    ReportUri::parse_list(&text, 0);
    StsRecord::parse(&text);
    StsPolicy::parse(&text);
    TlsRpt::parse(&text);
    Bimi::parse(bytes);
    Key::parse(bytes);
    if let Some(section) = lint::lint(&text, NOW) {
        spans_lie_inside(&section, 0);
    }
}

// The dialogue.

//! How long the pure parts take: reading records, judging a domain whose answers are all there. `cargo bench`

use mxray::check::world::World;
use mxray::name::Name;
use mxray::records::{self, Domain, dmarc, spf};
use time::macros::datetime;

fn main() {
    divan::main();
}

/// The mission's domain, as text.
const WORLD: &str = r#"
monsec.io 3600 A 185.199.108.153
www.monsec.io 3600 CNAME monsec.io
monsec.io 3600 MX 1 smtp.google.com
smtp.google.com 300 A 192.0.2.26
monsec.io 3600 TXT "v=spf1 include:_spf.google.com -all"
_spf.google.com 300 TXT "v=spf1 include:_netblocks.google.com include:_netblocks2.google.com include:_netblocks3.google.com ~all"
_netblocks.google.com 300 TXT "v=spf1 ip4:35.190.247.0/24 ip4:64.233.160.0/19 ip4:66.102.0.0/20 ~all"
_netblocks2.google.com 300 TXT "v=spf1 ip6:2001:4860:4000::/36 ~all"
_netblocks3.google.com 300 TXT "v=spf1 ip4:172.217.0.0/19 ~all"
_dmarc.monsec.io 3600 TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@monsec.io"
_mta-sts.monsec.io 3600 TXT "v=STSv1;id=1707645265270;"
mta-sts.monsec.io 3600 A 185.199.108.153
_smtp._tls.monsec.io 3600 TXT "v=TLSRPTv1;rua=mailto:tls@monsec.io;"
google._domainkey.monsec.io 3600 TXT "v=DKIM1; k=rsa; p="
"#;

const POLICY: &str = "version: STSv1\nmode: testing\nmx: aspmx.l.google.com\nmax_age: 604800\n";

#[divan::bench]
fn an_spf_record_is_read() -> spf::SpfRecord {
    spf::SpfRecord::parse(divan::black_box(
        "v=spf1 include:_spf.google.com ip4:192.0.2.0/24 a:%{d} mx/24//64 exists:%{i}.x.test ~all",
    ))
}

#[divan::bench]
fn a_dmarc_record_is_read() -> Option<dmarc::Dmarc> {
    dmarc::Dmarc::parse(divan::black_box("v=DMARC1; p=quarantine; sp=reject; np=reject; rua=mailto:dmarc@monsec.io"))
}

/// Every check of a domain, each stepped to its end: what an audit costs beside its waiting.
#[divan::bench]
fn a_domain_is_judged(bencher: divan::Bencher) {
    let Ok(world) = World::parse(WORLD) else { return };
    let world = world.with_file("https://mta-sts.monsec.io/.well-known/mta-sts.txt", POLICY);
    let Ok(name) = Name::from_text("monsec.io") else { return };
    let domain = Domain::new(name);
    bencher.bench(|| {
        records::ALL
            .iter()
            .map(|check| world.settle(*check, &domain, datetime!(2026-11-24 8:00 UTC)).section.findings.len())
            .sum::<usize>()
    });
}

//! How long the pure parts take: reading records and messages, judging what has all its answers, printing, drawing; and the
//! engine's own loop without a network. `cargo bench`

mod message;

use mxray::check::world::World;
use mxray::config::{Settings, Upstream};
use mxray::engine::Engine;
use mxray::job::{Job, JobEvent, JobId, Task};
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

/// The whole engine without a network: the loop, the log, the outbox, every check told "offline". What is left of a job
/// when every answer is there at once.
#[divan::bench]
fn a_job_without_a_network(bencher: divan::Bencher<'_, '_>) {
    let (runtime, engine) = engine();
    let next = std::cell::Cell::new(0);
    bencher.bench_local(|| {
        next.set(next.get() + 1);
        let id = JobId(next.get());
        let name = Name::from_text("monsec.io").unwrap_or_else(|_| Name::root());
        let job = Job { offline: true, ..Job::new(Task::Domain { name, selectors: Vec::new() }) };
        engine.start(id, job);
        runtime.block_on(async {
            loop {
                engine.outbox().ready().await;
                if engine.outbox().drain().iter().any(|(_, event)| matches!(event, JobEvent::Finished(..))) {
                    break;
                }
            }
        });
    });
}

#[divan::bench]
fn an_engine_is_made(bencher: divan::Bencher<'_, '_>) {
    let (runtime, _) = engine();
    let _inside = runtime.enter();
    bencher.bench_local(|| Engine::new(settings()).is_ok());
}

fn settings() -> Settings {
    Settings { upstreams: Upstream::parse("127.0.0.1:9").into_iter().collect(), ..Settings::default() }
}

#[expect(clippy::expect_used, reason = "a bench without a runtime has nothing to measure")]
fn engine() -> (tokio::runtime::Runtime, Engine) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let engine = {
        let _inside = runtime.enter();
        Engine::new(settings()).expect("an engine")
    };
    (runtime, engine)
}

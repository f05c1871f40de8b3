//! Our own address as a server sees it, with a real socket, the lab's name server and an address that has a name there. It
//! takes a network of its own (`unshare`, root), in which the test runs itself again; without one it says so.

use std::process::Command;

use mxray::config::ConnectTo;
use mxray::engine::Engine;
use mxray::job::{Job, JobEvent, JobId, SmtpPlan, Task};
use mxray::lab::Lab;
use mxray::report::Report;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Says which part of the test runs inside.
const INSIDE: &str = "MXRAY_TEST_OWN_NETWORK";

/// Runs the test of this name in a network whose loopback has these addresses too; false when there can be none.
fn in_own_network(test: &str, addresses: &[&str]) -> bool {
    let setup: String = addresses.iter().map(|one| format!("ip addr add {one}/32 dev lo && ")).collect();
    let script = format!("ip link set lo up && {setup} echo stands && exec \"$0\" --exact {test} --nocapture");
    let me = std::env::current_exe().expect("this test");
    let ran = Command::new("unshare").args(["-n", "sh", "-c", &script]).arg(me).env(INSIDE, "yes").output();
    let Ok(output) = ran else { return false };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !said.contains("stands\n") {
        return false;
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    true
}

/// The report on a server at `address` that greets and says goodbye.
async fn report_on(address: &str) -> Report {
    let listener = TcpListener::bind(format!("{address}:0")).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut socket = BufReader::new(socket);
            let _ = socket.write_all(b"220 hi\r\n").await;
            let mut line = String::new();
            while socket.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let reply: &[u8] = if line.starts_with("QUIT") { b"221 bye\r\n" } else { b"250 ok\r\n" };
                let _ = socket.write_all(reply).await;
                line.clear();
            }
        }
    });
    let lab = Lab::start().await.unwrap();
    let mut settings = lab.settings();
    let here =
        ConnectTo { host: Some(address.into()), port: Some(port), to_host: Some(address.into()), to_port: Some(port) };
    settings.connect_to.insert(0, here);
    let engine = Engine::new(settings).unwrap();
    engine.start(JobId(1), Job::new(Task::Smtp { target: format!("{address}:{port}"), plan: SmtpPlan::default() }));
    loop {
        engine.outbox().ready().await;
        for (_, event) in engine.outbox().drain() {
            match event {
                JobEvent::Finished(report, _) => return (*report).clone(),
                JobEvent::Failed(why) => panic!("{why}"),
                _ => {}
            }
        }
    }
}

#[test]
fn the_address_that_a_server_sees_is_shown_with_its_name() {
    if std::env::var_os(INSIDE).is_none() {
        let test = "smtp_source::the_address_that_a_server_sees_is_shown_with_its_name";
        if !in_own_network(test, &["192.0.2.7", "192.0.2.125", "192.0.2.8"]) {
            println!("own-address: not run, no network namespace can be had");
        }
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // A server on an address of our own: the kernel speaks to it from that address.
        for (address, outcome, shown) in [
            ("192.0.2.7", "confirmed", "seen as 192.0.2.7 (PTR laptop.example)"),
            ("192.0.2.125", "confirmed", "seen as 192.0.2.125 (PTR mx.gov.example)"),
            ("192.0.2.8", "none", "seen as 192.0.2.8 (no PTR)"),
            ("127.0.0.1", "loopback", "seen as 127.0.0.1 (loopback)"),
        ] {
            let report = report_on(address).await;
            let dialogue = report.sections.iter().find(|section| section.id == "transcript").unwrap();
            assert_eq!(dialogue.facts["sources"][0]["outcome"], outcome, "{:?}", dialogue.facts["sources"]);
            let style = mxray::cli::text::Style { width: 160, color: false };
            let page = mxray::cli::text::text(&report, style);
            let words: Vec<&str> = page.split_whitespace().collect();
            assert!(words.join(" ").contains(shown), "{page}");
        }
    });
}

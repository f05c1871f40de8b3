//! Sessions from the state machine alone: no socket, and a clock that counts one millisecond an entry.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mxray::check::{LineEnding, Remark, TlsSession, Transcript, TranscriptEntry, TranscriptEvent, Visit};
use mxray::smtp::listen::{Act, Greylist, Plan, Scenario, Server, address};
use time::OffsetDateTime;

/// What the client of a test does.
pub enum Does<'a> {
    /// Sends these bytes at once.
    Says(&'a [u8]),
    /// Shakes hands, and is believed.
    Tls,
    /// Closes the connection.
    Leaves,
}

/// The session with a client that does these things.
pub fn visit(number: u64, client: &str, replies: &[&str], does: &[Does<'_>]) -> Visit {
    let plan = Plan::new(address("").unwrap(), Scenario::parse(replies).unwrap());
    let greylist: Arc<Mutex<Greylist>> = Arc::default();
    let client = client.parse().unwrap();
    let mut server = Server::new(Arc::new(plan), number, client, greylist);
    let mut visit = Visit {
        number,
        client,
        begun: OffsetDateTime::UNIX_EPOCH,
        transcript: Arc::default(),
        helo: None,
        tls: None,
        remarks: Vec::new(),
        messages: Vec::new(),
        receiving: None,
    };
    let mut transcript = Transcript::default();
    let here = Some("127.0.0.1:2525".parse().unwrap());
    enter(&mut transcript, &visit, TranscriptEvent::Connected { local: Some(client), peer: here });
    let acts = server.greet(b"");
    perform(&mut visit, &mut transcript, acts);
    for step in does {
        let acts = match step {
            Does::Says(bytes) => server.hear(bytes),
            Does::Tls => {
                visit.tls = Some("TLS 1.3".into());
                server.secured("TLS 1.3".into());
                vec![Act::Enter(TranscriptEvent::TlsStarted(Arc::new(session())))]
            }
            Does::Leaves => server.closed(false),
        };
        perform(&mut visit, &mut transcript, acts);
    }
    transcript.finished = server.is_over();
    visit.helo = server.helo().map(str::to_owned);
    visit.receiving = server.receiving();
    visit.transcript = Arc::new(transcript);
    visit
}

fn perform(visit: &mut Visit, transcript: &mut Transcript, acts: Vec<Act>) {
    for act in acts {
        match act {
            Act::Enter(event) => enter(transcript, visit, event),
            Act::Say(line) => enter(
                transcript,
                visit,
                TranscriptEvent::Received { line: line.into_bytes(), ending: LineEnding::CrLf },
            ),
            Act::Remark(finding) => visit.remarks.push(Remark { entry: transcript.entries.len() - 1, finding }),
            Act::Capture(mut message) => {
                message.entry = transcript.entries.len() - 1;
                visit.messages.push(Arc::new(message));
            }
            Act::Close => enter(transcript, visit, TranscriptEvent::Closed { by_server: true, reset: false }),
            Act::Pause(_) | Act::StartTls => {}
        }
    }
}

fn enter(transcript: &mut Transcript, visit: &Visit, event: TranscriptEvent) {
    let at = Duration::from_millis(transcript.entries.len() as u64);
    transcript.entries.push(TranscriptEntry { at, tls: visit.tls.is_some(), event });
}

fn session() -> TlsSession {
    TlsSession {
        version: "TLS 1.3".into(),
        cipher: "TLS_AES_256_GCM_SHA384".into(),
        group: Some("X25519".into()),
        alpn: None,
        sni: None,
        checked_name: String::new(),
        chain: Vec::new(),
        pkix: Ok(()),
        checked_at: OffsetDateTime::UNIX_EPOCH,
    }
}

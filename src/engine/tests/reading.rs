//! Reading a message that is large: told, and ended when nobody wants it any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::server::Server;
use super::settings;
use crate::engine::Engine;
use crate::job::{Envelope, Job, JobEvent, JobId, Progress, Task};

const HEAD: &str = "From: a@b.example\r\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=b.example; s=s; h=from; bh=YQ==; b=YQ==\r\nDKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=b.example; s=s; h=from; bh=YQ==; b=YQ==\r\n\r\n";

fn large() -> Arc<[u8]> {
    // Every line has something to even out, so that no shortcut makes it quick.
    let line = b"a  b \t c  d\te  f \r\n";
    [HEAD.as_bytes(), &line.repeat(90 * 1024 * 1024 / line.len())].concat().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reading_says_how_far_it_is_and_ends_when_it_is_cancelled() {
    let server = Server::plain(0).await;
    let engine = Engine::new(settings(&[&server], 1000)).unwrap();
    let raw = large();
    let (started, id) = (Instant::now(), JobId(1));
    let task = Task::Message { raw: raw.clone(), envelope: Envelope::default() };
    engine.start(id, Job { offline: true, ..Job::new(task) });
    engine.outbox().ready().await;
    let told = engine.outbox().drain();
    let [(_, JobEvent::Progress(progress))] = told.as_slice() else { panic!("{told:?}") };
    assert!(started.elapsed() >= Duration::from_millis(100), "a moment is not worth a word");
    assert!(progress.of > 0 && progress.done <= progress.of && !progress.doing.is_empty(), "{progress:?}");

    engine.cancel(id);
    // The thread that reads lets go of the bytes: it is not only unheard, it has ended.
    let patience = Instant::now();
    while Arc::strong_count(&raw) > 1 {
        assert!(patience.elapsed() < Duration::from_secs(20), "it still reads");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(engine.outbox().drain().is_empty());
}

#[test]
fn a_reading_that_is_told_to_stop_stops_wherever_it_is() {
    let raw: Arc<[u8]> = [HEAD.as_bytes(), &b"x\r\n".repeat(2_000_000)].concat().into();
    let mut told: Vec<Progress> = Vec::new();
    let count = std::cell::RefCell::new(&mut told);
    let watch = |reached: crate::message::Reached| {
        let crate::message::Reached { doing, done, of } = reached;
        count.borrow_mut().push(Progress { doing, done, of });
        true
    };
    crate::message::Message::parse_watched(raw.clone(), Envelope::default(), &watch).unwrap();
    assert!(told.iter().any(|one| one.doing == "hashing the body"), "{told:?}");
    for stop in 0..told.len() {
        let left = std::cell::Cell::new(stop);
        let watch = |_| left.replace(left.get().saturating_sub(1)) > 0;
        let stopped = crate::message::Message::parse_watched(raw.clone(), Envelope::default(), &watch);
        assert_eq!(stopped.map(|_| ()), Err(crate::message::NotMessage::Stopped), "{stop}");
    }
}

//! A job run to its end, as a test waits for it: one place for the loop over the outbox.

use std::sync::Arc;
use std::time::Duration;

use mxray::config::Settings;
use mxray::engine::Engine;
use mxray::job::{Job, JobEvent, JobId};
use mxray::report::Report;

/// Longer than any job takes, timeouts of dead servers included.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine with these settings, and the process's one provider of cryptography.
pub fn engine(settings: Settings) -> Engine {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Engine::new(settings).unwrap()
}

/// Starts `job` and waits for its report; `each` sees every other event on the way.
///
/// # Panics
/// When the job fails, or does not end in a minute.
pub async fn watch(engine: &Engine, job: Job, each: impl FnMut(JobEvent)) -> Arc<Report> {
    watch_as(engine, JobId(1), job, each).await
}

async fn watch_as(engine: &Engine, id: JobId, job: Job, mut each: impl FnMut(JobEvent)) -> Arc<Report> {
    engine.start(id, job);
    let report = async {
        loop {
            engine.outbox().ready().await;
            for (_, event) in engine.outbox().drain() {
                match event {
                    JobEvent::Finished(report, _) => return report,
                    JobEvent::Failed(why) => panic!("{why}"),
                    other => each(other),
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, report).await.expect("the job ends")
}

/// Starts `job` and waits for its report.
pub async fn finish(engine: &Engine, job: Job) -> Arc<Report> {
    watch(engine, job, |_| ()).await
}

/// The same under an id of its own: for several jobs of one engine.
pub async fn finish_as(engine: &Engine, id: JobId, job: Job) -> Arc<Report> {
    watch_as(engine, id, job, |_| ()).await
}

//! The one room that goes out of the house: it alone has a network, a clock and tasks. It answers queries (DNS, HTTPS,
//! SMTP dialogues), joins equal ones in flight, caches by TTL, limits, times out, cancels, and logs each.

pub mod casefile;
mod outbox;

use std::sync::Arc;

use crate::config::{Settings, Upstream};
use crate::job::{Job, JobId};

pub use outbox::Outbox;

/// Why the engine cannot work at all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No name server is configured and none was given.
    #[error("no name server: {0}; give one with --dns IP")]
    NoResolver(String),
    /// A certificate file that cannot be used.
    #[error("the certificates in --ca-file cannot be read: {0}")]
    BadRoots(String),
}

/// The lookup engine, shared by all panes. Cheap to clone; lives on the tokio runtime it was made on.
#[derive(Clone)]
pub struct Engine {
    outbox: Arc<Outbox>,
}

impl Engine {
    /// Makes an engine on the current tokio runtime. Nothing is sent and nothing slow is loaded before the first job.
    pub fn new(_settings: Settings) -> Result<Engine, EngineError> {
        Ok(Engine { outbox: Arc::default() })
    }

    /// Starts a job; what it tells arrives in the outbox under `id`. Returns at once.
    pub fn start(&self, _id: JobId, _job: Job) {}

    /// Stops a job: its unshared queries end at once, and nothing more arrives under `id`.
    pub fn cancel(&self, id: JobId) {
        self.outbox.forget(id);
    }

    /// Asks other name servers from now on (each set of servers has a cache of its own).
    pub fn switch(&self, _upstreams: Vec<Upstream>) {}

    /// Who is asked, for the screen: `system 192.0.2.53`, `127.0.0.1:5300`.
    pub fn upstream_label(&self) -> String {
        String::new()
    }

    /// Where jobs tell what they do.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }
}

//! The lookup log of one job: one line a question, who asked it, and which lines have changed since they were last told.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::check::{Answer, Query};
use crate::report::{Lookup, LookupId};

use super::desk::Reply;

/// The log.
pub(super) struct Ledger {
    start: Instant,
    lines: Vec<Lookup>,
    changed: BTreeSet<usize>,
}

impl Ledger {
    pub(super) fn new(start: Instant) -> Ledger {
        Ledger { start, lines: Vec::new(), changed: BTreeSet::new() }
    }

    /// Milliseconds since the job began.
    pub(super) fn now_ms(&self) -> f64 {
        tenths(self.start.elapsed().as_secs_f64() * 1000.0)
    }

    /// Opens a line.
    pub(super) fn open(&mut self, query: &Query) -> LookupId {
        let (kind, name, rr_type) = match query {
            Query::Dns { name, kind } | Query::At { name, kind, .. } | Query::Validated { name, kind } => {
                ("dns", name.to_string(), kind.to_string())
            }
            Query::Https { url, .. } => ("https", url.to_string(), "GET".to_owned()),
            Query::Smtp(dialogue) => ("smtp", dialogue.host.clone(), "SMTP".to_owned()),
        };
        let id = LookupId(u32::try_from(self.lines.len()).unwrap_or(u32::MAX));
        let line = Lookup {
            id,
            kind,
            name,
            rr_type,
            via: match query {
                Query::Smtp(dialogue) => format!("tcp {}", dialogue.address),
                Query::Dns { .. } | Query::At { .. } | Query::Validated { .. } | Query::Https { .. } => String::new(),
            },
            outcome: None,
            detail: None,
            start_ms: self.now_ms(),
            elapsed_ms: 0.0,
            cached: false,
            joined: false,
            ttl: None,
            dnssec: "unknown",
            asked_by: Vec::new(),
        };
        self.changed.insert(self.lines.len());
        self.lines.push(line);
        id
    }

    /// Changes a line.
    pub(super) fn change(&mut self, id: LookupId, change: impl FnOnce(&mut Lookup)) {
        let at = index(id);
        if let Some(line) = self.lines.get_mut(at) {
            change(line);
            self.changed.insert(at);
        }
    }

    /// Notes that a check asked or read this line.
    pub(super) fn asked_by(&mut self, id: LookupId, check: &'static str) {
        let at = index(id);
        if let Some(line) = self.lines.get_mut(at)
            && !line.asked_by.contains(&check)
        {
            line.asked_by.push(check);
            self.changed.insert(at);
        }
    }

    /// Closes a line with what came; `cached` and evidence take no time.
    pub(super) fn close(&mut self, id: LookupId, reply: &Reply, way: Way) {
        let now = self.now_ms();
        self.change(id, |line| {
            line.elapsed_ms = if way == Way::Asked { tenths((now - line.start_ms).max(0.0)) } else { 0.0 };
            line.cached = way == Way::Kept;
            if way == Way::Asked && (!reply.via.is_empty() || line.kind != "smtp") {
                line.via = reply.via.to_string();
            } else if way != Way::Asked {
                line.via = String::new();
            }
            line.detail = reply.detail.clone();
            match &*reply.answer {
                Answer::Dns(answer) => {
                    line.outcome = Some(answer.outcome.word());
                    line.ttl = answer.ttl;
                    line.dnssec = answer.dnssec.word();
                }
                Answer::Https(answer) => line.outcome = Some(answer.outcome.word()),
                Answer::Smtp(transcript) => line.outcome = Some(smtp_word(transcript)),
            }
        });
    }

    /// The lines that have changed since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<Lookup> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|at| self.lines.get(at).cloned()).collect()
    }

    /// The whole log. What was asked ahead and is still open when the verdicts stand is told as that: a look-up of a report
    /// has an outcome.
    pub(super) fn into_lines(mut self) -> Vec<Lookup> {
        let now = self.now_ms();
        for line in self.lines.iter_mut().filter(|line| line.outcome.is_none()) {
            line.outcome = Some("failed");
            line.detail = Some("not waited for: no verdict hung on it any more".to_owned());
            line.elapsed_ms = tenths((now - line.start_ms).max(0.0));
        }
        self.lines
    }
}

/// How an answer was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From outside.
    Asked,
    /// From the cache.
    Kept,
    /// From the job's evidence, or by a bound of ours.
    Given,
}

fn smtp_word(transcript: &crate::check::Transcript) -> &'static str {
    use crate::check::{ConnectFault, TranscriptEvent};
    let fault = transcript.entries.iter().find_map(|entry| match &entry.event {
        TranscriptEvent::NotConnected(fault, _) => Some(*fault),
        _ => None,
    });
    let spoke = transcript.entries.iter().any(|entry| matches!(entry.event, TranscriptEvent::Received { .. }));
    match fault {
        Some(ConnectFault::Refused) => "refused",
        Some(ConnectFault::TimedOut) => "timeout",
        Some(ConnectFault::Unreachable | ConnectFault::Other) => "failed",
        None if spoke => "answer",
        None => "failed",
    }
}

fn index(id: LookupId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

fn tenths(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

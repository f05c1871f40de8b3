//! What a listener tells as JSON: `listen_event` of `assets/schema.json`.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Counts;
use crate::check::{Captured, Remark, TranscriptEntry, TranscriptEvent, Visit};
use crate::finding::Severity;
use crate::smtp::lines;
use crate::smtp::listen::words;

pub(super) fn listening(address: SocketAddr, replies: &str, certificate: &str) -> Value {
    json!({
        "event": "listening",
        "at": at(OffsetDateTime::now_utc()),
        "mxray": env!("CARGO_PKG_VERSION"),
        "schema": 1,
        "address": address.to_string(),
        "loopback_only": address.ip().is_loopback(),
        "reply": replies,
        "certificate_sha256": certificate,
        "delivers": false,
    })
}

pub(super) fn turned_away(count: u64) -> Value {
    json!({ "event": "turned-away", "at": at(OffsetDateTime::now_utc()), "count": count })
}

pub(super) fn finding(visit: &Visit, remark: &Remark) -> Value {
    let mut event = json!({
        "event": "finding", "at": now_of(visit, remark.entry), "session": visit.number, "n": remark.entry,
    });
    merge(&mut event, serde_json::to_value(&remark.finding).unwrap_or_default());
    event
}

/// A message: its envelope, itself, and what became of it.
pub(super) fn message(visit: &Visit, message: &Captured, file: Option<&str>) -> [Value; 3] {
    let envelope = &message.envelope;
    let time = now_of(visit, message.entry);
    let about = |event: &str, more: Value| {
        let mut about = json!({ "event": event, "at": time, "session": visit.number, "message": message.number });
        merge(&mut about, more);
        about
    };
    let seen = json!({
        "client_ip": envelope.client.ip().to_canonical(),
        "helo": envelope.helo,
        "mail_from": envelope.mail_from,
        "rcpt_to": envelope.rcpt_to,
        "tls": envelope.tls.as_deref(),
    });
    let digest = ring::digest::digest(&ring::digest::SHA256, &message.raw);
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = json!({ "bytes": message.raw.len(), "sha256": digest, "file": file });
    let code: Option<u16> = message.reply.get(..3).and_then(|code| code.parse().ok());
    let verdict = json!({ "accepted": message.accepted, "code": code, "reply": message.reply });
    [about("envelope", seen), about("message", kept), about("verdict", verdict)]
}

pub(super) fn ended(reason: &str, counts: &Counts, worst: Severity) -> Value {
    json!({
        "event": "ended",
        "at": at(OffsetDateTime::now_utc()),
        "reason": reason,
        "sessions": counts.sessions,
        "messages": counts.messages,
        "turned_away": counts.turned_away,
        "worst": worst,
    })
}

/// An entry of a transcript as an event.
pub(super) fn line(visit: &Visit, number: usize, entry: &TranscriptEntry, explain: &str) -> Value {
    let kind = match &entry.event {
        TranscriptEvent::Connected { .. } => "connected",
        TranscriptEvent::TlsStarted(_) => "tls",
        TranscriptEvent::TlsFailed(..) => "tls-failed",
        TranscriptEvent::Closed { .. } => "closed",
        _ => "line",
    };
    let mut event = json!({ "event": kind, "at": now_of(visit, number), "session": visit.number, "n": number, "at_ms": lines::millis(entry.at) });
    let more = match &entry.event {
        TranscriptEvent::Connected { peer, .. } => {
            json!({ "client": visit.client.to_string(), "to": peer.map(|here| here.to_string()) })
        }
        TranscriptEvent::TlsStarted(tls) => {
            json!({ "version": tls.version, "cipher": tls.cipher, "group": tls.group, "sni": tls.sni })
        }
        TranscriptEvent::TlsFailed(_, why) => json!({ "reason": why }),
        TranscriptEvent::Closed { by_server, reset } => json!({
            "by": if *by_server { "server" } else { "client" },
            "reset": reset,
            "messages": visit.messages.len(),
            "worst": visit.worst(),
        }),
        _ => {
            let (who, text) = words::line_of(entry);
            json!({ "from": lines::from(who), "tls": entry.tls, "text": text, "explain": explain })
        }
    };
    merge(&mut event, more);
    event
}

fn merge(event: &mut Value, more: Value) {
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
}

fn now_of(visit: &Visit, entry: usize) -> String {
    let since = visit.transcript.entries.get(entry).map_or(Duration::ZERO, |entry| entry.at);
    at(visit.begun + since)
}

fn at(time: OffsetDateTime) -> String {
    time.replace_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000)
        .unwrap_or(time)
        .format(&Rfc3339)
        .unwrap_or_default()
}

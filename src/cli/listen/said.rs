//! What a listener tells a person (`--format text`). The lines of a session are those that the screen copies, so what is kept
//! of them can be read again.

use std::net::SocketAddr;

use super::Counts;
use crate::check::Captured;
use crate::finding::{Finding, Severity};
use crate::untrusted::visible;

pub(super) fn listening(address: SocketAddr, replies: &str) -> String {
    format!("listening on {address}, answering: {replies}; nothing is delivered or relayed (Ctrl-C ends it)\n")
}

pub(super) fn turned_away(count: u64) -> String {
    format!("{} turned away: too many at once\n", counted(count, "client"))
}

/// A remark on a line that stands further up.
pub(super) fn finding(finding: &Finding) -> String {
    let fix = finding.fix.as_deref().map(|fix| format!(" {fix}")).unwrap_or_default();
    format!("        | !   | {}: {}\n", finding.severity.word(), visible(&format!("{}{fix}", finding.text)))
}

pub(super) fn message(message: &Captured, file: Option<&str>) -> String {
    let to: Vec<String> = message.envelope.rcpt_to.iter().map(|one| format!("<{one}>")).collect();
    let kept = file.map(|file| format!("; saved as {file}")).unwrap_or_default();
    let words = format!(
        "message {}: {} bytes from <{}> to {}, answered {}{kept}",
        message.number,
        message.raw.len(),
        message.envelope.mail_from,
        to.join(", "),
        message.reply.get(..3).unwrap_or_default(),
    );
    format!("        | =   | {}\n", visible(&words))
}

pub(super) fn ended(reason: &str, counts: &Counts, worst: Severity) -> String {
    let why = match reason {
        "messages" => "as many messages came as were wanted",
        _ => "by a signal",
    };
    let turned_away = match counts.turned_away {
        0 => String::new(),
        count => format!(", {} turned away", counted(count, "client")),
    };
    format!(
        "ended, {why}: {}, {}{turned_away}; worst: {}\n",
        counted(counts.sessions, "session"),
        counted(counts.messages, "message"),
        worst.word()
    )
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

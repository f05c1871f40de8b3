//! Why a claim and our own result differ: a key that was withdrawn since, a message that was changed since, a header that
//! the sender wrote.

use crate::finding::{Finding, Severity};
use crate::message::claimed::{Claim, Kind, who};

/// What a disagreement is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disagreement {
    /// A pass that nobody who counts has claimed.
    Forged,
    /// A pass that either the border wrote or the sender.
    Unsure,
    /// Somebody who counts saw a pass, and the key is no longer there.
    KeyGone,
    /// Somebody who counts saw a pass, and the message is another now.
    ChangedSince,
    /// A pass by somebody who counts that we do not find; records change.
    RecordsChanged,
    /// What an earlier handler saw before the message was changed.
    Earlier,
    /// We find a pass where they found none.
    Better,
    /// Neither is a pass.
    OtherWord,
}

/// What the disagreement of a claim is.
pub(super) fn explain(claim: &Claim<'_>) -> Disagreement {
    let ours = claim.ours.as_ref().map_or("", |ours| ours.word.as_str());
    let reason = claim.ours.as_ref().map_or("", |ours| ours.reason.as_str());
    let claims_pass = claim.said.result == "pass";
    match (claims_pass, ours == "pass") {
        (true, false) if matches!(claim.field.kind, Kind::Arc(_)) => Disagreement::Earlier,
        // Lists leave their own results in; a forger can write such a hop too, so it counts for nothing either way.
        (true, false) if claim.field.earlier && !claim.field.trusted => Disagreement::Earlier,
        (true, false) if claim.field.unsure => Disagreement::Unsure,
        (true, false) if !claim.field.trusted => Disagreement::Forged,
        (true, false) if claim.said.method == "dkim" && ours == "permerror" && reason.contains("key") => {
            Disagreement::KeyGone
        }
        (true, false) if matches!(claim.said.method.as_str(), "dkim" | "arc") => Disagreement::ChangedSince,
        (true, false) => Disagreement::RecordsChanged,
        (false, true) => Disagreement::Better,
        (true, true) | (false, false) => Disagreement::OtherWord,
    }
}

impl Disagreement {
    pub(super) fn severity(self) -> Severity {
        match self {
            Disagreement::Forged => Severity::Error,
            Disagreement::Unsure
            | Disagreement::KeyGone
            | Disagreement::ChangedSince
            | Disagreement::RecordsChanged => Severity::Warning,
            Disagreement::Earlier | Disagreement::Better | Disagreement::OtherWord => Severity::Info,
        }
    }

    /// The word for scripts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Disagreement::Forged => "forged",
            Disagreement::Unsure => "unsure",
            Disagreement::KeyGone => "key-gone",
            Disagreement::ChangedSince => "changed-since",
            Disagreement::RecordsChanged => "records-changed",
            Disagreement::Earlier => "earlier",
            Disagreement::Better => "better-here",
            Disagreement::OtherWord => "other-word",
        }
    }

    /// The finding about it.
    pub(super) fn finding(self, claim: &Claim<'_>) -> Finding {
        let (who, method, said) = (who(claim.field), &claim.said.method, &claim.said.result);
        let (ours, reason) = claim.ours.as_ref().map_or(("", ""), |ours| (ours.word.as_str(), ours.reason.as_str()));
        let of = claim.domain.as_ref().map(|domain| format!(" of {domain}")).unwrap_or_default();
        let because = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let start = format!("{who} claims {method}={said}{of}, and here it is {ours}{because}.");
        let (id, rest, fix) = match self {
            Disagreement::Forged => (
                "claimed.forged",
                format!("It does not count: {}. A sender who writes such a field wants somebody to believe it.", claim.field.why),
                "Believe what was recomputed. A border server should remove such fields (RFC 8601 §5).",
            ),
            Disagreement::Unsure => (
                "claimed.unsure",
                format!("Nobody can say whether it counts: {}. So either the message, or a record, changed since, or the field is forged.", claim.field.why),
                "Ask whoever runs the border whether it removes such fields from outside (RFC 8601 §5). Mind that Outlook and Exchange rewrite stored bodies, which breaks signatures that held on arrival.",
            ),
            Disagreement::KeyGone => (
                "claimed.key-gone",
                "It counts, so the signature probably passed on arrival and the key was withdrawn or replaced since.".into(),
                "For old mail, believe the border's word: keys rotate.",
            ),
            Disagreement::ChangedSince => (
                "claimed.changed-since",
                "It counts, so the message probably was changed after the border saw it: by a gateway, a mailbox, a forward, or by copying it here.".into(),
                "Get the source as the mailbox stores it. Outlook and Exchange rewrite stored bodies; there the border's word is the better witness.",
            ),
            Disagreement::RecordsChanged => (
                "claimed.records-changed",
                "It counts, so records probably have changed since, or the server knew an envelope that this header does not show.".into(),
                "Give the envelope by hand (e) if you know it, or move the border (b).",
            ),
            Disagreement::Earlier => (
                "claimed.earlier-handler",
                "An earlier handler says so, of the message before it was changed; nothing but an ARC seal shows that it is that handler's word.".into(),
                "Look at ARC: who sealed it, and whether the chain holds.",
            ),
            Disagreement::Better => (
                "claimed.better-here",
                "Records may have been repaired since, or a lookup failed there.".into(),
                "",
            ),
            Disagreement::OtherWord => (
                "claimed.other-word",
                "Neither is a pass; the words differ because records, or readings of the rules, do.".into(),
                "",
            ),
        };
        let finding = Finding::new(id, self.severity(), format!("{start} {rest}")).with_reference("RFC 8601 §5, §7.1");
        if fix.is_empty() { finding } else { finding.with_fix(fix) }
    }
}

//! Which of the claims could not have been written by the sender (RFC 8601 §5, §7.1).
//!
//! A field counts when it stands above the border's Received and names a server of the border's house; of those the topmost
//! run of one name. Right below the border's Received is the place where Google and many milters write theirs. Google
//! always writes one there, so the first that names it is Google's. Of others nobody knows whether they do, so such a field
//! is neither trusted nor called forged; nor is one above the border that names no server or another one.

use super::{Field, Kind};
use crate::message::Message;
use crate::message::envelope::{Border, same_organisation};

/// What servers write together with their results, below their own Received.
const BESIDE: &[&str] = &[
    "authentication-results",
    "received-spf",
    "arc-seal",
    "arc-message-signature",
    "arc-authentication-results",
    "dkim-filter",
    "dmarc-filter",
    "arc-filter",
];

/// Says of each field whether it counts.
pub(super) fn judge(message: &Message, fields: &mut [Field]) {
    let Some(border) = message.border() else {
        let why = match message.envelope().heard {
            Some(_) => "mxray's listener took the message itself, so every field in it is the sender's word",
            None => "no Received field says who took the message, so nobody here is known",
        };
        for field in fields {
            field.why = why.into();
        }
        return;
    };
    let house: Vec<&str> = message
        .hops()
        .iter()
        .take(border.hop)
        .filter_map(|(_, hop)| hop.by.as_deref())
        .filter(|by| by.contains('.'))
        .collect();
    let before: Vec<&str> = message.hops().iter().skip(border.hop).filter_map(|(_, hop)| hop.by.as_deref()).collect();
    let is_microsoft = house.iter().any(|by| is_one_house("outlook.com", by));
    let mut run: Option<String> = None;
    let mut ended = false;
    for field in fields.iter_mut() {
        let id = field.read.authserv_id.as_deref();
        let is_author = |id: &str| message.author().domains().iter().any(|author| is_one_house(id, author.as_str()));
        field.earlier = id.is_some_and(|id| before.iter().any(|by| is_one_house(id, by)) && !is_author(id));
        let at_home = id.is_some_and(|id| house.iter().any(|by| is_one_house(id, by)));
        let above = field.place < border.field;
        let is_own_kind = matches!(field.kind, Kind::Results | Kind::ReceivedSpf);
        (field.trusted, field.why) = match (id, above, at_home) {
            (_, true, _) if !is_own_kind => match field.kind {
                Kind::Arc(instance) => {
                    (false, format!("sealed by ARC instance {instance}; it counts if you trust that sealer"))
                }
                Kind::Renamed | Kind::Results | Kind::ReceivedSpf => (false, "a copy under another name".into()),
            },
            (None, true, _) if is_microsoft => (
                false,
                "it stands above the border, where no sender writes, but names no server, as Microsoft's results do"
                    .into(),
            ),
            (None, true, _) => (false, "it names no server, so nobody can be trusted for it".into()),
            (Some(id), true, true) => {
                let is_run = field.kind != Kind::Results || run.as_deref().is_none_or(|run| run == id);
                if is_run && !ended {
                    if field.kind == Kind::Results {
                        run = Some(id.to_owned());
                    }
                    (true, format!("it stands above the border, and {id} is of its house"))
                } else {
                    ended = true;
                    (false, "another server's results stand above it".into())
                }
            }
            (Some(id), true, false) => (false, format!("it stands above the border, but {id} is not of its house")),
            (Some(id), false, true) => (
                false,
                format!(
                    "it stands below the border, where the sender writes, and names {id}, which is of the border's house"
                ),
            ),
            (_, false, _) => (false, "it stands below the border, where the sender writes".into()),
        };
        // Above the border writes the receiving side, so that a wrong word there is no sender's forgery.
        field.unsure = above && is_own_kind && !field.trusted;
    }
    beside(message, border, fields);
}

/// The fields right below the border's Received that name the border itself.
fn beside(message: &Message, border: &Border, fields: &mut [Field]) {
    let Some(by) = message.hops().get(border.hop - 1).and_then(|(_, hop)| hop.by.as_deref()) else { return };
    // What the border wrote above its Received leaves nothing for it to say below.
    if fields.iter().any(|field| field.trusted && field.kind == Kind::Results) {
        return;
    }
    let end = message
        .fields()
        .skip(border.field + 1)
        .find(|field| !BESIDE.iter().any(|name| field.is(name)))
        .map_or(usize::MAX, |field| field.index);
    let is_google = is_one_house("google.com", by);
    let mut seen = Vec::new();
    for field in fields.iter_mut().filter(|field| (border.field..end).contains(&field.place)) {
        let Some(id) = field.read.authserv_id.as_deref() else { continue };
        let is_own_kind = matches!(field.kind, Kind::Results | Kind::ReceivedSpf);
        if !is_own_kind || !is_one_house(id, by) {
            continue;
        }
        let is_first = !seen.contains(&field.kind);
        seen.push(field.kind);
        if is_google && is_first {
            field.trusted = true;
            field.why = "Google writes its results right below its own Received, and this is the first there".into();
        } else if is_google {
            field.why = "it stands below the border's own results, where the sender writes".into();
        } else {
            field.unsure = true;
            field.why = format!(
                "it stands right below the border's Received and names {id}: many servers write there, and a sender can too if the server lets such fields in"
            );
        }
    }
}

/// `mx.google.com` and `google.com` are one house.
fn is_one_house(id: &str, by: &str) -> bool {
    same_organisation(id.rsplit('@').next().unwrap_or(id), by)
}

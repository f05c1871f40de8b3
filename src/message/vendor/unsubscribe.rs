//! `List-Unsubscribe` and one click (RFC 2369, RFC 8058): what Gmail, Yahoo and Outlook.com demand of bulk mail since 2024.

use serde_json::json;

use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::dkim::Cover;
use crate::report::{Block, Cell, Fact, Section};

/// How many URIs are read.
const MAX_URIS: usize = 10;

/// Tells how one can leave the list.
pub(super) fn tell(message: &Message, section: &mut Section) {
    let Some(field) = message.named("list-unsubscribe").next() else { return };
    let text = super::value(&field);
    let uris: Vec<String> = text
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .map(|uri| uri.trim().to_owned())
        .take(MAX_URIS)
        .collect();
    let has = |scheme: &str| uris.iter().any(|uri| uri.to_ascii_lowercase().starts_with(scheme));
    let post = message.named("list-unsubscribe-post").next();
    let says_post = post
        .as_ref()
        .is_some_and(|field| field.unfolded().replace(' ', "").eq_ignore_ascii_case("List-Unsubscribe=One-Click"));
    // RFC 8058 §4: both fields must be covered by a signature.
    let signed = message.signatures().iter().any(|signature| {
        let cover = Cover::of(message, signature);
        cover.covers(field.index) && post.as_ref().is_some_and(|post| cover.covers(post.index))
    });
    let one_click = has("https:") && says_post;
    section.fact("list_unsubscribe", json!({"uris": uris, "one_click": one_click, "signed": signed}));
    let state = match (one_click, signed) {
        (true, true) => Cell::from("yes: HTTPS, List-Unsubscribe-Post, and a signature names both fields"),
        (true, false) => Cell::from("no: no signature covers both fields").judged(Severity::Info),
        (false, _) if has("https:") => Cell::from("no: List-Unsubscribe-Post is missing or says something else"),
        (false, _) => Cell::from("no: there is no HTTPS address"),
    };
    let mut facts = vec![Fact::new("one-click unsubscribe", state)];
    facts.extend(uris.iter().map(|uri| Fact::new("  at (never called)", uri.clone())));
    section.blocks.push(Block::Facts(facts));
    if section.headline.is_empty() {
        section.headline = "list".into();
    }
    if one_click && !signed {
        section.findings.push(
            Finding::info(
                "vendor.one-click-unsigned",
                "One-click unsubscription is offered, and no signature covers both of its fields, so receivers must not offer it.",
            )
            .with_reference("RFC 8058 §4")
            .with_span(field.field.value),
        );
    } else if !one_click && post.is_some() {
        section.findings.push(
            Finding::info(
                "vendor.one-click-broken",
                "List-Unsubscribe-Post is there, but one click does not work: it needs an HTTPS address and the value \"List-Unsubscribe=One-Click\".",
            )
            .with_reference("RFC 8058 §3.1")
            .with_span(field.field.value),
        );
    }
    if has("http:") && !has("https:") {
        section.findings.push(
            Finding::info(
                "vendor.unsubscribe-http",
                "The address to unsubscribe at is http, which anybody on the way can read.",
            )
            .with_span(field.field.value),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::Envelope;

    fn told(header: &str) -> Section {
        let text = format!("{header}From: x@b.example\r\n\r\nbody\r\n");
        let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
        let mut section = Section::new("vendor", "Filters");
        tell(&message, &mut section);
        section
    }

    #[test]
    fn one_click_needs_https_the_post_field_and_a_signature_over_both() {
        let signature = "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=k; h=from:list-unsubscribe:list-unsubscribe-post; bh=YQ==; b=Yg==\r\n";
        let post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
        let https = "List-Unsubscribe: <mailto:l@b.example>, <https://b.example/u>\r\n";
        let http = "List-Unsubscribe: <http://b.example/u>\r\n";
        for (header, one_click, signed, findings) in [
            (format!("{signature}{https}{post}"), true, true, vec![]),
            (format!("{https}{post}"), true, false, vec!["vendor.one-click-unsigned"]),
            (format!("{signature}{https}"), false, false, vec![]),
            (format!("{http}{post}"), false, false, vec!["vendor.one-click-broken", "vendor.unsubscribe-http"]),
        ] {
            let section = told(&header);
            let fact = &section.facts["list_unsubscribe"];
            assert_eq!(
                (fact["one_click"].as_bool(), fact["signed"].as_bool()),
                (Some(one_click), Some(signed)),
                "{header}"
            );
            assert_eq!(section.findings.iter().map(|finding| finding.id).collect::<Vec<_>>(), findings, "{header}");
        }
        assert!(told("").blocks.is_empty());
    }
}

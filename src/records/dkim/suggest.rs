//! What would be better than a key that is there. A new public key only its owner has, so it is asked for; a key that is
//! delegated is its operator's to change, so nothing is suggested.

use time::OffsetDateTime;

use super::probe::FoundKey;
use super::{GOOD_RSA_BITS, KeyProblemKind, PublicKey};
use crate::finding::{Blank, Span, Suggestion};
use crate::records::{Domain, TagList};
use crate::report::Section;

/// Adds what would be better than this key; `all` are the keys found, whose selectors are taken.
pub(super) fn key(domain: &Domain, found: &FoundKey, now: OffsetDateTime, all: &[FoundKey], section: &mut Section) {
    if found.delegated_to().is_some() || found.selector == "*" || found.beside > 1 {
        return;
    }
    let usable = found.key.is_usable(&found.problems);
    match found.key.public {
        PublicKey::Rsa { bits, .. } if bits < GOOD_RSA_BITS && usable => {
            section.suggestions.extend(rotate(domain, found, now, all));
            return;
        }
        _ => {}
    }
    if found.problems.iter().any(|problem| problem.kind == KeyProblemKind::Quotes) {
        let mut suggestion = proposal(domain, found, found.key.text.replace('"', ""));
        suggestion.why = "the quotation marks are not part of the key".into();
        suggestion.risk = "none: the key stays the same".into();
        section.suggestions.push(suggestion);
    } else if found.key.testing
        && usable
        && let Some(value) = without_testing(&found.key.text)
    {
        let mut suggestion = proposal(domain, found, value);
        suggestion.why = "the testing flag keeps receivers from trusting your signature".into();
        suggestion.risk = "mail whose signature fails is judged as such; look at DMARC reports first".into();
        section.suggestions.push(suggestion);
    }
}

fn proposal(domain: &Domain, found: &FoundKey, value: String) -> Suggestion {
    let mut suggestion = Suggestion::txt(&found.name, &domain.zone(), value);
    suggestion.current = Some(found.key.text.clone());
    suggestion.undo = "publish the old value again".into();
    suggestion.with_ttl(found.record.ttl)
}

/// A new key under a new selector, then the withdrawal of the old one.
fn rotate(domain: &Domain, found: &FoundKey, now: OffsetDateTime, all: &[FoundKey]) -> Vec<Suggestion> {
    let base = format!("s{}{:02}", now.year(), u8::from(now.month()));
    let selector = ["", "b", "c", "d"]
        .iter()
        .map(|suffix| format!("{base}{suffix}"))
        .find(|selector| all.iter().all(|found| found.selector != *selector))
        .unwrap_or(base);
    let Some(name) = super::selectors::at(domain, &selector) else { return Vec::new() };
    let mut new = Suggestion::txt(&name, &domain.zone(), "v=DKIM1; k=rsa; p={public_key}");
    new.why = format!("2048 bits in place of {}", found.key.bits().unwrap_or_default());
    new.risk = format!(
        "none by itself: mail is signed by {} until the signer is told to use {selector}; do that when the record is seen \
         everywhere",
        found.selector
    );
    new.undo = format!("let the signer use {} again, and remove {selector}", found.selector);
    new.blanks = vec![Blank {
        key: "public_key",
        prompt: format!(
            "The public key of a new 2048-bit pair, in base64 (openssl genrsa -out {selector}.pem 2048; openssl rsa -in \
             {selector}.pem -pubout). The private half stays with the signer"
        ),
    }];
    let mut old = proposal(domain, found, "v=DKIM1; p=".to_owned());
    old.step = 2;
    old.why = format!("withdraws the short key, so that nobody who breaks it can sign as {}", domain.name);
    old.risk = "mail signed by it and still under way fails: wait a week after the signer has changed".into();
    vec![new, old]
}

/// The record without the `y` of its `t=`, every other byte as it stands.
fn without_testing(text: &str) -> Option<String> {
    let list = TagList::parse(text);
    let tag = list.get("t")?;
    let kept: Vec<&str> = tag
        .value
        .split(':')
        .map(str::trim)
        .filter(|flag| !flag.eq_ignore_ascii_case("y") && !flag.is_empty())
        .collect();
    if !kept.is_empty() {
        let (before, after) = around(text, tag.value_span)?;
        return Some(format!("{before}{}{after}", kept.join(":")));
    }
    let (before, after) = around(text, tag.span())?;
    let after = after.trim_start().strip_prefix(';').unwrap_or(after).trim_start();
    let before = before.trim_end();
    Some(if after.is_empty() { before.to_owned() } else { format!("{before} {after}") })
}

fn around(text: &str, span: Span) -> Option<(&str, &str)> {
    Some((text.get(..span.start)?, text.get(span.end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_testing_flag_goes() {
        for (text, without) in [
            ("v=DKIM1; t=y; p=abc", "v=DKIM1; p=abc"),
            ("v=DKIM1; p=abc; t=y", "v=DKIM1; p=abc;"),
            ("v=DKIM1;t=y:s;p=abc", "v=DKIM1;t=s;p=abc"),
            ("v=DKIM1; t = s : Y ; p=abc", "v=DKIM1; t = s ; p=abc"),
        ] {
            assert_eq!(without_testing(text).as_deref(), Some(without), "{text}");
        }
        assert_eq!(without_testing("v=DKIM1; p=abc"), None);
    }
}

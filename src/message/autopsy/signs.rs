//! What a message shows of changes that cannot be proved: the original is not in it any more, so no hash will match.

use super::parts::Parts;
use crate::message::Message;

/// How much of a text's beginning and end is read for words.
const MAX_READ: usize = 4096;
/// Words of banners about mail from outside, in lower case.
const BANNERS: &[&str] = &[
    "[external]",
    "external email",
    "external sender",
    "caution:",
    "originated from outside",
    "outside of the organization",
    "outside your organization",
    "outside of your organization",
    "you don't often get email from",
    "zjqcmqryfpfptbanner",
    "externe e-mail",
    "externe nachricht",
];
/// Words of footers, in lower case.
const FOOTERS: &[&str] = &[
    "mailing list",
    "to unsubscribe",
    "you received this message because you are subscribed",
    "this email and any files transmitted",
    "this e-mail is confidential",
    "virus-free",
    "scanned by",
];

/// Each sign as a clause.
pub(super) fn signs(message: &Message, parts: &Parts) -> Vec<String> {
    let mut found = Vec::new();
    for (who, count) in parts.rewriters() {
        let links = if count == 1 { "a link was".to_owned() } else { format!("{count} links were") };
        found.push(format!("{links} rewritten by {who}"));
    }
    let lower = |text: &[u8]| String::from_utf8_lossy(text).to_lowercase();
    let begins = |text: &[u8]| lower(text.get(..MAX_READ).unwrap_or(text));
    let ends = |text: &[u8]| lower(text.get(text.len().saturating_sub(MAX_READ)..).unwrap_or(text));
    if parts.texts().any(|text| BANNERS.iter().any(|word| begins(text).contains(word))) {
        found.push("a banner about mail from outside stands in the text".into());
    }
    if parts.texts().any(|text| FOOTERS.iter().any(|word| ends(text).contains(word))) {
        found.push("a footer such as lists and filters add stands at the end".into());
    }
    let is_outlook = |name: &str| name.to_ascii_lowercase().ends_with("outlook.com");
    if message.hops().iter().any(|(_, hop)| hop.by.as_deref().is_some_and(is_outlook)) {
        found.push("it went through Microsoft's servers, which encode stored bodies anew".into());
    }
    if message.is_lossy() {
        found.push("the paste had to be repaired".into());
    }
    found
}

//! What about the identities deceives a reader: look-alikes, addresses where a name should stand, hidden characters,
//! scripts that no language mixes.

use serde::Serialize;

use crate::finding::{Finding, Severity, Span};
use crate::message::address::{Addresses, Mailbox};
use crate::message::identities::alike::{self, Likeness, WELL_KNOWN};
use crate::message::identities::{Identity, Role};
use crate::message::words::decoded;
use crate::message::{FieldRef, Message};
use crate::name::Name;
use crate::report::Mark;
use crate::untrusted::is_hidden;

/// How many recipients' domains are compared: a forger's list can be long.
const MAX_RECIPIENTS: usize = 20;

/// One likeness, for scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Alike {
    /// The name that imitates.
    pub domain: String,
    /// What it looks like.
    pub of: String,
    /// By what.
    pub trick: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub alike: Vec<Alike>,
    pub findings: Vec<Finding>,
    /// Spans in the message's text.
    pub marks: Vec<Mark>,
}

/// Looks for every trick.
pub(super) fn find(message: &Message, identities: &[Identity]) -> Found {
    let mut found = Found::default();
    for name in ["from", "sender", "reply-to"] {
        for field in message.named(name).take(3) {
            found.field(message, name, &field);
        }
    }
    found.likenesses(message, identities);
    found.scripts(identities);
    found
}

impl Found {
    fn push(&mut self, finding: Finding, span: Option<Span>, note: &str) {
        if let Some(span) = span {
            self.marks.push(Mark { span, note: note.to_owned(), severity: finding.severity });
        }
        self.findings.push(match span {
            Some(span) => finding.with_span(span),
            None => finding,
        });
    }

    fn field(&mut self, message: &Message, name: &str, field: &FieldRef<'_>) {
        let title = match name {
            "from" => "From",
            "sender" => "Sender",
            _ => "Reply-To",
        };
        let text = field.unfolded();
        let read = Addresses::parse(&text);
        if read.has_two_angles {
            self.push(
                Finding::error(
                    "identities.two-addresses-in-one",
                    format!("{title} has two addresses in angle brackets for one name. Programs disagree on which one counts: one may be checked and the other shown."),
                )
                .with_reference("RFC 5322 §3.4"),
                Some(field.field.value),
                "two addresses in one",
            );
        }
        for mailbox in read.mailboxes.iter().take(super::MAX_SHOWN) {
            self.mailbox(message, title, field, mailbox);
        }
        if decoded(&text).chars().any(is_hidden) {
            self.push(
                Finding::error(
                    "identities.hidden-characters",
                    format!("{title} holds characters that hide or reorder text. A reader does not see what stands there; honest mail has no use for them."),
                ),
                Some(field.field.value),
                "hides or reorders text",
            );
        }
    }

    /// Addresses where something else should stand: in the display name, in a comment, inside a quoted local part.
    fn mailbox(&mut self, message: &Message, title: &str, field: &FieldRef<'_>, mailbox: &Mailbox) {
        let Some(real) = &mailbox.domain else { return };
        let local = mailbox.address.rsplit_once('@').map_or("", |(local, _)| local);
        if local.starts_with('"') && local.contains('@') {
            self.push(
                Finding::error(
                    "identities.address-in-local-part",
                    format!("{title} has an address inside the quoted part before the @. The mail is {real}'s; the quoted address is there to be read instead."),
                )
                .with_reference("RFC 5322 §3.4.1"),
                Some(field.field.value),
                "an address before the real @",
            );
        }
        let display = decoded(&mailbox.display);
        let in_words = named_domains(&display).into_iter().map(|named| (named, "name"));
        let in_comments = mailbox.comments.iter().flat_map(|text| named_domains(text)).map(|named| (named, "comment"));
        for (named, place) in in_words.chain(in_comments) {
            let is_same = named.domain.is_at_or_below(real) || real.is_at_or_below(&named.domain);
            if is_same && (!named.is_address || named.text.eq_ignore_ascii_case(&mailbox.address)) {
                continue;
            }
            // Lists that rewrite From put the author's address into the name, and say so.
            let is_list = display.to_lowercase().contains(" via ") || message.named("list-id").next().is_some();
            let severity = match (is_same, is_list, named.is_address) {
                (true, ..) | (_, true, _) => Severity::Info,
                (false, false, true) => Severity::Error,
                (false, false, false) => Severity::Warning,
            };
            let text = format!(
                "{title}'s {place} says \"{}\", and the mail is {real}'s. Many programs show only the name, so a reader takes it for the sender.",
                named.text
            );
            let id = if named.is_address { "identities.address-in-name" } else { "identities.domain-in-name" };
            self.push(Finding::new(id, severity, text), find_span(field, &named.text), "not who sent it");
        }
    }

    fn likenesses(&mut self, message: &Message, identities: &[Identity]) {
        let recipients = recipients(message);
        let known: Vec<Name> = WELL_KNOWN.iter().filter_map(|name| Name::from_text(name).ok()).collect();
        let own: Vec<&Name> =
            identities.iter().filter(|one| one.role == Role::From).filter_map(|one| one.domain.as_ref()).collect();
        for (at, one) in identities.iter().enumerate() {
            let Some(suspect) = &one.domain else { continue };
            if one.role == Role::MessageId || self.alike.iter().any(|alike| alike.domain == suspect.as_str()) {
                continue;
            }
            let others = identities.iter().enumerate().filter(|(other, _)| *other != at).filter_map(|(_, one)| {
                // The name imitates From's, or From's imitates a name that the message shows elsewhere.
                (one.role != Role::MessageId).then_some(one.domain.as_ref()).flatten()
            });
            let models = own.iter().copied().chain(others).chain(&recipients).chain(&known);
            let hit =
                models.filter_map(|model| Some((model, alike::likeness(suspect, model)?))).min_by_key(|(_, how)| {
                    match how {
                        Likeness::Letters(_) => 0,
                        Likeness::InFront => 1,
                        Likeness::OneOff => 2,
                    }
                });
            if let Some((model, how)) = hit {
                self.likeness(message, one, suspect, model.as_str(), &how);
            } else if let Some((words, letters)) = alike::pictures_words(suspect, &one.display) {
                self.likeness(message, one, suspect, &words, &Likeness::Letters(letters));
            }
        }
    }

    fn likeness(&mut self, message: &Message, one: &Identity, suspect: &Name, model: &str, how: &Likeness) {
        let shown = super::unicode(suspect).unwrap_or_else(|| suspect.to_string());
        let begins = one.role.begins();
        let (severity, trick, text) = match how {
            Likeness::Letters(letters) => (
                Severity::Error,
                letters.clone(),
                format!("{begins} {shown} ({letters}). It looks like \"{model}\" and is another name."),
            ),
            Likeness::InFront => (
                Severity::Error,
                format!("{model} stands in front"),
                format!("{begins} {shown}: it only begins with {model}; who owns it is told by its end."),
            ),
            Likeness::OneOff => {
                (Severity::Warning, "one letter off".to_owned(), format!("{begins} {shown}, one letter off {model}."))
            }
        };
        let text =
            format!("{text} Whoever owns it can authenticate its mail, and still is not who a reader may think.");
        let finding = Finding::new("identities.look-alike", severity, text)
            .with_fix("Compare it letter by letter with the address that you know, and use that one.");
        self.alike.push(Alike { domain: suspect.to_string(), of: model.to_owned(), trick });
        let field = match one.role {
            Role::From => message.named("from").next(),
            Role::Sender => message.named("sender").next(),
            Role::ReplyTo => message.named("reply-to").next(),
            Role::MailFrom => message.named("return-path").next(),
            Role::Dkim(_) | Role::Agent(_) | Role::MessageId => None,
        };
        let span = field.and_then(|field| find_span(&field, suspect.as_str()).or(Some(field.field.value)));
        self.push(finding, span, "looks like another name");
    }

    fn scripts(&mut self, identities: &[Identity]) {
        let mut told: Vec<&Name> = Vec::new();
        for one in identities.iter().filter(|one| one.role != Role::MessageId) {
            let Some(name) = one.domain.as_ref().filter(|name| !told.contains(name)) else { continue };
            let Some(shown) = super::unicode(name) else { continue };
            told.push(name);
            let (begins, is_alike) = (one.role.begins(), self.alike.iter().any(|alike| alike.domain == name.as_str()));
            let mixed = shown.split('.').find_map(|label| Some((label, alike::mixed_scripts(label)?)));
            let picture = shown.split('.').find_map(alike::pictured);
            let finding = match (mixed, picture) {
                (Some((label, (first, second))), _) => Finding::error(
                    "identities.mixed-scripts",
                    format!(
                        "{begins} {shown} ({name}): \"{label}\" mixes {} and {} letters. No language writes so; it is done to look like another name.",
                        first.name(),
                        second.name()
                    ),
                ),
                (None, Some(picture)) => Finding::error(
                    "identities.pictured-name",
                    format!("{begins} {shown} ({name}): letters of another script that look like \"{picture}\"."),
                ),
                (None, None) if !is_alike => Finding::info(
                    "identities.international-name",
                    format!("{begins} {shown}, which stands in DNS as {name}. All comparisons use that form."),
                ),
                (None, None) => continue,
            };
            self.findings.push(finding.with_reference("RFC 5890 §4.4"));
        }
    }
}

/// The domains of those to whom the message goes: a forger imitates the reader's own house too.
fn recipients(message: &Message) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for field in ["to", "cc", "delivered-to"].iter().flat_map(|name| message.named(name).take(2)) {
        for mailbox in Addresses::parse(&field.unfolded()).mailboxes {
            if let Some(name) = mailbox.domain.filter(|name| !names.contains(name)) {
                names.push(name);
            }
        }
    }
    names.truncate(MAX_RECIPIENTS);
    names
}

/// A domain that stands in words.
struct Named {
    text: String,
    domain: Name,
    is_address: bool,
}

/// Addresses and domains in a text of words: what a reader would take for one.
fn named_domains(text: &str) -> Vec<Named> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '@' | '.' | '-' | '_' | '+');
    let words = text.split(|c: char| !is_part(c)).map(|word| word.trim_matches(['.', '-', '_', '@', '+']));
    words
        .filter_map(|word| {
            let (domain, is_address) = match word.rsplit_once('@') {
                Some((local, domain)) if !local.is_empty() => (domain, true),
                _ => (word, false),
            };
            // "Ltd.de" or "Inc.com" are domains by form; "v1.2" and "Mr.Smith" are not: the end must be a known suffix.
            let known = psl::suffix(domain.to_lowercase().as_bytes()).is_some_and(|suffix| suffix.is_known());
            let name = Name::from_unicode(domain).ok().filter(|name| name.label_count() > 1)?;
            (is_address || known).then(|| Named { text: word.to_owned(), domain: name, is_address })
        })
        .take(4)
        .collect()
}

/// Where a text stands in a field, in the message's text.
fn find_span(field: &FieldRef<'_>, wanted: &str) -> Option<Span> {
    let value = field.value().to_ascii_lowercase();
    let at = memchr::memmem::find(&value, wanted.to_ascii_lowercase().as_bytes())?;
    let start = field.field.value.start + at;
    Some(Span::new(start, start + wanted.len()))
}

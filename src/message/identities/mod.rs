//! Who says what: From, Sender, Reply-To, the envelope's sender, every signature's `d=` and `i=`, Message-ID; whether each
//! belongs to From's domain, and what about them deceives a reader (RFC 5322 §3.6.2, RFC 9989 §4.4, RFC 8616).
//!
//! Message-ID is anybody's text, so its domain is shown and nothing is asked about it.

mod alike;
mod tricks;

use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::{Finding, Severity};
use crate::message::Message;
use crate::message::address::{Addresses, Author, Mailbox};
use crate::message::alignment::{Alignment, Identifier, align};
use crate::message::dkim::signing_domains;
use crate::message::words::decoded;
use crate::name::Name;
use crate::records::dmarc::{Mode, Organizational, aligned, organizational_domains};
use crate::report::{Block, Cell, Link, Mark, Row, Section, Table};

/// How many names are asked about; a forger could name hundreds.
const MAX_NAMES: usize = 16;
/// How many addresses of one field are shown.
const MAX_SHOWN: usize = 10;

/// The check.
pub struct Identities;

/// Which identity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    From,
    Sender,
    ReplyTo,
    MailFrom,
    Dkim(usize),
    Agent(usize),
    MessageId,
}

impl Role {
    fn word(self) -> String {
        match self {
            Role::From => "From".into(),
            Role::Sender => "Sender".into(),
            Role::ReplyTo => "Reply-To".into(),
            Role::MailFrom => "MAIL FROM".into(),
            Role::Dkim(number) => format!("DKIM #{number} d="),
            Role::Agent(number) => format!("DKIM #{number} i="),
            Role::MessageId => "Message-ID".into(),
        }
    }

    /// How a sentence about its domain begins.
    fn begins(self) -> &'static str {
        match self {
            Role::From => "From is at",
            Role::Sender => "Sender is at",
            Role::ReplyTo => "Reply-To goes to",
            Role::MailFrom => "The envelope's sender is at",
            Role::Dkim(_) | Role::Agent(_) => "A signature is by",
            Role::MessageId => "Message-ID names",
        }
    }
}

/// One identity.
#[derive(Clone, Debug)]
struct Identity {
    role: Role,
    display: String,
    address: String,
    domain: Option<Name>,
}

impl Check<Message> for Identities {
    fn id(&self) -> &'static str {
        "identities"
    }

    fn title(&self) -> &'static str {
        "Identities"
    }

    fn about(&self) -> &'static str {
        "who says what: From, Sender, Reply-To, MAIL FROM, signatures, Message-ID; what belongs together, what deceives"
    }

    fn step(&self, message: &Message, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let identities = identities(message);
        let signers: Vec<Name> = signing_domains(message).into_iter().take(MAX_NAMES).collect();
        let sender: Vec<Name> = identities
            .iter()
            .find(|one| one.role == Role::MailFrom)
            .and_then(|one| one.domain.clone())
            .into_iter()
            .collect();
        let others = other_names(&identities);
        let (by_dkim, by_spf, organizations) = (
            align(message, &signers, Identifier::Dkim, seen),
            align(message, &sender, Identifier::Spf, seen),
            organizational_domains(&others, seen),
        );
        let (by_dkim, by_spf, organizations) = (by_dkim?, by_spf?, organizations?);
        let judge = Judge { message, by_dkim, by_spf, others: others.into_iter().zip(organizations).collect() };

        let mut section = Section::new(self.id(), self.title());
        let standings: Vec<Option<bool>> = identities.iter().map(|one| judge.belongs(one)).collect();
        section.fact("identities", facts(&identities, &standings));
        section.blocks.push(Block::Table(table(&identities, &standings)));
        let found = tricks::find(message, &identities);
        section.fact("look_alikes", found.alike.iter().map(|alike| json!(alike)).collect::<Vec<_>>());
        section.blocks.push(source(message, &found.marks));
        section.findings = found.findings;
        let alike: Vec<&str> = found.alike.iter().map(|alike| alike.domain.as_str()).collect();
        section.findings.extend(elsewhere(message, &identities, &standings, &alike));
        let odd = section.findings.iter().filter(|finding| finding.severity >= Severity::Warning).count();
        section.headline = match odd {
            0 => format!("{}", identities.len()),
            1 => "1 odd".into(),
            count => format!("{count} odd"),
        };
        Ok(section.settle())
    }
}

/// Every identity that the message shows, From first.
fn identities(message: &Message) -> Vec<Identity> {
    let mut found = Vec::new();
    for (name, role) in [("from", Role::From), ("sender", Role::Sender), ("reply-to", Role::ReplyTo)] {
        let mailboxes = message.named(name).take(3).flat_map(|field| Addresses::parse(&field.unfolded()).mailboxes);
        found.extend(mailboxes.take(MAX_SHOWN).map(|mailbox| identity(role, mailbox)));
    }
    if let Some(told) = &message.known().mail_from {
        let domain = told.value.rsplit_once('@').map_or(told.value.as_str(), |(_, domain)| domain);
        let domain = Name::from_unicode(domain).ok().filter(|name| !name.is_root());
        let address = if told.value.is_empty() { "<> (the null sender)".to_owned() } else { told.value.clone() };
        found.push(Identity { role: Role::MailFrom, display: String::new(), address, domain });
    }
    for (at, signature) in message.signatures().iter().enumerate() {
        let number = at + 1;
        let domain = signature.domain.clone();
        found.push(Identity {
            role: Role::Dkim(number),
            display: String::new(),
            address: format!("s={}", signature.selector),
            domain: domain.clone(),
        });
        let agent = signature.identity_domain();
        if let Some(identity) = &signature.identity
            && agent != domain
        {
            found.push(Identity {
                role: Role::Agent(number),
                display: String::new(),
                address: identity.clone(),
                domain: agent,
            });
        }
    }
    if let Some(field) = message.named("message-id").next() {
        let text = field.unfolded();
        let id = text.trim_start_matches('<').trim_end_matches('>').to_owned();
        let domain = id.rsplit_once('@').and_then(|(_, domain)| Name::from_unicode(domain).ok());
        found.push(Identity { role: Role::MessageId, display: String::new(), address: id, domain });
    }
    found
}

fn identity(role: Role, mailbox: Mailbox) -> Identity {
    Identity { role, display: decoded(&mailbox.display), address: mailbox.address, domain: mailbox.domain }
}

/// The names that neither DKIM's nor SPF's alignment asks about.
fn other_names(identities: &[Identity]) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for one in identities {
        let is_other = matches!(one.role, Role::From | Role::Sender | Role::ReplyTo | Role::Agent(_));
        if let Some(name) = one.domain.as_ref().filter(|name| is_other && !names.contains(name)) {
            names.push(name.clone());
        }
    }
    names.truncate(MAX_NAMES);
    names
}

struct Judge<'a> {
    message: &'a Message,
    by_dkim: Alignment,
    by_spf: Alignment,
    others: Vec<(Name, Organizational)>,
}

impl Judge<'_> {
    /// Whether an identity belongs to From's domain: aligned where DMARC asks, one organization elsewhere.
    fn belongs(&self, one: &Identity) -> Option<bool> {
        let Author::Domain(author) = self.message.author() else { return None };
        let name = one.domain.as_ref()?;
        match one.role {
            Role::Dkim(_) => self.by_dkim.of(name)?.aligned,
            Role::MailFrom => self.by_spf.of(name)?.aligned,
            Role::From | Role::Sender | Role::ReplyTo | Role::Agent(_) => {
                let of = |name: &Name| self.others.iter().find(|(other, _)| other == name).map(|(_, org)| org);
                aligned(name, author, Mode::Relaxed, (of(name)?, of(author)?))
            }
            Role::MessageId => None,
        }
    }
}

fn facts(identities: &[Identity], standings: &[Option<bool>]) -> Vec<serde_json::Value> {
    let fact = |(one, belongs): (&Identity, &Option<bool>)| {
        json!({
            "role": one.role.word(),
            "display": Some(&one.display).filter(|text| !text.is_empty()),
            "address": one.address,
            "domain": one.domain,
            "unicode": one.domain.as_ref().and_then(unicode),
            "aligned": belongs,
        })
    };
    identities.iter().zip(standings).map(fact).collect()
}

/// Whether a name is made to look like another, as a link's target beside its words.
pub(in crate::message) fn looks_like(suspect: &Name, model: &Name) -> bool {
    alike::likeness(suspect, model).is_some()
}

/// A name in its own script; `None` when it is plain ASCII.
fn unicode(name: &Name) -> Option<String> {
    let (text, _) = idna::domain_to_unicode(name.as_str());
    (text != name.as_str()).then_some(text)
}

fn table(identities: &[Identity], standings: &[Option<bool>]) -> Table {
    let columns = ["identity", "says", "domain", "From's own"].map(str::to_owned).to_vec();
    let rows = identities.iter().zip(standings).map(|(one, belongs)| {
        let says = match one.display.as_str() {
            "" => one.address.clone(),
            display => format!("\"{display}\" <{}>", one.address),
        };
        let domain = match &one.domain {
            Some(name) => {
                let shown = unicode(name).map_or(name.to_string(), |text| format!("{name} ({text})"));
                Cell::from(shown).linked(Link::Domain(name.clone()))
            }
            None => Cell::from("-"),
        };
        let own = match (one.role, belongs) {
            (Role::From, Some(true)) => Cell::from("(the name)").dimmed(),
            (Role::MessageId, _) => Cell::from("anybody's text").dimmed(),
            (_, Some(true)) => Cell::from("yes"),
            (_, Some(false)) => Cell::from("no").judged(Severity::Info),
            (_, None) => Cell::from("not known"),
        };
        let section = match one.role {
            Role::Dkim(_) | Role::Agent(_) => Some("dkim"),
            Role::MailFrom => Some("spf"),
            Role::From | Role::Sender | Role::ReplyTo | Role::MessageId => None,
        };
        Row { cells: vec![one.role.word().into(), says.into(), domain, own], section }
    });
    Table { columns, rows: rows.collect() }
}

/// The fields that speak of people, as they stand, what deceives underlined.
fn source(message: &Message, marks: &[Mark]) -> Block {
    let mut text = String::new();
    let mut shown = Vec::new();
    for field in message.fields() {
        if !["from", "sender", "reply-to", "return-path"].iter().any(|name| field.is(name)) || text.len() > 16 * 1024 {
            continue;
        }
        let whole = crate::untrusted::lossless(field.whole());
        let is_exact = whole.len() == field.whole().len();
        for mark in marks.iter().filter(|mark| is_exact && field.field.whole.start <= mark.span.start) {
            if mark.span.end <= field.field.whole.end {
                let shift = |at: usize| at - field.field.whole.start + text.len();
                let span = crate::finding::Span::new(shift(mark.span.start), shift(mark.span.end));
                shown.push(Mark { span, ..mark.clone() });
            }
        }
        text.push_str(&whole);
    }
    Block::Source { title: "Who the header names".into(), text, marks: shown }
}

/// Replies and senders that are somebody else's.
fn elsewhere(message: &Message, identities: &[Identity], standings: &[Option<bool>], alike: &[&str]) -> Vec<Finding> {
    let Author::Domain(author) = message.author() else { return Vec::new() };
    let is_list = message.named("list-id").next().is_some();
    let mut findings = Vec::new();
    let mut told: Vec<&Name> = Vec::new();
    for (one, _) in identities.iter().zip(standings).filter(|(_, belongs)| **belongs == Some(false)) {
        let Some(name) = one.domain.as_ref().filter(|name| !told.contains(name)) else { continue };
        match one.role {
            // What imitates was told already, and worse.
            Role::ReplyTo if alike.contains(&name.as_str()) => continue,
            Role::ReplyTo => {
                let severity = if is_list { Severity::Info } else { Severity::Warning };
                let text = format!(
                    "Reply-To goes to {name}, which is not {author}'s. An answer reaches whoever owns that domain; lists and ticket systems do this, and so do forgers who cannot read the real mailbox."
                );
                findings.push(
                    Finding::new("identities.reply-elsewhere", severity, text)
                        .with_fix("Look at the address before you answer.")
                        .with_reference("RFC 5322 §3.6.2"),
                );
            }
            Role::Sender => findings.push(
                Finding::info(
                    "identities.sender-elsewhere",
                    format!("Sender is at {name}: it sent this on behalf of {author}, by its own word."),
                )
                .with_reference("RFC 5322 §3.6.2"),
            ),
            Role::From | Role::MailFrom | Role::Dkim(_) | Role::Agent(_) | Role::MessageId => continue,
        }
        told.push(name);
    }
    if message.named("message-id").next().is_none() {
        findings.push(
            Finding::info(
                "identities.no-message-id",
                "There is no Message-ID. Every mail program and server writes one; scripts that send unwanted mail forget it.",
            )
            .with_reference("RFC 5322 §3.6.4"),
        );
    }
    findings
}

#[cfg(test)]
mod tests;

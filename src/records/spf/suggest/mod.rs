//! What would be better than the published record, and how to set one up. It invents nothing: a term that only the person or
//! its provider knows is asked for, and nothing is proposed that is stricter than what was seen.

mod flatten;
mod mend;
mod repair;

use crate::finding::{Blank, Suggestion};
use crate::name::Name;
use crate::records::mx::MxSet;
use crate::records::spf::parse::{Mechanism, NearMissKind, Qualifier, Selection, SpfRecord, TermKind};
use crate::records::spf::suggest::flatten::flattened;
use crate::records::spf::suggest::repair::Repair;
use crate::records::spf::tree::Tree;
use crate::records::{Domain, providers};

/// Who sends the domain's mail, as far as DNS shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The domain says that it takes no mail (null MX), or has neither MX nor address: it probably sends none.
    Nobody,
    /// A provider takes its mail; its name, and the SPF term that it documents.
    Provider(String, Option<String>),
    /// Its own hosts take its mail.
    Own,
    /// Hosts of somebody whom we do not know.
    Others,
    /// We could not look at its MX.
    Unknown,
}

impl Sender {
    /// The term that allows them; a blank where only the person knows it, nothing where nobody sends.
    fn term(&self) -> Option<(String, Option<Blank>)> {
        match self {
            Sender::Nobody => None,
            Sender::Provider(_, Some(term)) => Some((term.clone(), None)),
            Sender::Own => Some(("mx".into(), None)),
            Sender::Provider(_, None) | Sender::Others | Sender::Unknown => Some((
                "{sender}".into(),
                Some(Blank {
                    key: "sender",
                    prompt: "The SPF term that your mail provider documents (include:…), or your server's static address (ip4:…)".into(),
                }),
            )),
        }
    }

    /// Reads it from the MX.
    pub fn of(domain: &Name, mx: &MxSet, has_address: bool) -> Sender {
        if mx.unknown.is_some() {
            return Sender::Unknown;
        }
        if mx.null_mx || (mx.implicit && !has_address) {
            return Sender::Nobody;
        }
        if let Some(provider) = mx.hosts.iter().find_map(|host| providers::by_mx(&host.name)) {
            return Sender::Provider(provider.name.clone(), provider.spf_term.clone());
        }
        match mx.hosts.first() {
            Some(host) if !mx.implicit && host.name.is_at_or_below(domain) => Sender::Own,
            _ => Sender::Others,
        }
    }
}

/// Proposals in the order in which they are to be done.
pub fn suggestions(
    domain: &Domain,
    selection: &Selection,
    tree: &Tree,
    sender: &Sender,
    ttl: Option<u32>,
) -> Vec<Suggestion> {
    let mut all = match selection.records.as_slice() {
        [] => vec![meant(domain, selection).unwrap_or_else(|| first_record(domain, sender))],
        [text] if glued(text).len() > 1 => {
            let one = merged(domain, &glued(text));
            one.map(|one| Suggestion { current: Some(text.clone()), ..one }).into_iter().collect()
        }
        [text] => {
            let repair = Repair::of(tree, sender);
            let mut all: Vec<Suggestion> = repair.proposed(domain, text).into_iter().collect();
            // The next step begins where this one ends.
            let text = all.first().map_or_else(|| text.clone(), |repaired| repaired.value.clone());
            all.extend(flattened(domain, &text, (tree, &repair), all.len()));
            all
        }
        several => merged(domain, several).into_iter().collect(),
    };
    if let Some(ttl) = ttl
        && !selection.records.is_empty()
    {
        // The published record's TTL stays; what is new has none yet.
        let keeps = |suggestion: &Suggestion| suggestion.current.is_some();
        all = all.into_iter().map(|one| if keeps(&one) { one.with_ttl(ttl) } else { one }).collect();
    }
    all
}

fn txt(domain: &Domain, value: impl Into<String>) -> Suggestion {
    Suggestion::txt(&domain.name, &domain.zone(), value)
}

/// The only text that is nearly an SPF record, as it was meant.
fn meant(domain: &Domain, selection: &Selection) -> Option<Suggestion> {
    let mut misses = selection.near_misses.iter().filter(|miss| miss.why != NearMissKind::SenderId);
    let (Some(miss), None) = (misses.next(), misses.next()) else { return None };
    Some(Suggestion {
        current: Some(miss.text.clone()),
        why: "This is what the text was meant to say; as it stands, no receiver takes it for an SPF record.".into(),
        risk: "It begins to count: mail from a server that it does not name is suspected or fails. Check that it names all of your senders.".into(),
        undo: "Publish the old text again.".into(),
        ..txt(domain, mend::near_miss(&miss.text)?)
    })
}

/// The records that stand one after the other in one text.
fn glued(text: &str) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match records.last_mut() {
            Some(record) if !word.eq_ignore_ascii_case("v=spf1") => {
                record.push(' ');
                record.push_str(word);
            }
            _ => records.push(word.to_owned()),
        }
    }
    records
}

fn first_record(domain: &Domain, sender: &Sender) -> Suggestion {
    let why = match sender {
        Sender::Nobody => {
            return Suggestion {
                why:
                    "The domain takes no mail and seems to send none: this says so, and forged mail in its name fails."
                        .into(),
                risk: "Mail that the domain does send, if there is any, fails.".into(),
                undo: "Delete the record.".into(),
                ..txt(domain, "v=spf1 -all")
            };
        }
        Sender::Provider(name, Some(_)) => {
            format!("Your mail is at {name}; this is the term that it documents for its customers.")
        }
        Sender::Own => "Your own mail servers (MX) take your mail; this allows them to send it too.".into(),
        Sender::Provider(_, None) | Sender::Others | Sender::Unknown => {
            "A record that names your senders lets receivers tell them from others.".into()
        }
    };
    let (term, blank) = sender.term().unwrap_or_default();
    Suggestion {
        why,
        risk: "Mail from servers that it does not name is suspected. List first everything that sends in your name: newsletters, \
               invoices, the web server's forms. ~all does not refuse them yet."
            .into(),
        undo: "Delete the record.".into(),
        blanks: blank.into_iter().collect(),
        ..txt(domain, format!("v=spf1 {term} ~all"))
    }
}

/// One record of several: all their terms, and the mildest of their endings.
fn merged(domain: &Domain, several: &[String]) -> Option<Suggestion> {
    let mut terms: Vec<String> = Vec::new();
    let mut ending: Option<Qualifier> = None;
    for text in several {
        let record = SpfRecord::parse(text);
        for term in &record.terms {
            match &term.kind {
                // A redirect or a broken term cannot be merged without knowing what was meant.
                TermKind::Redirect(_) | TermKind::Invalid(_) => return None,
                TermKind::Directive { qualifier, mechanism: Mechanism::All } => {
                    let mild = [Qualifier::Neutral, Qualifier::SoftFail, Qualifier::Fail];
                    let rank = |q: Qualifier| mild.iter().position(|other| *other == q).unwrap_or(1);
                    ending = Some(match ending {
                        Some(other) if rank(other) <= rank(*qualifier) => other,
                        _ => *qualifier,
                    });
                }
                // Two of them are a permerror (§6); the explanation of the first record stays.
                TermKind::Exp(_) if terms.iter().any(|other| other.to_ascii_lowercase().starts_with("exp=")) => {}
                TermKind::Directive { .. } | TermKind::Exp(_) | TermKind::Other { .. } => {
                    if !terms.iter().any(|other| other.eq_ignore_ascii_case(&term.text)) {
                        terms.push(term.text.clone());
                    }
                }
            }
        }
    }
    let ending = match ending {
        Some(Qualifier::Fail) => "-all",
        Some(Qualifier::Neutral) => "?all",
        Some(Qualifier::SoftFail | Qualifier::Pass) | None => "~all",
    };
    let value = format!("v=spf1 {} {ending}", terms.join(" ")).replace("  ", " ");
    Some(Suggestion {
        current: Some(several.join("\n")),
        why: "Only one SPF record may stand at a name, and only one in a text. This is the terms of all of them, with the mildest of their endings.".into(),
        risk: "Delete the old records in the same change: while two stand, nothing passes.".into(),
        undo: "Publish the old records again.".into(),
        ..txt(domain, value)
    })
}

/// "How to set it up", for somebody who never did.
pub fn set_up(sender: &Sender) -> Vec<String> {
    let first = match sender {
        Sender::Nobody => "The domain takes no mail. If it sends none either, \"v=spf1 -all\" says so.".to_owned(),
        Sender::Provider(name, Some(term)) => {
            format!("Your mail is at {name}. It documents the term {term}: take it as it is.")
        }
        Sender::Provider(name, None) => {
            format!("Your mail is at {name}. Its documentation names the SPF term for your account or region: take it as it is.")
        }
        Sender::Own => "You run your own mail servers. Name them by their static addresses (ip4:, ip6:), or by mx if the same hosts \
                        send that receive."
            .to_owned(),
        Sender::Others | Sender::Unknown => {
            "Take the SPF term that your mail provider documents, as it is; if you run your own server, name its static address \
             with ip4: or ip6:."
                .to_owned()
        }
    };
    vec![
        first,
        "In your DNS provider's form: type TXT, host @ (the domain itself), the whole text as one value. There may be only one such \
         record; put every service that sends in your name into it. TTL \"Auto\" is your provider's default."
            .to_owned(),
        "SPF compares the address that connects with what the record names; it never looks at an address inside the mail. So a server \
         behind a line whose address changes cannot be named safely: a reverse name (PTR) with words like dyn, dsl or pool is a warning."
            .to_owned(),
        "Begin with ~all. -all means \"fail\" for everybody else; whether that refuses the mail is the receiver's choice, most often by \
         your DMARC policy, for which either SPF or DKIM has to pass, never both."
            .to_owned(),
    ]
}

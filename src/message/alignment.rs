//! Whether names that passed belong to the author's domain (RFC 9989 §4.4). The walks are [`crate::records::dmarc`]'s; equal
//! questions join, so each section asks for itself.

use crate::check::{Seen, Wait};
use crate::message::Message;
use crate::message::address::Author;
use crate::name::Name;
use crate::records::dmarc::{Discovery, Mode, Organizational, aligned, discover, organizational_domains};

/// What kind of identifier a name is; each has its own mode in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// A signature's `d=`: `adkim`.
    Dkim,
    /// SPF's MAIL FROM: `aspf`.
    Spf,
}

/// The author's policy, and how each name stands to the author's domain.
#[derive(Clone, Debug)]
pub struct Alignment {
    /// The author's domain and its policy; `None` when From names no single domain.
    pub discovery: Option<Discovery>,
    /// The names, with their Organizational Domains and whether they are aligned (`None`: not known, or no author).
    pub names: Vec<Standing>,
}

/// How one name stands to the author's domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The name.
    pub name: Name,
    /// Its Organizational Domain.
    pub organizational: Organizational,
    /// Whether it is aligned; `None` when that is not known.
    pub aligned: Option<bool>,
}

impl Alignment {
    /// How a name stands, if it was asked for.
    pub fn of(&self, name: &Name) -> Option<&Standing> {
        self.names.iter().find(|standing| standing.name == *name)
    }

    /// The mode for a kind of identifier: relaxed without a record (RFC 9989 §4.7).
    pub fn mode(&self, identifier: Identifier) -> Mode {
        let record = self.discovery.as_ref().and_then(|discovery| discovery.record.as_ref());
        match identifier {
            Identifier::Dkim => record.map_or(Mode::Relaxed, |record| record.adkim),
            Identifier::Spf => record.map_or(Mode::Relaxed, |record| record.aspf),
        }
    }
}

/// Asks for the author's policy and for the Organizational Domain of every name, all in one round.
pub fn align(message: &Message, names: &[Name], kind: Identifier, seen: &Seen<'_>) -> Result<Alignment, Wait> {
    let Author::Domain(author) = message.author() else {
        let organizational = organizational_domains(names, seen)?;
        let standing = |(name, organizational): (&Name, Organizational)| Standing {
            name: name.clone(),
            organizational,
            aligned: None,
        };
        return Ok(Alignment { discovery: None, names: names.iter().zip(organizational).map(standing).collect() });
    };
    let (discovery, organizational) = (discover(author, seen), organizational_domains(names, seen));
    let (discovery, organizational) = (discovery?, organizational?);
    let mut alignment = Alignment { discovery: Some(discovery), names: Vec::new() };
    let mode = alignment.mode(kind);
    let authors = alignment.discovery.as_ref().map(|discovery| discovery.organizational.clone());
    for (name, own) in names.iter().zip(organizational) {
        let aligned = authors.as_ref().and_then(|authors| aligned(name, author, mode, (&own, authors)));
        alignment.names.push(Standing { name: name.clone(), organizational: own, aligned });
    }
    Ok(alignment)
}

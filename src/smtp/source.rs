//! Our own end as a server sees it: the address that we come from, the name of that address (PTR) and whether the name
//! leads back. Many servers refuse mail from an address without such a name, so that a refusal may be about us.
//!
//! Asked where the server sees the very address that our socket has: a public one, or a private one that speaks with a
//! private one. From a private address to a public server somebody on the way translates (NAT): the server sees an address
//! that we do not know, and that is said. A loopback address has no name that a server would ask for.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::check::{Dns, Kind, Look, Seen, TranscriptEvent, Wait};
use crate::finding::Severity;
use crate::name::Name;
use crate::records::reserved::reserved;
use crate::report::{Cell, Fact, Section};
use crate::smtp::target::Talk;

/// How many names of one address are followed: more than two are a mistake already.
const MAX_NAMES: usize = 4;

/// One address of ours with what its name came to; a line of the fact `sources`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The address of our socket.
    pub address: IpAddr,
    /// Its names; empty where there are none, or none was asked for.
    pub ptr: Vec<String>,
    /// What came of it.
    pub outcome: Reverse,
    /// Why we do not know, in words; for what could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What the name of our address came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reverse {
    /// A name, and it leads back to the address.
    Confirmed,
    /// A name that leads elsewhere, or nowhere.
    Unconfirmed,
    /// A name; whether it leads back could not be looked at.
    Unchecked,
    /// Surely none.
    None,
    /// We could not look.
    Unknown,
    /// The server sees another address: ours is private and the server is not.
    Translated,
    /// This machine speaks with itself.
    Loopback,
}

/// Our addresses in all talks, each once, with the server's beside it.
fn ends(talks: &[Talk<'_>]) -> Vec<(IpAddr, IpAddr)> {
    let mut ends: Vec<(IpAddr, IpAddr)> = Vec::new();
    for (_, transcript) in talks.iter().filter_map(|talk| talk.said) {
        for entry in &transcript.entries {
            if let TranscriptEvent::Connected { local: Some(local), peer: Some(peer) } = &entry.event
                && !ends.iter().any(|(known, _)| *known == local.ip())
            {
                ends.push((local.ip(), peer.ip()));
            }
        }
    }
    ends
}

/// Asks for the names of our addresses, all at once, and whether they lead back.
pub fn ask(talks: &[Talk<'_>], seen: &Seen<'_>) -> Result<Vec<Source>, Wait> {
    crate::check::all(ends(talks), |(own, server)| one(own, server, seen))
}

fn one(own: IpAddr, server: IpAddr, seen: &Seen<'_>) -> Result<Source, Wait> {
    let source = |outcome, ptr, why| Source { address: own, ptr, outcome, why };
    if own.is_loopback() {
        return Ok(source(Reverse::Loopback, Vec::new(), None));
    }
    if reserved(own).is_some() && reserved(server).is_none() {
        return Ok(source(Reverse::Translated, Vec::new(), None));
    }
    let answer = seen.dns(&Name::reverse(own), Kind::Ptr)?;
    match answer.look() {
        Look::Absent(_) => return Ok(source(Reverse::None, Vec::new(), None)),
        Look::Unknown(why) => return Ok(source(Reverse::Unknown, Vec::new(), Some(why.to_string()))),
        Look::Found(_) => {}
    }
    let names: Vec<Name> = answer.targets().take(MAX_NAMES).cloned().collect();
    let kind = if own.is_ipv4() { Kind::A } else { Kind::Aaaa };
    let forward = crate::check::all(&names, |name| seen.dns(name, kind))?;
    let leads_back = |answer: &Dns<'_>| answer.addresses().any(|address| address == own);
    let unknown = forward.iter().find_map(|answer| match answer.look() {
        Look::Unknown(why) => Some(why.to_string()),
        Look::Found(_) | Look::Absent(_) => None,
    });
    let ptr = names.iter().map(ToString::to_string).collect();
    Ok(match (forward.iter().any(leads_back), unknown) {
        (true, _) => source(Reverse::Confirmed, ptr, None),
        (false, Some(why)) => source(Reverse::Unchecked, ptr, Some(why)),
        (false, None) => source(Reverse::Unconfirmed, ptr, None),
    })
}

impl Source {
    /// What stands behind the address in the line "connected to … from …".
    pub fn short(&self) -> String {
        let names = self.ptr.join(", ");
        match self.outcome {
            Reverse::Confirmed | Reverse::Unchecked => format!("(PTR {names})"),
            Reverse::Unconfirmed => format!("(PTR {names}, not confirmed)"),
            Reverse::None => "(no PTR)".into(),
            Reverse::Unknown => "(PTR not known)".into(),
            Reverse::Translated => "(private)".into(),
            Reverse::Loopback => "(loopback)".into(),
        }
    }

    /// What it means to the server, in a sentence, and how bad it is.
    pub fn sentence(&self) -> (String, Severity) {
        let (address, names) = (self.address, self.ptr.join(", "));
        let why = self.why.as_deref().unwrap_or_default();
        let text = match self.outcome {
            Reverse::Confirmed => {
                format!("the server sees {names} ({address}): a name that leads back, as it should")
            }
            Reverse::Unconfirmed => format!(
                "the server sees {names} ({address}): a name that does not lead back; many servers refuse such mail"
            ),
            Reverse::Unchecked => {
                format!("the server sees {names} ({address}); whether the name leads back is not known: {why}")
            }
            Reverse::None => {
                format!("the server sees {address}, which has no name (PTR): many servers refuse its mail")
            }
            Reverse::Unknown => format!("the server sees {address}; we could not look for its name (PTR): {why}"),
            Reverse::Translated => {
                format!("{address} is private: the server sees another address, that of a router on the way")
            }
            Reverse::Loopback => "this machine speaks with itself: the server sees no address of the network".into(),
        };
        let severity = match self.outcome {
            Reverse::Unconfirmed | Reverse::None | Reverse::Unknown | Reverse::Unchecked => Severity::Info,
            Reverse::Confirmed | Reverse::Translated | Reverse::Loopback => Severity::Ok,
        };
        (text, severity)
    }

    /// `seen as  198.51.100.7 (PTR laptop.example)`; the dialogue says what it means.
    pub fn fact(&self) -> Fact {
        let value = Cell::from(format!("{} {}", self.address, self.short())).judged(self.sentence().1);
        Fact { label: "seen as".into(), value }
    }

    /// Our addresses, read off the section that looked for their names.
    pub fn all_of(section: &Section) -> Vec<Source> {
        let known = section.facts.get("sources").cloned();
        known.and_then(|sources| serde_json::from_value(sources).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::world::World;
    use crate::check::{Transcript, TranscriptEntry};
    use crate::report::LookupId;

    /// What a world says of a connection from `own` to `server`, and how many rounds and questions that took.
    fn source(world: &str, own: &str, server: &str) -> (Source, usize, usize) {
        let event = TranscriptEvent::Connected {
            local: Some(format!("{own}:40000").parse().unwrap()),
            peer: Some(format!("{server}:25").parse().unwrap()),
        };
        let entries = vec![TranscriptEntry { at: Duration::ZERO, tls: false, event }];
        let transcript = Transcript { entries, finished: true };
        let talk = Talk {
            preference: None,
            host: "mail.example".into(),
            port: 25,
            dialogue: None,
            said: Some((LookupId(1), &transcript)),
            no_address: None,
            lookups: Vec::new(),
        };
        let talks = [talk.clone(), talk];
        let world = World::parse(world).unwrap();
        let (mut sources, depth, asked) = world.ask(time::OffsetDateTime::UNIX_EPOCH, |seen| ask(&talks, seen));
        assert_eq!(sources.len(), 1, "one address, though it spoke twice");
        (sources.remove(0), depth, asked.len())
    }

    const OWN: &str = "9.8.7.6";
    const SERVER: &str = "9.1.1.1";
    const PTR: &str = "6.7.8.9.in-addr.arpa PTR out.example.com\n";

    #[test]
    fn a_name_that_leads_back_is_confirmed_in_two_rounds() {
        let (source, depth, asked) = source(&format!("{PTR}out.example.com A 9.8.7.6"), OWN, SERVER);
        assert_eq!((source.outcome, depth, asked), (Reverse::Confirmed, 2, 2));
        assert_eq!(source.short(), "(PTR out.example.com)");
        assert_eq!(source.sentence().1, Severity::Ok);
    }

    #[test]
    fn a_name_that_leads_elsewhere_or_nowhere_is_not() {
        for forward in ["out.example.com A 9.8.7.7", "out.example.com AAAA 2001:db8::1", ""] {
            let (source, ..) = source(&format!("{PTR}{forward}"), OWN, SERVER);
            assert_eq!(source.outcome, Reverse::Unconfirmed, "{forward}");
            assert!(source.sentence().0.contains("does not lead back"));
        }
    }

    #[test]
    fn one_name_of_several_that_leads_back_is_enough() {
        let world = format!(
            "{PTR}6.7.8.9.in-addr.arpa PTR b.example.com\nb.example.com A 9.8.7.6\nout.example.com A !servfail"
        );
        assert_eq!(source(&world, OWN, SERVER).0.outcome, Reverse::Confirmed);
    }

    #[test]
    fn no_name_is_said_and_is_told_from_could_not_look() {
        let (none, ..) = source("", OWN, SERVER);
        assert_eq!((none.outcome, none.short().as_str()), (Reverse::None, "(no PTR)"));
        for fault in ["servfail", "timeout", "refused", "malformed", "failed"] {
            let (unknown, ..) = source(&format!("6.7.8.9.in-addr.arpa PTR !{fault}"), OWN, SERVER);
            assert_eq!(unknown.outcome, Reverse::Unknown, "{fault}");
            assert_eq!(unknown.short(), "(PTR not known)");
            assert!(unknown.sentence().0.contains("could not look"), "{fault}");
            let (unchecked, ..) = source(&format!("{PTR}out.example.com A !{fault}"), OWN, SERVER);
            assert_eq!(unchecked.outcome, Reverse::Unchecked, "{fault}");
            assert!(unchecked.sentence().0.contains("not known"), "{fault}");
        }
    }

    #[test]
    fn a_private_address_is_asked_for_only_where_the_server_sees_it() {
        let (translated, _, asked) = source("", "192.168.1.5", SERVER);
        assert_eq!((translated.outcome, asked), (Reverse::Translated, 0));
        assert!(translated.sentence().0.contains("sees another address"));
        let inside = "5.1.168.192.in-addr.arpa PTR desk.corp.example\ndesk.corp.example A 192.168.1.5";
        let (confirmed, _, asked) = source(inside, "192.168.1.5", "192.168.1.1");
        assert_eq!((confirmed.outcome, asked), (Reverse::Confirmed, 2));
        let (own, _, asked) = source("", "127.0.0.1", "127.0.0.1");
        assert_eq!((own.outcome, asked), (Reverse::Loopback, 0));
    }

    #[test]
    fn an_ipv6_address_has_its_name_too() {
        let reverse = Name::reverse("2a00::5".parse().unwrap());
        let world = format!("{reverse} PTR six.example.com\nsix.example.com AAAA 2a00::5\nsix.example.com A 9.8.7.6");
        let event = |ip: &str| format!("[{ip}]");
        assert_eq!(source(&world, &event("2a00::5"), &event("2a00::1")).0.outcome, Reverse::Confirmed);
    }

    #[test]
    fn the_facts_are_read_back_as_they_were() {
        let (source, ..) = source(PTR, OWN, SERVER);
        let mut section = Section::new("transcript", "Dialogue");
        section.fact("sources", [&source]);
        assert_eq!(section.facts["sources"][0]["outcome"], "unconfirmed");
        assert_eq!(Source::all_of(&section), [source]);
    }
}

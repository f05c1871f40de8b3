//! Whom to speak with: a domain (all its MX hosts, RFC 5321 §5.1), a host, a host and port, an address; and the dialogues
//! that this comes to. Every dialogue starts as soon as its own address is known: one slow name delays no other host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::check::{Dialogue, Kind, Look, Outcome, Seen, Stage, TlsMode, Transcript, Wait};
use crate::job::{Family, SmtpPlan};
use crate::name::Name;
use crate::records::{Domain, dane, mx};
use crate::report::LookupId;

/// Most MX hosts that are spoken with; a sender tries fewer before it gives up for the day.
pub const MAX_HOSTS: usize = 12;

/// What the person asked to speak with.
#[derive(Clone, Debug)]
pub struct Target {
    /// As typed.
    pub text: String,
    /// What it is.
    pub place: Place,
    /// How to speak.
    pub plan: SmtpPlan,
    /// Connections that the engine sends elsewhere (`--connect-to`), as host and port, `None` being any: these hosts need
    /// no address of their own.
    pub redirected: Vec<(Option<String>, Option<u16>)>,
}

/// What a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A domain: its MX hosts, port 25.
    Domain(Name),
    /// One host and a port.
    Host(Name, u16),
    /// An address and a port.
    Address(SocketAddr),
}

/// One host of the target with the dialogues that run with it.
#[derive(Clone, Debug)]
pub struct Talk<'a> {
    /// MX preference; `None` when the target is a host.
    pub preference: Option<u16>,
    /// The host's name, or its address's text.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The dialogue, when there is an address.
    pub dialogue: Option<Arc<Dialogue>>,
    /// What was said so far, with its lookup.
    pub said: Option<(LookupId, &'a Transcript)>,
    /// Why there is no address: absence, or we could not look.
    pub no_address: Option<Outcome>,
    /// The lookups that led here.
    pub lookups: Vec<LookupId>,
}

/// All talks of a target, or why there are none.
#[derive(Clone, Debug)]
pub enum Talks<'a> {
    /// These hosts, the most preferred first.
    With(Vec<Talk<'a>>),
    /// The domain says that it takes no mail (RFC 7505).
    NullMx(LookupId),
    /// The domain does not exist.
    NoSuchDomain(LookupId),
    /// We could not look for its MX.
    Unknown(LookupId, Outcome),
}

impl Talk<'_> {
    /// Whether TLS is expected from the first byte: there is no clear text to fall back to.
    pub fn is_implicit(&self) -> bool {
        self.dialogue.as_ref().is_some_and(|dialogue| dialogue.tls == TlsMode::Implicit)
    }

    /// Whether it is LMTP, which stays inside one site (RFC 2033 §5): what holds for mail on the Internet does not there.
    pub fn is_lmtp(&self) -> bool {
        self.dialogue.as_ref().is_some_and(|dialogue| dialogue.lmtp)
    }
}

impl Target {
    /// Reads `domain`, `host:port`, `[address]:port`, `address`; a bare name is a domain. `smtp://`, `smtps://` and `lmtp://`
    /// before it say how to speak, and that a host is meant.
    pub fn parse(text: &str, mut plan: SmtpPlan) -> Result<Target, String> {
        let typed = text.trim();
        let (scheme, trimmed) = typed.split_once("://").map_or((None, typed), |(scheme, rest)| (Some(scheme), rest));
        match scheme.map(str::to_ascii_lowercase).as_deref() {
            None | Some("smtp") => {}
            Some("smtps") => plan.tls = TlsMode::Implicit,
            Some("lmtp") => plan.lmtp = true,
            Some(other) => return Err(format!("{other}:// is no way to speak with a mail server")),
        }
        let trimmed = trimmed.trim_end_matches('/');
        let default_port = match (plan.lmtp, plan.tls) {
            (true, _) => 24,
            (false, TlsMode::Implicit) => 465,
            (false, TlsMode::Auto | TlsMode::Never | TlsMode::Require) => 25,
        };
        let bare = trimmed.trim_start_matches('[').trim_end_matches(']');
        let place = if let Ok(address) = trimmed.parse::<SocketAddr>() {
            Place::Address(address)
        } else if let Ok(ip) = bare.parse::<IpAddr>() {
            Place::Address(SocketAddr::new(ip, default_port))
        } else if let Some((host, port)) = trimmed.rsplit_once(':') {
            let port = port.parse().map_err(|_| format!("{port} is not a port"))?;
            Place::Host(Name::parse(host).map_err(|why| format!("{host}: {why}"))?, port)
        } else {
            let name = Name::parse(trimmed).map_err(|why| format!("{trimmed}: {why}"))?;
            if default_port == 25 && scheme.is_none() { Place::Domain(name) } else { Place::Host(name, default_port) }
        };
        Ok(Target { text: typed.to_owned(), place, plan, redirected: Vec::new() })
    }

    /// The domain whose policies (MTA-STS) apply: the recipients' domain, when the target is one.
    pub fn domain(&self) -> Option<&Name> {
        match &self.place {
            Place::Domain(name) => Some(name),
            Place::Host(..) | Place::Address(_) => None,
        }
    }

    /// Asks for hosts, addresses and dialogues, each as soon as it can be asked; waits until each dialogue has begun.
    pub fn talks<'a>(&self, seen: &Seen<'a>) -> Result<Talks<'a>, Wait> {
        match &self.place {
            Place::Address(address) => {
                let talk = self.talk(None, &address.ip().to_string(), *address, Vec::new(), seen)?;
                Ok(Talks::With(vec![talk]))
            }
            Place::Host(name, port) => Ok(Talks::With(self.host(None, name, *port, seen)?)),
            Place::Domain(name) => {
                let set = mx::mx_names(&Domain::new(name.clone()), seen)?;
                if let Some(outcome) = set.unknown {
                    return Ok(Talks::Unknown(set.lookup, outcome));
                }
                if set.null_mx {
                    return Ok(Talks::NullMx(set.lookup));
                }
                if set.hosts.is_empty() {
                    return Ok(Talks::NoSuchDomain(set.lookup));
                }
                let hosts = set.hosts.iter().take(MAX_HOSTS);
                let talks = crate::check::all(hosts, |host| {
                    let preference = if set.implicit { None } else { Some(host.preference) };
                    self.host(preference, &host.name, 25, seen)
                })?;
                Ok(Talks::With(talks.into_iter().flatten().collect()))
            }
        }
    }

    /// The hosts of the target by name, for policies that are published beside them; none for an address.
    pub fn hosts(&self, seen: &Seen<'_>) -> Result<Vec<(Name, u16)>, Wait> {
        match &self.place {
            Place::Address(_) => Ok(Vec::new()),
            Place::Host(name, port) => Ok(vec![(name.clone(), *port)]),
            Place::Domain(name) => {
                let set = mx::mx_names(&Domain::new(name.clone()), seen)?;
                Ok(set.hosts.into_iter().take(MAX_HOSTS).map(|host| (host.name, 25)).collect())
            }
        }
    }

    /// The TLSA records of the hosts, with what DNSSEC says of them.
    pub fn tlsa<'a>(&self, seen: &Seen<'a>) -> Result<Vec<dane::Host<'a>>, Wait> {
        crate::check::all(self.hosts(seen)?, |(name, port)| dane::Host::ask(&name, port, seen))
    }

    /// One host: a talk for its first address of each family, or one that says why there is none.
    fn host<'a>(
        &self,
        preference: Option<u16>,
        name: &Name,
        port: u16,
        seen: &Seen<'a>,
    ) -> Result<Vec<Talk<'a>>, Wait> {
        let host = name.to_string();
        if self.is_redirected(&host, port) {
            let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
            return Ok(vec![self.talk(preference, &host, nowhere, Vec::new(), seen)?]);
        }
        let kinds = match self.plan.family {
            None => [Kind::A, Kind::Aaaa].as_slice(),
            Some(Family::V4) => &[Kind::A],
            Some(Family::V6) => &[Kind::Aaaa],
        };
        // Each family's dialogue begins when its own answer is there.
        let found = crate::check::all(kinds, |kind| {
            let answer = seen.dns(name, *kind)?;
            match answer.look() {
                Look::Found(_) => match answer.addresses().next() {
                    Some(ip) => self.talk(preference, &host, SocketAddr::new(ip, port), vec![answer.id], seen).map(Ok),
                    None => Ok(Err((answer.id, Outcome::NoData))),
                },
                Look::Absent(_) | Look::Unknown(_) => Ok(Err((answer.id, answer.outcome.clone()))),
            }
        })?;
        let (talks, failures): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
        let talks: Vec<Talk<'a>> = talks.into_iter().flatten().collect();
        if !talks.is_empty() {
            return Ok(talks);
        }
        let failures: Vec<(LookupId, Outcome)> = failures.into_iter().filter_map(Result::err).collect();
        // "Could not look" outweighs absence: one family that failed leaves the question open.
        let unknown = failures.iter().find(|(_, outcome)| !matches!(outcome, Outcome::NoData | Outcome::NoSuchName));
        let why = unknown.or(failures.first()).map(|(_, outcome)| outcome.clone());
        Ok(vec![Talk {
            preference,
            host,
            port,
            dialogue: None,
            said: None,
            no_address: Some(why.unwrap_or(Outcome::NoData)),
            lookups: failures.iter().map(|(id, _)| *id).collect(),
        }])
    }

    fn talk<'a>(
        &self,
        preference: Option<u16>,
        host: &str,
        address: SocketAddr,
        lookups: Vec<LookupId>,
        seen: &Seen<'a>,
    ) -> Result<Talk<'a>, Wait> {
        let dialogue = Arc::new(self.dialogue(host, address));
        let said = seen.smtp(&dialogue)?;
        let mut lookups = lookups;
        lookups.push(said.id);
        Ok(Talk {
            preference,
            host: host.to_owned(),
            port: address.port(),
            dialogue: Some(dialogue),
            said: Some((said.id, said.transcript)),
            no_address: None,
            lookups,
        })
    }

    fn dialogue(&self, host: &str, address: SocketAddr) -> Dialogue {
        let plan = &self.plan;
        let tls = if plan.tls == TlsMode::Auto && address.port() == 465 { TlsMode::Implicit } else { plan.tls };
        Dialogue {
            host: host.to_owned(),
            address,
            ehlo: plan.ehlo.clone(),
            tls,
            lmtp: plan.lmtp || address.port() == 24,
            mail_from: plan.mail_from.clone(),
            rcpt_to: plan.rcpt_to.clone(),
            data: plan.data.clone(),
            stop_after: if plan.stop_after == Stage::Quit { Stage::Data } else { plan.stop_after },
            hands_on: plan.hands_on,
        }
    }

    fn is_redirected(&self, host: &str, port: u16) -> bool {
        let fits = |(own_host, own_port): &(Option<String>, Option<u16>)| {
            own_host.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(host))
                && own_port.is_none_or(|own| own == port)
        };
        self.redirected.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Query;
    use crate::check::world::World;

    fn place(text: &str) -> Place {
        Target::parse(text, SmtpPlan::default()).unwrap().place
    }

    #[test]
    fn targets_are_told_apart() {
        let name = |text| Name::from_text(text).unwrap();
        assert_eq!(place("example.com"), Place::Domain(name("example.com")));
        assert_eq!(place("mail.example.com:587"), Place::Host(name("mail.example.com"), 587));
        assert_eq!(place("192.0.2.1"), Place::Address("192.0.2.1:25".parse().unwrap()));
        assert_eq!(place("[2001:db8::1]:2525"), Place::Address("[2001:db8::1]:2525".parse().unwrap()));
        assert_eq!(place("2001:db8::1"), Place::Address("[2001:db8::1]:25".parse().unwrap()));
        assert!(Target::parse("example.com:smtp", SmtpPlan::default()).is_err());
        assert_eq!(place("smtp://mail.example.com"), Place::Host(name("mail.example.com"), 25));
        assert_eq!(place("SMTPS://mail.example.com/"), Place::Host(name("mail.example.com"), 465));
        assert_eq!(place("lmtp://mail.example.com"), Place::Host(name("mail.example.com"), 24));
        assert_eq!(place("lmtp://[2001:db8::1]:2424"), Place::Address("[2001:db8::1]:2424".parse().unwrap()));
        let lmtp = Target::parse("lmtp://192.0.2.1:2424", SmtpPlan::default()).unwrap();
        assert!(lmtp.plan.lmtp && lmtp.text == "lmtp://192.0.2.1:2424");
        assert!(Target::parse("http://example.com", SmtpPlan::default()).is_err());
        let implicit = SmtpPlan { tls: TlsMode::Implicit, ..SmtpPlan::default() };
        assert_eq!(Target::parse("a.example", implicit).unwrap().place, Place::Host(name("a.example"), 465));
    }

    #[test]
    fn a_domain_is_all_its_hosts_and_the_chain_is_mx_address_dialogue() {
        let world = World::parse(
            "example.com MX 10 a.example.com\nexample.com MX 20 b.example.com\na.example.com A 192.0.2.1\na.example.com AAAA 2001:db8::1\nb.example.com ANY !servfail",
        )
        .unwrap();
        let target = Target::parse("example.com", SmtpPlan::default()).unwrap();
        let (hosts, depth, asked) = world.ask(time::OffsetDateTime::UNIX_EPOCH, |seen| match target.talks(seen)? {
            Talks::With(talks) => Ok(talks
                .iter()
                .map(|t| (t.host.clone(), t.dialogue.as_ref().map(|d| d.address.ip().is_ipv4()), t.no_address.clone()))
                .collect::<Vec<_>>()),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            hosts,
            [
                ("a.example.com".to_owned(), Some(true), None),
                ("a.example.com".to_owned(), Some(false), None),
                ("b.example.com".to_owned(), None, Some(Outcome::ServerFailure)),
            ]
        );
        assert_eq!(depth, 3);
        assert_eq!(asked.iter().filter(|query| matches!(query, Query::Smtp(_))).count(), 2);
    }

    #[test]
    fn a_redirected_host_needs_no_address() {
        let mut target = Target::parse("mail.example.test:2531", SmtpPlan::default()).unwrap();
        target.redirected = vec![(Some("mail.example.test".into()), Some(2531))];
        let (_, depth, asked) =
            World::default().ask(time::OffsetDateTime::UNIX_EPOCH, |seen| target.talks(seen).map(|_| ()));
        assert_eq!((depth, asked.len()), (1, 1));
    }
}

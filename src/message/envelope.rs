//! The envelope, which no header has: who connected from where, and the sender that was given (RFC 5321 §2.3.1). Field by
//! field the best witness counts, and which one it was is always said: the person, then the listener that took the message,
//! then the border hop's Received, Received-SPF, Authentication-Results, and for the sender Return-Path.
//!
//! **The border** is the hop at which the message came from outside to those whom the reader trusts. It is guessed from
//! the top, with the reason; the person may move it.

use std::net::IpAddr;

use crate::message::Message;
use crate::message::received::Received;
use crate::records::reserved::is_on_the_internet;

/// How many `Received` fields are read for the border; loops are cut at 30 to 100 hops by every server.
pub const MAX_HOPS: usize = 200;

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The person who asks.
    Person,
    /// The listener that captured the message.
    Listener,
    /// The `Received` field of the border, its hop counted from 1 at the top.
    Received(usize),
    /// `Received-SPF`.
    ReceivedSpf,
    /// `Authentication-Results`.
    AuthenticationResults,
    /// `Return-Path`.
    ReturnPath,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Person => f.write_str("you said so"),
            Source::Listener => f.write_str("what the listener saw"),
            Source::Received(hop) => write!(f, "Received, hop {hop}"),
            Source::ReceivedSpf => f.write_str("Received-SPF"),
            Source::AuthenticationResults => f.write_str("Authentication-Results"),
            Source::ReturnPath => f.write_str("Return-Path"),
        }
    }
}

/// A value with its witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<T> {
    /// The value.
    pub value: T,
    /// Who says so.
    pub source: Source,
}

/// What is known of the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Known {
    /// The client's address at the border.
    pub client_ip: Option<Told<IpAddr>>,
    /// HELO at the border.
    pub helo: Option<Told<String>>,
    /// MAIL FROM; empty is the null sender.
    pub mail_from: Option<Told<String>>,
}

/// The hop where trust ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Border {
    /// The hop, from 1 at the topmost `Received`.
    pub hop: usize,
    /// The field's place among the header fields.
    pub field: usize,
    /// Why this one.
    pub why: String,
    /// Whether the person chose it.
    pub chosen: bool,
}

/// The hops of a message, the topmost first, with their fields' places.
pub fn hops(message: &Message) -> Vec<(usize, Received)> {
    message.named("received").take(MAX_HOPS).map(|field| (field.index, Received::parse(&field))).collect()
}

/// Finds the border among the hops; `None` without hops.
///
/// 1. What the person chose.
/// 2. The hop whose address the receiver's own SPF result names, if one stands above the first hop from outside.
/// 3. The first hop from outside.
/// 4. The lowest hop inside one organisation.
/// 5. The topmost.
pub fn border(message: &Message, hops: &[(usize, Received)], chosen: Option<usize>) -> Option<Border> {
    let at = |hop: usize, why: String, chosen: bool| {
        hops.get(hop - 1).map(|(field, _)| Border { hop, field: *field, why, chosen })
    };
    if let Some(border) = chosen.filter(|hop| *hop > 0).and_then(|hop| at(hop, "you chose it".into(), true)) {
        return Some(border);
    }
    let public = |hop: &Received| hop.client_ip.filter(|ip| is_on_the_internet(*ip));
    let outside = hops.iter().position(|(_, hop)| public(hop).is_some_and(|ip| !is_inside(hop, ip)));
    if let Some(hop) = witnessed(message, hops, outside) {
        return at(hop + 1, "an SPF result above it, written on the receiving side, names its address".into(), false);
    }
    if let Some((index, hop)) = outside.and_then(|index| Some((index, &hops.get(index)?.1))) {
        let by = hop.by.as_deref().unwrap_or("a server without a name");
        let from = hop.client_ip.map(|ip| ip.to_string()).unwrap_or_default();
        return at(index + 1, format!("the topmost hop that came from outside: {by} took it from {from}"), false);
    }
    if let Some(index) = hops.iter().rposition(|(_, hop)| public(hop).is_some()) {
        return at(
            index + 1,
            "every hop stays inside one organisation; this is the lowest with a public address".into(),
            false,
        );
    }
    at(1, "no hop names a public address, so the topmost stands for it".into(), false)
}

/// Whether a hop hands over inside one organisation, as far as its own server vouches for it. HELO does not count: a
/// stranger who calls himself like the receiver must not be taken for one of its hosts.
fn is_inside(hop: &Received, ip: IpAddr) -> bool {
    let Some(by) = hop.by.as_deref() else { return false };
    if hop.reverse_name.as_deref().is_some_and(|name| same_organisation(name, by)) {
        return true;
    }
    // Microsoft's hosts write no reverse name; between themselves they use these two networks.
    let is_microsoft = match ip {
        IpAddr::V6(v6) => matches!(v6.segments(), [0x2603, 0x1000..=0x10ff, ..] | [0x2a01, 0x0111, ..]),
        IpAddr::V4(_) => false,
    };
    is_microsoft && hop.helo.as_deref().is_some_and(|from| same_organisation(from, by))
}

/// The hop, at or above the first one from outside, whose address an SPF result above that names: who evaluates SPF is at
/// the border, and says so right above its own `Received`.
fn witnessed(message: &Message, hops: &[(usize, Received)], outside: Option<usize>) -> Option<usize> {
    let last = outside.unwrap_or(hops.len().checked_sub(1)?);
    let limit = hops.get(last)?.0;
    let results = message
        .fields()
        .take_while(|field| field.index < limit)
        .filter(|field| field.is("received-spf") || field.is("authentication-results"))
        .take(8);
    for field in results {
        let text = field.unfolded();
        let is_address = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
        let named: Vec<IpAddr> = text
            .split(|c| !is_address(c))
            .filter_map(|word| word.trim_matches('.').parse::<IpAddr>().ok())
            .map(|ip| ip.to_canonical())
            .collect();
        let is_named = |(_, hop): &(usize, Received)| hop.client_ip.is_some_and(|ip| named.contains(&ip));
        if let Some(found) = hops.get(..=last)?.iter().position(is_named) {
            return Some(found);
        }
    }
    None
}

/// What is known of the envelope, with the border that it was read at.
pub fn known(message: &Message, hops: &[(usize, Received)], border: Option<&Border>) -> Known {
    let said = message.envelope();
    let mut known = Known {
        client_ip: said.client_ip.map(|value| Told { value, source: Source::Person }),
        helo: said.helo.clone().map(|value| Told { value, source: Source::Person }),
        mail_from: said.mail_from.clone().map(|value| Told { value: bare(&value), source: Source::Person }),
    };
    if let Some(heard) = &said.heard {
        let source = Source::Listener;
        known.client_ip = known.client_ip.or(Some(Told { value: heard.client.ip().to_canonical(), source }));
        known.helo = known.helo.or(Some(Told { value: heard.helo.clone(), source }));
        known.mail_from = known.mail_from.or(Some(Told { value: bare(&heard.mail_from), source }));
    }
    let hop = border.and_then(|border| hops.get(border.hop - 1).map(|(_, hop)| (border.hop, hop)));
    if let Some((number, hop)) = hop {
        let source = Source::Received(number);
        known.client_ip = known.client_ip.or(hop.client_ip.map(|value| Told { value, source }));
        known.helo = known.helo.or(hop.helo.clone().map(|value| Told { value, source }));
    }
    // Fields above the border's were added by those who are trusted; the ones below could be the sender's own.
    let trusted = |field: usize| border.is_none_or(|border| field < border.field);
    for field in message.named("received-spf").filter(|field| trusted(field.index)).take(1) {
        let text = field.unfolded();
        let told = |key| pair(&text, key);
        let source = Source::ReceivedSpf;
        known.client_ip =
            known.client_ip.or(told("client-ip").and_then(|ip| ip.parse().ok()).map(|value| Told { value, source }));
        known.helo = known.helo.or(told("helo").map(|value| Told { value, source }));
        known.mail_from = known.mail_from.or(told("envelope-from").map(|value| Told { value: bare(&value), source }));
    }
    for field in message.named("authentication-results").filter(|field| trusted(field.index)).take(1) {
        let text = field.unfolded();
        let source = Source::AuthenticationResults;
        let told = |key| pair(&text, key);
        known.mail_from = known
            .mail_from
            .or(told("smtp.mailfrom").or_else(|| told("smtp.mail")).map(|value| Told { value: bare(&value), source }));
        known.helo = known.helo.or(told("smtp.helo").map(|value| Told { value, source }));
        known.client_ip = known.client_ip.or(told("smtp.remote-ip")
            .or_else(|| told("policy.iprev"))
            .and_then(|ip| ip.parse().ok())
            .map(|value| Told { value, source }));
    }
    if let Some(field) = message.named("return-path").next() {
        let value = bare(&field.unfolded());
        known.mail_from = known.mail_from.or(Some(Told { value, source: Source::ReturnPath }));
    }
    known
}

/// A path without its angle brackets.
fn bare(path: &str) -> String {
    path.trim().trim_start_matches('<').trim_end_matches('>').trim().to_owned()
}

/// The value of `key=value` or `key="value"` in a field, up to white space or `;`.
fn pair(text: &str, key: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find(key) {
        let before = rest.get(..at).and_then(|before| before.chars().next_back());
        let after = rest.get(at + key.len()..)?;
        let is_word = before.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'));
        if let Some(value) = after.trim_start().strip_prefix('=').filter(|_| is_word) {
            let value = value.trim_start();
            let value = match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or(quoted),
                None => value.split([' ', '\t', ';', ',', ')']).next().unwrap_or(value),
            };
            return Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        rest = after;
    }
    None
}

/// Whether two hosts belong to one registrable domain by the public suffix list: good enough to tell a provider's inner
/// hops, and used for nothing else.
pub(in crate::message) fn same_organisation(from: &str, by: &str) -> bool {
    let (from, by) = (from.to_ascii_lowercase(), by.to_ascii_lowercase());
    match (psl::domain_str(&from), psl::domain_str(&by)) {
        (Some(from), Some(by)) => from == by,
        _ => from == by,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::Envelope;

    fn message(header: &str, envelope: Envelope) -> Message {
        Message::parse(Arc::from(format!("{header}From: a@b.c\r\n\r\n").as_bytes()), envelope).unwrap()
    }

    fn look(message: &Message) -> (Option<Border>, Known) {
        let hops = hops(message);
        let border = border(message, &hops, message.envelope().hop);
        let known = known(message, &hops, border.as_ref());
        (border, known)
    }

    const CHAIN: &str = "Return-Path: <bounce@s.example>\r\n\
        Received: from inner.b.example (inner.b.example [10.0.0.2]) by store.b.example with LMTP; Tue, 24 Nov 2026 09:58:14 +0000\r\n\
        Received: from edge.b.example (edge.b.example [198.51.100.7]) by inner.b.example with ESMTPS; Tue, 24 Nov 2026 09:58:13 +0000\r\n\
        Received: from out.s.example (out.s.example [192.0.2.1]) by edge.b.example with ESMTPS; Tue, 24 Nov 2026 09:58:12 +0000\r\n\
        Received: from laptop (unknown [203.0.113.9]) by out.s.example with ESMTPSA; Tue, 24 Nov 2026 09:58:11 +0000\r\n";

    #[test]
    fn the_border_is_the_topmost_hop_from_outside() {
        let (border, known) = look(&message(CHAIN, Envelope::default()));
        assert_eq!(border.unwrap().hop, 3);
        let ip = known.client_ip.unwrap();
        assert_eq!((ip.value, ip.source), ("192.0.2.1".parse().unwrap(), Source::Received(3)));
        assert_eq!(known.helo.unwrap().value, "out.s.example");
        assert_eq!(known.mail_from.unwrap(), Told { value: "bounce@s.example".into(), source: Source::ReturnPath });
    }

    #[test]
    fn the_border_can_be_moved_and_the_envelope_follows() {
        let (border, known) = look(&message(CHAIN, Envelope { hop: Some(4), ..Envelope::default() }));
        assert!(border.unwrap().chosen);
        assert_eq!(known.client_ip.unwrap().value, "203.0.113.9".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn what_the_person_says_goes_first() {
        let said = Envelope {
            client_ip: Some("192.0.2.99".parse().unwrap()),
            mail_from: Some(String::new()),
            ..Envelope::default()
        };
        let (_, known) = look(&message(CHAIN, said));
        assert_eq!(known.client_ip.unwrap().source, Source::Person);
        assert_eq!(known.mail_from.unwrap(), Told { value: String::new(), source: Source::Person });
        assert_eq!(known.helo.unwrap().source, Source::Received(3));
    }

    #[test]
    fn what_the_listener_saw_goes_before_every_header_and_it_is_the_border_itself() {
        let heard = crate::check::HeardEnvelope {
            visit: 1,
            client: "192.0.2.7:40000".parse().unwrap(),
            helo: "mx.sender.example".into(),
            mail_from: "bounce@sender.example".into(),
            rcpt_to: vec!["bob@example.com".into()],
            tls: None,
        };
        let said = Envelope { helo: Some("said.example".into()), heard: Some(heard.into()), ..Envelope::default() };
        let message = message(CHAIN, said);
        assert_eq!(message.border(), None);
        let known = message.known().clone();
        let source = Source::Listener;
        assert_eq!(known.client_ip.unwrap(), Told { value: "192.0.2.7".parse().unwrap(), source });
        assert_eq!(known.mail_from.unwrap(), Told { value: "bounce@sender.example".into(), source });
        assert_eq!(known.helo.unwrap().source, Source::Person);
    }

    #[test]
    fn results_above_the_border_are_witnesses_and_those_below_are_not() {
        let spf = "Received-SPF: pass (x) client-ip=192.0.2.5; envelope-from=\"e@f.g\"; helo=h.example;\r\n";
        let (_, above) = look(&message(spf, Envelope::default()));
        assert_eq!(above.client_ip.unwrap().source, Source::ReceivedSpf);
        assert_eq!(above.mail_from.unwrap().value, "e@f.g");
        let (_, below) = look(&message(&format!("{CHAIN}{spf}"), Envelope::default()));
        assert_eq!(below.mail_from.unwrap().source, Source::ReturnPath);
        let results = "Authentication-Results: mx; spf=pass smtp.mailfrom=x@y.z smtp.helo=q.example\r\n";
        let (_, told) = look(&message(results, Envelope::default()));
        assert_eq!(told.mail_from.unwrap(), Told { value: "x@y.z".into(), source: Source::AuthenticationResults });
        assert_eq!(told.helo.unwrap().value, "q.example");
    }

    #[test]
    fn without_hops_there_is_no_border() {
        assert_eq!(look(&message("", Envelope::default())), (None, Known::default()));
    }

    fn hop(header: &str) -> usize {
        look(&message(header, Envelope::default())).0.unwrap().hop
    }

    #[test]
    fn a_provider_that_mails_to_itself_is_its_own_border() {
        let inner = "Received: by 2002:a05:6a00:1 with SMTP id a1; Tue, 24 Nov 2026 01:58:13 -0800 (PST)\r\n";
        let own = "Received: from mail-sor-f41.google.com (mail-sor-f41.google.com. [209.85.220.41]) by mx.google.com with SMTPS id x; Tue, 24 Nov 2026 01:58:12 -0800 (PST)\r\n";
        let submitted = "Received: from [192.168.1.2] (dsl.isp.example. [203.0.113.7]) by smtp.gmail.com with ESMTPSA id y; Tue, 24 Nov 2026 01:58:10 -0800 (PST)\r\n";
        let spf = "Received-SPF: pass (google.com: domain of a@gmail.com designates 209.85.220.41 as permitted sender) client-ip=209.85.220.41;\r\n";
        assert_eq!(hop(&format!("{inner}{own}")), 2);
        assert_eq!(hop(&format!("{inner}{spf}{own}{submitted}")), 2, "the receiver's own result names the address");
        assert_eq!(hop(&format!("{inner}{own}{submitted}")), 3, "without it, the first from outside is a guess");
    }

    #[test]
    fn a_stranger_who_says_helo_as_the_receiver_is_still_a_stranger() {
        let real = "Received: from mx.b.example (unknown [203.0.113.66]) by mx.b.example with SMTP; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
        let forged = "Authentication-Results: mx.b.example; spf=pass (192.0.2.1)\r\nReceived: from good.example ([192.0.2.1]) by mx.b.example with SMTP; Tue, 24 Nov 2026 09:58:11 +0000\r\n";
        assert_eq!(hop(&format!("{real}{forged}")), 1);
    }

    #[test]
    fn hops_between_a_big_providers_hosts_are_inside() {
        let inner = "Received: from AM0PR01.eurprd01.prod.outlook.com (2603:10a6:208::1) by DB8PR01.eurprd01.prod.outlook.com (2603:10a6:10::2) with HTTPS; Tue, 24 Nov 2026 09:58:13 +0000\r\n";
        let edge = "Received: from out.s.example (192.0.2.1) by DB5EUR01FT.mail.protection.outlook.com (10.152.4.1) with SMTP id 1; Tue, 24 Nov 2026 09:58:12 +0000\r\n";
        assert_eq!(hop(&format!("{inner}{edge}")), 2);
    }
}

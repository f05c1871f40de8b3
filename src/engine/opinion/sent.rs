//! The second opinion on SPF and DMARC. The other is asked about MAIL FROM and HELO with the envelope that we used, and
//! about alignment and policy with our results of DKIM and SPF, so that one difference is told once.

use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::dkim;
use mail_auth::dmarc::Dmarc;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::Spf;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{AuthenticatedMessage, DkimOutput, DmarcOutput, Error, MessageAuthenticator, Parameters, SpfOutput};
use serde_json::Value;
use time::OffsetDateTime;

use super::forwarder::Forwarder;
use super::known::{Known, NotHere};
use super::{WHO, nobody, tls, word};
use crate::check::{Evidence, Seen};
use crate::finding::Finding;
use crate::message::Message;
use crate::message::spf::{Both, evaluate_both};
use crate::records::dmarc::discover;
use crate::records::spf::{Evaluation, Reason, SpfResult};
use crate::report::Section;

/// How long it may take in all; it answers itself, so that it takes some milliseconds.
const TIME: Duration = Duration::from_millis(1500);
/// How long one answer of our own may take.
const PATIENCE: Duration = Duration::from_millis(700);

/// Where mail-auth comes to another result of SPF or DMARC than ours. It opens a port of loopback and needs a thread that
/// may wait.
pub(super) fn differing(message: &Message, evidence: &Evidence, sections: &[Section]) -> Vec<(&'static str, Finding)> {
    let facts = |id: &str| sections.iter().find(|one| one.id == id).map(|one| &one.facts);
    let (spf, dmarc) = (facts("spf"), facts("dmarc"));
    let is_told = |facts: Option<&serde_json::Map<String, Value>>| {
        facts.is_some_and(|facts| !matches!(word(&facts["result"]), "" | "temperror"))
    };
    if !is_told(spf) && !is_told(dmarc) {
        return Vec::new();
    }
    // Judging again is cheap beside carrying the whole of it through the facts; every answer is there.
    let both = evaluate_both(message, &Seen::new(evidence, OffsetDateTime::UNIX_EPOCH)).ok().flatten();
    let compare = async |other: &Other<'_>| {
        let mut found = Vec::new();
        if let (true, Some(both)) = (is_told(spf), &both) {
            found.extend(other.sent(message, both).await);
        }
        if let (true, Some(dmarc)) = (is_told(dmarc), dmarc) {
            let signatures = facts("dkim").and_then(|facts| facts["signatures"].as_array());
            let ours = signatures.map_or(&[][..], Vec::as_slice);
            found.extend(other.policy(message, (dmarc, ours, both.as_ref())).await);
        }
        found
    };
    // Most messages need TXT alone: then nothing is opened.
    if let Some(authenticator) = nobody() {
        let (spf, dmarc) = (Known::read::<Spf>(evidence), Known::read::<Dmarc>(evidence));
        let other = Other { authenticator, source: Source::Known { spf: &spf, dmarc: &dmarc }, evidence };
        let found = compare(&other).now_or_never();
        if let Some(found) = found.filter(|_| !spf.lacks() && !dmarc.lacks()) {
            return found;
        }
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let asked = async {
        let forwarder = Forwarder::open(evidence).await.ok()?;
        let other = Other { authenticator: asking(&forwarder)?, source: Source::Asked(&forwarder), evidence };
        tokio::select! {
            found = compare(&other) => Some(found),
            () = forwarder.serve() => None,
            () = tokio::time::sleep(TIME) => None,
        }
    };
    runtime.block_on(asked).unwrap_or_default()
}

/// An authenticator that asks nobody but the forwarder.
fn asking(forwarder: &Forwarder<'_>) -> Option<MessageAuthenticator> {
    let address = forwarder.address().ok()?;
    let mut server = NameServerConfig::tcp(address.ip());
    let mut connection = ConnectionConfig::tcp();
    connection.port = address.port();
    server.connections = vec![connection];
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder =
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_tls_config(tls()?);
    let options = builder.options_mut();
    options.attempts = 0;
    options.timeout = PATIENCE;
    options.use_hosts_file = ResolveHosts::Never;
    options.validate = false;
    // `exists` asks for A, whatever the client speaks (RFC 7208 §5.7).
    options.ip_strategy = LookupIpStrategy::Ipv4Only;
    builder.build().ok().map(MessageAuthenticator)
}

/// Where the other's questions are answered.
enum Source<'e> {
    Known { spf: &'e Known, dmarc: &'e Known },
    Asked(&'e Forwarder<'e>),
}

struct Other<'e> {
    authenticator: MessageAuthenticator,
    source: Source<'e>,
    evidence: &'e Evidence,
}

impl Other<'_> {
    /// Whether what was asked last could not be answered; then the other has no opinion.
    fn is_unseen(&self) -> bool {
        match &self.source {
            Source::Known { spf, dmarc } => spf.lacks() || dmarc.lacks(),
            Source::Asked(forwarder) => forwarder.take_unseen(),
        }
    }

    async fn sent(&self, message: &Message, both: &Both) -> Vec<(&'static str, Finding)> {
        let known = message.known();
        let Some(ip) = known.client_ip.as_ref().map(|told| told.value) else { return Vec::new() };
        let helo = known.helo.as_ref().map_or("", |told| told.value.as_str());
        let sender = known.mail_from.as_ref().map_or("", |told| told.value.as_str());
        let mut found = Vec::new();
        if let Some(ours) = &both.mail_from {
            // The null sender is postmaster at HELO (RFC 7208 §2.4).
            let asked = if sender.is_empty() {
                SpfParameters::verify_ehlo(ip, helo, "unknown")
            } else {
                SpfParameters::verify_mail_from(ip, helo, "unknown", sender)
            };
            found.extend(self.check_host(asked, ("MAIL FROM", ip), ours).await);
        }
        if let Some(ours) = both.helo.as_ref().filter(|_| !sender.is_empty() || both.mail_from.is_none()) {
            let asked = SpfParameters::verify_ehlo(ip, helo, "unknown");
            found.extend(self.check_host(asked, ("HELO", ip), ours).await);
        }
        found
    }

    async fn check_host(
        &self,
        asked: SpfParameters<'_>,
        (identity, ip): (&str, IpAddr),
        ours: &Evaluation,
    ) -> Option<(&'static str, Finding)> {
        let theirs = match &self.source {
            Source::Asked(_) => self.authenticator.check_host(asked.into()).await,
            Source::Known { spf, .. } => {
                let lacking = NotHere(spf);
                let asked = Parameters::new(asked).with_txt_cache(*spf).with_mx_cache(&lacking);
                let asked = asked.with_ptr_cache(&lacking).with_ipv4_cache(&lacking).with_ipv6_cache(&lacking);
                self.authenticator.check_host(asked).await
            }
        };
        let theirs = theirs.result();
        if self.is_unseen() {
            return None;
        }
        let (here, there) = (ours.result.word(), spf_word(theirs));
        if here == there || here == "temperror" || there == "temperror" {
            return None;
        }
        let domain = &ours.domain;
        let start =
            format!("{WHO} says of SPF for {identity} {domain} at {ip}: {there}. We say {here} ({})", ours.reason);
        Some(("spf", finding("spf.second-opinion", start, spf_explained(ip, ours, theirs), "RFC 7208 §4")))
    }

    async fn policy(
        &self,
        message: &Message,
        (ours, signatures, both): (&serde_json::Map<String, Value>, &[Value], Option<&Both>),
    ) -> Option<(&'static str, Finding)> {
        let asked = AuthenticatedMessage::parse(message.text())?;
        let signers: Vec<dkim::Signature> = signatures
            .iter()
            .map(|one| dkim::Signature { d: word(&one["domain"]).to_owned(), ..Default::default() })
            .collect();
        let outputs: Vec<DkimOutput<'_>> = signatures
            .iter()
            .zip(&signers)
            .map(|(one, signer)| {
                let output = match word(&one["result"]) {
                    "pass" => DkimOutput::pass(),
                    "temperror" => DkimOutput::temp_err(Error::Dns(mail_auth::DnsError::Resolver(String::new()))),
                    _ => DkimOutput::neutral(Error::ParseError),
                };
                output.with_signature(signer)
            })
            .collect();
        // SPF counts for MAIL FROM alone (RFC 9989 §4.4.2).
        let sent = both.and_then(|both| both.mail_from.as_ref());
        let domain = sent.map_or("", |sent| sent.domain.as_str());
        let result = sent.map_or(mail_auth::SpfResult::None, |sent| their_word(sent.result));
        let output = SpfOutput::new(domain.to_owned()).with_result(result);
        let asked = DmarcParameters::new(&asked, &outputs, domain, &output);
        let theirs = match &self.source {
            Source::Asked(_) => self.authenticator.verify_dmarc(asked).await,
            Source::Known { dmarc, .. } => {
                let lacking = NotHere(dmarc);
                let asked = Parameters::new(asked).with_txt_cache(*dmarc).with_ipv4_cache(&lacking);
                self.authenticator.verify_dmarc(asked).await
            }
        };
        if self.is_unseen() {
            return None;
        }
        let (here, there) = (word(&ours["result"]), dmarc_word(&theirs));
        if matches!(here, "temperror" | "permerror") || there == "temperror" {
            return None;
        }
        let asks = ours["effective_policy"].as_str();
        let other = theirs.dmarc_record().map(|_| theirs.policy().to_string());
        let said = |word: &str, policy: Option<&str>| match policy {
            Some(policy) => format!("{word} under the policy {policy}"),
            None => word.to_owned(),
        };
        if here == there && (here == "none" || asks == other.as_deref()) {
            return None;
        }
        let (there, here) = (said(there, other.as_deref()), said(here, asks));
        let start = format!("{WHO} says of DMARC: {there}. We say {here} ({})", word(&ours["reason"]));
        let why = dmarc_explained(message, self.evidence, &theirs);
        Some(("dmarc", finding("dmarc.second-opinion", start, why, "RFC 9989 §4.10")))
    }
}

fn finding(id: &'static str, start: String, why: Option<&'static str>, reference: &'static str) -> Finding {
    let text = match why {
        Some(why) => format!("{start}, because {why}."),
        None => format!(
            "{start}. None of the differences that we know between the two explains it, so one of them is wrong: do not rest a decision on this verdict alone."
        ),
    };
    Finding::info(id, text).with_reference(reference)
}

/// Why the two differ on SPF, for the differences that are known.
fn spf_explained(ip: IpAddr, ours: &Evaluation, theirs: mail_auth::SpfResult) -> Option<&'static str> {
    use mail_auth::SpfResult as Theirs;
    let client = ip.to_canonical();
    let terms = || ours.trace.iter().map(|step| step.term.as_str());
    let matched = |start: &str| matches!(&ours.reason, Reason::Matched { term, .. } if term.trim_start_matches(['+', '-', '~', '?']).starts_with(start));
    match &ours.reason {
        Reason::SeveralRecords { .. } => {
            Some("more than one SPF record is an error (RFC 7208 §4.5); the other takes the first that it can read")
        }
        Reason::TooManyVoids { .. } => {
            Some("the third look-up that finds nothing is an error (RFC 7208 §4.6.4); the other does not count them")
        }
        Reason::Syntax { .. } if theirs != Theirs::PermError => Some(
            "a syntax error anywhere is an error of the whole record (RFC 7208 §4.6); the other reads past what it does not know",
        ),
        Reason::NotADomain { .. } if theirs == Theirs::PermError => {
            Some("what is no domain name has no policy to ask for (RFC 7208 §4.3); the other calls that an error")
        }
        _ if matched("ptr") && client.is_ipv6() && theirs != Theirs::Pass => {
            Some("a confirmed name of an IPv6 client matches (RFC 7208 §5.5); the other confirms names of IPv4 alone")
        }
        _ if client.is_ipv4() && terms().any(|term| term.contains("ip6:")) && theirs != Theirs::PermError => {
            Some("an ip6 term never matches an IPv4 client (RFC 7208 §5.6); the other compares its mapped address")
        }
        _ if theirs == Theirs::PermError && terms().flat_map(str::split_whitespace).any(is_odd) => Some(
            "the grammar of RFC 7208 §12 lets such a name stand in a term; the other cannot read it and gives the record up",
        ),
        _ => None,
    }
}

/// Whether a term is legal and rare: a colon or a slash inside a domain, or another sign in a modifier's name.
fn is_odd(term: &str) -> bool {
    if let Some((name, value)) = term.split_once('=')
        && !name.contains([':', '/'])
    {
        return name.contains(['.', '-', '_']) || value.contains([':', '/']);
    }
    let Some((_, domain)) = term.split_once(':') else { return false };
    let is_address = term.to_ascii_lowercase().contains("ip6:");
    let after = domain.split_once('/').map_or("", |(_, after)| after);
    !is_address && (domain.contains(':') || after.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'/'))
}

/// Why the two differ on DMARC, for the differences that are known.
fn dmarc_explained(message: &Message, evidence: &Evidence, theirs: &DmarcOutput) -> Option<&'static str> {
    let seen = Seen::new(evidence, OffsetDateTime::UNIX_EPOCH);
    let names = message.author().domains();
    let [author] = names else {
        return Some("From names no single domain, so that no policy applies (RFC 9989 §5.3.1); the other picks one");
    };
    if author.label_count() < 2 {
        return Some("the walk goes down to the single label (RFC 9989 §4.10); the other does not ask there");
    }
    let found = discover(author, &seen).ok()?;
    if found.walk.iter().any(|step| step.count > 1) {
        return Some(
            "several DMARC records at one name are all discarded (RFC 9989 §4.10); the other takes the first that it can read",
        );
    }
    if found.record.as_ref().is_some_and(|record| !record.problems.is_empty()) {
        return Some(
            "a tag that cannot be read is left out, the record stands (RFC 9989 §4.8); the other gives up the whole record, or reads the tag otherwise",
        );
    }
    let is_misspelt = |text: &String| text.trim_start().to_ascii_lowercase().starts_with("v");
    if theirs.dmarc_record().is_some()
        && found.walk.iter().any(|step| step.count == 0 && step.texts.iter().any(is_misspelt))
    {
        return Some(
            "\"v=DMARC1\" is written exactly so, or it is no DMARC record (RFC 9989 §4.7); the other reads it more freely",
        );
    }
    None
}

fn spf_word(result: mail_auth::SpfResult) -> &'static str {
    match result {
        mail_auth::SpfResult::Pass => "pass",
        mail_auth::SpfResult::Fail => "fail",
        mail_auth::SpfResult::SoftFail => "softfail",
        mail_auth::SpfResult::Neutral => "neutral",
        mail_auth::SpfResult::TempError => "temperror",
        mail_auth::SpfResult::PermError => "permerror",
        mail_auth::SpfResult::None => "none",
    }
}

fn their_word(result: SpfResult) -> mail_auth::SpfResult {
    match result {
        SpfResult::Pass => mail_auth::SpfResult::Pass,
        SpfResult::Fail => mail_auth::SpfResult::Fail,
        SpfResult::SoftFail => mail_auth::SpfResult::SoftFail,
        SpfResult::Neutral => mail_auth::SpfResult::Neutral,
        SpfResult::TempError => mail_auth::SpfResult::TempError,
        SpfResult::PermError => mail_auth::SpfResult::PermError,
        SpfResult::None => mail_auth::SpfResult::None,
    }
}

fn dmarc_word(output: &DmarcOutput) -> &'static str {
    match output.result() {
        mail_auth::DmarcResult::Pass => "pass",
        mail_auth::DmarcResult::Fail(_) => "fail",
        mail_auth::DmarcResult::TempError(_) => "temperror",
        mail_auth::DmarcResult::PermError(_) => "permerror",
        mail_auth::DmarcResult::None => "none",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::check::world::World;
    use crate::check::{Check, Query};
    use crate::job::Envelope;
    use crate::message::{dkim, dmarc, spf};
    use crate::report::LookupId;

    /// What is said of a message, received from 192.0.2.1 with this sender, in a world; a line `?name TYPE` is left out of
    /// the evidence.
    fn said(world: &str, (sender, from): (&str, &str)) -> Vec<(&'static str, String)> {
        let raw = format!("From: {from}\r\n\r\nhello\r\n");
        let envelope = Envelope {
            client_ip: Some("192.0.2.1".parse().unwrap()),
            helo: Some("out.b.example".into()),
            mail_from: Some(sender.into()),
            hop: None,
            heard: None,
        };
        let message = Message::parse(Arc::from(raw.as_bytes()), envelope).unwrap();
        let (left_out, lines): (Vec<&str>, Vec<&str>) = world.lines().partition(|line| line.starts_with('?'));
        let world = World::parse(&lines.join("\n")).unwrap();
        let mut evidence = Evidence::default();
        let checks: [&dyn Check<Message>; 3] = [&dkim::Dkim, &spf::Spf, &dmarc::Dmarc];
        let sections: Vec<Section> = checks
            .iter()
            .map(|check| {
                let settled = world.settle(*check, &message, OffsetDateTime::UNIX_EPOCH);
                for query in settled.asked {
                    let told = match &query {
                        Query::Dns { name, kind } => format!("?{name} {kind}"),
                        _ => String::new(),
                    };
                    if !left_out.contains(&told.as_str()) {
                        let id = LookupId(u32::try_from(evidence.len()).unwrap());
                        evidence.insert(query.clone(), id, Arc::new(world.answer(&query)));
                    }
                }
                settled.section
            })
            .collect();
        differing(&message, &evidence, &sections).into_iter().map(|(id, finding)| (id, finding.text)).collect()
    }

    const SENDER: (&str, &str) = ("x@b.example", "x@b.example");

    #[test]
    fn equal_results_say_nothing_whatever_they_are() {
        for policy in [
            "b.example TXT \"v=spf1 ip4:192.0.2.1 -all\"",
            "b.example TXT \"v=spf1 -all\"",
            "b.example TXT \"v=spf1 ~all\"",
            "b.example TXT \"v=spf1 exists:nobody.b.example ?all\"",
            "b.example TXT \"v=spf1 include:c.example -all\"\nc.example TXT \"v=spf1 a:h.c.example -all\"\nh.c.example CNAME i.c.example\ni.c.example A 192.0.2.1",
            "b.example TXT \"v=spf1 include:c.example -all\"",
            "b.example TXT \"v=spf1 mx -all\"\nb.example MX 5 h.b.example\nh.b.example A 192.0.2.1",
            "b.example TXT \"v=spf1 ptr -all\"\n1.2.0.192.in-addr.arpa PTR h.b.example\nh.b.example A 192.0.2.1",
            "b.example TXT \"v=spf1 exists:%{ir}.%{v}._spf.%{d} -all\"\n1.2.0.192.in-addr._spf.b.example A 127.0.0.2",
            "b.example TXT !servfail",
            "x EMPTY",
        ] {
            assert_eq!(said(policy, SENDER), [], "{policy}");
        }
        for policy in ["v=DMARC1; p=reject", "v=DMARC1; p=none", "v=DMARC1; p=quarantine; t=y", "v=spf1 -all"] {
            let world = format!("b.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\n_dmarc.b.example TXT \"{policy}\"");
            for pair in
                [SENDER, ("x@c.example", "x@b.example"), ("x@d.b.example", "x@b.example"), ("", "x@e.b.example")]
            {
                assert_eq!(said(&world, pair), [], "{policy} {pair:?}");
            }
        }
    }

    #[test]
    fn what_was_not_looked_at_gives_no_opinion() {
        let world = "b.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\nb.example TXT \"v=spf1 -all\"";
        assert_eq!(said(world, SENDER).len(), 1, "two records are told apart");
        assert_eq!(said(&format!("{world}\n?b.example TXT"), SENDER), []);
    }

    #[test]
    fn two_records_and_a_third_void_are_known_differences() {
        let two = said("b.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\nb.example TXT \"v=spf1 -all\"", SENDER);
        assert!(
            two[0].1.starts_with("A second implementation (mail-auth 0.13.3) says of SPF for MAIL FROM b.example at 192.0.2.1: pass. We say permerror (b.example publishes 2 SPF records; only one is allowed), because more than one"),
            "{two:?}"
        );
        let voids = said("b.example TXT \"v=spf1 a:n1.example a:n2.example a:n3.example ip4:192.0.2.1 -all\"", SENDER);
        assert!(voids[0].1.contains("says of SPF") && voids[0].1.contains("does not count them"), "{voids:?}");
    }

    #[test]
    fn dmarc_agrees_or_the_difference_is_a_known_one() {
        let spf = "b.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\n";
        let policy = |tags: &str| format!("_dmarc.b.example TXT \"{tags}\"");
        let (several, unread) = ("several DMARC records at one name", "a tag that cannot be read is left out");
        let plain = "v=DMARC1; p=reject";
        for (records, from, why) in [
            (format!("{}\n{}", policy(plain), policy("v=DMARC1; p=none")), "x@b.example", several),
            (policy("v=DMARC1; p=reject; adkim=x"), "x@b.example", unread),
            (policy("v=DMARC1; p=reject; fo=2"), "x@b.example", unread),
            (policy("v=DMARC1; p=foo; rua=mailto:a@b.example"), "x@b.example", unread),
            (policy("V=dmarc1; p=reject"), "x@b.example", "is written exactly so"),
            (policy(plain), "Group: x@b.example;", "From names no single domain"),
            (format!("_dmarc.example TXT \"{plain}\""), "x@example", "down to the single label"),
            (policy("v=DMARC1"), "x@b.example", ""),
            (policy("v=DMARC1; rua=mailto:a@b.example"), "x@b.example", ""),
            (policy("v=DMARC1; P=reject"), "x@b.example", ""),
            (policy("v=DMARC1; p=reject; sp=none; np=quarantine"), "x@n.b.example", ""),
            (
                format!("{}\ne.b.example A 192.0.2.9", policy("v=DMARC1; p=reject; sp=none; np=quarantine")),
                "x@e.b.example",
                "",
            ),
            (policy("v=DMARC1; p=reject; aspf=s"), "x@n.b.example", ""),
            ("_dmarc.example TXT \"v=DMARC1; p=reject; psd=y\"".into(), "x@n.b.example", ""),
            (format!("{}\n{}", policy(plain), policy("other")), "x@b.example", ""),
            (policy(plain), "x@b.example, y@c.example", ""),
            (policy(plain), "x@b.example, y@b.example", ""),
            (policy(plain), "x@c.example <x@b.example>", ""),
            (policy(plain), "\"x <y@c.example>\"@b.example", ""),
        ] {
            let told = said(&format!("{spf}{records}"), ("x@b.example", from));
            let is_told = match told.as_slice() {
                [] => why.is_empty(),
                [("dmarc", text)] => !why.is_empty() && text.contains(why),
                _ => false,
            };
            assert!(is_told, "{from} {records}: {told:?}");
        }
    }
}

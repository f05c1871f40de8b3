//! What others claim to have found, beside what we find: every Authentication-Results, its ARC form, Received-SPF
//! (RFC 8601, RFC 8617 §4.1.1, RFC 7208 §9.1), and which of them could have been written by the sender.
//!
//! Trust comes from the border alone (see [`trust`]). Never "any of them", and never a field that names nobody (RFC 8601
//! §5, §7.1).

mod explain;
mod results;
mod trust;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::check::{Check, Memo, Seen, Wait};
use crate::finding::{Finding, Severity, Span};
use crate::message::Message;
use crate::message::arc;
use crate::message::claimed::explain::explain;
use crate::message::claimed::results::{MethodResult, Results};
use crate::message::dkim::Judged;
use crate::message::dmarc;
use crate::message::spf::{Both, evaluate_both};
use crate::name::Name;
use crate::records::ptr::{Reverse, ReverseOutcome, fcrdns};
use crate::report::{Block, Cell, Row, Section, State, Table};

/// How many fields are read; mail through several houses has some five.
const MAX_FIELDS: usize = 40;
/// How many results are compared.
const MAX_CLAIMS: usize = 200;

/// The check.
pub struct Claimed;

/// What kind of field a claim stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `Authentication-Results`.
    Results,
    /// `ARC-Authentication-Results` with its instance.
    Arc(u32),
    /// `Received-SPF`.
    ReceivedSpf,
    /// A copy under another name, which servers rename instead of deleting.
    Renamed,
}

/// Fields that hold somebody's results under another name.
const RENAMED: &[&str] = &[
    "authentication-results-original",
    "x-original-authentication-results",
    "original-authentication-results",
    "x-ms-exchange-authentication-results",
    "x-authentication-results",
];

/// One field.
#[derive(Clone, Debug)]
struct Field {
    kind: Kind,
    place: usize,
    span: Span,
    read: Results,
    /// Whether it counts.
    trusted: bool,
    /// Whether the border itself may have written it, and the sender too.
    unsure: bool,
    /// Whether it names a handler below the border by whose hands the message says it went.
    earlier: bool,
    /// Why, or why not.
    why: String,
}

/// One result with our own beside it.
#[derive(Debug)]
struct Claim<'a> {
    field: &'a Field,
    said: &'a MethodResult,
    /// The domain that it is about.
    domain: Option<String>,
    ours: Option<Ours>,
    agrees: Option<bool>,
}

/// Our own result.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ours {
    word: String,
    /// Why, in a few words.
    reason: String,
    /// Whether it is no last word: what was not seen may turn it, so nothing is held against it.
    is_open: bool,
}

impl Ours {
    /// A result that stands.
    fn new(word: impl Into<String>, reason: impl Into<String>) -> Ours {
        Ours { word: word.into(), reason: reason.into(), is_open: false }
    }
}

impl Check<Message> for Claimed {
    fn id(&self) -> &'static str {
        "claimed"
    }

    fn title(&self) -> &'static str {
        "Claimed"
    }

    fn about(&self) -> &'static str {
        "what Authentication-Results and Received-SPF claim, which of them count, and our own results beside them"
    }

    fn step(&self, message: &Message, seen: &Seen<'_>, _memo: &mut Memo) -> Result<Section, Wait> {
        let fields = fields(message);
        let mut section = Section::new(self.id(), self.title());
        if fields.is_empty() {
            section.state = State::Absent;
            section.headline = "none".into();
            section.fact("results", json!([]));
            return Ok(section);
        }
        let ours = recompute(message, seen)?;
        let claims: Vec<Claim> = fields
            .iter()
            .flat_map(|field| field.read.results.iter().map(move |said| (field, said)))
            .take(MAX_CLAIMS)
            .map(|(field, said)| ours.beside(field, said))
            .collect();
        section.fact("results", claims.iter().map(fact).collect::<Vec<_>>());
        let against = claims.iter().filter(|claim| claim.agrees == Some(false)).count();
        section.headline = if against > 0 { format!("{against} disagree") } else { claims.len().to_string() };
        section.blocks.push(Block::Table(table(&claims)));
        section.blocks.extend(fields.iter().map(|field| source(message, field)));
        said(message, &fields, &claims, &mut section);
        Ok(section.settle())
    }
}

/// Every field that claims something, the topmost first, with whether it counts.
fn fields(message: &Message) -> Vec<Field> {
    let mut found = Vec::new();
    for field in message.fields() {
        let name = field.name().to_ascii_lowercase();
        let kind = match name.as_slice() {
            b"authentication-results" => Kind::Results,
            b"received-spf" => Kind::ReceivedSpf,
            b"arc-authentication-results" => {
                let set = message.arc_sets().sets.iter().find(|set| set.results == Some(field.index));
                Kind::Arc(set.map_or(0, |set| set.instance))
            }
            other if RENAMED.iter().any(|name| name.as_bytes() == other) => Kind::Renamed,
            _ => continue,
        };
        let text = field.unfolded();
        let read = match kind {
            Kind::ReceivedSpf => Results::parse_received_spf(&text),
            Kind::Arc(_) => Results::parse(text.split_once(';').map_or("", |(_, rest)| rest)),
            Kind::Results | Kind::Renamed => Results::parse(&text),
        };
        let span = field.field.value;
        found.push(Field {
            kind,
            place: field.index,
            span,
            read,
            trusted: false,
            unsure: false,
            earlier: false,
            why: String::new(),
        });
        if found.len() >= MAX_FIELDS {
            break;
        }
    }
    trust::judge(message, &mut found);
    found
}

/// Our own results of everything that can be claimed.
struct Recomputed<'m> {
    dmarc: dmarc::Outcome<'m>,
    spf: Option<Both>,
    arc: arc::Chain<'m>,
    reverse: Option<Reverse>,
}

fn recompute<'m>(message: &'m Message, seen: &Seen<'_>) -> Result<Recomputed<'m>, Wait> {
    let ip = message.known().client_ip.as_ref().map(|told| told.value);
    let (dmarc, spf, arc, reverse) = (
        dmarc::evaluate(message, seen),
        evaluate_both(message, seen),
        arc::evaluate(message, seen),
        ip.map(|ip| fcrdns(ip, seen)).transpose(),
    );
    Ok(Recomputed { dmarc: dmarc?, spf: spf?, arc: arc?, reverse: reverse? })
}

impl Recomputed<'_> {
    fn beside<'a>(&self, field: &'a Field, said: &'a MethodResult) -> Claim<'a> {
        let domain = domain(said);
        let ours = match said.method.as_str() {
            "dkim" => self.signature(said, domain.as_deref()),
            "spf" => self.sender(said, domain.as_deref()),
            "dmarc" => Some(self.policy(domain.as_deref())),
            "arc" => Some(Ours::new(self.arc.result.word(), &self.arc.reason)),
            "iprev" => self.reverse.as_ref().map(|found| {
                let word = match &found.outcome {
                    ReverseOutcome::Confirmed(_) => "pass",
                    ReverseOutcome::Mismatch | ReverseOutcome::NoPtr => "fail",
                    ReverseOutcome::Unknown(_) => "temperror",
                };
                Ours::new(word, found.words())
            }),
            _ => None,
        };
        let agrees =
            ours.as_ref().filter(|ours| !ours.is_open).and_then(|ours| agrees(&said.method, &said.result, &ours.word));
        Claim { field, said, domain, ours, agrees }
    }

    /// DMARC, which is about From alone: of another domain the message says nothing.
    fn policy(&self, domain: Option<&str>) -> Ours {
        let author = self.dmarc.discovery.as_ref().map(|found| &found.author);
        let about = domain.and_then(|domain| Name::from_unicode(domain).ok());
        match (author, about) {
            (Some(author), Some(about)) if *author != about => {
                Ours::new("none", format!("From is at {author}, not there"))
            }
            // Where SPF could not be asked, whoever was connected to may have seen it pass.
            _ => Ours {
                is_open: self.dmarc.result == dmarc::DmarcResult::Fail && self.dmarc.spf.is_none(),
                ..Ours::new(self.dmarc.result.word(), &self.dmarc.reason)
            },
        }
    }

    /// The signature that a result speaks of: by `header.b`, else by domain and selector.
    fn signature(&self, said: &MethodResult, domain: Option<&str>) -> Option<Ours> {
        let ours = |one: &Judged<'_>| Ours {
            word: one.verdict.word().into(),
            reason: one.reason.clone(),
            is_open: one.is_open(),
        };
        let all = || self.dmarc.signatures.iter().map(|(one, _)| one);
        if all().next().is_none() {
            return Some(Ours::new("none", "there is no signature"));
        }
        let wanted = domain.and_then(|domain| Name::from_unicode(domain).ok());
        let selector = said.property("header.s");
        let fits = |one: &&Judged<'_>| {
            let signed = one.signature.domain.as_ref();
            wanted.as_ref().is_none_or(|wanted| signed.is_some_and(|signed| wanted.is_at_or_below(signed)))
                && selector.is_none_or(|selector| selector.eq_ignore_ascii_case(&one.signature.selector))
        };
        let mut found: Vec<&Judged<'_>> = all().filter(fits).collect();
        // The beginning of b= tells several signatures of one domain apart (RFC 6008).
        if let Some(start) = said.property("header.b").filter(|start| start.len() >= 4) {
            let begins = |one: &&Judged<'_>| BASE64_STANDARD.encode(&one.signature.value).starts_with(start);
            let exactly: Vec<&Judged<'_>> = all().filter(begins).collect();
            found = if exactly.is_empty() { found } else { exactly };
        }
        match found.as_slice() {
            [] if wanted.is_none() => None,
            [] => Some(Ours::new("none", "there is no such signature")),
            [one] => Some(ours(one)),
            // Several fit: what one server says of "the" signature is best compared with the best of them.
            [first, ..] => {
                let pass = found.iter().find(|one| one.verdict == crate::message::dkim::Verdict::Pass);
                Some(ours(pass.copied().unwrap_or(first)))
            }
        }
    }

    /// SPF for the identity that a result speaks of; nothing when it speaks of another domain than ours.
    fn sender(&self, said: &MethodResult, domain: Option<&str>) -> Option<Ours> {
        let both = self.spf.as_ref()?;
        let is_helo = said.property("smtp.mailfrom").is_none() && said.property("smtp.helo").is_some();
        let found = if is_helo { both.helo.as_ref() } else { both.mail_from.as_ref().or(both.helo.as_ref()) }?;
        let is_same = domain.is_none_or(|domain| domain.eq_ignore_ascii_case(&found.domain));
        is_same.then(|| Ours::new(found.result.word(), found.reason.to_string()))
    }
}

/// The domain that a result is about.
fn domain(said: &MethodResult) -> Option<String> {
    let names: &[&str] = match said.method.as_str() {
        "dkim" => &["header.d", "header.i"],
        "spf" => &["smtp.mailfrom", "smtp.mail", "smtp.helo"],
        "dmarc" => &["header.from"],
        _ => &[],
    };
    let value = names.iter().find_map(|name| said.property(name))?.trim_matches(['<', '>']);
    let domain = value.rsplit('@').next().unwrap_or(value);
    Some(domain.to_lowercase()).filter(|domain| !domain.is_empty())
}

/// Whether two words say the same; `None` when one of them says that it does not know.
fn agrees(method: &str, said: &str, ours: &str) -> Option<bool> {
    let plain = |word: &str| match word {
        "hardfail" => "fail".to_owned(),
        "timeout" => "temperror".to_owned(),
        // "there is no policy, and it would pass": the result is none.
        "bestguesspass" => "none".to_owned(),
        word => word.to_owned(),
    };
    let (said, ours) = (plain(said), plain(ours));
    if said == "temperror" || ours == "temperror" || said == "skipped" {
        return None;
    }
    if said == ours {
        return Some(true);
    }
    // Verifiers name what is not a pass of DKIM, or of a reverse name, in several ways.
    let is_no = |word: &str| matches!(word, "fail" | "permerror" | "neutral" | "policy" | "none" | "invalid");
    Some(matches!(method, "dkim" | "arc" | "iprev") && is_no(&said) && is_no(&ours))
}

fn fact(claim: &Claim<'_>) -> serde_json::Value {
    let name = match claim.field.kind {
        Kind::Results => "Authentication-Results",
        Kind::Arc(_) => "ARC-Authentication-Results",
        Kind::ReceivedSpf => "Received-SPF",
        Kind::Renamed => "renamed",
    };
    json!({
        "authserv_id": claim.field.read.authserv_id,
        "field": name,
        "method": claim.said.method,
        "result": claim.said.result,
        "reason": claim.said.reason,
        "domain": claim.domain,
        "selector": claim.said.property("header.s"),
        "trusted": claim.field.trusted,
        "why": claim.field.why,
        "recomputed": claim.ours.as_ref().map(|ours| &ours.word),
        "agrees": claim.agrees,
        "disagreement": (claim.agrees == Some(false)).then(|| explain(claim).word()),
    })
}

fn who(field: &Field) -> String {
    let id = field.read.authserv_id.as_deref().unwrap_or("(no server named)");
    match field.kind {
        Kind::Results => id.to_owned(),
        Kind::Arc(instance) => format!("ARC {instance}: {id}"),
        Kind::ReceivedSpf => format!("Received-SPF: {id}"),
        Kind::Renamed => format!("renamed: {id}"),
    }
}

fn table(claims: &[Claim<'_>]) -> Table {
    let columns = ["who claims", "counts", "method", "domain", "claimed", "here", ""].map(str::to_owned).to_vec();
    let rows = claims.iter().map(|claim| {
        let (here, verdict) = match (&claim.ours, claim.agrees) {
            (Some(ours), Some(true)) => (Cell::from(ours.word.clone()), Cell::from("agrees")),
            (Some(ours), Some(false)) => {
                let severity = explain(claim).severity();
                (Cell::from(ours.word.clone()).judged(severity), Cell::from("DISAGREES").judged(severity))
            }
            (Some(ours), None) => (Cell::from(ours.word.clone()), Cell::from("not comparable").dimmed()),
            (None, _) => (Cell::from("-"), Cell::from("not recomputed").dimmed()),
        };
        let mut cells = vec![
            who(claim.field).into(),
            Cell::from(if claim.field.trusted { "yes" } else { "no" }),
            claim.said.method.clone().into(),
            Cell::from(claim.domain.clone().unwrap_or_else(|| "-".into())),
            claim.said.result.clone().into(),
            here,
            verdict,
        ];
        if !claim.field.trusted {
            cells = cells.into_iter().enumerate().map(|(at, cell)| if at < 5 { cell.dimmed() } else { cell }).collect();
        }
        let section = match claim.said.method.as_str() {
            "dkim" => Some("dkim"),
            "spf" => Some("spf"),
            "dmarc" => Some("dmarc"),
            "arc" => Some("arc"),
            "iprev" => Some("hops"),
            _ => None,
        };
        Row { cells, section }
    });
    Table { columns, rows: rows.collect() }
}

fn source(message: &Message, field: &Field) -> Block {
    let whole = message.field(field.place).map(|field| field.whole()).unwrap_or_default();
    let counts = if field.trusted { "counts" } else { "does not count" };
    Block::Source {
        title: format!("{}: {counts}, {}", who(field), field.why),
        text: crate::untrusted::lossless(whole.get(..4096).unwrap_or(whole)).into_owned(),
        marks: Vec::new(),
    }
}

/// What the claims tell together.
fn said(message: &Message, fields: &[Field], claims: &[Claim<'_>], section: &mut Section) {
    for claim in claims.iter().filter(|claim| claim.agrees == Some(false)) {
        let finding = explain(claim).finding(claim);
        section.findings.push(finding.with_span(claim.field.span));
    }
    if let Some(field) = fields
        .iter()
        .find(|field| field.kind == Kind::Results && field.read.authserv_id.is_none() && !field.read.results.is_empty())
    {
        section.findings.push(
            Finding::info(
                "claimed.no-server-named",
                "An Authentication-Results field names no server. Microsoft writes so; anybody can, and so it counts for nothing here.",
            )
            .with_reference("RFC 8601 §2.2")
            .with_span(field.span),
        );
    }
    for field in fields.iter().filter(|field| field.read.unread > 0) {
        section.findings.push(
            Finding::new(
                "claimed.not-read",
                Severity::Info,
                format!("{}: {} parts are no result that can be read.", who(field), field.read.unread),
            )
            .with_reference("RFC 8601 §2.2")
            .with_span(field.span),
        );
    }
    if fields.len() >= MAX_FIELDS {
        section.findings.push(Finding::warning(
            "claimed.too-many",
            format!("The first {MAX_FIELDS} fields of results are read; the header has more."),
        ));
    }
    if message.border().is_some() && !fields.iter().any(|field| field.trusted) {
        section.findings.push(Finding::info(
            "claimed.none-counts",
            "None of these claims counts: no field above the border names a server of the border's house. If you know that house, move the border (b).",
        ));
    }
}

#[cfg(test)]
mod tests;

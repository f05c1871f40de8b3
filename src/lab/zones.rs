//! The zones of the demo world: read from master files, signed in memory, and answered the way a recursive resolver
//! answers (CNAMEs are followed from zone to zone, wildcards and empty non-terminals are honoured: RFC 1034 §4.3.2,
//! RFC 4592).
//!
//! hickory-server parses and signs; looking up is ours, because its in-memory store takes a wildcard for names that
//! exist, answers DS from the child, and refuses what no zone holds, all of which turn checks wrong. There are no zone
//! transfers and no updates.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hickory_proto::dnssec::crypto::Ed25519SigningKey;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{DigestType, DnssecSigner, SigningKey};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordSet, RecordType, RrKey, rdata};
use hickory_proto::serialize::txt::Parser;
use hickory_server::dnssec::NxProofKind;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, ZoneType};

use super::{LabError, bundle, type_99};

/// How many CNAMEs are followed; a chain that is longer is answered as far as it was read.
const MAX_ALIASES: usize = 12;
/// How long the signatures made at start hold. A demo is not left running for a month.
const SIGNATURES_HOLD: Duration = Duration::from_secs(30 * 86_400);
/// TTL of the delegations and DS records that are added to a parent.
const DELEGATION_TTL: u32 = 3600;

/// All zones, and where each name belongs.
pub(super) struct Zones {
    by_origin: HashMap<LowerName, Source>,
    anchor: Option<String>,
}

/// A zone as it is written. It is read and signed when it is first asked, so that the demo world starts at once.
struct Source {
    origin: LowerName,
    text: String,
    /// The NS and DS records of the zones below it.
    delegations: Vec<Record>,
    signed: bool,
    keys: &'static str,
    read: OnceLock<Result<Zone, String>>,
}

struct Zone {
    nodes: HashMap<LowerName, HashMap<RecordType, Arc<RecordSet>>>,
    /// Every name that exists, empty non-terminals too.
    names: HashSet<LowerName>,
    /// In canonical order; empty where the zone is not signed.
    nsec: BTreeMap<LowerName, Arc<RecordSet>>,
    soa: Option<Arc<RecordSet>>,
}

/// What the zones say to a question.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) rcode: ResponseCode,
    /// Every zone that had a say is signed, up to the root.
    pub(super) secure: bool,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
}

impl Zones {
    /// Takes zones in master-file text. `generated` holds single lines that go to the zone their owner lies in; `keys`
    /// names the zones to be signed.
    pub(super) fn new(texts: &[&str], generated: &str, keys: &'static str) -> Result<Zones, LabError> {
        let mut sources: Vec<Source> = Vec::with_capacity(texts.len());
        for text in texts {
            let origin = text.lines().find_map(|line| line.strip_prefix("$ORIGIN ")).unwrap_or_default().trim();
            let origin = LowerName::from_str(origin).map_err(|why| LabError::zone(origin, &why))?;
            let (text, read) = ((*text).to_owned(), OnceLock::new());
            sources.push(Source { origin, text, delegations: Vec::new(), signed: false, keys, read });
        }
        for line in generated.lines().filter(|line| !line.is_empty() && !line.starts_with(';')) {
            let owner = line.split_whitespace().next().unwrap_or_default();
            let name = LowerName::from_str(owner).map_err(|why| LabError::zone(owner, &why))?;
            let around = sources.iter_mut().filter(|source| source.origin.zone_of(&name));
            if let Some(home) = around.max_by_key(|source| source.origin.num_labels()) {
                home.text.push('\n');
                home.text.push_str(line);
            }
        }
        let mut anchor = None;
        let origins: Vec<LowerName> = sources.iter().map(|source| source.origin.clone()).collect();
        for origin in &origins {
            let why = |why: &dyn std::fmt::Display| LabError::zone(&origin.to_string(), why);
            let name = Name::from(origin);
            let dnskey = signer(keys, &name).map_err(|e| why(&e))?.map(|signer| signer.to_dnskey());
            let mut servers = Vec::new();
            if let Some(own) = sources.iter_mut().find(|source| source.origin == *origin) {
                own.signed = dnskey.is_some();
                servers = own.servers();
            }
            let around = sources.iter_mut().filter(|s| s.origin != *origin && s.origin.zone_of(origin));
            let Some(parent) = around.max_by_key(|source| source.origin.num_labels()) else {
                anchor = dnskey.map(|dnskey| format!("{name} {DELEGATION_TTL} IN DNSKEY {dnskey}"));
                continue;
            };
            for server in servers {
                let server = rdata::NS(Name::from_ascii(server).map_err(|e| why(&e))?);
                parent.delegations.push(Record::from_rdata(name.clone(), DELEGATION_TTL, RData::NS(server)));
            }
            if let Some(dnskey) = dnskey {
                let ds = DS::from_key(dnskey.public_key(), &name, DigestType::SHA256).map_err(|e| why(&e))?;
                let data = RData::DNSSEC(DNSSECRData::DS(ds));
                parent.delegations.push(Record::from_rdata(name, DELEGATION_TTL, data));
            }
        }
        Ok(Zones { by_origin: sources.into_iter().map(|source| (source.origin.clone(), source)).collect(), anchor })
    }

    /// The DNSKEY of the top signed zone, as a line of a trust-anchor file.
    pub(super) fn anchor(&self) -> Option<&str> {
        self.anchor.as_deref()
    }

    /// The origins of all zones.
    pub(super) fn origins(&self) -> impl Iterator<Item = &LowerName> {
        self.by_origin.keys()
    }

    /// Every record that the zones hold, signatures left out; the error of the first zone that cannot be read.
    pub(super) fn records(&self) -> Result<Vec<&Record>, LabError> {
        let mut all = Vec::new();
        for source in self.by_origin.values() {
            let zone = source.zone().map_err(|why| LabError::zone(&source.origin.to_string(), why))?;
            let sets = zone.nodes.values().flat_map(HashMap::values);
            all.extend(sets.flat_map(|set| set.records_without_rrsigs()));
        }
        Ok(all)
    }

    /// What a recursive resolver would say; `signed` adds the signatures and proofs that exist (the DO bit).
    pub(super) fn answer(&self, name: &LowerName, kind: RecordType, signed: bool) -> Reply {
        let mut reply = Reply { secure: true, ..Reply::default() };
        let mut at = name.clone();
        for _ in 0..=MAX_ALIASES {
            let Some(source) = self.home(&at, kind) else {
                reply.rcode = ResponseCode::Refused;
                return reply;
            };
            let Ok(zone) = source.zone() else {
                reply.rcode = ResponseCode::ServFail;
                return reply;
            };
            // signed zones have signed parents here, so the chain is whole
            reply.secure &= source.signed;
            match zone.find(&at, kind, signed, &mut reply) {
                Some(target) => at = target,
                None => return reply,
            }
        }
        reply
    }

    /// What a name server of the zone itself says: CNAMEs are followed as far as its zone goes. `None` where no zone here
    /// holds the name.
    pub(super) fn publish(&self, name: &LowerName, kind: RecordType, signed: bool) -> Option<Reply> {
        let source = self.home(name, kind)?;
        let mut reply = Reply::default();
        let Ok(zone) = source.zone() else {
            return Some(Reply { rcode: ResponseCode::ServFail, ..reply });
        };
        let mut at = name.clone();
        for _ in 0..=MAX_ALIASES {
            match zone.find(&at, kind, signed, &mut reply) {
                Some(target) if self.home(&target, kind).is_some_and(|home| home.origin == source.origin) => {
                    at = target
                }
                Some(_) | None => break,
            }
        }
        Some(reply)
    }

    /// The zone that a question belongs to; DS belongs to the parent (RFC 4035 §3.1.4.1).
    fn home(&self, name: &LowerName, kind: RecordType) -> Option<&Source> {
        let mut at = if kind == RecordType::DS && !name.is_root() { name.base_name() } else { name.clone() };
        loop {
            if let Some(source) = self.by_origin.get(&at) {
                return Some(source);
            }
            if at.is_root() {
                return None;
            }
            at = at.base_name();
        }
    }
}

impl Source {
    /// The zone's own NS, read off its lines: parsing it whole is left for later.
    fn servers(&self) -> Vec<String> {
        let words = self.text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        words
            .filter(|words| words.first() == Some(&"@") && words.iter().rev().nth(1) == Some(&"NS"))
            .filter_map(|words| words.last().map(|server| (*server).to_owned()))
            .collect()
    }

    fn zone(&self) -> Result<&Zone, &String> {
        self.read.get_or_init(|| self.read()).as_ref()
    }

    fn read(&self) -> Result<Zone, String> {
        let name = Name::from(&self.origin);
        let parse = |text: &str| {
            let parsed = Parser::new(text, None, Some(name.clone())).parse().map_err(|why| why.to_string())?;
            Ok::<_, String>(parsed.1)
        };
        let (text, written_as_txt) = type_99::apart(&self.text);
        let mut records = parse(&text)?;
        for set in parse(&written_as_txt)?.values() {
            let set = type_99::of_txt(set);
            records.insert(RrKey::new(LowerName::new(set.name()), set.record_type()), set);
        }
        for record in &self.delegations {
            let key = RrKey::new(LowerName::new(&record.name), record.record_type());
            let empty = || RecordSet::with_ttl(record.name.clone(), record.record_type(), record.ttl);
            records.entry(key).or_insert_with(empty).insert(record.clone(), 0);
        }
        let signer = if self.signed { signer(self.keys, &name)? } else { None };
        Zone::new(&name, records, signer)
    }
}

impl Zone {
    fn new(name: &Name, records: BTreeMap<RrKey, RecordSet>, signer: Option<DnssecSigner>) -> Result<Zone, String> {
        let proofs = signer.as_ref().map(|_| NxProofKind::Nsec);
        let kind = ZoneType::Primary;
        let mut store =
            InMemoryZoneHandler::<TokioRuntimeProvider>::new(name.clone(), records, kind, AxfrPolicy::Deny, proofs)?;
        if let Some(signer) = signer {
            store.add_zone_signing_key_mut(signer).map_err(|why| why.to_string())?;
            store.secure_zone_mut().map_err(|why| why.to_string())?;
        }
        let origin = LowerName::new(name);
        let mut zone = Zone { nodes: HashMap::new(), names: HashSet::new(), nsec: BTreeMap::new(), soa: None };
        for (key, set) in std::mem::take(store.records_get_mut()) {
            let owner = key.name().clone();
            let mut above = owner.clone();
            while origin.zone_of(&above) && zone.names.insert(above.clone()) && !above.is_root() {
                above = above.base_name();
            }
            match key.record_type {
                RecordType::NSEC => drop(zone.nsec.insert(owner.clone(), set.clone())),
                RecordType::SOA => zone.soa = Some(set.clone()),
                _ => {}
            }
            zone.nodes.entry(owner).or_default().insert(key.record_type, set);
        }
        Ok(zone)
    }

    /// Adds what this zone has to say; a CNAME's target where the search goes on.
    fn find(&self, name: &LowerName, kind: RecordType, signed: bool, reply: &mut Reply) -> Option<LowerName> {
        if self.names.contains(name) {
            let node = self.nodes.get(name);
            return self.at_node(node, (name, name), kind, signed, reply);
        }
        let mut encloser = name.clone();
        while !encloser.is_root() && !self.names.contains(&encloser) {
            encloser = encloser.base_name();
        }
        let wildcard = Name::from(&encloser).prepend_label("*").map(|name| LowerName::new(&name)).unwrap_or_default();
        if signed {
            self.cover(name, reply);
        }
        if let Some(node) = self.nodes.get(&wildcard) {
            return self.at_node(Some(node), (name, &wildcard), kind, signed, reply);
        }
        if signed {
            self.cover(&wildcard, reply);
        }
        self.say_soa(signed, reply);
        reply.rcode = ResponseCode::NXDomain;
        None
    }

    fn at_node(
        &self,
        node: Option<&HashMap<RecordType, Arc<RecordSet>>>,
        (name, owner): (&LowerName, &LowerName),
        kind: RecordType,
        signed: bool,
        reply: &mut Reply,
    ) -> Option<LowerName> {
        let as_asked = |record: &Record| {
            let mut record = record.clone();
            record.name = Name::from(name);
            record
        };
        if let Some(set) = node.and_then(|node| node.get(&kind)) {
            reply.answers.extend(set.records(signed).map(as_asked));
            return None;
        }
        if let Some(set) = node.and_then(|node| node.get(&RecordType::CNAME)) {
            reply.answers.extend(set.records(signed).map(as_asked));
            return set.records_without_rrsigs().find_map(|record| match &record.data {
                RData::CNAME(target) => Some(LowerName::new(&target.0)),
                _ => None,
            });
        }
        if signed {
            match self.nsec.get(owner) {
                Some(set) => reply.authorities.extend(set.records(true).cloned()),
                None => self.cover(owner, reply),
            }
        }
        self.say_soa(signed, reply);
        None
    }

    /// The NSEC record in whose gap a name lies (RFC 4035 §3.1.3).
    fn cover(&self, name: &LowerName, reply: &mut Reply) {
        let before = self.nsec.range(..name.clone()).next_back().or_else(|| self.nsec.iter().next_back());
        if let Some((_, set)) = before {
            for record in set.records(true) {
                if !reply.authorities.contains(record) {
                    reply.authorities.push(record.clone());
                }
            }
        }
    }

    fn say_soa(&self, signed: bool, reply: &mut Reply) {
        reply.authorities.extend(self.soa.iter().flat_map(|set| set.records(signed)).cloned().map(|mut record| {
            // RFC 2308 §3: the TTL of a negative answer is the lesser of the record's and its MINIMUM
            if let RData::SOA(soa) = &record.data {
                record.ttl = record.ttl.min(soa.minimum);
            }
            record
        }));
    }
}

/// The signer of a zone, when the bundle has a key for it. One key does both jobs (a CSK).
fn signer(keys: &str, zone: &Name) -> Result<Option<DnssecSigner>, String> {
    let text = zone.to_string();
    let title = if zone.is_root() { "." } else { text.trim_end_matches('.') };
    let Some(der) = bundle::private_key(keys, title)? else { return Ok(None) };
    // openssl writes the private half alone (RFC 8410 §7, version 1)
    let pair =
        ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_der()).map_err(|e| e.to_string())?;
    let key = Ed25519SigningKey::from_ed25519(pair);
    let public = key.to_public_key().map_err(|why| why.to_string())?;
    let dnskey = DNSKEY::new(true, true, false, public);
    Ok(Some(DnssecSigner::new(dnskey, Box::new(key), zone.clone(), SIGNATURES_HOLD)))
}

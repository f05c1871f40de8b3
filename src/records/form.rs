//! A published record as a provider's form shows it: host relative to the zone, TTL, content in presentation form
//! (RFC 1035 §5.1). It explains nothing; the marks are the record's own business.

use crate::check::world::kind_of;
use crate::check::{Data, Record};
use crate::name::Name;
use crate::records::Domain;
use crate::report::{Block, LookupId, Mark, RecordBlock};
use crate::untrusted;

/// The record as a block, under the name that was asked (a wildcard's or CNAME's answer has another owner).
pub fn block(domain: &Domain, name: &Name, record: &Record, lookup: LookupId) -> RecordBlock {
    let (priority, text) = match &record.data {
        Data::Mx { preference, exchange } => (Some(*preference), shown(exchange)),
        data => (None, content(data)),
    };
    RecordBlock {
        name: name.to_string(),
        host: name.relative_to(&domain.zone()),
        rr_type: kind_of(&record.data).map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        priority,
        ttl: Some(record.ttl),
        text,
        marks: Vec::new(),
        lookup: Some(lookup),
    }
}

/// The record as a finished block with its marks.
pub fn record(domain: &Domain, name: &Name, record: &Record, lookup: LookupId, marks: Vec<Mark>) -> Block {
    Block::Record(RecordBlock { marks, ..block(domain, name, record, lookup) })
}

/// The content of a record as a form wants it: names without final dot, TXT strings joined, hexadecimal in lower case.
pub fn content(data: &Data) -> String {
    match data {
        Data::A(v4) => v4.to_string(),
        Data::Aaaa(v6) => v6.to_string(),
        Data::Cname(name) | Data::Ns(name) | Data::Ptr(name) => shown(name),
        Data::Mx { preference, exchange } => format!("{preference} {}", shown(exchange)),
        Data::Soa { mname, rname, serial, refresh, retry, expire, minimum } => {
            format!("{} {} {serial} {refresh} {retry} {expire} {minimum}", shown(mname), shown(rname))
        }
        Data::Txt(strings) | Data::Spf(strings) => untrusted::lossless(&strings.concat()).into_owned(),
        Data::Tlsa { usage, selector, matching, data } => format!("{usage} {selector} {matching} {}", hex(data)),
        Data::Caa { flags, tag, value } => {
            format!("{flags} {} \"{}\"", untrusted::lossless(tag), untrusted::lossless(value))
        }
        Data::Ds { key_tag, algorithm, digest_type, digest } => {
            format!("{key_tag} {algorithm} {digest_type} {}", hex(digest))
        }
        Data::Dnskey { flags, protocol, algorithm, key } => format!("{flags} {protocol} {algorithm} {}", hex(key)),
        Data::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {}", shown(target)),
        Data::Other(text) => text.clone(),
    }
}

/// The most records of one answer that a section lists one by one; the rest is counted.
pub const MOST_SHOWN: usize = 20;

/// Bytes in hexadecimal, lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// "1 key", "2 keys": the plain plural of English.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Items as a person lists them: `a`, `a and b`, `a, b and c`.
pub fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

fn shown(name: &Name) -> String {
    name.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_in_a_form() {
        let domain = Domain::new(Name::from_text("mail.example.co.uk").unwrap());
        let mx = Record {
            owner: domain.name.clone(),
            ttl: 60,
            data: Data::Mx { preference: 10, exchange: Name::from_text("a.example.net").unwrap() },
        };
        let shown = block(&domain, &domain.name, &mx, LookupId(4));
        assert_eq!((shown.host.as_str(), shown.priority, shown.text.as_str()), ("mail", Some(10), "a.example.net"));
        assert_eq!((shown.rr_type.as_str(), shown.ttl), ("MX", Some(60)));
    }

    #[test]
    fn lists_and_counts_read_as_sentences() {
        assert_eq!(list(["a", "b", "c"]), "a, b and c");
        assert_eq!(list(["a"]), "a");
        assert_eq!((count(1, "key"), count(0, "key")), ("1 key".to_owned(), "0 keys".to_owned()));
    }

    #[test]
    fn foreign_bytes_in_records_are_shown_whole() {
        let caa = Data::Caa { flags: 128, tag: b"issue".to_vec(), value: b"ca\xff".to_vec() };
        assert_eq!(content(&caa), "128 issue \"ca\\xff\"");
        assert_eq!(content(&Data::Txt(vec![b"a b".to_vec(), b"c".to_vec()])), "a bc");
    }
}

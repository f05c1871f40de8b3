//! Type 99, the SPF record that RFC 7208 §3.1 gave up and that old zones still publish. Hickory knows neither its name nor
//! its form, so a zone file's `NAME IN SPF "v=spf1 …"` is read as TXT, whose form is the same, and renumbered.

use std::str::FromStr;

use hickory_proto::rr::{RData, Record, RecordSet, RecordType, rdata::NULL};

const TYPE_99: RecordType = RecordType::Unknown(99);

/// A type by its mnemonic, this one included.
pub(super) fn or(text: &str) -> Result<RecordType, String> {
    match text {
        "SPF" => Ok(TYPE_99),
        other => RecordType::from_str(other).map_err(|why| why.to_string()),
    }
}

/// A zone's text without its records of this type, and those alone, written as TXT.
pub(super) fn apart(text: &str) -> (String, String) {
    let is_one = |line: &str| {
        let head = line.split('"').next().unwrap_or_default();
        !line.starts_with(';') && head.split_whitespace().any(|word| word == "SPF")
    };
    let (mut rest, mut ours) = (String::new(), String::new());
    for line in text.lines() {
        if is_one(line) {
            ours += &line.replacen(" SPF ", " TXT ", 1);
        } else {
            // Directives hold for both.
            ours += if line.starts_with('$') { line } else { "" };
            rest += line;
        }
        rest.push('\n');
        ours.push('\n');
    }
    (rest, ours)
}

/// The records of this type that were written as TXT.
pub(super) fn of_txt(set: &RecordSet) -> RecordSet {
    let mut ours = RecordSet::with_ttl(set.name().clone(), TYPE_99, set.ttl());
    for record in set.records_without_rrsigs() {
        let mut record = record.clone();
        if let RData::TXT(txt) = &record.data {
            let length = |string: &[u8]| u8::try_from(string.len()).unwrap_or(u8::MAX);
            let wire = txt.txt_data.iter().flat_map(|one| std::iter::once(length(one)).chain(one.iter().copied()));
            record.data = RData::Unknown { code: TYPE_99, rdata: NULL::with(wire.collect()) };
        }
        ours.insert(record, 0);
    }
    ours
}

/// A record in master-file text.
pub(super) fn written(record: &Record) -> String {
    let RData::Unknown { code: TYPE_99, rdata } = &record.data else { return record.to_string() };
    let mut bytes = rdata.anything.iter().copied();
    let mut text = format!("{} {} IN SPF", record.name, record.ttl);
    while let Some(length) = bytes.next() {
        text += &format!(" \"{}\"", bytes.by_ref().take(length.into()).collect::<Vec<u8>>().escape_ascii());
    }
    text
}

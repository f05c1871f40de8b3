//! The same domain asked of two sets of name servers: what one still keeps and the other publishes. Compared are the
//! records that the sections show; a section that could not look on either side is not compared.

use crate::report::{Block, RecordBlock, Report, Section, State};

/// What came out of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Who was asked before, and who now.
    pub before: String,
    /// Who was asked now.
    pub now: String,
    /// How many records are the same.
    pub same: usize,
    /// Sections that one side could not look at.
    pub unseen: Vec<&'static str>,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// One record that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The section.
    pub section: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Type and owner name.
    pub record: String,
    /// What the servers before said, with the seconds that they keep it.
    pub before: Option<(String, Option<u32>)>,
    /// What the servers now say.
    pub now: Option<(String, Option<u32>)>,
}

/// Compares two reports on one domain.
pub fn compare((before, asked_before): (&Report, &str), (now, asked_now): (&Report, &str)) -> Compared {
    let mut out = Compared {
        before: asked_before.to_owned(),
        now: asked_now.to_owned(),
        same: 0,
        unseen: Vec::new(),
        differences: Vec::new(),
    };
    for section in &now.sections {
        let Some(old) = before.sections.iter().find(|old| old.id == section.id) else { continue };
        if old.state == State::Unknown || section.state == State::Unknown {
            out.unseen.push(section.title);
            continue;
        }
        records(old, section, &mut out);
    }
    out
}

fn records(old: &Section, new: &Section, out: &mut Compared) {
    let key = |record: &RecordBlock| (record.rr_type.clone(), record.name.clone(), record.text.clone());
    let mut gone: Vec<&RecordBlock> = of(old).collect();
    let mut came: Vec<&RecordBlock> = Vec::new();
    for record in of(new) {
        match gone.iter().position(|other| key(other) == key(record)) {
            Some(at) => {
                gone.remove(at);
                out.same += 1;
            }
            None => came.push(record),
        }
    }
    let difference = |any: &RecordBlock, before: Option<&RecordBlock>, now: Option<&RecordBlock>| Difference {
        section: new.id,
        title: new.title,
        record: format!("{} {}", any.rr_type, any.name),
        before: before.map(|record| (record.text.clone(), record.ttl)),
        now: now.map(|record| (record.text.clone(), record.ttl)),
    };
    // A record of the same type and name is the same one, changed.
    for record in came {
        let place = |other: &&RecordBlock| other.rr_type == record.rr_type && other.name == record.name;
        let before = gone.iter().position(place).map(|at| gone.remove(at));
        out.differences.push(difference(record, before, Some(record)));
    }
    for record in gone {
        out.differences.push(difference(record, Some(record), None));
    }
}

fn of(section: &Section) -> impl Iterator<Item = &RecordBlock> {
    section.blocks.iter().filter_map(|block| match block {
        Block::Record(record) => Some(record),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    fn report(records: &[(&str, u32)], state: State) -> Report {
        let mut section = Section::new("dmarc", "DMARC");
        section.state = state;
        for (text, ttl) in records {
            section.blocks.push(Block::Record(RecordBlock {
                name: "_dmarc.example.org".into(),
                host: "_dmarc".into(),
                rr_type: "TXT".into(),
                priority: None,
                ttl: Some(*ttl),
                text: (*text).into(),
                marks: Vec::new(),
                lookup: None,
            }));
        }
        Report {
            mxray: "test",
            schema: 1,
            kind: "domain",
            target: "example.org".into(),
            at: time::OffsetDateTime::UNIX_EPOCH,
            elapsed_ms: 1.0,
            worst: Severity::Ok,
            verdict: Vec::new(),
            summary: None,
            since: None,
            sections: vec![section],
            lookups: Vec::new(),
        }
    }

    #[test]
    fn what_a_resolver_still_keeps_stands_beside_what_is_published() {
        let kept = report(&[("v=DMARC1; p=none", 120)], State::Ok);
        let published = report(&[("v=DMARC1; p=reject", 3600)], State::Ok);
        let compared = compare((&kept, "resolver"), (&published, "ns1"));
        let [difference] = compared.differences.as_slice() else { panic!("{compared:?}") };
        assert_eq!(difference.before, Some(("v=DMARC1; p=none".to_owned(), Some(120))));
        assert_eq!(difference.now, Some(("v=DMARC1; p=reject".to_owned(), Some(3600))));
    }

    #[test]
    fn another_ttl_is_no_difference_and_an_unseen_section_is_not_compared() {
        let kept = report(&[("v=DMARC1; p=none", 120)], State::Ok);
        let compared = compare((&kept, "a"), (&report(&[("v=DMARC1; p=none", 3600)], State::Ok), "b"));
        assert_eq!((compared.same, compared.differences.len()), (1, 0));
        let compared = compare((&kept, "a"), (&report(&[], State::Unknown), "b"));
        assert_eq!((compared.unseen.as_slice(), compared.differences.len()), (&["DMARC"][..], 0));
    }
}

//! What the job knows of TXT, in the form of mail-auth's caches, so that an opinion that needs nothing else asks nobody.
//!
//! Its caches have no word for "no such address": whoever is asked for one notes it, and the [`super::forwarder`] is asked
//! instead.

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

use hickory_resolver::proto::op::ResponseCode;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::{DnsError, DnssecStatus, Error, RecordSet, ResolverCache, Txt};

use crate::check::{Answer, DnsAnswer, Evidence, Kind, Look, Outcome, Query};

/// The TXT answers of a job's evidence, each read as `T` where it can be, and a note of what they could not answer.
pub(super) struct Known {
    texts: HashMap<Box<str>, Txt>,
    lacks: Cell<bool>,
}

impl Known {
    /// Reads every TXT answer as one kind of record.
    pub(super) fn read<T: TxtRecordParser + Into<Txt>>(evidence: &Evidence) -> Known {
        let texts = evidence.iter().filter_map(|(query, entry)| match (query, &*entry.answer) {
            (Query::Dns { name, kind: Kind::Txt }, Answer::Dns(answer)) => {
                let name = name.as_str().trim_end_matches('.').to_ascii_lowercase();
                Some((format!("{name}.").into(), text::<T>(answer)?))
            }
            _ => None,
        });
        Known { texts: texts.collect(), lacks: Cell::new(false) }
    }

    /// Whether something was asked that is not here.
    pub(super) fn lacks(&self) -> bool {
        self.lacks.get()
    }
}

/// One answer as mail-auth would have read it: the first record that it can parse.
fn text<T: TxtRecordParser + Into<Txt>>(answer: &DnsAnswer) -> Option<Txt> {
    match answer.look() {
        Look::Unknown(_) => None,
        Look::Absent(_) => {
            let code =
                if answer.outcome == Outcome::NoSuchName { ResponseCode::NXDomain } else { ResponseCode::NoError };
            Some(Txt::Error(Error::Dns(DnsError::RecordNotFound(code))))
        }
        Look::Found(_) => {
            let mut read = Err(Error::Dns(DnsError::InvalidRecordType));
            for text in answer.texts() {
                read = T::parse(&text);
                if read.is_ok() {
                    break;
                }
            }
            Some(read.map_or_else(Txt::Error, |read| read.into()))
        }
    }
}

impl ResolverCache<Box<str>, Txt> for Known {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.texts.get(name).cloned();
        self.lacks.set(self.lacks.get() || found.is_none());
        Some(found.unwrap_or_else(|| Txt::Error(Error::Dns(DnsError::Resolver("not in this job's evidence".into())))))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Addresses, mail exchangers and reverse names: never answered, always noted.
pub(super) struct NotHere<'k>(pub(super) &'k Known);

impl<K, V> ResolverCache<K, RecordSet<V>> for NotHere<'_> {
    fn get<Q>(&self, _: &Q) -> Option<RecordSet<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lacks.set(true);
        Some(RecordSet { rrset: Vec::new().into(), dnssec_status: DnssecStatus::default() })
    }

    fn remove<Q>(&self, _: &Q) -> Option<RecordSet<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: K, _: RecordSet<V>, _: Instant) {}
}

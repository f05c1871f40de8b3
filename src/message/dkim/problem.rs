//! What can be wrong in a signature's field by itself, and which word RFC 8601 has for it.

use super::signature::MAX_BYTES;
use crate::finding::Span;

/// Something wrong in a signature, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// Where, in the text of the signature.
    pub span: Option<Span>,
}

/// What can be wrong in a signature by itself, before any key or hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A required tag is not there.
    Missing(&'static str),
    /// A tag stands twice.
    Duplicate,
    /// A part is no `name=value`.
    NotATag,
    /// `v=` is not 1.
    Version,
    /// A tag's value does not fit its grammar.
    BadValue(&'static str),
    /// `a=`, `c=` or `q=` names what we do not know.
    Unknown(&'static str),
    /// The domain of `i=` is neither `d=` nor below it.
    IdentityOutside,
    /// `h=` lacks From.
    FromUnsigned,
    /// `x=` is not later than `t=`.
    ExpiresBeforeSigned,
    /// `selector._domainkey.domain` is no name that DNS can carry.
    NoKeyName,
    /// An ARC seal has a tag that it must not have.
    Forbidden(&'static str),
    /// The field is longer than any signature needs.
    TooLong,
}

impl ProblemKind {
    /// Whether RFC 8601's word for it is `permerror`; the others are `neutral` (see the table in [`super`]).
    pub fn is_permerror(&self) -> bool {
        match self {
            ProblemKind::Duplicate
            | ProblemKind::FromUnsigned
            | ProblemKind::ExpiresBeforeSigned
            | ProblemKind::NoKeyName => true,
            ProblemKind::Missing(_)
            | ProblemKind::NotATag
            | ProblemKind::Version
            | ProblemKind::BadValue(_)
            | ProblemKind::Unknown(_)
            | ProblemKind::IdentityOutside
            | ProblemKind::Forbidden(_)
            | ProblemKind::TooLong => false,
        }
    }

    /// In words that can stand after "pass" or "fail".
    pub fn reason(&self) -> String {
        match self {
            ProblemKind::Missing(tag) => format!("the required tag {tag}= is missing"),
            ProblemKind::Duplicate => "a tag stands twice".into(),
            ProblemKind::NotATag => "a part of it is not name=value".into(),
            ProblemKind::Version => "its v= is not 1".into(),
            ProblemKind::BadValue(tag) => format!("{tag}= cannot be read"),
            ProblemKind::Unknown(tag) => format!("{tag}= names something that we do not know"),
            ProblemKind::IdentityOutside => "i= is neither d= nor below it".into(),
            ProblemKind::FromUnsigned => "From is not signed".into(),
            ProblemKind::ExpiresBeforeSigned => "x= is not later than t=".into(),
            ProblemKind::NoKeyName => "s= and d= make no name that DNS can carry".into(),
            ProblemKind::Forbidden(tag) => format!("it has {tag}=, which a seal must not have"),
            ProblemKind::TooLong => format!("it is longer than {} KiB", MAX_BYTES / 1024),
        }
    }
}

//! DKIM signatures (RFC 6376, 8301, 8463, 8616), every one judged by our own canonicalisation and evaluation; ring does
//! the crypto.
//!
//! # One word for each outcome
//! The words are RFC 8601's (§2.7.1); the first line that applies decides.
//!
//! | what was seen | word |
//! |---|---|
//! | a tag twice; From unsigned; `x=` not later than `t=`; a key name that DNS cannot carry | `permerror` |
//! | another syntax error; an unknown `v=`, `a=`, `c=`, `q=`; `i=` outside of `d=`; a header too large to read | `neutral` |
//! | `l=` counts more bytes than the body has | `permerror` |
//! | the body hash does not match | `fail` |
//! | no key, a revoked one, one that cannot be read, or whose `k= h= s= t=s` forbid this signature | `permerror` |
//! | the key could not be looked at | `temperror` |
//! | the header signature does not verify | `fail` |
//! | it verifies, and the body was not pasted | `neutral` |
//! | it verifies, and we do not accept it: rsa-sha1, RSA below 1024 bits (RFC 8301), expired at receipt | `policy` |
//! | it verifies | `pass` |
//!
//! RFC 6376 §6.1 knows only PERMFAIL for most of these. A syntax error is `neutral` because RFC 8601 says so in so many
//! words; duplicate tags, an unsigned From and a contradiction of times are what it calls a required thing missing. An
//! expired signature MAY be refused (RFC 6376 §3.5), so refusing it is policy. Whatever decides, body hash and header
//! signature are both computed, and the key is fetched even when the hash fails: "these headers were signed, this body
//! was not" is the most useful sentence of all.

mod check;
mod cover;
mod crypto;
mod draw;
mod findings;
mod problem;
mod signature;
mod verify;

pub use check::Dkim;
pub(in crate::message) use check::{severity, signing_domains};
pub use cover::Cover;
pub(in crate::message) use cover::own_field;
pub use crypto::Math;
pub(in crate::message) use crypto::verify;
pub use problem::{Problem, ProblemKind};
pub use signature::{Algorithm, Flavor, Signature};
pub use verify::{BodyCheck, FoundKey, HeaderCheck, Judged, KeyLook, Verdict, judge_all};
pub(in crate::message) use verify::{judge, judge_seal};

/// How many signatures are judged. Mail through several gateways has some five; each costs a lookup and a computation.
pub const MAX_SIGNATURES: usize = 24;
/// How many TXT records at one selector are tried.
const MAX_KEYS: usize = 4;

#[cfg(test)]
mod tests;

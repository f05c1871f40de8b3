//! DKIM keys: what a domain publishes for others to verify its signatures by (RFC 6376 §3.6, RFC 8301, RFC 8463).

mod key;

pub use key::{GOOD_RSA_BITS, Key, KeyProblem, KeyProblemKind, KeyType, MIN_RSA_BITS, PublicKey};

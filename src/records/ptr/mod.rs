//! PTR: the reverse names of addresses (RFC 1035 §3.5, RFC 1912 §2.1), and whether they point back.

mod reverse;

pub use reverse::{Reverse, ReverseOutcome, fcrdns, looks_dynamic};

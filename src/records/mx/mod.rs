//! MX: where a domain's mail goes (RFC 5321 §5.1, RFC 7505).

mod names;

pub use names::{MxHost, MxSet, mx_names};

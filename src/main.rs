//! `mxray`: see the library for what it is.
fn main() {}

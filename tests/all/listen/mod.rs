//! mxray as a mail server: hostile clients against the real sockets, and `mxray listen` with its events.

mod cli;
mod hostile;
pub mod visits;

//! Messages whole: the corpus of independent signers, second opinions, hostile mail.

pub mod corpus;
mod demo;
mod hostile;
mod opinion;
mod opinion_sent;
mod wild;

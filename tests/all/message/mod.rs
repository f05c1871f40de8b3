//! Messages whole: the corpus of independent signers, second opinions, hostile mail.

mod corpus;
mod demo;
mod fuzz;
mod hostile;
mod opinion;

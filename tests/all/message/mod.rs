//! Messages whole: the corpus of independent signers, second opinions, hostile mail.

mod corpus;
mod hostile;
mod opinion;

//! The readers of foreign bytes, each with its seeds: one entry a room's door. A reader that is reached only through a check is
//! reached here the same way, with a world that answers every question out of the fuzzed bytes.

mod judged;
mod mail;
mod records;
mod smtp;
mod typed;

use time::OffsetDateTime;
use time::macros::datetime;

use super::{Target, sessions};
pub use judged::print;
use mail::{fields, fields_and_addresses, message, messages};
use records::{pasted, published, records};
use smtp::{certificate_of, certificates, dialogue, dialogues, imported, notes};
use typed::{files, files_of_ours, names, typed_words};

pub const ALL: [Target; 10] = [
    Target { name: "message", seeds: messages, run: message },
    Target { name: "fields", seeds: fields, run: fields_and_addresses },
    Target { name: "records", seeds: records, run: published },
    Target { name: "lint", seeds: records, run: pasted },
    Target { name: "reply", seeds: dialogues, run: dialogue },
    Target { name: "listen", seeds: sessions::seeds, run: sessions::run },
    Target { name: "import", seeds: notes, run: imported },
    Target { name: "certificate", seeds: certificates, run: certificate_of },
    Target { name: "names", seeds: names, run: typed_words },
    Target { name: "files", seeds: files, run: files_of_ours },
];

const NOW: OffsetDateTime = datetime!(2026-11-24 09:58:12 UTC);

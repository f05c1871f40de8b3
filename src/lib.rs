//! mxray is an X-ray for mail: one terminal program in which a person explores a domain's mail security, pastes a
//! suspicious email and sees it verified again, and watches an SMTP conversation live. All three stand on one
//! asynchronous lookup engine that everybody can see working.
//!
//! # Five sentences
//! 1. **A check asks questions and judges answers; it never goes out of the house.** [`check::Check::step`] is pure and
//!    synchronous: done, or waiting for what it has just asked.
//! 2. **One engine goes out.** [`engine`] alone has a network, a clock and tasks.
//! 3. **Everything ends in a [`report::Report`]**; screen, text, JSON and Markdown print the same value.
//! 4. **The screen is `update(&mut State, Event) -> Vec<Effect>` and `view(&State, &mut Frame)`**; one small runtime
//!    performs the effects.
//! 5. **Rooms are named after the subject** (records, message, smtp), not after the layer; inside a file the order is
//!    *parse, evaluate, suggest, tests*.
//!
//! # The rooms, and which way the arrows point
//! ```text
//! main ─► cli ─┐                                               finding, report, untrusted, name, job   (pure data)
//! main ─► tui ─┤─► engine ─► records, message, smtp ─► check ─►                                        (pure, no clock)
//!              └───────────► report, job                       message, smtp may use records
//!                print ─► report                                 (text, Markdown, JSON: cli prints them, tui copies them)
//!                lab ─► config                                 (the loopback mail internet: --demo and the tests)
//! ```
//!
//! # Invariants (held by `tests/all/house.rs`)
//! 1. `records message smtp check finding report job name` never name `engine tui cli lab tokio hickory reqwest`, a socket
//!    or a clock. Parsers of mail-auth and mail-parser are used inside `message/` and `records/` only; hickory's types stop
//!    at `engine/dns` and `lab/`, and at `engine/opinion`, where mail-auth asks a forwarder of ours on loopback.
//! 2. `tui` and `cli` never name each other. In `tui`, only `runtime` names `engine` and the clipboard.
//! 3. `view` takes `&State`; `update` returns effects; neither is async, neither reads a clock.
//! 4. The top-level modules form no cycle. No file is longer than 600 lines.
//! 5. A file in `records/ message/ smtp/ tui/panes/` that its list lacks fails the test.
//!
//! Deliberately absent: accounts, uploads, telemetry, following links, opening attachments, a build script, `unsafe`.

pub mod check;
pub mod cli;
pub mod config;
pub mod engine;
pub mod finding;
pub mod job;
pub mod lab;
pub mod message;
pub mod name;
pub mod print;
pub mod records;
pub mod report;
pub mod smtp;
pub mod tui;
pub mod untrusted;

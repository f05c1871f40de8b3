//! The one integration binary: each area is a module of its own beside this file.
#![cfg(test)]
#![expect(clippy::print_stdout, reason = "a suite says how many of its cases ran")]

mod audit;
mod cli;
mod conformance_arc;
mod conformance_spf;
mod conformance_spf_cli;
mod depth;
mod fixtures;
mod fuzz;
mod house;
mod job;
mod lab;
mod listen;
mod message;
mod peers;
mod policies;
mod policy_properties;
mod properties_spf;
mod published;
mod smtp_certificates;
mod smtp_hostile;
mod smtp_lab;
mod smtp_pipelining;
mod smtp_source;
mod smtp_stages;
mod tui;

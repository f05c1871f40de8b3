//! The one integration binary: each area is a module of its own beside this file.
mod conformance_spf;

//! `mxray`: reads the command line and opens the terminal program or writes reports. See the library for what it is.

use std::process::ExitCode;

use mxray::cli::{self, Request};

fn main() -> ExitCode {
    // rustls has no provider of its own here (ring is the one that we link), and reqwest panics without one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli::read(std::env::args_os()) {
        Ok(Request::Print(text)) => cli::print(&text),
        Ok(Request::Reports(reports)) => cli::run(*reports),
        Ok(Request::Screen(_)) => ExitCode::SUCCESS,
        Err(failure) => failure.end(),
    }
}

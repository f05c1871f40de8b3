//! `mxray`: reads the command line and opens the terminal program or writes reports. See the library for what it is.

use std::process::ExitCode;
use std::sync::Arc;

use mxray::cli::args::Color;
use mxray::cli::{self, Failure, Request, Screen};
use mxray::config::Settings;
use mxray::lab::Lab;
use mxray::tui::action::PaneId;
use mxray::tui::{self, Ended, Offer, Options, Prepared};

fn main() -> ExitCode {
    // rustls has no provider of its own here (ring is the one that we link), and reqwest panics without one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli::read(std::env::args_os()) {
        Ok(Request::Print(text)) => cli::print(&text),
        Ok(Request::Reports(reports)) => cli::run(*reports),
        Ok(Request::Listen(listening)) => cli::listen(*listening),
        Ok(Request::Screen(screen)) => show(*screen),
        Err(failure) => failure.end(),
    }
}

/// Opens the terminal program.
fn show(screen: Screen) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Job(format!("no threads can be started: {error}")).end(),
    };
    let ended = runtime.block_on(tui::run(options(screen)));
    // What is still under way is nobody's any more.
    runtime.shutdown_background();
    match ended {
        Ok(Ended::Quit) => ExitCode::SUCCESS,
        Ok(Ended::Signal(number)) => ExitCode::from(u8::try_from(128 + number).unwrap_or(128)),
        Err(error) => Failure::Job(error.to_string()).end(),
    }
}

fn options(screen: Screen) -> Options {
    let mut options = Options::new(screen.settings.clone());
    options.target = screen.target;
    options.message = screen.message;
    options.selectors = screen.selectors;
    options.only = screen.only;
    if let Some(name) = &screen.theme {
        options.theme = options.theme.named(name);
    }
    if screen.color == Color::Never {
        options.theme = options.theme.named("mono");
    }
    if screen.demo {
        options.offers = offers();
        let own = screen.settings;
        options.prepare = Box::pin(async move {
            let lab = Lab::start().await.map_err(|error| error.to_string())?;
            // The demo world's servers and certificates, with the person's patience and clock.
            let settings =
                Settings { timeout: own.timeout, now: own.now, concurrency: own.concurrency, ..lab.settings() };
            Ok(Prepared { settings, keep: Box::new(lab) })
        });
    }
    options
}

/// The demo world's tour: the domains that show most, what stands in an email and in a dialogue, then the rest.
fn offers() -> Vec<Offer> {
    let offer = |target: String, about: &str, pane, content: Option<&[u8]>| Offer {
        target,
        about: about.to_owned(),
        pane,
        content: content.map(Arc::from),
    };
    let mut offers: Vec<Offer> = Lab::targets()
        .iter()
        .map(|place| match place.domain.ends_with(".servers.example") {
            true => offer(format!("smtp {}", place.domain), place.about, PaneId::Smtp, None),
            false => offer(place.domain.to_owned(), place.about, PaneId::Domain, None),
        })
        .collect();
    let messages = Lab::messages()
        .iter()
        .map(|message| offer(format!("message {}", message.name), message.about, PaneId::Message, Some(message.raw)));
    let dialogue = "a conversation written down, with its slips found";
    let written = offer("dialogue".to_owned(), dialogue, PaneId::Smtp, Some(Lab::transcript().as_bytes()));
    let tail = offers.split_off(offers.len().min(3));
    offers.extend(messages.chain([written]));
    offers.extend(tail);
    offers
}

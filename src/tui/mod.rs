//! The screen: `update(&mut State, Event) -> Vec<Effect>` and `view(&State, &mut Frame)`; one small runtime performs the
//! effects. Only [`runtime`] names the engine, the clipboard and the terminal; nothing here reads a clock or waits.

pub mod action;
pub mod compare;
pub mod document;
pub mod effect;
pub mod event;
pub mod inquiry;
pub mod keymap;
pub mod listening;
pub mod panes;
mod runtime;
pub mod state;
pub mod target;
pub mod theme;
pub mod update;
pub mod view;
pub mod viewer;
pub mod what_if;
pub mod widgets;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::Settings;

pub use keymap::key_table;
pub use runtime::run;
pub use theme::{Palette, Theme};

/// What the screen starts with.
pub struct Options {
    /// What to look at first, as it was typed: a domain, an address, a message file, `host:port`; nothing opens the line.
    pub target: Option<String>,
    /// A message that was read from standard input.
    pub message: Option<Arc<[u8]>>,
    /// DKIM selectors that the person named.
    pub selectors: Vec<String>,
    /// The checks to run; empty: all.
    pub only: Vec<String>,
    /// Colours and signs.
    pub theme: Theme,
    /// What to offer on the start screens (the demo world's).
    pub offers: Vec<Offer>,
    /// Yields the engine's settings; polled after the first frame, so that a demo world may take its time to start.
    pub prepare: Prepare,
}

/// Something worth a look, offered on the start screens.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// What to type for it.
    pub target: String,
    /// What there is to see, in half a sentence.
    pub about: String,
    /// The pane that it opens in.
    pub pane: action::PaneId,
    /// The message or the written dialogue itself.
    pub content: Option<Arc<[u8]>>,
}

/// A future that yields what the engine needs, or why there will be none.
pub type Prepare = Pin<Box<dyn Future<Output = Result<Prepared, String>> + Send>>;

/// What the engine is made of once it is ready.
pub struct Prepared {
    /// The engine's settings.
    pub settings: Settings,
    /// Whatever must live as long as the screen does (the demo world).
    pub keep: Box<dyn Any + Send>,
}

impl Options {
    /// Options for settings that are there already.
    pub fn new(settings: Settings) -> Options {
        Options {
            target: None,
            message: None,
            selectors: Vec::new(),
            only: Vec::new(),
            theme: Theme::from_environment(|key| std::env::var(key).ok()),
            offers: Vec::new(),
            prepare: Box::pin(async { Ok(Prepared { settings, keep: Box::new(()) }) }),
        }
    }
}

/// Why the screen cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Standard output is not a terminal.
    #[error("standard output is no terminal; use `mxray domain NAME` for a report without the screen")]
    NoTerminal,
    /// The terminal refused.
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] std::io::Error),
}

/// How the screen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person quit.
    Quit,
    /// A signal ended it; the process should exit with 128 plus this number.
    Signal(i32),
}

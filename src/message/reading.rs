//! How far the reading of a message has come. Whoever lets it be read hears of it now and then, and may end it; the engine
//! does both, because it alone has a clock.

use std::cell::Cell;

/// How many bytes are hashed between two tellings.
const EVERY: u64 = 1 << 20;

/// Where the reading stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// What is being done, for a person.
    pub doing: &'static str,
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub of: u64,
}

/// Whoever hears how far the reading has come.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    /// Says whether to go on.
    tell: &'a dyn Fn(Reached) -> bool,
}

/// It was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped;

impl<'a> Watch<'a> {
    /// Tells this one.
    pub fn of(tell: &'a dyn Fn(Reached) -> bool) -> Watch<'a> {
        Watch { tell }
    }

    /// Tells where the reading stands.
    pub fn reached(&self, doing: &'static str, done: u64, of: u64) -> Result<(), Stopped> {
        if (self.tell)(Reached { doing, done, of }) { Ok(()) } else { Err(Stopped) }
    }

    /// A counter of bytes that are hashed.
    pub fn hashing(self, of: u64) -> Hashing<'a> {
        Hashing { watch: self, of, done: Cell::new(0), told: Cell::new(0), stopped: Cell::new(false) }
    }
}

/// Counts hashed bytes.
pub(super) struct Hashing<'a> {
    watch: Watch<'a>,
    of: u64,
    done: Cell<u64>,
    told: Cell<u64>,
    stopped: Cell<bool>,
}

impl Hashing<'_> {
    /// These bytes come next; false when nobody wants the hash any more.
    pub fn go_on(&self, bytes: usize) -> bool {
        let done = self.done.get() + bytes as u64;
        self.done.set(done);
        if done - self.told.get() >= EVERY && !self.stopped.get() {
            self.told.set(done);
            self.stopped.set(self.watch.reached("hashing the body", done.min(self.of), self.of).is_err());
        }
        !self.stopped.get()
    }

    /// Whether it went to its end.
    pub fn end(&self) -> Result<(), Stopped> {
        if self.stopped.get() { Err(Stopped) } else { Ok(()) }
    }
}

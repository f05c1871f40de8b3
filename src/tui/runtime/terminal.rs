//! Taking the terminal and giving it back, whatever happens: quitting, a signal, a panic.

use std::io::{self, IsTerminal, Stdout, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use crossterm::cursor;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::queue;
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};
use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::tui::TuiError;

/// How long a stop may be in coming.
const NOBODY_STOPS_US: Duration = Duration::from_millis(200);

/// Whether the terminal is ours right now; the panic hook and [`Screen::leave`] give it back once.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The thread that took it, and that draws: nobody can be told on the screen of what breaks there.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);
/// Where panics of other threads are told.
static BROKEN: Mutex<Option<mpsc::Sender<String>>> = Mutex::new(None);

/// The terminal while it is ours.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Frames>>,
}

impl Screen {
    /// Takes the terminal.
    pub fn enter() -> Result<Screen, TuiError> {
        if !io::stdout().is_terminal() {
            return Err(TuiError::NoTerminal);
        }
        terminal::enable_raw_mode()?;
        *OWNER.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(std::thread::current().id());
        TAKEN.store(true, Ordering::SeqCst);
        hook();
        let mut frames = Frames { out: io::stdout(), pending: Vec::with_capacity(16 * 1024) };
        queue!(frames, EnterAlternateScreen, EnableBracketedPaste, EnableMouseCapture, cursor::Hide)?;
        let terminal = Terminal::new(CrosstermBackend::new(frames));
        match terminal {
            Ok(terminal) => Ok(Screen { terminal }),
            Err(error) => {
                give_back();
                Err(error.into())
            }
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        self.terminal.size().map_or((80, 24), |size| (size.width, size.height))
    }

    /// Draws one frame: one write, between the marks of a synchronized update.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(render).map(|_| ())
    }

    /// The next frame is drawn whole, in the window's size. ratatui's `clear` would ask the terminal where its cursor is, and
    /// who reads the keys would get the answer.
    pub fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// The window has another size.
    pub fn resized(&mut self) {
        let _ = self.terminal.autoresize();
    }

    /// Writes something that is no frame.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Gives the terminal back for a while, to a program that is started in it.
    pub fn suspend(&mut self) {
        give_back();
    }

    /// Takes the terminal again; the next frame is drawn whole.
    pub fn resume(&mut self) -> io::Result<()> {
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        queue!(
            self.terminal.backend_mut(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableMouseCapture,
            cursor::Hide
        )?;
        self.clear()
    }

    /// Gives the terminal back.
    pub fn leave(self) {
        give_back();
    }
}

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        // After a hang-up nobody reads this; there is nothing else to do then.
        let _ = queue!(
            out,
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = out.flush();
        let _ = terminal::disable_raw_mode();
    }
}

/// A panic of the thread that draws gives the terminal back and then speaks; one of another thread is told on the screen, because
/// its job alone is lost.
fn hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let owner = *OWNER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if owner == Some(std::thread::current().id()) || !TAKEN.load(Ordering::SeqCst) {
            give_back();
            before(panic);
            return;
        }
        let sender = BROKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(sender) = sender.as_ref() {
            // A full channel means that one is being told already.
            let _ = sender.try_send(panic.to_string());
        }
    }));
}

/// What breaks in other threads; 8 at a time are enough to know that it is bad.
pub fn broken() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(8);
    *BROKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(sender);
    receiver
}

/// Signals that end the program, as their numbers, and the one that says that it goes on after a stop. SIGHUP too: a reader
/// of a terminal that hung up would spin for ever.
pub fn signals() -> io::Result<mpsc::Receiver<i32>> {
    let (sender, receiver) = mpsc::channel(4);
    let goes_on = SignalKind::from_raw(Signal::CONT.as_raw());
    let ends = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()];
    for kind in ends.into_iter().chain([goes_on]) {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() && sender.send(kind.as_raw_value()).await.is_ok() {}
        });
    }
    Ok(receiver)
}

/// Whether a signal says that the shell lets us go on.
pub fn is_continue(number: i32) -> bool {
    number == Signal::CONT.as_raw()
}

/// Stops this program, and whoever was started with it (`cargo run` must stop too, or the shell waits for it), until the shell
/// lets it go on; a signal that ends it instead is returned. Where no shell controls the terminal the system does not stop
/// it, and this returns soon.
pub async fn stop(signals: &mut mpsc::Receiver<i32>) -> Option<i32> {
    if kill_current_process_group(Signal::TSTP).is_err() {
        return None;
    }
    // The stop may come a moment later than the call ends: only the signal to go on says that it is over.
    match tokio::time::timeout(NOBODY_STOPS_US, signals.recv()).await {
        Ok(Some(number)) if !is_continue(number) => Some(number),
        _ => None,
    }
}

/// Whether a signal is one that keys send (Ctrl-C, Ctrl-\): while another program has the terminal, it means that one.
pub fn is_from_a_key(number: i32) -> bool {
    [SignalKind::interrupt(), SignalKind::quit()].iter().any(|kind| kind.as_raw_value() == number)
}

/// Collects what a frame writes and sends it at once.
struct Frames {
    out: Stdout,
    pending: Vec<u8>,
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.pending.len() + 16);
        queue!(whole, BeginSynchronizedUpdate)?;
        whole.append(&mut self.pending);
        queue!(whole, EndSynchronizedUpdate)?;
        self.out.write_all(&whole)?;
        self.out.flush()
    }
}

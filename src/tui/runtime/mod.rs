//! The one impure part of the screen: it reads the terminal, performs effects and draws. Keys have their own bounded
//! channel and are served first; everything that is ready is taken in, then one frame is drawn. When nothing happens,
//! nothing runs: no timer, no byte.

mod clipboard;
mod editor;
mod input;
mod terminal;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::{Settings, Upstream};
use crate::engine::listen::{Listener, Mailbox};
use crate::engine::{Engine, Outbox};
use crate::job::{Job, JobId};
use crate::tui::effect::{Draft, Effect};
use crate::tui::event::{Delivery, Event};
use crate::tui::state::State;
use crate::tui::update::{go, settle, start, update};
use crate::tui::view::view;
use crate::tui::{Ended, Options, Prepare, TuiError};
use clipboard::Clipboard;
use terminal::Screen;

/// What jobs tell is drawn at most so often; keys are drawn at once. Half a frame of a terminal at 60 Hz: a line that comes
/// just behind a drawing waits so long and is then drawn, and both together must stay within one frame.
const FRAME: Duration = Duration::from_millis(8);
/// A file larger than this is not read: a message of 100 MB is hostile already.
const LARGEST_FILE: u64 = 256 * 1024 * 1024;

/// Shows the screen until the person quits or a signal ends it. Must run on a multi-threaded tokio runtime, on the
/// process's main thread; the terminal is as it was when this returns, and after a panic.
pub async fn run(options: Options) -> Result<Ended, TuiError> {
    // Before the terminal is taken: a signal that comes with the first frame must find somebody who gives it back.
    let signals = terminal::signals()?;
    let mut screen = Screen::enter()?;
    let ended = Runtime::new(options, screen.size()).run(&mut screen, signals).await;
    screen.leave();
    ended
}

struct Runtime {
    state: State,
    engine: Option<Engine>,
    listener: Option<Listener>,
    outbox: Arc<Outbox>,
    /// Jobs and name servers that were asked for before the engine stood.
    waiting: Vec<Effect>,
    /// Whom the engine asked first.
    first_upstreams: Vec<Upstream>,
    /// What effects bring back; 64 are more than a person can start at once.
    outcomes: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    clipboard: Clipboard,
    prepare: Option<Prepare>,
    target: Option<String>,
    message: Option<Arc<[u8]>>,
    ended: Option<Ended>,
    /// What the editor is to open, once this batch of events is taken in.
    to_edit: Option<(JobId, Draft)>,
    /// Whether the shell is to have the terminal, once this batch of events is taken in.
    to_suspend: bool,
}

/// What came out of the preparation.
type Prepared = Result<(Engine, Vec<Upstream>, Box<dyn std::any::Any + Send>), String>;

impl Runtime {
    fn new(options: Options, (width, height): (u16, u16)) -> Runtime {
        let mut state = State::new(options.theme, width, height);
        state.shared.selectors = options.selectors;
        state.shared.only = options.only;
        state.shared.offers = options.offers;
        Runtime {
            state,
            engine: None,
            listener: None,
            outbox: Arc::default(),
            waiting: Vec::new(),
            first_upstreams: Vec::new(),
            outcomes: mpsc::channel(64),
            clipboard: Clipboard::default(),
            prepare: Some(options.prepare),
            target: options.target,
            message: options.message,
            ended: None,
            to_edit: None,
            to_suspend: false,
        }
    }

    async fn run(mut self, screen: &mut Screen, mut signals: mpsc::Receiver<i32>) -> Result<Ended, TuiError> {
        if self.target.is_none() && self.message.is_none() {
            start(&mut self.state);
        }
        settle(&mut self.state);
        screen.draw(|frame| view(&self.state, frame))?;

        // Only now, behind the first frame, does anything start that may take time.
        let mut keys = input::start();
        let mut broken = terminal::broken();
        let (ready, mut prepared) = mpsc::channel::<Prepared>(1);
        if let Some(prepare) = self.prepare.take() {
            tokio::spawn(async move {
                let made = match prepare.await {
                    Ok(prepared) => {
                        let upstreams = prepared.settings.upstreams.clone();
                        engine(prepared.settings).map(|engine| (engine, upstreams, prepared.keep))
                    }
                    Err(why) => Err(why),
                };
                // The receiver is gone only when the screen is.
                let _ = ready.send(made).await;
            });
        }
        self.first_effects();
        let mut keep: Option<Box<dyn std::any::Any + Send>> = None;
        let mut next_frame: Option<Instant> = Some(Instant::now());
        let mut last_frame = Instant::now();
        while self.ended.is_none() {
            let outbox = self.outbox.clone();
            let mailbox = self.listener.as_ref().map(|listener| listener.news().clone());
            let frame_at = next_frame.unwrap_or(last_frame);
            tokio::select! {
                biased;
                Some(number) = signals.recv() => {
                    if !terminal::is_continue(number) {
                        self.ended = Some(Ended::Signal(number));
                        break;
                    }
                    // We were stopped without being asked: whoever had the terminal meanwhile left it as it liked.
                    screen.suspend();
                    screen.resume()?;
                    next_frame = Some(Instant::now());
                }
                key = keys.recv() => match key {
                    Some(event) => {
                        self.take(event, screen);
                        while let Some(event) = keys.try_recv() {
                            self.take(event, screen);
                        }
                        next_frame = Some(Instant::now());
                    }
                    // The terminal is gone.
                    None => {
                        self.ended = Some(Ended::Signal(1));
                        break;
                    }
                },
                () = tokio::time::sleep_until(frame_at), if next_frame.is_some() => {}
                Some(event) = self.outcomes.1.recv() => {
                    self.take(event, screen);
                    next_frame = Some(Instant::now());
                }
                Some(made) = prepared.recv() => {
                    keep = self.prepared(made, screen).or(keep);
                    next_frame = Some(Instant::now());
                }
                Some(what) = broken.recv() => {
                    self.take(Event::Broke(what), screen);
                    next_frame = Some(Instant::now());
                }
                () = mail(mailbox.as_deref()) => {
                    self.take_mail(screen);
                    next_frame = next_frame.or(Some(last_frame + FRAME));
                }
                () = outbox.ready() => {
                    for (id, event) in outbox.drain() {
                        self.take(Event::Job(id, event), screen);
                    }
                    next_frame = next_frame.or(Some(last_frame + FRAME));
                }
            }
            if let Some((id, draft)) = self.to_edit.take() {
                // The editor reads the keys now, and nobody else.
                keys.stop().await;
                let edited = self.edit(draft, screen, &mut signals).await;
                keys = input::start();
                match edited {
                    Ok(text) => self.take(Event::Edited(id, text), screen),
                    Err(ended) => self.ended = Some(ended),
                }
                next_frame = Some(Instant::now());
            }
            if std::mem::take(&mut self.to_suspend) {
                // The shell reads the keys now, and nobody else.
                keys.stop().await;
                screen.suspend();
                if let Some(number) = terminal::stop(&mut signals).await {
                    self.ended = Some(Ended::Signal(number));
                    break;
                }
                screen.resume()?;
                keys = input::start();
                next_frame = Some(Instant::now());
            }
            if next_frame.is_some_and(|at| at <= Instant::now()) && self.ended.is_none() {
                for (id, event) in self.outbox.drain() {
                    self.take(Event::Job(id, event), screen);
                }
                self.take_mail(screen);
                settle(&mut self.state);
                screen.draw(|frame| view(&self.state, frame))?;
                last_frame = Instant::now();
                next_frame = None;
            }
        }
        drop(keep);
        Ok(self.ended.unwrap_or(Ended::Quit))
    }

    /// Gives the terminal to the person's editor and takes it back. A signal that means us ends both; Ctrl-C and Ctrl-\\ mean
    /// the editor.
    async fn edit(
        &mut self,
        draft: Draft,
        screen: &mut Screen,
        signals: &mut mpsc::Receiver<i32>,
    ) -> Result<Result<Arc<[u8]>, String>, Ended> {
        let Some(command) = editor::command() else {
            let why = "no editor: set $VISUAL or $EDITOR; or type the message line by line (i), a single dot ends it";
            return Ok(Err(why.to_owned()));
        };
        let (text, is_new): (Arc<[u8]>, bool) = match draft {
            Draft::New(transcript) => {
                let text = crate::smtp::outgoing::draft(&transcript, OffsetDateTime::now_utc());
                (Arc::from(text.into_bytes()), true)
            }
            Draft::Again(text) => (text, false),
        };
        screen.suspend();
        let mut writing = Box::pin(editor::write(&command, &text));
        let ended = loop {
            tokio::select! {
                written = &mut writing => break Ok(written),
                Some(number) = signals.recv() => {
                    if !terminal::is_from_a_key(number) && !terminal::is_continue(number) {
                        break Err(Ended::Signal(number));
                    }
                }
            }
        };
        if ended.is_ok()
            && let Err(error) = screen.resume()
        {
            return Ok(Err(format!("the terminal did not come back: {error}")));
        }
        match ended {
            Ok(Ok(written)) if is_new && written == text => {
                Ok(Err("the draft was left as it was; nothing is sent".to_owned()))
            }
            ended => ended,
        }
    }

    fn take_mail(&mut self, screen: &mut Screen) {
        let news = self.listener.as_ref().map(|listener| listener.news().drain()).unwrap_or_default();
        for news in news {
            self.take(Event::Listener(news), screen);
        }
    }

    fn first_effects(&mut self) {
        let effects = if let Some(bytes) = self.message.take() {
            update(&mut self.state, Event::Opened("standard input".into(), Ok(bytes)))
        } else if let Some(target) = self.target.take() {
            go(&mut self.state, &target)
        } else {
            Vec::new()
        };
        for effect in effects {
            self.outside(effect);
        }
    }

    fn take(&mut self, event: Event, screen: &mut Screen) {
        if let Event::Resize(..) = event {
            screen.resized();
        }
        for effect in update(&mut self.state, event) {
            self.perform(effect, screen);
        }
    }

    fn prepared(&mut self, made: Prepared, screen: &mut Screen) -> Option<Box<dyn std::any::Any + Send>> {
        match made {
            Ok((engine, upstreams, keep)) => {
                self.outbox = engine.outbox().clone();
                self.first_upstreams = upstreams;
                self.take(Event::Ready(engine.upstream_label()), screen);
                self.engine = Some(engine);
                for effect in std::mem::take(&mut self.waiting) {
                    self.outside(effect);
                }
                Some(keep)
            }
            Err(why) => {
                self.waiting.clear();
                self.take(Event::NoEngine(why), screen);
                None
            }
        }
    }

    fn perform(&mut self, effect: Effect, screen: &mut Screen) {
        match effect {
            Effect::Copy { what, text } => {
                if let Err((what, text)) = self.clipboard.copy(what, text, self.outcomes.0.clone()) {
                    self.copy_by_terminal(&what, &text, screen);
                }
            }
            Effect::CopyByTerminal { what, text } => self.copy_by_terminal(&what, &text, screen),
            // A terminal that fails here fails at the next frame, where it is told.
            Effect::Redraw => {
                let _ = screen.clear();
            }
            // The loop alone can let go of the keys.
            Effect::Edit { id, draft } => self.to_edit = Some((id, draft)),
            Effect::Suspend => self.to_suspend = true,
            other => self.outside(other),
        }
    }

    fn copy_by_terminal(&mut self, what: &str, text: &str, screen: &mut Screen) {
        let delivery = match clipboard::osc52(text, clipboard::multiplexer()) {
            Ok((bytes, through)) => match screen.write(&bytes) {
                Ok(()) => Delivery::Terminal { through },
                Err(error) => Delivery::Failed(error.to_string()),
            },
            Err(length) => Delivery::TooLong(length),
        };
        update(&mut self.state, Event::Copied(what.to_owned(), delivery));
    }

    /// Effects that do not touch the screen.
    fn outside(&mut self, effect: Effect) {
        match effect {
            Effect::Start(id, job) => match &self.engine {
                Some(engine) => begin(engine, id, job),
                None => self.waiting.push(Effect::Start(id, job)),
            },
            Effect::Cancel(id) => {
                self.waiting.retain(|effect| !matches!(effect, Effect::Start(other, _) if *other == id));
                if let Some(engine) = &self.engine {
                    engine.cancel(id);
                }
            }
            Effect::Say(id, next) => {
                let heard = self.engine.as_ref().is_some_and(|engine| engine.say(id, next));
                if !heard {
                    self.state.shared.warn("nobody listens: the dialogue has ended");
                }
            }
            Effect::Switch(upstreams) => match &self.engine {
                Some(engine) => {
                    // None means those that it started with: the demo world stays in its world.
                    engine.switch(if upstreams.is_empty() { self.first_upstreams.clone() } else { upstreams });
                    let label = engine.upstream_label();
                    update(&mut self.state, Event::Ready(label));
                }
                None => self.waiting.push(Effect::Switch(upstreams)),
            },
            Effect::Open(path) => self.bring(async move {
                let read = read(&path).await;
                Event::Opened(path, read)
            }),
            Effect::ReadClipboard => {
                if let Err(why) = self.clipboard.read(self.outcomes.0.clone()) {
                    update(&mut self.state, Event::FromClipboard(Err(why)));
                }
            }
            Effect::Listen(plan) => {
                // The one before gives its port back first.
                drop(self.listener.take());
                self.listener = Some(Listener::start(plan));
            }
            Effect::StopListening => drop(self.listener.take()),
            Effect::SaveMessage { path, message } => self.bring(async move {
                let saved = save(&path, &message, 0o600).await;
                Event::Saved(path, saved)
            }),
            Effect::Save { path, text } => self.bring(async move {
                let saved = save(&path, text.as_bytes(), 0o666).await;
                Event::Saved(path, saved)
            }),
            Effect::Quit => self.ended = Some(Ended::Quit),
            Effect::Copy { .. }
            | Effect::CopyByTerminal { .. }
            | Effect::Redraw
            | Effect::Edit { .. }
            | Effect::Suspend => {}
        }
    }

    fn bring(&self, work: impl Future<Output = Event> + Send + 'static) {
        let sender = self.outcomes.0.clone();
        tokio::spawn(async move {
            let _ = sender.send(work.await).await;
        });
    }
}

fn begin(engine: &Engine, id: JobId, job: Job) {
    engine.start(id, job);
}

fn engine(settings: Settings) -> Result<Engine, String> {
    Engine::new(settings).map_err(|error| error.to_string())
}

/// Reads a message; `~` is the home folder, `file://` and the backslashes of a dropped path are understood.
async fn read(path: &str) -> Result<Arc<[u8]>, String> {
    let mut plain = path.trim().strip_prefix("file://").unwrap_or(path.trim()).replace("\\ ", " ");
    if let (Some(rest), Ok(home)) = (plain.strip_prefix("~/"), std::env::var("HOME")) {
        plain = format!("{home}/{rest}");
    }
    let about = tokio::fs::metadata(&plain).await.map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("not a file".into());
    }
    if about.len() > LARGEST_FILE {
        return Err(format!("too large: {} MB; mxray reads up to {}", about.len() >> 20, LARGEST_FILE >> 20));
    }
    tokio::fs::read(&plain).await.map(Arc::from).map_err(|error| error.to_string())
}

/// Waits for news of the listener; without one, for ever.
async fn mail(mailbox: Option<&Mailbox>) {
    match mailbox {
        Some(mailbox) => mailbox.ready().await,
        None => std::future::pending().await,
    }
}

/// Writes a new file that may be read by those of `mode` and the umask.
async fn save(path: &str, bytes: &[u8], mode: u32) -> Result<(), String> {
    use tokio::io::AsyncWriteExt;
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    options.mode(mode);
    let mut file = options.open(path).await.map_err(|error| error.to_string())?;
    file.write_all(bytes).await.map_err(|error| error.to_string())?;
    file.flush().await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::clipboard::{Open, System};
    use super::*;
    use crate::tui::action::PaneId;
    use crate::tui::event::{MAX_PASTE, NoText};

    /// A clipboard that holds what its test wants.
    struct Held(fn() -> Result<String, NoText>);

    impl System for Held {
        fn put(&mut self, _: String) -> bool {
            false
        }

        fn take(&mut self) -> Result<String, NoText> {
            (self.0)()
        }
    }

    const MAIL: &str = "From: a@b.example\n\nHello\n";

    /// The state after `p` with this clipboard.
    async fn after_p(open: Option<Open>) -> (State, Vec<Effect>) {
        let mut runtime = Runtime::new(Options::new(Settings::default()), (100, 30));
        runtime.clipboard = Clipboard::of(open);
        let p = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Char('p'));
        for effect in update(&mut runtime.state, Event::Key(p)) {
            runtime.outside(effect);
        }
        let mut effects = Vec::new();
        if open.is_some() {
            let event = runtime.outcomes.1.recv().await.unwrap();
            effects = update(&mut runtime.state, event);
        }
        (runtime.state, effects)
    }

    fn notice(state: &State) -> &str {
        state.shared.notice.as_ref().map_or("", |notice| notice.text.as_str())
    }

    #[tokio::test]
    async fn p_takes_the_clipboards_text_as_a_paste() {
        let (state, effects) = after_p(Some(|| Some(Box::new(Held(|| Ok(MAIL.into())))))).await;
        assert_eq!(state.active, PaneId::Message);
        assert_eq!(state.shared.message.as_deref(), Some(MAIL.as_bytes()));
        assert!(matches!(effects.as_slice(), [Effect::Start(..)]), "{effects:?}");
        assert_eq!(notice(&state), "");
    }

    #[tokio::test]
    async fn a_clipboard_that_gives_no_text_says_why_and_what_to_do() {
        let (state, _) = after_p(None).await;
        assert!(notice(&state).contains("no clipboard can be reached") && notice(&state).contains("Ctrl-Shift-V"));
        let (state, _) = after_p(Some(|| None)).await;
        assert!(notice(&state).contains("no clipboard can be reached"));
        let (state, _) = after_p(Some(|| Some(Box::new(Held(|| Ok(String::new())))))).await;
        assert!(notice(&state).contains("holds no text"));
        let (state, _) = after_p(Some(|| Some(Box::new(Held(|| Err(NoText::Failed("it hung up".into()))))))).await;
        assert!(notice(&state).contains("it hung up"));
    }

    #[tokio::test]
    async fn more_than_a_paste_may_have_is_not_taken_in_part() {
        let (state, _) = after_p(Some(|| Some(Box::new(Held(|| Ok("z".repeat(MAX_PASTE + 1))))))).await;
        assert!(
            notice(&state).starts_with("NOT pasted: the clipboard holds 26 MB, more than the 25 MiB"),
            "{}",
            notice(&state)
        );
        assert!(state.shared.message.is_none());
    }
}

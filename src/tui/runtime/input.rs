//! Reading the terminal. Keys that arrive together are handed on together: whether they are typed ahead or a paste without
//! brackets is [`crate::tui::update`]'s to say.

use std::task::Poll;
use std::time::{Duration, Instant};

use crossterm::event::{Event as Terminal, EventStream, KeyCode, KeyEvent, KeyEventKind};
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::tui::event::{Event, MAX_PASTE};

/// So many keys at once are a burst: more of it is waited for.
const BURST: usize = 6;
/// A pause this long ends a burst, and what follows a bracketed paste within it belongs to the paste (its text held the end
/// marker).
const PAUSE: Duration = Duration::from_millis(30);
/// Keys that follow each other within this are no typing: a fast typist needs 30 ms, a repeating key as long.
const CLOSE: Duration = Duration::from_millis(8);
/// A burst of so many keys is a paste, and its pauses are those of the line: they may be longer.
const LONG: usize = 40;
const LONG_PAUSE: Duration = Duration::from_millis(150);

/// What the terminal sends, as long as this is kept.
pub struct Keys {
    receiver: mpsc::Receiver<Event>,
    task: tokio::task::JoinHandle<()>,
}

impl Keys {
    /// The next event; `None` when the terminal is gone.
    pub async fn recv(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// An event that is there already.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }

    /// Lets go of the terminal: whoever is started in it now has the keys.
    pub async fn stop(&mut self) {
        self.task.abort();
        // It ends by being cancelled; only that it has ended counts.
        let _ = (&mut self.task).await;
    }
}

/// Starts reading. Keys wait in a channel of 256: a person never fills it, a paste is one event.
pub fn start() -> Keys {
    let (sender, receiver) = mpsc::channel(256);
    let task = tokio::spawn(async move {
        let mut stream = EventStream::new();
        let mut next = stream.next().await;
        let mut alone: Option<(KeyEvent, Instant)> = None;
        while let Some(Ok(event)) = next.take() {
            let mut left_over = None;
            let sent = match event {
                Terminal::Key(key) if key.kind != KeyEventKind::Release => {
                    // A slow line or a busy machine brings a paste key by key at first: whoever follows the key before so
                    // closely is waited with, and the key before belongs to it.
                    let already = alone.take().filter(|(_, at)| at.elapsed() < CLOSE).map(|(key, _)| key);
                    let (keys, rest) = together(&mut stream, key, already.is_some()).await;
                    left_over = rest;
                    match keys.as_slice() {
                        [one] => {
                            alone = Some((*one, Instant::now()));
                            sender.send(Event::Key(*one)).await
                        }
                        _ => sender.send(Event::Keys { already, keys }).await,
                    }
                }
                Terminal::Paste(mut text) => {
                    while let Ok(Some(Ok(more))) = tokio::time::timeout(PAUSE, stream.next()).await {
                        match more {
                            Terminal::Key(key) => text.extend(character(&key)),
                            Terminal::Paste(more) => text.push_str(&more),
                            other => {
                                left_over = Some(other);
                                break;
                            }
                        }
                    }
                    sender.send(Event::Paste(text)).await
                }
                Terminal::Mouse(mouse) => sender.send(Event::Mouse(mouse)).await,
                Terminal::Resize(width, height) => sender.send(Event::Resize(width, height)).await,
                Terminal::Key(_) | Terminal::FocusGained | Terminal::FocusLost => Ok(()),
            };
            if sent.is_err() {
                return;
            }
            next = match left_over {
                Some(event) => Some(Ok(event)),
                None => stream.next().await,
            };
        }
    });
    Keys { receiver, task }
}

/// The key with all that follow it at once.
async fn together(stream: &mut EventStream, first: KeyEvent, patient: bool) -> (Vec<KeyEvent>, Option<Terminal>) {
    let mut keys = vec![first];
    loop {
        let pause = if keys.len() < LONG { PAUSE } else { LONG_PAUSE };
        let more = if keys.len() < BURST && !patient {
            // Polled with this task's own waker: the stream wakes the first waker that it sees, so one that does nothing
            // (`now_or_never`) would lose the next key.
            match futures::poll!(stream.next()) {
                Poll::Ready(more) => more,
                Poll::Pending => return (keys, None),
            }
        } else {
            match tokio::time::timeout(pause, stream.next()).await {
                Ok(more) => more,
                Err(_) => return (keys, None),
            }
        };
        match more {
            Some(Ok(Terminal::Key(key))) if key.kind == KeyEventKind::Release => {}
            Some(Ok(Terminal::Key(key))) if keys.len() < MAX_PASTE => keys.push(key),
            Some(Ok(other)) => return (keys, Some(other)),
            Some(Err(_)) | None => return (keys, None),
        }
    }
}

fn character(key: &KeyEvent) -> Option<char> {
    match key.code {
        KeyCode::Char(c) => Some(c),
        KeyCode::Enter => Some('\r'),
        KeyCode::Tab => Some('\t'),
        _ => None,
    }
}

//! A terminal with mxray in it: a real pty, a screen that remembers (vt100), and waiting for what must be seen, with a
//! deadline instead of sleeps. It answers the questions that a terminal is asked (attributes, cursor), as terminals do.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take: generous, because the machine may be busy; a test that passes does not wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// The milliseconds in which something must be drawn. What waits where it must not (a timer, an answer) takes longer than the
/// usual bound on the busiest machine; `MXRAY_STRICT=1` means two frames, for a quiet one, and `tests/measure.py` holds a
/// release build to the promise.
pub fn frames() -> f64 {
    if std::env::var_os("MXRAY_STRICT").is_some() { 2.0 * 16.7 } else { 150.0 }
}

/// What the terminal has received so far.
struct Received {
    parser: vt100::Parser,
    raw: Vec<u8>,
    closed: bool,
}

struct Shared {
    received: Mutex<Received>,
    news: Condvar,
}

/// The terminal and the program in it.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    shared: Arc<Shared>,
    before: String,
    /// What the program remembers from run to run goes here, and away.
    _home: tempfile::TempDir,
}

impl Terminal {
    /// Starts mxray with arguments in a terminal of so many columns and rows. The home directory is an empty one.
    pub fn start(arguments: &[&str], columns: u16, rows: u16) -> Terminal {
        Terminal::start_with(arguments, columns, rows, &[])
    }

    /// The same, with more environment.
    pub fn start_with(arguments: &[&str], columns: u16, rows: u16, environment: &[(&str, &str)]) -> Terminal {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_mxray"));
        command.args(arguments);
        Terminal::run(command, columns, rows, environment)
    }

    /// The demo with the SMTP pane in front and no line open.
    pub fn smtp_pane(columns: u16, rows: u16) -> Terminal {
        let terminal = Terminal::start(&["--demo"], columns, rows);
        terminal.wait_for_the_screen();
        terminal.wait_for("monsec.example");
        // one by one: Esc with a key behind it is Alt and that key
        terminal.send("\x1b");
        terminal.wait_for("q quit");
        terminal.send("3");
        terminal.wait_for("Watch a mail server talk");
        terminal
    }

    /// Another program than mxray.
    pub fn run(mut command: CommandBuilder, columns: u16, rows: u16, environment: &[(&str, &str)]) -> Terminal {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a pty");
        let before = settings(&*pair.master);
        command.env_clear();
        let home = tempfile::tempdir().expect("a home");
        command.env("HOME", home.path());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for (key, value) in environment {
            command.env(key, value);
        }
        let child = pair.slave.spawn_command(command).expect("mxray starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = Arc::new(Mutex::new(pair.master.take_writer().expect("a writer")));
        let parser = vt100::Parser::new(rows, columns, 0);
        let received = Mutex::new(Received { parser, raw: Vec::new(), closed: false });
        let shared = Arc::new(Shared { received, news: Condvar::new() });
        let (told, answers) = (shared.clone(), writer.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            // Linux says EIO when the last program has closed its side
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 {
                    break;
                }
                for (question, answer) in [(&b"\x1b[c"[..], &b"\x1b[?62;22c"[..]), (b"\x1b[6n", b"\x1b[1;1R")] {
                    if buffer[..length].windows(question.len()).any(|window| window == question) {
                        answers.lock().unwrap().write_all(answer).ok();
                    }
                }
                let mut received = told.received.lock().unwrap();
                received.parser.process(&buffer[..length]);
                received.raw.extend_from_slice(&buffer[..length]);
                told.news.notify_all();
            }
            told.received.lock().unwrap().closed = true;
            told.news.notify_all();
        });
        Terminal { master: pair.master, writer, child, shared, before, _home: home }
    }

    /// Types: the bytes go to the program as they stand.
    pub fn send(&self, keys: &str) {
        let mut writer = self.writer.lock().unwrap();
        writer.write_all(keys.as_bytes()).expect("the program reads");
        writer.flush().expect("the program reads");
    }

    /// Pastes, as a terminal with bracketed paste does: line ends become CR.
    pub fn paste(&self, text: &str) {
        let text = text.replace("\r\n", "\r").replace('\n', "\r");
        self.send(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.shared.received.lock().unwrap().parser.screen_mut().set_size(rows, columns);
        self.master.resize(size(columns, rows)).expect("a pty can be resized");
    }

    /// Waits until the screen shows what is looked for; the whole text of the screen then.
    pub fn wait_for(&self, what: &str) -> String {
        self.wait(&format!("{what:?}"), |screen| screen.contains(what))
    }

    /// Waits until the text of the screen is as it should be.
    pub fn wait(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        let seen = self.until(|received| {
            text = received.parser.screen().contents();
            is(&text)
        });
        assert!(seen, "never saw {what}; the screen is\n{text}");
        text
    }

    /// Waits until the program has put the terminal into its alternate screen.
    pub fn wait_for_the_screen(&self) {
        assert!(self.until(|received| received.parser.screen().alternate_screen()), "no alternate screen");
    }

    /// Waits until the program has left the alternate screen.
    pub fn wait_for_the_shell(&self) {
        assert!(self.until(|received| !received.parser.screen().alternate_screen()), "the screen is still taken");
    }

    /// Waits until the program has taken the alternate screen a second time.
    pub fn wait_for_the_screen_again(&self) {
        let enter = b"\x1b[?1049h";
        let taken = |raw: &[u8]| raw.windows(enter.len()).filter(|window| window == enter).count();
        assert!(self.until(|received| taken(&received.raw) > 1), "the screen is not taken again");
    }

    /// What another program writes to the same terminal.
    pub fn scribble(&self, text: &str) {
        self.shared.received.lock().unwrap().parser.process(text.as_bytes());
    }

    fn until(&self, mut is: impl FnMut(&Received) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut received: MutexGuard<'_, Received> = self.shared.received.lock().unwrap();
        loop {
            if is(&received) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || received.closed {
                return false;
            }
            received = self.shared.news.wait_timeout(received, left).unwrap().0;
        }
    }

    /// Sends the process a signal by its name (`TERM`).
    pub fn signal(&self, name: &str) {
        let id = self.child.process_id().expect("a process").to_string();
        let status = std::process::Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits for the end: its exit code; the terminal must be as it was found.
    pub fn ended(mut self) -> u32 {
        assert!(self.until(|received| received.closed), "it does not end; the screen is\n{}", self.text());
        let status = self.child.wait().expect("an exit status");
        let received = self.shared.received.lock().unwrap();
        let screen = received.parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is still on");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is still on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is still reported");
        drop(received);
        assert_eq!(settings(&*self.master), self.before, "the line settings changed");
        status.exit_code()
    }

    /// What the screen shows now.
    pub fn text(&self) -> String {
        self.shared.received.lock().unwrap().parser.screen().contents()
    }

    /// Whether some bytes were ever written to the terminal.
    pub fn ever_wrote(&self, bytes: &[u8]) -> bool {
        self.shared.received.lock().unwrap().raw.windows(bytes.len()).any(|window| window == bytes)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // only when a test failed before the program ended
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

/// The line discipline's settings, as text that can be compared.
fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

//! Makes the README's pictures: runs the real program on its demo world in a pseudo-terminal, types the keys of each scene,
//! and writes what stands on the screen as SVG. `cargo build --release && cargo run --release --example pictures`

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, bail, eyre};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// A scene: its file, the command line, its size, and what is waited for and typed in turn.
struct Scene {
    file: &'static str,
    arguments: &'static [&'static str],
    columns: u16,
    rows: u16,
    steps: &'static [Step],
}

enum Step {
    /// Wait until the screen shows this text.
    See(&'static str),
    /// Type these keys.
    Type(&'static str),
}
use Step::{See, Type};

const SCENES: &[Scene] = &[
    Scene { file: "start", arguments: &["--demo"], columns: 100, rows: 30, steps: &[See("monsec.example")] },
    Scene {
        file: "domain",
        arguments: &["--demo", "monsec.example"],
        columns: 100,
        rows: 32,
        steps: &[See("as of"), Type("jjjjjj"), See("RFC 8461")],
    },
    Scene {
        file: "message",
        arguments: &["--demo", "assets/demo/messages/phish.eml"],
        columns: 110,
        rows: 36,
        steps: &[See("NOTHING ASKED YET"), Type("a"), See("REJECT"), See("FAIL: body changed")],
    },
    Scene {
        file: "smtp",
        arguments: &["--demo", "mx.expired.servers.example:25"],
        columns: 110,
        rows: 36,
        steps: &[
            See("we closed"),
            Type(":"),
            See("Esc close"),
            Type("expired.servers.example\r"),
            See("10 mx.expired"),
            See("we closed"),
            Type("kkkkkkkkkk"),
            See("expired on"),
        ],
    },
    Scene {
        file: "listen",
        arguments: &["--demo"],
        columns: 110,
        rows: 32,
        steps: &[
            See("monsec.example"),
            Type("\x1b"),
            See("q quit"),
            Type("3"),
            See("let it be the server"),
            Type("l"),
            See("listen, and answer how?"),
            Type("\r"),
            See("127.0.0.1:2525 accept"),
            Type("\x15"),
            See("ADDR:PORT and the replies"),
            Type("127.0.0.1:0 accept\r"),
            See("m: mxray sends it"),
            Type("m"),
            See("1 message"),
        ],
    },
    Scene {
        file: "what-if",
        arguments: &["--demo", "monsec.example"],
        columns: 100,
        rows: 32,
        steps: &[
            See("as of"),
            Type("jjj"),
            See("include:_spf.google.example"),
            Type("w"),
            See("what if TXT"),
            Type("\x15"),
            See("w"),
            Type("v=spf1 a include:_spf.google.example ~all\r"),
            See("WHAT IF"),
        ],
    },
    Scene {
        file: "lookups",
        arguments: &["--demo", "monsec.example"],
        columns: 100,
        rows: 30,
        steps: &[See("DO FIRST"), Type("4"), See("_dmarc")],
    },
];

/// How long a scene may take to show what it waits for.
const PATIENCE: Duration = Duration::from_secs(20);
/// A screen that has not changed for so long is taken.
const STILL: Duration = Duration::from_millis(400);

fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pictures");
    std::fs::create_dir_all(&folder)?;
    for scene in SCENES {
        let screen = play(scene)?;
        std::fs::write(folder.join(format!("{}.svg", scene.file)), svg(&screen))?;
    }
    Ok(())
}

/// The screen at the end of the scene.
fn play(scene: &Scene) -> Result<vt100::Screen> {
    let example = std::env::current_exe()?;
    let program = example.parent().and_then(Path::parent).ok_or_else(|| eyre!("no build folder"))?.join("mxray");
    let size = PtySize { rows: scene.rows, cols: scene.columns, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).map_err(|why| eyre!("no pseudo-terminal: {why}"))?;
    let mut command = CommandBuilder::new(&program);
    command.args(scene.arguments);
    command.cwd(env!("CARGO_MANIFEST_DIR"));
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    command.env_remove("NO_COLOR");
    let mut child =
        pty.slave.spawn_command(command).map_err(|why| eyre!("cannot start {}: {why}", program.display()))?;
    drop(pty.slave);
    let mut keys = pty.master.take_writer().map_err(|why| eyre!("no way to type: {why}"))?;
    let output = read(pty.master.try_clone_reader().map_err(|why| eyre!("nothing to read: {why}"))?);
    let mut parser = vt100::Parser::new(scene.rows, scene.columns, 0);
    for step in scene.steps {
        match step {
            See(text) => wait(&mut parser, &output, text)?,
            Type(text) => keys.write_all(text.as_bytes())?,
        }
        settle(&mut parser, &output);
    }
    let screen = parser.screen().clone();
    let _ = child.kill();
    let _ = child.wait();
    Ok(screen)
}

/// What the program writes, piece by piece.
fn read(mut from: Box<dyn Read + Send>) -> Receiver<Vec<u8>> {
    // Sixty-four pieces of a screenful: the program waits when nobody looks.
    let (sender, receiver) = sync_channel(64);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer.get(..length).unwrap_or_default().to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn wait(parser: &mut vt100::Parser, output: &Receiver<Vec<u8>>, text: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !parser.screen().contents().contains(text) {
        match output.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(bytes) => parser.process(&bytes),
            Err(_) => bail!("{text:?} does not appear on\n{}", parser.screen().contents()),
        }
    }
    Ok(())
}

fn settle(parser: &mut vt100::Parser, output: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = output.recv_timeout(STILL) {
        parser.process(&bytes);
    }
}

const CELL: (f32, f32) = (8.4, 17.0);
const INK: &str = "#d4d4d8";
const PAPER: &str = "#16181d";
/// The sixteen colours of the terminal, in a palette of even brightness.
const PALETTE: [&str; 16] = [
    "#2a2d35", "#f0716b", "#7fc77a", "#e0b45c", "#6fa8f0", "#c58ae0", "#5fc4c4", "#c8ccd4", "#6b7280", "#ff8f88",
    "#9be096", "#f5cd7e", "#92c2ff", "#dcaaf3", "#84e0e0", "#f4f4f5",
];

fn svg(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let (width, height) = (f32::from(columns) * CELL.0 + 20.0, f32::from(rows) * CELL.1 + 20.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         font-family=\"'DejaVu Sans Mono','Menlo','Consolas',monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{PAPER}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let start = column;
            let (look, mut text) = cell(screen, row, column);
            column += 1;
            while column < columns && cell(screen, row, column).0 == look {
                text.push_str(&cell(screen, row, column).1);
                column += 1;
            }
            run(&mut out, &look, &text, (row, start, column));
        }
    }
    out.push_str("</svg>\n");
    out
}

/// How a cell looks: ink, paper, and whether it is bold, dim or underlined.
#[derive(PartialEq)]
struct Look {
    ink: String,
    paper: String,
    bold: bool,
    dim: bool,
    underlined: bool,
}

fn cell(screen: &vt100::Screen, row: u16, column: u16) -> (Look, String) {
    let Some(cell) = screen.cell(row, column) else {
        return (Look { ink: INK.into(), paper: PAPER.into(), bold: false, dim: false, underlined: false }, " ".into());
    };
    let (mut ink, mut paper) = (color(cell.fgcolor(), INK), color(cell.bgcolor(), PAPER));
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut paper);
    }
    let look = Look { ink, paper, bold: cell.bold(), dim: cell.dim(), underlined: cell.underline() };
    let text = if cell.is_wide_continuation() { "" } else { cell.contents() };
    (look, if text.is_empty() && !cell.is_wide_continuation() { " ".into() } else { text.to_owned() })
}

fn run(out: &mut String, look: &Look, text: &str, (row, start, end): (u16, u16, u16)) {
    let (x, y) = (f32::from(start) * CELL.0 + 10.0, f32::from(row) * CELL.1 + 10.0);
    let width = f32::from(end - start) * CELL.0;
    if look.paper != PAPER {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
            CELL.1, look.paper
        );
    }
    if text.trim().is_empty() && !look.underlined {
        return;
    }
    let mut style = String::new();
    for (on, attribute) in [
        (look.bold, " font-weight=\"bold\""),
        (look.dim, " opacity=\"0.6\""),
        (look.underlined, " text-decoration=\"underline\""),
    ] {
        if on {
            style.push_str(attribute);
        }
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{}\" textLength=\"{width:.1}\" xml:space=\"preserve\"{style}>{text}</text>",
        y + 13.0,
        look.ink
    );
}

fn color(color: vt100::Color, default: &str) -> String {
    match color {
        vt100::Color::Default => default.to_owned(),
        vt100::Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        vt100::Color::Idx(index) => match PALETTE.get(usize::from(index)) {
            Some(named) => (*named).to_owned(),
            None if index >= 232 => {
                let level = 8 + (index - 232) * 10;
                format!("#{level:02x}{level:02x}{level:02x}")
            }
            None => {
                let part = |n: u8| if n == 0 { 0 } else { 55 + n * 40 };
                let index = index - 16;
                format!("#{:02x}{:02x}{:02x}", part(index / 36), part(index / 6 % 6), part(index % 6))
            }
        },
    }
}

//! Colours as meanings. A drawing names what it wants to say ([`Look`]); the theme turns that into what this terminal can
//! show: true colour, the sixteen colours, or none. The words say everything already, so nothing is lost without colour.

use ratatui::style::{Color, Modifier, Style};

use crate::finding::Severity;
use crate::report::State;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Look {
    /// Ordinary text.
    #[default]
    Plain,
    /// Text that steps back: labels, hints, what was not reached.
    Dim,
    /// Text that steps forward.
    Strong,
    /// A heading.
    Heading,
    /// Present and right.
    Ok,
    /// Good to know.
    Note,
    /// Weaker than it should be.
    Warn,
    /// Broken or unsafe.
    Error,
    /// Surely not there.
    Absent,
    /// We could not look.
    Unknown,
    /// Still being asked.
    Running,
    /// A name that Enter follows.
    Link,
    /// A part of a record that is explained below it.
    Marked(Severity),
    /// A line that a suggestion adds.
    Added,
    /// A line that a suggestion takes away.
    Removed,
}

impl From<Severity> for Look {
    fn from(severity: Severity) -> Look {
        match severity {
            Severity::Ok => Look::Ok,
            Severity::Info => Look::Note,
            Severity::Warning => Look::Warn,
            Severity::Error => Look::Error,
        }
    }
}

impl From<State> for Look {
    fn from(state: State) -> Look {
        match state {
            State::Ok => Look::Ok,
            State::Info => Look::Note,
            State::Warning => Look::Warn,
            State::Error => Look::Error,
            State::Absent => Look::Absent,
            State::Unknown => Look::Unknown,
        }
    }
}

/// How many colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Palette {
    /// None: `NO_COLOR`, `TERM=dumb`, `--color never`.
    None,
    /// The terminal's own sixteen.
    #[default]
    Sixteen,
    /// The same on light ground, where yellow cannot be read.
    SixteenOnLight,
    /// 24-bit colours that can be read on dark and on light ground.
    True,
}

/// What this terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Theme {
    /// Its colours.
    pub palette: Palette,
    /// Whether only ASCII may be drawn by us (foreign text is shown as it is).
    pub ascii: bool,
}

impl Theme {
    /// Reads what the environment says: `NO_COLOR`, `TERM`, `COLORTERM` and the locale. `lookup` gives a variable's value.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Theme {
        let set = |key: &str| lookup(key).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let palette = if set("NO_COLOR").is_some() || term == "dumb" || term.ends_with("-m") {
            Palette::None
        } else if set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit") {
            Palette::True
        } else if set("COLORFGBG").is_some_and(|value| value.ends_with(";15") || value.ends_with(";7")) {
            Palette::SixteenOnLight
        } else {
            Palette::Sixteen
        };
        // The first of the three that is set decides (POSIX); none set is the C locale, but terminals without any locale
        // (containers, ssh) are UTF-8 today, so only a locale that names another charset turns our signs off.
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let utf8 = locale.is_empty() || {
            let lower = locale.to_ascii_lowercase();
            lower.contains("utf-8") || lower.contains("utf8") || lower == "c" && term != "linux"
        };
        Theme { palette, ascii: !utf8 || term == "dumb" }
    }

    /// The theme that a person named: `mono`, `sixteen`, `light` or `true`; another name changes nothing.
    pub fn named(self, name: &str) -> Theme {
        match name {
            "mono" | "none" => Theme { palette: Palette::None, ..self },
            "light" => Theme { palette: Palette::SixteenOnLight, ..self },
            "sixteen" | "16" => Theme { palette: Palette::Sixteen, ..self },
            "true" | "truecolor" => Theme { palette: Palette::True, ..self },
            _ => self,
        }
    }

    /// The style that shows a meaning here.
    pub fn style(self, look: Look) -> Style {
        let plain = Style::new();
        let attribute = match look {
            Look::Plain | Look::Ok | Look::Note | Look::Added | Look::Removed => plain,
            Look::Dim | Look::Absent => plain.add_modifier(Modifier::DIM),
            Look::Strong | Look::Heading => plain.add_modifier(Modifier::BOLD),
            Look::Warn | Look::Error | Look::Unknown => plain.add_modifier(Modifier::BOLD),
            Look::Running => plain.add_modifier(Modifier::ITALIC),
            Look::Link | Look::Marked(_) => plain.add_modifier(Modifier::UNDERLINED),
        };
        match self.palette {
            Palette::None => attribute,
            Palette::Sixteen | Palette::SixteenOnLight => match sixteen(look) {
                Some(Color::Yellow) if self.palette == Palette::SixteenOnLight => attribute.fg(Color::Magenta),
                Some(color) => attribute.fg(color),
                None => attribute,
            },
            Palette::True => match true_color(look) {
                Some((red, green, blue)) => attribute.remove_modifier(Modifier::DIM).fg(Color::Rgb(red, green, blue)),
                None => attribute,
            },
        }
    }

    /// The row under the cursor: reversed as a whole, so that it reads as one bar; the words keep what the colours said.
    pub fn cursor(self) -> Style {
        Style::new().fg(Color::Reset).remove_modifier(Modifier::DIM).add_modifier(Modifier::REVERSED)
    }

    /// The sign before a state's word.
    pub fn state_glyph(self, state: State) -> &'static str {
        match (state, self.ascii) {
            (State::Ok, false) => "✓",
            (State::Ok, true) => "+",
            (State::Info, false) => "•",
            (State::Info, true) => "*",
            (State::Warning, _) => "!",
            (State::Error, false) => "✗",
            (State::Error, true) => "X",
            (State::Absent, _) => "-",
            (State::Unknown, _) => "?",
        }
    }

    /// The sign before a severity's word.
    pub fn severity_glyph(self, severity: Severity) -> &'static str {
        self.state_glyph(severity.into())
    }

    /// The sign of what is still being asked.
    pub fn running_glyph(self) -> &'static str {
        if self.ascii { "~" } else { "…" }
    }

    /// The line between two regions.
    pub fn rule(self) -> &'static str {
        if self.ascii { "-" } else { "─" }
    }

    /// The line between left and right.
    pub fn wall(self) -> &'static str {
        if self.ascii { "|" } else { "│" }
    }
}

fn sixteen(look: Look) -> Option<Color> {
    Some(match look {
        Look::Plain | Look::Strong | Look::Dim | Look::Absent | Look::Running | Look::Marked(Severity::Ok) => {
            return None;
        }
        Look::Heading | Look::Link => Color::Cyan,
        Look::Ok | Look::Added => Color::Green,
        Look::Note | Look::Marked(Severity::Info) => Color::Blue,
        Look::Warn | Look::Marked(Severity::Warning) => Color::Yellow,
        Look::Error | Look::Removed | Look::Marked(Severity::Error) => Color::Red,
        Look::Unknown => Color::Magenta,
    })
}

/// Middle tones: at least 3:1 against both black and white.
fn true_color(look: Look) -> Option<(u8, u8, u8)> {
    Some(match look {
        Look::Plain | Look::Strong | Look::Marked(Severity::Ok) => return None,
        Look::Dim | Look::Absent | Look::Running => (0x85, 0x8c, 0x94),
        Look::Heading | Look::Link => (0x1f, 0x93, 0xa8),
        Look::Ok | Look::Added => (0x2f, 0x9a, 0x58),
        Look::Note | Look::Marked(Severity::Info) => (0x46, 0x86, 0xd6),
        Look::Warn | Look::Marked(Severity::Warning) => (0xb9, 0x83, 0x0a),
        Look::Error | Look::Removed | Look::Marked(Severity::Error) => (0xe0, 0x4b, 0x45),
        Look::Unknown => (0xb0, 0x68, 0xc8),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(pairs: &[(&str, &str)]) -> Theme {
        Theme::from_environment(|key| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn each_theme_that_can_be_set_is_one() {
        let odd = Theme { palette: Palette::SixteenOnLight, ascii: true };
        for name in crate::config::THEMES {
            let (one, other) = (odd.named(name), Theme::default().named(name));
            assert_eq!(one.palette, other.palette, "{name} depends on what was before: it is no theme");
        }
    }

    #[test]
    fn the_environment_decides_colours_and_signs() {
        assert_eq!(theme(&[("TERM", "xterm-256color"), ("LANG", "de_DE.UTF-8")]).palette, Palette::Sixteen);
        assert_eq!(theme(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]).palette, Palette::True);
        assert_eq!(theme(&[("TERM", "xterm"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")]).palette, Palette::None);
        assert_eq!(
            theme(&[("TERM", "xterm"), ("NO_COLOR", "")]).palette,
            Palette::Sixteen,
            "an empty NO_COLOR is unset"
        );
        assert_eq!(theme(&[("TERM", "xterm"), ("COLORFGBG", "0;15")]).palette, Palette::SixteenOnLight);
        assert_eq!(theme(&[("TERM", "dumb")]), Theme { palette: Palette::None, ascii: true });
        assert!(theme(&[("TERM", "xterm"), ("LANG", "de_DE.ISO-8859-1")]).ascii);
        assert!(!theme(&[("TERM", "xterm"), ("LANG", "de_DE.ISO-8859-1"), ("LC_ALL", "C.UTF-8")]).ascii);
    }

    #[test]
    fn without_colours_no_look_has_a_colour() {
        let theme = Theme { palette: Palette::None, ascii: true };
        for look in [Look::Error, Look::Warn, Look::Link, Look::Added, Look::Marked(Severity::Error), Look::Unknown] {
            assert_eq!(theme.style(look).fg, None);
        }
    }
}

//! One table: which keys do what, where, and the sentence that says so. Resolution, help, footer and README come from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::action::{Action, PaneId};

/// A key as the table writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character as it arrives, upper case for Shift.
    Char(char),
    /// A character with Ctrl.
    Ctrl(char),
    /// A key with a name.
    Named(KeyCode),
    /// A named key with Alt.
    Alt(KeyCode),
}

/// One line of the table.
pub struct Binding {
    /// The keys.
    pub keys: &'static [Key],
    /// How they are written for a person.
    pub label: &'static str,
    /// Where they work; empty: everywhere.
    pub panes: &'static [PaneId],
    /// What they do.
    pub action: fn() -> Action,
    /// One or two words for the footer; empty: help only.
    pub short: &'static str,
    /// The sentence for the help.
    pub help: &'static str,
}

use Key::{Alt, Char, Ctrl, Named};

const EVERYWHERE: &[PaneId] = &[];
const REPORTS: &[PaneId] = &[PaneId::Domain, PaneId::Message, PaneId::Smtp];

/// Every binding; the footer shows the first ones that are enabled, so the order is by use.
pub const BINDINGS: &[Binding] = &[
    bind(
        &[Named(KeyCode::Enter)],
        "Enter",
        EVERYWHERE,
        || Action::Enter,
        "open",
        "Open what is under the cursor: the section, the name (it is followed), or a finding's evidence",
    ),
    bind(
        &[Char('y')],
        "y",
        EVERYWHERE,
        || Action::CopyValue,
        "copy",
        "Copy the suggested value, or the published one, whichever the cursor is on",
    ),
    bind(
        &[Char('n')],
        "n",
        EVERYWHERE,
        || Action::CopyName,
        "name",
        "Copy the host name as a provider's form wants it",
    ),
    bind(
        &[Char('Y')],
        "Y",
        REPORTS,
        || Action::CopyForms,
        "forms",
        "Copy in another form: zone line, strings of 255 bytes, full name, the report",
    ),
    bind(&[Char('Z')], "Z", REPORTS, || Action::CopyZone, "zone", "Copy all suggestions as one zone snippet"),
    bind(
        &[Named(KeyCode::Tab)],
        "Tab",
        REPORTS,
        || Action::NextFinding,
        "next",
        "Go to the next finding or suggestion, section after section",
    ),
    bind(
        &[Named(KeyCode::BackTab)],
        "Shift-Tab",
        REPORTS,
        || Action::PreviousFinding,
        "",
        "Go to the finding or suggestion before",
    ),
    bind(&[Char('s')], "s", &[PaneId::Domain], || Action::Selector, "selector", "Try a DKIM selector that you know"),
    bind(
        &[Char('w')],
        "w",
        &[PaneId::Domain],
        || Action::WhatIf,
        "what if",
        "What if the record under the cursor said something else: edit a copy and see what would change; nothing is published",
    ),
    bind(
        &[Char('d')],
        "d",
        &[PaneId::Domain],
        || Action::DropTerm,
        "drop term",
        "What if the term of the SPF tree under the cursor were not there: the budget without it",
    ),
    bind(
        &[Char('a')],
        "a",
        &[PaneId::Message],
        || Action::Ask,
        "ask",
        "Ask what the message needs, of the servers that the strip names",
    ),
    bind(
        &[Char('x')],
        "x",
        &[PaneId::Message],
        || Action::Offline,
        "offline",
        "Keep the message offline, or let it ask again",
    ),
    bind(
        &[Char('v')],
        "v",
        &[PaneId::Message, PaneId::Smtp],
        || Action::CycleSource,
        "view",
        "Message: the next raw text, as it stands or as a signature covers it. SMTP: the dialogue or the report",
    ),
    bind(
        &[Char('u')],
        "u",
        &[PaneId::Message],
        || Action::Original,
        "original",
        "The message as it came, before any repair, with the line ends that it really has; again: back",
    ),
    bind(
        &[Char('b')],
        "b",
        &[PaneId::Message],
        || Action::Border,
        "border",
        "Say which Received line your own server wrote; SPF and trust follow",
    ),
    bind(
        &[Char('e')],
        "e",
        &[PaneId::Message, PaneId::Smtp],
        || Action::Envelope,
        "envelope",
        "Message: say the client's address, HELO and MAIL FROM yourself. SMTP: try MAIL FROM and RCPT TO; no message is sent",
    ),
    bind(
        &[Char('i')],
        "i",
        &[PaneId::Smtp],
        || Action::HandsOn,
        "type",
        "Type SMTP by hand: Tab completes what the server offered, secrets are masked, mistakes are told and not forbidden. Several lines pasted there go out pipelined, one by one, or all at once; asks before they do",
    ),
    bind(
        &[Char('h')],
        "h",
        &[PaneId::Smtp],
        || Action::HowToTalk,
        "how",
        "How to talk: when TLS starts, after which stage to QUIT, IPv4 or IPv6, LMTP, the EHLO name; talks again with what is chosen",
    ),
    bind(
        &[Char('l')],
        "l",
        &[PaneId::Smtp],
        || Action::Listen,
        "listen",
        "Listen as a mail server and watch what senders say, or stop it; it answers as you choose and delivers nothing",
    ),
    bind(
        &[Char('m')],
        "m",
        &[PaneId::Smtp],
        || Action::SendMessage,
        "message",
        "After DATA by hand: send the message of the message pane; asks before it does. Listening: open the captured message with the envelope that was seen; before one came, send the listener one for a try",
    ),
    bind(
        &[Char('c')],
        "c",
        &[PaneId::Smtp],
        || Action::Compose,
        "write",
        "After DATA by hand: write the message in your editor ($VISUAL or $EDITOR), then send it; asks before it does",
    ),
    bind(&[Char('t')], "t", &[PaneId::Smtp], || Action::Certificates, "certificates", "The certificates of each host"),
    bind(&[Char('r')], "r", REPORTS, || Action::AskAgain, "ask again", "Ask everything again, past the cache"),
    bind(
        &[Char('R')],
        "R",
        EVERYWHERE,
        || Action::Servers,
        "name servers",
        "Ask other name servers: IP[:PORT], tls://IP#NAME, https://HOST/path; system for the system's; authoritative: what the zone's own servers publish and what yours still keeps",
    ),
    bind(
        &[Char('o')],
        "o",
        EVERYWHERE,
        || Action::OpenFile,
        "open file",
        "Open a message file, a saved dialogue, or a saved report on a domain: what has changed since stands on top",
    ),
    bind(
        &[Char('/')],
        "/",
        EVERYWHERE,
        || Action::Search,
        "search",
        "Find text; / and Enter again finds the next; in the lookups it filters",
    ),
    bind(
        &[Char('t')],
        "t",
        &[PaneId::Lookups],
        || Action::NextJob,
        "next job",
        "Show the lookups of the next pane's job",
    ),
    bind(
        &[Char(':')],
        ":",
        EVERYWHERE,
        || Action::OpenLine,
        "go to",
        "Open the line: a domain, a URL, an address, host:port, or a message file",
    ),
    bind(
        &[Char('p')],
        "p",
        EVERYWHERE,
        || Action::PasteClipboard,
        "paste",
        "Take the text on the clipboard as a paste, without the terminal between",
    ),
    bind(
        &[Char('<'), Alt(KeyCode::Left)],
        "<",
        REPORTS,
        || Action::HistoryBack,
        "",
        "Back to what was looked at before",
    ),
    bind(&[Char('>'), Alt(KeyCode::Right)], ">", REPORTS, || Action::HistoryForward, "", "Forward again"),
    bind(
        &[Char('S')],
        "S",
        REPORTS,
        || Action::Save,
        "",
        "Save the report as JSON, or what was too long for the clipboard, to a new file",
    ),
    bind(&[Ctrl('x')], "Ctrl-X", REPORTS, || Action::Stop, "", "Stop the job that is under way"),
    bind(&[Named(KeyCode::Up), Char('k')], "Up k", EVERYWHERE, || Action::Up, "", "One row up"),
    bind(&[Named(KeyCode::Down), Char('j')], "Down j", EVERYWHERE, || Action::Down, "", "One row down"),
    bind(&[Named(KeyCode::Left)], "Left", EVERYWHERE, || Action::Left, "", "To the list of sections"),
    bind(&[Named(KeyCode::Right)], "Right", EVERYWHERE, || Action::Right, "", "To the details"),
    bind(&[Named(KeyCode::PageUp), Ctrl('b')], "PgUp", EVERYWHERE, || Action::PageUp, "", "A page up"),
    bind(&[Named(KeyCode::PageDown), Ctrl('f')], "PgDn", EVERYWHERE, || Action::PageDown, "", "A page down"),
    bind(&[Named(KeyCode::Home), Char('g')], "Home g", EVERYWHERE, || Action::Top, "", "To the first row"),
    bind(&[Named(KeyCode::End), Char('G')], "End G", EVERYWHERE, || Action::Bottom, "", "To the last row"),
    bind(&[Char(' ')], "Space", EVERYWHERE, || Action::Fold, "", "Open or close a tree node; elsewhere a page down"),
    bind(&[Char('[')], "[", REPORTS, || Action::ScrollLeft, "", "Long lines: to the left"),
    bind(&[Char(']')], "]", REPORTS, || Action::ScrollRight, "", "Long lines: to the right"),
    bind(&[Char('1')], "1", EVERYWHERE, || Action::Show(PaneId::Domain), "", "The domain pane"),
    bind(
        &[Char('2')],
        "2",
        EVERYWHERE,
        || Action::Show(PaneId::Message),
        "",
        "The message pane; a paste anywhere opens it",
    ),
    bind(&[Char('3')], "3", EVERYWHERE, || Action::Show(PaneId::Smtp), "", "The SMTP pane"),
    bind(
        &[Char('4')],
        "4",
        EVERYWHERE,
        || Action::Show(PaneId::Lookups),
        "",
        "The lookups pane: what was asked, when, of whom",
    ),
    bind(
        &[Named(KeyCode::Esc)],
        "Esc",
        EVERYWHERE,
        || Action::Back,
        "",
        "Back out of one thing (a message that is still being read, too); never quits",
    ),
    bind(&[Ctrl('l')], "Ctrl-L", EVERYWHERE, || Action::Redraw, "", "Draw everything anew"),
    bind(
        &[Ctrl('z')],
        "Ctrl-Z",
        EVERYWHERE,
        || Action::Suspend,
        "",
        "Back to the shell for a while, on the line too; fg brings it here again",
    ),
    bind(&[Char('?'), Named(KeyCode::F(1))], "?", EVERYWHERE, || Action::Help, "help", "Show the keys"),
    bind(&[Char('q'), Ctrl('c')], "q", EVERYWHERE, || Action::Quit, "quit", "Quit; asks when something would be lost"),
];

const fn bind(
    keys: &'static [Key],
    label: &'static str,
    panes: &'static [PaneId],
    action: fn() -> Action,
    short: &'static str,
    help: &'static str,
) -> Binding {
    Binding { keys, label, panes, action, short, help }
}

/// What `key` means in `pane`.
pub fn resolve(pane: PaneId, key: &KeyEvent) -> Option<Action> {
    let pressed = read(key)?;
    BINDINGS
        .iter()
        .find(|binding| works_in(binding, pane) && binding.keys.contains(&pressed))
        .map(|binding| (binding.action)())
}

/// Whether a binding works in a pane.
pub fn works_in(binding: &Binding, pane: PaneId) -> bool {
    binding.panes.is_empty() || binding.panes.contains(&pane)
}

fn read(key: &KeyEvent) -> Option<Key> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Char(c) if ctrl => Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(_) if alt => return None,
        KeyCode::Char(c) => Char(c),
        code if alt => Alt(code),
        code => Named(code),
    })
}

/// The table for the README and its test: keys, where they work, what they do.
pub fn key_table() -> Vec<(String, String, String)> {
    BINDINGS
        .iter()
        .map(|binding| {
            let panes: Vec<&str> = binding.panes.iter().map(|pane| pane_word(*pane)).collect();
            let place = if panes.is_empty() { "everywhere".to_owned() } else { panes.join(", ") };
            (binding.label.to_owned(), place, binding.help.to_owned())
        })
        .collect()
}

/// A pane's name.
pub fn pane_word(pane: PaneId) -> &'static str {
    match pane {
        PaneId::Domain => "Domain",
        PaneId::Message => "Message",
        PaneId::Smtp => "SMTP",
        PaneId::Lookups => "Lookups",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_pane() {
        for pane in PaneId::ALL {
            let mut seen: Vec<Key> = Vec::new();
            for binding in BINDINGS.iter().filter(|binding| works_in(binding, pane)) {
                for key in binding.keys {
                    assert!(!seen.contains(key), "{key:?} ({}) twice in {pane:?}", binding.label);
                    seen.push(*key);
                }
            }
        }
    }

    #[test]
    fn esc_is_never_quit_and_every_key_has_its_sentence() {
        let esc = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
        for pane in PaneId::ALL {
            assert_eq!(resolve(pane, &esc), Some(Action::Back));
        }
        assert!(BINDINGS.iter().all(|binding| binding.help.len() > 8 && !binding.label.is_empty()));
        assert_eq!(key_table().len(), BINDINGS.len());
    }

    #[test]
    fn a_key_works_only_in_its_panes() {
        let key = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::NONE);
        assert_eq!(resolve(PaneId::Domain, &key), Some(Action::Selector));
        assert_eq!(resolve(PaneId::Message, &key), None);
        let shifted = KeyEvent::new(KeyCode::Char('Y'), KeyModifiers::SHIFT);
        assert_eq!(resolve(PaneId::Domain, &shifted), Some(Action::CopyForms));
    }
}

//! A dialogue to keep or to hand on: as text that [`crate::smtp::import`] reads again, as Markdown, as the swaks command that
//! repeats it. Secrets were masked before they came here. Foreign bytes are made visible.

use std::fmt::Write;

use crate::check::{Transcript, TranscriptEvent};
use crate::smtp::annotate::annotate;
use crate::smtp::lines::{line_of, lines, stages};
use crate::smtp::session::{Session, Verb};
use crate::untrusted::{escaped_json, lossless, visible};

/// The forms of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Columns: milliseconds, who, the line, what it means.
    Text,
    /// A table.
    Markdown,
    /// As the fact `transcript.hosts` of the report has it (contract.md): one object a dialogue.
    Json,
    /// The command line that repeats it.
    Swaks,
}

/// One dialogue with the host that it was held with.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The host's name.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// What was said.
    pub transcript: &'a Transcript,
}

/// Dialogues in one form.
pub fn export(held: &[Held<'_>], form: Form) -> String {
    if form == Form::Json {
        let hosts: Vec<serde_json::Value> = held.iter().map(json).collect();
        return saved(hosts);
    }
    let parts: Vec<String> = held
        .iter()
        .map(|one| match form {
            Form::Text => text(one),
            Form::Markdown => markdown(one),
            Form::Json => String::new(),
            Form::Swaks => swaks(one),
        })
        .collect();
    parts.join("\n")
}

/// Dialogues as [`crate::smtp::import`] reads them again; every hidden character is escaped.
pub(crate) fn saved(hosts: Vec<serde_json::Value>) -> String {
    let text = serde_json::to_string_pretty(&serde_json::json!({ "hosts": hosts })).unwrap_or_default();
    escaped_json(&text) + "\n"
}

fn text(held: &Held<'_>) -> String {
    let mut out = format!("# {}:{}\n", visible(held.host), held.port);
    let notes = annotate(held.transcript, held.host);
    for (entry, note) in held.transcript.entries.iter().zip(notes) {
        let (who, words) = line_of(entry);
        let at = entry.at.as_secs_f64() * 1000.0;
        let _ = writeln!(out, "{at:>7.1} | {who:<3} | {}  | {}", visible(&words), visible(&note.text));
    }
    out
}

fn markdown(held: &Held<'_>) -> String {
    let cell = |text: &str| visible(text).replace('|', "\\|").replace('`', "'");
    let mut out =
        format!("### {}:{}\n\n| ms | | line | what it means |\n|---:|---|---|---|\n", cell(held.host), held.port);
    let notes = annotate(held.transcript, held.host);
    for (entry, note) in held.transcript.entries.iter().zip(notes) {
        let (who, words) = line_of(entry);
        let at = entry.at.as_secs_f64() * 1000.0;
        let _ = writeln!(out, "| {at:.1} | {who} | `{}` | {} |", cell(&words), cell(&note.text));
    }
    out
}

fn json(held: &Held<'_>) -> serde_json::Value {
    serde_json::json!({
        "name": held.host,
        "port": held.port,
        "lines": lines(held.transcript, held.host),
        "stages": stages(&Session::read(held.transcript)),
    })
}

/// swaks options that say the same again; a password is asked for, never written down.
fn swaks(held: &Held<'_>) -> String {
    let session = Session::read(held.transcript);
    let argument = |verb| {
        let exchange = session.exchanges.iter().find(|exchange| exchange.verb == verb)?;
        match &held.transcript.entries.get(exchange.entry)?.event {
            TranscriptEvent::Sent { line, .. } => Some(lossless(line).into_owned()),
            _ => None,
        }
    };
    let path = |line: String| {
        line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inside, _)| inside.to_owned())
    };
    let mut words =
        vec!["swaks".to_owned(), "--server".into(), held.host.to_owned(), "--port".into(), held.port.to_string()];
    if let Some(line) = argument(Verb::Ehlo) {
        words.extend(["--ehlo".into(), line.split_whitespace().nth(1).unwrap_or_default().to_owned()]);
    }
    let from_start = session.tls.is_some() && session.last(Verb::StartTls).is_none();
    if from_start {
        words.push("--tls-on-connect".into());
    } else if session.last(Verb::StartTls).is_some() {
        words.push("--tls".into());
    }
    if let Some(line) = argument(Verb::Auth) {
        let mechanism = line.split_whitespace().nth(1).unwrap_or("PLAIN").to_owned();
        words.extend(["--auth".into(), mechanism]);
    }
    let mail = argument(Verb::Mail).and_then(path);
    let stop = match &mail {
        None => Some(if from_start || session.tls.is_some() { "TLS" } else { "EHLO" }),
        Some(_) if session.last(Verb::Rcpt).is_none() => Some("FROM"),
        Some(_) if session.last(Verb::Data).is_none() => Some("TO"),
        Some(_) => None,
    };
    if let Some(from) = mail {
        words.extend(["--from".into(), if from.is_empty() { "<>".into() } else { from }]);
    }
    if let Some(to) = argument(Verb::Rcpt).and_then(path) {
        words.extend(["--to".into(), to]);
    }
    words.extend(stop.into_iter().flat_map(|stage| ["--quit-after".to_owned(), stage.to_owned()]));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ") + "\n"
}

/// A word that no shell takes apart.
fn quoted(word: &str) -> String {
    let word = visible(word);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '@' | '/' | '=' | '+');
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::import::import;
    use crate::smtp::session::tests::transcript;

    const DIALOGUE: &str = "*connect\nS: 220 hi\nC: EHLO me.example\nS: 250-mail\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*tls\nC: EHLO me.example\nS: 250 mail\nC: MAIL FROM:<a'b@c>\nS: 250 ok\nC: QUIT\nS: 221 bye";

    fn held(transcript: &Transcript) -> Held<'_> {
        Held { host: "mail.example", port: 25, transcript }
    }

    #[test]
    fn what_is_saved_as_text_is_read_again() {
        let t = transcript(DIALOGUE);
        let text = export(&[held(&t)], Form::Text);
        let again = import(&text).unwrap().transcript;
        let said = |t: &Transcript| Session::read(t).exchanges.iter().map(|e| (e.verb, e.tls)).collect::<Vec<_>>();
        assert_eq!(said(&again), said(&t));
    }

    #[test]
    fn the_swaks_command_repeats_it_and_no_shell_takes_it_apart() {
        assert_eq!(
            export(&[held(&transcript(DIALOGUE))], Form::Swaks),
            "swaks --server mail.example --port 25 --ehlo me.example --tls --from 'a'\\''b@c' --quit-after FROM\n"
        );
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_exported() {
        let t = transcript("*connect\nS: 220 \u{1b}[31m|`evil\u{202e}\nC: QUIT\nS: 221 bye");
        let json: serde_json::Value = serde_json::from_str(&export(&[held(&t)], Form::Json)).unwrap();
        assert_eq!(json["hosts"][0]["lines"][1]["text"], "220 \u{1b}[31m|`evil\u{202e}", "no value changes");
        let written = export(&[held(&t)], Form::Json);
        assert!(!written.chars().any(|c| c != '\n' && crate::untrusted::is_hidden(c)), "{written}");
        for form in [Form::Text, Form::Markdown, Form::Swaks] {
            let out = export(&[held(&t)], form);
            assert!(!out.chars().any(|c| c != '\n' && crate::untrusted::is_hidden(c)), "{out}");
        }
    }
}

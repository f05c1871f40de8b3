//! The line: typing, earlier lines, and what an answer leads to.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::InputRequest;

use super::keys::load;
use super::{dispatch, follow, quit};
use crate::config::Upstream;
use crate::print::json;
use crate::report::Link;
use crate::smtp::listen::Plan;
use crate::tui::action::{Action, PaneId};
use crate::tui::effect::Effect;
use crate::tui::panes::smtp;
use crate::tui::state::{Choice, Menu, Purpose, Shared, State};
use crate::tui::target::{self, Target};

pub(super) fn type_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let Some(line) = &mut state.shared.line else { return Vec::new() };
    let request = match key.code {
        KeyCode::Esc => {
            let left = state.shared.line.take();
            if left.is_some_and(|line| line.purpose == Purpose::WhatIf) {
                return dispatch(state, PaneId::Domain, &Action::Published);
            }
            return Vec::new();
        }
        KeyCode::Char('c') if ctrl => return quit(state),
        KeyCode::Enter => return submit(state),
        KeyCode::Tab if line.purpose == Purpose::Say => return complete(&mut state.shared),
        KeyCode::Up if line.purpose == Purpose::Say => return repeat(&mut state.shared, true),
        KeyCode::Down if line.purpose == Purpose::Say => return repeat(&mut state.shared, false),
        // While a record is edited, they move what it would change.
        KeyCode::Up if line.purpose == Purpose::WhatIf => return dispatch(state, PaneId::Domain, &Action::Wheel(-1)),
        KeyCode::Down if line.purpose == Purpose::WhatIf => return dispatch(state, PaneId::Domain, &Action::Wheel(1)),
        KeyCode::PageUp if line.purpose == Purpose::WhatIf => {
            return dispatch(state, PaneId::Domain, &Action::Wheel(-10));
        }
        KeyCode::PageDown if line.purpose == Purpose::WhatIf => {
            return dispatch(state, PaneId::Domain, &Action::Wheel(10));
        }
        KeyCode::Up => return recall(state, true),
        KeyCode::Down => return recall(state, false),
        KeyCode::Left if ctrl => InputRequest::GoToPrevWord,
        KeyCode::Right if ctrl => InputRequest::GoToNextWord,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Char('a') if ctrl => InputRequest::GoToStart,
        KeyCode::Char('e') if ctrl => InputRequest::GoToEnd,
        KeyCode::Char('u') if ctrl => InputRequest::DeleteFromStart,
        KeyCode::Char('k') if ctrl => InputRequest::DeleteTillEnd,
        KeyCode::Char('w') if ctrl => InputRequest::DeletePrevWord,
        KeyCode::Char('h') if ctrl => InputRequest::DeletePrevChar,
        KeyCode::Char(c) if !ctrl && !c.is_control() => InputRequest::InsertChar(c),
        _ => return Vec::new(),
    };
    line.error = None;
    line.completing = None;
    line.input.handle(request);
    Vec::new()
}

/// What-if is judged with every key, and once for many that came together: on what is known already.
pub(super) fn edited(state: &mut State) -> Vec<Effect> {
    match state.shared.line.as_ref().filter(|line| line.purpose == Purpose::WhatIf) {
        Some(line)
            if state.shared.what_if.as_ref().is_some_and(|what_if| what_if.record.text != line.input.value()) =>
        {
            let text = line.input.value().to_owned();
            dispatch(state, PaneId::Domain, &Action::Suppose(text))
        }
        Some(_) | None => Vec::new(),
    }
}

/// What the server offered, by hand: Tab goes through what begins like the line.
fn complete(shared: &mut Shared) -> Vec<Effect> {
    let Some(transcript) = smtp::by_hand(shared) else { return Vec::new() };
    let lines = crate::smtp::typed::next_lines(&transcript, smtp::how::name_by_hand(shared));
    let Some(line) = shared.line.as_mut().filter(|line| !line.hidden) else { return Vec::new() };
    let shown = line.input.value().to_owned();
    let typed = line.completing.clone().unwrap_or_else(|| shown.clone());
    if let Some(next) = crate::smtp::typed::complete(&typed, &shown, &lines) {
        line.input = tui_input::Input::new(next);
        line.completing = Some(typed);
    }
    Vec::new()
}

/// Lines that were said before.
fn repeat(shared: &mut Shared, back: bool) -> Vec<Effect> {
    let Some(line) = shared.line.as_mut() else { return Vec::new() };
    let last = shared.said.len().checked_sub(1);
    line.recall = match (line.recall, back) {
        (None, true) => last.map(|_| 0),
        (Some(at), true) => last.map(|last| (at + 1).min(last)),
        (Some(at), false) => at.checked_sub(1),
        (None, false) => None,
    };
    let text = line.recall.and_then(|at| shared.said.iter().rev().nth(at)).cloned().unwrap_or_default();
    line.input = tui_input::Input::new(text);
    Vec::new()
}

/// Says a line; the line stays open for the next one. What may be a secret is not kept.
fn say(state: &mut State) -> Vec<Effect> {
    let Some(line) = state.shared.line.as_mut() else { return Vec::new() };
    let text = line.input.value().to_owned();
    let secret = line.hidden || text.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("AUTH "));
    (line.input, line.recall, line.completing) = (tui_input::Input::default(), None, None);
    if !secret && !text.is_empty() && state.shared.said.last() != Some(&text) {
        state.shared.said.push(text.clone());
    }
    dispatch(state, PaneId::Smtp, &Action::Answered(Purpose::Say, text))
}

/// Up: the earlier lines, the newest first. Down: what this pane's start screen offers, from the top. Each leads back to the
/// empty line, and from there into the other.
pub(super) fn recall(state: &mut State, up: bool) -> Vec<Effect> {
    let shared = &mut state.shared;
    let offers: Vec<String> = shared.offered(state.active).map(|offer| offer.target.clone()).collect();
    let Some(line) = shared.line.as_mut().filter(|line| line.purpose == Purpose::Go) else { return Vec::new() };
    (line.recall, line.offer) = match (line.recall, line.offer, up) {
        (_, Some(at), true) => (None, at.checked_sub(1)),
        (_, Some(at), false) => (None, Some((at + 1).min(offers.len().saturating_sub(1)))),
        (Some(at), None, true) => (Some((at + 1).min(shared.typed.len().saturating_sub(1))), None),
        (Some(at), None, false) => (at.checked_sub(1), None),
        (None, None, true) => (shared.typed.len().checked_sub(1).map(|_| 0), None),
        (None, None, false) => (None, offers.len().checked_sub(1).map(|_| 0)),
    };
    let earlier = line.recall.and_then(|at| shared.typed.iter().rev().nth(at)).cloned();
    let text = line.offer.and_then(|at| offers.into_iter().nth(at)).or(earlier).unwrap_or_default();
    line.error = None;
    line.input = tui_input::Input::new(text);
    Vec::new()
}

pub(super) fn open_line(shared: &mut Shared) {
    shared.ask(Purpose::Go, ":", "a domain, URL, address, host:port, or message file");
}

/// Opens the line: at the start, and by `:`.
pub fn start(state: &mut State) {
    open_line(&mut state.shared);
}

/// Goes to what was typed on the command line.
pub fn go(state: &mut State, text: &str) -> Vec<Effect> {
    let content = state.shared.offers.iter().find(|offer| offer.target == text).and_then(|offer| offer.content.clone());
    if let Some(content) = content {
        state.shared.line = None;
        return load(state, content, text.to_owned());
    }
    match target::parse(text) {
        Ok(target) => {
            state.shared.line = None;
            if state.shared.typed.last().map(String::as_str) != Some(text) {
                state.shared.typed.push(text.to_owned());
            }
            match target {
                Target::Domain(name) => {
                    let link =
                        if state.active == PaneId::Smtp { Link::Smtp(name.to_string()) } else { Link::Domain(name) };
                    follow(state, link)
                }
                Target::Smtp(host) => follow(state, Link::Smtp(host)),
                Target::File(path) => vec![Effect::Open(path)],
            }
        }
        Err(why) => {
            if state.shared.line.is_none() {
                open_line(&mut state.shared);
            }
            if let Some(line) = &mut state.shared.line {
                line.error = Some(why);
            }
            Vec::new()
        }
    }
}

fn submit(state: &mut State) -> Vec<Effect> {
    let Some(line) = &mut state.shared.line else { return Vec::new() };
    let text = line.input.value().trim().to_owned();
    match line.purpose.clone() {
        Purpose::Go => go(state, &text),
        Purpose::Say => say(state),
        Purpose::Servers => servers(state, &text),
        Purpose::File => {
            state.shared.line = None;
            if text.is_empty() { Vec::new() } else { vec![Effect::Open(text)] }
        }
        Purpose::Save => {
            state.shared.line = None;
            save(state, &text)
        }
        Purpose::WhatIf => {
            let mut effects = edited(state);
            state.shared.line = None;
            effects.extend(dispatch(state, PaneId::Domain, &Action::Answered(Purpose::WhatIf, text)));
            effects
        }
        Purpose::Listen => match Plan::parse(&text) {
            Ok(_) => {
                state.shared.line = None;
                dispatch(state, PaneId::Smtp, &Action::Answered(Purpose::Listen, text))
            }
            Err(why) => {
                line.error = Some(why);
                Vec::new()
            }
        },
        Purpose::Ehlo => match smtp::how::ehlo_name(&text) {
            Ok(name) => {
                state.shared.line = None;
                dispatch(state, PaneId::Smtp, &Action::TalkLike(smtp::how::Change::Ehlo(name)))
            }
            Err(why) => {
                line.error = Some(why);
                Vec::new()
            }
        },
        Purpose::Blank(_) if text.is_empty() => {
            if let Some(line) = &mut state.shared.line {
                line.error = Some("it cannot be empty".into());
            }
            Vec::new()
        }
        purpose @ (Purpose::Selector | Purpose::Search | Purpose::Border | Purpose::Envelope | Purpose::Blank(_)) => {
            state.shared.line = None;
            dispatch(state, state.active, &Action::Answered(purpose, text))
        }
    }
}

fn servers(state: &mut State, text: &str) -> Vec<Effect> {
    // The zone's own servers are no resolvers: they are asked beside the one in use, for the domain on the screen.
    if text.len() >= 4 && "authoritative".starts_with(&text.to_ascii_lowercase()) {
        state.shared.line = None;
        state.shared.show = Some(PaneId::Domain);
        return dispatch(state, PaneId::Domain, &Action::Authoritative);
    }
    let specs = text.split([',', ' ']).filter(|spec| !spec.is_empty() && *spec != "system");
    let parsed: Result<Vec<Upstream>, String> = specs.map(Upstream::parse).collect();
    match parsed {
        Ok(upstreams) if text.is_empty() => {
            state.shared.line = None;
            drop(upstreams);
            Vec::new()
        }
        Ok(upstreams) => {
            let label = upstreams.iter().map(Upstream::label).collect::<Vec<_>>().join(", ");
            switch(state, upstreams, label)
        }
        Err(why) => {
            if let Some(line) = &mut state.shared.line {
                line.error = Some(why);
            }
            Vec::new()
        }
    }
}

fn save(state: &mut State, path: &str) -> Vec<Effect> {
    if path.is_empty() {
        return Vec::new();
    }
    if let Some(captured) = super::captured(state, &Action::Save) {
        return vec![Effect::SaveMessage { path: path.to_owned(), message: captured.raw.clone() }];
    }
    if let Some((_, text)) = &state.shared.long_copy {
        return vec![Effect::Save { path: path.to_owned(), text: text.clone() }];
    }
    let Some(report) = state.shared.inquiry(state.active).and_then(|inquiry| inquiry.report()) else {
        return Vec::new();
    };
    let text = json::json(report, false).unwrap_or_default();
    vec![Effect::Save { path: path.to_owned(), text }]
}

/// Asks others from now on; the pane asks again, so that both answers can be compared.
pub(super) fn switch(state: &mut State, upstreams: Vec<Upstream>, label: String) -> Vec<Effect> {
    state.shared.line = None;
    state.shared.resolver = if label.is_empty() { "those it started with".to_owned() } else { label };
    let mut effects = vec![Effect::Switch(upstreams)];
    effects.extend(dispatch(state, state.active, &Action::AskAgain));
    effects
}

/// The choice of name servers, when the report knows that the domain has some of its own. They are no resolvers, so they
/// are asked beside the one in use.
pub(super) fn known_servers(shared: &Shared) -> Option<Menu> {
    let inquiry = shared.inquiry(PaneId::Domain)?;
    let facts = &inquiry.section("ns")?.facts;
    let zone = facts.get("zone").and_then(serde_json::Value::as_str).unwrap_or(&inquiry.title);
    if facts.get("hosts")?.as_array()?.is_empty() {
        return None;
    }
    let items = vec![
        (format!("authoritative: what {zone} publishes, what yours keeps"), Choice::Act(Action::Authoritative)),
        ("those it started with".to_owned(), Choice::Switch(Vec::new(), String::new())),
        ("others ...".to_owned(), Choice::Act(Action::TypeServers)),
    ];
    Some(Menu { title: "ask whom?".into(), items, selected: 0 })
}

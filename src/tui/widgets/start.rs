//! What a pane shows before anything was asked: what it is for, and what to type or paste.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::Offer;
use crate::tui::action::PaneId;
use crate::tui::document::Piece;
use crate::tui::document::wrap::{columns, cut_to_words, wrap};
use crate::tui::state::{EngineStage, Shared};
use crate::tui::theme::Look;
use crate::tui::viewer::pieces;

/// The domain pane's.
pub fn domain(shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let rows = [
        ("An X-ray for mail.", Look::Strong),
        ("Type a domain: what it publishes, what is wrong, what would be better.", Look::Plain),
        ("Paste a whole message, anywhere: it is laid open and verified again.", Look::Plain),
        ("Type host:25 to watch an SMTP dialogue; a path opens a message file.", Look::Plain),
    ];
    page(shared, PaneId::Domain, &rows, area, buffer);
}

/// The message pane's.
pub fn message(shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let rows = [
        ("Paste a whole message, headers and body.", Look::Strong),
        (
            "Or p: the clipboard's text as it is; o, or drop a path here: a file. ? says how to get the source out of your mail program.",
            Look::Plain,
        ),
        (
            "Nothing is asked before you have seen where the questions go: whoever owns a zone sees who looks.",
            Look::Plain,
        ),
    ];
    page(shared, PaneId::Message, &rows, area, buffer);
}

/// The SMTP pane's.
pub fn smtp(shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let rows = [
        ("Watch a mail server talk.", Look::Strong),
        ("Type smtp DOMAIN for all its MX hosts, host:port or an address for one server (:).", Look::Plain),
        ("smtps://host speaks TLS from the first byte, lmtp://host:port speaks LMTP.", Look::Plain),
        ("mxray greets, asks for TLS, looks at the certificate, and says QUIT. No mail is sent.", Look::Plain),
        ("Or let it be the server (l): watch what a sender does, and look at the mail that came.", Look::Plain),
    ];
    page(shared, PaneId::Smtp, &rows, area, buffer);
}

/// What the pane is for, what is offered as far as there is room, and at the bottom whom the engine asks.
fn page(shared: &Shared, pane: PaneId, about: &[(&str, Look)], area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(4)).min(112);
    let mut rows: Vec<Vec<Piece>> = Vec::new();
    if area.height >= 12 {
        rows.push(Vec::new());
    }
    for (text, look) in about {
        rows.extend(wrap(vec![Piece::new(text, *look)], width.min(96), 0));
    }
    rows.push(Vec::new());
    let foot = engine(shared, width);
    let room = usize::from(area.height).saturating_sub(rows.len() + foot.len());
    rows.extend(offers(shared, pane, width, room));
    rows.extend(foot);
    for (y, row) in (area.top()..area.bottom()).zip(&rows) {
        pieces(buffer, shared.theme, (area.x + 2, y), area.width.saturating_sub(3), row);
    }
}

/// One row each; the one that stands on the line is marked, and the list moves with it.
fn offers(shared: &Shared, pane: PaneId, width: usize, room: usize) -> Vec<Vec<Piece>> {
    let offers: Vec<&Offer> = shared.offered(pane).collect();
    // A heading, an example and a blank row at least.
    if offers.is_empty() || room < 3 {
        return Vec::new();
    }
    let typed = shared.line.as_ref().map_or("", |line| line.input.value());
    let chosen = offers.iter().position(|offer| offer.target == typed);
    let shown = (room - 2).min(offers.len());
    let top = chosen.map_or(0, |at| (at + 1).saturating_sub(shown));
    let hidden = offers.len() - shown;
    let more = if hidden > 0 { format!("  {shown} of {}", offers.len()) } else { String::new() };
    let mut rows = vec![vec![
        Piece::new("The demo world (no network): Down chooses, Enter opens.", Look::Plain),
        Piece::new(more, Look::Dim),
    ]];
    for (nth, offer) in offers.iter().enumerate().skip(top).take(shown) {
        let sign = if chosen == Some(nth) { "> " } else { "  " };
        let target = format!("{sign}{:<24} ", offer.target);
        let about = cut_to_words(&offer.about, width.saturating_sub(columns(&target)));
        rows.push(vec![Piece::new(target, Look::Strong), Piece::new(about, Look::Dim)]);
    }
    rows.push(Vec::new());
    rows
}

fn engine(shared: &Shared, width: usize) -> Vec<Vec<Piece>> {
    let row = match &shared.engine {
        EngineStage::Starting => {
            vec![Piece::new("The look-up engine is starting; you can type already.", Look::Running)]
        }
        EngineStage::Ready => vec![
            Piece::new("Questions go to ", Look::Dim),
            Piece::new(&shared.resolver, Look::Plain),
            Piece::new(" (R: others).", Look::Dim),
        ],
        EngineStage::Failed(why) => {
            vec![Piece::new("No question can be asked: ", Look::Error), Piece::new(why, Look::Plain)]
        }
    };
    wrap(row, width, 0)
}

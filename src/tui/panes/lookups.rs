//! The lookups pane: everything that a job asked, as a waterfall, one row a lookup; the chosen one in full below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Pane;
use crate::report::Lookup;
use crate::tui::action::{Action, PaneId};
use crate::tui::document::Piece;
use crate::tui::document::wrap::{fit, wrap};
use crate::tui::effect::Effect;
use crate::tui::inquiry::Inquiry;
use crate::tui::state::{Purpose, Shared};
use crate::tui::theme::Look;
use crate::tui::viewer::{NARROW, pieces, rule};
use crate::tui::widgets::header;
use crate::untrusted::visible;

/// Rows of the detail below.
const DETAIL_ROWS: u16 = 4;

/// From this width on each row also has the TTL and for whom it was asked.
const WIDE: usize = 110;

/// The lookups pane.
pub struct LookupsPane {
    /// The pane whose job is shown.
    of: PaneId,
    cursor: usize,
    top: usize,
    filter: String,
    /// The lookups that pass the filter.
    shown: Vec<u32>,
}

impl Default for LookupsPane {
    fn default() -> LookupsPane {
        LookupsPane { of: PaneId::Domain, cursor: 0, top: 0, filter: String::new(), shown: Vec::new() }
    }
}

impl LookupsPane {
    fn job<'a>(&self, shared: &'a Shared) -> Option<&'a Inquiry> {
        shared.inquiry(self.of)
    }

    fn chosen<'a>(&self, shared: &'a Shared) -> Option<&'a Lookup> {
        let id = crate::report::LookupId(*self.shown.get(self.cursor)?);
        self.job(shared)?.lookups.get(&id)
    }

    fn rows(area: Rect) -> Rect {
        let below = if area.height >= 12 { DETAIL_ROWS + 1 } else { 0 };
        Rect { y: area.y + 1, height: area.height.saturating_sub(1 + below), ..area }
    }

    fn show_cursor(&mut self, rows: usize) {
        self.cursor = self.cursor.min(self.shown.len().saturating_sub(1));
        self.top = self.top.min(self.cursor).max((self.cursor + 1).saturating_sub(rows));
    }

    fn next_job(&mut self, shared: &mut Shared) {
        let order = [PaneId::Domain, PaneId::Message, PaneId::Smtp];
        let here = order.iter().position(|pane| *pane == self.of).unwrap_or(0);
        let next = (1..=order.len())
            .filter_map(|step| order.get((here + step) % order.len()))
            .find(|pane| shared.inquiry(**pane).is_some());
        match next {
            Some(pane) if *pane != self.of => {
                self.of = *pane;
                (self.cursor, self.top) = (0, 0);
            }
            _ => shared.tell("no other pane has asked anything yet"),
        }
    }
}

fn passes(lookup: &Lookup, filter: &str) -> bool {
    filter.is_empty()
        || lookup.name.to_lowercase().contains(filter)
        || lookup.rr_type.to_lowercase() == filter
        || lookup.outcome.unwrap_or("under way").contains(filter)
        || lookup.asked_by.contains(&filter)
}

impl Pane for LookupsPane {
    fn id(&self) -> PaneId {
        PaneId::Lookups
    }

    fn update(&mut self, action: &Action, shared: &mut Shared, area: Rect) -> Vec<Effect> {
        let rows = usize::from(Self::rows(area).height).max(1);
        match action {
            Action::Up => self.cursor = self.cursor.saturating_sub(1),
            Action::Down => self.cursor += 1,
            Action::PageUp => self.cursor = self.cursor.saturating_sub(rows),
            Action::PageDown | Action::Fold => self.cursor += rows,
            Action::Top => self.cursor = 0,
            Action::Bottom => self.cursor = self.shown.len(),
            Action::Wheel(by) => self.cursor = self.cursor.saturating_add_signed(isize::try_from(*by).unwrap_or(0)),
            Action::Click(_, y) => {
                let at = usize::from(y.saturating_sub(Self::rows(area).y)) + self.top;
                self.cursor = at;
            }
            Action::NextJob => self.next_job(shared),
            Action::Search => shared.ask(
                Purpose::Search,
                "filter",
                "a section (spf), a type (TXT), an outcome (servfail), part of a name; empty: all",
            ),
            Action::Answered(Purpose::Search, text) => {
                self.filter = text.trim().to_lowercase();
                (self.cursor, self.top) = (0, 0);
            }
            Action::Back if !self.filter.is_empty() => self.filter.clear(),
            Action::CopyValue => {
                if let Some(lookup) = self.chosen(shared) {
                    let text = visible(&in_words(lookup)).into_owned();
                    return vec![Effect::Copy { what: format!("lookup #{}", lookup.id.0), text }];
                }
            }
            Action::CopyName => {
                if let Some(lookup) = self.chosen(shared) {
                    let text = visible(&lookup.name).into_owned();
                    return vec![Effect::Copy { what: "name".into(), text }];
                }
            }
            _ => {}
        }
        self.sync(shared, area);
        self.show_cursor(rows);
        Vec::new()
    }

    fn sync(&mut self, shared: &Shared, area: Rect) {
        if self.job(shared).is_none()
            && let Some(pane) =
                [PaneId::Domain, PaneId::Message, PaneId::Smtp].into_iter().find(|pane| shared.inquiry(*pane).is_some())
        {
            self.of = pane;
        }
        self.shown = self.job(shared).map_or_else(Vec::new, |job| {
            job.lookups.values().filter(|lookup| passes(lookup, &self.filter)).map(|lookup| lookup.id.0).collect()
        });
        self.show_cursor(usize::from(Self::rows(area).height).max(1));
    }

    fn view(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let theme = shared.theme;
        let Some(job) = self.job(shared) else {
            let text =
                " Nothing was asked yet. Every question of every pane will stand here: when, of whom, for how long.";
            for (y, row) in
                (area.top()..area.bottom()).zip(wrap(vec![Piece::new(text, Look::Dim)], usize::from(area.width), 1))
            {
                pieces(buffer, theme, (area.x, y), area.width, &row);
            }
            return;
        };
        let (all, open) = job.lookup_counts();
        let end = span_ms(job);
        let mut head = vec![
            Piece::new(format!(" {}", job.title), Look::Strong),
            Piece::new(format!("   {}, {open} under way, {end:.0} ms", header::lookups(all)), Look::Dim),
        ];
        if !self.filter.is_empty() {
            head.push(Piece::new(format!("   only {} ({})", self.filter, self.shown.len()), Look::Warn));
        }
        pieces(buffer, theme, (area.x, area.y), area.width, &head);
        let rows = Self::rows(area);
        for (nth, y) in (rows.top()..rows.bottom()).enumerate() {
            let at = self.top + nth;
            let Some(lookup) = self.shown.get(at).and_then(|id| job.lookups.get(&crate::report::LookupId(*id))) else {
                break;
            };
            let chosen = at == self.cursor;
            let row = waterfall(lookup, end, usize::from(area.width).saturating_sub(1), theme.ascii);
            pieces(buffer, theme, (rows.x, y), 1, &[Piece::new(if chosen { ">" } else { " " }, Look::Strong)]);
            pieces(buffer, theme, (rows.x + 1, y), rows.width.saturating_sub(1), &row);
            if chosen {
                buffer.set_style(Rect { y, height: 1, ..rows }, theme.cursor());
            }
        }
        if rows.bottom() < area.bottom() {
            rule(buffer, theme, area.x, rows.bottom(), area.width);
            if let Some(lookup) = self.chosen(shared) {
                let text = Piece::new(in_words(lookup), Look::Plain);
                let rows_below = wrap(vec![Piece::new(" ", Look::Plain), text], usize::from(area.width), 1);
                for (y, row) in (rows.bottom() + 1..area.bottom()).zip(rows_below) {
                    pieces(buffer, theme, (area.x, y), area.width, &row);
                }
            }
        }
    }

    fn enabled(&self, action: &Action, shared: &Shared) -> bool {
        match action {
            Action::Enter => false,
            Action::NextJob => shared.inquiries.iter().flatten().count() > 1,
            Action::CopyValue | Action::CopyName | Action::Search => self.job(shared).is_some(),
            _ => true,
        }
    }
}

/// Until when the job has come, in milliseconds.
fn span_ms(job: &Inquiry) -> f64 {
    job.lookups.values().map(|lookup| lookup.start_ms + lookup.elapsed_ms).fold(1.0, f64::max)
}

/// `#12 TXT _dmarc.example.com   answer   20 ms   ....=====....`
fn waterfall(lookup: &Lookup, end: f64, width: usize, ascii: bool) -> Vec<Piece> {
    let narrow = width < usize::from(NARROW);
    let wide = width >= WIDE;
    let (bar_width, name_width) = match (narrow, wide) {
        (true, _) => (8, width.saturating_sub(31)),
        (false, false) => (width / 3, width - width / 3 - 33),
        (false, true) => (width / 4, width - width / 4 - 62),
    };
    let whom = if wide {
        let ttl = lookup.ttl.map_or_else(String::new, |ttl| format!("{ttl} s"));
        format!("{} {} ", fit(&format!("{ttl:>8}"), 8), fit(&lookup.asked_by.join(" "), 19))
    } else {
        String::new()
    };
    let (outcome, look) = match lookup.outcome {
        None => ("asking", Look::Running),
        Some(word @ "answer") => (word, Look::Ok),
        Some(word @ ("nodata" | "nxdomain")) => (word, Look::Absent),
        Some(word) => (word, Look::Unknown),
    };
    let mark = match (lookup.cached, lookup.joined) {
        (true, _) => "c",
        (false, true) => "j",
        (false, false) => " ",
    };
    vec![
        Piece::new(format!("{:>4} ", lookup.id.0), Look::Dim),
        Piece::new(format!("{} ", fit(&lookup.rr_type, 5)), Look::Plain),
        Piece::new(format!("{} ", fit(&visible(&lookup.name), name_width)), Look::Plain),
        Piece::new(format!("{}{mark} ", fit(outcome, 9)), look),
        Piece::new(if narrow { String::new() } else { format!("{:>6.1} ms ", lookup.elapsed_ms) }, Look::Dim),
        Piece::new(whom, Look::Dim),
        Piece::new(bar(lookup, end, bar_width, ascii), look),
    ]
}

fn bar(lookup: &Lookup, end: f64, width: usize, ascii: bool) -> String {
    let (ink, growing) = if ascii { ("=", ">") } else { ("━", "╸") };
    let place = |ms: f64| -> usize {
        let at = (ms / end).clamp(0.0, 1.0) * f64::from(u32::try_from(width).unwrap_or(0));
        // A bounded, non-negative number of columns.
        format!("{at:.0}").parse().unwrap_or(0)
    };
    let from = place(lookup.start_ms).min(width.saturating_sub(1));
    let until = if lookup.outcome.is_none() { width } else { place(lookup.start_ms + lookup.elapsed_ms) };
    let length = until.saturating_sub(from).max(1);
    let mut out = " ".repeat(from);
    out.push_str(&ink.repeat(length.saturating_sub(usize::from(lookup.outcome.is_none()))));
    if lookup.outcome.is_none() {
        out.push_str(growing);
    }
    out
}

fn in_words(lookup: &Lookup) -> String {
    let mut out =
        format!("#{} {} {}: {}", lookup.id.0, lookup.rr_type, lookup.name, lookup.outcome.unwrap_or("under way"));
    if let Some(detail) = &lookup.detail {
        out.push_str(&format!(" ({detail})"));
    }
    out.push_str(&format!(". Asked at {:.1} ms, took {:.1} ms", lookup.start_ms, lookup.elapsed_ms));
    if !lookup.via.is_empty() {
        out.push_str(&format!(", {}", lookup.via));
    }
    if lookup.cached {
        out.push_str(", from the cache (c)");
    }
    if lookup.joined {
        out.push_str(", joined an equal question under way (j)");
    }
    if let Some(ttl) = lookup.ttl {
        out.push_str(&format!(", TTL {ttl} s"));
    }
    out.push_str(&format!(", DNSSEC {}. For: {}.", lookup.dnssec, lookup.asked_by.join(", ")));
    out
}

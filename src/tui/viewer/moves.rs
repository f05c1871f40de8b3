//! How cursor and pages move.

use ratatui::layout::Rect;

use super::{Focus, Viewer};
use crate::report::Block;
use crate::tui::document::{At, Target};
use crate::tui::effect::Effect;
use crate::tui::inquiry::Inquiry;
use crate::tui::state::Shared;

impl Viewer {
    pub(super) fn step(&mut self, inquiry: &Inquiry, by: isize, rows: usize) {
        match self.focus {
            Focus::List => self.select(inquiry, self.selected.saturating_add_signed(by)),
            Focus::Details => {
                self.cursor = self.cursor.saturating_add_signed(by).min(self.last());
                self.show_cursor(rows);
            }
        }
    }

    pub(super) fn page(&mut self, direction: isize, rows: usize) {
        let by = direction * isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(isize::MAX);
        match self.focus {
            // From the list a page moves the details: the hand stays where it is and the text goes by.
            Focus::List => self.scroll(i32::try_from(by).unwrap_or(0), rows),
            Focus::Details => {
                self.cursor = self.cursor.saturating_add_signed(by).min(self.last());
                self.top = self.top.saturating_add_signed(by);
                self.show_cursor(rows);
            }
        }
    }

    pub(super) fn jump(&mut self, inquiry: &Inquiry, to: usize, rows: usize) {
        match self.focus {
            Focus::List => self.select(inquiry, to),
            Focus::Details => {
                self.cursor = to.min(self.last());
                self.show_cursor(rows);
            }
        }
    }

    /// Moves the text under a cursor that stays on the screen.
    pub(super) fn scroll(&mut self, by: i32, rows: usize) {
        let by = isize::try_from(by).unwrap_or(0);
        let most = (self.last() + 1).saturating_sub(rows);
        self.top = self.top.saturating_add_signed(by).min(most);
        self.cursor = self.cursor.clamp(self.top, (self.top + rows - 1).min(self.last()).max(self.top));
    }

    pub(super) fn select(&mut self, inquiry: &Inquiry, page: usize) {
        let page = page.min(inquiry.order().len());
        if page == self.selected {
            return;
        }
        self.places.insert(self.selected, (self.cursor, self.top));
        self.selected = page;
        self.evidence = None;
        self.skip = 0;
        (self.cursor, self.top) = self.places.get(&page).copied().unwrap_or((0, 0));
    }

    pub(super) fn go_to(&mut self, shared: &Shared, id: &str) {
        let Some(inquiry) = shared.inquiry(self.pane) else { return };
        if let Some(at) = inquiry.order().iter().position(|entry| entry.id == id) {
            self.select(inquiry, at + 1);
            self.focus = Focus::Details;
        }
    }

    fn last(&self) -> usize {
        self.document.height().saturating_sub(1)
    }

    pub(super) fn show_cursor(&mut self, rows: usize) {
        if self.cursor < self.top {
            self.top = self.cursor;
        }
        // The whole of what the cursor is on, if it fits; else as much of it as there is room for.
        let mut end = self.cursor;
        if let Some(At::Row(row)) = self.document.at(self.cursor)
            && row.target.is_some()
        {
            let target = row.target;
            while end < self.cursor + rows - 1
                && matches!(self.document.at(end + 1), Some(At::Row(next)) if next.target == target)
            {
                end += 1;
            }
        }
        if end >= self.top + rows {
            self.top = end + 1 - rows;
        }
        self.top = self.top.min(self.last());
    }

    pub(super) fn next_finding(&mut self, shared: &mut Shared, area: Rect, forward: bool) -> Vec<Effect> {
        let Some(inquiry) = shared.inquiry(self.pane) else { return Vec::new() };
        let rows = usize::from(self.parts(area, shared.width, Focus::Details).details.height).max(1);
        let wanted = |target: &Target| matches!(target, Target::Finding { .. } | Target::Suggestion { .. });
        let pages = inquiry.order().len() + 1;
        let from = if self.focus == Focus::Details { Some(self.cursor) } else { None };
        let here = match (from, forward) {
            (Some(cursor), _) => self.document.find_target(cursor, forward, wanted),
            (None, true) => self.document.target_rows().into_iter().find(|(_, target)| wanted(target)).map(|(y, _)| y),
            (None, false) => None,
        };
        if self.selected > 0
            && self.evidence.is_none()
            && let Some(y) = here
        {
            self.focus = Focus::Details;
            self.cursor = y;
            self.show_cursor(rows);
            return Vec::new();
        }
        for step in 1..=pages {
            let page =
                if forward { (self.selected + step) % pages } else { (self.selected + pages - step % pages) % pages };
            let id = page.checked_sub(1).and_then(|at| inquiry.order().get(at)).map(|entry| entry.id);
            let Some(section) = id.and_then(|id| inquiry.section(id)) else { continue };
            if section.findings.is_empty() && section.suggestions.is_empty() {
                continue;
            }
            self.select(inquiry, page);
            self.focus = Focus::Details;
            self.sync(shared, area);
            let found: Vec<usize> =
                self.document.target_rows().into_iter().filter(|(_, target)| wanted(target)).map(|(y, _)| y).collect();
            let y = if forward { found.first() } else { found.last() };
            self.cursor = y.copied().unwrap_or(0);
            self.top = 0;
            self.show_cursor(rows);
            return Vec::new();
        }
        shared.tell("no findings and no suggestions so far");
        Vec::new()
    }

    pub(super) fn fold(&mut self, inquiry: &Inquiry, rows: usize) {
        if let Some(Target::Fold { key, .. }) = self.target()
            && let Some(id) = self.section_id(inquiry)
        {
            let key = key.clone();
            let toggled = self.toggled.entry(id).or_default();
            if !toggled.remove(&key) {
                toggled.insert(key);
            }
            self.key = None;
        } else {
            self.page(1, rows);
        }
    }

    /// To the next raw text of the report, section after section.
    pub fn next_source(&mut self, shared: &mut Shared, area: Rect) {
        let Some(inquiry) = shared.inquiry(self.pane) else { return };
        let has_source = |id: &str| {
            inquiry
                .section(id)
                .is_some_and(|section| section.blocks.iter().any(|block| matches!(block, Block::Source { .. })))
        };
        let pages = inquiry.order().len() + 1;
        let further = (0..).map_while(|nth| self.document.source_row(nth)).find(|row| *row > self.cursor + 1);
        let next = match further.filter(|_| self.focus == Focus::Details) {
            Some(row) => Some((self.selected, row)),
            None => (1..=pages)
                .map(|step| (self.selected + step) % pages)
                .find(|page| {
                    page.checked_sub(1).and_then(|at| inquiry.order().get(at)).is_some_and(|e| has_source(e.id))
                })
                .map(|page| (page, 0)),
        };
        let Some((page, row)) = next else {
            shared.tell("no raw text in this report");
            return;
        };
        self.select(inquiry, page);
        self.sync(shared, area);
        let row = if row == 0 { self.document.source_row(0).unwrap_or(0) } else { row };
        self.focus = Focus::Details;
        self.top = row.saturating_sub(1);
        self.cursor = row;
    }

    pub(super) fn search_hint(&self) -> String {
        if self.needle.is_empty() { "text in this report".into() } else { format!("Enter: {} again", self.needle) }
    }

    pub(super) fn search(&mut self, text: &str, shared: &mut Shared, area: Rect) {
        if !text.is_empty() {
            self.needle = text.to_lowercase();
        }
        let Some(inquiry) = shared.inquiry(self.pane).filter(|_| !self.needle.is_empty()) else { return };
        let rows = usize::from(self.parts(area, shared.width, Focus::Details).details.height).max(1);
        let pages = inquiry.order().len() + 1;
        let origin = (self.selected, self.cursor);
        let mut after = if self.focus == Focus::Details { Some(self.cursor) } else { None };
        for step in 0..=pages {
            let page = (origin.0 + step) % pages;
            self.select(inquiry, page);
            self.sync(shared, area);
            if let Some(y) = self.find_text(inquiry, after) {
                self.focus = Focus::Details;
                self.cursor = y;
                self.show_cursor(rows);
                return;
            }
            after = None;
        }
        self.select(inquiry, origin.0);
        self.cursor = origin.1;
        shared.warn(format!("not in this report: {}", self.needle));
    }

    fn find_text(&self, inquiry: &Inquiry, after: Option<usize>) -> Option<usize> {
        let later = |y: usize| after.is_none_or(|after| y > after);
        let row = self
            .document
            .texts()
            .into_iter()
            .find(|(y, text)| later(*y) && text.to_lowercase().contains(&self.needle))
            .map(|(y, _)| y);
        let section = self.section_id(inquiry).and_then(|id| inquiry.section(id));
        let sources = section.into_iter().flat_map(|section| &section.blocks).filter_map(|block| match block {
            Block::Source { text, .. } => Some(text),
            _ => None,
        });
        let mut found = row;
        for (nth, text) in sources.enumerate() {
            let Some(start) = self.document.source_row(nth) else { continue };
            // Raw text is searched as it stands, line by line, so that nothing as large as it is built.
            let line = text
                .lines()
                .enumerate()
                .find(|(line, text)| later(start + line) && contains_ignoring_case(text, &self.needle));
            if let Some((line, _)) = line {
                found = Some(found.map_or(start + line, |row| row.min(start + line)));
            }
        }
        found
    }

    pub(super) fn click(&mut self, shared: &Shared, area: Rect, x: u16, y: u16) {
        let Some(inquiry) = shared.inquiry(self.pane) else { return };
        let parts = self.parts(area, shared.width, self.focus);
        let inside = |rect: Rect| x >= rect.left() && x < rect.right() && y >= rect.top() && y < rect.bottom();
        if inside(parts.list) {
            let at = usize::from(y - parts.list.top()) + self.list_top(inquiry, parts.list.height);
            if at <= inquiry.order().len() {
                self.focus = Focus::List;
                self.select(inquiry, at);
            }
        } else if inside(parts.details) {
            self.focus = Focus::Details;
            self.cursor = (self.top + usize::from(y - parts.details.top())).min(self.last());
        }
    }

    /// The first page that the list shows, so that the chosen one is on the screen.
    pub(super) fn list_top(&self, inquiry: &Inquiry, rows: u16) -> usize {
        let rows = usize::from(rows).max(1);
        let pages = inquiry.order().len() + 1;
        let top = self.selected.saturating_sub(rows.saturating_sub(1)).max(self.list_top);
        top.min(pages.saturating_sub(rows))
    }
}

/// ASCII case is ignored; `needle` is lower case already.
fn contains_ignoring_case(text: &str, needle: &str) -> bool {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let Some(first) = needle.first() else { return true };
    text.iter().enumerate().any(|(at, byte)| {
        byte.eq_ignore_ascii_case(first)
            && text.get(at..at + needle.len()).is_some_and(|part| part.eq_ignore_ascii_case(needle))
    })
}

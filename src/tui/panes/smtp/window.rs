//! Which rows of a long list are on the screen: the chosen one always, the others staying where they are as long as they can,
//! so that a click, the wheel or a line that arrives moves nothing that need not move.

/// The first row that is shown of `len`, when `top` was the first before and the window has room for `rows`.
pub(super) fn first(top: usize, chosen: usize, len: usize, rows: usize) -> usize {
    let rows = rows.max(1);
    let lowest = (chosen + 1).saturating_sub(rows);
    top.clamp(lowest, chosen.max(lowest)).min(len.saturating_sub(rows))
}

/// The row that the wheel chooses with the first row that it leads to: the text moves under a cursor that stays in sight.
pub(super) fn wheel(by: i32, (top, chosen): (usize, usize), len: usize, rows: usize) -> (usize, usize) {
    let rows = rows.max(1);
    let by = isize::try_from(by).unwrap_or(0);
    let last = len.saturating_sub(1);
    let moved = top.saturating_add_signed(by).min(len.saturating_sub(rows));
    // At an end there is nothing to scroll: the cursor goes on alone.
    if moved == top {
        return (top, chosen.saturating_add_signed(by).min(last));
    }
    (moved, chosen.clamp(moved, (moved + rows - 1).min(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_row_is_in_sight_and_the_others_stay_where_they_are() {
        for (top, chosen, len, rows, expected) in [
            (0, 0, 0, 10, 0),
            (0, 3, 5, 10, 0),
            (10, 15, 100, 10, 10),
            (10, 9, 100, 10, 9),
            (10, 20, 100, 10, 11),
            (0, 99, 100, 10, 90),
            // The window has grown: no blank rows below the last.
            (90, 95, 100, 40, 60),
            (50, 55, 100, 0, 55),
        ] {
            assert_eq!(first(top, chosen, len, rows), expected, "{top} {chosen} {len} {rows}");
        }
    }

    #[test]
    fn the_wheel_moves_the_text_and_at_its_ends_the_cursor() {
        assert_eq!(wheel(3, (10, 15), 100, 10), (13, 15));
        assert_eq!(wheel(3, (10, 10), 100, 10), (13, 13));
        assert_eq!(wheel(-3, (90, 99), 100, 10), (87, 96));
        assert_eq!(wheel(3, (90, 95), 100, 10), (90, 98));
        assert_eq!(wheel(3, (90, 99), 100, 10), (90, 99));
        assert_eq!(wheel(-3, (0, 2), 4, 10), (0, 0));
    }
}

//! The domain pane in the real program: what if, following names and the way back, what a key costs while a job runs.

use crate::terminal::Terminal;

#[test]
fn what_if_an_include_were_gone_shows_the_budget_and_escape_leads_back() {
    let terminal = Terminal::start(&["--demo", "neglected.example"], 120, 40);
    terminal.wait("the end of the audit", |screen| screen.contains("as of"));
    terminal.send("\x1b[B\x1b[B\x1b[B");
    terminal.wait_for("> ✗ ERROR  SPF");
    terminal.send("w");
    terminal.wait_for("what if TXT @: …");
    // To the start, everything away, and anew.
    terminal.send("\x15");
    terminal.wait_for("14/10 → none");
    terminal.send("v=spf1 mx include:_new.neglected.example -all");
    terminal.wait_for("Enter asks for TXT _new.neglected.example");
    terminal.send("\r");
    terminal.wait("the answer about the new name", |screen| {
        screen.contains("does not") && screen.contains("WHAT IF: not published") && !screen.contains("NOT ASKED YET")
    });
    terminal.send("y");
    terminal.wait_for("edited TXT value");
    terminal.send("\x1b");
    terminal.wait("what is published", |screen| screen.contains("14/10") && !screen.contains("WHAT IF"));
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

/// The rows of the pane: without header, notice and keys.
fn pane(screen: &str) -> Vec<String> {
    let rows: Vec<&str> = screen.lines().collect();
    rows[3..rows.len() - 3].iter().map(|row| row.trim_end().to_owned()).collect()
}

#[test]
fn a_report_address_and_an_include_are_followed_and_the_way_back_is_as_it_was_left() {
    for (section, text, there) in
        [("DMARC", "Reports to", "collector.example"), ("SPF", "▾ ✗ include:_office", "_office.neglected.example")]
    {
        let terminal = Terminal::start(&["--demo", "neglected.example"], 100, 30);
        terminal.wait("the end of the audit", |screen| screen.contains("as of"));
        let down = if section == "SPF" { 3 } else { 5 };
        terminal.send(&"\x1b[B".repeat(down));
        terminal.wait(section, |screen| screen.lines().any(|row| row.starts_with('>') && row.contains(section)));
        terminal.send("\x1b[C");
        terminal.send("/");
        terminal.wait_for("find:");
        terminal.send(&format!("{text}\r"));
        let hint = format!("Enter: look at {}", if section == "SPF" { "include:_office" } else { "mailto:" });
        let left = terminal.wait("the cursor on the name", |screen| {
            screen.contains(&hint) && screen.lines().any(|row| row.contains("│ >") && row.contains(text))
        });
        terminal.send("\r");
        let title = |screen: &str, name: &str| {
            screen.lines().nth(1).is_some_and(|row| row.trim_start().starts_with(name) && row.contains("as of"))
        };
        terminal.wait("the other domain", |screen| title(screen, there));
        terminal.send("<");
        terminal.wait("cursor and scroll as they were left", |screen| {
            title(screen, "neglected.example") && pane(screen) == pane(&left)
        });
        terminal.send(">");
        terminal.wait("and forward again", |screen| title(screen, there));
        terminal.send("q");
        assert_eq!(terminal.ended(), 0);
    }
}

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

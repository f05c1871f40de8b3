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

#[test]
fn a_copy_is_wrapped_for_tmux_and_for_screen_and_the_footer_says_so() {
    for (variable, wrapped, said) in [
        ("TMUX", &b"\x1bPtmux;\x1b\x1b]52;c;"[..], "by OSC 52 through tmux (it cannot confirm)"),
        ("STY", b"\x1bP\x1b]52;c;", "by OSC 52 through screen (it cannot confirm)"),
    ] {
        let environment = [(variable, "/tmp/none,1,0")];
        let terminal = Terminal::start_with(&["--demo", "flawless.example"], 120, 40, &environment);
        terminal.wait("the end of the audit", |screen| screen.contains("as of"));
        terminal.send("y");
        terminal.wait_for(said);
        assert!(terminal.ever_wrote(wrapped), "{variable}");
        terminal.send("q");
        assert_eq!(terminal.ended(), 0);
    }
}

#[test]
fn keys_are_answered_at_once_while_a_job_waits_for_two_hundred_answers() {
    // Every answer of this domain takes 400 ms, and the DKIM selectors alone are more than a hundred questions.
    let terminal = Terminal::start(&["--demo", "slow.broken.example"], 120, 40);
    terminal.wait("a job with many questions", |screen| screen.contains("under way") && screen.contains("so far"));
    let mut took = Vec::new();
    let mut header = terminal.text().lines().next().map(str::to_owned);
    for (key, seen) in [("?", "Keys in the Domain pane"), ("?", ">Overview"), ("j", ">Address")] {
        // Answers come in waves; a key that follows a frame at once would be taken for a part of a paste.
        terminal.wait("news of the job", |screen| screen.lines().next().map(str::to_owned) != header);
        let begun = std::time::Instant::now();
        terminal.send(key);
        let screen = terminal.wait(seen, |screen| match seen.strip_prefix('>') {
            Some(title) => screen.lines().any(|row| row.starts_with('>') && row.contains(title)),
            None => screen.contains(seen),
        });
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
        header = screen.lines().next().map(str::to_owned);
    }
    let running = terminal.text().contains("under way");
    took.sort_by(f64::total_cmp);
    println!(
        "key: {:.1} ms in the middle, {:.1} at most, of {}",
        took[took.len() / 2],
        took[took.len() - 1],
        took.len()
    );
    assert!(running, "the job ended before the keys were pressed");
    assert!(took[took.len() / 2] < super::terminal::frames(), "{took:?}");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

/// The program that the next test starts: the screen, whose end breaks on the main thread.
#[test]
fn the_screen_that_breaks() {
    struct Breaks;
    impl Drop for Breaks {
        fn drop(&mut self) {
            panic!("broken on purpose");
        }
    }
    if std::env::var_os("MXRAY_TEST_BREAKS").is_none() {
        return;
    }
    let settings = mxray::config::Settings { upstreams: vec![nobody()], ..mxray::config::Settings::default() };
    let mut options = mxray::tui::Options::new(settings.clone());
    options.prepare = Box::pin(async move { Ok(mxray::tui::Prepared { settings, keep: Box::new(Breaks) }) });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let _ended = runtime.block_on(mxray::tui::run(options));
}

fn nobody() -> mxray::config::Upstream {
    mxray::config::Upstream::parse("127.0.0.1:9").expect("an address")
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_speaks() {
    let this = std::env::current_exe().expect("this program");
    let mut command = portable_pty::CommandBuilder::new(this);
    // One thread: the test then runs on the main one.
    command.args(["--exact", "domain::the_screen_that_breaks", "--test-threads=1", "--nocapture"]);
    let terminal = Terminal::run(command, 100, 30, &[("MXRAY_TEST_BREAKS", "1"), ("NO_COLOR", "1")]);
    terminal.wait_for_the_screen();
    terminal.wait_for("Questions go to 127.0.0.1:9");
    terminal.send("\x1b");
    terminal.wait_for("q quit");
    terminal.send("q");
    terminal.wait_for("broken on purpose");
    let told = terminal.text();
    assert!(told.contains("panicked at"), "it is told on the terminal as it was found: {told}");
    assert_ne!(terminal.ended(), 0);
}

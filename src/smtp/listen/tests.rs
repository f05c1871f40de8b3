//! Whole sessions of the state machine, without a socket.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::check::{Captured, TranscriptEvent};

struct Talk {
    server: Server,
    lines: Vec<String>,
    remarks: Vec<&'static str>,
    captured: Vec<Captured>,
    acts: Vec<Act>,
}

impl Talk {
    fn with(plan: Plan, greylist: &Arc<Mutex<Greylist>>) -> Talk {
        let client = "192.0.2.7:40000".parse().unwrap();
        let server = Server::new(Arc::new(plan), 1, client, greylist.clone());
        let mut talk = Talk { server, lines: Vec::new(), remarks: Vec::new(), captured: Vec::new(), acts: Vec::new() };
        let acts = talk.server.greet(b"");
        talk.take(acts);
        talk
    }

    fn new(words: &[&str]) -> Talk {
        let plan = Plan::new(address("").unwrap(), Scenario::parse(words).unwrap());
        Talk::with(plan, &Arc::default())
    }

    fn take(&mut self, acts: Vec<Act>) {
        for act in &acts {
            match act {
                Act::Say(line) => self.lines.push(format!("S {line}")),
                Act::Enter(TranscriptEvent::Sent { line, .. }) => {
                    self.lines.push(format!("C {}", String::from_utf8_lossy(line)));
                }
                Act::Enter(TranscriptEvent::SentMessage { bytes }) => self.lines.push(format!("C ({bytes} bytes)")),
                Act::Enter(_) => {}
                Act::Remark(finding) => self.remarks.push(finding.id),
                Act::Capture(message) => self.captured.push(message.clone()),
                Act::StartTls => self.lines.push("* TLS".into()),
                Act::Close => self.lines.push("* closed".into()),
                Act::Pause(_) => {}
            }
        }
        self.acts.extend(acts);
    }

    /// Says each line by itself, waiting for the reply.
    fn say(&mut self, lines: &[&str]) -> &mut Talk {
        for line in lines {
            self.raw(format!("{line}\r\n").as_bytes());
        }
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Talk {
        let acts = self.server.hear(bytes);
        self.take(acts);
        self
    }

    /// Says it before the last reply was sent.
    fn hurry(&mut self, bytes: &[u8]) -> &mut Talk {
        self.server.overtaken();
        self.raw(bytes)
    }

    fn secured(&mut self) -> &mut Talk {
        self.server.secured("TLS 1.3".into());
        self
    }

    fn last(&self) -> &str {
        self.lines.last().unwrap()
    }

    fn replies(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line.strip_prefix("S ")).collect()
    }
}

const HELLO: [&str; 3] = ["EHLO mx.example.org", "MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.com>"];

#[test]
fn a_whole_mail_is_kept_with_the_envelope_that_was_seen() {
    let mut talk = Talk::new(&[]);
    talk.say(&HELLO).say(&["RCPT TO:<<eve>@example.com>", "RCPT TO:<carol@example.com>", "DATA"]);
    assert!(talk.last().starts_with("S 354"), "{:?}", talk.lines);
    talk.raw(b"Subject: x\r\n\r\n..dot\r\n.\r\n").say(&["QUIT"]);
    let [message] = talk.captured.as_slice() else { panic!("{:?}", talk.lines) };
    assert_eq!(&*message.raw, b"Subject: x\r\n\r\n.dot\r\n");
    let envelope = &message.envelope;
    assert_eq!((envelope.helo.as_str(), envelope.mail_from.as_str()), ("mx.example.org", "ann@example.org"));
    assert_eq!(envelope.rcpt_to, ["bob@example.com", "carol@example.com"]);
    assert_eq!((envelope.client.to_string().as_str(), &envelope.tls), ("192.0.2.7:40000", &None));
    assert!(message.accepted && message.reply.contains("nothing is delivered"));
    assert_eq!(talk.lines[talk.lines.len() - 2..], ["S 221 2.0.0 mxray.localhost closing", "* closed"]);
    assert_eq!(talk.remarks, ["listen.sent-in-clear"]);
}

#[test]
fn commands_out_of_order_are_503_and_none_forgets_the_transaction() {
    let mut talk = Talk::new(&[]);
    talk.say(&["MAIL FROM:<>", "RCPT TO:<a@b.example>", "DATA", "BDAT 3 LAST"]).raw(b"abc");
    talk.say(&HELLO).say(&["MAIL FROM:<second@example.org>", "DATA"]);
    let codes: Vec<&str> =
        talk.replies().iter().filter_map(|reply| reply.get(..3)).filter(|code| *code != "250").collect();
    assert_eq!(codes, ["220", "503", "503", "503", "503", "503", "354"]);
}

#[test]
fn greylisting_says_no_once_to_each_triplet() {
    let greylist = Arc::default();
    let plan = Plan::new(address("").unwrap(), Scenario::parse(&["greylist"]).unwrap());
    let mut first = Talk::with(plan.clone(), &greylist);
    first.say(&HELLO);
    assert!(first.last().starts_with("S 450 4.7.1 greylisted"), "{}", first.last());
    first.say(&["RCPT TO:<carol@example.com>"]);
    assert!(first.last().starts_with("S 450"));
    assert!(Talk::with(plan, &greylist).say(&HELLO).last().starts_with("S 250"));
}

#[test]
fn each_scenario_answers_at_its_moment() {
    for (words, lines, says) in [
        (&["busy"][..], &[][..], "* closed"),
        (&["connect=554 5.7.1 go away"], &["EHLO mx.example.org"], "S 503"),
        (&["ehlo=502"], &["EHLO mx.example.org"], "S 502"),
        (&["tempfail"], &HELLO[..2], "S 451 4.3.0"),
        (&["reject"], &HELLO, "S 550 5.1.1"),
        (&["full"], &HELLO, "S 452 4.2.2"),
        (&["data=451"], &[HELLO[0], HELLO[1], HELLO[2], "DATA"], "S 451 4.3.0"),
        (&["starttls=454"], &["EHLO mx.example.org", "STARTTLS"], "S 454 4.7.0"),
        (&["no-starttls"], &["EHLO mx.example.org", "STARTTLS"], "S 502"),
        (&["auth-required"], &HELLO[..2], "S 530 5.7.0 STARTTLS"),
        (&["hang-up=data"], &[HELLO[0], HELLO[1], HELLO[2], "DATA"], "* closed"),
        (&["size=10"], &["EHLO mx.example.org", "MAIL FROM:<a@b.example> SIZE=11"], "S 552"),
    ] {
        let mut talk = Talk::new(words);
        talk.say(lines);
        assert!(talk.last().starts_with(says), "{words:?}: {:?}", talk.lines);
    }
    let mut spam = Talk::new(&["refuse-message"]);
    spam.say(&HELLO).say(&["DATA"]).raw(b"x\r\n.\r\n");
    assert!(spam.last().starts_with("S 554 5.7.1") && !spam.captured[0].accepted);
}

#[test]
fn a_tarpit_waits_before_each_reply() {
    let mut talk = Talk::new(&["slow=3"]);
    talk.say(&["NOOP"]);
    let pauses = talk.acts.iter().filter(|act| **act == Act::Pause(std::time::Duration::from_secs(3))).count();
    assert_eq!(pauses, 2);
}

#[test]
fn what_stands_behind_starttls_is_dropped_and_the_client_greets_again() {
    let mut talk = Talk::new(&[]);
    talk.say(&["EHLO mx.example.org"]).raw(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n");
    assert_eq!(talk.last(), "* TLS");
    assert_eq!(talk.remarks, ["listen.starttls-injection"]);
    talk.secured().say(&["MAIL FROM:<ann@example.org>"]);
    assert!(talk.last().starts_with("S 503"), "{:?}", talk.lines);
    talk.say(&["EHLO mx.example.org"]);
    let offers = talk.lines.join("\n");
    assert!(offers.contains("AUTH PLAIN LOGIN") && offers.contains("REQUIRETLS"));
    talk.say(&["STARTTLS"]);
    assert!(talk.last().starts_with("S 503"));
}

#[test]
fn credentials_never_leave_the_room() {
    let secrets = ["AGFubgBodW50ZXIy", "YW5u", "aHVudGVyMg==", "hunter2"];
    let mut talk = Talk::new(&["auth=535"]);
    talk.say(&["EHLO mx.example.org", "AUTH PLAIN AGFubgBodW50ZXIy", "AGFubgBodW50ZXIy", "hunter2"]);
    talk.raw(b"AUTH LOGIN\r\nYW5u\r\naHVudGVyMg==\r\n");
    assert!(talk.remarks.contains(&"listen.credentials-in-clear"), "{:?}", talk.remarks);
    talk.say(&["EHLO mx.example.org", "STARTTLS"]).secured().say(&["EHLO mx.example.org"]);
    talk.say(&["auth  login", "YW5u", "aHVudGVyMg==", "hunter2", "EHLO mx.example.org"]);
    talk.say(&["AUTH LOGIN YW5u", "aHVudGVyMg==", "AUTH PLAIN", "AGFubgBodW50ZXIy", "AUTH XOAUTH2 aHVudGVyMg=="]);
    talk.say(&["AUTH PLAIN", "*", "AUTH PLAIN aHVudGVyMg==", "AUTH PLAIN !"]);
    talk.raw(b"AUTH PLAIN AGFubgBodW5");
    let acts = talk.server.closed(false);
    talk.take(acts);
    let said = format!("{:?} {:?} {:?}", talk.lines, talk.acts, talk.server);
    for secret in secrets {
        assert!(!said.contains(secret), "{secret} in {:#?}", talk.lines);
        assert!(!said.contains(&format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned()), "{secret}");
    }
    assert!(talk.lines.iter().any(|line| line == "C AUTH LOGIN ********"), "{:#?}", talk.lines);
    assert!(talk.lines.contains(&"S 535 5.7.8 refused, as was asked for".to_owned()));
}

#[test]
fn a_login_lets_mail_through_where_one_is_wanted() {
    let mut talk = Talk::new(&["auth-required"]);
    talk.secured().say(&HELLO[..2]);
    assert!(talk.last().starts_with("S 530 5.7.0 log in"));
    talk.say(&["AUTH PLAIN AGFubgBodW50ZXIy"]);
    assert!(talk.last().starts_with("S 235"), "{}", talk.last());
    talk.say(&HELLO[1..]);
    assert!(talk.last().starts_with("S 250 2.1.5"));
}

#[test]
fn pipelining_is_seen_and_so_is_its_misuse() {
    let group = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";
    let mut polite = Talk::new(&[]);
    polite.say(&["EHLO mx.example.org"]).raw(group);
    assert_eq!(polite.remarks, ["listen.pipelined"]);
    let mut unoffered = Talk::new(&["no-pipelining"]);
    unoffered.say(&["EHLO mx.example.org"]).raw(group);
    assert_eq!(unoffered.remarks, ["listen.pipelined-without-offer"]);
    let mut early = Talk::new(&[]);
    early.raw(b"EHLO mx.example.org\r\nMAIL FROM:<a@b.example>\r\n");
    assert_eq!(early.remarks, ["listen.pipelined-too-early"]);
    let mut body = Talk::new(&[]);
    body.say(&HELLO).raw(b"DATA\r\nx\r\n.\r\n");
    assert_eq!(body.remarks, ["listen.pipelined-too-early"]);
    assert_eq!(body.captured.len(), 1);
}

#[test]
fn pipelining_is_seen_wherever_the_bytes_were_cut() {
    let hello = ["EHLO mx.example.org"];
    let mut apart = Talk::new(&[]);
    apart.say(&hello).raw(b"MAIL FROM:<a@b.example>\r\n").hurry(b"RCPT TO:<c@d.example>\r\n");
    assert_eq!(apart.remarks, ["listen.pipelined"]);
    // The end of a line that began too early comes when it likes.
    let mut piecemeal = Talk::new(&["no-pipelining"]);
    piecemeal.say(&hello).raw(b"MAIL FROM:<a@b.example>\r\nRCPT").raw(b" TO:<c@d.example>\r\n");
    assert_eq!(piecemeal.remarks, ["listen.pipelined-without-offer"]);
    let mut early = Talk::new(&[]);
    early.raw(b"EHLO mx.example.org\r\n").hurry(b"MAIL FROM:<a@b.example>\r\n");
    assert_eq!(early.remarks, ["listen.pipelined-too-early"]);
    let mut body = Talk::new(&[]);
    body.say(&HELLO).say(&["DATA"]).hurry(b"x\r\n").raw(b".\r\n");
    assert_eq!((body.remarks.as_slice(), body.captured.len()), (&["listen.pipelined-too-early"][..], 1));
    let mut next = Talk::new(&[]);
    next.say(&HELLO).say(&["DATA"]).raw(b"x\r\n.\r\nMAIL FROM:<a@b.example>\r\n");
    assert_eq!(next.remarks, ["listen.pipelined"], "a transaction may begin in one group with the message before it");
}

#[test]
fn who_waits_for_each_reply_pipelines_nothing_however_slowly_the_line_comes() {
    let mut talk = Talk::new(&["no-pipelining", "no-starttls"]);
    for line in HELLO.iter().chain(&["DATA", "x\r\n.", "NOOP", "QUIT"]) {
        for byte in format!("{line}\r\n").bytes() {
            talk.raw(&[byte]);
        }
    }
    assert_eq!((talk.last(), talk.remarks.len()), ("* closed", 0), "{:?}", talk.remarks);
}

#[test]
fn what_comes_behind_starttls_before_its_answer_is_dropped_too() {
    let mut talk = Talk::new(&[]);
    talk.say(&["EHLO mx.example.org", "STARTTLS"]);
    let acts = talk.server.came_behind_starttls(b"MAIL FROM:<evil@example.org>\r\n");
    talk.take(acts);
    assert_eq!(talk.remarks, ["listen.starttls-injection"]);
    let mut eager = Talk::new(&[]);
    eager.say(&["EHLO mx.example.org", "STARTTLS"]);
    let acts = eager.server.came_behind_starttls(&[0x16, 0x03, 0x01]);
    eager.take(acts);
    assert_eq!(eager.remarks, ["listen.pipelined-too-early"]);
}

#[test]
fn smuggling_is_named_and_smuggles_nothing() {
    let mut talk = Talk::new(&[]);
    talk.say(&HELLO).say(&["DATA"]);
    talk.raw(b"x\r\n.\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\ny\r\n.\r\n");
    assert_eq!(talk.captured.len(), 1, "{:?}", talk.lines);
    assert!(talk.captured[0].raw.windows(9).any(|window| window == b"MAIL FROM"));
    assert_eq!(talk.remarks, ["listen.smuggling", "listen.bare-lf"]);
}

#[test]
fn a_message_past_the_limit_is_552_and_not_kept() {
    let mut plan = Plan::new(address("").unwrap(), Scenario::default());
    plan.limits.message = 1000;
    let mut talk = Talk::with(plan, &Arc::default());
    talk.say(&HELLO).say(&["DATA"]);
    for _ in 0..30 {
        talk.raw(&[b'a'; 100]);
        assert!(talk.server.held() <= 2048);
    }
    talk.raw(b"\r\n.\r\n");
    assert!(talk.last().starts_with("S 552") && talk.captured.is_empty(), "{:?}", talk.lines);
    talk.say(&HELLO[1..]).say(&["DATA"]).raw(&[b'a'; 5000]);
    assert_eq!(talk.last(), "* closed");
}

#[test]
fn no_room_is_452_and_the_session_goes_on() {
    let mut talk = Talk::new(&[]);
    talk.say(&HELLO).say(&["DATA"]).raw(b"x\r\n");
    talk.server.no_room();
    talk.raw(b"y\r\n.\r\n");
    assert!(talk.last().starts_with("S 452 4.3.1"), "{}", talk.last());
    assert!(talk.say(&["NOOP"]).last().starts_with("S 250"));
}

#[test]
fn a_message_in_chunks_is_whole_however_its_bytes_arrive() {
    for cut in [1, 7, 1000] {
        let mut talk = Talk::new(&[]);
        talk.say(&HELLO);
        let wire = b"BDAT 6\r\na\r\n.\r\nBDAT 3 LAST\r\nb\r\nNOOP\r\n";
        for piece in wire.chunks(cut) {
            talk.raw(piece);
        }
        assert_eq!(&*talk.captured[0].raw, b"a\r\n.\r\nb\r\n", "{:?}", talk.lines);
        assert_eq!(talk.last(), "S 250 2.0.0 ok");
        assert!(!talk.remarks.contains(&"listen.smuggling"));
    }
    let mut empty = Talk::new(&[]);
    assert!(empty.say(&HELLO).say(&["BDAT 0 LAST"]).last().starts_with("S 250 2.0.0 kept"));
    let mut huge = Talk::new(&[]);
    assert_eq!(huge.say(&HELLO).say(&["BDAT 18446744073709551615"]).last(), "* closed");
}

#[test]
fn what_is_no_smtp_is_named() {
    let mut browser = Talk::new(&[]);
    browser.raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.example>\r\n");
    assert_eq!((browser.last(), browser.remarks.as_slice()), ("* closed", &["listen.not-smtp"][..]));
    let mut tls = Talk::new(&[]);
    tls.raw(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
    assert_eq!((tls.last(), tls.remarks.as_slice()), ("* closed", &["listen.tls-on-clear-port"][..]));
    let mut lmtp = Talk::new(&[]);
    lmtp.say(&["LHLO mx.example.org"]);
    assert_eq!(lmtp.remarks, ["listen.lmtp"]);
}

#[test]
fn who_talks_before_the_banner_is_told_apart() {
    let plan = Arc::new(Plan::new(address("").unwrap(), Scenario::default()));
    let mut server = Server::new(plan, 1, "192.0.2.7:1".parse().unwrap(), Arc::default());
    let acts = server.greet(b"EHLO mx.example.org\r\n");
    let first =
        acts.iter().position(|act| matches!(act, Act::Remark(found) if found.id == "listen.talked-before-banner"));
    let banner = acts.iter().position(|act| matches!(act, Act::Say(line) if line.starts_with("220")));
    assert!(first < banner && first.is_some(), "{acts:?}");
    assert!(
        acts.iter().any(|act| matches!(act, Act::Say(line) if line.starts_with("250"))),
        "it is answered all the same"
    );
}

#[test]
fn lines_without_end_and_commands_without_number_end_the_session() {
    let mut endless = Talk::new(&[]);
    for _ in 0..200 {
        endless.raw(&[b'a'; 10_000]);
    }
    assert_eq!(endless.last(), "* closed");
    assert!(endless.remarks.contains(&"listen.command-too-long"));
    let mut busy = Talk::new(&[]);
    for _ in 0..100_000 {
        busy.say(&["NOOP"]);
        if busy.server.is_over() {
            break;
        }
    }
    assert!(busy.lines.len() < 5000 && busy.last() == "* closed", "{}", busy.lines.len());
    let mut wrong = Talk::new(&[]);
    for _ in 0..100 {
        wrong.say(&["\u{1b}[2J"]);
    }
    assert!(wrong.lines.contains(&"S 421 4.7.0 too many errors".to_owned()));
    let mut long = Talk::new(&[]);
    long.say(&[&"a".repeat(20_000), "NOOP"]);
    assert_eq!(long.last(), "S 250 2.0.0 ok");
    assert!(long.lines.iter().any(|line| line.starts_with("S 500 5.5.6")));
}

#[test]
fn lmtp_answers_for_each_recipient_that_was_accepted() {
    let mut talk = Talk::new(&["lmtp"]);
    talk.say(&["LHLO mx.example.org", HELLO[1], "DATA", HELLO[2], "RCPT TO:<>", "RCPT TO:<carol@example.com>", "DATA"]);
    talk.raw(b"x\r\n.\r\n").say(&["QUIT"]);
    let replies = talk.replies();
    assert!(replies[0].contains(" LMTP ") && replies.contains(&"503 5.5.1 no valid recipients"), "{replies:?}");
    let kept = replies.iter().filter(|reply| reply.contains("kept as message 1")).count();
    assert_eq!((kept, talk.captured.len()), (2, 1), "{replies:?}");
    let mut chunked = Talk::new(&["lmtp", "message=452 4.2.2 full"]);
    chunked.say(&["LHLO mx.example.org", HELLO[1], HELLO[2], "RCPT TO:<carol@example.com>", "BDAT 1 LAST"]).raw(b"x");
    assert_eq!(chunked.replies().iter().filter(|reply| **reply == "452 4.2.2 full").count(), 2);
    let mut gone = Talk::new(&["lmtp", "message=421 4.3.2 closing"]);
    gone.say(&["LHLO mx.example.org", HELLO[1], HELLO[2], "RCPT TO:<carol@example.com>", "DATA"]).raw(b"x\r\n.\r\n");
    assert_eq!(gone.lines[gone.lines.len() - 2..], ["S 421 4.3.2 closing", "* closed"]);
    let mut smtp = Talk::new(&["lmtp"]);
    smtp.say(&["EHLO mx.example.org"]);
    assert_eq!(
        (smtp.last(), smtp.remarks.as_slice()),
        ("S 500 5.5.1 this is LMTP: say LHLO", &["listen.not-lmtp"][..])
    );
}

#[test]
fn too_many_recipients_are_452() {
    let mut talk = Talk::new(&[]);
    talk.say(&HELLO);
    for number in 0..101 {
        talk.say(&[&format!("RCPT TO:<user{number}@example.com>")]);
    }
    assert!(talk.last().starts_with("S 452 4.5.3"), "{}", talk.last());
}

#[test]
fn parameters_count_only_where_they_were_offered() {
    for (words, line, says) in [
        (&[][..], "MAIL FROM:<a@b.example> BODY=8BITMIME SMTPUTF8 SIZE=5", "S 250"),
        (&[], "MAIL FROM:<a@b.example> RET=HDRS", "S 555"),
        (&[], "MAIL FROM:<a@b.example> REQUIRETLS", "S 555"),
        (&["no-8bitmime"], "MAIL FROM:<a@b.example> BODY=8BITMIME", "S 555"),
        (&[], "MAIL FROM:<a@b.example> SIZE=lots", "S 501"),
        (&[], "MAIL FROM:<a@b.example> BODY=9BIT", "S 501"),
    ] {
        let mut talk = Talk::new(words);
        talk.say(&["EHLO mx.example.org", line]);
        assert!(talk.last().starts_with(says), "{line}: {}", talk.last());
    }
    let mut old = Talk::new(&[]);
    assert!(old.say(&["HELO mx.example.org", "MAIL FROM:<a@b.example> SIZE=5"]).last().starts_with("S 555"));
}

#[test]
fn a_greeting_that_receivers_distrust_is_named() {
    for (name, named) in [
        ("mx.example.org", false),
        ("[192.0.2.7]", false),
        ("[192.0.2.8]", true),
        ("192.0.2.7", true),
        ("localhost", true),
        ("my pc.example", true),
        ("[IPv6:::1]", true),
    ] {
        let mut talk = Talk::new(&[]);
        talk.say(&[&format!("EHLO {name}")]);
        assert_eq!(talk.remarks.contains(&"listen.helo-name"), named, "{name}");
    }
}

#[test]
fn who_leaves_in_the_middle_of_a_message_is_named() {
    let mut talk = Talk::new(&[]);
    talk.say(&HELLO).say(&["DATA"]).raw(b"half");
    let acts = talk.server.closed(true);
    talk.take(acts);
    assert_eq!(talk.remarks, ["listen.cut-short"]);
    assert!(talk.captured.is_empty());
}

#[test]
fn a_plan_is_read_from_one_line() {
    for (text, address, words) in [
        ("", "127.0.0.1:2525", "accept"),
        ("2526", "127.0.0.1:2526", "accept"),
        (":0 greylist", "127.0.0.1:0", "greylist"),
        ("0.0.0.0:25 rcpt=550 5.1.1 nobody; slow=2", "0.0.0.0:25", "rcpt=550 5.1.1 nobody; slow=2"),
        ("[::1]:2525", "[::1]:2525", "accept"),
        ("::1", "[::1]:2525", "accept"),
        ("localhost:2600", "127.0.0.1:2600", "accept"),
    ] {
        let plan = Plan::parse(text).unwrap();
        assert_eq!((plan.address.to_string().as_str(), plan.scenario.words().as_str()), (address, words), "{text}");
    }
    assert!(Plan::parse("mail.example.org:25").unwrap_err().contains("ADDR:PORT"));
    assert!(Plan::parse("2525 nonsense").unwrap_err().contains("not a reply"));
    assert!(Plan::parse("0.0.0.0:25").unwrap().is_public() && !Plan::parse("").unwrap().is_public());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cuts_of_the_bytes_change_no_reply_and_no_message(
        lines in prop::collection::vec(prop::sample::select(vec![
            "EHLO mx.example.org\r\n", "HELO x\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<c@d.example>\r\n", "DATA\r\n",
            "x\r\n", "..\r\n", ".\r\n", ".\n", "\r", "RSET\r\n", "NOOP\n", "BDAT 4\r\n", "BDAT 2 LAST\r\n", "AUTH PLAIN AA==\r\n", "QUIT\r\n",
        ]), 0..24),
        cut in 1_usize..20,
    ) {
        let wire = lines.concat().into_bytes();
        let mut whole = Talk::new(&[]);
        whole.raw(&wire);
        let mut pieces = Talk::new(&[]);
        for piece in wire.chunks(cut) {
            pieces.raw(piece);
        }
        prop_assert_eq!(whole.replies(), pieces.replies());
        prop_assert_eq!(whole.captured, pieces.captured);
    }

    #[test]
    fn any_bytes_are_taken_and_replies_are_single_lines(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut talk = Talk::new(&[]);
        talk.raw(&bytes);
        prop_assert!(talk.replies().iter().all(|reply| reply.bytes().all(|byte| (b' '..=b'~').contains(&byte))));
    }
}

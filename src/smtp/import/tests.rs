use super::*;
use crate::smtp::annotate::annotate;
use crate::smtp::session::tests::transcript;

/// The lines of a text as `C:`, `S:`, with `=` inside TLS.
fn read(text: &str) -> Vec<String> {
    let imported = import(text).unwrap_or_else(|| panic!("no dialogue: {text}"));
    let shown = |entry: &TranscriptEntry| {
        let inside = if entry.tls { "=" } else { "" };
        match &entry.event {
            TranscriptEvent::Sent { line, .. } => Some(format!("C{inside}: {}", lossless(line))),
            TranscriptEvent::Received { line, .. } => Some(format!("S{inside}: {}", lossless(line))),
            TranscriptEvent::SentMessage { bytes } => Some(format!("C{inside}: ({bytes} bytes)")),
            _ => None,
        }
    };
    imported.transcript.entries.iter().filter_map(shown).collect()
}

const PLAIN: [&str; 6] = ["S: 220 mail ESMTP", "C: EHLO me", "S: 250-mail", "S: 250 HELP", "C: QUIT", "S: 221 bye"];
const WITH_TLS: [&str; 10] = [
    "S: 220 mail ESMTP",
    "C: EHLO me",
    "S: 250-mail",
    "S: 250 STARTTLS",
    "C: STARTTLS",
    "S: 220 go",
    "C=: EHLO me",
    "S=: 250 mail",
    "C=: QUIT",
    "S=: 221 bye",
];

#[test]
fn every_style_without_tls_is_the_same_dialogue() {
    for (style, text) in [
        (
            "telnet",
            "Trying 192.0.2.1...\nConnected to mail.\nEscape character is '^]'.\n220 mail ESMTP\nEHLO me\n250-mail\n250 HELP\nQUIT\n221 bye\nConnection closed by foreign host.",
        ),
        ("follow stream", "220 mail ESMTP\r\nEHLO me\r\n250-mail\r\n250 HELP\r\nQUIT\r\n221 bye\r\n"),
        (
            "curl -v",
            "*   Trying 192.0.2.1:25...\n* Connected to mail (192.0.2.1) port 25\n< 220 mail ESMTP\n> EHLO me\n< 250-mail\n< 250 HELP\n> QUIT\n< 221 bye\n* Closing connection",
        ),
        (
            "swaks",
            "=== Trying mail:25...\n=== Connected to mail.\n<-  220 mail ESMTP\n -> EHLO me\n<-  250-mail\n<-  250 HELP\n -> QUIT\n<-  221 bye\n=== Connection closed with remote host.",
        ),
        ("msmtp -d", "<-- 220 mail ESMTP\n--> EHLO me\n<-- 250-mail\n<-- 250 HELP\n--> QUIT\n<-- 221 bye"),
        (
            "exim -v",
            "LOG: MAIN\n  SMTP<< 220 mail ESMTP\n  SMTP>> EHLO me\n  SMTP<< 250-mail\n         250 HELP\n  SMTP>> QUIT\n  SMTP<< 221 bye\n  SMTP(close)>>",
        ),
        (
            "PHPMailer",
            "SERVER -> CLIENT: 220 mail ESMTP\nCLIENT -> SERVER: EHLO me\nSERVER -> CLIENT: 250-mail\n                  250 HELP\nCLIENT -> SERVER: QUIT\nSERVER -> CLIENT: 221 bye",
        ),
        (
            "PHPMailer with times",
            "2026-11-24 10:00:00\tSERVER -> CLIENT: 220 mail ESMTP\n2026-11-24 10:00:00\tCLIENT -> SERVER: EHLO me\n2026-11-24 10:00:00\tSERVER -> CLIENT: 250-mail\n250 HELP\n2026-11-24 10:00:00\tCLIENT -> SERVER: QUIT\n2026-11-24 10:00:00\tSERVER -> CLIENT: 221 bye",
        ),
        (
            "Thunderbird",
            "mailnews.smtp: S: 220 mail ESMTP\nmailnews.smtp: C: EHLO me\nmailnews.smtp: S: 250-mail\nmailnews.smtp: S: 250 HELP\nmailnews.smtp: C: QUIT\nmailnews.smtp: S: 221 bye",
        ),
        (
            "nodemailer",
            "[2026-11-24 10:00:00] DEBUG [a] S: 220 mail ESMTP\n[2026-11-24 10:00:00] DEBUG [a] C: EHLO me\n[2026-11-24 10:00:00] DEBUG [a] S: 250-mail\n[2026-11-24 10:00:00] DEBUG [a] S: 250 HELP\n[2026-11-24 10:00:00] DEBUG [a] C: QUIT\n[2026-11-24 10:00:00] DEBUG [a] S: 221 bye",
        ),
        (
            "smtplib",
            "connect: to ('mail', 25) None\nreply: b'220 mail ESMTP\\r\\n'\nreply: retcode (220); Msg: b'mail ESMTP'\nconnect: b'mail ESMTP'\nsend: 'EHLO me\\r\\n'\nreply: b'250-mail\\r\\n'\nreply: b'250 HELP\\r\\n'\nreply: retcode (250); Msg: b'mail\\nHELP'\nsend: 'QUIT\\r\\n'\nreply: b'221 bye\\r\\n'",
        ),
        (
            "Postfix to its postmaster",
            "Transcript of session follows.\n\n Out: 220 mail ESMTP\n In:  EHLO me\n Out: 250-mail\n Out: 250 HELP\n In:  QUIT\n Out: 221 bye\n\nNo message was collected successfully.",
        ),
        (
            "Postfix smtpd -v",
            "Nov 24 10:00:00 mx postfix/smtpd[7]: > host[192.0.2.9]: 220 mail ESMTP\nNov 24 10:00:00 mx postfix/smtpd[7]: < host[192.0.2.9]: EHLO me\nNov 24 10:00:00 mx postfix/smtpd[7]: > host[192.0.2.9]: 250-mail\nNov 24 10:00:00 mx postfix/smtpd[7]: > host[192.0.2.9]: 250 HELP\nNov 24 10:00:00 mx postfix/smtpd[7]: < host[192.0.2.9]: QUIT\nNov 24 10:00:00 mx postfix/smtpd[7]: > host[192.0.2.9]: 221 bye",
        ),
        (
            "Postfix smtp -v",
            "Nov 24 10:00:00 mx postfix/smtp[7]: < host[192.0.2.9]:25: 220 mail ESMTP\nNov 24 10:00:00 mx postfix/smtp[7]: > host[192.0.2.9]:25: EHLO me\nNov 24 10:00:00 mx postfix/smtp[7]: < host[192.0.2.9]:25: 250-mail\nNov 24 10:00:00 mx postfix/smtp[7]: < host[192.0.2.9]:25: 250 HELP\nNov 24 10:00:00 mx postfix/smtp[7]: > host[192.0.2.9]:25: QUIT\nNov 24 10:00:00 mx postfix/smtp[7]: < host[192.0.2.9]:25: 221 bye",
        ),
        ("RFC 821", "R: 220 mail ESMTP\nS: EHLO me\nR: 250-mail\nR: 250 HELP\nS: QUIT\nR: 221 bye"),
        ("RFC 5321", "S: 220 mail ESMTP\nC: EHLO me\nS: 250-mail\nS: 250 HELP\nC: QUIT\nS: 221 bye"),
        (
            "names",
            "Server: 220 mail ESMTP\nClient: EHLO me\nServer: 250-mail\nServer: 250 HELP\nClient: QUIT\nServer: 221 bye",
        ),
    ] {
        assert_eq!(read(text.replace("\r\n", "\n").as_str()), PLAIN, "{style}");
        let first = text.lines().map(str::trim_start).find(|line| !line.is_empty()).unwrap();
        let pasted = begins(first) || ["LOG:", "connect:"].iter().any(|mark| first.starts_with(mark));
        assert!(pasted, "{style}: {first}");
    }
}

#[test]
fn where_tls_begins_is_told_by_marks_or_by_the_second_greeting() {
    for (style, text) in [
        (
            "swaks",
            "<-  220 mail ESMTP\n -> EHLO me\n<-  250-mail\n<-  250 STARTTLS\n -> STARTTLS\n<-  220 go\n=== TLS started with cipher TLSv1.3:TLS_AES_256_GCM_SHA384:256\n ~> EHLO me\n<~  250 mail\n ~> QUIT\n<~  221 bye",
        ),
        (
            "curl -v",
            "< 220 mail ESMTP\n> EHLO me\n< 250-mail\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n* SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384\n> EHLO me\n< 250 mail\n> QUIT\n< 221 bye",
        ),
        (
            "notes",
            "S: 220 mail ESMTP\nC: EHLO me\nS: 250-mail\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n(TLS)\nC: EHLO me\nS: 250 mail\nC: QUIT\nS: 221 bye",
        ),
    ] {
        assert_eq!(read(text), WITH_TLS, "{style}");
    }
    let failed = "<-  220 mail\n -> EHLO me\n<-  250 STARTTLS\n -> STARTTLS\n<-  220 go\n*** TLS startup failed (connect(): error)\n -> QUIT\n<** 454 4.7.0 no";
    assert_eq!(read(failed)[5..], ["C: QUIT", "S: 454 4.7.0 no"]);
    let openssl = "CONNECTED(00000003)\ndepth=0 CN = mail\nverify return:1\n---\nCertificate chain\n 0 s:CN = mail\n   i:CN = CA\n-----BEGIN CERTIFICATE-----\nMIIB250aaa\n-----END CERTIFICATE-----\nNew, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\n    Start Time: 1795478400\n    0000 - 6f 93 0a\n---\n250 CHUNKING\nEHLO me\n250-mail\n250 HELP\nQUIT\n221 bye\nclosed";
    let expected = ["S=: 250 CHUNKING", "C=: EHLO me", "S=: 250-mail", "S=: 250 HELP", "C=: QUIT", "S=: 221 bye"];
    assert_eq!(read(openssl), expected);
}

#[test]
fn a_message_without_marks_ends_at_its_dot_and_a_login_is_masked() {
    let text = "220 mail\nEHLO me\n250 AUTH LOGIN\nAUTH LOGIN\n334 VXNlcm5hbWU6\nbWU=\n334 UGFzc3dvcmQ6\nc2VjcmV0\n235 ok\nMAIL FROM:<a@b>\n250 ok\nRCPT TO:<c@d>\n250 ok\nDATA\n354 go\nSubject: x\n\n250 people came.\nHELP is on its way.\n.\n250 2.0.0 queued\nQUIT\n221 bye";
    let lines = read(text);
    assert_eq!(lines[6..8], ["S: 334 UGFzc3dvcmQ6", "C: ********"]);
    assert_eq!(lines[15..], ["C: (56 bytes)", "S: 250 2.0.0 queued", "C: QUIT", "S: 221 bye"]);
    let left_out = "220 mail\nEHLO me\n250 mail\nDATA\n354 go\n250 queued\nQUIT\n221 bye";
    assert_eq!(read(left_out)[5..], ["S: 250 queued", "C: QUIT", "S: 221 bye"]);
}

#[test]
fn a_bounce_in_a_log_is_the_command_and_its_reply() {
    let postfix = "Nov 24 10:00:00 mx postfix/smtp[7]: 4F: to=<a@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command))";
    assert_eq!(read(postfix), ["C: RCPT TO:<a@example.com>", "S: 550 5.1.1 no such user"]);
    let google = "postfix/smtp[7]: 4F: to=<a@gmail.com>, status=bounced (host gmail-smtp-in.l.google.com[192.0.2.1] said: 550-5.7.26 This mail has been blocked 550-5.7.26 because it is unauthenticated. 550 5.7.26 see x - gsmtp (in reply to end of DATA command))";
    assert_eq!(
        read(google),
        [
            "S: 550-5.7.26 This mail has been blocked",
            "S: 550-5.7.26 because it is unauthenticated.",
            "S: 550 5.7.26 see x - gsmtp"
        ]
    );
    let exim = "2026-11-24 10:00:00 1a-2b-3c ** a@example.com R=dnslookup T=remote_smtp H=mx [192.0.2.1] X=TLS1.3: SMTP error from remote mail server after RCPT TO:<a@example.com>: 550 5.1.1 no such user";
    assert_eq!(read(exim), ["C: RCPT TO:<a@example.com>", "S: 550 5.1.1 no such user"]);
    let greeting = "x ** a@b: SMTP error from remote mail server after initial connection: 554 5.7.1 no\n250 ok";
    assert_eq!(read(greeting)[0], "S: 554 5.7.1 no");
}

#[test]
fn quoted_prose_and_lists_are_no_dialogue() {
    for text in [
        "> HELP me\n> DATA is lost\nyes",
        "EHLO\nHELP\nQUIT",
        "* one\n* two",
        "Dear Steve,\n\n> MAIL it to me\n\nThe 250 people came.",
        "From: a@b\nSubject: S: 220\n\n250 people",
    ] {
        assert!(import(text).is_none(), "{text}");
    }
    for first in
        ["Received: from a by b", "From: a@b", "Subject: SERVER: 220", "Hello,", "HELP me", "> 220 x", "monsec.io"]
    {
        assert!(!begins(first), "{first}");
    }
}

#[test]
fn a_number_behind_a_hash_is_the_servers_word_and_a_remark_is_not() {
    let text = "S: 220 hi\nC: EHLO me\nS: 250-8BITMIME #extension for 8 bits\nS: 550 5.7.1 refused, ticket #4711";
    assert_eq!(read(text)[2..], ["S: 250-8BITMIME", "S: 550 5.7.1 refused, ticket #4711"]);
}

#[test]
fn what_was_read_is_read_like_a_live_dialogue() {
    let live = transcript("*connect\nS: 220 mail ESMTP\nC: EHLO me\nS: 250-mail\nS: 250 HELP\nC: QUIT\nS: 221 bye");
    let session = Session::read(&live);
    let read = import(&PLAIN.join("\n")).unwrap();
    let again = Session::read(&read.transcript);
    assert_eq!(session.exchanges.len(), again.exchanges.len());
    assert_eq!(again.last(Verb::Quit).unwrap().reply.code(), Some(221));
}

const MISSION: &str = "S: 220 mail.example ESMTP server-id\nC: EHLO smtp.example.net\nS: 250 mail.example greets smtp.example.net\nS: 250-8BITMIME #extension for non-ASCII character support\nC: MAIL FROM:<oscar@monsec.example>\nS: 250 OK\nC: RCPT TO:<steve@lupton.example>\nS: 250 OK\nC: RCPT TO:<team@monsec.example>\nS: 250 OK\nC: DATA\nS: 354 start mail input; end with <CRLF>.<CRLF>\nC: From: \"Oscar\" <oscar@monsec.example>\nC: Date: Wed, 23 Jun 2077 21:09:19\nC: Subject: x\nC: \nC: Hey Steve,\nC: .\nS: 250 OK\nC: QUIT\nS: 221 smtp.example.net closed conection\n";

fn ids(text: &str) -> Vec<&'static str> {
    slips(text, &import(text).unwrap().transcript).iter().map(|finding| finding.id).collect()
}

#[test]
fn the_missions_dialogue_is_read_and_its_four_slips_are_named() {
    assert_eq!(
        ids(MISSION),
        ["smtp.reply-never-ends", "smtp.wrong-goodbye", "smtp.accepts-other-domain", "smtp.date-without-zone"]
    );
    let imported = import(MISSION).unwrap();
    assert_eq!(imported.skipped, 0);
    let notes = annotate(&imported.transcript, "");
    let eight_bit = notes.iter().find(|note| note.text.contains("8-bit")).unwrap();
    assert!(eight_bit.text.contains("SMTPUTF8"), "8BITMIME covers bodies alone");
}

#[test]
fn swaks_telnet_and_our_own_export_are_read() {
    for text in [
        "<-  220 hi\n -> EHLO me\n<-  250-mail\n<-  250 STARTTLS\n -> STARTTLS\n<-  220 go\n ~> EHLO me\n<~  250 mail\n ~> QUIT\n<~  221 bye",
        "220 hi\nEHLO me\n250 mail\nQUIT\n221 bye",
        "   0 | S  | 220 hi  | ready\n   1 | C  | EHLO me\n   1 | S  | 250 mail\n  2 | C= | QUIT\n  2 | S= | 221 bye",
    ] {
        let imported = import(text).expect(text);
        let session = Session::read(&imported.transcript);
        assert_eq!(session.last(Verb::Quit).unwrap().reply.code(), Some(221), "{text}");
        assert!(slips(text, &imported.transcript).is_empty(), "{text}");
    }
}

#[test]
fn a_report_saved_as_json_is_read_again_with_its_first_host() {
    let line =
        |from: &str, tls: bool, text: &str| serde_json::json!({"at_ms": 1.0, "from": from, "tls": tls, "text": text});
    let said = [
        line("note", false, "connected to 192.0.2.1:25"),
        line("server", false, "220 mail ESMTP"),
        line("client", false, "EHLO me"),
        line("server", false, "250 STARTTLS"),
        line("client", true, "AUTH PLAIN ********"),
        line("server", true, "535 no"),
        line("client", true, "QUIT"),
        line("server", true, "221 bye"),
    ];
    let hosts = serde_json::json!([{"name": "dead", "lines": []}, {"name": "a", "lines": said}, {"name": "b", "lines": [line("server", false, "220 b")]}]);
    let report = serde_json::json!({"kind": "smtp", "sections": [{"id": "tls", "facts": {}}, {"id": "transcript", "facts": {"hosts": hosts}}]});
    for text in [report.to_string(), serde_json::json!({ "hosts": hosts }).to_string()] {
        let imported = import(&text).unwrap();
        let session = Session::read(&imported.transcript);
        assert_eq!(session.last(Verb::Quit).unwrap().reply.code(), Some(221));
        assert_eq!(imported.skipped, 1, "the other host's line");
        assert!(imported.transcript.entries.iter().any(|entry| entry.tls));
    }
    assert!(import("{\"hosts\": []}").is_none() && import("{\"hosts\": 7}").is_none());
}

#[test]
fn prose_is_no_dialogue_and_passwords_in_notes_are_masked() {
    assert!(import("Dear Steve,\nthe meeting went well.").is_none());
    let imported = import("S: 220 hi\nC: EHLO me\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGEAYg==\nS: 235 ok").unwrap();
    let shown = format!("{:?}", imported.transcript.entries.iter().map(|e| &e.event).collect::<Vec<_>>());
    assert!(!shown.contains("AGEAYg"));
}

//! One `Received` field read: who handed over to whom, from which address, when (RFC 5321 §4.4, RFC 5322 §3.6.7).
//!
//! mail-parser knows the forms of the servers that write it; what it misses (a date without `;`, `(… [address])`) is
//! found here. A field past [`MAX_BYTES`] is not read.

use std::net::IpAddr;

use mail_parser::parsers::MessageStream;
use mail_parser::{DateTime, HeaderValue, Host};
use time::OffsetDateTime;

use crate::message::FieldRef;

/// How long a `Received` field may be to be read.
const MAX_BYTES: usize = 4096;

/// What one `Received` field says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// What the client said in HELO or EHLO, or the name after `from`.
    pub helo: Option<String>,
    /// The client's name as the server looked it up.
    pub reverse_name: Option<String>,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// The server that wrote the field.
    pub by: Option<String>,
    /// The protocol word after `with`.
    pub with: Option<String>,
    /// The server's id for the message.
    pub id: Option<String>,
    /// The recipient after `for`.
    pub recipient: Option<String>,
    /// What it says of TLS.
    pub tls: Option<String>,
    /// When.
    pub at: Option<OffsetDateTime>,
}

impl Received {
    /// Reads one field.
    pub fn parse(field: &FieldRef<'_>) -> Received {
        let value = field.value();
        if value.len() > MAX_BYTES {
            return Received::default();
        }
        // The parser wants the line end that the field has.
        let text = field.unfolded();
        let line = format!("{text}\r\n");
        let mut received = match MessageStream::new(line.as_bytes()).parse_received() {
            HeaderValue::Received(read) => Received {
                helo: read.helo.as_ref().or(read.from.as_ref()).map(host),
                reverse_name: read.from_iprev.as_ref().map(|name| name.trim_end_matches('.').to_owned()),
                client_ip: read.from_ip.or(match read.from.as_ref().or(read.helo.as_ref()) {
                    Some(Host::IpAddr(ip)) => Some(*ip),
                    Some(Host::Name(_)) | None => None,
                }),
                by: read.by.as_ref().map(host),
                with: None,
                id: read.id.as_ref().map(ToString::to_string),
                recipient: read.for_.as_ref().map(ToString::to_string),
                tls: read.tls_version.map(|version| version.to_string()),
                at: None,
            },
            _ => Received::default(),
        };
        // Without "from" nobody handed over; the parser takes "from" in a comment for it.
        if !text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("from")) {
            received =
                Received { by: received.by, id: received.id, recipient: received.recipient, ..Received::default() };
        } else {
            received.client_ip = received
                .client_ip
                .or_else(|| bracketed(&text))
                .or_else(|| after_user(&text))
                .map(|ip| ip.to_canonical());
            received.reverse_name = received.reverse_name.or_else(|| name_before_helo(&text, received.helo.as_deref()));
        }
        let plain = without_comments(&text);
        received.with = word_after(&plain, "with");
        received.tls = received.tls.or_else(|| tls_version(&text));
        received.at = date(&text);
        received
    }
}

fn host(host: &Host<'_>) -> String {
    match host {
        Host::Name(name) => name.trim_end_matches('.').to_owned(),
        Host::IpAddr(ip) => ip.to_string(),
    }
}

/// The first address in brackets before `by`.
fn bracketed(text: &str) -> Option<IpAddr> {
    let before = text.split(" by ").next()?;
    before.split('[').skip(1).find_map(|rest| {
        let inside = rest.split(']').next()?;
        let inside = inside.strip_prefix("IPv6:").or(inside.strip_prefix("ipv6:")).unwrap_or(inside);
        inside.parse().ok()
    })
}

/// `(user@address)`, as qmail writes of a client that logged in.
fn after_user(text: &str) -> Option<IpAddr> {
    let before = text.split(" by ").next()?;
    before.split('(').skip(1).find_map(|rest| rest.split(')').next()?.rsplit_once('@')?.1.parse().ok())
}

/// Exim and qmail put the name that they looked up first, and what HELO said into the comment.
fn name_before_helo(text: &str, helo: Option<&str>) -> Option<String> {
    let comment = text.split(" by ").next()?.split_once('(')?.1.to_ascii_lowercase();
    let first = text.split_ascii_whitespace().nth(1)?.trim_end_matches('.');
    let is_name = first.contains('.') && !first.starts_with('[') && first.parse::<IpAddr>().is_err();
    (is_name && comment.contains("helo") && Some(first) != helo).then(|| first.to_owned())
}

/// The text without comments, so that "(using TLSv1.3 with cipher …)" names no protocol.
fn without_comments(text: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                out.push(' ');
            }
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// A version of TLS as servers write it: `TLS1_3`, `TLSv1.3`, `TLS1.2`.
fn tls_version(text: &str) -> Option<String> {
    let at = text.find("TLS1").or_else(|| text.find("TLSv1")).or_else(|| text.find("tls1"))?;
    let word: String =
        text.get(at..)?.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_')).collect();
    Some(word.to_ascii_uppercase().replace("TLSV", "TLSv").replace('_', "."))
}

fn word_after(text: &str, keyword: &str) -> Option<String> {
    let mut words = text.split([' ', '\t', ';']).filter(|word| !word.is_empty());
    words.by_ref().find(|word| word.eq_ignore_ascii_case(keyword))?;
    words.next().map(|word| word.trim_matches(['(', ')']).to_owned())
}

/// The date after the last `;`; without one (SendGrid), what looks like a date at the end.
pub fn date(text: &str) -> Option<OffsetDateTime> {
    let tail = match text.rsplit_once(';') {
        Some((_, tail)) => tail.trim(),
        None => {
            let from =
                ["Mon,", "Tue,", "Wed,", "Thu,", "Fri,", "Sat,", "Sun,"].iter().find_map(|day| text.rfind(day))?;
            text.get(from..)?
        }
    };
    let parsed = DateTime::parse_rfc822(&format!("{tail}\r\n"))?;
    // The parser takes what it finds; a month that no calendar has is no date.
    if !parsed.is_valid() || parsed.year < 1970 {
        return None;
    }
    OffsetDateTime::from_unix_timestamp(parsed.to_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::Envelope;
    use crate::message::Message;

    fn received(value: &str) -> Received {
        let text = format!("Received: {value}\r\n\r\n");
        let message = Message::parse(Arc::from(text.as_bytes()), Envelope::default()).unwrap();
        Received::parse(&message.field(0).unwrap())
    }

    #[test]
    fn the_usual_servers_are_understood() {
        for (value, helo, ip, by, with) in [
            (
                "from mail.a.example (out.a.example [192.0.2.1])\r\n\tby mx.b.example (Postfix) with ESMTPS id 4F\r\n\tfor <x@b.example>; Tue, 24 Nov 2026 09:58:12 +0000 (UTC)",
                "mail.a.example",
                "192.0.2.1",
                "mx.b.example",
                "ESMTPS",
            ),
            (
                "from mail.a.example (mail.a.example. [2001:db8::25])\r\n        by mx.google.com with ESMTPS id b12si\r\n        for <x@gmail.com>\r\n        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\r\n        Tue, 24 Nov 2026 01:58:12 -0800 (PST)",
                "mail.a.example",
                "2001:db8::25",
                "mx.google.com",
                "ESMTPS",
            ),
            (
                "from helo.example ([IPv6:2001:db8::1]) by mx.b.example with esmtps (Exim 4.96) id 1r; Tue, 24 Nov 2026 09:58:12 +0000",
                "helo.example",
                "2001:db8::1",
                "mx.b.example",
                "esmtps",
            ),
        ] {
            let read = received(value);
            assert_eq!(read.helo.as_deref(), Some(helo), "{value}");
            assert_eq!(read.client_ip, Some(ip.parse().unwrap()), "{value}");
            assert_eq!(read.by.as_deref(), Some(by), "{value}");
            assert_eq!(read.with.as_deref(), Some(with), "{value}");
            assert_eq!(read.at.unwrap().unix_timestamp(), 1_795_514_292, "{value}");
        }
    }

    #[test]
    fn the_forms_of_large_senders_are_understood() {
        for (value, by, with, tls, is_dated) in [
            // Postfix, TLS in a comment that has "with" of its own
            (
                "from o.a.example (o.a.example [192.0.2.1])\r\n (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n key-exchange X25519 server-signature RSA-PSS (2048 bits))\r\n (No client certificate requested)\r\n by mx.b.example (Postfix) with ESMTPS id 4F; Tue, 24 Nov 2026 09:58:12 +0000 (UTC)",
                "mx.b.example",
                "ESMTPS",
                Some("TLSv1.3"),
                true,
            ),
            // Microsoft
            (
                "from A.b.PROD.OUTLOOK.COM (2603:10a6:1::15) by C.d.PROD.OUTLOOK.COM\r\n (2603:10a6:2::1) with Microsoft SMTP Server (version=TLS1_2,\r\n cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.8158.23; Tue, 24 Nov\r\n 2026 09:58:12 +0000",
                "C.d.PROD.OUTLOOK.COM",
                "Microsoft",
                Some("TLS"),
                true,
            ),
            // Exim
            (
                "from [192.0.2.1] (helo=o.a.example)\r\n by mx.b.example with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n (Exim 4.96)\r\n (envelope-from <x@a.example>)\r\n id 1r; Tue, 24 Nov 2026 09:58:12 +0000",
                "mx.b.example",
                "esmtps",
                Some("TLS"),
                true,
            ),
            // Sendmail
            (
                "from o.a.example (o.a.example [192.0.2.1])\r\n by mx.b.example (8.17.1/8.17.1) with ESMTPS id 3A\r\n (version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT)\r\n for <x@b.example>; Tue, 24 Nov 2026 09:58:12 GMT",
                "mx.b.example",
                "ESMTPS",
                Some("TLS"),
                true,
            ),
            // SendGrid: no semicolon, Go's date
            (
                "by filter0001.sendgrid.net with SMTP id filter0001-1\r\n        Tue, 24 Nov 2026 09:58:12 +0000 UTC",
                "filter0001.sendgrid.net",
                "SMTP",
                None,
                true,
            ),
            // Amazon
            (
                "from a8-1.smtp-out.amazonses.com (a8-1.smtp-out.amazonses.com. [192.0.2.1])\r\n by mx.google.com with ESMTPS id b12\r\n for <x@gmail.com>\r\n (version=TLS1_2 cipher=ECDHE-ECDSA-AES128-GCM-SHA256 bits=128/128);\r\n Tue, 24 Nov 2026 01:58:12 -0800 (PST)",
                "mx.google.com",
                "ESMTPS",
                Some("TLS"),
                true,
            ),
            // two-digit year, zone in letters
            ("from a by b.example with SMTP; 24 Nov 26 09:58:12 GMT", "b.example", "SMTP", None, true),
        ] {
            let read = received(value);
            assert_eq!(read.by.as_deref(), Some(by), "{value}");
            assert_eq!(read.with.as_deref(), Some(with), "{value}");
            assert_eq!(read.tls.is_some(), tls.is_some(), "{value}: {:?}", read.tls);
            assert!(read.tls.iter().all(|found| found.starts_with("TLS")), "{value}: {:?}", read.tls);
            assert_eq!(read.at.map(|at| at.unix_timestamp()), is_dated.then_some(1_795_514_292), "{value}");
        }
    }

    #[test]
    fn an_unknown_client_and_a_literal_in_helo_are_read() {
        let read = received(
            "from [IPv6:2001:db8::9] (unknown [IPv6:2001:db8::9]) by mx.b.example with ESMTP id 1; Tue, 24 Nov 2026 09:58:12 +0000",
        );
        assert_eq!(read.client_ip, Some("2001:db8::9".parse().unwrap()));
        let read = received(
            "from helo.example (unknown [192.0.2.5]) by mx.b.example with ESMTP id 1 for <x@b.example>; Tue, 24 Nov 2026 09:58:12 -0000",
        );
        assert_eq!(read.client_ip, Some("192.0.2.5".parse().unwrap()));
        assert_eq!(read.helo.as_deref(), Some("helo.example"));
        assert_eq!(read.recipient.as_deref(), Some("x@b.example"));
    }

    #[test]
    fn the_address_is_the_one_that_the_server_saw_and_never_the_one_that_helo_says() {
        for (value, ip, helo, reverse) in [
            // Postfix
            (
                "from [192.0.2.8] (unknown [203.0.113.9]) by mx.b.example (Postfix) with ESMTP id 4F",
                "203.0.113.9",
                "192.0.2.8",
                None,
            ),
            (
                "from 192.0.2.8 (out.s.example [203.0.113.9]) by mx.b.example (Postfix) with ESMTP id 4F",
                "203.0.113.9",
                "192.0.2.8",
                Some("out.s.example"),
            ),
            (
                "from h.example (unknown [IPv6:2001:db8::9]) by mx.b.example (Postfix) with ESMTPS id 4F",
                "2001:db8::9",
                "h.example",
                None,
            ),
            // Sendmail
            (
                "from h.example (out.s.example [203.0.113.9] (may be forged)) by mx.b.example (8.17.1/8.17.1) with ESMTPS id 3A",
                "203.0.113.9",
                "h.example",
                Some("out.s.example"),
            ),
            (
                "from h.example ([203.0.113.9]) by mx.b.example (8.14.4/8.14.4) with ESMTP id 3A",
                "203.0.113.9",
                "h.example",
                None,
            ),
            // Exim
            (
                "from [203.0.113.9] (helo=[192.0.2.8]) by mx.b.example with esmtp (Exim 4.96) id 1r",
                "203.0.113.9",
                "192.0.2.8",
                None,
            ),
            (
                "from [203.0.113.9] (port=49152 helo=h.example) by mx.b.example with esmtp (Exim 4.96) id 1r",
                "203.0.113.9",
                "h.example",
                None,
            ),
            (
                "from out.s.example ([203.0.113.9] helo=h.example) by mx.b.example with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.96) id 1r",
                "203.0.113.9",
                "h.example",
                Some("out.s.example"),
            ),
            (
                "from out.s.example ([203.0.113.9]) by mx.b.example with esmtps (Exim 4.96) id 1r",
                "203.0.113.9",
                "out.s.example",
                None,
            ),
            // qmail
            ("from unknown (HELO h.example) (203.0.113.9) by mx.b.example with SMTP", "203.0.113.9", "h.example", None),
            ("from unknown (HELO [192.0.2.8]) (203.0.113.9) by 0 with SMTP", "203.0.113.9", "192.0.2.8", None),
            (
                "from out.s.example (HELO h.example) (user@203.0.113.9) by mx.b.example with ESMTPA",
                "203.0.113.9",
                "h.example",
                Some("out.s.example"),
            ),
            // Yahoo
            (
                "from 203.0.113.9 (EHLO h.example) by 10.217.150.19 with SMTPs (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256)",
                "203.0.113.9",
                "h.example",
                None,
            ),
            // Microsoft
            (
                "from h.example (203.0.113.9) by AM7EUR06FT034.mail.protection.outlook.com (10.233.255.104) with Microsoft SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.8158.23 via Frontend Transport",
                "203.0.113.9",
                "h.example",
                None,
            ),
            (
                "from EX1.corp.example (2001:db8::5) by EX2.corp.example (2001:db8::6) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_X) id 15.1.2507.37 via Mailbox Transport",
                "2001:db8::5",
                "EX1.corp.example",
                None,
            ),
            // Gmail
            (
                "from mail-x.s.example (mail-x.s.example. [203.0.113.9]) by mx.google.com with ESMTPS id d5 for <x@gmail.example> (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256)",
                "203.0.113.9",
                "mail-x.s.example",
                Some("mail-x.s.example"),
            ),
            (
                "from [192.168.1.2] (dsl.isp.example. [203.0.113.9]) by smtp.gmail.com with ESMTPSA id y1",
                "203.0.113.9",
                "192.168.1.2",
                Some("dsl.isp.example"),
            ),
            // Amazon SES, SendGrid, Apple, CommuniGate
            (
                "from h.example (out.s.example [203.0.113.9]) by inbound-smtp.eu-west-1.amazonaws.com with SMTP id ab1 for x@b.example",
                "203.0.113.9",
                "h.example",
                Some("out.s.example"),
            ),
            (
                "from h.example (unknown [203.0.113.9]) by geopod-ismtpd-1 (SG) with ESMTP id X1",
                "203.0.113.9",
                "h.example",
                None,
            ),
            (
                "from [203.0.113.9] (account x HELO h.example) by mx.b.example (CommuniGate Pro SMTP 6.3) with ESMTPA id 1",
                "203.0.113.9",
                "h.example",
                None,
            ),
        ] {
            for (end, is_dated) in [("; Tue, 24 Nov 2026 09:58:12 +0000", true), ("", false)] {
                let read = received(&format!("{value}{end}"));
                let found = (read.client_ip, read.helo.as_deref(), read.reverse_name.as_deref());
                assert_eq!(found, (Some(ip.parse().unwrap()), Some(helo), reverse), "{value}");
                assert_eq!(read.at.is_some(), is_dated, "{value}{end}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_invented() {
        assert_eq!(received("by mx.example with SMTP").client_ip, None);
        assert_eq!(received("nonsense; not a date").at, None);
        assert_eq!(received(&"x".repeat(5000)), Received::default());
        let local = received("by host.example (Postfix, from userid 1001) id 5A; Tue, 24 Nov 2026 09:58:12 UTC");
        assert_eq!((local.helo, local.by.as_deref()), (None, Some("host.example")));
        assert!(local.at.is_some());
    }
}

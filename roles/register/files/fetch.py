# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetches the program to a host that boots for the first time: fetch.py URL SHA256 FILE.

A server that a thousand new hosts ask at once may fail some of them, or be there later than they are. Each asks again,
after pauses that grow and are random, so that they do not come back in step: for some five minutes in all.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import sys
import time
import urllib.request

TRIES = 10
PAUSE = 2.0  # seconds, more or less, before the second try; twice as long before each of the next
LONGEST_PAUSE = 60.0
TIMEOUT = 30.0  # seconds without a byte
DEADLINE = 120.0  # seconds for one try as a whole, also if bytes keep dripping in
LARGEST = 8 << 20  # bytes; the archive has an eighth of a megabyte


def fetch(url: str, digest: str) -> bytes:
    """Download `url`. Raises OSError, HTTPException, or ValueError if the server sends something else."""
    end, content = time.monotonic() + DEADLINE, b""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        while len(content) <= LARGEST:
            chunk = answer.read1(65536)
            if not chunk:
                break
            content += chunk
            if time.monotonic() > end:
                raise ValueError(f"only {len(content)} bytes came within {DEADLINE:.0f} s")
        if len(content) <= LARGEST and answer.length:
            raise http.client.IncompleteRead(content, answer.length)
    if len(content) > LARGEST:
        raise ValueError(f"the answer is larger than {LARGEST} bytes")
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ValueError(f"this is another file, with SHA-256 {found}, not {digest}")
    return content


def main(url: str, digest: str, file: str) -> int:
    """Fetch `url` to `file`; returns the exit status."""
    shown = url.partition("?")[0]  # what follows may be a signature
    problem = ""
    for number in range(TRIES):
        if number:
            pause = random.uniform(0.5, 1.5) * min(PAUSE * 2 ** (number - 1), LONGEST_PAUSE)
            print(f"{shown}: {problem}; trying again in {pause:.0f} s [RC-E-FETCH]", flush=True)
            time.sleep(pause)
        try:
            content = fetch(url, digest)
        except (OSError, ValueError, http.client.HTTPException) as exc:
            problem = ascii(str(exc) or type(exc).__name__)[1:-1]  # the server's text must not move a terminal's cursor
            continue
        with open(file, "wb") as target:
            target.write(content)
        return 0
    print(
        f"The program could not be fetched from {shown} in {TRIES} tries, at last for this: {problem} [RC-E-FETCH]",
        file=sys.stderr,
    )
    print("So this host is not registered. When the program can be fetched: sh /opt/rollcall/install", file=sys.stderr)
    return 1


sys.exit(main(*sys.argv[1:]))

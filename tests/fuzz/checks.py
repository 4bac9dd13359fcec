# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers to health checks over the network, as a broken or hostile service would send them."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_http import Http
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_tcp import Tcp
from tests.fuzz.door import Door

TIMEOUT = 0.3
LINES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 \xff\r\n",
    b"HTTP/9.9 99999999999999999999 x\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Type: text/plain; charset=\xff\r\n",
    b"Content-Type: text/plain; charset=punycode\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n",
    b"Content-Type: text/plain; charset=utf-32\r\n",
    b"Content-Type: text/plain; charset=idna\r\n",
    b"Content-Encoding: \x1b[31m\r\n",
    b"X: " + b"y" * 70000 + b"\r\n",
    b"\r\n",
    b"ffffffffffffffffffff\r\nok",
    b"5\r\nhello\r\n",
    b"zz\r\n",
    b"0\r\n\r\n",
    b"hello",
    b"\0" * 5000,
)


# Beginnings of answers without an end.
ENDLESS = (
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: y\r\n",
    b"X: y\r\n",
    b"data: nothing\r\n\r\n",
    b"1\r\nx\r\n",
    b"\xff" * 1000,
)


class _Server:
    """Answers each connection with the current bytes and the endless ones, then closes it or leaves it open."""

    def __init__(self) -> None:
        self.answer, self.endless, self.open = b"", b"", False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        kept: list[socket.socket] = []
        while True:
            connection, _peer = self._listener.accept()
            with contextlib.suppress(OSError):
                connection.settimeout(0.1)
                connection.sendall(self.answer)
                while self.endless:
                    connection.sendall(self.endless)
            kept.append(connection)
            while len(kept) > (8 if self.open else 0):
                kept.pop(0).close()


def _answer(rng: random.Random) -> bytes:
    lines = [rng.choice(LINES) for _ in range(rng.randrange(12))]
    if rng.random() < 0.7:
        lines.insert(0, LINES[0])
    content = b"".join(lines)
    if content and rng.random() < 0.3:
        place = rng.randrange(len(content))
        content = content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]
    return content


@contextlib.contextmanager
def checks() -> Iterator[Callable[[random.Random], None]]:
    """Every result is a status of ours with printable output."""
    server = _Server()
    url = f"http://127.0.0.1:{server.port}/"
    probes = (
        Http(url),
        Http(url, contains="hello"),
        Http(url, matches=re.compile("hel+o$")),
        Tcp("127.0.0.1", server.port, expect="hello"),
    )

    def attack(rng: random.Random) -> None:
        server.answer, server.open = _answer(rng), rng.random() < 0.02
        server.endless = rng.choice(ENDLESS) if rng.random() < 0.02 else b""
        result = rng.choice(probes)(TIMEOUT)
        server.endless = b""
        assert result.status in ("passing", "warning", "critical")

    yield attack


DOORS = (Door("checks", checks, deadline=TIMEOUT + 1.0),)

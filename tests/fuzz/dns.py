# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of a resolver to a question for SRV records, over UDP and TCP."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.endpoints import parse_endpoint
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.srv import discover
from tests.fuzz.door import Door

LABELS = (b"a", b"example", b"com", b"\x1b[31m", b"\r\n", b"\xff", b"a b", b"@", b"x" * 63, b"")
POINTERS = (b"\xc0\x0c", b"\xc0\x00", b"\xff\xff", b"\xc0\x30", b"\x80a", b"\x00", b"\x3f")


def name(rng: random.Random) -> bytes:
    """A name, well-formed or not."""
    labels = [rng.choice(LABELS) for _label in range(rng.randrange(5))]
    encoded = b"".join(bytes([len(label)]) + label for label in labels)
    return rng.choice((b"\x01a\x07example\x03com\0", encoded + b"\0", encoded + rng.choice(POINTERS), b"\x3fa" * 500))


def answer(rng: random.Random, query: bytes) -> bytes:
    """An answer with some of it wrong."""
    records = b""
    count = rng.randrange(4)
    for _record in range(count):
        data = struct.pack(">HHH", rng.randrange(3), rng.randrange(3), rng.choice((0, 2379, 65535))) + name(rng)
        size = rng.choice((len(data),) * 4 + (0, 65535))
        kind = rng.choice((33, 33, 33, 5, 1))
        records += rng.choice((b"\xc0\x0c", name(rng))) + struct.pack(">HHIH", kind, 1, 60, size) + data
    flags = rng.choice((0x8180,) * 6 + (0x8183, 0x8182, 0x8380, 0xFFFF))
    counts = rng.choice(((1, count),) * 5 + ((0, count), (65535, 65535), (1, 65535)))
    ident = query[:2] if rng.random() < 0.9 else b"\0\0"
    whole = ident + struct.pack(">HHHHH", flags, *counts, 0, 0) + query[12:] + records
    return rng.choice((whole,) * 8 + (whole[: rng.randrange(len(whole))], b"", b"\xff" * 4096))


@contextlib.contextmanager
def srv() -> Iterator[Callable[[random.Random], None]]:
    """`discover` with one resolver: an error of our own, or endpoints that are well-formed."""
    state = {"rng": random.Random(0)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", 0)) as tcp:
        udp.bind(tcp.getsockname())

        def serve_udp() -> None:
            with contextlib.suppress(OSError):
                while True:
                    query, sender = udp.recvfrom(4096)
                    udp.sendto(answer(state["rng"], query), sender)

        def serve_tcp() -> None:
            while True:
                try:
                    connection, _address = tcp.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    query = connection.recv(4096)[2:]
                    content = answer(state["rng"], query)
                    size = state["rng"].choice((len(content), len(content), 65535, 0))
                    connection.sendall(struct.pack(">H", size) + content)

        for serve in (serve_udp, serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

        def attack(rng: random.Random) -> None:
            state["rng"] = rng
            try:
                found = discover("example.com", 1.0, [udp.getsockname()], secured=rng.random() < 0.5)
            except RollcallError as exc:
                assert str(exc).isprintable(), repr(str(exc))
                assert len(str(exc)) < 2000
            else:
                assert found
                for endpoint in found:
                    assert parse_endpoint(str(endpoint)) == endpoint

        yield attack


DOORS = (Door("dns-srv", srv, deadline=3.0, memory=32),)

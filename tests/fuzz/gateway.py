# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of an endpoint that is not etcd, or that is broken, over a real socket.

Each is one error of the collection's own tree within the deadline, or an answer that etcd could have given. No thread
ends of it.
"""

from __future__ import annotations

import contextlib
import copy
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.admin import Admin
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.cluster import survey
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.v2 import V2Reader
from ansible_collections.rollcall.discovery.plugins.module_utils._registry import node_set
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.follower import Follower, Intervals
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import Selector
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from tests.fuzz.door import Door
from tests.fuzz.spoil import dump, spoil
from tests.support.hostile import HostileServer

TIMEOUT = 1.0  # of a request
DEADLINE = 6.0  # of a call: a few requests on a busy machine
MEMORY = 256  # megabytes; an answer of 64 MiB is not among these

KEY = {"key": "L2E=", "value": "Yg==", "create_revision": "2", "mod_revision": "3", "version": "1", "lease": "7"}
GOOD: dict[str, Any] = {
    "header": {"cluster_id": "1", "member_id": "2", "revision": "9", "raft_term": "3"},
    "kvs": [KEY, {**KEY, "key": "L2I="}],
    "count": "2",
    "more": False,
    "prev_kvs": [KEY],
    "succeeded": True,
    "responses": [{"response_range": {"kvs": [KEY], "count": "1"}}, {"response_put": {"prev_kv": KEY}}],
    "ID": "7",
    "TTL": "10",
    "grantedTTL": "10",
    "keys": ["L2E="],
    "token": "a.b",
    "users": ["root"],
    "roles": ["root"],
    "perm": [{"permType": "READ", "key": "L2E=", "range_end": "AA=="}],
    "members": [{"ID": "2", "name": "m1", "peerURLs": ["http://a:1"], "clientURLs": ["http://127.0.0.1:1"]}],
    "version": "3.5.0",
    "leader": "2",
    "dbSize": "1",
    "raftIndex": "5",
    "alarms": [{"memberID": "2", "alarm": "NOSPACE"}],
    "events": [{"kv": KEY, "prev_kv": KEY}, {"type": "DELETE", "kv": KEY}],
    "created": True,
    "node": {"dir": True, "nodes": [{"key": "/a", "value": "b", "createdIndex": 1, "modifiedIndex": 1}]},
}
HEADS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=" + b"y" * 70_000 + b"\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 \xff\xfe\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 99999 x\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    b"",
)


def body(rng: random.Random) -> bytes:
    """A good answer with up to three things wrong."""
    made, marks = spoil(rng, copy.deepcopy(GOOD), rng.randrange(4))
    if rng.random() < 0.2:
        code, message = rng.choice((3, 5, 7, 9, 14, 16, "x", None, 2**70)), rng.choice(("lease", "\x1b[31m", [], 5))
        made = rng.choice(
            ({"error": {"code": code, "message": message}}, {"code": code, "message": message, "error": 1})
        )
    text = dump({"result": made} if rng.random() < 0.3 else made, marks)
    if rng.random() < 0.1:
        text = text.replace("{", '{"header": [], "kvs": 5, ', 1)  # fields twice
    content = text.encode() + b"\n"
    if rng.random() < 0.1:
        start, end = sorted((rng.randrange(len(content)), rng.randrange(len(content))))
        content = rng.choice((content[:start], content[:start] + content[end:], content[:start] + b"\xff\0"))
    return content


def response(rng: random.Random) -> Iterable[bytes]:
    """A whole HTTP answer: most often well-formed, with a body that is not."""
    kind, content = rng.randrange(10), body(rng)
    if kind == 0:
        return [rng.choice(HEADS), content]
    status = rng.choice((b"200 OK",) * 8 + (b"400 Bad", b"401 No", b"404 No", b"500 No", b"503 No"))
    if kind == 1:
        chunks = [content[start : start + 100] for start in range(0, min(len(content), 3000), 100)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        return [b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\nX: y\r\n\r\n" % (status, framed)]
    return [b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content)]


def endless(rng: random.Random) -> Iterator[bytes]:
    """More than any answer may have."""
    yield rng.choice(HEADS[:8])
    for _piece in range(100):
        yield b"x" * 65536


def tree_of_v2(client: Client) -> None:
    with V2Reader(client.settings) as reader:
        reader.read_all("/")


def watched(client: Client) -> None:
    watch = client.watch("/a")
    try:
        for _batch in watch:
            pass
    finally:
        watch.close()


def transaction(client: Client) -> None:
    done = client.txn([], [wire.get("/a"), wire.put("/a", "b", previous=True)])
    assert done.range(0).kvs is not None and done.previous(1) is not None


CALLS: tuple[Callable[[Client], object], ...] = (
    lambda client: client.range("/a"),
    lambda client: client.read_all("/"),
    lambda client: client.get_many(["/a", "/b"]),
    lambda client: client.read_many(["/a", "/b"]),
    lambda client: client.put("/a", "b"),
    lambda client: client.delete("/a"),
    transaction,
    lambda client: client.lease_grant(5),
    lambda client: client.lease_keepalive(7),
    lambda client: client.lease_status(7, keys=True),
    lambda client: client.lease_revoke(7),
    lambda client: client.status(),
    lambda client: client.authenticate("a", "b"),
    lambda client: Admin(client).users(),
    lambda client: Admin(client).roles_of("a"),
    lambda client: Admin(client).permissions_of("a"),
    lambda client: Admin(client).add_user("a", "b"),
    lambda client: node_set.fetch(client, Layout(), roster=True),
    survey,
    tree_of_v2,
    watched,
)


@contextlib.contextmanager
def calls() -> Iterator[Callable[[random.Random], None]]:
    """Every call of the client, with and without a password."""
    with HostileServer(lambda _path: ()) as server:

        def attack(rng: random.Random) -> None:
            flood = rng.random() < 0.01
            server.respond = lambda _path: endless(rng) if flood else response(rng)
            options: dict[str, Any] = {"endpoints": server.endpoint, "timeout": TIMEOUT}
            if rng.random() < 0.2:
                options.update(user="web", password="s3cret")
            with Client(Settings.from_mapping(options)) as client:
                try:
                    rng.choice(CALLS)(client)
                except RollcallError as exc:
                    assert str(exc).isprintable(), f"it is no line that can be printed: {str(exc)!r}"
                    assert len(str(exc)) < 4000, f"{len(str(exc))} characters"
                    assert "s3cret" not in str(exc), "the password is told"

        yield attack


@contextlib.contextmanager
def follower() -> Iterator[Callable[[random.Random], None]]:
    """The thread that keeps the renderer's copy of the keys: it never ends, and nothing surprises it."""
    with HostileServer(lambda _path: ()) as server:
        client = Client(Settings.from_mapping({"endpoints": server.endpoint, "timeout": TIMEOUT}))
        intervals = Intervals(retry=0.001, retry_max=0.002, heartbeat=0.01)
        selectors = [Selector("/"), Selector("/a", prefix=False)]
        follows = Follower(client, selectors, Layout(), lambda: None, intervals, warn=print, inform=print)
        follows.start()

        def attack(rng: random.Random) -> None:
            seen = server.requests
            server.respond = lambda _path: response(rng)
            end = time.monotonic() + DEADLINE
            while server.requests == seen:
                assert time.monotonic() < end, "it asks no more"
                time.sleep(0.001)
            failure = follows.report().failure
            assert not re.match(r"[A-Za-z]+(Error|Exception): ", failure), failure

        yield attack
        follows.stop()


DOORS = (
    Door("gateway-calls", calls, DEADLINE, MEMORY),
    Door("gateway-follower", follower, DEADLINE, MEMORY),
)

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake's life: it listens, counts, breaks on demand, and comes back on the same port."""

from __future__ import annotations

import collections
import json
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .auth import Auth
from .clock import Clock
from .faults import Fault, Injected
from .gateway import Gateway
from .http import Listener
from .refusal import Refusal, without_leader
from .store import MAX_TTL, Event, Interval, Store
from .v2 import PATH as V2_PATH
from .v2 import V2Store
from .watch import End, Watch
from .wire import Json

# What a short name stands for: the versions that the contract tests hold the fake against. Any full one may be given.
NODES = "/infrastructure/"  # the default prefix of their keys
STANDING_LEASE = 0x5EED

VERSIONS = {"3.4": "3.4.23", "3.5": "3.5.16", "3.6": "3.6.16"}

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"


class Request(NamedTuple):
    """A request as it arrived. `connection` numbers the connections, from 1."""

    path: str
    body: Json
    token: str
    headers: Mapping[str, str]
    connection: int


class FakeEtcd:
    """One member of etcd that lives in this process. A context manager; or call `close`.

    `version` is "3.4", "3.5", "3.6" or a full one. `cert` and `key` are PEM files that switch TLS on; `client_ca` makes
    it demand a client certificate of that CA.
    """

    def __init__(
        self,
        version: str = "3.5",
        clock: Clock | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        client_ca: Path | None = None,
    ) -> None:
        self.version = VERSIONS.get(version, version)
        self.numbers = tuple(map(int, self.version.split(".")))
        self.clock = clock or Clock()
        self.auth = Auth(self.numbers)
        self.received: list[Request] = []  # every request, in the order of arrival
        self.connections = 0  # accepted so far
        self.v2: V2Store | None = None  # as with --enable-v2 where a test gives it one
        self.healed = threading.Event()
        self._lock = threading.RLock()
        self._store = Store(self.clock)
        self._store.listener = self._publish
        self._gateway = Gateway(self._store, self.auth, self.numbers, lambda: self.endpoint)
        self._faults: list[Injected] = []
        self._leaderless = False
        self._watches: list[Watch] = []
        self._context = _server_context(cert, key, client_ca) if cert else None
        self._listener = Listener(self, 0, self._context)
        self._port = self._listener.port
        self._listening = True
        self.clock.on_advance(self.tick)

    def __enter__(self) -> FakeEtcd:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """Its client URL; the same after a restart."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    # Life and death

    def start(self) -> None:
        """Listen again, on the same port."""
        self._listener = Listener(self, self._port, self._context)
        self._listening = True

    def stop(self) -> None:
        """Die: connections are cut and refused. Keys, leases and users stay; simple tokens do not."""
        if self._listening:
            self._listener.close()
            self._listening = False
            self.auth.forget_tokens()

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def close(self) -> None:
        """The end of the fake."""
        self.stop()

    def cut_connections(self) -> None:
        """Cut the open connections, watches too; new ones are taken."""
        self._listener.cut_connections()

    # Faults

    def inject(self, path: str, fault: Fault, times: int | None = 1) -> None:
        """Let the next `times` requests whose path starts with `path` meet `fault`; None: all, until `heal`."""
        with self._lock:
            self.healed.clear()
            self._faults.append(Injected(path, fault, times))

    def lose_leader(self) -> None:
        """Lose the quorum until `heal`: most calls are refused, and watches end that asked for a leader."""
        error = without_leader("/v3/watch", self.numbers)
        assert error
        with self._lock:
            self._leaderless = True
            for watch in [watch for watch in self._watches if watch.require_leader]:
                watch.fail(error.answer(self.numbers, stream=True)[1])

    def elect(self) -> None:
        """Get another leader, who gives every lease all of its time."""
        with self._lock:
            self._store.elect()

    def heal(self) -> None:
        """Forget the faults; what stalled is cut off."""
        with self._lock:
            self._faults.clear()
            self._leaderless = False
            self.healed.set()

    def end_watches(self, clean: bool = True) -> None:
        """End the open watches: in good order, or cut in the middle of a line."""
        with self._lock:
            for watch in self._watches:
                watch.outbox.put(End(clean))

    def cancel_watches(self, reason: str) -> None:
        """Cancel the open watches; the streams stay open, as etcd leaves them."""
        with self._lock:
            for watch in self._watches:
                watch.send(header=self._gateway.header(), canceled=True, cancel_reason=reason)

    def send_progress(self) -> None:
        """What etcd sends every ten minutes to a quiet watch that asked for it."""
        with self._lock:
            for watch in self._watches:
                if watch.progress:
                    watch.send(header=self._gateway.header())

    # What was asked

    def count(self, path: str = "") -> int:
        """Requests whose path starts with `path`."""
        return sum(request.path.startswith(path) for request in tuple(self.received))

    @property
    def counts(self) -> collections.Counter[str]:
        """Requests by path."""
        return collections.Counter(request.path for request in tuple(self.received))

    @property
    def authentications(self) -> int:
        """How often a token was asked for."""
        return self.count("/v3/auth/authenticate")

    @property
    def open_watches(self) -> int:
        """Watches that are being served."""
        return len(self._watches)

    # Keys and leases, without a request

    @property
    def revision(self) -> int:
        """The revision now."""
        return self._store.revision

    @property
    def leases(self) -> list[int]:
        """The ids of the leases that live."""
        with self._lock:
            self._store.expire()
            return list(self._store.leases)

    def tree(self, prefix: str = "") -> dict[str, str]:
        """Keys and values under a prefix."""
        end = prefix.encode()[:-1] + bytes([prefix.encode()[-1] + 1]) if prefix else b"\0"
        with self._lock:
            self._store.expire()
            kvs = self._store.range(Interval(prefix.encode() or b"\0", end))
        return {kv.key.decode(errors="surrogateescape"): kv.value.decode(errors="surrogateescape") for kv in kvs}

    def put(self, key: str, value: str, lease: int | None = None) -> None:
        """Write a key. Those of nodes are held by a lease that never ends where none is given; 0: no lease."""
        with self._lock:
            if lease is None:
                lease = STANDING_LEASE if key.startswith(NODES) or key.endswith("/ip") else 0
            if lease == STANDING_LEASE and lease not in self._store.leases:
                self._store.grant(MAX_TTL, lease)
            change = self._store.begin()
            change.put(key.encode(), value.encode(errors="surrogateescape"), lease)
            change.commit()

    def delete(self, key: str) -> None:
        """Delete a key."""
        with self._lock:
            change = self._store.begin()
            change.delete(Interval(key.encode()))
            change.commit()

    def compact(self) -> None:
        """Forget every revision but the current one."""
        with self._lock:
            self._store.compact(self._store.revision)

    def revoke(self, lease: int) -> None:
        """End a lease, as an operator would."""
        with self._lock:
            self._store.revoke(lease)

    def require_auth(self, **passwords: str) -> None:
        """Switch authentication on with these users; root is needed, and may do everything."""
        with self._lock:
            for name, password in passwords.items():
                self.auth.add_user(name, password, name)
            self.auth.enable()

    def permit(self, role: str, prefix: str, kind: str = "readwrite") -> None:
        """Let a role (a user has one of its own name) `read`, `write` or `readwrite` the keys under a prefix."""
        end = prefix.encode()[:-1] + bytes([prefix.encode()[-1] + 1])
        with self._lock:
            self.auth.grant(role, Interval(prefix.encode(), end), "read" in kind, "write" in kind)

    # Called by the connections' threads

    def connected(self) -> int:
        """Count a connection; returns its number."""
        with self._lock:
            self.connections += 1
            return self.connections

    def arrived(self, path: str, body: Json, token: str, headers: Mapping[str, str], connection: int) -> Fault | None:
        """Record a request; returns the fault that it meets."""
        with self._lock:
            self.received.append(Request(path, body, token, headers, connection))
            for one in self._faults:
                if path.startswith(one.path):
                    if one.times is not None:
                        one.times -= 1
                        if not one.times:
                            self._faults.remove(one)
                    return one.fault
        return None

    def page(self, path: str, authorization: str) -> tuple[int, bytes, str]:
        """Status, body and content type of a GET."""
        if path.startswith(V2_PATH) and self.v2:
            return self.v2.page(path, authorization)
        if path == "/version":
            series = f"{self.numbers[0]}.{self.numbers[1]}.0"
            versions = {"etcdserver": self.version, "etcdcluster": series}
            if self.numbers >= (3, 6):
                versions["storage"] = series
            return 200, json.dumps(versions, separators=(",", ":")).encode(), _JSON
        if path == "/health" and self._leaderless:
            return 503, b'{"health":"false"}\n', _TEXT
        if path == "/health":
            return 200, b'{"health":"true"}' if self.numbers < (3, 5) else b'{"health":"true","reason":""}', _TEXT
        if not self._gateway.knows(path):
            return 404, b"404 page not found\n", _TEXT
        if self.numbers < (3, 5):
            return 405, b"Method Not Allowed\n", _TEXT
        return 501, b'{"code":12, "message":"Method Not Allowed"}', _JSON

    @property
    def unknown_path(self) -> tuple[int, bytes, str]:
        """Status, body and content type of a POST to a path that the gateway does not have."""
        if self.numbers < (3, 5):
            return 404, b"Not Found\n", _TEXT
        return 404, b'{"code":5, "message":"Not Found"}', _JSON

    def knows(self, path: str) -> bool:
        """Whether the gateway has such a path."""
        return self._gateway.knows(path)

    def answer(self, path: str, body: Json, token: str) -> Json:
        """Do what is asked. Raises Refusal."""
        with self._lock:
            self._require_leader(path)
            self._store.expire()
            return self._gateway.answer(path, body, token)

    def open_watch(self, body: Json, token: str, require_leader: bool) -> Watch:
        """Create a watch, and send it what already happened."""
        with self._lock:
            if require_leader:
                self._require_leader("/v3/watch")
            watch = Watch.parse(body, require_leader)
            header = self._gateway.header()
            try:
                self.auth.check(self.auth.user_of(token), watch.interval)
            except Refusal as refusal:
                watch.refuse(header, refusal)
                return watch
            watch.send(header=header, created=True)
            if 0 < watch.start < self._store.compacted:
                compacted = self._store.compacted
                watch.send(header=self._gateway.header(revision=0), canceled=True, compact_revision=compacted)
                return watch
            if 0 < watch.start <= self._store.revision:
                watch.offer(header, self._store.events(watch.interval, watch.start))
            self._watches.append(watch)
            return watch

    def close_watch(self, watch: Watch) -> None:
        """Its client has gone."""
        with self._lock:
            if watch in self._watches:
                self._watches.remove(watch)

    def tick(self) -> None:
        """Let the leases end whose time is up."""
        with self._lock:
            self._store.expire()

    def _require_leader(self, path: str) -> None:
        refusal = without_leader(path, self.numbers) if self._leaderless else None
        if refusal:
            raise refusal

    def _publish(self, revision: int, events: list[Event]) -> None:
        header = self._gateway.header(revision)
        for watch in self._watches:
            watch.offer(header, events)


def _server_context(cert: Path, key: Path | None, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context

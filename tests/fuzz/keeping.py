# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An etcd that gives malformed answers while an agent claims and renews, and while a renderer publishes.

The answers come from the fake etcd. Some are changed on their way, so that both get far and meet the malformed ones at
every step. Neither ends, both say what is wrong in a sentence, and both recover when the answers are good again.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.checks import Checks
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.clock import boottime
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.addresses import Locator
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.lease import LeaseKeeper
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.register_config import load
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.registrar import Registrar
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.registering.run_directory import RunDirectory
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.consumer import Applied, Consumer
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import RollcallError
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import Selector, read_pulse
from tests.fuzz.door import Door
from tests.fuzz.gateway import response
from tests.fuzz.spoil import dump, spoil
from tests.support.fake_etcd import FakeEtcd
from tests.support.hostile import HostileServer

TIMEOUT = 1.0  # of a request
DEADLINE = 20.0  # of one knock: a claim is a handful of requests, each with its own deadline
MEMORY = 256  # megabytes; the fake etcd keeps every revision
KEY = "/rollcall/infrastructure/consumers/lb1"
SURPRISE = re.compile(
    r"\b(Assertion|Attribute|Index|Key|Recursion|Type|Unicode[A-Za-z]*)Error: "
)  # http.client has others


class Between(HostileServer):
    """Passes requests on to an etcd, and changes some of its answers as `rng` says; none without one."""

    def __init__(self, etcd: FakeEtcd) -> None:
        self.rng: random.Random | None = None
        self._etcd = urllib.parse.urlsplit(etcd.endpoint)
        super().__init__(lambda _path: ())

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            path = stream.readline().split(b" ")[1].decode()
            headers = http.client.parse_headers(stream)
            body = stream.read(int(headers.get("Content-Length", "0")))
        self.requests += 1
        for piece in self._answer(path, body):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    def _answer(self, path: str, body: bytes) -> Iterable[bytes]:
        rng = self.rng
        if rng is not None and rng.random() < 0.1:
            return response(rng)  # of anything; etcd never sees the request
        etcd = http.client.HTTPConnection(self._etcd.hostname or "", self._etcd.port or 0, timeout=5)
        etcd.request("POST", path, body)
        with etcd.getresponse() as answered:
            status, content = answered.status, answered.read()
        etcd.close()
        if rng is not None and rng.random() < 0.3:
            content = dump(*spoil(rng, json.loads(content), rng.randrange(1, 3))).encode() + b"\n"
        return [b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content)]


def end_leases(client: Client) -> None:
    """As when a host hangs for longer than its lease lives."""
    for lease in {kv.lease for kv in client.range("/", prefix=True).kvs} - {0}:
        client.lease_revoke(lease)


@contextlib.contextmanager
def registrar() -> Iterator[Callable[[random.Random], None]]:
    """An agent that claims, renews, repairs, and loses its lease now and then."""
    with FakeEtcd() as etcd, Between(etcd) as between, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        config = {"name": "web1", "roles": ["web", "api"], "address": "10.0.0.5", "ttl": 5, "id_from": "machine-id"}
        config["etcd"] = {"endpoints": [between.endpoint], "timeout": TIMEOUT}
        (directory / "register.json").write_text(json.dumps(config))
        loaded = load(str(directory / "register.json"))
        checks = Checks(loaded.checks, {}, lambda _outcome: None, boottime(), loaded.writes, False)
        locator = Locator(loaded.address, loaded.allowed, lambda _found: None)
        keeper = LeaseKeeper(1.0, lambda: None, lambda: None)
        files = RunDirectory(str(directory / "run"))
        agent = Registrar(loaded, checks, locator, files, keeper, lambda _seconds: None, lambda: None, lambda: None)
        witness = Client(Settings.from_mapping({"endpoints": etcd.endpoint}))
        locator.turn(boottime())

        def turn() -> dict[str, Any]:
            """Everything is due at once."""
            keeper._task.due = agent._reconciliation.due = 0.0
            keeper.turn()
            agent.turn()
            status: dict[str, Any] = json.loads(json.dumps(agent.status()))
            said = json.dumps([status["message"], status.get("errors", [])], ensure_ascii=False)
            assert said.isprintable(), said
            assert not SURPRISE.search(said), said
            return status

        def attack(rng: random.Random) -> None:
            between.rng = rng
            if rng.random() < 0.1:
                end_leases(witness)
            for _turn in range(3):
                turn()
            between.rng = None
            end = time.monotonic() + DEADLINE
            while turn()["phase"] != "registered":
                assert time.monotonic() < end, agent.status()
            held = {kv.key: kv.lease for kv in witness.range("/infrastructure/", prefix=True).kvs}
            assert set(held.values()) == {int(agent.status()["lease"], 16)}, held

        yield attack


@contextlib.contextmanager
def consumer() -> Iterator[Callable[[random.Random], None]]:
    """A renderer that publishes what it has applied."""
    with FakeEtcd() as etcd, Between(etcd) as between:
        witness = Client(Settings.from_mapping({"endpoints": etcd.endpoint}))
        client = Client(Settings.from_mapping({"endpoints": between.endpoint, "timeout": TIMEOUT}))
        publisher, selector = Consumer(client, KEY, 5), Selector("/infrastructure/")
        numbers = iter(range(1_000_000))

        def publish() -> tuple[int, str]:
            """Something new is applied; returns its revision and hash."""
            revision = witness.put("/infrastructure/web/web1/ip", "10.0.0.5")
            pulse = read_pulse(witness, selector)[0]
            publisher._wanted = Applied(str(next(numbers)), False, "", revision, {selector: pulse})
            return revision, publisher._wanted.hash

        def turn() -> None:
            try:
                publisher._renewal_due = 0.0
                publisher._turn()
            except RollcallError as exc:
                assert str(exc).isprintable(), str(exc)

        def attack(rng: random.Random) -> None:
            between.rng = rng
            if rng.random() < 0.1:
                end_leases(witness)
            for _turn in range(3):
                publish()
                turn()
            between.rng = None
            revision, digest = publish()
            end = time.monotonic() + DEADLINE
            while True:
                turn()
                found = witness.get(KEY)
                value = json.loads(found.value) if found else {}
                if (value.get("revision"), value.get("hash")) == (revision, digest):
                    break
                assert time.monotonic() < end, (value, revision)
            assert found is not None and found.lease

        yield attack


DOORS = (
    Door("keeping-registrar", registrar, DEADLINE, MEMORY),
    Door("keeping-consumer", consumer, DEADLINE, MEMORY),
)

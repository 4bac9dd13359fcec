# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of endpoints: what a nameserver on a bad day makes of a connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import dial
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import Unreachable
from tests.support.fake_etcd import FakeEtcd

Connect = Callable[..., Client]

SILENT = "silent.test"
FAILING = "failing.test"
GOOD = "good.test"


class Resolver:
    """In place of the C library's: `answers` is what is known of a name; SILENT hangs until the test ends."""

    def __init__(self) -> None:
        self.real = socket.getaddrinfo
        self.answers: dict[str, list[str]] = {}
        self.over = threading.Event()

    def getaddrinfo(self, host: str, port: int, type: int = 0, flags: int = 0) -> list[Any]:
        if flags & socket.AI_NUMERICHOST:
            return self.real(host, port, type=type, flags=flags)
        if host in self.answers:
            return [self.real(address, port, type=type)[0] for address in self.answers[host]]
        if host == FAILING:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        if host == SILENT:
            self.over.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(dial.socket, "getaddrinfo", made.getaddrinfo)
    for memory in ("_last", "_used", "_avoided"):
        monkeypatch.setattr(dial, memory, {})
    yield made
    made.over.set()


def test_a_name_that_hangs_gets_its_share_and_the_next_endpoint_serves(
    fake_etcd: FakeEtcd, connect: Connect, resolver: Resolver
) -> None:
    client = connect(endpoints=[f"http://{SILENT}:2379", fake_etcd.endpoint], timeout=1)
    begun = time.monotonic()
    client.get("/key")
    assert 0.4 < time.monotonic() - begun < 0.95
    client.get("/key")
    assert time.monotonic() - begun < 0.95, "it is asked last from now on"


def test_the_deadline_holds_where_every_name_hangs(connect: Connect, resolver: Resolver) -> None:
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="its name does not resolve: no answer from the name server within 0.2 s"):
        connect(endpoints=[f"http://{SILENT}:1", f"http://{SILENT}:2"], timeout=0.4).get("/key")
    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize("trouble", [SILENT, FAILING])
def test_without_dns_a_name_stands_for_the_addresses_it_had(
    fake_etcd: FakeEtcd, connect: Connect, resolver: Resolver, trouble: str
) -> None:
    port = fake_etcd.endpoint.rpartition(":")[2]
    client = connect(endpoints=[f"http://{trouble}:{port}"], timeout=1)
    resolver.answers[trouble] = ["127.0.0.1"]
    client.get("/key")
    del resolver.answers[trouble]
    client.close()
    client.get("/key")
    assert fake_etcd.connections == 2


def test_a_name_that_is_no_more_is_believed(fake_etcd: FakeEtcd, connect: Connect, resolver: Resolver) -> None:
    port = fake_etcd.endpoint.rpartition(":")[2]
    client = connect(endpoints=[f"http://{GOOD}:{port}"], timeout=1)
    resolver.answers[GOOD] = ["127.0.0.1"]
    client.get("/key")
    del resolver.answers[GOOD]
    client.close()
    with pytest.raises(Unreachable, match="Name or service not known"):
        client.get("/key")


def test_every_address_of_a_name_is_tried(fake_etcd: FakeEtcd, connect: Connect, resolver: Resolver) -> None:
    port = fake_etcd.endpoint.rpartition(":")[2]
    resolver.answers[GOOD] = ["127.0.0.2", "127.0.0.1"]  # nobody listens on the first
    connect(endpoints=[f"http://{GOOD}:{port}"], timeout=1).get("/key")
    resolver.answers[GOOD] = ["127.0.0.2"]
    with pytest.raises(Unreachable, match="connection refused"):
        connect(endpoints=[f"http://{GOOD}:{port}"], timeout=1).get("/key")


def test_after_a_member_that_hangs_the_other_addresses_of_its_name_are_asked(
    fake_etcd: FakeEtcd, connect: Connect, resolver: Resolver
) -> None:
    port = int(fake_etcd.endpoint.rpartition(":")[2])
    resolver.answers[GOOD] = ["127.0.0.2", "127.0.0.3", "127.0.0.1"]
    with socket.create_server(("127.0.0.2", port)), socket.create_server(("127.0.0.3", port)):  # they take connections
        client = connect(endpoints=[f"http://{GOOD}:{port}"], timeout=0.5)
        for _hangs in range(2):
            with pytest.raises(Unreachable, match="no answer within"):
                client.get("/key")
        for _works in range(3):
            begun = time.monotonic()
            client.get("/key")
            client.close()
            assert time.monotonic() - begun < 0.4


def test_an_address_is_not_looked_up(fake_etcd: FakeEtcd, connect: Connect, resolver: Resolver) -> None:
    connect(endpoints=[fake_etcd.endpoint]).get("/key")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("look up")]


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "a..test"])
def test_a_label_that_no_name_can_have_is_an_error_of_the_resolver(name: str) -> None:
    with pytest.raises(socket.gaierror, match="label"):
        dial.dial(name, 2379, 5)

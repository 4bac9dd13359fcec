# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` on the network's bad days: partitions, and nameservers that never answer."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.real_etcd import Cluster
from tests.support.registrant import ROSTER, Changes, Registrant, another_host, leases, values, wait_for
from tests.support.wire import Wire

Register = Callable[..., Registrant]

NAME = "etcd.rollcall.test"


@pytest.fixture
def wire(etcd: Cluster) -> Iterator[Wire]:
    """The only way from the agent to etcd."""
    with Wire(etcd.members[0].port) as made:
        yield made


@pytest.fixture
def silent_nameserver() -> Iterator[str]:
    """The address of one that takes every question and answers none; needs root."""
    if os.geteuid() != 0:
        pytest.skip("a nameserver needs root")
    address = "127.53.53.53"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 53))
        yield address


def resolv_conf(nameserver: str) -> str:
    """Where the C library would wait for 150 s."""
    return f"nameserver {nameserver}\noptions timeout:30 attempts:5\n"


def test_a_partition_shorter_than_the_lease_is_no_event(
    etcd: Cluster, register: Register, wire: Wire, changes: Changes
) -> None:
    agent = register(etcd, ttl=9)
    agent.configure(etcd={"endpoints": [wire.endpoint]})
    agent.start()
    agent.wait_phase("registered")
    changes.clear()
    wire.cut()
    assert "no answer within" in agent.wait_phase("waiting")["message"]
    wire.mend()
    agent.wait_phase("registered")
    agent.wait_count("keepalives", 1)
    assert changes.until_now() == []
    assert agent.status["counts"]["leases_lost"] == 0


def test_a_partition_longer_than_the_lease_is_a_loss_and_no_leave(
    etcd: Cluster, register: Register, wire: Wire
) -> None:
    agent = register(etcd)
    agent.configure(etcd={"endpoints": [wire.endpoint]})
    agent.start()
    before = agent.wait_phase("registered")
    wire.cut()
    wait_for(lambda: not values(etcd), "the keys to go with the lease")
    assert json.loads(values(etcd, ROSTER)[""])["state"] == "joined"
    wire.mend()
    after = agent.wait_phase("registered")
    wait_for(lambda: leases(etcd) == {agent.status["lease"]}, "the keys under a lease of their own")
    assert after["pid"] == before["pid"]
    assert agent.status["lease"] != before["lease"]
    assert agent.status["counts"]["leases_lost"] == 1


def test_a_silent_nameserver_delays_neither_the_lease_nor_the_watchdog(
    etcd: Cluster, register: Register, silent_nameserver: str, tmp_path: Path
) -> None:
    there = another_host(tmp_path / "etc", resolv_conf=resolv_conf(silent_nameserver))
    agent = register(etcd, ttl=6, within=there)
    agent.configure(etcd={"endpoints": [f"http://{NAME}:2379", *etcd.endpoints]})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(3)  # of the watchdog, after which systemd would end it
        agent.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="3000000")
        while agent.status["counts"].get("keepalives", 0) < 2:
            manager.recv(65536)
    assert agent.status["counts"]["leases_lost"] == 0
    wait_for(lambda: leases(etcd) == {agent.status.get("lease")}, "the status to have the lease")


def test_without_dns_etcd_is_found_where_it_was(
    etcd: Cluster, register: Register, silent_nameserver: str, tmp_path: Path
) -> None:
    hosts = f"127.0.0.1 {NAME}\n"
    there = another_host(tmp_path / "etc", resolv_conf=resolv_conf(silent_nameserver), hosts=hosts)
    agent = register(etcd, ttl=9, within=there)
    agent.configure(etcd={"endpoints": [f"http://{NAME}:{etcd.members[0].port}"]})
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    (tmp_path / "etc" / "hosts").write_text("")
    etcd.members[0].kill()
    assert "connection refused" in agent.wait_phase("waiting")["message"], "and not that the name is unknown"
    etcd.members[0].start()
    etcd.wait_healthy()
    agent.wait_phase("registered")
    agent.wait_count("keepalives", 1)
    assert leases(etcd) == {lease} == {agent.status["lease"]}

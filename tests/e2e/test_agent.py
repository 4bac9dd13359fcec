# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent's bad days that need a host: systemd's watchdog, the cable, the plug, a second host, a copy of the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.lab import Host, Lab
from tests.support.installed import Installed
from tests.support.open_etcd import OpenEtcd, open_etcd
from tests.support.waiting import wait_for

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

TTL = 20  # seconds; the watchdog then waits for ten
CONFIG = "/etc/rollcall/register.json"
UNIT = "rollcall-register"


class Pair(NamedTuple):
    """Two hosts that have registered as `first` and `second`, and their etcd."""

    etcd: OpenEtcd
    first: Host
    second: Host


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def pair(
    request: pytest.FixtureRequest, lab: Lab, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    suite = request.param
    names = [f"{suite[:4]}-first", f"{suite[:4]}-second"]
    with open_etcd(lab, suite) as etcd:
        try:
            first, second = lab.create(names, suite=suite)
            folder = tmp_path_factory.mktemp(suite)
            inventory, book = folder / "hosts.json", folder / "register.yml"
            settings = {
                **lab.inventory()["all"]["vars"],
                "rollcall_etcd_endpoints": [etcd.endpoint],
                "register_role": "web",
                "register_ttl": TTL,
                "register_self_check": 3,
            }
            hosts = {name: {"ansible_host": host.address} for name, host in (("first", first), ("second", second))}
            inventory.write_text(json.dumps({"all": {"vars": settings, "hosts": hosts}}))
            book.write_text(
                json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["rollcall.discovery.register"]}])
            )
            installed.play(str(book), inventory=inventory)
            yield Pair(etcd, first, second)
        finally:
            lab.destroy(names)


def shown(host: Host, what: str) -> str:
    """A property of the agent's unit, as systemd has it."""
    return host.exec(f"systemctl show -P {what} {UNIT}").stdout.strip()


def wait_registered(host: Host) -> None:
    """Wait until the agent of this boot says that it holds the registration."""
    wait_for(lambda: shown(host, "StatusText").startswith("Registered"), "the agent to be registered", 3 * TTL)


def configure(host: Host, verb: str, **changes: Any) -> None:
    """Change the agent's configuration, and have it read."""
    config = {**json.loads(host.exec(f"cat {CONFIG}").stdout), **changes}
    host.exec(f"cat >{CONFIG}", stdin=json.dumps(config))
    host.exec(f"systemctl {verb} {UNIT}")


def test_an_agent_that_hangs_is_started_anew_before_its_lease_ends(pair: Pair) -> None:
    before, process = pair.etcd.node("first"), shown(pair.first, "MainPID")
    pair.first.exec(f"systemctl kill --signal=STOP {UNIT}")
    wait_for(lambda: shown(pair.first, "MainPID") not in (process, "0"), "systemd to start another", TTL)
    wait_registered(pair.first)
    assert pair.etcd.node("first") == before


def test_a_cable_that_is_out_for_less_than_the_lease_is_no_event(pair: Pair) -> None:
    before, process = pair.etcd.node("first"), shown(pair.first, "MainPID")
    pair.first.cut()
    try:
        left = f"lease timetolive {pair.etcd.lease('first')} -w json"
        wait_for(lambda: json.loads(pair.etcd.ctl(left))["ttl"] < TTL / 2, "keepalives to be missed", TTL)
    finally:
        pair.first.rejoin()
    wait_for(lambda: json.loads(pair.etcd.ctl(left))["ttl"] > TTL * 0.8, "a keepalive to come through", TTL)
    wait_registered(pair.first)
    assert pair.etcd.node("first") == before
    assert shown(pair.first, "MainPID") == process


def test_a_cable_that_is_out_for_longer_is_a_loss_and_no_leave(pair: Pair) -> None:
    lease, process = pair.etcd.lease("first"), shown(pair.first, "MainPID")
    pair.first.cut()
    try:
        wait_for(lambda: pair.etcd.node("first") == {}, "the host to be lost", 2 * TTL)
        assert pair.etcd.roster("first") == "joined"
    finally:
        pair.first.rejoin()
    wait_for(lambda: "ip" in pair.etcd.node("first"), "the host to come back", 2 * TTL)
    wait_registered(pair.first)
    assert pair.etcd.lease("first") != lease
    assert shown(pair.first, "MainPID") == process


def test_a_host_that_loses_power_is_lost_and_takes_its_name_back(pair: Pair) -> None:
    lease = pair.etcd.lease("first")
    pair.first.kill()
    pair.first.boot()  # which takes less than the lease: its former self still has the name
    wait_registered(pair.first)
    assert pair.etcd.lease("first") != lease
    assert pair.etcd.values("first")["ip"] == pair.first.address
    assert pair.etcd.roster("first") == "joined"


def test_a_host_that_is_shut_down_has_left_before_it_is_off(pair: Pair) -> None:
    pair.first.stop()
    try:
        assert pair.etcd.node("first") == {}
        assert pair.etcd.roster("first") == "left"
    finally:
        pair.first.boot()
    begun = time.monotonic()
    wait_registered(pair.first)
    assert time.monotonic() - begun < TTL / 3, "nobody's lease had to be waited for"
    assert pair.etcd.roster("first") == "joined"


def test_a_reload_keeps_lease_and_process(pair: Pair) -> None:
    before, process = pair.etcd.node("first"), shown(pair.first, "MainPID")
    configure(pair.first, "reload", tags=["blue"])
    wait_for(lambda: '"blue"' in pair.etcd.values("first")["node"], "the tag", TTL)
    after = pair.etcd.node("first")
    assert {leaf for leaf in before if before[leaf] != after[leaf]} == {"node"}
    assert after["node"]["lease"] == before["node"]["lease"]
    assert shown(pair.first, "MainPID") == process


def test_a_second_host_of_the_name_is_refused_and_so_is_a_copy_of_the_disk(pair: Pair) -> None:
    before, own_id = pair.etcd.node("first"), pair.second.exec("cat /etc/machine-id").stdout

    def refused(words: str) -> None:
        wait_for(lambda: words in shown(pair.second, "StatusText"), f"{words!r} in the unit's status", 2 * TTL)
        assert f"address {pair.first.address}" in shown(pair.second, "StatusText")
        assert pair.second.exec("rollcall status", check=False).returncode == 2
        assert pair.etcd.node("first") == before

    try:
        configure(pair.second, "restart", name="first")
        refused("registered by another holder")
        pair.second.exec("cat >/etc/machine-id", stdin=pair.first.exec("cat /etc/machine-id").stdout)
        pair.second.exec(f"systemctl restart {UNIT}")
        refused("running machine with the same machine id")
        configure(pair.second, "restart", id_from="mac")
        refused("registered by another holder")
    finally:
        pair.second.exec("cat >/etc/machine-id", stdin=own_id)
        configure(pair.second, "restart", name="second", id_from="machine-id")
    wait_registered(pair.second)
    assert pair.etcd.values("second")["ip"] == pair.second.address

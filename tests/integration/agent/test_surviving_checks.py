# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` with checks that flap and hang: each is made to happen to a real process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.support.real_etcd import Cluster
from tests.support.registrant import KEYS, Changes, Registrant, Server, leases, values, wait_for

Register = Callable[..., Registrant]


def test_health_follows_a_check_after_fall_and_rise(etcd: Cluster, register: Register, server: Server) -> None:
    agent = register(etcd, checks={"port": server.check(service="web", interval=0.5, rise=2, fall=3)})
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: "refused" in values(etcd).get("checks/port", ""), "the first failure to be told")
    assert values(etcd)["health"] == "critical"
    server.open()
    begun = time.monotonic()
    wait_for(lambda: values(etcd)["health"] == "passing", "the health to be passing")
    assert time.monotonic() - begun > 0.4, "not before the second result"
    server.close()
    begun = time.monotonic()
    wait_for(lambda: values(etcd)["health"] == "critical", "the health to be critical")
    assert time.monotonic() - begun > 0.9, "not before the third result"
    assert json.loads(values(etcd)["checks/port"])["status"] == "critical"


def test_a_hanging_check_delays_no_keepalive(etcd: Cluster, register: Register, server: Server) -> None:
    server.open()
    url = f"http://127.0.0.1:{server.port}/"
    hanging = {"type": "http", "url": url, "timeout": 60, "interval": 0.2}
    agent = register(etcd, ttl=2, checks={f"hanging{number}": hanging for number in range(3)})
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    agent.wait_count("keepalives", 6)
    assert leases(etcd) == {lease}
    assert agent.end() == 0, "and none delays the end"


def test_a_flapping_check_costs_a_bounded_number_of_writes(
    etcd: Cluster, register: Register, server: Server, changes: Changes
) -> None:
    check = server.check(interval=0.1, rise=1, fall=1)
    agent = register(etcd, self_check=60, checks={"port": check})
    agent.start()
    agent.wait_phase("registered")
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        server.open()
        time.sleep(0.2)
        server.close()
        time.sleep(0.2)
    written = {revision for _kind, key, _value, revision in changes.until_now() if key == KEYS + "checks/port"}
    assert 3 <= len(written) <= 1 + 3 + 1, "the claim, the burst, and one of six a minute"
    server.open()
    wait_for(lambda: values(etcd)["health"] == "passing", "the last word to be told at last", within=20)

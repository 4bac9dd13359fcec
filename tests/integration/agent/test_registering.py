# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` from its start to its end: what it writes, what it does not, and what it says."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.real_etcd import Cluster
from tests.support.registrant import (
    KEYS,
    ROSTER,
    Changes,
    Registrant,
    Server,
    leases,
    raft_index,
    values,
    wait_for,
)

Register = Callable[..., Registrant]


def test_a_host_registers_and_its_steady_state_writes_nothing(
    etcd: Cluster, register: Register, server: Server
) -> None:
    server.open()
    agent = register(etcd, ttl=4, checks={"port": server.check(service="web")}, tags=["edge"], meta={"rack": 12})
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: values(etcd).get("health") == "passing", "the health to be passing")
    keys = values(etcd)
    node = json.loads(keys["node"])
    assert keys["ip"] == "10.0.0.5"
    assert (node["v"], node["tags"], node["meta"]["rack"], node["services"]["web"]["port"]) == (1, ["edge"], 12, 8080)
    assert node["agent"]
    check = json.loads(keys["checks/port"])
    assert (check["status"], check["service"]) == ("passing", "web")
    assert sorted(keys) == ["checks/port", "health", "ip", "node"]
    wait_for(lambda: leases(etcd) == {agent.status.get("lease")}, "the status to have the lease")
    assert json.loads(values(etcd, ROSTER)[""])["state"] == "joined"

    agent.wait_count("self_checks", 1)
    before = raft_index(etcd)
    agent.wait_count("keepalives", 2)
    agent.wait_count("self_checks", 2)
    assert raft_index(etcd) == before


def test_a_host_without_checks_is_passing_at_once(etcd: Cluster, register: Register, changes: Changes) -> None:
    agent = register(etcd)
    agent.start()
    agent.wait_phase("registered")
    assert [value for _kind, key, value, _rev in changes.until_now() if key == KEYS + "health"] == ["passing"]


def test_a_killed_agent_that_comes_back_in_time_is_no_event(
    etcd: Cluster, register: Register, server: Server, changes: Changes
) -> None:
    server.open()
    agent = register(etcd, ttl=4, checks={"port": server.check(), "other": server.check(service="web")})
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: values(etcd).get("health") == "passing", "the health to be passing")
    before = agent.status
    changes.clear()
    agent.end(signal.SIGKILL)
    agent.start()
    after = agent.wait_phase("registered")
    agent.wait_count("keepalives", 2)
    assert changes.until_now() == []
    assert (after["lease"], after["instance"]) == (before["lease"], before["instance"])


def test_a_clean_leave_drains_is_put_down_and_ends_in_one_revision(
    etcd: Cluster, register: Register, changes: Changes
) -> None:
    agent = register(etcd, drain_time=0.5)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    changes.clear()
    begun = time.monotonic()
    assert agent.end(signal.SIGTERM) == 0
    assert time.monotonic() - begun >= 0.5
    seen = changes.until_now()
    assert [(kind, key, value) for kind, key, value, _revision in seen[:1]] == [("PUT", KEYS + "health", "drain")]
    assert (seen[1][1], json.loads(seen[1][2])["state"]) == (ROSTER, "left")
    assert {(kind, key) for kind, key, _value, _revision in seen[2:]} == {
        ("DELETE", KEYS + leaf) for leaf in ("ip", "node", "health")
    }
    assert len({revision for _kind, _key, _value, revision in seen[2:]}) == 1
    assert lease not in etcd.ctl("lease", "list")
    assert json.loads((agent.run_directory / "status.json").read_text())["phase"] == "left"

    agent.start()
    assert agent.wait_phase("registered")["lease"] != lease


def test_a_second_signal_cuts_the_drain_short(etcd: Cluster, register: Register) -> None:
    agent = register(etcd, drain_time=60)
    agent.start()
    agent.wait_phase("registered")
    agent.send(signal.SIGTERM)
    wait_for(lambda: values(etcd).get("health") == "drain", "the health to be drain")
    assert agent.end(signal.SIGTERM) == 0
    assert values(etcd) == {}


def test_the_lease_lives_on_while_a_long_drain_lasts(etcd: Cluster, register: Register) -> None:
    agent = register(etcd, ttl=2, drain_time=60)
    agent.start()
    agent.wait_phase("registered")
    agent.send(signal.SIGTERM)
    wait_for(lambda: values(etcd).get("health") == "drain", "the health to be drain")
    agent.wait_count("keepalives", 4)
    assert values(etcd)["health"] == "drain"


def test_it_runs_on_the_pythons_of_nodes(etcd: Cluster, register: Register, server: Server, other_python: str) -> None:
    server.open()
    checks = {"tcp": server.check(), "http": {"type": "http", "url": etcd.endpoints[0] + "/health", "interval": 0.2}}
    agent = register(etcd, python=other_python, checks=checks)
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: values(etcd).get("health") == "passing", "the health to be passing")
    agent.wait_count("self_checks", 1)
    assert agent.end() == 0
    assert values(etcd) == {}


def test_a_reload_keeps_the_lease(etcd: Cluster, register: Register, server: Server, changes: Changes) -> None:
    agent = register(etcd)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    changes.clear()
    server.open()
    agent.configure(tags=["edge"], checks={"port": server.check()})
    agent.send(signal.SIGHUP)
    wait_for(lambda: json.loads(values(etcd)["node"])["tags"] == ["edge"], "the tag")
    wait_for(lambda: "checks/port" in values(etcd), "the check's first result")
    seen = changes.until_now()
    assert sorted(key for _kind, key, _value, _revision in seen) == [KEYS + "checks/port", KEYS + "node"]
    assert json.loads(values(etcd)["checks/port"])["status"] == "passing", "a new check was never called critical"
    assert leases(etcd) == {lease}

    agent.configure(nmae="web7")
    agent.send(signal.SIGHUP)
    wait_for(lambda: "nmae: unknown key" in agent.story(), "the mistake to be told")
    agent.wait_count("self_checks", 1)
    assert leases(etcd) == {lease}


def test_another_name_or_lease_time_moves_the_registration(etcd: Cluster, register: Register, changes: Changes) -> None:
    agent = register(etcd)
    agent.start()
    first = agent.wait_phase("registered")["lease"]
    agent.configure(ttl=5)
    agent.send(signal.SIGHUP)
    wait_for(lambda: leases(etcd).isdisjoint({first}) and values(etcd), "another lease")
    assert first not in etcd.ctl("lease", "list")
    assert not [key for kind, key, _value, _revision in changes.until_now() if kind == "DELETE"], "nobody saw it go"

    agent.configure(name="web7")
    agent.send(signal.SIGHUP)
    wait_for(lambda: values(etcd, "/infrastructure/web/web7/"), "the new name")
    assert values(etcd) == {}
    assert json.loads(values(etcd, ROSTER)[""])["state"] == "left"


def test_a_wrong_configuration_ends_it_with_a_status_of_its_own(etcd: Cluster, register: Register) -> None:
    agent = register(etcd, prefx="/infrastructure")
    agent.start()
    assert agent.process is not None
    assert agent.process.wait(15) == os.EX_CONFIG
    assert agent.story().startswith(f"rollcall: {agent.config_file}: prefx: unknown key; known are: ")


def test_a_second_agent_on_the_same_host_is_refused(etcd: Cluster, register: Register) -> None:
    agent, second = register(etcd), register(etcd)
    agent.start()
    agent.wait_phase("registered")
    second._command[-1] = f"--run-dir={agent.run_directory}"
    second.start()
    assert second.process is not None
    assert second.process.wait(15) == 1
    assert "Another rollcall register runs on this host" in second.story()


def test_it_is_ready_before_etcd_is(etcd: Cluster, register: Register, tmp_path: Path) -> None:
    etcd.members[0].kill()
    agent = register(etcd)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(15)
        agent.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        said = [manager.recv(65536).decode()]
        while not said[-1].startswith("STATUS=Waiting"):
            said.append(manager.recv(65536).decode())
        assert said[0] == "READY=1"
        assert "connection refused" in said[-1]
        etcd.members[0].start()
        while not said[-1].startswith("STATUS=Registered: web/web1, address 10.0.0.5, lease "):
            said.append(manager.recv(65536).decode())
        agent.send(signal.SIGTERM)
        while said[-1] != "STOPPING=1":
            said.append(manager.recv(65536).decode())


def test_leaving_while_etcd_is_away_ends_in_time(etcd: Cluster, register: Register) -> None:
    agent = register(etcd, drain_time=60)
    agent.start()
    agent.wait_phase("registered")
    etcd.members[0].kill()
    begun = time.monotonic()
    assert agent.end() == 0
    assert time.monotonic() - begun < 10
    assert "Left: not deregistered, so the lease ends by itself within 3 s: " in agent.story()

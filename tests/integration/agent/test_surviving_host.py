# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` on the host's bad days: killed, frozen, reset, cloned, a name taken, the clock moved."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.real_etcd import Cluster
from tests.support.registrant import (
    ROSTER,
    Changes,
    Registrant,
    Server,
    another_host,
    hold,
    leases,
    values,
    wait_for,
)

Register = Callable[..., Registrant]


def test_an_agent_frozen_for_longer_than_its_lease(etcd: Cluster, agent: Registrant) -> None:
    lost = agent.status["lease"]
    agent.send(signal.SIGSTOP)
    wait_for(lambda: not values(etcd), "the keys to go with the lease")
    agent.send(signal.SIGCONT)
    begun = time.monotonic()
    wait_for(lambda: "ip" in values(etcd), "the keys to be back")
    assert time.monotonic() - begun < 2
    assert leases(etcd) == {agent.wait_phase("registered")["lease"]} != {lost}
    assert json.loads(values(etcd, ROSTER)[""])["state"] == "joined", "it was lost, it has not left"


def test_a_name_that_somebody_else_has_is_refused_until_it_is_free(etcd: Cluster, register: Register) -> None:
    lease = hold(etcd, 600, {"v": 1, "id": "other", "boot": "b", "agent": "0.9"})
    before = values(etcd)
    agent = register(etcd)
    agent.start()
    said = agent.wait_phase("duplicate")["message"]
    assert said.startswith(
        f"web/web1 is already registered by another holder (address 10.0.0.9, id other, agent 0.9, lease {lease})"
    )
    agent.wait_count("failures", 2)
    assert values(etcd) == before
    assert etcd.ctl("lease", "list").count("\n") == 2, "the holder's alone: it holds no lease without keys"
    assert agent.story().count("is already registered by another holder") == 1, "told once, tried quietly"
    etcd.ctl("lease", "revoke", lease)
    agent.wait_phase("registered")
    assert values(etcd)["ip"] == "10.0.0.5"


def test_a_refused_agent_leaves_the_holder_alone_when_it_ends(etcd: Cluster, register: Register) -> None:
    hold(etcd, 600)
    before = values(etcd)
    agent = register(etcd)
    agent.start()
    assert "id none, no agent" in agent.wait_phase("duplicate")["message"], "a member as the article makes them"
    assert agent.end() == 0
    assert values(etcd) == before
    assert etcd.ctl("lease", "list").count("\n") == 2, "the holder's, under a line that counts"


def test_an_agent_killed_for_longer_than_its_lease(etcd: Cluster, agent: Registrant) -> None:
    before = agent.status
    agent.end(signal.SIGKILL)
    wait_for(lambda: not values(etcd), "the keys to go with the lease")
    agent.start()
    after = agent.wait_phase("registered")
    assert leases(etcd) == {after["lease"]} != {before["lease"]}
    assert after["instance"] == before["instance"]


def test_an_agent_killed_while_etcd_is_away_goes_on_where_it_was(
    etcd: Cluster, register: Register, changes: Changes
) -> None:
    agent = register(etcd, ttl=9)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    changes.clear()
    etcd.members[0].freeze()
    agent.end(signal.SIGKILL)
    agent.start()
    agent.wait_phase("waiting")
    etcd.members[0].thaw()
    assert agent.wait_phase("registered")["lease"] == lease
    agent.wait_count("keepalives", 1)
    assert changes.until_now() == []


def test_a_host_that_lost_power_takes_its_name_back_after_the_boot(
    etcd: Cluster, agent: Registrant, register: Register, tmp_path: Path
) -> None:
    lost = agent.status["lease"]
    agent.end(signal.SIGKILL)
    again = register(etcd, within=another_host(tmp_path / "boot", boot_id=f"{uuid.uuid4()}\n"))
    again.start()
    assert "watching its lease" in again.wait_phase("waiting")["message"]
    again.wait_phase("registered")
    assert leases(etcd) == {again.status["lease"]} != {lost}


def test_a_second_host_of_the_same_name_waits_until_the_first_has_left(
    etcd: Cluster, agent: Registrant, register: Register, changes: Changes, tmp_path: Path
) -> None:
    there = another_host(tmp_path / "other", machine_id=f"{uuid.uuid4().hex}\n", boot_id=f"{uuid.uuid4()}\n")
    second = register(etcd, within=there, address="10.0.0.6")
    changes.clear()
    second.start()
    assert "is already registered by another holder (address 10.0.0.5, " in second.wait_phase("duplicate")["message"]
    agent.wait_count("self_checks", 2)
    second.wait_count("failures", 2)
    assert changes.until_now() == []
    assert agent.status["phase"] == "registered"
    agent.end()
    second.wait_phase("registered")
    assert values(etcd)["ip"] == "10.0.0.6"


@pytest.mark.parametrize("same_boot", [False, True], ids=["machine", "container"])
def test_a_clone_is_refused_as_long_as_the_first_lives(
    etcd: Cluster, agent: Registrant, register: Register, changes: Changes, tmp_path: Path, same_boot: bool
) -> None:
    """A cloned machine has a boot of its own; a cloned container shares that of its host."""
    files = {} if same_boot else {"boot_id": f"{uuid.uuid4()}\n"}
    clone = register(etcd, within=another_host(tmp_path / "clone", **files), address="10.0.0.6")
    changes.clear()
    clone.start()
    assert "running machine with the same machine id (address 10.0.0.5, " in clone.wait_phase("duplicate")["message"]
    agent.wait_count("self_checks", 2)
    clone.wait_count("failures", 2)
    assert changes.until_now() == []
    assert agent.status["phase"] == "registered"


@pytest.mark.parametrize("hours", [1000, -1000])
def test_a_wall_clock_that_jumps_is_no_event(
    etcd: Cluster, register: Register, server: Server, changes: Changes, package: Path, tmp_path: Path, hours: int
) -> None:
    """As NTP or a resumed virtual machine moves it, for a process that asks Python for the time."""
    server.open()
    agent = register(etcd, checks={"port": server.check()})
    clock = tmp_path / "clock"
    clock.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(MOVED_CLOCK.format(file=str(clock)))
    agent.start(PYTHONPATH=f"{tmp_path}:{package}")
    agent.wait_phase("registered")
    wait_for(lambda: values(etcd).get("health") == "passing", "the health to be passing")
    changes.clear()
    clock.write_text(str(hours * 3600))
    agent.wait_count("keepalives", 3)
    agent.wait_count("self_checks", 2)
    assert abs(agent.status["renewed"] - time.time() - hours * 3600) < 60, "the clock has moved"
    assert changes.until_now() == []
    assert agent.status["counts"]["leases_lost"] == 0


MOVED_CLOCK = """
import time
real = time.time
def moved():
    with open({file!r}) as file:
        return real() + float(file.read() or 0)
time.time = moved
"""

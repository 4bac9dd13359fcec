# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` on etcd's bad days: every one of them is made to happen to real processes."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_etcd import Cluster
from tests.support.registrant import KEYS, Changes, Registrant, Server, leases, values, wait_for

Register = Callable[..., Registrant]


def test_a_lease_revoked_by_hand_is_replaced_at_once(etcd: Cluster, agent: Registrant) -> None:
    lost = agent.status["lease"]
    etcd.ctl("lease", "revoke", lost)
    begun = time.monotonic()
    wait_for(lambda: "ip" in values(etcd), "the keys to be back")
    assert time.monotonic() - begun < 3, "a keepalive, so a third of the lease's 3 s, and a moment"
    assert leases(etcd) == {agent.wait_phase("registered")["lease"]} != {lost}
    wait_for(lambda: agent.status["counts"]["leases_lost"] == 1, "the loss to be told")


@pytest.mark.parametrize("leaf", ["ip", "node", "health"])
def test_a_key_deleted_by_hand_is_put_back(etcd: Cluster, agent: Registrant, leaf: str) -> None:
    before, lease = values(etcd), agent.status["lease"]
    etcd.ctl("del", KEYS + leaf)
    wait_for(lambda: values(etcd) == before, "the key to be back")
    assert leases(etcd) == {lease}


def test_a_value_changed_by_hand_is_put_right(etcd: Cluster, agent: Registrant) -> None:
    etcd.ctl("put", KEYS + "health", "critical")
    wait_for(lambda: values(etcd)["health"] == "passing", "the health to be right")
    wait_for(lambda: leases(etcd) == {agent.status.get("lease")}, "the status to have the lease")


def test_the_whole_prefix_deleted_comes_back(etcd: Cluster, agent: Registrant) -> None:
    before = values(etcd)
    etcd.ctl("del", "--prefix", "/")
    wait_for(lambda: values(etcd) == before, "the keys to be back")


def test_etcd_away_for_longer_than_the_lease(etcd: Cluster, agent: Registrant) -> None:
    pid = agent.process.pid if agent.process else 0
    etcd.members[0].kill()
    assert "connection refused" in agent.wait_phase("waiting")["message"]
    wait_for(lambda: time.time() - agent.status["renewed"] > 4, "the lease's 3 s to pass")
    etcd.members[0].start()
    etcd.wait_healthy()
    agent.wait_phase("registered")
    wait_for(lambda: leases(etcd) == {agent.status.get("lease")}, "the status to have the lease")
    assert agent.status["pid"] == pid


def test_etcd_hangs_for_longer_than_the_lease(etcd: Cluster, agent: Registrant) -> None:
    lost = agent.status["lease"]
    etcd.members[0].freeze()
    agent.wait_phase("waiting")
    wait_for(lambda: time.time() - agent.status["renewed"] > 4, "the lease's 3 s to pass")
    etcd.members[0].thaw()
    agent.wait_phase("registered")
    wait_for(lambda: leases(etcd) == {agent.status["lease"]}, "the keys under the lease that lives")
    assert agent.status["lease"] == lost or agent.status["counts"]["leases_lost"] == 1


def test_a_frozen_member_is_passed_over(etcd_cluster: Cluster, register: Register) -> None:
    agent = register(etcd_cluster, ttl=8)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    etcd_cluster.leader.freeze()
    agent.wait_count("keepalives", 2, within=30)
    assert leases(etcd_cluster) == {lease} == {agent.status["lease"]}
    assert agent.status["counts"]["leases_lost"] == 0


def test_leaving_drains_though_the_member_in_use_is_frozen(etcd_cluster: Cluster, register: Register) -> None:
    agent = register(etcd_cluster, ttl=12, drain_time=30)
    agent.start()
    used = agent.wait_phase("registered")["endpoint"]
    next(member for member in etcd_cluster.members if member.endpoint == used).freeze()
    agent.send(signal.SIGTERM)
    wait_for(lambda: values(etcd_cluster)["health"] == "drain", "the host to drain", 30)


def test_endpoints_that_are_somebody_else_are_passed_over(etcd: Cluster, register: Register) -> None:
    """As an address that another program has by now, or a member whose gateway is off."""
    with ExitStack() as stack:
        strangers = []
        for _number in range(5):
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            strangers.append(f"http://127.0.0.1:{server.server_address[1]}")
        agent = register(etcd)
        agent.configure(etcd={"endpoints": [*strangers, *etcd.endpoints]})
        agent.start()
        agent.wait_phase("registered")
        agent.wait_count("keepalives", 2)
        wait_for(lambda: leases(etcd) == {agent.status.get("lease")}, "the status to have the lease")


class Stranger(http.server.BaseHTTPRequestHandler):
    """A program that knows nothing of etcd."""

    def do_POST(self) -> None:
        """Say so."""
        self.send_error(404)

    def log_message(self, *_words: object) -> None:
        """Nothing."""


def test_all_members_killed_and_back_in_time_is_no_event(etcd_cluster: Cluster, register: Register) -> None:
    agent = register(etcd_cluster, ttl=9)
    agent.start()
    agent.wait_phase("registered")
    before = revisions(etcd_cluster)
    for member in etcd_cluster.members:
        member.kill()
    for member in etcd_cluster.members:
        member.start()
    etcd_cluster.wait_healthy()
    agent.wait_count("keepalives", 2, within=30)
    assert revisions(etcd_cluster) == before
    assert agent.status["counts"]["leases_lost"] == 0


def test_quorum_lost_for_longer_than_the_lease(etcd_cluster: Cluster, register: Register) -> None:
    agent = register(etcd_cluster)
    agent.start()
    pid = agent.wait_phase("registered")["pid"]
    leader = etcd_cluster.leader
    follower = next(member for member in etcd_cluster.members if member is not leader)
    for member in (leader, follower):
        member.freeze()
    agent.wait_phase("waiting")
    wait_for(lambda: time.time() - agent.status["renewed"] > 4, "the lease's 3 s to pass")
    for member in (leader, follower):
        member.thaw()
    agent.wait_phase("registered", within=30)
    wait_for(lambda: leases(etcd_cluster) == {agent.status["lease"]}, "the keys under the lease that lives")
    assert agent.status["pid"] == pid


def test_a_compaction_is_no_event(etcd: Cluster, agent: Registrant, changes: Changes) -> None:
    changes.clear()
    etcd.ctl("compaction", str(revision(etcd)), "--physical")
    agent.wait_count("self_checks", 2)
    assert changes.until_now() == []
    assert agent.status["counts"]["failures"] == 0


def test_a_full_database_keeps_the_registration_and_delays_its_news(
    etcd_programs: Path, register: Register, server: Server
) -> None:
    with Cluster(etcd_programs, flags=[f"--quota-backend-bytes={2 << 20}"]) as etcd:
        server.open()
        agent = register(etcd, checks={"port": server.check(rise=1, fall=1)})
        agent.start()
        wait_for(lambda: values(etcd).get("health") == "passing", "the health to be passing")
        lease = agent.wait_phase("registered")["lease"]
        fill(etcd)
        server.close()
        assert "Check etcdctl alarm list" in agent.wait_phase("waiting")["message"]
        agent.wait_count("keepalives", 4)
        assert values(etcd)["health"] == "passing"
        assert leases(etcd) == {lease}
        etcd.ctl("del", "--prefix", "/filler/")
        etcd.ctl("compaction", str(revision(etcd)), "--physical")
        etcd.ctl("defrag")
        etcd.ctl("alarm", "disarm")
        wait_for(lambda: values(etcd)["health"] == "critical", "the news")
        assert leases(etcd) == {lease}
        assert agent.status["counts"]["leases_lost"] == 0


def test_an_etcd_that_comes_back_empty(etcd_programs: Path, register: Register) -> None:
    with Cluster(etcd_programs) as etcd:
        agent = register(etcd)
        agent.start()
        agent.wait_phase("registered")
        before = values(etcd)
        member = etcd.members[0]
        member.kill()
        shutil.rmtree(member.data)
        member.start()
        etcd.wait_healthy()
        wait_for(lambda: values(etcd) == before, "the keys to be back")
        wait_for(lambda: leases(etcd) == {agent.status.get("lease")}, "the status to have the lease")


def test_a_member_is_removed_and_then_its_endpoint(etcd_programs: Path, register: Register) -> None:
    with Cluster(etcd_programs, size=3) as etcd:
        agent = register(etcd, ttl=9)
        agent.start()
        used = agent.wait_phase("registered")["endpoint"]
        before = revisions(etcd)
        gone, *others = sorted(etcd.members, key=lambda member: member.endpoint != used)
        members = others[0].post("/v3/cluster/member/list", {})[1]["members"]
        body = {"ID": next(member["ID"] for member in members if member["name"] == gone.name)}
        # etcd refuses until its members have known each other for 5 s
        wait_for(lambda: others[0].post("/v3/cluster/member/remove", body)[0] == 200, "the removal")
        wait_for(lambda: not gone.pid, "the member to end itself")
        agent.wait_count("keepalives", 2, within=30)
        assert agent.status["endpoint"] in [member.endpoint for member in others]
        agent.configure(etcd={"endpoints": [member.endpoint for member in others]})
        agent.send(signal.SIGHUP)
        agent.wait_count("self_checks", 2)
        assert revisions(etcd) == before
        assert agent.status["counts"]["leases_lost"] == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tags": ["edge\nbackend evil"]}, "tags: "),
        ({"name": "web1/../web2"}, "name: "),
        ({"meta": {"rack": "x" * 5000}}, "more than the 4096 that a key may have"),
        ({"meta": {"load": float("nan")}}, "meta: every reader would reject this host"),
        ({"meta": {"rack": "\ud800"}}, "a text is not UTF-8, near "),
        (
            {"meta": {"rack": functools.reduce(lambda inner, _level: [inner], range(20), [])}},
            "nested more than 16 levels deep",
        ),
        ({"role": None, "roles": [f"role{number}" for number in range(33)]}, "33 roles are more than 32"),
    ],
)
def test_what_others_would_have_to_leave_out_is_never_written(
    etcd: Cluster, register: Register, wrong: dict[str, Any], words: str
) -> None:
    agent = register(etcd, **wrong)
    agent.start()
    assert agent.process is not None
    assert agent.process.wait(15) == os.EX_CONFIG
    assert words in agent.story()
    assert values(etcd, "/") == {}


def revision(etcd: Cluster) -> int:
    """etcd's revision now."""
    return int(json.loads(etcd.ctl("get", "/none", "-w", "json"))["header"]["revision"])


def revisions(etcd: Cluster) -> set[tuple[str, int, int]]:
    """Key, lease and revision of everything that web1 has: another set means that something was written."""
    found = json.loads(etcd.ctl("get", "--prefix", KEYS, "-w", "json"))["kvs"]
    return {(kv["key"], kv["lease"], kv["mod_revision"]) for kv in found}


def fill(etcd: Cluster) -> None:
    """Write until etcd raises the alarm NOSPACE."""
    filler = base64.b64encode(bytes(500_000)).decode()
    for number in range(20):
        body = {"key": base64.b64encode(b"/filler/%d" % number).decode(), "value": filler}
        status, answer = etcd.members[0].post("/v3/kv/put", body)
        if status != 200:
            assert "database space exceeded" in json.dumps(answer)
            return
    raise AssertionError("there is still space")

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` on bad days: every one of them is made to happen to a real process and a real etcd."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_etcd import Cluster
from tests.support.registrant import KEYS, ROSTER, Changes, Registrant, Server, leases, values, wait_for

Register = Callable[..., Registrant]


@pytest.fixture
def agent(etcd: Cluster, register: Register) -> Registrant:
    """A host that is registered and goes on."""
    made = register(etcd)
    made.start()
    made.wait_phase("registered")
    return made


def grant(etcd: Cluster, ttl: int) -> str:
    """A lease of somebody else, in hexadecimal."""
    return etcd.ctl("lease", "grant", str(ttl)).split()[1].lstrip("0")


def hold(etcd: Cluster, ttl: int, document: dict[str, Any] | None = None, address: str = "10.0.0.9") -> str:
    """Let somebody else hold the name web1; returns the lease."""
    lease = grant(etcd, ttl)
    etcd.ctl("put", KEYS + "ip", address, f"--lease={lease}")
    if document is not None:
        etcd.ctl("put", KEYS + "node", json.dumps(document), f"--lease={lease}")
    return lease


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
    assert leases(etcd) == {agent.status["lease"]}, "under our lease, which a put without one had taken away"


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
    assert leases(etcd) == {agent.status["lease"]}
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


def test_a_frozen_member_is_passed_over(etcd_cluster: Cluster, register: Register) -> None:
    agent = register(etcd_cluster, ttl=8)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    etcd_cluster.leader.freeze()
    agent.wait_count("keepalives", 2, within=30)
    assert leases(etcd_cluster) == {lease} == {agent.status["lease"]}
    assert agent.status["counts"]["leases_lost"] == 0


def test_a_name_that_somebody_else_has_is_refused_until_it_is_free(etcd: Cluster, register: Register) -> None:
    lease = hold(etcd, 600, {"v": 1, "id": "other", "boot": "b", "agent": "0.9"})
    before = values(etcd)
    agent = register(etcd)
    agent.start()
    said = agent.wait_phase("duplicate")["message"]
    assert said.startswith(
        f"web/web1 is registered by somebody else (address 10.0.0.9, id other, agent 0.9, lease {lease})"
    )
    agent.wait_count("keepalives", 2)
    assert values(etcd) == before
    assert agent.story().count("is registered by somebody else") == 1, "told once, tried quietly"
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


def test_a_host_that_was_reset_takes_its_own_name_back(etcd: Cluster, agent: Registrant, register: Register) -> None:
    document = json.loads(values(etcd)["node"])
    agent.end()
    hold(etcd, 9, {**document, "boot": "the one before"})
    again = register(etcd)
    again.start()
    assert "a former boot of this host holds web/web1; watching its lease" in again.wait_phase("waiting")["message"]
    again.wait_phase("registered")
    assert values(etcd)["ip"] == "10.0.0.5"
    assert leases(etcd) == {again.status["lease"]}, "which was kept alive meanwhile"


def test_a_clone_of_this_machine_that_is_alive_is_a_duplicate(
    etcd: Cluster, agent: Registrant, register: Register
) -> None:
    document = json.loads(values(etcd)["node"])
    agent.end()
    lease = hold(etcd, 4, {**document, "boot": "another"})
    clone = register(etcd)
    clone.start()
    clone.wait_phase("waiting")

    def renewed_until_refused() -> bool:
        etcd.ctl("lease", "keep-alive", "--once", lease)
        return bool(clone.status["phase"] == "duplicate")

    wait_for(renewed_until_refused, "the clone to be refused")
    assert "is registered by a machine with the same machine id that is alive" in clone.status["message"]


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


def test_permissions_passwords_and_no_secret_in_any_output(
    etcd_programs: Path, register: Register, tmp_path: Path
) -> None:
    with Cluster(etcd_programs, flags=["--bcrypt-cost=4"]) as etcd:
        etcd.require_auth(root="r00t", web1="s3cret")
        password = tmp_path / "password"
        password.write_text("wr0ng\n")
        settings = {"endpoints": etcd.endpoints, "user": "web1", "password_file": str(password)}
        agent = register(etcd)
        agent.configure(etcd=settings)
        agent.start()
        assert "Check user and password" in agent.wait_phase("refused")["message"]

        password.write_text("s3cret\n")
        agent.send(signal.SIGHUP)
        wait_for(lambda: "permission denied" in agent.status["message"], "the next refusal")
        assert agent.status["phase"] == "refused"
        assert "Reading the keys of web/web1" in agent.status["message"]

        admin = "root:r00t"
        etcd.ctl("role", "grant-permission", "web1", "--prefix=true", "readwrite", KEYS, user=admin)
        etcd.ctl("role", "grant-permission", "web1", "readwrite", ROSTER, user=admin)
        agent.wait_phase("registered", within=30)
        assert values(etcd, user=admin)["ip"] == "10.0.0.5"
        attempts = agent.status["counts"]["failures"]
        assert attempts <= 8, f"{attempts} attempts: a refusal is not asked for again and again"
        etcd.ctl("user", "add", "other:x", user=admin)  # any change of auth makes tokens old
        agent.wait_count("self_checks", 2)
        assert agent.status["counts"]["leases_lost"] == 0
        assert agent.end() == 0
        assert values(etcd, user=admin) == {}
        written = agent.story() + "".join(path.read_text() for path in agent.run_directory.iterdir())
        assert "s3cret" not in written
        assert "wr0ng" not in written

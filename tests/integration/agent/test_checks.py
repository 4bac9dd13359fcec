# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` and its checks: what each type says of something real, and what follows from it in etcd."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.real_etcd import Cluster
from tests.support.registrant import KEYS, ROSTER, Changes, Json, Registrant, Server, values, wait_for

Register = Callable[..., Registrant]

QUICK = {"interval": 0.2, "timeout": 5, "rise": 1, "fall": 1}
AT_ONCE = {"dwell": 0, "burst": 1000}
SERVED = f"served{os.getpid() % 10**8}"  # a name that no other process of this machine has


def told(etcd: Cluster, name: str, keys: str = KEYS) -> tuple[str, str]:
    """Status and output of a check; empty where there is none."""
    found: Json = json.loads(values(etcd, keys).get(f"checks/{name}", "{}"))
    return found.get("status", ""), found.get("output", "")


def is_critical(etcd: Cluster, name: str) -> bool:
    """Whether a check is critical."""
    return told(etcd, name)[0] == "critical"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that can be killed."""
    program = tmp_path / SERVED
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "600"])
    yield process
    process.kill()
    process.wait()


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


def test_every_type_follows_what_it_looks_at(
    etcd: Cluster,
    register: Register,
    server: Server,
    served: subprocess.Popen[bytes],
    tmp_path: Path,
    other_python: str,
) -> None:
    beat, pidfile = tmp_path / "beat", tmp_path / "pid"
    beat.write_text("passing: backed up\n")
    pidfile.write_text(str(served.pid))
    server.open()
    checks = {
        "http": {"type": "http", "url": f"{etcd.endpoints[0]}/version", "status": [200], "contains": "etcdserver"},
        "tcp": {"type": "tcp", "port": server.port},
        "script": {"type": "script", "command": f"test -e {beat} || exit 2"},
        "ttl": {"type": "ttl", "file": str(beat), "ttl": 600},
        "name": {"type": "process", "process": SERVED},
        "cmdline": {"type": "process", "cmdline": f"^{tmp_path}/{SERVED} 600$"},
        "pidfile": {"type": "process", "pidfile": str(pidfile)},
    }
    checks = {name: {**QUICK, **check} for name, check in checks.items()}
    agent = register(etcd, other_python, checks=checks, writes=AT_ONCE)
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: values(etcd)["health"] == "passing", f"all to pass: {values(etcd)}")
    assert told(etcd, "ttl") == ("passing", "passing: backed up")
    assert told(etcd, "name") == ("passing", f"{SERVED} runs, process {served.pid}")
    served.kill()
    served.wait()
    server.close()
    beat.unlink()
    for name in set(checks) - {"http"}:
        wait_for(partial(is_critical, etcd, name), f"{name} to be critical")
    assert told(etcd, "http")[0] == "passing"
    assert told(etcd, "name")[1] == f"{SERVED} does not run"
    assert told(etcd, "ttl")[1] == f"reading {beat}: no such file or directory"


def test_a_check_that_may_only_warn_halves_the_weight(etcd: Cluster, register: Register, server: Server) -> None:
    services = {"web": {"port": 8080, "weight": 100, "weight_warning": 50}}
    check = server.check(service="web", severity="warning", initial="passing", rise=1, fall=1)
    agent = register(etcd, services=services, checks={"port": check}, writes=AT_ONCE)
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: values(etcd)["health"] == "warning", "the health to be warning")
    assert json.loads(values(etcd)["node"])["services"]["web"] == {
        "port": 8080,
        "weight": 100,
        "weight_warning": 50,
        "tags": [],
        "meta": {},
    }
    server.open()
    wait_for(lambda: values(etcd)["health"] == "passing", "the health to be passing")


def test_a_service_that_is_critical_for_too_long_is_taken_out_until_it_passes(
    etcd: Cluster, register: Register, server: Server
) -> None:
    services = {"web": {"port": 8080}, "ssh": {"port": 22}}
    server.open()
    check = server.check(service="web", deregister_after=1, rise=1, fall=1)
    agent = register(etcd, services=services, checks={"port": check}, writes=AT_ONCE)
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: values(etcd)["health"] == "passing", "the health to be passing")
    server.close()
    wait_for(lambda: told(etcd, "port")[0] == "critical", "the check to be critical")
    begun = time.monotonic()
    wait_for(lambda: list(json.loads(values(etcd)["node"])["services"]) == ["ssh"], "the service to be gone")
    assert time.monotonic() - begun > 0.8
    assert told(etcd, "port")[0] == "critical", "why it is gone can still be read"
    server.open()
    wait_for(lambda: list(json.loads(values(etcd)["node"])["services"]) == ["ssh", "web"], "the service to be back")


def test_a_node_that_is_critical_for_too_long_leaves_until_it_passes(
    etcd: Cluster, register: Register, server: Server, changes: Changes
) -> None:
    check = server.check(deregister_after=1, rise=1, fall=1)
    server.open()
    agent = register(etcd, checks={"port": check}, writes=AT_ONCE)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    wait_for(lambda: values(etcd)["health"] == "passing", "the health to be passing")
    server.close()
    agent.wait_phase("removed")
    assert values(etcd) == {}
    assert lease not in etcd.ctl("lease", "list")
    assert json.loads(values(etcd, ROSTER)[""])["state"] == "left"
    assert agent.end(signal.SIGKILL) != 0
    changes.clear()
    agent.start()
    agent.wait_phase("removed")
    assert changes.until_now() == [], "a restart remembers"
    server.open()
    agent.wait_phase("registered")
    wait_for(lambda: values(etcd).get("health") == "passing", "the node to be back and passing")
    assert json.loads(values(etcd, ROSTER)[""])["state"] == "joined"
    server.close()
    agent.wait_phase("removed")
    assert agent.end() == 0


def test_a_removal_that_etcd_does_not_hear_of_comes_later(etcd: Cluster, register: Register, server: Server) -> None:
    agent = register(etcd, ttl=60, checks={"port": server.check(deregister_after=1)}, writes=AT_ONCE)
    agent.start()
    agent.wait_phase("registered")
    etcd.members[0].kill()
    agent.wait_phase("waiting")
    etcd.members[0].start()
    etcd.wait_healthy()
    agent.wait_phase("removed")
    assert values(etcd) == {}


def test_an_alias_has_the_health_of_another_node(etcd: Cluster, register: Register, server: Server) -> None:
    database = register(
        etcd,
        name="db1",
        role="db",
        services={"sql": {"port": 5432}},
        address="10.0.0.6",
        checks={"port": server.check(service="sql", rise=1, fall=1)},
        writes=AT_ONCE,
    )
    alias = {"type": "alias", "node": "db1", "role": "db", "interval": 0.2}
    web = register(
        etcd,
        checks={"db": alias, "sql": {**alias, "of_service": "sql"}, "none": {**alias, "of_service": "none"}},
        writes=AT_ONCE,
    )
    web.start()
    web.wait_phase("registered")
    wait_for(lambda: told(etcd, "db") == ("critical", "db/db1 is not registered"), "what is not there to be critical")
    server.open()
    database.start()
    wait_for(lambda: told(etcd, "db") == ("passing", "db/db1 is passing"), "the alias to pass")
    wait_for(lambda: told(etcd, "sql") == ("passing", "sql of db/db1 is passing"), "the other, too")
    assert told(etcd, "none")[0] == "critical"
    server.close()
    wait_for(lambda: told(etcd, "sql") == ("critical", "sql of db/db1 is critical"), "the alias to follow")
    server.open()
    wait_for(lambda: {told(etcd, "sql")[0], told(etcd, "db")[0]} == {"passing"}, "both aliases to follow back")
    etcd.ctl("put", "/rollcall/infrastructure/maintenance/db/db1", '{"by": "ann", "reason": "disk"}')
    wait_for(lambda: told(etcd, "db") == ("critical", "db/db1 is in maintenance"), "maintenance to count")


def test_an_alias_keeps_its_status_while_etcd_is_away(etcd: Cluster, register: Register, changes: Changes) -> None:
    web = register(
        etcd,
        services={"web": {"port": 80}, "proxy": {"port": 81}},
        checks={"web": {"type": "alias", "of_service": "web", "service": "proxy", "interval": 0.2}},
        writes=AT_ONCE,
    )
    web.start()
    web.wait_phase("registered")
    wait_for(lambda: told(etcd, "web") == ("passing", "web of web/web1 is passing"), "the alias to pass")
    changes.clear()
    etcd.members[0].freeze()
    web.wait_phase("waiting")
    etcd.members[0].thaw()
    web.wait_phase("registered")
    web.wait_count("self_checks", 1)
    seen = [value for _kind, key, value, _rev in changes.until_now() if key == KEYS + "checks/web"]
    assert all(json.loads(value)["status"] == "passing" for value in seen)


def test_another_configuration_of_checks_is_taken_without_a_new_lease(
    etcd: Cluster, register: Register, tmp_path: Path, changes: Changes
) -> None:
    slow = {**QUICK, "type": "script", "command": f"echo >> {tmp_path}/looks; sleep 1"}
    agent = register(etcd, checks={"one": {**QUICK, "type": "script", "command": "true"}, "slow": slow}, writes=AT_ONCE)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    wait_for(lambda: told(etcd, "slow")[0] == "passing", "the slow check to pass")
    changes.clear()
    looks = (tmp_path / "looks").read_text()
    wait_for(lambda: (tmp_path / "looks").read_text() != looks, "another slow look to be under way")
    agent.configure(
        checks={"two": {**QUICK, "type": "process", "pidfile": f"{tmp_path}/none"}, "slow": {**slow, "rise": 2}}
    )
    agent.send(signal.SIGHUP)
    wait_for(lambda: told(etcd, "two")[0] == "critical", "the other check")
    wait_for(lambda: "checks/one" not in values(etcd), "the first check to be gone")
    assert agent.status["lease"] == lease
    looks = (tmp_path / "looks").read_text()
    wait_for(lambda: len((tmp_path / "looks").read_text()) >= len(looks) + 3, "some slow looks with the other setting")
    statuses = [
        json.loads(value)["status"] for _kind, key, value, _rev in changes.until_now() if key == f"{KEYS}checks/slow"
    ]
    assert set(statuses) <= {"passing"}, "the look under way is not called a hang"

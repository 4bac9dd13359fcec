# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` on a host, or under limits, that leave it no descriptor, process or disk space."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.real_etcd import Cluster
from tests.support.registrant import Registrant, Server, leases, values, wait_for

Register = Callable[..., Registrant]

TTL = 3  # seconds; the fixture's
AT_ONCE = {"dwell": 0, "per_minute": 600, "burst": 100}


def limit(agent: Registrant, resource: str, limit: str, user: int = 0) -> None:
    """Change a limit of the running process, which is the user's."""
    assert agent.process is not None
    command = ["prlimit", f"--pid={agent.process.pid}", f"--{resource}={limit}"]
    subprocess.run(["setpriv", f"--reuid={user}", *command], check=True)


def health(agent: Registrant, etcd: Cluster) -> str:
    """What etcd has, once the agent has done its self-check again."""
    agent.wait_count("self_checks", 1)
    return values(etcd)["health"]


@pytest.mark.parametrize("descriptors", [3, 4, 6, 8, 10, 12])
def test_an_agent_goes_on_without_descriptors(
    etcd: Cluster, register: Register, server: Server, descriptors: int
) -> None:
    server.open()
    at_server = {"type": "tcp", "port": server.port, "interval": 0.2}
    by_program = {"type": "script", "command": ["/bin/true"], "interval": 0.2}
    checks = {"port": at_server, "name": {**at_server, "host": "localhost"}, "program": by_program}
    agent = register(etcd, checks=checks, writes=AT_ONCE)
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    wait_for(lambda: values(etcd)["health"] == "passing", "the first results")
    limit(agent, "nofile", f"{descriptors}:1024")
    wait_for(lambda: "Cannot carry out checks, so that their last status stands" in agent.story(), "to be told")
    server.close()  # which nobody can see now
    see_renewed(agent, etcd, lease)
    assert values(etcd)["health"] == "passing", "what the agent lacks is no fault of the service"
    limit(agent, "nofile", "1024:1024")
    wait_for(lambda: values(etcd)["health"] == "critical", "what the checks find now")
    assert leases(etcd) == {lease}
    wait_for(lambda: agent.status["health"] == "critical", "the status to be written again")
    assert agent.alive
    assert "Traceback" not in agent.story()


def see_renewed(agent: Registrant, etcd: Cluster, lease: str) -> None:
    """See that a lease lives for longer than it would by itself."""
    end = time.monotonic() + 2 * TTL
    while time.monotonic() < end:
        assert leases(etcd) == {lease}, agent.story()
        time.sleep(0.1)


@pytest.mark.parametrize("descriptors", [5, 6, 8, 10, 12])
def test_an_agent_that_starts_without_descriptors_waits_for_them(
    etcd: Cluster, register: Register, descriptors: int
) -> None:
    agent = register(etcd, within=["prlimit", f"--nofile={descriptors}:1024"])
    agent.start()
    wait_for(lambda: "Too many open files" in agent.story() or agent.status["phase"] == "registered", "a word of it")
    limit(agent, "nofile", "1024:1024")
    agent.wait_phase("registered")
    assert values(etcd)["ip"] == "10.0.0.5"
    assert "Traceback" not in agent.story()


def test_an_agent_goes_on_without_processes(etcd: Cluster, register: Register) -> None:
    """As another user: root has as many as it likes."""
    checks = {"port": {"type": "tcp", "port": int(etcd.endpoints[0].rpartition(":")[2]), "interval": 0.2}}
    agent = register(etcd, checks=checks, writes=AT_ONCE)
    user = 63123
    files = "+dac_override"  # those of the test are root's
    agent._command = ["setpriv", f"--reuid={user}", f"--inh-caps={files}", f"--ambient-caps={files}", *agent._command]
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    wait_for(lambda: values(etcd)["health"] == "passing", "the first result")
    limit(agent, "nproc", "1:", user)
    wait_for(lambda: "Cannot carry out checks, so that their last status stands" in agent.story(), "to be told")
    agent.wait_count("keepalives", 3)
    assert health(agent, etcd) == "passing"
    limit(agent, "nproc", "1000:", user)
    agent.wait_count("keepalives", 1)
    assert leases(etcd) == {lease}
    assert "Traceback" not in agent.story()


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_an_agent_goes_on_without_a_disk_to_write_to(
    etcd: Cluster, register: Register, tmp_path: Path, trouble: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(run)], check=True)
    try:
        agent = register(etcd)
        agent.run_directory = run
        agent._command[-1] = f"--run-dir={run}"
        agent.start()
        lease = agent.wait_phase("registered")["lease"]
        if trouble == "full":
            subprocess.run(["dd", "if=/dev/zero", f"of={run}/filling"], check=False, capture_output=True)
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(run)], check=True)
        words = {"full": "No space left on device", "read-only": "Read-only file system"}[trouble]
        wait_for(lambda: f"Cannot write {run}/status.json: {words}" in agent.story(), "to be told")
        see_renewed(agent, etcd, lease)
        if trouble == "full":
            (run / "filling").unlink()
        else:
            subprocess.run(["mount", "-o", "remount,rw", str(run)], check=True)
        wait_for(lambda: f"{run}/status.json is written again" in agent.story(), "to be told again")
        agent.wait_count("keepalives", 1)
        assert agent.story().count(words) == 1
        assert agent.end() == 0
    finally:
        subprocess.run(["umount", "--lazy", str(run)], check=True)

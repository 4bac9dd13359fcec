# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` on a host, or under limits, that leave it no descriptor, process or disk space."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
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


class Disk:
    """A small disk in memory, as the run directory of an agent; needs root."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=8", "tmpfs", str(path)], check=True)

    def spoil(self, trouble: str) -> str:
        """Make it `full` or `read-only`; returns what the system then says."""
        if trouble == "full":
            subprocess.run(["dd", "if=/dev/zero", f"of={self.path}/filling"], check=False, capture_output=True)
            for number in range(8):
                with contextlib.suppress(OSError):
                    (self.path / f"file{number}").touch()
            return "No space left on device"
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)
        return "Read-only file system"

    def mend(self) -> None:
        """Make it as it was."""
        subprocess.run(["mount", "-o", "remount,rw", str(self.path)], check=True)
        for path in self.path.glob("fil*"):
            path.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "run")
    yield made
    subprocess.run(["umount", "--lazy", str(made.path)], check=True)


@pytest.fixture
def on_disk(etcd: Cluster, register: Register, disk: Disk) -> Registrant:
    """An agent with its run directory there; not started yet."""
    agent = register(etcd)
    agent.run_directory = disk.path
    agent._command[-1] = f"--run-dir={disk.path}"
    return agent


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_an_agent_goes_on_without_a_disk_to_write_to(
    etcd: Cluster, on_disk: Registrant, disk: Disk, trouble: str
) -> None:
    on_disk.start()
    lease = on_disk.wait_phase("registered")["lease"]
    words = disk.spoil(trouble)
    wait_for(lambda: f"Cannot write {disk.path}/status.json: {words}" in on_disk.story(), "to be told")
    see_renewed(on_disk, etcd, lease)
    disk.mend()
    wait_for(lambda: f"{disk.path}/status.json is written again" in on_disk.story(), "to be told again")
    on_disk.wait_count("keepalives", 1)
    assert on_disk.story().count(words) == 1
    assert on_disk.end() == 0


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_an_agent_starts_without_a_disk_to_write_to(
    etcd: Cluster, on_disk: Registrant, disk: Disk, trouble: str
) -> None:
    disk.spoil(trouble)
    on_disk.start()
    wait_for(lambda: "Registered: web/web1" in on_disk.story(), "the registration")
    second = subprocess.run(on_disk._command, env=on_disk._environment, capture_output=True, text=True, check=False)
    assert "Another rollcall register runs on this host" in second.stderr
    disk.mend()
    assert on_disk.wait_phase("registered")["lease"] in leases(etcd)
    assert "Traceback" not in on_disk.story()

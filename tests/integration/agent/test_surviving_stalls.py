# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`rollcall register` while what it writes to stalls: the lease lives on, the newest state is written later."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.real_etcd import Cluster
from tests.support.registrant import Changes, Registrant, Server, leases, values, wait_for
from tests.support.waiting import has

Register = Callable[..., Registrant]

TTL = 3  # seconds; the fixture's
AT_ONCE = {"dwell": 0, "per_minute": 600, "burst": 100}


class Disk:
    """A file system of its own, that can be frozen as a broken disk or a hanging server would freeze it; needs root."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "disk"
        self.path.mkdir()
        image = directory / "image"
        with image.open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(self.path)], check=True)
        self._frozen = False

    def freeze(self) -> None:
        """From now on who writes to it waits, and cannot be killed."""
        subprocess.run(["fsfreeze", "--freeze", str(self.path)], check=True)
        self._frozen = True

    def thaw(self) -> None:
        """Let them go on."""
        if self._frozen:
            subprocess.run(["fsfreeze", "--unfreeze", str(self.path)], check=True)
        self._frozen = False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.thaw()
    subprocess.run(["umount", "--lazy", str(made.path)], check=True)


def survive(etcd: Cluster, changes: Changes, lease: str, server: Server) -> None:
    """See that the lease lives for three times its time, and that a change of health still reaches etcd."""
    changes.clear()
    end = time.monotonic() + 3 * TTL
    server.open()
    while time.monotonic() < end:
        assert leases(etcd) == {lease}
        time.sleep(0.2)
    wait_for(lambda: values(etcd)["health"] == "passing", "the check's new status in etcd")
    kinds = [kind for kind, key, _value, _revision in changes.until_now() if key.endswith("/ip")]
    assert "DELETE" not in kinds, "the host was never gone"


def checked_by(server: Server) -> dict[str, object]:
    """A check of that server, told at once."""
    check = {"type": "tcp", "port": server.port, "interval": 0.2, "rise": 1, "fall": 1, "initial": "critical"}
    return {"checks": {"web": check}, "writes": AT_ONCE}


@pytest.mark.parametrize("what", ["metrics", "run directory"])
def test_a_disk_that_stalls_is_no_reason_to_lose_the_lease(
    etcd: Cluster, register: Register, disk: Disk, changes: Changes, server: Server, what: str
) -> None:
    metrics = disk.path / "rollcall.prom"
    agent = register(etcd, **checked_by(server), **({"metrics_file": str(metrics)} if what == "metrics" else {}))
    if what == "run directory":
        agent.run_directory = disk.path
        agent._command[-1] = f"--run-dir={disk.path}"
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    wait_for(lambda: values(etcd)["health"] == "critical", "the check's first status")
    disk.freeze()
    survive(etcd, changes, lease, server)
    disk.thaw()
    if what == "metrics":
        wait_for(lambda: has(metrics, 'rollcall_health{health="passing"} 1'), "the newest metrics")
        assert agent.status["health"] == "passing", "the other disk did not stall"
    wait_for(lambda: agent.status["health"] == "passing", "the newest status")
    assert agent.end() == 0
    assert not (agent.run_directory / "register.json").exists(), "it has left, and forgotten"


def test_a_log_that_nobody_reads_is_no_reason_to_lose_the_lease(
    etcd: Cluster, register: Register, changes: Changes, server: Server
) -> None:
    agent = register(etcd, **checked_by(server))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 512)
    os.set_blocking(writer, True)
    agent.process = subprocess.Popen(agent._command, stdout=writer, stderr=writer, env=agent._environment)
    os.close(writer)
    lease = agent.wait_phase("registered")["lease"]
    survive(etcd, changes, lease, server)
    agent.process.send_signal(signal.SIGTERM)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read().decode()
    assert agent.process.wait(10) == 0
    assert "Registered: web/web1" in said, "it is told when somebody reads again"


def test_a_configuration_on_a_disk_that_stalls_is_no_reason_to_lose_the_lease(
    etcd: Cluster, register: Register, changes: Changes, server: Server
) -> None:
    """A pipe that nobody writes to: whoever opens it to read hangs, as on a server of files that is gone."""
    agent = register(etcd, **checked_by(server))
    agent.start()
    lease = agent.wait_phase("registered")["lease"]
    agent.config_file.unlink()
    os.mkfifo(agent.config_file)
    agent.send(signal.SIGHUP)
    survive(etcd, changes, lease, server)
    with agent.config_file.open("w") as file:
        json.dump({**agent.config, "tags": ["new"]}, file)
    wait_for(lambda: json.loads(values(etcd)["node"])["tags"] == ["new"], "the new configuration")
    assert leases(etcd) == {lease}


@pytest.mark.parametrize("line", ['exec "$@" 2>&- >&- <&-', 'exec "$@" 2> /dev/full'])
def test_a_log_that_is_closed_or_full_ends_nobody(etcd: Cluster, register: Register, line: str) -> None:
    agent = register(etcd, within=["sh", "-c", line, "sh"], checks=foreign(), writes=AT_ONCE)
    agent.start(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    agent.wait_phase("registered")
    wait_for(lambda: agent.status["checks"]["words"]["output"] == "→ größe", f"its output: {agent.status['checks']}")
    assert agent.end() == 0


def foreign() -> dict[str, object]:
    """A check whose output no old locale knows."""
    return {"words": {"type": "script", "command": "echo '→ größe'", "interval": 0.2, "rise": 1}}


def test_the_watchdog_follows_the_renewal_and_not_the_disk(
    etcd: Cluster, register: Register, disk: Disk, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        agent = register(etcd)
        agent.run_directory = disk.path
        agent._command[-1] = f"--run-dir={disk.path}"
        agent.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000")
        agent.wait_phase("registered")
        disk.freeze()
        end, last = time.monotonic() + 3 * TTL, time.monotonic()
        while time.monotonic() < end:
            if manager.recv(4096) == b"WATCHDOG=1":
                assert time.monotonic() - last < 1, "systemd would have killed it"
                last = time.monotonic()
        disk.thaw()

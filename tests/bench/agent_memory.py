# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent costs a node beside `etcdctl lease keep-alive`, which keeps a lease alive and does nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.row import Row
from tests.support.real_etcd import Cluster
from tests.support.registrant import Json, Registrant, unpack_runtime, wait_for
from tests.tools.etcd_binaries import provide

SERIES = "3.5"
TTL = 6  # seconds; a keepalive every two
GOAL = 1.0
SETTLED = 12.0  # seconds after which neither process grows any more

# A node runs the agent with its distribution's Python, not with that of a development environment.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


def rows() -> list[Row]:
    """Resident memory in MB, both processes measured in one run."""
    programs = provide(SERIES)
    with Cluster(programs) as etcd, tempfile.TemporaryDirectory(prefix="rollcall-bench-") as directory:
        package = unpack_runtime(Path(directory) / "runtime")
        url = etcd.endpoints[0]
        checks = {
            "http": {"type": "http", "url": f"{url}/health", "interval": 1},
            "version": {"type": "http", "url": f"{url}/version", "interval": 1},
            "tcp": {"type": "tcp", "port": etcd.members[0].port, "interval": 1},
        }
        agents = [
            new_agent(Path(directory), package, etcd, "plain", {}),
            new_agent(Path(directory), package, etcd, "checked", checks),
        ]
        keeper = new_keeper(programs, etcd)
        try:
            time.sleep(SETTLED)
            peer = _resident(keeper.pid)
            figures = [_resident(agent.process.pid) for agent in agents if agent.process]
        finally:
            keeper.kill()
            keeper.wait()
            for agent in agents:
                agent.end()
        peer_name = f"etcdctl {etcd.version} lease keep-alive"
    names = ("agent-memory", "agent-memory-three-checks")
    return [Row(name, ours, "MB", GOAL, peer_name, peer) for name, ours in zip(names, figures, strict=True)]


def new_agent(
    directory: Path, package: Path, etcd: Cluster, name: str, checks: Json, wait: bool = True, **settings: Any
) -> Registrant:
    """A running agent with a directory of its own; where it is waited for, its checks pass."""
    home = directory / name
    home.mkdir()
    config: dict[str, Any] = {
        "etcd": {"endpoints": etcd.endpoints},
        "name": name,
        "role": "bench",
        "address": "10.0.0.5",
        "ttl": TTL,
        "self_check": 2,
        "drain_time": 0,
        "checks": checks,
    }
    agent = Registrant(home, package, PYTHON, {**config, **settings})
    agent.start()
    if wait:
        agent.wait_phase("registered")
        wait_for(lambda: agent.status["health"] == "passing", "the checks to pass")
    return agent


def new_keeper(programs: Path, etcd: Cluster, ttl: int = TTL) -> subprocess.Popen[bytes]:
    """A running `etcdctl lease keep-alive`."""
    lease = etcd.ctl("lease", "grant", str(ttl)).split()[1]
    command = [str(programs / "etcdctl"), f"--endpoints={etcd.endpoints[0]}", "lease", "keep-alive", lease]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, f"process {pid} has ended"
    return int(found[1]) / 1000

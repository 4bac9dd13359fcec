# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent costs a node in CPU, and how soon it tells: of its start, and of a process that was killed.

The CPU without checks is beside `etcdctl lease keep-alive`. Both keep a lease of three seconds, ten times as often as
by default, so that a minute sees enough; the agent reads its own keys as often as that, too. With three checks (HTTP,
TCP, a process among all of this machine's) everything is as by default.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.bench.agent_memory import SERIES, new_agent, new_keeper
from tests.bench.row import Row
from tests.support.real_etcd import Cluster
from tests.support.registrant import Json, Registrant, unpack_runtime, wait_for
from tests.tools.etcd_binaries import provide

WINDOW = 60.0  # seconds
SETTLED = 5.0  # seconds after which nothing of the start is left
RUNS = 8
INTERVAL, FALL = 1.0, 3
SERVED = "import socket, time; s = socket.create_server(('127.0.0.1', {port}), backlog=50); time.sleep(600)"


def rows() -> list[Row]:
    """Milliseconds of CPU in a minute; the longest of eight times, in seconds."""
    programs = provide(SERIES)
    with ExitStack() as stack:
        etcd = stack.enter_context(Cluster(programs))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-bench-")))
        package = unpack_runtime(directory / "runtime")
        bare = new_agent(directory, package, etcd, "bare", {}, ttl=3, self_check=6)
        stack.callback(bare.end)
        checked = new_agent(directory, package, etcd, "checked", _checks(etcd), ttl=30, self_check=60)
        stack.callback(checked.end)
        keeper = new_keeper(programs, etcd, ttl=3)
        stack.callback(keeper.wait)
        stack.callback(keeper.kill)
        time.sleep(SETTLED)
        ours, with_checks, peer = _spent(_pid(bare), _pid(checked), keeper.pid)
        started, told = _times(directory, package, etcd)
        peer_name = f"etcdctl {etcd.version} lease keep-alive, both ten times as often as by default"
    return [
        Row("agent-cpu", ours, "ms/min", 2.0, peer_name, peer),
        Row("agent-cpu-three-checks", with_checks, "ms/min", 300.0),
        Row("agent-start-to-passing", max(started), "s", 5.0),
        Row("agent-kill-9-to-critical", max(told), "s", FALL * INTERVAL * 1.1 + 0.3),
    ]


def _checks(etcd: Cluster) -> Json:
    return {
        "http": {"type": "http", "url": f"{etcd.endpoints[0]}/health"},
        "tcp": {"type": "tcp", "port": etcd.members[0].port},
        "process": {"type": "process", "process": "etcd"},
    }


def _spent(*pids: int) -> list[float]:
    """Milliseconds of CPU that each process spends in a minute, all its threads together."""
    before = [_cpu(pid) for pid in pids]
    time.sleep(WINDOW)
    return [(_cpu(pid) - was) * 1000 * 60 / WINDOW for pid, was in zip(pids, before, strict=True)]


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has had: its clock, as clock_getcpuclockid(3) makes it (Linux: ~pid << 3 | 2)."""
    return time.clock_gettime(~pid << 3 | 2)


def _pid(agent: Registrant) -> int:
    assert agent.process is not None
    return agent.process.pid


def _times(directory: Path, package: Path, etcd: Cluster) -> tuple[list[float], list[float]]:
    """Seconds from an agent's start to passing in etcd, and from the end of what it checks to critical, in each run."""
    port = etcd.members[0].port + 1
    check = {"type": "tcp", "port": port, "interval": INTERVAL, "fall": FALL}
    started, told = [], []
    with Client(Settings.from_mapping({"endpoints": etcd.endpoints})) as client:

        def is_told(health: str) -> bool:
            found = client.get("/infrastructure/bench/timed/health")
            return found is not None and found.value == health

        for run in range(RUNS):
            with subprocess.Popen([sys.executable, "-c", SERVED.format(port=port)]) as served:
                home = directory / f"run{run}"
                home.mkdir()
                wait_for(lambda: _accepts(port), "the process to serve")
                begun = time.monotonic()
                agent = new_agent(home, package, etcd, "timed", {"served": check}, wait=False)
                wait_for(lambda: is_told("passing"), "the health to be passing")
                started.append(time.monotonic() - begun)
                time.sleep(5 + INTERVAL * run / RUNS)  # beyond the dwell; and each run at another time of the interval
                begun = time.monotonic()
                served.kill()
                wait_for(lambda: is_told("critical"), "the health to be critical")
                told.append(time.monotonic() - begun)
                agent.end()
    return started, told


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the agent costs a node beside Consul's client agent, both with the same three checks every second."""

from __future__ import annotations

import functools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.row import Row
from tests.support.real_etcd import Cluster
from tests.support.registrant import Registrant, unpack_runtime, wait_for
from tests.tools.etcd_binaries import Unavailable, cached, provide, unpack

SERIES = "3.5"
SUITE = "bullseye"  # the last Debian release with Consul: 1.8.7
TTL = 30  # seconds
WINDOW = 30.0  # seconds over which CPU is counted
NAME = "web1"

# A node runs the agent with its distribution's Python, not with that of a development environment.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


def rows() -> list[Row]:
    """Resident memory in MB, CPU in percent of a core."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-bench-")))
        etcd = stack.enter_context(Cluster(provide(SERIES)))
        agent = _agent(directory, etcd)
        stack.callback(agent.end)
        pids = [agent.process.pid if agent.process else 0]
        peer_name = "Consul's agent"
        try:
            consul = cached("consul-bullseye", functools.partial(unpack, SUITE, {"consul": "consul"})) / "consul"
        except (Unavailable, subprocess.CalledProcessError) as reason:
            print(f"   without Consul: {reason}", flush=True)
        else:
            peer_name = f"Consul's agent {_version(consul)}"
            server = _consul(stack, consul, directory / "server", "127.0.0.2", {"server": True, "bootstrap_expect": 1})
            wait_for(lambda: _members(consul, server) == 1, "Consul's server")
            client = _consul(stack, consul, directory / "client", "127.0.0.3", _client(etcd, server))
            wait_for(lambda: _members(consul, server) == 2, "Consul's client to join")
            pids.append(client.pid)
        memory, cpu = _usage(pids)
    return [
        Row("agent-memory-consul", memory[0], "MB", 1.0, peer_name, *memory[1:]),
        Row("agent-cpu-consul", cpu[0], "%", 1.0, peer_name, *cpu[1:]),
    ]


def _usage(pids: list[int]) -> tuple[list[float], list[float]]:
    """Memory and CPU of each process, over the same window."""
    time.sleep(WINDOW / 2)
    before = [_cpu(pid) for pid in pids]
    time.sleep(WINDOW)
    cpu = [(_cpu(pid) - used) / WINDOW * 100 for pid, used in zip(pids, before, strict=True)]
    return [_resident(pid) for pid in pids], cpu


def _resident(pid: int) -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, f"process {pid} has ended"
    return int(found[1]) / 1000


def _cpu(pid: int) -> float:
    """Seconds of CPU. proc(5): fields 14 and 15 of stat, in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _agent(directory: Path, etcd: Cluster) -> Registrant:
    url, home = etcd.endpoints[0], directory / "agent"
    home.mkdir()
    checks: dict[str, Any] = {
        "http": {"type": "http", "url": f"{url}/health"},
        "version": {"type": "http", "url": f"{url}/version"},
        "tcp": {"type": "tcp", "port": etcd.members[0].port},
    }
    checks = {name: {**check, "interval": 1, "service": "web"} for name, check in checks.items()}
    agent = Registrant(
        home,
        unpack_runtime(directory / "runtime"),
        PYTHON,
        {
            "etcd": {"endpoints": etcd.endpoints},
            "name": NAME,
            "role": "web",
            "address": "10.0.0.5",
            "services": {"web": {"port": 8080}},
            "ttl": TTL,
            "drain_time": 0,
            "checks": checks,
        },
    )
    agent.start()
    agent.wait_phase("registered")
    wait_for(lambda: agent.status["health"] == "passing", "the checks to pass")
    return agent


def _client(etcd: Cluster, server: _Peer) -> dict[str, Any]:
    """The configuration of Consul's client: the service and checks that our agent has."""
    url = etcd.endpoints[0]
    checks = [{"http": f"{url}/health"}, {"http": f"{url}/version"}, {"tcp": f"127.0.0.1:{etcd.members[0].port}"}]
    service = {"name": "web", "port": 8080, "checks": [{**check, "interval": "1s"} for check in checks]}
    return {"service": service, "retry_join": [server.gossip]}


class _Peer(NamedTuple):
    """An agent of Consul: where it gossips (host:port), its own interface (URL), its process."""

    gossip: str
    url: str
    pid: int


def _consul(stack: ExitStack, consul: Path, directory: Path, host: str, config: dict[str, Any]) -> _Peer:
    """Start an agent of Consul on an address and ports of its own."""
    ports = dict(zip(("http", "serf_lan", "server", "serf_wan"), _free_ports(host, 4), strict=True))
    directory.mkdir()
    (directory / "config.json").write_text(
        json.dumps(
            {
                **config,
                "node_name": directory.name,
                "data_dir": str(directory / "data"),
                "bind_addr": host,
                "client_addr": host,
                "ports": {**ports, "dns": -1, "grpc": -1, "https": -1},
                "disable_update_check": True,
                "log_level": "warn",
            }
        )
    )
    process = subprocess.Popen(
        [consul, "agent", f"-config-file={directory / 'config.json'}"], stdout=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return _Peer(f"{host}:{ports['serf_lan']}", f"http://{host}:{ports['http']}", process.pid)


def _free_ports(host: str, count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _number in range(count)]
        for sock in sockets:
            sock.bind((host, 0))
        return [sock.getsockname()[1] for sock in sockets]


def _members(consul: Path, peer: _Peer) -> int:
    """How many members the cluster has, as this agent knows."""
    command = [consul, "members", f"-http-addr={peer.url}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.count(" alive ")


def _version(consul: Path) -> str:
    said = subprocess.run([consul, "version"], capture_output=True, text=True, check=True).stdout
    return said.split()[1].lstrip("v")

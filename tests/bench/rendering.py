# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a changed key in etcd to the new file: beside confd, and beside reading and rendering the whole registry.

confd runs in watch mode with the same template in its own language. It neither checks nor syncs what it writes; ours is
on the disk when it counts. They take turns on one etcd 3.4. A bench takes the `confd` that is on the PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering import view
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.render_config import (
    RenderConfig,
    load,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.rendering.templates import Template
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.mirror import read_state
from tests.bench.row import Row
from tests.support.real_etcd import Cluster
from tests.support.registrant import unpack_runtime
from tests.support.waiting import wait_for
from tests.tools.etcd_binaries import provide

ROUNDS, CHANGES = 3, 8
LARGEST = 150.0  # milliseconds from a changed key to the file, with 10,000 nodes
MEMORY = 133.0  # MB with 10,000 nodes: 1.3 times what it was when everything was read again for each change
QUIET = 0.4  # seconds after which a change is rendered at once
SETTLED = 2.0  # seconds after the first file until nothing else is being done

NODES = """\
backend web
{% for node in nodes(service="http", serving=true) %}
    server {{ node.name }} {{ node.address }}:{{ node.services.http.port }} weight {{ node.services.http.weight }}
{% endfor %}
"""
KEYS = """\
backend web
{% for name in lsdir("/web") %}
    server {{ name }} {{ getv("/web/" ~ name ~ "/ip") }}:8080 check
{% endfor %}
"""
CONFD = """\
backend web
{{range $name := lsdir "/web"}}{{$ip := printf "/web/%s/ip" $name}}    server {{$name}} {{getv $ip}}:8080 check
{{end}}"""


class Measured(NamedTuple):
    """Milliseconds from each change to its file, and the resident memory after them in MB."""

    latencies: list[float]
    memory: float


class Registry:
    """Nodes of the role web, and their file. With `documents` they have services and a check, too."""

    def __init__(self, directory: Path, client: Client, count: int, documents: bool) -> None:
        self.directory, self.dest = directory, directory / "etc/app.cfg"
        self.dest.parent.mkdir()
        self._client, self._count, self._changes = client, count, 0
        self._lease, _ttl = client.lease_grant(3600)
        leaves = {"node": {"id": "m", "services": {"http": {"port": 80}}}, "checks/http": {"status": "passing"}}
        puts = []
        for number in range(count):
            puts.append(self._ip(number, number))
            for leaf, document in leaves.items() if documents else ():
                text = json.dumps({**document, **({"id": f"m{number}"} if leaf == "node" else {})})
                puts.append(wire.put(f"/infrastructure/web/node{number:05}/{leaf}", text, self._lease))
        for start in range(0, len(puts), wire.MAX_TXN_OPS):
            client.txn(success=puts[start : start + wire.MAX_TXN_OPS])

    def measure(self, command: list[str], **environment: str) -> Measured:
        """Start a renderer of the file, change a key again and again, and end it."""
        self.dest.unlink(missing_ok=True)
        with subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for(self.dest.exists, "the first file", 60.0)
                time.sleep(SETTLED + self._count / 5000)
                latencies = [self._change() for _number in range(CHANGES)]
                status = Path(f"/proc/{process.pid}/status").read_text()
            finally:
                process.send_signal(signal.SIGTERM)
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found
        return Measured(latencies, int(found[1]) / 1000)

    def _change(self) -> float:
        self._changes += 1
        number = self._changes * 7919 % self._count
        before = self.dest.stat()
        started = time.monotonic()
        self._client.txn(success=[self._ip(number, 100_000 + self._changes)])
        while (now := self.dest.stat()).st_ino == before.st_ino and now.st_mtime_ns == before.st_mtime_ns:
            assert time.monotonic() < started + 60
            time.sleep(0.0002)
        taken = time.monotonic() - started
        time.sleep(QUIET + self._count / 10_000)
        return taken * 1000

    def _ip(self, number: int, address: int) -> Any:
        text = f"10.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
        return wire.put(f"/infrastructure/web/node{number:05}/ip", text, self._lease)


def rows() -> list[Row]:
    """Milliseconds with few, many and very many nodes; megabytes with very many."""
    confd = shutil.which("confd")
    if confd is None:
        print("no confd on the PATH: nothing to compare with 20 and 3,000 nodes")
    beside_confd = [_beside_confd(count, confd) for count in (20, 3000)]
    with Cluster(provide("3.4")) as etcd, tempfile.TemporaryDirectory(prefix="rollcall-bench-") as scratch:
        directory = Path(scratch)
        registry = Registry(directory, _client(etcd), 10_000, documents=True)
        command, environment = _rollcall(registry, etcd, NODES)
        ours = registry.measure(command, **environment)
        latency = statistics.median(ours.latencies)
        whole = _whole(load(str(directory / "render.json")))
    return [
        *beside_confd,
        Row("render-change-10k-nodes", latency, "ms", LARGEST),
        Row("render-change-10k-part", latency, "ms", 0.25, "reading all keys and rendering", whole),
        Row("render-memory-10k-nodes", ours.memory, "MB", MEMORY),
    ]


def _beside_confd(count: int, confd: str | None) -> Row:
    ours: list[float] = []
    peer: list[float] = []
    with Cluster(provide("3.4")) as etcd, tempfile.TemporaryDirectory(prefix="rollcall-bench-") as scratch:
        registry = Registry(Path(scratch), _client(etcd), count, documents=False)
        command, environment = _rollcall(registry, etcd, KEYS)
        for _round in range(ROUNDS):
            ours += registry.measure(command, **environment).latencies
            if confd:
                peer += registry.measure(_confd(registry, etcd, confd)).latencies
    median = statistics.median(peer) if peer else None
    return Row(f"render-change-{count}-nodes", statistics.median(ours), "ms", 1.0, "confd 0.16 -watch", median)


def _whole(config: RenderConfig) -> float:
    """Milliseconds to read, parse and render everything once, in this process."""
    started = time.monotonic()
    with Client(config.settings) as client:
        state = read_state(client, config.selectors, config.layout)
    Template(config.files[0].src).render(view.build(state, config.layout))
    return (time.monotonic() - started) * 1000


def _rollcall(registry: Registry, etcd: Cluster, template: str) -> tuple[list[str], dict[str, str]]:
    directory = registry.directory
    (directory / "app.j2").write_text(template)
    file = {"src": str(directory / "app.j2"), "dest": str(registry.dest), "prefix": "/infrastructure"}
    config = {"etcd": {"endpoints": etcd.endpoints}, "state_dir": str(directory / "state"), "templates": [file]}
    (directory / "render.json").write_text(json.dumps({**config, "name": "bench"}))
    package = unpack_runtime(directory / "runtime")
    command = [sys.executable, "-B", "-m", "rollcall._agent.cli", "render"]
    command += [f"--config={directory}/render.json", f"--run-dir={directory}/run"]
    return command, {"PYTHONPATH": str(package)}


def _confd(registry: Registry, etcd: Cluster, confd: str) -> list[str]:
    home = registry.directory / "confd"
    for part in ("conf.d", "templates"):
        (home / part).mkdir(parents=True, exist_ok=True)
    resource = {"prefix": "/infrastructure", "src": "app.tmpl", "dest": str(registry.dest), "keys": ["/web"]}
    lines = [f"{name} = {json.dumps(value)}" for name, value in resource.items()]
    (home / "conf.d/app.toml").write_text("\n".join(["[template]", *lines, ""]))
    (home / "templates/app.tmpl").write_text(CONFD)
    return [confd, "-backend=etcdv3", f"-node={etcd.endpoints[0]}", f"-confdir={home}", "-watch", "-log-level=error"]


def _client(etcd: Cluster) -> Client:
    return Client(Settings.from_mapping({"endpoints": etcd.endpoints}))

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hundred thousand keys, read by our client in a fresh Python process, beside `etcdctl get --prefix`.

Both are timed from the start of the process to its end. etcd answers etcdctl in Protocol Buffers, and us in JSON, which
costs etcd itself four times as much.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.bench.agent_memory import PYTHON
from tests.bench.row import Row, alternate
from tests.support.real_etcd import Cluster
from tests.support.registrant import unpack_runtime
from tests.tools.etcd_binaries import provide

KEYS = 100_000
RUNS = 5
GOAL = 2.0

READ = """
import sys
from rollcall._etcd.client import Client
from rollcall._etcd.settings import Settings
with Client(Settings.from_mapping({"endpoints": sys.argv[1]})) as client:
    assert len(client.read_all("/bench/").kvs) == int(sys.argv[2])
"""


def rows() -> list[Row]:
    """One row: seconds."""
    programs = provide("3.5")
    with Cluster(programs) as etcd, tempfile.TemporaryDirectory(prefix="rollcall-bench-") as directory:
        _fill(etcd)
        package = unpack_runtime(Path(directory) / "runtime")
        url = etcd.endpoints[0]
        own = [PYTHON, "-B", "-c", READ, url, str(KEYS)]
        other = [str(programs / "etcdctl"), f"--endpoints={url}", "get", "--prefix", "/bench/"]
        ours, peer = alternate(lambda: _run(own, PYTHONPATH=str(package)), lambda: _run(other, ETCDCTL_API="3"), RUNS)
    return [Row("read-100k-keys", ours, "s", GOAL, "etcdctl get --prefix", peer)]


def _run(command: list[str], **environment: str) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, env={**os.environ, **environment}, check=True)


def _fill(etcd: Cluster) -> None:
    """Ten keys of 15 bytes for each of ten thousand hosts."""
    with Client(Settings.from_mapping({"endpoints": etcd.endpoints})) as client:
        puts = [wire.put(f"/bench/host{number // 10:05}/{number % 10}", "x" * 15) for number in range(KEYS)]
        for start in range(0, KEYS, wire.MAX_TXN_OPS):
            client.txn(success=puts[start : start + wire.MAX_TXN_OPS])

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory of 10,000 hosts, beside an executable script that only prints the same JSON from a file.

40,000 keys of a real etcd (address, document, health and a check of each host), default groups and variables. The
script is the quickest inventory that ansible-core has without a plugin; its JSON is our own `--list`, without the
wrappers around text that is no template.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.bench.row import Row, alternate
from tests.support.inventory import plain, write_config
from tests.support.real_etcd import Cluster
from tests.tools.etcd_binaries import etcd_binaries

HOSTS = 10_000
RUNS = 3
GOAL = 1.25


def rows() -> list[Row]:
    """One row: seconds of `ansible-inventory --list`."""
    binaries = next(filter(None, reversed(etcd_binaries().values())))
    with Cluster(binaries) as etcd, tempfile.TemporaryDirectory(prefix="rollcall-bench-") as scratch:
        _register(etcd.endpoints, HOSTS)
        config = write_config(Path(scratch), endpoints=etcd.endpoints)
        script = _script(Path(scratch), json.loads(_list(config)))
        ours, peer = alternate(lambda: _list(config), lambda: _list(script), RUNS)
    return [Row("inventory-10k-hosts", ours, "s", GOAL, "script inventory", peer)]


def _register(endpoints: list[str], hosts: int) -> None:
    with Client(Settings.from_mapping({"endpoints": endpoints})) as client:
        lease, _ttl = client.lease_grant(3600)
        puts = [wire.put(key, value, lease) for number in range(hosts) for key, value in _node(number)]
        for start in range(0, len(puts), wire.MAX_TXN_OPS):
            client.txn(success=puts[start : start + wire.MAX_TXN_OPS])


def _node(number: int) -> Iterator[tuple[str, str]]:
    directory = f"/infrastructure/role{number % 20}/host{number:05}"
    document = {
        "v": 1,
        "id": f"{number:032x}",
        "boot": "1",
        "services": {"web": {"port": 8080, "weight": 100, "tags": [], "meta": {}}},
        "tags": [f"rack{number % 50}"],
        "meta": {"env": "prod"},
        "agent": "1.0.0",
    }
    check = {"status": "passing", "output": "200 OK", "since": 1700000000, "service": "web"}
    yield f"{directory}/ip", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    yield f"{directory}/node", json.dumps(document)
    yield f"{directory}/health", "passing"
    yield f"{directory}/checks/http", json.dumps(check)


def _list(source: Path) -> str:
    program = Path(sys.prefix) / "bin" / "ansible-inventory"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "ETCDCTL_"))}
    return subprocess.run(
        [str(program), "-i", str(source), "--list"], stdout=subprocess.PIPE, text=True, env=clean, check=True
    ).stdout


def _script(directory: Path, listed: dict[str, Any]) -> Path:
    inventory = plain(listed)
    del inventory["_meta"]["profile"]
    assert len(inventory["_meta"]["hostvars"]) == HOSTS
    content, script = directory / "list.json", directory / "inventory.sh"
    content.write_text(json.dumps(inventory))
    script.write_text(f"#!/bin/sh\nexec cat {content}\n")
    script.chmod(0o755)
    return script

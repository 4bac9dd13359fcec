# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory of 10,000 hosts and 100,000 keys, beside the quickest ones that ansible-core has without a plugin.

A real etcd holds an address, a document, a health and seven checks of each host. The peers are an executable script
that only prints our own `--list` from a file, and an INI file of the same hosts, variables and groups. For programs
that need no variables, such as `ansible all --list-hosts`, it is a plugin that only adds the hosts of a file.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.bench.row import Row, alternate
from tests.support.inventory import write_config
from tests.support.real_etcd import Cluster
from tests.tools.etcd_binaries import etcd_binaries

HOSTS = 10_000
CHECKS = 7
ROUNDS = 2
HOSTS_ROUNDS = 5

_PROGRAM = Path(sys.prefix) / "bin" / "ansible-inventory"
_ANSIBLE = Path(sys.prefix) / "bin" / "ansible"
_PEERS = {"ANSIBLE_INVENTORY_PLUGINS": str(Path(__file__).parent / "peers"), "ANSIBLE_INVENTORY_ENABLED": "hosts_file"}

CONSTRUCTED = {
    "compose": {"http_port": "rollcall_services.web.port | default(80)"},
    "keyed_groups": [{"key": "rollcall_meta.env", "prefix": "env"}, {"key": "rollcall_tags", "prefix": "rack"}],
}


def rows() -> list[Row]:
    """Seconds of `ansible-inventory --list` and the most memory it takes; seconds of `ansible all --list-hosts`."""
    binaries = next(filter(None, reversed(etcd_binaries().values())))
    with Cluster(binaries) as etcd, tempfile.TemporaryDirectory(prefix="rollcall-bench-") as scratch:
        _register(etcd.endpoints, HOSTS)
        config = write_config(Path(scratch), endpoints=etcd.endpoints)
        constructed = write_config(Path(scratch), "constructed.etcd.yml", endpoints=etcd.endpoints, **CONSTRUCTED)
        listed = json.loads(_list(config))
        del listed["_meta"]["profile"]
        assert len(listed["_meta"]["hostvars"]) == HOSTS
        script, ini = _script(Path(scratch), listed), _ini(Path(scratch), listed)
        sources = (config, constructed, script, ini)
        # They take turns, so that all meet the same noise of the machine.
        rounds = [{source: _cost(source) for source in sources} for _round in range(ROUNDS)]
        hosts = _hosts_file(Path(scratch), listed)
        ours, peer = alternate(lambda: _list_hosts(config), lambda: _list_hosts(hosts, **_PEERS), HOSTS_ROUNDS)
    seconds, memory = ({source: _mean(rounds, source, which) for source in sources} for which in (0, 1))
    return [
        Row("inventory-10k-hosts", seconds[config], "s", 1.25, "script inventory", seconds[script]),
        Row("inventory-10k-hosts-ini", seconds[config], "s", 1.0, "INI file", seconds[ini]),
        Row("inventory-10k-constructed", seconds[constructed], "s", 1.5, "the same, not constructed", seconds[config]),
        Row("inventory-10k-list-hosts", ours, "s", 1.5, "a plugin that only adds the hosts of a file", peer),
        Row("inventory-10k-memory", memory[config], "MB", 1.3, "script inventory", memory[script]),
    ]


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
    for check_number in range(CHECKS):
        yield f"{directory}/checks/check{check_number}", json.dumps(check)


def _cost(source: Path) -> tuple[float, float]:
    """Seconds and MB of one `ansible-inventory --list`."""
    started = time.monotonic()
    with subprocess.Popen([_PROGRAM, "-i", source, "--list"], stdout=subprocess.DEVNULL, env=_clean()) as process:
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.monotonic() - started, used.ru_maxrss / 1000


def _mean(rounds: list[dict[Path, tuple[float, float]]], source: Path, which: int) -> float:
    return statistics.mean(costs[source][which] for costs in rounds)


def _list(source: Path) -> str:
    command = [_PROGRAM, "-i", source, "--list"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, env=_clean(), check=True).stdout


def _list_hosts(source: Path, **environment: str) -> None:
    """`ansible all --list-hosts`, checked to print all hosts."""
    command = [str(_ANSIBLE), "all", "--list-hosts", "-i", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, env={**_clean(), **environment}, check=True)
    assert f"hosts ({HOSTS})" in done.stdout, done.stderr


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "ETCDCTL_"))}


def _script(directory: Path, listed: dict[str, Any]) -> Path:
    content, script = directory / "list.json", directory / "inventory.sh"
    content.write_text(json.dumps(listed))
    script.write_text(f"#!/bin/sh\nexec cat {content}\n")
    script.chmod(0o755)
    return script


def _ini(directory: Path, listed: dict[str, Any]) -> Path:
    path = directory / "hosts.ini"
    lines = []
    for host, variables in listed["_meta"]["hostvars"].items():
        words = [shlex.quote(f"{name}={value!r}") for name, value in variables.items()]
        lines.append(" ".join([host, *words]))
    for group, content in listed.items():
        lines += [f"[{group}]", *content["hosts"]] if "hosts" in content else []
    path.write_text("\n".join(lines) + "\n")
    return path


def _hosts_file(directory: Path, listed: dict[str, Any]) -> Path:
    path = directory / "all.hosts"
    groups: dict[str, list[str]] = {host: [] for host in listed["_meta"]["hostvars"]}
    for group, content in listed.items():
        for host in content.get("hosts", ()):
            groups[host].append(group)
    addresses = {host: variables["ansible_host"] for host, variables in listed["_meta"]["hostvars"].items()}
    path.write_text("".join(f"{host} {addresses[host]} {' '.join(names)}\n" for host, names in groups.items()))
    return path

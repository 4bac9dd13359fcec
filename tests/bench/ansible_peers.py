# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our module and our lookup beside those of community.general that speak to etcd.

Fifty keys written by a task in a loop, also beside a task with all of them in its `items`, and a template with a
thousand lookups. Both sides run under the same
ansible-playbook and the same Python, on one etcd without TLS; the peer with versions of its libraries that it still
works with (tests/tools/peers.py). What they did is checked after every run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.bench.row import Row, alternate
from tests.support.real_etcd import Cluster
from tests.tools.etcd_binaries import Unavailable, provide
from tests.tools.peers import community_general

TASKS = 50
LOOKUPS = 1000
RUNS = 2
GOAL = 1.0
GOAL_OF_ITEMS = 0.05
NOTHING = {"name": "Do nothing", "ansible.builtin.meta": "noop"}


def rows() -> list[Row]:
    """Seconds of ansible-playbook; for `items` and the loop beside it without the seconds that a play needs anyway."""
    with Cluster(provide("3.5")) as etcd, tempfile.TemporaryDirectory(prefix="rollcall-bench-") as directory:
        side = Side(etcd, Path(directory), {})
        peer = _peer(etcd, Path(directory))
        tasks = alternate(
            lambda: side.write("rollcall.discovery.etcd_kv"),
            peer and (lambda: peer.write("community.general.etcd3")),
            RUNS,
        )
        items, start = alternate(side.write_items, lambda: side.play(NOTHING), RUNS)
        _fill(etcd)
        lookups = alternate(
            lambda: side.render("lookup('rollcall.discovery.etcd', '/read/' ~ number, return='value')"),
            peer and (lambda: peer.render("lookup('community.general.etcd3', '/read/' ~ number).value")),
            RUNS,
        )
    return [
        Row("etcd-kv-50-tasks", tasks[0], "s", GOAL, "module community.general.etcd3", tasks[1]),
        Row(
            "etcd-kv-50-items",
            items - (start or 0),
            "s",
            GOAL_OF_ITEMS,
            "the same keys in a loop",
            tasks[0] - (start or 0),
        ),
        Row("template-1000-lookups", lookups[0], "s", GOAL, "lookup community.general.etcd3", lookups[1]),
    ]


class Side:
    """One of the two; `environment` says where Ansible finds what it needs beside our collection."""

    def __init__(self, etcd: Cluster, directory: Path, environment: dict[str, str]) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "ETCDCTL_"))}
        self._environment = {**clean, "ETCDCTL_ENDPOINTS": etcd.endpoints[0], "ANSIBLE_PIPELINING": "1", **environment}
        self._etcd = etcd
        self._directory = directory

    def write(self, module: str) -> None:
        """Write every key with one more item of a loop, each time another value."""
        host, port = self._etcd.endpoints[0].removeprefix("http://").split(":")
        value = f"written at {time.time()}"
        options = {"key": "/written/{{ item }}", "value": value, "state": "present", "host": host, "port": int(port)}
        self.play({"name": "Write", module: options, "loop": list(range(TASKS))})
        self._assert_written(value)

    def write_items(self) -> None:
        """Write every key in one task."""
        value = f"written at {time.time()}"
        items = [{"key": f"/written/{number}", "value": value} for number in range(TASKS)]
        options = {"endpoints": self._etcd.endpoints, "items": items}
        self.play({"name": "Write", "rollcall.discovery.etcd_kv": options})
        self._assert_written(value)

    def _assert_written(self, value: str) -> None:
        assert self._etcd.ctl("get", "--prefix", "/written/", "--print-value-only").splitlines() == [value] * TASKS

    def render(self, lookup: str) -> None:
        """Render a file with one lookup for each line."""
        source, target = self._directory / "lines.j2", self._directory / "lines"
        source.write_text(f"{{% for number in range({LOOKUPS}) %}}\n{{{{ {lookup} }}}}\n{{% endfor %}}\n")
        target.unlink(missing_ok=True)
        options = {"src": str(source), "dest": str(target), "mode": "0644"}
        self.play({"name": "Render", "ansible.builtin.template": options})
        assert target.read_text() == "".join(f"value {number}\n" for number in range(LOOKUPS))

    def play(self, task: dict[str, Any]) -> None:
        """Run a play of this task."""
        book = self._directory / "play.yml"
        book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        program = str(Path(sys.prefix) / "bin" / "ansible-playbook")
        command = [program, "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
        done = subprocess.run([*command, str(book)], capture_output=True, text=True, env=self._environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _peer(etcd: Cluster, directory: Path) -> Side | None:
    try:
        return Side(etcd, directory, community_general())
    except Unavailable as reason:
        print(f"   {reason}", file=sys.stderr)
        return None


def _fill(etcd: Cluster) -> None:
    with Client(Settings.from_mapping({"endpoints": etcd.endpoints})) as client:
        puts = [wire.put(f"/read/{number}", f"value {number}") for number in range(LOOKUPS)]
        for start in range(0, LOOKUPS, wire.MAX_TXN_OPS):
            client.txn(success=puts[start : start + wire.MAX_TXN_OPS])

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real process `rollcall render` in a directory of its own, against a real etcd."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_etcd import Cluster

MODULE_UTILS = Path(__file__).parents[3] / "plugins" / "module_utils"

# Everything that waits in earnest waits a little here.
TIMING = {"quiet": 0.1, "max_wait": 0.5, "retry": 0.3, "retry_max": 0.6}
INTERVALS = {"heartbeat": 0.5, "doubt": 0.3, "resync": 60, "retry": 0.05, "retry_max": 0.3}

NODES = """\
# nodes
{% for node in nodes() %}
{{ node.name }} {{ node.address }}
{% endfor %}
"""


class Renderer:
    """A configuration, its template and file, and the process that keeps it up to date.

    `reloads` has what the service read with each reload; while `broken` exists reloads fail.
    """

    def __init__(self, directory: Path, endpoints: list[str]) -> None:
        self.etc, self.state, self.run = directory / "etc", directory / "state", directory / "run"
        self.etc.mkdir()
        self.template, self.dest = directory / "app.j2", self.etc / "app.cfg"
        self.reloads, self.broken = directory / "reloads", directory / "broken"
        self.log = directory / "log"
        self.template.write_text(NODES)
        self.file: dict[str, Any] = {
            "src": str(self.template),
            "dest": str(self.dest),
            "keys": ["/app/"],
            "check_cmd": "! grep -q forbidden {src}",
            "reload_cmd": f"test ! -e {self.broken} && (cat {self.dest}; echo --) >> {self.reloads}",
        }
        self.config: dict[str, Any] = {
            "etcd": {"endpoints": endpoints, "timeout": 2},
            "name": "lb1",
            "state_dir": str(self.state),
            "templates": [self.file],
            "timing": TIMING,
            "intervals": INTERVALS,
            "consumer_ttl": 2,
        }
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        package = directory / "package"
        package.mkdir()
        (package / "rollcall").symlink_to(MODULE_UTILS)
        self._environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, *arguments: str) -> list[str]:
        """The command line, with the configuration as it is now."""
        path = self._directory / "render.json"
        path.write_text(json.dumps(self.config))
        program = [sys.executable, "-m", "rollcall._agent.cli", "render"]
        return [*program, f"--config={path}", f"--run-dir={self.run}", *arguments]

    def once(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(*arguments), env=self._environment, capture_output=True, text=True, timeout=30, check=False
        )

    def start(self, **environment: str) -> Renderer:
        """Start the process that stays."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), env={**self._environment, **environment}, stdout=log, stderr=log
            )
        return self

    def started(self) -> Renderer:
        """Start it and wait until it follows etcd."""
        self.start()
        self.wait(lambda: self.status().get("revision") and not self.status()["cut_off"], "files of the registry")
        return self

    def send(self, number: int) -> None:
        """Send the process a signal."""
        assert self._process
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; returns the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        status = self._process.wait(10)
        self._process = None
        return status

    def status(self) -> dict[str, Any]:
        """What the status file says; empty where there is none yet."""
        path = self.run / "render.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def content(self) -> str:
        """The file, "" where there is none."""
        return self.dest.read_text() if self.dest.exists() else ""

    def read(self) -> list[str]:
        """What the service has read so far, one text for each reload."""
        return self.reloads.read_text().split("--\n")[:-1] if self.reloads.exists() else []

    def names(self) -> list[str]:
        """The nodes in the file."""
        return [line.split()[0] for line in self.content().splitlines()[1:]]

    def wait(self, fact: Callable[[], Any], words: str, within: float = 8.0) -> None:
        """Wait for a fact; without it the test fails with what the process said."""
        deadline = time.monotonic() + within
        while not fact():
            if time.monotonic() > deadline:
                said = self.log.read_text() if self.log.exists() else ""
                raise AssertionError(f"waited {within} s for: {words}\nfile: {self.content()}\nlog:\n{said}")
            time.sleep(0.01)


@pytest.fixture
def make_renderer(tmp_path: Path) -> Iterator[Callable[[Cluster], Renderer]]:
    """Makes the renderer of a cluster, not started."""
    made: list[Renderer] = []

    def make(etcd: Cluster) -> Renderer:
        made.append(Renderer(tmp_path, etcd.endpoints))
        return made[0]

    yield make
    for renderer in made:
        renderer.stop()


@pytest.fixture
def renderer(make_renderer: Callable[[Cluster], Renderer], etcd: Cluster) -> Renderer:
    """A renderer of `etcd`, not started."""
    return make_renderer(etcd)


@pytest.fixture
def put(etcd: Cluster) -> Callable[..., None]:
    """Registers nodes as the article does, with etcdctl: `put(web1="10.0.0.1")`."""

    def put(**nodes: str) -> None:
        for name, address in nodes.items():
            etcd.put(f"/infrastructure/web/{name}/ip", address)

    return put

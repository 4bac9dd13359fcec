# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real `rollcall register` under test, and what a witness sees of it in etcd."""

from __future__ import annotations

import base64
import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.rollcall.discovery.plugins.plugin_utils import _runtime
from tests.support import waiting
from tests.support.real_etcd import Cluster

Json = dict[str, Any]

PATIENCE = 15.0  # seconds for what takes one or two on a machine with nothing else to do
KEYS = "/infrastructure/web/web1/"
ROSTER = "/rollcall/infrastructure/roster/web/web1"


def unpack_runtime(directory: Path) -> Path:
    """Put the runtime into `directory` as the role does on a node; returns what PYTHONPATH must name."""
    root = _runtime.collection_root()
    archive = _runtime.pack(_runtime.collect(root), _runtime.collection_version(root))
    directory.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xz", "-C", str(directory)], input=archive.content, check=True)
    return directory


def wait_for(fact: Callable[[], object], words: str, within: float = PATIENCE) -> None:
    """Wait for a fact, with the patience that processes and leases need."""
    waiting.wait_for(lambda: bool(fact()), words, within)


class Registrant:
    """One host's agent: its files in a directory of its own, and the process, which can be started again.

    `within` is a command that the agent's own is added to, as `another_host` gives it.
    """

    def __init__(self, directory: Path, package: Path, python: str, config: Json, within: Sequence[str] = ()) -> None:
        self.directory = directory
        self.config_file = directory / "register.json"
        self.run_directory = directory / "run"
        self.log = directory / "log"
        self._command = [*within, python, "-B", "-m", "rollcall._agent.cli", "register"]
        self._command += [f"--config={self.config_file}", f"--run-dir={self.run_directory}"]
        self._environment = {"PYTHONPATH": str(package), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.process: subprocess.Popen[bytes] | None = None
        self.config = config
        self.configure()

    def configure(self, **changes: Any) -> None:
        """Write the configuration, with `changes` from now on."""
        self.config = {**self.config, **changes}
        self.config_file.write_text(json.dumps(self.config))

    def start(self, **environment: str) -> None:
        """Start the process; does not wait for anything."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # not in the checkout, which is a package `rollcall` itself
                self._command, stdout=log, stderr=log, env={**self._environment, **environment}, cwd=self.directory
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def status(self) -> Json:
        """status.json, if this process has written it already."""
        with suppress(FileNotFoundError):
            found: Json = json.loads((self.run_directory / "status.json").read_text())
            if self.process is not None and found["pid"] == self.process.pid:
                return found
        return {"phase": "", "counts": {}}

    def wait_phase(self, phase: str, within: float = PATIENCE) -> Json:
        """Wait for a phase; returns the status."""
        wait_for(lambda: self.status["phase"] == phase or not self.alive, f"phase {phase}: {self.story()}", within)
        assert self.alive, self.story()
        return self.status

    def wait_count(self, name: str, more: int, within: float = PATIENCE) -> None:
        """Wait until something has happened so many times more."""
        goal = self.status["counts"][name] + more
        wait_for(lambda: self.status["counts"].get(name, 0) >= goal, f"{more} more {name}: {self.story()}", within)

    def story(self) -> str:
        """What it said, for the message of a failure."""
        return self.log.read_text() if self.log.exists() else "(nothing said)"


def another_host(directory: Path, **files: str) -> list[str]:
    """A command before another that lets it see other files in place of this machine's; needs root.

    `files` may name resolv_conf, hosts, machine_id and boot_id. They lie in `directory` under these names, and may be
    written anew while the process runs.
    """
    places = {
        "resolv_conf": "/etc/resolv.conf",
        "hosts": "/etc/hosts",
        "machine_id": "/etc/machine-id",
        "boot_id": "/proc/sys/kernel/random/boot_id",
    }
    directory.mkdir(exist_ok=True)
    mounts = []
    for name, content in files.items():
        (directory / name).write_text(content)
        mounts.append(shlex.join(["mount", "--bind", str(directory / name), places[name]]))
    return ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh"]


class Changes:
    """What `etcdctl watch` sees of all keys, as (type, key, value, revision)."""

    def __init__(self, etcd: Cluster, programs: Path) -> None:
        self._etcd = etcd
        self._seen: list[tuple[str, str, str, int]] = []
        command = [
            str(programs / "etcdctl"),
            f"--endpoints={etcd.endpoints[0]}",
            "watch",
            "--prefix",
            "/",
            "-w",
            "json",
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "ETCDCTL_API": "3"})
        threading.Thread(target=self._read, daemon=True).start()
        self.clear()

    def clear(self) -> None:
        """Forget all that happened until now."""
        self.until_now()
        self._seen.clear()

    def until_now(self) -> list[tuple[str, str, str, int]]:
        """All changes up to this moment: a mark is written, and waited for."""
        mark = f"/mark/{time.monotonic_ns()}"

        def marked() -> bool:
            self._etcd.ctl("put", mark, "x")
            return any(key == mark for _type, key, _value, _revision in self._seen)

        wait_for(marked, "the watch to see the mark")
        return [change for change in self._seen if not change[1].startswith("/mark/")]

    def stop(self) -> None:
        """End etcdctl."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            for event in json.loads(line).get("Events") or []:
                kind = "DELETE" if event.get("type") == 1 else "PUT"
                key, value = (decode(event["kv"].get(name, "")) for name in ("key", "value"))
                self._seen.append((kind, key, value, event["kv"]["mod_revision"]))


class Server:
    """A TCP port that a check can look at: opened and closed by the test."""

    def __init__(self) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Accept connections, and say nothing."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)

    def close(self) -> None:
        """Refuse connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def check(self, **settings: Any) -> Json:
        """The configuration of a quick check of this port."""
        return {"type": "tcp", "port": self.port, "interval": 0.2, "timeout": 1, **settings}


def decode(data: str) -> str:
    """Text of base64."""
    return base64.b64decode(data).decode()


def values(etcd: Cluster, prefix: str = KEYS, user: str = "") -> dict[str, str]:
    """Keys and values under a prefix, as etcdctl has them; names without the prefix."""
    found = json.loads(etcd.ctl("get", "--prefix", prefix, "-w", "json", user=user)).get("kvs", [])
    return {decode(kv["key"]).removeprefix(prefix): decode(kv.get("value", "")) for kv in found}


def leases(etcd: Cluster, prefix: str = KEYS, user: str = "") -> set[str]:
    """The leases that hold the keys under a prefix, in hexadecimal as the agent and etcdctl write them."""
    found = json.loads(etcd.ctl("get", "--prefix", prefix, "-w", "json", user=user)).get("kvs", [])
    return {f"{kv.get('lease', 0):x}" for kv in found}


def grant(etcd: Cluster, ttl: int) -> str:
    """A lease of somebody else, in hexadecimal."""
    return etcd.ctl("lease", "grant", str(ttl)).split()[1].lstrip("0")


def hold(etcd: Cluster, ttl: int, document: Mapping[str, Any] | None = None, address: str = "10.0.0.9") -> str:
    """Let somebody else hold the name web1; returns the lease."""
    lease = grant(etcd, ttl)
    etcd.ctl("put", KEYS + "ip", address, f"--lease={lease}")
    if document is not None:
        etcd.ctl("put", KEYS + "node", json.dumps(document), f"--lease={lease}")
    return lease


def raft_index(etcd: Cluster) -> int:
    """How many entries etcd has written to its log."""
    return int(json.loads(etcd.ctl("endpoint", "status", "-w", "json"))[0]["Status"]["raftIndex"])

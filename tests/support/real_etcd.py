# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real etcd on loopback, for tests: one member or more, with TLS and authentication, frozen and killed on demand."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .certs import Pair

HEALTHY_WITHIN = 30.0  # seconds from the start of the processes
_POLL = 0.02  # seconds between two looks at a fact

Json = dict[str, Any]


class Tls(NamedTuple):
    """TLS to clients. With `client` etcd demands client certificates of the CA, and this one is the tests' own."""

    ca_cert: Path
    server: Pair
    client: Pair | None = None

    def context(self) -> ssl.SSLContext:
        """For connections of the tests."""
        context = ssl.create_default_context(cafile=self.ca_cert)
        if self.client:
            context.load_cert_chain(*self.client)
        return context


class Member:
    """One etcd process and its data."""

    def __init__(self, name: str, binaries: Path, directory: Path, tls: Tls | None) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self.data = directory / name
        self.tls = tls
        self._binaries = binaries
        self._arguments: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self.choose_ports()

    def choose_ports(self) -> None:
        """Take two ports that are free now."""
        with socket.socket() as client, socket.socket() as peer:
            client.bind(("127.0.0.1", 0))
            peer.bind(("127.0.0.1", 0))
            self.port, self.peer_port = client.getsockname()[1], peer.getsockname()[1]

    @property
    def endpoint(self) -> str:
        """Its client URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def peer_url(self) -> str:
        """Where the other members reach it."""
        return f"http://127.0.0.1:{self.peer_port}"

    @property
    def pid(self) -> int:
        """The running process; 0 when there is none."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def configure(self, initial_cluster: str, flags: Sequence[str]) -> None:
        """Fix the command line; a restart uses it again."""
        self._arguments = [
            *(f"--name={self.name}", f"--data-dir={self.data}", "--logger=zap", "--log-level=warn"),
            *(f"--listen-client-urls={self.endpoint}", f"--advertise-client-urls={self.endpoint}"),
            *(f"--listen-peer-urls={self.peer_url}", f"--initial-advertise-peer-urls={self.peer_url}"),
            *(f"--initial-cluster={initial_cluster}", "--enable-grpc-gateway=true"),
        ]
        if self.tls:
            self._arguments += [f"--cert-file={self.tls.server.cert}", f"--key-file={self.tls.server.key}"]
        if self.tls and self.tls.client:
            self._arguments += ["--client-cert-auth=true", f"--trusted-ca-file={self.tls.ca_cert}"]
        self._arguments += flags

    def start(self) -> None:
        """Start the process, on the ports and data it had before; `Cluster.wait_healthy` says when it serves."""
        # etcd ends with the tests even where they are killed and cannot stop it.
        leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*leash, str(self._binaries / "etcd"), *self._arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hang: connections are still taken by the kernel, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def post(self, path: str, body: Json, token: str = "", timeout: float = 10.0) -> tuple[int, Json]:
        """Ask its JSON gateway, on a connection of its own. Returns HTTP status and answer."""
        status, content = self.request(
            "POST", path, json.dumps(body), {"Authorization": token} if token else {}, timeout
        )
        return status, json.loads(content)

    def request(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None, timeout: float = 10.0
    ) -> tuple[int, str]:
        """One HTTP request. Returns status and text."""
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def connect(self, timeout: float = 10.0) -> http.client.HTTPConnection:
        """A connection to its client port."""
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.tls.context())
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def is_healthy(self) -> bool:
        """Whether it says that it has a leader and can commit."""
        try:
            _, content = self.request("GET", "/health", timeout=2.0)
            return bool(json.loads(content).get("health") == "true")
        except (OSError, http.client.HTTPException, ValueError):
            return False

    def story(self) -> str:
        """What became of it, for the message of a failure."""
        state = "never started" if not self._process else f"exit status {self._process.poll()}"
        tail = self.log.read_text(errors="replace").splitlines()[-15:] if self.log.exists() else []
        return "\n".join([f"{self.name} ({self.endpoint}, {state}); the end of its log:", *tail])

    def _end(self, how: signal.Signals) -> None:
        self._signal(how)
        self.thaw()  # a frozen process does not notice SIGTERM
        if self._process:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _signal(self, what: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(what)  # does nothing where the process has ended


class Cluster:
    """An etcd cluster with the programs in `binaries`. A context manager; or call `start` and `stop`."""

    def __init__(self, binaries: Path, size: int = 1, tls: Tls | None = None, flags: Sequence[str] = ()) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="rollcall-etcd-"))
        self.members = [Member(f"m{number}", binaries, self.directory, tls) for number in range(1, size + 1)]
        self._tls = tls
        self._lease = ""
        self.flags = list(flags)  # may be added to until the start
        self._etcdctl = binaries / "etcdctl"
        self._root = ""

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def endpoints(self) -> list[str]:
        """The client URLs of all members."""
        return [member.endpoint for member in self.members]

    @property
    def version(self) -> str:
        """As the first member tells it."""
        return str(json.loads(self.members[0].request("GET", "/version")[1])["etcdserver"])

    @property
    def leader(self) -> Member:
        """The member that leads."""
        for member in self.members:
            if member.pid:
                status = member.post("/v3/maintenance/status", {})[1]
                if status.get("leader") == status["header"]["member_id"]:
                    return member
        raise AssertionError(f"no member leads\n{self.story()}")

    def start(self) -> None:
        """Start every member and wait until all are healthy."""
        try:
            for _ in range(3):
                self._launch()
                self.wait(lambda: self._healthy() or self._is_one_dead(), "every member healthy", HEALTHY_WITHIN)
                if not self._is_one_dead():
                    return
                if "address already in use" not in self.story():
                    break
                self._choose_ports()
            raise AssertionError(f"etcd does not start\n{self.story()}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every member, frozen or not, and remove the data."""
        for member in self.members:
            member.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def wait_healthy(self, within: float = HEALTHY_WITHIN) -> None:
        """Wait until every running member is healthy, at most `within` seconds."""
        self.wait(self._healthy, "every running member healthy", within)

    def wait(self, fact: Callable[[], bool], words: str, within: float) -> None:
        """Wait for a fact; without it the test fails with the ends of the logs."""
        deadline = time.monotonic() + within
        while not fact():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {within} s for: {words}\n{self.story()}")
            time.sleep(_POLL)

    def story(self) -> str:
        """What became of the members."""
        return "\n".join(member.story() for member in self.members)

    def ctl(self, *arguments: str, user: str = "", member: Member | None = None) -> str:
        """Run etcdctl on all members, or one; returns what it prints. `user` is name:password."""
        command = [str(self._etcdctl), f"--endpoints={member.endpoint if member else ','.join(self.endpoints)}"]
        if self._tls:
            command.append(f"--cacert={self._tls.ca_cert}")
        if self._tls and self._tls.client:
            command += [f"--cert={self._tls.client.cert}", f"--key={self._tls.client.key}"]
        if user:
            command.append(f"--user={user}")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCDCTL_")}
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=30, env={**environment, "ETCDCTL_API": "3"},
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"etcdctl {' '.join(arguments)} failed: {done.stderr.strip()}\n{self.story()}")
        return done.stdout

    def put(self, key: str, value: str) -> None:
        """Write a key as nodes do: under a lease, which ends in an hour."""
        if not self._lease:
            self._lease = self.ctl("lease", "grant", "3600").split()[1]
        self.ctl("put", f"--lease={self._lease}", "--", key, value)

    def require_auth(self, **passwords: str) -> None:
        """Switch authentication on with these users; root is needed, each has a role of its own name."""
        for name, password in passwords.items():
            self.ctl("user", "add", f"{name}:{password}")
            if name != "root":
                self.ctl("role", "add", name)
            self.ctl("user", "grant-role", name, name)
        self.ctl("auth", "enable")
        self._root = f"root:{passwords['root']}"

    def permit(self, role: str, prefix: str, kind: str = "readwrite") -> None:
        """Let a role `read`, `write` or `readwrite` the keys under a prefix."""
        self.ctl("role", "grant-permission", role, "--prefix=true", kind, prefix, user=self._root)

    def mend(self) -> None:
        """Thaw and start whatever a test left frozen or dead, and wait until all are healthy."""
        for member in self.members:
            member.thaw()
            if not member.pid:
                member.start()
        self.wait_healthy()

    def wipe(self) -> None:
        """Remove every key and lease. Authentication must be off."""
        member = self.members[0]
        for lease in member.post("/v3/lease/leases", {})[1].get("leases", []):
            member.post("/v3/lease/revoke", {"ID": lease["ID"]})
        member.post("/v3/kv/deleterange", {"key": "AA==", "range_end": "AA=="})
        self._lease = ""

    def _launch(self) -> None:
        initial = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        for member in self.members:
            member.configure(initial, self.flags)
            member.start()

    def _healthy(self) -> bool:
        return all(member.is_healthy() for member in self.members if member.pid)

    def _is_one_dead(self) -> bool:
        return any(not member.pid for member in self.members)

    def _choose_ports(self) -> None:
        """Between the choice of a port and its use another process may have taken it: begin again with others."""
        for member in self.members:
            member.kill()
            member.choose_ports()
            member.log.unlink()
            shutil.rmtree(member.data, ignore_errors=True)

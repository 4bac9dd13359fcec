# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking once whether something works: the types of checks.

Internal to the collection: no promise is made to other users of this file.

A probe is a tuple of its settings that can be called in any thread with the seconds it may take; it never raises and
keeps to its time as far as the operating system lets it (a name that does not resolve is not ours to cut short).
A new type is a class with `configure` and `__call__`, and a line in TYPES.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import typing as t
import urllib.parse

from .._etcd.connection import Connection
from .._etcd.endpoints import Endpoint
from .._etcd.errors import InvalidSettings
from .._etcd.settings import Tls
from .._registry.model import CRITICAL, PASSING, WARNING
from .config import Section

# Consul's agent takes it for a warning as well: busy, not broken.
_TOO_MANY_REQUESTS = 429

_PORTS = {"http": 80, "https": 443}


class Result(t.NamedTuple):
    """What a probe found: one of the healths, and a line that says why."""

    status: str
    output: str


class Probe(t.Protocol):
    """What `TYPES` gives for a check's section."""

    def __call__(self, timeout: float) -> Result:
        """Look once, within `timeout` seconds."""


class Tcp(t.NamedTuple):
    """Passing where something accepts a connection."""

    host: str
    port: int

    @classmethod
    def configure(cls, section: Section) -> Tcp:
        """From the keys `host` (127.0.0.1) and `port`. Raises ConfigError."""
        section.required("port")
        return cls(section.text("host", "127.0.0.1"), section.whole("port", 0, 1, 65535))

    def __call__(self, timeout: float) -> Result:
        try:
            socket.create_connection((self.host, self.port), timeout).close()
        except OSError as exc:
            return Result(CRITICAL, f"connecting to {self.host} port {self.port}: {_reason(exc, timeout)}")
        return Result(PASSING, f"{self.host} port {self.port} accepts connections")


class Http(t.NamedTuple):
    """Passing for an answer of 200 to 399, as with HAProxy's httpchk; a warning for 429; redirects are not followed."""

    url: str
    ca_cert: str
    validate_certs: bool

    @classmethod
    def configure(cls, section: Section) -> Http:
        """From the keys `url`, and for https `ca_cert` and `validate_certs`. Raises ConfigError."""
        url = section.required_text("url")
        try:
            parts = urllib.parse.urlsplit(url)
            usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or "@" in parts.netloc or not url.isascii() or not url.isprintable() or " " in url:
            raise section.error("url", f"{url!r} is not a URL as http://127.0.0.1:8080/health")
        return cls(url, section.text("ca_cert"), section.flag("validate_certs", True))

    def __call__(self, timeout: float) -> Result:
        try:
            status = self._get(timeout)
        except (OSError, http.client.HTTPException, InvalidSettings) as exc:
            return Result(CRITICAL, f"GET {self.url}: {_reason(exc, timeout)}")
        verdict = WARNING if status == _TOO_MANY_REQUESTS else PASSING if 200 <= status < 400 else CRITICAL
        return Result(verdict, f"GET {self.url}: HTTP {status}")

    def _get(self, timeout: float) -> int:
        """The status of the answer; its body is not read."""
        deadline = time.monotonic() + timeout
        parts = urllib.parse.urlsplit(self.url)
        connection = self._connection(parts, timeout)
        try:
            connection.sock = t.cast(socket.socket, _TimedSocket(connection.sock, deadline))
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request("GET", target, headers={"User-Agent": "rollcall", "Connection": "close"})
            return connection.getresponse().status
        finally:
            connection.close()

    def _connection(self, parts: urllib.parse.SplitResult, timeout: float) -> Connection:
        endpoint = Endpoint(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])
        secure = parts.scheme == "https"
        context = Tls(ca_cert=self.ca_cert, verify=self.validate_certs).context() if secure else None
        return Connection(endpoint, timeout, context, "")


TYPES: t.Mapping[str, t.Callable[[Section], Probe]] = {"http": Http.configure, "tcp": Tcp.configure}


class _TimedSocket:
    """A socket with one deadline for all it does: a server that sends a byte now and then does not hold a check."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """As a socket's."""
        self.within().sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """As a socket's, for reading only."""
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        """As a socket's."""
        self._sock.close()

    def within(self) -> socket.socket:
        """The socket, with what is left of the time as its timeout. Raises socket.timeout where nothing is."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        return self._sock


class _TimedReader(io.RawIOBase):
    """What `makefile` reads from."""

    def __init__(self, sock: _TimedSocket) -> None:
        super().__init__()
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        return self._sock.within().recv_into(buffer)


def _reason(exc: Exception, timeout: float) -> str:
    """The failure in a few words."""
    if isinstance(exc, socket.timeout):
        return f"no answer within {timeout:g} s"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror.lower()
    return str(exc) or type(exc).__name__

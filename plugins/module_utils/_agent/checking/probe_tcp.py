# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of type `tcp`: whether something accepts a connection, and says what it should.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import socket
import time
import typing as t

from ..._etcd.dial import dial
from ..._etcd.endpoints import is_host
from ..._etcd.errors import InvalidSettings
from ..._etcd.timed_socket import TimedSocket
from ..._registry.model import CRITICAL, PASSING
from ..config import Section
from ..host.shortage import is_shortage
from .check_tls import Secured
from .probe import Host, Probe, Result, reason, searched

_MOST = 4096  # bytes in which `expect` must appear


class Tcp(t.NamedTuple):
    """`send` is sent first; with `expect` that must appear in what comes back. Both may be empty."""

    host: str
    port: int
    secured: t.Optional[Secured] = None
    send: str = ""
    expect: str = ""

    def __call__(self, timeout: float) -> Result:
        deadline = time.monotonic() + timeout
        try:
            sock = TimedSocket(self._connect(deadline), deadline)
            try:
                if self.send:
                    sock.sendall(self.send.encode("utf-8"))
                if self.expect:
                    return self._answered(sock)
            finally:
                sock.close()
        except (OSError, InvalidSettings) as exc:
            if is_shortage(exc):
                raise
            return Result(CRITICAL, f"connecting to {self.host} port {self.port}: {reason(exc, timeout)}")
        return Result(PASSING, f"{self.host} port {self.port} accepts connections")

    def _connect(self, deadline: float) -> socket.socket:
        context = self.secured.context(deadline - time.monotonic()) if self.secured else None
        sock = dial(self.host, self.port, deadline - time.monotonic())
        if self.secured is None or context is None:
            return sock
        try:
            within = TimedSocket(sock, deadline).within()
            return context.wrap_socket(within, server_hostname=self.secured.tls.server_name or self.host)
        except BaseException:
            sock.close()
            raise

    def _answered(self, sock: TimedSocket) -> Result:
        wanted, seen, chunk = self.expect.encode("utf-8"), b"", bytearray(_MOST)
        while wanted not in seen and len(seen) < _MOST:
            size = sock.recv_into(chunk)
            if not size:
                break
            seen += chunk[:size]
        where = f"{self.host} port {self.port} answered"
        if wanted in seen:
            return Result(PASSING, f"{where} {self.expect!r}")
        return Result(CRITICAL, f"{where} {seen[:80]!r}, not {self.expect!r}")


def configure(section: Section, host: Host) -> Probe:
    """From the keys `host` (127.0.0.1), `port`, `tls`, those of TLS, `send` and `expect`. Raises ConfigError."""
    section.required("port")
    return Tcp(
        _host(section),
        section.whole("port", 0, 1, 65535),
        Secured.configure(section, section.flag("tls", False)),
        section.content("send"),
        searched(section, "expect", _MOST),
    )


def _host(section: Section) -> str:
    """A host name or an IP address; one of IPv6 may be in brackets, as in a URL. Raises ConfigError."""
    host = section.text("host", "127.0.0.1")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not is_host(bare) or (bare != host and ":" not in bare):
        raise section.error("host", f"expected a host name or an IP address, got {host!r}")
    return bare

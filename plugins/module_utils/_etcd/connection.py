# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP connection to one endpoint: TCP, TLS or a unix socket.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import http.client
import select
import socket
import typing as t

from .dial import dial
from .endpoints import Endpoint

if t.TYPE_CHECKING:
    import ssl

# A connection that died without a word (power loss, a dropped firewall state) is noticed by the kernel after
# 15 s + 3 x 5 s of silence, also on a watch, where nothing may arrive for hours.
_TCP_OPTIONS = (("TCP_NODELAY", 1), ("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class Connection(http.client.HTTPConnection):
    """Opened at once. Raises OSError. `timeout` is seconds for each wait on the socket."""

    def __init__(
        self, endpoint: Endpoint, timeout: float, context: t.Optional[ssl.SSLContext], server_name: str
    ) -> None:
        host, port = ("localhost", 80) if endpoint.scheme == "unix" else (endpoint.host, endpoint.port)
        super().__init__(host, port, timeout=timeout)
        self._endpoint = endpoint
        self._context = context
        self._server_name = server_name or host
        self._seconds = timeout
        self._unsent = b""
        self.connect()

    def connect(self) -> None:
        """Open the socket."""
        if self._endpoint.scheme == "unix":
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self._seconds)
            self.sock.connect(self._endpoint.host)
            return
        self.sock = dial(self.host, self.port, self._seconds)
        self.sock.settimeout(self._seconds)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_OPTIONS:
            if hasattr(socket, name):
                self.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self._server_name)

    def send(self, data: t.Any) -> None:
        """Keep a part of the request until `flush`: head and body in two packets would wake etcd up twice."""
        self._unsent += data

    def flush(self) -> None:
        """Send the request."""
        unsent, self._unsent = self._unsent, b""
        self.sock.sendall(unsent)

    def is_idle(self) -> bool:
        """True while open with nothing to read: readable means that the server closed it meanwhile."""
        if self.sock is None:
            return False
        poll = select.poll()  # select() knows no more than 1024 files
        try:
            poll.register(self.sock, select.POLLIN)
            return not poll.poll(0)
        except (OSError, ValueError):
            return False

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
import sys
import time
import typing as t

from .dial import dial
from .endpoints import Endpoint
from .timed_socket import TimedSocket

if t.TYPE_CHECKING:
    import ssl

# A connection that died without a word (power loss, a dropped firewall state) is noticed by the kernel after
# 15 s + 3 x 5 s of silence, also on a watch, where nothing may arrive for hours.
_TCP_OPTIONS = (("TCP_NODELAY", 1), ("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class Connection(http.client.HTTPConnection):
    """Opened at once. Raises OSError. All that is done with it may take `seconds`, until `limit` says otherwise.

    It receives `size` bytes at most, until `limit` says otherwise.

    `timed` is its socket, also where http.client lets go of `sock` since the server announces "Connection: close".
    """

    timed: TimedSocket

    def __init__(
        self,
        endpoint: Endpoint,
        seconds: float,
        context: t.Optional[ssl.SSLContext],
        server_name: str,
        size: int = sys.maxsize,
    ) -> None:
        host, port = ("localhost", 80) if endpoint.scheme == "unix" else (endpoint.host, endpoint.port)
        super().__init__(host, port)
        self._endpoint = endpoint
        self._context = context
        self._server_name = server_name or host
        self._seconds = seconds
        self._size = size
        self._unsent = b""
        self.connect()

    def connect(self) -> None:
        """Open the socket."""
        deadline = time.monotonic() + self._seconds
        self.timed = TimedSocket(self._dial(), deadline, self._size)
        if self._context is not None:
            try:
                # the handshake as a whole takes no longer than the timeout that the socket has then
                secured = self._context.wrap_socket(self.timed.within(), server_hostname=self._server_name)
            except BaseException:
                self.timed.close()
                raise
            self.timed = TimedSocket(secured, deadline, self._size)
        self.sock = t.cast(socket.socket, self.timed)

    def _dial(self) -> socket.socket:
        if self._endpoint.scheme == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(self._seconds)
            sock.connect(self._endpoint.host)
            return sock
        sock = dial(self.host, self.port, self._seconds)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_OPTIONS:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return sock

    def limit(self, seconds: t.Optional[float], size: int) -> None:
        """Let all that is done from now on take `seconds` (None: any time) and receive `size` bytes."""
        self.timed.deadline = None if seconds is None else time.monotonic() + seconds
        self.timed.allowance = size

    def request(self, *args: t.Any, **kwargs: t.Any) -> None:
        """As HTTPConnection's, in one packet: head and body in two would wake etcd up twice."""
        super().request(*args, **kwargs)
        unsent, self._unsent = self._unsent, b""
        self.timed.sendall(unsent)

    def send(self, data: t.Any) -> None:
        """Keep a part of the request until all of it is there."""
        self._unsent += data

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

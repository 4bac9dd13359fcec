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

# With these, the kernel detects a dead peer (power failure, lost firewall state) after 15 s + 3 x 5 s of silence, even
# on a watch, which can be idle for hours.
_TCP_OPTIONS = (("TCP_NODELAY", 1), ("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class Connection(http.client.HTTPConnection):
    """A connection that is opened on creation. Raises OSError.

    All operations together may take `seconds` and receive `size` bytes, until `limit` sets new limits. `timed` is the
    socket, even after http.client has dropped `sock` because the server announced "Connection: close".
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
                # the timeout of the socket at this time limits the whole handshake
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
        """Limit all further operations together to `seconds` (None: no limit) and `size` received bytes."""
        self.timed.deadline = None if seconds is None else time.monotonic() + seconds
        self.timed.allowance = size

    def request(self, *args: t.Any, **kwargs: t.Any) -> None:
        """As in HTTPConnection, but head and body in one packet: two packets would wake up etcd twice."""
        super().request(*args, **kwargs)
        unsent, self._unsent = self._unsent, b""
        self.timed.sendall(unsent)

    def send(self, data: t.Any) -> None:
        """Buffer a part of the request until it is complete."""
        self._unsent += data

    def is_idle(self) -> bool:
        """Whether it is open with nothing to read: if it is readable, the server has closed it."""
        if self.sock is None:
            return False
        poll = select.poll()  # select() is limited to 1024 descriptors
        try:
            poll.register(self.sock, select.POLLIN)
            return not poll.poll(0)
        except (OSError, ValueError):
            return False

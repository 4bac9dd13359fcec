# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A socket with one deadline and one size limit for all operations; the timeout of a socket restarts with each byte.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import io
import socket
import sys
import time
import typing as t


class TooMuch(OSError):
    """The peer sent more bytes than allowed."""


class TimedSocket:
    """A socket with one `deadline` (by time.monotonic; None: no deadline), which can be changed at any time.

    `allowance` is the number of bytes that may still arrive, including headers, framing and trailers. As with a real
    socket, the result of `makefile` keeps it open.
    """

    def __init__(self, sock: socket.socket, deadline: t.Optional[float], allowance: int = sys.maxsize) -> None:
        self._sock = sock
        self.deadline = deadline
        self.allowance = allowance

    def within(self) -> socket.socket:
        """The socket, with the remaining time as its timeout. Raises socket.timeout if no time is left."""
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        return self._sock

    def sendall(self, data: bytes) -> None:
        """As in socket.socket."""
        self.within().sendall(data)

    def recv_into(self, buffer: t.Any) -> int:
        """As in socket.socket. Raises TooMuch."""
        size = self.within().recv_into(buffer)
        self.allowance -= size
        if self.allowance < 0:
            raise TooMuch("more bytes than allowed in an answer")
        return size

    def makefile(self, mode: str) -> io.BufferedReader:
        """As in socket.socket, but only for reading."""
        return io.BufferedReader(_Reader(self, self._sock.makefile("rb", buffering=0)))

    def fileno(self) -> int:
        """As in socket.socket."""
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        """As in socket.socket."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """As in socket.socket."""
        self._sock.close()


class _Reader(io.RawIOBase):
    """The raw stream of `makefile`; `file` belongs to the real socket and keeps it open."""

    def __init__(self, sock: TimedSocket, file: socket.SocketIO) -> None:
        super().__init__()
        self._sock = sock
        self._file = file

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        return self._sock.recv_into(buffer)

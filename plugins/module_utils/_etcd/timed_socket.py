# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A socket with one deadline and one size for all that it receives: a socket's own timeout begins anew with every byte.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import io
import socket
import sys
import time
import typing as t


class TooMuch(OSError):
    """The peer sent more bytes than it may."""


class TimedSocket:
    """A socket with one `deadline` (of time.monotonic, None for none), which may be set anew at any time.

    `allowance` is the bytes that may still arrive, heads, framing and trailers included. As with a real socket, the
    result of `makefile` keeps it open.
    """

    def __init__(self, sock: socket.socket, deadline: t.Optional[float], allowance: int = sys.maxsize) -> None:
        self._sock = sock
        self.deadline = deadline
        self.allowance = allowance

    def within(self) -> socket.socket:
        """The socket, with what is left of the time as its timeout. Raises socket.timeout where nothing is."""
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        return self._sock

    def sendall(self, data: bytes) -> None:
        """As a socket's."""
        self.within().sendall(data)

    def recv_into(self, buffer: t.Any) -> int:
        """As a socket's. Raises TooMuch."""
        size = self.within().recv_into(buffer)
        self.allowance -= size
        if self.allowance < 0:
            raise TooMuch("more bytes than an answer may have")
        return size

    def makefile(self, mode: str) -> io.BufferedReader:
        """As a socket's, for reading only."""
        return io.BufferedReader(_Reader(self, self._sock.makefile("rb", buffering=0)))

    def fileno(self) -> int:
        """As a socket's."""
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        """As a socket's."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """As a socket's."""
        self._sock.close()


class _Reader(io.RawIOBase):
    """What `makefile` reads from; `kept` is a file of the real socket, which that stays open for."""

    def __init__(self, sock: TimedSocket, kept: socket.SocketIO) -> None:
        super().__init__()
        self._sock = sock
        self._kept = kept

    def close(self) -> None:
        self._kept.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        return self._sock.recv_into(buffer)

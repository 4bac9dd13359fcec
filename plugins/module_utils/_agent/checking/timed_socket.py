# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sockets as checks need them: one deadline for all that is done with one, and TLS from files that may be replaced.

Internal to the collection: no promise is made to other users of this file.
"""

from __future__ import annotations

import dataclasses
import io
import socket
import time
import typing as t

from ..._etcd.settings import Tls
from ..config import Section

if t.TYPE_CHECKING:
    import ssl


class TimedSocket:
    """A socket with one deadline (of time.monotonic): a server that sends a byte now and then does not hold a check.

    As with a real one, what `makefile` gave keeps it open.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._users = 1

    def sendall(self, data: bytes) -> None:
        """As a socket's."""
        self._within().sendall(data)

    def recv_into(self, buffer: t.Any) -> int:
        """As a socket's."""
        return self._within().recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """As a socket's, for reading only."""
        self._users += 1
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """As a socket's."""
        self._users -= 1
        if not self._users:
            self._sock.close()

    def _within(self) -> socket.socket:
        """The socket, with what is left of the time as its timeout. Raises socket.timeout where nothing is."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        return self._sock


class _Reader(io.RawIOBase):
    """What `makefile` reads from."""

    def __init__(self, sock: TimedSocket) -> None:
        super().__init__()
        self._sock = sock

    def close(self) -> None:
        if not self.closed:
            self._sock.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        return self._sock.recv_into(buffer)


@dataclasses.dataclass
class Secured:
    """How a check does TLS. The files are loaded at the first look, and again when they have been replaced."""

    tls: Tls
    _loaded: t.Optional[t.Tuple[t.Any, ssl.SSLContext]] = dataclasses.field(default=None, compare=False, repr=False)

    @classmethod
    def configure(cls, section: Section, wanted: bool) -> t.Optional[Secured]:
        """From the keys of a check that are named as those of the way to etcd; None where no TLS is `wanted`.

        Raises ConfigError.
        """
        names = ("ca_cert", "client_cert", "client_key", "tls_server_name")
        texts = {name: section.text(name) for name in names}
        verify = section.flag("validate_certs", True)
        given = next(filter(texts.get, texts), "")
        if given and not wanted:
            raise section.error(given, "this check does no TLS")
        if bool(texts["client_cert"]) != bool(texts["client_key"]):
            raise section.error("client_cert", "client_cert and client_key belong together: give both, or neither")
        server_name = texts.pop("tls_server_name")
        return cls(Tls(**texts, verify=verify, server_name=server_name)) if wanted else None

    def context(self) -> ssl.SSLContext:
        """The files, loaded. Raises InvalidSettings."""
        version = self.tls.version()
        if self._loaded is None or self._loaded[0] != version:
            self._loaded = version, self.tls.context()
        return self._loaded[1]

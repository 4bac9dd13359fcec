# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that answers requests with any bytes at all, one connection for each."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable

Respond = Callable[[str], Iterable[bytes]]  # what to send for the path of a request


class HostileServer:
    """Listens at `endpoint`, and sends what `respond` makes of each request until the client has had enough."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.requests = 0
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    outer._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up is no error here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = "http://{}:{}".format(*self._server.server_address)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self) -> HostileServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return
            head += piece
        self.requests += 1
        for piece in self.respond(head.split(b" ", 2)[1].decode("latin-1")):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # closed by the client: a reset would lose what it has not read yet
            pass


def answer(body: bytes, head: bytes = b"") -> list[bytes]:
    """A complete HTTP answer."""
    return [b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (head, len(body)), body]


def forever(start: bytes, again: bytes) -> Iterable[bytes]:
    """`start`, and then `again` without end."""
    yield start
    while True:
        yield again

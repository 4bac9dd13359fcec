# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sockets and HTTP of the fake: a thread for each connection, which stays open between requests."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import queue
import select
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .faults import Answer, Cut, Drop, Farewell, Meanwhile, Refuse, Stall, Trickle
from .refusal import Refusal
from .watch import End, Watch
from .wire import Json, encode

if TYPE_CHECKING:
    from .server import FakeEtcd

STREAMS = ("/v3/lease/keepalive", "/v3/kv/lease/keepalive", "/v3/watch")

_TICK = 0.05  # seconds after which a thread with nothing to send looks whether its client, or the fake, is gone


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A listening socket and the connections that came out of it."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, fake: FakeEtcd, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.fake = fake
        self.context = context
        self.open: set[socket.socket] = set()
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(_TICK,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Refuse new connections and cut the open ones."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        self.cut_connections()

    def cut_connections(self) -> None:
        """Cut every open connection; more may come."""
        for connection in tuple(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or fails at TLS, is no news; anything else is a bug of the fake, and shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one connection."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one segment

    def setup(self) -> None:
        self.fake = self.server.fake
        self.number = self.fake.connected()
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def log_message(self, *args: Any) -> None:
        """The fake keeps its own record."""

    def do_GET(self) -> None:
        """The v2 API, the two addresses that need no token, and the refusal of everything else."""
        self._reply(*self.fake.page(self.path, self.headers.get("Authorization", "")))

    def do_POST(self) -> None:
        """A call of the gateway."""
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "")
        try:
            body = json.loads(raw or b"{}")
        except ValueError as exc:
            self._refuse(Refusal(3, str(exc)))
            return
        fault = self.fake.arrived(self.path, body, token, dict(self.headers), self.number)
        if isinstance(fault, Meanwhile):
            fault.action()
            fault = None
        elif isinstance(fault, Trickle):
            self.wfile = _Trickling(self.connection, fault, self.fake.healed)
            fault = None
        if isinstance(fault, Stall):
            self._stall(fault.headers)
        elif isinstance(fault, Answer):
            self._reply(fault.status, fault.body, fault.content_type, headers=fault.headers)
        elif isinstance(fault, Refuse):
            self._refuse(Refusal(fault.code, fault.message))
        elif isinstance(fault, Drop) and not fault.executed:
            self.close_connection = True
        elif self.path == "/v3/watch":
            self._watch(body, token)
        elif not self.fake.knows(self.path):
            self._reply(*self.fake.unknown_path)
        else:
            self._call(body, token, fault)

    def _call(self, body: Json, token: str, fault: Drop | Cut | Farewell | None) -> None:
        try:
            answer = json.dumps(encode(self.fake.answer(self.path, body, token))).encode()
        except Refusal as refusal:
            self._refuse(refusal)
            return
        if fault:
            self.close_connection = True
        if not isinstance(fault, Drop):
            farewell = [("Connection", "close")] if isinstance(fault, Farewell) else []
            self._reply(200, answer, send=len(answer) // 2 if isinstance(fault, Cut) else None, headers=farewell)

    def _refuse(self, refusal: Refusal) -> None:
        status, body = refusal.answer(self.fake.numbers, stream=self.path in STREAMS)
        self._reply(status, json.dumps(body).encode())

    def _reply(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        send: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:send])

    def _stall(self, headers: bool) -> None:
        self.close_connection = True
        if headers:
            self._begin_stream()
            self.wfile.flush()
        healed = self.fake.healed
        while not (healed.wait(_TICK) or self.server.closing.is_set() or self._client_left()):
            pass

    def _client_left(self) -> bool:
        return bool(select.select([self.connection], [], [], 0)[0])

    def _watch(self, body: Json, token: str) -> None:
        """Send what the watch is given until it ends or the client goes."""
        self.close_connection = True
        try:
            watch = self.fake.open_watch(body, token, "true" in self.headers.get("Grpc-Metadata-hasleader", ""))
        except Refusal as refusal:
            self._refuse(refusal)
            return
        try:
            self._begin_stream()
            self._send_all(watch)
        finally:
            self.fake.close_watch(watch)

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _send_all(self, watch: Watch) -> None:
        while not (self.server.closing.is_set() or self._client_left()):
            try:
                line = watch.outbox.get(timeout=_TICK)
            except queue.Empty:
                self.fake.tick()
                continue
            if isinstance(line, End):
                self.wfile.write(b"0\r\n\r\n" if line.clean else b'64\r\n{"result":{"hea')
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()


class _Trickling(io.RawIOBase):
    """In place of a connection's `wfile`: what is written leaves as Trickle says."""

    def __init__(self, connection: socket.socket, fault: Trickle, healed: threading.Event) -> None:
        super().__init__()
        self._connection = connection
        self._pause = fault.pause
        self._at_once = fault.at_once
        self._healed = healed

    def write(self, data: Any) -> int:
        at_once, self._at_once = data[: self._at_once], max(0, self._at_once - len(data))
        self._connection.sendall(at_once)
        for byte in data[len(at_once) :]:
            self._healed.wait(self._pause)
            self._connection.sendall(bytes([byte]))
        return len(data)

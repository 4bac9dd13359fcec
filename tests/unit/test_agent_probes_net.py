# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks over the network, against real sockets that answer, refuse, hang and drip."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.probe_http import Http
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.probe_tcp import Tcp
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.timed_socket import Secured
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Tls
from tests.support.certs import Authority

Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that hands each connection to a function; returns its port."""
    listeners = []

    def accept(listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            with closing(connection):
                try:
                    answer(connection)
                except OSError:
                    pass  # the probe went away, as it should

    def start(answer: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=accept, args=(listener, answer), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def answering(text: str, seen: list[str] | None = None) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        request = connection.recv(65536).decode()
        if seen is not None:
            seen.append(request)
        connection.sendall(text.encode())

    return answer


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_tcp_passes_where_something_listens(serve: Serve) -> None:
    port = serve(lambda connection: None)
    assert Tcp("127.0.0.1", port)(2.0) == ("passing", f"127.0.0.1 port {port} accepts connections")


def test_tcp_fails_with_the_reason() -> None:
    port = free_port()
    assert Tcp("127.0.0.1", port)(2.0) == ("critical", f"connecting to 127.0.0.1 port {port}: connection refused")
    assert Tcp("no.such.host.invalid", 80)(2.0).status == "critical"


def test_tcp_gives_up_on_a_full_backlog() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        result = Tcp("127.0.0.1", port)(0.3)
        for sock in waiting:
            sock.close()
    assert result == ("critical", f"connecting to 127.0.0.1 port {port}: no answer within 0.3 s")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("200 OK", "passing"), ("204 No", "passing"), ("302 Found", "passing"), ("429 Busy", "warning")]
    + [("404 Not Found", "critical"), ("500 Oops", "critical"), ("503 No", "critical")],
)
def test_http_goes_by_the_status(serve: Serve, status: str, verdict: str) -> None:
    seen: list[str] = []
    port = serve(answering(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n", seen))
    url = f"http://127.0.0.1:{port}/health?deep=1"
    assert Http(url)(2.0) == (verdict, f"GET {url}: HTTP {status[:3]}")
    assert seen[0].startswith(f"GET /health?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")


def test_http_fails_with_the_reason(serve: Serve) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    assert Http(url)(2.0) == ("critical", f"GET {url}: connection refused")
    url = f"http://127.0.0.1:{serve(answering('SSH-2.0-OpenSSH_9.2'))}/"
    assert Http(url)(2.0).status == "critical"
    url = f"http://127.0.0.1:{serve(lambda connection: None)}/"
    assert Http(url)(2.0).status == "critical"


def test_http_that_hangs_or_drips_is_cut_off_in_time(serve: Serve) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-Drip: 1\r\n")
            time.sleep(0.05)

    def hang(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.recv(1)

    for answer in (hang, drip):
        url = f"http://127.0.0.1:{serve(answer)}/"
        begun = time.monotonic()
        assert Http(url)(0.4) == ("critical", f"GET {url}: no answer within 0.4 s")
        assert time.monotonic() - begun < 2


def test_https_trusts_only_its_authority(serve: Serve, authority: Authority) -> None:
    import ssl

    pair = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(secure)

    url = f"https://127.0.0.1:{serve(answer)}/"
    assert Http(url, Secured(Tls(ca_cert=str(authority.ca_cert))))(2.0).status == "passing"
    assert Http(url, Secured(Tls(verify=False)))(2.0).status == "passing"
    refused = Http(url, Secured(Tls()))(2.0)
    assert (refused.status, "certificate verify failed" in refused.output) == ("critical", True)
    assert "Cannot read" in Http(url, Secured(Tls(ca_cert="/nowhere/ca.pem")))(2.0).output

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks over the network, against real sockets that answer, refuse, hang and drip."""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking import probe_http, probe_tcp
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.check_tls import Secured
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe import Host, Probe
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_http import Http
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.checking.probe_tcp import Tcp
from ansible_collections.rollcall.discovery.plugins.module_utils._agent.config import ConfigError, Section
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings, Tls
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.layout import Layout
from tests.support.certs import Authority
from tests.support.waiting import wait_for

HOST = Host(Settings.from_mapping({}), Layout(), "web1", ("web",), "")

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


def test_http_sends_what_it_is_told_to(serve: Serve) -> None:
    seen: list[str] = []

    def answer(connection: socket.socket) -> None:
        request = b""
        while not request.endswith(b"ping"):
            request += connection.recv(65536)
        seen.append(request.decode())
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    probe = http(
        url=f"http://127.0.0.1:{serve(answer)}/", method="post", headers={"host": "web", "X-Key": "k"}, body="ping"
    )
    assert probe(2.0).status == "passing"
    head, _end, body = seen[0].partition("\r\n\r\n")
    lines = head.split("\r\n")
    assert (lines[0], body) == ("POST / HTTP/1.1", "ping")
    assert {"Host: web", "X-Key: k", "Content-Length: 4", "User-Agent: rollcall", "Connection: close"} <= set(lines)
    assert sum(line.startswith("Host") for line in lines) == 1


@pytest.mark.parametrize(
    ("settings", "verdict", "words"),
    [
        ({"status": [204]}, "critical", "HTTP 200"),
        ({"status": ["200-204", 404]}, "passing", "HTTP 200"),
        ({"status": 200}, "passing", "HTTP 200"),
        ({"contains": "ready"}, "passing", "HTTP 200"),
        ({"contains": "Ready"}, "critical", "HTTP 200, but its body does not contain 'Ready'"),
        ({"matches": '"db": *"(ok|slow)"'}, "passing", "HTTP 200"),
        ({"matches": "^ready$"}, "critical", "HTTP 200, but its body does not match '^ready$'"),
    ],
)
def test_http_looks_at_status_and_body(serve: Serve, settings: dict[str, object], verdict: str, words: str) -> None:
    body = '{"state": "ready", "db": "ok"}'
    port = serve(answering(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}"))
    url = f"http://127.0.0.1:{port}/"
    assert http(url=url, **settings)(2.0) == (verdict, f"GET {url}: {words}")


def test_http_reads_no_more_of_a_body_than_it_must(serve: Serve) -> None:
    sent = []

    def flood(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent.append(connection.send(b"x" * 65536))

    url = f"http://127.0.0.1:{serve(flood)}/"
    assert "does not contain" in http(url=url, contains="y")(5.0).output
    assert sum(sent) < 32 * 1024 * 1024, "what fits into the sockets' buffers, and not for ever"


def test_a_slow_pattern_holds_no_other_thread_up_for_long(serve: Serve) -> None:
    port = serve(answering("HTTP/1.1 200 OK\r\n\r\nready" + " " * 60_000 + "at last"))
    url = f"http://127.0.0.1:{port}/"
    begun = time.monotonic()
    result = http(url=url, matches=r'\s+"ok"')(5.0)
    assert time.monotonic() - begun < 2, "10 s, were all of it searched"
    assert result == ("critical", f"GET {url}: HTTP 200, but the first 4 KiB of its body do not match '\\\\s+\"ok\"'")
    assert http(url=url, matches=r"^ready\b")(2.0).status == "passing"
    assert http(url=url, contains="at last")(2.0).status == "passing", "a text is looked for in more of it"


def test_http_does_not_follow_a_redirect(serve: Serve) -> None:
    seen: list[str] = []
    port = serve(answering("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", seen))
    assert http(url=f"http://127.0.0.1:{port}/")(2.0).status == "passing"
    assert http(url=f"http://127.0.0.1:{port}/", status=[200])(2.0).status == "critical"
    assert len(seen) == 2


def test_tls_shows_its_certificate_and_checks_the_name(serve: Serve, authority: Authority) -> None:
    pair, ours = authority.server(), authority.client()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    context.load_verify_locations(authority.ca_cert)
    context.verify_mode = ssl.CERT_REQUIRED

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(secure)

    port = serve(answer)
    files = {"ca_cert": str(authority.ca_cert), "client_cert": str(ours.cert), "client_key": str(ours.key)}
    request = "GET / HTTP/1.0\r\n\r\n"
    for probe in (
        http(url=f"https://127.0.0.1:{port}/", **files),
        http(url=f"HTTPS://127.0.0.1:{port}/", tls_server_name="localhost", **files),
        tcp(port=port, tls=True, tls_server_name="localhost", send=request, expect="200 OK", **files),
    ):
        assert probe(2.0).status == "passing", probe(2.0).output
    refused = tcp(port=port, tls=True, tls_server_name="another.example", send=request, expect="200", **files)(2.0)
    assert (refused.status, "certificate verify failed" in refused.output) == ("critical", True)


def test_tcp_looks_for_what_it_expects(serve: Serve) -> None:
    seen: list[str] = []
    port = serve(answering("+PONG\r\n", seen))
    assert tcp(port=port, send="PING\r\n", expect="+PONG")(2.0) == (
        "passing",
        f"127.0.0.1 port {port} answered '+PONG'",
    )
    assert seen == ["PING\r\n"]
    assert tcp(port=port, send="PING\r\n", expect="-ERR")(2.0) == (
        "critical",
        f"127.0.0.1 port {port} answered b'+PONG\\r\\n', not '-ERR'",
    )
    silent = serve(lambda connection: connection.recv(1))
    assert tcp(port=silent, expect="220")(0.3).output.endswith("no answer within 0.3 s")


def http(**settings: object) -> Probe:
    """A probe as a configuration of these settings gives it."""
    return probe_http.configure(Section("register.json", "checks.web", settings), HOST)


def tcp(**settings: object) -> Probe:
    """The same for TCP."""
    return probe_tcp.configure(Section("register.json", "checks.web", settings), HOST)


def test_no_check_leaves_a_file_open(serve: Serve) -> None:
    def stream(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nready")

    url = f"http://127.0.0.1:{serve(stream)}/"
    probes = [http(url=url, contains="ready"), http(url=url), http(url=url, contains="no"), tcp(port=free_port())]
    before = len(os.listdir("/proc/self/fd"))
    assert [probe(2.0).status for probe in probes] == ["passing", "passing", "critical", "critical"]
    wait_for(lambda: len(os.listdir("/proc/self/fd")) == before, "all to be closed, the server's, too")


HEAD = "HTTP/1.1 200 OK\r\n"
CRLF = "\r\n"


@pytest.mark.parametrize("interim", ["103 Early Hints\r\nLink: </a.css>", "100 Continue", "102 Processing"])
def test_http_skips_interim_answers(serve: Serve, interim: str) -> None:
    text = f"HTTP/1.1 {interim}\r\n\r\n" * 30 + HEAD + "Content-Length: 2\r\n\r\nok"
    url = f"http://127.0.0.1:{serve(answering(text))}/"
    assert Http(url)(2.0) == ("passing", f"GET {url}: HTTP 200")


def test_http_gives_up_on_a_flood_of_interim_answers(serve: Serve) -> None:
    url = f"http://127.0.0.1:{serve(flooding)}/"
    status, output = Http(url)(2.0)
    assert status == "critical"
    assert "interim answers" in output


@pytest.mark.parametrize("fields", ["X: y\r\n" * 150, f"Set-Cookie: {'y' * 70_000}\r\n", "no field\r\n X\r\n"])
def test_http_reads_as_many_header_fields_as_there_are(serve: Serve, fields: str) -> None:
    text = f"{HEAD}{fields}Content-Type: text/plain; charset=utf-16-le\r\nContent-Length: 4\r\n\r\no\0k\0"
    url = f"http://127.0.0.1:{serve(answering(text))}/"
    assert Http(url, contains="ok")(2.0).status == "passing"


def flooding(connection: socket.socket) -> None:
    connection.recv(65536)
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def streaming(*events: bytes) -> Callable[[socket.socket], None]:
    """An event stream that stays open."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(f"{HEAD}Content-Type: text/event-stream\r\n\r\n".encode())
        for event in events:
            connection.sendall(event)
        connection.recv(65536)

    return answer


@pytest.mark.parametrize("wanted", [{"contains": "ready"}, {"matches": "re+ady|never"}])
def test_http_passes_as_soon_as_the_text_was_seen_on_an_endless_stream(serve: Serve, wanted: dict[str, str]) -> None:
    section = {"url": f"http://127.0.0.1:{serve(streaming(b'data: re', b'ady', bytes(2)))}/", **wanted}
    begun = time.monotonic()
    assert probe_http.configure(Section("f", "c", section), HOST)(20.0)[0] == "passing"
    assert time.monotonic() - begun < 10


def test_http_says_that_a_stream_did_not_bring_the_text_in_time(serve: Serve) -> None:
    url = f"http://127.0.0.1:{serve(streaming(b'data: no'))}/"
    status, output = Http(url, contains="ready")(0.5)
    assert (status, output) == (
        "critical",
        f"GET {url}: HTTP 200, but its body does not contain 'ready', which has not ended in time",
    )


def test_http_honours_the_charset_and_refuses_compressed_bodies(serve: Serve) -> None:
    def latin(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"{HEAD}Content-Type: text/plain; charset=ISO-8859-1\r\nContent-Length: 4\r\n\r\n"
        connection.sendall(head.encode() + "grün".encode("latin-1"))

    assert Http(f"http://127.0.0.1:{serve(latin)}/", contains="grün")(2.0)[0] == "passing"
    for charset in ("rot13", "no-such", "base64", "idna", "punycode", "unicode_escape", "undefined"):
        text = f"{HEAD}Content-Type: text/plain; charset={charset}\r\nContent-Length: 2\r\n\r\nok"
        assert Http(f"http://127.0.0.1:{serve(answering(text))}/", contains="ok")(2.0)[0] == "passing", charset
    packed = f"{HEAD}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok"
    status, output = Http(f"http://127.0.0.1:{serve(answering(packed))}/", contains="ok")(2.0)
    assert status == "critical"
    assert "compressed (gzip)" in output


@pytest.mark.parametrize("body", ["ready".encode("utf-16"), "ready".encode("utf-16-be"), b"\xff\xfer\0e\0a\0d\0y\0"])
def test_http_reads_utf_16_with_and_without_a_byte_order_mark(serve: Serve, body: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(f"{HEAD}Content-Type: text/plain; charset=UTF-16\r\n\r\n".encode() + body)

    url = f"http://127.0.0.1:{serve(answer)}/"
    assert Http(url, contains="ready", matches=re.compile("^read"))(5.0) == ("passing", f"GET {url}: HTTP 200")


def test_http_passes_at_once_when_the_text_comes_after_many_small_pieces(serve: Serve) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(HEAD.encode() + b"\r\n")
        for _count in range(300):
            connection.sendall(b".")
            time.sleep(0.001)
        connection.sendall(b"ready")
        connection.recv(65536)

    begun = time.monotonic()
    url = f"http://127.0.0.1:{serve(answer)}/"
    assert Http(url, contains="ready", matches=re.compile("r?eady"))(20.0)[0] == "passing"
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("pattern", ["^up$", r"^up\Z", r"^up\b", "^up(?!grading)"])
def test_http_waits_for_the_text_that_would_undo_a_match(serve: Serve, pattern: str) -> None:
    """`^up$` matches "up", and does not match "upgrading", of which "up" may come first."""
    passed = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(f"{HEAD}\r\nup".encode())
        passed.wait(0.5)
        connection.sendall(b"grading")

    assert Http(f"http://127.0.0.1:{serve(answer)}/", matches=re.compile(pattern))(5.0)[0] == "critical"
    assert (
        Http(f"http://127.0.0.1:{serve(answering(HEAD + CRLF + 'up'))}/", matches=re.compile(pattern))(5.0)[0]
        == "passing"
    )


def test_one_deadline_covers_all_addresses_of_a_name(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose first address swallows packets, as behind a firewall."""
    port = serve(answering(f"{HEAD}Content-Length: 0\r\n\r\n"))
    hole = socket.create_server(("127.0.0.2", port), backlog=0)
    held = [socket.create_connection(("127.0.0.2", port)) for _count in range(1)]
    resolve = socket.getaddrinfo

    def addresses(host: str, *args: object, **kwargs: object) -> object:
        if host != "two.example":
            return resolve(host, *args, **kwargs)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    try:
        begun = time.monotonic()
        assert Tcp("two.example", port)(3.0)[0] == "passing"
        assert Http(f"http://two.example:{port}/")(3.0)[0] == "passing"
        assert time.monotonic() - begun < 6
    finally:
        for sock in (*held, hole):
            sock.close()


NO_HOSTS = ("a..b", ".a", "a" * 64 + ".example", "-a", "300.1.1.1", "web.8080", ".".join(["abcd"] * 51))


@pytest.mark.parametrize(
    ("configure", "settings", "message"),
    [
        (probe_http.configure, {"method": "HEAD", "contains": "ok"}, "contains: an answer to HEAD has no body"),
        (probe_http.configure, {"method": "head", "matches": "ok"}, "matches: an answer to HEAD has no body"),
        (probe_http.configure, {"contains": ""}, "contains: expected a value"),
        (probe_http.configure, {"matches": ""}, "matches: expected a value"),
        (probe_http.configure, {"contains": "x" * 70000}, "contains: 70000 characters never come"),
        (probe_http.configure, {"contains": "ok", "status": [204, "304"]}, "status: an answer with this status has no"),
        (probe_http.configure, {"headers": {"Content-length": "5"}}, "headers.Content-length: it is set from body"),
        (probe_http.configure, {"status": ["100-199", "102"]}, "'102' never comes"),
        (probe_tcp.configure, {"host": "db:5432"}, "host: expected a host name or an IP address, got 'db:5432'"),
        (probe_tcp.configure, {"host": "a b"}, "host: expected a host name"),
        (probe_tcp.configure, {"host": ""}, "host: expected a value"),
        (probe_tcp.configure, {"host": "[web1]"}, "host: expected a host name"),
        *((probe_tcp.configure, {"host": host}, "host: expected a host name") for host in NO_HOSTS),
        *((probe_http.configure, {"url": f"http://{host}:80/"}, "is not a URL") for host in NO_HOSTS),
        (probe_tcp.configure, {"expect": ""}, "expect: expected a value"),
        (probe_tcp.configure, {"expect": "x" * 5000}, "expect: 5000 characters never come"),
    ],
)
def test_a_check_that_can_never_pass_is_refused(
    configure: Callable[[Section, Host], Probe], settings: dict[str, object], message: str
) -> None:
    usual = {"url": "http://127.0.0.1/"} if configure is probe_http.configure else {"port": 80}
    with pytest.raises(ConfigError, match=re.escape(message)):
        configure(Section("f", "c", {**usual, **settings}), HOST)


def test_tcp_takes_an_ipv6_address_in_brackets() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        section = Section("f", "c", {"host": "[::1]", "port": listener.getsockname()[1]})
        assert probe_tcp.configure(section, HOST)(2.0)[0] == "passing"


@pytest.mark.parametrize(
    "host", ["localhost", "a.example.", "_dns.a_b", "127.1", "3com.example", "::ffff:10.0.0.1", "fe80::1%lo"]
)
def test_check_takes_every_host_that_can_be_connected_to(host: str) -> None:
    probe_tcp.configure(Section("f", "c", {"host": host, "port": 80}), HOST)

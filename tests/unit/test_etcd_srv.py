# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SRV records: what a resolver answers becomes the list of endpoints."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import srv
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import Unreachable
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.srv import discover

POINTER_TO_QUESTION = b"\xc0\x0c"


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(priority, weight, target, port):
    data = struct.pack(">HHH", priority, weight, port) + name(target)
    return POINTER_TO_QUESTION + struct.pack(">HHIH", 33, 1, 60, len(data)) + data


def reply(query, records, flags=0x8180):
    head = query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
    return head + query[12:] + b"".join(records)


@contextlib.contextmanager
def resolver(answer, pause=0.0):
    """A DNS server on loopback; `answer` maps a query to the bytes that go back, over TCP one every `pause` seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.create_server(("127.0.0.1", 0)) as tcp:
        sock.bind(tcp.getsockname())

        def serve_udp():
            with contextlib.suppress(OSError):
                while True:
                    query, sender = sock.recvfrom(4096)
                    if query == b"stop":
                        return
                    sock.sendto(answer(query, False), sender)

        def serve_tcp():
            with contextlib.suppress(OSError):
                connection, _address = tcp.accept()
                with connection:
                    size = struct.unpack(">H", connection.recv(2))[0]
                    if size:
                        content = answer(connection.recv(size), True)
                        for byte in struct.pack(">H", len(content)) + content:
                            connection.sendall(bytes([byte]))
                            time.sleep(pause)

        threads = [threading.Thread(target=serve, daemon=True) for serve in (serve_udp, serve_tcp)]
        for thread in threads:
            thread.start()
        yield sock.getsockname()
        sock.sendto(b"stop", sock.getsockname())
        threads[0].join(5)


def test_the_best_record_is_asked_first():
    def answer(query, _tcp):
        assert name("_etcd-client-ssl._tcp.example.com") in query
        return reply(
            query,
            [
                record(20, 0, "c.example.com", 2379),
                record(10, 1, "b.example.com", 1),
                record(10, 9, "a.example.com", 2),
            ],
        )

    with resolver(answer) as address:
        found = discover("example.com", 6, [address])
    assert [str(endpoint) for endpoint in found] == [
        "https://a.example.com:2",
        "https://b.example.com:1",
        "https://c.example.com:2379",
    ]


def test_without_tls_records_the_plain_ones_serve():
    def answer(query, _tcp):
        return reply(query, [] if b"-ssl" in query else [record(0, 0, "a.example.com", 2379)])

    with resolver(answer) as address:
        assert [str(endpoint) for endpoint in discover("example.com", 6, [address])] == ["http://a.example.com:2379"]


def test_an_answer_that_was_cut_is_asked_for_again_over_tcp():
    def answer(query, tcp):
        return reply(query, [record(0, 0, "a.example.com", 7)]) if tcp else reply(query, [], flags=0x8380)

    with resolver(answer) as address:
        assert [endpoint.port for endpoint in discover("example.com", 6, [address])] == [7]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda query, _tcp: reply(query, []), "no SRV record"),
        (lambda query, _tcp: reply(query, [], flags=0x8183), "no SRV record"),
        (lambda query, _tcp: reply(query, [], flags=0x8182), "code 2"),
        (lambda query, _tcp: b"\0\0" + reply(query, [])[2:], "another query"),
        (lambda query, _tcp: reply(query, [POINTER_TO_QUESTION])[:-2] + b"\xff\xff", "malformed name"),
        (lambda query, _tcp: query[:2], "unpack"),
    ],
)
def test_a_bad_answer_is_an_error_that_names_question_and_resolver(answer, reason):
    with resolver(answer) as address, pytest.raises(Unreachable) as failure:
        discover("example.com", 6, [address])
    assert "_etcd-client._tcp.example.com at 127.0.0.1" in str(failure.value)
    assert reason in str(failure.value)


def test_the_next_resolver_is_asked_where_one_fails():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        dead = closed.getsockname()
    with resolver(lambda query, _tcp: reply(query, [record(0, 0, "a.example.com", 7)])) as address:
        assert discover("example.com", 6, [dead, address])[0].host == "a.example.com"


def test_a_silent_resolver_holds_nobody_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            discover("example.com", 0.4, [silent.getsockname(), silent.getsockname()])
    assert 0.3 < time.monotonic() - begun < 2


def test_a_resolver_that_sends_a_byte_now_and_then_holds_nobody_up():
    def answer(query, tcp):
        return reply(query, [record(0, 0, "a.example.com", 7)]) if tcp else reply(query, [], flags=0x8380)

    with resolver(answer, pause=0.1) as address:
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            discover("example.com", 0.6, [address])
    assert time.monotonic() - begun < 2


def test_without_dns_a_client_asks_whom_it_asked_before(fake_etcd, connect, monkeypatch):
    port = int(fake_etcd.endpoint.rpartition(":")[2])

    def answer(query, _tcp):
        return reply(query, [record(0, 0, "localhost", port)] if name("_etcd-client._tcp.example.com") in query else [])

    client = connect(discovery_srv="example.com", timeout=2)
    with resolver(answer) as address:
        monkeypatch.setattr(srv, "_resolvers", lambda _file: [address])
        client.get("/key")
    fake_etcd.stop()
    with pytest.raises(Unreachable, match="connection refused"):
        client.get("/key")
    fake_etcd.start()
    client.get("/key")


def plain_only(query, _tcp):
    """What a forged NXDOMAIN for the TLS service makes of a domain."""
    if b"-ssl" in query:
        return reply(query, [], flags=0x8183)
    return reply(query, [record(0, 0, "a.example.com", 2379)])


@pytest.mark.parametrize(
    "options",
    [
        {"ca_cert": "/ca.pem"},
        {"client_cert": "/c.pem", "client_key": "/c.key"},
        {"tls_server_name": "etcd"},
        {"user": "web", "password": "secret"},
        {"user": "web:secret"},
        {"validate_certs": False},
    ],
)
def test_a_password_or_tls_option_never_falls_back_to_plain_members(monkeypatch, options):
    with resolver(plain_only) as address:
        monkeypatch.setattr(srv, "_resolvers", lambda _file: [address])
        client = Client(Settings.from_mapping({"discovery_srv": "example.com", "timeout": 2, **options}))
        with pytest.raises(Unreachable, match="To use it anyway, set discovery_srv_insecure") as caught:
            client.get("/a")
        assert "_etcd-client._tcp" not in str(caught.value)
        options = {**options, "discovery_srv_insecure": True}
        client = Client(Settings.from_mapping({"discovery_srv": "example.com", "timeout": 0.2, **options}))
        with pytest.raises(Unreachable, match="http://a.example.com:2379"):
            client.get("/a")


@pytest.mark.parametrize("target", ["evil.org", "example.com.evil.org", "notexample.com"])
def test_members_outside_of_the_domain_are_not_asked(target):
    with resolver(lambda query, _tcp: reply(query, [record(0, 0, target, 2379)])) as address:
        with pytest.raises(Unreachable, match=f"{target} is outside the domain"):
            discover("example.com", 2, [address], secured=True)
        assert discover("example.com", 2, [address], secured=True, any_host=True)[0].host == target


@pytest.mark.parametrize("odd", [" b", "\r\n", "\x1b[31m", "a/b", "x@y", "a:1"])
def test_a_target_that_is_no_host_is_no_endpoint(odd):
    target = f"a{odd}.example.com"
    with resolver(lambda query, _tcp: reply(query, [record(0, 0, target, 2379)])) as address:
        with pytest.raises(Unreachable) as caught:
            discover("example.com", 2, [address])
        assert str(caught.value).isprintable()


def test_a_name_that_leads_back_to_itself_ends() -> None:
    """Labels, and behind them a pointer to their start: without an end it would take all of the memory."""
    looping = b"\0" * 12 + b"\x01a\xc0\x0c"
    with pytest.raises(ValueError, match="too long"):
        srv._name(looping, 12)
    with pytest.raises(ValueError, match="too long"):
        srv._name(b"\0" * 12 + b"\x80" + b"a" * 128 + b"\0", 12)

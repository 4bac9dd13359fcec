# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections, failover, deadlines: what a bad day of the network makes of a request."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    EtcdError,
    NotGateway,
    OutcomeUnknown,
    Unreachable,
)
from tests.support.fake_etcd import Answer, Cut, Drop, FakeEtcd, Farewell, Refuse, Stall, Trickle

NO_LEADER = Refuse(14, "etcdserver: no leader")
TIMED_OUT = Refuse(14, "etcdserver: request timed out")


@pytest.fixture
def members():
    """Three fakes; they share no keys, so what one was told the others do not know."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(FakeEtcd()) for _ in range(3)]


def endpoints(members):
    return [member.endpoint for member in members]


def test_one_connection_serves_all_requests(fake_etcd, connect):
    client = connect(endpoints=[fake_etcd.endpoint])
    for number in range(5):
        client.put(f"/key/{number}", "")
    assert client.range("/key/", prefix=True).count == 5
    assert fake_etcd.connections == 1


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_head_and_body_leave_in_one_packet_over_ipv6_too(connect, address, shown):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        client = connect(endpoints=[f"http://{shown}:{server.getsockname()[1]}"])
        asking = threading.Thread(target=lambda: client.put("/key", "x" * 100))
        asking.start()
        with server.accept()[0] as accepted:
            packet = accepted.recv(65536)
            answer = b'{"header":{"revision":"7"}}'
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
            asking.join()
    head, _blank, body = packet.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v3/kv/put HTTP/1.1")
    assert f"Host: {shown}:".encode() in head
    assert json.loads(body)["value"]


def test_one_connection_serves_all_requests_over_tls(authority, connect):
    pair = authority.server()
    with FakeEtcd(cert=pair.cert, key=pair.key) as fake:
        client = connect(endpoints=[fake.endpoint], ca_cert=str(authority.ca_cert))
        for number in range(5):
            client.put(f"/key/{number}", "")
        assert client.range("/key/", prefix=True).count == 5
        assert fake.connections == 1


def test_a_refusal_of_tls_is_told_from_an_endpoint_that_is_away(authority, connect, fake_etcd):
    pair = authority.server()
    with FakeEtcd(cert=pair.cert, key=pair.key) as fake:
        strange = connect(endpoints=[fake.endpoint])
        plain = connect(endpoints=[fake_etcd.endpoint.replace("http:", "https:")])
        for client in (strange, plain):
            with pytest.raises(Unreachable) as caught:
                client.get("/key")
            assert caught.value.refused
        away = connect(endpoints=[fake.endpoint], ca_cert=str(authority.ca_cert))
    with pytest.raises(Unreachable) as caught:
        away.get("/key")
    assert not caught.value.refused


def test_the_first_endpoint_is_asked_as_long_as_it_answers(members, connect):
    client = connect(endpoints=endpoints(members))
    for _ in range(3):
        client.get("/key")
    assert [member.count() for member in members] == [3, 0, 0]


def test_a_dead_endpoint_is_passed_over_and_asked_last_from_then_on(members, connect):
    members[0].stop()
    client = connect(endpoints=endpoints(members))
    client.get("/key")
    members[0].start()
    client.get("/key")
    assert [member.count() for member in members] == [0, 2, 0]
    members[1].stop()
    members[2].stop()
    client.get("/key")
    assert [member.count() for member in members] == [1, 2, 0]


def test_the_error_names_every_endpoint_and_what_each_said(members, connect):
    members[0].stop()
    members[1].inject("/v3", NO_LEADER)
    members[2].inject("/v3", Answer(502, "text/html", b"Bad Gateway"))
    with pytest.raises(Unreachable) as failure:
        connect(endpoints=endpoints(members)).get("/key")
    words = str(failure.value)
    assert words.startswith("Reading /key failed: no etcd endpoint answered")
    assert f"{members[0].endpoint}: connection refused" in words
    assert f"etcd at {members[1].endpoint} answered: etcdserver: no leader" in words
    assert f"{members[2].endpoint} answered HTTP 502: Bad Gateway" in words
    assert not failure.value.timed_out


def test_a_host_name_that_does_not_resolve_is_named(connect):
    with pytest.raises(Unreachable, match=r"http://nowhere.invalid:2379: its name does not resolve"):
        connect(endpoints=["nowhere.invalid"]).get("/key")


def test_a_stalled_endpoint_gets_its_share_of_the_time_and_the_next_one_serves(members, connect):
    members[0].inject("/v3", Stall(), times=None)
    client = connect(endpoints=endpoints(members), timeout=0.9)
    started = time.monotonic()
    client.get("/key")
    assert 0.25 < time.monotonic() - started < 0.85
    client.get("/key")
    assert [member.count() for member in members] == [1, 2, 0]


@pytest.mark.parametrize("fault", [Stall(), Stall(headers=True)])
def test_the_deadline_holds_where_all_endpoints_stall(members, connect, fault):
    for member in members:
        member.inject("/v3", fault, times=None)
    for call in (lambda client: client.get("/key"), lambda client: client.watch("/key")):
        started = time.monotonic()
        with pytest.raises(Unreachable, match="no answer within 0.2 s") as failure:
            call(connect(endpoints=endpoints(members), timeout=0.6))
        assert 0.5 < time.monotonic() - started < 2
        assert failure.value.timed_out
        assert all(member.endpoint in str(failure.value) for member in members)


@pytest.mark.parametrize("at_once", [0, 20, 200], ids=["status", "headers", "body"])
@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
def test_the_deadline_is_one_for_all_bytes_of_an_answer(connect, authority, secured, at_once):
    pair = authority.server()
    tls = {"ca_cert": str(authority.ca_cert)} if secured else {}
    with FakeEtcd(cert=pair.cert if secured else None, key=pair.key) as fake:
        fake.inject("/v3", Trickle(0.1, at_once), times=None)
        for call in (lambda client: client.get("/key"), lambda client: client.watch("/key")):
            started = time.monotonic()
            with pytest.raises(Unreachable, match=r"no answer within 0.4 s") as failure:
                call(connect(endpoints=[fake.endpoint], timeout=0.4, **tls))
            assert 0.3 < time.monotonic() - started < 2
            assert failure.value.timed_out


def test_an_endpoint_that_trickles_gets_its_share_of_the_time_and_the_next_one_serves(members, connect):
    members[0].inject("/v3", Trickle(0.1), times=None)
    client = connect(endpoints=endpoints(members), timeout=0.9)
    for call in (client.get, lambda key: client.watch(key).close()):
        started = time.monotonic()
        call("/key")
        assert time.monotonic() - started < 0.85
    assert [member.count() for member in members] == [1, 2, 0]


def test_a_slow_answer_within_the_deadline_is_taken(fake_etcd, connect):
    fake_etcd.put("/key", "value")
    fake_etcd.inject("/v3", Trickle(0.001))
    assert connect(endpoints=[fake_etcd.endpoint], timeout=10).get("/key").value == "value"


def test_a_kept_connection_outlives_the_deadline_of_the_request_that_opened_it(fake_etcd, connect):
    client = connect(endpoints=[fake_etcd.endpoint], timeout=0.5)
    client.get("/key")
    time.sleep(0.6)  # that nothing happens for longer than a request may take can only be waited for
    client.get("/key")
    assert fake_etcd.connections == 1


def test_an_endpoint_that_takes_no_connections_is_stopped_by_the_deadline(connect):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        for _ in range(3):  # the queue is full: the kernel drops what comes then
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        started = time.monotonic()
        with pytest.raises(Unreachable, match="no answer within"):
            connect(endpoints=[f"127.0.0.1:{listener.getsockname()[1]}"], timeout=0.4).get("/key")
        assert time.monotonic() - started < 2


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(fake_etcd, connect):
    client = connect(endpoints=[fake_etcd.endpoint])
    client.put("/key", "1")
    fake_etcd.restart()
    client.put("/key", "2")
    assert fake_etcd.tree() == {"/key": "2"}
    assert fake_etcd.connections == 2


def test_a_kept_connection_that_breaks_under_a_read_is_tried_once_more_on_a_new_one(fake_etcd, connect):
    client = connect(endpoints=[fake_etcd.endpoint])
    client.put("/key", "1")
    fake_etcd.inject("/v3/kv/range", Drop())
    assert client.get("/key").value == "1"
    assert (fake_etcd.connections, fake_etcd.count("/v3/kv/range")) == (2, 2)
    fake_etcd.inject("/v3/kv/range", Drop(), times=None)
    with pytest.raises(Unreachable):
        client.get("/key")
    assert fake_etcd.count("/v3/kv/range") == 4


@pytest.mark.parametrize("fault", [Drop(executed=True), Drop(), Cut(), Stall(), TIMED_OUT])
@pytest.mark.parametrize("kept", [False, True])
def test_a_write_without_an_answer_is_not_sent_twice(members, connect, fault, kept):
    client = connect(endpoints=endpoints(members), timeout=0.6)
    if kept:
        client.get("/key")
    members[0].inject("/v3/kv/put", fault)
    with pytest.raises(
        OutcomeUnknown, match="Writing /key: no answer .*, so it may or may not have taken effect"
    ) as failure:
        client.put("/key", "value")
    assert members[0].endpoint in str(failure.value)
    assert [member.count("/v3/kv/put") for member in members] == [1, 0, 0]
    client.put("/key", "again")
    assert [member.count("/v3/kv/put") for member in members] == [1, 1, 0]


@pytest.mark.parametrize("fault", [Drop(executed=True), Drop(), Cut(), Stall(), TIMED_OUT, NO_LEADER])
def test_a_read_without_an_answer_goes_to_the_next_endpoint(members, connect, fault):
    members[0].inject("/v3", fault)
    members[1].put("/key", "from the second")
    assert connect(endpoints=endpoints(members), timeout=0.6).get("/key").value == "from the second"


def test_a_write_that_was_surely_not_done_goes_to_the_next_endpoint(members, connect):
    members[0].stop()
    members[1].inject("/v3", NO_LEADER)
    connect(endpoints=endpoints(members)).put("/key", "value")
    assert members[2].tree() == {"/key": "value"}


def test_a_refusal_is_final_and_asks_no_other_endpoint(members, connect):
    members[0].inject("/v3", Refuse(7, "etcdserver: permission denied"))
    with pytest.raises(EtcdError, match="permission denied"):
        connect(endpoints=endpoints(members)).get("/key")
    assert [member.count() for member in members] == [1, 0, 0]


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_is_an_error_and_never_followed(members, connect, status):
    moved = Answer(status, "text/html", b"Moved", (("Location", members[1].endpoint + "/v3/kv/range"),))
    members[0].inject("/v3", moved, times=None)
    client = connect(endpoints=[members[0].endpoint], user="web", password="secret")
    for call in (lambda: client.put("/key", "value"), lambda: client.get("/key"), lambda: client.watch("/key")):
        with pytest.raises(NotGateway, match=f"HTTP {status}: Moved.*redirects are not followed: use a client"):
            call()
    assert members[1].connections == 0


def test_a_server_that_announces_the_end_of_each_connection_is_asked_on_new_ones(fake_etcd, connect):
    for number in range(6):
        fake_etcd.put(f"/p/{number}", str(number))
    fake_etcd.inject("/v3", Farewell(), times=None)
    client = connect(endpoints=[fake_etcd.endpoint])
    client.put("/p/6", "6")
    assert [kv.value for kv in client.read_all("/p/", page=2).kvs] == [str(number) for number in range(7)]
    assert fake_etcd.connections == fake_etcd.count() == 5


def test_proxies_of_the_environment_are_not_used(members, connect, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, members[1].endpoint)
    connect(endpoints=[members[0].endpoint]).get("/key")
    assert [member.connections for member in members] == [1, 0, 0]


def test_a_closed_client_opens_a_connection_again(fake_etcd, connect):
    client = connect(endpoints=[fake_etcd.endpoint])
    with client:
        client.put("/key", "1")
    assert client.get("/key").value == "1"
    assert fake_etcd.connections == 2


def test_a_keepalive_without_ttl_is_a_lease_that_is_gone(fake_etcd, connect):
    client = connect(endpoints=[fake_etcd.endpoint])
    lease, ttl = client.lease_grant(30)
    client.put("/key", "value", lease)
    fake_etcd.clock.advance(ttl - 1)
    assert client.lease_keepalive(lease) == 30
    fake_etcd.clock.advance(ttl + 1)
    with pytest.raises(EtcdError, match=f"Keeping lease {lease:x} alive failed: the lease has expired or was revoked"):
        client.lease_keepalive(lease)
    assert fake_etcd.tree() == {}


def test_a_process_with_many_open_files_keeps_its_connection(fake_etcd, connect):
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(open(os.devnull))
        client = connect(endpoints=[fake_etcd.endpoint])
        for _ in range(3):
            client.get("/key")
    assert fake_etcd.connections == 1


@pytest.mark.parametrize(
    "answer", [Answer(404, "text/plain", b"404 page not found"), Answer(200, "text/html", b"<html>")]
)
def test_an_endpoint_that_is_somebody_else_is_passed_over(members, connect, answer):
    members[0].inject("/", answer, times=None)
    client = connect(endpoints=endpoints(members))
    client.put("/key", "x")
    assert client.get("/key").value == "x"
    assert client.endpoint == members[1].endpoint
    watch = client.watch("/key")
    watch.close()
    for member in members[1:]:
        member.stop()
    with pytest.raises(Unreachable, match="Check that this is a client URL of etcd"):
        client.get("/key")
    with pytest.raises(NotGateway, match="Check that this is a client URL of etcd"):
        connect(endpoints=endpoints(members)[:1]).get("/key")

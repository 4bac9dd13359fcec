# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints that answer something that is not etcd's: one clear error, and the next endpoint is asked."""

from __future__ import annotations

import dataclasses
import json
import time
import tracemalloc

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.admin import Admin
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.cluster import survey
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import EtcdError, NotGateway, Unreachable
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.v2 import V2Reader
from tests.support.fake_etcd import FakeEtcd
from tests.support.hostile import HostileServer, answer, forever

OK = b"HTTP/1.1 200 OK\r\n"
BIG = b"x" * (1 << 20)
HEADER = '"header":{"cluster_id":"1","member_id":"2","revision":"9","raft_term":"3"}'


def read_v2(client):
    with V2Reader(client.settings) as reader:
        return reader.read_all("/")


CALLS = {
    "range": lambda client: client.range("/a"),
    "read_all": lambda client: client.read_all("/a"),
    "get_many": lambda client: client.get_many(["/a", "/b"]),
    "put": lambda client: client.put("/a", "b"),
    "delete": lambda client: client.delete("/a"),
    "txn": lambda client: client.txn([], [wire.put("/a", "b", previous=True)]),
    "grant": lambda client: client.lease_grant(5),
    "keepalive": lambda client: client.lease_keepalive(7),
    "lease": lambda client: client.lease_status(7, keys=True),
    "revoke": lambda client: client.lease_revoke(7),
    "watch": lambda client: client.watch("/a"),
    "status": lambda client: client.status(),
    "authenticate": lambda client: client.authenticate("a", "b"),
    "members": survey,
    "users": lambda client: Admin(client).users(),
    "user": lambda client: Admin(client).roles_of("a"),
    "role": lambda client: Admin(client).permissions_of("a"),
    "v2": read_v2,
}

# Answers that no method has.
MALFORMED = {
    "endless body": lambda: forever(OK + b"\r\n", BIG),
    "endless chunks": lambda: forever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + BIG + b"\r\n"),
    "endless head": lambda: forever(OK, b"X: y\r\n"),
    "endless header line": lambda: forever(OK, BIG),
    "endless 100 Continue": lambda: forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "endless trailers": lambda: forever(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 10_000),
    "huge length": lambda: [OK + b"Content-Length: 99999999999999999999\r\n\r\n{}"],
    "length of two gigabytes": lambda: [OK + b"Content-Length: 2147483648\r\n\r\n{}"],
    "length of many digits": lambda: [OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}"],
    "huge chunk": lambda: [OK + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n{}"],
    "negative chunk": lambda: forever(OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", BIG),
    "deep nesting": lambda: answer(b'{"header":{},"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "many values": lambda: answer(b'{"header":{},"x":[' + b"[]," * 1_100_000 + b"[]]}"),
    "long number": lambda: answer(b'{"header":{"revision":' + b"9" * 1_000_000 + b"}}"),
    "not a number": lambda: answer(b'{"header":{"revision":NaN}}'),
    "header is a list": lambda: answer(b'{"header": [], "kvs": [{"key": 5}]}'),
    "revision is an object": lambda: answer(b'{"header":{"revision":{}}}'),
    "status 99": lambda: [b"HTTP/1.1 99 No\r\n\r\n"],
    "status 103": lambda: [b"HTTP/1.1 103 Early Hints\r\n\r\n"],
    "redirect": lambda: [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"],
    "not HTTP": lambda: [b"SSH-2.0-OpenSSH_9.2\r\n"],
    "nothing": list,
    "half a body": lambda: [OK + b"Content-Length: 100\r\n\r\n{"],
}

# Answers that have a header and are still none of this method's.
CROOKED = {
    "range": ['"kvs":[{"key":5}]', '"kvs":{"key":"YQ=="}', '"kvs":[{}]', '"kvs":[1]', '"count":"x"',
              '"kvs":[{"key":"YQ==","value":"!!!!"}],"count":"1"', '"kvs":[{"key":"YQ=="}],"count":"0"',
              '"kvs":[{"key":"YQ==","lease":"1' + "0" * 5000 + '"}],"count":"1"'],
    "txn": ['"responses":[]', '"responses":[{"response_range":{}}]', '"succeeded":"yes"',
            '"succeeded":true,"responses":[{"response_put":[]}]',
            '"succeeded":true,"responses":[{"response_put":{"prev_kv":{"key":7}}}]'],
    "grant": ['"ID":"0","TTL":"5"', '"ID":"5"', '"ID":[],"TTL":"5"', '"ID":"7","TTL":1e400'],
    "lease": ['"keys":[7]', '"keys":"YQ=="', '"keys":["?"]', '"TTL":true'],
    "watch": ['"events":[{}]', '"events":{}', '"events":[{"kv":{"key":"YQ=="},"type":5}]', '"canceled":1'],
    "authenticate": [r'"token":"a\r\nHost: b"', '"token":["a"]', r'"token":"\ud800"'],
    "status": ['"version":3', '"leader":"x"', '"isLearner":"no"', '"raftIndex":[]'],
    "members": ['"members":[7]', '"members":[{"ID":"1","clientURLs":"http://a"}]', '"members":[{"ID":{}}]'],
    "users": ['"users":"root"', '"users":[null]'],
    "role": ['"perm":[[]]', '"perm":[{"permType":"ALL"}]', '"perm":[{"key":"?"}]'],
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("call", ["range", "grant", "watch", "v2"])
def test_malformed_answer_is_one_error_within_the_deadline(connect, name, call):
    with HostileServer(lambda _path: MALFORMED[name]()) as server:
        client = connect(endpoints=[server.endpoint], timeout=2)
        started = time.monotonic()
        with pytest.raises(EtcdError) as caught:
            CALLS[call](client)
        assert time.monotonic() - started < 4
    assert server.endpoint in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("name", MALFORMED)
def test_after_a_malformed_answer_the_next_endpoint_is_asked(connect, name):
    with FakeEtcd() as good, HostileServer(lambda _path: MALFORMED[name]()) as server:
        good.put("/a", "b")
        client = connect(endpoints=[server.endpoint, good.endpoint], timeout=4)
        assert client.get("/a").value == "b"
        client = connect(endpoints=[server.endpoint, good.endpoint], timeout=4)
        client.watch("/a").close()
        assert server.requests >= 2


@pytest.mark.parametrize(("call", "fields"), [(call, fields) for call, all_of in CROOKED.items() for fields in all_of])
def test_answer_with_fields_of_other_types_is_not_etcds(connect, call, fields):
    body = b"{%b,%b}\n" % (HEADER.encode(), fields.encode())
    with HostileServer(lambda _path: answer(body)) as server:
        client = connect(endpoints=[server.endpoint], timeout=2)
        with pytest.raises((NotGateway, Unreachable), match="is not from etcd|is too large for etcd"):
            CALLS[call](client)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("inner", ["[]", "{}", "7", '"x"', "null", "[[]]", '{"a":{}}', "true", "1.5"])
def test_every_call_survives_every_type_in_every_field(connect, call, inner):
    names = "kvs count prev_kvs responses succeeded ID TTL grantedTTL keys events canceled token users roles perm"
    names += " members version leader isLearner dbSize compact_revision cancel_reason node alarms kv prev_kv"
    for name in names.split():
        body = f'{{{HEADER},"node":{{}},"{name}":{inner}}}\n'.encode()
        with HostileServer(lambda _path, body=body: answer(body)) as server:
            client = connect(endpoints=[server.endpoint], timeout=2)
            try:
                CALLS[call](client)
            except EtcdError as exc:
                assert str(exc).isprintable()


def test_endless_body_needs_little_memory(connect):
    for call, most in (("grant", 16 << 20), ("range", 160 << 20)):
        with HostileServer(lambda _path: MALFORMED["endless body"]()) as server:
            client = connect(endpoints=[server.endpoint], timeout=10)
            tracemalloc.start()
            try:
                with pytest.raises(EtcdError, match="more (than|bytes)"):
                    CALLS[call](client)
                assert tracemalloc.get_traced_memory()[1] < most
            finally:
                tracemalloc.stop()


def test_a_watch_that_sends_a_line_without_end_ends(connect):
    first = json.dumps({"result": {"header": {"revision": "1"}, "created": True}}).encode() + b"\n"
    with HostileServer(lambda _path: forever(OK + b"\r\n" + first, BIG)) as server:
        watch = connect(endpoints=[server.endpoint]).watch("/a")
        with pytest.raises(EtcdError, match="more than"):
            next(iter(watch))


@pytest.mark.parametrize("count", [5, 10**15])
def test_a_page_that_repeats_keys_is_not_read_for_ever(connect, count):
    body = f'{{{HEADER},"kvs":[{{"key":"YQ=="}},{{"key":"YWE="}}],"more":true,"count":"{count}"}}'.encode()
    with HostileServer(lambda _path: answer(body)) as server:
        with pytest.raises(NotGateway, match="is a single etcd cluster"):
            connect(endpoints=[server.endpoint]).read_all("a")
        assert server.requests <= 3


@pytest.mark.parametrize("read", [
    lambda client: client.read_all("/big/").kvs,
    lambda client: client.read_many(["/big/", "/other/"])["/big/"].kvs,
    lambda client: client.get_many([f"/big/{number:02}" for number in range(60)]).values(),
])  # fmt: skip
def test_values_larger_than_one_answer_may_be_are_read_in_smaller_pages(fake_etcd, connect, monkeypatch, read):
    monkeypatch.setattr(wire, "MAX_PAGE", 1 << 20)
    monkeypatch.setattr(wire, "RANGE", dataclasses.replace(wire.RANGE, size=1 << 20))
    for number in range(60):
        fake_etcd.put(f"/big/{number:02}", "x" * 25_000)
    found = read(connect(endpoints=[fake_etcd.endpoint]))
    assert [len(kv.value) for kv in found] == [25_000] * 60


def test_a_settings_token_that_breaks_a_header_is_never_sent(connect):
    body = b'{"header":{"revision":"1"},"token":"a\\r\\nX: y"}'
    with HostileServer(lambda _path: answer(body)) as server:
        settings = Settings.from_mapping({"endpoints": server.endpoint, "user": "a", "password": "b"})
        with pytest.raises(NotGateway, match="a token that is not valid in a header"):
            connect(endpoints=[str(settings.endpoints[0])], user="a", password="b").get("/a")

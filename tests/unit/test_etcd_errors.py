# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcd's refusals, in every shape they come in, become the right exception with words that help."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import errors
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.admin import Admin
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.cluster import survey
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import error_from_answer
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.v2 import V2Reader
from tests.support.fake_etcd import VERSIONS, Answer, FakeEtcd, Refuse

REFUSALS = [
    (3, "etcdserver: authentication failed, invalid user ID or password", errors.AuthenticationFailed),
    (3, "etcdserver: user name is empty", errors.TokenInvalid),
    (3, "etcdserver: revision of auth store is old", errors.TokenInvalid),
    (3, "etcdserver: duplicate key given in txn request", errors.EtcdError),
    (4, "context deadline exceeded", errors.Unavailable),
    (2, "context deadline exceeded", errors.Unavailable),
    (5, "etcdserver: requested lease not found", errors.LeaseNotFound),
    (5, "Not Found", errors.EtcdError),
    (7, "etcdserver: permission denied", errors.PermissionDenied),
    (8, "etcdserver: mvcc: database space exceeded", errors.EtcdError),
    (9, "etcdserver: lease already exists", errors.LeaseExists),
    (9, "etcdserver: authentication is not enabled", errors.AuthDisabled),
    (11, "etcdserver: mvcc: required revision has been compacted", errors.Compacted),
    (11, "etcdserver: mvcc: required revision is a future revision", errors.EtcdError),
    (14, "etcdserver: no leader", errors.Unavailable),
    (14, "etcdserver: request timed out", errors.Unavailable),
    (16, "etcdserver: invalid auth token", errors.TokenInvalid),
]
SHAPES = {
    "up to 3.5": lambda code, text: {"error": text, "message": text, "code": code},
    "from 3.6": lambda code, text: {"code": code, "message": text, "details": []},
    "stream up to 3.5": lambda code, text: {"error": {"grpc_code": code, "http_code": 400, "message": text}},
    "stream from 3.6": lambda code, text: {"error": {"code": code, "message": text}},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("code", "text", "kind"), REFUSALS)
@pytest.mark.parametrize("status", [200, 400, 412, 500])
def test_the_code_decides_and_not_the_http_status(code, text, kind, shape, status):
    body = json.dumps(SHAPES[shape](code, text)).encode()
    error = error_from_answer("Writing /key", "http://etcd1:2379", status, body)
    assert type(error) is kind
    assert error.code == code
    assert str(error).startswith(f"Writing /key failed: etcd at http://etcd1:2379 answered: {text} (code {code})")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("code", "text", "kind"), [one for one in REFUSALS if one[0] not in (4, 8)])
def test_a_call_raises_what_the_answer_stands_for(version, code, text, kind, connect):
    with FakeEtcd(version) as fake:
        client = connect(endpoints=[fake.endpoint])
        fake.inject("/v3/kv", Refuse(code, text), times=None)
        with pytest.raises(errors.EtcdError) as failure:
            client.get("/key")
    if kind is errors.Unavailable:
        kind = errors.Unreachable  # the only endpoint is unavailable
    assert type(failure.value) is kind
    assert fake.endpoint in str(failure.value)
    assert text in str(failure.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("etcdserver: user name is empty", "set user and password"),
        ("etcdserver: authentication failed, invalid user ID or password", "Check user and password"),
        ("etcdserver: permission denied", "Grant a role of the user access"),
        ("etcdserver: mvcc: database space exceeded", "alarm list"),
    ],
)
def test_what_to_do_is_said(text, hint):
    code = next(code for code, known, _ in REFUSALS if known == text)
    assert hint in str(error_from_answer("", "", 400, json.dumps({"code": code, "message": text}).encode()))


def test_only_no_leader_is_surely_not_carried_out():
    def executed(code, text):
        return error_from_answer("", "", 503, json.dumps({"code": code, "message": text}).encode()).executed

    assert not executed(14, "etcdserver: no leader")
    assert executed(14, "etcdserver: request timed out")
    assert executed(4, "context deadline exceeded")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(404, "text/plain", b"404 page not found\n"), errors.NotGateway, "enable-grpc-gateway: true"),
        (
            Answer(400, "text/plain", b"CommonName of client sending a request against gateway will be ignored\n"),
            errors.NotGateway,
            "use a client certificate without a CN, and set user and password",
        ),
        (
            Answer(200, "text/html", b"<html>It works!</html>"),
            errors.NotGateway,
            "Check that this is a client URL of etcd",
        ),
        (Answer(200, "application/json", b"[1]"), errors.NotGateway, "Check that this is a client URL of etcd"),
        (Answer(301, "text/html", b"moved"), errors.NotGateway, "HTTP 301"),
        (Answer(403, "text/html", b"\xff\xfe"), errors.NotGateway, "HTTP 403"),
        (Answer(502, "text/html", b"Bad Gateway"), errors.Unreachable, "HTTP 502: Bad Gateway"),
        (Answer(400, "application/json", b'{"message": 3}'), errors.NotGateway, 'HTTP 400: {"message": 3}'),
        (Answer(400, "application/json", b'{"code": "x", "message": "odd"}'), errors.NotGateway, "HTTP 400: odd"),
    ],
)
@pytest.mark.parametrize("call", [lambda client: client.get("/key"), lambda client: client.watch("/key")])
def test_an_answer_that_is_not_of_the_gateway_is_named(answer, kind, words, call, fake_etcd, connect):
    fake_etcd.inject("/v3", answer)
    with pytest.raises(kind) as failure:
        call(connect(endpoints=[fake_etcd.endpoint]))
    assert words in str(failure.value)
    assert fake_etcd.endpoint in str(failure.value)


CALLS = {
    "get": lambda client: client.get("/key"),
    "read_all": lambda client: client.read_all("/key"),
    "get_many": lambda client: client.get_many(["/key"]),
    "read_many": lambda client: client.read_many(["/key"]),
    "put": lambda client: client.put("/key", ""),
    "delete": lambda client: client.delete("/key"),
    "txn": lambda client: client.txn(),
    "lease_grant": lambda client: client.lease_grant(60),
    "lease_keepalive": lambda client: client.lease_keepalive(1),
    "lease_status": lambda client: client.lease_status(1),
    "lease_revoke": lambda client: client.lease_revoke(1),
    "watch": lambda client: client.watch("/key"),
    "status": lambda client: client.status(),
    "authenticate": lambda client: client.authenticate("web", "secret"),
    "users": lambda client: Admin(client).users(),
    "add_user": lambda client: Admin(client).add_user("web", "secret"),
    "survey": survey,
}


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"ok"}',
        b"{}",
        b'{"result":"ok"}',
        b'{"result":{}}',
        b'{"header":"ok"}',
        b'{"error":"none"}',
        b"[" * 9999,
    ],
    ids=lambda body: body[:20].decode(),
)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_json_of_somebody_else_is_not_believed(body, call, fake_etcd, connect):
    fake_etcd.inject("/v3", Answer(200, "application/json", body))
    with pytest.raises(errors.NotGateway, match="Check that this is a client URL of etcd") as failure:
        call(connect(endpoints=[fake_etcd.endpoint]))
    assert fake_etcd.endpoint in str(failure.value)


def test_json_of_somebody_else_is_not_believed_where_v2_is_read(fake_etcd):
    fake_etcd.v2 = SimpleNamespace(page=lambda path, login: (200, b'{"status":"ok"}', "application/json"))
    reader = V2Reader(Settings.from_mapping({"endpoints": fake_etcd.endpoint}))
    with reader, pytest.raises(errors.NotGateway, match="Check that this is a client URL of etcd"):
        reader.read_all("/key")


def test_an_error_after_http_200_is_one(fake_etcd, connect):
    fake_etcd.inject("/v3", Answer(200, "application/json", b'{"error":{"code":7,"message":"permission denied"}}'))
    with pytest.raises(errors.PermissionDenied):
        connect(endpoints=[fake_etcd.endpoint]).lease_keepalive(1)


def test_an_empty_answer_is_none(fake_etcd, connect):
    fake_etcd.inject("/v3", Answer(200, "application/json", b""), times=2)
    client = connect(endpoints=[fake_etcd.endpoint])
    with pytest.raises(errors.NotGateway, match="Check that this is a client URL of etcd"):
        client.get("/key")
    with pytest.raises(errors.Unreachable, match="without an answer"):
        client.watch("/key")


@pytest.mark.parametrize(
    "reason",
    [
        "connection closed",
        'connection error: desc = "transport: authentication handshake failed"',
        "write tcp 127.0.0.1:49918->127.0.0.1:49099: write: broken pipe",
        "read tcp 127.0.0.1:49918->127.0.0.1:49099: read: connection reset by peer",
    ],
)
def test_a_gateway_that_its_own_server_refuses_is_explained(reason):
    refused = errors.error_from_code("Reading /a", "https://etcd1:2379", 14, reason)
    assert isinstance(refused, errors.Unavailable)
    assert "add the extended key usage clientAuth" in str(refused)

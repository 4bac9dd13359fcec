# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens: asked for once, renewed when etcd does not know them any more, dropped when they make it hang."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    AuthenticationFailed,
    EtcdError,
    OutcomeUnknown,
    TokenInvalid,
    Unreachable,
)
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.support.fake_etcd import VERSIONS, Cut, Drop, FakeEtcd, Refuse, Stall

PASSWORD = "correct horse battery staple"
UNKNOWN = Refuse(16, "etcdserver: invalid auth token")
OLD = Refuse(3, "etcdserver: revision of auth store is old")


@pytest.fixture(params=VERSIONS)
def fake(request):
    """Authentication is on; web may read and write /web/."""
    with FakeEtcd(request.param) as fake:
        fake.require_auth(root="root", web=PASSWORD)
        fake.permit("web", "/web/")
        yield fake


@pytest.fixture
def client(fake, connect):
    return connect(endpoints=[fake.endpoint], user="web", password=PASSWORD, timeout=0.5)


def test_one_authentication_serves_all_requests(fake, client):
    for number in range(5):
        client.put(f"/web/{number}", "")
    client.watch("/web/1").close()
    assert fake.authentications == 1
    assert len({request.token for request in fake.received[1:]}) == 1


def test_clones_in_other_threads_share_the_token(fake, client):
    def work():
        with client.clone() as clone:
            clone.put("/web/1", "")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (fake.authentications, fake.count("/v3/kv/put")) == (1, 8)


@pytest.mark.parametrize("refusal", [UNKNOWN, OLD])
@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/v3/kv/put", lambda client: client.put("/web/1", "value")),
        ("/v3/kv/range", lambda client: client.get("/web/1")),
        ("/v3/watch", lambda client: client.watch("/web/1").close()),
    ],
)
def test_a_token_that_is_refused_is_renewed_once(fake, client, path, call, refusal):
    client.put("/web/0", "")
    fake.inject(path, refusal)
    before = fake.count(path)
    call(client)
    assert (fake.authentications, fake.count(path) - before) == (2, 2)
    refused, accepted = (request.token for request in fake.received[-3:] if request.path == path)
    assert refused != accepted


@pytest.mark.parametrize("kind", ["simple", "signed"])
def test_tokens_that_died_are_noticed_by_calls_and_watches(fake, client, kind):
    kill = fake.auth.forget_tokens if kind == "simple" else fake.auth.outdate_tokens
    client.put("/web/1", "value")
    kill()
    assert client.get("/web/1").value == "value"
    kill()
    client.watch("/web/1").close()
    assert fake.authentications == 3


def test_etcd_that_keeps_refusing_is_not_asked_for_ever(fake, client):
    fake.inject("/v3/kv", UNKNOWN, times=None)
    with pytest.raises(TokenInvalid):
        client.get("/web/1")
    assert (fake.authentications, fake.count("/v3/kv")) == (2, 2)


def test_a_wrong_password_is_tried_once(fake, connect):
    client = connect(endpoints=[fake.endpoint], user="web", password="wrong")
    with pytest.raises(AuthenticationFailed, match="Check user and password"):
        client.put("/web/1", "")
    assert (fake.authentications, fake.count()) == (1, 1)


@pytest.mark.parametrize("call", [lambda client: client.get("/web/1"), lambda client: client.watch("/web/1").close()])
def test_a_timeout_drops_the_token(fake, client, call):
    call(client)
    fake.inject("/v3/kv", Stall())
    fake.inject("/v3/watch", Stall())
    with pytest.raises(Unreachable):
        call(client)
    fake.heal()
    call(client)
    assert fake.authentications == 2


def test_a_password_in_the_name_is_in_no_message(fake, connect):
    client = connect(endpoints=[fake.endpoint], user="wo:sekret9", password="sekret8")
    with pytest.raises(AuthenticationFailed, match="Authenticating as wo failed") as failure:
        client.get("/web/1")
    assert "sekret" not in repr(failure.value) + repr(client.settings)


def test_a_broken_connection_keeps_the_token(fake, client):
    client.get("/web/1")
    fake.inject("/v3/kv/put", Drop())
    with pytest.raises(OutcomeUnknown):
        client.put("/web/1", "")
    client.put("/web/1", "")
    assert fake.authentications == 1


def test_without_a_user_nothing_is_tried_twice(fake, connect):
    client = connect(endpoints=[fake.endpoint])
    with pytest.raises(TokenInvalid, match="set user and password"):
        client.get("/web/1")
    assert (fake.authentications, fake.count()) == (0, 1)


def test_authentication_that_is_switched_on_later_is_noticed(fake_etcd, connect):
    client = connect(endpoints=[fake_etcd.endpoint], user="root", password=PASSWORD)
    client.put("/key", "before")
    fake_etcd.require_auth(root=PASSWORD)
    client.put("/key", "after")
    assert fake_etcd.tree() == {"/key": "after"}


def test_no_secret_is_in_any_text(fake, client):
    client.put("/web/1", "")
    token = client._token.value
    assert token
    faults = [UNKNOWN, OLD, Refuse(14, "etcdserver: no leader"), Refuse(7, "denied"), Drop(), Cut(), Stall()]
    texts = [repr(client.settings), repr(client)]
    reads, writes, watches = (
        lambda: client.get("/web/1"),
        lambda: client.put("/web/1", "x"),
        lambda: client.watch("/"),
    )
    for path, call in [("/v3/kv", reads), ("/v3/kv", writes), ("/v3/watch", watches), ("/v3/auth", reads)]:
        for fault in faults:
            client._token.value = None if path == "/v3/auth" else token
            fake.inject(path, fault, times=None)
            with pytest.raises(EtcdError) as failure:
                call()
            fake.heal()
            texts += [str(failure.value), repr(failure.value)]
    with pytest.raises(EtcdError) as failure:
        Settings.from_mapping({"endpoints": [f"http://web:{PASSWORD}@etcd1:2379"]})
    texts += [str(failure.value), repr(failure.value)]
    assert not any(PASSWORD in text or token in text for text in texts)

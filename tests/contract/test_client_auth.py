# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users, permissions and tokens against every server: servers of their own, with authentication on."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.admin import Admin, Permission
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.cluster import survey
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    AuthenticationFailed,
    PermissionDenied,
    TokenInvalid,
    Unreachable,
)
from tests.support.fake_etcd import VERSIONS, FakeEtcd
from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster

FAST = "--bcrypt-cost=4"  # the real cost, 75 ms, is etcd's to prove


@pytest.fixture(scope="module", params=[f"{kind} {series}" for kind in ("fake", "etcd") for series in VERSIONS])
def guarded(request):
    """A server where web may do everything under /web/, read /all/ and write /drop/. Yields server and endpoint."""
    kind, series = request.param.split()
    server = FakeEtcd(series) if kind == "fake" else Cluster(programs_of(series), flags=[FAST])
    with server:
        server.require_auth(root="secret of root", web="secret of web")
        server.permit("web", "/web/")
        server.permit("web", "/all/", "read")
        server.permit("web", "/drop/", "write")
        yield server, server.endpoint if kind == "fake" else server.endpoints[0]


@pytest.fixture
def web(guarded, connect):
    return connect(endpoints=[guarded[1]], user="web", password="secret of web")


def test_a_user_does_what_its_role_permits(web):
    lease, _ttl = web.lease_grant(60)
    web.put("/web/1/ip", "10.0.0.1", lease)
    assert web.read_all("/web/").kvs[0].lease == lease
    assert web.lease_keepalive(lease) == 60
    assert web.lease_status(lease, keys=True).keys == ["/web/1/ip"]
    assert web.txn([wire.held_by("/web/1/ip", lease)], [wire.put("/web/1/node", "{}", lease)]).succeeded
    watch = web.watch("/all/", prefix=True)
    watch.close()
    web.lease_revoke(lease)
    assert web.read_all("/web/").kvs == []


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get("/secret"),
        lambda client: client.read_all("/"),
        lambda client: client.read_all("/web", page=1),
        lambda client: client.get("/drop/x"),
        lambda client: client.put("/all/x", ""),
        lambda client: client.delete("/all/x"),
        lambda client: client.txn([wire.absent("/secret")]),
        lambda client: client.txn(failure=[wire.put("/all/x", "")]),
        lambda client: next(iter(client.watch("/", prefix=True))),
        lambda client: client.watch("/secret"),
    ],
)
def test_what_is_not_permitted_is_an_error_and_never_nothing(web, call):
    with pytest.raises(PermissionDenied, match="permission denied"):
        call(web)


def test_a_wrong_password_is_told_once_and_never_shown(guarded, connect):
    client = connect(endpoints=[guarded[1]], user="web", password="not the password")
    with pytest.raises(AuthenticationFailed, match="Authenticating as web failed.*Check user and password") as failure:
        client.get("/web/1")
    assert "not the password" not in repr(failure.value)


def test_without_a_user_the_error_says_what_to_give(guarded, connect):
    with pytest.raises(TokenInvalid, match="Authentication is enabled: set user and password"):
        connect(endpoints=[guarded[1]]).get("/web/1")
    with pytest.raises(TokenInvalid):
        connect(endpoints=[guarded[1]]).watch("/web/1")


def test_a_token_that_died_with_the_server_is_renewed(guarded, web):
    server, _endpoint = guarded
    web.put("/web/1", "before")
    if isinstance(server, Cluster):
        server.members[0].kill()
        server.mend()
    else:
        server.restart()
    web.put("/web/1", "after")
    watch = web.watch("/web/1", start_revision=1)
    assert next(event for batch in watch for event in batch.events).kv.value == "before"
    watch.close()


def test_a_watch_renews_the_token_too(guarded, web):
    server, _endpoint = guarded
    web.put("/web/1", "before")
    if isinstance(server, Cluster):
        server.members[0].kill()
        server.mend()
    else:
        server.restart()
    watch = web.watch("/web/1", start_revision=1)
    assert next(event for batch in watch for event in batch.events).kv.value == "before"
    watch.close()


@pytest.mark.parametrize("series", VERSIONS)
def test_whatever_an_administrator_asks_the_answer_is_known_for_etcds(series, connect):
    """The client takes an answer without a header for somebody else's. Only the alarms come without, up to 3.4."""
    with Cluster(programs_of(series), flags=[FAST]) as cluster:
        client = connect(endpoints=cluster.endpoints, user="root", password="secret of root")
        admin, permission = Admin(client), Permission.of("read", "/web/", prefix=True)
        assert (admin.users(), admin.roles(), admin.is_auth_enabled()) == ([], [], False)
        for name in ("root", "web"):
            admin.add_user(name, f"secret of {name}")
            admin.add_role(name)
            admin.give_role(name, name)
        admin.permit("web", permission)
        admin.enable_auth()
        assert (admin.roles_of("web"), admin.permissions_of("web")) == ({"web"}, [permission])
        admin.change_password("web", "another")
        assert admin.password_is("web", "another")
        assert survey(client)["healthy"]
        admin.forbid("web", permission)
        admin.take_role("web", "web")
        admin.delete_user("web")
        admin.delete_role("web")
        admin.disable_auth()
        assert (admin.users(), admin.roles()) == (["root"], ["root"])


def test_a_user_is_no_hindrance_where_authentication_is_off(server, connect):
    client = connect(endpoints=[server.endpoint], user="web", password="anything")
    client.put("/key", "value")
    assert client.get("/key").value == "value"


@pytest.fixture(params=VERSIONS)
def signed(request, tmp_path):
    """A real server whose tokens are JWTs: they do not survive any change of auth."""
    public, private = tmp_path / "jwt.pub", tmp_path / "jwt.key"
    for command in (["genrsa", "-out", private, "2048"], ["rsa", "-in", private, "-pubout", "-out", public]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    token = f"--auth-token=jwt,pub-key={public},priv-key={private},sign-method=RS256"
    with Cluster(programs_of(request.param), flags=[FAST, token]) as cluster:
        cluster.require_auth(root="secret of root", web="secret of web")
        cluster.permit("web", "/web/")
        yield cluster


def test_a_signed_token_is_renewed_after_any_change_of_auth(signed, connect):
    client = connect(endpoints=signed.endpoints, user="web", password="secret of web")
    client.put("/web/1", "before")
    signed.permit("web", "/more/")
    client.put("/web/1", "after")
    signed.permit("web", "/even more/")
    watch = client.watch("/web/1", start_revision=1)
    assert next(event for batch in watch for event in batch.events).kv.value == "before"
    watch.close()


@pytest.mark.parametrize("series", VERSIONS)
def test_a_token_from_the_future_makes_real_etcd_hang_and_is_dropped(series, connect):
    with Cluster(programs_of(series), flags=[FAST]) as cluster:
        cluster.require_auth(root="secret of root", web="secret of web")
        cluster.permit("web", "/web/")
        client = connect(endpoints=cluster.endpoints, user="web", password="secret of web", timeout=1)
        for call in (lambda: client.get("/web/1"), lambda: client.watch("/web/1").close()):
            client.get("/web/1")
            # A simple token carries the raft index of its birth; a cluster restored from backup is behind it.
            client._token.value = client._token.value.split(".")[0] + ".1000000"
            with pytest.raises(Unreachable, match="no answer within"):
                call()
            call()

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against every server: keys, transactions, leases."""

from __future__ import annotations

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    Compacted,
    EtcdError,
    LeaseExists,
    LeaseNotFound,
)
from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster


@pytest.mark.parametrize("text", ["", "10.0.0.5", "zwei\nZeilen", "ümläut ✓", "\udcff\udc80 no UTF-8", "x" * 100_000])
def test_what_is_written_is_read(client, text):
    revision = client.put("/key " + text[:5], text)
    found = client.get("/key " + text[:5])
    assert (found.value, found.mod_revision, found.version, found.lease) == (text, revision, 1, 0)


def test_a_key_that_is_not_there_is_none(client):
    assert client.get("/nothing") is None
    assert client.range("/nothing", prefix=True).kvs == []
    assert client.range("/nothing", prefix=True).count == 0


def test_a_prefix_selects_all_that_starts_with_it_and_nothing_else(client):
    for key in ("/a", "/a/", "/a/1", "/a/2/x", "/a0", "/b"):
        client.put(key, key)
    assert [kv.key for kv in client.range("/a/", prefix=True).kvs] == ["/a/", "/a/1", "/a/2/x"]
    assert [kv.key for kv in client.range("", prefix=True).kvs] == ["/a", "/a/", "/a/1", "/a/2/x", "/a0", "/b"]
    assert [kv.value for kv in client.range("/a/", prefix=True, keys_only=True).kvs] == ["", "", ""]
    assert client.range("/a/", prefix=True, count_only=True).count == 3
    assert [kv.key for kv in client.range("", prefix=True, limit=1, newest_first=True).kvs] == ["/b"]
    assert client.range("", prefix=True, limit=1).count == 6


@pytest.mark.parametrize("page", [1, 3, 7, 100])
def test_pages_add_up(client, page):
    for number in range(7):
        client.put(f"/p/{number}", str(number))
    client.put("/q", "not of it")
    found = client.read_all("/p/", page=page)
    assert [kv.value for kv in found.kvs] == [str(number) for number in range(7)]
    assert (found.count, found.revision) == (7, client.get("/q").mod_revision)


def test_an_old_revision_is_readable_until_it_is_compacted(client, server):
    old = client.put("/key", "old")
    client.put("/key", "new")
    assert client.get("/key", revision=old).value == "old"
    assert client.read_all("/", revision=old).kvs[0].value == "old"
    server.compact()
    with pytest.raises(Compacted) as failure:
        client.get("/key", revision=old)
    assert failure.value.code == 11


def test_a_revision_that_is_not_there_yet_is_not_taken_for_a_compacted_one(client):
    with pytest.raises(EtcdError, match="future revision") as failure:
        client.get("/key", revision=client.put("/key", "") + 1000)
    assert not isinstance(failure.value, Compacted)


def test_many_keys_are_read_at_one_revision(client):
    for number in range(0, 300, 2):
        client.put(f"/m/{number}", str(number))
    found = client.get_many([f"/m/{number}" for number in range(300)])
    assert {key: kv.value for key, kv in found.items()} == {f"/m/{n}": str(n) for n in range(0, 300, 2)}


def test_many_prefixes_are_read_at_one_revision(client):
    for number in range(300):
        client.put(f"/m/{number:03}", str(number))
    found = client.read_many([f"/m/{number:02}" for number in range(30)] + ["/m/", "/none/"])
    assert [kv.value for kv in found["/m/07"].kvs] == [str(number) for number in range(70, 80)]
    assert (len(found["/m/"].kvs), found["/none/"].kvs) == (300, [])
    assert {read.revision for read in found.values()} == {client.get("/m/299").mod_revision}


def test_delete_tells_what_was_there(client):
    client.put("/d/1", "one")
    revision = client.put("/d/2", "two")
    assert client.delete("/d/none") == (revision, [])
    after, gone = client.delete("/d/", prefix=True)
    assert (after, [kv.value for kv in gone]) == (revision + 1, ["one", "two"])
    assert client.range("/d/", prefix=True).kvs == []


def test_a_transaction_takes_one_branch(client):
    claim = [wire.absent("/t/name")]
    won = client.txn(claim, [wire.put("/t/name", "me"), wire.put("/t/ip", "1")], [wire.get("/t/", prefix=True)])
    lost = client.txn(claim, [wire.put("/t/name", "you")], [wire.get("/t/", prefix=True), wire.get("/t/none")])
    assert (won.succeeded, lost.succeeded) == (True, False)
    assert [(kv.key, kv.value, kv.mod_revision) for kv in lost.range(0).kvs] == [
        ("/t/ip", "1", won.revision),
        ("/t/name", "me", won.revision),
    ]
    assert lost.range(1).kvs == []


def test_comparisons_see_absence_change_and_lease(client):
    lease, _ttl = client.lease_grant(60)
    revision = client.put("/c", "1", lease)
    for comparison, holds in [
        (wire.absent("/c"), False),
        (wire.absent("/none"), True),
        (wire.unchanged("/c", revision), True),
        (wire.unchanged("/c", revision - 1), False),
        (wire.unchanged("/none", 0), True),
        (wire.held_by("/c", lease), True),
        (wire.held_by("/c", 0), False),
        (wire.held_by("/none", lease), False),
    ]:
        assert client.txn([comparison]).succeeded is holds, comparison


def test_a_transaction_that_etcd_refuses_changes_nothing(client):
    too_many = [wire.put(f"/n/{number}", "") for number in range(wire.MAX_TXN_OPS + 1)]
    for operations in (too_many, [wire.put("/n/1", ""), wire.put("/n/1", "again")]):
        with pytest.raises(EtcdError) as failure:
            client.txn(success=operations)
        assert failure.value.code == 3
    with pytest.raises(LeaseNotFound):
        client.txn(success=[wire.put("/n/1", ""), wire.put("/n/2", "", lease=4711)])
    assert client.range("/n/", prefix=True).count == 0
    assert client.txn(success=too_many[:-1]).succeeded


def test_a_lease_holds_keys_until_it_is_revoked(client):
    assert client.lease_grant(60, 4711) == (4711, 60)
    client.put("/l/1", "", lease=4711)
    client.put("/l/2", "", lease=4711)
    assert client.lease_keepalive(4711) == 60
    status = client.lease_status(4711, keys=True)
    assert (status.granted, sorted(status.keys)) == (60, ["/l/1", "/l/2"])
    assert 57 <= status.ttl <= 60
    client.lease_revoke(4711)
    assert client.range("/l/", prefix=True).count == 0


def test_a_lease_that_is_gone_is_an_error_of_its_own_kind(client):
    client.lease_grant(60, 4711)
    client.lease_revoke(4711)
    for call in (client.lease_keepalive, client.lease_revoke, lambda lease: client.put("/l", "", lease=lease)):
        with pytest.raises(LeaseNotFound):
            call(4711)
    assert client.lease_status(4711).ttl == -1


def test_the_same_lease_is_granted_once(client):
    client.lease_grant(60, 4711)
    with pytest.raises(LeaseExists):
        client.lease_grant(60, 4711)


def test_etcd_raises_a_ttl_that_is_too_short(client):
    assert client.lease_grant(1)[1] == 2


def test_a_lease_that_nobody_renews_takes_its_keys_along(client, server):
    lease, ttl = client.lease_grant(2)
    client.put("/e/ip", "1", lease)
    with_lease = client.put("/e/other", "2")
    watch = client.watch("/e/", prefix=True, start_revision=with_lease + 1)
    server.pass_time(ttl)
    batch = next(iter(watch))  # the fixture's time limit ends this, if etcd does not
    watch.close()
    assert [(event.deleted, event.kv.key) for event in batch.events] == [(True, "/e/ip")]
    assert client.lease_status(lease).ttl == -1
    with pytest.raises(LeaseNotFound):
        client.lease_keepalive(lease)


def test_the_connection_that_was_kept_is_renewed_after_a_restart(client, server):
    client.put("/r", "before")
    server.restart()
    client.put("/r", "after")
    assert client.get("/r").value == "after"


def test_status_names_the_version(client, server):
    assert client.status().version == server.etcd.version
    assert client.range("/").cluster == str(client.status().header.cluster)


@pytest.mark.parametrize("series", ["3.5", "3.6"])  # 3.4 refuses a path here
def test_a_unix_socket_is_an_endpoint_too(series, connect, tmp_path):
    cluster = Cluster(programs_of(series))
    cluster.flags.append(f"--listen-client-urls={cluster.endpoints[0]},unix://{tmp_path}/etcd.sock")
    with cluster:
        client = connect(endpoints=[f"unix://{tmp_path}/etcd.sock"])
        client.put("/key", "value")
        watch = client.watch("/key", start_revision=2)
        assert next(event for batch in watch for event in batch.events).kv.value == "value"
        watch.close()

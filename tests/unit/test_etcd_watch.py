# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watch: every way in which it ends, and what it says then."""

from __future__ import annotations

import contextlib
import re
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd import wire
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    Compacted,
    EtcdError,
    PermissionDenied,
    TokenInvalid,
    Unreachable,
    WatchEnded,
)
from tests.support.fake_etcd import VERSIONS, Drop, FakeEtcd, Refuse, Stall
from tests.support.waiting import wait_for


@pytest.fixture(params=VERSIONS)
def fake(request):
    with FakeEtcd(request.param) as fake:
        yield fake


@pytest.fixture
def client(fake, connect):
    return connect(endpoints=[fake.endpoint], timeout=0.5)


def exhaust(watch):
    """Read to the end, which is an error; returns it."""
    with pytest.raises(EtcdError) as failure:
        for _batch in watch:
            pass
    return failure.value


def test_a_batch_holds_the_changes_of_one_revision(fake, client):
    batches = iter(client.watch("/w/", prefix=True))
    client.txn(success=[wire.put("/w/1", "a"), wire.put("/w/2", "b")])
    fake.put("/elsewhere", "")
    fake.put("/w/3", "c")
    first, second = next(batches), next(batches)
    assert [event.kv.key for event in first.events] == ["/w/1", "/w/2"]
    assert [event.kv.key for event in second.events] == ["/w/3"]
    assert second.revision == first.revision + 2 == fake.revision


def test_the_end_of_a_lease_is_a_deletion(fake, client):
    watch = client.watch("/w/", prefix=True, previous=True)
    fake.put("/w/ip", "10.0.0.1", lease=client.lease_grant(30)[0])
    fake.clock.advance(31)
    batches = iter(watch)
    assert not next(batches).events[0].deleted
    [gone] = next(batches).events
    assert (gone.deleted, gone.kv.key, gone.kv.value, gone.previous.value) == (True, "/w/ip", "", "10.0.0.1")


def test_progress_is_a_batch_without_events(fake, client):
    batches = iter(client.watch("/w"))
    fake.put("/elsewhere", "")
    fake.send_progress()
    assert next(batches) == (fake.revision, [])


def test_a_watch_demands_a_leader_and_has_a_connection_of_its_own(fake, client):
    client.get("/w")
    with contextlib.closing(client.watch("/w")):
        client.get("/w")
        watch = next(request for request in fake.received if request.path == "/v3/watch")
        assert watch.headers["Grpc-Metadata-hasleader"] == "true"
        assert [request.connection for request in fake.received] == [1, 2, 1]


def test_close_ends_it_at_the_server_too(fake, client):
    watch = client.watch("/w")
    assert fake.open_watches == 1
    watch.close()
    assert isinstance(exhaust(watch), WatchEnded)
    wait_for(lambda: fake.open_watches == 0, "the fake noticing that its client left")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda fake: fake.end_watches(), "ended the stream"),
        (lambda fake: fake.end_watches(clean=False), "cut off"),
        (lambda fake: fake.stop(), "ended the stream|cut off"),
        (lambda fake: fake.cut_connections(), "ended the stream|cut off"),
        (lambda fake: fake.lose_leader(), "no leader"),
        (lambda fake: fake.cancel_watches("the moon is full"), "cancelled the watch: the moon is full"),
        (lambda fake: fake.cancel_watches(""), "no reason given"),
    ],
)
def test_every_end_is_a_watch_that_ended_and_says_why(fake, client, end, words):
    watch = client.watch("/w/", prefix=True)
    end(fake)
    error = exhaust(watch)
    assert type(error) is WatchEnded
    assert re.match(f"Watching keys under /w/.*({words})", str(error))


def test_a_compaction_is_told_apart_from_an_end(fake, client):
    start = fake.revision
    fake.put("/w", "1")
    fake.put("/w", "2")
    fake.compact()
    error = exhaust(client.watch("/w", start_revision=start))
    assert (type(error), error.revision, error.code) == (Compacted, fake.revision, 11)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("rpc error: code = PermissionDenied desc = etcdserver: permission denied", PermissionDenied),
        ("rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", TokenInvalid),
        ("rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old", TokenInvalid),
        ("rpc error: code = InvalidArgument desc = etcdserver: user name is empty", TokenInvalid),
    ],
)
def test_a_watch_that_is_refused_later_says_why(fake, client, reason, kind):
    watch = client.watch("/w")
    fake.cancel_watches(reason)
    assert type(exhaust(watch)) is kind


@pytest.mark.parametrize("fault", [Stall(), Stall(headers=True), Drop(), Refuse(14, "etcdserver: no leader")])
def test_a_watch_that_does_not_start_is_started_at_the_next_endpoint(connect, fault):
    with FakeEtcd() as first, FakeEtcd() as second:
        client = connect(endpoints=[first.endpoint, second.endpoint], timeout=0.5)
        first.inject("/v3/watch", fault, times=None)
        with contextlib.closing(client.watch("/w")) as watch:
            assert watch.endpoint == second.endpoint
        with contextlib.closing(client.watch("/w")) as watch:
            assert watch.endpoint == second.endpoint
        assert first.count("/v3/watch") == 1
        second.stop()
        with pytest.raises(Unreachable) as failure:
            client.watch("/w")
        assert first.endpoint in str(failure.value)
        assert second.endpoint in str(failure.value)


def test_a_member_without_leader_is_left_for_another(connect):
    with FakeEtcd() as first, FakeEtcd() as second:
        client = connect(endpoints=[first.endpoint, second.endpoint])
        watch = client.watch("/w")
        first.lose_leader()
        assert type(exhaust(watch)) is WatchEnded
        with contextlib.closing(client.watch("/w")) as watch:
            assert watch.endpoint == second.endpoint


def test_silence_after_the_start_is_no_end(fake, client):
    batches = iter(client.watch("/w"))
    time.sleep(0.7)  # longer than the timeout of a request; that nothing happens can only be waited for
    fake.put("/w", "at last")
    assert next(batches).events[0].kv.value == "at last"

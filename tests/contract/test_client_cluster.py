# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client on three real members that are killed, frozen and cut off from their quorum."""

from __future__ import annotations

import concurrent.futures
import json
import time

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.errors import (
    Unavailable,
    Unreachable,
    WatchEnded,
    error_from_answer,
)
from tests.support.fake_etcd import VERSIONS, FakeEtcd
from tests.support.fixtures import programs_of
from tests.support.raw import request
from tests.support.real_etcd import Cluster


def test_the_next_member_serves_where_one_is_killed(etcd_cluster, connect):
    client = connect(endpoints=etcd_cluster.endpoints)
    client.put("/key", "before")
    assert client.endpoint == etcd_cluster.endpoints[0]
    etcd_cluster.members[0].kill()
    assert client.get("/key").value == "before"
    client.put("/key", "after")
    assert client.endpoint in etcd_cluster.endpoints[1:]
    assert etcd_cluster.ctl("get", "/key", "--print-value-only", member=etcd_cluster.members[1]).strip() == "after"


def test_a_frozen_member_costs_its_share_of_the_timeout_and_only_once(etcd_cluster, connect):
    frozen = next(member for member in etcd_cluster.members if member is not etcd_cluster.leader)
    endpoints = [frozen.endpoint, *(endpoint for endpoint in etcd_cluster.endpoints if endpoint != frozen.endpoint)]
    client = connect(endpoints=endpoints, timeout=3)
    lease, _ttl = client.lease_grant(60)
    frozen.freeze()
    started = time.monotonic()
    assert client.lease_keepalive(lease) == 60
    first = time.monotonic() - started
    assert 0.9 < first < 2.8
    for _ in range(5):
        client.lease_keepalive(lease)
    assert time.monotonic() - started - first < 2  # five more shares would be five seconds
    assert client.endpoint != frozen.endpoint


def test_without_quorum_the_error_names_every_endpoint_in_time(etcd_cluster, connect):
    client = connect(endpoints=etcd_cluster.endpoints, timeout=1.5)
    for member in etcd_cluster.members[1:]:
        member.freeze()
    started = time.monotonic()
    with pytest.raises(Unreachable) as failure:
        client.get("/key")
    assert time.monotonic() - started < 4
    assert all(endpoint in str(failure.value) for endpoint in etcd_cluster.endpoints)


def test_a_watch_on_a_member_that_loses_its_quorum_ends(etcd_cluster, connect):
    alone = etcd_cluster.members[0]
    watch = connect(endpoints=[alone.endpoint]).watch("/key")
    for member in etcd_cluster.members[1:]:
        member.freeze()
    with pytest.raises(WatchEnded, match="no leader"):
        for _batch in watch:
            pass


@pytest.mark.parametrize("series", VERSIONS)
def test_the_fake_refuses_without_quorum_as_etcd_does(series):
    calls = [
        ("/v3/kv/range", {"key": "eA=="}),
        ("/v3/kv/put", {"key": "eA=="}),
        ("/v3/kv/deleterange", {"key": "eA=="}),
        ("/v3/kv/txn", {"success": [{"request_put": {"key": "eA=="}}]}),
        ("/v3/lease/grant", {"TTL": 60}),
        ("/v3/lease/keepalive", {"ID": 7}),
        ("/v3/lease/revoke", {"ID": 7}),
        ("/v3/lease/timetolive", {"ID": 7}),
    ]
    with Cluster(programs_of(series), size=3) as cluster, FakeEtcd(cluster.version) as fake:
        follower = next(member for member in cluster.members if member is not cluster.leader)
        follower.post("/v3/lease/grant", {"TTL": 60, "ID": 7})
        for member in cluster.members:
            if member is not follower:
                member.freeze()
        follower_status = ("/v3/maintenance/status", {})
        cluster.wait(lambda: "leader" not in follower.post(*follower_status)[1], "the follower misses its leader", 10)
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:  # each takes etcd seven seconds
            real = list(pool.map(lambda call: request(follower.endpoint, *call), calls))
        fake.lose_leader()
        told = [request(fake.endpoint, *call) for call in calls]
        assert [kind_of(answer) for answer in real] == [kind_of(answer) for answer in told]
        assert all(kind is Unavailable for kind, _, _ in map(kind_of, real))
        assert request(fake.endpoint, "/health")[0] == request(follower.endpoint, "/health")[0] == 503


def kind_of(answer):
    """What the client makes of a refusal, whether it may have been carried out, and in which shape it comes.

    The words are left out: two timers of seven seconds race in etcd, and the one that wins chooses them.
    """
    status, content_type, text = answer
    error = error_from_answer("a call", "etcd", status, text.encode())
    return type(error), error.executed, (content_type, sorted(json.loads(text)))

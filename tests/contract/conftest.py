# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers of the contract: the fake in three versions, and real etcd of three series, each started once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from tests.support.fake_etcd import VERSIONS, FakeEtcd
from tests.support.fixtures import programs_of
from tests.support.real_etcd import Cluster


@dataclass
class Server:
    """What the contract's tests need of either kind of server."""

    etcd: FakeEtcd | Cluster
    endpoint: str
    restart: Callable[[], None]
    compact: Callable[[], None]
    pass_time: Callable[[float], None]  # real time passes by itself: whoever waits for an expiry waits on


@pytest.fixture(scope="session")
def etcd_by_series() -> Iterator[Callable[[str], Cluster]]:
    """Real servers of the session by their series, started when one is first asked for."""
    clusters: dict[str, Cluster] = {}
    with contextlib.ExitStack() as stack:

        def cluster_of(series: str) -> Cluster:
            if series not in clusters:
                clusters[series] = stack.enter_context(Cluster(programs_of(series)))
            clusters[series].mend()
            clusters[series].wipe()
            return clusters[series]

        yield cluster_of


@pytest.fixture(params=VERSIONS)
def etcd_of_series(request: pytest.FixtureRequest, etcd_by_series: Callable[[str], Cluster]) -> Cluster:
    """A real etcd of each series in turn, empty."""
    return etcd_by_series(request.param)


@pytest.fixture(params=[f"{kind} {series}" for kind in ("fake", "etcd") for series in VERSIONS])
def server(request: pytest.FixtureRequest, etcd_by_series: Callable[[str], Cluster]) -> Iterator[Server]:
    """Each of the six in turn, empty."""
    kind, series = request.param.split()
    if kind == "fake":
        with FakeEtcd(series) as fake:
            yield Server(fake, fake.endpoint, fake.restart, fake.compact, fake.clock.advance)
        return
    cluster = etcd_by_series(series)

    def restart() -> None:
        cluster.members[0].kill()
        cluster.mend()

    def compact() -> None:
        revision = cluster.members[0].post("/v3/kv/range", {"key": "eA=="})[1]["header"]["revision"]
        cluster.members[0].post("/v3/kv/compaction", {"revision": revision})

    yield Server(cluster, cluster.endpoints[0], restart, compact, lambda seconds: None)


@pytest.fixture
def client(server: Server, connect: Callable[..., Client]) -> Client:
    """A client of the server."""
    return connect(endpoints=[server.endpoint])

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for the tests of every layer: an etcd in the process, real ones, and clients of them.

Registered in tests/conftest.py. `etcd` and `etcd_cluster` are servers of the session, mended and emptied before each
test; a test that switches authentication or TLS on starts a `Cluster` of its own with `etcd_programs`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.client import Client
from ansible_collections.rollcall.discovery.plugins.module_utils._etcd.settings import Settings
from tests.tools.etcd_binaries import Unavailable, provide

from .certs import Authority
from .fake_etcd import FakeEtcd
from .real_etcd import Cluster

# The version that most tests use: what the demo's hosts run.
SERIES = "3.5"


def programs_of(series: str) -> Path:
    """The directory with etcd and etcdctl of "3.4", "3.5" or "3.6"; where it cannot be had the test is skipped."""
    try:
        return provide(series)
    except Unavailable as reason:
        pytest.skip(f"etcd {series}: {reason}")


@pytest.fixture
def fake_etcd() -> Iterator[FakeEtcd]:
    """A fresh fake; `fake_etcd.clock.advance(31)` ends leases without waiting."""
    with FakeEtcd() as fake:
        yield fake


@pytest.fixture(scope="session")
def etcd_programs() -> Path:
    """The directory with etcd and etcdctl that most tests use."""
    return programs_of(SERIES)


@pytest.fixture(scope="session")
def etcd_of_session(etcd_programs: Path) -> Iterator[Cluster]:
    """The one process behind `etcd`."""
    with Cluster(etcd_programs) as cluster:
        yield cluster


@pytest.fixture
def etcd(etcd_of_session: Cluster) -> Cluster:
    """A real etcd of one member, empty: `etcd.endpoints`, `etcd.ctl("get", "/x")`, `etcd.members[0].kill()`."""
    return _emptied(etcd_of_session)


@pytest.fixture(scope="session")
def etcd_cluster_of_session(etcd_programs: Path) -> Iterator[Cluster]:
    """The three processes behind `etcd_cluster`."""
    with Cluster(etcd_programs, size=3) as cluster:
        yield cluster


@pytest.fixture
def etcd_cluster(etcd_cluster_of_session: Cluster) -> Cluster:
    """A real etcd of three members, empty: `etcd_cluster.leader.freeze()`."""
    return _emptied(etcd_cluster_of_session)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority: `authority.server()`, `authority.client(common_name="web1")`."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def haproxy() -> str:
    """The program. Without it nothing would prove that what we write is a configuration, so that is a failure."""
    found = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    assert found, "haproxy is not installed: make setup does that"
    return found


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Makes clients by the collection's option names: `connect(endpoints=[…], timeout=2)`; closed after the test."""
    clients: list[Client] = []

    def make(**options: Any) -> Client:
        clients.append(Client(Settings.from_mapping(options)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def _emptied(cluster: Cluster) -> Cluster:
    cluster.mend()
    cluster.wipe()
    return cluster

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thousands of nodes on three members: the steady state, an outage, and a cluster that comes back empty."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.campaign.figure import Figure
from tests.campaign.swarm import Swarm
from tests.support.real_etcd import Cluster

_KEYS_OF_A_NODE = 3  # ip, node and health
_METER = 1.0  # seconds over which a rate is measured


def run(programs: Path, nodes: int, processes: int, ttl: int, minutes: float) -> Iterator[Figure]:
    """Measure; `ttl` in seconds. Raises AssertionError where nodes do not come back at all."""
    with (
        tempfile.TemporaryDirectory(prefix="rollcall-campaign-") as directory,
        Cluster(programs, size=3) as etcd,
        Swarm(Path(directory), nodes, processes, etcd.endpoints, ttl, within=ttl) as swarm,
    ):
        yield from _joining(etcd, swarm, ttl)
        yield from _steady(etcd, swarm, ttl, minutes * 60)
        yield from _outage(etcd, swarm, ttl)
        yield from _rebirth(etcd, swarm, ttl)


def _joining(etcd: Cluster, swarm: Swarm, ttl: int) -> Iterator[Figure]:
    with _Meter(etcd) as meter:
        swarm.wait(lambda: swarm.registered > 0, "the first node", 120)
        taken = swarm.wait(lambda: _complete(etcd, swarm), "all to join", 20 * ttl)
    yield Figure(f"all join, spread over {ttl} s: until the last one", taken, "s")
    yield Figure("all join: peak of raft entries", meter.peak, "/s")


def _steady(etcd: Cluster, swarm: Swarm, ttl: int, seconds: float) -> Iterator[Figure]:
    swarm.look(ttl / 3 * 1.2)
    swarm.keepalives.clear()
    lost, cpu, begun, first = swarm.leases_lost, _cpu(etcd), time.monotonic(), _entries(etcd)
    swarm.look(seconds)
    cpu, entries = (_cpu(etcd) - cpu) / (time.monotonic() - begun), _entries(etcd) - first
    assert _complete(etcd, swarm), "not all nodes are in etcd"
    percentiles = statistics.quantiles(swarm.keepalives, n=100)
    words = f"steady for {seconds / 60:g} min"
    yield Figure(f"{words}: keepalives", len(swarm.keepalives) / seconds, "/s")
    yield Figure(f"{words}: keepalive p50", percentiles[49] * 1000, "ms")
    yield Figure(f"{words}: keepalive p99", percentiles[98] * 1000, "ms", ttl / 6 * 1000)
    yield Figure(f"{words}: leases lost", swarm.leases_lost - lost, "", 0)
    # Nodes write nothing; an election of the members is an entry, too.
    yield Figure(f"{words}: raft entries per node and hour", entries / swarm.nodes * 3600 / seconds, "", 0.01)
    yield Figure(f"{words}: CPU of three members", cpu * 100, "%")


def _outage(etcd: Cluster, swarm: Swarm, ttl: int) -> Iterator[Figure]:
    """All members stopped for twice the lease's time. Leases begin anew with a leader, so all live again."""
    lost = swarm.leases_lost
    for member in etcd.members:
        member.stop()
    swarm.look(2 * ttl)
    assert swarm.registered == 0, f"{swarm.registered} have not noticed"
    with _Meter(etcd) as meter:
        taken = _all_back(etcd, swarm, ttl)
    yield Figure(f"stopped for {2 * ttl} s: until all are back", taken, "s", ttl)
    yield Figure(f"stopped for {2 * ttl} s: leases lost", swarm.leases_lost - lost, "", 0)
    yield Figure(f"stopped for {2 * ttl} s: peak of raft entries", meter.peak, "/s")


def _rebirth(etcd: Cluster, swarm: Swarm, ttl: int) -> Iterator[Figure]:
    """All members come back empty: every node has to register anew, and shall not do so in the same second."""
    for member in etcd.members:
        member.kill()
        shutil.rmtree(member.data)
    swarm.look(ttl)
    with _Meter(etcd) as meter:
        taken = _all_back(etcd, swarm, ttl)
    yield Figure("back without data: until all are registered anew", taken, "s")
    # A lease and a transaction for each node, which are to be spread over a third of the lease's time.
    yield Figure("back without data: peak of raft entries", meter.peak, "/s", 3 * 2 * swarm.nodes / (ttl / 3))


def _all_back(etcd: Cluster, swarm: Swarm, ttl: int) -> float:
    """Start all members; seconds from when they serve until all nodes are registered."""
    for member in etcd.members:
        member.start()
    swarm.wait(lambda: etcd.members[0].is_healthy(), "the members", 60)
    return swarm.wait(lambda: _complete(etcd, swarm), "all to come back", 20 * ttl)


def _complete(etcd: Cluster, swarm: Swarm) -> bool:
    """Whether all nodes say that they are registered, and etcd has their keys and a lease for each."""
    if swarm.registered < swarm.nodes:
        return False
    prefix = base64.b64encode(b"/infrastructure/fleet/").decode()
    body = {"key": prefix, "range_end": base64.b64encode(b"/infrastructure/fleet0").decode(), "count_only": True}
    keys = int(etcd.members[0].post("/v3/kv/range", body)[1].get("count", 0))
    leases = len(etcd.members[0].post("/v3/lease/leases", {})[1].get("leases", []))
    return keys == _KEYS_OF_A_NODE * swarm.nodes and leases >= swarm.nodes


def _entries(etcd: Cluster) -> int:
    return int(etcd.members[0].post("/v3/maintenance/status", {})[1]["raftIndex"])


def _cpu(etcd: Cluster) -> float:
    """Seconds of CPU that all members have used. proc(5): fields 14 and 15 of stat, in ticks."""
    stats = [Path(f"/proc/{member.pid}/stat").read_text().rpartition(")")[2].split() for member in etcd.members]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


class _Meter:
    """The highest rate at which etcd's log grew. A context manager."""

    def __init__(self, etcd: Cluster) -> None:
        self.peak = 0.0
        self._etcd = etcd
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Meter:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        last: tuple[float, int] | None = None
        while not self._over.wait(_METER):
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
                now, entries = time.monotonic(), _entries(self._etcd)
                if last is not None:
                    self.peak = max(self.peak, (entries - last[1]) / (now - last[0]))
                last = now, entries

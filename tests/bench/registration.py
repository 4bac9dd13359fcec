# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What being registered costs etcd in the steady state: our agents, beside two older ways of staying registered.

All three keep a node for 30 s beyond its death. The *timer* of etcd 2 days sets a key and refreshes its directory and
the role's, each with a time to live, twice within that time (as the article has it: every 60 s with a TTL of 121). The
*re-put* gets a new lease and puts the key again, three times within it, as often as our agent keeps its lease alive.
They run on the same etcd 3.4, the last whose v2 API refreshes directories, and each with kept connections, which is
more than shell scripts have. All times are a fifth of the real ones, so that a short window sees enough.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ansible_collections.rollcall.discovery.plugins.module_utils._agent.host.clock import boottime
from ansible_collections.rollcall.discovery.plugins.module_utils._registry.following.timing import jittered
from tests.bench.row import Row
from tests.support.fleet import Fleet, Node, Turn
from tests.support.real_etcd import Cluster
from tests.tools.etcd_binaries import provide

SERIES = "3.4"
NODES = 200
WINDOW = 15.0  # seconds
LAPSE = 5  # how much faster than real it all runs
TTL = 30 // LAPSE
SELF_CHECK = 60 / LAPSE
SPREAD = 2.0 * TTL / 3  # seconds after which every node has acted once


class Cost(NamedTuple):
    """What a pattern costs: raft entries per node and hour, and CPU of etcd for 1,000 nodes in percent of a core."""

    entries: float
    cpu: float


def rows() -> list[Row]:
    """Entries of the raft log, and CPU; each beside both peers."""
    ours, timer, put = _measure(_agents), _measure(_timers), _measure(_puts)
    per_node, per_1000 = "per node, etcd 3.4", "1,000 nodes, etcd 3.4"
    return [
        Row("raft-entries-timer", ours.entries, "/h", 0.0, f"the article's timer of etcd 2, {per_node}", timer.entries),
        Row("raft-entries-re-put", ours.entries, "/h", 0.0, f"a new lease and put each time, {per_node}", put.entries),
        Row("etcd-cpu-timer", ours.cpu, "%", 2.0, f"the article's timer of etcd 2, {per_1000}", timer.cpu),
        Row("etcd-cpu-re-put", ours.cpu, "%", 1.0, f"a new lease and put each time, {per_1000}", put.cpu),
    ]


def _measure(pattern: Callable[[Cluster, Path], list[Turn]]) -> Cost:
    with (
        contextlib.redirect_stderr(io.StringIO()),  # where agents tell how they are
        Cluster(provide(SERIES), flags=["--enable-v2=true"]) as etcd,
        tempfile.TemporaryDirectory(prefix="rollcall-bench-") as scratch,
        Fleet(pattern(etcd, Path(scratch)), SPREAD),
    ):
        time.sleep(2 * SPREAD)
        entries, cpu = _entries(etcd), _cpu(etcd)
        time.sleep(WINDOW)
        entries, cpu = _entries(etcd) - entries, _cpu(etcd) - cpu
    return Cost(entries / NODES * 3600 / WINDOW / LAPSE, cpu / WINDOW / LAPSE * 1000 / NODES * 100)


def _entries(etcd: Cluster) -> int:
    return int(etcd.members[0].post("/v3/maintenance/status", {})[1]["raftIndex"])


def _cpu(etcd: Cluster) -> float:
    """Seconds of CPU that etcd has used. proc(5): fields 14 and 15 of stat, in ticks."""
    fields = Path(f"/proc/{etcd.members[0].pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _agents(etcd: Cluster, scratch: Path) -> list[Turn]:
    return [Node(scratch / str(number), number, etcd.endpoints, TTL, SELF_CHECK).turn for number in range(NODES)]


def _timers(etcd: Cluster, _scratch: Path) -> list[Turn]:
    return [_timer(_Keeper(etcd), number) for number in range(NODES)]


def _timer(keeper: _Keeper, number: int) -> Turn:
    role = "/v2/keys/infrastructure/fleet"

    def turn() -> float:
        keeper.put(f"{role}/node{number}/ip", value=f"10.0.0.{number}", ttl=TTL)
        keeper.put(f"{role}/node{number}", dir="true", prevExist="true", ttl=TTL)
        keeper.put(role, dir="true", prevExist="true", ttl=TTL)
        return boottime() + jittered(TTL / 2, 0.1)

    return turn


def _puts(etcd: Cluster, _scratch: Path) -> list[Turn]:
    return [_put(_Keeper(etcd), number) for number in range(NODES)]


def _put(keeper: _Keeper, number: int) -> Turn:
    key, value = (_base64(text) for text in (f"/infrastructure/fleet/node{number}/ip", f"10.0.0.{number}"))

    def turn() -> float:
        lease = keeper.post("/v3/lease/grant", TTL=TTL)["ID"]
        keeper.post("/v3/kv/put", key=key, value=value, lease=lease)
        return boottime() + jittered(TTL / 3, 0.1)

    return turn


class _Keeper:
    """A kept connection of a peer."""

    def __init__(self, etcd: Cluster) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", etcd.members[0].port, timeout=10)

    def put(self, path: str, **form: object) -> None:
        """A request of the v2 API."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._request("PUT", path, urllib.parse.urlencode(form), headers)

    def post(self, path: str, **body: object) -> dict[str, str]:
        """A request of the JSON gateway."""
        answer: dict[str, str] = json.loads(self._request("POST", path, json.dumps(body), {}))
        return answer

    def _request(self, method: str, path: str, body: str, headers: dict[str, str]) -> bytes:
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        assert response.status in (200, 201), f"{method} {path}: {response.status} {content!r}"
        return content


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fake is honest: the same raw requests get the same answers from it and from the real thing.

What differs from one server to the next is made equal first: ids of cluster and member, revisions (counted from the
start of the script), tokens, lease ids that etcd chose, sizes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.support.fake_etcd import FakeEtcd
from tests.support.fixtures import programs_of
from tests.support.raw import request
from tests.support.real_etcd import Cluster

Json = dict[str, Any]

REVISIONS = {"revision", "start_revision", "create_revision", "mod_revision", "compact_revision"}
INCIDENTAL = {
    *("cluster_id", "member_id", "raft_term", "leader", "raftIndex", "raftTerm", "raftAppliedIndex", "token"),
    *("dbSize", "dbSizeInUse", "dbSizeQuota", "storageVersion", "downgradeInfo", "name", "peerURLs", "clientURLs"),
}
CHOSEN_BY_ETCD = 1 << 32  # ids above are not the script's own


class Step(NamedTuple):
    """One request. `user` is whose token it carries, or a token; of a stream only the first `lines` are read."""

    path: str
    body: Json
    user: str = ""
    lines: int = 0


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def keys(key: str, end: str = "", **more: Any) -> Json:
    """The fields of a key or an interval, and others; those that are a value are encoded."""
    fields = {"key": b64(key), **({"range_end": b64(end)} if end else {}), **more}
    return {**fields, **({"value": b64(more["value"])} if "value" in more else {})}


def range_(key: str, end: str = "", **more: Any) -> Step:
    return Step("/v3/kv/range", keys(key, end, **more))


def put(key: str, value: str = "", **more: Any) -> Step:
    return Step("/v3/kv/put", keys(key, **({"value": value} if value else {}), **more))


def delete(key: str, end: str = "", **more: Any) -> Step:
    return Step("/v3/kv/deleterange", keys(key, end, **more))


def txn(compare: list[Json] = (), success: list[Step] = (), failure: list[Step] = ()) -> Step:
    names = {"/v3/kv/range": "request_range", "/v3/kv/put": "request_put", "/v3/kv/deleterange": "request_delete_range"}
    branches = [[{names[step.path]: step.body} for step in branch] for branch in (success, failure)]
    return Step("/v3/kv/txn", {"compare": list(compare), "success": branches[0], "failure": branches[1]})


def watch(lines: int, key: str, end: str = "", **more: Any) -> Step:
    return Step("/v3/watch", {"create_request": keys(key, end, **more)}, lines=lines)


def lease(call: str, **body: Any) -> Step:
    return Step(f"/v3/lease/{call}", body)


def reads(base: int) -> list[Step]:
    return [
        range_("a"),
        put("a", "1"), put("a", "2"), put("b"), put("c", "3"), put("d", "4"), delete("d"),
        range_("a"), range_("b"), range_("nope"), range_("d"), range_(""),
        range_("a", "d"), range_("a", "c"), range_("b", "\0"), range_("\0", "\0"), range_("c", "a"),
        range_("a", "z", limit=2), range_("a", "z", limit="3"), range_("a", "z", limit=1, keys_only=True),
        range_("a", "z", count_only=True), range_("a", "z", count_only=True, limit=1),
        range_("x", "z", count_only=True),
        range_("a", "z", sort_order="DESCEND", sort_target="MOD", limit=1),
        range_("a", "z", sort_order="ASCEND", sort_target="VERSION"),
        range_("a", serializable=True),
        range_("a", revision=base + 1), range_("a", revision=str(base)), range_("a", "z", revision=base + 5, limit=2),
        range_("a", revision=base + 100),
    ]  # fmt: skip


def writes(base: int) -> list[Step]:
    return [
        put("a", "1", prev_kv=True), put("a", "2", prev_kv=True), put("a"), put("", "x"),
        put("a", "3", lease="4444"),
        delete("nope"), delete("a", prev_kv=True), delete("a", prev_kv=True), delete(""),
        put("p/1", "x"), put("p/2", "y"), delete("p/", "p0", prev_kv=True), range_("p/", "p0"),
    ]  # fmt: skip


def transactions(base: int) -> list[Step]:
    steps = [
        put("a", "1"), lease("grant", TTL=60, ID=7), put("l", "1", lease=7),
        txn(),
        txn([keys("a", target="VERSION", result="EQUAL", version="1")], [put("a", "2", prev_kv=True), put("b", "2")]),
        txn([keys("a", target="VERSION", result="EQUAL", version="1")], [put("a")], [range_("a", "c"), range_("no")]),
        txn(success=[put("a", "4"), range_("a")]),
        txn(success=[delete("b"), delete("a", "c", prev_kv=True)]), txn(success=[delete("nope")]),
        txn(success=[put("a", "2"), put("a", "3")]), txn(success=[put("a", "2"), delete("a", "b")]),
        txn(success=[put(f"n{number}") for number in range(128)]),
        txn(success=[put(f"n{number}") for number in range(129)]),
        txn(failure=[put("a", "5", lease=4444)]), txn(success=[put("a", "5", lease="4444")]), txn(success=[put("")]),
        txn([{"target": "CREATE"}]), txn(success=[range_("a", revision=base + 1000)]),
        range_("a"), range_("n", "o", count_only=True),
    ]  # fmt: skip
    comparisons: list[Json] = [
        {"target": "CREATE"}, {"target": "CREATE", "create_revision": "0"}, {"target": "VERSION", "version": 0},
        {"target": "VERSION", "version": 1, "result": "GREATER"},
        {"target": "MOD", "mod_revision": base, "result": "LESS"},
        {"target": "MOD", "mod_revision": base + 1, "result": "NOT_EQUAL"}, {"target": "LEASE", "lease": "0"},
        {"target": "LEASE", "lease": 7}, {"target": "VALUE", "value": b64("1")},
        {"target": "VALUE", "value": b64("0"), "result": "GREATER"},
        {"target": "VALUE", "value": b64("0"), "result": "NOT_EQUAL"},
    ]  # fmt: skip
    return steps + [txn([{"key": b64(key), **one}]) for one in comparisons for key in ("l", "nope")]


def leases(base: int) -> list[Step]:
    return [
        lease("grant", TTL=60, ID=77), lease("grant", TTL=60, ID=77), lease("grant", TTL=1, ID="78"),
        lease("grant", TTL=60),
        lease("grant", TTL=-5, ID=-5), lease("grant"), lease("grant", TTL=9999999999999),
        put("b", "new", lease="77"), put("c", "new", lease=77), put("d", "other", lease=78), range_("b"),
        lease("timetolive", ID=77), lease("timetolive", ID="77", keys=True), lease("timetolive", ID=4444, keys=True),
        lease("keepalive", ID=77), lease("keepalive", ID=4444), lease("leases"),
        put("b", "moved", lease=78), put("d", "freed"), lease("timetolive", ID=77, keys=True),
        lease("revoke", ID=77), lease("revoke", ID=77), range_("a", "z"),
        Step("/v3/kv/lease/timetolive", {"ID": 78, "keys": True}), Step("/v3/kv/lease/revoke", {"ID": 78}),
        range_("a", "z"),
    ]  # fmt: skip


def compaction(base: int) -> list[Step]:
    return [
        put("a", "1"), put("a", "2"), put("a", "3"), delete("a"), put("b", "1"),
        Step("/v3/kv/compaction", {"revision": base + 3}), Step("/v3/kv/compaction", {"revision": base + 3}),
        Step("/v3/kv/compaction", {"revision": base + 100}),
        range_("a", revision=base + 2), range_("a", revision=base + 3), range_("a", "z"),
        watch(2, "a", start_revision=base + 2), watch(2, "a", start_revision=str(base + 3)),
        txn(success=[range_("a", revision=base + 2)]),
    ]  # fmt: skip


def watches(base: int) -> list[Step]:
    return [
        put("w/1", "1"), put("w/1", "2"), delete("w/1"), txn(success=[put("w/2", "3"), put("w/3", "4")]), put("x", "5"),
        watch(1, "w/1"), watch(2, "w/1", start_revision=base + 1), watch(2, "w/", "w0", start_revision=base + 3),
        watch(2, "w/", "w0", start_revision=base + 1, prev_kv=True, progress_notify=True),
        watch(1, "w/", "w0", start_revision=base + 100), watch(2, "\0", "\0", start_revision=base + 5),
    ]  # fmt: skip


def addresses(base: int) -> list[Step]:
    return [
        Step("/v3/nothing", {}), Step("/v3/kv/rang", keys("a")),
        Step("/v3/maintenance/status", {}), Step("/v3/cluster/member/list", {}),
        Step("/v3/auth/authenticate", {"name": "root", "password": "x"}), Step("/v3/kv/range", keys("a"),
        user="bogus.1"),
        Step("/v3/auth/enable", {}), Step("/v3/auth/user/grant", {"user": "nobody", "role": "root"}),
        Step("/v3/auth/role/grant", {"name": "nothing", "perm": keys("a", permType="READ")}),
        Step("/v3/auth/user/changepw", {"name": "nobody", "password": "x"}),
    ]  # fmt: skip


def authentication(base: int) -> list[Step]:
    steps = [
        *(Step("/v3/auth/user/add", {"name": name, "password": name}) for name in ("root", "web")),
        Step("/v3/auth/user/add", {"name": "web", "password": "x"}),
        Step("/v3/auth/role/add", {"name": "root"}), Step("/v3/auth/role/add", {"name": "web"}),
        Step("/v3/auth/role/add", {"name": "web"}),
        Step("/v3/auth/role/grant", {"name": "web", "perm": keys("w/", "w0", permType="READWRITE")}),
        Step("/v3/auth/role/grant", {"name": "web", "perm": keys("r/", "r0", permType="READ")}),
        Step("/v3/auth/role/grant", {"name": "web", "perm": keys("one", permType="WRITE")}),
        *(Step("/v3/auth/user/grant", {"user": name, "role": name}) for name in ("root", "web")),
        Step("/v3/auth/enable", {}), Step("/v3/auth/enable", {}),
        Step("/v3/auth/authenticate", {"name": "web", "password": "bad"}),
        Step("/v3/auth/authenticate", {"name": "nobody", "password": "bad"}), Step("/v3/auth/authenticate", {}),
        Step("/v3/auth/authenticate", {"name": "web", "password": "web"}),
    ]  # fmt: skip
    intervals = [
        ("w/", "w0"),
        ("w/a", "w/b"),
        ("r/", "r0"),
        ("r/x", ""),
        ("one", ""),
        ("w", ""),
        ("w/", "w1"),
        ("", ""),
    ]
    requests = [step for key, end in intervals for step in _each_kind(key, end)] + [
        txn([keys("w/x", target="CREATE")], [put("w/x")]), txn([keys("no", target="CREATE")], [put("w/x")]),
        txn(success=[put("w/x")], failure=[put("no")]), txn(success=[range_("one")]),
        lease("grant", TTL=60, ID=70), put("w/leased", lease=70), lease("keepalive", ID=70), lease("timetolive", ID=70),
        lease("timetolive", ID=70, keys=True), lease("keepalive", ID=71), lease("timetolive", ID=71, keys=True),
        lease("leases"), lease("revoke", ID=70), lease("revoke", ID=70),
        Step("/v3/maintenance/status", {}), Step("/v3/cluster/member/list", {}),
        Step("/v3/kv/compaction", {"revision": base + 100}),
        Step("/v3/auth/user/add", {"name": "more", "password": "x"}),
    ]  # fmt: skip
    steps += [step._replace(user=user) for user in ("", "bogus.1", "web", "root") for step in requests]
    foreign = [put("w/mine", lease=500), lease("keepalive", ID=500), lease("timetolive", ID=500, keys=True)]
    steps += [step._replace(user="root") for step in (lease("grant", TTL=60, ID=500), put("no", lease=500))]
    steps += [step._replace(user="web") for step in (*foreign, lease("revoke", ID=500))]
    return steps + [
        Step("/v3/auth/user/changepw", {"name": "web", "password": "new"}, user="root"),
        range_("w/x")._replace(user="web"), range_("w/x")._replace(user="root"),
        Step("/v3/auth/disable", {}, user="root"), range_("w/x")._replace(user="bogus.1"), range_("w/x"),
    ]  # fmt: skip


def _each_kind(key: str, end: str) -> list[Step]:
    steps = [range_(key, end), delete(key, end), delete(key, end, prev_kv=True), watch(1, key, end)]
    return steps if end else [*steps, put(key, "1"), put(key, "1", prev_kv=True)]


def play(endpoint: str, script: Callable[[int], list[Step]]) -> list[tuple[Step, int, Any]]:
    """Send a script; returns for each step the HTTP status and the answer, made comparable."""
    empty = json.loads(_ask(endpoint, range_("nothing is here"), "")[1])
    base = int(empty["header"]["revision"])
    tokens: dict[str, str] = {}
    answers = []
    for step in script(base):
        status, text = _ask(endpoint, step, tokens.get(step.user, step.user))
        if step.path == "/v3/auth/enable" and status == 200:
            tokens = {name: _token(endpoint, name) for name in ("root", "web")}
        try:
            content = [_comparable(json.loads(line), base) for line in text.splitlines()]
        except ValueError:
            content = text
        answers.append((step._replace(body=_comparable(step.body, base)), status, content))
    return answers


def _ask(endpoint: str, step: Step, token: str) -> tuple[int, str]:
    status, _, text = request(endpoint, step.path, step.body, token, step.lines)
    return status, text


def _token(endpoint: str, name: str) -> str:
    answer = _ask(endpoint, Step("/v3/auth/authenticate", {"name": name, "password": name}), "")[1]
    return str(json.loads(answer)["token"])


def _comparable(value: Any, base: int) -> Any:
    if isinstance(value, list):
        return [_comparable(one, base) for one in value]
    if not isinstance(value, dict):
        return value
    if "grantedTTL" in value:  # a second may have passed, on a slow machine
        value = {**value, "TTL": 0 <= int(value["grantedTTL"]) - int(value["TTL"]) <= 3}
    return {name: _comparable_field(name, one, base) for name, one in value.items() if name not in INCIDENTAL}


def _comparable_field(name: str, value: Any, base: int) -> Any:
    if name in REVISIONS:
        return max(int(value) - base, 0)
    if name in ("leases", "keys") and isinstance(value, list):  # in no order
        return sorted((_comparable(one, base) for one in value), key=repr)
    if name == "ID" and int(value) > CHOSEN_BY_ETCD:
        return "chosen by etcd"
    return _comparable(value, base)


@pytest.mark.parametrize("script", [reads, writes, transactions, leases, compaction, watches, addresses])
def test_same_requests_same_answers(script: Callable[[int], list[Step]], etcd_of_series: Cluster) -> None:
    with FakeEtcd(etcd_of_series.version) as fake:
        assert play(fake.endpoint, script) == play(etcd_of_series.endpoints[0], script)


@pytest.mark.parametrize("series", ["3.4", "3.5", "3.6"])
def test_same_requests_same_answers_with_authentication(series: str) -> None:
    with Cluster(programs_of(series), flags=["--bcrypt-cost=4"]) as etcd, FakeEtcd(etcd.version) as fake:
        assert play(fake.endpoint, authentication) == play(etcd.endpoints[0], authentication)


@pytest.mark.parametrize("path", ["/version", "/health", "/nothing", "/v3/kv/range"])
def test_same_pages(path: str, etcd_of_series: Cluster) -> None:
    with FakeEtcd(etcd_of_series.version) as fake:
        assert request(fake.endpoint, path) == request(etcd_of_series.endpoints[0], path)

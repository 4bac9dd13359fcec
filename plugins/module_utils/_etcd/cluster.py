# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a whole cluster: every member and endpoint, also those that do not answer.

Internal to the collection: no promise is made to other users of this file.

Ids are hexadecimal, as etcdctl has them.
"""

from __future__ import annotations

import concurrent.futures
import typing as t

from .client import Client
from .endpoints import Endpoint, parse_endpoint
from .errors import EtcdError, InvalidSettings, PermissionDenied

Json = t.Dict[str, t.Any]

_AT_ONCE = 16  # endpoints that are asked at the same time; etcd recommends clusters of at most seven members

# Names of the figures in our answers, and in etcd's status.
_FIGURES = {
    "db_size": "dbSize",
    "db_size_in_use": "dbSizeInUse",
    "raft_term": "raftTerm",
    "raft_index": "raftIndex",
    "raft_applied_index": "raftAppliedIndex",
}


class Look(t.NamedTuple):
    """What came of asking one endpoint: the member's raw status, {} without an answer; what is wrong, or ""."""

    endpoint: str
    status: Json
    error: str

    @property
    def member(self) -> str:
        """The id of the member that answered, "" for none."""
        return _id(self.status.get("header", {}).get("member_id"))


def survey(client: Client) -> Json:
    """Ask every endpoint that is given or advertised, all at once. Raises EtcdError where not one tells the members.

    Returns `cluster_id`, `healthy`, `leader` (a member's name or None), `versions`, `members`, `endpoints`, and
    `alarms`, which is None where etcd cannot tell, as without a quorum.
    """
    answer = client.call("Listing the members", "/v3/cluster/member/list", {}, repeatable=True)
    cluster = _id(answer["header"]["cluster_id"])
    listed = answer.get("members", [])
    looks = _look_at_all(client, listed, cluster)
    highest = max((_number(look.status, "raft_index") or 0 for look in looks), default=0)
    members = [_member(data, looks, highest) for data in listed]
    alarms = _alarms(client) if any(not look.error for look in looks) else None
    return {
        "cluster_id": cluster,
        "healthy": all(member["healthy"] for member in members) and alarms == [],
        "leader": next((member["name"] for member in members if member["leader"]), None),
        "versions": sorted({member["version"] for member in members if member["version"]}),
        "members": members,
        "endpoints": [
            {"endpoint": look.endpoint, "member": look.member, "healthy": not look.error, "error": look.error}
            for look in looks
        ],
        "alarms": alarms,
    }


def _look_at_all(client: Client, listed: t.Sequence[Json], cluster: str) -> t.List[Look]:
    advertised = [url for data in listed for url in data.get("clientURLs", [])]
    endpoints = list(dict.fromkeys([*client.settings.endpoints, *filter(None, map(_parsed, advertised))]))
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda endpoint: _look(client, endpoint, cluster), endpoints))


def _parsed(url: str) -> t.Optional[Endpoint]:
    """What a member advertises is its own say: a URL that is none is left out."""
    try:
        return parse_endpoint(url)
    except InvalidSettings:
        return None


def _look(client: Client, endpoint: Endpoint, cluster: str) -> Look:
    """Ask for the status, and read through the quorum as `etcdctl endpoint health` does."""
    status: Json = {}
    with client.at(endpoint) as one:
        try:
            status = one.status()
            if _id(status["header"].get("cluster_id")) != cluster:
                return Look(str(endpoint), status, "It belongs to another cluster")
            if not _id(status.get("leader")):
                return Look(str(endpoint), status, "It has no leader")
            if not status.get("isLearner"):  # a learner answers no such reads
                one.range("health", count_only=True)
        except PermissionDenied:
            pass  # refused by the quorum's own rules, so there is one
        except EtcdError as exc:
            return Look(str(endpoint), status, str(exc))
    return Look(str(endpoint), status, "")


def _member(data: Json, looks: t.Sequence[Look], highest: int) -> Json:
    """One member, with the best that was seen of it."""
    own = _id(data["ID"])
    urls = {str(_parsed(url)) for url in data.get("clientURLs", [])}
    seen = sorted((look for look in looks if look.member == own), key=lambda look: bool(look.error))
    silent = [look.error for look in looks if look.endpoint in urls]
    error = seen[0].error if seen else "; ".join(silent) or "It has not started: it advertises no client URL"
    status = seen[0].status if seen else {}
    figures = {name: _number(status, name) for name in _FIGURES}
    return {
        "id": own,
        "name": data.get("name", ""),
        "peer_urls": data.get("peerURLs", []),
        "client_urls": data.get("clientURLs", []),
        "learner": bool(data.get("isLearner")),
        "healthy": not error,
        "error": error,
        "leader": bool(status) and _id(status.get("leader")) == own,
        "version": status.get("version", ""),
        **figures,
        "raft_lag": None if figures["raft_applied_index"] is None else max(0, highest - figures["raft_applied_index"]),
    }


def _alarms(client: Client) -> t.Optional[t.List[Json]]:
    try:
        answer = client.call("Listing the alarms", "/v3/maintenance/alarm", {"action": "GET"}, repeatable=True)
    except EtcdError:
        return None
    return [
        {"member": _id(alarm.get("memberID")), "alarm": alarm.get("alarm", "")} for alarm in answer.get("alarms", [])
    ]


def _number(status: Json, name: str) -> t.Optional[int]:
    """A figure of the status, which leaves out zeros; None where there is no status."""
    return int(status.get(_FIGURES[name], 0)) if status else None


def _id(number: t.Union[str, int, None]) -> str:
    """Hexadecimal, "" for none."""
    value = int(number or 0)
    return f"{value:x}" if value else ""

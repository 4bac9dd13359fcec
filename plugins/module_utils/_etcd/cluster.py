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

from .admin import Admin
from .advisories import ADVISORIES, Advisory, Version
from .client import Client
from .endpoints import Endpoint, parse_endpoint
from .errors import EtcdError, InvalidSettings, PermissionDenied
from .wire_cluster import ALARMS, LIST_ALARMS, MEMBERS, Member, Status

Json = t.Dict[str, t.Any]

_AT_ONCE = 16  # endpoints that are asked at the same time; etcd recommends clusters of at most seven members

_FIGURES = ("db_size", "db_size_in_use", "raft_term", "raft_index", "raft_applied_index")  # of a Status


class Look(t.NamedTuple):
    """What came of asking one endpoint: the member's status, None without an answer; what is wrong, or ""."""

    endpoint: str
    status: t.Optional[Status]
    error: str

    @property
    def member(self) -> str:
        """The id of the member that answered, "" for none."""
        return _id(self.status.header.member) if self.status else ""


def survey(client: Client) -> Json:
    """Ask every endpoint that is given or advertised, all at once. Raises EtcdError where not one tells the members.

    Returns `cluster_id`, `healthy`, `leader` (a member's name or None), `versions`, `members`, `endpoints`,
    `advisories`, and `alarms`, which is None where etcd cannot tell, as without a quorum.
    """
    number, listed = client.call("Listing the members", MEMBERS, {})
    cluster = _id(number)
    looks = _look_at_all(client, listed, cluster)
    highest = max((look.status.raft_index for look in looks if look.status), default=0)
    members = [_member(member, looks, highest) for member in listed]
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
        "advisories": _advisories(client, members),
    }


def _advisories(client: Client, members: t.Sequence[Json]) -> t.List[Json]:
    """The known faults of the versions that members run, each with the names of these members."""
    affected = [
        (advisory, [member["name"] for member in members if _applies(advisory, member["version"])])
        for advisory in ADVISORIES
    ]
    affected = [(advisory, names) for advisory, names in affected if names]
    if any(advisory.authentication for advisory, _names in affected) and not _authentication(client):
        affected = [(advisory, names) for advisory, names in affected if not advisory.authentication]
    return [dict(advisory.public(), members=names) for advisory, names in affected]


def _applies(advisory: Advisory, version: str) -> bool:
    try:
        return advisory.applies_to(Version.parse(version))
    except ValueError:
        return False  # it did not answer, or with something that is no version


def _authentication(client: Client) -> bool:
    """Whether authentication is on; so it is taken to be if etcd cannot tell."""
    try:
        return Admin(client).is_auth_enabled()
    except EtcdError:
        return True


def _look_at_all(client: Client, listed: t.Sequence[Member], cluster: str) -> t.List[Look]:
    advertised = [url for member in listed for url in member.client_urls]
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
    status: t.Optional[Status] = None
    if endpoint not in client.settings.endpoints and endpoint.scheme != "https" and client.settings.is_encrypted:
        return Look(str(endpoint), None, "It is not asked: it is advertised without TLS, which is used here")
    with client.at(endpoint) as one:
        try:
            status = one.status()
            if _id(status.header.cluster) != cluster:
                return Look(str(endpoint), status, "It belongs to another cluster")
            if not status.leader:
                return Look(str(endpoint), status, "It has no leader")
            if not status.learner:  # a learner answers no such reads
                one.range("health", count_only=True)
        except PermissionDenied:
            pass  # refused by the quorum's own rules, so there is one
        except EtcdError as exc:
            return Look(str(endpoint), status, str(exc))
    return Look(str(endpoint), status, "")


def _member(member: Member, looks: t.Sequence[Look], highest: int) -> Json:
    """One member, with the best that was seen of it."""
    own = _id(member.id)
    urls = {str(_parsed(url)) for url in member.client_urls}
    seen = sorted((look for look in looks if look.member == own), key=lambda look: bool(look.error))
    silent = [look.error for look in looks if look.endpoint in urls]
    error = seen[0].error if seen else "; ".join(silent) or "It has not started: it advertises no client URL"
    status = seen[0].status if seen else None
    figures: t.Dict[str, t.Optional[int]] = {name: getattr(status, name, None) for name in _FIGURES}
    return {
        "id": own,
        "name": member.name,
        "peer_urls": member.peer_urls,
        "client_urls": member.client_urls,
        "learner": member.learner,
        "healthy": not error,
        "error": error,
        "leader": status is not None and _id(status.leader) == own,
        "version": status.version if status else "",
        **figures,
        "raft_lag": max(0, highest - status.raft_applied_index) if status else None,
    }


def _alarms(client: Client) -> t.Optional[t.List[Json]]:
    try:
        alarms = client.call("Listing the alarms", ALARMS, LIST_ALARMS)
    except EtcdError:
        return None
    return [{"member": _id(alarm.member), "alarm": alarm.kind} for alarm in alarms]


def _id(number: int) -> str:
    """Hexadecimal, "" for none."""
    return f"{number:x}" if number else ""

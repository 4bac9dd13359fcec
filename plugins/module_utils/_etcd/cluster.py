# Copyright: (c) 2026, Rollcall contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health of a whole cluster: all members and endpoints, including those that do not answer.

Internal to the collection: no promise is made to other users of this file.

Ids are hexadecimal, as in etcdctl.
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

_AT_ONCE = 16  # endpoints queried in parallel; etcd recommends clusters of at most seven members

_FIGURES = ("db_size", "db_size_in_use", "raft_term", "raft_index", "raft_applied_index")  # of a Status


class EndpointStatus(t.NamedTuple):
    """The result of querying one endpoint: the member's status (None: no answer), and the problem or ""."""

    endpoint: str
    status: t.Optional[Status]
    error: str

    @property
    def member(self) -> str:
        """The id of the member that answered, "" if there was no answer."""
        return _id(self.status.header.member) if self.status else ""


def survey(client: Client) -> Json:
    """Query all given and advertised endpoints in parallel. Raises EtcdError if none of them returns the member list.

    Returns `cluster_id`, `healthy`, `leader` (a member's name or None), `versions`, `members`, `endpoints`,
    `advisories`, and `alarms`, which is None if etcd cannot list them, such as without a quorum.
    """
    number, listed = client.call("Listing the members", MEMBERS, {})
    cluster = _id(number)
    results = _query_all(client, listed, cluster)
    highest = max((result.status.raft_index for result in results if result.status), default=0)
    members = [_member(member, results, highest) for member in listed]
    alarms = _alarms(client) if any(not result.error for result in results) else None
    return {
        "cluster_id": cluster,
        "healthy": all(member["healthy"] for member in members) and alarms == [],
        "leader": next((member["name"] for member in members if member["leader"]), None),
        "versions": sorted({member["version"] for member in members if member["version"]}),
        "members": members,
        "endpoints": [
            {"endpoint": result.endpoint, "member": result.member, "healthy": not result.error, "error": result.error}
            for result in results
        ],
        "alarms": alarms,
        "advisories": _advisories(client, members),
    }


def _advisories(client: Client, members: t.Sequence[Json]) -> t.List[Json]:
    """The advisories for the versions that members run, each with the names of these members."""
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
        return False  # the member did not answer, or with an invalid version


def _authentication(client: Client) -> bool:
    """Whether authentication is enabled; True if that is unknown."""
    try:
        return Admin(client).is_auth_enabled()
    except EtcdError:
        return True


def _query_all(client: Client, listed: t.Sequence[Member], cluster: str) -> t.List[EndpointStatus]:
    advertised = [url for member in listed for url in member.client_urls]
    endpoints = list(dict.fromkeys([*client.settings.endpoints, *filter(None, map(_parsed, advertised))]))
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda endpoint: _query(client, endpoint, cluster), endpoints))


def _parsed(url: str) -> t.Optional[Endpoint]:
    """An advertised URL as an endpoint; None if it is invalid, since a member can advertise any text."""
    try:
        return parse_endpoint(url)
    except InvalidSettings:
        return None


def _query(client: Client, endpoint: Endpoint, cluster: str) -> EndpointStatus:
    """Get the status, and make a linearizable read like `etcdctl endpoint health`."""
    status: t.Optional[Status] = None
    if endpoint not in client.settings.endpoints and endpoint.scheme != "https" and client.settings.is_encrypted:
        return EndpointStatus(
            str(endpoint), None, "Not queried: the member advertises it without TLS, but this connection uses TLS"
        )
    with client.at(endpoint) as one:
        try:
            status = one.status()
            if _id(status.header.cluster) != cluster:
                return EndpointStatus(str(endpoint), status, "The member belongs to another cluster")
            if not status.leader:
                return EndpointStatus(str(endpoint), status, "The member has no leader")
            if not status.learner:  # a learner does not serve linearizable reads
                one.range("health", count_only=True)
        except PermissionDenied:
            pass  # etcd checks permissions after it has reached the quorum
        except EtcdError as exc:
            return EndpointStatus(str(endpoint), status, str(exc))
    return EndpointStatus(str(endpoint), status, "")


def _member(member: Member, results: t.Sequence[EndpointStatus], highest: int) -> Json:
    """The data of one member, with the best result of its endpoints."""
    own = _id(member.id)
    urls = {str(_parsed(url)) for url in member.client_urls}
    answers = sorted((result for result in results if result.member == own), key=lambda result: bool(result.error))
    silent = [result.error for result in results if result.endpoint in urls]
    error = answers[0].error if answers else "; ".join(silent) or "Not started yet: the member advertises no client URL"
    status = answers[0].status if answers else None
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
    """The hexadecimal form of an id, "" for 0."""
    return f"{number:x}" if number else ""
